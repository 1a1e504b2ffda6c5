/* plan_int.h -- the vectorized plan: levels, columns and hash-consed nodes.
 *
 * Bound trees of all audiences become one directed acyclic graph. A node computes one vector per
 * block: a bitmap, 64-bit integers or doubles with a validity bitmap, with one element per element
 * of its level. Equal nodes are one node, whoever asks for them.
 *
 *   level    the rows (level 0), or the items of a LIST or entries of a MAP column of another level
 *   column   a path from a level's item: the item itself, a field of an object, the key of a map
 * entry node     an operation over columns and other nodes, at a level
 *
 * The plan is immutable while it runs; what depends on a part is in part_int.h, what depends on a
 * block in run_int.h.
 */
#ifndef MU_EVAL_PLAN_INT_H
#define MU_EVAL_PLAN_INT_H

#include "base/automaton.h"
#include "base/hash.h"
#include "base/regex.h"
#include "eval/eval.h"

typedef struct plan plan;

#define NO_NODE   UINT32_MAX
#define NO_LEVEL  UINT32_MAX
#define NO_COLUMN UINT32_MAX

typedef enum vector_kind { VECTOR_BITS, VECTOR_INTEGER, VECTOR_DOUBLE } vector_kind;

/* P(id, "name in the printed plan") */
#define PLAN_OPERATIONS(P)                                                                         \
    P(CONSTANT, "constant")         /* bits: flag; integer: lo; double: dlo; flag false: null */   \
    P(VALID, "valid")               /* column is not null */                                       \
    P(TRUE_BITS, "true")            /* BOOLEAN column holds true */                                \
    P(RANGE, "range")               /* lo <= integer column <= hi */                               \
    P(DOUBLE_RANGE, "double-range") /* dlo <= number column <= dhi */                              \
    P(TABLE, "table")               /* predicate of one column, decided once per value */          \
    P(TEXT_COMPARE, "text-compare") /* string column comparison string column2, same level */      \
    P(AND, "and")                                                                                  \
    P(OR, "or")                                                                                    \
    P(NOT, "not")                                                                                  \
    P(COMPARE, "compare") /* two numeric nodes of one kind */                                      \
    P(COMPARE_OWNER,                                                                               \
      "compare-owner")        /* number column with a node of an ancestor; flag: doubles */        \
    P(IN_RANGE, "in-range")   /* numeric node in [lo, hi], or in [dlo, dhi] */                     \
    P(BROADCAST, "broadcast") /* from an ancestor level */                                         \
    P(ANY, "any")             /* some bit among the items of each owner */                         \
    P(FIRST, "first")         /* of each owner's bits only the first */                            \
    P(BEST, "best")           /* the `lo` best of each owner by number; flag: largest */           \
    P(CHAIN, "chain")                                                                              \
    P(RELATED, "related")     /* items of one owner that stand to each other as asked */           \
    P(IS_VALID, "is-valid")   /* numeric node is not null */                                       \
    P(MEMBER, "member")       /* of audience `lo` of the job */                                    \
    P(KNOWN, "known")         /* in the membership `lo` that was decided before */                 \
    P(REFERENCE, "reference") /* no kernel: row by row */                                          \
    P(LOAD, "load")           /* numeric column as integers or doubles */                          \
    P(TO_DOUBLE, "to-double")                                                                      \
    P(SCALE, "scale") /* days to milliseconds (flag) or back */                                    \
    P(ARITHMETIC, "arithmetic")                                                                    \
    P(NEGATE, "negate")                                                                            \
    P(SELECT, "select") /* bits ? numeric : numeric */                                             \
    P(COUNT, "count")   /* bits among the items of each owner */                                   \
    P(SUM, "sum")       /* of the numbers of each owner's bits */                                  \
    P(LEAST, "least")                                                                              \
    P(GREATEST, "greatest")                                                                        \
    P(PICK, "pick")                     /* the number of the single item */                        \
    P(DISTINCT_COUNT, "distinct-count") /* inputs bits; distinct values of column */               \
    P(GROUP_SIZE, "group-size") /* inputs bits; items of one value of column; flag: the most */

/* SUM, LEAST, GREATEST, PICK and BEST take their numbers from the second input, or, when there is
 * only one (the bits), straight from `column` and only for items whose bit is set. */

typedef enum plan_operation {
#define P(id, name) PLAN_##id,
    PLAN_OPERATIONS(P)
#undef P
} plan_operation;

typedef struct plan_level {
    uint32_t parent; /* level 0 is its own */
    uint32_t depth;
    uint32_t column; /* the LIST or MAP column that opens it; NO_COLUMN for level 0 */
    uint32_t item;   /* column: the list item or map value */
    uint32_t key;    /* column: the map key, NO_COLUMN for lists and rows */
} plan_level;

