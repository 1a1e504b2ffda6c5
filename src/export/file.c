/* file.c -- a file written in pieces, so that its sync at the end is short and a full disk is
 * noticed before then. */
#include "export/export_int.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_BYTES ((size_t)1 << 20)
#define SYNC_BYTES   ((uint64_t)16 << 20)
#define ROW_MAX      ((size_t)256 << 20) /* what a buffer may hold beyond that: one row */

static mu_code failed(mu_err *err)
{
    return mu_fail_errno(err, "cannot write the file of an export");
}

mu_code mu_export_file_create(const char *path, mu_export_file *out, mu_err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return failed(err);
    *out = (mu_export_file){.fd = fd};
    mu_buf_init(&out->buf, BUFFER_BYTES + ROW_MAX);
    return MU_OK;
}

static mu_code write_out(mu_export_file *file, mu_err *err)
{
    mu_str rest = mu_buf_str(&file->buf);
    if (file->buf.failed)
        return mu_fail(err, MU_E_LIMIT, "a profile is too large to be exported");
    file->n_bytes += rest.len;
    file->n_unsynced_bytes += rest.len;
    while (rest.len > 0) {
        ssize_t n = write(file->fd, rest.ptr, rest.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed(err);
        rest = (mu_str){rest.ptr + n, rest.len - (size_t)n};
    }
    mu_buf_clear(&file->buf);
    if (file->n_unsynced_bytes < SYNC_BYTES)
        return MU_OK;
    file->n_unsynced_bytes = 0;
    return fdatasync(file->fd) == 0 ? MU_OK : failed(err);
}

mu_code mu_export_file_flush(mu_export_file *file, mu_err *err)
{
    return file->buf.len < BUFFER_BYTES && !file->buf.failed ? MU_OK : write_out(file, err);
}

mu_code mu_export_file_finish(mu_export_file *file, mu_err *err)
{
    mu_code code = write_out(file, err);
    if (code == MU_OK && fdatasync(file->fd) != 0)
        code = failed(err);
    mu_export_file_abandon(file);
    return code;
}

void mu_export_file_abandon(mu_export_file *file)
{
    close(file->fd);
    mu_buf_free(&file->buf);
}

mu_code mu_export_file_sync(const char *path, uint64_t *size_bytes, mu_err *err)
{
    struct stat known;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return failed(err);
    bool done = fchmod(fd, 0600) == 0 && fdatasync(fd) == 0 && fstat(fd, &known) == 0;
    mu_code code = done ? MU_OK : failed(err);
    close(fd);
    if (code == MU_OK)
        *size_bytes = (uint64_t)known.st_size;
    return code;
}
