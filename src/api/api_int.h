/* api_int.h -- what the resources of api/ share. No other folder includes it.
 *
 * A resource is one file. Its one public function adds its routes with mu_api_add; a handler takes
 * its mu_api as context and finds out who asks, and for which sandbox, with mu_api_call_of:
 *
 *     headers ─> mu_api_check (api.md 2.2) ─> handler on a worker ─> documents, live ─> JSON
 *
 * Handlers may wait: every route made with mu_api_add runs on a worker.
 */
#ifndef MU_API_API_INT_H
#define MU_API_API_INT_H

#include "api/api.h"
#include "audience/estimate.h"
#include "audience/external.h"
#include "audience/schedule.h"
#include "audience/search.h"
#include "export/export.h"
#include "json/edit.h"

#include <pthread.h>

/* -------- sandboxes: sandboxes.c -------- */

/* One sandbox. Lives as long as the api and does not change, but for the members behind the lock of
 * mu_api_sandboxes. */
typedef struct mu_api_sandbox {
    mu_str organization; /* empty in open mode */
    mu_str name;         /* as clients write it: "prod" */
    mu_str store_name;   /* as store and documents write it: "prod", or "ORG/prod" */
    mu_str id;           /* a uuid */
    bool is_production, is_default;
    mu_sandbox *live;
    bool is_deleted; /* guarded by the lock */
    struct mu_api_sandbox *next;
} mu_api_sandbox;

/* -------- the api -------- */

typedef struct mu_api_tokens mu_api_tokens;     /* token.c */
typedef struct mu_api_previews mu_api_previews; /* preview.c */
struct mu_api_registries;                       /* registry_cache.h */

struct mu_api {
    mu_api_options options;            /* texts in `arena` */
    mu_arena arena;                    /* guarded by sandbox_lock once requests are served */
    mu_http_check check, check_client; /* the header checks, all and without the sandbox */
    pthread_rwlock_t sandbox_lock;
    mu_api_sandbox *sandboxes; /* in the order they were made */
    mu_api_tokens *tokens;
    mu_api_previews *previews;
    struct mu_api_registries *registries;
    pthread_mutex_t edit_lock;     /* held by handlers that read documents to change several; taken
                                      before settings_lock */
    pthread_mutex_t settings_lock; /* held while a sandbox's settings change */
    struct mu_ingestion *ingestion;
    pthread_mutex_t default_policies_lock;
    struct mu_default_policy *default_policies; /* audience_show.c; guarded by its lock */
    /* The segmentation service, in the order in which they start; segmentation.c. */
    mu_workspaces *workspaces;
    mu_segment_jobs *jobs;
    mu_estimates *estimates;
    mu_exports *exports;
    mu_schedules *schedules;
    mu_searches *searches;
    mu_externals *externals;
};

static inline int64_t mu_api_now_ms(const mu_api *api)
{
    return api->options.now_ms();
}

/* -------- routes -------- */

typedef enum mu_api_route_kind {
    MU_API_CHECKED,         /* the header checks first; on a worker */
    MU_API_WITHOUT_SANDBOX, /* the same, but no sandbox header is wanted: mu_api_call.sandbox is
                               NULL and `place` empty */
    MU_API_UNCHECKED        /* neither: collection, edge and token paths. Set flags as needed */
} mu_api_route_kind;

/* Adds routes of one resource; `context` of each that has none becomes the api. Patterns are
 * borrowed, the rest is copied. */
MU_CHECKED mu_code mu_api_add(mu_api *api, mu_http_router *router, mu_api_route_kind kind,
                              const mu_http_route *routes, size_t n_routes, mu_err *err);

/* The functions of the resources, each adding its routes. */
typedef mu_code mu_api_resource(mu_api *api, mu_http_router *router, mu_err *err);
mu_api_resource mu_api_add_openapi;
mu_api_resource mu_api_add_sandboxes, mu_api_add_token, mu_api_add_merge_policies,
    mu_api_add_datasets, mu_api_add_labels, mu_api_add_flows, mu_api_add_stored,
    mu_api_add_namespaces, mu_api_add_retention, mu_api_add_schema_registry, mu_api_add_identities,
    mu_api_add_identity_settings, mu_api_add_entities, mu_api_add_preview, mu_api_add_system_jobs,
    mu_api_add_audit, mu_api_add_audiences, mu_api_add_audience_versions,
    mu_api_add_segment_definitions, mu_api_add_conversion;
