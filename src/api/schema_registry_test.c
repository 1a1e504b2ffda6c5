/* schema_registry_test.c -- the schema registry over HTTP (profile.md (a), 0.4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/registry_cache.h"
#include "tests/support/api_fixture.h"
#include "tests/support/luma_registry.h"

#include <stdatomic.h>
#include <stdio.h>

#define REGISTRY "/data/foundation/schemaregistry"
#define PROFILE  "https://ns.adobe.com/xdm/context/profile"
#define EVENT    "https://ns.adobe.com/xdm/context/experienceevent"

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

/* -------- helpers -------- */

static const char *format_text(const char *format, ...) MU_PRINTF(1, 2);
static const char *format_text(const char *format, ...)
{
    char out[8192];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(out, sizeof out, format, args);
    va_end(args);
    assert_true(n >= 0 && (size_t)n < sizeof out);
    return mu_arena_copy(&fixture.arena, mu_str_from(out)).ptr;
}

/* Percent-encodes an id for a path. */
static const char *encoded(const char *id)
{
    mu_buf buf;
    mu_buf_init(&buf, 4096);
    for (; *id != 0; id++) {
        if (*id == '/' || *id == ':')
            mu_buf_add_format(&buf, "%%%02X", (unsigned char)*id);
        else
            mu_buf_add_char(&buf, *id);
    }
    const char *out = mu_arena_copy(&fixture.arena, mu_buf_str(&buf)).ptr;
    mu_buf_free(&buf);
    return out;
}

static api_answer get_as(const char *path, const char *accept)
{
    return api_send_headers(&fixture, "GET", path,
                            format_text("Authorization: Bearer x\r\nx-api-key: k\r\n"
                                        "x-gw-ims-org-id: " API_FIXTURE_ORGANIZATION "\r\n"
                                        "x-sandbox-name: prod\r\nAccept: %s\r\n",
                                        accept),
                            MU_STR(""));
}

static api_answer expect_as(unsigned status, const char *path, const char *accept)
{
    api_answer answer = get_as(path, accept);
    if (answer.status != status)
        fail_msg("%s as %s: %u\n" MU_STR_FMT, path, accept, answer.status, MU_STR_ARG(answer.body));
    return answer;
}

static const char *create(const char *collection, const char *body)
{
    api_answer answer =
        api_expect(&fixture, 201, "POST", format_text(REGISTRY "/tenant/%s", collection), body);
    return api_text(&fixture, &answer, "$id");
}

#define LUMA_GROUP                                                                                 \
    "{\"title\":\"Luma fields\",\"type\":\"object\",\"meta:intendedToExtend\":[\"" PROFILE "\"],"  \
    "\"definitions\":{\"customFields\":{\"properties\":{\"_luma\":{\"type\":\"object\","           \
    "\"properties\":{\"crmId\":{\"title\":\"CRM id\",\"type\":\"string\"},"                        \
    "\"score\":{\"type\":\"%s\"}}}}}},\"allOf\":[{\"$ref\":\"#/definitions/customFields\"}]}"

static const char *create_schema(const char *title, const char *class_id, const char *group,
                                 bool in_union)
{
    return create(
        "schemas",
        format_text("{\"title\":\"%s\",\"type\":\"object\",%s\"allOf\":[{\"$ref\":\"%s\"},"
                    "{\"$ref\":\"%s\"}]}",
                    title, in_union ? "\"meta:immutableTags\":[\"union\"]," : "", class_id, group));
}

/* -------- the built-in container -------- */

static void the_global_container_is_listed(void **state)
{
    (void)state;
    api_answer answer =
        expect_as(200, REGISTRY "/global/classes", "application/vnd.adobe.xed-id+json");
    api_assert_text(&fixture, &answer, "_page.count", "2");
    assert_int_equal(api_at(&answer, "_page.next")->kind, MU_JSON_NULL);
    api_assert_text(&fixture, &answer, "results.1.$id", PROFILE);
    api_assert_text(&fixture, &answer, "results.1.meta:altId", "_xdm.context.profile");
    api_assert_text(&fixture, &answer, "results.1.title", "XDM Individual Profile");
    api_assert_text(&fixture, &answer, "results.1.version", "1.0");
    assert_int_equal(api_at(&answer, "results.1")->n, 4);
    answer = expect_as(200, REGISTRY "/global/behaviors/", "application/vnd.adobe.xed+json");
    api_assert_text(&fixture, &answer, "_page.count", "3");
    answer = expect_as(200, REGISTRY "/global/mixins?property=meta:intendedToExtend==" EVENT,
                       "application/vnd.adobe.xdm+json");
    api_assert_text(&fixture, &answer, "_page.count", "9");
    answer =
        expect_as(200, REGISTRY "/global/schemas?limit=300", "application/vnd.adobe.xed-id+json");
    api_assert_text(&fixture, &answer, "_page.count", "0");
    assert_int_equal(api_send(&fixture, "POST", REGISTRY "/global/classes", "{}").status, 405);
}

