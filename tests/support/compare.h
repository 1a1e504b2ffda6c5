/* compare.h -- evaluators compared over many random cases.
 *
 * Environment: MUSTER_SEED and MUSTER_QUICK as in dice.h. MUSTER_DATA_SET=n runs only the data set
 * of that number; MUSTER_KEEP_GOING=n stops after n disagreements instead of one.
 */
#ifndef MU_TESTS_SUPPORT_COMPARE_H
#define MU_TESTS_SUPPORT_COMPARE_H

#include "tests/support/random_case.h"

typedef struct mu_compare_options {
    const char *test; /* its name, for messages */
    uint32_t n_cases; /* (rule, data set, instant) triples at least */
    uint64_t seed;    /* unless MUSTER_SEED says otherwise */
    const mu_case_evaluator *oracle;
    uint32_t n_tested;
    const mu_case_evaluator *tested;
    bool without_lookups; /* no data set with relationships */
    bool only_small;      /* no data set of several blocks or thousands of events */
} mu_compare_options;

typedef struct mu_compare_result {
    uint64_t n_cases, n_data_sets, n_rows; /* rows: (case, profile) pairs */
    uint64_t n_telling;                    /* cases with members and with others */
    uint64_t n_trips;                      /* (case, profile) pairs where a guard tripped */
    uint32_t n_disagreements;
    mu_rule_tally tally;
} mu_compare_result;

/* Runs the cases. A disagreement is minimised and printed to stderr with the seed. */
mu_compare_result mu_compare(const mu_compare_options *options);

#endif
