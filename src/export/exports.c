/* exports.c -- the jobs of all workspaces, and the thread that carries them out. */
#include "export/export_int.h"

#include "base/runner.h"
#include "base/time.h"

#include <pthread.h>
#include <stdlib.h>

#define RETRY_MS   5000u /* after the disk or the catalog failed */
#define SEGMENT_MS 50u   /* between looks at a segment job */
#define COUNTER    MU_STR("exportCounter")

#define PRUNE_EVERY_MS 600000u
#define PRUNE_MAX      256u /* at once */

struct mu_exports {
    mu_exports_options options;
    mu_str duckdb_library; /* own */
    mu_runner *runner;
    pthread_mutex_t create_lock; /* held from a number's choice until its job is stored */
    pthread_mutex_t lock;        /* guards what follows */
    pthread_cond_t changed;
    uint64_t n_wanted, n_seen; /* calls for work; those after which nothing was left to do */
    const mu_workspace *running_in;
    mu_str running_id; /* of the item that run holds */
    bool is_cancelled; /* that one; also read with __ATOMIC_RELAXED */
    const bool *is_stopping;
    int64_t next_prune_ms; /* monotonic; the thread's */
};

static void wake(mu_exports *exports)
{
    pthread_mutex_lock(&exports->lock);
    exports->n_wanted++;
    pthread_mutex_unlock(&exports->lock);
    mu_runner_wake(exports->runner);
}

/* -------- creating -------- */

static int64_t newest_ms(const mu_shelf *shelf)
{
    const mu_json *time =
        shelf->n == 0 ? NULL
                      : mu_json_get(&shelf->items[shelf->n - 1]->json, MU_STR("creationTime"));
    return time != NULL && time->kind == MU_JSON_INTEGER ? time->integer : INT64_MIN;
}

/* What the sandboxes of an organisation share is in the place "ORG/", or "/" when there is one
 * organisation (docs/decisions/0220). */
static mu_str counter_place(mu_arena *arena, mu_str place)
{
    size_t slash = place.len;
    while (slash > 0 && place.ptr[slash - 1] != '/')
        slash--;
    return mu_arena_format(arena, "%.*s/", slash > 0 ? (int)slash - 1 : 0, place.ptr);
}

static mu_code next_number(mu_workspace *workspace, mu_arena *arena, int64_t now_ms, uint64_t *out,
                           mu_err *err)
{
    mu_documents *documents = workspace->options->documents;
    mu_str place = counter_place(arena, workspace->place);
    const mu_str id = MU_STR("last");
    mu_document document;
    mu_json json;
    mu_err missing;
    int64_t last = 0;
    mu_code code = mu_document_get(documents, arena, place, COUNTER, id, &document, &missing);
    if (code != MU_OK && code != MU_E_NOT_FOUND)
        return mu_fail(err, code, "%s", missing.text);
    if (code == MU_OK) {
        MU_TRY(mu_json_parse(arena, document.json, &json, err));
        const mu_json *number = mu_json_get(&json, MU_STR("number"));
        if (number == NULL || number->kind != MU_JSON_INTEGER || number->integer < 0)
            return mu_fail(err, MU_E_CORRUPT, "the counter of exports is damaged");
        last = number->integer;
    }
    const mu_document_edit edit = {
        .action = MU_DOCUMENT_PUT,
        .kind = COUNTER,
        .id = id,
        .json = mu_arena_format(arena, "{\"number\":%lld}", (long long)last + 1)};
    MU_TRY(mu_document_edit_all(documents, place, now_ms, 1, &edit, err));
    *out = (uint64_t)last + 1;
    return MU_OK;
}

/* Times of creation never go back, so that the order of the shelf is that of times and numbers. */
static mu_code store_new(mu_workspace *workspace, mu_arena *arena, mu_json *document,
                         const mu_author *author, uint64_t *number, mu_err *err)
{
    const mu_shelf *shelf;
    MU_TRY(mu_shelf_acquire(workspace->shelves, MU_EXPORT_JOB_KIND, &shelf, err));
    int64_t newest = newest_ms(shelf), now_ms = mu_workspace_now_ms(workspace);
    mu_shelf_release(shelf);
    now_ms = now_ms > newest ? now_ms : newest;
    MU_TRY(next_number(workspace, arena, now_ms, number, err));
    mu_export_document_begin(arena, document, *number, now_ms);
    mu_document_edit edit = {.action = MU_DOCUMENT_ADD,
                             .kind = MU_EXPORT_JOB_KIND,
                             .id = mu_arena_format(arena, "%llu", (unsigned long long)*number),
                             .author = author};
    MU_TRY(mu_json_text(arena, document, &edit.json, err));
    return mu_shelves_edit(workspace->shelves, now_ms, 1, &edit, err);
}

