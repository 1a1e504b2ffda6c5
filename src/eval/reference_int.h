/* reference_int.h -- what the files of the reference evaluator share.
 *
 * One mu_evaluator serves one evaluation. Recursion follows the rule's tree, whose depth the parser
 * limits to MU_PQL_DEPTH_MAX; values nest at most MU_JSON_DEPTH_MAX deep plus what the rule builds
 * around them.
 */
#ifndef MU_EVAL_REFERENCE_INT_H
#define MU_EVAL_REFERENCE_INT_H

#include "base/regex.h"
#include "eval/eval.h"

#define MU_REFERENCE_DEPTH_MAX (4 * MU_PQL_DEPTH_MAX)

/* -------- scopes -------- */

typedef enum mu_scope_kind {
    MU_SCOPE_ITEM,          /* an implicit item: what `this` is and `^` leaves */
    MU_SCOPE_COMPREHENSION, /* `e` of `select e from ...` */
    MU_SCOPE_LAMBDA,        /* a named parameter of a lambda around an item */
    MU_SCOPE_LET,           /* a name with one value: let, and a lambda at the root */
    MU_SCOPE_ALIAS          /* an event that a chain has chosen */
} mu_scope_kind;

/* One binding. Innermost first; the end of the list is the profile. */
struct mu_reference_scope {
    const mu_reference_scope *outer;
    mu_scope_kind kind;
    mu_str name; /* all but ITEM */
    mu_value value;
    int64_t time_ms; /* ALIAS: when it happened */
};

/* -------- one evaluation -------- */

typedef struct mu_regex_entry {
    struct mu_regex_entry *next;
    mu_str pattern;
    mu_regex *regex; /* NULL: the pattern does not compile */
} mu_regex_entry;

/* The values that groupBy grouped by, beside the MAP it returned (whose keys are text). */
typedef struct mu_group_keys {
    struct mu_group_keys *next;
    const mu_value *map_items;
    const mu_value *keys;
} mu_group_keys;

typedef struct mu_evaluator {
    mu_arena *arena;
    const mu_reference_context *context;
    uint32_t trips;
    uint32_t depth;
    mu_regex_entry *regexes;
    mu_group_keys *groups;
    /* For explain.c: events because of which a chain evaluated for the profile holds. */
    void (*chain_holds)(void *context, const mu_pql *chain, uint32_t n, const mu_value *events);
    void *chain_context;
} mu_evaluator;

void mu_evaluator_init(mu_evaluator *evaluator, mu_arena *arena,
                       const mu_reference_context *context);
void mu_evaluator_fini(mu_evaluator *evaluator);

/* The whole query for the profile. */
mu_reference_result mu_evaluator_run(mu_evaluator *evaluator, const mu_pql *query);

/* One node in a scope; every evaluation of a node goes through here. */
mu_value mu_reference_node(mu_evaluator *evaluator, const mu_pql *node,
                           const mu_reference_scope *scope);

/* A function or operator on values that are known: calls without lambda arguments. `node` is where
 * types and names are read from. */
mu_value mu_reference_apply(mu_evaluator *evaluator, const mu_pql *node, mu_pql_function function,
                            uint32_t n_args, const mu_value *args);

/* An item expression (LAMBDA or FUNCTION_REFERENCE) for an item. With two named parameters the
 * first is `key` and the second the item; the context is the first. */
mu_value mu_reference_item(mu_evaluator *evaluator, const mu_pql *lambda,
                           const mu_reference_scope *scope, mu_value item, mu_value key);

/* Field `name` of an object, map or list of them (pql.md 5). */
mu_value mu_reference_member(mu_evaluator *evaluator, mu_value base, mu_str name);

/* No schema said what this node's value is. */
bool mu_reference_is_dynamic(const mu_pql *node);

const mu_reference_scope *mu_reference_find(const mu_reference_scope *scope, mu_str name);

/* The profile, and its events: a LIST, empty when there are none. */
mu_value mu_reference_profile(const mu_evaluator *evaluator);
mu_value mu_reference_events(const mu_evaluator *evaluator);

/* -------- values -------- */

bool mu_value_is_number(mu_value value);
double mu_value_as_double(mu_value number);
static inline bool mu_value_is_integer(mu_value value)
{
    return value.kind == MU_TYPE_INTEGER;
}

/* What a list function sees: a list's items, a map's values, nothing for null, one item for
 * anything else (pql.md 8.2, D23). */
mu_value mu_value_as_list(mu_arena *arena, mu_value value);

/* Equality of pql.md 6.3 on scalars: `first` decides the type. */
typedef enum mu_order { MU_ORDER_NONE, MU_ORDER_LESS, MU_ORDER_EQUAL, MU_ORDER_GREATER } mu_order;
mu_order mu_value_compare(mu_value first, mu_value second, bool text_may_be_time);

/* `=` between list items and the like: scalars by mu_value_compare, lists as D27, objects deeply;
 * null equals nothing. */
bool mu_value_equals(mu_value first, mu_value second, bool text_may_be_time);

/* The same value: numbers by amount, everything else within its kind. An equivalence, so distinct
 * and groupBy use it. */
bool mu_value_same(mu_value a, mu_value b);

/* A total order for sorting: numbers, strings, dates and times within their kind, then by kind;
 * null and what has no order last. */
