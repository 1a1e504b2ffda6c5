#include "store/part_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PENDING_MAX ((size_t)1 << 20)
/* Write-back starts this often, so that the last sync has little left to do and commits beside a
 * large load keep their latency. */
#define WRITEBACK_BYTES ((uint64_t)8 << 20)
#define SYNC_BYTES      ((uint64_t)4 << 20) /* unless the pace says otherwise */
#define MAPPING_ALIGN   64u

mu_code mu_part_file_create(mu_part_file *file, const char *path, mu_err *err)
{
    *file = (mu_part_file){.fd = -1};
    char *copy = strdup(path);
    if (copy == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for the name of %s", path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
        free(copy);
        return mu_fail_errno(err, "cannot make %s", path);
    }
    file->fd = fd;
    file->path = copy;
    mu_buf_init(&file->pending, PENDING_MAX * 2);
    return MU_OK;
}

mu_code mu_part_file_create_in_memory(mu_part_file *file, const char *name, mu_err *err)
{
    *file = (mu_part_file){.fd = -1};
    file->path = strdup(name);
    if (file->path == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for the name of %s", name);
    mu_buf_init(&file->pending, SIZE_MAX);
    return MU_OK;
}

static mu_code write_all(mu_part_file *file, const char *bytes, size_t size, mu_err *err)
{
    while (size > 0) {
        ssize_t wrote = write(file->fd, bytes, size);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return mu_fail_errno(err, "cannot write %s", file->path);
        bytes += wrote;
        size -= (size_t)wrote;
    }
    return MU_OK;
}

static mu_code flush(mu_part_file *file, mu_err *err)
{
    MU_TRY(write_all(file, file->pending.ptr, file->pending.len, err));
    mu_buf_clear(&file->pending);
    return MU_OK;
}

/* Waits while somebody else needs the disk. */
static void pause_while_asked(const mu_pace *pace)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    while (pace->should_yield != NULL && pace->should_yield(pace->context))
        nanosleep(&pause, NULL);
}

static uint64_t sync_bytes_of(const mu_pace *pace)
{
    return pace->sync_bytes == 0 ? SYNC_BYTES : pace->sync_bytes;
}

static size_t pending_max_of(const mu_part_file *file)
{
    uint64_t sync_bytes = file->pace == NULL ? PENDING_MAX : sync_bytes_of(file->pace);
    return sync_bytes < PENDING_MAX ? (size_t)sync_bytes : PENDING_MAX;
}

static mu_code keep_pace(mu_part_file *file, uint64_t written, mu_err *err)
{
    if (written - file->n_started < sync_bytes_of(file->pace))
        return MU_OK;
    if (fdatasync(file->fd) != 0)
        return mu_fail_errno(err, "cannot sync %s", file->path);
    file->n_started = written;
    pause_while_asked(file->pace);
    return MU_OK;
}

static mu_code start_writeback(mu_part_file *file, mu_err *err)
{
    uint64_t written = file->size - file->pending.len;
    if (file->pace != NULL)
        return keep_pace(file, written, err);
    if (written - file->n_started >= WRITEBACK_BYTES) {
        /* Only a hint; the sync at the end is what counts. */
        (void)sync_file_range(file->fd, (off_t)file->n_started, (off_t)(written - file->n_started),
                              SYNC_FILE_RANGE_WRITE);
        file->n_started = written;
    }
    return MU_OK;
}

mu_code mu_part_file_add(mu_part_file *file, const void *bytes, size_t size, uint64_t *offset,
                         mu_err *err)
{
    bool is_in_memory = file->fd < 0;
    *offset = file->size;
    size_t pending_max = pending_max_of(file);
    if (!is_in_memory && file->pending.len + size > pending_max)
        MU_TRY(flush(file, err));
    if (!is_in_memory && size > pending_max) {
        MU_TRY(write_all(file, bytes, size, err));
    } else {
        mu_buf_add(&file->pending, bytes, size);
        if (file->pending.failed)
            return mu_fail(err, MU_E_NOMEM, "out of memory for writing %s", file->path);
    }
    file->size += size;
    return is_in_memory ? MU_OK : start_writeback(file, err);
}

mu_code mu_part_file_take(mu_part_file *file, mu_mapping *out, mu_err *err)
{
    MU_ASSERT(file->size % MAPPING_ALIGN == 0);
    uint8_t *bytes = aligned_alloc(MAPPING_ALIGN, file->size);
    if (bytes == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for %s", file->path);
    memcpy(bytes, file->pending.ptr, file->size);
    *out = (mu_mapping){.bytes = bytes, .size_bytes = file->size};
    return MU_OK;
}

mu_code mu_part_file_finish(mu_part_file *file, mu_err *err)
{
    MU_TRY(flush(file, err));
    if (fsync(file->fd) != 0)
        return mu_fail_errno(err, "cannot sync %s", file->path);
    int fd = file->fd;
    file->fd = -1;
    if (close(fd) == 0 || errno == EINTR)
        return MU_OK;
    mu_code code = mu_fail_errno(err, "cannot close %s", file->path);
    unlink(file->path);
    return code;
}

void mu_part_file_free(mu_part_file *file)
{
    if (file->fd >= 0) {
        close(file->fd);
        unlink(file->path);
    }
    mu_buf_free(&file->pending);
    free(file->path);
    *file = (mu_part_file){.fd = -1};
}
