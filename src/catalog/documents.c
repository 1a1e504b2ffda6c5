#include "catalog/documents.h"

#include "base/hash.h"
#include "base/runner.h"
#include "catalog/audit_int.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_NAME      "documents.db"
#define APPLICATION_ID 0x4d55444f /* "MUDO" */
#define FORMAT_VERSION 1
#define BUSY_MS        20000
/* Pages of the write-ahead log that start a checkpoint; 4 MiB. */
#define CHECKPOINT_PAGES     1024
#define CHECKPOINT_PAGES_MAX (8 * CHECKPOINT_PAGES)

/* document_state has one row: the next number, and the sum of all checksums, by which a document
 * that went missing is noticed. */
static const char tables[] =
    "CREATE TABLE IF NOT EXISTS document (number INTEGER PRIMARY KEY, sandbox TEXT NOT NULL,"
    " kind TEXT NOT NULL, id TEXT NOT NULL, json TEXT NOT NULL, created_ms INTEGER NOT NULL,"
    " updated_ms INTEGER NOT NULL, version INTEGER NOT NULL, checksum INTEGER NOT NULL) STRICT;"
    "CREATE UNIQUE INDEX IF NOT EXISTS document_by_id ON document (sandbox, kind, id);"
    "CREATE TABLE IF NOT EXISTS document_state (id INTEGER PRIMARY KEY CHECK (id = 1),"
    " next_number INTEGER NOT NULL, digest INTEGER NOT NULL, checksum INTEGER NOT NULL) STRICT;";

#define COLUMNS "number, sandbox, kind, id, json, created_ms, updated_ms, version, checksum"

enum column { NUMBER, SANDBOX, KIND, ID, JSON, CREATED, UPDATED, VERSION, CHECKSUM };

enum statement { GET, LIST, PUT, REMOVE, READ_STATE, WRITE_STATE, N_STATEMENTS };

static const char *const texts[N_STATEMENTS] = {
    [GET] = "SELECT " COLUMNS " FROM document WHERE sandbox = ? AND kind = ? AND id = ?",
    [LIST] = "SELECT " COLUMNS " FROM document WHERE sandbox = ? AND kind = ? ORDER BY number",
    [PUT] = "INSERT OR REPLACE INTO document (" COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [REMOVE] = "DELETE FROM document WHERE number = ?",
    [READ_STATE] = "SELECT id, next_number, digest, checksum FROM document_state WHERE id = 1",
    [WRITE_STATE] = "INSERT OR REPLACE INTO document_state (id, next_number, digest, checksum)"
                    " VALUES (?, ?, ?, ?)",
};

#define N_GENERATIONS 64u

struct mu_documents {
    pthread_mutex_t lock; /* guards the catalog and the statements */
    mu_catalog *catalog;  /* documents.db */
    sqlite3 *checkpoints; /* a connection of the runner's own */
    mu_runner *runner;    /* moves the write-ahead log into the file, so that no commit has to */
    mu_sql statements[N_STATEMENTS];
    uint32_t n_prepared;
    _Atomic bool wants_checkpoint;
    bool is_unsettled;     /* a commit failed half way: nothing more is written */
    int64_t audit_keep_ms; /* 0: for ever */
    /* Release after a commit, acquire by readers: who sees a number sees its documents. */
    _Atomic uint64_t generation;
    _Atomic uint64_t by_kind[N_GENERATIONS]; /* by hash; kinds may share one */
};

/* -------- opening -------- */

static mu_code prepare_all(mu_documents *documents, mu_err *err)
{
    while (documents->n_prepared < N_STATEMENTS) {
        uint32_t i = documents->n_prepared;
        MU_TRY(mu_sql_prepare(documents->catalog, texts[i], &documents->statements[i], err));
        documents->n_prepared++;
    }
    return MU_OK;
}

/* The file as a connection of its own: decision 0250. For reading, no file is MU_E_NOT_FOUND; one
 * in a folder that may not be written, where SQLite can't make its shared memory, is taken as it
 * is. */
