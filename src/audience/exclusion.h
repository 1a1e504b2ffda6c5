/* exclusion.h -- who is left out of audiences: profiles with a general opt-out (profile.md P83),
 * and those with too many events where an operator says so (P87).
 */
#ifndef MU_AUDIENCE_EXCLUSION_H
#define MU_AUDIENCE_EXCLUSION_H

#include "pql/pql.h"

/* The rules, bound in `arena`; NULL: nobody is left out for that reason, as the schema has no place
 * for an opt-out, or as there is no limit. */
typedef struct mu_exclusion_rules {
    const mu_pql *opt_out, *many_events;
    const mu_pql *either; /* both as one; also when there is only one of them */
} mu_exclusion_rules;

/* events_max negative: any number. */
void mu_exclusion_rules_make(mu_arena *arena, const mu_schema *schema, int64_t events_max,
                             mu_exclusion_rules *out);

#endif
