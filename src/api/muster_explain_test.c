/* muster_explain_test.c -- why a profile is in an audience or not, over a real socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/api_int.h"
#include "base/utf8.h"
#include "tests/support/townsfolk.h"

#define EXPLAIN "/data/core/ups/muster/explain"
#define LEEDS   "\"expression\":{\"value\":\"homeAddress.city = \\\"Leeds\\\"\"}"
#define BOUGHT                                                                                     \
    "\"expression\":{\"type\":\"PQL\",\"format\":\"pql/text\",\"value\":\"xEvent[eventType = "     \
    "\\\"commerce.purchases\\\"].count() >= 1 and homeAddress.city = \\\"York\\\"\"}"
#define PERSON(id) "\"entityId\":\"" id "\",\"entityIdNS\":\"lumaCrmId\""

static api_fixture fixture;

static int start(void **state)
{
    (void)state;
    api_fixture_start(&fixture);
    townsfolk_settle(&fixture);
    townsfolk_add(&fixture, 0, 12);
    townsfolk_fold(&fixture);
    townsfolk_add(&fixture, 12, 12);
    return 0;
}

static int start_with_limit(void **state)
{
    (void)state;
    mu_api_options options = {.auth_mode = MU_AUTH_OPEN,
                              .organization = MU_STR(API_FIXTURE_ORGANIZATION),
                              .tenant = MU_STR("luma"),
                              .settings = mu_audience_settings_default()};
    options.settings.events_max = 2;
    api_fixture_start_with(&fixture, &options);
    townsfolk_settle(&fixture);
    townsfolk_add(&fixture, 0, 12);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    api_fixture_stop(&fixture);
    return 0;
}

/* `members` of the body, without braces. */
static api_answer ask(unsigned status, const char *members)
{
    return api_expect(&fixture, status, "POST", EXPLAIN,
                      mu_arena_format(&fixture.arena, "{%s}", members).ptr);
}

static const char *define(const char *name, const char *rule, const char *more)
{
    api_answer answer =
        api_send(&fixture, "POST", "/data/core/ups/segment/definitions",
                 mu_arena_format(&fixture.arena,
                                 "{\"name\":\"%s\",\"schema\":{\"name\":\"_xdm.context.profile\"},"
                                 "\"expression\":{\"type\":\"PQL\",\"format\":\"pql/text\","
                                 "\"value\":\"%s\"}%s}",
                                 name, rule, more)
                     .ptr);
    if (answer.status / 100 != 2)
        fail_msg("%u " MU_STR_FMT, answer.status, MU_STR_ARG(answer.body));
    return api_text(&fixture, &answer, "id");
}

static void a_member_is_explained_by_its_events(void **state)
{
    (void)state;
    api_answer answer = ask(200, BOUGHT "," PERSON("CRM-000009"));
    api_assert_text(&fixture, &answer, "member", "true");
    api_assert_text(&fixture, &answer, "isEvaluated", "true");
    api_assert_text(&fixture, &answer, "now", "2026-01-01T00:00:00Z");
    api_assert_text(&fixture, &answer, "identity.id", "CRM-000009");
    api_assert_text(&fixture, &answer, "identity.namespace.code", "lumaCrmId");
    api_assert_text(&fixture, &answer, "entityId", townsfolk_crm_xid(&fixture, 9));
    api_assert_text(&fixture, &answer, "excludedBy", "{\"optOut\":false,\"eventLimit\":false}");
    api_assert_text(&fixture, &answer, "explanation.member", "true");
    api_assert_text(&fixture, &answer, "explanation.rule.kind", "call");
    assert_int_equal(api_at(&answer, "explanation.witnesses")->n, 1);
    api_assert_text(&fixture, &answer, "explanation.witnesses.0._id", "buy-9");
    api_assert_text(&fixture, &answer, "segmentMembership", "");
    answer = ask(200, BOUGHT "," PERSON("CRM-000012"));
    api_assert_text(&fixture, &answer, "member", "false"); /* of Leeds */
    answer = ask(200, BOUGHT "," PERSON("CRM-000013"));
    api_assert_text(&fixture, &answer, "member", "false");
    api_assert_text(&fixture, &answer, "explanation.witnesses", "[]");
}

