/* graph_int.h -- what the files of the identity graph share.
 *
 * A node alone needs no more than its entry and its cluster's; a cluster of several has a body, one
 * block of memory with its nodes and its links in ascending order. A body is never changed in its
 * shape: what joins or splits clusters makes new ones. Nothing that is decided here depends on a
 * node's number, a pointer or a hash, so that a graph that was restored goes on as the one that was
 * stored would have.
 */
#ifndef MU_IDENTITY_GRAPH_INT_H
#define MU_IDENTITY_GRAPH_INT_H

#include "base/arena.h"
#include "base/hash.h"
#include "identity/graph.h"

/* -------- an index from hashes to numbers below UINT32_MAX (graph_index.c) -------- */

typedef struct mu_graph_index {
    uint64_t *slots; /* tag << 32 | number + 1; 0 when free. The tag is the home slot too */
    size_t n_slots;  /* a power of two, or 0 */
    size_t n;
} mu_graph_index;

typedef struct mu_graph_cursor {
    size_t at;
    uint32_t tag;
} mu_graph_cursor;

void mu_graph_index_free(mu_graph_index *index);
/* Makes room for so many numbers in all. */
void mu_graph_index_reserve(mu_graph_index *index, size_t n);
void mu_graph_index_add(mu_graph_index *index, uint32_t tag, uint32_t number);
/* The number must be there. */
void mu_graph_index_remove(mu_graph_index *index, uint32_t tag, uint32_t number);

static inline mu_graph_cursor mu_graph_index_find(uint32_t tag)
{
    return (mu_graph_cursor){tag, tag};
}

/* The next number kept under the cursor's tag; UINT32_MAX when there are no more. */
static inline uint32_t mu_graph_index_next(const mu_graph_index *index, mu_graph_cursor *cursor)
{
    if (index->n_slots == 0)
        return UINT32_MAX;
    for (;; cursor->at++) {
        uint64_t slot = index->slots[cursor->at & (index->n_slots - 1)];
        if (slot == 0)
            return UINT32_MAX;
        if ((uint32_t)(slot >> 32) == cursor->tag) {
            cursor->at++;
            return (uint32_t)slot - 1;
        }
    }
}

/* realloc that ends the process when there is no memory left, or the size overflows. */
void *mu_graph_resize(void *block, size_t count, size_t size);
/* `block` with room for more than n elements of `size` bytes; *capacity is what it has. */
void *mu_graph_grow(void *block, uint32_t n, uint32_t *capacity, size_t size);

/* -------- datasets and batches of links (graph_labels.c) -------- */

typedef struct mu_graph_label { /* a batch id that links share */
    char *text;                 /* NULL when the place is free */
    size_t len;
    uint32_t tag;
    uint32_t uses; /* free: the next free place + 1 */
} mu_graph_label;

typedef struct mu_graph_batches { /* of one link */
    uint32_t n;                   /* free: 0 */
    uint32_t labels[MU_LINK_BATCHES_MAX];
} mu_graph_batches;

typedef struct mu_graph_set { /* datasets in byte order of their ids */
    uint32_t n;
    uint32_t *datasets;
} mu_graph_set;

typedef struct mu_graph_labels {
    mu_strmap dataset_places;
    mu_str *datasets;
    uint32_t n_datasets, datasets_capacity;

    mu_graph_set *sets; /* [0] is empty */
    uint32_t n_sets, sets_capacity;
    mu_graph_index set_index;

    mu_graph_label *labels;
    uint32_t n_labels, labels_capacity, free_label;
    mu_graph_index label_index;

    mu_graph_batches *batches; /* [0] is not used: a link without batches has 0 */
    uint32_t n_batches, batches_capacity, free_batches;
} mu_graph_labels;

#define MU_NO_LABEL UINT32_MAX

void mu_graph_labels_init(mu_graph_labels *labels);
void mu_graph_labels_free(mu_graph_labels *labels);

/* The number of a dataset, made when new; MU_NO_LABEL when the text is empty. */
uint32_t mu_graph_dataset(mu_graph_labels *labels, mu_str id);
/* The set with the dataset added: `set` itself when it has it. */
uint32_t mu_graph_set_with(mu_graph_labels *labels, uint32_t set, uint32_t dataset);

/* The number of a batch, made when new, used once more until released. MU_NO_LABEL when the text is
 * empty. */
uint32_t mu_graph_label_hold(mu_graph_labels *labels, mu_str id);
void mu_graph_label_release(mu_graph_labels *labels, uint32_t label);
/* Puts a batch in front of a link's; true when that changed them. */
bool mu_graph_batches_push(mu_graph_labels *labels, uint32_t *batches, uint32_t label);
void mu_graph_batches_release(mu_graph_labels *labels, uint32_t batches);

/* -------- the graph -------- */

#define MU_NO_SLOT UINT32_MAX

typedef struct mu_graph_rule { /* a namespace, registered or not */
    mu_str code;               /* owned */
    uint32_t id;               /* UINT32_MAX when nobody registered it */
    mu_identity_type type;
    uint32_t priority;    /* 1 is best; those without have one more than the last */
    uint32_t unique_slot; /* its bit among the unique ones; MU_NO_SLOT when it is none */
    bool is_kept;         /* the first unique one: never evicted (P21) */
} mu_graph_rule;

typedef struct mu_graph_node {
    char *value; /* owned; NULL when the node was erased */
    int64_t seen_ms;
    uint32_t length, tag;
    uint32_t pid;  /* 0 until it has one, and when it was erased */
    uint32_t rule; /* its namespace */
} mu_graph_node;

