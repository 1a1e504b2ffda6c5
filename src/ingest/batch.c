#include "ingest/batch_int.h"

#include "base/time.h"
#include "ingest/file_name.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define RETRY_MS   ((int64_t)5000)
#define TIDY_MS    ((int64_t)3600000)
#define ABANDON_MS (7 * (int64_t)86400000)

mu_batch_folder mu_batches_folder(const mu_batches *batches, mu_arena *arena, mu_str sandbox,
                                  mu_str batch)
{
    return mu_batch_folder_of(arena, batches->options.folder, sandbox, batch);
}

/* -------- documents -------- */

static mu_code parse_batch(mu_arena *arena, mu_str text, mu_batch *out, mu_err *err)
{
    mu_json json;
    mu_json_reader *reader = mu_json_reader_new();
    mu_code code = mu_json_read(reader, arena, text, &json, err);
    mu_json_reader_free(reader);
    MU_TRY(code);
    return mu_batch_read(&json, out, err);
}

mu_code mu_batches_get(mu_batches *batches, mu_arena *arena, mu_str sandbox, mu_str id,
                       mu_batch *out, uint64_t *version, mu_err *err)
{
    mu_document document;
    MU_TRY(mu_document_get(batches->options.documents, arena, sandbox, MU_BATCH_KIND, id, &document,
                           err));
    if (version != NULL)
        *version = document.version;
    return parse_batch(arena, document.json, out, err);
}

mu_code mu_batches_put(mu_batches *batches, mu_str sandbox, const mu_batch *batch, uint64_t version,
                       mu_err *err)
{
    mu_buf buf;
    mu_json_writer writer;
    mu_batch changed = *batch;
    changed.updated_ms = batches->options.now_ms();
    mu_buf_init(&buf, (size_t)4 << 20);
    mu_json_writer_init(&writer, &buf);
    mu_batch_write(&writer, &changed);
    mu_document_edit edit = {.action = version == 0 ? MU_DOCUMENT_ADD : MU_DOCUMENT_REPLACE,
                             .kind = MU_BATCH_KIND,
                             .id = batch->id,
                             .json = mu_buf_str(&buf),
                             .version_before = version};
    mu_code code = buf.failed ? mu_fail(err, MU_E_LIMIT, "the batch says too much about itself")
                              : mu_document_edit_all(batches->options.documents, sandbox,
                                                     changed.updated_ms, 1, &edit, err);
    mu_buf_free(&buf);
    return code;
}

/* -------- reverting -------- */

static mu_code drop_rows(mu_batches *batches, mu_str sandbox, const mu_batch *batch, mu_err *err)
{
    mu_sandbox *live = mu_live_find_sandbox(batches->options.live, sandbox);
    if (live == NULL)
        return mu_fail(err, MU_E_NOT_FOUND, "there is no such sandbox");
    uint64_t sequence;
    mu_record record = {.kind = MU_RECORD_DROP,
                        .received_ms = batches->options.now_ms(),
                        .dataset = batch->dataset,
                        .batch = batch->id};
    MU_TRY(mu_sandbox_append(live, 1, &record, &sequence, err));
    return mu_live_wait(batches->options.live, sequence, err);
}

static mu_code revert(mu_batches *batches, mu_arena *arena, mu_str sandbox, mu_str id, mu_err *err)
{
    mu_batch batch;
    uint64_t version;
    MU_TRY(mu_batches_get(batches, arena, sandbox, id, &batch, &version, err));
    if (batch.status == MU_BATCH_INACTIVE)
        return MU_OK;
    if (batch.status != MU_BATCH_SUCCESS)
        return mu_fail(err, MU_E_CONFLICT, "only a batch of status success can be reverted");
    if (!batch.is_export)
        MU_TRY(drop_rows(batches, sandbox, &batch, err));
    batch.status = MU_BATCH_INACTIVE;
    MU_TRY(mu_batches_put(batches, sandbox, &batch, version, err));
    if (batch.is_export) {
        mu_batch_folder folder =
            mu_batch_export_folder_of(arena, batches->options.folder, sandbox, id);
        mu_batch_files_remove(&folder);
    }
    return MU_OK;
}

mu_code mu_batches_revert(mu_batches *batches, mu_str sandbox, mu_str id, mu_err *err)
{
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code = revert(batches, &arena, sandbox, id, err);
    mu_arena_free(&arena);
    return code;
}

/* -------- the queue -------- */

static void job_free(batch_job *job)
{
    mu_arena_free(&job->arena);
    free(job);
}

