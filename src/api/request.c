/* request.c -- what handlers ask of requests and put into responses; single documents. */
#include "api/api_int.h"

#define BODY_ITEMS_MAX 10000u /* of one object or list */

/* As deep as the reader lets a body be. */
static bool is_modest(const mu_json *json)
{
    if (json->kind != MU_JSON_OBJECT && json->kind != MU_JSON_ARRAY)
        return true;
    bool modest = json->n <= BODY_ITEMS_MAX;
    for (uint32_t i = 0; modest && i < json->n; i++)
        modest = is_modest(&json->items[i]);
    return modest;
}

bool mu_api_body(mu_http_request *request, mu_http_response *response, mu_json *out)
{
    if (!mu_http_request_json_or_refuse(request, response, out))
        return false;
    if (is_modest(out))
        return true;
    mu_http_refuse(request, response, MU_HTTP_PROBLEM_BAD_JSON,
                   MU_STR("An object or a list of the body has more than 10000 members"));
    return false;
}

bool mu_api_body_object(mu_http_request *request, mu_http_response *response, mu_json *out)
{
    if (!mu_api_body(request, response, out))
        return false;
    if (out->kind == MU_JSON_OBJECT)
        return true;
    mu_http_refuse(request, response, MU_HTTP_PROBLEM_BAD_JSON,
                   MU_STR("The body must be a JSON object"));
    return false;
}

static bool refuse_query(mu_http_request *request, mu_http_response *response, const char *text)
{
    mu_http_refuse(request, response, MU_HTTP_PROBLEM_BAD_QUERY, mu_str_from(text));
    return false;
}

bool mu_api_page_read(mu_http_request *request, mu_http_response *response, int64_t limit_default,
                      int64_t limit_max, mu_api_page *out)
{
    const mu_http_pairs *query = mu_http_request_query(request);
    mu_err err;
    mu_api_page page;
    if (mu_http_pairs_integer(query, MU_STR("offset"), 0, &page.start, &err) != MU_OK ||
        mu_http_pairs_integer(query, MU_STR("start"), page.start, &page.start, &err) != MU_OK ||
        mu_http_pairs_integer(query, MU_STR("limit"), limit_default, &page.limit, &err) != MU_OK)
        return refuse_query(request, response, err.text);
    if (page.start < 0)
        return refuse_query(request, response, "The parameter start must not be negative");
    if (page.limit < 1)
        return refuse_query(request, response, "The parameter limit must be at least 1");
    page.limit = page.limit > limit_max ? limit_max : page.limit;
    *out = page;
    return true;
}

static void add_encoded(mu_buf *buf, mu_str text)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~";
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '\0' && strchr(plain, text.ptr[i]) != NULL)
            mu_buf_add_char(buf, text.ptr[i]);
        else
            mu_buf_add_format(buf, "%%%02X", (unsigned char)text.ptr[i]);
    }
}

void mu_api_add_parameter(mu_buf *buf, mu_str name, mu_str value)
{
    if (buf->len > 0)
        mu_buf_add_char(buf, '&');
    add_encoded(buf, name);
    mu_buf_add_char(buf, '=');
    add_encoded(buf, value);
}

mu_str mu_api_query_with(mu_http_request *request, mu_str name, int64_t value)
{
    const mu_http_pairs *query = mu_http_request_query(request);
    mu_arena *arena = mu_http_request_arena(request);
    mu_buf buf;
    mu_buf_init(&buf, (size_t)1 << 20);
    for (size_t i = 0; i < query->n; i++)
        if (!mu_str_equal_ascii_nocase(query->items[i].name, name))
            mu_api_add_parameter(&buf, query->items[i].name, query->items[i].value);
    mu_api_add_parameter(&buf, name, mu_arena_format(arena, "%lld", (long long)value));
    mu_str out = mu_arena_copy(arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return out;
}

mu_http_outcome mu_api_answer_text(mu_http_response *response, unsigned status, mu_str json)
{
    mu_http_response_status(response, status);
    mu_buf_add_str(mu_http_response_body(response, MU_STR("application/json")), json);
    return MU_HTTP_DONE;
}

mu_http_outcome mu_api_answer(mu_http_response *response, unsigned status, const mu_json *json)
{
    mu_http_response_status(response, status);
    mu_json_value(mu_http_response_json(response), json);
    return MU_HTTP_DONE;
}

/* -------- one document -------- */

mu_code mu_api_document_get(const mu_api *api, mu_arena *arena, mu_str place, mu_str kind,
                            mu_str id, mu_document *document, mu_json *json, mu_err *err)
{
    MU_TRY(mu_document_get(api->options.documents, arena, place, kind, id, document, err));
    return mu_json_parse(arena, document->json, json, err);
}

static mu_code edit_one(const mu_api *api, mu_str place, const mu_document_edit *edit, mu_err *err)
{
    return mu_document_edit_all(api->options.documents, place, mu_api_now_ms(api), 1, edit, err);
}

mu_code mu_api_document_put(const mu_api *api, mu_arena *arena, mu_str place,
                            mu_document_action action, mu_str kind, mu_str id, const mu_json *json,
                            uint64_t version_before, mu_err *err)
{
    mu_document_edit edit = {
        .action = action, .kind = kind, .id = id, .version_before = version_before};
    MU_TRY(mu_json_text(arena, json, &edit.json, err));
    return edit_one(api, place, &edit, err);
}

mu_code mu_api_document_remove(const mu_api *api, mu_str place, mu_str kind, mu_str id, mu_err *err)
{
    const mu_document_edit edit = {
        .action = MU_DOCUMENT_REMOVE, .kind = kind, .id = id, .json = MU_STR("")};
    return edit_one(api, place, &edit, err);
}

mu_code mu_api_call_put(const mu_api_call *call, mu_arena *arena, mu_str place,
                        mu_document_action action, mu_str kind, mu_str id, const mu_json *json,
                        uint64_t version_before, mu_err *err)
{
    mu_document_edit edit = {.action = action,
                             .kind = kind,
                             .id = id,
                             .version_before = version_before,
                             .author = &call->author};
    MU_TRY(mu_json_text(arena, json, &edit.json, err));
    return edit_one(call->api, place, &edit, err);
}

mu_code mu_api_call_remove(const mu_api_call *call, mu_str place, mu_str kind, mu_str id,
                           mu_err *err)
{
    const mu_document_edit edit = {.action = MU_DOCUMENT_REMOVE,
                                   .kind = kind,
                                   .id = id,
                                   .json = MU_STR(""),
                                   .author = &call->author};
    return edit_one(call->api, place, &edit, err);
}
