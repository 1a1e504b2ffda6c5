/* coverage_test.c -- do the intervals that estimates tell hold the true size? 1,000 random rules
 * over generated profiles in a large part, small ones and parts in memory, looked at whenever the
 * sample first reaches one of five shares of the profiles.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "audience/estimate_int.h"
#include "tests/support/population.h"

#include <math.h>
#include <stdio.h>

#define N_STAGES 5u
static const double stages[N_STAGES] = {0.005, 0.02, 0.08, 0.25, 0.6};

#define RULES_PER_POPULATION 50u
#define RARE                 10u /* matches in the sample */

typedef struct stage_tally {
    uint32_t n, n_covered, n_rare, n_rare_covered;
} stage_tally;

typedef struct watching {
    mu_prefix *prefix;
    uint64_t total;
    uint32_t stage; /* the next one */
    mu_prefix_counts seen[N_STAGES];
    mu_arena arena;
} watching;

static mu_code watch(void *context, unsigned worker, uint32_t audience, uint32_t part,
                     uint32_t block, const uint64_t *members, uint32_t n_rows, mu_err *err)
{
    watching *w = context;
    mu_prefix_counts counts;
    (void)audience, (void)n_rows;
    MU_TRY(mu_prefix_add(w->prefix, worker, part, block, members, err));
    mu_prefix_read(w->prefix, &w->arena, &counts);
    while (w->stage < N_STAGES && (double)counts.n_read >= stages[w->stage] * (double)w->total)
        w->seen[w->stage++] = counts;
    return MU_OK;
}

/* Sizes spread evenly over the orders of magnitude. */
static uint32_t bound(mu_dice *dice)
{
    double power = (double)mu_dice_below(dice, 1000) / 1000 * 4;
    return (uint32_t)pow(10, power);
}

static void write_rule(mu_dice *dice, char *out, size_t size)
{
    uint32_t a = mu_dice_below(dice, POPULATION_VALUES), b = mu_dice_below(dice, POPULATION_VALUES);
    switch (mu_dice_below(dice, 6)) {
    case 0:
        snprintf(out, size, "v%u < %u", a, bound(dice));
        break;
    case 1:
        snprintf(out, size, "v%u >= %u", a, bound(dice));
        break;
    case 2:
        snprintf(out, size, "v%u < %u and v%u < %u", a, bound(dice), b, bound(dice));
        break;
    case 3:
        snprintf(out, size, "v%u < %u or v%u < %u", a, bound(dice), b, bound(dice));
        break;
    case 4:
        snprintf(out, size, "v%u = %u", a, mu_dice_below(dice, 10000));
        break;
    default:
        snprintf(out, size, "v%u < %u and xEvent[kind = %u].count() >= %u", a, bound(dice),
                 mu_dice_below(dice, 10), 1 + mu_dice_below(dice, 2));
    }
}

static void count_stage(stage_tally *tally, const watching *w, uint32_t stage, uint64_t size)
{
    mu_prefix_counts counts = w->seen[stage];
    mu_interval interval = mu_interval_of(w->total, counts.n_read, counts.n_matched);
    bool covers = interval.least <= size && size <= interval.most;
    tally->n++;
    tally->n_covered += covers;
    if (counts.n_matched >= RARE)
        return;
    tally->n_rare++;
    tally->n_rare_covered += covers;
}

static void ask_rule(mu_dice *dice, population *p, stage_tally tallies[N_STAGES])
{
    char text[200];
    mu_job *job;
    uint64_t size = 0;
    mu_job_counters counters;
    mu_err err = {0};
    write_rule(dice, text, sizeof text);
    const mu_job_options options = {.n_threads = 1};
    const mu_job_audience audience = {.query = population_rule(p, text)};
    watching w = {.total = p->profiles->n_rows};
    mu_arena_init(&w.arena, SIZE_MAX);
    assert_int_equal(mu_job_new(p->snapshot, &options, 1, &audience, &job, &err), MU_OK);
    assert_int_equal(mu_prefix_new(p->profiles, 1, 0, NULL, &w.prefix, &err), MU_OK);
    assert_int_equal(mu_job_run_by_hash(job, watch, &w, &size, &counters, &err), MU_OK);
    assert_int_equal(w.stage, N_STAGES);
    for (uint32_t stage = 0; stage < N_STAGES; stage++)
        count_stage(&tallies[stage], &w, stage, size);
    mu_prefix_counts all;
    mu_prefix_read(w.prefix, &w.arena, &all);
    assert_int_equal(all.n_read, w.total);
    assert_int_equal(all.n_matched, size);
    mu_prefix_free(w.prefix);
    mu_job_free(job);
    mu_arena_free(&w.arena);
}

static void intervals_cover_true_sizes(void **state)
{
    static const population_shape shape = {.n_profiles = 40000,
                                           .n_disk = 4,
                                           .n_memory = 8,
                                           .n_replaced = 40,
                                           .n_removed = 20,
                                           .n_new = 40};
    stage_tally tallies[N_STAGES] = {0};
    mu_dice dice;
    (void)state;
    const uint32_t n_rules = 1000; /* always: it takes a second, and fewer would say little */
    mu_dice_init(&dice, mu_dice_seed("coverage", 20260417));
    for (uint32_t done = 0; done < n_rules; done += RULES_PER_POPULATION) {
        population p;
        population_make(&dice, &shape, &p);
        assert_int_equal(p.profiles->n_rows, population_count(&p));
        for (uint32_t i = 0; i < RULES_PER_POPULATION; i++)
            ask_rule(&dice, &p, tallies);
        population_free(&p);
    }
    for (uint32_t stage = 0; stage < N_STAGES; stage++) {
        const stage_tally *t = &tallies[stage];
        printf(
            "coverage at %4.1f %% of the profiles: %u of %u; of those with fewer than %u matches "
            "%u of %u\n",
            stages[stage] * 100, t->n_covered, t->n, RARE, t->n_rare_covered, t->n_rare);
    }
    for (uint32_t stage = 0; stage < N_STAGES; stage++) {
        const stage_tally *t = &tallies[stage];
        assert_true(t->n == n_rules && t->n_covered * 1000 >= t->n * 930);
        assert_true(t->n_rare * 20 > t->n);
        assert_true(t->n_rare_covered * 10 >= t->n_rare * 9);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(intervals_cover_true_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
