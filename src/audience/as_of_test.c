/* as_of_test.c -- rules that see only what had happened and was received by an instant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "audience/as_of.h"

static mu_arena arena;

static int set_up(void **state)
{
    (void)state;
    mu_arena_init(&arena, SIZE_MAX);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mu_arena_free(&arena);
    return 0;
}

/* The rule as text, after it was changed. */
static void expect(const char *rule, const mu_as_of *as_of, const char *wanted)
{
    mu_str tree;
    mu_err err;
    mu_buf buf;
    const mu_pql *query;
    mu_pql_diagnostics diagnostics;
    mu_pql_diagnostics_init(&diagnostics, &arena);
    if (mu_expression_as_of(&arena, mu_str_from(rule), false, as_of, &tree, &err) != MU_OK)
        fail_msg("%s: %s", rule, err.text);
    assert_int_equal(mu_pql_parse_json(&arena, tree, &query, &diagnostics), MU_OK);
    mu_buf_init(&buf, SIZE_MAX);
    mu_pql_write_text(&buf, query);
    if (!mu_str_equal(mu_buf_str(&buf), mu_str_from(wanted)))
        fail_msg("%s became\n%.*s, not\n%s", rule, (int)buf.len, buf.ptr, wanted);
    mu_buf_free(&buf);
}

static void events_are_those_that_had_happened(void **state)
{
    (void)state;
    const mu_as_of before = {.now_ms = 1000, .as_of_ms = 990};
    const mu_as_of after = {.now_ms = 1000, .as_of_ms = 1007};
    expect("person.age > 3", &before, "person.age > 3");
    expect("xEvent[eventType = \"a\"].count() > 1", &before,
           "xEvent[timestamp occurs >= 10 milliseconds before now][eventType = \"a\"].count() > 1");
    expect("xEvent.exists(eventType = \"a\")", &after,
           "xEvent[not timestamp occurs > 7 milliseconds after now].exists(eventType = \"a\")");
    expect("CHAIN(xEvent, timestamp, [A: WHAT(eventType = \"x\") WHEN(today)])", &before,
           "CHAIN(xEvent[timestamp occurs >= 10 milliseconds before now], timestamp, "
           "[A: WHAT(eventType = \"x\") WHEN(today)])");
    expect("items.exists(xEvent.count() > n)", &before,
           "items.exists(xEvent[timestamp occurs >= 10 milliseconds before now].count() > n)");
}

static void events_are_those_that_were_received(void **state)
{
    (void)state;
    const mu_as_of as_of = {.now_ms = 1000, .as_of_ms = 1000, .has_received = true};
    expect("xEvent.count() > 1", &as_of,
           "xEvent[timestamp occurs >= 0 milliseconds before now and (`$received`.isNull() or "
           "`$received` occurs >= 0 milliseconds before now)].count() > 1");
}

static void what_is_no_rule_is_refused(void **state)
{
    (void)state;
    const mu_as_of as_of = {.now_ms = 1, .as_of_ms = 1};
    mu_str tree;
    mu_err err;
    assert_int_equal(mu_expression_as_of(&arena, MU_STR("a = = b"), false, &as_of, &tree, &err),
                     MU_E_SYNTAX);
    assert_non_null(strstr(err.text, "line 1:"));
    assert_int_equal(mu_expression_as_of(&arena, MU_STR("{}"), true, &as_of, &tree, &err),
                     MU_E_SYNTAX);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(events_are_those_that_had_happened),
        TEST(events_are_those_that_were_received),
        TEST(what_is_no_rule_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
