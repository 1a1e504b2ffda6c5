/* batches_test.c -- batches of files over a real socket (profile.md d.4; sample-data.md 5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/ingestion.h"
#include "tests/support/luma_server.h"

#include <stdio.h>
#include <stdlib.h>

#define IMPORT  "/data/foundation/import/batches"
#define CRM     "9261ceef0b969e70ac20f151"
#define LOYALTY "6ef9086b892fba957bbdeab1"
#define STORE   "7160f8688035138fcbc9a6c8"
#define WEB     "4b5e57f6eb2f42b9039b3d1e"
#define JSON_IN "\"inputFormat\":{\"format\":\"json\",\"isMultiLineJson\":false}"
#define CSV_IN  "\"inputFormat\":{\"format\":\"CSV\"}"
#define TWO_ROWS                                                                                   \
    "_luma.identification.crmId,_luma.identification.loyaltyId,loyalty.tier,loyalty.points\n"      \
    "CRM-100042,LOY-7781,gold,4125\n"                                                              \
    "CRM-100043,LOY-7782,silver,abc\n"

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

static const char *text(const char *format, const char *a, const char *b)
{
    return mu_arena_format(&fixture.arena, format, a, b).ptr;
}

static const char *create(const char *dataset, const char *rest)
{
    api_answer answer =
        api_expect(&fixture, 201, "POST", IMPORT, text("{\"datasetId\":\"%s\",%s}", dataset, rest));
    api_assert_text(&fixture, &answer, "status", "loading");
    const char *id = api_text(&fixture, &answer, "id");
    assert_int_equal(strlen(id), 26);
    return id;
}

static const char *file_path(const char *id, const char *dataset, const char *name)
{
    return mu_arena_format(&fixture.arena, IMPORT "/%s/datasets/%s/files/%s", id, dataset, name)
        .ptr;
}

static void put(const char *id, const char *dataset, const char *name, const char *body)
{
    api_expect(&fixture, 201, "PUT", file_path(id, dataset, name), body);
}

static void act(const char *id, const char *action, unsigned status)
{
    api_expect(&fixture, status, "POST", text(IMPORT "/%s?action=%s", id, action), NULL);
}

static const char *catalog(const char *id, const char *path)
{
    api_answer answer = api_expect(&fixture, 200, "GET",
                                   text("/data/foundation/catalog/batches/%s%s", id, ""), NULL);
    return api_text(&fixture, &answer, text("%s.%s", id, path));
}

static void complete(const char *id)
{
    act(id, "complete", 200);
    mu_batches_wait_idle(fixture.api->ingestion->batches);
}

/* One batch of one file, taken to its end. */
static const char *ingest(const char *dataset, const char *rest, const char *body)
{
    const char *id = create(dataset, rest);
    put(id, dataset, "part-0.json", body);
    complete(id);
    return id;
}

static void assert_metric(const char *id, const char *name, const char *value)
{
    assert_string_equal(catalog(id, text("metrics.%s%s", name, "")), value);
}

static bool knows(const char *crm, const char *part)
{
    return mu_str_find(luma_server_lookup(&fixture, "lumaCrmId", crm), mu_str_from(part)) !=
           SIZE_MAX;
}

/* -------- JSON -------- */

#define ROW(crm, name)                                                                             \
    "{\"_id\":\"" crm "\",\"_luma\":{\"identification\":{\"crmId\":\"" crm                         \
    "\"}},\"person\":{\"name\":{\"firstName\":\"" name "\"}}}"

static void json_lines_become_records(void **state)
{
    (void)state;
    const char *id = ingest(CRM, JSON_IN,
                            ROW("J-1", "Emil") "\n\n" ROW("J-2", "Farah") "\r\n" ROW("J-3", "Gus"));
    assert_string_equal(catalog(id, "status"), "success");
    assert_metric(id, "inputRecordCount", "3");
    assert_metric(id, "outputRecordCount", "3");
    assert_metric(id, "failedRecordCount", "0");
    assert_metric(id, "inputFileCount", "1");
    assert_string_equal(catalog(id, "relatedObjects.0.id"), CRM);
    assert_string_equal(catalog(id, "errors"), "[]");
    assert_int_equal(strlen(catalog(id, "sandboxId")), 36);
    assert_true(knows("J-1", "Emil"));
    assert_true(knows("J-2", "Farah"));
    assert_true(knows("J-3", "Gus"));
}

