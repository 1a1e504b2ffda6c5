/* permission_test.c -- what clients may do and where; signed tokens over the wire; types of bodies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/api_fixture.h"

#include <stdio.h>

#define SANDBOXES "/data/foundation/sandbox-management/sandboxes"
#define AUDIENCES "/data/core/ups/audiences"
#define SEGMENTS  "/data/core/ups/segment/definitions"
#define AIS       "/data/core/ais/external-audience"
#define POLICIES  "/data/core/ups/config/mergePolicies"
#define AUDIENCE                                                                                   \
    "{\"name\":\"%s\",\"labels\":[\"core/C1\"],\"expression\":{\"type\":\"PQL\",\"format\":"       \
    "\"pql/text\",\"value\":\"person.name.firstName = \\\"x\\\"\"}}"

static api_fixture fixture;

static const mu_str reading[] = {{"segments:read", 13}}, none[] = {{"", 0}};
static const mu_str both[] = {{"segments:read", 13}, {"segments:write", 14}};
static const mu_str only_prod[] = {{"prod", 4}};

#define CLIENT(name)                                                                               \
    .organization = {"A@AdobeOrg", 10}, .api_key = {"key-" name, sizeof "key-" name - 1},          \
    .token = {"token-" name, sizeof "token-" name - 1},                                            \
    .secret = {"secret-" name, sizeof "secret-" name - 1}

static const mu_api_client clients[] = {
    {CLIENT("all")},
    {CLIENT("reader"), .n_permissions = 1, .permissions = reading},
    {CLIENT("nobody"), .n_permissions = 0, .permissions = none},
    {CLIENT("both"), .n_permissions = 2, .permissions = both},
    {CLIENT("prod"), .n_sandboxes = 1, .sandboxes = only_prod},
    {.organization = {"B@AdobeOrg", 10},
     .api_key = {"key-b", 5},
     .token = {"token-b", 7},
     .secret = {"secret-b", 8}},
};

static void start_mode(mu_auth_mode mode)
{
    const mu_api_options options = {.auth_mode = mode,
                                    .n_clients = sizeof clients / sizeof clients[0],
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

static int start_open(void **state)
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

static api_answer ask(const char *client, const char *sandbox, const char *method, const char *path,
                      const char *body)
{
    char headers[512];
    snprintf(
        headers, sizeof headers,
        "Authorization: Bearer token-%s\r\nx-api-key: key-%s\r\nx-gw-ims-org-id: A@AdobeOrg\r\n"
        "x-sandbox-name: %s\r\nContent-Type: application/json\r\n",
        client, client, sandbox);
    return api_send_headers(&fixture, method, path, headers,
                            body == NULL ? MU_STR("") : mu_str_from(body));
}

static const char *text(const char *format, ...)
{
    char buffer[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(buffer, sizeof buffer, format, args);
    va_end(args);
    return mu_arena_copy(&fixture.arena, mu_str_from(buffer)).ptr;
}

static const char *make_audience(void)
{
    api_answer answer = ask("all", "prod", "POST", AUDIENCES, text(AUDIENCE, "A"));
    assert_int_equal(answer.status, 201);
    return api_text(&fixture, &answer, "id");
}

static void assert_denied(const api_answer *answer, const char *list)
{
    assert_int_equal(answer->status, 403);
    api_assert_text(&fixture, answer, "type", "https://ns.adobe.com/aep/errors/UPAPI-113752-403");
    api_assert_text(&fixture, answer, "errors.403.0.code", "UPAPI-113752-403");
    const char *message = api_text(&fixture, answer, "errors.403.0.message");
    const char *found = strchr(message, '[');
    assert_non_null(found);
    assert_string_equal(found, list);
    api_assert_text(&fixture, answer, "title", message);
}

static void denials_name_the_resource(void **state)
{
    (void)state;
    const char *id = make_audience();
    api_answer answer = ask("nobody", "prod", "GET", AUDIENCES, NULL);
    assert_denied(&answer, "[{\"resource\":{\"uri\":\"/orgs/A@AdobeOrg/sandboxes/prod/segments\","
                           "\"labels\":[]},\"action\":\"READ\"}]");
    answer = ask("reader", "prod", "PATCH", text(AUDIENCES "/%s", id),
                 "[{\"op\":\"add\",\"path\":\"/name\",\"value\":\"x\"}]");
    assert_denied(&answer,
                  text("[{\"resource\":{\"uri\":\"/orgs/A@AdobeOrg/sandboxes/prod/segments/"
                       "%s\",\"labels\":[\"core/C1\"]},\"action\":\"WRITE\"}]",
                       id));
    answer = ask("all", "prod", "GET", text(AUDIENCES "/%s", id), NULL);
    api_assert_text(&fixture, &answer, "name", "A");
    answer = ask("nobody", "prod", "GET", text(SEGMENTS "/%s", id), NULL);
    assert_denied(&answer,
                  text("[{\"resource\":{\"uri\":\"/orgs/A@AdobeOrg/sandboxes/prod/segments/"
                       "%s\",\"labels\":[\"core/C1\"]},\"action\":\"READ\"}]",
                       id));
}

static void readers_read_and_writers_write(void **state)
{
    (void)state;
    const char *id = make_audience();
    const char *ids = text("{\"ids\":[{\"id\":\"%s\"}]}", id);
    assert_int_equal(ask("reader", "prod", "GET", AUDIENCES, NULL).status, 200);
    assert_int_equal(ask("reader", "prod", "GET", text(SEGMENTS "/%s", id), NULL).status, 200);
    assert_int_equal(ask("reader", "prod", "POST", SEGMENTS "/bulk-get", ids).status, 207);
    assert_int_equal(ask("reader", "prod", "POST", AUDIENCES, text(AUDIENCE, "B")).status, 403);
    assert_int_equal(ask("reader", "prod", "DELETE", text(SEGMENTS "/%s", id), NULL).status, 403);
    assert_int_equal(ask("reader", "prod", "PUT", text(AUDIENCES "/%s", id), "{}").status, 403);
    assert_int_equal(ask("both", "prod", "POST", AUDIENCES, text(AUDIENCE, "B")).status, 201);
    assert_int_equal(ask("both", "prod", "GET", AUDIENCES, NULL).status, 200);
    assert_int_equal(ask("nobody", "prod", "POST", SEGMENTS "/bulk-get", ids).status, 403);
    assert_int_equal(ask("nobody", "prod", "GET", POLICIES, NULL).status, 200);
}

static void external_audiences_have_their_own_form(void **state)
{
    (void)state;
    api_answer answer = ask("reader", "prod", "DELETE", AIS "/x", NULL);
    assert_int_equal(answer.status, 401);
    api_assert_text(&fixture, &answer, "errorCode", "100922-401");
    assert_int_equal(ask("reader", "prod", "GET", AIS "/operations/x", NULL).status, 404);
}

static void a_client_stays_in_its_sandboxes(void **state)
{
    (void)state;
    const char *two = "{\"name\":\"two\",\"title\":\"Two\"}";
    assert_int_equal(ask("prod", "prod", "POST", SANDBOXES, two).status, 403);
    assert_int_equal(ask("all", "prod", "POST", SANDBOXES, two).status, 201);
    assert_int_equal(ask("all", "two", "GET", AUDIENCES, NULL).status, 200);
    api_answer answer = ask("prod", "two", "GET", AUDIENCES, NULL);
    assert_int_equal(answer.status, 400);
    api_assert_text(&fixture, &answer, "errors.400.0.code", "UPAPI-119902-400");
    answer = ask("prod", "two", "GET", AIS "/operations/x", NULL);
    api_assert_text(&fixture, &answer, "errorCode", "100922-401");
    assert_int_equal(ask("prod", "prod", "GET", AUDIENCES, NULL).status, 200);
    assert_int_equal(ask("prod", "prod", "DELETE", SANDBOXES "/two", NULL).status, 403);
    assert_int_equal(ask("prod", "prod", "GET", SANDBOXES, NULL).status, 200);
}

static void unknown_permissions_stop_the_server_from_starting(void **state)
{
    (void)state;
    const mu_str wrong[] = {MU_STR("segments:fly")};
    const mu_api_client client = {CLIENT("x"), .n_permissions = 1, .permissions = wrong};
    mu_api_options options = fixture.options;
    mu_api *api;
    mu_err err;
    options.auth_mode = MU_AUTH_STATIC;
    options.n_clients = 1;
    options.clients = &client;
    assert_int_equal(mu_api_new(&options, &api, &err), MU_E_INPUT);
    assert_non_null(strstr(err.text, "segments:fly"));
}

/* -------- signed tokens -------- */

