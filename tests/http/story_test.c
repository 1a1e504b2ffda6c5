/* story_test.c -- a working day with the segmentation service, over a real socket: people and
 * events come in, audiences that refer to one another are defined, estimated, evaluated, looked up,
 * exported, scheduled, searched; an external audience joins; jobs are cancelled; the server
 * restarts in the middle of everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/time.h"
#include "tests/support/luma_server.h"
#include "json/edit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SINGLE "/collection/" LUMA_SERVER_INLET
#define UPS    "/data/core/ups"
#define AIS    "/data/core/ais"
#define CRM    "9261ceef0b969e70ac20f151"
#define WEB    "4b5e57f6eb2f42b9039b3d1e"
#define PERSON_SCHEMA                                                                              \
    "https://ns.adobe.com/luma/schemas/9261ceef0b969e70ac20f1510f07a1e0d8db05f20c75161a"
#define WEB_SCHEMA                                                                                 \
    "https://ns.adobe.com/luma/schemas/4b5e57f6eb2f42b9039b3d1e13929295f231749c510cbe34"
#define HOUR_MS  INT64_C(3600000)
#define N_PEOPLE 240

static api_fixture f;

typedef struct story {
    char us[64], buyers[64], both[64], vip[64], vip_us[64]; /* ids of audiences */
    char dataset[64];
} story;

static story s;

static const char *text(const char *format, ...) MU_PRINTF(1, 2);
static const char *text(const char *format, ...)
{
    char room[4096];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(room, sizeof room, format, args);
    va_end(args);
    assert_in_range(n, 0, sizeof room - 1);
    return mu_arena_copy(&f.arena, (mu_str){room, (size_t)n}).ptr;
}

static void keep(char *out, const api_answer *answer, const char *path)
{
    const char *value = api_text(&f, answer, path);
    assert_in_range(strlen(value), 1, 63);
    strcpy(out, value);
}

/* Asks until the member has one of two values, and returns the last answer. */
static api_answer wait_for(const char *path, const char *member, const char *value,
                           const char *or_value)
{
    for (int i = 0; i < 3000; i++) {
        api_answer answer = api_expect(&f, 200, "GET", path, NULL);
        const char *now = api_text(&f, &answer, member);
        if (strcmp(now, value) == 0 || (or_value != NULL && strcmp(now, or_value) == 0))
            return answer;
        usleep(10000);
    }
    fail_msg("%s: %s did not become %s", path, member, value);
    return (api_answer){0};
}

/* -------- people and what they did -------- */

static bool is_american(int i)
{
    return i % 3 == 0;
}

static bool bought_today(int i)
{
    return i % 4 == 0;
}

static void send_entity(const char *schema, const char *dataset, const char *entity)
{
    const char *body =
        text("{\"header\":{\"schemaRef\":{\"id\":\"%s\"},\"imsOrgId\":\"" LUMA_SERVER_ORGANIZATION
             "\",\"datasetId\":\"%s\"},\"body\":{\"xdmMeta\":{\"schemaRef\":{\"id\":\"%s\"}},"
             "\"xdmEntity\":%s}}",
             schema, dataset, schema, entity);
    api_answer answer = api_send_headers(&f, "POST", SINGLE, "Content-Type: application/json\r\n",
                                         mu_str_from(body));
    if (answer.status != 200)
        fail_msg("%u: " MU_STR_FMT, answer.status, MU_STR_ARG(answer.body));
}

static void send_purchase(int person, int64_t at_ms)
{
    char time[MU_TIME_TEXT_MAX];
    size_t n = mu_format_time(at_ms, time);
    send_entity(WEB_SCHEMA, WEB,
                text("{\"_id\":\"buy-%d-%lld\",\"timestamp\":\"%.*s\",\"eventType\":"
                     "\"commerce.purchases\",\"identityMap\":{\"lumaCrmId\":[{\"id\":\"CRM-3%05d\","
                     "\"primary\":true,\"authenticatedState\":\"authenticated\"}]}}",
                     person, (long long)at_ms, (int)n, time, person));
}

static void people_come_in(void **state)
{
    (void)state;
    for (int i = 0; i < N_PEOPLE; i++) {
        send_entity(PERSON_SCHEMA, CRM,
                    text("{\"_id\":\"crm-%d\",\"_luma\":{\"identification\":{\"crmId\":"
                         "\"CRM-3%05d\"}},\"homeAddress\":{\"countryCode\":\"%s\"}}",
                         i, i, is_american(i) ? "US" : "DE"));
        if (bought_today(i))
            send_purchase(i, LUMA_SERVER_NOW_MS - HOUR_MS);
        else if (i % 4 == 1)
            send_purchase(i, LUMA_SERVER_NOW_MS - 30 * HOUR_MS);
    }
}

