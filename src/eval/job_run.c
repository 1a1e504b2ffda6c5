/* job_run.c -- a job's blocks on threads, in the order of the parts or of the hash. */
#include "eval/job_int.h"

#include <stdatomic.h>
#include <stdlib.h>

typedef struct listed_block {
    uint32_t hash; /* of its first row's pid, when blocks are done in that order */
    uint32_t part, block;
} listed_block;

typedef struct run {
    mu_job *job;
    worker *workers;
    mu_job_sink *sink;
    void *sink_context;
    uint64_t all_rows;
    _Atomic uint64_t done_rows; /* relaxed: only shown to people */
    bindings bindings;
    size_t n_blocks;
    listed_block
        *blocks; /* one list over all parts that are bound: no thread waits at a part's end */
    mu_arena arena;
} run;

static void begin(run *r, mu_job *job, mu_job_sink *sink, void *sink_context)
{
    size_t n_blocks = 0;
    *r = (run){.job = job, .sink = sink, .sink_context = sink_context};
    for (uint32_t i = 0; i < job->profile->n_parts; i++) {
        r->all_rows += mu_part_rows(job->profile->parts[i]);
        n_blocks += mu_part_block_count(job->profile->parts[i]);
    }
    mu_arena_init(&r->arena, SIZE_MAX);
    r->blocks = MU_NEW_ARRAY(&r->arena, listed_block, n_blocks);
    r->workers = MU_NEW_ARRAY(&r->arena, worker, job->options.n_threads);
    for (unsigned t = 0; t < job->options.n_threads; t++)
        worker_init(&r->workers[t], job);
}

static void end(run *r)
{
    bindings_fini(&r->bindings);
    for (unsigned t = 0; t < r->job->options.n_threads; t++)
        worker_fini(&r->workers[t]);
    mu_arena_free(&r->arena);
}

static void add_up(const run *r, uint64_t *counts, mu_job_counters *counters)
{
    for (unsigned t = 0; t < r->job->options.n_threads; t++) {
        const worker *w = &r->workers[t];
        for (uint32_t a = 0; a < r->job->n_audiences; a++)
            counts[a] += w->counts[a];
        counters->n_blocks += w->counters.n_blocks;
        counters->n_fallback_rows += w->counters.n_fallback_rows;
        for (unsigned g = 0; g < MU_GUARD_COUNT_; g++)
            counters->guard_trips[g] += w->counters.guard_trips[g];
    }
}

mu_code job_check_cancel(const mu_job *job, mu_err *err)
{
    const bool *cancel = job->options.cancel;
    if (cancel != NULL && __atomic_load_n(cancel, __ATOMIC_RELAXED))
        return mu_fail(err, MU_E_CANCELLED, "the job was cancelled");
    return MU_OK;
}

static mu_code run_block(void *context, unsigned worker_index, size_t item, mu_err *err)
{
    run *r = context;
    const listed_block *at = &r->blocks[item];
    const mu_job_options *options = &r->job->options;
    MU_TRY(job_check_cancel(r->job, err));
    worker *w = &r->workers[worker_index];
    MU_TRY(worker_run_block(w, &r->bindings.parts[at->part], at->block, r->sink, r->sink_context,
                            worker_index, err));
    uint64_t done = atomic_fetch_add_explicit(&r->done_rows, w->n_rows, memory_order_relaxed);
    if (options->progress != NULL && worker_index == 0)
        options->progress(options->progress_context, done + w->n_rows, r->all_rows);
    return MU_OK;
}

static mu_code run_listed(run *r, mu_err *err)
{
    return mu_parallel_for(r->job->options.n_threads, r->n_blocks, run_block, r, err);
}

/* Zeroes what is given back; false when there is nobody to evaluate. */
static bool clear(const mu_job *job, uint64_t *counts, mu_job_counters *counters)
{
    memset(counts, 0, job->n_audiences * sizeof *counts);
    *counters = (mu_job_counters){0};
    if (job->profile == NULL)
        return false;
    counters->n_profiles = job->profile->n_rows;
    counters->n_events = job->profile->n_events;
    return true;
}

/* -------- in the order of the parts -------- */

/* What tables may take of all parts that are bound at a time. Small parts are bound together; of
 * many large ones each is bound when it comes. */
#define TABLE_BYTES_MAX ((size_t)128 << 20)

static void list_part(run *r, uint32_t part)
{
    uint32_t n = mu_part_block_count(r->job->profile->parts[part]);
    for (uint32_t block = 0; block < n; block++)
        r->blocks[r->n_blocks++] = (listed_block){0, part, block};
}

static mu_code run_parts(run *r, mu_err *err)
{
    uint32_t past;
    for (uint32_t first = 0; first < r->job->profile->n_parts; first = past) {
        MU_TRY(bindings_add(&r->bindings, first, TABLE_BYTES_MAX, &past, err));
        r->n_blocks = 0;
        for (uint32_t part = first; part < past; part++)
            list_part(r, part);
        MU_TRY(run_listed(r, err));
        for (uint32_t part = first; part < past; part++)
            bindings_drop(&r->bindings, part);
    }
    return MU_OK;
}

/* -------- in the order of the hash -------- */

static int compare_blocks(const void *a, const void *b)
{
    const listed_block *left = a, *right = b;
    if (left->hash != right->hash)
        return left->hash < right->hash ? -1 : 1;
    if (left->part != right->part)
        return left->part < right->part ? -1 : 1;
    return (left->block > right->block) - (left->block < right->block);
}

static mu_code list_by_hash(run *r, mu_err *err)
{
    const mu_entity *profile = r->job->profile;
    for (uint32_t p = 0; p < profile->n_parts; p++) {
        for (uint32_t b = 0; b < mu_part_block_count(profile->parts[p]); b++) {
            const uint32_t *pids;
            MU_TRY(mu_part_pids(profile->parts[p], b, &pids, err));
            r->blocks[r->n_blocks++] = (listed_block){mu_mix32(pids[0]), p, b};
        }
    }
    qsort(r->blocks, r->n_blocks, sizeof *r->blocks, compare_blocks);
    return MU_OK;
}

/* Neighbours in hash come from all parts, so all are bound until all blocks are done. */
static mu_code run_by_hash(run *r, mu_err *err)
{
    uint32_t past;
    MU_TRY(list_by_hash(r, err));
    MU_TRY(bindings_add(&r->bindings, 0, SIZE_MAX, &past, err));
    return run_listed(r, err);
}

/* -------- either -------- */

static mu_code run_all(mu_job *job, bool by_hash, mu_job_sink *sink, void *sink_context,
                       uint64_t *counts, mu_job_counters *counters, mu_err *err)
{
    run r;
    if (!clear(job, counts, counters))
        return MU_OK;
    begin(&r, job, sink, sink_context);
    mu_code code = bindings_init(&r.bindings, job, err);
    if (code == MU_OK)
        code = by_hash ? run_by_hash(&r, err) : run_parts(&r, err);
    if (code == MU_OK)
        add_up(&r, counts, counters);
    end(&r);
    return code;
}

mu_code mu_job_run(mu_job *job, mu_job_sink *sink, void *sink_context, uint64_t *counts,
                   mu_job_counters *counters, mu_err *err)
{
    return run_all(job, false, sink, sink_context, counts, counters, err);
}

mu_code mu_job_run_by_hash(mu_job *job, mu_job_sink *sink, void *sink_context, uint64_t *counts,
                           mu_job_counters *counters, mu_err *err)
{
    return run_all(job, true, sink, sink_context, counts, counters, err);
}
