/* batch_rows.h -- the rows of one uploaded file, one after another (profile.md d.4, P46). */
#ifndef MU_INGEST_BATCH_ROWS_H
#define MU_INGEST_BATCH_ROWS_H

#include "json/json.h"

#define MU_BATCH_ROW_BYTES_MAX ((size_t)4 << 20) /* a longer row is unreadable */
#define MU_BATCH_COLUMNS_MAX   10000u            /* h: fields per row */

typedef struct mu_batch_format {
    bool is_csv;
    char delimiter, quote, escape; /* CSV */
} mu_batch_format;

/* A batch's inputFormat. MU_E_INPUT: what it says makes no sense or is not supported; MU_E_TYPE:
 * parquet (P47). */
MU_CHECKED mu_code mu_batch_format_read(const mu_json *json, mu_batch_format *out, mu_err *err);

typedef enum mu_batch_file_form {
    MU_BATCH_LINES, /* one JSON value a line */
    MU_BATCH_ARRAY, /* one JSON array of them */
    MU_BATCH_ONE,   /* one JSON object over several lines */
    MU_BATCH_CSV
} mu_batch_file_form;

typedef struct mu_csv_plan mu_csv_plan;

typedef struct mu_batch_rows {
    mu_batch_file_form form;
    mu_batch_format format;
    mu_str rest;
    mu_json_reader *reader;
    const mu_csv_plan *plan;
    bool is_done;
} mu_batch_rows;

typedef struct mu_batch_row {
    mu_str text;         /* as it stands in the file */
    const char *problem; /* NULL, or why `json` is not there: the row is unreadable */
    mu_json json;
} mu_batch_row;

/* Begins to read a file, which must stay where it is. What lives as long as the rows is in
 * `arena`. MU_E_INPUT with line 106 (the file is empty) or 118 (no CSV header) as d.4 has them. */
MU_CHECKED mu_code mu_batch_rows_open(mu_arena *arena, mu_json_reader *reader,
                                      const mu_batch_format *format, mu_str bytes,
                                      mu_batch_rows *out, mu_err *err);
void mu_batch_rows_close(mu_batch_rows *rows);

/* The next row, in `arena`; false at the end. */
bool mu_batch_rows_next(mu_batch_rows *rows, mu_arena *arena, mu_batch_row *out);

#endif
