/* schedules_test.c -- schedules over HTTP (api.md 16; wire checks 14, 19 and 20). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/api_fixture.h"

#include <stdio.h>
#include <time.h>

#define AUDIENCES "/data/core/ups/audiences"
#define SCHEDULES "/data/core/ups/config/schedules"
#define JOBS      "/data/core/ups/segment/jobs"
#define HOUR_MS   INT64_C(3600000)

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
    return mu_arena_format(&fixture.arena, text, value).ptr;
}

static const char *path_of(const char *id)
{
    return format(SCHEDULES "/%s", id);
}

static const char *body_of(const char *segments, const char *cron, const char *state)
{
    return mu_arena_format(&fixture.arena,
                           "{\"name\":\"mine\",\"type\":\"batch_segmentation\",\"properties\":{"
                           "\"segments\":%s},\"schedule\":\"%s\",\"state\":\"%s\"}",
                           segments, cron, state)
        .ptr;
}

static const char *make(const char *segments, const char *cron, const char *state)
{
    api_answer answer =
        api_expect(&fixture, 200, "POST", SCHEDULES, body_of(segments, cron, state));
    return api_text(&fixture, &answer, "id");
}

static const char *make_audience(const char *name, const char *more)
{
    mu_str body = mu_arena_format(
        &fixture.arena,
        "{\"name\":\"%s\",\"schema\":{\"name\":\"_xdm.context.profile\"},\"expression\":{\"type\":"
        "\"PQL\",\"value\":\"homeAddress.city = \\\"x\\\"\"}%s}",
        name, more);
    api_answer answer = api_expect(&fixture, 201, "POST", AUDIENCES, body.ptr);
    return api_text(&fixture, &answer, "id");
}

static const char *make_external(const char *name)
{
    mu_str body = mu_arena_format(
        &fixture.arena, "{\"name\":\"%s\",\"namespace\":\"AAM\",\"type\":\"ExternalSegment\"}",
        name);
    api_answer answer = api_expect(&fixture, 201, "POST", AUDIENCES, body.ptr);
    return api_text(&fixture, &answer, "id");
}

#define STREAMING ",\"evaluationInfo\":{\"continuous\":{\"enabled\":true}}"

static void assert_problem(const api_answer *answer, const char *code)
{
    api_assert_text(&fixture, answer, "type", format("https://ns.adobe.com/aep/errors/%s", code));
}

static api_answer patch(unsigned status, const char *id, const char *op, const char *path,
                        const char *value)
{
    mu_str body = mu_arena_format(
        &fixture.arena, "[{\"op\":\"%s\",\"path\":\"%s\",\"value\":\"%s\"}]", op, path, value);
    return api_expect(&fixture, status, "PATCH", path_of(id), body.ptr);
}

/* -------- the system schedule -------- */

static void a_fresh_sandbox_has_a_daily_schedule(void **state)
{
    (void)state;
    api_answer list = api_expect(&fixture, 200, "GET", SCHEDULES "?start=0", NULL);
    api_assert_text(&fixture, &list, "_page.totalCount", "1");
    api_assert_text(&fixture, &list, "_page.pageSize", "1");
    assert_null(api_at(&list, "_page.next"));
    api_assert_text(&fixture, &list, "_links", "{\"next\":{}}");
    api_assert_text(&fixture, &list, "children.0.name", "profile-default");
    api_assert_text(&fixture, &list, "children.0.type", "batch_segmentation");
    api_assert_text(&fixture, &list, "children.0.frequency", "daily");
    api_assert_text(&fixture, &list, "children.0.schedule", "0 0 1 * * ?");
    api_assert_text(&fixture, &list, "children.0.state", "inactive");
    api_assert_text(&fixture, &list, "children.0.properties.segments", "[\"*\"]");
    api_assert_text(&fixture, &list, "children.0.imsOrgId", API_FIXTURE_ORGANIZATION);
    api_assert_text(&fixture, &list, "children.0.sandbox.sandboxName", "prod");
    api_assert_text(&fixture, &list, "children.0.createEpoch", "1767225600");
    assert_null(api_at(&list, "children.0.isSystem"));
    const char *id = api_text(&fixture, &list, "children.0.id");
    api_fixture_restart(&fixture);
    list = api_expect(&fixture, 200, "GET", SCHEDULES, NULL);
    api_assert_text(&fixture, &list, "_page.totalCount", "1");
    api_assert_text(&fixture, &list, "children.0.id", id);
}

