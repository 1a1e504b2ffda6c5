/* edit_test.c -- PATCH operations and merge patches on trees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "json/edit.h"

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

static void expect_text(const mu_json *json, const char *wanted)
{
    mu_str text;
    assert_int_equal(mu_json_text(&arena, json, &text, NULL), MU_OK);
    assert_string_equal(text.ptr, wanted);
}

static void operations_change_what_their_path_names(void **state)
{
    static const struct {
        const char *document, *body, *wanted; /* NULL: refused */
    } cases[] = {
        {"{\"a\":1}", "{\"op\":\"add\",\"path\":\"/b\",\"value\":2}", "{\"a\":1,\"b\":2}"},
        {"{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":[]}]", "{\"a\":[]}"},
        {"{\"a\":1,\"b\":2}", "{\"op\":\"remove\",\"path\":\"/a\"}", "{\"b\":2}"},
        {"{}", "{\"op\":\"add\",\"path\":\"/a/b/c\",\"value\":1}", "{\"a\":{\"b\":{\"c\":1}}}"},
        {"{}", "{\"op\":\"add\",\"path\":\"/a.b\",\"value\":1}", "{\"a\":{\"b\":1}}"},
        {"{}", "{\"op\":\"add\",\"path\":\"a.b\",\"value\":1}", "{\"a\":{\"b\":1}}"},
        {"{\"a.b\":0}", "{\"op\":\"add\",\"path\":\"/a.b\",\"value\":1}", "{\"a.b\":1}"},
        {"{}", "{\"op\":\"add\",\"path\":\"/tags/x~1y~0z\",\"value\":1}",
         "{\"tags\":{\"x/y~z\":1}}"},
        {"{\"a\":[1,3]}", "{\"op\":\"add\",\"path\":\"/a/1\",\"value\":2}", "{\"a\":[1,2,3]}"},
        {"{\"a\":[1]}", "{\"op\":\"add\",\"path\":\"/a/-\",\"value\":2}", "{\"a\":[1,2]}"},
        {"{\"a\":[1,2]}", "{\"op\":\"remove\",\"path\":\"/a/0\"}", "{\"a\":[2]}"},
        {"{\"a\":[{\"b\":1}]}", "{\"op\":\"replace\",\"path\":\"/a/0/b\",\"value\":2}",
         "{\"a\":[{\"b\":2}]}"},
        {"{\"a\":false}", "{\"op\":\"add\",\"path\":\"/a\",\"value\":\"True\"}", "{\"a\":true}"},
        {"{\"a\":1}",
         "[{\"op\":\"test\",\"path\":\"/a\",\"value\":1},"
         "{\"op\":\"remove\",\"path\":\"/a\"}]",
         "{}"},
        {"{\"a\":1}", "{\"op\":\"test\",\"path\":\"/a\",\"value\":2}", NULL},
        {"{\"a\":1}", "{\"op\":\"remove\",\"path\":\"/b\"}", NULL},
        {"{\"a\":1}", "{\"op\":\"add\",\"path\":\"/a/b\",\"value\":2}", NULL},
        {"{\"a\":[1]}", "{\"op\":\"add\",\"path\":\"/a/2\",\"value\":2}", NULL},
        {"{\"a\":[1]}", "{\"op\":\"replace\",\"path\":\"/a/1\",\"value\":2}", NULL},
        {"{\"a\":[1]}", "{\"op\":\"add\",\"path\":\"/a/x\",\"value\":2}", NULL},
        {"{}", "{\"op\":\"add\",\"path\":\"/a\"}", NULL},
        {"{}", "{\"op\":\"move\",\"path\":\"/a\",\"value\":1}", NULL},
        {"{}", "{\"op\":\"add\",\"path\":\"/\",\"value\":1}", NULL},
        {"{}", "{\"op\":\"add\",\"value\":1}", NULL},
        {"{}", "\"text\"", NULL},
        {"{}", "[1]", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mu_json document = parse(cases[i].document), body = parse(cases[i].body);
        mu_err err = {0};
        mu_code code = mu_json_apply_patch(&arena, &document, &body, &err);
        if (cases[i].wanted == NULL) {
            assert_int_equal(code, MU_E_INPUT);
            assert_true(err.text[0] != '\0');
        } else {
            assert_int_equal(code, MU_OK);
            expect_text(&document, cases[i].wanted);
        }
    }
}