static void lookups_render_as_the_accept_header_says(void **state)
{
    (void)state;
    const char *path =
        format_text(REGISTRY "/global/fieldgroups/%s", encoded("https://ns.adobe.com/xdm/context/"
                                                               "profile-person-details"));
    api_answer answer = expect_as(200, path, "application/vnd.adobe.xed+json; version=1");
    api_assert_text(&fixture, &answer, "properties.person.$ref",
                    "https://ns.adobe.com/xdm/context/person");
    api_assert_text(&fixture, &answer, "meta:resourceType", "mixins");
    api_assert_text(&fixture, &answer, "meta:containerId", "global");
    answer = expect_as(200, path, "application/vnd.adobe.xed-full+json;version=1.0");
    api_assert_text(&fixture, &answer, "properties.person.properties.name.properties.firstName",
                    "{\"title\":\"First name\",\"type\":\"string\",\"meta:xdmType\":\"string\"}");
    api_assert_text(&fixture, &answer, "properties.person.properties.birthYear.meta:xdmType",
                    "short");
    api_assert_text(&fixture, &answer, "properties.person.properties.birthDate.meta:xdmType",
                    "date");
    answer = expect_as(200, path, "application/vnd.adobe.xdm-full-notext+json; version=1");
    api_assert_text(&fixture, &answer,
                    "properties.xdm:person.properties.xdm:name.properties.xdm:firstName",
                    "{\"type\":\"string\",\"meta:xdmType\":\"string\"}");
    assert_null(api_at(&answer, "title"));
    answer = expect_as(200, path, "application/vnd.adobe.xdm-full-flat+json; version=1");
    assert_non_null(api_at(&answer, "properties.xdm:person/xdm:name/xdm:firstName"));
    assert_null(api_at(&answer, "properties.xdm:person"));
    answer = expect_as(200, path, "application/vnd.adobe.xdm-id+json; version=1");
    assert_int_equal(answer.json.n, 4);
    answer = api_expect(&fixture, 200, "GET",
                        REGISTRY "/rpc/sampledata/_xdm.context.experienceevent", NULL);
    api_assert_text(&fixture, &answer, "timestamp", "2026-01-31T12:00:00Z");
    answer = expect_as(200, REGISTRY "/global/classes/_xdm.context.experienceevent",
                       "application/vnd.adobe.xdm-full+json; version=1");
    api_assert_text(&fixture, &answer, "required", "[\"@id\",\"xdm:timestamp\"]");
    assert_non_null(api_at(&answer, "properties.@id"));
}

