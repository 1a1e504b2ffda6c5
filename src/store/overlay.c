/* overlay.c -- a snapshot in which other rows, in memory, stand for some of another one's. */
#include "store/part_writer.h"
#include "store/store_int.h"

#include <stdio.h>
#include <stdlib.h>

/* The rows hidden in one part of the base. */
typedef struct hidden_rows {
    mu_dead_row *rows;
    size_t n, capacity;
} hidden_rows;

struct mu_overlay {
    mu_snapshot *base;
    uint32_t entity;     /* of the base; its n_entities when it has none of that name */
    hidden_rows *hidden; /* per part of the base's state */
    mu_part_writer *writer;
    uint32_t n_added;
    uint32_t first_divided, n_divided;
    uint32_t *owners;
};

/* Larger than any part's of the base, so that the new part comes last. */
static uint64_t next_part_id(const mu_snapshot *base)
{
    uint32_t n = base->state.n_parts;
    return n == 0 ? 1 : base->state.parts[n - 1].handle->id + 1;
}

mu_code mu_overlay_begin(mu_snapshot *base, mu_str entity, mu_overlay **out, mu_err *err)
{
    const mu_type *type = mu_schema_entity_type(mu_snapshot_schema(base), entity);
    if (type == NULL)
        return mu_fail(err, MU_E_NOT_FOUND, "the schema has no \"" MU_STR_FMT "\"",
                       MU_STR_ARG(entity));
    mu_overlay *overlay = calloc(1, sizeof *overlay);
    hidden_rows *hidden = calloc((size_t)base->state.n_parts + 1, sizeof *hidden);
    if (overlay == NULL || hidden == NULL) {
        free(overlay);
        free(hidden);
        return mu_fail(err, MU_E_NOMEM, "out of memory for other rows");
    }
    *overlay = (mu_overlay){.base = mu_snapshot_hold(base), .hidden = hidden};
    while (overlay->entity < base->n_entities &&
           !mu_str_equal(base->entities[overlay->entity].name, entity))
        overlay->entity++;
    mu_code code = mu_part_writer_create_in_memory("other rows in memory", next_part_id(base),
                                                   entity, type, NULL, &overlay->writer, err);
    if (code != MU_OK) {
        mu_overlay_abandon(overlay);
        return code;
    }
    *out = overlay;
    return MU_OK;
}

void mu_overlay_abandon(mu_overlay *overlay)
{
    if (overlay == NULL)
        return;
    if (overlay->writer != NULL)
        mu_part_writer_discard(overlay->writer);
    for (uint32_t p = 0; p < overlay->base->state.n_parts; p++)
        free(overlay->hidden[p].rows);
    free(overlay->hidden);
    free(overlay->owners);
    mu_snapshot_release(overlay->base);
    free(overlay);
}

mu_code mu_overlay_hide(mu_overlay *overlay, mu_row_place place, mu_err *err)
{
    const mu_snapshot *base = overlay->base;
    if (overlay->entity == base->n_entities ||
        place.part >= base->entities[overlay->entity].n_parts ||
        place.row >= mu_part_rows(base->entities[overlay->entity].parts[place.part]))
        return mu_fail(err, MU_E_NOT_FOUND, "there is no such row to hide");
    uint32_t p = base->part_rows[overlay->entity][place.part];
    hidden_rows *hidden = &overlay->hidden[p];
    mu_dead_row row = {.row = place.row};
    MU_TRY(mu_part_events_of_row(base->state.parts[p].handle->part, row.row, &row.n_events, err));
    if (hidden->n == hidden->capacity) {
        size_t capacity = hidden->capacity == 0 ? 64 : hidden->capacity * 2;
        mu_dead_row *rows = reallocarray(hidden->rows, capacity, sizeof *rows);
        if (rows == NULL)
            return mu_fail(err, MU_E_NOMEM, "out of memory for hidden rows");
        hidden->rows = rows;
        hidden->capacity = capacity;
    }
    hidden->rows[hidden->n++] = row;
    return MU_OK;
}

