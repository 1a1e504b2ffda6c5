#include "live/live_int.h"

#include "base/hash.h"

#include <stdlib.h>

void *mu_live_room(void *array, size_t n, size_t *capacity, size_t size)
{
    if (n <= *capacity)
        return array;
    size_t grown = *capacity * 2 > n ? *capacity * 2 : n + 64;
    void *room = realloc(array, grown * size);
    if (room == NULL) {
        static const char text[] = "muster: out of memory\n";
        mu_assert_failed(text, __FILE__, __LINE__);
    }
    memset((char *)room + *capacity * size, 0, (grown - *capacity) * size);
    *capacity = grown;
    return room;
}

mu_delta *mu_delta_new(void)
{
    size_t capacity = 0;
    mu_delta *delta = mu_live_room(NULL, 1, &capacity, sizeof *delta);
    mu_arena_init(&delta->arena, SIZE_MAX);
    mu_arena_init(&delta->capture_arena, SIZE_MAX);
    return delta;
}

void mu_delta_free(mu_delta *delta)
{
    if (delta == NULL)
        return;
    mu_arena_free(&delta->arena);
    mu_arena_free(&delta->capture_arena);
    free(delta->slots);
    free(delta->pids);
    free(delta->early);
    free(delta);
}

/* -------- records by node -------- */

static mu_chain *chain_slot(mu_chain *slots, uint32_t n_slots, mu_node node)
{
    uint32_t at = mu_mix32(node) & (n_slots - 1);
    while (slots[at].first != NULL && slots[at].node != node)
        at = (at + 1) & (n_slots - 1);
    return &slots[at];
}

static void grow_chains(mu_delta *delta)
{
    size_t capacity = 0;
    uint32_t n_slots = delta->n_slots == 0 ? 1024 : delta->n_slots * 2;
    mu_chain *slots = mu_live_room(NULL, n_slots, &capacity, sizeof *slots);
    for (uint32_t i = 0; i < delta->n_slots; i++)
        if (delta->slots[i].first != NULL)
            *chain_slot(slots, n_slots, delta->slots[i].node) = delta->slots[i];
    free(delta->slots);
    delta->slots = slots;
    delta->n_slots = n_slots;
}

void mu_delta_chain_add(mu_delta *delta, mu_chain *chain, uint64_t sequence, mu_str bytes)
{
    mu_pending *pending = MU_NEW(&delta->arena, mu_pending);
    pending->sequence = sequence;
    pending->bytes = mu_arena_copy(&delta->arena, bytes);
    if (chain->last == NULL)
        chain->first = pending;
    else
        chain->last->next = pending;
    chain->last = pending;
}

void mu_delta_add(mu_delta *delta, mu_node node, uint64_t sequence, mu_str bytes)
{
    if (delta->n_chains * 2 >= delta->n_slots)
        grow_chains(delta);
    mu_chain *chain = chain_slot(delta->slots, delta->n_slots, node);
    if (chain->first == NULL) {
        *chain = (mu_chain){.node = node};
        delta->n_chains++;
    }
    mu_delta_chain_add(delta, chain, sequence, bytes);
}

const mu_pending *mu_delta_find(const mu_delta *delta, mu_node node)
{
    return delta->n_slots == 0 ? NULL : chain_slot(delta->slots, delta->n_slots, node)->first;
}

/* -------- profiles to build -------- */

void mu_delta_add_pid(mu_delta *delta, uint32_t pid)
{
    size_t capacity = delta->pids_capacity;
    delta->pids =
        mu_live_room(delta->pids, (size_t)delta->n_pids + 1, &capacity, sizeof *delta->pids);
    delta->pids_capacity = (uint32_t)capacity;
    delta->pids[delta->n_pids++] = pid;
}

static mu_capture **early_slot(mu_capture **early, uint32_t n_slots, uint32_t pid)
{
    uint32_t at = mu_mix32(pid) & (n_slots - 1);
    while (early[at] != NULL && early[at]->pid != pid)
        at = (at + 1) & (n_slots - 1);
    return &early[at];
}

void mu_delta_put_early(mu_delta *delta, mu_capture *capture)
{
    if (delta->n_early * 2 >= delta->early_slots) {
        size_t capacity = 0;
        uint32_t n_slots = delta->early_slots == 0 ? 256 : delta->early_slots * 2;
        mu_capture **early = mu_live_room(NULL, n_slots, &capacity, sizeof(mu_capture *));
        for (uint32_t i = 0; i < delta->early_slots; i++)
            if (delta->early[i] != NULL)
                *early_slot(early, n_slots, delta->early[i]->pid) = delta->early[i];
        free(delta->early);
        delta->early = early;
        delta->early_slots = n_slots;
    }
    *early_slot(delta->early, delta->early_slots, capture->pid) = capture;
    delta->n_early++;
}

const mu_capture *mu_delta_early(const mu_delta *delta, uint32_t pid)
{
    return delta->early_slots == 0 ? NULL : *early_slot(delta->early, delta->early_slots, pid);
}
