/* export_jobs.c -- /data/core/ups/export/jobs (api.md 13). */
#include "api/api_int.h"

#include "base/number.h"

#define BASE          "/data/core/ups/export/jobs"
#define LIMIT_DEFAULT 100
#define LIMIT_MAX     1000
#define NO_DATASET    MU_STR("UPLIB-101554-503")

/* -------- as the API shows it -------- */

static mu_json shown(mu_arena *arena, const mu_api_call *call, const mu_shelf_item *item)
{
    const mu_json *stored = &item->json;
    mu_str *names = MU_NEW_ARRAY(arena, mu_str, (size_t)stored->n + 2);
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, (size_t)stored->n + 2);
    uint32_t n = 0;
    for (uint32_t i = 0; i < stored->n; i++) {
        if (mu_str_starts_with(stored->names[i], MU_STR("$")))
            continue; /* the server's own */
        names[n] = stored->names[i];
        items[n++] = stored->items[i];
    }
    names[n] = MU_STR("imsOrgId");
    items[n++] = mu_json_of_string(call->organization);
    names[n] = MU_STR("sandbox");
    items[n++] = mu_api_sandbox_json(arena, call->sandbox);
    return (mu_json){.kind = MU_JSON_OBJECT, .n = n, .names = names, .items = items};
}

static mu_http_outcome no_such_job(mu_http_request *request, mu_http_response *response)
{
    return mu_api_problem_format(request, response, 404, MU_STR("UPAPI-113000-404"),
                                 "There is no export job " MU_STR_FMT,
                                 MU_STR_ARG(mu_http_request_parameter(request, MU_STR("id"))));
}

