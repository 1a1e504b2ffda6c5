/* http.h -- the HTTP server: routes, requests, responses. The only user of libmicrohttpd.
 *
 * It knows nothing of resources: what a path means and what an error body looks like is the
 * caller's business, through routes, checks and an error writer. Rules of the wire are api.md 1 and
 * 2.3 and profile.md 0.3.
 *
 * Threads. A connection belongs to one loop thread for good. Checks, sinks, stream readers and the
 * handlers of plain routes run on that thread and must not wait. A handler that waits or works for
 * long either has its route flagged MU_HTTP_ON_WORKER, or answers MU_HTTP_LATER and has another
 * thread call mu_http_complete. A request is used by one thread at a time.
 */
#ifndef MU_HTTP_HTTP_H
#define MU_HTTP_HTTP_H

#include "base/log.h"
#include "base/metrics.h"
#include "json/json.h"

typedef struct mu_http_request mu_http_request;
typedef struct mu_http_response mu_http_response;
typedef struct mu_http_router mu_http_router;
typedef struct mu_http_server mu_http_server;

typedef enum mu_http_method {
    MU_HTTP_GET,
    MU_HTTP_HEAD,
    MU_HTTP_POST,
    MU_HTTP_PUT,
    MU_HTTP_PATCH,
    MU_HTTP_DELETE,
    MU_HTTP_OPTIONS,
    MU_HTTP_METHOD_UNKNOWN /* any other: 405 on a known path */
} mu_http_method;

/* -------- routes -------- */

typedef enum mu_http_outcome {
    MU_HTTP_DONE, /* the response is filled */
    MU_HTTP_LATER /* somebody calls mu_http_complete, perhaps already has: don't touch the request
                   */
} mu_http_outcome;

typedef mu_http_outcome mu_http_handler(mu_http_request *request, mu_http_response *response,
                                        void *context);

/* Runs when the headers are there, before the body. True: go on; false: `response` is the answer,
 * and a body is read and dropped. */
typedef bool mu_http_check_function(mu_http_request *request, mu_http_response *response,
                                    void *context);
typedef struct mu_http_check {
    mu_http_check_function *check;
    void *context;
} mu_http_check;

/* Takes the next piece of a body (decompressed) that is not kept in memory; at least one byte.
 * Failing ends the request: MU_E_LIMIT is 413, MU_E_INPUT and MU_E_SYNTAX 400, the others 500. */
typedef mu_code mu_http_sink(mu_http_request *request, mu_str piece, void *context, mu_err *err);

enum mu_http_route_flag {
    MU_HTTP_EDGE = 1,     /* called by browsers: CORS, profile.md f.5 */
    MU_HTTP_ON_WORKER = 2 /* the handler runs on a worker; a full queue is 503 */
};

typedef struct mu_http_route {
    mu_http_method method; /* GET serves HEAD too, unless HEAD has its own route */
    /* "/a/{id}/b": a parameter is one whole segment; "{rest...}" as the last one takes all that is
     * left, slashes included. A literal segment wins over a parameter. */
    const char *pattern;
    mu_http_handler *handler;
    void *context; /* for handler and sink */
    unsigned flags;
    const mu_http_check *checks; /* in this order; NULL when there are none */
    size_t n_checks;
    mu_http_sink *sink;      /* NULL: the body is kept in memory */
    uint64_t body_max_bytes; /* 0: the server's limit */
    uint32_t json_depth_max; /* 0: the server's limit */
} mu_http_route;

mu_http_router *mu_http_router_new(void); /* NULL when out of memory */
void mu_http_router_free(mu_http_router *router);

/* Adds routes; patterns and checks are borrowed. A pattern that is malformed (MU_E_INPUT) or there
 * already with the same method (MU_E_CONFLICT) is an error. Not once a server uses the router. */
MU_CHECKED mu_code mu_http_router_add(mu_http_router *router, const mu_http_route *routes,
                                      size_t n_routes, mu_err *err);

/* -------- the server -------- */

