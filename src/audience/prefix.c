/* prefix.c -- counts that are exact for all rows below some hash, whatever order blocks of whatever
 * parts come in. */
#include "audience/estimate_int.h"

#include "base/bits.h"
#include "base/hash.h"
#include "live/columns.h"

#include <stdlib.h>

#define BUCKET_SHIFT 20u /* 32 bits of hash, 12 of bucket */
_Static_assert(MU_PREFIX_BUCKETS == 1u << (32 - BUCKET_SHIFT), "buckets are the upper bits");

/* A worker's own counts per bucket; whoever completes a bucket adds them up, under the lock that
 * the workers took after counting. */
typedef struct worker_counts {
    uint32_t *live, *matched;
    /* NULL until one is seen: made by the worker at any time, so others read these pointers as
     * atomics, with acquire for the zeroed memory behind them. */
    uint32_t **namespaces;
} worker_counts;

struct mu_prefix {
    const mu_entity *profiles;
    uint32_t n_namespaces;
    const mu_str *codes;
    unsigned n_workers;
    worker_counts *workers;
    pthread_mutex_t lock; /* guards the rest */
    uint32_t *pending;    /* blocks per bucket that were not added yet */
    uint32_t frontier;    /* buckets below it are complete */
    uint64_t n_read, n_matched, *n_by_namespace;
    mu_arena arena;
};

static uint32_t bucket_of(uint32_t pid)
{
    return mu_mix32(pid) >> BUCKET_SHIFT;
}

/* -------- blocks that are expected -------- */

static mu_code block_buckets(const mu_part *part, uint32_t block, uint32_t *first, uint32_t *last,
                             mu_err *err)
{
    const uint32_t *pids;
    MU_TRY(mu_part_pids(part, block, &pids, err));
    *first = bucket_of(pids[0]);
    *last = bucket_of(pids[mu_part_block(part, block).n_rows - 1]);
    return MU_OK;
}

static mu_code expect_blocks(mu_prefix *prefix, mu_err *err)
{
    for (uint32_t p = 0; p < prefix->profiles->n_parts; p++) {
        const mu_part *part = prefix->profiles->parts[p];
        for (uint32_t b = 0; b < mu_part_block_count(part); b++) {
            uint32_t first, last;
            MU_TRY(block_buckets(part, b, &first, &last, err));
            for (uint32_t bucket = first; bucket <= last; bucket++)
                prefix->pending[bucket]++;
        }
    }
    return MU_OK;
}

/* Takes in the buckets that became complete. */
static void advance(mu_prefix *prefix)
{
    while (prefix->frontier < MU_PREFIX_BUCKETS && prefix->pending[prefix->frontier] == 0) {
        uint32_t bucket = prefix->frontier++;
        for (unsigned w = 0; w < prefix->n_workers; w++) {
            const worker_counts *counts = &prefix->workers[w];
            prefix->n_read += counts->live[bucket];
            prefix->n_matched += counts->matched[bucket];
            for (uint32_t i = 0; i < prefix->n_namespaces; i++) {
                const uint32_t *seen = __atomic_load_n(&counts->namespaces[i], __ATOMIC_ACQUIRE);
                prefix->n_by_namespace[i] += seen == NULL ? 0 : seen[bucket];
            }
        }
    }
}

mu_code mu_prefix_new(const mu_entity *profiles, unsigned n_workers, uint32_t n_namespaces,
                      const mu_str *codes, mu_prefix **out, mu_err *err)
{
    mu_prefix *prefix = calloc(1, sizeof *prefix);
    if (prefix == NULL)
        return mu_fail(err, MU_E_NOMEM, "no memory for the counts of an estimate");
    prefix->profiles = profiles;
    prefix->n_namespaces = n_namespaces;
    prefix->codes = codes;
    prefix->n_workers = n_workers;
    pthread_mutex_init(&prefix->lock, NULL);
    mu_arena *arena = &prefix->arena;
    mu_arena_init(arena, SIZE_MAX);
    prefix->pending = MU_NEW_ARRAY(arena, uint32_t, MU_PREFIX_BUCKETS);
    prefix->n_by_namespace = MU_NEW_ARRAY(arena, uint64_t, (size_t)n_namespaces + 1);
    prefix->workers = MU_NEW_ARRAY(arena, worker_counts, n_workers);
    for (unsigned w = 0; w < n_workers; w++) {
        prefix->workers[w] = (worker_counts){
            .live = MU_NEW_ARRAY(arena, uint32_t, MU_PREFIX_BUCKETS),
            .matched = MU_NEW_ARRAY(arena, uint32_t, MU_PREFIX_BUCKETS),
            .namespaces = MU_NEW_ARRAY(arena, uint32_t *, (size_t)n_namespaces + 1)};
    }
    mu_code code = profiles == NULL ? MU_OK : expect_blocks(prefix, err);
    if (code != MU_OK) {
        mu_prefix_free(prefix);
        return code;
    }
    advance(prefix);
    *out = prefix;
    return MU_OK;
}

