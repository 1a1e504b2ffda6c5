/* log.c -- an open log: appends gather in one buffer while the commit thread writes and syncs the
 * other one. */
#include "base/file.h"
#include "base/time.h"
#include "store/log_int.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define SEGMENT_BYTES_DEFAULT ((uint64_t)64 << 20)
#define BACKLOG_BYTES_DEFAULT ((size_t)64 << 20)

/* -------- the commit thread -------- */

mu_code mu_log_add_segment(mu_log *log, uint64_t first_sequence, uint64_t n_bytes, mu_err *err)
{
    mu_code code = MU_OK;
    pthread_mutex_lock(&log->lock);
    if (log->n_segments == log->capacity) {
        size_t larger = log->capacity == 0 ? 16 : log->capacity * 2;
        mu_log_segment *grown = reallocarray(log->segments, larger, sizeof *log->segments);
        if (grown == NULL) {
            code = mu_fail(err, MU_E_NOMEM, "no memory for a list of %zu segments", larger);
        } else {
            log->segments = grown;
            log->capacity = larger;
        }
    }
    if (code == MU_OK)
        log->segments[log->n_segments++] = (mu_log_segment){first_sequence, n_bytes};
    pthread_mutex_unlock(&log->lock);
    return code;
}

/* Writes a block without records where the next block will be. It tells a later reader that what
 * lies before was durable. */
static mu_code write_seal(mu_log *log, uint32_t kind, mu_err *err)
{
    uint8_t seal[sizeof(mu_log_block_header) + MU_LOG_ALIGNMENT];
    size_t size = mu_log_finish_block(seal, 0, log->written_sequence, kind, log->salt);
    return mu_log_write_all(&log->system, log->fd, seal, size, log->end, log->path, err);
}

/* Ends the segment in hand, whose successor is on disk. */
static mu_code end_segment(mu_log *log, mu_err *err)
{
    mu_code code = write_seal(log, MU_LOG_CONTINUES, err);
    /* Only gives back space that was reserved; zeros at the end are as good. */
    if (ftruncate(log->fd, (off_t)(log->end + sizeof(mu_log_block_header))) != 0)
        errno = 0;
    close(log->fd);
    log->fd = -1;
    return code;
}

static mu_code begin_segment(mu_log *log, mu_err *err)
{
    int fd = -1;
    uint64_t salt = 0;
    MU_TRY(mu_log_make_segment(&log->system, log->folder, log->written_sequence,
                               log->options.segment_bytes, &fd, &salt, err));
    mu_code code = log->fd >= 0 ? end_segment(log, err) : MU_OK;
    log->fd = fd;
    log->salt = salt;
    log->end = sizeof(mu_log_segment_header);
    mu_log_segment_path(log->folder, log->written_sequence, ".log", log->path);
    return code != MU_OK ? code : mu_log_add_segment(log, log->written_sequence, log->end, err);
}

static bool is_segment_empty(const mu_log *log)
{
    return log->end == sizeof(mu_log_segment_header);
}

static mu_code write_block(mu_log *log, const mu_log_buffer *buffer, mu_err *err)
{
    size_t room = mu_log_block_room(buffer->used);
    bool is_full =
        log->fd >= 0 && !is_segment_empty(log) && log->end + room > log->options.segment_bytes;
    if (log->fd < 0 || is_full)
        MU_TRY(begin_segment(log, err));
    size_t size = mu_log_finish_block(buffer->bytes, buffer->used, buffer->first_sequence,
                                      buffer->n_records, log->salt);
    MU_TRY(mu_log_write_all(&log->system, log->fd, buffer->bytes, size, log->end, log->path, err));
    int64_t start_ns = mu_monotonic_ns();
    MU_TRY(mu_log_sync(&log->system, log->fd, log->path, err));
    if (log->sync_time != NULL) {
        mu_histogram_observe(log->sync_time, mu_monotonic_ns() - start_ns);
        mu_counter_add(log->commits, 1);
        mu_counter_add(log->bytes_written, size);
    }
    log->end += size;
    log->written_sequence += buffer->n_records;
    pthread_mutex_lock(&log->lock);
    log->segments[log->n_segments - 1].n_bytes = log->end;
    pthread_mutex_unlock(&log->lock);
    return MU_OK;
}

/* *applied is the last record that was. */
static mu_code apply_block(mu_log *log, const mu_log_buffer *buffer, uint64_t *applied, mu_err *err)
{
    const uint8_t *records = buffer->bytes + sizeof(mu_log_block_header);
    mu_log_block block = {.first_sequence = buffer->first_sequence,
                          .n_records = buffer->n_records,
                          .at = records,
                          .end = records + buffer->used};
    mu_str payload;
    *applied = buffer->first_sequence - 1;
    while (mu_log_block_next(&block, &payload)) {
        MU_TRY(log->options.apply(log->options.context, *applied + 1, payload, err));
        ++*applied;
    }
    return MU_OK;
}

