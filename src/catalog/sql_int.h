/* sql_int.h -- prepared statements with the project's errors and row checksums.
 *
 * A row's checksum covers the columns before it in the order of the statement: statements that
 * write a row bind its columns in the order in which statements that read it select them, the
 * checksum last.
 */
#ifndef MU_CATALOG_SQL_INT_H
#define MU_CATALOG_SQL_INT_H

#include "base/buf.h"
#include "catalog/catalog.h"

#include <sqlite3.h>

struct mu_catalog {
    sqlite3 *db;
    char *path;
};

typedef struct mu_sql {
    mu_catalog *catalog;
    sqlite3_stmt *statement;
    int n_bound;
    mu_buf row; /* the columns bound so far, as the checksum sees them */
} mu_sql;

/* What SQLite says of its last call, as an error of ours. */
mu_code mu_sql_fail(mu_catalog *catalog, int result, mu_err *err);

/* Runs statements that return nothing. */
MU_CHECKED mu_code mu_sql_run(mu_catalog *catalog, const char *text, mu_err *err);

MU_CHECKED mu_code mu_sql_prepare(mu_catalog *catalog, const char *text, mu_sql *out, mu_err *err);
void mu_sql_finish(mu_sql *sql);

/* Binding, in order; texts must live until the statement is finished. */
void mu_sql_bind_integer(mu_sql *sql, uint64_t value);
void mu_sql_bind_text(mu_sql *sql, mu_str value);
void mu_sql_bind_blob(mu_sql *sql, mu_str value);
void mu_sql_bind_checksum(mu_sql *sql);

/* The next row; false at the end. */
MU_CHECKED mu_code mu_sql_next(mu_sql *sql, bool *has_row, mu_err *err);

/* Runs a statement without rows and finishes it. */
MU_CHECKED mu_code mu_sql_finish_run(mu_sql *sql, mu_err *err);

uint64_t mu_sql_integer(mu_sql *sql, int column);
mu_str mu_sql_text(mu_sql *sql, mu_arena *arena, int column);

/* Whether the row's last column is the checksum of the others; MU_E_CORRUPT names the table. */
MU_CHECKED mu_code mu_sql_check_row(mu_sql *sql, const char *table, mu_err *err);

#endif
