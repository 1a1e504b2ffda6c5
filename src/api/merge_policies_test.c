/* merge_policies_test.c -- profile.md c.2, c.3, c.6 over HTTP. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/api_fixture.h"

#include <stdio.h>

#define BASE "/data/core/ups/config/mergePolicies"
#define BODY(name, more)                                                                           \
    "{\"name\":\"" name "\",\"schema\":{\"name\":\"_xdm.context.profile\"},"                       \
    "\"identityGraph\":{\"type\":\"none\"},\"attributeMerge\":{\"type\":"                          \
    "\"timestampOrdered\"}" more "}"

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

static const char *make(const char *body)
{
    api_answer answer = api_expect(&fixture, 200, "POST", BASE, body);
    return api_text(&fixture, &answer, "id");
}

static const char *path_of(const char *id)
{
    return mu_arena_format(&fixture.arena, BASE "/%s", id).ptr;
}

static api_answer get(const char *id)
{
    return api_expect(&fixture, 200, "GET", path_of(id), NULL);
}

static void a_fresh_sandbox_has_a_default_policy(void **state)
{
    (void)state;
    api_answer list = api_expect(&fixture, 200, "GET", BASE, NULL);
    api_assert_text(&fixture, &list, "_page.totalCount", "1");
    api_assert_text(&fixture, &list, "_page.count", "1");
    api_assert_text(&fixture, &list, "_links.next.href", "");
    api_assert_text(&fixture, &list, "children.0.name", "Default Timebased");
    api_assert_text(&fixture, &list, "children.0.identityGraph.type", "pdg");
    api_assert_text(&fixture, &list, "children.0.attributeMerge.type", "timestampOrdered");
    api_assert_text(&fixture, &list, "children.0.default", "true");
    api_assert_text(&fixture, &list, "children.0.isActiveOnEdge", "true");
    api_assert_text(&fixture, &list, "children.0.sandbox.sandboxName", "prod");
    api_assert_text(&fixture, &list, "children.0.imsOrgId", API_FIXTURE_ORGANIZATION);
    api_assert_text(&fixture, &list, "children.0.updateEpoch", "1767225600");
    api_expect(&fixture, 201, "POST", "/data/foundation/sandbox-management/sandboxes",
               "{\"name\":\"dev\",\"title\":\"Dev\"}");
    api_fixture_restart(&fixture);
    list = api_send_in(&fixture, "dev", "GET", BASE, NULL);
    api_assert_text(&fixture, &list, "_page.totalCount", "1");
    list = api_expect(&fixture, 200, "GET", BASE, NULL);
    api_assert_text(&fixture, &list, "_page.totalCount", "1");
}

static void a_new_default_takes_the_flag_from_the_old(void **state)
{
    (void)state;
    api_answer list = api_expect(&fixture, 200, "GET", BASE, NULL);
    const char *old = api_text(&fixture, &list, "children.0.id");
    const char *id = make(BODY("Mine", ",\"default\":\"true\",\"isActiveOnEdge\":true"));
    api_answer answer = get(id);
    api_assert_text(&fixture, &answer, "default", "true");
    api_assert_text(&fixture, &answer, "version", "1");
    answer = get(old);
    api_assert_text(&fixture, &answer, "default", "false");
    api_assert_text(&fixture, &answer, "isActiveOnEdge", "false");
    api_expect(&fixture, 400, "DELETE", path_of(id), NULL);
    answer = api_expect(&fixture, 200, "DELETE", path_of(old), NULL);
    assert_int_equal(answer.body.len, 0);
    answer = api_expect(&fixture, 404, "GET", path_of(old), NULL);
    api_assert_text(&fixture, &answer, "code", "404");
}

static void patches_take_dotted_paths_and_texts_as_flags(void **state)
{
    (void)state;
    const char *id = make(BODY("Mine", ""));
    api_fixture_advance(60000);
    api_answer answer = api_expect(
        &fixture, 200, "PATCH", path_of(id),
        "[{\"op\":\"add\",\"path\":\"/identityGraph.type\",\"value\":\"pdg\"},"
        "{\"op\":\"add\",\"path\":\"/attributeMerge\",\"value\":{\"type\":\"dataSetPrecedence\","
        "\"order\":[\"a\",\"b\"]}},"
        "{\"op\":\"replace\",\"path\":\"/attributeMerge/order/0\",\"value\":\"c\"}]");
    api_assert_text(&fixture, &answer, "identityGraph.type", "pdg");
    api_assert_text(&fixture, &answer, "attributeMerge.order", "[\"c\",\"b\"]");
    api_assert_text(&fixture, &answer, "version", "2");
    api_assert_text(&fixture, &answer, "updateEpoch", "1767225660");
    answer = api_expect(&fixture, 200, "PATCH", path_of(id),
                        "{\"op\":\"add\",\"path\":\"/default\",\"value\":\"true\"}");
    api_assert_text(&fixture, &answer, "default", "true");
    api_expect(&fixture, 400, "PATCH", path_of(id),
               "{\"op\":\"add\",\"path\":\"/identityGraph.type\",\"value\":\"coop\"}");
    api_expect(&fixture, 400, "PATCH", path_of(id), "{\"op\":\"remove\",\"path\":\"/nothing\"}");
    api_expect(&fixture, 400, "PATCH", path_of(id),
               "{\"op\":\"add\",\"path\":\"/name/first\",\"value\":1}");
    api_expect(&fixture, 404, "PATCH", BASE "/none",
               "{\"op\":\"add\",\"path\":\"/name\",\"value\":\"x\"}");
}

static void bad_policies_are_refused(void **state)
{
    static const char *const bodies[] = {
        "{}",
        "[]",
        "not JSON",
        "{\"name\":\"x\",\"schema\":{\"name\":\"_xdm.context.profile\"}}",
        "{\"schema\":{\"name\":\"_xdm.context.profile\"},\"identityGraph\":{\"type\":\"none\"},"
        "\"attributeMerge\":{\"type\":\"dataSetPrecedence\"}}",
        "{\"schema\":\"_xdm.context.profile\",\"identityGraph\":{\"type\":\"none\"},"
        "\"attributeMerge\":{\"type\":\"timestampOrdered\"}}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        api_answer answer = api_expect(&fixture, 400, "POST", BASE, bodies[i]);
        api_assert_text(&fixture, &answer, "code", "400");
        assert_true(strlen(api_text(&fixture, &answer, "message")) > 0);
    }
}

static void the_old_form_of_the_order_is_understood(void **state)
{
    (void)state;
    const char *id = make("{\"schema\":{\"name\":\"_xdm.context.profile\"},"
                          "\"identityGraph\":{\"type\":\"none\"},\"attributeMerge\":{\"type\":"
                          "\"dataSetPrecedence\",\"data\":{\"order\":[\"x\"]}}}");
    api_answer answer = get(id);
    api_assert_text(&fixture, &answer, "attributeMerge",
                    "{\"type\":\"dataSetPrecedence\",\"order\":[\"x\"]}");
}

static void at_most_five_policies_of_a_class(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        make(BODY("More", ""));
    api_expect(&fixture, 400, "POST", BASE, BODY("Sixth", ""));
    api_expect(&fixture, 200, "POST", BASE,
               "{\"schema\":{\"name\":\"_xdm.context.account\"},\"identityGraph\":{\"type\":"
               "\"none\"},\"attributeMerge\":{\"type\":\"timestampOrdered\"}}");
}

static void lists_are_filtered_sorted_and_paged(void **state)
{
    (void)state;
    make(BODY("Zebra", ""));
    make(BODY("Ant", ""));
    api_answer list = api_expect(&fixture, 200, "GET", BASE "?orderBy=-name&limit=2", NULL);
    api_assert_text(&fixture, &list, "_page.totalCount", "3");
    api_assert_text(&fixture, &list, "children.0.name", "Zebra");
    const char *next = api_text(&fixture, &list, "_links.next.href");
    list = api_expect(&fixture, 200, "GET", next, NULL);
    api_assert_text(&fixture, &list, "_page.count", "1");
    api_assert_text(&fixture, &list, "children.0.name", "Ant");
    list = api_expect(&fixture, 200, "GET", BASE "?default=True&limit=None", NULL);
    api_assert_text(&fixture, &list, "_page.totalCount", "1");
    list = api_expect(&fixture, 200, "GET", BASE "?identityGraph.type=none&orderBy=%2Bname", NULL);
    api_assert_text(&fixture, &list, "children.0.name", "Ant");
    list = api_expect(&fixture, 200, "GET", BASE "?start=50", NULL);
    api_assert_text(&fixture, &list, "children", "[]");
    api_expect(&fixture, 400, "GET", BASE "?limit=0", NULL);
    api_expect(&fixture, 400, "GET", BASE "?limit=x", NULL);
}

static void put_replaces_and_bulk_get_finds(void **state)
{
    char body[200];
    (void)state;
    const char *id = make(BODY("Mine", ",\"note\":\"kept\""));
    api_answer answer = get(id);
    api_assert_text(&fixture, &answer, "note", "kept");
    answer = api_expect(&fixture, 200, "PUT", path_of(id), BODY("Other", ""));
    api_assert_text(&fixture, &answer, "name", "Other");
    api_assert_text(&fixture, &answer, "note", "");
    snprintf(body, sizeof body, "{\"ids\":[{\"id\":\"%s\"},{\"id\":\"none\"}]}", id);
    answer = api_expect(&fixture, 207, "POST", BASE "/bulk-get", body);
    assert_int_equal(api_at(&answer, "results")->n, 1);
    assert_non_null(strstr(answer.body.ptr, id));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(a_fresh_sandbox_has_a_default_policy),
        TEST(a_new_default_takes_the_flag_from_the_old),
        TEST(patches_take_dotted_paths_and_texts_as_flags),
        TEST(bad_policies_are_refused),
        TEST(the_old_form_of_the_order_is_understood),
        TEST(at_most_five_policies_of_a_class),
        TEST(lists_are_filtered_sorted_and_paged),
        TEST(put_replaces_and_bulk_get_finds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
