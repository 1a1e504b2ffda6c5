/* membership_record.c -- one audience's members and transitions, and what a commit makes of them.
 */
#include "audience/membership_int.h"

#include "base/hash.h"

#include <stdlib.h>

/* As mu_arena: without memory the process ends. */
static void *must(void *memory)
{
    MU_ASSERT(memory != NULL);
    return memory;
}

/* -------- sets -------- */

static mu_member_set *set_new(mu_pid_set *pids)
{
    mu_member_set *made = must(calloc(1, sizeof *made));
    made->pids = pids;
    atomic_init(&made->n_holders, 1);
    return made;
}

static mu_member_set *set_hold(mu_member_set *set)
{
    atomic_fetch_add_explicit(&set->n_holders, 1, memory_order_relaxed);
    return set;
}

static void set_release(mu_member_set *set)
{
    if (set == NULL || atomic_fetch_sub_explicit(&set->n_holders, 1, memory_order_acq_rel) != 1)
        return;
    roaring_bitmap_free(set->pids);
    free(set);
}

static bool is_empty(const mu_pid_set *pids)
{
    return pids == NULL || roaring_bitmap_is_empty(pids);
}

/* `set` without `away`: the same one when none of these is in it. Takes the hold on `set`. */
static mu_member_set *set_without(mu_member_set *set, const mu_pid_set *away)
{
    if (is_empty(away) || !roaring_bitmap_intersect(set->pids, away))
        return set;
    mu_member_set *made = set_new(must(roaring_bitmap_andnot(set->pids, away)));
    set_release(set);
    return made;
}

static mu_member_set *set_with(mu_member_set *set, const mu_pid_set *more)
{
    if (is_empty(more))
        return set;
    mu_member_set *made = set_new(must(roaring_bitmap_or(set->pids, more)));
    set_release(set);
    return made;
}

void mu_member_delta_free(mu_member_delta *delta)
{
    mu_pid_set *const sets[] = {delta->entered, delta->left, delta->dropped};
    for (size_t i = 0; i < 3; i++)
        if (sets[i] != NULL)
            roaring_bitmap_free(sets[i]);
    delta->entered = delta->left = delta->dropped = NULL;
}

/* -------- records -------- */

/* Room for so many runs; they and the members are filled in by the caller. */
static mu_member_record *record_new(mu_str id, uint32_t n_realized_max, uint32_t n_exited_max)
{
    mu_member_record *made = must(calloc(1, sizeof *made));
    size_t n = (size_t)n_realized_max + n_exited_max;
    made->id = must(malloc(id.len + 1));
    if (id.len > 0)
        memcpy(made->id, id.ptr, id.len);
    made->runs = must(calloc(n + 1, sizeof *made->runs));
    made->realized = must(calloc(n + 1, sizeof(mu_member_set *)));
    made->exited = made->realized + n_realized_max;
    atomic_init(&made->n_holders, 1);
    made->public.audience_id = (mu_str){made->id, id.len};
    made->public.realized = made->runs;
    made->public.exited = made->runs + n_realized_max;
    return made;
}

mu_member_record *mu_member_record_hold(mu_member_record *record)
{
    atomic_fetch_add_explicit(&record->n_holders, 1, memory_order_relaxed);
    return record;
}