/* Every ceiling is also a promise about memory: connections_max * connection_memory_bytes +
 * buffered_max_bytes + workers * json_memory_max_bytes bounds what requests hold. */
typedef struct mu_http_limits {
    uint32_t connections_max;         /* at the limit idle ones are closed, new ones wait */
    uint32_t connection_memory_bytes; /* request line, headers, read buffer; over it 431 or 414 */
    uint64_t body_max_bytes;          /* after decompression; over it 413 */
    uint64_t discard_max_bytes;       /* of a refused body, read so that the client sees why */
    uint64_t buffered_max_bytes;      /* bodies of all requests and responses together; then 503 */
    uint64_t response_max_bytes;      /* one response that is not streamed; over it 500 */
    uint64_t json_memory_max_bytes;   /* the tree of one body; over it 413 */
    uint32_t json_depth_max;          /* containers open at once in a body; over it 400 */
    uint32_t query_parameters_max;    /* over it 400 */
    uint32_t queue_max;               /* requests waiting for a worker; then 503 */
    uint32_t idle_timeout_ms;         /* between requests, and until a request line is complete */
    uint32_t read_timeout_ms;         /* headers and body, plus bytes / bytes_per_second_min */
    uint32_t write_timeout_ms;        /* the response, likewise */
    uint32_t bytes_per_second_min;    /* slower clients are cut off */
} mu_http_limits;

mu_http_limits mu_http_limits_default(void);

/* What the server itself refuses. */
typedef enum mu_http_problem {
    MU_HTTP_PROBLEM_BAD_REQUEST,    /* 400: framing, path, a broken compressed body */
    MU_HTTP_PROBLEM_BAD_QUERY,      /* 400 */
    MU_HTTP_PROBLEM_BAD_JSON,       /* 400 */
    MU_HTTP_PROBLEM_NO_SUCH_PATH,   /* 404 */
    MU_HTTP_PROBLEM_BAD_METHOD,     /* 405 */
    MU_HTTP_PROBLEM_BODY_TOO_LARGE, /* 413 */
    MU_HTTP_PROBLEM_BAD_ENCODING,   /* 415: Content-Encoding */
    MU_HTTP_PROBLEM_INTERNAL,       /* 500 */
    MU_HTTP_PROBLEM_BUSY            /* 503 with Retry-After */
} mu_http_problem;

unsigned mu_http_problem_status(mu_http_problem problem);

/* Writes the body of a refusal; status and headers that belong to it are set already and may be
 * changed. Any thread. mu_http_request_route is empty when no route was found. */
typedef void mu_http_error_writer(mu_http_request *request, mu_http_response *response,
                                  mu_http_problem problem, mu_str text, void *context);

/* Says whether the system is ready to serve; if not, why. */
typedef bool mu_http_ready(void *context, mu_err *why);

typedef struct mu_http_options {
    mu_str listen;           /* "127.0.0.1:8080", "[::1]:8080", "localhost:0"; port 0 = any free */
    unsigned loop_threads;   /* 0: one per processor */
    unsigned worker_threads; /* 0: one per processor */
    mu_http_limits limits;
    const char *certificate_path, *key_path; /* PEM; both NULL: plain HTTP */
    mu_str public_base_url;                  /* "https://host"; empty: from the Host header */
    const mu_http_router *router;            /* must outlive the server */
    mu_http_error_writer *write_error;       /* NULL: mu_http_write_ups_problem */
    void *error_context;
    mu_http_ready *is_ready; /* NULL: always */
    void *ready_context;
    const mu_logger
        *logger;         /* NULL: no logs; logger and metrics must outlive the server and every */
    mu_metrics *metrics; /* request answered late; metrics may not be NULL */
} mu_http_options;

/* Starts threads and accepts connections. Raises the process's limit of open files towards what
 * connections_max needs, and lowers connections_max with a warning where that is refused.
 * GET /health, /ready and /metrics are served unless the router has them. MU_E_INPUT: a bad
 * address, certificate or option; MU_E_NOT_FOUND: no such PEM file; MU_E_IO: the system refuses. */
