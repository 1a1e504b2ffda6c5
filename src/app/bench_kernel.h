/* bench_kernel.h -- one kernel at a time: rules that spend their time in it, what they have to
 * read, and how fast memory would let them. */
#ifndef MU_APP_BENCH_KERNEL_H
#define MU_APP_BENCH_KERNEL_H

#include "store/store.h"

#define MU_BENCH_COLUMNS_MAX 4

typedef struct mu_bench_kernel {
    const char *name, *about;
    const char *rule;
    bool over_events;                          /* its elements are the events, else the profiles */
    const char *columns[MU_BENCH_COLUMNS_MAX]; /* paths that it reads, up to NULL */
} mu_bench_kernel;

#define MU_BENCH_KERNELS 9
extern const mu_bench_kernel mu_bench_kernels[MU_BENCH_KERNELS];

/* The stored bytes of the kernel's columns in all parts: what one pass reads at least. */
MU_CHECKED mu_code mu_bench_kernel_bytes(const mu_entity *profiles, const mu_bench_kernel *kernel,
                                         uint64_t *out, mu_err *err);

/* Bytes a second that `n_threads` threads read from memory, of the best of a few passes over more
 * than any cache holds. Takes about a fifth of a second. */
MU_CHECKED mu_code mu_bench_memory_rate(unsigned n_threads, double *out, mu_err *err);

#endif
