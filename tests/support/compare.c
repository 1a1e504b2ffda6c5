#include "tests/support/compare.h"

#include "base/hash.h"
#include "base/number.h"

#include <stdio.h>
#include <stdlib.h>

#define MINIMISE_TRIES 1500

typedef struct comparison {
    const mu_compare_options *options;
    uint64_t seed, data_set;
    uint32_t disagreements_max;
    mu_str examples;
    mu_compare_result result;
} comparison;

static int64_t number_from_environment(const char *name, int64_t otherwise)
{
    const char *text = getenv(name);
    int64_t number = otherwise;
    if (text != NULL && !mu_parse_integer(mu_str_from(text), &number)) {
        fprintf(stderr, "%s must be a number, not \"%s\"\n", name, text);
        exit(2);
    }
    return number;
}

static void report(comparison *comparing, mu_arena *arena, mu_case test_case,
                   const mu_case_evaluator *tested)
{
    const mu_case_evaluator *oracle = comparing->options->oracle;
    mu_disagreement found;
    comparing->result.n_disagreements++;
    fprintf(stderr, "DISAGREEMENT in %s: MUSTER_SEED=%llu MUSTER_DATA_SET=%llu\n",
            comparing->options->test, (unsigned long long)comparing->seed,
            (unsigned long long)comparing->data_set);
    if (mu_case_agrees(&test_case, oracle, tested, &found))
        fprintf(stderr, "which a second run does not show\n");
    mu_case_minimise(arena, &test_case, oracle, tested, MINIMISE_TRIES);
    (void)mu_case_agrees(&test_case, oracle, tested, &found);
    mu_buf buf;
    mu_buf_init(&buf, 1 << 24);
    mu_case_write(&buf, &test_case, &found, oracle, tested);
    fprintf(stderr, "%.*s\n", (int)buf.len, buf.ptr);
    mu_buf_free(&buf);
}

/* Counts what the case proves: a rule that nobody or everybody meets tells little. */
static void count_telling(comparison *comparing, const mu_bound_case *bound,
                          const mu_case_answers *answers)
{
    comparing->result.n_cases += bound->n_rules;
    comparing->result.n_rows += (uint64_t)bound->n_rules * bound->n_rows;
    for (uint32_t rule = 0; rule < bound->n_rules; rule++) {
        uint32_t n = 0;
        for (uint32_t row = 0; row < bound->n_rows; row++)
            n += answers->is_member[(size_t)rule * bound->n_rows + row];
        comparing->result.n_telling += n > 0 && n < bound->n_rows;
    }
    for (unsigned guard = 0; guard < MU_GUARD_COUNT_; guard++)
        comparing->result.n_trips += answers->trips[guard];
}

/* The oracle's answers, kept so that it runs once for all tested evaluators. */
static mu_code repeat(void *context, const mu_bound_case *bound, mu_case_answers *answers,
                      mu_err *err)
{
    (void)err;
    const mu_case_answers *kept = context;
    memcpy(answers->is_member, kept->is_member, (size_t)bound->n_rules * bound->n_rows);
    memcpy(answers->trips, kept->trips, sizeof answers->trips);
    return MU_OK;
}

static void compare_instant(comparison *comparing, mu_arena *arena, const mu_case *test_case,
                            const mu_test_store *store, uint32_t n_tested)
{
    const mu_case_evaluator *oracle = comparing->options->oracle;
    mu_bound_case bound;
    mu_err err = {0};
    mu_code code = mu_case_bind(test_case, store->snapshot, arena, &bound, &err);
    mu_case_answers answers = {
        .is_member = MU_NEW_ARRAY(arena, bool, (size_t)bound.n_rules *bound.n_rows + 1)};
    if (code == MU_OK)
        code = oracle->run(oracle->context, &bound, &answers, &err);
    if (code != MU_OK) {
        fprintf(stderr, "data set %llu: %s: %s\n", (unsigned long long)comparing->data_set,
                mu_code_name(code), err.text);
        comparing->result.n_disagreements++;
        return;
    }
    count_telling(comparing, &bound, &answers);
    const mu_case_evaluator kept = {oracle->name, repeat, &answers};
    for (uint32_t i = 0; i < n_tested; i++) {
        mu_disagreement found;
        if (!mu_bound_case_agrees(&bound, &kept, &comparing->options->tested[i], &found)) {
            report(comparing, arena, *test_case, &comparing->options->tested[i]);
            return;
        }
    }
}

