/* hostile_test.c -- requests that nobody should send, to every family of paths: each is answered
 * with JSON that can be read and no 5xx, and nothing leaves the data folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/ingestion.h"
#include "tests/support/luma_server.h"

#include <stdio.h>
#include <unistd.h>

#define SINGLE   "/collection/" LUMA_SERVER_INLET
#define MANY     "/collection/batch/" LUMA_SERVER_INLET
#define REGISTRY "/data/foundation/schemaregistry/tenant"
#define IMPORT   "/data/foundation/import/batches"
#define DATASETS "/data/foundation/catalog/dataSets"
#define CRM      "9261ceef0b969e70ac20f151"
#define WEB      "4b5e57f6eb2f42b9039b3d1e"
#define ALT_ID   "_luma.schemas.9261ceef0b969e70ac20f1510f07a1e0d8db05f20c75161a"
#define HEADERS                                                                                    \
    "Authorization: Bearer x\r\nx-gw-ims-org-id: " LUMA_SERVER_ORGANIZATION                        \
    "\r\nx-sandbox-name: prod\r\nContent-Type: application/json\r\n"
#define KEY "x-api-key: key\r\n"

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

/* -------- what every answer must be -------- */

/* 501 is said of what is not there on purpose, 429 of synchronous validation. */
static void assert_sound(const api_answer *answer, const char *method, const char *path)
{
    if (answer->status < 200 || (answer->status >= 500 && answer->status != 501))
        fail_msg("%s %s: %u", method, path, answer->status);
    if (answer->status >= 400 && answer->json.kind != MU_JSON_OBJECT &&
        answer->json.kind != MU_JSON_ARRAY)
        fail_msg("%s %s: %u without JSON: " MU_STR_FMT, method, path, answer->status,
                 MU_STR_ARG(answer->body));
}

static api_answer throw(const char *method, const char *path, mu_str body)
{
    api_answer answer = api_send_headers(&fixture, method, path, HEADERS KEY, body);
    assert_sound(&answer, method, path);
    return answer;
}

typedef struct target {
    const char *method, *path;
} target;

static const target families[] = {
    {"POST", "/data/core/idnamespace/identities"},
    {"PUT", "/data/core/idnamespace/identities/10000001"},
    {"POST", REGISTRY "/fieldgroups"},
    {"POST", REGISTRY "/schemas"},
    {"POST", REGISTRY "/classes"},
    {"POST", REGISTRY "/datatypes"},
    {"POST", REGISTRY "/descriptors"},
    {"PATCH", REGISTRY "/schemas/" ALT_ID},
    {"POST", DATASETS},
    {"PATCH", DATASETS "/" WEB},
    {"POST", "/data/foundation/dataset/datasets/" CRM "/labels"},
    {"POST", "/data/foundation/flowservice/connections"},
    {"POST", "/data/foundation/flowservice/flows"},
    {"POST", SINGLE},
    {"POST", MANY},
    {"POST", IMPORT},
    {"POST", "/data/core/ups/access/entities"},
    {"POST", "/data/core/ups/audiences"},
    {"POST", "/data/core/ups/audiences/bulk-get"},
    {"POST", "/data/core/ups/segment/definitions"},
    {"POST", "/data/core/ups/segment/definitions/bulk-get"},
    {"POST", "/data/core/ups/segment/conversion"},
    {"POST", "/data/core/ups/config/mergePolicies"},
    {"POST", "/data/core/ups/config/mergePolicies/bulk-get"},
    {"PUT", "/data/core/ups/config/retention"},
    {"POST", "/data/core/ups/system/jobs"},
    {"POST", "/data/core/identity/v2/graph"},
    {"POST", "/data/core/identity/clusters/members"},
    {"PUT", "/data/core/identity/settings"},
    {"POST", "/data/foundation/sandbox-management/sandboxes"},
    {"POST", "/ims/token/v3"},
};

#define N_FAMILIES (sizeof families / sizeof families[0])

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