static void what_cannot_be_answered_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"application/json",
                                      "application/vnd.adobe.xed+json; version=2",
                                      "application/vnd.adobe.xod+json",
                                      "application/vnd.adobe.xed-fuller+json",
                                      "application/vnd.adobe.xed",
                                      "text/html"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        api_answer answer = expect_as(400, REGISTRY "/global/classes/_xdm.context.profile", bad[i]);
        api_assert_text(&fixture, &answer, "type", "http://ns.adobe.com/aep/errors/XDM-1007-400");
        answer = expect_as(400, REGISTRY "/tenant/schemas", bad[i]);
        api_assert_text(&fixture, &answer, "type", "http://ns.adobe.com/aep/errors/XDM-1006-400");
        answer = expect_as(400, REGISTRY "/tenant/descriptors", bad[i]);
        api_assert_text(&fixture, &answer, "type", "http://ns.adobe.com/aep/errors/XDM-1008-400");
    }
    api_answer answer =
        api_expect(&fixture, 404, "GET", REGISTRY "/global/classes/_xdm.none", NULL);
    api_assert_text(&fixture, &answer, "type", "http://ns.adobe.com/aep/errors/XDM-1012-404");
    api_assert_text(&fixture, &answer, "status", "404");
    assert_non_null(api_at(&answer, "report.registryRequestId"));
    api_expect(&fixture, 200, "GET", REGISTRY "/tenant/classes/_xdm.context.profile", NULL);
    api_expect(&fixture, 404, "GET", REGISTRY "/tenant/schemas/_xdm.context.profile", NULL);
    api_expect(&fixture, 404, "DELETE", REGISTRY "/tenant/classes/_xdm.context.profile", NULL);
    api_expect(&fixture, 404, "PUT", REGISTRY "/tenant/classes/_xdm.context.profile", "{}");
    api_expect(&fixture, 404, "GET", REGISTRY "/tenant/descriptors/none", NULL);
    api_expect(&fixture, 404, "DELETE", REGISTRY "/tenant/schemas/none", NULL);
    api_expect(&fixture, 404, "GET", REGISTRY "/tenant/unions/_xdm.context.profile__union", NULL);
}

/* -------- making resources -------- */

static void a_schema_is_made_of_class_and_field_group(void **state)
{
    (void)state;
    const char *group = create("fieldgroups", format_text(LUMA_GROUP, "integer"));
    assert_int_equal(strncmp(group, "https://ns.adobe.com/luma/mixins/", 33), 0);
    const char *schema = create_schema("People", PROFILE, group, false);
    const char *path = format_text(REGISTRY "/tenant/schemas/%s", encoded(schema));
    api_answer answer = expect_as(200, path, "application/vnd.adobe.xed+json; version=1");
    api_assert_text(&fixture, &answer, "title", "People");
    api_assert_text(&fixture, &answer, "meta:class", PROFILE);
    api_assert_text(&fixture, &answer, "meta:extends.0", PROFILE);
    api_assert_text(&fixture, &answer, "meta:extends.1", group);
    api_assert_text(&fixture, &answer, "meta:extends.2", "https://ns.adobe.com/xdm/data/record");
    api_assert_text(&fixture, &answer, "meta:resourceType", "schemas");
    api_assert_text(&fixture, &answer, "imsOrg", API_FIXTURE_ORGANIZATION);
    api_assert_text(&fixture, &answer, "meta:containerId", "tenant");
    api_assert_text(&fixture, &answer, "version", "1.0");
    api_assert_text(&fixture, &answer, "allOf.1.$ref", group);
    answer = expect_as(200, path, "application/vnd.adobe.xed-full+json; version=1");
    api_assert_text(&fixture, &answer, "properties._luma.properties.crmId.title", "CRM id");
    assert_non_null(api_at(&answer, "properties.personID"));
    assert_null(api_at(&answer, "allOf"));
    const char *alt_id = api_text(&fixture, &answer, "meta:altId");
    answer =
        api_expect(&fixture, 200, "GET", format_text(REGISTRY "/tenant/schemas/%s", alt_id), NULL);
    api_assert_text(&fixture, &answer, "$id", schema);
    answer =
        expect_as(200, REGISTRY "/tenant/schemas/?property=meta:extends==" PROFILE ",title~^Peo",
                  "application/vnd.adobe.xed-id+json");
    api_assert_text(&fixture, &answer, "_page.count", "1");
    answer = expect_as(200, REGISTRY "/tenant/schemas?property=meta:extends==" EVENT,
                       "application/vnd.adobe.xed-id+json");
    api_assert_text(&fixture, &answer, "_page.count", "0");
}

