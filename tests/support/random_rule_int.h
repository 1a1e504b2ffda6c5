/* random_rule_int.h -- what the files of the rule generator share. */
#ifndef MU_TESTS_SUPPORT_RANDOM_RULE_INT_H
#define MU_TESTS_SUPPORT_RANDOM_RULE_INT_H

#include "tests/support/random_rule.h"

#define SCOPES_MAX    6
#define VARIABLES_MAX 40

/* A piece of text that may stand where a postfix expression may, and its type. text.ptr is NULL
 * when the schema offers nothing of the wanted type. */
typedef struct term {
    mu_str text;
    const mu_type *type;
} term;

typedef struct variable {
    mu_str name;
    const mu_type *type;
} variable;

typedef struct rule_maker {
    mu_dice *dice;
    mu_arena *arena;
    const mu_random_rule_options *options;
    uint32_t n_scopes; /* scopes[0] is the root: the profile row */
    const mu_type *scopes[SCOPES_MAX];
    uint32_t n_variables;
    variable variables[VARIABLES_MAX];
    uint32_t alias_start, alias_end; /* those of `variables` that are aliases of the chain around */
    unsigned n_nested_events; /* times that rule_may_use_events said yes inside another list */
    unsigned event_depth;     /* enclosing iterations over lists made of xEvent */
    uint32_t n_names;         /* handed out so far, so that no variable hides another */
} rule_maker;

/* Sets of type kinds. */
#define KIND(kind) (1u << (kind))
#define K_BOOLEAN  KIND(MU_TYPE_BOOLEAN)
#define K_NUMBER   (KIND(MU_TYPE_INTEGER) | KIND(MU_TYPE_DOUBLE))
#define K_STRING   KIND(MU_TYPE_STRING)
#define K_TIME     (KIND(MU_TYPE_DATE) | KIND(MU_TYPE_TIMESTAMP))
#define K_SCALAR   (K_BOOLEAN | K_NUMBER | K_STRING | K_TIME)
#define K_LIST     KIND(MU_TYPE_LIST)
#define K_MAP      KIND(MU_TYPE_MAP)
#define K_OBJECT   KIND(MU_TYPE_OBJECT)
#define K_ANYTHING (K_SCALAR | K_LIST | K_MAP | K_OBJECT)

static inline bool chance(rule_maker *maker, unsigned percent)
{
    return mu_dice_percent(maker->dice, percent);
}

static inline uint32_t pick(rule_maker *maker, uint32_t n)
{
    return mu_dice_below(maker->dice, n);
}

/* One of the strings given. */
#define ONE_OF(maker, ...)                                                                         \
    ((const char *const[]){__VA_ARGS__}[pick(                                                      \
        (maker), (uint32_t)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)))])

/* Texts of the generator hold no NUL and end in one, so that each argument is evaluated once. */
#define TEXT(maker, ...) mu_arena_format((maker)->arena, __VA_ARGS__)
#define S                "%s"
#define A(text)          ((text).ptr)

/* -------- terms: paths, literals, scalar and list expressions -------- */

mu_str rule_new_name(rule_maker *maker, const char *prefix);
mu_str rule_string_literal(rule_maker *maker, mu_str value);

/* A field path whose type is in `kinds`; a list only when its items are in `items`. */
term rule_path(rule_maker *maker, unsigned kinds, unsigned items);

/* May another list of events be gone through here, or would that take too long? A rule may do so
 * once inside another one. */
bool rule_may_use_events(rule_maker *maker);
bool rule_is_of_events(term list);

/* A literal of a scalar kind. */
term rule_literal(rule_maker *maker, mu_type_kind kind);

/* A scalar of one of the kinds. */
term rule_scalar(rule_maker *maker, unsigned kinds, unsigned depth);

/* A list whose items are in `items`; never text.ptr == NULL. */
term rule_list(rule_maker *maker, unsigned items, unsigned depth);

/* An expression evaluated for the items of `list`: `[cond]`, `exists(cond)` ... `kinds` 0 means a
 * condition. Sometimes an explicit lambda where `may_be_lambda`. */
term rule_per_item(rule_maker *maker, term list, unsigned kinds, unsigned depth,
                   bool may_be_lambda);

/* A list, or xEvent, narrowed by a filter now and then. */
term rule_objects(rule_maker *maker, unsigned depth);

/* What declarations add to the maker and leaving takes away again. */
typedef struct rule_mark {
    uint32_t n_variables;
    unsigned event_depth;
} rule_mark;

static inline rule_mark rule_enter(const rule_maker *maker)
{
    return (rule_mark){maker->n_variables, maker->event_depth};
}

static inline void rule_leave(rule_maker *maker, rule_mark mark)
{
    maker->n_variables = mark.n_variables;
    maker->event_depth = mark.event_depth;
}

/* "a from L where c, b from a.m where d"; the variables stay until rule_leave. */
mu_str rule_declarations(rule_maker *maker, unsigned depth);

/* -------- time -------- */

/* What follows `occurs` or stands in WHEN; alias bases only inside chains, where they are
 * variables. */
mu_str rule_time_spec(rule_maker *maker, unsigned depth);
mu_str rule_chain(rule_maker *maker, unsigned depth);

/* -------- conditions -------- */

mu_str rule_condition(rule_maker *maker, unsigned depth);

#endif
