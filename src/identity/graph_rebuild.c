/* graph_rebuild.c -- parts of a component in which a unique namespace occurs at most once
 * (profile.md b.4): links are taken newest first, and one that would bring two identities of a
 * unique namespace together is removed for good. Later data that shows the same pair makes a new
 * link. */
#include "identity/graph_int.h"

#include <stdlib.h>

typedef struct link_order {
    const mu_graph *graph;
    const mu_graph_component *component;
} link_order;

/* The ends of a link in the order of (namespace number, value). */
static void ends_of(const link_order *by, const mu_graph_link *link, mu_node *low, mu_node *high)
{
    mu_node a = by->component->nodes[link->a], b = by->component->nodes[link->b];
    bool is_in_order = mu_graph_compare_nodes(by->graph, a, b) < 0;
    *low = is_in_order ? a : b;
    *high = is_in_order ? b : a;
}

static const mu_graph_rule *rule_of(const mu_graph *graph, mu_node node)
{
    return &graph->rules[graph->nodes[node].rule];
}

/* P19: by the pair of namespaces, then by the pair of values. */
static int compare_ends(const link_order *by, const mu_graph_link *a, const mu_graph_link *b)
{
    const mu_graph *graph = by->graph;
    mu_node a_low, a_high, b_low, b_high;
    ends_of(by, a, &a_low, &a_high);
    ends_of(by, b, &b_low, &b_high);
    int order = mu_graph_compare_rules(rule_of(graph, a_low), rule_of(graph, b_low));
    if (order == 0)
        order = mu_graph_compare_rules(rule_of(graph, a_high), rule_of(graph, b_high));
    if (order == 0)
        order = mu_graph_compare_nodes(graph, a_low, b_low);
    return order != 0 ? order : mu_graph_compare_nodes(graph, a_high, b_high);
}

static uint64_t priority_sum(const link_order *by, const mu_graph_link *link)
{
    const mu_node *nodes = by->component->nodes;
    return (uint64_t)rule_of(by->graph, nodes[link->a])->priority +
           rule_of(by->graph, nodes[link->b])->priority;
}

static int compare_links(const void *a, const void *b, void *context)
{
    const link_order *by = context;
    const mu_graph_link *left = &by->component->links[*(const uint32_t *)a];
    const mu_graph_link *right = &by->component->links[*(const uint32_t *)b];
    if (left->last_ms != right->last_ms)
        return left->last_ms > right->last_ms ? -1 : 1;
    uint64_t left_sum = priority_sum(by, left), right_sum = priority_sum(by, right);
    if (left_sum != right_sum)
        return left_sum < right_sum ? -1 : 1;
    return compare_ends(by, left, right);
}

/* Whether two sets of unique namespaces have none in common; then `into` becomes their union. */
static bool unite(uint64_t *into, const uint64_t *from, uint32_t n_words)
{
    for (uint32_t i = 0; i < n_words; i++)
        if ((into[i] & from[i]) != 0)
            return false;
    for (uint32_t i = 0; i < n_words; i++)
        into[i] |= from[i];
    return true;
}

void mu_graph_rebuild(mu_graph *graph, mu_graph_component *component)
{
    uint32_t n_words = graph->n_unique_words, n_links = component->n_links;
    uint64_t *has = MU_NEW_ARRAY(&graph->scratch, uint64_t, (size_t)component->n_nodes * n_words);
    for (uint32_t i = 0; i < component->n_nodes; i++) {
        uint32_t slot = rule_of(graph, component->nodes[i])->unique_slot;
        if (slot != MU_NO_SLOT)
            has[(size_t)i * n_words + slot / 64] |= (uint64_t)1 << (slot % 64);
    }
    uint32_t *order = MU_NEW_ARRAY(&graph->scratch, uint32_t, n_links);
    bool *drops = MU_NEW_ARRAY(&graph->scratch, bool, n_links);
    for (uint32_t i = 0; i < n_links; i++)
        order[i] = i;
    link_order by = {graph, component};
    qsort_r(order, n_links, sizeof *order, compare_links, &by);

    mu_graph_part_alone(component);
    for (uint32_t i = 0; i < n_links; i++) {
        const mu_graph_link *link = &component->links[order[i]];
        uint32_t a = mu_graph_part_of(component, link->a);
        uint32_t b = mu_graph_part_of(component, link->b);
        if (a == b)
            continue;
        if (unite(&has[(size_t)a * n_words], &has[(size_t)b * n_words], n_words)) {
            component->part[b] = a;
        } else {
            drops[order[i]] = true;
            graph->counts.n_removed_links++;
        }
    }
    mu_graph_drop_links(graph, component, drops);
}
