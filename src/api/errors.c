/* errors.c -- error bodies in the form of each service (profile.md 0.4, P3; api.md 3). */
#include "api/api_int.h"

#include "base/time.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>

/* -------- which service a path belongs to -------- */

/* The first prefix that fits; a prefix ends at a segment's end. */
static const struct family_prefix {
    const char *prefix;
    mu_api_family family;
} prefixes[] = {
    {"/data/core/ups/access", MU_API_FAMILY_ENTITIES},
    {"/data/core/ups/config/mergePolicies", MU_API_FAMILY_UPS_PLAIN},
    {"/data/core/ups/config/projections", MU_API_FAMILY_UPS_PLAIN},
    {"/data/core/ups/config/destinations", MU_API_FAMILY_UPS_PLAIN},
    {"/data/core/ups/config/retention", MU_API_FAMILY_UPS_PLAIN},
    {"/data/core/ups/previewsamplestatus", MU_API_FAMILY_UPS_PLAIN},
    {"/data/core/ups/system", MU_API_FAMILY_UPS_PLAIN},
    {"/data/core/ups", MU_API_FAMILY_UPS},
    {"/data/core/ais", MU_API_FAMILY_AIS},
    {"/data/core/ca", MU_API_FAMILY_UPS_PLAIN},
    {"/data/core/idnamespace", MU_API_FAMILY_NAMESPACE},
    {"/data/core/identity", MU_API_FAMILY_IDENTITY},
    {"/data/foundation/schemaregistry", MU_API_FAMILY_REGISTRY},
    {"/data/foundation/import/collection", MU_API_FAMILY_COLLECTION},
    {"/data/foundation", MU_API_FAMILY_FOUNDATION},
    {"/collection", MU_API_FAMILY_COLLECTION},
    {"/ee", MU_API_FAMILY_EDGE},
    {"/ims", MU_API_FAMILY_TOKEN},
};

mu_api_family mu_api_family_of(mu_str path)
{
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        mu_str prefix = mu_str_from(prefixes[i].prefix);
        if (mu_str_starts_with(path, prefix) &&
            (path.len == prefix.len || path.ptr[prefix.len] == '/'))
            return prefixes[i].family;
    }
    return MU_API_FAMILY_UPS;
}

/* -------- statuses -------- */

static const struct status_row {
    unsigned status;
    const char *title;      /* of bodies that have one beside the message */
    const char *ups_code;   /* api.md 3.4 */
    const char *token_code; /* RFC 6749 5.2 */
} statuses[] = {
    {400, "InvalidInput", "UPAPI-119911-400", "invalid_request"},
    {401, "Unauthorized", "UPAPI-119911-400", "invalid_client"},
    {403, "Forbidden", "UPAPI-113752-403", "access_denied"},
    {404, "NotFound", "UPAPI-113000-404", "invalid_request"},
    {405, "MethodNotAllowed", "UPAPI-119917-405", "invalid_request"},
    {409, "Conflict", "UPAPI-119915-422", "invalid_request"},
    {412, "PreconditionFailed", "UPAPI-119914-412", "invalid_request"},
    {413, "PayloadTooLarge", "UPAPI-119918-413", "invalid_request"},
    {415, "UnsupportedMediaType", "UPAPI-119922-415", "invalid_request"},
    {422, "UnprocessableEntity", "UPAPI-119915-422", "invalid_request"},
    {429, "TooManyRequests", "UPAPI-119919-429", "temporarily_unavailable"},
    {500, "InternalServerError", "UPAPI-119990-500", "server_error"},
    {501, "NotImplemented", "UPAPI-119911-400", "invalid_request"},
    {503, "ServiceUnavailable", "UPAPI-119991-503", "temporarily_unavailable"},
};

static const struct status_row *row_of(unsigned status)
{
    size_t last = sizeof statuses / sizeof statuses[0] - 1;
    for (size_t i = 0; i < last; i++)
        if (statuses[i].status >= status)
            return &statuses[i];
    return &statuses[last];
}

