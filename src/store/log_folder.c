/* log_folder.c -- files of the log: their names, making one, reading one. */
#include "base/file.h"
#include "store/log_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_DIGITS 16

mu_code mu_log_folder_path(const char *folder, char out[MU_LOG_PATH_MAX], mu_err *err)
{
    /* Room for the longest name of a segment. */
    if (strlen(folder) > MU_LOG_PATH_MAX - 64)
        return mu_fail(err, MU_E_INPUT, "the path of the data folder is too long");
    snprintf(out, MU_LOG_PATH_MAX, "%s/log", folder);
    return MU_OK;
}

void mu_log_segment_path(const char *log_folder, uint64_t first_sequence, const char *extension,
                         char out[MU_LOG_PATH_MAX])
{
    int length = snprintf(out, MU_LOG_PATH_MAX, "%s/%016" PRIx64 "%s", log_folder, first_sequence,
                          extension);
    MU_ASSERT(length > 0 && length < MU_LOG_PATH_MAX);
}

/* -------- listing -------- */

static bool parse_name(const char *name, const char *extension, uint64_t *out)
{
    uint64_t number = 0;
    for (size_t i = 0; i < NAME_DIGITS; i++) {
        char c = name[i];
        if ((c < '0' || c > '9') && (c < 'a' || c > 'f'))
            return false;
        number = number << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *out = number;
    return strcmp(name + NAME_DIGITS, extension) == 0;
}

static int compare_sequences(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static mu_code add_number(uint64_t number, size_t *n, size_t *capacity, uint64_t **numbers,
                          mu_err *err)
{
    if (*n == *capacity) {
        size_t larger = *capacity == 0 ? 16 : *capacity * 2;
        uint64_t *grown = reallocarray(*numbers, larger, sizeof **numbers);
        if (grown == NULL)
            return mu_fail(err, MU_E_NOMEM, "no memory for the names of %zu segments", larger);
        *numbers = grown;
        *capacity = larger;
    }
    (*numbers)[(*n)++] = number;
    return MU_OK;
}

static mu_code remove_unfinished(const char *log_folder, uint64_t number, mu_err *err)
{
    char path[MU_LOG_PATH_MAX];
    mu_log_segment_path(log_folder, number, ".new", path);
    if (unlink(path) != 0 && errno != ENOENT)
        return mu_fail_errno(err, "cannot remove %s", path);
    return MU_OK;
}

mu_code mu_log_list(const char *log_folder, bool removes_unfinished, size_t *n, uint64_t **out,
                    mu_err *err)
{
    size_t count = 0, capacity = 0;
    uint64_t *numbers = NULL, number;
    mu_code code = MU_OK;
    DIR *dir = opendir(log_folder);
    if (dir == NULL && errno != ENOENT)
        return mu_fail_errno(err, "cannot read the folder %s", log_folder);
    for (struct dirent *entry; code == MU_OK && dir != NULL && (entry = readdir(dir)) != NULL;) {
        if (parse_name(entry->d_name, ".log", &number))
            code = add_number(number, &count, &capacity, &numbers, err);
        else if (removes_unfinished && parse_name(entry->d_name, ".new", &number))
            code = remove_unfinished(log_folder, number, err);
    }
    if (dir != NULL)
        closedir(dir);
    if (code != MU_OK) {
        free(numbers);
        return code;
    }
    if (count > 1)
        qsort(numbers, count, sizeof *numbers, compare_sequences);
    *n = count;
    *out = numbers;
    return MU_OK;
}

/* -------- reading and writing -------- */

static mu_code read_open_file(int fd, const char *path, uint8_t **out, size_t *size, mu_err *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return mu_fail_errno(err, "cannot read %s", path);
    size_t length = info.st_size < 0 ? 0 : (size_t)info.st_size, at = 0;
    uint8_t *bytes = malloc(length + 1);
    if (bytes == NULL)
        return mu_fail(err, MU_E_NOMEM, "no memory for the %zu bytes of %s", length, path);
    while (at < length) {
        ssize_t got = pread(fd, bytes + at, length - at, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            mu_code code = mu_fail_errno(err, "cannot read %s at byte %zu", path, at);
            free(bytes);
            return code;
        }
        if (got == 0)
            break; /* cut shorter meanwhile */
        at += (size_t)got;
    }
    *out = bytes;
    *size = at;
    return MU_OK;
}

mu_code mu_log_read_file(const char *path, uint8_t **out, size_t *size, mu_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? mu_fail(err, MU_E_NOT_FOUND, "no file %s", path)
                               : mu_fail_errno(err, "cannot open %s", path);
    mu_code code = read_open_file(fd, path, out, size, err);
    close(fd);
    return code;
}

mu_code mu_log_write_all(const mu_log_system *system, int fd, const void *bytes, size_t size,
                         uint64_t offset, const char *path, mu_err *err)
{
    const char *at = bytes;
    while (size > 0) {
        int64_t written = system->write(system->context, fd, at, size, offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written == 0)
            errno = ENOSPC;
        if (written <= 0)
            return mu_fail_errno(err, "cannot write to the log, %s at byte %llu", path,
                                 (unsigned long long)offset);
        at += written;
        size -= (size_t)written;
        offset += (uint64_t)written;
    }
    return MU_OK;
}

mu_code mu_log_sync(const mu_log_system *system, int fd, const char *path, mu_err *err)
{
    if (system->sync(system->context, fd) != 0)
        return mu_fail_errno(err, "cannot sync the log, %s", path);
    return MU_OK;
}

/* -------- making -------- */

static mu_code random_salt(uint64_t *out, mu_err *err)
{
    do {
        if (getrandom(out, sizeof *out, 0) != (ssize_t)sizeof *out)
            return mu_fail_errno(err, "the system gives no random number");
    } while (*out == 0);
    return MU_OK;
}

/* Space that is reserved cannot run out in the middle of a block, and commits then need not change
 * the file's size. File systems that cannot reserve let the file grow. */
static mu_code reserve(int fd, uint64_t size, const char *path, mu_err *err)
{
    if (fallocate(fd, 0, 0, (off_t)size) == 0 || errno == EOPNOTSUPP || errno == ENOSYS)
        return MU_OK;
    return mu_fail_errno(err, "cannot reserve %llu bytes for %s", (unsigned long long)size, path);
}

static mu_code fill_new(const mu_log_system *system, int fd, uint64_t first_sequence,
                        uint64_t segment_bytes, const char *path, uint64_t *salt, mu_err *err)
{
    mu_log_segment_header header;
    MU_TRY(random_salt(salt, err));
    mu_log_make_segment_header(first_sequence, *salt, &header);
    MU_TRY(reserve(fd, segment_bytes, path, err));
    MU_TRY(mu_log_write_all(system, fd, &header, sizeof header, 0, path, err));
    return mu_log_sync(system, fd, path, err);
}

mu_code mu_log_make_segment(const mu_log_system *system, const char *log_folder,
                            uint64_t first_sequence, uint64_t segment_bytes, int *out_fd,
                            uint64_t *out_salt, mu_err *err)
{
    char unfinished[MU_LOG_PATH_MAX], path[MU_LOG_PATH_MAX];
    uint64_t salt = 0;
    mu_log_segment_path(log_folder, first_sequence, ".new", unfinished);
    mu_log_segment_path(log_folder, first_sequence, ".log", path);
    int fd = open(unfinished, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return mu_fail_errno(err, "cannot make %s", unfinished);
    mu_code code = fill_new(system, fd, first_sequence, segment_bytes, path, &salt, err);
    if (code == MU_OK && rename(unfinished, path) != 0)
        code = mu_fail_errno(err, "cannot rename %s", unfinished);
    if (code != MU_OK)
        unlink(unfinished);
    else
        code = mu_sync_directory(log_folder, err);
    if (code != MU_OK) {
        close(fd);
        return code;
    }
    *out_fd = fd;
    *out_salt = salt;
    return MU_OK;
}
