#include "base/file.h"
#include "ingest/failed_int.h"
#include "ingest/file_name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

mu_str mu_failed_path(const mu_failed *failed, mu_arena *arena, mu_str sandbox, mu_str batch,
                      mu_str name)
{
    mu_str path = mu_str_from(failed->root);
    const mu_str parts[] = {sandbox, batch, name};
    for (size_t i = 0; i < 3 && parts[i].len > 0; i++) {
        mu_str part = mu_file_name(arena, parts[i]);
        path =
            mu_arena_format(arena, "%.*s/%.*s", (int)path.len, path.ptr, (int)part.len, part.ptr);
    }
    return path;
}

/* -------- appending -------- */

static mu_code append_bytes(const char *path, mu_str lines, mu_err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return mu_fail_errno(err, "cannot open %s", path);
    size_t done = 0;
    while (done < lines.len) {
        ssize_t n = write(fd, lines.ptr + done, lines.len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            mu_code code = mu_fail_errno(err, "cannot write %s", path);
            close(fd);
            return code;
        }
        done += (size_t)n;
    }
    return close(fd) == 0 ? MU_OK : mu_fail_errno(err, "cannot close %s", path);
}

mu_code mu_failed_append(mu_failed *failed, mu_str sandbox, mu_str batch, mu_str name, mu_str lines,
                         mu_err *err)
{
    mu_arena arena;
    struct stat known;
    mu_arena_init(&arena, SIZE_MAX);
    mu_str folder = mu_failed_path(failed, &arena, sandbox, batch, MU_STR(""));
    mu_str path = mu_failed_path(failed, &arena, sandbox, batch, name);
    pthread_mutex_lock(&failed->files);
    mu_code code = mu_make_directories(folder.ptr, err);
    bool is_full = code == MU_OK && stat(path.ptr, &known) == 0 &&
                   (uint64_t)known.st_size + lines.len > MU_FAILED_BATCH_BYTES_MAX;
    if (code == MU_OK && !is_full)
        code = append_bytes(path.ptr, lines, err);
    pthread_mutex_unlock(&failed->files);
    mu_arena_free(&arena);
    return code;
}

/* -------- folders -------- */

static void remove_folder(mu_arena *arena, mu_str path)
{
    const mu_str *names;
    uint32_t n = mu_folder_names(arena, path.ptr, &names);
    for (uint32_t i = 0; i < n; i++)
        unlink(mu_path_joined(arena, path, names[i]).ptr);
    rmdir(path.ptr);
}

void mu_failed_remove(mu_failed *failed, mu_str sandbox, mu_str batch)
{
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    pthread_mutex_lock(&failed->files);
    remove_folder(&arena, mu_failed_path(failed, &arena, sandbox, batch, MU_STR("")));
    pthread_mutex_unlock(&failed->files);
    mu_arena_free(&arena);
}

uint32_t mu_failed_list(mu_failed *failed, mu_arena *arena, mu_str sandbox, mu_str batch,
                        const mu_failed_file **out)
{
    const mu_str *names;
    struct stat known;
    mu_str folder = mu_failed_path(failed, arena, sandbox, batch, MU_STR(""));
    uint32_t n = mu_folder_names(arena, folder.ptr, &names), n_files = 0;
    mu_failed_file *files = MU_NEW_ARRAY(arena, mu_failed_file, n);
    for (uint32_t i = 0; i < n; i++)
        if (stat(mu_path_joined(arena, folder, names[i]).ptr, &known) == 0)
            files[n_files++] = (mu_failed_file){names[i], (uint64_t)known.st_size};
    *out = files;
    return n_files;
}

mu_code mu_failed_open_file(mu_failed *failed, mu_str sandbox, mu_str batch, mu_str name, int *fd,
                            uint64_t *length, mu_err *err)
{
    mu_arena arena;
    struct stat known;
    mu_arena_init(&arena, SIZE_MAX);
    mu_str path = mu_failed_path(failed, &arena, sandbox, batch, name);
    int opened = name.len == 0 ? -1 : open(path.ptr, O_RDONLY | O_CLOEXEC);
    mu_arena_free(&arena);
    if (opened < 0)
        return mu_fail(err, MU_E_NOT_FOUND, "the batch has no such file");
    if (fstat(opened, &known) != 0) {
        mu_code code = mu_fail_errno(err, "cannot read a file of failed rows");
        close(opened);
        return code;
    }
    *fd = opened;
    *length = (uint64_t)known.st_size;
    return MU_OK;
}

