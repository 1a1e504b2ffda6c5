/* segmentation_wire_test.c -- the checks of api.md 22 on the wire, over a server with one of
 * everything.
 *
 *   check  where, in src/api unless it says tests
 *       1  gate_test.c: the header checks in their order, byte by byte
 *       2  headers_in_any_form, bodies_without_their_type
 *       3  segment_definitions_test.c: pages_have_no_row_twice
 *       4  audiences_test.c: pages_lead_through_all_of_them; null_never_occurs
 *       5  audiences_test.c: pages_lead_through_all_of_them; tests/clients/test_segmentation.py
 *       6  export_jobs_test.c: the_list_is_walked_by_cursor
 *       7  audiences_test.c, segment_definitions_test.c: lists_are_filtered..
 *       8  audiences_test.c: many_are_got_at_once
 *       9  audiences_test.c: a_missing_name_is_told_in_three_messages
 *      10  audiences_test.c: a_put_replaces_what_a_client_may_set, an_external_audience_keeps_..
 *      11  audiences_test.c: patches_that_are_wrong_change_nothing
 *      12  audiences_test.c: tags_tell_versions_apart
 *      13  segment_definitions_test.c: a_definition_is_an_audience_and_the_reverse
 *      14  what_deleting_answers
 *      15  segment_jobs_test.c: a_job_goes_through_its_states, every_state_can_be_cancelled
 *      16  segment_jobs_test.c: all_forms_of_the_body_are_taken, over_1500_ids_are_shown_as_all
 *      17  export_jobs_test.c: members_go_out_by_segment_and_status, each_segment_may_have_..
 *      18  previews_test.c: a_preview_lives_from_post_to_delete, bad_requests_leave_nothing
 *      19  schedules_test.c: times_are_checked_when_a_schedule_is_made
 *      20  schedules_test.c: a_fresh_sandbox_has_a_daily_schedule, it_is_patched_with_add_..
 *      21  search_test.c: a_search_without_hits_has_one_page
 *      22  external_audiences_test.c: an_audience_is_made_and_seen, an_audience_has_ten_runs_..
 *      23  conversion_test.c: the_documented_example_is_the_same_in_both_directions
 *      24  segment_jobs_test.c: too_many_that_wait_are_refused_without_a_trace
 *      25  chunked_bodies, a_hundred_requests_on_one_connection, five_connections_at_once,
 *          a_body_that_waits_to_be_asked_for, no_byte_follows_a_204, head_is_get_without_its_body
 *
 * "null" never occurs in an answer (A6): here, over every GET.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/http_int.h"
#include "tests/support/http_client.h"
#include "tests/support/luma_server.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#define UPS         "/data/core/ups"
#define AIS         "/data/core/ais"
#define DEFINITIONS UPS "/segment/definitions"
#define RULE        "person.name.firstName = \\\"x\\\""
#define EXPRESSION  "{\"type\":\"PQL\",\"format\":\"pql/text\",\"value\":\"" RULE "\"}"
#define CHECKED                                                                                    \
    "Authorization: Bearer t\r\nx-api-key: k\r\nx-gw-ims-org-id: " LUMA_SERVER_ORGANIZATION        \
    "\r\nx-sandbox-name: prod\r\n"
#define DATASET "9261ceef0b969e70ac20f151"

static api_fixture fixture;

/* -------- one of everything -------- */

static struct {
    const char *definition, *external, *job, *export_job, *preview, *schedule, *operation;
} made;

static api_answer post(unsigned status, const char *path, const char *body)
{
    return api_expect(&fixture, status, "POST", path, body);
}

static const char *define(const char *name)
{
    api_answer answer =
        post(200, DEFINITIONS,
             mu_arena_format(&fixture.arena,
                             "{\"name\":\"%s\",\"schema\":{\"name\":\"_xdm.context.profile\"},"
                             "\"expression\":" EXPRESSION "}",
                             name)
                 .ptr);
    return api_text(&fixture, &answer, "id");
}

static const char *external(const char *name)
{
    api_answer answer =
        post(201, UPS "/audiences",
             mu_arena_format(&fixture.arena,
                             "{\"name\":\"%s\",\"type\":\"ExternalSegment\",\"namespace\":\"AO\","
                             "\"originName\":\"CUSTOM_UPLOAD\",\"audienceId\":\"%s\"}",
                             name, name)
                 .ptr);
    return api_text(&fixture, &answer, "id");
}

