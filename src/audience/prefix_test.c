/* prefix_test.c -- counts of a prefix, kept rows and turns, with blocks in any order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "audience/estimate_int.h"
#include "base/bits.h"
#include "base/hash.h"
#include "tests/support/population.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BUCKET(pid) (mu_mix32(pid) >> 20)

typedef struct block_at {
    uint32_t part, block, first, last; /* buckets */
    uint64_t members[MU_BLOCK_ROWS / 64];
} block_at;

typedef struct all_blocks {
    uint32_t n;
    block_at *items;
} all_blocks;

/* Who is a member for these tests; dead rows never are. */
static bool is_chosen(uint32_t pid)
{
    return pid % 7 == 2;
}

static all_blocks blocks_of(population *p)
{
    all_blocks out = {0};
    mu_err err;
    for (uint32_t part = 0; part < p->profiles->n_parts; part++)
        out.n += mu_part_block_count(p->profiles->parts[part]);
    out.items = MU_NEW_ARRAY(&p->arena, block_at, out.n);
    uint32_t n = 0;
    for (uint32_t part = 0; part < p->profiles->n_parts; part++) {
        for (uint32_t b = 0; b < mu_part_block_count(p->profiles->parts[part]); b++) {
            block_at *at = &out.items[n++];
            mu_block place = mu_part_block(p->profiles->parts[part], b);
            const uint64_t *dead = p->profiles->dead[part];
            const uint32_t *pids;
            assert_int_equal(mu_part_pids(p->profiles->parts[part], b, &pids, &err), MU_OK);
            *at = (block_at){part, b, BUCKET(pids[0]), BUCKET(pids[place.n_rows - 1]), {0}};
            for (uint32_t i = 0; i < place.n_rows; i++)
                if (is_chosen(pids[i]) && (dead == NULL || !mu_bit_get(dead, place.row + i)))
                    mu_bit_set(at->members, i);
        }
    }
    return out;
}

static void shuffle(mu_dice *dice, all_blocks *blocks)
{
    for (uint32_t i = blocks->n; i > 1; i--) {
        uint32_t other = mu_dice_below(dice, i);
        block_at kept = blocks->items[i - 1];
        blocks->items[i - 1] = blocks->items[other];
        blocks->items[other] = kept;
    }
}

/* What must be told once the first `n_added` blocks are there, from the model alone. */
static mu_prefix_counts expected(const population *p, const all_blocks *blocks, uint32_t n_added,
                                 uint64_t by_namespace[2])
{
    mu_prefix_counts out = {.n_by_namespace = by_namespace};
    uint32_t frontier = MU_PREFIX_BUCKETS;
    by_namespace[0] = by_namespace[1] = 0;
    for (uint32_t i = n_added; i < blocks->n; i++)
        frontier = blocks->items[i].first < frontier ? blocks->items[i].first : frontier;
    for (uint32_t pid = 1; pid <= p->n_pids; pid++) {
        if (!p->by_pid[pid].is_alive || BUCKET(pid) >= frontier)
            continue;
        out.n_read++;
        if (!is_chosen(pid))
            continue;
        out.n_matched++;
        by_namespace[0] += pid % 2 == 0 || p->by_pid[pid].has_map;
        by_namespace[1] += pid % 2 != 0 || p->by_pid[pid].has_map;
    }
    return out;
}

static void assert_counts(mu_prefix *prefix, const population *p, const all_blocks *blocks,
                          uint32_t n_added)
{
    uint64_t by_namespace[2];
    mu_prefix_counts wanted = expected(p, blocks, n_added, by_namespace), got;
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    mu_prefix_read(prefix, &arena, &got);
    assert_int_equal(got.n_read, wanted.n_read);
    assert_int_equal(got.n_matched, wanted.n_matched);
    assert_int_equal(got.n_by_namespace[0], by_namespace[0]);
    assert_int_equal(got.n_by_namespace[1], by_namespace[1]);
    mu_arena_free(&arena);
}

static const population_shape shape = {.n_profiles = 20000,
                                       .n_disk = 6,
                                       .n_memory = 6,
                                       .n_replaced = 60,
                                       .n_removed = 20,
                                       .n_new = 30};
