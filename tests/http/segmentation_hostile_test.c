/* segmentation_hostile_test.c -- what nobody should send to the segmentation service: members of
 * the wrong type or missing, ids that are no ids, texts made to break something, trees too deep,
 * lists too long. Each is refused with a 4xx, and what there was is there unchanged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/utf8.h"
#include "http/http_int.h"
#include "tests/support/luma_server.h"
#include "json/edit.h"

#include <stdio.h>
#include <time.h>

#define UPS         "/data/core/ups"
#define AIS         "/data/core/ais"
#define DEFINITIONS UPS "/segment/definitions"
#define SCHEDULES   UPS "/config/schedules"
#define RULE        "person.name.firstName = \\\"x\\\""
#define EXPRESSION  "{\"type\":\"PQL\",\"format\":\"pql/text\",\"value\":\"" RULE "\"}"
#define PROFILE     "{\"name\":\"_xdm.context.profile\"}"
#define OF_SEARCH   "?schema.name=_xdm.context.segmentdefinition&namespace=AEPSegments"
#define EXPORT_WITH(more)                                                                          \
    "{\"destination\":{\"datasetId\":\"9261ceef0b969e70ac20f151\"},\"schema\":{\"name\":\"_xdm."   \
    "context.profile\"}" more "}"
#define SCHEDULE(cron)                                                                             \
    "{\"name\":\"x\",\"type\":\"batch_segmentation\",\"properties\":{\"segments\":[\"*\"]},"       \
    "\"schedule\":\"" cron "\"}"
#define EXTERNAL                                                                                   \
    "{\"name\":\"New\",\"originName\":\"CUSTOM_UPLOAD\",\"fields\":[{\"name\":\"email\",\"type\":" \
    "\"string\",\"identityNs\":\"email\"}],\"sourceSpec\":{\"params\":{\"path\":\"a.csv\","        \
    "\"type\":\"file\"}}}"
#define DATASET "9261ceef0b969e70ac20f151"
#define HEADERS                                                                                    \
    "Authorization: Bearer t\r\nx-api-key: k\r\nx-gw-ims-org-id: " LUMA_SERVER_ORGANIZATION        \
    "\r\nx-sandbox-name: prod\r\nContent-Type: application/json\r\n"

static api_fixture fixture;

/* -------- what there is -------- */

static struct {
    const char *name, *id;
} known[16];
static size_t n_known;

/* The text with each <name> replaced by the id of that object. */
static const char *filled(const char *text)
{
    mu_buf buf;
    mu_buf_init(&buf, SIZE_MAX);
    while (*text != '\0') {
        size_t len = *text == '<' ? strcspn(text, ">") : 0, i = 0;
        while (i < n_known && (len == 0 || strlen(known[i].name) != len - 1 ||
                               memcmp(known[i].name, text + 1, len - 1) != 0))
            i++;
        if (i == n_known) {
            mu_buf_add_char(&buf, *text++);
            continue;
        }
        mu_buf_add_str(&buf, mu_str_from(known[i].id));
        text += len + 1;
    }
    mu_str copy = mu_arena_copy(&fixture.arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return copy.ptr;
}

static void keep(const char *name, unsigned status, const char *path, const char *body,
                 const char *member)
{
    api_answer answer = api_expect(&fixture, status, "POST", path, filled(body));
    assert_true(n_known < sizeof known / sizeof known[0]);
    known[n_known].name = name;
    known[n_known++].id = api_text(&fixture, &answer, member);
}

static void wait_for(const char *path, const char *member, const char *end)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    for (int i = 0; i < 2000; i++) {
        api_answer answer = api_expect(&fixture, 200, "GET", filled(path), NULL);
        if (strcmp(api_text(&fixture, &answer, member), end) == 0)
            return;
        nanosleep(&pause, NULL);
    }
    fail_msg("%s never is %s", filled(path), end);
}

static int start(void **state)
{
    (void)state;
    api_fixture_start(&fixture);
    luma_server_fill(&fixture);
    keep("definition", 200, DEFINITIONS,
         "{\"name\":\"Used\",\"schema\":" PROFILE ",\"expression\":" EXPRESSION "}", "id");
    keep("user", 200, DEFINITIONS,
         "{\"name\":\"User\",\"schema\":" PROFILE ",\"expression\":{\"type\":\"PQL\",\"format\":"
         "\"pql/text\",\"value\":\"inSegment(\\\"<definition>\\\")\"}}",
         "id");
    keep("external", 201, UPS "/audiences",
         "{\"name\":\"External\",\"type\":\"ExternalSegment\",\"namespace\":\"AO\","
         "\"audienceId\":\"theirs\"}",
         "id");
    keep("job", 200, UPS "/segment/jobs", "[{\"segmentId\":\"<definition>\"}]", "id");
    wait_for(UPS "/segment/jobs/<job>", "status", "SUCCEEDED");
    keep("export", 200, UPS "/export/jobs",
         "{\"destination\":{\"datasetId\":\"" DATASET "\"},\"schema\":" PROFILE "}", "id");
    wait_for(UPS "/export/jobs/<export>", "status", "SUCCEEDED");
    keep("preview", 201, UPS "/preview", "{\"predicateExpression\":\"" RULE "\"}", "previewId");
    wait_for(UPS "/preview/<preview>", "state", "RESULT_READY");
    keep("schedule", 200, SCHEDULES,
         "{\"name\":\"Nightly\",\"type\":\"batch_segmentation\",\"properties\":{\"segments\":[\"<"
         "definition>\"]},\"schedule\":\"0 0 1 * * ?\"}",
         "id");
    keep("operation", 202, AIS "/external-audience", EXTERNAL, "operationId");
    wait_for(AIS "/external-audience/operations/<operation>", "status", "SUCCESS");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    api_fixture_stop(&fixture);
    return 0;
}

