/* collection_test.c -- streaming inlets over a real socket (profile.md d.1, d.2; sample-data.md 3
 * to 6). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/ingestion.h"
#include "tests/support/luma_server.h"

#include <stdlib.h>

#define SINGLE "/collection/" LUMA_SERVER_INLET
#define MANY   "/collection/batch/" LUMA_SERVER_INLET
#define TYPE   "Content-Type: application/json\r\n"
#define PREFIX "inletId: [" LUMA_SERVER_INLET "] imsOrgId: [" LUMA_SERVER_ORGANIZATION "] "

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

static api_answer post(const char *path, mu_str body)
{
    return api_send_headers(&fixture, "POST", path, TYPE, body);
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

/* The message with `old` replaced once. */
static mu_str changed(mu_str text, const char *old, const char *fresh)
{
    size_t at = mu_str_find(text, mu_str_from(old)), length = strlen(old);
    if (at == SIZE_MAX)
        fail_msg("%s is not in the message", old);
    return mu_arena_format(&fixture.arena, "%.*s%s%.*s", (int)at, text.ptr, fresh,
                           (int)(text.len - at - length), text.ptr + at + length);
}

/* -------- payloads -------- */

static void payload_a_is_a_fragment_and_a_link(void **state)
{
    (void)state;
    mu_str body = luma_server_file(&fixture, "payload-a.json");
    api_answer answer = post(SINGLE "?syncValidation=True", body);
    assert_int_equal(answer.status, 200);
    api_assert_text(&fixture, &answer, "inletId", LUMA_SERVER_INLET);
    api_assert_text(&fixture, &answer, "syncValidation.status", "pass");
    api_assert_text(&fixture, &answer, "receivedTimeMs", "1773144000000");
    assert_true(mu_str_starts_with(mu_str_from(api_text(&fixture, &answer, "xactionId")),
                                   MU_STR("1773144000000:")));
    mu_str known = luma_server_lookup(&fixture, "Email", "ada.marsh@example.com");
    assert_true(
        mu_str_starts_with(known, MU_STR("lumaCrmId:CRM-100042\nEmail:ada.marsh@example.com\n"
                                         "9261ceef0b969e70ac20f151 ")));
    /* Resending it without an address removes the address. */
    body = changed(body, "\"homeAddress\"", "\"shippingAddress\"");
    assert_int_equal(post(SINGLE, body).status, 200);
    known = luma_server_lookup(&fixture, "lumaCrmId", "CRM-100042");
    mu_content content;
    mu_lookup lookup;
    mu_err err;
    assert_int_equal(mu_sandbox_lookup(mu_live_find_sandbox(fixture.live, MU_STR("prod")),
                                       (mu_identity){MU_STR("lumaCrmId"), MU_STR("CRM-100042")},
                                       &fixture.arena, &lookup, &err),
                     MU_OK);
    content = lookup.content;
    assert_int_equal(content.n_fragments, 1);
    mu_snapshot_release(lookup.snapshot);
}

static void payload_b_goes_by_priority_and_counts_once(void **state)
{
    (void)state;
    mu_str body = luma_server_file(&fixture, "payload-b.json");
    for (int i = 0; i < 2; i++) {
        api_answer answer = post("/data/foundation/import" SINGLE, body);
        assert_int_equal(answer.status, 200);
        api_assert_text(&fixture, &answer, "syncValidation.skipped", "true");
    }
    mu_str known = luma_server_lookup(&fixture, "ECID", "87425148613594122803641603982383516983");
    assert_holds(known, "lumaCrmId:CRM-100042\n");
    assert_holds(known, "\"9f0c3c1e-52b7-4a5e-8c0a-6f1b2a7d4e11\" \"2026-03-10T11:58:30.250Z\"\n");
    size_t first = mu_str_find(known, MU_STR("9f0c3c1e"));
    assert_int_equal(
        mu_str_find((mu_str){known.ptr + first + 1, known.len - first - 1}, MU_STR("9f0c3c1e")),
        SIZE_MAX);
}

