/* schedule_test.c -- schedules fire by a clock that the test moves: each run once, whatever happens
 * in between (api.md 16.2). The engine has no thread here; closing and opening it stands for a
 * server that ends between any two of its transactions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/api_int.h"
#include "base/time.h"
#include "tests/support/api_fixture.h"
#include "tests/support/dice.h"

#include <stdio.h>

#define AUDIENCES "/data/core/ups/audiences"
#define SCHEDULES "/data/core/ups/config/schedules"
#define DAY_MS    MU_DAY_MS
#define HOUR_MS   INT64_C(3600000)
#define T0        API_FIXTURE_NOW_MS /* 2026-01-01T00:00:00Z, a Thursday */
#define AT_ONE    (T0 + HOUR_MS)

static api_fixture fixture;
static mu_schedules *schedules;
static unsigned n_exports;
static char export_run[64];
static bool export_is_busy;
static mu_code export_code;

/* -------- exports, as the engine sees them -------- */

static mu_code start_export(void *context, mu_workspace *workspace, mu_str schedule_id,
                            mu_str run_id, const mu_json *properties, mu_err *err)
{
    (void)context, (void)workspace, (void)schedule_id, (void)properties;
    if (export_code != MU_OK)
        return mu_fail(err, export_code, "no export");
    snprintf(export_run, sizeof export_run, MU_STR_FMT, MU_STR_ARG(run_id));
    n_exports++;
    return MU_OK;
}

static mu_code is_busy(void *context, mu_workspace *workspace, mu_str schedule_id, bool *out,
                       mu_err *err)
{
    (void)context, (void)workspace, (void)schedule_id, (void)err;
    *out = export_is_busy;
    return MU_OK;
}

static mu_code has_run(void *context, mu_workspace *workspace, mu_str run_id, bool *out,
                       mu_err *err)
{
    (void)context, (void)workspace, (void)err;
    *out = mu_str_equal(run_id, mu_str_from(export_run));
    return MU_OK;
}

/* -------- the engine -------- */

static void open_engine(void)
{
    mu_err err = {0};
    const mu_schedules_options options = {.workspaces = fixture.api->workspaces,
                                          .jobs = fixture.api->jobs,
                                          .start_export = start_export,
                                          .export_is_busy = is_busy,
                                          .export_has_run = has_run,
                                          .has_no_thread = true};
    mu_schedules_free(fixture.api->schedules);
    fixture.api->schedules = NULL;
    if (mu_schedules_new(&options, &schedules, &err) != MU_OK)
        fail_msg("%s", err.text);
    fixture.api->schedules = schedules; /* which frees it */
}

static int start(void **state)
{
    (void)state;
    n_exports = 0;
    export_is_busy = false;
    export_run[0] = '\0';
    export_code = MU_OK;
    api_fixture_start(&fixture);
    open_engine();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    api_fixture_stop(&fixture);
    return 0;
}

/* The whole server ends, and starts again at `now_ms`. */
static void restart_at(int64_t now_ms)
{
    api_fixture_set_now(now_ms);
    api_fixture_restart(&fixture);
    open_engine();
}

static int64_t step_at(int64_t now_ms)
{
    api_fixture_set_now(now_ms);
    int64_t next_ms = mu_schedules_step(schedules, now_ms);
    mu_segment_jobs_wait_idle(fixture.api->jobs);
    return next_ms;
}

static mu_workspace *workspace_of(const char *sandbox)
{
    mu_workspace *at = mu_workspaces_next(fixture.api->workspaces, NULL);
    while (at != NULL && !mu_str_equal(at->place, mu_str_from(sandbox)))
        at = mu_workspaces_next(fixture.api->workspaces, at);
    assert_non_null(at);
    return at;
}

/* -------- documents -------- */

