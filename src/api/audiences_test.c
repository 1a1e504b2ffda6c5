/* audiences_test.c -- api.md 4, 5, 8 over HTTP: audiences made, listed, changed, deleted; the wire
 * checks 4, 5, 7 to 14 of its section 22. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/utf8.h"
#include "tests/support/api_fixture.h"
#include "tests/support/http_client.h"
#include "json/edit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define BASE     "/data/core/ups/audiences"
#define SEGMENTS "/data/core/ups/segment/definitions"
#define POLICIES "/data/core/ups/config/mergePolicies"
#define RULE                                                                                       \
    "{\"type\":\"PQL\",\"format\":\"pql/text\",\"value\":\"person.gender = \\\"female\\\"\"}"
#define NAMED(name, more) "{\"name\":\"" name "\",\"expression\":" RULE more "}"
#define EXTERNAL(name, id, more)                                                                   \
    "{\"name\":\"" name                                                                            \
    "\",\"type\":\"ExternalSegment\",\"namespace\":\"aam\",\"audienceId\":\"" id "\"" more "}"

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

static const char *format(const char *text, const char *value)
{
    mu_str around[2] = {mu_str_from(text), MU_STR("")};
    size_t at = mu_str_find(around[0], MU_STR("%"));
    around[1] = (mu_str){text + at + 1, around[0].len - at - 1};
    return mu_arena_format(&fixture.arena, MU_STR_FMT "%s" MU_STR_FMT, (int)at, text, value,
                           MU_STR_ARG(around[1]))
        .ptr;
}

static const char *path_of(const char *id)
{
    return mu_arena_format(&fixture.arena, BASE "/%s", id).ptr;
}

static const char *make(const char *body)
{
    api_answer answer = api_expect(&fixture, 201, "POST", BASE, body);
    return api_text(&fixture, &answer, "id");
}

static api_answer get(const char *id)
{
    return api_expect(&fixture, 200, "GET", path_of(id), NULL);
}

/* No answer ever has the literal null. */
static api_answer list(const char *query)
{
    api_answer answer = api_expect(&fixture, 200, "GET",
                                   mu_arena_format(&fixture.arena, BASE "%s", query).ptr, NULL);
    assert_true(mu_str_find(answer.body, MU_STR("null")) == SIZE_MAX);
    return answer;
}

static void assert_count(const char *query, const char *count)
{
    api_answer answer = list(query);
    if (strcmp(api_text(&fixture, &answer, "_page.totalCount"), count) != 0)
        fail_msg("%s: " MU_STR_FMT, query, MU_STR_ARG(answer.body));
}

static void assert_code(const api_answer *answer, const char *code, const char *inner)
{
    char status[16];
    snprintf(status, sizeof status, "errors.%u", answer->status);
    const mu_json *errors = api_at(answer, status);
    const char *type = api_text(&fixture, answer, "type");
    if (errors == NULL || errors->n == 0 || strstr(type, code) == NULL)
        fail_msg("no %s: " MU_STR_FMT, code, MU_STR_ARG(answer->body));
    for (uint32_t i = 0; i < errors->n; i++) {
        mu_str text;
        assert_int_equal(mu_json_text(&fixture.arena,
                                      mu_json_get(&errors->items[i], MU_STR("code")), &text, NULL),
                         MU_OK);
        assert_string_equal(text.ptr, inner);
    }
}

static void refused(const char *method, const char *path, const char *body, unsigned status,
                    const char *code, const char *inner)
{
    api_answer answer = api_send(&fixture, method, path, body);
    if (answer.status != status)
        fail_msg("%s %s %s: %u " MU_STR_FMT, method, path, body == NULL ? "" : body, answer.status,
                 MU_STR_ARG(answer.body));
    assert_code(&answer, code, inner);
}

static void bad_body(const char *body, const char *code)
{
    api_answer before = list("?limit=1");
    refused("POST", BASE, body, 400, code,
            strstr(code, "1199") == NULL ? "400" : format("\"%\"", code));
    api_answer after = list("?limit=1");
    assert_string_equal(api_text(&fixture, &before, "_page.totalCount"),
                        api_text(&fixture, &after, "_page.totalCount"));
}

/* -------- one audience -------- */

static void a_definition_is_made_with_everything_that_goes_without_saying(void **state)
{
    (void)state;
    api_answer a = api_expect(&fixture, 201, "POST", BASE,
                              NAMED("Women", ",\"description\":null,\"profileInstanceId\":\"\","
                                             "\"ansibleDataModel\":{\"a\":[1,null,{\"b\":null}]},"
                                             "\"custom\":{\"kept\":true},\"ttlInDays\":\"30\""));
    api_assert_text(&fixture, &a, "name", "Women");
    api_assert_text(&fixture, &a, "type", "SegmentDefinition");
    api_assert_text(&fixture, &a, "namespace", "AEPSegments");
    api_assert_text(&fixture, &a, "originName", "REAL_TIME_CUSTOMER_PROFILE");
    api_assert_text(&fixture, &a, "audienceId", api_text(&fixture, &a, "id"));
    api_assert_text(&fixture, &a, "schema.name", "_xdm.context.profile");
    api_assert_text(&fixture, &a, "expression", RULE);
    api_assert_text(&fixture, &a, "evaluationInfo",
                    "{\"batch\":{\"enabled\":true},\"continuous\":{\"enabled\":false},"
                    "\"synchronous\":{\"enabled\":false}}");
    api_assert_text(&fixture, &a, "dataGovernancePolicy", "{\"excludeOptOut\":true}");
    api_assert_text(&fixture, &a, "profileInstanceId", "ups");
    api_assert_text(&fixture, &a, "definedOn.0.$ref",
                    "https://ns.adobe.com/xdm/context/profile__union");
    api_assert_text(&fixture, &a, "dependencies", "[]");
    api_assert_text(&fixture, &a, "dependents", "[]");
    api_assert_text(&fixture, &a, "lifecycleState", "published");
    api_assert_text(&fixture, &a, "isSystem", "false");
    api_assert_text(&fixture, &a, "saveSegmentMembership", "true");
    api_assert_text(&fixture, &a, "state", "enabled");
    api_assert_text(&fixture, &a, "ansibleDataModel", "{\"a\":[1,{}]}");
    api_assert_text(&fixture, &a, "custom", "{\"kept\":true}");
    api_assert_text(&fixture, &a, "ttlInDays", "30");
    api_assert_text(&fixture, &a, "imsOrgId", API_FIXTURE_ORGANIZATION);
    api_assert_text(&fixture, &a, "sandbox.sandboxName", "prod");
    api_assert_text(&fixture, &a, "creationTime", "1767225600000");
    api_assert_text(&fixture, &a, "updateEpoch", "1767225600");
    api_assert_text(&fixture, &a, "evaluationReport.streaming.eligible", "true");
    assert_true(strlen(api_text(&fixture, &a, "createdBy")) > 0);
    assert_true(strlen(api_text(&fixture, &a, "mergePolicyId")) == 36);
    assert_null(api_at(&a, "description"));
    assert_null(api_at(&a, "metrics"));
    assert_true(mu_str_find(a.body, MU_STR("\"$hasEvents")) == SIZE_MAX);
    api_answer again = get(api_text(&fixture, &a, "id"));
    assert_true(mu_json_equal(&a.json, &again.json));
}