typedef struct mu_graph_link {
    uint32_t a, b; /* nodes, a < b; while clusters are joined, places in the list of nodes */
    int64_t first_ms, last_ms;
    uint32_t datasets; /* a set */
    uint32_t batches;  /* 0 when none */
} mu_graph_link;

typedef struct mu_graph_body {
    uint32_t n_nodes, n_links;
    uint32_t rules; /* the version of the rules it is known to keep; 0: not known */
    mu_node *nodes; /* ascending; behind the links */
    mu_graph_link links[];
} mu_graph_body;

typedef struct mu_graph_entry { /* of a pid */
    mu_graph_body *body;        /* NULL when it has one node or none */
    mu_node node;               /* the one node; MU_NO_NODE when it has none or a body */
    uint32_t successor;         /* the pid that took over; 0 when none did */
} mu_graph_entry;

struct mu_graph {
    mu_graph_rule *rules;
    uint32_t n_rules, rules_capacity;
    mu_strmap rule_places; /* code -> place */
    uint32_t rules_version;
    uint32_t priority_last;  /* the number of namespaces with a priority */
    uint32_t n_unique_words; /* of 64 unique namespaces each */

    mu_graph_node *nodes;
    uint32_t n_nodes, nodes_capacity;
    mu_graph_index node_index;
    mu_graph_index xid_index; /* of the nodes below n_xids_indexed that have an XID */
    uint32_t n_xids_indexed;
    bool has_xid_index; /* somebody asked for it */
    uint64_t seed;      /* of the node index: changes nothing but where things lie */

    mu_graph_entry *entries; /* by pid; [0] is not used */
    uint32_t next_pid, entries_capacity;

    uint64_t *changed_bits; /* by pid, as many as entries_capacity */
    uint32_t *changed;
    uint32_t n_changed, changed_capacity;

    mu_graph_labels labels;
    mu_graph_counts counts;
    mu_arena scratch; /* of one call */
};

/* The namespace's place, made when new. */
uint32_t mu_graph_rule_of(mu_graph *graph, mu_str code);

/* The identity's node, made (without a pid) when new. */
mu_node mu_graph_intern(mu_graph *graph, mu_identity identity);
/* The same in two steps, the first for several identities. */
typedef struct mu_graph_key {
    uint32_t rule, tag;
    mu_node guess; /* most likely its node, for looking ahead only */
} mu_graph_key;
void mu_graph_keys(mu_graph *graph, uint32_t n, const mu_identity *identities, mu_graph_key *keys);
mu_node mu_graph_intern_key(mu_graph *graph, mu_identity identity, const mu_graph_key *key);
void mu_graph_forget_node(mu_graph *graph, mu_node node);

/* Keep the index of XIDs as the nodes are; nothing while there is none (graph_xid.c). */
void mu_graph_xid_added(mu_graph *graph, mu_node node);
void mu_graph_xid_removed(mu_graph *graph, mu_node node);
/* Numbers of namespaces changed: the index is made anew when it is next asked for. */
void mu_graph_xid_forget(mu_graph *graph);

/* The order of namespaces by number and of identities by (number, value): negative, 0, positive. */
int mu_graph_compare_rules(const mu_graph_rule *a, const mu_graph_rule *b);
int mu_graph_compare_nodes(const mu_graph *graph, mu_node a, mu_node b);
/* Best first (b.6, P23). */
int mu_graph_rank(const mu_graph *graph, mu_node a, mu_node b);

uint32_t mu_graph_new_pid(mu_graph *graph);
void mu_graph_mark(mu_graph *graph, uint32_t pid);

/* A body of exactly this size, its members to be filled in. */
mu_graph_body *mu_graph_body_new(uint32_t n_nodes, uint32_t n_links);

/* The link between places or nodes a < b among links in ascending order; NULL when there is none.
 */
mu_graph_link *mu_graph_link_between(mu_graph_link *links, uint32_t n, uint32_t a, uint32_t b);

/* What one observation says of each of its links. */
typedef struct mu_graph_sighting {
    int64_t time_ms;
    uint32_t dataset, batch; /* MU_NO_LABEL when there is none */
} mu_graph_sighting;
/* True when the link changed. */
bool mu_graph_link_see(mu_graph *graph, mu_graph_link *link, const mu_graph_sighting *sighting);

/* -------- joining clusters (graph_join.c, graph_rebuild.c, graph_evict.c) -------- */

/* The component that a record joins, in the graph's scratch arena: nodes by place, ascending. */
typedef struct mu_graph_component {
    uint32_t n_nodes, n_links, n_pids;
    mu_node *nodes;
    bool *is_observed; /* by place: in the record */
    uint32_t *part;    /* by place: union-find, the parent's place */
    mu_graph_link *links;
    uint32_t *pids; /* the clusters it was before */
} mu_graph_component;

/* Links the nodes, all distinct, with one another; rebuilds, evicts, gives pids. */
void mu_graph_join(mu_graph *graph, uint32_t n, const mu_node *nodes,
                   const mu_graph_sighting *sighting);

uint32_t mu_graph_part_of(const mu_graph_component *component, uint32_t place);
/* Every node a part of its own. */
void mu_graph_part_alone(mu_graph_component *component);
/* Parts as the links have it. */
void mu_graph_part_by_links(mu_graph_component *component);

/* Drops the links for which `drops` is true, in place. */
void mu_graph_drop_links(mu_graph *graph, mu_graph_component *component, const bool *drops);

/* Parts by b.4: drops links that no part may hold. */
void mu_graph_rebuild(mu_graph *graph, mu_graph_component *component);
/* Drops all links of identities beyond the limit of a part (b.5). */
void mu_graph_evict(mu_graph *graph, mu_graph_component *component);

#endif
