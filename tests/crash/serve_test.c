/* serve_test.c -- `muster serve` is killed at any moment while clients send records, events and
 * batches over HTTP: after each restart everything that was acknowledged is there once, merged as
 * the model says, and in the end the data folder verifies.
 *
 * Each client has people of its own and one request in flight. What was not answered when the
 * server was killed is sent again, as a real client would; nothing else is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/time.h"
#include "tests/support/crowd.h"
#include "tests/support/dice.h"
#include "tests/support/http_client.h"
#include "tests/support/muster_process.h"
#include "tests/support/part_rows.h"
#include "json/json.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define N_CLIENTS 4u
#define KINDS                                                                                      \
    (1u << MU_CROWD_MERGE | 1u << MU_CROWD_REPLACE | 1u << MU_CROWD_DELETE |                       \
     1u << MU_CROWD_EVENT | 1u << MU_CROWD_ERASE)
#define BATCH_ROWS_MAX 24u

static void sleep_us(uint32_t us)
{
    struct timespec pause = {.tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000};
    nanosleep(&pause, NULL);
}

typedef struct world {
    char *folder;
    uint64_t seed;
    muster_process server;
    char schemas[2][200], datasets[MU_CROWD_DATASETS + 1][64], inlet[128];
} world;

static void start_server(world *w)
{
    muster_serve(&w->server, w->folder,
                 (const char *[]){"--fold-bytes", "40000", "--fold-seconds", "1", NULL});
}

static void verify(world *w)
{
    muster_run(&w->server, (const char *[]){"verify", "--data", w->folder, NULL});
}

/* -------- requests -------- */

typedef enum batch_stage {
    BATCH_NONE,
    BATCH_CREATE,
    BATCH_UPLOAD,
    BATCH_COMPLETE,
    BATCH_WAIT,
    BATCH_REVERT
} batch_stage;

typedef struct client {
    world *w;
    uint32_t number;
    mu_dice dice;
    http_client http;
    bool is_connected;
    mu_arena arena; /* of one request */
    mu_json_reader *reader;
    mu_crowd *crowd; /* its own people, in the first sandbox */
    uint64_t next;   /* group */
    uint32_t n_pending;
    mu_crowd_change pending[MU_CROWD_GROUP_MAX]; /* one request, sent and not answered */
    batch_stage stage;
    char batch_id[128];
    uint32_t batch; /* as the model numbers them */
    uint32_t n_rows;
    mu_crowd_change rows[BATCH_ROWS_MAX];
    atomic_bool has_checked;
    char failure[1024]; /* empty: none */
    uint64_t n_acknowledged, n_batches, n_reverted;
} client;

/* Something is wrong, unless the server was killed meanwhile. */
MU_PRINTF(2, 3) static bool wrong(client *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (c->failure[0] == '\0')
        vsnprintf(c->failure, sizeof c->failure, format, args);
    va_end(args);
    return false;
}

static bool lost_connection(client *c, const char *path)
{
    if (c->is_connected)
        http_disconnect(&c->http);
    c->is_connected = false;
    if (!atomic_load(&c->w->server.is_ending))
        (void)wrong(c, "the connection ended without an answer to %s", path);
    return false;
}

typedef struct answer {
    unsigned status;
    mu_str body;
    mu_json json;
} answer;

