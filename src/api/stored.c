/* stored.c -- objects that are stored and given back, and have no effect of their own: the flow
 * service's (profile.md P37) and edge projections and destinations (P66).
 *
 * A stored document is the object as it was sent, completed by members of the server.
 */
#include "api/stored_int.h"

#include "base/time.h"

#define LIMIT_DEFAULT 20
#define LIMIT_MAX     100

static mu_str etag_of(mu_arena *arena, const mu_document *document)
{
    return mu_arena_format(arena, "\"%08llx-0000-0200-0000-%08llx0000\"",
                           (unsigned long long)(document->number << 8 | (document->version & 255)),
                           (unsigned long long)document->updated_ms / 1000);
}

/* The object as it is shown. */
static mu_json shown(mu_http_request *request, const mu_stored_resource *resource,
                     const mu_document *document, const mu_json *json)
{
    mu_arena *arena = mu_http_request_arena(request);
    mu_api_call *call = mu_api_call_of(request);
    mu_json out = MU_JSON_OBJECT_OF(arena, {MU_STR("id"), mu_json_of_string(document->id)},
                                    {MU_STR("createdAt"), mu_json_of_integer(document->created_ms)},
                                    {MU_STR("updatedAt"), mu_json_of_integer(document->updated_ms)},
                                    {MU_STR("sandboxId"), mu_json_of_string(call->sandbox->id)},
                                    {MU_STR("sandboxName"), mu_json_of_string(call->sandbox->name)},
                                    {MU_STR("imsOrgId"), mu_json_of_string(call->organization)});
    for (uint32_t i = 0; i < json->n; i++)
        mu_json_set(arena, &out, json->names[i], json->items[i]);
    mu_json_set(arena, &out, MU_STR("etag"), mu_json_of_string(etag_of(arena, document)));
    if (resource->complete != NULL)
        resource->complete(request, &out);
    return out;
}

