/* resolve.c -- what each name means (pql.md 5), in place, once the whole query is read.
 *
 * Implicit scopes are counted by the lambdas that are open; variables by name. The depth of the
 * tree is limited when it is built, which bounds the recursion here.
 */
#include "pql/syntax_int.h"

typedef struct resolver {
    mu_syntax *syntax;
    mu_scope scope;
    uint32_t n_nodes;
} resolver;

static void resolve(resolver *r, const mu_pql *node, bool is_root);

static void resolve_child(resolver *r, const mu_pql *node)
{
    if (node != NULL)
        resolve(r, node, false);
}

static void resolve_parameter(resolver *r, mu_node *node)
{
    if (node->pending == MU_PENDING_ROOT)
        node->pql.up = node->pql.position == 1 ? r->scope.n_lambdas : 0;
    if (node->pql.up > r->scope.n_lambdas)
        mu_syntax_fail(r->syntax, "PQL-S05", mu_node_place(&node->pql),
                       mu_arena_format(r->syntax->arena,
                                       "'^' goes beyond the root: %u up, %u scopes around it",
                                       node->pql.up, r->scope.n_lambdas));
}

/* A bare name is a variable, else the list of events, else a field of the implicit item. */
static void resolve_variable(resolver *r, mu_node *node)
{
    mu_pql *pql = &node->pql;
    if (mu_scope_has(&r->scope, pql->name))
        return;
    if (node->pending != MU_PENDING_NAME)
        mu_syntax_fail(r->syntax, "PQL-R02", mu_node_place(pql),
                       mu_arena_format(r->syntax->arena, "no variable '" MU_STR_FMT "' here",
                                       MU_STR_ARG(pql->name)));
    pql->kind = MU_PQL_FIELD;
    pql->n_args = 1;
    mu_pql *item = (mu_pql *)pql->args[0];
    item->id = r->n_nodes++;
    if (mu_str_equal(pql->name, MU_STR("xEvent")))
        item->up = r->scope.n_lambdas;
}

static void push_names(resolver *r, const mu_str *names, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        mu_scope_push(&r->scope, names[i]);
}

static void pop_names(resolver *r, const mu_str *names, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        mu_scope_pop(&r->scope, names[i]);
}

static void resolve_lambda(resolver *r, const mu_pql *node, bool is_root)
{
    r->scope.n_lambdas += !is_root;
    push_names(r, node->names, node->n_names);
    resolve_child(r, node->args[0]);
    pop_names(r, node->names, node->n_names);
    r->scope.n_lambdas -= !is_root;
}

/* A variable is known in its own `where`, in later declarations and in an aggregate's body. */
static void resolve_comprehension(resolver *r, const mu_pql *node)
{
    for (uint32_t i = 0; i < node->n_declarations; i++) {
        resolve_child(r, node->declarations[i].from);
        mu_scope_push(&r->scope, node->declarations[i].name);
        resolve_child(r, node->declarations[i].where);
    }
    if (node->kind == MU_PQL_AGGREGATE)
        resolve_child(r, node->args[0]);
    for (uint32_t i = 0; i < node->n_declarations; i++)
        mu_scope_pop(&r->scope, node->declarations[i].name);
}

static void resolve_when(resolver *r, const mu_pql_when *when)
{
    if (when != NULL) {
        resolve_child(r, when->start);
        resolve_child(r, when->end);
    }
}

/* An alias is known in later items. */
static void resolve_chain(resolver *r, const mu_pql *node)
{
    resolve_child(r, node->args[0]);
    for (uint32_t i = 0; i < node->n_items; i++) {
        resolve_child(r, node->items[i].what);
        resolve_when(r, node->items[i].when);
        resolve_child(r, node->items[i].where);
        mu_scope_push(&r->scope, node->items[i].name);
    }
    for (uint32_t i = 0; i < node->n_items; i++)
        mu_scope_pop(&r->scope, node->items[i].name);
}

static void resolve(resolver *r, const mu_pql *pql, bool is_root)
{
    mu_node *node = (mu_node *)pql;
    node->pql.id = r->n_nodes++;
    switch (pql->kind) {
    case MU_PQL_PARAMETER:
        resolve_parameter(r, node);
        return;
    case MU_PQL_VARIABLE:
        resolve_variable(r, node);
        return;
    case MU_PQL_LAMBDA:
        resolve_lambda(r, pql, is_root);
        return;
    case MU_PQL_SELECT:
    case MU_PQL_QUANTIFIED:
    case MU_PQL_AGGREGATE:
        resolve_comprehension(r, pql);
        return;
    case MU_PQL_LET:
        resolve_child(r, pql->args[0]);
        mu_scope_push(&r->scope, pql->name);
        resolve_child(r, pql->args[1]);
        mu_scope_pop(&r->scope, pql->name);
        return;
    case MU_PQL_CHAIN:
        resolve_chain(r, pql);
        return;
    default:
        for (uint32_t i = 0; i < pql->n_args; i++)
            resolve_child(r, pql->args[i]);
        resolve_when(r, pql->when);
        return;
    }
}

const mu_pql *mu_resolve(mu_syntax *syntax, const mu_pql *query)
{
    resolver r = {.syntax = syntax, .scope = {.arena = syntax->arena}};
    while (query->kind == MU_PQL_LAMBDA && query->n_names == 0)
        query = query->args[0];
    resolve(&r, query, true);
    return query;
}