/* -------- what is too old or too much -------- */

typedef struct old_batch {
    mu_str sandbox, batch, path;
    int64_t changed_ms;
    uint64_t n_bytes;
} old_batch;

typedef struct old_batches {
    uint32_t n, capacity;
    old_batch *list; /* in the arena */
    uint64_t n_bytes;
} old_batches;

static void add_batch(mu_arena *arena, old_batches *all, old_batch batch)
{
    if (all->n == all->capacity) {
        uint32_t capacity = all->capacity == 0 ? 64 : 2 * all->capacity;
        old_batch *grown = MU_NEW_ARRAY(arena, old_batch, capacity);
        if (all->n > 0)
            memcpy(grown, all->list, all->n * sizeof *grown);
        all->list = grown;
        all->capacity = capacity;
    }
    all->list[all->n++] = batch;
    all->n_bytes += batch.n_bytes;
}

static old_batch measure(mu_arena *arena, mu_str sandbox, mu_str name, mu_str path)
{
    old_batch batch = {.sandbox = sandbox, .batch = name, .path = path};
    const mu_str *files;
    struct stat known;
    uint32_t n = mu_folder_names(arena, path.ptr, &files);
    for (uint32_t i = 0; i < n; i++) {
        if (stat(mu_path_joined(arena, path, files[i]).ptr, &known) != 0)
            continue;
        int64_t changed_ms = (int64_t)known.st_mtim.tv_sec * 1000;
        batch.n_bytes += (uint64_t)known.st_size;
        if (changed_ms > batch.changed_ms)
            batch.changed_ms = changed_ms;
    }
    return batch;
}

static old_batches find_batches(const mu_failed *failed, mu_arena *arena)
{
    old_batches all = {.n = 0};
    mu_str root = mu_str_from(failed->root);
    const mu_str *sandboxes, *names;
    uint32_t n_sandboxes = mu_folder_names(arena, failed->root, &sandboxes);
    for (uint32_t i = 0; i < n_sandboxes; i++) {
        mu_str folder = mu_path_joined(arena, root, sandboxes[i]);
        uint32_t n = mu_folder_names(arena, folder.ptr, &names);
        for (uint32_t k = 0; k < n; k++)
            add_batch(
                arena, &all,
                measure(arena, sandboxes[i], names[k], mu_path_joined(arena, folder, names[k])));
    }
    return all;
}

static int by_age(const void *left, const void *right)
{
    const old_batch *a = left, *b = right;
    if (a->changed_ms != b->changed_ms)
        return a->changed_ms < b->changed_ms ? -1 : 1;
    return mu_str_compare(a->batch, b->batch);
}

/* A batch that gathered streaming messages has nothing but its files. */
static void forget_document(mu_failed *failed, mu_arena *arena, const old_batch *old)
{
    mu_document document;
    mu_json json;
    mu_batch batch;
    mu_err err;
    mu_str sandbox = mu_file_name_origin(arena, old->sandbox);
    mu_json_reader *reader = mu_json_reader_new();
    bool is_streaming = mu_document_get(failed->options.documents, arena, sandbox, MU_BATCH_KIND,
                                        old->batch, &document, &err) == MU_OK &&
                        mu_json_read(reader, arena, document.json, &json, &err) == MU_OK &&
                        mu_batch_read(&json, &batch, &err) == MU_OK && batch.is_streaming;
    mu_json_reader_free(reader);
    mu_document_edit edit = {.action = MU_DOCUMENT_REMOVE, .kind = MU_BATCH_KIND, .id = old->batch};
    if (is_streaming && mu_document_edit_all(failed->options.documents, sandbox,
                                             failed->options.now_ms(), 1, &edit, &err) != MU_OK)
        mu_log(failed->options.logger, MU_LOG_WARNING, "failed_store_not_tidied",
               mu_log_text("why", mu_str_from(err.text)));
}

