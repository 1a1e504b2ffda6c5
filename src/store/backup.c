/* A data folder copied while somebody writes it, without their help.
 *
 *   1. other files          what lies beside catalog, parts and log
 *   2. open log segments    so that trimming cannot take them away
 *   3. documents, catalog   SQLite's copies of one committed state each: the copy is as of this
 *                           moment
 *   4. open later segments  from 2 on when another commit came in between: it may have trimmed some
 *   5. log segments         each from its end to its beginning: what was written later is read
 *                           earlier, so that the copy has no block without its predecessors
 *   6. parts of the copy    when one is gone, a merge has replaced it: from 2 on, keeping the
 * others
 *   7. other files, again   those that came before the catalog was copied
 *   8. sync, and only then the catalog gets its name: before, the copy is no data folder
 *
 * The log is copied after the catalog, so it reaches at least as far as the marks; and it was
 * pinned before, so it begins early enough.
 */
#include "catalog/documents.h"
#include "store/log.h"
#include "store/store_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TRIES_MAX      200
#define BAD_LOGS_MAX   5
#define CHUNK_SIZE     ((size_t)1 << 20)
#define DEPTH_MAX      16u
#define CATALOG_NAME   "catalog.db"
#define UNNAMED        "catalog.db.incomplete"
#define DOCUMENTS_NAME "documents.db"

typedef struct segment {
    char name[32];
    int fd;
} segment;

typedef struct backup {
    const char *folder, *target;
    const mu_pace *pace;
    uint64_t n_unsynced;
    mu_arena arena;
    char *chunk;
    mu_catalog *catalog; /* of the folder */
    uint32_t n_segments, capacity;
    segment *segments;
    unsigned n_bad_logs;
    mu_backup_report report;
} backup;

/* -------- files -------- */

static mu_code keep_pace(backup *b, int fd, uint64_t written, const char *path, mu_err *err)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    b->report.n_bytes += written;
    if (b->pace == NULL)
        return MU_OK;
    b->n_unsynced += written;
    if (b->n_unsynced < (b->pace->sync_bytes == 0 ? 4 * CHUNK_SIZE : b->pace->sync_bytes))
        return MU_OK;
    b->n_unsynced = 0;
    if (fdatasync(fd) != 0)
        return mu_fail_errno(err, "cannot sync %s", path);
    while (b->pace->should_yield != NULL && b->pace->should_yield(b->pace->context))
        nanosleep(&pause, NULL);
    return MU_OK;
}

static mu_code read_chunk(backup *b, int fd, uint64_t at, size_t size, size_t *out,
                          const char *path, mu_err *err)
{
    size_t n = 0;
    while (n < size) {
        ssize_t got = pread(fd, b->chunk + n, size - n, (off_t)(at + n));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return mu_fail_errno(err, "cannot read %s", path);
        if (got == 0)
            break;
        n += (size_t)got;
    }
    *out = n;
    return MU_OK;
}

static mu_code write_chunk(backup *b, int fd, uint64_t at, size_t size, const char *path,
                           mu_err *err)
{
    for (size_t n = 0; n < size;) {
        ssize_t wrote = pwrite(fd, b->chunk + n, size - n, (off_t)(at + n));
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return mu_fail_errno(err, "cannot write %s", path);
        n += (size_t)wrote;
    }
    return keep_pace(b, fd, size, path, err);
}

static bool is_zero(const char *bytes, size_t n)
{
    return n == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, n - 1) == 0);
}

/* Copies `size` bytes, the last chunk first; zeros become a hole. */
static mu_code copy_bytes(backup *b, int from, int to, uint64_t size, const char *path, mu_err *err)
{
    if (ftruncate(to, 0) != 0 || ftruncate(to, (off_t)size) != 0)
        return mu_fail_errno(err, "cannot write %s", path);
    for (uint64_t end = size; end > 0;) {
        uint64_t begin = (end - 1) / CHUNK_SIZE * CHUNK_SIZE;
        size_t got = 0;
        MU_TRY(read_chunk(b, from, begin, (size_t)(end - begin), &got, path, err));
        if (!is_zero(b->chunk, got))
            MU_TRY(write_chunk(b, to, begin, got, path, err));
        end = begin;
    }
    if (fsync(to) != 0)
        return mu_fail_errno(err, "cannot sync %s", path);
    return MU_OK;
}