unsigned mu_api_status(mu_code code)
{
    switch (code) {
    case MU_OK:
        return 200;
    case MU_E_SYNTAX:
    case MU_E_TYPE:
    case MU_E_INPUT:
        return 400;
    case MU_E_NOT_FOUND:
        return 404;
    case MU_E_CONFLICT:
        return 409;
    case MU_E_LIMIT: /* full just now */
    case MU_E_CANCELLED:
        return 503;
    case MU_E_IO:
    case MU_E_CORRUPT:
    case MU_E_NOMEM:
        break;
    }
    return 500;
}

/* -------- bodies -------- */

typedef struct error_body {
    mu_http_request *request;
    unsigned status;
    const struct status_row *row;
    mu_str code, message;
} error_body;

static void member(mu_json_writer *writer, const char *name, mu_str value)
{
    mu_json_name(writer, mu_str_from(name));
    mu_json_string(writer, value);
}

static void status_member(mu_json_writer *writer, const error_body *p)
{
    mu_json_name(writer, MU_STR("status"));
    mu_json_integer(writer, p->status);
}

static mu_str status_text(const error_body *p)
{
    return mu_arena_format(mu_http_request_arena(p->request), "%u", p->status);
}

static mu_str code_or(const error_body *p, const char *service)
{
    return p->code.len > 0 ? p->code
                           : mu_arena_format(mu_http_request_arena(p->request), "%s-1000-%u",
                                             service, p->status);
}

static mu_str type_of(const error_body *p, const char *service)
{
    mu_str code = code_or(p, service);
    return mu_arena_format(mu_http_request_arena(p->request),
                           "http://ns.adobe.com/aep/errors/" MU_STR_FMT, MU_STR_ARG(code));
}

/* By the api's clock. The services whose errors have a time are behind the header checks, which set
 * the call before anything else can refuse, but for an unknown path. */
static mu_str time_text(mu_http_request *request)
{
    char text[MU_TIME_TEXT_MAX];
    const mu_api_call *call = mu_http_request_state(request);
    size_t len = mu_format_time(call == NULL ? mu_now_ms() : mu_api_now_ms(call->api), text);
    return mu_arena_copy(mu_http_request_arena(request), (mu_str){text, len});
}

static void write_ups(mu_json_writer *writer, const error_body *p)
{
    const mu_http_ups_error error = {.status = p->status,
                                     .code =
                                         p->code.len > 0 ? p->code : mu_str_from(p->row->ups_code),
                                     .messages = &p->message,
                                     .n_messages = 1};
    mu_http_write_ups_error(writer, mu_http_request_id(p->request), &error);
}

static void write_ups_plain(mu_json_writer *writer, const error_body *p)
{
    mu_json_begin_object(writer);
    member(writer, "code", p->code.len > 0 ? p->code : status_text(p));
    member(writer, "message", p->message);
    mu_json_end_object(writer);
}

static void write_entities(mu_json_writer *writer, const error_body *p)
{
    mu_json_begin_object(writer);
    member(writer, "message", p->message);
    member(writer, "statusCode", status_text(p));
    mu_json_end_object(writer);
}

static void write_registry(mu_json_writer *writer, const error_body *p)
{
    mu_json_begin_object(writer);
    member(writer, "type", type_of(p, "XDM"));
    member(writer, "title", mu_str_from(p->row->title));
    status_member(writer, p);
    mu_json_name(writer, MU_STR("report"));
    mu_json_begin_object(writer);
    member(writer, "registryRequestId", mu_http_request_id(p->request));
    member(writer, "timestamp", time_text(p->request));
    member(writer, "detailed-message", p->message);
    mu_json_name(writer, MU_STR("sub-errors"));
    mu_json_begin_array(writer);
    mu_json_end_array(writer);
    mu_json_end_object(writer);
    member(writer, "detail", p->message);
    mu_json_end_object(writer);
}