static void payload_c_answers_for_each_message(void **state)
{
    (void)state;
    api_fixture_set_now(INT64_C(1773157500000));
    api_answer answer = post(MANY, luma_server_file(&fixture, "payload-c.json"));
    api_fixture_set_now(LUMA_SERVER_NOW_MS);
    assert_int_equal(answer.status, 207);
    mu_str batch = mu_str_from(api_text(&fixture, &answer, "batchId"));
    assert_true(mu_str_starts_with(batch, MU_STR("1773157500000:")));
    api_assert_text(&fixture, &answer, "responses.0.xactionId",
                    mu_arena_format(&fixture.arena, "%s:0", batch.ptr).ptr);
    api_assert_text(&fixture, &answer, "responses.1.xactionId",
                    mu_arena_format(&fixture.arena, "%s:1", batch.ptr).ptr);
    api_assert_text(&fixture, &answer, "responses.2.statusCode", "400");
    api_assert_text(&fixture, &answer, "responses.2.message",
                    "inletId: [" LUMA_SERVER_INLET
                    "] imsOrgId: [000000000000000000000000@AdobeOrg] Message has an absent or "
                    "wrong ims org in the header");
    mu_str known = luma_server_lookup(&fixture, "lumaLoyaltyId", "LOY-7781");
    assert_holds(known, "lumaCrmId:CRM-100042\n");
    assert_holds(known, "\"CHI-03-20260310-000218\" \"2026-03-10T15:41:07Z\"\n");
}

/* -------- refusals -------- */

static void assert_refused(mu_str body, const char *message)
{
    api_answer answer = post(SINGLE, body);
    assert_int_equal(answer.status, 400);
    api_assert_text(&fixture, &answer, "title", "Invalid XDM Message Format");
    api_assert_text(&fixture, &answer, "type",
                    "http://ns.adobe.com/adobecloud/problem/data-collection-service/inlet");
    api_assert_text(&fixture, &answer, "report.message",
                    mu_arena_format(&fixture.arena, PREFIX "%s", message).ptr);
}

static void the_front_door_says_what_is_wrong(void **state)
{
    (void)state;
    mu_str body = luma_server_file(&fixture, "payload-b.json");
    assert_refused((mu_str){body.ptr, body.len / 2}, "Message has unknown xdm format");
    assert_refused(MU_STR(""), "Message has unknown xdm format");
    assert_refused(MU_STR("[]"), "Message has unknown xdm format");
    assert_refused(changed(body, "\"datasetId\": \"4b5e57f6eb2f42b9039b3d1e\"",
                           "\"datasetId\": \"4b5e57f6eb2f42b9039b3d1f\""),
                   "Message has an absent or wrong datasetId in the header");
    api_answer answer = post(MANY, MU_STR("{\"messages\":3}"));
    assert_int_equal(answer.status, 400);
    answer = post(MANY, MU_STR("{\"messages\":[]}"));
    assert_int_equal(answer.status, 207);
    answer = post("/collection/0000", body);
    assert_int_equal(answer.status, 404);
    api_assert_text(&fixture, &answer, "title", "Not Found");
    answer = api_send_headers(&fixture, "POST", SINGLE,
                              "Content-Type: application/x-jackson-smile\r\n", body);
    assert_int_equal(answer.status, 415);
}

static void a_body_over_a_megabyte_is_413(void **state)
{
    (void)state;
    size_t size = (1 << 20) + 1;
    char *body = mu_arena_alloc(&fixture.arena, size);
    memset(body, ' ', size);
    assert_int_equal(post(SINGLE, (mu_str){body, size}).status, 413);
    assert_int_equal(post(SINGLE, (mu_str){body, size - 1}).status, 400);
}

static void an_inlet_may_want_a_token(void **state)
{
    (void)state;
    mu_str body = luma_server_file(&fixture, "payload-b.json");
    api_answer answer = post("/collection/" LUMA_SERVER_CLOSED_INLET, body);
    assert_int_equal(answer.status, 401);
    api_assert_text(&fixture, &answer, "status", "401");
    api_assert_text(&fixture, &answer, "report.message",
                    "[" LUMA_SERVER_CLOSED_INLET "] Ims service token is empty");
    answer = api_send_headers(&fixture, "POST", "/collection/" LUMA_SERVER_CLOSED_INLET,
                              TYPE "Authorization: Bearer token\r\n", body);
    assert_int_equal(answer.status, 200);
}

/* -------- validation -------- */

