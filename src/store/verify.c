#include "base/thread.h"
#include "store/log.h"
#include "store/store_int.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct verifier {
    const char *folder;
    unsigned n_threads;
    const mu_verify_callbacks *callbacks;
    pthread_mutex_t lock; /* guards the report, the bytes and the calls back */
    mu_verify_report report;
    uint64_t done_bytes, all_bytes;
    uint64_t next_sequence; /* the largest of all marks */
    mu_catalog *catalog;
} verifier;

/* Reports a problem; the caller holds the lock or is alone. */
static void report_locked(verifier *v, const char *text)
{
    v->report.n_problems++;
    if (v->callbacks->problem != NULL)
        v->callbacks->problem(v->callbacks->context, mu_str_from(text));
}

MU_PRINTF(2, 3)
static void report(verifier *v, const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    pthread_mutex_lock(&v->lock);
    report_locked(v, text);
    pthread_mutex_unlock(&v->lock);
}

static void note_problem(void *context, mu_str sentence)
{
    report(context, MU_STR_FMT, MU_STR_ARG(sentence));
}

/* -------- part by part, in parallel -------- */

typedef struct part_job {
    verifier *verifier;
    const mu_catalog_state *state;
    mu_part_handle **handles; /* NULL where the part could not be opened */
} part_job;

static void count_part(verifier *v, const mu_catalog_part *row, const mu_part *part)
{
    pthread_mutex_lock(&v->lock);
    v->report.n_parts++;
    v->report.n_bytes += row->n_bytes;
    v->report.n_rows += row->n_rows - row->n_dead;
    v->report.n_events += row->n_events - row->n_dead_events;
    v->report.n_blocks += part == NULL ? 0 : part->footer.n_blocks;
    v->done_bytes += row->n_bytes;
    if (v->callbacks->progress != NULL)
        v->callbacks->progress(v->callbacks->context, v->done_bytes, v->all_bytes);
    pthread_mutex_unlock(&v->lock);
}

static mu_code verify_part(void *context, unsigned worker, size_t item, mu_err *err)
{
    (void)worker;
    part_job *job = context;
    mu_err problem;
    mu_part_handle *handle = job->handles[item];
    mu_code code = handle == NULL ? MU_OK : mu_part_verify(handle->part, &problem);
    if (code == MU_E_NOMEM)
        return mu_fail(err, code, "%s", problem.text);
    if (code != MU_OK)
        report(job->verifier, "%s", problem.text);
    count_part(job->verifier, &job->state->parts[item], handle == NULL ? NULL : handle->part);
    return MU_OK;
}

/* -------- what parts of one sandbox say about one another -------- */

static const char *row_name(const mu_catalog_part *row, char out[64])
{
    snprintf(out, 64, "part %016llx", (unsigned long long)row->id);
    return out;
}

static mu_code verify_dead_rows(verifier *v, const mu_catalog_part *row, const mu_part *part,
                                mu_err *err)
{
    char name[64];
    if (row->n_dead == 0)
        return MU_OK;
    const uint64_t *dead = (const uint64_t *)(const void *)row->dead.ptr;
    bool is_clean = row->n_rows % 64 == 0 || dead[row->n_rows / 64] >> (row->n_rows % 64) == 0;
    if (!is_clean || mu_bits_count(dead, row->n_rows) != row->n_dead) {
        report(v, "%s/catalog.db: the dead rows of %s do not agree with their number", v->folder,
               row_name(row, name));
        return MU_OK;
    }
    uint64_t n_events = 0;
    for (uint32_t b = 0; part->event_level != 0 && b < part->footer.n_blocks; b++) {
        mu_vector lists;
        mu_block block = part->blocks[b];
        MU_TRY(mu_part_any_vector(part, part->levels[part->event_level].column, b, &lists, err));
        for (uint32_t i = 0; i < block.n_rows; i++)
            if (mu_bit_get(dead, block.row + i))
                n_events += mu_vector_end(&lists, i) - mu_vector_begin(&lists, i);
    }
    if (n_events != row->n_dead_events)
        report(v, "%s/catalog.db: the dead events of %s are counted wrongly", v->folder,
               row_name(row, name));
    return MU_OK;
}

