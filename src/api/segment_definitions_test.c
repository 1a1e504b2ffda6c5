/* segment_definitions_test.c -- api.md 10 over HTTP: the definition view of audiences; the wire
 * checks 3, 5, 12, 13 and 14 of its section 22. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/api_fixture.h"
#include "tests/support/http_client.h"
#include "json/edit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define BASE      "/data/core/ups/segment/definitions"
#define AUDIENCES "/data/core/ups/audiences"
#define RULE                                                                                       \
    "{\"type\":\"PQL\",\"format\":\"pql/text\",\"value\":\"workAddress.country = \\\"US\\\"\"}"
#define SCHEMA            "\"schema\":{\"name\":\"_xdm.context.profile\"}"
#define NAMED(name, more) "{\"name\":\"" name "\"," SCHEMA ",\"expression\":" RULE more "}"

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

static const char *path_of(const char *base, const char *id)
{
    return mu_arena_format(&fixture.arena, "%s/%s", base, id).ptr;
}

static const char *make(const char *body)
{
    api_answer answer = api_expect(&fixture, 200, "POST", BASE, body);
    return api_text(&fixture, &answer, "id");
}

static void refused(const char *method, const char *path, const char *body, unsigned status,
                    const char *code)
{
    api_answer answer = api_send(&fixture, method, path, body);
    const char *type = api_text(&fixture, &answer, "type");
    if (answer.status != status || strstr(type, code) == NULL)
        fail_msg("%s %s %s: %u " MU_STR_FMT, method, path, body == NULL ? "" : body, answer.status,
                 MU_STR_ARG(answer.body));
    char path_of_code[40];
    snprintf(path_of_code, sizeof path_of_code, "errors.%u.0.message", status);
    assert_true(strlen(api_text(&fixture, &answer, path_of_code)) > 0);
}

/* Wire check 13. */
static void a_definition_is_an_audience_and_the_reverse(void **state)
{
    (void)state;
    api_answer made =
        api_expect(&fixture, 200, "POST", BASE,
                   NAMED("Both", ",\"payloadSchema\":\"string\",\"description\":null,"
                                 "\"ttlInDays\":30,\"id\":\"mine\",\"creationTime\":0"));
    const char *id = api_text(&fixture, &made, "id");
    char location[256], tag[64];
    assert_true(api_header(&made, "X-Location", location, sizeof location));
    assert_non_null(strstr(location, path_of(BASE, id)));
    assert_true(mu_str_starts_with(mu_str_from(location), MU_STR("http://")));
    assert_true(api_header(&made, "ETag", tag, sizeof tag));
    api_assert_text(&fixture, &made, "_etag", tag);
    api_assert_text(&fixture, &made, "payloadSchema", "string");
    api_assert_text(&fixture, &made, "creationTime", "1767225600000");
    assert_string_not_equal(id, "mine");
    api_answer audience = api_expect(&fixture, 200, "GET", path_of(AUDIENCES, id), NULL);
    assert_true(mu_json_equal(&audience.json, &made.json));
    audience = api_expect(&fixture, 201, "POST", AUDIENCES,
                          "{\"name\":\"Reverse\",\"expression\":" RULE "}");
    id = api_text(&fixture, &audience, "id");
    api_answer definition = api_expect(&fixture, 200, "GET", path_of(BASE, id), NULL);
    assert_true(mu_json_equal(&audience.json, &definition.json));
}