static void synchronous_validation_names_each_violation(void **state)
{
    (void)state;
    mu_str body = luma_server_file(&fixture, "payload-a.json");
    body = changed(body, "\"female\"", "\"f\"");
    api_answer answer = post(SINGLE "?synchronousValidation=true", body);
    assert_int_equal(answer.status, 400);
    api_assert_text(&fixture, &answer, "report.message", PREFIX "Message is invalid");
    const char *one = "report.cause._streamingValidation.0";
    api_assert_text(&fixture, &answer, mu_arena_format(&fixture.arena, "%s.keyword", one).ptr,
                    "enum");
    api_assert_text(&fixture, &answer,
                    mu_arena_format(&fixture.arena, "%s.pointerToViolation", one).ptr,
                    "#/person/gender");
    body = changed(body, "\"personalEmail\"", "\"workMail\"");
    answer = post(SINGLE "?syncValidation=true", body);
    assert_int_equal(answer.status, 400);
    api_assert_text(&fixture, &answer, mu_arena_format(&fixture.arena, "%s.message", one).ptr,
                    "2 schema violations found");
    api_assert_text(&fixture, &answer,
                    mu_arena_format(&fixture.arena, "%s.causingExceptions.1.message", one).ptr,
                    "extraneous key [workMail] is not permitted");
}

static void synchronous_validation_is_limited_per_minute(void **state)
{
    (void)state;
    mu_str body = luma_server_file(&fixture, "payload-a.json");
    api_fixture_advance(120000);
    for (int i = 0; i < 60; i++)
        assert_int_equal(post(SINGLE "?syncValidation=true", body).status, 200);
    api_answer answer = post(SINGLE "?syncValidation=true", body);
    assert_int_equal(answer.status, 429);
    assert_int_equal(post(SINGLE, body).status, 200);
    api_fixture_advance(60000);
    assert_int_equal(post(SINGLE "?syncValidation=true", body).status, 200);
    api_fixture_set_now(LUMA_SERVER_NOW_MS);
}

/* The catalog's failed batches of a dataset, and what their files hold. */
static mu_str failed_lines(const char *dataset)
{
    mu_failed_flush(fixture.api->ingestion->failed);
    api_answer list = api_expect(
        &fixture, 200, "GET",
        mu_arena_format(&fixture.arena, "/data/foundation/catalog/batches?status=failed&dataSet=%s",
                        dataset)
            .ptr,
        NULL);
    assert_true(list.json.n > 0);
    mu_str id = list.json.names[list.json.n - 1];
    const char *path =
        mu_arena_format(&fixture.arena, "/data/foundation/export/batches/%.*s/failed", (int)id.len,
                        id.ptr)
            .ptr;
    api_answer files = api_expect(&fixture, 200, "GET", path, NULL);
    api_assert_text(&fixture, &files, "_page.count", "1");
    api_answer file = api_expect(&fixture, 200, "GET",
                                 mu_arena_format(&fixture.arena, "%s?path=%s", path,
                                                 api_text(&fixture, &files, "data.0.name"))
                                     .ptr,
                                 NULL);
    assert_int_equal(atoi(api_text(&fixture, &files, "data.0.length")), file.body.len);
    return file.body;
}

