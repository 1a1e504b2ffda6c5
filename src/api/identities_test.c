/* identities_test.c -- the identity service over HTTP (profile.md b.7, P24). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/api_fixture.h"

#include <stdio.h>

#define BASE       "/data/core/identity"
#define PHONE      "87425148613594122803641603982383516983"
#define LAPTOP     "04453636816169626407574918311415852851"
#define NOBODY     "83905390261353196691980241222855773941"
#define EMAIL      "ada@example.com"
#define XID_PHONE  "oQAAAAR12Olvs2UaVHBzMfGNnQS1"
#define XID_LAPTOP "oQAAAASjzy6qL97ysoIia08MB_cT"
#define XID_EMAIL  "oQAAAAbfkG5sxYTz5tD5gSAcgdTp"

static api_fixture fixture;

/* Ada: an e-mail address with two browsers; a third one that knows nothing of her. */
static void see(const char *ecid, const char *email, int64_t time_ms, const char *key)
{
    mu_identity identities[] = {{MU_STR("ECID"), mu_str_from(ecid)},
                                {MU_STR("Email"), mu_str_from(email == NULL ? "" : email)}};
    mu_sandbox *sandbox = mu_live_find_sandbox(fixture.live, MU_STR("prod"));
    uint32_t n = email == NULL ? 1 : 2;
    mu_record record = {.kind = MU_RECORD_EVENT,
                        .received_ms = API_FIXTURE_NOW_MS,
                        .time_ms = time_ms,
                        .dataset = MU_STR("D4"),
                        .batch = MU_STR("B1"),
                        .source = MU_STR("batch/B1"),
                        .position = (uint64_t)time_ms,
                        .key = mu_str_from(key),
                        .n_identities = n,
                        .identities = identities,
                        .n_linked = n,
                        .document = MU_STR("{\"eventType\":\"web.webpagedetails.pageViews\"}")};
    uint64_t sequence;
    mu_err err;
    assert_non_null(sandbox);
    assert_int_equal(mu_sandbox_append(sandbox, 1, &record, &sequence, &err), MU_OK);
    assert_int_equal(mu_live_wait(fixture.live, sequence, &err), MU_OK);
}

static int start(void **state)
{
    (void)state;
    api_fixture_start(&fixture);
    see(PHONE, EMAIL, 1000, "a");
    see(LAPTOP, EMAIL, 2000, "b");
    see(PHONE, EMAIL, 3000, "c");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    api_fixture_stop(&fixture);
    return 0;
}

static api_answer get(const char *path)
{
    return api_expect(&fixture, 200, "GET", path, NULL);
}

static api_answer post(const char *path, const char *body)
{
    return api_expect(&fixture, 200, "POST", path, body);
}

static void refused(const char *method, const char *path, const char *body, const char *detail)
{
    api_answer answer = api_expect(&fixture, 400, method, path, body);
    api_assert_text(&fixture, &answer, "title", "InvalidInput");
    api_assert_text(&fixture, &answer, "status", "400");
    api_assert_text(&fixture, &answer, "detail", detail);
}

static void an_identity_has_an_xid_whether_it_is_known_or_not(void **state)
{
    (void)state;
    api_answer answer = get(BASE "/identity?namespace=Email&id=ada%40example.com");
    api_assert_text(&fixture, &answer, "xid", XID_EMAIL);
    answer = get(BASE "/identity?nsid=4&id=" PHONE);
    api_assert_text(&fixture, &answer, "xid", XID_PHONE);
    answer = get(BASE "/identity?namespace=ecid&id=" LAPTOP);
    api_assert_text(&fixture, &answer, "xid", XID_LAPTOP);
    /* As the Python client sends it: AdCloud where its caller said nothing. */
    answer = get(BASE "/identity?namespace=adcloud&nsid=4&id=" PHONE);
    api_assert_text(&fixture, &answer, "xid", XID_PHONE);
    answer = get(BASE "/identity?namespace=ECID&nsid=411&id=" PHONE);
    api_assert_text(&fixture, &answer, "xid", XID_PHONE);
    get(BASE "/identity?namespace=ECID&id=" NOBODY);
}

