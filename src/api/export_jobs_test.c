/* export_jobs_test.c -- export jobs over a socket (api.md 13; wire checks 6, 14 and 17). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/api_int.h"
#include "audience/audience.h"
#include "base/file.h"
#include "tests/support/api_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define JOBS     "/data/core/ups/export/jobs"
#define POLICIES "/data/core/ups/config/mergePolicies"
#define BATCHES  "/data/foundation/catalog/batches"
#define FILES    "/data/foundation/export/batches"
#define NOW      API_FIXTURE_NOW_MS
#define D1       "9261ceef0b969e70ac20f151"
#define D2       "6ef9086b892fba957bbdeab1"
#define D3       "4b5e57f6eb2f42b9039b3d1e"
#define TO       "\"destination\":{\"datasetId\":\"out\"},"
#define SCHEMA   "\"schema\":{\"name\":\"_xdm.context.profile\"}"
#define BUYERS   "11111111-0000-4000-8000-000000000001"
#define VISITORS "11111111-0000-4000-8000-000000000002"
#define LAPSED   "11111111-0000-4000-8000-000000000003"
#define OUTSIDE  "11111111-0000-4000-8000-000000000004"

static api_fixture fixture;
static const char *library; /* libduckdb, when this machine has one */

#define assert_done(call, err)                                                                     \
    do {                                                                                           \
        if ((call) != MU_OK)                                                                       \
            fail_msg("%s", (err).text);                                                            \
    } while (0)

/* -------- data: four people, one of whom opted out, and one of whom there are events alone
 * -------- */

static void append(mu_record record)
{
    mu_sandbox *sandbox = mu_live_find_sandbox(fixture.live, MU_STR("prod"));
    uint64_t sequence;
    mu_err err;
    assert_non_null(sandbox);
    record.sandbox = MU_STR("prod");
    record.batch = MU_STR("1584479347507:2153:240");
    assert_done(mu_sandbox_append(sandbox, 1, &record, &sequence, &err), err);
    assert_done(mu_live_wait(fixture.live, sequence, &err), err);
}

static void create(const mu_identity *identities, uint32_t n, const char *dataset, int64_t at_ms,
                   const char *document)
{
    append((mu_record){.kind = MU_RECORD_CREATE,
                       .dataset = mu_str_from(dataset),
                       .received_ms = at_ms,
                       .n_identities = n,
                       .n_linked = n > 1 ? n : 0,
                       .identities = identities,
                       .document = mu_str_from(document)});
}

static void add_event(const mu_identity *identity, const char *id, int64_t at_ms, const char *more)
{
    char document[256];
    snprintf(document, sizeof document, "{\"_id\":\"%s\"%s}", id, more);
    append((mu_record){.kind = MU_RECORD_EVENT,
                       .dataset = MU_STR(D3),
                       .received_ms = at_ms,
                       .time_ms = at_ms - 1000,
                       .n_identities = 1,
                       .identities = identity,
                       .document = mu_str_from(document)});
}

static const mu_identity ann[] = {{{"lumaCrmId", 9}, {"CRM-1", 5}}, {{"ECID", 4}, {"1001", 4}}};
static const mu_identity ben[] = {{{"lumaCrmId", 9}, {"CRM-2", 5}}};
static const mu_identity eve[] = {{{"lumaCrmId", 9}, {"CRM-3", 5}}};
static const mu_identity out[] = {{{"lumaCrmId", 9}, {"CRM-4", 5}}};
static const mu_identity ghost[] = {{{"ECID", 4}, {"1005", 4}}};

static void fill(void)
{
    append((mu_record){
        .kind = MU_RECORD_SETTINGS,
        .received_ms = NOW,
        .document = MU_STR("{\"namespaces\":[{\"code\":\"lumaCrmId\",\"id\":10000001,\"idType\":"
                           "\"CROSS_DEVICE\",\"priority\":1,\"unique\":true},{\"code\":\"ECID\","
                           "\"id\":4,\"idType\":\"COOKIE\",\"priority\":2,\"unique\":false}]}")});
    create(ann, 2, D1, NOW - 5000,
           "{\"person\":{\"name\":{\"firstName\":\"Ann\",\"lastName\":\"A, \\\"B\\\"\"}},"
           "\"homeAddress\":{\"city\":\"Basel\",\"countryCode\":\"CH\"}}");
    create(ann, 1, D2, NOW - 1000, "{\"homeAddress\":{\"city\":\"Bern\"}}");
    create(ben, 1, D1, NOW - 4000, "{\"person\":{\"name\":{\"firstName\":\"Ben\"}}}");
    create(eve, 1, D2, NOW - 3000, "{\"homeAddress\":{\"city\":\"\",\"countryCode\":\"DE\"}}");
    create(out, 1, D1, NOW - 2000,
           "{\"person\":{\"name\":{\"firstName\":\"Out\"}},\"optOutConsentLevel\":{"
           "\"privacyOptOuts\":[{\"optOutType\":\"general_opt_out\",\"optOutValue\":\"out\"}]}}");
    add_event(ann, "e1", NOW - 900, ",\"eventType\":\"a\"");
    add_event(ann, "e2", NOW - 500, ",\"eventType\":\"b\"");
    add_event(ghost, "e3", NOW - 400, ",\"eventType\":\"c\"");
}

/* -------- audiences and who is in them -------- */

static mu_workspace *workspace(void)
{
    mu_workspace *found;
    mu_err err;
    mu_sandbox *live = mu_live_find_sandbox(fixture.live, MU_STR("prod"));
    assert_done(mu_workspaces_get(fixture.api->workspaces, MU_STR("prod"), live, &found, &err),
                err);
    return found;
}

static void add_audience(const char *id, const char *more)
{
    mu_err err;
    const mu_document_edit edit = {
        .action = MU_DOCUMENT_PUT,
        .kind = MU_AUDIENCE_KIND,
        .id = mu_str_from(id),
        .json = mu_arena_format(
            &fixture.arena,
            "{\"id\":\"%s\",\"name\":\"%s\",\"schema\":{\"name\":\"_xdm.context.profile\"},"
            "\"expression\":{\"type\":\"PQL\",\"format\":\"pql/text\",\"value\":"
            "\"person.name.firstName = \\\"Ann\\\"\"},\"lifecycleState\":\"published\"%s}",
            id, id, more)};
    assert_done(mu_shelves_edit(workspace()->shelves, NOW, 1, &edit, &err), err);
}

static uint32_t pid_of(const mu_identity *identity)
{
    mu_lookup lookup;
    mu_err err;
    mu_sandbox *live = mu_live_find_sandbox(fixture.live, MU_STR("prod"));
    assert_done(mu_sandbox_lookup(live, identity[0], &fixture.arena, &lookup, &err), err);
    mu_snapshot_release(lookup.snapshot);
    return lookup.content.pid;
}

/* All members of the audience from now on; NULL ends the list. */
static void set_members(const char *audience, int64_t at_ms, const mu_identity *const *people)
{
    mu_err err;
    mu_pid_set *members = roaring_bitmap_create();
    for (; *people != NULL; people++)
        roaring_bitmap_add(members, pid_of(*people));
    const mu_membership_change change = {
        .action = MU_MEMBERSHIP_SET, .audience_id = mu_str_from(audience), .members = members};
    const mu_membership_commit commit = {.now_ms = at_ms, .n_changes = 1, .changes = &change};
    assert_done(mu_memberships_commit(workspace()->memberships, &commit, NULL, &err), err);
    roaring_bitmap_free(members);
}