static mu_code open_database(const char *folder, mu_catalog_mode mode, mu_catalog **out,
                             mu_err *err)
{
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/" FILE_NAME, folder);
    if (n < 0 || (size_t)n >= sizeof path)
        return mu_fail(err, MU_E_INPUT, "the name of the data folder is too long");
    if (mode == MU_CATALOG_READ && access(path, F_OK) != 0)
        return mu_fail(err, MU_E_NOT_FOUND, "no file %s", path);
    mu_catalog *database = calloc(1, sizeof *database);
    if (database == NULL || (database->path = strdup(path)) == NULL) {
        free(database);
        return mu_fail(err, MU_E_NOMEM, "out of memory for opening %s", path);
    }
    bool as_it_is = mode == MU_CATALOG_READ && access(folder, W_OK) != 0;
    char uri[4200];
    snprintf(uri, sizeof uri, "file:%s%s", path, as_it_is ? "?immutable=1" : "");
    int flags =
        SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
        (as_it_is ? SQLITE_OPEN_READONLY | SQLITE_OPEN_URI
                  : SQLITE_OPEN_READWRITE | (mode == MU_CATALOG_WRITE ? SQLITE_OPEN_CREATE : 0));
    int result = sqlite3_open_v2(as_it_is ? uri : path, &database->db, flags, NULL);
    mu_code code = result == SQLITE_OK ? MU_OK : mu_sql_fail(database, result, err);
    if (code == MU_OK) {
        sqlite3_busy_timeout(database->db, BUSY_MS);
        code =
            mu_sql_run(database, "PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF", err);
    }
    if (code == MU_OK && mode == MU_CATALOG_READ)
        code = mu_sql_run(database, "PRAGMA query_only = ON", err);
    if (code != MU_OK) {
        mu_catalog_close(database);
        return code;
    }
    *out = database;
    return MU_OK;
}

static mu_code read_integer(mu_catalog *database, const char *text, uint64_t *out, mu_err *err)
{
    mu_sql sql;
    bool has_row;
    MU_TRY(mu_sql_prepare(database, text, &sql, err));
    mu_code code = mu_sql_next(&sql, &has_row, err);
    if (code == MU_OK)
        *out = has_row ? mu_sql_integer(&sql, 0) : 0;
    mu_sql_finish(&sql);
    return code;
}

static mu_code check_format(mu_catalog *database, bool *is_new, mu_err *err)
{
    uint64_t application_id, version, n_tables;
    MU_TRY(read_integer(database, "PRAGMA application_id", &application_id, err));
    MU_TRY(read_integer(database, "PRAGMA user_version", &version, err));
    MU_TRY(read_integer(database, "SELECT count(*) FROM sqlite_schema", &n_tables, err));
    *is_new = application_id == 0 && n_tables == 0;
    if (!*is_new && application_id != APPLICATION_ID)
        return mu_fail(err, MU_E_INPUT, "%s does not hold documents of muster", database->path);
    if (!*is_new && version != FORMAT_VERSION)
        return mu_fail(err, MU_E_INPUT, "%s has format %llu; this muster reads format %d",
                       database->path, (unsigned long long)version, FORMAT_VERSION);
    return MU_OK;
}

/* Older folders had the documents in catalog.db: attached as `old`. */
static mu_code attach_old(mu_catalog *database, const char *folder, bool *has_documents,
                          mu_err *err)
{
    mu_arena arena;
    uint64_t n = 0;
    mu_code code = MU_OK;
    mu_arena_init(&arena, SIZE_MAX);
    mu_str old = mu_arena_format(&arena, "%s/catalog.db", folder);
    if (access(old.ptr, F_OK) == 0) {
        char *attach = sqlite3_mprintf("ATTACH %Q AS old", old.ptr);
        code = attach == NULL ? mu_fail(err, MU_E_NOMEM, "no memory for opening %s", old.ptr)
                              : mu_sql_run(database, attach, err);
        sqlite3_free(attach);
        if (code == MU_OK)
            code = read_integer(database,
                                "SELECT count(*) FROM old.sqlite_schema WHERE type = 'table' AND"
                                " name IN ('document', 'document_state')",
                                &n, err);
    }
    mu_arena_free(&arena);
    *has_documents = n == 2;
    return code;
}

