#include "catalog/sql_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define APPLICATION_ID 0x4d555354 /* "MUST" */
#define FORMAT_VERSION 2
#define BUSY_MS        20000
#define COPY_TRIES     400

static const char tables[] =
    "CREATE TABLE sandbox (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    " generation INTEGER NOT NULL, digest INTEGER NOT NULL, checksum INTEGER NOT NULL) STRICT;"
    "CREATE TABLE schema_version (sandbox INTEGER NOT NULL, generation INTEGER NOT NULL,"
    " json TEXT NOT NULL, checksum INTEGER NOT NULL, PRIMARY KEY (sandbox, generation)) STRICT;"
    "CREATE TABLE part (id INTEGER PRIMARY KEY, sandbox INTEGER NOT NULL, entity TEXT NOT NULL,"
    " bytes INTEGER NOT NULL, footer_checksum INTEGER NOT NULL, rows INTEGER NOT NULL,"
    " events INTEGER NOT NULL, dead_rows INTEGER NOT NULL, dead_events INTEGER NOT NULL,"
    " dead BLOB NOT NULL, checksum INTEGER NOT NULL) STRICT;"
    "CREATE INDEX part_by_sandbox ON part (sandbox);"
    "CREATE TABLE pid_counter (sandbox INTEGER NOT NULL, entity TEXT NOT NULL,"
    " next_pid INTEGER NOT NULL, checksum INTEGER NOT NULL, PRIMARY KEY (sandbox, entity)) STRICT;"
    "CREATE TABLE part_counter (id INTEGER PRIMARY KEY CHECK (id = 1),"
    " next_part_id INTEGER NOT NULL, checksum INTEGER NOT NULL) STRICT;";

/* Since version 2. */
static const char mark_table[] =
    "CREATE TABLE mark (sandbox INTEGER PRIMARY KEY, next_sequence INTEGER NOT NULL,"
    " state BLOB NOT NULL, checksum INTEGER NOT NULL) STRICT;";

/* -------- opening -------- */

static mu_code pragma_integer(mu_catalog *catalog, const char *text, uint64_t *out, mu_err *err)
{
    mu_sql sql;
    bool has_row;
    MU_TRY(mu_sql_prepare(catalog, text, &sql, err));
    mu_code code = mu_sql_next(&sql, &has_row, err);
    if (code == MU_OK)
        *out = has_row ? mu_sql_integer(&sql, 0) : 0;
    mu_sql_finish(&sql);
    return code;
}

typedef struct format {
    uint64_t application_id, version, n_tables;
} format;

static mu_code read_format(mu_catalog *catalog, format *out, mu_err *err)
{
    MU_TRY(pragma_integer(catalog, "PRAGMA application_id", &out->application_id, err));
    MU_TRY(pragma_integer(catalog, "PRAGMA user_version", &out->version, err));
    return pragma_integer(catalog, "SELECT count(*) FROM sqlite_schema", &out->n_tables, err);
}

/* An empty database is what a kill before the first transaction leaves. */
static bool is_empty(const format *found)
{
    return found->n_tables == 0 && found->application_id == 0;
}

static mu_code write_format(mu_catalog *catalog, mu_err *err)
{
    char text[128];
    snprintf(text, sizeof text, "PRAGMA application_id = %d; PRAGMA user_version = %d;",
             APPLICATION_ID, FORMAT_VERSION);
    return mu_sql_run(catalog, text, err);
}

/* Makes what is missing. Another connection may have done so since the caller looked. */
static mu_code update_tables(mu_catalog *catalog, mu_err *err)
{
    format found;
    MU_TRY(read_format(catalog, &found, err));
    if (is_empty(&found))
        MU_TRY(mu_sql_run(catalog, tables, err));
    else if (found.version != 1)
        return MU_OK;
    MU_TRY(mu_sql_run(catalog, mark_table, err));
    return write_format(catalog, err);
}