static void a_path_has_a_greatest_depth(void **state)
{
    mu_buf buf;
    (void)state;
    mu_buf_init(&buf, SIZE_MAX);
    MU_BUF_ADD(&buf, "{\"op\":\"add\",\"value\":1,\"path\":\"");
    for (int i = 0; i < 100; i++)
        MU_BUF_ADD(&buf, "/a");
    MU_BUF_ADD(&buf, "\"}");
    mu_json document = parse("{}"), body;
    assert_int_equal(mu_json_parse(&arena, mu_buf_str(&buf), &body, NULL), MU_OK);
    assert_int_equal(mu_json_apply_patch(&arena, &document, &body, NULL), MU_E_INPUT);
    mu_buf_free(&buf);
}

static void the_tree_before_stays_as_it_was(void **state)
{
    (void)state;
    mu_json before = parse("{\"a\":{\"b\":[1,2]}}"), after = before;
    mu_json body = parse("[{\"op\":\"add\",\"path\":\"/a/b/0\",\"value\":0},"
                         "{\"op\":\"remove\",\"path\":\"/a/b/1\"},"
                         "{\"op\":\"add\",\"path\":\"/a/c\",\"value\":3}]");
    assert_int_equal(mu_json_apply_patch(&arena, &after, &body, NULL), MU_OK);
    expect_text(&after, "{\"a\":{\"b\":[0,2],\"c\":3}}");
    expect_text(&before, "{\"a\":{\"b\":[1,2]}}");
}

static void merge_patches_follow_the_rfc(void **state)
{
    static const char *const cases[][3] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":\"b\"}", "{\"a\":{\"c\":{\"d\":null}}}", "{\"a\":{\"c\":{}}}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mu_json document = parse(cases[i][0]), patch = parse(cases[i][1]);
        assert_int_equal(mu_json_merge(&arena, &document, &patch, NULL), MU_OK);
        expect_text(&document, cases[i][2]);
    }
}

/* Each edit copies its surroundings: 60,000 members would once have taken 100 gigabytes. */
static void large_edits_end_before_memory_does(void **state)
{
    mu_buf patch, list;
    mu_err err;
    (void)state;
    mu_buf_init(&patch, SIZE_MAX);
    mu_buf_init(&list, SIZE_MAX);
    for (int i = 0; i < 60000; i++) {
        mu_buf_add_format(&patch, "%s\"k%d\":%d", i == 0 ? "{" : ",", i, i);
        mu_buf_add_format(&list, "%s{\"op\":\"add\",\"path\":\"/k%d\",\"value\":%d}",
                          i == 0 ? "[" : ",", i, i);
    }
    mu_buf_add_char(&patch, '}');
    mu_buf_add_char(&list, ']');
    mu_buf_add_char(&patch, '\0');
    mu_buf_add_char(&list, '\0');
    mu_json body = parse(patch.ptr), document = parse("{}");
    size_t used = arena.used_bytes;
    assert_int_equal(mu_json_merge(&arena, &document, &body, &err), MU_E_INPUT);
    body = parse(list.ptr);
    document = parse("{}");
    assert_int_equal(mu_json_apply_patch(&arena, &document, &body, &err), MU_E_INPUT);
    assert_true(arena.used_bytes - used < (size_t)1 << 30);
    mu_buf_free(&patch);
    mu_buf_free(&list);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(operations_change_what_their_path_names), TEST(a_path_has_a_greatest_depth),
        TEST(the_tree_before_stays_as_it_was),         TEST(merge_patches_follow_the_rfc),
        TEST(large_edits_end_before_memory_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
