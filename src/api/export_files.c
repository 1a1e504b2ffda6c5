#include "api/ingestion.h"

#include "base/number.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* GET /data/foundation/export/batches/{id}/files and /files/{id}: what exports wrote, listed and
 * downloaded. A file's id is its batch's, "-", and its number among the batch's files, from 1. */

#define FILES_LIMIT 100

typedef struct exported_files {
    mu_batch batch;
    uint32_t n;
    const mu_batch_file *files;
} exported_files;

/* MU_E_NOT_FOUND: no such batch. One that is not exported, or no more, has no files. */
static mu_code find_files(mu_http_request *request, mu_str batch, exported_files *out, mu_err *err)
{
    mu_api_call *call = mu_api_call_of(request);
    mu_arena *arena = mu_http_request_arena(request);
    *out = (exported_files){.n = 0};
    MU_TRY(mu_batches_get(call->api->ingestion->batches, arena, call->place, batch, &out->batch,
                          NULL, err));
    if (!out->batch.is_export || out->batch.status != MU_BATCH_SUCCESS)
        return MU_OK;
    mu_batch_folder folder = mu_batch_export_folder_of(
        arena, mu_live_folder(call->api->options.live), call->place, batch);
    out->n = mu_batch_files_list(&folder, arena, &out->files);
    return MU_OK;
}

/* -------- the files of a batch -------- */

static mu_str view_of(mu_http_request *request, mu_str dataset)
{
    mu_document document;
    mu_json json;
    mu_api_call *call = mu_api_call_of(request);
    if (mu_api_document_get(call->api, mu_http_request_arena(request), call->place,
                            MU_STR("dataset"), dataset, &document, &json, NULL) != MU_OK)
        return MU_STR("");
    return mu_json_member_string(&json, MU_STR("viewId"), MU_STR(""));
}

static mu_json file_json(mu_http_request *request, const exported_files *exported, mu_str view,
                         uint32_t i)
{
    mu_arena *arena = mu_http_request_arena(request);
    mu_str base = mu_http_request_base_url(request);
    mu_str id = mu_arena_format(arena, MU_STR_FMT "-%u", MU_STR_ARG(exported->batch.id), i + 1);
    mu_str href = mu_arena_format(arena, MU_STR_FMT "/data/foundation/export/files/" MU_STR_FMT,
                                  MU_STR_ARG(base), MU_STR_ARG(id));
    mu_str written = mu_arena_format(arena, "%lld", (long long)exported->batch.completed_ms);
    mu_json self = MU_JSON_OBJECT_OF(arena, {MU_STR("href"), mu_json_of_string(href)});
    mu_json json =
        MU_JSON_OBJECT_OF(arena, {MU_STR("dataSetFileId"), mu_json_of_string(id)},
                          {MU_STR("version"), mu_json_of_string(MU_STR("1.0.0"))},
                          {MU_STR("created"), mu_json_of_string(written)},
                          {MU_STR("updated"), mu_json_of_string(written)},
                          {MU_STR("isValid"), mu_json_of_boolean(true)},
                          {MU_STR("_links"), MU_JSON_OBJECT_OF(arena, {MU_STR("self"), self})});
    if (view.len > 0)
        mu_json_set(arena, &json, MU_STR("dataSetViewId"), mu_json_of_string(view));
    return json;
}

static mu_http_outcome list_files(mu_http_request *request, mu_http_response *response,
                                  void *context)
{
    mu_arena *arena = mu_http_request_arena(request);
    mu_api_page page;
    exported_files exported;
    mu_err err;
    (void)context;
    if (!mu_api_page_read(request, response, FILES_LIMIT, FILES_LIMIT, &page))
        return MU_HTTP_DONE;
    if (find_files(request, mu_http_request_parameter(request, MU_STR("id")), &exported, &err) !=
        MU_OK)
        return mu_api_fail(request, response, &err);
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, (size_t)page.limit);
    uint32_t n = 0;
    mu_str view = view_of(request, exported.batch.dataset);
    for (int64_t i = page.start; i < exported.n && n < page.limit; i++)
        items[n++] = file_json(request, &exported, view, (uint32_t)i);
    mu_json json = MU_JSON_OBJECT_OF(
        arena, {MU_STR("data"), {.kind = MU_JSON_ARRAY, .n = n, .items = items}},
        {MU_STR("_page"),
         MU_JSON_OBJECT_OF(arena, {MU_STR("limit"), mu_json_of_integer(page.limit)},
                           {MU_STR("count"), mu_json_of_integer(n)})});
    return mu_api_answer(response, 200, &json);
}

/* -------- one file -------- */

static mu_code find_file(mu_http_request *request, const mu_batch_file **out, mu_err *err)
{
    mu_str id = mu_http_request_parameter(request, MU_STR("file"));
    exported_files exported;
    int64_t number = 0;
    size_t dash = id.len;
    while (dash > 0 && id.ptr[dash - 1] != '-')
        dash--;
    if (dash < 2 || !mu_parse_integer((mu_str){id.ptr + dash, id.len - dash}, &number))
        return mu_fail(err, MU_E_NOT_FOUND, "there is no such file");
    MU_TRY(find_files(request, (mu_str){id.ptr, dash - 1}, &exported, err));
    if (number < 1 || number > exported.n)
        return mu_fail(err, MU_E_NOT_FOUND, "there is no such file");
    *out = &exported.files[number - 1];
    return MU_OK;
}

static mu_http_outcome send_file(mu_http_request *request, mu_http_response *response,
                                 const mu_batch_file *file)
{
    struct stat known;
    int fd = open(file->path.ptr, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &known) != 0) {
        if (fd >= 0)
            close(fd);
        return mu_api_problem(request, response, 404, MU_STR(""), MU_STR("there is no such file"));
    }
    mu_http_response_file(response, MU_STR("application/octet-stream"), fd, 0,
                          (uint64_t)known.st_size);
    return MU_HTTP_DONE;
}

static mu_http_outcome get_file(mu_http_request *request, mu_http_response *response, void *context)
{
    const mu_batch_file *file = NULL;
    mu_str path;
    mu_err err;
    (void)context;
    if (find_file(request, &file, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    if (!mu_http_pairs_find(mu_http_request_query(request), MU_STR("path"), &path)) {
        const mu_api_listed_file listed = {
            .name = file->name, .path = file->name, .length = file->size_bytes};
        return mu_api_answer_files(request, response, 1, &listed);
    }
    if (!mu_str_equal(path, file->name))
        return mu_api_problem(request, response, 404, MU_STR(""), MU_STR("there is no such file"));
    return send_file(request, response, file);
}

mu_code mu_api_add_export_files(mu_api *api, mu_http_router *router, mu_err *err)
{
    static const mu_http_route routes[] = {
        {.method = MU_HTTP_GET,
         .pattern = "/data/foundation/export/batches/{id}/files",
         .handler = list_files},
        {.method = MU_HTTP_GET,
         .pattern = "/data/foundation/export/files/{file}",
         .handler = get_file},
    };
    return mu_api_add(api, router, MU_API_CHECKED, routes, sizeof routes / sizeof routes[0], err);
}