/* One request; false when the server is gone. The answer is in the client's arena. */
static bool ask_once(client *c, const char *method, const char *path, mu_str body, answer *out)
{
    http_reply reply;
    if (!c->is_connected && !http_try_connect(&c->http, c->w->server.port))
        return lost_connection(c, path);
    c->is_connected = true;
    mu_buf request; /* one write: two would wait for one another */
    mu_buf_init(&request, 1 << 24);
    mu_buf_add_format(
        &request,
        "%s %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer token\r\nx-api-key: key\r\n"
        "x-gw-ims-org-id: LUMA@AdobeOrg\r\nx-sandbox-name: prod\r\nContent-Type: application/%s\r\n"
        "Content-Length: %zu\r\n\r\n",
        method, path, strcmp(method, "PUT") == 0 ? "octet-stream" : "json", body.len);
    mu_buf_add_str(&request, body);
    bool is_sent = http_send(&c->http, mu_buf_str(&request));
    mu_buf_free(&request);
    if (!is_sent || !http_read(&c->http, false, &reply))
        return lost_connection(c, path);
    *out = (answer){.status = reply.status,
                    .body = mu_arena_copy(&c->arena, (mu_str){reply.body, reply.body_len})};
    http_reply_free(&reply);
    mu_err err;
    if (out->body.len == 0 ||
        mu_json_read(c->reader, &c->arena, out->body, &out->json, &err) != MU_OK)
        out->json = (mu_json){0};
    return true;
}

/* The same, again while it is refused for now: because much waits, or because the server stops. */
static bool ask(client *c, const char *method, const char *path, mu_str body, answer *out)
{
    int64_t end_ns = mu_monotonic_ns() + (int64_t)30 * 1000000000;
    while (ask_once(c, method, path, body, out)) {
        if ((out->status != 429 && out->status != 503) || mu_monotonic_ns() >= end_ns)
            return true;
        sleep_us(2000);
    }
    return false;
}

static bool unexpected(client *c, const char *path, const answer *a)
{
    return wrong(c, "%s was answered %u " MU_STR_FMT, path, a->status,
                 (int)(a->body.len > 700 ? 700 : a->body.len), a->body.ptr);
}

/* The member at a path of names, or NULL. */
static const mu_json *at_path(const mu_json *json, const char *path)
{
    while (json != NULL && *path != '\0') {
        size_t length = strcspn(path, ".");
        json = json->kind == MU_JSON_OBJECT ? mu_json_member(json, (mu_str){path, length}) : NULL;
        path += length + (path[length] == '.');
    }
    return json;
}

static mu_str text_at(const mu_json *json, const char *path)
{
    const mu_json *found = at_path(json, path);
    return found == NULL || found->kind != MU_JSON_STRING ? (mu_str){"", 0} : found->string;
}

/* -------- what clients need before they begin -------- */

static void keep_text(char *out, size_t size, mu_str text)
{
    assert_true(text.len > 0 && text.len < size);
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
}

static answer make(client *c, const char *path, mu_str body)
{
    answer a = {0};
    if (!ask(c, "POST", path, body, &a) || a.status != 201)
        fail_msg("%s was answered %u " MU_STR_FMT, path, a.status, MU_STR_ARG(a.body));
    return a;
}

static void make_schemas(client *c)
{
    static const char *const bodies[] = {
        "{\"title\":\"People\",\"type\":\"object\",\"allOf\":["
        "{\"$ref\":\"https://ns.adobe.com/xdm/context/profile\"},"
        "{\"$ref\":\"https://ns.adobe.com/xdm/context/profile-person-details\"},"
        "{\"$ref\":\"https://ns.adobe.com/xdm/context/profile-personal-details\"},"
        "{\"$ref\":\"https://ns.adobe.com/xdm/mixins/profile/profile-loyalty-details\"}],"
        "\"meta:immutableTags\":[\"union\"]}",
        "{\"title\":\"Visits\",\"type\":\"object\",\"allOf\":["
        "{\"$ref\":\"https://ns.adobe.com/xdm/context/experienceevent\"}],"
        "\"meta:immutableTags\":[\"union\"]}"};
    for (size_t i = 0; i < 2; i++) {
        answer a =
            make(c, "/data/foundation/schemaregistry/tenant/schemas", mu_str_from(bodies[i]));
        keep_text(c->w->schemas[i], sizeof c->w->schemas[i], text_at(&a.json, "$id"));
    }
}

