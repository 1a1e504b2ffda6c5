/* graph_xid.c -- from an XID to its node. An XID cannot be turned round, so an index is made from
 * all identities when the first XID is asked for; many servers are never asked. */
#include "identity/graph_int.h"
#include "identity/xid.h"

static bool xid_of(const mu_graph *graph, mu_node node, mu_xid *out)
{
    const mu_graph_node *found = &graph->nodes[node];
    if (found->value == NULL || graph->rules[found->rule].id == UINT32_MAX)
        return false;
    *out = mu_identity_xid(graph->rules[found->rule].id, (mu_str){found->value, found->length});
    return true;
}

static uint32_t tag_of(mu_str xid)
{
    return (uint32_t)mu_hash64(xid.ptr, xid.len, 0);
}

static void add(mu_graph *graph, mu_node node)
{
    mu_xid xid;
    if (xid_of(graph, node, &xid))
        mu_graph_index_add(&graph->xid_index, tag_of(mu_xid_str(&xid)), node);
}

/* While the index is being made, new nodes wait for their turn. */
void mu_graph_xid_added(mu_graph *graph, mu_node node)
{
    if (!graph->has_xid_index || node != graph->n_xids_indexed)
        return;
    add(graph, node);
    graph->n_xids_indexed++;
}

void mu_graph_xid_removed(mu_graph *graph, mu_node node)
{
    mu_xid xid;
    if (node < graph->n_xids_indexed && xid_of(graph, node, &xid))
        mu_graph_index_remove(&graph->xid_index, tag_of(mu_xid_str(&xid)), node);
}

void mu_graph_xid_forget(mu_graph *graph)
{
    mu_graph_index_free(&graph->xid_index);
    graph->has_xid_index = false;
    graph->n_xids_indexed = 0;
}

bool mu_graph_index_xids(mu_graph *graph, uint32_t n_max)
{
    uint32_t n_left = graph->n_nodes - graph->n_xids_indexed;
    uint32_t end = graph->n_xids_indexed + (n_left < n_max ? n_left : n_max);
    if (!graph->has_xid_index)
        mu_graph_index_reserve(&graph->xid_index, graph->counts.n_nodes);
    graph->has_xid_index = true;
    for (mu_node node = graph->n_xids_indexed; node < end; node++)
        add(graph, node);
    graph->n_xids_indexed = end;
    return end == graph->n_nodes;
}

mu_node mu_graph_find_xid(mu_graph *graph, mu_str xid)
{
    if (xid.len != MU_XID_LENGTH)
        return MU_NO_NODE;
    mu_graph_index_xids(graph, UINT32_MAX);
    mu_graph_cursor cursor = mu_graph_index_find(tag_of(xid));
    mu_node node;
    while ((node = mu_graph_index_next(&graph->xid_index, &cursor)) != MU_NO_NODE) {
        mu_xid found;
        if (xid_of(graph, node, &found) && mu_str_equal(mu_xid_str(&found), xid))
            break;
    }
    return node;
}