static void what_is_missing_or_wrong_is_named(void **state)
{
    (void)state;
    refused("GET", BASE "/identity?id=1", NULL, "Missing required query parameter - namespace");
    refused("GET", BASE "/identity?nsid=4", NULL, "Missing required query parameter - id");
    refused("GET", BASE "/identity?nsid=four&id=1", NULL,
            "The query parameter nsid must be a number");
    refused("GET", BASE "/identity?nsid=5&id=1", NULL, "There is no namespace with the number 5");
    refused("GET", BASE "/identity?namespace=Shoe&id=1", NULL, "There is no namespace Shoe");
    refused("GET", BASE "/identity?namespace=ECID&id=1", NULL,
            "The value of id is not 38 decimal digits");
    refused("GET", BASE "/identity?namespace=ECID&nsid=6&id=1", NULL,
            "The query parameters namespace and nsid name different namespaces");
    refused("POST", BASE "/v2/graph", "{}", "The body needs composite_xids or xids");
    refused("POST", BASE "/v2/graph", "{\"xids\":[7]}", "An identity must be an object or an XID");
    refused("POST", BASE "/v2/graph", "{\"composite_xids\":[{\"id\":\"1\"}]}",
            "Each identity needs ns, a code, or nsid, a number");
    refused("POST", BASE "/v2/graph", "{\"composite_xids\":[{\"nsid\":4}]}",
            "Each identity needs an id, a text");
    refused("POST", BASE "/v2/graph", "{\"xids\":[\"a\"],\"projection_type\":\"tree\"}",
            "projection_type must be set or graph");
    refused("POST", BASE "/clusters/members", "{}",
            "The body needs xids, compositeXids or compositeXidsWithNamespace");
    refused("GET", BASE "/mapping?nsid=4&id=" PHONE, NULL,
            "Missing required query parameter - targetNs");
    api_answer answer = api_expect(&fixture, 501, "POST", BASE "/mapping", "{}");
    api_assert_text(&fixture, &answer, "status", "501");
}

static void a_thousand_identities_are_the_most(void **state)
{
    (void)state;
    mu_buf body;
    mu_buf_init(&body, SIZE_MAX);
    for (int i = 0; i < 1001; i++)
        mu_buf_add_format(&body, "%s\"x%d\"", i == 0 ? "{\"xids\":[" : ",", i);
    size_t len = body.len;
    mu_buf_add(&body, "]}", 3);
    refused("POST", BASE "/v2/graph", body.ptr,
            "At most 1000 identities can be asked for in one request");
    body.len = len - strlen(",\"x1000\"");
    mu_buf_add(&body, "]}", 3);
    api_answer answer = post(BASE "/v2/graph", body.ptr);
    assert_int_equal(api_at(&answer, "unprocessed_xids")->n, 1000);
    mu_buf_free(&body);
}

static void a_set_names_members_as_it_was_asked(void **state)
{
    (void)state;
    api_answer answer =
        post(BASE "/v2/graph",
             "{\"composite_xids\":[{\"ns\":\"ecid\",\"id\":\"" PHONE
             "\"},{\"nsid\":4,\"id\":\"" LAPTOP "\"},{\"ns\":\"ECID\",\"id\":\"" NOBODY "\"}]}");
    api_assert_text(&fixture, &answer, "version", "2.0");
    api_assert_text(&fixture, &answer, "algo_type", "STITCH_ALL");
    assert_int_equal(api_at(&answer, "graphs")->n, 2);
    api_assert_text(&fixture, &answer, "graphs.0.composite_xid.ns", "ECID");
    api_assert_text(&fixture, &answer, "graphs.0.composite_xid.id", PHONE);
    api_assert_text(&fixture, &answer, "graphs.0.members",
                    "[{\"ns\":\"Email\",\"id\":\"" EMAIL "\"},{\"ns\":\"ECID\",\"id\":\"" LAPTOP
                    "\"},{\"ns\":\"ECID\",\"id\":\"" PHONE "\"}]");
    api_assert_text(&fixture, &answer, "graphs.1.composite_xid.nsid", "4");
    api_assert_text(&fixture, &answer, "graphs.1.members.0.nsid", "6");
    api_assert_text(&fixture, &answer, "unprocessed_composite_xids",
                    "[{\"ns\":\"ECID\",\"id\":\"" NOBODY "\"}]");

    answer = post(BASE "/v2/graph", "{\"xids\":[\"" XID_EMAIL "\",\"nothing\"]}");
    api_assert_text(&fixture, &answer, "graphs.0.xid", XID_EMAIL);
    api_assert_text(&fixture, &answer, "graphs.0.members.1.xid", XID_LAPTOP);
    api_assert_text(&fixture, &answer, "unprocessed_composite_xids", "[]");
    api_assert_text(&fixture, &answer, "unprocessed_xids", "[{\"xid\":\"nothing\"}]");

    /* The form of the Python client: one identity, not in a list. */
    answer = post(BASE "/v2/graph", "{\"composite_xid\":{\"nsid\":\"4\",\"id\":\"" PHONE
                                    "\"},\"graph_type\":\"none\"}");
    api_assert_text(&fixture, &answer, "graphs.0.members", "[{\"nsid\":4,\"id\":\"" PHONE "\"}]");
}

