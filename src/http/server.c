/* server.c -- start, stop, and the library's callbacks. */
#include "base/file.h"
#include "base/thread.h"
#include "base/time.h"
#include "http/http_int.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define PEM_MAX            ((size_t)1 << 20)
#define DESCRIPTORS_SPARE  256 /* for files and the catalog, beside connections */
#define FLUSH_MS           1000
#define LIBRARY_LOG_GAP_NS ((int64_t)1000000000)

mu_http_limits mu_http_limits_default(void)
{
    return (mu_http_limits){
        .connections_max = 16384,
        .connection_memory_bytes = 32 << 10,
        .body_max_bytes = 10 << 20,
        .discard_max_bytes = 16 << 20,
        .buffered_max_bytes = 512 << 20,
        .response_max_bytes = 256 << 20,
        .json_memory_max_bytes = 256 << 20,
        .json_depth_max = 64,
        .query_parameters_max = 1000,
        .queue_max = 1024,
        .idle_timeout_ms = 75000,
        .read_timeout_ms = 30000,
        .write_timeout_ms = 60000,
        .bytes_per_second_min = 16 << 10,
    };
}

/* -------- the library's callbacks, on loop threads -------- */

/* The target is routed and decoded by us, byte by byte as it was sent. */
static size_t leave_escaped(void *context, struct MHD_Connection *mhd, char *text)
{
    (void)context, (void)mhd;
    return strlen(text);
}

static void end_request(mu_http_server *server, mu_http_request *request)
{
    request->connection->request = NULL;
    mu_http_connection_phase(request->connection, MU_HTTP_IDLE);
    mu_http_uncharge(request);
    mu_http_request_release(request);
    atomic_fetch_sub_explicit(&server->n_running, 1, memory_order_acq_rel);
}

static void on_connection(void *context, struct MHD_Connection *mhd, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    mu_http_server *server = context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
        *socket_context = mu_http_connection_new(&server->gate, info->connect_fd);
        return;
    }
    mu_http_connection *connection = *socket_context;
    /* A client that leaves after the request line and before the end of its headers: the library
     * never gave us the request, and so never completes it. */
    if (connection != NULL && connection->request != NULL)
        end_request(server, connection->request);
    if (connection != NULL)
        mu_http_connection_free(&server->gate, connection);
    atomic_fetch_sub_explicit(&server->gate.n_open, 1, memory_order_relaxed);
}

/* We split the query. After on_request_line the library would do so, too, into the memory of the
 * connection, and when that is full leave the client without an answer: it finds nothing to split.
 */
static void hide_query(const char *target)
{
    char *mark = strchr(target, '?');
    if (mark != NULL)
        mark[1] = '\0';
}

/* The first sign of a request: its line is complete. What it returns comes back in *request. */
static void *on_request_line(void *context, const char *target, struct MHD_Connection *mhd)
{
    mu_http_server *server = context;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    mu_http_connection *connection = info->socket_context;
    if (connection == NULL) /* out of memory; on_access closes */
        return NULL;
    mu_http_request *request = mu_http_request_new(server, mhd, connection, mu_str_from(target));
    if (request == NULL)
        return NULL;
    hide_query(target);
    connection->request = request;
    mu_http_connection_phase(connection, MU_HTTP_READING);
    atomic_fetch_add_explicit(&server->n_running, 1, memory_order_acq_rel);
    return request;
}

static enum MHD_Result on_access(void *context, struct MHD_Connection *mhd, const char *url,
                                 const char *method, const char *version, const char *piece,
                                 size_t *piece_len, void **request_context)
{
    mu_http_request *request = *request_context;
    (void)context, (void)mhd, (void)url;
    if (request == NULL)
        return MHD_NO;
    if (!request->has_headers) {
        mu_http_read_headers(request, method, version);
        if (request->is_answered && mu_http_answers_early(request)) {
            request->must_close = true;
            return mu_http_answer(request);
        }
        return MHD_YES;
    }
    if (*piece_len > 0) {
        mu_str taken = {piece, *piece_len};
        *piece_len = 0;
        return mu_http_body_piece(request, taken) ? MHD_YES : MHD_NO;
    }
    return mu_http_run(request);
}

static void on_completed(void *context, struct MHD_Connection *mhd, void **request_context,
                         enum MHD_RequestTerminationCode code)
{
    mu_http_server *server = context;
    mu_http_request *request = *request_context;
    (void)mhd;
    *request_context = NULL;
    if (request == NULL)
        return;
    bool is_aborted = code != MHD_REQUEST_TERMINATED_COMPLETED_OK || request->sent_status == 0;
    mu_http_unpark(request); /* a client that left is found out before on_access is called again */
    mu_http_observe(request, is_aborted);
    end_request(server, request);
}

