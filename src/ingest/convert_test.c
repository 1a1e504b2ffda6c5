#include "ingest/convert.h"

#include "ingest/accept_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

typedef struct fixture {
    mu_arena arena;
    mu_json_reader *reader;
    const mu_type *type;
} fixture;

static int setup(void **state)
{
    static const mu_str names[] = {{"flag", 4}, {"whole", 5}, {"number", 6}, {"text", 4},
                                   {"date", 4}, {"time", 4},  {"list", 4},   {"map", 3}};
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    mu_arena_init(&f->arena, SIZE_MAX);
    f->reader = mu_json_reader_new();
    const mu_type **types = MU_NEW_ARRAY(&f->arena, const mu_type *, 8);
    types[0] = mu_type_of(MU_TYPE_BOOLEAN);
    types[1] = mu_type_of(MU_TYPE_INTEGER);
    types[2] = mu_type_of(MU_TYPE_DOUBLE);
    types[3] = mu_type_of(MU_TYPE_STRING);
    types[4] = mu_type_of(MU_TYPE_DATE);
    types[5] = mu_type_of(MU_TYPE_TIMESTAMP);
    types[6] = mu_type_list(&f->arena, mu_type_of(MU_TYPE_INTEGER));
    types[7] = mu_type_map(&f->arena, mu_type_of(MU_TYPE_BOOLEAN));
    f->type = mu_type_object(&f->arena, 8, names, types);
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

static const mu_json *parse(fixture *f, const char *text)
{
    mu_json *json = MU_NEW(&f->arena, mu_json);
    mu_err err;
    if (mu_json_read(f->reader, &f->arena, mu_str_from(text), json, &err) != MU_OK)
        fail_msg("%s: %s", err.text, text);
    return json;
}

static void values_become_what_their_column_is(void **state)
{
    fixture *f = *state;
    static const char *const cases[][2] = {
        {"{\"flag\":\"TRUE\"}", "{\"flag\":true}"},
        {"{\"flag\":\"false\"}", "{\"flag\":false}"},
        {"{\"whole\":\"42\"}", "{\"whole\":42}"},
        {"{\"whole\":\"-7\"}", "{\"whole\":-7}"},
        {"{\"whole\":5.0}", "{\"whole\":5}"},
        {"{\"whole\":\"5.0\"}", "{\"whole\":5}"},
        {"{\"number\":\"1.25\"}", "{\"number\":1.25}"},
        {"{\"number\":\"3\"}", "{\"number\":3.0}"},
        {"{\"text\":17}", "{\"text\":\"17\"}"},
        {"{\"text\":1.5}", "{\"text\":\"1.5\"}"},
        {"{\"date\":1773144000000}", "{\"date\":\"2026-03-10\"}"},
        {"{\"date\":\"1773144000000\"}", "{\"date\":\"2026-03-10\"}"},
        {"{\"time\":1773144000250}", "{\"time\":\"2026-03-10T12:00:00.250Z\"}"},
        {"{\"time\":\"-1\"}", "{\"time\":\"1969-12-31T23:59:59.999Z\"}"},
        {"{\"list\":[\"1\",2,3.0]}", "{\"list\":[1,2,3]}"},
        {"{\"map\":{\"a\":\"true\",\"b\":false}}", "{\"map\":{\"a\":true,\"b\":false}}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mu_str text;
        const mu_json *json = parse(f, cases[i][0]);
        assert_true(
            mu_compact_entity(&f->arena, mu_convert(&f->arena, f->type, json), 4096, &text));
        if (!mu_str_equal(text, mu_str_from(cases[i][1])))
            fail_msg("%s gave " MU_STR_FMT, cases[i][0], MU_STR_ARG(text));
    }
}

static void what_does_not_convert_stays_the_same_tree(void **state)
{
    fixture *f = *state;
    static const char *const cases[] = {
        "{\"flag\":\"yes\"}",
        "{\"flag\":1}",
        "{\"whole\":\"abc\"}",
        "{\"whole\":1.5}",
        "{\"whole\":\"1e30\"}",
        "{\"number\":\"\"}",
        "{\"number\":true}",
        "{\"text\":true}",
        "{\"date\":\"2026-03-10\"}",
        "{\"date\":1e20}",
        "{\"time\":\"2026-03-10T12:00:00Z\"}",
        "{\"time\":true}",
        "{\"list\":\"1\"}",
        "{\"map\":[\"true\"]}",
        "{\"whole\":{\"a\":\"1\"}}",
        "{\"other\":\"1\",\"whole\":1,\"text\":\"1\",\"flag\":true,\"number\":1.0}",
        "{\"whole\":null}",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const mu_json *json = parse(f, cases[i]);
        if (mu_convert(&f->arena, f->type, json) != json)
            fail_msg("%s was changed", cases[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_become_what_their_column_is, setup, teardown),
        cmocka_unit_test_setup_teardown(what_does_not_convert_stays_the_same_tree, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