mu_code mu_exports_create(mu_exports *exports, mu_workspace *workspace,
                          const mu_export_request *request, uint64_t *number, mu_err *err)
{
    mu_arena arena;
    mu_json document;
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code = mu_export_request_check(&arena, workspace, request, &document, err);
    if (code == MU_OK) {
        pthread_mutex_lock(&exports->create_lock);
        code = store_new(workspace, &arena, &document, request->author, number, err);
        pthread_mutex_unlock(&exports->create_lock);
    }
    mu_arena_free(&arena);
    if (code == MU_OK)
        wake(exports);
    return code;
}

/* -------- changing one -------- */

static mu_code replace(mu_workspace *workspace, mu_arena *arena, const mu_shelf_item *item,
                       const mu_json *json, const mu_author *author, mu_err *err)
{
    mu_document_edit edit = {.action = MU_DOCUMENT_REPLACE,
                             .kind = MU_EXPORT_JOB_KIND,
                             .id = item->document.id,
                             .version_before = item->document.version,
                             .author = author};
    MU_TRY(mu_json_text(arena, json, &edit.json, err));
    return mu_shelves_edit(workspace->shelves, mu_workspace_now_ms(workspace), 1, &edit, err);
}

static mu_code find_item(mu_workspace *workspace, mu_str id, const mu_shelf_item **out, mu_err *err)
{
    const mu_shelf *shelf;
    MU_TRY(mu_shelf_acquire(workspace->shelves, MU_EXPORT_JOB_KIND, &shelf, err));
    const mu_shelf_item *item = mu_shelf_find(shelf, id);
    if (item != NULL)
        *out = mu_shelf_item_hold(item);
    mu_shelf_release(shelf);
    return item != NULL
               ? MU_OK
               : mu_fail(err, MU_E_NOT_FOUND, "there is no export job " MU_STR_FMT, MU_STR_ARG(id));
}

static const mu_err cancelled = {.code = MU_E_CANCELLED, .text = "the export was cancelled"};

static mu_code remove_item(mu_exports *exports, mu_workspace *workspace, mu_arena *arena,
                           const mu_shelf_item *item, const mu_author *author, mu_err *err)
{
    mu_json json = item->json;
    const mu_document_edit removal = {.action = MU_DOCUMENT_REMOVE,
                                      .kind = MU_EXPORT_JOB_KIND,
                                      .id = item->document.id,
                                      .author = author};
    if (mu_export_document_has_status(&json, "NEW")) {
        mu_export_document_fail(arena, &json, mu_workspace_now_ms(workspace), &cancelled);
        return replace(workspace, arena, item, &json, author, err);
    }
    if (!mu_export_document_has_status(&json, "PROCESSING"))
        return mu_shelves_edit(workspace->shelves, mu_workspace_now_ms(workspace), 1, &removal,
                               err);
    mu_export_document_set_own(arena, &json, "isCancelling", mu_json_of_boolean(true));
    MU_TRY(replace(workspace, arena, item, &json, author, err));
    pthread_mutex_lock(&exports->lock);
    if (exports->running_in == workspace && mu_str_equal(exports->running_id, item->document.id))
        __atomic_store_n(&exports->is_cancelled, true, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&exports->lock);
    return MU_OK;
}

/* Again when somebody changed it meanwhile: it has few states, and none comes back. */
mu_code mu_exports_remove(mu_exports *exports, mu_workspace *workspace, uint64_t number,
                          const mu_author *author, mu_err *err)
{
    mu_arena arena;
    const mu_shelf_item *item = NULL;
    mu_code code;
    mu_arena_init(&arena, SIZE_MAX);
    mu_str id = mu_arena_format(&arena, "%llu", (unsigned long long)number);
    do {
        code = find_item(workspace, id, &item, err);
        if (code == MU_OK) {
            code = remove_item(exports, workspace, &arena, item, author, err);
            mu_shelf_item_release(item);
        }
    } while (code == MU_E_CONFLICT);
    mu_arena_free(&arena);
    if (code == MU_OK)
        wake(exports);
    return code;
}

