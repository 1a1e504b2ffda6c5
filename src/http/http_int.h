/* http_int.h -- what the files of http/ share. No other folder includes it.
 *
 * Life of a request (R: the loop thread, W: a worker or any other thread):
 *
 *   R request line seen -> headers: route, query, checks -> body pieces -> handler
 *   handler DONE ------------------------------------------------> R answer -> R completed
 *   handler LATER, or on a worker: R parks it (suspended) -> W mu_http_complete -> R answer -> ...
 *   stop, out of patience: a parked request is abandoned -> R 503; W's completion only frees it
 *
 * A request is held by the connection until completed, by whoever must complete it, and by a
 * streamed response that the library still keeps.
 */
#ifndef MU_HTTP_HTTP_INT_H
#define MU_HTTP_HTTP_INT_H

#include "http/http.h"

#include <microhttpd.h>
#include <pthread.h>
#include <zlib.h>

/* -------- router.c -------- */

typedef struct mu_http_route_entry {
    mu_http_route route;
    mu_str pattern;
    const mu_str *parameters; /* names in the order of the pattern */
    size_t n_parameters;
    size_t index; /* in the order of adding */
    struct mu_http_route_entry *next;
} mu_http_route_entry;

#define MU_HTTP_SEGMENTS_MAX 48 /* of a path; a longer one is 404 */

typedef enum mu_http_match_result {
    MU_HTTP_MATCHED,
    MU_HTTP_MATCH_NO_PATH,
    MU_HTTP_MATCH_NO_METHOD,
    MU_HTTP_MATCH_BAD_PATH /* a parameter that is not UTF-8 */
} mu_http_match_result;

typedef struct mu_http_match {
    const mu_http_route_entry *entry;
    mu_str values[MU_HTTP_SEGMENTS_MAX]; /* of the parameters, decoded */
    unsigned methods;                    /* bit set of the path's routes, by mu_http_method */
    bool is_edge;                        /* some route of the path has MU_HTTP_EDGE */
} mu_http_match;

/* Finds the route of a path without its query; values live in `arena` or in `path`. */
mu_http_match_result mu_http_router_match(const mu_http_router *router, mu_arena *arena,
                                          mu_http_method method, mu_str path, mu_http_match *out);
size_t mu_http_router_n_routes(const mu_http_router *router);
const mu_http_route_entry *mu_http_router_first(const mu_http_router *router); /* by index */

/* "GET, HEAD, OPTIONS" of a bit set, with HEAD where GET is, and OPTIONS. */
mu_str mu_http_allow_text(mu_arena *arena, unsigned methods);
mu_str mu_http_method_name(mu_http_method method);
mu_http_method mu_http_method_parse(const char *name);

/* -------- percent.c -------- */

/* `text` with %XX decoded, and '+' as a blank when `is_form`. A view of `text` when nothing
 * changes. */
mu_str mu_http_percent_decode(mu_arena *arena, mu_str text, bool is_form);

/* -------- connections: gate.c -------- */

enum mu_http_phase { MU_HTTP_IDLE, MU_HTTP_READING, MU_HTTP_HANDLING, MU_HTTP_WRITING };

/* One open connection. The loop thread writes phase, since_ns and bytes, the gate reads them
 * (relaxed: a stale value costs one tick). Links and fd are guarded by the gate's lock. */
typedef struct mu_http_connection {
    struct mu_http_connection *previous, *next;
    int fd;
    bool is_cut; /* shut down already */
    /* Between its line and its completion; NULL otherwise. Loop thread only. */
    struct mu_http_request *request;
    _Atomic int phase;
    _Atomic int64_t since_ns; /* of the phase, mu_monotonic_ns */
    _Atomic uint64_t bytes;   /* moved in the phase */
} mu_http_connection;

void mu_http_connection_phase(mu_http_connection *connection, enum mu_http_phase phase);

/* Accepts connections, hands them to the loop threads and cuts off slow ones: one thread. */
typedef struct mu_http_gate {
    pthread_t thread;
    int listen_fd, wake_fd; /* wake_fd: an eventfd; written to stop accepting, and to end */
    uint16_t port;
    pthread_mutex_t lock;
    mu_http_connection *first;
    _Atomic uint32_t n_open; /* relaxed */
    _Atomic bool is_closed;  /* accept no more; release/acquire with listen_fd's closing */
    _Atomic bool is_ending;  /* end the thread */
    _Atomic bool has_stopped_listening;
} mu_http_gate;

