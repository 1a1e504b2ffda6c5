/* isolation_test.c -- two sandboxes never see each other's data, over every route of the API.
 *
 * The sandbox prod is filled; the sandbox two asks for the same things by the same ids. What prod
 * holds is named "secret" somewhere, or has an id that the server made up: neither may be in an
 * answer to two unless the request had it. Every route needs a case here; one without fails the
 * test, so that a new route is thought about.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/api_int.h"
#include "http/http_int.h"
#include "tests/support/api_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ECID        "87425148613594122803641603982383516983"
#define CATALOG     "/data/foundation/catalog"
#define FLOWS       "/data/foundation/flowservice"
#define IDENTITY    "/data/core/identity"
#define IMPORT      "/data/foundation/import/batches"
#define POLICIES    "/data/core/ups/config/mergePolicies"
#define REGISTRY    "/data/foundation/schemaregistry"
#define SANDBOXES   "/data/foundation/sandbox-management"
#define CONFIG      "/data/core/ups/config"
#define ENTITIES    "/data/core/ups/access/entities"
#define PREVIEW     "/data/core/ups/previewsamplestatus"
#define EXPORT_JOBS "/data/core/ups/export/jobs"
#define JOBS        "/data/core/ups/system/jobs"
#define EXTERNAL    "/data/core/ais/external-audience"

#define EXTERNAL_BODY                                                                              \
    "{\"name\":\"secret upload\",\"originName\":\"X\",\"customAudienceId\":\"own\",\"fields\":[{"  \
    "\"name\":\"mail\",\"type\":\"string\",\"identityNs\":\"Email\"}],\"sourceSpec\":{\"params\":" \
    "{"                                                                                            \
    "\"path\":\"none.csv\",\"type\":\"file\"}}}"
#define EXTERNAL_RUN "{\"dataFilterStartTime\":1}"

#define AUDIENCES       "/data/core/ups/audiences"
#define SEGMENTS        "/data/core/ups/segment/definitions"
#define SEGJOBS         "/data/core/ups/segment/jobs"
#define PREVIEWS        "/data/core/ups/preview"
#define ESTIMATES       "/data/core/ups/estimate"
#define SEARCH          "/data/core/ups/search"
#define CLASS_OF_SEARCH "schema.name=_xdm.context.segmentdefinition"
#define MUSTER          "/data/core/ups/muster"
#define EXPLAIN         "/data/core/ups/muster/explain"
#define FOLDERS         "/data/core/ups/muster/folders"
#define VERSIONS        "/data/core/ups/muster/audiences"

#define SCHEDULES       "/data/core/ups/config/schedules"
#define FOLDERS         "/data/core/ups/muster/folders"
#define SEARCH          "/data/core/ups/search"
#define CLASS_OF_SEARCH "schema.name=_xdm.context.segmentdefinition"

#define PROFILE_CLASS "https://ns.adobe.com/xdm/context/profile"
#define PROFILE       ENTITIES "?schema.name=_xdm.context.profile&entityIdNS=ECID&entityId=" ECID

static api_fixture fixture;

/* -------- names for what prod has -------- */

typedef struct object {
    const char *name, *id;
} object;
static object objects[60];
static size_t n_objects;
static const char *xid; /* no secret: it is worked out from the identity alone */

static const char *id_of(mu_str name)
{
    for (size_t i = 0; i < n_objects; i++)
        if (mu_str_equal(mu_str_from(objects[i].name), name))
            return objects[i].id;
    if (mu_str_equal(name, MU_STR("xid")))
        return xid;
    fail_msg("there is no object " MU_STR_FMT, MU_STR_ARG(name));
    return "";
}

