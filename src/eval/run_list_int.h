/* run_list_int.h -- what the operations from items to owners share: the places of the chosen items,
 * and their numbers.
 *
 * Owners' items follow each other, so the chosen items' positions in ascending order are walked
 * owner by owner with the offsets alone:
 *
 *     for (uint32_t o = 0, p = 0; o < n_owners; o++)
 *         for (; positions[p] < offsets[o + 1]; p++)
 *             ... item positions[p] of owner o ...
 *
 * The positions end with UINT32_MAX, which is past every owner.
 */
#ifndef MU_EVAL_RUN_LIST_INT_H
#define MU_EVAL_RUN_LIST_INT_H

#include "eval/run_int.h"

/* Runs the statement that follows with `i` (a uint64_t) for every set bit of the map, ascending. */
#define FOR_EACH_BIT(bits, n, i)                                                                   \
    for (size_t word_ = 0; word_ < mu_bits_words(n); word_++)                                      \
        for (uint64_t rest_ = (bits)[word_], i = 0;                                                \
             rest_ != 0 && (i = word_ * 64 + (uint64_t)__builtin_ctzll(rest_), true);              \
             rest_ &= rest_ - 1)

typedef struct positions {
    uint32_t n;
    uint32_t n_items; /* of the level: what the memory was taken for */
    uint32_t *at;     /* n positions, then UINT32_MAX */
} positions;

/* The positions of the set bits; given back with positions_give. */
positions positions_take(worker *w, const uint64_t *bits, uint32_t n_items);
void positions_give(worker *w, positions *chosen);

/* Numbers of a level's items: a node's, or a column read where it is needed. */
typedef struct numbers {
    const node_value *node; /* NULL: the column */
    const mu_vector *vector;
} numbers;

/* The second input of a node, or its column when it has only one. */
MU_CHECKED mu_code numbers_of(worker *w, const plan_node *node, numbers *out);

/* bits & the items whose number is not null. */
void numbers_choose(worker *w, const numbers *in, const uint64_t *bits, uint32_t n_items,
                    uint64_t *out);

/* The numbers of the chosen items, none of them null, side by side: worker_numbers(w, chosen->n),
 * given back as such. */
int64_t *numbers_gather_integers(worker *w, const numbers *in, const positions *chosen);
double *numbers_gather_doubles(worker *w, const numbers *in, const positions *chosen);

/* run_best.c, run_distinct.c, run_compare_owner.c */
MU_CHECKED mu_code run_compare_owner(worker *w, uint32_t id, const plan_node *node, uint32_t n);
MU_CHECKED mu_code run_best(worker *w, uint32_t id, const plan_node *node, uint32_t n);
MU_CHECKED mu_code run_groups(worker *w, uint32_t id, const plan_node *node, uint32_t n_owners);

#endif
