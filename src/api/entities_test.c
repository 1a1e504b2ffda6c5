/* entities_test.c -- look-ups and deletions of profiles and events over a socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "identity/xid.h"
#include "tests/support/api_fixture.h"

#include <stdio.h>

#define ENTITIES "/data/core/ups/access/entities"
#define PROFILE  ENTITIES "?schema.name=_xdm.context.profile"
#define EVENTS   ENTITIES "?schema.name=_xdm.context.experienceevent"
#define POLICIES "/data/core/ups/config/mergePolicies"
#define NOW      API_FIXTURE_NOW_MS

#define D1 MU_STR("9261ceef0b969e70ac20f151")
#define D2 MU_STR("6ef9086b892fba957bbdeab1")
#define D3 MU_STR("4b5e57f6eb2f42b9039b3d1e")
#define D5 MU_STR("90e5478be77d3cad10005e9d")

#define ECID_VALUE "83905390261353196691980241222855773941"

static const mu_identity crm = {{"lumaCrmId", 9}, {"CRM-100080", 10}};
static const mu_identity ecid = {{"ECID", 4}, {ECID_VALUE, 38}};
static const mu_identity both[] = {{{"lumaCrmId", 9}, {"CRM-100080", 10}},
                                   {{"ECID", 4}, {ECID_VALUE, 38}}};

static api_fixture fixture;

#define assert_done(call, err)                                                                     \
    do {                                                                                           \
        if ((call) != MU_OK)                                                                       \
            fail_msg("%s", (err).text);                                                            \
    } while (0)

static void append(mu_record record)
{
    mu_sandbox *sandbox = mu_live_find_sandbox(fixture.live, MU_STR("prod"));
    uint64_t sequence;
    mu_err err;
    assert_non_null(sandbox);
    record.sandbox = MU_STR("prod");
    assert_done(mu_sandbox_append(sandbox, 1, &record, &sequence, &err), err);
    assert_done(mu_live_wait(fixture.live, sequence, &err), err);
}

static int start(void **state)
{
    (void)state;
    api_fixture_start(&fixture);
    append((mu_record){
        .kind = MU_RECORD_SETTINGS,
        .document = MU_STR("{\"namespaces\":[{\"code\":\"lumaCrmId\",\"id\":10000001,\"idType\":"
                           "\"CROSS_DEVICE\",\"priority\":1,\"unique\":true},{\"code\":\"ECID\","
                           "\"id\":4,\"idType\":\"COOKIE\",\"priority\":2,\"unique\":false}]}")});
    return 0;
}

static int stop(void **state)
{
    (void)state;
    api_fixture_stop(&fixture);
    return 0;
}

static void create(const mu_identity *identity, mu_str dataset, int64_t received_ms,
                   const char *document)
{
    append((mu_record){.kind = MU_RECORD_CREATE,
                       .dataset = dataset,
                       .batch = MU_STR("1584479347507:2153:240"),
                       .received_ms = received_ms,
                       .n_identities = 1,
                       .identities = identity,
                       .document = mu_str_from(document)});
}

static void add_event(const mu_identity *identity, mu_str dataset, const char *id, int64_t time_ms,
                      const char *more)
{
    char document[512];
    snprintf(document, sizeof document, "{\"_id\":\"%s\"%s}", id, more);
    append((mu_record){.kind = MU_RECORD_EVENT,
                       .dataset = dataset,
                       .received_ms = NOW,
                       .time_ms = time_ms,
                       .key = mu_str_from(id),
                       .n_identities = 1,
                       .identities = identity,
                       .document = mu_str_from(document)});
}

static void link_both(void)
{
    append((mu_record){.kind = MU_RECORD_EVENT,
                       .dataset = D3,
                       .received_ms = NOW,
                       .time_ms = NOW - 1,
                       .key = MU_STR("link"),
                       .n_identities = 2,
                       .identities = both,
                       .n_linked = 2,
                       .document = MU_STR("{\"_id\":\"link\"}")});
}

static void add_farah(void)
{
    create(&crm, D1, NOW - 9000,
           "{\"person\":{\"name\":{\"firstName\":\"Farah\",\"lastName\":\"Nadir\"}},"
           "\"homeAddress\":{\"city\":\"Leeds\",\"street1\":\"1 Oak Street\"}}");
    create(&crm, D2, NOW - 5000, "{\"person\":{\"name\":{\"firstName\":\"Fara\"}}}");
    create(&crm, D5, NOW - 1000,
           "{\"homeAddress\":{\"city\":\"York\"},\"person\":{\"birthDate\":\"1988-02-29\"}}");
}

static const char *xid_of(uint32_t namespace_id, mu_str value)
{
    mu_xid xid = mu_identity_xid(namespace_id, value);
    return mu_arena_copy(&fixture.arena, mu_xid_str(&xid)).ptr;
}

static const char *crm_xid(void)
{
    return xid_of(10000001, crm.value);
}

static const char *below(const char *key, const char *path)
{
    return mu_arena_format(&fixture.arena, "%s.%s", key, path).ptr;
}

static api_answer get(unsigned status, const char *path)
{
    return api_expect(&fixture, status, "GET", path, NULL);
}

static void assert_at(const api_answer *answer, const char *key, const char *path,
                      const char *expected)
{
    api_assert_text(&fixture, answer, below(key, path), expected);
}

/* -------- profiles -------- */

