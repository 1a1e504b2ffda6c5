/* audiences.c -- /data/core/ups/audiences (api.md 8). */
#include "api/audience_int.h"

static mu_str id_of(mu_http_request *request)
{
    return mu_http_request_parameter(request, MU_STR("id"));
}

static mu_http_outcome list(mu_http_request *request, mu_http_response *response, void *context)
{
    (void)context;
    return mu_audience_list(request, response, MU_AUDIENCE_VIEW_AUDIENCES);
}

static mu_http_outcome get(mu_http_request *request, mu_http_response *response, void *context)
{
    (void)context;
    return mu_audience_get(request, response, MU_AUDIENCE_VIEW_AUDIENCES);
}

static mu_http_outcome bulk_get(mu_http_request *request, mu_http_response *response, void *context)
{
    (void)context;
    return mu_audience_bulk_get(request, response, MU_AUDIENCE_VIEW_AUDIENCES);
}

static mu_http_outcome post(mu_http_request *request, mu_http_response *response, void *context)
{
    mu_json body;
    (void)context;
    if (!mu_api_body_object(request, response, &body))
        return MU_HTTP_DONE;
    return mu_audience_change_and_show(request, response, MU_AUDIENCE_VIEW_AUDIENCES,
                                       MU_AUDIENCE_CREATE,
                                       mu_api_uuid(mu_http_request_arena(request)), &body);
}

static mu_http_outcome put(mu_http_request *request, mu_http_response *response, void *context)
{
    mu_json body;
    (void)context;
    if (!mu_api_body_object(request, response, &body))
        return MU_HTTP_DONE;
    return mu_audience_change_and_show(request, response, MU_AUDIENCE_VIEW_AUDIENCES,
                                       MU_AUDIENCE_PUT, id_of(request), &body);
}

static mu_http_outcome patch(mu_http_request *request, mu_http_response *response, void *context)
{
    mu_json body;
    (void)context;
    if (!mu_api_body(request, response, &body))
        return MU_HTTP_DONE;
    if (body.kind != MU_JSON_OBJECT && body.kind != MU_JSON_ARRAY) {
        mu_http_refuse(request, response, MU_HTTP_PROBLEM_BAD_JSON,
                       MU_STR("The body must be a list of operations, or an object"));
        return MU_HTTP_DONE;
    }
    return mu_audience_change_and_show(request, response, MU_AUDIENCE_VIEW_AUDIENCES,
                                       MU_AUDIENCE_PATCH, id_of(request), &body);
}

static mu_http_outcome delete (mu_http_request *request, mu_http_response *response, void *context)
{
    mu_audience_scene scene;
    mu_refusal refusal;
    mu_http_outcome outcome = MU_HTTP_DONE;
    (void)context;
    if (!mu_audience_scene_begin(request, response, MU_AUDIENCE_VIEW_AUDIENCES, &scene))
        return MU_HTTP_DONE;
    if (mu_audience_delete(&scene, id_of(request), &refusal))
        mu_http_response_status(response, 204);
    else
        outcome = mu_audience_answer_refusal(request, response, scene.view, &refusal);
    mu_audience_scene_end(&scene);
    return outcome;
}

mu_code mu_api_add_audiences(mu_api *api, mu_http_router *router, mu_err *err)
{
#define BASE "/data/core/ups/audiences"
    static const mu_http_route routes[] = {
        {.method = MU_HTTP_GET, .pattern = BASE, .handler = list},
        {.method = MU_HTTP_POST, .pattern = BASE, .handler = post},
        {.method = MU_HTTP_POST, .pattern = BASE "/bulk-get", .handler = bulk_get},
        {.method = MU_HTTP_GET, .pattern = BASE "/{id}", .handler = get},
        {.method = MU_HTTP_PUT, .pattern = BASE "/{id}", .handler = put},
        {.method = MU_HTTP_PATCH, .pattern = BASE "/{id}", .handler = patch},
        {.method = MU_HTTP_DELETE, .pattern = BASE "/{id}", .handler = delete},
    };
    return mu_api_add(api, router, MU_API_CHECKED, routes, sizeof routes / sizeof routes[0], err);
}