void mu_failed_tidy(mu_failed *failed)
{
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    pthread_mutex_lock(&failed->files);
    old_batches all = find_batches(failed, &arena);
    int64_t oldest_ms = failed->options.now_ms() - failed->options.keep_ms;
    if (all.n > 0)
        qsort(all.list, all.n, sizeof *all.list, by_age);
    uint32_t n_removed = 0;
    for (; n_removed < all.n; n_removed++) {
        const old_batch *old = &all.list[n_removed];
        if (old->changed_ms >= oldest_ms && all.n_bytes <= failed->options.bytes_max)
            break;
        remove_folder(&arena, old->path);
        all.n_bytes -= old->n_bytes;
    }
    pthread_mutex_unlock(&failed->files);
    for (uint32_t i = 0; i < n_removed; i++)
        forget_document(failed, &arena, &all.list[i]);
    mu_arena_free(&arena);
}

/* -------- erasure -------- */

static bool names_one_of(mu_str line, uint32_t n, const mu_str *needles)
{
    for (uint32_t i = 0; i < n; i++)
        if (mu_str_find(line, needles[i]) != SIZE_MAX)
            return true;
    return false;
}

/* Writes the file anew without the lines that hold one of the needles, if there are any. */
static mu_code erase_lines(mu_arena *arena, mu_str path, uint32_t n, const mu_str *needles,
                           mu_err *err)
{
    mu_mapping mapping;
    MU_TRY(mu_file_map(path.ptr, &mapping, err));
    mu_str rest = {(const char *)mapping.bytes, mapping.size_bytes};
    mu_buf kept;
    mu_buf_init(&kept, mapping.size_bytes);
    while (rest.len > 0) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        size_t length = end == NULL ? rest.len : (size_t)(end - rest.ptr) + 1;
        mu_str line = {rest.ptr, length};
        if (!names_one_of(line, n, needles))
            mu_buf_add_str(&kept, line);
        rest = (mu_str){rest.ptr + length, rest.len - length};
    }
    bool has_changed = kept.len < mapping.size_bytes;
    mu_file_unmap(&mapping);
    mu_code code = MU_OK;
    mu_str fresh = mu_arena_format(arena, "%.*s.new", (int)path.len, path.ptr);
    if (kept.failed)
        code = mu_fail(err, MU_E_NOMEM, "out of memory while failed rows were erased");
    else if (has_changed && (unlink(fresh.ptr), true))
        code = append_bytes(fresh.ptr, mu_buf_str(&kept), err);
    if (code == MU_OK && has_changed && rename(fresh.ptr, path.ptr) != 0)
        code = mu_fail_errno(err, "cannot rename %s", fresh.ptr);
    mu_buf_free(&kept);
    return code;
}

/* The value as JSON has it, quotes included. */
static mu_str needle_of(mu_arena *arena, mu_str value)
{
    mu_buf buf;
    mu_json_writer writer;
    mu_buf_init(&buf, SIZE_MAX);
    mu_json_writer_init(&writer, &buf);
    mu_json_string(&writer, value);
    mu_str needle = mu_arena_copy(arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return needle;
}

static mu_code erase_in_sandbox(mu_arena *arena, mu_str folder, uint32_t n, const mu_str *needles,
                                mu_err *err)
{
    const mu_str *batches, *files;
    uint32_t n_batches = mu_folder_names(arena, folder.ptr, &batches);
    for (uint32_t i = 0; i < n_batches; i++) {
        mu_str batch = mu_path_joined(arena, folder, batches[i]);
        uint32_t n_files = mu_folder_names(arena, batch.ptr, &files);
        for (uint32_t k = 0; k < n_files; k++)
            MU_TRY(erase_lines(arena, mu_path_joined(arena, batch, files[k]), n, needles, err));
    }
    return MU_OK;
}

mu_code mu_failed_erase(mu_failed *failed, mu_str sandbox, uint32_t n,
                        const mu_identity *identities, mu_err *err)
{
    mu_arena arena;
    mu_failed_flush(failed);
    mu_arena_init(&arena, SIZE_MAX);
    mu_str *needles = MU_NEW_ARRAY(&arena, mu_str, n);
    for (uint32_t i = 0; i < n; i++)
        needles[i] = needle_of(&arena, identities[i].value);
    mu_str folder = mu_failed_path(failed, &arena, sandbox, MU_STR(""), MU_STR(""));
    pthread_mutex_lock(&failed->files);
    mu_code code = erase_in_sandbox(&arena, folder, n, needles, err);
    pthread_mutex_unlock(&failed->files);
    mu_arena_free(&arena);
    return code;
}