/* The text with each <name> replaced by the object's id. NULL stays NULL. */
static const char *filled(const char *text)
{
    mu_buf buf;
    if (text == NULL)
        return NULL;
    mu_buf_init(&buf, SIZE_MAX);
    while (*text != '\0') {
        const char *end = *text == '<' ? strchr(text, '>') : NULL;
        if (end == NULL) {
            mu_buf_add_char(&buf, *text++);
            continue;
        }
        mu_buf_add_str(&buf, mu_str_from(id_of((mu_str){text + 1, (size_t)(end - text) - 1})));
        text = end + 1;
    }
    mu_str copy = mu_arena_copy(&fixture.arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return copy.ptr;
}

static const char *percent_encoded(const char *text)
{
    mu_buf buf;
    mu_buf_init(&buf, SIZE_MAX);
    for (; *text != '\0'; text++) {
        if (*text == ':' || *text == '/')
            mu_buf_add_format(&buf, "%%%02X", (unsigned char)*text);
        else
            mu_buf_add_char(&buf, *text);
    }
    mu_str copy = mu_arena_copy(&fixture.arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return copy.ptr;
}

static void keep(const char *name, const char *id)
{
    assert_true(n_objects < sizeof objects / sizeof objects[0]);
    assert_true(strlen(id) > 0);
    objects[n_objects++] = (object){name, id};
}

/* -------- filling prod -------- */

#define AUDIENCE                                                                                   \
    "{\"name\":\"secret\",\"schema\":{\"name\":\"_xdm.context.profile\"},\"expression\":{"         \
    "\"type\":"                                                                                    \
    "\"PQL\",\"value\":\"homeAddress.city = \\\"secret\\\"\"}}"

static api_answer must(const char *sandbox, const char *method, const char *path, const char *body)
{
    const char *full_path = filled(path), *full_body = filled(body);
    api_answer answer = api_send_in(&fixture, sandbox, method, full_path, full_body);
    if (answer.status >= 300)
        fail_msg("%s %s %s in %s: status %u: " MU_STR_FMT, method, full_path,
                 full_body == NULL ? "" : full_body, sandbox, answer.status,
                 MU_STR_ARG(answer.body));
    return answer;
}

/* What is made by POST, and where its id is in the answer. */
static const struct made {
    const char *name, *path, *body, *id;
} made[] = {
    {"policy", POLICIES,
     "{\"name\":\"secret\",\"schema\":{\"name\":\"_xdm.context.profile\"},\"identityGraph\":"
     "{\"type\":\"none\"},\"attributeMerge\":{\"type\":\"timestampOrdered\"}}",
     "id"},
    {"datatype", REGISTRY "/tenant/datatypes",
     "{\"title\":\"secret shape\",\"type\":\"object\",\"properties\":{\"_luma\":{\"type\":"
     "\"object\",\"properties\":{\"width\":{\"type\":\"number\"}}}}}",
     "$id"},
    {"fieldgroup", REGISTRY "/tenant/fieldgroups",
     "{\"title\":\"secret fields\",\"type\":\"object\",\"meta:intendedToExtend\":[\"" PROFILE_CLASS
     "\"],\"allOf\":[{\"properties\":{\"_luma\":{\"type\":\"object\",\"properties\":{"
     "\"secretCode\":"
     "{\"type\":\"string\"}}}}}]}",
     "$id"},
    {"mixin", REGISTRY "/tenant/mixins",
     "{\"title\":\"secret mixin\",\"type\":\"object\",\"meta:intendedToExtend\":[\"" PROFILE_CLASS
     "\"],\"allOf\":[{\"properties\":{\"_luma\":{\"type\":\"object\",\"properties\":{"
     "\"secretSize\":"
     "{\"type\":\"integer\"}}}}}]}",
     "$id"},
    {"class", REGISTRY "/tenant/classes",
     "{\"title\":\"secret class\",\"type\":\"object\",\"allOf\":[{\"$ref\":\"https://ns.adobe.com/"
     "xdm/data/record\"},{\"properties\":{\"_luma\":{\"type\":\"object\",\"properties\":{\"sku\":"
     "{\"type\":\"string\"}}}}}]}",
     "$id"},
    {"schema", REGISTRY "/tenant/schemas",
     "{\"title\":\"secret people\",\"type\":\"object\",\"allOf\":[{\"$ref\":\"" PROFILE_CLASS
     "\"},{\"$ref\":\"https://ns.adobe.com/xdm/context/identitymap\"},{\"$ref\":\"<fieldgroup>\"}],"
     "\"meta:immutableTags\":[\"union\"]}",
     "$id"},
    {"descriptor", REGISTRY "/tenant/descriptors",
     "{\"@type\":\"xdm:descriptorIdentity\",\"xdm:sourceSchema\":\"<schema>\",\"xdm:sourceVersion\""
     ":1,\"xdm:sourceProperty\":\"/_luma/secretCode\",\"xdm:namespace\":\"Phone\","
     "\"xdm:property\":\"xdm:code\",\"xdm:isPrimary\":false}",
     "@id"},
    {"projection", CONFIG "/projections", "{\"name\":\"secret\",\"selector\":\"person.name\"}",
     "id"},
    {"destination", CONFIG "/destinations", "{\"name\":\"secret\",\"type\":\"EDGE\"}", "id"},
    {"connection", FLOWS "/connections",
     "{\"name\":\"secret\",\"connectionSpec\":{\"id\":\"bc7b00d6-623a-4dfc-9fdb-f1240aeadaeb\","
     "\"version\":\"1.0\"},\"auth\":{\"specName\":\"Streaming "
     "Connection\",\"params\":{\"sourceId\":"
     "\"shop\",\"dataType\":\"xdm\",\"name\":\"secret\"}}}",
     "id"},
    {"source", FLOWS "/sourceConnections", "{\"name\":\"secret\"}", "id"},
    {"target", FLOWS "/targetConnections", "{\"name\":\"secret\"}", "id"},
    {"flow", FLOWS "/flows", "{\"name\":\"secret\"}", "id"},
    {"audience", AUDIENCES, AUDIENCE, "id"},
    {"preview", PREVIEWS, "{\"predicateExpression\":\"homeAddress.city = \\\"secret\\\"\"}",
     "previewId"},
    {"schedule", SCHEDULES,
     "{\"name\":\"secret\",\"type\":\"batch_segmentation\",\"properties\":{\"segments\":[\"<"
     "audience>\"]}"
     "}",
     "id"},
    {"folder", FOLDERS, "{\"name\":\"secret\"}", "id"},
    {"inner", FOLDERS, "{\"name\":\"secret inner\",\"parentFolderId\":\"<folder>\"}", "id"},
};

static void make_objects(void)
{
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
        api_answer answer = must("prod", "POST", made[i].path, made[i].body);
        keep(made[i].name, api_text(&fixture, &answer, made[i].id));
    }
    static const char *const encoded[][2] = {
        {"schema", "schema%"}, {"class", "class%"},       {"fieldgroup", "fieldgroup%"},
        {"mixin", "mixin%"},   {"datatype", "datatype%"}, {"descriptor", "descriptor%"}};
    for (size_t i = 0; i < sizeof encoded / sizeof encoded[0]; i++)
        keep(encoded[i][1], percent_encoded(id_of(mu_str_from(encoded[i][0]))));
    api_answer answer =
        must("prod", "POST", CATALOG "/dataSets",
             "{\"name\":\"secret people\",\"schemaRef\":{\"id\":\"<schema>\",\"contentType\":"
             "\"application/vnd.adobe.xed+json;version=1\"},\"tags\":{\"unifiedProfile\":["
             "\"enabled:true\"],\"unifiedIdentity\":[\"enabled:true\"]}}");
    keep("dataset", api_text(&fixture, &answer, "0") + strlen("@/dataSets/"));
    answer = must("prod", "GET", FLOWS "/connections/<connection>", NULL);
    keep("inlet", api_text(&fixture, &answer, "items.0.auth.params.inletId"));
}

static void make_batch(void)
{
    api_answer answer = must("prod", "POST", IMPORT,
                             "{\"datasetId\":\"<dataset>\",\"inputFormat\":{\"format\":\"json\"}}");
    keep("batch", api_text(&fixture, &answer, "id"));
    must("prod", "PUT", IMPORT "/<batch>/datasets/<dataset>/files/secret.json", "{}");
}

/* The job deletes a dataset that nothing is in; it is waited for, so that it changes no more. */
static void make_job(void)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    api_answer answer = must("prod", "POST", CATALOG "/dataSets",
                             "{\"name\":\"secret spare\",\"schemaRef\":{\"id\":\"<schema>\","
                             "\"contentType\":\"application/vnd.adobe.xed+json;version=1\"}}");
    keep("spare", api_text(&fixture, &answer, "0") + strlen("@/dataSets/"));
    answer = must("prod", "POST", JOBS, "{\"dataSetId\":\"<spare>\"}");
    keep("job", api_text(&fixture, &answer, "id"));
    answer = must("prod", "POST", SEGJOBS, "[{\"segmentId\":\"<audience>\"}]");
    keep("segment-job", api_text(&fixture, &answer, "id"));
    mu_segment_jobs_wait_idle(fixture.api->jobs);
    for (int i = 0; i < 500; i++) {
        answer = must("prod", "GET", JOBS "/<job>", NULL);
        if (strcmp(api_text(&fixture, &answer, "status"), "COMPLETED") == 0)
            return;
        nanosleep(&pause, NULL);
    }
    fail_msg("the job is not completed: " MU_STR_FMT, MU_STR_ARG(answer.body));
}

/* The first export of the organisation: its id is 1, which is no secret. */
static void make_export(void)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    api_answer answer = must("prod", "POST", EXPORT_JOBS,
                             "{\"destination\":{\"datasetId\":\"secret\"},\"schema\":{\"name\":"
                             "\"_xdm.context.profile\"}}");
    for (int i = 0; i < 500; i++) {
        answer = must("prod", "GET", EXPORT_JOBS "/1", NULL);
        if (strcmp(api_text(&fixture, &answer, "status"), "SUCCEEDED") == 0)
            return;
        nanosleep(&pause, NULL);
    }
    fail_msg("the export has not succeeded: " MU_STR_FMT, MU_STR_ARG(answer.body));
}

