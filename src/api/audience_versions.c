/* audience_versions.c -- /data/core/ups/muster/audiences/{id}/versions, which is Muster's own: what
 * a definition was, and a way back. Each change writes the version that it makes in the same
 * transaction (audience_edit.c). */
#include "api/audience_int.h"

#include "base/number.h"

static mu_code read_version(const mu_audience_scene *scene, const mu_audience *audience,
                            uint64_t number, mu_json *out, mu_err *err)
{
    mu_document document;
    mu_str id = mu_audience_version_id(scene->arena, audience->id, number);
    return mu_api_document_get(scene->call->api, scene->arena, scene->call->place,
                               MU_AUDIENCE_VERSION_KIND, id, &document, out, err);
}

static mu_json shown_version(mu_audience_scene *scene, const mu_json *stored, uint64_t number,
                             uint64_t present)
{
    mu_arena *arena = scene->arena;
    mu_json out =
        MU_JSON_OBJECT_OF(arena, {MU_STR("version"), mu_json_of_integer((int64_t)number)},
                          {MU_STR("isCurrent"), mu_json_of_boolean(number == present)},
                          {MU_STR("imsOrgId"), mu_json_of_string(scene->call->organization)},
                          {MU_STR("sandbox"), mu_api_sandbox_json(arena, scene->call->sandbox)});
    for (uint32_t i = 0; i < stored->n; i++)
        if (stored->names[i].len == 0 || stored->names[i].ptr[0] != '$')
            mu_json_set(arena, &out, stored->names[i], stored->items[i]);
    return out;
}

/* What differs at a glance; the whole is at versions/{version}. */
static mu_json row_of(mu_arena *arena, const mu_json *stored, uint64_t number, uint64_t present)
{
    static const char *const names[] = {"name",           "lifecycleState", "expression",
                                        "lastModifiedBy", "updateTime",     "updateEpoch"};
    mu_json out = MU_JSON_OBJECT_OF(arena, {MU_STR("version"), mu_json_of_integer((int64_t)number)},
                                    {MU_STR("isCurrent"), mu_json_of_boolean(number == present)});
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const mu_json *member = mu_json_get(stored, mu_str_from(names[i]));
        if (member != NULL)
            mu_json_set(arena, &out, mu_str_from(names[i]), *member);
    }
    return out;
}

/* -------- requests -------- */

typedef mu_http_outcome version_handler(mu_audience_scene *scene, mu_http_response *response,
                                        const mu_audience *audience);

static mu_http_outcome answer_missing(mu_audience_scene *scene, mu_http_response *response,
                                      const char *what)
{
    mu_refusal refusal;
    (void)mu_refuse(&refusal, MU_REFUSAL_NOT_FOUND, MU_STR(""), mu_str_from(what));
    return mu_audience_answer_refusal(scene->request, response, scene->view, &refusal);
}

static mu_http_outcome with_audience(mu_http_request *request, mu_http_response *response,
                                     version_handler *handler)
{
    mu_audience_scene scene;
    mu_http_outcome outcome;
    if (!mu_audience_scene_begin(request, response, MU_AUDIENCE_VIEW_AUDIENCES, &scene))
        return MU_HTTP_DONE;
    const mu_audience *audience =
        mu_audience_find(scene.book, mu_http_request_parameter(request, MU_STR("id")));
    if (audience == NULL || audience->is_external)
        outcome = answer_missing(&scene, response, "There is no segment definition with this id");
    else
        outcome = handler(&scene, response, audience);
    mu_audience_scene_end(&scene);
    return outcome;
}

