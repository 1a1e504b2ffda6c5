/* pql.h -- the rule language: text and JSON trees in, one tree, canonical text and JSON out.
 *
 * One tree serves both formats, the binder and both evaluators. Nodes live in the arena they were
 * parsed into and are const afterwards; binding makes a new tree. Source: pql.md.
 *
 *   text --mu_pql_parse_text--\                          /--> canonical text (mu_pql_write_text)
 *                              tree --mu_pql_bind--> tree ---> JSON          (mu_pql_write_json)
 *   JSON --mu_pql_parse_json--/                          \--> plan, reference evaluator
 */
#ifndef MU_PQL_PQL_H
#define MU_PQL_PQL_H

#include "base/time.h"
#include "xdm/schema.h"
#include "xdm/value.h"
#include "json/json.h"

typedef enum mu_pql_function {
#define F(id, name, least, most, lambdas, tier) MU_FN_##id,
#include "pql/functions.def"
#undef F
    MU_FN_UNKNOWN, /* a name no function has: PQL-R04 when bound */
    MU_FN_COUNT_
} mu_pql_function;

typedef struct mu_pql_function_info {
    mu_str name;
    uint32_t arguments_min, arguments_max;
    uint32_t lambda_mask;
    int tier;
} mu_pql_function_info;

const mu_pql_function_info *mu_pql_function_of(mu_pql_function function);
mu_pql_function mu_pql_function_find(mu_str name); /* MU_FN_UNKNOWN when none */

typedef enum mu_pql_kind {
    MU_PQL_LITERAL,          /* literal: NULL, BOOLEAN, INTEGER, DOUBLE or STRING */
    MU_PQL_ARRAY,            /* args: items */
    MU_PQL_OBJECT,           /* names[i]: args[i] */
    MU_PQL_FIELD,            /* args[0] . name */
    MU_PQL_PARAMETER,        /* position, up: see below */
    MU_PQL_VARIABLE,         /* name: lambda parameter, comprehension variable, let, chain alias */
    MU_PQL_SCHEMA_REFERENCE, /* name: text between @{ and } */
    MU_PQL_FUNCTION_REFERENCE, /* function, name: a unary function as a value */
    MU_PQL_CALL,          /* function, name, args; operators too; unary minus is SUBTRACT of one */
    MU_PQL_LAMBDA,        /* names: parameters (none: implicit), args[0]: body */
    MU_PQL_SELECT,        /* declarations */
    MU_PQL_QUANTIFIED,    /* quantifier, declarations */
    MU_PQL_AGGREGATE,     /* function SUM|AVERAGE|MIN|MAX|COUNT, args[0] body, declarations */
    MU_PQL_LET,           /* name, args[0]: value, args[1]: body */
    MU_PQL_OCCURS,        /* args[0]: timestamp, when */
    MU_PQL_TIME_WORD,     /* time_word; also as an ordinary value: a Timestamp */
    MU_PQL_TIME_INTERVAL, /* interval, unit: this week */
    MU_PQL_TIME_POINT,    /* count, unit, direction, args[0]: base: 7 days before now */
    MU_PQL_CHAIN          /* args[0]: list, name: time field, items */
} mu_pql_kind;

/* PARAMETER. position 1 with up = 0 is the innermost implicit item (`this`), up = k leaves k
 * scopes. Every LAMBDA opens a scope except one that is the root of the whole query, whose scope is
 * the root scope itself. In a FIELD whose args[0] is a PARAMETER the text has no receiver:
 * `person.name`. `xEvent` at any depth is FIELD xEvent of the root parameter (up = the depth).
 * position >= 2 is always a parameter of the whole query, up = 0. */

typedef enum mu_quantifier {
    MU_QUANTIFIER_SOME,
    MU_QUANTIFIER_ALL,
    MU_QUANTIFIER_NONE,
    MU_QUANTIFIER_ONE
} mu_quantifier;

typedef enum mu_time_word {
    MU_TIME_NOW,
    MU_TIME_TODAY,
    MU_TIME_YESTERDAY,
    MU_TIME_TOMORROW
} mu_time_word;