/* Until it is no longer under way. */
static api_answer settled(const char *path)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    for (int i = 0; i < 500; i++) {
        api_answer answer = must("prod", "GET", path, NULL);
        if (strcmp(api_text(&fixture, &answer, "status"), "PROCESSING") != 0)
            return answer;
        nanosleep(&pause, NULL);
    }
    fail_msg("%s is still under way", path);
    return (api_answer){0};
}

static void make_external(void)
{
    api_answer answer = must("prod", "POST", EXTERNAL, EXTERNAL_BODY);
    keep("operation", api_text(&fixture, &answer, "operationId"));
    answer = settled(EXTERNAL "/operations/<operation>");
    keep("external", api_text(&fixture, &answer, "audienceId"));
    answer = must("prod", "POST", EXTERNAL "/<external>/runs", EXTERNAL_RUN);
    keep("run", api_text(&fixture, &answer, "runId"));
    settled(EXTERNAL "/<external>/runs/<run>");
}

static void append(mu_record record)
{
    static const mu_identity identities[] = {{{"ECID", 4}, {ECID, sizeof ECID - 1}},
                                             {{"Email", 5}, {"secret@example.com", 18}}};
    mu_sandbox *sandbox = mu_live_find_sandbox(fixture.live, MU_STR("prod"));
    uint64_t sequence;
    mu_err err;
    record.received_ms = API_FIXTURE_NOW_MS - 60000;
    record.time_ms = API_FIXTURE_NOW_MS - 60000;
    record.dataset = mu_str_from(id_of(MU_STR("dataset")));
    record.n_identities = record.n_linked = 2;
    record.identities = identities;
    assert_int_equal(mu_sandbox_append(sandbox, 1, &record, &sequence, &err), MU_OK);
    assert_int_equal(mu_live_wait(fixture.live, sequence, &err), MU_OK);
}

static void make_data(void)
{
    append((mu_record){.kind = MU_RECORD_CREATE,
                       .document = MU_STR("{\"_id\":\"1\",\"person\":{\"name\":{\"firstName\":"
                                          "\"secret\"}}}")});
    append((mu_record){.kind = MU_RECORD_EVENT,
                       .key = MU_STR("e1"),
                       .document = MU_STR("{\"_id\":\"e1\",\"timestamp\":\"2025-12-31T23:59:00Z\","
                                          "\"eventType\":\"secret.visit\"}")});
    api_answer answer = must("prod", "GET", IDENTITY "/identity?namespace=ECID&id=" ECID, NULL);
    xid = api_text(&fixture, &answer, "xid");
    must("prod", "PUT", IDENTITY "/settings",
         "{\"namespaces\":[{\"code\":\"Email\",\"priority\":1,\"unique\":true}]}");
    must("prod", "PUT", CONFIG "/retention",
         "{\"eventExpiration\":[{\"datasetId\":\"<dataset>\",\"days\":30}]}");
    must("prod", "POST", "/data/foundation/dataset/datasets/<dataset>/labels",
         "{\"labels\":[\"C1\"],\"optionalLabels\":[{\"option\":{\"id\":\"secret\",\"contentType\":"
         "\"application/vnd.adobe.xed+json\",\"schemaPath\":\"/properties/x\"},\"labels\":[\"C2\"]"
         "}]}");
}

static int start(void **state)
{
    (void)state;
    api_fixture_start(&fixture);
    must("prod", "POST", SANDBOXES "/sandboxes",
         "{\"name\":\"two\",\"title\":\"Two\",\"type\":\"development\"}");
    make_objects();
    make_data();
    make_batch();
    make_job();
    make_export();
    make_external();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    api_fixture_stop(&fixture);
    return 0;
}

/* -------- cases -------- */

typedef enum kind {
    HIDES,    /* asks: prod's answer has a secret, two's has none */
    MISSES,   /* in two there is nothing of this id: 4xx, and prod's witness stays as it is */
    SEPARATE, /* succeeds in two with prod's names, and prod's witness stays as it is */
    LEAVES,   /* whatever two is told, prod's witness stays as it is */
    INLET,    /* the inlet decides, not the header: its data goes to prod only */
    SHARED    /* of the organisation, the same for all sandboxes by design */
} kind;

typedef struct isolation_case {
    const char *method, *pattern;
    kind kind;
    const char *path, *body;
    const char *witness; /* a path whose GET in prod has a secret */
    const char *mark;    /* HIDES: the text that counts as secret instead */
} isolation_case;

#define ALL_OF(collection, name, body)                                                             \
    {"GET", REGISTRY "/tenant/" collection, HIDES, REGISTRY "/tenant/" collection, NULL, NULL,     \
     NULL},                                                                                        \
        {"GET", REGISTRY "/tenant/" collection "/{id}",                                            \
         HIDES, REGISTRY "/tenant/" collection "/<" name "%>",                                     \
         NULL,  NULL,                                                                              \
         NULL},                                                                                    \
        {"POST", REGISTRY "/tenant/" collection, SEPARATE, REGISTRY "/tenant/" collection,         \
         body,   REGISTRY "/tenant/" collection, NULL},                                            \
        {"PUT",  REGISTRY "/tenant/" collection "/{id}",                                           \
         MISSES, REGISTRY "/tenant/" collection "/<" name "%>",                                    \
         body,   REGISTRY "/tenant/" collection "/<" name "%>",                                    \
         NULL},                                                                                    \
        {"PATCH",                                                                                  \
         REGISTRY "/tenant/" collection "/{id}",                                                   \
         MISSES,                                                                                   \
         REGISTRY "/tenant/" collection "/<" name "%>",                                            \
         "[{\"op\":\"replace\",\"path\":\"/title\",\"value\":\"x\"}]",                             \
         REGISTRY "/tenant/" collection "/<" name "%>",                                            \
         NULL},                                                                                    \
        {"DELETE", REGISTRY "/tenant/" collection "/{id}",                                         \
         MISSES,   REGISTRY "/tenant/" collection "/<" name "%>",                                  \
         NULL,     REGISTRY "/tenant/" collection "/<" name "%>",                                  \
         NULL},                                                                                    \
        {"GET", REGISTRY "/global/" collection, LEAVES, REGISTRY "/global/" collection,            \
         NULL,  REGISTRY "/tenant/" collection, NULL},                                             \
    {                                                                                              \
        "GET", REGISTRY "/global/" collection "/{id}", SHARED, NULL, NULL, NULL, NULL              \
    }

#define STORED(base, name, body)                                                                   \
    {"GET", base, HIDES, base, NULL, NULL, NULL},                                                  \
        {"GET", base "/{id}", HIDES, base "/<" name ">", NULL, NULL, NULL},                        \
        {"POST", base, SEPARATE, base, body, base, NULL},                                          \
        {"PUT", base "/{id}", MISSES, base "/<" name ">", body, base "/<" name ">", NULL},         \
        {"PATCH",                                                                                  \
         base "/{id}",                                                                             \
         MISSES,                                                                                   \
         base "/<" name ">",                                                                       \
         "[{\"op\":\"replace\",\"path\":\"/name\",\"value\":\"x\"}]",                              \
         base "/<" name ">",                                                                       \
         NULL},                                                                                    \
    {                                                                                              \
        "DELETE", base "/{id}", MISSES, base "/<" name ">", NULL, base "/<" name ">", NULL         \
    }