static const mu_str codes[] = {{"crm", 3}, {"Email", 5}};

static void counts_are_those_of_an_exact_prefix(void **state)
{
    mu_dice dice;
    population p;
    mu_err err;
    (void)state;
    mu_dice_init(&dice, mu_dice_seed("prefix", 20261));
    population_make(&dice, &shape, &p);
    all_blocks blocks = blocks_of(&p);
    assert_true(blocks.n >= 17);
    for (uint32_t round = 0; round < 4; round++) {
        mu_prefix *prefix;
        assert_int_equal(mu_prefix_new(p.profiles, 3, 2, codes, &prefix, &err), MU_OK);
        shuffle(&dice, &blocks);
        for (uint32_t i = 0; i < blocks.n; i++) {
            const block_at *at = &blocks.items[i];
            assert_counts(prefix, &p, &blocks, i);
            assert_int_equal(mu_prefix_add(prefix, i % 3, at->part, at->block, at->members, &err),
                             MU_OK);
        }
        assert_counts(prefix, &p, &blocks, blocks.n);
        mu_prefix_free(prefix);
    }
    population_free(&p);
}

/* Two workers at once; what the thread sanitizer looks at. */
typedef struct adding {
    mu_prefix *prefix;
    const all_blocks *blocks;
    unsigned worker;
} adding;

static void *add_half(void *context)
{
    const adding *a = context;
    mu_err err;
    for (uint32_t i = a->worker; i < a->blocks->n; i += 2) {
        const block_at *at = &a->blocks->items[i];
        if (mu_prefix_add(a->prefix, a->worker, at->part, at->block, at->members, &err) != MU_OK)
            return "failed";
    }
    return NULL;
}

static void workers_count_side_by_side(void **state)
{
    mu_dice dice;
    population p;
    mu_err err;
    (void)state;
    mu_dice_init(&dice, mu_dice_seed("prefix workers", 20263));
    population_make(&dice, &shape, &p);
    all_blocks blocks = blocks_of(&p);
    for (uint32_t round = 0; round < 20; round++) {
        mu_prefix *prefix;
        pthread_t thread;
        void *failed;
        assert_int_equal(mu_prefix_new(p.profiles, 2, 2, codes, &prefix, &err), MU_OK);
        shuffle(&dice, &blocks);
        adding halves[] = {{prefix, &blocks, 0}, {prefix, &blocks, 1}};
        assert_int_equal(pthread_create(&thread, NULL, add_half, &halves[1]), 0);
        assert_null(add_half(&halves[0]));
        pthread_join(thread, &failed);
        assert_null(failed);
        assert_counts(prefix, &p, &blocks, blocks.n);
        mu_prefix_free(prefix);
    }
    population_free(&p);
}

static void of_no_profiles_everything_is_read(void **state)
{
    mu_prefix *prefix;
    mu_prefix_counts counts;
    mu_arena arena;
    mu_err err;
    (void)state;
    mu_arena_init(&arena, SIZE_MAX);
    assert_int_equal(mu_prefix_new(NULL, 1, 0, NULL, &prefix, &err), MU_OK);
    mu_prefix_read(prefix, &arena, &counts);
    assert_int_equal(counts.n_read + counts.n_matched, 0);
    mu_prefix_free(prefix);
    mu_arena_free(&arena);
}

static int compare_hashes(const void *a, const void *b)
{
    uint32_t left = mu_mix32(*(const uint32_t *)a), right = mu_mix32(*(const uint32_t *)b);
    return (left > right) - (left < right);
}

