#include "live/live_int.h"

#include "base/hash.h"
#include "base/thread.h"
#include "base/time.h"

#include <stdlib.h>

/* So many profiles are captured under one hold of the lock: some tens of microseconds. */
#define CAPTURES_AT_ONCE 64u

/* Fewer profiles than this per thread are not worth a part of their own. */
#define RANGE_PIDS_MIN 2048u

/* -------- freezing -------- */

static bool has_news(const mu_delta *delta)
{
    return delta->n_records > 0 || delta->n_pids > 0;
}

/* Under the sandbox's lock. */
static void freeze(mu_sandbox *sandbox)
{
    mu_delta *frozen = sandbox->active;
    sandbox->active = mu_delta_new();
    sandbox->active->next_sequence = frozen->next_sequence;
    frozen->state = MU_NEW(&frozen->capture_arena, mu_live_state);
    mu_state_copy(sandbox, &frozen->capture_arena, frozen->state);
    for (uint32_t i = 0; i < frozen->n_pids; i++)
        sandbox->flags[frozen->pids[i]] = MU_PID_UNCAPTURED;
    sandbox->frozen = frozen;
    atomic_store(&sandbox->erases, false);
}

/* -------- rows -------- */

typedef struct layer_build {
    mu_sandbox *sandbox;
    mu_delta *frozen;
    const mu_schema *schema;
    const mu_entity *entity; /* NULL: no rows yet */
    const mu_entity *graph;  /* likewise */
    const bool *is_current;  /* per part of the entity: it follows the schema as it is */
    mu_change *change;
    uint32_t n_pids;
    uint32_t *pids; /* in the order of rows */
    uint32_t n_ranges;
} layer_build;

/* A run of the pids, which one thread makes one part of. */
typedef struct layer_range {
    layer_build *layer;
    mu_arena arena; /* of one profile */
    mu_json_reader *reader;
    mu_part_writer *writer, *graph_writer; /* NULL before the first row */
} layer_range;

static int compare_mixed(const void *a, const void *b)
{
    uint32_t x = mu_mix32(*(const uint32_t *)a), y = mu_mix32(*(const uint32_t *)b);
    return (x > y) - (x < y);
}

static mu_code kill_row_of(mu_change *change, const mu_entity *entity, uint32_t pid, mu_err *err)
{
    mu_row_place place;
    bool found = false;
    if (entity == NULL)
        return MU_OK;
    MU_TRY(mu_entity_find_pid(entity, pid, &found, &place, err));
    return found ? mu_change_kill_row(change, entity->name, place, err) : MU_OK;
}

/* A cluster that nothing is known of has its row apart from the profiles: its identities and links
 * must not depend on when the process was last started. */
static mu_code add_row(layer_range *range, mu_content *content, mu_err *err)
{
    layer_build *layer = range->layer;
    bool is_empty = mu_content_is_empty(content);
    mu_part_writer **writer = is_empty ? &range->graph_writer : &range->writer;
    mu_value row;
    MU_TRY(mu_content_row(&range->arena, layer->schema, content, &row, err));
    if (*writer == NULL)
        MU_TRY(mu_part_writer_new(layer->change, is_empty ? MU_ENTITY_GRAPH : MU_STR("profile"),
                                  layer->schema->row, writer, err));
    return mu_part_writer_add(*writer, content->pid, content->cluster.identities[0].identity, row,
                              err);
}

static mu_code build_one(layer_range *range, const mu_capture *capture, mu_err *err)
{
    layer_build *layer = range->layer;
    mu_arena *arena = &range->arena;
    MU_TRY(kill_row_of(layer->change, layer->entity, capture->pid, err));
    MU_TRY(kill_row_of(layer->change, layer->graph, capture->pid, err));
    if (!capture->exists)
        return MU_OK;
    mu_build build = {.arena = arena,
                      .reader = range->reader,
                      .schema = layer->schema,
                      .entity = layer->entity,
                      .is_current = layer->is_current,
                      .refills = layer->frozen->refills};
    mu_content content;
    uint32_t n = 0;
    mu_applied_record *records =
        MU_NEW_ARRAY(arena, mu_applied_record, mu_build_count(layer->frozen, capture));
    MU_TRY(mu_build_records(arena, layer->frozen, capture, records, &n, err));
    MU_TRY(mu_build_content(&build, capture, n, records, &content, err));
    return add_row(range, &content, err);
}

