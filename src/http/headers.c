/* headers.c -- from the request line and headers to a route, or to a refusal. */
#include "base/number.h"
#include "base/utf8.h"
#include "http/http_int.h"

/* Values come back in answers and are stored (who made a document), so they are made UTF-8 on
 * entry; other bytes are ISO 8859-1, as they once were in all headers. */
static mu_str copy_value(mu_arena *arena, mu_str value)
{
    if (mu_utf8_valid(value))
        return mu_arena_copy(arena, value);
    char *out = mu_arena_alloc(arena, 2 * value.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < value.len; i++) {
        unsigned char byte = (unsigned char)value.ptr[i];
        if (byte >= 0x80)
            out[n++] = (char)(0xc0 | byte >> 6);
        out[n++] = byte >= 0x80 ? (char)(0x80 | (byte & 0x3f)) : (char)byte;
    }
    return (mu_str){out, n};
}

static enum MHD_Result copy_header(void *context, enum MHD_ValueKind kind, const char *name,
                                   size_t name_len, const char *value, size_t value_len)
{
    mu_http_request *request = context;
    (void)kind;
    mu_http_header_item *item = MU_NEW(&request->arena, mu_http_header_item);
    item->name = mu_arena_copy(&request->arena, (mu_str){name, name_len});
    item->value = value == NULL
                      ? MU_STR("")
                      : mu_str_trim(copy_value(&request->arena, (mu_str){value, value_len}));
    item->next = request->headers; /* turned round afterwards */
    request->headers = item;
    return MHD_YES;
}

/* Headers are copied because a late request outlives its connection when the server stops. */
static void copy_headers(mu_http_request *request)
{
    (void)MHD_get_connection_values_n(request->mhd, MHD_HEADER_KIND, copy_header, request);
    mu_http_header_item *ordered = NULL;
    while (request->headers != NULL) {
        mu_http_header_item *item = request->headers;
        request->headers = item->next;
        item->next = ordered;
        ordered = item;
    }
    request->headers = ordered;
}

bool mu_http_request_header(const mu_http_request *request, mu_str name, mu_str *out)
{
    for (const mu_http_header_item *item = request->headers; item != NULL; item = item->next) {
        if (mu_str_equal_ascii_nocase(item->name, name)) {
            *out = item->value;
            return true;
        }
    }
    return false;
}

static size_t count_headers(const mu_http_request *request, mu_str name)
{
    size_t n = 0;
    for (const mu_http_header_item *item = request->headers; item != NULL; item = item->next)
        n += mu_str_equal_ascii_nocase(item->name, name);
    return n;
}

/* -------- framing -------- */

static bool is_host(mu_str host)
{
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && !(c >= '0' && c <= '9') && (c == '\0' || !strchr(".:-[]_", c)))
            return false;
    }
    return host.len <= 255;
}

/* A request whose length two readers could see differently is refused, and its connection closed:
 * behind a proxy it would smuggle a second one (RFC 9112 6.3). NULL when all is well. */
static const char *framing_fault(const mu_http_request *request, const char *version)
{
    mu_str host = MU_STR(""), coding;
    size_t n_codings = count_headers(request, MU_STR("Transfer-Encoding"));
    size_t n_lengths = count_headers(request, MU_STR("Content-Length"));
    size_t n_hosts = count_headers(request, MU_STR("Host"));
    for (size_t i = 0; i < request->target.len; i++) {
        if ((unsigned char)request->target.ptr[i] <= ' ' || request->target.ptr[i] == 0x7f)
            return "the request target holds a blank or a control character";
    }
    if (n_codings > 1 || n_lengths > 1 || n_codings + n_lengths > 1)
        return "there is more than one Content-Length or Transfer-Encoding";
    if (mu_http_request_header(request, MU_STR("Transfer-Encoding"), &coding) &&
        !mu_str_equal_ascii_nocase(coding, MU_STR("chunked")))
        return "the Transfer-Encoding is not chunked";
    (void)mu_http_request_header(request, MU_STR("Host"), &host);
    if (n_hosts > 1 || !is_host(host) || (n_hosts == 0 && strcmp(version, "HTTP/1.1") == 0))
        return "the Host header is missing or malformed";
    return NULL;
}

bool mu_http_has_body(const mu_http_request *request)
{
    mu_str length, coding;
    return mu_http_request_header(request, MU_STR("Transfer-Encoding"), &coding) ||
           (mu_http_request_header(request, MU_STR("Content-Length"), &length) &&
            !mu_str_equal(length, MU_STR("0")));
}

bool mu_http_answers_early(const mu_http_request *request)
{
    mu_str expect, length;
    int64_t bytes = 0;
    if (request->must_close)
        return true;
    if (!mu_http_has_body(request))
        return false;
    if (mu_http_request_header(request, MU_STR("Content-Length"), &length) &&
        (!mu_parse_integer(length, &bytes) ||
         (uint64_t)bytes > request->server->limits.discard_max_bytes))
        return true;
    return mu_http_request_header(request, MU_STR("Expect"), &expect) &&
           mu_str_equal_ascii_nocase(expect, MU_STR("100-continue"));
}

