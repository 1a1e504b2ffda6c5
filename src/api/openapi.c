/* openapi.c -- the OpenAPI document put together, and GET /openapi.json. */
#include "api/openapi.h"

#include "api/api_int.h"

/* -------- one document out of fragments -------- */

static mu_code read_fragment(mu_arena *arena, const mu_openapi_fragment *fragment, mu_json *out,
                             mu_err *err)
{
    mu_err why;
    mu_str text = {(const char *)fragment->bytes, fragment->n_bytes};
    if (mu_json_parse(arena, text, out, &why) != MU_OK)
        return mu_fail(err, MU_E_CORRUPT, "%s: %s", fragment->name, why.text);
    if (out->kind != MU_JSON_OBJECT)
        return mu_fail(err, MU_E_CORRUPT, "%s is no object", fragment->name);
    return MU_OK;
}

static mu_code check_apart(const mu_json *into, const mu_json *from, const char *fragment,
                           mu_err *err)
{
    for (uint32_t i = 0; i < from->n; i++)
        if (mu_json_member(into, from->names[i]) != NULL)
            return mu_fail(err, MU_E_CONFLICT, "%s: another fragment has " MU_STR_FMT " too",
                           fragment, MU_STR_ARG(from->names[i]));
    return MU_OK;
}

static mu_json joined(mu_arena *arena, const mu_json *first, const mu_json *second)
{
    uint32_t n = first->n + second->n;
    mu_str *names = MU_NEW_ARRAY(arena, mu_str, n);
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, n);
    for (uint32_t i = 0; i < n; i++) {
        const mu_json *from = i < first->n ? first : second;
        uint32_t at = i < first->n ? i : i - first->n;
        names[i] = from->names[at];
        items[i] = from->items[at];
    }
    return (mu_json){.kind = MU_JSON_OBJECT, .n = n, .names = names, .items = items};
}

/* Puts the components of one fragment, or its paths, beside those that are there. */
static mu_code add_members(mu_arena *arena, mu_json *into, const mu_json *from, bool has_kinds,
                           const char *fragment, mu_err *err)
{
    if (!has_kinds) {
        MU_TRY(check_apart(into, from, fragment, err));
        *into = joined(arena, into, from);
        return MU_OK;
    }
    for (uint32_t i = 0; i < from->n; i++) {
        const mu_json *known = mu_json_member(into, from->names[i]);
        mu_json kind = known == NULL ? (mu_json){.kind = MU_JSON_OBJECT} : *known;
        MU_TRY(add_members(arena, &kind, &from->items[i], false, fragment, err));
        mu_json_set(arena, into, from->names[i], kind);
    }
    return MU_OK;
}

static mu_code add_fragment(mu_arena *arena, mu_json *document, const mu_json *from,
                            const char *fragment, mu_err *err)
{
    for (uint32_t i = 0; i < from->n; i++) {
        mu_str name = from->names[i];
        const mu_json *known = mu_json_member(document, name);
        if (known == NULL) {
            mu_json_set(arena, document, name, from->items[i]);
            continue;
        }
        bool is_components = mu_str_equal(name, MU_STR("components"));
        if (!is_components && !mu_str_equal(name, MU_STR("paths")))
            return mu_fail(err, MU_E_CONFLICT, "%s: another fragment has " MU_STR_FMT " too",
                           fragment, MU_STR_ARG(name));
        mu_json all = *known;
        MU_TRY(add_members(arena, &all, &from->items[i], is_components, fragment, err));
        mu_json_set(arena, document, name, all);
    }
    return MU_OK;
}

mu_code mu_openapi_document(mu_arena *arena, mu_json *out, mu_err *err)
{
    mu_json document = {.kind = MU_JSON_OBJECT}, fragment;
    for (size_t i = 0; i < mu_openapi_fragments_count; i++) {
        MU_TRY(read_fragment(arena, &mu_openapi_fragments[i], &fragment, err));
        MU_TRY(add_fragment(arena, &document, &fragment, mu_openapi_fragments[i].name, err));
    }
    *out = document;
    return MU_OK;
}

/* -------- the route -------- */

static mu_http_outcome get_document(mu_http_request *request, mu_http_response *response,
                                    void *context)
{
    const mu_str *text = context;
    (void)request;
    return mu_api_answer_text(response, 200, *text);
}

mu_code mu_api_add_openapi(mu_api *api, mu_http_router *router, mu_err *err)
{
    mu_arena scratch;
    mu_json document;
    mu_str *text = MU_NEW(&api->arena, mu_str);
    mu_arena_init(&scratch, SIZE_MAX);
    mu_code code = mu_openapi_document(&scratch, &document, err);
    if (code == MU_OK)
        code = mu_json_text(&api->arena, &document, text, err);
    mu_arena_free(&scratch);
    const mu_http_route route = {.method = MU_HTTP_GET,
                                 .pattern = "/openapi.json",
                                 .handler = get_document,
                                 .context = text};
    return code == MU_OK ? mu_api_add(api, router, MU_API_UNCHECKED, &route, 1, err) : code;
}