static void a_graph_has_vertices_and_edges(void **state)
{
    (void)state;
    api_answer answer = post(BASE "/v2/graph", "{\"projection_type\":\"graph\",\"composite_xids\":"
                                               "[{\"ns\":\"ECID\",\"id\":\"" PHONE "\"}]}");
    assert_int_equal(api_at(&answer, "graphs.0.vertices")->n, 3);
    api_assert_text(&fixture, &answer, "graphs.0.vertices.0",
                    "{\"composite_xid\":{\"ns\":\"Email\",\"id\":\"" EMAIL
                    "\"},\"last_updated_ts\":3000}");
    assert_int_equal(api_at(&answer, "graphs.0.edges")->n, 2);
    api_assert_text(&fixture, &answer, "graphs.0.edges.1",
                    "{\"composite_xid_pair\":[{\"ns\":\"Email\",\"id\":\"" EMAIL
                    "\"},{\"ns\":\"ECID\",\"id\":\"" PHONE
                    "\"}],\"first_established_ts\":1000,\"last_established_ts\":3000}");
    answer =
        post(BASE "/v2/graph", "{\"projection_type\":\"graph\",\"require_edge_meta_data\":true,"
                               "\"xids\":[\"" XID_LAPTOP "\"]}");
    api_assert_text(&fixture, &answer, "graphs.0.vertices.1.xid", XID_LAPTOP);
    api_assert_text(&fixture, &answer, "graphs.0.edges.0.xid_pair.1.xid", XID_LAPTOP);
    api_assert_text(&fixture, &answer, "graphs.0.edges.0.dataset_ids", "[\"D4\"]");
    api_assert_text(&fixture, &answer, "graphs.0.edges.0.batch_ids", "[\"B1\"]");
}

static void members_of_clusters_come_in_the_older_form(void **state)
{
    (void)state;
    api_answer answer = get(BASE "/cluster/members?xid=" XID_PHONE "&graph-type=private");
    api_assert_text(&fixture, &answer, "version", "1.1.0");
    api_assert_text(&fixture, &answer, "clusters.0.xid", XID_PHONE);
    api_assert_text(&fixture, &answer, "clusters.0.members.0.xid", XID_EMAIL);
    api_assert_text(&fixture, &answer, "unprocessedRecords", "[]");
    answer = get(BASE "/cluster/members?nsid=6&namespace=adcloud&id=" EMAIL);
    api_assert_text(&fixture, &answer, "clusters.0.compositeXid.nsid", "6");
    assert_int_equal(api_at(&answer, "clusters.0.members")->n, 3);
    answer = get(BASE "/cluster/members?namespace=ECID&id=" NOBODY);
    api_assert_text(&fixture, &answer, "clusters", "[]");
    api_assert_text(&fixture, &answer, "unprocessedRecords.0.id", NOBODY);

    answer = post(BASE "/clusters/members", "{\"xids\":[\"" XID_PHONE "\",\"" XID_EMAIL "\"]}");
    assert_int_equal(api_at(&answer, "clusters")->n, 2);
    answer =
        post(BASE "/clusters/members",
             "{\"compositeXidsWithNamespace\":[{\"namespace\":\"email\",\"id\":\"" EMAIL "\"}]}");
    api_assert_text(&fixture, &answer, "clusters.0.compositeXid.ns", "Email");
    answer = post(BASE "/cluster/members", "[{\"xid\":[{\"xid\":\"" XID_PHONE
                                           "\"}],\"graph-type\":\"private\",\"version\":1.0}]");
    api_assert_text(&fixture, &answer, "clusters.0.members.2.xid", XID_PHONE);
}

static void a_mapping_is_the_members_in_one_namespace(void **state)
{
    (void)state;
    api_answer answer = get(BASE "/mapping?namespace=Email&id=" EMAIL "&targetNs=4");
    api_assert_text(&fixture, &answer, "compositeXid.ns", "Email");
    assert_int_equal(api_at(&answer, "mapping")->n, 2);
    api_assert_text(&fixture, &answer, "mapping.0.compositeXid.id", LAPTOP);
    api_assert_text(&fixture, &answer, "mapping.0.lastAssociationTime", "2000");
    answer = get(BASE "/mapping?xid=" XID_PHONE "&targetNs=email");
    api_assert_text(&fixture, &answer, "xid", XID_PHONE);
    api_assert_text(&fixture, &answer, "mapping.0.xid", XID_EMAIL);
    answer = get(BASE "/mapping?namespace=ECID&id=" NOBODY "&targetNs=6");
    api_assert_text(&fixture, &answer, "mapping", "[]");
}

