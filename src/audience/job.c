/* job.c -- segment jobs: who waits, who runs, and the thread that runs them.
 *
 * Waiting jobs are in a list in the order of creation; what is on disk is the same, so that a crash
 * loses nothing. `lock` is held for the list and for transitions of documents, never while a job
 * computes or commits: a commit instead fails when its document was changed meanwhile, which only a
 * cancellation does.
 */
#include "audience/job.h"

#include "audience/job_int.h"
#include "base/hash.h"
#include "base/runner.h"
#include "base/time.h"
#include "base/uuid.h"

#include <pthread.h>
#include <stdlib.h>

#define MERGES_MS                    30000u
#define SWEEP_MS                     (3600u * 1000u)
#define ID_SIZE                      64u
#define SCHEDULE_SIZE                256u
#define ON_DEMAND_IDS                20u /* A47, as the next three */
#define ON_DEMAND_DAILY              2u
#define ON_DEMAND_PRODUCTION_YEARLY  50u
#define ON_DEMAND_DEVELOPMENT_YEARLY 100u

typedef struct waiting_job {
    struct waiting_job *next;
    mu_workspace *workspace;
    uint64_t number; /* of the document: order of creation */
    size_t id_len, schedule_len;
    char id[ID_SIZE], schedule_id[SCHEDULE_SIZE];
} waiting_job;

struct mu_segment_jobs {
    mu_workspaces *workspaces;
    mu_runner *runner;
    pthread_mutex_t lock;
    pthread_cond_t idle;  /* nothing waits or runs */
    waiting_job *first;   /* in the order of creation */
    waiting_job *running; /* or NULL */
    bool cancel;          /* read by the running evaluation with __ATOMIC_RELAXED */
    bool is_stopping;
    uint64_t n_done, n_all; /* rows of the running one, __ATOMIC_RELAXED */
    int64_t swept_ms;       /* the runner's */
};

static mu_str id_of(const waiting_job *job)
{
    return (mu_str){job->id, job->id_len};
}

/* -------- documents -------- */

/* The item of a job, held; NULL when there is none. */
static mu_code hold_item(mu_workspace *workspace, mu_str id, const mu_shelf_item **out, mu_err *err)
{
    const mu_shelf *shelf;
    MU_TRY(mu_shelf_acquire(workspace->shelves, MU_SEGMENT_JOB_KIND, &shelf, err));
    const mu_shelf_item *item = mu_shelf_find(shelf, id);
    *out = item == NULL ? NULL : mu_shelf_item_hold(item);
    mu_shelf_release(shelf);
    return MU_OK;
}

static mu_code replace(mu_workspace *workspace, mu_arena *arena, mu_str id, uint64_t version,
                       const mu_json *job, mu_err *err)
{
    mu_document_edit edit = {.action = MU_DOCUMENT_REPLACE,
                             .kind = MU_SEGMENT_JOB_KIND,
                             .id = id,
                             .version_before = version};
    MU_TRY(mu_json_text(arena, job, &edit.json, err));
    return mu_shelves_edit(workspace->shelves, mu_workspace_now_ms(workspace), 1, &edit, err);
}

/* -------- the list -------- */

/* In its place by number. */
static void enqueue(mu_segment_jobs *jobs, waiting_job *job)
{
    waiting_job **at = &jobs->first;
    while (*at != NULL && (*at)->number <= job->number)
        at = &(*at)->next;
    job->next = *at;
    *at = job;
}

static waiting_job *waiting_new(mu_workspace *workspace, uint64_t number, mu_str id,
                                mu_str schedule_id)
{
    waiting_job *made = calloc(1, sizeof *made);
    MU_ASSERT(made != NULL && id.len < ID_SIZE);
    made->workspace = workspace;
    made->number = number;
    made->id_len = id.len;
    memcpy(made->id, id.ptr, id.len);
    made->schedule_len = schedule_id.len < SCHEDULE_SIZE ? schedule_id.len : SCHEDULE_SIZE;
    if (made->schedule_len > 0)
        memcpy(made->schedule_id, schedule_id.ptr, made->schedule_len);
    return made;
}