static void other_forms_of_json_are_recognised(void **state)
{
    (void)state;
    ingest(CRM, JSON_IN, "\n [" ROW("J-4", "A]},{") " ,\n" ROW("J-5", "B\\\"") "\n]\n");
    assert_true(knows("J-4", "A]},{"));
    assert_true(knows("J-5", "B"));
    ingest(CRM, JSON_IN,
           "{\n  \"_id\": \"x\",\n  \"_luma\": {\"identification\": {\"crmId\": \"J-6\"}}\n}\n");
    assert_true(knows("J-6", "J-6"));
    const char *id =
        ingest(CRM, JSON_IN,
               "\"{\\\"_id\\\":\\\"x\\\",\\\"_luma\\\":{\\\"identification\\\":{\\\"crmId\\\":"
               "\\\"J-7\\\"}}}"
               "\\n{\\\"_luma\\\":{\\\"identification\\\":{\\\"crmId\\\":\\\"J-8\\\"}}}\"");
    assert_string_equal(catalog(id, "status"), "success");
    assert_true(knows("J-7", "J-7"));
    assert_true(knows("J-8", "J-8"));
}

static void later_rows_and_files_come_later(void **state)
{
    (void)state;
    const char *id = create(CRM, JSON_IN);
    put(id, CRM, "sub/b.json", ROW("J-9", "Third"));
    put(id, CRM, "a.json", ROW("J-9", "First") "\n" ROW("J-9", "Second"));
    complete(id);
    assert_true(knows("J-9", "Third"));
    assert_metric(id, "inputFileCount", "2");
}

static void unreadable_rows_are_kept_with_their_reason(void **state)
{
    (void)state;
    const char *id = ingest(
        CRM,
        JSON_IN ",\"partialIngestionPercentage\":50,"
                "\"enableErrorDiagnostics\":true",
        ROW("J-10", "Good") "\n{\"_id\":\n" ROW("J-11", "Good") "\n[1]\n" ROW("J-12", "Good"));
    assert_string_equal(catalog(id, "status"), "success");
    assert_metric(id, "failedRecordCount", "2");
    assert_string_equal(catalog(id, "errors.0.code"), "INGEST-1401-400");
    assert_string_equal(catalog(id, "errors.0.recordCount"), "2");
    assert_string_equal(catalog(id, "errors.1.code"), "INGEST-1212-400");
    const char *path = text("/data/foundation/export/batches/%s/meta%s", id, "");
    api_answer list =
        api_expect(&fixture, 200, "GET", text("%s?path=%s", path, "row_errors"), NULL);
    api_assert_text(&fixture, &list, "_page.count", "1");
    api_answer file = api_expect(
        &fixture, 200, "GET",
        text("%s?path=row_errors/%s", path, api_text(&fixture, &list, "data.0.name")), NULL);
    assert_true(mu_str_starts_with(
        file.body, MU_STR("{\"_corrupt_record\":\"{\\\"_id\\\":\",\"_errors\":[{\"code\":"
                          "\"INGEST-1401-400\"")));
    api_expect(&fixture, 404, "GET", text("%s?path=row_errors/%s", path, "../x"), NULL);
    assert_true(knows("J-12", "Good"));
}

static void what_profile_does_not_take_fails_no_batch(void **state)
{
    (void)state;
    const char *id =
        ingest(WEB, JSON_IN,
               "{\"_id\":\"s1\",\"timestamp\":\"2026-03-10T10:00:00Z\"}\n"
               "{\"_id\":\"s2\",\"timestamp\":\"2026-03-10T10:00:00Z\",\"identityMap\":"
               "{\"lumaCrmId\":[{\"id\":\"S-1\"}]}}\n");
    assert_string_equal(catalog(id, "status"), "success");
    assert_metric(id, "skippedRecordCount", "1");
    assert_metric(id, "outputRecordCount", "1");
    assert_string_equal(catalog(id, "errors.0.code"), "no-primary-identity");
    assert_true(knows("S-1", "\"s2\""));
}

/* -------- CSV -------- */

