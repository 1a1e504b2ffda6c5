/* search.c -- /data/core/ups/search: audiences found by words (api.md 17). */
#include "api/api_int.h"

#include <nettle/base64.h>

#define LIMIT_MAX 50
#define BAD_QUERY MU_STR("UPAPI-119912-400")

static mu_http_outcome refuse_parameter(mu_http_request *request, mu_http_response *response,
                                        const char *text)
{
    return mu_api_problem(request, response, 400, BAD_QUERY, mu_str_from(text));
}

static mu_str parameter(mu_http_request *request, const char *name)
{
    mu_str value;
    return mu_http_pairs_find(mu_http_request_query(request), mu_str_from(name), &value)
               ? value
               : MU_STR("");
}

/* The version header (A10) and the class, under either of its names (A61). */
static bool check_common(mu_http_request *request, mu_http_response *response)
{
    mu_str version, schema = parameter(request, "schema.name");
    if (schema.len == 0)
        schema = parameter(request, "schemaClass");
    if (mu_http_request_header(request, MU_STR("x-ups-search-version"), &version) &&
        !mu_str_equal(mu_str_trim(version), MU_STR("1.0"))) {
        (void)mu_api_problem(request, response, 400, MU_STR("UPAPI-119911-400"),
                             MU_STR("The header x-ups-search-version must be 1.0"));
        return false;
    }
    if (!mu_str_equal(schema, MU_STR("_xdm.context.segmentdefinition"))) {
        (void)refuse_parameter(
            request, response,
            "The parameter schema.name (or schemaClass) must be _xdm.context.segmentdefinition");
        return false;
    }
    return true;
}

static bool required(mu_http_request *request, mu_http_response *response, const char *name,
                     mu_str *out)
{
    *out = parameter(request, name);
    if (out->len == 0)
        (void)mu_api_problem_format(request, response, 400, BAD_QUERY,
                                    "The parameter %s is missing", name);
    return out->len > 0;
}

static mu_http_outcome refuse_search(mu_http_request *request, mu_http_response *response,
                                     const mu_err *err)
{
    return err->code == MU_E_INPUT ? refuse_parameter(request, response, err->text)
                                   : mu_api_fail(request, response, err);
}

static mu_json status_of(mu_arena *arena, mu_str message)
{
    return MU_JSON_OBJECT_OF(arena, {MU_STR("message"), mu_json_of_string(message)});
}

static mu_json array_of(uint32_t n, const mu_json *items)
{
    return (mu_json){.kind = MU_JSON_ARRAY, .n = n, .items = items};
}

static mu_json base64_of(mu_arena *arena, mu_str text)
{
    size_t len = BASE64_ENCODE_RAW_LENGTH(text.len);
    char *out = mu_arena_alloc(arena, len + 1);
    base64_encode_raw(out, text.len, (const uint8_t *)text.ptr);
    return mu_json_of_string((mu_str){out, len});
}

/* -------- namespaces -------- */

static mu_http_outcome get_namespaces(mu_http_request *request, mu_http_response *response,
                                      void *context)
{
    mu_api *api = context;
    mu_arena *arena = mu_http_request_arena(request);
    mu_workspace *workspace;
    const mu_search_namespace *found;
    uint32_t n;
    mu_err err;
    if (!check_common(request, response) || !mu_api_workspace(request, response, &workspace))
        return MU_HTTP_DONE;
    if (mu_search_namespaces(api->searches, workspace, parameter(request, "s"), arena, &n, &found,
                             &err) != MU_OK)
        return refuse_search(request, response, &err);
    mu_json *rows = MU_NEW_ARRAY(arena, mu_json, n);
    for (uint32_t i = 0; i < n; i++)
        rows[i] = MU_JSON_OBJECT_OF(
            arena, {MU_STR("namespace"), mu_json_of_string(found[i].namespace_code)},
            {MU_STR("displayName"), mu_json_of_string(found[i].namespace_code)},
            {MU_STR("count"), mu_json_of_integer(found[i].n)});
    mu_json json = MU_JSON_OBJECT_OF(
        arena, {MU_STR("namespaces"), array_of(n, rows)},
        {MU_STR("totalCount"), mu_json_of_string(mu_arena_format(arena, "%u", n))}, /* A60 */
        {MU_STR("status"), status_of(arena, MU_STR("Success"))});
    return mu_api_answer(response, 200, &json);
}

/* -------- entities -------- */

static mu_json hit_json(mu_arena *arena, const mu_search_hit *hit)
{
    mu_json json =
        MU_JSON_OBJECT_OF(arena, {MU_STR("id"), mu_json_of_string(hit->id)},
                          {MU_STR("base64EncodedSourceId"), base64_of(arena, hit->source_id)},
                          {MU_STR("sourceId"), mu_json_of_string(hit->source_id)},
                          {MU_STR("isFolder"), mu_json_of_boolean(hit->is_folder)},
                          {MU_STR("parentFolderId"), mu_json_of_string(hit->parent_folder_id)},
                          {MU_STR("name"), mu_json_of_string(hit->name)});
    if (hit->description.len > 0)
        mu_json_set(arena, &json, MU_STR("description"), mu_json_of_string(hit->description));
    return json;
}

/* P5: pages are numbered, and there is always one (A20). */
typedef struct search_page {
    int64_t number, limit;
} search_page;