static void edit(const char *sandbox, mu_document_action action, mu_str kind, const char *id,
                 const char *json)
{
    mu_err err = {0};
    const mu_document_edit one = {
        .action = action, .kind = kind, .id = mu_str_from(id), .json = mu_str_from(json)};
    if (mu_shelves_edit(workspace_of(sandbox)->shelves, T0, 1, &one, &err) != MU_OK)
        fail_msg("%s", err.text);
}

static const char *make_audience(const char *name)
{
    mu_str body = mu_arena_format(
        &fixture.arena,
        "{\"name\":\"%s\",\"schema\":{\"name\":\"_xdm.context.profile\"},\"expression\":{\"type\":"
        "\"PQL\",\"value\":\"homeAddress.city = \\\"x\\\"\"}}",
        name);
    api_answer answer = api_expect(&fixture, 201, "POST", AUDIENCES, body.ptr);
    return api_text(&fixture, &answer, "id");
}

/* An active one. */
static const char *make_schedule(const char *cron, const char *segments)
{
    mu_str body = mu_arena_format(&fixture.arena,
                                  "{\"name\":\"mine\",\"type\":\"batch_segmentation\","
                                  "\"properties\":{\"segments\":%s},\"schedule\":\"%s\",\"state\":"
                                  "\"active\"}",
                                  segments, cron);
    api_answer answer = api_expect(&fixture, 200, "POST", SCHEDULES, body.ptr);
    return api_text(&fixture, &answer, "id");
}

static const char *make_export(void)
{
    api_answer answer = api_expect(
        &fixture, 200, "POST", SCHEDULES,
        "{\"name\":\"out\",\"type\":\"export\",\"properties\":{\"segments\":[\"*\"]},\"schedule\":"
        "\"0 0 1 * * ?\",\"state\":\"active\"}");
    return api_text(&fixture, &answer, "id");
}

static void patch(const char *id, const char *member, const char *value)
{
    mu_str path = mu_arena_format(&fixture.arena, SCHEDULES "/%s", id);
    mu_str body = mu_arena_format(
        &fixture.arena, "[{\"op\":\"add\",\"path\":\"/%s\",\"value\":\"%s\"}]", member, value);
    api_expect(&fixture, 204, "PATCH", path.ptr, body.ptr);
}

static unsigned count_jobs_in(const char *sandbox)
{
    const mu_shelf *shelf;
    mu_err err;
    assert_int_equal(
        mu_shelf_acquire(workspace_of(sandbox)->shelves, MU_SEGMENT_JOB_KIND, &shelf, &err), MU_OK);
    unsigned n = shelf->n;
    mu_shelf_release(shelf);
    return n;
}

#define assert_jobs(expected) assert_int_equal(count_jobs_in("prod"), (expected))

/* -------- when they fire -------- */

static void a_schedule_fires_when_it_is_due_and_once(void **state)
{
    (void)state;
    const char *id = make_schedule("0 0 1 * * ?", "[\"*\"]");
    assert_int_equal(step_at(T0), AT_ONE);
    assert_int_equal(step_at(AT_ONE - 1), AT_ONE);
    assert_jobs(0);
    assert_int_equal(step_at(AT_ONE), AT_ONE + DAY_MS);
    assert_jobs(1);
    assert_int_equal(step_at(AT_ONE), AT_ONE + DAY_MS);
    step_at(AT_ONE + 5);
    step_at(AT_ONE + DAY_MS - 1);
    assert_jobs(1);
    step_at(AT_ONE + DAY_MS + 7);
    assert_jobs(2);
    api_answer jobs = api_expect(&fixture, 200, "GET", "/data/core/ups/segment/jobs", NULL);
    api_assert_text(&fixture, &jobs, "children.0.source", "scheduler");
    api_assert_text(&fixture, &jobs, "children.0.properties.scheduleId", id);
    assert_string_not_equal(api_text(&fixture, &jobs, "children.0.properties.runId"),
                            api_text(&fixture, &jobs, "children.1.properties.runId"));
    assert_string_equal(api_text(&fixture, &jobs, "children.1.requestId"),
                        mu_arena_format(&fixture.arena, "%s-%lld", id, (long long)AT_ONE).ptr);
    api_assert_text(&fixture, &jobs, "children.0.segments", "[{\"segmentId\":\"*\"}]");
}

