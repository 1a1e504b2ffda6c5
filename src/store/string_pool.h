/* string_pool.h -- the distinct strings of one column while its dictionary is being built.
 *
 * Ids count up in the order of first appearance; mu_string_pool_rank gives the dictionary's order.
 * One thread.
 */
#ifndef MU_STORE_STRING_POOL_H
#define MU_STORE_STRING_POOL_H

#include "base/arena.h"
#include "base/hash.h"

typedef struct mu_string_pool {
    mu_strmap map;
    mu_arena arena;
    mu_str *strings; /* by id */
    uint32_t n, capacity;
    uint64_t n_bytes; /* of the distinct strings */
} mu_string_pool;

void mu_string_pool_init(mu_string_pool *pool);
void mu_string_pool_free(mu_string_pool *pool);

/* The id of `text`, which is copied when new. UINT32_MAX when memory ran out. */
uint32_t mu_string_pool_add(mu_string_pool *pool, mu_str text);

/* Fills rank[id] with the place of every string in byte order, and order[place] with its id. */
void mu_string_pool_rank(const mu_string_pool *pool, uint32_t *rank, uint32_t *order);

#endif