static mu_code update_format(mu_catalog *catalog, mu_err *err)
{
    MU_TRY(mu_sql_run(catalog, "BEGIN IMMEDIATE", err));
    mu_code code = update_tables(catalog, err);
    if (code == MU_OK)
        code = mu_sql_run(catalog, "COMMIT", err);
    if (code != MU_OK && !sqlite3_get_autocommit(catalog->db))
        (void)!mu_sql_run(catalog, "ROLLBACK", NULL);
    return code;
}

static mu_code check_format(mu_catalog *catalog, mu_catalog_mode mode, mu_err *err)
{
    format found;
    MU_TRY(read_format(catalog, &found, err));
    if (is_empty(&found)) {
        if (mode == MU_CATALOG_WRITE)
            return update_format(catalog, err);
        return mu_fail(err, MU_E_NOT_FOUND, "%s has no data yet", catalog->path);
    }
    if (found.application_id != APPLICATION_ID)
        return mu_fail(err, MU_E_INPUT, "%s is not a catalog of muster", catalog->path);
    if (found.version < 1 || found.version > FORMAT_VERSION)
        return mu_fail(err, MU_E_INPUT, "%s has catalog format %llu; this muster reads format %d",
                       catalog->path, (unsigned long long)found.version, FORMAT_VERSION);
    if (found.version < FORMAT_VERSION && mode == MU_CATALOG_WRITE)
        return update_format(catalog, err);
    return MU_OK;
}

static mu_code open_database(mu_catalog *catalog, mu_catalog_mode mode, mu_err *err)
{
    /* Readers may have to roll back what a killed writer left; where they may not write, SQLite
     * opens the file read-only by itself. */
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (mode == MU_CATALOG_WRITE)
        flags |= SQLITE_OPEN_CREATE;
    int result = sqlite3_open_v2(catalog->path, &catalog->db, flags, NULL);
    if (result != SQLITE_OK)
        return mu_sql_fail(catalog, result, err);
    sqlite3_busy_timeout(catalog->db, BUSY_MS);
    MU_TRY(mu_sql_run(catalog,
                      "PRAGMA synchronous = EXTRA; PRAGMA cell_size_check = ON;"
                      "PRAGMA trusted_schema = OFF; PRAGMA secure_delete = ON",
                      err));
    MU_TRY(check_format(catalog, mode, err));
    if (mode == MU_CATALOG_READ)
        return mu_sql_run(catalog, "PRAGMA query_only = ON", err);
    return MU_OK;
}

mu_code mu_catalog_open(const char *path, mu_catalog_mode mode, mu_catalog **out, mu_err *err)
{
    if (mode == MU_CATALOG_READ && access(path, F_OK) != 0)
        return errno == ENOENT ? mu_fail(err, MU_E_NOT_FOUND, "no file %s", path)
                               : mu_fail_errno(err, "cannot open %s", path);
    mu_catalog *catalog = calloc(1, sizeof *catalog);
    char *copy = strdup(path);
    if (catalog == NULL || copy == NULL) {
        free(catalog);
        free(copy);
        return mu_fail(err, MU_E_NOMEM, "out of memory for opening %s", path);
    }
    catalog->path = copy;
    mu_code code = open_database(catalog, mode, err);
    if (code != MU_OK) {
        mu_catalog_close(catalog);
        return code;
    }
    *out = catalog;
    return MU_OK;
}

void mu_catalog_close(mu_catalog *catalog)
{
    if (catalog == NULL)
        return;
    sqlite3_close_v2(catalog->db);
    free(catalog->path);
    free(catalog);
}

mu_code mu_catalog_data_version(mu_catalog *catalog, uint64_t *out, mu_err *err)
{
    return pragma_integer(catalog, "PRAGMA data_version", out, err);
}

/* -------- transactions -------- */

static mu_code finish_transaction(mu_catalog *catalog, mu_code code, bool *is_unsettled,
                                  mu_err *err)
{
    if (code == MU_OK) {
        code = mu_sql_run(catalog, "COMMIT", err);
        /* Still inside: another process was reading all the while, and nothing has happened. */
        *is_unsettled = code != MU_OK && sqlite3_get_autocommit(catalog->db);
    }
    if (code != MU_OK && !sqlite3_get_autocommit(catalog->db))
        (void)!mu_sql_run(catalog, "ROLLBACK", NULL);
    return code;
}

