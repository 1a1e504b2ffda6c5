/* schedules.c -- /data/core/ups/config/schedules (api.md 16).
 *
 * The document is what a client gave, its defaults filled in; how often it fires is worked out when
 * it is shown. Changes are made under the lock of the sandbox's shelves, so that no two of them
 * pass the guardrails that either alone would.
 */
#include "api/listing.h"
#include "api/schedules_int.h"
#include "base/hash.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>

#define SCHEDULES  "/data/core/ups/config/schedules"
#define KIND       MU_SCHEDULE_KIND
#define NAME_BYTES 1024u
#define ID_SHOWN   255u /* bytes of an id in a message */
#define BAD_MEMBER MU_STR("UPAPI-119911-400")
#define BAD_CRON   MU_STR("UPAPI-119921-400")
#define TOO_MANY   MU_STR("UPAPI-119920-400")
#define NOT_THERE  MU_STR("UPAPI-113000-404")

/* -------- one request -------- */

bool mu_api_schedule_begin(mu_http_request *request, mu_http_response *response,
                           mu_api_schedule_ask *out)
{
    mu_err err;
    *out = (mu_api_schedule_ask){.request = request,
                                 .response = response,
                                 .call = mu_api_call_of(request),
                                 .arena = mu_http_request_arena(request),
                                 .code = BAD_MEMBER};
    if (!mu_api_workspace(request, response, &out->workspace))
        return false;
    if (mu_schedules_add_workspace(out->call->api->schedules, out->workspace, &err) == MU_OK &&
        mu_audience_book_acquire(out->workspace->books, &out->book, &err) == MU_OK)
        return true;
    (void)mu_api_fail(request, response, &err);
    return false;
}

void mu_api_schedule_end(mu_api_schedule_ask *a)
{
    mu_audience_book_release(a->book);
}

static int64_t now_of(const mu_api_schedule_ask *a)
{
    return mu_api_now_ms(a->call->api);
}

