/* run_list.c -- nodes between the items of lists and their owners. */
#include "eval/run_list_int.h"

/* Sets bits from .. to of the map. */
static void set_stretch(uint64_t *bits, uint32_t from, uint32_t to)
{
    if (from == to)
        return;
    size_t first = from / 64, last = (to - 1) / 64;
    uint64_t low = ~(uint64_t)0 << (from % 64), high = ~(uint64_t)0 >> (63 - (to - 1) % 64);
    if (first == last) {
        bits[first] |= low & high;
        return;
    }
    bits[first] |= low;
    for (size_t word = first + 1; word < last; word++)
        bits[word] = ~(uint64_t)0;
    bits[last] |= high;
}

/* Owners that are looked up far apart miss the cache; what comes next is asked for in time. */
#define OWNERS_AHEAD 16u

static void spread_bits(worker *w, const uint64_t *from, const uint32_t *offsets, uint32_t n_owners,
                        uint64_t *out)
{
    positions owners = positions_take(w, from, n_owners);
    for (uint32_t p = 0; p < owners.n; p++) {
        if (p + OWNERS_AHEAD < owners.n)
            __builtin_prefetch(&offsets[owners.at[p + OWNERS_AHEAD]]);
        set_stretch(out, offsets[owners.at[p]], offsets[owners.at[p] + 1]);
    }
    positions_give(w, &owners);
}

static mu_code run_broadcast(worker *w, uint32_t id, const plan_node *node, uint32_t n)
{
    const node_value *from = &w->values[node->inputs[0]];
    node_value *out = &w->values[id];
    level_pair *pair;
    MU_TRY(worker_pair(w, node->item_level, node->level, &pair));
    uint32_t n_owners = w->levels[node->item_level].n;
    if (node->kind == VECTOR_BITS) {
        out->bits = worker_bits(w, n);
        spread_bits(w, from->bits, pair->offsets, n_owners, out->bits);
        return MU_OK;
    }
    out->data = worker_numbers(w, n);
    out->valid = worker_bits(w, n);
    spread_bits(w, from->valid, pair->offsets, n_owners, out->valid);
    for (uint32_t owner = 0; owner < n_owners; owner++)
        for (uint32_t i = pair->offsets[owner]; i < pair->offsets[owner + 1]; i++)
            out->integers[i] = from->integers[owner];
    return MU_OK;
}

/* The owner of an item, at or after `first`. One offset of each cache line is looked at, in an
 * order that the processor foresees: halving would miss the cache at every step. */
static uint32_t find_owner(const uint32_t *offsets, uint32_t n_owners, uint32_t first,
                           uint32_t item)
{
    while (first + 16 < n_owners && offsets[first + 16] <= item)
        first += 16;
    if (first + 16 >= n_owners) {
        while (offsets[first + 1] <= item)
            first++;
        return first;
    }
    uint32_t n_before = 0; /* owners that end before the item: counted, not searched */
    for (uint32_t k = 1; k <= 16; k++)
        n_before += offsets[first + k] <= item;
    return first + n_before;
}

/* Few bits: the owner of each is looked up; many: all owners' stretches at once, for which the
 * owners that have items are walked first. */
static bool are_few(const level_pair *pair, size_t n_set, uint32_t n_owners, uint32_t n_items)
{
    uint32_t n_filled_max = n_owners < n_items ? n_owners : n_items;
    return n_set * (pair->ends == NULL ? 10 : 64) <= n_filled_max;
}

static mu_code run_any(worker *w, uint32_t id, const plan_node *node, uint32_t n_owners)
{
    const uint64_t *bits = w->values[node->inputs[0]].bits;
    level_pair *pair;
    MU_TRY(worker_pair(w, node->level, node->item_level, &pair));
    uint64_t *out = worker_bits(w, n_owners);
    w->values[id].bits = out;
    uint32_t n_items = w->levels[node->item_level].n;
    size_t n_set = w->job->kernels->count_bits(bits, mu_bits_words(n_items));
    if (n_set == 0)
        return MU_OK;
    if (!are_few(pair, n_set, n_owners, n_items)) {
        worker_pair_ends(w, pair);
        w->job->kernels->any_of_owner(bits, pair->ends, n_items, pair->filled, n_owners, out);
        return MU_OK;
    }
    uint32_t owner = 0;
    FOR_EACH_BIT(bits, n_items, i)
    {
        owner = find_owner(pair->offsets, n_owners, owner, (uint32_t)i);
        mu_bit_set(out, owner);
    }
    return MU_OK;
}