static void an_inactive_one_does_not_fire(void **state)
{
    (void)state;
    const char *id = make_schedule("0 0 1 * * ?", "[\"*\"]");
    patch(id, "state", "inactive");
    assert_int_equal(step_at(AT_ONE + HOUR_MS), INT64_MAX);
    assert_jobs(0);
    patch(id, "state", "active"); /* what was due while it was inactive is not made up for */
    assert_int_equal(step_at(AT_ONE + HOUR_MS), AT_ONE + DAY_MS);
    assert_jobs(0);
}

static void changed_times_count_from_the_change_on(void **state)
{
    (void)state;
    const char *id = make_schedule("0 0 1 * * ?", "[\"*\"]");
    step_at(AT_ONE);
    assert_jobs(1);
    api_fixture_set_now(AT_ONE + 5 * HOUR_MS);
    patch(id, "schedule", "0 0 3 * * ?"); /* was at three, two hours ago */
    assert_int_equal(step_at(AT_ONE + 5 * HOUR_MS), T0 + DAY_MS + 3 * HOUR_MS);
    assert_jobs(1);
    patch(id, "schedule", "0 0 7 * * ?");
    step_at(T0 + 7 * HOUR_MS);
    assert_jobs(2);
}

static void a_clock_that_goes_back_fires_nothing_again(void **state)
{
    (void)state;
    make_schedule("0 0 1 * * ?", "[\"*\"]");
    step_at(AT_ONE);
    step_at(T0 - 3 * DAY_MS);
    step_at(T0 - 2 * DAY_MS + HOUR_MS);
    step_at(AT_ONE);
    assert_jobs(1);
    step_at(AT_ONE + DAY_MS);
    assert_jobs(2);
}

static void the_last_fire_of_all_comes_too(void **state)
{
    (void)state;
    make_schedule("0 0 1 * * ? 2026-2026", "[\"*\"]");
    restart_at(INT64_C(1798682400000)); /* 2026-12-31T02:00:00Z: an hour late */
    assert_int_equal(step_at(INT64_C(1798682400000)), INT64_MAX);
    assert_jobs(1);
}

/* -------- a server that ends -------- */

static void a_missed_run_is_made_up_for_once(void **state)
{
    (void)state;
    make_schedule("0 0 1 * * ?", "[\"*\"]");
    restart_at(AT_ONE + 23 * HOUR_MS);
    assert_int_equal(step_at(AT_ONE + 23 * HOUR_MS), AT_ONE + DAY_MS);
    assert_jobs(1);
    restart_at(AT_ONE + 23 * HOUR_MS + 1);
    step_at(AT_ONE + 23 * HOUR_MS + 1);
    assert_jobs(1);
    restart_at(AT_ONE + 5 * DAY_MS + HOUR_MS); /* of four missed runs the last */
    step_at(AT_ONE + 5 * DAY_MS + HOUR_MS);
    step_at(AT_ONE + 5 * DAY_MS + HOUR_MS);
    assert_jobs(2);
}

static void a_run_that_is_a_day_late_is_given_up(void **state)
{
    (void)state;
    make_schedule("0 0 1 ? * THU", "[\"*\"]"); /* today */
    restart_at(AT_ONE + DAY_MS);
    assert_int_equal(step_at(AT_ONE + DAY_MS), AT_ONE + 7 * DAY_MS);
    assert_jobs(0);
    restart_at(AT_ONE + 8 * DAY_MS - 1);
    step_at(AT_ONE + 8 * DAY_MS - 1);
    assert_jobs(1);
}

