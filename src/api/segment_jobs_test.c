/* segment_jobs_test.c -- segment jobs over HTTP: every state, cancelled in each, after a restart,
 * and what they leave behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/api_int.h"
#include "audience/job_int.h"
#include "audience/membership_int.h"
#include "base/time.h"
#include "ingest/file_name.h"
#include "tests/support/luma_server.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define JOBS   "/data/core/ups/segment/jobs"
#define SINGLE "/collection/" LUMA_SERVER_INLET
#define TYPE   "Content-Type: application/json\r\n"
#define CRM    "9261ceef0b969e70ac20f151"
#define PERSON_SCHEMA                                                                              \
    "https://ns.adobe.com/luma/schemas/9261ceef0b969e70ac20f1510f07a1e0d8db05f20c75161a"
#define N_PEOPLE 12

static api_fixture fixture;

static void send_person(int i)
{
    mu_str body = mu_arena_format(
        &fixture.arena,
        "{\"header\":{\"schemaRef\":{\"id\":\"" PERSON_SCHEMA
        "\"},\"imsOrgId\":\"" LUMA_SERVER_ORGANIZATION "\",\"datasetId\":\"" CRM
        "\"},\"body\":{\"xdmMeta\":{"
        "\"schemaRef\":{\"id\":\"" PERSON_SCHEMA "\"}},\"xdmEntity\":{\"_luma\":{"
        "\"identification\":{\"crmId\":\"CRM-3%05d\"}},\"homeAddress\":{\"city\":\"C%d\"}}}}",
        i, i % 3);
    assert_int_equal(api_send_headers(&fixture, "POST", SINGLE, TYPE, body).status, 200);
}

static int start(void **state)
{
    (void)state;
    api_fixture_start(&fixture);
    luma_server_fill(&fixture);
    for (int i = 0; i < N_PEOPLE; i++)
        send_person(i);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    api_fixture_stop(&fixture);
    return 0;
}

/* -------- audiences and jobs -------- */

/* Members: people whose number leaves `rest` when divided by 3. */
static const char *make_audience(const char *name, int rest)
{
    mu_str body = mu_arena_format(
        &fixture.arena,
        "{\"name\":\"%s\",\"expression\":{\"type\":\"PQL\",\"format\":\"pql/text\",\"value\":"
        "\"homeAddress.city = \\\"C%d\\\"\"}}",
        name, rest);
    api_answer answer = api_expect(&fixture, 201, "POST", "/data/core/ups/audiences", body.ptr);
    return api_text(&fixture, &answer, "id");
}

static api_answer post_job(unsigned status, const char *body)
{
    return api_expect(&fixture, status, "POST", JOBS, body);
}

static const char *one_segment(const char *id)
{
    return mu_arena_format(&fixture.arena, "[{\"segmentId\":\"%s\"}]", id).ptr;
}

static const char *path_of(const char *id)
{
    return mu_arena_format(&fixture.arena, JOBS "/%s", id).ptr;
}

static api_answer get_job(const char *id)
{
    return api_expect(&fixture, 200, "GET", path_of(id), NULL);
}

static const char *status_of(const char *id)
{
    api_answer answer = get_job(id);
    assert_non_null(api_at(&answer, "metrics.totalTime.startTimeInMs"));
    assert_non_null(api_at(&answer, "metrics.profileSegmentationTime"));
    assert_true(mu_str_find(answer.body, MU_STR("null")) == SIZE_MAX);
    return api_text(&fixture, &answer, "status");
}

static mu_workspace *workspace_of_prod(void)
{
    mu_workspace *workspace = mu_workspaces_next(fixture.api->workspaces, NULL);
    while (workspace != NULL && mu_str_find(workspace->place, MU_STR("prod")) == SIZE_MAX)
        workspace = mu_workspaces_next(fixture.api->workspaces, workspace);
    assert_non_null(workspace);
    return workspace;
}

/* Jobs stop before they commit as long as audiences may not change. */
static void hold_jobs(void)
{
    mu_audience_books_lock(workspace_of_prod()->books);
}

