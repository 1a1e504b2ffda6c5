/* audience_int.h -- what audiences, segment definitions and their versions share: one store, two
 * views (api.md A26).
 *
 *   body ─> candidate ─> mu_audience_normalize (8.3, in its order) ─> stored members
 *                                   │
 *   mu_audience_store: read, check If-Match, normalize, write one transaction, under the books'
 * lock │ mu_audience_show: stored members, and what is known from elsewhere
 */
#ifndef MU_API_AUDIENCE_INT_H
#define MU_API_AUDIENCE_INT_H

#include "api/api_int.h"
#include "audience/removal.h"

/* Which path is asked: they differ in error codes and in what is visible. */
typedef enum mu_audience_view {
    MU_AUDIENCE_VIEW_AUDIENCES,
    MU_AUDIENCE_VIEW_DEFINITIONS /* no external audiences; names are unique */
} mu_audience_view;

/* -------- what is wrong: audience_refusal.c -------- */

typedef enum mu_refusal_kind {
    MU_REFUSAL_MEMBER,     /* missing, or not of the JSON type it must have */
    MU_REFUSAL_RULE,       /* breaks a rule: immutable, bad word, unknown merge policy, .. */
    MU_REFUSAL_EXPRESSION, /* PQL that is none */
    MU_REFUSAL_DATASET,    /* no such dataset */
    MU_REFUSAL_DISABLED,   /* external audiences are switched off */
    MU_REFUSAL_GUARDRAIL,  /* a limit that is switched on */
    MU_REFUSAL_NOT_FOUND,
    MU_REFUSAL_PRECONDITION, /* If-Match */
    MU_REFUSAL_NAME_USED,    /* by another definition, when creating */
    MU_REFUSAL_DEPENDENTS,   /* others refer to it */
    MU_REFUSAL_FAILED        /* `err` */
} mu_refusal_kind;

typedef struct mu_refusal {
    mu_refusal_kind kind;
    mu_str pointer;  /* MEMBER, RULE: "/name"; may be empty */
    mu_str expected; /* MEMBER: "a text of 1 to 255 characters" */
    mu_str text;     /* the others: one sentence */
    uint32_t n_texts;
    const mu_str *texts; /* EXPRESSION: every error, instead of `text` */
    mu_err err;          /* FAILED */
} mu_refusal;

/* Always false, so that `return mu_refuse(...)` reads naturally. */
bool mu_refuse_member(mu_refusal *refusal, const char *pointer, const char *expected);
bool mu_refuse(mu_refusal *refusal, mu_refusal_kind kind, mu_str pointer, mu_str text);
bool mu_refuse_failed(mu_refusal *refusal, const mu_err *err);

/* In the form that the view has for it (api.md 3.4). */
mu_http_outcome mu_audience_answer_refusal(mu_http_request *request, mu_http_response *response,
                                           mu_audience_view view, const mu_refusal *refusal);

/* -------- one request: audience_show.c -------- */

/* A state of the sandbox's audiences, held through a request. */
typedef struct mu_audience_scene {
    mu_http_request *request;
    mu_api_call *call;
    mu_workspace *workspace;
    mu_arena *arena;
    mu_audience_view view;
    const mu_audience_book *book;
    const mu_shelf *metrics;
    mu_str policy_schema, policy_id; /* the default that was asked for last */
} mu_audience_scene;

/* Refuses the request where that fails; else mu_audience_scene_end. */
MU_CHECKED bool mu_audience_scene_begin(mu_http_request *request, mu_http_response *response,
                                        mu_audience_view view, mu_audience_scene *out);
void mu_audience_scene_end(mu_audience_scene *scene);
/* Looks again. On failure the scene is as before. */
MU_CHECKED mu_code mu_audience_scene_renew(mu_audience_scene *scene, mu_err *err);

/* What the view has under this id: NULL when there is none. External audiences are found by their
 * own id too (A33). */
const mu_audience *mu_audience_scene_find(const mu_audience_scene *scene, mu_str id);