/* Everything that can be listed. */
static mu_str witness(void)
{
    static const char *const lists[] = {
        UPS "/audiences?limit=1000",   DEFINITIONS "?limit=1000", UPS "/segment/jobs?limit=1000",
        UPS "/export/jobs?limit=1000", SCHEDULES "?limit=1000",   UPS "/muster/folders",
    };
    mu_buf buf;
    mu_buf_init(&buf, SIZE_MAX);
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        api_answer answer = api_expect(&fixture, 200, "GET", lists[i], NULL);
        mu_buf_add_str(&buf, answer.body);
    }
    mu_str copy = mu_arena_copy(&fixture.arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return copy;
}

static void assert_unchanged(mu_str before, const char *what)
{
    mu_str after = witness();
    if (!mu_str_equal(before, after))
        fail_msg("%s changed something:\n" MU_STR_FMT "\n" MU_STR_FMT, what, MU_STR_ARG(before),
                 MU_STR_ARG(after));
}

/* -------- what every answer must be -------- */

static api_answer throw(const char *method, const char *path, mu_str body)
{
    api_answer answer = api_send_headers(&fixture, method, path, HEADERS, body);
    if (answer.status < 200 || answer.status >= 500)
        fail_msg("%s %.200s with %.*s: %u " MU_STR_FMT, method, path,
                 (int)(body.len < 300 ? body.len : 300), body.ptr, answer.status,
                 MU_STR_ARG(answer.body));
    if (!mu_utf8_valid(answer.body))
        fail_msg("%s %.200s: %u is no UTF-8: " MU_STR_FMT, method, path, answer.status,
                 MU_STR_ARG(answer.body));
    return answer;
}

static void expect_refused(const char *method, const char *path, mu_str body, const char *what)
{
    api_answer answer = throw(method, path, body);
    if (answer.status < 400)
        fail_msg("%s %.200s took %s with %u: %.*s", method, path, what, answer.status,
                 (int)(body.len < 300 ? body.len : 300), body.ptr);
    /* What is too long for a request line is refused before it is one. */
    if (answer.status != 414 && answer.json.kind != MU_JSON_OBJECT)
        fail_msg("%s %.200s: %u without JSON: " MU_STR_FMT, method, path, answer.status,
                 MU_STR_ARG(answer.body));
}

/* -------- endpoints with bodies -------- */

/* A letter for each JSON type that a member may have: T text, F flag, N integer, O object, L list;
 * `*` in front: it must be there. */
typedef struct member {
    const char *path, *kinds; /* "expression.value" */
} member;

typedef struct endpoint {
    const char *method, *path, *body; /* a body that would be taken */
    member members[24];
} endpoint;

#define AUDIENCE_MEMBERS                                                                           \
    {"description", "T"}, {"labels", "L"}, {"tags", "L"}, {"lifecycleState", "T"},                 \
        {"ttlInDays", "NT"}, {"saveSegmentMembership", "F"}, {"originName", "T"},                  \
        {"linkedAudienceRef", "O"}, {"audienceMeta", "O"}, {"sourceId", "T"}, {"datasetId", "T"},  \
        {"ansibleDataModel", "O"},                                                                 \
    {                                                                                              \
        "ansibleUiEnabled", "F"                                                                    \
    }
#define RULE_MEMBERS                                                                               \
    {"schema", "OT"}, {"expression.value", "*TO"}, {"expression.type", "T"},                       \
        {"expression.format", "T"}, {"evaluationInfo", "O"}, {"evaluationInfo.batch", "O"},        \
        {"evaluationInfo.batch.enabled", "F"}, {"mergePolicyId", "T"},                             \
        {"dataGovernancePolicy", "O"},                                                             \
    {                                                                                              \
        "profileInstanceId", "T"                                                                   \
    }
#define ASKED_MEMBERS                                                                              \
    {"asOf", ""}, {"now", ""},                                                                     \
    {                                                                                              \
        "limit", "N"                                                                               \
    }
#define NEW(name) "{\"name\":\"" name "\",\"schema\":" PROFILE ",\"expression\":" EXPRESSION "}"