/* -------- target -------- */

/* Splits path and query; takes scheme and host off the absolute form that proxies send. */
static void split_target(mu_http_request *request)
{
    mu_str target = request->target;
    const char *query = target.len == 0 ? NULL : memchr(target.ptr, '?', target.len);
    if (query != NULL) {
        size_t path_len = (size_t)(query - target.ptr);
        request->raw_query = (mu_str){query + 1, target.len - path_len - 1};
        target.len = path_len;
    }
    size_t scheme = mu_str_starts_with(target, MU_STR("http://"))    ? 7
                    : mu_str_starts_with(target, MU_STR("https://")) ? 8
                                                                     : 0;
    if (scheme > 0) {
        target = (mu_str){target.ptr + scheme, target.len - scheme};
        const char *slash = target.len == 0 ? NULL : memchr(target.ptr, '/', target.len);
        size_t host_len = slash == NULL ? target.len : (size_t)(slash - target.ptr);
        target = host_len == target.len ? MU_STR("/")
                                        : (mu_str){target.ptr + host_len, target.len - host_len};
    }
    request->path = target;
}

static mu_http_match_result match(mu_http_request *request)
{
    mu_http_match_result result =
        mu_http_router_match(request->server->options.router, &request->arena, request->method,
                             request->path, &request->match);
    if (result != MU_HTTP_MATCH_NO_PATH)
        return result;
    result = mu_http_router_match(request->server->builtin, &request->arena, request->method,
                                  request->path, &request->match);
    request->is_builtin = request->match.entry != NULL;
    return result;
}

static void answer_options(mu_http_request *request)
{
    mu_http_response_status(&request->response, 204);
    mu_http_response_header(&request->response, MU_STR("Allow"),
                            mu_http_allow_text(&request->arena, request->match.methods));
    request->is_answered = true;
}

/* Refuses what has no route, and answers OPTIONS; true when there is a route to go on with. */
static bool settle_route(mu_http_request *request, mu_http_match_result result)
{
    bool is_options = request->method == MU_HTTP_OPTIONS;
    if (is_options && mu_str_equal(request->path, MU_STR("*"))) {
        request->match.methods = (1u << MU_HTTP_OPTIONS) - 1;
        answer_options(request);
        return false;
    }
    if (result == MU_HTTP_MATCH_NO_PATH) {
        mu_http_refuse_now(request, MU_HTTP_PROBLEM_NO_SUCH_PATH, MU_STR("There is no such path"));
        return false;
    }
    if (request->match.is_edge)
        mu_http_add_cors(request, is_options);
    if (result == MU_HTTP_MATCH_BAD_PATH) {
        mu_http_refuse_now(request, MU_HTTP_PROBLEM_BAD_REQUEST,
                           MU_STR("The path is not valid UTF-8"));
    } else if (result == MU_HTTP_MATCH_NO_METHOD && is_options) {
        answer_options(request);
    } else if (result == MU_HTTP_MATCH_NO_METHOD) {
        mu_http_response_header(&request->response, MU_STR("Allow"),
                                mu_http_allow_text(&request->arena, request->match.methods));
        mu_http_refuse_now(request, MU_HTTP_PROBLEM_BAD_METHOD,
                           MU_STR("The path does not have this method"));
    }
    return !request->is_answered;
}

static void run_checks(mu_http_request *request)
{
    const mu_http_route *route = &request->match.entry->route;
    for (size_t i = 0; i < route->n_checks && !request->is_answered; i++)
        request->is_answered =
            !route->checks[i].check(request, &request->response, route->checks[i].context);
}

static void read_id(mu_http_request *request)
{
    mu_str id;
    if (mu_http_request_header(request, MU_STR("x-request-id"), &id) && mu_http_id_is_valid(id))
        request->id = mu_arena_copy(&request->arena, id); /* the library wants it terminated */
    else
        request->id = mu_http_id_new(&request->arena);
}

void mu_http_read_headers(mu_http_request *request, const char *method, const char *version)
{
    mu_err err;
    request->has_headers = true;
    copy_headers(request);
    request->method = mu_http_method_parse(method);
    read_id(request);
    split_target(request);
    const char *fault = framing_fault(request, version);
    if (fault != NULL) {
        request->must_close = true;
        mu_http_refuse_now(request, MU_HTTP_PROBLEM_BAD_REQUEST, mu_str_from(fault));
        return;
    }
    if (!settle_route(request, match(request)))
        return;
    if (mu_http_pairs_parse(&request->arena, request->raw_query,
                            request->server->limits.query_parameters_max, &request->query,
                            &err) != MU_OK) {
        mu_http_refuse_now(request, MU_HTTP_PROBLEM_BAD_QUERY, mu_str_from(err.text));
        return;
    }
    run_checks(request);
    if (!request->is_answered)
        mu_http_body_begin(request);
}
