/* namespaces_test.c -- namespaces and retention over HTTP (profile.md b.1, P13, P14, P54). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/api_fixture.h"

#include <stdio.h>

#define BASE      "/data/core/idnamespace/identities"
#define RETENTION "/data/core/ups/config/retention"

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

static void built_in_namespaces_are_listed(void **state)
{
    (void)state;
    api_answer list = api_expect(&fixture, 200, "GET", BASE, NULL);
    assert_int_equal(list.json.kind, MU_JSON_ARRAY);
    assert_true(list.json.n >= 6);
    api_answer email = api_expect(&fixture, 200, "GET", BASE "/6", NULL);
    api_assert_text(&fixture, &email, "code", "Email");
    api_assert_text(&fixture, &email, "idType", "EMAIL");
    api_assert_text(&fixture, &email, "custom", "false");
    api_answer missing = api_expect(&fixture, 404, "GET", BASE "/99999", NULL);
    api_assert_text(&fixture, &missing, "status", "404");
    api_expect(&fixture, 404, "GET", BASE "/Email", NULL);
    list = api_expect(&fixture, 200, "GET", "/data/core/idnamespace/orgs/x/identities", NULL);
    assert_int_equal(list.json.kind, MU_JSON_ARRAY);
}

static void own_namespaces_are_made_once(void **state)
{
    (void)state;
    api_answer made =
        api_expect(&fixture, 200, "POST", BASE,
                   "{\"name\":\"Luma CRM\",\"code\":\"lumaCrmId\",\"idType\":\"Cross_device\"}");
    api_assert_text(&fixture, &made, "id", "10000001");
    api_assert_text(&fixture, &made, "idType", "CROSS_DEVICE");
    api_assert_text(&fixture, &made, "custom", "true");
    api_assert_text(&fixture, &made, "createTime", "1767225600000");
    api_answer again =
        api_expect(&fixture, 409, "POST", BASE,
                   "{\"name\":\"Other\",\"code\":\"LUMACRMID\",\"idType\":\"CROSS_DEVICE\"}");
    api_assert_text(&fixture, &again, "report.code", "NAMESPACE_CODE_CONFLICT");
    api_assert_text(&fixture, &again, "timestamp", "2026-01-01T00:00:00Z");
    api_expect(&fixture, 409, "POST", BASE,
               "{\"name\":\"Mail\",\"code\":\"email\",\"idType\":\"EMAIL\"}");
    made = api_expect(&fixture, 200, "POST", BASE,
                      "{\"name\":\"Phones\",\"code\":\"Mobile1\",\"idType\":\"MOBILE\"}");
    api_assert_text(&fixture, &made, "id", "10000002");
    api_assert_text(&fixture, &made, "idType", "MOBILE");
    api_fixture_restart(&fixture);
    made = api_expect(&fixture, 200, "GET", BASE "/10000001", NULL);
    api_assert_text(&fixture, &made, "code", "lumaCrmId");
}

static void bad_namespaces_are_refused(void **state)
{
    static const char *const bodies[] = {"{}",
                                         "[]",
                                         "{\"code\":\"a-b\",\"name\":\"x\",\"idType\":\"EMAIL\"}",
                                         "{\"code\":\"ab\",\"idType\":\"EMAIL\"}",
                                         "{\"code\":\"ab\",\"name\":\"x\"}",
                                         "{\"code\":\"ab\",\"name\":\"x\",\"idType\":\"PERSON\"}"};
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        api_expect(&fixture, 400, "POST", BASE, bodies[i]);
}

static void only_names_and_descriptions_change(void **state)
{
    (void)state;
    api_expect(&fixture, 200, "POST", BASE,
               "{\"name\":\"A\",\"code\":\"AA\",\"idType\":\"COOKIE\"}");
    api_answer changed =
        api_expect(&fixture, 200, "PUT", BASE "/10000001",
                   "{\"name\":\"B\",\"code\":\"aa\",\"idType\":\"cookie\",\"description\":\"d\"}");
    api_assert_text(&fixture, &changed, "name", "B");
    api_assert_text(&fixture, &changed, "code", "AA");
    api_assert_text(&fixture, &changed, "description", "d");
    api_expect(&fixture, 400, "PUT", BASE "/10000001", "{\"code\":\"BB\"}");
    api_expect(&fixture, 400, "PUT", BASE "/10000001", "{\"idType\":\"EMAIL\"}");
    api_expect(&fixture, 400, "PUT", BASE "/6", "{\"name\":\"B\"}");
    api_expect(&fixture, 404, "PUT", BASE "/7777777", "{\"name\":\"B\"}");
}

/* -------- what the graphs are told -------- */