static void let_jobs_go(void)
{
    mu_audience_books_unlock(workspace_of_prod()->books);
}

static void await_status(const char *id, const char *status)
{
    const struct timespec pause = {.tv_nsec = 2000000};
    for (int i = 0; i < 5000 && strcmp(status_of(id), status) != 0; i++)
        nanosleep(&pause, NULL);
    assert_string_equal(status_of(id), status);
}

static void await_end(void)
{
    mu_segment_jobs_wait_idle(fixture.api->jobs);
}

static uint64_t members_of(const char *id)
{
    const mu_membership_state *state = mu_memberships_acquire(workspace_of_prod()->memberships);
    const mu_membership *membership = mu_membership_find(state, mu_str_from(id));
    uint64_t n = membership == NULL ? 0 : mu_membership_count(membership, LUMA_SERVER_NOW_MS);
    mu_membership_state_release(state);
    return n;
}

/* -------- tests -------- */

static void a_job_goes_through_its_states(void **state)
{
    (void)state;
    const char *audience = make_audience("States", 0);
    hold_jobs();
    api_answer first = post_job(200, one_segment(audience));
    const char *id = api_text(&fixture, &first, "id");
    api_assert_text(&fixture, &first, "status", "NEW");
    api_assert_text(&fixture, &first, "source", "api");
    api_assert_text(&fixture, &first, "profileInstanceId", "ups");
    api_assert_text(&fixture, &first, "modelName", "_xdm.context.profile");
    api_assert_text(&fixture, &first, "segments.0.segmentId", audience);
    api_assert_text(&fixture, &first, "segments.0.segment.id", audience);
    api_assert_text(&fixture, &first, "segments.0.segment.expression.value",
                    "homeAddress.city = \"C0\"");
    assert_non_null(api_at(&first, "segments.0.segment.mergePolicy.version"));
    api_assert_text(&fixture, &first, "_links.cancel.method", "DELETE");
    api_assert_text(&fixture, &first, "sandbox.sandboxName", "prod");
    assert_non_null(api_at(&first, "imsOrgId"));
    await_status(id, "PROCESSING");
    api_answer running = get_job(id);
    assert_non_null(api_at(&running, "batchId"));
    assert_int_equal(api_at(&running, "computeJobId")->kind, MU_JSON_INTEGER);
    assert_non_null(api_at(&running, "metrics.profileSegmentationTime.startTimeInMs"));
    assert_null(api_at(&running, "metrics.totalProfiles"));
    api_answer second = post_job(200, one_segment(audience));
    const char *second_id = api_text(&fixture, &second, "id");
    api_assert_text(&fixture, &second, "status", "QUEUED");
    assert_int_equal(members_of(audience), 0);
    let_jobs_go();
    await_end();
    assert_string_equal(status_of(second_id), "SUCCEEDED");
    api_answer done = get_job(id);
    api_assert_text(&fixture, &done, "status", "SUCCEEDED");
    api_assert_text(&fixture, &done, "metrics.totalProfiles", "12");
    assert_non_null(api_at(&done, "metrics.totalTime.totalTimeInMs"));
    assert_non_null(api_at(&done, "metrics.profileSegmentationTime.endTimeInMs"));
    const char *counter =
        mu_arena_format(&fixture.arena, "metrics.segmentedProfileCounter.%s", audience).ptr;
    api_assert_text(&fixture, &done, counter, "4");
    api_assert_text(&fixture, &done,
                    mu_arena_format(&fixture.arena,
                                    "metrics.segmentedProfileByNamespaceCounter.%s.lumacrmid",
                                    audience)
                        .ptr,
                    "4");
    api_assert_text(&fixture, &done,
                    mu_arena_format(&fixture.arena,
                                    "metrics.segmentedProfileByStatusCounter.%s.realized", audience)
                        .ptr,
                    "4");
    assert_int_equal(members_of(audience), 4);
    api_answer shown = api_expect(
        &fixture, 200, "GET",
        mu_arena_format(&fixture.arena, "/data/core/ups/audiences/%s", audience).ptr, NULL);
    api_assert_text(&fixture, &shown, "metrics.data.totalProfiles", "4");
    api_assert_text(&fixture, &shown, "metrics.type", "segmentation");
    api_assert_text(&fixture, &shown, "metrics.jobId", second_id);
}

