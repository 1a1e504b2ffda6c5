/* random_case.h -- whole random cases: schema, data and a batch of rules that bind. */
#ifndef MU_TESTS_SUPPORT_RANDOM_CASE_H
#define MU_TESTS_SUPPORT_RANDOM_CASE_H

#include "tests/support/differential.h"

/* How many rules were written and how many of them bound. */
typedef struct mu_rule_tally {
    uint64_t n_made, n_bound;
} mu_rule_tally;

/* `n_rules` rules, fewer when the generator has no luck. `examples` are the lines of
 * tests/data/pql-examples.tsv (mu_examples_read): one data set in six follows their schema and
 * mutates them. */
void mu_random_case_make(mu_dice *dice, mu_arena *arena, mu_str examples, mu_random_shape shape,
                         uint32_t n_rules, mu_case *out, mu_rule_tally *tally);

/* Three instants in and around the data: its own, one near it, one anywhere. */
void mu_random_instants(mu_dice *dice, int64_t now_ms, int64_t out[3]);

/* tests/data/pql-examples.tsv in `arena`. */
mu_str mu_examples_read(mu_arena *arena);

/* A schema that has the fields of the examples. */
const mu_schema *mu_examples_schema(mu_arena *arena);

#endif