/* -------- audiences -------- */

static void define(char *id, const char *name, const char *rule)
{
    mu_str value;
    mu_json json = mu_json_of_string(mu_str_from(rule));
    assert_int_equal(mu_json_text(&f.arena, &json, &value, NULL), MU_OK);
    api_answer answer = api_expect(
        &f, 200, "POST", UPS "/segment/definitions",
        text("{\"name\":\"%s\",\"schema\":{\"name\":\"_xdm.context.profile\"},\"ttlInDays\":30,"
             "\"expression\":{\"type\":\"PQL\",\"format\":\"pql/text\",\"value\":%s}}",
             name, value.ptr));
    keep(id, &answer, "id");
}

static void audiences_refer_to_one_another(void **state)
{
    (void)state;
    define(s.us, "Americans", "homeAddress.countryCode = \"US\"");
    define(s.buyers, "Buyers of a day",
           "CHAIN(xEvent, timestamp, [C0: WHAT(eventType = \"commerce.purchases\") "
           "WHEN(<= 24 hours before now)])");
    define(s.both, "American buyers",
           text("inSegment(\"%s\") and inSegment(\"Buyers of a day\")", s.us));
    api_answer answer =
        api_expect(&f, 200, "GET", text(UPS "/segment/definitions/%s", s.both), NULL);
    api_assert_text(&f, &answer, "dependencies.0", s.us);
    api_assert_text(&f, &answer, "dependencies.1", s.buyers);
    answer = api_expect(&f, 200, "GET", text(UPS "/audiences/%s", s.us), NULL);
    api_assert_text(&f, &answer, "dependents.0", s.both);
    api_expect(&f, 400, "DELETE", text(UPS "/audiences/%s", s.us), NULL);
}

static int64_t estimate_of(const char *rule)
{
    mu_str value;
    mu_json json = mu_json_of_string(mu_str_from(rule));
    assert_int_equal(mu_json_text(&f.arena, &json, &value, NULL), MU_OK);
    api_answer answer = api_expect(
        &f, 201, "POST", UPS "/preview",
        text("{\"predicateExpression\":%s,\"predicateType\":\"pql/text\",\"predicateModel\":"
             "\"_xdm.context.profile\"}",
             value.ptr));
    char id[512];
    snprintf(id, sizeof id, "%s", api_text(&f, &answer, "previewId"));
    wait_for(text(UPS "/estimate/%s", id), "state", "RESULT_READY", NULL);
    answer = api_expect(&f, 200, "GET", text(UPS "/estimate/%s", id), NULL);
    api_assert_text(&f, &answer, "standardError", "0");
    api_assert_text(&f, &answer, "numRowsToRead", api_text(&f, &answer, "totalRows"));
    return atoll(api_text(&f, &answer, "estimatedSize"));
}

/* Runs a job to its end and returns how many members an audience has. */
static int64_t job_count(const char *segments, const char *audience)
{
    api_answer answer = api_expect(&f, 200, "POST", UPS "/segment/jobs", segments);
    const char *path = text(UPS "/segment/jobs/%s", api_text(&f, &answer, "id"));
    answer = wait_for(path, "status", "SUCCEEDED", "FAILED");
    api_assert_text(&f, &answer, "status", "SUCCEEDED");
    return atoll(api_text(&f, &answer, text("metrics.segmentedProfileCounter.%s", audience)));
}

static void an_estimate_is_what_a_job_finds(void **state)
{
    (void)state;
    int64_t estimated =
        estimate_of(text("inSegment(\"%s\") and inSegment(\"%s\")", s.us, s.buyers));
    assert_int_equal(estimated, N_PEOPLE / 12);
    assert_int_equal(job_count(text("[{\"segmentId\":\"%s\"}]", s.both), s.both), estimated);
}

/* -------- membership -------- */

static const char *status_of(int person, const char *ns, const char *audience)
{
    api_answer answer =
        api_expect(&f, 200, "GET",
                   text(UPS "/access/entities?schema.name=_xdm.context.profile&entityIdNS=lumaCrmId"
                            "&entityId=CRM-3%05d",
                        person),
                   NULL);
    assert_int_equal(answer.json.n, 1);
    const mu_json *entity = mu_json_member(&answer.json.items[0], MU_STR("entity"));
    const mu_json *item = mu_json_member(
        mu_json_member(mu_json_member(entity, MU_STR("segmentMembership")), mu_str_from(ns)),
        mu_str_from(audience));
    return mu_arena_copy(&f.arena, mu_json_member_string(item, MU_STR("status"), MU_STR("none")))
        .ptr;
}

