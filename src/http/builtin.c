/* builtin.c -- GET /health, /ready and /metrics. */
#include "http/http_int.h"

/* The process runs and answers: nothing else is claimed. */
static mu_http_outcome health(mu_http_request *request, mu_http_response *response, void *context)
{
    (void)request, (void)context;
    mu_json_writer *writer = mu_http_response_json(response);
    mu_json_begin_object(writer);
    mu_json_name(writer, MU_STR("status"));
    mu_json_string(writer, MU_STR("ok"));
    mu_json_end_object(writer);
    return MU_HTTP_DONE;
}

static bool is_ready(const mu_http_server *server, mu_err *why)
{
    if (atomic_load_explicit(&server->is_draining, memory_order_relaxed)) {
        (void)mu_fail(why, MU_E_CANCELLED, "the server is stopping");
        return false;
    }
    return server->options.is_ready == NULL ||
           server->options.is_ready(server->options.ready_context, why);
}

static mu_http_outcome ready(mu_http_request *request, mu_http_response *response, void *context)
{
    const mu_http_server *server = context;
    mu_err why = {0};
    (void)request;
    bool yes = is_ready(server, &why);
    mu_json_writer *writer = mu_http_response_json(response);
    mu_json_begin_object(writer);
    mu_json_name(writer, MU_STR("status"));
    mu_json_string(writer, yes ? MU_STR("ready") : MU_STR("not ready"));
    if (!yes) {
        mu_json_name(writer, MU_STR("reason"));
        mu_json_string(writer, mu_str_from(why.text));
    }
    mu_json_end_object(writer);
    mu_http_response_status(response, yes ? 200 : 503);
    return MU_HTTP_DONE;
}

static mu_http_outcome metrics(mu_http_request *request, mu_http_response *response, void *context)
{
    mu_http_server *server = context;
    (void)request;
    mu_gauge_set(server->stats.open,
                 atomic_load_explicit(&server->gate.n_open, memory_order_relaxed));
    mu_gauge_set(server->stats.running,
                 atomic_load_explicit(&server->n_running, memory_order_relaxed));
    mu_gauge_set(server->stats.buffered,
                 (int64_t)atomic_load_explicit(&server->n_buffered, memory_order_relaxed));
    mu_metrics_write(server->options.metrics,
                     mu_http_response_body(response, MU_STR("text/plain; version=0.0.4")));
    return MU_HTTP_DONE;
}

mu_http_router *mu_http_builtin_router(mu_http_server *server)
{
    const mu_http_route routes[] = {
        {.method = MU_HTTP_GET, .pattern = "/health", .handler = health, .context = server},
        {.method = MU_HTTP_GET, .pattern = "/ready", .handler = ready, .context = server},
        {.method = MU_HTTP_GET, .pattern = "/metrics", .handler = metrics, .context = server},
    };
    mu_http_router *router = mu_http_router_new();
    if (router == NULL)
        return NULL;
    mu_code code = mu_http_router_add(router, routes, 3, NULL);
    MU_ASSERT(code == MU_OK);
    return router;
}
