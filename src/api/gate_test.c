/* gate_test.c -- header checks in their order, error bodies by service, tokens, sandboxes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/api_fixture.h"

#include <stdio.h>

#define SANDBOXES "/data/foundation/sandbox-management/sandboxes"
#define POLICIES  "/data/core/ups/config/mergePolicies"

static api_fixture fixture;

static const mu_api_client clients[] = {
    {.organization = {"A@AdobeOrg", 10},
     .api_key = {"key-a", 5},
     .token = {"token-a", 7},
     .secret = {"secret-a", 8}},
    {.organization = {"B@AdobeOrg", 10},
     .api_key = {"key-b", 5},
     .token = {"token-b", 7},
     .secret = {"secret-b", 8}},
};

static int start_open(void **state)
{
    (void)state;
    api_fixture_start(&fixture);
    return 0;
}

static void start_mode(mu_auth_mode mode)
{
    const mu_api_options options = {.auth_mode = mode,
                                    .n_clients = 2,
                                    .clients = clients,
                                    .organization = MU_STR("A@AdobeOrg"),
                                    .tenant = MU_STR("luma")};
    api_fixture_start_with(&fixture, &options);
}

static int start_static(void **state)
{
    (void)state;
    start_mode(MU_AUTH_STATIC);
    return 0;
}

static int start_local_ims(void **state)
{
    (void)state;
    start_mode(MU_AUTH_LOCAL_IMS);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    api_fixture_stop(&fixture);
    return 0;
}

static api_answer get(const char *path, const char *headers)
{
    return api_send_headers(&fixture, "GET", path, headers, MU_STR(""));
}

static void expect_gateway(const char *headers, unsigned status, const char *code)
{
    api_answer answer = get(SANDBOXES, headers);
    assert_int_equal(answer.status, status);
    assert_int_equal(answer.json.n, 2);
    api_assert_text(&fixture, &answer, "error_code", code);
}

#define TOKEN   "Authorization: Bearer token-a\r\n"
#define KEY     "x-api-key: key-a\r\n"
#define ORG     "x-gw-ims-org-id: A@AdobeOrg\r\n"
#define SANDBOX "x-sandbox-name: prod\r\n"

static void headers_are_checked_in_order(void **state)
{
    (void)state;
    expect_gateway("", 403, "403010");
    expect_gateway("Authorization: \r\n" KEY ORG, 403, "403010");
    expect_gateway("Authorization: Basic x\r\n", 401, "401013");
    expect_gateway("Authorization: Bearer wrong\r\n" KEY ORG, 401, "401013");
    expect_gateway(TOKEN, 403, "403000");
    expect_gateway(TOKEN "x-api-key: key-b\r\n", 403, "403003");
    expect_gateway(TOKEN KEY, 400, "400003");
    expect_gateway(TOKEN KEY "x-gw-ims-org-id: B@AdobeOrg\r\n", 403, "403025");
    assert_int_equal(get(SANDBOXES, "authorization: bearer token-a\r\n" KEY ORG).status, 200);
}

static void anything_goes_in_open_mode_but_not_nothing(void **state)
{
    (void)state;
    expect_gateway("", 403, "403010");
    expect_gateway("Authorization: Bearer x\r\n", 403, "403000");
    expect_gateway("Authorization: Bearer x\r\nx-api-key: y\r\n", 400, "400003");
    assert_int_equal(
        get(SANDBOXES, "Authorization: Bearer x\r\nx-api-key: y\r\nx-gw-ims-org-id: Z\r\n").status,
        200);
}

static void unknown_paths_are_told_before_headers(void **state)
{
    (void)state;
    api_answer answer = get("/data/core/ups/nothing", "");
    assert_int_equal(answer.status, 404);
    api_assert_text(&fixture, &answer, "errors.404.0.code", "UPAPI-119916-404");
    answer = get("/data/foundation/nothing", "");
    assert_int_equal(answer.status, 404);
    api_assert_text(&fixture, &answer, "status", "404");
    answer = get("/data/core/identity/nothing", "");
    api_assert_text(&fixture, &answer, "title", "NotFound");
}

/* -------- sandboxes -------- */

static void prod_is_there_from_the_start(void **state)
{
    (void)state;
    api_answer answer = api_expect(&fixture, 200, "GET", SANDBOXES "/prod", NULL);
    api_assert_text(&fixture, &answer, "name", "prod");
    api_assert_text(&fixture, &answer, "state", "active");
    api_assert_text(&fixture, &answer, "type", "production");
    api_assert_text(&fixture, &answer, "isDefault", "true");
    const char *id = api_text(&fixture, &answer, "id");
    assert_int_equal(strlen(id), 36);
    api_fixture_restart(&fixture);
    answer = api_expect(&fixture, 200, "GET", SANDBOXES, NULL);
    api_assert_text(&fixture, &answer, "_page.count", "1");
    api_assert_text(&fixture, &answer, "sandboxes.0.id", id);
}