/* The buffer is free again, and everything up to `durable` is told to those who wait. */
static void release_buffer(mu_log *log, mu_log_buffer *buffer, uint64_t durable)
{
    pthread_mutex_lock(&log->lock);
    log->backlog_bytes -= buffer->used;
    buffer->used = 0;
    buffer->n_records = 0;
    log->durable_sequence = durable;
    if (log->n_waiters > 0)
        pthread_cond_broadcast(&log->done);
    pthread_mutex_unlock(&log->lock);
}

static mu_code commit(mu_log *log, mu_log_buffer *buffer, mu_err *err)
{
    uint64_t applied;
    mu_err seal_err = {0};
    MU_TRY(write_block(log, buffer, err));
    /* The block is durable whatever becomes of its seal: it is acknowledged, then acceptance ends.
     */
    mu_code seal_code = write_seal(log, MU_LOG_SEAL, &seal_err);
    MU_TRY(apply_block(log, buffer, &applied, err));
    release_buffer(log, buffer, applied);
    if (log->options.synced != NULL)
        log->options.synced(log->options.context, applied, MU_OK);
    return seal_code == MU_OK ? MU_OK : mu_fail(err, seal_code, "%s", seal_err.text);
}

static mu_code rotate(mu_log *log, mu_err *err)
{
    if (log->fd >= 0 && !is_segment_empty(log))
        MU_TRY(begin_segment(log, err));
    pthread_mutex_lock(&log->lock);
    log->n_rotated++;
    pthread_cond_broadcast(&log->done);
    pthread_mutex_unlock(&log->lock);
    return MU_OK;
}

/* Nothing that was not acknowledged comes back when the log is opened again, as far as the disk
 * still obeys: a block may have been written and its sync have failed. */
static void end_acceptance(mu_log *log, mu_code code, const mu_err *why)
{
    if (log->fd >= 0 && ftruncate(log->fd, (off_t)log->end) != 0)
        errno = 0;
    pthread_mutex_lock(&log->lock);
    (void)mu_fail(&log->failure, code, "%s", why->text[0] != '\0' ? why->text : mu_code_name(code));
    uint64_t durable = log->durable_sequence;
    pthread_cond_broadcast(&log->done);
    pthread_mutex_unlock(&log->lock);
    if (log->options.synced != NULL)
        log->options.synced(log->options.context, durable, code);
}

/* The buffer that has gathered records, or NULL when a rotation was asked for; false: stop. */
static bool next_work(mu_log *log, mu_log_buffer **out)
{
    pthread_mutex_lock(&log->lock);
    mu_log_buffer *full = &log->buffers[log->filling];
    log->is_waiting = true;
    while (full->n_records == 0 && log->n_rotated == log->n_rotations && !log->is_stopping)
        pthread_cond_wait(&log->wake, &log->lock);
    log->is_waiting = false;
    bool rotates = log->n_rotated < log->n_rotations;
    bool has_work = rotates || full->n_records > 0;
    if (!rotates && has_work) {
        log->filling = 1 - log->filling;
        log->buffers[log->filling].first_sequence = log->next_sequence;
    }
    pthread_mutex_unlock(&log->lock);
    *out = rotates ? NULL : full;
    return has_work;
}

static void *run_commits(void *context)
{
    mu_log *log = context;
    mu_log_buffer *buffer;
    mu_err err = {0};
    mu_code code = log->needs_seal ? write_seal(log, MU_LOG_SEAL, &err) : MU_OK;
    while (code == MU_OK && next_work(log, &buffer))
        code = buffer == NULL ? rotate(log, &err) : commit(log, buffer, &err);
    if (code != MU_OK)
        end_acceptance(log, code, &err);
    return NULL;
}

/* -------- opening -------- */

static int64_t write_at(void *context, int fd, const void *bytes, size_t size, uint64_t offset)
{
    (void)context;
    return pwrite(fd, bytes, size, (off_t)offset);
}

static int sync_data(void *context, int fd)
{
    (void)context;
    return fdatasync(fd);
}

