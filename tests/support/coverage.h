/* coverage.h -- which plan operations and which kernels the jobs of a test ran.
 *
 * The kernels of a job are replaced by others that count and call the first, so what is compared is
 * the same. The counts are the process's: kernels are plain functions and know no context.
 */
#ifndef MU_TESTS_SUPPORT_COVERAGE_H
#define MU_TESTS_SUPPORT_COVERAGE_H

#include "base/buf.h"
#include "eval/eval.h"

/* Counts what the job will run, from now on. All jobs of a process have one set of kernels. */
void mu_coverage_watch(mu_job *job);

/* How often each: two lines. */
void mu_coverage_write(mu_buf *buf);

/* The names of operations and kernels that never ran, each after a blank; how many. */
uint32_t mu_coverage_missing(mu_buf *buf);

#endif
