#include "ingest/batch_int.h"

#include "base/file.h"

#include <stdlib.h>
#include <time.h>

#define GROUP_RECORDS_MAX 512u
#define GROUP_BYTES_MAX   ((size_t)1 << 20)
#define ROWS_BYTES_MAX    ((size_t)32 << 20)  /* what a group's rows may take */
#define FAILED_BYTES      ((size_t)256 << 10) /* lines gathered before they are written */
#define FAILED_NAME       MU_STR("part-00000.json")

/* One batch while it is worked on: by the batch thread. */
typedef struct batch_work {
    mu_batches *batches;
    mu_str sandbox;
    mu_sandbox *live;
    mu_arena arena; /* as long as the batch is worked on */
    mu_arena rows;  /* one group */
    mu_json_reader *reader;
    mu_batch batch;
    uint64_t version;
    mu_batch_rules rules;
    const mu_dataset *dataset;
    const mu_type *type;
    mu_batch_format format;
    bool is_applying;
    uint64_t n_rows;  /* of all files so far: a row's number and position */
    uint64_t applied; /* rows up to this one were applied before */
    mu_buf failed;    /* lines */
    uint32_t n_records;
    mu_record records[GROUP_RECORDS_MAX];
    size_t n_bytes;
    uint64_t sequence; /* of the last append; 0: none */
} batch_work;

static mu_code save(batch_work *work, mu_err *err)
{
    MU_TRY(mu_batches_put(work->batches, work->sandbox, &work->batch, work->version, err));
    work->version++;
    return MU_OK;
}

/* -------- bad rows -------- */

static mu_code write_failed(batch_work *work, mu_err *err)
{
    if (work->failed.len == 0)
        return MU_OK;
    mu_code code = mu_failed_append(work->batches->options.failed, work->sandbox, work->batch.id,
                                    FAILED_NAME, mu_buf_str(&work->failed), err);
    mu_buf_clear(&work->failed);
    return code;
}

static mu_code note_unreadable(batch_work *work, const mu_batch_row *row, mu_err *err)
{
    mu_str code = MU_STR("INGEST-1401-400");
    work->batch.n_failed_records++;
    mu_batch_count_error(&work->batch, code, MU_STR("The row cannot be read."));
    mu_failed_corrupt_line(&work->failed, row->text, code, mu_str_from(row->problem));
    return work->failed.len < FAILED_BYTES ? MU_OK : write_failed(work, err);
}

/* What Profile does not take is kept for its sender too, but does not fail the batch (0163). */
static mu_code note_refused(batch_work *work, const mu_json *json, const mu_acceptance *acceptance,
                            mu_err *err)
{
    mu_str description;
    mu_str code = mu_failed_code(acceptance, &description);
    if (acceptance->outcome == MU_ACCEPT_REJECTED)
        work->batch.n_skipped_records++;
    else
        work->batch.n_failed_records++;
    uint32_t n_before = work->batch.n_errors;
    mu_batch_count_error(&work->batch, code, description);
    if (work->batch.n_errors > n_before)
        work->batch.errors[n_before].code = mu_arena_copy(&work->arena, code);
    mu_failed_line(&work->failed, json, acceptance);
    return work->failed.len < FAILED_BYTES ? MU_OK : write_failed(work, err);
}

/* -------- good rows -------- */