static bool is_live(const mu_catalog_part *row, uint32_t r)
{
    return row->n_dead == 0 || !mu_bit_get((const uint64_t *)(const void *)row->dead.ptr, r);
}

static uint32_t next_pid_of(const mu_catalog_state *state, mu_str entity)
{
    for (uint32_t c = 0; c < state->n_counters; c++)
        if (mu_str_equal(state->counters[c].entity, entity))
            return state->counters[c].next_pid;
    return 1;
}

/* Every pid was given out, and has one live row. */
static mu_code verify_pids(verifier *v, const part_job *job, mu_str entity, uint64_t *seen,
                           uint32_t next_pid, mu_err *err)
{
    char name[64];
    for (uint32_t p = 0; p < job->state->n_parts; p++) {
        const mu_catalog_part *row = &job->state->parts[p];
        if (!mu_str_equal(row->entity, entity) || job->handles[p] == NULL)
            continue;
        const mu_part *part = job->handles[p]->part;
        for (uint32_t b = 0; b < part->footer.n_blocks; b++) {
            const uint32_t *pids;
            MU_TRY(mu_part_pids(part, b, &pids, err));
            for (uint32_t i = 0; i < part->blocks[b].n_rows; i++) {
                uint32_t r = part->blocks[b].row + i;
                bool is_given = pids[i] > 0 && pids[i] < next_pid;
                if (!is_given)
                    report(v, "%s: row %u of %s has a pid that was never given out", v->folder, r,
                           row_name(row, name));
                else if (is_live(row, r) && mu_bit_get(seen, pids[i]))
                    report(v, "%s: row %u of %s has the pid of another live row", v->folder, r,
                           row_name(row, name));
                else if (is_live(row, r))
                    mu_bit_set(seen, pids[i]);
            }
        }
    }
    return MU_OK;
}

typedef struct live_identity {
    uint64_t hash;
    uint32_t part, row;
} live_identity;

static int compare_live(const void *a, const void *b)
{
    uint64_t x = ((const live_identity *)a)->hash, y = ((const live_identity *)b)->hash;
    return (x > y) - (x < y);
}

static mu_code same_identity(const part_job *job, const live_identity *a, const live_identity *b,
                             bool *out, mu_err *err)
{
    mu_identity x, y;
    MU_TRY(mu_part_identity(job->handles[a->part]->part, a->row, &x, err));
    MU_TRY(mu_part_identity(job->handles[b->part]->part, b->row, &y, err));
    *out = mu_str_equal(x.namespace_code, y.namespace_code) && mu_str_equal(x.value, y.value);
    return MU_OK;
}

/* No two live rows have the same identity. `all` has room for every live row of the entity. */
static mu_code verify_identities(verifier *v, const part_job *job, mu_str entity,
                                 live_identity *all, mu_err *err)
{
    size_t n = 0;
    for (uint32_t p = 0; p < job->state->n_parts; p++) {
        const mu_catalog_part *row = &job->state->parts[p];
        if (!mu_str_equal(row->entity, entity) || job->handles[p] == NULL)
            continue;
        const mu_part *part = job->handles[p]->part;
        MU_TRY(mu_part_check_index(part, err));
        for (uint32_t i = 0; i < row->n_rows; i++)
            if (is_live(row, part->hash_rows[i]))
                all[n++] = (live_identity){part->hashes[i], p, part->hash_rows[i]};
    }
    qsort(all, n, sizeof *all, compare_live);
    for (size_t i = 1; i < n; i++) {
        char name[64];
        bool is_same;
        if (all[i].hash != all[i - 1].hash)
            continue;
        MU_TRY(same_identity(job, &all[i - 1], &all[i], &is_same, err));
        if (is_same)
            report(v, "%s: row %u of %s has the identity of another live row", v->folder,
                   all[i].row, row_name(&job->state->parts[all[i].part], name));
    }
    return MU_OK;
}