static void make_datasets(client *c)
{
    static const char *const names[] = {"CRM", "Shop", "Visits"};
    for (size_t i = 0; i <= MU_CROWD_DATASETS; i++) {
        mu_str body = mu_arena_format(
            &c->arena,
            "{\"name\":\"%s\",\"schemaRef\":{\"id\":\"%s\",\"contentType\":"
            "\"application/vnd.adobe.xed-full+json;version=1\"},\"tags\":{\"unifiedProfile\":"
            "[\"enabled:true\"],\"unifiedIdentity\":[\"enabled:true\"]}}",
            names[i], c->w->schemas[i == MU_CROWD_DATASETS]);
        answer a = make(c, "/data/foundation/catalog/dataSets", body);
        assert_true(a.json.kind == MU_JSON_ARRAY && a.json.n == 1);
        mu_str link = a.json.items[0].string;
        assert_true(mu_str_starts_with(link, MU_STR("@/dataSets/")));
        keep_text(c->w->datasets[i], sizeof c->w->datasets[i],
                  (mu_str){link.ptr + 11, link.len - 11});
    }
}

static void make_inlet(client *c)
{
    answer a = make(c, "/data/foundation/flowservice/connections",
                    MU_STR("{\"name\":\"inlet\",\"providerId\":"
                           "\"521eee4d-8cbe-4906-bb48-fb6bd4450033\",\"connectionSpec\":{\"id\":"
                           "\"bc7b00d6-623a-4dfc-9fdb-f1240aeadaeb\",\"version\":\"1.0\"},"
                           "\"auth\":{\"specName\":\"Streaming Connection\",\"params\":{"
                           "\"sourceId\":\"crowd\",\"name\":\"inlet\",\"dataType\":\"xdm\"}}}"));
    const char *path = mu_arena_format(&c->arena, "/data/foundation/flowservice/connections/%s",
                                       mu_arena_copy(&c->arena, text_at(&a.json, "id")).ptr)
                           .ptr;
    assert_true(ask(c, "GET", path, (mu_str){"", 0}, &a));
    const mu_json *items = at_path(&a.json, "items");
    assert_true(a.status == 200 && items != NULL && items->n == 1);
    keep_text(c->w->inlet, sizeof c->w->inlet, text_at(&items->items[0], "auth.params.inletId"));
}

/* -------- looking -------- */

static const char *identity_query(client *c, const char *prefix, uint32_t person, uint32_t identity)
{
    mu_identity one = mu_crowd_identity(&c->arena, person, identity);
    mu_buf value;
    mu_buf_init(&value, 1000);
    for (size_t i = 0; i < one.value.len; i++) {
        char byte = one.value.ptr[i];
        if (byte == '+' || byte == '@')
            mu_buf_add_format(&value, "%%%02X", (unsigned)byte);
        else
            mu_buf_add_char(&value, byte);
    }
    const char *query =
        mu_arena_format(&c->arena, "%s=" MU_STR_FMT "&%sNS=" MU_STR_FMT, prefix,
                        MU_STR_ARG(mu_buf_str(&value)), prefix, MU_STR_ARG(one.namespace_code))
            .ptr;
    mu_buf_free(&value);
    return query;
}

#define ENTITIES "/data/core/ups/access/entities?schema.name=_xdm.context."

