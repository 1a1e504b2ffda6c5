#include "audience/external_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONTAINER   MU_STR("dlz-user-container/")
#define PATH_BYTES  1024u
#define SEGMENT_MAX 255u

/* -------- paths -------- */

/* Cuts the next segment off *path. */
static mu_str next_segment(mu_str *path)
{
    const char *slash = path->len == 0 ? NULL : memchr(path->ptr, '/', path->len);
    size_t len = slash == NULL ? path->len : (size_t)(slash - path->ptr);
    size_t step = slash == NULL ? len : len + 1;
    mu_str segment = {path->ptr, len};
    *path = (mu_str){path->ptr + step, path->len - step};
    return segment;
}

static bool has_control(mu_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 32 || text.ptr[i] == 127)
            return true;
    return false;
}

mu_code mu_external_path(mu_str text, mu_str *out, mu_err *err)
{
    mu_str path = text;
    if (mu_str_starts_with(path, CONTAINER))
        path = (mu_str){path.ptr + CONTAINER.len, path.len - CONTAINER.len};
    while (path.len > 0 && path.ptr[path.len - 1] == '/')
        path.len--;
    if (path.len == 0 || path.len > PATH_BYTES)
        return mu_fail(err, MU_E_INPUT, "the path must have 1 to %u bytes", PATH_BYTES);
    if (path.ptr[0] == '/')
        return mu_fail(err, MU_E_INPUT, "the path must not be absolute");
    if (has_control(path))
        return mu_fail(err, MU_E_INPUT, "the path must not have control characters");
    for (mu_str rest = path; rest.len > 0;) {
        mu_str segment = next_segment(&rest);
        if (segment.len == 0 || segment.len > SEGMENT_MAX || segment.ptr[0] == '.')
            return mu_fail(err, MU_E_INPUT,
                           "a name in the path must have 1 to %u bytes and not begin with a dot",
                           SEGMENT_MAX);
    }
    *out = path;
    return MU_OK;
}

/* -------- one step -------- */

static bool equal_but_for_blanks(mu_str a, mu_str b)
{
    size_t i = 0, k = 0;
    for (;;) {
        while (i < a.len && a.ptr[i] == ' ')
            i++;
        while (k < b.len && b.ptr[k] == ' ')
            k++;
        if (i == a.len || k == b.len)
            return i == a.len && k == b.len;
        if (a.ptr[i++] != b.ptr[k++])
            return false;
    }
}

/* A stream over a descriptor of its own, so that closing it leaves the folder's open. */
static DIR *list_folder(int folder)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (stream == NULL && fd >= 0)
        close(fd);
    return stream;
}

static mu_code not_there(mu_str name, mu_err *err)
{
    return mu_fail(err, MU_E_NOT_FOUND, "there is no " MU_STR_FMT " in the landing folder",
                   MU_STR_ARG(name));
}

/* The name as the folder has it, in `arena`. */
static mu_code find_name(int folder, mu_str wanted, mu_arena *arena, mu_str *out, mu_err *err)
{
    struct stat info;
    *out = mu_arena_copy(arena, wanted);
    if (fstatat(folder, out->ptr, &info, AT_SYMLINK_NOFOLLOW) == 0)
        return MU_OK;
    DIR *stream = list_folder(folder);
    if (stream == NULL)
        return mu_fail_errno(err, "cannot list the landing folder");
    uint32_t n = 0;
    for (struct dirent *entry; (entry = readdir(stream)) != NULL;)
        if (equal_but_for_blanks(mu_str_from(entry->d_name), wanted) && n++ == 0)
            *out = mu_arena_copy(arena, mu_str_from(entry->d_name));
    closedir(stream);
    if (n == 0)
        return not_there(wanted, err);
    return n == 1 ? MU_OK
                  : mu_fail(err, MU_E_INPUT,
                            "several names of the landing folder are like " MU_STR_FMT
                            " but for blanks",
                            MU_STR_ARG(wanted));
}

