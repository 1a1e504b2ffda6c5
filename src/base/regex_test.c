/* regex_test.c -- patterns as Java has them, and the step limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/regex.h"
#include "base/thread.h"

#include <stdio.h>

#include <stdlib.h>

static mu_regex_result search(const char *pattern, const char *text)
{
    mu_regex *regex = NULL;
    mu_err err = {0};
    if (mu_regex_new(mu_str_from(pattern), &regex, &err) != MU_OK)
        fail_msg("%s: %s", pattern, err.text);
    mu_regex_result result = mu_regex_search(regex, mu_str_from(text));
    mu_regex_free(regex);
    return result;
}

static void a_pattern_is_found_anywhere(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        mu_regex_result result;
    } cases[] = {
        {"(?i)^john", "Johnny", MU_REGEX_YES},
        {"^john", "Johnny", MU_REGEX_NO},
        {"hn", "Johnny", MU_REGEX_YES},
        {"", "", MU_REGEX_YES},
        {"^[\\w.]+@acme\\.com$", "a.b@acme.com", MU_REGEX_YES},
        {"^\\w$", "\xc3\xa9", MU_REGEX_NO},         /* ASCII classes, as in Java */
        {"^.$", "\xc3\xa9", MU_REGEX_YES},          /* code points */
        {"(?i)\xc3\x89", "\xc3\xa9", MU_REGEX_YES}, /* Unicode case */
        {"\\p{L}", "\xc3\xa9", MU_REGEX_YES},
        {"^\\p{Alpha}+$", "abC", MU_REGEX_YES},
        {"^\\P{Alpha}+$", "12", MU_REGEX_YES},
        {"^[\\p{Digit}x]+$", "1x2", MU_REGEX_YES},
        {"^[\\P{Digit}]+$", "1", MU_REGEX_NO},
        {"\\p{IsGreek}", "\xce\xb1", MU_REGEX_YES},
        {"\\u00e9", "\xc3\xa9", MU_REGEX_YES},
        {"\\Q[a&&b]\\E", "x[a&&b]", MU_REGEX_YES},
        {"[]a]", "]", MU_REGEX_YES},
        {"[^]]", "]", MU_REGEX_NO},
        {"[[:alpha:]]", "a", MU_REGEX_YES},
        {"(?u)a", "a", MU_REGEX_YES},
        {"(?iu:A)b", "ab", MU_REGEX_YES},
        {"(?<name>a)\\k<name>", "aa", MU_REGEX_YES},
        {"(?<=a)b(?!c)", "abd", MU_REGEX_YES},
        {"a++b", "aaab", MU_REGEX_YES},
        {"^a.b$", "a\rb", MU_REGEX_NO}, /* a dot matches no line end */
        {"a",
         "\xff"
         "a",
         MU_REGEX_YES},
        {".", "\xff", MU_REGEX_NO}, /* bytes that are no UTF-8 match nothing */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (search(cases[i].pattern, cases[i].text) != cases[i].result)
            fail_msg("%s on %s", cases[i].pattern, cases[i].text);
}

static void a_bad_pattern_says_why(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"(", "missing closing parenthesis at offset 1"},
        {"[a-z&&[^b]]", "an intersection of character classes (&&) is not supported at offset 4"},
        {"[a[b]]", "a union of character classes is not supported; write \\[ for '[' at offset 2"},
        {"(?U)a", "the flag U is not supported at offset 0"},
        {"\\u12", "\\u needs four hexadecimal digits at offset 0"},
        {"\\C", "using \\C is disabled by the application at offset 2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mu_regex *regex = NULL;
        mu_err err = {0};
        assert_int_equal(mu_regex_new(mu_str_from(cases[i][0]), &regex, &err), MU_E_SYNTAX);
        assert_string_equal(err.text, cases[i][1]);
        assert_null(regex);
    }
    char *long_pattern = malloc(MU_REGEX_PATTERN_MAX + 1);
    memset(long_pattern, 'a', MU_REGEX_PATTERN_MAX + 1);
    mu_regex *regex = NULL;
    assert_int_equal(mu_regex_new((mu_str){long_pattern, MU_REGEX_PATTERN_MAX + 1}, &regex, NULL),
                     MU_E_SYNTAX);
    free(long_pattern);
}

static void groups_are_parts_of_the_text(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        int group;
        const char *expected; /* NULL: took no part */
    } cases[] = {
        {"@(\\w+)", "a@site.com", 1, "site"},
        {"@(\\w+)", "a@site.com", -1, "site"},
        {"@\\w+", "a@site.com", -1, "@site"},
        {"@(\\w+)", "a@site.com", 0, "@site"},
        {"@(\\w+)", "a@site.com", 2, NULL},
        {"(a)|(b)", "b", 1, NULL},
        {"(x*)b", "b", 1, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mu_regex *regex = NULL;
        mu_str group;
        assert_int_equal(mu_regex_new(mu_str_from(cases[i].pattern), &regex, NULL), MU_OK);
        assert_int_equal(mu_regex_group(regex, mu_str_from(cases[i].text), cases[i].group, &group),
                         MU_REGEX_YES);
        if (cases[i].expected == NULL)
            assert_null(group.ptr);
        else
            assert_true(mu_str_equal(group, mu_str_from(cases[i].expected)));
        mu_regex_free(regex);
    }
}

static void too_many_steps_trip_the_limit(void **state)
{
    (void)state;
    assert_int_equal(search("(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"), MU_REGEX_LIMIT);
    assert_int_equal(search("(a+)+$", "aaaaaaaaab"), MU_REGEX_NO);
}

static mu_code search_body(void *context, unsigned worker, size_t item, mu_err *err)
{
    (void)worker;
    char text[32];
    int n = snprintf(text, sizeof text, "id-%zu", item);
    mu_str group;
    if (mu_regex_group(context, (mu_str){text, (size_t)n}, 1, &group) != MU_REGEX_YES ||
        !mu_str_equal(group, (mu_str){text + 3, (size_t)n - 3}))
        return mu_fail(err, MU_E_CORRUPT, "group of %s", text);
    return MU_OK;
}

static void threads_share_a_pattern(void **state)
{
    (void)state;
    mu_regex *regex = NULL;
    mu_err err = {0};
    assert_int_equal(mu_regex_new(MU_STR("-(\\d+)"), &regex, &err), MU_OK);
    if (mu_parallel_for(4, 2000, search_body, regex, &err) != MU_OK)
        fail_msg("%s", err.text);
    mu_regex_free(regex);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pattern_is_found_anywhere),
        cmocka_unit_test(a_bad_pattern_says_why),
        cmocka_unit_test(groups_are_parts_of_the_text),
        cmocka_unit_test(too_many_steps_trip_the_limit),
        cmocka_unit_test(threads_share_a_pattern),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
