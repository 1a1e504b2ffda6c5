/* external_audiences_test.c -- external audiences over HTTP: made, filled from files, extended,
 * deleted; what is wrong is refused and changes nothing (api.md 9, wire check 22).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "audience/external.h"
#include "tests/support/api_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define AIS       "/data/core/ais/external-audience"
#define AUDIENCES "/data/core/ups/audiences"
#define NOW_S     (API_FIXTURE_NOW_MS / 1000)
#define DAY_S     86400

#define FIELDS                                                                                     \
    "\"fields\":[{\"name\":\"mail\",\"type\":\"string\",\"identityNs\":\"email\"},{\"name\":"      \
    "\"crm\",\"type\":\"string\",\"identityNs\":\"Phone\"},{\"name\":\"age\",\"type\":\"integer\"" \
    ",\"labels\":[\"core/C1\"]}]"
#define SOURCE(path, type)                                                                         \
    "\"sourceSpec\":{\"params\":{\"path\":\"" path "\",\"type\":\"" type "\"}}"
#define BODY                                                                                       \
    "{\"name\":\"Shoppers\",\"originName\":\"CUSTOM_UPLOAD\",\"customAudienceId\":\"shoppers\","   \
    "\"ttlInDays\":\"20\"," FIELDS "," SOURCE("dlz-user-container/in/shoppers.csv", "file") "}"

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

static const char *text(const char *format, ...)
{
    char buffer[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(buffer, sizeof buffer, format, args);
    va_end(args);
    return mu_arena_copy(&fixture.arena, mu_str_from(buffer)).ptr;
}

/* -------- files -------- */

static const char *landing(const char *name)
{
    return text("%s/landing/prod/%s", fixture.folder, name);
}

