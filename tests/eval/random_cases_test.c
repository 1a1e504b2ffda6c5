/* The vectorized evaluator against the reference evaluator, on seeded random cases. */
#include "tests/support/compare.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

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
                                                                .seed = 20260310,
                                                                .oracle = &reference,
                                                                .n_tested = 4,
                                                                .tested = jobs});
    assert_int_equal(result.n_disagreements, 0);
    /* A healthy share of the rules means something. */
    assert_true(result.tally.n_bound * 2 > result.tally.n_made);
    assert_true(result.n_telling * 5 > result.n_cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_evaluators_agree_on_random_cases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
