/* sample_audiences_test.c -- the test audiences of sample-data.md 7 as segment jobs see them:
 * created, evaluated at every instant at which something changes, and shown in the profile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/api_int.h"
#include "base/time.h"
#include "tests/support/luma_server.h"

#include <stdio.h>

#define TYPE "Content-Type: application/json\r\n"

static const struct {
    const char *name, *rule;
} samples[] = {
    {"A1", "homeAddress.countryCode = \"US\" and loyalty.tier = \"gold\""},
    {"A2", "CHAIN(xEvent, timestamp, [C0: WHAT(eventType = \"commerce.purchases\") "
           "WHEN(<= 24 hours before now)])"},
    {"A3", "CHAIN(xEvent, timestamp, [C0: WHAT(eventType = \"commerce.purchases\") "
           "WHEN(<= 24 hours before now)]) and loyalty.tier in [\"gold\", \"platinum\"]"},
    {"A4", "CHAIN(xEvent, timestamp, [C0: WHAT(eventType = \"commerce.productListAdds\") "
           "WHEN(<= 24 hours before now), EXCLUDE(WHAT(eventType = \"commerce.purchases\") "
           "WHEN(<= 24 hours before now))])"},
    {"A5", "xEvent[eventType = \"commerce.productViews\" and timestamp occurs <= 7 days before "
           "now].count() >= 3"},
    {"A6", "inSegment(\"A1\") and not inSegment(\"A3\")"},
    {"A7", "inSegment(\"A1\") and CHAIN(xEvent, timestamp, [C0: WHAT(eventType = "
           "\"commerce.productViews\") WHEN(<= 24 hours before now)])"},
    {"A8", "inSegment(\"A3\") and CHAIN(xEvent, timestamp, [C0: WHAT(eventType = "
           "\"commerce.productViews\") WHEN(<= 24 hours before now)])"},
    {"A9", "person.birthDate occurs this month ignoring year"},
    {"A10", "xEvent[eventType = \"commerce.purchases\" and productListItems.exists(SKU = "
            "\"LM-YM-04\")]"},
    {"A11", "consents.marketing.email.val = \"y\" and not (consents.share.val in [\"n\", \"dn\"])"},
    {"A12", "CHAIN(xEvent, timestamp, [C0: WHAT(eventType = \"web.webpagedetails.pageViews\") "
            "WHEN(today)])"},
    {"A12b",
     "CHAIN(xEvent, timestamp, [C0: WHAT(web.webPageDetails.pageViews.value = 1) WHEN(today)])"},
    {"A13", "xEvent[timestamp occurs <= 24 hours before now].sum(commerce.order.priceTotal) > 100"},
    {"A14", "CHAIN(xEvent, timestamp, [C0: WHAT(eventType = \"commerce.purchases\" and "
            "productListItems.exists(SKU.startsWith(\"LM-JK\") and priceTotal > 80)) "
            "WHEN(<= 24 hours before now)])"},
};
#define N_SAMPLES (sizeof samples / sizeof samples[0])

static api_fixture fixture;
static const char *ids[N_SAMPLES];

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

static void create_audiences(void)
{
    for (size_t i = 0; i < N_SAMPLES; i++) {
        mu_buf rule;
        mu_json_writer writer;
        mu_buf_init(&rule, SIZE_MAX);
        mu_json_writer_init(&writer, &rule);
        mu_json_string(&writer, mu_str_from(samples[i].rule));
        mu_str body =
            mu_arena_format(&fixture.arena,
                            "{\"name\":\"%s\",\"expression\":{\"type\":\"PQL\",\"format\":"
                            "\"pql/text\",\"value\":" MU_STR_FMT "}}",
                            samples[i].name, MU_STR_ARG(mu_buf_str(&rule)));
        mu_buf_free(&rule);
        api_answer answer = api_expect(&fixture, 201, "POST", "/data/core/ups/audiences", body.ptr);
        ids[i] = api_text(&fixture, &answer, "id");
    }
}

static void run_job(void)
{
    api_answer answer =
        api_expect(&fixture, 200, "POST", "/data/core/ups/segment/jobs",
                   "{\"schema\":{\"name\":\"_xdm.context.profile\"},\"segments\":[{\"segmentId\":"
                   "\"*\"}]}");
    mu_segment_jobs_wait_idle(fixture.api->jobs);
    answer = api_expect(&fixture, 200, "GET",
                        mu_arena_format(&fixture.arena, "/data/core/ups/segment/jobs/%s",
                                        api_text(&fixture, &answer, "id"))
                            .ptr,
                        NULL);
    api_assert_text(&fixture, &answer, "status", "SUCCEEDED");
    assert_null(api_at(&answer, "errors"));
}

static int64_t instant(const char *text)
{
    int64_t ms = 0;
    assert_true(mu_parse_time(mu_str_from(text), &ms));
    return ms;
}

/* What a look-up shows under ups: "A1 A2@T -A3@T", T where it differs from `since`. */
static mu_str shown(void)
{
    mu_buf buf;
    mu_buf_init(&buf, SIZE_MAX);
    api_answer answer = api_expect(
        &fixture, 200, "GET",
        "/data/core/ups/access/entities?schema.name=_xdm.context.profile&entityIdNS=lumaCrmId&"
        "entityId=CRM-100042&fields=segmentMembership",
        NULL);
    const mu_json *entity = &answer.json.items[0];
    for (size_t i = 0; i < N_SAMPLES; i++) {
        const mu_json *item = mu_json_member(
            mu_json_at(mu_json_member(entity, MU_STR("entity")), MU_STR("segmentMembership.ups")),
            mu_str_from(ids[i]));
        if (item == NULL)
            continue;
        mu_str status = mu_json_member_string(item, MU_STR("status"), MU_STR(""));
        mu_str time = mu_json_member_string(item, MU_STR("lastQualificationTime"), MU_STR(""));
        mu_buf_add_format(&buf, "%s%s%s@" MU_STR_FMT, buf.len == 0 ? "" : " ",
                          mu_str_equal(status, MU_STR("realized")) ? "" : "-", samples[i].name,
                          MU_STR_ARG(((mu_str){time.ptr + 5, 11})));
    }
    mu_str text = mu_arena_copy(&fixture.arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return text;
}

static void assert_shown_at(const char *time, const char *expected)
{
    api_fixture_set_now(instant(time));
    run_job();
    assert_string_equal(shown().ptr, expected);
}

static void send(const char *path, const char *file)
{
    api_answer answer =
        api_send_headers(&fixture, "POST", path, TYPE, luma_server_file(&fixture, file));
    assert_true(answer.status == 200 || answer.status == 207);
}

static void the_test_audiences_change_when_they_should(void **state)
{
    (void)state;
    create_audiences();
    send("/collection/" LUMA_SERVER_INLET, "payload-a.json");
    send("/collection/" LUMA_SERVER_INLET, "payload-b.json");
    assert_shown_at("2026-03-10T12:00:00.000Z",
                    "A2@03-10T12:00 A12b@03-10T12:00 A13@03-10T12:00 A14@03-10T12:00");
    api_fixture_set_now(instant("2026-03-10T15:45:00Z"));
    send("/collection/batch/" LUMA_SERVER_INLET, "payload-c.json");
    const char *after_c = "A1@03-10T15:45 A2@03-10T12:00 A3@03-10T15:45 A10@03-10T15:45 "
                          "A12b@03-10T12:00 A13@03-10T12:00 A14@03-10T12:00";
    assert_shown_at("2026-03-10T15:45:00Z", after_c);
    assert_shown_at("2026-03-10T23:59:59.999Z", after_c);
    assert_shown_at("2026-03-11T00:00:00.000Z",
                    "A1@03-10T15:45 A2@03-10T12:00 A3@03-10T15:45 A10@03-10T15:45 "
                    "-A12b@03-11T00:00 A13@03-10T12:00 A14@03-10T12:00");
    assert_shown_at("2026-03-11T11:58:30.250Z",
                    "A1@03-10T15:45 A2@03-10T12:00 A3@03-10T15:45 A10@03-10T15:45 "
                    "-A12b@03-11T00:00 A13@03-10T12:00 A14@03-10T12:00");
    assert_shown_at("2026-03-11T11:58:30.251Z",
                    "A1@03-10T15:45 A2@03-10T12:00 A3@03-10T15:45 A10@03-10T15:45 "
                    "-A12b@03-11T00:00 -A13@03-11T11:58 -A14@03-11T11:58");
    assert_shown_at("2026-03-11T15:41:07.000Z",
                    "A1@03-10T15:45 A2@03-10T12:00 A3@03-10T15:45 A10@03-10T15:45 "
                    "-A12b@03-11T00:00 -A13@03-11T11:58 -A14@03-11T11:58");
    assert_shown_at("2026-03-11T15:41:07.001Z",
                    "A1@03-10T15:45 -A2@03-11T15:41 -A3@03-11T15:41 A6@03-11T15:41 "
                    "A10@03-10T15:45 -A12b@03-11T00:00 -A13@03-11T11:58 -A14@03-11T11:58");
    /* Who left 30 days ago is forgotten. */
    assert_shown_at("2027-01-31T23:59:59.999Z", "A1@03-10T15:45 A6@03-11T15:41 A10@03-10T15:45");
    assert_shown_at("2027-02-01T00:00:00.000Z",
                    "A1@03-10T15:45 A6@03-11T15:41 A9@02-01T00:00 A10@03-10T15:45");
    assert_shown_at("2027-03-01T00:00:00.000Z",
                    "A1@03-10T15:45 A6@03-11T15:41 -A9@03-01T00:00 A10@03-10T15:45");
    api_fixture_restart(&fixture);
    assert_string_equal(shown().ptr,
                        "A1@03-10T15:45 A6@03-11T15:41 -A9@03-01T00:00 A10@03-10T15:45");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_test_audiences_change_when_they_should),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
