/* exclusion.h -- profiles that jobs leave out of every audience: those with a general opt-out
 * (profile.md P83) and those with too many events (P87). */
#ifndef MU_APP_EXCLUSION_H
#define MU_APP_EXCLUSION_H

#include "app/member_set.h"
#include "eval/eval.h"

typedef struct mu_exclusion_options {
    bool opted_out;
    int64_t events_max; /* negative: any number */
    int64_t now_ms;
    unsigned n_threads;
} mu_exclusion_options;

typedef struct mu_exclusion {
    bool is_on;
    mu_member_set rows;
    uint64_t n_opted_out, n_many_events; /* a profile may be both */
} mu_exclusion;

MU_CHECKED mu_code mu_exclusion_find(mu_arena *arena, const mu_snapshot *snapshot,
                                     const mu_exclusion_options *options, mu_exclusion *out,
                                     mu_err *err);

#endif
