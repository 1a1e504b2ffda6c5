/* graph.c -- the graph as a whole: its life, observations, restoring and erasing clusters. */
#include "identity/graph_int.h"

#include <stdlib.h>
#include <sys/random.h>

/* Room for all pids below next_pid. */
static void reserve_entries(mu_graph *graph)
{
    uint32_t before = graph->entries_capacity;
    if (graph->next_pid < before)
        return;
    graph->entries = mu_graph_grow(graph->entries, graph->next_pid, &graph->entries_capacity,
                                   sizeof *graph->entries);
    for (uint32_t i = before; i < graph->entries_capacity; i++)
        graph->entries[i] = (mu_graph_entry){NULL, MU_NO_NODE, 0};
    size_t words_before = ((size_t)before + 63) / 64;
    size_t words = ((size_t)graph->entries_capacity + 63) / 64;
    graph->changed_bits = mu_graph_resize(graph->changed_bits, words, sizeof(uint64_t));
    memset(graph->changed_bits + words_before, 0, (words - words_before) * sizeof(uint64_t));
}

mu_graph *mu_graph_new(uint32_t n_namespaces, const mu_graph_namespace *namespaces,
                       uint32_t next_pid)
{
    mu_graph *graph = mu_graph_resize(NULL, 1, sizeof *graph);
    *graph = (mu_graph){.next_pid = next_pid == 0 ? 1 : next_pid};
    if (getrandom(&graph->seed, sizeof graph->seed, GRND_NONBLOCK) != sizeof graph->seed)
        graph->seed = (uint64_t)(uintptr_t)graph;
    mu_strmap_init(&graph->rule_places);
    mu_graph_labels_init(&graph->labels);
    mu_arena_init(&graph->scratch, SIZE_MAX);
    reserve_entries(graph);
    mu_graph_configure(graph, n_namespaces, namespaces);
    return graph;
}

void mu_graph_free(mu_graph *graph)
{
    if (graph == NULL)
        return;
    for (uint32_t i = 0; i < graph->n_rules; i++)
        free((char *)graph->rules[i].code.ptr);
    free(graph->rules);
    mu_strmap_free(&graph->rule_places);
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        free(graph->nodes[i].value);
    free(graph->nodes);
    mu_graph_index_free(&graph->node_index);
    mu_graph_index_free(&graph->xid_index);
    for (uint32_t i = 0; i < graph->next_pid; i++)
        free(graph->entries[i].body);
    free(graph->entries);
    free(graph->changed_bits);
    free(graph->changed);
    mu_graph_labels_free(&graph->labels);
    mu_arena_free(&graph->scratch);
    free(graph);
}

uint32_t mu_graph_new_pid(mu_graph *graph)
{
    MU_ASSERT(graph->next_pid < UINT32_MAX);
    uint32_t pid = graph->next_pid++;
    reserve_entries(graph);
    return pid;
}

/* -------- what changed -------- */

void mu_graph_mark(mu_graph *graph, uint32_t pid)
{
    uint64_t bit = (uint64_t)1 << (pid % 64);
    if ((graph->changed_bits[pid / 64] & bit) != 0)
        return;
    graph->changed_bits[pid / 64] |= bit;
    graph->changed = mu_graph_grow(graph->changed, graph->n_changed, &graph->changed_capacity,
                                   sizeof *graph->changed);
    graph->changed[graph->n_changed++] = pid;
}

uint32_t mu_graph_changes(const mu_graph *graph, const uint32_t **pids)
{
    *pids = graph->changed;
    return graph->n_changed;
}

void mu_graph_take_changes(mu_graph *graph)
{
    for (uint32_t i = 0; i < graph->n_changed; i++)
        graph->changed_bits[graph->changed[i] / 64] &= ~((uint64_t)1 << (graph->changed[i] % 64));
    graph->n_changed = 0;
}

/* -------- observing -------- */

/* The linked identities' nodes, each once, the primary one first. */
static uint32_t intern_all(mu_graph *graph, const mu_graph_observation *observation, mu_node *nodes)
{
    uint32_t n_wanted = observation->n_linked > 1 ? observation->n_linked : 1, n = 0;
    mu_graph_key *keys = MU_NEW_ARRAY(&graph->scratch, mu_graph_key, n_wanted);
    mu_graph_keys(graph, n_wanted, observation->identities, keys);
    for (uint32_t i = 0; i < n_wanted; i++) {
        mu_node node = mu_graph_intern_key(graph, observation->identities[i], &keys[i]);
        uint32_t at = 0;
        while (at < n && nodes[at] != node)
            at++;
        if (at == n)
            nodes[n++] = node;
    }
    return n;
}

