/* graph_evict.c -- at most so many identities in a cluster (profile.md b.5, P21): cookies go before
 * devices and devices before persons, the longest unseen first. An evicted identity loses its links
 * and stays as a cluster of its own, since data may be kept under it. */
#include "identity/graph_int.h"

#include <stdlib.h>

static int eviction_class(mu_identity_type type)
{
    return type < MU_IDENTITY_CROSS_DEVICE ? (int)type : (int)MU_IDENTITY_CROSS_DEVICE;
}

typedef struct eviction_order {
    const mu_graph *graph;
    const mu_graph_component *component;
} eviction_order;

static int compare_places(const void *a, const void *b, void *context)
{
    const eviction_order *by = context;
    mu_node left = by->component->nodes[*(const uint32_t *)a];
    mu_node right = by->component->nodes[*(const uint32_t *)b];
    const mu_graph_node *left_node = &by->graph->nodes[left];
    const mu_graph_node *right_node = &by->graph->nodes[right];
    int order = eviction_class(by->graph->rules[left_node->rule].type) -
                eviction_class(by->graph->rules[right_node->rule].type);
    if (order != 0)
        return order;
    if (left_node->seen_ms != right_node->seen_ms)
        return left_node->seen_ms < right_node->seen_ms ? -1 : 1;
    return mu_graph_compare_nodes(by->graph, left, right);
}

/* Marks the identities that part `root`, of n nodes, has to give up. */
static uint32_t choose(mu_graph *graph, const mu_graph_component *component, uint32_t root,
                       uint32_t n, bool *is_evicted)
{
    uint32_t *places = MU_NEW_ARRAY(&graph->scratch, uint32_t, n);
    uint32_t n_places = 0;
    for (uint32_t i = 0; i < component->n_nodes; i++) {
        const mu_graph_node *node = &graph->nodes[component->nodes[i]];
        if (mu_graph_part_of(component, i) == root && !component->is_observed[i] &&
            !graph->rules[node->rule].is_kept)
            places[n_places++] = i;
    }
    eviction_order by = {graph, component};
    qsort_r(places, n_places, sizeof *places, compare_places, &by);
    uint32_t n_over = n - MU_CLUSTER_IDENTITIES_MAX;
    uint32_t n_evicted = n_over < n_places ? n_over : n_places;
    for (uint32_t i = 0; i < n_evicted; i++)
        is_evicted[places[i]] = true;
    return n_evicted;
}

void mu_graph_evict(mu_graph *graph, mu_graph_component *component)
{
    uint32_t n = component->n_nodes, n_evicted = 0;
    if (n <= MU_CLUSTER_IDENTITIES_MAX)
        return;
    uint32_t *sizes = MU_NEW_ARRAY(&graph->scratch, uint32_t, n);
    bool *is_evicted = MU_NEW_ARRAY(&graph->scratch, bool, n);
    for (uint32_t i = 0; i < n; i++)
        sizes[mu_graph_part_of(component, i)]++;
    for (uint32_t i = 0; i < n; i++)
        if (sizes[i] > MU_CLUSTER_IDENTITIES_MAX)
            n_evicted += choose(graph, component, i, sizes[i], is_evicted);
    if (n_evicted == 0)
        return;
    graph->counts.n_evicted += n_evicted;
    bool *drops = MU_NEW_ARRAY(&graph->scratch, bool, component->n_links);
    for (uint32_t i = 0; i < component->n_links; i++)
        drops[i] = is_evicted[component->links[i].a] || is_evicted[component->links[i].b];
    mu_graph_drop_links(graph, component, drops);
    mu_graph_part_by_links(component);
}
