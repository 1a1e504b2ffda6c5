/* later_test.c -- answers from other threads, the bounded queue, and stopping. */
#include "base/time.h"
#include "tests/support/http_client.h"
#include "tests/support/http_fixture.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>

#include <cmocka.h>

static void send_get(http_client *client, uint16_t port, const char *path)
{
    http_connect(client, port);
    assert_true(http_send_text(client, "GET %s HTTP/1.1\r\nHost: t\r\n\r\n", path));
}

static void expect(http_client *client, unsigned status, const char *holds)
{
    http_reply reply;
    assert_true(http_read(client, false, &reply));
    if (reply.status != status || strstr(reply.body, holds) == NULL)
        fail_msg("%u %s", reply.status, reply.body);
    http_reply_free(&reply);
}

static void start(http_fixture *fixture)
{
    mu_http_options options = http_fixture_options(fixture);
    http_fixture_start(fixture, &options);
}

static void another_request(http_fixture *fixture)
{
    http_client client;
    send_get(&client, fixture->port, "/later?ms=5");
    expect(&client, 200, "later");
    http_disconnect(&client);
}

static void another_thread_may_answer_at_once_or_later(void **state)
{
    http_fixture fixture;
    http_client client;
    (void)state;
    start(&fixture);
    http_connect(&client, fixture.port);
    for (int i = 0; i < 300; i++) {
        assert_true(http_send_text(&client, "GET /later?ms=%d HTTP/1.1\r\nHost: t\r\n\r\n",
                                   i % 50 == 0 ? 5 : 0));
        expect(&client, 200, "later");
    }
    http_disconnect(&client);
    http_fixture_stop(&fixture, 1000);
}

static void waiting_requests_do_not_hold_up_others(void **state)
{
    http_fixture fixture;
    http_client held, other;
    (void)state;
    start(&fixture);
    send_get(&held, fixture.port, "/hold");
    http_fixture_wait_held(&fixture);
    for (int i = 0; i < 20; i++) {
        send_get(&other, fixture.port, "/hello");
        expect(&other, 200, "hello");
        http_disconnect(&other);
    }
    http_fixture_release(&fixture);
    expect(&held, 200, "released");
    assert_true(http_send_text(&held, "GET /hello HTTP/1.1\r\nHost: t\r\n\r\n"));
    expect(&held, 200, "hello"); /* the connection goes on */
    http_disconnect(&held);
    http_fixture_stop(&fixture, 1000);
}

static void a_client_that_left_is_no_trouble(void **state)
{
    http_fixture fixture;
    http_client client;
    (void)state;
    start(&fixture);
    for (int i = 0; i < 20; i++) {
        send_get(&client, fixture.port, "/hold");
        http_fixture_wait_held(&fixture);
        http_disconnect(&client);
        http_fixture_release(&fixture);
    }
    for (int i = 0; i < 5000 && fixture.n_ended < 20; i++)
        (void)poll(NULL, 0, 1);
    assert_int_equal(fixture.n_ended, 20);
    http_fixture_stop(&fixture, 1000);
}

/* The library finds out by itself that a resumed connection is broken, and ends the request without
 * asking for the answer: it once stayed in the list of waiting requests, freed. */
static void clients_that_reset_leave_nothing_behind(void **state)
{
    http_fixture fixture;
    http_client clients[16];
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    (void)state;
    start(&fixture);
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 16; i++)
            send_get(&clients[i], fixture.port, i % 2 == 0 ? "/later?ms=5" : "/worker?ms=5");
        (void)poll(NULL, 0, round % 3);
        for (int i = 0; i < 16; i++) {
            (void)setsockopt(clients[i].fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
            http_disconnect(&clients[i]);
        }
    }
    another_request(&fixture);
    http_fixture_stop(&fixture, 10000); /* would wait for ever */
}

static void a_worker_can_tell_that_the_client_left(void **state)
{
    http_fixture fixture;
    http_client client;
    (void)state;
    start(&fixture);
    send_get(&client, fixture.port, "/patient");
    assert_int_equal(http_pending(&client, 50), 0);
    http_disconnect(&client);
    for (int i = 0; i < 5000 && fixture.n_cancelled == 0; i++)
        (void)poll(NULL, 0, 1);
    assert_int_equal(fixture.n_cancelled, 1);
    http_fixture_stop(&fixture, 1000);
}

