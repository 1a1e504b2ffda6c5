/* job_int.h -- what a job lends to the reference evaluator. */
#ifndef MU_EVAL_JOB_INT_H
#define MU_EVAL_JOB_INT_H

#include "eval/run_int.h"

/* MU_E_CANCELLED once the job is to end. */
MU_CHECKED mu_code job_check_cancel(const mu_job *job, mu_err *err);

/* A context for one decoded row, whose look-ups, audiences and memberships are the job's. The row
 * must outlive it; the rest is in the arena. */
void job_row_context(const mu_job *job, uint32_t pid, const mu_value *row, mu_arena *arena,
                     mu_reference_context *out);

/* Is the row of the context a member of an audience: by its rule, and not by what excludes? *trips
 * of both. */
bool job_audience_is_member(mu_arena *arena, const mu_reference_context *context,
                            const job_audience *audience, uint32_t *trips);

/* Memberships that were decided before (run_known.c). */
MU_CHECKED mu_code job_index_known(mu_job *job, mu_err *err);
uint32_t job_find_known(void *context, mu_str id, const mu_pql **row_condition);
bool job_known_has(const mu_job *job, uint32_t membership, uint32_t pid);

/* Notes which parts have the types of the snapshot's schema. */
void job_prepare_rows(mu_job *job);

/* A whole row as the snapshot's schema has it, whatever its part was written with. */
MU_CHECKED mu_code job_read_row(const mu_job *job, const mu_entity *entity, mu_row_place place,
                                mu_arena *arena, mu_value *out, mu_err *err);

/* A context without a row, for constants and tables. */
void job_table_context(mu_job *job);

#endif