/* The library's own messages: counted, and at most one a second logged. */
static void on_library_message(void *context, const char *format, va_list args)
{
    mu_http_server *server = context;
    int64_t now_ns = mu_monotonic_ns();
    int64_t last_ns = atomic_load_explicit(&server->library_ns, memory_order_relaxed);
    if (server->stats.library_messages != NULL)
        mu_counter_add(server->stats.library_messages, 1);
    if (last_ns != 0 && now_ns - last_ns < LIBRARY_LOG_GAP_NS)
        return;
    atomic_store_explicit(&server->library_ns, now_ns, memory_order_relaxed);
    char text[512];
    vsnprintf(text, sizeof(text), format, args);
    mu_log(server->options.logger, MU_LOG_WARNING, "http_library",
           mu_log_text("message", mu_str_trim(mu_str_from(text))));
}

/* -------- start -------- */

static mu_code check_options(const mu_http_options *options, mu_err *err)
{
    const mu_http_limits *limits = &options->limits;
    MU_ASSERT(options->router != NULL && options->metrics != NULL);
    if (limits->connections_max == 0 || limits->queue_max == 0 || limits->body_max_bytes == 0 ||
        limits->buffered_max_bytes == 0 || limits->response_max_bytes == 0 ||
        limits->json_memory_max_bytes == 0 || limits->json_depth_max == 0 ||
        limits->query_parameters_max == 0 || limits->idle_timeout_ms == 0 ||
        limits->read_timeout_ms == 0 || limits->write_timeout_ms == 0 ||
        limits->bytes_per_second_min == 0)
        return mu_fail(err, MU_E_INPUT, "a limit of the HTTP server must not be 0");
    if (limits->connection_memory_bytes < 4096)
        return mu_fail(err, MU_E_INPUT, "a connection needs at least 4096 bytes of memory");
    if ((options->certificate_path == NULL) != (options->key_path == NULL))
        return mu_fail(err, MU_E_INPUT, "TLS needs both a certificate and a key");
    return MU_OK;
}

static mu_code read_pem(const char *path, char **out, mu_err *err)
{
    mu_arena arena;
    mu_str text;
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code = mu_file_read(&arena, path, PEM_MAX, &text, err);
    if (code == MU_OK && (*out = strndup(text.ptr, text.len)) == NULL)
        code = mu_fail(err, MU_E_NOMEM, "no memory for %s", path);
    mu_arena_free(&arena);
    return code;
}

static mu_code read_certificate(mu_http_server *server, mu_err *err)
{
    if (server->options.certificate_path == NULL)
        return MU_OK;
    server->is_tls = true;
    MU_TRY(read_pem(server->options.certificate_path, &server->certificate, err));
    return read_pem(server->options.key_path, &server->key, err);
}

/* Raises the soft limit of descriptors as far as needed and allowed. */
static void raise_descriptors(mu_http_server *server)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)server->limits.connections_max + DESCRIPTORS_SPARE;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur >= wanted)
        return;
    server->limits.connections_max = limit.rlim_cur > 2 * DESCRIPTORS_SPARE
                                         ? (uint32_t)(limit.rlim_cur - DESCRIPTORS_SPARE)
                                         : (uint32_t)(limit.rlim_cur / 2);
    mu_log(server->options.logger, MU_LOG_WARNING, "http_connections_lowered",
           mu_log_integer("connections_max", server->limits.connections_max),
           mu_log_integer("descriptors", (int64_t)limit.rlim_cur));
}

static mu_code start_daemon(mu_http_server *server, unsigned n_threads, mu_err *err)
{
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TURBO | MHD_USE_ITC |
                     MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem options[12];
    size_t n = 0;
    if (n_threads > 1)
        options[n++] = (struct MHD_OptionItem){MHD_OPTION_THREAD_POOL_SIZE, n_threads, NULL};
    if (server->is_tls) {
        flags |= MHD_USE_TLS;
        options[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, server->certificate};
        options[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, server->key};
    }
    options[n++] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    /* Every thread gets an equal share of the library's limit; ours is counted over all. */
    unsigned connections = server->limits.connections_max + 64 * n_threads;
    server->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_access, server, MHD_OPTION_EXTERNAL_LOGGER, on_library_message,
        server, MHD_OPTION_CONNECTION_LIMIT, connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)server->limits.connection_memory_bytes, MHD_OPTION_CONNECTION_MEMORY_INCREMENT,
        (size_t)8192, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_URI_LOG_CALLBACK,
        on_request_line, server, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, server,
        MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    if (server->daemon == NULL)
        return mu_fail(err, server->is_tls ? MU_E_INPUT : MU_E_IO,
                       "the HTTP library refuses to start%s",
                       server->is_tls ? ": check that the certificate and the key are PEM and "
                                        "belong together"
                                      : "");
    return MU_OK;
}