static void set_time(const char *path, int64_t at_s)
{
    const struct timespec times[2] = {{.tv_sec = at_s}, {.tv_sec = at_s}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* Changed an hour ago. */
static void write_file(const char *name, const char *content)
{
    const char *path = landing(name);
    char folder[512];
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    const char *made = text("mkdir -p '%s'", folder);
    assert_int_equal(system(made), 0);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(content, file) >= 0);
    assert_int_equal(fclose(file), 0);
    set_time(path, NOW_S - 3600);
}

/* -------- requests -------- */

/* Until the field is no longer PROCESSING. */
static api_answer wait_for(const char *path)
{
    const struct timespec pause = {.tv_nsec = 2000000};
    for (int i = 0; i < 5000; i++) {
        api_answer answer = api_expect(&fixture, 200, "GET", path, NULL);
        if (strcmp(api_text(&fixture, &answer, "status"), "PROCESSING") != 0)
            return answer;
        nanosleep(&pause, NULL);
    }
    fail_msg("%s is still under way", path);
    return (api_answer){0};
}

/* The audience's id. */
static const char *create(const char *body)
{
    api_answer answer = api_expect(&fixture, 202, "POST", AIS "/", body);
    const char *operation = api_text(&fixture, &answer, "operationId");
    answer = wait_for(text(AIS "/operations/%s", operation));
    api_assert_text(&fixture, &answer, "status", "SUCCESS");
    return api_text(&fixture, &answer, "audienceId");
}

static api_answer run(const char *id, const char *more)
{
    api_answer answer =
        api_expect(&fixture, 200, "POST", text(AIS "/%s/runs", id),
                   text("{\"dataFilterStartTime\":%lld%s}", (long long)(NOW_S - DAY_S), more));
    return wait_for(text(AIS "/%s/runs/%s", id, api_text(&fixture, &answer, "runId")));
}

static void assert_error(const api_answer *answer, unsigned status, const char *code)
{
    if (answer->status != status)
        fail_msg("status %u, not %u: " MU_STR_FMT, answer->status, status,
                 MU_STR_ARG(answer->body));
    api_assert_text(&fixture, answer, "errorCode", code);
    api_assert_text(&fixture, answer, "type",
                    text("https://ns.adobe.com/aep/errors/EXTAUD-%s", code));
    assert_true(strlen(api_text(&fixture, answer, "detail")) > 0);
    assert_true(strlen(api_text(&fixture, answer, "requestId")) > 0);
    assert_true(strlen(api_text(&fixture, answer, "title")) > 0);
}

/* How many members there are, as the audience shows it; -1: it was never filled. */
static long members(const char *id)
{
    api_answer answer = api_expect(&fixture, 200, "GET", text(AUDIENCES "/%s", id), NULL);
    const mu_json *n = api_at(&answer, "metrics.data.totalProfiles");
    return n == NULL ? -1 : (long)n->integer;
}

/* Whether the profile of an e-mail address is a member: from the memberships themselves. */
static uint32_t pid_of(const char *code, const char *value)
{
    mu_graph_cluster cluster;
    mu_sandbox *sandbox = mu_live_find_sandbox(fixture.live, MU_STR("prod"));
    return mu_sandbox_cluster(sandbox, (mu_identity){mu_str_from(code), mu_str_from(value)},
                              &fixture.arena, &cluster)
               ? cluster.pid
               : 0;
}

/* -------- creating -------- */

static void an_audience_is_made_and_seen(void **state)
{
    (void)state;
    api_answer answer = api_expect(&fixture, 202, "POST", AIS "/", BODY);
    api_assert_text(&fixture, &answer, "operationDetails.ttlInDays", "20");
    api_assert_text(&fixture, &answer, "operationDetails.fields.0.identityNs", "Email");
    api_assert_text(&fixture, &answer, "operationDetails.namespace", "CustomerAudienceUpload");
    api_assert_text(&fixture, &answer, "operationDetails.audienceType", "people");
    const char *operation = api_text(&fixture, &answer, "operationId");
    answer = wait_for(text("/data/core/ais/external-audiences/operations/%s", operation));
    api_assert_text(&fixture, &answer, "status", "SUCCESS");
    api_assert_text(&fixture, &answer, "audienceName", "Shoppers");
    api_assert_text(&fixture, &answer, "createdBy", "key");
    api_assert_text(&fixture, &answer, "createdAt", "1767225600");
    assert_null(api_at(&answer, "$audienceId"));
    const char *id = api_text(&fixture, &answer, "audienceId");
    answer = api_expect(&fixture, 200, "GET", text(AUDIENCES "/%s", id), NULL);
    api_assert_text(&fixture, &answer, "type", "ExternalSegment");
    api_assert_text(&fixture, &answer, "lifecycleState", "published");
    api_assert_text(&fixture, &answer, "audienceId", "shoppers");
    api_assert_text(&fixture, &answer, "originName", "CUSTOM_UPLOAD");
    api_assert_text(&fixture, &answer, "ttlInDays", "20");
    api_assert_text(&fixture, &answer, "createdBy", "key");
    assert_null(api_at(&answer, "metrics"));
    assert_int_equal(mu_str_find(answer.body, MU_STR("null")), SIZE_MAX);
    answer = api_expect(
        &fixture, 200, "GET",
        text("/data/foundation/catalog/dataSets/%s", api_text(&fixture, &answer, "datasetId")),
        NULL);
    answer = api_expect(&fixture, 200, "GET", text(AIS "/task/%s/", operation), NULL);
    api_assert_text(&fixture, &answer, "status", "SUCCESS");
}

static void the_same_id_is_refused(void **state)
{
    (void)state;
    create(BODY);
    api_answer answer = api_send(&fixture, "POST", AIS, BODY);
    assert_error(&answer, 409, "100950-409");
    api_assert_text(&fixture, &answer, "title", "DUPLICATE_RESOURCE");
    api_expect(&fixture, 202, "POST", "/data/core/ais/external-audiences/submit",
               "{\"name\":\"Shoppers\",\"originName\":\"X\",\"customAudienceId\":\"shoppers\","
               "\"namespace\":\"Other\"," FIELDS "," SOURCE("a.csv", "file") "}");
}

static void bad_audiences_are_refused(void **state)
{
    (void)state;
#define START "{\"name\":\"A\",\"originName\":\"X\","
    static const char *const bad[] = {
        "[]",
        "",
        "{",
        "null",
        "{}",
        "{\"originName\":\"X\"," FIELDS "," SOURCE("a", "file") "}",
        "{\"name\":1,\"originName\":\"X\"," FIELDS "," SOURCE("a", "file") "}",
        "{\"name\":\"\",\"originName\":\"X\"," FIELDS "," SOURCE("a", "file") "}",
        "{\"name\":\"A\"," FIELDS "," SOURCE("a", "file") "}",
        START SOURCE("a", "file") "}",
        START "\"fields\":[]," SOURCE("a", "file") "}",
        START "\"fields\":{}," SOURCE("a", "file") "}",
        START "\"fields\":[1]," SOURCE("a", "file") "}",
        START "\"fields\":[{\"name\":\"a\",\"type\":\"string\"}]," SOURCE("a", "file") "}",
        START "\"fields\":[{\"name\":\"a\",\"type\":\"text\",\"identityNs\":\"Email\"}]," SOURCE(
            "a", "file") "}",
        START "\"fields\":[{\"name\":\"a\",\"identityNs\":\"Email\"}]," SOURCE("a", "file") "}",
        START "\"fields\":[{\"name\":\"a\",\"type\":\"string\",\"identityNs\":\"Nobody\"}]," SOURCE(
            "a", "file") "}",
        START "\"fields\":[{\"name\":\"a\",\"type\":\"string\",\"identityNs\":\"Email\"},{\"name\":"
              "\"a\",\"type\":\"string\"}]," SOURCE("a", "file") "}",
        START FIELDS "}",
        START FIELDS ",\"sourceSpec\":1}",
        START FIELDS ",\"sourceSpec\":{}}",
        START FIELDS ",\"sourceSpec\":{\"params\":[]}}",
        START FIELDS "," SOURCE("", "file") "}",
        START FIELDS "," SOURCE("a", "link") "}",
        START FIELDS "," SOURCE("/etc/passwd", "file") "}",
        START FIELDS "," SOURCE("../a", "file") "}",
        START FIELDS "," SOURCE("a/../../b", "file") "}",
        START FIELDS "," SOURCE("dlz-user-container/../b", "file") "}",
        START FIELDS "," SOURCE("a//b", "file") "}",
        START FIELDS "," SOURCE("./a", "file") "}",
        START FIELDS "," SOURCE(".hidden", "file") "}",
        START FIELDS "," SOURCE("a\\u0000b", "file") "}",
        START FIELDS ",\"sourceSpec\":{\"params\":{\"path\":\"a\",\"type\":\"file\",\"cloudType\":"
                     "\"S3\"}}}",
        START FIELDS ",\"sourceSpec\":{\"params\":{\"path\":\"a\",\"type\":\"file\",\"cloudType\":"
                     "\"DLZ\",\"baseConnectionId\":\"x\"}}}",
        START FIELDS ",\"sourceSpec\":{\"params\":{\"path\":\"a\",\"type\":\"file\",\"cloudType\":"
                     "\"Tape\"}}}",
        START FIELDS ",\"sourceSpec\":{\"params\":{\"path\":\"a\",\"type\":\"file\",\"encryption\":"
                     "{}}}}",
        START "\"ttlInDays\":0," FIELDS "," SOURCE("a", "file") "}",
        START "\"ttlInDays\":91," FIELDS "," SOURCE("a", "file") "}",
        START "\"ttlInDays\":\"ten\"," FIELDS "," SOURCE("a", "file") "}",
        START "\"ttlInDays\":true," FIELDS "," SOURCE("a", "file") "}",
        START "\"audienceType\":\"account\"," FIELDS "," SOURCE("a", "file") "}",
        START "\"profileIngestion\":1," FIELDS "," SOURCE("a", "file") "}",
        START "\"customAudienceId\":\"operations\"," FIELDS "," SOURCE("a", "file") "}",
        START "\"customAudienceId\":\"a/b\"," FIELDS "," SOURCE("a", "file") "}",
        START "\"labels\":[1]," FIELDS "," SOURCE("a", "file") "}",
        START "\"tags\":\"x\"," FIELDS "," SOURCE("a", "file") "}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        api_answer answer = api_send(&fixture, "POST", AIS "/", bad[i]);
        if (answer.status != 400)
            fail_msg("%s: status %u", bad[i], answer.status);
        assert_error(&answer, 400, "100910-400");
    }
    api_answer answer = api_expect(&fixture, 200, "GET", AUDIENCES, NULL);
    api_assert_text(&fixture, &answer, "_page.totalCount", "0");
}

static void older_forms_are_taken(void **state)
{
    (void)state;
    api_answer answer = api_expect(
        &fixture, 202, "POST", AIS "/submit",
        "{\"name\":\"A\",\"originName\":\"X\",\"description\":null," FIELDS
        ",\"sourceSpec\":{\"path\":\"a b.csv\",\"type\":\"file\",\"cloudType\":\"DLZ\"}}");
    api_assert_text(&fixture, &answer, "operationDetails.sourceSpec.params.path", "a b.csv");
    api_assert_text(&fixture, &answer, "operationDetails.ttlInDays", "30");
    assert_int_equal(mu_str_find(answer.body, MU_STR("null")), SIZE_MAX);
}

static void what_is_not_there_is_told(void **state)
{
    (void)state;
    static const char *const gone[][3] = {
        {"GET", AIS "/operations/none", NULL},
        {"PATCH", AIS "/none", "{\"ttlInDays\":3}"},
        {"DELETE", AIS "/none", NULL},
        {"POST", AIS "/none/runs", "{\"dataFilterStartTime\":1}"},
        {"GET", AIS "/none/runs", NULL},
        {"GET", AIS "/none/runs/none", NULL},
        {"POST", AIS "/extend-ttl/none", NULL},
    };
    for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++) {
        api_answer answer = api_send(&fixture, gone[i][0], gone[i][1], gone[i][2]);
        assert_error(&answer, 404, "100940-404");
    }
    api_answer answer = api_send(&fixture, "GET", "/data/core/ais/nothing", NULL);
    assert_error(&answer, 404, "100940-404");
    answer = api_send(&fixture, "PUT", AIS, "{}");
    assert_error(&answer, 405, "100910-405");
    const char *id = create(BODY);
    answer = api_send(&fixture, "GET", text(AIS "/%s/runs/none", id), NULL);
    assert_error(&answer, 404, "100940-404");
}

