/* view.h -- a snapshot's profiles under a merge policy other than the one that rows are stored by.
 *
 * Rows are profiles under the base policy (pdg, timestamp ordered). A view is the same snapshot,
 * in which other rows in memory stand for those that differ under the policy (design.md 3), so that
 * whatever reads snapshots evaluates it: mu_job, the reference evaluator. Its rows have no system
 * fields; they are for evaluation, not for look-up.
 *
 * Under `none` every identity is a profile of its own, by its row's primary identity. The one that
 * stands for its cluster keeps the cluster's pid; the others have pids that hold in this view
 * alone.
 */
#ifndef MU_LIVE_VIEW_H
#define MU_LIVE_VIEW_H

#include "profile/content.h"

/* `base` itself, held, when all its rows are the policy's already. Release *out. */
MU_CHECKED mu_code mu_view_make(mu_snapshot *base, const mu_merge_policy *policy, mu_snapshot **out,
                                mu_err *err);

/* Views made before, of one snapshot at a time, which it holds. Any thread; who asks for a view
 * that somebody else just makes waits for it. */
typedef struct mu_views mu_views;
MU_CHECKED mu_code mu_views_new(mu_views **out, mu_err *err);
void mu_views_free(mu_views *views);

/* As mu_view_make. */
MU_CHECKED mu_code mu_views_snapshot(mu_views *views, mu_snapshot *base,
                                     const mu_merge_policy *policy, mu_snapshot **out, mu_err *err);

/* Lets go of everything: for a sandbox that nobody asks about any more. */
void mu_views_clear(mu_views *views);

#endif
