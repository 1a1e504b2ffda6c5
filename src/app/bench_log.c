#include "app/bench_log.h"

#include "base/time.h"
#include "store/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RECORD_BYTES 1200u

typedef struct run {
    mu_bench_log *bench;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t moved;
    int64_t *times_ns;  /* of each append: when it began, then how long it took to be durable */
    uint32_t n_durable; /* appends */
    mu_code failure;
} run;

static mu_code ignore(void *context, uint64_t sequence, mu_str payload, mu_err *err)
{
    (void)context, (void)sequence, (void)payload, (void)err;
    return MU_OK;
}

static void on_synced(void *context, uint64_t sequence, mu_code code)
{
    run *r = context;
    int64_t now_ns = mu_monotonic_ns();
    pthread_mutex_lock(&r->lock);
    uint32_t n = (uint32_t)(sequence / r->bench->group_size);
    for (; r->n_durable < n; r->n_durable++)
        r->times_ns[r->n_durable] = now_ns - r->times_ns[r->n_durable];
    r->failure = code;
    pthread_cond_signal(&r->moved);
    pthread_mutex_unlock(&r->lock);
}

/* Waits until fewer than `n` of the first `n_appended` appends are not durable. */
static mu_code wait_for_room(run *r, uint32_t n_appended, uint32_t n)
{
    pthread_mutex_lock(&r->lock);
    while (n_appended - r->n_durable >= n && r->failure == MU_OK)
        pthread_cond_wait(&r->moved, &r->lock);
    mu_code code = r->failure;
    if (n_appended < r->bench->n_records / r->bench->group_size)
        r->times_ns[n_appended] = mu_monotonic_ns();
    pthread_mutex_unlock(&r->lock);
    return code;
}

static mu_code append_all(run *r, mu_log *log, const mu_str *payloads, mu_err *err)
{
    mu_bench_log *bench = r->bench;
    uint32_t n = bench->n_records / bench->group_size;
    uint64_t last;
    int64_t start_ns = mu_monotonic_ns();
    for (uint32_t i = 0; i < n; i++) {
        if (wait_for_room(r, i, bench->in_flight_max) != MU_OK)
            return mu_log_health(log, err);
        MU_TRY(mu_log_append(log, bench->group_size, payloads, &last, err));
    }
    if (wait_for_room(r, n, 1) != MU_OK)
        return mu_log_health(log, err);
    bench->took_ns = mu_monotonic_ns() - start_ns;
    return MU_OK;
}

static int compare_times(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static mu_code run_log(run *r, const mu_str *payloads, mu_err *err)
{
    mu_bench_log *bench = r->bench;
    mu_metrics *metrics = mu_metrics_new();
    mu_log_options options = {.folder = bench->folder,
                              .apply = ignore,
                              .synced = on_synced,
                              .context = r,
                              .metrics = metrics};
    mu_log *log;
    mu_code code = mu_log_open(&options, &log, err);
    if (code == MU_OK) {
        code = append_all(r, log, payloads, err);
        mu_log_close(log);
    }
    mu_counter *commits = mu_metrics_counter(metrics, "muster_log_commits_total",
                                             "Blocks written to the log and synced.", NULL, 0);
    mu_counter *bytes = mu_metrics_counter(metrics, "muster_log_bytes_total",
                                           "Bytes written to the log and synced.", NULL, 0);
    bench->n_commits = atomic_load_explicit(&commits->value, memory_order_relaxed);
    bench->n_bytes = atomic_load_explicit(&bytes->value, memory_order_relaxed);
    mu_metrics_free(metrics);
    uint32_t n = bench->n_records / bench->group_size;
    qsort(r->times_ns, n, sizeof *r->times_ns, compare_times);
    bench->p50_ns = r->times_ns[n / 2];
    bench->p99_ns = r->times_ns[(uint64_t)n * 99 / 100];
    return code;
}

/* Writes to a file whose space is reserved, as the log does. */
static mu_code write_limit(mu_bench_log *bench, int fd, const char *path, mu_err *err)
{
    uint64_t size = bench->n_bytes / bench->n_commits, at = 0;
    char *bytes = malloc(size);
    if (bytes == NULL)
        return mu_fail(err, MU_E_NOMEM, "no memory for %llu bytes", (unsigned long long)size);
    memset(bytes, 'x', size);
    mu_code code = MU_OK;
    if (posix_fallocate(fd, 0, (off_t)bench->n_bytes) != 0 || fsync(fd) != 0)
        code = mu_fail_errno(err, "cannot reserve space for %s", path);
    int64_t start_ns = mu_monotonic_ns();
    for (uint64_t i = 0; i < bench->n_commits && code == MU_OK; i++, at += size)
        if (pwrite(fd, bytes, size, (off_t)at) != (ssize_t)size || fdatasync(fd) != 0)
            code = mu_fail_errno(err, "cannot write %s", path);
    bench->limit_ns = mu_monotonic_ns() - start_ns;
    free(bytes);
    return code;
}

static mu_code run_limit(mu_bench_log *bench, mu_err *err)
{
    char path[4096];
    int length = snprintf(path, sizeof path, "%s/limit", bench->folder);
    if (length < 0 || (size_t)length >= sizeof path)
        return mu_fail(err, MU_E_INPUT, "the path of the folder is too long");
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return mu_fail_errno(err, "cannot make %s", path);
    mu_code code = write_limit(bench, fd, path, err);
    close(fd);
    unlink(path);
    return code;
}

mu_code mu_bench_log_run(mu_bench_log *bench, mu_err *err)
{
    run r = {.bench = bench};
    uint32_t n = bench->n_records / bench->group_size;
    char record[RECORD_BYTES];
    memset(record, 'r', sizeof record);
    mu_str *payloads = calloc(bench->group_size, sizeof *payloads);
    r.times_ns = calloc(n, sizeof *r.times_ns);
    mu_code code = MU_E_NOMEM;
    pthread_mutex_init(&r.lock, NULL);
    pthread_cond_init(&r.moved, NULL);
    if (payloads == NULL || r.times_ns == NULL) {
        code = mu_fail(err, MU_E_NOMEM, "no memory for %u measurements", n);
        goto done;
    }
    for (uint32_t i = 0; i < bench->group_size; i++)
        payloads[i] = (mu_str){record, sizeof record};
    code = run_log(&r, payloads, err);
    if (code == MU_OK)
        code = run_limit(bench, err);
done:
    pthread_cond_destroy(&r.moved);
    pthread_mutex_destroy(&r.lock);
    free(r.times_ns);
    free(payloads);
    return code;
}