#define NAMED "{\"name\":\"secret\"}"
#define POLICY                                                                                     \
    "{\"name\":\"secret\",\"schema\":{\"name\":\"_xdm.context.profile\"},\"identityGraph\":"       \
    "{\"type\":\"none\"},\"attributeMerge\":{\"type\":\"timestampOrdered\"}}"
#define SCHEMA                                                                                     \
    "{\"title\":\"secret people\",\"type\":\"object\",\"allOf\":[{\"$ref\":\"" PROFILE_CLASS "\"}" \
    "]}"
#define CLASS                                                                                      \
    "{\"title\":\"secret class\",\"type\":\"object\",\"allOf\":[{\"$ref\":\"https://"              \
    "ns.adobe.com/xdm/data/record\"}]}"
#define GROUP                                                                                      \
    "{\"title\":\"secret fields\",\"type\":\"object\",\"meta:intendedToExtend\":[\"" PROFILE_CLASS \
    "\"],\"allOf\":[{\"properties\":{\"_luma\":{\"type\":\"object\",\"properties\":{\"other\":"    \
    "{\"type\":\"string\"}}}}}]}"
#define DATATYPE                                                                                   \
    "{\"title\":\"secret shape\",\"type\":\"object\",\"properties\":{\"_luma\":{\"type\":"         \
    "\"object\",\"properties\":{\"width\":{\"type\":\"number\"}}}}}"
#define CONNECTION "{\"name\":\"secret\",\"connectionSpec\":{\"id\":\"x\"}}"
#define DATASET                                                                                    \
    "{\"name\":\"secret people\",\"schemaRef\":{\"id\":\"" PROFILE_CLASS                           \
    "\",\"contentType\":\"application/vnd.adobe.xed+json;version=1\"}}"
#define ASK_GRAPH    "{\"composite_xids\":[{\"ns\":\"ECID\",\"id\":\"" ECID "\"}]}"
#define ASK_CLUSTERS "{\"xids\":[\"<xid>\"]}"
#define ASK_PROFILES                                                                               \
    "{\"schema\":{\"name\":\"_xdm.context.profile\"},\"identities\":[{\"entityId\":\"" ECID        \
    "\",\"entityIdNS\":{\"code\":\"ECID\"}}]}"
#define MEMBERS   IDENTITY "/cluster/members?namespace=ECID&id=" ECID
#define LABELS    "/data/foundation/dataset/datasets/{id}/labels"
#define OF_LABELS "/data/foundation/dataset/datasets/<dataset>/labels"
#define FILES     IMPORT "/{id}/datasets/{dataset}/files/{path...}"
#define OF_FILES  IMPORT "/<batch>/datasets/<dataset>/files/secret.json"
#define OF_BATCH  CATALOG "/batches/<batch>"
#define OF_DATA   CATALOG "/dataSets/<dataset>"
/* Of one spelling of the path; runs are "/runs" or "/run". */
#define EXTERNAL_RUNS(base, word)                                                                  \
    {"POST",       base "/{id}/" word,          MISSES, base "/<external>/" word,                  \
     EXTERNAL_RUN, EXTERNAL "/<external>/runs", NULL},                                             \
        {"GET", base "/{id}/" word,          MISSES, base "/<external>/" word,                     \
         NULL,  EXTERNAL "/<external>/runs", NULL},                                                \
    {                                                                                              \
        "GET", base "/{id}/" word "/{run}", MISSES, base "/<external>/" word "/<run>", NULL,       \
            EXTERNAL "/<external>/runs", NULL                                                      \
    }
#define EXTERNALS(base, posting)                                                                   \
    {"POST", base, posting, base, EXTERNAL_BODY, EXTERNAL "/operations/<operation>", NULL},        \
        {"POST",        base "/submit",                                                            \
         LEAVES,        base "/submit",                                                            \
         EXTERNAL_BODY, EXTERNAL "/operations/<operation>",                                        \
         NULL},                                                                                    \
        {"GET", base "/operations/{operation}", HIDES, base "/operations/<operation>", NULL, NULL, \
         NULL},                                                                                    \
        {"GET", base "/task/{operation}", HIDES, base "/task/<operation>", NULL, NULL, NULL},      \
        {"POST", base "/extend-ttl/{id}",     MISSES, base "/extend-ttl/<external>",               \
         NULL,   EXTERNAL "/<external>/runs", NULL},                                               \
        {"PATCH",                                                                                  \
         base "/{id}",                                                                             \
         MISSES,                                                                                   \
         base "/<external>",                                                                       \
         "{\"description\":\"x\"}",                                                                \
         EXTERNAL "/<external>/runs",                                                              \
         NULL},                                                                                    \
        {"DELETE", base "/{id}", MISSES, base "/<external>", NULL, EXTERNAL "/<external>/runs",    \
         NULL},                                                                                    \
        EXTERNAL_RUNS(base, "runs"), EXTERNAL_RUNS(base, "run")
#define EXPORTS "/data/foundation/export/batches/{id}"