typedef enum mu_time_interval {
    MU_INTERVAL_THIS,
    MU_INTERVAL_LAST,
    MU_INTERVAL_NEXT
} mu_time_interval;

typedef enum mu_direction {
    MU_DIRECTION_ON,
    MU_DIRECTION_BEFORE,
    MU_DIRECTION_AFTER,
    MU_DIRECTION_FROM,
    MU_DIRECTION_BETWEEN
} mu_direction;

typedef struct mu_pql mu_pql;

typedef struct mu_pql_declaration {
    mu_str name;
    const mu_pql *from;
    const mu_pql *where; /* NULL when absent */
    uint32_t line, column;
} mu_pql_declaration;

/* What follows `occurs`, or stands in WHEN. With a qualification the relation is BEFORE, AFTER or
 * FROM:
 * `<= 3 days before X`. Sugar is already resolved. */
typedef struct mu_pql_when {
    mu_direction relation;
    bool has_qualification, ignores_year;
    mu_pql_function comparison; /* EQUAL .. GREATER_EQUAL, NOT_EQUAL */
    int64_t count;
    mu_unit unit;
    const mu_pql *start; /* the time; BETWEEN: the first */
    const mu_pql *end;   /* BETWEEN only, else NULL */
} mu_pql_when;

typedef enum mu_pql_item_kind { MU_ITEM_ELEMENT, MU_ITEM_GAP, MU_ITEM_EXCLUDE } mu_pql_item_kind;

typedef struct mu_pql_chain_item {
    mu_pql_item_kind kind;
    mu_str name;         /* alias; len 0 when none */
    const mu_pql *what;  /* LAMBDA without parameters; NULL for GAP */
    const mu_pql *where; /* LAMBDA, or NULL */
    const mu_pql_when
        *when; /* NULL when absent; evaluated in the scope around the chain, with aliases */
    bool has_count, count_is_all, count_is_between;
    mu_pql_function comparison; /* COUNT: GREATER_EQUAL for COUNT(n); GAP: LESS_EQUAL by default */
    int64_t count, count_max;   /* COUNT: value, upper value of between; GAP: count */
    mu_unit unit;               /* GAP */
    uint32_t line, column;
} mu_pql_chain_item;

struct mu_pql {
    mu_pql_kind kind;
    mu_pql_function function;
    uint32_t id; /* dense from 0 within a tree, in preorder; set by parsing and by binding */
    uint32_t line, column; /* 1-based place in the text; 0 in a tree that came as JSON */
    mu_str pointer;        /* JSON pointer in a tree that came as JSON */
    mu_str name;
    mu_value literal;
    uint32_t n_args;
    const mu_pql *const *args;
    uint32_t n_names;
    const mu_str *names;
    uint32_t position, up;
    mu_quantifier quantifier;
    uint32_t n_declarations;
    const mu_pql_declaration *declarations;
    const mu_pql_when *when;
    mu_time_word time_word;
    mu_time_interval interval;
    mu_unit unit;
    int64_t count;
    mu_direction direction;
    uint32_t n_items;
    const mu_pql_chain_item *items;
    /* -- set by mu_pql_bind, NULL / false before -- */
    const mu_type *type; /* never NULL in a bound tree */
    mu_str hop_class;    /* FIELD: args[0] is a key of this lookup class; len 0 when no hop */
};

/* Calls `visit` for the direct children of a node: arguments, declarations, times, chain items. */
typedef void mu_pql_visitor(void *context, const mu_pql *child);
void mu_pql_children(const mu_pql *node, mu_pql_visitor *visit, void *context);

/* -------- diagnostics -------- */

typedef struct mu_pql_diagnostic {
    char code[12]; /* "PQL-S01", "W03" */
    uint32_t line, column;
    mu_str pointer; /* instead of line and column for trees */
    mu_str message; /* without place and code */
    bool is_warning;
} mu_pql_diagnostic;

/* Grows in the arena given to mu_pql_diagnostics_init. */
typedef struct mu_pql_diagnostics {
    mu_arena *arena;
    uint32_t n, n_errors, capacity;
    mu_pql_diagnostic *items;
} mu_pql_diagnostics;