static void every_state_can_be_cancelled(void **state)
{
    (void)state;
    const char *audience = make_audience("Cancelled", 1);
    hold_jobs();
    api_answer answer = post_job(200, one_segment(audience));
    const char *running = api_text(&fixture, &answer, "id");
    answer = post_job(200, one_segment(audience));
    const char *queued = api_text(&fixture, &answer, "id");
    await_status(running, "PROCESSING");
    for (int twice = 0; twice < 2; twice++) {
        api_expect(&fixture, 204, "DELETE", path_of(queued), NULL);
        assert_string_equal(status_of(queued), "CANCELLED");
        api_expect(&fixture, 204, "DELETE", path_of(running), NULL);
        assert_string_equal(status_of(running), "CANCELLING");
    }
    answer = post_job(200, one_segment(audience));
    const char *after = api_text(&fixture, &answer, "id");
    let_jobs_go();
    await_end();
    assert_string_equal(status_of(running), "CANCELLED");
    assert_string_equal(status_of(queued), "CANCELLED");
    assert_string_equal(status_of(after), "SUCCEEDED");
    api_expect(&fixture, 204, "DELETE", path_of(after), NULL);
    assert_string_equal(status_of(after), "SUCCEEDED");
    api_expect(&fixture, 404, "DELETE", path_of("none"), NULL);
}

static void cancelled_jobs_change_no_membership(void **state)
{
    (void)state;
    const char *audience = make_audience("Untouched", 2);
    hold_jobs();
    api_answer answer = post_job(200, one_segment(audience));
    const char *id = api_text(&fixture, &answer, "id");
    await_status(id, "PROCESSING");
    api_expect(&fixture, 204, "DELETE", path_of(id), NULL);
    let_jobs_go();
    await_end();
    assert_string_equal(status_of(id), "CANCELLED");
    assert_int_equal(members_of(audience), 0);
}

static void assert_refused(const char *body, const char *code, const char *part)
{
    api_answer answer = post_job(400, body);
    if (mu_str_find(answer.body, mu_str_from(code)) == SIZE_MAX ||
        mu_str_find(answer.body, mu_str_from(part)) == SIZE_MAX)
        fail_msg("%s: " MU_STR_FMT, body, MU_STR_ARG(answer.body));
}

static void bad_requests_are_refused(void **state)
{
    (void)state;
    const char *audience = make_audience("Fine", 2);
    assert_refused("[]", "UPAPI-119911-400", "list of segment ids");
    assert_refused("{}", "UPAPI-119911-400", "/segments");
    assert_refused("{\"segments\":[]}", "UPAPI-119911-400", "/segments");
    assert_refused("[{\"segmentId\":\"no-1\"},{\"segmentId\":\"no-2\"}]", "no-1", "no-2");
    assert_refused(mu_arena_format(&fixture.arena, "[\"*\",\"%s\"]", audience).ptr,
                   "UPAPI-119911-400", "only one");
    assert_refused("[{\"id\":\"x\"}]", "UPAPI-119911-400", "/0");
    assert_refused("[7]", "UPAPI-119911-400", "/0");
    post_job(400, "\"text\"");
    post_job(400, "nothing");
    api_answer external =
        api_expect(&fixture, 201, "POST", "/data/core/ups/audiences",
                   "{\"name\":\"Ext\",\"type\":\"ExternalSegment\",\"namespace\":\"AAM\"}");
    assert_refused(one_segment(api_text(&fixture, &external, "id")), "UPAPI-119911-400",
                   "external");
    api_expect(&fixture, 404, "GET", path_of("none"), NULL);
    api_expect(&fixture, 400, "GET", JOBS "?status=gone", NULL);
    await_end();
}

