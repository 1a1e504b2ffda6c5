/* walk.c -- the children of a node, wherever they hang. */
#include "pql/bind_int.h"

static void when_children(const mu_pql_when *when, mu_pql_visitor *visit, void *context)
{
    if (when == NULL)
        return;
    visit(context, when->start);
    if (when->end != NULL)
        visit(context, when->end);
}

void mu_pql_children(const mu_pql *node, mu_pql_visitor *visit, void *context)
{
    for (uint32_t i = 0; i < node->n_args; i++)
        visit(context, node->args[i]);
    for (uint32_t i = 0; i < node->n_declarations; i++) {
        visit(context, node->declarations[i].from);
        if (node->declarations[i].where != NULL)
            visit(context, node->declarations[i].where);
    }
    when_children(node->when, visit, context);
    for (uint32_t i = 0; i < node->n_items; i++) {
        const mu_pql_chain_item *item = &node->items[i];
        if (item->what != NULL)
            visit(context, item->what);
        if (item->where != NULL)
            visit(context, item->where);
        when_children(item->when, visit, context);
    }
}