/* -------- settings -------- */

#define RULES(items) "{\"namespaces\":[" items "]}"
#define RULE(code, priority, unique)                                                               \
    "{\"code\":\"" code "\",\"priority\":" priority ",\"unique\":" unique "}"

static void settings_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *body, *detail;
    } cases[] = {
        {"{}", "The body needs namespaces, a list"},
        {RULES("{\"priority\":1}"), "Each of the namespaces needs a code"},
        {RULES(RULE("Shoe", "1", "true")), "There is no namespace Shoe"},
        {RULES(RULE("Email", "2", "true")),
         "The priorities must be the numbers from 1 to 1, each once"},
        {RULES(RULE("Email", "1", "true") "," RULE("Phone", "1", "true")),
         "The priorities must be the numbers from 1 to 2, each once"},
        {RULES(RULE("Email", "1", "true") "," RULE("email", "2", "true")),
         "The namespace Email is named twice"},
        {RULES(RULE("Email", "1", "\"yes\"")), "unique must be true or false"},
        {RULES(RULE("ECID", "1", "true") "," RULE("Email", "2", "true")),
         "The namespace Email of a person must not rank below ECID, which is one of a device or "
         "cookie"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        refused("PUT", BASE "/settings", cases[i].body, cases[i].detail);
    api_answer answer = get(BASE "/settings");
    api_assert_text(&fixture, &answer, "namespaces", "[]");
}

static void settings_hold_for_later_data(void **state)
{
    (void)state;
    static const char rules[] = "[{\"code\":\"Email\",\"priority\":1,\"unique\":true},"
                                "{\"code\":\"ECID\",\"priority\":2,\"unique\":false}]";
    api_answer answer =
        api_expect(&fixture, 200, "PUT", BASE "/settings",
                   RULES(RULE("ecid", "2", "false") "," RULE("email", "1", "true")));
    api_assert_text(&fixture, &answer, "namespaces", rules);
    api_fixture_restart(&fixture);
    answer = get(BASE "/settings");
    api_assert_text(&fixture, &answer, "namespaces", rules);
    answer = get(BASE "/cluster/members?xid=" XID_PHONE);
    assert_int_equal(api_at(&answer, "clusters.0.members")->n, 3);

    /* The laptop is lent to Bea, and Ada keeps her phone. */
    see(LAPTOP, "bea@example.com", 4000, "e");
    answer = get(BASE "/cluster/members?xid=" XID_LAPTOP);
    assert_int_equal(api_at(&answer, "clusters.0.members")->n, 2);
    answer = get(BASE "/cluster/members?namespace=Email&id=" EMAIL);
    assert_int_equal(api_at(&answer, "clusters.0.members")->n, 2);
    api_assert_text(&fixture, &answer, "clusters.0.members.1.id", PHONE);
    see(LAPTOP, EMAIL, 4500, "f");
    answer = get(BASE "/cluster/members?namespace=Email&id=" EMAIL);
    assert_int_equal(api_at(&answer, "clusters.0.members")->n, 3);

    api_expect(&fixture, 200, "PUT", BASE "/settings", RULES(""));
    answer = get(BASE "/settings");
    api_assert_text(&fixture, &answer, "namespaces", "[]");
}

static void clusters_are_there_after_a_restart(void **state)
{
    (void)state;
    api_fixture_restart(&fixture);
    api_answer answer = get(BASE "/cluster/members?xid=" XID_LAPTOP);
    assert_int_equal(api_at(&answer, "clusters.0.members")->n, 3);
    see(NOBODY, NULL, 5000, "d");
    answer = get(BASE "/cluster/members?namespace=ECID&id=" NOBODY);
    assert_int_equal(api_at(&answer, "clusters.0.members")->n, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_identity_has_an_xid_whether_it_is_known_or_not),
        cmocka_unit_test(what_is_missing_or_wrong_is_named),
        cmocka_unit_test(a_thousand_identities_are_the_most),
        cmocka_unit_test(a_set_names_members_as_it_was_asked),
        cmocka_unit_test(a_graph_has_vertices_and_edges),
        cmocka_unit_test(members_of_clusters_come_in_the_older_form),
        cmocka_unit_test(a_mapping_is_the_members_in_one_namespace),
        cmocka_unit_test(settings_that_cannot_be_are_refused),
        cmocka_unit_test(settings_hold_for_later_data),
        cmocka_unit_test(clusters_are_there_after_a_restart),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