static void enqueue(mu_batches *batches, batch_job *job)
{
    pthread_mutex_lock(&batches->lock);
    job->next = NULL;
    if (batches->last != NULL)
        batches->last->next = job;
    else
        batches->first = job;
    batches->last = job;
    pthread_cond_broadcast(&batches->changed);
    pthread_mutex_unlock(&batches->lock);
}

void mu_batches_enqueue(mu_batches *batches, mu_str sandbox, mu_str id)
{
    batch_job *job = calloc(1, sizeof *job);
    MU_ASSERT(job != NULL);
    mu_arena_init(&job->arena, SIZE_MAX);
    job->sandbox = mu_arena_copy(&job->arena, sandbox);
    job->id = mu_arena_copy(&job->arena, id);
    enqueue(batches, job);
}

/* The first job that may run now, taken out; NULL when there is none. */
static batch_job *take_job(mu_batches *batches)
{
    int64_t now_ms = mu_monotonic_ns() / 1000000;
    batch_job *before = NULL;
    for (batch_job *job = batches->first; job != NULL; before = job, job = job->next) {
        if (job->not_before_ms > now_ms)
            continue;
        if (before != NULL)
            before->next = job->next;
        else
            batches->first = job->next;
        if (batches->last == job)
            batches->last = before;
        return job;
    }
    return NULL;
}

static void wait_a_while(mu_batches *batches)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += batches->first == NULL ? 60 : 1;
    pthread_cond_timedwait(&batches->changed, &batches->lock, &until);
}

static void run_job(mu_batches *batches, batch_job *job)
{
    mu_err err;
    mu_code code = mu_batch_process(batches, job->sandbox, job->id, &err);
    if (code == MU_OK || code == MU_E_CANCELLED || code == MU_E_NOT_FOUND) {
        job_free(job);
        return;
    }
    /* A conflict: somebody aborted or changed it meanwhile. */
    mu_log_level level = code == MU_E_CONFLICT ? MU_LOG_INFO : MU_LOG_ERROR;
    mu_log(batches->options.logger, level, "batch_postponed", mu_log_text("batch", job->id),
           mu_log_text("why", mu_str_from(err.text)));
    job->not_before_ms = mu_monotonic_ns() / 1000000 + RETRY_MS;
    enqueue(batches, job);
}

/* -------- tidying -------- */

static mu_code abandon(mu_batches *batches, mu_arena *arena, mu_str sandbox, mu_str id, mu_err *err)
{
    mu_batch batch;
    uint64_t version;
    MU_TRY(mu_batches_get(batches, arena, sandbox, id, &batch, &version, err));
    batch.status = MU_BATCH_ABANDONED;
    batch.completed_ms = batches->options.now_ms();
    return mu_batches_put(batches, sandbox, &batch, version, err);
}

/* What is there of files of a sandbox's batches. */
static mu_code tidy_folders(mu_batches *batches, mu_arena *arena, mu_str sandbox, mu_err *err)
{
    const mu_str *names;
    mu_batch_folder any = mu_batches_folder(batches, arena, sandbox, MU_STR("x"));
    mu_str parent = mu_arena_copy(arena, (mu_str){any.path.ptr, any.path.len - 2});
    uint32_t n = mu_folder_names(arena, parent.ptr, &names);
    int64_t oldest_ms = batches->options.now_ms() - ABANDON_MS;
    for (uint32_t i = 0; i < n; i++) {
        mu_batch batch = {.status = MU_BATCH_INACTIVE};
        mu_str id = mu_file_name_origin(arena, names[i]);
        mu_code code = mu_batches_get(batches, arena, sandbox, id, &batch, NULL, err);
        if (code != MU_OK && code != MU_E_NOT_FOUND)
            return code;
        bool is_old = batch.status == MU_BATCH_LOADING && batch.created_ms < oldest_ms;
        if (is_old)
            MU_TRY(abandon(batches, arena, sandbox, id, err));
        if (is_old || mu_batch_is_final(batch.status)) {
            mu_batch_folder folder = mu_batches_folder(batches, arena, sandbox, id);
            mu_batch_files_remove(&folder);
        }
    }
    return MU_OK;
}

mu_code mu_batches_tidy(mu_batches *batches, mu_err *err)
{
    mu_arena arena;
    const mu_str *sandboxes;
    mu_code code = MU_OK;
    mu_arena_init(&arena, SIZE_MAX);
    uint32_t n = mu_live_sandboxes(batches->options.live, &arena, &sandboxes);
    for (uint32_t i = 0; code == MU_OK && i < n; i++)
        code = tidy_folders(batches, &arena, sandboxes[i], err);
    mu_arena_free(&arena);
    return code;
}

