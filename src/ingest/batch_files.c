#include "ingest/batch_files.h"

#include "base/file.h"
#include "base/number.h"
#include "ingest/file_name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_BYTES_MAX 240u

static mu_batch_folder folder_in(mu_arena *arena, const char *data_folder, const char *kind,
                                 mu_str sandbox, mu_str batch)
{
    mu_str first = mu_file_name(arena, sandbox), second = mu_file_name(arena, batch);
    return (mu_batch_folder){mu_arena_format(arena, "%s/%s/%.*s/%.*s", data_folder, kind,
                                             (int)first.len, first.ptr, (int)second.len,
                                             second.ptr)};
}

mu_batch_folder mu_batch_folder_of(mu_arena *arena, const char *data_folder, mu_str sandbox,
                                   mu_str batch)
{
    return folder_in(arena, data_folder, "batches", sandbox, batch);
}

mu_batch_folder mu_batch_export_folder_of(mu_arena *arena, const char *data_folder, mu_str sandbox,
                                          mu_str batch)
{
    return folder_in(arena, data_folder, "exports", sandbox, batch);
}

static mu_str folder_path(mu_arena *arena, const mu_batch_folder *folder, const char *kind)
{
    return mu_path_joined(arena, folder->path, mu_str_from(kind));
}

static mu_str file_path(mu_arena *arena, const mu_batch_folder *folder, const char *kind,
                        mu_str name)
{
    return mu_path_joined(arena, folder_path(arena, folder, kind), mu_file_name(arena, name));
}

static mu_code check_name(mu_arena *arena, mu_str name, mu_err *err)
{
    if (name.len == 0)
        return mu_fail(err, MU_E_INPUT, "the file has no name");
    if (mu_file_name(arena, name).len > NAME_BYTES_MAX)
        return mu_fail(err, MU_E_INPUT, "the file's name is too long");
    return MU_OK;
}

/* -------- whole files -------- */

static int by_name(const void *left, const void *right)
{
    return mu_str_compare(((const mu_batch_file *)left)->name,
                          ((const mu_batch_file *)right)->name);
}

uint32_t mu_batch_files_list(const mu_batch_folder *folder, mu_arena *arena,
                             const mu_batch_file **out)
{
    const mu_str *names;
    struct stat known;
    mu_str path = folder_path(arena, folder, "files");
    uint32_t n = mu_folder_names(arena, path.ptr, &names), n_files = 0;
    mu_batch_file *files = MU_NEW_ARRAY(arena, mu_batch_file, n);
    for (uint32_t i = 0; i < n; i++) {
        mu_batch_file file = {.name = mu_file_name_origin(arena, names[i]),
                              .path = mu_path_joined(arena, path, names[i])};
        if (stat(file.path.ptr, &known) != 0)
            continue;
        file.size_bytes = (uint64_t)known.st_size;
        files[n_files++] = file;
    }
    if (n_files > 0)
        qsort(files, n_files, sizeof *files, by_name);
    *out = files;
    return n_files;
}

/* Three levels at most: BATCH/parts/NAME. */
static void remove_tree(mu_arena *arena, mu_str path, unsigned depth)
{
    const mu_str *names;
    uint32_t n = depth == 0 ? 0 : mu_folder_names(arena, path.ptr, &names);
    for (uint32_t i = 0; i < n; i++) {
        mu_str inner = mu_path_joined(arena, path, names[i]);
        if (unlink(inner.ptr) != 0)
            remove_tree(arena, inner, depth - 1);
    }
    rmdir(path.ptr);
}

void mu_batch_files_remove(const mu_batch_folder *folder)
{
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    remove_tree(&arena, folder->path, 4);
    mu_arena_free(&arena);
}

/* -------- uploads -------- */

struct mu_batch_upload {
    mu_arena arena;
    int fd;
    bool is_piece;
    mu_batch_range range;
    uint64_t n_bytes;
    mu_str written, target, folder; /* written becomes target in folder; a piece: its marker */
};

static mu_batch_upload *upload_new(void)
{
    mu_batch_upload *upload = calloc(1, sizeof *upload);
    MU_ASSERT(upload != NULL);
    mu_arena_init(&upload->arena, SIZE_MAX);
    upload->fd = -1;
    return upload;
}

static void upload_free(mu_batch_upload *upload)
{
    if (upload->fd >= 0)
        close(upload->fd);
    mu_arena_free(&upload->arena);
    free(upload);
}

static mu_code begin(mu_batch_upload *upload, const mu_batch_folder *folder, mu_str name,
                     mu_err *err)
{
    mu_arena *arena = &upload->arena;
    MU_TRY(check_name(arena, name, err));
    mu_str incoming = folder_path(arena, folder, "incoming");
    upload->folder = folder_path(arena, folder, "files");
    upload->target = file_path(arena, folder, "files", name);
    upload->written = mu_arena_format(arena, "%s/XXXXXX", incoming.ptr);
    MU_TRY(mu_make_directories(incoming.ptr, err));
    MU_TRY(mu_make_directories(upload->folder.ptr, err));
    upload->fd = mkostemp((char *)upload->written.ptr, O_CLOEXEC);
    return upload->fd >= 0 ? MU_OK : mu_fail_errno(err, "cannot write a file of the batch");
}

