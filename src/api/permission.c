/* permission.c -- what a client of the configuration may do, and in which sandboxes (api.md 3.4;
 * A12 for external audiences). On the loop thread.
 */
#include "api/permission.h"

/* Paths whose resources are audiences, whatever else they are called. */
static const char *const segment_paths[] = {
    "/data/core/ups/audiences", "/data/core/ups/segment",          "/data/core/ups/preview",
    "/data/core/ups/estimate",  "/data/core/ups/search",           "/data/core/ups/export",
    "/data/core/ups/muster",    "/data/core/ups/config/schedules", "/data/core/ais"};

/* POSTs that only ask, by the last name of their path. */
static const char *const asking_paths[] = {"bulk-get", "conversion", "preview", "diff",
                                           "evaluate", "overlap",    "explain"};

static bool is_below(mu_str path, const char *prefix)
{
    mu_str p = mu_str_from(prefix);
    return mu_str_starts_with(path, p) && (path.len == p.len || path.ptr[p.len] == '/');
}

static bool concerns_segments(mu_str path)
{
    for (size_t i = 0; i < sizeof segment_paths / sizeof segment_paths[0]; i++)
        if (is_below(path, segment_paths[i]))
            return true;
    return false;
}

static mu_str last_name(mu_str path)
{
    while (path.len > 0 && path.ptr[path.len - 1] == '/')
        path.len--;
    size_t begin = path.len;
    while (begin > 0 && path.ptr[begin - 1] != '/')
        begin--;
    return (mu_str){path.ptr + begin, path.len - begin};
}

static bool only_asks(const mu_http_request *request)
{
    mu_http_method method = mu_http_request_method(request);
    mu_str last = last_name(mu_http_request_path(request));
    if (method == MU_HTTP_GET || method == MU_HTTP_HEAD)
        return true;
    for (size_t i = 0; method == MU_HTTP_POST && i < sizeof asking_paths / sizeof asking_paths[0];
         i++)
        if (mu_str_equal(last, mu_str_from(asking_paths[i])))
            return true;
    return false;
}

static bool has(uint32_t n, const mu_str *list, mu_str wanted)
{
    for (uint32_t i = 0; i < n; i++)
        if (mu_str_equal(list[i], wanted))
            return true;
    return false;
}

bool mu_api_permission_is_known(mu_str name)
{
    return mu_str_equal(name, MU_PERMISSION_READ) || mu_str_equal(name, MU_PERMISSION_WRITE);
}

bool mu_api_may_enter(const mu_api_client *client, mu_str sandbox_name)
{
    return client == NULL || client->sandboxes == NULL ||
           has(client->n_sandboxes, client->sandboxes, sandbox_name);
}

/* -------- the denial -------- */

/* The audience that the path names; empty: none. */
static mu_str id_of(mu_str path)
{
    static const char *const bases[] = {"/data/core/ups/audiences/",
                                        "/data/core/ups/segment/definitions/"};
    for (size_t i = 0; i < sizeof bases / sizeof bases[0]; i++) {
        mu_str base = mu_str_from(bases[i]);
        if (!mu_str_starts_with(path, base))
            continue;
        mu_str rest = {path.ptr + base.len, path.len - base.len};
        const char *slash = rest.len == 0 ? NULL : memchr(rest.ptr, '/', rest.len);
        rest.len = slash == NULL ? rest.len : (size_t)(slash - rest.ptr);
        return mu_str_equal(rest, MU_STR("bulk-get")) ? MU_STR("") : rest;
    }
    return MU_STR("");
}

static mu_json labels_of(const mu_api_call *call, mu_arena *arena, mu_str id)
{
    mu_json labels = {.kind = MU_JSON_ARRAY};
    mu_workspace *workspace;
    const mu_shelf *shelf;
    if (id.len == 0 ||
        mu_workspaces_get(call->api->workspaces, call->place, call->sandbox->live, &workspace,
                          NULL) != MU_OK ||
        mu_shelf_acquire(workspace->shelves, MU_AUDIENCE_KIND, &shelf, NULL) != MU_OK)
        return labels;
    const mu_shelf_item *item = mu_shelf_find(shelf, id);
    const mu_json *own = item == NULL ? NULL : mu_json_get(&item->json, MU_STR("labels"));
    if (own != NULL && own->kind == MU_JSON_ARRAY) {
        mu_str *texts = MU_NEW_ARRAY(arena, mu_str, own->n);
        for (uint32_t i = 0; i < own->n; i++)
            texts[labels.n++] = own->items[i].kind == MU_JSON_STRING
                                    ? mu_arena_copy(arena, own->items[i].string)
                                    : MU_STR("");
        labels = mu_json_strings(arena, labels.n, texts);
    }
    mu_shelf_release(shelf);
    return labels;
}

static mu_str resources_text(const mu_api_call *call, mu_arena *arena, mu_str path, bool reads)
{
    mu_str id = id_of(path), text;
    mu_str uri = mu_arena_format(arena, "/orgs/" MU_STR_FMT "/sandboxes/" MU_STR_FMT "/segments",
                                 MU_STR_ARG(call->organization), MU_STR_ARG(call->sandbox->name));
    if (id.len > 0)
        uri = mu_arena_format(arena, MU_STR_FMT "/" MU_STR_FMT, MU_STR_ARG(uri), MU_STR_ARG(id));
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, 1);
    items[0] = MU_JSON_OBJECT_OF(
        arena,
        {MU_STR("resource"), MU_JSON_OBJECT_OF(arena, {MU_STR("uri"), mu_json_of_string(uri)},
                                               {MU_STR("labels"), labels_of(call, arena, id)})},
        {MU_STR("action"), mu_json_of_string(reads ? MU_STR("READ") : MU_STR("WRITE"))});
    mu_json list = {.kind = MU_JSON_ARRAY, .n = 1, .items = items};
    return mu_json_text(arena, &list, &text, NULL) == MU_OK ? text : MU_STR("[]");
}

static bool deny(mu_http_request *request, mu_http_response *response, const mu_api_call *call,
                 bool reads)
{
    mu_arena *arena = mu_http_request_arena(request);
    mu_str path = mu_http_request_path(request);
    mu_str list = resources_text(call, arena, path, reads);
    mu_str message =
        mu_arena_format(arena, "Access is denied. errorMessage=" MU_STR_FMT, MU_STR_ARG(list));
    if (mu_api_family_of(path) == MU_API_FAMILY_AIS) {
        (void)mu_api_problem(request, response, 401, MU_STR("100922-401"), message);
        return false;
    }
    const mu_http_ups_error error = {
        .status = 403, .code = MU_STR("UPAPI-113752-403"), .messages = &message, .n_messages = 1};
    (void)mu_api_refuse(request, response, &error);
    return false;
}

bool mu_api_check_permission(mu_http_request *request, mu_http_response *response,
                             const mu_api_call *call)
{
    const mu_api_client *client = call->client;
    if (client == NULL || client->permissions == NULL ||
        !concerns_segments(mu_http_request_path(request)))
        return true;
    bool reads = only_asks(request);
    return has(client->n_permissions, client->permissions,
               reads ? MU_PERMISSION_READ : MU_PERMISSION_WRITE) ||
           deny(request, response, call, reads);
}

bool mu_api_check_organization_change(mu_http_request *request, mu_http_response *response,
                                      const mu_api_call *call)
{
    if (call->client == NULL || call->client->sandboxes == NULL || only_asks(request))
        return true;
    (void)mu_api_problem(request, response, 403, MU_STR(""),
                         MU_STR("The client may only change what belongs to its sandboxes"));
    return false;
}
