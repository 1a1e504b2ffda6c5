/* identity_settings.c -- /data/core/identity/settings: which namespaces are unique and which rank
 * before which (profile.md b.4, P20). They hold for later data; graphs that exist stay. */
#include "api/api_int.h"

/* -------- answering -------- */

static const mu_graph_namespace *ranked(uint32_t n, const mu_graph_namespace *namespaces,
                                        uint32_t priority)
{
    for (uint32_t i = 0; i < n; i++)
        if (namespaces[i].priority == priority)
            return &namespaces[i];
    return NULL;
}

static mu_http_outcome answer_settings(mu_http_response *response, uint32_t n,
                                       const mu_graph_namespace *namespaces)
{
    mu_json_writer *writer = mu_http_response_json(response);
    mu_json_begin_object(writer);
    mu_json_name(writer, MU_STR("namespaces"));
    mu_json_begin_array(writer);
    for (uint32_t priority = 1; priority <= n; priority++) {
        const mu_graph_namespace *one = ranked(n, namespaces, priority);
        if (one == NULL)
            break;
        mu_json_begin_object(writer);
        mu_json_name(writer, MU_STR("code"));
        mu_json_string(writer, one->code);
        mu_json_name(writer, MU_STR("priority"));
        mu_json_integer(writer, priority);
        mu_json_name(writer, MU_STR("unique"));
        mu_json_boolean(writer, one->is_unique);
        mu_json_end_object(writer);
    }
    mu_json_end_array(writer);
    mu_json_end_object(writer);
    return MU_HTTP_DONE;
}

/* -------- what is asked for -------- */

static mu_graph_namespace *find_code(uint32_t n, mu_graph_namespace *namespaces, mu_str code)
{
    for (uint32_t i = 0; i < n; i++)
        if (mu_str_equal_ascii_nocase(namespaces[i].code, code))
            return &namespaces[i];
    return NULL;
}

static mu_code read_item(const mu_json *item, uint32_t n_items, uint32_t n,
                         mu_graph_namespace *namespaces, mu_err *err)
{
    mu_str code = mu_json_member_string(item, MU_STR("code"), MU_STR(""));
    const mu_json *priority = mu_json_get(item, MU_STR("priority"));
    const mu_json *unique = mu_json_get(item, MU_STR("unique"));
    mu_graph_namespace *one = find_code(n, namespaces, code);
    if (code.len == 0)
        return mu_fail(err, MU_E_INPUT, "Each of the namespaces needs a code");
    if (one == NULL)
        return mu_fail(err, MU_E_INPUT, "There is no namespace " MU_STR_FMT, MU_STR_ARG(code));
    if (one->type == MU_IDENTITY_NON_PEOPLE || one->type == MU_IDENTITY_PARTNER)
        return mu_fail(err, MU_E_INPUT,
                       "The namespace " MU_STR_FMT " is of a type that never enters the graph",
                       MU_STR_ARG(one->code));
    if (one->priority > 0)
        return mu_fail(err, MU_E_INPUT, "The namespace " MU_STR_FMT " is named twice",
                       MU_STR_ARG(one->code));
    if (priority == NULL || priority->kind != MU_JSON_INTEGER || priority->integer < 1 ||
        priority->integer > n_items || ranked(n, namespaces, (uint32_t)priority->integer) != NULL)
        return mu_fail(err, MU_E_INPUT,
                       "The priorities must be the numbers from 1 to %u, each once", n_items);
    if (unique != NULL && unique->kind != MU_JSON_BOOLEAN)
        return mu_fail(err, MU_E_INPUT, "unique must be true or false");
    one->priority = (uint32_t)priority->integer;
    one->is_unique = unique != NULL && unique->boolean;
    return MU_OK;
}

static bool is_person(mu_identity_type type)
{
    return type == MU_IDENTITY_CROSS_DEVICE || type == MU_IDENTITY_EMAIL ||
           type == MU_IDENTITY_PHONE;
}