static bool check_attributes(client *c, uint32_t person, uint32_t identity,
                             const mu_crowd_profile *expected)
{
    answer a;
    const char *path = mu_arena_format(&c->arena, ENTITIES "profile&%s",
                                       identity_query(c, "entityId", person, identity))
                           .ptr;
    if (!ask(c, "GET", path, (mu_str){"", 0}, &a))
        return false;
    if (!expected->exists)
        return a.status == 404 ? true : wrong(c, "%s: is there, and should not be", path);
    if (a.status != 200 || a.json.kind != MU_JSON_OBJECT || a.json.n != 1)
        return unexpected(c, path, &a);
    const mu_json *graph = at_path(&a.json.items[0], "identityGraph");
    if (graph == NULL || graph->n != (uint32_t)__builtin_popcount(expected->identities))
        return wrong(c, "%s: %u identities, expected were %x", path, graph == NULL ? 0 : graph->n,
                     expected->identities);
    const mu_json *entity = at_path(&a.json.items[0], "entity");
    for (uint32_t f = 0; f < MU_CROWD_FIELDS; f++) {
        mu_str found = text_at(entity, mu_crowd_field(f).ptr);
        mu_str wanted = expected->values[f] == 0 ? (mu_str){"", 0}
                                                 : mu_crowd_value(&c->arena, expected->values[f]);
        if (!mu_str_equal(found, wanted))
            return wrong(c, "%s: %s is '" MU_STR_FMT "', expected was '" MU_STR_FMT "'", path,
                         mu_crowd_field(f).ptr, MU_STR_ARG(found), MU_STR_ARG(wanted));
    }
    return true;
}

static bool has_event(client *c, const mu_json *children, const mu_crowd_event *event)
{
    mu_str id = mu_crowd_event_id(&c->arena, event->event);
    for (uint32_t i = 0; i < children->n; i++)
        if (mu_str_equal(text_at(&children->items[i], "entityId"), id))
            return mu_str_equal(text_at(&children->items[i], "entity.eventType"),
                                mu_crowd_event_type(event->type));
    return false;
}

static bool check_events(client *c, uint32_t person, uint32_t identity,
                         const mu_crowd_profile *expected)
{
    answer a;
    const char *path =
        mu_arena_format(&c->arena,
                        ENTITIES "experienceevent&relatedSchema.name=_xdm.context.profile&limit="
                                 "1000&%s",
                        identity_query(c, "relatedEntityId", person, identity))
            .ptr;
    if (!ask(c, "GET", path, (mu_str){"", 0}, &a))
        return false;
    const mu_json *children = at_path(&a.json, "children");
    if (a.status != 200 || children == NULL)
        return unexpected(c, path, &a);
    if (children->n != expected->n_events)
        return wrong(c, "%s: %u events, %u were accepted", path, children->n, expected->n_events);
    for (uint32_t i = 0; i < expected->n_events; i++)
        if (!has_event(c, children, &expected->events[i]))
            return wrong(c, "%s: event %llu of type %u is missing", path,
                         (unsigned long long)expected->events[i].event, expected->events[i].type);
    return true;
}

static bool check_person(client *c, uint32_t person)
{
    uint32_t checked = 0;
    for (uint32_t k = 0; k < MU_CROWD_IDENTITIES; k++) {
        mu_arena_reset(&c->arena);
        mu_crowd_profile expected = mu_crowd_read(c->crowd, &c->arena, 0, person, k);
        if (checked >> k & 1)
            continue;
        checked |= expected.identities;
        if (!check_attributes(c, person, k, &expected) || !check_events(c, person, k, &expected))
            return false;
    }
    return true;
}

/* People whose state is not known before something is sent again. */
static bool is_uncertain(const client *c, uint32_t person)
{
    for (uint32_t i = 0; i < c->n_pending; i++)
        if (c->pending[i].person == person)
            return true;
    for (uint32_t i = 0; c->stage > BATCH_UPLOAD && i < c->n_rows; i++)
        if (c->rows[i].person == person)
            return true;
    return false;
}

static bool check_people(client *c)
{
    for (uint32_t person = c->number; person < MU_CROWD_PEOPLE; person += N_CLIENTS)
        if (!is_uncertain(c, person) && !check_person(c, person))
            return false;
    return true;
}

/* -------- sending -------- */

static void learn(client *c, uint32_t n, const mu_crowd_change *changes)
{
    mu_crowd_group group = {.sandbox = 0};
    for (uint32_t i = 0; i < n; i++) {
        group.n = 1;
        group.changes[0] = changes[i];
        mu_crowd_apply(c->crowd, &group);
    }
}