typedef enum column_role { COLUMN_ITEM, COLUMN_KEY, COLUMN_FIELD } column_role;

typedef struct plan_column {
    uint32_t level;
    column_role role;
    uint32_t parent; /* FIELD: the OBJECT column */
    mu_str name;     /* FIELD */
    const mu_type *type;
    uint32_t opens; /* level, once somebody asked; NO_LEVEL otherwise */
} plan_column;

/* A predicate over one value: the reference evaluator runs `expression`, in which the input stands
 * as the variable TABLE_INPUT, once for every distinct value. */
typedef struct plan_table {
    const mu_pql *expression;
    mu_type_kind input;                 /* the column's kind in the schema */
    bool of_null;                       /* the result for null */
    bool null_trips;                    /* a guard trips for null */
    const struct text_predicate *quick; /* the same for texts, when it is that simple; else NULL */
    const struct date_predicate *quick_date; /* for days and times */
} plan_table;

#define TABLE_INPUT "$input"

/* Results of a table for one value. */
#define TABLE_TRUE  1u
#define TABLE_TRIPS 2u

/* A test of a text against a constant text, with regard to case (text_predicate.c). */
typedef struct text_predicate {
    mu_pql_function function;
    mu_str constant;
    uint32_t n_constants; /* IN, NOT_IN: instead of `constant`, ascending and distinct */
    const mu_str *constants;
    mu_regex *regex;               /* MATCHES */
    const mu_automaton *automaton; /* MATCHES, where it is that plain, else NULL */
    struct text_predicate *next;   /* of the plan, which frees them */
} text_predicate;

/* The expression of a table as such a test; NULL when it is none. Belongs to the plan. */
const text_predicate *text_predicate_new(plan *plan, const mu_pql *expression);
uint8_t text_predicate_run(const text_predicate *test, mu_str text); /* TABLE_TRUE | TABLE_TRIPS */

/* part(date) compared with a constant, such as birthDate.getMonth() = 3 (date_predicate.c). */
typedef struct date_predicate {
    mu_pql_function part, comparison;
    int64_t constant;
} date_predicate;

/* The expression of a table as such a test; NULL when it is none. */
const date_predicate *date_predicate_new(plan *plan, const mu_pql *expression);
uint8_t date_predicate_run(const date_predicate *test, mu_value date); /* TABLE_TRUE or 0 */

/* What may not happen between two elements: `count` or more events of `bits` whose time, when
 * `when` is not NULL, satisfies it relative to the event before. */
typedef struct plan_exclusion {
    uint32_t bits;
    uint32_t count;
    const mu_pql_when *when;
    int64_t within_ms; /* of a chain `on_bitmaps`: only that long after the event before */
} plan_exclusion;

/* One element of a chain and what stands before it. Conditions and windows that need no other event
 * are already in `bits`. */
typedef struct plan_chain_element {
    uint32_t bits;  /* node at the list's level */
    uint32_t count; /* at least this many events, the last of which is the anchor */
    uint32_t n_gaps;
    const mu_pql_when *gaps; /* the (first) event's time relative to the anchor before */
    uint32_t n_excluded;
    const plan_exclusion *excluded;
    bool has_gap; /* of a chain `on_bitmaps`: this many milliseconds after the anchor before */
    int64_t gap_lo_ms, gap_hi_ms;
} plan_chain_element;

typedef struct plan_chain {
    uint32_t time_column; /* TIMESTAMP column of the list's items, or NO_COLUMN: then */
    uint32_t time;        /* integer node, milliseconds, at the list's level; else NO_NODE */
    /* Gaps are fixed spans, every count is 1, and between elements there are either spans with a
     * beginning or exclusions: the anchors of all owners can be found together. */
    bool on_bitmaps;
    bool is_greedy;     /* nothing stands between the elements */
    uint32_t items_max; /* no search over so few items can exceed the step guard */
    uint32_t n_elements;
    const plan_chain_element *elements;
    uint32_t n_trailing; /* exclusions after the last element */
    const plan_exclusion *trailing;
} plan_chain;

/* -------- items that are related to each other -------- */

/* A value of an item: of a column at its level, or a numeric node there. */
typedef struct plan_operand {
    uint32_t column, node; /* NO_COLUMN or NO_NODE: the other one */
} plan_operand;

typedef enum plan_relation_kind {
    RELATION_INTEGER,
    RELATION_DOUBLE,
    RELATION_TEXT,
    RELATION_TIME /* one lies in the window `when` around the other */
} plan_relation_kind;