/* The job was made, and the server ended before that was recorded. */
static void a_run_that_was_not_recorded_is_not_made_again(void **state)
{
    (void)state;
    const char *id = make_schedule("0 0 1 * * ?", "[\"*\"]");
    step_at(AT_ONE);
    assert_jobs(1);
    mu_str before = mu_arena_format(&fixture.arena, "{\"firedUntil\":%lld}", (long long)T0);
    edit("prod", MU_DOCUMENT_PUT, MU_SCHEDULE_STATE_KIND, id, before.ptr);
    restart_at(AT_ONE + 10);
    assert_int_equal(step_at(AT_ONE + 10), AT_ONE + DAY_MS);
    assert_jobs(1);
    edit("prod", MU_DOCUMENT_PUT, MU_SCHEDULE_STATE_KIND, id, before.ptr); /* without an end, too */
    step_at(AT_ONE + 20);
    assert_jobs(1);
    step_at(AT_ONE + DAY_MS);
    assert_jobs(2);
}

/* The record is moved back, the clock forward, the server ended, at random. */
static void random_ends_make_every_run_once(void **state)
{
    mu_dice dice;
    (void)state;
    mu_dice_init(&dice, mu_dice_seed("schedule", 1602));
    const char *id = make_schedule("0 0 1 * * ?", "[\"*\"]");
    int64_t now_ms = T0;
    for (uint32_t i = 0, n = mu_dice_cases(100); i < n; i++) {
        int64_t fired_before = now_ms;
        now_ms += mu_dice_between(&dice, 0, DAY_MS - 1);
        if (mu_dice_percent(&dice, 40))
            restart_at(now_ms);
        step_at(now_ms);
        if (mu_dice_percent(&dice, 40)) {
            mu_str json =
                mu_arena_format(&fixture.arena, "{\"firedUntil\":%lld}", (long long)fired_before);
            edit("prod", MU_DOCUMENT_PUT, MU_SCHEDULE_STATE_KIND, id, json.ptr);
        }
        if (mu_dice_percent(&dice, 30))
            step_at(now_ms);
        unsigned n_due = now_ms < AT_ONE ? 0 : (unsigned)((now_ms - AT_ONE) / DAY_MS) + 1;
        if (count_jobs_in("prod") != n_due)
            fail_msg("after %u: %u jobs, not %u", i, count_jobs_in("prod"), n_due);
    }
}

/* -------- what is not started -------- */

static void a_run_is_skipped_while_another_one_is_busy(void **state)
{
    mu_err err;
    (void)state;
    const char *id = make_export();
    export_is_busy = true;
    assert_int_equal(step_at(AT_ONE), AT_ONE + DAY_MS);
    assert_int_equal(mu_schedules_trigger(schedules, workspace_of("prod"), mu_str_from(id), &err),
                     MU_E_LIMIT);
    assert_int_equal(n_exports, 0);
    export_is_busy = false;
    assert_int_equal(step_at(AT_ONE + HOUR_MS), AT_ONE + DAY_MS); /* not made up for */
    assert_int_equal(n_exports, 0);
    assert_int_equal(mu_schedules_trigger(schedules, workspace_of("prod"), mu_str_from(id), &err),
                     MU_OK);
    step_at(AT_ONE + DAY_MS);
    assert_int_equal(n_exports, 2);
}

static void deleted_audiences_are_left_out(void **state)
{
    (void)state;
    const char *stays = make_audience("Stays"), *goes = make_audience("Goes");
    const char *segments = mu_arena_format(&fixture.arena, "[\"%s\",\"%s\"]", stays, goes).ptr;
    make_schedule("0 0 1 * * ?", segments);
    mu_str path = mu_arena_format(&fixture.arena, AUDIENCES "/%s", goes);
    api_expect(&fixture, 204, "DELETE", path.ptr, NULL);
    step_at(AT_ONE);
    api_answer jobs = api_expect(&fixture, 200, "GET", "/data/core/ups/segment/jobs", NULL);
    assert_int_equal(api_at(&jobs, "children.0.segments")->n, 1);
    api_assert_text(&fixture, &jobs, "children.0.segments.0.segmentId", stays);
    path = mu_arena_format(&fixture.arena, AUDIENCES "/%s", stays);
    api_expect(&fixture, 204, "DELETE", path.ptr, NULL);
    assert_int_equal(step_at(AT_ONE + DAY_MS), AT_ONE + 2 * DAY_MS); /* nothing to evaluate */
    assert_jobs(1);
}

