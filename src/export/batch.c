/* batch.c -- the files of one exported batch, and of batches that nobody will see. */
#include "export/export_int.h"

#include "base/file.h"
#include "ingest/batch_document.h"
#include "ingest/batch_files.h"
#include "ingest/file_name.h"

#include <sys/stat.h>
#include <unistd.h>

static mu_batch_folder folder_of(const mu_workspace *workspace, mu_arena *arena, mu_str batch_id)
{
    return mu_batch_export_folder_of(arena, mu_live_folder(workspace->options->live),
                                     workspace->place, batch_id);
}

/* -------- writing -------- */

typedef struct row_writing {
    mu_export_format format; /* MU_EXPORT_JSON for rows that become Parquet */
    const mu_export_field *root;
    mu_export_file file;
    size_t line_max_bytes;
} row_writing;

static mu_code write_row(void *context, mu_value row, mu_err *err)
{
    row_writing *w = context;
    if (w->format == MU_EXPORT_CSV) {
        mu_export_write_csv_row(&w->file.buf, w->root, row);
    } else {
        mu_json_writer writer;
        size_t begin = w->file.buf.len;
        mu_json_writer_init(&writer, &w->file.buf);
        mu_export_write_json(&writer, w->root, row);
        mu_buf_add_char(&w->file.buf, '\n');
        size_t len = w->file.buf.len - begin;
        w->line_max_bytes = len > w->line_max_bytes ? len : w->line_max_bytes;
    }
    return mu_export_file_flush(&w->file, err);
}

typedef struct batch_writing {
    const mu_export_writing *writing;
    mu_str files, incoming; /* folders */
    uint32_t from, n;
    mu_arena *arena;
    mu_export_counts *counts;
} batch_writing;

static mu_code write_rows(const batch_writing *b, mu_export_format format, const char *path,
                          mu_export_written *out, size_t *line_max_bytes, mu_err *err)
{
    row_writing w = {.format = format, .root = mu_export_source_root(b->writing->source)};
    MU_TRY(mu_export_file_create(path, &w.file, err));
    if (format == MU_EXPORT_CSV)
        mu_export_write_csv_header(&w.file.buf, w.root);
    mu_code code = mu_export_source_read(b->writing->source, b->from, b->n, write_row, &w, b->arena,
                                         b->counts, err);
    if (code != MU_OK) {
        mu_export_file_abandon(&w.file);
        return code;
    }
    out->rows_ms = mu_workspace_now_ms(b->writing->workspace);
    code = mu_export_file_finish(&w.file, err);
    out->n_bytes = w.file.n_bytes;
    *line_max_bytes = w.line_max_bytes;
    return code;
}

static mu_code convert(const batch_writing *b, mu_str rows, size_t line_max_bytes, mu_str target,
                       mu_err *err)
{
    const mu_export_writing *writing = b->writing;
    mu_buf columns;
    mu_buf_init(&columns, (size_t)16 << 20);
    mu_code code = mu_export_write_columns(&columns, mu_export_source_root(writing->source), err);
    const mu_duckdb_conversion conversion = {.rows_path = rows.ptr,
                                             .parquet_path = target.ptr,
                                             .temporary_folder = b->incoming.ptr,
                                             .columns = mu_buf_str(&columns),
                                             .line_max_bytes = line_max_bytes,
                                             .should_stop = writing->should_stop,
                                             .stop_context = writing->stop_context};
    if (code == MU_OK && columns.failed)
        code = mu_fail(err, MU_E_LIMIT, "the profiles have too many fields for Parquet");
    if (code == MU_OK)
        code = mu_duckdb_convert(writing->duckdb, &conversion, err);
    mu_buf_free(&columns);
    unlink(rows.ptr);
    return code;
}

static mu_code write_file(const batch_writing *b, mu_export_written *out, mu_err *err)
{
    mu_export_format format = b->writing->plan->format;
    mu_str name = mu_arena_format(b->arena, "profiles." MU_STR_FMT,
                                  MU_STR_ARG(mu_export_format_name(format)));
    mu_str target = mu_path_joined(b->arena, b->files, name);
    size_t line_max_bytes;
    if (format != MU_EXPORT_PARQUET)
        return write_rows(b, format, target.ptr, out, &line_max_bytes, err);
    mu_str rows = mu_path_joined(b->arena, b->incoming, MU_STR("rows.json"));
    MU_TRY(write_rows(b, MU_EXPORT_JSON, rows.ptr, out, &line_max_bytes, err));
    MU_TRY(convert(b, rows, line_max_bytes, target, err));
    return mu_export_file_sync(target.ptr, &out->n_bytes, err);
}