static mu_http_outcome show_one(mu_http_request *request, mu_http_response *response,
                                mu_workspace *workspace, mu_str id)
{
    const mu_shelf *shelf;
    mu_err err;
    if (mu_shelf_acquire(workspace->shelves, MU_EXPORT_JOB_KIND, &shelf, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    const mu_shelf_item *item = mu_shelf_find(shelf, id);
    mu_http_outcome outcome = MU_HTTP_DONE;
    if (item == NULL) {
        outcome = no_such_job(request, response);
    } else {
        mu_json json = shown(mu_http_request_arena(request), mu_api_call_of(request), item);
        outcome = mu_api_answer(response, 200, &json);
    }
    mu_shelf_release(shelf);
    return outcome;
}

static mu_http_outcome get_job(mu_http_request *request, mu_http_response *response, void *context)
{
    mu_workspace *workspace;
    (void)context;
    if (!mu_api_workspace(request, response, &workspace))
        return MU_HTTP_DONE;
    return show_one(request, response, workspace, mu_http_request_parameter(request, MU_STR("id")));
}

/* -------- creating -------- */

/* A breach with a code of its own begins with it: "UPLIB-101554-503: ...". */
static mu_http_outcome refuse(mu_http_request *request, mu_http_response *response,
                              const mu_err *err)
{
    mu_str text = mu_str_from(err->text);
    if (err->code != MU_E_INPUT)
        return mu_api_fail(request, response, err);
    if (!mu_str_starts_with(text, NO_DATASET))
        return mu_api_problem(request, response, 400, MU_STR("UPAPI-119911-400"), text);
    const size_t code_len = NO_DATASET.len + 2;
    const mu_str messages[] = {MU_STR("The destination's dataset cannot be resolved"),
                               {text.ptr + code_len, text.len - code_len}};
    const mu_http_ups_error error = {.status = 400,
                                     .code = NO_DATASET,
                                     .inner_is_status = true,
                                     .messages = messages,
                                     .n_messages = 2};
    return mu_api_refuse(request, response, &error);
}

static mu_http_outcome post_job(mu_http_request *request, mu_http_response *response, void *context)
{
    mu_api *api = context;
    mu_api_call *call = mu_api_call_of(request);
    mu_arena *arena = mu_http_request_arena(request);
    mu_workspace *workspace;
    mu_json body;
    mu_err err;
    uint64_t number;
    mu_str instance = MU_STR("");
    if (!mu_api_body_object(request, response, &body) ||
        !mu_api_workspace(request, response, &workspace))
        return MU_HTTP_DONE;
    mu_http_request_header(request, MU_STR("x-profile-instance-id"), &instance);
    const mu_export_request wanted = {.request = &body,
                                      .request_id = mu_http_request_id(request),
                                      .profile_instance_id = instance,
                                      .organization = call->organization,
                                      .sandbox_id = call->sandbox->id,
                                      .author = &call->author};
    if (mu_exports_create(api->exports, workspace, &wanted, &number, &err) != MU_OK)
        return refuse(request, response, &err);
    mu_str id = mu_arena_format(arena, "%llu", (unsigned long long)number);
    mu_str base = mu_http_request_base_url(request);
    mu_http_response_header(
        response, MU_STR("X-Location"),
        mu_arena_format(arena, MU_STR_FMT BASE "/" MU_STR_FMT, MU_STR_ARG(base), MU_STR_ARG(id)));
    return show_one(request, response, workspace, id);
}

/* -------- the list: newest first, by a cursor -------- */

/* "CREATIONTIME_ID" of the last row of a page. */
typedef struct cursor {
    int64_t creation_ms, id;
} cursor;

typedef struct listing {
    int64_t limit;
    bool has_cursor;
    cursor after;
    mu_str status; /* empty: any */
} listing;

static bool read_digits(mu_str text, int64_t *out)
{
    return text.len > 0 && text.ptr[0] >= '0' && text.ptr[0] <= '9' && mu_parse_integer(text, out);
}

static bool read_cursor(mu_str text, cursor *out)
{
    size_t line = mu_str_find(text, MU_STR("_"));
    return line != SIZE_MAX && read_digits((mu_str){text.ptr, line}, &out->creation_ms) &&
           read_digits((mu_str){text.ptr + line + 1, text.len - line - 1}, &out->id);
}

static bool refuse_query(mu_http_request *request, mu_http_response *response, const char *text)
{
    mu_http_refuse(request, response, MU_HTTP_PROBLEM_BAD_QUERY, mu_str_from(text));
    return false;
}

static bool read_listing(mu_http_request *request, mu_http_response *response, listing *out)
{
    static const char *const statuses[] = {"NEW", "PROCESSING", "SUCCEEDED", "FAILED"};
    const mu_http_pairs *query = mu_http_request_query(request);
    mu_str text;
    mu_err err;
    *out = (listing){.status = MU_STR("")};
    if (mu_http_pairs_integer(query, MU_STR("limit"), LIMIT_DEFAULT, &out->limit, &err) != MU_OK)
        return refuse_query(request, response, err.text);
    if (out->limit < 1)
        return refuse_query(request, response, "The parameter limit must be at least 1");
    out->limit = out->limit > LIMIT_MAX ? LIMIT_MAX : out->limit;
    out->has_cursor = mu_http_pairs_find(query, MU_STR("offset"), &text);
    if (out->has_cursor && !read_cursor(text, &out->after))
        return refuse_query(request, response,
                            "The parameter offset must be the pageOffset of a page before");
    if (!mu_http_pairs_find(query, MU_STR("status"), &text))
        return true;
    out->status = mu_str_equal(text, MU_STR("SUCEEDED")) ? MU_STR("SUCCEEDED") : text;
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        if (mu_str_equal(out->status, mu_str_from(statuses[i])))
            return true;
    return refuse_query(request, response,
                        "The parameter status must be NEW, PROCESSING, SUCCEEDED or FAILED");
}

static cursor cursor_of(const mu_shelf_item *item)
{
    const mu_json *time = mu_json_get(&item->json, MU_STR("creationTime"));
    const mu_json *id = mu_json_get(&item->json, MU_STR("id"));
    return (cursor){time != NULL && time->kind == MU_JSON_INTEGER ? time->integer : 0,
                    id != NULL && id->kind == MU_JSON_INTEGER ? id->integer : 0};
}

static mu_str cursor_text(mu_arena *arena, cursor at)
{
    return mu_arena_format(arena, "%lld_%lld", (long long)at.creation_ms, (long long)at.id);
}

static bool is_before(cursor a, cursor b)
{
    return a.creation_ms != b.creation_ms ? a.creation_ms < b.creation_ms : a.id < b.id;
}

/* Jobs are in the order of cursors; how many of them are before the cursor. */
static uint32_t count_before(const mu_shelf *shelf, cursor at)
{
    uint32_t low = 0, high = shelf->n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (is_before(cursor_of(shelf->items[middle]), at))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_listed(const listing *wanted, const mu_shelf_item *item)
{
    return wanted->status.len == 0 ||
           mu_str_equal(mu_json_member_string(&item->json, MU_STR("status"), MU_STR("")),
                        wanted->status);
}

static mu_json page_json(mu_arena *arena, uint32_t n, mu_str last)
{
    return MU_JSON_OBJECT_OF(arena, {MU_STR("sortField"), mu_json_of_string(MU_STR("createdTime"))},
                             {MU_STR("sort"), mu_json_of_string(MU_STR("desc"))},
                             {MU_STR("pageOffset"), mu_json_of_string(last)},
                             {MU_STR("pageSize"), mu_json_of_integer(n)});
}

static mu_str next_link(mu_arena *arena, const listing *wanted, mu_str last)
{
    mu_str link = mu_arena_format(arena, "/export/jobs/?limit=%lld&offset=" MU_STR_FMT,
                                  (long long)wanted->limit, MU_STR_ARG(last));
    if (wanted->status.len == 0)
        return link;
    return mu_arena_format(arena, MU_STR_FMT "&status=" MU_STR_FMT, MU_STR_ARG(link),
                           MU_STR_ARG(wanted->status));
}

static mu_json list_json(mu_http_request *request, const listing *wanted, const mu_shelf *shelf)
{
    mu_arena *arena = mu_http_request_arena(request);
    const mu_api_call *call = mu_api_call_of(request);
    uint32_t at = wanted->has_cursor ? count_before(shelf, wanted->after) : shelf->n;
    uint32_t n_max = (int64_t)at < wanted->limit ? at : (uint32_t)wanted->limit, n = 0;
    mu_json *records = MU_NEW_ARRAY(arena, mu_json, n_max);
    const mu_shelf_item *newest_left = NULL, *last_item = NULL;
    for (; at > 0 && newest_left == NULL; at--) {
        const mu_shelf_item *item = shelf->items[at - 1];
        if (!is_listed(wanted, item))
            continue;
        if (n == n_max) {
            newest_left = item;
        } else {
            last_item = item;
            records[n++] = shown(arena, call, item);
        }
    }
    mu_str last = last_item == NULL ? MU_STR("") : cursor_text(arena, cursor_of(last_item));
    mu_str next = newest_left != NULL ? next_link(arena, wanted, last) : MU_STR("");
    return MU_JSON_OBJECT_OF(
        arena, {MU_STR("records"), {.kind = MU_JSON_ARRAY, .n = n, .items = records}},
        {MU_STR("page"), page_json(arena, n, last)},
        {MU_STR("link"), MU_JSON_OBJECT_OF(arena, {MU_STR("next"), mu_json_of_string(next)})});
}

static mu_http_outcome list_jobs(mu_http_request *request, mu_http_response *response,
                                 void *context)
{
    mu_workspace *workspace;
    const mu_shelf *shelf;
    listing wanted;
    mu_err err;
    (void)context;
    if (!read_listing(request, response, &wanted) ||
        !mu_api_workspace(request, response, &workspace))
        return MU_HTTP_DONE;
    if (mu_shelf_acquire(workspace->shelves, MU_EXPORT_JOB_KIND, &shelf, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    mu_json json = list_json(request, &wanted, shelf);
    mu_http_outcome outcome = mu_api_answer(response, 200, &json);
    mu_shelf_release(shelf);
    return outcome;
}

/* -------- cancelling and removing -------- */

static mu_http_outcome delete_job(mu_http_request *request, mu_http_response *response,
                                  void *context)
{
    mu_api *api = context;
    mu_arena *arena = mu_http_request_arena(request);
    mu_workspace *workspace;
    int64_t number;
    mu_err err;
    mu_str id = mu_http_request_parameter(request, MU_STR("id"));
    if (!mu_api_workspace(request, response, &workspace))
        return MU_HTTP_DONE;
    if (!read_digits(id, &number) || id.ptr[0] == '0')
        return no_such_job(request, response);
    mu_code code = mu_exports_remove(api->exports, workspace, (uint64_t)number,
                                     &mu_api_call_of(request)->author, &err);
    if (code == MU_E_NOT_FOUND)
        return no_such_job(request, response);
    if (code != MU_OK)
        return mu_api_fail(request, response, &err);
    mu_str message = mu_arena_format(
        arena, "The export job " MU_STR_FMT " was removed, or is being cancelled", MU_STR_ARG(id));
    mu_json json = MU_JSON_OBJECT_OF(arena, {MU_STR("status"), mu_json_of_boolean(true)},
                                     {MU_STR("message"), mu_json_of_string(message)});
    return mu_api_answer(response, 200, &json);
}

mu_code mu_api_add_export_jobs(mu_api *api, mu_http_router *router, mu_err *err)
{
    static const mu_http_route routes[] = {
        {.method = MU_HTTP_GET, .pattern = BASE, .handler = list_jobs},
        {.method = MU_HTTP_POST, .pattern = BASE, .handler = post_job},
        {.method = MU_HTTP_GET, .pattern = BASE "/{id}", .handler = get_job},
        {.method = MU_HTTP_DELETE, .pattern = BASE "/{id}", .handler = delete_job},
    };
    return mu_api_add(api, router, MU_API_CHECKED, routes, sizeof routes / sizeof routes[0], err);
}
