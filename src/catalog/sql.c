#include "catalog/sql_int.h"

#include "base/hash.h"

#define ROW_MAX ((size_t)1 << 30)

mu_code mu_sql_fail(mu_catalog *catalog, int result, mu_err *err)
{
    const char *text = catalog->db == NULL ? sqlite3_errstr(result) : sqlite3_errmsg(catalog->db);
    switch (result & 0xff) {
    case SQLITE_NOMEM:
        return mu_fail(err, MU_E_NOMEM, "out of memory for reading %s", catalog->path);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return mu_fail(err, MU_E_CORRUPT, "%s: %s", catalog->path, text);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return mu_fail(err, MU_E_CONFLICT, "%s is in use by another process", catalog->path);
    default:
        return mu_fail(err, MU_E_IO, "%s: %s", catalog->path, text);
    }
}

mu_code mu_sql_run(mu_catalog *catalog, const char *text, mu_err *err)
{
    int result = sqlite3_exec(catalog->db, text, NULL, NULL, NULL);
    return result == SQLITE_OK ? MU_OK : mu_sql_fail(catalog, result, err);
}

mu_code mu_sql_prepare(mu_catalog *catalog, const char *text, mu_sql *out, mu_err *err)
{
    sqlite3_stmt *statement;
    int result = sqlite3_prepare_v2(catalog->db, text, -1, &statement, NULL);
    if (result != SQLITE_OK)
        return mu_sql_fail(catalog, result, err);
    *out = (mu_sql){.catalog = catalog, .statement = statement};
    mu_buf_init(&out->row, ROW_MAX);
    return MU_OK;
}

void mu_sql_finish(mu_sql *sql)
{
    sqlite3_finalize(sql->statement);
    mu_buf_free(&sql->row);
}

/* A kind, then eight bytes: the number, or the length of the bytes that follow. */
static void add_integer(mu_buf *row, uint64_t value)
{
    mu_buf_add_char(row, 'i');
    mu_buf_add(row, &value, sizeof value);
}

static void add_bytes(mu_buf *row, char kind, mu_str value)
{
    uint64_t len = value.len;
    mu_buf_add_char(row, kind);
    mu_buf_add(row, &len, sizeof len);
    mu_buf_add_str(row, value);
}

void mu_sql_bind_integer(mu_sql *sql, uint64_t value)
{
    sqlite3_bind_int64(sql->statement, ++sql->n_bound, (sqlite3_int64)value);
    add_integer(&sql->row, value);
}

void mu_sql_bind_text(mu_sql *sql, mu_str value)
{
    sqlite3_bind_text64(sql->statement, ++sql->n_bound, value.len == 0 ? "" : value.ptr, value.len,
                        SQLITE_STATIC, SQLITE_UTF8);
    add_bytes(&sql->row, 't', value);
}

void mu_sql_bind_blob(mu_sql *sql, mu_str value)
{
    sqlite3_bind_blob64(sql->statement, ++sql->n_bound, value.len == 0 ? "" : value.ptr, value.len,
                        SQLITE_STATIC);
    add_bytes(&sql->row, 'b', value);
}

void mu_sql_bind_checksum(mu_sql *sql)
{
    uint64_t checksum = mu_hash64(sql->row.ptr, sql->row.len, 0);
    sqlite3_bind_int64(sql->statement, ++sql->n_bound, (sqlite3_int64)checksum);
}

mu_code mu_sql_next(mu_sql *sql, bool *has_row, mu_err *err)
{
    if (sql->row.failed)
        return mu_fail(err, MU_E_NOMEM, "out of memory for a row of %s", sql->catalog->path);
    int result = sqlite3_step(sql->statement);
    if (result != SQLITE_ROW && result != SQLITE_DONE)
        return mu_sql_fail(sql->catalog, result, err);
    *has_row = result == SQLITE_ROW;
    return MU_OK;
}

mu_code mu_sql_finish_run(mu_sql *sql, mu_err *err)
{
    bool has_row;
    mu_code code = mu_sql_next(sql, &has_row, err);
    mu_sql_finish(sql);
    return code;
}

uint64_t mu_sql_integer(mu_sql *sql, int column)
{
    return (uint64_t)sqlite3_column_int64(sql->statement, column);
}

static mu_str column_bytes(mu_sql *sql, int column)
{
    const void *bytes = sqlite3_column_blob(sql->statement, column);
    int len = sqlite3_column_bytes(sql->statement, column);
    return (mu_str){bytes == NULL ? "" : bytes, bytes == NULL || len < 0 ? 0 : (size_t)len};
}

mu_str mu_sql_text(mu_sql *sql, mu_arena *arena, int column)
{
    return mu_arena_copy(arena, column_bytes(sql, column));
}

mu_code mu_sql_check_row(mu_sql *sql, const char *table, mu_err *err)
{
    int last = sqlite3_column_count(sql->statement) - 1;
    mu_buf_clear(&sql->row);
    for (int c = 0; c < last; c++) {
        int type = sqlite3_column_type(sql->statement, c);
        if (type == SQLITE_INTEGER)
            add_integer(&sql->row, mu_sql_integer(sql, c));
        else
            add_bytes(&sql->row, type == SQLITE_TEXT ? 't' : 'b', column_bytes(sql, c));
    }
    if (sql->row.failed)
        return mu_fail(err, MU_E_NOMEM, "out of memory for a row of %s", sql->catalog->path);
    if (mu_hash64(sql->row.ptr, sql->row.len, 0) == mu_sql_integer(sql, last))
        return MU_OK;
    return mu_fail(err, MU_E_CORRUPT, "%s: a row of table %s has the wrong checksum",
                   sql->catalog->path, table);
}
