#include "audience/external_int.h"
#include "audience/removal.h"

#include "base/file.h"
#include "base/runner.h"
#include "ingest/file_name.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define RETRY_MS 1000 /* after something failed that may pass: the disk is full */

struct mu_externals {
    mu_workspaces *workspaces;
    mu_runner *runner;
    pthread_mutex_t lock; /* mu_externals_lock */
    bool is_idle;         /* nothing was found to do at the last look; atomic */
};

static mu_str text_of(const mu_json *json, const char *name)
{
    return mu_json_member_string(json, mu_str_from(name), MU_STR(""));
}

mu_str mu_external_landing(mu_arena *arena, const mu_workspace *workspace)
{
    mu_str root = workspace->options->landing_folder;
    mu_str path = root.len > 0 ? mu_arena_copy(arena, root)
                               : mu_arena_format(arena, "%s/landing",
                                                 mu_live_folder(workspace->options->live));
    for (mu_str rest = workspace->place; rest.len > 0;) {
        const char *slash = memchr(rest.ptr, '/', rest.len);
        size_t len = slash == NULL ? rest.len : (size_t)(slash - rest.ptr);
        path = mu_path_joined(arena, path, mu_file_name(arena, (mu_str){rest.ptr, len}));
        len += slash != NULL;
        rest = (mu_str){rest.ptr + len, rest.len - len};
    }
    return path;
}

/* -------- operations: an audience is made -------- */

/* The audience as books know it (api.md 8.1). */
mu_json mu_external_audience_json(mu_arena *arena, mu_str id, const mu_json *request, mu_str user,
                                  mu_str dataset, int64_t now_ms)
{
    static const char *const kept[] = {"name",   "description", "namespace", "originName",
                                       "labels", "tags",        "ttlInDays"};
    mu_json author = mu_json_of_string(user);
    mu_json out = MU_JSON_OBJECT_OF(
        arena, {MU_STR("id"), mu_json_of_string(id)},
        {MU_STR("audienceId"),
         mu_json_of_string(mu_json_member_string(request, MU_STR("customAudienceId"), id))},
        {MU_STR("type"), mu_json_of_string(MU_STR("ExternalSegment"))},
        {MU_STR("lifecycleState"), mu_json_of_string(MU_STR("published"))},
        {MU_STR("dependencies"), mu_json_strings(arena, 0, NULL)},
        {MU_STR("isSystem"), mu_json_of_boolean(false)},
        {MU_STR("saveSegmentMembership"), mu_json_of_boolean(true)}, {MU_STR("createdBy"), author},
        {MU_STR("lastModifiedBy"), author}, {MU_STR("creationTime"), mu_json_of_integer(now_ms)},
        {MU_STR("createEpoch"), mu_json_of_integer(now_ms / 1000)},
        {MU_STR("updateTime"), mu_json_of_integer(now_ms)},
        {MU_STR("updateEpoch"), mu_json_of_integer(now_ms / 1000)});
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        const mu_json *value = mu_json_get(request, mu_str_from(kept[i]));
        if (value != NULL)
            mu_json_set(arena, &out, mu_str_from(kept[i]), *value);
    }
    if (dataset.len > 0)
        mu_json_set(arena, &out, MU_STR("datasetId"), mu_json_of_string(dataset));
    return out;
}

static mu_json external_json(mu_arena *arena, const mu_json *operation)
{
    const mu_json *request = mu_json_get(operation, MU_STR("operationDetails"));
    mu_json out = MU_JSON_OBJECT_OF(arena, {MU_STR("request"), *request});
    static const char *const kept[] = {"createdBy", "createdAt", "updatedBy", "updatedAt",
                                       "$datasetId"};
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        mu_json_set(arena, &out, mu_str_from(kept[i]),
                    *mu_json_get(operation, mu_str_from(kept[i])));
    return out;
}