static const char *start_job(void)
{
    api_answer answer = post(200, UPS "/segment/jobs", "{\"segments\":[{\"segmentId\":\"*\"}]}");
    return api_text(&fixture, &answer, "id");
}

static const char *start_export(void)
{
    api_answer answer = post(200, UPS "/export/jobs",
                             "{\"destination\":{\"datasetId\":\"" DATASET
                             "\"},\"schema\":{\"name\":\"_xdm.context.profile\"}}");
    return api_text(&fixture, &answer, "id");
}

static const char *start_preview(void)
{
    api_answer answer =
        post(201, UPS "/preview", "{\"predicateExpression\":\"" RULE "\",\"graphType\":\"pdg\"}");
    return api_text(&fixture, &answer, "previewId");
}

static const char *make_schedule(void)
{
    api_answer answer = post(200, UPS "/config/schedules",
                             "{\"name\":\"Nightly\",\"type\":\"batch_segmentation\",\"properties\":"
                             "{\"segments\":[\"*\"]},\"schedule\":\"0 0 1 * * ?\"}");
    return api_text(&fixture, &answer, "id");
}

static const char *start_operation(const char *name)
{
    api_answer answer =
        post(202, AIS "/external-audience/",
             mu_arena_format(&fixture.arena,
                             "{\"name\":\"%s\",\"originName\":\"CUSTOM_UPLOAD\",\"fields\":[{"
                             "\"name\":\"email\",\"type\":\"string\",\"identityNs\":\"email\"}],"
                             "\"sourceSpec\":{\"params\":{\"path\":\"a.csv\",\"type\":\"file\"}}}",
                             name)
                 .ptr);
    return api_text(&fixture, &answer, "operationId");
}

/* Asks until a member of the answer is one of two texts; 20 s at most. */
static api_answer wait_for(const char *path, const char *member, const char *one, const char *other)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    api_answer answer = {0};
    for (int i = 0; i < 2000; i++) {
        answer = api_expect(&fixture, 200, "GET", path, NULL);
        const char *text = api_text(&fixture, &answer, member);
        if (strcmp(text, one) == 0 || strcmp(text, other) == 0)
            return answer;
        nanosleep(&pause, NULL);
    }
    fail_msg("%s is neither %s nor %s: " MU_STR_FMT, path, one, other, MU_STR_ARG(answer.body));
    return answer;
}

static const char *path_to(const char *base, const char *id)
{
    return mu_arena_format(&fixture.arena, "%s/%s", base, id).ptr;
}

static int start(void **state)
{
    (void)state;
    api_fixture_start(&fixture);
    luma_server_fill(&fixture);
    made.definition = define("One");
    made.external = external("two");
    made.job = start_job();
    wait_for(path_to(UPS "/segment/jobs", made.job), "status", "SUCCEEDED", "FAILED");
    made.export_job = start_export();
    wait_for(path_to(UPS "/export/jobs", made.export_job), "status", "SUCCEEDED", "FAILED");
    made.preview = start_preview();
    wait_for(path_to(UPS "/estimate", made.preview), "state", "RESULT_READY", "FAILED");
    made.schedule = make_schedule();
    made.operation = start_operation("three");
    wait_for(path_to(AIS "/external-audience/operations", made.operation), "status", "SUCCESS",
             "FAILED");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    api_fixture_stop(&fixture);
    return 0;
}

/* -------- 2: headers and types -------- */

static unsigned status_with(const char *method, const char *path, const char *headers,
                            const char *body)
{
    api_answer answer =
        api_send_headers(&fixture, method, path, headers, mu_str_from(body == NULL ? "" : body));
    return answer.status;
}

static void headers_in_any_form(void **state)
{
    (void)state;
    assert_int_equal(status_with("GET", DEFINITIONS,
                                 "Authorization: bearer t\r\nX-API-KEY: k\r\nX-Gw-Ims-Org-Id: "
                                 "ANY@AdobeOrg\r\nX-SANDBOX-NAME: prod\r\n",
                                 NULL),
                     200);
    assert_int_equal(status_with("GET", DEFINITIONS "/", CHECKED "Accept: text/html\r\n", NULL),
                     200);
    assert_int_equal(status_with("GET", UPS "//segment/definitions", CHECKED, NULL), 404);
    assert_int_equal(status_with("GET", UPS "/segment/Definitions", CHECKED, NULL), 404);
}

