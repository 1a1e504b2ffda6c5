/* external_int.h -- what the files of external audiences share (api.md 9). */
#ifndef MU_API_EXTERNAL_INT_H
#define MU_API_EXTERNAL_INT_H

#include "api/api_int.h"

#define MU_EXTERNAL_TTL_MAX 90 /* days */

/* -------- external_body.c: what a request must hold; MU_E_INPUT says which member is wrong ---- */

/* 9.3: the body with defaults and canonical spellings, without nulls. */
MU_CHECKED mu_code mu_external_read_create(const mu_api_call *call, mu_arena *arena,
                                           const mu_json *body, mu_json *out, mu_err *err);

/* 9.5: lays the changes over `request`, a stored body of 9.3. */
MU_CHECKED mu_code mu_external_read_patch(mu_arena *arena, const mu_json *body, mu_json *request,
                                          mu_err *err);

/* 9.6 */
typedef struct mu_external_window {
    int64_t from_s, to_s;
    bool is_differential;
} mu_external_window;
MU_CHECKED mu_code mu_external_read_window(const mu_json *body, int64_t now_s,
                                           mu_external_window *out, mu_err *err);

/* 9.9: as a body of 9.3, without fields and source. */
MU_CHECKED mu_code mu_external_read_metadata(mu_arena *arena, const mu_json *body, mu_json *out,
                                             mu_err *err);

/* -------- one request: external_audiences.c -------- */

/* Refuses the request where external audiences are switched off or the sandbox cannot be opened. */
MU_CHECKED bool mu_external_begin(mu_http_request *request, mu_http_response *response,
                                  mu_workspace **out);

/* An external audience as it is now; texts and trees in `arena`. */
typedef struct mu_external_target {
    mu_str id, name;
    mu_document document; /* of kind audience */
    mu_json json;
    bool has_source;      /* made with a file or a folder; else the rest is empty */
    mu_document external; /* of kind externalAudience */
    mu_json external_json, request;
} mu_external_target;

/* By id or by customAudienceId. MU_E_NOT_FOUND. */
MU_CHECKED mu_code mu_external_find(mu_workspace *workspace, mu_arena *arena, mu_str id,
                                    mu_external_target *out, mu_err *err);

mu_http_outcome mu_external_no_such(mu_http_request *request, mu_http_response *response,
                                    const char *what);

/* Without members whose names begin with '$'. */
mu_json mu_external_shown(mu_arena *arena, const mu_json *json);

/* -------- runs: external_runs.c -------- */

/* Whether a run of the audience is under way. */
MU_CHECKED mu_code mu_external_is_busy(mu_workspace *workspace, mu_str audience_id, bool *out,
                                       mu_err *err);

/* The document of a new run; *id in `arena`. */
mu_json mu_external_new_run(const mu_api_call *call, mu_arena *arena,
                            const mu_external_target *target, const mu_external_window *window,
                            mu_str *id);

MU_CHECKED mu_code mu_api_add_external_runs(mu_api *api, mu_http_router *router, mu_err *err);

#endif
