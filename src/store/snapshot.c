#include "store/store_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

mu_code mu_store_path(const char *folder, const char *name, char out[MU_PATH_MAX], mu_err *err)
{
    int len = snprintf(out, MU_PATH_MAX, "%s/%s", folder, name);
    if (len < 0 || len >= MU_PATH_MAX)
        return mu_fail(err, MU_E_INPUT, "the name of the data folder is too long");
    return MU_OK;
}

mu_code mu_part_path(const char *folder, uint64_t id, char out[MU_PATH_MAX], mu_err *err)
{
    char name[64];
    snprintf(name, sizeof name, "parts/%016" PRIx64 ".part", id);
    return mu_store_path(folder, name, out, err);
}

/* -------- parts -------- */

mu_code mu_part_handle_open(const char *folder, const mu_catalog_part *row, mu_part_handle **out,
                            mu_err *err)
{
    char path[MU_PATH_MAX];
    mu_part *part;
    MU_TRY(mu_part_path(folder, row->id, path, err));
    MU_TRY(mu_part_open(path, &part, err));
    const mu_part_footer *footer = &part->footer;
    if (footer->part_id != row->id || footer->file_size != row->n_bytes ||
        footer->checksum != row->footer_checksum || footer->n_rows != row->n_rows ||
        footer->n_events != row->n_events || !mu_str_equal(part->entity, row->entity)) {
        mu_part_close(part);
        return mu_fail(err, MU_E_CORRUPT, "%s is not the part that the catalog lists", path);
    }
    mu_part_handle *handle = malloc(sizeof *handle);
    if (handle == NULL) {
        mu_part_close(part);
        return mu_fail(err, MU_E_NOMEM, "out of memory for opening %s", path);
    }
    *handle = (mu_part_handle){.part = part, .id = row->id, .n_holders = 1};
    *out = handle;
    return MU_OK;
}

mu_part_handle *mu_part_handle_hold(mu_part_handle *handle)
{
    atomic_fetch_add_explicit(&handle->n_holders, 1, memory_order_relaxed);
    return handle;
}

void mu_part_handle_release(mu_part_handle *handle)
{
    if (handle == NULL ||
        atomic_fetch_sub_explicit(&handle->n_holders, 1, memory_order_acq_rel) != 1)
        return;
    mu_part_close(handle->part);
    free(handle);
}

/* -------- making a snapshot -------- */

static void copy_state(mu_snapshot *snapshot, const mu_catalog_state *state)
{
    mu_arena *arena = &snapshot->arena;
    mu_catalog_part *parts = MU_NEW_ARRAY(arena, mu_catalog_part, state->n_parts);
    for (uint32_t p = 0; p < state->n_parts; p++) {
        parts[p] = state->parts[p];
        parts[p].entity = mu_arena_copy(arena, state->parts[p].entity);
        parts[p].dead = mu_arena_copy(arena, state->parts[p].dead);
    }
    mu_catalog_counter *counters = MU_NEW_ARRAY(arena, mu_catalog_counter, state->n_counters);
    for (uint32_t c = 0; c < state->n_counters; c++)
        counters[c] = (mu_catalog_counter){mu_arena_copy(arena, state->counters[c].entity),
                                           state->counters[c].next_pid};
    snapshot->state = *state;
    snapshot->state.schema = mu_arena_copy(arena, state->schema);
    snapshot->state.parts = parts;
    snapshot->state.counters = counters;
}

static mu_code read_schema(mu_snapshot *snapshot, mu_err *err)
{
    mu_arena *arena = &snapshot->arena;
    if (snapshot->state.schema.len == 0) {
        snapshot->schema = mu_schema_builtin(arena);
        return MU_OK;
    }
    mu_json json;
    mu_err reason;
    mu_json_reader *reader = mu_json_reader_new();
    mu_code code = mu_json_read(reader, arena, snapshot->state.schema, &json, &reason);
    if (code == MU_OK)
        code = mu_schema_read(arena, &json, &snapshot->schema, &reason);
    mu_json_reader_free(reader);
    if (code != MU_OK)
        return mu_fail(err, MU_E_CORRUPT, "the stored schema cannot be read: %.400s", reason.text);
    return MU_OK;
}

