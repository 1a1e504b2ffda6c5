#include "tests/support/http_client.h"

#include "base/time.h"

#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 20000

bool http_try_connect(http_client *client, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(client->fd >= 0);
    mu_buf_init(&client->in, (size_t)1 << 30);
    if (connect(client->fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return true;
    close(client->fd);
    client->fd = -1;
    return false;
}

void http_connect(http_client *client, uint16_t port)
{
    assert_true(http_try_connect(client, port));
}

void http_disconnect(http_client *client)
{
    close(client->fd);
    mu_buf_free(&client->in);
}

bool http_send(http_client *client, mu_str bytes)
{
    while (bytes.len > 0) {
        ssize_t n = send(client->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        bytes = (mu_str){bytes.ptr + n, bytes.len - (size_t)n};
    }
    return true;
}

bool http_send_text(http_client *client, const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    assert_true(length > 0 && (size_t)length < sizeof(text));
    return http_send(client, (mu_str){text, (size_t)length});
}

/* Reads what is there, waiting for the first byte; false at the end or when nothing comes. */
static bool receive(http_client *client, int wait_ms)
{
    struct pollfd polled = {.fd = client->fd, .events = POLLIN};
    if (poll(&polled, 1, wait_ms) <= 0)
        return false;
    char *to = mu_buf_reserve(&client->in, 65536);
    assert_non_null(to);
    ssize_t n = recv(client->fd, to, 65536, 0);
    if (n <= 0)
        return false;
    client->in.len += (size_t)n;
    return true;
}

static void take(http_client *client, size_t n)
{
    memmove(client->in.ptr, client->in.ptr + n, client->in.len - n);
    client->in.len -= n;
}

static bool need(http_client *client, size_t n)
{
    while (client->in.len < n) {
        if (!receive(client, PATIENCE_MS))
            return false;
    }
    return true;
}

/* Waits until `mark` is in the input; its offset, or SIZE_MAX. */
static size_t need_mark(http_client *client, mu_str mark)
{
    size_t at;
    while ((at = mu_str_find(mu_buf_str(&client->in), mark)) == SIZE_MAX) {
        if (!receive(client, PATIENCE_MS))
            return SIZE_MAX;
    }
    return at;
}

static void keep(char **out, const char *bytes, size_t len)
{
    *out = malloc(len + 1);
    assert_non_null(*out);
    memcpy(*out, bytes, len);
    (*out)[len] = '\0';
}

static bool read_chunks(http_client *client, http_reply *reply)
{
    mu_buf body;
    mu_buf_init(&body, (size_t)1 << 30);
    bool is_whole = false;
    for (;;) {
        size_t end = need_mark(client, MU_STR("\r\n"));
        if (end == SIZE_MAX)
            break;
        unsigned long size = strtoul(client->in.ptr, NULL, 16);
        take(client, end + 2);
        if (!need(client, size + 2))
            break;
        mu_buf_add(&body, client->in.ptr, size);
        take(client, size + 2);
        if (size == 0) {
            is_whole = true;
            break;
        }
    }
    keep(&reply->body, mu_buf_str(&body).ptr, body.len);
    reply->body_len = body.len;
    mu_buf_free(&body);
    return is_whole;
}

static bool read_counted(http_client *client, http_reply *reply, size_t len)
{
    if (!need(client, len))
        return false;
    keep(&reply->body, len == 0 ? "" : client->in.ptr, len);
    reply->body_len = len;
    take(client, len);
    return true;
}

bool http_reply_header(const http_reply *reply, const char *name, char *out, size_t size)
{
    size_t name_len = strlen(name);
    const char *line = strstr(reply->head, "\r\n");
    while (line != NULL && line[2] != '\r') {
        line += 2;
        const char *end = strstr(line, "\r\n");
        if (strncasecmp(line, name, name_len) == 0 && line[name_len] == ':') {
            const char *value = line + name_len + 1;
            while (*value == ' ')
                value++;
            size_t len = (size_t)(end - value);
            assert_true(len < size);
            memcpy(out, value, len);
            out[len] = '\0';
            return true;
        }
        line = end;
    }
    return false;
}

bool http_read(http_client *client, bool is_head, http_reply *reply)
{
    char value[64];
    *reply = (http_reply){0};
    size_t head = need_mark(client, MU_STR("\r\n\r\n"));
    if (head == SIZE_MAX)
        return false;
    keep(&reply->head, client->in.ptr, head + 4);
    take(client, head + 4);
    assert_int_equal(strncmp(reply->head, "HTTP/1.", 7), 0);
    reply->status = (unsigned)strtoul(reply->head + 9, NULL, 10);
    bool is_whole = true;
    if (is_head || reply->status < 200 || reply->status == 204 || reply->status == 304)
        is_whole = read_counted(client, reply, 0);
    else if (http_reply_header(reply, "Transfer-Encoding", value, sizeof(value)))
        is_whole = read_chunks(client, reply);
    else if (http_reply_header(reply, "Content-Length", value, sizeof(value)))
        is_whole = read_counted(client, reply, strtoul(value, NULL, 10));
    else
        fail_msg("a reply without a length: %s", reply->head);
    if (!is_whole)
        http_reply_free(reply);
    return is_whole;
}

void http_reply_free(http_reply *reply)
{
    free(reply->head);
    free(reply->body);
    *reply = (http_reply){0};
}

bool http_is_closed(http_client *client, int wait_ms)
{
    struct pollfd polled = {.fd = client->fd, .events = POLLIN};
    char byte;
    if (client->in.len > 0 || poll(&polled, 1, wait_ms) <= 0)
        return false;
    return recv(client->fd, &byte, 1, MSG_PEEK) <= 0;
}

size_t http_pending(http_client *client, int wait_ms)
{
    if (client->in.len == 0)
        (void)receive(client, wait_ms);
    return client->in.len;
}

void http_exchange(uint16_t port, mu_str request, http_reply *reply)
{
    http_client client;
    http_connect(&client, port);
    assert_true(http_send(&client, request));
    assert_true(http_read(&client, mu_str_starts_with(request, MU_STR("HEAD ")), reply));
    http_disconnect(&client);
}