/* -------- sandboxes -------- */

typedef struct sandbox_row {
    uint64_t id, generation, digest;
} sandbox_row;

static mu_code read_sandbox(mu_catalog *catalog, mu_str sandbox, bool *found, sandbox_row *out,
                            mu_err *err)
{
    mu_sql sql;
    MU_TRY(mu_sql_prepare(
        catalog, "SELECT id, name, generation, digest, checksum FROM sandbox WHERE name = ?", &sql,
        err));
    mu_sql_bind_text(&sql, sandbox);
    mu_code code = mu_sql_next(&sql, found, err);
    if (code == MU_OK && *found)
        code = mu_sql_check_row(&sql, "sandbox", err);
    if (code == MU_OK && *found)
        *out = (sandbox_row){mu_sql_integer(&sql, 0), mu_sql_integer(&sql, 2),
                             mu_sql_integer(&sql, 3)};
    mu_sql_finish(&sql);
    return code;
}

static mu_code write_sandbox(mu_catalog *catalog, mu_str name, const sandbox_row *row, mu_err *err)
{
    mu_sql sql;
    MU_TRY(mu_sql_prepare(catalog,
                          "INSERT OR REPLACE INTO sandbox (id, name, generation, digest, checksum)"
                          " VALUES (?, ?, ?, ?, ?)",
                          &sql, err));
    mu_sql_bind_integer(&sql, row->id);
    mu_sql_bind_text(&sql, name);
    mu_sql_bind_integer(&sql, row->generation);
    mu_sql_bind_integer(&sql, row->digest);
    mu_sql_bind_checksum(&sql);
    return mu_sql_finish_run(&sql, err);
}

static mu_code add_missing_sandbox(mu_catalog *catalog, mu_str sandbox, mu_err *err)
{
    bool found;
    sandbox_row row;
    MU_TRY(read_sandbox(catalog, sandbox, &found, &row, err));
    if (found)
        return MU_OK;
    row = (sandbox_row){0};
    MU_TRY(pragma_integer(catalog, "SELECT coalesce(max(id), 0) + 1 FROM sandbox", &row.id, err));
    return write_sandbox(catalog, sandbox, &row, err);
}

mu_code mu_catalog_add_sandbox(mu_catalog *catalog, mu_str sandbox, mu_err *err)
{
    bool is_unsettled;
    MU_TRY(mu_sql_run(catalog, "BEGIN IMMEDIATE", err));
    return finish_transaction(catalog, add_missing_sandbox(catalog, sandbox, err), &is_unsettled,
                              err);
}

mu_code mu_catalog_sandboxes(mu_catalog *catalog, mu_arena *arena, uint32_t *n, const mu_str **out,
                             mu_err *err)
{
    mu_sql sql;
    uint64_t count;
    bool has_row = true;
    uint32_t filled = 0;
    MU_TRY(pragma_integer(catalog, "SELECT count(*) FROM sandbox", &count, err));
    mu_str *names = MU_NEW_ARRAY(arena, mu_str, count);
    MU_TRY(mu_sql_prepare(catalog, "SELECT name FROM sandbox ORDER BY id", &sql, err));
    mu_code code = MU_OK;
    while (filled < count && (code = mu_sql_next(&sql, &has_row, err)) == MU_OK && has_row)
        names[filled++] = mu_sql_text(&sql, arena, 0);
    mu_sql_finish(&sql);
    MU_TRY(code);
    *n = filled;
    *out = names;
    return MU_OK;
}

/* -------- the rows of a sandbox -------- */

#define DIGESTED_TABLES                                                                            \
    "SELECT checksum FROM part WHERE sandbox = ?1"                                                 \
    " UNION ALL SELECT checksum FROM pid_counter WHERE sandbox = ?1"                               \
    " UNION ALL SELECT checksum FROM schema_version WHERE sandbox = ?1"