static void members_see_it_in_their_profile(void **state)
{
    (void)state;
    for (int i = 0; i < 24; i++) {
        assert_string_equal(status_of(i, "ups", s.us), is_american(i) ? "realized" : "none");
        assert_string_equal(status_of(i, "ups", s.both),
                            is_american(i) && bought_today(i) ? "realized" : "none");
    }
}

/* -------- before an edit -------- */

static void an_edit_shows_what_it_would_change(void **state)
{
    (void)state;
    api_answer answer = api_expect(
        &f, 200, "POST", UPS "/muster/diff",
        text("{\"segmentId\":\"%s\",\"limit\":1000,\"expression\":{\"type\":\"PQL\",\"format\":"
             "\"pql/text\",\"value\":\"homeAddress.countryCode in [\\\"US\\\", \\\"DE\\\"]\"}}",
             s.us));
    api_assert_text(&f, &answer, "before.size", "80");
    api_assert_text(&f, &answer, "after.size", "240");
    api_assert_text(&f, &answer, "entering.size", "160");
    api_assert_text(&f, &answer, "leaving.size", "0");
    assert_int_equal(api_at(&answer, "entering.profiles")->n, 160);
    api_assert_text(&f, &answer, "stored.entering", "160");
    api_assert_text(&f, &answer, "dependents.0.id", s.both);
    api_assert_text(&f, &answer, "dependents.0.before.size", "20");
    api_assert_text(&f, &answer, "dependents.0.after.size", "60");
    answer = api_expect(&f, 200, "POST", UPS "/muster/overlap",
                        text("{\"segments\":[\"%s\",\"%s\",\"%s\"]}", s.us, s.buyers, s.both));
    assert_int_equal(api_at(&answer, "overlaps")->n, 3);
    api_assert_text(&f, &answer, "segments.0.size", "80");
    api_assert_text(&f, &answer, "overlaps.0.size", "20");
    answer = api_expect(&f, 200, "POST", UPS "/muster/evaluate",
                        text("{\"segments\":[\"%s\"],\"asOf\":\"2026-03-10T10:30:00Z\","
                             "\"limit\":0}",
                             s.buyers));
    /* At half past ten today's purchases had not happened, and none had been received. */
    api_assert_text(&f, &answer, "results.0.size", "0");
}

/* -------- export -------- */

static const char *path_of(const char *href)
{
    const char *path = strstr(href, "/data/");
    assert_non_null(path);
    return path;
}

static void export_holds(const char *batch, int n_wanted)
{
    api_answer answer =
        api_expect(&f, 200, "GET", text("/data/foundation/export/batches/%s/files", batch), NULL);
    assert_in_range(api_at(&answer, "data")->n, 1, 1);
    const char *file = path_of(api_text(&f, &answer, "data.0._links.self.href"));
    answer = api_expect(&f, 200, "GET", file, NULL);
    const char *bytes = path_of(api_text(&f, &answer, "data.0._links.self.href"));
    answer = api_expect(&f, 200, "GET", bytes, NULL);
    int n_lines = 0;
    for (size_t i = 0; i < answer.body.len; i++)
        n_lines += answer.body.ptr[i] == '\n';
    assert_int_equal(n_lines, n_wanted);
    for (int i = 0; i < N_PEOPLE; i++) {
        bool is_in = mu_str_find(answer.body, mu_str_from(text("\"CRM-3%05d\"", i))) != SIZE_MAX;
        assert_int_equal(is_in, is_american(i) && bought_today(i));
    }
}

static void members_are_exported(void **state)
{
    (void)state;
    api_answer answer = api_expect(
        &f, 201, "POST", "/data/foundation/catalog/dataSets",
        text("{\"name\":\"Exports\",\"schemaRef\":{\"id\":\"%s\",\"contentType\":"
             "\"application/vnd.adobe.xed+json;version=1\"},\"fileDescription\":{\"format\":"
             "\"json\"}}",
             PERSON_SCHEMA));
    const char *name = api_text(&f, &answer, "0");
    assert_true(strncmp(name, "@/dataSets/", 11) == 0);
    snprintf(s.dataset, sizeof s.dataset, "%s", name + 11);
    answer = api_expect(
        &f, 200, "POST", UPS "/export/jobs",
        text("{\"filter\":{\"segments\":[{\"segmentId\":\"%s\"}]},\"destination\":{\"datasetId\":"
             "\"%s\"},\"schema\":{\"name\":\"_xdm.context.profile\"}}",
             s.both, s.dataset));
    const char *path = text(UPS "/export/jobs/%s", api_text(&f, &answer, "id"));
    answer = wait_for(path, "status", "SUCCEEDED", "FAILED");
    api_assert_text(&f, &answer, "status", "SUCCEEDED");
    api_assert_text(&f, &answer, "metrics.totalExportedProfileCounter", "20");
    export_holds(api_text(&f, &answer, "destination.batchId"), N_PEOPLE / 12);
}