static bool is_open(const mu_json *document)
{
    return mu_export_document_has_status(document, "NEW") ||
           mu_export_document_has_status(document, "PROCESSING");
}

mu_code mu_exports_is_busy(mu_exports *exports, mu_workspace *workspace, mu_str schedule_id,
                           bool *out, mu_err *err)
{
    const mu_shelf *shelf;
    (void)exports;
    MU_TRY(mu_shelf_acquire(workspace->shelves, MU_EXPORT_JOB_KIND, &shelf, err));
    *out = false;
    for (uint32_t i = shelf->n; i > 0 && !*out; i--) {
        const mu_json *json = &shelf->items[i - 1]->json;
        if (!is_open(json))
            continue;
        mu_str id = mu_json_member_string(mu_json_get(json, MU_EXPORT_OWN), MU_STR("scheduleId"),
                                          MU_STR(""));
        *out = mu_str_equal(id, schedule_id);
    }
    mu_shelf_release(shelf);
    return MU_OK;
}

/* -------- the thread: a segment job first -------- */

typedef struct step {
    mu_exports *exports;
    mu_workspace *workspace;
    const mu_shelf_item *item;
    mu_arena *arena;
    mu_export_plan plan;
} step;

typedef enum readiness { READY, WAITING, UNREADY } readiness;

static mu_code start_segmentation(const step *s, mu_err *err)
{
    const mu_audience_book *book;
    mu_str id = MU_STR("");
    mu_str *ids = MU_NEW_ARRAY(s->arena, mu_str, s->plan.n_audiences);
    uint32_t n = 0;
    MU_TRY(mu_audience_book_acquire(s->workspace->books, &book, err));
    for (uint32_t i = 0; i < s->plan.n_audiences; i++) {
        const mu_audience *audience = mu_export_audience_find(book, s->plan.audiences[i].segment_id,
                                                              s->plan.audiences[i].namespace_code);
        if (audience != NULL && !audience->is_external)
            ids[n++] = mu_arena_copy(s->arena, audience->id);
    }
    mu_audience_book_release(book);
    mu_json json = s->item->json;
    if (n > 0 || s->plan.n_audiences == 0) {
        const mu_segment_job_request request = {
            .request_id = mu_json_member_string(&json, MU_STR("requestId"), MU_STR("")),
            .all = s->plan.n_audiences == 0,
            .n_ids = n,
            .ids = ids};
        MU_TRY(mu_segment_jobs_create(s->exports->options.jobs, s->workspace, &request, s->arena,
                                      &id, err));
    } else {
        id = MU_STR("none"); /* external audiences are not evaluated */
    }
    mu_export_document_set_own(s->arena, &json, "segmentJobId", mu_json_of_string(id));
    return replace(s->workspace, s->arena, s->item, &json, NULL, err);
}

static mu_code check_segmentation(const step *s, readiness *out, mu_err *err)
{
    const mu_shelf *shelf;
    if (mu_str_equal(s->plan.segment_job_id, MU_STR("none"))) {
        *out = READY;
        return MU_OK;
    }
    MU_TRY(mu_shelf_acquire(s->workspace->shelves, MU_SEGMENT_JOB_KIND, &shelf, err));
    const mu_shelf_item *job = mu_shelf_find(shelf, s->plan.segment_job_id);
    mu_str status = job == NULL
                        ? MU_STR("FAILED")
                        : mu_json_member_string(&job->json, MU_STR("status"), MU_STR("FAILED"));
    mu_code code = MU_OK;
    *out = WAITING;
    if (mu_str_equal(status, MU_STR("SUCCEEDED")))
        *out = READY;
    else if (mu_str_equal(status, MU_STR("FAILED")) || mu_str_equal(status, MU_STR("CANCELLED")))
        code = mu_fail(err, MU_E_INPUT, "the segment job " MU_STR_FMT " ended as " MU_STR_FMT,
                       MU_STR_ARG(s->plan.segment_job_id), MU_STR_ARG(status));
    mu_shelf_release(shelf);
    return code;
}