static void sandboxes_are_made_and_renamed(void **state)
{
    (void)state;
    api_answer answer = api_expect(&fixture, 201, "POST", SANDBOXES,
                                   "{\"name\":\"dev-1\",\"title\":\"Dev\",\"type\":"
                                   "\"development\"}");
    api_assert_text(&fixture, &answer, "isDefault", "false");
    api_expect(&fixture, 409, "POST", SANDBOXES, "{\"name\":\"dev-1\",\"title\":\"Dev\"}");
    api_expect(&fixture, 400, "POST", SANDBOXES, "{\"name\":\"Dev\",\"title\":\"Dev\"}");
    api_expect(&fixture, 400, "POST", SANDBOXES, "[]");
    api_expect(&fixture, 200, "PATCH", SANDBOXES "/dev-1", "{\"title\":\"Development\"}");
    api_fixture_restart(&fixture);
    answer = api_expect(&fixture, 200, "GET", SANDBOXES "/dev-1", NULL);
    api_assert_text(&fixture, &answer, "title", "Development");
    api_assert_text(&fixture, &answer, "eTag", "2");
    api_expect(&fixture, 404, "GET", SANDBOXES "/dev-2", NULL);
    answer = api_expect(&fixture, 200, "GET", SANDBOXES "?limit=1", NULL);
    api_assert_text(&fixture, &answer, "_page.count", "1");
    assert_non_null(strstr(api_text(&fixture, &answer, "_links.next.href"), "offset=1"));
}

static void only_empty_sandboxes_are_deleted(void **state)
{
    (void)state;
    api_expect(&fixture, 201, "POST", SANDBOXES, "{\"name\":\"dev\",\"title\":\"Dev\"}");
    api_answer answer = api_send_in(
        &fixture, "dev", "POST", "/data/foundation/catalog/dataSets",
        "{\"name\":\"A\",\"schemaRef\":{\"id\":\"https://ns.adobe.com/xdm/context/profile\"}}");
    assert_int_equal(answer.status, 201);
    const char *set = mu_arena_format(&fixture.arena, "/data/foundation/catalog%s",
                                      api_text(&fixture, &answer, "0") + 1)
                          .ptr;
    api_expect(&fixture, 409, "DELETE", SANDBOXES "/dev", NULL);
    assert_int_equal(api_send_in(&fixture, "dev", "DELETE", set, NULL).status, 200);
    answer = api_expect(&fixture, 200, "DELETE", SANDBOXES "/dev", NULL);
    api_assert_text(&fixture, &answer, "state", "deleted");
    api_expect(&fixture, 404, "DELETE", SANDBOXES "/dev", NULL);
    api_expect(&fixture, 400, "DELETE", SANDBOXES "/prod", NULL);
    assert_int_equal(api_send_in(&fixture, "dev", "GET", POLICIES, NULL).status, 400);
    api_fixture_restart(&fixture);
    api_expect(&fixture, 404, "GET", SANDBOXES "/dev", NULL);
    api_expect(&fixture, 201, "POST", SANDBOXES, "{\"name\":\"dev\",\"title\":\"Dev\"}");
    assert_int_equal(api_send_in(&fixture, "dev", "GET", POLICIES, NULL).status, 200);
}

/* -------- tokens -------- */

static api_answer ask_token(const char *path, const char *body)
{
    return api_send_headers(&fixture, "POST", path,
                            "Content-Type: application/x-www-form-urlencoded\r\n",
                            mu_str_from(body));
}

static void local_ims_tokens_open_their_own_organization(void **state)
{
    char headers[2048];
    (void)state;
    api_answer answer =
        ask_token("/ims/token/v3", "grant_type=client_credentials&client_id=key-a&client_secret="
                                   "wrong&scope=openid");
    assert_int_equal(answer.status, 401);
    api_assert_text(&fixture, &answer, "error", "invalid_client");
    answer = ask_token("/ims/token/v2?grant_type=client_credentials&client_id=key-a&client_secret="
                       "secret-a",
                       "");
    assert_int_equal(answer.status, 200);
    api_assert_text(&fixture, &answer, "expires_in", "86399");
    snprintf(headers, sizeof headers, "Authorization: Bearer %s\r\n" KEY ORG,
             api_text(&fixture, &answer, "access_token"));
    assert_int_equal(get(SANDBOXES, headers).status, 200);
    expect_gateway(TOKEN KEY ORG, 401, "401013");
    api_fixture_restart(&fixture);
    assert_int_equal(get(SANDBOXES, headers).status, 200);
    api_fixture_advance(INT64_C(86400000));
    expect_gateway(headers, 401, "401013");
}

static void grants_are_checked(void **state)
{
    (void)state;
    api_answer answer = ask_token("/ims/token/v3", "client_id=x&client_secret=y");
    assert_int_equal(answer.status, 400);
    api_assert_text(&fixture, &answer, "error", "unsupported_grant_type");
    answer = ask_token("/ims/token/v1", "grant_type=authorization_code&client_id=x");
    api_assert_text(&fixture, &answer, "error", "invalid_request");
    answer = ask_token("/ims/token/v1", "grant_type=authorization_code&client_id=x&code=z");
    assert_int_equal(answer.status, 200);
    assert_int_equal(get("/ims/token/v3", "").status, 405);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(headers_are_checked_in_order, start_static, stop),
        cmocka_unit_test_setup_teardown(anything_goes_in_open_mode_but_not_nothing, start_open,
                                        stop),
        cmocka_unit_test_setup_teardown(unknown_paths_are_told_before_headers, start_open, stop),
        cmocka_unit_test_setup_teardown(prod_is_there_from_the_start, start_open, stop),
        cmocka_unit_test_setup_teardown(sandboxes_are_made_and_renamed, start_open, stop),
        cmocka_unit_test_setup_teardown(only_empty_sandboxes_are_deleted, start_open, stop),
        cmocka_unit_test_setup_teardown(local_ims_tokens_open_their_own_organization,
                                        start_local_ims, stop),
        cmocka_unit_test_setup_teardown(grants_are_checked, start_open, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