/* How an item must stand to the one that was chosen for an earlier element. */
typedef struct plan_relation {
    plan_relation_kind kind;
    mu_pql_function function; /* own function earlier: EQUAL .. GREATER_EQUAL */
    const mu_pql_when *when;  /* TIME */
    bool own_is_base;         /* TIME: the window lies around the item's own time */
    uint32_t element;         /* the earlier one */
    plan_operand own, earlier;
} plan_relation;

/* Items that come into question for an element, or that count for an exclusion. */
typedef struct plan_candidates {
    uint32_t level;
    uint32_t bits;
    uint32_t count; /* exclusion: so many are too many */
    bool varies;    /* the reference tries more items than these, perhaps all */
    uint32_t n_relations;
    const plan_relation *relations;
} plan_candidates;

typedef struct plan_related_element {
    plan_candidates own;
    uint32_t n_excluded; /* between the element before and this one */
    const plan_candidates *excluded;
    bool remembers; /* what follows the choice before does not depend on the choices before that */
} plan_related_element;

/* Is there an item for every element, all of one owner, so that all relations hold? In time order
 * (chains): with strictly ascending times, and fewer excluded items between them than too many. */
typedef struct plan_related {
    bool in_time_order;
    plan_operand time;
    uint32_t n_elements;
    const plan_related_element *elements;
    uint32_t n_trailing; /* exclusions after the last element */
    const plan_candidates *trailing;
    uint32_t items_max; /* owners with more could trip the step guard: their steps are counted */
} plan_related;

typedef struct plan_node {
    plan_operation operation;
    vector_kind kind;
    uint32_t level;      /* of the result */
    uint32_t item_level; /* ANY, COUNT and the like: of the inputs; BROADCAST: of the input */
    uint32_t n_inputs;
    const uint32_t *inputs;
    uint32_t column, column2;
    int64_t lo, hi;
    double dlo, dhi;
    bool flag;
    mu_pql_function function; /* COMPARE, TEXT_COMPARE, ARITHMETIC */
    const plan_table *table;
    const plan_chain *chain;
    const plan_related *related;
    uint32_t table_index; /* TABLE: its place among the job's tables, once it is used */
    uint32_t wanted_by;   /* CHAIN: the AND that is its only user, once scheduled; else NO_NODE */
    const mu_pql *query;  /* REFERENCE */
    uint32_t n_uses;      /* by nodes and audiences; 0: dead */
    bool may_trip; /* a row may be left to the reference, here or below: no constant may hide it */
} plan_node;

struct plan {
    text_predicate *text_predicates;
    mu_arena *arena;
    const mu_schema *schema;
    int64_t now_ms;
    uint32_t n_levels, levels_capacity;
    plan_level *levels;
    uint32_t n_columns, columns_capacity;
    plan_column *columns;
    uint32_t n_nodes, nodes_capacity;
    plan_node *nodes; /* inputs come before their users */
    mu_strmap node_of_key, column_of_key;
    mu_buf key; /* of the node that is looked for */
};

void plan_init(plan *plan, mu_arena *arena, const mu_schema *schema, int64_t now_ms);
void plan_fini(plan *plan);

/* -------- levels and columns -------- */

/* The field of an OBJECT column; NO_COLUMN when its type has none. */
uint32_t plan_field(plan *plan, uint32_t column, mu_str name);

/* The level that a LIST or MAP column opens. */
uint32_t plan_opened_level(plan *plan, uint32_t column);

/* Is `above` the level itself or on the way from it to the rows? */
bool plan_is_ancestor(const plan *plan, uint32_t above, uint32_t level);

/* The deeper of two levels on one line, or NO_LEVEL when they are on different branches. */
uint32_t plan_join_levels(const plan *plan, uint32_t a, uint32_t b);

/* The integers whose doubles lie in [lo, hi]; false when there are none. */
bool plan_integer_bounds(double lo, double hi, int64_t *out_lo, int64_t *out_hi);

/* -------- nodes: all return the id of the one node that is equal, simplified where that is free
 * -------- */

