/* The comparison itself is tested with evaluators that are wrong on purpose. */
#include "tests/support/compare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const mu_case_evaluator reference = {"reference", mu_case_run_reference, NULL};

static bool calls(const mu_pql *node, mu_pql_function function)
{
    if (node == NULL)
        return false;
    bool found = node->kind == MU_PQL_CALL && node->function == function;
    for (uint32_t i = 0; i < node->n_args && !found; i++)
        found = calls(node->args[i], function);
    for (uint32_t i = 0; i < node->n_declarations && !found; i++)
        found = calls(node->declarations[i].from, function) ||
                calls(node->declarations[i].where, function);
    for (uint32_t i = 0; i < node->n_items && !found; i++)
        found = calls(node->items[i].what, function) || calls(node->items[i].where, function);
    return found;
}

/* Wrong about profiles with two events and more, for rules with `like`. */
static mu_code run_wrong_about_like(void *context, const mu_bound_case *bound,
                                    mu_case_answers *answers, mu_err *err)
{
    (void)context;
    MU_TRY(mu_case_run_reference(NULL, bound, answers, err));
    for (uint32_t rule = 0; rule < bound->n_rules; rule++) {
        if (!calls(bound->audiences[rule].query, MU_FN_LIKE))
            continue;
        for (uint32_t row = 0; row < bound->n_rows; row++)
            if (mu_value_member(bound->rows[row].value, MU_STR("xEvent")).n >= 2)
                answers->is_member[(size_t)rule * bound->n_rows + row] ^= true;
    }
    return MU_OK;
}

/* The first small random case with a disagreement. */
static bool find_disagreement(mu_arena *arena, const mu_case_evaluator *wrong, mu_case *out)
{
    mu_str examples = mu_examples_read(arena);
    mu_disagreement found;
    for (uint64_t seed = 0; seed < 50; seed++) {
        mu_dice dice;
        mu_dice_init(&dice, seed);
        mu_rule_tally tally = {0};
        mu_random_case_make(&dice, arena, examples, MU_SHAPE_SMALL, 60, out, &tally);
        if (!mu_case_agrees(out, &reference, wrong, &found)) {
            assert_false(found.is_error);
            return true;
        }
    }
    return false;
}

static void a_wrong_answer_is_found_and_cut_to_its_core(void **state)
{
    (void)state;
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    const mu_case_evaluator wrong = {"wrong about like", run_wrong_about_like, NULL};
    mu_case test_case;
    assert_true(find_disagreement(&arena, &wrong, &test_case));
    mu_case_minimise(&arena, &test_case, &reference, &wrong, 1500);

    mu_disagreement found;
    assert_false(mu_case_agrees(&test_case, &reference, &wrong, &found));
    assert_false(found.is_error);
    assert_int_equal(test_case.n_rules, 1);
    assert_int_equal(test_case.data.n_profiles, 1);
    assert_int_equal(mu_value_member(test_case.data.profiles[0].row, MU_STR("xEvent")).n, 2);
    assert_true(mu_str_find(test_case.rules[0].text, MU_STR("like")) != SIZE_MAX);
    if (test_case.rules[0].text.len > 30)
        fail_msg("not minimal: %s", test_case.rules[0].text.ptr);

    mu_buf buf;
    mu_buf_init(&buf, 1 << 20);
    mu_case_write(&buf, &test_case, &found, &reference, &wrong);
    assert_true(mu_str_find(mu_buf_str(&buf), test_case.rules[0].text) != SIZE_MAX);
    assert_true(mu_str_find(mu_buf_str(&buf), MU_STR("wrong about like says")) != SIZE_MAX);
    mu_buf_free(&buf);
    mu_arena_free(&arena);
}

/* Right about everybody, but counts a guard trip that was none. */
static mu_code run_with_a_trip_too_many(void *context, const mu_bound_case *bound,
                                        mu_case_answers *answers, mu_err *err)
{
    (void)context;
    MU_TRY(mu_case_run_reference(NULL, bound, answers, err));
    answers->trips[MU_GUARD_CHAIN_STEPS]++;
    return MU_OK;
}

static void a_difference_in_guard_trips_is_found(void **state)
{
    (void)state;
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    const mu_case_evaluator wrong = {"one trip too many", run_with_a_trip_too_many, NULL};
    mu_dice dice;
    mu_dice_init(&dice, 1);
    mu_rule_tally tally = {0};
    mu_case test_case;
    mu_random_case_make(&dice, &arena, mu_examples_read(&arena), MU_SHAPE_SMALL, 5, &test_case,
                        &tally);
    mu_disagreement found;
    assert_false(mu_case_agrees(&test_case, &reference, &wrong, &found));
    assert_true(found.is_trips);
    mu_arena_free(&arena);
}

static mu_code run_and_fail(void *context, const mu_bound_case *bound, mu_case_answers *answers,
                            mu_err *err)
{
    (void)context, (void)bound, (void)answers;
    return mu_fail(err, MU_E_CORRUPT, "broken on purpose");
}

static void a_failing_evaluator_is_a_disagreement(void **state)
{
    (void)state;
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    const mu_case_evaluator failing = {"failing", run_and_fail, NULL};
    mu_dice dice;
    mu_dice_init(&dice, 2);
    mu_rule_tally tally = {0};
    mu_case test_case;
    mu_random_case_make(&dice, &arena, mu_examples_read(&arena), MU_SHAPE_SMALL, 5, &test_case,
                        &tally);
    mu_disagreement found;
    assert_false(mu_case_agrees(&test_case, &reference, &failing, &found));
    assert_true(found.is_error);
    assert_non_null(strstr(found.text, "broken on purpose"));
    mu_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_answer_is_found_and_cut_to_its_core),
        cmocka_unit_test(a_difference_in_guard_trips_is_found),
        cmocka_unit_test(a_failing_evaluator_is_a_disagreement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
