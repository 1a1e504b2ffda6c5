/* search_index_test.c -- queries of the segment search answered (api.md 17.5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "audience/search_index.h"
#include "base/time.h"
#include "tests/support/dice.h"
#include "tests/support/golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROWS_MAX 64u

typedef struct fixture {
    mu_arena arena;
    mu_search_index *index;
    uint32_t n_rows; /* of the table */
} fixture;

static int set_up(void **state)
{
    fixture *f = test_calloc(1, sizeof *f);
    mu_err err = {0};
    mu_arena_init(&f->arena, SIZE_MAX);
    if (mu_search_index_new(&f->index, &err) != MU_OK)
        fail_msg("%s", err.text);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    mu_search_index_free(f->index);
    mu_arena_free(&f->arena);
    test_free(f);
    return 0;
}

/* NULL: *err says why. */
static const float *scores_of(fixture *f, mu_str query, uint32_t n_rows, mu_err *err)
{
    const mu_search_node *node;
    const float *scores;
    *err = (mu_err){0};
    return mu_search_query_read(&f->arena, query, &node, err) == MU_OK &&
                   mu_search_index_find(f->index, node, n_rows, &f->arena, &scores, err) == MU_OK
               ? scores
               : NULL;
}

/* -------- the table -------- */

/* "row 3 segmentName=.. | segmentDescription=.." */
static void put_row(fixture *f, mu_str text)
{
    mu_str texts[MU_SEARCH_FIELD_COUNT_] = {{0}};
    mu_err err = {0};
    char *end;
    char *line = (char *)mu_arena_copy(&f->arena, text).ptr;
    uint32_t row = (uint32_t)strtoul(line + strlen("row "), &end, 10);
    assert_true(row < ROWS_MAX);
    f->n_rows = row + 1;
    for (char *part = strtok(end, "|"); part != NULL; part = strtok(NULL, "|")) {
        mu_str whole = mu_str_trim(mu_str_from(part));
        size_t equals = mu_str_find(whole, MU_STR("="));
        for (unsigned i = 0; i < MU_SEARCH_FIELD_COUNT_; i++)
            if (mu_str_equal(mu_str_from(mu_search_field_name(i)), (mu_str){whole.ptr, equals}))
                texts[i] = (mu_str){whole.ptr + equals + 1, whole.len - equals - 1};
    }
    if (mu_search_index_put(f->index, row, texts, &err) != MU_OK)
        fail_msg("%s", err.text);
}

static void run_case(void *context, bool is_instruction, mu_str text, mu_buf *out)
{
    fixture *f = context;
    mu_err err;
    bool is_shown[ROWS_MAX] = {false};
    size_t before = out->len;
    if (is_instruction) {
        put_row(f, text);
        return;
    }
    const float *scores = scores_of(f, text, f->n_rows, &err);
    if (scores == NULL) {
        mu_buf_add_format(out, "error: %s\n", err.text);
        return;
    }
    for (;;) { /* the best first, of equals that with the lower number */
        uint32_t best = ROWS_MAX;
        for (uint32_t row = 0; row < f->n_rows; row++)
            if (scores[row] > 0 && !is_shown[row] &&
                (best == ROWS_MAX || scores[row] > scores[best]))
                best = row;
        if (best == ROWS_MAX)
            break;
        is_shown[best] = true;
        mu_buf_add_format(out, "%u ", best);
    }
    if (out->len == before)
        MU_BUF_ADD(out, "none");
    MU_BUF_ADD(out, "\n");
}

static void queries_find_what_the_table_says(void **state)
{
    assert_true(mu_golden_run("search-hits.txt", run_case, *state) > 40);
}

/* -------- changes -------- */

static void put_name(fixture *f, uint32_t row, const char *name)
{
    mu_str texts[MU_SEARCH_FIELD_COUNT_] = {{0}};
    mu_err err = {0};
    texts[MU_SEARCH_SEGMENT_NAME] = mu_str_from(name);
    if (mu_search_index_put(f->index, row, texts, &err) != MU_OK)
        fail_msg("%s", err.text);
}