static void it_is_patched_with_add_and_replace_and_not_deleted(void **state)
{
    (void)state;
    api_answer list = api_expect(&fixture, 200, "GET", SCHEDULES, NULL);
    const char *id = api_text(&fixture, &list, "children.0.id");
    api_fixture_advance(5000);
    api_answer answer = patch(204, id, "add", "/schedule", "0 30 2 * * ?");
    assert_int_equal(answer.body.len, 0);
    answer = api_expect(&fixture, 200, "GET", path_of(id), NULL);
    api_assert_text(&fixture, &answer, "schedule", "0 30 2 * * ?");
    api_assert_text(&fixture, &answer, "updateEpoch", "1767225605");
    api_assert_text(&fixture, &answer, "createEpoch", "1767225600");
    patch(204, id, "replace", "/state", "active");
    answer = api_expect(&fixture, 200, "GET", path_of(id), NULL);
    api_assert_text(&fixture, &answer, "state", "active");
    api_assert_text(&fixture, &answer, "schedule", "0 30 2 * * ?");
    api_expect(&fixture, 400, "DELETE", path_of(id), NULL);
    api_expect(&fixture, 200, "GET", path_of(id), NULL);
}

static void a_setting_starts_it_as_active(void **state)
{
    (void)state;
    api_fixture_stop(&fixture);
    mu_api_options options = {.settings = mu_audience_settings_default()};
    options.settings.system_schedule_active = 1;
    api_fixture_start_with(&fixture, &options);
    api_answer list = api_expect(&fixture, 200, "GET", SCHEDULES, NULL);
    api_assert_text(&fixture, &list, "children.0.state", "active");
}

/* -------- times -------- */

static void times_are_checked_when_a_schedule_is_made(void **state)
{
    static const struct {
        const char *cron, *frequency; /* NULL: refused */
    } cases[] = {
        {"0 0 1 * * ?", "daily"},
        {"0 0 1,13 * * ?", NULL},
        {"0 0/30 1 * * ?", NULL},
        {"* 0 1 * * ?", NULL},
        {"0 0 1 * *", NULL},
        {"0 0 1 * * *", NULL},
        {"0 0 1 ? * ?", NULL},
        {"0 0 1 ? * MON", "weekly"},
        {"0 0 1 L * ?", "monthly"},
        {"0 0 1 15W * ?", "monthly"},
        {"0 0 1 ? * 6#3", "monthly"},
        {"0 0 1 1 JAN ?", "custom"},
        {"0 0 1 ? * MON-FRI", "custom"},
        {"0 0 25 * * ?", NULL},
        {"0 0 1 30 FEB ?", NULL},
        {"0 0 1 * * ? 2025", NULL},
        {"soon", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        api_answer answer =
            api_send(&fixture, "POST", SCHEDULES, body_of("[]", cases[i].cron, "inactive"));
        assert_int_equal(answer.status, cases[i].frequency == NULL ? 400 : 200);
        if (cases[i].frequency == NULL)
            assert_problem(&answer, "UPAPI-119921-400");
        else
            api_assert_text(&fixture, &answer, "frequency", cases[i].frequency);
    }
    const char *id = make("[]", "0 0 1 * * ?", "inactive");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        api_answer answer = patch(cases[i].frequency == NULL ? 400 : 204, id, "replace",
                                  "/schedule", cases[i].cron);
        if (cases[i].frequency == NULL)
            assert_problem(&answer, "UPAPI-119921-400");
    }
    api_answer answer = api_expect(&fixture, 200, "GET", path_of(id), NULL);
    api_assert_text(&fixture, &answer, "schedule", "0 0 1 ? * MON-FRI"); /* the last good one */
}

/* -------- making -------- */