static mu_code take_options(mu_log *log, const mu_log_options *options, mu_err *err)
{
    log->options = *options;
    log->system = options->system != NULL ? *options->system
                                          : (mu_log_system){.write = write_at, .sync = sync_data};
    if (log->options.first_sequence == 0)
        log->options.first_sequence = 1;
    if (log->options.segment_bytes == 0)
        log->options.segment_bytes = SEGMENT_BYTES_DEFAULT;
    if (log->options.backlog_bytes_max == 0)
        log->options.backlog_bytes_max = BACKLOG_BYTES_DEFAULT;
    if (log->options.backlog_bytes_max > MU_LOG_BACKLOG_MAX)
        return mu_fail(err, MU_E_INPUT, "the log's backlog may have at most %zu bytes",
                       MU_LOG_BACKLOG_MAX);
    if (log->options.segment_bytes > (uint64_t)1 << 40)
        return mu_fail(err, MU_E_INPUT, "a segment of the log may have at most 1 TiB");
    mu_metrics *metrics = options->metrics;
    if (metrics == NULL)
        return MU_OK;
    log->commits = mu_metrics_counter(metrics, "muster_log_commits_total",
                                      "Blocks written to the log and synced.", NULL, 0);
    log->bytes_written = mu_metrics_counter(metrics, "muster_log_bytes_total",
                                            "Bytes written to the log and synced.", NULL, 0);
    log->sync_time = mu_metrics_histogram(metrics, "muster_log_sync_seconds",
                                          "Time that syncing the log takes.", NULL, 0);
    return MU_OK;
}

static mu_code make_folder(mu_log *log, mu_err *err)
{
    MU_TRY(mu_log_folder_path(log->options.folder, log->folder, err));
    MU_TRY(mu_make_directories(log->folder, err));
    return mu_sync_directory(log->options.folder, err);
}

/* Memory that is never touched costs nothing: both buffers can hold the whole backlog. */
static mu_code make_buffers(mu_log *log, mu_err *err)
{
    for (int i = 0; i < 2; i++) {
        log->buffers[i].bytes = malloc(mu_log_block_room(log->options.backlog_bytes_max));
        if (log->buffers[i].bytes == NULL)
            return mu_fail(err, MU_E_NOMEM, "no memory for the log's buffers");
    }
    log->buffers[0].first_sequence = log->next_sequence;
    return MU_OK;
}

static mu_code start_thread(mu_log *log, mu_err *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&log->thread, NULL, run_commits, log);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    if (error != 0)
        return mu_fail_errno(err, "cannot start the log's thread");
    return MU_OK;
}

static void free_log(mu_log *log)
{
    if (log->fd >= 0)
        close(log->fd);
    free(log->buffers[0].bytes);
    free(log->buffers[1].bytes);
    free(log->segments);
    pthread_cond_destroy(&log->wake);
    pthread_cond_destroy(&log->done);
    pthread_mutex_destroy(&log->lock);
    pthread_mutex_destroy(&log->trim_lock);
    free(log);
}

mu_code mu_log_open(const mu_log_options *options, mu_log **out, mu_err *err)
{
    mu_log *log = calloc(1, sizeof *log);
    if (log == NULL)
        return mu_fail(err, MU_E_NOMEM, "no memory for the log");
    log->fd = -1;
    pthread_mutex_init(&log->lock, NULL);
    pthread_mutex_init(&log->trim_lock, NULL);
    pthread_cond_init(&log->wake, NULL);
    pthread_cond_init(&log->done, NULL);
    mu_code code = take_options(log, options, err);
    if (code == MU_OK)
        code = make_folder(log, err);
    if (code == MU_OK)
        code = mu_log_replay(log, err);
    if (code == MU_OK)
        code = make_buffers(log, err);
    if (code == MU_OK)
        code = start_thread(log, err);
    if (code != MU_OK) {
        free_log(log);
        return code;
    }
    *out = log;
    return MU_OK;
}

void mu_log_close(mu_log *log)
{
    if (log == NULL)
        return;
    pthread_mutex_lock(&log->lock);
    log->is_stopping = true;
    pthread_cond_signal(&log->wake);
    pthread_mutex_unlock(&log->lock);
    pthread_join(log->thread, NULL);
    bool is_sound = log->failure.code == MU_OK;
    /* Gives back the space that was reserved. */
    if (is_sound && log->fd >= 0 &&
        ftruncate(log->fd, (off_t)(log->end + sizeof(mu_log_block_header))) != 0)
        errno = 0;
    free_log(log);
}

/* -------- any thread -------- */

static mu_code refuse(const mu_log *log, mu_err *err)
{
    return mu_fail(err, MU_E_IO, "nothing is accepted any more: %s", log->failure.text);
}

static void copy_records(mu_log_buffer *buffer, size_t n, const mu_str *payloads)
{
    uint8_t *at = buffer->bytes + sizeof(mu_log_block_header) + buffer->used;
    for (size_t i = 0; i < n; i++) {
        uint32_t length = (uint32_t)payloads[i].len;
        memcpy(at, &length, sizeof length);
        at += sizeof length;
        if (length > 0)
            memcpy(at, payloads[i].ptr, length);
        at += length;
    }
    buffer->n_records += (uint32_t)n;
}