/* Binds and listens; the thread starts with mu_http_gate_open. */
MU_CHECKED mu_code mu_http_gate_listen(mu_http_gate *gate, mu_str address, mu_err *err);
MU_CHECKED mu_code mu_http_gate_open(mu_http_server *server, mu_err *err);
void mu_http_gate_stop_accepting(mu_http_gate *gate); /* returns when the port is closed */
void mu_http_gate_close(mu_http_gate *gate);          /* ends the thread */
void mu_http_gate_fini(mu_http_gate *gate); /* after listen, with the thread not running */
MU_CHECKED mu_http_connection *mu_http_connection_new(mu_http_gate *gate, int fd);
void mu_http_connection_free(mu_http_gate *gate, mu_http_connection *connection);

/* -------- workers: workers.c -------- */

typedef struct mu_http_workers {
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t has_work;
    mu_http_request **queue; /* a ring */
    size_t queue_max, first, n_queued;
    bool is_ending;
    pthread_t *threads;
    unsigned n_threads;
    mu_gauge *depth;
    mu_counter *full;
} mu_http_workers;

MU_CHECKED mu_code mu_http_workers_start(mu_http_server *server, unsigned n_threads,
                                         size_t queue_max, mu_err *err);
void mu_http_workers_stop(mu_http_workers *workers); /* runs what is queued, then joins */
bool mu_http_workers_push(mu_http_workers *workers, mu_http_request *request); /* false: full */

/* -------- observation: observe.c -------- */

#define MU_HTTP_STATUS_SLOTS 64

typedef struct mu_http_route_stats {
    _Atomic(mu_counter *) by_status[MU_HTTP_STATUS_SLOTS]; /* made at first use; acquire/release */
    mu_histogram *latency;
    mu_str route, method;
} mu_http_route_stats;

typedef struct mu_http_stats {
    mu_http_route_stats *routes; /* of the router, then of the built-in one, then "unmatched" */
    size_t n_routes;
    mu_counter *bytes_in, *bytes_out, *aborted, *accepted, *cut_off, *library_messages;
    mu_gauge *open, *running, *buffered;
} mu_http_stats;

MU_CHECKED mu_code mu_http_stats_init(mu_http_server *server, mu_err *err);
void mu_http_stats_fini(mu_http_stats *stats);
void mu_http_observe(mu_http_request *request, bool is_aborted);

/* -------- the server -------- */

#define MU_HTTP_READERS_MAX 16

struct mu_http_server {
    mu_http_options options; /* immutable once started, as are the next ones */
    mu_http_limits limits;
    struct MHD_Daemon *daemon;
    mu_http_router *builtin;
    char *certificate, *key;
    char *public_base_url;
    bool is_tls;
    mu_http_gate gate;
    mu_http_workers workers;
    mu_http_stats stats;

    _Atomic bool is_draining;    /* relaxed: answers say Connection: close */
    _Atomic bool is_out_of_time; /* relaxed: requests count as cancelled */
    _Atomic uint32_t n_running;  /* requests between request line and completed; acq_rel */
    _Atomic uint32_t n_resuming; /* parked, their MHD_resume_connection not yet back; acq_rel */
    _Atomic uint64_t n_buffered; /* bytes charged; relaxed */
    _Atomic uint32_t references; /* of this struct: us, and each request; acq_rel */
    _Atomic int64_t library_ns;  /* when a message of the library was last logged; relaxed */

    pthread_mutex_t parked_lock;
    mu_http_request *parked; /* guarded by parked_lock */

    pthread_mutex_t readers_lock;
    mu_json_reader *readers[MU_HTTP_READERS_MAX]; /* spare ones; guarded by readers_lock */
    size_t n_readers;
};

void mu_http_server_release(mu_http_server *server);
mu_http_router *mu_http_builtin_router(mu_http_server *server); /* NULL: out of memory */

/* -------- requests -------- */

typedef enum mu_http_body_kind {
    MU_HTTP_BODY_NONE,
    MU_HTTP_BODY_BUFFER,
    MU_HTTP_BODY_STREAM,
    MU_HTTP_BODY_FILE
} mu_http_body_kind;

typedef struct mu_http_header_item {
    mu_str name, value; /* NUL-terminated in the arena */
    struct mu_http_header_item *next;
} mu_http_header_item;