mu_code mu_overlay_add(mu_overlay *overlay, uint32_t pid, mu_identity identity, mu_value row,
                       mu_err *err)
{
    MU_TRY(mu_part_writer_add(overlay->writer, pid, identity, row, err));
    overlay->n_added++;
    return MU_OK;
}

void mu_overlay_divide(mu_overlay *overlay, uint32_t first_pid, uint32_t n, const uint32_t *owners)
{
    overlay->owners = malloc((size_t)n * sizeof *owners + 1);
    MU_ASSERT(overlay->owners != NULL);
    if (n > 0)
        memcpy(overlay->owners, owners, n * sizeof *owners);
    overlay->first_divided = first_pid;
    overlay->n_divided = n;
}

uint32_t mu_snapshot_owner_pid(const mu_snapshot *snapshot, uint32_t pid)
{
    bool is_divided =
        pid >= snapshot->first_divided && pid - snapshot->first_divided < snapshot->n_divided;
    return is_divided ? snapshot->owners[pid - snapshot->first_divided] : pid;
}

bool mu_snapshot_is_divided(const mu_snapshot *snapshot)
{
    return snapshot->n_divided > 0;
}

/* Takes the writer. */
static mu_code seal(mu_overlay *overlay, mu_part_handle **out, mu_err *err)
{
    mu_mapping bytes;
    mu_part *part;
    mu_part_writer *writer = overlay->writer;
    uint64_t id = mu_part_writer_id(writer);
    uint32_t max_pid = mu_part_writer_max_pid(writer);
    overlay->writer = NULL;
    MU_TRY(mu_part_writer_seal_in_memory(writer, &bytes, err));
    MU_TRY(mu_part_open_memory(bytes, "other rows in memory", &part, err));
    MU_TRY(mu_part_handle_new(part, id, out, err));
    (*out)->max_pid = max_pid;
    return MU_OK;
}

/* parts[i].shown of *n_set parts is held. */
static mu_code hide_all(const mu_overlay *overlay, mu_state_part *parts, uint32_t *n_set,
                        mu_err *err)
{
    const mu_state *state = &overlay->base->state;
    for (uint32_t p = 0; p < state->n_parts; p++) {
        const hidden_rows *hidden = &overlay->hidden[p];
        parts[p] = state->parts[p];
        MU_TRY(mu_dead_rows_with(state->parts[p].shown, parts[p].handle->part, hidden->n,
                                 hidden->rows, &parts[p].shown, err));
        *n_set = p + 1;
    }
    return MU_OK;
}

static mu_code make_snapshot(mu_overlay *overlay, mu_part_handle *added, mu_snapshot **out,
                             mu_err *err)
{
    mu_state state = overlay->base->state;
    uint32_t n_set = 0, n_base = state.n_parts;
    mu_state_part *parts = calloc((size_t)n_base + 1, sizeof *parts);
    if (parts == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for a snapshot");
    mu_code code = hide_all(overlay, parts, &n_set, err);
    if (added != NULL)
        parts[n_base] = (mu_state_part){.handle = added};
    state.parts = parts;
    state.n_parts = n_base + (added != NULL);
    if (code == MU_OK)
        code = mu_snapshot_new(&state, out, err);
    if (code == MU_OK && overlay->n_divided > 0) {
        (*out)->first_divided = overlay->first_divided;
        (*out)->n_divided = overlay->n_divided;
        (*out)->owners = MU_NEW_ARRAY(&(*out)->arena, uint32_t, overlay->n_divided);
        memcpy((*out)->owners, overlay->owners, overlay->n_divided * sizeof *overlay->owners);
    }
    for (uint32_t p = 0; p < n_set; p++)
        mu_dead_rows_release(parts[p].shown);
    free(parts);
    return code;
}

mu_code mu_overlay_finish(mu_overlay *overlay, mu_snapshot **out, mu_err *err)
{
    mu_part_handle *added = NULL;
    mu_code code = overlay->n_added == 0 ? MU_OK : seal(overlay, &added, err);
    if (code == MU_OK)
        code = make_snapshot(overlay, added, out, err);
    mu_part_handle_release(added);
    mu_overlay_abandon(overlay);
    return code;
}
