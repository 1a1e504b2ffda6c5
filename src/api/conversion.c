/* conversion.c -- /data/core/ups/segment/conversion (api.md 11): a rule as text becomes a tree, and
 * the reverse. Syntax only; nothing is stored. */
#include "api/audience_int.h"

/* The members that come back as they are. */
static bool check_members(const mu_json *body, mu_refusal *refusal)
{
    const mu_json *name = mu_json_get(body, MU_STR("name"));
    if (name != NULL && name->kind != MU_JSON_STRING)
        return mu_refuse_member(refusal, "/name", "a text");
    return mu_audience_check_types(body, refusal);
}

/* The same expression in the other format. */
static bool convert(mu_arena *arena, const mu_json *given, mu_json *out, mu_refusal *refusal)
{
    mu_pql_diagnostics found;
    const mu_pql *query;
    bool is_tree;
    if (!mu_expression_normalize(arena, given, out, &is_tree, refusal))
        return false;
    mu_str value = mu_json_member_string(out, MU_STR("value"), MU_STR(""));
    mu_pql_diagnostics_init(&found, arena);
    if ((is_tree ? mu_pql_parse_json(arena, value, &query, &found)
                 : mu_pql_parse_text(arena, value, &query, &found)) != MU_OK)
        return mu_refuse_expression(arena, &found, refusal);
    mu_json_set(arena, out, MU_STR("format"),
                mu_json_of_string(is_tree ? MU_STR("pql/text") : MU_STR("pql/json")));
    mu_json_set(arena, out, MU_STR("value"),
                mu_json_of_string(mu_expression_write(arena, query, !is_tree)));
    return true;
}

static mu_http_outcome post(mu_http_request *request, mu_http_response *response, void *context)
{
    mu_api_call *call = mu_api_call_of(request);
    mu_arena *arena = mu_http_request_arena(request);
    mu_json body, converted;
    mu_refusal refusal;
    bool is_done;
    (void)context;
    if (!mu_api_body_object(request, response, &body))
        return MU_HTTP_DONE;
    const mu_json *expression = mu_json_get(&body, MU_STR("expression"));
    if (expression == NULL || expression->kind != MU_JSON_OBJECT)
        is_done = mu_refuse_member(&refusal, "/expression", "an object");
    else
        is_done =
            check_members(&body, &refusal) && convert(arena, expression, &converted, &refusal);
    if (!is_done)
        return mu_audience_answer_refusal(request, response, MU_AUDIENCE_VIEW_DEFINITIONS,
                                          &refusal);
    mu_json_set(arena, &body, MU_STR("expression"), converted);
    mu_json_set(arena, &body, MU_STR("imsOrgId"), mu_json_of_string(call->organization));
    mu_json_set(arena, &body, MU_STR("sandbox"), mu_api_sandbox_json(arena, call->sandbox));
    mu_json json = mu_json_without_nulls(arena, &body);
    return mu_api_answer(response, 200, &json);
}

mu_code mu_api_add_conversion(mu_api *api, mu_http_router *router, mu_err *err)
{
    static const mu_http_route routes[] = {
        {.method = MU_HTTP_POST, .pattern = "/data/core/ups/segment/conversion", .handler = post},
    };
    return mu_api_add(api, router, MU_API_CHECKED, routes, sizeof routes / sizeof routes[0], err);
}
