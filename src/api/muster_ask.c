#include "api/muster_ask.h"

#include "base/time.h"
#include "base/utf8.h"
#include "identity/xid.h"

#include <stdarg.h>
#include <stdio.h>

#define BAD_MEMBER MU_STR("UPAPI-119911-400")
#define BAD_RULE   MU_STR("UPAPI-119913-400")

static mu_arena *arena_of(const mu_ask *ask)
{
    return mu_http_request_arena(ask->request);
}

static bool refuse(mu_ask *ask, mu_str code, const char *format, ...) MU_PRINTF(3, 4);
static bool refuse(mu_ask *ask, mu_str code, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    len = mu_utf8_whole((mu_str){text, len});
    (void)mu_api_problem(ask->request, ask->response, 400, code, (mu_str){text, len});
    return false;
}

static bool fail(mu_ask *ask, const mu_err *err)
{
    if (err->code == MU_E_SYNTAX)
        return refuse(ask, BAD_RULE, "%s", err->text);
    (void)mu_api_fail(ask->request, ask->response, err);
    return false;
}

/* -------- instants and limits -------- */

static bool read_instant(mu_ask *ask, const char *name, int64_t *out)
{
    const mu_json *json = mu_json_get(&ask->body, mu_str_from(name));
    if (json == NULL)
        return true;
    if (json->kind != MU_JSON_STRING || !mu_parse_rfc3339(json->string, out))
        return refuse(ask, BAD_MEMBER, "/%s: a date and time like 2026-01-02T03:04:05Z is wanted",
                      name);
    return true;
}

static bool read_limit(mu_ask *ask)
{
    const mu_json *json = mu_json_get(&ask->body, MU_STR("limit"));
    ask->limit = 20;
    if (json == NULL)
        return true;
    if (json->kind != MU_JSON_INTEGER || json->integer < 0)
        return refuse(ask, BAD_MEMBER, "/limit: a number from 0 to %d is wanted", MU_ASK_ROWS_MAX);
    ask->limit = json->integer > MU_ASK_ROWS_MAX ? MU_ASK_ROWS_MAX : json->integer;
    return true;
}

bool mu_ask_begin(mu_http_request *request, mu_http_response *response, mu_ask *ask)
{
    mu_err err;
    *ask = (mu_ask){.request = request, .response = response, .as_of_ms = INT64_MAX};
    if (!mu_api_workspace(request, response, &ask->workspace) ||
        !mu_api_body_object(request, response, &ask->body))
        return false;
    if (mu_audience_book_acquire(ask->workspace->books, &ask->book, &err) != MU_OK)
        return fail(ask, &err);
    if (!read_instant(ask, "asOf", &ask->as_of_ms))
        return false;
    ask->now_ms = ask->as_of_ms == INT64_MAX ? mu_workspace_now_ms(ask->workspace) : ask->as_of_ms;
    return read_instant(ask, "now", &ask->now_ms) && read_limit(ask);
}

void mu_ask_end(mu_ask *ask)
{
    if (ask->book != NULL)
        mu_audience_book_release(ask->book);
}

void mu_ask_instants(const mu_ask *ask, mu_json *answer)
{
    mu_arena *arena = arena_of(ask);
    mu_json_set(arena, answer, MU_STR("now"), mu_json_of_time(arena, ask->now_ms));
    if (ask->as_of_ms == INT64_MAX)
        return;
    mu_json_set(arena, answer, MU_STR("asOf"), mu_json_of_time(arena, ask->as_of_ms));
    mu_json_set(arena, answer, MU_STR("asOfCovers"),
                mu_json_of_string(MU_STR("events by time and receive time; attributes and stored "
                                         "memberships are as they are now")));
}

/* -------- rules -------- */

static bool add_audience(mu_ask *ask, mu_str id, const char *pointer)
{
    const mu_audience *audience = mu_audience_find(ask->book, id);
    if (audience == NULL)
        audience = mu_audience_find_external(ask->book, MU_STR(""), id);
    if (audience == NULL)
        return refuse(ask, BAD_MEMBER, "%s: there is no audience " MU_STR_FMT, pointer,
                      MU_STR_ARG(mu_utf8_head(id, 200)));
    mu_asked_rule *rule = &ask->rules[ask->n_rules++];
    *rule = (mu_asked_rule){.audience = audience,
                            .id = audience->id,
                            .is_stored = audience->is_external ||
                                         audience->lifecycle == MU_LIFECYCLE_INACTIVE};
    return true;
}

