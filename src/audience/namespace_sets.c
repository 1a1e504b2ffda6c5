/* namespace_sets.c -- which profiles have an identity of which namespace. */
#include "audience/evaluation_int.h"

#include "base/bits.h"
#include "live/columns.h"

typedef struct gathering {
    mu_arena *arena;
    mu_strmap places; /* by code in lower case */
    mu_str last;      /* looked up last: neighbours mostly share it */
    uint32_t last_place;
    size_t n_words;
    uint32_t n, capacity;
    mu_str *codes;
    uint64_t **sets;
} gathering;

static mu_str lower_case(mu_arena *arena, mu_str code)
{
    char *text = mu_arena_alloc(arena, code.len + 1);
    for (size_t i = 0; i < code.len; i++)
        text[i] = (char)(code.ptr[i] >= 'A' && code.ptr[i] <= 'Z' ? code.ptr[i] + 32 : code.ptr[i]);
    return (mu_str){text, code.len};
}

static uint32_t add_code(gathering *g, mu_str code)
{
    if (g->n == g->capacity) {
        uint32_t capacity = g->capacity * 2 + 16;
        mu_str *codes = MU_NEW_ARRAY(g->arena, mu_str, capacity);
        uint64_t **sets = MU_NEW_ARRAY(g->arena, uint64_t *, capacity);
        if (g->n > 0) {
            memcpy(codes, g->codes, g->n * sizeof *codes);
            memcpy(sets, g->sets, g->n * sizeof(uint64_t *));
        }
        g->codes = codes;
        g->sets = sets;
        g->capacity = capacity;
    }
    g->codes[g->n] = code;
    g->sets[g->n] = MU_NEW_ARRAY(g->arena, uint64_t, g->n_words);
    return g->n++;
}

static uint32_t place_of(gathering *g, mu_str code)
{
    bool is_new;
    if (g->last.ptr != NULL && code.ptr == g->last.ptr && code.len == g->last.len)
        return g->last_place;
    mu_str key = lower_case(g->arena, code);
    uint64_t *place = mu_strmap_put(&g->places, key, &is_new);
    if (is_new)
        *place = add_code(g, key);
    g->last = code;
    g->last_place = (uint32_t)*place;
    return g->last_place;
}

static void begin(gathering *g, mu_arena *arena, size_t n_words)
{
    *g = (gathering){.arena = arena, .n_words = n_words};
    mu_strmap_init(&g->places);
}

static void finish(gathering *g, mu_namespace_sets *out)
{
    *out = (mu_namespace_sets){g->n, g->codes, g->n_words, g->sets};
    mu_strmap_free(&g->places);
}

/* -------- clusters -------- */

typedef struct identity_columns {
    mu_reading list, namespace;
} identity_columns;

static mu_code open_columns(const mu_part *part, uint32_t block, mu_arena *arena,
                            identity_columns *out, mu_err *err)
{
    uint32_t list = mu_part_child(part, 0, MU_STR("$identities"));
    uint32_t code = mu_column_child(part, mu_column_item(part, list), MU_STR("namespace"));
    MU_TRY(mu_reading_open(part, list, block, arena, &out->list, err));
    return mu_reading_open(part, code, block, arena, &out->namespace, err);
}

/* A row that does not name its identities (of a bulk load) has its primary one alone. */
static mu_code gather_row(gathering *g, const mu_part *part, const identity_columns *columns,
                          uint32_t at, uint32_t row, size_t bit, mu_err *err)
{
    uint32_t begin_at = 0, end_at = 0;
    mu_identity identity;
    if (!mu_reading_is_null(&columns->list, at))
        mu_reading_items(&columns->list, at, &begin_at, &end_at);
    for (uint32_t i = begin_at; i < end_at; i++) {
        if (mu_reading_is_null(&columns->namespace, i))
            continue;
        uint32_t place = place_of(g, mu_reading_string(&columns->namespace, i));
        mu_bit_set(g->sets[place], bit);
    }
    if (begin_at < end_at)
        return MU_OK;
    MU_TRY(mu_part_identity(part, row, &identity, err));
    uint32_t place = place_of(g, identity.namespace_code);
    mu_bit_set(g->sets[place], bit);
    return MU_OK;
}

static mu_code gather_cluster_block(gathering *g, const mu_entity *entity, uint32_t p, uint32_t b,
                                    mu_arena *unpacked, mu_err *err)
{
    const mu_part *part = entity->parts[p];
    const uint32_t *pids;
    identity_columns columns;
    mu_block block = mu_part_block(part, b);
    g->last = (mu_str){NULL, 0};
    mu_arena_reset(unpacked);
    MU_TRY(open_columns(part, b, unpacked, &columns, err));
    MU_TRY(mu_part_pids(part, b, &pids, err));
    for (uint32_t r = 0; r < block.n_rows; r++) {
        uint32_t row = block.row + r;
        bool is_dead = entity->dead[p] != NULL && mu_bit_get(entity->dead[p], row);
        if (!is_dead && pids[r] / 64 < g->n_words)
            MU_TRY(gather_row(g, part, &columns, r, row, pids[r], err));
    }
    return MU_OK;
}

mu_code mu_namespaces_of_clusters(mu_arena *arena, const mu_snapshot *base, size_t n_pid_words,
                                  mu_namespace_sets *out, mu_err *err)
{
    gathering g;
    mu_code code = MU_OK;
    const mu_entity *entity = mu_snapshot_entity(base, MU_STR("profile"));
    mu_arena unpacked;
    mu_arena_init(&unpacked, SIZE_MAX);
    begin(&g, arena, n_pid_words);
    for (uint32_t p = 0; entity != NULL && p < entity->n_parts; p++)
        for (uint32_t b = 0; code == MU_OK && b < mu_part_block_count(entity->parts[p]); b++)
            code = gather_cluster_block(&g, entity, p, b, &unpacked, err);
    mu_arena_free(&unpacked);
    finish(&g, out);
    return code;
}

/* -------- rows with one identity each -------- */

static mu_code gather_block(gathering *g, const mu_entity *entity, const mu_slots *slots,
                            uint32_t p, uint32_t b, mu_err *err)
{
    mu_identity identity;
    mu_block block = mu_part_block(entity->parts[p], b);
    size_t first = slots->words[p][b] * 64;
    for (uint32_t r = 0; r < block.n_rows; r++) {
        if (!mu_bit_get(slots->live, first + r))
            continue;
        MU_TRY(mu_part_identity(entity->parts[p], block.row + r, &identity, err));
        uint32_t place = place_of(g, identity.namespace_code);
        mu_bit_set(g->sets[place], first + r);
    }
    return MU_OK;
}

mu_code mu_namespaces_of_rows(mu_arena *arena, const mu_snapshot *snapshot, const mu_slots *slots,
                              const mu_namespace_sets *clusters, mu_namespace_sets *out,
                              mu_err *err)
{
    gathering g;
    mu_code code = MU_OK;
    const mu_entity *entity = mu_snapshot_entity(snapshot, MU_STR("profile"));
    begin(&g, arena, slots->n_words);
    for (uint32_t i = 0; i < clusters->n; i++) /* the same places */
        (void)place_of(&g, clusters->codes[i]);
    for (uint32_t p = 0; p < slots->n_parts; p++)
        for (uint32_t b = 0; code == MU_OK && b < mu_part_block_count(entity->parts[p]); b++)
            code = gather_block(&g, entity, slots, p, b, err);
    finish(&g, out);
    return code;
}
