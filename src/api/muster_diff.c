/* muster_diff.c -- what a new or edited rule would change, before it is saved: who enters and who
 * leaves the audience, and every audience that refers to it. Ours: docs/http-api.md.
 */
#include "api/muster_ask.h"

typedef struct diff {
    mu_ask *ask;
    const mu_audience *audience; /* NULL: the rule is new */
    mu_subject edited;
    mu_answer before, after;
} diff;

/* Everything that refers to the audience, directly or not, becomes a rule of the request, after
 * the audience itself. */
static bool add_dependents(diff *d)
{
    mu_ask *ask = d->ask;
    if (!mu_ask_rule(ask, &(mu_json){.kind = MU_JSON_STRING, .string = d->audience->id},
                     "/segmentId"))
        return false;
    for (uint32_t i = 0; i < ask->n_rules; i++) {
        const mu_audience *at = ask->rules[i].audience;
        for (uint32_t k = 0; k < at->n_dependents; k++) {
            const mu_audience *dependent = at->dependents[k];
            bool is_known = dependent->lifecycle == MU_LIFECYCLE_INACTIVE;
            for (uint32_t r = 0; r < ask->n_rules && !is_known; r++)
                is_known = ask->rules[r].audience == dependent;
            if (!is_known && ask->n_rules < MU_ASK_RULES_MAX &&
                !mu_ask_rule(ask, &(mu_json){.kind = MU_JSON_STRING, .string = dependent->id},
                             "/segmentId"))
                return false;
        }
    }
    return true;
}

/* The rule as it would be: of the request, or, member by member, of the audience. */
static bool read_edited(diff *d)
{
    mu_ask *ask = d->ask;
    const mu_json *policy = mu_json_get(&ask->body, MU_STR("mergePolicyId"));
    const mu_json *governance = mu_json_get(&ask->body, MU_STR("dataGovernancePolicy"));
    uint32_t n_before = ask->n_rules;
    if (!mu_ask_check_members(ask, &ask->body, ""))
        return false;
    if (mu_json_get(&ask->body, MU_STR("expression")) != NULL) {
        mu_json rule = ask->body;
        mu_json_unset(mu_http_request_arena(ask->request), &rule, MU_STR("segmentId"));
        if (!mu_ask_rule(ask, &rule, ""))
            return false;
        d->edited = ask->rules[n_before].subject;
    } else {
        d->edited = (mu_subject){.expression = d->audience->expression,
                                 .is_tree = d->audience->expression_is_tree};
    }
    if (d->audience == NULL)
        return true;
    ask->n_rules = n_before; /* it is evaluated in the place of the audience */
    d->edited.id = d->audience->id;
    if (policy == NULL)
        d->edited.merge_policy_id = d->audience->merge_policy_id;
    else
        d->edited.merge_policy_id = policy->string;
    d->edited.excludes_opt_out =
        governance == NULL ? d->audience->excludes_opt_out
                           : mu_json_truth(mu_json_get(governance, MU_STR("excludeOptOut")), true);
    return true;
}

static bool refuse(diff *d, const char *text)
{
    (void)mu_api_problem(d->ask->request, d->ask->response, 400, MU_STR("UPAPI-119911-400"),
                         mu_str_from(text));
    return false;
}

static bool read_request(diff *d)
{
    mu_ask *ask = d->ask;
    const mu_json *id = mu_json_get(&ask->body, MU_STR("segmentId"));
    bool has_edit = mu_json_get(&ask->body, MU_STR("expression")) != NULL ||
                    mu_json_get(&ask->body, MU_STR("mergePolicyId")) != NULL ||
                    mu_json_get(&ask->body, MU_STR("dataGovernancePolicy")) != NULL;
    if (!has_edit)
        return refuse(d, "/expression: the rule to compare with is missing");
    if (id == NULL)
        return mu_json_get(&ask->body, MU_STR("expression")) != NULL
                   ? read_edited(d)
                   : refuse(d, "/expression: a new rule is wanted, or the segmentId of one");
    if (id->kind != MU_JSON_STRING)
        return refuse(d, "/segmentId: a text is wanted");
    d->audience = mu_audience_find(ask->book, id->string);
    if (d->audience == NULL) {
        (void)mu_api_problem(ask->request, ask->response, 404, MU_STR("UPAPI-113000-404"),
                             MU_STR("there is no such segment definition"));
        return false;
    }
    if (d->audience->is_external)
        return refuse(d, "/segmentId: an external audience has no rule");
    return add_dependents(d) && read_edited(d);
}

/* -------- the answer -------- */

static bool add_side(diff *d, mu_json *out, const char *name, const mu_pid_set *pids)
{
    mu_arena *arena = mu_http_request_arena(d->ask->request);
    mu_json profiles;
    if (!mu_ask_profiles(d->ask, pids, &profiles))
        return false;
    int64_t size = (int64_t)roaring_bitmap_get_cardinality(pids);
    mu_json side = MU_JSON_OBJECT_OF(arena, {MU_STR("size"), mu_json_of_integer(size)},
                                     {MU_STR("profiles"), profiles});
    mu_json_set(arena, out, mu_str_from(name), side);
    return true;
}

static mu_json size_of(mu_arena *arena, uint64_t size)
{
    return MU_JSON_OBJECT_OF(arena, {MU_STR("size"), mu_json_of_integer((int64_t)size)});
}

