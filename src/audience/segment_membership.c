/* segment_membership.c -- segmentMembership of a profile from stored memberships.
 */
#include "audience/segment_membership.h"

#include "base/time.h"

#include <stdlib.h>

typedef struct shown_membership {
    const mu_membership *membership;
    const mu_audience *audience;
} shown_membership;

struct mu_segment_view {
    mu_arena arena;
    const mu_audience_book *book;
    const mu_membership_state *state;
    int64_t now_ms;
    bool shows_existing;
    uint32_t n_merges; /* that memberships have not taken over yet */
    const mu_pid_merge *merges;
    uint32_t n;
    shown_membership *shown; /* audiences that there still are */
};

const char *mu_segment_status_name(mu_segment_status status)
{
    static const char *const names[] = {"realized", "existing", "exited"};
    return names[status];
}

mu_code mu_segment_view_acquire(mu_workspace *workspace, int64_t now_ms, mu_segment_view **out,
                                mu_err *err)
{
    const mu_audience_book *book;
    MU_TRY(mu_audience_book_acquire(workspace->books, &book, err));
    mu_segment_view *view = calloc(1, sizeof *view);
    MU_ASSERT(view != NULL);
    mu_arena_init(&view->arena, SIZE_MAX);
    view->book = book;
    /* Before the memberships: these are forgotten only when memberships have them. */
    view->n_merges = mu_sandbox_merges(workspace->live, &view->arena, &view->merges);
    view->state = mu_memberships_acquire(workspace->memberships);
    view->now_ms = now_ms;
    view->shows_existing = workspace->options->settings.emit_existing != 0;
    view->shown = MU_NEW_ARRAY(&view->arena, shown_membership, (size_t)view->state->n + 1);
    for (uint32_t i = 0; i < view->state->n; i++) {
        const mu_membership *membership = view->state->audiences[i];
        const mu_audience *audience = mu_audience_find(book, membership->audience_id);
        if (audience != NULL)
            view->shown[view->n++] = (shown_membership){membership, audience};
    }
    *out = view;
    return MU_OK;
}

void mu_segment_view_release(mu_segment_view *view)
{
    if (view == NULL)
        return;
    mu_audience_book_release(view->book);
    mu_membership_state_release(view->state);
    mu_arena_free(&view->arena);
    free(view);
}

/* -------- items -------- */

static mu_segment_status status_of(const mu_segment_view *view, const mu_membership *membership,
                                   const mu_membership_item *item)
{
    if (!item->is_member)
        return MU_SEGMENT_EXITED;
    bool is_confirmed = membership->evaluated_ms > item->since_ms;
    return view->shows_existing && is_confirmed ? MU_SEGMENT_EXISTING : MU_SEGMENT_REALIZED;
}

/* The pid and those that were merged into it. Newest first: what a merge names may have been merged
 * into before. */
static uint32_t pids_of(const mu_segment_view *view, uint32_t pid, mu_arena *arena,
                        const uint32_t **out)
{
    uint32_t n = 1;
    uint32_t *pids = MU_NEW_ARRAY(arena, uint32_t, (size_t)view->n_merges + 1);
    pids[0] = pid;
    for (uint32_t i = view->n_merges; i > 0; i--)
        for (uint32_t k = 0; k < n; k++)
            if (pids[k] == view->merges[i - 1].to) {
                pids[n++] = view->merges[i - 1].from;
                break;
            }
    *out = pids;
    return n;
}

/* Of all of them the newest item, and on a tie the one that did not leave. */
static bool find_item(const mu_segment_view *view, const mu_membership *membership, uint32_t n,
                      const uint32_t *pids, mu_membership_item *out)
{
    bool found = false;
    for (uint32_t i = 0; i < n; i++) {
        mu_membership_item item;
        if (!mu_membership_get(membership, pids[i], view->now_ms, &item))
            continue;
        if (!found || item.since_ms > out->since_ms ||
            (item.since_ms == out->since_ms && item.is_member))
            *out = item;
        found = true;
    }
    return found;
}

uint32_t mu_segment_items_of(const mu_segment_view *view, uint32_t pid, mu_arena *arena,
                             const mu_segment_item **out)
{
    uint32_t n = 0;
    const uint32_t *pids;
    uint32_t n_pids = pids_of(view, pid, arena, &pids);
    mu_segment_item *items = MU_NEW_ARRAY(arena, mu_segment_item, (size_t)view->n + 1);
    for (uint32_t i = 0; i < view->n; i++) {
        const mu_membership *membership = view->shown[i].membership;
        const mu_audience *audience = view->shown[i].audience;
        mu_membership_item item;
        if (!find_item(view, membership, n_pids, pids, &item))
            continue;
        items[n++] = (mu_segment_item){
            .namespace_code = audience->is_external ? audience->namespace_code : MU_STR("ups"),
            .id = audience->is_external ? audience->audience_id : audience->id,
            .audience = audience,
            .status = status_of(view, membership, &item),
            .since_ms = item.since_ms,
            .valid_until_ms = membership->expires_ms};
    }
    *out = items;
    return n;
}

/* -------- JSON -------- */

static bool time_of(const mu_json *item, int64_t *out)
{
    const mu_json *time = mu_json_get(item, MU_STR("lastQualificationTime"));
    return time != NULL && time->kind == MU_JSON_STRING && mu_parse_time(time->string, out);
}

