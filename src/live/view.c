#include "live/view.h"

#include "base/hash.h"
#include "live/columns.h"
#include "profile/profile.h"

#include <pthread.h>
#include <stdlib.h>

/* -------- which rows may differ -------- */

/* A profile under the policy, to be made of a row of the base. */
typedef struct wanted {
    uint32_t pid, mixed;
    mu_row_place place;
    uint32_t identity; /* place in the row's identities; 0 with a graph */
} wanted;

typedef struct making {
    mu_snapshot *base;
    const mu_entity *entity;
    const mu_schema *schema;
    const mu_merge_policy *policy;
    wanted *wanted;
    size_t n_wanted, capacity;
    uint32_t first_pid, next_pid; /* made up for identities beside the first of their cluster */
    uint32_t *owners;             /* of those: the cluster's pids */
    size_t owners_capacity;
    mu_overlay *overlay;
    mu_arena arena;    /* of one row */
    mu_arena unpacked; /* columns of one block */
    mu_str last;       /* dataset looked up last, and whether the policy lists it */
    bool last_is_listed;
} making;

typedef struct view_columns {
    mu_reading identities, fragments, fragment_dataset, events, event_dataset;
} view_columns;

static uint32_t child_of(const mu_part *part, uint32_t column, mu_str name)
{
    return column == MU_NO_COLUMN ? MU_NO_COLUMN : mu_part_child(part, column, name);
}

static mu_code open_columns(const mu_part *part, uint32_t block, mu_arena *arena, view_columns *out,
                            mu_err *err)
{
    uint32_t identities = mu_part_child(part, 0, MU_STR("$identities"));
    uint32_t fragments = mu_part_child(part, 0, MU_STR("$fragments"));
    uint32_t events = mu_part_child(part, 0, MU_STR("xEvent"));
    uint32_t fragment_dataset = child_of(part, mu_column_item(part, fragments), MU_STR("dataset"));
    uint32_t event_dataset = child_of(part, mu_column_item(part, events), MU_FIELD_DATASET);
    MU_TRY(mu_reading_open(part, identities, block, arena, &out->identities, err));
    MU_TRY(mu_reading_open(part, fragments, block, arena, &out->fragments, err));
    MU_TRY(mu_reading_open(part, fragment_dataset, block, arena, &out->fragment_dataset, err));
    MU_TRY(mu_reading_open(part, events, block, arena, &out->events, err));
    return mu_reading_open(part, event_dataset, block, arena, &out->event_dataset, err);
}

/* Neighbours mostly share their dataset, and a dictionary its text. */
static bool is_listed(making *m, const mu_reading *reading, uint32_t at)
{
    mu_str dataset = mu_reading_is_null(reading, at) ? MU_STR("") : mu_reading_string(reading, at);
    if (m->last.ptr == dataset.ptr && m->last.len == dataset.len && m->last.ptr != NULL)
        return m->last_is_listed;
    m->last = dataset;
    m->last_is_listed = false;
    for (uint32_t i = 0; i < m->policy->n_order && !m->last_is_listed; i++)
        m->last_is_listed = mu_str_equal(m->policy->order[i], dataset);
    return m->last_is_listed;
}

static bool are_listed(making *m, const mu_reading *list, const mu_reading *dataset, uint32_t at)
{
    uint32_t begin, end;
    mu_reading_items(list, at, &begin, &end);
    for (uint32_t i = begin; i < end; i++)
        if (!is_listed(m, dataset, i))
            return false;
    return true;
}

/* Whether the policy's datasets leave a row as it is: no fragment but a listed one and no event but
 * listed ones. A row of a bulk load does not name its fragment. */
static bool order_may_differ(making *m, const view_columns *columns, uint32_t at)
{
    uint32_t begin, end;
    if (m->policy->attribute_merge != MU_MERGE_DATASET_PRECEDENCE)
        return false;
    mu_reading_items(&columns->fragments, at, &begin, &end);
    return mu_reading_is_null(&columns->fragments, at) || end - begin > 1 ||
           !are_listed(m, &columns->fragments, &columns->fragment_dataset, at) ||
           !are_listed(m, &columns->events, &columns->event_dataset, at);
}