#define EXPORT EXPORT_WITH("")
static const endpoint endpoints[] = {
    {"POST",
     UPS "/audiences",
     "{\"name\":\"New\",\"type\":\"SegmentDefinition\",\"expression\":" EXPRESSION "}",
     {{"name", "*T"}, {"expression", "*O"}, {"type", "T"}, RULE_MEMBERS}},
    {"POST",
     UPS "/audiences",
     "{\"name\":\"New\",\"type\":\"ExternalSegment\",\"audienceId\":\"new\",\"namespace\":\"AO\"}",
     {{"name", "*T"}, {"audienceId", "T"}, {"namespace", "T"}, AUDIENCE_MEMBERS}},
    {"PUT", UPS "/audiences/<definition>", NEW("Used"), {{"name", "*T"}, RULE_MEMBERS}},
    {"PUT",
     UPS "/audiences/<external>",
     "{\"name\":\"External\"}",
     {{"name", "*T"}, {"namespace", ""}, AUDIENCE_MEMBERS}},
    {"PATCH", UPS "/audiences/<definition>", "{}", {{"name", "T"}, AUDIENCE_MEMBERS}},
    {"PATCH", DEFINITIONS "/<definition>", "{}", {{"name", "T"}, AUDIENCE_MEMBERS}},
    {"PATCH", DEFINITIONS "/<definition>", "{\"expression\":" EXPRESSION "}", {RULE_MEMBERS}},
    {"POST",
     DEFINITIONS,
     NEW("New"),
     {{"name", "*T"}, {"expression", "*O"}, {"payloadSchema", "T"}, RULE_MEMBERS}},
    {"POST", DEFINITIONS, NEW("New"), {AUDIENCE_MEMBERS}},
    {"POST",
     UPS "/segment/conversion",
     "{\"expression\":" EXPRESSION "}",
     {{"expression", "*O"},
      {"expression.value", "*TO"},
      {"expression.type", "T"},
      {"expression.format", "T"},
      {"name", "T"},
      {"description", "T"},
      {"schema", "OT"},
      {"ttlInDays", "NT"}}},
    {"POST", UPS "/audiences/bulk-get", "{\"ids\":[{\"id\":\"<definition>\"}]}", {{"ids", "*L"}}},
    {"POST", DEFINITIONS "/bulk-get", "{\"ids\":[{\"id\":\"<definition>\"}]}", {{"ids", "*L"}}},
    {"POST",
     UPS "/segment/jobs",
     "{\"segments\":[{\"segmentId\":\"<definition>\"}]}",
     {{"segments", "*L"}, {"schema", "OT"}, {"name", "T"}}},
    {"POST", UPS "/segment/jobs/bulk-get", "{\"ids\":[{\"id\":\"<job>\"}]}", {{"ids", "*L"}}},
    {"POST",
     UPS "/export/jobs",
     EXPORT,
     {{"destination.datasetId", "*T"},
      {"schema", "*O"},
      {"schema.name", "*T"},
      {"destination", "*O"},
      {"destination.segmentPerBatch", "F"},
      {"fields", "T"},
      {"mergePolicy", "O"},
      {"mergePolicy.id", "T"},
      {"filter", "O"},
      {"filter.segments", "L"},
      {"filter.segmentQualificationTime", "O"},
      {"filter.fromIngestTimestamp", ""},
      {"filter.emptyProfiles", "F"},
      {"additionalFields", "O"},
      {"additionalFields.eventList", "O"}}},
    {"POST",
     UPS "/preview",
     "{\"predicateExpression\":\"" RULE "\"}",
     {{"predicateExpression", "*T"},
      {"predicateType", "T"},
      {"predicateModel", "T"},
      {"graphType", "T"},
      {"mergePolicyId", "T"}}},
    {"POST",
     SCHEDULES,
     "{\"name\":\"New\",\"type\":\"batch_segmentation\",\"properties\":{\"segments\":[\"*\"]},"
     "\"schedule\":\"0 0 1 * * ?\"}",
     {{"name", "*T"},
      {"type", "*"},
      {"properties", "*"},
      {"properties.segments", "*L"},
      {"schedule", ""},
      {"state", ""}}},
    {"PATCH",
     SCHEDULES "/<schedule>",
     "[{\"op\":\"add\",\"path\":\"/state\",\"value\":\"inactive\"}]",
     {{NULL, NULL}}},
    {"POST",
     SCHEDULES "/add-audiences",
     "{\"id\":\"<schedule>\",\"segments\":[\"<user>\"]}",
     {{"id", "*"}, {"segments", "*L"}}},
    {"POST",
     SCHEDULES "/remove-audiences",
     "{\"id\":\"<schedule>\",\"segments\":[\"<user>\"]}",
     {{"id", "*"}, {"segments", "*L"}}},
    {"POST", SCHEDULES "/audience-map", "{\"segments\":[\"<definition>\"]}", {{"segments", "*"}}},
    {"POST", SCHEDULES "/trigger", "{\"id\":\"none\"}", {{"id", "*"}}},
    {"POST",
     AIS "/external-audience",
     EXTERNAL,
     {{"name", "*T"},
      {"description", "T"},
      {"customAudienceId", "T"},
      {"fields", "*"},
      {"sourceSpec", "*"},
      {"sourceSpec.params.path", "*T"},
      {"sourceSpec.params.type", "*"},
      {"ttlInDays", ""},
      {"audienceType", ""},
      {"originName", "*T"},
      {"namespace", "T"},
      {"labels", "L"},
      {"tags", "L"}}},
    {"PATCH",
     AIS "/external-audience/<external>",
     "{}",
     {{"description", "T"}, {"labels", "L"}, {"fields", "L"}, {"ttlInDays", ""}, {"name", ""}}},
    {"POST",
     AIS "/external-audience/<external>/runs",
     "{\"dataFilterStartTime\":1}",
     {{"dataFilterStartTime", "*"}, {"dataFilterEndTime", ""}, {"differentialIngestion", ""}}},
    {"POST",
     AIS "/audiences?createAudienceMetaOnly=true",
     "{\"name\":\"x\",\"namespace\":\"AO\",\"originName\":\"x\",\"audienceId\":\"x\"}",
     {{"name", "*T"},
      {"audienceId", "*T"},
      {"namespace", "*T"},
      {"originName", "*T"},
      {"description", "T"}}},
    {"POST",
     UPS "/muster/diff",
     "{\"expression\":" EXPRESSION "}",
     {ASKED_MEMBERS,
      {"expression", "*O"},
      {"expression.value", "*TO"},
      {"expression.format", "T"},
      {"mergePolicyId", "T"},
      {"segmentId", "T"},
      {"dataGovernancePolicy", "O"},
      {"dataGovernancePolicy.excludeOptOut", "F"}}},
    {"POST",
     UPS "/muster/evaluate",
     "{\"segments\":[\"<definition>\"]}",
     {ASKED_MEMBERS, {"segments", "*"}}},
    {"POST",
     UPS "/muster/overlap",
     "{\"segments\":[\"<definition>\",\"<user>\"]}",
     {ASKED_MEMBERS, {"segments", "*"}}},
    {"POST",
     UPS "/muster/explain",
     "{\"segmentId\":\"<definition>\",\"entityId\":\"none\"}",
     {{"asOf", ""},
      {"now", ""},
      {"entityId", "*"},
      {"entityIdNS", "T"},
      {"segmentId", "T"},
      {"mergePolicyId", "T"}}},
    {"POST",
     UPS "/muster/folders",
     "{\"name\":\"Summer\"}",
     {{"name", "*T"}, {"id", "T"}, {"parentFolderId", "T"}}},
};