static mu_code make_tables(mu_catalog *database, bool has_old, mu_err *err)
{
    char format[128];
    snprintf(format, sizeof format, "PRAGMA application_id = %d; PRAGMA user_version = %d;",
             APPLICATION_ID, FORMAT_VERSION);
    MU_TRY(mu_sql_run(database, "BEGIN IMMEDIATE", err));
    mu_code code = mu_sql_run(database, tables, err);
    if (code == MU_OK && has_old)
        code = mu_sql_run(database,
                          "INSERT INTO main.document SELECT * FROM old.document;"
                          "INSERT INTO main.document_state SELECT * FROM old.document_state",
                          err);
    if (code == MU_OK)
        code = mu_sql_run(database, format, err);
    if (code == MU_OK)
        code = mu_sql_run(database, "COMMIT", err);
    if (code != MU_OK && !sqlite3_get_autocommit(database->db))
        (void)!mu_sql_run(database, "ROLLBACK", NULL);
    return code;
}

static mu_code make_file(mu_catalog *database, const char *folder, mu_err *err)
{
    bool has_old;
    MU_TRY(attach_old(database, folder, &has_old, err));
    MU_TRY(make_tables(database, has_old, err));
    if (has_old)
        MU_TRY(mu_sql_run(database, "DROP TABLE old.document; DROP TABLE old.document_state", err));
    sqlite3_exec(database->db, "DETACH old", NULL, NULL, NULL); /* fails when there was none */
    return MU_OK;
}

static uint32_t checkpoint(void *context, const bool *is_stopping)
{
    mu_documents *documents = context;
    (void)is_stopping;
    if (atomic_exchange_explicit(&documents->wants_checkpoint, false, memory_order_acq_rel))
        sqlite3_wal_checkpoint_v2(documents->checkpoints, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL,
                                  NULL);
    return MU_RUNNER_IDLE;
}

/* Called after each commit, outside of any transaction, with the pages that lie in the log. Where
 * changes come faster than the runner can move them, whoever made the last one does it. */
static int note_pages(void *context, sqlite3 *db, const char *name, int n_pages)
{
    mu_documents *documents = context;
    if (n_pages >= CHECKPOINT_PAGES_MAX)
        sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_RESTART, NULL, NULL);
    else if (n_pages >= CHECKPOINT_PAGES) {
        atomic_store_explicit(&documents->wants_checkpoint, true, memory_order_release);
        mu_runner_wake(documents->runner);
    }
    return SQLITE_OK;
}

