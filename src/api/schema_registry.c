/* schema_registry.c -- /data/foundation/schemaregistry: routes, look-ups, unions, statistics. */
#include "api/schema_registry_int.h"

/* -------- what a request is about -------- */

static const struct {
    const char *name;
    mu_xdm_resource resource;
} collections[] = {{"/schemas", MU_XDM_SCHEMA},          {"/classes", MU_XDM_CLASS},
                   {"/fieldgroups", MU_XDM_FIELD_GROUP}, {"/mixins", MU_XDM_FIELD_GROUP},
                   {"/datatypes", MU_XDM_DATA_TYPE},     {"/behaviors", MU_XDM_BEHAVIOR_RESOURCE},
                   {"/descriptors", MU_XDM_DESCRIPTOR},  {"/unions", MU_XDM_SCHEMA}};

static mu_xdm_resource collection_of(mu_str route)
{
    for (size_t i = 0; i < sizeof collections / sizeof collections[0]; i++)
        if (mu_str_find(route, mu_str_from(collections[i].name)) != SIZE_MAX)
            return collections[i].resource;
    return MU_XDM_SCHEMA;
}

mu_http_outcome mu_registry_answer(mu_http_request *request, mu_http_response *response,
                                   registry_function *function)
{
    mu_err err;
    const mu_api_registry *held = NULL;
    mu_str route = mu_http_request_route(request);
    registry_call c = {.request = request,
                       .response = response,
                       .call = mu_api_call_of(request),
                       .arena = mu_http_request_arena(request),
                       .is_global = mu_str_starts_with(route, MU_STR(SCHEMA_REGISTRY "/global/")),
                       .resource = collection_of(route)};
    c.api = c.call->api;
    if (mu_api_registry_acquire(c.api, c.call->sandbox, &held, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    c.registry = held->registry;
    mu_http_outcome outcome = function(&c);
    mu_api_registry_release(held);
    return outcome;
}

/* -------- errors -------- */

mu_http_outcome mu_registry_refuse(const registry_call *c, const mu_err *err)
{
    switch (err->code) {
    case MU_E_NOT_FOUND:
        return mu_api_problem(c->request, c->response, 404, MU_STR("XDM-1012-404"),
                              mu_str_from(err->text));
    case MU_E_CONFLICT: /* P10 */
        return mu_api_problem(c->request, c->response, 400, MU_STR("XDM-1521-400"),
                              mu_str_from(err->text));
    case MU_E_INPUT:
    case MU_E_SYNTAX:
    case MU_E_TYPE:
        return mu_api_problem(c->request, c->response, 400, MU_STR("XDM-1500-400"),
                              mu_str_from(err->text));
    default:
        return mu_api_fail(c->request, c->response, err);
    }
}

mu_http_outcome mu_registry_not_found(const registry_call *c, mu_str id)
{
    return mu_api_problem_format(c->request, c->response, 404, MU_STR("XDM-1012-404"),
                                 "There is no such resource: " MU_STR_FMT, MU_STR_ARG(id));
}

/* -------- unions -------- */

static const mu_xdm_union *find_union(const mu_xdm_union *unions, uint32_t n, mu_str id)
{
    for (uint32_t i = 0; i < n; i++)
        if (mu_str_equal(unions[i].id, id) || mu_str_equal(unions[i].alt_id, id))
            return &unions[i];
    return NULL;
}

static mu_code union_document(const registry_call *c, const mu_xdm_union *members,
                              const registry_accept *accept, mu_json *out, mu_err *err)
{
    mu_json ids = mu_json_strings(c->arena, members->n_schemas, members->schema_ids);
    MU_TRY(mu_registry_render_union(c->registry, members, &accept->how, c->arena, out, err));
    mu_json_set(c->arena, out, MU_STR("meta:altId"), mu_json_of_string(members->alt_id));
    mu_json_set(c->arena, out, MU_STR("meta:extends"), ids);
    mu_json_set(c->arena, out, MU_STR("meta:resourceType"), mu_json_of_string(MU_STR("unions")));
    mu_json_set(c->arena, out, MU_STR("meta:containerId"), mu_json_of_string(MU_STR("tenant")));
    mu_json_set(c->arena, out, MU_STR("version"), mu_json_of_string(MU_STR("1.0")));
    return MU_OK;
}

static mu_http_outcome answer_union(const registry_call *c, const mu_xdm_union *members,
                                    const registry_accept *accept)
{
    mu_err err;
    mu_json json;
    if (accept->is_id)
        json = mu_registry_id_row(c, members->id, members->alt_id, members->title, 1);
    else if (union_document(c, members, accept, &json, &err) != MU_OK)
        return mu_registry_refuse(c, &err);
    return mu_api_answer(c->response, 200, &json);
}

static mu_http_outcome list_unions(registry_call *c)
{
    mu_err err;
    registry_accept accept;
    mu_xdm_union *unions;
    if (!mu_registry_accept(c, "XDM-1006-400", &accept))
        return MU_HTTP_DONE;
    uint32_t n = mu_registry_unions(c->registry, c->arena, &unions);
    registry_item *items = MU_NEW_ARRAY(c->arena, registry_item, n);
    for (uint32_t i = 0; i < n; i++) {
        if (union_document(c, &unions[i], &accept, &items[i].json, &err) != MU_OK)
            return mu_registry_refuse(c, &err);
        items[i].id_row = mu_registry_id_row(c, unions[i].id, unions[i].alt_id, unions[i].title, 1);
    }
    return mu_registry_answer_list(c, &accept, n, items, 300, 300);
}

static mu_http_outcome get_union(registry_call *c)
{
    registry_accept accept;
    mu_xdm_union *unions;
    mu_str id = mu_http_request_parameter(c->request, MU_STR("id"));
    if (!mu_registry_accept(c, "XDM-1007-400", &accept))
        return MU_HTTP_DONE;
    uint32_t n = mu_registry_unions(c->registry, c->arena, &unions);
    const mu_xdm_union *members = find_union(unions, n, id);
    return members == NULL ? mu_registry_not_found(c, id) : answer_union(c, members, &accept);
}

/* -------- schemas, classes, field groups, data types, behaviours -------- */

static mu_http_outcome list_resources(registry_call *c)
{
    mu_err err;
    uint32_t n;
    registry_row *rows;
    registry_accept accept;
    if (!mu_registry_accept(c, "XDM-1006-400", &accept))
        return MU_HTTP_DONE;
    if (mu_registry_rows(c, &n, &rows, &err) != MU_OK)
        return mu_registry_refuse(c, &err);
    registry_item *items = MU_NEW_ARRAY(c->arena, registry_item, n);
    for (uint32_t i = 0; i < n; i++) {
        const mu_xdm_resource_entry *entry = rows[i].entry;
        items[i].updated_ms = rows[i].updated_ms;
        items[i].id_row = mu_registry_id_row(c, entry->id, entry->alt_id, entry->title,
                                             entry->is_global ? 1 : rows[i].version);
        if (mu_registry_document(c, &rows[i], &accept, &items[i].json, &err) != MU_OK)
            return mu_registry_refuse(c, &err);
    }
    return mu_registry_answer_list(c, &accept, n, items, 300, 300);
}

static mu_http_outcome get_resource(registry_call *c)
{
    mu_err err;
    mu_json json;
    registry_row row;
    registry_accept accept;
    mu_str id = mu_http_request_parameter(c->request, MU_STR("id"));
    if (!mu_registry_accept(c, "XDM-1007-400", &accept))
        return MU_HTTP_DONE;
    mu_code code = mu_registry_row(c, id, &row, &err);
    if (code == MU_E_NOT_FOUND && c->resource == MU_XDM_SCHEMA)
        return get_union(c);
    if (code == MU_OK && accept.is_id)
        json =
            mu_registry_id_row(c, row.entry->id, row.entry->alt_id, row.entry->title, row.version);
    else if (code == MU_OK)
        code = mu_registry_document(c, &row, &accept, &json, &err);
    return code == MU_OK ? mu_api_answer(c->response, 200, &json) : mu_registry_refuse(c, &err);
}

/* -------- sample data -------- */

static mu_http_outcome sample_data(registry_call *c)
{
    mu_str id = mu_http_request_parameter(c->request, MU_STR("id"));
    const mu_xdm_schema *schema = mu_registry_schema(c->registry, id);
    if (schema == NULL)
        return mu_registry_not_found(c, id);
    mu_json json = mu_xdm_sample(schema, c->arena);
    return mu_api_answer(c->response, 200, &json);
}

/* -------- statistics -------- */

/* {"title","$id",...} of up to ten rows, the newest first. */
static mu_json newest(const registry_call *c, uint32_t n, const registry_row *rows)
{
    uint32_t n_shown = n < 10 ? n : 10;
    mu_json *items = MU_NEW_ARRAY(c->arena, mu_json, n_shown);
    for (uint32_t i = 0; i < n_shown; i++) {
        const registry_row *row = &rows[n - 1 - i];
        items[i] = mu_registry_id_row(c, row->entry->id, row->entry->alt_id, row->entry->title,
                                      row->version);
        mu_json_set(c->arena, &items[i], MU_STR("meta:resourceType"),
                    mu_json_of_string(mu_registry_resource_type(row->entry->resource)));
        mu_json_set(c->arena, &items[i], MU_STR("meta:updated"),
                    mu_json_of_time(c->arena, row->updated_ms));
    }
    return (mu_json){.kind = MU_JSON_ARRAY, .n = n_shown, .items = items};
}

static mu_http_outcome stats(registry_call *c)
{
    static const struct {
        const char *name;
        mu_xdm_resource resource;
    } counted[] = {{"schemas", MU_XDM_SCHEMA},
                   {"mixins", MU_XDM_FIELD_GROUP},
                   {"datatypes", MU_XDM_DATA_TYPE},
                   {"classes", MU_XDM_CLASS}};
    mu_err err;
    mu_xdm_union *unions;
    mu_json counts = {.kind = MU_JSON_OBJECT};
    mu_json recent = {.kind = MU_JSON_ARRAY};
    for (size_t i = 0; i < sizeof counted / sizeof counted[0]; i++) {
        uint32_t n;
        registry_row *rows;
        c->resource = counted[i].resource;
        if (mu_registry_rows(c, &n, &rows, &err) != MU_OK)
            return mu_registry_refuse(c, &err);
        mu_json_set(c->arena, &counts, mu_str_from(counted[i].name), mu_json_of_integer(n));
        if (c->resource == MU_XDM_SCHEMA)
            recent = newest(c, n, rows);
    }
    uint32_t n_unions = mu_registry_unions(c->registry, c->arena, &unions);
    mu_json_set(c->arena, &counts, MU_STR("unions"), mu_json_of_integer(n_unions));
    mu_json json =
        MU_JSON_OBJECT_OF(c->arena, {MU_STR("imsOrg"), mu_json_of_string(c->call->organization)},
                          {MU_STR("tenantId"), mu_json_of_string(mu_registry_tenant(c->registry))},
                          {MU_STR("counts"), counts}, {MU_STR("recentlyUpdatedResources"), recent});
    return mu_api_answer(c->response, 200, &json);
}

/* -------- routes -------- */

#define HANDLER(name, function)                                                                    \
    static mu_http_outcome name(mu_http_request *request, mu_http_response *response,              \
                                void *context)                                                     \
    {                                                                                              \
        (void)context;                                                                             \
        return mu_registry_answer(request, response, function);                                    \
    }
HANDLER(on_stats, stats)
HANDLER(on_sample_data, sample_data)
HANDLER(on_list, list_resources)
HANDLER(on_get, get_resource)
HANDLER(on_unions, list_unions)
HANDLER(on_union, get_union)

/* A field takes two levels of JSON, and types are up to 64 deep. */
#define DOCUMENT_JSON_DEPTH_MAX 200

#define ROUTE(route_method, path, route_handler)                                                   \
    {                                                                                              \
        .method = route_method, .pattern = SCHEMA_REGISTRY path, .handler = route_handler,         \
        .json_depth_max = DOCUMENT_JSON_DEPTH_MAX                                                  \
    }
#define READ(container, collection)                                                                \
    ROUTE(MU_HTTP_GET, "/" container "/" collection, on_list),                                     \
        ROUTE(MU_HTTP_GET, "/" container "/" collection "/{id}", on_get)
#define READ_AND_WRITE(collection)                                                                 \
    READ("global", collection), READ("tenant", collection),                                        \
        ROUTE(MU_HTTP_POST, "/tenant/" collection, mu_registry_post),                              \
        ROUTE(MU_HTTP_PUT, "/tenant/" collection "/{id}", mu_registry_put),                        \
        ROUTE(MU_HTTP_PATCH, "/tenant/" collection "/{id}", mu_registry_patch),                    \
        ROUTE(MU_HTTP_DELETE, "/tenant/" collection "/{id}", mu_registry_delete)

mu_code mu_api_add_schema_registry(mu_api *api, mu_http_router *router, mu_err *err)
{
    static const mu_http_route routes[] = {
        ROUTE(MU_HTTP_GET, "/stats", on_stats),
        ROUTE(MU_HTTP_GET, "/rpc/sampledata/{id}", on_sample_data),
        READ("global", "behaviors"),
        READ_AND_WRITE("schemas"),
        READ_AND_WRITE("classes"),
        READ_AND_WRITE("fieldgroups"),
        READ_AND_WRITE("mixins"),
        READ_AND_WRITE("datatypes"),
        ROUTE(MU_HTTP_GET, "/tenant/unions", on_unions),
        ROUTE(MU_HTTP_GET, "/tenant/unions/{id}", on_union),
        ROUTE(MU_HTTP_GET, "/tenant/descriptors", mu_descriptors_list),
        ROUTE(MU_HTTP_POST, "/tenant/descriptors", mu_descriptors_post),
        ROUTE(MU_HTTP_GET, "/tenant/descriptors/{id}", mu_descriptors_get),
        ROUTE(MU_HTTP_PUT, "/tenant/descriptors/{id}", mu_descriptors_put),
        ROUTE(MU_HTTP_DELETE, "/tenant/descriptors/{id}", mu_descriptors_delete),
    };
    return mu_api_add(api, router, MU_API_CHECKED, routes, sizeof routes / sizeof routes[0], err);
}
