/* plan.c -- what the document of a job asks for. */
#include "export/export_int.h"

#include "base/time.h"

static const char *const format_names[] = {
    [MU_EXPORT_JSON] = "json", [MU_EXPORT_CSV] = "csv", [MU_EXPORT_PARQUET] = "parquet"};

#define N_FORMATS (sizeof format_names / sizeof format_names[0])

bool mu_export_format_read(mu_str text, mu_export_format *out)
{
    for (size_t i = 0; i < N_FORMATS; i++) {
        if (mu_str_equal_ascii_nocase(text, mu_str_from(format_names[i]))) {
            *out = (mu_export_format)i;
            return true;
        }
    }
    return false;
}

mu_str mu_export_format_name(mu_export_format format)
{
    return mu_str_from(format_names[format]);
}

const mu_audience *mu_export_audience_find(const mu_audience_book *book, mu_str segment_id,
                                           mu_str namespace_code)
{
    const mu_audience *audience = mu_audience_find(book, segment_id);
    if (mu_str_equal(namespace_code, MU_STR("ups")) ||
        mu_str_equal(namespace_code, MU_STR("AEPSegments")))
        return audience;
    if (audience != NULL && audience->is_external &&
        mu_str_equal(audience->namespace_code, namespace_code))
        return audience;
    return mu_audience_find_external(book, namespace_code, segment_id);
}

/* -------- reading what request.c wrote -------- */

static mu_str text_at(const mu_json *json, const char *path)
{
    const mu_json *value = mu_json_at(json, mu_str_from(path));
    return value != NULL && value->kind == MU_JSON_STRING ? value->string : MU_STR("");
}

static bool truth_at(const mu_json *json, const char *path)
{
    return mu_json_truth(mu_json_at(json, mu_str_from(path)), false);
}

static int64_t time_at(const mu_json *json, const char *path, int64_t otherwise)
{
    int64_t ms;
    return mu_parse_time(text_at(json, path), &ms) ? ms : otherwise;
}

static bool has_text(const mu_json *list, mu_str text)
{
    for (uint32_t i = 0; list != NULL && list->kind == MU_JSON_ARRAY && i < list->n; i++)
        if (list->items[i].kind == MU_JSON_STRING && mu_str_equal(list->items[i].string, text))
            return true;
    return false;
}

static void read_audiences(mu_arena *arena, const mu_json *document, mu_export_plan *out)
{
    const mu_json *segments = mu_json_at(document, MU_STR("filter.segments"));
    const mu_json *batches = mu_json_at(document, MU_STR("destination.batches"));
    if (segments == NULL || segments->kind != MU_JSON_ARRAY)
        return;
    mu_export_audience *audiences = MU_NEW_ARRAY(arena, mu_export_audience, segments->n);
    for (uint32_t i = 0; i < segments->n; i++) {
        const mu_json *status = mu_json_get(&segments->items[i], MU_STR("status"));
        bool has_batch = batches != NULL && batches->kind == MU_JSON_ARRAY && i < batches->n;
        audiences[i] = (mu_export_audience){
            .segment_id = text_at(&segments->items[i], "segmentId"),
            .namespace_code = text_at(&segments->items[i], "segmentNs"),
            .realized =
                has_text(status, MU_STR("realized")) || has_text(status, MU_STR("existing")),
            .exited = has_text(status, MU_STR("exited")),
            .batch_id = has_batch ? text_at(&batches->items[i], "batchId") : MU_STR("")};
    }
    out->n_audiences = segments->n;
    out->audiences = audiences;
}

static void read_own(const mu_json *own, mu_export_plan *out)
{
    (void)mu_export_format_read(text_at(own, "format"), &out->format);
    out->schedule_id = text_at(own, "scheduleId");
    out->organization = text_at(own, "organization");
    out->sandbox_id = text_at(own, "sandboxId");
    out->segment_job_id = text_at(own, "segmentJobId");
    out->is_cancelling = truth_at(own, "isCancelling");
}

void mu_export_plan_read(mu_arena *arena, const mu_json *document, mu_export_plan *out)
{
    const mu_json *id = mu_json_get(document, MU_STR("id"));
    const mu_json *own = mu_json_get(document, MU_EXPORT_OWN);
    *out = (mu_export_plan){
        .number = id != NULL && id->kind == MU_JSON_INTEGER ? (uint64_t)id->integer : 0,
        .dataset = text_at(document, "destination.datasetId"),
        .batch_id = text_at(document, "destination.batchId"),
        .segment_per_batch = truth_at(document, "destination.segmentPerBatch"),
        .schema_name = text_at(document, "schema.name"),
        .policy_id = text_at(document, "mergePolicy.id"),
        .qualified_from_ms =
            time_at(document, "filter.segmentQualificationTime.startTime", INT64_MIN),
        .qualified_to_ms = time_at(document, "filter.segmentQualificationTime.endTime", INT64_MAX),
        .ingested_after_ms = time_at(document, "filter.fromIngestTimestamp", INT64_MIN),
        .empty_profiles = truth_at(document, "filter.emptyProfiles"),
        .with_events = mu_json_at(document, MU_STR("additionalFields.eventList")) != NULL,
        .fields = mu_export_paths_of(arena, text_at(document, "fields")),
        .event_fields =
            mu_export_paths_of(arena, text_at(document, "additionalFields.eventList.fields")),
        .events_after_ms =
            time_at(document, "additionalFields.eventList.filter.fromIngestTimestamp", INT64_MIN),
        .events_before_ms =
            time_at(document, "additionalFields.eventList.filter.toIngestTimestamp", INT64_MAX),
        .wants_segmentation = truth_at(document, "evaluationInfo.segmentation"),
    };
    read_audiences(arena, document, out);
    if (own != NULL)
        read_own(own, out);
}