static mu_json ended(mu_arena *arena, const mu_workspace *workspace, const mu_json *operation,
                     const mu_err *failure)
{
    mu_json out = *operation;
    mu_json_set(arena, &out, MU_STR("status"),
                mu_json_of_string(failure == NULL ? MU_STR("SUCCESS") : MU_STR("FAILED")));
    mu_json_set(arena, &out, MU_STR("updatedAt"),
                mu_json_of_integer(mu_workspace_now_ms(workspace) / 1000));
    if (failure == NULL)
        mu_json_set(arena, &out, MU_STR("audienceId"),
                    mu_json_of_string(text_of(operation, "$audienceId")));
    else
        mu_json_set(arena, &out, MU_STR("error"),
                    MU_JSON_OBJECT_OF(
                        arena, {MU_STR("code"), mu_json_of_string(MU_STR("100950-409"))},
                        {MU_STR("message"),
                         mu_json_of_string(mu_arena_copy(arena, mu_str_from(failure->text)))}));
    return out;
}

/* Somebody made an audience with the same id in the same namespace since the request came. */
static mu_code check_free(mu_workspace *workspace, const mu_json *operation, mu_err *err)
{
    const mu_audience_book *book;
    const mu_json *request = mu_json_get(operation, MU_STR("operationDetails"));
    mu_str id = text_of(request, "customAudienceId");
    if (id.len == 0)
        return MU_OK;
    MU_TRY(mu_audience_book_acquire(workspace->books, &book, err));
    bool taken = mu_audience_find_external(book, text_of(request, "namespace"), id) != NULL;
    mu_audience_book_release(book);
    return taken ? mu_fail(err, MU_E_CONFLICT,
                           "there is an audience with this customAudienceId in its namespace")
                 : MU_OK;
}

static mu_code add_edit(mu_arena *arena, const mu_json *json, mu_document_edit *edit, mu_err *err)
{
    return mu_json_text(arena, json, &edit->json, err);
}

static mu_code write_operation(mu_workspace *workspace, mu_arena *arena,
                               const mu_shelf_item *operation, const mu_err *failure, mu_err *err)
{
    int64_t now_ms = mu_workspace_now_ms(workspace);
    const mu_json *json = &operation->json;
    const mu_author author = {text_of(json, "createdBy"), text_of(json, "$requestId")};
    mu_str id = text_of(json, "$audienceId");
    mu_json done = ended(arena, workspace, json, failure);
    mu_document_edit edits[3] = {
        {.action = MU_DOCUMENT_REPLACE,
         .kind = MU_EXTERNAL_OPERATION_KIND,
         .id = operation->document.id,
         .version_before = operation->document.version},
        {.action = MU_DOCUMENT_ADD, .kind = MU_AUDIENCE_KIND, .id = id, .author = &author},
        {.action = MU_DOCUMENT_ADD,
         .kind = MU_EXTERNAL_AUDIENCE_KIND,
         .id = id,
         .author = &author}};
    MU_TRY(add_edit(arena, &done, &edits[0], err));
    if (failure != NULL)
        return mu_shelves_edit(workspace->shelves, now_ms, 1, edits, err);
    mu_json audience =
        mu_external_audience_json(arena, id, mu_json_get(json, MU_STR("operationDetails")),
                                  text_of(json, "createdBy"), text_of(json, "$datasetId"), now_ms);
    mu_json external = external_json(arena, json);
    MU_TRY(add_edit(arena, &audience, &edits[1], err));
    MU_TRY(add_edit(arena, &external, &edits[2], err));
    return mu_shelves_edit(workspace->shelves, now_ms, 3, edits, err);
}

static mu_code carry_out_operation(mu_externals *externals, mu_workspace *workspace,
                                   const mu_shelf_item *operation, mu_err *err)
{
    mu_arena arena;
    mu_err failure;
    mu_arena_init(&arena, SIZE_MAX);
    pthread_mutex_lock(&externals->lock);
    mu_audience_books_lock(workspace->books);
    mu_code code = mu_make_directories(mu_external_landing(&arena, workspace).ptr, err);
    if (code == MU_OK) {
        mu_code free = check_free(workspace, &operation->json, &failure);
        if (free != MU_OK && free != MU_E_CONFLICT)
            code = mu_fail(err, free, "%s", failure.text);
        else
            code =
                write_operation(workspace, &arena, operation, free == MU_OK ? NULL : &failure, err);
    }
    mu_audience_books_unlock(workspace->books);
    pthread_mutex_unlock(&externals->lock);
    mu_arena_free(&arena);
    return code;
}