static void an_external_audience_is_found_by_its_own_id_too(void **state)
{
    (void)state;
    api_answer e = api_expect(&fixture, 201, "POST", BASE,
                              EXTERNAL("External", "test-1",
                                       ",\"lifecycle\":\"active\",\"datasetId\":"
                                       "\"6254cf3c97f8e31b639fb14d\",\"linkedAudienceRef\":"
                                       "{\"flowId\":\"f\"},\"audienceMeta\":{\"s\":\"A\"}"));
    api_assert_text(&fixture, &e, "type", "ExternalSegment");
    api_assert_text(&fixture, &e, "audienceId", "test-1");
    api_assert_text(&fixture, &e, "namespace", "aam");
    api_assert_text(&fixture, &e, "originName", "CUSTOM_UPLOAD");
    api_assert_text(&fixture, &e, "lifecycleState", "published");
    assert_null(api_at(&e, "lifecycle"));
    assert_null(api_at(&e, "expression"));
    assert_null(api_at(&e, "mergePolicyId"));
    const char *id = api_text(&fixture, &e, "id");
    api_answer by_own = get("test-1");
    api_assert_text(&fixture, &by_own, "id", id);
    refused("GET", format(SEGMENTS "/%", id), NULL, 404, "UPAPI-113000-404",
            "\"UPAPI-113000-404\"");
    refused("POST", BASE, EXTERNAL("Other", "test-1", ""), 400, "UPAPI-113434-400", "400");
    api_answer other = api_expect(&fixture, 201, "POST", BASE,
                                  "{\"name\":\"no type, no rule\",\"namespace\":\"AO\","
                                  "\"audienceId\":\"test-1\"}");
    api_assert_text(&fixture, &other, "type", "ExternalSegment");
    other = api_expect(&fixture, 201, "POST", BASE,
                       "{\"name\":\"short\",\"type\":\"ExternalAudience\"}");
    api_assert_text(&fixture, &other, "audienceId", api_text(&fixture, &other, "id"));
    api_assert_text(&fixture, &other, "namespace", "CustomerAudienceUpload");
    refused("GET", path_of("nobody"), NULL, 404, "UPAPI-113430-404", "404");
}

static void bodies_that_are_wrong_are_refused_and_leave_nothing(void **state)
{
    (void)state;
    const char *member = "UPLIB-101206-500", *rule = "UPAPI-113434-400";
    static const char *const not_of_type[] = {
        "{\"expression\":" RULE "}",
        NAMED("", ""),
        "{\"name\":7,\"expression\":" RULE "}",
        "{\"name\":null,\"expression\":" RULE "}",
        NAMED("x", ",\"description\":1"),
        NAMED("x", ",\"labels\":\"core/C1\""),
        NAMED("x", ",\"tags\":[1]"),
        NAMED("x", ",\"ttlInDays\":0"),
        NAMED("x", ",\"ttlInDays\":\"many\""),
        NAMED("x", ",\"ttlInDays\":366"),
        NAMED("x", ",\"schema\":{}"),
        NAMED("x", ",\"schema\":7"),
        NAMED("x", ",\"evaluationInfo\":{\"batch\":true}"),
        NAMED("x", ",\"evaluationInfo\":{\"batch\":{\"enabled\":\"yes\"}}"),
        NAMED("x", ",\"dataGovernancePolicy\":{\"excludeOptOut\":1}"),
        NAMED("x", ",\"linkedAudienceRef\":{\"flowId\":1}"),
        NAMED("x", ",\"overridePerformanceWarnings\":\"no\""),
        NAMED("x", ",\"mergePolicyId\":[]"),
        "{\"name\":\"x\",\"expression\":\"person.gender = 1\"}",
        "{\"name\":\"x\",\"expression\":{\"type\":\"PQL\"}}",
        "{\"name\":\"x\",\"expression\":{\"type\":1,\"value\":\"a=1\"}}",
        "{\"name\":\"x\",\"type\":\"ExternalSegment\",\"namespace\":\"\"}",
        "{\"name\":\"x\",\"type\":\"ExternalSegment\",\"audienceId\":\"\"}",
    };
    for (size_t i = 0; i < sizeof not_of_type / sizeof not_of_type[0]; i++)
        bad_body(not_of_type[i], member);
    static const char *const against_rules[] = {
        NAMED("x", ",\"type\":\"Segment\""),
        NAMED("x", ",\"lifecycleState\":\"deleted\""),
        NAMED("x", ",\"lifecycle\":\"archived\""),
        NAMED("x", ",\"lifecycleState\":\"Published\""),
        NAMED("x", ",\"namespace\":\"AAM\""),
        NAMED("x", ",\"schema\":\"_xdm.context.nothing\""),
        NAMED("x", ",\"mergePolicyId\":\"54669488-03ab-4e0d-a694-37fe49e32be8\""),
        NAMED("x", ",\"type\":\"ExternalSegment\""),
        NAMED("x", ",\"$hasEvents\":true"),
        "{\"name\":\"x\",\"type\":\"SegmentDefinition\"}",
        "{\"name\":\"x\",\"expression\":{\"type\":\"ARL\",\"value\":\"a\"}}",
        "{\"name\":\"x\",\"expression\":{\"format\":\"text\",\"value\":\"a\"}}",
        "{\"name\":\"x\",\"expression\":{\"type\":\"PQL\",\"value\":\"a = = 1\"}}",
        "{\"name\":\"x\",\"expression\":{\"type\":\"PQL\",\"value\":\"\"}}",
        "{\"name\":\"x\",\"expression\":{\"type\":\"PQL\",\"value\":\"inSegment(\\\"gone\\\")\"}}",
        "{\"name\":\"x\",\"expression\":{\"format\":\"pql/json\",\"value\":\"{}\"}}",
    };
    for (size_t i = 0; i < sizeof against_rules / sizeof against_rules[0]; i++)
        bad_body(against_rules[i], rule);
    bad_body(EXTERNAL("x", "y", ",\"datasetId\":\"nowhere\""), "UPLIB-101554-503");
    static const char *const no_object[] = {"", "{", "[]", "\"text\"", "12", "null"};
    for (size_t i = 0; i < sizeof no_object / sizeof no_object[0]; i++)
        bad_body(no_object[i], "UPAPI-119910-400");
}

/* Wire check 9. */
static void a_missing_name_is_told_in_three_messages(void **state)
{
    (void)state;
    api_answer answer = api_expect(&fixture, 400, "POST", BASE, "{\"expression\":" RULE "}");
    const mu_json *errors = api_at(&answer, "errors.400");
    assert_int_equal(errors->n, 3);
    assert_code(&answer, "UPLIB-101206-500", "400");
    api_assert_text(&fixture, &answer, "type", "https://ns.adobe.com/aep/errors/UPLIB-101206-500");
    api_assert_text(&fixture, &answer, "status", "400");
    api_assert_text(&fixture, &answer, "title",
                    api_text(&fixture, &answer, "errors.400.0.message"));
}

static void errors_in_rules_say_where(void **state)
{
    (void)state;
    api_answer answer =
        api_expect(&fixture, 400, "POST", BASE,
                   "{\"name\":\"x\",\"expression\":{\"type\":\"PQL\",\"value\":\"a = = 1\"}}");
    const char *message = api_text(&fixture, &answer, "errors.400.1.message");
    assert_true(mu_str_starts_with(mu_str_from(message), MU_STR("line 1:5 PQL-S01 ")));
    answer = api_expect(&fixture, 400, "POST", BASE,
                        "{\"name\":\"x\",\"expression\":{\"type\":\"PQL\",\"value\":\"inSegment("
                        "\\\"p\\\") and inSegment(\\\"q\\\")\"}}");
    assert_int_equal(api_at(&answer, "errors.400")->n, 3); /* all errors that binding finds */
}