/* Waits while memory is full: a batch has time. */
static mu_code append_group(batch_work *work, mu_err *err)
{
    if (work->n_records == 0)
        return MU_OK;
    for (;;) {
        mu_code code =
            mu_sandbox_append(work->live, work->n_records, work->records, &work->sequence, err);
        if (code == MU_OK)
            break;
        if (code != MU_E_LIMIT)
            return code;
        if (work->batches->is_closing)
            return mu_fail(err, MU_E_CANCELLED, "the server ends");
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    mu_counter_add(work->batches->rows_applied, work->n_records);
    work->n_records = 0;
    work->n_bytes = 0;
    mu_arena_reset(&work->rows);
    return MU_OK;
}

static mu_code apply_row(batch_work *work, mu_acceptance *acceptance, mu_err *err)
{
    mu_record *record = &work->records[work->n_records++];
    *record = acceptance->record;
    record->batch = work->batch.id;
    record->source =
        mu_arena_format(&work->rows, "batch:%.*s", (int)work->batch.id.len, work->batch.id.ptr);
    record->position = work->n_rows;
    work->n_bytes += record->document.len;
    if (work->n_records < GROUP_RECORDS_MAX && work->n_bytes < GROUP_BYTES_MAX)
        return MU_OK;
    return append_group(work, err);
}

/* -------- rows -------- */

static mu_code take_row(batch_work *work, const mu_batch_row *row, mu_err *err)
{
    work->n_rows++;
    if (work->is_applying && (row->problem != NULL || work->n_rows <= work->applied))
        return MU_OK;
    if (row->problem != NULL)
        return note_unreadable(work, row, err);
    mu_acceptance acceptance;
    const mu_json *json = mu_convert(&work->rows, work->type, &row->json);
    mu_accept(&work->rows, &work->rules.rules.accept, work->dataset, MU_ACCEPT_CREATE, json,
              &acceptance);
    bool is_good = acceptance.outcome == MU_ACCEPTED || acceptance.outcome == MU_ACCEPTED_NOT_KEPT;
    if (work->is_applying)
        return acceptance.outcome == MU_ACCEPTED ? apply_row(work, &acceptance, err) : MU_OK;
    work->batch.n_output_records += is_good;
    if (is_good)
        work->batch.n_output_bytes += acceptance.record.document.len;
    return is_good ? MU_OK : note_refused(work, &row->json, &acceptance, err);
}

static mu_code take_rows(batch_work *work, mu_batch_rows *rows, mu_err *err)
{
    mu_batch_row row;
    while (mu_batch_rows_next(rows, &work->rows, &row)) {
        MU_TRY(take_row(work, &row, err));
        if (work->rows.used_bytes > ROWS_BYTES_MAX)
            MU_TRY(append_group(work, err));
        if (work->n_records == 0)
            mu_arena_reset(&work->rows);
        if ((work->n_rows & 255) == 0 && work->batches->is_closing)
            return mu_fail(err, MU_E_CANCELLED, "the server ends");
    }
    return MU_OK;
}

/* A file that is no file of rows at all fails the batch. */
static mu_code refuse_file(batch_work *work, const mu_err *why, mu_err *err)
{
    if (why->code != MU_E_INPUT) {
        if (err != NULL)
            *err = *why;
        return why->code;
    }
    mu_batch *batch = &work->batch;
    mu_str code = mu_arena_format(&work->arena, "%u", (unsigned)why->line);
    mu_batch_count_error(batch, code, mu_arena_copy(&work->arena, mu_str_from(why->text)));
    batch->status = MU_BATCH_FAILED;
    return MU_OK;
}

static mu_code take_file(batch_work *work, const mu_batch_file *file, mu_err *err)
{
    mu_mapping mapping;
    mu_batch_rows rows;
    mu_arena arena;
    mu_err why;
    MU_TRY(mu_file_map(file->path.ptr, &mapping, err));
    mu_arena_init(&arena, SIZE_MAX);
    mu_str bytes = {mapping.bytes == NULL ? "" : (const char *)mapping.bytes, mapping.size_bytes};
    mu_code code = mu_batch_rows_open(&arena, work->reader, &work->format, bytes, &rows, &why);
    if (code == MU_OK)
        code = take_rows(work, &rows, err);
    else
        code = refuse_file(work, &why, err);
    if (code == MU_OK)
        code = append_group(work, err); /* before what records point to goes */
    mu_arena_free(&arena);
    mu_file_unmap(&mapping);
    return code;
}

static mu_code take_files(batch_work *work, mu_err *err)
{
    const mu_batch_file *files;
    mu_batch_folder folder =
        mu_batches_folder(work->batches, &work->arena, work->sandbox, work->batch.id);
    uint32_t n = mu_batch_files_list(&folder, &work->arena, &files);
    work->n_rows = 0;
    for (uint32_t i = 0; i < n && work->batch.status != MU_BATCH_FAILED; i++) {
        if (!work->is_applying) {
            work->batch.n_input_files++;
            work->batch.n_input_bytes += files[i].size_bytes;
        }
        MU_TRY(take_file(work, &files[i], err));
    }
    return MU_OK;
}

/* -------- the check -------- */

static void add_summary(mu_batch *batch, mu_arena *arena)
{
    if (batch->n_failed_records == 0)
        return;
    if (!batch->has_diagnostics) {
        batch->n_errors = 0;
        mu_batch_count_error(batch, MU_STR("INGEST-1211-400"),
                             MU_STR("Rows could not be ingested. Create the batch with "
                                    "enableErrorDiagnostics to see why in its errors."));
        batch->errors[0].n_records = batch->n_failed_records;
        return;
    }
    uint64_t n_ingested = batch->status == MU_BATCH_FAILED ? 0 : batch->n_output_records;
    mu_batch_count_error(
        batch, MU_STR("INGEST-1212-400"),
        mu_arena_format(arena, "Encountered %llu errors. Successfully ingested %llu rows.",
                        (unsigned long long)batch->n_failed_records,
                        (unsigned long long)n_ingested));
    batch->errors[batch->n_errors - 1].n_records = batch->n_failed_records;
}

static bool has_too_many_failures(const mu_batch *batch)
{
    if (batch->n_failed_records == 0)
        return false;
    double allowed = batch->partial_percentage < 0 ? 0 : batch->partial_percentage;
    return (double)batch->n_failed_records * 100.0 > allowed * (double)batch->n_input_records;
}

static mu_code check(batch_work *work, mu_err *err)
{
    mu_batch *batch = &work->batch;
    mu_failed_remove(work->batches->options.failed, work->sandbox, batch->id);
    batch->status = MU_BATCH_PROCESSING;
    batch->n_errors = 0;
    batch->n_input_records = batch->n_output_records = 0;
    batch->n_failed_records = batch->n_skipped_records = 0;
    batch->n_input_bytes = batch->n_output_bytes = batch->n_input_files = 0;
    MU_TRY(save(work, err));
    MU_TRY(take_files(work, err));
    MU_TRY(write_failed(work, err));
    batch->n_input_records = work->n_rows;
    mu_counter_add(work->batches->rows_failed, batch->n_failed_records);
    if (batch->status != MU_BATCH_FAILED)
        batch->status = has_too_many_failures(batch) ? MU_BATCH_FAILED : MU_BATCH_STAGING;
    add_summary(batch, &work->arena);
    if (batch->status == MU_BATCH_FAILED) {
        batch->n_output_records = batch->n_output_bytes = 0;
        batch->completed_ms = work->batches->options.now_ms();
    }
    return save(work, err);
}

/* -------- applying -------- */

static mu_str source_of(batch_work *work)
{
    return mu_arena_format(&work->arena, "batch:%.*s", (int)work->batch.id.len, work->batch.id.ptr);
}

/* "${id}" and "$id" are the id (d.4). */
static mu_str predecessor_id(mu_str text)
{
    if (mu_str_starts_with(text, MU_STR("$")))
        text = (mu_str){text.ptr + 1, text.len - 1};
    if (text.len > 1 && text.ptr[0] == '{' && text.ptr[text.len - 1] == '}')
        text = (mu_str){text.ptr + 1, text.len - 2};
    return text;
}

static mu_code revert_predecessor(batch_work *work, mu_str id, mu_err *err)
{
    mu_code code = mu_batches_revert(work->batches, work->sandbox, id, err);
    if (code != MU_E_NOT_FOUND && code != MU_E_CONFLICT)
        return code;
    mu_log(work->batches->options.logger, MU_LOG_WARNING, "batch_not_replaced",
           mu_log_text("batch", id), mu_log_text("by", work->batch.id));
    return MU_OK;
}

static mu_code revert_by_external_id(batch_work *work, const mu_json *ids, mu_err *err)
{
    uint32_t n;
    const mu_document *documents;
    MU_TRY(mu_document_list(work->batches->options.documents, &work->arena, work->sandbox,
                            MU_BATCH_KIND, &n, &documents, err));
    for (uint32_t i = 0; i < n; i++) {
        mu_batch other;
        MU_TRY(mu_batches_get(work->batches, &work->arena, work->sandbox, documents[i].id, &other,
                              NULL, err));
        bool is_meant = false;
        for (uint32_t k = 0; k < ids->n && other.external_id.len > 0; k++)
            is_meant |= ids->items[k].kind == MU_JSON_STRING &&
                        mu_str_equal(predecessor_id(ids->items[k].string), other.external_id);
        if (is_meant && other.status == MU_BATCH_SUCCESS)
            MU_TRY(revert_predecessor(work, other.id, err));
    }
    return MU_OK;
}

/* A replay takes back the batches that this one replaces. */
static mu_code revert_predecessors(batch_work *work, mu_err *err)
{
    const mu_json *ids = mu_json_member(&work->batch.replay, MU_STR("predecessors"));
    for (uint32_t i = 0; ids != NULL && ids->kind == MU_JSON_ARRAY && i < ids->n; i++)
        if (ids->items[i].kind == MU_JSON_STRING)
            MU_TRY(revert_predecessor(work, predecessor_id(ids->items[i].string), err));
    ids = mu_json_member(&work->batch.replay, MU_STR("predecessorsByExternalId"));
    if (ids != NULL && ids->kind == MU_JSON_ARRAY && ids->n > 0)
        return revert_by_external_id(work, ids, err);
    return MU_OK;
}

static mu_code apply(batch_work *work, mu_err *err)
{
    work->is_applying = true;
    work->applied = mu_sandbox_position(work->live, source_of(work));
    MU_TRY(take_files(work, err));
    if (work->sequence > 0)
        MU_TRY(mu_live_wait(work->batches->options.live, work->sequence, err));
    MU_TRY(revert_predecessors(work, err));
    work->batch.status = MU_BATCH_SUCCESS;
    work->batch.completed_ms = work->batches->options.now_ms();
    return save(work, err);
}

/* -------- one batch -------- */

static const mu_type *row_type(batch_work *work, const mu_schema *schema)
{
    switch (mu_xdm_schema_behavior(work->dataset->schema)) {
    case MU_XDM_PROFILE:
        return schema->profile;
    case MU_XDM_EVENT:
        return schema->event;
    case MU_XDM_LOOKUP:
        break;
    }
    const mu_lookup_class *found =
        mu_schema_lookup_class(schema, mu_xdm_schema_id(work->dataset->schema));
    return found != NULL ? found->type : mu_type_of(MU_TYPE_OBJECT);
}

static mu_code find_dataset(batch_work *work, mu_err *err)
{
    const mu_inlet_rules *rules = &work->rules.rules;
    const mu_schema *schema;
    work->dataset = rules->find_dataset(rules->find_context, work->batch.dataset);
    if (work->dataset == NULL)
        return mu_fail(err, MU_E_INPUT, "the dataset of the batch is gone");
    MU_TRY(mu_registry_union(rules->registry, &work->arena, mu_schema_builtin(&work->arena),
                             &schema, err));
    work->type = row_type(work, schema);
    return mu_batch_format_read(&work->batch.input_format, &work->format, err);
}

/* What cannot be worked on for a reason of its own fails; the reason is its error. */
static mu_code give_up(batch_work *work, const mu_err *why, mu_err *err)
{
    mu_batch_count_error(&work->batch, MU_STR("INGEST-1211-400"),
                         mu_arena_copy(&work->arena, mu_str_from(why->text)));
    work->batch.status = MU_BATCH_FAILED;
    work->batch.completed_ms = work->batches->options.now_ms();
    return save(work, err);
}

static mu_code run_steps(batch_work *work, mu_err *err)
{
    mu_err why;
    mu_code code = find_dataset(work, &why);
    if (code == MU_E_INPUT || code == MU_E_TYPE || code == MU_E_CONFLICT)
        return give_up(work, &why, err);
    if (code != MU_OK) {
        if (err != NULL)
            *err = why;
        return code;
    }
    if (work->batch.status != MU_BATCH_STAGING)
        MU_TRY(check(work, err));
    return work->batch.status == MU_BATCH_STAGING ? apply(work, err) : MU_OK;
}

static mu_code work_on(batch_work *work, mu_err *err)
{
    const mu_batches_options *options = &work->batches->options;
    if (work->batch.started_ms == 0)
        work->batch.started_ms = options->now_ms();
    work->live = mu_live_find_sandbox(options->live, work->sandbox);
    if (work->live == NULL)
        return mu_fail(err, MU_E_NOT_FOUND, "there is no such sandbox");
    MU_TRY(options->acquire(options->context, work->sandbox, work->batch.started_ms, &work->rules,
                            err));
    mu_code code = run_steps(work, err);
    options->release(options->context, &work->rules);
    MU_TRY(code);
    mu_batch_folder folder =
        mu_batches_folder(work->batches, &work->arena, work->sandbox, work->batch.id);
    mu_batch_files_remove(&folder);
    mu_sandbox_end_source(work->live, source_of(work));
    mu_log(options->logger, MU_LOG_INFO, "batch_finished", mu_log_text("batch", work->batch.id),
           mu_log_text("status", mu_str_from(mu_batch_status_name(work->batch.status))),
           mu_log_integer("rows", (int64_t)work->batch.n_input_records),
           mu_log_integer("failed", (int64_t)work->batch.n_failed_records));
    return MU_OK;
}

mu_code mu_batch_process(mu_batches *batches, mu_str sandbox, mu_str id, mu_err *err)
{
    batch_work *work = calloc(1, sizeof *work);
    if (work == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory");
    work->batches = batches;
    work->sandbox = sandbox;
    mu_arena_init(&work->arena, SIZE_MAX);
    mu_arena_init(&work->rows, SIZE_MAX);
    mu_buf_init(&work->failed, (size_t)16 << 20);
    work->reader = mu_json_reader_new();
    mu_code code =
        mu_batches_get(batches, &work->arena, sandbox, id, &work->batch, &work->version, err);
    if (code == MU_OK && work->batch.status != MU_BATCH_LOADING &&
        !mu_batch_is_final(work->batch.status))
        code = work_on(work, err);
    mu_json_reader_free(work->reader);
    mu_buf_free(&work->failed);
    mu_arena_free(&work->rows);
    mu_arena_free(&work->arena);
    free(work);
    return code;
}