#define N_ENDPOINTS (sizeof endpoints / sizeof endpoints[0])

/* The text of `json` with the member at a dotted path set to `value`, or taken away when NULL. */
static mu_json with_member(const mu_json *json, mu_str path, const mu_json *value)
{
    mu_json out = json != NULL ? *json : (mu_json){.kind = MU_JSON_OBJECT};
    size_t dot = mu_str_find(path, MU_STR("."));
    if (dot == SIZE_MAX) {
        if (value == NULL)
            mu_json_unset(&fixture.arena, &out, path);
        else
            mu_json_set(&fixture.arena, &out, path, *value);
        return out;
    }
    mu_str name = {path.ptr, dot}, rest = {path.ptr + dot + 1, path.len - dot - 1};
    mu_json inner = with_member(mu_json_member(&out, name), rest, value);
    mu_json_set(&fixture.arena, &out, name, inner);
    return out;
}

static mu_str text_of(const mu_json *json)
{
    mu_str text;
    mu_err err;
    if (mu_json_text(&fixture.arena, json, &text, &err) != MU_OK)
        fail_msg("%s", err.text);
    return text;
}

static mu_json parsed(const char *text)
{
    mu_json json;
    mu_err err;
    if (mu_json_parse(&fixture.arena, mu_str_from(filled(text)), &json, &err) != MU_OK)
        fail_msg("%s: %s", text, err.text);
    return json;
}

static char letter_of(const mu_json *json)
{
    switch (json->kind) {
    case MU_JSON_BOOLEAN:
        return 'F';
    case MU_JSON_INTEGER:
        return 'N';
    case MU_JSON_STRING:
        return 'T';
    case MU_JSON_ARRAY:
        return 'L';
    case MU_JSON_OBJECT:
        return 'O';
    case MU_JSON_NULL:
    case MU_JSON_DOUBLE:
        break;
    }
    return 'D';
}

static void check_member(const endpoint *e, const member *m)
{
    static const char *const values[] = {"true", "0",      "-1",       "1.5", "\"\\u0001\"",
                                         "[]",   "[[{}]]", "[null,1]", "{}",  "{\"$gt\":\"\"}"};
    const char *path = filled(e->path);
    mu_json body = parsed(e->body);
    mu_str before = witness();
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        mu_json value = parsed(values[i]);
        if (strchr(m->kinds, letter_of(&value)) != NULL)
            continue;
        mu_json wrong = with_member(&body, mu_str_from(m->path), &value);
        expect_refused(e->method, path, text_of(&wrong), m->path);
    }
    if (m->kinds[0] == '*') {
        mu_json wrong = with_member(&body, mu_str_from(m->path), NULL);
        expect_refused(e->method, path, text_of(&wrong), "a body without a member");
        wrong = with_member(&body, mu_str_from(m->path), &(mu_json){.kind = MU_JSON_NULL});
        expect_refused(e->method, path, text_of(&wrong), "null");
    }
    assert_unchanged(before,
                     mu_arena_format(&fixture.arena, "%s %s: %s", e->method, e->path, m->path).ptr);
}

static void members_of_the_wrong_type_are_refused(void **state)
{
    (void)state;
    for (size_t e = 0; e < N_ENDPOINTS; e++)
        for (const member *m = endpoints[e].members; m->path != NULL; m++)
            check_member(&endpoints[e], m);
}

/* -------- whole bodies -------- */

