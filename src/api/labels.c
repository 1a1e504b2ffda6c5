/* labels.c -- /data/foundation/dataset/datasets/{id}/labels (profile.md g.3, P86). */
#include "api/api_int.h"

#define KIND    MU_STR("datasetLabels")
#define DATASET MU_STR("dataset")

static mu_str etag_of(mu_arena *arena, const mu_document *document)
{
    return mu_arena_format(arena, "\"%08llx-%llu\"", (unsigned long long)document->number,
                           (unsigned long long)document->version);
}

static bool are_texts(const mu_json *list)
{
    if (list == NULL)
        return true;
    if (list->kind != MU_JSON_ARRAY)
        return false;
    for (uint32_t i = 0; i < list->n; i++)
        if (list->items[i].kind != MU_JSON_STRING)
            return false;
    return true;
}

static mu_code check_labels(const mu_json *json, mu_err *err)
{
    const mu_json *options = mu_json_get(json, MU_STR("optionalLabels"));
    if (!are_texts(mu_json_get(json, MU_STR("labels"))))
        return mu_fail(err, MU_E_INPUT, "labels must be a list of texts");
    if (options != NULL && options->kind != MU_JSON_ARRAY)
        return mu_fail(err, MU_E_INPUT, "optionalLabels must be a list");
    for (uint32_t i = 0; options != NULL && i < options->n; i++) {
        const mu_json *path = mu_json_at(&options->items[i], MU_STR("option.schemaPath"));
        if (path == NULL || path->kind != MU_JSON_STRING ||
            !are_texts(mu_json_get(&options->items[i], MU_STR("labels"))))
            return mu_fail(err, MU_E_INPUT,
                           "item %u of optionalLabels needs option.schemaPath and a list of labels",
                           i);
    }
    return MU_OK;
}

static mu_http_outcome show(mu_http_request *request, mu_http_response *response, unsigned status,
                            mu_str id)
{
    mu_api_call *call = mu_api_call_of(request);
    mu_arena *arena = mu_http_request_arena(request);
    mu_document document;
    mu_json json;
    mu_err err;
    mu_code code =
        mu_api_document_get(call->api, arena, call->place, KIND, id, &document, &json, &err);
    if (code != MU_OK)
        return mu_api_fail(request, response, &err);
    mu_http_response_header(response, MU_STR("ETag"), etag_of(arena, &document));
    return mu_api_answer(response, status, &json);
}

static mu_http_outcome get_labels(mu_http_request *request, mu_http_response *response,
                                  void *context)
{
    (void)context;
    return show(request, response, 200, mu_http_request_parameter(request, MU_STR("id")));
}

static bool tag_is_in(mu_str list, mu_str tag)
{
    return mu_str_equal(mu_str_trim(list), MU_STR("*")) || mu_str_find(list, tag) != SIZE_MAX;
}

/* Stores the body's labels; *status is the answer's. */
static mu_code store(mu_http_request *request, mu_document_action action, mu_str id,
                     const mu_json *body, unsigned *status, mu_err *err)
{
    mu_api_call *call = mu_api_call_of(request);
    mu_arena *arena = mu_http_request_arena(request);
    mu_document dataset, before = {0};
    mu_json ignored;
    mu_str match;
    MU_TRY(mu_document_get(call->api->options.documents, arena, call->place, DATASET, id, &dataset,
                           err));
    MU_TRY(check_labels(body, err));
    if (action == MU_DOCUMENT_REPLACE) {
        MU_TRY(
            mu_api_document_get(call->api, arena, call->place, KIND, id, &before, &ignored, err));
        if (mu_http_request_header(request, MU_STR("If-Match"), &match) &&
            !tag_is_in(match, etag_of(arena, &before))) {
            *status = 412;
            return mu_fail(err, MU_E_CONFLICT, "the labels were changed meanwhile");
        }
    }
    mu_json json = MU_JSON_OBJECT_OF(arena, {MU_STR("datasetId"), mu_json_of_string(id)},
                                     {MU_STR("labels"), mu_json_strings(arena, 0, NULL)},
                                     {MU_STR("optionalLabels"), mu_json_strings(arena, 0, NULL)});
    for (uint32_t i = 1; i < 3; i++) {
        const mu_json *given = mu_json_get(body, json.names[i]);
        if (given != NULL)
            mu_json_set(arena, &json, json.names[i], *given);
    }
    return mu_api_call_put(call, arena, call->place, action, KIND, id, &json, before.version, err);
}

static mu_http_outcome store_and_show(mu_http_request *request, mu_http_response *response,
                                      mu_document_action action)
{
    mu_json body;
    mu_err err;
    unsigned status = 0;
    mu_str id = mu_http_request_parameter(request, MU_STR("id"));
    if (!mu_api_body_object(request, response, &body))
        return MU_HTTP_DONE;
    if (store(request, action, id, &body, &status, &err) == MU_OK)
        return show(request, response, 201, id);
    if (status != 0)
        return mu_api_problem(request, response, status, MU_STR(""), mu_str_from(err.text));
    return mu_api_fail(request, response, &err);
}

static mu_http_outcome post_labels(mu_http_request *request, mu_http_response *response,
                                   void *context)
{
    (void)context;
    return store_and_show(request, response, MU_DOCUMENT_ADD);
}

static mu_http_outcome put_labels(mu_http_request *request, mu_http_response *response,
                                  void *context)
{
    (void)context;
    return store_and_show(request, response, MU_DOCUMENT_REPLACE);
}

mu_code mu_api_add_labels(mu_api *api, mu_http_router *router, mu_err *err)
{
#define PATTERN "/data/foundation/dataset/datasets/{id}/labels"
    static const mu_http_route routes[] = {
        {.method = MU_HTTP_GET, .pattern = PATTERN, .handler = get_labels},
        {.method = MU_HTTP_POST, .pattern = PATTERN, .handler = post_labels},
        {.method = MU_HTTP_PUT, .pattern = PATTERN, .handler = put_labels},
    };
    return mu_api_add(api, router, MU_API_CHECKED, routes, sizeof routes / sizeof routes[0], err);
}
