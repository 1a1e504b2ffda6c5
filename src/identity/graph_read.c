/* graph_read.c -- what the graph answers. */
#include "identity/graph_int.h"

#include <stdlib.h>

uint32_t mu_graph_next_pid(const mu_graph *graph)
{
    return graph->next_pid;
}

uint32_t mu_graph_node_count(const mu_graph *graph)
{
    return graph->n_nodes;
}

uint32_t mu_graph_pid(const mu_graph *graph, mu_node node)
{
    MU_ASSERT(node < graph->n_nodes);
    return graph->nodes[node].pid;
}

mu_identity mu_graph_identity_of(const mu_graph *graph, mu_node node)
{
    MU_ASSERT(node < graph->n_nodes);
    const mu_graph_node *found = &graph->nodes[node];
    if (found->value == NULL)
        return (mu_identity){MU_STR(""), MU_STR("")};
    return (mu_identity){graph->rules[found->rule].code, {found->value, found->length}};
}

mu_graph_counts mu_graph_count(const mu_graph *graph)
{
    return graph->counts;
}

uint32_t mu_graph_current_pid(const mu_graph *graph, uint32_t pid)
{
    if (pid == 0 || pid >= graph->next_pid)
        return 0;
    /* A successor is always smaller, so this ends. */
    while (graph->entries[pid].successor != 0)
        pid = graph->entries[pid].successor;
    const mu_graph_entry *entry = &graph->entries[pid];
    return entry->body != NULL || entry->node != MU_NO_NODE ? pid : 0;
}

static int compare_nodes(const void *a, const void *b, void *graph)
{
    return mu_graph_rank(graph, *(const mu_node *)a, *(const mu_node *)b);
}

static uint32_t place_of(const mu_node *nodes, uint32_t n, mu_node node)
{
    uint32_t place = 0;
    while (place < n && nodes[place] != node)
        place++;
    MU_ASSERT(place < n);
    return place;
}

static void read_edge(const mu_graph *graph, const mu_graph_cluster *cluster,
                      const mu_graph_link *link, mu_arena *arena, mu_graph_edge *out)
{
    uint32_t a = place_of(cluster->nodes, cluster->n_identities, link->a);
    uint32_t b = place_of(cluster->nodes, cluster->n_identities, link->b);
    const mu_graph_labels *labels = &graph->labels;
    const mu_graph_set *set = &labels->sets[link->datasets];
    mu_str *datasets = MU_NEW_ARRAY(arena, mu_str, set->n);
    for (uint32_t i = 0; i < set->n; i++)
        datasets[i] = labels->datasets[set->datasets[i]];
    const mu_graph_batches *list = &labels->batches[link->batches];
    uint32_t n_batches = link->batches == 0 ? 0 : list->n;
    mu_str *batches = MU_NEW_ARRAY(arena, mu_str, n_batches);
    for (uint32_t i = 0; i < n_batches; i++) {
        const mu_graph_label *label = &labels->labels[list->labels[i]];
        batches[i] = (mu_str){label->text, label->len};
    }
    *out = (mu_graph_edge){a < b ? a : b, a < b ? b : a, link->first_ms, link->last_ms,
                           set->n,        n_batches,     datasets,       batches};
}

static int compare_edges(const void *a, const void *b)
{
    const mu_graph_edge *left = a, *right = b;
    if (left->a != right->a)
        return left->a < right->a ? -1 : 1;
    return (left->b > right->b) - (left->b < right->b);
}

bool mu_graph_read(const mu_graph *graph, uint32_t pid, mu_arena *arena, mu_graph_cluster *out)
{
    if (pid == 0 || pid >= graph->next_pid)
        return false;
    const mu_graph_entry *entry = &graph->entries[pid];
    const mu_graph_body *body = entry->body;
    if (body == NULL && entry->node == MU_NO_NODE)
        return false;
    uint32_t n = body == NULL ? 1 : body->n_nodes;
    mu_node *nodes = MU_NEW_ARRAY(arena, mu_node, n);
    memcpy(nodes, body == NULL ? &entry->node : body->nodes, n * sizeof *nodes);
    if (n > 1)
        qsort_r(nodes, n, sizeof *nodes, compare_nodes, (void *)(uintptr_t)graph);
    mu_graph_identity *identities = MU_NEW_ARRAY(arena, mu_graph_identity, n);
    for (uint32_t i = 0; i < n; i++)
        identities[i] = (mu_graph_identity){mu_graph_identity_of(graph, nodes[i]),
                                            graph->nodes[nodes[i]].seen_ms};
    uint32_t n_edges = body == NULL ? 0 : body->n_links;
    mu_graph_edge *edges = MU_NEW_ARRAY(arena, mu_graph_edge, n_edges);
    *out = (mu_graph_cluster){pid, n, n_edges, identities, nodes, edges};
    for (uint32_t i = 0; i < n_edges; i++)
        read_edge(graph, out, &body->links[i], arena, &edges[i]);
    qsort(edges, n_edges, sizeof *edges, compare_edges);
    return true;
}