static bool read_page(mu_http_request *request, mu_http_response *response, search_page *out)
{
    const mu_http_pairs *query = mu_http_request_query(request);
    mu_err err;
    if (mu_http_pairs_integer(query, MU_STR("page"), 0, &out->number, &err) != MU_OK ||
        mu_http_pairs_integer(query, MU_STR("limit"), LIMIT_MAX, &out->limit, &err) != MU_OK) {
        (void)refuse_parameter(request, response, err.text);
        return false;
    }
    if (out->number < 0 || out->limit < 1) {
        (void)refuse_parameter(request, response,
                               out->number < 0 ? "The parameter page must not be negative"
                                               : "The parameter limit must be at least 1");
        return false;
    }
    out->limit = out->limit > LIMIT_MAX ? LIMIT_MAX : out->limit;
    return true;
}

static uint32_t offset_of(const search_page *page)
{
    return page->number > UINT32_MAX / LIMIT_MAX ? UINT32_MAX
                                                 : (uint32_t)(page->number * page->limit);
}

static mu_json page_json(mu_arena *arena, const search_page *page, uint32_t n_all, uint32_t n_shown)
{
    int64_t n_pages = n_all == 0 ? 1 : (n_all + page->limit - 1) / page->limit;
    return MU_JSON_OBJECT_OF(arena, {MU_STR("totalCount"), mu_json_of_integer(n_all)},
                             {MU_STR("totalPages"), mu_json_of_integer(n_pages)},
                             {MU_STR("pageOffset"), mu_json_of_integer(page->number)},
                             {MU_STR("pageSize"), mu_json_of_integer(n_shown)});
}

static mu_http_outcome get_entities(mu_http_request *request, mu_http_response *response,
                                    void *context)
{
    mu_api *api = context;
    mu_arena *arena = mu_http_request_arena(request);
    mu_workspace *workspace;
    mu_search_request asked = {.query = parameter(request, "s"),
                               .folder_id = parameter(request, "entityId")};
    const mu_search_hit *hits;
    search_page page;
    uint32_t n, n_all;
    mu_err err;
    if (!check_common(request, response) ||
        !required(request, response, "namespace", &asked.namespace_code) ||
        !read_page(request, response, &page) || !mu_api_workspace(request, response, &workspace))
        return MU_HTTP_DONE;
    asked.offset = offset_of(&page);
    asked.limit = (uint32_t)page.limit;
    if (mu_search_entities(api->searches, workspace, &asked, arena, &n, &hits, &n_all, &err) !=
        MU_OK)
        return refuse_search(request, response, &err);
    mu_json *rows = MU_NEW_ARRAY(arena, mu_json, n);
    for (uint32_t i = 0; i < n; i++)
        rows[i] = hit_json(arena, &hits[i]);
    mu_json json = MU_JSON_OBJECT_OF(arena, {MU_STR("entities"), array_of(n, rows)},
                                     {MU_STR("page"), page_json(arena, &page, n_all, n)},
                                     {MU_STR("status"), status_of(arena, MU_STR("Success"))});
    return mu_api_answer(response, 200, &json);
}

/* -------- taxonomy -------- */

static mu_http_outcome get_taxonomy(mu_http_request *request, mu_http_response *response,
                                    void *context)
{
    mu_api *api = context;
    mu_arena *arena = mu_http_request_arena(request);
    mu_workspace *workspace;
    mu_str namespace_code, id;
    const mu_search_hit *folders;
    uint32_t n;
    bool found;
    mu_err err;
    if (!check_common(request, response) ||
        !required(request, response, "namespace", &namespace_code) ||
        !required(request, response, "entityId", &id) ||
        !mu_api_workspace(request, response, &workspace))
        return MU_HTTP_DONE;
    if (mu_search_taxonomy(api->searches, workspace, namespace_code, id, arena, &found, &n,
                           &folders, &err) != MU_OK)
        return refuse_search(request, response, &err);
    mu_json *rows = MU_NEW_ARRAY(arena, mu_json, n);
    for (uint32_t i = 0; i < n; i++)
        rows[i] = MU_JSON_OBJECT_OF(
            arena, {MU_STR("id"), mu_json_of_string(folders[i].id)},
            {MU_STR("base64EncodedSourceId"), base64_of(arena, folders[i].source_id)},
            {MU_STR("name"), mu_json_of_string(folders[i].name)},
            {MU_STR("parentFolderId"), mu_json_of_string(folders[i].parent_folder_id)});
    mu_str message =
        found ? MU_STR("Success")
              : mu_arena_format(arena, "The entity " MU_STR_FMT " cannot be found", MU_STR_ARG(id));
    mu_json json = MU_JSON_OBJECT_OF(arena, {MU_STR("taxonomy"), array_of(n, rows)},
                                     {MU_STR("status"), status_of(arena, message)});
    return mu_api_answer(response, 200, &json);
}

mu_code mu_api_add_search(mu_api *api, mu_http_router *router, mu_err *err)
{
    const mu_http_route routes[] = {
        {.method = MU_HTTP_GET,
         .pattern = "/data/core/ups/search/namespaces",
         .handler = get_namespaces},
        {.method = MU_HTTP_GET,
         .pattern = "/data/core/ups/search/entities",
         .handler = get_entities},
        {.method = MU_HTTP_GET,
         .pattern = "/data/core/ups/search/taxonomy",
         .handler = get_taxonomy},
    };
    return mu_api_add(api, router, MU_API_CHECKED, routes, sizeof routes / sizeof routes[0], err);
}
