/* http_fixture.h -- a server with routes for tests, on a free port.
 *
 * GET /hello, GET /echo/{id}/x/{name}, GET /files/{path...}, POST /body (echoes), POST /json
 * (echoes the tree), GET /query (the pairs), PUT /sink (counts; "bad" is MU_E_LIMIT), GET /stream
 * (?n=bytes), GET /broken (a stream that fails), GET /file, DELETE /thing/{id} (204), GET /later
 * (another thread answers after ?ms=), GET /worker (a worker answers after ?ms=), GET /hold
 * (answered by http_fixture_release), GET /patient (a worker until it is cancelled), GET /checked
 * (two checks), POST /edge/v1/interact (CORS), POST /small (body limit 100), GET /large (?n=
 * bytes), GET /header (?value= in X-Test), GET /url (the base url).
 */
#ifndef MU_TESTS_HTTP_FIXTURE_H
#define MU_TESTS_HTTP_FIXTURE_H

#include "http/http.h"

typedef struct http_fixture {
    mu_metrics *metrics;
    mu_http_router *router;
    mu_http_server *server;
    uint16_t port;
    mu_logger logger;
    _Atomic(mu_http_request *) held; /* by GET /hold */
    _Atomic int n_cancelled;         /* GET /patient that noticed */
    _Atomic int n_ended;             /* on_end of GET /hold */
    _Atomic bool is_ready;
} http_fixture;

/* mu_http_options with everything but `listen` filled in; change and start. */
mu_http_options http_fixture_options(http_fixture *fixture);
void http_fixture_start(http_fixture *fixture, const mu_http_options *options);
void http_fixture_stop(http_fixture *fixture, uint32_t grace_ms);

/* Answers the held request with 200 "released" from this thread, waiting for it to be held. */
void http_fixture_release(http_fixture *fixture);
void http_fixture_wait_held(http_fixture *fixture);

/* The value of a metric, "name{labels}" as printed; -1 when it is not there. */
int64_t http_fixture_metric(http_fixture *fixture, const char *name);

#endif