static void see_nodes(mu_graph *graph, uint32_t n, const mu_node *nodes, int64_t time_ms)
{
    for (uint32_t i = 0; i < n; i++) {
        mu_graph_node *node = &graph->nodes[nodes[i]];
        if (time_ms <= node->seen_ms)
            continue;
        node->seen_ms = time_ms;
        if (node->pid != 0)
            mu_graph_mark(graph, node->pid);
    }
}

static void found_cluster(mu_graph *graph, mu_node node)
{
    uint32_t pid = mu_graph_new_pid(graph);
    graph->entries[pid].node = node;
    graph->nodes[node].pid = pid;
    graph->counts.n_clusters++;
    mu_graph_mark(graph, pid);
}

/* What most observations come to: all is linked already, and only seen once more. False when it
 * isn't, or when the cluster was not looked at since the rules changed. */
static bool see_links(mu_graph *graph, uint32_t n, const mu_node *nodes,
                      const mu_graph_sighting *sighting)
{
    uint32_t pid = graph->nodes[nodes[0]].pid;
    mu_graph_body *body = pid == 0 ? NULL : graph->entries[pid].body;
    if (body == NULL || body->rules != graph->rules_version)
        return false;
    bool is_changed = false;
    for (uint32_t i = 1; i < n; i++)
        for (uint32_t k = 0; k < i; k++) {
            uint32_t a = nodes[i] < nodes[k] ? nodes[i] : nodes[k];
            uint32_t b = nodes[i] < nodes[k] ? nodes[k] : nodes[i];
            mu_graph_link *link = mu_graph_link_between(body->links, body->n_links, a, b);
            if (link == NULL)
                return false;
            is_changed |= mu_graph_link_see(graph, link, sighting);
        }
    if (is_changed)
        mu_graph_mark(graph, pid);
    return true;
}

void mu_graph_observe(mu_graph *graph, const mu_graph_observation *observation, mu_node *primary)
{
    MU_ASSERT(observation->n > 0);
    MU_ASSERT(observation->n_linked <= observation->n);
    mu_arena_reset(&graph->scratch);
    mu_node *nodes = MU_NEW_ARRAY(&graph->scratch, mu_node,
                                  observation->n_linked > 1 ? observation->n_linked : 1);
    uint32_t n = intern_all(graph, observation, nodes);
    see_nodes(graph, n, nodes, observation->time_ms);
    *primary = nodes[0];
    if (n == 1) {
        if (graph->nodes[nodes[0]].pid == 0)
            found_cluster(graph, nodes[0]);
        return;
    }
    mu_graph_sighting sighting = {
        observation->time_ms,
        mu_graph_dataset(&graph->labels, observation->dataset),
        mu_graph_label_hold(&graph->labels, observation->batch),
    };
    if (!see_links(graph, n, nodes, &sighting))
        mu_graph_join(graph, n, nodes, &sighting);
    mu_graph_label_release(&graph->labels, sighting.batch);
}

/* -------- restoring -------- */

static mu_code check_cluster(const mu_graph *graph, const mu_graph_cluster *cluster, mu_err *err)
{
    uint32_t pid = cluster->pid, n = cluster->n_identities;
    if (pid == 0 || pid >= graph->next_pid)
        return mu_fail(err, MU_E_CORRUPT, "profile number %u was never given", pid);
    const mu_graph_entry *entry = &graph->entries[pid];
    if (entry->body != NULL || entry->node != MU_NO_NODE || entry->successor != 0)
        return mu_fail(err, MU_E_CONFLICT, "profile number %u is there twice", pid);
    if (n == 0)
        return mu_fail(err, MU_E_CORRUPT, "profile number %u has no identities", pid);
    for (uint32_t i = 0; i < cluster->n_edges; i++) {
        const mu_graph_edge *edge = &cluster->edges[i];
        if (edge->a >= edge->b || edge->b >= n || edge->n_batches > MU_LINK_BATCHES_MAX)
            return mu_fail(err, MU_E_CORRUPT, "link %u of profile number %u is malformed", i, pid);
    }
    return MU_OK;
}

/* On failure none of them is kept. */
static mu_code restore_nodes(mu_graph *graph, const mu_graph_cluster *cluster, mu_node *nodes,
                             mu_err *err)
{
    for (uint32_t i = 0; i < cluster->n_identities; i++) {
        const mu_graph_identity *given = &cluster->identities[i];
        uint32_t n_before = graph->n_nodes;
        nodes[i] = mu_graph_intern(graph, given->identity);
        if (graph->n_nodes == n_before) {
            for (uint32_t k = i; k-- > 0;)
                mu_graph_forget_node(graph, nodes[k]);
            return mu_fail(err, MU_E_CONFLICT,
                           "an identity in namespace " MU_STR_FMT
                           " belongs to profile number %u and to another one",
                           MU_STR_ARG(given->identity.namespace_code), cluster->pid);
        }
        graph->nodes[nodes[i]].seen_ms = given->seen_ms;
        graph->nodes[nodes[i]].pid = cluster->pid;
    }
    return MU_OK;
}

