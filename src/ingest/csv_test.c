#include "ingest/ingest_int.h"

#include "tests/support/dice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static mu_csv_end record(const char *text, bool is_last, size_t *size)
{
    *size = SIZE_MAX;
    return mu_csv_record(mu_str_from(text), is_last, size);
}

static void a_record_ends_at_its_line_break(void **state)
{
    (void)state;
    size_t size;
    assert_int_equal(record("a,b\nc,d\n", false, &size), MU_CSV_RECORD);
    assert_int_equal(size, 4);
    assert_int_equal(record("a,b\r\nc", false, &size), MU_CSV_RECORD);
    assert_int_equal(size, 5);
    assert_int_equal(record("a,b", false, &size), MU_CSV_INCOMPLETE);
    assert_int_equal(record("a,b", true, &size), MU_CSV_RECORD);
    assert_int_equal(size, 3);
}

static void line_breaks_inside_quotes_do_not_end_a_record(void **state)
{
    (void)state;
    size_t size;
    assert_int_equal(record("a,\"b\nc\",d\ne", false, &size), MU_CSV_RECORD);
    assert_int_equal(size, 10);
    assert_int_equal(record("\"x\"\"\n,\"\"\"\r\ny", false, &size), MU_CSV_RECORD);
    assert_int_equal(size, 11);
    assert_int_equal(record("a,\"b\nc", false, &size), MU_CSV_INCOMPLETE);
    assert_int_equal(record("a,\"b\n\"", false, &size), MU_CSV_INCOMPLETE);
    assert_int_equal(record("a,\"b\n\"", true, &size), MU_CSV_RECORD);
    assert_int_equal(size, 6);
}

static void quotes_that_do_not_work_out_cost_one_line(void **state)
{
    (void)state;
    size_t size;
    assert_int_equal(record("a,\"b\nc,d\n", true, &size), MU_CSV_MALFORMED);
    assert_int_equal(size, 5);
    assert_int_equal(record("\"a\"b,c\nd\n", false, &size), MU_CSV_MALFORMED);
    assert_int_equal(size, 7);
    assert_int_equal(record("\"a\"b", true, &size), MU_CSV_MALFORMED);
    assert_int_equal(size, 4);
    assert_int_equal(record("5\" pipe,c\nd\n", false, &size), MU_CSV_RECORD);
    assert_int_equal(size, 10);
}

static void cells_are_split_and_unescaped(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t n;
        const char *cells[4];
    } cases[] = {
        {"a,b\n", 2, {"a", "b"}},
        {"a,,\r\n", 3, {"a", "", ""}},
        {"\"a,b\",\"\",\"c\"\"d\"", 3, {"a,b", "", "c\"d"}},
        {"\"x\ny\",5\" pipe\n", 2, {"x\ny", "5\" pipe"}},
        {"\"\"\"\"\n", 1, {"\""}},
        {"\n", 1, {""}},
        {",", 2, {"", ""}},
    };
    mu_csv_cells cells = {0};
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(mu_csv_split(mu_str_from(cases[i].text), &cells, &arena));
        assert_int_equal(cells.n, cases[i].n);
        for (uint32_t c = 0; c < cells.n; c++)
            assert_true(mu_str_equal(cells.cells[c], mu_str_from(cases[i].cells[c])));
    }
    mu_csv_cells_free(&cells);
    mu_arena_free(&arena);
}

/* A table written with quotes reads back the same wherever the text is cut. */
static void written_tables_read_back(void **state)
{
    (void)state;
    static const char letters[] = "ab,\"\n\r 1";
    mu_dice dice;
    mu_dice_init(&dice, mu_dice_seed("csv_test", 11));
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    mu_csv_cells cells = {0};
    for (uint32_t round = mu_dice_cases(20000); round > 0; round--) {
        mu_arena_reset(&arena);
        mu_buf text;
        mu_buf_init(&text, 1 << 20);
        mu_str wrote[12];
        uint32_t n_rows = 1 + mu_dice_below(&dice, 4), n_columns = 1 + mu_dice_below(&dice, 3);
        for (uint32_t i = 0; i < n_rows * n_columns; i++) {
            char *cell = mu_arena_alloc(&arena, 8);
            size_t len = mu_dice_below(&dice, 8);
            mu_buf_add_str(&text, i % n_columns == 0 ? MU_STR("\"") : MU_STR(",\""));
            for (size_t k = 0; k < len; k++) {
                cell[k] = letters[mu_dice_below(&dice, sizeof letters - 1)];
                mu_buf_add_char(&text, cell[k]);
                if (cell[k] == '"')
                    mu_buf_add_char(&text, '"');
            }
            wrote[i] = (mu_str){cell, len};
            mu_buf_add_char(&text, '"');
            if (i % n_columns == n_columns - 1)
                mu_buf_add_str(&text, mu_dice_percent(&dice, 50) ? MU_STR("\n") : MU_STR("\r\n"));
        }
        mu_str rest = mu_buf_str(&text);
        for (uint32_t row = 0; row < n_rows; row++) {
            size_t size, whole;
            assert_int_equal(mu_csv_record(rest, true, &size), MU_CSV_RECORD);
            for (size_t cut = 0; cut < size; cut++)
                assert_int_equal(mu_csv_record((mu_str){rest.ptr, cut}, false, &whole),
                                 MU_CSV_INCOMPLETE);
            assert_true(mu_csv_split((mu_str){rest.ptr, size}, &cells, &arena));
            assert_int_equal(cells.n, n_columns);
            for (uint32_t c = 0; c < n_columns; c++)
                assert_true(mu_str_equal(cells.cells[c], wrote[row * n_columns + c]));
            rest = (mu_str){rest.ptr + size, rest.len - size};
        }
        assert_int_equal(rest.len, 0);
        mu_buf_free(&text);
    }
    mu_csv_cells_free(&cells);
    mu_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_ends_at_its_line_break),
        cmocka_unit_test(line_breaks_inside_quotes_do_not_end_a_record),
        cmocka_unit_test(quotes_that_do_not_work_out_cost_one_line),
        cmocka_unit_test(cells_are_split_and_unescaped),
        cmocka_unit_test(written_tables_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