/* Whether the profiles may be read now. */
static mu_code prepare(const step *s, readiness *out, mu_err *err)
{
    *out = READY;
    if (!s->plan.wants_segmentation || mu_export_document_has_status(&s->item->json, "PROCESSING"))
        return MU_OK;
    if (s->plan.segment_job_id.len > 0)
        return check_segmentation(s, out, err);
    mu_code code = start_segmentation(s, err);
    *out = WAITING;
    return code == MU_E_LIMIT || code == MU_E_CONFLICT ? MU_OK : code; /* tried again */
}

/* -------- the thread: one job -------- */

static bool should_stop(void *context)
{
    const mu_exports *exports = context;
    return __atomic_load_n(&exports->is_cancelled, __ATOMIC_RELAXED) ||
           __atomic_load_n(exports->is_stopping, __ATOMIC_RELAXED);
}

static void set_running(mu_exports *exports, const mu_workspace *workspace, mu_str id)
{
    pthread_mutex_lock(&exports->lock);
    exports->running_in = workspace;
    exports->running_id = id;
    __atomic_store_n(&exports->is_cancelled, false, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&exports->lock);
}

static void count_job(const mu_workspace *workspace, const char *outcome)
{
    const mu_label label = {"outcome", mu_str_from(outcome)};
    mu_counter_add(mu_metrics_counter(workspace->options->metrics, "muster_export_jobs_total",
                                      "Export jobs by how they ended.", &label, 1),
                   1);
}

static void count_rows(const mu_workspace *workspace, uint64_t n_rows)
{
    mu_counter_add(mu_metrics_counter(workspace->options->metrics, "muster_exported_profiles_total",
                                      "Profiles that exports wrote.", NULL, 0),
                   n_rows);
}

/* Whatever its document says by now: it may have been marked for its end. */
static mu_code fail_job(const step *s, const mu_err *why, mu_err *err)
{
    const mu_shelf_item *item = NULL;
    mu_code code;
    do {
        code = find_item(s->workspace, s->item->document.id, &item, err);
        if (code != MU_OK)
            return code == MU_E_NOT_FOUND ? MU_OK : code;
        mu_export_plan plan;
        mu_json json = item->json;
        mu_export_plan_read(s->arena, &json, &plan);
        mu_export_document_fail(s->arena, &json, mu_workspace_now_ms(s->workspace),
                                plan.is_cancelling ? &cancelled : why);
        if (is_open(&item->json))
            code = replace(s->workspace, s->arena, item, &json, NULL, err);
        mu_shelf_item_release(item);
    } while (code == MU_E_CONFLICT);
    if (code == MU_OK)
        count_job(s->workspace, "failed");
    return code;
}

/* The job as PROCESSING. MU_E_CONFLICT: it was cancelled meanwhile. */
static mu_code begin(const step *s, const mu_shelf_item **out, mu_err *err)
{
    if (!mu_export_document_has_status(&s->item->json, "PROCESSING")) {
        mu_json json = s->item->json;
        mu_export_document_start(s->arena, &json, mu_workspace_now_ms(s->workspace));
        MU_TRY(replace(s->workspace, s->arena, s->item, &json, NULL, err));
    }
    return find_item(s->workspace, s->item->document.id, out, err);
}

static bool is_cancelling(const step *s, const mu_shelf_item *item)
{
    mu_export_plan plan;
    mu_export_plan_read(s->arena, &item->json, &plan);
    return plan.is_cancelling;
}

/* Writes it, and tells. */
static mu_code run_item(const step *s, const mu_shelf_item *item, mu_err *err)
{
    mu_exports *exports = s->exports;
    const mu_logger *logger = s->workspace->options->logger;
    uint64_t n_rows = 0;
    const mu_export_run run = {.workspace = s->workspace,
                               .duckdb_library = exports->duckdb_library,
                               .item = item,
                               .should_stop = should_stop,
                               .stop_context = exports};
    mu_log(logger, MU_LOG_INFO, "export_started", mu_log_text("job", item->document.id));
    mu_code code = mu_export_run_job(&run, &n_rows, err);
    if (code == MU_OK) {
        count_job(s->workspace, "succeeded");
        count_rows(s->workspace, n_rows);
        mu_log(logger, MU_LOG_INFO, "export_finished", mu_log_text("job", item->document.id),
               mu_log_integer("rows", (int64_t)n_rows));
    } else {
        mu_log(logger, code == MU_E_CANCELLED ? MU_LOG_INFO : MU_LOG_WARNING, "export_failed",
               mu_log_text("job", item->document.id), mu_log_text("why", mu_str_from(err->text)));
    }
    return code;
}