/* Any identity of the cluster stands for the profile, and so does its XID. */
static void every_identity_finds_the_profile(void **state)
{
    (void)state;
    const char *members[] = {
        mu_arena_format(&fixture.arena, BOUGHT ",\"entityId\":\"%s\",\"entityIdNS\":\"ECID\"",
                        townsfolk_ecid(&fixture, 15))
            .ptr,
        mu_arena_format(&fixture.arena, BOUGHT ",\"entityId\":\"%s\",\"entityIdNS\":\"4\"",
                        townsfolk_ecid(&fixture, 15))
            .ptr,
        mu_arena_format(&fixture.arena, BOUGHT ",\"entityId\":\"%s\"",
                        townsfolk_ecid_xid(&fixture, 15))
            .ptr,
        mu_arena_format(&fixture.arena, BOUGHT ",\"entityId\":\"%s\"",
                        townsfolk_crm_xid(&fixture, 15))
            .ptr};
    for (size_t i = 0; i < 4; i++) {
        api_answer answer = ask(200, members[i]);
        api_assert_text(&fixture, &answer, "member", "true");
        api_assert_text(&fixture, &answer, "explanation.witnesses.0._id", "buy-15");
    }
}

static void audiences_and_what_they_refer_to_are_explained(void **state)
{
    (void)state;
    const char *leeds = define("Leeds", "homeAddress.city = \\\"Leeds\\\"", "");
    const char *two = define(
        "Two", mu_arena_format(&fixture.arena, "inSegment(\\\"%s\\\") and true", leeds).ptr, "");
    const char *members =
        mu_arena_format(&fixture.arena, "\"segmentId\":\"%s\"," PERSON("CRM-000004"), two).ptr;
    api_answer answer = ask(200, members);
    api_assert_text(&fixture, &answer, "segmentId", two);
    api_assert_text(&fixture, &answer, "name", "Two");
    api_assert_text(&fixture, &answer, "member", "true");
    api_answer policies =
        api_expect(&fixture, 200, "GET", "/data/core/ups/config/mergePolicies", NULL);
    api_assert_text(&fixture, &answer, "mergePolicyId",
                    api_text(&fixture, &policies, "children.0.id"));
    answer =
        ask(200,
            mu_arena_format(&fixture.arena, "\"segmentId\":\"%s\"," PERSON("CRM-000005"), two).ptr);
    api_assert_text(&fixture, &answer, "member", "false");
    answer = ask(200, mu_arena_format(&fixture.arena,
                                      "\"expression\":{\"value\":\"not "
                                      "inSegment(\\\"%s\\\")\"}," PERSON("CRM-000005"),
                                      leeds)
                          .ptr);
    api_assert_text(&fixture, &answer, "member", "true");
}

/* What the last job left, beside what is so now. */
static void commit(const char *id, uint32_t n_pids, const uint32_t *pids)
{
    mu_workspace *workspace = mu_workspaces_next(fixture.api->workspaces, NULL);
    mu_pid_set *members = roaring_bitmap_create();
    mu_err err;
    for (uint32_t i = 0; i < n_pids; i++)
        roaring_bitmap_add(members, pids[i]);
    const mu_membership_change change = {
        .action = MU_MEMBERSHIP_SET, .audience_id = mu_str_from(id), .members = members};
    const mu_membership_commit all = {
        .now_ms = API_FIXTURE_NOW_MS - 1000, .n_changes = 1, .changes = &change};
    assert_int_equal(mu_memberships_commit(workspace->memberships, &all, NULL, &err), MU_OK);
    roaring_bitmap_free(members);
}

static uint32_t pid_of(uint32_t person)
{
    mu_graph_cluster cluster;
    mu_identity identity = {MU_STR("lumaCrmId"), mu_str_from(townsfolk_crm(&fixture, person))};
    assert_true(mu_sandbox_cluster(mu_live_find_sandbox(fixture.live, MU_STR("prod")), identity,
                                   &fixture.arena, &cluster));
    return cluster.pid;
}

