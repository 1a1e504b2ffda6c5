#include "tests/support/notation.h"
#include "tests/support/random_rule.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void a_number_below_n_is_below_n(void **state)
{
    (void)state;
    mu_dice dice;
    mu_dice_init(&dice, 7);
    for (int i = 0; i < 10000; i++) {
        uint32_t n = 1 + mu_dice_below(&dice, 1000);
        assert_true(mu_dice_below(&dice, n) < n);
        int64_t between = mu_dice_between(&dice, -5, 5);
        assert_true(between >= -5 && between <= 5);
        (void)mu_dice_between(&dice, INT64_MIN, INT64_MAX);
    }
}

static void notation_is_read_as_it_is_written(void **state)
{
    (void)state;
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    mu_dice dice;
    mu_dice_init(&dice, 11);
    for (int i = 0; i < 200; i++) {
        const mu_type *type = mu_random_schema(&dice, &arena)->row;
        mu_buf buf;
        mu_buf_init(&buf, 1 << 20);
        mu_notation_write(&buf, type);
        mu_buf_add_char(&buf, '\0');
        assert_false(buf.failed);
        assert_true(mu_type_equal(type, mu_notation_read(&arena, buf.ptr)));
        mu_buf_free(&buf);
        mu_arena_reset(&arena);
    }
    mu_arena_free(&arena);
}

static mu_str rules_of_seed(mu_arena *arena, uint64_t seed)
{
    mu_dice dice;
    mu_dice_init(&dice, seed);
    mu_random_rule_options options = {.schema = mu_random_schema(&dice, arena), .depth = 4};
    mu_str text = MU_STR("");
    for (int i = 0; i < 50; i++)
        text =
            mu_arena_format(arena, "%s\n%s", text.ptr, mu_random_rule(&dice, arena, &options).ptr);
    return text;
}

static void the_same_seed_makes_the_same_rules(void **state)
{
    (void)state;
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    assert_true(mu_str_equal(rules_of_seed(&arena, 3), rules_of_seed(&arena, 3)));
    assert_false(mu_str_equal(rules_of_seed(&arena, 3), rules_of_seed(&arena, 4)));
    mu_arena_free(&arena);
}

static void events_of_random_rows_are_in_time_order(void **state)
{
    (void)state;
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    mu_dice dice;
    mu_dice_init(&dice, 5);
    mu_random_data data;
    mu_random_data_make(&dice, &arena, mu_random_schema(&dice, &arena), MU_SHAPE_SMALL, &data);
    for (uint32_t i = 0; i < data.n_profiles; i++) {
        mu_value events = mu_value_member(data.profiles[i].row, MU_STR("xEvent"));
        assert_int_equal(events.kind, MU_TYPE_LIST);
        for (uint32_t e = 1; e < events.n; e++)
            assert_true(mu_value_member(events.items[e - 1], MU_STR("timestamp")).integer <=
                        mu_value_member(events.items[e], MU_STR("timestamp")).integer);
    }
    mu_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_below_n_is_below_n),
        cmocka_unit_test(notation_is_read_as_it_is_written),
        cmocka_unit_test(the_same_seed_makes_the_same_rules),
        cmocka_unit_test(events_of_random_rows_are_in_time_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
