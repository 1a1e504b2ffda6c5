/* bind_int.h -- what the files of the binder share.
 *
 * A binder walks a parsed tree once and builds a new one. It knows, at every node, the implicit
 * items around it (scopes, the whole query's parameter outermost) and the names in reach
 * (variables). Recursion follows the tree, whose depth the parsers limit to MU_PQL_DEPTH_MAX.
 */
#ifndef MU_PQL_BIND_INT_H
#define MU_PQL_BIND_INT_H

#include "pql/pql.h"

typedef enum variable_kind {
    VARIABLE_LET,
    VARIABLE_LAMBDA,        /* a named parameter of an item expression */
    VARIABLE_COMPREHENSION, /* of select, a quantifier or an aggregate */
    VARIABLE_ALIAS,         /* of a chain element */
    VARIABLE_LATER_ALIAS,   /* of an element further on in the chain: may not be used yet */
    VARIABLE_QUERY          /* a named parameter of the whole query; `position` says which */
} variable_kind;

typedef struct variable {
    mu_str name;
    const mu_type *type;
    variable_kind kind;
    uint32_t depth;    /* index of the innermost scope where it was declared */
    uint32_t position; /* QUERY only */
} variable;

typedef struct binder {
    mu_arena *arena;
    const mu_pql_bind_options *options;
    mu_pql_diagnostics *diagnostics;
    const mu_type *event; /* of the schema, ANY without one */
    uint32_t n_scopes, scopes_capacity;
    const mu_type **scopes; /* types of the implicit items, the profile first */
    uint32_t n_variables, variables_capacity;
    variable *variables;       /* innermost last */
    bool map_entry_is_allowed; /* the node about to be bound is the body of `map` */
} binder;

/* -------- bind.c -------- */

/* Any node that is a value. */
const mu_pql *mu_bind_node(binder *b, const mu_pql *node);

/* A new node like `node`, to be filled. */
mu_pql *mu_bind_copy(binder *b, const mu_pql *node);

/* What stands for a node with an error: no children, type ANY, so that nothing else is said of it.
 * Only trees that are never handed out have such nodes. */
const mu_pql *mu_bind_failed(binder *b, const mu_pql *place);

/* All arguments of `from`, bound, into `to`. */
void mu_bind_args(binder *b, const mu_pql *from, mu_pql *to);

/* A value used as a condition; reports `code` when it cannot be one (pql.md 6.4). */
const mu_pql *mu_bind_condition(binder *b, const mu_pql *node, const char *code);

/* An item expression: a LAMBDA, or what becomes one, for items of type `item`. With two names the
 * first has type `key`; NULL: two names are not allowed here. The result is no LAMBDA when there is
 * none to be had. */
const mu_pql *mu_bind_lambda(binder *b, const mu_pql *node, const mu_type *item,
                             const mu_type *key);

void mu_bind_push_scope(binder *b, const mu_type *item);
void mu_bind_pop_scope(binder *b);
void mu_bind_push_variable(binder *b, mu_str name, variable_kind kind, const mu_type *type);
void mu_bind_pop_variables(binder *b, uint32_t n); /* down to n */
const variable *mu_bind_find_variable(const binder *b, mu_str name);

/* PARAMETER 1 of the whole query, seen from the current scope. */
const mu_pql *mu_bind_root(binder *b, const mu_pql *place);
/* FIELD xEvent of it. */
const mu_pql *mu_bind_events(binder *b, const mu_pql *place);

void mu_bind_report(binder *b, const mu_pql *place, const char *code, const char *format, ...)
    MU_PRINTF(4, 5);
const char *mu_bind_type_name(binder *b, const mu_type *type); /* NUL-terminated */
const char *mu_bind_what(binder *b, const mu_pql *bound);      /* the same of a node's value */

/* -------- bind_field.c -------- */

const mu_pql *mu_bind_field(binder *b, const mu_pql *node);

/* The plain form of a field's name in an object of `type` (NULL or ANY: not known). */
mu_str mu_bind_plain_name(const mu_type *type, mu_str name);

/* -------- bind_call.c -------- */

const mu_pql *mu_bind_call(binder *b, const mu_pql *node);

/* -------- type_check.c -------- */

static inline bool mu_type_may_be(const mu_type *type, mu_type_kind kind)
{
    return type->kind == kind || type->kind == MU_TYPE_ANY || type->kind == MU_TYPE_NULL;
}
bool mu_type_is_condition(const mu_type *type);
/* Can the bound node be a condition (pql.md 6.4)? Sharper than its type: a sum of two unknown
 * things is a number, though of unknown kind. */
bool mu_is_condition(const mu_pql *bound);
bool mu_type_is_scalar(const mu_type *type);  /* ANY and NULL included */
bool mu_type_is_numeric(const mu_type *type); /* ANY and NULL included */
bool mu_type_is_time(const mu_type *type);    /* Date, Timestamp, text; ANY and NULL included */

/* The type of a value that is one of both: Integer and Double give Double, different ones ANY. */
const mu_type *mu_type_common(mu_arena *arena, const mu_type *a, const mu_type *b);

/* What a list function or comprehension over `type` sees as one item; NULL when it is no list. */
const mu_type *mu_type_item(const mu_type *type);

/* What `sum`, `min` ... over items of `item` give. */
const mu_type *mu_type_aggregate(mu_pql_function function, const mu_type *item);

/* Reports arguments of the wrong type (T02, T03, T04) and warns of comparisons with null. */
void mu_check_arguments(binder *b, const mu_pql *call);

/* The type of a call whose arguments are bound. */
const mu_type *mu_call_type(binder *b, const mu_pql *call);

/* -------- bind_comprehension.c -------- */

const mu_pql *mu_bind_comprehension(binder *b, const mu_pql *node);

/* -------- bind_time.c -------- */

const mu_pql *mu_bind_occurs(binder *b, const mu_pql *node);
const mu_pql_when *mu_bind_when(binder *b, const mu_pql_when *when);

/* -------- bind_chain.c -------- */

const mu_pql *mu_bind_chain(binder *b, const mu_pql *node);

/* -------- limits.c -------- */

/* V02, W03 and W04 of a bound tree. */
void mu_check_limits(binder *b, const mu_pql *bound);

/* -------- features.c, eligibility.c -------- */

/* FIELD xEvent of the whole query's parameter, at any depth. */
static inline bool mu_pql_is_events(const mu_pql *node)
{
    return node->kind == MU_PQL_FIELD && mu_str_equal(node->name, MU_STR("xEvent")) &&
           node->args[0]->kind == MU_PQL_PARAMETER && node->args[0]->position == 1;
}

/* -------- features.c: what a rule makes use of (pql.md 18.1) -------- */

typedef struct event_reference {
    bool is_negative;
    bool is_within_a_day; /* its past window is at most 24 hours (D85) */
    bool has_count;
    const mu_pql *chain; /* NULL when it stands alone */
} event_reference;

typedef struct rule_features {
    uint32_t n_events, events_capacity;
    event_reference *events;
    uint32_t n_segments, segments_capacity;
    mu_str *segments;
    uint32_t n_aggregations; /* over events */
    uint32_t n_counts;       /* COUNT(...) of chain elements */
    bool has_profile_attributes, has_relationship, ignores_year, reads_aam, has_tier_2;
    mu_str tier_2_name; /* the first such function */
} rule_features;

void mu_rule_features(mu_arena *arena, const mu_pql *bound, rule_features *out);

#endif
