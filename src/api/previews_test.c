/* previews_test.c -- previews and estimates over a real socket (api.md 14, 15; wire check 18). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/townsfolk.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PREVIEW  "/data/core/ups/preview"
#define ESTIMATE "/data/core/ups/estimate"
#define N        120u /* people */

static api_fixture fixture;

static int start(void **state)
{
    (void)state;
    api_fixture_start(&fixture);
    townsfolk_settle(&fixture);
    townsfolk_add(&fixture, 0, N / 2);
    townsfolk_fold(&fixture);
    townsfolk_add(&fixture, N / 2, N / 2);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    api_fixture_stop(&fixture);
    return 0;
}

/* -------- asking -------- */

static const char *format(const char *base, const char *id, const char *more)
{
    return mu_arena_format(&fixture.arena, "%s/%s%s", base, id, more).ptr;
}

/* A JSON text of ours. */
static const char *quoted(const char *text)
{
    mu_buf buf;
    mu_json_writer writer;
    mu_buf_init(&buf, 1 << 20);
    mu_json_writer_init(&writer, &buf);
    mu_json_string(&writer, mu_str_from(text));
    const char *out = mu_arena_copy(&fixture.arena, mu_buf_str(&buf)).ptr;
    mu_buf_free(&buf);
    return out;
}

/* Starts one; `more`: further members, with a comma in front. */
static api_answer post(const char *rule, const char *more)
{
    return api_expect(
        &fixture, 201, "POST", PREVIEW,
        mu_arena_format(&fixture.arena, "{\"predicateExpression\":%s%s}", quoted(rule), more).ptr);
}