/* PLAN_FIRST's level is the items', its item_level the owners'. */
static mu_code run_first(worker *w, uint32_t id, const plan_node *node, uint32_t n)
{
    level_pair *pair;
    MU_TRY(worker_pair(w, node->item_level, node->level, &pair));
    uint64_t *out = worker_bits(w, n);
    w->values[id].bits = out;
    positions chosen = positions_take(w, w->values[node->inputs[0]].bits, n);
    uint32_t n_owners = w->levels[node->item_level].n;
    for (uint32_t o = 0, p = 0; o < n_owners; o++) {
        uint32_t end = pair->offsets[o + 1];
        if (chosen.at[p] < end)
            mu_bit_set(out, chosen.at[p]);
        while (chosen.at[p] < end)
            p++;
    }
    positions_give(w, &chosen);
    return MU_OK;
}

/* -------- numbers of the items -------- */

static mu_code run_count(worker *w, uint32_t id, const plan_node *node, uint32_t n_owners)
{
    level_pair *pair;
    node_value *out = &w->values[id];
    out->integers = worker_numbers(w, n_owners);
    out->valid = worker_raw_bits(w, n_owners);
    mu_bits_fill(out->valid, n_owners);
    if (node->level == node->item_level) {
        for (uint32_t i = 0; i < n_owners; i++)
            out->integers[i] = mu_bit_get(w->values[node->inputs[0]].bits, i);
        return MU_OK;
    }
    MU_TRY(worker_pair(w, node->level, node->item_level, &pair));
    w->job->kernels->count_of_owner(w->values[node->inputs[0]].bits, pair->offsets, n_owners,
                                    out->integers);
    return MU_OK;
}

typedef struct reduction {
    positions chosen; /* items whose number is not null */
    union {
        int64_t *integers;
        double *doubles;
    }; /* their numbers */
    const uint32_t *offsets;
} reduction;

static mu_code begin_reduction(worker *w, uint32_t id, const plan_node *node, uint32_t n_owners,
                               reduction *r)
{
    numbers in;
    level_pair *pair;
    MU_TRY(numbers_of(w, node, &in));
    MU_TRY(worker_pair(w, node->level, node->item_level, &pair));
    uint32_t n_items = w->levels[node->item_level].n;
    uint64_t *bits = worker_raw_bits(w, n_items);
    numbers_choose(w, &in, w->values[node->inputs[0]].bits, n_items, bits);
    r->offsets = pair->offsets;
    r->chosen = positions_take(w, bits, n_items);
    worker_give_bits(w, bits, n_items);
    if (node->kind == VECTOR_DOUBLE)
        r->doubles = numbers_gather_doubles(w, &in, &r->chosen);
    else
        r->integers = numbers_gather_integers(w, &in, &r->chosen);
    node_value *out = &w->values[id];
    out->data = worker_numbers(w, n_owners);
    out->valid = worker_raw_bits(w, n_owners);
    return MU_OK;
}

static void end_reduction(worker *w, reduction *r)
{
    worker_give_numbers(w, r->integers, r->chosen.n);
    positions_give(w, &r->chosen);
}

static mu_code sum_doubles(worker *w, uint32_t id, const reduction *r, uint32_t n_owners)
{
    double *out = w->values[id].doubles;
    for (uint32_t o = 0, p = 0; o < n_owners; o++) {
        double sum = 0;
        for (uint32_t end = r->offsets[o + 1]; r->chosen.at[p] < end; p++)
            sum += r->doubles[p];
        out[o] = sum;
        if (!__builtin_isfinite(sum))
            MU_TRY(worker_bail_element(w, id, w->job->plan.nodes[id].level, o));
    }
    return MU_OK;
}

