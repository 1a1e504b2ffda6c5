#include "ingest/batch_document.h"

#include <stdlib.h>
#include <sys/random.h>

static const char *const status_names[] = {
    [MU_BATCH_LOADING] = "loading",       [MU_BATCH_LOADED] = "loaded",
    [MU_BATCH_PROCESSING] = "processing", [MU_BATCH_STAGING] = "staging",
    [MU_BATCH_SUCCESS] = "success",       [MU_BATCH_FAILED] = "failed",
    [MU_BATCH_ABORTED] = "aborted",       [MU_BATCH_ABANDONED] = "abandoned",
    [MU_BATCH_INACTIVE] = "inactive"};

#define N_STATUSES (sizeof status_names / sizeof status_names[0])

const char *mu_batch_status_name(mu_batch_status status)
{
    return status_names[status];
}

bool mu_batch_is_final(mu_batch_status status)
{
    return status >= MU_BATCH_SUCCESS;
}

void mu_batch_count_error(mu_batch *batch, mu_str code, mu_str description)
{
    uint32_t i = 0;
    while (i < batch->n_errors && !mu_str_equal(batch->errors[i].code, code))
        i++;
    if (i == MU_BATCH_ERRORS_MAX)
        i = MU_BATCH_ERRORS_MAX - 1;
    if (i == batch->n_errors) {
        batch->errors[i] = (mu_batch_error){.code = code, .description = description};
        batch->n_errors++;
    }
    batch->errors[i].n_records++;
}

/* -------- writing -------- */

static void write_text(mu_json_writer *writer, mu_str name, mu_str value)
{
    if (value.len == 0)
        return;
    mu_json_name(writer, name);
    mu_json_string(writer, value);
}

static void write_count(mu_json_writer *writer, mu_str name, uint64_t value)
{
    mu_json_name(writer, name);
    mu_json_integer(writer, (int64_t)value);
}

static void write_time(mu_json_writer *writer, mu_str name, int64_t ms)
{
    if (ms == 0)
        return;
    mu_json_name(writer, name);
    mu_json_integer(writer, ms);
}

static void write_tree(mu_json_writer *writer, mu_str name, const mu_json *value)
{
    if (value->kind == MU_JSON_NULL)
        return;
    mu_json_name(writer, name);
    mu_json_value(writer, value);
}

static void write_errors(mu_json_writer *writer, const mu_batch *batch)
{
    mu_json_name(writer, MU_STR("errors"));
    mu_json_begin_array(writer);
    for (uint32_t i = 0; i < batch->n_errors; i++) {
        mu_json_begin_object(writer);
        mu_json_name(writer, MU_STR("code"));
        mu_json_string(writer, batch->errors[i].code);
        mu_json_name(writer, MU_STR("description"));
        mu_json_string(writer, batch->errors[i].description);
        mu_json_name(writer, MU_STR("rows"));
        mu_json_begin_array(writer);
        mu_json_end_array(writer);
        write_count(writer, MU_STR("recordCount"), batch->errors[i].n_records);
        mu_json_end_object(writer);
    }
    mu_json_end_array(writer);
}

static void write_metrics(mu_json_writer *writer, const mu_batch *batch)
{
    mu_json_name(writer, MU_STR("metrics"));
    mu_json_begin_object(writer);
    write_count(writer, MU_STR("inputRecordCount"), batch->n_input_records);
    write_count(writer, MU_STR("outputRecordCount"), batch->n_output_records);
    write_count(writer, MU_STR("failedRecordCount"), batch->n_failed_records);
    write_count(writer, MU_STR("skippedRecordCount"), batch->n_skipped_records);
    write_count(writer, MU_STR("inputByteSize"), batch->n_input_bytes);
    write_count(writer, MU_STR("outputByteSize"), batch->n_output_bytes);
    write_count(writer, MU_STR("inputFileCount"), batch->n_input_files);
    uint64_t n_files = batch->is_export || batch->n_output_records > 0 ? 1 : 0;
    write_count(writer, MU_STR("outputFileCount"), n_files);
    write_count(writer, MU_STR("partitionCount"), n_files);
    mu_json_end_object(writer);
}

