/* gate.c -- accepts connections, and cuts off those that are too slow.
 *
 * The library could listen by itself; we do it for three reasons: its way to stop listening races
 * with its own threads and then aborts the process (MHD_quiesce_daemon of 0.9.75), its only timeout
 * starts over with every byte, so that a byte every few seconds holds a connection for ever, and a
 * full house should cost idle connections their place (docs/decisions/0080).
 */
#include "base/number.h"
#include "base/time.h"
#include "http/http_int.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG          4096
#define ACCEPT_BATCH     64
#define TICK_MIN_MS      5
#define TICK_MAX_MS      1000
#define FULL_TICK_MS     10
#define FULL_IDLE_MIN_NS ((int64_t)1000000000) /* younger idle connections are left alone */
#define FULL_CUT_MAX     64

/* -------- listening -------- */

static mu_code split_address(mu_str address, char host[256], char port[8], mu_err *err)
{
    size_t colon = address.len;
    while (colon > 0 && address.ptr[colon - 1] != ':')
        colon--;
    mu_str name = {address.ptr, colon == 0 ? 0 : colon - 1};
    mu_str digits = {address.ptr + colon, address.len - colon};
    int64_t number = -1;
    bool has_port = colon > 0 && mu_parse_integer(digits, &number) && number >= 0 &&
                    number <= 65535 && digits.len <= 5;
    if (name.len >= 2 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']')
        name = (mu_str){name.ptr + 1, name.len - 2};
    if (!has_port || name.len == 0 || name.len > 255)
        return mu_fail(err, MU_E_INPUT,
                       "the address to listen on must be HOST:PORT, such as 127.0.0.1:8080, not "
                       "\"" MU_STR_FMT "\"",
                       MU_STR_ARG(address));
    memcpy(host, name.ptr, name.len);
    host[name.len] = '\0';
    memcpy(port, digits.ptr, digits.len);
    port[digits.len] = '\0';
    return MU_OK;
}

static uint16_t bound_port(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);
    char port[8] = "0";
    int64_t number = 0;
    if (getsockname(fd, (struct sockaddr *)&address, &len) == 0 &&
        getnameinfo((struct sockaddr *)&address, len, NULL, 0, port, sizeof(port),
                    NI_NUMERICSERV) == 0)
        (void)mu_parse_integer(mu_str_from(port), &number);
    return (uint16_t)number;
}

static int listen_on(const struct addrinfo *at)
{
    int fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, at->ai_protocol);
    if (fd < 0)
        return -1;
    int yes = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

mu_code mu_http_gate_listen(mu_http_gate *gate, mu_str address, mu_err *err)
{
    char host[256], port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    gate->listen_fd = gate->wake_fd = -1;
    MU_TRY(split_address(address, host, port, err));
    int failure = getaddrinfo(host, port, &hints, &found);
    if (failure != 0)
        return mu_fail(err, MU_E_INPUT, "the host %s cannot be resolved: %s", host,
                       gai_strerror(failure));
    for (const struct addrinfo *at = found; at != NULL && gate->listen_fd < 0; at = at->ai_next)
        gate->listen_fd = listen_on(at);
    int saved = errno;
    freeaddrinfo(found);
    errno = saved;
    if (gate->listen_fd < 0)
        return mu_fail_errno(err, "cannot listen on " MU_STR_FMT, MU_STR_ARG(address));
    gate->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (gate->wake_fd < 0) {
        mu_code code = mu_fail_errno(err, "cannot make an eventfd");
        close(gate->listen_fd);
        return code;
    }
    gate->port = bound_port(gate->listen_fd);
    pthread_mutex_init(&gate->lock, NULL);
    return MU_OK;
}

/* -------- connections -------- */

void mu_http_connection_phase(mu_http_connection *connection, enum mu_http_phase phase)
{
    atomic_store_explicit(&connection->bytes, 0, memory_order_relaxed);
    atomic_store_explicit(&connection->since_ns, mu_monotonic_ns(), memory_order_relaxed);
    atomic_store_explicit(&connection->phase, (int)phase, memory_order_relaxed);
}