static void a_deleted_schedule_fires_no_more(void **state)
{
    (void)state;
    const char *id = make_schedule("0 0 1 * * ?", "[\"*\"]");
    mu_str path = mu_arena_format(&fixture.arena, SCHEDULES "/%s", id);
    api_expect(&fixture, 204, "DELETE", path.ptr, NULL);
    assert_int_equal(step_at(AT_ONE), INT64_MAX);
    assert_jobs(0);
    const mu_shelf *states;
    mu_err err;
    assert_int_equal(
        mu_shelf_acquire(workspace_of("prod")->shelves, MU_SCHEDULE_STATE_KIND, &states, &err),
        MU_OK);
    assert_null(mu_shelf_find(states, mu_str_from(id)));
    mu_shelf_release(states);
}

/* -------- exports -------- */

static void an_export_is_started_once_and_tried_again(void **state)
{
    (void)state;
    const char *id = make_export();
    export_code = MU_E_IO;
    assert_int_equal(step_at(AT_ONE), AT_ONE + 1000); /* later */
    assert_int_equal(n_exports, 0);
    export_code = MU_OK;
    assert_int_equal(step_at(AT_ONE + 1000), AT_ONE + DAY_MS);
    assert_int_equal(n_exports, 1);
    mu_str before = mu_arena_format(&fixture.arena, "{\"firedUntil\":%lld}", (long long)T0);
    edit("prod", MU_DOCUMENT_PUT, MU_SCHEDULE_STATE_KIND, id, before.ptr);
    assert_int_equal(step_at(AT_ONE + 2000), AT_ONE + DAY_MS); /* as after a crash */
    assert_int_equal(n_exports, 1);
    export_code = MU_E_INPUT; /* would be wrong for ever */
    assert_int_equal(step_at(AT_ONE + DAY_MS), AT_ONE + 2 * DAY_MS);
    assert_int_equal(n_exports, 1);
    assert_jobs(0);
}

/* -------- on request -------- */

static void a_run_can_be_triggered(void **state)
{
    mu_err err;
    (void)state;
    const char *id = make_schedule("0 0 1 * * ?", "[\"*\"]");
    patch(id, "state", "inactive");
    mu_workspace *workspace = workspace_of("prod");
    assert_int_equal(mu_schedules_trigger(schedules, workspace, mu_str_from(id), &err), MU_OK);
    mu_segment_jobs_wait_idle(fixture.api->jobs);
    assert_int_equal(mu_schedules_trigger(schedules, workspace, mu_str_from(id), &err), MU_OK);
    mu_segment_jobs_wait_idle(fixture.api->jobs);
    assert_jobs(2);
    assert_int_equal(mu_schedules_trigger(schedules, workspace, MU_STR("none"), &err),
                     MU_E_NOT_FOUND);
    const char *empty = make_schedule("0 0 1 * * ?", "[]");
    assert_int_equal(mu_schedules_trigger(schedules, workspace, mu_str_from(empty), &err),
                     MU_E_INPUT);
    assert_jobs(2);
}

/* A trigger at the instant of a fire takes nothing from it. */
static void a_triggered_run_is_beside_the_due_one(void **state)
{
    mu_err err;
    (void)state;
    const char *id = make_schedule("0 0 1 * * ?", "[\"*\"]");
    api_fixture_set_now(AT_ONE);
    assert_int_equal(mu_schedules_trigger(schedules, workspace_of("prod"), mu_str_from(id), &err),
                     MU_OK);
    mu_segment_jobs_wait_idle(fixture.api->jobs);
    step_at(AT_ONE);
    assert_jobs(2);
}

