#include "api/ingestion.h"

#include <unistd.h>

/* GET /data/foundation/export/batches/{id}/failed and /meta (profile.md d.4). */

static mu_code check_batch(mu_http_request *request, mu_err *err)
{
    mu_batch batch;
    mu_api_call *call = mu_api_call_of(request);
    return mu_batches_get(call->api->ingestion->batches, mu_http_request_arena(request),
                          call->sandbox->store_name,
                          mu_http_request_parameter(request, MU_STR("id")), &batch, NULL, err);
}

static void write_file(mu_http_request *request, mu_json_writer *writer,
                       const mu_api_listed_file *file)
{
    mu_json_begin_object(writer);
    mu_json_name(writer, MU_STR("name"));
    mu_json_string(writer, file->name);
    mu_json_name(writer, MU_STR("length"));
    mu_json_integer(writer, (int64_t)file->length);
    mu_json_name(writer, MU_STR("_links"));
    mu_json_begin_object(writer);
    mu_json_name(writer, MU_STR("self"));
    mu_json_begin_object(writer);
    mu_json_name(writer, MU_STR("href"));
    mu_str base = mu_http_request_base_url(request);
    mu_str route = mu_http_request_path(request);
    mu_json_string(writer, mu_arena_format(mu_http_request_arena(request), "%.*s%.*s?path=%.*s",
                                           (int)base.len, base.ptr, (int)route.len, route.ptr,
                                           (int)file->path.len, file->path.ptr));
    mu_json_end_object(writer);
    mu_json_end_object(writer);
    mu_json_end_object(writer);
}

mu_http_outcome mu_api_answer_files(mu_http_request *request, mu_http_response *response,
                                    uint32_t n, const mu_api_listed_file *files)
{
    mu_json_writer *writer = mu_http_response_json(response);
    mu_json_begin_object(writer);
    mu_json_name(writer, MU_STR("data"));
    mu_json_begin_array(writer);
    for (uint32_t i = 0; i < n; i++)
        write_file(request, writer, &files[i]);
    mu_json_end_array(writer);
    mu_json_name(writer, MU_STR("_page"));
    mu_json_begin_object(writer);
    mu_json_name(writer, MU_STR("limit"));
    mu_json_integer(writer, 100);
    mu_json_name(writer, MU_STR("count"));
    mu_json_integer(writer, n);
    mu_json_end_object(writer);
    mu_json_end_object(writer);
    return MU_HTTP_DONE;
}

static mu_http_outcome list_rows(mu_http_request *request, mu_http_response *response,
                                 const char *prefix)
{
    const mu_failed_file *stored;
    mu_api_call *call = mu_api_call_of(request);
    mu_arena *arena = mu_http_request_arena(request);
    uint32_t n = mu_failed_list(call->api->ingestion->failed, arena, call->sandbox->store_name,
                                mu_http_request_parameter(request, MU_STR("id")), &stored);
    mu_api_listed_file *files = MU_NEW_ARRAY(arena, mu_api_listed_file, n);
    for (uint32_t i = 0; i < n; i++)
        files[i] = (mu_api_listed_file){.name = stored[i].name,
                                        .path = mu_arena_format(arena, "%s%.*s", prefix,
                                                                (int)stored[i].name.len,
                                                                stored[i].name.ptr),
                                        .length = stored[i].length};
    return mu_api_answer_files(request, response, n, files);
}

static mu_http_outcome answer_file(mu_http_request *request, mu_http_response *response,
                                   mu_str name)
{
    int fd;
    uint64_t length;
    mu_err err;
    mu_api_call *call = mu_api_call_of(request);
    if (mu_failed_open_file(call->api->ingestion->failed, call->sandbox->store_name,
                            mu_http_request_parameter(request, MU_STR("id")), name, &fd, &length,
                            &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    mu_http_response_file(response, MU_STR("application/octet-stream"), fd, 0, length);
    return MU_HTTP_DONE;
}

static mu_http_outcome failed_rows(mu_http_request *request, mu_http_response *response,
                                   void *context)
{
    mu_err err;
    mu_str path;
    (void)context;
    if (check_batch(request, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    if (mu_http_pairs_find(mu_http_request_query(request), MU_STR("path"), &path))
        return answer_file(request, response, path);
    return list_rows(request, response, "");
}

/* Files are named in the catalog only while they are there: until the batch is final. */
static mu_http_outcome list_inputs(mu_http_request *request, mu_http_response *response)
{
    const mu_batch_file *stored;
    mu_api_call *call = mu_api_call_of(request);
    mu_arena *arena = mu_http_request_arena(request);
    mu_batch_folder folder =
        mu_batches_folder(call->api->ingestion->batches, arena, call->sandbox->store_name,
                          mu_http_request_parameter(request, MU_STR("id")));
    uint32_t n = mu_batch_files_list(&folder, arena, &stored);
    mu_api_listed_file *files = MU_NEW_ARRAY(arena, mu_api_listed_file, n);
    for (uint32_t i = 0; i < n; i++)
        files[i] = (mu_api_listed_file){
            .name = stored[i].name, .path = stored[i].name, .length = stored[i].size_bytes};
    return mu_api_answer_files(request, response, n, files);
}

static mu_http_outcome metadata(mu_http_request *request, mu_http_response *response, void *context)
{
    mu_err err;
    mu_str path = MU_STR("row_errors");
    const mu_str prefix = MU_STR("row_errors/");
    (void)context;
    if (check_batch(request, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    mu_http_pairs_find(mu_http_request_query(request), MU_STR("path"), &path);
    if (mu_str_equal(path, MU_STR("row_errors")))
        return list_rows(request, response, "row_errors/");
    if (mu_str_equal(path, MU_STR("input_files")))
        return list_inputs(request, response);
    if (mu_str_starts_with(path, prefix))
        return answer_file(request, response,
                           (mu_str){path.ptr + prefix.len, path.len - prefix.len});
    return mu_api_problem(request, response, 400, MU_STR(""),
                          MU_STR("path must be row_errors, input_files or a file of them"));
}

mu_code mu_api_add_failed_rows(mu_api *api, mu_http_router *router, mu_err *err)
{
    static const mu_http_route routes[] = {
        {.method = MU_HTTP_GET,
         .pattern = "/data/foundation/export/batches/{id}/failed",
         .handler = failed_rows},
        {.method = MU_HTTP_GET,
         .pattern = "/data/foundation/export/batches/{id}/meta",
         .handler = metadata},
    };
    return mu_api_add(api, router, MU_API_CHECKED, routes, sizeof routes / sizeof routes[0], err);
}