static void stored_membership_is_shown(void **state)
{
    (void)state;
    const char *york = define("York", "homeAddress.city = \\\"York\\\"", "");
    const char *idle =
        define("Idle", "homeAddress.city = \\\"York\\\"", ",\"lifecycleState\":\"inactive\"");
    const uint32_t pids[] = {pid_of(4), pid_of(5)};
    commit(york, 2, pids);
    commit(york, 1, pids); /* 5 left */
    commit(idle, 1, pids);
    api_answer answer = ask(
        200,
        mu_arena_format(&fixture.arena, "\"segmentId\":\"%s\"," PERSON("CRM-000004"), york).ptr);
    api_assert_text(&fixture, &answer, "member", "false"); /* now, not then */
    api_assert_text(&fixture, &answer, "segmentMembership.status", "realized");
    api_assert_text(&fixture, &answer, "segmentMembership.lastQualificationTime",
                    "2025-12-31T23:59:59Z");
    answer = ask(
        200,
        mu_arena_format(&fixture.arena, "\"segmentId\":\"%s\"," PERSON("CRM-000005"), york).ptr);
    api_assert_text(&fixture, &answer, "member", "true");
    api_assert_text(&fixture, &answer, "segmentMembership.status", "exited");
    answer = ask(
        200,
        mu_arena_format(&fixture.arena, "\"segmentId\":\"%s\"," PERSON("CRM-000004"), idle).ptr);
    api_assert_text(&fixture, &answer, "isEvaluated", "false");
    api_assert_text(&fixture, &answer, "member", "true");
    api_assert_text(&fixture, &answer, "explanation", "");
    answer = ask(
        200,
        mu_arena_format(&fixture.arena, "\"segmentId\":\"%s\"," PERSON("CRM-000005"), idle).ptr);
    api_assert_text(&fixture, &answer, "member", "false");
    answer = ask(
        404, mu_arena_format(&fixture.arena, "\"segmentId\":\"%s\"," PERSON("CRM-9"), idle).ptr);
}

static void opting_out_excludes(void **state)
{
    (void)state;
    townsfolk_change(&fixture, 4,
                     "{\"optOutConsentLevel\":{\"privacyOptOuts\":[{\"optOutType\":"
                     "\"general_opt_out\",\"optOutValue\":\"out\"}]}}");
    api_answer answer = ask(200, LEEDS "," PERSON("CRM-000004"));
    api_assert_text(&fixture, &answer, "member", "false");
    api_assert_text(&fixture, &answer, "excludedBy", "{\"optOut\":true,\"eventLimit\":false}");
    api_assert_text(&fixture, &answer, "explanation.member", "true");
    answer =
        ask(200, LEEDS ",\"dataGovernancePolicy\":{\"excludeOptOut\":false}," PERSON("CRM-000004"));
    api_assert_text(&fixture, &answer, "member", "true");
    api_assert_text(&fixture, &answer, "excludedBy.optOut", "false");
}

static void too_many_events_exclude(void **state)
{
    (void)state;
    api_answer answer = ask(200, LEEDS "," PERSON("CRM-000008"));
    api_assert_text(&fixture, &answer, "member", "true");
    townsfolk_event(&fixture, 8, "a", 1, "x");
    townsfolk_event(&fixture, 8, "b", 2, "x");
    townsfolk_event(&fixture, 8, "c", 3, "x");
    answer = ask(200, LEEDS "," PERSON("CRM-000008"));
    api_assert_text(&fixture, &answer, "member", "false");
    api_assert_text(&fixture, &answer, "excludedBy", "{\"optOut\":false,\"eventLimit\":true}");
    api_assert_text(&fixture, &answer, "explanation.member", "true");
}

static void another_instant_may_say_otherwise(void **state)
{
    (void)state;
    const char *recent = "\"expression\":{\"value\":\"xEvent[eventType = "
                         "\\\"commerce.purchases\\\" and timestamp occurs < 1 days before "
                         "now].count() > 0\"}," PERSON("CRM-000003");
    api_answer answer = ask(200, recent);
    api_assert_text(&fixture, &answer, "member", "true");
    answer = ask(
        200, mu_arena_format(&fixture.arena, "%s,\"now\":\"2026-01-05T00:00:00Z\"", recent).ptr);
    api_assert_text(&fixture, &answer, "member", "false");
    api_assert_text(&fixture, &answer, "now", "2026-01-05T00:00:00Z");
}

/* Without a graph the device is a profile of its own, which nothing is known of here. */
static void the_merge_policy_may_be_another(void **state)
{
    (void)state;
    api_answer policy =
        api_expect(&fixture, 200, "POST", "/data/core/ups/config/mergePolicies",
                   "{\"name\":\"No graph\",\"schema\":{\"name\":"
                   "\"_xdm.context.profile\"},\"identityGraph\":{\"type\":\"none\"},"
                   "\"attributeMerge\":{\"type\":\"timestampOrdered\"}}");
    const char *id = api_text(&fixture, &policy, "id");
    api_answer answer = ask(200, mu_arena_format(&fixture.arena,
                                                 BOUGHT "," PERSON("CRM-000015") ",\"mergePolicyId"
                                                                                 "\":\"%s\"",
                                                 id)
                                     .ptr);
    api_assert_text(&fixture, &answer, "member", "true");
    api_assert_text(&fixture, &answer, "mergePolicyId", id);
    answer = api_send(&fixture, "POST", EXPLAIN,
                      mu_arena_format(&fixture.arena,
                                      "{" BOUGHT ",\"entityId\":\"%s\",\"entityIdNS\":\"ECID\","
                                      "\"mergePolicyId\":\"%s\"}",
                                      townsfolk_ecid(&fixture, 15), id)
                          .ptr);
    if (answer.status == 200)
        api_assert_text(&fixture, &answer, "member", "false");
    else
        assert_int_equal(answer.status, 404);
}

