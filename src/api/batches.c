#include "api/ingestion.h"
#include "ingest/batch_rows.h"

#include <stdlib.h>

/* /data/foundation/import/batches and /data/foundation/catalog/batches (profile.md d.4). */

#define IDS_MAX 100u /* predecessors of one replay */

static mu_batches *batches_of(mu_http_request *request)
{
    return mu_api_call_of(request)->api->ingestion->batches;
}

static mu_str place_of(mu_http_request *request)
{
    return mu_api_call_of(request)->sandbox->store_name;
}

static mu_http_outcome answer_batch(mu_http_response *response, unsigned status,
                                    const mu_batch *batch)
{
    mu_http_response_status(response, status);
    mu_batch_write(mu_http_response_json(response), batch);
    return MU_HTTP_DONE;
}

static mu_http_outcome answer_nothing(mu_http_response *response, unsigned status)
{
    mu_http_response_status(response, status);
    mu_json_writer *writer = mu_http_response_json(response);
    mu_json_begin_object(writer);
    mu_json_end_object(writer);
    return MU_HTTP_DONE;
}

static mu_http_outcome refuse(mu_http_request *request, mu_http_response *response,
                              const mu_err *err)
{
    if (err->code == MU_E_TYPE) /* P47 */
        return mu_api_problem(request, response, 415, MU_STR(""), mu_str_from(err->text));
    if (err->code == MU_E_CONFLICT)
        return mu_api_problem(request, response, 400, MU_STR(""), mu_str_from(err->text));
    if (err->code == MU_E_NOT_FOUND)
        return mu_api_problem(request, response, 404, MU_STR(""), mu_str_from(err->text));
    return mu_api_fail(request, response, err);
}

/* -------- creating -------- */

static mu_code read_percentage(const mu_json *json, double *out, mu_err *err)
{
    const mu_json *given = mu_json_get(json, MU_STR("partialIngestionPercentage"));
    *out = -1;
    if (given == NULL)
        return MU_OK;
    if (given->kind == MU_JSON_INTEGER)
        *out = (double)given->integer;
    else if (given->kind == MU_JSON_DOUBLE)
        *out = given->number;
    if (*out < 0 || *out > 100)
        return mu_fail(err, MU_E_INPUT, "partialIngestionPercentage must be from 0 to 100");
    return MU_OK;
}

static mu_code check_ids(const mu_json *replay, mu_str name, mu_err *err)
{
    const mu_json *ids = mu_json_get(replay, name);
    bool is_list = ids == NULL || (ids->kind == MU_JSON_ARRAY && ids->n <= IDS_MAX);
    for (uint32_t i = 0; is_list && ids != NULL && i < ids->n; i++)
        is_list = ids->items[i].kind == MU_JSON_STRING;
    if (is_list)
        return MU_OK;
    return mu_fail(err, MU_E_INPUT, "replay." MU_STR_FMT " must be a list of at most %u ids",
                   MU_STR_ARG(name), IDS_MAX);
}

static mu_code read_replay(const mu_json *json, mu_json *out, mu_err *err)
{
    const mu_json *replay = mu_json_get(json, MU_STR("replay"));
    *out = (mu_json){.kind = MU_JSON_NULL};
    if (replay == NULL)
        return MU_OK;
    if (replay->kind != MU_JSON_OBJECT)
        return mu_fail(err, MU_E_INPUT, "replay must be an object");
    MU_TRY(check_ids(replay, MU_STR("predecessors"), err));
    MU_TRY(check_ids(replay, MU_STR("predecessorsByExternalId"), err));
    *out = *replay;
    return MU_OK;
}

/* P2.3: both spellings of datasetId. */
static mu_code find_dataset(mu_http_request *request, const mu_json *json, mu_str *out, mu_err *err)
{
    mu_document document;
    mu_api_call *call = mu_api_call_of(request);
    *out = mu_json_member_string(json, MU_STR("datasetId"), MU_STR(""));
    if (out->len == 0)
        *out = mu_json_member_string(json, MU_STR("dataSetId"), MU_STR(""));
    if (out->len == 0)
        return mu_fail(err, MU_E_INPUT, "datasetId is missing");
    mu_code code = mu_document_get(call->api->options.documents, mu_http_request_arena(request),
                                   call->place, MU_STR("dataset"), *out, &document, err);
    if (code == MU_E_NOT_FOUND)
        return mu_fail(err, MU_E_INPUT, "there is no such dataset");
    return code;
}

