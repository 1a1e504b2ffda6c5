/* as_of.h -- a rule as it was to be answered at an earlier (or later) instant: it sees only the
 * events that had happened and were received by then; attributes are as they are now (design.md 3).
 */
#ifndef MU_AUDIENCE_AS_OF_H
#define MU_AUDIENCE_AS_OF_H

#include "pql/pql.h"

typedef struct mu_as_of {
    int64_t now_ms;   /* what the rule calls now */
    int64_t as_of_ms; /* the last instant that is seen */
    /* The schema's events have "$received". Events without a value (bulk loads) count as received
     * when they happened. */
    bool has_received;
} mu_as_of;

/* The rule, text or tree, as a tree in which every use of events is of those alone. In `arena`.
 * MU_E_SYNTAX: as mu_pql_parse. */
MU_CHECKED mu_code mu_expression_as_of(mu_arena *arena, mu_str value, bool is_tree,
                                       const mu_as_of *as_of, mu_str *out, mu_err *err);

#endif