static void what_cannot_be_kept_is_kept_for_its_sender(void **state)
{
    (void)state;
    mu_str body = luma_server_file(&fixture, "payload-b.json");
    mu_str bad[] = {
        changed(body, "\"quantity\": 1", "\"quantity\": \"two\""),
        changed(body, "87425148613594122803641603982383516983",
                "8742514861359412280364160398238351698"),
        changed(body, "\"lumaCrmId\": [", "\"noSuchCode\": ["),
        changed(body, "2026-03-10T11:58:30.250Z", "2026-03-10T13:00:00Z"),
        changed(body, "\"SPRING10\"", "null"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        bad[i] = changed(bad[i], "9f0c3c1e-52b7-4a5e-8c0a-6f1b2a7d4e11",
                         mu_arena_format(&fixture.arena, "bad-%zu", i).ptr);
        assert_int_equal(post(SINGLE, bad[i]).status, 200);
    }
    mu_str lines = failed_lines("4b5e57f6eb2f42b9039b3d1e");
    assert_holds(lines, "\"_id\":\"bad-0\"");
    assert_holds(lines, "\"_errors\":[{\"code\":\"INGEST-1552-400\",\"message\":\"expected type: "
                        "Integer, found: String\",\"column\":\"productListItems/0/quantity\"}]");
    assert_holds_not(lines, "\"bad-1\""); /* its primary is another identity */
    assert_holds(lines, "\"code\":\"unknown-namespace\"");
    assert_holds(lines, "[2026-03-10T13:00:00Z] is in the future");
    assert_holds(lines, "\"code\":\"INGEST-1555-400\"");
    mu_str known = luma_server_lookup(&fixture, "lumaCrmId", "CRM-100042");
    assert_holds(known, "\"bad-1\"");
    assert_holds_not(known, "\"bad-0\"");
    assert_holds_not(known, "\"bad-3\"");
}

/* A dataset, an inlet's rule or a setting that has changed counts for the very next message. */
static void changes_count_at_once(void **state)
{
    (void)state;
    mu_str body = luma_server_file(&fixture, "payload-b.json");
    mu_str other = changed(body, "\"datasetId\": \"4b5e57f6eb2f42b9039b3d1e\"",
                           "\"datasetId\": \"0123456789abcdef01234567\"");
    assert_int_equal(post(SINGLE, other).status, 400);
    mu_err err;
    mu_document_edit edit = {
        .action = MU_DOCUMENT_ADD,
        .kind = MU_STR("dataset"),
        .id = MU_STR("0123456789abcdef01234567"),
        .json = MU_STR("{\"name\":\"x\",\"schemaRef\":{\"id\":\"https://ns.adobe.com/luma/schemas/"
                       "4b5e57f6eb2f42b9039b3d1e13929295f231749c510cbe34\"}}")};
    assert_int_equal(mu_document_edit_all(fixture.documents, MU_STR("prod"), 1, 1, &edit, &err),
                     MU_OK);
    assert_int_equal(post(SINGLE, other).status, 200);
}

/* P37, P51: raw attributes with operations, into the dataset that a flow leads to. */
static void a_flow_leads_to_its_dataset(void **state)
{
    (void)state;
    api_answer made =
        api_expect(&fixture, 201, "POST", "/data/foundation/flowservice/targetConnections",
                   "{\"name\":\"t\",\"params\":{\"dataSetId\":"
                   "\"6ef9086b892fba957bbdeab1\"}}");
    made = api_expect(&fixture, 201, "POST", "/data/foundation/flowservice/flows",
                      mu_arena_format(&fixture.arena,
                                      "{\"name\":\"f\",\"targetConnectionIds\":[\"%s\"]}",
                                      api_text(&fixture, &made, "id"))
                          .ptr);
    mu_str body = mu_arena_format(
        &fixture.arena,
        "{\"header\":{\"flowId\":\"%s\",\"imsOrgId\":\"" LUMA_SERVER_ORGANIZATION
        "\",\"operations\":{\"data\":\"merge\",\"identity\":\"create\"}},\"body\":{\"_luma\":"
        "{\"identification\":{\"crmId\":\"FLOW-1\",\"loyaltyId\":\"FLOW-L\"}},\"loyalty\":"
        "{\"tier\":\"silver\"}}}",
        api_text(&fixture, &made, "id"));
    assert_int_equal(post(SINGLE, body).status, 200);
    assert_holds(luma_server_lookup(&fixture, "lumaLoyaltyId", "FLOW-L"),
                 "6ef9086b892fba957bbdeab1 {\"_luma\"");
    assert_refused(changed(body, "\"flowId\":\"", "\"flowId\":\"x"),
                   "Message has an absent or wrong datasetId in the header");
}

/* What is erased is gone from the rows that failed as well (e.4). */
static void an_erased_person_is_in_no_failed_row(void **state)
{
    (void)state;
    mu_str lines = failed_lines("4b5e57f6eb2f42b9039b3d1e");
    assert_holds(lines, "\"CRM-100042\"");
    api_expect(&fixture, 202, "DELETE",
               "/data/core/ups/access/entities?schema.name=_xdm.context.profile&entityIdNS="
               "lumaCrmId&entityId=CRM-100042",
               NULL);
    lines = failed_lines("4b5e57f6eb2f42b9039b3d1e");
    assert_holds_not(lines, "\"CRM-100042\"");
    assert_holds_not(lines, "\"87425148613594122803641603982383516983\"");
    assert_string_equal(luma_server_lookup(&fixture, "lumaCrmId", "CRM-100042").ptr, "nothing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(payload_a_is_a_fragment_and_a_link),
        cmocka_unit_test(payload_b_goes_by_priority_and_counts_once),
        cmocka_unit_test(payload_c_answers_for_each_message),
        cmocka_unit_test(the_front_door_says_what_is_wrong),
        cmocka_unit_test(a_body_over_a_megabyte_is_413),
        cmocka_unit_test(an_inlet_may_want_a_token),
        cmocka_unit_test(synchronous_validation_names_each_violation),
        cmocka_unit_test(synchronous_validation_is_limited_per_minute),
        cmocka_unit_test(what_cannot_be_kept_is_kept_for_its_sender),
        cmocka_unit_test(changes_count_at_once),
        cmocka_unit_test(a_flow_leads_to_its_dataset),
        cmocka_unit_test(an_erased_person_is_in_no_failed_row),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
