#include "store/store_int.h"

#include <stdlib.h>

/* -------- making a snapshot -------- */

static void hold_state(mu_snapshot *snapshot, const mu_state *state)
{
    mu_arena *arena = &snapshot->arena;
    mu_state_part *parts = MU_NEW_ARRAY(arena, mu_state_part, state->n_parts);
    for (uint32_t p = 0; p < state->n_parts; p++)
        parts[p] = (mu_state_part){mu_part_handle_hold(state->parts[p].handle),
                                   mu_dead_rows_hold(state->parts[p].shown),
                                   mu_dead_rows_hold(state->parts[p].durable)};
    mu_catalog_counter *counters = MU_NEW_ARRAY(arena, mu_catalog_counter, state->n_counters);
    for (uint32_t c = 0; c < state->n_counters; c++)
        counters[c] = (mu_catalog_counter){mu_arena_copy(arena, state->counters[c].entity),
                                           state->counters[c].next_pid};
    snapshot->state = *state;
    snapshot->state.schema = mu_schema_version_hold(state->schema);
    snapshot->state.shown_mark = mu_held_mark_hold(state->shown_mark);
    snapshot->state.durable_mark = mu_held_mark_hold(state->durable_mark);
    snapshot->state.counters = counters;
    snapshot->state.parts = parts;
}

static uint32_t entity_index(mu_snapshot *snapshot, mu_str name)
{
    for (uint32_t e = 0; e < snapshot->n_entities; e++)
        if (mu_str_equal(snapshot->entities[e].name, name))
            return e;
    snapshot->entities[snapshot->n_entities].name = name;
    return snapshot->n_entities++;
}

static void add_part(mu_snapshot *snapshot, uint32_t e, uint32_t p, const mu_part **parts,
                     const uint64_t **dead)
{
    const mu_state_part *row = &snapshot->state.parts[p];
    mu_entity *entity = &snapshot->entities[e];
    const mu_part *part = row->handle->part;
    snapshot->part_rows[e][entity->n_parts] = p;
    parts[entity->n_parts] = part;
    dead[entity->n_parts] = row->shown == NULL ? NULL : row->shown->words;
    entity->n_parts++;
    entity->n_rows += part->footer.n_rows - mu_dead_rows_count(row->shown);
    entity->n_events += part->footer.n_events - (row->shown == NULL ? 0 : row->shown->n_events);
    snapshot->memory_bytes += row->handle->memory_bytes;
}

/* Parts lie in the order of their ids within each entity: the newest last. */
static void group_by_entity(mu_snapshot *snapshot)
{
    mu_arena *arena = &snapshot->arena;
    uint32_t n = snapshot->state.n_parts;
    snapshot->entities = MU_NEW_ARRAY(arena, mu_entity, n);
    snapshot->part_rows = MU_NEW_ARRAY(arena, uint32_t *, n);
    uint32_t *of_part = MU_NEW_ARRAY(arena, uint32_t, n);
    uint32_t *sizes = MU_NEW_ARRAY(arena, uint32_t, n);
    for (uint32_t p = 0; p < n; p++) {
        of_part[p] = entity_index(snapshot, snapshot->state.parts[p].handle->part->entity);
        sizes[of_part[p]]++;
    }
    for (uint32_t e = 0; e < snapshot->n_entities; e++) {
        const mu_part **parts = MU_NEW_ARRAY(arena, const mu_part *, sizes[e]);
        const uint64_t **dead = MU_NEW_ARRAY(arena, const uint64_t *, sizes[e]);
        snapshot->part_rows[e] = MU_NEW_ARRAY(arena, uint32_t, sizes[e]);
        for (uint32_t p = 0; p < n; p++)
            if (of_part[p] == e)
                add_part(snapshot, e, p, parts, dead);
        snapshot->entities[e].parts = parts;
        snapshot->entities[e].dead = dead;
    }
}