static bool is_job(const waiting_job *job, const mu_workspace *workspace, mu_str id)
{
    return job != NULL && job->workspace == workspace && mu_str_equal(id_of(job), id);
}

/* Takes it out and frees it. */
static void forget_waiting(mu_segment_jobs *jobs, const mu_workspace *workspace, mu_str id)
{
    waiting_job **at = &jobs->first;
    while (*at != NULL && !is_job(*at, workspace, id))
        at = &(*at)->next;
    waiting_job *found = *at;
    if (found == NULL)
        return;
    *at = found->next;
    free(found);
    if (jobs->first == NULL && jobs->running == NULL)
        pthread_cond_broadcast(&jobs->idle);
}

/* -------- creating -------- */

static uint32_t count_waiting(const mu_segment_jobs *jobs, const mu_workspace *workspace)
{
    uint32_t n = 0;
    for (const waiting_job *at = jobs->first; at != NULL; at = at->next)
        n += at->workspace == workspace;
    return n;
}

static uint32_t distinct(mu_arena *arena, uint32_t n, const mu_str *ids, const mu_str **out)
{
    mu_strmap seen;
    uint32_t n_distinct = 0;
    mu_str *list = MU_NEW_ARRAY(arena, mu_str, (size_t)n + 1);
    mu_strmap_init(&seen);
    for (uint32_t i = 0; i < n; i++) {
        bool is_new;
        (void)mu_strmap_put(&seen, ids[i], &is_new);
        if (is_new)
            list[n_distinct++] = ids[i];
    }
    mu_strmap_free(&seen);
    *out = list;
    return n_distinct;
}

/* On-demand runs since `since_ms`. */
static uint32_t count_on_demand(const mu_shelf *shelf, int64_t since_ms)
{
    uint32_t n = 0;
    for (uint32_t i = shelf->n; i > 0 && shelf->items[i - 1]->document.created_ms >= since_ms; i--)
        n += mu_str_equal(
            mu_json_member_string(&shelf->items[i - 1]->json, MU_STR("source"), MU_STR("")),
            MU_STR("api"));
    return n;
}

static mu_code check_on_demand(const mu_workspace *workspace, const mu_audience_book *book,
                               const mu_segment_job_request *request, const mu_shelf *shelf,
                               mu_err *err)
{
    int64_t now_ms = mu_workspace_now_ms(workspace), day_ms = now_ms - now_ms % MU_DAY_MS;
    mu_civil day = mu_civil_from_ms(now_ms);
    uint32_t yearly =
        request->is_development ? ON_DEMAND_DEVELOPMENT_YEARLY : ON_DEMAND_PRODUCTION_YEARLY;
    if (request->all || request->n_ids > ON_DEMAND_IDS)
        return mu_fail(err, MU_E_INPUT, "guardrail: at most %u audiences on demand at once",
                       ON_DEMAND_IDS);
    for (uint32_t i = 0; i < request->n_ids; i++) {
        const mu_audience *audience = mu_audience_find(book, request->ids[i]);
        if (audience != NULL && !audience->batch)
            return mu_fail(err, MU_E_INPUT, "guardrail: " MU_STR_FMT " is not evaluated by batches",
                           MU_STR_ARG(request->ids[i]));
    }
    if (count_on_demand(shelf, day_ms) >= ON_DEMAND_DAILY)
        return mu_fail(err, MU_E_INPUT, "guardrail: at most %u jobs on demand a day",
                       ON_DEMAND_DAILY);
    if (count_on_demand(shelf, mu_days_from_civil(day.year, 1, 1) * MU_DAY_MS) >= yearly)
        return mu_fail(err, MU_E_INPUT, "guardrail: at most %u jobs on demand a year", yearly);
    return MU_OK;
}