mu_json mu_audience_show(mu_audience_scene *scene, const mu_audience *audience);
/* One of the members that only a shown audience has; MU_JSON_NULL for any other name. */
mu_json mu_audience_computed(mu_audience_scene *scene, const mu_audience *audience, mu_str name);
/* With its quotes (api.md 5). */
mu_str mu_audience_etag(mu_arena *arena, const mu_audience *audience);

/* Whether a header's list of tags names this one; `is_strong`: weak tags match nothing. */
bool mu_etag_matches(mu_str header, mu_str etag, bool is_strong);

/* -------- what an audience must be: audience_normalize.c, audience_rule.c -------- */

typedef struct mu_audience_candidate {
    mu_audience_scene *scene;
    const mu_audience *before; /* NULL: a new one */
    mu_str id;
    mu_json json; /* what the client wants; read-only members in it count for nothing */
    int64_t now_ms;
} mu_audience_candidate;

/* Checks in the order of api.md 8.3 and makes what is stored. */
MU_CHECKED bool mu_audience_normalize(const mu_audience_candidate *candidate, mu_json *stored,
                                      mu_refusal *refusal);
/* Whether the members of 8.1 but for the name have the JSON types of that table. */
MU_CHECKED bool mu_audience_check_types(const mu_json *json, mu_refusal *refusal);

/* What a definition's rule comes to. */
typedef struct mu_audience_rule_facts {
    mu_json expression, evaluation_info, dependencies, report;
    mu_str merge_policy_id; /* empty: follows the default */
    bool has_events;
} mu_audience_rule_facts;
MU_CHECKED bool mu_audience_read_rule(const mu_audience_candidate *candidate, mu_str schema_name,
                                      mu_audience_rule_facts *out, mu_refusal *refusal);

/* The text {"name": ..} has, or a bare text; empty when there is neither. */
mu_str mu_audience_schema_name(const mu_json *schema);

/* {"type","format","value"}: the format that goes without saying is filled in, a tree becomes its
 * text. `out` is what is echoed. */
MU_CHECKED bool mu_expression_normalize(mu_arena *arena, const mu_json *given, mu_json *out,
                                        bool *is_tree, mu_refusal *refusal);

/* In canonical form: a tree, or text. */
mu_str mu_expression_write(mu_arena *arena, const mu_pql *query, bool is_tree);
/* Every error among the diagnostics. Always false. */
bool mu_refuse_expression(mu_arena *arena, const mu_pql_diagnostics *found, mu_refusal *refusal);

/* Without members that are null, at any depth, and items of lists that are. */
mu_json mu_json_without_nulls(mu_arena *arena, const mu_json *json);

/* -------- changing: audience_edit.c -------- */

typedef enum mu_audience_change {
    MU_AUDIENCE_CREATE,
    MU_AUDIENCE_PUT,     /* what is left out returns to its default */
    MU_AUDIENCE_PATCH,   /* operations, or members laid over */
    MU_AUDIENCE_RESTORE, /* `body` is an older version as it was stored */
} mu_audience_change;

/* *shown is the audience afterwards, *etag its tag; both in the scene's arena. */
MU_CHECKED bool mu_audience_store(mu_audience_scene *scene, mu_audience_change change, mu_str id,
                                  const mu_json *body, mu_json *shown, mu_str *etag,
                                  mu_refusal *refusal);

/* With its memberships, metrics, versions and places in schedules. */
MU_CHECKED bool mu_audience_delete(mu_audience_scene *scene, mu_str id, mu_refusal *refusal);

/* -------- lists and single ones, for both views: audience_list.c -------- */

mu_http_outcome mu_audience_list(mu_http_request *request, mu_http_response *response,
                                 mu_audience_view view);
mu_http_outcome mu_audience_get(mu_http_request *request, mu_http_response *response,
                                mu_audience_view view);
mu_http_outcome mu_audience_bulk_get(mu_http_request *request, mu_http_response *response,
                                     mu_audience_view view);
/* Answers with the changed audience, its tag and, for definitions, where it is. */
mu_http_outcome mu_audience_change_and_show(mu_http_request *request, mu_http_response *response,
                                            mu_audience_view view, mu_audience_change change,
                                            mu_str id, const mu_json *body);

#endif