static void a_full_queue_is_503_with_retry_after(void **state)
{
    http_fixture fixture;
    http_client clients[8];
    unsigned n_served = 0, n_refused = 0;
    (void)state;
    mu_http_options options = http_fixture_options(&fixture);
    options.worker_threads = 1;
    options.limits.queue_max = 2;
    http_fixture_start(&fixture, &options);
    for (int i = 0; i < 8; i++)
        send_get(&clients[i], fixture.port, "/worker?ms=1000");
    for (int i = 0; i < 8; i++) {
        http_reply reply;
        char seconds[16];
        assert_true(http_read(&clients[i], false, &reply));
        n_served += reply.status == 200;
        if (reply.status == 503) {
            n_refused++;
            assert_true(http_reply_header(&reply, "Retry-After", seconds, sizeof(seconds)));
            assert_non_null(strstr(reply.body, "UPAPI-119991-503"));
        }
        http_reply_free(&reply);
        http_disconnect(&clients[i]);
    }
    assert_int_equal(n_served + n_refused, 8);
    assert_in_range(n_served, 2, 3); /* one at work, two waiting; the worker may be late */
    assert_int_equal(http_fixture_metric(&fixture, "muster_http_queue_full_total"), n_refused);
    assert_int_equal(http_fixture_metric(&fixture, "muster_http_queue_depth"), 0);
    http_fixture_stop(&fixture, 1000);
}

/* -------- stopping -------- */

typedef struct stopping {
    http_fixture *fixture;
    uint32_t grace_ms;
    int64_t took_ms;
} stopping;

static void *run_stop(void *context)
{
    stopping *of = context;
    int64_t start_ns = mu_monotonic_ns();
    http_fixture_stop(of->fixture, of->grace_ms);
    of->took_ms = (mu_monotonic_ns() - start_ns) / 1000000;
    return NULL;
}

static void running_requests_finish_while_stopping(void **state)
{
    http_fixture fixture;
    http_client held, idle;
    pthread_t thread;
    http_reply reply;
    char connection[32];
    (void)state;
    start(&fixture);
    uint16_t port = fixture.port;
    send_get(&idle, port, "/hello");
    expect(&idle, 200, "hello");
    send_get(&held, port, "/hold");
    http_fixture_wait_held(&fixture);
    mu_http_request *request = fixture.held;
    stopping of = {.fixture = &fixture, .grace_ms = 10000};
    pthread_create(&thread, NULL, run_stop, &of);
    (void)poll(NULL, 0, 200);

    /* A kept connection is still served, told to close, and not ready any more. */
    assert_true(http_send_text(&idle, "GET /ready HTTP/1.1\r\nHost: t\r\n\r\n"));
    assert_true(http_read(&idle, false, &reply));
    assert_int_equal(reply.status, 503);
    assert_non_null(strstr(reply.body, "the server is stopping"));
    assert_true(http_reply_header(&reply, "Connection", connection, sizeof(connection)));
    assert_string_equal(connection, "close");
    http_reply_free(&reply);
    assert_true(http_is_closed(&idle, 5000));

    mu_buf_add_str(mu_http_response_body(mu_http_request_response(request), MU_STR("text/plain")),
                   MU_STR("in time"));
    mu_http_complete(request);
    expect(&held, 200, "in time");
    pthread_join(thread, NULL);
    assert_true(of.took_ms < 9000);

    /* Nobody listens any more. */
    http_fixture again;
    mu_http_options options = http_fixture_options(&again);
    char address[32];
    snprintf(address, sizeof(address), "127.0.0.1:%u", port);
    options.listen = mu_str_from(address);
    http_fixture_start(&again, &options);
    http_fixture_stop(&again, 100);
    http_disconnect(&held);
    http_disconnect(&idle);
}

