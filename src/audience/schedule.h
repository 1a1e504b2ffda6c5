/* schedule.h -- schedules, and the clock that starts their jobs (api.md 16).
 *
 * A schedule is a document of kind "schedule": what GET shows, without imsOrgId, sandbox and
 * frequency; the sandbox's own one has, hidden, "isSystem". Beside it a document of kind
 * "scheduleState" with the same id has the instant up to which it has fired: it changes with every
 * run, and is nobody's business.
 *
 *     due ─> job with the run's id there? ─ yes ──────────────┐
 *             └ no ─> one of its jobs busy? ─ yes: skipped ───┤
 *                      └ no ─> make the job ──────────────────┴─> fired up to then
 *
 * A run's id follows from schedule and instant, so that after a crash between the last two steps
 * the job is found: no run comes twice, and none is lost.
 */
#ifndef MU_AUDIENCE_SCHEDULE_H
#define MU_AUDIENCE_SCHEDULE_H

#include "audience/cron.h"
#include "audience/job.h"

#define MU_SCHEDULE_KIND       MU_STR("schedule")
#define MU_SCHEDULE_STATE_KIND MU_STR("scheduleState")

#define MU_SCHEDULES_PER_DAY_MAX  4u /* active ones that run on one UTC day (api.md 16.2) */
#define MU_SCHEDULES_POLICIES_MAX 5u /* merge policies beside an active schedule (api.md 20) */

/* -------- documents: schedule.c -------- */

typedef struct mu_schedule {
    mu_str id, name, cron;
    bool is_export, is_active, is_system;
    const mu_json *properties;
    const mu_json *segments; /* properties.segments, an array of texts; NULL: it has none */
    bool covers_all;         /* segments are ["*"] */
} mu_schedule;

/* Everything borrowed from the item. */
void mu_schedule_read(const mu_shelf_item *item, mu_schedule *out);

/* Reads a cron expression that is to fire once a day at most (A58). MU_E_INPUT. */
MU_CHECKED mu_code mu_schedule_read_cron(mu_str text, int64_t now_ms, mu_cron *out, mu_err *err);

/* Whether a schedule with this id and times may be active beside the others that are: at most four
 * on any day from now on, and no more merge policies than scheduled evaluation takes. MU_E_INPUT
 * says which. For whoever holds the lock of the workspace's shelves and has read the kind. */
MU_CHECKED mu_code mu_schedule_may_be_active(const mu_workspace *workspace, mu_str id,
                                             const mu_cron *cron, int64_t now_ms, mu_err *err);

/* The edit that makes a schedule fire only after `now_ms`: goes with each one that makes it, makes
 * it active or changes its times. */
MU_CHECKED mu_code mu_schedule_state_edit(mu_arena *arena, mu_str id, int64_t now_ms,
                                          mu_document_edit *out, mu_err *err);

/* The uuid (version 8) that follows from a text. */
mu_str mu_schedule_uuid(mu_arena *arena, mu_str text);

/* Makes the system schedule (A57) of a workspace that has none. */
MU_CHECKED mu_code mu_schedule_ensure_system(mu_workspace *workspace, mu_err *err);

/* -------- the clock: schedule_clock.c -------- */

typedef struct mu_schedules mu_schedules;

typedef struct mu_schedules_options {
    mu_workspaces *workspaces;
    mu_segment_jobs *jobs;
    /* Starts an export as a schedule of type "export" says. `is_busy` asks for one that is still
     * under way, `has_run` for one of this run, whatever became of it. */
    mu_code (*start_export)(void *context, mu_workspace *workspace, mu_str schedule_id,
                            mu_str run_id, const mu_json *properties, mu_err *err);
    mu_code (*export_is_busy)(void *context, mu_workspace *workspace, mu_str schedule_id, bool *out,
                              mu_err *err);
    mu_code (*export_has_run)(void *context, mu_workspace *workspace, mu_str run_id, bool *out,
                              mu_err *err);
    /* Whether nothing is to be started in a workspace any more; NULL: never. */
    bool (*is_gone)(void *context, const mu_workspace *workspace);
    void *context;
    bool has_no_thread; /* only mu_schedules_step fires: for tests */
} mu_schedules_options;

/* Makes the system schedule (A57) of every workspace that has none, and starts the thread, which
 * looks at the workspaces' clock once a second. */
MU_CHECKED mu_code mu_schedules_new(const mu_schedules_options *options, mu_schedules **out,
                                    mu_err *err);
void mu_schedules_free(mu_schedules *schedules); /* NULL allowed */

/* A workspace that was made since: its system schedule. */
MU_CHECKED mu_code mu_schedules_add_workspace(mu_schedules *schedules, mu_workspace *workspace,
                                              mu_err *err);

/* A document changed: looks at it again. */
void mu_schedules_wake(mu_schedules *schedules);

/* Starts one run now. MU_E_NOT_FOUND; MU_E_LIMIT: one waits or runs; MU_E_INPUT: there is nothing
 * to run. */
MU_CHECKED mu_code mu_schedules_trigger(mu_schedules *schedules, mu_workspace *workspace, mu_str id,
                                        mu_err *err);

/* Fires everything that is due at now_ms and returns when the next one is (INT64_MAX: none): what
 * the thread does, for tests with a clock of their own. */
int64_t mu_schedules_step(mu_schedules *schedules, int64_t now_ms);

#endif
