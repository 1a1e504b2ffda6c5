#include "base/metrics.h"

#include "base/arena.h"

#include <pthread.h>
#include <stdlib.h>

enum metric_kind { COUNTER, GAUGE, HISTOGRAM };

typedef struct series series;
struct series {
    series *next;
    mu_str labels; /* as printed between the braces, empty when there are none */
    union {
        mu_counter counter;
        mu_gauge gauge;
        mu_histogram histogram;
    };
};

typedef struct family family;
struct family {
    family *next;
    const char *name, *help;
    enum metric_kind kind;
    series *first, *last;
};

struct mu_metrics {
    pthread_mutex_t lock; /* guards the lists and the arena, not the numbers */
    mu_arena arena;
    family *first, *last;
};

static const char *const kind_names[] = {"counter", "gauge", "histogram"};

static const struct bucket {
    int64_t bound_ns;
    const char *label;
} buckets[MU_HISTOGRAM_BUCKETS] = {
    {500000, "0.0005"},  {1000000, "0.001"},  {2500000, "0.0025"}, {5000000, "0.005"},
    {10000000, "0.01"},  {25000000, "0.025"}, {50000000, "0.05"},  {100000000, "0.1"},
    {250000000, "0.25"}, {500000000, "0.5"},  {1000000000, "1"},   {2500000000, "2.5"},
    {5000000000, "5"},   {10000000000, "10"}, {INT64_MAX, "+Inf"},
};

mu_metrics *mu_metrics_new(void)
{
    mu_metrics *metrics = calloc(1, sizeof(*metrics));
    if (metrics == NULL)
        return NULL;
    pthread_mutex_init(&metrics->lock, NULL);
    mu_arena_init(&metrics->arena, SIZE_MAX);
    return metrics;
}

void mu_metrics_free(mu_metrics *metrics)
{
    if (metrics == NULL)
        return;
    pthread_mutex_destroy(&metrics->lock);
    mu_arena_free(&metrics->arena);
    free(metrics);
}

static void add_label_value(mu_buf *out, mu_str value)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (c == '\n')
            MU_BUF_ADD(out, "\\n");
        else if (c == '"' || c == '\\')
            mu_buf_add(out, (char[]){'\\', c}, 2);
        else
            mu_buf_add_char(out, c);
    }
}

static void add_labels(mu_buf *out, const mu_label *labels, size_t n_labels)
{
    for (size_t i = 0; i < n_labels; i++) {
        mu_buf_add_format(out, "%s%s=\"", i == 0 ? "" : ",", labels[i].name);
        add_label_value(out, labels[i].value);
        mu_buf_add_char(out, '"');
    }
}

static family *find_family(mu_metrics *metrics, const char *name, const char *help,
                           enum metric_kind kind)
{
    for (family *at = metrics->first; at != NULL; at = at->next) {
        if (strcmp(at->name, name) == 0) {
            MU_ASSERT(at->kind == kind);
            return at;
        }
    }
    family *made = MU_NEW(&metrics->arena, family);
    *made = (family){.name = name, .help = help, .kind = kind};
    if (metrics->last == NULL)
        metrics->first = made;
    else
        metrics->last->next = made;
    metrics->last = made;
    return made;
}

static series *find_series(mu_metrics *metrics, family *of, mu_str labels)
{
    for (series *at = of->first; at != NULL; at = at->next) {
        if (mu_str_equal(at->labels, labels))
            return at;
    }
    series *made = MU_NEW(&metrics->arena, series);
    made->labels = mu_arena_copy(&metrics->arena, labels);
    if (of->last == NULL)
        of->first = made;
    else
        of->last->next = made;
    of->last = made;
    return made;
}

static series *find(mu_metrics *metrics, const char *name, const char *help, enum metric_kind kind,
                    const mu_label *labels, size_t n_labels)
{
    mu_buf text;
    mu_buf_init(&text, 1 << 16);
    add_labels(&text, labels, n_labels);
    MU_ASSERT(!text.failed);
    pthread_mutex_lock(&metrics->lock);
    family *of = find_family(metrics, name, help, kind);
    series *found = find_series(metrics, of, mu_buf_str(&text));
    pthread_mutex_unlock(&metrics->lock);
    mu_buf_free(&text);
    return found;
}

