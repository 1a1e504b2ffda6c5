#include "tests/support/coverage.h"

#include "eval/run_int.h"

#include <inttypes.h>
#include <stdatomic.h>

/* Every kernel: V(name, parameters, arguments) gives nothing, S a number. */
#define KERNELS(V, S)                                                                              \
    V(range_8, (const uint8_t *x, size_t n, uint8_t lo, uint8_t span, uint64_t *out),              \
      (x, n, lo, span, out))                                                                       \
    V(range_16, (const uint16_t *x, size_t n, uint16_t lo, uint16_t span, uint64_t *out),          \
      (x, n, lo, span, out))                                                                       \
    V(range_32, (const uint32_t *x, size_t n, uint32_t lo, uint32_t span, uint64_t *out),          \
      (x, n, lo, span, out))                                                                       \
    V(range_64, (const uint64_t *x, size_t n, uint64_t lo, uint64_t span, uint64_t *out),          \
      (x, n, lo, span, out))                                                                       \
    V(range_double, (const double *x, size_t n, double lo, double hi, uint64_t *out),              \
      (x, n, lo, hi, out))                                                                         \
    V(table_8, (const uint8_t *x, size_t n, const uint8_t *table, uint64_t *out),                  \
      (x, n, table, out))                                                                          \
    V(table_16, (const uint16_t *x, size_t n, const uint8_t *table, uint64_t *out),                \
      (x, n, table, out))                                                                          \
    V(table_32, (const uint32_t *x, size_t n, const uint8_t *table, uint64_t *out),                \
      (x, n, table, out))                                                                          \
    V(and_words, (const uint64_t *a, const uint64_t *b, size_t words, uint64_t *out),              \
      (a, b, words, out))                                                                          \
    V(or_words, (const uint64_t *a, const uint64_t *b, size_t words, uint64_t *out),               \
      (a, b, words, out))                                                                          \
    V(not_bits, (const uint64_t *a, size_t n, uint64_t *out), (a, n, out))                         \
    V(changes_32, (const uint32_t *x, size_t n, uint64_t *out), (x, n, out))                       \
    S(count_bits, (const uint64_t *bits, size_t words), (bits, words))                             \
    S(positions, (const uint64_t *bits, size_t n, uint32_t *out), (bits, n, out))                  \
    V(neighbours_32, (const uint32_t *x, size_t n, uint64_t *equal, uint64_t *greater),            \
      (x, n, equal, greater))                                                                      \
    V(find_ends, (const char *bytes, size_t n, const char *needle, size_t length, uint64_t *out),  \
      (bytes, n, needle, length, out))                                                             \
    V(any_of_owner,                                                                                \
      (const uint64_t *bits, const uint64_t *ends, size_t n_items, const uint64_t *filled,         \
       size_t n_owners, uint64_t *out),                                                            \
      (bits, ends, n_items, filled, n_owners, out))                                                \
    V(count_of_owner,                                                                              \
      (const uint64_t *bits, const uint32_t *offsets, size_t n_owners, int64_t *out),              \
      (bits, offsets, n_owners, out))                                                              \
    V(compare_integer, (int op, const int64_t *a, const int64_t *b, size_t n, uint64_t *out),      \
      (op, a, b, n, out))                                                                          \
    V(compare_double, (int op, const double *a, const double *b, size_t n, uint64_t *out),         \
      (op, a, b, n, out))

typedef enum kernel_index {
#define K(name, parameters, arguments) KERNEL_##name,
    KERNELS(K, K)
#undef K
        N_KERNELS
} kernel_index;

/* A kernel that is not in the list would run uncounted: add it, and see to it that the random cases
 * reach it. */
_Static_assert(sizeof(kernel_set) == sizeof(char *) + N_KERNELS * sizeof(void (*)(void)),
               "KERNELS lists every kernel of the set");

enum {
#define P(id, name) COUNT_##id,
    PLAN_OPERATIONS(P)
#undef P
        N_OPERATIONS
};

static const char *const kernel_names[] = {
#define K(name, parameters, arguments) #name,
    KERNELS(K, K)
#undef K
};

static const char *const operation_names[] = {
#define P(id, name) name,
    PLAN_OPERATIONS(P)
#undef P
};

static struct {
    _Atomic(const kernel_set *) kernels; /* those that are counted */
    _Atomic uint64_t n_calls[N_KERNELS]; /* relaxed, as the next: they are only read at the end */
    _Atomic uint64_t n_nodes[N_OPERATIONS];
} watched;

static const kernel_set *counted(kernel_index index)
{
    atomic_fetch_add_explicit(&watched.n_calls[index], 1, memory_order_relaxed);
    return atomic_load_explicit(&watched.kernels, memory_order_acquire);
}

#define V(name, parameters, arguments)                                                             \
    static void counted_##name parameters                                                          \
    {                                                                                              \
        counted(KERNEL_##name)->name arguments;                                                    \
    }
#define S(name, parameters, arguments)                                                             \
    static size_t counted_##name parameters                                                        \
    {                                                                                              \
        return counted(KERNEL_##name)->name arguments;                                             \
    }
KERNELS(V, S)
#undef V
#undef S

static const kernel_set counting_kernels = {.name = "counting",
#define K(name, parameters, arguments) .name = counted_##name,
                                            KERNELS(K, K)
#undef K
};

void mu_coverage_watch(mu_job *job)
{
    for (uint32_t i = 0; i < job->plan.n_nodes; i++)
        if (job->plan.nodes[i].n_uses > 0)
            atomic_fetch_add_explicit(&watched.n_nodes[job->plan.nodes[i].operation], 1,
                                      memory_order_relaxed);
    atomic_store_explicit(&watched.kernels, job->kernels, memory_order_release);
    job->kernels = &counting_kernels;
}

static void write_counts(mu_buf *buf, const char *title, size_t n, const char *const *names,
                         _Atomic uint64_t *counts)
{
    mu_buf_add_format(buf, "%s:", title);
    for (size_t i = 0; i < n; i++)
        mu_buf_add_format(buf, "%s %s %" PRIu64, i == 0 ? "" : ",", names[i], counts[i]);
    mu_buf_add_char(buf, '\n');
}

void mu_coverage_write(mu_buf *buf)
{
    write_counts(buf, "plan operations", N_OPERATIONS, operation_names, watched.n_nodes);
    write_counts(buf, "kernels", N_KERNELS, kernel_names, watched.n_calls);
}

static uint32_t add_missing(mu_buf *buf, size_t n, const char *const *names,
                            _Atomic uint64_t *counts)
{
    uint32_t n_missing = 0;
    for (size_t i = 0; i < n; i++) {
        if (counts[i] > 0)
            continue;
        mu_buf_add_format(buf, " %s", names[i]);
        n_missing++;
    }
    return n_missing;
}

uint32_t mu_coverage_missing(mu_buf *buf)
{
    return add_missing(buf, N_OPERATIONS, operation_names, watched.n_nodes) +
           add_missing(buf, N_KERNELS, kernel_names, watched.n_calls);
}
