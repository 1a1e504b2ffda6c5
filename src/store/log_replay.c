/* log_replay.c -- reading segments: all of them when the log is opened, and for verify. */
#include "base/file.h"
#include "store/log_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static unsigned long long number(uint64_t n)
{
    return (unsigned long long)n;
}

/* Says what is wrong in which file and where. */
static mu_code damaged(const mu_log_reader *reader, const char *path, mu_err *err)
{
    return mu_fail(err, MU_E_CORRUPT, "%s is damaged at byte %zu: %s", path, reader->at,
                   reader->reason);
}

/* -------- replay -------- */

typedef struct replay {
    mu_log *log;
    size_t n;
    uint64_t *segments;
    uint64_t sequence; /* of the record that comes next */
} replay;

static mu_code apply_block(mu_log *log, mu_log_block block, mu_err *err)
{
    mu_str payload;
    for (uint64_t sequence = block.first_sequence; mu_log_block_next(&block, &payload); sequence++)
        if (sequence >= log->options.first_sequence)
            MU_TRY(log->options.apply(log->options.context, sequence, payload, err));
    return MU_OK;
}

/* Segments whose records are all in parts: a trim that a crash cut short goes on. */
static mu_code drop_folded(replay *r, mu_err *err)
{
    size_t n = 0;
    char path[MU_LOG_PATH_MAX];
    while (n + 1 < r->n && r->segments[n + 1] <= r->log->options.first_sequence)
        n++;
    for (size_t i = 0; i < n; i++) {
        mu_log_segment_path(r->log->folder, r->segments[i], ".log", path);
        if (unlink(path) != 0)
            return mu_fail_errno(err, "cannot remove %s", path);
    }
    if (n == 0)
        return MU_OK;
    r->n -= n;
    memmove(r->segments, r->segments + n, r->n * sizeof *r->segments);
    return mu_sync_directory(r->log->folder, err);
}

/* The segment that records will be written to: what a crash left behind its blocks is cut away, and
 * all that was read is synced, since the process that wrote it may have been killed before it was.
 */
static mu_code continue_segment(mu_log *log, const mu_log_reader *reader, bool is_torn, mu_err *err)
{
    log->fd = open(log->path, O_RDWR | O_CLOEXEC);
    if (log->fd < 0)
        return mu_fail_errno(err, "cannot open %s", log->path);
    if (is_torn && ftruncate(log->fd, (off_t)reader->at) != 0)
        return mu_fail_errno(err, "cannot cut %s", log->path);
    log->salt = reader->salt;
    log->end = reader->at;
    log->needs_seal = is_torn || !reader->is_sealed;
    MU_TRY(mu_log_sync(&log->system, log->fd, log->path, err));
    return mu_sync_directory(log->folder, err);
}

/* The segment after this one was begun when everything in this one was durable: what cannot be read
 * and is no record can only be the seal. */
static bool is_harmed(const mu_log_reader *reader, mu_log_step step, bool is_last,
                      uint64_t next_sequence)
{
    return step == MU_LOG_STEP_DAMAGED ||
           (step == MU_LOG_STEP_TORN && !is_last && reader->sequence != next_sequence);
}