static bool finds(fixture *f, const char *query, uint32_t row)
{
    mu_err err;
    const float *scores = scores_of(f, mu_str_from(query), ROWS_MAX, &err);
    if (scores == NULL)
        fail_msg("%s: %s", query, err.text);
    return scores[row] > 0;
}

static void what_is_put_replaces_and_what_is_removed_is_gone(void **state)
{
    fixture *f = *state;
    put_name(f, 1, "red boots");
    assert_true(finds(f, "boots", 1));
    assert_true(finds(f, "boo*", 1));
    put_name(f, 1, "blue hats");
    assert_false(finds(f, "boots", 1));
    assert_false(finds(f, "boo*", 1));
    assert_false(finds(f, "\"red boots\"", 1));
    assert_true(finds(f, "hat?", 1));
    assert_int_equal(mu_search_index_remove(f->index, 1, NULL), MU_OK);
    assert_int_equal(mu_search_index_remove(f->index, 7, NULL), MU_OK); /* was never there */
    assert_false(finds(f, "hats", 1));
    assert_false(finds(f, "/h.*/", 1));
}

static void text_may_hold_any_character(void **state)
{
    fixture *f = *state;
    mu_str texts[MU_SEARCH_FIELD_COUNT_] = {{0}};
    texts[MU_SEARCH_SEGMENT_NAME] = MU_STR("before\0after \"quoted\" {a} : NEAR( \xe2\x98\x83");
    assert_int_equal(mu_search_index_put(f->index, 0, texts, NULL), MU_OK);
    assert_true(finds(f, "before", 0));
    assert_true(finds(f, "near", 0));
    assert_true(finds(f, "\"quoted a near\"", 0));
    assert_true(finds(f, "\xe2\x98\x83", 0));
    assert_true(finds(f, "?", 0));
}

/* -------- what it may cost -------- */

static void fill(fixture *f, uint32_t n)
{
    char name[100];
    assert_int_equal(mu_search_index_begin(f->index, NULL), MU_OK);
    for (uint32_t i = 0; i < n; i++) {
        snprintf(name, sizeof name, "Segment %u aaaaaaaaaaaaaaaaaaaaaaaaaaaa%u of campaign%u", i, i,
                 i % 50);
        put_name(f, i, name);
    }
    assert_int_equal(mu_search_index_commit(f->index, NULL), MU_OK);
}

/* Of this thread's work, whatever else the machine does. */
static double seconds_of(fixture *f, mu_str query, uint32_t n, mu_code *code)
{
    mu_err err;
    struct timespec start, end;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
    *code = scores_of(f, query, n, &err) != NULL ? MU_OK : err.code;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    return (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
}

static void hostile_queries_end_soon(void **state)
{
    static const char *const pieces[] = {
        "a* OR ",
        "*a* OR ",
        "*a*a*a*a*a* OR ",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaa~2 OR ",
        "/(a+)+$/ OR ",
        "/(a|a)*b/ OR ",
        "/.*.*.*.*.*x/ OR ",
        "segment OR ",
        "NOT segment OR ",
        "\"segment of\" OR ",
        "\"segment of\"~1000 OR ",
        "segment AND NOT a* OR ",
    };
    fixture *f = *state;
    const uint32_t n = 4000;
    fill(f, n);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        mu_buf query;
        mu_code code;
        mu_buf_init(&query, MU_SEARCH_QUERY_BYTES);
        for (int k = 0; k < 30; k++)
            mu_buf_add_str(&query, mu_str_from(pieces[i]));
        MU_BUF_ADD(&query, "end");
        double seconds = seconds_of(f, mu_buf_str(&query), n, &code);
        if (code != MU_OK && code != MU_E_INPUT)
            fail_msg("%s: %s", pieces[i], mu_code_name(code));
        if (seconds > 20) /* without a bound it is hours; a sanitizer's slowness included */
            fail_msg("%s: %.1f s", pieces[i], seconds);
        mu_buf_free(&query);
        mu_arena_reset(&f->arena);
    }
}

