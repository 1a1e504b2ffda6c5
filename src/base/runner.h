/* runner.h -- one background thread that does what there is to do, then sleeps until it is woken or
 * its next time comes: jobs, schedules, exports.
 */
#ifndef MU_BASE_RUNNER_H
#define MU_BASE_RUNNER_H

#include "base/err.h"

typedef struct mu_runner mu_runner;

#define MU_RUNNER_IDLE UINT32_MAX

/* Does one piece of work. Returns how many milliseconds may pass before the next call: 0 when there
 * is more to do, MU_RUNNER_IDLE until somebody wakes it. *is_stopping (read it with
 * __ATOMIC_RELAXED, or hand it to what takes a cancel flag) becomes true when the runner is to end;
 * long work then stops where it can be taken up again. */
typedef uint32_t mu_runner_step(void *context, const bool *is_stopping);

/* Starts the thread; its first call comes at once. `name`: up to 15 characters, for debuggers. */
MU_CHECKED mu_code mu_runner_start(const char *name, mu_runner_step *step, void *context,
                                   mu_runner **out, mu_err *err);
/* Makes one more call come soon, also when the step is running just now. Any thread. */
void mu_runner_wake(mu_runner *runner);
/* Waits for the running step, joins and frees. NULL allowed. */
void mu_runner_stop(mu_runner *runner);

#endif
