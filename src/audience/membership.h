/* membership.h -- who is in which audience, since when, and who left: of one sandbox
 * (profile.md f.4, api.md A45).
 *
 * Of each audience there are its members, split by the instant they entered, and those that left,
 * split by the instant they left: each profile is in one of these at most, so a transition of a
 * whole batch costs one instant. Who left more than 30 days ago is forgotten.
 *
 *   commit: what changed, as one file of bitmaps, synced ─> one catalog transaction with the
 *           caller's edits (the job that succeeded) ─> published
 *   open:   the files of the manifest, in order; now and then they are written anew as one
 *
 * The manifest are documents of kind "membershipFile"; the files are DIR/membership/PLACE/N.
 */
#ifndef MU_AUDIENCE_MEMBERSHIP_H
#define MU_AUDIENCE_MEMBERSHIP_H

#include "audience/pid_set.h"
#include "catalog/shelf.h"
#include "live/live.h"

#define MU_EXITED_KEPT_MS ((int64_t)30 * 86400 * 1000)

typedef struct mu_memberships mu_memberships;

/* `folder`: the data folder; `shelves` must outlive it. Files that no manifest names are removed.
 */
MU_CHECKED mu_code mu_memberships_open(const char *folder, mu_str place, mu_shelves *shelves,
                                       mu_memberships **out, mu_err *err);
void mu_memberships_close(mu_memberships *memberships);

/* -------- reading: a state is immutable and held; any thread -------- */

typedef struct mu_membership_run {
    int64_t at_ms;
    const mu_pid_set *pids;
} mu_membership_run;

typedef struct mu_membership { /* of one audience */
    mu_str audience_id;
    const mu_pid_set *members;
    uint32_t n_realized, n_exited;
    const mu_membership_run *realized, *exited; /* ascending instants; disjoint */
    int64_t expires_ms;   /* after it nobody is a member any more; 0: never (external audiences) */
    int64_t evaluated_ms; /* the instant of the last commit that gave this audience's members */
} mu_membership;

typedef struct mu_membership_state {
    uint32_t n;
    const mu_membership *const *audiences; /* by id */
} mu_membership_state;

const mu_membership_state *mu_memberships_acquire(mu_memberships *memberships);
void mu_membership_state_release(const mu_membership_state *state);

/* NULL: nobody ever was a member. */
const mu_membership *mu_membership_find(const mu_membership_state *state, mu_str audience_id);

/* What is known of one profile in one audience; false when nothing is, or it left too long ago, or
 * the audience expired. */
typedef struct mu_membership_item {
    bool is_member; /* else it left */
    int64_t since_ms;
} mu_membership_item;
bool mu_membership_get(const mu_membership *membership, uint32_t pid, int64_t now_ms,
                       mu_membership_item *out);

/* Members now: 0 once it expired. */
uint64_t mu_membership_count(const mu_membership *membership, int64_t now_ms);

/* -------- changing -------- */

typedef enum mu_membership_action {
    MU_MEMBERSHIP_SET,    /* `members` are all members: others leave */
    MU_MEMBERSHIP_ADD,    /* `members` are members too */
    MU_MEMBERSHIP_EXPIRE, /* only expires_ms changes */
    MU_MEMBERSHIP_REMOVE  /* the audience was deleted: forgotten, nobody leaves */
} mu_membership_action;

typedef struct mu_membership_change {
    mu_membership_action action;
    mu_str audience_id;
    const mu_pid_set *members; /* SET, ADD; borrowed */
    int64_t expires_ms;        /* SET, ADD, EXPIRE */
} mu_membership_change;

typedef struct mu_membership_counts {                /* of one change, for metrics */
    uint64_t n_members, n_entered, n_left, n_exited; /* n_exited: that left within 30 days */
} mu_membership_counts;

/* All changes as of now_ms, and `edits`, which are made in the same transaction; or nothing at all.
 * `alive` (NULL: everybody): profiles that exist; others are dropped from the audiences that change
 * and do not leave. `counts` (NULL allowed) receives n_changes items. One at a time per sandbox;
 * others wait. */
typedef struct mu_membership_commit {
    int64_t now_ms;
    uint32_t n_changes;
    const mu_membership_change *changes;
    const mu_pid_set *alive;
    uint32_t n_edits;
    const mu_document_edit *edits;
    /* NULL, or makes the edits instead, once what changes is known: `counts` of all changes. What
     * it gives lives until the commit returns. */
    mu_code (*make_edits)(void *context, const mu_membership_counts *counts, uint32_t *n_edits,
                          const mu_document_edit **edits, mu_err *err);
    void *context;
    /* Before the changes: what is known of `from` is known of `to` from now on, of both the newer,
     * and on a tie the one that is a member (profile.md c.4.6). In all audiences. */
    uint32_t n_merges;
    const mu_pid_merge *merges;
} mu_membership_commit;
MU_CHECKED mu_code mu_memberships_commit(mu_memberships *memberships,
                                         const mu_membership_commit *commit,
                                         mu_membership_counts *counts, mu_err *err);

/* -------- checking: for `muster verify` -------- */

MU_CHECKED mu_code mu_memberships_verify(const char *folder,
                                         void (*problem)(void *context, mu_str sentence),
                                         void *context, mu_err *err);

#endif
