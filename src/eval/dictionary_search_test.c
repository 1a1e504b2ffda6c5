/* What halving finds in a sorted dictionary is what trying every text finds. */
#include "eval/part_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define WORDS_MAX 200u

typedef struct fixture {
    mu_arena arena;
    mu_dictionary dictionary;
    uint64_t offsets[WORDS_MAX + 1];
    char bytes[WORDS_MAX * 8];
    uint64_t dice;
} fixture;

static uint32_t roll(fixture *f, uint32_t sides)
{
    f->dice = f->dice * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(f->dice >> 33) % sides;
}

/* Up to four of a few letters, so that texts are often equal or start alike. */
static mu_str random_text(fixture *f, const char *letters)
{
    char text[4];
    uint32_t n = roll(f, 5);
    for (uint32_t i = 0; i < n; i++)
        text[i] = letters[roll(f, (uint32_t)strlen(letters))];
    return mu_arena_copy(&f->arena, (mu_str){text, n});
}

static int compare_texts(const void *a, const void *b)
{
    return mu_str_compare(*(const mu_str *)a, *(const mu_str *)b);
}

static uint32_t distinct_sorted(mu_str *texts, uint32_t n)
{
    uint32_t kept = 0;
    qsort(texts, n, sizeof *texts, compare_texts);
    for (uint32_t i = 0; i < n; i++)
        if (kept == 0 || !mu_str_equal(texts[kept - 1], texts[i]))
            texts[kept++] = texts[i];
    return kept;
}

static void make_dictionary(fixture *f)
{
    mu_str words[WORDS_MAX];
    uint32_t n = 1 + roll(f, WORDS_MAX);
    for (uint32_t i = 0; i < n; i++)
        words[i] = random_text(f, "ab\xff");
    n = distinct_sorted(words, n);
    for (uint32_t i = 0; i < n; i++) {
        if (words[i].len > 0)
            memcpy(f->bytes + f->offsets[i], words[i].ptr, words[i].len);
        f->offsets[i + 1] = f->offsets[i] + words[i].len;
    }
    f->dictionary = (mu_dictionary){n, f->offsets, f->bytes};
}

static text_predicate random_test(fixture *f, mu_pql_function function)
{
    text_predicate test = {.function = function};
    if (function != MU_FN_IN && function != MU_FN_NOT_IN) {
        test.constant = random_text(f, function == MU_FN_LIKE ? "ab%_\\" : "ab\xff");
        return test;
    }
    mu_str *constants = MU_NEW_ARRAY(&f->arena, mu_str, 10);
    uint32_t n = roll(f, 10);
    for (uint32_t i = 0; i < n; i++)
        constants[i] = random_text(f, "ab\xff");
    test.constants = constants;
    test.n_constants = distinct_sorted(constants, n);
    return test;
}

static bool in_spans(const code_search *found, uint32_t code)
{
    for (uint32_t i = 0; i < found->n_spans; i++)
        if (code >= found->spans[i].first && code < found->spans[i].past)
            return true;
    return false;
}

static void check_search(fixture *f, const text_predicate *test)
{
    code_search found = dictionary_search(test, &f->dictionary, &f->arena);
    for (uint32_t i = 1; i < found.n_spans; i++)
        assert_true(found.spans[i].first > found.spans[i - 1].past);
    for (uint32_t code = 0; code < f->dictionary.n; code++) {
        bool holds = text_predicate_run(test, mu_dictionary_get(&f->dictionary, code)) != 0;
        bool is_in = in_spans(&found, code) != found.is_inverted;
        if (found.is_exact)
            assert_int_equal(is_in, holds);
        else
            assert_true(is_in || !holds);
    }
}

/* The table that comes of it, ranges or answers per code. */
static void check_table(fixture *f, const text_predicate *test)
{
    plan_table table = {.input = MU_TYPE_STRING, .quick = test};
    mu_job job = {.options = {.n_threads = 1}};
    bound_table bound;
    open_tables open = {0};
    bind_dictionary_table(&table, f->dictionary, &f->arena, &bound, &open);
    assert_int_equal(settle_tables(&job, &open, &f->arena, NULL), MU_OK);
    assert_true(bound.is_decided);
    for (uint32_t code = 0; code < f->dictionary.n; code++) {
        bool holds = text_predicate_run(test, mu_dictionary_get(&f->dictionary, code)) != 0;
        bool in_range = false;
        for (uint32_t r = 0; bound.n_ranges != UINT32_MAX && r < bound.n_ranges; r++)
            in_range |= code >= bound.ranges[r].first && code <= bound.ranges[r].last;
        if (bound.n_ranges != UINT32_MAX)
            assert_int_equal(in_range, holds);
        else
            assert_int_equal(bound.results[code] != 0, holds);
    }
}

static void halving_finds_what_trying_finds(void **state)
{
    static const mu_pql_function functions[] = {MU_FN_EQUAL,
                                                MU_FN_NOT_EQUAL,
                                                MU_FN_LESS,
                                                MU_FN_LESS_EQUAL,
                                                MU_FN_GREATER,
                                                MU_FN_GREATER_EQUAL,
                                                MU_FN_EQUALS,
                                                MU_FN_NOT_EQUAL_TO,
                                                MU_FN_STARTS_WITH,
                                                MU_FN_LIKE,
                                                MU_FN_IN,
                                                MU_FN_DOES_NOT_START_WITH,
                                                MU_FN_NOT_IN,
                                                MU_FN_ENDS_WITH,
                                                MU_FN_CONTAINS,
                                                MU_FN_DOES_NOT_CONTAIN,
                                                MU_FN_DOES_NOT_END_WITH};
    fixture f = {.dice = 20260310};
    (void)state;
    mu_arena_init(&f.arena, SIZE_MAX);
    for (uint32_t round = 0; round < 2000; round++) {
        make_dictionary(&f);
        for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
            text_predicate test = random_test(&f, functions[i]);
            check_search(&f, &test);
            check_table(&f, &test);
        }
        mu_arena_reset(&f.arena);
    }
    mu_arena_free(&f.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halving_finds_what_trying_finds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
