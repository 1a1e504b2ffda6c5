/* duckdb.c -- libduckdb through the few functions of its C interface that a conversion needs.
 *
 * The library is opened at run time, so that a server without it does everything else. Its handles
 * are opaque pointers; what is declared here is the documented, stable part of the interface.
 */
#include "export/export_int.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

#define LINE_BYTES ((size_t)1 << 20) /* it reads in pieces of twice the longest line */
#define ROW_GROUP  "20480"           /* profiles are wide, and so many of them are held */
#define MEMORY     "1GB" /* one thread takes half of it; each further one would as much again */

typedef void *handle;

typedef enum state { DUCKDB_SUCCESS = 0, DUCKDB_ERROR = 1 } state;

/* Of duckdb_pending_execute_task. */
typedef enum pending_state {
    PENDING_READY = 0,
    PENDING_NOT_READY = 1,
    PENDING_ERROR = 2,
    PENDING_NO_TASKS = 3
} pending_state;

/* duckdb_result: the caller's memory, 48 bytes, none of which is anybody's business. */
typedef struct result {
    uint64_t members[8];
} result;

/* FUNCTION(member, symbol, result, parameters) */
#define FUNCTIONS(FUNCTION)                                                                        \
    FUNCTION(open, "duckdb_open", state, (const char *path, handle *database))                     \
    FUNCTION(close, "duckdb_close", void, (handle * database))                                     \
    FUNCTION(connect, "duckdb_connect", state, (handle database, handle * connection))             \
    FUNCTION(disconnect, "duckdb_disconnect", void, (handle * connection))                         \
    FUNCTION(query, "duckdb_query", state, (handle connection, const char *sql, result *out))      \
    FUNCTION(result_error, "duckdb_result_error", const char *, (result * of))                     \
    FUNCTION(destroy_result, "duckdb_destroy_result", void, (result * of))                         \
    FUNCTION(prepare, "duckdb_prepare", state,                                                     \
             (handle connection, const char *sql, handle *prepared))                               \
    FUNCTION(prepare_error, "duckdb_prepare_error", const char *, (handle prepared))               \
    FUNCTION(destroy_prepare, "duckdb_destroy_prepare", void, (handle * prepared))                 \
    FUNCTION(pending, "duckdb_pending_prepared", state, (handle prepared, handle * pending))       \
    FUNCTION(pending_error, "duckdb_pending_error", const char *, (handle pending))                \
    FUNCTION(step, "duckdb_pending_execute_task", pending_state, (handle pending))                 \
    FUNCTION(finish, "duckdb_execute_pending", state, (handle pending, result * out))              \
    FUNCTION(destroy_pending, "duckdb_destroy_pending", void, (handle * pending))

struct mu_duckdb {
    void *library;
#define FUNCTION(member, symbol, type, parameters) type(*member) parameters;
    FUNCTIONS(FUNCTION)
#undef FUNCTION
};

/* -------- loading -------- */

static bool find_symbol(mu_duckdb *duckdb, const char *symbol, void *function)
{
    void *found = dlsym(duckdb->library, symbol);
    memcpy(function, &found, sizeof found);
    return found != NULL;
}

static mu_code find_all(mu_duckdb *duckdb, const char *path, mu_err *err)
{
#define FUNCTION(member, symbol, type, parameters)                                                 \
    if (!find_symbol(duckdb, symbol, &duckdb->member))                                             \
        return mu_fail(err, MU_E_NOT_FOUND, "%s is no libduckdb: it lacks %s", path, symbol);
    FUNCTIONS(FUNCTION)
#undef FUNCTION
    return MU_OK;
}

mu_code mu_duckdb_load(const char *path, mu_duckdb **out, mu_err *err)
{
    mu_duckdb *duckdb = calloc(1, sizeof *duckdb);
    if (duckdb == NULL)
        return mu_fail(err, MU_E_NOMEM, "no memory for libduckdb");
    if (path[0] == '\0')
        path = "libduckdb.so";
    duckdb->library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (duckdb->library == NULL) {
        free(duckdb);
        return mu_fail(err, MU_E_NOT_FOUND,
                       "Parquet needs libduckdb.so, which cannot be opened: get it from DuckDB's "
                       "downloads or the npm package @duckdb/node-bindings-linux-x64 and name it "
                       "with --duckdb-library PATH or MUSTER_DUCKDB_LIBRARY");
    }
    mu_code code = find_all(duckdb, path, err);
    if (code != MU_OK)
        mu_duckdb_unload(duckdb);
    else
        *out = duckdb;
    return code;
}

void mu_duckdb_unload(mu_duckdb *library)
{
    if (library == NULL)
        return;
    dlclose(library->library);
    free(library);
}

/* -------- what it says of errors -------- */

/* "IO Error: No space left ..." is told; of other errors their kind alone, for their text may quote
 * what somebody's profile says. */