static mu_code sum_integers(worker *w, uint32_t id, const reduction *r, uint32_t n_owners)
{
    int64_t *out = w->values[id].integers;
    for (uint32_t o = 0, p = 0; o < n_owners; o++) {
        int64_t sum = 0;
        bool overflows = false;
        for (uint32_t end = r->offsets[o + 1]; r->chosen.at[p] < end; p++)
            overflows |= __builtin_add_overflow(sum, r->integers[p], &sum);
        out[o] = sum;
        if (overflows)
            MU_TRY(worker_bail_element(w, id, w->job->plan.nodes[id].level, o));
    }
    return MU_OK;
}

/* Doubles in list order; no items: 0 (pql.md 8.3). */
static mu_code run_sum(worker *w, uint32_t id, const plan_node *node, uint32_t n_owners)
{
    reduction r;
    MU_TRY(begin_reduction(w, id, node, n_owners, &r));
    mu_bits_fill(w->values[id].valid, n_owners);
    MU_TRY(node->kind == VECTOR_DOUBLE ? sum_doubles(w, id, &r, n_owners)
                                       : sum_integers(w, id, &r, n_owners));
    end_reduction(w, &r);
    return MU_OK;
}

/* out[o]: of equal numbers the first, so that -0.0 and 0.0 stay what they are. No items: 0, null.
 */
#define EXTREME_OF_OWNER(type, in, out, better)                                                    \
    for (uint32_t o = 0, p = 0; o < n_owners; o++) {                                               \
        uint32_t end = r.offsets[o + 1];                                                           \
        bool has_items = r.chosen.at[p] < end;                                                     \
        type best = has_items ? (in)[p] : 0;                                                       \
        for (; r.chosen.at[p] < end; p++)                                                          \
            best = (in)[p] better best ? (in)[p] : best;                                           \
        (out)[o] = best;                                                                           \
        valid[o / 64] |= (uint64_t)has_items << (o % 64);                                          \
    }

/* LEAST, GREATEST and PICK (whose owners have at most one item). No items: null. */
static mu_code run_extreme(worker *w, uint32_t id, const plan_node *node, uint32_t n_owners)
{
    reduction r;
    MU_TRY(begin_reduction(w, id, node, n_owners, &r));
    node_value *value = &w->values[id];
    uint64_t *valid = value->valid;
    mu_bits_zero(valid, n_owners);
    bool least = node->operation == PLAN_LEAST;
    if (node->kind == VECTOR_DOUBLE && least)
        EXTREME_OF_OWNER(double, r.doubles, value->doubles, <)
    else if (node->kind == VECTOR_DOUBLE)
        EXTREME_OF_OWNER(double, r.doubles, value->doubles, >)
    else if (least)
        EXTREME_OF_OWNER(int64_t, r.integers, value->integers, <)
    else
        EXTREME_OF_OWNER(int64_t, r.integers, value->integers, >)
    end_reduction(w, &r);
    return MU_OK;
}

mu_code run_list(worker *w, uint32_t id, const plan_node *node, uint32_t n)
{
    switch (node->operation) {
    case PLAN_BROADCAST:
        return run_broadcast(w, id, node, n);
    case PLAN_ANY:
        return run_any(w, id, node, n);
    case PLAN_FIRST:
        return run_first(w, id, node, n);
    case PLAN_BEST:
        return run_best(w, id, node, n);
    case PLAN_COUNT:
        return run_count(w, id, node, n);
    case PLAN_SUM:
        return run_sum(w, id, node, n);
    case PLAN_COMPARE_OWNER:
        return run_compare_owner(w, id, node, n);
    case PLAN_DISTINCT_COUNT:
    case PLAN_GROUP_SIZE:
        return run_groups(w, id, node, n);
    default:
        return run_extreme(w, id, node, n);
    }
}