static mu_code read_batch(mu_http_request *request, const mu_json *json, mu_batch *out, mu_err *err)
{
    mu_api_call *call = mu_api_call_of(request);
    int64_t now_ms = mu_api_now_ms(call->api);
    const mu_json *format = mu_json_get(json, MU_STR("inputFormat"));
    const mu_json *tags = mu_json_get(json, MU_STR("tags"));
    mu_batch_format read;
    *out = (mu_batch){
        .id = mu_batch_new_id(mu_http_request_arena(request), now_ms),
        .organization = call->organization,
        .sandbox_id = call->sandbox->id,
        .user = call->client_id,
        .external_id = mu_json_member_string(json, MU_STR("externalId"), MU_STR("")),
        .status = MU_BATCH_LOADING,
        .created_ms = now_ms,
        .updated_ms = now_ms,
        .has_diagnostics =
            mu_json_truth(mu_json_get(json, MU_STR("enableErrorDiagnostics")), false),
    };
    MU_TRY(find_dataset(request, json, &out->dataset, err));
    MU_TRY(read_percentage(json, &out->partial_percentage, err));
    MU_TRY(read_replay(json, &out->replay, err));
    if (format != NULL && format->kind == MU_JSON_OBJECT)
        out->input_format = *format;
    else if (out->replay.kind == MU_JSON_NULL)
        return mu_fail(err, MU_E_INPUT, "inputFormat is missing");
    if (tags != NULL && tags->kind == MU_JSON_OBJECT)
        out->tags = *tags;
    return mu_batch_format_read(&out->input_format, &read, err);
}

static mu_http_outcome create(mu_http_request *request, mu_http_response *response, void *context)
{
    mu_json json;
    mu_batch batch;
    mu_err err;
    (void)context;
    if (!mu_api_body_object(request, response, &json))
        return MU_HTTP_DONE;
    if (read_batch(request, &json, &batch, &err) != MU_OK ||
        mu_batches_put(batches_of(request), place_of(request), &batch, 0, &err) != MU_OK)
        return refuse(request, response, &err);
    return answer_batch(response, 201, &batch);
}

/* -------- actions -------- */

static mu_code complete(mu_batches *batches, mu_str place, mu_batch *batch, uint64_t version,
                        mu_err *err)
{
    if (batch->status == MU_BATCH_ABORTED || batch->status == MU_BATCH_ABANDONED ||
        batch->status == MU_BATCH_INACTIVE || batch->is_streaming)
        return mu_fail(err, MU_E_CONFLICT, "a batch of status %s cannot be completed",
                       mu_batch_status_name(batch->status));
    if (batch->status != MU_BATCH_LOADING)
        return MU_OK;
    batch->status = MU_BATCH_LOADED;
    MU_TRY(mu_batches_put(batches, place, batch, version, err));
    mu_batches_enqueue(batches, place, batch->id);
    return MU_OK;
}

static mu_code end_batch(mu_batches *batches, mu_arena *arena, mu_str place, mu_batch *batch,
                         uint64_t version, mu_batch_status status, int64_t now_ms, mu_err *err)
{
    if (batch->status == status && !batch->is_streaming)
        return MU_OK;
    if (mu_batch_is_final(batch->status) || batch->status == MU_BATCH_STAGING)
        return mu_fail(err, MU_E_CONFLICT, "a batch of status %s cannot be ended",
                       mu_batch_status_name(batch->status));
    batch->status = status;
    batch->completed_ms = now_ms;
    MU_TRY(mu_batches_put(batches, place, batch, version, err));
    mu_batch_folder folder = mu_batches_folder(batches, arena, place, batch->id);
    mu_batch_files_remove(&folder);
    return MU_OK;
}

