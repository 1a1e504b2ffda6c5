#include "tests/support/http_fixture.h"

#include "base/time.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void text(mu_http_response *response, mu_str body)
{
    mu_buf_add_str(mu_http_response_body(response, MU_STR("text/plain")), body);
}

static int64_t number(mu_http_request *request, const char *name, int64_t otherwise)
{
    int64_t value = 0;
    mu_code code = mu_http_pairs_integer(mu_http_request_query(request), mu_str_from(name),
                                         otherwise, &value, NULL);
    return code == MU_OK ? value : otherwise;
}

static mu_http_outcome hello(mu_http_request *request, mu_http_response *response, void *context)
{
    (void)request, (void)context;
    text(response, MU_STR("hello"));
    return MU_HTTP_DONE;
}

static mu_http_outcome echo(mu_http_request *request, mu_http_response *response, void *context)
{
    (void)context;
    mu_json_writer *writer = mu_http_response_json(response);
    mu_json_begin_object(writer);
    mu_json_name(writer, MU_STR("id"));
    mu_json_string(writer, mu_http_request_parameter(request, MU_STR("id")));
    mu_json_name(writer, MU_STR("name"));
    mu_json_string(writer, mu_http_request_parameter(request, MU_STR("name")));
    mu_json_end_object(writer);
    return MU_HTTP_DONE;
}

static mu_http_outcome files(mu_http_request *request, mu_http_response *response, void *context)
{
    (void)context;
    text(response, mu_http_request_parameter(request, MU_STR("path")));
    return MU_HTTP_DONE;
}

static mu_http_outcome body(mu_http_request *request, mu_http_response *response, void *context)
{
    (void)context;
    text(response, mu_http_request_body(request));
    return MU_HTTP_DONE;
}

static mu_http_outcome json(mu_http_request *request, mu_http_response *response, void *context)
{
    mu_json value;
    (void)context;
    if (mu_http_request_json_or_refuse(request, response, &value))
        mu_json_value(mu_http_response_json(response), &value);
    return MU_HTTP_DONE;
}

static mu_http_outcome query(mu_http_request *request, mu_http_response *response, void *context)
{
    const mu_http_pairs *pairs = mu_http_request_query(request);
    (void)context;
    mu_buf *out = mu_http_response_body(response, MU_STR("text/plain"));
    for (size_t i = 0; i < pairs->n; i++) {
        mu_buf_add_str(out, pairs->items[i].name);
        mu_buf_add_char(out, '=');
        mu_buf_add_str(out, pairs->items[i].value);
        mu_buf_add_char(out, '\n');
    }
    return MU_HTTP_DONE;
}

static mu_code sink(mu_http_request *request, mu_str piece, void *context, mu_err *err)
{
    (void)request, (void)context;
    if (mu_str_find(piece, MU_STR("bad")) != SIZE_MAX)
        return mu_fail(err, MU_E_LIMIT, "the sink is full");
    return MU_OK;
}

static mu_http_outcome sunk(mu_http_request *request, mu_http_response *response, void *context)
{
    (void)context;
    mu_buf_add_format(mu_http_response_body(response, MU_STR("text/plain")), "%llu",
                      (unsigned long long)mu_http_request_body_bytes(request));
    return MU_HTTP_DONE;
}

typedef struct source {
    uint64_t at, n;
    bool breaks;
} source;

static mu_code read_source(void *context, char *out, size_t capacity, size_t *n)
{
    source *from = context;
    if (from->breaks && from->at > 0)
        return MU_E_IO;
    *n = from->n - from->at < capacity ? (size_t)(from->n - from->at) : capacity;
    for (size_t i = 0; i < *n; i++)
        out[i] = (char)('a' + (from->at + i) % 26);
    from->at += *n;
    return MU_OK;
}

static mu_http_outcome stream(mu_http_request *request, mu_http_response *response, void *context)
{
    source *from = malloc(sizeof(*from));
    *from = (source){.n = (uint64_t)number(request, "n", 100), .breaks = context != NULL};
    mu_http_response_stream(response, MU_STR("text/plain"), read_source, free, from);
    return MU_HTTP_DONE;
}

static mu_http_outcome file(mu_http_request *request, mu_http_response *response, void *context)
{
    (void)request, (void)context;
    char path[] = "/tmp/mu_http_XXXXXX";
    int fd = mkstemp(path);
    unlink(path);
    assert_int_equal(write(fd, "0123456789", 10), 10);
    mu_http_response_file(response, MU_STR("application/octet-stream"), fd, 2, 5);
    return MU_HTTP_DONE;
}