static void bad_documents_change_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "[]",
        "{}",
        "{\"title\":\"x\"}",
        "{\"title\":\"x\",\"allOf\":[]}",
        "{\"title\":\"x\",\"allOf\":[{\"$ref\":\"https://ns.adobe.com/xdm/none\"}]}",
        "{\"title\":\"x\",\"type\":\"string\",\"allOf\":[{\"$ref\":\"" PROFILE "\"}]}",
        "{\"title\":\"x\",\"allOf\":[{\"$ref\":\"" PROFILE "\"}],\"$id\":\"https://x/y\"}",
        "{\"title\":\"x\",\"allOf\":[{\"$ref\":\"" PROFILE
        "\"}],\"properties\":{\"a\":{\"type\":\"text\"}}}",
        "{\"title\":\"x\",\"allOf\":[{\"$ref\":\"" PROFILE
        "\"}],\"properties\":{\"personID\":{\"type\":\"integer\"}}}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        api_expect(&fixture, 400, "POST", REGISTRY "/tenant/schemas", bad[i]);
    api_answer answer = api_expect(&fixture, 200, "GET", REGISTRY "/tenant/schemas", NULL);
    api_assert_text(&fixture, &answer, "_page.count", "0");
    api_expect(&fixture, 400, "POST", REGISTRY "/tenant/classes", "{\"title\":\"x\"}");
}

/* `depth` objects within one another. */
static const char *nested_type(int depth)
{
    mu_buf buf;
    mu_buf_init(&buf, 1 << 20);
    MU_BUF_ADD(&buf, "{\"title\":\"Deep\",\"type\":\"object\"");
    for (int i = 0; i < depth; i++)
        MU_BUF_ADD(&buf, ",\"properties\":{\"a\":{\"type\":\"object\"");
    for (int i = 0; i < depth; i++)
        MU_BUF_ADD(&buf, "}}");
    mu_buf_add_char(&buf, '}');
    const char *text = mu_arena_copy(&fixture.arena, mu_buf_str(&buf)).ptr;
    mu_buf_free(&buf);
    return text;
}

static void nesting_ends_with_a_message(void **state)
{
    (void)state;
    create("datatypes", nested_type(60));
    api_answer answer =
        api_expect(&fixture, 400, "POST", REGISTRY "/tenant/datatypes", nested_type(70));
    assert_non_null(strstr(api_text(&fixture, &answer, "detail"), "is nested too deeply"));
    api_expect(&fixture, 400, "POST", REGISTRY "/tenant/datatypes", nested_type(1000));
}

static void resources_are_changed_and_removed(void **state)
{
    (void)state;
    const char *group = create("fieldgroups", format_text(LUMA_GROUP, "integer"));
    const char *schema = create_schema("People", PROFILE, group, false);
    const char *group_path = format_text(REGISTRY "/tenant/mixins/%s", encoded(group));
    const char *path = format_text(REGISTRY "/tenant/schemas/%s", encoded(schema));
    api_answer answer = api_expect(
        &fixture, 200, "PATCH", group_path,
        "[{\"op\":\"add\",\"path\":\"/definitions/customFields/properties/_luma/properties/tier\","
        "\"value\":{\"type\":\"string\"}}]");
    api_assert_text(&fixture, &answer, "version", "1.1");
    answer = expect_as(200, path, "application/vnd.adobe.xed-full+json; version=1");
    api_assert_text(&fixture, &answer, "properties._luma.properties.tier.type", "string");
    answer = api_expect(&fixture, 200, "PUT", path,
                        format_text("{\"title\":\"Persons\",\"type\":\"object\",\"allOf\":[{"
                                    "\"$ref\":\"" PROFILE "\"},{\"$ref\":\"%s\"}]}",
                                    group));
    api_assert_text(&fixture, &answer, "title", "Persons");
    answer = api_expect(&fixture, 400, "DELETE", group_path, NULL);
    assert_non_null(strstr(api_text(&fixture, &answer, "detail"), "which is nowhere"));
    api_expect(&fixture, 204, "DELETE", path, NULL);
    api_expect(&fixture, 404, "GET", path, NULL);
    api_expect(&fixture, 204, "DELETE", group_path, NULL);
    api_fixture_restart(&fixture);
    api_expect(&fixture, 404, "GET", group_path, NULL);
}

static void a_schema_in_use_stays(void **state)
{
    (void)state;
    const char *group = create("fieldgroups", format_text(LUMA_GROUP, "integer"));
    const char *schema = create_schema("People", PROFILE, group, false);
    const char *path = format_text(REGISTRY "/tenant/schemas/%s", encoded(schema));
    api_expect(&fixture, 201, "POST", "/data/foundation/catalog/dataSets",
               format_text("{\"name\":\"People\",\"schemaRef\":{\"id\":\"%s\",\"contentType\":"
                           "\"application/vnd.adobe.xed+json;version=1\"}}",
                           schema));
    api_answer answer = api_expect(&fixture, 400, "DELETE", path, NULL);
    assert_non_null(strstr(api_text(&fixture, &answer, "detail"), "uses this schema"));
    const char *united = create_schema("United", PROFILE, group, true);
    answer = api_expect(&fixture, 400, "DELETE",
                        format_text(REGISTRY "/tenant/schemas/%s", encoded(united)), NULL);
    assert_non_null(strstr(api_text(&fixture, &answer, "detail"), "enabled for Profile"));
}

