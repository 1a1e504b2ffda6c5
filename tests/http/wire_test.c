/* wire_test.c -- methods, headers, keep-alive and replies, byte by byte over a socket. */
#include "tests/support/http_client.h"
#include "tests/support/http_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static http_fixture fixture;

static int start(void **state)
{
    (void)state;
    mu_http_options options = http_fixture_options(&fixture);
    http_fixture_start(&fixture, &options);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    http_fixture_stop(&fixture, 1000);
    return 0;
}

static http_reply ask(const char *line, const char *headers)
{
    http_reply reply;
    char request[4096];
    int length =
        snprintf(request, sizeof(request), "%s HTTP/1.1\r\nHost: t\r\n%s\r\n", line, headers);
    http_exchange(fixture.port, (mu_str){request, (size_t)length}, &reply);
    return reply;
}

static void expect(const char *line, unsigned status, const char *body)
{
    http_reply reply = ask(line, "");
    if (reply.status != status || strcmp(reply.body, body) != 0)
        fail_msg("%s: %u %s, not %u %s", line, reply.status, reply.body, status, body);
    http_reply_free(&reply);
}

static void expect_status(const char *line, unsigned status)
{
    http_reply reply = ask(line, "");
    if (reply.status != status)
        fail_msg("%s: %u, not %u", line, reply.status, status);
    http_reply_free(&reply);
}

static void expect_header(const http_reply *reply, const char *name, const char *value)
{
    char found[512];
    if (!http_reply_header(reply, name, found, sizeof(found)))
        fail_msg("no header %s in %s", name, reply->head);
    assert_string_equal(found, value);
}

static void expect_no_header(const http_reply *reply, const char *name)
{
    char found[512];
    if (http_reply_header(reply, name, found, sizeof(found)))
        fail_msg("%s is there: %s", name, found);
}

static void paths_find_their_routes(void **state)
{
    (void)state;
    expect("GET /hello", 200, "hello");
    expect("GET /hello/", 200, "hello");
    expect("GET http://anywhere.example/hello?x=1", 200, "hello");
    expect("GET /echo/a%2Fb%20c/x/%C3%A9+", 200, "{\"id\":\"a/b c\",\"name\":\"\xc3\xa9+\"}");
    expect("GET /echo/%25/x/%zz", 200, "{\"id\":\"%\",\"name\":\"%zz\"}");
    expect("GET /%68ello", 200, "hello");
    expect("GET /files/a/b%2Fc/d.csv", 200, "a/b/c/d.csv");
    expect_status("GET /hello//", 404);
    expect_status("GET //hello", 404);
    expect_status("GET /files/a//b", 404);
    expect_status("GET /Hello", 404);
    expect_status("GET /", 404);
    expect_status("GET /echo/x/x", 404);
    expect_status("GET /hello%2F", 404);
    expect_status("GET /echo/%FF/x/y", 400);
}

static void errors_are_envelopes_with_the_request_id(void **state)
{
    (void)state;
    http_reply reply = ask("GET /nowhere", "X-Request-Id: abc-1\r\n");
    assert_int_equal(reply.status, 404);
    assert_string_equal(reply.body,
                        "{\"requestId\":\"abc-1\",\"errors\":{\"404\":[{\"code\":\"UPAPI-119916-"
                        "404\",\"message\":\"There is no such path\"}]},\"type\":\"https://"
                        "ns.adobe.com/aep/errors/UPAPI-119916-404\",\"title\":\"There is no such "
                        "path\",\"status\":404}");
    expect_header(&reply, "Content-Type", "application/json");
    expect_header(&reply, "x-request-id", "abc-1");
    http_reply_free(&reply);
}