static void assert_kept(const population *p, const all_blocks *blocks, uint32_t n_max)
{
    mu_kept kept;
    mu_err err;
    uint32_t n = 0, *pids = calloc((size_t)p->n_pids + 1, sizeof *pids);
    assert_non_null(pids);
    for (uint32_t pid = 1; pid <= p->n_pids; pid++)
        if (p->by_pid[pid].is_alive && is_chosen(pid))
            pids[n++] = pid;
    qsort(pids, n, sizeof *pids, compare_hashes);
    mu_kept_init(&kept, n_max);
    for (uint32_t i = 0; i < blocks->n; i++) {
        const block_at *at = &blocks->items[i];
        assert_int_equal(mu_kept_add(&kept, p->profiles->parts[at->part], at->part, at->block,
                                     at->members, &err),
                         MU_OK);
        assert_true(kept.n <= (size_t)n_max * 2);
    }
    mu_kept_finish(&kept);
    assert_int_equal(kept.n, n < n_max ? n : n_max);
    for (uint32_t i = 0; i < kept.n; i++) {
        mu_row_place place = kept.rows[i].place;
        mu_identity identity;
        char text[12];
        assert_int_equal(kept.rows[i].pid, pids[i]);
        assert_int_equal(
            mu_part_identity(p->profiles->parts[place.part], place.row, &identity, &err), MU_OK);
        snprintf(text, sizeof text, "%u", pids[i]);
        assert_true(mu_str_equal(identity.value, mu_str_from(text)));
    }
    mu_kept_fini(&kept);
    free(pids);
}

static void the_rows_of_the_smallest_hash_are_kept(void **state)
{
    static const uint32_t limits[] = {1, 7, 100, 1000, 1000000};
    mu_dice dice;
    population p;
    (void)state;
    mu_dice_init(&dice, mu_dice_seed("kept", 20262));
    population_make(&dice, &shape, &p);
    all_blocks blocks = blocks_of(&p);
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        shuffle(&dice, &blocks);
        assert_kept(&p, &blocks, limits[i]);
    }
    population_free(&p);
}

/* -------- turns -------- */

typedef struct waiting {
    mu_turns *turns;
    mu_turn *turn;
    uint64_t ns;
    bool cancel, is_through;
} waiting;

static void *wait_for_turn(void *context)
{
    waiting *w = context;
    mu_turns_wait(w->turns, w->turn, w->ns, &w->cancel);
    __atomic_store_n(&w->is_through, true, __ATOMIC_RELEASE);
    return NULL;
}

static bool gets_through(const waiting *w, uint32_t within_ms)
{
    for (uint32_t i = 0; i < within_ms && !__atomic_load_n(&w->is_through, __ATOMIC_ACQUIRE); i++)
        usleep(1000);
    return __atomic_load_n(&w->is_through, __ATOMIC_ACQUIRE);
}

#define MS ((uint64_t)1000000)

/* One that has used a lot waits for one that has not, until that one has used as much, leaves, or
 * the first one is cancelled. */
static void who_used_least_goes_on(void **state)
{
    (void)state;
    for (unsigned way = 0; way < 3; way++) {
        mu_turns turns;
        mu_turn large = {0}, small = {0};
        bool never = false;
        pthread_t thread;
        mu_turns_init(&turns);
        mu_turns_enter(&turns, &large);
        mu_turns_wait(&turns, &large, 5000 * MS, &never); /* alone: at once */
        mu_turns_enter(&turns, &small);
        assert_int_equal(small.used_ns, 4000 * MS);
        waiting w = {.turns = &turns, .turn = &large, .ns = 10 * MS};
        assert_int_equal(pthread_create(&thread, NULL, wait_for_turn, &w), 0);
        mu_turns_wait(&turns, &small, 500 * MS, &never);
        assert_false(gets_through(&w, 120));
        if (way == 0)
            mu_turns_wait(&turns, &small, 500 * MS, &never);
        else if (way == 1)
            __atomic_store_n(&w.cancel, true, __ATOMIC_RELAXED);
        else
            mu_turns_leave(&turns, &small);
        assert_true(gets_through(&w, 10000));
        pthread_join(thread, NULL);
        mu_turns_leave(&turns, &large);
        if (way != 2)
            mu_turns_leave(&turns, &small);
        mu_turns_fini(&turns);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_those_of_an_exact_prefix),
        cmocka_unit_test(workers_count_side_by_side),
        cmocka_unit_test(of_no_profiles_everything_is_read),
        cmocka_unit_test(the_rows_of_the_smallest_hash_are_kept),
        cmocka_unit_test(who_used_least_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