void mu_prefix_free(mu_prefix *prefix)
{
    if (prefix == NULL)
        return;
    for (unsigned w = 0; w < prefix->n_workers; w++)
        for (uint32_t i = 0; i < prefix->n_namespaces; i++)
            free(prefix->workers[w].namespaces[i]);
    pthread_mutex_destroy(&prefix->lock);
    mu_arena_free(&prefix->arena);
    free(prefix);
}

/* -------- namespaces of a row -------- */

#define RECENT_MAX 8u

/* Where a block has the namespaces of its rows: the identities of the cluster, or, in rows of bulk
 * loads and of views, the keys of identityMap; else only the primary identity tells. */
typedef struct namespace_columns {
    mu_reading identities, identity_namespace;
    mu_reading map, map_key;
    /* Texts met before, mostly of the same place in a dictionary, and their indexes. */
    uint32_t n_recent;
    mu_str recent[RECENT_MAX];
    uint32_t recent_index[RECENT_MAX];
} namespace_columns;

static mu_code open_columns(const mu_part *part, uint32_t block, mu_arena *arena,
                            namespace_columns *out, mu_err *err)
{
    uint32_t identities = mu_part_child(part, 0, MU_STR("$identities"));
    uint32_t map = mu_part_child(part, 0, MU_STR("identityMap")), key = MU_NO_COLUMN;
    uint32_t namespace =
        mu_column_child(part, mu_column_item(part, identities), MU_STR("namespace"));
    if (map != MU_NO_COLUMN && mu_part_column(part, map)->kind == MU_TYPE_MAP)
        key = mu_part_column(part, map)->children[0];
    *out = (namespace_columns){.n_recent = 0};
    MU_TRY(mu_reading_open(part, identities, block, arena, &out->identities, err));
    MU_TRY(mu_reading_open(part, namespace, block, arena, &out->identity_namespace, err));
    MU_TRY(mu_reading_open(part, key == MU_NO_COLUMN ? MU_NO_COLUMN : map, block, arena, &out->map,
                           err));
    return mu_reading_open(part, key, block, arena, &out->map_key, err);
}

static uint32_t index_of(const mu_prefix *prefix, namespace_columns *columns, mu_str code)
{
    for (uint32_t i = 0; i < columns->n_recent; i++)
        if (columns->recent[i].ptr == code.ptr && columns->recent[i].len == code.len)
            return columns->recent_index[i];
    uint32_t index = 0;
    while (index < prefix->n_namespaces && !mu_str_equal_ascii_nocase(prefix->codes[index], code))
        index++;
    uint32_t at = columns->n_recent < RECENT_MAX ? columns->n_recent++ : index % RECENT_MAX;
    columns->recent[at] = code;
    columns->recent_index[at] = index;
    return index;
}

typedef struct row_count {
    mu_prefix *prefix;
    worker_counts *counts;
    uint32_t bucket;
    uint32_t n_seen;
    uint32_t seen[MU_CLUSTER_IDENTITIES_MAX]; /* a profile counts once in each namespace */
} row_count;

