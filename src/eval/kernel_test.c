/* Every kernel set gives the bits of a plain loop, at every length around the word and vector
 * sizes. */
#include "eval/kernel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LONGEST 300u

static uint64_t state = 0x243f6a8885a308d3u;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static bool has_set(const kernel_set *set)
{
    setenv("MUSTER_KERNELS", set->name, 1);
    const kernel_set *chosen = kernels_choose();
    unsetenv("MUSTER_KERNELS");
    return chosen == set;
}

static void assert_same_bits(const uint64_t *got, const uint64_t *wanted, size_t n)
{
    for (size_t w = 0; w < mu_bits_words(n); w++)
        assert_int_equal(got[w], wanted[w]);
}

#define CHECK_RANGE(set, type, kernel)                                                             \
    do {                                                                                           \
        type x[LONGEST + 64], lo = (type)next_random(), span = (type)next_random();                \
        uint64_t got[LONGEST / 64 + 2] = {0}, wanted[LONGEST / 64 + 2] = {0};                      \
        for (size_t i = 0; i < LONGEST + 64; i++)                                                  \
            x[i] = (type)(next_random() % 3 == 0 ? (uint64_t)lo + span : next_random());           \
        for (size_t i = 0; i < n; i++)                                                             \
            if ((type)(x[i] - lo) <= span)                                                         \
                mu_bit_set(wanted, i);                                                             \
        (set)->kernel(x, n, lo, span, got);                                                        \
        assert_same_bits(got, wanted, n);                                                          \
    } while (0)

static void check_double(const kernel_set *set, size_t n)
{
    double x[LONGEST + 64];
    uint64_t got[LONGEST / 64 + 2] = {0}, wanted[LONGEST / 64 + 2] = {0};
    for (size_t i = 0; i < LONGEST + 64; i++)
        x[i] = (double)(next_random() % 9) - 4;
    for (size_t i = 0; i < n; i++)
        if (x[i] >= -2 && x[i] <= 1)
            mu_bit_set(wanted, i);
    set->range_double(x, n, -2, 1, got);
    assert_same_bits(got, wanted, n);
}

static void check_owners(const kernel_set *set, size_t n)
{
    uint64_t bits[LONGEST / 64 + 2] = {0}, any[LONGEST / 64 + 4] = {0};
    uint32_t offsets[LONGEST + 2] = {0};
    int64_t counts[LONGEST + 1];
    size_t n_owners = 0;
    for (size_t i = 0; i < n; i++)
        if (next_random() % 4 == 0)
            mu_bit_set(bits, i);
    while (offsets[n_owners] < n && n_owners < LONGEST) {
        uint32_t left = (uint32_t)(n - offsets[n_owners]);
        uint32_t step =
            (uint32_t)(next_random() % 3 == 0 ? next_random() % 100 : next_random() % 3);
        offsets[n_owners + 1] = offsets[n_owners] + (step < left ? step : left);
        n_owners++;
    }
    uint64_t ends[LONGEST / 64 + 2] = {0}, filled[LONGEST / 64 + 2] = {0};
    for (size_t o = 0; o < n_owners; o++) {
        if (offsets[o + 1] == offsets[o])
            continue;
        mu_bit_set(ends, offsets[o + 1] - 1);
        mu_bit_set(filled, o);
    }
    set->any_of_owner(bits, ends, n, filled, n_owners, any);
    set->count_of_owner(bits, offsets, n_owners, counts);
    for (size_t o = 0; o < n_owners; o++) {
        int64_t count = 0;
        for (uint32_t i = offsets[o]; i < offsets[o + 1]; i++)
            count += mu_bit_get(bits, i);
        assert_int_equal(counts[o], count);
        assert_int_equal(mu_bit_get(any, o), count > 0);
    }
}

static void check_positions(const kernel_set *set, size_t n)
{
    uint64_t bits[LONGEST / 64 + 2] = {0};
    uint32_t got[LONGEST + 16];
    unsigned one_in = 1 + (unsigned)(next_random() % 20);
    for (size_t i = 0; i < n; i++)
        if (next_random() % one_in == 0)
            mu_bit_set(bits, i);
    size_t count = set->positions(bits, n, got), wanted = 0;
    for (size_t i = 0; i < n; i++)
        if (mu_bit_get(bits, i))
            assert_int_equal(got[wanted++], i);
    assert_int_equal(count, wanted);
    assert_int_equal(set->count_bits(bits, mu_bits_words(n)), wanted);
}

static void check_find_ends(const kernel_set *set, size_t n)
{
    char bytes[LONGEST + 64];
    uint64_t got[LONGEST / 64 + 2] = {0};
    size_t length = 1 + next_random() % (n < 5 ? n : 5);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)('a' + next_random() % 3);
    set->find_ends(bytes, n, "abcab", length, got);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(mu_bit_get(got, i), i + length <= n && bytes[i] == 'a' &&
                                                 bytes[i + length - 1] == "abcab"[length - 1]);
}

static void check_changes(const kernel_set *set, size_t n)
{
    uint32_t x[LONGEST + 64] = {0};
    uint64_t got[LONGEST / 64 + 2] = {0};
    for (size_t i = 1; i < LONGEST + 64; i++)
        x[i] = x[i - 1] + (next_random() % 3 == 0);
    set->changes_32(x, n, got);
    for (size_t i = 0; i < mu_bits_words(n) * 64; i++)
        assert_int_equal(mu_bit_get(got, i), i < n && x[i] != x[i + 1]);
}

static void check_set(const kernel_set *set)
{
    if (!has_set(set)) {
        printf("this machine has no %s kernels\n", set->name);
        skip();
    }
    for (size_t n = 1; n <= LONGEST; n++) {
        CHECK_RANGE(set, uint8_t, range_8);
        CHECK_RANGE(set, uint16_t, range_16);
        CHECK_RANGE(set, uint32_t, range_32);
        CHECK_RANGE(set, uint64_t, range_64);
        check_double(set, n);
        check_owners(set, n);
        check_positions(set, n);
        check_find_ends(set, n);
        check_changes(set, n);
    }
}

static void plain_kernels_give_the_bits_of_a_loop(void **unused)
{
    (void)unused;
    check_set(&kernels_plain);
}

static void avx2_kernels_give_the_bits_of_a_loop(void **unused)
{
    (void)unused;
    check_set(&kernels_avx2);
}

static void avx512_kernels_give_the_bits_of_a_loop(void **unused)
{
    (void)unused;
    check_set(&kernels_avx512);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_kernels_give_the_bits_of_a_loop),
        cmocka_unit_test(avx2_kernels_give_the_bits_of_a_loop),
        cmocka_unit_test(avx512_kernels_give_the_bits_of_a_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