/* Persons' namespaces must not rank below those of devices and cookies. */
static mu_code check_order(uint32_t n_ranked, uint32_t n, const mu_graph_namespace *namespaces,
                           mu_err *err)
{
    const mu_graph_namespace *above = NULL;
    for (uint32_t priority = 1; priority <= n_ranked; priority++) {
        const mu_graph_namespace *one = ranked(n, namespaces, priority);
        if (!is_person(one->type))
            above = one;
        else if (above != NULL)
            return mu_fail(err, MU_E_INPUT,
                           "The namespace " MU_STR_FMT
                           " of a person must not rank below " MU_STR_FMT
                           ", which is one of a device or cookie",
                           MU_STR_ARG(one->code), MU_STR_ARG(above->code));
    }
    return MU_OK;
}

static mu_code read_body(const mu_json *body, uint32_t n, mu_graph_namespace *namespaces,
                         mu_err *err)
{
    const mu_json *items = mu_json_get(body, MU_STR("namespaces"));
    if (items == NULL || items->kind != MU_JSON_ARRAY)
        return mu_fail(err, MU_E_INPUT, "The body needs namespaces, a list");
    for (uint32_t i = 0; i < n; i++) {
        namespaces[i].priority = 0;
        namespaces[i].is_unique = false;
    }
    for (uint32_t i = 0; i < items->n; i++)
        MU_TRY(read_item(&items->items[i], items->n, n, namespaces, err));
    return check_order(items->n, n, namespaces, err);
}

/* -------- handlers -------- */

static mu_http_outcome get_settings(mu_http_request *request, mu_http_response *response,
                                    void *context)
{
    (void)context;
    const mu_graph_namespace *namespaces;
    uint32_t n = mu_sandbox_namespaces(mu_api_call_of(request)->sandbox->live,
                                       mu_http_request_arena(request), &namespaces);
    return answer_settings(response, n, namespaces);
}

/* Under the edit lock, so that no namespace is made in between. */
static mu_code put_under_lock(mu_api_call *call, mu_arena *arena, const mu_json *body, uint32_t *n,
                              mu_graph_namespace **out, mu_err *err)
{
    const mu_graph_namespace *known;
    bool has_priorities;
    MU_TRY(mu_api_namespaces(call->api, call->sandbox, arena, n, &known, &has_priorities, err));
    *out = MU_NEW_ARRAY(arena, mu_graph_namespace, *n);
    memcpy(*out, known, *n * sizeof *known);
    MU_TRY(read_body(body, *n, *out, err));
    return mu_api_set_namespaces(call->api, call->sandbox, &call->author, arena, *n, *out, err);
}

static mu_http_outcome put_settings(mu_http_request *request, mu_http_response *response,
                                    void *context)
{
    (void)context;
    mu_api_call *call = mu_api_call_of(request);
    mu_graph_namespace *namespaces;
    uint32_t n;
    mu_json body;
    mu_err err;
    if (!mu_api_body_object(request, response, &body))
        return MU_HTTP_DONE;
    pthread_mutex_lock(&call->api->edit_lock);
    mu_code code =
        put_under_lock(call, mu_http_request_arena(request), &body, &n, &namespaces, &err);
    pthread_mutex_unlock(&call->api->edit_lock);
    if (code != MU_OK)
        return mu_api_fail(request, response, &err);
    return answer_settings(response, n, namespaces);
}

static const mu_http_route routes[] = {
    {.method = MU_HTTP_GET, .pattern = "/data/core/identity/settings", .handler = get_settings},
    {.method = MU_HTTP_PUT, .pattern = "/data/core/identity/settings", .handler = put_settings},
};

mu_code mu_api_add_identity_settings(mu_api *api, mu_http_router *router, mu_err *err)
{
    return mu_api_add(api, router, MU_API_CHECKED, routes, sizeof routes / sizeof routes[0], err);
}