static void bodies_without_their_type(void **state)
{
    static const char *const types[] = {"", "Content-Type: text/plain\r\n",
                                        "Content-Type: application/x-www-form-urlencoded\r\n",
                                        "Content-Type: application/json; charset=utf-8\r\n"};
    const struct {
        const char *method, *path, *body;
        unsigned status;
    } calls[] = {
        {"POST", DEFINITIONS "/bulk-get", "{\"ids\":[{\"id\":\"none\"}]}", 207},
        {"POST", UPS "/segment/conversion", "{\"expression\":" EXPRESSION "}", 200},
        {"POST", UPS "/segment/jobs/bulk-get", "{\"ids\":[{\"id\":\"none\"}]}", 207},
        {"PATCH", path_to(UPS "/config/schedules", made.schedule),
         "[{\"op\":\"add\",\"path\":\"/state\",\"value\":\"inactive\"}]", 204},
        {"PATCH", path_to(DEFINITIONS, made.definition), "{\"description\":\"x\"}", 200},
        {"PATCH", path_to(UPS "/audiences", made.definition),
         "[{\"op\":\"add\",\"path\":\"/description\",\"value\":\"x\"}]", 201},
        {"POST", UPS "/preview", "{\"predicateExpression\":\"" RULE "\"}", 201},
    };
    (void)state;
    for (size_t c = 0; c < sizeof calls / sizeof calls[0]; c++)
        for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
            char headers[512];
            snprintf(headers, sizeof headers, CHECKED "%s", types[t]);
            unsigned status = status_with(calls[c].method, calls[c].path, headers, calls[c].body);
            if (status != calls[c].status)
                fail_msg("%s %s as \"%s\": %u, not %u", calls[c].method, calls[c].path, types[t],
                         status, calls[c].status);
        }
}

/* -------- 14: statuses of DELETE -------- */

static void expect_deleted(const char *path, unsigned status, const char *member, const char *text)
{
    api_answer answer = api_expect(&fixture, status, "DELETE", path, NULL);
    if (status == 204)
        assert_int_equal(answer.body.len, 0);
    if (member != NULL)
        api_assert_text(&fixture, &answer, member, text);
}

static void what_deleting_answers(void **state)
{
    (void)state;
    expect_deleted(path_to(UPS "/audiences", external("gone")), 204, NULL, NULL);
    expect_deleted(path_to(DEFINITIONS, define("Gone")), 200, "status", "true");
    expect_deleted(path_to(UPS "/segment/jobs", made.job), 204, NULL, NULL);
    expect_deleted(path_to(UPS "/segment/jobs", start_job()), 204, NULL, NULL);
    expect_deleted(path_to(UPS "/export/jobs", start_export()), 200, "status", "true");
    expect_deleted(path_to(UPS "/preview", start_preview()), 200, "message", "KILLED");
    expect_deleted(path_to(UPS "/config/schedules", make_schedule()), 204, NULL, NULL);
    api_answer done =
        wait_for(path_to(AIS "/external-audience/operations", start_operation("four")), "status",
                 "SUCCESS", "FAILED");
    const char *audience = api_text(&fixture, &done, "audienceId");
    assert_true(strlen(audience) > 0);
    expect_deleted(path_to(AIS "/external-audience", audience), 204, NULL, NULL);
    api_expect(&fixture, 404, "DELETE", path_to(AIS "/external-audience", audience), NULL);
}

/* -------- A6: no null -------- */

static bool has_null(const mu_json *json, unsigned depth)
{
    assert_true(depth < 64);
    if (json->kind == MU_JSON_NULL)
        return true;
    if (json->kind != MU_JSON_ARRAY && json->kind != MU_JSON_OBJECT)
        return false;
    for (uint32_t i = 0; i < json->n; i++)
        if (has_null(&json->items[i], depth + 1))
            return true;
    return false;
}

static void expect_no_null(const char *path)
{
    api_answer answer = api_send(&fixture, "GET", path, NULL);
    if (answer.status >= 500 || answer.json.kind == MU_JSON_NULL || has_null(&answer.json, 0))
        fail_msg("GET %s: %u " MU_STR_FMT, path, answer.status, MU_STR_ARG(answer.body));
}