static void a_profile_is_found_by_namespace_and_by_xid(void **state)
{
    (void)state;
    add_farah();
    api_answer answer = get(200, PROFILE "&entityId=CRM-100080&entityIdNS=lumacrmid");
    const char *key = crm_xid();
    assert_int_equal(answer.json.n, 1);
    assert_at(&answer, key, "entityId", key);
    assert_at(&answer, key, "entity.person.name.firstName", "Fara");
    assert_at(&answer, key, "entity.person.birthDate", "1988-02-29");
    assert_at(&answer, key, "entity.homeAddress",
              "{\"street1\":\"1 Oak Street\",\"city\":\"York\"}");
    assert_at(&answer, key, "sources",
              "[\"90e5478be77d3cad10005e9d\",\"6ef9086b892fba957bbdeab1\","
              "\"9261ceef0b969e70ac20f151\"]");
    assert_at(&answer, key, "tags", "[\"1584479347507:2153:240\"]");
    assert_at(&answer, key, "entity.identityMap", "{\"lumaCrmId\":[{\"id\":\"CRM-100080\"}]}");
    assert_at(&answer, key, "lastModifiedAt", "2025-12-31T23:59:59Z");
    assert_true(api_at(&answer, below(key, "mergePolicy.id")) != NULL);
    assert_null(api_at(&answer, below(key, "entity.identities")));
    assert_null(api_at(&answer, below(key, "entity.$fragments")));

    char path[256];
    snprintf(path, sizeof path, PROFILE "&entityId=%s", key);
    api_answer same = get(200, path);
    assert_true(mu_str_equal(same.body, answer.body));
    same = get(200, PROFILE "&entityId=CRM-100080&entityIdNS=10000001");
    assert_true(mu_str_equal(same.body, answer.body));
}

static void fields_choose_subtrees(void **state)
{
    (void)state;
    add_farah();
    api_answer answer =
        get(200, PROFILE "&entityId=CRM-100080&entityIdNS=lumaCrmId"
                         "&fields=identities,person.name.lastName,homeAddress,loyalty.tier");
    const char *key = crm_xid();
    assert_at(&answer, key, "entity",
              "{\"person\":{\"name\":{\"lastName\":\"Nadir\"}},"
              "\"homeAddress\":{\"street1\":\"1 Oak Street\",\"city\":\"York\"},"
              "\"identities\":[{\"id\":\"CRM-100080\",\"namespace\":{\"code\":\"lumaCrmId\"},"
              "\"primary\":true}]}");
}

static void the_key_is_the_identity_that_was_asked_for(void **state)
{
    (void)state;
    add_farah();
    link_both();
    api_answer answer = get(200, PROFILE "&entityId=" ECID_VALUE "&entityIdNS=ECID"
                                         "&fields=identities,identityMap");
    const char *key = xid_of(4, ecid.value);
    assert_at(&answer, key, "entityId", key);
    assert_at(&answer, key, "entity.identityMap",
              "{\"ECID\":[{\"id\":\"" ECID_VALUE "\"}],\"lumaCrmId\":[{\"id\":\"CRM-100080\"}]}");
    assert_at(&answer, key, "entity.identities.0.id", ECID_VALUE);
    assert_at(&answer, key, "entity.identities.1.primary", "true");
    assert_at(&answer, key, "identityGraph.0", crm_xid());
    assert_at(&answer, key, "identityGraph.1", key);
}

