/* sequence_bits.h -- what comes after what, among the items of lists in order of time, a word of 64
 * items at a time.
 *
 * Items of all owners lie one after another; `first` has the bit of each owner's first item. Items
 * of one time form a group, of which none is before another: `tied` has the bits of items whose
 * successor has the same owner and time (NULL: there are none). Runs of set bits are crossed by the
 * carry of an addition (Cameron et al., "Bitwise data parallelism in regular expression matching",
 * PACT 2014): adding a marker to the lowest bit of a run of ones clears the run and sets the bit
 * after it.
 *
 * Bitmaps are words(n) words, bits past n clear. `out` may be any of the inputs.
 */
#ifndef MU_EVAL_SEQUENCE_BITS_H
#define MU_EVAL_SEQUENCE_BITS_H

#include "base/bits.h"

typedef struct sequence_order {
    size_t n;
    const uint64_t *first, *tied;
} sequence_order;

/* Those of `wanted` that come strictly after one of their owner's `anchors` (NULL: after the
 * beginning, which is before all items) with none of `excluded` (NULL: nothing) strictly between.
 */
void sequence_after(const sequence_order *order, const uint64_t *anchors, const uint64_t *excluded,
                    const uint64_t *wanted, uint64_t *out);

/* The last items of the owners that have one of `anchors` with none of `excluded` strictly after
 * it. `ends` has the bits of all last items. */
void sequence_until_end(const sequence_order *order, const uint64_t *anchors,
                        const uint64_t *excluded, const uint64_t *ends, uint64_t *out);

#endif