static mu_code want(making *m, uint32_t pid, mu_row_place place, uint32_t identity, mu_err *err)
{
    if (m->n_wanted == m->capacity) {
        size_t capacity = m->capacity == 0 ? 1024 : m->capacity * 2;
        wanted *grown = reallocarray(m->wanted, capacity, sizeof *grown);
        if (grown == NULL)
            return mu_fail(err, MU_E_NOMEM, "out of memory for the profiles of a merge policy");
        m->wanted = grown;
        m->capacity = capacity;
    }
    m->wanted[m->n_wanted++] = (wanted){pid, mu_mix32(pid), place, identity};
    return MU_OK;
}

/* A pid for one more identity of a cluster. */
static mu_code make_up_pid(making *m, uint32_t owner, uint32_t *out, mu_err *err)
{
    size_t n = m->next_pid - m->first_pid;
    if (m->next_pid == UINT32_MAX)
        return mu_fail(err, MU_E_LIMIT, "there are no pids left for a merge policy");
    if (n == m->owners_capacity) {
        size_t capacity = n == 0 ? 1024 : n * 2;
        uint32_t *grown = reallocarray(m->owners, capacity, sizeof *grown);
        if (grown == NULL)
            return mu_fail(err, MU_E_NOMEM, "out of memory for the profiles of a merge policy");
        m->owners = grown;
        m->owners_capacity = capacity;
    }
    m->owners[n] = owner;
    *out = m->next_pid++;
    return MU_OK;
}

static mu_code find_in_row(making *m, const view_columns *columns, uint32_t at, uint32_t pid,
                           mu_row_place place, mu_err *err)
{
    uint32_t begin, end;
    mu_reading_items(&columns->identities, at, &begin, &end);
    bool divides = !m->policy->uses_graph && end - begin > 1;
    if (!divides && !order_may_differ(m, columns, at))
        return MU_OK;
    MU_TRY(want(m, pid, place, 0, err));
    for (uint32_t i = 1; divides && i < end - begin; i++) {
        uint32_t made_up = 0;
        MU_TRY(make_up_pid(m, pid, &made_up, err));
        MU_TRY(want(m, made_up, place, i, err));
    }
    return MU_OK;
}

static mu_code find_in_part(making *m, uint32_t p, mu_err *err)
{
    const mu_part *part = m->entity->parts[p];
    const uint64_t *dead = m->entity->dead[p];
    for (uint32_t b = 0; b < mu_part_block_count(part); b++) {
        mu_block block = mu_part_block(part, b);
        const uint32_t *pids;
        view_columns columns;
        m->last = (mu_str){NULL, 0};
        mu_arena_reset(&m->unpacked);
        MU_TRY(open_columns(part, b, &m->unpacked, &columns, err));
        MU_TRY(mu_part_pids(part, b, &pids, err));
        for (uint32_t at = 0; at < block.n_rows; at++) {
            mu_row_place place = {p, block.row + at};
            if (dead == NULL || !mu_bit_get(dead, place.row))
                MU_TRY(find_in_row(m, &columns, at, pids[at], place, err));
        }
    }
    return MU_OK;
}

static int compare_wanted(const void *pa, const void *pb)
{
    const wanted *a = pa, *b = pb;
    return (a->mixed > b->mixed) - (a->mixed < b->mixed);
}

/* -------- making them -------- */

static mu_code read_content(making *m, const wanted *w, mu_value *row, mu_content *out, mu_err *err)
{
    const mu_part *part = m->entity->parts[w->place.part];
    mu_identity identity;
    MU_TRY(mu_part_identity(part, w->place.row, &identity, err));
    MU_TRY(mu_part_row(part, w->place.row, &m->arena, row, err));
    *row = mu_value_extend(&m->arena, mu_part_row_type(part), m->schema->row, *row);
    return mu_content_read(&m->arena, m->schema, w->pid, identity, *row, out, err);
}

