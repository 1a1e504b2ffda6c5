/* http_client.h -- a tiny HTTP client for tests: bytes go out as they are given, replies are read
 * as they come. One thread at a time; what should not happen fails the test. */
#ifndef MU_TESTS_HTTP_CLIENT_H
#define MU_TESTS_HTTP_CLIENT_H

#include "base/buf.h"

typedef struct http_client {
    int fd;
    mu_buf in; /* received and not yet taken */
} http_client;

typedef struct http_reply {
    unsigned status;
    char *head; /* status line and headers with their CRLFs, NUL-terminated */
    char *body; /* unchunked, NUL-terminated */
    size_t body_len;
} http_reply;

void http_connect(http_client *client, uint16_t port);
bool http_try_connect(http_client *client, uint16_t port); /* false: refused */
void http_disconnect(http_client *client);

/* Sends all of it; false when the server has closed. */
bool http_send(http_client *client, mu_str bytes);
bool http_send_text(http_client *client, const char *format, ...) MU_PRINTF(2, 3);

/* Reads one reply; false when the connection ends first, or nothing comes for 20 s. `is_head`: the
 * reply has no body whatever its headers say. Free it with http_reply_free. */
bool http_read(http_client *client, bool is_head, http_reply *reply);
void http_reply_free(http_reply *reply);

/* The value of a header of the reply into `out`; false when there is none. */
bool http_reply_header(const http_reply *reply, const char *name, char *out, size_t size);

/* True when the server closes within `wait_ms` without sending another byte. */
bool http_is_closed(http_client *client, int wait_ms);

/* Bytes that the server has sent beyond what was read, waiting up to `wait_ms` for the first. */
size_t http_pending(http_client *client, int wait_ms);

/* One request on a connection of its own. */
void http_exchange(uint16_t port, mu_str request, http_reply *reply);

#endif
