/* workspace.h -- a sandbox as audience/ and export/ see it: its profiles, its documents on shelves,
 * its memberships.
 */
#ifndef MU_AUDIENCE_WORKSPACE_H
#define MU_AUDIENCE_WORKSPACE_H

#include "audience/membership.h"
#include "audience/settings.h"
#include "live/live.h"
#include "live/view.h"
#include "profile/policies.h"

typedef struct mu_workspaces mu_workspaces;
typedef struct mu_audience_books mu_audience_books; /* audience.h */

typedef struct mu_workspaces_options {
    mu_live *live;
    mu_documents *documents;
    mu_audience_settings settings;
    unsigned n_threads;      /* of one evaluation; 0: one per processor */
    mu_str landing_folder;   /* of external audiences; empty: "landing" in the data folder */
    int64_t (*now_ms)(void); /* never NULL */
    const mu_logger *logger; /* NULL: none */
    mu_metrics *metrics;
} mu_workspaces_options;

/* Everything in it is immutable but what its own header says. Any thread. */
typedef struct mu_workspace {
    const mu_workspaces_options *options;
    mu_str place; /* of documents, as the store names the sandbox; NUL-terminated */
    mu_sandbox *live;
    mu_shelves *shelves;
    mu_memberships *memberships;
    mu_views *views;
    mu_audience_books *books;
    struct mu_workspace *next; /* private */
} mu_workspace;

MU_CHECKED mu_code mu_workspaces_new(const mu_workspaces_options *options, mu_workspaces **out,
                                     mu_err *err);
/* After everything that uses a workspace has stopped. */
void mu_workspaces_free(mu_workspaces *workspaces);

/* The workspace of a sandbox, opened at the first call; lives as long as `workspaces`. */
MU_CHECKED mu_code mu_workspaces_get(mu_workspaces *workspaces, mu_str place, mu_sandbox *live,
                                     mu_workspace **out, mu_err *err);

/* The one after `after` (NULL: the first), NULL at the end. */
mu_workspace *mu_workspaces_next(mu_workspaces *workspaces, mu_workspace *after);

static inline int64_t mu_workspace_now_ms(const mu_workspace *workspace)
{
    return workspace->options->now_ms();
}

/* Of the sandbox: mu_stored_policy_find. */
MU_CHECKED mu_code mu_workspace_policy(const mu_workspace *workspace, mu_arena *arena, mu_str id,
                                       mu_str schema_name, mu_stored_policy *out, mu_err *err);

/* Stored memberships take over what is known of pids that were merged into others (profile.md b.6,
 * c.4.6). Done now and then, and before a job. */
MU_CHECKED mu_code mu_workspace_take_merges(mu_workspace *workspace, mu_err *err);

/* All profiles now, under a policy. Release *out. */
MU_CHECKED mu_code mu_workspace_snapshot(mu_workspace *workspace, const mu_merge_policy *policy,
                                         mu_snapshot **out, mu_err *err);

#endif