static void what_is_left_out_gets_its_default(void **state)
{
    (void)state;
    api_answer answer = api_expect(
        &fixture, 200, "POST", SCHEDULES,
        "{\"name\":\"mine\",\"type\":\"batch_segmentation\",\"properties\":{\"segments\":"
        "[\"*\"],\"more\":1,\"less\":null},\"description\":null,\"note\":\"kept\",\"id\":\"x\","
        "\"frequency\":\"never\",\"isSystem\":true,\"imsOrgId\":\"other\"}");
    api_assert_text(&fixture, &answer, "schedule", "0 0 1 * * ?");
    api_assert_text(&fixture, &answer, "state", "inactive");
    api_assert_text(&fixture, &answer, "frequency", "daily");
    api_assert_text(&fixture, &answer, "note", "kept");
    api_assert_text(&fixture, &answer, "properties", "{\"segments\":[\"*\"],\"more\":1}");
    api_assert_text(&fixture, &answer, "imsOrgId", API_FIXTURE_ORGANIZATION);
    assert_null(api_at(&answer, "description"));
    const char *id = api_text(&fixture, &answer, "id");
    assert_int_equal(strlen(id), 36);
    api_expect(&fixture, 204, "DELETE", path_of(id), NULL); /* is not the system's */
    answer = api_expect(&fixture, 404, "GET", path_of(id), NULL);
    assert_problem(&answer, "UPAPI-113000-404");
    api_expect(&fixture, 404, "DELETE", path_of(id), NULL);
    patch(404, id, "add", "/state", "active");
}

#define SCHEDULE(more) "{\"name\":\"x\",\"type\":\"batch_segmentation\"," more "}"