static const char *begin(const char *rule, const char *more)
{
    api_answer answer = post(rule, more);
    return api_text(&fixture, &answer, "previewId");
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* The estimate once it runs no more. */
static api_answer finished(const char *id)
{
    for (int i = 0; i < 6000; i++) {
        api_answer answer = api_expect(&fixture, 200, "GET", format(ESTIMATE, id, ""), NULL);
        if (strcmp(api_text(&fixture, &answer, "state"), "RUNNING") != 0)
            return answer;
        pause_ms(5);
    }
    fail_msg("an estimate does not end");
    return (api_answer){0};
}

static int64_t integer(const api_answer *answer, const char *path)
{
    const mu_json *json = api_at(answer, path);
    assert_non_null(json);
    assert_int_equal(json->kind, MU_JSON_INTEGER);
    return json->integer;
}

static int64_t size_of(const char *rule, const char *more)
{
    api_answer answer = finished(begin(rule, more));
    api_assert_text(&fixture, &answer, "state", "RESULT_READY");
    return integer(&answer, "estimatedSize");
}

/* -------- tests -------- */

static void assert_gone(const char *id)
{
    api_answer answer = api_expect(&fixture, 404, "GET", format(PREVIEW, id, ""), NULL);
    api_assert_text(&fixture, &answer, "type", "https://ns.adobe.com/aep/errors/UPAPI-113000-404");
    answer = api_expect(&fixture, 404, "GET", format(ESTIMATE, id, ""), NULL);
    api_assert_text(&fixture, &answer, "type", "https://ns.adobe.com/aep/errors/UPAPI-113000-404");
    api_expect(&fixture, 404, "DELETE", format(PREVIEW, id, ""), NULL);
}

/* Wire check 18. */
static void a_preview_lives_from_post_to_delete(void **state)
{
    char location[300];
    (void)state;
    api_answer answer = api_expect(&fixture, 400, "POST", PREVIEW,
                                   "{\"predicateExpression\":\"homeAddress.city = \"}");
    api_assert_text(&fixture, &answer, "type", "https://ns.adobe.com/aep/errors/UPAPI-119913-400");
    assert_non_null(strstr(api_text(&fixture, &answer, "title"), "line 1:"));
    answer = post("homeAddress.city = \"Leeds\"", ",\"predicateType\":\"pql/text\"");
    const char *id = api_text(&fixture, &answer, "previewId");
    assert_int_equal(strlen(api_text(&fixture, &answer, "previewQueryId")), 36);
    api_assert_text(&fixture, &answer, "previewExecutionId", "0");
    assert_string_equal(api_text(&fixture, &answer, "state"),
                        api_text(&fixture, &answer, "previewQueryStatus"));
    assert_true(api_header(&answer, "X-Location", location, sizeof location));
    assert_non_null(strstr(location, format(PREVIEW, id, "")));
    assert_null(strchr(id, '='));
    answer = finished(id);
    api_assert_text(&fixture, &answer, "estimatedSize", "30");
    answer = api_expect(&fixture, 200, "GET", format(PREVIEW, id, ""), NULL);
    api_assert_text(&fixture, &answer, "state", "RESULT_READY");
    api_assert_text(&fixture, &answer, "page.totalCount", "30");
    size_t padding = (4 - strlen(id) % 4) % 4;
    api_expect(&fixture, 200, "GET", format(PREVIEW, id, &"=="[2 - padding]), NULL);
    api_expect(&fixture, 200, "GET", format(ESTIMATE, id, &"=="[2 - padding]), NULL);
    api_expect(&fixture, 200, "GET", format(ESTIMATE, id, "%3D%3D"), NULL);
    answer = api_expect(&fixture, 200, "DELETE", format(PREVIEW, id, ""), NULL);
    assert_string_equal(answer.body.ptr, "{\"status\":true,\"message\":\"KILLED\"}");
    assert_gone(id);
}

static void an_estimate_ends_with_the_exact_size(void **state)
{
    (void)state;
    api_answer answer = finished(
        begin("xEvent[eventType = \"commerce.purchases\"].count() > 0", ",\"graphType\":\"pdg\""));
    static const char *const members[][2] = {{"state", "RESULT_READY"},
                                             {"estimatedSize", "40"},
                                             {"numRowsToRead", "120"},
                                             {"profilesReadSoFar", "120"},
                                             {"profilesMatchedSoFar", "40"},
                                             {"totalRows", "120"},
                                             {"standardError", "0"},
                                             {"confidenceInterval", "95%"},
                                             {"confidenceIntervalBounds.lower", "40"},
                                             {"confidenceIntervalBounds.upper", "40"},
                                             {"error.description", ""},
                                             {"error.traceback", ""}};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        api_assert_text(&fixture, &answer, members[i][0], members[i][1]);
    /* 40 buyers have a customer id, 20 of them, the odd ones, a device. */
    const mu_json *spaces = api_at(&answer, "estimatedNamespaceDistribution");
    assert_int_equal(spaces->n, 2);
    for (uint32_t i = 0; i < 2; i++) {
        mu_str id = mu_json_member_string(&spaces->items[i], MU_STR("namespaceId"), MU_STR(""));
        int64_t n = mu_json_member(&spaces->items[i], MU_STR("profilesMatchedSoFar"))->integer;
        assert_int_equal(n, mu_str_equal(id, MU_STR("4")) ? 20 : 40);
        assert_true(mu_str_equal(id, MU_STR("4")) || mu_str_equal(id, MU_STR("10000001")));
    }
}

static void the_link_of_an_estimate_leads_to_the_preview(void **state)
{
    (void)state;
    const char *id = begin("homeAddress.city = \"Leeds\"", "");
    api_answer answer = finished(id);
    const char *link = strstr(api_text(&fixture, &answer, "_links.preview"), "/data/core/");
    assert_non_null(link);
    answer = api_expect(&fixture, 200, "GET", link, NULL);
    api_assert_text(&fixture, &answer, "page.totalCount", "30");
    answer = api_expect(&fixture, 200, "GET",
                        mu_arena_format(&fixture.arena, "%s&limit=7&offset=28", link).ptr, NULL);
    api_assert_text(&fixture, &answer, "page.size", "2");
    const char *query = strchr(link, '?');
    mu_str path = {link, (size_t)(query - link)};
    api_expect(&fixture, 400, "GET", mu_arena_copy(&fixture.arena, path).ptr, NULL);
    api_expect(&fixture, 404, "GET",
               mu_arena_format(&fixture.arena, PREVIEW "/app-x/execution/0%s", query).ptr, NULL);
    api_expect(
        &fixture, 404, "GET",
        mu_arena_format(&fixture.arena, MU_STR_FMT "1%s", (int)path.len - 1, path.ptr, query).ptr,
        NULL);
}

/* Walks `link` to the end; each XID once. Returns how many. */
static uint32_t walk(const char *first, uint32_t limit, char xids[][30], uint32_t xids_max)
{
    uint32_t n = 0;
    const char *next = mu_arena_format(&fixture.arena, "%s?limit=%u", first, limit).ptr;
    while (next != NULL) {
        api_answer answer = api_expect(&fixture, 200, "GET", next, NULL);
        const mu_json *rows = api_at(&answer, "results");
        assert_int_equal(integer(&answer, "page.offset"), n);
        assert_int_equal(integer(&answer, "page.size"), rows->n);
        for (uint32_t i = 0; i < rows->n; i++) {
            mu_str id = mu_json_member_string(&rows->items[i], MU_STR("objectId"), MU_STR(""));
            assert_true(n < xids_max && id.len == 28);
            snprintf(xids[n], 30, MU_STR_FMT, MU_STR_ARG(id));
            for (uint32_t k = 0; k < n; k++)
                assert_string_not_equal(xids[k], xids[n]);
            n++;
        }
        const char *link = api_text(&fixture, &answer, "link");
        assert_string_equal(link, api_text(&fixture, &answer, "links.next"));
        next = strstr(link, "/data/core/");
    }
    return n;
}

static void pages_are_walked_by_their_links(void **state)
{
    char once[N][30], again[N][30];
    (void)state;
    const char *id = begin("homeAddress.city = \"York\"", "");
    finished(id);
    const char *path = format(PREVIEW, id, "");
    assert_int_equal(walk(path, 7, once, N), 90);
    assert_int_equal(walk(path, 1000, again, N), 90);
    for (uint32_t i = 0; i < 90; i++)
        assert_string_equal(once[i], again[i]);
    api_answer answer = api_expect(&fixture, 200, "GET", format(PREVIEW, id, "?offset=5"), NULL);
    api_assert_text(&fixture, &answer, "page.size", "85");
    assert_non_null(strstr(api_text(&fixture, &answer, "links.prev"), "offset=0"));
    assert_non_null(strstr(api_text(&fixture, &answer, "links._self"), "offset=5"));
    answer = api_expect(&fixture, 200, "GET", format(PREVIEW, id, "?offset=90&limit=99999"), NULL);
    api_assert_text(&fixture, &answer, "results", "[]");
    api_assert_text(&fixture, &answer, "page.totalCount", "90");
    api_assert_text(&fixture, &answer, "link", "");
    answer = api_expect(&fixture, 200, "GET", path, NULL);
    api_assert_text(&fixture, &answer, "links.prev", "");
    answer = api_expect(&fixture, 200, "GET",
                        format(PREVIEW, id, "?offset=9223372036854775807&limit=1000"), NULL);
    api_assert_text(&fixture, &answer, "results", "[]");
    api_assert_text(&fixture, &answer, "link", "");
    static const char *const bad[] = {"?limit=0", "?limit=-1", "?limit=x", "?offset=-1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        api_expect(&fixture, 400, "GET", format(PREVIEW, id, bad[i]), NULL);
}

static const mu_json *row_of(const api_answer *answer, const char *xid)
{
    const mu_json *rows = api_at(answer, "results");
    for (uint32_t i = 0; i < rows->n; i++)
        if (mu_str_equal(mu_json_member_string(&rows->items[i], MU_STR("objectId"), MU_STR("")),
                         mu_str_from(xid)))
            return &rows->items[i];
    return NULL;
}

/* Person 5 has a device: with a graph one profile of two identities, without one two profiles. */
static void the_graph_type_replaces_the_policys(void **state)
{
    (void)state;
    const char *rule = "xEvent[_id = \"link-5\"].count() > 0 or person.name.firstName = \"P5\"";
    const char *crm = townsfolk_crm_xid(&fixture, 5), *ecid = townsfolk_ecid_xid(&fixture, 5);
    static const char *const graphs[] = {"", ",\"graphType\":\"pdg\"", ",\"graphType\":null"};
    for (size_t i = 0; i < 3; i++) {
        const char *id = begin(rule, graphs[i]);
        finished(id);
        api_answer answer = api_expect(&fixture, 200, "GET", format(PREVIEW, id, ""), NULL);
        api_assert_text(&fixture, &answer, "page.totalCount", "1");
        const mu_json *row = row_of(&answer, crm);
        if (row == NULL)
            row = row_of(&answer, ecid);
        assert_non_null(row);
        const mu_json *related = mu_json_member(row, MU_STR("relatedObjects"));
        assert_int_equal(related->n, 1);
        mu_str href = mu_json_member_string(&related->items[0], MU_STR("_href"), MU_STR(""));
        assert_true(mu_str_find(href, MU_STR("/data/core/ups/models/profile/")) != SIZE_MAX);
    }
    assert_int_equal(size_of("homeAddress.city = \"Leeds\" or homeAddress.city = \"York\"",
                             ",\"graphType\":\"none\""),
                     N);
    const char *id = begin(rule, ",\"graphType\":\"none\"");
    finished(id);
    api_answer answer = api_expect(&fixture, 200, "GET", format(PREVIEW, id, ""), NULL);
    const mu_json *row = row_of(&answer, crm);
    assert_non_null(row);
    assert_int_equal(mu_json_member(row, MU_STR("relatedObjects"))->n, 0);
}

static void bad_requests_leave_nothing(void **state)
{
    static const struct {
        const char *body, *code;
    } cases[] = {
        {"", "UPAPI-119910-400"},
        {"[]", "UPAPI-119910-400"},
        {"{}", "UPAPI-119911-400"},
        {"{\"predicateExpression\":null}", "UPAPI-119911-400"},
        {"{\"predicateExpression\":\"\"}", "UPAPI-119911-400"},
        {"{\"predicateExpression\":7}", "UPAPI-119911-400"},
        {"{\"predicateExpression\":{}}", "UPAPI-119911-400"},
        {"{\"predicateExpression\":\"true\",\"predicateType\":\"ARL\"}", "UPAPI-119911-400"},
        {"{\"predicateExpression\":\"true\",\"predicateType\":[]}", "UPAPI-119911-400"},
        {"{\"predicateExpression\":\"true\",\"predicateModel\":\"xdm.model.house\"}",
         "UPAPI-119911-400"},
        {"{\"predicateExpression\":\"true\",\"graphType\":\"coop\"}", "UPAPI-119911-400"},
        {"{\"predicateExpression\":\"true\",\"mergePolicyId\":\"none\"}", "UPAPI-119911-400"},
        {"{\"predicateExpression\":\"no.such.field = 1\"}", "UPAPI-119913-400"},
        {"{\"predicateExpression\":\"inSegment(\\\"nobody\\\")\"}", "UPAPI-119913-400"},
        {"{\"predicateExpression\":\"{\",\"predicateType\":\"pql/json\"}", "UPAPI-119913-400"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        api_answer answer = api_expect(&fixture, 400, "POST", PREVIEW, cases[i].body);
        if (strstr(api_text(&fixture, &answer, "type"), cases[i].code) == NULL)
            fail_msg("%s: %s", cases[i].body, answer.body.ptr);
    }
    api_answer answer =
        api_expect(&fixture, 400, "POST", PREVIEW, "{\"predicateExpression\":7,\"graphType\":1}");
    assert_int_equal(api_at(&answer, "errors.400")->n, 2);
    uint32_t n;
    const mu_document *documents;
    mu_err err;
    assert_int_equal(mu_document_list(fixture.documents, &fixture.arena, MU_STR("prod"),
                                      MU_STR("preview"), &n, &documents, &err),
                     MU_OK);
    assert_int_equal(n, 0);
    static const char *const ids[] = {
        "x", "AAAA", "*", "MDphcHAtOjow", "%00", "d1e4cd0f-3f31-4b64-8d84-acd0c4fbdad3"};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        api_expect(&fixture, 404, "GET", format(PREVIEW, ids[i], ""), NULL);
        api_expect(&fixture, 404, "GET", format(ESTIMATE, ids[i], ""), NULL);
        api_expect(&fixture, 404, "DELETE", format(PREVIEW, ids[i], ""), NULL);
    }
    api_expect(&fixture, 405, "PUT", format(PREVIEW, "x", ""), NULL);
}

static void classes_without_records_are_empty(void **state)
{
    (void)state;
    api_answer answer = finished(
        begin("accountKey.sourceKey = \"a\"", ",\"predicateModel\":\"xdm.model.account\""));
    api_assert_text(&fixture, &answer, "state", "RESULT_READY");
    api_assert_text(&fixture, &answer, "totalRows", "0");
    api_assert_text(&fixture, &answer, "estimatedSize", "0");
    assert_int_equal(size_of("homeAddress.city = \"Leeds\"",
                             ",\"predicateModel\":\"_xdm.context.profile\",\"predicateType\":"
                             "\"PQL\""),
                     30);
    answer = api_expect(&fixture, 201, "POST", PREVIEW,
                        "{\"predicateType\":\"pql/json\",\"predicateExpression\":{\"nodeType\":"
                        "\"literal\",\"literalType\":\"Boolean\",\"value\":true}}");
    answer = finished(api_text(&fixture, &answer, "previewId"));
    api_assert_text(&fixture, &answer, "estimatedSize", "120");
}

static const char *define(const char *name, const char *rule, const char *more)
{
    api_answer answer = api_send(
        &fixture, "POST", "/data/core/ups/segment/definitions",
        mu_arena_format(&fixture.arena,
                        "{\"name\":\"%s\",\"expression\":{\"type\":\"PQL\",\"format\":\"pql/text\","
                        "\"value\":%s},\"schema\":{\"name\":\"_xdm.context.profile\"}%s}",
                        name, quoted(rule), more)
            .ptr);
    if (answer.status / 100 != 2)
        fail_msg("%u " MU_STR_FMT, answer.status, MU_STR_ARG(answer.body));
    return api_text(&fixture, &answer, "id");
}

static int64_t size_within(const char *id)
{
    return size_of(mu_arena_format(&fixture.arena, "inSegment(\"%s\")", id).ptr, "");
}

/* Decision 0202: no job has run, and yet. */
static void audiences_that_a_rule_names_are_evaluated(void **state)
{
    (void)state;
    const char *leeds = define("Leeds", "homeAddress.city = \"Leeds\"", "");
    const char *buyers = define(
        "Buyers",
        mu_arena_format(&fixture.arena,
                        "inSegment(\"%s\") and xEvent[eventType = \"commerce.purchases\"].count() "
                        "> 0",
                        leeds)
            .ptr,
        "");
    assert_int_equal(size_within(leeds), 30);
    assert_int_equal(size_within(buyers), 10);
    assert_int_equal(size_of("inSegment(\"Leeds\")", ""), 30);
    api_answer policy =
        api_expect(&fixture, 200, "POST", "/data/core/ups/config/mergePolicies",
                   "{\"name\":\"No graph\",\"schema\":{\"name\":"
                   "\"_xdm.context.profile\"},\"identityGraph\":{\"type\":\"none\"},"
                   "\"attributeMerge\":{\"type\":\"timestampOrdered\"}}");
    const char *other =
        define("Buyers without a graph", "xEvent[eventType = \"commerce.purchases\"].count() > 0",
               mu_arena_format(&fixture.arena, ",\"mergePolicyId\":\"%s\"",
                               api_text(&fixture, &policy, "id"))
                   .ptr);
    assert_int_equal(size_within(other), 40);
    assert_int_equal(
        size_of(
            mu_arena_format(&fixture.arena, "inSegment(\"%s\") and inSegment(\"%s\")", other, leeds)
                .ptr,
            ""),
        10);
    const char *idle =
        define("Idle", "homeAddress.city = \"York\"", ",\"lifecycleState\":\"inactive\"");
    assert_int_equal(size_within(idle), 0);
}

static void who_opted_out_is_not_estimated(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 40; i += 4)
        townsfolk_change(&fixture, i,
                         "{\"optOutConsentLevel\":{\"privacyOptOuts\":[{\"optOutType\":"
                         "\"general_opt_out\",\"optOutValue\":\"out\"}]}}");
    assert_int_equal(size_of("homeAddress.city = \"Leeds\"", ""), 20);
}

static void who_is_gone_drops_out(void **state)
{
    (void)state;
    const char *id = begin("homeAddress.city = \"Leeds\"", "");
    finished(id);
    townsfolk_erase(&fixture, 4);
    townsfolk_join(&fixture, 8, 12);  /* both are members */
    townsfolk_join(&fixture, 1, 116); /* the older one was none */
    api_answer answer = api_expect(&fixture, 200, "GET", format(PREVIEW, id, ""), NULL);
    api_assert_text(&fixture, &answer, "page.totalCount", "30");
    api_assert_text(&fixture, &answer, "page.size", "28");
    assert_null(row_of(&answer, townsfolk_crm_xid(&fixture, 4)));
    bool has_8 = row_of(&answer, townsfolk_crm_xid(&fixture, 8)) != NULL;
    bool has_12 = row_of(&answer, townsfolk_crm_xid(&fixture, 12)) != NULL;
    assert_true(has_8 != has_12);
    id = begin("homeAddress.city = \"Leeds\"", ",\"graphType\":\"none\"");
    finished(id);
    townsfolk_erase(&fixture, 16);
    answer = api_expect(&fixture, 200, "GET", format(PREVIEW, id, ""), NULL);
    assert_null(row_of(&answer, townsfolk_crm_xid(&fixture, 16)));
    assert_non_null(row_of(&answer, townsfolk_crm_xid(&fixture, 20)));
}

static void a_preview_outlives_the_server(void **state)
{
    (void)state;
    const char *id = begin("homeAddress.city = \"Leeds\"", ",\"graphType\":\"none\"");
    const char *gone = begin("homeAddress.city = \"York\"", "");
    api_expect(&fixture, 200, "DELETE", format(PREVIEW, gone, ""), NULL);
    api_fixture_restart(&fixture);
    api_answer answer = finished(id);
    api_assert_text(&fixture, &answer, "estimatedSize", "30");
    answer = api_expect(&fixture, 200, "GET", format(PREVIEW, id, ""), NULL);
    api_assert_text(&fixture, &answer, "page.totalCount", "30");
    assert_gone(gone);
}

static uint32_t stored(void)
{
    uint32_t n;
    const mu_document *documents;
    mu_err err;
    assert_int_equal(mu_document_list(fixture.documents, &fixture.arena, MU_STR("prod"),
                                      MU_STR("preview"), &n, &documents, &err),
                     MU_OK);
    return n;
}

static void a_preview_lives_for_a_day(void **state)
{
    (void)state;
    const char *id = begin("true", "");
    finished(id);
    api_fixture_advance(INT64_C(86400000) - 1);
    api_expect(&fixture, 200, "GET", format(PREVIEW, id, ""), NULL);
    api_fixture_advance(1);
    assert_gone(id);
    const char *second = begin("true", ""); /* the first one goes with it */
    assert_int_equal(stored(), 1);
    api_fixture_advance(INT64_C(86400000));
    api_fixture_restart(&fixture);
    assert_gone(second);
    for (int i = 0; i < 1000 && stored() > 0; i++)
        pause_ms(5);
    assert_int_equal(stored(), 0);
}

static void previews_belong_to_a_sandbox(void **state)
{
    (void)state;
    api_expect(&fixture, 201, "POST", "/data/foundation/sandbox-management/sandboxes",
               "{\"name\":\"dev\",\"title\":\"Dev\"}");
    const char *id = begin("true", "");
    finished(id);
    assert_int_equal(api_send_in(&fixture, "dev", "GET", format(PREVIEW, id, ""), NULL).status,
                     404);
    assert_int_equal(api_send_in(&fixture, "dev", "DELETE", format(PREVIEW, id, ""), NULL).status,
                     404);
    api_answer answer =
        api_send_in(&fixture, "dev", "POST", PREVIEW, "{\"predicateExpression\":\"true\"}");
    assert_int_equal(answer.status, 201);
    id = api_text(&fixture, &answer, "previewId");
    for (int i = 0; i < 1000; i++) {
        answer = api_send_in(&fixture, "dev", "GET", format(ESTIMATE, id, ""), NULL);
        assert_int_equal(answer.status, 200);
        if (strcmp(api_text(&fixture, &answer, "state"), "RUNNING") != 0)
            break;
        pause_ms(5);
    }
    api_assert_text(&fixture, &answer, "state", "RESULT_READY");
    api_assert_text(&fixture, &answer, "totalRows", "0");
}

/* -------- limits, and rules that take long -------- */

static int start_small(void **state)
{
    (void)state;
    const mu_api_options options = {.auth_mode = MU_AUTH_OPEN,
                                    .organization = MU_STR(API_FIXTURE_ORGANIZATION),
                                    .tenant = MU_STR("luma"),
                                    .settings = mu_audience_settings_default()};
    mu_api_options changed = options;
    changed.settings.previews_max = 3;
    changed.settings.preview_results_max = 5;
    api_fixture_start_with(&fixture, &changed);
    townsfolk_settle(&fixture);
    townsfolk_add(&fixture, 0, N);
    return 0;
}

static void the_oldest_previews_are_forgotten(void **state)
{
    const char *ids[5];
    char xids[8][30];
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        ids[i] = begin("homeAddress.city = \"York\"", i % 2 == 0 ? "" : ",\"graphType\":\"none\"");
        finished(ids[i]);
    }
    assert_gone(ids[0]);
    assert_gone(ids[1]);
    for (size_t i = 2; i < 5; i++)
        assert_int_equal(walk(format(PREVIEW, ids[i], ""), 2, xids, 8), 5);
    assert_int_equal(stored(), 3);
    api_answer answer = finished(ids[4]);
    api_assert_text(&fixture, &answer, "estimatedSize", "90");
}