/* Datasets left out leave events out, so that their number tells; identities left out may bring
 * events to light that others hid. */
static bool is_same(const mu_content *content, mu_value row, const mu_profile_view *view)
{
    uint32_t n_fields = row.n - 1;
    if (view->is_empty || row.items[n_fields].n != view->events.n ||
        view->n_identities != content->cluster.n_identities)
        return false;
    for (uint32_t i = 0; i < n_fields; i++)
        if (!mu_str_starts_with(row.keys[i], MU_STR("$")) &&
            !mu_value_identical(row.items[i], view->attributes.items[i]))
            return false;
    return true;
}

static mu_value view_row(making *m, const mu_profile_view *view)
{
    const mu_type *type = m->schema->row;
    mu_value *items = MU_NEW_ARRAY(&m->arena, mu_value, type->n_fields);
    memcpy(items, view->attributes.items, view->attributes.n * sizeof *items);
    items[type->n_fields - 1] = view->events;
    return (mu_value){
        .kind = MU_TYPE_OBJECT, .n = type->n_fields, .items = items, .keys = type->field_names};
}

static mu_code make_row(making *m, const wanted *w, mu_err *err)
{
    mu_value row;
    mu_content content;
    mu_profile_view view;
    mu_arena_reset(&m->arena);
    MU_TRY(read_content(m, w, &row, &content, err));
    if (w->identity >= content.cluster.n_identities)
        return mu_fail(err, MU_E_CORRUPT, "the row of pid %u lacks an identity", w->pid);
    MU_TRY(mu_content_view(&m->arena, m->schema, &content, m->policy, w->identity, &view, err));
    if (w->identity == 0) {
        if (is_same(&content, row, &view))
            return MU_OK;
        MU_TRY(mu_overlay_hide(m->overlay, w->place, err));
    }
    if (view.is_empty)
        return MU_OK;
    return mu_overlay_add(m->overlay, w->pid, content.cluster.identities[w->identity].identity,
                          view_row(m, &view), err);
}

static mu_code make_all(making *m, mu_err *err)
{
    for (uint32_t p = 0; p < m->entity->n_parts; p++)
        MU_TRY(find_in_part(m, p, err));
    if (m->n_wanted == 0)
        return MU_OK;
    qsort(m->wanted, m->n_wanted, sizeof *m->wanted, compare_wanted);
    MU_TRY(mu_overlay_begin(m->base, MU_STR("profile"), &m->overlay, err));
    mu_overlay_divide(m->overlay, m->first_pid, m->next_pid - m->first_pid, m->owners);
    for (size_t i = 0; i < m->n_wanted; i++)
        MU_TRY(make_row(m, &m->wanted[i], err));
    return MU_OK;
}

mu_code mu_view_make(mu_snapshot *base, const mu_merge_policy *policy, mu_snapshot **out,
                     mu_err *err)
{
    making m = {.base = base,
                .entity = mu_snapshot_entity(base, MU_STR("profile")),
                .schema = mu_snapshot_schema(base),
                .policy = policy,
                .next_pid = mu_snapshot_next_pid(base, MU_STR("profile"))};
    m.first_pid = m.next_pid;
    if (mu_merge_policy_is_base(policy) || m.entity == NULL) {
        *out = mu_snapshot_hold(base);
        return MU_OK;
    }
    mu_arena_init(&m.arena, SIZE_MAX);
    mu_arena_init(&m.unpacked, SIZE_MAX);
    mu_code code = make_all(&m, err);
    if (code != MU_OK)
        mu_overlay_abandon(m.overlay);
    else if (m.overlay == NULL)
        *out = mu_snapshot_hold(base);
    else
        code = mu_overlay_finish(m.overlay, out, err);
    mu_arena_free(&m.arena);
    mu_arena_free(&m.unpacked);
    free(m.wanted);
    free(m.owners);
    return code;
}