static mu_code build_some(layer_range *range, uint32_t n, const uint32_t *pids, mu_err *err)
{
    const mu_capture *captures[CAPTURES_AT_ONCE];
    mu_sandbox *sandbox = range->layer->sandbox;
    pthread_mutex_lock(&sandbox->lock);
    for (uint32_t i = 0; i < n; i++)
        captures[i] = mu_capture_frozen(sandbox, pids[i]);
    pthread_mutex_unlock(&sandbox->lock);
    for (uint32_t i = 0; i < n; i++) {
        mu_arena_reset(&range->arena);
        MU_TRY(build_one(range, captures[i], err));
    }
    return MU_OK;
}

static mu_code finish_writer(mu_part_writer *writer, mu_code code, mu_err *err)
{
    if (writer != NULL && code == MU_OK)
        return mu_part_writer_finish(writer, err);
    if (writer != NULL)
        mu_part_writer_abandon(writer);
    return code;
}

static mu_code finish_range(layer_range *range, mu_code code, mu_err *err)
{
    mu_arena_free(&range->arena);
    mu_json_reader_free(range->reader);
    code = finish_writer(range->writer, code, err);
    return finish_writer(range->graph_writer, code, err);
}

static mu_code build_range(void *context, unsigned worker, size_t item, mu_err *err)
{
    layer_build *layer = context;
    layer_range range = {.layer = layer, .reader = mu_json_reader_new()};
    uint32_t end = (uint32_t)((item + 1) * layer->n_pids / layer->n_ranges);
    mu_code code = MU_OK;
    (void)worker;
    mu_arena_init(&range.arena, SIZE_MAX);
    for (uint32_t at = (uint32_t)(item * layer->n_pids / layer->n_ranges), n;
         code == MU_OK && at < end; at += n) {
        n = end - at < CAPTURES_AT_ONCE ? end - at : CAPTURES_AT_ONCE;
        code = build_some(&range, n, layer->pids + at, err);
    }
    return finish_range(&range, code, err);
}

static mu_code build_parts(layer_build *layer, mu_err *err)
{
    unsigned n_threads = layer->sandbox->live->options.n_threads;
    layer->n_ranges = n_threads > 1 && layer->n_pids >= RANGE_PIDS_MIN * n_threads ? n_threads : 1;
    MU_TRY(mu_parallel_for(layer->n_ranges, layer->n_ranges, build_range, layer, err));
    return mu_layer_add_lookups(layer->sandbox, layer->frozen, mu_change_base(layer->change),
                                layer->change, err);
}

static void set_mark(layer_build *layer, mu_arena *arena)
{
    const mu_live_state *frozen = layer->frozen->state;
    mu_live_state state = *frozen;
    state.n_classes = layer->sandbox->n_classes; /* changed by this thread alone */
    state.classes = layer->sandbox->classes;
    mu_mark mark = {.next_sequence = layer->frozen->next_sequence,
                    .next_pid = frozen->next_pid,
                    .state = mu_state_write(arena, &state)};
    mu_change_set_mark(layer->change, &mark);
}

static void read_base(layer_build *layer, mu_arena *arena)
{
    const mu_snapshot *base = mu_change_base(layer->change);
    layer->schema = mu_snapshot_schema(base);
    layer->entity = mu_snapshot_entity(base, MU_STR("profile"));
    layer->graph = mu_snapshot_entity(base, MU_ENTITY_GRAPH);
    uint32_t n_parts = layer->entity == NULL ? 0 : layer->entity->n_parts;
    bool *is_current = MU_NEW_ARRAY(arena, bool, n_parts);
    for (uint32_t p = 0; p < n_parts; p++)
        is_current[p] =
            mu_type_equal(mu_part_row_type(layer->entity->parts[p]), layer->schema->row);
    layer->is_current = is_current;
}

static mu_code commit_layer(layer_build *layer, mu_err *err)
{
    mu_arena arena;
    MU_TRY(mu_change_begin_in_memory(layer->sandbox->store, &layer->change, err));
    mu_arena_init(&arena, SIZE_MAX);
    read_base(layer, &arena);
    mu_code code = build_parts(layer, err);
    if (code == MU_OK) {
        set_mark(layer, &arena);
        code = mu_change_commit(layer->change, err);
    } else {
        mu_change_abort(layer->change);
    }
    mu_arena_free(&arena);
    return code;
}

/* -------- showing -------- */