static const char *new_policy(const char *body)
{
    api_answer answer = api_expect(&fixture, 200, "POST", POLICIES, body);
    return api_text(&fixture, &answer, "id");
}

static void a_merge_policy_decides(void **state)
{
    (void)state;
    char path[256];
    add_farah();
    link_both();
    const char *key = crm_xid();
    const char *m2 = new_policy(
        "{\"name\":\"M2\",\"schema\":{\"name\":\"_xdm.context.profile\"},"
        "\"identityGraph\":{\"type\":\"pdg\"},\"attributeMerge\":{\"type\":\"dataSetPrecedence\","
        "\"order\":[\"9261ceef0b969e70ac20f151\",\"6ef9086b892fba957bbdeab1\"]}}");
    snprintf(path, sizeof path,
             PROFILE "&entityId=CRM-100080&entityIdNS=lumaCrmId&mergePolicyId=%s", m2);
    api_answer answer = get(200, path);
    assert_at(&answer, key, "mergePolicy.id", m2);
    assert_at(&answer, key, "entity.person.name.firstName", "Farah");
    assert_at(&answer, key, "entity.homeAddress.city", "Leeds");
    assert_at(&answer, key, "sources",
              "[\"9261ceef0b969e70ac20f151\",\"6ef9086b892fba957bbdeab1\"]");
    snprintf(path, sizeof path, EVENTS "&relatedEntityId=%s&mergePolicyId=%s", key, m2);
    answer = get(200, path);
    api_assert_text(&fixture, &answer, "_page.count", "0");

    const char *alone =
        new_policy("{\"name\":\"Alone\",\"schema\":{\"name\":\"_xdm.context.profile\"},"
                   "\"identityGraph\":{\"type\":\"none\"},\"attributeMerge\":{\"type\":"
                   "\"timestampOrdered\"}}");
    snprintf(path, sizeof path, PROFILE "&entityId=" ECID_VALUE "&entityIdNS=ECID&mergePolicyId=%s",
             alone);
    answer = get(404, path);
    assert_true(mu_str_equal(answer.body, MU_STR("{\"statusCode\":\"404\"}")));
    snprintf(path, sizeof path,
             PROFILE "&entityId=CRM-100080&entityIdNS=lumaCrmId&mergePolicyId=%s", alone);
    answer = get(200, path);
    assert_int_equal(api_at(&answer, below(key, "identityGraph"))->n, 1);
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        ENTITIES,
        ENTITIES "?schema.name=nothing&entityId=a&entityIdNS=Email",
        PROFILE,
        PROFILE "&entityId=a%40example.com",
        PROFILE "&entityId=a%40example.com&entityIdNS=nothing",
        PROFILE "&entityId=a&entityIdNS=Email&mergePolicyId=nothing",
        EVENTS "&entityId=a&entityIdNS=Email&limit=0",
        EVENTS "&entityId=a&entityIdNS=Email&limit=x",
        EVENTS "&entityId=a&entityIdNS=Email&orderby=name",
        EVENTS "&entityId=a&entityIdNS=Email&startTime=yesterday",
        EVENTS "&entityId=a&entityIdNS=Email&property=a",
        EVENTS "&entityId=a&entityIdNS=Email&property=a%3D1&property=b%3D1&property=c%3D1"
               "&property=d%3D1",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        api_answer answer = get(400, wrong[i]);
        api_assert_text(&fixture, &answer, "statusCode", "400");
        assert_true(strlen(api_text(&fixture, &answer, "message")) > 10);
    }
    api_answer answer = get(404, PROFILE "&entityId=a%40example.com&entityIdNS=Email");
    assert_true(mu_str_equal(answer.body, MU_STR("{\"statusCode\":\"404\"}")));
    get(404, PROFILE "&entityId=oQAAAAQAAAAAAAAAAAAAAAAAAAAA");
    get(404, ENTITIES "?schema.name=_xdm.context.account&entityId=a&entityIdNS=Email");
}

