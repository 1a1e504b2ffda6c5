/* list_order.c -- the order of a list's items in time: found once per block for all chains over it.
 *
 * Neighbours of one owner are compared; what is not in order, or has no time, makes its owner hard:
 * others decide it by themselves.
 */
#include "eval/run_int.h"

#include <stdlib.h>

/* Bit i: item i and the next have one time; item i is later than the next. */
typedef struct neighbours {
    uint64_t *equal, *later;
} neighbours;

static void compare_narrow(const worker *w, const mu_vector *v, uint32_t n, neighbours *out)
{
    const uint32_t *x = v->data;
    w->job->kernels->neighbours_32(x, n, out->equal, out->later);
}

/* Any other width: as 64-bit numbers, of which one more may be read. */
static void compare_wide(worker *w, const list_order *order, uint32_t n, neighbours *out)
{
    const kernel_set *k = w->job->kernels;
    int64_t *x = worker_numbers(w, n + 1);
    for (uint32_t i = 0; i < n; i++)
        x[i] = order_time(order, i);
    x[n] = INT64_MAX;
    k->compare_integer(MU_FN_EQUAL - MU_FN_EQUAL, x, x + 1, n, out->equal);
    k->compare_integer(MU_FN_GREATER - MU_FN_EQUAL, x, x + 1, n, out->later);
    worker_give_numbers(w, x, n + 1);
}

/* Owners with an item whose bit is set. */
static uint64_t *owners_of(worker *w, const level_pair *pair, const uint64_t *items)
{
    uint32_t n_owners = w->levels[pair->owner].n, n_items = w->levels[pair->item].n;
    uint64_t *out = MU_NEW_ARRAY(&w->scratch, uint64_t, mu_bits_words(n_owners) + 8);
    w->job->kernels->any_of_owner(items, pair->ends, n_items, pair->filled, n_owners, out);
    return out;
}

static int compare_lengths(const void *a, const void *b, void *offsets)
{
    const uint32_t *at = offsets;
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    uint32_t n_left = at[left + 1] - at[left], n_right = at[right + 1] - at[right];
    return (n_left < n_right) - (n_left > n_right);
}

static void find_long(worker *w, const level_pair *pair, list_order *order)
{
    uint32_t n_owners = w->levels[pair->owner].n, n = 0;
    for (uint32_t o = 0; o < n_owners; o++)
        n += pair->offsets[o + 1] - pair->offsets[o] > ORDER_LONG;
    uint32_t *owners = MU_NEW_ARRAY(&w->scratch, uint32_t, (size_t)n + 1);
    for (uint32_t o = 0; order->n_long < n; o++)
        if (pair->offsets[o + 1] - pair->offsets[o] > ORDER_LONG)
            owners[order->n_long++] = o;
    qsort_r(owners, n, sizeof *owners, compare_lengths, (void *)(uintptr_t)pair->offsets);
    order->long_owners = owners;
}

/* Items without a time; false when all have one. */
static bool find_untimed(worker *w, const list_order *order, uint32_t n, uint64_t *out)
{
    if (order->times_ms != NULL)
        memcpy(out, w->values[order->node].valid, mu_bits_words(n) * 8);
    else if (order->times->n_null > 0)
        vector_valid_bits(order->times, n, out);
    else
        return false;
    w->job->kernels->not_bits(out, n, out);
    return bits_any(out, n);
}

static void find_order(worker *w, const level_pair *pair, list_order *order)
{
    const kernel_set *k = w->job->kernels;
    uint32_t n = w->levels[pair->item].n;
    size_t words = mu_bits_words(n);
    uint64_t *equal = MU_NEW_ARRAY(&w->scratch, uint64_t, words + 8);
    uint64_t *wrong = MU_NEW_ARRAY(&w->scratch, uint64_t, words + 8);
    uint64_t *untimed = worker_bits(w, n);
    neighbours found = {equal, wrong};
    bool has_untimed = find_untimed(w, order, n, untimed);
    if (order->times_ms == NULL && order->times->width == 4)
        compare_narrow(w, order->times, n, &found);
    else
        compare_wide(w, order, n, &found);
    for (size_t i = 0; i < words; i++) { /* the next item of the last one is another owner's */
        equal[i] &= ~pair->ends[i];
        wrong[i] &= ~pair->ends[i];
    }
    if (has_untimed)
        k->or_words(wrong, untimed, words, wrong);
    worker_give_bits(w, untimed, n);
    order->sequence =
        (sequence_order){.n = n, .first = pair->first, .tied = bits_any(equal, n) ? equal : NULL};
    order->hard = bits_any(wrong, n) ? owners_of(w, pair, wrong) : NULL;
    find_long(w, pair, order);
}

mu_code worker_order(worker *w, const plan_node *chain, const list_order **out)
{
    uint32_t node = chain->chain->time, column = chain->chain->time_column;
    level_pair *pair;
    for (const list_order *known = w->orders; known != NULL; known = known->next) {
        if (known->owner == chain->level && known->item == chain->item_level &&
            known->column == column && known->node == node) {
            *out = known;
            return MU_OK;
        }
    }
    list_order *order = MU_NEW(&w->scratch, list_order);
    *order = (list_order){.next = w->orders,
                          .owner = chain->level,
                          .item = chain->item_level,
                          .column = column,
                          .node = node};
    if (node != NO_NODE)
        order->times_ms = w->values[node].integers;
    else
        MU_TRY(worker_vector(w, column, &order->times));
    MU_TRY(worker_pair(w, order->owner, order->item, &pair));
    worker_pair_ends(w, pair);
    find_order(w, pair, order);
    w->orders = order;
    *out = order;
    return MU_OK;
}