static void expressions_are_told_in_one_order_with_what_else_they_have(void **state)
{
    (void)state;
    api_answer a = api_expect(&fixture, 201, "POST", BASE,
                              "{\"name\":\"order\",\"evaluationInfo\":{\"x\":1,\"continuous\":{"
                              "\"y\":2}},\"expression\":{\"meta\":\"m\",\"value\":"
                              "\"person.gender = \\\"male\\\"\"}}");
    api_assert_text(&fixture, &a, "expression",
                    "{\"type\":\"PQL\",\"format\":\"pql/text\",\"value\":\"person.gender = "
                    "\\\"male\\\"\",\"meta\":\"m\"}");
    api_assert_text(&fixture, &a, "evaluationInfo",
                    "{\"batch\":{\"enabled\":true},\"continuous\":{\"enabled\":false,\"y\":2},"
                    "\"synchronous\":{\"enabled\":false},\"x\":1}");
}

static void trees_are_taken_as_text_and_as_objects(void **state)
{
    (void)state;
    api_answer a = api_expect(
        &fixture, 201, "POST", BASE,
        "{\"name\":\"tree\",\"expression\":{\"type\":\"pql\",\"value\":{\"nodeType\":\"fnApply\","
        "\"fnName\":\"=\",\"params\":[{\"nodeType\":\"fieldLookup\",\"fieldName\":\"personID\"},"
        "{\"nodeType\":\"literal\",\"literalType\":\"Null\",\"value\":null}]}}}");
    api_assert_text(&fixture, &a, "expression.format", "pql/json");
    api_assert_text(&fixture, &a, "expression.type", "pql");
    const char *text = api_text(&fixture, &a, "expression.value");
    assert_true(strstr(text, "\"literalType\":\"Null\",\"value\":null}") != NULL);
}

/* -------- references -------- */

static const char *make_using(const char *name, const char *used)
{
    return make(mu_arena_format(&fixture.arena,
                                "{\"name\":\"%s\",\"expression\":{\"type\":\"PQL\",\"value\":"
                                "\"inSegment(\\\"%s\\\") and person.gender = \\\"male\\\"\"}}",
                                name, used)
                    .ptr);
}

static void references_are_shown_in_both_directions_and_forbid_deletion(void **state)
{
    (void)state;
    const char *a = make(NAMED("base audience", ""));
    const char *b = make_using("user of it", "base audience");
    api_answer user = get(b), used = get(a);
    api_assert_text(&fixture, &user, "dependencies", format("[\"%\"]", a));
    api_assert_text(&fixture, &used, "dependents", format("[\"%\"]", b));
    assert_true(strstr(api_text(&fixture, &user, "expression.value"), a) != NULL);
    refused("DELETE", path_of(a), NULL, 400, "UPAPI-113631-403", "400");
    refused("DELETE", format(SEGMENTS "/%", a), NULL, 400, "UPAPI-113631-403", "400");
    refused("PATCH", path_of(a),
            mu_arena_format(&fixture.arena,
                            "[{\"op\":\"add\",\"path\":\"/expression/value\",\"value\":"
                            "\"inSegment(\\\"%s\\\")\"}]",
                            b)
                .ptr,
            400, "UPAPI-113434-400", "400");
    api_answer still = get(a);
    assert_true(mu_json_equal(&used.json, &still.json));
    api_expect(&fixture, 204, "DELETE", path_of(b), NULL);
    api_expect(&fixture, 204, "DELETE", path_of(a), NULL);
    refused("DELETE", path_of(a), NULL, 404, "UPAPI-113430-404", "404");
    refused("GET", path_of(a), NULL, 404, "UPAPI-113430-404", "404");
}

static void a_deleted_audience_leaves_schedules_and_metrics(void **state)
{
    (void)state;
    const char *id = make(NAMED("leaving", ""));
    const mu_str json = mu_arena_format(
        &fixture.arena,
        "{\"id\":\"s\",\"name\":\"n\",\"state\":\"inactive\",\"type\":\"batch_segmentation\","
        "\"schedule\":\"0 0 1 * * ?\",\"properties\":{\"segments\":[\"other\",\"%s\"],\"k\":1}}",
        id);
    const mu_str metrics = mu_arena_format(&fixture.arena,
                                           "{\"type\":\"segmentation\",\"id\":\"%s\",\"data\":"
                                           "{\"totalProfiles\":3},\"updateEpoch\":1767225600}",
                                           id);
    const mu_document_edit edits[] = {
        {.action = MU_DOCUMENT_ADD, .kind = MU_STR("schedule"), .id = MU_STR("s"), .json = json},
        {.action = MU_DOCUMENT_ADD,
         .kind = MU_STR("audienceMetrics"),
         .id = mu_str_from(id),
         .json = metrics}};
    assert_int_equal(mu_document_edit_all(fixture.documents, MU_STR("prod"), 1, 2, edits, NULL),
                     MU_OK);
    api_fixture_restart(&fixture); /* those documents were written behind the server's back */
    api_answer before = get(id);
    api_assert_text(&fixture, &before, "metrics.data.totalProfiles", "3");
    api_assert_text(&fixture, &before, "baselineTime", "1767225600");
    assert_count("?property=metrics.data.totalProfiles==3", "1");
    api_expect(&fixture, 204, "DELETE", path_of(id), NULL);
    mu_document document;
    assert_int_equal(mu_document_get(fixture.documents, &fixture.arena, MU_STR("prod"),
                                     MU_STR("schedule"), MU_STR("s"), &document, NULL),
                     MU_OK);
    assert_true(mu_str_find(document.json, MU_STR("\"segments\":[\"other\"],\"k\":1")) != SIZE_MAX);
    assert_int_equal(mu_document_get(fixture.documents, &fixture.arena, MU_STR("prod"),
                                     MU_STR("audienceMetrics"), mu_str_from(id), &document, NULL),
                     MU_E_NOT_FOUND);
    const mu_document_edit gone = {
        .action = MU_DOCUMENT_REMOVE, .kind = MU_STR("schedule"), .id = MU_STR("s")};
    assert_int_equal(mu_document_edit_all(fixture.documents, MU_STR("prod"), 1, 1, &gone, NULL),
                     MU_OK);
    api_fixture_restart(&fixture);
}

/* -------- changes -------- */

static void patches_change_what_they_name(void **state)
{
    (void)state;
    const char *id = make(NAMED("patched", ""));
    api_fixture_advance(5000);
    api_answer a = api_expect(
        &fixture, 201, "PATCH", path_of(id),
        "[{\"op\":\"add\",\"path\":\"/description\",\"value\":\"d\"},"
        "{\"op\":\"add\",\"path\":\"linkedAudienceRef/flowId\",\"value\":\"f\"},"
        "{\"op\":\"add\",\"path\":\"/labels\",\"value\":[\"core/C1\"]},"
        "{\"op\":\"add\",\"path\":\"/labels/-\",\"value\":\"core/C2\"},"
        "{\"op\":\"replace\",\"path\":\"/evaluationInfo/continuous/enabled\",\"value\":true},"
        "{\"op\":\"test\",\"path\":\"/namespace\",\"value\":\"AEPSegments\"},"
        "{\"op\":\"add\",\"path\":\"/lifecycle\",\"value\":\"draft\"}]");
    api_assert_text(&fixture, &a, "description", "d");
    api_assert_text(&fixture, &a, "linkedAudienceRef", "{\"flowId\":\"f\"}");
    api_assert_text(&fixture, &a, "labels", "[\"core/C1\",\"core/C2\"]");
    api_assert_text(&fixture, &a, "evaluationInfo.continuous.enabled", "true");
    api_assert_text(&fixture, &a, "lifecycleState", "draft");
    api_assert_text(&fixture, &a, "creationTime", "1767225600000");
    api_assert_text(&fixture, &a, "updateTime", "1767225605000");
    a = api_expect(&fixture, 201, "PATCH", path_of(id),
                   "[{\"op\":\"remove\",\"path\":\"/description\"},"
                   "{\"op\":\"remove\",\"path\":\"/lifecycleState\"}]");
    assert_null(api_at(&a, "description"));
    api_assert_text(&fixture, &a, "lifecycleState", "published");
    a = api_expect(&fixture, 201, "PATCH", path_of(id),
                   "{\"description\":\"merged\",\"linkedAudienceRef\":{\"aoWorkflowId\":\"w\"},"
                   "\"labels\":null}");
    api_assert_text(&fixture, &a, "description", "merged");
    api_assert_text(&fixture, &a, "linkedAudienceRef", "{\"aoWorkflowId\":\"w\"}");
    assert_null(api_at(&a, "labels"));
    api_fixture_set_now(API_FIXTURE_NOW_MS);
}

