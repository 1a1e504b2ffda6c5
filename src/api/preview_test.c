/* preview_test.c -- counts of profiles, their reports, and jobs that delete a dataset or a batch.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/api_fixture.h"

#include <stdio.h>

#define STATUS  "/data/core/ups/previewsamplestatus"
#define JOBS    "/data/core/ups/system/jobs"
#define PROFILE "/data/core/ups/access/entities?schema.name=_xdm.context.profile"
#define EVENTS  "/data/core/ups/access/entities?schema.name=_xdm.context.experienceevent"
#define NOW     API_FIXTURE_NOW_MS

#define D1 MU_STR("9261ceef0b969e70ac20f151")
#define D2 MU_STR("6ef9086b892fba957bbdeab1")
#define D3 MU_STR("4b5e57f6eb2f42b9039b3d1e")

static const mu_identity ada[] = {{{"Email", 5}, {"ada.marsh@example.com", 21}},
                                  {{"ECID", 4}, {"87425148613594122803641603982383516983", 38}}};
static const mu_identity gus[] = {{{"Email", 5}, {"gus@example.com", 15}}};
static const mu_identity anonymous[] = {
    {{"ECID", 4}, {"83905390261353196691980241222855773941", 38}}};

static api_fixture fixture;

#define assert_done(call, err)                                                                     \
    do {                                                                                           \
        if ((call) != MU_OK)                                                                       \
            fail_msg("%s", (err).text);                                                            \
    } while (0)

static void append(mu_record_kind kind, const mu_identity *identities, uint32_t n, mu_str dataset,
                   const char *batch, const char *key)
{
    mu_sandbox *sandbox = mu_live_find_sandbox(fixture.live, MU_STR("prod"));
    uint64_t sequence;
    mu_err err;
    mu_str id = mu_str_from(key);
    mu_record record = {.kind = kind,
                        .sandbox = MU_STR("prod"),
                        .dataset = dataset,
                        .batch = mu_str_from(batch),
                        .received_ms = NOW,
                        .n_identities = n,
                        .n_linked = n,
                        .identities = identities};
    assert_non_null(sandbox);
    if (kind == MU_RECORD_EVENT) {
        record.key = id;
        record.time_ms = NOW - 1000;
        record.document =
            mu_arena_format(&fixture.arena, "{\"_id\":\"" MU_STR_FMT "\"}", MU_STR_ARG(id));
    } else {
        record.document = MU_STR("{\"loyalty\":{\"tier\":\"gold\"}}");
    }
    assert_done(mu_sandbox_append(sandbox, 1, &record, &sequence, &err), err);
    assert_done(mu_live_wait(fixture.live, sequence, &err), err);
}

/* Ada: D1 and D2 under her e-mail, two events of D3 under her ECID. Gus: D1. Somebody: an event. */
static int start(void **state)
{
    (void)state;
    api_fixture_start(&fixture);
    append(MU_RECORD_CREATE, ada, 2, D1, "", "");
    append(MU_RECORD_CREATE, ada, 1, D2, "", "");
    append(MU_RECORD_EVENT, ada + 1, 1, D3, "b1", "e1");
    append(MU_RECORD_EVENT, ada + 1, 1, D3, "b2", "e2");
    append(MU_RECORD_CREATE, gus, 1, D1, "", "");
    append(MU_RECORD_EVENT, anonymous, 1, D3, "b1", "e3");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    api_fixture_stop(&fixture);
    return 0;
}

static api_answer get(unsigned status, const char *path)
{
    return api_expect(&fixture, status, "GET", path, NULL);
}

static void the_status_counts_everybody(void **state)
{
    (void)state;
    api_answer answer = get(200, STATUS);
    api_assert_text(&fixture, &answer, "numRowsToRead", "3");
    api_assert_text(&fixture, &answer, "totalRows", "3");
    api_assert_text(&fixture, &answer, "totalFragmentCount", "5");
    api_assert_text(&fixture, &answer, "docCount", "\"6\"");
    api_assert_text(&fixture, &answer, "samplingRatio", "1.0");
    api_assert_text(&fixture, &answer, "status", "TASK_FINISHED");
    api_assert_text(&fixture, &answer, "mergeStrategy", "timestampOrdered_auto");
    api_assert_text(&fixture, &answer, "lastSampledTimestamp", "2026-01-01 00:00:00.0");
}