mu_http_connection *mu_http_connection_new(mu_http_gate *gate, int fd)
{
    mu_http_connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL)
        return NULL;
    connection->fd = fd;
    mu_http_connection_phase(connection, MU_HTTP_IDLE);
    pthread_mutex_lock(&gate->lock);
    connection->next = gate->first;
    if (gate->first != NULL)
        gate->first->previous = connection;
    gate->first = connection;
    pthread_mutex_unlock(&gate->lock);
    return connection;
}

void mu_http_connection_free(mu_http_gate *gate, mu_http_connection *connection)
{
    pthread_mutex_lock(&gate->lock);
    if (connection->previous == NULL)
        gate->first = connection->next;
    else
        connection->previous->next = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    pthread_mutex_unlock(&gate->lock);
    free(connection);
}

/* -------- slow connections -------- */

/* Ends both directions; the loop thread sees that and closes. The descriptor is still open, because
 * the loop thread takes the gate's lock before it closes it. */
static void cut(mu_http_server *server, mu_http_connection *connection, mu_str why)
{
    connection->is_cut = true;
    (void)shutdown(connection->fd, SHUT_RDWR);
    mu_counter_add(server->stats.cut_off, 1);
    mu_log(server->options.logger, MU_LOG_INFO, "http_connection_cut", mu_log_text("why", why));
}

static void cut_if_slow(mu_http_server *server, mu_http_connection *connection, int64_t now_ns)
{
    const mu_http_limits *limits = &server->limits;
    int64_t since = atomic_load_explicit(&connection->since_ns, memory_order_relaxed);
    uint64_t bytes = atomic_load_explicit(&connection->bytes, memory_order_relaxed);
    int64_t spent_ms = (now_ns - since) / 1000000;
    int64_t earned_ms = (int64_t)(bytes / limits->bytes_per_second_min) * 1000;
    switch (atomic_load_explicit(&connection->phase, memory_order_relaxed)) {
    case MU_HTTP_IDLE:
        if (spent_ms > limits->idle_timeout_ms)
            cut(server, connection, MU_STR("idle"));
        break;
    case MU_HTTP_READING:
        if (spent_ms > limits->read_timeout_ms + earned_ms)
            cut(server, connection, MU_STR("slow_request"));
        break;
    case MU_HTTP_WRITING:
        if (spent_ms > limits->write_timeout_ms + earned_ms)
            cut(server, connection, MU_STR("slow_response"));
        break;
    default:
        break; /* we are the slow ones */
    }
}

static void sweep(mu_http_server *server)
{
    int64_t now_ns = mu_monotonic_ns();
    pthread_mutex_lock(&server->gate.lock);
    for (mu_http_connection *at = server->gate.first; at != NULL; at = at->next) {
        if (!at->is_cut)
            cut_if_slow(server, at, now_ns);
    }
    pthread_mutex_unlock(&server->gate.lock);
}

/* All places are taken: connections that wait for nothing give theirs up. */
static void make_room(mu_http_server *server)
{
    int64_t before_ns = mu_monotonic_ns() - FULL_IDLE_MIN_NS;
    unsigned n_cut = 0;
    pthread_mutex_lock(&server->gate.lock);
    for (mu_http_connection *at = server->gate.first; at != NULL && n_cut < FULL_CUT_MAX;
         at = at->next) {
        if (!at->is_cut && atomic_load_explicit(&at->phase, memory_order_relaxed) == MU_HTTP_IDLE &&
            atomic_load_explicit(&at->since_ns, memory_order_relaxed) < before_ns) {
            cut(server, at, MU_STR("full"));
            n_cut++;
        }
    }
    pthread_mutex_unlock(&server->gate.lock);
}

/* -------- the thread -------- */

static bool is_full(mu_http_server *server)
{
    return atomic_load_explicit(&server->gate.n_open, memory_order_relaxed) >=
           server->limits.connections_max;
}

