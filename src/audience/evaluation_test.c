/* evaluation_test.c -- audiences of two merge policies that refer to one another, over people whose
 * membership is plain arithmetic; with much memory and with little.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/api_int.h"
#include "audience/evaluation_int.h"
#include "base/time.h"
#include "tests/support/luma_server.h"

#include <stdio.h>

#define SINGLE "/collection/" LUMA_SERVER_INLET
#define TYPE   "Content-Type: application/json\r\n"
#define CRM    "9261ceef0b969e70ac20f151"
#define WEB    "4b5e57f6eb2f42b9039b3d1e"
#define PERSON_SCHEMA                                                                              \
    "https://ns.adobe.com/luma/schemas/9261ceef0b969e70ac20f1510f07a1e0d8db05f20c75161a"
#define WEB_SCHEMA                                                                                 \
    "https://ns.adobe.com/luma/schemas/4b5e57f6eb2f42b9039b3d1e13929295f231749c510cbe34"
#define N_PEOPLE 90

static api_fixture fixture;
static char no_graph[40]; /* id of a merge policy */

/* Person i: city i mod 7, opted out when i mod 11 is 0; when i mod 3 is 0, known as a visitor who
 * viewed a page before. */
static int city_of(int i)
{
    return i % 7;
}

static bool is_opted_out(int i)
{
    return i % 11 == 0;
}

static bool has_view(int i)
{
    return i % 3 == 0;
}

static void send_entity(const char *schema, const char *dataset, const char *entity)
{
    mu_str body = mu_arena_format(
        &fixture.arena,
        "{\"header\":{\"schemaRef\":{\"id\":\"%s\"},\"imsOrgId\":\"" LUMA_SERVER_ORGANIZATION
        "\",\"datasetId\":\"%s\"},\"body\":{\"xdmMeta\":{\"schemaRef\":{\"id\":\"%s\"}},"
        "\"xdmEntity\":%s}}",
        schema, dataset, schema, entity);
    assert_int_equal(api_send_headers(&fixture, "POST", SINGLE, TYPE, body).status, 200);
}

/* An event of the visitor's own, or of one who is known as person i. */
static void send_event(int i, const char *id, const char *type, bool is_known)
{
    char entity[1024], known[200] = "";
    if (is_known)
        snprintf(known, sizeof known,
                 ",\"lumaCrmId\":[{\"id\":\"CRM-2%05d\",\"authenticatedState\":"
                 "\"authenticated\"}]",
                 i);
    snprintf(entity, sizeof entity,
             "{\"_id\":\"%s-%d\",\"timestamp\":\"2026-03-10T10:00:00Z\",\"eventType\":\"%s\","
             "\"identityMap\":{\"ECID\":[{\"id\":\"%038d\",\"primary\":true}]%s}}",
             id, i, type, 5000 + i, known);
    send_entity(WEB_SCHEMA, WEB, entity);
}

static void send_person(int i)
{
    char entity[1024];
    snprintf(entity, sizeof entity,
             "{\"_luma\":{\"identification\":{\"crmId\":\"CRM-2%05d\"}},\"homeAddress\":{\"city\":"
             "\"C%d\"}%s,\"segmentMembership\":{\"AAM\":{\"theirs\":{\"lastQualificationTime\":"
             "\"2026-03-01T00:00:00Z\",\"status\":\"%s\",\"validUntil\":\"2026-0%d-01T00:00:00Z\"}}"
             "}}",
             i, city_of(i),
             is_opted_out(i) ? ",\"optOutConsentLevel\":{\"privacyOptOuts\":[{\"optOutType\":"
                               "\"general_opt_out\",\"optOutValue\":\"out\"}]}"
                             : "",
             i % 2 == 0 ? "realized" : "exited", i % 4 == 0 ? 5 : 2);
    send_entity(PERSON_SCHEMA, CRM, entity);
    if (!has_view(i))
        return;
    send_event(i, "view", "web.webpagedetails.pageViews", false);
    send_event(i, "click", "web.webinteraction.linkClicks", true);
}