/* -------- views made before -------- */

#define VIEWS_MAX 8u /* more than a sandbox has policies (P31) */

typedef struct kept_view {
    mu_buf key; /* what the policy says */
    mu_snapshot *view;
} kept_view;

/* Guarded by `lock`, which is held while a view is made. */
struct mu_views {
    pthread_mutex_t lock;
    mu_snapshot *base;
    uint32_t n;
    kept_view kept[VIEWS_MAX]; /* the oldest first */
};

mu_code mu_views_new(mu_views **out, mu_err *err)
{
    mu_views *views = calloc(1, sizeof *views);
    if (views == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for views");
    pthread_mutex_init(&views->lock, NULL);
    *out = views;
    return MU_OK;
}

static void drop_oldest(mu_views *views)
{
    mu_buf_free(&views->kept[0].key);
    mu_snapshot_release(views->kept[0].view);
    views->n--;
    memmove(views->kept, views->kept + 1, views->n * sizeof *views->kept);
}

static void drop_all(mu_views *views)
{
    while (views->n > 0)
        drop_oldest(views);
    if (views->base != NULL)
        mu_snapshot_release(views->base);
    views->base = NULL;
}

void mu_views_clear(mu_views *views)
{
    pthread_mutex_lock(&views->lock);
    drop_all(views);
    pthread_mutex_unlock(&views->lock);
}

void mu_views_free(mu_views *views)
{
    if (views == NULL)
        return;
    drop_all(views);
    pthread_mutex_destroy(&views->lock);
    free(views);
}

/* A policy's id does not tell its versions apart; what it says does. */
static void write_key(mu_buf *key, const mu_merge_policy *policy)
{
    mu_buf_init(key, SIZE_MAX);
    mu_buf_add_format(key, "%d %d", policy->uses_graph, (int)policy->attribute_merge);
    for (uint32_t i = 0; i < policy->n_order; i++)
        mu_buf_add_format(key, " %zu:" MU_STR_FMT, policy->order[i].len,
                          MU_STR_ARG(policy->order[i]));
}

static mu_snapshot *find_kept(const mu_views *views, const mu_buf *key)
{
    for (uint32_t i = 0; i < views->n; i++)
        if (mu_str_equal(mu_buf_str(&views->kept[i].key), mu_buf_str(key)))
            return views->kept[i].view;
    return NULL;
}

/* Takes the key. */
static mu_code find_or_make(mu_views *views, mu_snapshot *base, const mu_merge_policy *policy,
                            mu_buf *key, mu_snapshot **out, mu_err *err)
{
    if (views->base != base) {
        drop_all(views);
        views->base = mu_snapshot_hold(base);
    }
    mu_snapshot *view = key->failed ? NULL : find_kept(views, key);
    mu_code code = MU_OK;
    bool is_new = view == NULL;
    if (is_new)
        code = mu_view_make(base, policy, &view, err);
    if (code != MU_OK || !is_new || key->failed) {
        mu_buf_free(key);
        if (code == MU_OK)
            *out = is_new ? view : mu_snapshot_hold(view);
        return code;
    }
    if (views->n == VIEWS_MAX)
        drop_oldest(views);
    views->kept[views->n++] = (kept_view){.key = *key, .view = view};
    *out = mu_snapshot_hold(view);
    return MU_OK;
}

mu_code mu_views_snapshot(mu_views *views, mu_snapshot *base, const mu_merge_policy *policy,
                          mu_snapshot **out, mu_err *err)
{
    mu_buf key;
    write_key(&key, policy);
    pthread_mutex_lock(&views->lock);
    mu_code code = find_or_make(views, base, policy, &key, out, err);
    pthread_mutex_unlock(&views->lock);
    return code;
}