static mu_code run_job(const step *s, mu_err *err)
{
    const mu_shelf_item *item = NULL;
    mu_err why;
    mu_code code = begin(s, &item, err);
    if (code == MU_E_CONFLICT || code == MU_E_NOT_FOUND)
        return MU_OK;
    MU_TRY(code);
    if (is_cancelling(s, item)) {
        code = MU_E_CANCELLED;
        why = cancelled;
    } else {
        code = run_item(s, item, &why);
    }
    mu_shelf_item_release(item);
    if (code == MU_OK || __atomic_load_n(s->exports->is_stopping, __ATOMIC_RELAXED))
        return MU_OK; /* what was stopped is taken up again */
    return fail_job(s, &why, err);
}

/* -------- the thread: which job -------- */

/* The oldest that is open, held; NULL when there is none. */
static mu_code oldest_open(mu_workspace *workspace, const mu_shelf_item **out, mu_err *err)
{
    const mu_shelf *shelf;
    *out = NULL;
    MU_TRY(mu_shelf_acquire(workspace->shelves, MU_EXPORT_JOB_KIND, &shelf, err));
    for (uint32_t i = 0; i < shelf->n && *out == NULL; i++)
        if (is_open(&shelf->items[i]->json))
            *out = mu_shelf_item_hold(shelf->items[i]);
    mu_shelf_release(shelf);
    return MU_OK;
}

/* One step of a workspace's oldest job. *wait_ms: 0 when something was done, else when to look
 * again. */
static mu_code work_on(mu_exports *exports, mu_workspace *workspace, mu_arena *arena,
                       const mu_shelf_item *item, uint32_t *wait_ms, mu_err *err)
{
    step s = {.exports = exports, .workspace = workspace, .item = item, .arena = arena};
    mu_err why;
    readiness state = READY;
    mu_export_plan_read(arena, &item->json, &s.plan);
    *wait_ms = 0;
    mu_code code = prepare(&s, &state, &why);
    if (code == MU_E_INPUT || code == MU_E_NOT_FOUND)
        return fail_job(&s, &why, err);
    if (code != MU_OK)
        return mu_fail(err, code, "%s", why.text);
    if (state == WAITING) {
        *wait_ms = SEGMENT_MS;
        return MU_OK;
    }
    set_running(exports, workspace, item->document.id);
    code = run_job(&s, err);
    set_running(exports, NULL, MU_STR(""));
    return code;
}

/* Each workspace gets its turn, so that one that waits holds up nobody. */
static uint32_t visit_all(mu_exports *exports)
{
    uint32_t soonest_ms = MU_RUNNER_IDLE;
    for (mu_workspace *w = mu_workspaces_next(exports->options.workspaces, NULL); w != NULL;
         w = mu_workspaces_next(exports->options.workspaces, w)) {
        const mu_shelf_item *item = NULL;
        mu_arena arena;
        mu_err err;
        uint32_t wait_ms = MU_RUNNER_IDLE;
        if (__atomic_load_n(exports->is_stopping, __ATOMIC_RELAXED))
            return 0;
        mu_arena_init(&arena, SIZE_MAX);
        mu_code code = oldest_open(w, &item, &err);
        if (code == MU_OK && item != NULL) {
            code = work_on(exports, w, &arena, item, &wait_ms, &err);
            mu_shelf_item_release(item);
        }
        mu_arena_free(&arena);
        if (code != MU_OK) {
            mu_log(w->options->logger, MU_LOG_ERROR, "export_postponed",
                   mu_log_text("why", mu_str_from(err.text)));
            wait_ms = RETRY_MS;
        }
        soonest_ms = wait_ms < soonest_ms ? wait_ms : soonest_ms;
    }
    return soonest_ms;
}

/* -------- the thread: jobs that were kept long enough -------- */