static void memberships_that_ended_are_left_out(void **state)
{
    (void)state;
    create(&crm, D1, NOW,
           "{\"segmentMembership\":{\"AAM\":{"
           "\"s1\":{\"lastQualificationTime\":\"2025-12-20T00:00:00Z\",\"status\":\"realized\"},"
           "\"s2\":{\"lastQualificationTime\":\"2025-12-20T00:00:00Z\","
           "\"validUntil\":\"2025-12-31T23:59:59Z\"},"
           "\"s3\":{\"lastQualificationTime\":\"2025-11-20T00:00:00Z\",\"status\":\"exited\"},"
           "\"s4\":{\"lastQualificationTime\":\"2025-11-20T00:00:00Z\",\"status\":\"realized\"},"
           "\"s5\":{\"lastQualificationTime\":\"2025-01-01T00:00:00Z\","
           "\"validUntil\":\"2026-12-31T00:00:00Z\"}}}}");
    api_answer answer =
        get(200, PROFILE "&entityId=CRM-100080&entityIdNS=lumaCrmId&fields=segmentMembership");
    const mu_json *items = api_at(&answer, below(crm_xid(), "entity.segmentMembership.AAM"));
    assert_non_null(items);
    assert_int_equal(items->n, 2);
    assert_true(mu_str_equal(items->names[0], MU_STR("s1")));
    assert_true(mu_str_equal(items->names[1], MU_STR("s5")));
}

/* -------- many at once -------- */

static void many_profiles_are_answered_by_xid(void **state)
{
    (void)state;
    add_farah();
    api_answer answer = api_expect(
        &fixture, 200, "POST", ENTITIES,
        "{\"schema\":{\"name\":\"_xdm.context.profile\"},\"fields\":[\"person.name\"],"
        "\"identities\":[{\"entityId\":\"CRM-100080\",\"entityIdNS\":{\"code\":\"lumaCrmId\"}},"
        "{\"entityId\":\"CRM-100080\",\"entityIdNS\":{\"id\":10000001}},"
        "{\"entityId\":\"x@example.com\",\"entityIdNS\":{\"code\":\"email\"}}]}");
    assert_int_equal(answer.json.n, 2);
    const char *key = crm_xid();
    assert_at(&answer, key, "entity",
              "{\"person\":{\"name\":{\"firstName\":\"Fara\",\"lastName\":\"Nadir\"}}}");
    assert_at(&answer, key, "requestedIdentity",
              "{\"entityId\":\"CRM-100080\",\"entityIdNS\":{\"code\":\"lumaCrmId\"}}");
    key = xid_of(6, MU_STR("x@example.com"));
    assert_at(&answer, key, "sources", "[\"\"]");
    assert_at(&answer, key, "entity", "{}");
    assert_at(&answer, key, "lastModifiedAt", "1970-01-01T00:00:00Z");
    assert_at(&answer, key, "entityId", key);
}

static void bad_bodies_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"schema\":{\"name\":\"_xdm.context.profile\"}}",
        "{\"schema\":{\"name\":\"_xdm.context.profile\"},\"identities\":[]}",
        "{\"schema\":{\"name\":\"_xdm.context.profile\"},\"identities\":[1]}",
        "{\"schema\":{\"name\":\"_xdm.context.profile\"},\"identities\":[{}]}",
        "{\"schema\":{\"name\":\"_xdm.context.profile\"},\"identities\":[{\"entityId\":\"x\"}]}",
        "{\"schema\":{\"name\":\"_xdm.context.profile\"},\"fields\":\"x\",\"identities\":[{}]}",
        "{\"schema\":{\"name\":1},\"identities\":[{}]}",
        "{\"schema\":{\"name\":\"_xdm.context.experienceevent\"},\"limit\":true,\"identities\":"
        "[{\"entityId\":\"a\",\"entityIdNS\":{\"code\":\"Email\"}}]}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        api_expect(&fixture, 400, "POST", ENTITIES, bad[i]);
}

/* -------- events -------- */

static void add_three_events(void)
{
    add_event(&crm, D3, "e1", NOW - 3000,
              ",\"eventType\":\"commerce.purchases\",\"commerce\":{\"order\":{\"priceTotal\":10}},"
              "\"unknownField\":{\"a\":1}");
    add_event(&crm, D3, "e2", NOW - 2000,
              ",\"eventType\":\"commerce.productViews\",\"productListItems\":[{\"SKU\":\"a\"},"
              "{\"SKU\":\"b\"}]");
    add_event(&crm, D3, "e3", NOW - 2000, ",\"commerce\":{\"order\":{\"priceTotal\":20.5}}");
}