/* New nodes have ascending numbers, so places and nodes are in the same order. */
static void restore_link(mu_graph *graph, const mu_graph_edge *edge, const mu_node *nodes,
                         mu_graph_link *link)
{
    *link = (mu_graph_link){nodes[edge->a], nodes[edge->b], edge->first_ms, edge->last_ms, 0, 0};
    for (uint32_t i = 0; i < edge->n_datasets; i++)
        link->datasets = mu_graph_set_with(&graph->labels, link->datasets,
                                           mu_graph_dataset(&graph->labels, edge->datasets[i]));
    for (uint32_t i = edge->n_batches; i-- > 0;) {
        uint32_t label = mu_graph_label_hold(&graph->labels, edge->batches[i]);
        mu_graph_batches_push(&graph->labels, &link->batches, label);
        mu_graph_label_release(&graph->labels, label);
    }
}

static int compare_links(const void *a, const void *b)
{
    const mu_graph_link *left = a, *right = b;
    if (left->a != right->a)
        return left->a < right->a ? -1 : 1;
    return (left->b > right->b) - (left->b < right->b);
}

static bool has_duplicates(const mu_graph_body *body)
{
    for (uint32_t i = 1; i < body->n_links; i++)
        if (compare_links(&body->links[i - 1], &body->links[i]) == 0)
            return true;
    return false;
}

static void free_body(mu_graph *graph, mu_graph_body *body)
{
    for (uint32_t i = 0; i < body->n_links; i++)
        mu_graph_batches_release(&graph->labels, body->links[i].batches);
    free(body);
}

/* NULL when a link is there twice. */
static mu_graph_body *restore_body(mu_graph *graph, const mu_graph_cluster *cluster,
                                   const mu_node *nodes)
{
    mu_graph_body *body = mu_graph_body_new(cluster->n_identities, cluster->n_edges);
    memcpy(body->nodes, nodes, cluster->n_identities * sizeof *nodes);
    for (uint32_t i = 0; i < cluster->n_edges; i++)
        restore_link(graph, &cluster->edges[i], nodes, &body->links[i]);
    qsort(body->links, body->n_links, sizeof *body->links, compare_links);
    if (!has_duplicates(body))
        return body;
    free_body(graph, body);
    return NULL;
}

mu_code mu_graph_restore(mu_graph *graph, const mu_graph_cluster *cluster, mu_node *nodes,
                         mu_err *err)
{
    MU_TRY(check_cluster(graph, cluster, err));
    mu_arena_reset(&graph->scratch);
    uint32_t n = cluster->n_identities;
    mu_node *made = MU_NEW_ARRAY(&graph->scratch, mu_node, n);
    MU_TRY(restore_nodes(graph, cluster, made, err));
    mu_graph_entry *entry = &graph->entries[cluster->pid];
    if (n > 1) {
        entry->body = restore_body(graph, cluster, made);
        for (uint32_t k = n; entry->body == NULL && k-- > 0;)
            mu_graph_forget_node(graph, made[k]);
        if (entry->body == NULL)
            return mu_fail(err, MU_E_CORRUPT, "profile number %u has a link twice", cluster->pid);
    } else {
        entry->node = made[0];
    }
    graph->counts.n_clusters++;
    graph->counts.n_links += cluster->n_edges;
    if (nodes != NULL)
        memcpy(nodes, made, n * sizeof *made);
    return MU_OK;
}

/* -------- erasing -------- */

void mu_graph_erase(mu_graph *graph, uint32_t pid)
{
    if (pid == 0 || pid >= graph->next_pid)
        return;
    mu_graph_entry *entry = &graph->entries[pid];
    mu_graph_body *body = entry->body;
    if (body == NULL && entry->node == MU_NO_NODE)
        return;
    if (body == NULL)
        mu_graph_forget_node(graph, entry->node);
    for (uint32_t i = 0; body != NULL && i < body->n_nodes; i++)
        mu_graph_forget_node(graph, body->nodes[i]);
    graph->counts.n_links -= body == NULL ? 0 : body->n_links;
    graph->counts.n_clusters--;
    if (body != NULL)
        free_body(graph, body);
    entry->body = NULL;
    entry->node = MU_NO_NODE;
    mu_graph_mark(graph, pid);
}
