/* export_int.h -- what the files of export/ share.
 *
 *   request ─ check ─> document of the job ─ plan ─> profiles ─> rows ─> file of each batch
 *                                                     (who)      (what)   (how)
 *
 * A row is one value of a type of the export's own, the root: the profile's fields, identityMap and
 * segmentMembership as look-ups show them, timeSeriesEvents when events are asked for, identities
 * when a path names them. Fields of the root that go out are a tree, compiled once; every format is
 * written from it.
 */
#ifndef MU_EXPORT_EXPORT_INT_H
#define MU_EXPORT_EXPORT_INT_H

#include "export/export.h"
#include "profile/hidden.h"
#include "json/edit.h"

/* -------- fields.c: what of a value goes out -------- */

/* A node of a type, or what is left of it. */
typedef struct mu_export_field mu_export_field;
struct mu_export_field {
    mu_str name; /* of an OBJECT's field or a MAP's key; else empty */
    const mu_type *type;
    uint32_t place; /* a field's, among the items of its OBJECT */
    /* OBJECT: its fields that go out. MAP: keys that are not like the others; one whose `type` is
     * NULL goes out never. */
    uint32_t n_fields;
    const mu_export_field *const *fields;
    const mu_export_field *item; /* LIST: items. MAP: values of other keys; NULL: those stay */
};

/* Paths are dotted; a name under a map is a key. */
typedef struct mu_export_paths {
    bool all;
    uint32_t n;
    const mu_str *paths; /* unless all */
} mu_export_paths;

/* The fields of `type` that `wanted` names, without those that begin with '$' and those of
 * `hidden`; NULL when nothing is left. In `arena`; types and names are borrowed. */
const mu_export_field *mu_export_fields_of(mu_arena *arena, const mu_type *type,
                                           const mu_export_paths *wanted, uint32_t n_hidden,
                                           const mu_str *hidden);

/* "a.b, c" without blanks and empty items; empty text is all. Texts borrowed. */
mu_export_paths mu_export_paths_of(mu_arena *arena, mu_str text);

/* Objects without a field that is there are left out; items of lists stay, also null ones. */
void mu_export_write_json(mu_json_writer *writer, const mu_export_field *field, mu_value value);

/* CSV (RFC 4180, lines end in CRLF): a column for each leaf outside lists and maps, named by its
 * path; lists and maps as JSON. Null is an empty cell, an empty text is "". */
void mu_export_write_csv_header(mu_buf *buf, const mu_export_field *root);
void mu_export_write_csv_row(mu_buf *buf, const mu_export_field *root, mu_value row);

/* The columns of the root for DuckDB's read_json: {'name': 'TYPE', ..}. MU_E_INPUT: two columns
 * differ in case alone, which it cannot tell apart; within an object that makes the object JSON. */
MU_CHECKED mu_code mu_export_write_columns(mu_buf *buf, const mu_export_field *root, mu_err *err);

/* -------- plan.c: what a job's document asks for -------- */

typedef enum mu_export_format {
    MU_EXPORT_JSON, /* one profile a line */
    MU_EXPORT_CSV,
    MU_EXPORT_PARQUET
} mu_export_format;

/* "json", "csv", "parquet" in any case; false for others. */
bool mu_export_format_read(mu_str text, mu_export_format *out);
mu_str mu_export_format_name(mu_export_format format);

typedef struct mu_export_audience {
    mu_str segment_id, namespace_code; /* as asked for */
    bool realized, exited;
    mu_str batch_id; /* with segmentPerBatch */
} mu_export_audience;

typedef struct mu_export_plan {
    uint64_t number;
    mu_str dataset, batch_id; /* batch_id: unless segmentPerBatch */
    bool segment_per_batch;
    mu_export_format format;
    mu_str schema_name, policy_id;
    uint32_t n_audiences; /* 0: all profiles */
    const mu_export_audience *audiences;
    int64_t qualified_from_ms, qualified_to_ms; /* both included */
    int64_t ingested_after_ms;                  /* INT64_MIN: whenever */
    bool empty_profiles, with_events;
    mu_export_paths fields, event_fields;
    int64_t events_after_ms, events_before_ms; /* ingested, both excluded */
    /* The server's own. */
    mu_str schedule_id, organization, sandbox_id, segment_job_id;
    bool wants_segmentation, is_cancelling;
} mu_export_plan;

/* Of a document that request.c made; texts borrowed, the rest in `arena`. */
void mu_export_plan_read(mu_arena *arena, const mu_json *document, mu_export_plan *out);

/* The audience of the book that an entry means; NULL when there is none. */
const mu_audience *mu_export_audience_find(const mu_audience_book *book, mu_str segment_id,
                                           mu_str namespace_code);

/* What the server keeps in a document and shows nobody. */
#define MU_EXPORT_OWN MU_STR("$own")

/* -------- request.c -------- */

/* A new job's document, status NEW, without id and times. MU_E_INPUT. */
MU_CHECKED mu_code mu_export_request_check(mu_arena *arena, mu_workspace *workspace,
                                           const mu_export_request *request, mu_json *out,
                                           mu_err *err);

/* n hex digits, and a UUID, of the system's random numbers; in `arena`. */
mu_str mu_export_random_hex(mu_arena *arena, size_t n_digits);
mu_str mu_export_random_uuid(mu_arena *arena);

/* -------- profiles.c: who goes out, as rows -------- */

typedef struct mu_export_counts {
    uint64_t n_rows;
    uint32_t n_namespaces, capacity; /* codes in lower case: profiles that have such an identity */
    mu_str *codes;
    uint64_t *n_profiles;
} mu_export_counts;

typedef struct mu_export_source mu_export_source;