static int start(void **state)
{
    (void)state;
    api_fixture_start(&fixture);
    luma_server_fill(&fixture);
    for (int i = 0; i < N_PEOPLE; i++)
        send_person(i);
    api_answer policy =
        api_expect(&fixture, 200, "POST", "/data/core/ups/config/mergePolicies",
                   "{\"name\":\"No graph\",\"schema\":{\"name\":\"_xdm.context.profile\"},"
                   "\"identityGraph\":{\"type\":\"none\"},\"attributeMerge\":{\"type\":"
                   "\"timestampOrdered\"}}");
    snprintf(no_graph, sizeof no_graph, "%s", api_text(&fixture, &policy, "id"));
    policy = api_expect(&fixture, 200, "POST", "/data/core/ups/config/mergePolicies",
                        "{\"name\":\"Graph\",\"default\":true,\"schema\":{\"name\":"
                        "\"_xdm.context.profile\"},\"identityGraph\":{\"type\":\"pdg\"},"
                        "\"attributeMerge\":{\"type\":\"timestampOrdered\"}}");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    api_fixture_stop(&fixture);
    return 0;
}

/* Returns the id. */
static mu_str make_audience(const char *name, const char *rule, const char *more)
{
    mu_buf buf;
    mu_json_writer writer;
    mu_buf_init(&buf, SIZE_MAX);
    mu_json_writer_init(&writer, &buf);
    mu_json_string(&writer, mu_str_from(rule));
    mu_str body = mu_arena_format(&fixture.arena,
                                  "{\"name\":\"%s\",\"expression\":{\"type\":\"PQL\",\"format\":"
                                  "\"pql/text\",\"value\":" MU_STR_FMT "}%s}",
                                  name, MU_STR_ARG(mu_buf_str(&buf)), more);
    mu_buf_free(&buf);
    api_answer answer = api_expect(&fixture, 201, "POST", "/data/core/ups/audiences", body.ptr);
    return mu_str_from(api_text(&fixture, &answer, "id"));
}

static mu_workspace *workspace_of_prod(void)
{
    mu_workspace *workspace = mu_workspaces_next(fixture.api->workspaces, NULL);
    while (workspace != NULL && mu_str_find(workspace->place, MU_STR("prod")) == SIZE_MAX)
        workspace = mu_workspaces_next(fixture.api->workspaces, workspace);
    assert_non_null(workspace);
    return workspace;
}

static uint32_t pid_of(const mu_workspace *workspace, int i)
{
    mu_graph_cluster cluster;
    const mu_identity identity = {MU_STR("lumaCrmId"),
                                  mu_arena_format(&fixture.arena, "CRM-2%05d", i)};
    assert_true(mu_sandbox_cluster(workspace->live, identity, &fixture.arena, &cluster));
    return cluster.pid;
}

typedef bool is_expected(int i);

static bool in_a0(int i)
{
    return city_of(i) < 3 && !is_opted_out(i);
}

static bool in_a1(int i)
{
    /* Without a graph the visitor who viewed a page is a profile of its own, who never opted out.
     */
    return has_view(i) || (city_of(i) == 3 && !is_opted_out(i));
}

static bool in_a2(int i)
{
    return in_a1(i) && !in_a0(i) && !is_opted_out(i);
}

static bool in_a3(int i)
{
    return city_of(i) != 3 && !is_opted_out(i);
}

static bool in_a4(int i)
{
    return city_of(i) == 5;
}

static const mu_evaluated *check(const mu_workspace *workspace, const mu_evaluation *evaluation,
                                 const mu_evaluation_request *request, mu_str id,
                                 is_expected *expected)
{
    for (uint32_t s = 0; s < request->n_subjects; s++) {
        const mu_evaluated *found = &evaluation->subjects[s];
        if (!mu_str_equal(request->subjects[s].id, id))
            continue;
        assert_int_equal(found->error.len, 0);
        uint64_t n = 0;
        for (int i = 0; i < N_PEOPLE; i++) {
            n += expected(i);
            if (roaring_bitmap_contains(found->members, pid_of(workspace, i)) != expected(i))
                fail_msg("person %d in " MU_STR_FMT " should be %d", i,
                         MU_STR_ARG(mu_audience_find(request->book, id)->name), expected(i));
        }
        assert_int_equal(roaring_bitmap_get_cardinality(found->members), n);
        return found;
    }
    fail_msg("not evaluated: " MU_STR_FMT, MU_STR_ARG(id));
    return NULL;
}

static uint64_t count(is_expected *expected, bool (*also)(int))
{
    uint64_t n = 0;
    for (int i = 0; i < N_PEOPLE; i++)
        n += expected(i) && (also == NULL || also(i));
    return n;
}