static const isolation_case cases[] = {
    {"GET", "/openapi.json", SHARED, NULL, NULL, NULL, NULL},
    {"GET", "/ims/keys", SHARED, NULL, NULL, NULL, NULL},
    {"POST", "/ims/token/v1", SHARED, NULL, NULL, NULL, NULL},
    {"POST", "/ims/token/v2", SHARED, NULL, NULL, NULL, NULL},
    {"POST", "/ims/token/v3", SHARED, NULL, NULL, NULL, NULL},
    {"GET", SANDBOXES, SHARED, NULL, NULL, NULL, NULL},
    {"GET", SANDBOXES "/sandboxes", SHARED, NULL, NULL, NULL, NULL},
    {"GET", SANDBOXES "/sandboxTypes", SHARED, NULL, NULL, NULL, NULL},
    {"POST", SANDBOXES "/sandboxes", SHARED, NULL, NULL, NULL, NULL},
    {"GET", SANDBOXES "/sandboxes/{name}", SHARED, NULL, NULL, NULL, NULL},
    {"PATCH", SANDBOXES "/sandboxes/{name}", SHARED, NULL, NULL, NULL, NULL},
    {"DELETE", SANDBOXES "/sandboxes/{name}", SHARED, NULL, NULL, NULL, NULL},
    {"GET", "/data/core/idnamespace/identities", SHARED, NULL, NULL, NULL, NULL},
    {"POST", "/data/core/idnamespace/identities", SHARED, NULL, NULL, NULL, NULL},
    {"GET", "/data/core/idnamespace/identities/{id}", SHARED, NULL, NULL, NULL, NULL},
    {"PUT", "/data/core/idnamespace/identities/{id}", SHARED, NULL, NULL, NULL, NULL},
    {"GET", "/data/core/idnamespace/orgs/{org}/identities", SHARED, NULL, NULL, NULL, NULL},
    {"GET", "/data/core/idnamespace/orgs/{org}/identities/{id}", SHARED, NULL, NULL, NULL, NULL},

    {"GET", "/data/foundation/audit/events", HIDES, "/data/foundation/audit/events", NULL, NULL,
     NULL},

    {"GET", POLICIES, HIDES, POLICIES, NULL, NULL, NULL},
    {"GET", POLICIES "/{id}", HIDES, POLICIES "/<policy>", NULL, NULL, NULL},
    {"POST", POLICIES "/bulk-get", HIDES, POLICIES "/bulk-get", "{\"ids\":[{\"id\":\"<policy>\"}]}",
     NULL, NULL},
    {"POST", POLICIES, SEPARATE, POLICIES, POLICY, POLICIES, NULL},
    {"PUT", POLICIES "/{id}", MISSES, POLICIES "/<policy>", POLICY, POLICIES "/<policy>", NULL},
    {"PATCH", POLICIES "/{id}", MISSES, POLICIES "/<policy>",
     "[{\"op\":\"add\",\"path\":\"/name\",\"value\":\"x\"}]", POLICIES "/<policy>", NULL},
    {"DELETE", POLICIES "/{id}", MISSES, POLICIES "/<policy>", NULL, POLICIES "/<policy>", NULL},

    {"GET", SCHEDULES, HIDES, SCHEDULES, NULL, NULL, NULL},
    {"GET", SCHEDULES "/{id}", HIDES, SCHEDULES "/<schedule>", NULL, NULL, NULL},
    {"POST", SCHEDULES, SEPARATE, SCHEDULES,
     "{\"name\":\"secret\",\"type\":\"batch_segmentation\",\"properties\":{\"segments\":[]}}",
     SCHEDULES, NULL},
    {"PATCH", SCHEDULES "/{id}", MISSES, SCHEDULES "/<schedule>",
     "[{\"op\":\"add\",\"path\":\"/state\",\"value\":\"active\"}]", SCHEDULES "/<schedule>", NULL},
    {"DELETE", SCHEDULES "/{id}", MISSES, SCHEDULES "/<schedule>", NULL, SCHEDULES "/<schedule>",
     NULL},
    {"POST", SCHEDULES "/add-audiences", MISSES, SCHEDULES "/add-audiences",
     "{\"id\":\"<schedule>\",\"segments\":[\"<audience>\"]}", SCHEDULES "/<schedule>", NULL},
    {"POST", SCHEDULES "/remove-audiences", MISSES, SCHEDULES "/remove-audiences",
     "{\"id\":\"<schedule>\",\"segments\":[\"<audience>\"]}", SCHEDULES "/<schedule>", NULL},
    {"POST", SCHEDULES "/audience-map", HIDES, SCHEDULES "/audience-map",
     "{\"segments\":[\"<audience>\"]}", NULL, NULL},
    {"POST", SCHEDULES "/trigger", MISSES, SCHEDULES "/trigger", "{\"id\":\"<schedule>\"}",
     SCHEDULES "/<schedule>", NULL},

    {"GET", FOLDERS, HIDES, FOLDERS, NULL, NULL, NULL},
    {"GET", FOLDERS "/{id}", HIDES, FOLDERS "/<folder>", NULL, NULL, NULL},
    {"POST", FOLDERS, SEPARATE, FOLDERS, "{\"name\":\"secret\"}", FOLDERS, NULL},
    {"DELETE", FOLDERS "/{id}", MISSES, FOLDERS "/<inner>", NULL, FOLDERS "/<inner>", NULL},
    {"GET", SEARCH "/namespaces", HIDES, SEARCH "/namespaces?" CLASS_OF_SEARCH, NULL, NULL,
     "AEPSegments"},
    {"GET", SEARCH "/entities", HIDES,
     SEARCH "/entities?" CLASS_OF_SEARCH "&namespace=AEPSegments&s=secret", NULL, NULL, NULL},
    {"GET", SEARCH "/taxonomy", HIDES,
     SEARCH "/taxonomy?" CLASS_OF_SEARCH "&namespace=AEPSegments&entityId=<inner>", NULL, NULL,
     NULL},

    {"GET", AUDIENCES, HIDES, AUDIENCES, NULL, NULL, NULL},
    {"GET", AUDIENCES "/{id}", HIDES, AUDIENCES "/<audience>", NULL, NULL, NULL},
    {"POST", AUDIENCES "/bulk-get", HIDES, AUDIENCES "/bulk-get", "{\"ids\":[\"<audience>\"]}",
     NULL, NULL},
    {"POST", AUDIENCES, SEPARATE, AUDIENCES, AUDIENCE, AUDIENCES, NULL},
    {"PUT", AUDIENCES "/{id}", MISSES, AUDIENCES "/<audience>", AUDIENCE, AUDIENCES "/<audience>",
     NULL},
    {"PATCH", AUDIENCES "/{id}", MISSES, AUDIENCES "/<audience>", "{\"description\":\"x\"}",
     AUDIENCES "/<audience>", NULL},
    {"DELETE", AUDIENCES "/{id}", MISSES, AUDIENCES "/<audience>", NULL, AUDIENCES "/<audience>",
     NULL},
    {"GET", VERSIONS "/{id}/versions", HIDES, VERSIONS "/<audience>/versions", NULL, NULL, NULL},
    {"GET", VERSIONS "/{id}/versions/{version}", HIDES, VERSIONS "/<audience>/versions/1", NULL,
     NULL, NULL},
    {"POST", VERSIONS "/{id}/versions/{version}/restore", MISSES,
     VERSIONS "/<audience>/versions/1/restore", NULL, AUDIENCES "/<audience>", NULL},
    {"POST", MUSTER "/evaluate", HIDES, MUSTER "/evaluate", "{\"segments\":[\"<audience>\"]}", NULL,
     NULL},
    {"POST", MUSTER "/overlap", HIDES, MUSTER "/overlap",
     "{\"segments\":[\"<audience>\",\"<audience>\"]}", NULL, NULL},
    {"POST", MUSTER "/diff", HIDES, MUSTER "/diff",
     "{\"segmentId\":\"<audience>\",\"expression\":{\"value\":\"homeAddress.city != null\"}}", NULL,
     "\"before\""},
    {"GET", SEGJOBS, HIDES, SEGJOBS, NULL, NULL, NULL},
    {"GET", SEGJOBS "/{id}", HIDES, SEGJOBS "/<segment-job>", NULL, NULL, NULL},
    {"POST", SEGJOBS "/bulk-get", HIDES, SEGJOBS "/bulk-get", "[\"<segment-job>\"]", NULL, NULL},
    {"POST", SEGJOBS, MISSES, SEGJOBS, "[{\"segmentId\":\"<audience>\"}]", SEGJOBS, NULL},
    {"DELETE", SEGJOBS "/{id}", MISSES, SEGJOBS "/<segment-job>", NULL, SEGJOBS "/<segment-job>",
     NULL},
    {"GET", SEGMENTS, HIDES, SEGMENTS, NULL, NULL, NULL},
    {"GET", SEGMENTS "/{id}", HIDES, SEGMENTS "/<audience>", NULL, NULL, NULL},
    {"POST", SEGMENTS "/bulk-get", HIDES, SEGMENTS "/bulk-get", "[\"<audience>\"]", NULL, NULL},
    {"POST", SEGMENTS, SEPARATE, SEGMENTS,
     "{\"name\":\"secret "
     "2\",\"schema\":{\"name\":\"_xdm.context.profile\"},\"expression\":{\"type\":"
     "\"PQL\",\"value\":\"homeAddress.city = \\\"x\\\"\"}}",
     SEGMENTS, NULL},
    {"PATCH", SEGMENTS "/{id}", MISSES, SEGMENTS "/<audience>", "{\"description\":\"x\"}",
     SEGMENTS "/<audience>", NULL},
    {"DELETE", SEGMENTS "/{id}", MISSES, SEGMENTS "/<audience>", NULL, SEGMENTS "/<audience>",
     NULL},
    {"POST", PREVIEWS, SEPARATE, PREVIEWS, "{\"predicateExpression\":\"true\"}", PROFILE, NULL},
    {"GET", PREVIEWS "/{id}", MISSES, PREVIEWS "/<preview>", NULL, PROFILE, NULL},
    {"DELETE", PREVIEWS "/{id}", MISSES, PREVIEWS "/<preview>", NULL, PROFILE, NULL},
    {"GET", PREVIEWS "/{app}/execution/{execution}", MISSES,
     PREVIEWS "/app-x/execution/0?previewQueryId=<preview>", NULL, PROFILE, NULL},
    {"GET", ESTIMATES "/{id}", MISSES, ESTIMATES "/<preview>", NULL, PROFILE, NULL},
    {"POST", EXPLAIN, HIDES, EXPLAIN,
     "{\"segmentId\":\"<audience>\",\"entityIdNS\":\"ECID\",\"entityId\":\"" ECID "\"}", NULL,
     NULL},
    {"POST", "/data/core/ups/segment/conversion", LEAVES, "/data/core/ups/segment/conversion",
     "{\"expression\":{\"value\":\"a = 1\"}}", AUDIENCES, NULL},

    {"GET", CATALOG "/dataSets", HIDES, CATALOG "/dataSets", NULL, NULL, NULL},
    {"GET", CATALOG "/dataSets/{id}", HIDES, OF_DATA, NULL, NULL, NULL},
    {"GET", CATALOG "/v2/dataSets/{id}", HIDES, CATALOG "/v2/dataSets/<dataset>", NULL, NULL, NULL},
    {"POST", CATALOG "/dataSets", SEPARATE, CATALOG "/dataSets", DATASET, CATALOG "/dataSets",
     NULL},
    {"PATCH", CATALOG "/dataSets/{id}", MISSES, OF_DATA, "{\"description\":\"x\"}", OF_DATA, NULL},
    {"PATCH", CATALOG "/v2/dataSets/{id}", MISSES, CATALOG "/v2/dataSets/<dataset>",
     "{\"description\":\"x\"}", OF_DATA, NULL},
    {"PUT", CATALOG "/dataSets/{id}", MISSES, OF_DATA, "{\"description\":\"x\"}", OF_DATA, NULL},
    {"DELETE", CATALOG "/dataSets/{id}", MISSES, OF_DATA, NULL, OF_DATA, NULL},
    {"GET", LABELS, HIDES, OF_LABELS, NULL, NULL, NULL},
    {"POST", LABELS, MISSES, OF_LABELS, "{\"labels\":[\"C9\"]}", OF_LABELS, NULL},
    {"PUT", LABELS, MISSES, OF_LABELS, "{\"labels\":[\"C9\"]}", OF_LABELS, NULL},

    STORED(FLOWS "/connections", "connection", CONNECTION),
    STORED(FLOWS "/sourceConnections", "source", NAMED),
    STORED(FLOWS "/targetConnections", "target", NAMED),
    STORED(FLOWS "/flows", "flow", NAMED),
    STORED(CONFIG "/projections", "projection", NAMED),
    STORED(CONFIG "/destinations", "destination", NAMED),
    {"GET", CONFIG "/retention", HIDES, CONFIG "/retention", NULL, NULL, NULL},
    {"PUT", CONFIG "/retention", SEPARATE, CONFIG "/retention", "{}", CONFIG "/retention", NULL},

    {"GET", REGISTRY "/stats", HIDES, REGISTRY "/stats", NULL, NULL, NULL},
    {"GET", REGISTRY "/global/behaviors", SHARED, NULL, NULL, NULL, NULL},
    {"GET", REGISTRY "/global/behaviors/{id}", SHARED, NULL, NULL, NULL, NULL},
    ALL_OF("schemas", "schema", SCHEMA),
    ALL_OF("classes", "class", CLASS),
    ALL_OF("fieldgroups", "fieldgroup", GROUP),
    ALL_OF("mixins", "mixin", GROUP),
    ALL_OF("datatypes", "datatype", DATATYPE),
    {"GET", REGISTRY "/rpc/sampledata/{id}", HIDES, REGISTRY "/rpc/sampledata/<schema%>", NULL,
     NULL, NULL},
    {"GET", REGISTRY "/tenant/unions", HIDES, REGISTRY "/tenant/unions", NULL, NULL,
     "profile__union"},
    {"GET", REGISTRY "/tenant/unions/{id}", HIDES,
     REGISTRY "/tenant/unions/_xdm.context.profile__union", NULL, NULL, NULL},
    {"GET", REGISTRY "/tenant/descriptors", HIDES, REGISTRY "/tenant/descriptors", NULL, NULL,
     NULL},
    {"GET", REGISTRY "/tenant/descriptors/{id}", HIDES,
     REGISTRY "/tenant/descriptors/<descriptor%>", NULL, NULL, NULL},
    {"POST", REGISTRY "/tenant/descriptors", MISSES, REGISTRY "/tenant/descriptors",
     "{\"@type\":\"xdm:descriptorIdentity\",\"xdm:sourceSchema\":\"<schema>\",\"xdm:sourceVersion\""
     ":1,\"xdm:sourceProperty\":\"/personID\",\"xdm:namespace\":\"Email\",\"xdm:property\":"
     "\"xdm:code\"}",
     REGISTRY "/tenant/descriptors", NULL},
    {"PUT", REGISTRY "/tenant/descriptors/{id}", MISSES,
     REGISTRY "/tenant/descriptors/<descriptor%>",
     "{\"@type\":\"xdm:descriptorIdentity\",\"xdm:sourceSchema\":\"<schema>\",\"xdm:"
     "sourceProperty\""
     ":\"/personID\",\"xdm:namespace\":\"Email\"}",
     REGISTRY "/tenant/descriptors/<descriptor%>", NULL},
    {"DELETE", REGISTRY "/tenant/descriptors/{id}", MISSES,
     REGISTRY "/tenant/descriptors/<descriptor%>", NULL,
     REGISTRY "/tenant/descriptors/<descriptor%>", NULL},

    /* An XID is worked out from the identity alone, and is the same everywhere. */
    {"GET", IDENTITY "/identity", SHARED, NULL, NULL, NULL, NULL},
    {"POST", IDENTITY "/v2/graph", HIDES, IDENTITY "/v2/graph", ASK_GRAPH, NULL, NULL},
    {"GET", IDENTITY "/cluster/members", HIDES, MEMBERS, NULL, NULL, NULL},
    {"POST", IDENTITY "/cluster/members", HIDES, IDENTITY "/cluster/members", ASK_CLUSTERS, NULL,
     "\"members\""},
    {"POST", IDENTITY "/clusters/members", HIDES, IDENTITY "/clusters/members",
     "{\"compositeXids\":[{\"nsid\":4,\"id\":\"" ECID "\"}]}", NULL, NULL},
    {"GET", IDENTITY "/mapping", HIDES, IDENTITY "/mapping?nsid=4&targetNs=6&id=" ECID, NULL, NULL,
     NULL},
    {"POST", IDENTITY "/mapping", LEAVES, IDENTITY "/mapping", "{}", MEMBERS, NULL},
    {"GET", IDENTITY "/settings", HIDES, IDENTITY "/settings", NULL, NULL, "Email"},
    {"PUT", IDENTITY "/settings", SEPARATE, IDENTITY "/settings",
     "{\"namespaces\":[{\"code\":\"Phone\",\"priority\":1,\"unique\":true}]}", MEMBERS, NULL},

    {"GET", ENTITIES, HIDES, PROFILE, NULL, NULL, NULL},
    {"POST", ENTITIES, HIDES, ENTITIES, ASK_PROFILES, NULL, NULL},
    {"DELETE", ENTITIES, LEAVES, PROFILE, NULL, PROFILE, NULL},
    {"GET", PREVIEW, HIDES, PREVIEW, NULL, NULL, "\"totalRows\":\"1\""},
    {"GET", PREVIEW "/report/dataset", HIDES, PREVIEW "/report/dataset", NULL, NULL, NULL},
    {"GET", PREVIEW "/report/namespace", HIDES, PREVIEW "/report/namespace", NULL, NULL, "ECID"},
    {"GET", PREVIEW "/report/dataset/overlap", HIDES, PREVIEW "/report/dataset/overlap", NULL, NULL,
     NULL},
    {"GET", PREVIEW "/report/namespace/overlap", HIDES, PREVIEW "/report/namespace/overlap", NULL,
     NULL, "ECID"},

    {"POST", "/collection/{inlet}", INLET, "/collection/<inlet>", "single@example.com", NULL, NULL},
    {"POST", "/collection/batch/{inlet}", INLET, "/collection/batch/<inlet>", "many@example.com",
     NULL, NULL},
    {"POST", "/data/foundation/import/collection/{inlet}", INLET,
     "/data/foundation/import/collection/<inlet>", "imported@example.com", NULL, NULL},
    {"POST", "/data/foundation/import/collection/batch/{inlet}", INLET,
     "/data/foundation/import/collection/batch/<inlet>", "importedmany@example.com", NULL, NULL},

    {"POST", IMPORT, MISSES, IMPORT,
     "{\"datasetId\":\"<dataset>\",\"inputFormat\":{\"format\":\"json\"}}", CATALOG "/batches",
     NULL},
    {"PATCH", IMPORT, MISSES, IMPORT,
     "{\"datasetId\":\"<dataset>\",\"inputFormat\":{\"format\":\"json\"}}", CATALOG "/batches",
     NULL},
    {"POST", IMPORT "/{id}", MISSES, IMPORT "/<batch>?action=abort", NULL, OF_BATCH, NULL},
    {"PUT", FILES, MISSES, OF_FILES, "{}", OF_BATCH, NULL},
    {"PATCH", FILES, MISSES, OF_FILES, "{}", OF_BATCH, NULL},
    {"POST", FILES, MISSES, OF_FILES "?action=complete", NULL, OF_BATCH, NULL},
    {"HEAD", FILES, MISSES, OF_FILES, NULL, OF_BATCH, NULL},
    {"GET", IMPORT "/{id}/datasets/{dataset}/preview", LEAVES,
     IMPORT "/<batch>/datasets/<dataset>/preview", NULL, OF_BATCH, NULL},
    {"GET", CATALOG "/batches", HIDES, CATALOG "/batches", NULL, NULL, NULL},
    {"GET", CATALOG "/lastBatches", HIDES, CATALOG "/lastBatches", NULL, NULL, NULL},
    {"GET", CATALOG "/batches/{id}", HIDES, OF_BATCH, NULL, NULL, NULL},
    {"GET", EXPORTS "/failed", MISSES, "/data/foundation/export/batches/<batch>/failed", NULL,
     OF_BATCH, NULL},
    {"GET", EXPORTS "/meta", MISSES, "/data/foundation/export/batches/<batch>/meta", NULL, OF_BATCH,
     NULL},
    {"GET", EXPORTS "/files", MISSES, "/data/foundation/export/batches/<batch>/files", NULL,
     OF_BATCH, NULL},
    {"GET", "/data/foundation/export/files/{file}", MISSES,
     "/data/foundation/export/files/<batch>-1", NULL, OF_BATCH, NULL},

    {"GET", EXPORT_JOBS, HIDES, EXPORT_JOBS, NULL, NULL, NULL},
    {"POST", EXPORT_JOBS, LEAVES, EXPORT_JOBS,
     "{\"destination\":{\"datasetId\":\"x\"},\"schema\":{\"name\":\"_xdm.context.profile\"}}",
     EXPORT_JOBS, NULL},
    {"GET", EXPORT_JOBS "/{id}", HIDES, EXPORT_JOBS "/1", NULL, NULL, NULL},
    {"DELETE", EXPORT_JOBS "/{id}", MISSES, EXPORT_JOBS "/1", NULL, EXPORT_JOBS "/1", NULL},
    EXTERNALS("/data/core/ais/external-audience", SEPARATE),
    EXTERNALS("/data/core/ais/external-audiences", LEAVES),
    {"POST", "/data/core/ais/audiences", SEPARATE,
     "/data/core/ais/audiences?createAudienceMetaOnly=true",
     "{\"name\":\"secret\",\"originName\":\"X\",\"namespace\":\"N\",\"audienceId\":\"m\"}",
     EXTERNAL "/<external>/runs", NULL},

    {"GET", JOBS, HIDES, JOBS, NULL, NULL, NULL},
    {"GET", JOBS "/{id}", HIDES, JOBS "/<job>", NULL, NULL, NULL},
    {"DELETE", JOBS "/{id}", MISSES, JOBS "/<job>", NULL, JOBS "/<job>", NULL},
    {"POST", JOBS, MISSES, JOBS, "{\"dataSetId\":\"<dataset>\"}", PROFILE, NULL},
};