static void all_forms_of_the_body_are_taken(void **state)
{
    (void)state;
    const char *audience = make_audience("Forms", 0);
    const char *bodies[] = {
        one_segment(audience),
        mu_arena_format(&fixture.arena, "[\"%s\",\"%s\"]", audience, audience).ptr,
        mu_arena_format(&fixture.arena,
                        "{\"name\":\"nightly\",\"operation\":\"x\",\"segments\":[{\"segmentId\":"
                        "\"%s\"}]}",
                        audience)
            .ptr,
        "{\"schema\":{\"name\":\"_xdm.context.profile\"},\"segments\":[{\"segmentId\":\"*\"}]}"};
    for (size_t i = 0; i < 4; i++) {
        api_answer answer = post_job(200, bodies[i]);
        api_assert_text(&fixture, &answer, "segments.0.segmentId", i == 3 ? "*" : audience);
        assert_null(api_at(&answer, "segments.1"));
        const char *id = api_text(&fixture, &answer, "id");
        await_end();
        answer = get_job(id);
        api_assert_text(&fixture, &answer, "status", "SUCCEEDED");
        api_assert_text(
            &fixture, &answer,
            mu_arena_format(&fixture.arena, "metrics.segmentedProfileCounter.%s", audience).ptr,
            "4");
    }
    /* Nobody is an account. */
    api_answer accounts = post_job(
        200,
        "{\"schema\":{\"name\":\"_xdm.context.account\"},\"segments\":[{\"segmentId\":\"*\"}]}");
    await_end();
    assert_string_equal(status_of(api_text(&fixture, &accounts, "id")), "SUCCEEDED");
    api_answer list = api_expect(&fixture, 200, "GET", JOBS "?snapshot.name=nightly", NULL);
    api_assert_text(&fixture, &list, "_page.totalCount", "1");
    list = api_expect(&fixture, 200, "GET", JOBS "?property=segments~segmentId==*", NULL);
    api_assert_text(&fixture, &list, "_page.totalCount", "2");
    list = api_expect(&fixture, 200, "GET", JOBS "?status=FAILED", NULL);
    api_assert_text(&fixture, &list, "_page.totalCount", "0");
    list = api_expect(&fixture, 200, "GET", JOBS "?limit=2&sort=creationTime:asc", NULL);
    api_assert_text(&fixture, &list, "_page.pageSize", "2");
    api_assert_text(&fixture, &list, "_page.next", "1");
    assert_int_equal(api_at(&list, "_page.next")->kind, MU_JSON_STRING);
}

static void many_jobs_are_looked_up_at_once(void **state)
{
    (void)state;
    api_answer job = post_job(200, "[\"*\"]");
    const char *id = api_text(&fixture, &job, "id");
    await_end();
    mu_str body =
        mu_arena_format(&fixture.arena, "{\"ids\":[{\"id\":\"%s\"},{\"id\":\"gone\"}]}", id);
    api_answer answer = api_expect(&fixture, 207, "POST", JOBS "/bulk-get", body.ptr);
    api_assert_text(&fixture, &answer, mu_arena_format(&fixture.arena, "results.%s.status", id).ptr,
                    "SUCCEEDED");
    assert_non_null(api_at(&answer, "results.gone.errors"));
    api_expect(&fixture, 400, "POST", JOBS "/bulk-get", "{\"ids\":[]}");
}

static void too_many_that_wait_are_refused_without_a_trace(void **state)
{
    (void)state;
    const char *audience = make_audience("Crowd", 0);
    char retry[8];
    hold_jobs();
    api_answer first = post_job(200, one_segment(audience));
    await_status(api_text(&fixture, &first, "id"), "PROCESSING");
    for (int i = 0; i < 10; i++)
        post_job(200, one_segment(audience));
    api_answer before = api_expect(&fixture, 200, "GET", JOBS, NULL);
    api_answer refused = post_job(429, one_segment(audience));
    assert_true(mu_str_find(refused.body, MU_STR("UPAPI-119919-429")) != SIZE_MAX);
    assert_true(api_header(&refused, "Retry-After", retry, sizeof retry));
    api_answer after = api_expect(&fixture, 200, "GET", JOBS, NULL);
    assert_string_equal(api_text(&fixture, &before, "_page.totalCount"),
                        api_text(&fixture, &after, "_page.totalCount"));
    let_jobs_go();
    await_end();
    api_expect(&fixture, 200, "GET", JOBS "?status=SUCCEEDED", NULL);
}

