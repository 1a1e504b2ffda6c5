/* audit.c -- GET /data/foundation/audit/events: who changed what, in the form of the public Audit
 * Query API, with the document before and after the change besides.
 */
#include "catalog/audit.h"
#include "api/api_int.h"
#include "base/time.h"

#define PATH      "/data/foundation/audit/events"
#define ROWS_MAX  1000
#define ROWS_USED 50

/* -------- filters -------- */

static const struct action_name {
    mu_audit_action action;
    const char *name, *permission;
} action_names[] = {{MU_AUDIT_CREATE, "Create", "WRITE"},
                    {MU_AUDIT_UPDATE, "Update", "WRITE"},
                    {MU_AUDIT_DELETE, "Delete", "DELETE"}};

/* The kind of a resource's name; its own name where there is none, which no event has. */
static mu_str kind_of(mu_str resource)
{
    static const char *const kinds[] = {
#define AUDITED(kind, resource, always) kind,
#include "catalog/audit.def"
#undef AUDITED
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (mu_str_equal_ascii_nocase(mu_audit_resource(mu_str_from(kinds[i])), resource))
            return mu_str_from(kinds[i]);
    return resource;
}

static mu_code read_action(mu_str value, mu_audit_query *query, mu_err *err)
{
    for (size_t i = 0; i < sizeof action_names / sizeof action_names[0]; i++)
        if (mu_str_equal_ascii_nocase(value, mu_str_from(action_names[i].name))) {
            query->action = action_names[i].action;
            query->has_action = true;
            return MU_OK;
        }
    return mu_fail(err, MU_E_INPUT, "an action is Create, Update or Delete");
}

static mu_code read_time(mu_str value, mu_str operator, mu_audit_query * query, mu_err *err)
{
    int64_t ms;
    if (!mu_parse_time(value, &ms))
        return mu_fail(err, MU_E_INPUT, "a timestamp is written as 2026-01-02T03:04:05Z");
    if (mu_str_equal(operator, MU_STR(">=")))
        query->from_ms = ms;
    else if (mu_str_equal(operator, MU_STR(">")))
        query->from_ms = ms + 1;
    else if (mu_str_equal(operator, MU_STR("<=")))
        query->before_ms = ms + 1;
    else if (mu_str_equal(operator, MU_STR("<")))
        query->before_ms = ms;
    else
        return mu_fail(err, MU_E_INPUT, "a timestamp is compared with <, <=, > or >=");
    return MU_OK;
}

/* *at: where the operator is. The first of the text, the longest that fits there. */
static bool find_operator(mu_str text, size_t *at, mu_str *operator)
{
    static const char *const signs[] = {"==", ">=", "<=", "<", ">", "="};
    for (*at = 0; *at < text.len; ++*at)
        for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
            *operator= mu_str_from(signs[i]);
            if (mu_str_starts_with((mu_str){text.ptr + *at, text.len - *at}, *operator))
                return true;
        }
    return false;
}

static mu_code read_filter(mu_str text, mu_audit_query *query, mu_err *err)
{
    size_t at;
    mu_str operator;
    if (!find_operator(text, &at, &operator))
        return mu_fail(err, MU_E_INPUT, "the filter \"" MU_STR_FMT "\" has no operator",
                       MU_STR_ARG(text));
    mu_str name = {text.ptr, at};
    mu_str value = {text.ptr + at + operator.len, text.len - at - operator.len };
    if (mu_str_equal(name, MU_STR("timestamp")))
        return read_time(value, operator, query, err);
    if (operator.ptr[0] != '=')
        return mu_fail(err, MU_E_INPUT, MU_STR_FMT " is compared with ==", MU_STR_ARG(name));
    if (mu_str_equal(name, MU_STR("action")))
        return read_action(value, query, err);
    if (mu_str_equal(name, MU_STR("user")) || mu_str_equal(name, MU_STR("userEmail")) ||
        mu_str_equal(name, MU_STR("authId")))
        query->user = value;
    else if (mu_str_equal(name, MU_STR("assetType")) ||
             mu_str_equal(name, MU_STR("permissionResource")))
        query->kind = kind_of(value);
    else if (mu_str_equal(name, MU_STR("assetId")))
        query->id = value;
    else if (mu_str_equal(name, MU_STR("requestId")))
        query->request_id = value;
    else
        return mu_fail(err, MU_E_INPUT, "events cannot be filtered by " MU_STR_FMT,
                       MU_STR_ARG(name));
    return MU_OK;
}