static void write_identity(mu_json_writer *writer, const error_body *p)
{
    mu_json_begin_object(writer);
    member(writer, "title", p->code.len > 0 ? p->code : mu_str_from(p->row->title));
    status_member(writer, p);
    member(writer, "detail", p->message);
    mu_json_end_object(writer);
}

static void write_namespace(mu_json_writer *writer, const error_body *p)
{
    mu_json_begin_object(writer);
    member(writer, "timestamp", time_text(p->request));
    member(writer, "type", MU_STR("http://ns.adobe.com/adobecloud/problem/namespacevalidation"));
    status_member(writer, p);
    member(writer, "title", mu_str_from(p->row->title));
    member(writer, "description", p->message);
    mu_json_name(writer, MU_STR("report"));
    mu_json_begin_object(writer);
    member(writer, "code", p->code.len > 0 ? p->code : mu_str_from(p->row->title));
    mu_json_end_object(writer);
    mu_json_end_object(writer);
}

static void write_foundation(mu_json_writer *writer, const error_body *p)
{
    mu_json_begin_object(writer);
    member(writer, "type", type_of(p, "PLATFORM"));
    member(writer, "title", mu_str_from(p->row->title));
    status_member(writer, p);
    member(writer, "detail", p->message);
    mu_json_end_object(writer);
}

static void write_collection(mu_json_writer *writer, const error_body *p)
{
    mu_json_begin_object(writer);
    member(writer, "type",
           MU_STR("http://ns.adobe.com/adobecloud/problem/data-collection-service/inlet"));
    status_member(writer, p);
    member(writer, "title", p->code.len > 0 ? p->code : mu_str_from(p->row->title));
    mu_json_name(writer, MU_STR("report"));
    mu_json_begin_object(writer);
    member(writer, "message", p->message);
    mu_json_end_object(writer);
    mu_json_end_object(writer);
}

static void write_edge(mu_json_writer *writer, const error_body *p)
{
    mu_json_begin_object(writer);
    member(writer, "type",
           mu_arena_format(mu_http_request_arena(p->request),
                           "https://ns.adobe.com/aep/errors/" MU_STR_FMT,
                           MU_STR_ARG(code_or(p, "EXEG"))));
    status_member(writer, p);
    member(writer, "title", mu_str_from(p->row->title));
    member(writer, "detail", p->message);
    mu_json_name(writer, MU_STR("report"));
    mu_json_begin_object(writer);
    member(writer, "requestId", mu_http_request_id(p->request));
    mu_json_end_object(writer);
    mu_json_end_object(writer);
}

static void write_token(mu_json_writer *writer, const error_body *p)
{
    mu_json_begin_object(writer);
    member(writer, "error", p->code.len > 0 ? p->code : mu_str_from(p->row->token_code));
    member(writer, "error_description", p->message);
    mu_json_end_object(writer);
}

/* api.md 9.2; statuses that it does not have are named in its manner. */
static const struct ais_row {
    unsigned status;
    const char *number, *title;
} ais_rows[] = {
    {400, "100910", "BAD_REQUEST"},
    {401, "100920", "UNAUTHORIZED"},
    {403, "100922", "FORBIDDEN"},
    {404, "100940", "NOT_FOUND"},
    {405, "100910", "METHOD_NOT_ALLOWED"},
    {409, "100950", "DUPLICATE_RESOURCE"},
    {412, "100960", "PRECONDITION_FAILED"},
    {413, "100910", "PAYLOAD_TOO_LARGE"},
    {415, "100910", "UNSUPPORTED_MEDIA_TYPE"},
    {422, "100960", "UNPROCESSABLE_ENTITY"},
    {429, "100960", "TOO_MANY_REQUESTS"},
    {500, "100970", "INTERNAL_SERVER_ERROR"},
    {501, "100910", "NOT_IMPLEMENTED"},
    {502, "100970", "BAD_GATEWAY"},
    {503, "100970", "SERVICE_UNAVAILABLE"},
};