/* Opens a folder inside *folder, which is closed. */
static mu_code enter(int *folder, mu_str name, mu_arena *arena, mu_err *err)
{
    mu_str real;
    MU_TRY(find_name(*folder, name, arena, &real, err));
    int inside = openat(*folder, real.ptr, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (inside < 0)
        return mu_fail(err, errno == ENOENT ? MU_E_NOT_FOUND : MU_E_INPUT,
                       MU_STR_FMT " is no folder of the landing folder", MU_STR_ARG(name));
    close(*folder);
    *folder = inside;
    return MU_OK;
}

/* -------- files -------- */

typedef struct window {
    int64_t from_s, to_s;
} window;

typedef enum fit { FITS, OTHER_TIME, NO_FILE } fit;

static fit look_at(int folder, const char *name, const window *w)
{
    struct stat info;
    if (fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(info.st_mode))
        return NO_FILE;
    return info.st_mtim.tv_sec >= w->from_s && info.st_mtim.tv_sec < w->to_s ? FITS : OTHER_TIME;
}

static int compare_names(const void *a, const void *b)
{
    return mu_str_compare(*(const mu_str *)a, *(const mu_str *)b);
}

static mu_code take_all(const window *w, mu_arena *arena, mu_external_files *out, mu_err *err)
{
    DIR *stream = list_folder(out->folder);
    if (stream == NULL)
        return mu_fail_errno(err, "cannot list the landing folder");
    uint32_t capacity = 0;
    mu_str *names = NULL;
    for (struct dirent *entry; (entry = readdir(stream)) != NULL;) {
        fit how = entry->d_name[0] == '.' ? NO_FILE : look_at(out->folder, entry->d_name, w);
        out->n_others += how == OTHER_TIME;
        if (how != FITS)
            continue;
        if (out->n == capacity) {
            mu_str *grown = MU_NEW_ARRAY(arena, mu_str, capacity == 0 ? 16 : capacity * 2);
            if (out->n > 0)
                memcpy(grown, names, out->n * sizeof *grown);
            names = grown;
            capacity = capacity == 0 ? 16 : capacity * 2;
        }
        names[out->n++] = mu_arena_copy(arena, mu_str_from(entry->d_name));
    }
    closedir(stream);
    if (out->n > 1)
        qsort(names, out->n, sizeof *names, compare_names);
    out->names = names;
    return MU_OK;
}

static mu_code take_one(const window *w, mu_str name, mu_arena *arena, mu_external_files *out,
                        mu_err *err)
{
    mu_str *real = MU_NEW(arena, mu_str);
    MU_TRY(find_name(out->folder, name, arena, real, err));
    fit how = look_at(out->folder, real->ptr, w);
    if (how == NO_FILE)
        return mu_fail(err, MU_E_INPUT, MU_STR_FMT " is no file", MU_STR_ARG(name));
    out->names = real;
    out->n = how == FITS;
    out->n_others = how == OTHER_TIME;
    return MU_OK;
}

mu_code mu_external_files_open(const char *root, mu_str path, bool is_folder, int64_t from_s,
                               int64_t to_s, mu_arena *arena, mu_external_files *out, mu_err *err)
{
    const window w = {from_s, to_s};
    mu_external_files files = {.folder = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    mu_code code = MU_OK;
    if (files.folder < 0)
        return mu_fail(err, MU_E_NOT_FOUND, "the landing folder cannot be opened");
    mu_str rest = path, segment = next_segment(&rest);
    for (; code == MU_OK && rest.len > 0; segment = next_segment(&rest))
        code = enter(&files.folder, segment, arena, err);
    if (code == MU_OK && is_folder)
        code = enter(&files.folder, segment, arena, err);
    if (code == MU_OK)
        code = is_folder ? take_all(&w, arena, &files, err)
                         : take_one(&w, segment, arena, &files, err);
    if (code != MU_OK) {
        mu_external_files_close(&files);
        return code;
    }
    *out = files;
    return MU_OK;
}

void mu_external_files_close(mu_external_files *files)
{
    if (files->folder >= 0)
        close(files->folder);
    files->folder = -1;
}

mu_code mu_external_file_open(const mu_external_files *files, uint32_t file, int *out, mu_err *err)
{
    struct stat info;
    int fd = openat(files->folder, files->names[file].ptr,
                    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return mu_fail_errno(err, "cannot open " MU_STR_FMT, MU_STR_ARG(files->names[file]));
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(fd);
        return mu_fail(err, MU_E_INPUT, MU_STR_FMT " is no file any more",
                       MU_STR_ARG(files->names[file]));
    }
    *out = fd;
    return MU_OK;
}