static mu_code read_filters(const mu_http_pairs *pairs, mu_audit_query *query, mu_err *err)
{
    mu_str text;
    for (size_t at = 0; mu_http_pairs_next(pairs, MU_STR("property"), &at, &text);)
        MU_TRY(read_filter(text, query, err));
    return MU_OK;
}

/* -------- events -------- */

/* What people call the document: its name, or its title, or its id. */
static mu_str name_of(const mu_json *json, mu_str otherwise)
{
    mu_str title = mu_json_member_string(json, MU_STR("title"), otherwise);
    return mu_json_member_string(json, MU_STR("name"), title);
}

/* "2026-01-02T03:04:05.006+0000", as this service writes instants. */
static mu_json time_json(mu_arena *arena, int64_t ms)
{
    mu_civil c = mu_civil_from_ms(ms);
    return mu_json_of_string(mu_arena_format(arena, "%04d-%02d-%02dT%02d:%02d:%02d.%03d+0000",
                                             (int)c.year, c.month, c.day, c.hour, c.minute,
                                             c.second, (int)(((ms % 1000) + 1000) % 1000)));
}

static void add_document(mu_arena *arena, mu_json *out, mu_str name, mu_str text, mu_json *parsed)
{
    *parsed = (mu_json){.kind = MU_JSON_NULL};
    if (text.len > 0 && mu_json_parse(arena, text, parsed, NULL) == MU_OK)
        mu_json_set(arena, out, name, *parsed);
}

static mu_json shown(mu_arena *arena, const mu_api_call *call, const mu_audit_event *event)
{
    mu_str user = event->user.len == 0 ? MU_STR("system") : event->user;
    mu_str resource = mu_audit_resource(event->kind);
    const struct action_name *action = &action_names[event->action % 3];
    mu_json before, after;
    mu_json out = MU_JSON_OBJECT_OF(
        arena,
        {MU_STR("id"),
         mu_json_of_string(mu_arena_format(arena, "%llu", (unsigned long long)event->number))},
        {MU_STR("version"), mu_json_of_string(MU_STR("1.0"))},
        {MU_STR("eventType"), mu_json_of_string(MU_STR("Core"))},
        {MU_STR("timestamp"), time_json(arena, event->at_ms)},
        {MU_STR("userEmail"), mu_json_of_string(user)}, {MU_STR("authId"), mu_json_of_string(user)},
        {MU_STR("requestId"), mu_json_of_string(event->request_id)},
        {MU_STR("imsOrgId"), mu_json_of_string(call->organization)},
        {MU_STR("sandboxName"), mu_json_of_string(call->sandbox->name)},
        {MU_STR("sandboxId"), mu_json_of_string(call->sandbox->id)},
        {MU_STR("permissionResource"), mu_json_of_string(resource)},
        {MU_STR("permissionType"), mu_json_of_string(mu_str_from(action->permission))},
        {MU_STR("assetType"), mu_json_of_string(resource)},
        {MU_STR("assetId"), mu_json_of_string(event->id)},
        {MU_STR("action"), mu_json_of_string(mu_str_from(action->name))},
        {MU_STR("status"), mu_json_of_string(MU_STR("Success"))},
        {MU_STR("failureCode"), mu_json_of_string(MU_STR(""))});
    add_document(arena, &out, MU_STR("before"), event->before, &before);
    add_document(arena, &out, MU_STR("after"), event->after, &after);
    mu_json_set(arena, &out, MU_STR("assetName"),
                mu_json_of_string(name_of(&after, name_of(&before, event->id))));
    if (!mu_str_equal(event->sandbox, call->place)) { /* of the organisation */
        mu_json_unset(arena, &out, MU_STR("sandboxName"));
        mu_json_unset(arena, &out, MU_STR("sandboxId"));
    }
    return out;
}

