/* graph_join.c -- what an observation that changes the shape of the graph does: the clusters it
 * touches become one component with its links added, which is rebuilt and cut to the limit where
 * that is needed; its parts become clusters again.
 *
 * Pids. A pid goes to the part that has the best ranked of the identities it stood for. A part with
 * several keeps the smallest, and it takes over from the others; a part with none gets a new one.
 */
#include "identity/graph_int.h"

#include <stdlib.h>

static int compare_numbers(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static uint64_t link_key(uint32_t a, uint32_t b)
{
    return (uint64_t)a << 32 | b;
}

static int compare_links(const void *a, const void *b)
{
    const mu_graph_link *left = a, *right = b;
    uint64_t left_key = link_key(left->a, left->b), right_key = link_key(right->a, right->b);
    return (left_key > right_key) - (left_key < right_key);
}

mu_graph_link *mu_graph_link_between(mu_graph_link *links, uint32_t n, uint32_t a, uint32_t b)
{
    uint64_t wanted = link_key(a, b);
    uint32_t from = 0, to = n;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (link_key(links[middle].a, links[middle].b) < wanted)
            from = middle + 1;
        else
            to = middle;
    }
    bool is_found = from < n && link_key(links[from].a, links[from].b) == wanted;
    return is_found ? &links[from] : NULL;
}

bool mu_graph_link_see(mu_graph *graph, mu_graph_link *link, const mu_graph_sighting *sighting)
{
    mu_graph_link before = *link;
    if (sighting->time_ms > link->last_ms)
        link->last_ms = sighting->time_ms;
    if (sighting->time_ms < link->first_ms)
        link->first_ms = sighting->time_ms;
    link->datasets = mu_graph_set_with(&graph->labels, link->datasets, sighting->dataset);
    bool has_new_batch = mu_graph_batches_push(&graph->labels, &link->batches, sighting->batch);
    return has_new_batch || link->last_ms != before.last_ms || link->first_ms != before.first_ms ||
           link->datasets != before.datasets;
}

mu_graph_body *mu_graph_body_new(uint32_t n_nodes, uint32_t n_links)
{
    size_t links_size = (size_t)n_links * sizeof(mu_graph_link);
    size_t nodes_size = (size_t)n_nodes * sizeof(mu_node);
    mu_graph_body *body = mu_graph_resize(NULL, sizeof *body + links_size + nodes_size, 1);
    *body = (mu_graph_body){.n_nodes = n_nodes, .n_links = n_links};
    body->nodes = (mu_node *)(void *)((char *)body->links + links_size);
    return body;
}

/* -------- parts -------- */

uint32_t mu_graph_part_of(const mu_graph_component *component, uint32_t place)
{
    uint32_t *part = component->part;
    while (part[place] != place) {
        part[place] = part[part[place]];
        place = part[place];
    }
    return place;
}

void mu_graph_part_alone(mu_graph_component *component)
{
    for (uint32_t i = 0; i < component->n_nodes; i++)
        component->part[i] = i;
}

void mu_graph_part_by_links(mu_graph_component *component)
{
    mu_graph_part_alone(component);
    for (uint32_t i = 0; i < component->n_links; i++) {
        uint32_t a = mu_graph_part_of(component, component->links[i].a);
        uint32_t b = mu_graph_part_of(component, component->links[i].b);
        component->part[b] = a;
    }
}

void mu_graph_drop_links(mu_graph *graph, mu_graph_component *component, const bool *drops)
{
    uint32_t n_kept = 0;
    for (uint32_t i = 0; i < component->n_links; i++) {
        if (drops[i])
            mu_graph_batches_release(&graph->labels, component->links[i].batches);
        else
            component->links[n_kept++] = component->links[i];
    }
    graph->counts.n_links -= component->n_links - n_kept;
    component->n_links = n_kept;
}

/* -------- collecting -------- */

static uint32_t place_of(const mu_graph_component *component, mu_node node)
{
    const mu_node *found = bsearch(&node, component->nodes, component->n_nodes,
                                   sizeof *component->nodes, compare_numbers);
    MU_ASSERT(found != NULL);
    return (uint32_t)(found - component->nodes);
}