static mu_str many_members(int n)
{
    mu_buf buf;
    mu_buf_init(&buf, SIZE_MAX);
    for (int i = 0; i < n; i++)
        mu_buf_add_format(&buf, "%s\"k%d\":%d", i == 0 ? "{" : ",", i, i);
    mu_buf_add_char(&buf, '}');
    mu_str out = mu_arena_copy(&fixture.arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return out;
}

/* -------- bodies -------- */

static void bodies_that_are_no_documents_are_refused(void **state)
{
    const mu_str bodies[] = {
        MU_STR(""),
        MU_STR(" "),
        MU_STR("\0"),
        MU_STR("{\"a\":\"\0\"}"),
        MU_STR("{\"name\":\"\xff\xfe\"}"),
        MU_STR("{\"name\":\"\xed\xa0\x80\"}"),
        MU_STR("{\"name\":\"\\ud800\"}"),
        MU_STR("{"),
        MU_STR("{\"a\":1,}"),
        MU_STR("[1] x"),
        MU_STR("NaN"),
        MU_STR("{\"a\":1e999999}"),
        repeated("", "[", 100000, ""),
        repeated("", "{\"a\":", 100000, ""),
        repeated("[1", ",1", 20000, "]"),
        many_members(60000),
        repeated("{\"a\":\"", "aaaaaaaaaaaaaaaa", 700000, "\"}"), /* over 10 MiB */
    };
    (void)state;
    for (size_t f = 0; f < N_FAMILIES; f++)
        for (size_t b = 0; b < sizeof bodies / sizeof bodies[0]; b++) {
            api_answer answer = throw(families[f].method, families[f].path, bodies[b]);
            if (answer.status < 400)
                fail_msg("%s %s took body %zu with %u", families[f].method, families[f].path, b,
                         answer.status);
        }
}

static void odd_documents_do_no_harm(void **state)
{
    static const char *const bodies[] = {
        "null",
        "0",
        "[]",
        "{}",
        "[[]]",
        "[null]",
        "{\"\":null}",
        "{\"name\":\"x\",\"name\":[],\"name\":{}}",
        "{\"name\":\"a\\u0000b\",\"code\":\"a\\u0000b\",\"title\":\"a\\u0000b\"}",
        "{\"id\":-0.0,\"version\":1e-9999,\"priority\":99999999999999999999}",
        "{\"title\":1,\"type\":[],\"allOf\":{}}",
        "{\"title\":\"x\",\"type\":\"object\",\"allOf\":[{\"$ref\":\"#\"}]}",
        "[{\"op\":\"replace\",\"path\":\"\",\"value\":[]}]",
        "[{\"op\":\"remove\",\"path\":\"/-1\"}]",
        "[{\"op\":\"add\",\"path\":\"/tags/unifiedProfile/99999999999999999999\",\"value\":1}]",
        "{\"schemaRef\":[],\"schemaName\":1,\"datasetId\":{},\"inputFormat\":\"json\"}",
        "{\"ids\":[1,null,{\"id\":[]}],\"xids\":[1,null],\"composite_xids\":[{\"nsid\":-1}]}",
        "{\"namespaces\":[{\"code\":\"ECID\",\"priority\":1e10,\"unique\":\"x\"},null,1]}",
        "{\"schema\":{\"name\":\"_xdm.context.profile\"},\"identities\":[{\"entityId\":1}]}",
        "{\"name\":\"../../x\",\"title\":\"x\",\"type\":\"development\"}",
        "{\"messages\":[null,1,[],{\"header\":null},{\"header\":{},\"body\":[]}]}",
    };
    (void)state;
    for (size_t f = 0; f < N_FAMILIES; f++)
        for (size_t b = 0; b < sizeof bodies / sizeof bodies[0]; b++)
            (void) throw(families[f].method, families[f].path, mu_str_from(bodies[b]));
}

/* -------- headers and paths -------- */

/* What a header says is stored with what it makes, and must be readable then. */
static void headers_of_other_bytes_become_text(void **state)
{
    (void)state;
    api_answer made =
        api_send_headers(&fixture, "POST", DATASETS, HEADERS "x-api-key: caf\xe9\xff\r\n",
                         MU_STR("{\"name\":\"x\",\"schemaRef\":{\"id\":"
                                "\"https://ns.adobe.com/xdm/context/experienceevent\"}}"));
    assert_int_equal(made.status, 201);
    mu_str reference = mu_str_from(api_text(&fixture, &made, "0"));
    assert_true(reference.len > 24);
    const char *id = reference.ptr + reference.len - 24;
    api_answer answer =
        throw("GET", mu_arena_format(&fixture.arena, DATASETS "/%s", id).ptr, MU_STR(""));
    api_assert_text(&fixture, &answer, mu_arena_format(&fixture.arena, "%s.createdUser", id).ptr,
                    "caf\xc3\xa9\xc3\xbf");
    answer = api_send_headers(&fixture, "GET", REGISTRY "/schemas/" ALT_ID,
                              HEADERS KEY "Accept: \xff\r\n", MU_STR(""));
    assert_sound(&answer, "GET", "a schema with another Accept");
    assert_int_equal(answer.status, 400);
}

static void sandboxes_that_contradict_are_refused(void **state)
{
    static const char *const headers[] = {"x-sandbox-name: nope\r\n",
                                          "x-sandbox-name: PROD\r\n",
                                          "x-sandbox-name: ../prod\r\n",
                                          "x-sandbox-name: prod\r\nx-sandbox-id: nope\r\n",
                                          "x-sandbox-id: nope\r\n",
                                          "x-sandbox-name: \r\n",
                                          ""};
    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        const char *all =
            mu_arena_format(&fixture.arena,
                            "Authorization: Bearer x\r\n" KEY "x-gw-ims-org-id: x\r\n%s",
                            headers[i])
                .ptr;
        api_answer answer = api_send_headers(&fixture, "GET", DATASETS, all, MU_STR(""));
        assert_sound(&answer, "GET", headers[i]);
        assert_int_equal(answer.status, 400);
    }
}

