/* kernel.h -- inner loops over plain arrays, one set per instruction set, chosen at run time.
 *
 * Bitmaps are written whole: words(n) words, bits past n clear. Inputs may be read up to 64 bytes
 * past their end. Every set computes the same bits.
 */
#ifndef MU_EVAL_KERNEL_H
#define MU_EVAL_KERNEL_H

#include "base/bits.h"

typedef struct kernel_set {
    const char *name; /* "plain", "avx2", "avx512" */

    /* out bit i = (unsigned)(x[i] - lo) <= span, arithmetic in the width of x */
    void (*range_8)(const uint8_t *x, size_t n, uint8_t lo, uint8_t span, uint64_t *out);
    void (*range_16)(const uint16_t *x, size_t n, uint16_t lo, uint16_t span, uint64_t *out);
    void (*range_32)(const uint32_t *x, size_t n, uint32_t lo, uint32_t span, uint64_t *out);
    void (*range_64)(const uint64_t *x, size_t n, uint64_t lo, uint64_t span, uint64_t *out);
    void (*range_double)(const double *x, size_t n, double lo, double hi, uint64_t *out);

    /* out bit i = table[x[i]] is not 0; the table covers every code of the dictionary */
    void (*table_8)(const uint8_t *x, size_t n, const uint8_t *table, uint64_t *out);
    void (*table_16)(const uint16_t *x, size_t n, const uint8_t *table, uint64_t *out);
    void (*table_32)(const uint32_t *x, size_t n, const uint8_t *table, uint64_t *out);

    /* bit i: x[i] = x[i + 1], x[i] > x[i + 1]; the last bit compares with what lies past the end */
    void (*neighbours_32)(const uint32_t *x, size_t n, uint64_t *equal, uint64_t *greater);

    void (*and_words)(const uint64_t *a, const uint64_t *b, size_t words, uint64_t *out);
    void (*or_words)(const uint64_t *a, const uint64_t *b, size_t words, uint64_t *out);
    void (*not_bits)(const uint64_t *a, size_t n, uint64_t *out);

    /* out bit i = x[i] is not x[i + 1] */
    void (*changes_32)(const uint32_t *x, size_t n, uint64_t *out);

    size_t (*count_bits)(const uint64_t *bits, size_t words);

    /* The positions of the set bits, ascending; how many. Up to 16 elements past them are written.
     */
    size_t (*positions)(const uint64_t *bits, size_t n, uint32_t *out);

    /* out bit i = bytes[i] is the needle's first byte and bytes[i + length - 1] its last, for the
     * n >= length bytes; length >= 1. */
    void (*find_ends)(const char *bytes, size_t n, const char *needle, size_t length,
                      uint64_t *out);

    /* out bit o = some item of owner o has its bit. `ends` has the bit of each owner's last item,
     * `filled` that of each owner with items; `out` has room for 64 bits more. */
    void (*any_of_owner)(const uint64_t *bits, const uint64_t *ends, size_t n_items,
                         const uint64_t *filled, size_t n_owners, uint64_t *out);

    /* Items of owner o are offsets[o] .. offsets[o + 1]. */
    void (*count_of_owner)(const uint64_t *bits, const uint32_t *offsets, size_t n_owners,
                           int64_t *out);

    /* a[i] op b[i] for op in = != < <= > >= (0..5); validity is the caller's */
    void (*compare_integer)(int op, const int64_t *a, const int64_t *b, size_t n, uint64_t *out);
    void (*compare_double)(int op, const double *a, const double *b, size_t n, uint64_t *out);
} kernel_set;

/* The best set of this machine, or the one that MUSTER_KERNELS names (plain, avx2, avx512) when the
 * machine has it. */
const kernel_set *kernels_choose(void);

extern const kernel_set kernels_plain, kernels_avx2, kernels_avx512;

#endif