static mu_http_outcome list_versions(mu_audience_scene *scene, mu_http_response *response,
                                     const mu_audience *audience)
{
    uint64_t present = audience->item->document.version;
    uint64_t kept = (uint64_t)scene->call->api->options.settings.audience_versions_kept;
    uint64_t most = present < kept ? present : kept;
    mu_json *rows = MU_NEW_ARRAY(scene->arena, mu_json, most);
    uint32_t n = 0;
    mu_err err;
    for (uint64_t i = 0; i < most; i++) {
        mu_json stored;
        mu_code code = read_version(scene, audience, present - i, &stored, &err);
        if (code == MU_E_NOT_FOUND)
            break;
        if (code != MU_OK)
            return mu_api_fail(scene->request, response, &err);
        rows[n++] = row_of(scene->arena, &stored, present - i, present);
    }
    mu_json json = MU_JSON_OBJECT_OF(
        scene->arena, {MU_STR("id"), mu_json_of_string(audience->id)},
        {MU_STR("versions"), (mu_json){.kind = MU_JSON_ARRAY, .n = n, .items = rows}});
    return mu_api_answer(response, 200, &json);
}

/* False: answered. */
static bool find_version(mu_audience_scene *scene, mu_http_response *response,
                         const mu_audience *audience, uint64_t *number, mu_json *stored)
{
    int64_t wanted;
    mu_err err;
    mu_code code = MU_E_NOT_FOUND;
    if (mu_parse_integer(mu_http_request_parameter(scene->request, MU_STR("version")), &wanted) &&
        wanted > 0)
        code = read_version(scene, audience, (uint64_t)wanted, stored, &err);
    if (code == MU_E_NOT_FOUND)
        (void)answer_missing(scene, response, "There is no such version of this definition");
    else if (code != MU_OK)
        (void)mu_api_fail(scene->request, response, &err);
    else
        *number = (uint64_t)wanted;
    return code == MU_OK;
}

static mu_http_outcome show_version(mu_audience_scene *scene, mu_http_response *response,
                                    const mu_audience *audience)
{
    uint64_t number;
    mu_json stored;
    if (!find_version(scene, response, audience, &number, &stored))
        return MU_HTTP_DONE;
    mu_json json = shown_version(scene, &stored, number, audience->item->document.version);
    return mu_api_answer(response, 200, &json);
}

static mu_http_outcome restore_version(mu_audience_scene *scene, mu_http_response *response,
                                       const mu_audience *audience)
{
    uint64_t number;
    mu_json stored, shown;
    mu_str etag;
    mu_refusal refusal;
    if (!find_version(scene, response, audience, &number, &stored))
        return MU_HTTP_DONE;
    mu_str id = mu_arena_copy(scene->arena, audience->id); /* outlives the book */
    if (!mu_audience_store(scene, MU_AUDIENCE_RESTORE, id, &stored, &shown, &etag, &refusal))
        return mu_audience_answer_refusal(scene->request, response, scene->view, &refusal);
    mu_http_response_header(response, MU_STR("ETag"), etag);
    return mu_api_answer(response, 201, &shown);
}

static mu_http_outcome list(mu_http_request *request, mu_http_response *response, void *context)
{
    (void)context;
    return with_audience(request, response, list_versions);
}

static mu_http_outcome get(mu_http_request *request, mu_http_response *response, void *context)
{
    (void)context;
    return with_audience(request, response, show_version);
}

static mu_http_outcome restore(mu_http_request *request, mu_http_response *response, void *context)
{
    (void)context;
    return with_audience(request, response, restore_version);
}

mu_code mu_api_add_audience_versions(mu_api *api, mu_http_router *router, mu_err *err)
{
#define BASE "/data/core/ups/muster/audiences/{id}/versions"
    static const mu_http_route routes[] = {
        {.method = MU_HTTP_GET, .pattern = BASE, .handler = list},
        {.method = MU_HTTP_GET, .pattern = BASE "/{version}", .handler = get},
        {.method = MU_HTTP_POST, .pattern = BASE "/{version}/restore", .handler = restore},
    };
    return mu_api_add(api, router, MU_API_CHECKED, routes, sizeof routes / sizeof routes[0], err);
}
