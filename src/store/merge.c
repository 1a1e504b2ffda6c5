/* Which parts on disk are rewritten, and when: docs/decisions/0130. */
#include "store/change_int.h"

#include <stdlib.h>

/* A tier holds parts of up to TIER_FACTOR times the bytes of the tier before. */
#define TIER_BYTES     ((uint64_t)8 << 20) /* of the first on disk, */
#define MEMORY_BYTES   ((uint64_t)1 << 18) /* and in memory */
#define TIER_FACTOR    8u
#define TIER_PARTS     8u                  /* so many in a tier are reason to merge: */
#define MERGED_MIN     4u                  /* at least so many of them, the smallest first, */
#define MERGED_MAX     ((uint64_t)1 << 30) /* while they have no more live bytes together */
#define DEAD_SHARE_MAX 2u                  /* a part of which one row in so many is dead goes */

static uint32_t live_rows(const mu_state_part *part)
{
    bool is_in_memory = mu_part_handle_is_in_memory(part->handle);
    uint32_t n_dead = mu_dead_rows_count(is_in_memory ? part->shown : part->durable);
    return part->handle->part->footer.n_rows - n_dead;
}

static uint64_t live_bytes(const mu_state_part *part)
{
    const mu_part_footer *footer = &part->handle->part->footer;
    return (uint64_t)((double)footer->file_size * (double)live_rows(part) / (double)footer->n_rows);
}

static uint32_t tier_of(uint64_t bytes, bool in_memory)
{
    uint32_t tier = 0;
    for (uint64_t end = in_memory ? MEMORY_BYTES : TIER_BYTES; bytes >= end && end < MERGED_MAX;
         end *= TIER_FACTOR)
        tier++;
    return tier;
}

static bool is_mostly_dead(const mu_state_part *part)
{
    uint64_t n_dead = mu_dead_rows_count(part->durable);
    return n_dead * DEAD_SHARE_MAX >= part->handle->part->footer.n_rows;
}

/* Parts by live bytes. */
typedef struct sized_part {
    uint64_t bytes;
    uint32_t n_rows, part;
} sized_part;

static int compare_sizes(const void *a, const void *b)
{
    uint64_t x = ((const sized_part *)a)->bytes, y = ((const sized_part *)b)->bytes;
    return (x > y) - (x < y);
}

/* All parts of an entity that may be merged, on disk or in memory, the smallest first. */
static uint32_t sort_parts(const mu_snapshot *base, uint32_t e, bool in_memory, sized_part *out)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < base->entities[e].n_parts; i++) {
        uint32_t p = base->part_rows[e][i];
        const mu_state_part *part = &base->state.parts[p];
        uint64_t bytes = live_bytes(part);
        if (mu_part_handle_is_in_memory(part->handle) == in_memory && bytes < MERGED_MAX)
            out[n++] = (sized_part){bytes, live_rows(part), p};
    }
    if (n > 1)
        qsort(out, n, sizeof *out, compare_sizes);
    return n;
}

/* The first of some parts, as many as make one part of at most `rows_max` rows. */
static uint32_t take_parts(uint32_t n, const sized_part *sorted, uint64_t rows_max, uint32_t *out)
{
    uint64_t bytes = 0, n_rows = 0;
    for (uint32_t i = 0; i < n; i++) {
        bytes += sorted[i].bytes;
        n_rows += sorted[i].n_rows;
        if (bytes > MERGED_MAX || n_rows > rows_max)
            return i;
        out[i] = sorted[i].part;
    }
    return n;
}

/* The smallest parts of the lowest tier that is full and has enough that make one part; none when
 * there is no such tier. */
static uint32_t pick_tier(uint32_t n, const sized_part *sorted, bool in_memory, uint64_t rows_max,
                          uint32_t *out)
{
    for (uint32_t begin = 0, end; begin < n; begin = end) {
        end = begin;
        while (end < n &&
               tier_of(sorted[end].bytes, in_memory) == tier_of(sorted[begin].bytes, in_memory))
            end++;
        if (end - begin < TIER_PARTS)
            continue;
        uint32_t n_taken = take_parts(end - begin, sorted + begin, rows_max, out);
        if (n_taken >= MERGED_MIN)
            return n_taken;
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

static uint32_t pick_to_merge(mu_change *change, uint32_t *out)
{
    uint32_t n = 0;
    const mu_snapshot *base = change->base;
    bool in_memory = mu_change_is_in_memory(change);
    sized_part *sorted = MU_NEW_ARRAY(&change->arena, sized_part, base->state.n_parts);
    for (uint32_t e = 0; n == 0 && e < base->n_entities; e++) {
        n = pick_tier(sort_parts(base, e, in_memory, sorted), sorted, in_memory,
                      change->store->part_rows_max, out);
        if (n == 0 && !in_memory)
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

static mu_code merge_kind(mu_store *store, mu_change_kind kind, const mu_pace *pace, bool *merged,
                          mu_err *err)
{
    mu_change *change;
    MU_TRY(mu_change_begin_kind(store, kind, &change, err));
    uint32_t *parts = MU_NEW_ARRAY(&change->arena, uint32_t, change->base->state.n_parts + 1);
    uint32_t n = pick_to_merge(change, parts);
    MU_TRY(rewrite(change, pace, n, parts, err));
    *merged = n > 0;
    return MU_OK;
}

mu_code mu_store_merge(mu_store *store, const mu_pace *pace, bool *merged, mu_err *err)
{
    bool is_joined = false, is_merged = false;
    /* A fold empties the memory anyway. */
    if (pthread_mutex_trylock(&store->moving) == 0) {
        mu_code code = merge_kind(store, MU_CHANGE_JOIN, pace, &is_joined, err);
        pthread_mutex_unlock(&store->moving);
        MU_TRY(code);
    }
    if (!is_joined)
        MU_TRY(merge_kind(store, MU_CHANGE_REWRITE, pace, &is_merged, err));
    *merged = is_joined || is_merged;
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