static void patches_that_are_wrong_change_nothing(void **state)
{
    (void)state;
    const char *id = make(NAMED("steady", ""));
    api_answer before = get(id);
    static const char *const bad[] = {
        "[]",
        "[{\"op\":\"add\",\"path\":\"/id\",\"value\":\"x\"}]",
        "[{\"op\":\"add\",\"path\":\"audienceId\",\"value\":\"x\"}]",
        "[{\"op\":\"replace\",\"path\":\"/namespace\",\"value\":\"x\"}]",
        "[{\"op\":\"add\",\"path\":\"/type\",\"value\":\"ExternalSegment\"}]",
        "[{\"op\":\"add\",\"path\":\"/sandbox/sandboxName\",\"value\":\"x\"}]",
        "[{\"op\":\"add\",\"path\":\"/_etag\",\"value\":\"x\"}]",
        "[{\"op\":\"remove\",\"path\":\"/createdBy\"}]",
        "[{\"op\":\"add\",\"path\":\"/updateEpoch\",\"value\":1}]",
        "[{\"op\":\"add\",\"path\":\"/dependencies/-\",\"value\":\"x\"}]",
        "[{\"op\":\"add\",\"path\":\"/lifecycleState\",\"value\":\"deleted\"}]",
        "[{\"op\":\"add\",\"path\":\"/lifecycle\",\"value\":\"archived\"}]",
        "[{\"op\":\"add\",\"path\":\"/description\",\"value\":\"d\"},"
        "{\"op\":\"test\",\"path\":\"/name\",\"value\":\"other\"}]",
        "[{\"op\":\"move\",\"path\":\"/description\",\"from\":\"/name\"}]",
        "[{\"op\":\"add\",\"path\":\"\",\"value\":{}}]",
        "[{\"op\":\"add\",\"path\":\"/name/first\",\"value\":\"x\"}]",
        "[{\"op\":\"remove\",\"path\":\"/nothing\"}]",
        "[{\"op\":\"add\",\"path\":\"/description\"}]",
        "[7]",
        "[{\"op\":\"remove\",\"path\":\"/expression\"}]",
        "[{\"op\":\"add\",\"path\":\"/expression/value\",\"value\":\"a = = b\"}]",
        "{\"namespace\":\"other\"}",
        "{\"type\":\"ExternalSegment\"}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refused("PATCH", path_of(id), bad[i], 400, "UPAPI-113434-400", "400");
    refused("PATCH", path_of(id), "[{\"op\":\"remove\",\"path\":\"/name\"}]", 400,
            "UPLIB-101206-500", "400");
    refused("PATCH", path_of(id), "{\"name\":[]}", 400, "UPLIB-101206-500", "400");
    refused("PATCH", path_of(id), "\"x\"", 400, "UPAPI-119910-400", "\"UPAPI-119910-400\"");
    refused("PATCH", path_of("nobody"), "{\"description\":\"d\"}", 404, "UPAPI-113430-404", "404");
    api_answer after = get(id);
    assert_true(mu_json_equal(&before.json, &after.json));
}

/* Wire check 10. */
static void a_put_replaces_what_a_client_may_set(void **state)
{
    (void)state;
    const char *id = make(NAMED("whole", ",\"description\":\"d\",\"labels\":[\"core/C1\"]"));
    api_answer before = get(id);
    api_answer same = api_expect(&fixture, 201, "PUT", path_of(id),
                                 mu_arena_copy(&fixture.arena, before.body).ptr);
    api_assert_text(&fixture, &same, "description", "d");
    api_assert_text(&fixture, &same, "mergePolicyId", api_text(&fixture, &before, "mergePolicyId"));
    assert_string_not_equal(api_text(&fixture, &same, "_etag"),
                            api_text(&fixture, &before, "_etag"));
    api_answer less = api_expect(&fixture, 201, "PUT", path_of(id),
                                 NAMED("less", ",\"id\":\"other\",\"isSystem\":true"));
    api_assert_text(&fixture, &less, "id", id);
    api_assert_text(&fixture, &less, "name", "less");
    api_assert_text(&fixture, &less, "isSystem", "false");
    assert_null(api_at(&less, "description"));
    assert_null(api_at(&less, "labels"));
    refused("PUT", path_of(id), NAMED("x", ",\"namespace\":\"other\""), 400, "UPAPI-113434-400",
            "400");
    refused("PUT", path_of(id), NAMED("x", ",\"type\":\"ExternalAudience\""), 400,
            "UPAPI-113434-400", "400");
    refused("PUT", path_of(id), "{\"expression\":" RULE "}", 400, "UPLIB-101206-500", "400");
    refused("PUT", path_of("nobody"), NAMED("x", ""), 404, "UPAPI-113430-404", "404");
    refused("PUT", path_of(id), "[]", 400, "UPAPI-119910-400", "\"UPAPI-119910-400\"");
    api_answer after = get(id);
    assert_true(mu_json_equal(&less.json, &after.json));
}

static void an_external_audience_keeps_its_namespace_and_id(void **state)
{
    (void)state;
    const char *id = make(EXTERNAL("ext", "keeps-1", ""));
    api_answer a = api_expect(&fixture, 201, "PUT", path_of("keeps-1"),
                              "{\"name\":\"renamed\",\"audienceId\":\"other\",\"namespace\":"
                              "\"aam\",\"type\":\"ExternalAudience\"}");
    api_assert_text(&fixture, &a, "id", id);
    api_assert_text(&fixture, &a, "audienceId", "keeps-1");
    api_assert_text(&fixture, &a, "name", "renamed");
    refused("PATCH", path_of(id), "[{\"op\":\"add\",\"path\":\"/expression\",\"value\":" RULE "}]",
            400, "UPAPI-113434-400", "400");
    api_expect(&fixture, 204, "DELETE", path_of(id), NULL);
    refused("GET", path_of("keeps-1"), NULL, 404, "UPAPI-113430-404", "404");
}

/* -------- tags (wire check 12) -------- */

static api_answer send_with(const char *method, const char *path, const char *name,
                            const char *value, const char *body)
{
    return api_send_headers(&fixture, method, path,
                            mu_arena_format(&fixture.arena,
                                            "Authorization: Bearer t\r\nx-api-key: k\r\n"
                                            "x-gw-ims-org-id: " API_FIXTURE_ORGANIZATION "\r\n"
                                            "x-sandbox-name: prod\r\n%s: %s\r\n",
                                            name, value)
                                .ptr,
                            body == NULL ? MU_STR("") : mu_str_from(body));
}

static void what_the_other_service_made_can_be_deleted_here(void **state)
{
    (void)state;
    api_answer made =
        api_expect(&fixture, 200, "POST", "/data/core/ais/audiences?createAudienceMetaOnly=true",
                   "{\"name\":\"meta\",\"audienceId\":\"meta-1\",\"namespace\":"
                   "\"aam\",\"originName\":\"CUSTOM_UPLOAD\"}");
    const char *id = api_text(&fixture, &made, "id");
    api_answer shown = get(id);
    api_assert_text(&fixture, &shown, "dependencies", "[]");
    api_assert_text(&fixture, &shown, "isSystem", "false");
    const char *user = make_using("user of meta", "meta-1");
    refused("DELETE", path_of(id), NULL, 400, "UPAPI-113631-403", "400");
    api_expect(&fixture, 204, "DELETE", path_of(user), NULL);
    assert_int_equal(send_with("DELETE", path_of("meta-1"), "If-Match", "\"x\"", NULL).status, 412);
    api_expect(&fixture, 204, "DELETE", path_of("meta-1"), NULL);
    refused("GET", path_of(id), NULL, 404, "UPAPI-113430-404", "404");
    refused("DELETE", path_of(id), NULL, 404, "UPAPI-113430-404", "404");
}

static void tags_tell_versions_apart(void **state)
{
    (void)state;
    const char *id = make(NAMED("tagged", ""));
    api_answer first = get(id);
    char header[64];
    const char *etag = api_text(&fixture, &first, "_etag");
    assert_true(api_header(&first, "ETag", header, sizeof header));
    assert_string_equal(header, etag);
    unsigned counter, epoch;
    assert_int_equal(sscanf(etag, "\"%8x-0000-0200-0000-%8x0000\"", &counter, &epoch), 2);
    assert_int_equal(epoch, 1767225600u);
    assert_int_equal(strlen(etag), 38);
    assert_int_equal(send_with("GET", path_of(id), "If-None-Match", etag, NULL).status, 304);
    assert_int_equal(send_with("GET", path_of(id), "If-None-Match", "\"x\"", NULL).status, 200);
    const char *patch = "[{\"op\":\"add\",\"path\":\"/description\",\"value\":\"d\"}]";
    api_answer second = send_with("PATCH", path_of(id), "If-Match", etag, patch);
    assert_int_equal(second.status, 201);
    assert_string_not_equal(api_text(&fixture, &second, "_etag"), etag); /* in the same second */
    assert_true(api_header(&second, "ETag", header, sizeof header));
    api_assert_text(&fixture, &second, "_etag", header);
    api_answer stale = send_with("PATCH", path_of(id), "If-Match", etag, patch);
    assert_int_equal(stale.status, 412);
    assert_code(&stale, "UPAPI-119914-412", "\"UPAPI-119914-412\"");
    assert_int_equal(send_with("PUT", path_of(id), "If-Match", etag, NAMED("x", "")).status, 412);
    assert_int_equal(send_with("DELETE", path_of(id), "If-Match", etag, NULL).status, 412);
    const char *weak = mu_arena_format(&fixture.arena, "W/%s", header).ptr;
    assert_int_equal(send_with("PATCH", path_of(id), "If-Match", weak, patch).status, 412);
    const char *several = mu_arena_format(&fixture.arena, "\"x\", %s", header).ptr;
    assert_int_equal(send_with("PATCH", path_of(id), "If-Match", several, patch).status, 201);
    assert_int_equal(send_with("DELETE", path_of(id), "If-Match", "*", NULL).status, 204);
}

#define WRITERS 4
#define ROUNDS  8

typedef struct writer {
    const char *path;
    unsigned n_written, n_refused;
} writer;

/* One request on a connection of its own; the body in `body`, the tag in `etag` (64 bytes). */
static unsigned exchange(const char *method, const char *path, const char *more, const char *sent,
                         char *body, size_t size, char *etag)
{
    char request[1024];
    http_reply reply;
    int n =
        snprintf(request, sizeof request,
                 "%s %s HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer t\r\nx-api-key: k\r\n"
                 "x-gw-ims-org-id: o\r\nx-sandbox-name: prod\r\n%sContent-Length: %zu\r\n\r\n%s",
                 method, path, more, strlen(sent), sent);
    http_exchange(fixture.port, (mu_str){request, (size_t)n}, &reply);
    unsigned status = reply.status;
    snprintf(body, size, "%s", reply.body);
    if (etag != NULL && !http_reply_header(&reply, "ETag", etag, 64))
        etag[0] = '\0';
    http_reply_free(&reply);
    return status;
}

/* Reads, adds one to ttlInDays, and writes it back where nobody was faster. */
static void *write_one(void *context)
{
    writer *w = context;
    static __thread char body[16384];
    while (w->n_written < ROUNDS) {
        char etag[64], more[128], patch[128];
        if (exchange("GET", w->path, "", "", body, sizeof body, etag) != 200)
            return "not read";
        const char *days = strstr(body, "\"ttlInDays\":");
        if (days == NULL || etag[0] == '\0')
            return "no days or no tag";
        snprintf(more, sizeof more, "If-Match: %s\r\n", etag);
        snprintf(patch, sizeof patch, "[{\"op\":\"add\",\"path\":\"/ttlInDays\",\"value\":%ld}]",
                 strtol(days + strlen("\"ttlInDays\":"), NULL, 10) + 1);
        unsigned status = exchange("PATCH", w->path, more, patch, body, sizeof body, NULL);
        w->n_written += status == 201;
        w->n_refused += status == 412;
        if (status != 201 && status != 412)
            return "neither written nor refused";
    }
    return NULL;
}

static void writers_who_send_tags_lose_no_update(void **state)
{
    (void)state;
    const char *id = make(NAMED("counted", ",\"ttlInDays\":1"));
    writer writers[WRITERS];
    pthread_t threads[WRITERS];
    unsigned n_refused = 0;
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (writer){.path = path_of(id)};
        assert_int_equal(pthread_create(&threads[i], NULL, write_one, &writers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        void *complaint;
        pthread_join(threads[i], &complaint);
        if (complaint != NULL)
            fail_msg("%s", (const char *)complaint);
        n_refused += writers[i].n_refused;
    }
    print_message("%d updates, %u refused\n", WRITERS * ROUNDS, n_refused);
    api_answer after = get(id);
    assert_int_equal(api_at(&after, "ttlInDays")->integer, 1 + WRITERS * ROUNDS);
}

/* -------- lists (wire checks 4, 5, 7) -------- */

static int start_empty(void **state)
{
    start(state);
    for (int i = 0; i < 7; i++) {
        const char *body =
            mu_arena_format(
                &fixture.arena,
                "{\"name\":\"%s %d\",\"description\":\"Number %d ÄRGER\",\"expression\":" RULE
                ",\"labels\":[\"core/C%d\"],\"evaluationInfo\":{\"continuous\":{"
                "\"enabled\":%s}},\"parts\":[{\"key\":\"k%d\"},{\"key\":\"all\"}]}",
                i % 2 == 0 ? "even" : "Odd", i, i, i, i < 2 ? "true" : "false", i)
                .ptr;
        make(body);
        api_fixture_advance(i < 3 ? 1000 : 0);
    }
    make(EXTERNAL("e x t+1", "ext-1", ""));
    return 0;
}

/* The names of all pages that `_page.next` leads to. */
static const char *walk(const char *query)
{
    mu_buf names;
    mu_buf_init(&names, 1 << 16);
    const char *next = "0";
    int n_pages = 0;
    while (next[0] != '\0' && n_pages++ < 20) {
        api_answer page = list(mu_arena_format(&fixture.arena, "?start=%s&%s", next, query).ptr);
        const mu_json *children = api_at(&page, "children");
        for (uint32_t i = 0; i < children->n; i++) {
            mu_buf_add_str(&names,
                           mu_json_member_string(&children->items[i], MU_STR("name"), MU_STR("")));
            mu_buf_add_char(&names, ',');
        }
        next = api_text(&fixture, &page, "_page.next");
        const mu_json *link = api_at(&page, "_links.next.href");
        assert_true((next[0] == '\0') == (link == NULL));
        if (link == NULL)
            api_assert_text(&fixture, &page, "_links.next", "{}");
    }
    const char *out = mu_arena_copy(&fixture.arena, mu_buf_str(&names)).ptr;
    mu_buf_free(&names);
    return out;
}

static void pages_lead_through_all_of_them(void **state)
{
    (void)state;
    const char *all = "e x t+1,even 6,Odd 5,even 4,Odd 3,even 2,Odd 1,even 0,";
    assert_string_equal(walk("limit=2"), all);
    assert_string_equal(walk("limit=3"), all);
    assert_string_equal(walk("limit=100"), all);
    assert_string_equal(walk("limit=8"), all);
    api_answer page = list("?limit=2&start=1&property=type==SegmentDefinition");
    api_assert_text(&fixture, &page, "_page",
                    "{\"totalCount\":7,\"totalPages\":4,\"sortField\":\"creationTime\",\"sort\":"
                    "\"desc\",\"pageSize\":2,\"limit\":2,\"start\":1,\"next\":2}");
    api_assert_text(&fixture, &page, "_links.next.href",
                    "@/audiences?start=2&limit=2&totalCount=7&property=type%3D%3D"
                    "SegmentDefinition");
    page = list("?start=99");
    api_assert_text(&fixture, &page, "_page.pageSize", "0");
    api_assert_text(&fixture, &page, "_page.totalCount", "8");
    api_assert_text(&fixture, &page, "children", "[]");
    page = list("?start=9223372036854775807&limit=9999");
    api_assert_text(&fixture, &page, "_page.limit", "1000");
    api_assert_text(&fixture, &page, "children", "[]");
}

static void lists_are_sorted_as_asked(void **state)
{
    (void)state;
    assert_string_equal(walk("limit=3&sort=name:asc"),
                        "e x t+1,even 0,even 2,even 4,even 6,Odd 1,Odd 3,Odd 5,");
    assert_string_equal(walk("limit=3&sort=sort=name:desc"),
                        "Odd 5,Odd 3,Odd 1,even 6,even 4,even 2,even 0,e x t+1,");
    assert_string_equal(walk("sort=internalId"),
                        "even 0,Odd 1,even 2,Odd 3,even 4,Odd 5,even 6,e x t+1,");
    assert_string_equal(walk("sort=evaluationInfo.continuous.enabled:desc,name"),
                        "even 0,Odd 1,even 2,even 4,even 6,Odd 3,Odd 5,e x t+1,");
    assert_string_equal(walk("sort=description:asc&limit=4"),
                        "even 0,Odd 1,even 2,Odd 3,even 4,Odd 5,even 6,e x t+1,");
    assert_string_equal(walk("sort=updateTime:desc,name:desc"),
                        "Odd 5,Odd 3,even 6,even 4,e x t+1,even 2,Odd 1,even 0,");
    api_answer page = list("?sort=nothing:asc&limit=1"); /* ignored: by id */
    api_assert_text(&fixture, &page, "_page.sortField", "nothing");
    api_assert_text(&fixture, &page, "_page.totalCount", "8");
}

static void lists_are_filtered_as_asked(void **state)
{
    (void)state;
    assert_count("", "8");
    assert_count("?property=audienceId==ext-1", "1");
    assert_count("?property=property=audienceId==ext-1", "1");
    assert_count("?property=name==e+x+t%2B1", "1");
    assert_count("?property=name==even", "0");
    assert_count("?property=name!=even+0", "7");
    assert_count("?property=parts~key==k3", "1");
    assert_count("?property=parts~key==all", "7");
    assert_count("?property=parts~key!=k3", "7");
    assert_count("?property=labels==core/C4", "1");
    assert_count("?property=type==SegmentDefinition&property=labels!=core/C4", "6");
    assert_count("?property=evaluationInfo.continuous.enabled==true", "2");
    assert_count("?evaluationInfo.continuous.enabled=True", "2");
    assert_count("?evaluationInfo.batch.enabled=false&sort=name", "2");
    assert_count("?property=creationTime==1767225601000", "1");
    assert_count("?property=withMetrics==true", "8");
    assert_count("?property=isSystem==true", "0");
    assert_count("?property=isSystem==false", "8");
    assert_count("?property=sandbox.sandboxName==prod", "8");
    assert_count("?property=$hasEvents==false", "0");
    assert_count("?name=EVEN", "4");
    assert_count("?name=en+4", "1");
    assert_count("?description=%C3%A4rger", "7");
    assert_count("?entityType=_xdm.context.profile", "8");
    assert_count("?entityType=_xom.context.account", "0");
    assert_count("?segmentId=stray&status=&start=0", "8");
    api_answer one = list("?property=audienceId==ext-1");
    const char *policy = api_text(&fixture, &one, "children.0.mergePolicyId");
    assert_string_equal(policy, "");
    one = list("?property=type==SegmentDefinition&limit=1");
    policy = api_text(&fixture, &one, "children.0.mergePolicyId");
    assert_count(mu_arena_format(&fixture.arena, "?property=mergePolicyId==%s", policy).ptr, "7");
}

static void queries_that_are_wrong_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"limit=0",         "limit=-1",
                                      "limit=x",         "start=-1",
                                      "start=1.5",       "sort=name:up",
                                      "sort=:asc",       "property=name",
                                      "property=name=x", "property===x",
                                      "property=a~==x",  "property=~a==x",
                                      "sort=name:asc,,", "limit=99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refused("GET", mu_arena_format(&fixture.arena, BASE "?%s", bad[i]).ptr, NULL, 400,
                "UPAPI-119912-400", "\"UPAPI-119912-400\"");
}