static bool check_kind(mu_ask *ask, const mu_json *json, const char *name, mu_json_kind kind,
                       const char *pointer, const char *expected)
{
    const mu_json *member = mu_json_get(json, mu_str_from(name));
    return member == NULL || member->kind == kind ||
           refuse(ask, BAD_MEMBER, "%s/%s: %s is wanted", pointer, name, expected);
}

bool mu_ask_check_members(mu_ask *ask, const mu_json *rule, const char *pointer)
{
    const mu_json *governance = mu_json_get(rule, MU_STR("dataGovernancePolicy"));
    const mu_json *expression = mu_json_get(rule, MU_STR("expression"));
    return check_kind(ask, rule, "expression", MU_JSON_OBJECT, pointer, "an object") &&
           check_kind(ask, expression, "type", MU_JSON_STRING, pointer, "a text") &&
           check_kind(ask, expression, "format", MU_JSON_STRING, pointer, "a text") &&
           check_kind(ask, rule, "mergePolicyId", MU_JSON_STRING, pointer, "a text") &&
           check_kind(ask, rule, "dataGovernancePolicy", MU_JSON_OBJECT, pointer, "an object") &&
           check_kind(ask, governance, "excludeOptOut", MU_JSON_BOOLEAN, pointer, "true or false");
}

/* The value as text; a tree may be given as an object. */
static bool expression_value(mu_ask *ask, const mu_json *expression, const char *pointer,
                             mu_subject *subject)
{
    const mu_json *value = mu_json_get(expression, MU_STR("value"));
    mu_str format = mu_json_member_string(expression, MU_STR("format"), MU_STR("pql/text"));
    bool is_object = value != NULL && value->kind == MU_JSON_OBJECT;
    mu_err err;
    if (value == NULL || (value->kind != MU_JSON_STRING && !is_object))
        return refuse(ask, BAD_MEMBER, "%s/expression/value: the rule is missing", pointer);
    subject->is_tree = is_object || mu_str_equal(format, MU_STR("pql/json"));
    if (!subject->is_tree && !mu_str_equal(format, MU_STR("pql/text")))
        return refuse(ask, BAD_MEMBER, "%s/expression/format: pql/text or pql/json is wanted",
                      pointer);
    if (!is_object)
        subject->expression = value->string;
    else if (mu_json_text(arena_of(ask), value, &subject->expression, &err) != MU_OK)
        return fail(ask, &err);
    return true;
}

static bool add_expression(mu_ask *ask, const mu_json *json, const char *pointer)
{
    const mu_json *expression = mu_json_get(json, MU_STR("expression"));
    const mu_json *governance = mu_json_get(json, MU_STR("dataGovernancePolicy"));
    mu_asked_rule *rule = &ask->rules[ask->n_rules];
    *rule = (mu_asked_rule){.id = mu_arena_format(arena_of(ask), "rule-%u", ask->n_rules + 1)};
    rule->subject = (mu_subject){
        .id = rule->id,
        .merge_policy_id = mu_json_member_string(json, MU_STR("mergePolicyId"), MU_STR("")),
        .excludes_opt_out = mu_json_truth(mu_json_get(governance, MU_STR("excludeOptOut")), true)};
    if (!mu_ask_check_members(ask, json, pointer) ||
        !expression_value(ask, expression, pointer, &rule->subject))
        return false;
    ask->n_rules++;
    return true;
}

bool mu_ask_rule(mu_ask *ask, const mu_json *json, const char *pointer)
{
    const mu_json *id =
        json->kind == MU_JSON_STRING ? json : mu_json_get(json, MU_STR("segmentId"));
    if (ask->n_rules == MU_ASK_RULES_MAX)
        return refuse(ask, BAD_MEMBER, "%s: at most %u rules can be asked for", pointer,
                      MU_ASK_RULES_MAX);
    if (id != NULL && id->kind == MU_JSON_STRING)
        return add_audience(ask, id->string, pointer);
    const mu_json *expression = mu_json_get(json, MU_STR("expression"));
    if (expression == NULL || expression->kind != MU_JSON_OBJECT)
        return refuse(ask, BAD_MEMBER, "%s: a segmentId or an expression is wanted", pointer);
    return add_expression(ask, json, pointer);
}

/* -------- evaluation -------- */

/* Ids that the evaluation has to know: the rules' own, and what expressions refer to. */
typedef struct id_list {
    mu_arena *arena;
    uint32_t n, capacity;
    mu_str *items;
} id_list;