/* Readers take a catalog as they find it, and a writer may bring it up to date beside them. */
static mu_code has_marks(mu_catalog *catalog, bool *out, mu_err *err)
{
    uint64_t version;
    MU_TRY(pragma_integer(catalog, "PRAGMA user_version", &version, err));
    *out = version >= 2;
    return MU_OK;
}

/* Adds up the checksums of all rows of a sandbox, so that a row that went missing is noticed. */
static mu_code digest_of(mu_catalog *catalog, uint64_t sandbox, uint64_t *out, mu_err *err)
{
    mu_sql sql;
    bool is_marked;
    MU_TRY(has_marks(catalog, &is_marked, err));
    MU_TRY(mu_sql_prepare(catalog,
                          is_marked ? DIGESTED_TABLES
                              " UNION ALL SELECT checksum FROM mark WHERE sandbox = ?1"
                                    : DIGESTED_TABLES,
                          &sql, err));
    mu_sql_bind_integer(&sql, sandbox);
    uint64_t digest = 0;
    bool has_row = true;
    mu_code code;
    while ((code = mu_sql_next(&sql, &has_row, err)) == MU_OK && has_row)
        digest += mu_sql_integer(&sql, 0);
    mu_sql_finish(&sql);
    MU_TRY(code);
    *out = digest;
    return MU_OK;
}

static mu_code read_mark(mu_catalog *catalog, mu_arena *arena, uint64_t sandbox,
                         mu_catalog_state *state, mu_err *err)
{
    mu_sql sql;
    bool is_marked;
    MU_TRY(has_marks(catalog, &is_marked, err));
    if (!is_marked)
        return MU_OK;
    MU_TRY(mu_sql_prepare(
        catalog, "SELECT sandbox, next_sequence, state, checksum FROM mark WHERE sandbox = ?", &sql,
        err));
    mu_sql_bind_integer(&sql, sandbox);
    mu_code code = mu_sql_next(&sql, &state->has_mark, err);
    if (code == MU_OK && state->has_mark)
        code = mu_sql_check_row(&sql, "mark", err);
    if (code == MU_OK && state->has_mark)
        state->mark = (mu_catalog_mark){mu_sql_integer(&sql, 1), mu_sql_text(&sql, arena, 2)};
    mu_sql_finish(&sql);
    return code;
}

static mu_code read_schema(mu_catalog *catalog, mu_arena *arena, uint64_t sandbox, mu_str *out,
                           mu_err *err)
{
    mu_sql sql;
    bool has_row;
    MU_TRY(mu_sql_prepare(catalog,
                          "SELECT sandbox, generation, json, checksum FROM schema_version"
                          " WHERE sandbox = ? ORDER BY generation DESC LIMIT 1",
                          &sql, err));
    mu_sql_bind_integer(&sql, sandbox);
    mu_code code = mu_sql_next(&sql, &has_row, err);
    *out = MU_STR("");
    if (code == MU_OK && has_row)
        code = mu_sql_check_row(&sql, "schema_version", err);
    if (code == MU_OK && has_row)
        *out = mu_sql_text(&sql, arena, 2);
    mu_sql_finish(&sql);
    return code;
}

#define PART_COLUMNS                                                                               \
    "id, sandbox, entity, bytes, footer_checksum, rows, events, dead_rows, dead_events, dead,"     \
    " checksum"

static mu_code read_part(mu_sql *sql, mu_arena *arena, mu_catalog_part *part, mu_err *err)
{
    MU_TRY(mu_sql_check_row(sql, "part", err));
    uint64_t n_rows = mu_sql_integer(sql, 5), n_dead = mu_sql_integer(sql, 7);
    *part = (mu_catalog_part){.id = mu_sql_integer(sql, 0),
                              .entity = mu_sql_text(sql, arena, 2),
                              .n_bytes = mu_sql_integer(sql, 3),
                              .footer_checksum = mu_sql_integer(sql, 4),
                              .n_rows = (uint32_t)n_rows,
                              .n_events = mu_sql_integer(sql, 6),
                              .n_dead = (uint32_t)n_dead,
                              .n_dead_events = mu_sql_integer(sql, 8),
                              .dead = mu_sql_text(sql, arena, 9)};
    size_t words = n_dead == 0 ? 0 : (n_rows + 63) / 64;
    if (n_rows > UINT32_MAX || n_dead > n_rows || part->dead.len != words * 8)
        return mu_fail(err, MU_E_CORRUPT, "%s: a row of table part is impossible",
                       sql->catalog->path);
    return MU_OK;
}

