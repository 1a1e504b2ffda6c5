/* schedule_clock.c -- schedules fire: when one is due, its run is found or made, and recorded. */
#include "audience/audience.h"
#include "audience/schedule.h"
#include "base/hash.h"
#include "base/runner.h"
#include "base/time.h"
#include "base/uuid.h"
#include "json/edit.h"

#include <pthread.h>
#include <stdlib.h>

#define RETRY_MS INT64_C(1000)
#define POLL_MS  1000

struct mu_schedules {
    mu_schedules_options options;
    pthread_mutex_t lock;  /* held while something is started: one at a time */
    mu_runner *runner;     /* NULL without a thread */
    uint64_t last_trouble; /* hash of the run whose trouble was logged; guarded by `lock` */
};

/* One run of one schedule. */
typedef struct run {
    mu_schedules *schedules;
    mu_workspace *workspace;
    mu_arena *arena;
    mu_schedule schedule;
    int64_t fire_ms;
    mu_str id;
} run;

static void log_run(const run *r, mu_log_level level, const char *event, const char *why)
{
    mu_log(r->workspace->options->logger, level, event, mu_log_text("sandbox", r->workspace->place),
           mu_log_text("schedule", r->schedule.id), mu_log_integer("fire_ms", r->fire_ms),
           mu_log_text("why", mu_str_from(why)));
}

/* muster_schedule_runs_total by what became of them. */
static void count_run(const run *r, const char *result)
{
    const mu_label label = {"result", mu_str_from(result)};
    if (r->workspace->options->metrics != NULL)
        mu_counter_add(mu_metrics_counter(r->workspace->options->metrics,
                                          "muster_schedule_runs_total",
                                          "runs of schedules by result", &label, 1),
                       1);
}

/* -------- ids of runs -------- */

/* The same for the same schedule and instant. */
static mu_str id_of_fire(mu_arena *arena, mu_str schedule_id, int64_t fire_ms)
{
    return mu_schedule_uuid(arena, mu_arena_format(arena, MU_STR_FMT " %lld",
                                                   MU_STR_ARG(schedule_id), (long long)fire_ms));
}

/* Of a run that somebody asked for: no other has it. */
static mu_str id_of_trigger(mu_arena *arena)
{
    return mu_uuid_make(arena);
}

/* -------- jobs -------- */

/* Whether a job of this run is there: of segment jobs the newest are looked at first. */
static mu_code has_segment_job(const run *r, bool *out, mu_err *err)
{
    const mu_shelf *shelf;
    MU_TRY(mu_shelf_acquire(r->workspace->shelves, MU_SEGMENT_JOB_KIND, &shelf, err));
    *out = false;
    for (uint32_t i = shelf->n; !*out && i > 0; i--) {
        const mu_json *id = mu_json_at(&shelf->items[i - 1]->json, MU_STR("properties.runId"));
        *out = id != NULL && id->kind == MU_JSON_STRING && mu_str_equal(id->string, r->id);
    }
    mu_shelf_release(shelf);
    return MU_OK;
}

static mu_code has_job(const run *r, bool *out, mu_err *err)
{
    const mu_schedules_options *options = &r->schedules->options;
    return r->schedule.is_export
               ? options->export_has_run(options->context, r->workspace, r->id, out, err)
               : has_segment_job(r, out, err);
}

static mu_code is_busy(const run *r, bool *out, mu_err *err)
{
    const mu_schedules_options *options = &r->schedules->options;
    return r->schedule.is_export
               ? options->export_is_busy(options->context, r->workspace, r->schedule.id, out, err)
               : mu_segment_jobs_is_busy(options->jobs, r->workspace, r->schedule.id, out, err);
}

/* The audiences of the schedule that can be evaluated now: not those deleted, made inactive or
 * external since. */
static mu_code present_ids(const run *r, uint32_t *n, mu_str **out, mu_err *err)
{
    const mu_json *segments = r->schedule.segments;
    const mu_audience_book *book;
    MU_TRY(mu_audience_book_acquire(r->workspace->books, &book, err));
    *n = 0;
    *out = MU_NEW_ARRAY(r->arena, mu_str, segments == NULL ? 0 : segments->n);
    for (uint32_t i = 0; segments != NULL && i < segments->n; i++) {
        const mu_json *id = &segments->items[i];
        const mu_audience *audience =
            id->kind == MU_JSON_STRING ? mu_audience_find(book, id->string) : NULL;
        if (audience != NULL && !audience->is_external &&
            audience->lifecycle != MU_LIFECYCLE_INACTIVE)
            (*out)[(*n)++] = id->string;
    }
    mu_audience_book_release(book);
    return MU_OK;
}