static const char *token_of(const char *name)
{
    api_answer answer = api_send_headers(
        &fixture, "POST",
        text("/ims/token/v3?grant_type=client_credentials&client_id=key-%s&client_secret=secret-%s",
             name, name),
        "", MU_STR(""));
    assert_int_equal(answer.status, 200);
    api_assert_text(&fixture, &answer, "token_type", "bearer");
    return api_text(&fixture, &answer, "access_token");
}

static api_answer with_token(const char *token, const char *key, const char *organization)
{
    return api_send_headers(&fixture, "GET", SANDBOXES,
                            text("Authorization: Bearer %s\r\nx-api-key: %s\r\nx-gw-ims-org-id: "
                                 "%s\r\n",
                                 token, key, organization),
                            MU_STR(""));
}

static void tokens_are_bound_to_client_and_organization(void **state)
{
    (void)state;
    const char *token = token_of("all");
    for (int i = 0; i < 2; i++) /* the second time without looking at the signature */
        assert_int_equal(with_token(token, "key-all", "A@AdobeOrg").status, 200);
    api_answer answer = with_token(token, "key-b", "B@AdobeOrg");
    api_assert_text(&fixture, &answer, "error_code", "403003");
    answer = with_token(token, "key-all", "B@AdobeOrg");
    api_assert_text(&fixture, &answer, "error_code", "403025");
    answer = with_token(token_of("b"), "key-all", "A@AdobeOrg");
    api_assert_text(&fixture, &answer, "error_code", "403003");
    assert_int_equal(with_token(token_of("b"), "key-b", "B@AdobeOrg").status, 200);
}