static mu_code count_rows(mu_catalog *catalog, const char *text, uint64_t sandbox, uint32_t *out,
                          mu_err *err)
{
    mu_sql sql;
    bool has_row;
    MU_TRY(mu_sql_prepare(catalog, text, &sql, err));
    mu_sql_bind_integer(&sql, sandbox);
    mu_code code = mu_sql_next(&sql, &has_row, err);
    *out = code == MU_OK && has_row ? (uint32_t)mu_sql_integer(&sql, 0) : 0;
    mu_sql_finish(&sql);
    return code;
}

static mu_code read_parts(mu_catalog *catalog, mu_arena *arena, uint64_t sandbox,
                          mu_catalog_state *state, mu_err *err)
{
    mu_sql sql;
    uint32_t n, filled = 0;
    bool has_row;
    MU_TRY(count_rows(catalog, "SELECT count(*) FROM part WHERE sandbox = ?", sandbox, &n, err));
    mu_catalog_part *parts = MU_NEW_ARRAY(arena, mu_catalog_part, n);
    MU_TRY(mu_sql_prepare(
        catalog, "SELECT " PART_COLUMNS " FROM part WHERE sandbox = ? ORDER BY id", &sql, err));
    mu_sql_bind_integer(&sql, sandbox);
    mu_code code = MU_OK;
    while (filled < n && (code = mu_sql_next(&sql, &has_row, err)) == MU_OK && has_row &&
           (code = read_part(&sql, arena, &parts[filled], err)) == MU_OK)
        filled++;
    mu_sql_finish(&sql);
    state->n_parts = filled;
    state->parts = parts;
    return code;
}

static mu_code read_counters(mu_catalog *catalog, mu_arena *arena, uint64_t sandbox,
                             mu_catalog_state *state, mu_err *err)
{
    mu_sql sql;
    uint32_t n, filled = 0;
    bool has_row;
    MU_TRY(count_rows(catalog, "SELECT count(*) FROM pid_counter WHERE sandbox = ?", sandbox, &n,
                      err));
    mu_catalog_counter *counters = MU_NEW_ARRAY(arena, mu_catalog_counter, n);
    MU_TRY(mu_sql_prepare(catalog,
                          "SELECT sandbox, entity, next_pid, checksum FROM pid_counter"
                          " WHERE sandbox = ? ORDER BY entity",
                          &sql, err));
    mu_sql_bind_integer(&sql, sandbox);
    mu_code code = MU_OK;
    while (filled < n && (code = mu_sql_next(&sql, &has_row, err)) == MU_OK && has_row &&
           (code = mu_sql_check_row(&sql, "pid_counter", err)) == MU_OK)
        counters[filled++] =
            (mu_catalog_counter){mu_sql_text(&sql, arena, 1), (uint32_t)mu_sql_integer(&sql, 2)};
    mu_sql_finish(&sql);
    state->n_counters = filled;
    state->counters = counters;
    return code;
}

static mu_code read_state(mu_catalog *catalog, mu_arena *arena, mu_str sandbox,
                          mu_catalog_state *out, mu_err *err)
{
    bool found;
    sandbox_row row;
    uint64_t digest;
    MU_TRY(read_sandbox(catalog, sandbox, &found, &row, err));
    if (!found)
        return mu_fail(err, MU_E_NOT_FOUND, "no sandbox \"" MU_STR_FMT "\" in %s",
                       MU_STR_ARG(sandbox), catalog->path);
    mu_catalog_state state = {.generation = row.generation};
    MU_TRY(read_schema(catalog, arena, row.id, &state.schema, err));
    MU_TRY(read_parts(catalog, arena, row.id, &state, err));
    MU_TRY(read_counters(catalog, arena, row.id, &state, err));
    MU_TRY(read_mark(catalog, arena, row.id, &state, err));
    MU_TRY(digest_of(catalog, row.id, &digest, err));
    if (digest != row.digest)
        return mu_fail(err, MU_E_CORRUPT, "%s: rows of sandbox \"" MU_STR_FMT "\" are missing",
                       catalog->path, MU_STR_ARG(sandbox));
    *out = state;
    return MU_OK;
}

