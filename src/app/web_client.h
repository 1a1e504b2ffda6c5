/* web_client.h -- requests to a muster server: JSON out and in, over one kept connection.
 *
 * One thread at a time. Everything in an answer is in the arena given.
 */
#ifndef MU_APP_WEB_CLIENT_H
#define MU_APP_WEB_CLIENT_H

#include "base/arena.h"
#include "json/json.h"

typedef struct mu_web_client mu_web_client;

typedef struct mu_web_access {
    mu_str url; /* "http://127.0.0.1:8080", without a path */
    mu_str token, api_key, organization, sandbox;
} mu_web_access;

typedef struct mu_web_answer {
    unsigned status;
    mu_str body;
    mu_json json; /* null when the body is no JSON */
} mu_web_answer;

MU_CHECKED mu_code mu_web_client_new(const mu_web_access *access, mu_web_client **out, mu_err *err);
void mu_web_client_free(mu_web_client *client);

/* `path` begins with '/'. Waits and asks again when the server is busy (429, 503), for up to a
 * minute. MU_E_IO: there is no answer. Any status that comes back is MU_OK. */
MU_CHECKED mu_code mu_web_send(mu_web_client *client, mu_arena *arena, const char *method,
                               mu_str path, mu_str content_type, mu_str body, mu_web_answer *out,
                               mu_err *err);

/* The same, and anything but 2xx is an error with what the server said: MU_E_INPUT. */
MU_CHECKED mu_code mu_web_ask(mu_web_client *client, mu_arena *arena, const char *method,
                              mu_str path, mu_str body, mu_json *out, mu_err *err);

#endif