static void paths_are_no_tricks(void **state)
{
    static const char *const heads[] = {DATASETS "/",
                                        REGISTRY "/schemas/",
                                        REGISTRY "/descriptors/",
                                        "/data/core/idnamespace/identities/",
                                        "/data/core/ups/config/mergePolicies/",
                                        "/data/foundation/flowservice/connections/",
                                        "/data/foundation/catalog/batches/",
                                        "/data/foundation/sandbox-management/sandboxes/",
                                        "/collection/",
                                        IMPORT "/",
                                        "/data/core/ups/system/jobs/"};
    static const char *const tails[] = {
        "..",   "%2e%2e", "%2F", "a%2Fb", "%00",  "%ff",       "%",
        "%zz",  "%20",    "%22", "//",    "x//y", "../health", "..%2f..%2f..%2fetc%2fpasswd",
        "x/./", "*"};
    static const char *const methods[] = {"GET", "DELETE", "PUT", "POST"};
    (void)state;
    for (size_t h = 0; h < sizeof heads / sizeof heads[0]; h++)
        for (size_t t = 0; t < sizeof tails / sizeof tails[0]; t++)
            for (size_t m = 0; m < sizeof methods / sizeof methods[0]; m++) {
                const char *path = mu_arena_format(&fixture.arena, "%s%s", heads[h], tails[t]).ptr;
                api_answer answer = throw(methods[m], path, m < 2 ? MU_STR("") : MU_STR("{}"));
                if (answer.status < 400)
                    fail_msg("%s %s: %u", methods[m], path, answer.status);
            }
}

/* -------- files -------- */

static const char *new_batch(void)
{
    api_answer answer =
        throw("POST", IMPORT,
              MU_STR("{\"datasetId\":\"" CRM "\",\"inputFormat\":{\"format\":\"json\"}}"));
    assert_int_equal(answer.status, 201);
    return api_text(&fixture, &answer, "id");
}

static const char *file_of(const char *batch, const char *name)
{
    return mu_arena_format(&fixture.arena, IMPORT "/%s/datasets/" CRM "/files/%s", batch, name).ptr;
}