void mu_pql_diagnostics_init(mu_pql_diagnostics *diagnostics, mu_arena *arena);
void mu_pql_report(mu_pql_diagnostics *diagnostics, const char *code, uint32_t line,
                   uint32_t column, mu_str pointer, mu_str message);

/* "line L:C CODE message" ("POINTER CODE message" for a tree). */
mu_str mu_pql_diagnostic_line(mu_arena *arena, const mu_pql_diagnostic *diagnostic);

/* The same followed by the source line and a caret under the place. */
mu_str mu_pql_diagnostic_picture(mu_arena *arena, const mu_pql_diagnostic *diagnostic,
                                 mu_str source);

/* -------- parsing -------- */

#define MU_PQL_TEXT_MAX  ((size_t)1 << 20)
#define MU_PQL_DEPTH_MAX 200

/* Any bytes get an answer. On failure (MU_E_SYNTAX) the first syntax error is in `diagnostics`. */
MU_CHECKED mu_code mu_pql_parse_text(mu_arena *arena, mu_str text, const mu_pql **out,
                                     mu_pql_diagnostics *diagnostics);
MU_CHECKED mu_code mu_pql_parse_json(mu_arena *arena, mu_str text, const mu_pql **out,
                                     mu_pql_diagnostics *diagnostics);
MU_CHECKED mu_code mu_pql_parse_tree(mu_arena *arena, const mu_json *tree, const mu_pql **out,
                                     mu_pql_diagnostics *diagnostics);

/* Text or tree, told apart by the first character ('{' followed by a quoted nodeType member: a
 * tree). */
MU_CHECKED mu_code mu_pql_parse(mu_arena *arena, mu_str source, const mu_pql **out,
                                mu_pql_diagnostics *diagnostics);

/* -------- printing -------- */

void mu_pql_write_text(mu_buf *buf, const mu_pql *query);
void mu_pql_write_json(mu_buf *buf, const mu_pql *query);

/* -------- binding -------- */

typedef struct mu_pql_bind_options {
    const mu_schema *schema; /* NULL: check what can be checked without one */
    bool must_be_condition;  /* report PQL-V03 unless the result is Boolean, list or map */
    /* The id that an inSegment argument stands for, or len 0 (PQL-R03); NULL: any id is taken. */
    mu_str (*find_segment)(void *context, mu_str id_or_name);
    void *context;
} mu_pql_bind_options;

/* Resolves names, checks types, arity, constants and limits; reports all errors and warnings. On
 * success (no errors) *out is a new tree in `arena` with types and hops set, bare names of W05
 * turned into fields of their variable, and `@id`, prefixes and function references resolved. Node
 * ids are new. */
MU_CHECKED mu_code mu_pql_bind(mu_arena *arena, const mu_pql *query,
                               const mu_pql_bind_options *options, const mu_pql **out,
                               mu_pql_diagnostics *diagnostics);

/* -------- eligibility (pql.md 18) -------- */

typedef enum mu_method { MU_METHOD_BATCH, MU_METHOD_STREAMING, MU_METHOD_EDGE } mu_method;

typedef struct mu_eligibility {
    bool streaming, edge;    /* batch always */
    mu_str streaming_reason; /* why not; len 0 when eligible */
    mu_str edge_reason;
    uint32_t n_segments; /* ids named by inSegment, distinct, in order of appearance */
    const mu_str *segments;
    bool has_events, has_profile_attributes;
} mu_eligibility;

typedef struct mu_eligibility_options {
    bool merge_policy_active_on_edge;
    /* Says of a referenced audience whether it holds events, transitively (D88), and whether it is
     * in the AAM namespace. NULL: unknown audiences are taken as profile-only and not AAM. */
    bool (*segment_has_events)(void *context, mu_str id);
    bool (*segment_is_aam)(void *context, mu_str id);
    void *context;
} mu_eligibility_options;

/* Of a bound tree. Strings belong to `arena`. */
void mu_pql_eligibility(mu_arena *arena, const mu_pql *bound, const mu_eligibility_options *options,
                        mu_eligibility *out);

#endif
