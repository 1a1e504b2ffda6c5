/* audit_test.c -- what clients change is in the audit log, by whom, before and after. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/api_fixture.h"

#include <stdio.h>

#define EVENTS    "/data/foundation/audit/events"
#define POLICIES  "/data/core/ups/config/mergePolicies"
#define SANDBOXES "/data/foundation/sandbox-management/sandboxes"
#define POLICY                                                                                     \
    "{\"name\":\"%s\",\"schema\":{\"name\":\"_xdm.context.profile\"},\"identityGraph\":{\"type\":" \
    "\"none\"},\"attributeMerge\":{\"type\":\"timestampOrdered\"}}"

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

static const char *make_policy(const char *name)
{
    char body[512];
    snprintf(body, sizeof body, POLICY, name);
    api_answer answer = api_expect(&fixture, 200, "POST", POLICIES, body);
    return api_text(&fixture, &answer, "id");
}

static void changes_are_recorded_with_before_and_after(void **state)
{
    char path[256];
    (void)state;
    const char *id = make_policy("one");
    snprintf(path, sizeof path, POLICIES "/%s", id);
    api_expect(&fixture, 200, "PATCH", path,
               "[{\"op\":\"add\",\"path\":\"/name\",\"value\":\"two\"}]");
    assert_true(api_send(&fixture, "DELETE", path, NULL).status < 300);
    snprintf(path, sizeof path, EVENTS "?property=assetId==%s", id);
    api_answer answer = api_expect(&fixture, 200, "GET", path, NULL);
    api_assert_text(&fixture, &answer, "page.totalElements", "3");
    api_assert_text(&fixture, &answer, "_embedded.events.0.action", "Delete");
    api_assert_text(&fixture, &answer, "_embedded.events.0.before.name", "two");
    api_assert_text(&fixture, &answer, "_embedded.events.0.after", "");
    api_assert_text(&fixture, &answer, "_embedded.events.1.action", "Update");
    api_assert_text(&fixture, &answer, "_embedded.events.1.before.name", "one");
    api_assert_text(&fixture, &answer, "_embedded.events.1.after.name", "two");
    api_assert_text(&fixture, &answer, "_embedded.events.2.action", "Create");
    api_assert_text(&fixture, &answer, "_embedded.events.2.assetName", "one");
    api_assert_text(&fixture, &answer, "_embedded.events.2.assetType", "Merge policy");
    api_assert_text(&fixture, &answer, "_embedded.events.2.userEmail", "key");
    api_assert_text(&fixture, &answer, "_embedded.events.2.sandboxName", "prod");
    api_assert_text(&fixture, &answer, "_embedded.events.2.timestamp",
                    "2026-01-01T00:00:00.000+0000");
    assert_true(strlen(api_text(&fixture, &answer, "_embedded.events.2.requestId")) > 0);
}

static void what_the_server_made_is_the_systems(void **state)
{
    (void)state;
    api_answer answer = api_expect(
        &fixture, 200, "GET", EVENTS "?property=assetType==Merge+policy&property=user==", NULL);
    api_assert_text(&fixture, &answer, "_embedded.events.0.userEmail", "system");
}

static void settings_are_recorded(void **state)
{
    (void)state;
    api_expect(&fixture, 200, "PUT", "/data/core/identity/settings",
               "{\"namespaces\":[{\"code\":\"Email\",\"priority\":1,\"unique\":true}]}");
    api_answer answer =
        api_expect(&fixture, 200, "GET", EVENTS "?property=assetType==settings", NULL);
    api_assert_text(&fixture, &answer, "page.totalElements", "1");
    api_assert_text(&fixture, &answer, "_embedded.events.0.after.0.code", "Email");
}

static void refused_requests_leave_no_event(void **state)
{
    (void)state;
    api_answer before = api_expect(&fixture, 200, "GET", EVENTS, NULL);
    api_expect(&fixture, 400, "POST", POLICIES, "{\"name\":1}");
    api_expect(&fixture, 404, "DELETE", POLICIES "/none", NULL);
    api_answer after = api_expect(&fixture, 200, "GET", EVENTS, NULL);
    api_assert_text(&fixture, &after, "page.totalElements",
                    api_text(&fixture, &before, "page.totalElements"));
}

static void pages_follow_each_other(void **state)
{
    (void)state;
    make_policy("a");
    make_policy("b");
    make_policy("c");
    api_answer all = api_expect(&fixture, 200, "GET", EVENTS, NULL);
    api_answer one = api_expect(&fixture, 200, "GET", EVENTS "?limit=1&start=1", NULL);
    api_assert_text(&fixture, &one, "page.size", "1");
    api_assert_text(&fixture, &one, "page.number", "2");
    api_assert_text(&fixture, &one, "_embedded.events.0.id",
                    api_text(&fixture, &all, "_embedded.events.1.id"));
    assert_non_null(strstr(api_text(&fixture, &one, "_links.next.href"), "start=2"));
    all = api_expect(&fixture, 200, "GET", EVENTS "?start=100000", NULL);
    api_assert_text(&fixture, &all, "page.size", "0");
}

static void bad_filters_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"?property=name==x",
                                      "?property=action==Explode",
                                      "?property=nothing",
                                      "?property=timestamp==2026-01-01T00:00:00Z",
                                      "?property=timestamp%3E=yesterday",
                                      "?property=assetId%3Cx",
                                      "?limit=0",
                                      "?start=-1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char path[256];
        snprintf(path, sizeof path, EVENTS "%s", bad[i]);
        api_expect(&fixture, 400, "GET", path, NULL);
    }
}

static void
events_of_a_sandbox_stay_there_and_those_of_the_organization_are_everywhere(void **state)
{
    (void)state;
    api_expect(&fixture, 201, "POST", SANDBOXES, "{\"name\":\"two\",\"title\":\"Two\"}");
    make_policy("secret");
    api_answer answer = api_send_in(&fixture, "two", "GET", EVENTS, NULL);
    assert_int_equal(answer.status, 200);
    assert_int_equal(mu_str_find(answer.body, MU_STR("secret")), SIZE_MAX);
    answer = api_send_in(&fixture, "two", "GET", EVENTS "?property=assetType==Sandbox", NULL);
    api_assert_text(&fixture, &answer, "_embedded.events.0.assetName", "two");
    api_assert_text(&fixture, &answer, "_embedded.events.0.userEmail", "key");
    api_assert_text(&fixture, &answer, "_embedded.events.0.sandboxName", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
        TEST(changes_are_recorded_with_before_and_after),
        TEST(what_the_server_made_is_the_systems),
        TEST(settings_are_recorded),
        TEST(refused_requests_leave_no_event),
        TEST(pages_follow_each_other),
        TEST(bad_filters_are_refused),
        TEST(events_of_a_sandbox_stay_there_and_those_of_the_organization_are_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
