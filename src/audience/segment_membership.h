/* segment_membership.h -- segmentMembership of a profile as look-ups and exports show it: what this
 * service knows, together with what was ingested (profile.md a.7, c.4.6, f.4).
 *
 * Audiences of this service are under `ups`, external ones under their namespace, each by its id
 * there (an external audience's audienceId).
 */
#ifndef MU_AUDIENCE_SEGMENT_MEMBERSHIP_H
#define MU_AUDIENCE_SEGMENT_MEMBERSHIP_H

#include "audience/audience.h"
#include "json/edit.h"

/* Memberships and audiences of one moment; immutable, any thread. */
typedef struct mu_segment_view mu_segment_view;

MU_CHECKED mu_code mu_segment_view_acquire(mu_workspace *workspace, int64_t now_ms,
                                           mu_segment_view **out, mu_err *err);
/* NULL allowed. */
void mu_segment_view_release(mu_segment_view *view);

typedef enum mu_segment_status {
    MU_SEGMENT_REALIZED,
    MU_SEGMENT_EXISTING, /* a member that a later job confirmed; only where the setting
                            membership.emit_existing asks for it (P73) */
    MU_SEGMENT_EXITED
} mu_segment_status;

const char *mu_segment_status_name(mu_segment_status status); /* "realized", .. */

typedef struct mu_segment_item {
    mu_str namespace_code, id; /* the view's */
    const mu_audience *audience;
    mu_segment_status status;
    int64_t since_ms;       /* lastQualificationTime */
    int64_t valid_until_ms; /* 0: for ever */
} mu_segment_item;

/* What is known of the profile with this pid (and of those that were merged into it), in the order
 * of the audiences' ids; the list in `arena`. */
uint32_t mu_segment_items_of(const mu_segment_view *view, uint32_t pid, mu_arena *arena,
                             const mu_segment_item **out);

/* The object: by namespace, then by id, {"lastQualificationTime","status","validUntil"?}, laid over
 * `ingested` (NULL: nothing was), of which each audience's newer item wins, and on a tie the one
 * that is not exited. An empty object when there is nothing. */
mu_json mu_segment_membership_json(mu_arena *arena, uint32_t n, const mu_segment_item *items,
                                   const mu_json *ingested);

/* Such an object without items that count no more at `now_ms` (profile.md a.7): past validUntil, or
 * exited for more than 30 days. */
mu_json mu_segment_membership_current(mu_arena *arena, const mu_json *memberships, int64_t now_ms);

#endif
