/* graph.h -- the identity graph of a sandbox, in memory (profile.md b.3 to b.5).
 *
 *   node     one identity (namespace, value), numbered from 0, never renumbered while the graph
 *            lives
 *   link     a pair of nodes seen in one record; first and last established, datasets, batches
 *   cluster  connected nodes; a node alone is a cluster too. Every cluster has a pid for good: a
 *            merge keeps the older (smaller) pid; after a split each part keeps the pid under
 *            which its best ranked identity was, if no other part has a better claim, else it gets
 *            a new one
 *
 * What the graph does follows from the order of the calls alone, so replaying the log gives the
 * same clusters and pids. One thread at a time.
 */
#ifndef MU_IDENTITY_GRAPH_H
#define MU_IDENTITY_GRAPH_H

#include "identity/identity.h"

#define MU_CLUSTER_IDENTITIES_MAX 50u /* b.5 */
#define MU_LINK_BATCHES_MAX       10u /* b.3, P18: the newest */

typedef struct mu_graph mu_graph;
typedef uint32_t mu_node;
#define MU_NO_NODE UINT32_MAX

/* What the graph knows of a namespace: its number, type and rule (b.1, b.4). */
typedef struct mu_graph_namespace {
    mu_str code; /* the registered spelling */
    uint32_t id;
    mu_identity_type type;
    uint32_t priority; /* 1 is best; 0 when it has none */
    bool is_unique;
} mu_graph_namespace;

/* Starts with the namespaces given (copied) and next_pid, the first pid that was never given. */
mu_graph *mu_graph_new(uint32_t n_namespaces, const mu_graph_namespace *namespaces,
                       uint32_t next_pid);
void mu_graph_free(mu_graph *graph);

/* New namespaces or rules; they hold from the next record on, existing clusters stay (P20). */
void mu_graph_configure(mu_graph *graph, uint32_t n_namespaces,
                        const mu_graph_namespace *namespaces);

uint32_t mu_graph_next_pid(const mu_graph *graph);

/* -------- restoring what parts hold -------- */

typedef struct mu_graph_identity {
    mu_identity identity; /* namespace in its registered spelling */
    int64_t seen_ms;
} mu_graph_identity;

typedef struct mu_graph_edge { /* a link by the places of its ends in a list of identities */
    uint32_t a, b;             /* a < b */
    int64_t first_ms, last_ms;
    uint32_t n_datasets, n_batches;
    const mu_str *datasets, *batches; /* batches: newest first */
} mu_graph_edge;

typedef struct mu_graph_cluster {
    uint32_t pid;
    uint32_t n_identities, n_edges;
    const mu_graph_identity *identities;
    const mu_node *nodes; /* of the identities; NULL in mu_graph_restore */
    const mu_graph_edge *edges;
} mu_graph_cluster;

/* Adds a cluster whose identities nobody has yet; MU_E_CONFLICT names the identity otherwise.
 * `nodes` (NULL allowed) receives n_identities numbers. */
MU_CHECKED mu_code mu_graph_restore(mu_graph *graph, const mu_graph_cluster *cluster,
                                    mu_node *nodes, mu_err *err);

/* -------- one record -------- */

typedef struct mu_graph_observation {
    uint32_t n;                    /* at least 1 */
    const mu_identity *identities; /* [0] is the primary one, under which the data is kept */
    uint32_t n_linked;             /* the first so many are linked with one another; 0 or 1: none.
                                      Those after them are not touched at all */
    int64_t time_ms;               /* event: its timestamp; record: receive time (P18) */
    mu_str dataset, batch;         /* batch may be empty */
} mu_graph_observation;

/* Finds or makes the primary identity's node and links what is to be linked: rebuild by unique
 * namespaces (b.4), then eviction (b.5). *primary receives its node. */
void mu_graph_observe(mu_graph *graph, const mu_graph_observation *observation, mu_node *primary);

/* Forgets a cluster with its nodes and links (e.4); they may be made anew later, under new
 * numbers. */
void mu_graph_erase(mu_graph *graph, uint32_t pid);

/* -------- what changed -------- */

/* Every pid whose identities or links changed since the last mu_graph_take_changes, including pids
 * that have no identities any more. Each pid once. */
uint32_t mu_graph_changes(const mu_graph *graph, const uint32_t **pids);
void mu_graph_take_changes(mu_graph *graph);

/* -------- reading -------- */

/* MU_NO_NODE when it is not there. */
mu_node mu_graph_find(const mu_graph *graph, mu_identity identity);
/* The same by XID (P17). The first call makes an index, which is kept up to date from then on;
 * that takes about 0.3 s per million identities. Identities of a namespace that nobody registered
 * have no XID. */
mu_node mu_graph_find_xid(mu_graph *graph, mu_str xid);
/* Puts up to `n_max` more identities into that index; true when all are in it. For callers that
 * can't have mu_graph_find_xid take so long. */
bool mu_graph_index_xids(mu_graph *graph, uint32_t n_max);
uint32_t mu_graph_node_count(const mu_graph *graph);
uint32_t mu_graph_pid(const mu_graph *graph, mu_node node); /* 0 when the node was erased */
mu_identity mu_graph_identity_of(const mu_graph *graph, mu_node node); /* borrowed from the graph */

/* A cluster's identities, best first (priority; without settings P23), and links, in `arena`; texts
 * are borrowed from the graph. False when the pid has none. */
bool mu_graph_read(const mu_graph *graph, uint32_t pid, mu_arena *arena, mu_graph_cluster *out);

/* The pid that took over from a pid which a merge ended, followed to the end; the pid itself when
 * it is alive; 0 when it was erased or never given. */
uint32_t mu_graph_current_pid(const mu_graph *graph, uint32_t pid);

/* Whether a is to be preferred to b as the identity that stands for a profile (b.6, P23). */
bool mu_graph_is_better(const mu_graph *graph, mu_identity a, mu_identity b);

typedef struct mu_graph_counts {
    uint64_t n_nodes, n_clusters, n_links, n_removed_links, n_evicted;
} mu_graph_counts;
mu_graph_counts mu_graph_count(const mu_graph *graph);

#endif
