/* muster_evaluate.c -- rules evaluated for a question, without a trace: sizes and members, now or
 * as of another instant; sizes of intersections. Ours: docs/http-api.md.
 */
#include "api/muster_ask.h"

#define BASE "/data/core/ups/muster"

/* `segments`: 1 to 100 rules. */
static bool read_rules(mu_ask *ask, uint32_t least)
{
    const mu_json *segments = mu_json_get(&ask->body, MU_STR("segments"));
    mu_arena *arena = mu_http_request_arena(ask->request);
    if (segments == NULL || segments->kind != MU_JSON_ARRAY || segments->n < least ||
        segments->n > MU_ASK_RULES_MAX) {
        (void)mu_api_problem_format(ask->request, ask->response, 400, MU_STR("UPAPI-119911-400"),
                                    "/segments: a list of %u to %u segment ids or rules is wanted",
                                    least, MU_ASK_RULES_MAX);
        return false;
    }
    for (uint32_t i = 0; i < segments->n; i++)
        if (!mu_ask_rule(ask, &segments->items[i], mu_arena_format(arena, "/segments/%u", i).ptr))
            return false;
    return true;
}

static mu_json rule_of(const mu_ask *ask, uint32_t i, const mu_answer *answer)
{
    mu_arena *arena = mu_http_request_arena(ask->request);
    const mu_asked_rule *rule = &ask->rules[i];
    mu_json out = MU_JSON_OBJECT_OF(arena, {MU_STR("id"), mu_json_of_string(rule->id)});
    if (rule->audience != NULL)
        mu_json_set(arena, &out, MU_STR("name"), mu_json_of_string(rule->audience->name));
    mu_json_set(arena, &out, MU_STR("size"), mu_json_of_integer((int64_t)answer->sizes[i]));
    if (rule->is_stored)
        mu_json_set(arena, &out, MU_STR("stored"), mu_json_of_boolean(true));
    return out;
}

static mu_json array_of(uint32_t n, const mu_json *items)
{
    return (mu_json){.kind = MU_JSON_ARRAY, .n = n, .items = items};
}

static mu_json head(const mu_ask *ask, const mu_answer *answer)
{
    mu_arena *arena = mu_http_request_arena(ask->request);
    mu_json out = {.kind = MU_JSON_OBJECT};
    mu_ask_instants(ask, &out);
    mu_json_set(arena, &out, MU_STR("totalProfiles"),
                mu_json_of_integer((int64_t)answer->evaluation->n_profiles));
    return out;
}

/* -------- evaluate -------- */

static mu_http_outcome answer_evaluate(mu_ask *ask, const mu_answer *answer)
{
    mu_arena *arena = mu_http_request_arena(ask->request);
    mu_json *results = MU_NEW_ARRAY(arena, mu_json, ask->n_rules);
    for (uint32_t i = 0; i < ask->n_rules; i++) {
        mu_json profiles;
        results[i] = rule_of(ask, i, answer);
        if (!mu_ask_profiles(ask, answer->members[i], &profiles))
            return MU_HTTP_DONE;
        mu_json_set(arena, &results[i], MU_STR("profiles"), profiles);
    }
    mu_json out = head(ask, answer);
    mu_json_set(arena, &out, MU_STR("results"), array_of(ask->n_rules, results));
    return mu_api_answer(ask->response, 200, &out);
}

/* -------- overlap -------- */

static mu_json pair_of(mu_arena *arena, const mu_ask *ask, uint32_t a, uint32_t b,
                       const mu_answer *answer)
{
    const mu_str ids[] = {ask->rules[a].id, ask->rules[b].id};
    uint64_t both = roaring_bitmap_and_cardinality(answer->members[a], answer->members[b]);
    uint64_t either = roaring_bitmap_or_cardinality(answer->members[a], answer->members[b]);
    mu_json out = MU_JSON_OBJECT_OF(arena, {MU_STR("segments"), mu_json_strings(arena, 2, ids)},
                                    {MU_STR("size"), mu_json_of_integer((int64_t)both)});
    if (either > 0)
        mu_json_set(arena, &out, MU_STR("similarity"),
                    (mu_json){.kind = MU_JSON_DOUBLE, .number = (double)both / (double)either});
    return out;
}

static mu_http_outcome answer_overlap(mu_ask *ask, const mu_answer *answer)
{
    mu_arena *arena = mu_http_request_arena(ask->request);
    uint32_t n = 0;
    mu_json *segments = MU_NEW_ARRAY(arena, mu_json, ask->n_rules);
    mu_json *pairs = MU_NEW_ARRAY(arena, mu_json, (size_t)ask->n_rules * ask->n_rules / 2 + 1);
    for (uint32_t a = 0; a < ask->n_rules; a++) {
        segments[a] = rule_of(ask, a, answer);
        for (uint32_t b = a + 1; b < ask->n_rules; b++)
            pairs[n++] = pair_of(arena, ask, a, b, answer);
    }
    mu_json out = head(ask, answer);
    mu_json_set(arena, &out, MU_STR("segments"), array_of(ask->n_rules, segments));
    mu_json_set(arena, &out, MU_STR("overlaps"), array_of(n, pairs));
    return mu_api_answer(ask->response, 200, &out);
}

/* -------- routes -------- */

static mu_http_outcome ask_and_answer(mu_http_request *request, mu_http_response *response,
                                      uint32_t least,
                                      mu_http_outcome (*say)(mu_ask *ask, const mu_answer *answer))
{
    mu_ask *ask = MU_NEW(mu_http_request_arena(request), mu_ask);
    mu_answer *answer = MU_NEW(mu_http_request_arena(request), mu_answer);
    mu_http_outcome outcome = MU_HTTP_DONE;
    if (mu_ask_begin(request, response, ask) && read_rules(ask, least) &&
        mu_ask_evaluate(ask, NULL, answer)) {
        outcome = say(ask, answer);
        mu_answer_free(answer);
    }
    mu_ask_end(ask);
    return outcome;
}

static mu_http_outcome evaluate(mu_http_request *request, mu_http_response *response, void *context)
{
    (void)context;
    return ask_and_answer(request, response, 1, answer_evaluate);
}

static mu_http_outcome overlap(mu_http_request *request, mu_http_response *response, void *context)
{
    (void)context;
    return ask_and_answer(request, response, 2, answer_overlap);
}

mu_code mu_api_add_muster_evaluate(mu_api *api, mu_http_router *router, mu_err *err)
{
    const mu_http_route routes[] = {
        {.method = MU_HTTP_POST, .pattern = BASE "/evaluate", .handler = evaluate},
        {.method = MU_HTTP_POST, .pattern = BASE "/overlap", .handler = overlap},
    };
    return mu_api_add(api, router, MU_API_CHECKED, routes, sizeof routes / sizeof routes[0], err);
}