/* What stands for {id} below a path, by its first segment. */
static const char *known_id(mu_str pattern)
{
    const struct {
        const char *part, *id;
    } ids[] = {{"/segment/jobs", made.job},     {"/export/jobs", made.export_job},
               {"/preview", made.preview},      {"/estimate", made.preview},
               {"/schedules", made.schedule},   {"/operations", made.operation},
               {"/task", made.operation},       {"/external-audience", made.external},
               {"/audiences", made.definition}, {"/definitions", made.definition}};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        if (mu_str_find(pattern, mu_str_from(ids[i].part)) != SIZE_MAX)
            return ids[i].id;
    return "none";
}

static const char *path_of(mu_str pattern)
{
    mu_buf buf;
    mu_buf_init(&buf, SIZE_MAX);
    for (size_t i = 0; i < pattern.len; i++) {
        if (pattern.ptr[i] != '{') {
            mu_buf_add_char(&buf, pattern.ptr[i]);
            continue;
        }
        mu_buf_add_str(&buf, mu_str_from(known_id(pattern)));
        while (pattern.ptr[i] != '}')
            i++;
    }
    mu_str copy = mu_arena_copy(&fixture.arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return copy.ptr;
}

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

static void null_never_occurs(void **state)
{
    static const char *const queries[] = {
        UPS "/audiences?limit=1",
        UPS "/audiences?start=1000",
        UPS "/audiences?property=name==nothing",
        DEFINITIONS "?limit=1",
        DEFINITIONS "?page=9",
        UPS "/segment/jobs?limit=1",
        UPS "/segment/jobs?status=FAILED",
        UPS "/export/jobs?limit=1",
        UPS "/export/jobs?status=FAILED",
        UPS "/config/schedules?limit=1",
        UPS "/config/schedules?start=50",
        UPS "/search/namespaces?schema.name=_xdm.context.segmentdefinition",
        UPS "/search/entities?schemaClass=_xdm.context.segmentdefinition&namespace=AEPSegments",
        UPS "/search/entities?schemaClass=_xdm.context.segmentdefinition&namespace=none&s=none",
        UPS "/search/taxonomy?schema.name=_xdm.context.segmentdefinition&namespace=AO&entityId=x",
    };
    unsigned n = 0;
    (void)state;
    for (const mu_http_route_entry *route = mu_http_router_first(fixture.router); route != NULL;
         route = route->next)
        if (route->route.method == MU_HTTP_GET && is_of_segmentation(route->pattern)) {
            expect_no_null(path_of(route->pattern));
            n++;
        }
    assert_true(n >= 15);
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++)
        expect_no_null(queries[i]);
}

/* -------- 25: HTTP -------- */

static http_reply read_reply(http_client *client, bool is_head)
{
    http_reply reply;
    assert_true(http_read(client, is_head, &reply));
    return reply;
}

static void chunked_bodies(void **state)
{
    static const char body[] = "{\"ids\":[{\"id\":\"none\"}]}";
    http_client client;
    (void)state;
    http_connect(&client, fixture.port);
    assert_true(http_send_text(&client,
                               "POST " DEFINITIONS "/bulk-get HTTP/1.1\r\nHost: t\r\n" CHECKED
                               "Transfer-Encoding: chunked\r\n\r\n5\r\n%.5s\r\n%zx\r\n%s\r\n"
                               "0\r\n\r\n",
                               body, sizeof body - 6, body + 5));
    http_reply reply = read_reply(&client, false);
    assert_int_equal(reply.status, 207);
    http_reply_free(&reply);
    http_disconnect(&client);
}

static void a_hundred_requests_on_one_connection(void **state)
{
    http_client client;
    (void)state;
    http_connect(&client, fixture.port);
    for (int i = 0; i < 100; i++) {
        assert_true(http_send_text(
            &client, "GET " UPS "/audiences/%s HTTP/1.1\r\nHost: t\r\n" CHECKED "\r\n",
            i % 10 == 9 ? "none" : made.definition));
        http_reply reply = read_reply(&client, false);
        assert_int_equal(reply.status, i % 10 == 9 ? 404 : 200);
        http_reply_free(&reply);
    }
    http_disconnect(&client);
}