static mu_code act(mu_http_request *request, mu_str action, mu_err *err)
{
    mu_batch batch;
    uint64_t version;
    mu_batches *batches = batches_of(request);
    mu_str place = place_of(request), id = mu_http_request_parameter(request, MU_STR("id"));
    mu_arena *arena = mu_http_request_arena(request);
    int64_t now_ms = mu_api_now_ms(mu_api_call_of(request)->api);
    MU_TRY(mu_batches_get(batches, arena, place, id, &batch, &version, err));
    if (mu_str_equal_ascii_nocase(action, MU_STR("COMPLETE")))
        return complete(batches, place, &batch, version, err);
    if (mu_str_equal_ascii_nocase(action, MU_STR("ABORT")))
        return end_batch(batches, arena, place, &batch, version, MU_BATCH_ABORTED, now_ms, err);
    if (mu_str_equal_ascii_nocase(action, MU_STR("FAIL")))
        return end_batch(batches, arena, place, &batch, version, MU_BATCH_FAILED, now_ms, err);
    if (mu_str_equal_ascii_nocase(action, MU_STR("REVERT")))
        return mu_batches_revert(batches, place, id, err);
    return mu_fail(err, MU_E_INPUT, "action must be COMPLETE, ABORT, FAIL or REVERT");
}

static mu_http_outcome act_on_batch(mu_http_request *request, mu_http_response *response,
                                    void *context)
{
    mu_err err;
    mu_str action = MU_STR("");
    (void)context;
    mu_http_pairs_find(mu_http_request_query(request), MU_STR("action"), &action);
    if (act(request, action, &err) != MU_OK)
        return refuse(request, response, &err);
    return answer_nothing(response, 200);
}

static mu_http_outcome no_preview(mu_http_request *request, mu_http_response *response,
                                  void *context)
{
    (void)context; /* P45 */
    return mu_api_problem(request, response, 501, MU_STR(""),
                          MU_STR("Previews of datasets are not available"));
}

/* -------- the catalog -------- */

static void write_listed(mu_json_writer *writer, const mu_batch *batch)
{
    mu_json_name(writer, batch->id);
    mu_batch_write(writer, batch);
}

static mu_http_outcome show(mu_http_request *request, mu_http_response *response, void *context)
{
    mu_batch batch;
    mu_err err;
    (void)context;
    if (mu_batches_get(batches_of(request), mu_http_request_arena(request), place_of(request),
                       mu_http_request_parameter(request, MU_STR("id")), &batch, NULL,
                       &err) != MU_OK)
        return refuse(request, response, &err);
    mu_json_writer *writer = mu_http_response_json(response);
    mu_json_begin_object(writer);
    write_listed(writer, &batch);
    mu_json_end_object(writer);
    return MU_HTTP_DONE;
}

typedef struct batch_filter {
    mu_str dataset, status, external_id; /* empty: any */
    int64_t created_after_ms, created_before_ms;
} batch_filter;

static bool read_filter(mu_http_request *request, mu_http_response *response, batch_filter *out)
{
    const mu_http_pairs *query = mu_http_request_query(request);
    mu_err err;
    *out = (batch_filter){.dataset = MU_STR("")};
    if (!mu_http_pairs_find(query, MU_STR("dataSet"), &out->dataset))
        mu_http_pairs_find(query, MU_STR("dataSetId"), &out->dataset);
    mu_http_pairs_find(query, MU_STR("status"), &out->status);
    mu_http_pairs_find(query, MU_STR("externalId"), &out->external_id);
    if (mu_http_pairs_integer(query, MU_STR("createdAfter"), INT64_MIN, &out->created_after_ms,
                              &err) == MU_OK &&
        mu_http_pairs_integer(query, MU_STR("createdBefore"), INT64_MAX, &out->created_before_ms,
                              &err) == MU_OK)
        return true;
    mu_http_refuse(request, response, MU_HTTP_PROBLEM_BAD_QUERY, mu_str_from(err.text));
    return false;
}

