/* The vectorized evaluator against the reference evaluator, on seeded random cases. */
#include "tests/support/compare.h"
#include "tests/support/coverage.h"
#include "tests/support/notation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static uint64_t n_compared; /* random cases */

static void both_evaluators_agree_on_random_cases(void **state)
{
    (void)state;
    static unsigned one = 1, two = 2;
    const mu_case_evaluator reference = {"reference", mu_case_run_reference, NULL};
    const mu_case_evaluator jobs[] = {
        {"job with 2 threads", mu_case_run_job, &two},
        {"job with 1 thread", mu_case_run_job, &one},
        {"job by hash", mu_case_run_job_by_hash, &one},
        {"job by hash with 2 threads", mu_case_run_job_by_hash, &two}};
    mu_compare_result result = mu_compare(&(mu_compare_options){.test = "random cases",
                                                                .n_cases = MUSTER_TEST_CASES,
                                                                .seed = 77,
                                                                .oracle = &reference,
                                                                .n_tested = 4,
                                                                .tested = jobs});
    assert_int_equal(result.n_disagreements, 0);
    /* A healthy share of the rules means something. */
    assert_true(result.tally.n_bound * 2 > result.tally.n_made);
    assert_true(result.n_telling * 5 > result.n_cases);
    n_compared = result.n_cases;
}

/* -------- dictionaries of every size -------- */

#define MANY_PROFILES 72u

/* Lists of texts whose codes take 1, 2 and 4 bytes in a part, and of texts without a dictionary. */
static const struct {
    const char *name;
    uint32_t n_distinct, n_items; /* items of a profile */
} word_lists[] = {
    {"few", 200, 100}, {"many", 70000, 5000}, {"some", 5000, 500}, {"unique", 4000000000u, 300}};

#define N_WORD_LISTS (sizeof word_lists / sizeof *word_lists)

static mu_value word_list(mu_dice *dice, mu_arena *arena, uint32_t n_distinct, uint32_t n)
{
    mu_value *items = MU_NEW_ARRAY(arena, mu_value, n);
    for (uint32_t i = 0; i < n; i++)
        items[i] = mu_value_string(
            mu_arena_format(arena, "%08x", mu_dice_below(dice, n_distinct) * 2654435761u));
    return (mu_value){.kind = MU_TYPE_LIST, .n = n, .items = items};
}

static mu_random_profile wordy_profile(mu_dice *dice, mu_arena *arena, const mu_schema *schema,
                                       const mu_random_style *style, uint32_t index)
{
    mu_value profile = mu_random_value(dice, arena, schema->profile, MU_STR(""), style);
    mu_value row = mu_value_reshape(arena, profile, schema->profile, schema->row);
    for (size_t i = 0; i < N_WORD_LISTS; i++) {
        int field = mu_type_field(schema->row, mu_str_from(word_lists[i].name));
        ((mu_value *)row.items)[field] =
            word_list(dice, arena, word_lists[i].n_distinct, word_lists[i].n_items);
    }
    ((mu_value *)row.items)[schema->row->n_fields - 1] = (mu_value){.kind = MU_TYPE_LIST};
    return (mu_random_profile){
        .row = row, .dead_part = 1, .identity = mu_arena_format(arena, "p%u", index)};
}

static void wordy_case(mu_dice *dice, mu_arena *arena, mu_case *out)
{
    const mu_schema *schema = mu_schema_of_types(
        arena,
        mu_notation_read(arena, "{few:[string],many:[string],some:[string],unique:[string]}"),
        mu_notation_read(arena, "{_id:string,timestamp:timestamp,eventType:string}"), 0, NULL);
    mu_random_profile *profiles = MU_NEW_ARRAY(arena, mu_random_profile, MANY_PROFILES);
    *out = (mu_case){.data = {.schema = schema,
                              .first_schema = schema,
                              .n_parts = 1,
                              .n_profiles = MANY_PROFILES,
                              .profiles = profiles},
                     .now_ms = 1773144000000};
    for (uint32_t i = 0; i < MANY_PROFILES; i++)
        profiles[i] = wordy_profile(dice, arena, schema, &out->data.style, i);
}

/* Tests that no order of the dictionary decides, with answers in many runs of codes. */
static void add_wordy_rules(mu_dice *dice, mu_arena *arena, mu_case *to)
{
    static const char *const tests[] = {"endsWith(\"%x\")", "contains(\"%x4\")",
                                        "matches(\".*%x[0-7]$\")"};
    static const uint32_t shares[] = {16, 37, 32}; /* one item in about so many */
    to->rules = MU_NEW_ARRAY(arena, mu_case_rule, 3 * N_WORD_LISTS);
    for (size_t list = 0; list < N_WORD_LISTS; list++) {
        for (size_t t = 0; t < 3; t++) {
            char test[64];
            snprintf(test, sizeof test, tests[t], mu_dice_below(dice, 16));
            to->rules[to->n_rules] = (mu_case_rule){
                .id = mu_arena_format(arena, "wordy-%u", to->n_rules),
                .text = mu_arena_format(arena, "%s[this.%s].count() > %u", word_lists[list].name,
                                        test, word_lists[list].n_items / shares[t])};
            to->n_rules++;
        }
    }
}

static void tables_over_dictionaries_of_every_size_agree(void **state)
{
    (void)state;
    static unsigned two = 2;
    const mu_case_evaluator reference = {"reference", mu_case_run_reference, NULL};
    const mu_case_evaluator job = {"job with 2 threads", mu_case_run_job, &two};
    mu_arena arena;
    mu_dice dice;
    mu_case wordy;
    mu_disagreement found;
    mu_arena_init(&arena, SIZE_MAX);
    mu_dice_init(&dice, 20260310);
    wordy_case(&dice, &arena, &wordy);
    add_wordy_rules(&dice, &arena, &wordy);
    if (!mu_case_agrees(&wordy, &reference, &job, &found))
        fail_msg("rule %u, row %u: expected %d, got %d %s", found.rule, found.row, found.expected,
                 found.got, found.text);
    mu_arena_free(&arena);
}

/* From so many cases on everything has to be reached. */
#define FULL_RUN 20000u

/* No operation of a plan and no kernel goes without comparison. */
static void everything_was_compared(void **state)
{
    (void)state;
    mu_buf buf;
    mu_buf_init(&buf, SIZE_MAX);
    mu_coverage_write(&buf);
    fprintf(stderr, "%.*s", (int)buf.len, buf.ptr);
    mu_buf_clear(&buf);
    uint32_t n_missing = mu_coverage_missing(&buf);
    if (n_missing > 0)
        fprintf(stderr, "never run:%.*s\n", (int)buf.len, buf.ptr);
    mu_buf_free(&buf);
    assert_true(n_missing == 0 || n_compared < FULL_RUN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_evaluators_agree_on_random_cases),
        cmocka_unit_test(tables_over_dictionaries_of_every_size_agree),
        cmocka_unit_test(everything_was_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