static void write_message(client *c, mu_buf *out, const mu_crowd_change *change)
{
    static const char *const operations[MU_CROWD_KINDS] = {
        [MU_CROWD_MERGE] = ",\"operations\":{\"data\":\"merge\",\"identity\":\"create\"}",
        [MU_CROWD_DELETE] = ",\"operations\":{\"data\":\"delete\"}"};
    bool is_event = change->kind == MU_CROWD_EVENT;
    const char *operation = operations[change->kind] == NULL ? "" : operations[change->kind];
    const char *schema = c->w->schemas[is_event];
    mu_buf_add_format(
        out,
        "{\"header\":{\"schemaRef\":{\"id\":\"%s\",\"contentType\":"
        "\"application/vnd.adobe.xed-full+json;version=1\"},\"imsOrgId\":\"LUMA@AdobeOrg\","
        "\"datasetId\":\"%s\"%s},\"body\":{\"xdmMeta\":{\"schemaRef\":{\"id\":\"%s\","
        "\"contentType\":"
        "\"application/vnd.adobe.xed-full+json;version=1\"}},\"xdmEntity\":" MU_STR_FMT "}}",
        schema, c->w->datasets[is_event ? MU_CROWD_DATASETS : change->dataset], operation, schema,
        MU_STR_ARG(mu_crowd_entity(&c->arena, change, true)));
}

static bool are_all_accepted(const answer *a, uint32_t n)
{
    const mu_json *responses = at_path(&a->json, "responses");
    if (n == 1)
        return a->status == 200;
    if (a->status != 207 || responses == NULL || responses->n != n)
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (text_at(&responses->items[i], "xactionId").len == 0)
            return false;
    return true;
}

/* One request with all pending changes. */
static bool send_messages(client *c, answer *a, const char **path)
{
    mu_buf body;
    mu_buf_init(&body, 1 << 20);
    if (c->n_pending > 1)
        mu_buf_add_str(&body, MU_STR("{\"messages\":["));
    for (uint32_t i = 0; i < c->n_pending; i++) {
        if (i > 0)
            mu_buf_add_char(&body, ',');
        write_message(c, &body, &c->pending[i]);
    }
    if (c->n_pending > 1)
        mu_buf_add_str(&body, MU_STR("]}"));
    *path = mu_arena_format(&c->arena, "/collection/%s%s", c->n_pending > 1 ? "batch/" : "",
                            c->w->inlet)
                .ptr;
    bool is_answered = ask(c, "POST", *path, mu_buf_str(&body), a);
    mu_buf_free(&body);
    return is_answered;
}

/* Sends what is pending until it is acknowledged. */
static bool settle(client *c)
{
    while (c->n_pending > 0) {
        answer a;
        const char *path;
        bool is_erasure = c->pending[0].kind == MU_CROWD_ERASE, is_done;
        mu_arena_reset(&c->arena);
        if (is_erasure) {
            path = mu_arena_format(
                       &c->arena, ENTITIES "profile&%s",
                       identity_query(c, "entityId", c->pending[0].person, c->pending[0].identity))
                       .ptr;
            if (!ask(c, "DELETE", path, (mu_str){"", 0}, &a))
                return false;
            /* Sent again, it may have been done the first time. */
            is_done = a.status == 202 || a.status == 404;
        } else {
            if (!send_messages(c, &a, &path))
                return false;
            is_done = are_all_accepted(&a, c->n_pending);
        }
        if (is_done) {
            learn(c, c->n_pending, c->pending);
            c->n_acknowledged += c->n_pending;
            c->n_pending = 0;
        } else {
            return unexpected(c, path, &a);
        }
    }
    return true;
}

