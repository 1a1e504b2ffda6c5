/* schema_registry_int.h -- what the files of the schema registry resource share.
 * profile.md (a), 0.4. */
#ifndef MU_API_SCHEMA_REGISTRY_INT_H
#define MU_API_SCHEMA_REGISTRY_INT_H

#include "api/registry_cache.h"

#define SCHEMA_REGISTRY "/data/foundation/schemaregistry"

/* One request, with the registry held while it is answered. */
typedef struct registry_call {
    mu_http_request *request;
    mu_http_response *response;
    mu_api *api;
    mu_api_call *call;
    mu_arena *arena;
    const mu_registry *registry;
    bool is_global; /* the container in the path */
    mu_xdm_resource resource;
} registry_call;

typedef mu_http_outcome registry_function(registry_call *c);

/* Takes the registry, runs `function`, lets it go. */
mu_http_outcome mu_registry_answer(mu_http_request *request, mu_http_response *response,
                                   registry_function *function);

/* -------- errors -------- */

mu_http_outcome mu_registry_refuse(const registry_call *c, const mu_err *err);
mu_http_outcome mu_registry_not_found(const registry_call *c, mu_str id);

/* -------- Accept: a.3 -------- */

typedef struct registry_accept {
    mu_xdm_rendering how;
    bool is_id;           /* rows of title and ids only */
    bool is_link, is_v2;  /* descriptors */
    bool has_descriptors; /* meta:descriptors beside a schema */
} registry_accept;

/* Reads the Accept header. `code` is the error's: XDM-1006-400 for lists and so on; false when the
 * request was refused. */
bool mu_registry_accept(const registry_call *c, const char *code, registry_accept *out);

/* -------- documents as answers -------- */

typedef struct registry_row {
    const mu_xdm_resource_entry *entry;
    int64_t created_ms, updated_ms;
    uint64_t version; /* edits, from 1 */
} registry_row;

/* The rows of the call's container and resource, oldest change first. */
MU_CHECKED mu_code mu_registry_rows(const registry_call *c, uint32_t *n, registry_row **out,
                                    mu_err *err);
/* One of them by "$id" or meta:altId; MU_E_NOT_FOUND. The tenant's container has the built-in ones
 * too: aepp looks them up there. */
MU_CHECKED mu_code mu_registry_row(const registry_call *c, mu_str id, registry_row *out,
                                   mu_err *err);
/* With the members that the registry adds. */
MU_CHECKED mu_code mu_registry_document(const registry_call *c, const registry_row *row,
                                        const registry_accept *accept, mu_json *out, mu_err *err);
mu_json mu_registry_id_row(const registry_call *c, mu_str id, mu_str alt_id, mu_str title,
                           uint64_t version);
mu_str mu_registry_resource_type(mu_xdm_resource resource); /* "schemas", "mixins", ... */

/* -------- lists -------- */

/* Items and how to order them. */
typedef struct registry_item {
    mu_json json;   /* what filters and `orderby` look at, and what is answered */
    mu_json id_row; /* answered instead when the rendering is -id */
    int64_t updated_ms;
    uint32_t number; /* place before ordering */
} registry_item;

/* Filters, orders, cuts a page and writes {"results","_page","_links"}. */
mu_http_outcome mu_registry_answer_list(const registry_call *c, const registry_accept *accept,
                                        uint32_t n, registry_item *items, int64_t limit_default,
                                        int64_t limit_max);
/* The `property` filters of the request; MU_E_INPUT. */
MU_CHECKED mu_code mu_registry_filter(const registry_call *c, uint32_t *n, registry_item *items,
                                      mu_err *err);

/* -------- handlers in other files -------- */

mu_http_handler mu_registry_post, mu_registry_put, mu_registry_patch, mu_registry_delete;
mu_http_handler mu_descriptors_list, mu_descriptors_get, mu_descriptors_post, mu_descriptors_put,
    mu_descriptors_delete;

#endif
