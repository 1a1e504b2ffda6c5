/* people_test.c -- the people of sample-data.md 6, streamed over a real socket: what each of them
 * exercises, seen through clusters and look-ups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/time.h"
#include "tests/support/luma_server.h"

#include <stdio.h>

#define SINGLE  "/collection/" LUMA_SERVER_INLET
#define TYPE    "Content-Type: application/json\r\n"
#define CRM     "9261ceef0b969e70ac20f151"
#define LOYALTY "6ef9086b892fba957bbdeab1"
#define WEB     "4b5e57f6eb2f42b9039b3d1e"
#define SIGNUP  "90e5478be77d3cad10005e9d"
#define PERSON_SCHEMA                                                                              \
    "https://ns.adobe.com/luma/schemas/9261ceef0b969e70ac20f1510f07a1e0d8db05f20c75161a"
#define LOYALTY_SCHEMA                                                                             \
    "https://ns.adobe.com/luma/schemas/6ef9086b892fba957bbdeab14648958f45ea68444290e632"
#define WEB_SCHEMA                                                                                 \
    "https://ns.adobe.com/luma/schemas/4b5e57f6eb2f42b9039b3d1e13929295f231749c510cbe34"

static api_fixture fixture;

static int start(void **state)
{
    (void)state;
    api_fixture_start(&fixture);
    luma_server_fill(&fixture);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    api_fixture_stop(&fixture);
    return 0;
}

/* -------- sending -------- */

static void send_entity(const char *schema, const char *dataset, const char *entity)
{
    mu_str body = mu_arena_format(
        &fixture.arena,
        "{\"header\":{\"schemaRef\":{\"id\":\"%s\"},\"imsOrgId\":\"" LUMA_SERVER_ORGANIZATION
        "\",\"datasetId\":\"%s\"},\"body\":{\"xdmMeta\":{\"schemaRef\":{\"id\":\"%s\"}},"
        "\"xdmEntity\":%s}}",
        schema, dataset, schema, entity);
    api_answer answer = api_send_headers(&fixture, "POST", SINGLE, TYPE, body);
    assert_int_equal(answer.status, 200);
}

/* A page view at an instant; `crm` NULL: nobody is logged in. */
static void send_view(const char *id, int64_t at_ms, const char *ecid, const char *crm)
{
    char time[MU_TIME_TEXT_MAX], known[200] = "", entity[1024];
    size_t n = mu_format_time(at_ms, time);
    if (crm != NULL)
        snprintf(known, sizeof known,
                 ",\"lumaCrmId\":[{\"id\":\"%s\",\"authenticatedState\":\"authenticated\"}]", crm);
    snprintf(entity, sizeof entity,
             "{\"_id\":\"%s\",\"timestamp\":\"%.*s\",\"eventType\":"
             "\"web.webpagedetails.pageViews\",\"identityMap\":{\"ECID\":[{\"id\":\"%s\","
             "\"primary\":true}]%s}}",
             id, (int)n, time, ecid, known);
    send_entity(WEB_SCHEMA, WEB, entity);
}

static bool knows(const char *namespace_code, const char *value, const char *part)
{
    return mu_str_find(luma_server_lookup(&fixture, namespace_code, value), mu_str_from(part)) !=
           SIZE_MAX;
}

static int64_t at(int hour)
{
    return LUMA_SERVER_NOW_MS + (hour - 12) * (int64_t)3600000;
}

/* -------- looking up -------- */

static mu_str look_up(const char *crm, const char *policy)
{
    api_answer answer =
        api_expect(&fixture, 200, "GET",
                   mu_arena_format(
                       &fixture.arena,
                       "/data/core/ups/access/entities?schema.name=_xdm.context.profile&entityIdNS="
                       "lumaCrmId&entityId=%s&mergePolicyId=%s",
                       crm, policy)
                       .ptr,
                   NULL);
    return answer.body;
}

static void assert_holds(mu_str text, const char *part)
{
    if (mu_str_find(text, mu_str_from(part)) == SIZE_MAX)
        fail_msg("%s\nis not in\n" MU_STR_FMT, part, MU_STR_ARG(text));
}

static void assert_holds_not(mu_str text, const char *part)
{
    if (mu_str_find(text, mu_str_from(part)) != SIZE_MAX)
        fail_msg("%s\nis in\n" MU_STR_FMT, part, MU_STR_ARG(text));
}