/* Everything as of now: profiles, memberships, labels. Open once for all batches of a job. *stop
 MU_E_INPUT, MU_E_NOT_FOUND: an audience or the policy is no
 * longer there, or no field is left. */
MU_CHECKED mu_code mu_export_source_open(mu_workspace *workspace, const mu_export_plan *plan,
                                         bool (*should_stop)(void *context), void *stop_context,
                                         mu_export_source **out, mu_err *err);
void mu_export_source_close(mu_export_source *source);

/* What of a row goes out. */
const mu_export_field *mu_export_source_root(const mu_export_source *source);

/* Calls `row` for each profile of the audiences from..from+n (n = 0: those of all profiles), in one
 * order. Adds to `counts`, texts in `arena`. MU_E_CANCELLED. */
typedef mu_code mu_export_row_function(void *context, mu_value row, mu_err *err);
MU_CHECKED mu_code mu_export_source_read(mu_export_source *source, uint32_t from, uint32_t n,
                                         mu_export_row_function *row, void *context,
                                         mu_arena *arena, mu_export_counts *counts, mu_err *err);

/* -------- document.c: what becomes of a job's document -------- */

/* A new job's id and times. */
void mu_export_document_begin(mu_arena *arena, mu_json *document, uint64_t number, int64_t now_ms);
/* PROCESSING. */
void mu_export_document_start(mu_arena *arena, mu_json *document, int64_t now_ms);
/* The rows are chosen; what is left is to write. `metric` is one of 13.2. */
void mu_export_document_time(mu_arena *arena, mu_json *document, const char *metric,
                             int64_t start_ms, int64_t end_ms);
void mu_export_document_succeed(mu_arena *arena, mu_json *document, int64_t now_ms,
                                const mu_export_counts *counts);
void mu_export_document_fail(mu_arena *arena, mu_json *document, int64_t now_ms, const mu_err *why);
/* Sets a member that nobody is shown. */
void mu_export_document_set_own(mu_arena *arena, mu_json *document, const char *name,
                                mu_json value);
bool mu_export_document_has_status(const mu_json *document, const char *status);

/* -------- run.c: one job from PROCESSING to its end -------- */

typedef struct mu_export_run {
    mu_workspace *workspace;
    mu_str duckdb_library;
    const mu_shelf_item *item; /* the job as it is, PROCESSING */
    bool (*should_stop)(void *context);
    void *stop_context;
} mu_export_run;

/* Writes everything and makes the job SUCCEEDED with its batches, in one transaction. On failure
 * nothing is left: MU_E_CONFLICT when the job's document changed meanwhile. */
MU_CHECKED mu_code mu_export_run_job(const mu_export_run *run, uint64_t *n_rows, mu_err *err);

/* -------- duckdb.c: libduckdb, opened at run time -------- */

typedef struct mu_duckdb mu_duckdb;

/* `path` empty: libduckdb.so where the system finds it. MU_E_NOT_FOUND says how to get it. */
MU_CHECKED mu_code mu_duckdb_load(const char *path, mu_duckdb **out, mu_err *err);
void mu_duckdb_unload(mu_duckdb *library);

typedef struct mu_duckdb_conversion {
    const char *rows_path, *parquet_path, *temporary_folder;
    mu_str columns;        /* mu_export_write_columns */
    size_t line_max_bytes; /* the longest line */
    bool (*should_stop)(void *context);
    void *stop_context;
} mu_duckdb_conversion;

/* Lines of JSON become a Parquet file. MU_E_CANCELLED. What it says of an error names no value. */
MU_CHECKED mu_code mu_duckdb_convert(mu_duckdb *library, const mu_duckdb_conversion *conversion,
                                     mu_err *err);

/* -------- file.c -------- */

/* A file on its way to the disk, synced piece by piece. */
typedef struct mu_export_file {
    int fd;
    mu_buf buf; /* what is written next; flushed by mu_export_file_flush when there is enough */
    uint64_t n_bytes, n_unsynced_bytes;
} mu_export_file;

MU_CHECKED mu_code mu_export_file_create(const char *path, mu_export_file *out, mu_err *err);
/* Writes the buffer out when it is full. */
MU_CHECKED mu_code mu_export_file_flush(mu_export_file *file, mu_err *err);
/* All of it, synced; closes. */
MU_CHECKED mu_code mu_export_file_finish(mu_export_file *file, mu_err *err);
void mu_export_file_abandon(mu_export_file *file);

/* Syncs a file that somebody else wrote, and keeps others from reading it. */
MU_CHECKED mu_code mu_export_file_sync(const char *path, uint64_t *size_bytes, mu_err *err);

/* -------- batch.c: one batch -------- */

typedef struct mu_export_written {
    uint64_t n_rows, n_bytes;
    int64_t rows_ms; /* when all rows were chosen; what came then was writing */
} mu_export_written;

typedef struct mu_export_writing {
    mu_workspace *workspace;
    const mu_export_plan *plan;
    mu_export_source *source;
    mu_duckdb *duckdb; /* for Parquet */
    bool (*should_stop)(void *context);
    void *stop_context;
} mu_export_writing;

/* Writes the files of a batch for the audiences from..from+n, and syncs all of it. */
MU_CHECKED mu_code mu_export_batch_write(const mu_export_writing *writing, mu_str batch_id,
                                         uint32_t from, uint32_t n, mu_arena *arena,
                                         mu_export_counts *counts, mu_export_written *out,
                                         mu_err *err);

/* Removes the files of all batches of a job. */
void mu_export_files_remove(mu_workspace *workspace, const mu_export_plan *plan);

/* Removes what lies under the exports' folder of a place without a batch that was successful: at
 * the start. */
void mu_export_files_tidy(mu_workspace *workspace);

#endif