/* -------- the runner -------- */

/* The oldest one that is under way, held; NULL: none. */
static mu_code find_work(mu_workspace *workspace, mu_str kind, const mu_shelf_item **out,
                         mu_err *err)
{
    const mu_shelf *shelf;
    *out = NULL;
    MU_TRY(mu_shelf_acquire(workspace->shelves, kind, &shelf, err));
    for (uint32_t i = 0; *out == NULL && i < shelf->n; i++)
        if (mu_str_equal(text_of(&shelf->items[i]->json, "status"), MU_STR("PROCESSING")))
            *out = mu_shelf_item_hold(shelf->items[i]);
    mu_shelf_release(shelf);
    return MU_OK;
}

/* One piece of work of one sandbox. */
static mu_code work_on(mu_externals *externals, mu_workspace *workspace, const bool *is_stopping,
                       bool *found, mu_err *err)
{
    const mu_shelf_item *item;
    MU_TRY(find_work(workspace, MU_EXTERNAL_OPERATION_KIND, &item, err));
    *found = item != NULL;
    if (item != NULL) {
        mu_code code = carry_out_operation(externals, workspace, item, err);
        mu_shelf_item_release(item);
        return code;
    }
    MU_TRY(find_work(workspace, MU_EXTERNAL_RUN_KIND, &item, err));
    *found = item != NULL;
    if (item == NULL)
        return MU_OK;
    mu_code code = mu_external_run(externals, workspace, item, is_stopping, err);
    mu_shelf_item_release(item);
    return code;
}

static void complain(const mu_workspace *workspace, const mu_err *err)
{
    if (workspace->options->logger != NULL)
        mu_log(workspace->options->logger, MU_LOG_ERROR, "external_audience_failed",
               mu_log_text("error", mu_str_from(err->text)));
}

static uint32_t step(void *context, const bool *is_stopping)
{
    mu_externals *externals = context;
    mu_workspace *workspace = NULL;
    uint32_t wait_ms = MU_RUNNER_IDLE;
    __atomic_store_n(&externals->is_idle, false, __ATOMIC_RELAXED);
    while ((workspace = mu_workspaces_next(externals->workspaces, workspace)) != NULL &&
           !__atomic_load_n(is_stopping, __ATOMIC_RELAXED)) {
        bool found;
        mu_err err;
        mu_code code = work_on(externals, workspace, is_stopping, &found, &err);
        if (code == MU_OK && found)
            wait_ms = 0;
        if (code == MU_OK || code == MU_E_CANCELLED)
            continue;
        complain(workspace, &err);
        wait_ms = wait_ms == 0 ? 0 : RETRY_MS;
    }
    __atomic_store_n(&externals->is_idle, wait_ms == MU_RUNNER_IDLE, __ATOMIC_RELEASE);
    return wait_ms;
}

mu_code mu_externals_new(mu_workspaces *workspaces, mu_externals **out, mu_err *err)
{
    mu_externals *externals = calloc(1, sizeof *externals);
    if (externals == NULL)
        return mu_fail(err, MU_E_NOMEM, "no memory for external audiences");
    externals->workspaces = workspaces;
    pthread_mutex_init(&externals->lock, NULL);
    mu_code code = mu_runner_start("externals", step, externals, &externals->runner, err);
    if (code != MU_OK) {
        mu_externals_free(externals);
        return code;
    }
    *out = externals;
    return MU_OK;
}

void mu_externals_free(mu_externals *externals)
{
    if (externals == NULL)
        return;
    mu_runner_stop(externals->runner);
    pthread_mutex_destroy(&externals->lock);
    free(externals);
}

void mu_externals_wake(mu_externals *externals)
{
    __atomic_store_n(&externals->is_idle, false, __ATOMIC_RELAXED);
    mu_runner_wake(externals->runner);
}

void mu_externals_lock(mu_externals *externals)
{
    pthread_mutex_lock(&externals->lock);
}

void mu_externals_unlock(mu_externals *externals)
{
    pthread_mutex_unlock(&externals->lock);
}