/* A name is only a name: it is kept in the batch's folder, or refused. */
static void names_of_files_stay_in_their_folder(void **state)
{
    static const char *const names[] = {"../../escaped",
                                        "..%2f..%2fescaped",
                                        "%2e%2e/%2e%2e/escaped",
                                        "/escaped",
                                        "%2ftmp%2fescaped",
                                        "a/../../../escaped",
                                        "a\\..\\escaped",
                                        "..",
                                        "%2e",
                                        "a//b",
                                        "a%00b",
                                        "%ff%fe",
                                        "%E2%80%AEtxt.json",
                                        "-rf"};
    static const char *const outside[] = {"%s/escaped", "%s/../escaped", "%s/../../escaped",
                                          "%s/batches/escaped", "%s/batches/prod/escaped"};
    (void)state;
    const char *batch = new_batch();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *path = file_of(batch, names[i]);
        (void) throw("PUT", path, MU_STR("{}"));
        (void) throw("POST", mu_arena_format(&fixture.arena, "%s?action=INITIALIZE", path).ptr,
                     MU_STR(""));
    }
    mu_str huge = repeated("", "x", 5000, "");
    assert_int_equal(throw("PUT", file_of(batch, huge.ptr), MU_STR("{}")).status, 400);
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
        char path[4096];
        snprintf(path, sizeof path, outside[i], fixture.folder);
        assert_int_not_equal(access(path, F_OK), 0);
    }
    assert_int_not_equal(access("/tmp/escaped", F_OK), 0);
}

static void ranges_that_make_no_sense_are_refused(void **state)
{
    static const char *const ranges[] = {"bytes 0-9/2",
                                         "bytes 5-1/10",
                                         "bytes -1-1/2",
                                         "bytes */2",
                                         "bytes 0-1/*",
                                         "bytes 0-1/1",
                                         "bytes 0-18446744073709551615/18446744073709551615",
                                         "bytes 9223372036854775806-9223372036854775807/"
                                         "9223372036854775807",
                                         "bytes 99999999999999999999-99999999999999999999/9",
                                         "0-1/2",
                                         ""};
    (void)state;
    const char *path = file_of(new_batch(), "large.json");
    const char *begin = mu_arena_format(&fixture.arena, "%s?action=INITIALIZE", path).ptr;
    assert_int_equal(throw("POST", begin, MU_STR("")).status, 201);
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        const char *headers =
            mu_arena_format(&fixture.arena, HEADERS KEY "Content-Range: %s\r\n", ranges[i]).ptr;
        api_answer answer = api_send_headers(&fixture, "PATCH", path, headers, MU_STR("xx"));
        assert_sound(&answer, "PATCH", ranges[i]);
        if (answer.status != 400)
            fail_msg("%s: %u", ranges[i], answer.status);
    }
}

static void a_batch_whose_dataset_is_deleted_fails(void **state)
{
    (void)state;
    api_answer made = throw("POST", DATASETS,
                            MU_STR("{\"name\":\"short-lived\",\"schemaRef\":{\"id\":"
                                   "\"https://ns.adobe.com/xdm/context/experienceevent\"}}"));
    mu_str reference = mu_str_from(api_text(&fixture, &made, "0"));
    const char *dataset = reference.ptr + reference.len - 24;
    api_answer answer = throw("POST", IMPORT,
                              mu_arena_format(&fixture.arena,
                                              "{\"datasetId\":\"%s\",\"inputFormat\":{\"format\":"
                                              "\"json\"}}",
                                              dataset));
    const char *batch = api_text(&fixture, &answer, "id");
    const char *file =
        mu_arena_format(&fixture.arena, IMPORT "/%s/datasets/%s/files/a", batch, dataset).ptr;
    assert_int_equal(throw("PUT", file, MU_STR("{\"_id\":\"1\"}")).status, 201);
    const char *path = mu_arena_format(&fixture.arena, DATASETS "/%s", dataset).ptr;
    assert_int_equal(throw("DELETE", path, MU_STR("")).status, 200);
    path = mu_arena_format(&fixture.arena, IMPORT "/%s?action=COMPLETE", batch).ptr;
    assert_int_equal(throw("POST", path, MU_STR("")).status, 200);
    mu_batches_wait_idle(fixture.api->ingestion->batches);
    path = mu_arena_format(&fixture.arena, "/data/foundation/catalog/batches/%s", batch).ptr;
    answer = throw("GET", path, MU_STR(""));
    api_assert_text(&fixture, &answer, mu_arena_format(&fixture.arena, "%s.status", batch).ptr,
                    "failed");
}

/* -------- messages of sample-data.md 6 that other tests do not send over a socket -------- */

