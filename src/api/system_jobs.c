/* system_jobs.c -- /data/core/ups/system/jobs: a dataset or a batch deleted from Profile
 * (profile.md e.5, P64).
 *
 * What is deleted is gone before the job's document is written and the request answered, so that a
 * crash in between leaves a deletion without a job, never a job without its deletion.
 */
#include "api/api_int.h"
#include "api/census.h"

#define KIND    MU_STR("systemJob")
#define DATASET MU_STR("dataset")

typedef struct job {
    mu_str dataset, batch;
    uint64_t n_events, n_records;
    int64_t started_ms, ended_ms;
} job;

/* -------- doing it -------- */

static mu_code count(mu_sandbox *sandbox, job *j, mu_err *err)
{
    mu_snapshot *snapshot;
    MU_TRY(mu_sandbox_snapshot(sandbox, &snapshot, err));
    mu_code code =
        mu_census_count(snapshot, j->dataset, j->batch, &j->n_events, &j->n_records, err);
    mu_snapshot_release(snapshot);
    return code;
}

static mu_code check(mu_api_call *call, mu_arena *arena, const job *j, mu_err *err)
{
    mu_document dataset;
    mu_err problem;
    if (j->dataset.len == 0 && j->batch.len == 0)
        return mu_fail(err, MU_E_INPUT, "A system job needs a dataSetId or a batchId");
    if (j->dataset.len == 0 || j->batch.len > 0)
        return MU_OK;
    mu_code code = mu_document_get(call->api->options.documents, arena, call->place, DATASET,
                                   j->dataset, &dataset, &problem);
    if (code == MU_E_NOT_FOUND && j->n_events + j->n_records == 0)
        return mu_fail(err, MU_E_INPUT, "There is no dataset " MU_STR_FMT, MU_STR_ARG(j->dataset));
    return code == MU_OK || code == MU_E_NOT_FOUND ? MU_OK : mu_fail(err, code, "%s", problem.text);
}

/* A batch is found by its events; records have no batch that could be deleted (P50). */
static mu_code check_batch(const job *j, mu_err *err)
{
    if (j->batch.len == 0 || j->n_events > 0)
        return MU_OK;
    return mu_fail(err, MU_E_INPUT, "Batch not found for profile dataset '" MU_STR_FMT "'",
                   MU_STR_ARG(j->dataset));
}

static mu_code drop(mu_api_call *call, job *j, mu_err *err)
{
    uint64_t sequence;
    mu_record record = {.kind = MU_RECORD_DROP,
                        .sandbox = call->sandbox->store_name,
                        .received_ms = j->started_ms,
                        .dataset = j->dataset,
                        .batch = j->batch};
    MU_TRY(mu_sandbox_append(call->sandbox->live, 1, &record, &sequence, err));
    MU_TRY(mu_live_wait(call->api->options.live, sequence, err));
    j->ended_ms = mu_api_now_ms(call->api);
    return MU_OK;
}

/* -------- documents -------- */

static mu_json job_document(mu_api_call *call, mu_arena *arena, const job *j, mu_str id)
{
    mu_str metrics = mu_arena_format(arena, "{\"recordsProcessed\":%llu,\"timeTakenInSec\":%lld}",
                                     (unsigned long long)(j->n_events + j->n_records),
                                     (long long)((j->ended_ms - j->started_ms) / 1000));
    mu_json properties = {.kind = MU_JSON_OBJECT};
    mu_json json = MU_JSON_OBJECT_OF(
        arena, {MU_STR("id"), mu_json_of_string(id)},
        {MU_STR("imsOrgId"), mu_json_of_string(call->organization)},
        {MU_STR("jobType"), mu_json_of_string(MU_STR("DELETE"))},
        {MU_STR("status"), mu_json_of_string(MU_STR("COMPLETED"))},
        {MU_STR("metrics"), mu_json_of_string(metrics)},
        {MU_STR("createEpoch"), mu_json_of_integer(j->started_ms / 1000)},
        {MU_STR("updateEpoch"), mu_json_of_integer(j->ended_ms / 1000)},
        {MU_STR("requestId"), mu_json_of_string(id)},
        {MU_STR("requestType"), mu_json_of_string(j->batch.len > 0 ? MU_STR("DELETE_EE_BATCH")
                                                                   : MU_STR("TRUNCATE_DATASET"))});
    if (j->dataset.len > 0) {
        mu_json_set(arena, &json, MU_STR("dataSetId"), mu_json_of_string(j->dataset));
        mu_json_set(arena, &properties, MU_STR("datasetId"), mu_json_of_string(j->dataset));
    }
    if (j->batch.len > 0) {
        mu_json_set(arena, &json, MU_STR("batchId"), mu_json_of_string(j->batch));
        mu_json_set(arena, &properties, MU_STR("batchId"), mu_json_of_string(j->batch));
    }
    mu_json_set(arena, &json, MU_STR("properties"), properties);
    return json;
}

