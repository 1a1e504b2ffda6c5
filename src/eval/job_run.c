/* job_run.c -- a job's blocks on threads: part after part, or all parts together by hash. */
#include "eval/job_int.h"

#include <stdatomic.h>
#include <stdlib.h>

/* What the runs of both kinds share. */
typedef struct run {
    mu_job *job;
    worker *workers;
    mu_job_sink *sink;
    void *sink_context;
    uint64_t all_rows;
    _Atomic uint64_t done_rows; /* relaxed: only shown to people */
    mu_arena arena;
} run;

static void begin(run *r, mu_job *job, mu_job_sink *sink, void *sink_context)
{
    *r = (run){.job = job, .sink = sink, .sink_context = sink_context};
    for (uint32_t i = 0; i < job->profile->n_parts; i++)
        r->all_rows += mu_part_rows(job->profile->parts[i]);
    mu_arena_init(&r->arena, SIZE_MAX);
    r->workers = MU_NEW_ARRAY(&r->arena, worker, job->options.n_threads);
    for (unsigned t = 0; t < job->options.n_threads; t++)
        worker_init(&r->workers[t], job);
}

static void end(run *r)
{
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

static mu_code run_block(run *r, unsigned worker_index, const bound_part *bound, uint32_t block,
                         mu_err *err)
{
    const mu_job_options *options = &r->job->options;
    MU_TRY(job_check_cancel(r->job, err));
    worker *w = &r->workers[worker_index];
    MU_TRY(worker_run_block(w, bound, block, r->sink, r->sink_context, worker_index, err));
    uint64_t done = atomic_fetch_add_explicit(&r->done_rows, w->n_rows, memory_order_relaxed);
    if (options->progress != NULL && worker_index == 0)
        options->progress(options->progress_context, done + w->n_rows, r->all_rows);
    return MU_OK;
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

/* -------- part after part -------- */

typedef struct part_run {
    run run;
    bound_part bound; /* the part that is evaluated just now */
} part_run;

static mu_code run_item(void *context, unsigned worker_index, size_t item, mu_err *err)
{
    part_run *r = context;
    return run_block(&r->run, worker_index, &r->bound, (uint32_t)item, err);
}

static mu_code run_parts(part_run *r, mu_err *err)
{
    mu_job *job = r->run.job;
    for (uint32_t i = 0; i < job->profile->n_parts; i++) {
        mu_code code = part_bind(job, i, &r->bound, err);
        if (code == MU_OK)
            code = mu_parallel_for(job->options.n_threads, mu_part_block_count(r->bound.part),
                                   run_item, r, err);
        part_unbind(&r->bound);
        MU_TRY(code);
    }
    return MU_OK;
}

mu_code mu_job_run(mu_job *job, mu_job_sink *sink, void *sink_context, uint64_t *counts,
                   mu_job_counters *counters, mu_err *err)
{
    part_run r;
    if (!clear(job, counts, counters))
        return MU_OK;
    begin(&r.run, job, sink, sink_context);
    mu_code code = run_parts(&r, err);
    if (code == MU_OK)
        add_up(&r.run, counts, counters);
    end(&r.run);
    return code;
}

/* -------- all parts together, by hash -------- */

typedef struct hashed_block {
    uint32_t hash; /* of its first row's pid */
    uint32_t part, block;
} hashed_block;

typedef struct hash_run {
    run run;
    uint32_t n_bound;
    bound_part *bounds; /* per part */
    size_t n_blocks;
    hashed_block *blocks;
} hash_run;

static int compare_blocks(const void *a, const void *b)
{
    const hashed_block *left = a, *right = b;
    if (left->hash != right->hash)
        return left->hash < right->hash ? -1 : 1;
    if (left->part != right->part)
        return left->part < right->part ? -1 : 1;
    return (left->block > right->block) - (left->block < right->block);
}

static mu_code order_blocks(hash_run *r, mu_err *err)
{
    const mu_entity *profile = r->run.job->profile;
    size_t n = 0;
    for (uint32_t p = 0; p < profile->n_parts; p++)
        n += mu_part_block_count(profile->parts[p]);
    r->blocks = MU_NEW_ARRAY(&r->run.arena, hashed_block, n);
    for (uint32_t p = 0; p < profile->n_parts; p++) {
        for (uint32_t b = 0; b < mu_part_block_count(profile->parts[p]); b++) {
            const uint32_t *pids;
            MU_TRY(mu_part_pids(profile->parts[p], b, &pids, err));
            r->blocks[r->n_blocks++] = (hashed_block){mu_mix32(pids[0]), p, b};
        }
    }
    qsort(r->blocks, r->n_blocks, sizeof *r->blocks, compare_blocks);
    return MU_OK;
}

/* What a plan needs of a part (tables per dictionary code) costs milliseconds and is kept until
 * all blocks are done, since neighbours in hash come from all parts. */
static mu_code bind_parts(hash_run *r, mu_err *err)
{
    mu_job *job = r->run.job;
    r->bounds = MU_NEW_ARRAY(&r->run.arena, bound_part, job->profile->n_parts);
    for (uint32_t p = 0; p < job->profile->n_parts; p++) {
        r->n_bound = p + 1;
        MU_TRY(part_bind(job, p, &r->bounds[p], err));
    }
    return MU_OK;
}

static mu_code run_hashed_item(void *context, unsigned worker_index, size_t item, mu_err *err)
{
    hash_run *r = context;
    const hashed_block *at = &r->blocks[item];
    return run_block(&r->run, worker_index, &r->bounds[at->part], at->block, err);
}

mu_code mu_job_run_by_hash(mu_job *job, mu_job_sink *sink, void *sink_context, uint64_t *counts,
                           mu_job_counters *counters, mu_err *err)
{
    hash_run r = {0};
    if (!clear(job, counts, counters))
        return MU_OK;
    begin(&r.run, job, sink, sink_context);
    mu_code code = order_blocks(&r, err);
    if (code == MU_OK)
        code = bind_parts(&r, err);
    if (code == MU_OK)
        code = mu_parallel_for(job->options.n_threads, r.n_blocks, run_hashed_item, &r, err);
    if (code == MU_OK)
        add_up(&r.run, counts, counters);
    for (uint32_t p = 0; p < r.n_bound; p++)
        part_unbind(&r.bounds[p]);
    end(&r.run);
    return code;
}