uint32_t plan_bits(plan *plan, bool value); /* constant, level 0 */
uint32_t plan_integer(plan *plan, int64_t value);
uint32_t plan_double(plan *plan, double value);
uint32_t plan_null(plan *plan, vector_kind kind);
uint32_t plan_valid(plan *plan, uint32_t column);
uint32_t plan_true_bits(plan *plan, uint32_t column);
uint32_t plan_range(plan *plan, uint32_t column, int64_t lo, int64_t hi);
uint32_t plan_double_range(plan *plan, uint32_t column, double lo, double hi);
/* The TABLE node that is there already, or NO_NODE. */
uint32_t plan_find_table(plan *plan, uint32_t column, const mu_pql *expression);
uint32_t plan_table_node(plan *plan, uint32_t column, const plan_table *table);
uint32_t plan_text_compare(plan *plan, mu_pql_function function, uint32_t a, uint32_t b);
/* Inputs of any levels on one line; NO_NODE when they are not, or an input is NO_NODE. */
uint32_t plan_and(plan *plan, uint32_t a, uint32_t b);
uint32_t plan_or(plan *plan, uint32_t a, uint32_t b);
uint32_t plan_and_all(plan *plan, plan_operation and_or, uint32_t n, const uint32_t *inputs);
uint32_t plan_not(plan *plan, uint32_t a);
uint32_t plan_compare(plan *plan, mu_pql_function function, uint32_t a, uint32_t b);
/* A number column against a numeric node of a level above. */
uint32_t plan_compare_owner(plan *plan, mu_pql_function function, uint32_t column,
                            uint32_t numeric);
uint32_t plan_in_range(plan *plan, uint32_t numeric, int64_t lo, int64_t hi);
uint32_t plan_in_double_range(plan *plan, uint32_t numeric, double lo, double hi);
uint32_t plan_is_valid(plan *plan, uint32_t numeric);
uint32_t plan_at_level(plan *plan, uint32_t node, uint32_t level); /* broadcast when needed */
/* Reductions of `bits` (at or above item_level) to the owners; bits NO_NODE stands for all items.
 */
uint32_t plan_any(plan *plan, uint32_t bits, uint32_t item_level, uint32_t owner_level);
uint32_t plan_first(plan *plan, uint32_t bits, uint32_t item_level, uint32_t owner_level);
uint32_t plan_best(plan *plan, uint32_t bits, uint32_t key, bool largest, int64_t n,
                   uint32_t item_level, uint32_t owner_level);
uint32_t plan_count(plan *plan, uint32_t bits, uint32_t item_level, uint32_t owner_level);
uint32_t plan_reduce(plan *plan, plan_operation operation, uint32_t bits, uint32_t numeric,
                     uint32_t item_level, uint32_t owner_level);
uint32_t plan_distinct_count(plan *plan, uint32_t bits, uint32_t column, uint32_t owner_level);
/* The size of each owner's largest or smallest group of items with equal values; null: no group. */
uint32_t plan_group_size(plan *plan, uint32_t bits, uint32_t column, bool largest,
                         uint32_t owner_level);
uint32_t plan_chain_node(plan *plan, const plan_chain *chain, uint32_t item_level,
                         uint32_t owner_level);
/* Per owner; or, when `of_first`, per item of the first element: is there one with it? */
uint32_t plan_related_node(plan *plan, const plan_related *related, uint32_t owner_level,
                           bool of_first);
uint32_t plan_member(plan *plan, uint32_t audience);
uint32_t plan_known(plan *plan, uint32_t membership);
uint32_t plan_reference(plan *plan, const mu_pql *query);
uint32_t plan_load(plan *plan, uint32_t column, vector_kind kind);
uint32_t plan_to_double(plan *plan, uint32_t numeric);
uint32_t plan_scale(plan *plan, uint32_t integers, bool days_to_ms);
uint32_t plan_arithmetic(plan *plan, mu_pql_function function, uint32_t a, uint32_t b);
uint32_t plan_negate(plan *plan, uint32_t numeric);
uint32_t plan_select(plan *plan, uint32_t bits, uint32_t a, uint32_t b);

/* One line per live node. */
void plan_write(const plan *plan, mu_buf *buf);
void plan_write_column(const plan *plan, uint32_t column, mu_buf *buf);

/* -------- compiling (compile.c) -------- */

typedef struct compile_job {
    plan *plan;
    /* The position among the job's audiences of an id, or UINT32_MAX. */
    uint32_t (*find_audience)(void *context, mu_str id);
    /* The same among the memberships that were decided before; *row_condition (NULL: none), bound:
     * who fulfils it is a member too. */
    uint32_t (*find_known)(void *context, mu_str id, const mu_pql **row_condition);
    void *context;
    const mu_reference_context *reference; /* for tables: now and look-ups */
    mu_arena scratch;                      /* of the condition that is compiled */
    uint32_t depth;                        /* of conditions within conditions */
} compile_job;

/* The root condition of a bound query as a bitmap node at level 0; never fails: what has no kernel
 * becomes REFERENCE. */
uint32_t compile_condition(compile_job *job, const mu_pql *query);

#endif
