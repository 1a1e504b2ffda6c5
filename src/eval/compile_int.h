/* compile_int.h -- what the compiler's files share: scopes, and values as they are known while
 * compiling.
 *
 * A compiled value is a constant, a node, a column, or a view: a list that is never built, only
 * described as "these items of that level, for each owner". Scopes keep to one line of levels:
 * inside a view's items only what lies on the way from the view's owner to the rows can be read,
 * the rest is not accessible and makes the compiler give up, so that two events of one profile are
 * never mixed up.
 */
#ifndef MU_EVAL_COMPILE_INT_H
#define MU_EVAL_COMPILE_INT_H

#include "eval/plan_int.h"

typedef enum compiled_kind {
    COMPILED_NOTHING, /* no kernel */
    COMPILED_CONSTANT,
    COMPILED_NODE,
    COMPILED_COLUMN,
    COMPILED_VIEW
} compiled_kind;

typedef struct compiled compiled;

struct compiled {
    compiled_kind kind;
    mu_type_kind type; /* NODE: what the numbers mean; bits are BOOLEAN */
    mu_value constant;
    uint32_t node;
    uint32_t column;
    /* VIEW: items of `level` whose bit in `chosen` is set (NO_NODE: all), per element of `owner`.
     */
    uint32_t owner, level, chosen;
    bool is_single;          /* at most one item, standing for itself and not for a list */
    bool is_unordered;       /* the right items, but their order is not the level's */
    compiled_kind item_kind; /* NODE, COLUMN or CONSTANT, in node / column / constant / type */
};

#define NOTHING ((compiled){.kind = COMPILED_NOTHING})

typedef struct scope_entry {
    mu_str name; /* variables; implicit items have none */
    compiled value;
    bool is_accessible;
} scope_entry;

#define SCOPES_MAX 256

/* What a node of the tree compiled to. A node stands at one place, so its answer does not change;
 * without this, giving up at every level of a deep tree would take exponential time. */
typedef struct compiled_memo {
    const mu_pql *query;
    bool has_value, has_bits;
    compiled value; /* NOTHING while it is being compiled */
    uint32_t bits;
} compiled_memo;

typedef struct compiler {
    compile_job *job;
    plan *plan;
    mu_arena *arena;   /* the plan's */
    mu_arena *scratch; /* gone when the condition is compiled */
    uint32_t n_memos, memos_capacity;
    compiled_memo **memos; /* open addressing by the node's address; the capacity a power of two */
    uint32_t n_items, n_variables;
    scope_entry *items;     /* implicit items, the rows first */
    scope_entry *variables; /* innermost last */
} compiler;

/* compiled.c. NOTHING or NO_NODE wherever there is no kernel. */
mu_type_kind compiled_type(const compiler *c, compiled value);
uint32_t compiled_level(const compiler *c, compiled value);
bool compiled_is_list(const compiler *c, compiled value); /* a view, or a column of lists or maps */
uint32_t compiled_valid(compiler *c, compiled item);      /* of a scalar, object or single item */
uint32_t compiled_numeric(compiler *c, compiled value);
uint32_t compiled_truth(compiler *c, compiled value); /* where a Boolean is wanted (pql.md 6.4) */
compiled compiled_as_view(compiler *c, compiled value);
compiled view_item(compiled view); /* one item, as a value at the view's level */
compiled view_with_item(compiled view, compiled item);
compiled view_choose(compiler *c, compiled view, uint32_t bits);
/* The items of the lists (or values of the maps) that a view's items are: one level deeper. */
compiled view_flatten(compiler *c, compiled view);

/* compile.c */
compiled compile_value(compiler *c, const mu_pql *query);
uint32_t compile_bits(compiler *c, const mu_pql *query);

/* compile_list.c */
compiled compile_view(compiler *c, const mu_pql *list);
compiled compile_field(compiler *c, compiled object, mu_str name);
compiled compile_list_call(compiler *c, const mu_pql *call);
uint32_t compile_list_condition(compiler *c, const mu_pql *call);
uint32_t compile_quantified(compiler *c, const mu_pql *query);
compiled compile_select(compiler *c, const mu_pql *query);
compiled compile_aggregate(compiler *c, const mu_pql *query);
/* Inside the items of a view only what its owner can see is left. */
typedef struct saved_access {
    bool items[SCOPES_MAX], variables[SCOPES_MAX];
} saved_access;

void enter_view(compiler *c, uint32_t owner, saved_access *saved);
void leave_view(compiler *c, const saved_access *saved);

/* A lambda's body for the items of a view. */
compiled compile_lambda_value(compiler *c, compiled view, const mu_pql *lambda);
uint32_t compile_lambda_bits(compiler *c, compiled view, const mu_pql *lambda);

/* compile_compare.c */
uint32_t compile_comparison(compiler *c, mu_pql_function function, compiled a, compiled b);
uint32_t compile_membership(compiler *c, const mu_pql *call);
uint32_t compile_text_predicate(compiler *c, const mu_pql *call);

/* compile_time.c */
uint32_t compile_occurs(compiler *c, const mu_pql *occurs);
uint32_t compile_time_test(compiler *c, compiled timestamp, const mu_pql_when *when);

/* compile_chain.c */
uint32_t compile_chain(compiler *c, const mu_pql *chain);

/* compile_related.c: items that read each other's values. NO_NODE: left to the reference. */
bool is_related_quantifier(const mu_pql *query);
uint32_t compile_related_quantifier(compiler *c, const mu_pql *query, bool of_first,
                                    compiled *first);
bool is_related_chain(const mu_pql *chain);
uint32_t compile_related_chain(compiler *c, const mu_pql *chain, compiled events, compiled time);

/* compile_table.c: a whole subtree with at most one scalar input. */
uint32_t compile_table(compiler *c, const mu_pql *query);
bool compile_constant(compiler *c, const mu_pql *query, mu_value *out);
/* `call` with argument `position` being each value of `input`; the other arguments must be
 * constant. */
uint32_t compile_table_of(compiler *c, compiled input, const mu_pql *call, uint32_t position);
/* function(input, constant), or function(constant, input). */
uint32_t compile_table_compare(compiler *c, mu_pql_function function, compiled input,
                               mu_value constant, bool input_is_first);

#endif
