/* hostile_test.c -- clients that are slow, malformed, many or large: the server answers or closes,
 * and serves the next one. */
#include "base/time.h"
#include "tests/support/dice.h"
#include "tests/support/http_client.h"
#include "tests/support/http_fixture.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static http_fixture fixture;

static int start(void **state)
{
    (void)state;
    mu_http_options options = http_fixture_options(&fixture);
    options.limits.idle_timeout_ms = 400;
    options.limits.read_timeout_ms = 400;
    options.limits.write_timeout_ms = 400;
    options.limits.bytes_per_second_min = 1 << 20;
    options.limits.body_max_bytes = 1 << 20;
    options.limits.connections_max = 2000;
    http_fixture_start(&fixture, &options);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    http_fixture_stop(&fixture, 1000);
    return 0;
}

static void expect_alive(void)
{
    http_reply reply;
    http_exchange(fixture.port, MU_STR("GET /hello HTTP/1.1\r\nHost: t\r\n\r\n"), &reply);
    assert_int_equal(reply.status, 200);
    http_reply_free(&reply);
}

/* Sends `first`, then `more` every 50 ms, until the server closes; how long that took. */
static int64_t drip(const char *first, const char *more)
{
    http_client client;
    int64_t start_ns = mu_monotonic_ns();
    http_connect(&client, fixture.port);
    assert_true(http_send(&client, mu_str_from(first)));
    while (!http_is_closed(&client, 50) && mu_monotonic_ns() - start_ns < (int64_t)10000000000)
        (void)http_send(&client, mu_str_from(more));
    http_disconnect(&client);
    return (mu_monotonic_ns() - start_ns) / 1000000;
}

static void slow_clients_are_cut_off(void **state)
{
    static const struct {
        const char *first, *more;
    } cases[] = {
        {"G", "E"},                                           /* the request line never ends */
        {"GET /hello HTTP/1.1\r\nHost: t\r\n", "X-A: b\r\n"}, /* the headers never end */
        {"POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: 100000\r\n\r\n", "x"},
        {"POST /body HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"},
        {"GET /hello HTTP/1.1\r\nHost: t\r\n", ""}, /* half a request, then silence */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t took_ms = drip(cases[i].first, cases[i].more);
        if (took_ms < 350 || took_ms > 5000)
            fail_msg("case %zu was cut off after %lld ms", i, (long long)took_ms);
        expect_alive();
    }
}

static void idle_connections_are_closed(void **state)
{
    http_client client;
    http_reply reply;
    (void)state;
    http_connect(&client, fixture.port);
    assert_true(http_send_text(&client, "GET /hello HTTP/1.1\r\nHost: t\r\n\r\n"));
    assert_true(http_read(&client, false, &reply));
    http_reply_free(&reply);
    assert_false(http_is_closed(&client, 100));
    assert_true(http_is_closed(&client, 5000));
    http_disconnect(&client);
}

static void a_client_that_does_not_read_is_cut_off(void **state)
{
    http_client client;
    char byte;
    (void)state;
    http_connect(&client, fixture.port);
    assert_true(http_send_text(&client, "GET /stream?n=1000000000 HTTP/1.1\r\nHost: t\r\n\r\n"));
    int64_t before = http_fixture_metric(&fixture, "muster_http_requests_aborted_total");
    for (int i = 0; i < 10000; i++) {
        if (http_fixture_metric(&fixture, "muster_http_requests_aborted_total") > before)
            break;
        (void)recv(client.fd, &byte, 1, 0); /* a byte now and then does not help */
        (void)poll(NULL, 0, 1);
    }
    assert_true(http_fixture_metric(&fixture, "muster_http_requests_aborted_total") > before);
    http_disconnect(&client);
    expect_alive();
}

/* Sends this and wants a status, or nothing but the end of the connection when it is 0. */
static void expect_refusal(const char *what, mu_str request, unsigned least, unsigned most)
{
    http_client client;
    http_reply reply;
    http_connect(&client, fixture.port);
    (void)http_send(&client, request);
    if (http_read(&client, false, &reply)) {
        if (reply.status < least || reply.status > most)
            fail_msg("%s: %u", what, reply.status);
        http_reply_free(&reply);
    } else if (least > 0 && most < 600) {
        fail_msg("%s: no answer", what);
    }
    http_disconnect(&client);
    expect_alive();
}

#define REFUSED(lit, least, most) expect_refusal(lit, MU_STR(lit), least, most)

