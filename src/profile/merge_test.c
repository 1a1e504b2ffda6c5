#include "profile/profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

typedef struct fixture {
    mu_arena arena;
    mu_json_reader *reader;
    const mu_type *type;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    mu_arena_init(&f->arena, SIZE_MAX);
    f->reader = mu_json_reader_new();
    static const mu_str inner_names[] = {{"a", 1}, {"b", 1}};
    static const mu_str names[] = {{"o", 1}, {"l", 1}, {"m", 1}, {"s", 1}};
    const mu_type **inner = MU_NEW_ARRAY(&f->arena, const mu_type *, 2);
    inner[0] = inner[1] = mu_type_of(MU_TYPE_INTEGER);
    const mu_type *object = mu_type_object(&f->arena, 2, inner_names, inner);
    const mu_type **types = MU_NEW_ARRAY(&f->arena, const mu_type *, 4);
    types[0] = object;
    types[1] = mu_type_list(&f->arena, mu_type_of(MU_TYPE_INTEGER));
    types[2] = mu_type_map(&f->arena, object);
    types[3] = mu_type_of(MU_TYPE_STRING);
    f->type = mu_type_object(&f->arena, 4, names, types);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    mu_json_reader_free(f->reader);
    mu_arena_free(&f->arena);
    free(f);
    return 0;
}

static mu_value value_of(fixture *f, mu_str text)
{
    mu_json json;
    mu_value value;
    mu_err err;
    assert_int_equal(mu_json_read(f->reader, &f->arena, text, &json, &err), MU_OK);
    assert_int_equal(mu_value_from_typed_json(&f->arena, f->type, &json, &value, &err), MU_OK);
    return value;
}

static void newer_leaves_win_and_null_hides_nothing(void **state)
{
    fixture *f = *state;
    static const char *const cases[][3] = {
        {"{}", "{}", "{}"},
        {"{\"s\":\"x\"}", "{\"s\":\"y\"}", "{\"s\":\"y\"}"},
        {"{\"s\":\"x\"}", "{\"s\":null}", "{\"s\":\"x\"}"},
        {"{\"s\":\"x\"}", "{\"s\":\"\"}", "{\"s\":\"\"}"},
        {"{\"o\":{\"a\":1,\"b\":2}}", "{\"o\":{\"b\":3}}", "{\"o\":{\"a\":1,\"b\":3}}"},
        {"{\"l\":[1,2]}", "{\"l\":[]}", "{\"l\":[]}"},
        {"{\"l\":[1,2]}", "{\"l\":[3]}", "{\"l\":[3]}"},
        {"{\"m\":{\"x\":{\"a\":1},\"y\":{\"a\":2}}}", "{\"m\":{\"y\":{\"b\":3},\"z\":{\"a\":4}}}",
         "{\"m\":{\"x\":{\"a\":1},\"y\":{\"a\":2,\"b\":3},\"z\":{\"a\":4}}}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mu_value merged =
            mu_profile_merge(&f->arena, f->type, value_of(f, mu_str_from(cases[i][0])),
                             value_of(f, mu_str_from(cases[i][1])));
        assert_true(mu_value_identical(merged, value_of(f, mu_str_from(cases[i][2]))));
    }
}

/* Maps of `n` entries "kFROM".."kTO" with {"a": value}. */
static mu_str map_text(fixture *f, int from, int to, int value)
{
    mu_buf text;
    mu_buf_init(&text, 1 << 20);
    for (int i = from; i < to; i++)
        mu_buf_add_format(&text, "%s\"k%d\":{\"a\":%d}", i == from ? "{\"m\":{" : ",", i, value);
    MU_BUF_ADD(&text, "}}");
    mu_str copy = mu_arena_copy(&f->arena, mu_buf_str(&text));
    mu_buf_free(&text);
    return copy;
}

static void large_maps_merge_by_key(void **state)
{
    fixture *f = *state;
    mu_value merged = mu_profile_merge(&f->arena, f->type, value_of(f, map_text(f, 0, 200, 1)),
                                       value_of(f, map_text(f, 100, 300, 2)));
    mu_value map = mu_value_member(merged, MU_STR("m"));
    assert_int_equal(map.n, 300);
    for (uint32_t i = 0; i < 300; i++) {
        char key[16];
        int len = snprintf(key, sizeof key, "k%u", i);
        mu_value entry = mu_value_member(map, (mu_str){key, (size_t)len});
        assert_int_equal(mu_value_member(entry, MU_STR("a")).integer, i < 100 ? 1 : 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(newer_leaves_win_and_null_hides_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(large_maps_merge_by_key, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
