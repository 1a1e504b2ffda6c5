/* bits.h -- bitmaps as arrays of 64-bit words, bit i of the map in word i / 64.
 *
 * Bits past the length are zero in every bitmap this project keeps; functions that could set them
 * clear them again.
 */
#ifndef MU_BASE_BITS_H
#define MU_BASE_BITS_H

#include "base/err.h"

#include <string.h>

static inline size_t mu_bits_words(size_t n_bits)
{
    return (n_bits + 63) / 64;
}

static inline bool mu_bit_get(const uint64_t *bits, size_t i)
{
    return (bits[i / 64] >> (i % 64)) & 1;
}

static inline void mu_bit_set(uint64_t *bits, size_t i)
{
    bits[i / 64] |= (uint64_t)1 << (i % 64);
}

static inline void mu_bit_clear(uint64_t *bits, size_t i)
{
    bits[i / 64] &= ~((uint64_t)1 << (i % 64));
}

/* All `n_bits` set, the rest of the last word clear. */
static inline void mu_bits_fill(uint64_t *bits, size_t n_bits)
{
    memset(bits, 0xff, n_bits / 64 * 8);
    if (n_bits % 64 != 0)
        bits[n_bits / 64] = ((uint64_t)1 << (n_bits % 64)) - 1;
}

static inline void mu_bits_zero(uint64_t *bits, size_t n_bits)
{
    memset(bits, 0, mu_bits_words(n_bits) * 8);
}

static inline size_t mu_bits_count(const uint64_t *bits, size_t n_bits)
{
    size_t count = 0;
    for (size_t w = 0; w < mu_bits_words(n_bits); w++)
        count += (size_t)__builtin_popcountll(bits[w]);
    return count;
}

#endif
