/* muster_explain.c -- why a profile is in an audience or not, with the events that decide it
 * (docs/explain.md).
 */
#include "api/entities_int.h"
#include "api/muster_ask.h"
#include "audience/exclusion.h"
#include "base/utf8.h"

#define PATH       "/data/core/ups/muster/explain"
#define BAD_MEMBER MU_STR("UPAPI-119911-400")
#define BAD_RULE   MU_STR("UPAPI-119913-400")

typedef struct explaining {
    mu_ask ask;
    mu_arena *arena;
    mu_entity_ask entities; /* only what mu_entity_target_find needs */
    mu_entity_target target;
    uint32_t pid; /* of the target's cluster */
    uint32_t n_subjects, subject;
    mu_subject *subjects;
    mu_prepared *prepared; /* NULL: the audience is not evaluated */
    uint32_t audience;     /* the subject's place in the job */
    mu_row_place place;
    mu_identity identity; /* of the row */
} explaining;

static bool refuse(explaining *e, unsigned status, mu_str code, const char *format, mu_str text)
{
    text = mu_utf8_head(text, 200);
    (void)mu_api_problem(e->ask.request, e->ask.response, status, code,
                         mu_arena_format(e->arena, format, MU_STR_ARG(text)));
    return false;
}

static bool fail(explaining *e, const mu_err *err)
{
    if (err->code == MU_E_SYNTAX || err->code == MU_E_INPUT)
        return refuse(e, 400, err->code == MU_E_SYNTAX ? BAD_RULE : BAD_MEMBER, MU_STR_FMT,
                      mu_str_from(err->text));
    (void)mu_api_fail(e->ask.request, e->ask.response, err);
    return false;
}

/* -------- what is asked -------- */

/* Empty when absent or null. */
static bool text_member(explaining *e, const char *name, mu_str *out)
{
    const mu_json *json = mu_json_get(&e->ask.body, mu_str_from(name));
    *out = MU_STR("");
    if (json == NULL || json->kind == MU_JSON_NULL)
        return true;
    if (json->kind != MU_JSON_STRING)
        return refuse(e, 400, BAD_MEMBER, "/" MU_STR_FMT ": a text is wanted", mu_str_from(name));
    *out = json->string;
    return true;
}

static bool read_rule(explaining *e)
{
    mu_str id, policy;
    if (!text_member(e, "segmentId", &id) || !text_member(e, "mergePolicyId", &policy))
        return false;
    if (id.len > 0 && mu_audience_find(e->ask.book, id) == NULL &&
        mu_audience_find_external(e->ask.book, MU_STR(""), id) == NULL)
        return refuse(e, 404, MU_STR("UPAPI-113430-404"), "There is no audience " MU_STR_FMT, id);
    return mu_ask_rule(&e->ask, &e->ask.body, "");
}

static bool read_target(explaining *e)
{
    mu_str id, namespace_code;
    mu_graph_cluster cluster;
    mu_err err;
    if (!text_member(e, "entityId", &id) || !text_member(e, "entityIdNS", &namespace_code))
        return false;
    if (id.len == 0)
        return refuse(e, 400, BAD_MEMBER, "/" MU_STR_FMT ": the id of a profile is wanted",
                      MU_STR("entityId"));
    mu_api_call *call = mu_api_call_of(e->ask.request);
    e->entities = (mu_entity_ask){.call = call, .arena = e->arena};
    e->entities.n_namespaces =
        mu_sandbox_namespaces(e->ask.workspace->live, e->arena, &e->entities.namespaces);
    if (mu_entity_target_find(&e->entities, id, namespace_code, &e->target, &err) != MU_OK)
        return fail(e, &err);
    if (e->target.identity.value.len > 0 &&
        mu_sandbox_cluster(e->ask.workspace->live, e->target.identity, e->arena, &cluster))
        e->pid = cluster.pid;
    return true;
}