MU_CHECKED mu_code mu_http_server_start(const mu_http_options *options, mu_http_server **out,
                                        mu_err *err);

uint16_t mu_http_server_port(const mu_http_server *server);

/* Stops accepting, lets running requests finish for up to `grace_ms`, answers those that still wait
 * for somebody with 503, closes all connections and frees the server. Waits for handlers that run
 * on workers: they should ask mu_http_request_cancelled now and then. A request that is LATER may
 * be completed afterwards; nobody gets that answer. */
void mu_http_server_stop(mu_http_server *server, uint32_t grace_ms);

/* -------- requests -------- */

mu_http_method mu_http_request_method(const mu_http_request *request);
mu_str mu_http_request_path(const mu_http_request *request);  /* as sent, without query */
mu_str mu_http_request_route(const mu_http_request *request); /* the pattern, or empty */
mu_str mu_http_request_id(const mu_http_request *request);    /* api.md 2.3 */

/* The first header of this name, any case; false when there is none. */
bool mu_http_request_header(const mu_http_request *request, mu_str name, mu_str *out);

/* A parameter of the pattern, percent-decoded once, valid UTF-8. Its absence is a bug. */
mu_str mu_http_request_parameter(const mu_http_request *request, mu_str name);

/* The body in memory; empty when there is none or it went to a sink. */
mu_str mu_http_request_body(const mu_http_request *request);

/* The body's bytes so far, decompressed, wherever they went. */
uint64_t mu_http_request_body_bytes(const mu_http_request *request);

/* Parses the body into the request's arena. MU_E_SYNTAX: not JSON, or empty; MU_E_INPUT: too deep;
 * MU_E_LIMIT: its tree needs more than json_memory_max_bytes; MU_E_NOMEM: more than what
 * buffered_max_bytes leaves just now. */
MU_CHECKED mu_code mu_http_request_json(mu_http_request *request, mu_json *out, mu_err *err);

/* As above, and refuses the request where that fails: then false, and `response` is the answer. */
MU_CHECKED bool mu_http_request_json_or_refuse(mu_http_request *request, mu_http_response *response,
                                               mu_json *out);

/* The media type is application/json or ends in +json (api.md 3.2). */
bool mu_http_request_is_json_type(const mu_http_request *request);

/* "https://host:port" for links: public_base_url, else from the Host header. In the arena. */
mu_str mu_http_request_base_url(mu_http_request *request);

/* Lives as long as the request. */
mu_arena *mu_http_request_arena(mu_http_request *request);

/* Whatever sink, checks and handler share. NULL at first. */
void mu_http_request_set_state(mu_http_request *request, void *state);
void *mu_http_request_state(const mu_http_request *request);

/* Called once when the request ends, answered or not, on any thread. One per request. */
typedef void mu_http_end_function(void *context);
void mu_http_request_on_end(mu_http_request *request, mu_http_end_function *end, void *context);

/* The answer can reach nobody any more, or the server has run out of patience: stop working. A
 * client that closed its side of the connection counts as gone. May be called by the thread that
 * works on the request. */
bool mu_http_request_cancelled(mu_http_request *request);

/* -------- parameters: query and form bodies (api.md 1, A4, A5; profile.md P2) -------- */

typedef struct mu_http_pair {
    mu_str name, value;
} mu_http_pair;

/* In the order of the text, decoded, without those that count as absent: no value, or `None`. A
 * value's own name in front ("sort=sort=name") is taken off. */
typedef struct mu_http_pairs {
    const mu_http_pair *items;
    size_t n;
} mu_http_pairs;

/* Decodes application/x-www-form-urlencoded text. More than `pairs_max` pairs is MU_E_LIMIT,
 * invalid UTF-8 after decoding MU_E_INPUT. A '%' that starts no escape stands for itself. */
MU_CHECKED mu_code mu_http_pairs_parse(mu_arena *arena, mu_str text, size_t pairs_max,
                                       mu_http_pairs *out, mu_err *err);

/* The request's query. */
const mu_http_pairs *mu_http_request_query(const mu_http_request *request);