static void forged_tokens_are_refused(void **state)
{
    (void)state;
    const char *token = token_of("all");
    const char *payload = strchr(token, '.') + 1, *signature = strchr(payload, '.') + 1;
    int n = (int)(signature - payload) - 1;
    const char *forged[] = {
        /* {"alg":"none","typ":"JWT"} */
        text("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.%.*s.", n, payload),
        text("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.%.*s.%s", n, payload, signature),
        text("%.*s", (int)(signature - token), token),
        text("%.*sAAAA", (int)(signature - token), token),
        text("%.*s.%.*s.%s", (int)(payload - token) - 1, token, n - 4, payload, signature),
        "token-all",
        "..",
        "a.b.c",
    };
    for (size_t i = 0; i < sizeof forged / sizeof forged[0]; i++) {
        api_answer answer = with_token(forged[i], "key-all", "A@AdobeOrg");
        assert_int_equal(answer.status, 401);
        api_assert_text(&fixture, &answer, "error_code", "401013");
    }
}

static void tokens_end_by_the_servers_clock(void **state)
{
    (void)state;
    const char *token = token_of("all");
    api_fixture_advance(INT64_C(86398000));
    assert_int_equal(with_token(token, "key-all", "A@AdobeOrg").status, 200);
    api_fixture_advance(1000);
    assert_int_equal(with_token(token, "key-all", "A@AdobeOrg").status, 401);
}

static void the_public_key_is_shown_and_stays(void **state)
{
    (void)state;
    api_answer answer = api_send_headers(&fixture, "GET", "/ims/keys", "", MU_STR(""));
    assert_int_equal(answer.status, 200);
    api_assert_text(&fixture, &answer, "keys.0.alg", "RS256");
    const char *id = api_text(&fixture, &answer, "keys.0.kid");
    const char *token = token_of("all");
    api_fixture_restart(&fixture);
    answer = api_send_headers(&fixture, "GET", "/ims/keys", "", MU_STR(""));
    api_assert_text(&fixture, &answer, "keys.0.kid", id);
    assert_int_equal(with_token(token, "key-all", "A@AdobeOrg").status, 200);
}

static void a_client_that_left_has_no_token(void **state)
{
    (void)state;
    const char *token = token_of("b");
    fixture.options.n_clients--;
    api_fixture_restart(&fixture);
    assert_int_equal(with_token(token, "key-b", "B@AdobeOrg").status, 401);
}

/* -------- types of bodies -------- */

#define WHO                                                                                        \
    "Authorization: bearer x\r\nx-api-key: k\r\nx-gw-ims-org-id: O\r\nx-sandbox-name: prod\r\n"

static unsigned post(const char *path, const char *type, const char *body)
{
    return api_send_headers(&fixture, "POST", path, text(WHO "%s", type), mu_str_from(body)).status;
}

static void types_are_checked_only_when_asked_for(void **state)
{
    (void)state;
    const char *body = "{\"ids\":[\"x\"]}", *path = SEGMENTS "/bulk-get";
    static const char *const types[] = {"", "Content-Type: text/plain\r\n",
                                        "Content-Type: application/x-www-form-urlencoded\r\n"};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(post(path, types[i], body), 207);
    fixture.options.settings.strict_content_type = 1;
    api_fixture_restart(&fixture);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(post(path, types[i], body), 400);
        assert_int_equal(post(AIS "/", types[i], "{}"), 400);
    }
    api_answer answer =
        api_send_headers(&fixture, "POST", path, WHO "Content-Type: text/plain\r\n", MU_STR("{}"));
    api_assert_text(&fixture, &answer, "type", "/placeholder/type/uri");
    api_assert_text(&fixture, &answer, "title", "BadRequestError");
    api_assert_text(&fixture, &answer, "status", "400");
    assert_int_equal(post(path, "Content-Type: application/json; charset=utf-8\r\n", body), 207);
    assert_int_equal(post(path, "Content-Type: application/merge-patch+json\r\n", body), 207);
    assert_int_equal(api_send_headers(&fixture, "GET", SEGMENTS, WHO, MU_STR("")).status, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name, start) cmocka_unit_test_setup_teardown(name, start, stop)
        TEST(denials_name_the_resource, start_static),
        TEST(readers_read_and_writers_write, start_static),
        TEST(external_audiences_have_their_own_form, start_static),
        TEST(a_client_stays_in_its_sandboxes, start_static),
        TEST(unknown_permissions_stop_the_server_from_starting, start_open),
        TEST(tokens_are_bound_to_client_and_organization, start_local_ims),
        TEST(forged_tokens_are_refused, start_local_ims),
        TEST(tokens_end_by_the_servers_clock, start_local_ims),
        TEST(the_public_key_is_shown_and_stays, start_local_ims),
        TEST(a_client_that_left_has_no_token, start_local_ims),
        TEST(types_are_checked_only_when_asked_for, start_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