static void sandbox_headers_are_checked_in_its_own_form(void **state)
{
    (void)state;
#define WHO "Authorization: Bearer x\r\nx-api-key: k\r\nx-gw-ims-org-id: O\r\n"
    api_answer answer = api_send_headers(&fixture, "GET", AIS "/operations/a", WHO, MU_STR(""));
    assert_error(&answer, 401, "100920-401");
    answer = api_send_headers(&fixture, "GET", AIS "/operations/a", WHO "x-sandbox-name: other\r\n",
                              MU_STR(""));
    assert_error(&answer, 401, "100922-401");
    answer = api_send_headers(&fixture, "GET", AIS "/operations/a", "", MU_STR(""));
    assert_int_equal(answer.status, 403);
    api_assert_text(&fixture, &answer, "error_code", "403010");
}

/* -------- runs -------- */

static void rows_become_members(void **state)
{
    (void)state;
    const char *id = create(BODY);
    write_file("in/shoppers.csv", "\xef\xbb\xbf"
                                  "age,mail,crm,other\r\n"
                                  "30,a@example.com,,x\r\n"
                                  "31,b@example.com,+1555,x\r\n"
                                  "\r\n"
                                  ",\"c@example.com\",,\"two\nlines, one\"\"cell\"\r\n"
                                  "old,d@example.com,,x\n"
                                  "1,2\n"
                                  "32,,,x\n"
                                  "33,b@example.com,+1555,x");
    api_answer answer = run(id, "");
    api_assert_text(&fixture, &answer, "status", "SUCCESS");
    api_assert_text(&fixture, &answer, "details.0.stage", "DATASET_INGEST");
    api_assert_text(&fixture, &answer, "details.0.status", "SUCCESS");
    api_assert_text(&fixture, &answer, "details.0.filesRead", "1");
    api_assert_text(&fixture, &answer, "details.0.recordsRead", "7");
    api_assert_text(&fixture, &answer, "details.0.recordsFailed", "3");
    api_assert_text(&fixture, &answer, "details.0.errors.0.line", "7");
    api_assert_text(&fixture, &answer, "details.0.errors.0.message", "the field age is no integer");
    api_assert_text(&fixture, &answer, "details.0.errors.1.line", "8");
    api_assert_text(&fixture, &answer, "details.0.errors.2.line", "9");
    api_assert_text(&fixture, &answer, "details.1.stage", "PROFILE_STORE_INGEST");
    api_assert_text(&fixture, &answer, "details.1.status", "SUCCESS");
    assert_true(strlen(api_text(&fixture, &answer, "details.0.flowRunId")) == 36);
    assert_int_equal(mu_str_find(answer.body, MU_STR("example.com")), SIZE_MAX);
    assert_int_equal(members(id), 3);
    assert_true(pid_of("Email", "b@example.com") != 0);
    assert_int_equal(pid_of("Email", "b@example.com"), pid_of("Phone", "+1555"));
    assert_int_equal(pid_of("Email", "d@example.com"), 0);
    assert_int_equal(pid_of("Email", "a@example.com") == pid_of("Email", "c@example.com"), false);
}

