#include "store/string_pool.h"

#include <stdlib.h>

void mu_string_pool_init(mu_string_pool *pool)
{
    *pool = (mu_string_pool){0};
    mu_strmap_init(&pool->map);
    mu_arena_init(&pool->arena, SIZE_MAX);
}

void mu_string_pool_free(mu_string_pool *pool)
{
    mu_strmap_free(&pool->map);
    mu_arena_free(&pool->arena);
    free(pool->strings);
    *pool = (mu_string_pool){0};
}

static bool make_room(mu_string_pool *pool)
{
    if (pool->n < pool->capacity)
        return true;
    if (pool->n > UINT32_MAX / 4)
        return false;
    uint32_t capacity = pool->capacity == 0 ? 64 : pool->capacity * 2;
    mu_str *grown = realloc(pool->strings, capacity * sizeof *grown);
    if (grown == NULL)
        return false;
    pool->strings = grown;
    pool->capacity = capacity;
    return true;
}

uint32_t mu_string_pool_add(mu_string_pool *pool, mu_str text)
{
    const uint64_t *known = mu_strmap_get(&pool->map, text);
    if (known != NULL)
        return (uint32_t)*known;
    if (!make_room(pool))
        return UINT32_MAX;
    mu_str copy = mu_arena_copy(&pool->arena, text);
    *mu_strmap_put(&pool->map, copy, NULL) = pool->n;
    pool->strings[pool->n] = copy;
    pool->n_bytes += text.len;
    return pool->n++;
}

static int compare_ids(const void *a, const void *b, void *context)
{
    const mu_str *strings = context;
    return mu_str_compare(strings[*(const uint32_t *)a], strings[*(const uint32_t *)b]);
}

void mu_string_pool_rank(const mu_string_pool *pool, uint32_t *rank, uint32_t *order)
{
    for (uint32_t id = 0; id < pool->n; id++)
        order[id] = id;
    qsort_r(order, pool->n, sizeof *order, compare_ids, pool->strings);
    for (uint32_t place = 0; place < pool->n; place++)
        rank[order[place]] = place;
}
