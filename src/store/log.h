/* log.h -- the durable log: what was accepted and is not yet in parts (design.md 3).
 *
 *   DIR/log/SEQUENCE.log    segments; the name is the sequence number of the first record, in
 *                           sixteen hexadecimal digits
 *   record                  length, CRC32C, sequence number, payload; docs/storage.md has the bytes
 *
 * One log per data folder, over all sandboxes. Records get consecutive sequence numbers from 1 in
 * the order of mu_log_append. One commit thread writes what has gathered and shares one fdatasync
 * among all who wait. A write or sync that fails ends acceptance for good: it is never retried and
 * believed; every later append is MU_E_IO and says so.
 */
#ifndef MU_STORE_LOG_H
#define MU_STORE_LOG_H

#include "base/metrics.h"
#include "base/str.h"

typedef struct mu_log mu_log;

/* A record that is durable (or was found at opening), in the order of sequence numbers. `payload`
 * lives during the call. Called by the commit thread, at opening by the opening thread. Failing
 * ends acceptance. */
typedef mu_code mu_log_apply(void *context, uint64_t sequence, mu_str payload, mu_err *err);

/* Called by the commit thread after each sync, once everything up to `sequence` is applied; and
 * with a code other than MU_OK once, when acceptance ended. */
typedef void mu_log_synced(void *context, uint64_t sequence, mu_code code);

/* The calls through which the log reaches the disk, for tests that make them fail. */
typedef struct mu_log_system {
    int64_t (*write)(void *context, int fd, const void *bytes, size_t size, uint64_t offset);
    int (*sync)(void *context, int fd);
    void *context;
} mu_log_system;

typedef struct mu_log_options {
    const char *folder;       /* the data folder; DIR/log is made when missing */
    uint64_t first_sequence;  /* records before it are in parts already and are skipped */
    uint64_t segment_bytes;   /* 0: 64 MiB */
    size_t backlog_bytes_max; /* appended and not yet durable; over it MU_E_LIMIT. 0: 64 MiB */
    mu_log_apply *apply;
    mu_log_synced *synced;
    void *context;
    const mu_log_system *system; /* NULL: pwrite and fdatasync */
    mu_metrics *metrics;         /* NULL allowed: commits, bytes, time of a sync */
} mu_log_options;

/* Opens the log, gives every record from first_sequence on to `apply`, and starts the commit
 * thread. What a crash tore off at the very end of the last segment is cut away; damage anywhere
 * else is MU_E_CORRUPT and names file and offset. A missing segment is too. */
MU_CHECKED mu_code mu_log_open(const mu_log_options *options, mu_log **out, mu_err *err);

/* Appends `n` records, all or none of them, consecutive. They are copied. *last is the sequence
 * number of the last one; it is durable once `synced` has said so. Any thread. */
MU_CHECKED mu_code mu_log_append(mu_log *log, size_t n, const mu_str *payloads, uint64_t *last,
                                 mu_err *err);

/* Waits until everything up to `sequence` is durable and applied. */
MU_CHECKED mu_code mu_log_wait(mu_log *log, uint64_t sequence, mu_err *err);

/* The number that the next record will get. */
uint64_t mu_log_next_sequence(mu_log *log);

/* Begins a new segment with the next record, so that what lies before can be trimmed away. */
MU_CHECKED mu_code mu_log_rotate(mu_log *log, mu_err *err);

/* Removes the segments that hold only records before `sequence`. */
MU_CHECKED mu_code mu_log_trim(mu_log *log, uint64_t sequence, mu_err *err);

/* MU_OK, or why nothing is accepted any more. Any thread. */
MU_CHECKED mu_code mu_log_health(mu_log *log, mu_err *err);

/* Bytes in all segments. */
uint64_t mu_log_bytes(mu_log *log);

/* Makes everything appended durable, then stops. */
void mu_log_close(mu_log *log);

/* -------- checking and copying, without opening -------- */

typedef struct mu_log_report {
    uint64_t n_segments, n_records, n_bytes;
    uint64_t first_sequence, last_sequence; /* 0 when empty */
    bool has_torn_tail;                     /* allowed: a crash does that */
} mu_log_report;

/* Reads every segment of DIR/log. Each problem is given to `problem` as one sentence. */
MU_CHECKED mu_code mu_log_verify(const char *folder,
                                 void (*problem)(void *context, mu_str sentence), void *context,
                                 mu_log_report *out, mu_err *err);

#endif
