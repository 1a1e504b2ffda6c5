/* batch_rows_int.h -- what batch_rows.c and batch_csv.c share. */
#ifndef MU_INGEST_BATCH_ROWS_INT_H
#define MU_INGEST_BATCH_ROWS_INT_H

#include "ingest/batch_rows.h"

/* The header row off `rest`, and what its names mean. MU_E_INPUT with line 118. */
MU_CHECKED mu_code mu_csv_plan_read(mu_arena *arena, const mu_batch_format *format, mu_str *rest,
                                    const mu_csv_plan **out, mu_err *err);

/* One record off `rest`. */
void mu_csv_plan_row(const mu_csv_plan *plan, const mu_batch_format *format, mu_arena *arena,
                     mu_str *rest, mu_batch_row *out);

#endif