static void known_profiles_are_found(void **state)
{
    (void)state;
    static const mu_identity mail = {{"Email", 5}, {"a@example.com", 13}};
    mu_record record = {.kind = MU_RECORD_CREATE,
                        .received_ms = API_FIXTURE_NOW_MS,
                        .dataset = MU_STR("d"),
                        .n_identities = 1,
                        .identities = &mail,
                        .document = MU_STR("{\"_id\":\"1\"}")};
    uint64_t sequence;
    mu_err err;
    mu_sandbox *sandbox = mu_live_find_sandbox(fixture.live, MU_STR("prod"));
    assert_int_equal(mu_sandbox_append(sandbox, 1, &record, &sequence, &err), MU_OK);
    assert_int_equal(mu_live_wait(fixture.live, sequence, &err), MU_OK);
    uint32_t pid = pid_of("Email", "a@example.com");
    const char *id =
        create("{\"name\":\"A\",\"originName\":\"X\",\"profileIngestion\":false," FIELDS
               "," SOURCE("people.csv", "file") "}");
    write_file("people.csv", "mail,crm,age\na@example.com,,\nz@example.com,,\n");
    api_answer answer = run(id, "");
    api_assert_text(&fixture, &answer, "details.1.recordsMatched", "1");
    api_assert_text(&fixture, &answer, "details.1.recordsUnknown", "1");
    assert_int_equal(members(id), 1);
    assert_int_equal(pid_of("Email", "a@example.com"), pid);
    assert_int_equal(pid_of("Email", "z@example.com"), 0);
}

static void a_full_run_replaces_and_a_differential_one_adds(void **state)
{
    (void)state;
    const char *id = create(BODY);
    write_file("in/shoppers.csv", "mail,crm,age\na@example.com,,\nb@example.com,,\n");
    run(id, "");
    assert_int_equal(members(id), 2);
    write_file("in/shoppers.csv", "mail,crm,age\nc@example.com,,\n");
    run(id, ",\"differentialIngestion\":true");
    assert_int_equal(members(id), 3);
    write_file("in/shoppers.csv", "mail,crm,age\nc@example.com,,\nd@example.com,,\n");
    api_answer answer = run(id, ",\"differentialIngestion\":false");
    api_assert_text(&fixture, &answer, "differentialIngestion", "false");
    assert_int_equal(members(id), 2);
}

static void only_files_of_the_window_are_read(void **state)
{
    (void)state;
    const char *id =
        create("{\"name\":\"A\",\"originName\":\"X\"," FIELDS "," SOURCE("folder", "folder") "}");
    write_file("folder/a.csv", "mail,crm,age\na@example.com,,\n");
    write_file("folder/b.csv", "mail,crm,age\nb@example.com,,\n");
    write_file("folder/.c.csv", "mail,crm,age\nc@example.com,,\n");
    write_file("folder/deep/d.csv", "mail,crm,age\nd@example.com,,\n");
    set_time(landing("folder/b.csv"), NOW_S - 2 * DAY_S);
    assert_int_equal(symlink(landing("folder/a.csv"), landing("folder/link.csv")), 0);
    api_answer answer = run(id, "");
    api_assert_text(&fixture, &answer, "status", "SUCCESS");
    api_assert_text(&fixture, &answer, "details.0.filesRead", "1");
    api_assert_text(&fixture, &answer, "details.0.filesOutsideOfTime", "1");
    assert_int_equal(members(id), 1);
    /* the end does not belong to it */
    set_time(landing("folder/a.csv"), NOW_S - 100);
    answer = run(id, text(",\"dataFilterEndTime\":\"%lld\"", (long long)(NOW_S - 100)));
    api_assert_text(&fixture, &answer, "status", "SUCCESS");
    api_assert_text(&fixture, &answer, "details.0.filesRead", "0");
    answer = run(id, text(",\"dataFilterEndTime\":%lld,\"differentialIngestion\":false",
                          (long long)(NOW_S - 100)));
    api_assert_text(&fixture, &answer, "status", "FAILED");
    assert_int_equal(members(id), 1);
}

