#include "ingest/accept_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

typedef struct fixture {
    mu_arena arena;
    mu_json_reader *reader;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    mu_arena_init(&f->arena, SIZE_MAX);
    f->reader = mu_json_reader_new();
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

static void compact_text_is_what_the_writer_writes(void **state)
{
    fixture *f = *state;
    static const char *const cases[] = {
        "{}",
        "{\"a\":[],\"b\":{},\"c\":null,\"d\":true,\"e\":false}",
        "{\"n\":[0,-1,9223372036854775807,-9223372036854775808,1.5,89.0,1e300,0.1]}",
        "{\"t\":\"quote \\\" slash \\\\ line \\n \\u0001 \\u001f \\u0000 end\"}",
        "{\"seven..\":\"1234567\",\"eight...\":\"12345678\",\"nine....\":\"12345678\\\"\"}",
        "{\"\\u00fcml\\u00e4ut\":\"\\u65e5\\u672c\\u8a9e \\ud83d\\ude00 / \\u007f\"}",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const mu_json *json = parse(f, cases[i]);
        mu_str text;
        mu_buf buf;
        mu_json_writer writer;
        mu_buf_init(&buf, 4096);
        mu_json_writer_init(&writer, &buf);
        mu_json_value(&writer, json);
        assert_true(mu_compact_entity(&f->arena, json, 4096, &text));
        assert_true(mu_str_equal(text, mu_buf_str(&buf)));
        /* Exactly as many bytes as allowed are enough, one fewer is not. */
        assert_true(mu_compact_entity(&f->arena, json, buf.len, &text));
        assert_true(mu_str_equal(text, mu_buf_str(&buf)));
        assert_false(mu_compact_entity(&f->arena, json, buf.len - 1, &text));
        mu_buf_free(&buf);
    }
}

static void own_memberships_are_stripped_and_others_stay(void **state)
{
    fixture *f = *state;
    static const char *const cases[][2] = {
        {"{\"segmentMembership\":{\"ups\":{\"s\":{}}}}", "{}"},
        {"{\"a\":1,\"segmentMembership\":{\"ups\":{\"s\":{}}},\"b\":2}", "{\"a\":1,\"b\":2}"},
        {"{\"segmentMembership\":{\"AAM\":{\"x\":{}},\"ups\":{\"s\":{}}}}",
         "{\"segmentMembership\":{\"AAM\":{\"x\":{}}}}"},
        {"{\"segmentMembership\":{\"AAM\":{\"x\":{}}}}",
         "{\"segmentMembership\":{\"AAM\":{\"x\":{}}}}"},
        {"{\"a\":{\"segmentMembership\":{\"ups\":{}}}}",
         "{\"a\":{\"segmentMembership\":{\"ups\":{}}}}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mu_str text;
        assert_true(mu_compact_entity(&f->arena, parse(f, cases[i][0]), 4096, &text));
        if (!mu_str_equal(text, mu_str_from(cases[i][1])))
            fail_msg("%s gave " MU_STR_FMT, cases[i][0], MU_STR_ARG(text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(compact_text_is_what_the_writer_writes, setup, teardown),
        cmocka_unit_test_setup_teardown(own_memberships_are_stripped_and_others_stay, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