mu_code mu_batch_upload_begin(const mu_batch_folder *folder, mu_str name, mu_batch_upload **out,
                              mu_err *err)
{
    mu_batch_upload *upload = upload_new();
    mu_code code = begin(upload, folder, name, err);
    if (code != MU_OK)
        upload_free(upload);
    else
        *out = upload;
    return code;
}

static mu_code begin_piece(mu_batch_upload *upload, const mu_batch_folder *folder, mu_str name,
                           const mu_batch_range *range, mu_err *err)
{
    mu_arena *arena = &upload->arena;
    MU_TRY(check_name(arena, name, err));
    if (range->first > range->last || range->last >= range->total_bytes ||
        range->total_bytes > (uint64_t)INT64_MAX)
        return mu_fail(err, MU_E_INPUT, "the Content-Range makes no sense");
    upload->is_piece = true;
    upload->range = *range;
    upload->folder = file_path(arena, folder, "parts", name);
    upload->written = mu_path_joined(arena, upload->folder, MU_STR("data"));
    upload->target = mu_arena_format(
        arena, "%s/%llu-%llu-%llu", upload->folder.ptr, (unsigned long long)range->first,
        (unsigned long long)range->last, (unsigned long long)range->total_bytes);
    upload->fd = open(upload->written.ptr, O_WRONLY | O_CLOEXEC);
    if (upload->fd < 0)
        return mu_fail(err, MU_E_NOT_FOUND, "no large file of this name was initialized");
    if (lseek(upload->fd, (off_t)range->first, SEEK_SET) < 0)
        return mu_fail_errno(err, "cannot write a file of the batch");
    return MU_OK;
}

mu_code mu_batch_upload_begin_piece(const mu_batch_folder *folder, mu_str name,
                                    const mu_batch_range *range, mu_batch_upload **out, mu_err *err)
{
    mu_batch_upload *upload = upload_new();
    mu_code code = begin_piece(upload, folder, name, range, err);
    if (code != MU_OK)
        upload_free(upload);
    else
        *out = upload;
    return code;
}