static void bad_schedules_are_refused(void **state)
{
    static const char *const bodies[] = {
        "no",
        "[]",
        "{}",
        "null",
        "{\"type\":\"batch_segmentation\",\"properties\":{\"segments\":[]}}",
        "{\"name\":7,\"type\":\"batch_segmentation\",\"properties\":{\"segments\":[]}}",
        "{\"name\":\"x\",\"properties\":{\"segments\":[]}}",
        "{\"name\":\"x\",\"type\":\"other\",\"properties\":{\"segments\":[]}}",
        "{\"name\":\"x\",\"type\":[],\"properties\":{\"segments\":[]}}",
        SCHEDULE("\"a\":1"),
        SCHEDULE("\"properties\":null"),
        SCHEDULE("\"properties\":[]"),
        SCHEDULE("\"properties\":{}"),
        SCHEDULE("\"properties\":{\"segments\":null}"),
        SCHEDULE("\"properties\":{\"segments\":\"*\"}"),
        SCHEDULE("\"properties\":{\"segments\":[7]}"),
        SCHEDULE("\"properties\":{\"segments\":[null]}"),
        SCHEDULE("\"properties\":{\"segments\":[\"*\",\"*\"]}"),
        SCHEDULE("\"properties\":{\"segments\":[\"unknown\"]}"),
        SCHEDULE("\"properties\":{\"segments\":[]},\"state\":\"on\""),
        SCHEDULE("\"properties\":{\"segments\":[]},\"state\":true"),
        SCHEDULE("\"properties\":{\"segments\":[]},\"schedule\":7"),
        "{\"name\":\"x\",\"type\":\"export\",\"properties\":{}}",
        "{\"name\":\"x\",\"type\":\"export\",\"properties\":{\"destination\":{\"datasetId\":\"d\"}}"
        "}",
        "{\"name\":\"x\",\"type\":\"export\",\"properties\":{\"segments\":[\"unknown\"]}}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        api_expect(&fixture, 400, "POST", SCHEDULES, bodies[i]);
    api_answer answer = api_expect(&fixture, 400, "POST", SCHEDULES, "{\"state\":\"on\"}");
    assert_problem(&answer, "UPAPI-119911-400");
    assert_int_equal(api_at(&answer, "errors.400")->n, 4); /* name, type, properties, state */
    const char *external = make_external("Theirs");
    api_expect(&fixture, 400, "POST", SCHEDULES,
               body_of(format("[\"%s\"]", external), "0 0 1 * * ?", "inactive"));
    answer = api_expect(&fixture, 200, "GET", SCHEDULES, NULL);
    api_assert_text(&fixture, &answer, "_page.totalCount", "1");
}

static void bad_patches_are_refused_whole(void **state)
{
    static const char *const bodies[] = {
        "no",
        "{}",
        "{\"op\":\"add\",\"path\":\"/state\",\"value\":\"active\"}",
        "[7]",
        "[{}]",
        "[{\"op\":\"remove\",\"path\":\"/state\"}]",
        "[{\"op\":\"add\",\"path\":\"/name\",\"value\":\"x\"}]",
        "[{\"op\":\"add\",\"path\":\"state\",\"value\":\"active\"}]",
        "[{\"op\":\"add\",\"path\":\"/state\",\"value\":\"on\"}]",
        "[{\"op\":\"add\",\"path\":\"/state\",\"value\":null}]",
        "[{\"op\":\"add\",\"path\":\"/state\",\"value\":7}]",
        "[{\"op\":\"add\",\"path\":\"/state\"}]",
        "[{\"op\":\"add\",\"path\":\"/state\",\"value\":\"active\"},{\"op\":\"add\",\"path\":"
        "\"/schedule\",\"value\":\"bad\"}]",
        "[{\"op\":\"add\",\"path\":\"/schedule\",\"value\":\"0 0 2 * * ?\"},{\"op\":\"move\"}]",
    };
    (void)state;
    const char *id = make("[]", "0 0 1 * * ?", "inactive");
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        api_expect(&fixture, 400, "PATCH", path_of(id), bodies[i]);
    api_answer answer = api_expect(&fixture, 200, "GET", path_of(id), NULL);
    api_assert_text(&fixture, &answer, "state", "inactive");
    api_assert_text(&fixture, &answer, "schedule", "0 0 1 * * ?");
    api_expect(&fixture, 400, "PATCH", path_of(id), "[]");
    api_expect(&fixture, 204, "PATCH", path_of(id),
               "[{\"op\":\"add\",\"path\":\"/schedule\",\"value\":\"bad\"},{\"op\":\"replace\","
               "\"path\":\"/schedule\",\"value\":\"0 0 3 * * ?\"},{\"op\":\"add\",\"path\":"
               "\"/state\",\"value\":\"active\"}]"); /* what comes out is checked */
    answer = api_expect(&fixture, 200, "GET", path_of(id), NULL);
    api_assert_text(&fixture, &answer, "state", "active");
    api_assert_text(&fixture, &answer, "schedule", "0 0 3 * * ?");
}

static void four_may_be_active_on_one_day(void **state)
{
    (void)state;
    const char *last = "";
    for (int i = 0; i < 4; i++)
        last = make("[]", mu_arena_format(&fixture.arena, "0 0 %d * * ?", i).ptr, "active");
    const char *fifth = make("[]", "0 0 9 ? * MON", "inactive");
    api_answer answer = patch(400, fifth, "add", "/state", "active");
    assert_problem(&answer, "UPAPI-119920-400");
    answer = api_expect(&fixture, 200, "GET", path_of(fifth), NULL);
    api_assert_text(&fixture, &answer, "state", "inactive");
    answer = api_expect(&fixture, 400, "POST", SCHEDULES, body_of("[]", "0 0 9 L * ?", "active"));
    assert_problem(&answer, "UPAPI-119920-400");
    patch(204, last, "replace", "/schedule", "0 0 3 ? * SUN-FRI"); /* Saturdays are free again */
    patch(400, fifth, "add", "/state", "active");
    patch(204, fifth, "add", "/schedule", "0 0 9 ? * SAT");
    patch(204, fifth, "add", "/state", "active");
    patch(400, fifth, "add", "/schedule", "0 0 9 ? * SUN"); /* it is active */
    patch(204, fifth, "add", "/state", "active");           /* again: changes nothing */
    answer = api_expect(&fixture, 200, "GET", path_of(fifth), NULL);
    api_assert_text(&fixture, &answer, "schedule", "0 0 9 ? * SAT");
    patch(204, last, "add", "/state", "inactive");
    patch(204, fifth, "add", "/schedule", "0 0 9 * * ?");
}

/* -------- lists -------- */

static void lists_show_the_newest_first_in_pages(void **state)
{
    (void)state;
    const char *first = make("[]", "0 0 1 * * ?", "inactive");
    api_fixture_advance(1000);
    const char *second = make("[]", "0 0 2 * * ?", "inactive");
    const char *third = make("[]", "0 0 3 * * ?", "inactive");
    api_answer list = api_expect(&fixture, 200, "GET", SCHEDULES "?limit=3", NULL);
    api_assert_text(&fixture, &list, "children.0.id", third);
    api_assert_text(&fixture, &list, "children.1.id", second);
    api_assert_text(&fixture, &list, "children.2.id", first);
    api_assert_text(&fixture, &list, "_page.totalCount", "4");
    assert_int_equal(api_at(&list, "_page.next")->kind, MU_JSON_STRING); /* A18 */
    api_assert_text(&fixture, &list, "_page.next", "1");
    list = api_expect(&fixture, 200, "GET", SCHEDULES "?limit=3&start=1", NULL);
    api_assert_text(&fixture, &list, "children.0.name", "profile-default");
    assert_null(api_at(&list, "_page.next"));
    list = api_expect(&fixture, 200, "GET", SCHEDULES "?limit=3&start=9", NULL);
    api_assert_text(&fixture, &list, "children", "[]");
    api_expect(&fixture, 400, "GET", SCHEDULES "?limit=0", NULL);
    api_expect(&fixture, 400, "GET", SCHEDULES "?start=-1", NULL);
    api_expect(&fixture, 405, "PUT", SCHEDULES, "{}");
}

/* -------- audiences of a schedule -------- */

static void audiences_are_added_and_removed(void **state)
{
    (void)state;
    const char *a = make_audience("A", ""), *b = make_audience("B", "");
    const char *streaming = make_audience("C", STREAMING), *external = make_external("D");
    const char *id = make(format("[\"%s\"]", a), "0 0 1 * * ?", "inactive");
    mu_str body = mu_arena_format(&fixture.arena,
                                  "{\"id\":\"%s\",\"segments\":[\"%s\",\"%s\",\"%s\",\"%s\",\"%s\","
                                  "\"none\"]}",
                                  id, b, a, b, streaming, external);
    api_answer answer = api_expect(&fixture, 200, "POST", SCHEDULES "/add-audiences", body.ptr);
    api_assert_text(&fixture, &answer, "added", format("[\"%s\"]", b));
    api_assert_text(&fixture, &answer, "existing", format("[\"%s\"]", a));
    assert_int_equal(api_at(&answer, "invalid")->n, 3);
    api_assert_text(&fixture, &answer, "segmentCount", "{\"previous\":1,\"current\":2,\"diff\":1}");
    answer = api_expect(&fixture, 200, "GET", path_of(id), NULL);
    assert_int_equal(api_at(&answer, "properties.segments")->n, 2);
    body = mu_arena_format(&fixture.arena, "{\"id\":\"%s\",\"segments\":[\"%s\",\"none\"]}", id, a);
    answer = api_expect(&fixture, 200, "POST", SCHEDULES "/remove-audiences/", body.ptr);
    api_assert_text(&fixture, &answer, "removed", format("[\"%s\"]", a));
    api_assert_text(&fixture, &answer, "existing", "[]");
    api_assert_text(&fixture, &answer, "invalid", "[\"none\"]");
    api_assert_text(&fixture, &answer, "segmentCount",
                    "{\"previous\":2,\"current\":1,\"diff\":-1}");
    answer = api_expect(&fixture, 200, "GET", path_of(id), NULL);
    api_assert_text(&fixture, &answer, "properties.segments", format("[\"%s\"]", b));
}

static void bad_lists_of_audiences_are_refused(void **state)
{
    static const char *const bodies[] = {"no",
                                         "[]",
                                         "{}",
                                         "{\"id\":7,\"segments\":[\"a\"]}",
                                         "{\"segments\":[\"a\"]}",
                                         "{\"id\":\"%s\"}",
                                         "{\"id\":\"%s\",\"segments\":\"a\"}",
                                         "{\"id\":\"%s\",\"segments\":[]}",
                                         "{\"id\":\"%s\",\"segments\":[7]}",
                                         "{\"id\":\"%s\",\"segments\":[\"\"]}"};
    static const char *const paths[] = {SCHEDULES "/add-audiences", SCHEDULES "/remove-audiences"};
    (void)state;
    const char *id = make("[]", "0 0 1 * * ?", "inactive");
    api_answer list = api_expect(&fixture, 200, "GET", SCHEDULES "?start=1&limit=1", NULL);
    const char *system = api_text(&fixture, &list, "children.0.id");
    list =
        api_expect(&fixture, 200, "POST", SCHEDULES,
                   "{\"name\":\"out\",\"type\":\"export\",\"properties\":{\"segments\":[\"*\"]}}");
    const char *export = api_text(&fixture, &list, "id");
    for (size_t p = 0; p < 2; p++) {
        for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
            api_expect(&fixture, 400, "POST", paths[p],
                       strstr(bodies[i], "%s") != NULL ? format(bodies[i], id) : bodies[i]);
        api_expect(&fixture, 404, "POST", paths[p], "{\"id\":\"none\",\"segments\":[\"a\"]}");
        api_expect(&fixture, 400, "POST", paths[p],
                   format("{\"id\":\"%s\",\"segments\":[\"a\"]}", system));
        api_expect(&fixture, 400, "POST", paths[p],
                   format("{\"id\":\"%s\",\"segments\":[\"a\"]}", export));
    }
}

static void the_map_names_schedules_of_audiences(void **state)
{
    (void)state;
    const char *a = make_audience("A", ""), *b = make_audience("B", STREAMING);
    const char *id = make(format("[\"%s\"]", a), "0 0 1 ? * MON", "inactive");
    mu_str body = mu_arena_format(&fixture.arena, "{\"segments\":[\"%s\",\"%s\",\"none\"]}", a, b);
    api_answer answer = api_expect(&fixture, 200, "POST", SCHEDULES "/audience-map", body.ptr);
    const mu_json *of_a = api_at(&answer, format("audienceMap.%s", a));
    assert_int_equal(of_a->n, 2); /* its own and the system's "*" */
    api_assert_text(&fixture, &answer, format("audienceMap.%s", b), "[]");
    api_assert_text(&fixture, &answer, "audienceMap.none", "[]");
    api_assert_text(&fixture, &answer, format("schedules.%s", id),
                    "{\"name\":\"mine\",\"schedule\":\"0 0 1 ? * MON\",\"frequency\":\"weekly\"}");
    assert_int_equal(api_at(&answer, "schedules")->n, 2);
    mu_buf many;
    mu_buf_init(&many, 1 << 20);
    MU_BUF_ADD(&many, "{\"segments\":[\"x\"");
    for (int i = 0; i < 100; i++)
        mu_buf_add_format(&many, ",\"y%d\"", i);
    MU_BUF_ADD(&many, "]}");
    api_expect(&fixture, 400, "POST", SCHEDULES "/audience-map",
               mu_arena_copy(&fixture.arena, mu_buf_str(&many)).ptr);
    mu_buf_free(&many);
    api_expect(&fixture, 400, "POST", SCHEDULES "/audience-map", "{\"segments\":[]}");
    api_expect(&fixture, 400, "POST", SCHEDULES "/audience-map", "{}");
}

/* -------- runs -------- */

static api_answer wait_for_jobs(unsigned n)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    api_answer jobs = {0};
    for (int i = 0; i < 500; i++) {
        jobs = api_expect(&fixture, 200, "GET", JOBS, NULL);
        if (api_at(&jobs, "children")->n == n &&
            strcmp(api_text(&fixture, &jobs, "children.0.status"), "SUCCEEDED") == 0)
            return jobs;
        nanosleep(&pause, NULL);
    }
    fail_msg("no %u jobs: " MU_STR_FMT, n, MU_STR_ARG(jobs.body));
    return jobs;
}