static mu_code read_segment(replay *r, size_t i, const uint8_t *bytes, size_t size, mu_err *err)
{
    mu_log *log = r->log;
    mu_log_reader reader;
    mu_log_block block;
    mu_log_step step;
    bool is_last = i + 1 == r->n;
    if (!mu_log_reader_init(&reader, bytes, size, r->segments[i]))
        return damaged(&reader, log->path, err);
    while ((step = mu_log_reader_next(&reader, &block)) == MU_LOG_STEP_BLOCK)
        MU_TRY(apply_block(log, block, err));
    if (is_harmed(&reader, step, is_last, is_last ? 0 : r->segments[i + 1]))
        return damaged(&reader, log->path, err);
    r->sequence = reader.sequence;
    if (is_last && reader.continues)
        return mu_fail(err, MU_E_CORRUPT,
                       "the segment of the log after %s, which begins with record %llu, is missing",
                       log->path, number(reader.sequence));
    if (is_last && reader.sequence < log->options.first_sequence)
        return mu_fail(err, MU_E_CORRUPT,
                       "%s ends at byte %zu, before record %llu, but records up to %llu are in "
                       "parts already",
                       log->path, reader.at, number(reader.sequence),
                       number(log->options.first_sequence - 1));
    MU_TRY(mu_log_add_segment(log, r->segments[i], reader.at, err));
    return is_last ? continue_segment(log, &reader, step == MU_LOG_STEP_TORN, err) : MU_OK;
}

static mu_code replay_segment(replay *r, size_t i, mu_err *err)
{
    mu_log *log = r->log;
    uint8_t *bytes;
    size_t size;
    mu_log_segment_path(log->folder, r->segments[i], ".log", log->path);
    bool is_gap = i == 0 ? r->segments[0] > r->sequence : r->segments[i] != r->sequence;
    if (is_gap && r->segments[i] > r->sequence)
        return mu_fail(err, MU_E_CORRUPT,
                       "records %llu to %llu of the log are missing: the next segment is %s",
                       number(r->sequence), number(r->segments[i] - 1), log->path);
    if (is_gap)
        return mu_fail(err, MU_E_CORRUPT,
                       "%s begins with a record that the segment before it has too: that one goes "
                       "on to record %llu",
                       log->path, number(r->sequence - 1));
    MU_TRY(mu_log_read_file(log->path, &bytes, &size, err));
    mu_code code = read_segment(r, i, bytes, size, err);
    free(bytes);
    return code;
}

mu_code mu_log_replay(mu_log *log, mu_err *err)
{
    replay r = {.log = log, .sequence = log->options.first_sequence};
    MU_TRY(mu_log_list(log->folder, true, &r.n, &r.segments, err));
    mu_code code = drop_folded(&r, err);
    for (size_t i = 0; code == MU_OK && i < r.n; i++)
        code = replay_segment(&r, i, err);
    free(r.segments);
    if (code != MU_OK)
        return code;
    log->written_sequence = log->next_sequence = r.sequence;
    log->durable_sequence = r.sequence - 1;
    return MU_OK;
}

/* -------- checking -------- */

typedef struct check {
    const char *folder;
    void (*problem)(void *context, mu_str sentence);
    void *context;
    mu_log_report report;
    uint64_t expected; /* the sequence that the next segment begins with; 0: any */
    bool continues;    /* the segment read last says that there is a next one */
} check;

static void tell(check *c, const mu_err *err)
{
    if (c->problem != NULL)
        c->problem(c->context, mu_str_from(err->text));
}

typedef struct segment_sum {
    uint64_t n_records, n_bytes, next_sequence;
    bool is_torn, continues;
} segment_sum;

static mu_code check_bytes(const char *path, uint64_t first_sequence, bool is_last,
                           uint64_t next_sequence, const uint8_t *bytes, size_t size,
                           segment_sum *out, mu_err *err)
{
    mu_log_reader reader;
    mu_log_block block;
    mu_log_step step;
    *out = (segment_sum){0};
    if (!mu_log_reader_init(&reader, bytes, size, first_sequence))
        return damaged(&reader, path, err);
    while ((step = mu_log_reader_next(&reader, &block)) == MU_LOG_STEP_BLOCK)
        out->n_records += block.n_records;
    out->n_bytes = reader.at;
    out->continues = reader.continues;
    out->is_torn = step == MU_LOG_STEP_TORN && is_last;
    if (is_harmed(&reader, step, is_last, next_sequence))
        return damaged(&reader, path, err);
    out->next_sequence = reader.sequence;
    return MU_OK;
}

