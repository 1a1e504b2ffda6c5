/* sequence_bits.c -- see sequence_bits.h. */
#include "eval/sequence_bits.h"

/* a + b + *carry; *carry becomes what does not fit. */
static inline uint64_t add_with_carry(uint64_t a, uint64_t b, uint64_t *carry)
{
    uint64_t low, sum;
    bool over = __builtin_add_overflow(a, b, &low);
    bool again = __builtin_add_overflow(low, *carry, &sum);
    *carry = (uint64_t)(over | again);
    return sum;
}

/* The bits moved one item on; *last is the one that left the word before. */
static inline uint64_t moved_on(uint64_t bits, uint64_t *last)
{
    uint64_t moved = (bits << 1) | *last;
    *last = bits >> 63;
    return moved;
}

/* The last items of the groups that hold one of `bits`. */
static inline uint64_t group_ends(uint64_t bits, uint64_t tied, uint64_t *carry)
{
    uint64_t sum = add_with_carry(bits & tied, tied, carry);
    return ((sum ^ tied) | bits) & ~tied;
}

/* From items to the first that comes strictly after them, in the same owner. */
typedef struct stepper {
    uint64_t carry, last;
} stepper;

static inline uint64_t step_on(stepper *s, const sequence_order *order, size_t w, uint64_t bits)
{
    if (order->tied != NULL)
        bits = group_ends(bits, order->tied[w], &s->carry);
    return moved_on(bits, &s->last) & ~order->first[w];
}

/* From `start` on, items up to but without the next one of `stop`. A start may itself be a stop. */
typedef struct runner {
    uint64_t carry, last;
} runner;

static inline uint64_t run_on(runner *r, uint64_t start, uint64_t stop)
{
    uint64_t through = ~stop;
    uint64_t markers = (start | moved_on(start, &r->last)) & through;
    uint64_t sum = add_with_carry(markers, through, &r->carry);
    return start | (((sum ^ through) | markers) & through);
}

void sequence_after(const sequence_order *order, const uint64_t *anchors, const uint64_t *excluded,
                    const uint64_t *wanted, uint64_t *out)
{
    stepper to_start = {0}, to_stop = {0};
    runner run = {0};
    for (size_t w = 0; w < mu_bits_words(order->n); w++) {
        uint64_t start = order->first[w], stop = order->first[w];
        if (anchors != NULL)
            start = step_on(&to_start, order, w, anchors[w]);
        if (excluded != NULL)
            stop |= step_on(&to_stop, order, w, excluded[w]);
        out[w] = run_on(&run, start, stop) & wanted[w];
    }
}

void sequence_until_end(const sequence_order *order, const uint64_t *anchors,
                        const uint64_t *excluded, const uint64_t *ends, uint64_t *out)
{
    uint64_t carry = 0;
    runner run = {0};
    for (size_t w = 0; w < mu_bits_words(order->n); w++) {
        uint64_t start = anchors[w];
        if (order->tied != NULL)
            start = group_ends(start, order->tied[w], &carry);
        out[w] = run_on(&run, start, excluded[w] | order->first[w]) & ends[w];
    }
}
