/* api.h -- the HTTP resources. One file per resource: decode, call the domain, encode.
 *
 * mu_api_routes_add registers everything; each resource file has one function that adds its routes
 * (api_int.h). Header checks are api.md 2.2; error bodies profile.md 0.4 and api.md 3.
 */
#ifndef MU_API_API_H
#define MU_API_API_H

#include "audience/settings.h"
#include "catalog/documents.h"
#include "http/http.h"
#include "ingest/kafka.h"
#include "live/live.h"

typedef enum mu_auth_mode {
    MU_AUTH_OPEN,     /* any token, key and organisation; one organisation, whatever id is sent */
    MU_AUTH_STATIC,   /* tokens, keys and organisations from the configuration */
    MU_AUTH_LOCAL_IMS /* tokens minted by POST /ims/token/v3 for configured clients */
} mu_auth_mode;

#define MU_PERMISSION_READ  MU_STR("segments:read")
#define MU_PERMISSION_WRITE MU_STR("segments:write")
bool mu_api_permission_is_known(mu_str name);

typedef struct mu_api_client { /* static and local-ims */
    mu_str organization, api_key, token, secret;
    uint32_t n_permissions, n_sandboxes;
    const mu_str *permissions; /* what it may do with audiences; NULL: everything */
    const mu_str *sandboxes;   /* names of those it may enter; NULL: all of its organisation */
} mu_api_client;

typedef struct mu_api_options {
    mu_live *live;
    mu_documents *documents;
    mu_auth_mode auth_mode;
    size_t n_clients;
    const mu_api_client *clients;
    mu_str organization; /* the one of open mode when a request names none: inlets without header */
    mu_str tenant;       /* tenant id, "luma"; the tenant's root field is "_" and this */
    int64_t (*now_ms)(void);
    const mu_logger *logger;
    mu_metrics *metrics;
    mu_audience_settings settings; /* mu_audience_settings_default() and what was changed */
    unsigned n_threads;            /* of jobs and estimates; 0: one per processor */
    mu_str duckdb_library;         /* for Parquet; empty: where the system finds it */
    mu_str landing_folder;         /* of external audiences; empty: "landing" in the data folder */
    mu_str kafka_brokers;          /* "host:port,host:port"; empty: no messages from Kafka */
    uint32_t n_kafka_topics;
    const mu_kafka_topic *kafka_topics;
    uint32_t n_kafka_settings;
    const mu_kafka_setting *kafka_settings;
} mu_api_options;

typedef struct mu_api mu_api;

/* Prepares what a fresh data folder needs (sandbox prod, its default merge policy) and resumes
 * batches that were under way. */
MU_CHECKED mu_code mu_api_new(const mu_api_options *options, mu_api **out, mu_err *err);
/* After the server has stopped. */
void mu_api_free(mu_api *api);

MU_CHECKED mu_code mu_api_routes_add(mu_api *api, mu_http_router *router, mu_err *err);

/* The error writer for mu_http_options: each service family's own form. context: the mu_api. */
mu_http_error_writer mu_api_write_problem;

#endif