static void bodies_that_are_wrong_are_refused(void **state)
{
    (void)state;
    static const char *const members[] = {
        "{" SCHEMA ",\"expression\":" RULE "}",
        "{\"name\":\"x\",\"expression\":" RULE "}",
        "{\"name\":\"x\"," SCHEMA "}",
        "{\"name\":\"x\"," SCHEMA ",\"expression\":\"a = 1\"}",
        "{\"name\":\"x\"," SCHEMA ",\"expression\":{\"type\":\"ARL\",\"value\":\"a = 1\"}}",
        "{\"name\":\"x\"," SCHEMA ",\"expression\":{\"value\":{\"a\":1},\"format\":\"pql/text\"}}",
        NAMED("x", ",\"type\":\"ExternalSegment\""),
        NAMED("x", ",\"lifecycleState\":\"deleted\""),
        NAMED("x", ",\"mergePolicyId\":\"nobody\""),
        NAMED("x", ",\"ttlInDays\":[]"),
        NAMED("x", ",\"labels\":{}"),
    };
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        refused("POST", BASE, members[i], 400, "UPAPI-119911-400");
    refused("POST", BASE, "{\"name\":\"x\"," SCHEMA ",\"expression\":{\"value\":\"a = = 1\"}}", 400,
            "UPAPI-119913-400");
    refused("POST", BASE, "[]", 400, "UPAPI-119910-400");
    refused("POST", BASE, "{\"name\"", 400, "UPAPI-119910-400");
    refused("GET", BASE "/nobody", NULL, 404, "UPAPI-113000-404");
    refused("PATCH", BASE "/nobody", "{}", 404, "UPAPI-113000-404");
    refused("DELETE", BASE "/nobody", NULL, 404, "UPAPI-113000-404");
    api_answer list = api_expect(&fixture, 200, "GET", BASE "?name=x", NULL);
    api_assert_text(&fixture, &list, "page.totalCount", "0");
}

static void names_of_definitions_are_unique(void **state)
{
    (void)state;
    const char *first = make(NAMED("Unique", ""));
    const char *second = make(NAMED("unique", ""));
    refused("POST", BASE, NAMED("Unique", ""), 422, "UPAPI-119915-422");
    refused("PATCH", path_of(BASE, second), "{\"name\":\"Unique\"}", 400, "UPAPI-119911-400");
    api_expect(&fixture, 200, "PATCH", path_of(BASE, first), "{\"name\":\"Unique\"}");
    api_expect(&fixture, 201, "POST", AUDIENCES, "{\"name\":\"Unique\",\"expression\":" RULE "}");
    api_expect(&fixture, 200, "DELETE", path_of(BASE, first), NULL);
    refused("POST", BASE, NAMED("Unique", ""), 422, "UPAPI-119915-422"); /* the audience's */
}

typedef struct maker {
    unsigned n_made, n_refused, n_other;
} maker;

/* The same ten names as everybody else. */
static void *make_ten(void *context)
{
    maker *m = context;
    for (int i = 0; i < 10; i++) {
        char body[256], request[1024];
        http_reply reply;
        int n_body = snprintf(body, sizeof body,
                              "{\"name\":\"race %d\"," SCHEMA ",\"expression\":" RULE "}", i);
        int n = snprintf(request, sizeof request,
                         "POST " BASE " HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer t\r\n"
                         "x-api-key: k\r\nx-gw-ims-org-id: o\r\nx-sandbox-name: prod\r\n"
                         "Content-Length: %d\r\n\r\n%s",
                         n_body, body);
        http_exchange(fixture.port, (mu_str){request, (size_t)n}, &reply);
        m->n_made += reply.status == 200;
        m->n_refused += reply.status == 422;
        m->n_other += reply.status != 200 && reply.status != 422;
        http_reply_free(&reply);
    }
    return NULL;
}

static void of_those_who_make_the_same_name_at_once_one_does(void **state)
{
    (void)state;
    maker makers[4] = {0};
    pthread_t threads[4];
    unsigned n_made = 0, n_refused = 0;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_ten, &makers[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        n_made += makers[i].n_made;
        n_refused += makers[i].n_refused;
        assert_int_equal(makers[i].n_other, 0);
    }
    assert_int_equal(n_made, 10);
    assert_int_equal(n_refused, 30);
}

