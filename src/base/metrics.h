/* metrics.h -- counters, gauges and latency histograms, printed as Prometheus text (0.0.4).
 *
 * A registry owns its metrics; the pointers it gives stay valid as long as it lives. Asking again
 * for the same name and labels gives the same metric. Counting is lock-free and may happen on any
 * thread; finding and printing take the registry's lock.
 */
#ifndef MU_BASE_METRICS_H
#define MU_BASE_METRICS_H

#include "base/buf.h"

#include <stdatomic.h>

typedef struct mu_metrics mu_metrics;

typedef struct mu_counter {
    _Atomic uint64_t value; /* relaxed: only the sum matters */
} mu_counter;

typedef struct mu_gauge {
    _Atomic int64_t value; /* relaxed, as above */
} mu_gauge;

#define MU_HISTOGRAM_BUCKETS 15 /* the last is +Inf */

/* Durations, in buckets from 0.5 ms to 10 s. */
typedef struct mu_histogram {
    _Atomic uint64_t counts[MU_HISTOGRAM_BUCKETS]; /* not cumulative; relaxed */
    _Atomic uint64_t sum_ns;
} mu_histogram;

/* Label values are copied; they may hold any bytes. Names are literals of [a-z_]. */
typedef struct mu_label {
    const char *name;
    mu_str value;
} mu_label;

mu_metrics *mu_metrics_new(void);
void mu_metrics_free(mu_metrics *metrics);

/* `name` and `help` are literals; a counter's name ends in _total, a histogram's in _seconds. A
 * name has one kind and one help text. Out of memory ends the process. */
mu_counter *mu_metrics_counter(mu_metrics *metrics, const char *name, const char *help,
                               const mu_label *labels, size_t n_labels);
mu_gauge *mu_metrics_gauge(mu_metrics *metrics, const char *name, const char *help,
                           const mu_label *labels, size_t n_labels);
mu_histogram *mu_metrics_histogram(mu_metrics *metrics, const char *name, const char *help,
                                   const mu_label *labels, size_t n_labels);

static inline void mu_counter_add(mu_counter *counter, uint64_t by)
{
    atomic_fetch_add_explicit(&counter->value, by, memory_order_relaxed);
}

static inline void mu_gauge_add(mu_gauge *gauge, int64_t by)
{
    atomic_fetch_add_explicit(&gauge->value, by, memory_order_relaxed);
}

static inline void mu_gauge_set(mu_gauge *gauge, int64_t value)
{
    atomic_store_explicit(&gauge->value, value, memory_order_relaxed);
}

void mu_histogram_observe(mu_histogram *histogram, int64_t duration_ns);

/* Appends all metrics in the order of their first use. */
void mu_metrics_write(mu_metrics *metrics, mu_buf *out);

#endif