/* Their batches stay. */
static mu_code prune(mu_workspace *workspace, mu_err *err)
{
    mu_document_edit edits[PRUNE_MAX];
    const mu_shelf *shelf;
    uint32_t n = 0;
    int64_t now_ms = mu_workspace_now_ms(workspace);
    int64_t oldest_ms = now_ms - workspace->options->settings.exports_keep_days * MU_DAY_MS;
    MU_TRY(mu_shelf_acquire(workspace->shelves, MU_EXPORT_JOB_KIND, &shelf, err));
    for (uint32_t i = 0; i < shelf->n && n < PRUNE_MAX; i++) {
        const mu_shelf_item *item = shelf->items[i];
        if (item->document.created_ms >= oldest_ms)
            break;
        if (!is_open(&item->json))
            edits[n++] = (mu_document_edit){
                .action = MU_DOCUMENT_REMOVE, .kind = MU_EXPORT_JOB_KIND, .id = item->document.id};
    }
    mu_code code = n == 0 ? MU_OK : mu_shelves_edit(workspace->shelves, now_ms, n, edits, err);
    mu_shelf_release(shelf);
    return code == MU_E_NOT_FOUND ? MU_OK : code; /* a client was faster */
}

static void prune_when_due(mu_exports *exports)
{
    int64_t now_ms = mu_monotonic_ns() / 1000000;
    mu_err err;
    if (now_ms < exports->next_prune_ms)
        return;
    exports->next_prune_ms = now_ms + PRUNE_EVERY_MS;
    for (mu_workspace *w = mu_workspaces_next(exports->options.workspaces, NULL); w != NULL;
         w = mu_workspaces_next(exports->options.workspaces, w))
        if (prune(w, &err) != MU_OK)
            mu_log(w->options->logger, MU_LOG_WARNING, "exports_not_pruned",
                   mu_log_text("why", mu_str_from(err.text)));
}

static uint32_t run_step(void *context, const bool *is_stopping)
{
    mu_exports *exports = context;
    exports->is_stopping = is_stopping;
    prune_when_due(exports);
    pthread_mutex_lock(&exports->lock);
    uint64_t n_wanted = exports->n_wanted;
    pthread_mutex_unlock(&exports->lock);
    uint32_t wait_ms = visit_all(exports);
    if (wait_ms == MU_RUNNER_IDLE) {
        pthread_mutex_lock(&exports->lock);
        exports->n_seen = n_wanted;
        pthread_cond_broadcast(&exports->changed);
        pthread_mutex_unlock(&exports->lock);
    }
    return wait_ms < PRUNE_EVERY_MS ? wait_ms : PRUNE_EVERY_MS;
}

void mu_exports_wait_idle(mu_exports *exports)
{
    pthread_mutex_lock(&exports->lock);
    while (exports->n_seen != exports->n_wanted)
        pthread_cond_wait(&exports->changed, &exports->lock);
    pthread_mutex_unlock(&exports->lock);
}

/* -------- opening and closing -------- */

mu_code mu_exports_new(const mu_exports_options *options, mu_exports **out, mu_err *err)
{
    mu_exports *exports = calloc(1, sizeof *exports);
    char *library = exports == NULL ? NULL : malloc(options->duckdb_library.len + 1);
    if (library == NULL) {
        free(exports);
        return mu_fail(err, MU_E_NOMEM, "no memory for exports");
    }
    if (options->duckdb_library.len > 0)
        memcpy(library, options->duckdb_library.ptr, options->duckdb_library.len);
    library[options->duckdb_library.len] = '\0';
    exports->options = *options;
    exports->duckdb_library = (mu_str){library, options->duckdb_library.len};
    exports->n_wanted = 1;
    pthread_mutex_init(&exports->create_lock, NULL);
    pthread_mutex_init(&exports->lock, NULL);
    pthread_cond_init(&exports->changed, NULL);
    for (mu_workspace *w = mu_workspaces_next(options->workspaces, NULL); w != NULL;
         w = mu_workspaces_next(options->workspaces, w))
        mu_export_files_tidy(w);
    mu_code code = mu_runner_start("exports", run_step, exports, &exports->runner, err);
    if (code != MU_OK)
        mu_exports_free(exports);
    else
        *out = exports;
    return code;
}

void mu_exports_free(mu_exports *exports)
{
    if (exports == NULL)
        return;
    mu_runner_stop(exports->runner);
    pthread_cond_destroy(&exports->changed);
    pthread_mutex_destroy(&exports->lock);
    pthread_mutex_destroy(&exports->create_lock);
    free((char *)exports->duckdb_library.ptr);
    free(exports);
}