static void send_message(const char *schema, const char *dataset, mu_str entity)
{
    mu_str body = mu_arena_format(
        &fixture.arena,
        "{\"header\":{\"schemaRef\":{\"id\":\"https://ns.adobe.com/luma/schemas/%s\"},\"imsOrgId\":"
        "\"" LUMA_SERVER_ORGANIZATION
        "\",\"datasetId\":\"%s\"},\"body\":{\"xdmMeta\":{\"schemaRef\":{\"id\":"
        "\"https://ns.adobe.com/luma/schemas/%s\"}},\"xdmEntity\":%s}}",
        schema, dataset, schema, entity.ptr);
    assert_int_equal(throw("POST", SINGLE, body).status, 200);
}

static void send_record(mu_str entity)
{
    send_message("9261ceef0b969e70ac20f1510f07a1e0d8db05f20c75161a", CRM, entity);
}

static void send_event(mu_str entity)
{
    send_message("4b5e57f6eb2f42b9039b3d1e13929295f231749c510cbe34", WEB, entity);
}

static bool is_known(const char *crm, const char *part)
{
    return mu_str_find(luma_server_lookup(&fixture, "lumaCrmId", crm), mu_str_from(part)) !=
           SIZE_MAX;
}

#define WHO(crm) "\"identityMap\":{\"lumaCrmId\":[{\"id\":\"" crm "\"}]}"
#define WHEN     "\"timestamp\":\"2026-03-10T11:00:00Z\",\"eventType\":\"x\""

static void bad_messages_leave_what_is_stated(void **state)
{
    (void)state;
    /* The e-mail address is dropped, the record stays. */
    send_record(repeated("{\"_luma\":{\"identification\":{\"crmId\":\"BAD-1\"}},"
                         "\"personalEmail\":{\"address\":\"",
                         "x", 1013, "@example.com\"}}"));
    assert_true(is_known("BAD-1", CRM));
    assert_false(is_known("BAD-1", "Email:"));
    send_event(MU_STR("{\"_id\":\"bad-2\"," WHEN "}")); /* nobody's */
    send_event(MU_STR("{" WHEN "," WHO("BAD-3") "}"));  /* without _id */
    assert_false(is_known("BAD-3", "11:00:00"));
    /* Ten kilobytes, a hundred: what is larger is not for Profile. */
    send_event(repeated("{\"_id\":\"bad-4\"," WHEN "," WHO("BAD-4") ",\"_luma\":{\"cartId\":\"",
                        "x", 10 << 10, "\"}}"));
    assert_false(is_known("BAD-4", "bad-4"));
    send_record(repeated("{\"_luma\":{\"identification\":{\"crmId\":\"BAD-5\"}},\"person\":{"
                         "\"name\":{\"firstName\":\"",
                         "x", 100 << 10, "\"}}}"));
    assert_false(is_known("BAD-5", CRM));
}

static void of_21_identities_the_first_20_count(void **state)
{
    mu_buf entity;
    (void)state;
    mu_buf_init(&entity, SIZE_MAX);
    MU_BUF_ADD(&entity, "{\"_id\":\"crowded\"," WHEN ",\"identityMap\":{\"lumaCrmId\":["
                        "{\"id\":\"BAD-6\",\"primary\":true}],\"ECID\":[");
    for (int i = 0; i < 20; i++)
        mu_buf_add_format(&entity, "%s{\"id\":\"%038d\"}", i == 0 ? "" : ",", i + 1);
    MU_BUF_ADD(&entity, "]}}");
    mu_buf_add_char(&entity, '\0');
    send_event(mu_str_from(entity.ptr));
    mu_buf_free(&entity);
    assert_true(is_known("BAD-6", "ECID:00000000000000000000000000000000000019\n"));
    assert_false(is_known("BAD-6", "ECID:00000000000000000000000000000000000020\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_that_are_no_documents_are_refused),
        cmocka_unit_test(odd_documents_do_no_harm),
        cmocka_unit_test(headers_of_other_bytes_become_text),
        cmocka_unit_test(sandboxes_that_contradict_are_refused),
        cmocka_unit_test(paths_are_no_tricks),
        cmocka_unit_test(names_of_files_stay_in_their_folder),
        cmocka_unit_test(ranges_that_make_no_sense_are_refused),
        cmocka_unit_test(a_batch_whose_dataset_is_deleted_fails),
        cmocka_unit_test(bad_messages_leave_what_is_stated),
        cmocka_unit_test(of_21_identities_the_first_20_count),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