static mu_code refuse(const char *said, mu_err *err)
{
    mu_str text = mu_str_from(said == NULL ? "" : said);
    size_t colon = mu_str_find(text, MU_STR(":"));
    size_t line = mu_str_find(text, MU_STR("\n"));
    mu_str kind = {text.ptr, colon == SIZE_MAX ? 0 : colon};
    bool is_of_the_system =
        mu_str_equal(kind, MU_STR("IO Error")) || mu_str_equal(kind, MU_STR("Out of Memory Error"));
    if (is_of_the_system)
        return mu_fail(err, MU_E_IO, "libduckdb cannot write Parquet: " MU_STR_FMT,
                       (int)(line == SIZE_MAX ? text.len : line), text.ptr);
    return mu_fail(err, MU_E_IO, "libduckdb cannot write Parquet: " MU_STR_FMT,
                   MU_STR_ARG(kind.len == 0 ? MU_STR("unknown error") : kind));
}

/* -------- converting -------- */

static void add_text(mu_buf *buf, const char *text)
{
    mu_buf_add_char(buf, '\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            mu_buf_add_char(buf, '\'');
        mu_buf_add_char(buf, *text);
    }
    mu_buf_add_char(buf, '\'');
}

static mu_code set_up(mu_duckdb *duckdb, handle connection, const mu_duckdb_conversion *conversion,
                      mu_err *err)
{
    mu_buf sql;
    result ignored = {{0}};
    mu_buf_init(&sql, (size_t)1 << 20);
    MU_BUF_ADD(&sql, "SET autoinstall_known_extensions = false; "
                     "SET autoload_known_extensions = false; SET threads = 1; "
                     "SET memory_limit = '" MEMORY "'; SET temp_directory = ");
    add_text(&sql, conversion->temporary_folder);
    mu_buf_add_char(&sql, '\0');
    mu_code code = MU_OK;
    if (duckdb->query(connection, sql.ptr, &ignored) != DUCKDB_SUCCESS)
        code = refuse(duckdb->result_error(&ignored), err);
    duckdb->destroy_result(&ignored);
    mu_buf_free(&sql);
    return code;
}

static void write_copy(mu_buf *sql, const mu_duckdb_conversion *conversion)
{
    mu_buf_init(sql, (size_t)64 << 20);
    MU_BUF_ADD(sql, "COPY (SELECT * FROM read_json(");
    add_text(sql, conversion->rows_path);
    mu_buf_add_format(sql,
                      ", format = 'newline_delimited', compression = 'uncompressed', "
                      "maximum_object_size = %zu, columns = ",
                      conversion->line_max_bytes < LINE_BYTES ? LINE_BYTES
                                                              : conversion->line_max_bytes + 1);
    mu_buf_add_str(sql, conversion->columns);
    MU_BUF_ADD(sql, ")) TO ");
    add_text(sql, conversion->parquet_path);
    MU_BUF_ADD(sql, " (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE " ROW_GROUP ")");
    mu_buf_add_char(sql, '\0');
}

static mu_code step_through(mu_duckdb *duckdb, handle pending,
                            const mu_duckdb_conversion *conversion, mu_err *err)
{
    const struct timespec a_moment = {.tv_nsec = 2000000};
    for (;;) {
        if (conversion->should_stop(conversion->stop_context))
            return mu_fail(err, MU_E_CANCELLED, "the export was cancelled");
        switch (duckdb->step(pending)) {
        case PENDING_READY:
            return MU_OK;
        case PENDING_ERROR:
            return refuse(duckdb->pending_error(pending), err);
        case PENDING_NO_TASKS: /* others are at work */
            nanosleep(&a_moment, NULL);
            break;
        case PENDING_NOT_READY:
            break;
        }
    }
}

static mu_code copy(mu_duckdb *duckdb, handle connection, const char *sql,
                    const mu_duckdb_conversion *conversion, mu_err *err)
{
    handle prepared = NULL, pending = NULL;
    result out = {{0}};
    mu_code code = MU_OK;
    if (duckdb->prepare(connection, sql, &prepared) != DUCKDB_SUCCESS)
        code = refuse(duckdb->prepare_error(prepared), err);
    else if (duckdb->pending(prepared, &pending) != DUCKDB_SUCCESS)
        code = refuse(duckdb->pending_error(pending), err);
    else
        code = step_through(duckdb, pending, conversion, err);
    if (code == MU_OK && duckdb->finish(pending, &out) != DUCKDB_SUCCESS)
        code = refuse(duckdb->result_error(&out), err);
    duckdb->destroy_result(&out);
    duckdb->destroy_pending(&pending);
    duckdb->destroy_prepare(&prepared);
    return code;
}

mu_code mu_duckdb_convert(mu_duckdb *library, const mu_duckdb_conversion *conversion, mu_err *err)
{
    handle database = NULL, connection = NULL;
    mu_buf sql;
    if (library->open(NULL, &database) != DUCKDB_SUCCESS)
        return mu_fail(err, MU_E_NOMEM, "libduckdb cannot start");
    if (library->connect(database, &connection) != DUCKDB_SUCCESS) {
        library->close(&database);
        return mu_fail(err, MU_E_NOMEM, "libduckdb cannot start");
    }
    write_copy(&sql, conversion);
    mu_code code = sql.failed ? mu_fail(err, MU_E_LIMIT,
                                        "the profiles have too many fields for "
                                        "Parquet")
                              : set_up(library, connection, conversion, err);
    if (code == MU_OK)
        code = copy(library, connection, sql.ptr, conversion, err);
    mu_buf_free(&sql);
    library->disconnect(&connection);
    library->close(&database);
    return code;
}