struct mu_http_response {
    mu_http_request *request;
    unsigned status;
    mu_http_body_kind body_kind;
    mu_str content_type; /* NUL-terminated */
    mu_http_header_item *headers, **last_header;
    mu_buf body;
    mu_json_writer writer;
    mu_http_stream_reader *read;
    mu_http_end_function *end;
    void *end_context;
    int fd;
    uint64_t offset, length;
};

/* Where the answer comes from; the only thing that two threads change. acq_rel, because it hands
 * the whole request from one thread to the other. */
enum mu_http_state {
    MU_HTTP_RUNNING,   /* on the loop thread, or on the way to a worker */
    MU_HTTP_PARKED,    /* suspended; somebody will complete it */
    MU_HTTP_COMPLETED, /* the response is filled */
    MU_HTTP_ABANDONED  /* answered with 503 over somebody's head */
};

enum mu_http_inflate { MU_HTTP_PLAIN, MU_HTTP_GZIP, MU_HTTP_DEFLATE };

struct mu_http_request {
    mu_http_server *server;
    struct MHD_Connection *mhd;
    mu_http_connection *connection;
    int fd;
    mu_arena arena;
    _Atomic uint32_t references;
    _Atomic int state; /* enum mu_http_state */
    bool is_parked;    /* linked into the server's list; loop thread only */
    mu_http_request *previous_parked, *next_parked;

    int64_t start_ns;
    mu_http_method method;
    mu_str target, path, raw_query;
    mu_http_match match;
    mu_http_pairs query;
    mu_http_header_item *headers;
    size_t n_headers;
    mu_str id;
    void *shared_state;
    mu_http_end_function *on_end;
    void *end_context;

    bool is_builtin;  /* match.entry is of the built-in router */
    bool has_headers; /* the first call of the library is over */
    bool is_answered; /* `response` is the answer, whatever comes */
    bool must_close;  /* the connection cannot be used again */
    mu_buf body;
    uint64_t body_bytes, wire_bytes, body_max_bytes;
    enum mu_http_inflate inflate;
    bool has_inflater, inflate_ended;
    z_stream inflater;

    _Atomic uint64_t charged; /* of n_buffered; relaxed */
    unsigned sent_status;     /* of the answer given to the library; 0 before */
    uint64_t bytes_out;
    mu_http_response response;
};

mu_http_request *mu_http_request_new(mu_http_server *server, struct MHD_Connection *mhd,
                                     mu_http_connection *connection, mu_str target);
void mu_http_request_release(mu_http_request *request);
mu_http_request *mu_http_request_hold(mu_http_request *request);

/* Counts bytes against buffered_max_bytes until the request is completed; false when it is full. */
MU_CHECKED bool mu_http_charge(mu_http_request *request, uint64_t bytes);
void mu_http_uncharge(mu_http_request *request);

/* headers.c: copies headers, finds route, query and id, runs the checks; sets is_answered. */
void mu_http_read_headers(mu_http_request *request, const char *method, const char *version);
bool mu_http_has_body(const mu_http_request *request);

/* True when a refusal is sent before the body: the client waits for "100 Continue", or there is
 * more to come than we care to drop, or the framing is not to be trusted. */
bool mu_http_answers_early(const mu_http_request *request);

/* request_id.c */
bool mu_http_id_is_valid(mu_str text);
mu_str mu_http_id_new(mu_arena *arena);

/* cors.c: adds what a browser needs to see on an edge route. */
void mu_http_add_cors(mu_http_request *request, bool is_preflight);

/* Refuses and makes that the answer. */
void mu_http_refuse_now(mu_http_request *request, mu_http_problem problem, mu_str text);

/* body.c */
void mu_http_body_begin(mu_http_request *request);
bool mu_http_body_piece(mu_http_request *request, mu_str piece); /* false: close */
void mu_http_body_end(mu_http_request *request);
void mu_http_body_fini(mu_http_request *request);

/* answer.c: gives the response to the library. MHD_NO closes the connection. */
enum MHD_Result mu_http_answer(mu_http_request *request);
enum MHD_Result mu_http_answer_abandoned(mu_http_request *request);
void mu_http_response_init(mu_http_request *request);
void mu_http_response_fini(mu_http_response *response);

/* later.c */
enum MHD_Result mu_http_run(mu_http_request *request); /* the body is complete */
void mu_http_unpark(mu_http_request *request);         /* the library has it back */
void mu_http_abandon_parked(mu_http_server *server);
bool mu_http_has_parked(mu_http_server *server); /* or some whose resuming is not over */
void mu_http_finish_on_worker(mu_http_request *request);

#endif