static void tidy_when_due(mu_batches *batches)
{
    mu_err err;
    int64_t now_ms = mu_monotonic_ns() / 1000000;
    if (now_ms < batches->next_tidy_ms)
        return;
    batches->next_tidy_ms = now_ms + TIDY_MS;
    if (mu_batches_tidy(batches, &err) != MU_OK)
        mu_log(batches->options.logger, MU_LOG_WARNING, "batches_not_tidied",
               mu_log_text("why", mu_str_from(err.text)));
}

/* -------- the thread -------- */

static void *run(void *context)
{
    mu_batches *batches = context;
    pthread_mutex_lock(&batches->lock);
    while (!batches->is_closing) {
        batch_job *job = take_job(batches);
        batches->is_busy = job != NULL;
        pthread_mutex_unlock(&batches->lock);
        tidy_when_due(batches);
        if (job != NULL)
            run_job(batches, job);
        pthread_mutex_lock(&batches->lock);
        batches->is_busy = false;
        pthread_cond_broadcast(&batches->changed);
        if (job == NULL && !batches->is_closing)
            wait_a_while(batches);
    }
    pthread_mutex_unlock(&batches->lock);
    return NULL;
}

void mu_batches_wait_idle(mu_batches *batches)
{
    pthread_mutex_lock(&batches->lock);
    while (batches->first != NULL || batches->is_busy)
        pthread_cond_wait(&batches->changed, &batches->lock);
    pthread_mutex_unlock(&batches->lock);
}

/* -------- opening and closing -------- */

/* What was under way goes on. */
static mu_code resume_one(mu_batches *batches, mu_arena *arena, mu_str sandbox, mu_str json,
                          mu_err *err)
{
    mu_batch batch;
    MU_TRY(parse_batch(arena, json, &batch, err));
    if (batch.is_streaming || batch.status == MU_BATCH_LOADING)
        return MU_OK;
    if (!mu_batch_is_final(batch.status))
        mu_batches_enqueue(batches, sandbox, batch.id);
    return MU_OK;
}

static mu_code resume(mu_batches *batches, mu_arena *arena, mu_err *err)
{
    const mu_str *sandboxes;
    uint32_t n_sandboxes = mu_live_sandboxes(batches->options.live, arena, &sandboxes);
    for (uint32_t i = 0; i < n_sandboxes; i++) {
        uint32_t n;
        const mu_document *documents;
        MU_TRY(mu_document_list(batches->options.documents, arena, sandboxes[i], MU_BATCH_KIND, &n,
                                &documents, err));
        for (uint32_t k = 0; k < n; k++)
            MU_TRY(resume_one(batches, arena, sandboxes[i], documents[k].json, err));
    }
    return MU_OK;
}

static mu_counter *row_counter(const mu_batches_options *options, const char *outcome)
{
    mu_label label = {"outcome", mu_str_from(outcome)};
    return mu_metrics_counter(options->metrics, "muster_batch_rows_total",
                              "Rows of batch files by what became of them.", &label, 1);
}

mu_code mu_batches_open(const mu_batches_options *options, mu_batches **out, mu_err *err)
{
    mu_arena arena;
    mu_batches *batches = calloc(1, sizeof *batches);
    if (batches == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory");
    batches->options = *options;
    batches->rows_applied = row_counter(options, "applied");
    batches->rows_failed = row_counter(options, "failed");
    pthread_mutex_init(&batches->lock, NULL);
    pthread_cond_init(&batches->changed, NULL);
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code = resume(batches, &arena, err);
    mu_arena_free(&arena);
    if (code == MU_OK) {
        batches->has_thread = pthread_create(&batches->thread, NULL, run, batches) == 0;
        if (!batches->has_thread)
            code = mu_fail(err, MU_E_IO, "cannot start a thread");
    }
    if (code != MU_OK) {
        mu_batches_close(batches);
        return code;
    }
    *out = batches;
    return MU_OK;
}

void mu_batches_close(mu_batches *batches)
{
    if (batches == NULL)
        return;
    if (batches->has_thread) {
        pthread_mutex_lock(&batches->lock);
        batches->is_closing = true;
        pthread_cond_broadcast(&batches->changed);
        pthread_mutex_unlock(&batches->lock);
        pthread_join(batches->thread, NULL);
    }
    while (batches->first != NULL) {
        batch_job *next = batches->first->next;
        job_free(batches->first);
        batches->first = next;
    }
    pthread_cond_destroy(&batches->changed);
    pthread_mutex_destroy(&batches->lock);
    free(batches);
}