/* Copies an open file to `path`, replacing what a try before may have left there. */
static mu_code copy_open(backup *b, int from, const char *path, mu_err *err)
{
    struct stat info;
    if (fstat(from, &info) != 0)
        return mu_fail_errno(err, "cannot read what becomes %s", path);
    int to = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (to < 0)
        return mu_fail_errno(err, "cannot make %s", path);
    mu_code code = copy_bytes(b, from, to, (uint64_t)info.st_size, path, err);
    if (close(to) != 0 && code == MU_OK)
        code = mu_fail_errno(err, "cannot close %s", path);
    return code;
}

/* MU_E_NOT_FOUND when it is gone. */
static mu_code copy_named(backup *b, const char *from, const char *to, mu_err *err)
{
    int fd = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? mu_fail(err, MU_E_NOT_FOUND, "no file %s", from)
                               : mu_fail_errno(err, "cannot open %s", from);
    mu_code code = copy_open(b, fd, to, err);
    close(fd);
    return code;
}

/* The names in a folder, without the first two; none when there is no such folder. */
static mu_code list_folder(backup *b, const char *path, uint32_t *n, char ***out, mu_err *err)
{
    uint32_t capacity = 16;
    char **names = MU_NEW_ARRAY(&b->arena, char *, capacity);
    *n = 0;
    *out = names;
    DIR *dir = opendir(path);
    if (dir == NULL)
        return errno == ENOENT ? MU_OK : mu_fail_errno(err, "cannot read the folder %s", path);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (*n == capacity) {
            char **grown = MU_NEW_ARRAY(&b->arena, char *, (size_t)capacity * 2);
            memcpy(grown, names, capacity * sizeof *names);
            names = grown;
            capacity *= 2;
        }
        names[(*n)++] = (char *)(uintptr_t)mu_arena_copy(&b->arena, mu_str_from(entry->d_name)).ptr;
    }
    closedir(dir);
    *out = names;
    return MU_OK;
}

/* -------- other files -------- */

static bool is_own(const char *name)
{
    static const char *const own[] = {
        "lock",         CATALOG_NAME,          CATALOG_NAME "-journal", "parts",
        DOCUMENTS_NAME, DOCUMENTS_NAME "-wal", DOCUMENTS_NAME "-shm",   "log"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strcmp(name, own[i]) == 0)
            return true;
    return false;
}

static mu_code copy_tree(backup *b, const char *from, const char *to, unsigned depth, mu_err *err);

/* A file that has the size already was copied before; one that is gone by now is not missed. */
static mu_code copy_other(backup *b, const char *from, const char *to, unsigned depth, mu_err *err)
{
    struct stat info, old;
    if (lstat(from, &info) != 0)
        return errno == ENOENT ? MU_OK : mu_fail_errno(err, "cannot read %s", from);
    if (S_ISDIR(info.st_mode))
        return copy_tree(b, from, to, depth + 1, err);
    if (!S_ISREG(info.st_mode) || (lstat(to, &old) == 0 && old.st_size == info.st_size))
        return MU_OK;
    mu_code code = copy_named(b, from, to, err);
    return code == MU_E_NOT_FOUND ? MU_OK : code;
}

