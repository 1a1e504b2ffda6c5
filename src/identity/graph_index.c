/* graph_index.c -- open addressing with linear probing; removal shifts back, so no tombstones. */
#include "identity/graph_int.h"

#include <stdio.h>
#include <stdlib.h>

#define SLOTS_MIN ((size_t)64)

void *mu_graph_resize(void *block, size_t count, size_t size)
{
    size_t total;
    void *resized = NULL;
    if (!__builtin_mul_overflow(count, size, &total))
        resized = realloc(block, total);
    if (resized == NULL) {
        fprintf(stderr, "muster: out of memory for %zu entries of the identity graph\n", count);
        exit(3);
    }
    return resized;
}

void *mu_graph_grow(void *block, uint32_t n, uint32_t *capacity, size_t size)
{
    if (n < *capacity)
        return block;
    uint64_t grown = *capacity < 8 ? 8 : (uint64_t)*capacity + *capacity / 2;
    if (grown <= n)
        grown = (uint64_t)n + 1;
    MU_ASSERT(n < UINT32_MAX);
    *capacity = grown > UINT32_MAX ? UINT32_MAX : (uint32_t)grown;
    return mu_graph_resize(block, *capacity, size);
}

void mu_graph_index_free(mu_graph_index *index)
{
    free(index->slots);
    *index = (mu_graph_index){0};
}

static void place(mu_graph_index *index, uint64_t slot)
{
    size_t at = (size_t)(slot >> 32);
    while (index->slots[at & (index->n_slots - 1)] != 0)
        at++;
    index->slots[at & (index->n_slots - 1)] = slot;
}

void mu_graph_index_reserve(mu_graph_index *index, size_t n)
{
    size_t n_slots = index->n_slots == 0 ? SLOTS_MIN : index->n_slots;
    while (n_slots / 4 * 3 < n)
        n_slots *= 2;
    if (n_slots == index->n_slots)
        return;
    mu_graph_index larger = {mu_graph_resize(NULL, n_slots, sizeof(uint64_t)), n_slots, index->n};
    memset(larger.slots, 0, n_slots * sizeof(uint64_t));
    for (size_t i = 0; i < index->n_slots; i++)
        if (index->slots[i] != 0)
            place(&larger, index->slots[i]);
    free(index->slots);
    *index = larger;
}

void mu_graph_index_add(mu_graph_index *index, uint32_t tag, uint32_t number)
{
    MU_ASSERT(number < UINT32_MAX);
    mu_graph_index_reserve(index, index->n + 1);
    place(index, (uint64_t)tag << 32 | (number + 1));
    index->n++;
}

void mu_graph_index_remove(mu_graph_index *index, uint32_t tag, uint32_t number)
{
    size_t mask = index->n_slots - 1;
    uint64_t wanted = (uint64_t)tag << 32 | (number + 1);
    size_t hole = tag & mask;
    while (index->slots[hole] != wanted) {
        MU_ASSERT(index->slots[hole] != 0);
        hole = (hole + 1) & mask;
    }
    /* What lies behind the hole moves into it unless its home is beyond the hole. */
    for (size_t at = (hole + 1) & mask; index->slots[at] != 0; at = (at + 1) & mask) {
        size_t home = (size_t)(index->slots[at] >> 32) & mask;
        if (((at - home) & mask) < ((at - hole) & mask))
            continue;
        index->slots[hole] = index->slots[at];
        hole = at;
    }
    index->slots[hole] = 0;
    index->n--;
}