static void counts_are_refreshed_after_a_minute(void **state)
{
    (void)state;
    get(200, STATUS);
    append(MU_RECORD_EVENT, anonymous, 1, D1, "", "e4");
    api_answer answer = get(200, STATUS);
    api_assert_text(&fixture, &answer, "docCount", "\"6\"");
    api_fixture_advance(59999);
    answer = get(200, STATUS);
    api_assert_text(&fixture, &answer, "docCount", "\"6\"");
    api_fixture_advance(1);
    answer = get(200, STATUS);
    api_assert_text(&fixture, &answer, "docCount", "\"7\"");
    api_assert_text(&fixture, &answer, "lastSampledTimestamp", "2026-01-01 00:01:00.0");
}

static void the_default_policy_decides_what_a_profile_is(void **state)
{
    (void)state;
    api_expect(
        &fixture, 200, "POST", "/data/core/ups/config/mergePolicies",
        "{\"name\":\"Alone\",\"schema\":{\"name\":\"_xdm.context.profile\"},\"default\":true,"
        "\"identityGraph\":{\"type\":\"none\"},\"attributeMerge\":{\"type\":"
        "\"timestampOrdered\"}}");
    api_answer answer = get(200, STATUS);
    api_assert_text(&fixture, &answer, "totalRows", "4");
    api_expect(&fixture, 200, "POST", "/data/core/ups/config/mergePolicies",
               "{\"name\":\"Some\",\"schema\":{\"name\":\"_xdm.context.profile\"},\"default\":true,"
               "\"identityGraph\":{\"type\":\"pdg\"},\"attributeMerge\":{\"type\":"
               "\"dataSetPrecedence\",\"order\":[\"6ef9086b892fba957bbdeab1\","
               "\"9261ceef0b969e70ac20f151\"]}}");
    answer = get(200, STATUS);
    api_assert_text(&fixture, &answer, "totalRows", "2");
    api_assert_text(&fixture, &answer, "mergeStrategy", "dataSetPrecedence_auto");
}

static const mu_json *entry(const api_answer *answer, const char *name, const char *value)
{
    const mu_json *data = api_at(answer, "data");
    for (uint32_t i = 0; data != NULL && i < data->n; i++)
        if (mu_str_equal(mu_json_member_string(&data->items[i], mu_str_from(name), MU_STR("")),
                         mu_str_from(value)))
            return &data->items[i];
    fail_msg("no entry whose %s is %s", name, value);
    return NULL;
}

static void assert_count(const mu_json *object, const char *name, int64_t expected)
{
    const mu_json *value = mu_json_member(object, mu_str_from(name));
    assert_non_null(value);
    assert_int_equal(value->integer, expected);
}

static void reports_say_who_has_what(void **state)
{
    (void)state;
    api_answer answer = get(200, STATUS "/report/dataset");
    const mu_json *d1 = entry(&answer, "value", "9261ceef0b969e70ac20f151");
    assert_count(d1, "fullIDsCount", 2);
    assert_count(d1, "sampleCount", 2);
    assert_count(d1, "fullIDsFragmentCount", 2);
    const mu_json *d3 = entry(&answer, "value", "4b5e57f6eb2f42b9039b3d1e");
    assert_count(d3, "fullIDsCount", 2);
    api_assert_text(&fixture, &answer, "reportTimestamp", "2026-01-01T00:00:00Z");

    answer = get(200, STATUS "/report/namespace?date=2026-01-01");
    const mu_json *email = entry(&answer, "code", "Email");
    assert_count(email, "fullIDsCount", 2);
    assert_count(email, "fullIDsFragmentCount", 3);
    assert_true(
        mu_str_equal(mu_json_member_string(email, MU_STR("value"), MU_STR("")), MU_STR("6")));
    assert_count(entry(&answer, "code", "ECID"), "fullIDsCount", 2);
    assert_count(entry(&answer, "value", "4"), "fullIDsFragmentCount", 2);

    answer = get(200, STATUS "/report/dataset/overlap");
    assert_int_equal(api_at(&answer, "data")->n, 3);
    api_assert_text(&fixture, &answer,
                    "data.4b5e57f6eb2f42b9039b3d1e,6ef9086b892fba957bbdeab1,"
                    "9261ceef0b969e70ac20f151",
                    "1");
    api_assert_text(&fixture, &answer, "data.9261ceef0b969e70ac20f151", "1");
    api_assert_text(&fixture, &answer, "data.4b5e57f6eb2f42b9039b3d1e", "1");
    answer = get(200, STATUS "/report/namespace/overlap");
    api_assert_text(&fixture, &answer, "data.ECID,Email", "1");
    api_assert_text(&fixture, &answer, "data.ECID", "1");
    api_assert_text(&fixture, &answer, "data.Email", "1");
    get(404, STATUS "/report/dataset?date=2025-12-31");
    get(400, STATUS "/report/dataset?date=yesterday");
}