mu_code mu_batch_upload_write(mu_batch_upload *upload, mu_str piece, mu_err *err)
{
    if (upload->is_piece &&
        piece.len > upload->range.last - upload->range.first + 1 - upload->n_bytes)
        return mu_fail(err, MU_E_INPUT, "the body is longer than its Content-Range");
    while (piece.len > 0) {
        ssize_t n = write(upload->fd, piece.ptr, piece.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return mu_fail_errno(err, "cannot write a file of the batch");
        piece = (mu_str){piece.ptr + n, piece.len - (size_t)n};
        upload->n_bytes += (uint64_t)n;
    }
    return MU_OK;
}

static mu_code finish_piece(mu_batch_upload *upload, mu_err *err)
{
    if (upload->n_bytes != upload->range.last - upload->range.first + 1)
        return mu_fail(err, MU_E_INPUT, "the body is shorter than its Content-Range");
    int marker = open(upload->target.ptr, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (marker < 0)
        return mu_fail_errno(err, "cannot write a file of the batch");
    close(marker);
    return MU_OK;
}

static mu_code finish(mu_batch_upload *upload, bool *is_new, mu_err *err)
{
    struct stat known;
    if (fdatasync(upload->fd) != 0)
        return mu_fail_errno(err, "cannot sync a file of the batch");
    *is_new = stat(upload->target.ptr, &known) != 0;
    if (upload->is_piece)
        MU_TRY(finish_piece(upload, err));
    else if (rename(upload->written.ptr, upload->target.ptr) != 0)
        return mu_fail_errno(err, "cannot rename a file of the batch");
    return mu_sync_directory(upload->folder.ptr, err);
}

mu_code mu_batch_upload_finish(mu_batch_upload *upload, uint64_t *size_bytes, bool *is_new,
                               mu_err *err)
{
    bool was_new = true;
    mu_code code = finish(upload, &was_new, err);
    if (code != MU_OK) {
        mu_batch_upload_abandon(upload);
        return code;
    }
    *size_bytes = upload->n_bytes;
    if (is_new != NULL)
        *is_new = was_new;
    upload_free(upload);
    return MU_OK;
}

void mu_batch_upload_abandon(mu_batch_upload *upload)
{
    if (!upload->is_piece)
        unlink(upload->written.ptr);
    upload_free(upload);
}

/* -------- large files -------- */

mu_code mu_batch_large_begin(const mu_batch_folder *folder, mu_str name, mu_err *err)
{
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code = check_name(&arena, name, err);
    mu_str path = file_path(&arena, folder, "parts", name);
    if (code == MU_OK) {
        remove_tree(&arena, path, 1);
        code = mu_make_directories(path.ptr, err);
    }
    if (code == MU_OK) {
        mu_str data = mu_path_joined(&arena, path, MU_STR("data"));
        int fd = open(data.ptr, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0)
            code = mu_fail_errno(err, "cannot write a file of the batch");
        else
            close(fd);
    }
    mu_arena_free(&arena);
    return code;
}

static bool read_number(mu_str *text, char end, uint64_t *out)
{
    size_t n = 0;
    while (n < text->len && text->ptr[n] != end)
        n++;
    int64_t number;
    if (!mu_parse_integer((mu_str){text->ptr, n}, &number))
        return false;
    *out = (uint64_t)number;
    n += n < text->len;
    *text = (mu_str){text->ptr + n, text->len - n};
    return true;
}

static int by_first(const void *left, const void *right)
{
    const mu_batch_range *a = left, *b = right;
    if (a->first != b->first)
        return a->first < b->first ? -1 : 1;
    return (a->last > b->last) - (a->last < b->last);
}

/* The pieces that are there, in order. */
static uint32_t list_pieces(mu_arena *arena, mu_str path, mu_batch_range **out)
{
    const mu_str *names;
    uint32_t n = mu_folder_names(arena, path.ptr, &names), n_pieces = 0;
    *out = MU_NEW_ARRAY(arena, mu_batch_range, n);
    for (uint32_t i = 0; i < n; i++) {
        mu_str text = names[i];
        mu_batch_range *piece = &(*out)[n_pieces];
        n_pieces += read_number(&text, '-', &piece->first) &&
                    read_number(&text, '-', &piece->last) &&
                    read_number(&text, '\0', &piece->total_bytes);
    }
    if (n_pieces > 0)
        qsort(*out, n_pieces, sizeof **out, by_first);
    return n_pieces;
}

static mu_code check_pieces(const mu_batch_range *pieces, uint32_t n, mu_err *err)
{
    uint64_t next = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (pieces[i].total_bytes != pieces[0].total_bytes)
            return mu_fail(err, MU_E_INPUT, "the pieces of the file disagree on its size");
        if (pieces[i].first < next)
            return mu_fail(err, MU_E_INPUT, "pieces of the file overlap");
        if (pieces[i].first > next)
            break;
        next = pieces[i].last + 1;
    }
    if (n == 0 || next != pieces[0].total_bytes)
        return mu_fail(err, MU_E_INPUT, "a piece of the file is missing");
    return MU_OK;
}

static mu_code complete(mu_arena *arena, const mu_batch_folder *folder, mu_str name, mu_err *err)
{
    mu_batch_range *pieces;
    struct stat known;
    MU_TRY(check_name(arena, name, err));
    mu_str path = file_path(arena, folder, "parts", name);
    mu_str data = mu_path_joined(arena, path, MU_STR("data"));
    mu_str files = folder_path(arena, folder, "files");
    mu_str target = file_path(arena, folder, "files", name);
    if (stat(data.ptr, &known) != 0)
        return stat(target.ptr, &known) == 0
                   ? MU_OK /* completed before */
                   : mu_fail(err, MU_E_NOT_FOUND, "no large file of this name was initialized");
    uint32_t n = list_pieces(arena, path, &pieces);
    MU_TRY(check_pieces(pieces, n, err));
    MU_TRY(mu_make_directories(files.ptr, err));
    if (rename(data.ptr, target.ptr) != 0)
        return mu_fail_errno(err, "cannot rename a file of the batch");
    remove_tree(arena, path, 1);
    return mu_sync_directory(files.ptr, err);
}

mu_code mu_batch_large_complete(const mu_batch_folder *folder, mu_str name, mu_err *err)
{
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code = complete(&arena, folder, name, err);
    mu_arena_free(&arena);
    return code;
}

bool mu_batch_file_extent(const mu_batch_folder *folder, mu_str name, uint64_t *size_bytes)
{
    mu_arena arena;
    struct stat known;
    mu_batch_range *pieces;
    mu_arena_init(&arena, SIZE_MAX);
    bool is_there = stat(file_path(&arena, folder, "files", name).ptr, &known) == 0;
    *size_bytes = is_there ? (uint64_t)known.st_size : 0;
    if (!is_there) {
        uint32_t n = list_pieces(&arena, file_path(&arena, folder, "parts", name), &pieces);
        for (uint32_t i = 0; i < n && pieces[i].first <= *size_bytes; i++)
            if (pieces[i].last + 1 > *size_bytes)
                *size_bytes = pieces[i].last + 1;
        is_there = n > 0;
    }
    mu_arena_free(&arena);
    return is_there;
}