static mu_code start_checkpoints(mu_documents *documents, mu_err *err)
{
    int result = sqlite3_open_v2(documents->catalog->path, &documents->checkpoints,
                                 SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (result != SQLITE_OK)
        return mu_fail(err, MU_E_IO, "cannot open %s: %s", documents->catalog->path,
                       sqlite3_errstr(result));
    /* A connection that has read nothing yet does not know of the log. */
    result = sqlite3_exec(documents->checkpoints, "SELECT count(*) FROM sqlite_schema", NULL, NULL,
                          NULL);
    if (result != SQLITE_OK)
        return mu_fail(err, MU_E_IO, "cannot read %s: %s", documents->catalog->path,
                       sqlite3_errstr(result));
    MU_TRY(mu_runner_start("documents", checkpoint, documents, &documents->runner, err));
    sqlite3_wal_hook(documents->catalog->db, note_pages, documents);
    return MU_OK;
}

static mu_code open_catalog(mu_documents *documents, const char *folder, mu_err *err)
{
    bool is_new;
    MU_TRY(open_database(folder, MU_CATALOG_WRITE, &documents->catalog, err));
    mu_catalog *database = documents->catalog;
    MU_TRY(mu_sql_run(database,
                      "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                      "PRAGMA secure_delete = ON",
                      err));
    MU_TRY(check_format(database, &is_new, err));
    if (is_new)
        MU_TRY(make_file(database, folder, err));
    MU_TRY(mu_audit_make_tables(database, err));
    return start_checkpoints(documents, err);
}

mu_code mu_documents_open(const char *folder, mu_documents **out, mu_err *err)
{
    mu_documents *documents = calloc(1, sizeof *documents);
    if (documents == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for the documents of %s", folder);
    pthread_mutex_init(&documents->lock, NULL);
    atomic_store(&documents->generation, 1);
    mu_code code = open_catalog(documents, folder, err);
    if (code == MU_OK)
        code = prepare_all(documents, err);
    if (code != MU_OK) {
        mu_documents_close(documents);
        return code;
    }
    *out = documents;
    return MU_OK;
}

/* The last connection to close moves what is left in the log into the file. */
void mu_documents_close(mu_documents *documents)
{
    if (documents == NULL)
        return;
    mu_runner_stop(documents->runner);
    sqlite3_close_v2(documents->checkpoints);
    for (uint32_t i = 0; i < documents->n_prepared; i++)
        mu_sql_finish(&documents->statements[i]);
    mu_catalog_close(documents->catalog);
    pthread_mutex_destroy(&documents->lock);
    free(documents);
}

/* -------- statements, used again and again -------- */

static mu_sql *begin(mu_documents *documents, enum statement which)
{
    mu_sql *sql = &documents->statements[which];
    sqlite3_reset(sql->statement);
    sqlite3_clear_bindings(sql->statement);
    sql->n_bound = 0;
    mu_buf_clear(&sql->row);
    return sql;
}

/* Lets go of the file's lock, and of texts that were bound. */
static void end(mu_sql *sql)
{
    sqlite3_reset(sql->statement);
    sqlite3_clear_bindings(sql->statement);
}

static mu_code run(mu_sql *sql, mu_err *err)
{
    bool has_row;
    mu_code code = mu_sql_next(sql, &has_row, err);
    end(sql);
    return code;
}

/* -------- reading -------- */

typedef struct document_row {
    mu_document document;
    uint64_t checksum;
} document_row;

static mu_code take_row(mu_sql *sql, mu_arena *arena, document_row *out, mu_err *err)
{
    MU_TRY(mu_sql_check_row(sql, "document", err));
    *out = (document_row){.document = {.id = mu_sql_text(sql, arena, ID),
                                       .json = mu_sql_text(sql, arena, JSON),
                                       .number = mu_sql_integer(sql, NUMBER),
                                       .created_ms = (int64_t)mu_sql_integer(sql, CREATED),
                                       .updated_ms = (int64_t)mu_sql_integer(sql, UPDATED),
                                       .version = mu_sql_integer(sql, VERSION)},
                          .checksum = mu_sql_integer(sql, CHECKSUM)};
    return MU_OK;
}

static mu_code find(mu_documents *documents, mu_arena *arena, mu_str sandbox, mu_str kind,
                    mu_str id, bool *found, document_row *out, mu_err *err)
{
    mu_sql *sql = begin(documents, GET);
    mu_sql_bind_text(sql, sandbox);
    mu_sql_bind_text(sql, kind);
    mu_sql_bind_text(sql, id);
    mu_code code = mu_sql_next(sql, found, err);
    if (code == MU_OK && *found)
        code = take_row(sql, arena, out, err);
    end(sql);
    return code;
}

static mu_code no_such(mu_str kind, mu_str id, mu_err *err)
{
    return mu_fail(err, MU_E_NOT_FOUND, "there is no " MU_STR_FMT " " MU_STR_FMT, MU_STR_ARG(kind),
                   MU_STR_ARG(id));
}

mu_code mu_document_get(mu_documents *documents, mu_arena *arena, mu_str sandbox, mu_str kind,
                        mu_str id, mu_document *out, mu_err *err)
{
    bool found = false;
    document_row row;
    pthread_mutex_lock(&documents->lock);
    mu_code code = find(documents, arena, sandbox, kind, id, &found, &row, err);
    pthread_mutex_unlock(&documents->lock);
    MU_TRY(code);
    if (!found)
        return no_such(kind, id, err);
    *out = row.document;
    return MU_OK;
}

typedef struct document_list {
    mu_document *items;
    uint32_t n, capacity;
} document_list;

static void add_to_list(document_list *list, mu_arena *arena, const mu_document *document)
{
    if (list->n == list->capacity) {
        uint32_t capacity = list->capacity == 0 ? 16 : list->capacity * 2;
        mu_document *items = MU_NEW_ARRAY(arena, mu_document, capacity);
        if (list->n > 0)
            memcpy(items, list->items, list->n * sizeof *items);
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->n++] = *document;
}

mu_code mu_document_list(mu_documents *documents, mu_arena *arena, mu_str sandbox, mu_str kind,
                         uint32_t *n, const mu_document **out, mu_err *err)
{
    document_list list = {0};
    document_row row;
    bool has_row = true;
    pthread_mutex_lock(&documents->lock);
    mu_sql *sql = begin(documents, LIST);
    mu_sql_bind_text(sql, sandbox);
    mu_sql_bind_text(sql, kind);
    mu_code code = MU_OK;
    while ((code = mu_sql_next(sql, &has_row, err)) == MU_OK && has_row &&
           (code = take_row(sql, arena, &row, err)) == MU_OK)
        add_to_list(&list, arena, &row.document);
    end(sql);
    pthread_mutex_unlock(&documents->lock);
    MU_TRY(code);
    *n = list.n;
    *out = list.items;
    return MU_OK;
}

/* -------- writing -------- */

typedef struct document_state {
    uint64_t next_number, digest;
} document_state;

static mu_code read_state(mu_documents *documents, document_state *out, mu_err *err)
{
    mu_sql *sql = begin(documents, READ_STATE);
    bool found;
    mu_code code = mu_sql_next(sql, &found, err);
    if (code == MU_OK && found)
        code = mu_sql_check_row(sql, "document_state", err);
    if (code == MU_OK)
        *out = found ? (document_state){mu_sql_integer(sql, 1), mu_sql_integer(sql, 2)}
                     : (document_state){.next_number = 1};
    end(sql);
    return code;
}

static mu_code write_state(mu_documents *documents, const document_state *state, mu_err *err)
{
    mu_sql *sql = begin(documents, WRITE_STATE);
    mu_sql_bind_integer(sql, 1);
    mu_sql_bind_integer(sql, state->next_number);
    mu_sql_bind_integer(sql, state->digest);
    mu_sql_bind_checksum(sql);
    return run(sql, err);
}

static mu_code write_row(mu_documents *documents, mu_str sandbox, const mu_document_edit *edit,
                         const mu_document *document, document_state *state, mu_err *err)
{
    mu_sql *sql = begin(documents, PUT);
    mu_sql_bind_integer(sql, document->number);
    mu_sql_bind_text(sql, sandbox);
    mu_sql_bind_text(sql, edit->kind);
    mu_sql_bind_text(sql, edit->id);
    mu_sql_bind_text(sql, edit->json);
    mu_sql_bind_integer(sql, (uint64_t)document->created_ms);
    mu_sql_bind_integer(sql, (uint64_t)document->updated_ms);
    mu_sql_bind_integer(sql, document->version);
    state->digest += mu_hash64(sql->row.ptr, sql->row.len, 0);
    mu_sql_bind_checksum(sql);
    return run(sql, err);
}

static mu_code remove_row(mu_documents *documents, uint64_t number, mu_err *err)
{
    mu_sql *sql = begin(documents, REMOVE);
    mu_sql_bind_integer(sql, number);
    return run(sql, err);
}

static mu_code check_edit(const mu_document_edit *edit, bool found, const document_row *row,
                          mu_err *err)
{
    if (edit->action == MU_DOCUMENT_ADD && found)
        return mu_fail(err, MU_E_CONFLICT, "there is a " MU_STR_FMT " " MU_STR_FMT " already",
                       MU_STR_ARG(edit->kind), MU_STR_ARG(edit->id));
    if ((edit->action == MU_DOCUMENT_REPLACE || edit->action == MU_DOCUMENT_REMOVE) && !found)
        return no_such(edit->kind, edit->id, err);
    if (found && edit->version_before != 0 && edit->version_before != row->document.version)
        return mu_fail(err, MU_E_CONFLICT,
                       MU_STR_FMT " " MU_STR_FMT " was changed by somebody else meanwhile",
                       MU_STR_ARG(edit->kind), MU_STR_ARG(edit->id));
    return MU_OK;
}

static mu_code apply_edit(mu_documents *documents, mu_arena *arena, mu_str sandbox, int64_t now_ms,
                          const mu_document_edit *edit, document_state *state, mu_err *err)
{
    bool found;
    document_row row = {0};
    MU_TRY(find(documents, arena, sandbox, edit->kind, edit->id, &found, &row, err));
    MU_TRY(check_edit(edit, found, &row, err));
    MU_TRY(mu_audit_write(documents->catalog, sandbox, now_ms, documents->audit_keep_ms, edit,
                          found ? row.document.json : MU_STR(""), err));
    if (found)
        state->digest -= row.checksum;
    if (edit->action == MU_DOCUMENT_REMOVE)
        return remove_row(documents, row.document.number, err);
    mu_document document = row.document;
    if (!found)
        document = (mu_document){.number = state->next_number++, .created_ms = now_ms};
    document.updated_ms = now_ms;
    document.version++;
    return write_row(documents, sandbox, edit, &document, state, err);
}

static mu_code apply_all(mu_documents *documents, mu_str sandbox, int64_t now_ms, uint32_t n,
                         const mu_document_edit *edits, mu_err *err)
{
    document_state state;
    mu_arena arena;
    MU_TRY(read_state(documents, &state, err));
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code = MU_OK;
    for (uint32_t i = 0; code == MU_OK && i < n; i++) {
        mu_arena_reset(&arena);
        code = apply_edit(documents, &arena, sandbox, now_ms, &edits[i], &state, err);
    }
    mu_arena_free(&arena);
    MU_TRY(code);
    return write_state(documents, &state, err);
}

static mu_code begin_change(mu_documents *documents, mu_err *err)
{
    if (documents->is_unsettled)
        return mu_fail(err, MU_E_IO,
                       "an earlier change of the catalog failed half way; restart the server");
    return mu_sql_run(documents->catalog, "BEGIN IMMEDIATE", err);
}

/* Commits when `code` is MU_OK. A commit that fails outside its transaction may or may not be on
 * the disk. */
static mu_code end_change(mu_documents *documents, mu_code code, mu_err *err)
{
    sqlite3 *db = documents->catalog->db;
    if (code == MU_OK) {
        code = mu_sql_run(documents->catalog, "COMMIT", err);
        documents->is_unsettled = code != MU_OK && sqlite3_get_autocommit(db);
    }
    if (code != MU_OK && !sqlite3_get_autocommit(db))
        (void)!mu_sql_run(documents->catalog, "ROLLBACK", NULL);
    return code;
}

static mu_code transact(mu_documents *documents, mu_str sandbox, int64_t now_ms, uint32_t n,
                        const mu_document_edit *edits, mu_err *err)
{
    MU_TRY(begin_change(documents, err));
    return end_change(documents, apply_all(documents, sandbox, now_ms, n, edits, err), err);
}

static _Atomic uint64_t *generation_of(mu_documents *documents, mu_str kind)
{
    return &documents->by_kind[mu_hash64(kind.ptr, kind.len, 0) % N_GENERATIONS];
}

mu_code mu_document_edit_all(mu_documents *documents, mu_str sandbox, int64_t now_ms, uint32_t n,
                             const mu_document_edit *edits, mu_err *err)
{
    pthread_mutex_lock(&documents->lock);
    mu_code code = transact(documents, sandbox, now_ms, n, edits, err);
    pthread_mutex_unlock(&documents->lock);
    MU_TRY(code);
    for (uint32_t i = 0; i < n; i++)
        atomic_fetch_add_explicit(generation_of(documents, edits[i].kind), 1, memory_order_acq_rel);
    atomic_fetch_add_explicit(&documents->generation, 1, memory_order_acq_rel);
    return MU_OK;
}

uint64_t mu_documents_generation(mu_documents *documents)
{
    return atomic_load_explicit(&documents->generation, memory_order_acquire);
}

uint64_t mu_documents_kind_generation(mu_documents *documents, mu_str kind)
{
    return atomic_load_explicit(generation_of(documents, kind), memory_order_acquire);
}

/* -------- the audit log -------- */

mu_code mu_audit_add(mu_documents *documents, mu_str sandbox, int64_t now_ms,
                     const mu_document_edit *edit, mu_str before, mu_err *err)
{
    pthread_mutex_lock(&documents->lock);
    mu_code code = begin_change(documents, err);
    if (code == MU_OK)
        code = end_change(documents,
                          mu_audit_write(documents->catalog, sandbox, now_ms,
                                         documents->audit_keep_ms, edit, before, err),
                          err);
    pthread_mutex_unlock(&documents->lock);
    return code;
}

mu_code mu_audit_list(mu_documents *documents, mu_arena *arena, const mu_audit_query *query,
                      uint32_t *n, const mu_audit_event **out, uint64_t *n_all, mu_err *err)
{
    pthread_mutex_lock(&documents->lock);
    mu_code code = mu_audit_read(documents->catalog, arena, query, n, out, n_all, err);
    pthread_mutex_unlock(&documents->lock);
    return code;
}

void mu_audit_keep(mu_documents *documents, int64_t keep_ms)
{
    pthread_mutex_lock(&documents->lock);
    documents->audit_keep_ms = keep_ms;
    pthread_mutex_unlock(&documents->lock);
}

/* -------- reading a folder -------- */

static mu_code has_tables(mu_catalog *catalog, bool *out, mu_err *err);

typedef struct placed_list {
    mu_placed_document *items;
    uint32_t n, capacity;
} placed_list;

static mu_code read_placed(mu_catalog *catalog, mu_arena *arena, mu_str kind, placed_list *list,
                           mu_err *err)
{
    mu_sql sql;
    bool has_row;
    mu_code code;
    document_row row;
    MU_TRY(mu_sql_prepare(
        catalog, "SELECT " COLUMNS " FROM document WHERE kind = ? ORDER BY number", &sql, err));
    mu_sql_bind_text(&sql, kind);
    while ((code = mu_sql_next(&sql, &has_row, err)) == MU_OK && has_row &&
           (code = take_row(&sql, arena, &row, err)) == MU_OK) {
        if (list->n == list->capacity) {
            mu_placed_document *before = list->items;
            list->capacity = list->capacity * 2 + 16;
            list->items = MU_NEW_ARRAY(arena, mu_placed_document, list->capacity);
            if (list->n > 0)
                memcpy(list->items, before, list->n * sizeof *before);
        }
        list->items[list->n++] =
            (mu_placed_document){mu_sql_text(&sql, arena, SANDBOX), row.document};
    }
    mu_sql_finish(&sql);
    return code;
}

mu_code mu_documents_read_kind(const char *folder, mu_arena *arena, mu_str kind, uint32_t *n,
                               const mu_placed_document **out, mu_err *err)
{
    mu_catalog *catalog;
    bool present = false;
    placed_list list = {0};
    mu_code code = open_database(folder, MU_CATALOG_READ, &catalog, err);
    if (code == MU_OK) {
        code = has_tables(catalog, &present, err);
        if (code == MU_OK && present)
            code = read_placed(catalog, arena, kind, &list, err);
        mu_catalog_close(catalog);
    } else if (code == MU_E_NOT_FOUND) {
        code = MU_OK;
    }
    MU_TRY(code);
    *n = list.n;
    *out = list.items;
    return MU_OK;
}

/* -------- checking -------- */

typedef struct document_check {
    mu_catalog *catalog;
    mu_arena *arena;
    void (*problem)(void *context, mu_str sentence);
    void *context;
} document_check;

static void tell(const document_check *check, const mu_err *what)
{
    check->problem(check->context, mu_arena_copy(check->arena, mu_str_from(what->text)));
}

static mu_code has_tables(mu_catalog *catalog, bool *out, mu_err *err)
{
    mu_sql sql;
    bool has_row;
    MU_TRY(mu_sql_prepare(catalog,
                          "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND"
                          " name IN ('document', 'document_state')",
                          &sql, err));
    mu_code code = mu_sql_next(&sql, &has_row, err);
    *out = code == MU_OK && has_row && mu_sql_integer(&sql, 0) == 2;
    mu_sql_finish(&sql);
    return code;
}

static mu_code check_rows(const document_check *check, uint64_t *digest, uint64_t *largest,
                          mu_err *err)
{
    mu_sql sql;
    bool has_row;
    mu_code code;
    mu_err what;
    MU_TRY(mu_sql_prepare(check->catalog, "SELECT " COLUMNS " FROM document ORDER BY number", &sql,
                          err));
    while ((code = mu_sql_next(&sql, &has_row, err)) == MU_OK && has_row) {
        uint64_t number = mu_sql_integer(&sql, NUMBER);
        *digest += mu_sql_integer(&sql, CHECKSUM);
        *largest = number > *largest ? number : *largest;
        if (mu_sql_check_row(&sql, "document", &what) != MU_OK)
            tell(check, &what);
    }
    mu_sql_finish(&sql);
    return code;
}

static void complain(const document_check *check, const char *what)
{
    check->problem(check->context,
                   mu_arena_format(check->arena, "%s: %s", check->catalog->path, what));
}

static mu_code check_state(const document_check *check, uint64_t digest, uint64_t largest,
                           mu_err *err)
{
    mu_sql sql;
    bool found;
    mu_err what;
    MU_TRY(mu_sql_prepare(check->catalog, texts[READ_STATE], &sql, err));
    mu_code code = mu_sql_next(&sql, &found, err);
    if (code == MU_OK && !found && digest != 0)
        complain(check, "the row of table document_state is missing");
    else if (code == MU_OK && found) {
        if (mu_sql_integer(&sql, 2) != digest)
            complain(check, "rows of table document are missing");
        if (mu_sql_integer(&sql, 1) <= largest)
            complain(check, "table document has a number that was not given yet");
        if (mu_sql_check_row(&sql, "document_state", &what) != MU_OK)
            tell(check, &what);
    }
    mu_sql_finish(&sql);
    return code;
}

static mu_code verify_catalog(const document_check *check, mu_err *err)
{
    bool present;
    uint64_t digest = 0, largest = 0;
    MU_TRY(has_tables(check->catalog, &present, err));
    if (!present)
        return MU_OK;
    /* One transaction, so that rows and state are of one moment. */
    MU_TRY(mu_sql_run(check->catalog, "BEGIN", err));
    mu_code code = check_rows(check, &digest, &largest, err);
    if (code == MU_OK)
        code = check_state(check, digest, largest, err);
    if (code == MU_OK)
        code = mu_audit_check(check->catalog, check->arena, check->problem, check->context, err);
    (void)!mu_sql_run(check->catalog, "COMMIT", NULL);
    return code;
}

mu_code mu_documents_verify(const char *folder, void (*problem)(void *context, mu_str sentence),
                            void *context, mu_err *err)
{
    mu_arena arena;
    document_check check = {.arena = &arena, .problem = problem, .context = context};
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code = open_database(folder, MU_CATALOG_READ, &check.catalog, err);
    if (code == MU_OK) {
        code = verify_catalog(&check, err);
        mu_catalog_close(check.catalog);
    } else if (code == MU_E_NOT_FOUND) {
        code = MU_OK; /* nothing was ever written */
    }
    mu_arena_free(&arena);
    return code;
}

/* -------- copying -------- */

mu_code mu_documents_copy(const char *folder, const char *path, mu_err *err)
{
    mu_catalog *database;
    mu_code code = open_database(folder, MU_CATALOG_READ, &database, err);
    if (code == MU_E_NOT_FOUND)
        return MU_OK;
    MU_TRY(code);
    if (unlink(path) != 0 && errno != ENOENT)
        code = mu_fail_errno(err, "cannot remove %s", path);
    else
        code = mu_catalog_copy(database, path, err);
    mu_catalog_close(database);
    return code;
}