static bool no_profile(explaining *e)
{
    return refuse(e, 404, MU_STR("UPAPI-113000-404"), "There is no profile " MU_STR_FMT,
                  e->target.id);
}

/* -------- the rule over one profile -------- */

static bool is_evaluated(const mu_audience *audience)
{
    return audience != NULL && !audience->is_external &&
           audience->lifecycle != MU_LIFECYCLE_INACTIVE;
}

static mu_code find_references(explaining *e, const mu_subject *subject, uint32_t *n, mu_str **out,
                               mu_err *err)
{
    mu_snapshot *snapshot;
    mu_expression expression;
    MU_TRY(mu_sandbox_snapshot(e->ask.workspace->live, &snapshot, err));
    const mu_expression_request request = {.book = e->ask.book,
                                           .schema = mu_snapshot_schema(snapshot),
                                           .value = subject->expression,
                                           .is_tree = subject->is_tree};
    mu_code code = mu_expression_read(e->arena, &request, &expression, err);
    mu_snapshot_release(snapshot);
    MU_TRY(code);
    mu_str *ids = MU_NEW_ARRAY(e->arena, mu_str, (size_t)expression.eligibility.n_segments + 1);
    *n = 0;
    for (uint32_t i = 0; i < expression.eligibility.n_segments; i++)
        if (is_evaluated(mu_audience_find(e->ask.book, expression.eligibility.segments[i])))
            ids[(*n)++] = expression.eligibility.segments[i];
    *out = ids;
    return MU_OK;
}

/* What the rule refers to, then the rule. */
static mu_code find_subjects(explaining *e, mu_err *err)
{
    const mu_asked_rule *rule = &e->ask.rules[0];
    mu_subject *before = NULL;
    uint32_t n = 0, n_ids = 1;
    mu_str *ids = MU_NEW(e->arena, mu_str);
    *ids = rule->id;
    if (rule->audience == NULL)
        MU_TRY(find_references(e, &rule->subject, &n_ids, &ids, err));
    if (n_ids > 0)
        MU_TRY(mu_subjects_of(e->arena, e->ask.book, n_ids, ids, &n, &before, err));
    e->subjects = MU_NEW_ARRAY(e->arena, mu_subject, (size_t)n + 1);
    if (n > 0)
        memcpy(e->subjects, before, n * sizeof *before);
    e->n_subjects = n;
    if (rule->audience == NULL)
        e->subjects[e->n_subjects++] = rule->subject;
    while (e->subject < e->n_subjects && !mu_str_equal(e->subjects[e->subject].id, rule->id))
        e->subject++;
    MU_ASSERT(e->subject < e->n_subjects);
    return MU_OK;
}

static mu_code prepare(explaining *e, mu_evaluation_request *request, mu_err *err)
{
    mu_str policy = mu_json_member_string(&e->ask.body, MU_STR("mergePolicyId"), MU_STR(""));
    MU_TRY(find_subjects(e, err));
    if (policy.len > 0)
        e->subjects[e->subject].merge_policy_id = policy;
    *request = (mu_evaluation_request){.n_subjects = e->n_subjects,
                                       .subjects = e->subjects,
                                       .book = e->ask.book,
                                       .now_ms = e->ask.now_ms,
                                       .as_of_ms = e->ask.as_of_ms};
    MU_TRY(mu_evaluation_prepare(e->ask.workspace, request, e->subject, NULL, &e->prepared, err));
    while (e->audience < e->prepared->n_audiences &&
           e->prepared->subjects[e->audience] != e->subject)
        e->audience++;
    MU_ASSERT(e->audience < e->prepared->n_audiences);
    return MU_OK;
}