/* -------- the people -------- */

/* p2, p3: the tablet belongs to whoever logged in last; events that named one of them stay. */
static void a_shared_device_goes_to_who_logs_in(void **state)
{
    static const char tablet[] = "08681964081858191795375270654777870840";
    (void)state;
    send_view("shared-1", at(8), tablet, NULL);
    send_view("shared-2", at(9), tablet, "CRM-100050");
    assert_true(knows("lumaCrmId", "CRM-100050", "\"shared-1\""));
    send_view("shared-3", at(10), tablet, "CRM-100051");
    assert_true(knows("ECID", tablet, "lumaCrmId:CRM-100051\n"));
    assert_false(knows("ECID", tablet, "CRM-100050"));
    assert_true(knows("lumaCrmId", "CRM-100050", "\"shared-2\""));
    assert_false(knows("lumaCrmId", "CRM-100050", "\"shared-1\""));
    assert_true(knows("lumaCrmId", "CRM-100051", "\"shared-1\""));
    send_view("shared-4", at(11), tablet, "CRM-100050");
    assert_true(knows("lumaCrmId", "CRM-100050", "\"shared-1\""));
    assert_false(knows("lumaCrmId", "CRM-100051", "\"shared-1\""));
    assert_true(knows("lumaCrmId", "CRM-100051", "\"shared-3\""));
}

/* p5: what an anonymous visitor did belongs to who logs in later. */
static void an_anonymous_visitor_becomes_known(void **state)
{
    static const char ecid[] = "83905390261353196691980241222855773941";
    (void)state;
    send_view("anonymous-1", at(9), ecid, NULL);
    assert_true(knows("ECID", ecid, "\"anonymous-1\""));
    send_view("anonymous-2", at(10), ecid, "CRM-100065");
    assert_true(knows("lumaCrmId", "CRM-100065", "\"anonymous-1\""));
    assert_true(knows("ECID", ecid, "\"anonymous-2\""));
}

/* p8: fifty identities, the oldest devices go, the customer never. */
static void a_graph_keeps_fifty_identities(void **state)
{
    char ecid[64], id[32];
    (void)state;
    for (int day = 0; day < 60; day++) {
        snprintf(ecid, sizeof ecid, "%038d", 1000 + day);
        snprintf(id, sizeof id, "gus-%d", day);
        send_view(id, at(11) - (60 - day) * MU_DAY_MS, ecid, "CRM-100090");
    }
    mu_str known = luma_server_lookup(&fixture, "lumaCrmId", "CRM-100090");
    unsigned n = 0;
    for (size_t i = 0; i + 5 < known.len; i++)
        n += memcmp(known.ptr + i, "ECID:", 5) == 0;
    assert_int_equal(n, 49);
    assert_holds(known, "lumaCrmId:CRM-100090\n");
    assert_holds_not(known, "ECID:00000000000000000000000000000000001010\n");
    assert_holds(known, "ECID:00000000000000000000000000000000001011\n");
    assert_holds(known, "ECID:00000000000000000000000000000000001059\n");
}

/* p10: an e-mail of two customers belongs to the later record. */
static void an_email_goes_to_the_later_record(void **state)
{
    (void)state;
    send_entity(PERSON_SCHEMA, CRM,
                "{\"_luma\":{\"identification\":{\"crmId\":\"CRM-100110\"}},\"personalEmail\":"
                "{\"address\":\"ines@example.com\"}}");
    assert_true(knows("Email", "ines@example.com", "CRM-100110"));
    api_fixture_advance(1000);
    send_entity(PERSON_SCHEMA, CRM,
                "{\"_luma\":{\"identification\":{\"crmId\":\"CRM-100111\"}},\"personalEmail\":"
                "{\"address\":\"ines@example.com\"}}");
    assert_true(knows("Email", "ines@example.com", "lumaCrmId:CRM-100111\n"));
    assert_false(knows("Email", "ines@example.com", "lumaCrmId:CRM-100110\n"));
}