static void remove_server_members(mu_arena *arena, mu_json *json)
{
    static const char *const names[] = {"id",          "createdAt", "updatedAt", "sandboxId",
                                        "sandboxName", "imsOrgId",  "etag"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        mu_json_unset(arena, json, mu_str_from(names[i]));
}

static mu_http_outcome answer_id(mu_http_request *request, mu_http_response *response,
                                 unsigned status, const mu_stored_resource *resource, mu_str id)
{
    mu_arena *arena = mu_http_request_arena(request);
    mu_api_call *call = mu_api_call_of(request);
    mu_document document;
    mu_err err;
    if (mu_document_get(call->api->options.documents, arena, call->place, resource->kind, id,
                        &document, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    mu_json json =
        MU_JSON_OBJECT_OF(arena, {MU_STR("id"), mu_json_of_string(id)},
                          {MU_STR("etag"), mu_json_of_string(etag_of(arena, &document))});
    return mu_api_answer(response, status, &json);
}

/* -------- reading -------- */

static mu_code is_wanted(const mu_http_pairs *query, const mu_json *json, bool *out, mu_err *err)
{
    mu_str property;
    *out = true;
    for (size_t at = 0; *out && mu_http_pairs_next(query, MU_STR("property"), &at, &property);)
        MU_TRY(mu_api_property_matches(json, property, out, err));
    return MU_OK;
}

static mu_code collect(mu_http_request *request, const mu_stored_resource *resource,
                       const mu_api_page *page, mu_json *items, uint32_t *n_items,
                       uint32_t *n_wanted, mu_err *err)
{
    mu_api_call *call = mu_api_call_of(request);
    mu_arena *arena = mu_http_request_arena(request);
    uint32_t n;
    const mu_document *list;
    MU_TRY(mu_document_list(call->api->options.documents, arena, call->place, resource->kind, &n,
                            &list, err));
    *n_items = *n_wanted = 0;
    for (uint32_t i = 0; i < n; i++) {
        mu_json json;
        bool wanted;
        MU_TRY(mu_json_parse(arena, list[i].json, &json, err));
        mu_json full = shown(request, resource, &list[i], &json);
        MU_TRY(is_wanted(mu_http_request_query(request), &full, &wanted, err));
        if (!wanted)
            continue;
        if (*n_wanted >= page->start && *n_items < page->limit)
            items[(*n_items)++] = full;
        ++*n_wanted;
    }
    return MU_OK;
}

/* Links of the flow service are relative to it: its clients put its address in front. */
static mu_str link_path(const mu_stored_resource *resource)
{
    const mu_str base = MU_STR("/data/foundation/flowservice");
    mu_str path = mu_str_from(resource->path);
    return resource->is_flow_service ? (mu_str){path.ptr + base.len, path.len - base.len} : path;
}

static mu_json links_of(mu_http_request *request, const mu_stored_resource *resource,
                        const mu_api_page *page, uint32_t n_items, uint32_t n_wanted)
{
    mu_arena *arena = mu_http_request_arena(request);
    mu_str path = link_path(resource);
    mu_json links = MU_JSON_OBJECT_OF(
        arena,
        {MU_STR("self"), MU_JSON_OBJECT_OF(arena, {MU_STR("href"), mu_json_of_string(path)})});
    if (page->start + n_items >= n_wanted || n_items == 0)
        return links;
    mu_str query = mu_api_query_with(request, MU_STR("start"), page->start + n_items);
    mu_str href =
        mu_arena_format(arena, MU_STR_FMT "?" MU_STR_FMT, MU_STR_ARG(path), MU_STR_ARG(query));
    mu_json_set(arena, &links, MU_STR("next"),
                MU_JSON_OBJECT_OF(arena, {MU_STR("href"), mu_json_of_string(href)}));
    return links;
}

static mu_http_outcome list_objects(mu_http_request *request, mu_http_response *response,
                                    void *context)
{
    const mu_stored_resource *resource = context;
    mu_arena *arena = mu_http_request_arena(request);
    mu_api_page page;
    mu_err err;
    uint32_t n, n_wanted;
    mu_json items[LIMIT_MAX];
    if (!mu_api_page_read(request, response, LIMIT_DEFAULT, LIMIT_MAX, &page))
        return MU_HTTP_DONE;
    if (collect(request, resource, &page, items, &n, &n_wanted, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    const mu_json list = {.kind = MU_JSON_ARRAY, .n = n, .items = items};
    mu_json json =
        MU_JSON_OBJECT_OF(arena, {MU_STR("totalCount"), mu_json_of_integer(n_wanted)},
                          {MU_STR("_links"), links_of(request, resource, &page, n, n_wanted)});
    if (resource->is_flow_service)
        mu_json_set(arena, &json, MU_STR("items"), list);
    else
        mu_json_set(arena, &json, MU_STR("_embedded"),
                    MU_JSON_OBJECT_OF(arena, {resource->list_name, list}));
    return mu_api_answer(response, 200, &json);
}

/* Flow service answers one object as a list of one; the others as it is. */
static mu_http_outcome get_object(mu_http_request *request, mu_http_response *response,
                                  void *context)
{
    const mu_stored_resource *resource = context;
    mu_api_call *call = mu_api_call_of(request);
    mu_arena *arena = mu_http_request_arena(request);
    mu_document document;
    mu_json json;
    mu_err err;
    if (mu_api_document_get(call->api, arena, call->place, resource->kind,
                            mu_http_request_parameter(request, MU_STR("id")), &document, &json,
                            &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    mu_json full = shown(request, resource, &document, &json);
    mu_http_response_header(response, MU_STR("ETag"), etag_of(arena, &document));
    if (!resource->is_flow_service)
        return mu_api_answer(response, 200, &full);
    mu_json list = MU_JSON_OBJECT_OF(
        arena, {MU_STR("items"), (mu_json){.kind = MU_JSON_ARRAY, .n = 1, .items = &full}});
    return mu_api_answer(response, 200, &list);
}

/* -------- writing -------- */

static mu_http_outcome answer_stored(mu_http_request *request, mu_http_response *response,
                                     unsigned status, const mu_stored_resource *resource, mu_str id)
{
    if (resource->is_flow_service)
        return answer_id(request, response, status, resource, id);
    mu_api_call *call = mu_api_call_of(request);
    mu_document document;
    mu_json json;
    mu_err err;
    if (mu_api_document_get(call->api, mu_http_request_arena(request), call->place, resource->kind,
                            id, &document, &json, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    json = shown(request, resource, &document, &json);
    return mu_api_answer(response, status, &json);
}

static mu_http_outcome post_object(mu_http_request *request, mu_http_response *response,
                                   void *context)
{
    const mu_stored_resource *resource = context;
    mu_api_call *call = mu_api_call_of(request);
    mu_arena *arena = mu_http_request_arena(request);
    mu_json body;
    mu_err err;
    if (!mu_api_body_object(request, response, &body))
        return MU_HTTP_DONE;
    mu_str id = mu_api_uuid(arena);
    remove_server_members(arena, &body);
    mu_json_set(arena, &body, MU_STR("createdBy"), mu_json_of_string(call->client_id));
    mu_json_set(arena, &body, MU_STR("updatedBy"), mu_json_of_string(call->client_id));
    mu_json_set(arena, &body, MU_STR("createdClient"), mu_json_of_string(call->client_id));
    if ((resource->prepare != NULL && resource->prepare(call, arena, &body, &err) != MU_OK) ||
        mu_api_call_put(call, arena, call->place, MU_DOCUMENT_ADD, resource->kind, id, &body, 0,
                        &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    return answer_stored(request, response, 201, resource, id);
}

static bool is_stale(mu_http_request *request, const mu_document *document)
{
    mu_str match;
    if (!mu_http_request_header(request, MU_STR("If-Match"), &match) ||
        mu_str_equal(mu_str_trim(match), MU_STR("*")))
        return false;
    return mu_str_find(match, etag_of(mu_http_request_arena(request), document)) == SIZE_MAX;
}

static mu_code apply_change(mu_http_request *request, const mu_stored_resource *resource,
                            const mu_json *body, mu_json *json, mu_err *err)
{
    mu_arena *arena = mu_http_request_arena(request);
    mu_api_call *call = mu_api_call_of(request);
    if (mu_http_request_method(request) == MU_HTTP_PUT)
        *json = *body;
    else if (mu_json_is_patch_body(body))
        MU_TRY(mu_json_apply_patch(arena, json, body, err));
    else
        MU_TRY(mu_json_merge(arena, json, body, err));
    if (json->kind != MU_JSON_OBJECT)
        return mu_fail(err, MU_E_INPUT, "the body must be a JSON object");
    remove_server_members(arena, json);
    mu_json_set(arena, json, MU_STR("updatedBy"), mu_json_of_string(call->client_id));
    return resource->prepare == NULL ? MU_OK : resource->prepare(call, arena, json, err);
}

static mu_http_outcome change_object(mu_http_request *request, mu_http_response *response,
                                     void *context)
{
    const mu_stored_resource *resource = context;
    mu_api_call *call = mu_api_call_of(request);
    mu_arena *arena = mu_http_request_arena(request);
    mu_str id = mu_http_request_parameter(request, MU_STR("id"));
    mu_document document;
    mu_json body, json;
    mu_err err;
    if (!mu_api_body(request, response, &body))
        return MU_HTTP_DONE;
    if (mu_api_document_get(call->api, arena, call->place, resource->kind, id, &document, &json,
                            &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    if (is_stale(request, &document))
        return mu_api_problem(request, response, 412, MU_STR(""),
                              MU_STR("The object was changed: its etag is another"));
    if (apply_change(request, resource, &body, &json, &err) != MU_OK ||
        mu_api_call_put(call, arena, call->place, MU_DOCUMENT_REPLACE, resource->kind, id, &json,
                        document.version, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    return answer_stored(request, response, 200, resource, id);
}

static mu_http_outcome delete_object(mu_http_request *request, mu_http_response *response,
                                     void *context)
{
    const mu_stored_resource *resource = context;
    mu_api_call *call = mu_api_call_of(request);
    mu_err err;
    if (mu_api_call_remove(call, call->place, resource->kind,
                           mu_http_request_parameter(request, MU_STR("id")), &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    mu_http_response_clear(response);
    mu_http_response_status(response, 204);
    return MU_HTTP_DONE;
}

mu_code mu_api_add_stored_resource(mu_api *api, mu_http_router *router,
                                   const mu_stored_resource *resource, mu_err *err)
{
    void *context = (void *)(uintptr_t)resource; /* handlers read it only */
    const mu_http_route routes[] = {
        {.method = MU_HTTP_GET, .pattern = resource->path, .handler = list_objects},
        {.method = MU_HTTP_POST, .pattern = resource->path, .handler = post_object},
        {.method = MU_HTTP_GET, .pattern = resource->path_of_one, .handler = get_object},
        {.method = MU_HTTP_PUT, .pattern = resource->path_of_one, .handler = change_object},
        {.method = MU_HTTP_PATCH, .pattern = resource->path_of_one, .handler = change_object},
        {.method = MU_HTTP_DELETE, .pattern = resource->path_of_one, .handler = delete_object},
    };
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        mu_http_route route = routes[i];
        route.context = context;
        MU_TRY(mu_api_add(api, router, MU_API_CHECKED, &route, 1, err));
    }
    return MU_OK;
}

mu_code mu_api_add_stored(mu_api *api, mu_http_router *router, mu_err *err)
{
    static const mu_stored_resource projections = {.path = "/data/core/ups/config/projections",
                                                   .path_of_one =
                                                       "/data/core/ups/config/projections/{id}",
                                                   .kind = {"projection", 10},
                                                   .list_name = {"projectionConfigs", 17}};
    static const mu_stored_resource destinations = {.path = "/data/core/ups/config/destinations",
                                                    .path_of_one =
                                                        "/data/core/ups/config/destinations/{id}",
                                                    .kind = {"destination", 11},
                                                    .list_name = {"projectionDestinations", 22}};
    MU_TRY(mu_api_add_stored_resource(api, router, &projections, err));
    return mu_api_add_stored_resource(api, router, &destinations, err);
}