static bool settings_hold(const char *sandbox, const char *text)
{
    mu_sandbox *live = mu_live_find_sandbox(fixture.live, mu_str_from(sandbox));
    assert_non_null(live);
    return mu_str_find(mu_sandbox_settings(live, &fixture.arena), mu_str_from(text)) != SIZE_MAX;
}

static void every_sandbox_learns_of_a_namespace(void **state)
{
    (void)state;
    static const char expected[] = "{\"code\":\"AA\",\"id\":10000001,\"idType\":\"NON_PEOPLE\"}";
    api_expect(&fixture, 201, "POST", "/data/foundation/sandbox-management/sandboxes",
               "{\"name\":\"before\",\"title\":\"Before\"}");
    api_expect(&fixture, 200, "POST", BASE,
               "{\"name\":\"A\",\"code\":\"AA\",\"idType\":\"NON_PEOPLE\"}");
    api_expect(&fixture, 201, "POST", "/data/foundation/sandbox-management/sandboxes",
               "{\"name\":\"after\",\"title\":\"After\"}");
    assert_true(settings_hold("prod", expected));
    assert_true(settings_hold("before", expected));
    assert_true(settings_hold("after", expected));
    api_fixture_restart(&fixture);
    assert_true(settings_hold("prod", expected));
}

/* -------- retention -------- */

static void retention_is_checked_and_kept_beside_namespaces(void **state)
{
    char body[300];
    (void)state;
    api_answer answer = api_expect(&fixture, 200, "GET", RETENTION, NULL);
    assert_string_equal(answer.body.ptr, "{}");
    answer = api_expect(&fixture, 201, "POST", "/data/foundation/catalog/dataSets",
                        "{\"name\":\"E\",\"schemaRef\":{\"id\":\"https://ns.adobe.com/xdm/context/"
                        "experienceevent\"}}");
    const char *id = api_text(&fixture, &answer, "0") + 11;
    snprintf(body, sizeof body,
             "{\"eventExpiration\":[{\"datasetId\":\"%s\",\"days\":30}],"
             "\"pseudonymousExpiration\":{\"namespaces\":[\"ecid\"],\"days\":14}}",
             id);
    answer = api_expect(&fixture, 200, "PUT", RETENTION, body);
    api_assert_text(&fixture, &answer, "eventExpiration.0.days", "30");
    api_expect(&fixture, 200, "POST", BASE,
               "{\"name\":\"A\",\"code\":\"AA\",\"idType\":\"COOKIE\"}");
    answer = api_expect(&fixture, 200, "GET", RETENTION, NULL);
    api_assert_text(&fixture, &answer, "pseudonymousExpiration.days", "14");
    assert_true(settings_hold("prod", "\"AA\""));
    static const char *const bad[] = {
        "{\"eventExpiration\":[{\"datasetId\":\"none\",\"days\":30}]}",
        "{\"eventExpiration\":{}}",
        "{\"pseudonymousExpiration\":{\"namespaces\":[\"ECID\"],\"days\":0}}",
        "{\"pseudonymousExpiration\":{\"namespaces\":[\"nobody\"],\"days\":1}}",
        "{\"pseudonymousExpiration\":{\"namespaces\":[],\"days\":1}}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        answer = api_expect(&fixture, 400, "PUT", RETENTION, bad[i]);
        api_assert_text(&fixture, &answer, "code", "400");
    }
    answer = api_expect(&fixture, 200, "PUT", RETENTION, "{}");
    assert_string_equal(answer.body.ptr, "{}");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(built_in_namespaces_are_listed),
        TEST(own_namespaces_are_made_once),
        TEST(bad_namespaces_are_refused),
        TEST(only_names_and_descriptions_change),
        TEST(every_sandbox_learns_of_a_namespace),
        TEST(retention_is_checked_and_kept_beside_namespaces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
