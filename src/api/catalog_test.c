/* catalog_test.c -- datasets, their labels, flows and stored objects over HTTP (profile.md d.0,
 * g.3, e.7). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/api_fixture.h"

#include <stdio.h>

#define DATASETS "/data/foundation/catalog/dataSets"
#define FLOWS    "/data/foundation/flowservice"
#define SCHEMA   "\"schemaRef\":{\"id\":\"https://ns.adobe.com/xdm/context/experienceevent\"}"

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

static const char *text(const char *format, const char *a)
{
    char out[1024];
    snprintf(out, sizeof out, format, a);
    return mu_arena_copy(&fixture.arena, mu_str_from(out)).ptr;
}

/* -------- datasets -------- */

static const char *make_dataset(const char *body)
{
    api_answer answer = api_expect(&fixture, 201, "POST", DATASETS, body);
    const char *link = api_text(&fixture, &answer, "0");
    assert_int_equal(strncmp(link, "@/dataSets/", 11), 0);
    assert_int_equal(strlen(link), 11 + 24);
    return link + 11;
}

static void a_dataset_is_made_and_read(void **state)
{
    (void)state;
    const char *id = make_dataset("{\"name\":\"Luma Events!\"," SCHEMA
                                  ",\"tags\":{\"unifiedProfile\":[\"enabled: true\"]}}");
    api_answer answer = api_expect(&fixture, 200, "GET", text(DATASETS "/%s", id), NULL);
    api_assert_text(&fixture, &answer, text("%s.name", id), "Luma Events!");
    api_assert_text(&fixture, &answer, text("%s.imsOrg", id), API_FIXTURE_ORGANIZATION);
    api_assert_text(&fixture, &answer, text("%s.created", id), "1767225600000");
    api_assert_text(&fixture, &answer, text("%s.tags.adobe/pqs/table", id), "[\"luma_events\"]");
    api_assert_text(&fixture, &answer, text("%s.tags.unifiedProfile.0", id), "enabled: true");
    assert_int_equal(strlen(api_text(&fixture, &answer, text("%s.sandboxId", id))), 36);
    assert_int_equal(strlen(api_text(&fixture, &answer, text("%s.viewId", id))), 24);
    const char *other = make_dataset("{\"name\":\"Luma  events\"," SCHEMA "}");
    answer = api_expect(&fixture, 200, "GET", text(DATASETS "/%s", other), NULL);
    assert_string_not_equal(api_text(&fixture, &answer, text("%s.tags.adobe/pqs/table", other)),
                            "[\"luma_events\"]");
}

static void bad_datasets_are_refused(void **state)
{
    static const char *const bodies[] = {"{\"name\":\"x\"}",
                                         "{" SCHEMA "}",
                                         "[]",
                                         "",
                                         "{\"name\":\"x\",\"schemaRef\":\"id\"}",
                                         "{\"name\":\"x\",\"schemaRef\":{\"id\":\"no schema\"}}",
                                         "{\"name\":\"x\"," SCHEMA ",\"tags\":[1]}",
                                         "{\"name\":\"x\"," SCHEMA ",\"tags\":{\"a\":\"b\"}}"};
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        api_answer answer = api_expect(&fixture, 400, "POST", DATASETS, bodies[i]);
        api_assert_text(&fixture, &answer, "status", "400");
    }
    api_expect(&fixture, 404, "GET", DATASETS "/0123456789abcdef01234567", NULL);
}

static void datasets_change_but_not_their_schema(void **state)
{
    (void)state;
    const char *id = make_dataset("{\"name\":\"A\"," SCHEMA "}");
    const char *path = text(DATASETS "/%s", id);
    const char *newer = text("/data/foundation/catalog/v2/dataSets/%s", id);
    api_fixture_advance(1000);
    api_answer answer = api_expect(&fixture, 200, "PATCH", path,
                                   "[{\"op\":\"add\",\"path\":\"/tags/unifiedProfile\",\"value\":"
                                   "[\"enabled:true\",\"isUpsert:true\"]}]");
    api_assert_text(&fixture, &answer, "0", text("@/dataSets/%s", id));
    api_expect(&fixture, 200, "PATCH", newer,
               "{\"description\":\"d\",\"tags\":{\"unifiedIdentity\":[\"enabled:true\"]}}");
    answer = api_expect(&fixture, 200, "GET", path, NULL);
    api_assert_text(&fixture, &answer, text("%s.tags.unifiedProfile.1", id), "isUpsert:true");
    api_assert_text(&fixture, &answer, text("%s.tags.unifiedIdentity.0", id), "enabled:true");
    api_assert_text(&fixture, &answer, text("%s.description", id), "d");
    api_assert_text(&fixture, &answer, text("%s.version", id), "1.0.2");
    api_assert_text(&fixture, &answer, text("%s.updated", id), "1767225601000");
    api_assert_text(&fixture, &answer, text("%s.created", id), "1767225600000");
    api_expect(&fixture, 400, "PATCH", path, "{\"schemaRef\":{\"id\":\"another\"}}");
    api_expect(&fixture, 400, "PATCH", path, "{\"name\":null}");
    api_expect(&fixture, 200, "DELETE", path, NULL);
    api_expect(&fixture, 404, "DELETE", path, NULL);
}

