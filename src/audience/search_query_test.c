/* search_query_test.c -- queries of the segment search as trees (api.md 17.5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "audience/search_query.h"
#include "tests/support/golden.h"

static void show_query(void *context, bool is_instruction, mu_str text, mu_buf *out)
{
    mu_arena arena;
    const mu_search_node *node;
    mu_err err = {0};
    (void)context;
    assert_false(is_instruction);
    mu_arena_init(&arena, SIZE_MAX);
    if (mu_search_query_read(&arena, text, &node, &err) == MU_OK)
        mu_search_query_write(out, node);
    else
        mu_buf_add_format(out, "error: %s", err.text);
    mu_buf_add_char(out, '\n');
    mu_arena_free(&arena);
}

static void queries_are_read_as_the_table_says(void **state)
{
    (void)state;
    assert_true(mu_golden_run("search.txt", show_query, NULL) > 60);
}

/* `n` times `piece`, between two texts. */
static mu_code read_repeated(const char *before, const char *piece, uint32_t n, const char *after)
{
    mu_arena arena;
    mu_buf text;
    const mu_search_node *node;
    mu_err err = {0};
    mu_arena_init(&arena, SIZE_MAX);
    mu_buf_init(&text, 1 << 20);
    mu_buf_add_str(&text, mu_str_from(before));
    for (uint32_t i = 0; i < n; i++)
        mu_buf_add_str(&text, mu_str_from(piece));
    mu_buf_add_str(&text, mu_str_from(after));
    mu_code code = mu_search_query_read(&arena, mu_buf_str(&text), &node, &err);
    assert_true(code == MU_OK || (code == MU_E_INPUT && err.text[0] != '\0'));
    mu_buf_free(&text);
    mu_arena_free(&arena);
    return code;
}

static void what_a_query_may_cost_is_bounded(void **state)
{
    (void)state;
    assert_int_equal(read_repeated("a", " a", MU_SEARCH_CLAUSES_MAX - 1, ""), MU_OK);
    assert_int_equal(read_repeated("a", " a", MU_SEARCH_CLAUSES_MAX, ""), MU_E_INPUT);
    assert_int_equal(read_repeated("a*", " OR a*", MU_SEARCH_WIDE_MAX - 1, ""), MU_OK);
    assert_int_equal(read_repeated("a*", " OR a*", MU_SEARCH_WIDE_MAX, ""), MU_E_INPUT);
    assert_int_equal(read_repeated("", "(", 5000, "a"), MU_E_INPUT);
    assert_int_equal(read_repeated("", "-(", MU_SEARCH_DEPTH_MAX + 1, "a"), MU_E_INPUT);
    assert_int_equal(read_repeated("", "a)", 2000, ""), MU_E_INPUT);
    assert_int_equal(read_repeated("", "(", MU_SEARCH_QUERY_BYTES, ""), MU_E_INPUT);
    assert_int_equal(read_repeated("\"", "word ", 1600, "\""), MU_OK);
    assert_int_equal(read_repeated("a", "a", MU_SEARCH_QUERY_BYTES, ""), MU_E_INPUT);
    assert_int_equal(read_repeated("a", "+", 4000, ""), MU_OK); /* signs within a term */
    assert_int_equal(read_repeated("", "+", 4000, "a"), MU_E_INPUT);
    assert_int_equal(read_repeated("a", "\xff", 1, ""), MU_E_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries_are_read_as_the_table_says),
        cmocka_unit_test(what_a_query_may_cost_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