/* -------- many audiences -------- */

#define N_MANY 1501u

static void over_1500_ids_are_shown_as_all(void **state)
{
    (void)state;
    mu_err err;
    mu_workspace *workspace = workspace_of_prod();
    mu_document_edit *edits = calloc(N_MANY, sizeof *edits);
    mu_buf body;
    mu_buf_init(&body, SIZE_MAX);
    for (uint32_t i = 0; i < N_MANY; i++) {
        mu_str id = mu_arena_format(&fixture.arena, "many-%u", i);
        edits[i] = (mu_document_edit){
            .action = MU_DOCUMENT_ADD,
            .kind = MU_AUDIENCE_KIND,
            .id = id,
            .json = mu_arena_format(
                &fixture.arena,
                "{\"id\":\"%s\",\"name\":\"%s\",\"type\":\"SegmentDefinition\",\"schema\":{"
                "\"name\":"
                "\"_xdm.context.profile\"},\"lifecycleState\":\"published\",\"expression\":{"
                "\"type\":\"PQL\",\"format\":\"pql/text\",\"value\":\"homeAddress.city = "
                "\\\"C%u\\\"\"}}",
                id.ptr, id.ptr, i % 4)};
        mu_buf_add_format(&body, "%c\"%s\"", i == 0 ? '[' : ',', id.ptr);
    }
    MU_BUF_ADD(&body, "]");
    mu_buf_add_char(&body, '\0');
    if (mu_shelves_edit(workspace->shelves, LUMA_SERVER_NOW_MS, N_MANY, edits, &err) != MU_OK)
        fail_msg("%s", err.text);
    api_answer answer = post_job(200, body.ptr);
    const char *id = api_text(&fixture, &answer, "id");
    api_assert_text(&fixture, &answer, "segments.0.segmentId", "*");
    assert_null(api_at(&answer, "segments.1"));
    assert_true(mu_str_find(answer.body, MU_STR("$ids")) == SIZE_MAX);
    await_end();
    answer = get_job(id);
    api_assert_text(&fixture, &answer, "status", "SUCCEEDED");
    /* Those that were given, and no others. */
    assert_int_equal(api_at(&answer, "metrics.segmentedProfileCounter")->n, N_MANY);
    api_assert_text(&fixture, &answer, "metrics.segmentedProfileCounter.many-3", "0");
    api_assert_text(&fixture, &answer, "metrics.segmentedProfileCounter.many-1500", "4");
    for (uint32_t i = 0; i < N_MANY; i++)
        edits[i] = (mu_document_edit){
            .action = MU_DOCUMENT_REMOVE, .kind = MU_AUDIENCE_KIND, .id = edits[i].id};
    assert_int_equal(mu_shelves_edit(workspace->shelves, LUMA_SERVER_NOW_MS, N_MANY, edits, &err),
                     MU_OK);
    mu_buf_free(&body);
    free(edits);
}

/* -------- restarts -------- */

static const char *statuses[] = {"NEW", "QUEUED", "PROCESSING", "CANCELLING"};
static const char *interrupted[4];

/* As a server that ended in the middle leaves its jobs. */
static void put_states_back(api_fixture *f)
{
    mu_documents *documents;
    mu_err err;
    assert_int_equal(mu_documents_open(f->folder, &documents, &err), MU_OK);
    uint32_t n;
    const mu_placed_document *found;
    assert_int_equal(
        mu_documents_read_kind(f->folder, &f->arena, MU_SEGMENT_JOB_KIND, &n, &found, &err), MU_OK);
    for (uint32_t i = 0; i < n; i++)
        for (int k = 0; k < 4; k++) {
            mu_json json;
            if (!mu_str_equal(found[i].document.id, mu_str_from(interrupted[k])))
                continue;
            assert_int_equal(mu_json_parse(&f->arena, found[i].document.json, &json, &err), MU_OK);
            mu_json_set(&f->arena, &json, MU_STR("status"),
                        mu_json_of_string(mu_str_from(statuses[k])));
            mu_document_edit edit = {.action = MU_DOCUMENT_REPLACE,
                                     .kind = MU_SEGMENT_JOB_KIND,
                                     .id = found[i].document.id};
            assert_int_equal(mu_json_text(&f->arena, &json, &edit.json, &err), MU_OK);
            assert_int_equal(mu_document_edit_all(documents, found[i].sandbox, LUMA_SERVER_NOW_MS,
                                                  1, &edit, &err),
                             MU_OK);
        }
    mu_documents_close(documents);
}