static bool add_sides(diff *d, mu_json *out, const mu_pid_set *before, const mu_pid_set *after)
{
    mu_pid_set *entering = roaring_bitmap_andnot(after, before);
    mu_pid_set *leaving = roaring_bitmap_andnot(before, after);
    bool is_done = add_side(d, out, "entering", entering) && add_side(d, out, "leaving", leaving);
    roaring_bitmap_free(entering);
    roaring_bitmap_free(leaving);
    return is_done;
}

/* What the next job would do to the members there are. */
static void add_stored(diff *d, mu_json *out, const mu_pid_set *after)
{
    mu_arena *arena = mu_http_request_arena(d->ask->request);
    const mu_membership *stored =
        d->audience == NULL ? NULL : mu_membership_find(d->after.stored, d->audience->id);
    if (stored == NULL)
        return;
    mu_json json = MU_JSON_OBJECT_OF(
        arena,
        {MU_STR("size"),
         mu_json_of_integer((int64_t)roaring_bitmap_get_cardinality(stored->members))},
        {MU_STR("entering"),
         mu_json_of_integer((int64_t)roaring_bitmap_andnot_cardinality(after, stored->members))},
        {MU_STR("leaving"),
         mu_json_of_integer((int64_t)roaring_bitmap_andnot_cardinality(stored->members, after))});
    mu_json_set(arena, out, MU_STR("stored"), json);
}

static void add_dependents_json(diff *d, mu_json *out)
{
    mu_arena *arena = mu_http_request_arena(d->ask->request);
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, d->ask->n_rules);
    uint32_t n = 0;
    for (uint32_t i = 1; i < d->ask->n_rules; i++) {
        const mu_pid_set *before = d->before.members[i], *after = d->after.members[i];
        items[n++] = MU_JSON_OBJECT_OF(
            arena, {MU_STR("id"), mu_json_of_string(d->ask->rules[i].id)},
            {MU_STR("name"), mu_json_of_string(d->ask->rules[i].audience->name)},
            {MU_STR("before"), size_of(arena, d->before.sizes[i])},
            {MU_STR("after"), size_of(arena, d->after.sizes[i])},
            {MU_STR("entering"), size_of(arena, roaring_bitmap_andnot_cardinality(after, before))},
            {MU_STR("leaving"), size_of(arena, roaring_bitmap_andnot_cardinality(before, after))});
    }
    mu_json_set(arena, out, MU_STR("dependents"),
                (mu_json){.kind = MU_JSON_ARRAY, .n = n, .items = items});
}

static mu_http_outcome answer(diff *d)
{
    mu_arena *arena = mu_http_request_arena(d->ask->request);
    bool is_new = d->audience == NULL;
    const mu_pid_set *before = is_new ? d->after.nobody : d->before.members[0];
    const mu_pid_set *after = d->after.members[0];
    mu_json out = {.kind = MU_JSON_OBJECT};
    mu_ask_instants(d->ask, &out);
    if (!is_new)
        mu_json_set(arena, &out, MU_STR("segmentId"), mu_json_of_string(d->audience->id));
    mu_json_set(arena, &out, MU_STR("totalProfiles"),
                mu_json_of_integer((int64_t)d->after.evaluation->n_profiles));
    mu_json_set(arena, &out, MU_STR("before"), size_of(arena, is_new ? 0 : d->before.sizes[0]));
    mu_json_set(arena, &out, MU_STR("after"), size_of(arena, d->after.sizes[0]));
    if (!add_sides(d, &out, before, after))
        return MU_HTTP_DONE;
    add_stored(d, &out, after);
    if (!is_new)
        add_dependents_json(d, &out);
    return mu_api_answer(d->ask->response, 200, &out);
}

/* An inactive audience keeps the members it had: compared with what its rule would take after its
 * return. */
static void edit_as_new(diff *d)
{
    mu_ask *ask = d->ask;
    ask->n_rules = 1;
    ask->rules[0] = (mu_asked_rule){.id = MU_STR("rule-1"), .subject = d->edited};
    ask->rules[0].subject.id = ask->rules[0].id;
}

static mu_http_outcome compare(diff *d)
{
    mu_http_outcome outcome = MU_HTTP_DONE;
    bool is_new = d->audience == NULL;
    bool is_inactive = !is_new && d->audience->lifecycle == MU_LIFECYCLE_INACTIVE;
    if (!is_new && !mu_ask_evaluate(d->ask, NULL, &d->before))
        return outcome;
    if (is_inactive)
        edit_as_new(d);
    if (mu_ask_evaluate(d->ask, is_new || is_inactive ? NULL : &d->edited, &d->after)) {
        outcome = answer(d);
        mu_answer_free(&d->after);
    }
    mu_answer_free(&d->before);
    return outcome;
}

static mu_http_outcome post_diff(mu_http_request *request, mu_http_response *response,
                                 void *context)
{
    (void)context;
    mu_arena *arena = mu_http_request_arena(request);
    diff *d = MU_NEW(arena, diff);
    d->ask = MU_NEW(arena, mu_ask);
    mu_http_outcome outcome = MU_HTTP_DONE;
    if (mu_ask_begin(request, response, d->ask) && read_request(d))
        outcome = compare(d);
    mu_ask_end(d->ask);
    return outcome;
}

mu_code mu_api_add_muster_diff(mu_api *api, mu_http_router *router, mu_err *err)
{
    const mu_http_route route = {
        .method = MU_HTTP_POST, .pattern = "/data/core/ups/muster/diff", .handler = post_diff};
    return mu_api_add(api, router, MU_API_CHECKED, &route, 1, err);
}
