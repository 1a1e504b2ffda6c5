#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

struct mu_strmap_slot {
    const char *ptr; /* NULL when the slot is free */
    size_t len;
    uint64_t hash, value;
};

uint64_t mu_hash64(const void *bytes, size_t len, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, len, seed);
}

static struct mu_strmap_slot *new_slots(size_t n)
{
    struct mu_strmap_slot *slots = calloc(n, sizeof *slots);
    if (slots == NULL) {
        fprintf(stderr, "muster: out of memory for a map of %zu slots\n", n);
        exit(3);
    }
    return slots;
}

void mu_strmap_init(mu_strmap *map)
{
    *map = (mu_strmap){.n_slots = 16};
    map->slots = new_slots(map->n_slots);
    if (getrandom(&map->seed, sizeof map->seed, GRND_NONBLOCK) != sizeof map->seed)
        map->seed = (uint64_t)(uintptr_t)map->slots;
}

void mu_strmap_free(mu_strmap *map)
{
    free(map->slots);
    *map = (mu_strmap){0};
}

/* The slot of `key`, or the free slot where it belongs. */
static struct mu_strmap_slot *find_slot(const mu_strmap *map, mu_str key, uint64_t hash)
{
    for (size_t i = hash & (map->n_slots - 1);; i = (i + 1) & (map->n_slots - 1)) {
        struct mu_strmap_slot *slot = &map->slots[i];
        if (slot->ptr == NULL)
            return slot;
        if (slot->hash == hash && mu_str_equal((mu_str){slot->ptr, slot->len}, key))
            return slot;
    }
}

uint64_t *mu_strmap_get(const mu_strmap *map, mu_str key)
{
    if (map->n_slots == 0)
        return NULL;
    struct mu_strmap_slot *slot = find_slot(map, key, mu_hash64(key.ptr, key.len, map->seed));
    return slot->ptr == NULL ? NULL : &slot->value;
}

static void grow(mu_strmap *map)
{
    mu_strmap larger = *map;
    larger.n_slots = map->n_slots * 2;
    larger.slots = new_slots(larger.n_slots);
    for (size_t i = 0; i < map->n_slots; i++) {
        struct mu_strmap_slot *slot = &map->slots[i];
        if (slot->ptr != NULL)
            *find_slot(&larger, (mu_str){slot->ptr, slot->len}, slot->hash) = *slot;
    }
    free(map->slots);
    *map = larger;
}

uint64_t *mu_strmap_put(mu_strmap *map, mu_str key, bool *is_new)
{
    if (map->n_keys * 2 >= map->n_slots)
        grow(map);
    uint64_t hash = mu_hash64(key.ptr, key.len, map->seed);
    struct mu_strmap_slot *slot = find_slot(map, key, hash);
    if (is_new != NULL)
        *is_new = slot->ptr == NULL;
    if (slot->ptr == NULL) {
        *slot = (struct mu_strmap_slot){key.ptr == NULL ? "" : key.ptr, key.len, hash, 0};
        map->n_keys++;
    }
    return &slot->value;
}
