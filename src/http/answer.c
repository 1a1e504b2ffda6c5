/* answer.c -- gives a filled response to the library. */
#include "http/http_int.h"

#include <stdlib.h>

#define STREAM_PIECE (32u << 10)

static ssize_t read_stream(void *context, uint64_t at, char *out, size_t capacity)
{
    mu_http_request *request = context;
    size_t n = 0;
    (void)at;
    if (request->response.read(request->response.end_context, out, capacity, &n) != MU_OK)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (n == 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    MU_ASSERT(n <= capacity);
    request->bytes_out += n;
    atomic_fetch_add_explicit(&request->connection->bytes, n, memory_order_relaxed);
    return (ssize_t)n;
}

static void end_stream(void *context)
{
    mu_http_request_release(context);
}

/* The buffer stays the request's: the library reads it until the request is completed. */
static struct MHD_Response *make_from_buffer(mu_http_request *request, mu_str body)
{
    request->bytes_out = body.len;
    return MHD_create_response_from_buffer(body.len, (void *)(uintptr_t)body.ptr,
                                           MHD_RESPMEM_PERSISTENT);
}

static struct MHD_Response *make_from_stream(mu_http_request *request)
{
    struct MHD_Response *made = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, STREAM_PIECE, read_stream, mu_http_request_hold(request), end_stream);
    if (made == NULL)
        mu_http_request_release(request);
    return made;
}

static struct MHD_Response *make_from_file(mu_http_request *request)
{
    mu_http_response *response = &request->response;
    struct MHD_Response *made =
        MHD_create_response_from_fd_at_offset64(response->length, response->fd, response->offset);
    if (made != NULL)
        response->fd = -1; /* the library closes it */
    request->bytes_out = response->length;
    return made;
}

static bool has_no_body(unsigned status)
{
    return status == 204 || status == 304;
}

/* What cannot be sent as it was filled becomes a refusal. */
static void check_body(mu_http_request *request)
{
    mu_http_response *response = &request->response;
    if (response->body_kind == MU_HTTP_BODY_BUFFER && response->body.failed) {
        mu_log(request->server->options.logger, MU_LOG_ERROR, "http_response_too_large",
               mu_log_text("request_id", request->id),
               mu_log_text("route", mu_http_request_route(request)));
        mu_http_response_clear(response);
        mu_http_refuse(request, response, MU_HTTP_PROBLEM_INTERNAL,
                       MU_STR("The answer is larger than the server allows"));
    } else if (response->body_kind == MU_HTTP_BODY_BUFFER &&
               !mu_http_charge(request, response->body.capacity)) {
        mu_http_response_clear(response);
        mu_http_refuse_busy(request, response, MU_STR("Too much is being sent at once"), 1);
    }
    if (has_no_body(response->status) && response->body_kind != MU_HTTP_BODY_NONE) {
        mu_http_response_stream(response, MU_STR(""), NULL, NULL, NULL); /* drops the other */
        response->body_kind = MU_HTTP_BODY_NONE;
    }
}

static struct MHD_Response *make(mu_http_request *request)
{
    switch (request->response.body_kind) {
    case MU_HTTP_BODY_BUFFER:
        return make_from_buffer(request, mu_buf_str(&request->response.body));
    case MU_HTTP_BODY_STREAM:
        return make_from_stream(request);
    case MU_HTTP_BODY_FILE:
        return make_from_file(request);
    default:
        return make_from_buffer(request, MU_STR(""));
    }
}

static void add_headers(mu_http_request *request, struct MHD_Response *made)
{
    const mu_http_response *response = &request->response;
    for (const mu_http_header_item *item = response->headers; item != NULL; item = item->next)
        (void)MHD_add_response_header(made, item->name.ptr, item->value.ptr);
    if (response->content_type.len > 0)
        (void)MHD_add_response_header(made, "Content-Type", response->content_type.ptr);
}

/* Headers that every answer has, and the phase that the gate watches. */
static enum MHD_Result queue(mu_http_request *request, struct MHD_Response *made, unsigned status)
{
    mu_http_connection_phase(request->connection, MU_HTTP_WRITING);
    if (request->method == MU_HTTP_HEAD)
        request->bytes_out = 0;
    atomic_store_explicit(&request->connection->bytes, request->bytes_out, memory_order_relaxed);
    (void)MHD_add_response_header(made, "x-request-id", request->id.ptr);
    if (request->must_close ||
        atomic_load_explicit(&request->server->is_draining, memory_order_relaxed))
        (void)MHD_add_response_header(made, "Connection", "close");
    request->sent_status = status;
    enum MHD_Result result = MHD_queue_response(request->mhd, status, made);
    MHD_destroy_response(made);
    return result;
}

enum MHD_Result mu_http_answer(mu_http_request *request)
{
    check_body(request);
    struct MHD_Response *made = make(request);
    if (made == NULL)
        return MHD_NO;
    add_headers(request, made);
    return queue(request, made, request->response.status);
}

/* The response object is in somebody else's hands, so this one is made of nothing but the id. */
enum MHD_Result mu_http_answer_abandoned(mu_http_request *request)
{
    mu_buf body;
    mu_json_writer writer;
    const mu_str text = MU_STR("The server is stopping");
    const mu_http_ups_error error = {
        .status = 503, .code = MU_STR("UPAPI-119991-503"), .messages = &text, .n_messages = 1};
    mu_buf_init(&body, 4096);
    mu_json_writer_init(&writer, &body);
    mu_http_write_ups_error(&writer, request->id, &error);
    request->bytes_out = body.len;
    struct MHD_Response *made =
        body.failed ? NULL
                    : MHD_create_response_from_buffer(body.len, body.ptr, MHD_RESPMEM_MUST_COPY);
    mu_buf_free(&body);
    if (made == NULL)
        return MHD_NO;
    (void)MHD_add_response_header(made, "Content-Type", "application/json");
    (void)MHD_add_response_header(made, "Retry-After", "1");
    return queue(request, made, 503);
}