static void bad_questions_are_refused(void **state)
{
    static const struct {
        unsigned status;
        const char *members, *code;
    } cases[] = {
        {400, "", "UPAPI-119911-400"},
        {400, PERSON("CRM-000004"), "UPAPI-119911-400"},
        {400, LEEDS, "UPAPI-119911-400"},
        {400, LEEDS ",\"entityId\":7", "UPAPI-119911-400"},
        {400, LEEDS ",\"entityId\":\"CRM-000004\"", "UPAPI-119911-400"},
        {400, LEEDS ",\"entityId\":\"CRM-000004\",\"entityIdNS\":[]", "UPAPI-119911-400"},
        {400, "\"expression\":7," PERSON("CRM-000004"), "UPAPI-119911-400"},
        {400, "\"expression\":{\"value\":\"a.b =\"}," PERSON("CRM-000004"), "UPAPI-119913-400"},
        {400, "\"expression\":{\"value\":\"no.such = 1\"}," PERSON("CRM-000004"),
         "UPAPI-119913-400"},
        {400, "\"segmentId\":5," LEEDS "," PERSON("CRM-000004"), "UPAPI-119911-400"},
        {400, LEEDS ",\"now\":\"soon\"," PERSON("CRM-000004"), "UPAPI-119911-400"},
        {400, LEEDS ",\"mergePolicyId\":\"none\"," PERSON("CRM-000004"), "UPAPI-119911-400"},
        {400, LEEDS ",\"mergePolicyId\":1," PERSON("CRM-000004"), "UPAPI-119911-400"},
        {404, "\"segmentId\":\"nobody\"," PERSON("CRM-000004"), "UPAPI-113430-404"},
        {404, LEEDS "," PERSON("CRM-777777"), "UPAPI-113000-404"},
        {404, LEEDS ",\"entityId\":\"x\",\"entityIdNS\":\"nowhere\"", "UPAPI-113000-404"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        api_answer answer = api_send(&fixture, "POST", EXPLAIN,
                                     mu_arena_format(&fixture.arena, "{%s}", cases[i].members).ptr);
        if (answer.status != cases[i].status ||
            strstr(api_text(&fixture, &answer, "type"), cases[i].code) == NULL)
            fail_msg("%s: %u " MU_STR_FMT, cases[i].members, answer.status,
                     MU_STR_ARG(answer.body));
    }
    api_expect(&fixture, 400, "POST", EXPLAIN, "[]");
    api_expect(&fixture, 400, "POST", EXPLAIN, "");
    townsfolk_erase(&fixture, 4);
    ask(404, LEEDS "," PERSON("CRM-000004"));
}

/* Texts of the client come back cut, but whole characters. */
static void long_texts_are_cut_between_characters(void **state)
{
    mu_buf text;
    (void)state;
    mu_buf_init(&text, 1 << 20);
    for (int i = 0; i < 300; i++)
        mu_buf_add_str(&text, MU_STR("\xe6\x97\xa5"));
    mu_str many = mu_arena_copy(&fixture.arena, mu_buf_str(&text));
    mu_buf_free(&text);
    for (size_t i = 0; i < 2; i++) {
        const char *members =
            i == 0 ? mu_arena_format(&fixture.arena,
                                     LEEDS ",\"entityId\":\"%s\",\"entityIdNS\":"
                                           "\"ECID\"",
                                     many.ptr)
                         .ptr
                   : mu_arena_format(&fixture.arena, "\"segmentId\":\"%s\"," PERSON("CRM-000004"),
                                     many.ptr)
                         .ptr;
        api_answer answer = ask(404, members);
        const char *title = api_text(&fixture, &answer, "title");
        assert_true(strlen(title) > 190);
        assert_true(mu_utf8_valid(mu_str_from(title)));
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(a_member_is_explained_by_its_events),
        TEST(every_identity_finds_the_profile),
        TEST(audiences_and_what_they_refer_to_are_explained),
        TEST(stored_membership_is_shown),
        TEST(opting_out_excludes),
        cmocka_unit_test_setup_teardown(too_many_events_exclude, start_with_limit, stop),
        TEST(another_instant_may_say_otherwise),
        TEST(the_merge_policy_may_be_another),
        TEST(bad_questions_are_refused),
        TEST(long_texts_are_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
