#include "api/ingestion.h"

#include "base/number.h"

/* Files of a batch (profile.md d.4): the body goes to the disk piece by piece on the loop thread,
 * through the page cache; a worker syncs it and puts it in its place. */

#define SMALL_FILE_MAX ((uint64_t)256 << 20) /* h */
#define PIECE_MAX      ((uint64_t)512000000) /* h */
#define FILES_MAX      25000u                /* h */

/* The upload of a request, while it is open. */
typedef struct upload_state {
    mu_batch_upload *upload;
} upload_state;

static mu_batch_folder folder_of(mu_http_request *request)
{
    mu_api_call *call = mu_api_call_of(request);
    return mu_batches_folder(call->api->ingestion->batches, mu_http_request_arena(request),
                             call->sandbox->store_name,
                             mu_http_request_parameter(request, MU_STR("id")));
}

static mu_str name_of(mu_http_request *request)
{
    return mu_http_request_parameter(request, MU_STR("path"));
}

/* "bytes 0-1023/4096" */
static mu_code read_range(const mu_http_request *request, mu_batch_range *out, mu_err *err)
{
    mu_str text, parts[3];
    static const char ends[] = "-/";
    if (!mu_http_request_header(request, MU_STR("Content-Range"), &text) ||
        !mu_str_starts_with(text, MU_STR("bytes ")))
        return mu_fail(err, MU_E_INPUT, "Content-Range must be \"bytes FIRST-LAST/TOTAL\"");
    text = (mu_str){text.ptr + 6, text.len - 6};
    for (size_t i = 0; i < 3; i++) {
        size_t at = i < 2 ? mu_str_find(text, (mu_str){&ends[i], 1}) : text.len;
        int64_t number;
        parts[i] = (mu_str){text.ptr, at == SIZE_MAX ? 0 : at};
        if (at == SIZE_MAX || !mu_parse_integer(mu_str_trim(parts[i]), &number) || number < 0)
            return mu_fail(err, MU_E_INPUT, "Content-Range must be \"bytes FIRST-LAST/TOTAL\"");
        *(i == 0 ? &out->first : i == 1 ? &out->last : &out->total_bytes) = (uint64_t)number;
        text = (mu_str){text.ptr + at + (i < 2), text.len - at - (i < 2)};
    }
    return MU_OK;
}

static void abandon(void *context)
{
    upload_state *state = context;
    if (state->upload != NULL)
        mu_batch_upload_abandon(state->upload);
}

/* The request's upload, begun with its first byte or at its end. */
static mu_code open_upload(mu_http_request *request, upload_state **out, mu_err *err)
{
    mu_api_call *call = mu_api_call_of(request);
    upload_state *state = call->own;
    if (state == NULL) {
        state = MU_NEW(mu_http_request_arena(request), upload_state);
        mu_batch_folder folder = folder_of(request);
        mu_batch_range range;
        if (mu_http_request_method(request) == MU_HTTP_PATCH) {
            MU_TRY(read_range(request, &range, err));
            MU_TRY(mu_batch_upload_begin_piece(&folder, name_of(request), &range, &state->upload,
                                               err));
        } else {
            MU_TRY(mu_batch_upload_begin(&folder, name_of(request), &state->upload, err));
        }
        call->own = state;
        mu_http_request_on_end(request, abandon, state);
    }
    *out = state;
    return MU_OK;
}

/* What fails here is kept for the handler, so that it can answer in its own words. */
static mu_code take_piece(mu_http_request *request, mu_str piece, void *context, mu_err *err)
{
    upload_state *state;
    (void)context;
    mu_code code = open_upload(request, &state, err);
    if (code == MU_OK)
        code = mu_batch_upload_write(state->upload, piece, err);
    return code == MU_E_NOT_FOUND ? MU_E_INPUT : code;
}

/* -------- whether the batch takes files -------- */

static mu_http_outcome refuse(mu_http_request *request, mu_http_response *response,
                              const mu_err *err)
{
    if (err->code == MU_E_CONFLICT)
        return mu_api_problem(request, response, 400, MU_STR(""), mu_str_from(err->text));
    return mu_api_fail(request, response, err);
}

static mu_code check_batch(mu_http_request *request, mu_err *err)
{
    mu_batch batch;
    const mu_batch_file *files;
    mu_api_call *call = mu_api_call_of(request);
    mu_arena *arena = mu_http_request_arena(request);
    mu_str id = mu_http_request_parameter(request, MU_STR("id"));
    mu_batches *batches = call->api->ingestion->batches;
    mu_batch_folder folder = folder_of(request);
    mu_code code = mu_batches_get(batches, arena, call->sandbox->store_name, id, &batch, NULL, err);
    if (code == MU_E_NOT_FOUND)
        mu_batch_files_remove(&folder);
    MU_TRY(code);
    if (!mu_str_equal(batch.dataset, mu_http_request_parameter(request, MU_STR("dataset"))))
        return mu_fail(err, MU_E_INPUT, "the batch belongs to another dataset");
    if (batch.status != MU_BATCH_LOADING)
        return mu_fail(err, MU_E_CONFLICT, "a batch of status %s takes no files",
                       mu_batch_status_name(batch.status));
    if (mu_batch_files_list(&folder, arena, &files) >= FILES_MAX)
        return mu_fail(err, MU_E_CONFLICT, "a batch takes at most %u files", FILES_MAX);
    return MU_OK;
}

