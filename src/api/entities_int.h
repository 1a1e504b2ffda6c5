/* entities_int.h -- what the files of /data/core/ups/access/entities share (profile.md e.1, e.2,
 * e.4).
 *
 *   request ─> ask (what is asked of everyone) and targets (whom)
 *   target ─> content ─ C12 left out ─> view under the ask's policy ─> profile, or page of events
 */
#ifndef MU_API_ENTITIES_INT_H
#define MU_API_ENTITIES_INT_H

#include "api/api_int.h"
#include "profile/hidden.h"

#define MU_ENTITY_FILTERS_MAX    3u
#define MU_ENTITY_EVENTS_MAX     1000u
#define MU_ENTITY_IDENTITIES_MAX 1000u /* of one request: P61 */

typedef enum mu_entity_class {
    MU_ENTITY_PROFILE,
    MU_ENTITY_EVENT,
    MU_ENTITY_OTHER /* a class that the API names and that nobody has records of */
} mu_entity_class;

typedef enum mu_entity_operator {
    MU_ENTITY_EQUAL,
    MU_ENTITY_NOT_EQUAL,
    MU_ENTITY_LESS,
    MU_ENTITY_LESS_OR_EQUAL,
    MU_ENTITY_GREATER,
    MU_ENTITY_GREATER_OR_EQUAL
} mu_entity_operator;

typedef struct mu_entity_filter {
    mu_str path, literal;
    mu_entity_operator operator;
} mu_entity_filter;

/* All in the request's arena. */
typedef struct mu_entity_ask {
    mu_api_call *call;
    mu_arena *arena;
    mu_entity_class class;
    mu_str class_name;
    mu_merge_policy policy;
    bool has_fields, wants_identities;
    uint32_t n_fields;
    const mu_str *fields;     /* dotted paths */
    int64_t start_ms, end_ms; /* of events: [start, end) */
    uint32_t limit;
    bool is_descending;
    uint32_t n_filters;
    mu_entity_filter filters[MU_ENTITY_FILTERS_MAX];
    uint32_t n_namespaces;
    const mu_graph_namespace *namespaces;
    mu_hidden hidden;
    int64_t now_ms;
    struct mu_segment_view *segments; /* memberships, once somebody asked; NULL before */
    /* What answers share with, until mu_entity_ask_end. */
    uint32_t n_held, held_capacity;
    mu_snapshot **held;
} mu_entity_ask;

/* One whom the request asks for. */
typedef struct mu_entity_target {
    mu_str id, namespace_code; /* as given; the namespace is empty for an XID alone */
    mu_str start;              /* events: a token or the id of an event; may be empty */
    mu_identity identity;      /* as the sandbox spells it; empty for an XID that nobody has */
    bool is_registered;        /* its namespace is */
    mu_str xid;
} mu_entity_target;

/* What came of one target. */
typedef struct mu_entity_answer {
    unsigned status; /* 200; 404: nothing is known; 422: too many identities */
    mu_json json;    /* 200 */
    mu_str next;     /* events: the token of the next page, or empty */
} mu_entity_answer;

/* -------- entities_ask.c -------- */

/* Everything but the targets, of a query or a POST body. MU_E_INPUT for what is wrong. */
MU_CHECKED mu_code mu_entity_ask_query(mu_http_request *request, mu_entity_ask *out, mu_err *err);
MU_CHECKED mu_code mu_entity_ask_body(mu_http_request *request, const mu_json *body,
                                      mu_entity_ask *out, mu_err *err);

/* After the answers are written. */
void mu_entity_ask_end(mu_entity_ask *ask);

/* Finds out who is meant by an id and a namespace's code or number, or an XID alone. */
MU_CHECKED mu_code mu_entity_target_find(const mu_entity_ask *ask, mu_str id, mu_str namespace_code,
                                         mu_entity_target *out, mu_err *err);

/* The XID of an identity; empty when nobody registered its namespace. */
mu_str mu_entity_xid(const mu_entity_ask *ask, mu_identity identity);
const mu_graph_namespace *mu_entity_namespace(const mu_entity_ask *ask, mu_str code_or_number);

/* -------- entities_profile.c, entities_events.c -------- */

MU_CHECKED mu_code mu_entity_profile(mu_entity_ask *ask, const mu_entity_target *target,
                                     mu_entity_answer *out, mu_err *err);
MU_CHECKED mu_code mu_entity_events(mu_entity_ask *ask, const mu_entity_target *target,
                                    mu_entity_answer *out, mu_err *err);

/* The target's content and its view, as the ask may see it. *found is false when nothing is known.
 */
MU_CHECKED mu_code mu_entity_view(mu_entity_ask *ask, const mu_entity_target *target, bool *found,
                                  mu_lookup *lookup, mu_profile_view *view, mu_err *err);

/* -------- entities_json.c -------- */

mu_json mu_entity_json_of(mu_arena *arena, mu_value value);

/* The subtrees that the ask's fields name, or all of it, without hidden paths. */
mu_json mu_entity_select(const mu_entity_ask *ask, const mu_json *json);

/* Second precision. */
mu_json mu_entity_json_time(mu_arena *arena, int64_t ms);

/* A list under construction; also of members, where `names` is used. */
typedef struct mu_entity_list {
    mu_arena *arena;
    mu_str *names;
    mu_json *items;
    uint32_t n, capacity;
} mu_entity_list;
void mu_entity_list_add(mu_entity_list *list, mu_str name, mu_json item);
mu_json mu_entity_list_array(const mu_entity_list *list);
mu_json mu_entity_list_object(const mu_entity_list *list);

#endif