static void lists_are_ordered_and_paged(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        create("datatypes",
               format_text("{\"title\":\"T%d\",\"type\":\"object\",\"properties\":{}}", 4 - i));
        api_fixture_advance(1000);
    }
    const char *id_rows = "application/vnd.adobe.xdm-id+json";
    api_answer answer = expect_as(200, REGISTRY "/tenant/datatypes", id_rows);
    api_assert_text(&fixture, &answer, "results.0.title", "T4");
    answer = expect_as(200, REGISTRY "/tenant/datatypes?orderby=title&limit=2", id_rows);
    api_assert_text(&fixture, &answer, "results.1.title", "T1");
    api_assert_text(&fixture, &answer, "_page.next", "2");
    assert_non_null(strstr(api_text(&fixture, &answer, "_links.next.href"),
                           REGISTRY "/tenant/datatypes?orderby=title&limit=2&start=2"));
    answer = expect_as(200, REGISTRY "/tenant/datatypes?orderBy=title&limit=2&start=4", id_rows);
    api_assert_text(&fixture, &answer, "results.0.title", "T4");
    assert_int_equal(api_at(&answer, "_page.next")->kind, MU_JSON_NULL);
    answer = expect_as(200, REGISTRY "/tenant/datatypes?orderby=-title&properties=title,none",
                       "application/vnd.adobe.xed+json");
    api_assert_text(&fixture, &answer, "results.4", "{\"title\":\"T0\"}");
    expect_as(400, REGISTRY "/tenant/datatypes?limit=0", id_rows);
    expect_as(400, REGISTRY "/tenant/datatypes?property=title", id_rows);
}

static void statistics_count_the_tenants_resources(void **state)
{
    (void)state;
    const char *group = create("fieldgroups", format_text(LUMA_GROUP, "integer"));
    create_schema("People", PROFILE, group, true);
    api_answer answer = api_expect(&fixture, 200, "GET", REGISTRY "/stats/", NULL);
    api_assert_text(&fixture, &answer, "tenantId", "luma");
    api_assert_text(&fixture, &answer, "imsOrg", API_FIXTURE_ORGANIZATION);
    api_assert_text(&fixture, &answer, "counts",
                    "{\"schemas\":1,\"mixins\":1,\"datatypes\":0,\"classes\":0,\"unions\":1}");
}

/* -------- unions -------- */

static void a_schema_joins_its_union(void **state)
{
    (void)state;
    const char *group = create("fieldgroups", format_text(LUMA_GROUP, "integer"));
    const char *schema = create_schema("People", PROFILE, group, false);
    const char *path = format_text(REGISTRY "/tenant/schemas/%s", encoded(schema));
    api_answer answer = expect_as(200, REGISTRY "/tenant/unions", "application/vnd.adobe.xed+json");
    api_assert_text(&fixture, &answer, "_page.count", "0");
    api_expect(&fixture, 200, "PATCH", path,
               "[{\"op\":\"add\",\"path\":\"/meta:immutableTags\",\"value\":[\"union\"]}]");
    answer = expect_as(200, REGISTRY "/tenant/unions", "application/vnd.adobe.xed-id+json");
    api_assert_text(&fixture, &answer, "results.0.$id", PROFILE "__union");
    api_assert_text(&fixture, &answer, "results.0.meta:altId", "_xdm.context.profile__union");
    static const char *const paths[] = {REGISTRY "/tenant/unions/_xdm.context.profile__union",
                                        REGISTRY "/tenant/schemas/_xdm.context.profile__union"};
    for (size_t i = 0; i < 2; i++) {
        answer = expect_as(200, paths[i], "application/vnd.adobe.xed-full+json; version=1");
        api_assert_text(&fixture, &answer, "properties._luma.properties.score.type", "integer");
        assert_non_null(api_at(&answer, "properties.identityMap"));
        assert_non_null(api_at(&answer, "properties.segmentMembership"));
        assert_non_null(api_at(&answer, "properties.timeSeriesEvents.items.properties.eventType"));
        answer = expect_as(200, paths[i], "application/vnd.adobe.xed+json; version=1");
        api_assert_text(&fixture, &answer, "allOf.0.$ref", schema);
    }
    api_expect(&fixture, 400, "PATCH", path,
               "{\"op\":\"remove\",\"path\":\"/meta:immutableTags\"}");
    mu_snapshot *snapshot;
    mu_err err;
    assert_int_equal(
        mu_sandbox_snapshot(mu_live_find_sandbox(fixture.live, MU_STR("prod")), &snapshot, &err),
        MU_OK);
    const mu_type *row = mu_snapshot_schema(snapshot)->row;
    assert_int_equal(mu_type_at(row, MU_STR("_luma.score"))->kind, MU_TYPE_INTEGER);
    mu_snapshot_release(snapshot);
}