static mu_code check_request(mu_segment_jobs *jobs, mu_workspace *workspace, mu_arena *arena,
                             const mu_audience_book *book, const mu_segment_job_request *request,
                             mu_err *err)
{
    const mu_audience_settings *settings = &workspace->options->settings;
    const mu_shelf *shelf;
    uint32_t n;
    mu_subject *subjects;
    if (!request->all && request->n_ids == 0)
        return mu_fail(err, MU_E_INPUT, "no audience is named");
    if (!request->all)
        MU_TRY(mu_subjects_of(arena, book, request->n_ids, request->ids, &n, &subjects, err));
    if (request->is_scheduled)
        return MU_OK;
    if (count_waiting(jobs, workspace) >= settings->waiting_jobs_max)
        return mu_fail(err, MU_E_LIMIT, "%lld segment jobs of the sandbox wait already",
                       (long long)settings->waiting_jobs_max);
    if (!settings->flexible_enforce)
        return MU_OK;
    MU_TRY(mu_shelf_acquire(workspace->shelves, MU_SEGMENT_JOB_KIND, &shelf, err));
    mu_code code = check_on_demand(workspace, book, request, shelf, err);
    mu_shelf_release(shelf);
    return code;
}

/* Under the lock: who waits is counted, and the new one is in its place, before others come. */
static mu_code add_job(mu_segment_jobs *jobs, mu_workspace *workspace, mu_arena *arena,
                       const mu_audience_book *book, const mu_segment_job_request *request,
                       mu_str id, mu_err *err)
{
    mu_json json;
    const mu_shelf_item *item;
    mu_document_edit edit = {.action = MU_DOCUMENT_ADD,
                             .kind = MU_SEGMENT_JOB_KIND,
                             .id = id,
                             .author = request->author};
    MU_TRY(check_request(jobs, workspace, arena, book, request, err));
    bool waits = count_waiting(jobs, workspace) > 0 ||
                 (jobs->running != NULL && jobs->running->workspace == workspace);
    MU_TRY(mu_job_document_make(arena, workspace, book, request, id,
                                waits ? MU_JOB_QUEUED : MU_JOB_NEW, &json, err));
    MU_TRY(mu_json_text(arena, &json, &edit.json, err));
    MU_TRY(mu_shelves_edit(workspace->shelves, mu_workspace_now_ms(workspace), 1, &edit, err));
    MU_TRY(hold_item(workspace, id, &item, err));
    MU_ASSERT(item != NULL);
    enqueue(jobs, waiting_new(workspace, item->document.number, id, request->schedule_id));
    mu_shelf_item_release(item);
    if (request->created != NULL)
        *request->created = json;
    return MU_OK;
}

mu_code mu_segment_jobs_create(mu_segment_jobs *jobs, mu_workspace *workspace,
                               const mu_segment_job_request *request, mu_arena *arena, mu_str *id,
                               mu_err *err)
{
    const mu_audience_book *book;
    mu_segment_job_request distinct_request = *request;
    mu_str made = mu_uuid_make(arena);
    distinct_request.n_ids = distinct(arena, request->n_ids, request->ids, &distinct_request.ids);
    MU_TRY(mu_audience_book_acquire(workspace->books, &book, err));
    pthread_mutex_lock(&jobs->lock);
    mu_code code = add_job(jobs, workspace, arena, book, &distinct_request, made, err);
    pthread_mutex_unlock(&jobs->lock);
    mu_audience_book_release(book);
    MU_TRY(code);
    mu_runner_wake(jobs->runner);
    *id = made;
    return MU_OK;
}

/* -------- cancelling -------- */

