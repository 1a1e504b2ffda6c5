#include "audience/workspace.h"

#include "audience/audience.h"

#include "base/thread.h"

#include <pthread.h>
#include <stdlib.h>

struct mu_workspaces {
    mu_workspaces_options options;
    mu_arena arena;       /* guarded by `lock` */
    pthread_mutex_t lock; /* held while one is opened */
    mu_workspace *first;  /* in the order they were opened; links are written under the lock */
};

mu_code mu_workspaces_new(const mu_workspaces_options *options, mu_workspaces **out, mu_err *err)
{
    mu_workspaces *workspaces = calloc(1, sizeof *workspaces);
    if (workspaces == NULL)
        return mu_fail(err, MU_E_NOMEM, "no memory for workspaces");
    workspaces->options = *options;
    if (workspaces->options.n_threads == 0)
        workspaces->options.n_threads = mu_cpu_count();
    mu_arena_init(&workspaces->arena, SIZE_MAX);
    pthread_mutex_init(&workspaces->lock, NULL);
    *out = workspaces;
    return MU_OK;
}

static void close_one(mu_workspace *workspace)
{
    mu_audience_books_free(workspace->books);
    mu_memberships_close(workspace->memberships);
    mu_views_free(workspace->views);
    mu_shelves_free(workspace->shelves);
}

void mu_workspaces_free(mu_workspaces *workspaces)
{
    if (workspaces == NULL)
        return;
    for (mu_workspace *at = workspaces->first; at != NULL; at = at->next)
        close_one(at);
    pthread_mutex_destroy(&workspaces->lock);
    mu_arena_free(&workspaces->arena);
    free(workspaces);
}

/* -------- opening -------- */

static mu_code open_one(mu_workspaces *workspaces, mu_workspace *workspace, mu_err *err)
{
    mu_documents *documents = workspaces->options.documents;
    MU_TRY(mu_shelves_new(documents, workspace->place, &workspace->shelves, err));
    MU_TRY(mu_memberships_open(mu_live_folder(workspaces->options.live), workspace->place,
                               workspace->shelves, &workspace->memberships, err));
    MU_TRY(mu_views_new(&workspace->views, err));
    return mu_audience_books_new(workspace->shelves, &workspace->books, err);
}

static mu_code find_or_open(mu_workspaces *workspaces, mu_str place, mu_sandbox *live,
                            mu_workspace **out, mu_err *err)
{
    mu_workspace **at = &workspaces->first;
    for (; *at != NULL; at = &(*at)->next) {
        if (mu_str_equal((*at)->place, place)) {
            *out = *at;
            return MU_OK;
        }
    }
    mu_workspace *made = MU_NEW(&workspaces->arena, mu_workspace);
    *made = (mu_workspace){.options = &workspaces->options,
                           .place = mu_arena_copy(&workspaces->arena, place),
                           .live = live};
    mu_code code = open_one(workspaces, made, err);
    if (code != MU_OK) {
        close_one(made);
        return code;
    }
    *at = *out = made;
    return MU_OK;
}

mu_code mu_workspaces_get(mu_workspaces *workspaces, mu_str place, mu_sandbox *live,
                          mu_workspace **out, mu_err *err)
{
    pthread_mutex_lock(&workspaces->lock);
    mu_code code = find_or_open(workspaces, place, live, out, err);
    pthread_mutex_unlock(&workspaces->lock);
    return code;
}

mu_workspace *mu_workspaces_next(mu_workspaces *workspaces, mu_workspace *after)
{
    pthread_mutex_lock(&workspaces->lock);
    mu_workspace *next = after == NULL ? workspaces->first : after->next;
    pthread_mutex_unlock(&workspaces->lock);
    return next;
}

/* -------- profiles -------- */

mu_code mu_workspace_policy(const mu_workspace *workspace, mu_arena *arena, mu_str id,
                            mu_str schema_name, mu_stored_policy *out, mu_err *err)
{
    return mu_stored_policy_find(workspace->options->documents, arena, workspace->place, id,
                                 schema_name, out, err);
}

mu_code mu_workspace_snapshot(mu_workspace *workspace, const mu_merge_policy *policy,
                              mu_snapshot **out, mu_err *err)
{
    mu_snapshot *base;
    MU_TRY(mu_sandbox_snapshot(workspace->live, &base, err));
    mu_code code = mu_views_snapshot(workspace->views, base, policy, out, err);
    mu_snapshot_release(base);
    return code;
}

mu_code mu_workspace_take_merges(mu_workspace *workspace, mu_err *err)
{
    mu_arena arena;
    const mu_pid_merge *merges;
    mu_arena_init(&arena, SIZE_MAX);
    uint32_t n = mu_sandbox_merges(workspace->live, &arena, &merges);
    const mu_membership_commit commit = {
        .now_ms = mu_workspace_now_ms(workspace), .n_merges = n, .merges = merges};
    mu_code code =
        n == 0 ? MU_OK : mu_memberships_commit(workspace->memberships, &commit, NULL, err);
    if (code == MU_OK)
        mu_sandbox_forget_merges(workspace->live, n, merges);
    mu_arena_free(&arena);
    return code;
}