static void a_run_is_triggered_also_when_inactive(void **state)
{
    (void)state;
    const char *a = make_audience("A", "");
    const char *id = make(format("[\"%s\"]", a), "0 0 1 * * ?", "inactive");
    api_answer answer =
        api_expect(&fixture, 200, "POST", SCHEDULES "/trigger", format("{\"id\":\"%s\"}", id));
    assert_int_equal(answer.body.len, 0);
    api_answer jobs = wait_for_jobs(1);
    api_assert_text(&fixture, &jobs, "children.0.source", "scheduler");
    api_assert_text(&fixture, &jobs, "children.0.properties.scheduleId", id);
    api_assert_text(&fixture, &jobs, "children.0.segments.0.segmentId", a);
    api_expect(&fixture, 404, "POST", SCHEDULES "/trigger", "{\"id\":\"none\"}");
    api_expect(&fixture, 400, "POST", SCHEDULES "/trigger", "{}");
    api_expect(&fixture, 400, "POST", SCHEDULES "/trigger", "{\"id\":7}");
    api_expect(&fixture, 400, "POST", SCHEDULES "/trigger", "[]");
    const char *empty = make("[]", "0 0 1 * * ?", "inactive");
    api_expect(&fixture, 400, "POST", SCHEDULES "/trigger", format("{\"id\":\"%s\"}", empty));
}

