/* run.c -- one export: its files, then its batches and its end in one transaction. */
#include "export/export_int.h"

#include "base/buf.h"
#include "ingest/batch_document.h"

typedef struct running {
    const mu_export_run *run;
    mu_arena arena;
    mu_export_plan plan;
    mu_duckdb *duckdb;
    mu_export_source *source;
    mu_export_counts counts;
    uint32_t n_batches;
    mu_str *batch_ids;
    mu_export_written *written;
    int64_t start_ms;
} running;

static int64_t now_of(const running *r)
{
    return mu_workspace_now_ms(r->run->workspace);
}

/* -------- files -------- */

static void name_batches(running *r)
{
    const mu_export_plan *plan = &r->plan;
    r->n_batches = plan->segment_per_batch ? plan->n_audiences : 1;
    r->batch_ids = MU_NEW_ARRAY(&r->arena, mu_str, r->n_batches);
    r->written = MU_NEW_ARRAY(&r->arena, mu_export_written, r->n_batches);
    for (uint32_t i = 0; i < r->n_batches; i++)
        r->batch_ids[i] = plan->segment_per_batch ? plan->audiences[i].batch_id : plan->batch_id;
}

static mu_code write_batches(running *r, mu_err *err)
{
    const mu_export_run *run = r->run;
    const mu_export_plan *plan = &r->plan;
    const mu_export_writing writing = {.workspace = run->workspace,
                                       .plan = plan,
                                       .source = r->source,
                                       .duckdb = r->duckdb,
                                       .should_stop = run->should_stop,
                                       .stop_context = run->stop_context};
    for (uint32_t i = 0; i < r->n_batches; i++) {
        uint32_t from = plan->segment_per_batch ? i : 0;
        uint32_t n = plan->segment_per_batch ? 1 : plan->n_audiences;
        MU_TRY(mu_export_batch_write(&writing, r->batch_ids[i], from, n, &r->arena, &r->counts,
                                     &r->written[i], err));
    }
    return MU_OK;
}

/* -------- the transaction -------- */

static mu_code batch_json(running *r, uint32_t i, int64_t now_ms, mu_str *out, mu_err *err)
{
    mu_buf buf;
    mu_json_writer writer;
    mu_str number = mu_arena_format(&r->arena, "%llu", (unsigned long long)r->plan.number);
    const mu_batch batch = {
        .id = r->batch_ids[i],
        .organization = r->plan.organization,
        .sandbox_id = r->plan.sandbox_id,
        .dataset = r->plan.dataset,
        .status = MU_BATCH_SUCCESS,
        .is_export = true,
        .created_ms = r->start_ms,
        .started_ms = r->start_ms,
        .completed_ms = now_ms,
        .updated_ms = now_ms,
        .input_format = MU_JSON_OBJECT_OF(
            &r->arena,
            {MU_STR("format"), mu_json_of_string(mu_export_format_name(r->plan.format))}),
        .tags = MU_JSON_OBJECT_OF(&r->arena,
                                  {MU_STR("exportJob"), mu_json_strings(&r->arena, 1, &number)}),
        .replay = {.kind = MU_JSON_NULL},
        .partial_percentage = -1,
        .n_output_records = r->written[i].n_rows,
        .n_output_bytes = r->written[i].n_bytes};
    mu_buf_init(&buf, (size_t)1 << 20);
    mu_json_writer_init(&writer, &buf);
    mu_batch_write(&writer, &batch);
    *out = mu_arena_copy(&r->arena, mu_buf_str(&buf));
    mu_code code =
        buf.failed ? mu_fail(err, MU_E_LIMIT, "the batch says too much about itself") : MU_OK;
    mu_buf_free(&buf);
    return code;
}

static mu_code job_json(running *r, int64_t now_ms, mu_str *out, mu_err *err)
{
    mu_json json = r->run->item->json;
    int64_t first_ms = r->written[0].rows_ms, last_ms = r->written[r->n_batches - 1].rows_ms;
    mu_export_document_time(&r->arena, &json, "profileExportTime", r->start_ms, last_ms);
    mu_export_document_time(&r->arena, &json, "aCPDatasetWriteTime", first_ms, now_ms);
    mu_export_document_succeed(&r->arena, &json, now_ms, &r->counts);
    return mu_json_text(&r->arena, &json, out, err);
}

static mu_code commit(running *r, mu_err *err)
{
    const mu_document *document = &r->run->item->document;
    int64_t now_ms = now_of(r);
    mu_document_edit *edits = MU_NEW_ARRAY(&r->arena, mu_document_edit, (size_t)r->n_batches + 1);
    for (uint32_t i = 0; i < r->n_batches; i++) {
        edits[i] = (mu_document_edit){
            .action = MU_DOCUMENT_ADD, .kind = MU_BATCH_KIND, .id = r->batch_ids[i]};
        MU_TRY(batch_json(r, i, now_ms, &edits[i].json, err));
    }
    edits[r->n_batches] = (mu_document_edit){.action = MU_DOCUMENT_REPLACE,
                                             .kind = MU_EXPORT_JOB_KIND,
                                             .id = document->id,
                                             .version_before = document->version};
    MU_TRY(job_json(r, now_ms, &edits[r->n_batches].json, err));
    return mu_shelves_edit(r->run->workspace->shelves, now_ms, r->n_batches + 1, edits, err);
}

/* -------- all of it -------- */

static mu_code run_all(running *r, mu_err *err)
{
    const mu_export_run *run = r->run;
    mu_str library = mu_arena_copy(&r->arena, run->duckdb_library);
    mu_export_plan_read(&r->arena, &run->item->json, &r->plan);
    name_batches(r);
    r->start_ms = now_of(r);
    if (r->plan.format == MU_EXPORT_PARQUET)
        MU_TRY(mu_duckdb_load(library.ptr, &r->duckdb, err));
    MU_TRY(mu_export_source_open(run->workspace, &r->plan, run->should_stop, run->stop_context,
                                 &r->source, err));
    MU_TRY(write_batches(r, err));
    return commit(r, err);
}

mu_code mu_export_run_job(const mu_export_run *run, uint64_t *n_rows, mu_err *err)
{
    running r = {.run = run};
    mu_arena_init(&r.arena, SIZE_MAX);
    mu_code code = run_all(&r, err);
    if (code != MU_OK)
        mu_export_files_remove(run->workspace, &r.plan);
    *n_rows = r.counts.n_rows;
    mu_export_source_close(r.source);
    mu_duckdb_unload(r.duckdb);
    mu_arena_free(&r.arena);
    return code;
}
