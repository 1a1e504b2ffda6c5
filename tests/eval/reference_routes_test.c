/* The reference evaluator against itself: a rule means the same after canonical text, after its
 * JSON tree, and before binding. */
#include "tests/support/compare.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const mu_case_evaluator reference = {"reference", mu_case_run_reference, NULL};

static void canonical_text_and_trees_mean_the_same(void **state)
{
    (void)state;
    const mu_case_evaluator routes[] = {{"through JSON", mu_case_run_reference_json, NULL},
                                        {"through text", mu_case_run_reference_text, NULL}};
    mu_compare_result result = mu_compare(&(mu_compare_options){.test = "reference routes",
                                                                .n_cases = MUSTER_TEST_CASES / 10,
                                                                .seed = 1,
                                                                .oracle = &reference,
                                                                .n_tested = 2,
                                                                .tested = routes,
                                                                .only_small = true});
    assert_int_equal(result.n_disagreements, 0);
}

static void an_unbound_tree_means_the_same_without_relationships(void **state)
{
    (void)state;
    const mu_case_evaluator unbound = {"unbound", mu_case_run_reference_unbound, NULL};
    mu_compare_result result = mu_compare(&(mu_compare_options){.test = "unbound trees",
                                                                .n_cases = MUSTER_TEST_CASES / 20,
                                                                .seed = 2,
                                                                .oracle = &reference,
                                                                .n_tested = 1,
                                                                .tested = &unbound,
                                                                .without_lookups = true,
                                                                .only_small = true});
    assert_int_equal(result.n_disagreements, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_text_and_trees_mean_the_same),
        cmocka_unit_test(an_unbound_tree_means_the_same_without_relationships),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