static mu_code run(mu_api_call *call, mu_arena *arena, job *j, mu_json *out, mu_err *err)
{
    j->started_ms = mu_api_now_ms(call->api);
    MU_TRY(count(call->sandbox->live, j, err));
    MU_TRY(check_batch(j, err));
    MU_TRY(check(call, arena, j, err));
    MU_TRY(drop(call, j, err));
    mu_str id = mu_api_uuid(arena);
    *out = job_document(call, arena, j, id);
    return mu_api_call_put(call, arena, call->place, MU_DOCUMENT_ADD, KIND, id, out, 0, err);
}

/* -------- the resource -------- */

static mu_str member_text(const mu_json *body, const char *name)
{
    return mu_json_member_string(body, mu_str_from(name), MU_STR(""));
}

/* Answered as new, as the original does; whoever asks again sees that it is completed. */
static mu_http_outcome post_job(mu_http_request *request, mu_http_response *response, void *context)
{
    mu_api_call *call = mu_api_call_of(request);
    mu_arena *arena = mu_http_request_arena(request);
    mu_json body, json;
    mu_err err;
    (void)context;
    if (!mu_api_body_object(request, response, &body))
        return MU_HTTP_DONE;
    job j = {.dataset = member_text(&body, "dataSetId"), .batch = member_text(&body, "batchId")};
    if (j.dataset.len == 0)
        j.dataset = member_text(&body, "datasetId");
    if (run(call, arena, &j, &json, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    mu_json_set(arena, &json, MU_STR("status"), mu_json_of_string(MU_STR("NEW")));
    mu_json_unset(arena, &json, MU_STR("metrics"));
    return mu_api_answer(response, 200, &json);
}

static mu_http_outcome list_jobs(mu_http_request *request, mu_http_response *response,
                                 void *context)
{
    mu_api_call *call = mu_api_call_of(request);
    mu_arena *arena = mu_http_request_arena(request);
    mu_api_page page;
    const mu_document *list;
    uint32_t n;
    mu_err err;
    (void)context;
    if (!mu_api_page_read(request, response, 100, 1000, &page))
        return MU_HTTP_DONE;
    if (mu_document_list(call->api->options.documents, arena, call->place, KIND, &n, &list, &err) !=
        MU_OK)
        return mu_api_fail(request, response, &err);
    mu_json_writer *w = mu_http_response_json(response);
    int64_t n_shown = 0;
    mu_json_begin_object(w);
    mu_json_name(w, MU_STR("children"));
    mu_json_begin_array(w);
    for (int64_t i = page.start; i < n && n_shown < page.limit; i++) {
        mu_json json;
        if (mu_json_parse(arena, list[i].json, &json, &err) != MU_OK)
            return mu_api_fail(request, response, &err);
        mu_json_value(w, &json);
        n_shown++;
    }
    mu_json_end_array(w);
    bool has_more = page.start + n_shown < n;
    mu_json_name(w, MU_STR("_page"));
    mu_json_begin_object(w);
    mu_json_name(w, MU_STR("count"));
    mu_json_integer(w, n_shown);
    mu_json_name(w, MU_STR("next"));
    mu_json_string(w, has_more ? mu_arena_format(arena, "%lld", (long long)(page.start + n_shown))
                               : MU_STR(""));
    mu_json_end_object(w);
    mu_json_end_object(w);
    return MU_HTTP_DONE;
}

static mu_http_outcome get_job(mu_http_request *request, mu_http_response *response, void *context)
{
    mu_api_call *call = mu_api_call_of(request);
    mu_document document;
    mu_json json;
    mu_err err;
    (void)context;
    if (mu_api_document_get(call->api, mu_http_request_arena(request), call->place, KIND,
                            mu_http_request_parameter(request, MU_STR("id")), &document, &json,
                            &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    return mu_api_answer(response, 200, &json);
}

static mu_http_outcome delete_job(mu_http_request *request, mu_http_response *response,
                                  void *context)
{
    mu_api_call *call = mu_api_call_of(request);
    mu_err err;
    (void)context;
    if (mu_api_call_remove(call, call->place, KIND,
                           mu_http_request_parameter(request, MU_STR("id")), &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    mu_http_response_status(response, 200);
    return MU_HTTP_DONE;
}

mu_code mu_api_add_system_jobs(mu_api *api, mu_http_router *router, mu_err *err)
{
#define PATTERN "/data/core/ups/system/jobs"
    static const mu_http_route routes[] = {
        {.method = MU_HTTP_GET, .pattern = PATTERN, .handler = list_jobs},
        {.method = MU_HTTP_POST, .pattern = PATTERN, .handler = post_job},
        {.method = MU_HTTP_GET, .pattern = PATTERN "/{id}", .handler = get_job},
        {.method = MU_HTTP_DELETE, .pattern = PATTERN "/{id}", .handler = delete_job},
    };
    return mu_api_add(api, router, MU_API_CHECKED, routes, sizeof routes / sizeof routes[0], err);
}