mu_counter *mu_metrics_counter(mu_metrics *metrics, const char *name, const char *help,
                               const mu_label *labels, size_t n_labels)
{
    return &find(metrics, name, help, COUNTER, labels, n_labels)->counter;
}

mu_gauge *mu_metrics_gauge(mu_metrics *metrics, const char *name, const char *help,
                           const mu_label *labels, size_t n_labels)
{
    return &find(metrics, name, help, GAUGE, labels, n_labels)->gauge;
}

mu_histogram *mu_metrics_histogram(mu_metrics *metrics, const char *name, const char *help,
                                   const mu_label *labels, size_t n_labels)
{
    return &find(metrics, name, help, HISTOGRAM, labels, n_labels)->histogram;
}

void mu_histogram_observe(mu_histogram *histogram, int64_t duration_ns)
{
    if (duration_ns < 0)
        duration_ns = 0;
    size_t bucket = 0;
    while (duration_ns > buckets[bucket].bound_ns)
        bucket++;
    atomic_fetch_add_explicit(&histogram->counts[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum_ns, (uint64_t)duration_ns, memory_order_relaxed);
}

/* `name` with its labels in braces. */
static void write_name(mu_buf *out, const char *name, mu_str labels)
{
    mu_buf_add_str(out, mu_str_from(name));
    if (labels.len > 0) {
        mu_buf_add_char(out, '{');
        mu_buf_add_str(out, labels);
        mu_buf_add_char(out, '}');
    }
    mu_buf_add_char(out, ' ');
}

static void write_histogram(mu_buf *out, const char *name, series *of)
{
    uint64_t total = 0;
    for (size_t i = 0; i < MU_HISTOGRAM_BUCKETS; i++) {
        total += atomic_load_explicit(&of->histogram.counts[i], memory_order_relaxed);
        mu_buf_add_format(out, "%s_bucket{", name);
        mu_buf_add_str(out, of->labels);
        mu_buf_add_format(out, "%sle=\"%s\"} %llu\n", of->labels.len > 0 ? "," : "",
                          buckets[i].label, (unsigned long long)total);
    }
    uint64_t sum_ns = atomic_load_explicit(&of->histogram.sum_ns, memory_order_relaxed);
    mu_buf_add_format(out, "%s_sum", name);
    write_name(out, "", of->labels);
    mu_buf_add_format(out, "%llu.%09llu\n", (unsigned long long)(sum_ns / 1000000000),
                      (unsigned long long)(sum_ns % 1000000000));
    mu_buf_add_format(out, "%s_count", name);
    write_name(out, "", of->labels);
    mu_buf_add_format(out, "%llu\n", (unsigned long long)total);
}

static void write_series(mu_buf *out, const family *of, series *at)
{
    if (of->kind == HISTOGRAM) {
        write_histogram(out, of->name, at);
        return;
    }
    write_name(out, of->name, at->labels);
    if (of->kind == COUNTER)
        mu_buf_add_format(
            out, "%llu\n",
            (unsigned long long)atomic_load_explicit(&at->counter.value, memory_order_relaxed));
    else
        mu_buf_add_format(out, "%lld\n",
                          (long long)atomic_load_explicit(&at->gauge.value, memory_order_relaxed));
}

void mu_metrics_write(mu_metrics *metrics, mu_buf *out)
{
    pthread_mutex_lock(&metrics->lock);
    for (family *of = metrics->first; of != NULL; of = of->next) {
        mu_buf_add_format(out, "# HELP %s %s\n# TYPE %s %s\n", of->name, of->help, of->name,
                          kind_names[of->kind]);
        for (series *at = of->first; at != NULL; at = at->next)
            write_series(out, of, at);
    }
    pthread_mutex_unlock(&metrics->lock);
}
