#include "live/live_int.h"

static const mu_str *copy_texts(mu_arena *arena, uint32_t n, const mu_str *texts)
{
    mu_str *copy = MU_NEW_ARRAY(arena, mu_str, n);
    for (uint32_t i = 0; i < n; i++)
        copy[i] = mu_arena_copy(arena, texts[i]);
    return copy;
}

/* Texts belong to the graph, which changes: copied. The arrays are in `arena` already. */
void mu_capture_own_texts(mu_arena *arena, mu_graph_cluster *cluster)
{
    mu_graph_identity *identities = MU_NEW_ARRAY(arena, mu_graph_identity, cluster->n_identities);
    for (uint32_t i = 0; i < cluster->n_identities; i++) {
        identities[i] = cluster->identities[i];
        identities[i].identity.namespace_code =
            mu_arena_copy(arena, identities[i].identity.namespace_code);
        identities[i].identity.value = mu_arena_copy(arena, identities[i].identity.value);
    }
    mu_graph_edge *edges = MU_NEW_ARRAY(arena, mu_graph_edge, cluster->n_edges);
    for (uint32_t e = 0; e < cluster->n_edges; e++) {
        edges[e] = cluster->edges[e];
        edges[e].datasets = copy_texts(arena, edges[e].n_datasets, edges[e].datasets);
        edges[e].batches = copy_texts(arena, edges[e].n_batches, edges[e].batches);
    }
    cluster->identities = identities;
    cluster->edges = edges;
}

void mu_capture_make(mu_sandbox *sandbox, mu_arena *arena, uint32_t pid, mu_capture *out)
{
    *out = (mu_capture){.pid = pid};
    out->exists = mu_graph_read(sandbox->graph, pid, arena, &out->cluster);
    if (!out->exists)
        return;
    mu_capture_own_texts(arena, &out->cluster);
    uint32_t *homes = MU_NEW_ARRAY(arena, uint32_t, out->cluster.n_identities);
    for (uint32_t i = 0; i < out->cluster.n_identities; i++) {
        mu_node node = out->cluster.nodes[i];
        homes[i] = node < sandbox->n_homes ? sandbox->homes[node] : 0;
    }
    out->homes = homes;
}

const mu_capture *mu_capture_frozen(mu_sandbox *sandbox, uint32_t pid)
{
    mu_delta *frozen = sandbox->frozen;
    if (!(sandbox->flags[pid] & MU_PID_UNCAPTURED))
        return mu_delta_early(frozen, pid);
    mu_capture *capture = MU_NEW(&frozen->capture_arena, mu_capture);
    mu_capture_make(sandbox, &frozen->capture_arena, pid, capture);
    mu_delta_put_early(frozen, capture);
    sandbox->flags[pid] &= (uint8_t)~MU_PID_UNCAPTURED;
    return capture;
}

void mu_capture_early(mu_sandbox *sandbox, uint32_t n, const mu_identity *identities)
{
    mu_delta *frozen = sandbox->frozen;
    if (frozen == NULL)
        return;
    for (uint32_t i = 0; i < n; i++) {
        mu_node node = mu_graph_find(sandbox->graph, identities[i]);
        uint32_t pid = node == MU_NO_NODE ? 0 : mu_graph_pid(sandbox->graph, node);
        if (pid == 0 || pid >= sandbox->n_flags || !(sandbox->flags[pid] & MU_PID_UNCAPTURED))
            continue;
        (void)mu_capture_frozen(sandbox, pid);
    }
}