static void write_related(mu_json_writer *writer, const mu_batch *batch)
{
    mu_json_name(writer, MU_STR("relatedObjects"));
    mu_json_begin_array(writer);
    mu_json_begin_object(writer);
    mu_json_name(writer, MU_STR("type"));
    mu_json_string(writer, MU_STR("dataSet"));
    mu_json_name(writer, MU_STR("id"));
    mu_json_string(writer, batch->dataset);
    mu_json_end_object(writer);
    mu_json_end_array(writer);
}

void mu_batch_write(mu_json_writer *writer, const mu_batch *batch)
{
    static const mu_json empty = {.kind = MU_JSON_OBJECT};
    mu_json_begin_object(writer);
    write_text(writer, MU_STR("id"), batch->id);
    write_text(writer, MU_STR("imsOrg"), batch->organization);
    write_text(writer, MU_STR("sandboxId"), batch->sandbox_id);
    write_text(writer, MU_STR("status"), mu_str_from(status_names[batch->status]));
    write_time(writer, MU_STR("created"), batch->created_ms);
    write_time(writer, MU_STR("started"), batch->started_ms);
    write_time(writer, MU_STR("completed"), batch->completed_ms);
    write_time(writer, MU_STR("updated"), batch->updated_ms);
    write_text(writer, MU_STR("createdUser"), batch->user);
    write_text(writer, MU_STR("updatedUser"), batch->user);
    write_text(writer, MU_STR("externalId"), batch->external_id);
    write_text(writer, MU_STR("version"), MU_STR("1.0.0"));
    write_errors(writer, batch);
    write_metrics(writer, batch);
    write_related(writer, batch);
    write_tree(writer, MU_STR("inputFormat"), &batch->input_format);
    write_tree(writer, MU_STR("tags"), batch->tags.kind == MU_JSON_OBJECT ? &batch->tags : &empty);
    write_tree(writer, MU_STR("replay"), &batch->replay);
    mu_json_name(writer, MU_STR("enableErrorDiagnostics"));
    mu_json_boolean(writer, batch->has_diagnostics);
    if (batch->partial_percentage >= 0) {
        mu_json_name(writer, MU_STR("partialIngestionPercentage"));
        mu_json_double(writer, batch->partial_percentage);
    }
    if (batch->is_export) {
        mu_json_name(writer, MU_STR("isExport"));
        mu_json_boolean(writer, true);
    }
    if (batch->is_streaming) {
        mu_json_name(writer, MU_STR("isStreaming"));
        mu_json_boolean(writer, true);
    }
    mu_json_end_object(writer);
}

/* -------- reading -------- */

static mu_str text_of(const mu_json *json, mu_str name)
{
    return mu_json_member_string(json, name, MU_STR(""));
}

static int64_t integer_of(const mu_json *json, mu_str name)
{
    const mu_json *member = mu_json_member(json, name);
    return member != NULL && member->kind == MU_JSON_INTEGER ? member->integer : 0;
}

static bool truth_of(const mu_json *json, mu_str name)
{
    const mu_json *member = mu_json_member(json, name);
    return member != NULL && member->kind == MU_JSON_BOOLEAN && member->boolean;
}

static mu_json tree_of(const mu_json *json, mu_str name)
{
    const mu_json *member = mu_json_member(json, name);
    return member != NULL ? *member : (mu_json){.kind = MU_JSON_NULL};
}

static void read_errors(const mu_json *json, mu_batch *out)
{
    const mu_json *errors = mu_json_member(json, MU_STR("errors"));
    for (uint32_t i = 0; errors != NULL && errors->kind == MU_JSON_ARRAY && i < errors->n &&
                         i < MU_BATCH_ERRORS_MAX;
         i++)
        out->errors[out->n_errors++] = (mu_batch_error){
            .code = text_of(&errors->items[i], MU_STR("code")),
            .description = text_of(&errors->items[i], MU_STR("description")),
            .n_records = (uint64_t)integer_of(&errors->items[i], MU_STR("recordCount"))};
}