/* -------- the list -------- */

static mu_json page_json(mu_http_request *request, const mu_api_page *page, uint32_t n,
                         uint64_t n_all, mu_json *links)
{
    mu_arena *arena = mu_http_request_arena(request);
    mu_str base = mu_http_request_base_url(request);
    int64_t limit = page->limit;
    mu_str self = mu_api_query_with(request, MU_STR("start"), page->start);
    *links = MU_JSON_OBJECT_OF(
        arena,
        {MU_STR("self"),
         MU_JSON_OBJECT_OF(arena, {MU_STR("href"), mu_json_of_string(mu_arena_format(
                                                       arena, MU_STR_FMT PATH "?" MU_STR_FMT,
                                                       MU_STR_ARG(base), MU_STR_ARG(self)))})});
    if (n > 0 && (uint64_t)page->start + n < n_all) {
        mu_str next = mu_api_query_with(request, MU_STR("start"), page->start + n);
        mu_json_set(
            arena, links, MU_STR("next"),
            MU_JSON_OBJECT_OF(arena, {MU_STR("href"), mu_json_of_string(mu_arena_format(
                                                          arena, MU_STR_FMT PATH "?" MU_STR_FMT,
                                                          MU_STR_ARG(base), MU_STR_ARG(next)))}));
    }
    return MU_JSON_OBJECT_OF(
        arena, {MU_STR("size"), mu_json_of_integer(n)},
        {MU_STR("totalElements"), mu_json_of_integer((int64_t)n_all)},
        {MU_STR("totalPages"), mu_json_of_integer(((int64_t)n_all + limit - 1) / limit)},
        {MU_STR("number"), mu_json_of_integer(page->start / limit + 1)});
}

static mu_http_outcome list_events(mu_http_request *request, mu_http_response *response,
                                   void *context)
{
    mu_api *api = context;
    mu_api_call *call = mu_api_call_of(request);
    mu_arena *arena = mu_http_request_arena(request);
    mu_audit_query query = {.sandbox = call->place, .shared_sandbox = call->shared_place};
    mu_api_page page;
    mu_err err;
    uint32_t n;
    uint64_t n_all;
    const mu_audit_event *events;
    if (!mu_api_page_read(request, response, ROWS_USED, ROWS_MAX, &page))
        return MU_HTTP_DONE;
    query.offset = (uint64_t)page.start;
    query.limit = (uint32_t)page.limit;
    if (read_filters(mu_http_request_query(request), &query, &err) != MU_OK ||
        mu_audit_list(api->options.documents, arena, &query, &n, &events, &n_all, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, n), links;
    for (uint32_t i = 0; i < n; i++)
        items[i] = shown(arena, call, &events[i]);
    mu_json json_page = page_json(request, &page, n, n_all, &links);
    mu_json json = MU_JSON_OBJECT_OF(
        arena,
        {MU_STR("_embedded"),
         MU_JSON_OBJECT_OF(
             arena, {MU_STR("events"), (mu_json){.kind = MU_JSON_ARRAY, .n = n, .items = items}})},
        {MU_STR("_links"), links}, {MU_STR("page"), json_page});
    return mu_api_answer(response, 200, &json);
}

mu_code mu_api_add_audit(mu_api *api, mu_http_router *router, mu_err *err)
{
    static const mu_http_route routes[] = {
        {.method = MU_HTTP_GET, .pattern = PATH, .handler = list_events},
    };
    return mu_api_add(api, router, MU_API_CHECKED, routes, 1, err);
}
