/* sequence_bits_test.c -- random owners, times and bits against plain loops over pairs. */
#include "eval/sequence_bits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ITEMS_MAX 400u
#define WORDS     (ITEMS_MAX / 64 + 1)

typedef struct list {
    uint32_t n;
    uint32_t owner[ITEMS_MAX], time[ITEMS_MAX];
    uint64_t first[WORDS], tied[WORDS], ends[WORDS];
    uint64_t anchors[WORDS], excluded[WORDS], wanted[WORDS];
} list;

static uint64_t state;

static uint32_t below(uint32_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 20) % n);
}

/* Few owners or many, ties rare or common, bits sparse or dense. */
static void draw(list *l)
{
    static const uint32_t one_in[] = {1, 2, 5, 30, 300};
    uint32_t leave = one_in[below(5)], tie = one_in[1 + below(4)], time = 0, owner = 0;
    uint32_t some = one_in[below(5)], no = one_in[below(5)], wish = one_in[below(5)];
    *l = (list){.n = 1 + below(ITEMS_MAX)};
    for (uint32_t i = 0; i < l->n; i++) {
        bool is_first = i == 0 || below(leave) == 0;
        owner += is_first;
        time = is_first ? 0 : time + (below(tie) != 0);
        l->owner[i] = owner;
        l->time[i] = time;
        if (is_first) {
            mu_bit_set(l->first, i);
            if (i > 0)
                mu_bit_set(l->ends, i - 1);
        } else if (l->time[i - 1] == time) {
            mu_bit_set(l->tied, i - 1);
        }
        if (below(some) == 0)
            mu_bit_set(l->anchors, i);
        if (below(no) == 0)
            mu_bit_set(l->excluded, i);
        if (below(wish) == 0)
            mu_bit_set(l->wanted, i);
    }
    mu_bit_set(l->ends, l->n - 1);
}

/* Is there an excluded item of this owner strictly between two times? */
static bool has_between(const list *l, uint32_t owner, int64_t after, int64_t before)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (l->owner[i] == owner && mu_bit_get(l->excluded, i) && l->time[i] > after &&
            l->time[i] < before)
            return true;
    return false;
}

static bool comes_after(const list *l, bool has_anchors, bool has_excluded, uint32_t i)
{
    if (!mu_bit_get(l->wanted, i))
        return false;
    if (!has_anchors)
        return !has_excluded || !has_between(l, l->owner[i], -1, l->time[i]);
    for (uint32_t a = 0; a < l->n; a++)
        if (mu_bit_get(l->anchors, a) && l->owner[a] == l->owner[i] && l->time[a] < l->time[i] &&
            (!has_excluded || !has_between(l, l->owner[i], l->time[a], l->time[i])))
            return true;
    return false;
}

static bool lasts_until_end(const list *l, uint32_t i)
{
    for (uint32_t a = 0; a < l->n && mu_bit_get(l->ends, i); a++)
        if (mu_bit_get(l->anchors, a) && l->owner[a] == l->owner[i] &&
            !has_between(l, l->owner[i], l->time[a], INT64_MAX))
            return true;
    return false;
}

static void check(const list *l, const sequence_order *order)
{
    uint64_t out[WORDS];
    for (unsigned form = 0; form < 4; form++) {
        bool has_anchors = form & 1, has_excluded = form & 2;
        sequence_after(order, has_anchors ? l->anchors : NULL, has_excluded ? l->excluded : NULL,
                       l->wanted, out);
        for (uint32_t i = 0; i < l->n; i++)
            assert_int_equal(mu_bit_get(out, i), comes_after(l, has_anchors, has_excluded, i));
    }
    sequence_until_end(order, l->anchors, l->excluded, l->ends, out);
    for (uint32_t i = 0; i < l->n; i++)
        assert_int_equal(mu_bit_get(out, i), lasts_until_end(l, i));
}

static void agrees_with_plain_loops(void **unused)
{
    (void)unused;
    const char *seed = getenv("MUSTER_SEED");
    state = seed == NULL ? 20260310 : strtoull(seed, NULL, 10);
    printf("sequence_bits: MUSTER_SEED=%llu\n", (unsigned long long)state);
    for (unsigned round = 0; round < 400; round++) {
        list l;
        bool has_ties = false;
        draw(&l);
        for (size_t w = 0; w < WORDS; w++)
            has_ties |= l.tied[w] != 0;
        const sequence_order with = {l.n, l.first, l.tied}, without = {l.n, l.first, NULL};
        check(&l, &with);
        if (!has_ties)
            check(&l, &without);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_plain_loops)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