int mu_value_sort_order(mu_value a, mu_value b);
bool mu_value_has_order(mu_value value);

/* Text of a scalar in the arena; false when it has none. */
bool mu_value_render(mu_arena *arena, mu_value value, mu_str *out);

/* A point in time from a Date, a Timestamp or ISO 8601 text; *is_day for a calendar day. */
bool mu_value_as_time(mu_value value, int64_t *out_ms, bool *is_day);

/* A growing list in the arena. */
typedef struct mu_value_list {
    mu_arena *arena;
    mu_value *items;
    uint32_t n, capacity;
} mu_value_list;
void mu_value_list_init(mu_value_list *list, mu_arena *arena);
void mu_value_list_add(mu_value_list *list, mu_value value);
static inline mu_value mu_value_of_list(const mu_value_list *list)
{
    return (mu_value){.kind = MU_TYPE_LIST, .n = list->n, .items = list->items};
}

/* -------- families of functions -------- */

mu_value mu_reference_arithmetic(mu_pql_function function, uint32_t n_args, const mu_value *args);
mu_value mu_reference_number(mu_pql_function function, const mu_value *args);
mu_value mu_reference_string_test(mu_evaluator *evaluator, mu_pql_function function,
                                  uint32_t n_args, const mu_value *args);
mu_value mu_reference_regex_group(mu_evaluator *evaluator, uint32_t n_args, const mu_value *args);
mu_value mu_reference_text(mu_evaluator *evaluator, mu_pql_function function, uint32_t n_args,
                           const mu_value *args);
mu_value mu_reference_convert(mu_evaluator *evaluator, mu_pql_function function,
                              const mu_value *args);
mu_value mu_reference_date(mu_evaluator *evaluator, mu_pql_function function, uint32_t n_args,
                           const mu_value *args);
/* The month, year, day ... of an instant; null for functions that give no such part. */
mu_value mu_reference_date_part(mu_pql_function function, int64_t ms);
mu_value mu_reference_format_date(mu_arena *arena, int64_t ms, mu_str pattern, mu_str locale);
mu_value mu_reference_set(mu_evaluator *evaluator, const mu_pql *node, mu_pql_function function,
                          const mu_value *args);
mu_value mu_reference_list(mu_evaluator *evaluator, mu_pql_function function, const mu_value *args);
mu_value mu_reference_map(mu_evaluator *evaluator, mu_pql_function function, const mu_value *args);
mu_value mu_reference_aggregate(mu_evaluator *evaluator, mu_pql_function function, mu_value list);
/* Calls with an item expression, evaluated from their nodes. */
mu_value mu_reference_item_call(mu_evaluator *evaluator, const mu_pql *node,
                                const mu_reference_scope *scope);
mu_value mu_reference_in_segment(mu_evaluator *evaluator, mu_value id);
/* Records of a lookup class by key: a list of keys gives a list of records. */
mu_value mu_reference_resolve(mu_evaluator *evaluator, mu_value key, mu_str class_name);
mu_value mu_reference_select(mu_evaluator *evaluator, const mu_pql *node,
                             const mu_reference_scope *scope);
mu_value mu_reference_quantified(mu_evaluator *evaluator, const mu_pql *node,
                                 const mu_reference_scope *scope);
mu_value mu_reference_aggregate_over(mu_evaluator *evaluator, const mu_pql *node,
                                     const mu_reference_scope *scope);
mu_value mu_reference_chain(mu_evaluator *evaluator, const mu_pql *node,
                            const mu_reference_scope *scope);

/* MD5 (RFC 1321) as 32 hexadecimal digits, and base64 (RFC 4648 4). */
mu_str mu_md5_hex(mu_arena *arena, mu_str text);
mu_str mu_base64_encode(mu_arena *arena, mu_str text);
bool mu_base64_decode(mu_arena *arena, mu_str text, mu_str *out);

/* -------- time -------- */

/* A specification whose times are known. */
typedef struct mu_when_set {
    const mu_pql_when *when;
    mu_time_bounds start, end;
    mu_time_range range;
} mu_when_set;

/* False when a time it mentions is null: then nothing satisfies it. */
bool mu_reference_when(mu_evaluator *evaluator, const mu_pql_when *when,
                       const mu_reference_scope *scope, mu_when_set *out);
bool mu_when_contains(const mu_when_set *set, int64_t t_ms);
mu_value mu_reference_occurs(mu_evaluator *evaluator, const mu_pql *node,
                             const mu_reference_scope *scope);
/* The instant of `N unit before T`. */
mu_value mu_reference_time_point(mu_evaluator *evaluator, const mu_pql *node,
                                 const mu_reference_scope *scope);
mu_time_bounds mu_time_bounds_of_instant(int64_t ms);
/* False when the value is no time. */
bool mu_time_bounds_of_value(mu_value value, mu_time_bounds *out);
mu_time_bounds mu_time_bounds_of_point(const mu_pql *point, mu_time_bounds base);

/* -------- trees -------- */

/* Calls `visit` for the direct children of a node, in the order of the text. */
typedef void mu_node_visitor(void *context, const mu_pql *child);
void mu_reference_children(const mu_pql *node, mu_node_visitor *visit, void *context);

#endif