/* -------- the night -------- */

static void the_schedule_fires_once(void **state)
{
    (void)state;
    api_answer answer = api_expect(&f, 200, "GET", UPS "/config/schedules?start=0", NULL);
    api_assert_text(&f, &answer, "children.0.type", "batch_segmentation");
    api_assert_text(&f, &answer, "children.0.frequency", "daily");
    api_expect(&f, 204, "PATCH",
               text(UPS "/config/schedules/%s", api_text(&f, &answer, "children.0.id")),
               "[{\"op\":\"add\",\"path\":\"/state\",\"value\":\"active\"}]");
    api_fixture_set_now(LUMA_SERVER_NOW_MS + 13 * HOUR_MS + 60000); /* 01:01 */
    answer = wait_for(UPS "/segment/jobs?property=source==scheduler&status=SUCCEEDED",
                      "_page.totalCount", "1", NULL);
    api_assert_text(&f, &answer, text("children.0.metrics.segmentedProfileCounter.%s", s.buyers),
                    "60");
    api_fixture_set_now(LUMA_SERVER_NOW_MS + 24 * HOUR_MS); /* the purchases are too old now */
    assert_int_equal(job_count("{\"schema\":{\"name\":\"_xdm.context.profile\"},\"segments\":"
                               "[{\"segmentId\":\"*\"}]}",
                               s.buyers),
                     0);
    assert_string_equal(status_of(12, "ups", s.both), "exited");
    assert_string_equal(status_of(12, "ups", s.us), "realized");
    answer = api_expect(&f, 200, "GET", UPS "/segment/jobs?property=source==scheduler", NULL);
    api_assert_text(&f, &answer, "_page.totalCount", "1");
}

static void search_finds_audiences(void **state)
{
    (void)state;
    api_answer answer = api_expect(&f, 200, "GET",
                                   UPS "/search/entities?schemaClass="
                                       "_xdm.context.segmentdefinition&namespace=AEPSegments&s="
                                       "american%20AND%20buyers",
                                   NULL);
    api_assert_text(&f, &answer, "page.totalCount", "1");
    api_assert_text(&f, &answer, "entities.0.id", s.both);
}

/* -------- an audience from elsewhere -------- */

static void write_landing_file(void)
{
    mu_err err;
    const char *folder = text("%s/landing/prod", f.folder);
    if (mu_make_directories(folder, &err) != MU_OK)
        fail_msg("%s", err.text);
    FILE *file = fopen(text("%s/vip.csv", folder), "w");
    assert_non_null(file);
    fprintf(file, "crm,score\n");
    for (int i = 0; i < 30; i++)
        fprintf(file, "CRM-3%05d,%d\n", i, i);
    assert_int_equal(fclose(file), 0);
}

static const char *run_external(void)
{
    api_answer answer = api_expect(&f, 200, "POST", text(AIS "/external-audience/%s/runs", s.vip),
                                   "{\"dataFilterStartTime\":0}");
    return text(AIS "/external-audience/%s/runs/%s", s.vip, api_text(&f, &answer, "runId"));
}

