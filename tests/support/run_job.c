/* The vectorized evaluator as one side of a comparison. */
#include "tests/support/differential.h"

#include <pthread.h>

typedef struct collector {
    const mu_bound_case *bound;
    mu_case_answers *answers;
    uint64_t *counts; /* members seen, per rule; guarded by lock */
    pthread_mutex_t lock;
} collector;

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
    pthread_mutex_unlock(&into->lock);
    return MU_OK;
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

mu_code mu_case_run_job(void *context, const mu_bound_case *bound, mu_case_answers *answers,
                        mu_err *err)
{
    mu_job_options options = {.now_ms = bound->now_ms, .n_threads = *(const unsigned *)context};
    mu_job *job = NULL;
    MU_TRY(mu_job_new(bound->snapshot, &options, bound->n_rules, bound->audiences, &job, err));
    uint64_t *counts = MU_NEW_ARRAY(bound->arena, uint64_t, bound->n_rules + 1);
    uint64_t *seen = MU_NEW_ARRAY(bound->arena, uint64_t, bound->n_rules + 1);
    collector into = {.bound = bound, .answers = answers, .counts = seen};
    pthread_mutex_init(&into.lock, NULL);
    mu_job_counters counters = {0};
    mu_code code = mu_job_run(job, collect, &into, counts, &counters, err);
    pthread_mutex_destroy(&into.lock);
    mu_job_free(job);
    if (code == MU_OK)
        code = check_counters(bound, &counters, counts, seen, err);
    for (unsigned guard = 0; guard < MU_GUARD_COUNT_; guard++)
        answers->trips[guard] = counters.guard_trips[guard];
    return code;
}