mu_code mu_snapshot_new(const mu_state *state, mu_snapshot **out, mu_err *err)
{
    mu_snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (snapshot == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for a snapshot");
    atomic_init(&snapshot->n_holders, 1);
    mu_arena_init(&snapshot->arena, SIZE_MAX);
    hold_state(snapshot, state);
    group_by_entity(snapshot);
    *out = snapshot;
    return MU_OK;
}

/* -------- from the catalog -------- */

static mu_code open_part(const char *folder, const mu_catalog_part *row, const mu_snapshot *known,
                         mu_state_part *out, mu_err *err)
{
    uint32_t at = known == NULL ? UINT32_MAX : mu_snapshot_find_part(known, row->id);
    if (at != UINT32_MAX)
        out->handle = mu_part_handle_hold(known->state.parts[at].handle);
    else
        MU_TRY(mu_part_handle_open(folder, row, &out->handle, err));
    MU_TRY(mu_dead_rows_read(row, &out->durable, err));
    out->shown = mu_dead_rows_hold(out->durable);
    return MU_OK;
}

static mu_code open_all(const char *folder, const mu_catalog_state *from, const mu_snapshot *known,
                        mu_state *state, mu_state_part *parts, mu_err *err)
{
    if (known != NULL && mu_str_equal(known->state.schema->json, from->schema))
        state->schema = mu_schema_version_hold(known->state.schema);
    else
        MU_TRY(mu_schema_version_read(from->schema, &state->schema, err));
    if (from->has_mark) {
        mu_mark mark = {.next_sequence = from->mark.next_sequence, .state = from->mark.state};
        MU_TRY(mu_held_mark_new(&mark, &state->durable_mark, err));
    }
    for (uint32_t p = 0; p < from->n_parts; p++) {
        state->n_parts = p + 1;
        MU_TRY(open_part(folder, &from->parts[p], known, &parts[p], err));
    }
    return MU_OK;
}

mu_code mu_snapshot_read(const char *folder, const mu_catalog_state *from, const mu_snapshot *known,
                         mu_snapshot **out, mu_err *err)
{
    mu_state_part *parts = calloc((size_t)from->n_parts + 1, sizeof *parts);
    if (parts == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for a snapshot");
    mu_state state = {.generation = from->generation,
                      .n_counters = from->n_counters,
                      .counters = from->counters,
                      .parts = parts};
    mu_code code = open_all(folder, from, known, &state, parts, err);
    state.shown_mark = state.durable_mark;
    if (code == MU_OK)
        code = mu_snapshot_new(&state, out, err);
    for (uint32_t p = 0; p < state.n_parts; p++) {
        mu_part_handle_release(parts[p].handle);
        mu_dead_rows_release(parts[p].shown);
        mu_dead_rows_release(parts[p].durable);
    }
    free(parts);
    mu_schema_version_release(state.schema);
    mu_held_mark_release(state.durable_mark);
    return code;
}

mu_snapshot *mu_snapshot_hold(mu_snapshot *snapshot)
{
    atomic_fetch_add_explicit(&snapshot->n_holders, 1, memory_order_relaxed);
    return snapshot;
}

void mu_snapshot_release(mu_snapshot *snapshot)
{
    if (snapshot == NULL ||
        atomic_fetch_sub_explicit(&snapshot->n_holders, 1, memory_order_acq_rel) != 1)
        return;
    const mu_state *state = &snapshot->state;
    for (uint32_t p = 0; p < state->n_parts; p++) {
        mu_part_handle_release(state->parts[p].handle);
        mu_dead_rows_release(state->parts[p].shown);
        mu_dead_rows_release(state->parts[p].durable);
    }
    mu_schema_version_release(state->schema);
    mu_held_mark_release(state->shown_mark);
    mu_held_mark_release(state->durable_mark);
    mu_arena_free(&snapshot->arena);
    free(snapshot);
}

/* -------- looking -------- */

uint32_t mu_snapshot_find_part(const mu_snapshot *snapshot, uint64_t id)
{
    uint32_t low = 0, high = snapshot->state.n_parts;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (snapshot->state.parts[middle].handle->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    bool is_there = low < snapshot->state.n_parts && snapshot->state.parts[low].handle->id == id;
    return is_there ? low : UINT32_MAX;
}

const mu_schema *mu_snapshot_schema(const mu_snapshot *snapshot)
{
    return snapshot->state.schema->schema;
}

uint32_t mu_snapshot_entity_count(const mu_snapshot *snapshot)
{
    return snapshot->n_entities;
}

const mu_entity *mu_snapshot_entity_at(const mu_snapshot *snapshot, uint32_t index)
{
    MU_ASSERT(index < snapshot->n_entities);
    return &snapshot->entities[index];
}

const mu_entity *mu_snapshot_entity(const mu_snapshot *snapshot, mu_str name)
{
    for (uint32_t e = 0; e < snapshot->n_entities; e++)
        if (mu_str_equal(snapshot->entities[e].name, name))
            return &snapshot->entities[e];
    return NULL;
}

uint64_t mu_snapshot_memory_bytes(const mu_snapshot *snapshot)
{
    return snapshot->memory_bytes;
}

uint32_t mu_snapshot_next_pid(const mu_snapshot *snapshot, mu_str entity)
{
    const mu_state *state = &snapshot->state;
    for (uint32_t c = 0; c < state->n_counters; c++)
        if (mu_str_equal(state->counters[c].entity, entity))
            return state->counters[c].next_pid;
    return 1;
}

mu_mark mu_snapshot_mark(const mu_snapshot *snapshot)
{
    mu_mark mark = {.state = MU_STR("")};
    if (snapshot->state.shown_mark != NULL)
        mark = snapshot->state.shown_mark->mark;
    uint32_t next_pid = mu_snapshot_next_pid(snapshot, MU_STR("profile"));
    if (next_pid > 1 && next_pid > mark.next_pid)
        mark.next_pid = next_pid;
    return mark;
}

/* -------- looking rows up -------- */

static mu_code find_in_part(const mu_part *part, const uint64_t *dead, mu_identity wanted,
                            uint64_t hash, bool *found, uint32_t *row, mu_err *err)
{
    uint32_t cursor = UINT32_MAX, candidate;
    for (;;) {
        mu_identity identity;
        MU_TRY(mu_part_find_hash(part, hash, &cursor, found, &candidate, err));
        if (!*found)
            return MU_OK;
        if (dead != NULL && mu_bit_get(dead, candidate))
            continue;
        MU_TRY(mu_part_identity(part, candidate, &identity, err));
        if (mu_str_equal(identity.namespace_code, wanted.namespace_code) &&
            mu_str_equal(identity.value, wanted.value))
            break;
    }
    *row = candidate;
    return MU_OK;
}

mu_code mu_entity_find(const mu_entity *entity, mu_identity identity, bool *found,
                       mu_row_place *out, mu_err *err)
{
    uint64_t hash = mu_identity_hash(identity);
    for (uint32_t p = entity->n_parts; p-- > 0;) {
        bool is_here = false;
        uint32_t row = 0;
        MU_TRY(
            find_in_part(entity->parts[p], entity->dead[p], identity, hash, &is_here, &row, err));
        if (!is_here)
            continue;
        *out = (mu_row_place){.part = p, .row = row};
        *found = true;
        return MU_OK;
    }
    *found = false;
    return MU_OK;
}

mu_code mu_entity_find_pid(const mu_entity *entity, uint32_t pid, bool *found, mu_row_place *out,
                           mu_err *err)
{
    for (uint32_t p = entity->n_parts; p-- > 0;) {
        bool is_here = false;
        uint32_t row = 0;
        MU_TRY(mu_part_find_pid(entity->parts[p], pid, &is_here, &row, err));
        if (!is_here || (entity->dead[p] != NULL && mu_bit_get(entity->dead[p], row)))
            continue;
        *out = (mu_row_place){.part = p, .row = row};
        *found = true;
        return MU_OK;
    }
    *found = false;
    return MU_OK;
}