/* A change of the crowd becomes one of a person of this client. */
static void adopt(const client *c, mu_crowd_change *change)
{
    change->person = change->person / N_CLIENTS * N_CLIENTS + c->number;
    change->batch = 0;
}

static bool has_person(uint32_t n, const mu_crowd_change *changes, uint32_t person)
{
    for (uint32_t i = 0; i < n; i++)
        if (changes[i].person == person)
            return true;
    return false;
}

static bool send_erasure(client *c, const mu_crowd_change *change)
{
    mu_crowd_profile known =
        mu_crowd_read(c->crowd, &c->arena, 0, change->person, change->identity);
    if (!known.exists)
        return true;
    c->pending[0] = *change;
    c->n_pending = 1;
    return settle(c);
}

static bool send_group(client *c)
{
    mu_crowd_group group;
    mu_crowd_make(c->w->seed, KINDS, c->next++ * N_CLIENTS + c->number, &group);
    for (uint32_t i = 0; i < group.n; i++) {
        adopt(c, &group.changes[i]);
        if (group.changes[i].kind != MU_CROWD_ERASE &&
            !has_person(c->n_pending, c->pending, group.changes[i].person))
            c->pending[c->n_pending++] = group.changes[i];
    }
    if (!settle(c))
        return false;
    for (uint32_t i = 0; i < group.n; i++)
        if (group.changes[i].kind == MU_CROWD_ERASE && !send_erasure(c, &group.changes[i]))
            return false;
    return true;
}

/* -------- batches -------- */

static void plan_batch(client *c)
{
    mu_crowd_group group;
    mu_crowd_kind kind = mu_dice_percent(&c->dice, 50) ? MU_CROWD_REPLACE : MU_CROWD_EVENT;
    uint32_t wanted = 1 + mu_dice_below(&c->dice, BATCH_ROWS_MAX);
    uint32_t dataset = mu_dice_below(&c->dice, MU_CROWD_DATASETS);
    c->n_rows = 0;
    c->batch++;
    while (c->n_rows < wanted) {
        mu_crowd_make(c->w->seed, KINDS, c->next++ * N_CLIENTS + c->number, &group);
        for (uint32_t i = 0; i < group.n && c->n_rows < wanted; i++) {
            mu_crowd_change *change = &group.changes[i];
            if (change->kind != kind)
                continue;
            adopt(c, change);
            change->dataset = dataset;
            change->batch = c->batch;
            c->rows[c->n_rows++] = *change;
        }
    }
    c->stage = BATCH_CREATE;
}

static const char *batch_dataset(const client *c)
{
    return c->w
        ->datasets[c->rows[0].kind == MU_CROWD_EVENT ? MU_CROWD_DATASETS : c->rows[0].dataset];
}

#define IMPORT "/data/foundation/import/batches"

static bool create_batch(client *c)
{
    answer a;
    mu_str body =
        mu_arena_format(&c->arena, "{\"datasetId\":\"%s\",\"inputFormat\":{\"format\":\"json\"}}",
                        batch_dataset(c));
    if (!ask(c, "POST", IMPORT, body, &a))
        return false;
    mu_str id = text_at(&a.json, "id");
    if (a.status != 201 || id.len == 0 || id.len >= sizeof c->batch_id)
        return unexpected(c, IMPORT, &a);
    memcpy(c->batch_id, id.ptr, id.len);
    c->batch_id[id.len] = '\0';
    c->stage = BATCH_UPLOAD;
    return true;
}

static bool upload_batch(client *c)
{
    answer a;
    mu_buf file;
    mu_buf_init(&file, 1 << 24);
    for (uint32_t i = 0; i < c->n_rows; i++) {
        mu_buf_add_str(&file, mu_crowd_entity(&c->arena, &c->rows[i], true));
        mu_buf_add_char(&file, '\n');
    }
    const char *path = mu_arena_format(&c->arena, IMPORT "/%s/datasets/%s/files/rows.json",
                                       c->batch_id, batch_dataset(c))
                           .ptr;
    bool is_answered = ask(c, "PUT", path, mu_buf_str(&file), &a);
    mu_buf_free(&file);
    if (!is_answered)
        return false;
    if (a.status != 200 && a.status != 201)
        return unexpected(c, path, &a);
    c->stage = BATCH_COMPLETE;
    return true;
}