static void a_bad_cell_fails_the_batch_unless_it_may_be(void **state)
{
    (void)state;
    const char *id = ingest(LOYALTY, CSV_IN, TWO_ROWS);
    assert_string_equal(catalog(id, "status"), "failed");
    assert_metric(id, "outputRecordCount", "0");
    assert_string_equal(catalog(id, "errors.0.code"), "INGEST-1211-400");
    assert_false(knows("CRM-100042", "gold"));
    id = ingest(LOYALTY, CSV_IN ",\"partialIngestionPercentage\":50", TWO_ROWS);
    assert_string_equal(catalog(id, "status"), "success");
    assert_metric(id, "outputRecordCount", "1");
    assert_metric(id, "failedRecordCount", "1");
    assert_true(knows("CRM-100042", "\"loyalty\":{\"tier\":\"gold\",\"points\":4125.0}"));
    id = ingest(LOYALTY, CSV_IN ",\"partialIngestionPercentage\":49", TWO_ROWS);
    assert_string_equal(catalog(id, "status"), "failed");
    /* An upsert keeps what it does not name. */
    ingest(LOYALTY, CSV_IN, "_luma/identification/crmId,loyalty/tier\nCRM-100042,platinum\n");
    assert_true(knows("CRM-100042", "\"points\":4125.0"));
    assert_true(knows("CRM-100042", "platinum"));
}

static void csv_has_its_quotes_and_delimiters(void **state)
{
    (void)state;
    const char *id = ingest(
        CRM,
        "\"inputFormat\":{\"format\":\"csv\",\"delimiter\":\";\",\"quote\":\"'\",\"escape\":\"^\"}",
        "\xEF\xBB\xBF_luma.identification.crmId;person.name.firstName;person.name.lastName\r\n"
        "'C-1';'An;na';'It''s'\r\n\r\nC-2;'two\nlines';^x'y^'\nC-3;'q^'q';\n");
    assert_string_equal(catalog(id, "status"), "success");
    assert_metric(id, "inputRecordCount", "3");
    assert_true(knows("C-1", "{\"firstName\":\"An;na\",\"lastName\":\"It's\"}"));
    assert_true(knows("C-2", "{\"firstName\":\"two\\nlines\",\"lastName\":\"^x'y^'\"}"));
    assert_true(knows("C-3", "{\"firstName\":\"q'q\"}"));
}

static void files_that_are_none_fail_with_their_code(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {JSON_IN, " \n", "106"},       {CSV_IN, "\n", "118"},
        {CSV_IN, "a,a\n1,2\n", "118"}, {CSV_IN, "a,a.b\n1,2\n", "118"},
        {CSV_IN, "\"a\n1,2\n", "118"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *id = ingest(CRM, cases[i][0], cases[i][1]);
        assert_string_equal(catalog(id, "status"), "failed");
        assert_string_equal(catalog(id, "errors.0.code"), cases[i][2]);
    }
}

/* -------- uploads -------- */

static void a_large_file_comes_in_pieces(void **state)
{
    (void)state;
    const char *id = create(CRM, JSON_IN), *path = file_path(id, CRM, "large.json");
    mu_str body = MU_STR(ROW("L-1", "Ines"));
    char headers[200];
    api_expect(&fixture, 404, "POST", text("%s?action=%s", path, "COMPLETE"), NULL);
    api_expect(&fixture, 201, "POST", text("%s?action=%s", path, "INITIALIZE"), NULL);
    size_t cuts[] = {0, 30, 50, body.len};
    for (size_t k = 0; k < 3; k++) {
        size_t i = (k + 1) % 3; /* in any order */
        snprintf(
            headers, sizeof headers,
            "Authorization: Bearer t\r\nx-api-key: k\r\nx-gw-ims-org-id: " LUMA_SERVER_ORGANIZATION
            "\r\nx-sandbox-name: prod\r\n"
            "Content-Type: application/octet-stream\r\nContent-Range: bytes %zu-%zu/%zu\r\n",
            cuts[i], cuts[i + 1] - 1, body.len);
        if (k == 2)
            api_expect(&fixture, 400, "POST", text("%s?action=%s", path, "COMPLETE"), NULL);
        api_answer answer = api_send_headers(&fixture, "PATCH", path, headers,
                                             (mu_str){body.ptr + cuts[i], cuts[i + 1] - cuts[i]});
        assert_int_equal(answer.status, 200);
        api_assert_text(&fixture, &answer, "name", "large.json");
    }
    api_expect(&fixture, 200, "POST", text("%s?action=%s", path, "COMPLETE"), NULL);
    char range[64];
    api_answer head = api_expect(&fixture, 200, "HEAD", path, NULL);
    assert_true(api_header(&head, "Range", range, sizeof range));
    complete(id);
    assert_string_equal(catalog(id, "status"), "success");
    assert_true(knows("L-1", "Ines"));
}