mu_code mu_catalog_read(mu_catalog *catalog, mu_arena *arena, mu_str sandbox, mu_catalog_state *out,
                        mu_err *err)
{
    bool is_unsettled;
    MU_TRY(mu_sql_run(catalog, "BEGIN", err));
    return finish_transaction(catalog, read_state(catalog, arena, sandbox, out, err), &is_unsettled,
                              err);
}

/* -------- part ids -------- */

static mu_code read_next_part_id(mu_catalog *catalog, uint64_t *out, mu_err *err)
{
    mu_sql sql;
    bool has_row;
    MU_TRY(
        mu_sql_prepare(catalog, "SELECT id, next_part_id, checksum FROM part_counter", &sql, err));
    mu_code code = mu_sql_next(&sql, &has_row, err);
    if (code == MU_OK && has_row)
        code = mu_sql_check_row(&sql, "part_counter", err);
    if (code == MU_OK)
        *out = has_row ? mu_sql_integer(&sql, 1) : 1;
    mu_sql_finish(&sql);
    return code;
}

static mu_code read_part_ids(mu_catalog *catalog, mu_arena *arena, uint32_t *n,
                             const uint64_t **out, mu_err *err)
{
    mu_sql sql;
    uint64_t count;
    uint32_t filled = 0;
    bool has_row;
    MU_TRY(pragma_integer(catalog, "SELECT count(*) FROM part", &count, err));
    uint64_t *ids = MU_NEW_ARRAY(arena, uint64_t, count);
    MU_TRY(mu_sql_prepare(catalog, "SELECT id FROM part ORDER BY id", &sql, err));
    mu_code code = MU_OK;
    while (filled < count && (code = mu_sql_next(&sql, &has_row, err)) == MU_OK && has_row)
        ids[filled++] = mu_sql_integer(&sql, 0);
    mu_sql_finish(&sql);
    *n = filled;
    *out = ids;
    return code;
}

mu_code mu_catalog_part_ids(mu_catalog *catalog, mu_arena *arena, uint32_t *n, const uint64_t **out,
                            uint64_t *next_part_id, mu_err *err)
{
    bool is_unsettled;
    MU_TRY(mu_sql_run(catalog, "BEGIN", err));
    mu_code code = read_next_part_id(catalog, next_part_id, err);
    if (code == MU_OK)
        code = read_part_ids(catalog, arena, n, out, err);
    return finish_transaction(catalog, code, &is_unsettled, err);
}

/* -------- changes -------- */

static mu_code put_part(mu_catalog *catalog, uint64_t sandbox, const mu_catalog_part *part,
                        mu_err *err)
{
    mu_sql sql;
    MU_TRY(mu_sql_prepare(catalog,
                          "INSERT OR REPLACE INTO part (" PART_COLUMNS
                          ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                          &sql, err));
    mu_sql_bind_integer(&sql, part->id);
    mu_sql_bind_integer(&sql, sandbox);
    mu_sql_bind_text(&sql, part->entity);
    mu_sql_bind_integer(&sql, part->n_bytes);
    mu_sql_bind_integer(&sql, part->footer_checksum);
    mu_sql_bind_integer(&sql, part->n_rows);
    mu_sql_bind_integer(&sql, part->n_events);
    mu_sql_bind_integer(&sql, part->n_dead);
    mu_sql_bind_integer(&sql, part->n_dead_events);
    mu_sql_bind_blob(&sql, part->dead);
    mu_sql_bind_checksum(&sql);
    return mu_sql_finish_run(&sql, err);
}

