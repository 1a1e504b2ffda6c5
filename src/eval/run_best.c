/* run_best.c -- the n items of each owner with the largest or smallest numbers.
 *
 * Items without a number come last; equal numbers, and those without one, in list order. Events lie
 * in the order of their time, so that the latest few of a profile are almost always at one end of
 * its list; only where the numbers neither rise nor fall are they sorted.
 */
#include "eval/run_list_int.h"

#include <stdlib.h>

/* The better of two numbers has the larger rank. */
static int64_t *ranks_of(worker *w, const plan_node *node, const numbers *in,
                         const positions *chosen)
{
    bool is_double = node->hi != 0;
    int64_t *ranks;
    if (!is_double) {
        ranks = numbers_gather_integers(w, in, chosen);
    } else {
        double *doubles = numbers_gather_doubles(w, in, chosen);
        ranks = (int64_t *)(void *)doubles;
        for (uint32_t p = 0; p < chosen->n; p++) {
            double number = doubles[p] + 0.0; /* -0.0 equals 0.0 */
            int64_t bits;
            memcpy(&bits, &number, sizeof bits);
            bits ^= (bits >> 63) & INT64_MAX; /* negative numbers the other way round */
            memcpy(&doubles[p], &bits, sizeof bits);
        }
    }
    for (uint32_t p = 0; !node->flag && p < chosen->n; p++)
        ranks[p] = ~ranks[p];
    return ranks;
}

typedef struct candidate {
    int64_t rank;
    uint32_t position;
} candidate;

static int compare_candidates(const void *left, const void *right)
{
    const candidate *a = left, *b = right;
    if (a->rank != b->rank)
        return a->rank > b->rank ? -1 : 1;
    return (a->position > b->position) - (a->position < b->position);
}

static void set_bits(const uint32_t *at, uint32_t n, uint64_t *out)
{
    for (uint32_t i = 0; i < n; i++)
        mu_bit_set(out, at[i]);
}

static void choose_one(const int64_t *ranks, const uint32_t *at, uint32_t n, uint64_t *out)
{
    uint32_t best = 0;
    int64_t rank = ranks[0];
    for (uint32_t i = 1; i < n; i++) {
        best = ranks[i] > rank ? i : best;
        rank = ranks[i] > rank ? ranks[i] : rank;
    }
    mu_bit_set(out, at[best]);
}

/* Of rising ranks: the last, but of those that equal the worst of them the first in the list. */
static void choose_from_rising(const int64_t *ranks, const uint32_t *at, uint32_t n,
                               uint32_t wanted, uint64_t *out)
{
    int64_t worst = ranks[n - wanted];
    uint32_t first = n - wanted, past = n - wanted;
    while (first > 0 && ranks[first - 1] == worst)
        first--;
    while (past < n && ranks[past] == worst)
        past++;
    set_bits(at + past, n - past, out);
    set_bits(at + first, wanted - (n - past), out);
}

static void choose_by_sorting(worker *w, const int64_t *ranks, const uint32_t *at, uint32_t n,
                              uint32_t wanted, uint64_t *out)
{
    candidate *candidates = worker_numbers(w, n * 2);
    for (uint32_t i = 0; i < n; i++)
        candidates[i] = (candidate){ranks[i], at[i]};
    qsort(candidates, n, sizeof *candidates, compare_candidates);
    for (uint32_t i = 0; i < wanted; i++)
        mu_bit_set(out, candidates[i].position);
    worker_give_numbers(w, candidates, n * 2);
}

/* `wanted` >= 1 of an owner's `n` items that have a number. */
static void choose_best(worker *w, const int64_t *ranks, const uint32_t *at, uint32_t n,
                        uint32_t wanted, uint64_t *out)
{
    if (n <= wanted) {
        set_bits(at, n, out);
        return;
    }
    if (wanted == 1) {
        choose_one(ranks, at, n, out);
        return;
    }
    bool rises = true, falls = true;
    for (uint32_t i = 1; i < n; i++) {
        rises &= ranks[i - 1] <= ranks[i];
        falls &= ranks[i - 1] >= ranks[i];
    }
    if (rises)
        choose_from_rising(ranks, at, n, wanted, out);
    else if (falls)
        set_bits(at, wanted, out);
    else
        choose_by_sorting(w, ranks, at, n, wanted, out);
}

/* The node's level is the items', its item_level the owners'. */
mu_code run_best(worker *w, uint32_t id, const plan_node *node, uint32_t n)
{
    const uint64_t *bits = w->values[node->inputs[0]].bits;
    numbers key;
    level_pair *pair;
    MU_TRY(numbers_of(w, node, &key));
    MU_TRY(worker_pair(w, node->item_level, node->level, &pair));
    uint64_t *out = worker_bits(w, n);
    w->values[id].bits = out;
    if (node->lo <= 0)
        return MU_OK;
    uint32_t wanted = node->lo > UINT32_MAX ? UINT32_MAX : (uint32_t)node->lo;
    uint64_t *some = worker_raw_bits(w, n);
    numbers_choose(w, &key, bits, n, some);
    positions numbered = positions_take(w, some, n);
    for (size_t word = 0; word < mu_bits_words(n); word++)
        some[word] = bits[word] & ~some[word];
    positions unnumbered = positions_take(w, some, n);
    int64_t *ranks = ranks_of(w, node, &key, &numbered);
    uint32_t n_owners = w->levels[node->item_level].n;
    for (uint32_t o = 0, p = 0, q = 0; o < n_owners; o++) {
        uint32_t end = pair->offsets[o + 1], from = p;
        while (numbered.at[p] < end)
            p++;
        if (p > from)
            choose_best(w, ranks + from, numbered.at + from, p - from, wanted, out);
        for (uint32_t n_found = p - from; unnumbered.at[q] < end; q++, n_found++)
            if (n_found < wanted)
                mu_bit_set(out, unnumbered.at[q]);
    }
    worker_give_numbers(w, ranks, numbered.n);
    positions_give(w, &unnumbered);
    positions_give(w, &numbered);
    worker_give_bits(w, some, n);
    return MU_OK;
}