static mu_code start_segment_job(const run *r, mu_err *err)
{
    mu_str *ids = NULL, id;
    uint32_t n = 0;
    if (!r->schedule.covers_all)
        MU_TRY(present_ids(r, &n, &ids, err));
    if (!r->schedule.covers_all && n == 0)
        return mu_fail(err, MU_E_INPUT, "the schedule has no audience that can be evaluated");
    const mu_segment_job_request request = {
        .is_scheduled = true,
        .request_id = mu_arena_format(r->arena, MU_STR_FMT "-%lld", MU_STR_ARG(r->schedule.id),
                                      (long long)r->fire_ms),
        .schedule_id = r->schedule.id,
        .run_id = r->id,
        .all = r->schedule.covers_all,
        .n_ids = n,
        .ids = ids};
    return mu_segment_jobs_create(r->schedules->options.jobs, r->workspace, &request, r->arena, &id,
                                  err);
}

static mu_code start_run(const run *r, mu_err *err)
{
    const mu_schedules_options *options = &r->schedules->options;
    return r->schedule.is_export
               ? options->start_export(options->context, r->workspace, r->schedule.id, r->id,
                                       r->schedule.properties, err)
               : start_segment_job(r, err);
}

/* -------- what has fired -------- */

/* A schedule without a state fires from its creation on. */
static int64_t fired_until(const mu_shelf *states, const mu_shelf_item *schedule)
{
    const mu_shelf_item *state = mu_shelf_find(states, schedule->document.id);
    const mu_json *until = state == NULL ? NULL : mu_json_get(&state->json, MU_STR("firedUntil"));
    return until != NULL && until->kind == MU_JSON_INTEGER ? until->integer
                                                           : schedule->document.created_ms;
}

static mu_code read_fired(mu_workspace *workspace, const mu_shelf_item *schedule, int64_t *out,
                          mu_err *err)
{
    const mu_shelf *states;
    MU_TRY(mu_shelf_acquire(workspace->shelves, MU_SCHEDULE_STATE_KIND, &states, err));
    *out = fired_until(states, schedule);
    mu_shelf_release(states);
    return MU_OK;
}

/* Never moves back what a change of the schedule has moved on meanwhile, nor brings back the state
 * of one that was deleted. For whoever holds the lock of the shelves. */
static mu_code record_locked(const run *r, int64_t until_ms, mu_err *err)
{
    const mu_shelf *shelf;
    mu_document_edit edit;
    int64_t fired_ms = 0;
    MU_TRY(mu_shelf_acquire(r->workspace->shelves, MU_SCHEDULE_KIND, &shelf, err));
    const mu_shelf_item *item = mu_shelf_find(shelf, r->schedule.id);
    bool is_there = item != NULL;
    mu_code code = is_there ? read_fired(r->workspace, item, &fired_ms, err) : MU_OK;
    mu_shelf_release(shelf);
    if (code != MU_OK || !is_there || fired_ms >= until_ms)
        return code;
    MU_TRY(mu_schedule_state_edit(r->arena, r->schedule.id, until_ms, &edit, err));
    return mu_shelves_edit_locked(r->workspace->shelves, mu_workspace_now_ms(r->workspace), 1,
                                  &edit, err);
}

static mu_code record(const run *r, int64_t until_ms, mu_err *err)
{
    mu_shelves_lock(r->workspace->shelves);
    mu_code code = record_locked(r, until_ms, err);
    mu_shelves_unlock(r->workspace->shelves);
    return code;
}

/* -------- firing -------- */

/* A failure that is tried again is logged once. */
static void report_trouble(const run *r, const mu_err *err)
{
    uint64_t hash = mu_hash64(r->id.ptr, r->id.len, 1);
    if (hash == r->schedules->last_trouble)
        return;
    r->schedules->last_trouble = hash;
    log_run(r, MU_LOG_ERROR, "schedule_delayed", err->text);
}

