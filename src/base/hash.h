/* hash.h -- 64-bit hashes, checksums and a map from byte strings to numbers.
 *
 * mu_hash64 is XXH3; its values are stored on disk and so part of the storage format. Maps that
 * hold keys from outside are seeded per process.
 */
#ifndef MU_BASE_HASH_H
#define MU_BASE_HASH_H

#include "base/str.h"

uint64_t mu_hash64(const void *bytes, size_t len, uint64_t seed);

/* A bijection on 32-bit numbers that mixes well; rows lie in the order of mu_mix32(pid). */
static inline uint32_t mu_mix32(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x85ebca6bu;
    x ^= x >> 13;
    x *= 0xc2b2ae35u;
    x ^= x >> 16;
    return x;
}

/* Maps byte strings to 64-bit values. Keys are borrowed and must outlive the map. One thread at a
 * time for changes; any number of readers otherwise. */
typedef struct mu_strmap {
    struct mu_strmap_slot *slots;
    size_t n_slots, n_keys;
    uint64_t seed;
} mu_strmap;

void mu_strmap_init(mu_strmap *map);
void mu_strmap_free(mu_strmap *map);

/* The value's place for `key`, or NULL. Valid until the next change. */
uint64_t *mu_strmap_get(const mu_strmap *map, mu_str key);

/* The value's place, made with value 0 when absent (then *is_new is true, NULL allowed). Out of
 * memory ends the process. */
uint64_t *mu_strmap_put(mu_strmap *map, mu_str key, bool *is_new);

#endif
