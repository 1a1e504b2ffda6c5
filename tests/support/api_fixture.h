/* api_fixture.h -- the HTTP API over a new data folder on a free port, with a clock of its own.
 *
 * One fixture at a time in a process; what should not happen fails the test. Requests carry the
 * headers of api.md 2.1 for the sandbox prod unless said otherwise.
 */
#ifndef MU_TESTS_API_FIXTURE_H
#define MU_TESTS_API_FIXTURE_H

#include "api/api.h"

typedef struct api_fixture {
    mu_arena arena; /* of answers; until api_fixture_stop */
    char *folder;
    mu_live *live;
    mu_documents *documents;
    mu_metrics *metrics;
    mu_api *api;
    mu_http_router *router;
    mu_http_server *server;
    uint16_t port;
    mu_api_options options;
} api_fixture;

#define API_FIXTURE_NOW_MS       INT64_C(1767225600000) /* 2026-01-01T00:00:00Z */
#define API_FIXTURE_ORGANIZATION "LUMA@AdobeOrg"

/* Open mode, tenant "luma", the clock at API_FIXTURE_NOW_MS. */
void api_fixture_start(api_fixture *f);
/* Starts with these options; members for documents, live, clock and metrics are filled in, and
 * the settings where all of them are 0. */
void api_fixture_start_with(api_fixture *f, const mu_api_options *options);
/* Stops the server and starts it again over the same folder. */
void api_fixture_restart(api_fixture *f);
/* The same, and `between` is called while nothing is open. */
void api_fixture_restart_after(api_fixture *f, void (*between)(api_fixture *f));
void api_fixture_stop(api_fixture *f);

void api_fixture_set_now(int64_t now_ms);
void api_fixture_advance(int64_t by_ms);

typedef struct api_answer {
    unsigned status;
    mu_str head; /* status line and headers */
    mu_str body;
    mu_json json; /* of the body; null when it is empty or no JSON */
} api_answer;

/* `method` and `path` as they go on the wire; `body` NULL: none. */
api_answer api_send(api_fixture *f, const char *method, const char *path, const char *body);
/* The same with exactly these headers, each "Name: value\r\n". */
api_answer api_send_headers(api_fixture *f, const char *method, const char *path,
                            const char *headers, mu_str body);
/* In another sandbox. */
api_answer api_send_in(api_fixture *f, const char *sandbox, const char *method, const char *path,
                       const char *body);

/* As api_send, and fails unless the status is this one. */
api_answer api_expect(api_fixture *f, unsigned status, const char *method, const char *path,
                      const char *body);

/* The value at a path of members and item numbers, "children.0.name"; NULL when there is none. */
const mu_json *api_at(const api_answer *answer, const char *path);
/* The same as text: strings as they are, anything else as JSON; "" when there is none. */
const char *api_text(api_fixture *f, const api_answer *answer, const char *path);
/* False when there is no such header. */
bool api_header(const api_answer *answer, const char *name, char *out, size_t size);

#define api_assert_text(f, answer, path, expected)                                                 \
    assert_string_equal(api_text((f), (answer), (path)), (expected))

#endif