/* The clusters of the record's nodes, each once, and room for all they hold. */
static void collect_pids(mu_graph *graph, uint32_t n, const mu_node *nodes, mu_graph_component *out)
{
    size_t n_nodes = n, n_links = (size_t)n * (n - 1) / 2;
    out->pids = MU_NEW_ARRAY(&graph->scratch, uint32_t, n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t pid = graph->nodes[nodes[i]].pid;
        uint32_t at = 0;
        while (at < out->n_pids && out->pids[at] != pid)
            at++;
        if (pid == 0 || at < out->n_pids)
            continue;
        out->pids[out->n_pids++] = pid;
        const mu_graph_body *body = graph->entries[pid].body;
        n_nodes += body == NULL ? 0 : body->n_nodes;
        n_links += body == NULL ? 0 : body->n_links;
    }
    out->nodes = MU_NEW_ARRAY(&graph->scratch, mu_node, n_nodes);
    out->is_observed = MU_NEW_ARRAY(&graph->scratch, bool, n_nodes);
    out->part = MU_NEW_ARRAY(&graph->scratch, uint32_t, n_nodes);
    out->links = MU_NEW_ARRAY(&graph->scratch, mu_graph_link, n_links);
}

static void collect_nodes(mu_graph *graph, uint32_t n, const mu_node *nodes,
                          mu_graph_component *out)
{
    for (uint32_t i = 0; i < out->n_pids; i++) {
        const mu_graph_entry *entry = &graph->entries[out->pids[i]];
        if (entry->body == NULL)
            out->nodes[out->n_nodes++] = entry->node;
        for (uint32_t k = 0; entry->body != NULL && k < entry->body->n_nodes; k++)
            out->nodes[out->n_nodes++] = entry->body->nodes[k];
    }
    for (uint32_t i = 0; i < n; i++)
        if (graph->nodes[nodes[i]].pid == 0)
            out->nodes[out->n_nodes++] = nodes[i];
    qsort(out->nodes, out->n_nodes, sizeof *out->nodes, compare_numbers);
    for (uint32_t i = 0; i < n; i++)
        out->is_observed[place_of(out, nodes[i])] = true;
}

/* The links of the old clusters by the places of their ends, in ascending order. */
static void collect_links(mu_graph *graph, mu_graph_component *out)
{
    for (uint32_t i = 0; i < out->n_pids; i++) {
        const mu_graph_body *body = graph->entries[out->pids[i]].body;
        for (uint32_t k = 0; body != NULL && k < body->n_links; k++) {
            mu_graph_link *link = &out->links[out->n_links++];
            *link = body->links[k];
            link->a = place_of(out, link->a);
            link->b = place_of(out, link->b);
        }
    }
    if (out->n_pids > 1)
        qsort(out->links, out->n_links, sizeof *out->links, compare_links);
}

/* All pairs of the record (P18). */
static void add_links(mu_graph *graph, const mu_graph_sighting *sighting,
                      mu_graph_component *component)
{
    uint32_t n_before = component->n_links;
    for (uint32_t a = 0; a < component->n_nodes; a++) {
        for (uint32_t b = a + 1; component->is_observed[a] && b < component->n_nodes; b++) {
            if (!component->is_observed[b])
                continue;
            mu_graph_link *link = mu_graph_link_between(component->links, n_before, a, b);
            if (link == NULL) {
                link = &component->links[component->n_links++];
                *link = (mu_graph_link){a, b, sighting->time_ms, sighting->time_ms, 0, 0};
                graph->counts.n_links++;
            }
            mu_graph_link_see(graph, link, sighting);
        }
    }
    qsort(component->links, component->n_links, sizeof *component->links, compare_links);
}

static bool violates_rules(mu_graph *graph, const mu_graph_component *component)
{
    if (graph->n_unique_words == 0)
        return false;
    uint64_t *has = MU_NEW_ARRAY(&graph->scratch, uint64_t, graph->n_unique_words);
    for (uint32_t i = 0; i < component->n_nodes; i++) {
        uint32_t slot = graph->rules[graph->nodes[component->nodes[i]].rule].unique_slot;
        if (slot == MU_NO_SLOT)
            continue;
        uint64_t bit = (uint64_t)1 << (slot % 64);
        if ((has[slot / 64] & bit) != 0)
            return true;
        has[slot / 64] |= bit;
    }
    return false;
}

/* -------- clusters again -------- */

typedef struct ranking {
    const mu_graph *graph;
    const mu_graph_component *component;
} ranking;

static int compare_places(const void *a, const void *b, void *context)
{
    const ranking *by = context;
    const mu_node *nodes = by->component->nodes;
    return mu_graph_rank(by->graph, nodes[*(const uint32_t *)a], nodes[*(const uint32_t *)b]);
}