/* -------- bulk-get (wire check 8) -------- */

static const char *bulk_body(uint32_t n, const char *first)
{
    mu_buf body;
    mu_buf_init(&body, 1 << 16);
    MU_BUF_ADD(&body, "{\"ids\":[");
    for (uint32_t i = 0; i < n; i++)
        mu_buf_add_format(&body, "%s{\"id\":\"%s%.0u\"}", i == 0 ? "" : ",", i == 0 ? first : "x",
                          i);
    MU_BUF_ADD(&body, "]}");
    const char *out = mu_arena_copy(&fixture.arena, mu_buf_str(&body)).ptr;
    mu_buf_free(&body);
    return out;
}

static void many_are_got_at_once(void **state)
{
    (void)state;
    api_answer page = list("?limit=1&property=type==SegmentDefinition");
    const char *id = api_text(&fixture, &page, "children.0.id");
    const char *const forms[] = {format("{\"ids\":[{\"id\":\"%\"},{\"id\":\"gone\"}]}", id),
                                 format("{\"ids\":[\"%\",\"gone\",\"gone\"]}", id),
                                 format("[{\"id\":\"%\"},{\"id\":\"gone\"}]", id),
                                 format("[\"%\",\"gone\"]", id)};
    const char *const paths[] = {BASE "/bulk-get", SEGMENTS "/bulk-get"};
    for (size_t p = 0; p < 2; p++) {
        for (size_t i = 0; i < 4; i++) {
            api_answer a = api_expect(&fixture, 207, "POST", paths[p], forms[i]);
            const mu_json *results = api_at(&a, "results");
            assert_int_equal(results->n, 2);
            assert_true(mu_str_equal(results->names[0], mu_str_from(id)));
            assert_true(
                mu_str_equal(mu_json_member_string(&results->items[0], MU_STR("id"), MU_STR("")),
                             mu_str_from(id)));
            api_assert_text(&fixture, &a, "results.gone.errors",
                            "{\"404\":[{\"code\":404,\"message\":\"Not found.\"}]}");
            assert_true(strlen(api_text(&fixture, &a, "results.gone.requestId")) > 0);
        }
        api_expect(&fixture, 207, "POST", paths[p], bulk_body(1, id));
        api_expect(&fixture, 207, "POST", paths[p], bulk_body(100, id));
        static const char *const none[] = {"{\"ids\":[]}", "{}", "[]", "{\"ids\":\"x\"}"};
        for (size_t i = 0; i < 4; i++)
            refused("POST", paths[p], none[i], 400, "UPAPI-113015-400", "\"UPAPI-113015-400\"");
        refused("POST", paths[p], bulk_body(101, id), 400, "UPAPI-113015-400",
                "\"UPAPI-113015-400\"");
        refused("POST", paths[p], "[7]", 400, "UPAPI-119911-400", "\"UPAPI-119911-400\"");
        refused("POST", paths[p], "7", 400, "UPAPI-119910-400", "\"UPAPI-119910-400\"");
        refused("POST", paths[p], "", 400, "UPAPI-119910-400", "\"UPAPI-119910-400\"");
    }
    refused("POST", BASE "/bulk-get", "[\"a\",\"b\"]", 404, "UPAPI-113000-404",
            "\"UPAPI-113000-404\"");
    api_answer a = api_expect(&fixture, 207, "POST", SEGMENTS "/bulk-get", "[\"a\",\"b\"]");
    assert_int_equal(api_at(&a, "results")->n, 2);
}

