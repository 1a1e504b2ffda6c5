/* interval.h -- what a sample says of the whole: Wilson's score interval with the finite population
 * correction (E. B. Wilson 1927; the correction replaces n by n (N-1)/(N-n)).
 */
#ifndef MU_AUDIENCE_INTERVAL_H
#define MU_AUDIENCE_INTERVAL_H

#include <stdint.h>

typedef struct mu_interval {
    uint64_t estimated, standard_error; /* api.md 15 */
    uint64_t least, most;               /* 95 %; never less than what was seen can be */
} mu_interval;

/* `matched` of `read` rows of a simple random sample out of `total`; matched <= read <= total. */
mu_interval mu_interval_of(uint64_t total, uint64_t read, uint64_t matched);

#endif