static void jobs_are_taken_up_after_a_restart(void **state)
{
    (void)state;
    const char *audience = make_audience("Again", 0);
    for (int k = 0; k < 4; k++) {
        api_answer answer = post_job(200, one_segment(audience));
        interrupted[k] = api_text(&fixture, &answer, "id");
        await_end();
    }
    api_fixture_restart_after(&fixture, put_states_back);
    await_end();
    for (int k = 0; k < 4; k++)
        assert_string_equal(status_of(interrupted[k]), k == 3 ? "CANCELLED" : "SUCCEEDED");
    assert_int_equal(members_of(audience), 4);
}

/* The server ends while a job computes: the next one does it again. */
static void a_running_job_survives_the_end_of_the_server(void **state)
{
    (void)state;
    const char *audience = make_audience("Interrupted", 1);
    for (int i = 0; i < 5; i++)
        post_job(200, one_segment(audience));
    api_fixture_restart(&fixture);
    await_end();
    api_answer list = api_expect(&fixture, 200, "GET", JOBS "?status=SUCCEEDED&limit=5", NULL);
    for (int i = 0; i < 5; i++)
        api_assert_text(&fixture, &list,
                        mu_arena_format(&fixture.arena, "children.%d.segments.0.segmentId", i).ptr,
                        audience);
    assert_int_equal(members_of(audience), 4);
}

/* -------- merged profiles -------- */

#define WEB "4b5e57f6eb2f42b9039b3d1e"
#define WEB_SCHEMA                                                                                 \
    "https://ns.adobe.com/luma/schemas/4b5e57f6eb2f42b9039b3d1e13929295f231749c510cbe34"
#define VISITOR "87425148613594122803641603982383519999"

static void send_view(const char *id, const char *known)
{
    mu_str body = mu_arena_format(
        &fixture.arena,
        "{\"header\":{\"schemaRef\":{\"id\":\"" WEB_SCHEMA
        "\"},\"imsOrgId\":\"" LUMA_SERVER_ORGANIZATION "\",\"datasetId\":\"" WEB
        "\"},\"body\":{\"xdmMeta\":{"
        "\"schemaRef\":{\"id\":\"" WEB_SCHEMA "\"}},\"xdmEntity\":{\"_id\":\"%s\",\"timestamp\":"
        "\"2026-03-10T10:00:00Z\",\"eventType\":\"web.webpagedetails.pageViews\",\"identityMap\":{"
        "\"ECID\":[{\"id\":\"" VISITOR "\",\"primary\":true}]%s}}}}",
        id, known);
    assert_int_equal(api_send_headers(&fixture, "POST", SINGLE, TYPE, body).status, 200);
}

static void assert_member(const char *namespace_code, const char *value, const char *audience,
                          bool expected)
{
    api_answer answer = api_expect(
        &fixture, 200, "GET",
        mu_arena_format(&fixture.arena,
                        "/data/core/ups/access/entities?schema.name=_xdm.context.profile&"
                        "entityIdNS=%s&entityId=%s",
                        namespace_code, value)
            .ptr,
        NULL);
    if ((mu_str_find(answer.body, mu_str_from(audience)) != SIZE_MAX) != expected)
        fail_msg("%s " MU_STR_FMT, audience, MU_STR_ARG(answer.body));
}

