/* bench_log.h -- how fast records become durable, and how fast the disk would let them. */
#ifndef MU_APP_BENCH_LOG_H
#define MU_APP_BENCH_LOG_H

#include "base/err.h"

typedef struct mu_bench_log {
    /* what to do */
    const char *folder; /* holds the log; must not have one yet */
    uint32_t n_records, group_size /* records per append */,
        in_flight_max /* appends not durable */;
    /* what came of it */
    int64_t took_ns;
    int64_t p50_ns, p99_ns; /* from an append to its being durable */
    uint64_t n_commits, n_bytes;
    int64_t limit_ns; /* the same bytes in as many writes and syncs, and nothing else */
} mu_bench_log;

MU_CHECKED mu_code mu_bench_log_run(mu_bench_log *bench, mu_err *err);

#endif