/* What is wrong with the run itself will be wrong the next time too: it counts as fired. */
static mu_code start_if_free(const run *r, mu_err *err)
{
    bool busy;
    MU_TRY(is_busy(r, &busy, err));
    if (busy) {
        count_run(r, "skipped");
        log_run(r, MU_LOG_WARNING, "schedule_skipped", "a run of it is waiting or running");
        return MU_OK;
    }
    mu_code code = start_run(r, err);
    if (code == MU_E_INPUT || code == MU_E_SYNTAX || code == MU_E_TYPE || code == MU_E_NOT_FOUND) {
        count_run(r, "failed");
        log_run(r, MU_LOG_ERROR, "schedule_failed", err->text);
        return MU_OK;
    }
    if (code == MU_OK) {
        count_run(r, "started");
        log_run(r, MU_LOG_INFO, "schedule_fired", "");
    }
    return code;
}

static mu_code fire(const run *r, mu_err *err)
{
    bool is_done;
    MU_TRY(has_job(r, &is_done, err));
    if (!is_done)
        MU_TRY(start_if_free(r, err));
    return record(r, r->fire_ms, err);
}

/* A run that is a day late or more is given up, and said to be. */
static mu_code give_up_missed(run *r, const mu_cron *cron, int64_t now_ms, int64_t *fired_ms,
                              mu_err *err)
{
    int64_t oldest_ms = now_ms - MU_DAY_MS;
    if (!mu_cron_next(cron, *fired_ms, &r->fire_ms) || r->fire_ms > oldest_ms)
        return MU_OK;
    MU_TRY(record(r, oldest_ms, err));
    *fired_ms = oldest_ms;
    count_run(r, "missed");
    log_run(r, MU_LOG_WARNING, "schedule_missed", "the server was down for a day or longer");
    return MU_OK;
}

/* Returns when the schedule is to be looked at next. */
static int64_t step_schedule(run *r, const mu_shelf_item *item, int64_t now_ms)
{
    mu_cron cron;
    mu_err err = {0};
    int64_t fired_ms;
    mu_schedule_read(item, &r->schedule);
    if (!r->schedule.is_active || mu_cron_parse(r->schedule.cron, 0, &cron, NULL) != MU_OK)
        return INT64_MAX;
    mu_code code = read_fired(r->workspace, item, &fired_ms, &err);
    if (code == MU_OK)
        code = give_up_missed(r, &cron, now_ms, &fired_ms, &err);
    if (code == MU_OK && !mu_cron_next(&cron, fired_ms, &r->fire_ms))
        return INT64_MAX;
    if (code == MU_OK && r->fire_ms > now_ms)
        return r->fire_ms;
    if (code == MU_OK) {
        r->id = id_of_fire(r->arena, r->schedule.id, r->fire_ms);
        code = fire(r, &err);
    }
    if (code != MU_OK) {
        report_trouble(r, &err);
        return now_ms + RETRY_MS;
    }
    return mu_cron_next(&cron, r->fire_ms, &fired_ms) ? fired_ms : INT64_MAX;
}

static int64_t step_workspace(mu_schedules *schedules, mu_workspace *workspace, int64_t now_ms)
{
    mu_arena arena;
    const mu_shelf *shelf;
    int64_t next_ms = INT64_MAX;
    run r = {.schedules = schedules, .workspace = workspace, .arena = &arena};
    mu_err err = {0};
    if (mu_schedule_ensure_system(workspace, &err) != MU_OK ||
        mu_shelf_acquire(workspace->shelves, MU_SCHEDULE_KIND, &shelf, &err) != MU_OK) {
        report_trouble(&r, &err);
        return now_ms + RETRY_MS;
    }
    mu_arena_init(&arena, SIZE_MAX);
    for (uint32_t i = 0; i < shelf->n; i++) {
        int64_t at_ms = step_schedule(&r, shelf->items[i], now_ms);
        next_ms = at_ms < next_ms ? at_ms : next_ms;
        mu_arena_reset(&arena);
        r.id = MU_STR("");
    }
    mu_arena_free(&arena);
    mu_shelf_release(shelf);
    return next_ms;
}