/* The first value; names compare without regard to ASCII case. */
bool mu_http_pairs_find(const mu_http_pairs *pairs, mu_str name, mu_str *out);

/* The next value at or after *at, for names that may be repeated; start with *at = 0. */
bool mu_http_pairs_next(const mu_http_pairs *pairs, mu_str name, size_t *at, mu_str *out);

/* *out is `otherwise` when absent. MU_E_INPUT: not "true" or "false" in any case; not decimal with
 * an optional '+', or beyond int64_t. */
MU_CHECKED mu_code mu_http_pairs_boolean(const mu_http_pairs *pairs, mu_str name, bool otherwise,
                                         bool *out, mu_err *err);
MU_CHECKED mu_code mu_http_pairs_integer(const mu_http_pairs *pairs, mu_str name, int64_t otherwise,
                                         int64_t *out, mu_err *err);

/* -------- responses -------- */

void mu_http_response_status(mu_http_response *response, unsigned status); /* 200 at first */

/* Adds a header; both are copied. `name` is a token of ours. Control bytes in `value` are written
 * as %XX, so that nothing from outside can begin a new line. x-request-id, Content-Length, Date and
 * Connection are the server's. */
void mu_http_response_header(mu_http_response *response, mu_str name, mu_str value);

/* Starts a body over; the type is copied. What the buffer's ceiling (response_max_bytes) drops
 * makes the answer a 500. The status stays. */
mu_json_writer *mu_http_response_json(mu_http_response *response); /* application/json */
mu_buf *mu_http_response_body(mu_http_response *response, mu_str content_type);

/* Forgets body, type and headers: what 204, 304 and a fresh start need. */
void mu_http_response_clear(mu_http_response *response);

/* A body made piece by piece, sent chunked. The reader runs on the loop thread, fills up to
 * `capacity` bytes without waiting, and sets *n; 0 is the end. Failing breaks the connection off,
 * so that the client sees an incomplete body. `end` (NULL allowed) is called once after the last
 * call, also when nothing was sent. */
typedef mu_code mu_http_stream_reader(void *context, char *out, size_t capacity, size_t *n);
void mu_http_response_stream(mu_http_response *response, mu_str content_type,
                             mu_http_stream_reader *read, mu_http_end_function *end, void *context);

/* A part of a file as the body. `fd` belongs to the response from here on. */
void mu_http_response_file(mu_http_response *response, mu_str content_type, int fd, uint64_t offset,
                           uint64_t length);

/* Answers with what the error writer makes of `problem`; `text` is one sentence. */
void mu_http_refuse(mu_http_request *request, mu_http_response *response, mu_http_problem problem,
                    mu_str text);

/* 503 with Retry-After: a queue is full. */
void mu_http_refuse_busy(mu_http_request *request, mu_http_response *response, mu_str text,
                         unsigned retry_after_s);

/* Sends the response of a request whose handler said MU_HTTP_LATER. Any thread, exactly once; the
 * request is gone afterwards. */
void mu_http_complete(mu_http_request *request);

/* The response to fill before mu_http_complete. */
mu_http_response *mu_http_request_response(mu_http_request *request);

/* -------- error bodies that need nothing but texts -------- */

/* The UPS envelope (api.md 3.1): `code` is "UPAPI-113015-400", the inner code the same text, or the
 * bare status when `inner_is_status`. `messages[0]` is the title; more add detail. */
typedef struct mu_http_ups_error {
    unsigned status;
    mu_str code;
    bool inner_is_status;
    const mu_str *messages;
    size_t n_messages; /* at least 1 */
    mu_str detail;     /* left out when empty */
} mu_http_ups_error;
void mu_http_write_ups_error(mu_json_writer *writer, mu_str request_id,
                             const mu_http_ups_error *error);

/* {"error_code":"403010","message":"..."} (api.md 2.2). */
void mu_http_write_gateway_error(mu_json_writer *writer, mu_str error_code, mu_str message);

/* The error writer for the paths of api.md: UPS envelopes with the codes of its section 3.4. */
mu_http_error_writer mu_http_write_ups_problem;

#endif
