/* observe.c -- what every request leaves in the metrics and in the log.
 *
 * The event "http_request" names the route's pattern, never the path: parameters may hold
 * identities.
 */
#include "base/time.h"
#include "http/http_int.h"

#include <stdio.h>
#include <stdlib.h>

/* Statuses with a slot of their own; others share the last one. */
static const uint16_t statuses[] = {
    200, 201, 202, 204, 206, 207, 301, 302, 304, 307, 308, 400, 401, 402, 403,
    404, 405, 406, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418, 421,
    422, 423, 424, 426, 428, 429, 431, 451, 500, 501, 502, 503, 504, 505, 507,
};
#define N_STATUSES (sizeof(statuses) / sizeof(statuses[0]))
_Static_assert(N_STATUSES < MU_HTTP_STATUS_SLOTS, "a slot must be left for the other statuses");

static size_t slot_of(unsigned status)
{
    size_t slot = 0;
    while (slot < N_STATUSES && statuses[slot] != status)
        slot++;
    return slot;
}

static void init_route(mu_http_server *server, mu_http_route_stats *stats, mu_str route,
                       mu_str method)
{
    mu_label labels[] = {{"method", method}, {"route", route}};
    stats->route = route;
    stats->method = method;
    stats->latency =
        mu_metrics_histogram(server->options.metrics, "muster_http_request_duration_seconds",
                             "From the request line to the last byte of the answer.", labels, 2);
}

static size_t init_routes(mu_http_server *server, const mu_http_router *router, size_t at)
{
    for (const mu_http_route_entry *entry = mu_http_router_first(router); entry != NULL;
         entry = entry->next)
        init_route(server, &server->stats.routes[at++], entry->pattern,
                   mu_http_method_name(entry->route.method));
    return at;
}

static void init_totals(mu_http_stats *stats, mu_metrics *metrics)
{
    stats->bytes_in = mu_metrics_counter(metrics, "muster_http_request_body_bytes_total",
                                         "Bytes of request bodies as received.", NULL, 0);
    stats->bytes_out = mu_metrics_counter(metrics, "muster_http_response_body_bytes_total",
                                          "Bytes of response bodies.", NULL, 0);
    stats->aborted = mu_metrics_counter(metrics, "muster_http_requests_aborted_total",
                                        "Requests whose answer could not be sent whole.", NULL, 0);
    stats->accepted = mu_metrics_counter(metrics, "muster_http_connections_total",
                                         "Connections accepted.", NULL, 0);
    stats->cut_off = mu_metrics_counter(metrics, "muster_http_connections_cut_total",
                                        "Connections closed for being idle or slow.", NULL, 0);
    stats->library_messages =
        mu_metrics_counter(metrics, "muster_http_library_messages_total",
                           "Complaints of the HTTP library about connections.", NULL, 0);
    stats->open =
        mu_metrics_gauge(metrics, "muster_http_connections_open", "Open connections.", NULL, 0);
    stats->running = mu_metrics_gauge(metrics, "muster_http_requests_running",
                                      "Requests begun and not yet answered.", NULL, 0);
    stats->buffered = mu_metrics_gauge(metrics, "muster_http_buffered_bytes",
                                       "Bytes of bodies held in memory.", NULL, 0);
}

mu_code mu_http_stats_init(mu_http_server *server, mu_err *err)
{
    mu_http_stats *stats = &server->stats;
    const mu_http_router *router = server->options.router;
    size_t n = mu_http_router_n_routes(router) + mu_http_router_n_routes(server->builtin);
    stats->routes = calloc(n + 1, sizeof(*stats->routes));
    if (stats->routes == NULL)
        return mu_fail(err, MU_E_NOMEM, "no memory for the counters of %zu routes", n);
    stats->n_routes = n;
    size_t at = init_routes(server, router, 0);
    at = init_routes(server, server->builtin, at);
    init_route(server, &stats->routes[at], MU_STR("unmatched"), MU_STR("any"));
    init_totals(stats, server->options.metrics);
    return MU_OK;
}

void mu_http_stats_fini(mu_http_stats *stats)
{
    free(stats->routes);
}

static mu_http_route_stats *stats_of(const mu_http_request *request)
{
    mu_http_server *server = request->server;
    const mu_http_route_entry *entry = request->match.entry;
    if (entry == NULL)
        return &server->stats.routes[server->stats.n_routes];
    size_t base = request->is_builtin ? mu_http_router_n_routes(server->options.router) : 0;
    return &server->stats.routes[base + entry->index];
}

static mu_counter *counter_of(mu_http_request *request, mu_http_route_stats *stats)
{
    unsigned status = request->sent_status;
    size_t slot = slot_of(status);
    mu_counter *counter = atomic_load_explicit(&stats->by_status[slot], memory_order_acquire);
    if (counter != NULL)
        return counter;
    char text[8];
    int length = slot == N_STATUSES ? snprintf(text, sizeof(text), "other")
                                    : snprintf(text, sizeof(text), "%u", status);
    mu_label labels[] = {
        {"method", stats->method}, {"route", stats->route}, {"status", {text, (size_t)length}}};
    counter = mu_metrics_counter(request->server->options.metrics, "muster_http_requests_total",
                                 "Requests by route and status; other: never answered.", labels, 3);
    atomic_store_explicit(&stats->by_status[slot], counter, memory_order_release);
    return counter;
}

void mu_http_observe(mu_http_request *request, bool is_aborted)
{
    mu_http_server *server = request->server;
    mu_http_route_stats *stats = stats_of(request);
    int64_t duration_ns = mu_monotonic_ns() - request->start_ns;
    mu_counter_add(counter_of(request, stats), 1);
    mu_histogram_observe(stats->latency, duration_ns);
    mu_counter_add(server->stats.bytes_in, request->wire_bytes);
    mu_counter_add(server->stats.bytes_out, request->bytes_out);
    if (is_aborted)
        mu_counter_add(server->stats.aborted, 1);
    mu_log(server->options.logger, MU_LOG_INFO, "http_request",
           mu_log_text("request_id", request->id),
           mu_log_text("method", mu_http_method_name(request->method)),
           mu_log_text("route", stats->route), mu_log_integer("status", request->sent_status),
           mu_log_text("outcome", is_aborted ? MU_STR("aborted") : MU_STR("sent")),
           mu_log_integer("duration_us", duration_ns / 1000),
           mu_log_integer("bytes_in", (int64_t)request->wire_bytes),
           mu_log_integer("bytes_out", (int64_t)request->bytes_out));
}