/* With a graph the cluster's row, without one that of the identity itself. */
static mu_code find_row(explaining *e, bool *found, mu_err *err)
{
    const mu_entity *profiles = mu_snapshot_entity(e->prepared->snapshot, MU_STR("profile"));
    *found = false;
    if (profiles == NULL || e->pid == 0)
        return MU_OK;
    if (e->prepared->policy.policy.uses_graph)
        MU_TRY(mu_entity_find_pid(profiles, e->pid, found, &e->place, err));
    else
        MU_TRY(mu_entity_find(profiles, e->target.identity, found, &e->place, err));
    if (*found)
        MU_TRY(mu_part_identity(profiles->parts[e->place.part], e->place.row, &e->identity, err));
    return MU_OK;
}

/* -------- the answer -------- */

static void text(mu_json_writer *writer, const char *name, mu_str value)
{
    mu_json_name(writer, mu_str_from(name));
    mu_json_string(writer, value);
}

static void flag(mu_json_writer *writer, const char *name, bool value)
{
    mu_json_name(writer, mu_str_from(name));
    mu_json_boolean(writer, value);
}

static void instant(mu_json_writer *writer, const char *name, int64_t ms)
{
    mu_json_name(writer, mu_str_from(name));
    mu_value_write(writer, mu_value_timestamp(ms));
}

static void write_head(const explaining *e, mu_json_writer *writer, mu_identity identity)
{
    const mu_asked_rule *rule = &e->ask.rules[0];
    if (rule->audience != NULL) {
        text(writer, "segmentId", rule->audience->id);
        text(writer, "name", rule->audience->name);
    }
    mu_str xid = mu_entity_xid(&e->entities, identity);
    if (xid.len > 0)
        text(writer, "entityId", xid);
    mu_json_name(writer, MU_STR("identity"));
    mu_json_begin_object(writer);
    mu_json_name(writer, MU_STR("namespace"));
    mu_json_begin_object(writer);
    text(writer, "code", identity.namespace_code);
    mu_json_end_object(writer);
    text(writer, "id", identity.value);
    mu_json_end_object(writer);
    instant(writer, "now", e->ask.now_ms);
    if (e->ask.as_of_ms != INT64_MAX)
        instant(writer, "asOf", e->ask.as_of_ms);
}

/* What the last job, or the client that owns the audience, left; nothing for an expression. */
static bool write_stored(const explaining *e, mu_json_writer *writer)
{
    const mu_asked_rule *rule = &e->ask.rules[0];
    mu_membership_item item = {0};
    if (rule->audience == NULL)
        return false;
    const mu_membership_state *state = mu_memberships_acquire(e->ask.workspace->memberships);
    const mu_membership *membership = mu_membership_find(state, rule->audience->id);
    bool known = membership != NULL && mu_membership_get(membership, e->pid, e->ask.now_ms, &item);
    mu_membership_state_release(state);
    if (known) {
        mu_json_name(writer, MU_STR("segmentMembership"));
        mu_json_begin_object(writer);
        text(writer, "status", item.is_member ? MU_STR("realized") : MU_STR("exited"));
        instant(writer, "lastQualificationTime", item.since_ms);
        mu_json_end_object(writer);
    }
    return known && item.is_member;
}

/* Why whoever fulfils the rule may be left out all the same. */
typedef struct excluded {
    bool by_opt_out, by_event_limit;
} excluded;

static excluded find_exclusion(const explaining *e, const mu_reference_context *context)
{
    int64_t events_max = e->ask.workspace->options->settings.events_max; /* 0: any number */
    mu_exclusion_rules rules;
    excluded out = {0};
    uint32_t trips;
    mu_exclusion_rules_make(e->arena, mu_snapshot_schema(e->prepared->snapshot),
                            events_max > 0 ? events_max : -1, &rules);
    if (e->subjects[e->subject].excludes_opt_out && rules.opt_out != NULL)
        out.by_opt_out = mu_reference_is_member(e->arena, context, rules.opt_out, &trips);
    if (rules.many_events != NULL)
        out.by_event_limit = mu_reference_is_member(e->arena, context, rules.many_events, &trips);
    return out;
}