/* -------- handlers -------- */

static mu_code finish_upload(mu_http_request *request, uint64_t *size_bytes, bool *is_new,
                             mu_err *err)
{
    upload_state *state;
    MU_TRY(check_batch(request, err));
    MU_TRY(open_upload(request, &state, err));
    mu_batch_upload *upload = state->upload;
    state->upload = NULL;
    return mu_batch_upload_finish(upload, size_bytes, is_new, err);
}

static mu_http_outcome put_file(mu_http_request *request, mu_http_response *response, void *context)
{
    uint64_t size_bytes;
    bool is_new;
    mu_err err;
    (void)context;
    if (finish_upload(request, &size_bytes, &is_new, &err) != MU_OK)
        return refuse(request, response, &err);
    mu_http_response_status(response,
                            mu_http_request_method(request) == MU_HTTP_PUT && is_new ? 201 : 200);
    mu_json_writer *writer = mu_http_response_json(response);
    mu_json_begin_object(writer);
    mu_json_name(writer, MU_STR("name"));
    mu_json_string(writer, name_of(request));
    mu_json_name(writer, MU_STR("sizeInBytes"));
    mu_json_integer(writer, (int64_t)size_bytes);
    mu_json_end_object(writer);
    return MU_HTTP_DONE;
}

static mu_code act(mu_http_request *request, unsigned *status, mu_err *err)
{
    mu_str action = MU_STR("");
    mu_batch_folder folder = folder_of(request);
    MU_TRY(check_batch(request, err));
    mu_http_pairs_find(mu_http_request_query(request), MU_STR("action"), &action);
    if (mu_str_equal_ascii_nocase(action, MU_STR("INITIALIZE"))) {
        *status = 201;
        return mu_batch_large_begin(&folder, name_of(request), err);
    }
    *status = 200;
    if (mu_str_equal_ascii_nocase(action, MU_STR("COMPLETE")))
        return mu_batch_large_complete(&folder, name_of(request), err);
    return mu_fail(err, MU_E_INPUT, "action must be INITIALIZE or COMPLETE");
}

static mu_http_outcome act_on_file(mu_http_request *request, mu_http_response *response,
                                   void *context)
{
    unsigned status;
    mu_err err;
    (void)context;
    if (act(request, &status, &err) != MU_OK)
        return refuse(request, response, &err);
    mu_http_response_status(response, status);
    mu_json_writer *writer = mu_http_response_json(response);
    mu_json_begin_object(writer);
    mu_json_end_object(writer);
    return MU_HTTP_DONE;
}

static mu_http_outcome head_file(mu_http_request *request, mu_http_response *response,
                                 void *context)
{
    uint64_t size_bytes;
    (void)context;
    mu_batch_folder folder = folder_of(request);
    if (!mu_batch_file_extent(&folder, name_of(request), &size_bytes))
        return mu_api_problem(request, response, 404, MU_STR(""),
                              MU_STR("The batch has no such file"));
    if (size_bytes > 0)
        mu_http_response_header(response, MU_STR("Range"),
                                mu_arena_format(mu_http_request_arena(request), "bytes=0-%llu",
                                                (unsigned long long)size_bytes - 1));
    mu_http_response_status(response, 200);
    return MU_HTTP_DONE;
}

mu_code mu_api_add_batch_uploads(mu_api *api, mu_http_router *router, mu_err *err)
{
    static const char path[] =
        "/data/foundation/import/batches/{id}/datasets/{dataset}/files/{path...}";
    static const mu_http_route routes[] = {
        {.method = MU_HTTP_PUT,
         .pattern = path,
         .handler = put_file,
         .sink = take_piece,
         .body_max_bytes = SMALL_FILE_MAX},
        {.method = MU_HTTP_PATCH,
         .pattern = path,
         .handler = put_file,
         .sink = take_piece,
         .body_max_bytes = PIECE_MAX},
        {.method = MU_HTTP_POST, .pattern = path, .handler = act_on_file},
        {.method = MU_HTTP_HEAD, .pattern = path, .handler = head_file},
    };
    return mu_api_add(api, router, MU_API_CHECKED, routes, sizeof routes / sizeof routes[0], err);
}