/* The folder's name, and those of the ones above it that may be new. */
static mu_code sync_folders(mu_arena *arena, mu_str path, mu_err *err)
{
    for (int i = 0; i < 4; i++) {
        MU_TRY(mu_sync_directory(path.ptr, err));
        while (path.len > 0 && path.ptr[path.len - 1] != '/')
            path.len--;
        if (path.len <= 1)
            return MU_OK;
        path = mu_arena_copy(arena, (mu_str){path.ptr, path.len - 1});
    }
    return MU_OK;
}

mu_code mu_export_batch_write(const mu_export_writing *writing, mu_str batch_id, uint32_t from,
                              uint32_t n, mu_arena *arena, mu_export_counts *counts,
                              mu_export_written *out, mu_err *err)
{
    mu_batch_folder folder = folder_of(writing->workspace, arena, batch_id);
    const batch_writing b = {.writing = writing,
                             .files = mu_path_joined(arena, folder.path, MU_STR("files")),
                             .incoming = mu_path_joined(arena, folder.path, MU_STR("incoming")),
                             .from = from,
                             .n = n,
                             .arena = arena,
                             .counts = counts};
    mu_export_written written = {.n_rows = 0};
    uint64_t n_before = counts->n_rows;
    mu_batch_files_remove(&folder);
    MU_TRY(mu_make_directories(b.files.ptr, err));
    MU_TRY(mu_make_directories(b.incoming.ptr, err));
    if (chmod(folder.path.ptr, 0700) != 0)
        return mu_fail_errno(err, "cannot keep the files of an export to the server");
    MU_TRY(write_file(&b, &written, err));
    MU_TRY(sync_folders(arena, b.files, err));
    written.n_rows = counts->n_rows - n_before;
    *out = written;
    return MU_OK;
}

/* -------- removing -------- */

void mu_export_files_remove(mu_workspace *workspace, const mu_export_plan *plan)
{
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    mu_batch_folder folder = folder_of(workspace, &arena, plan->batch_id);
    if (plan->batch_id.len > 0)
        mu_batch_files_remove(&folder);
    for (uint32_t i = 0; plan->segment_per_batch && i < plan->n_audiences; i++) {
        folder = folder_of(workspace, &arena, plan->audiences[i].batch_id);
        if (plan->audiences[i].batch_id.len > 0)
            mu_batch_files_remove(&folder);
    }
    mu_arena_free(&arena);
}

static bool is_kept(mu_workspace *workspace, mu_arena *arena, mu_str batch_id)
{
    mu_document document;
    mu_err err;
    mu_json json;
    mu_batch batch;
    mu_code code = mu_document_get(workspace->options->documents, arena, workspace->place,
                                   MU_BATCH_KIND, batch_id, &document, &err);
    if (code == MU_OK && mu_json_parse(arena, document.json, &json, &err) == MU_OK &&
        mu_batch_read(&json, &batch, &err) == MU_OK)
        return batch.status == MU_BATCH_SUCCESS;
    return code != MU_E_NOT_FOUND; /* what cannot be read is no reason to remove anything */
}

void mu_export_files_tidy(mu_workspace *workspace)
{
    mu_arena arena;
    const mu_str *names;
    mu_arena_init(&arena, SIZE_MAX);
    mu_batch_folder any = folder_of(workspace, &arena, MU_STR("x"));
    mu_str parent = mu_arena_copy(&arena, (mu_str){any.path.ptr, any.path.len - 2});
    uint32_t n = mu_folder_names(&arena, parent.ptr, &names);
    for (uint32_t i = 0; i < n; i++) {
        mu_str id = mu_file_name_origin(&arena, names[i]);
        mu_batch_folder folder = folder_of(workspace, &arena, id);
        if (!is_kept(workspace, &arena, id))
            mu_batch_files_remove(&folder);
    }
    mu_arena_free(&arena);
}
