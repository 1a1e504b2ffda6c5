/* random_rule.h -- random rules as PQL text, directed by the types of a schema.
 *
 * Most of them bind; what the binder rejects the caller leaves out (and counts). The same
 * generator state gives the same text from the same compiler.
 */
#ifndef MU_TESTS_SUPPORT_RANDOM_RULE_H
#define MU_TESTS_SUPPORT_RANDOM_RULE_H

#include "tests/support/random_data.h"

typedef struct mu_random_rule_options {
    const mu_schema *schema;
    int64_t now_ms;      /* dates in rules lie near it */
    unsigned depth;      /* how deep expressions nest, 1 and up */
    uint32_t n_segments; /* inSegment may name "s0" .. "s<n-1>" */
    bool is_cheap;       /* nothing that is quadratic in the events of a profile */
} mu_random_rule_options;

/* A condition over the profile row, in `arena`. */
mu_str mu_random_rule(mu_dice *dice, mu_arena *arena, const mu_random_rule_options *options);

/* The same rule with a few tokens replaced by others of their sort: literals, comparison operators,
 * time units, and/or. */
mu_str mu_random_mutation(mu_dice *dice, mu_arena *arena, mu_str rule);

#endif
