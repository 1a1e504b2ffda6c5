/* segment_definitions.c -- /data/core/ups/segment/definitions (api.md 10): the audiences that are
 * not external, as an older path shows them. */
#include "api/audience_int.h"

#define VIEW MU_AUDIENCE_VIEW_DEFINITIONS

static mu_http_outcome list(mu_http_request *request, mu_http_response *response, void *context)
{
    (void)context;
    return mu_audience_list(request, response, VIEW);
}

static mu_http_outcome get(mu_http_request *request, mu_http_response *response, void *context)
{
    (void)context;
    return mu_audience_get(request, response, VIEW);
}

static mu_http_outcome bulk_get(mu_http_request *request, mu_http_response *response, void *context)
{
    (void)context;
    return mu_audience_bulk_get(request, response, VIEW);
}

static mu_http_outcome post(mu_http_request *request, mu_http_response *response, void *context)
{
    mu_json body;
    (void)context;
    if (!mu_api_body_object(request, response, &body))
        return MU_HTTP_DONE;
    return mu_audience_change_and_show(request, response, VIEW, MU_AUDIENCE_CREATE,
                                       mu_api_uuid(mu_http_request_arena(request)), &body);
}

static mu_http_outcome patch(mu_http_request *request, mu_http_response *response, void *context)
{
    mu_json body;
    (void)context;
    if (!mu_api_body(request, response, &body))
        return MU_HTTP_DONE;
    if (body.kind != MU_JSON_OBJECT && body.kind != MU_JSON_ARRAY) {
        mu_http_refuse(request, response, MU_HTTP_PROBLEM_BAD_JSON,
                       MU_STR("The body must be an object, or a list of operations"));
        return MU_HTTP_DONE;
    }
    return mu_audience_change_and_show(request, response, VIEW, MU_AUDIENCE_PATCH,
                                       mu_http_request_parameter(request, MU_STR("id")), &body);
}

static mu_http_outcome delete (mu_http_request *request, mu_http_response *response, void *context)
{
    mu_audience_scene scene;
    mu_refusal refusal;
    mu_http_outcome outcome;
    mu_str id = mu_http_request_parameter(request, MU_STR("id"));
    (void)context;
    if (!mu_audience_scene_begin(request, response, VIEW, &scene))
        return MU_HTTP_DONE;
    if (mu_audience_delete(&scene, id, &refusal)) {
        mu_json json = MU_JSON_OBJECT_OF(
            scene.arena, {MU_STR("status"), mu_json_of_boolean(true)},
            {MU_STR("message"), mu_json_of_string(mu_arena_format(
                                    scene.arena, "The segment definition " MU_STR_FMT " is deleted",
                                    MU_STR_ARG(id)))});
        outcome = mu_api_answer(response, 200, &json);
    } else {
        outcome = mu_audience_answer_refusal(request, response, VIEW, &refusal);
    }
    mu_audience_scene_end(&scene);
    return outcome;
}

mu_code mu_api_add_segment_definitions(mu_api *api, mu_http_router *router, mu_err *err)
{
#define BASE "/data/core/ups/segment/definitions"
    static const mu_http_route routes[] = {
        {.method = MU_HTTP_GET, .pattern = BASE, .handler = list},
        {.method = MU_HTTP_POST, .pattern = BASE, .handler = post},
        {.method = MU_HTTP_POST, .pattern = BASE "/bulk-get", .handler = bulk_get},
        {.method = MU_HTTP_GET, .pattern = BASE "/{id}", .handler = get},
        {.method = MU_HTTP_PATCH, .pattern = BASE "/{id}", .handler = patch},
        {.method = MU_HTTP_DELETE, .pattern = BASE "/{id}", .handler = delete},
    };
    return mu_api_add(api, router, MU_API_CHECKED, routes, sizeof routes / sizeof routes[0], err);
}
