#include "store/change_int.h"

/* The parts in memory of an entity. */
static uint32_t find_sources(const mu_snapshot *base, uint32_t e, uint32_t *out)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < base->entities[e].n_parts; i++) {
        uint32_t p = base->part_rows[e][i];
        if (mu_part_handle_is_in_memory(base->state.parts[p].handle))
            out[n++] = p;
    }
    return n;
}

static bool has_anything(const mu_snapshot *base)
{
    const mu_state *state = &base->state;
    bool has = state->shown_mark != state->durable_mark;
    for (uint32_t p = 0; p < state->n_parts; p++)
        has |= mu_part_handle_is_in_memory(state->parts[p].handle) ||
               state->parts[p].shown != state->parts[p].durable;
    return has;
}

static mu_code fill(mu_change *change, mu_err *err)
{
    const mu_snapshot *base = change->base;
    const mu_state *state = &base->state;
    uint32_t *sources = MU_NEW_ARRAY(&change->arena, uint32_t, state->n_parts);
    for (uint32_t p = 0; p < state->n_parts; p++) {
        const mu_state_part *part = &state->parts[p];
        if (!mu_part_handle_is_in_memory(part->handle) && part->shown != part->durable)
            MU_TRY(mu_row_list_add_difference(&change->killed[p], part->handle->part, part->shown,
                                              part->durable, err));
    }
    for (uint32_t e = 0; e < base->n_entities; e++) {
        uint32_t n = find_sources(base, e, sources);
        if (n > 0)
            MU_TRY(mu_change_copy_parts(change, n, sources, err));
    }
    return MU_OK;
}

static mu_code fold(mu_store *store, const mu_pace *pace, mu_err *err)
{
    static const mu_pace plain_pace;
    mu_change *change;
    MU_TRY(mu_change_begin_kind(store, MU_CHANGE_FOLD, &change, err));
    change->pace = pace == NULL ? &plain_pace : pace;
    if (!has_anything(change->base)) {
        mu_change_abort(change);
        return MU_OK;
    }
    mu_code code = fill(change, err);
    if (code != MU_OK) {
        mu_change_abort(change);
        return code;
    }
    return mu_change_commit(change, err);
}

mu_code mu_store_fold(mu_store *store, const mu_pace *pace, mu_err *err)
{
    pthread_mutex_lock(&store->moving);
    mu_code code = fold(store, pace, err);
    pthread_mutex_unlock(&store->moving);
    return code;
}
