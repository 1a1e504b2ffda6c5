/* bind_comprehension.c -- select, quantifiers and aggregates over variables (pql.md 11). */
#include "pql/bind_int.h"

static const mu_type *item_type(binder *b, const mu_pql *from)
{
    const mu_type *item = mu_type_item(from->type);
    if (item != NULL)
        return item;
    mu_bind_report(b, from, "PQL-T03", "a list is expected after 'from', not %s",
                   mu_bind_type_name(b, from->type));
    return mu_type_of(MU_TYPE_ANY);
}

/* Declares the variables one after the other; later ones may use earlier ones. */
static void bind_declarations(binder *b, const mu_pql *node, mu_pql *bound)
{
    mu_pql_declaration *declarations =
        MU_NEW_ARRAY(b->arena, mu_pql_declaration, node->n_declarations);
    for (uint32_t i = 0; i < node->n_declarations; i++) {
        declarations[i] = node->declarations[i];
        declarations[i].from = mu_bind_node(b, node->declarations[i].from);
        mu_bind_push_variable(b, declarations[i].name, VARIABLE_COMPREHENSION,
                              item_type(b, declarations[i].from));
        if (node->declarations[i].where != NULL)
            declarations[i].where = mu_bind_condition(b, node->declarations[i].where, "PQL-T01");
    }
    bound->declarations = declarations;
}

const mu_pql *mu_bind_comprehension(binder *b, const mu_pql *node)
{
    mu_pql *bound = mu_bind_copy(b, node);
    uint32_t outer = b->n_variables;
    bind_declarations(b, node, bound);
    if (node->kind == MU_PQL_AGGREGATE)
        mu_bind_args(b, node, bound);
    if (node->kind == MU_PQL_SELECT)
        bound->type = mu_type_list(b->arena, b->variables[outer].type);
    else if (node->kind == MU_PQL_QUANTIFIED)
        bound->type = mu_type_of(MU_TYPE_BOOLEAN);
    else
        bound->type = mu_type_aggregate(node->function, bound->args[0]->type);
    mu_bind_pop_variables(b, outer);
    return bound;
}
