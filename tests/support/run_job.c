/* The vectorized evaluator as one side of a comparison. */
#include "tests/support/differential.h"

#include "base/hash.h"
#include "tests/support/coverage.h"

#include <pthread.h>

typedef struct collector {
    const mu_bound_case *bound;
    mu_case_answers *answers;
    uint64_t *counts;   /* members seen, per rule; guarded by lock, as the following */
    uint64_t n_blocks;  /* of rule 0 */
    uint32_t last_hash; /* of rule 0, of the first row of the block before */
    bool is_out_of_order;
    pthread_mutex_t lock;
} collector;

/* Whether the blocks come by the hash of their first row. */
static mu_code note_block(collector *into, uint32_t part, uint32_t block, mu_err *err)
{
    const uint32_t *pids;
    MU_TRY(mu_part_pids(into->bound->profiles->parts[part], block, &pids, err));
    uint32_t hash = mu_mix32(pids[0]);
    into->is_out_of_order |= into->n_blocks > 0 && hash < into->last_hash;
    into->last_hash = hash;
    into->n_blocks++;
    return MU_OK;
}

static mu_code collect(void *context, unsigned worker, uint32_t audience, uint32_t part,
                       uint32_t block, const uint64_t *members, uint32_t n_rows, mu_err *err)
{
    (void)worker;
    collector *into = context;
    const mu_bound_case *bound = into->bound;
    mu_block place = mu_part_block(bound->profiles->parts[part], block);
    if (place.n_rows != n_rows)
        return mu_fail(err, MU_E_CORRUPT, "block %u has %u rows, the job says %u", block,
                       place.n_rows, n_rows);
    uint64_t n = 0;
    for (uint32_t r = 0; r < n_rows; r++) {
        if (((members[r / 64] >> (r % 64)) & 1) == 0)
            continue;
        uint32_t row = bound->row_index[part][place.row + r];
        if (row == UINT32_MAX)
            return mu_fail(err, MU_E_CORRUPT, "a dead row is a member of audience %u", audience);
        into->answers->is_member[(size_t)audience * bound->n_rows + row] = true;
        n++;
    }
    pthread_mutex_lock(&into->lock);
    into->counts[audience] += n;
    mu_code code = audience == 0 ? note_block(into, part, block, err) : MU_OK;
    pthread_mutex_unlock(&into->lock);
    return code;
}

static mu_code check_counters(const mu_bound_case *bound, const mu_job_counters *counters,
                              const uint64_t *counts, const uint64_t *seen, mu_err *err)
{
    uint64_t n_events = bound->profiles == NULL ? 0 : bound->profiles->n_events;
    if (counters->n_profiles != bound->n_rows || counters->n_events != n_events)
        return mu_fail(
            err, MU_E_CORRUPT, "the job counts %llu profiles and %llu events, not %u, %llu",
            (unsigned long long)counters->n_profiles, (unsigned long long)counters->n_events,
            bound->n_rows, (unsigned long long)n_events);
    for (uint32_t i = 0; i < bound->n_rules; i++)
        if (counts[i] != seen[i])
            return mu_fail(err, MU_E_CORRUPT, "audience %u has %llu members, its count is %llu", i,
                           (unsigned long long)seen[i], (unsigned long long)counts[i]);
    return MU_OK;
}

typedef mu_code job_runner(mu_job *job, mu_job_sink *sink, void *sink_context, uint64_t *counts,
                           mu_job_counters *counters, mu_err *err);

static mu_code check_blocks(const collector *into, const mu_job_counters *counters, bool by_hash,
                            unsigned n_threads, mu_err *err)
{
    if (into->bound->n_rules > 0 && into->n_blocks != counters->n_blocks)
        return mu_fail(err, MU_E_CORRUPT, "%llu blocks were delivered, the job counts %llu",
                       (unsigned long long)into->n_blocks, (unsigned long long)counters->n_blocks);
    if (by_hash && n_threads == 1 && into->is_out_of_order)
        return mu_fail(err, MU_E_CORRUPT, "blocks do not come by hash");
    return MU_OK;
}

static mu_code run_job(unsigned n_threads, bool by_hash, const mu_bound_case *bound,
                       mu_case_answers *answers, mu_err *err)
{
    mu_job_options options = {.now_ms = bound->now_ms,
                              .n_threads = n_threads,
                              .n_members = MU_CASE_KNOWN,
                              .members = mu_case_known};
    job_runner *runner = by_hash ? mu_job_run_by_hash : mu_job_run;
    mu_job *job = NULL;
    MU_TRY(mu_job_new(bound->snapshot, &options, bound->n_rules, bound->audiences, &job, err));
    mu_coverage_watch(job);
    uint64_t *counts = MU_NEW_ARRAY(bound->arena, uint64_t, bound->n_rules + 1);
    uint64_t *seen = MU_NEW_ARRAY(bound->arena, uint64_t, bound->n_rules + 1);
    collector into = {.bound = bound, .answers = answers, .counts = seen};
    pthread_mutex_init(&into.lock, NULL);
    mu_job_counters counters = {0};
    mu_code code = runner(job, collect, &into, counts, &counters, err);
    pthread_mutex_destroy(&into.lock);
    mu_job_free(job);
    if (code == MU_OK)
        code = check_counters(bound, &counters, counts, seen, err);
    if (code == MU_OK)
        code = check_blocks(&into, &counters, by_hash, n_threads, err);
    for (unsigned guard = 0; guard < MU_GUARD_COUNT_; guard++)
        answers->trips[guard] = counters.guard_trips[guard];
    return code;
}

mu_code mu_case_run_job(void *context, const mu_bound_case *bound, mu_case_answers *answers,
                        mu_err *err)
{
    return run_job(*(const unsigned *)context, false, bound, answers, err);
}

mu_code mu_case_run_job_by_hash(void *context, const mu_bound_case *bound, mu_case_answers *answers,
                                mu_err *err)
{
    return run_job(*(const unsigned *)context, true, bound, answers, err);
}
