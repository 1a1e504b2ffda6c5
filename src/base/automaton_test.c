/* What the automaton answers is what the regular expression engine answers. */
#include "base/automaton.h"
#include "base/regex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t state = 0x9e3779b97f4a7c15u;

static unsigned below(unsigned n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state % n);
}

static void compare(mu_str pattern, const mu_automaton *automaton, mu_str text, unsigned *known)
{
    mu_regex *regex;
    assert_int_equal(mu_regex_new(pattern, &regex, NULL), MU_OK);
    mu_automaton_result got = mu_automaton_search(automaton, text);
    mu_regex_result wanted = mu_regex_search(regex, text);
    mu_regex_free(regex);
    if (got == MU_AUTOMATON_UNKNOWN)
        return;
    ++*known;
    if ((got == MU_AUTOMATON_YES) != (wanted == MU_REGEX_YES) || wanted == MU_REGEX_LIMIT)
        fail_msg("pattern %.*s, text %.*s: automaton %d, engine %d", MU_STR_ARG(pattern),
                 MU_STR_ARG(text), (int)got, (int)wanted);
}

static size_t random_pattern(char *out)
{
    static const char *const pieces[] = {
        "a",     "b",   "ab",  "[ab]", "[^a]",   ".",        "a*",     "b+?",    "c?",
        "[a-c]", "\\d", "\\w", "\\S",  "(a|bc)", "(b|)",     "(ab)?",  "x{2}",   "a{1,2}",
        "b{0,}", "^",   "$",   "|",    "\\.",    "(?:c|a$)", "(^a|b)", "[^\\d]", "[\\w.-]"};
    size_t length = 0;
    for (unsigned n = 1 + below(5); n > 0; n--)
        length +=
            (size_t)sprintf(out + length, "%s", pieces[below(sizeof pieces / sizeof *pieces)]);
    return length;
}

static size_t random_text(char *out)
{
    static const char *const pieces[] = {"a", "b", "c",  "a", "b",  "1",
                                         ".", "x", "xx", "_", "\n", "\xc3\xa4"};
    size_t length = 0;
    for (unsigned n = below(9); n > 0; n--)
        length +=
            (size_t)sprintf(out + length, "%s", pieces[below(sizeof pieces / sizeof *pieces)]);
    return length;
}

static void answers_are_the_engines(void **unused)
{
    (void)unused;
    unsigned n_patterns = getenv("MUSTER_QUICK") != NULL ? 400 : 8000, n_known = 0, n_taken = 0;
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    for (unsigned i = 0; i < n_patterns; i++) {
        char pattern[128], text[64];
        mu_str read = {pattern, random_pattern(pattern)};
        mu_regex *regex;
        if (mu_regex_new(read, &regex, NULL) != MU_OK)
            continue;
        mu_regex_free(regex);
        mu_arena_reset(&arena);
        const mu_automaton *automaton = mu_automaton_new(&arena, read);
        n_taken += automaton != NULL;
        for (unsigned t = 0; automaton != NULL && t < 30; t++)
            compare(read, automaton, (mu_str){text, random_text(text)}, &n_known);
    }
    mu_arena_free(&arena);
    assert_true(n_taken * 4 > n_patterns * 3);
    assert_true(n_known > n_taken * 10);
}

static void what_it_does_not_know_is_refused(void **unused)
{
    (void)unused;
    static const char *const patterns[] = {"(ab)*",       "a*+",      "(?i)a",  "\\bx",  "(a)\\1",
                                           "[[:alpha:]]", "(?=a)",    "\\p{L}", "a{,3}", "a**",
                                           "\\Qa\\E",     "\xc3\xa4", "[]a]",   "a{2"};
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        assert_null(mu_automaton_new(&arena, mu_str_from(patterns[i])));
    mu_arena_free(&arena);
}

static void long_texts_are_left_to_the_engine(void **unused)
{
    (void)unused;
    char text[5000];
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    memset(text, 'a', sizeof text);
    const mu_automaton *three = mu_automaton_new(&arena, MU_STR("a*a*a*b"));
    assert_int_equal(mu_automaton_search(three, (mu_str){text, 20}), MU_AUTOMATON_NO);
    assert_int_equal(mu_automaton_search(three, (mu_str){text, 200}), MU_AUTOMATON_UNKNOWN);
    const mu_automaton *plain = mu_automaton_new(&arena, MU_STR("aab"));
    assert_int_equal(mu_automaton_search(plain, (mu_str){text, 4000}), MU_AUTOMATON_NO);
    assert_int_equal(mu_automaton_search(plain, (mu_str){text, 5000}), MU_AUTOMATON_UNKNOWN);
    mu_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_the_engines),
        cmocka_unit_test(what_it_does_not_know_is_refused),
        cmocka_unit_test(long_texts_are_left_to_the_engine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