/* -------- removing -------- */

/* Edits that remove what one audience has of a kind. */
static mu_code add_removals(mu_workspace *workspace, mu_edit_list *list, mu_str kind, mu_str id,
                            const mu_author *author, mu_err *err)
{
    const mu_shelf *shelf;
    MU_TRY(mu_shelf_acquire(workspace->shelves, kind, &shelf, err));
    for (uint32_t i = 0; i < shelf->n; i++) {
        const mu_shelf_item *item = shelf->items[i];
        mu_str of = text_of(&item->json, "audienceId");
        const mu_document_edit edit = {.action = MU_DOCUMENT_REMOVE,
                                       .kind = kind,
                                       .id = mu_arena_copy(list->arena, item->document.id),
                                       .json = MU_STR(""),
                                       .author = author};
        if (mu_str_equal(of, id) || mu_str_equal(text_of(&item->json, "$audienceId"), id) ||
            mu_str_equal(item->document.id, id))
            mu_edit_list_add(list, &edit);
    }
    mu_shelf_release(shelf);
    return MU_OK;
}

/* *version: 0 for whatever it is; then that of the document. */
static mu_code check_removable(mu_workspace *workspace, mu_str id, uint64_t *version, mu_err *err)
{
    const mu_audience_book *book;
    MU_TRY(mu_audience_book_acquire(workspace->books, &book, err));
    const mu_audience *found = mu_audience_find(book, id);
    uint64_t present = found == NULL ? 0 : found->item->document.version;
    mu_code code = MU_OK;
    if (found == NULL || !found->is_external)
        code = mu_fail(err, MU_E_NOT_FOUND, "there is no external audience " MU_STR_FMT,
                       MU_STR_ARG(id));
    else if (found->n_dependents > 0)
        code = mu_fail(err, MU_E_CONFLICT, "the audience " MU_STR_FMT " refers to it",
                       MU_STR_ARG(found->dependents[0]->id));
    else if (*version != 0 && *version != present)
        code = mu_fail(err, MU_E_CONFLICT, "somebody else has just changed the audience");
    *version = present;
    mu_audience_book_release(book);
    return code;
}

static mu_code remove_all(mu_workspace *workspace, mu_arena *arena, mu_str id, uint64_t version,
                          const mu_author *author, mu_err *err)
{
    static const char *const others[] = {"externalAudience", "externalRun", "externalOperation"};
    mu_edit_list list = {.arena = arena};
    const mu_document_edit own = {.action = MU_DOCUMENT_REMOVE,
                                  .kind = MU_AUDIENCE_KIND,
                                  .id = id,
                                  .json = MU_STR(""),
                                  .author = author};
    MU_TRY(check_removable(workspace, id, &version, err));
    mu_edit_list_add(&list, &own);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        MU_TRY(add_removals(workspace, &list, mu_str_from(others[i]), id, i == 0 ? author : NULL,
                            err));
    MU_TRY(mu_audience_removal(workspace, &list, id, version, author, err));
    const mu_membership_change change = {.action = MU_MEMBERSHIP_REMOVE, .audience_id = id};
    const mu_membership_commit commit = {.now_ms = mu_workspace_now_ms(workspace),
                                         .n_changes = 1,
                                         .changes = &change,
                                         .n_edits = list.n,
                                         .edits = list.items};
    return mu_memberships_commit(workspace->memberships, &commit, NULL, err);
}

mu_code mu_externals_remove(mu_externals *externals, mu_workspace *workspace, mu_str id,
                            uint64_t version, const mu_author *author, mu_err *err)
{
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    pthread_mutex_lock(&externals->lock);
    mu_audience_books_lock(workspace->books);
    mu_code code = remove_all(workspace, &arena, id, version, author, err);
    mu_audience_books_unlock(workspace->books);
    pthread_mutex_unlock(&externals->lock);
    mu_arena_free(&arena);
    return code;
}

void mu_externals_wait_idle(mu_externals *externals)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    while (!__atomic_load_n(&externals->is_idle, __ATOMIC_ACQUIRE))
        nanosleep(&pause, NULL);
}