static void a_patch_lays_members_over(void **state)
{
    (void)state;
    const char *id = make(NAMED("Patched", ",\"description\":\"d\",\"linkedAudienceRef\":{\"a\":"
                                           "\"1\"},\"evaluationInfo\":{\"continuous\":{"
                                           "\"enabled\":true}}"));
    api_answer before = api_expect(&fixture, 200, "GET", path_of(BASE, id), NULL);
    api_answer a = api_expect(&fixture, 200, "PATCH", path_of(BASE, id),
                              "{\"linkedAudienceRef\":{\"b\":\"2\"},\"description\":null,"
                              "\"creationTime\":0,\"updateTime\":0,\"lifecycle\":\"draft\"}");
    api_assert_text(&fixture, &a, "linkedAudienceRef", "{\"b\":\"2\"}");
    api_assert_text(&fixture, &a, "lifecycleState", "draft");
    api_assert_text(&fixture, &a, "name", "Patched");
    api_assert_text(&fixture, &a, "creationTime", "1767225600000");
    api_assert_text(&fixture, &a, "evaluationInfo.continuous.enabled", "true");
    assert_null(api_at(&a, "description"));
    assert_string_not_equal(api_text(&fixture, &a, "_etag"), api_text(&fixture, &before, "_etag"));
    char location[256];
    assert_true(api_header(&a, "X-Location", location, sizeof location));
    api_answer same = api_expect(&fixture, 200, "PATCH", path_of(BASE, id), "{}");
    assert_string_not_equal(api_text(&fixture, &a, "_etag"), api_text(&fixture, &same, "_etag"));
    a = api_expect(&fixture, 200, "PATCH", path_of(BASE, id),
                   "[{\"op\":\"add\",\"path\":\"/expression/value\",\"value\":\"workAddress.city = "
                   "\\\"x\\\"\"}]");
    api_assert_text(&fixture, &a, "expression.value", "workAddress.city = \"x\"");
    refused("PATCH", path_of(BASE, id), "{\"id\":\"other\"}", 400, "UPAPI-119911-400");
    refused("PATCH", path_of(BASE, id), "{\"name\":null}", 400, "UPAPI-119911-400");
    refused("PATCH", path_of(BASE, id), "{\"expression\":{\"value\":\"(\"}}", 400,
            "UPAPI-119913-400");
    refused("PATCH", path_of(BASE, id), "7", 400, "UPAPI-119910-400");
    api_answer after = api_expect(&fixture, 200, "GET", path_of(BASE, id), NULL);
    assert_true(mu_json_equal(&a.json, &after.json));
}

/* Wire check 14. */
static void a_deleted_definition_says_so_and_is_gone(void **state)
{
    (void)state;
    const char *id = make(NAMED("Deleted", ""));
    api_answer a = api_expect(&fixture, 200, "DELETE", path_of(BASE, id), NULL);
    api_assert_text(&fixture, &a, "status", "true");
    assert_true(strlen(api_text(&fixture, &a, "message")) > 0);
    refused("GET", path_of(BASE, id), NULL, 404, "UPAPI-113000-404");
    refused("DELETE", path_of(BASE, id), NULL, 404, "UPAPI-113000-404");
}

/* -------- lists: wire checks 3 and 5 -------- */

static int start_many(void **state)
{
    start(state);
    for (int i = 0; i < 250; i++)
        make(mu_arena_format(&fixture.arena,
                             "{\"name\":\"n%03d\"," SCHEMA ",\"expression\":" RULE "}", i)
                 .ptr);
    api_expect(&fixture, 201, "POST", AUDIENCES, "{\"name\":\"external\",\"namespace\":\"AAM\"}");
    return 0;
}

static uint32_t rows_of(const api_answer *page)
{
    return api_at(page, "segments")->n;
}