static void blanks_in_names_are_forgiven(void **state)
{
    (void)state;
    const char *id = create("{\"name\":\"A\",\"originName\":\"X\"," FIELDS
                            "," SOURCE("in/mypeople.csv", "file") "}");
    write_file("in/my people.csv", "mail,crm,age\na@example.com,,\n");
    api_answer answer = run(id, "");
    api_assert_text(&fixture, &answer, "status", "SUCCESS");
    write_file("in/m ypeople.csv", "mail,crm,age\na@example.com,,\n");
    answer = run(id, "");
    api_assert_text(&fixture, &answer, "status", "FAILED");
}

static void links_lead_nowhere(void **state)
{
    (void)state;
    write_file("outside.csv", "mail,crm,age\na@example.com,,\n");
    assert_int_equal(mkdir(landing("in"), 0777), 0);
    assert_int_equal(symlink(landing("outside.csv"), landing("in/shoppers.csv")), 0);
    const char *id = create(BODY);
    api_answer answer = run(id, "");
    api_assert_text(&fixture, &answer, "status", "FAILED");
    assert_int_equal(rename(landing("in"), landing("real")), 0);
    assert_int_equal(unlink(landing("real/shoppers.csv")), 0);
    write_file("real/shoppers.csv", "mail,crm,age\na@example.com,,\n");
    assert_int_equal(symlink(landing("real"), landing("in")), 0);
    answer = run(id, "");
    api_assert_text(&fixture, &answer, "status", "FAILED");
    assert_int_equal(members(id), -1);
}

static void bad_files_fail_the_run_and_change_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "mail,crm\na@example.com,1\n",
                                      "mail,mail,crm,age\na,b,c,1\n", "\xff\xfe,crm,age\n",
                                      "\"mail,crm,age\na,b,1\n"};
    const char *id = create(BODY);
    write_file("in/shoppers.csv", "mail,crm,age\na@example.com,,\n");
    run(id, "");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        write_file("in/shoppers.csv", bad[i]);
        api_answer answer = run(id, ",\"differentialIngestion\":false");
        api_assert_text(&fixture, &answer, "status", "FAILED");
        api_assert_text(&fixture, &answer, "details.0.status", "FAILED");
        assert_null(api_at(&answer, "details.1"));
        assert_true(strlen(api_text(&fixture, &answer, "error.message")) > 0);
        assert_int_equal(members(id), 1);
    }
    assert_int_equal(unlink(landing("in/shoppers.csv")), 0);
    api_answer answer = run(id, "");
    api_assert_text(&fixture, &answer, "error.code", "100970-502");
}

static void types_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *type, *good, *bad;
    } types[] = {{"number", "-1.5e3", "1,5"},
                 {"number", "7", "seven"},
                 {"integer", "-2147483648", "2147483648"},
                 {"long", "9223372036854775807", "9223372036854775808"},
                 {"date", "2025-05-13", "2025-13-05"},
                 {"datetime", "2025-05-23T20:19:00+00:00", "yesterday"},
                 {"boolean", "True", "yes"},
                 {"string", "x", NULL}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        const char *id = create(
            text("{\"name\":\"T\",\"originName\":\"X\",\"fields\":[{\"name\":\"mail\",\"type\":"
                 "\"string\",\"identityNs\":\"Email\"},{\"name\":\"v\",\"type\":\"%s\"}]," SOURCE(
                     "t.csv", "file") "}",
                 types[i].type));
        write_file("t.csv", text("mail,v\na@example.com,%s\nb@example.com,\nc@example.com,\"%s\"\n",
                                 types[i].good, types[i].bad == NULL ? "" : types[i].bad));
        api_answer answer = run(id, "");
        api_assert_text(&fixture, &answer, "details.0.recordsFailed",
                        types[i].bad == NULL ? "0" : "1");
        assert_int_equal(members(id), types[i].bad == NULL ? 3 : 2);
    }
}

static void bad_runs_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{}",
        "[]",
        "{\"dataFilterStartTime\":\"1\"}",
        "{\"dataFilterStartTime\":-1}",
        "{\"dataFilterStartTime\":1.5}",
        "{\"dataFilterStartTime\":2,\"dataFilterEndTime\":2}",
        "{\"dataFilterStartTime\":2,\"dataFilterEndTime\":\"x\"}",
        "{\"dataFilterStartTime\":2,\"differentialIngestion\":\"true\"}",
        "{\"dataFilterStartTime\":9999999999}"};
    const char *id = create(BODY);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        api_answer answer = api_send(&fixture, "POST", text(AIS "/%s/runs", id), bad[i]);
        assert_error(&answer, 400, "100910-400");
    }
    api_answer answer = api_expect(&fixture, 200, "GET", text(AIS "/%s/runs", id), NULL);
    api_assert_text(&fixture, &answer, "_page.totalCount", "0");
}