static void malformed_requests_are_refused(void **state)
{
    (void)state;
    REFUSED("GET /hello HTTP/1.1\r\n\r\n", 400, 400); /* no Host */
    REFUSED("GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, 400);
    REFUSED("GET /url HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, 400);
    REFUSED("GET /url HTTP/1.1\r\nHost: a\"<script>\r\n\r\n", 400, 400);
    REFUSED("GET /hel lo HTTP/1.1\r\nHost: t\r\n\r\n", 400, 400);
    REFUSED("GET /\x01 HTTP/1.1\r\nHost: t\r\n\r\n", 400, 400);
    REFUSED("GET /hello HTTP/9.9\r\nHost: t\r\n\r\n", 400, 505);
    REFUSED("GET /hello HTTX/1.1\r\nHost: t\r\n\r\n", 400, 505);
    REFUSED("nonsense\r\n\r\n", 0, 505); /* or just closed */
    REFUSED("GET /query?a=%FF HTTP/1.1\r\nHost: t\r\n\r\n", 400, 400);
    REFUSED("POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: -1\r\n\r\n", 400, 400);
    REFUSED("POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: 5x\r\n\r\nhello", 400, 400);
    REFUSED("POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999999999999999\r\n\r\n", 400,
            413);
    REFUSED("POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: 9223372036854775807\r\n\r\n", 413,
            413);
    REFUSED("POST /body HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, 400);
    REFUSED("POST /body HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
            "fffffffffffffffff\r\n",
            400, 413);
}

/* Where two readers could disagree about the length, the connection does not go on. */
static void smuggled_requests_are_refused(void **state)
{
    static const char *const heads[] = {
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        http_client client;
        http_reply reply;
        http_connect(&client, fixture.port);
        assert_true(http_send_text(&client,
                                   "POST /body HTTP/1.1\r\nHost: t\r\n%s\r\n"
                                   "0\r\n\r\nGET /hello HTTP/1.1\r\nHost: t\r\n\r\n",
                                   heads[i]));
        assert_true(http_read(&client, false, &reply));
        if (reply.status != 400)
            fail_msg("%s: %u", heads[i], reply.status);
        http_reply_free(&reply);
        assert_false(http_read(&client, false, &reply));
        http_disconnect(&client);
    }
    expect_alive();
}

static void floods_of_headers_are_refused(void **state)
{
    mu_buf request;
    (void)state;
    mu_buf_init(&request, 1 << 24);
    MU_BUF_ADD(&request, "GET /hello HTTP/1.1\r\nHost: t\r\n");
    for (int i = 0; i < 100000; i++)
        mu_buf_add_format(&request, "X-Header-%d: value\r\n", i);
    MU_BUF_ADD(&request, "\r\n");
    expect_refusal("many headers", mu_buf_str(&request), 400, 600);

    mu_buf_clear(&request);
    MU_BUF_ADD(&request, "GET /hello HTTP/1.1\r\nHost: t\r\nX-Long: ");
    for (int i = 0; i < 1000000; i++)
        mu_buf_add_char(&request, 'x');
    MU_BUF_ADD(&request, "\r\n\r\n");
    expect_refusal("a long header", mu_buf_str(&request), 400, 600);

    mu_buf_clear(&request);
    MU_BUF_ADD(&request, "GET /");
    for (int i = 0; i < 1000000; i++)
        mu_buf_add_char(&request, 'x');
    MU_BUF_ADD(&request, " HTTP/1.1\r\nHost: t\r\n\r\n");
    expect_refusal("a long path", mu_buf_str(&request), 400, 600);

    mu_buf_free(&request);
}

static void floods_of_parameters_are_answered(void **state)
{
    static const struct {
        int n;
        unsigned status;
    } cases[] = {{900, 200}, {1000, 200}, {1001, 400}, {6000, 400}};
    mu_buf request;
    (void)state;
    mu_buf_init(&request, 1 << 24);
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        mu_buf_clear(&request);
        MU_BUF_ADD(&request, "GET /query?a=1");
        for (int i = 1; i < cases[c].n; i++)
            MU_BUF_ADD(&request, "&a=1");
        MU_BUF_ADD(&request, " HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
        expect_refusal("many parameters", mu_buf_str(&request), cases[c].status, cases[c].status);
    }
    mu_buf_free(&request);
}

static void a_token_of_eight_kilobytes_passes(void **state)
{
    mu_buf request;
    http_reply reply;
    (void)state;
    mu_buf_init(&request, 1 << 20);
    MU_BUF_ADD(&request, "GET /hello HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer ");
    for (int i = 0; i < 8192; i++)
        mu_buf_add_char(&request, 'x');
    MU_BUF_ADD(&request, "\r\n\r\n");
    http_exchange(fixture.port, mu_buf_str(&request), &reply);
    assert_int_equal(reply.status, 200);
    http_reply_free(&reply);
    mu_buf_free(&request);
}

static void a_thousand_connections_are_served(void **state)
{
    enum { N = 1000 };
    static http_client clients[N];
    http_fixture patient; /* a slow machine may take longer than the other one's timeouts */
    (void)state;
    mu_http_options options = http_fixture_options(&patient);
    http_fixture_start(&patient, &options);
    for (int i = 0; i < N; i++)
        http_connect(&clients[i], patient.port);
    for (int i = 0; i < N; i++)
        (void)http_send_text(&clients[i], "GET /echo/%d/x/y HTTP/1.1\r\nHost: t\r\n\r\n", i);
    for (int i = 0; i < N; i++) {
        http_reply reply;
        char body[64];
        assert_true(http_read(&clients[i], false, &reply));
        snprintf(body, sizeof(body), "{\"id\":\"%d\",\"name\":\"y\"}", i);
        assert_string_equal(reply.body, body);
        http_reply_free(&reply);
    }
    for (int i = 0; i < N; i++)
        http_disconnect(&clients[i]);
    http_fixture_stop(&patient, 1000);
}

static void a_full_house_gives_idle_places_away(void **state)
{
    enum { N = 16 };
    http_fixture small;
    http_client idle[N], late;
    http_reply reply;
    (void)state;
    mu_http_options options = http_fixture_options(&small);
    options.limits.connections_max = N;
    http_fixture_start(&small, &options);
    for (int i = 0; i < N; i++) {
        http_connect(&idle[i], small.port);
        assert_true(http_send_text(&idle[i], "GET /hello HTTP/1.1\r\nHost: t\r\n\r\n"));
        assert_true(http_read(&idle[i], false, &reply));
        http_reply_free(&reply);
    }
    http_connect(&late, small.port); /* into the backlog */
    assert_true(http_send_text(&late, "GET /hello HTTP/1.1\r\nHost: t\r\n\r\n"));
    assert_true(http_read(&late, false, &reply));
    assert_int_equal(reply.status, 200);
    http_reply_free(&reply);
    http_disconnect(&late);
    for (int i = 0; i < N; i++)
        http_disconnect(&idle[i]);
    http_fixture_stop(&small, 1000);
}

/* Requests with random bytes changed, cut or doubled; a seed repeats them. */
static void mutated_requests_do_no_harm(void **state)
{
    static const char *const seeds[] = {
        "GET /echo/a%2Fb/x/y?sort=sort=name:asc&limit=+5 HTTP/1.1\r\nHost: t\r\n"
        "x-request-id: abc\r\nOrigin: https://a.example\r\n\r\n",
        "POST /json HTTP/1.1\r\nHost: t\r\nContent-Length: 13\r\n"
        "Content-Type: application/json\r\n\r\n{\"a\":[1,2,3]}",
        "POST /body HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5\r\nhello\r\n0\r\n\r\n",
        "OPTIONS /edge/v1/interact HTTP/1.1\r\nHost: t\r\nOrigin: null\r\n"
        "Access-Control-Request-Headers: a\r\n\r\n",
        "POST /body HTTP/1.1\r\nHost: t\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n"
        "\x1f\x8b\x08\x04",
    };
    (void)state;
    mu_dice dice;
    mu_dice_init(&dice, mu_dice_seed("mutated requests", 4711));
    uint32_t n = mu_dice_cases(2000);
    for (uint32_t i = 0; i < n; i++) {
        char bytes[512];
        const char *seed = seeds[mu_dice_below(&dice, 5)];
        size_t len = strlen(seed);
        memcpy(bytes, seed, len);
        for (uint32_t k = mu_dice_below(&dice, 4); k > 0; k--)
            bytes[mu_dice_below(&dice, (uint32_t)len)] = (char)mu_dice_below(&dice, 256);
        if (mu_dice_below(&dice, 4) == 0)
            len = mu_dice_below(&dice, (uint32_t)len) + 1;
        http_client client;
        http_connect(&client, fixture.port);
        (void)http_send(&client, (mu_str){bytes, len});
        (void)shutdown(client.fd, SHUT_WR);
        (void)http_pending(&client, 1000);
        http_disconnect(&client);
    }
    expect_alive();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slow_clients_are_cut_off),
        cmocka_unit_test(idle_connections_are_closed),
        cmocka_unit_test(a_client_that_does_not_read_is_cut_off),
        cmocka_unit_test(malformed_requests_are_refused),
        cmocka_unit_test(smuggled_requests_are_refused),
        cmocka_unit_test(floods_of_headers_are_refused),
        cmocka_unit_test(floods_of_parameters_are_answered),
        cmocka_unit_test(a_token_of_eight_kilobytes_passes),
        cmocka_unit_test(a_thousand_connections_are_served),
        cmocka_unit_test(a_full_house_gives_idle_places_away),
        cmocka_unit_test(mutated_requests_do_no_harm),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