static void write_ais(mu_json_writer *writer, const error_body *p)
{
    mu_arena *arena = mu_http_request_arena(p->request);
    const struct ais_row *row = ais_rows;
    size_t last = sizeof ais_rows / sizeof ais_rows[0] - 1;
    while (row < &ais_rows[last] && row->status < p->status)
        row++;
    mu_str code =
        p->code.len > 0 ? p->code : mu_arena_format(arena, "%s-%u", row->number, p->status);
    mu_json_begin_object(writer);
    member(writer, "type",
           mu_arena_format(arena, "https://ns.adobe.com/aep/errors/EXTAUD-" MU_STR_FMT,
                           MU_STR_ARG(code)));
    member(writer, "title", mu_str_from(row->title));
    status_member(writer, p);
    member(writer, "detail", p->message);
    member(writer, "requestId", mu_http_request_id(p->request));
    member(writer, "errorCode", code);
    mu_json_end_object(writer);
}

typedef void body_writer(mu_json_writer *writer, const error_body *p);

static body_writer *const writers[] = {
    [MU_API_FAMILY_UPS] = write_ups,
    [MU_API_FAMILY_UPS_PLAIN] = write_ups_plain,
    [MU_API_FAMILY_ENTITIES] = write_entities,
    [MU_API_FAMILY_REGISTRY] = write_registry,
    [MU_API_FAMILY_IDENTITY] = write_identity,
    [MU_API_FAMILY_NAMESPACE] = write_namespace,
    [MU_API_FAMILY_FOUNDATION] = write_foundation,
    [MU_API_FAMILY_COLLECTION] = write_collection,
    [MU_API_FAMILY_EDGE] = write_edge,
    [MU_API_FAMILY_TOKEN] = write_token,
    [MU_API_FAMILY_AIS] = write_ais,
};

static void write_problem(mu_http_request *request, mu_http_response *response, unsigned status,
                          mu_str code, mu_str message)
{
    mu_api_family family = mu_api_family_of(mu_http_request_path(request));
    const error_body p = {request, status, row_of(status), code, message};
    mu_json_writer *writer = mu_http_response_json(response);
    if (family == MU_API_FAMILY_EDGE) {
        mu_json_writer own;
        mu_json_writer_init(&own,
                            mu_http_response_body(response, MU_STR("application/problem+json")));
        writers[family](&own, &p);
        return;
    }
    writers[family](writer, &p);
}

mu_http_outcome mu_api_problem(mu_http_request *request, mu_http_response *response,
                               unsigned status, mu_str code, mu_str message)
{
    mu_http_response_status(response, status);
    if (status == 503 || status == 429)
        mu_http_response_header(response, MU_STR("Retry-After"), MU_STR("1"));
    write_problem(request, response, status, code, message);
    return MU_HTTP_DONE;
}

mu_http_outcome mu_api_refuse(mu_http_request *request, mu_http_response *response,
                              const mu_http_ups_error *error)
{
    mu_http_response_status(response, error->status);
    mu_http_write_ups_error(mu_http_response_json(response), mu_http_request_id(request), error);
    return MU_HTTP_DONE;
}

mu_http_outcome mu_api_problem_format(mu_http_request *request, mu_http_response *response,
                                      unsigned status, mu_str code, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    return mu_api_problem(request, response, status, code,
                          (mu_str){text, mu_utf8_whole((mu_str){text, len})});
}

mu_http_outcome mu_api_fail(mu_http_request *request, mu_http_response *response, const mu_err *err)
{
    return mu_api_problem(request, response, mu_api_status(err->code), MU_STR(""),
                          mu_str_from(err->text));
}

void mu_api_write_problem(mu_http_request *request, mu_http_response *response,
                          mu_http_problem what, mu_str text, void *context)
{
    if (mu_api_family_of(mu_http_request_path(request)) == MU_API_FAMILY_UPS) {
        mu_http_write_ups_problem(request, response, what, text, context);
        return;
    }
    write_problem(request, response, mu_http_problem_status(what), MU_STR(""), text);
}