static bool act_on_batch(client *c, const char *action, batch_stage next)
{
    answer a;
    const char *path = mu_arena_format(&c->arena, IMPORT "/%s?action=%s", c->batch_id, action).ptr;
    if (!ask(c, "POST", path, (mu_str){"", 0}, &a))
        return false;
    if (a.status != 200)
        return unexpected(c, path, &a);
    c->stage = next;
    return true;
}

static bool read_status(client *c, mu_str *out)
{
    answer a;
    const char *path =
        mu_arena_format(&c->arena, "/data/foundation/catalog/batches/%s", c->batch_id).ptr;
    if (!ask(c, "GET", path, (mu_str){"", 0}, &a))
        return false;
    if (a.status != 200 || a.json.kind != MU_JSON_OBJECT || a.json.n != 1)
        return unexpected(c, path, &a);
    *out = text_at(&a.json.items[0], "status");
    return true;
}

static bool wait_for_batch(client *c)
{
    mu_str status;
    int64_t end_ns = mu_monotonic_ns() + (int64_t)30 * 1000000000;
    do {
        mu_arena_reset(&c->arena);
        if (!read_status(c, &status))
            return false;
        if (mu_str_equal(status, MU_STR("success"))) {
            learn(c, c->n_rows, c->rows);
            c->n_batches++;
            bool reverts = c->rows[0].kind == MU_CROWD_EVENT && mu_dice_percent(&c->dice, 30);
            c->stage = reverts ? BATCH_REVERT : BATCH_NONE;
            return true;
        }
        sleep_us(3000);
    } while (mu_monotonic_ns() < end_ns && !mu_str_starts_with(status, MU_STR("fail")) &&
             !mu_str_equal(status, MU_STR("loading")));
    return wrong(c, "batch %s was completed, its status is " MU_STR_FMT, c->batch_id,
                 MU_STR_ARG(status));
}

static bool revert_batch(client *c)
{
    mu_str status;
    if (!read_status(c, &status))
        return false;
    if (mu_str_equal(status, MU_STR("success")) && !act_on_batch(c, "REVERT", BATCH_REVERT))
        return false;
    mu_crowd_change drop = {.kind = MU_CROWD_DROP, .batch = c->batch};
    learn(c, 1, &drop);
    c->n_reverted++;
    c->stage = BATCH_NONE;
    return true;
}

/* Goes on with the batch that was begun, wherever the server was killed. */
static bool settle_batch(client *c)
{
    while (c->stage != BATCH_NONE) {
        bool is_done = false;
        mu_arena_reset(&c->arena);
        switch (c->stage) {
        case BATCH_CREATE:
            is_done = create_batch(c);
            break;
        case BATCH_UPLOAD:
            is_done = upload_batch(c);
            break;
        case BATCH_COMPLETE:
            is_done = act_on_batch(c, "COMPLETE", BATCH_WAIT);
            break;
        case BATCH_WAIT:
            is_done = wait_for_batch(c);
            break;
        case BATCH_REVERT:
            is_done = revert_batch(c);
            break;
        case BATCH_NONE:
            break;
        }
        if (!is_done)
            return false;
    }
    return true;
}

/* -------- clients -------- */

static void *run_client(void *context)
{
    client *c = context;
    bool goes_on = check_people(c) && settle(c) && settle_batch(c) && check_people(c);
    atomic_store(&c->has_checked, true);
    while (goes_on) {
        mu_arena_reset(&c->arena);
        if (c->number == 0 && mu_dice_percent(&c->dice, 25)) {
            plan_batch(c);
            goes_on = settle_batch(c);
        } else {
            goes_on = send_group(c);
        }
    }
    if (c->is_connected)
        http_disconnect(&c->http);
    c->is_connected = false;
    return NULL;
}