static void nobody_is_counted_as_nobody(void **state)
{
    (void)state;
    api_answer answer =
        api_send_in(&fixture, "prod", "POST", "/data/foundation/sandbox-management/sandboxes",
                    "{\"name\":\"empty\",\"title\":\"Empty\",\"type\":\"development\"}");
    assert_true(answer.status < 300);
    answer = api_send_in(&fixture, "empty", "GET", STATUS, NULL);
    assert_int_equal(answer.status, 200);
    api_assert_text(&fixture, &answer, "totalRows", "0");
    answer = api_send_in(&fixture, "empty", "GET", STATUS "/report/dataset", NULL);
    api_assert_text(&fixture, &answer, "data", "[]");
    answer = api_send_in(&fixture, "empty", "GET", STATUS "/report/namespace/overlap", NULL);
    api_assert_text(&fixture, &answer, "data", "{}");
}

/* -------- jobs -------- */

static void a_job_deletes_a_dataset(void **state)
{
    (void)state;
    api_answer answer =
        api_expect(&fixture, 200, "POST", JOBS, "{\"dataSetId\":\"9261ceef0b969e70ac20f151\"}");
    api_assert_text(&fixture, &answer, "status", "NEW");
    api_assert_text(&fixture, &answer, "jobType", "DELETE");
    api_assert_text(&fixture, &answer, "requestType", "TRUNCATE_DATASET");
    api_assert_text(&fixture, &answer, "properties.datasetId", "9261ceef0b969e70ac20f151");
    char path[128];
    snprintf(path, sizeof path, JOBS "/%s", api_text(&fixture, &answer, "id"));
    answer = get(200, path);
    api_assert_text(&fixture, &answer, "status", "COMPLETED");
    api_assert_text(&fixture, &answer, "metrics", "{\"recordsProcessed\":2,\"timeTakenInSec\":0}");
    get(404, PROFILE "&entityId=gus%40example.com&entityIdNS=Email");
    answer = get(200, PROFILE "&entityId=ada.marsh%40example.com&entityIdNS=Email");
    assert_true(mu_str_find(answer.body, MU_STR("\"sources\":[\"6ef9086b892fba957bbdeab1\"]")) !=
                SIZE_MAX);
    answer = get(200, JOBS);
    api_assert_text(&fixture, &answer, "_page.count", "1");
    api_assert_text(&fixture, &answer, "_page.next", "");
    api_expect(&fixture, 200, "DELETE", path, NULL);
    get(404, path);
}

static void a_job_deletes_a_batch_of_events(void **state)
{
    (void)state;
    api_expect(&fixture, 200, "POST", JOBS,
               "{\"datasetId\":\"4b5e57f6eb2f42b9039b3d1e\",\"batchId\":\"b1\"}");
    api_answer answer =
        get(200, EVENTS "&relatedEntityId=ada.marsh%40example.com&relatedEntityIdNS=Email");
    api_assert_text(&fixture, &answer, "_page.count", "1");
    api_assert_text(&fixture, &answer, "children.0.entityId", "e2");
    get(404, PROFILE "&entityId=83905390261353196691980241222855773941&entityIdNS=ECID");
    answer = api_expect(&fixture, 400, "POST", JOBS,
                        "{\"datasetId\":\"4b5e57f6eb2f42b9039b3d1e\",\"batchId\":\"b1\"}");
    api_assert_text(&fixture, &answer, "message",
                    "Batch not found for profile dataset '4b5e57f6eb2f42b9039b3d1e'");
    api_expect(&fixture, 200, "POST", JOBS, "{\"batchId\":\"b2\"}");
    answer = get(200, JOBS "?limit=1");
    api_assert_text(&fixture, &answer, "_page.next", "1");
}

static void jobs_without_sense_are_refused(void **state)
{
    (void)state;
    api_expect(&fixture, 400, "POST", JOBS, "{}");
    api_expect(&fixture, 400, "POST", JOBS, "[]");
    api_expect(&fixture, 400, "POST", JOBS, "{\"dataSetId\":\"nothing\"}");
    api_expect(&fixture, 400, "POST", JOBS, "{\"batchId\":\"nothing\"}");
    get(404, JOBS "/nothing");
    api_expect(&fixture, 404, "DELETE", JOBS "/nothing", NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_status_counts_everybody),
        TEST(counts_are_refreshed_after_a_minute),
        TEST(the_default_policy_decides_what_a_profile_is),
        TEST(reports_say_who_has_what),
        TEST(nobody_is_counted_as_nobody),
        TEST(a_job_deletes_a_dataset),
        TEST(a_job_deletes_a_batch_of_events),
        TEST(jobs_without_sense_are_refused),
    };
    return cmocka_run_group_tests_name("api/preview", tests, NULL, NULL);
}