static void files_are_replaced_and_refused(void **state)
{
    (void)state;
    const char *id = create(CRM, JSON_IN), *path = file_path(id, CRM, "a/../b");
    api_expect(&fixture, 201, "PUT", path, ROW("U-1", "Wrong"));
    api_expect(&fixture, 200, "PUT", path, ROW("U-1", "Right"));
    api_expect(&fixture, 400, "PUT", file_path(id, LOYALTY, "x"), "{}");
    api_expect(&fixture, 404, "PUT", file_path("01JZZZZZZZZZZZZZZZZZZZZZZZ", CRM, "x"), "{}");
    complete(id);
    assert_true(knows("U-1", "Right"));
    api_expect(&fixture, 400, "PUT", path, "{}");
}

/* -------- the life of a batch -------- */

static void requests_that_make_no_sense_are_refused(void **state)
{
    static const struct {
        unsigned status;
        const char *body;
    } cases[] = {
        {415, "{\"datasetId\":\"" CRM "\",\"inputFormat\":{\"format\":\"parquet\"}}"},
        {400, "{\"datasetId\":\"" CRM "\"}"},
        {400, "{\"datasetId\":\"nope\"," JSON_IN "}"},
        {400, "{" JSON_IN "}"},
        {400, "{\"datasetId\":\"" CRM "\"," JSON_IN ",\"partialIngestionPercentage\":101}"},
        {400,
         "{\"datasetId\":\"" CRM "\",\"inputFormat\":{\"format\":\"csv\",\"delimiter\":\"ab\"}}"},
        {400, "{\"datasetId\":\"" CRM "\"," JSON_IN ",\"replay\":{\"predecessors\":\"x\"}}"},
        {400, "[]"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        api_expect(&fixture, cases[i].status, "POST", IMPORT, cases[i].body);
    api_expect(&fixture, 404, "GET", "/data/foundation/catalog/batches/nope", NULL);
    api_expect(&fixture, 404, "POST", IMPORT "/nope?action=COMPLETE", NULL);
    api_expect(&fixture, 400, "POST", text(IMPORT "/%s%s", create(CRM, JSON_IN), "?action=EAT"),
               NULL);
    api_expect(&fixture, 501, "GET", IMPORT "/x/datasets/y/preview", NULL);
}

static void a_batch_is_aborted_or_failed_before_it_is_final(void **state)
{
    (void)state;
    const char *id = create(CRM, JSON_IN);
    put(id, CRM, "x", ROW("B-1", "Nobody"));
    act(id, "ABORT", 200);
    assert_string_equal(catalog(id, "status"), "aborted");
    act(id, "ABORT", 200);
    act(id, "COMPLETE", 400);
    id = create(CRM, JSON_IN);
    act(id, "FAIL", 200);
    assert_string_equal(catalog(id, "status"), "failed");
    id = ingest(CRM, JSON_IN, ROW("B-2", "Someone"));
    act(id, "COMPLETE", 200);
    act(id, "ABORT", 400);
    assert_false(knows("B-1", "Nobody"));
}

#define EVENT(id, crm)                                                                             \
    "{\"_id\":\"" id "\",\"timestamp\":1773100000000,\"eventType\":\"commerce.purchases\","        \
    "\"_luma\":{\"crmId\":\"" crm "\",\"channel\":\"store\"}}"

static void a_revert_takes_events_back_and_leaves_records(void **state)
{
    (void)state;
    const char *events = ingest(STORE, JSON_IN, EVENT("R-e1", "R-1") "\n" EVENT("R-e2", "R-1"));
    const char *records = ingest(CRM, JSON_IN, ROW("R-1", "Rita"));
    assert_true(knows("R-1", "\"R-e2\" \"2026-03-09T23:46:40Z\""));
    act(events, "REVERT", 200);
    act(records, "REVERT", 200);
    assert_string_equal(catalog(events, "status"), "inactive");
    assert_false(knows("R-1", "R-e1"));
    assert_true(knows("R-1", "Rita"));
}

static void a_replay_replaces_its_predecessors(void **state)
{
    (void)state;
    const char *first = ingest(STORE, JSON_IN, EVENT("P-e1", "P-1") "\n" EVENT("P-e2", "P-1"));
    const char *other = ingest(STORE, JSON_IN ",\"externalId\":\"night-7\"", EVENT("P-e4", "P-1"));
    api_answer answer = api_expect(
        &fixture, 201, "PATCH", IMPORT,
        text("{\"datasetId\":\"" STORE "\"," JSON_IN ",\"replay\":{\"predecessors\":[\"${%s}\"],"
             "\"predecessorsByExternalId\":[\"night-7\"],\"reason\":\"replace\"}%s}",
             first, ""));
    const char *id = api_text(&fixture, &answer, "id");
    put(id, STORE, "x", EVENT("P-e2", "P-1") "\n" EVENT("P-e3", "P-1"));
    complete(id);
    assert_string_equal(catalog(id, "status"), "success");
    assert_string_equal(catalog(first, "status"), "inactive");
    assert_string_equal(catalog(other, "status"), "inactive");
    assert_false(knows("P-1", "P-e1"));
    assert_false(knows("P-1", "P-e4"));
    assert_true(knows("P-1", "P-e2"));
    assert_true(knows("P-1", "P-e3"));
}

/* A server that was killed after the first of three rows was appended. */
static void a_batch_goes_on_after_a_restart(void **state)
{
    (void)state;
    const char *id = create(STORE, JSON_IN);
    put(id, STORE, "x", EVENT("K-e1", "K-1") "\n" EVENT("K-e2", "K-1") "\n" EVENT("K-e3", "K-1"));
    mu_err err;
    mu_batch batch;
    uint64_t version, sequence;
    mu_batches *batches = fixture.api->ingestion->batches;
    assert_int_equal(mu_batches_get(batches, &fixture.arena, MU_STR("prod"), mu_str_from(id),
                                    &batch, &version, &err),
                     MU_OK);
    batch.status = MU_BATCH_STAGING;
    batch.started_ms = LUMA_SERVER_NOW_MS;
    assert_int_equal(mu_batches_put(batches, MU_STR("prod"), &batch, version, &err), MU_OK);
    /* Another text than the file's first row has: if that is applied again, it shows. */
    const mu_identity identity = {MU_STR("lumaCrmId"), MU_STR("K-1")};
    mu_record record = {.kind = MU_RECORD_EVENT,
                        .received_ms = LUMA_SERVER_NOW_MS,
                        .time_ms = 1773100000000,
                        .dataset = MU_STR(STORE),
                        .batch = mu_str_from(id),
                        .key = MU_STR("first"),
                        .n_identities = 1,
                        .identities = &identity,
                        .document = MU_STR("{\"_id\":\"first\",\"timestamp\":"
                                           "\"2026-03-09T23:46:40Z\"}"),
                        .source = mu_str_from(text("batch:%s%s", id, "")),
                        .position = 1};
    mu_sandbox *sandbox = mu_live_find_sandbox(fixture.live, MU_STR("prod"));
    assert_int_equal(mu_sandbox_append(sandbox, 1, &record, &sequence, &err), MU_OK);
    assert_int_equal(mu_live_wait(fixture.live, sequence, &err), MU_OK);
    api_fixture_restart(&fixture);
    mu_batches_wait_idle(fixture.api->ingestion->batches);
    assert_string_equal(catalog(id, "status"), "success");
    assert_true(knows("K-1", "\"first\""));
    assert_false(knows("K-1", "K-e1"));
    assert_true(knows("K-1", "K-e2"));
    assert_true(knows("K-1", "K-e3"));
}

/* Settings are no document: a batch sees them all the same. */
static void a_namespace_made_between_two_batches_counts(void **state)
{
    static const char row[] = "{\"_id\":\"n1\",\"timestamp\":\"2026-03-10T10:00:00Z\","
                              "\"identityMap\":{\"shopId\":[{\"id\":\"N-1\"}]}}\n";
    (void)state;
    const char *id = ingest(WEB, JSON_IN, row);
    assert_metric(id, "skippedRecordCount", "1");
    mu_err err;
    uint64_t sequence;
    mu_sandbox *sandbox = mu_live_find_sandbox(fixture.live, MU_STR("prod"));
    mu_str settings = mu_sandbox_settings(sandbox, &fixture.arena);
    mu_record record = {.kind = MU_RECORD_SETTINGS,
                        .received_ms = LUMA_SERVER_NOW_MS,
                        .document = mu_arena_format(&fixture.arena,
                                                    "%.*s,{\"code\":\"shopId\",\"id\":10000009,"
                                                    "\"idType\":\"CROSS_DEVICE\"}]}",
                                                    (int)settings.len - 2, settings.ptr)};
    assert_int_equal(mu_sandbox_append(sandbox, 1, &record, &sequence, &err), MU_OK);
    assert_int_equal(mu_live_wait(fixture.live, sequence, &err), MU_OK);
    id = ingest(WEB, JSON_IN, row);
    assert_metric(id, "outputRecordCount", "1");
}

static void a_batch_that_nobody_completes_is_given_up(void **state)
{
    (void)state;
    mu_err err;
    mu_batches *batches = fixture.api->ingestion->batches;
    const mu_batch_file *files;
    const char *id = create(CRM, JSON_IN);
    put(id, CRM, "x", ROW("G-1", "Nobody"));
    api_fixture_advance((int64_t)7 * 86400000);
    assert_int_equal(mu_batches_tidy(batches, &err), MU_OK);
    assert_string_equal(catalog(id, "status"), "loading");
    mu_batch_folder folder =
        mu_batches_folder(batches, &fixture.arena, MU_STR("prod"), mu_str_from(id));
    assert_int_equal(mu_batch_files_list(&folder, &fixture.arena, &files), 1);
    api_fixture_advance(1);
    assert_int_equal(mu_batches_tidy(batches, &err), MU_OK);
    assert_string_equal(catalog(id, "status"), "abandoned");
    assert_int_equal(mu_batch_files_list(&folder, &fixture.arena, &files), 0);
    act(id, "COMPLETE", 400);
    api_fixture_set_now(LUMA_SERVER_NOW_MS);
}

static void batches_are_listed(void **state)
{
    (void)state;
    const char *id = ingest(LOYALTY, JSON_IN, "{\"_luma\":{\"identification\":{\"crmId\":\"Z\"}}}");
    api_answer answer = api_expect(&fixture, 200, "GET",
                                   "/data/foundation/catalog/batches?dataSet=" LOYALTY
                                   "&status=success&orderBy=desc:created&limit=1",
                                   NULL);
    assert_int_equal(answer.json.n, 1);
    assert_true(mu_str_equal(answer.json.names[0], mu_str_from(id)));
    answer = api_expect(&fixture, 200, "GET", "/data/foundation/catalog/lastBatches", NULL);
    assert_int_equal(answer.json.n, 1);
    assert_true(mu_str_equal(answer.json.names[0], mu_str_from(id)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_lines_become_records),
        cmocka_unit_test(other_forms_of_json_are_recognised),
        cmocka_unit_test(later_rows_and_files_come_later),
        cmocka_unit_test(unreadable_rows_are_kept_with_their_reason),
        cmocka_unit_test(what_profile_does_not_take_fails_no_batch),
        cmocka_unit_test(a_bad_cell_fails_the_batch_unless_it_may_be),
        cmocka_unit_test(csv_has_its_quotes_and_delimiters),
        cmocka_unit_test(files_that_are_none_fail_with_their_code),
        cmocka_unit_test(a_large_file_comes_in_pieces),
        cmocka_unit_test(files_are_replaced_and_refused),
        cmocka_unit_test(requests_that_make_no_sense_are_refused),
        cmocka_unit_test(a_batch_is_aborted_or_failed_before_it_is_final),
        cmocka_unit_test(a_revert_takes_events_back_and_leaves_records),
        cmocka_unit_test(a_replay_replaces_its_predecessors),
        cmocka_unit_test(a_batch_goes_on_after_a_restart),
        cmocka_unit_test(a_namespace_made_between_two_batches_counts),
        cmocka_unit_test(a_batch_that_nobody_completes_is_given_up),
        cmocka_unit_test(batches_are_listed),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
