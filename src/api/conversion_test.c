/* conversion_test.c -- api.md 11 over HTTP; wire check 23. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/api_fixture.h"
#include "json/edit.h"

#define PATH "/data/core/ups/segment/conversion"
#define TEXT "workAddress.country = \"US\""
#define TREE                                                                                       \
    "{\"nodeType\":\"fnApply\",\"fnName\":\"=\",\"params\":[{\"nodeType\":\"fieldLookup\","        \
    "\"fieldName\":\"country\",\"object\":{\"nodeType\":\"fieldLookup\",\"fieldName\":"            \
    "\"workAddress\",\"object\":{\"nodeType\":\"parameterReference\",\"position\":1}}},{"          \
    "\"nodeType\":\"literal\",\"literalType\":\"String\",\"value\":\"US\"}]}"

static api_fixture fixture;

static int start(void **state)
{
    (void)state;
    api_fixture_start(&fixture);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    api_fixture_stop(&fixture);
    return 0;
}

static const char *body_of(const char *format, const char *value)
{
    mu_json expression =
        MU_JSON_OBJECT_OF(&fixture.arena, {MU_STR("type"), mu_json_of_string(MU_STR("PQL"))},
                          {MU_STR("format"), mu_json_of_string(mu_str_from(format))},
                          {MU_STR("value"), mu_json_of_string(mu_str_from(value))});
    mu_json body =
        MU_JSON_OBJECT_OF(&fixture.arena, {MU_STR("name"), mu_json_of_string(MU_STR("n"))},
                          {MU_STR("description"), (mu_json){.kind = MU_JSON_NULL}},
                          {MU_STR("expression"), expression},
                          {MU_STR("imsOrgId"), mu_json_of_string(MU_STR("another"))});
    mu_str text;
    assert_int_equal(mu_json_text(&fixture.arena, &body, &text, NULL), MU_OK);
    return text.ptr;
}

static void the_documented_example_is_the_same_in_both_directions(void **state)
{
    (void)state;
    api_answer a = api_expect(&fixture, 200, "POST", PATH, body_of("pql/text", TEXT));
    api_assert_text(&fixture, &a, "expression.value", TREE);
    api_assert_text(&fixture, &a, "expression.format", "pql/json");
    api_assert_text(&fixture, &a, "imsOrgId", API_FIXTURE_ORGANIZATION);
    api_assert_text(&fixture, &a, "sandbox.sandboxName", "prod");
    api_assert_text(&fixture, &a, "name", "n");
    assert_null(api_at(&a, "id"));
    assert_true(mu_str_find(a.body, MU_STR("null")) == SIZE_MAX);
    a = api_expect(&fixture, 200, "POST", PATH, body_of("pql/json", TREE));
    api_assert_text(&fixture, &a, "expression.value", TEXT);
    api_assert_text(&fixture, &a, "expression.format", "pql/text");
}

static void fields_need_not_exist_and_nothing_is_stored(void **state)
{
    (void)state;
    api_answer a =
        api_expect(&fixture, 200, "POST", PATH, "{\"expression\":{\"value\":\"a = b\"}}");
    api_assert_text(&fixture, &a, "expression.type", "PQL");
    a = api_expect(&fixture, 200, "POST", PATH,
                   "{\"expression\":{\"type\":\"PQL\",\"value\":{\"nodeType\":\"literal\","
                   "\"literalType\":\"Null\",\"value\":null}}}");
    api_assert_text(&fixture, &a, "expression.value", "null");
    a = api_expect(&fixture, 200, "GET", "/data/core/ups/audiences", NULL);
    api_assert_text(&fixture, &a, "_page.totalCount", "0");
}

static void the_content_type_does_not_matter(void **state)
{
    (void)state;
    api_answer a = api_send_headers(&fixture, "POST", PATH,
                                    "authorization: bearer t\r\nX-API-KEY: k\r\n"
                                    "x-gw-ims-org-id: o\r\nx-sandbox-name: prod\r\n"
                                    "Content-Type: application/x-www-form-urlencoded\r\n",
                                    mu_str_from(body_of("pql/text", TEXT)));
    assert_int_equal(a.status, 200);
}

static api_answer send_typed(const char *type, const char *body)
{
    return api_send_headers(&fixture, "POST", PATH,
                            mu_arena_format(&fixture.arena,
                                            "Authorization: Bearer t\r\nx-api-key: k\r\n"
                                            "x-gw-ims-org-id: o\r\nx-sandbox-name: prod\r\n%s",
                                            type)
                                .ptr,
                            mu_str_from(body));
}

static int start_strict(void **state)
{
    (void)state;
    mu_api_options options = {.auth_mode = MU_AUTH_OPEN,
                              .organization = MU_STR(API_FIXTURE_ORGANIZATION),
                              .tenant = MU_STR("luma"),
                              .settings = mu_audience_settings_default()};
    options.settings.strict_content_type = 1;
    api_fixture_start_with(&fixture, &options);
    return 0;
}

static void a_strict_server_wants_the_content_type(void **state)
{
    (void)state;
    const char *body = body_of("pql/text", TEXT);
    assert_int_equal(send_typed("Content-Type: application/json; charset=utf-8\r\n", body).status,
                     200);
    assert_int_equal(send_typed("Content-Type: application/problem+json\r\n", body).status, 200);
    static const char *const others[] = {"", "Content-Type: text/plain\r\n",
                                         "Content-Type: application/x-www-form-urlencoded\r\n"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        api_answer a = send_typed(others[i], body);
        assert_int_equal(a.status, 400);
        api_assert_text(&fixture, &a, "type", "/placeholder/type/uri");
        api_assert_text(&fixture, &a, "title", "BadRequestError");
        assert_int_equal(a.json.n, 4);
    }
    api_expect(&fixture, 200, "GET", "/data/core/ups/audiences", NULL);
}

static void what_cannot_be_converted_is_refused(void **state)
{
    (void)state;
    static const char *const members[] = {
        "{}",
        "{\"expression\":\"a = 1\"}",
        "{\"expression\":{\"type\":\"PQL\"}}",
        "{\"expression\":{\"type\":\"ARL\",\"value\":\"a\"}}",
        "{\"expression\":{\"format\":\"pql/xml\",\"value\":\"a\"}}",
        "{\"expression\":{\"format\":\"pql/text\",\"value\":{}}}",
        "{\"expression\":{\"format\":\"pql/json\",\"value\":7}}",
        "{\"expression\":{\"format\":7,\"value\":\"a = 1\"}}",
    };
    static const char *const rules[] = {
        "{\"expression\":{\"value\":\"a = = 1\"}}",
        "{\"expression\":{\"value\":\"\"}}",
        "{\"expression\":{\"value\":\"x.matches(\\\"\\\\w\\\")\"}}",
        "{\"expression\":{\"format\":\"pql/json\",\"value\":\"{\"}}",
        "{\"expression\":{\"format\":\"pql/json\",\"value\":{\"nodeType\":\"nothing\"}}}",
    };
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        api_answer a = api_expect(&fixture, 400, "POST", PATH, members[i]);
        api_assert_text(&fixture, &a, "errors.400.0.code", "UPAPI-119911-400");
    }
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        api_answer a = api_expect(&fixture, 400, "POST", PATH, rules[i]);
        api_assert_text(&fixture, &a, "errors.400.0.code", "UPAPI-119913-400");
    }
    api_answer a = api_expect(&fixture, 400, "POST", PATH, "[]");
    api_assert_text(&fixture, &a, "errors.400.0.code", "UPAPI-119910-400");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_documented_example_is_the_same_in_both_directions),
        cmocka_unit_test(fields_need_not_exist_and_nothing_is_stored),
        cmocka_unit_test(the_content_type_does_not_matter),
        cmocka_unit_test(what_cannot_be_converted_is_refused),
    };
    const struct CMUnitTest strict[] = {
        cmocka_unit_test(a_strict_server_wants_the_content_type),
    };
    int n_failed = cmocka_run_group_tests(tests, start, stop);
    return n_failed + cmocka_run_group_tests(strict, start_strict, stop);
}
