/* many_connections_test.c -- ten thousand connections that send half a request each: the server, a
 * process of its own, goes on answering and stays within the memory that its limits promise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/http_client.h"
#include "tests/support/http_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_CONNECTIONS 10000u
#define BASE_BYTES    ((uint64_t)256 << 20) /* the program, its threads, the sanitizers' own */

/* The thread sanitizer keeps several bytes of its own for each byte that is touched. */
#ifdef __SANITIZE_THREAD__
#define SHADOW 8u
#else
#define SHADOW 1u
#endif

/* Serves until the pipe that it was given closes. */
static void serve(int port_fd, int end_fd)
{
    http_fixture fixture;
    char byte;
    mu_http_options options = http_fixture_options(&fixture);
    http_fixture_start(&fixture, &options);
    if (write(port_fd, &fixture.port, sizeof fixture.port) != sizeof fixture.port)
        _exit(1);
    (void)!read(end_fd, &byte, 1);
    http_fixture_stop(&fixture, 100);
    _exit(0);
}

static uint64_t resident_bytes(pid_t process)
{
    char path[64], line[256];
    uint64_t kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)process);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = strtoull(line + 6, NULL, 10);
    fclose(file);
    return kib * 1024;
}

static void expect_answer(uint16_t port)
{
    http_client client;
    http_reply reply;
    http_connect(&client, port);
    assert_true(http_send_text(&client, "GET /hello HTTP/1.1\r\nHost: t\r\n\r\n"));
    assert_true(http_read(&client, false, &reply));
    assert_int_equal(reply.status, 200);
    http_reply_free(&reply);
    http_disconnect(&client);
}

/* As many as the system lets this process open, and fewer than the server has places. */
static uint32_t connections_possible(void)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    uint64_t n = limit.rlim_cur < 1000 ? 1 : limit.rlim_cur - 800;
    return n < N_CONNECTIONS ? (uint32_t)n : N_CONNECTIONS;
}

static void ten_thousand_half_requests_do_no_harm(void **state)
{
    int ports[2], ends[2], status;
    uint16_t port;
    (void)state;
    assert_int_equal(pipe(ports), 0);
    assert_int_equal(pipe(ends), 0);
    pid_t server = fork();
    assert_true(server >= 0);
    if (server == 0) {
        close(ends[1]);
        serve(ports[1], ends[0]);
    }
    close(ends[0]);
    assert_int_equal(read(ports[0], &port, sizeof port), sizeof port);
    uint32_t n = connections_possible();
    http_client *clients = calloc(n, sizeof *clients);
    assert_non_null(clients);
    for (uint32_t i = 0; i < n; i++) {
        http_connect(&clients[i], port);
        (void)http_send_text(&clients[i],
                             "POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: 50\r\n"
                             "X-Half: %u\r\n%s",
                             i, i % 2 == 0 ? "" : "\r\nhalf a body");
    }
    expect_answer(port);
    uint64_t bytes = resident_bytes(server);
    mu_http_limits limits = mu_http_limits_default();
    print_message("%u connections, %llu MiB resident\n", n, (unsigned long long)(bytes >> 20));
    uint64_t bound = BASE_BYTES + (uint64_t)n * (limits.connection_memory_bytes + 4096);
    assert_true(bytes <= bound * SHADOW);
    for (uint32_t i = 0; i < n; i++)
        http_disconnect(&clients[i]);
    expect_answer(port);
    free(clients);
    close(ends[1]);
    assert_int_equal(waitpid(server, &status, 0), server);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ten_thousand_half_requests_do_no_harm)};
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("http/many_connections", tests, NULL, NULL);
}