/* False when the system refuses for now, for want of descriptors or memory. */
static bool accept_some(mu_http_server *server)
{
    for (int i = 0; i < ACCEPT_BATCH && !is_full(server); i++) {
        struct sockaddr_storage address = {0};
        socklen_t len = sizeof(address);
        int fd = accept4(server->gate.listen_fd, (struct sockaddr *)&address, &len,
                         SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
            return true;
        if (fd < 0) {
            mu_log(server->options.logger, MU_LOG_WARNING, "http_accept_failed",
                   mu_log_text("why", mu_str_from(strerror(errno))));
            return false;
        }
        mu_counter_add(server->stats.accepted, 1);
        /* Counted until the library says that it is closed; a refusal closes it at once. */
        atomic_fetch_add_explicit(&server->gate.n_open, 1, memory_order_relaxed);
        if (MHD_add_connection(server->daemon, fd, (struct sockaddr *)&address, len) != MHD_YES) {
            atomic_fetch_sub_explicit(&server->gate.n_open, 1, memory_order_relaxed);
            mu_log(server->options.logger, MU_LOG_WARNING, "http_accept_failed",
                   mu_log_text("why", MU_STR("the connection was refused by the library")));
            return false;
        }
    }
    return true;
}

static int tick_ms(const mu_http_limits *limits)
{
    uint32_t least = limits->idle_timeout_ms;
    if (limits->read_timeout_ms < least)
        least = limits->read_timeout_ms;
    if (limits->write_timeout_ms < least)
        least = limits->write_timeout_ms;
    uint32_t tick = least / 4;
    return (int)(tick < TICK_MIN_MS ? TICK_MIN_MS : tick > TICK_MAX_MS ? TICK_MAX_MS : tick);
}

static void stop_listening(mu_http_gate *gate)
{
    if (gate->listen_fd >= 0)
        close(gate->listen_fd);
    gate->listen_fd = -1;
    atomic_store_explicit(&gate->has_stopped_listening, true, memory_order_release);
}

static void *run_gate(void *context)
{
    mu_http_server *server = context;
    mu_http_gate *gate = &server->gate;
    const int tick = tick_ms(&server->limits);
    int64_t swept_ns = mu_monotonic_ns();
    bool can_accept = true;
    while (!atomic_load_explicit(&gate->is_ending, memory_order_acquire)) {
        if (gate->listen_fd >= 0 && atomic_load_explicit(&gate->is_closed, memory_order_acquire))
            stop_listening(gate);
        bool is_waiting = is_full(server) || !can_accept;
        if (is_full(server))
            make_room(server);
        struct pollfd polled[2] = {{.fd = gate->wake_fd, .events = POLLIN},
                                   {.fd = is_waiting ? -1 : gate->listen_fd, .events = POLLIN}};
        (void)poll(polled, 2, is_waiting && tick > FULL_TICK_MS ? FULL_TICK_MS : tick);
        can_accept = true;
        if (polled[1].revents != 0 && gate->listen_fd >= 0)
            can_accept = accept_some(server);
        if (polled[0].revents != 0) {
            uint64_t ignored;
            ssize_t n = read(gate->wake_fd, &ignored, sizeof(ignored));
            (void)n;
        }
        if (mu_monotonic_ns() - swept_ns >= (int64_t)tick * 1000000) {
            sweep(server);
            swept_ns = mu_monotonic_ns();
        }
    }
    stop_listening(gate);
    return NULL;
}

mu_code mu_http_gate_open(mu_http_server *server, mu_err *err)
{
    errno = pthread_create(&server->gate.thread, NULL, run_gate, server);
    return errno == 0 ? MU_OK : mu_fail_errno(err, "cannot start a thread");
}

static void wake(mu_http_gate *gate)
{
    uint64_t one = 1;
    ssize_t n = write(gate->wake_fd, &one, sizeof(one));
    (void)n; /* only fails when it is full, and then the thread wakes anyway */
}

void mu_http_gate_stop_accepting(mu_http_gate *gate)
{
    atomic_store_explicit(&gate->is_closed, true, memory_order_release);
    wake(gate);
    while (!atomic_load_explicit(&gate->has_stopped_listening, memory_order_acquire))
        (void)poll(NULL, 0, 1);
}

void mu_http_gate_close(mu_http_gate *gate)
{
    atomic_store_explicit(&gate->is_ending, true, memory_order_release);
    wake(gate);
    pthread_join(gate->thread, NULL);
}

void mu_http_gate_fini(mu_http_gate *gate)
{
    if (gate->listen_fd >= 0)
        close(gate->listen_fd);
    if (gate->wake_fd >= 0)
        close(gate->wake_fd);
    pthread_mutex_destroy(&gate->lock);
}