static mu_code verify_entity(verifier *v, const part_job *job, mu_str entity, mu_err *err)
{
    uint64_t n_rows = 0;
    for (uint32_t p = 0; p < job->state->n_parts; p++)
        if (mu_str_equal(job->state->parts[p].entity, entity))
            n_rows += job->state->parts[p].n_rows;
    uint32_t next_pid = next_pid_of(job->state, entity);
    uint64_t *seen = calloc(mu_bits_words((size_t)next_pid + 1), sizeof *seen);
    live_identity *all = malloc((size_t)(n_rows + 1) * sizeof *all);
    mu_code code = seen == NULL || all == NULL
                       ? mu_fail(err, MU_E_NOMEM, "out of memory for checking %s", v->folder)
                       : verify_pids(v, job, entity, seen, next_pid, err);
    if (code == MU_OK)
        code = verify_identities(v, job, entity, all, err);
    free(seen);
    free(all);
    return code;
}

static mu_code verify_schema(verifier *v, const part_job *job, mu_err *err)
{
    mu_schema_version *version;
    mu_err problem;
    mu_code code = mu_schema_version_read(job->state->schema, &version, &problem);
    if (code == MU_E_NOMEM)
        return mu_fail(err, code, "%s", problem.text);
    if (code != MU_OK) {
        report(v, "%s/catalog.db: %s", v->folder, problem.text);
        return MU_OK;
    }
    for (uint32_t p = 0; p < job->state->n_parts; p++) {
        char name[64];
        if (job->handles[p] == NULL)
            continue;
        const mu_type *type = mu_schema_entity_type(version->schema, job->state->parts[p].entity);
        if (type == NULL || !mu_type_extends(type, mu_part_row_type(job->handles[p]->part)))
            report(v, "%s: %s does not follow the schema", v->folder,
                   row_name(&job->state->parts[p], name));
    }
    mu_schema_version_release(version);
    return MU_OK;
}

static mu_code verify_across_parts(verifier *v, const part_job *job, mu_err *err)
{
    const mu_catalog_state *state = job->state;
    MU_TRY(verify_schema(v, job, err));
    for (uint32_t p = 0; p < state->n_parts; p++) {
        bool is_first = true;
        if (job->handles[p] != NULL)
            MU_TRY(verify_dead_rows(v, &state->parts[p], job->handles[p]->part, err));
        for (uint32_t q = 0; is_first && q < p; q++)
            is_first = !mu_str_equal(state->parts[q].entity, state->parts[p].entity);
        if (is_first)
            MU_TRY(verify_entity(v, job, state->parts[p].entity, err));
    }
    return MU_OK;
}

/* -------- sandboxes -------- */

static void close_parts(part_job *job)
{
    for (uint32_t p = 0; p < job->state->n_parts; p++)
        mu_part_handle_release(job->handles[p]);
    free(job->handles);
    job->handles = NULL;
}

/* Opens what can be opened. When `may_be_overtaken` and a file is missing, stops with
 * MU_E_NOT_FOUND; other damage is reported. */