/* -------- two sandboxes -------- */

static bool is_second(void *context, const mu_workspace *workspace)
{
    (void)context;
    return mu_str_equal(workspace->place, MU_STR("two"));
}

static void a_sandbox_that_is_gone_fires_no_more(void **state)
{
    mu_err err;
    (void)state;
    api_expect(&fixture, 201, "POST", "/data/foundation/sandbox-management/sandboxes",
               "{\"name\":\"two\",\"title\":\"Two\",\"type\":\"development\"}");
    make_schedule("0 0 1 * * ?", "[\"*\"]");
    api_answer answer =
        api_send_in(&fixture, "two", "POST", SCHEDULES,
                    "{\"name\":\"x\",\"type\":\"batch_segmentation\",\"properties\":{\"segments\":["
                    "\"*\"]},\"state\":\"active\"}");
    assert_int_equal(answer.status, 200);
    const mu_schedules_options options = {.workspaces = fixture.api->workspaces,
                                          .jobs = fixture.api->jobs,
                                          .is_gone = is_second,
                                          .has_no_thread = true};
    mu_schedules_free(fixture.api->schedules);
    fixture.api->schedules = NULL;
    assert_int_equal(mu_schedules_new(&options, &schedules, &err), MU_OK);
    fixture.api->schedules = schedules;
    step_at(AT_ONE);
    assert_jobs(1);
    assert_int_equal(count_jobs_in("two"), 0);
}

static void each_sandbox_has_its_own(void **state)
{
    (void)state;
    api_expect(&fixture, 201, "POST", "/data/foundation/sandbox-management/sandboxes",
               "{\"name\":\"two\",\"title\":\"Two\",\"type\":\"development\"}");
    api_answer list = api_send_in(&fixture, "two", "GET", SCHEDULES, NULL);
    api_assert_text(&fixture, &list, "_page.totalCount", "1");
    const char *id = make_schedule("0 0 1 * * ?", "[\"*\"]");
    step_at(AT_ONE);
    assert_jobs(1);
    assert_int_equal(count_jobs_in("two"), 0);
    mu_str path = mu_arena_format(&fixture.arena, SCHEDULES "/%s", id);
    assert_int_equal(api_send_in(&fixture, "two", "DELETE", path.ptr, NULL).status, 404);
    api_answer own = api_send_in(&fixture, "two", "GET", SCHEDULES, NULL);
    path =
        mu_arena_format(&fixture.arena, SCHEDULES "/%s", api_text(&fixture, &own, "children.0.id"));
    assert_int_equal(api_send_in(&fixture, "two", "PATCH", path.ptr,
                                 "[{\"op\":\"add\",\"path\":\"/state\",\"value\":\"active\"}]")
                         .status,
                     204);
    step_at(AT_ONE + DAY_MS);
    assert_jobs(2);
    assert_int_equal(count_jobs_in("two"), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(a_schedule_fires_when_it_is_due_and_once),
        TEST(an_inactive_one_does_not_fire),
        TEST(changed_times_count_from_the_change_on),
        TEST(a_clock_that_goes_back_fires_nothing_again),
        TEST(the_last_fire_of_all_comes_too),
        TEST(a_missed_run_is_made_up_for_once),
        TEST(a_run_that_is_a_day_late_is_given_up),
        TEST(a_run_that_was_not_recorded_is_not_made_again),
        TEST(random_ends_make_every_run_once),
        TEST(a_run_is_skipped_while_another_one_is_busy),
        TEST(deleted_audiences_are_left_out),
        TEST(a_deleted_schedule_fires_no_more),
        TEST(an_export_is_started_once_and_tried_again),
        TEST(a_run_can_be_triggered),
        TEST(a_triggered_run_is_beside_the_due_one),
        TEST(each_sandbox_has_its_own),
        TEST(a_sandbox_that_is_gone_fires_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