mu_code mu_log_append(mu_log *log, size_t n, const mu_str *payloads, uint64_t *last, mu_err *err)
{
    size_t max = log->options.backlog_bytes_max, size = 0;
    for (size_t i = 0; i < n; i++) {
        if (payloads[i].len > max || (size += payloads[i].len + sizeof(uint32_t)) > max)
            return mu_fail(err, MU_E_LIMIT,
                           "%zu records together are more than the %zu bytes that the log takes", n,
                           max);
    }
    mu_code code = MU_OK;
    pthread_mutex_lock(&log->lock);
    if (log->failure.code != MU_OK) {
        code = refuse(log, err);
    } else if (size > max - log->backlog_bytes) {
        code = mu_fail(err, MU_E_LIMIT,
                       "%zu bytes of records wait for the disk, which is as many as may",
                       log->backlog_bytes);
    } else {
        mu_log_buffer *buffer = &log->buffers[log->filling];
        copy_records(buffer, n, payloads);
        buffer->used += size;
        log->backlog_bytes += size;
        log->next_sequence += n;
        *last = log->next_sequence - 1;
        if (log->is_waiting)
            pthread_cond_signal(&log->wake);
    }
    pthread_mutex_unlock(&log->lock);
    return code;
}

mu_code mu_log_wait(mu_log *log, uint64_t sequence, mu_err *err)
{
    pthread_mutex_lock(&log->lock);
    MU_ASSERT(sequence < log->next_sequence);
    log->n_waiters++;
    while (log->durable_sequence < sequence && log->failure.code == MU_OK)
        pthread_cond_wait(&log->done, &log->lock);
    log->n_waiters--;
    mu_code code = log->durable_sequence >= sequence ? MU_OK : refuse(log, err);
    pthread_mutex_unlock(&log->lock);
    return code;
}

uint64_t mu_log_next_sequence(mu_log *log)
{
    pthread_mutex_lock(&log->lock);
    uint64_t next = log->next_sequence;
    pthread_mutex_unlock(&log->lock);
    return next;
}

mu_code mu_log_rotate(mu_log *log, mu_err *err)
{
    pthread_mutex_lock(&log->lock);
    uint64_t ticket = ++log->n_rotations;
    pthread_cond_signal(&log->wake);
    while (log->n_rotated < ticket && log->failure.code == MU_OK)
        pthread_cond_wait(&log->done, &log->lock);
    mu_code code = log->n_rotated >= ticket ? MU_OK : refuse(log, err);
    pthread_mutex_unlock(&log->lock);
    return code;
}

/* The oldest segment when all of its records are before `sequence`. Never the one being written. */
static bool oldest_before(mu_log *log, uint64_t sequence, uint64_t *first_sequence)
{
    pthread_mutex_lock(&log->lock);
    bool goes = log->n_segments > 1 && log->segments[1].first_sequence <= sequence;
    if (goes)
        *first_sequence = log->segments[0].first_sequence;
    pthread_mutex_unlock(&log->lock);
    return goes;
}

static void forget_oldest(mu_log *log)
{
    pthread_mutex_lock(&log->lock);
    log->n_segments--;
    memmove(log->segments, log->segments + 1, log->n_segments * sizeof *log->segments);
    pthread_mutex_unlock(&log->lock);
}

mu_code mu_log_trim(mu_log *log, uint64_t sequence, mu_err *err)
{
    char path[MU_LOG_PATH_MAX];
    uint64_t first_sequence;
    bool has_removed = false;
    mu_code code = MU_OK;
    pthread_mutex_lock(&log->trim_lock);
    while (code == MU_OK && oldest_before(log, sequence, &first_sequence)) {
        mu_log_segment_path(log->folder, first_sequence, ".log", path);
        if (unlink(path) != 0 && errno != ENOENT) {
            code = mu_fail_errno(err, "cannot remove %s", path);
        } else {
            forget_oldest(log);
            has_removed = true;
        }
    }
    if (code == MU_OK && has_removed)
        code = mu_sync_directory(log->folder, err);
    pthread_mutex_unlock(&log->trim_lock);
    return code;
}

mu_code mu_log_health(mu_log *log, mu_err *err)
{
    mu_code code = MU_OK;
    pthread_mutex_lock(&log->lock);
    if (log->failure.code != MU_OK)
        code = mu_fail(err, log->failure.code, "%s", log->failure.text);
    pthread_mutex_unlock(&log->lock);
    return code;
}

uint64_t mu_log_bytes(mu_log *log)
{
    uint64_t bytes = 0;
    pthread_mutex_lock(&log->lock);
    for (size_t i = 0; i < log->n_segments; i++)
        bytes += log->segments[i].n_bytes;
    pthread_mutex_unlock(&log->lock);
    return bytes;
}