static mu_code open_parts(part_job *job, bool may_be_overtaken, mu_err *err)
{
    verifier *v = job->verifier;
    job->handles = calloc((size_t)job->state->n_parts + 1, sizeof(mu_part_handle *));
    if (job->handles == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for checking %s", v->folder);
    for (uint32_t p = 0; p < job->state->n_parts; p++) {
        char path[MU_PATH_MAX];
        MU_TRY(mu_part_path(v->folder, job->state->parts[p].id, path, err));
        if (may_be_overtaken && access(path, F_OK) != 0)
            return mu_fail(err, MU_E_NOT_FOUND, "no file %s", path);
    }
    for (uint32_t p = 0; p < job->state->n_parts; p++) {
        mu_err problem;
        mu_code code =
            mu_part_handle_open(v->folder, &job->state->parts[p], &job->handles[p], &problem);
        if (code == MU_E_NOMEM || (code == MU_E_NOT_FOUND && may_be_overtaken))
            return mu_fail(err, code, "%s", problem.text);
        if (code != MU_OK)
            report(v, "%s", problem.text);
    }
    return MU_OK;
}

static mu_code verify_state(part_job *job, mu_err *err)
{
    verifier *v = job->verifier;
    const mu_catalog_state *state = job->state;
    uint64_t n_before = v->report.n_problems;
    for (uint32_t p = 0; p < state->n_parts; p++) {
        v->all_bytes += state->parts[p].n_bytes;
        n_before -= job->handles[p] == NULL; /* reported already */
    }
    MU_TRY(mu_parallel_for(v->n_threads, state->n_parts, verify_part, job, err));
    /* Parts that are damaged in themselves would only repeat it here. */
    return v->report.n_problems == n_before ? verify_across_parts(v, job, err) : MU_OK;
}

#define REREADS_MAX 100

/* A writer beside us may replace parts between our reading the catalog and opening them; then their
 * files are gone, and the catalog does not list them any more: look again. */
static mu_code verify_sandbox(verifier *v, mu_str sandbox, mu_err *err)
{
    mu_arena arena;
    mu_catalog_state state = {0};
    part_job job = {.verifier = v, .state = &state};
    mu_err problem;
    mu_code code = MU_OK;
    mu_arena_init(&arena, SIZE_MAX);
    for (int i = 0; i <= REREADS_MAX; i++) {
        mu_arena_reset(&arena);
        code = mu_catalog_read(v->catalog, &arena, sandbox, &state, &problem);
        if (code != MU_OK)
            break;
        code = open_parts(&job, i < REREADS_MAX, &problem);
        if (code != MU_E_NOT_FOUND)
            break;
        close_parts(&job);
    }
    if (code == MU_OK && state.has_mark && state.mark.next_sequence > v->next_sequence)
        v->next_sequence = state.mark.next_sequence;
    if (code == MU_OK)
        code = verify_state(&job, &problem);
    if (job.handles != NULL)
        close_parts(&job);
    mu_arena_free(&arena);
    if (code == MU_E_CORRUPT) {
        report(v, "%s", problem.text);
        return MU_OK;
    }
    return code == MU_OK ? MU_OK : mu_fail(err, code, "%s", problem.text);
}

/* After the marks were read: the log reaches at least as far as they do. */
static mu_code verify_log(verifier *v, mu_err *err)
{
    mu_log_report log;
    MU_TRY(mu_log_verify(v->folder, note_problem, v, &log, err));
    v->report.n_log_segments = log.n_segments;
    v->report.n_log_records = log.n_records;
    v->report.n_bytes += log.n_bytes;
    if (log.last_sequence != 0 && v->next_sequence > log.last_sequence + 1)
        report(v, "%s/log: it ends with record %llu, and parts hold all before record %llu",
               v->folder, (unsigned long long)log.last_sequence,
               (unsigned long long)v->next_sequence);
    return MU_OK;
}

static mu_code verify_all(verifier *v, mu_err *err)
{
    mu_arena arena;
    uint32_t n = 0;
    const mu_str *names = NULL;
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code = mu_catalog_check(v->catalog, note_problem, v, err);
    if (code == MU_OK)
        code = mu_catalog_sandboxes(v->catalog, &arena, &n, &names, err);
    for (uint32_t i = 0; code == MU_OK && i < n; i++)
        code = verify_sandbox(v, names[i], err);
    mu_arena_free(&arena);
    return code == MU_OK ? verify_log(v, err) : code;
}

mu_code mu_store_verify(const char *folder, unsigned n_threads,
                        const mu_verify_callbacks *callbacks, mu_verify_report *out, mu_err *err)
{
    char path[MU_PATH_MAX];
    mu_err problem;
    verifier v = {.folder = folder, .n_threads = n_threads, .callbacks = callbacks};
    MU_TRY(mu_store_path(folder, "catalog.db", path, err));
    pthread_mutex_init(&v.lock, NULL);
    mu_code code = mu_catalog_open(path, MU_CATALOG_READ, &v.catalog, &problem);
    if (code == MU_OK)
        code = verify_all(&v, &problem);
    bool has_catalog = v.catalog != NULL;
    mu_catalog_close(v.catalog);
    if (code == MU_E_CORRUPT) {
        report(&v, "%s", problem.text);
        code = MU_OK;
    }
    pthread_mutex_destroy(&v.lock);
    if (code == MU_E_NOT_FOUND && !has_catalog)
        return mu_fail(err, MU_E_NOT_FOUND, "%s holds no data of muster", folder);
    if (code != MU_OK)
        return mu_fail(err, code, "%s", problem.text);
    *out = v.report;
    return MU_OK;
}