static mu_str repeated(const char *head, const char *part, int n, const char *tail)
{
    mu_buf buf;
    mu_buf_init(&buf, SIZE_MAX);
    mu_buf_add_str(&buf, mu_str_from(head));
    for (int i = 0; i < n; i++)
        mu_buf_add_str(&buf, mu_str_from(part));
    mu_buf_add_str(&buf, mu_str_from(tail));
    mu_str out = mu_arena_copy(&fixture.arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return out;
}

static void bodies_that_are_nothing_are_refused(void **state)
{
    const mu_str bodies[] = {
        MU_STR(""),
        MU_STR("\0"),
        MU_STR("null"),
        MU_STR("0"),
        MU_STR("\"x\""),
        MU_STR("true"),
        MU_STR("[]"),
        MU_STR("[0]"),
        MU_STR("[[]]"),
        MU_STR("[null]"),
        MU_STR("{"),
        MU_STR("{\"name\":\"\xff\"}"),
        MU_STR("{\"name\":\"\\ud800\"}"),
        MU_STR("{\"name\":1e999}"),
        MU_STR("{} {}"),
        repeated("", "[", 50000, ""),
        repeated("", "{\"a\":", 50000, ""),
        repeated("", "[", 200, "]"),
        repeated("[0", ",0", 20000, "]"),
        repeated("{\"ids\":[\"a\"", ",\"b\"", 200000, "]}"),
        repeated("{\"name\":\"", "aaaaaaaaaaaaaaaa", 700000, "\"}"), /* over 10 MiB */
    };
    (void)state;
    mu_str before = witness();
    for (size_t e = 0; e < N_ENDPOINTS; e++)
        for (size_t b = 0; b < sizeof bodies / sizeof bodies[0]; b++) {
            /* No operation at all is no mistake there. */
            if (mu_str_equal(bodies[b], MU_STR("[]")) &&
                strcmp(endpoints[e].path, SCHEDULES "/<schedule>") == 0)
                continue;
            char what[32];
            snprintf(what, sizeof what, "body %zu", b);
            expect_refused(endpoints[e].method, filled(endpoints[e].path), bodies[b], what);
        }
    assert_unchanged(before, "a body that is nothing");
}

/* -------- rules that are broken -------- */

static const struct broken {
    const char *method, *path, *body;
} broken[] = {
    {"POST", UPS "/audiences", "{\"name\":\"x\",\"type\":\"Account\"}"},
    {"POST", UPS "/audiences", "{\"name\":\"x\",\"lifecycleState\":\"deleted\"}"},
    {"POST", UPS "/audiences", "{\"name\":\"x\",\"ttlInDays\":0}"},
    {"POST", UPS "/audiences", "{\"name\":\"x\",\"ttlInDays\":\"366\"}"},
    {"POST", UPS "/audiences", "{\"name\":\"x\",\"datasetId\":\"../x\"}"},
    {"POST", UPS "/audiences", "{\"name\":\"x\",\"namespace\":\"AO\",\"audienceId\":\"theirs\"}"},
    {"POST", UPS "/audiences", "{\"name\":\"x\",\"$id\":1,\"expression\":" EXPRESSION "}"},
    {"POST", DEFINITIONS, NEW("Used")},
    {"POST", DEFINITIONS,
     "{\"name\":\"x\",\"schema\":" PROFILE ",\"mergePolicyId\":\"none\",\"expression\":" EXPRESSION
     "}"},
    {"POST", DEFINITIONS,
     "{\"name\":\"x\",\"schema\":{\"name\":\"none\"},\"expression\":" EXPRESSION "}"},
    {"POST", DEFINITIONS,
     "{\"name\":\"x\",\"schema\":" PROFILE ",\"expression\":{\"type\":\"ARL\",\"value\":\"x\"}}"},
    {"POST", DEFINITIONS,
     "{\"name\":\"x\",\"schema\":" PROFILE
     ",\"expression\":{\"format\":\"pql/xml\",\"value\":\"x\"}}"},
    {"POST", DEFINITIONS,
     "{\"name\":\"x\",\"schema\":" PROFILE ",\"expression\":{\"value\":\"nothing.here = 1\"}}"},
    {"POST", DEFINITIONS,
     "{\"name\":\"x\",\"schema\":" PROFILE
     ",\"expression\":{\"format\":\"pql/json\",\"value\":\"{\\\"nodeType\\\":\\\"none\\\"}\"}}"},
    {"PATCH", DEFINITIONS "/<definition>",
     "{\"expression\":{\"value\":\"inSegment(\\\"<user>\\\")\"}}"},
    {"PATCH", DEFINITIONS "/<definition>", "{\"name\":\"User\"}"},
    {"PATCH", DEFINITIONS "/<definition>", "{\"id\":\"another\"}"},
    {"PATCH", UPS "/audiences/<definition>",
     "[{\"op\":\"add\",\"path\":\"/namespace\",\"value\":\"x\"}]"},
    {"PATCH", UPS "/audiences/<definition>",
     "[{\"op\":\"add\",\"path\":\"/lifecycleState\",\"value\":\"archived\"}]"},
    {"PATCH", UPS "/audiences/<definition>", "[{\"op\":\"remove\",\"path\":\"/name\"}]"},
    {"PATCH", UPS "/audiences/<definition>",
     "[{\"op\":\"move\",\"path\":\"/name\",\"from\":\"/description\"}]"},
    {"PATCH", UPS "/audiences/<definition>",
     "[{\"op\":\"add\",\"path\":\"/description\",\"value\":\"x\"},{\"op\":\"test\",\"path\":\"/"
     "name\",\"value\":\"y\"}]"},
    {"PUT", UPS "/audiences/<external>", "{\"name\":\"x\",\"type\":\"SegmentDefinition\"}"},
    {"DELETE", UPS "/audiences/<definition>", ""},
    {"DELETE", DEFINITIONS "/<definition>", ""},
    {"DELETE", DEFINITIONS "/<external>", ""},
    {"POST", UPS "/segment/conversion", "{\"expression\":{\"value\":\"1 +\"}}"},
    {"POST", UPS "/segment/jobs", "{\"segments\":[]}"},
    {"POST", UPS "/segment/jobs", "[{\"segmentId\":\"none\"}]"},
    {"POST", UPS "/segment/jobs", "[{\"segmentId\":\"<external>\"}]"},
    {"POST", UPS "/segment/jobs", "[{\"segmentId\":\"*\"},{\"segmentId\":\"<definition>\"}]"},
    {"POST", UPS "/segment/jobs", "[{\"segmentId\":1}]"},
    {"POST", UPS "/segment/jobs", "[{\"id\":\"<definition>\"}]"},
    {"POST", UPS "/export/jobs", EXPORT_WITH(",\"filter\":{\"segments\":[1]}")},
    {"POST", UPS "/export/jobs", EXPORT_WITH(",\"filter\":{\"segments\":[{\"segmentId\":1}]}")},
    {"POST", UPS "/export/jobs",
     EXPORT_WITH(",\"filter\":{\"segments\":[{\"segmentId\":\"none\"}]}")},
    {"POST", UPS "/export/jobs",
     EXPORT_WITH(
         ",\"filter\":{\"segments\":[{\"segmentId\":\"<definition>\",\"status\":[\"lost\"]}]}")},
    {"POST", UPS "/export/jobs",
     EXPORT_WITH(",\"filter\":{\"segmentQualificationTime\":{\"startTime\":\"today\"}}")},
    {"POST", UPS "/export/jobs",
     EXPORT_WITH(",\"filter\":{\"segmentQualificationTime\":{\"startTime\":\"2026-01-02T00:00:"
                 "00Z\",\"endTime\":\"2026-01-01T00:00:00Z\"}}")},
    {"POST", UPS "/export/jobs", EXPORT_WITH(",\"mergePolicy\":{\"id\":\"none\"}")},
    {"POST", SCHEDULES, SCHEDULE("0 0 1,13 * * ?")},
    {"POST", SCHEDULES, SCHEDULE("0 0/30 1 * * ?")},
    {"POST", SCHEDULES, SCHEDULE("* 0 1 * * ?")},
    {"POST", SCHEDULES, SCHEDULE("0 0 1 * *")},
    {"POST", SCHEDULES, SCHEDULE("0 0 1 * * *")},
    {"POST", SCHEDULES, SCHEDULE("0 0 1 ? * ?")},
    {"POST", SCHEDULES, SCHEDULE("0 0 1 31 2 ? 2020")},
    {"POST", SCHEDULES, SCHEDULE("")},
    {"POST", SCHEDULES,
     "{\"name\":\"x\",\"type\":\"batch_segmentation\",\"properties\":{\"segments\":[\"none\"]}}"},
    {"POST", SCHEDULES,
     "{\"name\":\"x\",\"type\":\"batch_segmentation\",\"properties\":{\"segments\":[1]}}"},
    {"POST", SCHEDULES, "{\"name\":\"x\",\"type\":\"export\",\"properties\":{}}"},
    {"PATCH", SCHEDULES "/<schedule>", "[{\"op\":\"add\",\"path\":\"/name\",\"value\":\"x\"}]"},
    {"PATCH", SCHEDULES "/<schedule>", "[{\"op\":\"remove\",\"path\":\"/state\"}]"},
    {"PATCH", SCHEDULES "/<schedule>", "[{\"op\":\"add\",\"path\":\"/state\",\"value\":\"on\"}]"},
    {"PATCH", SCHEDULES "/<schedule>",
     "[{\"op\":\"add\",\"path\":\"/schedule\",\"value\":\"0 0 2 * * "
     "?\"},{\"op\":\"add\",\"path\":\"/state\",\"value\":1}]"},
    {"POST", SCHEDULES "/audience-map", "{\"segments\":[]}"},
    {"POST", AIS "/audiences",
     "{\"name\":\"x\",\"namespace\":\"AO\",\"originName\":\"x\",\"audienceId\":\"x\"}"},
    {"POST", AIS "/audiences?createAudienceMetaOnly=true",
     "{\"name\":\"x\",\"namespace\":\"AO\",\"originName\":\"x\",\"audienceId\":\"theirs\"}"},
    {"PATCH", AIS "/external-audience/<external>", "{\"ttlInDays\":91}"},
    {"PATCH", AIS "/external-audience/<external>", "{\"ttlInDays\":0}"},
    {"POST", AIS "/external-audience/<external>/runs",
     "{\"dataFilterStartTime\":5,\"dataFilterEndTime\":4}"},
    {"POST", UPS "/muster/folders", "{\"name\":\"x\",\"id\":\"a/b\"}"},
    {"POST", UPS "/muster/folders", "{\"name\":\"x\",\"id\":\"root\"}"},
    {"POST", UPS "/muster/folders", "{\"name\":\"x\",\"parentFolderId\":\"none\"}"},
    {"POST", UPS "/muster/explain", "{\"segmentId\":\"none\",\"entityId\":\"x\"}"},
    {"POST", UPS "/muster/explain",
     "{\"segmentId\":\"<definition>\",\"entityId\":\"none\",\"entityIdNS\":\"Nothing\"}"},
    {"POST", UPS "/muster/diff", "{\"segmentId\":\"<definition>\"}"},
    {"POST", UPS "/muster/diff", "{\"segmentId\":\"none\",\"expression\":" EXPRESSION "}"},
    {"POST", UPS "/muster/diff", "{\"segmentId\":\"<external>\",\"expression\":" EXPRESSION "}"},
    {"POST", UPS "/muster/diff", "{\"expression\":{\"value\":\"nothing.here = 1\"}}"},
    {"POST", UPS "/muster/diff", "{\"mergePolicyId\":\"none\",\"expression\":" EXPRESSION "}"},
    {"POST", UPS "/muster/evaluate", "{\"segments\":[\"none\"]}"},
    {"POST", UPS "/muster/evaluate",
     "{\"segments\":[{\"mergePolicyId\":1,\"expression\":" EXPRESSION "}]}"},
    {"POST", UPS "/muster/overlap", "{\"segments\":[\"<definition>\"]}"},
    {"POST", UPS "/muster/overlap", "{\"segments\":[1,2]}"},
};

static void rules_that_are_broken_are_refused(void **state)
{
    (void)state;
    mu_str before = witness();
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++)
        expect_refused(broken[i].method, filled(broken[i].path),
                       mu_str_from(filled(broken[i].body)), "a broken rule");
    assert_unchanged(before, "a broken rule");
}