static mu_code remove_part(mu_catalog *catalog, uint64_t sandbox, uint64_t id, mu_err *err)
{
    mu_sql sql;
    MU_TRY(mu_sql_prepare(catalog, "DELETE FROM part WHERE id = ? AND sandbox = ?", &sql, err));
    mu_sql_bind_integer(&sql, id);
    mu_sql_bind_integer(&sql, sandbox);
    return mu_sql_finish_run(&sql, err);
}

static mu_code put_counter(mu_catalog *catalog, uint64_t sandbox, const mu_catalog_counter *counter,
                           mu_err *err)
{
    mu_sql sql;
    MU_TRY(mu_sql_prepare(catalog,
                          "INSERT OR REPLACE INTO pid_counter (sandbox, entity, next_pid, checksum)"
                          " VALUES (?, ?, ?, ?)",
                          &sql, err));
    mu_sql_bind_integer(&sql, sandbox);
    mu_sql_bind_text(&sql, counter->entity);
    mu_sql_bind_integer(&sql, counter->next_pid);
    mu_sql_bind_checksum(&sql);
    return mu_sql_finish_run(&sql, err);
}

static mu_code put_schema(mu_catalog *catalog, uint64_t sandbox, uint64_t generation, mu_str json,
                          mu_err *err)
{
    mu_sql sql;
    MU_TRY(mu_sql_prepare(catalog,
                          "INSERT INTO schema_version (sandbox, generation, json, checksum)"
                          " VALUES (?, ?, ?, ?)",
                          &sql, err));
    mu_sql_bind_integer(&sql, sandbox);
    mu_sql_bind_integer(&sql, generation);
    mu_sql_bind_text(&sql, json);
    mu_sql_bind_checksum(&sql);
    return mu_sql_finish_run(&sql, err);
}

static mu_code put_mark(mu_catalog *catalog, uint64_t sandbox, const mu_catalog_mark *mark,
                        mu_err *err)
{
    mu_sql sql;
    MU_TRY(mu_sql_prepare(catalog,
                          "INSERT OR REPLACE INTO mark (sandbox, next_sequence, state, checksum)"
                          " VALUES (?, ?, ?, ?)",
                          &sql, err));
    mu_sql_bind_integer(&sql, sandbox);
    mu_sql_bind_integer(&sql, mark->next_sequence);
    mu_sql_bind_blob(&sql, mark->state);
    mu_sql_bind_checksum(&sql);
    return mu_sql_finish_run(&sql, err);
}

static mu_code put_next_part_id(mu_catalog *catalog, uint64_t next_part_id, mu_err *err)
{
    mu_sql sql;
    uint64_t known;
    MU_TRY(read_next_part_id(catalog, &known, err));
    if (next_part_id <= known)
        return MU_OK;
    MU_TRY(mu_sql_prepare(catalog,
                          "INSERT OR REPLACE INTO part_counter (id, next_part_id, checksum)"
                          " VALUES (?, ?, ?)",
                          &sql, err));
    mu_sql_bind_integer(&sql, 1);
    mu_sql_bind_integer(&sql, next_part_id);
    mu_sql_bind_checksum(&sql);
    return mu_sql_finish_run(&sql, err);
}

static mu_code apply_edit(mu_catalog *catalog, mu_str sandbox, const mu_catalog_edit *edit,
                          mu_err *err)
{
    bool found;
    sandbox_row row;
    MU_TRY(read_sandbox(catalog, sandbox, &found, &row, err));
    if (!found || row.generation != edit->base_generation)
        return mu_fail(err, MU_E_CONFLICT,
                       "sandbox \"" MU_STR_FMT "\" was changed by somebody else",
                       MU_STR_ARG(sandbox));
    row.generation++;
    for (uint32_t i = 0; i < edit->n_removed; i++)
        MU_TRY(remove_part(catalog, row.id, edit->removed[i], err));
    for (uint32_t i = 0; i < edit->n_put; i++)
        MU_TRY(put_part(catalog, row.id, &edit->put[i], err));
    for (uint32_t i = 0; i < edit->n_counters; i++)
        MU_TRY(put_counter(catalog, row.id, &edit->counters[i], err));
    if (edit->schema != NULL)
        MU_TRY(put_schema(catalog, row.id, row.generation, *edit->schema, err));
    if (edit->mark != NULL)
        MU_TRY(put_mark(catalog, row.id, edit->mark, err));
    MU_TRY(put_next_part_id(catalog, edit->next_part_id, err));
    MU_TRY(digest_of(catalog, row.id, &row.digest, err));
    return write_sandbox(catalog, sandbox, &row, err);
}