static void fill_audiences(void)
{
    add_audience(BUYERS, "");
    add_audience(VISITORS, "");
    add_audience(LAPSED, "");
    add_audience(OUTSIDE,
                 ",\"type\":\"ExternalSegment\",\"namespace\":\"CRM list\",\"audienceId\":\"vip\"");
    set_members(BUYERS, NOW - 2000, (const mu_identity *const[]){ann, out, NULL});
    set_members(VISITORS, NOW - 1500, (const mu_identity *const[]){ann, ben, eve, NULL});
    set_members(LAPSED, NOW - 3000, (const mu_identity *const[]){ben, eve, NULL});
    set_members(LAPSED, NOW - 1000, (const mu_identity *const[]){eve, NULL});
    set_members(OUTSIDE, NOW - 1000, (const mu_identity *const[]){ben, NULL});
}

static void start_with(bool checks_datasets)
{
    library = getenv("MUSTER_DUCKDB_LIBRARY");
    mu_api_options options = {.organization = MU_STR(API_FIXTURE_ORGANIZATION),
                              .tenant = MU_STR("luma"),
                              .settings = mu_audience_settings_default(),
                              .n_threads = 2,
                              .duckdb_library =
                                  mu_str_from(library == NULL ? "/nowhere" : library)};
    options.settings.dataset_check = checks_datasets;
    api_fixture_start_with(&fixture, &options);
    fill();
    fill_audiences();
}

static int start(void **state)
{
    (void)state;
    start_with(false);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    api_fixture_stop(&fixture);
    return 0;
}

/* -------- asking -------- */

static const char *text(const api_answer *answer, const char *path)
{
    return api_text(&fixture, answer, path);
}

static const char *format(const char *one, const char *two)
{
    return mu_arena_format(&fixture.arena, "%s%s", one, two).ptr;
}

static api_answer post(const char *body)
{
    return api_expect(&fixture, 200, "POST", JOBS, body);
}

static api_answer job(const char *id)
{
    return api_expect(&fixture, 200, "GET", format(JOBS "/", id), NULL);
}

/* The job after it ended. */
static api_answer ended(const char *body)
{
    api_answer made = post(body);
    const char *id = text(&made, "id");
    mu_exports_wait_idle(fixture.api->exports);
    return job(id);
}

static api_answer succeeded(const char *body)
{
    api_answer answer = ended(body);
    if (strcmp(text(&answer, "status"), "SUCCEEDED") != 0)
        fail_msg(MU_STR_FMT, MU_STR_ARG(answer.body));
    return answer;
}

/* The one file of a batch, by the links that data access gives. */
static const char *download(const char *batch)
{
    api_answer list =
        api_expect(&fixture, 200, "GET", format(format(FILES "/", batch), "/files"), NULL);
    api_assert_text(&fixture, &list, "_page.count", "1");
    const char *link = strstr(text(&list, "data.0._links.self.href"), "/data/");
    api_answer file = api_expect(&fixture, 200, "GET", link, NULL);
    api_answer bytes = api_expect(&fixture, 200, "GET",
                                  strstr(text(&file, "data.0._links.self.href"), "/data/"), NULL);
    assert_string_equal(text(&file, "data.0.length"),
                        mu_arena_format(&fixture.arena, "%zu", bytes.body.len).ptr);
    return mu_arena_copy(&fixture.arena, bytes.body).ptr;
}

