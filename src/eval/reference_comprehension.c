/* reference_comprehension.c -- select, quantifiers and aggregates over variables (pql.md 11).
 *
 * Declarations nest from left to right like loops. The loops run over every combination, also where
 * a `where` further out is already false (decision 0001); such a combination is no binding. The
 * walk keeps its own stack, for a rule may declare any number of variables.
 */
#include "eval/reference_int.h"

/* One declaration's loop. */
typedef struct loop {
    mu_reference_scope scope; /* the variable */
    mu_value list;
    uint32_t at;
    bool holds; /* every `where` up to here is true for the current items */
} loop;

typedef struct walk {
    mu_evaluator *evaluator;
    const mu_pql *node;
    const mu_reference_scope *outer;
    loop *loops;
    bool all_hold; /* no `where` was false for any combination tried */
    uint32_t n_qualified;
    mu_value_list selected; /* items of the first variable that have a binding */
    bool is_selected;       /* the current one is among them already */
    const mu_pql *body;     /* of an aggregate, else NULL */
    mu_value_list body_values;
} walk;

static const mu_reference_scope *scope_before(const walk *w, uint32_t level)
{
    return level == 0 ? w->outer : &w->loops[level - 1].scope;
}

static void open_loop(walk *w, uint32_t level)
{
    const mu_pql_declaration *declaration = &w->node->declarations[level];
    loop *at = &w->loops[level];
    const mu_reference_scope *outer = scope_before(w, level);
    mu_value from = mu_reference_node(w->evaluator, declaration->from, outer);
    at->list = mu_value_as_list(w->evaluator->arena, from);
    at->at = 0;
    at->scope = (mu_reference_scope){
        .outer = outer, .kind = MU_SCOPE_COMPREHENSION, .name = declaration->name};
}

/* Tests the current item of a loop. */
static void enter_item(walk *w, uint32_t level)
{
    const mu_pql *where = w->node->declarations[level].where;
    loop *at = &w->loops[level];
    bool holds = true;
    at->scope.value = at->list.items[at->at];
    if (where != NULL)
        holds = mu_value_is_true(mu_reference_node(w->evaluator, where, &at->scope));
    if (!holds)
        w->all_hold = false;
    at->holds = holds && (level == 0 || w->loops[level - 1].holds);
    if (level == 0)
        w->is_selected = false;
}

/* All variables have an item. The body of an aggregate is evaluated for every combination. */
static void finish_combination(walk *w)
{
    loop *last = &w->loops[w->node->n_declarations - 1];
    mu_value value = MU_VALUE_NULL;
    if (w->body != NULL)
        value = mu_reference_node(w->evaluator, w->body, &last->scope);
    if (!last->holds)
        return;
    if (w->body != NULL)
        mu_value_list_add(&w->body_values, value);
    if (!w->is_selected) {
        mu_value_list_add(&w->selected, w->loops[0].scope.value);
        w->is_selected = true;
        w->n_qualified++;
    }
}

static void run_walk(walk *w)
{
    uint32_t level = 0, last = w->node->n_declarations - 1;
    open_loop(w, 0);
    for (;;) {
        loop *at = &w->loops[level];
        if (at->at >= at->list.n) {
            if (level == 0)
                return;
            level--;
            w->loops[level].at++;
            continue;
        }
        enter_item(w, level);
        if (level == last) {
            finish_combination(w);
            at->at++;
        } else {
            open_loop(w, ++level);
        }
    }
}

static walk start(mu_evaluator *evaluator, const mu_pql *node, const mu_reference_scope *scope,
                  const mu_pql *body)
{
    walk w = {.evaluator = evaluator,
              .node = node,
              .outer = scope,
              .loops = MU_NEW_ARRAY(evaluator->arena, loop, node->n_declarations),
              .all_hold = true,
              .body = body};
    mu_value_list_init(&w.selected, evaluator->arena);
    mu_value_list_init(&w.body_values, evaluator->arena);
    if (node->n_declarations > 0)
        run_walk(&w);
    return w;
}

mu_value mu_reference_select(mu_evaluator *evaluator, const mu_pql *node,
                             const mu_reference_scope *scope)
{
    walk w = start(evaluator, node, scope, NULL);
    return mu_value_of_list(&w.selected);
}

mu_value mu_reference_quantified(mu_evaluator *evaluator, const mu_pql *node,
                                 const mu_reference_scope *scope)
{
    walk w = start(evaluator, node, scope, NULL);
    switch (node->quantifier) {
    case MU_QUANTIFIER_SOME:
        return mu_value_boolean(w.n_qualified > 0);
    case MU_QUANTIFIER_ALL: /* D58: empty lists hold */
        return mu_value_boolean(w.all_hold);
    case MU_QUANTIFIER_NONE:
        return mu_value_boolean(w.n_qualified == 0);
    case MU_QUANTIFIER_ONE:
        return mu_value_boolean(w.n_qualified == 1);
    }
    return MU_VALUE_NULL;
}

mu_value mu_reference_aggregate_over(mu_evaluator *evaluator, const mu_pql *node,
                                     const mu_reference_scope *scope)
{
    walk w = start(evaluator, node, scope, node->args[0]);
    return mu_reference_aggregate(evaluator, node->function, mu_value_of_list(&w.body_values));
}