/* -------- what counts as a secret -------- */

static bool has_text(mu_str text, const char *part)
{
    return mu_str_find(text, mu_str_from(part)) != SIZE_MAX;
}

/* Something that the request did not have. */
static bool has_secret(mu_str answer, const char *path, const char *body, const char *mark)
{
    if (mark != NULL)
        return has_text(answer, mark);
    mu_str request = mu_arena_format(&fixture.arena, "%s %s", path, body == NULL ? "" : body);
    if (has_text(answer, "secret") && !has_text(request, "secret"))
        return true;
    for (size_t i = 0; i < n_objects; i++)
        if (has_text(answer, objects[i].id) && !has_text(request, objects[i].id) &&
            !has_text(request, percent_encoded(objects[i].id)))
            return true;
    return false;
}

static mu_str witness_of(const isolation_case *c)
{
    const char *path = filled(c->witness);
    api_answer answer = must("prod", "GET", path, NULL);
    if (!has_secret(answer.body, "", NULL, NULL))
        fail_msg("the witness %s has no secret: " MU_STR_FMT, path, MU_STR_ARG(answer.body));
    return answer.body;
}

static api_answer ask_two(const isolation_case *c)
{
    const char *path = filled(c->path), *body = filled(c->body);
    api_answer answer = api_send_in(&fixture, "two", c->method, path, body);
    if (answer.status >= 500 && answer.status != 501)
        fail_msg("%s %s in two: status %u: " MU_STR_FMT, c->method, path, answer.status,
                 MU_STR_ARG(answer.body));
    if (has_secret(answer.body, path, body, c->mark))
        fail_msg("%s %s shows a secret to two: " MU_STR_FMT, c->method, path,
                 MU_STR_ARG(answer.body));
    return answer;
}