/* -------- merge policies -------- */

static void an_audience_on_the_default_policy_follows_it(void **state)
{
    (void)state;
    api_answer a = api_expect(&fixture, 201, "POST", BASE, NAMED("follows", ""));
    const char *first = api_text(&fixture, &a, "mergePolicyId"), *id = api_text(&fixture, &a, "id");
    const char *other = make(
        mu_arena_format(&fixture.arena, NAMED("names it", ",\"mergePolicyId\":\"%s\""), first).ptr);
    api_answer policy =
        api_expect(&fixture, 200, "POST", POLICIES,
                   "{\"name\":\"new\",\"default\":true,\"schema\":{\"name\":\"_xdm.context."
                   "profile\"},\"identityGraph\":{\"type\":\"none\"},\"attributeMerge\":{\"type\":"
                   "\"timestampOrdered\"}}");
    const char *second = api_text(&fixture, &policy, "id");
    a = get(id);
    api_assert_text(&fixture, &a, "mergePolicyId", second);
    a = get(other);
    api_assert_text(&fixture, &a, "mergePolicyId", second);
    a = api_expect(&fixture, 201, "PATCH", path_of(other),
                   format("{\"mergePolicyId\":\"%\"}", first));
    api_assert_text(&fixture, &a, "mergePolicyId", first);
    api_expect(&fixture, 200, "PATCH", mu_arena_format(&fixture.arena, POLICIES "/%s", first).ptr,
               "[{\"op\":\"add\",\"path\":\"/default\",\"value\":true}]");
    a = get(id);
    api_assert_text(&fixture, &a, "mergePolicyId", first);
}