static mu_code cancel_locked(mu_segment_jobs *jobs, mu_workspace *workspace, mu_arena *arena,
                             const mu_shelf_item *item, mu_err *err)
{
    mu_json json = item->json;
    mu_job_status status = mu_job_status_of(&json);
    int64_t now_ms = mu_workspace_now_ms(workspace);
    bool is_running = is_job(jobs->running, workspace, item->document.id);
    if (mu_job_has_ended(status) || status == MU_JOB_CANCELLING)
        return MU_OK;
    if (status == MU_JOB_PROCESSING)
        mu_job_document_stop(arena, &json, now_ms);
    else
        mu_job_document_end(arena, &json, MU_JOB_CANCELLED, now_ms);
    MU_TRY(replace(workspace, arena, item->document.id, item->document.version, &json, err));
    if (is_running)
        __atomic_store_n(&jobs->cancel, true, __ATOMIC_RELAXED);
    else
        forget_waiting(jobs, workspace, item->document.id);
    return MU_OK;
}

/* A job that ends just now changes under our eyes: looked at again. */
mu_code mu_segment_jobs_cancel(mu_segment_jobs *jobs, mu_workspace *workspace, mu_str id,
                               mu_err *err)
{
    mu_code code = MU_E_CONFLICT;
    while (code == MU_E_CONFLICT) {
        mu_arena arena;
        const mu_shelf_item *item = NULL;
        mu_arena_init(&arena, SIZE_MAX);
        pthread_mutex_lock(&jobs->lock);
        code = hold_item(workspace, id, &item, err);
        if (code == MU_OK && item == NULL)
            code =
                mu_fail(err, MU_E_NOT_FOUND, "there is no segment job " MU_STR_FMT, MU_STR_ARG(id));
        else if (code == MU_OK)
            code = cancel_locked(jobs, workspace, &arena, item, err);
        pthread_mutex_unlock(&jobs->lock);
        if (item != NULL)
            mu_shelf_item_release(item);
        mu_arena_free(&arena);
    }
    return code;
}

mu_code mu_segment_jobs_is_busy(mu_segment_jobs *jobs, mu_workspace *workspace, mu_str schedule_id,
                                bool *out, mu_err *err)
{
    (void)err;
    pthread_mutex_lock(&jobs->lock);
    const waiting_job *at = jobs->running != NULL ? jobs->running : jobs->first;
    *out = false;
    while (at != NULL && !*out) {
        *out = at->workspace == workspace &&
               mu_str_equal((mu_str){at->schedule_id, at->schedule_len}, schedule_id);
        at = at == jobs->running ? jobs->first : at->next;
    }
    pthread_mutex_unlock(&jobs->lock);
    return MU_OK;
}

bool mu_segment_jobs_progress(mu_segment_jobs *jobs, const mu_workspace *workspace, mu_str id,
                              uint64_t *done, uint64_t *all)
{
    pthread_mutex_lock(&jobs->lock);
    bool is_running = is_job(jobs->running, workspace, id);
    *done = __atomic_load_n(&jobs->n_done, __ATOMIC_RELAXED);
    *all = __atomic_load_n(&jobs->n_all, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&jobs->lock);
    return is_running && *all > 0;
}

void mu_segment_jobs_wait_idle(mu_segment_jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    while (jobs->first != NULL || jobs->running != NULL)
        pthread_cond_wait(&jobs->idle, &jobs->lock);
    pthread_mutex_unlock(&jobs->lock);
}

/* -------- running one -------- */

static void on_progress(void *context, uint64_t done, uint64_t all)
{
    mu_segment_jobs *jobs = context;
    __atomic_store_n(&jobs->n_done, done, __ATOMIC_RELAXED);
    __atomic_store_n(&jobs->n_all, all, __ATOMIC_RELAXED);
}

static void log_failure(const waiting_job *job, const mu_err *err)
{
    mu_log(job->workspace->options->logger, MU_LOG_ERROR, "segment_job_failed",
           mu_log_text("job", id_of(job)), mu_log_text("error", mu_str_from(err->text)));
}