int64_t mu_schedules_step(mu_schedules *schedules, int64_t now_ms)
{
    int64_t next_ms = INT64_MAX;
    pthread_mutex_lock(&schedules->lock);
    for (mu_workspace *at = mu_workspaces_next(schedules->options.workspaces, NULL); at != NULL;
         at = mu_workspaces_next(schedules->options.workspaces, at)) {
        if (schedules->options.is_gone != NULL &&
            schedules->options.is_gone(schedules->options.context, at))
            continue;
        int64_t at_ms = step_workspace(schedules, at, now_ms);
        next_ms = at_ms < next_ms ? at_ms : next_ms;
    }
    pthread_mutex_unlock(&schedules->lock);
    return next_ms;
}

/* -------- on request -------- */

static mu_code trigger(run *r, mu_err *err)
{
    bool busy;
    MU_TRY(is_busy(r, &busy, err));
    if (busy)
        return mu_fail(err, MU_E_LIMIT, "a run of this schedule is waiting or running");
    r->fire_ms = mu_workspace_now_ms(r->workspace);
    r->id = id_of_trigger(r->arena);
    MU_TRY(start_run(r, err));
    count_run(r, "triggered");
    log_run(r, MU_LOG_INFO, "schedule_triggered", "");
    return MU_OK;
}

mu_code mu_schedules_trigger(mu_schedules *schedules, mu_workspace *workspace, mu_str id,
                             mu_err *err)
{
    mu_arena arena;
    const mu_shelf *shelf;
    run r = {.schedules = schedules, .workspace = workspace, .arena = &arena};
    MU_TRY(mu_shelf_acquire(workspace->shelves, MU_SCHEDULE_KIND, &shelf, err));
    const mu_shelf_item *item = mu_shelf_find(shelf, id);
    mu_code code = MU_OK;
    if (item == NULL)
        code = mu_fail(err, MU_E_NOT_FOUND, "There is no such schedule");
    mu_arena_init(&arena, SIZE_MAX);
    pthread_mutex_lock(&schedules->lock);
    if (code == MU_OK) {
        mu_schedule_read(item, &r.schedule);
        code = trigger(&r, err);
    }
    pthread_mutex_unlock(&schedules->lock);
    mu_arena_free(&arena);
    mu_shelf_release(shelf);
    return code;
}

/* -------- life -------- */

/* The clock may be moved by others, so it is looked at every second. */
static uint32_t run_step(void *context, const bool *is_stopping)
{
    mu_schedules *schedules = context;
    mu_workspace *first = mu_workspaces_next(schedules->options.workspaces, NULL);
    (void)is_stopping;
    if (first != NULL)
        mu_schedules_step(schedules, mu_workspace_now_ms(first));
    return POLL_MS;
}

mu_code mu_schedules_add_workspace(mu_schedules *schedules, mu_workspace *workspace, mu_err *err)
{
    (void)schedules;
    return mu_schedule_ensure_system(workspace, err);
}

static mu_code add_workspaces(mu_schedules *schedules, mu_err *err)
{
    for (mu_workspace *at = mu_workspaces_next(schedules->options.workspaces, NULL); at != NULL;
         at = mu_workspaces_next(schedules->options.workspaces, at))
        MU_TRY(mu_schedules_add_workspace(schedules, at, err));
    return MU_OK;
}

mu_code mu_schedules_new(const mu_schedules_options *options, mu_schedules **out, mu_err *err)
{
    mu_schedules *schedules = calloc(1, sizeof *schedules);
    if (schedules == NULL)
        return mu_fail(err, MU_E_NOMEM, "no memory for schedules");
    schedules->options = *options;
    pthread_mutex_init(&schedules->lock, NULL);
    mu_code code = add_workspaces(schedules, err);
    if (code == MU_OK && !options->has_no_thread)
        code = mu_runner_start("schedules", run_step, schedules, &schedules->runner, err);
    if (code != MU_OK) {
        mu_schedules_free(schedules);
        return code;
    }
    *out = schedules;
    return MU_OK;
}

void mu_schedules_free(mu_schedules *schedules)
{
    if (schedules == NULL)
        return;
    mu_runner_stop(schedules->runner);
    pthread_mutex_destroy(&schedules->lock);
    free(schedules);
}

void mu_schedules_wake(mu_schedules *schedules)
{
    if (schedules->runner != NULL)
        mu_runner_wake(schedules->runner);
}