#define CRM_EVENTS                                                                                 \
    EVENTS "&entityId=CRM-100080&entityIdNS=lumaCrmId&relatedSchema.name=_xdm.context.profile"     \
           "&relatedEntityId=CRM-100080&relatedEntityIdNS=lumaCrmId"

static void events_come_in_the_order_of_time(void **state)
{
    (void)state;
    add_three_events();
    api_answer answer = get(200, CRM_EVENTS);
    api_assert_text(&fixture, &answer, "_page.count", "3");
    api_assert_text(&fixture, &answer, "_page.start", "e1");
    api_assert_text(&fixture, &answer, "_page.next", "");
    api_assert_text(&fixture, &answer, "_page.orderby", "timestamp");
    api_assert_text(&fixture, &answer, "_links.next.href", "");
    api_assert_text(&fixture, &answer, "children.0.entityId", "e1");
    api_assert_text(&fixture, &answer, "children.0.relatedEntityId", crm_xid());
    api_assert_text(&fixture, &answer, "children.0.timestamp", "1767225597000");
    api_assert_text(&fixture, &answer, "children.0.lastModifiedAt", "2026-01-01T00:00:00Z");
    api_assert_text(&fixture, &answer, "children.0.entity.unknownField.a", "1");
    api_assert_text(&fixture, &answer, "children.0.entity.timestamp", "2025-12-31T23:59:57Z");
    api_assert_text(&fixture, &answer, "children.2.entityId", "e3");
    assert_null(api_at(&answer, "children.0.entity.$dataset"));
    answer = get(200, CRM_EVENTS "&orderby=-timestamp&fields=eventType");
    api_assert_text(&fixture, &answer, "children.0.entityId", "e3");
    api_assert_text(&fixture, &answer, "children.1.entity",
                    "{\"eventType\":\"commerce.productViews\"}");
    get(200, CRM_EVENTS "&orderby=+timestamp");
}

static void nobody_has_no_events(void **state)
{
    (void)state;
    api_answer answer = get(200, EVENTS "&entityId=x%40example.com&entityIdNS=Email");
    api_assert_text(&fixture, &answer, "children", "[]");
    api_assert_text(&fixture, &answer, "_page.start", "");
    api_assert_text(&fixture, &answer, "_links.next.href", "");
}

static void events_are_filtered(void **state)
{
    (void)state;
    static const struct {
        const char *query, *ids;
    } cases[] = {
        {"&startTime=1767225598000", "e2 e3"},
        {"&endTime=1767225598000", "e1"},
        {"&startTime=1767225597&endTime=1767225598", "e1"},
        {"&property=eventType%20%3D%20%22commerce.purchases%22", "e1"},
        {"&property=eventType!%3Dcommerce.purchases", "e2 e3"},
        {"&property=productListItems.SKU%3Db", "e2"},
        {"&property=commerce.order.priceTotal%3E%3D10", "e1 e3"},
        {"&property=commerce.order.priceTotal%3C20.5", "e1"},
        {"&property=timestamp%3E2025-12-31T23:59:57Z", "e2 e3"},
        {"&property=commerce.order.priceTotal%3E%3D10&property=commerce.order.priceTotal%3E10",
         "e3"},
        {"&property=nothing.at.all%3D1", ""},
    };
    add_three_events();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[512], ids[64] = "";
        snprintf(path, sizeof path, CRM_EVENTS "%s", cases[i].query);
        api_answer answer = get(200, path);
        const mu_json *children = api_at(&answer, "children");
        for (uint32_t c = 0; c < children->n; c++) {
            mu_str id = mu_json_member_string(&children->items[c], MU_STR("entityId"), MU_STR(""));
            size_t len = strlen(ids);
            snprintf(ids + len, sizeof ids - len, "%s" MU_STR_FMT, c == 0 ? "" : " ",
                     MU_STR_ARG(id));
        }
        assert_string_equal(ids, cases[i].ids);
    }
}

/* Follows the links of pages as clients do: `start` of the link, or `offsets` beside the first
 * request's own parameters. */
