/* run_compare_owner.c -- numbers of items against a number of their owner. */
#include "eval/run_list_int.h"

/* Bit of each chosen item whose number stands so to its owner's. */
#define COMPARE_CHOSEN(numbers, of_owner, operator)                                                \
    for (uint32_t o = 0, p = 0; o < n_owners; o++) {                                               \
        bool has_number = mu_bit_get(owner->valid, o);                                             \
        for (uint32_t end = offsets[o + 1]; chosen->at[p] < end; p++) {                            \
            bool holds = has_number && (numbers)[p] operator(of_owner)[o];                         \
            out[chosen->at[p] / 64] |= (uint64_t)holds << (chosen->at[p] % 64);                    \
        }                                                                                          \
    }

#define COMPARE_BY(numbers, of_owner)                                                              \
    switch (function) {                                                                            \
    case MU_FN_EQUAL:                                                                              \
        COMPARE_CHOSEN(numbers, of_owner, ==)                                                      \
        break;                                                                                     \
    case MU_FN_NOT_EQUAL:                                                                          \
        COMPARE_CHOSEN(numbers, of_owner, !=)                                                      \
        break;                                                                                     \
    case MU_FN_LESS:                                                                               \
        COMPARE_CHOSEN(numbers, of_owner, <)                                                       \
        break;                                                                                     \
    case MU_FN_LESS_EQUAL:                                                                         \
        COMPARE_CHOSEN(numbers, of_owner, <=)                                                      \
        break;                                                                                     \
    case MU_FN_GREATER:                                                                            \
        COMPARE_CHOSEN(numbers, of_owner, >)                                                       \
        break;                                                                                     \
    default:                                                                                       \
        COMPARE_CHOSEN(numbers, of_owner, >=)                                                      \
    }

static void compare_doubles(mu_pql_function function, const positions *chosen, const double *mine,
                            const uint32_t *offsets, uint32_t n_owners, const node_value *owner,
                            uint64_t *out)
{
    COMPARE_BY(mine, owner->doubles)
}

static void compare_integers(mu_pql_function function, const positions *chosen, const int64_t *mine,
                             const uint32_t *offsets, uint32_t n_owners, const node_value *owner,
                             uint64_t *out){COMPARE_BY(mine, owner->integers)}

/* The node's level is the items', its item_level the owners'. */
mu_code run_compare_owner(worker *w, uint32_t id, const plan_node *node, uint32_t n)
{
    const mu_vector *vector;
    level_pair *pair;
    MU_TRY(worker_vector(w, node->column, &vector));
    MU_TRY(worker_pair(w, node->item_level, node->level, &pair));
    uint64_t *out = worker_bits(w, n), *bits = worker_raw_bits(w, n);
    w->values[id].bits = out;
    vector_valid_bits(vector, n, bits);
    positions chosen = positions_take(w, bits, n);
    worker_give_bits(w, bits, n);
    const numbers in = {.vector = vector};
    const node_value *owner = &w->values[node->inputs[0]];
    uint32_t n_owners = w->levels[node->item_level].n;
    if (node->flag) {
        double *gathered = numbers_gather_doubles(w, &in, &chosen);
        compare_doubles(node->function, &chosen, gathered, pair->offsets, n_owners, owner, out);
        worker_give_numbers(w, gathered, chosen.n);
    } else {
        int64_t *gathered = numbers_gather_integers(w, &in, &chosen);
        compare_integers(node->function, &chosen, gathered, pair->offsets, n_owners, owner, out);
        worker_give_numbers(w, gathered, chosen.n);
    }
    positions_give(w, &chosen);
    return MU_OK;
}