static void check_hides(const isolation_case *c)
{
    const char *path = filled(c->path), *body = filled(c->body);
    api_answer shown = must("prod", c->method, path, body);
    if (!has_secret(shown.body, path, body, c->mark))
        fail_msg("%s %s shows no secret in prod, so it proves nothing: " MU_STR_FMT, c->method,
                 path, MU_STR_ARG(shown.body));
    ask_two(c);
}

static void check_leaves(const isolation_case *c)
{
    mu_str before = witness_of(c);
    api_answer answer = ask_two(c);
    if (c->kind == MISSES && (answer.status < 400 || answer.status >= 500))
        fail_msg("%s %s in two: status %u, not 4xx: " MU_STR_FMT, c->method, filled(c->path),
                 answer.status, MU_STR_ARG(answer.body));
    if (c->kind == SEPARATE && answer.status >= 300)
        fail_msg("%s %s in two: status %u: " MU_STR_FMT, c->method, filled(c->path), answer.status,
                 MU_STR_ARG(answer.body));
    mu_str after = witness_of(c);
    if (!mu_str_equal(before, after))
        fail_msg("%s %s in two changed what prod has at %s", c->method, filled(c->path),
                 filled(c->witness));
}

static bool is_known(const char *sandbox, const char *email)
{
    mu_graph_cluster cluster;
    return mu_sandbox_cluster(mu_live_find_sandbox(fixture.live, mu_str_from(sandbox)),
                              (mu_identity){MU_STR("Email"), mu_str_from(email)}, &fixture.arena,
                              &cluster);
}