static void an_audience_has_ten_runs_and_one_at_a_time(void **state)
{
    (void)state;
    const char *id = create(BODY);
    mu_buf big;
    mu_buf_init(&big, SIZE_MAX);
    mu_buf_add_str(&big, MU_STR("mail,crm,age\n"));
    for (int i = 0; i < 20000; i++)
        mu_buf_add_format(&big, "p%d@example.com,,\n", i);
    write_file("in/shoppers.csv", mu_arena_copy(&fixture.arena, mu_buf_str(&big)).ptr);
    mu_buf_free(&big);
    const char *path = text(AIS "/%s/run", id);
    api_answer answer = api_expect(&fixture, 200, "POST", path, "{\"dataFilterStartTime\":1}");
    const char *first = api_text(&fixture, &answer, "runId");
    api_answer second = api_send(&fixture, "POST", path, "{\"dataFilterStartTime\":1}");
    assert_error(&second, 422, "100960-422");
    wait_for(text(AIS "/%s/run/%s", id, first));
    assert_int_equal(members(id), 20000);
    write_file("in/shoppers.csv", "mail,crm,age\np1@example.com,,\n");
    for (int i = 1; i < 10; i++)
        run(id, "");
    answer = api_send(&fixture, "POST", path, "{\"dataFilterStartTime\":1}");
    assert_error(&answer, 422, "100960-422");
    answer = api_expect(&fixture, 200, "GET", text(AIS "/%s/runs?limit=4", id), NULL);
    api_assert_text(&fixture, &answer, "_page.totalCount", "10");
    api_assert_text(&fixture, &answer, "_page.count", "4");
    assert_null(api_at(&answer, "runs.0.details"));
}