static uint64_t namespace_count(const mu_evaluation *evaluation, const mu_evaluated *evaluated,
                                const char *code)
{
    for (uint32_t i = 0; i < evaluation->n_namespaces; i++)
        if (mu_str_equal(evaluation->namespaces[i], mu_str_from(code)))
            return evaluated->n_by_namespace[i];
    return 0;
}

static void audiences_of_two_policies_see_one_another(void **state)
{
    (void)state;
    mu_err err;
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    const char *other = mu_arena_format(&arena, ",\"mergePolicyId\":\"%s\"", no_graph).ptr;
    mu_str a0 = make_audience("A0", "homeAddress.city in [\"C0\", \"C1\", \"C2\"]", "");
    mu_str a1 = make_audience("A1",
                              "homeAddress.city = \"C3\" or xEvent.exists(eventType = "
                              "\"web.webpagedetails.pageViews\")",
                              other);
    mu_str a2 = make_audience("A2", "inSegment(\"A1\") and not inSegment(\"A0\")", "");
    mu_str a3 = make_audience("A3", "not inSegment(\"A1\")", other);
    mu_str a4 = make_audience("A4", "homeAddress.city = \"C5\"",
                              ",\"dataGovernancePolicy\":{\"excludeOptOut\":false}");
    mu_workspace *workspace = workspace_of_prod();
    const mu_audience_book *book;
    mu_subject *subjects;
    assert_int_equal(mu_audience_book_acquire(workspace->books, &book, &err), MU_OK);
    mu_evaluation_request request = {.book = book,
                                     .now_ms = LUMA_SERVER_NOW_MS,
                                     .as_of_ms = INT64_MAX,
                                     .counts_namespaces = true};
    const mu_str asked[] = {a3, a2, a4, a2};
    if (mu_subjects_of(&arena, book, 4, asked, &request.n_subjects, &subjects, &err) != MU_OK)
        fail_msg("%s", err.text);
    assert_int_equal(request.n_subjects, 5);
    request.subjects = subjects;
    const size_t memories[] = {(size_t)1 << 30, 1};
    for (int round = 0; round < 2; round++) {
        mu_evaluation *evaluation;
        if (mu_evaluate_within(workspace, &request, memories[round], &evaluation, &err) != MU_OK)
            fail_msg("%s", err.text);
        const mu_evaluated *first = check(workspace, evaluation, &request, a0, in_a0);
        assert_int_equal(first->n_members, count(in_a0, NULL));
        assert_int_equal(namespace_count(evaluation, first, "lumacrmid"), count(in_a0, NULL));
        assert_int_equal(namespace_count(evaluation, first, "ecid"), count(in_a0, has_view));
        const mu_evaluated *second = check(workspace, evaluation, &request, a1, in_a1);
        uint64_t by_city = 0, by_view = 0;
        for (int i = 0; i < N_PEOPLE; i++) {
            by_city += city_of(i) == 3 && !is_opted_out(i);
            by_view += has_view(i);
        }
        assert_int_equal(second->n_members, by_city + by_view); /* profiles, not clusters */
        assert_int_equal(namespace_count(evaluation, second, "lumacrmid"), by_city);
        assert_int_equal(namespace_count(evaluation, second, "ecid"), by_view);
        check(workspace, evaluation, &request, a2, in_a2);
        assert_int_equal(check(workspace, evaluation, &request, a3, in_a3)->n_members,
                         count(in_a3, NULL));
        check(workspace, evaluation, &request, a4, in_a4);
        assert_int_equal(evaluation->n_policies, 2);
        assert_int_equal(roaring_bitmap_get_cardinality(evaluation->alive), N_PEOPLE);
        mu_evaluation_free(evaluation);
    }
    mu_audience_book_release(book);
    mu_arena_free(&arena);
}

static bool in_theirs(int i)
{
    return i % 4 == 0 && !is_opted_out(i);
}