static void requests_out_of_time_are_answered_503(void **state)
{
    http_fixture fixture;
    http_client held;
    pthread_t thread;
    (void)state;
    start(&fixture);
    send_get(&held, fixture.port, "/hold");
    http_fixture_wait_held(&fixture);
    mu_http_request *request = fixture.held;
    stopping of = {.fixture = &fixture, .grace_ms = 100};
    pthread_create(&thread, NULL, run_stop, &of);
    expect(&held, 503, "The server is stopping");
    pthread_join(thread, NULL);
    assert_true(of.took_ms >= 100 && of.took_ms < 5000);
    assert_int_equal(fixture.n_ended, 0);
    /* Its owner comes back when the server is long gone. */
    assert_true(mu_http_request_cancelled(request));
    mu_buf_add_str(mu_http_response_body(mu_http_request_response(request), MU_STR("text/plain")),
                   MU_STR("too late"));
    mu_http_complete(request);
    assert_int_equal(fixture.n_ended, 1);
    http_disconnect(&held);
}

static void workers_are_told_that_time_is_up(void **state)
{
    http_fixture fixture;
    http_client clients[5];
    (void)state;
    mu_http_options options = http_fixture_options(&fixture);
    options.worker_threads = 1;
    http_fixture_start(&fixture, &options);
    for (int i = 0; i < 5; i++)
        send_get(&clients[i], fixture.port, "/patient"); /* one at work, four queued */
    assert_int_equal(http_pending(&clients[0], 100), 0);
    http_fixture_stop(&fixture, 50);
    assert_int_equal(fixture.n_cancelled, 1);
    for (int i = 0; i < 5; i++) {
        expect(&clients[i], 503, "The server is stopping");
        http_disconnect(&clients[i]);
    }
}

static void a_half_sent_request_does_not_hold_up_stopping(void **state)
{
    http_fixture fixture;
    http_client half, streaming;
    (void)state;
    start(&fixture);
    http_connect(&half, fixture.port);
    assert_true(
        http_send_text(&half, "POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nx"));
    send_get(&streaming, fixture.port, "/stream?n=1000000000"); /* never read */
    (void)poll(NULL, 0, 100);
    int64_t start_ns = mu_monotonic_ns();
    http_fixture_stop(&fixture, 100);
    assert_true(mu_monotonic_ns() - start_ns < (int64_t)5000000000);
    http_disconnect(&half);
    http_disconnect(&streaming);
}

typedef struct load {
    uint16_t port;
    _Atomic bool is_over;
    _Atomic int n_answered;
} load;

static void *run_load(void *context)
{
    load *of = context;
    while (!of->is_over) {
        http_client client;
        http_reply reply;
        if (!http_try_connect(&client, of->port))
            continue;
        for (int i = 0; i < 20; i++) {
            if (!http_send_text(&client, "GET /%s HTTP/1.1\r\nHost: t\r\n\r\n",
                                i % 3 == 0   ? "later"
                                : i % 3 == 1 ? "worker"
                                             : "hello") ||
                !http_read(&client, false, &reply))
                break;
            of->n_answered++;
            http_reply_free(&reply);
        }
        http_disconnect(&client);
    }
    return NULL;
}

/* Stopping in the middle of traffic, again and again: no crash, no leak, no race. */
static void stopping_under_load_is_clean(void **state)
{
    (void)state;
    for (int round = 0; round < 10; round++) {
        http_fixture fixture;
        pthread_t threads[4];
        start(&fixture);
        load of = {.port = fixture.port};
        for (int i = 0; i < 4; i++)
            pthread_create(&threads[i], NULL, run_load, &of);
        while (of.n_answered < 50)
            (void)poll(NULL, 0, 1);
        http_fixture_stop(&fixture, round % 2 == 0 ? 0 : 1000);
        of.is_over = true;
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_thread_may_answer_at_once_or_later),
        cmocka_unit_test(waiting_requests_do_not_hold_up_others),
        cmocka_unit_test(a_client_that_left_is_no_trouble),
        cmocka_unit_test(clients_that_reset_leave_nothing_behind),
        cmocka_unit_test(a_worker_can_tell_that_the_client_left),
        cmocka_unit_test(a_full_queue_is_503_with_retry_after),
        cmocka_unit_test(running_requests_finish_while_stopping),
        cmocka_unit_test(requests_out_of_time_are_answered_503),
        cmocka_unit_test(workers_are_told_that_time_is_up),
        cmocka_unit_test(a_half_sent_request_does_not_hold_up_stopping),
        cmocka_unit_test(stopping_under_load_is_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