static void read_metrics(const mu_json *json, mu_batch *out)
{
    const mu_json *metrics = mu_json_member(json, MU_STR("metrics"));
    out->n_input_records = (uint64_t)integer_of(metrics, MU_STR("inputRecordCount"));
    out->n_output_records = (uint64_t)integer_of(metrics, MU_STR("outputRecordCount"));
    out->n_failed_records = (uint64_t)integer_of(metrics, MU_STR("failedRecordCount"));
    out->n_skipped_records = (uint64_t)integer_of(metrics, MU_STR("skippedRecordCount"));
    out->n_input_bytes = (uint64_t)integer_of(metrics, MU_STR("inputByteSize"));
    out->n_output_bytes = (uint64_t)integer_of(metrics, MU_STR("outputByteSize"));
    out->n_input_files = (uint64_t)integer_of(metrics, MU_STR("inputFileCount"));
}

static mu_code read_status(mu_str name, mu_batch_status *out, mu_err *err)
{
    for (size_t i = 0; i < N_STATUSES; i++)
        if (mu_str_equal(name, mu_str_from(status_names[i]))) {
            *out = (mu_batch_status)i;
            return MU_OK;
        }
    return mu_fail(err, MU_E_CORRUPT, "a batch has the unknown status " MU_STR_FMT,
                   MU_STR_ARG(name));
}

mu_code mu_batch_read(const mu_json *json, mu_batch *out, mu_err *err)
{
    mu_batch_status status = MU_BATCH_LOADING;
    MU_TRY(read_status(text_of(json, MU_STR("status")), &status, err));
    const mu_json *related = mu_json_member(json, MU_STR("relatedObjects"));
    const mu_json *percentage = mu_json_member(json, MU_STR("partialIngestionPercentage"));
    *out = (mu_batch){
        .id = text_of(json, MU_STR("id")),
        .organization = text_of(json, MU_STR("imsOrg")),
        .sandbox_id = text_of(json, MU_STR("sandboxId")),
        .external_id = text_of(json, MU_STR("externalId")),
        .user = text_of(json, MU_STR("createdUser")),
        .dataset = related != NULL && related->kind == MU_JSON_ARRAY && related->n > 0
                       ? text_of(&related->items[0], MU_STR("id"))
                       : MU_STR(""),
        .status = status,
        .is_streaming = truth_of(json, MU_STR("isStreaming")),
        .is_export = truth_of(json, MU_STR("isExport")),
        .created_ms = integer_of(json, MU_STR("created")),
        .started_ms = integer_of(json, MU_STR("started")),
        .completed_ms = integer_of(json, MU_STR("completed")),
        .updated_ms = integer_of(json, MU_STR("updated")),
        .input_format = tree_of(json, MU_STR("inputFormat")),
        .tags = tree_of(json, MU_STR("tags")),
        .replay = tree_of(json, MU_STR("replay")),
        .has_diagnostics = truth_of(json, MU_STR("enableErrorDiagnostics")),
        .partial_percentage =
            percentage != NULL && percentage->kind == MU_JSON_DOUBLE ? percentage->number : -1,
    };
    read_errors(json, out);
    read_metrics(json, out);
    return MU_OK;
}

/* -------- ids -------- */

mu_str mu_batch_new_id(mu_arena *arena, int64_t now_ms)
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    uint8_t random[16];
    MU_ASSERT(getrandom(random, sizeof random, 0) == (ssize_t)sizeof random);
    char *id = mu_arena_alloc(arena, 27);
    uint64_t rest = (uint64_t)now_ms;
    for (int i = 9; i >= 0; i--, rest >>= 5)
        id[i] = digits[rest & 31];
    for (size_t i = 0; i < 16; i++)
        id[10 + i] = digits[random[i] & 31];
    return (mu_str){id, 26};
}