static void write_excluded(mu_json_writer *writer, excluded by)
{
    mu_json_name(writer, MU_STR("excludedBy"));
    mu_json_begin_object(writer);
    flag(writer, "optOut", by.by_opt_out);
    flag(writer, "eventLimit", by.by_event_limit);
    mu_json_end_object(writer);
}

static mu_code write_evaluated(explaining *e, mu_json_writer *writer, mu_err *err)
{
    mu_reference_context context;
    mu_explanation explanation;
    const mu_pql *query = mu_job_audience_query(e->prepared->job, e->audience);
    MU_TRY(mu_job_reference_context(e->prepared->job, e->place, e->arena, &context, err));
    mu_explain_run(e->arena, &context, query, &explanation);
    excluded by = find_exclusion(e, &context);
    mu_json_begin_object(writer);
    write_head(e, writer, e->identity);
    flag(writer, "member", explanation.is_member && !by.by_opt_out && !by.by_event_limit);
    flag(writer, "isEvaluated", true);
    if (e->prepared->policy.policy.id.len > 0)
        text(writer, "mergePolicyId", e->prepared->policy.policy.id);
    write_excluded(writer, by);
    (void)write_stored(e, writer);
    mu_json_name(writer, MU_STR("explanation"));
    mu_explain_write(writer, &context, query, MU_STR(""), &explanation);
    mu_json_end_object(writer);
    return MU_OK;
}

static bool answer_evaluated(explaining *e)
{
    mu_evaluation_request request;
    bool found = false;
    mu_err err;
    mu_code code = prepare(e, &request, &err);
    if (code == MU_OK)
        code = find_row(e, &found, &err);
    bool is_done = code == MU_OK && found;
    if (code == MU_OK && !found)
        (void)no_profile(e);
    if (is_done)
        code = write_evaluated(e, mu_http_response_json(e->ask.response), &err);
    if (e->prepared != NULL)
        mu_prepared_free(e->prepared);
    return code == MU_OK ? is_done : fail(e, &err);
}

/* Of an external or inactive audience only its stored membership is known. */
static bool answer_stored(explaining *e)
{
    mu_snapshot *snapshot;
    mu_row_place place;
    mu_err err;
    bool found = false;
    if (mu_sandbox_snapshot(e->ask.workspace->live, &snapshot, &err) != MU_OK)
        return fail(e, &err);
    const mu_entity *profiles = mu_snapshot_entity(snapshot, MU_STR("profile"));
    mu_code code = profiles == NULL || e->pid == 0
                       ? MU_OK
                       : mu_entity_find_pid(profiles, e->pid, &found, &place, &err);
    mu_snapshot_release(snapshot);
    if (code != MU_OK)
        return fail(e, &err);
    if (!found)
        return no_profile(e);
    mu_json_writer *writer = mu_http_response_json(e->ask.response);
    mu_json_begin_object(writer);
    write_head(e, writer, e->target.identity);
    flag(writer, "isEvaluated", false);
    bool is_member = write_stored(e, writer);
    flag(writer, "member", is_member);
    mu_json_end_object(writer);
    return true;
}

static mu_http_outcome explain(mu_http_request *request, mu_http_response *response, void *context)
{
    (void)context;
    mu_arena *arena = mu_http_request_arena(request);
    explaining *e = MU_NEW(arena, explaining);
    e->arena = arena;
    if (mu_ask_begin(request, response, &e->ask) && read_rule(e) && read_target(e))
        (void)(e->ask.rules[0].is_stored ? answer_stored(e) : answer_evaluated(e));
    mu_ask_end(&e->ask);
    return MU_HTTP_DONE;
}

mu_code mu_api_add_muster_explain(mu_api *api, mu_http_router *router, mu_err *err)
{
    static const mu_http_route routes[] = {
        {.method = MU_HTTP_POST, .pattern = PATH, .handler = explain},
    };
    return mu_api_add(api, router, MU_API_CHECKED, routes, sizeof routes / sizeof routes[0], err);
}