static void follow_pages(const char *order, bool by_offsets, const char *expected)
{
    char path[512], seen[256] = "";
    snprintf(path, sizeof path, CRM_EVENTS "&limit=2&orderby=%s", order);
    for (int page = 0; page < 10; page++) {
        api_answer answer = get(200, path);
        const mu_json *children = api_at(&answer, "children");
        assert_true(children->n <= 2);
        for (uint32_t c = 0; c < children->n; c++) {
            mu_str id = mu_json_member_string(&children->items[c], MU_STR("entityId"), MU_STR(""));
            size_t len = strlen(seen);
            snprintf(seen + len, sizeof seen - len, MU_STR_FMT " ", MU_STR_ARG(id));
        }
        const char *href = api_text(&fixture, &answer, "_links.next.href");
        if (href[0] == '\0') {
            api_assert_text(&fixture, &answer, "_page.next", "");
            break;
        }
        if (by_offsets) {
            const char *offsets = strstr(href, "offsets=");
            assert_non_null(offsets);
            int len = (int)strcspn(offsets, "&");
            snprintf(path, sizeof path, CRM_EVENTS "&limit=2&orderby=%s&%.*s", order, len, offsets);
        } else {
            snprintf(path, sizeof path, "/data/core/ups/access%s", href);
        }
    }
    assert_string_equal(seen, expected);
}

static void pages_are_followed_by_start_and_by_offsets(void **state)
{
    (void)state;
    for (int i = 0; i < 7; i++) {
        char id[16];
        snprintf(id, sizeof id, "e%d", i);
        add_event(&crm, D3, id, NOW - 1000 + i / 3, "");
    }
    follow_pages("timestamp", false, "e0 e1 e2 e3 e4 e5 e6 ");
    follow_pages("timestamp", true, "e0 e1 e2 e3 e4 e5 e6 ");
    follow_pages("-timestamp", false, "e6 e5 e4 e3 e2 e1 e0 ");
    follow_pages("%2Btimestamp", true, "e0 e1 e2 e3 e4 e5 e6 ");
    api_answer answer = get(200, CRM_EVENTS "&limit=2&start=e3");
    api_assert_text(&fixture, &answer, "_page.start", "e3");
    api_assert_text(&fixture, &answer, "_page.next", "e5");
    get(400, CRM_EVENTS "&start=nothing");
}

static void pages_of_many_are_followed_by_payload(void **state)
{
    (void)state;
    char body[512];
    add_three_events();
    snprintf(body, sizeof body,
             "{\"schema\":{\"name\":\"_xdm.context.experienceevent\"},\"relatedSchema\":{\"name\":"
             "\"_xdm.context.profile\"},\"limit\":2,\"identities\":[{\"relatedEntityId\":\"%s\"},"
             "{\"relatedEntityId\":\"x@example.com\",\"relatedEntityIdNS\":{\"code\":\"Email\"}}]}",
             crm_xid());
    api_answer answer = api_expect(&fixture, 200, "POST", ENTITIES, body);
    assert_int_equal(answer.json.n, 2);
    assert_at(&answer, crm_xid(), "_page.count", "2");
    assert_at(&answer, crm_xid(), "_links.next.href", "/entities");
    assert_at(&answer, xid_of(6, MU_STR("x@example.com")), "_links.next.href", "");
    const char *payload = api_text(&fixture, &answer, below(crm_xid(), "_links.next.payload"));
    answer = api_expect(&fixture, 200, "POST", ENTITIES, payload);
    assert_int_equal(answer.json.n, 1);
    assert_at(&answer, crm_xid(), "_page.count", "1");
    assert_at(&answer, crm_xid(), "children.0.entityId", "e3");
    assert_at(&answer, crm_xid(), "_links.next.href", "");
}

/* -------- clusters beyond the limit -------- */

#define N_TOO_MANY 51u