/* NEW or QUEUED to PROCESSING; *item is held, and is the document as it is then. */
static mu_code begin_job(const waiting_job *job, mu_arena *arena, const mu_shelf_item **item,
                         mu_err *err)
{
    const mu_shelf_item *before;
    MU_TRY(hold_item(job->workspace, id_of(job), &before, err));
    if (before == NULL)
        return mu_fail(err, MU_E_NOT_FOUND, "the segment job is gone");
    mu_json json = before->json;
    if (mu_job_has_ended(mu_job_status_of(&json))) { /* cancelled since it was taken */
        mu_shelf_item_release(before);
        return mu_fail(err, MU_E_CANCELLED, "the segment job was cancelled");
    }
    mu_job_document_begin(arena, &json, (int64_t)before->document.number,
                          mu_workspace_now_ms(job->workspace));
    mu_code code = replace(job->workspace, arena, id_of(job), before->document.version, &json, err);
    mu_shelf_item_release(before);
    MU_TRY(code);
    return hold_item(job->workspace, id_of(job), item, err);
}

static mu_code evaluate(mu_segment_jobs *jobs, mu_job_work *work, mu_err *err)
{
    MU_TRY(mu_audience_book_acquire(work->workspace->books, &work->book, err));
    MU_TRY(mu_job_work_plan(work, err));
    const mu_evaluation_request request = {.n_subjects = work->n_subjects,
                                           .subjects = work->subjects,
                                           .book = work->book,
                                           .now_ms = work->now_ms,
                                           .as_of_ms = INT64_MAX,
                                           .cancel = &jobs->cancel,
                                           .counts_namespaces = true,
                                           .progress = on_progress,
                                           .progress_context = jobs};
    MU_TRY(mu_evaluate(work->workspace, &request, &work->evaluation, err));
    if (__atomic_load_n(&jobs->cancel, __ATOMIC_RELAXED))
        return mu_fail(err, MU_E_CANCELLED, "the segment job was cancelled");
    return MU_OK;
}

/* How a job ends that did not succeed: whatever its document says by now. */
static void end_job(const waiting_job *job, mu_job_status status, const mu_err *why)
{
    mu_code code = MU_E_CONFLICT;
    mu_err err = {0};
    while (code == MU_E_CONFLICT) {
        mu_arena arena;
        const mu_shelf_item *item = NULL;
        mu_arena_init(&arena, SIZE_MAX);
        code = hold_item(job->workspace, id_of(job), &item, &err);
        if (code == MU_OK && item != NULL && !mu_job_has_ended(mu_job_status_of(&item->json))) {
            mu_json json = item->json;
            bool is_cancelled = mu_job_status_of(&json) == MU_JOB_CANCELLING;
            mu_job_status last = is_cancelled ? MU_JOB_CANCELLED : status;
            mu_job_document_end(&arena, &json, last, mu_workspace_now_ms(job->workspace));
            if (last == MU_JOB_FAILED)
                log_failure(job, why);
            if (last == MU_JOB_FAILED)
                mu_job_document_error(&arena, &json, mu_str_from(mu_code_name(why->code)),
                                      mu_str_from(why->text));
            code = replace(job->workspace, &arena, id_of(job), item->document.version, &json, &err);
        }
        if (item != NULL)
            mu_shelf_item_release(item);
        mu_arena_free(&arena);
    }
    if (code != MU_OK)
        log_failure(job, &err);
}

static mu_code work_on(mu_segment_jobs *jobs, const waiting_job *job, mu_arena *arena,
                       mu_job_work *work, mu_err *err)
{
    const mu_shelf_item *item = NULL;
    pthread_mutex_lock(&jobs->lock);
    mu_code code = begin_job(job, arena, &item, err);
    pthread_mutex_unlock(&jobs->lock);
    if (code == MU_OK && item == NULL)
        code = mu_fail(err, MU_E_NOT_FOUND, "the segment job is gone");
    MU_TRY(code);
    *work = (mu_job_work){.arena = arena,
                          .workspace = job->workspace,
                          .job = &item->json,
                          .now_ms = mu_workspace_now_ms(job->workspace)};
    code = evaluate(jobs, work, err);
    mu_json ended = item->json;
    if (code == MU_OK)
        code = mu_job_work_commit(work, id_of(job), item->document.version, &ended, err);
    mu_shelf_item_release(item);
    return code;
}