/* -------- evaluation methods (A24) -------- */

#define COUNTS "{\"type\":\"PQL\",\"value\":\"xEvent[eventType = \\\"a\\\"].count() > 3\"}"

static void a_method_that_does_not_fit_is_kept_and_reported(void **state)
{
    (void)state;
    api_answer a = api_expect(&fixture, 201, "POST", BASE,
                              "{\"name\":\"counts\",\"expression\":" COUNTS
                              ",\"evaluationInfo\":{\"synchronous\":{\"enabled\":true}}}");
    api_assert_text(&fixture, &a, "evaluationInfo.synchronous.enabled", "true");
    api_assert_text(&fixture, &a, "evaluationInfo.batch.enabled", "false");
    api_assert_text(&fixture, &a, "evaluationReport.edge.eligible", "false");
    assert_true(strlen(api_text(&fixture, &a, "evaluationReport.edge.reason")) > 0);
    const char *warning = api_text(&fixture, &a, "evaluationReport.warnings.0");
    assert_true(mu_str_starts_with(mu_str_from(warning), MU_STR("PQL-V08 ")));
}

static int start_strict(void **state)
{
    (void)state;
    mu_api_options options = {.auth_mode = MU_AUTH_OPEN,
                              .organization = MU_STR(API_FIXTURE_ORGANIZATION),
                              .tenant = MU_STR("luma"),
                              .settings = mu_audience_settings_default()};
    options.settings.aep_guardrails = 1;
    options.settings.audiences_max = 4;
    options.settings.streaming_audiences_max = 1;
    options.settings.account_audiences_max = 1;
    options.settings.external_audiences = 0;
    options.settings.audience_versions_kept = 2;
    api_fixture_start_with(&fixture, &options);
    return 0;
}

static void with_guardrails_the_next_method_that_fits_is_stored(void **state)
{
    (void)state;
    api_answer a = api_expect(&fixture, 201, "POST", BASE,
                              "{\"name\":\"counts\",\"expression\":" COUNTS
                              ",\"evaluationInfo\":{\"synchronous\":{\"enabled\":true}}}");
    api_assert_text(&fixture, &a, "evaluationInfo",
                    "{\"batch\":{\"enabled\":true},\"continuous\":{\"enabled\":false},"
                    "\"synchronous\":{\"enabled\":false}}");
    api_assert_text(&fixture, &a, "evaluationReport.edge.eligible", "false");
    a = api_expect(&fixture, 201, "POST", BASE,
                   NAMED("fits", ",\"evaluationInfo\":{\"continuous\":{\"enabled\":true}}"));
    api_assert_text(&fixture, &a, "evaluationInfo.continuous.enabled", "true");
}

static void limits_that_are_switched_on_hold(void **state)
{
    (void)state;
    refused("POST", BASE,
            NAMED("second stream", ",\"evaluationInfo\":{\"continuous\":{\"enabled\":true}}"), 400,
            "UPAPI-119920-400", "\"UPAPI-119920-400\"");
    make(NAMED("account", ",\"schema\":{\"name\":\"_xom.context.account\"}"));
    refused("POST", BASE, NAMED("account 2", ",\"schema\":\"_xdm.context.account\""), 400,
            "UPAPI-119920-400", "\"UPAPI-119920-400\"");
    const char *id = make(NAMED("fourth", ""));
    refused("POST", BASE, NAMED("fifth", ""), 400, "UPAPI-119920-400", "\"UPAPI-119920-400\"");
    api_expect(&fixture, 201, "PATCH", path_of(id), "{\"description\":\"still editable\"}");
    refused("POST", BASE, EXTERNAL("e", "e", ""), 403, "UPAPI-113740-403", "403");
    assert_count("?entityType=_xdm.context.account", "1");
}

/* -------- versions -------- */

#define VERSIONS "/data/core/ups/muster/audiences/"

static const char *version_path(const char *id, const char *rest)
{
    return mu_arena_format(&fixture.arena, VERSIONS "%s/versions%s", id, rest).ptr;
}