static void *list_in_a_thread(void *context)
{
    bool *is_good = context;
    http_client client;
    *is_good = http_try_connect(&client, fixture.port);
    for (int i = 0; *is_good && i < 20; i++) {
        http_reply reply;
        *is_good = http_send_text(&client,
                                  "GET " DEFINITIONS "?page=%d&limit=100 HTTP/1.1\r\nHost: "
                                  "t\r\n" CHECKED "\r\n",
                                  i % 3) &&
                   http_read(&client, false, &reply) && reply.status == 200;
        if (*is_good)
            http_reply_free(&reply);
    }
    http_disconnect(&client);
    return NULL;
}

static void five_connections_at_once(void **state)
{
    pthread_t threads[5];
    bool is_good[5] = {false};
    (void)state;
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, list_in_a_thread, &is_good[i]), 0);
    for (size_t i = 0; i < 5; i++) {
        pthread_join(threads[i], NULL);
        assert_true(is_good[i]);
    }
}

static void a_body_that_waits_to_be_asked_for(void **state)
{
    static const char body[] = "{\"expression\":" EXPRESSION "}";
    http_client client;
    (void)state;
    http_connect(&client, fixture.port);
    assert_true(http_send_text(&client,
                               "POST " UPS "/segment/conversion HTTP/1.1\r\nHost: t\r\n" CHECKED
                               "Expect: 100-continue\r\nContent-Length: %zu\r\n\r\n",
                               sizeof body - 1));
    http_reply reply = read_reply(&client, true);
    assert_int_equal(reply.status, 100);
    http_reply_free(&reply);
    assert_true(http_send_text(&client, "%s", body));
    reply = read_reply(&client, false);
    assert_int_equal(reply.status, 200);
    http_reply_free(&reply);
    http_disconnect(&client);
}

/* Nothing follows the head of a 204: the connection's next bytes are the next answer's. */
static void no_byte_follows_a_204(void **state)
{
    char value[64];
    http_client client;
    (void)state;
    http_connect(&client, fixture.port);
    for (int i = 0; i < 2; i++) {
        assert_true(http_send_text(
            &client, "DELETE " UPS "/segment/jobs/%s HTTP/1.1\r\nHost: t\r\n" CHECKED "\r\n",
            made.job));
        http_reply reply = read_reply(&client, true);
        assert_int_equal(reply.status, 204);
        assert_false(http_reply_header(&reply, "Content-Length", value, sizeof value));
        assert_false(http_reply_header(&reply, "Content-Type", value, sizeof value));
        assert_true(http_reply_header(&reply, "x-request-id", value, sizeof value));
        http_reply_free(&reply);
        assert_int_equal(http_pending(&client, 20), 0);
    }
    http_disconnect(&client);
}

static void head_is_get_without_its_body(void **state)
{
    const char *const paths[] = {DEFINITIONS, path_to(UPS "/audiences", made.definition),
                                 path_to(UPS "/segment/jobs", made.job),
                                 path_to(UPS "/config/schedules", made.schedule)};
    char length[32], expected[32];
    http_client client;
    (void)state;
    http_connect(&client, fixture.port);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        api_answer shown = api_send_headers(&fixture, "GET", paths[i], CHECKED, MU_STR(""));
        assert_int_equal(shown.status, 200);
        assert_true(http_send_text(&client,
                                   "HEAD %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n" CHECKED "\r\n",
                                   paths[i], fixture.port));
        http_reply reply = read_reply(&client, true);
        assert_int_equal(reply.status, 200);
        assert_true(http_reply_header(&reply, "Content-Length", length, sizeof length));
        snprintf(expected, sizeof expected, "%zu", shown.body.len);
        assert_string_equal(length, expected);
        http_reply_free(&reply);
        assert_int_equal(http_pending(&client, 20), 0);
    }
    http_disconnect(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_in_any_form),
        cmocka_unit_test(bodies_without_their_type),
        cmocka_unit_test(null_never_occurs),
        cmocka_unit_test(chunked_bodies),
        cmocka_unit_test(a_hundred_requests_on_one_connection),
        cmocka_unit_test(five_connections_at_once),
        cmocka_unit_test(a_body_that_waits_to_be_asked_for),
        cmocka_unit_test(no_byte_follows_a_204),
        cmocka_unit_test(head_is_get_without_its_body),
        cmocka_unit_test(what_deleting_answers),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