/* -------- models -------- */

static void random_word(mu_dice *dice, const char *letters, uint32_t n_max, char *out)
{
    uint32_t n = mu_dice_below(dice, n_max + 1);
    size_t n_letters = strlen(letters);
    for (uint32_t i = 0; i < n; i++)
        out[i] = letters[mu_dice_below(dice, (uint32_t)n_letters)];
    out[n] = '\0';
}

static bool model_is_like(const char *pattern, const char *word)
{
    if (*pattern == '\0')
        return *word == '\0';
    if (*pattern == '*')
        return model_is_like(pattern + 1, word) ||
               (*word != '\0' && model_is_like(pattern, word + 1));
    return *word != '\0' && (*pattern == '?' || *pattern == *word) &&
           model_is_like(pattern + 1, word + 1);
}

static void random_wildcards_match_as_the_model_does(void **state)
{
    char pattern[16], word[16];
    mu_dice dice;
    (void)state;
    mu_dice_init(&dice, mu_dice_seed("wildcards", 1705));
    for (uint32_t i = 0, n = mu_dice_cases(200000); i < n; i++) {
        random_word(&dice, "ab*?*", 7, pattern);
        random_word(&dice, "ab", 8, word);
        if (mu_search_word_is_like(mu_str_from(pattern), mu_str_from(word)) !=
            model_is_like(pattern, word))
            fail_msg("%s and %s", pattern, word);
    }
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

/* Of the first i and j letters, by its definition. */
static int model_distance(const char *a, int i, const char *b, int j)
{
    if (i == 0 || j == 0)
        return i + j;
    int best = smaller(model_distance(a, i - 1, b, j), model_distance(a, i, b, j - 1)) + 1;
    best = smaller(best, model_distance(a, i - 1, b, j - 1) + (a[i - 1] != b[j - 1]));
    if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        best = smaller(best, model_distance(a, i - 2, b, j - 2) + 1);
    return best;
}

static void random_misspellings_are_as_far_as_the_model_says(void **state)
{
    char text[8], word[8];
    mu_dice dice;
    (void)state;
    mu_dice_init(&dice, mu_dice_seed("misspellings", 1706));
    for (uint32_t i = 0, n = mu_dice_cases(20000); i < n; i++) {
        uint32_t most = mu_dice_below(&dice, 3), found = 99;
        random_word(&dice, "abc", 6, text);
        random_word(&dice, "abc", 6, word);
        int expected = model_distance(text, (int)strlen(text), word, (int)strlen(word));
        bool is_near = mu_search_word_is_near(mu_str_from(text), mu_str_from(word), most, &found);
        if (is_near != (expected <= (int)most) || (is_near && (int)found != expected))
            fail_msg("%s and %s: %u, not %d", text, word, found, expected);
    }
}

static void misspellings_count_characters_not_bytes(void **state)
{
    uint32_t found;
    (void)state;
    assert_true(mu_search_word_is_near(MU_STR("gr\xc3\xb6\xc3\x9f"
                                              "e"),
                                       MU_STR("grosse"), 2, &found) == false);
    assert_true(mu_search_word_is_near(MU_STR("gr\xc3\xb6sse"), MU_STR("grosse"), 1, &found));
    assert_true(mu_search_word_is_like(MU_STR("gr?sse"), MU_STR("gr\xc3\xb6sse")));
    assert_false(mu_search_word_is_like(MU_STR("gr??sse"), MU_STR("gr\xc3\xb6sse")));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(queries_find_what_the_table_says),
        TEST(what_is_put_replaces_and_what_is_removed_is_gone),
        TEST(text_may_hold_any_character),
        TEST(hostile_queries_end_soon),
        TEST(random_wildcards_match_as_the_model_does),
        TEST(random_misspellings_are_as_far_as_the_model_says),
        TEST(misspellings_count_characters_not_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