static mu_http_outcome nothing(mu_http_request *request, mu_http_response *response, void *context)
{
    (void)request, (void)context;
    mu_http_response_status(response, 204);
    return MU_HTTP_DONE;
}

static void *answer_later(void *context)
{
    mu_http_request *request = context;
    (void)poll(NULL, 0, (int)number(request, "ms", 0));
    text(mu_http_request_response(request), MU_STR("later"));
    mu_http_complete(request);
    return NULL;
}

static mu_http_outcome later(mu_http_request *request, mu_http_response *response, void *context)
{
    pthread_t thread;
    (void)response, (void)context;
    assert_int_equal(pthread_create(&thread, NULL, answer_later, request), 0);
    pthread_detach(thread);
    return MU_HTTP_LATER;
}

static mu_http_outcome worker(mu_http_request *request, mu_http_response *response, void *context)
{
    (void)context;
    (void)poll(NULL, 0, (int)number(request, "ms", 0));
    text(response, MU_STR("worked"));
    return MU_HTTP_DONE;
}

static void count_end(void *context)
{
    http_fixture *fixture = context;
    fixture->n_ended++;
}

static mu_http_outcome hold(mu_http_request *request, mu_http_response *response, void *context)
{
    http_fixture *fixture = context;
    (void)response;
    mu_http_request_on_end(request, count_end, fixture);
    fixture->held = request;
    return MU_HTTP_LATER;
}

static mu_http_outcome patient(mu_http_request *request, mu_http_response *response, void *context)
{
    http_fixture *fixture = context;
    for (int i = 0; i < 10000; i++) {
        if (mu_http_request_cancelled(request)) {
            fixture->n_cancelled++;
            (void)poll(NULL, 0, 500); /* so that whoever gave up on it answers first */
            break;
        }
        (void)poll(NULL, 0, 1);
    }
    text(response, MU_STR("enough"));
    return MU_HTTP_DONE;
}

static bool needs_first(mu_http_request *request, mu_http_response *response, void *context)
{
    mu_str value;
    (void)context;
    if (mu_http_request_header(request, MU_STR("X-First"), &value))
        return true;
    mu_http_response_status(response, 403);
    mu_http_write_gateway_error(mu_http_response_json(response), MU_STR("403010"),
                                MU_STR("Oauth token is missing."));
    return false;
}

static bool needs_second(mu_http_request *request, mu_http_response *response, void *context)
{
    mu_str value;
    (void)context;
    if (mu_http_request_header(request, MU_STR("X-Second"), &value))
        return true;
    mu_http_response_status(response, 400);
    mu_http_write_gateway_error(mu_http_response_json(response), MU_STR("400003"),
                                MU_STR("Missing header"));
    return false;
}

static mu_http_outcome large(mu_http_request *request, mu_http_response *response, void *context)
{
    (void)context;
    mu_buf *out = mu_http_response_body(response, MU_STR("text/plain"));
    mu_buf_add_zeros(out, (size_t)number(request, "n", 0));
    return MU_HTTP_DONE;
}

static mu_http_outcome header(mu_http_request *request, mu_http_response *response, void *context)
{
    mu_str value = MU_STR("");
    (void)context;
    (void)mu_http_pairs_find(mu_http_request_query(request), MU_STR("value"), &value);
    mu_http_response_header(response, MU_STR("X-Test"), value);
    text(response, MU_STR("x"));
    return MU_HTTP_DONE;
}

static mu_http_outcome url(mu_http_request *request, mu_http_response *response, void *context)
{
    (void)context;
    text(response, mu_http_request_base_url(request));
    return MU_HTTP_DONE;
}

static bool fixture_is_ready(void *context, mu_err *why)
{
    http_fixture *fixture = context;
    if (!fixture->is_ready)
        (void)mu_fail(why, MU_E_IO, "still loading");
    return fixture->is_ready;
}

static const mu_http_check checks[] = {{needs_first, NULL}, {needs_second, NULL}};

