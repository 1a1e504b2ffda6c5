/* interval_test.c -- known values, what must hold of any interval, and coverage counted out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "audience/interval.h"

#include <math.h>
#include <stdbool.h>

static void assert_interval(uint64_t total, uint64_t read, uint64_t matched, mu_interval expected)
{
    mu_interval got = mu_interval_of(total, read, matched);
    assert_int_equal(got.estimated, expected.estimated);
    assert_int_equal(got.standard_error, expected.standard_error);
    assert_int_equal(got.least, expected.least);
    assert_int_equal(got.most, expected.most);
}

/* Worked out by hand from the formulas. */
static void known_values(void **state)
{
    (void)state;
    /* n' = 10 * 999,999 / 999,990; Wilson (0.23659, 0.76341). */
    assert_interval(1000000, 10, 5, (mu_interval){500000, 158113, 236593, 763407});
    /* No match in a thousand: at most z2 / (n' + z2), with n' = 1000 * 9999 / 9000 = 1111. */
    assert_interval(10000, 1000, 0, (mu_interval){0, 0, 0, 35});
    /* One in a thousand of a million: a Poisson mean of 0.0513 gives one in a twentieth. */
    assert_interval(1000000, 1000, 1, (mu_interval){1000, 999, 51, 5639});
    /* Half of a population: p = 0.3, n' = 500 * 999 / 500 = 999. */
    assert_interval(1000, 500, 150, (mu_interval){300, 14, 272, 330});
}

static void a_full_scan_is_exact(void **state)
{
    (void)state;
    assert_interval(0, 0, 0, (mu_interval){0, 0, 0, 0});
    assert_interval(7, 7, 0, (mu_interval){0, 0, 0, 0});
    assert_interval(7, 7, 7, (mu_interval){7, 0, 7, 7});
    assert_interval(1000000, 1000000, 421, (mu_interval){421, 0, 421, 421});
}

static void nothing_read_says_nothing(void **state)
{
    (void)state;
    assert_interval(12345, 0, 0, (mu_interval){0, 0, 0, 12345});
}

static void large_numbers_do_not_overflow(void **state)
{
    (void)state;
    uint64_t total = UINT32_MAX, read = total - 1;
    mu_interval got = mu_interval_of(total, read, read);
    assert_int_equal(got.estimated, total);
    assert_int_equal(got.most, total);
    assert_int_equal(got.least, read);
    got = mu_interval_of(UINT64_C(1) << 40, UINT64_C(1) << 39, UINT64_C(1) << 38);
    assert_int_equal(got.estimated, UINT64_C(1) << 39);
    assert_true(got.least < got.estimated && got.estimated < got.most);
}

/* For every sample of every population of these sizes: bounds hold the estimate, allow what was
 * seen, grow with the matches, and mirror each other. */
static void bounds_are_in_order(void **state)
{
    (void)state;
    for (uint64_t total = 1; total <= 60; total++) {
        for (uint64_t read = 1; read <= total; read++) {
            mu_interval before = {0};
            for (uint64_t m = 0; m <= read; m++) {
                mu_interval got = mu_interval_of(total, read, m);
                assert_true(got.least <= got.estimated && got.estimated <= got.most);
                assert_true(got.least >= m && got.most <= total - (read - m));
                assert_true(got.least >= before.least && got.most >= before.most);
                assert_true(got.estimated >= before.estimated);
                mu_interval mirror = mu_interval_of(total, read, read - m);
                assert_int_equal(mirror.least, total - got.most);
                assert_int_equal(mirror.standard_error, got.standard_error);
                before = got;
            }
        }
    }
}

static void more_rows_tell_more(void **state)
{
    (void)state;
    uint64_t width = UINT64_MAX;
    for (uint64_t read = 1000; read <= 1000000; read += 1000) {
        mu_interval got = mu_interval_of(1000000, read, read / 20);
        assert_true(got.most - got.least <= width);
        width = got.most - got.least;
    }
    assert_int_equal(width, 0);
}

static double log_choose(double n, double k)
{
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1);
}

/* The probability that the interval of a random sample of `read` covers the true size. */
static double coverage(uint32_t total, uint32_t read, uint32_t size)
{
    uint32_t unread = total - read, low = size > unread ? size - unread : 0;
    double sum = 0;
    for (uint32_t m = low; m <= size && m <= read; m++) {
        mu_interval got = mu_interval_of(total, read, m);
        if (got.least <= size && size <= got.most)
            sum += exp(log_choose(size, m) + log_choose(total - size, read - m) -
                       log_choose(total, read));
    }
    return sum;
}

/* Over all true sizes: on average what is promised, and for none far from it; counted out from the
 * hypergeometric distribution, so nothing here is left to chance. */
static void intervals_cover_the_true_size(void **state)
{
    static const uint32_t totals[] = {20, 50, 100, 200, 400};
    (void)state;
    for (size_t t = 0; t < sizeof totals / sizeof totals[0]; t++) {
        uint32_t total = totals[t];
        for (uint32_t read = 2; read < total; read += 1 + total / 40) {
            double sum = 0, rare = 0;
            for (uint32_t size = 0; size <= total; size++) {
                double covers = coverage(total, read, size);
                assert_true(covers > (read < 10 ? 0.87 : 0.90));
                sum += covers;
                rare += size < 20 ? covers : 0;
            }
            assert_true(sum / (total + 1) > 0.95);
            assert_true(rare / 20 > 0.95);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_values),
        cmocka_unit_test(a_full_scan_is_exact),
        cmocka_unit_test(nothing_read_says_nothing),
        cmocka_unit_test(large_numbers_do_not_overflow),
        cmocka_unit_test(bounds_are_in_order),
        cmocka_unit_test(more_rows_tell_more),
        cmocka_unit_test(intervals_cover_the_true_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