static void request_ids_are_kept_or_made(void **state)
{
    char id[256], header[300], other[64];
    (void)state;
    http_reply reply = ask("GET /hello", "x-REQUEST-id:  my id!  \r\n");
    expect_header(&reply, "x-request-id", "my id!");
    http_reply_free(&reply);

    memset(id, 'i', 129);
    id[128] = '\0';
    snprintf(header, sizeof(header), "x-request-id: %s\r\n", id);
    reply = ask("GET /hello", header);
    expect_header(&reply, "x-request-id", id);
    http_reply_free(&reply);

    snprintf(header, sizeof(header), "x-request-id: %si\r\n", id); /* one too long */
    reply = ask("GET /hello", header);
    assert_true(http_reply_header(&reply, "x-request-id", other, sizeof(other)));
    assert_int_equal(strlen(other), 32);
    assert_int_equal(
        strspn(other, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"), 32);
    http_reply_free(&reply);

    reply = ask("GET /hello", "x-request-id: caf\xc3\xa9\r\n");
    assert_true(http_reply_header(&reply, "x-request-id", id, sizeof(id)));
    assert_int_equal(strlen(id), 32);
    assert_string_not_equal(id, other);
    http_reply_free(&reply);
}

static void another_method_is_405_with_allow(void **state)
{
    (void)state;
    http_reply reply = ask("DELETE /hello", "");
    assert_int_equal(reply.status, 405);
    expect_header(&reply, "Allow", "GET, HEAD, PATCH, OPTIONS");
    http_reply_free(&reply);
    reply = ask("BREW /thing/7", "");
    assert_int_equal(reply.status, 405);
    expect_header(&reply, "Allow", "DELETE, OPTIONS");
    http_reply_free(&reply);
}

static void head_is_get_without_body(void **state)
{
    (void)state;
    http_client client;
    http_reply reply;
    http_connect(&client, fixture.port);
    assert_true(http_send_text(&client, "HEAD /hello HTTP/1.1\r\nHost: t\r\n\r\n"
                                        "GET /hello HTTP/1.1\r\nHost: t\r\n\r\n"));
    assert_true(http_read(&client, true, &reply));
    assert_int_equal(reply.status, 200);
    expect_header(&reply, "Content-Length", "5");
    expect_header(&reply, "Content-Type", "text/plain");
    http_reply_free(&reply);
    assert_true(http_read(&client, false, &reply)); /* nothing lay between */
    assert_string_equal(reply.body, "hello");
    http_reply_free(&reply);
    http_disconnect(&client);
    reply = ask("HEAD /thing/1", "");
    assert_int_equal(reply.status, 405);
    http_reply_free(&reply);
}

static void options_is_204_with_allow(void **state)
{
    (void)state;
    http_reply reply = ask("OPTIONS /hello", "Origin: https://a.example\r\n");
    assert_int_equal(reply.status, 204);
    expect_header(&reply, "Allow", "GET, HEAD, PATCH, OPTIONS");
    expect_no_header(&reply, "Access-Control-Allow-Origin");
    http_reply_free(&reply);
    reply = ask("OPTIONS *", "");
    assert_int_equal(reply.status, 204);
    http_reply_free(&reply);
    expect_status("OPTIONS /nowhere", 404);
}

static void edge_routes_speak_cors(void **state)
{
    (void)state;
    http_reply reply = ask("OPTIONS /edge/v1/interact",
                           "Origin: https://a.example\r\nAccess-Control-Request-Method: POST\r\n"
                           "Access-Control-Request-Headers: content-type, x-my\r\n");
    assert_int_equal(reply.status, 204);
    expect_header(&reply, "Access-Control-Allow-Origin", "https://a.example");
    expect_header(&reply, "Access-Control-Allow-Credentials", "true");
    expect_header(&reply, "Access-Control-Allow-Methods", "POST, OPTIONS");
    expect_header(&reply, "Access-Control-Allow-Headers", "content-type, x-my");
    http_reply_free(&reply);
    reply = ask("POST /edge/v1/interact", "Origin: https://a.example\r\nContent-Length: 0\r\n");
    assert_int_equal(reply.status, 200);
    expect_header(&reply, "Access-Control-Allow-Origin", "https://a.example");
    expect_header(&reply, "Access-Control-Expose-Headers",
                  "Retry-After, x-adobe-edge, x-request-id");
    expect_header(&reply, "Vary", "Origin");
    http_reply_free(&reply);
    reply = ask("GET /edge/v1/interact", "Origin: https://a.example\r\n");
    assert_int_equal(reply.status, 405); /* readable by the page that sent it */
    expect_header(&reply, "Access-Control-Allow-Origin", "https://a.example");
    http_reply_free(&reply);
    reply = ask("POST /edge/v1/interact", "Content-Length: 0\r\n");
    expect_no_header(&reply, "Access-Control-Allow-Origin");
    http_reply_free(&reply);
}

static void checks_run_in_order_after_the_404(void **state)
{
    (void)state;
    http_reply reply = ask("GET /checked", "");
    assert_int_equal(reply.status, 403);
    assert_string_equal(reply.body,
                        "{\"error_code\":\"403010\",\"message\":\"Oauth token is missing.\"}");
    http_reply_free(&reply);
    reply = ask("GET /checked", "x-first: 1\r\n");
    assert_int_equal(reply.status, 400);
    assert_string_equal(reply.body, "{\"error_code\":\"400003\",\"message\":\"Missing header\"}");
    http_reply_free(&reply);
    reply = ask("GET /checked", "X-FIRST: 1\r\nx-second: 2\r\n");
    assert_int_equal(reply.status, 200);
    http_reply_free(&reply);
    expect_status("GET /checked/more", 404);
}

static void no_content_has_no_type_and_no_length(void **state)
{
    (void)state;
    http_reply reply = ask("DELETE /thing/7", "");
    assert_int_equal(reply.status, 204);
    expect_no_header(&reply, "Content-Type");
    expect_no_header(&reply, "Content-Length");
    expect_no_header(&reply, "Transfer-Encoding");
    http_reply_free(&reply);
}

static void a_connection_serves_many_requests(void **state)
{
    http_client client;
    (void)state;
    http_connect(&client, fixture.port);
    for (int i = 0; i < 300; i++) {
        http_reply reply;
        assert_true(http_send_text(&client, "GET /echo/%d/x/y HTTP/1.1\r\nHost: t\r\n\r\n", i));
        assert_true(http_read(&client, false, &reply));
        char body[64];
        snprintf(body, sizeof(body), "{\"id\":\"%d\",\"name\":\"y\"}", i);
        assert_string_equal(reply.body, body);
        http_reply_free(&reply);
    }
    http_disconnect(&client);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    http_client client;
    mu_buf requests;
    (void)state;
    mu_buf_init(&requests, 1 << 20);
    for (int i = 0; i < 50; i++)
        mu_buf_add_format(&requests,
                          i % 2 == 0 ? "GET /echo/%d/x/y HTTP/1.1\r\nHost: t\r\n\r\n"
                                     : "POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: "
                                       "4\r\n\r\n%04d",
                          i);
    http_connect(&client, fixture.port);
    assert_true(http_send(&client, mu_buf_str(&requests)));
    for (int i = 0; i < 50; i++) {
        http_reply reply;
        char body[64];
        assert_true(http_read(&client, false, &reply));
        snprintf(body, sizeof(body), i % 2 == 0 ? "{\"id\":\"%d\",\"name\":\"y\"}" : "%04d", i);
        assert_string_equal(reply.body, body);
        http_reply_free(&reply);
    }
    http_disconnect(&client);
    mu_buf_free(&requests);
}

static void http_1_0_is_answered_and_closed(void **state)
{
    http_client client;
    http_reply reply;
    (void)state;
    http_connect(&client, fixture.port);
    assert_true(http_send_text(&client, "GET /hello HTTP/1.0\r\n\r\n"));
    assert_true(http_read(&client, false, &reply));
    assert_string_equal(reply.body, "hello");
    http_reply_free(&reply);
    assert_true(http_is_closed(&client, 5000));
    http_disconnect(&client);
}

static void streams_are_chunked(void **state)
{
    (void)state;
    http_reply reply = ask("GET /stream?n=1000003", "");
    assert_int_equal(reply.status, 200);
    expect_header(&reply, "Transfer-Encoding", "chunked");
    assert_int_equal(reply.body_len, 1000003);
    for (size_t i = 0; i < reply.body_len; i++)
        assert_int_equal(reply.body[i], 'a' + i % 26);
    http_reply_free(&reply);
    expect("GET /stream?n=0", 200, "");
}

static void a_broken_stream_is_seen_to_be_broken(void **state)
{
    http_client client;
    http_reply reply;
    (void)state;
    http_connect(&client, fixture.port);
    assert_true(http_send_text(&client, "GET /broken?n=1000000 HTTP/1.1\r\nHost: t\r\n\r\n"));
    assert_false(http_read(&client, false, &reply));
    http_disconnect(&client);
    expect("GET /hello", 200, "hello");
}

static void a_part_of_a_file_is_a_body(void **state)
{
    (void)state;
    http_reply reply = ask("GET /file", "");
    expect_header(&reply, "Content-Length", "5");
    expect_header(&reply, "Content-Type", "application/octet-stream");
    assert_string_equal(reply.body, "23456");
    http_reply_free(&reply);
}

static void header_values_cannot_start_a_line(void **state)
{
    (void)state;
    http_reply reply = ask("GET /header?value=a%0D%0AX-Evil:%201%00", "");
    expect_header(&reply, "X-Test", "a%0D%0AX-Evil: 1%00");
    expect_no_header(&reply, "X-Evil");
    http_reply_free(&reply);
}

static void links_follow_the_host_header(void **state)
{
    (void)state;
    expect("GET /url", 200, "http://t");
}

static void health_ready_and_metrics_are_served(void **state)
{
    (void)state;
    expect("GET /health", 200, "{\"status\":\"ok\"}");
    expect("GET /ready", 200, "{\"status\":\"ready\"}");
    fixture.is_ready = false;
    expect("GET /ready", 503, "{\"status\":\"not ready\",\"reason\":\"still loading\"}");
    fixture.is_ready = true;
    expect("GET /echo/1/x/secret-value", 200, "{\"id\":\"1\",\"name\":\"secret-value\"}");
    http_reply reply = ask("GET /metrics", "");
    assert_int_equal(reply.status, 200);
    expect_header(&reply, "Content-Type", "text/plain; version=0.0.4");
    assert_non_null(strstr(reply.body,
                           "muster_http_requests_total{method=\"GET\",route=\"/echo/{id}"
                           "/x/{name}\",status=\"200\"} "));
    assert_non_null(strstr(reply.body,
                           "muster_http_requests_total{method=\"any\",route=\"unmatched\""
                           ",status=\"404\"} "));
    assert_non_null(strstr(reply.body, "muster_http_request_duration_seconds_bucket{method=\"GET\","
                                       "route=\"/hello\",le=\"+Inf\"} "));
    assert_non_null(strstr(reply.body, "muster_http_connections_open "));
    assert_non_null(strstr(reply.body, "muster_http_queue_depth 0\n"));
    assert_null(strstr(reply.body, "secret-value"));
    http_reply_free(&reply);
}

static void an_answer_over_the_ceiling_is_500(void **state)
{
    (void)state;
    http_fixture other;
    mu_http_options options = http_fixture_options(&other);
    options.limits.response_max_bytes = 100000;
    http_fixture_start(&other, &options);
    http_reply reply;
    http_exchange(other.port, MU_STR("GET /large?n=100001 HTTP/1.1\r\nHost: t\r\n\r\n"), &reply);
    assert_int_equal(reply.status, 500);
    assert_non_null(strstr(reply.body, "UPAPI-119990-500"));
    http_reply_free(&reply);
    http_exchange(other.port, MU_STR("GET /large?n=90000 HTTP/1.1\r\nHost: t\r\n\r\n"), &reply);
    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.body_len, 90000);
    http_reply_free(&reply);
    http_fixture_stop(&other, 1000);
}

static void bad_options_are_refused_with_a_sentence(void **state)
{
    (void)state;
    static const char *const addresses[] = {"127.0.0.1", "127.0.0.1:x", ":80",  "h:70000",
                                            "",          "1.2.3.4:-1",  "h: 8", "[::1]"};
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        http_fixture other;
        mu_err err = {0};
        mu_http_options options = http_fixture_options(&other);
        options.listen = mu_str_from(addresses[i]);
        assert_int_equal(mu_http_server_start(&options, &other.server, &err), MU_E_INPUT);
        assert_non_null(strstr(err.text, "HOST:PORT"));
        mu_http_router_free(other.router);
        mu_metrics_free(other.metrics);
    }
    http_fixture taken;
    mu_err err = {0};
    char address[32];
    mu_http_options options = http_fixture_options(&taken);
    snprintf(address, sizeof(address), "127.0.0.1:%u", fixture.port);
    options.listen = mu_str_from(address);
    assert_int_equal(mu_http_server_start(&options, &taken.server, &err), MU_E_IO);
    assert_non_null(strstr(err.text, "Address already in use"));
    mu_http_router_free(taken.router);
    mu_metrics_free(taken.metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_find_their_routes),
        cmocka_unit_test(errors_are_envelopes_with_the_request_id),
        cmocka_unit_test(request_ids_are_kept_or_made),
        cmocka_unit_test(another_method_is_405_with_allow),
        cmocka_unit_test(head_is_get_without_body),
        cmocka_unit_test(options_is_204_with_allow),
        cmocka_unit_test(edge_routes_speak_cors),
        cmocka_unit_test(checks_run_in_order_after_the_404),
        cmocka_unit_test(no_content_has_no_type_and_no_length),
        cmocka_unit_test(a_connection_serves_many_requests),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(http_1_0_is_answered_and_closed),
        cmocka_unit_test(streams_are_chunked),
        cmocka_unit_test(a_broken_stream_is_seen_to_be_broken),
        cmocka_unit_test(a_part_of_a_file_is_a_body),
        cmocka_unit_test(header_values_cannot_start_a_line),
        cmocka_unit_test(links_follow_the_host_header),
        cmocka_unit_test(health_ready_and_metrics_are_served),
        cmocka_unit_test(an_answer_over_the_ceiling_is_500),
        cmocka_unit_test(bad_options_are_refused_with_a_sentence),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