static void an_external_audience_joins(void **state)
{
    (void)state;
    write_landing_file();
    /* Files count by their time, which is the system's; so the window ends far away. */
    api_answer answer = api_expect(
        &f, 202, "POST", AIS "/external-audience/",
        "{\"name\":\"VIPs\",\"originName\":\"CUSTOM_UPLOAD\",\"fields\":[{\"name\":\"crm\","
        "\"type\":\"string\",\"identityNs\":\"lumaCrmId\"},{\"name\":\"score\",\"type\":"
        "\"integer\"}],\"sourceSpec\":{\"params\":{\"path\":\"vip.csv\",\"type\":\"file\","
        "\"cloudType\":\"DLZ\"}},\"ttlInDays\":30}");
    answer =
        wait_for(text(AIS "/external-audience/operations/%s", api_text(&f, &answer, "operationId")),
                 "status", "SUCCESS", "FAILED");
    api_assert_text(&f, &answer, "status", "SUCCESS");
    keep(s.vip, &answer, "audienceId");
    answer = api_expect(&f, 200, "POST", text(AIS "/external-audience/%s/runs", s.vip),
                        "{\"dataFilterStartTime\":0,\"dataFilterEndTime\":4102444800}");
    answer =
        wait_for(text(AIS "/external-audience/%s/runs/%s", s.vip, api_text(&f, &answer, "runId")),
                 "status", "SUCCESS", "FAILED");
    api_assert_text(&f, &answer, "status", "SUCCESS");
    assert_string_equal(status_of(5, "CustomerAudienceUpload", s.vip), "realized");
    define(s.vip_us, "American VIPs",
           text("inSegment(\"%s\") and homeAddress.countryCode = \"US\"", s.vip));
    assert_int_equal(job_count(text("[{\"segmentId\":\"%s\"}]", s.vip_us), s.vip_us), 10);
}

/* -------- cancelling and restarting -------- */

static void a_job_can_be_cancelled_twice(void **state)
{
    (void)state;
    api_answer answer =
        api_expect(&f, 200, "POST", UPS "/segment/jobs", text("[{\"segmentId\":\"%s\"}]", s.us));
    const char *path = text(UPS "/segment/jobs/%s", api_text(&f, &answer, "id"));
    api_expect(&f, 204, "DELETE", path, NULL);
    answer = wait_for(path, "status", "CANCELLED", "SUCCEEDED");
    api_expect(&f, 204, "DELETE", path, NULL);
    api_answer after = api_expect(&f, 200, "GET", path, NULL);
    assert_string_equal(api_text(&f, &after, "status"), api_text(&f, &answer, "status"));
}

static void everything_survives_a_restart_in_the_middle(void **state)
{
    (void)state;
    api_answer answer = api_expect(&f, 200, "POST", UPS "/segment/jobs",
                                   text("[{\"segmentId\":\"%s\"}]", s.vip_us));
    const char *job = text(UPS "/segment/jobs/%s", api_text(&f, &answer, "id"));
    answer = api_expect(
        &f, 200, "POST", UPS "/export/jobs",
        text("{\"filter\":{\"segments\":[{\"segmentId\":\"%s\"}]},\"destination\":{\"datasetId\":"
             "\"%s\"},\"schema\":{\"name\":\"_xdm.context.profile\"}}",
             s.us, s.dataset));
    const char *export = text(UPS "/export/jobs/%s", api_text(&f, &answer, "id"));
    answer = api_expect(&f, 201, "POST", UPS "/preview",
                        "{\"predicateExpression\":\"homeAddress.countryCode = \\\"US\\\"\"}");
    const char *estimate = text(UPS "/estimate/%s", api_text(&f, &answer, "previewId"));
    const char *run = run_external();
    api_fixture_restart(&f);
    answer = wait_for(job, "status", "SUCCEEDED", "FAILED");
    api_assert_text(&f, &answer, text("metrics.segmentedProfileCounter.%s", s.vip_us), "10");
    answer = wait_for(export, "status", "SUCCEEDED", "FAILED");
    api_assert_text(&f, &answer, "metrics.totalExportedProfileCounter", "80");
    answer = wait_for(estimate, "state", "RESULT_READY", "FAILED");
    api_assert_text(&f, &answer, "estimatedSize", "80");
    answer = wait_for(run, "status", "SUCCESS", "FAILED");
    api_assert_text(&f, &answer, "status", "SUCCESS");
    assert_string_equal(status_of(0, "ups", s.us), "realized");
}

static int start(void **state)
{
    (void)state;
    api_fixture_start(&f);
    luma_server_fill(&f);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    api_fixture_stop(&f);
    return 0;
}

/* One story: each test goes on where the one before it ended. */
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(people_come_in),
        cmocka_unit_test(audiences_refer_to_one_another),
        cmocka_unit_test(an_estimate_is_what_a_job_finds),
        cmocka_unit_test(members_see_it_in_their_profile),
        cmocka_unit_test(an_edit_shows_what_it_would_change),
        cmocka_unit_test(members_are_exported),
        cmocka_unit_test(the_schedule_fires_once),
        cmocka_unit_test(search_finds_audiences),
        cmocka_unit_test(an_external_audience_joins),
        cmocka_unit_test(a_job_can_be_cancelled_twice),
        cmocka_unit_test(everything_survives_a_restart_in_the_middle),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