static void datasets_are_listed_filtered_and_paged(void **state)
{
    char name[300];
    (void)state;
    for (int i = 0; i < 25; i++) {
        snprintf(name, sizeof name, "{\"name\":\"Set %d\"," SCHEMA "%s}", i,
                 i == 3 ? ",\"tags\":{\"unifiedProfile\":[\"enabled: true\"]}" : "");
        make_dataset(name);
    }
    api_answer list = api_expect(&fixture, 200, "GET", DATASETS "/", NULL);
    assert_int_equal(list.json.n, 20);
    list = api_expect(&fixture, 200, "GET", DATASETS "?limit=100", NULL);
    assert_int_equal(list.json.n, 25);
    list = api_expect(&fixture, 200, "GET", DATASETS "?limit=10&start=20", NULL);
    assert_int_equal(list.json.n, 5);
    list = api_expect(&fixture, 200, "GET", DATASETS "?limit=10&start=30", NULL);
    assert_string_equal(list.body.ptr, "{}");
    list = api_expect(&fixture, 200, "GET", DATASETS "?property=name~%5ESet%201", NULL);
    assert_int_equal(list.json.n, 11);
    list = api_expect(&fixture, 200, "GET",
                      DATASETS "?property=tags.unifiedProfile==enabled:true&properties=name", NULL);
    assert_int_equal(list.json.n, 1);
    assert_int_equal(list.json.items[0].n, 1);
    list = api_expect(&fixture, 200, "GET", DATASETS "?name=Set%207", NULL);
    assert_int_equal(list.json.n, 1);
    list = api_expect(&fixture, 200, "GET", DATASETS "?orderBy=desc:created&limit=1", NULL);
    assert_non_null(strstr(list.body.ptr, "Set 24"));
    api_expect(&fixture, 400, "GET", DATASETS "?property=name", NULL);
}

static void labels_are_kept_with_a_dataset(void **state)
{
    char headers[512], etag[100];
    (void)state;
    const char *id = make_dataset("{\"name\":\"A\"," SCHEMA "}");
    const char *path = text("/data/foundation/dataset/datasets/%s/labels", id);
    api_expect(&fixture, 404, "GET", path, NULL);
    api_expect(&fixture, 400, "POST", path, "{\"labels\":\"C1\"}");
    api_answer answer = api_expect(
        &fixture, 201, "POST", path,
        "{\"labels\":[\"C1\"],\"optionalLabels\":[{\"option\":{\"id\":\"x\",\"contentType\":\"y\","
        "\"schemaPath\":\"/properties/x\"},\"labels\":[\"C12\"]}]}");
    api_assert_text(&fixture, &answer, "optionalLabels.0.labels", "[\"C12\"]");
    assert_true(api_header(&answer, "ETag", etag, sizeof etag));
    snprintf(headers, sizeof headers,
             "Authorization: Bearer t\r\nx-api-key: k\r\nx-gw-ims-org-id: o\r\n"
             "x-sandbox-name: prod\r\nIf-Match: %s\r\n",
             etag);
    answer = api_send_headers(&fixture, "PUT", path, headers, MU_STR("{\"labels\":[\"C2\"]}"));
    assert_int_equal(answer.status, 201);
    api_assert_text(&fixture, &answer, "labels", "[\"C2\"]");
    api_assert_text(&fixture, &answer, "optionalLabels", "[]");
    answer = api_send_headers(&fixture, "PUT", path, headers, MU_STR("{\"labels\":[\"C3\"]}"));
    assert_int_equal(answer.status, 412);
    api_expect(&fixture, 404, "POST", "/data/foundation/dataset/datasets/none/labels", "{}");
}

/* -------- flow service -------- */

static const char *make_object(const char *path, const char *body)
{
    api_answer answer = api_expect(&fixture, 201, "POST", path, body);
    assert_true(strlen(api_text(&fixture, &answer, "etag")) > 0);
    return api_text(&fixture, &answer, "id");
}