/* d.4: success is also called active, failed failure. */
static bool has_status(const mu_batch *batch, mu_str wanted)
{
    if (mu_str_equal(wanted, MU_STR("active")))
        return batch->status == MU_BATCH_SUCCESS;
    if (mu_str_equal(wanted, MU_STR("failure")))
        return batch->status == MU_BATCH_FAILED;
    return mu_str_equal(wanted, mu_str_from(mu_batch_status_name(batch->status)));
}

static bool passes(const batch_filter *filter, const mu_batch *batch)
{
    return (filter->dataset.len == 0 || mu_str_equal(filter->dataset, batch->dataset)) &&
           (filter->status.len == 0 || has_status(batch, filter->status)) &&
           (filter->external_id.len == 0 ||
            mu_str_equal(filter->external_id, batch->external_id)) &&
           batch->created_ms > filter->created_after_ms &&
           batch->created_ms < filter->created_before_ms;
}

static bool is_descending(const mu_http_request *request)
{
    mu_str order;
    return mu_http_pairs_find(mu_http_request_query(request), MU_STR("orderBy"), &order) &&
           mu_str_starts_with(order, MU_STR("desc:"));
}

static mu_http_outcome list_batches(mu_http_request *request, mu_http_response *response,
                                    bool only_last)
{
    mu_api_page page = {.start = 0, .limit = 1};
    batch_filter filter;
    uint32_t n;
    const mu_document *documents;
    mu_err err;
    mu_arena *arena = mu_http_request_arena(request);
    mu_api_call *call = mu_api_call_of(request);
    bool is_backward = only_last || is_descending(request);
    if (!read_filter(request, response, &filter) ||
        (!only_last && !mu_api_page_read(request, response, 20, 100, &page)))
        return MU_HTTP_DONE;
    if (mu_document_list(call->api->options.documents, arena, call->place, MU_BATCH_KIND, &n,
                         &documents, &err) != MU_OK)
        return refuse(request, response, &err);
    mu_json_writer *writer = mu_http_response_json(response);
    mu_json_begin_object(writer);
    for (uint32_t i = 0; i < n && page.limit > 0; i++) {
        mu_json json;
        mu_batch batch;
        const mu_document *document = &documents[is_backward ? n - 1 - i : i];
        if (mu_json_parse(arena, document->json, &json, &err) != MU_OK ||
            mu_batch_read(&json, &batch, &err) != MU_OK)
            return refuse(request, response, &err);
        if (!passes(&filter, &batch) || page.start-- > 0)
            continue;
        page.limit--;
        write_listed(writer, &batch);
    }
    mu_json_end_object(writer);
    return MU_HTTP_DONE;
}

static mu_http_outcome list_all(mu_http_request *request, mu_http_response *response, void *context)
{
    (void)context;
    return list_batches(request, response, false);
}

static mu_http_outcome list_last(mu_http_request *request, mu_http_response *response,
                                 void *context)
{
    (void)context;
    return list_batches(request, response, true);
}

mu_code mu_api_add_batches(mu_api *api, mu_http_router *router, mu_err *err)
{
    static const mu_http_route routes[] = {
        {.method = MU_HTTP_POST, .pattern = "/data/foundation/import/batches", .handler = create},
        {.method = MU_HTTP_PATCH, .pattern = "/data/foundation/import/batches", .handler = create},
        {.method = MU_HTTP_POST,
         .pattern = "/data/foundation/import/batches/{id}",
         .handler = act_on_batch},
        {.method = MU_HTTP_GET,
         .pattern = "/data/foundation/import/batches/{id}/datasets/{dataset}/preview",
         .handler = no_preview},
        {.method = MU_HTTP_GET, .pattern = "/data/foundation/catalog/batches", .handler = list_all},
        {.method = MU_HTTP_GET,
         .pattern = "/data/foundation/catalog/batches/{id}",
         .handler = show},
        {.method = MU_HTTP_GET,
         .pattern = "/data/foundation/catalog/lastBatches",
         .handler = list_last},
    };
    return mu_api_add(api, router, MU_API_CHECKED, routes, sizeof routes / sizeof routes[0], err);
}
