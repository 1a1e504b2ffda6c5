/* reference_tree.c -- the direct children of a node, whatever its kind. */
#include "eval/reference_int.h"

static void visit_when(const mu_pql_when *when, mu_node_visitor *visit, void *context)
{
    if (when == NULL)
        return;
    if (when->start != NULL)
        visit(context, when->start);
    if (when->end != NULL)
        visit(context, when->end);
}

static void visit_item(const mu_pql_chain_item *item, mu_node_visitor *visit, void *context)
{
    if (item->what != NULL)
        visit(context, item->what);
    visit_when(item->when, visit, context);
    if (item->where != NULL)
        visit(context, item->where);
}

void mu_reference_children(const mu_pql *node, mu_node_visitor *visit, void *context)
{
    for (uint32_t i = 0; i < node->n_args; i++)
        visit(context, node->args[i]);
    for (uint32_t i = 0; i < node->n_declarations; i++) {
        visit(context, node->declarations[i].from);
        if (node->declarations[i].where != NULL)
            visit(context, node->declarations[i].where);
    }
    visit_when(node->when, visit, context);
    for (uint32_t i = 0; i < node->n_items; i++)
        visit_item(&node->items[i], visit, context);
}