/* -------- texts -------- */

static const char *const texts[] = {
    "",
    " ",
    "a\\u0000b",
    "\\u202e\\ufeff\\uffff",
    "__proto__",
    "constructor.prototype",
    "$where",
    "../../../../etc/passwd",
    "..\\\\..\\\\boot.ini",
    "' OR '1'='1'; DROP TABLE document; --",
    "(((((a+)+)+)+)+)+$",
    "{\\\"$ref\\\":\\\"#\\\"}",
    "%s%s%s%n%1000000d",
    "<script>alert(1)</script>",
    "\\r\\nSet-Cookie: a=b",
    "null",
    "9999999999999999999999999999",
};

/* As what a member holds: taken or refused, never an error of the server; and what was taken is
 * shown as it was sent. */
static void odd_texts_do_no_harm(void **state)
{
    /* However long a message may be: it does not end within a character. */
    const mu_str huge[] = {
        repeated("", "0123456789abcdef", 4096, ""), repeated("", "\xf0\x9f\x98\x80", 600, ""),
        repeated("a", "\xf0\x9f\x98\x80", 600, ""), repeated("aa", "\xf0\x9f\x98\x80", 600, ""),
        repeated("aaa", "\xf0\x9f\x98\x80", 600, "")};
    (void)state;
    for (size_t e = 0; e < N_ENDPOINTS; e++) {
        mu_json body = parsed(endpoints[e].body);
        for (const member *m = endpoints[e].members; m->path != NULL; m++) {
            if (strchr(m->kinds, 'T') == NULL)
                continue;
            for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
                mu_json value = parsed(mu_arena_format(&fixture.arena, "\"%s\"", texts[i]).ptr);
                mu_json odd = with_member(&body, mu_str_from(m->path), &value);
                (void) throw(endpoints[e].method, filled(endpoints[e].path), text_of(&odd));
            }
            for (size_t i = 0; i < sizeof huge / sizeof huge[0]; i++) {
                mu_json value = mu_json_of_string(huge[i]);
                mu_json odd = with_member(&body, mu_str_from(m->path), &value);
                (void) throw(endpoints[e].method, filled(endpoints[e].path), text_of(&odd));
            }
        }
    }
    (void)witness(); /* all lists can be read */
}