static void bad_rules_fail_alone_and_stored_members_count(void **state)
{
    (void)state;
    mu_err err;
    mu_arena arena;
    const mu_audience_book *book;
    mu_arena_init(&arena, SIZE_MAX);
    api_answer external =
        api_expect(&fixture, 201, "POST", "/data/core/ups/audiences",
                   "{\"name\":\"Theirs\",\"type\":\"ExternalSegment\",\"audienceId\":\"theirs\","
                   "\"namespace\":\"AAM\"}");
    mu_str external_id = mu_str_from(api_text(&fixture, &external, "id"));
    mu_workspace *workspace = workspace_of_prod();
    mu_pid_set *stored = roaring_bitmap_create();
    roaring_bitmap_add(stored, pid_of(workspace, 1));
    const mu_membership_change change = {MU_MEMBERSHIP_SET, external_id, stored,
                                         LUMA_SERVER_NOW_MS + 1000};
    const mu_membership_commit commit = {
        .now_ms = LUMA_SERVER_NOW_MS, .n_changes = 1, .changes = &change};
    assert_int_equal(mu_memberships_commit(workspace->memberships, &commit, NULL, &err), MU_OK);
    assert_int_equal(mu_audience_book_acquire(workspace->books, &book, &err), MU_OK);
    const mu_subject subjects[] = {
        {.id = MU_STR("x"), .expression = MU_STR("noSuchField = 1"), .excludes_opt_out = true},
        {.id = MU_STR("y"),
         .expression = MU_STR("inSegment(\"Theirs\")"),
         .excludes_opt_out = true},
        {.id = MU_STR("z"), .expression = MU_STR("true"), .merge_policy_id = MU_STR("gone")},
    };
    mu_evaluation_request request = {.n_subjects = 3,
                                     .subjects = subjects,
                                     .book = book,
                                     .now_ms = LUMA_SERVER_NOW_MS,
                                     .as_of_ms = INT64_MAX};
    for (int round = 0; round < 2; round++) {
        mu_evaluation *evaluation;
        if (mu_evaluate(workspace, &request, &evaluation, &err) != MU_OK)
            fail_msg("%s", err.text);
        assert_true(evaluation->subjects[0].error.len > 0);
        assert_true(evaluation->subjects[2].error.len > 0);
        const mu_evaluated *found = &evaluation->subjects[1];
        assert_int_equal(found->error.len, 0);
        for (int i = 0; i < N_PEOPLE; i++) {
            bool expected = in_theirs(i) || (i == 1 && round == 0);
            if (roaring_bitmap_contains(found->members, pid_of(workspace, i)) != expected)
                fail_msg("person %d, round %d", i, round);
        }
        mu_evaluation_free(evaluation);
        request.now_ms += 2000; /* what was stored expires */
    }
    mu_prepared *prepared;
    assert_int_equal(mu_evaluation_prepare(workspace, &request, 0, NULL, &prepared, &err),
                     MU_E_INPUT);
    assert_int_equal(mu_evaluation_prepare(workspace, &request, 1, NULL, &prepared, &err), MU_OK);
    uint64_t n_members = 0;
    mu_job_counters counters = {0};
    assert_int_equal(prepared->n_audiences, 1);
    assert_int_equal(mu_job_run(prepared->job, NULL, NULL, &n_members, &counters, &err), MU_OK);
    assert_int_equal(n_members, count(in_theirs, NULL));
    mu_prepared_free(prepared);
    mu_audience_book_release(book);
    roaring_bitmap_free(stored);
    mu_arena_free(&arena);
}

static void what_cannot_be_evaluated_is_named(void **state)
{
    (void)state;
    mu_err err;
    mu_arena arena;
    uint32_t n;
    mu_subject *subjects;
    const mu_audience_book *book;
    mu_arena_init(&arena, SIZE_MAX);
    mu_str id = make_audience("Sleeping", "true", ",\"lifecycleState\":\"inactive\"");
    mu_workspace *workspace = workspace_of_prod();
    assert_int_equal(mu_audience_book_acquire(workspace->books, &book, &err), MU_OK);
    const mu_str asked[] = {MU_STR("none"), id};
    assert_int_equal(mu_subjects_of(&arena, book, 2, asked, &n, &subjects, &err), MU_E_INPUT);
    assert_true(mu_str_find(mu_str_from(err.text), MU_STR("none: there is no")) != SIZE_MAX);
    assert_true(mu_str_find(mu_str_from(err.text), id) != SIZE_MAX);
    mu_audience_book_release(book);
    mu_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(audiences_of_two_policies_see_one_another),
        cmocka_unit_test(bad_rules_fail_alone_and_stored_members_count),
        cmocka_unit_test(what_cannot_be_evaluated_is_named),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
