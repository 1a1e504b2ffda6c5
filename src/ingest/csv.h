/* csv.h -- comma separated text in records and cells (RFC 4180; quotes count only at the start of a
 * cell).
 */
#ifndef MU_INGEST_CSV_H
#define MU_INGEST_CSV_H

#include "base/arena.h"

typedef enum mu_csv_end {
    MU_CSV_RECORD,     /* *size is the record with its line break */
    MU_CSV_INCOMPLETE, /* the text ends inside it */
    MU_CSV_MALFORMED   /* its quotes do not work out; *size is its first line */
} mu_csv_end;

/* The extent of the first record of `text`. With `is_last` the end of the text ends the record. */
mu_csv_end mu_csv_record(mu_str text, bool is_last, size_t *size);

typedef struct mu_csv_cells {
    mu_str *cells;
    uint32_t n;
    size_t capacity;
} mu_csv_cells;

void mu_csv_cells_free(mu_csv_cells *cells);

/* Splits one well-formed record (its line break included or not); cells with doubled quotes are
 * unescaped into `arena`, others are views. False past 10,000 cells. */
bool mu_csv_split(mu_str record, mu_csv_cells *cells, mu_arena *arena);

#endif