/* Whether what was sent is newer, or as old and no exit (profile.md c.4.6). */
static bool stays(const mu_json *sent, const mu_segment_item *item)
{
    int64_t sent_ms;
    bool is_exited =
        mu_str_equal(mu_json_member_string(sent, MU_STR("status"), MU_STR("")), MU_STR("exited"));
    if (!time_of(sent, &sent_ms) || sent_ms < item->since_ms)
        return false;
    return sent_ms > item->since_ms || (item->status == MU_SEGMENT_EXITED && !is_exited);
}

static mu_json item_json(mu_arena *arena, const mu_segment_item *item)
{
    mu_json json = MU_JSON_OBJECT_OF(
        arena, {MU_STR("lastQualificationTime"), mu_json_of_time(arena, item->since_ms)},
        {MU_STR("status"), mu_json_of_string(mu_str_from(mu_segment_status_name(item->status)))});
    if (item->valid_until_ms != 0)
        mu_json_set(arena, &json, MU_STR("validUntil"),
                    mu_json_of_time(arena, item->valid_until_ms));
    return json;
}

static mu_json namespace_json(mu_arena *arena, const mu_json *sent, uint32_t n,
                              const mu_segment_item *items, mu_str code)
{
    uint32_t n_members = sent == NULL || sent->kind != MU_JSON_OBJECT ? 0 : sent->n;
    mu_json_pair *members = MU_NEW_ARRAY(arena, mu_json_pair, (size_t)n_members + n + 1);
    for (uint32_t i = 0; i < n_members; i++)
        members[i] = (mu_json_pair){sent->names[i], sent->items[i]};
    uint32_t n_all = n_members;
    for (uint32_t i = 0; i < n; i++) {
        if (!mu_str_equal(items[i].namespace_code, code))
            continue;
        uint32_t at = 0;
        while (at < n_members && !mu_str_equal(members[at].name, items[i].id))
            at++;
        if (at < n_members && stays(&members[at].value, &items[i]))
            continue;
        members[at < n_members ? at : n_all++] =
            (mu_json_pair){items[i].id, item_json(arena, &items[i])};
    }
    return mu_json_object(arena, n_all, members);
}

mu_json mu_segment_membership_json(mu_arena *arena, uint32_t n, const mu_segment_item *items,
                                   const mu_json *ingested)
{
    mu_json out = {.kind = MU_JSON_OBJECT};
    if (ingested != NULL && ingested->kind == MU_JSON_OBJECT)
        out = *ingested;
    for (uint32_t i = 0; i < n; i++) {
        mu_str code = items[i].namespace_code;
        bool is_first = true;
        for (uint32_t k = 0; k < i && is_first; k++)
            is_first = !mu_str_equal(items[k].namespace_code, code);
        if (is_first)
            mu_json_set(arena, &out, code,
                        namespace_json(arena, mu_json_get(&out, code), n, items, code));
    }
    return out;
}

/* -------- what counts no more -------- */

static bool member_time(const mu_json *item, mu_str name, int64_t *out)
{
    const mu_json *value = mu_json_member(item, name);
    return value != NULL && value->kind == MU_JSON_STRING && mu_parse_time(value->string, out);
}

/* Without a validUntil, what others assert holds for 30 days. */
static bool counts_at(mu_str namespace_code, const mu_json *item, int64_t now_ms)
{
    int64_t until_ms, at_ms;
    bool has_time = member_time(item, MU_STR("lastQualificationTime"), &at_ms);
    bool is_exited =
        mu_str_equal(mu_json_member_string(item, MU_STR("status"), MU_STR("")), MU_STR("exited"));
    bool is_ours = mu_str_equal(namespace_code, MU_STR("ups"));
    if (member_time(item, MU_STR("validUntil"), &until_ms) && now_ms > until_ms)
        return false;
    if (!has_time || (is_ours && !is_exited))
        return true;
    bool has_end = mu_json_member(item, MU_STR("validUntil")) != NULL;
    return (has_end && !is_exited) || now_ms <= at_ms + MU_EXITED_KEPT_MS;
}

/* The items of one namespace that count. */
static mu_json current_items(mu_arena *arena, mu_str namespace_code, const mu_json *items,
                             int64_t now_ms)
{
    mu_json_pair *kept = MU_NEW_ARRAY(arena, mu_json_pair, (size_t)items->n + 1);
    size_t n = 0;
    for (uint32_t i = 0; i < items->n; i++)
        if (counts_at(namespace_code, &items->items[i], now_ms))
            kept[n++] = (mu_json_pair){items->names[i], items->items[i]};
    return mu_json_object(arena, n, kept);
}

mu_json mu_segment_membership_current(mu_arena *arena, const mu_json *memberships, int64_t now_ms)
{
    uint32_t n_all = memberships->kind == MU_JSON_OBJECT ? memberships->n : 0;
    mu_json_pair *kept = MU_NEW_ARRAY(arena, mu_json_pair, (size_t)n_all + 1);
    size_t n = 0;
    for (uint32_t i = 0; i < n_all; i++) {
        if (memberships->items[i].kind != MU_JSON_OBJECT)
            continue;
        mu_json items = current_items(arena, memberships->names[i], &memberships->items[i], now_ms);
        if (items.n > 0)
            kept[n++] = (mu_json_pair){memberships->names[i], items};
    }
    return mu_json_object(arena, n, kept);
}