/* Ingestion never makes such a cluster: an older state of the folder may hold one. */
static void write_large_cluster(api_fixture *f)
{
    mu_graph_identity *identities = MU_NEW_ARRAY(&f->arena, mu_graph_identity, N_TOO_MANY);
    mu_graph_edge *edges = MU_NEW_ARRAY(&f->arena, mu_graph_edge, N_TOO_MANY - 1);
    for (uint32_t i = 0; i < N_TOO_MANY; i++) {
        identities[i].identity =
            (mu_identity){MU_STR("Email"), mu_arena_format(&f->arena, "%u@example.com", i)};
        if (i > 0)
            edges[i - 1] = (mu_graph_edge){.a = i - 1, .b = i};
    }
    mu_graph_cluster cluster = {.n_identities = N_TOO_MANY,
                                .identities = identities,
                                .n_edges = N_TOO_MANY - 1,
                                .edges = edges};
    const mu_applied_record applied = {
        .sequence = 1,
        .record = {.kind = MU_RECORD_CREATE,
                   .dataset = D1,
                   .n_identities = 1,
                   .identities = &identities[0].identity,
                   .document = MU_STR("{\"person\":{\"gender\":\"female\"}}")}};
    mu_store *store;
    mu_snapshot *snapshot;
    mu_change *change;
    mu_part_writer *writer;
    mu_content content;
    mu_value row;
    mu_err err;
    assert_done(mu_store_open(f->folder, MU_STR("prod"), MU_STORE_WRITE, &store, &err), err);
    assert_done(mu_snapshot_acquire(store, &snapshot, &err), err);
    const mu_schema *schema = mu_snapshot_schema(snapshot);
    assert_done(mu_change_begin(store, &change, &err), err);
    assert_done(mu_change_new_pids(change, MU_STR("profile"), 1, &cluster.pid, &err), err);
    assert_done(mu_content_gather(&f->arena, schema, &cluster, 0, NULL, &content, &err), err);
    assert_done(mu_content_apply(&f->arena, schema, &content, 1, &applied, &err), err);
    assert_done(mu_content_row(&f->arena, schema, &content, &row, &err), err);
    assert_done(mu_part_writer_new(change, MU_STR("profile"), schema->row, &writer, &err), err);
    assert_done(mu_part_writer_add(writer, cluster.pid, identities[0].identity, row, &err), err);
    assert_done(mu_part_writer_finish(writer, &err), err);
    assert_done(mu_change_commit(change, &err), err);
    mu_snapshot_release(snapshot);
    mu_store_close(store);
}

static void a_cluster_beyond_the_limit_is_refused(void **state)
{
    (void)state;
    api_fixture_restart_after(&fixture, write_large_cluster);
    add_farah();
    api_answer answer = get(422, PROFILE "&entityId=7%40example.com&entityIdNS=Email");
    api_assert_text(&fixture, &answer, "message", "Too many related identities");
    api_assert_text(&fixture, &answer, "statusCode", "422");
    get(422, EVENTS "&entityId=7%40example.com&entityIdNS=Email");
    const char *alone =
        new_policy("{\"name\":\"Alone\",\"schema\":{\"name\":\"_xdm.context.profile\"},"
                   "\"identityGraph\":{\"type\":\"none\"},\"attributeMerge\":{\"type\":"
                   "\"timestampOrdered\"}}");
    char path[256];
    snprintf(path, sizeof path,
             PROFILE "&entityId=0%%40example.com&entityIdNS=Email&mergePolicyId=%s", alone);
    get(200, path);
    answer = api_expect(
        &fixture, 207, "POST", ENTITIES,
        "{\"schema\":{\"name\":\"_xdm.context.profile\"},\"fields\":[\"person.name.firstName\"],"
        "\"identities\":[{\"entityId\":\"7@example.com\",\"entityIdNS\":{\"code\":\"Email\"}},"
        "{\"entityId\":\"CRM-100080\",\"entityIdNS\":{\"code\":\"lumaCrmId\"}}]}");
    assert_int_equal(answer.json.n, 2);
    api_assert_text(&fixture, &answer, "0.xid", xid_of(6, MU_STR("7@example.com")));
    api_assert_text(&fixture, &answer, "0.error.statusCode", "422");
    api_assert_text(&fixture, &answer, "1.xid", crm_xid());
    api_assert_text(&fixture, &answer, "1.result.entity.person.name.firstName", "Fara");
}

/* -------- labels -------- */

static void what_is_labelled_c12_is_left_out(void **state)
{
    (void)state;
    mu_err err;
    const mu_document_edit edits[] = {
        {.action = MU_DOCUMENT_PUT,
         .kind = MU_STR("datasetLabels"),
         .id = D1,
         .json = MU_STR("{\"labels\":[\"C1\"],\"optionalLabels\":[{\"option\":{\"schemaPath\":"
                        "\"/properties/person/properties/name/properties/lastName\"},"
                        "\"labels\":[\"C12\"]},{\"option\":{\"schemaPath\":\"/properties/"
                        "homeAddress\"},\"labels\":[\"C2\"]}]}")},
        {.action = MU_DOCUMENT_PUT,
         .kind = MU_STR("datasetLabels"),
         .id = D5,
         .json = MU_STR("{\"labels\":[\"C12\"],\"optionalLabels\":[]}")},
    };
    add_farah();
    add_event(&crm, D5, "hidden", NOW, "");
    add_event(&crm, D3, "shown", NOW, "");
    assert_done(mu_document_edit_all(fixture.documents, MU_STR("prod"), NOW, 2, edits, &err), err);
    api_answer answer = get(200, PROFILE "&entityId=CRM-100080&entityIdNS=lumaCrmId");
    assert_at(&answer, crm_xid(), "entity.person", "{\"name\":{\"firstName\":\"Fara\"}}");
    assert_at(&answer, crm_xid(), "entity.homeAddress.city", "Leeds");
    assert_at(&answer, crm_xid(), "sources",
              "[\"6ef9086b892fba957bbdeab1\",\"9261ceef0b969e70ac20f151\"]");
    answer = get(200, CRM_EVENTS);
    api_assert_text(&fixture, &answer, "_page.count", "1");
    api_assert_text(&fixture, &answer, "children.0.entityId", "shown");
}