/* One more thing that is wrong with the request. */
/* Not more than `max` bytes, and whole characters. */
static mu_str cut(mu_str text, size_t max)
{
    size_t len = text.len < max ? text.len : max;
    while (len > 0 && len < text.len && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
        len--;
    return (mu_str){text.ptr, len};
}

void mu_api_schedule_complain(mu_api_schedule_ask *a, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    len = mu_utf8_whole((mu_str){text, len});
    if (a->n_messages < MU_API_SCHEDULE_MESSAGES)
        a->messages[a->n_messages++] = mu_arena_copy(a->arena, (mu_str){text, len});
}

static mu_code refused(mu_api_schedule_ask *a, mu_str code, const mu_err *err)
{
    a->code = code;
    mu_api_schedule_complain(a, "%s", err->text);
    return MU_E_INPUT;
}

mu_http_outcome mu_api_schedule_refuse(mu_api_schedule_ask *a)
{
    const mu_http_ups_error error = {
        .status = 400, .code = a->code, .messages = a->messages, .n_messages = a->n_messages};
    return mu_api_refuse(a->request, a->response, &error);
}

mu_http_outcome mu_api_schedule_not_found(const mu_api_schedule_ask *a)
{
    return mu_api_problem(a->request, a->response, 404, NOT_THERE,
                          MU_STR("There is no such schedule"));
}

/* For what went wrong while the lock was held. */
mu_http_outcome mu_api_schedule_failure(mu_api_schedule_ask *a, const mu_err *err)
{
    if (a->n_messages > 0)
        return mu_api_schedule_refuse(a);
    return err->code == MU_E_NOT_FOUND ? mu_api_schedule_not_found(a)
                                       : mu_api_fail(a->request, a->response, err);
}

mu_http_outcome mu_api_schedule_empty(const mu_api_schedule_ask *a, unsigned status)
{
    mu_http_response_status(a->response, status);
    return MU_HTTP_DONE;
}

/* -------- as the API shows it -------- */

mu_str mu_api_schedule_frequency(mu_str text)
{
    mu_cron cron;
    return mu_cron_parse(text, 0, &cron, NULL) == MU_OK ? mu_str_from(mu_cron_frequency(&cron))
                                                        : MU_STR("custom");
}

static mu_json shown(void *context, mu_arena *arena, const mu_shelf_item *item)
{
    const mu_api_call *call = context;
    mu_schedule schedule;
    mu_json out = MU_JSON_OBJECT_OF(arena, {MU_STR("id"), mu_json_of_string(item->document.id)},
                                    {MU_STR("imsOrgId"), mu_json_of_string(call->organization)},
                                    {MU_STR("sandbox"), mu_api_sandbox_json(arena, call->sandbox)});
    mu_schedule_read(item, &schedule);
    for (uint32_t i = 0; i < item->json.n; i++)
        if (!mu_str_equal(item->json.names[i], MU_STR("isSystem")))
            mu_json_set(arena, &out, item->json.names[i], item->json.items[i]);
    mu_json_set(arena, &out, MU_STR("frequency"),
                mu_json_of_string(mu_api_schedule_frequency(schedule.cron)));
    return out;
}

static mu_http_outcome show_one(mu_api_schedule_ask *a, mu_str id)
{
    const mu_shelf *shelf;
    mu_err err;
    if (mu_shelf_acquire(a->workspace->shelves, KIND, &shelf, &err) != MU_OK)
        return mu_api_fail(a->request, a->response, &err);
    const mu_shelf_item *item = mu_shelf_find(shelf, id);
    mu_http_outcome outcome;
    if (item == NULL) {
        outcome = mu_api_schedule_not_found(a);
    } else {
        mu_json json = shown(a->call, a->arena, item);
        outcome = mu_api_answer(a->response, 200, &json);
    }
    mu_shelf_release(shelf);
    return outcome;
}

static mu_http_outcome get_schedule(mu_http_request *request, mu_http_response *response,
                                    void *context)
{
    mu_api_schedule_ask a;
    (void)context;
    if (!mu_api_schedule_begin(request, response, &a))
        return MU_HTTP_DONE;
    mu_http_outcome outcome = show_one(&a, mu_http_request_parameter(request, MU_STR("id")));
    mu_api_schedule_end(&a);
    return outcome;
}

static mu_http_outcome list_schedules(mu_http_request *request, mu_http_response *response,
                                      void *context)
{
    mu_api_schedule_ask a;
    mu_listing listing = {.shape = MU_LIST_JOBS,
                          .path = "/config/schedules",
                          .order_default = "createEpoch:desc",
                          .show = shown};
    mu_err err;
    (void)context;
    if (!mu_api_schedule_begin(request, response, &a))
        return MU_HTTP_DONE;
    mu_http_outcome outcome;
    if (mu_shelf_acquire(a.workspace->shelves, KIND, &listing.shelf, &err) != MU_OK) {
        outcome = mu_api_fail(request, response, &err);
    } else {
        listing.context = a.call;
        outcome = mu_api_list(request, response, &listing);
        mu_shelf_release(listing.shelf);
    }
    mu_api_schedule_end(&a);
    return outcome;
}

/* -------- what a schedule must be -------- */

static bool is_text(const mu_json *json, const char *text)
{
    return json != NULL && json->kind == MU_JSON_STRING &&
           mu_str_equal(json->string, mu_str_from(text));
}

/* A required text of bounded length. */
static void check_name(mu_api_schedule_ask *a, const mu_json *body)
{
    const mu_json *name = mu_json_get(body, MU_STR("name"));
    if (name == NULL || name->kind != MU_JSON_STRING || name->string.len == 0 ||
        name->string.len > NAME_BYTES)
        mu_api_schedule_complain(a, "/name: must be a text of 1 to %u bytes", NAME_BYTES);
}

static void check_state(mu_api_schedule_ask *a, const char *pointer, const mu_json *state)
{
    if (!is_text(state, "active") && !is_text(state, "inactive"))
        mu_api_schedule_complain(a, "%s: must be active or inactive", pointer);
}

/* Ids, or "*" alone. Only what can be evaluated may be on a schedule of evaluations; anything there
 * is may be exported. */
static void check_segment(mu_api_schedule_ask *a, const mu_json *segments, uint32_t i,
                          bool is_export)
{
    const mu_json *id = &segments->items[i];
    const mu_audience *audience =
        id->kind == MU_JSON_STRING ? mu_audience_find(a->book, id->string) : NULL;
    if (id->kind != MU_JSON_STRING)
        mu_api_schedule_complain(a, "/properties/segments/%u: must be a text", i);
    else if (is_text(id, "*") && segments->n > 1)
        mu_api_schedule_complain(a, "/properties/segments/%u: * must be the only entry", i);
    else if (!is_text(id, "*") && audience == NULL)
        mu_api_schedule_complain(a,
                                 "/properties/segments/%u: there is no audience \"" MU_STR_FMT "\"",
                                 i, MU_STR_ARG(cut(id->string, ID_SHOWN)));
    else if (audience != NULL && audience->is_external && !is_export)
        mu_api_schedule_complain(
            a, "/properties/segments/%u: \"" MU_STR_FMT "\" is an external audience", i,
            MU_STR_ARG(cut(id->string, ID_SHOWN)));
}

static void check_segments(mu_api_schedule_ask *a, const mu_json *segments, bool is_export)
{
    if (segments->kind != MU_JSON_ARRAY) {
        mu_api_schedule_complain(a, "/properties/segments: must be an array of ids");
        return;
    }
    for (uint32_t i = 0; i < segments->n; i++)
        check_segment(a, segments, i, is_export);
}

/* A55: segments, or the members of an export request; which are looked at when it runs, but for
 * those that every one must have. */
static void check_export(mu_api_schedule_ask *a, const mu_json *properties)
{
    static const char *const required[] = {"destination.datasetId", "schema.name"};
    const mu_json *segments = mu_json_get(properties, MU_STR("segments"));
    if (segments != NULL) {
        check_segments(a, segments, true);
        return;
    }
    for (size_t i = 0; i < sizeof required / sizeof required[0]; i++) {
        const mu_json *value = mu_json_at(properties, mu_str_from(required[i]));
        if (value == NULL || value->kind != MU_JSON_STRING || value->string.len == 0)
            mu_api_schedule_complain(
                a,
                "/properties: an export needs segments, or the members of an export request; "
                "%s is missing",
                required[i]);
    }
}

static void check_properties(mu_api_schedule_ask *a, const mu_json *body)
{
    const mu_json *type = mu_json_get(body, MU_STR("type"));
    const mu_json *properties = mu_json_get(body, MU_STR("properties"));
    bool is_export = is_text(type, "export");
    if (!is_export && !is_text(type, "batch_segmentation"))
        mu_api_schedule_complain(a, "/type: must be batch_segmentation or export");
    if (properties == NULL || properties->kind != MU_JSON_OBJECT) {
        mu_api_schedule_complain(a, "/properties: must be an object");
        return;
    }
    const mu_json *segments = mu_json_get(properties, MU_STR("segments"));
    if (is_export)
        check_export(a, properties);
    else if (segments == NULL)
        mu_api_schedule_complain(a, "/properties/segments: is missing");
    else
        check_segments(a, segments, false);
}

/* Without duplicates. */
mu_json mu_api_schedule_distinct(mu_arena *arena, const mu_json *list)
{
    mu_strmap seen;
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, list->n);
    uint32_t n = 0;
    mu_strmap_init(&seen);
    for (uint32_t i = 0; i < list->n; i++) {
        bool is_new;
        (void)mu_strmap_put(&seen, list->items[i].string, &is_new);
        if (is_new)
            items[n++] = list->items[i];
    }
    mu_strmap_free(&seen);
    return (mu_json){.kind = MU_JSON_ARRAY, .n = n, .items = items};
}

