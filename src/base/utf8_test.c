/* utf8_test.c -- texts that are cut end with a whole character; so do errors that do not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/utf8.h"

static void a_cut_text_ends_with_a_whole_character(void **state)
{
    (void)state;
    static const char text[] =
        "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z"; /* a, e acute, euro, smile */
    static const size_t whole[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11};
    for (size_t n = 0; n < sizeof whole / sizeof whole[0]; n++) {
        assert_int_equal(mu_utf8_whole((mu_str){text, n}), whole[n]);
        assert_true(mu_utf8_valid((mu_str){text, whole[n]}));
    }
}

static void an_error_that_does_not_fit_is_still_text(void **state)
{
    (void)state;
    char text[2000];
    mu_err err;
    for (size_t begin = 0; begin < 3; begin++) {
        for (size_t i = 0; i + 3 <= sizeof text; i += 3)
            memcpy(text + i, "\xe2\x82\xac", 3);
        (void)mu_fail(&err, MU_E_INPUT, "%.*s%.*s", (int)begin, "ab", (int)sizeof text - 2, text);
        assert_true(strlen(err.text) >= sizeof err.text - 4);
        assert_true(mu_utf8_valid(mu_str_from(err.text)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cut_text_ends_with_a_whole_character),
        cmocka_unit_test(an_error_that_does_not_fit_is_still_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