static void a_streaming_connection_has_an_inlet(void **state)
{
    (void)state;
    const char *id = make_object(
        FLOWS "/connections",
        "{\"name\":\"In\",\"providerId\":\"521eee4d-8cbe-4906-bb48-fb6bd4450033\","
        "\"connectionSpec\":{\"id\":\"bc7b00d6-623a-4dfc-9fdb-f1240aeadaeb\",\"version\":\"1.0\"},"
        "\"auth\":{\"specName\":\"Streaming Connection\",\"params\":{\"sourceId\":\"s\","
        "\"name\":\"In\",\"dataType\":\"xdm\"}}}");
    const char *path = text(FLOWS "/connections/%s", id);
    api_answer answer = api_expect(&fixture, 200, "GET", path, NULL);
    const char *inlet = api_text(&fixture, &answer, "items.0.auth.params.inletId");
    const char *url = api_text(&fixture, &answer, "items.0.auth.params.inletUrl");
    assert_int_equal(strlen(inlet), 64);
    assert_int_equal(strncmp(url, "http://127.0.0.1:", 17), 0);
    assert_string_equal(url + strlen(url) - 64, inlet);
    api_assert_text(&fixture, &answer, "items.0.state", "enabled");
    api_expect(&fixture, 200, "PATCH", path,
               "[{\"op\":\"replace\",\"path\":\"/name\",\"value\":\"Out\"}]");
    answer = api_expect(&fixture, 200, "GET", path, NULL);
    api_assert_text(&fixture, &answer, "items.0.name", "Out");
    api_assert_text(&fixture, &answer, "items.0.auth.params.inletId", inlet);
    api_expect(&fixture, 204, "DELETE", path, NULL);
    api_expect(&fixture, 404, "GET", path, NULL);
    api_expect(&fixture, 400, "POST", FLOWS "/connections", "{\"name\":\"x\"}");
}

static void flows_are_stored_as_they_come(void **state)
{
    (void)state;
    static const char *const paths[] = {FLOWS "/sourceConnections", FLOWS "/targetConnections",
                                        FLOWS "/flows"};
    for (size_t i = 0; i < 3; i++) {
        const char *id = make_object(paths[i], "{\"name\":\"F\",\"params\":{\"a\":[1,2]}}");
        api_answer answer = api_expect(
            &fixture, 200, "GET", mu_arena_format(&fixture.arena, "%s/%s", paths[i], id).ptr, NULL);
        api_assert_text(&fixture, &answer, "items.0.params", "{\"a\":[1,2]}");
        answer = api_expect(&fixture, 200, "GET", paths[i], NULL);
        assert_int_equal(api_at(&answer, "items")->n, 1);
    }
}

static void objects_are_listed_in_pages(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        make_object(FLOWS "/flows", "{\"name\":\"F\"}");
    api_answer answer = api_expect(&fixture, 200, "GET", FLOWS "/flows?limit=2", NULL);
    assert_int_equal(api_at(&answer, "items")->n, 2);
    answer = api_expect(
        &fixture, 200, "GET",
        text("/data/foundation/flowservice%s", api_text(&fixture, &answer, "_links.next.href")),
        NULL);
    assert_int_equal(api_at(&answer, "items")->n, 1);
    assert_null(api_at(&answer, "_links.next"));
    answer = api_expect(&fixture, 200, "GET", FLOWS "/flows?property=name==G", NULL);
    assert_int_equal(api_at(&answer, "items")->n, 0);
}

static void projections_are_stored_and_given_back(void **state)
{
    (void)state;
    api_answer answer = api_expect(&fixture, 201, "POST", "/data/core/ups/config/projections",
                                   "{\"selector\":\"person.name\",\"name\":\"p\"}");
    const char *path =
        text("/data/core/ups/config/projections/%s", api_text(&fixture, &answer, "id"));
    answer = api_expect(&fixture, 200, "GET", path, NULL);
    api_assert_text(&fixture, &answer, "selector", "person.name");
    api_expect(&fixture, 204, "DELETE", path, NULL);
    answer = api_expect(&fixture, 404, "GET", path, NULL);
    api_assert_text(&fixture, &answer, "code", "404");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(a_dataset_is_made_and_read),
        TEST(bad_datasets_are_refused),
        TEST(datasets_change_but_not_their_schema),
        TEST(datasets_are_listed_filtered_and_paged),
        TEST(labels_are_kept_with_a_dataset),
        TEST(a_streaming_connection_has_an_inlet),
        TEST(flows_are_stored_as_they_come),
        TEST(objects_are_listed_in_pages),
        TEST(projections_are_stored_and_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