static mu_random_shape random_shape(comparison *comparing, mu_dice *dice)
{
    if (comparing->options->only_small || !mu_dice_percent(dice, 6))
        return MU_SHAPE_SMALL;
    return mu_dice_percent(dice, 50) ? MU_SHAPE_WIDE : MU_SHAPE_DEEP;
}

static void compare_data_set(comparison *comparing)
{
    static const uint32_t rules[] = {
        [MU_SHAPE_SMALL] = 60, [MU_SHAPE_WIDE] = 12, [MU_SHAPE_DEEP] = 12};
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    mu_dice dice;
    mu_dice_init(&dice,
                 mu_hash64(&comparing->data_set, sizeof comparing->data_set, comparing->seed));
    mu_random_shape shape = random_shape(comparing, &dice);
    mu_case test_case;
    mu_random_case_make(&dice, &arena, comparing->examples, shape, rules[shape], &test_case,
                        &comparing->result.tally);
    bool is_wanted =
        !comparing->options->without_lookups || test_case.data.schema->n_lookup_classes == 0;
    mu_test_store store;
    mu_err err = {0};
    if (is_wanted && mu_test_store_open(&test_case.data, &store, &err) != MU_OK) {
        fprintf(stderr, "data set %llu: %s\n", (unsigned long long)comparing->data_set, err.text);
        comparing->result.n_disagreements++;
    } else if (is_wanted) {
        int64_t instants[3];
        mu_random_instants(&dice, test_case.now_ms, instants);
        uint32_t n_before = comparing->result.n_disagreements;
        for (int i = 0; i < 3 && comparing->result.n_disagreements == n_before; i++) {
            test_case.now_ms = instants[i];
            compare_instant(comparing, &arena, &test_case, &store,
                            i == 0 ? comparing->options->n_tested : 1);
        }
        mu_test_store_close(&store);
    }
    comparing->result.n_data_sets++;
    mu_arena_free(&arena);
}

mu_compare_result mu_compare(const mu_compare_options *options)
{
    comparison comparing = {.options = options,
                            .seed = mu_dice_seed(options->test, options->seed),
                            .disagreements_max =
                                (uint32_t)number_from_environment("MUSTER_KEEP_GOING", 1)};
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    comparing.examples = mu_examples_read(&arena);
    int64_t only = number_from_environment("MUSTER_DATA_SET", -1);
    uint32_t n_cases = mu_dice_cases(options->n_cases);
    if (only >= 0) {
        comparing.data_set = (uint64_t)only;
        compare_data_set(&comparing);
    }
    while (only < 0 && comparing.result.n_cases < n_cases &&
           comparing.result.n_disagreements < comparing.disagreements_max) {
        compare_data_set(&comparing);
        comparing.data_set++;
    }
    mu_arena_free(&arena);
    const mu_compare_result *result = &comparing.result;
    fprintf(stderr,
            "%s: %llu cases of %llu data sets, %llu answers, %llu cases with members and others, "
            "%llu guard trips, %llu of %llu rules bound, %u disagreements\n",
            options->test, (unsigned long long)result->n_cases,
            (unsigned long long)result->n_data_sets, (unsigned long long)result->n_rows,
            (unsigned long long)result->n_telling, (unsigned long long)result->n_trips,
            (unsigned long long)result->tally.n_bound, (unsigned long long)result->tally.n_made,
            result->n_disagreements);
    return comparing.result;
}