static void add_id(id_list *list, mu_str id)
{
    for (uint32_t i = 0; i < list->n; i++)
        if (mu_str_equal(list->items[i], id))
            return;
    if (list->n == list->capacity) {
        uint32_t capacity = list->capacity * 2 + 16;
        mu_str *items = MU_NEW_ARRAY(list->arena, mu_str, capacity);
        if (list->n > 0)
            memcpy(items, list->items, list->n * sizeof *items);
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->n++] = id;
}

static bool is_evaluated(const mu_audience *audience)
{
    return audience != NULL && !audience->is_external &&
           audience->lifecycle != MU_LIFECYCLE_INACTIVE;
}

static bool add_references(mu_ask *ask, const mu_subject *subject, id_list *ids)
{
    mu_expression expression;
    mu_snapshot *snapshot;
    mu_err err;
    if (mu_sandbox_snapshot(ask->workspace->live, &snapshot, &err) != MU_OK)
        return fail(ask, &err);
    const mu_expression_request request = {.book = ask->book,
                                           .schema = mu_snapshot_schema(snapshot),
                                           .value = subject->expression,
                                           .is_tree = subject->is_tree,
                                           .own_id = subject->id};
    mu_code code = mu_expression_read(arena_of(ask), &request, &expression, &err);
    for (uint32_t i = 0; code == MU_OK && i < expression.eligibility.n_segments; i++)
        if (is_evaluated(mu_audience_find(ask->book, expression.eligibility.segments[i])))
            add_id(ids, mu_arena_copy(arena_of(ask), expression.eligibility.segments[i]));
    mu_snapshot_release(snapshot);
    return code == MU_OK || fail(ask, &err);
}

static bool collect_ids(mu_ask *ask, const mu_subject *replaced, id_list *ids)
{
    for (uint32_t i = 0; i < ask->n_rules; i++) {
        const mu_asked_rule *rule = &ask->rules[i];
        if (rule->audience == NULL && !add_references(ask, &rule->subject, ids))
            return false;
        if (rule->audience != NULL && !rule->is_stored)
            add_id(ids, rule->id);
    }
    return replaced == NULL || add_references(ask, replaced, ids);
}

/* What is referred to first, then the expressions; `replaced` in the place of its audience. */
static bool collect_subjects(mu_ask *ask, const mu_subject *replaced, uint32_t *n, mu_subject **out)
{
    id_list ids = {.arena = arena_of(ask)};
    mu_subject *known = NULL;
    uint32_t n_known = 0;
    mu_err err;
    if (!collect_ids(ask, replaced, &ids))
        return false;
    if (ids.n > 0 &&
        mu_subjects_of(ids.arena, ask->book, ids.n, ids.items, &n_known, &known, &err) != MU_OK)
        return fail(ask, &err);
    mu_subject *subjects = MU_NEW_ARRAY(ids.arena, mu_subject, n_known + ask->n_rules + 1);
    *n = 0;
    for (uint32_t i = 0; i < n_known; i++)
        subjects[(*n)++] =
            replaced != NULL && mu_str_equal(known[i].id, replaced->id) ? *replaced : known[i];
    for (uint32_t i = 0; i < ask->n_rules; i++)
        if (ask->rules[i].audience == NULL)
            subjects[(*n)++] = ask->rules[i].subject;
    *out = subjects;
    return true;
}

static uint32_t place_of(uint32_t n, const mu_subject *subjects, mu_str id)
{
    uint32_t i = 0;
    while (i < n && !mu_str_equal(subjects[i].id, id))
        i++;
    return i;
}

/* Where each rule's members are. */
static bool find_members(mu_ask *ask, uint32_t n, const mu_subject *subjects, mu_answer *out)
{
    for (uint32_t i = 0; i < ask->n_rules; i++) {
        const mu_asked_rule *rule = &ask->rules[i];
        const mu_membership *stored =
            rule->is_stored ? mu_membership_find(out->stored, rule->id) : NULL;
        out->members[i] = out->nobody;
        if (stored != NULL && mu_membership_count(stored, ask->now_ms) > 0) {
            out->members[i] = stored->members;
            out->sizes[i] = mu_membership_count(stored, ask->now_ms);
        }
        uint32_t place = place_of(n, subjects, rule->id);
        if (rule->is_stored || place == n)
            continue;
        const mu_evaluated *evaluated = &out->evaluation->subjects[place];
        if (evaluated->error.len > 0)
            return refuse(ask, BAD_RULE, MU_STR_FMT ": " MU_STR_FMT, MU_STR_ARG(rule->id),
                          MU_STR_ARG(evaluated->error));
        out->members[i] = evaluated->members;
        out->sizes[i] = evaluated->n_members;
    }
    return true;
}