void mu_api_schedule_set_segments(mu_arena *arena, mu_json *json, mu_json segments)
{
    mu_json properties = *mu_json_get(json, MU_STR("properties"));
    mu_json_set(arena, &properties, MU_STR("segments"), segments);
    mu_json_set(arena, json, MU_STR("properties"), properties);
}

/* The body with defaults, without what the server says itself. */
static void normalize(mu_api_schedule_ask *a, mu_str id, mu_json *json)
{
    static const char *const own[] = {"imsOrgId", "sandbox", "frequency", "isSystem"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        mu_json_unset(a->arena, json, mu_str_from(own[i]));
    mu_json_set(a->arena, json, MU_STR("id"), mu_json_of_string(id));
    if (mu_json_get(json, MU_STR("schedule")) == NULL) /* A56 */
        mu_json_set(a->arena, json, MU_STR("schedule"), mu_json_of_string(MU_STR("0 0 1 * * ?")));
    if (mu_json_get(json, MU_STR("state")) == NULL)
        mu_json_set(a->arena, json, MU_STR("state"), mu_json_of_string(MU_STR("inactive")));
    const mu_json *segments = mu_json_at(json, MU_STR("properties.segments"));
    if (segments != NULL)
        mu_api_schedule_set_segments(a->arena, json, mu_api_schedule_distinct(a->arena, segments));
    mu_json_set(a->arena, json, MU_STR("createEpoch"), mu_json_of_integer(now_of(a) / 1000));
    mu_json_set(a->arena, json, MU_STR("updateEpoch"), mu_json_of_integer(now_of(a) / 1000));
}

static mu_code check_times(mu_api_schedule_ask *a, const mu_json *json, mu_cron *out, mu_err *err)
{
    const mu_json *text = mu_json_get(json, MU_STR("schedule"));
    if (text == NULL || text->kind != MU_JSON_STRING) {
        mu_api_schedule_complain(a, "/schedule: must be a text");
        return MU_E_INPUT;
    }
    return mu_schedule_read_cron(text->string, now_of(a), out, err) == MU_OK
               ? MU_OK
               : refused(a, BAD_CRON, err);
}

/* Needs the lock of the shelves. */
static mu_code check_guardrails(mu_api_schedule_ask *a, mu_str id, const mu_cron *cron, mu_err *err)
{
    mu_code code = mu_schedule_may_be_active(a->workspace, id, cron, now_of(a), err);
    return code == MU_E_INPUT ? refused(a, TOO_MANY, err) : code;
}

/* -------- making -------- */

static mu_code add_schedule(mu_api_schedule_ask *a, mu_str id, const mu_json *json,
                            const mu_cron *cron, mu_err *err)
{
    mu_document_edit edits[2] = {
        {.action = MU_DOCUMENT_ADD, .kind = KIND, .id = id, .author = &a->call->author}};
    if (is_text(mu_json_get(json, MU_STR("state")), "active"))
        MU_TRY(check_guardrails(a, id, cron, err));
    MU_TRY(mu_json_text(a->arena, json, &edits[0].json, err));
    MU_TRY(mu_schedule_state_edit(a->arena, id, now_of(a), &edits[1], err));
    return mu_shelves_edit_locked(a->workspace->shelves, now_of(a), 2, edits, err);
}

static mu_http_outcome post_checked(mu_api_schedule_ask *a, mu_json *body)
{
    mu_str id = mu_api_uuid(a->arena);
    mu_cron cron;
    mu_err err = {0};
    mu_json whole = {.kind = MU_JSON_OBJECT}; /* JSON null counts as absent, and is not stored */
    if (mu_json_merge(a->arena, &whole, body, &err) != MU_OK)
        return mu_api_fail(a->request, a->response, &err);
    *body = whole;
    check_name(a, body);
    check_properties(a, body);
    if (mu_json_get(body, MU_STR("state")) != NULL)
        check_state(a, "/state", mu_json_get(body, MU_STR("state")));
    if (a->n_messages > 0)
        return mu_api_schedule_refuse(a);
    normalize(a, id, body);
    if (check_times(a, body, &cron, &err) != MU_OK)
        return mu_api_schedule_failure(a, &err);
    mu_shelves_lock(a->workspace->shelves);
    mu_code code = add_schedule(a, id, body, &cron, &err);
    mu_shelves_unlock(a->workspace->shelves);
    if (code != MU_OK)
        return mu_api_schedule_failure(a, &err);
    mu_schedules_wake(a->call->api->schedules);
    return show_one(a, id);
}

static mu_http_outcome post_schedule(mu_http_request *request, mu_http_response *response,
                                     void *context)
{
    mu_api_schedule_ask a;
    mu_json body;
    (void)context;
    if (!mu_api_body_object(request, response, &body) ||
        !mu_api_schedule_begin(request, response, &a))
        return MU_HTTP_DONE;
    mu_http_outcome outcome = post_checked(&a, &body);
    mu_api_schedule_end(&a);
    return outcome;
}

/* -------- changing -------- */

/* Replaces a document that was read under the lock that is still held. */
mu_code mu_api_schedule_replace(mu_api_schedule_ask *a, const mu_shelf_item *item, mu_json *json,
                                bool is_renewed, mu_err *err)
{
    mu_document_edit edits[2] = {{.action = MU_DOCUMENT_REPLACE,
                                  .kind = KIND,
                                  .id = item->document.id,
                                  .version_before = item->document.version,
                                  .author = &a->call->author}};
    mu_json_set(a->arena, json, MU_STR("updateEpoch"), mu_json_of_integer(now_of(a) / 1000));
    MU_TRY(mu_json_text(a->arena, json, &edits[0].json, err));
    if (is_renewed)
        MU_TRY(mu_schedule_state_edit(a->arena, item->document.id, now_of(a), &edits[1], err));
    return mu_shelves_edit_locked(a->workspace->shelves, now_of(a), is_renewed ? 2 : 1, edits, err);
}

static mu_code change_locked(mu_api_schedule_ask *a, const mu_api_schedule_change *change,
                             mu_err *err)
{
    const mu_shelf *shelf;
    MU_TRY(mu_shelf_acquire(a->workspace->shelves, KIND, &shelf, err));
    const mu_shelf_item *item = mu_shelf_find(shelf, change->id);
    mu_code code = item == NULL ? mu_fail(err, MU_E_NOT_FOUND, "There is no such schedule")
                                : change->apply(a, change, item, err);
    mu_shelf_release(shelf);
    return code;
}

mu_code mu_api_schedule_make(mu_api_schedule_ask *a, const mu_api_schedule_change *change,
                             mu_err *err)
{
    mu_shelves_lock(a->workspace->shelves);
    mu_code code = change_locked(a, change, err);
    mu_shelves_unlock(a->workspace->shelves);
    if (code == MU_OK)
        mu_schedules_wake(a->call->api->schedules);
    return code;
}

static void check_operation(mu_api_schedule_ask *a, const mu_json *operation, uint32_t i)
{
    const mu_json *op = mu_json_get(operation, MU_STR("op"));
    const mu_json *path = mu_json_get(operation, MU_STR("path"));
    const mu_json *value = mu_json_get(operation, MU_STR("value"));
    if (operation->kind != MU_JSON_OBJECT)
        mu_api_schedule_complain(a, "/%u: must be an operation", i);
    else if (!is_text(op, "add") && !is_text(op, "replace"))
        mu_api_schedule_complain(a, "/%u/op: must be add or replace", i);
    else if (!is_text(path, "/state") && !is_text(path, "/schedule"))
        mu_api_schedule_complain(a, "/%u/path: must be /state or /schedule", i);
    else if (value == NULL || value->kind != MU_JSON_STRING)
        mu_api_schedule_complain(a, "/%u/value: must be a text", i);
    else if (is_text(path, "/state"))
        check_state(a, "/value", value);
}

static mu_code apply_patch(mu_api_schedule_ask *a, const mu_api_schedule_change *change,
                           const mu_shelf_item *item, mu_err *err)
{
    mu_schedule before;
    mu_json json = item->json;
    mu_cron cron;
    mu_schedule_read(item, &before);
    for (uint32_t i = 0; i < change->body->n; i++) {
        const mu_json *operation = &change->body->items[i];
        mu_str path = mu_json_get(operation, MU_STR("path"))->string;
        mu_json_set(a->arena, &json, (mu_str){path.ptr + 1, path.len - 1},
                    *mu_json_get(operation, MU_STR("value")));
    }
    bool is_active = is_text(mu_json_get(&json, MU_STR("state")), "active");
    bool has_new_times = !mu_str_equal(mu_json_get(&json, MU_STR("schedule"))->string, before.cron);
    bool is_renewed = has_new_times || (is_active && !before.is_active);
    if (is_renewed)
        MU_TRY(check_times(a, &json, &cron, err));
    if (is_renewed && is_active)
        MU_TRY(check_guardrails(a, item->document.id, &cron, err));
    return mu_api_schedule_replace(a, item, &json, is_renewed, err);
}

static mu_http_outcome patch_checked(mu_api_schedule_ask *a, const mu_json *body)
{
    mu_err err = {0};
    const mu_api_schedule_change change = {.id =
                                               mu_http_request_parameter(a->request, MU_STR("id")),
                                           .body = body,
                                           .apply = apply_patch};
    for (uint32_t i = 0; i < body->n; i++)
        check_operation(a, &body->items[i], i);
    if (a->n_messages > 0)
        return mu_api_schedule_refuse(a);
    return mu_api_schedule_make(a, &change, &err) == MU_OK ? mu_api_schedule_empty(a, 204)
                                                           : mu_api_schedule_failure(a, &err);
}

static mu_http_outcome patch_schedule(mu_http_request *request, mu_http_response *response,
                                      void *context)
{
    mu_api_schedule_ask a;
    mu_json body;
    (void)context;
    if (!mu_api_body(request, response, &body))
        return MU_HTTP_DONE;
    if (body.kind != MU_JSON_ARRAY)
        return mu_api_problem(request, response, 400, BAD_MEMBER,
                              MU_STR("The body must be an array of operations"));
    if (!mu_api_schedule_begin(request, response, &a))
        return MU_HTTP_DONE;
    mu_http_outcome outcome = patch_checked(&a, &body);
    mu_api_schedule_end(&a);
    return outcome;
}

/* -------- deleting -------- */

static mu_code remove_schedule(mu_api_schedule_ask *a, const mu_api_schedule_change *change,
                               const mu_shelf_item *item, mu_err *err)
{
    const mu_shelf *states;
    mu_schedule schedule;
    const mu_document_edit edits[2] = {
        {.action = MU_DOCUMENT_REMOVE, .kind = KIND, .id = change->id, .author = &a->call->author},
        {.action = MU_DOCUMENT_REMOVE, .kind = MU_SCHEDULE_STATE_KIND, .id = change->id}};
    mu_schedule_read(item, &schedule);
    if (schedule.is_system) {
        mu_api_schedule_complain(a, "The sandbox's own schedule cannot be deleted");
        return MU_E_INPUT;
    }
    MU_TRY(mu_shelf_acquire(a->workspace->shelves, MU_SCHEDULE_STATE_KIND, &states, err));
    bool has_state = mu_shelf_find(states, change->id) != NULL;
    mu_shelf_release(states);
    return mu_shelves_edit_locked(a->workspace->shelves, now_of(a), has_state ? 2 : 1, edits, err);
}

static mu_http_outcome delete_schedule(mu_http_request *request, mu_http_response *response,
                                       void *context)
{
    mu_api_schedule_ask a;
    mu_err err = {0};
    const mu_api_schedule_change change = {.id = mu_http_request_parameter(request, MU_STR("id")),
                                           .apply = remove_schedule};
    (void)context;
    if (!mu_api_schedule_begin(request, response, &a))
        return MU_HTTP_DONE;
    mu_http_outcome outcome = mu_api_schedule_make(&a, &change, &err) == MU_OK
                                  ? mu_api_schedule_empty(&a, 204)
                                  : mu_api_schedule_failure(&a, &err);
    mu_api_schedule_end(&a);
    return outcome;
}

mu_code mu_api_add_schedules(mu_api *api, mu_http_router *router, mu_err *err)
{
    const mu_http_route routes[] = {
        {.method = MU_HTTP_GET, .pattern = SCHEDULES, .handler = list_schedules},
        {.method = MU_HTTP_POST, .pattern = SCHEDULES, .handler = post_schedule},
        {.method = MU_HTTP_GET, .pattern = SCHEDULES "/{id}", .handler = get_schedule},
        {.method = MU_HTTP_PATCH, .pattern = SCHEDULES "/{id}", .handler = patch_schedule},
        {.method = MU_HTTP_DELETE, .pattern = SCHEDULES "/{id}", .handler = delete_schedule},
        {.method = MU_HTTP_POST,
         .pattern = SCHEDULES "/add-audiences",
         .handler = mu_api_schedule_post_add},
        {.method = MU_HTTP_POST,
         .pattern = SCHEDULES "/remove-audiences",
         .handler = mu_api_schedule_post_remove},
        {.method = MU_HTTP_POST,
         .pattern = SCHEDULES "/audience-map",
         .handler = mu_api_schedule_post_map},
        {.method = MU_HTTP_POST,
         .pattern = SCHEDULES "/trigger",
         .handler = mu_api_schedule_post_trigger},
    };
    return mu_api_add(api, router, MU_API_CHECKED, routes, sizeof routes / sizeof routes[0], err);
}
