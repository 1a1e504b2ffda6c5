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

static void names_lose_what_only_the_prefixed_form_has(void **state)
{
    fixture *f = *state;
    static const char *const cases[][2] = {
        {"{\"xdm:person\":{\"xdm:name\":{\"xdm:firstName\":\"Ada\"}}}",
         "{\"person\":{\"name\":{\"firstName\":\"Ada\"}}}"},
        {"{\"@id\":\"1\",\"@type\":\"t\"}", "{\"_id\":\"1\",\"_type\":\"t\"}"},
        {"{\"person\":{\"xdm:name\":1}}", "{\"person\":{\"name\":1}}"},
        {"{\"repo:createDate\":1,\"repo:modifyDate\":2}",
         "{\"_repo\":{\"createDate\":1,\"modifyDate\":2}}"},
        {"{\"_repo\":{\"x\":1},\"repo:createDate\":2}", "{\"_repo\":{\"x\":1,\"createDate\":2}}"},
        {"{\"repo:createDate\":2,\"_repo\":{\"x\":1}}", "{\"_repo\":{\"x\":1}}"},
        {"{\"xdm:a\":1,\"a\":2}", "{\"a\":2}"},
        {"{\"xdm:list\":[{\"xdm:a\":1},2,[{\"@id\":3}]]}",
         "{\"list\":[{\"a\":1},2,[{\"_id\":3}]]}"},
        {"{\"xdm:a\":{\"dc:title\":1}}", "{\"a\":{\"_dc\":{\"title\":1}}}"},
        {"{\"xdm:optInOut\":{\"https://ns.adobe.com/xdm/channels/email\":\"in\"}}",
         "{\"optInOut\":{\"https://ns.adobe.com/xdm/channels/email\":\"in\"}}"},
        {"{\"xdm:\":1,\":x\":2,\"@x\":3}", "{\"xdm:\":1,\":x\":2,\"@x\":3}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mu_str text;
        const mu_json *plain = mu_plain_form(&f->arena, parse(f, cases[i][0]));
        assert_true(mu_compact_entity(&f->arena, plain, 4096, &text));
        if (!mu_str_equal(text, mu_str_from(cases[i][1])))
            fail_msg("%s gave " MU_STR_FMT, cases[i][0], MU_STR_ARG(text));
    }
}

static void an_entity_in_the_plain_form_is_not_copied(void **state)
{
    fixture *f = *state;
    static const char *const cases[] = {
        "{}",
        "{\"person\":{\"name\":{\"firstName\":\"xdm:Ada\"}},\"list\":[1,{\"a\":2}]}",
        /* a map's key, in an entity that shows no sign of the prefixed form */
        "{\"topics\":{\"sport:tennis\":true}}",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const mu_json *json = parse(f, cases[i]);
        assert_ptr_equal(mu_plain_form(&f->arena, json), json);
    }
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
        cmocka_unit_test_setup_teardown(names_lose_what_only_the_prefixed_form_has, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_entity_in_the_plain_form_is_not_copied, setup, teardown),
        cmocka_unit_test_setup_teardown(compact_text_is_what_the_writer_writes, setup, teardown),
        cmocka_unit_test_setup_teardown(own_memberships_are_stripped_and_others_stay, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
