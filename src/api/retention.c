/* retention.c -- GET and PUT /data/core/ups/config/retention (profile.md d.5, P54): how long events
 * are kept, and pseudonymous profiles.
 *
 *     {"eventExpiration":[{"datasetId":"..","days":30}],
 *      "pseudonymousExpiration":{"namespaces":["ECID"],"days":14}}
 */
#include "api/api_int.h"

#define MEMBER   MU_STR("retention")
#define DAYS_MAX 36500

static mu_code check_days(const mu_json *json, const char *what, mu_err *err)
{
    const mu_json *days = mu_json_get(json, MU_STR("days"));
    if (days == NULL || days->kind != MU_JSON_INTEGER || days->integer < 1 ||
        days->integer > DAYS_MAX)
        return mu_fail(err, MU_E_INPUT, "%s.days must be a whole number from 1 to %d", what,
                       DAYS_MAX);
    return MU_OK;
}

static mu_code check_events(const mu_api_call *call, mu_arena *arena, const mu_json *list,
                            mu_err *err)
{
    if (list == NULL)
        return MU_OK;
    if (list->kind != MU_JSON_ARRAY)
        return mu_fail(err, MU_E_INPUT, "eventExpiration must be a list");
    for (uint32_t i = 0; i < list->n; i++) {
        mu_document document;
        mu_str id = mu_json_member_string(&list->items[i], MU_STR("datasetId"), MU_STR(""));
        MU_TRY(check_days(&list->items[i], "eventExpiration", err));
        if (mu_document_get(call->api->options.documents, arena, call->place, MU_STR("dataset"), id,
                            &document, NULL) != MU_OK)
            return mu_fail(err, MU_E_INPUT, "eventExpiration names a data set that is not there");
    }
    return MU_OK;
}

static mu_code check_pseudonymous(const mu_api_call *call, mu_arena *arena, const mu_json *json,
                                  mu_err *err)
{
    uint32_t n;
    const mu_graph_namespace *known;
    bool has_priorities;
    if (json == NULL)
        return MU_OK;
    const mu_json *codes = mu_json_get(json, MU_STR("namespaces"));
    if (codes == NULL || codes->kind != MU_JSON_ARRAY || codes->n == 0)
        return mu_fail(err, MU_E_INPUT,
                       "pseudonymousExpiration.namespaces must be a list of codes");
    MU_TRY(check_days(json, "pseudonymousExpiration", err));
    MU_TRY(mu_api_namespaces(call->api, call->sandbox, arena, &n, &known, &has_priorities, err));
    for (uint32_t i = 0; i < codes->n; i++) {
        bool is_known = false;
        for (uint32_t k = 0; k < n && codes->items[i].kind == MU_JSON_STRING; k++)
            is_known |= mu_str_equal_ascii_nocase(known[k].code, codes->items[i].string);
        if (!is_known)
            return mu_fail(err, MU_E_INPUT,
                           "pseudonymousExpiration.namespaces has a code that is not registered");
    }
    return MU_OK;
}

static mu_http_outcome show(mu_http_request *request, mu_http_response *response)
{
    mu_api_call *call = mu_api_call_of(request);
    mu_json settings;
    mu_err err;
    if (mu_api_settings_read(call->api, call->sandbox, mu_http_request_arena(request), &settings,
                             &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    const mu_json none = {.kind = MU_JSON_OBJECT}, *own = mu_json_get(&settings, MEMBER);
    return mu_api_answer(response, 200, own == NULL ? &none : own);
}

static mu_http_outcome get_retention(mu_http_request *request, mu_http_response *response,
                                     void *context)
{
    (void)context;
    return show(request, response);
}

static mu_http_outcome put_retention(mu_http_request *request, mu_http_response *response,
                                     void *context)
{
    mu_api *api = context;
    mu_api_call *call = mu_api_call_of(request);
    mu_arena *arena = mu_http_request_arena(request);
    mu_json body, json = {.kind = MU_JSON_OBJECT};
    mu_err err;
    if (!mu_api_body_object(request, response, &body))
        return MU_HTTP_DONE;
    const mu_json *events = mu_json_get(&body, MU_STR("eventExpiration"));
    const mu_json *pseudonymous = mu_json_get(&body, MU_STR("pseudonymousExpiration"));
    if (events != NULL)
        mu_json_set(arena, &json, MU_STR("eventExpiration"), *events);
    if (pseudonymous != NULL)
        mu_json_set(arena, &json, MU_STR("pseudonymousExpiration"), *pseudonymous);
    if (check_events(call, arena, events, &err) != MU_OK ||
        check_pseudonymous(call, arena, pseudonymous, &err) != MU_OK ||
        mu_api_settings_set(api, call->sandbox, &call->author, arena, MEMBER, &json, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    return show(request, response);
}

mu_code mu_api_add_retention(mu_api *api, mu_http_router *router, mu_err *err)
{
#define PATTERN "/data/core/ups/config/retention"
    static const mu_http_route routes[] = {
        {.method = MU_HTTP_GET, .pattern = PATTERN, .handler = get_retention},
        {.method = MU_HTTP_PUT, .pattern = PATTERN, .handler = put_retention},
    };
    return mu_api_add(api, router, MU_API_CHECKED, routes, sizeof routes / sizeof routes[0], err);
}