/* With the engine's own thread, which notices the clock by itself. */
static void an_active_one_fires_by_itself_and_once(void **state)
{
    const struct timespec pause = {.tv_nsec = 100000000};
    (void)state;
    make_audience("A", "");
    make("[\"*\"]", "0 0 1 * * ?", "active");
    api_fixture_advance(HOUR_MS);
    wait_for_jobs(1);
    nanosleep(&pause, NULL);
    api_fixture_restart(&fixture);
    nanosleep(&pause, NULL);
    wait_for_jobs(1);
    api_fixture_advance(48 * HOUR_MS);
    api_fixture_restart(&fixture);
    wait_for_jobs(2);
}

static void an_export_runs_into_a_dataset_of_its_own(void **state)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    api_answer jobs = {0};
    (void)state;
    api_answer answer =
        api_expect(&fixture, 200, "POST", SCHEDULES,
                   "{\"name\":\"out\",\"type\":\"export\",\"properties\":{\"segments\":[\"*\"]},"
                   "\"schedule\":\"0 0 1 * * ?\"}");
    const char *id = api_text(&fixture, &answer, "id");
    api_expect(&fixture, 200, "POST", SCHEDULES "/trigger", format("{\"id\":\"%s\"}", id));
    for (int i = 0; i < 500; i++) {
        jobs = api_expect(&fixture, 200, "GET", "/data/core/ups/export/jobs", NULL);
        if (strcmp(api_text(&fixture, &jobs, "records.0.status"), "SUCCEEDED") == 0)
            break;
        nanosleep(&pause, NULL);
    }
    api_assert_text(&fixture, &jobs, "records.0.status", "SUCCEEDED");
    api_assert_text(&fixture, &jobs, "records.0.destination.datasetId", id);
    assert_int_equal(api_at(&jobs, "records")->n, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(a_fresh_sandbox_has_a_daily_schedule),
        TEST(it_is_patched_with_add_and_replace_and_not_deleted),
        TEST(a_setting_starts_it_as_active),
        TEST(times_are_checked_when_a_schedule_is_made),
        TEST(what_is_left_out_gets_its_default),
        TEST(bad_schedules_are_refused),
        TEST(bad_patches_are_refused_whole),
        TEST(four_may_be_active_on_one_day),
        TEST(lists_show_the_newest_first_in_pages),
        TEST(audiences_are_added_and_removed),
        TEST(bad_lists_of_audiences_are_refused),
        TEST(the_map_names_schedules_of_audiences),
        TEST(a_run_is_triggered_also_when_inactive),
        TEST(an_active_one_fires_by_itself_and_once),
        TEST(an_export_runs_into_a_dataset_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