/* p7: three datasets that disagree, under two policies. */
static void attributes_follow_the_merge_policy(void **state)
{
    (void)state;
    send_entity(PERSON_SCHEMA, CRM,
                "{\"_luma\":{\"identification\":{\"crmId\":\"CRM-100080\"},\"preferences\":"
                "{\"categories\":[\"running\",\"yoga\"],\"newsletterTopics\":{\"sale\":true}}},"
                "\"person\":{\"name\":{\"firstName\":\"Farah\"}},\"homeAddress\":{\"city\":"
                "\"Leeds\",\"street1\":\"1 Oak Street\"}}");
    api_fixture_advance(1000);
    send_entity(LOYALTY_SCHEMA, LOYALTY,
                "{\"_luma\":{\"identification\":{\"crmId\":\"CRM-100080\"},\"preferences\":"
                "{\"categories\":[]}},\"person\":{\"name\":{\"firstName\":\"Fara\"}}}");
    api_fixture_advance(1000);
    send_entity(PERSON_SCHEMA, SIGNUP,
                "{\"_luma\":{\"identification\":{\"crmId\":\"CRM-100080\"},\"preferences\":"
                "{\"newsletterTopics\":{\"events\":true}}},\"homeAddress\":{\"city\":\"York\"}}");
    mu_str newest = look_up("CRM-100080", "");
    assert_holds(newest, "\"firstName\":\"Fara\"");
    assert_holds(newest, "\"city\":\"York\"");
    assert_holds(newest, "\"street1\":\"1 Oak Street\"");
    assert_holds(newest, "\"categories\":[]");
    assert_holds(newest, "\"sale\":true");
    assert_holds(newest, "\"events\":true");
    api_answer policy = api_expect(
        &fixture, 200, "POST", "/data/core/ups/config/mergePolicies",
        "{\"name\":\"By dataset\",\"schema\":{\"name\":\"_xdm.context.profile\"},"
        "\"identityGraph\":{\"type\":\"pdg\"},\"attributeMerge\":{\"type\":\"dataSetPrecedence\","
        "\"order\":[\"" CRM "\",\"" LOYALTY "\"]}}");
    mu_str by_dataset = look_up("CRM-100080", api_text(&fixture, &policy, "id"));
    assert_holds(by_dataset, "\"firstName\":\"Farah\"");
    assert_holds(by_dataset, "\"city\":\"Leeds\"");
    assert_holds(by_dataset, "\"categories\":[\"running\",\"yoga\"]");
    assert_holds_not(by_dataset, "\"events\":true");
    assert_holds_not(by_dataset, SIGNUP);
}

/* p9: memberships of others are kept until they end; those of this service are never taken. */
static void sent_memberships_end_and_own_ones_are_not_taken(void **state)
{
    (void)state;
    send_entity(PERSON_SCHEMA, CRM,
                "{\"_luma\":{\"identification\":{\"crmId\":\"CRM-100100\"}},\"segmentMembership\":"
                "{\"AAM\":{\"gone\":{\"lastQualificationTime\":\"2026-02-01T00:00:00Z\","
                "\"status\":\"realized\",\"validUntil\":\"2026-03-01T00:00:00Z\"},"
                "\"here\":{\"lastQualificationTime\":\"2026-03-01T00:00:00Z\",\"status\":"
                "\"realized\",\"validUntil\":\"2026-04-01T00:00:00Z\"}},"
                "\"ups\":{\"own\":{\"status\":\"realized\"}}}}");
    mu_str known = look_up("CRM-100100", "");
    assert_holds(known, "\"here\"");
    assert_holds_not(known, "\"gone\"");
    assert_holds_not(known, "\"own\"");
}

/* p4: an opt-out is data like any other. */
static void an_opt_out_is_kept(void **state)
{
    (void)state;
    send_entity(PERSON_SCHEMA, CRM,
                "{\"_luma\":{\"identification\":{\"crmId\":\"CRM-100060\"}},"
                "\"optOutConsentLevel\":{\"privacyOptOuts\":[{\"optOutType\":\"general_opt_out\","
                "\"optOutValue\":\"out\"}]}}");
    assert_holds(look_up("CRM-100060", ""), "\"optOutValue\":\"out\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shared_device_goes_to_who_logs_in),
        cmocka_unit_test(an_anonymous_visitor_becomes_known),
        cmocka_unit_test(a_graph_keeps_fifty_identities),
        cmocka_unit_test(an_email_goes_to_the_later_record),
        cmocka_unit_test(attributes_follow_the_merge_policy),
        cmocka_unit_test(sent_memberships_end_and_own_ones_are_not_taken),
        cmocka_unit_test(an_opt_out_is_kept),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
