/* thread.h -- work spread over a fixed number of threads. */
#ifndef MU_BASE_THREAD_H
#define MU_BASE_THREAD_H

#include "base/err.h"

/* Runs `body(context, worker, item)` for every item in [0, n_items) on `n_threads` threads, the
 * caller being one of them; `worker` is in [0, n_threads) and one worker's calls do not overlap.
 * Items are handed out in ascending order. The first result that is not MU_OK stops the handing
 * out, and is returned together with its error text. */
typedef mu_code mu_parallel_body(void *context, unsigned worker, size_t item, mu_err *err);
MU_CHECKED mu_code mu_parallel_for(unsigned n_threads, size_t n_items, mu_parallel_body *body,
                                   void *context, mu_err *err);

/* The number of processors this process may use, at least 1. */
unsigned mu_cpu_count(void);

#endif