/* -------- ids -------- */

static bool is_of_segmentation(mu_str pattern)
{
    static const char *const parts[] = {UPS "/audiences",        UPS "/segment/", UPS "/export/",
                                        UPS "/preview/",         UPS "/estimate", UPS "/search/",
                                        UPS "/config/schedules", UPS "/muster/",  AIS "/"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (mu_str_starts_with(pattern, mu_str_from(parts[i])))
            return true;
    return false;
}

/* The pattern with every parameter replaced by the same text. */
static const char *path_with(mu_str pattern, mu_str id)
{
    mu_buf buf;
    mu_buf_init(&buf, SIZE_MAX);
    for (size_t i = 0; i < pattern.len; i++) {
        if (pattern.ptr[i] != '{') {
            mu_buf_add_char(&buf, pattern.ptr[i]);
            continue;
        }
        mu_buf_add_str(&buf, id);
        while (pattern.ptr[i] != '}')
            i++;
    }
    mu_str copy = mu_arena_copy(&fixture.arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return copy.ptr;
}

/* A body that the path's method would take, so that the id is what is wrong. */
static const char *body_for(mu_str method, mu_str pattern)
{
    for (size_t e = 0; e < N_ENDPOINTS; e++) {
        mu_str path = mu_str_from(endpoints[e].path);
        size_t brace = mu_str_find(pattern, MU_STR("{"));
        if (mu_str_equal(method, mu_str_from(endpoints[e].method)) && brace <= path.len &&
            path.len > brace && path.ptr[brace] == '<' && memcmp(path.ptr, pattern.ptr, brace) == 0)
            return filled(endpoints[e].body);
    }
    return "{}";
}

static void ids_that_are_none_are_not_found(void **state)
{
    const mu_str ids[] = {
        MU_STR("none"),
        MU_STR("0"),
        MU_STR("-1"),
        MU_STR("99999999999999999999"),
        MU_STR("00000000-0000-4000-8000-000000000000"),
        MU_STR("%00"),
        MU_STR("%FF%FE"),
        MU_STR("%E2%80%AE"),
        MU_STR("..%2F..%2Fetc%2Fpasswd"),
        MU_STR("%2e%2e"),
        MU_STR("*"),
        MU_STR("__proto__"),
        MU_STR("$where"),
        MU_STR("%27%20OR%20%271%27%3D%271"),
        MU_STR("%7B%22%24gt%22%3A%22%22%7D"),
        MU_STR("%25s%25n"),
        MU_STR("%0d%0aSet-Cookie:%20a"),
        repeated("", "a", 255, ""),
        repeated("", "a", 256, ""),
        repeated("", "a", 65536, ""),
    };
    unsigned n = 0;
    (void)state;
    mu_str before = witness();
    for (const mu_http_route_entry *route = mu_http_router_first(fixture.router); route != NULL;
         route = route->next) {
        mu_str method = mu_http_method_name(route->route.method);
        if (!is_of_segmentation(route->pattern) ||
            mu_str_find(route->pattern, MU_STR("{")) == SIZE_MAX)
            continue;
        const char *body = method.len == 3 && method.ptr[0] == 'G' ? ""
                           : mu_str_equal(method, MU_STR("DELETE"))
                               ? ""
                               : body_for(method, route->pattern);
        for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
            expect_refused(mu_arena_copy(&fixture.arena, method).ptr,
                           path_with(route->pattern, ids[i]), mu_str_from(body), "an id");
            n++;
        }
    }
    assert_true(n > 100);
    assert_unchanged(before, "an id that is none");
}

/* -------- queries -------- */

static void queries_that_are_wrong_are_refused(void **state)
{
    static const char *const lists[] = {
        UPS "/audiences", DEFINITIONS, UPS "/segment/jobs", UPS "/export/jobs", SCHEDULES,
    };
    static const char *const numbers[] = {"-1",   "x",   "1.5", "1e3",
                                          "0x10", "%00", "+-1", "99999999999999999999"};
    (void)state;
    for (size_t l = 0; l < sizeof lists / sizeof lists[0]; l++) {
        for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
            mu_arena *arena = &fixture.arena;
            expect_refused("GET", mu_arena_format(arena, "%s?limit=%s", lists[l], numbers[i]).ptr,
                           MU_STR(""), "limit");
            if (strstr(lists[l], "export") == NULL)
                expect_refused("GET",
                               mu_arena_format(arena, "%s?start=%s", lists[l], numbers[i]).ptr,
                               MU_STR(""), "start");
        }
        expect_refused("GET", mu_arena_format(&fixture.arena, "%s?limit=0", lists[l]).ptr,
                       MU_STR(""), "limit 0");
    }
    static const char *const wrong[] = {
        UPS "/audiences?property=name",
        UPS "/audiences?sort=name:sideways",
        DEFINITIONS "?property=name",
        DEFINITIONS "?sort=name:sideways",
        DEFINITIONS "?page=-1",
        UPS "/segment/jobs?status=LOST",
        UPS "/segment/jobs?property=status",
        UPS "/export/jobs?status=LOST",
        UPS "/export/jobs?offset=x",
        UPS "/export/jobs?offset=1_",
        UPS "/search/namespaces",
        UPS "/search/namespaces?schema.name=_xdm.context.profile",
        UPS "/search/entities?schemaClass=_xdm.context.segmentdefinition",
        UPS "/search/entities?namespace=AEPSegments",
        UPS "/search/entities" OF_SEARCH "&limit=0",
        UPS "/search/entities" OF_SEARCH "&page=-1",
        UPS "/search/entities" OF_SEARCH "&s=name:(",
        UPS "/search/taxonomy" OF_SEARCH,
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        expect_refused("GET", wrong[i], MU_STR(""), "a query");
}

static void odd_queries_do_no_harm(void **state)
{
    static const char *const values[] = {"%00",
                                         "%FF",
                                         "__proto__",
                                         "a==b==c",
                                         "~==",
                                         "==",
                                         "a~b~c==d",
                                         "..%2F..",
                                         "%28%28%28%28a%2B%29%2B%29%2B%29%2B%24",
                                         "%27%3B%20DROP%20TABLE%20document%3B--",
                                         "%22%20OR%20%22",
                                         "/%5B/",
                                         "~99999999999",
                                         "a%5Eb%5Ec~~~~",
                                         "name:%28%28%28",
                                         "*",
                                         "?????",
                                         "\x7f"};
    static const char *const paths[] = {
        UPS "/audiences?property=",
        UPS "/audiences?sort=",
        UPS "/audiences?name=",
        UPS "/audiences?description=",
        UPS "/audiences?entityType=",
        DEFINITIONS "?property=",
        DEFINITIONS "?sort=",
        DEFINITIONS "?a.b.c=",
        UPS "/segment/jobs?property=",
        UPS "/segment/jobs?snapshot.name=",
        UPS "/segment/jobs?sort=",
        UPS "/export/jobs?offset=",
        UPS "/export/jobs?status=",
        UPS "/search/entities" OF_SEARCH "&s=",
        UPS "/search/entities" OF_SEARCH "&entityId=",
        UPS "/search/taxonomy" OF_SEARCH "&entityId=",
        UPS "/search/namespaces" OF_SEARCH "&s=",
    };
    (void)state;
    for (size_t p = 0; p < sizeof paths / sizeof paths[0]; p++) {
        for (size_t v = 0; v < sizeof values / sizeof values[0]; v++)
            (void) throw("GET", mu_arena_format(&fixture.arena, "%s%s", paths[p], values[v]).ptr,
                         MU_STR(""));
        (void) throw("GET",
                     mu_arena_format(&fixture.arena, "%s" MU_STR_FMT, paths[p],
                                     MU_STR_ARG(repeated("", "a.", 2000, "")))
                         .ptr,
                     MU_STR(""));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_of_the_wrong_type_are_refused),
        cmocka_unit_test(bodies_that_are_nothing_are_refused),
        cmocka_unit_test(rules_that_are_broken_are_refused),
        cmocka_unit_test(ids_that_are_none_are_not_found),
        cmocka_unit_test(queries_that_are_wrong_are_refused),
        cmocka_unit_test(odd_queries_do_no_harm),
        cmocka_unit_test(odd_texts_do_no_harm), /* last: some of it is taken */
    };
    return cmocka_run_group_tests(tests, start, stop);
}