static mu_code count_namespace(row_count *row, uint32_t index, mu_err *err)
{
    if (index >= row->prefix->n_namespaces)
        return MU_OK;
    for (uint32_t i = 0; i < row->n_seen; i++)
        if (row->seen[i] == index)
            return MU_OK;
    if (row->n_seen < MU_CLUSTER_IDENTITIES_MAX)
        row->seen[row->n_seen++] = index;
    uint32_t *counts = row->counts->namespaces[index];
    if (counts == NULL) {
        counts = calloc(MU_PREFIX_BUCKETS, sizeof *counts);
        if (counts == NULL)
            return mu_fail(err, MU_E_NOMEM, "no memory for the namespaces of an estimate");
        __atomic_store_n(&row->counts->namespaces[index], counts, __ATOMIC_RELEASE);
    }
    counts[row->bucket]++;
    return MU_OK;
}

static mu_code count_namespaces(row_count *row, const mu_part *part, namespace_columns *columns,
                                uint32_t at, uint32_t place, mu_err *err)
{
    const mu_reading *texts = &columns->identity_namespace;
    uint32_t begin, end;
    row->n_seen = 0;
    mu_reading_items(&columns->identities, at, &begin, &end);
    if (begin == end) {
        texts = &columns->map_key;
        mu_reading_items(&columns->map, at, &begin, &end);
    }
    for (uint32_t i = begin; i < end; i++)
        if (!mu_reading_is_null(texts, i))
            MU_TRY(count_namespace(row, index_of(row->prefix, columns, mu_reading_string(texts, i)),
                                   err));
    if (begin < end)
        return MU_OK;
    mu_identity identity;
    MU_TRY(mu_part_identity(part, place, &identity, err));
    return count_namespace(row, index_of(row->prefix, columns, identity.namespace_code), err);
}

/* -------- a block -------- */

static mu_code count_block(mu_prefix *prefix, worker_counts *counts, uint32_t part_index,
                           uint32_t block, const uint64_t *members, mu_arena *unpacked, mu_err *err)
{
    const mu_part *part = prefix->profiles->parts[part_index];
    const uint64_t *dead = prefix->profiles->dead[part_index];
    mu_block place = mu_part_block(part, block);
    namespace_columns columns;
    const uint32_t *pids;
    MU_TRY(mu_part_pids(part, block, &pids, err));
    MU_TRY(open_columns(part, block, unpacked, &columns, err));
    row_count row = {.prefix = prefix, .counts = counts};
    for (uint32_t i = 0; i < place.n_rows; i++) {
        if (dead != NULL && mu_bit_get(dead, place.row + i))
            continue;
        row.bucket = bucket_of(pids[i]);
        counts->live[row.bucket]++;
        if (!mu_bit_get(members, i))
            continue;
        counts->matched[row.bucket]++;
        if (prefix->n_namespaces > 0)
            MU_TRY(count_namespaces(&row, part, &columns, i, place.row + i, err));
    }
    return MU_OK;
}

mu_code mu_prefix_add(mu_prefix *prefix, unsigned worker, uint32_t part, uint32_t block,
                      const uint64_t *members, mu_err *err)
{
    uint32_t first, last;
    MU_ASSERT(worker < prefix->n_workers && part < prefix->profiles->n_parts);
    mu_arena unpacked;
    mu_arena_init(&unpacked, SIZE_MAX);
    mu_code code =
        count_block(prefix, &prefix->workers[worker], part, block, members, &unpacked, err);
    mu_arena_free(&unpacked);
    MU_TRY(code);
    MU_TRY(block_buckets(prefix->profiles->parts[part], block, &first, &last, err));
    pthread_mutex_lock(&prefix->lock);
    for (uint32_t bucket = first; bucket <= last; bucket++) {
        MU_ASSERT(prefix->pending[bucket] > 0);
        prefix->pending[bucket]--;
    }
    advance(prefix);
    pthread_mutex_unlock(&prefix->lock);
    return MU_OK;
}

void mu_prefix_read(mu_prefix *prefix, mu_arena *arena, mu_prefix_counts *out)
{
    uint64_t *copy = MU_NEW_ARRAY(arena, uint64_t, (size_t)prefix->n_namespaces + 1);
    pthread_mutex_lock(&prefix->lock);
    memcpy(copy, prefix->n_by_namespace, prefix->n_namespaces * sizeof *copy);
    *out = (mu_prefix_counts){prefix->n_read, prefix->n_matched, copy};
    pthread_mutex_unlock(&prefix->lock);
}