/* -------- deletion -------- */

static void a_deleted_profile_is_gone_with_its_cluster(void **state)
{
    (void)state;
    add_farah();
    link_both();
    add_event(&ecid, D3, "anonymous", NOW - 5, "");
    api_answer answer = api_expect(&fixture, 202, "DELETE",
                                   PROFILE "&entityId=" ECID_VALUE "&entityIdNS=ECID", NULL);
    assert_int_equal(answer.body.len, 0);
    get(404, PROFILE "&entityId=CRM-100080&entityIdNS=lumaCrmId");
    get(404, PROFILE "&entityId=" ECID_VALUE "&entityIdNS=ECID");
    answer = get(200, CRM_EVENTS);
    api_assert_text(&fixture, &answer, "_page.count", "0");
    api_expect(&fixture, 404, "DELETE", PROFILE "&entityId=CRM-100080&entityIdNS=lumaCrmId", NULL);
    api_expect(&fixture, 400, "DELETE", CRM_EVENTS, NULL);
    api_expect(&fixture, 400, "DELETE", PROFILE, NULL);
    create(&crm, D1, NOW, "{\"person\":{\"gender\":\"female\"}}");
    answer = get(200, PROFILE "&entityId=CRM-100080&entityIdNS=lumaCrmId");
    assert_at(&answer, crm_xid(), "entity.person", "{\"gender\":\"female\"}");
    assert_int_equal(api_at(&answer, below(crm_xid(), "identityGraph"))->n, 1);
}

static void without_a_graph_only_the_identity_is_deleted(void **state)
{
    (void)state;
    char path[256];
    add_farah();
    link_both();
    add_event(&ecid, D3, "anonymous", NOW - 5, "");
    const char *alone =
        new_policy("{\"name\":\"Alone\",\"schema\":{\"name\":\"_xdm.context.profile\"},"
                   "\"identityGraph\":{\"type\":\"none\"},\"attributeMerge\":{\"type\":"
                   "\"timestampOrdered\"}}");
    snprintf(path, sizeof path, PROFILE "&entityId=" ECID_VALUE "&entityIdNS=ECID&mergePolicyId=%s",
             alone);
    api_expect(&fixture, 202, "DELETE", path, NULL);
    get(404, path);
    api_answer answer = get(200, CRM_EVENTS);
    api_assert_text(&fixture, &answer, "_page.count", "1");
    api_assert_text(&fixture, &answer, "children.0.entityId", "link");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_profile_is_found_by_namespace_and_by_xid),
        TEST(fields_choose_subtrees),
        TEST(the_key_is_the_identity_that_was_asked_for),
        TEST(a_merge_policy_decides),
        TEST(what_is_wrong_is_said),
        TEST(memberships_that_ended_are_left_out),
        TEST(many_profiles_are_answered_by_xid),
        TEST(bad_bodies_are_refused),
        TEST(events_come_in_the_order_of_time),
        TEST(nobody_has_no_events),
        TEST(events_are_filtered),
        TEST(pages_are_followed_by_start_and_by_offsets),
        TEST(pages_of_many_are_followed_by_payload),
        TEST(a_cluster_beyond_the_limit_is_refused),
        TEST(what_is_labelled_c12_is_left_out),
        TEST(a_deleted_profile_is_gone_with_its_cluster),
        TEST(without_a_graph_only_the_identity_is_deleted),
    };
    return cmocka_run_group_tests_name("api/entities", tests, NULL, NULL);
}