static void add_routes(http_fixture *fixture)
{
    const mu_http_route routes[] = {
        {.method = MU_HTTP_GET, .pattern = "/hello", .handler = hello},
        {.method = MU_HTTP_PATCH, .pattern = "/hello", .handler = hello},
        {.method = MU_HTTP_GET, .pattern = "/echo/{id}/x/{name}", .handler = echo},
        {.method = MU_HTTP_GET, .pattern = "/files/{path...}", .handler = files},
        {.method = MU_HTTP_POST, .pattern = "/body", .handler = body},
        {.method = MU_HTTP_POST, .pattern = "/json", .handler = json},
        {.method = MU_HTTP_GET, .pattern = "/query", .handler = query},
        {.method = MU_HTTP_PUT, .pattern = "/sink", .handler = sunk, .sink = sink},
        {.method = MU_HTTP_GET, .pattern = "/stream", .handler = stream},
        {.method = MU_HTTP_GET, .pattern = "/broken", .handler = stream, .context = fixture},
        {.method = MU_HTTP_GET, .pattern = "/file", .handler = file},
        {.method = MU_HTTP_DELETE, .pattern = "/thing/{id}", .handler = nothing},
        {.method = MU_HTTP_GET, .pattern = "/later", .handler = later},
        {.method = MU_HTTP_GET,
         .pattern = "/worker",
         .handler = worker,
         .flags = MU_HTTP_ON_WORKER},
        {.method = MU_HTTP_GET, .pattern = "/hold", .handler = hold, .context = fixture},
        {.method = MU_HTTP_GET,
         .pattern = "/patient",
         .handler = patient,
         .context = fixture,
         .flags = MU_HTTP_ON_WORKER},
        {.method = MU_HTTP_GET,
         .pattern = "/checked",
         .handler = hello,
         .checks = checks,
         .n_checks = 2},
        {.method = MU_HTTP_POST,
         .pattern = "/edge/v1/interact",
         .handler = body,
         .flags = MU_HTTP_EDGE},
        {.method = MU_HTTP_POST, .pattern = "/small", .handler = body, .body_max_bytes = 100},
        {.method = MU_HTTP_GET, .pattern = "/large", .handler = large},
        {.method = MU_HTTP_GET, .pattern = "/header", .handler = header},
        {.method = MU_HTTP_GET, .pattern = "/url", .handler = url},
    };
    mu_err err;
    mu_code code =
        mu_http_router_add(fixture->router, routes, sizeof(routes) / sizeof(routes[0]), &err);
    assert_int_equal(code, MU_OK);
}

mu_http_options http_fixture_options(http_fixture *fixture)
{
    *fixture = (http_fixture){.logger = {.level = MU_LOG_OFF, .fd = 2}, .is_ready = true};
    fixture->metrics = mu_metrics_new();
    fixture->router = mu_http_router_new();
    add_routes(fixture);
    return (mu_http_options){.listen = MU_STR("127.0.0.1:0"),
                             .loop_threads = 2,
                             .worker_threads = 2,
                             .limits = mu_http_limits_default(),
                             .router = fixture->router,
                             .is_ready = fixture_is_ready,
                             .ready_context = fixture,
                             .logger = &fixture->logger,
                             .metrics = fixture->metrics};
}

void http_fixture_start(http_fixture *fixture, const mu_http_options *options)
{
    mu_err err = {0};
    if (mu_http_server_start(options, &fixture->server, &err) != MU_OK)
        fail_msg("%s", err.text);
    fixture->port = mu_http_server_port(fixture->server);
    assert_true(fixture->port > 0);
}

void http_fixture_stop(http_fixture *fixture, uint32_t grace_ms)
{
    mu_http_server_stop(fixture->server, grace_ms);
    mu_http_router_free(fixture->router);
    mu_metrics_free(fixture->metrics);
}

void http_fixture_wait_held(http_fixture *fixture)
{
    for (int i = 0; i < 10000 && fixture->held == NULL; i++)
        (void)poll(NULL, 0, 1);
    assert_non_null(fixture->held);
}

void http_fixture_release(http_fixture *fixture)
{
    http_fixture_wait_held(fixture);
    mu_http_request *request = fixture->held;
    fixture->held = NULL;
    text(mu_http_request_response(request), MU_STR("released"));
    mu_http_complete(request);
}

int64_t http_fixture_metric(http_fixture *fixture, const char *name)
{
    mu_buf out;
    char start[512];
    int64_t value = -1;
    mu_buf_init(&out, (size_t)1 << 24);
    MU_BUF_ADD(&out, "\n");
    mu_metrics_write(fixture->metrics, &out);
    mu_buf_add_char(&out, '\0');
    snprintf(start, sizeof(start), "\n%s ", name);
    const char *at = strstr(out.ptr, start);
    if (at != NULL)
        value = strtoll(at + strlen(start), NULL, 10);
    mu_buf_free(&out);
    return value;
}