static void every_version_is_kept_and_can_be_restored(void **state)
{
    (void)state;
    const char *id = make(NAMED("first name", ",\"description\":\"d\""));
    api_expect(&fixture, 201, "PUT", path_of(id), NAMED("second name", ""));
    api_answer a = api_expect(&fixture, 200, "GET", version_path(id, ""), NULL);
    assert_int_equal(api_at(&a, "versions")->n, 2);
    api_assert_text(&fixture, &a, "versions.0.version", "2");
    api_assert_text(&fixture, &a, "versions.0.isCurrent", "true");
    api_assert_text(&fixture, &a, "versions.1.name", "first name");
    a = api_expect(&fixture, 200, "GET", version_path(id, "/1"), NULL);
    api_assert_text(&fixture, &a, "description", "d");
    api_assert_text(&fixture, &a, "version", "1");
    assert_true(mu_str_find(a.body, MU_STR("$hasEvents")) == SIZE_MAX);
    a = api_expect(&fixture, 201, "POST", version_path(id, "/1/restore"), NULL);
    api_assert_text(&fixture, &a, "name", "first name");
    api_assert_text(&fixture, &a, "description", "d");
    a = api_expect(&fixture, 200, "GET", version_path(id, ""), NULL);
    api_assert_text(&fixture, &a, "versions.0.version", "3");
    static const char *const missing[] = {"/4", "/0", "/-1", "/x", "/99999999999999999999"};
    for (size_t i = 0; i < sizeof missing / sizeof missing[0]; i++) {
        refused("GET", version_path(id, missing[i]), NULL, 404, "UPAPI-113430-404", "404");
        refused("POST",
                mu_arena_format(&fixture.arena, "%s/restore", version_path(id, missing[i])).ptr,
                NULL, 404, "UPAPI-113430-404", "404");
    }
    refused("GET", version_path("nobody", ""), NULL, 404, "UPAPI-113430-404", "404");
    api_expect(&fixture, 204, "DELETE", path_of(id), NULL);
    refused("GET", version_path(id, "/1"), NULL, 404, "UPAPI-113430-404", "404");
}

static void a_version_that_is_no_longer_valid_is_not_restored(void **state)
{
    (void)state;
    const char *used = make(NAMED("used for a while", ""));
    const char *id = make_using("uses for a while", used);
    api_expect(&fixture, 201, "PUT", path_of(id), NAMED("uses nothing", ""));
    api_expect(&fixture, 204, "DELETE", path_of(used), NULL);
    refused("POST", version_path(id, "/1/restore"), NULL, 400, "UPAPI-113434-400", "400");
    api_answer a = get(id);
    api_assert_text(&fixture, &a, "name", "uses nothing");
}

static void only_so_many_versions_are_kept(void **state)
{
    (void)state;
    api_answer page = list("?limit=1");
    const char *id = api_text(&fixture, &page, "children.0.id");
    for (int i = 0; i < 3; i++)
        api_expect(&fixture, 201, "PATCH", path_of(id), "{\"description\":\"x\"}");
    api_answer a = api_expect(&fixture, 200, "GET", version_path(id, ""), NULL);
    assert_int_equal(api_at(&a, "versions")->n, 2);
    uint32_t n;
    const mu_document *documents;
    assert_int_equal(mu_document_list(fixture.documents, &fixture.arena, MU_STR("prod"),
                                      MU_STR("audienceVersion"), &n, &documents, NULL),
                     MU_OK);
    unsigned n_own = 0;
    for (uint32_t i = 0; i < n; i++)
        n_own += mu_str_starts_with(documents[i].id, mu_str_from(id));
    assert_int_equal(n_own, 2);
}

/* -------- the rest -------- */

static void audiences_outlive_a_restart(void **state)
{
    (void)state;
    const char *id = make(NAMED("lasting", ""));
    api_answer before = get(id);
    api_fixture_restart(&fixture);
    api_answer after = get(id);
    assert_true(mu_json_equal(&before.json, &after.json));
}

static void hostile_texts_are_only_texts(void **state)
{
    (void)state;
    const char *id =
        make("{\"name\":\"\\u0000'; DROP TABLE x; --\\ud83d\\ude00\",\"expression\":" RULE
             ",\"tags\":[\"<script>\",\"\\u202e\"],\"\":{\"a.b\":\"c\"}}");
    api_answer a = get(id);
    const mu_json *name = api_at(&a, "name");
    assert_int_equal(name->string.ptr[0], 0);
    api_expect(&fixture, 404, "GET", BASE "/%00", NULL);
    api_expect(&fixture, 404, "GET", BASE "/..%2f..%2fetc%2fpasswd", NULL);
    char long_path[3000];
    memset(long_path, 'x', sizeof long_path);
    memcpy(long_path, BASE "/", strlen(BASE "/"));
    long_path[sizeof long_path - 1] = '\0';
    api_expect(&fixture, 404, "GET", long_path, NULL);
    api_expect(&fixture, 405, "POST", path_of(id), "{}");
    for (int shift = 0; shift < 3; shift++) { /* an error that does not fit is cut */
        mu_buf body;
        mu_buf_init(&body, 1 << 16);
        mu_buf_add_format(&body, "[{\"op\":\"remove\",\"path\":\"/%.*s", shift, "xx");
        for (int i = 0; i < 700; i++)
            MU_BUF_ADD(&body, "\xe2\x82\xac");
        MU_BUF_ADD(&body, "\"}]");
        mu_buf_add_char(&body, '\0');
        a = api_expect(&fixture, 400, "PATCH", path_of(id), body.ptr);
        assert_true(mu_utf8_valid(a.body) && a.json.kind == MU_JSON_OBJECT);
        mu_buf_free(&body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_definition_is_made_with_everything_that_goes_without_saying),
        cmocka_unit_test(an_external_audience_is_found_by_its_own_id_too),
        cmocka_unit_test(bodies_that_are_wrong_are_refused_and_leave_nothing),
        cmocka_unit_test(a_missing_name_is_told_in_three_messages),
        cmocka_unit_test(errors_in_rules_say_where),
        cmocka_unit_test(expressions_are_told_in_one_order_with_what_else_they_have),
        cmocka_unit_test(trees_are_taken_as_text_and_as_objects),
        cmocka_unit_test(references_are_shown_in_both_directions_and_forbid_deletion),
        cmocka_unit_test(a_deleted_audience_leaves_schedules_and_metrics),
        cmocka_unit_test(patches_change_what_they_name),
        cmocka_unit_test(patches_that_are_wrong_change_nothing),
        cmocka_unit_test(a_put_replaces_what_a_client_may_set),
        cmocka_unit_test(an_external_audience_keeps_its_namespace_and_id),
        cmocka_unit_test(what_the_other_service_made_can_be_deleted_here),
        cmocka_unit_test(tags_tell_versions_apart),
        cmocka_unit_test(writers_who_send_tags_lose_no_update),
        cmocka_unit_test(an_audience_on_the_default_policy_follows_it),
        cmocka_unit_test(a_method_that_does_not_fit_is_kept_and_reported),
        cmocka_unit_test(every_version_is_kept_and_can_be_restored),
        cmocka_unit_test(a_version_that_is_no_longer_valid_is_not_restored),
        cmocka_unit_test(hostile_texts_are_only_texts),
        cmocka_unit_test(audiences_outlive_a_restart),
    };
    const struct CMUnitTest lists[] = {
        cmocka_unit_test(pages_lead_through_all_of_them),
        cmocka_unit_test(lists_are_sorted_as_asked),
        cmocka_unit_test(lists_are_filtered_as_asked),
        cmocka_unit_test(queries_that_are_wrong_are_refused),
        cmocka_unit_test(many_are_got_at_once),
    };
    const struct CMUnitTest strict[] = {
        cmocka_unit_test(with_guardrails_the_next_method_that_fits_is_stored),
        cmocka_unit_test(limits_that_are_switched_on_hold),
        cmocka_unit_test(only_so_many_versions_are_kept),
    };
    int n_failed = cmocka_run_group_tests(tests, start, stop);
    n_failed += cmocka_run_group_tests(lists, start_empty, stop);
    return n_failed + cmocka_run_group_tests(strict, start_strict, stop);
}