/* A data folder in the data folder is a copy of it, this one or an earlier one. */
static bool is_copy(const backup *b, const char *path)
{
    char catalog[MU_PATH_MAX];
    struct stat one, other;
    if (mu_store_path(path, CATALOG_NAME, catalog, NULL) == MU_OK && access(catalog, F_OK) == 0)
        return true;
    return stat(path, &one) == 0 && stat(b->target, &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

static mu_code copy_tree(backup *b, const char *from, const char *to, unsigned depth, mu_err *err)
{
    uint32_t n;
    char **names;
    if (depth > DEPTH_MAX)
        return mu_fail(err, MU_E_LIMIT, "%s lies too deep to be copied", from);
    if (depth > 0 && is_copy(b, from))
        return MU_OK;
    MU_TRY(mu_make_directories(to, err));
    MU_TRY(list_folder(b, from, &n, &names, err));
    for (uint32_t i = 0; i < n; i++) {
        char one[MU_PATH_MAX], other[MU_PATH_MAX];
        if (depth == 0 && is_own(names[i]))
            continue;
        MU_TRY(mu_store_path(from, names[i], one, err));
        MU_TRY(mu_store_path(to, names[i], other, err));
        MU_TRY(copy_other(b, one, other, depth, err));
    }
    return mu_sync_directory(to, err);
}

/* -------- the log -------- */

static bool is_segment(const char *name)
{
    return strlen(name) == 20 && strspn(name, "0123456789abcdef") == 16 &&
           strcmp(name + 16, ".log") == 0;
}

static bool has_segment(const backup *b, const char *name)
{
    for (uint32_t i = 0; i < b->n_segments; i++)
        if (strcmp(b->segments[i].name, name) == 0)
            return true;
    return false;
}

static mu_code pin_segment(backup *b, const char *name, mu_err *err)
{
    char log[MU_PATH_MAX], path[MU_PATH_MAX];
    MU_TRY(mu_store_path(b->folder, "log", log, err));
    MU_TRY(mu_store_path(log, name, path, err));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? mu_fail(err, MU_E_NOT_FOUND, "no file %s", path)
                               : mu_fail_errno(err, "cannot open %s", path);
    if (b->n_segments == b->capacity) {
        uint32_t capacity = b->capacity == 0 ? 8 : b->capacity * 2;
        segment *grown = reallocarray(b->segments, capacity, sizeof *grown);
        if (grown == NULL) {
            close(fd);
            return mu_fail(err, MU_E_NOMEM, "out of memory for copying %s", path);
        }
        b->segments = grown;
        b->capacity = capacity;
    }
    segment *pinned = &b->segments[b->n_segments++];
    snprintf(pinned->name, sizeof pinned->name, "%s", name);
    pinned->fd = fd;
    return MU_OK;
}

static int compare_segments(const void *a, const void *b)
{
    return strcmp(((const segment *)a)->name, ((const segment *)b)->name);
}

/* Opens the segments that are not open yet. MU_E_NOT_FOUND when one was trimmed meanwhile. */
static mu_code pin_segments(backup *b, mu_err *err)
{
    char log[MU_PATH_MAX];
    uint32_t n;
    char **names;
    MU_TRY(mu_store_path(b->folder, "log", log, err));
    MU_TRY(list_folder(b, log, &n, &names, err));
    for (uint32_t i = 0; i < n; i++)
        if (is_segment(names[i]) && !has_segment(b, names[i]))
            MU_TRY(pin_segment(b, names[i], err));
    if (b->n_segments > 1)
        qsort(b->segments, b->n_segments, sizeof *b->segments, compare_segments);
    return MU_OK;
}

static void unpin_segments(backup *b)
{
    for (uint32_t i = 0; i < b->n_segments; i++)
        close(b->segments[i].fd);
    b->n_segments = 0;
}

static mu_code copy_segments(backup *b, const char *log, uint32_t first, mu_err *err)
{
    char path[MU_PATH_MAX];
    for (uint32_t i = first; i < b->n_segments; i++) {
        MU_TRY(mu_store_path(log, b->segments[i].name, path, err));
        MU_TRY(copy_open(b, b->segments[i].fd, path, err));
    }
    return MU_OK;
}

static void keep_problem(void *context, mu_str sentence)
{
    mu_err *problem = context;
    (void)mu_fail(problem, MU_E_CORRUPT, MU_STR_FMT, MU_STR_ARG(sentence));
}

/* A segment that came and went between two looks is missing now: MU_E_NOT_FOUND. */
static mu_code check_log(backup *b, mu_err *err)
{
    mu_log_report report;
    mu_err problem = {0};
    MU_TRY(mu_log_verify(b->target, keep_problem, &problem, &report, err));
    if (problem.code == MU_OK)
        return MU_OK;
    if (b->n_bad_logs++ < BAD_LOGS_MAX)
        return mu_fail(err, MU_E_NOT_FOUND, "the log of %s changed", b->folder);
    return mu_fail(err, MU_E_CORRUPT, "the log of %s cannot be copied: %.400s", b->folder,
                   problem.text);
}

/* When a segment came up behind the last one, that one is whole now, and says that another follows:
 * both are copied. */
static mu_code copy_log(backup *b, mu_err *err)
{
    char log[MU_PATH_MAX];
    uint32_t n_whole = 0, n_known;
    MU_TRY(mu_store_path(b->target, "log", log, err));
    do {
        MU_TRY(copy_segments(b, log, n_whole, err));
        n_known = b->n_segments;
        n_whole = n_known == 0 ? 0 : n_known - 1;
        MU_TRY(pin_segments(b, err));
    } while (b->n_segments > n_known);
    b->report.n_segments = b->n_segments;
    MU_TRY(mu_sync_directory(log, err));
    return check_log(b, err);
}

static mu_code empty_folder(backup *b, const char *name, mu_err *err)
{
    char folder[MU_PATH_MAX], path[MU_PATH_MAX];
    uint32_t n;
    char **names;
    MU_TRY(mu_store_path(b->target, name, folder, err));
    MU_TRY(list_folder(b, folder, &n, &names, err));
    for (uint32_t i = 0; i < n; i++) {
        MU_TRY(mu_store_path(folder, names[i], path, err));
        if (unlink(path) != 0)
            return mu_fail_errno(err, "cannot remove %s", path);
    }
    return MU_OK;
}

/* -------- the catalog and its parts -------- */

/* Documents first: what they say was done is then in the log and the parts of the copy. */
static mu_code copy_documents(backup *b, mu_err *err)
{
    char path[MU_PATH_MAX];
    MU_TRY(mu_store_path(b->target, DOCUMENTS_NAME, path, err));
    return mu_documents_copy(b->folder, path, err);
}

/* One committed state, and every segment that a record after its marks may lie in. */
static mu_code copy_catalog(backup *b, mu_err *err)
{
    char path[MU_PATH_MAX];
    uint64_t before, after;
    MU_TRY(mu_store_path(b->target, UNNAMED, path, err));
    unlink(path);
    MU_TRY(mu_catalog_data_version(b->catalog, &before, err));
    MU_TRY(copy_documents(b, err));
    MU_TRY(pin_segments(b, err));
    MU_TRY(mu_catalog_copy(b->catalog, path, err));
    MU_TRY(pin_segments(b, err));
    MU_TRY(mu_catalog_data_version(b->catalog, &after, err));
    return before == after ? MU_OK : mu_fail(err, MU_E_NOT_FOUND, "%s changed", b->folder);
}

static mu_code copy_part(backup *b, uint64_t id, mu_err *err)
{
    char from[MU_PATH_MAX], to[MU_PATH_MAX], partial[MU_PATH_MAX];
    MU_TRY(mu_part_path(b->folder, id, from, err));
    MU_TRY(mu_part_path(b->target, id, to, err));
    if (access(to, F_OK) == 0)
        return MU_OK; /* from an earlier try: parts never change */
    MU_TRY(mu_store_path(b->target, "parts/incomplete", partial, err));
    MU_TRY(copy_named(b, from, partial, err));
    return rename(partial, to) == 0 ? MU_OK : mu_fail_errno(err, "cannot rename %s", partial);
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Removes parts that an earlier try copied and that are not of this state. */
static mu_code remove_others(backup *b, uint32_t n_ids, const uint64_t *ids, mu_err *err)
{
    char parts[MU_PATH_MAX], path[MU_PATH_MAX];
    uint32_t n;
    char **names;
    MU_TRY(mu_store_path(b->target, "parts", parts, err));
    MU_TRY(list_folder(b, parts, &n, &names, err));
    for (uint32_t i = 0; i < n; i++) {
        uint64_t id = strtoull(names[i], NULL, 16);
        if (bsearch(&id, ids, n_ids, sizeof id, compare_ids) != NULL)
            continue;
        MU_TRY(mu_store_path(parts, names[i], path, err));
        if (unlink(path) != 0)
            return mu_fail_errno(err, "cannot remove %s", path);
    }
    return mu_sync_directory(parts, err);
}

static mu_code copy_parts(backup *b, mu_err *err)
{
    char path[MU_PATH_MAX];
    mu_catalog *copy;
    uint32_t n = 0;
    uint64_t ignored;
    const uint64_t *ids = NULL;
    MU_TRY(mu_store_path(b->target, UNNAMED, path, err));
    MU_TRY(mu_catalog_open(path, MU_CATALOG_READ, &copy, err));
    mu_code code = mu_catalog_part_ids(copy, &b->arena, &n, &ids, &ignored, err);
    mu_catalog_close(copy);
    for (uint32_t i = 0; code == MU_OK && i < n; i++)
        code = copy_part(b, ids[i], err);
    if (code == MU_OK)
        code = remove_others(b, n, ids, err);
    b->report.n_parts = n;
    return code;
}

static mu_code try_once(backup *b, mu_err *err)
{
    mu_arena_reset(&b->arena);
    unpin_segments(b);
    MU_TRY(empty_folder(b, "log", err));
    MU_TRY(copy_catalog(b, err));
    MU_TRY(copy_log(b, err));
    return copy_parts(b, err);
}

/* -------- all of it -------- */

static mu_code check_target(backup *b, mu_err *err)
{
    uint32_t n;
    char **names;
    char path[MU_PATH_MAX];
    MU_TRY(list_folder(b, b->target, &n, &names, err));
    if (n > 0)
        return mu_fail(err, MU_E_CONFLICT, "%s is not empty", b->target);
    MU_TRY(mu_store_path(b->target, "parts", path, err));
    MU_TRY(mu_make_directories(path, err));
    MU_TRY(mu_store_path(b->target, "log", path, err));
    return mu_make_directories(path, err);
}

static mu_code name_catalog(const backup *b, mu_err *err)
{
    char from[MU_PATH_MAX], to[MU_PATH_MAX];
    MU_TRY(mu_store_path(b->target, UNNAMED, from, err));
    MU_TRY(mu_store_path(b->target, CATALOG_NAME, to, err));
    MU_TRY(mu_sync_directory(b->target, err));
    if (rename(from, to) != 0)
        return mu_fail_errno(err, "cannot rename %s", from);
    return mu_sync_directory(b->target, err);
}

static mu_code copy_all(backup *b, mu_err *err)
{
    char path[MU_PATH_MAX];
    MU_TRY(mu_store_path(b->folder, CATALOG_NAME, path, err));
    mu_code code = mu_catalog_open(path, MU_CATALOG_READ, &b->catalog, err);
    if (code == MU_E_NOT_FOUND)
        return mu_fail(err, MU_E_NOT_FOUND, "%s holds no data of muster", b->folder);
    MU_TRY(code);
    MU_TRY(check_target(b, err));
    MU_TRY(copy_tree(b, b->folder, b->target, 0, err));
    code = MU_E_NOT_FOUND;
    for (int i = 0; code == MU_E_NOT_FOUND && i < TRIES_MAX; i++)
        code = try_once(b, err);
    if (code == MU_E_NOT_FOUND)
        return mu_fail(err, MU_E_CONFLICT, "%s changes faster than it can be copied", b->folder);
    MU_TRY(code);
    MU_TRY(copy_tree(b, b->folder, b->target, 0, err));
    return name_catalog(b, err);
}

mu_code mu_store_backup(const char *folder, const char *target, const mu_pace *pace,
                        mu_backup_report *out, mu_err *err)
{
    backup b = {.folder = folder, .target = target, .pace = pace, .chunk = malloc(CHUNK_SIZE)};
    if (b.chunk == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for copying %s", folder);
    mu_arena_init(&b.arena, SIZE_MAX);
    mu_code code = copy_all(&b, err);
    unpin_segments(&b);
    free(b.segments);
    free(b.chunk);
    mu_catalog_close(b.catalog);
    mu_arena_free(&b.arena);
    if (code == MU_OK)
        *out = b.report;
    return code;
}