mu_api_resource mu_api_add_segment_jobs;
mu_api_resource mu_api_add_export_jobs;
mu_api_resource mu_api_add_external_audiences;
mu_api_resource mu_api_add_muster_evaluate, mu_api_add_muster_diff;

/* -------- who asks: gate.c -------- */

typedef struct mu_api_call {
    mu_api *api;
    mu_str organization; /* as the header has it */
    mu_str client_id;    /* x-api-key */
    mu_author author;    /* of what the call changes: the token's subject, or the client's id */
    const mu_api_sandbox *sandbox; /* never NULL on MU_API_CHECKED routes */
    /* Where documents live: those of the sandbox, and those that all sandboxes of the organisation
     * share (namespaces, the sandboxes themselves). */
    mu_str place, shared_place;
    void *own; /* the resource's, for sinks and handlers; NULL at first */
} mu_api_call;

/* The call of a request whose headers were checked. */
mu_api_call *mu_api_call_of(const mu_http_request *request);

/* The checks of MU_API_CHECKED and MU_API_WITHOUT_SANDBOX routes; the context is the mu_api. */
mu_http_check_function mu_api_check, mu_api_check_client;

/* What a request's Authorization header says; for inlets that want it. *client is the client it
 * belongs to, NULL in open mode. */
typedef enum mu_api_token_state {
    MU_API_TOKEN_MISSING,
    MU_API_TOKEN_INVALID,
    MU_API_TOKEN_VALID
} mu_api_token_state;
mu_api_token_state mu_api_authenticate(const mu_api *api, const mu_http_request *request,
                                       const mu_api_client **client);

/* -------- tokens: token.c -------- */

/* The client that a minted token belongs to; NULL when it is unknown or expired. Any thread. */
const mu_api_client *mu_api_tokens_find(const mu_api *api, mu_str token);
MU_CHECKED mu_code mu_api_tokens_new(mu_api *api, mu_err *err);
void mu_api_tokens_free(mu_api_tokens *tokens);

/* Where documents live that all sandboxes of an organisation share, in `arena`. */
mu_str mu_api_shared_place(const mu_api *api, mu_arena *arena, mu_str organization);

/* -------- sandboxes -------- */

/* Reads the sandboxes, makes what is missing. */
MU_CHECKED mu_code mu_api_sandboxes_load(mu_api *api, mu_err *err);

/* By name, or by id where the name is empty; NULL when there is none. Any thread; does not wait
 * for anything slow. */
const mu_api_sandbox *mu_api_find_sandbox(mu_api *api, mu_str organization, mu_str name, mu_str id);

/* The sandbox after `after` (NULL: the first) of an organisation, NULL at the end. */
const mu_api_sandbox *mu_api_next_sandbox(mu_api *api, mu_str organization,
                                          const mu_api_sandbox *after);

/* {"sandboxId","sandboxName","type","default"} (api.md 7). */
mu_json mu_api_sandbox_json(mu_arena *arena, const mu_api_sandbox *sandbox);

/* -------- the segmentation service: segmentation.c -------- */

/* Opens the workspaces of all sandboxes and starts what runs in the background. */
MU_CHECKED mu_code mu_api_segmentation_start(mu_api *api, mu_err *err);
void mu_api_segmentation_stop(mu_api *api);

/* The workspace of the call's sandbox; answers with 503 or 500 and returns false when it can't be
 * opened. */
MU_CHECKED bool mu_api_workspace(mu_http_request *request, mu_http_response *response,
                                 mu_workspace **out);

/* -------- settings of a sandbox: settings.c -------- */

/* The document in force: an object, empty at first, with the members "namespaces" and "retention".
 * In `arena`. */
MU_CHECKED mu_code mu_api_settings_read(const mu_api *api, const mu_api_sandbox *sandbox,
                                        mu_arena *arena, mu_json *out, mu_err *err);
/* Replaces one member; durable and in force when it returns. The audit log has it when there is an
 * author. */
