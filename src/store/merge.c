/* Which parts on disk are rewritten, and when: docs/decisions/0130. */
#include "store/change_int.h"

/* A tier holds parts of up to TIER_FACTOR times the bytes of the tier before. */
#define TIER_BYTES     ((uint64_t)8 << 20) /* of the first */
#define TIER_FACTOR    8u
#define TIER_PARTS     8u                  /* of one tier are merged into one */
#define MERGED_MAX     ((uint64_t)1 << 30) /* live bytes: parts of this size are merged no more */
#define DEAD_SHARE_MAX 2u                  /* a part of which one row in so many is dead goes */

static uint64_t live_bytes(const mu_state_part *part)
{
    const mu_part_footer *footer = &part->handle->part->footer;
    uint64_t live = footer->n_rows - mu_dead_rows_count(part->durable);
    return (uint64_t)((double)footer->file_size * (double)live / (double)footer->n_rows);
}

static uint32_t tier_of(uint64_t bytes)
{
    uint32_t tier = 0;
    for (uint64_t end = TIER_BYTES; bytes >= end && end < MERGED_MAX; end *= TIER_FACTOR)
        tier++;
    return tier;
}

static bool is_mostly_dead(const mu_state_part *part)
{
    uint64_t n_dead = mu_dead_rows_count(part->durable);
    return n_dead * DEAD_SHARE_MAX >= part->handle->part->footer.n_rows;
}

/* The parts of an entity to merge: those of the lowest tier that is full; none when there is none.
 */
static uint32_t pick_tier(const mu_snapshot *base, uint32_t e, uint32_t *out)
{
    const mu_entity *entity = &base->entities[e];
    uint32_t n_tiers = tier_of(MERGED_MAX) + 1;
    for (uint32_t tier = 0; tier < n_tiers; tier++) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < entity->n_parts; i++) {
            const mu_state_part *part = &base->state.parts[base->part_rows[e][i]];
            uint64_t bytes = live_bytes(part);
            if (!mu_part_handle_is_in_memory(part->handle) && bytes < MERGED_MAX &&
                tier_of(bytes) == tier)
                out[n++] = base->part_rows[e][i];
        }
        if (n >= TIER_PARTS)
            return n;
    }
    return 0;
}

/* The first part that is mostly dead. */
static uint32_t pick_dead(const mu_snapshot *base, uint32_t e, uint32_t *out)
{
    for (uint32_t i = 0; i < base->entities[e].n_parts; i++) {
        const mu_state_part *part = &base->state.parts[base->part_rows[e][i]];
        if (mu_part_handle_is_in_memory(part->handle) || !is_mostly_dead(part))
            continue;
        out[0] = base->part_rows[e][i];
        return 1;
    }
    return 0;
}

static uint32_t pick_to_merge(const mu_snapshot *base, uint32_t *out)
{
    uint32_t n = 0;
    for (uint32_t e = 0; n == 0 && e < base->n_entities; e++) {
        n = pick_tier(base, e, out);
        if (n == 0)
            n = pick_dead(base, e, out);
    }
    return n;
}

/* One change that rewrites parts of its base into new ones. */
static mu_code rewrite(mu_change *change, const mu_pace *pace, uint32_t n, const uint32_t *parts,
                       mu_err *err)
{
    static const mu_pace plain_pace;
    change->pace = pace == NULL ? &plain_pace : pace;
    mu_code code = n == 0 ? MU_OK : mu_change_copy_parts(change, n, parts, err);
    if (code == MU_OK && n > 0)
        return mu_change_commit(change, err);
    mu_change_abort(change);
    return code;
}

mu_code mu_store_merge(mu_store *store, const mu_pace *pace, bool *merged, mu_err *err)
{
    mu_change *change;
    MU_TRY(mu_change_begin_kind(store, MU_CHANGE_REWRITE, &change, err));
    uint32_t *parts = MU_NEW_ARRAY(&change->arena, uint32_t, change->base->state.n_parts + 1);
    uint32_t n = pick_to_merge(change->base, parts);
    MU_TRY(rewrite(change, pace, n, parts, err));
    *merged = n > 0;
    return MU_OK;
}

static mu_code purge_part(mu_store *store, const mu_pace *pace, uint64_t id, mu_err *err)
{
    mu_change *change;
    MU_TRY(mu_change_begin_kind(store, MU_CHANGE_REWRITE, &change, err));
    uint32_t part = mu_snapshot_find_part(change->base, id);
    return rewrite(change, pace, part != UINT32_MAX, &part, err);
}

/* Each part by itself, so that what must be kept beside the old parts is small. Parts that are made
 * meanwhile hold only rows that were live, and are left alone: the purge ends. */
mu_code mu_store_purge(mu_store *store, const mu_pace *pace, mu_err *err)
{
    mu_code code = MU_OK;
    mu_snapshot *start = mu_store_current(store);
    const mu_state *state = &start->state;
    for (uint32_t p = 0; code == MU_OK && p < state->n_parts; p++)
        if (mu_dead_rows_count(state->parts[p].durable) > 0)
            code = purge_part(store, pace, state->parts[p].handle->id, err);
    mu_snapshot_release(start);
    return code;
}