static void runs_are_listed_and_filtered(void **state)
{
    (void)state;
    const char *id = create(BODY);
    run(id, "");
    api_fixture_advance(5000);
    write_file("in/shoppers.csv", "mail,crm,age\na@example.com,,\n");
    run(id, "");
    static const struct {
        const char *query, *n;
    } cases[] = {{"", "2"},
                 {"?property=status=SUCCESS", "1"},
                 {"?property=status!=SUCCESS", "1"},
                 {"?property=name=contains(hop)", "2"},
                 {"?property=name!=containshop", "0"},
                 {"?property=createdAt%3E=1767225605", "1"},
                 {"?property=createdAt%3C=1767225604", "1"},
                 {"?property=name==Shoppers&property=status==FAILED", "1"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        api_answer answer =
            api_expect(&fixture, 200, "GET", text(AIS "/%s/runs%s", id, cases[i].query), NULL);
        api_assert_text(&fixture, &answer, "_page.totalCount", cases[i].n);
    }
    api_answer answer = api_expect(&fixture, 200, "GET", text(AIS "/%s/runs", id), NULL);
    api_assert_text(&fixture, &answer, "runs.0.status", "SUCCESS");
    answer = api_expect(&fixture, 200, "GET", text(AIS "/%s/runs?sortBy=createdAt", id), NULL);
    api_assert_text(&fixture, &answer, "runs.0.status", "FAILED");
    static const char *const bad[] = {"?limit=0",
                                      "?limit=41",
                                      "?limit=x",
                                      "?sortBy=status",
                                      "?property=status",
                                      "?property=size=1",
                                      "?property=createdAt=1",
                                      "?property=createdAt%3E=x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        answer = api_send(&fixture, "GET", text(AIS "/%s/runs%s", id, bad[i]), NULL);
        assert_error(&answer, 400, "100910-400");
    }
}

/* -------- changes -------- */

static void an_audience_is_patched(void **state)
{
    (void)state;
    const char *id = create(BODY);
    api_answer answer = api_expect(
        &fixture, 200, "PATCH", text(AIS "/%s", id),
        "{\"description\":\"new\",\"labels\":[\"core/C2\"],\"ttlInDays\":\"5\",\"fields\":[{"
        "\"name\":\"age\",\"labels\":[\"core/C3\"]}]}");
    api_assert_text(&fixture, &answer, "audienceName", "Shoppers");
    api_assert_text(&fixture, &answer, "name", "Shoppers");
    api_assert_text(&fixture, &answer, "description", "new");
    api_assert_text(&fixture, &answer, "ttlInDays", "5");
    api_assert_text(&fixture, &answer, "fields.2.labels.0", "core/C3");
    api_assert_text(&fixture, &answer, "fields.0.name", "mail");
    api_assert_text(&fixture, &answer, "sourceSpec.params.type", "file");
    answer = api_expect(&fixture, 200, "GET", text(AUDIENCES "/%s", id), NULL);
    api_assert_text(&fixture, &answer, "description", "new");
    api_assert_text(&fixture, &answer, "labels.0", "core/C2");
    static const char *const bad[] = {"{}",
                                      "[]",
                                      "{\"name\":\"x\"}",
                                      "{\"ttlInDays\":91}",
                                      "{\"labels\":\"x\"}",
                                      "{\"description\":1}",
                                      "{\"fields\":[{\"name\":\"none\",\"labels\":[]}]}",
                                      "{\"fields\":{}}",
                                      "{\"fields\":[{\"labels\":[]}]}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        answer = api_send(&fixture, "PATCH", text(AIS "/%s", id), bad[i]);
        assert_error(&answer, 400, "100910-400");
    }
    answer = api_expect(&fixture, 200, "PATCH", AIS "/shoppers", "{\"description\":\"by own id\"}");
    api_assert_text(&fixture, &answer, "audienceId", id);
    api_assert_text(&fixture, &answer, "ttlInDays", "5");
}

static mu_membership_item membership_of(const char *id, uint32_t pid, bool *known)
{
    mu_memberships *memberships;
    mu_shelves *shelves;
    mu_membership_item item = {0};
    mu_err err;
    assert_int_equal(mu_shelves_new(fixture.documents, MU_STR("prod"), &shelves, &err), MU_OK);
    assert_int_equal(
        mu_memberships_open(fixture.folder, MU_STR("prod"), shelves, &memberships, &err), MU_OK);
    const mu_membership_state *state = mu_memberships_acquire(memberships);
    const mu_membership *of = mu_membership_find(state, mu_str_from(id));
    int64_t now_ms = fixture.options.now_ms();
    *known = of != NULL && mu_membership_get(of, pid, now_ms, &item);
    mu_membership_state_release(state);
    mu_memberships_close(memberships);
    mu_shelves_free(shelves);
    return item;
}

static void members_expire_and_are_extended(void **state)
{
    (void)state;
    bool known;
    const char *id = create(BODY); /* 20 days */
    write_file("in/shoppers.csv", "mail,crm,age\na@example.com,,\n");
    run(id, "");
    uint32_t pid = pid_of("Email", "a@example.com");
    api_fixture_advance((int64_t)19 * DAY_S * 1000);
    assert_true(membership_of(id, pid, &known).is_member && known);
    api_answer answer = api_expect(&fixture, 200, "POST", text(AIS "/extend-ttl/%s", id), NULL);
    api_assert_text(&fixture, &answer, "audienceId", id);
    api_assert_text(&fixture, &answer, "name", "Shoppers");
    answer = api_expect(&fixture, 200, "GET", text(AIS "/%s/runs", id), NULL);
    api_assert_text(&fixture, &answer, "_page.totalCount", "2");
    answer = wait_for(text(AIS "/%s/runs/%s", id, api_text(&fixture, &answer, "runs.0.runId")));
    api_assert_text(&fixture, &answer, "status", "SUCCESS");
    api_fixture_advance((int64_t)20 * DAY_S * 1000); /* day 39 */
    assert_true(membership_of(id, pid, &known).is_member && known);
    api_fixture_advance((int64_t)2 * DAY_S * 1000);
    membership_of(id, pid, &known);
    assert_false(known);
}

static void a_deleted_audience_is_gone(void **state)
{
    (void)state;
    bool known;
    const char *id = create(BODY);
    write_file("in/shoppers.csv", "mail,crm,age\na@example.com,,\n");
    api_answer answer = run(id, "");
    const char *run_id = api_text(&fixture, &answer, "runId");
    uint32_t pid = pid_of("Email", "a@example.com");
    answer = api_expect(&fixture, 204, "DELETE", text(AIS "/%s/", id), NULL);
    assert_int_equal(answer.body.len, 0);
    api_expect(&fixture, 404, "DELETE", text(AIS "/%s", id), NULL);
    api_expect(&fixture, 404, "GET", text(AIS "/%s/runs/%s", id, run_id), NULL);
    api_expect(&fixture, 404, "GET", text(AUDIENCES "/%s", id), NULL);
    membership_of(id, pid, &known);
    assert_false(known);
    id = create(BODY); /* its id is free again */
    assert_int_equal(members(id), -1);
}

static void an_audience_that_is_referred_to_stays(void **state)
{
    (void)state;
    const char *id = create(BODY);
    api_expect(&fixture, 201, "POST", AUDIENCES,
               text("{\"name\":\"Other\",\"expression\":{\"type\":\"PQL\",\"format\":\"pql/text\","
                    "\"value\":\"inSegment(\\\"%s\\\")\"}}",
                    id));
    api_answer answer = api_send(&fixture, "DELETE", text(AIS "/%s", id), NULL);
    assert_error(&answer, 422, "100960-422");
    api_expect(&fixture, 200, "GET", text(AUDIENCES "/%s", id), NULL);
}

static void metadata_alone_makes_an_audience(void **state)
{
    (void)state;
#define META "/data/core/ais/audiences?createAudienceMetaOnly=true"
#define METADATA                                                                                   \
    "{\"name\":\"M\",\"audienceId\":\"m1\",\"namespace\":\"AO\",\"originName\":\"AO\","            \
    "\"description\":\"d\"}"
    api_answer answer = api_expect(&fixture, 200, "POST", META, METADATA);
    const char *id = api_text(&fixture, &answer, "id");
    api_assert_text(&fixture, &answer, "audienceId", "m1");
    api_assert_text(&fixture, &answer, "name", "M");
    answer = api_send(&fixture, "POST", META, METADATA);
    assert_error(&answer, 409, "100950-409");
    answer = api_expect(&fixture, 200, "GET", text(AUDIENCES "/%s", id), NULL);
    api_assert_text(&fixture, &answer, "namespace", "AO");
    answer = api_send(&fixture, "POST", "/data/core/ais/audiences", METADATA);
    assert_error(&answer, 400, "100910-400");
    answer = api_send(&fixture, "POST", META, "{\"name\":\"M\",\"namespace\":\"AO\"}");
    assert_error(&answer, 400, "100910-400");
    answer = api_send(&fixture, "POST", text(AIS "/%s/runs", id), "{\"dataFilterStartTime\":1}");
    assert_error(&answer, 422, "100960-422");
    answer = api_expect(&fixture, 200, "PATCH", text(AIS "/%s", id), "{\"description\":\"e\"}");
    api_assert_text(&fixture, &answer, "description", "e");
    api_expect(&fixture, 204, "DELETE", text(AIS "/%s", id), NULL);
}

static void they_can_be_switched_off(void **state)
{
    (void)state;
    fixture.options.settings.external_audiences = 0;
    api_fixture_restart(&fixture);
    api_answer answer = api_send(&fixture, "POST", AIS "/", BODY);
    assert_int_equal(answer.status, 403);
    api_assert_text(&fixture, &answer, "errors.403.0.code", "403");
    assert_non_null(strstr(api_text(&fixture, &answer, "type"), "UPAPI-113740-403"));
}

/* -------- restarts -------- */

static void write_between(api_fixture *f)
{
    (void)f;
    write_file("in/shoppers.csv", "mail,crm,age\na@example.com,,\nb@example.com,,\n");
}

/* Whatever the runner had done when the server ended, the operation and the run end well once. */
static void what_was_under_way_is_taken_up_again(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        api_answer answer = api_expect(
            &fixture, 202, "POST", AIS,
            text("{\"name\":\"R\",\"originName\":\"X\",\"customAudienceId\":\"r%d\"," FIELDS
                 "," SOURCE("in/shoppers.csv", "file") "}",
                 round));
        const char *operation = api_text(&fixture, &answer, "operationId");
        api_fixture_restart_after(&fixture, write_between);
        answer = wait_for(text(AIS "/operations/%s", operation));
        api_assert_text(&fixture, &answer, "status", "SUCCESS");
        const char *id = api_text(&fixture, &answer, "audienceId");
        answer = api_expect(&fixture, 200, "POST", text(AIS "/%s/runs", id),
                            "{\"dataFilterStartTime\":1}");
        const char *run_id = api_text(&fixture, &answer, "runId");
        api_fixture_restart(&fixture);
        answer = wait_for(text(AIS "/%s/runs/%s", id, run_id));
        api_assert_text(&fixture, &answer, "status", "SUCCESS");
        assert_int_equal(members(id), 2);
    }
    api_answer answer = api_expect(&fixture, 200, "GET", AUDIENCES, NULL);
    api_assert_text(&fixture, &answer, "_page.totalCount", "5");
}