static void members_of_a_union_must_agree(void **state)
{
    (void)state;
    const char *group = create("fieldgroups", format_text(LUMA_GROUP, "integer"));
    const char *other = create("fieldgroups", format_text(LUMA_GROUP, "string"));
    create_schema("People", PROFILE, group, true);
    const char *schema = create_schema("Others", PROFILE, other, false);
    api_answer answer = api_expect(
        &fixture, 400, "PATCH", format_text(REGISTRY "/tenant/schemas/%s", encoded(schema)),
        "[{\"op\":\"add\",\"path\":\"/meta:immutableTags\",\"value\":[\"union\"]}]");
    api_assert_text(&fixture, &answer, "type", "http://ns.adobe.com/aep/errors/XDM-1521-400");
    assert_non_null(strstr(api_text(&fixture, &answer, "detail"), "_luma.score"));
}

/* A type that rows have already cannot change, whatever schema says so. */
static void rows_keep_their_types(void **state)
{
    (void)state;
    const char *group = create("fieldgroups", format_text(LUMA_GROUP, "integer"));
    create_schema("People", PROFILE, group, true);
    const char *group_path = format_text(REGISTRY "/tenant/fieldgroups/%s", encoded(group));
    api_answer answer =
        api_expect(&fixture, 400, "PATCH", group_path,
                   "[{\"op\":\"replace\",\"path\":"
                   "\"/definitions/customFields/properties/_luma/properties/score/type\","
                   "\"value\":\"string\"}]");
    api_assert_text(&fixture, &answer, "type", "http://ns.adobe.com/aep/errors/XDM-1521-400");
    answer = api_expect(&fixture, 200, "GET", group_path, NULL);
    api_assert_text(&fixture, &answer, "version", "1.0");
}

/* -------- descriptors -------- */

#define IDENTITY                                                                                   \
    "{\"@type\":\"xdm:descriptorIdentity\",\"xdm:sourceSchema\":\"%s\",\"xdm:sourceVersion\":1,"   \
    "\"xdm:sourceProperty\":\"%s\",\"xdm:namespace\":\"Email\",\"xdm:isPrimary\":true}"

