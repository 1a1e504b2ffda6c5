/* export.h -- export jobs: profiles, chosen by audience, status and time, as files of a dataset
 * (api.md 13).
 *
 *   NEW -> PROCESSING -> SUCCEEDED | FAILED
 *
 * A job is a document of kind "exportJob" by its number: what GET shows (13.2), without imsOrgId
 * and sandbox. One thread; one running export per sandbox, the rest wait. Files are written under
 * the batches' folder and become a batch of the dataset, listed and downloaded through data access,
 * in the transaction that makes the job SUCCEEDED. What was under way when the server ended starts
 * again from nothing.
 */
#ifndef MU_EXPORT_EXPORT_H
#define MU_EXPORT_EXPORT_H

#include "audience/job.h"

#define MU_EXPORT_JOB_KIND MU_STR("exportJob")

typedef struct mu_exports mu_exports;

typedef struct mu_exports_options {
    mu_workspaces *workspaces;
    mu_segment_jobs *jobs; /* for evaluationInfo.segmentation */
    mu_str duckdb_library; /* path of libduckdb for Parquet; empty: where the system finds it */
} mu_exports_options;

MU_CHECKED mu_code mu_exports_new(const mu_exports_options *options, mu_exports **out, mu_err *err);
void mu_exports_free(mu_exports *exports);

/* `request`: the members of api.md 13.1, checked here; MU_E_INPUT says what is wrong, and breaches
 * that have a code of their own start with it ("UPLIB-101554-503: ..."). *number: the job's id. */
typedef struct mu_export_request {
    const mu_json *request;
    mu_str request_id, profile_instance_id;
    mu_str schedule_id, run_id;      /* empty when asked for by a client */
    mu_str organization, sandbox_id; /* for the batch */
    const mu_author *author;         /* NULL: the server itself */
} mu_export_request;
MU_CHECKED mu_code mu_exports_create(mu_exports *exports, mu_workspace *workspace,
                                     const mu_export_request *request, uint64_t *number,
                                     mu_err *err);

/* Cancels one that is not finished (it becomes FAILED with the code CANCELLED), removes one that
 * is. `author` NULL: the server itself. MU_E_NOT_FOUND. */
MU_CHECKED mu_code mu_exports_remove(mu_exports *exports, mu_workspace *workspace, uint64_t number,
                                     const mu_author *author, mu_err *err);

/* An export of this schedule waits or runs. */
MU_CHECKED mu_code mu_exports_is_busy(mu_exports *exports, mu_workspace *workspace,
                                      mu_str schedule_id, bool *out, mu_err *err);

void mu_exports_wait_idle(mu_exports *exports);

#endif