MU_CHECKED mu_code mu_api_settings_set(mu_api *api, const mu_api_sandbox *sandbox,
                                       const mu_author *author, mu_arena *arena, mu_str name,
                                       const mu_json *value, mu_err *err);

/* -------- namespaces: namespaces.c -------- */

/* Built-in namespaces and the organisation's own, with the sandbox's priorities (b.4). In `arena`.
 */
MU_CHECKED mu_code mu_api_namespaces(const mu_api *api, const mu_api_sandbox *sandbox,
                                     mu_arena *arena, uint32_t *n, const mu_graph_namespace **out,
                                     bool *has_priorities, mu_err *err);
/* Puts them in force in a sandbox: those with a priority (0: none), and the organisation's own. */
MU_CHECKED mu_code mu_api_set_namespaces(mu_api *api, const mu_api_sandbox *sandbox,
                                         const mu_author *author, mu_arena *arena, uint32_t n,
                                         const mu_graph_namespace *namespaces, mu_err *err);
/* Tells the sandbox's graph of namespaces that it does not know yet. */
MU_CHECKED mu_code mu_api_sync_namespaces(mu_api *api, const mu_api_sandbox *sandbox,
                                          mu_arena *arena, mu_err *err);

/* -------- merge policies: merge_policies.c -------- */

/* Gives the sandbox its default merge policy when it has none at all (P28). */
MU_CHECKED mu_code mu_api_add_default_policy(mu_api *api, const mu_api_sandbox *sandbox,
                                             mu_err *err);

/* A sandbox's merge policy by its id, or, where that is empty, the default of the class
 * "_xdm.context.profile"; when no policy is the default: c.3. In `arena`. MU_E_NOT_FOUND. */
MU_CHECKED mu_code mu_api_merge_policy(mu_api *api, mu_arena *arena, mu_str place, mu_str id,
                                       mu_merge_policy *out, mu_err *err);

/* The id of a sandbox's default merge policy of a class; empty when it has none. From memory unless
 * a policy changed since. In `arena`. */
mu_str mu_api_default_policy(mu_api *api, mu_arena *arena, mu_str place, mu_str schema_name);
void mu_api_default_policies_free(mu_api *api);

/* -------- datasets: datasets.c -------- */

/* Makes one for profiles, enabled for Profile and Identity. *id in `arena`. */
MU_CHECKED mu_code mu_api_dataset_add(const mu_api_call *call, mu_arena *arena, mu_str name,
                                      mu_str *id, mu_err *err);

/* -------- counts of profiles: preview.c -------- */

MU_CHECKED mu_code mu_api_previews_new(mu_api_previews **out, mu_err *err);
void mu_api_previews_free(mu_api_previews *previews);

/* -------- errors: errors.c -------- */

/* Error bodies differ by service (profile.md 0.4, P3; api.md 3); the path tells which it is. */
typedef enum mu_api_family {
    MU_API_FAMILY_UPS,        /* the paths of api.md: its envelope */
    MU_API_FAMILY_UPS_PLAIN,  /* the /ups paths of profile.md: {"code","message"} */
    MU_API_FAMILY_ENTITIES,   /* {"message","statusCode"} */
    MU_API_FAMILY_REGISTRY,   /* {"type","title","status","report","detail"} */
    MU_API_FAMILY_IDENTITY,   /* {"title","status","detail"} */
    MU_API_FAMILY_NAMESPACE,  /* {"timestamp","type","status","title","report"} */
    MU_API_FAMILY_FOUNDATION, /* {"type","title","status","detail"}: catalog, import, flows, ... */
    MU_API_FAMILY_COLLECTION, /* {"type","status","title","report"} */
    MU_API_FAMILY_EDGE,       /* problem+json */
    MU_API_FAMILY_TOKEN,      /* {"error","error_description"} */
    MU_API_FAMILY_AIS         /* external audiences: api.md 9.2 */
} mu_api_family;

mu_api_family mu_api_family_of(mu_str path);

/* Answers with an error in the form of the request's family. `code` is the service's own code
 * ("UPAPI-113000-404", "XDM-1010-404"); empty: one that fits the status. `message` is one
 * sentence. Headers set before are kept. */