static void changes_are_audited(void **state)
{
    (void)state;
    const char *id = create(BODY);
    api_expect(&fixture, 200, "PATCH", text(AIS "/%s", id), "{\"description\":\"new\"}");
    api_expect(&fixture, 204, "DELETE", text(AIS "/%s", id), NULL);
    api_answer answer = api_expect(
        &fixture, 200, "GET",
        text("/data/foundation/audit/events?property=assetId==%s&property=assetType==Segment", id),
        NULL);
    api_assert_text(&fixture, &answer, "page.totalElements", "3");
    api_assert_text(&fixture, &answer, "_embedded.events.0.action", "Delete");
    api_assert_text(&fixture, &answer, "_embedded.events.1.after.description", "new");
    api_assert_text(&fixture, &answer, "_embedded.events.2.action", "Create");
    api_assert_text(&fixture, &answer, "_embedded.events.2.userEmail", "key");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
        TEST(an_audience_is_made_and_seen),
        TEST(the_same_id_is_refused),
        TEST(bad_audiences_are_refused),
        TEST(older_forms_are_taken),
        TEST(what_is_not_there_is_told),
        TEST(sandbox_headers_are_checked_in_its_own_form),
        TEST(rows_become_members),
        TEST(known_profiles_are_found),
        TEST(a_full_run_replaces_and_a_differential_one_adds),
        TEST(only_files_of_the_window_are_read),
        TEST(blanks_in_names_are_forgiven),
        TEST(links_lead_nowhere),
        TEST(bad_files_fail_the_run_and_change_nothing),
        TEST(types_are_checked),
        TEST(bad_runs_are_refused),
        TEST(an_audience_has_ten_runs_and_one_at_a_time),
        TEST(runs_are_listed_and_filtered),
        TEST(an_audience_is_patched),
        TEST(members_expire_and_are_extended),
        TEST(a_deleted_audience_is_gone),
        TEST(an_audience_that_is_referred_to_stays),
        TEST(metadata_alone_makes_an_audience),
        TEST(they_can_be_switched_off),
        TEST(what_was_under_way_is_taken_up_again),
        TEST(changes_are_audited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
