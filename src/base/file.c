#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

mu_code mu_file_read(mu_arena *arena, const char *path, size_t max_bytes, mu_str *out, mu_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? mu_fail(err, MU_E_NOT_FOUND, "no file %s", path)
                               : mu_fail_errno(err, "cannot open %s", path);
    struct stat info;
    mu_code code = MU_OK;
    if (fstat(fd, &info) != 0) {
        code = mu_fail_errno(err, "cannot read %s", path);
        goto done;
    }
    if (info.st_size < 0 || (uint64_t)info.st_size > max_bytes) {
        code = mu_fail(err, MU_E_LIMIT, "%s has more than %zu bytes", path, max_bytes);
        goto done;
    }
    size_t size = (size_t)info.st_size, at = 0;
    char *bytes = mu_arena_alloc(arena, size + 1);
    while (at < size) {
        ssize_t got = read(fd, bytes + at, size - at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            code = mu_fail_errno(err, "cannot read %s", path);
            goto done;
        }
        if (got == 0)
            break;
        at += (size_t)got;
    }
    *out = (mu_str){bytes, at};
done:
    close(fd);
    return code;
}

mu_code mu_file_map(const char *path, mu_mapping *out, mu_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? mu_fail(err, MU_E_NOT_FOUND, "no file %s", path)
                               : mu_fail_errno(err, "cannot open %s", path);
    struct stat info;
    if (fstat(fd, &info) != 0) {
        close(fd);
        return mu_fail_errno(err, "cannot read %s", path);
    }
    mu_mapping mapping = {.size_bytes = (size_t)info.st_size};
    if (mapping.size_bytes > 0) {
        void *bytes = mmap(NULL, mapping.size_bytes, PROT_READ, MAP_SHARED, fd, 0);
        if (bytes == MAP_FAILED) {
            close(fd);
            return mu_fail_errno(err, "cannot map %s", path);
        }
        mapping.bytes = bytes;
    }
    close(fd);
    *out = mapping;
    return MU_OK;
}

void mu_file_unmap(mu_mapping *mapping)
{
    if (mapping->bytes != NULL)
        munmap((void *)(uintptr_t)mapping->bytes, mapping->size_bytes);
    *mapping = (mu_mapping){0};
}

mu_code mu_make_directories(const char *path, mu_err *err)
{
    char partial[4096];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof partial)
        return mu_fail(err, MU_E_INPUT, "the path is empty or too long");
    memcpy(partial, path, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (partial[i] != '/' && partial[i] != '\0')
            continue;
        char kept = partial[i];
        partial[i] = '\0';
        if (mkdir(partial, 0777) != 0 && errno != EEXIST)
            return mu_fail_errno(err, "cannot make the folder %s", partial);
        partial[i] = kept;
    }
    return MU_OK;
}

mu_code mu_sync_directory(const char *path, mu_err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return mu_fail_errno(err, "cannot open the folder %s", path);
    int failed = fsync(fd);
    mu_code code = failed != 0 ? mu_fail_errno(err, "cannot sync the folder %s", path) : MU_OK;
    close(fd);
    return code;
}