/* The old pid goes to the part. */
static void award(mu_graph *graph, uint32_t *part_pid, uint32_t pid)
{
    if (*part_pid == 0) {
        *part_pid = pid;
        return;
    }
    uint32_t kept = pid < *part_pid ? pid : *part_pid;
    uint32_t ended = pid < *part_pid ? *part_pid : pid;
    graph->entries[ended].successor = kept;
    *part_pid = kept;
}

/* The pid of each part, at the place of its root; see the head of this file. Best first, so that
 * the first identity of a pid that comes by decides who gets it. */
static uint32_t *give_pids(mu_graph *graph, const mu_graph_component *component)
{
    uint32_t n = component->n_nodes;
    uint32_t *order = MU_NEW_ARRAY(&graph->scratch, uint32_t, n);
    uint32_t *pids = MU_NEW_ARRAY(&graph->scratch, uint32_t, n);
    bool *is_given = MU_NEW_ARRAY(&graph->scratch, bool, component->n_pids);
    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    ranking by = {graph, component};
    qsort_r(order, n, sizeof *order, compare_places, &by);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t pid = graph->nodes[component->nodes[order[i]]].pid;
        uint32_t at = 0;
        while (at < component->n_pids && component->pids[at] != pid)
            at++;
        if (pid == 0 || is_given[at])
            continue;
        is_given[at] = true;
        award(graph, &pids[mu_graph_part_of(component, order[i])], pid);
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t *pid = &pids[mu_graph_part_of(component, order[i])];
        if (*pid == 0)
            *pid = mu_graph_new_pid(graph);
    }
    return pids;
}

static void end_old_clusters(mu_graph *graph, const mu_graph_component *component)
{
    for (uint32_t i = 0; i < component->n_pids; i++) {
        mu_graph_entry *entry = &graph->entries[component->pids[i]];
        free(entry->body);
        entry->body = NULL;
        entry->node = MU_NO_NODE;
        mu_graph_mark(graph, component->pids[i]);
    }
    graph->counts.n_clusters -= component->n_pids;
}

/* How many nodes and links each part has, by the place of its root. */
static void size_parts(const mu_graph_component *component, uint32_t *n_nodes, uint32_t *n_links)
{
    for (uint32_t i = 0; i < component->n_nodes; i++)
        n_nodes[mu_graph_part_of(component, i)]++;
    for (uint32_t i = 0; i < component->n_links; i++)
        n_links[mu_graph_part_of(component, component->links[i].a)]++;
}

static void make_bodies(mu_graph *graph, const mu_graph_component *component, const uint32_t *pids)
{
    uint32_t n = component->n_nodes;
    uint32_t *n_nodes = MU_NEW_ARRAY(&graph->scratch, uint32_t, n);
    uint32_t *n_links = MU_NEW_ARRAY(&graph->scratch, uint32_t, n);
    size_parts(component, n_nodes, n_links);
    for (uint32_t i = 0; i < n; i++) {
        if (n_nodes[i] == 0)
            continue;
        graph->counts.n_clusters++;
        mu_graph_mark(graph, pids[i]);
        if (n_nodes[i] < 2)
            continue;
        mu_graph_body *body = mu_graph_body_new(n_nodes[i], n_links[i]);
        body->rules = graph->rules_version;
        graph->entries[pids[i]].body = body;
        n_nodes[i] = n_links[i] = 0;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t root = mu_graph_part_of(component, i);
        mu_graph_entry *entry = &graph->entries[pids[root]];
        graph->nodes[component->nodes[i]].pid = pids[root];
        if (entry->body != NULL)
            entry->body->nodes[n_nodes[root]++] = component->nodes[i];
        else
            entry->node = component->nodes[i];
    }
    for (uint32_t i = 0; i < component->n_links; i++) {
        mu_graph_link link = component->links[i];
        uint32_t root = mu_graph_part_of(component, link.a);
        link.a = component->nodes[link.a];
        link.b = component->nodes[link.b];
        graph->entries[pids[root]].body->links[n_links[root]++] = link;
    }
}

void mu_graph_join(mu_graph *graph, uint32_t n, const mu_node *nodes,
                   const mu_graph_sighting *sighting)
{
    mu_graph_component component = {0};
    collect_pids(graph, n, nodes, &component);
    collect_nodes(graph, n, nodes, &component);
    collect_links(graph, &component);
    add_links(graph, sighting, &component);
    if (violates_rules(graph, &component))
        mu_graph_rebuild(graph, &component);
    /* All is one part otherwise: part[] is all zeros. */
    mu_graph_evict(graph, &component);
    const uint32_t *pids = give_pids(graph, &component);
    end_old_clusters(graph, &component);
    make_bodies(graph, &component, pids);
}
