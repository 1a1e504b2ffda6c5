/* preview.c -- /data/core/ups/previewsamplestatus and its reports (profile.md e.3, P62): exact
 * counts, taken at most once a minute per sandbox. */
#include "api/api_int.h"
#include "api/census.h"

#include "base/time.h"

#include <stdio.h>
#include <stdlib.h>

#define REFRESH_MS 60000

/* One sandbox's census; replaced as a whole. Guarded by the previews' lock. */
typedef struct preview {
    struct preview *next;
    mu_arena arena;
    const mu_api_sandbox *sandbox;
    mu_str policy_id;
    bool by_dataset;
    int64_t taken_ms;
    mu_census census;
} preview;

struct mu_api_previews {
    pthread_mutex_t lock; /* held while a census is taken: who asks at the same time gets it too */
    preview *first;
};

mu_code mu_api_previews_new(mu_api_previews **out, mu_err *err)
{
    mu_api_previews *previews = calloc(1, sizeof *previews);
    if (previews == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for the preview of profiles");
    pthread_mutex_init(&previews->lock, NULL);
    *out = previews;
    return MU_OK;
}

void mu_api_previews_free(mu_api_previews *previews)
{
    if (previews == NULL)
        return;
    for (preview *at = previews->first, *next; at != NULL; at = next) {
        next = at->next;
        mu_arena_free(&at->arena);
        free(at);
    }
    pthread_mutex_destroy(&previews->lock);
    free(previews);
}

/* -------- taking -------- */

static preview *find_preview(mu_api_previews *previews, const mu_api_sandbox *sandbox)
{
    preview *at = previews->first;
    while (at != NULL && at->sandbox != sandbox)
        at = at->next;
    if (at != NULL)
        return at;
    at = calloc(1, sizeof *at);
    if (at == NULL)
        return NULL;
    mu_arena_init(&at->arena, SIZE_MAX);
    at->sandbox = sandbox;
    at->taken_ms = INT64_MIN;
    at->next = previews->first;
    previews->first = at;
    return at;
}

static mu_code take(preview *p, const mu_merge_policy *policy, int64_t now_ms, mu_err *err)
{
    mu_snapshot *snapshot;
    p->taken_ms = INT64_MIN; /* until it is there */
    mu_arena_reset(&p->arena);
    MU_TRY(mu_sandbox_snapshot(p->sandbox->live, &snapshot, err));
    mu_code code = mu_census_take(&p->arena, snapshot, policy, &p->census, err);
    mu_snapshot_release(snapshot);
    if (code != MU_OK)
        return code;
    p->policy_id = mu_arena_copy(&p->arena, policy->id);
    p->by_dataset = policy->attribute_merge == MU_MERGE_DATASET_PRECEDENCE;
    p->taken_ms = now_ms;
    return MU_OK;
}

/* The sandbox's preview, fresh enough. The lock is held when this returns MU_OK. */
static mu_code acquire(mu_api_call *call, mu_arena *arena, preview **out, mu_err *err)
{
    mu_api *api = call->api;
    mu_merge_policy policy;
    int64_t now_ms = mu_api_now_ms(api);
    MU_TRY(mu_api_merge_policy(api, arena, call->place, MU_STR(""), &policy, err));
    pthread_mutex_lock(&api->previews->lock);
    preview *p = find_preview(api->previews, call->sandbox);
    mu_code code =
        p == NULL ? mu_fail(err, MU_E_NOMEM, "out of memory for the preview of profiles") : MU_OK;
    if (code == MU_OK && (p->taken_ms == INT64_MIN || now_ms - p->taken_ms >= REFRESH_MS ||
                          !mu_str_equal(p->policy_id, policy.id)))
        code = take(p, &policy, now_ms, err);
    if (code != MU_OK)
        pthread_mutex_unlock(&api->previews->lock);
    else
        *out = p;
    return code;
}

static void release(mu_api_call *call)
{
    pthread_mutex_unlock(&call->api->previews->lock);
}

/* -------- the status -------- */

static void text_member(mu_json_writer *writer, const char *name, mu_str value)
{
    mu_json_name(writer, mu_str_from(name));
    mu_json_string(writer, value);
}

static void count_member(mu_json_writer *writer, const char *name, uint64_t value)
{
    mu_json_name(writer, mu_str_from(name));
    mu_json_integer(writer, (int64_t)value);
}

/* "2020-08-01 17:57:57.0" */
static mu_str sampled_at(mu_arena *arena, int64_t ms)
{
    mu_civil c = mu_civil_from_ms(ms);
    return mu_arena_format(arena, "%04d-%02d-%02d %02d:%02d:%02d.%d", (int)c.year, c.month, c.day,
                           c.hour, c.minute, c.second, c.millisecond / 100);
}

static void write_status(mu_json_writer *w, mu_arena *arena, const preview *p)
{
    const mu_census *census = &p->census;
    unsigned long long n_profiles = census->n_profiles;
    unsigned long long n_documents = census->n_records + census->n_events;
    mu_str rows = mu_arena_format(arena, "%llu", n_profiles);
    mu_str documents = mu_arena_format(arena, "\"%llu\"", n_documents);
    mu_str sampled = sampled_at(arena, p->taken_ms);
    mu_json_begin_object(w);
    text_member(w, "numRowsToRead", rows);
    mu_json_name(w, MU_STR("sampleJobRunning"));
    mu_json_begin_object(w);
    mu_json_name(w, MU_STR("status"));
    mu_json_boolean(w, false);
    text_member(w, "submissionTimestamp", sampled);
    mu_json_end_object(w);
    text_member(w, "docCount", documents);
    text_member(w, "cosmosDocCount", documents);
    count_member(w, "totalFragmentCount", census->n_fragments);
    text_member(w, "lastSuccessfulBatchTimestamp", MU_STR("\"null\""));
    text_member(w, "streamingDriven", MU_STR("\"true\""));
    text_member(w, "totalRows", rows);
    text_member(w, "lastBatchId", MU_STR("\"null\""));
    text_member(w, "status", MU_STR("TASK_FINISHED"));
    mu_json_name(w, MU_STR("samplingRatio"));
    mu_json_double(w, 1.0);
    text_member(w, "mergeStrategy",
                p->by_dataset ? MU_STR("dataSetPrecedence_auto") : MU_STR("timestampOrdered_auto"));
    text_member(w, "lastSampledTimestamp", sampled);
    mu_json_end_object(w);
}

static mu_http_outcome get_status(mu_http_request *request, mu_http_response *response,
                                  void *context)
{
    mu_api_call *call = mu_api_call_of(request);
    mu_arena *arena = mu_http_request_arena(request);
    preview *p;
    mu_err err;
    (void)context;
    if (acquire(call, arena, &p, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    write_status(mu_http_response_json(response), arena, p);
    release(call);
    return MU_HTTP_DONE;
}

/* -------- reports -------- */

static mu_str report_time(mu_arena *arena, int64_t ms)
{
    char text[MU_TIME_TEXT_MAX];
    int64_t day_ms = mu_day_of_ms(ms) * MU_DAY_MS;
    return mu_arena_copy(arena, (mu_str){text, mu_format_time(day_ms, text)});
}

/* There is a report for today alone: profiles are counted as they are. */
static bool has_report(mu_http_request *request, int64_t now_ms, mu_err *err, unsigned *status)
{
    mu_str date;
    int64_t day;
    if (!mu_http_pairs_find(mu_http_request_query(request), MU_STR("date"), &date))
        return true;
    *status = 400;
    if (!mu_parse_date(date, &day)) {
        (void)mu_fail(err, MU_E_INPUT, "The parameter date must be of the form YYYY-MM-DD");
        return false;
    }
    *status = 404;
    if (day != mu_day_of_ms(now_ms)) {
        (void)mu_fail(err, MU_E_NOT_FOUND, "There is no report for " MU_STR_FMT, MU_STR_ARG(date));
        return false;
    }
    return true;
}

static void write_shares(mu_json_writer *w, const mu_census_entry *entry, uint64_t n_all)
{
    double share = n_all == 0 ? 0.0 : 100.0 * (double)entry->n_profiles / (double)n_all;
    count_member(w, "sampleCount", entry->n_profiles);
    mu_json_name(w, MU_STR("samplePercentage"));
    mu_json_double(w, share);
    count_member(w, "fullIDsCount", entry->n_profiles);
    mu_json_name(w, MU_STR("fullIDsPercentage"));
    mu_json_double(w, share);
}

/* Row counts under the base policy: every row has each of its names once. */
static uint64_t rows_of(const mu_census_entry *overlaps, uint32_t n)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += overlaps[i].n_profiles;
    return sum;
}

static bool is_streamed(const mu_json *dataset)
{
    return mu_json_at(dataset, MU_STR("tags.unifiedProfile")) != NULL;
}

static void write_dataset(mu_json_writer *w, mu_api_call *call, mu_arena *arena,
                          const mu_census_entry *entry, uint64_t n_all, mu_str time)
{
    mu_document document;
    mu_json json = {.kind = MU_JSON_NULL};
    if (mu_api_document_get(call->api, arena, call->place, MU_STR("dataset"), entry->name,
                            &document, &json, NULL) != MU_OK)
        json = (mu_json){.kind = MU_JSON_OBJECT};
    mu_json_begin_object(w);
    write_shares(w, entry, n_all);
    count_member(w, "fullIDsFragmentCount", entry->n_fragments);
    text_member(w, "name", mu_json_member_string(&json, MU_STR("name"), entry->name));
    text_member(w, "description", mu_json_member_string(&json, MU_STR("description"), MU_STR("")));
    text_member(w, "value", entry->name);
    text_member(w, "streamingIngestionEnabled",
                is_streamed(&json) ? MU_STR("true") : MU_STR("false"));
    text_member(w, "createdUser", mu_json_member_string(&json, MU_STR("createdUser"), MU_STR("")));
    text_member(w, "reportTimestamp", time);
    mu_json_end_object(w);
}

static mu_str namespace_number(mu_api_call *call, mu_arena *arena, mu_str code)
{
    const mu_graph_namespace *namespaces;
    uint32_t n = mu_sandbox_namespaces(call->sandbox->live, arena, &namespaces);
    for (uint32_t i = 0; i < n; i++)
        if (mu_str_equal_ascii_nocase(namespaces[i].code, code))
            return mu_arena_format(arena, "%u", namespaces[i].id);
    return MU_STR("");
}

static void write_namespace(mu_json_writer *w, mu_api_call *call, mu_arena *arena,
                            const mu_census_entry *entry, uint64_t n_all, mu_str time)
{
    mu_json_begin_object(w);
    write_shares(w, entry, n_all);
    count_member(w, "fullIDsFragmentCount", entry->n_fragments);
    text_member(w, "code", entry->name);
    text_member(w, "value", namespace_number(call, arena, entry->name));
    text_member(w, "reportTimestamp", time);
    mu_json_end_object(w);
}

typedef enum report_kind {
    OF_DATASETS,
    OF_NAMESPACES,
    DATASET_OVERLAP,
    NAMESPACE_OVERLAP
} report_kind;

static void write_list(mu_json_writer *w, mu_api_call *call, mu_arena *arena,
                       const mu_census *census, report_kind kind, mu_str time)
{
    bool of_datasets = kind == OF_DATASETS;
    uint32_t n = of_datasets ? census->n_datasets : census->n_namespaces;
    uint64_t n_all = rows_of(census->namespace_overlaps, census->n_namespace_overlaps);
    mu_json_begin_array(w);
    for (uint32_t i = 0; i < n; i++) {
        if (of_datasets)
            write_dataset(w, call, arena, &census->datasets[i], n_all, time);
        else
            write_namespace(w, call, arena, &census->namespaces[i], n_all, time);
    }
    mu_json_end_array(w);
}

static void write_overlap(mu_json_writer *w, const mu_census *census, report_kind kind)
{
    bool of_datasets = kind == DATASET_OVERLAP;
    uint32_t n = of_datasets ? census->n_dataset_overlaps : census->n_namespace_overlaps;
    const mu_census_entry *list =
        of_datasets ? census->dataset_overlaps : census->namespace_overlaps;
    mu_json_begin_object(w);
    for (uint32_t i = 0; i < n; i++) {
        mu_json_name(w, list[i].name);
        mu_json_integer(w, (int64_t)list[i].n_profiles);
    }
    mu_json_end_object(w);
}

static mu_http_outcome report(mu_http_request *request, mu_http_response *response,
                              report_kind kind)
{
    mu_api_call *call = mu_api_call_of(request);
    mu_arena *arena = mu_http_request_arena(request);
    preview *p;
    mu_err err;
    unsigned status;
    if (!has_report(request, mu_api_now_ms(call->api), &err, &status))
        return mu_api_problem(request, response, status, MU_STR(""), mu_str_from(err.text));
    if (acquire(call, arena, &p, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    mu_json_writer *w = mu_http_response_json(response);
    mu_str time = report_time(arena, p->taken_ms);
    mu_json_begin_object(w);
    mu_json_name(w, MU_STR("data"));
    if (kind == OF_DATASETS || kind == OF_NAMESPACES)
        write_list(w, call, arena, &p->census, kind, time);
    else
        write_overlap(w, &p->census, kind);
    text_member(w, "reportTimestamp", time);
    mu_json_end_object(w);
    release(call);
    return MU_HTTP_DONE;
}

#define REPORT(function, kind)                                                                     \
    static mu_http_outcome function(mu_http_request *request, mu_http_response *response,          \
                                    void *context)                                                 \
    {                                                                                              \
        (void)context;                                                                             \
        return report(request, response, kind);                                                    \
    }
REPORT(get_datasets, OF_DATASETS)
REPORT(get_namespaces, OF_NAMESPACES)
REPORT(get_dataset_overlap, DATASET_OVERLAP)
REPORT(get_namespace_overlap, NAMESPACE_OVERLAP)

mu_code mu_api_add_preview(mu_api *api, mu_http_router *router, mu_err *err)
{
#define BASE "/data/core/ups/previewsamplestatus"
    static const mu_http_route routes[] = {
        {.method = MU_HTTP_GET, .pattern = BASE, .handler = get_status},
        {.method = MU_HTTP_GET, .pattern = BASE "/report/dataset", .handler = get_datasets},
        {.method = MU_HTTP_GET, .pattern = BASE "/report/namespace", .handler = get_namespaces},
        {.method = MU_HTTP_GET,
         .pattern = BASE "/report/dataset/overlap",
         .handler = get_dataset_overlap},
        {.method = MU_HTTP_GET,
         .pattern = BASE "/report/namespace/overlap",
         .handler = get_namespace_overlap},
    };
    return mu_api_add(api, router, MU_API_CHECKED, routes, sizeof routes / sizeof routes[0], err);
}