mu_http_outcome mu_api_problem(mu_http_request *request, mu_http_response *response,
                               unsigned status, mu_str code, mu_str message);
mu_http_outcome mu_api_problem_format(mu_http_request *request, mu_http_response *response,
                                      unsigned status, mu_str code, const char *format, ...)
    MU_PRINTF(5, 6);

/* The UPS envelope with what mu_api_problem can't say: several messages, or the bare status as
 * inner code (api.md 3.4). */
mu_http_outcome mu_api_refuse(mu_http_request *request, mu_http_response *response,
                              const mu_http_ups_error *error);

/* The same for what a function of ours refused: the status of err->code, and err->text. */
mu_http_outcome mu_api_fail(mu_http_request *request, mu_http_response *response,
                            const mu_err *err);
unsigned mu_api_status(mu_code code);

/* -------- filters: filter.c -------- */

/* One `property` filter (profile.md a.3, api.md 4): "path==value", "!=", "~" (a regular
 * expression); elements of arrays are looked at each. A text without an operator is MU_E_INPUT. */
MU_CHECKED mu_code mu_api_property_matches(const mu_json *json, mu_str property, bool *out,
                                           mu_err *err);

/* -------- requests: request.c -------- */

/* The body of a document or a question; refuses the request where it is no JSON, and where an
 * object or a list in it has more than 10,000 members (docs/decisions/0170). */
MU_CHECKED bool mu_api_body(mu_http_request *request, mu_http_response *response, mu_json *out);

/* The same as an object; refuses the request where it is none. */
MU_CHECKED bool mu_api_body_object(mu_http_request *request, mu_http_response *response,
                                   mu_json *out);

/* The parameters `start` or `offset` (rows) and `limit`; refuses bad ones. Larger limits are
 * clamped. */
typedef struct mu_api_page {
    int64_t start, limit;
} mu_api_page;
MU_CHECKED bool mu_api_page_read(mu_http_request *request, mu_http_response *response,
                                 int64_t limit_default, int64_t limit_max, mu_api_page *out);

/* The request's query without the named parameter, encoded, and with `name=value` instead: for
 * links to the next page. In the request's arena, without a leading '?'. */
mu_str mu_api_query_with(mu_http_request *request, mu_str name, int64_t value);

/* Adds "name=value", encoded, to a query; with an '&' where it is not the first. */
void mu_api_add_parameter(mu_buf *buf, mu_str name, mu_str value);

/* Answers with JSON text as the body. */
mu_http_outcome mu_api_answer_text(mu_http_response *response, unsigned status, mu_str json);
mu_http_outcome mu_api_answer(mu_http_response *response, unsigned status, const mu_json *json);

/* -------- one document: request.c -------- */

/* Reads and parses; MU_E_NOT_FOUND. */
MU_CHECKED mu_code mu_api_document_get(const mu_api *api, mu_arena *arena, mu_str place,
                                       mu_str kind, mu_str id, mu_document *document, mu_json *json,
                                       mu_err *err);
/* Writes one document in a transaction of its own. */
MU_CHECKED mu_code mu_api_document_put(const mu_api *api, mu_arena *arena, mu_str place,
                                       mu_document_action action, mu_str kind, mu_str id,
                                       const mu_json *json, uint64_t version_before, mu_err *err);
MU_CHECKED mu_code mu_api_document_remove(const mu_api *api, mu_str place, mu_str kind, mu_str id,
                                          mu_err *err);
/* The same as changes of the call's author: what handlers use. Edits of their own have
 * `.author = &call->author`. */
MU_CHECKED mu_code mu_api_call_put(const mu_api_call *call, mu_arena *arena, mu_str place,
                                   mu_document_action action, mu_str kind, mu_str id,
                                   const mu_json *json, uint64_t version_before, mu_err *err);
MU_CHECKED mu_code mu_api_call_remove(const mu_api_call *call, mu_str place, mu_str kind, mu_str id,
                                      mu_err *err);

/* -------- ids: ids.c; from the system's random numbers, in `arena` -------- */

mu_str mu_api_uuid(mu_arena *arena); /* version 4, lower case */
mu_str mu_api_hex(mu_arena *arena, size_t n_digits);

#endif