static const char *exported(const char *body)
{
    api_answer answer = succeeded(body);
    return download(text(&answer, "destination.batchId"));
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Rows come in the order of hashes of pids; here in the order of their text. */
static const char *sorted(const char *lines)
{
    char *copy = (char *)mu_arena_copy(&fixture.arena, mu_str_from(lines)).ptr, *list[16];
    size_t n = 0;
    for (char *line = strtok(copy, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        assert_true(n < 16);
        list[n++] = line;
    }
    if (n > 1)
        qsort(list, n, sizeof *list, compare_lines);
    const char *all = "";
    for (size_t i = 0; i < n; i++)
        all = mu_arena_format(&fixture.arena, "%s%s\n", all, list[i]).ptr;
    return all;
}

#define assert_rows(body, expected) assert_string_equal(sorted(exported(body)), expected)

static const char *dataset_of(const char *format_name)
{
    api_answer made = api_expect(
        &fixture, 201, "POST", "/data/foundation/catalog/dataSets",
        mu_arena_format(&fixture.arena,
                        "{\"name\":\"Out\",\"schemaRef\":{\"id\":"
                        "\"https://ns.adobe.com/xdm/context/profile\"},\"fileDescription\":{"
                        "\"persisted\":true,\"format\":\"%s\"}}",
                        format_name)
            .ptr);
    return strrchr(text(&made, "0"), '/') + 1;
}

/* -------- who -------- */

#define NAMES "\"fields\":\"person.name.firstName, identityMap.lumaCrmId\"," TO SCHEMA
#define ANN                                                                                        \
    "{\"person\":{\"name\":{\"firstName\":\"Ann\"}},\"identityMap\":{\"lumaCrmId\":[{\"id\":"      \
    "\"CRM-1\"}]}}\n"
#define BEN                                                                                        \
    "{\"person\":{\"name\":{\"firstName\":\"Ben\"}},\"identityMap\":{\"lumaCrmId\":[{\"id\":"      \
    "\"CRM-2\"}]}}\n"
#define EVE "{\"identityMap\":{\"lumaCrmId\":[{\"id\":\"CRM-3\"}]}}\n"

static void all_profiles_go_out_but_those_who_opted_out(void **state)
{
    (void)state;
    assert_rows("{" NAMES "}", EVE ANN BEN);
    assert_rows("{" NAMES ",\"filter\":{\"segments\":[],\"emptyProfiles\":true}}",
                EVE ANN BEN "{}\n");
    api_answer done = succeeded("{" NAMES "}");
    api_assert_text(&fixture, &done, "metrics.totalExportedProfileCounter", "3");
    api_assert_text(&fixture, &done, "metrics.exportedProfileByNamespaceCounter",
                    "{\"lumacrmid\":3,\"ecid\":1}");
}

#define OF(segments) "{" NAMES ",\"filter\":{\"segments\":[" segments "]"
#define SEGMENT(id)  "{\"segmentId\":\"" id "\"}"

static void members_go_out_by_segment_and_status(void **state)
{
    (void)state;
    assert_rows(OF(SEGMENT(BUYERS)) "}}", ANN);
    assert_rows(OF(SEGMENT(BUYERS) "," SEGMENT(LAPSED)) "}}", EVE ANN);
    assert_rows(OF("{\"segmentId\":\"" LAPSED "\",\"status\":[\"exited\"]}") "}}", BEN);
    assert_rows(OF("{\"segmentId\":\"" LAPSED "\",\"status\":[\"exited\",\"existing\"]}") "}}",
                EVE BEN);
    assert_rows(OF("{\"segmentId\":\"" LAPSED "\",\"status\":\"existing\"}") "}}", EVE);
    assert_rows(OF("{\"segmentId\":\"vip\",\"segmentNs\":\"CRM list\"}") "}}", BEN);
    assert_rows(OF("{\"segmentId\":\"" OUTSIDE "\",\"segmentNs\":\"CRM list\"}") "}}", BEN);
    assert_rows(OF("{\"segmentId\":\"" BUYERS "\",\"segmentNs\":\"AEPSegments\"}") "}}", ANN);
}

/* BUYERS entered at NOW - 2 s, VISITORS at NOW - 1.5 s; Ben left LAPSED at NOW - 1 s. */
static void qualification_times_are_inclusive(void **state)
{
    (void)state;
#define TIMES(start, end)                                                                          \
    ",\"segmentQualificationTime\":{\"startTime\":\"2025-12-31T23:59:" start                       \
    "Z\",\"endTime\":\"2025-12-31T23:59:" end "Z\"}}}"
    assert_rows(OF(SEGMENT(VISITORS)) TIMES("58.500", "58.500"), EVE ANN BEN);
    assert_rows(OF(SEGMENT(VISITORS)) TIMES("58.501", "59"), "");
    assert_rows(OF(SEGMENT(VISITORS)) TIMES("58", "58.499"), "");
    assert_rows(OF("{\"segmentId\":\"" LAPSED "\",\"status\":[\"exited\"]}") TIMES("59", "59"),
                BEN);
    assert_rows(OF(SEGMENT(BUYERS) "," SEGMENT(VISITORS)) TIMES("57", "58"), ANN);
}

static void ingest_times_are_strictly_later(void **state)
{
    (void)state;
    assert_rows("{" NAMES ",\"filter\":{\"fromIngestTimestamp\":\"2025-12-31T23:59:55.999Z\"}}",
                EVE ANN BEN);
    assert_rows("{" NAMES ",\"filter\":{\"fromIngestTimestamp\":\"2025-12-31T23:59:56Z\"}}",
                EVE ANN);
    assert_rows("{" NAMES ",\"filter\":{\"fromIngestTimestamp\":\"2025-12-31T23:59:59Z\"}}", "");
}

/* -------- what -------- */

static void fields_choose_what_goes_out(void **state)
{
    (void)state;
    const char *whole = exported("{\"filter\":{\"segments\":[" SEGMENT(BUYERS) "]}," TO SCHEMA "}");
    assert_non_null(strstr(whole, "\"lastName\":\"A, \\\"B\\\"\""));
    assert_non_null(strstr(whole, "\"city\":\"Bern\",\"countryCode\":\"CH\""));
    assert_non_null(strstr(
        whole,
        "\"identityMap\":{\"ECID\":[{\"id\":\"1001\"}],\"lumaCrmId\":[{\"id\":\"CRM-1\"}]}"));
    assert_null(strstr(whole, "$fragments"));
    assert_null(strstr(whole, "timeSeriesEvents"));
    assert_rows(
        "{\"fields\":\" homeAddress.city ,nothing.at.all,,\",\"filter\":{\"segments\":[" SEGMENT(
            BUYERS) "]}," TO SCHEMA "}",
        "{\"homeAddress\":{\"city\":\"Bern\"}}\n");
    assert_rows(
        "{\"fields\":\"identities.id,identities.primary\",\"filter\":{\"segments\":[" SEGMENT(
            BUYERS) "]}," TO SCHEMA "}",
        "{\"identities\":[{\"id\":\"1001\"},{\"id\":\"CRM-1\",\"primary\":true}]}\n");
    assert_rows(
        "{\"fields\":\"nothing\",\"filter\":{\"segments\":[" SEGMENT(BUYERS) "]}," TO SCHEMA "}",
        "{\"identityMap\":{\"ECID\":[{\"id\":\"1001\"}],\"lumaCrmId\":[{\"id\":\"CRM-1\"}]}}"
        "\n");
}

static void rows_show_memberships(void **state)
{
    (void)state;
    const char *row =
        exported("{\"fields\":\"segmentMembership\",\"filter\":{\"segments\":[{"
                 "\"segmentId\":\"" LAPSED "\",\"status\":[\"exited\"]}]}," TO SCHEMA "}");
    assert_non_null(strstr(row, "\"ups\":{\"" VISITORS "\":{"));
    assert_non_null(strstr(row, "\"" LAPSED "\":{"));
    assert_non_null(strstr(row, "\"CRM list\":{\"vip\":{"));
    assert_non_null(strstr(row, "\"status\":\"exited\""));
    assert_non_null(strstr(row, "\"lastQualificationTime\":\"2025-12-31T23:59:58.500Z\""));
    assert_null(strstr(row, BUYERS));
}

/* A device turns out to be Ben's: one profile from now on, in the audiences of both. */
static void members_stay_members_when_they_are_merged(void **state)
{
    (void)state;
    static const mu_identity device[] = {{{"ECID", 4}, {"1006", 4}}};
    static const mu_identity both[] = {{{"lumaCrmId", 9}, {"CRM-2", 5}},
                                       {{"ECID", 4}, {"1006", 4}}};
    create(device, 1, D1, NOW - 50, "{\"homeAddress\":{\"city\":\"Chur\"}}");
    set_members(BUYERS, NOW, (const mu_identity *const[]){device, NULL});
    create(both, 2, D2, NOW, "{\"homeAddress\":{\"city\":\"Chur\"}}");
    assert_rows(OF(SEGMENT(BUYERS)) "}}", BEN);
    const char *row =
        exported("{\"fields\":\"segmentMembership.ups\",\"filter\":{\"segments\":[" SEGMENT(
            BUYERS) "]}," TO SCHEMA "}");
    assert_non_null(strstr(row, BUYERS));
    assert_non_null(strstr(row, VISITORS));
}

/* The rule of every audience takes Ann alone. */
static void segments_may_be_evaluated_first(void **state)
{
    (void)state;
    assert_rows(OF(SEGMENT(VISITORS)) "}}", EVE ANN BEN);
    assert_rows(OF(SEGMENT(VISITORS)) "},\"evaluationInfo\":{\"segmentation\":true}}", ANN);
    api_answer jobs = api_expect(&fixture, 200, "GET", "/data/core/ups/segment/jobs", NULL);
    api_assert_text(&fixture, &jobs, "_page.totalCount", "1");
    assert_rows(OF("{\"segmentId\":\"vip\",\"segmentNs\":\"CRM list\"}") "},\"evaluationInfo\":{"
                                                                         "\"segmentation\":true}}",
                BEN); /* external: nothing to evaluate */
    assert_rows("{" NAMES ",\"evaluationInfo\":{\"segmentation\":\"true\"}}", EVE ANN BEN);
    assert_rows(OF(SEGMENT(LAPSED)) "}}", ANN);
    jobs = api_expect(&fixture, 200, "GET", "/data/core/ups/segment/jobs", NULL);
    api_assert_text(&fixture, &jobs, "_page.totalCount", "2");
    api_assert_text(&fixture, &jobs, "children.0.segments", "[{\"segmentId\":\"*\"}]");
}

static void events_go_out_with_their_profile(void **state)
{
    (void)state;
#define EVENTS(filter)                                                                             \
    "{\"fields\":\"person.name.firstName\",\"additionalFields\":{\"eventList\":{\"fields\":"       \
    "\"_id,eventType\"" filter "}},\"filter\":{\"segments\":[" SEGMENT(BUYERS) "]}," TO SCHEMA "}"
#define ANN_WITH(events)                                                                           \
    "{\"person\":{\"name\":{\"firstName\":\"Ann\"}},\"timeSeriesEvents\":[" events "]}\n"
    assert_rows(EVENTS(""), ANN_WITH("{\"_id\":\"e1\",\"eventType\":\"a\"},"
                                     "{\"_id\":\"e2\",\"eventType\":\"b\"}"));
    assert_rows(EVENTS(",\"filter\":{\"fromIngestTimestamp\":\"2025-12-31T23:59:59.100Z\"}"),
                ANN_WITH("{\"_id\":\"e2\",\"eventType\":\"b\"}"));
    assert_rows(EVENTS(",\"filter\":{\"toIngestTimestamp\":\"2025-12-31T23:59:59.500Z\"}"),
                ANN_WITH("{\"_id\":\"e1\",\"eventType\":\"a\"}"));
    const char *all = exported("{\"additionalFields\":{\"eventList\":{}},\"filter\":{"
                               "\"emptyProfiles\":true}," TO SCHEMA "}");
    assert_non_null(strstr(all, "\"timestamp\":\"2025-12-31T23:59:58.600Z\""));
    assert_non_null(strstr(all, "\"_id\":\"e3\""));
    assert_null(strstr(all, "$received"));
}

static void what_carries_the_label_c12_stays(void **state)
{
    (void)state;
#define LABELS "/data/foundation/dataset/datasets/"
    api_answer made = api_expect(&fixture, 201, "POST", "/data/foundation/catalog/dataSets",
                                 "{\"name\":\"Labels\",\"schemaRef\":{\"id\":\"https://"
                                 "ns.adobe.com/xdm/context/profile\"}}");
    const char *id = strrchr(text(&made, "0"), '/') + 1;
    api_expect(
        &fixture, 201, "POST", format(format(LABELS, id), "/labels"),
        "{\"labels\":[],\"optionalLabels\":[{\"option\":{\"id\":\"x\",\"contentType\":\"y\","
        "\"schemaPath\":\"/properties/homeAddress/properties/city\"},\"labels\":[\"C12\"]}]}");
    assert_rows("{\"fields\":\"homeAddress,person\",\"filter\":{\"segments\":[" SEGMENT(
                    BUYERS) "]}," TO SCHEMA "}",
                "{\"person\":{\"name\":{\"firstName\":\"Ann\",\"lastName\":\"A, \\\"B\\\"\"}},"
                "\"homeAddress\":{\"countryCode\":\"CH\"}}\n");
}

static void an_opt_out_counts_in_a_hidden_dataset_too(void **state)
{
    (void)state;
    const char *dataset = dataset_of("json");
    create(ben, 1, dataset, NOW - 100,
           "{\"privacyOptOuts\":[{\"optOutType\":\"general_opt_out\",\"optOutValue\":\"in\"}],"
           "\"optOutConsentLevel\":{\"privacyOptOuts\":[{\"optOutType\":\"general_opt_out\","
           "\"optOutValue\":\"out\"}]}}");
    assert_rows("{" NAMES "}", EVE ANN);
    api_expect(&fixture, 201, "POST", format(format(LABELS, dataset), "/labels"),
               "{\"labels\":[\"C12\"]}");
    assert_rows("{" NAMES "}", EVE ANN);
}

/* -------- under which merge policy -------- */

static void the_merge_policy_makes_the_profiles(void **state)
{
    (void)state;
    api_answer none = api_expect(
        &fixture, 200, "POST", POLICIES,
        "{\"name\":\"Alone\",\"schema\":{\"name\":\"_xdm.context.profile\"},\"identityGraph\":{"
        "\"type\":\"none\"},\"attributeMerge\":{\"type\":\"timestampOrdered\"}}");
    api_answer first = api_expect(
        &fixture, 200, "POST", POLICIES,
        "{\"name\":\"CRM\",\"schema\":{\"name\":\"_xdm.context.profile\"},\"identityGraph\":{"
        "\"type\":\"pdg\"},\"attributeMerge\":{\"type\":\"dataSetPrecedence\",\"order\":[\"" D1
        "\"]}}");
    const char *alone = text(&none, "id"), *crm = text(&first, "id");
#define UNDER(id, more)                                                                            \
    mu_arena_format(                                                                               \
        &fixture.arena,                                                                            \
        "{\"fields\":\"homeAddress.city,identityMap\",\"mergePolicy\":{\"id\":\"%s\"" more         \
        "},\"filter\":{\"segments\":[" SEGMENT(VISITORS) "]}," TO SCHEMA "}",                      \
        id)                                                                                        \
        .ptr
    assert_rows(
        UNDER(crm, ""),
        "{\"identityMap\":{\"ECID\":[{\"id\":\"1001\"}],\"lumaCrmId\":[{\"id\":\"CRM-1\"}]},"
        "\"homeAddress\":{\"city\":\"Basel\"}}\n"
        "{\"identityMap\":{\"lumaCrmId\":[{\"id\":\"CRM-2\"}]}}\n");
    assert_rows(
        UNDER(alone, ",\"version\":1"),
        "{\"identityMap\":{\"lumaCrmId\":[{\"id\":\"CRM-1\"}]},\"homeAddress\":{\"city\":"
        "\"Bern\"}}\n"
        "{\"identityMap\":{\"lumaCrmId\":[{\"id\":\"CRM-2\"}]}}\n"
        "{\"identityMap\":{\"lumaCrmId\":[{\"id\":\"CRM-3\"}]},\"homeAddress\":{\"city\":\"\"}}"
        "\n");
    api_expect(&fixture, 400, "POST", JOBS, UNDER(alone, ",\"version\":2"));
    add_audience(LAPSED, format(format(",\"mergePolicyId\":\"", alone), "\""));
    api_answer done = succeeded(OF(SEGMENT(LAPSED)) "}}");
    api_assert_text(&fixture, &done, "mergePolicy.id", alone);
    api_expect(&fixture, 400, "POST", JOBS, OF(SEGMENT(LAPSED) "," SEGMENT(BUYERS)) "}}");
    done = succeeded(
        mu_arena_format(
            &fixture.arena,
            OF(SEGMENT(LAPSED) "," SEGMENT(BUYERS)) "},\"mergePolicy\":{\"id\":\"%s\"}}", crm)
            .ptr);
    api_assert_text(&fixture, &done, "mergePolicy.id", crm);
}

/* -------- files and batches -------- */

static const char *to_dataset(const char *dataset, const char *more)
{
    return mu_arena_format(&fixture.arena,
                           "{\"destination\":{\"dataSetId\":\"%s\"},\"fields\":"
                           "\"person.name,homeAddress.city,identityMap\"%s," SCHEMA "}",
                           dataset, more)
        .ptr;
}

static void datasets_choose_the_format(void **state)
{
    (void)state;
    const char *dataset = dataset_of("CSV");
    const char *rows =
        exported(to_dataset(dataset, ",\"filter\":{\"segments\":[" SEGMENT(VISITORS) "]}"));
    assert_non_null(strstr(rows, "homeAddress.city"));
    assert_non_null(strstr(rows, "person.name.firstName"));
    assert_non_null(strstr(rows, "\"A, \"\"B\"\"\""));
    assert_non_null(strstr(rows, "\"{\"\"lumaCrmId\"\":[{\"\"id\"\":\"\"CRM-3\"\"}]}\""));
    assert_non_null(strstr(rows, "\"\"")); /* Eve's city, which is empty and not null */
    assert_int_equal(strchr(rows, '\r')[1], '\n');
    api_answer list = api_expect(&fixture, 200, "GET", format(BATCHES "?dataSet=", dataset), NULL);
    assert_int_equal(list.json.n, 1);
    const mu_json *batch = &list.json.items[0];
    assert_true(mu_str_equal(mu_json_member_string(batch, MU_STR("status"), MU_STR("")),
                             MU_STR("success")));
    const mu_json *n_rows = mu_json_at(batch, MU_STR("metrics.outputRecordCount"));
    assert_int_equal(n_rows->integer, 3);
    api_expect(&fixture, 400, "POST", JOBS, to_dataset(dataset_of("avro"), ""));
}

static void parquet_without_the_library_says_how_to_get_it(void **state)
{
    (void)state;
    if (library != NULL)
        skip();
    api_answer done = ended(to_dataset(dataset_of("parquet"), ""));
    api_assert_text(&fixture, &done, "status", "FAILED");
    assert_non_null(strstr(text(&done, "errors.0.msg"), "@duckdb/node-bindings-linux-x64"));
    assert_non_null(strstr(text(&done, "errors.0.msg"), "--duckdb-library"));
}

static void parquet_is_written_with_the_library(void **state)
{
    (void)state;
    if (library == NULL) {
        print_message("SKIPPED: MUSTER_DUCKDB_LIBRARY names no libduckdb\n");
        skip();
    }
    const char *dataset = dataset_of("parquet");
    api_answer done = succeeded(to_dataset(dataset, ""));
    api_answer list =
        api_expect(&fixture, 200, "GET",
                   format(format(FILES "/", text(&done, "destination.batchId")), "/files"), NULL);
    const char *link = strstr(text(&list, "data.0._links.self.href"), "/data/");
    api_answer file =
        api_expect(&fixture, 200, "GET", format(link, "?path=profiles.parquet"), NULL);
    assert_true(mu_str_starts_with(file.body, MU_STR("PAR1")));
    assert_true(mu_str_ends_with(file.body, MU_STR("PAR1")));
    api_expect(&fixture, 404, "GET", format(link, "?path=other"), NULL);
}

static unsigned count_batches(void)
{
    api_answer list = api_expect(&fixture, 200, "GET", BATCHES "?limit=100", NULL);
    return list.json.n;
}

static void each_segment_may_have_a_batch_of_its_own(void **state)
{
    (void)state;
#define PER_BATCH                                                                                  \
    "{\"fields\":\"identityMap.lumaCrmId\",\"destination\":{\"datasetId\":\"out\","                \
    "\"segmentPerBatch\":true}," SCHEMA ",\"filter\":{\"segments\":[" SEGMENT(                     \
        BUYERS) ","                                                                                \
                "{\"segmentId\":\"" LAPSED "\",\"status\":[\"exited\"]}," SEGMENT(VISITORS) "]}}"
    api_answer made = post(PER_BATCH);
    const char *known = text(&made, "destination.batches.2.batchId");
    assert_int_equal(strlen(known), 32);
    mu_exports_wait_idle(fixture.api->exports);
    api_answer done = job(text(&made, "id"));
    api_assert_text(&fixture, &done, "status", "SUCCEEDED");
    api_assert_text(&fixture, &done, "destination.batchId", "");
    api_assert_text(&fixture, &done, "destination.batches.2.batchId", known);
    api_assert_text(&fixture, &done, "destination.batches.0.segmentId", BUYERS);
    api_assert_text(&fixture, &done, "destination.batches.0.segmentNs", "ups");
    api_assert_text(&fixture, &done, "destination.batches.0.status", "[\"realized\",\"existing\"]");
    api_assert_text(&fixture, &done, "destination.batches.1.status", "[\"exited\"]");
    api_assert_text(&fixture, &done, "metrics.totalExportedProfileCounter", "5");
    assert_int_equal(count_batches(), 3);
#define CRM(n) "{\"identityMap\":{\"lumaCrmId\":[{\"id\":\"CRM-" n "\"}]}}\n"
    assert_string_equal(sorted(download(text(&done, "destination.batches.0.batchId"))), CRM("1"));
    assert_string_equal(sorted(download(text(&done, "destination.batches.1.batchId"))), CRM("2"));
    assert_string_equal(sorted(download(known)), CRM("1") CRM("2") CRM("3"));
}

static void a_batch_that_is_reverted_loses_its_files(void **state)
{
    (void)state;
    api_answer done = succeeded("{" NAMES "}");
    const char *batch = text(&done, "destination.batchId");
    download(batch);
    api_expect(&fixture, 200, "POST",
               format(format("/data/foundation/import/batches/", batch), "?action=REVERT"), NULL);
    api_answer list =
        api_expect(&fixture, 200, "GET", format(format(FILES "/", batch), "/files"), NULL);
    api_assert_text(&fixture, &list, "_page.count", "0");
    api_expect(&fixture, 404, "GET", format(format("/data/foundation/export/files/", batch), "-1"),
               NULL);
    api_expect(&fixture, 404, "GET", "/data/foundation/export/files/nothing", NULL);
    api_expect(&fixture, 404, "GET", FILES "/nothing/files", NULL);
    assert_rows("{" NAMES "}", EVE ANN BEN); /* the profiles are as they were */
}

/* -------- the job as it is shown -------- */

static void a_job_shows_what_was_asked_for(void **state)
{
    (void)state;
    api_answer made =
        post("{\"fields\":\"person\",\"destination\":{\"datasetId\":\"out\"}," SCHEMA
             ",\"filter\":{\"segments\":[" SEGMENT(BUYERS) "]},\"other\":1,\"evaluationInfo\":{}}");
    char location[256];
    assert_true(api_header(&made, "X-Location", location, sizeof location));
    assert_non_null(strstr(location, JOBS "/1"));
    api_assert_text(&fixture, &made, "id", "1");
    api_assert_text(&fixture, &made, "status", "NEW");
    api_assert_text(&fixture, &made, "jobType", "BATCH");
    api_assert_text(&fixture, &made, "destination.segmentPerBatch", "false");
    assert_int_equal(strlen(text(&made, "destination.batchId")), 32);
    api_assert_text(&fixture, &made, "filter.segments.0.status", "[\"realized\",\"existing\"]");
    api_assert_text(&fixture, &made, "mergePolicy.version", "1");
    api_assert_text(&fixture, &made, "profileInstanceId", "ups");
    api_assert_text(&fixture, &made, "imsOrgId", API_FIXTURE_ORGANIZATION);
    api_assert_text(&fixture, &made, "sandbox.sandboxName", "prod");
    api_assert_text(&fixture, &made, "creationTime", "1767225600000");
    api_assert_text(&fixture, &made, "metrics.totalTime.startTimeInMs", "1767225600000");
    api_assert_text(&fixture, &made, "metrics.profileExportTime", "{}");
    assert_null(api_at(&made, "other"));
    assert_null(api_at(&made, "additionalFields"));
    assert_int_equal(mu_str_find(made.body, MU_STR("$own")), SIZE_MAX);
    mu_exports_wait_idle(fixture.api->exports);
    api_answer done = job("1");
    api_assert_text(&fixture, &done, "status", "SUCCEEDED");
    api_assert_text(&fixture, &done, "metrics.totalTime.totalTimeInMs", "0");
    assert_int_equal(strlen(text(&done, "computeGatewayJobId.exportJob")), 36);
    api_expect(&fixture, 404, "GET", JOBS "/2", NULL);
    api_expect(&fixture, 404, "GET", JOBS "/one", NULL);
    api_expect(&fixture, 404, "GET", JOBS "/01", NULL);
    api_answer missing = api_expect(&fixture, 404, "GET", JOBS "/99999999999999999999", NULL);
    api_assert_text(&fixture, &missing, "errors.404.0.code", "UPAPI-113000-404");
}

static void ids_count_on_over_restarts_and_sandboxes(void **state)
{
    (void)state;
    api_expect(&fixture, 201, "POST", "/data/foundation/sandbox-management/sandboxes",
               "{\"name\":\"dev\",\"title\":\"Dev\"}");
    for (int i = 1; i <= 3; i++) {
        api_answer made =
            api_send_in(&fixture, i == 2 ? "dev" : "prod", "POST", JOBS, "{" TO SCHEMA "}");
        assert_int_equal(made.status, 200);
        assert_int_equal(api_at(&made, "id")->integer, i);
    }
    mu_exports_wait_idle(fixture.api->exports);
    api_expect(&fixture, 200, "DELETE", JOBS "/3", NULL);
    api_fixture_restart(&fixture);
    api_answer made = post("{" TO SCHEMA "}");
    api_assert_text(&fixture, &made, "id", "4");
    assert_int_equal(api_send_in(&fixture, "dev", "GET", JOBS "/1", NULL).status, 404);
    assert_int_equal(api_send_in(&fixture, "dev", "GET", JOBS "/2", NULL).status, 200);
}

/* -------- the list -------- */

static void the_list_is_walked_by_cursor(void **state)
{
    (void)state;
    api_answer page = api_expect(&fixture, 200, "GET", JOBS, NULL);
    api_assert_text(&fixture, &page, "records", "[]");
    api_assert_text(&fixture, &page, "page.pageOffset", "");
    api_assert_text(&fixture, &page, "link.next", "");
    for (int i = 0; i < 5; i++) {
        post("{" TO SCHEMA "}");
        if (i == 2)
            api_fixture_advance(10);
        if (i == 3)
            api_fixture_advance(-500); /* a clock set back changes no order */
    }
    const char *path = "/export/jobs?limit=2", *seen = "";
    for (int pages = 0; strlen(path) > 0; pages++) {
        assert_true(pages < 4);
        page = api_expect(&fixture, 200, "GET", format("/data/core/ups", path), NULL);
        const mu_json *records = api_at(&page, "records");
        for (uint32_t i = 0; i < records->n; i++)
            seen =
                mu_arena_format(&fixture.arena, "%s %lld", seen,
                                (long long)mu_json_get(&records->items[i], MU_STR("id"))->integer)
                    .ptr;
        path = text(&page, "link.next");
        if (pages == 0)
            post("{" TO SCHEMA "}");
    }
    assert_string_equal(seen, " 5 4 3 2 1");
    api_assert_text(&fixture, &page, "page.sortField", "createdTime");
    api_assert_text(&fixture, &page, "page.sort", "desc");
    api_assert_text(&fixture, &page, "page.pageSize", "1");
    api_assert_text(&fixture, &page, "page.pageOffset", "1767225600000_1");
    mu_exports_wait_idle(fixture.api->exports);
    page = api_expect(&fixture, 200, "GET", JOBS "?limit=1000&status=SUCEEDED", NULL);
    api_assert_text(&fixture, &page, "page.pageSize", "6");
    page = api_expect(&fixture, 200, "GET", JOBS "/?limit=4&status=SUCCEEDED&start=3", NULL);
    assert_non_null(strstr(text(&page, "link.next"), "/export/jobs/?limit=4&offset="));
    assert_non_null(strstr(text(&page, "link.next"), "&status=SUCCEEDED"));
    page = api_expect(&fixture, 200, "GET", JOBS "?status=FAILED", NULL);
    api_assert_text(&fixture, &page, "page.pageSize", "0");
    static const char *const bad[] = {"offset=x",     "offset=5",    "offset=1_",   "offset=_1",
                                      "offset=1_2_3", "offset=-1_2", "status=DONE", "status=new",
                                      "limit=0",      "limit=-1",    "limit=some"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        page = api_expect(&fixture, 400, "GET", format(JOBS "?", bad[i]), NULL);
        api_assert_text(&fixture, &page, "errors.400.0.code", "UPAPI-119912-400");
    }
}

/* -------- what is wrong with a request -------- */

static void bad_requests_change_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *body, *says;
    } cases[] = {
        {"{" SCHEMA "}", "/destination/datasetId: is missing"},
        {"{\"destination\":{}," SCHEMA "}", "/destination/datasetId: is missing"},
        {"{\"destination\":[]," SCHEMA "}", "/destination: must be an object"},
        {"{\"destination\":{\"datasetId\":5}," SCHEMA "}",
         "/destination/datasetId: must be a string"},
        {"{\"destination\":{\"datasetId\":\"x\",\"segmentPerBatch\":\"maybe\"}," SCHEMA "}",
         "/destination/segmentPerBatch: must be true or false"},
        {"{\"destination\":{\"datasetId\":\"x\",\"segmentPerBatch\":true}," SCHEMA "}",
         "/destination/segmentPerBatch: needs filter.segments"},
        {"{\"destination\":{\"datasetId\":\"x\"}}", "/schema/name: is missing"},
        {"{" TO "\"schema\":{\"name\":7}}", "/schema/name: must be a string"},
        {"{" TO "\"schema\":7}", "/schema: must be an object"},
        {"{" TO "\"schema\":{\"name\":\"_xdm.context.account\"}}", "/schema/name: must be"},
        {"{" TO SCHEMA ",\"fields\":[\"person\"]}", "/fields: must be a string"},
        {"{" TO SCHEMA ",\"filter\":\"all\"}", "/filter: must be an object"},
        {"{" TO SCHEMA ",\"filter\":{\"segments\":{}}}", "/filter/segments: must be a list"},
        {"{" TO SCHEMA ",\"filter\":{\"segments\":[\"x\"]}}",
         "/filter/segments/0: must be an object"},
        {"{" TO SCHEMA ",\"filter\":{\"segments\":[{}]}}",
         "/filter/segments/0/segmentId: is missing"},
        {OF(SEGMENT(BUYERS) "," SEGMENT("none")) "}}",
         "/filter/segments/1/segmentId: there is no audience none of the namespace ups"},
        {OF("{\"segmentId\":\"" BUYERS "\",\"segmentNs\":\"CRM list\"}") "}}",
         "/filter/segments/0/segmentId: there is no audience"},
        {OF("{\"segmentId\":\"" BUYERS "\",\"status\":[\"entered\"]}") "}}",
         "/filter/segments/0/status: must name realized"},
        {OF("{\"segmentId\":\"" BUYERS "\",\"status\":{}}") "}}",
         "/filter/segments/0/status: must be a list"},
        {OF(SEGMENT(BUYERS)) ",\"segmentQualificationTime\":{\"startTime\":\"yesterday\"}}}",
         "/filter/segmentQualificationTime/startTime: must be a date-time"},
        {OF(SEGMENT(
             BUYERS)) ",\"segmentQualificationTime\":{\"startTime\":\"2026-01-02T00:00:00Z\","
                      "\"endTime\":\"2026-01-01T00:00:00Z\"}}}",
         "startTime must not be after endTime"},
        {"{" TO SCHEMA ",\"filter\":{\"segmentQualificationTime\":{\"endTime\":"
         "\"2026-01-01T00:00:00Z\"}}}",
         "needs segments"},
        {"{" TO SCHEMA ",\"filter\":{\"fromIngestTimestamp\":1}}",
         "/filter/fromIngestTimestamp: must be a string"},
        {"{" TO SCHEMA ",\"filter\":{\"emptyProfiles\":1}}",
         "/filter/emptyProfiles: must be true or false"},
        {"{" TO SCHEMA ",\"additionalFields\":{\"eventList\":[]}}",
         "/additionalFields/eventList: must be an object"},
        {"{" TO SCHEMA ",\"additionalFields\":{\"eventList\":{\"filter\":{\"toIngestTimestamp\":"
         "\"x\"}}}}",
         "/additionalFields/eventList/filter/toIngestTimestamp: must be a date-time"},
        {"{" TO SCHEMA ",\"mergePolicy\":{\"id\":\"none\"}}",
         "/mergePolicy/id: there is no merge policy none"},
        {"{" TO SCHEMA ",\"mergePolicy\":{\"version\":\"1\"}}",
         "/mergePolicy/version: must be a number"},
        {"{" TO SCHEMA ",\"mergePolicy\":{\"version\":3}}",
         "/mergePolicy/version: only the current"},
        {"{" TO SCHEMA ",\"evaluationInfo\":{\"segmentation\":\"now\"}}",
         "/evaluationInfo/segmentation: must be true or false"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        api_answer answer = api_send(&fixture, "POST", JOBS, cases[i].body);
        if (answer.status != 400 ||
            mu_str_find(answer.body, mu_str_from(cases[i].says)) == SIZE_MAX)
            fail_msg("%s: %u " MU_STR_FMT, cases[i].body, answer.status, MU_STR_ARG(answer.body));
        api_assert_text(&fixture, &answer, "errors.400.0.code", "UPAPI-119911-400");
    }
    static const char *const no_objects[] = {"[]", "7", "\"x\"", "null", "{", ""};
    for (size_t i = 0; i < sizeof no_objects / sizeof no_objects[0]; i++) {
        api_answer answer = api_expect(&fixture, 400, "POST", JOBS, no_objects[i]);
        api_assert_text(&fixture, &answer, "errors.400.0.code", "UPAPI-119910-400");
    }
    char *commas = mu_arena_alloc(&fixture.arena, 20001);
    memset(commas, ',', 20000);
    api_expect(&fixture, 400, "POST", JOBS,
               mu_arena_format(&fixture.arena, "{" TO SCHEMA ",\"fields\":\"%s\"}", commas).ptr);
    api_answer list = api_expect(&fixture, 200, "GET", JOBS, NULL);
    api_assert_text(&fixture, &list, "page.pageSize", "0");
    api_answer made = post("{" TO "\"schema\":\"https://ns.adobe.com/xdm/context/profile__union\","
                           "\"filter\":null,\"fields\":null,\"mergePolicy\":{\"id\":null}}");
    api_assert_text(&fixture, &made, "id", "1"); /* refused ones took no number */
}

static void unknown_datasets_are_refused_where_that_is_wanted(void **state)
{
    (void)state;
    api_fixture_stop(&fixture);
    start_with(true);
    api_answer refused = api_expect(&fixture, 400, "POST", JOBS, "{" TO SCHEMA "}");
    api_assert_text(&fixture, &refused, "type", "https://ns.adobe.com/aep/errors/UPLIB-101554-503");
    api_assert_text(&fixture, &refused, "errors.400.1.code", "400");
    assert_non_null(strstr(text(&refused, "errors.400.1.message"), "there is no dataset out"));
    succeeded(to_dataset(dataset_of("json"), ""));
}

/* -------- cancelling, removing, restarting -------- */

static unsigned count_folders(void)
{
    const char *path = mu_arena_format(&fixture.arena, "%s/exports/prod", fixture.folder).ptr;
    DIR *folder = opendir(path);
    unsigned n = 0;
    for (struct dirent *e = folder == NULL ? NULL : readdir(folder); e != NULL; e = readdir(folder))
        n += e->d_name[0] != '.';
    if (folder != NULL)
        closedir(folder);
    return n;
}

/* A job as the catalog has it while the thread was not told of it. */
static void put_job(const char *id, const char *status, const char *own)
{
    mu_err err;
    const mu_document_edit edit = {
        .action = MU_DOCUMENT_ADD,
        .kind = MU_EXPORT_JOB_KIND,
        .id = mu_str_from(id),
        .json = mu_arena_format(
            &fixture.arena,
            "{\"status\":\"%s\",\"id\":%s,\"destination\":{\"datasetId\":\"out\",\"batchId\":"
            "\"%032d\"},\"fields\":\"person\",\"creationTime\":%lld,\"$own\":{%s}}",
            status, id, atoi(id), (long long)NOW, own)};
    assert_done(mu_shelves_edit(workspace()->shelves, NOW, 1, &edit, &err), err);
}

static void assert_cancelled(const char *id)
{
    api_answer answer = job(id);
    api_assert_text(&fixture, &answer, "status", "FAILED");
    api_assert_text(&fixture, &answer, "errors.0.code", "CANCELLED");
    api_assert_text(&fixture, &answer, "errors.0.callStack", "");
}

static void delete_cancels_what_is_open_and_removes_what_ended(void **state)
{
    (void)state;
    put_job("71", "NEW", "");
    api_answer answer = api_expect(&fixture, 200, "DELETE", JOBS "/71", NULL);
    api_assert_text(&fixture, &answer, "status", "true");
    assert_non_null(api_at(&answer, "message"));
    mu_exports_wait_idle(fixture.api->exports);
    assert_cancelled("71");
    put_job("72", "PROCESSING", ""); /* after it: the first DELETE wakes who would run this one */
    api_expect(&fixture, 200, "DELETE", JOBS "/72", NULL);
    mu_exports_wait_idle(fixture.api->exports);
    assert_cancelled("72");
    assert_int_equal(count_batches(), 0);
    assert_int_equal(count_folders(), 0);
    api_expect(&fixture, 200, "DELETE", JOBS "/71", NULL);
    api_expect(&fixture, 404, "GET", JOBS "/71", NULL);
    api_expect(&fixture, 404, "DELETE", JOBS "/71", NULL);
    api_expect(&fixture, 404, "DELETE", JOBS "/x", NULL);
    api_answer done = succeeded("{" NAMES "}");
    api_expect(&fixture, 200, "DELETE", format(JOBS "/", text(&done, "id")), NULL);
    api_expect(&fixture, 404, "GET", format(JOBS "/", text(&done, "id")), NULL);
    download(text(&done, "destination.batchId")); /* the data stay */
}

static void a_cancel_that_meets_the_run_leaves_all_or_nothing(void **state)
{
    (void)state;
    unsigned n_batches = 0;
    for (int i = 0; i < 40; i++) {
        api_answer made = post("{" NAMES "}");
        usleep((useconds_t)(i * 50));
        api_expect(&fixture, 200, "DELETE", format(JOBS "/", text(&made, "id")), NULL);
        mu_exports_wait_idle(fixture.api->exports);
        api_answer after = api_send(&fixture, "GET", format(JOBS "/", text(&made, "id")), NULL);
        if (after.status == 404)
            n_batches++; /* it had ended, and its row was removed */
        else
            assert_cancelled(text(&made, "id"));
    }
    assert_int_equal(count_batches(), n_batches);
    assert_int_equal(count_folders(), n_batches);
}

static void leave_rubbish(api_fixture *f)
{
    char path[512];
    mu_err err;
    snprintf(path, sizeof path, "%s/exports/prod/%032d/files", f->folder, 72);
    assert_done(mu_make_directories(path, &err), err);
    snprintf(path, sizeof path, "%s/exports/prod/%032d/files/profiles.json", f->folder, 72);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("half a li", file);
    fclose(file);
    snprintf(path, sizeof path, "%s/exports/prod/rubbish/files", f->folder);
    assert_done(mu_make_directories(path, &err), err);
}

static void a_restart_begins_again_from_nothing(void **state)
{
    (void)state;
    put_job("71", "NEW", "\"format\":\"json\"");
    put_job("72", "PROCESSING", "");
    put_job("73", "PROCESSING", "\"isCancelling\":true");
    api_fixture_restart_after(&fixture, leave_rubbish);
    mu_exports_wait_idle(fixture.api->exports);
    api_answer first = job("71"), second = job("72");
    api_assert_text(&fixture, &first, "status", "SUCCEEDED");
    api_assert_text(&fixture, &second, "status", "SUCCEEDED");
    assert_cancelled("73");
    assert_int_equal(count_folders(), 2);
    assert_int_equal(count_batches(), 2);
    assert_null(strstr(download("00000000000000000000000000000072"), "half"));
    api_fixture_restart(&fixture); /* what succeeded stays */
    assert_non_null(strstr(download("00000000000000000000000000000071"), "Ann"));
}

static void what_cannot_be_written_fails_and_leaves_nothing(void **state)
{
    (void)state;
    const char *path = mu_arena_format(&fixture.arena, "%s/exports", fixture.folder).ptr;
    FILE *file = fopen(path, "w"); /* where a folder should be */
    assert_non_null(file);
    fclose(file);
    api_answer done = ended("{" NAMES "}");
    api_assert_text(&fixture, &done, "status", "FAILED");
    api_assert_text(&fixture, &done, "errors.0.code", "WRITE_FAILED");
    assert_int_equal(count_batches(), 0);
    assert_int_equal(unlink(path), 0);
    assert_rows("{" NAMES "}", EVE ANN BEN);
}

static void an_audience_deleted_before_the_run_fails_it(void **state)
{
    (void)state;
    put_job("71", "NEW", "");
    mu_err err;
    const mu_document_edit edit = {
        .action = MU_DOCUMENT_REPLACE,
        .kind = MU_EXPORT_JOB_KIND,
        .id = MU_STR("71"),
        .json = MU_STR("{\"status\":\"NEW\",\"id\":71,\"destination\":{\"datasetId\":\"out\","
                       "\"batchId\":\"0\"},\"filter\":{\"segments\":[{\"segmentId\":\"gone\","
                       "\"segmentNs\":\"ups\",\"status\":[\"realized\"]}]},\"creationTime\":1}")};
    assert_done(mu_shelves_edit(workspace()->shelves, NOW, 1, &edit, &err), err);
    succeeded("{" NAMES "}"); /* wakes the thread */
    api_answer answer = job("71");
    api_assert_text(&fixture, &answer, "status", "FAILED");
    api_assert_text(&fixture, &answer, "errors.0.code", "NOT_FOUND");
    api_assert_text(&fixture, &answer, "errors.0.msg", "the audience gone was deleted");
}

static void schedules_learn_whether_their_export_runs(void **state)
{
    (void)state;
    mu_err err;
    bool is_busy;
    put_job("71", "NEW", "\"scheduleId\":\"s1\"");
    assert_done(mu_exports_is_busy(fixture.api->exports, workspace(), MU_STR("s1"), &is_busy, &err),
                err);
    assert_true(is_busy);
    assert_done(mu_exports_is_busy(fixture.api->exports, workspace(), MU_STR("s2"), &is_busy, &err),
                err);
    assert_false(is_busy);
    api_expect(&fixture, 200, "DELETE", JOBS "/71", NULL);
    assert_done(mu_exports_is_busy(fixture.api->exports, workspace(), MU_STR("s1"), &is_busy, &err),
                err);
    assert_false(is_busy);
}

static void jobs_are_kept_for_a_time(void **state)
{
    (void)state;
    post("{" NAMES "}");
    mu_exports_wait_idle(fixture.api->exports);
    api_fixture_advance(91 * INT64_C(86400000));
    api_fixture_restart(&fixture);
    mu_exports_wait_idle(fixture.api->exports);
    api_expect(&fixture, 404, "GET", JOBS "/1", NULL);
    assert_int_equal(count_batches(), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(all_profiles_go_out_but_those_who_opted_out),
        TEST(members_go_out_by_segment_and_status),
        TEST(qualification_times_are_inclusive),
        TEST(ingest_times_are_strictly_later),
        TEST(fields_choose_what_goes_out),
        TEST(rows_show_memberships),
        TEST(members_stay_members_when_they_are_merged),
        TEST(segments_may_be_evaluated_first),
        TEST(events_go_out_with_their_profile),
        TEST(what_carries_the_label_c12_stays),
        TEST(an_opt_out_counts_in_a_hidden_dataset_too),
        TEST(the_merge_policy_makes_the_profiles),
        TEST(datasets_choose_the_format),
        TEST(parquet_without_the_library_says_how_to_get_it),
        TEST(parquet_is_written_with_the_library),
        TEST(each_segment_may_have_a_batch_of_its_own),
        TEST(a_batch_that_is_reverted_loses_its_files),
        TEST(a_job_shows_what_was_asked_for),
        TEST(ids_count_on_over_restarts_and_sandboxes),
        TEST(the_list_is_walked_by_cursor),
        TEST(bad_requests_change_nothing),
        TEST(unknown_datasets_are_refused_where_that_is_wanted),
        TEST(delete_cancels_what_is_open_and_removes_what_ended),
        TEST(a_cancel_that_meets_the_run_leaves_all_or_nothing),
        TEST(a_restart_begins_again_from_nothing),
        TEST(what_cannot_be_written_fails_and_leaves_nothing),
        TEST(an_audience_deleted_before_the_run_fails_it),
        TEST(schedules_learn_whether_their_export_runs),
        TEST(jobs_are_kept_for_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
