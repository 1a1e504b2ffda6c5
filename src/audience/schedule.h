/* schedule.h -- schedules, and the clock that starts their jobs (api.md 16).
 *
 * A schedule is a document of kind "schedule": what GET shows, without imsOrgId, sandbox and
 * frequency; and, hidden, the instant up to which it has fired. That one and the job are written in
 * one transaction where the job is a document of the same place, so no run comes twice.
 */
#ifndef MU_AUDIENCE_SCHEDULE_H
#define MU_AUDIENCE_SCHEDULE_H

#include "audience/cron.h"
#include "audience/job.h"

#define MU_SCHEDULE_KIND MU_STR("schedule")

typedef struct mu_schedules mu_schedules;

typedef struct mu_schedules_options {
    mu_workspaces *workspaces;
    mu_segment_jobs *jobs;
    /* Starts an export as a schedule of type "export" says. `is_busy` asks for one that is still
     * under way. */
    mu_code (*start_export)(void *context, mu_workspace *workspace, mu_str schedule_id,
                            mu_str run_id, const mu_json *properties, mu_err *err);
    mu_code (*export_is_busy)(void *context, mu_workspace *workspace, mu_str schedule_id, bool *out,
                              mu_err *err);
    void *context;
} mu_schedules_options;

/* Makes the system schedule (A57) of every workspace that has none, and starts the thread. */
MU_CHECKED mu_code mu_schedules_new(const mu_schedules_options *options, mu_schedules **out,
                                    mu_err *err);
void mu_schedules_free(mu_schedules *schedules);

/* A workspace that was made since: its system schedule. */
MU_CHECKED mu_code mu_schedules_add_workspace(mu_schedules *schedules, mu_workspace *workspace,
                                              mu_err *err);

/* A document changed: looks at it again. */
void mu_schedules_wake(mu_schedules *schedules);

/* Starts one run now. MU_E_NOT_FOUND; MU_E_LIMIT: one waits or runs. */
MU_CHECKED mu_code mu_schedules_trigger(mu_schedules *schedules, mu_workspace *workspace, mu_str id,
                                        mu_err *err);

/* Fires everything that is due at now_ms and returns when the next one is (INT64_MAX: none): what
 * the thread does, for tests with a clock of their own. */
int64_t mu_schedules_step(mu_schedules *schedules, int64_t now_ms);

#endif