static void descriptors_mark_fields(void **state)
{
    (void)state;
    const char *group = create("fieldgroups", format_text(LUMA_GROUP, "integer"));
    const char *schema = create_schema("People", PROFILE, group, false);
    const char *id = NULL;
    api_answer answer = api_expect(&fixture, 201, "POST", REGISTRY "/tenant/descriptors",
                                   format_text(IDENTITY, schema, "/_luma/crmId"));
    id = api_text(&fixture, &answer, "@id");
    api_assert_text(&fixture, &answer, "xdm:property", "xdm:code");
    const char *path = format_text(REGISTRY "/tenant/descriptors/%s", id);
    answer = expect_as(200, path, "application/vnd.adobe.xdm+json");
    api_assert_text(&fixture, &answer, "xdm:sourceProperty", "/_luma/crmId");
    answer = expect_as(200, REGISTRY "/tenant/descriptors", "application/vnd.adobe.xdm-id+json");
    api_assert_text(&fixture, &answer, "xdm:descriptorIdentity", format_text("[\"%s\"]", id));
    answer = expect_as(200, REGISTRY "/tenant/descriptors", "application/vnd.adobe.xdm-link+json");
    api_assert_text(&fixture, &answer, "xdm:descriptorIdentity.0",
                    format_text("/tenant/descriptors/%s", id));
    answer = expect_as(200,
                       format_text(REGISTRY "/tenant/descriptors?property=@type=="
                                            "xdm:descriptorIdentity,xdm:sourceSchema==%s",
                                   schema),
                       "application/vnd.adobe.xdm-v2+json");
    api_assert_text(&fixture, &answer, "results.0.@id", id);
    assert_int_equal(api_at(&answer, "_page.next")->kind, MU_JSON_NULL);
    answer = expect_as(200, format_text(REGISTRY "/tenant/schemas/%s", encoded(schema)),
                       "application/vnd.adobe.xed-full-desc+json; version=1");
    api_assert_text(&fixture, &answer, "meta:descriptors.0.@id", id);
    api_expect(&fixture, 400, "POST", REGISTRY "/tenant/descriptors",
               format_text(IDENTITY, schema, "/_luma/crmId"));
    api_expect(&fixture, 400, "POST", REGISTRY "/tenant/descriptors",
               format_text(IDENTITY, schema, "/_luma/none"));
    api_expect(&fixture, 400, "POST", REGISTRY "/tenant/descriptors", "{\"xdm:a\":1}");
    answer = api_expect(&fixture, 201, "PUT", path,
                        format_text("{\"@type\":\"xdm:descriptorIdentity\",\"xdm:sourceSchema\":"
                                    "\"%s\",\"xdm:sourceProperty\":\"/personID\","
                                    "\"xdm:namespace\":\"Email\"}",
                                    schema));
    api_assert_text(&fixture, &answer, "@id", id);
    api_expect(&fixture, 204, "DELETE", path, NULL);
    api_expect(&fixture, 404, "GET", path, NULL);
}

static void descriptors_go_with_their_schema(void **state)
{
    (void)state;
    const char *group = create("fieldgroups", format_text(LUMA_GROUP, "integer"));
    const char *schema = create_schema("People", PROFILE, group, false);
    api_expect(&fixture, 201, "POST", REGISTRY "/tenant/descriptors",
               format_text(IDENTITY, schema, "/_luma/crmId"));
    api_expect(&fixture, 204, "DELETE", format_text(REGISTRY "/tenant/schemas/%s", encoded(schema)),
               NULL);
    api_answer answer =
        expect_as(200, REGISTRY "/tenant/descriptors", "application/vnd.adobe.xdm-v2+json");
    api_assert_text(&fixture, &answer, "_page.count", "0");
}

/* -------- the shop -------- */

static void post_all(const mu_json *list, const char *collection)
{
    for (uint32_t i = 0; i < list->n; i++) {
        mu_buf buf;
        mu_json_writer writer;
        mu_buf_init(&buf, 1 << 20);
        mu_json_writer_init(&writer, &buf);
        mu_json_value(&writer, &list->items[i]);
        mu_buf_add_char(&buf, 0);
        api_answer answer = api_expect(&fixture, 201, "POST",
                                       format_text(REGISTRY "/tenant/%s", collection), buf.ptr);
        const mu_json *id = mu_json_member(&list->items[i], MU_STR("$id"));
        if (id != NULL)
            api_assert_text(&fixture, &answer, "$id",
                            format_text(MU_STR_FMT, MU_STR_ARG(id->string)));
        mu_buf_free(&buf);
    }
}

static void the_shop_is_made_over_http(void **state)
{
    (void)state;
    mu_json shop = mu_luma_json(&fixture.arena, "registry.json");
    static const char *const collections[] = {"fieldgroups", "schemas", "descriptors"};
    for (size_t i = 0; i < 3; i++)
        post_all(mu_json_member(&shop, mu_str_from(collections[i])), collections[i]);
    api_fixture_restart(&fixture);
    api_answer answer = api_expect(&fixture, 200, "GET", REGISTRY "/stats", NULL);
    api_assert_text(&fixture, &answer, "counts",
                    "{\"schemas\":4,\"mixins\":2,\"datatypes\":0,\"classes\":0,\"unions\":2}");
    answer =
        expect_as(200, format_text(REGISTRY "/tenant/schemas/%s", encoded(LUMA_WEB_EVENT_SCHEMA)),
                  "application/vnd.adobe.xed-full+json; version=1");
    api_assert_text(&fixture, &answer, "properties._luma.properties.channel.enum",
                    "[\"web\",\"app\",\"store\"]");
}