static void init_client(client *c, world *w, uint32_t number)
{
    *c = (client){.w = w, .number = number};
    mu_dice_init(&c->dice, w->seed * 31 + number);
    mu_arena_init(&c->arena, SIZE_MAX);
    c->reader = mu_json_reader_new();
    c->crowd = mu_crowd_new();
}

static void free_client(client *c)
{
    mu_arena_free(&c->arena);
    mu_json_reader_free(c->reader);
    mu_crowd_free(c->crowd);
}

/* All clients against one life of the server, which ends `us` after they have checked, or so long
 * after it has started. */
static void run_round(world *w, client *clients, bool waits, uint32_t us, int signal_number)
{
    pthread_t threads[N_CLIENTS];
    for (uint32_t i = 0; i < N_CLIENTS; i++) {
        atomic_store(&clients[i].has_checked, false);
        assert_int_equal(pthread_create(&threads[i], NULL, run_client, &clients[i]), 0);
    }
    for (uint32_t i = 0; waits && i < N_CLIENTS; i++)
        while (!atomic_load(&clients[i].has_checked))
            sleep_us(500);
    sleep_us(us);
    muster_end(&w->server, signal_number);
    for (uint32_t i = 0; i < N_CLIENTS; i++)
        pthread_join(threads[i], NULL);
    for (uint32_t i = 0; i < N_CLIENTS; i++)
        if (clients[i].failure[0] != '\0')
            muster_fail(&w->server, clients[i].failure);
}

static int setup(void **state)
{
    static world w;
    w.folder = mu_make_temporary_folder();
    w.seed = mu_dice_seed("crash/serve", 21);
    char said[256];
    snprintf(said, sizeof said, "%s.log", w.folder);
    muster_process_init(&w.server, said);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    world *w = *state;
    muster_process_fini(&w->server);
    mu_remove_folder(w->folder);
    return 0;
}

static void report(const client *clients, uint32_t n_kills)
{
    uint64_t n_acknowledged = 0;
    for (uint32_t i = 0; i < N_CLIENTS; i++)
        n_acknowledged += clients[i].n_acknowledged;
    printf("%u kills, %llu changes acknowledged, %llu batches, %llu of them reverted\n", n_kills,
           (unsigned long long)n_acknowledged, (unsigned long long)clients[0].n_batches,
           (unsigned long long)clients[0].n_reverted);
    assert_true(n_acknowledged > 0 && clients[0].n_batches > 0);
}

static void what_was_acknowledged_survives_kills_of_the_server(void **state)
{
    static client clients[N_CLIENTS];
    world *w = *state;
    mu_dice dice;
    mu_dice_init(&dice, w->seed);
    for (uint32_t i = 0; i < N_CLIENTS; i++)
        init_client(&clients[i], w, i);
    start_server(w);
    make_schemas(&clients[0]);
    make_datasets(&clients[0]);
    make_inlet(&clients[0]);
    uint32_t n_kills = mu_dice_cases(120) + 1;
    for (uint32_t i = 0; i < n_kills; i++) {
        bool is_stopped = i % 13 == 6;
        run_round(w, clients, mu_dice_percent(&dice, 85), mu_dice_below(&dice, 400000),
                  is_stopped ? SIGTERM : SIGKILL);
        if (i % 20 == 19)
            verify(w);
        start_server(w);
    }
    run_round(w, clients, true, 0, SIGKILL);
    verify(w);
    report(clients, n_kills + 1 - (n_kills + 6) / 13);
    for (uint32_t i = 0; i < N_CLIENTS; i++)
        free_client(&clients[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(
        what_was_acknowledged_survives_kills_of_the_server, setup, teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
