/* tls_test.c -- PEM files make the port speak TLS. The key is made by openssl(1) while the test
 * runs; without that program the test is skipped. */
#include "tests/support/http_client.h"
#include "tests/support/http_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/mu_tls_XXXXXX";
static char certificate[64], key[64];

static bool run(const char *format, ...)
{
    char command[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof(command), format, args);
    va_end(args);
    return system(command) == 0;
}

static int make_key(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(certificate, sizeof(certificate), "%s/certificate.pem", folder);
    snprintf(key, sizeof(key), "%s/key.pem", folder);
    return 0;
}

static int remove_key(void **state)
{
    (void)state;
    (void)unlink(certificate);
    (void)unlink(key);
    (void)rmdir(folder);
    return 0;
}

/* What openssl's client gets for a request, NUL-terminated. */
static void ask_tls(uint16_t port, const char *path, char *out, size_t size)
{
    char command[512];
    snprintf(command, sizeof(command),
             "printf 'GET %s HTTP/1.1\\r\\nHost: t\\r\\nConnection: close\\r\\n\\r\\n' | "
             "timeout 20 openssl s_client -quiet -connect 127.0.0.1:%u 2>/dev/null",
             path, port);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t n = fread(out, 1, size - 1, pipe);
    out[n] = '\0';
    pclose(pipe);
}

static void requests_come_over_tls(void **state)
{
    http_fixture fixture;
    char reply[4096];
    (void)state;
    if (!run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
             "-subj /CN=localhost -keyout %s -out %s >/dev/null 2>&1",
             key, certificate))
        skip();
    mu_http_options options = http_fixture_options(&fixture);
    options.certificate_path = certificate;
    options.key_path = key;
    options.limits.idle_timeout_ms = 500;
    http_fixture_start(&fixture, &options);
    ask_tls(fixture.port, "/hello", reply, sizeof(reply));
    assert_non_null(strstr(reply, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(reply, "\r\n\r\nhello"));
    ask_tls(fixture.port, "/url", reply, sizeof(reply));
    assert_non_null(strstr(reply, "\r\n\r\nhttps://t"));
    ask_tls(fixture.port, "/later?ms=5", reply, sizeof(reply));
    assert_non_null(strstr(reply, "\r\n\r\nlater"));

    http_client plain; /* no handshake: closed, and the next one is served */
    http_connect(&plain, fixture.port);
    assert_true(http_send_text(&plain, "GET /hello HTTP/1.1\r\nHost: t\r\n\r\n"));
    (void)http_pending(&plain, 2000); /* an alert */
    mu_buf_clear(&plain.in);
    assert_true(http_is_closed(&plain, 5000));
    http_disconnect(&plain);
    http_connect(&plain, fixture.port); /* silence instead of a handshake */
    assert_true(http_is_closed(&plain, 5000));
    http_disconnect(&plain);
    ask_tls(fixture.port, "/hello", reply, sizeof(reply));
    assert_non_null(strstr(reply, "\r\n\r\nhello"));
    http_fixture_stop(&fixture, 1000);
}

static void expect_refused(const char *certificate_path, const char *key_path, mu_code code)
{
    http_fixture fixture;
    mu_err err = {0};
    mu_http_options options = http_fixture_options(&fixture);
    options.certificate_path = certificate_path;
    options.key_path = key_path;
    assert_int_equal(mu_http_server_start(&options, &fixture.server, &err), code);
    assert_true(err.text[0] != '\0');
    mu_http_router_free(fixture.router);
    mu_metrics_free(fixture.metrics);
}

static void bad_certificates_are_refused(void **state)
{
    (void)state;
    expect_refused("/nowhere/certificate.pem", "/nowhere/key.pem", MU_E_NOT_FOUND);
    expect_refused("/nowhere/certificate.pem", NULL, MU_E_INPUT);
    expect_refused(NULL, "/nowhere/key.pem", MU_E_INPUT);
    expect_refused("/proc/self/cmdline", "/proc/self/cmdline", MU_E_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_come_over_tls),
        cmocka_unit_test(bad_certificates_are_refused),
    };
    return cmocka_run_group_tests(tests, make_key, remove_key);
}