bool mu_ask_evaluate(mu_ask *ask, const mu_subject *replaced, mu_answer *out)
{
    mu_err err;
    uint32_t n = 0;
    mu_subject *subjects = NULL;
    *out = (mu_answer){0};
    if (!collect_subjects(ask, replaced, &n, &subjects))
        return false;
    out->nobody = roaring_bitmap_create();
    out->stored = mu_memberships_acquire(ask->workspace->memberships);
    const mu_evaluation_request request = {.n_subjects = n,
                                           .subjects = subjects,
                                           .book = ask->book,
                                           .now_ms = ask->now_ms,
                                           .as_of_ms = ask->as_of_ms};
    bool is_done = mu_evaluate(ask->workspace, &request, &out->evaluation, &err) == MU_OK
                       ? find_members(ask, n, subjects, out)
                       : fail(ask, &err);
    if (!is_done)
        mu_answer_free(out);
    return is_done;
}

void mu_answer_free(mu_answer *answer)
{
    if (answer->evaluation != NULL)
        mu_evaluation_free(answer->evaluation);
    if (answer->stored != NULL)
        mu_membership_state_release(answer->stored);
    if (answer->nobody != NULL)
        roaring_bitmap_free(answer->nobody);
    *answer = (mu_answer){0};
}

/* -------- profiles -------- */

static mu_json shown_profile(mu_arena *arena, uint32_t namespace_id, mu_identity identity)
{
    mu_xid xid = mu_identity_xid(namespace_id, identity.value);
    mu_str code = mu_arena_copy(arena, identity.namespace_code);
    mu_json name = MU_JSON_OBJECT_OF(arena, {MU_STR("code"), mu_json_of_string(code)});
    mu_json shown =
        MU_JSON_OBJECT_OF(arena, {MU_STR("namespace"), name},
                          {MU_STR("id"), mu_json_of_string(mu_arena_copy(arena, identity.value))});
    return MU_JSON_OBJECT_OF(
        arena, {MU_STR("entityId"), mu_json_of_string(mu_arena_copy(arena, mu_xid_str(&xid)))},
        {MU_STR("identity"), shown});
}

static uint32_t namespace_id(uint32_t n, const mu_graph_namespace *namespaces, mu_str code)
{
    for (uint32_t i = 0; i < n; i++)
        if (mu_str_equal(namespaces[i].code, code))
            return namespaces[i].id;
    return 0;
}

typedef struct shown_list {
    mu_ask *ask;
    const mu_entity *profiles;
    uint32_t n_namespaces;
    const mu_graph_namespace *namespaces;
    uint32_t n;
    mu_json *items;
} shown_list;

static mu_code add_profile(shown_list *list, uint32_t pid, mu_err *err)
{
    bool found;
    mu_row_place place;
    mu_identity identity;
    MU_TRY(mu_entity_find_pid(list->profiles, pid, &found, &place, err));
    if (!found) /* gone since */
        return MU_OK;
    MU_TRY(mu_part_identity(list->profiles->parts[place.part], place.row, &identity, err));
    uint32_t id = namespace_id(list->n_namespaces, list->namespaces, identity.namespace_code);
    list->items[list->n++] = shown_profile(arena_of(list->ask), id, identity);
    return MU_OK;
}

bool mu_ask_profiles(mu_ask *ask, const mu_pid_set *pids, mu_json *out)
{
    mu_snapshot *snapshot;
    mu_err err;
    shown_list list = {.ask = ask,
                       .items = MU_NEW_ARRAY(arena_of(ask), mu_json, (size_t)ask->limit + 1)};
    if (mu_sandbox_snapshot(ask->workspace->live, &snapshot, &err) != MU_OK)
        return fail(ask, &err);
    list.profiles = mu_snapshot_entity(snapshot, MU_STR("profile"));
    list.n_namespaces =
        mu_sandbox_namespaces(ask->workspace->live, arena_of(ask), &list.namespaces);
    roaring_uint32_iterator_t at;
    mu_code code = MU_OK;
    if (list.profiles != NULL)
        for (roaring_init_iterator(pids, &at);
             code == MU_OK && at.has_value && list.n < (uint32_t)ask->limit;
             roaring_advance_uint32_iterator(&at))
            code = add_profile(&list, at.current_value, &err);
    mu_snapshot_release(snapshot);
    if (code != MU_OK)
        return fail(ask, &err);
    *out = (mu_json){.kind = MU_JSON_ARRAY, .n = list.n, .items = list.items};
    return true;
}
