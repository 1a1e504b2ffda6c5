/* job_int.h -- what the files of segment jobs share: the document of a job and its states. */
#ifndef MU_AUDIENCE_JOB_INT_H
#define MU_AUDIENCE_JOB_INT_H

#include "audience/job.h"
#include "json/edit.h"

typedef enum mu_job_status {
    MU_JOB_NEW,
    MU_JOB_QUEUED,
    MU_JOB_PROCESSING,
    MU_JOB_CANCELLING,
    MU_JOB_CANCELLED,
    MU_JOB_FAILED,
    MU_JOB_SUCCEEDED
} mu_job_status;

mu_job_status mu_job_status_of(const mu_json *job);
static inline bool mu_job_has_ended(mu_job_status status)
{
    return status >= MU_JOB_CANCELLED;
}

/* -------- job_document.c: everything in `arena` -------- */

/* A job as it is created (status NEW or QUEUED), with the rules as they are now. `ids` are checked
 * and distinct. */
MU_CHECKED mu_code mu_job_document_make(mu_arena *arena, const mu_workspace *workspace,
                                        const mu_audience_book *book,
                                        const mu_segment_job_request *request, mu_str id,
                                        mu_job_status status, mu_json *out, mu_err *err);

/* PROCESSING: computing starts. */
void mu_job_document_begin(mu_arena *arena, mu_json *job, int64_t number, int64_t now_ms);
/* QUEUED again, as if it had never begun. */
void mu_job_document_requeue(mu_arena *arena, mu_json *job, int64_t now_ms);
/* CANCELLING: it stops soon. */
void mu_job_document_stop(mu_arena *arena, mu_json *job, int64_t now_ms);
/* CANCELLED, FAILED or SUCCEEDED. */
void mu_job_document_end(mu_arena *arena, mu_json *job, mu_job_status status, int64_t now_ms);
/* One more of `errors`. */
void mu_job_document_error(mu_arena *arena, mu_json *job, mu_str code, mu_str message);

/* The ids that a job is of; *all: every definition. */
uint32_t mu_job_document_ids(mu_arena *arena, const mu_json *job, bool *all, const mu_str **out);

/* -------- job_evaluate.c -------- */

/* What a job evaluates, and what came of it. Everything in `arena` but the evaluation. */
typedef struct mu_job_work {
    mu_arena *arena;
    mu_workspace *workspace;
    const mu_json *job;
    const mu_audience_book *book;
    uint32_t n_subjects;
    mu_subject *subjects;
    mu_evaluation *evaluation;
    int64_t now_ms;
} mu_job_work;

/* The subjects of a job: its rules as it was created with, and what they refer to. */
MU_CHECKED mu_code mu_job_work_plan(mu_job_work *work, mu_err *err);

/* Commits the members and the job, SUCCEEDED; or FAILED when there is nobody's to commit.
 * MU_E_CONFLICT: the job's document has changed since `version`. */
MU_CHECKED mu_code mu_job_work_commit(mu_job_work *work, mu_str id, uint64_t version,
                                      mu_json *ended, mu_err *err);

#endif