static void merged_profiles_have_the_memberships_of_both(void **state)
{
    (void)state;
    mu_err err;
    api_answer answer = api_expect(
        &fixture, 201, "POST", "/data/core/ups/audiences",
        "{\"name\":\"Viewers\",\"expression\":{\"type\":\"PQL\",\"format\":\"pql/text\",\"value\":"
        "\"xEvent.count() > 0 and homeAddress.city.isNull()\"}}");
    const char *viewers = api_text(&fixture, &answer, "id");
    const char *city = make_audience("City", 2);
    api_answer policy = api_expect(
        &fixture, 200, "POST", "/data/core/ups/config/mergePolicies",
        "{\"name\":\"Graph\",\"default\":true,\"schema\":{\"name\":\"_xdm.context.profile\"},"
        "\"identityGraph\":{\"type\":\"pdg\"},\"attributeMerge\":{\"type\":\"timestampOrdered\"}}");
    assert_non_null(api_at(&policy, "id"));
    send_view("alone", "");
    answer = post_job(200, mu_arena_format(&fixture.arena, "[\"%s\",\"%s\"]", viewers, city).ptr);
    await_end();
    assert_member("ECID", VISITOR, viewers, true);
    assert_member("ECID", VISITOR, city, false);
    assert_member("lumaCrmId", "CRM-300002", viewers, false);
    assert_member("lumaCrmId", "CRM-300002", city, true);
    send_view("known", ",\"lumaCrmId\":[{\"id\":\"CRM-300002\",\"authenticatedState\":"
                       "\"authenticated\"}]");
    for (int round = 0; round < 3; round++) {
        assert_member("ECID", VISITOR, viewers, true);
        assert_member("ECID", VISITOR, city, true);
        assert_member("lumaCrmId", "CRM-300002", viewers, true);
        /* After a fold the log no longer tells of the merge. */
        if (round == 0 && mu_sandbox_fold(workspace_of_prod()->live, &err) != MU_OK)
            fail_msg("%s", err.text);
        if (round == 0)
            api_fixture_restart(&fixture);
    }
    /* The next job decides anew: he who has a city is no mere viewer, and leaves. */
    answer = post_job(200, mu_arena_format(&fixture.arena, "[\"%s\",\"%s\"]", viewers, city).ptr);
    await_end();
    assert_int_equal(members_of(viewers), 0);
    assert_member("lumaCrmId", "CRM-300002", "exited", true);
}

/* -------- damage -------- */

static mu_str damaged_file;

static void flip_a_byte(api_fixture *f)
{
    (void)f;
    uint8_t byte;
    int fd = open(damaged_file.ptr, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, 60), 1);
    byte ^= 4;
    assert_int_equal(pwrite(fd, &byte, 1, 60), 1);
    close(fd);
}

static void damage_stops_one_sandbox_and_is_named(void **state)
{
    (void)state;
    const char *audience = make_audience("Before", 0);
    post_job(200, one_segment(audience));
    await_end();
    mu_workspace *workspace = workspace_of_prod();
    mu_str folder = mu_member_folder(&fixture.arena, fixture.folder, workspace->place);
    const mu_str *names;
    uint32_t n = mu_folder_names(&fixture.arena, folder.ptr, &names);
    assert_true(n > 0);
    damaged_file = mu_path_joined(&fixture.arena, folder, names[n - 1]);
    api_fixture_restart_after(&fixture, flip_a_byte);
    api_answer answer = api_expect(&fixture, 500, "GET", JOBS, NULL);
    assert_true(mu_str_find(answer.body, MU_STR("children")) == SIZE_MAX);
    api_expect(&fixture, 200, "GET", "/data/foundation/catalog/dataSets", NULL);
    api_fixture_restart_after(&fixture, flip_a_byte);
    api_expect(&fixture, 200, "GET", JOBS, NULL);
    assert_int_equal(members_of(audience), 4);
}

/* -------- keeping, deleting -------- */

static void old_jobs_go(void **state)
{
    (void)state;
    api_fixture_advance(89 * MU_DAY_MS);
    api_answer kept = post_job(200, "[\"*\"]");
    await_end();
    api_fixture_advance(2 * MU_DAY_MS);
    post_job(200, "[\"*\"]");
    await_end();
    api_answer list = api_expect(&fixture, 200, "GET", JOBS, NULL);
    api_assert_text(&fixture, &list, "_page.totalCount", "2");
    get_job(api_text(&fixture, &kept, "id"));
}