static void run_job(mu_segment_jobs *jobs, const waiting_job *job)
{
    mu_err err = {0};
    mu_arena arena;
    mu_job_work work = {0};
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code = work_on(jobs, job, &arena, &work, &err);
    mu_evaluation_free(work.evaluation);
    if (work.book != NULL)
        mu_audience_book_release(work.book);
    mu_arena_free(&arena);
    bool stays = code == MU_E_CANCELLED && __atomic_load_n(&jobs->is_stopping, __ATOMIC_RELAXED);
    if (code == MU_OK || stays)
        return; /* what stays PROCESSING is taken up at the next start */
    end_job(job, code == MU_E_CANCELLED ? MU_JOB_CANCELLED : MU_JOB_FAILED, &err);
}

/* -------- keeping -------- */

static void sweep_workspace(mu_workspace *workspace)
{
    enum { AT_ONCE = 500 };
    const mu_shelf *shelf;
    mu_document_edit edits[AT_ONCE];
    uint32_t n = 0;
    int64_t now_ms = mu_workspace_now_ms(workspace);
    int64_t before_ms = now_ms - workspace->options->settings.jobs_keep_days * MU_DAY_MS;
    mu_err err;
    if (mu_shelf_acquire(workspace->shelves, MU_SEGMENT_JOB_KIND, &shelf, &err) != MU_OK)
        return; /* whoever reads jobs hears of it */
    for (uint32_t i = 0; i < shelf->n && n < AT_ONCE; i++)
        if (shelf->items[i]->document.updated_ms < before_ms &&
            mu_job_has_ended(mu_job_status_of(&shelf->items[i]->json)))
            edits[n++] = (mu_document_edit){.action = MU_DOCUMENT_REMOVE,
                                            .kind = MU_SEGMENT_JOB_KIND,
                                            .id = shelf->items[i]->document.id};
    if (n > 0 && mu_shelves_edit(workspace->shelves, now_ms, n, edits, &err) != MU_OK)
        mu_log(workspace->options->logger, MU_LOG_WARNING, "segment_jobs_not_removed",
               mu_log_text("error", mu_str_from(err.text)));
    mu_shelf_release(shelf);
}

static void sweep(mu_segment_jobs *jobs)
{
    mu_workspace *workspace = mu_workspaces_next(jobs->workspaces, NULL);
    if (workspace == NULL)
        return;
    int64_t now_ms = mu_workspace_now_ms(workspace);
    if (now_ms < jobs->swept_ms + SWEEP_MS)
        return;
    jobs->swept_ms = now_ms;
    for (; workspace != NULL; workspace = mu_workspaces_next(jobs->workspaces, workspace))
        sweep_workspace(workspace);
}

static void take_merges(mu_segment_jobs *jobs)
{
    mu_workspace *workspace = NULL;
    mu_err err;
    while ((workspace = mu_workspaces_next(jobs->workspaces, workspace)) != NULL)
        if (mu_workspace_take_merges(workspace, &err) != MU_OK)
            mu_log(workspace->options->logger, MU_LOG_WARNING, "memberships_not_merged",
                   mu_log_text("error", mu_str_from(err.text)));
}

/* -------- the thread -------- */