void mu_member_record_release(mu_member_record *record)
{
    if (record == NULL ||
        atomic_fetch_sub_explicit(&record->n_holders, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < record->public.n_realized; i++)
        set_release(record->realized[i]);
    for (uint32_t i = 0; i < record->public.n_exited; i++)
        set_release(record->exited[i]);
    set_release(record->members);
    free(record->realized);
    free(record->runs);
    free(record->id);
    free(record);
}

/* -------- runs -------- */

typedef struct run_list {
    mu_membership_run *runs;
    mu_member_set **sets;
    uint32_t n;
} run_list;

/* Takes the hold on `set`; an empty one is let go. Runs come in any order of time. */
static void add_run(run_list *list, int64_t at_ms, mu_member_set *set)
{
    if (roaring_bitmap_is_empty(set->pids)) {
        set_release(set);
        return;
    }
    uint32_t at = list->n;
    while (at > 0 && list->runs[at - 1].at_ms > at_ms)
        at--;
    if (at > 0 && list->runs[at - 1].at_ms == at_ms) {
        list->sets[at - 1] = set_with(list->sets[at - 1], set->pids);
        list->runs[at - 1].pids = list->sets[at - 1]->pids;
        set_release(set);
        return;
    }
    memmove(&list->runs[at + 1], &list->runs[at], (list->n - at) * sizeof *list->runs);
    memmove(&list->sets[at + 1], &list->sets[at], (list->n - at) * sizeof(mu_member_set *));
    list->runs[at] = (mu_membership_run){at_ms, set->pids};
    list->sets[at] = set;
    list->n++;
}

/* The runs of `before` from since_ms on, without those in `first` and in `second`. */
static void keep_runs(run_list *list, uint32_t n, const mu_membership_run *runs,
                      mu_member_set *const *sets, int64_t since_ms, const mu_pid_set *first,
                      const mu_pid_set *second)
{
    for (uint32_t i = 0; i < n; i++)
        if (runs[i].at_ms >= since_ms)
            add_run(list, runs[i].at_ms,
                    set_without(set_without(set_hold(sets[i]), first), second));
}

/* The members are all who entered: a set of their own, or the only run's. */
static void settle_members(mu_member_record *record, mu_member_set *members)
{
    if (record->public.n_realized == 1) {
        set_release(members);
        members = set_hold(record->realized[0]);
    }
    record->members = members;
    record->public.members = members->pids;
}

mu_member_record *mu_member_record_change(const mu_member_record *before, mu_member_delta *delta)
{
    static const mu_member_record nothing;
    const mu_member_record *from = before == NULL ? &nothing : before;
    mu_member_record *made =
        record_new(delta->audience_id, from->public.n_realized + 1, from->public.n_exited + 1);
    run_list realized = {made->runs, made->realized, 0};
    run_list exited = {made->runs + from->public.n_realized + 1, made->exited, 0};
    mu_member_set *members =
        before == NULL ? set_new(must(roaring_bitmap_create())) : set_hold(before->members);
    made->public.expires_ms = delta->expires_ms;
    made->public.evaluated_ms = delta->evaluated_ms;
    members = set_without(set_without(members, delta->dropped), delta->left);
    members = set_with(members, delta->entered);
    keep_runs(&realized, from->public.n_realized, from->public.realized, from->realized, INT64_MIN,
              delta->dropped, delta->left);
    keep_runs(&exited, from->public.n_exited, from->public.exited, from->exited,
              delta->at_ms - MU_EXITED_KEPT_MS, delta->dropped, delta->entered);
    if (delta->entered != NULL)
        add_run(&realized, delta->at_ms, set_new(delta->entered));
    if (delta->left != NULL)
        add_run(&exited, delta->at_ms, set_new(delta->left));
    delta->entered = delta->left = NULL;
    mu_member_delta_free(delta);
    made->public.n_realized = realized.n;
    made->public.n_exited = exited.n;
    settle_members(made, members);
    return made;
}

mu_member_record *mu_member_record_new(mu_str id, int64_t expires_ms, int64_t evaluated_ms,
                                       uint32_t n_realized, const mu_member_run *realized,
                                       uint32_t n_exited, const mu_member_run *exited)
{
    mu_member_record *made = record_new(id, n_realized, n_exited);
    run_list entered = {made->runs, made->realized, 0};
    run_list left = {made->runs + n_realized, made->exited, 0};
    mu_member_set *members = set_new(must(roaring_bitmap_create()));
    made->public.expires_ms = expires_ms;
    made->public.evaluated_ms = evaluated_ms;
    for (uint32_t i = 0; i < n_realized; i++) {
        roaring_bitmap_or_inplace(members->pids, realized[i].pids);
        add_run(&entered, realized[i].at_ms, set_new(realized[i].pids));
    }
    for (uint32_t i = 0; i < n_exited; i++)
        add_run(&left, exited[i].at_ms, set_new(exited[i].pids));
    made->public.n_realized = entered.n;
    made->public.n_exited = left.n;
    settle_members(made, members);
    return made;
}

/* -------- merged pids -------- */

/* What is known of one pid that a merge names. */
typedef struct touched_pid {
    uint32_t pid;
    bool is_known, is_member;
    int64_t since_ms;
} touched_pid;

typedef struct merging {
    const mu_member_record *before;
    int64_t since_ms; /* who left before is forgotten */
    mu_strmap places; /* by pid: in `touched` */
    uint32_t n;
    touched_pid *touched; /* at most two for each merge; stays where it is */
} merging;

static bool find_run(uint32_t n, const mu_membership_run *runs, uint32_t pid, int64_t *out)
{
    for (uint32_t i = 0; i < n; i++)
        if (roaring_bitmap_contains(runs[i].pids, pid)) {
            *out = runs[i].at_ms;
            return true;
        }
    return false;
}

static touched_pid *touch(merging *m, uint32_t pid)
{
    bool is_new;
    const mu_membership *known = &m->before->public;
    touched_pid *one = &m->touched[m->n];
    one->pid = pid;
    uint64_t *place = mu_strmap_put(&m->places, (mu_str){(char *)&one->pid, sizeof pid}, &is_new);
    if (!is_new)
        return &m->touched[*place];
    *place = m->n++;
    one->is_member = find_run(known->n_realized, known->realized, pid, &one->since_ms);
    one->is_known =
        one->is_member || (find_run(known->n_exited, known->exited, pid, &one->since_ms) &&
                           one->since_ms >= m->since_ms);
    return one;
}

static void merge_pids(merging *m, const mu_pid_merge *merge)
{
    touched_pid *from = touch(m, merge->from), *to = touch(m, merge->to);
    bool wins = from->is_known && (!to->is_known || from->since_ms > to->since_ms ||
                                   (from->since_ms == to->since_ms && from->is_member));
    if (wins) {
        to->is_known = true;
        to->is_member = from->is_member;
        to->since_ms = from->since_ms;
    }
    from->is_known = false;
}

static int by_run(const void *left, const void *right)
{
    const touched_pid *a = left, *b = right;
    if (a->is_known != b->is_known)
        return a->is_known ? -1 : 1;
    if (a->is_member != b->is_member)
        return a->is_member ? -1 : 1;
    if (a->since_ms != b->since_ms)
        return a->since_ms < b->since_ms ? -1 : 1;
    return (a->pid > b->pid) - (a->pid < b->pid);
}

/* The touched ones as runs; they are in the order of by_run. */
static void add_touched(const merging *m, run_list *realized, run_list *exited, mu_pid_set *members)
{
    for (uint32_t i = 0; i < m->n && m->touched[i].is_known;) {
        const touched_pid *first = &m->touched[i];
        mu_pid_set *pids = must(roaring_bitmap_create());
        for (; i < m->n && m->touched[i].is_known && m->touched[i].is_member == first->is_member &&
               m->touched[i].since_ms == first->since_ms;
             i++)
            roaring_bitmap_add(pids, m->touched[i].pid);
        if (first->is_member)
            roaring_bitmap_or_inplace(members, pids);
        add_run(first->is_member ? realized : exited, first->since_ms, set_new(pids));
    }
}

static mu_member_record *rebuild(const merging *m)
{
    const mu_membership *from = &m->before->public;
    mu_member_record *made =
        record_new(from->audience_id, from->n_realized + m->n, from->n_exited + m->n);
    run_list realized = {made->runs, made->realized, 0};
    run_list exited = {made->runs + from->n_realized + m->n, made->exited, 0};
    mu_pid_set *gone = must(roaring_bitmap_create());
    for (uint32_t i = 0; i < m->n; i++)
        roaring_bitmap_add(gone, m->touched[i].pid);
    mu_pid_set *members = must(roaring_bitmap_andnot(from->members, gone));
    keep_runs(&realized, from->n_realized, from->realized, m->before->realized, INT64_MIN, gone,
              NULL);
    keep_runs(&exited, from->n_exited, from->exited, m->before->exited, m->since_ms, gone, NULL);
    add_touched(m, &realized, &exited, members);
    roaring_bitmap_free(gone);
    made->public.expires_ms = from->expires_ms;
    made->public.evaluated_ms = from->evaluated_ms;
    made->public.n_realized = realized.n;
    made->public.n_exited = exited.n;
    settle_members(made, set_new(members));
    return made;
}

bool mu_member_record_knows(const mu_member_record *record, const mu_pid_set *pids)
{
    const mu_membership *membership = &record->public;
    bool found = roaring_bitmap_intersect(membership->members, pids);
    for (uint32_t i = 0; i < membership->n_exited && !found; i++)
        found = roaring_bitmap_intersect(membership->exited[i].pids, pids);
    return found;
}

mu_member_record *mu_member_record_merge(const mu_member_record *before, uint32_t n,
                                         const mu_pid_merge *merges, const mu_pid_set *from,
                                         int64_t since_ms)
{
    merging m = {.before = before, .since_ms = since_ms};
    if (!mu_member_record_knows(before, from))
        return NULL;
    m.touched = must(calloc((size_t)n * 2 + 1, sizeof *m.touched));
    mu_strmap_init(&m.places);
    for (uint32_t i = 0; i < n; i++)
        merge_pids(&m, &merges[i]);
    mu_strmap_free(&m.places);
    qsort(m.touched, m.n, sizeof *m.touched, by_run);
    mu_member_record *made = rebuild(&m);
    free(m.touched);
    return made;
}

/* -------- what a change does -------- */

/* NULL when nothing is left of it. */
static mu_pid_set *unless_empty(mu_pid_set *pids)
{
    if (pids != NULL && roaring_bitmap_is_empty(pids)) {
        roaring_bitmap_free(pids);
        return NULL;
    }
    return pids;
}

static void add_all(mu_pid_set **sum, mu_pid_set *more)
{
    if (*sum == NULL) {
        *sum = more;
        return;
    }
    roaring_bitmap_or_inplace(*sum, more);
    roaring_bitmap_free(more);
}

/* Who does not exist any more; all members when nobody is one since the audience expired. */
static mu_pid_set *find_dropped(const mu_member_record *before, const mu_pid_set *alive,
                                bool has_lapsed)
{
    mu_pid_set *dropped = NULL;
    if (before == NULL)
        return NULL;
    if (has_lapsed)
        add_all(&dropped, must(roaring_bitmap_copy(before->public.members)));
    else if (alive != NULL)
        add_all(&dropped, must(roaring_bitmap_andnot(before->public.members, alive)));
    for (uint32_t i = 0; alive != NULL && i < before->public.n_exited; i++)
        add_all(&dropped, must(roaring_bitmap_andnot(before->public.exited[i].pids, alive)));
    return unless_empty(dropped);
}

/* Whoever made a transition after now_ms keeps it (api.md 12.5). */
static void spare_later(const mu_member_record *before, int64_t now_ms, mu_pid_set **entered,
                        mu_pid_set **left)
{
    if (before == NULL)
        return;
    for (uint32_t i = 0; i < before->public.n_exited; i++)
        if (before->public.exited[i].at_ms > now_ms && *entered != NULL)
            roaring_bitmap_andnot_inplace(*entered, before->public.exited[i].pids);
    for (uint32_t i = 0; i < before->public.n_realized; i++)
        if (before->public.realized[i].at_ms > now_ms && *left != NULL)
            roaring_bitmap_andnot_inplace(*left, before->public.realized[i].pids);
}

void mu_member_delta_make(const mu_member_record *before, const mu_membership_change *change,
                          const mu_pid_set *alive, int64_t now_ms, mu_member_delta *out)
{
    bool sets = change->action == MU_MEMBERSHIP_SET || change->action == MU_MEMBERSHIP_ADD;
    *out = (mu_member_delta){.audience_id = change->audience_id,
                             .is_removed = change->action == MU_MEMBERSHIP_REMOVE,
                             .at_ms = now_ms,
                             .expires_ms = change->expires_ms,
                             .evaluated_ms = before == NULL ? 0 : before->public.evaluated_ms};
    if (!sets)
        return;
    bool has_lapsed =
        before != NULL && before->public.expires_ms != 0 && now_ms > before->public.expires_ms;
    bool had_members = before != NULL && !has_lapsed;
    out->evaluated_ms = now_ms;
    out->dropped = find_dropped(before, alive, has_lapsed);
    out->entered = must(roaring_bitmap_copy(change->members));
    if (alive != NULL)
        roaring_bitmap_and_inplace(out->entered, alive);
    if (had_members && change->action == MU_MEMBERSHIP_SET) {
        out->left = must(roaring_bitmap_andnot(before->public.members, out->entered));
        if (out->dropped != NULL)
            roaring_bitmap_andnot_inplace(out->left, out->dropped);
    }
    if (had_members)
        roaring_bitmap_andnot_inplace(out->entered, before->public.members);
    if (change->action == MU_MEMBERSHIP_SET)
        spare_later(before, now_ms, &out->entered, &out->left);
    out->entered = unless_empty(out->entered);
    out->left = unless_empty(out->left);
}