static void pages_have_no_row_twice(void **state)
{
    (void)state;
    static const uint32_t expected[] = {100, 100, 50, 0};
    bool seen[250] = {false};
    for (unsigned p = 0; p < 4; p++) {
        api_answer page =
            p == 0 ? api_expect(&fixture, 200, "GET", BASE, NULL)
                   : api_expect(&fixture, 200, "GET",
                                mu_arena_format(&fixture.arena, BASE "?page=%u&limit=100", p).ptr,
                                NULL);
        assert_int_equal(rows_of(&page), expected[p]);
        api_assert_text(&fixture, &page, "page.totalCount", "250");
        api_assert_text(&fixture, &page, "page.totalPages", "3");
        for (uint32_t i = 0; i < rows_of(&page); i++) {
            const mu_json *row = &api_at(&page, "segments")->items[i];
            mu_str name = mu_json_member_string(row, MU_STR("name"), MU_STR("n999"));
            unsigned number = (unsigned)strtoul(name.ptr + 1, NULL, 10);
            assert_true(number < 250 && !seen[number]);
            seen[number] = true;
        }
        if (p < 2)
            api_assert_text(&fixture, &page, "link.next",
                            p == 0 ? "/segment/definitions?page=1&limit=100"
                                   : "/segment/definitions?page=2&limit=100");
        else
            api_assert_text(&fixture, &page, "link", "{}");
    }
}

static void start_counts_rows_here(void **state)
{
    (void)state;
    unsigned n = 0;
    for (uint32_t on_page = 100; on_page == 100;) {
        api_answer page = api_expect(
            &fixture, 200, "GET",
            mu_arena_format(&fixture.arena, BASE "?limit=100&start=%u&sort=name:asc", n).ptr, NULL);
        on_page = rows_of(&page);
        api_assert_text(&fixture, &page, "segments.0.name",
                        mu_arena_format(&fixture.arena, "n%03u", n).ptr);
        n += on_page;
    }
    assert_int_equal(n, 250);
    api_answer page =
        api_expect(&fixture, 200, "GET", BASE "?limit=10&page=2&start=3&sort=name", NULL);
    api_assert_text(&fixture, &page, "segments.0.name", "n023");
    api_assert_text(&fixture, &page, "page.start", "23");
    api_assert_text(&fixture, &page, "link.next",
                    "/segment/definitions?page=3&limit=10&start=3&sort=name");
}

static void lists_are_filtered(void **state)
{
    (void)state;
    api_answer page =
        api_expect(&fixture, 200, "GET", BASE "?evaluationInfo.batch.enabled=True&limit=1", NULL);
    api_assert_text(&fixture, &page, "page.totalCount", "250");
    page = api_expect(&fixture, 200, "GET", BASE "?evaluationInfo.continuous.enabled=true", NULL);
    api_assert_text(&fixture, &page, "page.totalCount", "0");
    api_assert_text(&fixture, &page, "page.totalPages", "0");
    page = api_expect(&fixture, 200, "GET", BASE "?name=N24", NULL);
    api_assert_text(&fixture, &page, "page.totalCount", "10");
    page = api_expect(&fixture, 200, "GET", BASE "?property=type==ExternalSegment", NULL);
    api_assert_text(&fixture, &page, "page.totalCount", "0");
    refused("GET", BASE "?page=-1", NULL, 400, "UPAPI-119912-400");
    refused("GET", BASE "?page=x", NULL, 400, "UPAPI-119912-400");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_definition_is_an_audience_and_the_reverse),
        cmocka_unit_test(bodies_that_are_wrong_are_refused),
        cmocka_unit_test(names_of_definitions_are_unique),
        cmocka_unit_test(of_those_who_make_the_same_name_at_once_one_does),
        cmocka_unit_test(a_patch_lays_members_over),
        cmocka_unit_test(a_deleted_definition_says_so_and_is_gone),
    };
    const struct CMUnitTest lists[] = {
        cmocka_unit_test(pages_have_no_row_twice),
        cmocka_unit_test(start_counts_rows_here),
        cmocka_unit_test(lists_are_filtered),
    };
    int n_failed = cmocka_run_group_tests(tests, start, stop);
    return n_failed + cmocka_run_group_tests(lists, start_many, stop);
}