static waiting_job *take_next(mu_segment_jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    waiting_job *job = jobs->is_stopping ? NULL : jobs->first;
    if (job != NULL) {
        jobs->first = job->next;
        jobs->running = job;
        __atomic_store_n(&jobs->cancel, false, __ATOMIC_RELAXED);
        __atomic_store_n(&jobs->n_all, 0, __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&jobs->lock);
    return job;
}

static uint32_t step(void *context, const bool *is_stopping)
{
    mu_segment_jobs *jobs = context;
    (void)is_stopping; /* jobs->is_stopping is set first */
    sweep(jobs);
    take_merges(jobs);
    waiting_job *job = take_next(jobs);
    if (job == NULL)
        return MERGES_MS;
    run_job(jobs, job);
    pthread_mutex_lock(&jobs->lock);
    jobs->running = NULL;
    if (jobs->first == NULL)
        pthread_cond_broadcast(&jobs->idle);
    pthread_mutex_unlock(&jobs->lock);
    free(job);
    return 0;
}

/* -------- starting -------- */

/* A job as the last run of the server left it. */
static mu_code take_up(mu_segment_jobs *jobs, mu_workspace *workspace, const mu_shelf_item *item,
                       mu_err *err)
{
    mu_arena arena;
    mu_json json = item->json;
    mu_job_status status = mu_job_status_of(&json);
    int64_t now_ms = mu_workspace_now_ms(workspace);
    mu_code code = MU_OK;
    if (mu_job_has_ended(status))
        return MU_OK;
    mu_arena_init(&arena, SIZE_MAX);
    if (status == MU_JOB_PROCESSING)
        mu_job_document_requeue(&arena, &json, now_ms);
    else if (status == MU_JOB_CANCELLING)
        mu_job_document_end(&arena, &json, MU_JOB_CANCELLED, now_ms);
    if (status == MU_JOB_PROCESSING || status == MU_JOB_CANCELLING)
        code = replace(workspace, &arena, item->document.id, item->document.version, &json, err);
    if (code == MU_OK && status != MU_JOB_CANCELLING)
        enqueue(jobs, waiting_new(workspace, item->document.number, item->document.id,
                                  mu_json_member_string(mu_json_get(&json, MU_STR("properties")),
                                                        MU_STR("scheduleId"), MU_STR(""))));
    mu_arena_free(&arena);
    return code;
}

static mu_code take_up_all(mu_segment_jobs *jobs, mu_err *err)
{
    mu_workspace *workspace = NULL;
    mu_code code = MU_OK;
    while (code == MU_OK && (workspace = mu_workspaces_next(jobs->workspaces, workspace)) != NULL) {
        const mu_shelf *shelf;
        MU_TRY(mu_shelf_acquire(workspace->shelves, MU_SEGMENT_JOB_KIND, &shelf, err));
        for (uint32_t i = 0; code == MU_OK && i < shelf->n; i++)
            code = take_up(jobs, workspace, shelf->items[i], err);
        mu_shelf_release(shelf);
    }
    return code;
}

mu_code mu_segment_jobs_new(mu_workspaces *workspaces, mu_segment_jobs **out, mu_err *err)
{
    mu_segment_jobs *jobs = calloc(1, sizeof *jobs);
    if (jobs == NULL)
        return mu_fail(err, MU_E_NOMEM, "no memory for segment jobs");
    jobs->workspaces = workspaces;
    jobs->swept_ms = INT64_MIN / 2;
    pthread_mutex_init(&jobs->lock, NULL);
    pthread_cond_init(&jobs->idle, NULL);
    mu_code code = take_up_all(jobs, err);
    if (code == MU_OK)
        code = mu_runner_start("segment-jobs", step, jobs, &jobs->runner, err);
    if (code != MU_OK) {
        mu_segment_jobs_free(jobs);
        return code;
    }
    *out = jobs;
    return MU_OK;
}

void mu_segment_jobs_free(mu_segment_jobs *jobs)
{
    if (jobs == NULL)
        return;
    pthread_mutex_lock(&jobs->lock);
    __atomic_store_n(&jobs->is_stopping, true, __ATOMIC_RELAXED);
    __atomic_store_n(&jobs->cancel, true, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&jobs->lock);
    mu_runner_stop(jobs->runner);
    while (jobs->first != NULL) {
        waiting_job *next = jobs->first->next;
        free(jobs->first);
        jobs->first = next;
    }
    pthread_cond_destroy(&jobs->idle);
    pthread_mutex_destroy(&jobs->lock);
    free(jobs);
}