/* -------- readers beside a writer -------- */

typedef struct reader {
    const mu_api_sandbox *sandbox;
    atomic_bool *stop;
    uint64_t n_reads, n_states, n_failures;
} reader;

/* Takes the registry again and again: it is complete, and states never go back. */
static void *read_registry(void *context)
{
    reader *r = context;
    mu_arena arena;
    uint64_t last = 0;
    mu_arena_init(&arena, SIZE_MAX);
    while (!atomic_load(r->stop)) {
        mu_err err;
        const mu_api_registry *held;
        mu_xdm_violation violations[MU_XDM_VIOLATIONS_MAX];
        const mu_json empty = {.kind = MU_JSON_OBJECT};
        if (mu_api_registry_acquire(fixture.api, r->sandbox, &held, &err) != MU_OK) {
            r->n_failures++;
            continue;
        }
        const mu_xdm_schema *schema = mu_registry_schema(held->registry, MU_STR(EVENT));
        bool is_sound =
            held->number >= last && schema != NULL &&
            mu_xdm_validate(schema, &empty, 0, &arena, violations) == 2; /* _id, timestamp */
        r->n_failures += !is_sound;
        r->n_states += held->number != last;
        r->n_reads++;
        last = held->number;
        mu_api_registry_release(held);
        mu_arena_reset(&arena);
    }
    mu_arena_free(&arena);
    return NULL;
}

static void readers_see_whole_registries(void **state)
{
    (void)state;
    atomic_bool stop = false;
    pthread_t threads[3];
    reader readers[3];
    const mu_api_sandbox *sandbox = mu_api_find_sandbox(
        fixture.api, MU_STR(API_FIXTURE_ORGANIZATION), MU_STR("prod"), MU_STR(""));
    for (int i = 0; i < 3; i++) {
        readers[i] = (reader){.sandbox = sandbox, .stop = &stop};
        assert_int_equal(pthread_create(&threads[i], NULL, read_registry, &readers[i]), 0);
    }
    for (int i = 0; i < 20; i++)
        create("fieldgroups", format_text(LUMA_GROUP, "integer"));
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(readers[i].n_failures, 0);
        assert_true(readers[i].n_reads > 0 && readers[i].n_states > 1);
    }
}

static void sandboxes_have_registries_of_their_own(void **state)
{
    (void)state;
    const char *group = create("fieldgroups", format_text(LUMA_GROUP, "integer"));
    const char *path = format_text(REGISTRY "/tenant/fieldgroups/%s", encoded(group));
    api_expect(&fixture, 201, "POST", "/data/foundation/sandbox-management/sandboxes",
               "{\"name\":\"other\",\"title\":\"Other\",\"type\":\"development\"}");
    assert_int_equal(api_send_in(&fixture, "other", "GET", path, NULL).status, 404);
    assert_int_equal(api_send_in(&fixture, "other", "DELETE", path, NULL).status, 404);
    api_answer answer = api_send_in(&fixture, "other", "GET", REGISTRY "/stats", NULL);
    api_assert_text(&fixture, &answer, "counts.mixins", "0");
    api_expect(&fixture, 200, "GET", path, NULL);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        CASE(the_global_container_is_listed),
        CASE(lookups_render_as_the_accept_header_says),
        CASE(what_cannot_be_answered_is_refused),
        CASE(a_schema_is_made_of_class_and_field_group),
        CASE(bad_documents_change_nothing),
        CASE(nesting_ends_with_a_message),
        CASE(resources_are_changed_and_removed),
        CASE(a_schema_in_use_stays),
        CASE(lists_are_ordered_and_paged),
        CASE(statistics_count_the_tenants_resources),
        CASE(a_schema_joins_its_union),
        CASE(members_of_a_union_must_agree),
        CASE(rows_keep_their_types),
        CASE(descriptors_mark_fields),
        CASE(descriptors_go_with_their_schema),
        CASE(the_shop_is_made_over_http),
        CASE(readers_see_whole_registries),
        CASE(sandboxes_have_registries_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