mu_code mu_catalog_commit(mu_catalog *catalog, mu_str sandbox, const mu_catalog_edit *edit,
                          bool *is_unsettled, mu_err *err)
{
    *is_unsettled = false;
    MU_TRY(mu_sql_run(catalog, "BEGIN IMMEDIATE", err));
    mu_code code = apply_edit(catalog, sandbox, edit, err);
    return finish_transaction(catalog, code, is_unsettled, err);
}

/* -------- copying -------- */

static mu_code copy_database(mu_catalog *catalog, sqlite3 *target, mu_err *err)
{
    /* The pages of one committed state: SQLite begins again when somebody commits in between. All
     * in one step, so that nobody can. */
    sqlite3_backup *backup = sqlite3_backup_init(target, "main", catalog->db, "main");
    if (backup == NULL)
        return mu_fail(err, MU_E_IO, "cannot copy %s: %s", catalog->path, sqlite3_errmsg(target));
    int result = SQLITE_BUSY;
    for (int i = 0; i < COPY_TRIES && (result == SQLITE_BUSY || result == SQLITE_LOCKED); i++) {
        result = sqlite3_backup_step(backup, -1);
        if (result == SQLITE_BUSY || result == SQLITE_LOCKED)
            sqlite3_sleep(BUSY_MS / COPY_TRIES);
    }
    sqlite3_backup_finish(backup);
    if (result == SQLITE_DONE)
        return MU_OK;
    return mu_fail(err, result == SQLITE_BUSY ? MU_E_CONFLICT : MU_E_IO, "cannot copy %s: %s",
                   catalog->path, sqlite3_errstr(result));
}

mu_code mu_catalog_copy(mu_catalog *catalog, const char *path, mu_err *err)
{
    sqlite3 *target = NULL;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (access(path, F_OK) == 0)
        return mu_fail(err, MU_E_CONFLICT, "%s is there already", path);
    mu_code code =
        sqlite3_open_v2(path, &target, flags, NULL) == SQLITE_OK &&
                sqlite3_exec(target, "PRAGMA synchronous = FULL", NULL, NULL, NULL) == SQLITE_OK
            ? copy_database(catalog, target, err)
            : mu_fail(err, MU_E_IO, "cannot make %s: %s", path,
                      target == NULL ? "out of memory" : sqlite3_errmsg(target));
    sqlite3_close_v2(target);
    return code;
}

/* -------- checking -------- */

/* The one table of the manifest that reading a sandbox does not touch. */
static void check_part_counter(mu_catalog *catalog, void (*problem)(void *context, mu_str sentence),
                               void *context)
{
    uint64_t next_part_id;
    mu_err err;
    if (read_next_part_id(catalog, &next_part_id, &err) != MU_OK)
        problem(context, mu_str_from(err.text));
}

mu_code mu_catalog_check(mu_catalog *catalog, void (*problem)(void *context, mu_str sentence),
                         void *context, mu_err *err)
{
    mu_sql sql;
    bool has_row;
    mu_code code;
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    MU_TRY(mu_sql_prepare(catalog, "PRAGMA integrity_check", &sql, err));
    while ((code = mu_sql_next(&sql, &has_row, err)) == MU_OK && has_row) {
        mu_str text = mu_sql_text(&sql, &arena, 0);
        if (!mu_str_equal(text, MU_STR("ok")))
            problem(context,
                    mu_arena_format(&arena, "%s: " MU_STR_FMT, catalog->path, MU_STR_ARG(text)));
    }
    mu_sql_finish(&sql);
    mu_arena_free(&arena);
    if (code == MU_OK)
        check_part_counter(catalog, problem, context);
    return code;
}