/* The case's body is the e-mail address that is sent. */
static void check_inlet(const isolation_case *c)
{
    static const char form[] =
        "{\"header\":{\"schemaRef\":{\"id\":\"<schema>\",\"contentType\":\"application/"
        "vnd.adobe.xed-full+json;version=1\"},\"imsOrgId\":\"" API_FIXTURE_ORGANIZATION
        "\",\"datasetId\":\"<dataset>\",\"source\":{\"name\":\"shop\"}},\"body\":{\"xdmMeta\":{"
        "\"schemaRef\":{\"id\":\"<schema>\",\"contentType\":\"application/vnd.adobe.xed-full+json;"
        "version=1\"}},\"xdmEntity\":{\"_id\":\"1\",\"identityMap\":{\"Email\":[{\"id\":\"%s\","
        "\"primary\":true}]}}}}";
    const char *message = mu_arena_format(&fixture.arena, filled(form), c->body).ptr;
    if (has_text(mu_str_from(c->path), "/batch/"))
        message = mu_arena_format(&fixture.arena, "{\"messages\":[%s]}", message).ptr;
    assert_false(is_known("prod", c->body));
    must("two", "POST", c->path, message);
    if (!is_known("prod", c->body) || is_known("two", c->body))
        fail_msg("what was sent to %s is not in prod alone", c->path);
}

static void check_change(const isolation_case *c)
{
    switch (c->kind) {
    case MISSES:
    case SEPARATE:
    case LEAVES:
        check_leaves(c);
        break;
    case INLET:
        check_inlet(c);
        break;
    case HIDES:
    case SHARED:
        break;
    }
}

/* -------- tests -------- */

static bool is_of_route(const isolation_case *c, const mu_http_route_entry *route)
{
    return mu_str_equal(mu_str_from(c->method), mu_http_method_name(route->route.method)) &&
           mu_str_equal(mu_str_from(c->pattern), route->pattern);
}

static void every_route_has_a_case(void **state)
{
    (void)state;
    unsigned n_missing = 0;
    for (const mu_http_route_entry *route = mu_http_router_first(fixture.router); route != NULL;
         route = route->next) {
        bool is_covered = false;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
            is_covered |= is_of_route(&cases[i], route);
        if (is_covered)
            continue;
        print_error("no case for " MU_STR_FMT " " MU_STR_FMT "\n",
                    MU_STR_ARG(mu_http_method_name(route->route.method)),
                    MU_STR_ARG(route->pattern));
        n_missing++;
    }
    assert_int_equal(n_missing, 0);
}

static bool is_route(const isolation_case *c)
{
    for (const mu_http_route_entry *route = mu_http_router_first(fixture.router); route != NULL;
         route = route->next)
        if (is_of_route(c, route))
            return true;
    return false;
}

static void no_case_is_of_a_route_that_is_gone(void **state)
{
    (void)state;
    unsigned n_stale = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (!is_route(&cases[i])) {
            print_error("no route for %s %s\n", cases[i].method, cases[i].pattern);
            n_stale++;
        }
    assert_int_equal(n_stale, 0);
}

static void no_sandbox_sees_what_another_one_has(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (cases[i].kind == HIDES)
            check_hides(&cases[i]);
}

static void nor_after_a_restart(void **state)
{
    api_fixture_restart(&fixture);
    no_sandbox_sees_what_another_one_has(state);
}

/* After the other ones, since this gives two objects with prod's names. */
static void no_sandbox_changes_what_another_one_has(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_change(&cases[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_has_a_case),
        cmocka_unit_test(no_case_is_of_a_route_that_is_gone),
        cmocka_unit_test(no_sandbox_sees_what_another_one_has),
        cmocka_unit_test(nor_after_a_restart),
        cmocka_unit_test(no_sandbox_changes_what_another_one_has),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
