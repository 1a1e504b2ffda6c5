/* job.h -- segment jobs: chosen audiences, or all, evaluated over all profiles (api.md 12).
 *
 *   NEW -> QUEUED -> PROCESSING -> SUCCEEDED | FAILED;  CANCELLING -> CANCELLED
 *
 * A job is a document of kind "segmentJob": what GET shows (12.1), without imsOrgId and sandbox.
 * One thread takes one job at a time, in the order of creation; of a sandbox's jobs one is
 * PROCESSING. What it found is committed with its status, in one transaction. A job that was under
 * way when the server ended is queued again at the next start, one that was being cancelled is
 * cancelled (12.5).
 */
#ifndef MU_AUDIENCE_JOB_H
#define MU_AUDIENCE_JOB_H

#include "audience/evaluation.h"

#define MU_SEGMENT_JOB_KIND      MU_STR("segmentJob")
#define MU_SEGMENT_JOB_IDS_SHOWN 1500u

typedef struct mu_segment_jobs mu_segment_jobs;

/* Takes up what was under way in all workspaces there are, and starts the thread. */
MU_CHECKED mu_code mu_segment_jobs_new(mu_workspaces *workspaces, mu_segment_jobs **out,
                                       mu_err *err);
/* Stops the thread; a running job will be taken up again. NULL allowed. */
void mu_segment_jobs_free(mu_segment_jobs *jobs);

typedef struct mu_segment_job_request {
    bool is_scheduled;                       /* source: scheduler, else api */
    mu_str request_id, schedule_id, run_id;  /* the last two of scheduled ones */
    mu_str name;                             /* may be empty */
    mu_str schema_name, profile_instance_id; /* empty: the defaults */
    bool all;                                /* "*" */
    uint32_t n_ids;
    const mu_str *ids;       /* duplicates collapse */
    bool is_development;     /* the sandbox: more runs a year where limits are enforced (A47) */
    const mu_author *author; /* NULL: the server itself */
    mu_json *created;        /* NULL, or receives the document as it was made: NEW or QUEUED */
} mu_segment_job_request;

/* Stores it as NEW; *id in `arena`. MU_E_INPUT names every id that cannot be evaluated, and
 * breaches of limits that are enforced start with "guardrail:"; MU_E_LIMIT: too many wait (429). */
MU_CHECKED mu_code mu_segment_jobs_create(mu_segment_jobs *jobs, mu_workspace *workspace,
                                          const mu_segment_job_request *request, mu_arena *arena,
                                          mu_str *id, mu_err *err);

/* Asks for its end; nothing happens to one that has ended. MU_E_NOT_FOUND. */
MU_CHECKED mu_code mu_segment_jobs_cancel(mu_segment_jobs *jobs, mu_workspace *workspace, mu_str id,
                                          mu_err *err);

/* How far the evaluation of a running job is, in rows; false when it does not run, or just began.
 */
bool mu_segment_jobs_progress(mu_segment_jobs *jobs, const mu_workspace *workspace, mu_str id,
                              uint64_t *done, uint64_t *all);

/* A job of this schedule waits or runs. */
MU_CHECKED mu_code mu_segment_jobs_is_busy(mu_segment_jobs *jobs, mu_workspace *workspace,
                                           mu_str schedule_id, bool *out, mu_err *err);

/* Until nothing waits or runs; for tests and for a server that ends. */
void mu_segment_jobs_wait_idle(mu_segment_jobs *jobs);

#endif