/* A server beside us may write while we read, so that a block seems damaged that is not, and may
 * make segments: what looks wrong is looked at again. */
static mu_code check_segment(check *c, uint64_t first_sequence, bool is_last,
                             uint64_t next_sequence, segment_sum *sum, mu_err *err)
{
    char path[MU_LOG_PATH_MAX];
    uint8_t *bytes;
    size_t size;
    mu_code code = MU_OK;
    mu_log_segment_path(c->folder, first_sequence, ".log", path);
    for (int attempt = 0; attempt < 2; attempt++) {
        MU_TRY(mu_log_read_file(path, &bytes, &size, err));
        code = check_bytes(path, first_sequence, is_last, next_sequence, bytes, size, sum, err);
        free(bytes);
        if (code == MU_OK)
            break;
    }
    return code;
}

static void add_segment(check *c, uint64_t first_sequence, const segment_sum *sum)
{
    c->report.n_segments++;
    c->report.n_bytes += sum->n_bytes;
    c->report.n_records += sum->n_records;
    if (sum->n_records == 0)
        return;
    if (c->report.first_sequence == 0)
        c->report.first_sequence = first_sequence;
    c->report.last_sequence = first_sequence + sum->n_records - 1;
}

/* `next_sequence`: that the segment after it begins with, unless it is the last one. */
static mu_code check_next(check *c, uint64_t first_sequence, bool is_last, uint64_t next_sequence,
                          mu_err *err)
{
    segment_sum sum = {0};
    mu_err problem;
    if (c->expected != 0 && first_sequence != c->expected) {
        (void)mu_fail(&problem, MU_E_CORRUPT,
                      "%s/%016llx.log begins with record %llu, but the segment before it ends "
                      "before record %llu",
                      c->folder, number(first_sequence), number(first_sequence),
                      number(c->expected));
        tell(c, &problem);
    }
    mu_code code = check_segment(c, first_sequence, is_last, next_sequence, &sum, &problem);
    if (code == MU_E_NOT_FOUND) { /* trimmed away meanwhile */
        c->expected = 0;
        return MU_OK;
    }
    if (code != MU_OK && code != MU_E_CORRUPT)
        return mu_fail(err, code, "%s", problem.text);
    if (code == MU_E_CORRUPT)
        tell(c, &problem);
    add_segment(c, first_sequence, &sum);
    c->expected = code == MU_OK ? sum.next_sequence : 0;
    c->continues = code == MU_OK && sum.continues;
    c->report.has_torn_tail |= sum.is_torn;
    return MU_OK;
}

/* The last segment says that another one follows: a server beside us may have made it meanwhile. */
static void check_end(check *c)
{
    char path[MU_LOG_PATH_MAX];
    mu_err problem;
    if (!c->continues)
        return;
    mu_log_segment_path(c->folder, c->expected, ".log", path);
    if (access(path, F_OK) == 0)
        return;
    (void)mu_fail(&problem, MU_E_CORRUPT, "%s is missing: the segment before it says it follows",
                  path);
    tell(c, &problem);
}

mu_code mu_log_verify(const char *folder, void (*problem)(void *context, mu_str sentence),
                      void *context, mu_log_report *out, mu_err *err)
{
    char log_folder[MU_LOG_PATH_MAX];
    size_t n;
    uint64_t *segments;
    MU_TRY(mu_log_folder_path(folder, log_folder, err));
    MU_TRY(mu_log_list(log_folder, false, &n, &segments, err));
    check c = {.folder = log_folder, .problem = problem, .context = context};
    mu_code code = MU_OK;
    for (size_t i = 0; code == MU_OK && i < n; i++)
        code = check_next(&c, segments[i], i + 1 == n, i + 1 == n ? 0 : segments[i + 1], err);
    if (code == MU_OK)
        check_end(&c);
    free(segments);
    if (code == MU_OK)
        *out = c.report;
    return code;
}
