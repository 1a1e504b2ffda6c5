/* filter_test.c -- property filters and ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/api_int.h"

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

static mu_json parse(const char *text)
{
    mu_json json;
    mu_err err;
    if (mu_json_parse(&arena, mu_str_from(text), &json, &err) != MU_OK)
        fail_msg("%s: %s", text, err.text);
    return json;
}

static void filters_compare_texts_of_scalars(void **state)
{
    static const char document[] =
        "{\"name\":\"test 1\",\"tags\":{\"p\":[\"enabled: true\",\"x\"]},\"n\":5,\"b\":true,"
        "\"meta:class\":\"c\",\"none\":null}";
    static const struct {
        const char *property;
        int wanted; /* -1: refused */
    } cases[] = {
        {"name==test 1", 1},         {"name==test", 0}, {"name!=test", 1}, {"name~^test", 1},
        {"tags.p==enabled:true", 1}, {"tags.p==y", 0},  {"n==5", 1},       {"b==true", 1},
        {"meta:class==c", 1},        {"none==", 0},     {"missing!=x", 1}, {"tags==x", 0},
        {"name=test 1", 1},          {"name", -1},      {"==x", -1},       {"name~(", -1},
    };
    (void)state;
    mu_json json = parse(document);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool matches = false;
        mu_code code =
            mu_api_property_matches(&json, mu_str_from(cases[i].property), &matches, NULL);
        if (cases[i].wanted < 0) {
            assert_int_not_equal(code, MU_OK);
            continue;
        }
        assert_int_equal(code, MU_OK);
        if (matches != (cases[i].wanted == 1))
            fail_msg("%s", cases[i].property);
    }
}

static void ids_have_their_form_and_differ(void **state)
{
    (void)state;
    mu_str a = mu_api_uuid(&arena), b = mu_api_uuid(&arena);
    assert_int_equal(a.len, 36);
    assert_int_equal(a.ptr[14], '4');
    assert_non_null(strchr("89ab", a.ptr[19]));
    assert_false(mu_str_equal(a, b));
    assert_int_equal(mu_api_hex(&arena, 24).len, 24);
    assert_int_equal(mu_api_hex(&arena, 64).len, 64);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(filters_compare_texts_of_scalars),
        TEST(ids_have_their_form_and_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