static mu_code start_threads(mu_http_server *server, mu_err *err)
{
    const mu_http_options *options = &server->options;
    unsigned n_loops = options->loop_threads > 0 ? options->loop_threads : mu_cpu_count();
    unsigned n_workers = options->worker_threads > 0 ? options->worker_threads : mu_cpu_count();
    MU_TRY(mu_http_workers_start(server, n_workers, server->limits.queue_max, err));
    mu_code code = start_daemon(server, n_loops, err);
    if (code == MU_OK && (code = mu_http_gate_open(server, err)) != MU_OK)
        MHD_stop_daemon(server->daemon);
    if (code != MU_OK)
        mu_http_workers_stop(&server->workers);
    return code;
}

static mu_code start(mu_http_server *server, mu_err *err)
{
    MU_TRY(check_options(&server->options, err));
    MU_TRY(read_certificate(server, err));
    raise_descriptors(server);
    server->builtin = mu_http_builtin_router(server);
    if (server->builtin == NULL)
        return mu_fail(err, MU_E_NOMEM, "no memory for the HTTP server");
    MU_TRY(mu_http_stats_init(server, err));
    MU_TRY(mu_http_gate_listen(&server->gate, server->options.listen, err));
    mu_code code = start_threads(server, err);
    if (code != MU_OK)
        mu_http_gate_fini(&server->gate);
    return code;
}

mu_code mu_http_server_start(const mu_http_options *options, mu_http_server **out, mu_err *err)
{
    mu_http_server *server = calloc(1, sizeof(*server));
    if (server == NULL)
        return mu_fail(err, MU_E_NOMEM, "no memory for the HTTP server");
    server->options = *options;
    server->limits = options->limits;
    server->references = 1;
    pthread_mutex_init(&server->parked_lock, NULL);
    pthread_mutex_init(&server->readers_lock, NULL);
    mu_str url = options->public_base_url;
    if (url.len > 0 && (server->public_base_url = strndup(url.ptr, url.len)) != NULL)
        server->options.public_base_url = mu_str_from(server->public_base_url);
    mu_code code = start(server, err);
    if (code != MU_OK) {
        mu_http_server_release(server);
        return code;
    }
    mu_log(options->logger, MU_LOG_INFO, "http_listening",
           mu_log_integer("port", server->gate.port), mu_log_integer("tls", server->is_tls));
    *out = server;
    return MU_OK;
}

uint16_t mu_http_server_port(const mu_http_server *server)
{
    return server->gate.port;
}

/* -------- stop -------- */

void mu_http_server_release(mu_http_server *server)
{
    if (atomic_fetch_sub_explicit(&server->references, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < server->n_readers; i++)
        mu_json_reader_free(server->readers[i]);
    mu_http_stats_fini(&server->stats);
    mu_http_router_free(server->builtin);
    pthread_mutex_destroy(&server->parked_lock);
    pthread_mutex_destroy(&server->readers_lock);
    free(server->certificate);
    free(server->key);
    free(server->public_base_url);
    free(server);
}

static bool is_running(mu_http_server *server)
{
    return atomic_load_explicit(&server->n_running, memory_order_acquire) > 0;
}

static void wait_until_idle(mu_http_server *server, uint32_t patience_ms, bool abandons)
{
    int64_t until_ns = mu_monotonic_ns() + (int64_t)patience_ms * 1000000;
    while (is_running(server) && mu_monotonic_ns() < until_ns) {
        if (abandons)
            mu_http_abandon_parked(server);
        (void)poll(NULL, 0, 1);
    }
}

void mu_http_server_stop(mu_http_server *server, uint32_t grace_ms)
{
    const mu_logger *logger = server->options.logger;
    mu_log(logger, MU_LOG_INFO, "http_stopping", mu_log_integer("grace_ms", grace_ms));
    atomic_store_explicit(&server->is_draining, true, memory_order_relaxed);
    mu_http_gate_stop_accepting(&server->gate);
    wait_until_idle(server, grace_ms, false);
    /* Under the lock, so that no request is parked from here on: see park(). */
    pthread_mutex_lock(&server->parked_lock);
    atomic_store_explicit(&server->is_out_of_time, true, memory_order_relaxed);
    pthread_mutex_unlock(&server->parked_lock);
    wait_until_idle(server, FLUSH_MS, true);
    while (mu_http_has_parked(server)) {
        mu_http_abandon_parked(server);
        (void)poll(NULL, 0, 1);
    }
    mu_log(logger, MU_LOG_INFO, "http_stopped",
           mu_log_integer("requests_cut",
                          atomic_load_explicit(&server->n_running, memory_order_acquire)));
    mu_http_gate_close(&server->gate);
    MHD_stop_daemon(server->daemon);
    mu_http_workers_stop(&server->workers);
    mu_http_gate_fini(&server->gate);
    mu_http_server_release(server);
}
