#include "base/number.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Digits from the first to the last that is not zero. */
static int significant_digits(mu_str text)
{
    int n = 0, zeros = 0;
    for (size_t i = 0; i < text.len && text.ptr[i] != 'e'; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9' || (text.ptr[i] == '0' && n == 0))
            continue;
        zeros = text.ptr[i] == '0' ? zeros + 1 : 0;
        n++;
    }
    return n - zeros;
}

static int shortest(double value)
{
    char text[40];
    for (int precision = 1;; precision++) {
        snprintf(text, sizeof text, "%.*e", precision - 1, value);
        if (precision == 17 || strtod(text, NULL) == value)
            return significant_digits(mu_str_from(text));
    }
}

static void check(double value)
{
    char text[MU_NUMBER_MAX + 1];
    size_t length = mu_format_double(value, text);
    text[length] = '\0';
    double back;
    if (!mu_parse_double((mu_str){text, length}, &back) || back != value ||
        signbit(back) != signbit(value))
        fail_msg("%.17g is written as %s", value, text);
    if (significant_digits((mu_str){text, length}) != shortest(value))
        fail_msg("%.17g is written as %s, which is not the shortest", value, text);
}

static void doubles_are_written_in_their_shortest_form(void **state)
{
    (void)state;
    static const double some[] = {0.0,  -0.0,  1.0,          -1.0, 0.1,          89.0,  124.95,
                                  1e-6, 1e-7,  1e15,         1e16, 1e17,         1e300, 5e-324,
                                  0.3,  2.675, 1.0e15 + 0.5, 4.35, 123456.789012};
    for (size_t i = 0; i < sizeof some / sizeof some[0]; i++)
        check(some[i]);
    unsigned long long seed = 88172645463325252ull;
    for (int i = 0; i < 20000; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        check((double)(seed % 10000000) / pow(10, (double)(seed >> 40 & 7)));
        double any;
        memcpy(&any, &seed, sizeof any);
        if (isfinite(any) && i % 16 == 0)
            check(any);
    }
}

static void decimals_read_as_people_write_them(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {{89, "89.0"},   {124.95, "124.95"}, {-0.5, "-0.5"},
                 {0.01, "0.01"}, {1e-6, "0.000001"}, {1e15, "1000000000000000.0"},
                 {-0.0, "-0.0"}, {100.25, "100.25"}, {1e300, "1.0e300"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[MU_NUMBER_MAX + 1];
        text[mu_format_double(cases[i].value, text)] = '\0';
        assert_string_equal(text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_are_written_in_their_shortest_form),
        cmocka_unit_test(decimals_read_as_people_write_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