static void a_deleted_audience_is_not_brought_back(void **state)
{
    (void)state;
    const char *audience = make_audience("Deleted", 1);
    api_answer answer = post_job(200, one_segment(audience));
    await_end();
    assert_int_equal(members_of(audience), 4);
    hold_jobs();
    answer = post_job(200, one_segment(audience));
    await_status(api_text(&fixture, &answer, "id"), "PROCESSING");
    let_jobs_go(); /* the deletion and the job's end come in either order */
    api_expect(&fixture, 204, "DELETE",
               mu_arena_format(&fixture.arena, "/data/core/ups/audiences/%s", audience).ptr, NULL);
    await_end();
    assert_string_equal(status_of(api_text(&fixture, &answer, "id")), "SUCCEEDED");
    assert_int_equal(members_of(audience), 0);
}

/* -------- settings -------- */

static void run_to_the_end(const char *body)
{
    post_job(200, body);
    await_end();
}

/* With a folder of its own, as the last test. */
static void limits_of_jobs_on_demand_are_kept_where_asked_for(void **state)
{
    (void)state;
    mu_api_options options = {.settings = mu_audience_settings_default()};
    options.settings.flexible_enforce = 1;
    options.settings.emit_existing = 1;
    api_fixture_stop(&fixture);
    api_fixture_start_with(&fixture, &options);
    api_answer answer = api_expect(
        &fixture, 201, "POST", "/data/core/ups/audiences",
        "{\"name\":\"One\",\"expression\":{\"value\":\"person.gender = \\\"female\\\"\"}}");
    const char *one = one_segment(api_text(&fixture, &answer, "id"));
    assert_refused("[\"*\"]", "UPAPI-119920-400", "at most 20");
    run_to_the_end(one);
    run_to_the_end(one);
    assert_refused(one, "UPAPI-119920-400", "a day");
    answer = api_expect(&fixture, 200, "GET", JOBS, NULL);
    api_assert_text(&fixture, &answer, "_page.totalCount", "2");
    for (int day = 1; day < 25; day++) {
        api_fixture_advance(MU_DAY_MS);
        run_to_the_end(one);
        run_to_the_end(one);
    }
    api_fixture_advance(MU_DAY_MS);
    assert_refused(one, "UPAPI-119920-400", "a year");
    api_fixture_advance(366 * MU_DAY_MS);
    run_to_the_end(one);
    answer = api_expect(
        &fixture, 201, "POST", "/data/core/ups/audiences",
        "{\"name\":\"Edge\",\"evaluationInfo\":{\"synchronous\":{\"enabled\":true}},\"expression\":"
        "{\"value\":\"person.gender = \\\"female\\\"\"}}");
    assert_refused(one_segment(api_text(&fixture, &answer, "id")), "UPAPI-119920-400", "batches");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_goes_through_its_states),
        cmocka_unit_test(every_state_can_be_cancelled),
        cmocka_unit_test(cancelled_jobs_change_no_membership),
        cmocka_unit_test(bad_requests_are_refused),
        cmocka_unit_test(all_forms_of_the_body_are_taken),
        cmocka_unit_test(many_jobs_are_looked_up_at_once),
        cmocka_unit_test(too_many_that_wait_are_refused_without_a_trace),
        cmocka_unit_test(over_1500_ids_are_shown_as_all),
        cmocka_unit_test(jobs_are_taken_up_after_a_restart),
        cmocka_unit_test(a_running_job_survives_the_end_of_the_server),
        cmocka_unit_test(a_deleted_audience_is_not_brought_back),
        cmocka_unit_test(damage_stops_one_sandbox_and_is_named),
        cmocka_unit_test(merged_profiles_have_the_memberships_of_both),
        cmocka_unit_test(old_jobs_go),
        cmocka_unit_test(limits_of_jobs_on_demand_are_kept_where_asked_for),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