/* Under the sandbox's lock. */
static void move_home(mu_sandbox *sandbox, const mu_capture *capture)
{
    for (uint32_t i = 0; i < capture->cluster.n_identities; i++)
        sandbox->homes[capture->cluster.nodes[i]] = capture->pid;
}

static void show(layer_build *layer, mu_snapshot *snapshot)
{
    mu_sandbox *sandbox = layer->sandbox;
    mu_delta *frozen = layer->frozen;
    pthread_mutex_lock(&sandbox->lock);
    mu_sandbox_make_room(sandbox);
    for (uint32_t i = 0; i < frozen->early_slots; i++)
        if (frozen->early[i] != NULL && frozen->early[i]->exists)
            move_home(sandbox, frozen->early[i]);
    mu_snapshot *old = sandbox->snapshot;
    sandbox->snapshot = snapshot;
    atomic_store(&sandbox->memory_bytes, mu_snapshot_memory_bytes(snapshot));
    sandbox->frozen = NULL;
    pthread_mutex_unlock(&sandbox->lock);
    if (frozen->erases)
        atomic_store(&sandbox->wants_purge, true);
    atomic_fetch_sub(&sandbox->delta_bytes, frozen->n_bytes);
    mu_snapshot_release(old);
    mu_delta_free(frozen);
}

static mu_code build_layer(mu_sandbox *sandbox, mu_err *err)
{
    layer_build layer = {.sandbox = sandbox, .frozen = sandbox->frozen};
    mu_snapshot *snapshot;
    layer.n_pids = layer.frozen->n_pids;
    size_t capacity = 0;
    layer.pids = mu_live_room(NULL, (size_t)layer.n_pids + 1, &capacity, sizeof *layer.pids);
    if (layer.n_pids > 0)
        memcpy(layer.pids, layer.frozen->pids, layer.n_pids * sizeof *layer.pids);
    qsort(layer.pids, layer.n_pids, sizeof *layer.pids, compare_mixed);
    int64_t start_ns = mu_monotonic_ns();
    mu_code code = commit_layer(&layer, err);
    mu_histogram_observe(sandbox->live->layer_time, mu_monotonic_ns() - start_ns);
    free(layer.pids);
    if (code == MU_OK)
        code = mu_snapshot_acquire(sandbox->store, &snapshot, err);
    if (code == MU_OK)
        show(&layer, snapshot);
    return code;
}

/* A layer that could not be built stays frozen: the next call tries it again, so that nothing is
 * lost and nothing is shown twice. */
mu_code mu_sandbox_publish(mu_sandbox *sandbox, mu_err *err)
{
    for (int i = 0; i < 2; i++) {
        pthread_mutex_lock(&sandbox->lock);
        bool was_frozen = sandbox->frozen != NULL;
        if (!was_frozen && has_news(sandbox->active))
            freeze(sandbox);
        bool is_frozen = sandbox->frozen != NULL;
        pthread_mutex_unlock(&sandbox->lock);
        if (!is_frozen)
            return MU_OK;
        MU_TRY(build_layer(sandbox, err));
        if (!was_frozen)
            return MU_OK;
    }
    return MU_OK;
}

mu_code mu_sandbox_take_snapshot(mu_sandbox *sandbox, mu_err *err)
{
    mu_snapshot *snapshot;
    pthread_mutex_lock(&sandbox->layer_lock);
    mu_code code = mu_snapshot_acquire(sandbox->store, &snapshot, err);
    if (code == MU_OK) {
        pthread_mutex_lock(&sandbox->lock);
        mu_snapshot *old = sandbox->snapshot;
        sandbox->snapshot = snapshot;
        atomic_store(&sandbox->memory_bytes, mu_snapshot_memory_bytes(snapshot));
        pthread_mutex_unlock(&sandbox->lock);
        mu_snapshot_release(old);
    }
    pthread_mutex_unlock(&sandbox->layer_lock);
    return code;
}

mu_code mu_sandbox_snapshot(mu_sandbox *sandbox, mu_snapshot **out, mu_err *err)
{
    MU_TRY(mu_sandbox_health(sandbox, err));
    pthread_mutex_lock(&sandbox->layer_lock);
    mu_code code = mu_sandbox_publish(sandbox, err);
    if (code == MU_OK)
        code = mu_snapshot_acquire(sandbox->store, out, err);
    pthread_mutex_unlock(&sandbox->layer_lock);
    return code;
}
