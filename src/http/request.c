/* request.c -- the request object: its life and what may be asked of it. */
#include "base/time.h"
#include "http/http_int.h"

#include <poll.h>
#include <stdlib.h>

mu_http_request *mu_http_request_new(mu_http_server *server, struct MHD_Connection *mhd,
                                     mu_http_connection *connection, mu_str target)
{
    mu_http_request *request = calloc(1, sizeof(*request));
    if (request == NULL)
        return NULL;
    request->server = server;
    request->mhd = mhd;
    request->connection = connection;
    request->fd = connection->fd;
    request->start_ns = mu_monotonic_ns();
    request->references = 1;
    request->method = MU_HTTP_METHOD_UNKNOWN;
    request->path = request->raw_query = request->id = MU_STR("");
    mu_arena_init(&request->arena, SIZE_MAX);
    mu_buf_init(&request->body, 0);
    request->target = mu_arena_copy(&request->arena, target);
    mu_http_response_init(request);
    atomic_fetch_add_explicit(&server->references, 1, memory_order_relaxed);
    return request;
}

mu_http_request *mu_http_request_hold(mu_http_request *request)
{
    atomic_fetch_add_explicit(&request->references, 1, memory_order_relaxed);
    return request;
}

void mu_http_request_release(mu_http_request *request)
{
    if (atomic_fetch_sub_explicit(&request->references, 1, memory_order_acq_rel) > 1)
        return;
    mu_http_server *server = request->server;
    if (request->on_end != NULL)
        request->on_end(request->end_context);
    mu_http_response_fini(&request->response);
    mu_http_body_fini(request);
    mu_arena_free(&request->arena);
    free(request);
    mu_http_server_release(server);
}

bool mu_http_charge(mu_http_request *request, uint64_t bytes)
{
    mu_http_server *server = request->server;
    uint64_t before = atomic_fetch_add_explicit(&server->n_buffered, bytes, memory_order_relaxed);
    if (before + bytes > server->limits.buffered_max_bytes) {
        atomic_fetch_sub_explicit(&server->n_buffered, bytes, memory_order_relaxed);
        return false;
    }
    atomic_fetch_add_explicit(&request->charged, bytes, memory_order_relaxed);
    return true;
}

void mu_http_uncharge(mu_http_request *request)
{
    uint64_t bytes = atomic_exchange_explicit(&request->charged, 0, memory_order_relaxed);
    atomic_fetch_sub_explicit(&request->server->n_buffered, bytes, memory_order_relaxed);
}

mu_http_method mu_http_request_method(const mu_http_request *request)
{
    return request->method;
}

mu_str mu_http_request_path(const mu_http_request *request)
{
    return request->path;
}

mu_str mu_http_request_route(const mu_http_request *request)
{
    return request->match.entry == NULL ? MU_STR("") : request->match.entry->pattern;
}

mu_str mu_http_request_id(const mu_http_request *request)
{
    return request->id;
}

mu_str mu_http_request_parameter(const mu_http_request *request, mu_str name)
{
    const mu_http_route_entry *entry = request->match.entry;
    size_t i = 0;
    while (i < entry->n_parameters && !mu_str_equal(entry->parameters[i], name))
        i++;
    MU_ASSERT(i < entry->n_parameters);
    return request->match.values[i];
}

mu_str mu_http_request_body(const mu_http_request *request)
{
    return mu_buf_str(&request->body);
}

uint64_t mu_http_request_body_bytes(const mu_http_request *request)
{
    return request->body_bytes;
}

const mu_http_pairs *mu_http_request_query(const mu_http_request *request)
{
    return &request->query;
}

mu_arena *mu_http_request_arena(mu_http_request *request)
{
    return &request->arena;
}

void mu_http_request_set_state(mu_http_request *request, void *state)
{
    request->shared_state = state;
}

void *mu_http_request_state(const mu_http_request *request)
{
    return request->shared_state;
}

void mu_http_request_on_end(mu_http_request *request, mu_http_end_function *end, void *context)
{
    MU_ASSERT(request->on_end == NULL);
    request->on_end = end;
    request->end_context = context;
}

mu_http_response *mu_http_request_response(mu_http_request *request)
{
    return &request->response;
}

bool mu_http_request_is_json_type(const mu_http_request *request)
{
    mu_str type;
    if (!mu_http_request_header(request, MU_STR("Content-Type"), &type))
        return false;
    const char *end = type.len == 0 ? NULL : memchr(type.ptr, ';', type.len);
    if (end != NULL)
        type.len = (size_t)(end - type.ptr);
    type = mu_str_trim(type);
    mu_str suffix = type.len < 5 ? MU_STR("") : (mu_str){type.ptr + type.len - 5, 5};
    return mu_str_equal_ascii_nocase(type, MU_STR("application/json")) ||
           mu_str_equal_ascii_nocase(suffix, MU_STR("+json"));
}

mu_str mu_http_request_base_url(mu_http_request *request)
{
    const mu_http_server *server = request->server;
    mu_str host;
    if (server->options.public_base_url.len > 0)
        return server->options.public_base_url;
    const char *scheme = server->is_tls ? "https" : "http";
    if (mu_http_request_header(request, MU_STR("Host"), &host) && host.len > 0)
        return mu_arena_format(&request->arena, "%s://" MU_STR_FMT, scheme, MU_STR_ARG(host));
    return mu_arena_format(&request->arena, "%s://localhost:%u", scheme, server->gate.port);
}

/* Holding parked_lock keeps the request from being abandoned, and so its descriptor open. */
bool mu_http_request_cancelled(mu_http_request *request)
{
    mu_http_server *server = request->server;
    if (atomic_load_explicit(&server->is_out_of_time, memory_order_relaxed))
        return true;
    bool is_gone = true;
    pthread_mutex_lock(&server->parked_lock);
    if (atomic_load_explicit(&request->state, memory_order_acquire) != MU_HTTP_ABANDONED) {
        struct pollfd polled = {.fd = request->fd, .events = POLLRDHUP};
        is_gone = poll(&polled, 1, 0) > 0;
    }
    pthread_mutex_unlock(&server->parked_lock);
    return is_gone;
}