/* Every three of a profile's many events: some tenths of a second per profile. */
#define SLOW                                                                                       \
    "xEvent.exists(eventType = \"x\" or xEvent.count() < 0) or (select A from xEvent, B from "     \
    "xEvent, C from xEvent where A._id = B._id and B._id = C._id and A._id != C._id).count() > 0"

static void slow_ones_end_when_they_are_told_to(void **state)
{
    const char *ids[3];
    (void)state;
    townsfolk_be_busy(&fixture, 20, 100);
    for (size_t i = 0; i < 3; i++)
        ids[i] = begin(SLOW, "");
    pause_ms(100);
    api_answer answer = api_expect(&fixture, 200, "GET", format(ESTIMATE, ids[0], ""), NULL);
    if (strcmp(api_text(&fixture, &answer, "state"), "RUNNING") != 0)
        fail_msg("the slow rule is too fast for this test: " MU_STR_FMT, MU_STR_ARG(answer.body));
    answer = api_expect(&fixture, 200, "GET", format(PREVIEW, ids[0], ""), NULL);
    api_assert_text(&fixture, &answer, "state", "RUNNING");
    api_assert_text(&fixture, &answer, "results", "[]");
    answer = api_expect(&fixture, 429, "POST", PREVIEW, "{\"predicateExpression\":\"true\"}");
    assert_int_equal(stored(), 3);
    char retry[10];
    assert_true(api_header(&answer, "Retry-After", retry, sizeof retry));
    api_expect(&fixture, 200, "DELETE", format(PREVIEW, ids[1], ""), NULL);
    assert_gone(ids[1]);
    time_t before = time(NULL);
    assert_int_equal(size_of("homeAddress.city = \"Leeds\"", ""), 30);
    api_expect(&fixture, 200, "DELETE", format(PREVIEW, ids[0], ""), NULL);
    api_fixture_restart(&fixture); /* one is under way */
    assert_true(time(NULL) - before < 60);
    answer = api_expect(&fixture, 200, "GET", format(ESTIMATE, ids[2], ""), NULL);
    api_assert_text(&fixture, &answer, "state", "RUNNING");
}

int main(void)
{
#define TEST(name)       cmocka_unit_test_setup_teardown(name, start, stop)
#define SMALL_TEST(name) cmocka_unit_test_setup_teardown(name, start_small, stop)
    const struct CMUnitTest tests[] = {
        TEST(a_preview_lives_from_post_to_delete),
        TEST(an_estimate_ends_with_the_exact_size),
        TEST(the_link_of_an_estimate_leads_to_the_preview),
        TEST(pages_are_walked_by_their_links),
        TEST(the_graph_type_replaces_the_policys),
        TEST(bad_requests_leave_nothing),
        TEST(classes_without_records_are_empty),
        TEST(audiences_that_a_rule_names_are_evaluated),
        TEST(who_opted_out_is_not_estimated),
        TEST(who_is_gone_drops_out),
        TEST(a_preview_outlives_the_server),
        TEST(a_preview_lives_for_a_day),
        TEST(previews_belong_to_a_sandbox),
        SMALL_TEST(the_oldest_previews_are_forgotten),
        SMALL_TEST(slow_ones_end_when_they_are_told_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