static mu_part_handle *find_known(uint64_t id, uint32_t n_known, mu_part_handle *const *known)
{
    for (uint32_t k = 0; k < n_known; k++)
        if (known[k] != NULL && known[k]->id == id)
            return known[k];
    return NULL;
}

static mu_code open_parts(mu_snapshot *snapshot, const char *folder, uint32_t n_known,
                          mu_part_handle *const *known, mu_err *err)
{
    const mu_catalog_state *state = &snapshot->state;
    snapshot->handles = MU_NEW_ARRAY(&snapshot->arena, mu_part_handle *, state->n_parts);
    for (uint32_t p = 0; p < state->n_parts; p++) {
        mu_part_handle *handle = find_known(state->parts[p].id, n_known, known);
        if (handle != NULL)
            snapshot->handles[p] = mu_part_handle_hold(handle);
        else
            MU_TRY(mu_part_handle_open(folder, &state->parts[p], &snapshot->handles[p], err));
    }
    return MU_OK;
}

static uint32_t entity_index(mu_snapshot *snapshot, mu_str name)
{
    for (uint32_t e = 0; e < snapshot->n_entities; e++)
        if (mu_str_equal(snapshot->entities[e].name, name))
            return e;
    snapshot->entities[snapshot->n_entities].name = name;
    return snapshot->n_entities++;
}

/* Parts lie in the order of their ids within each entity: the newest last. */
static void group_by_entity(mu_snapshot *snapshot)
{
    mu_arena *arena = &snapshot->arena;
    const mu_catalog_state *state = &snapshot->state;
    uint32_t n = state->n_parts;
    snapshot->entities = MU_NEW_ARRAY(arena, mu_entity, n);
    snapshot->part_rows = MU_NEW_ARRAY(arena, uint32_t *, n);
    uint32_t *of_part = MU_NEW_ARRAY(arena, uint32_t, n);
    for (uint32_t p = 0; p < n; p++) {
        of_part[p] = entity_index(snapshot, state->parts[p].entity);
        snapshot->entities[of_part[p]].n_parts++;
    }
    for (uint32_t e = 0; e < snapshot->n_entities; e++) {
        mu_entity *entity = &snapshot->entities[e];
        const mu_part **parts = MU_NEW_ARRAY(arena, const mu_part *, entity->n_parts);
        const uint64_t **dead = MU_NEW_ARRAY(arena, const uint64_t *, entity->n_parts);
        uint32_t *rows = MU_NEW_ARRAY(arena, uint32_t, entity->n_parts);
        uint32_t filled = 0;
        for (uint32_t p = 0; p < n; p++) {
            const mu_catalog_part *row = &state->parts[p];
            if (of_part[p] != e)
                continue;
            parts[filled] = snapshot->handles[p]->part;
            dead[filled] = row->n_dead == 0 ? NULL : (const uint64_t *)(const void *)row->dead.ptr;
            rows[filled++] = p;
            entity->n_rows += row->n_rows - row->n_dead;
            entity->n_events += row->n_events - row->n_dead_events;
        }
        entity->parts = parts;
        entity->dead = dead;
        snapshot->part_rows[e] = rows;
    }
}

mu_code mu_snapshot_new(const char *folder, const mu_catalog_state *state, uint32_t n_known,
                        mu_part_handle *const *known, mu_snapshot **out, mu_err *err)
{
    mu_snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (snapshot == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for a snapshot");
    atomic_init(&snapshot->n_holders, 1);
    mu_arena_init(&snapshot->arena, SIZE_MAX);
    copy_state(snapshot, state);
    mu_code code = read_schema(snapshot, err);
    if (code == MU_OK)
        code = open_parts(snapshot, folder, n_known, known, err);
    if (code != MU_OK) {
        mu_snapshot_release(snapshot);
        return code;
    }
    group_by_entity(snapshot);
    *out = snapshot;
    return MU_OK;
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
    for (uint32_t p = 0; snapshot->handles != NULL && p < snapshot->state.n_parts; p++)
        mu_part_handle_release(snapshot->handles[p]);
    mu_arena_free(&snapshot->arena);
    free(snapshot);
}

/* -------- looking -------- */

const mu_schema *mu_snapshot_schema(const mu_snapshot *snapshot)
{
    return snapshot->schema;
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
