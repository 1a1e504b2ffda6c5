/* graph_node.c -- namespaces and identities as the graph knows them. */
#include "identity/graph_int.h"

#include <stdlib.h>

/* A namespace that nobody registered ranks behind the registered ones and counts as a cookie. */
static mu_graph_rule unregistered(const mu_graph *graph, mu_str code)
{
    return (mu_graph_rule){code,       UINT32_MAX, MU_IDENTITY_COOKIE, graph->priority_last + 1,
                           MU_NO_SLOT, false};
}

static mu_graph_rule *add_rule(mu_graph *graph, mu_str code)
{
    graph->rules =
        mu_graph_grow(graph->rules, graph->n_rules, &graph->rules_capacity, sizeof *graph->rules);
    char *copy = mu_graph_resize(NULL, code.len + 1, 1);
    if (code.len > 0)
        memcpy(copy, code.ptr, code.len);
    mu_graph_rule *rule = &graph->rules[graph->n_rules];
    *rule = unregistered(graph, (mu_str){copy, code.len});
    *mu_strmap_put(&graph->rule_places, rule->code, NULL) = graph->n_rules++;
    return rule;
}

uint32_t mu_graph_rule_of(mu_graph *graph, mu_str code)
{
    const uint64_t *place = mu_strmap_get(&graph->rule_places, code);
    if (place != NULL)
        return (uint32_t)*place;
    return (uint32_t)(add_rule(graph, code) - graph->rules);
}

int mu_graph_compare_rules(const mu_graph_rule *a, const mu_graph_rule *b)
{
    if (a->id != b->id)
        return a->id < b->id ? -1 : 1;
    return mu_str_compare(a->code, b->code);
}

static mu_str value_of(const mu_graph_node *node)
{
    return (mu_str){node->value, node->length};
}

int mu_graph_compare_nodes(const mu_graph *graph, mu_node a, mu_node b)
{
    const mu_graph_node *left = &graph->nodes[a], *right = &graph->nodes[b];
    if (left->rule != right->rule)
        return mu_graph_compare_rules(&graph->rules[left->rule], &graph->rules[right->rule]);
    return mu_str_compare(value_of(left), value_of(right));
}

/* The place of a type in P23: persons, then devices, then cookies. */
static int type_rank(mu_identity_type type)
{
    static const int ranks[] = {
        [MU_IDENTITY_CROSS_DEVICE] = 0, [MU_IDENTITY_EMAIL] = 1,  [MU_IDENTITY_PHONE] = 2,
        [MU_IDENTITY_DEVICE] = 3,       [MU_IDENTITY_COOKIE] = 4, [MU_IDENTITY_PARTNER] = 5,
        [MU_IDENTITY_NON_PEOPLE] = 6,
    };
    return ranks[type];
}

/* By priority, registered, type and number. */
static int rank_rules(const mu_graph_rule *a, const mu_graph_rule *b)
{
    if (a->priority != b->priority)
        return a->priority < b->priority ? -1 : 1;
    bool a_is_known = a->id != UINT32_MAX, b_is_known = b->id != UINT32_MAX;
    if (a_is_known != b_is_known)
        return a_is_known ? -1 : 1;
    if (a->type != b->type)
        return type_rank(a->type) - type_rank(b->type);
    return mu_graph_compare_rules(a, b);
}

int mu_graph_rank(const mu_graph *graph, mu_node a, mu_node b)
{
    const mu_graph_node *left = &graph->nodes[a], *right = &graph->nodes[b];
    if (left->rule != right->rule)
        return rank_rules(&graph->rules[left->rule], &graph->rules[right->rule]);
    return mu_str_compare(value_of(left), value_of(right));
}

static mu_graph_rule rule_for(const mu_graph *graph, mu_str code)
{
    const uint64_t *place = mu_strmap_get(&graph->rule_places, code);
    return place != NULL ? graph->rules[*place] : unregistered(graph, code);
}

bool mu_graph_is_better(const mu_graph *graph, mu_identity a, mu_identity b)
{
    mu_graph_rule left = rule_for(graph, a.namespace_code);
    mu_graph_rule right = rule_for(graph, b.namespace_code);
    int order = rank_rules(&left, &right);
    return order != 0 ? order < 0 : mu_str_compare(a.value, b.value) < 0;
}

/* -------- rules -------- */

static void read_namespaces(mu_graph *graph, uint32_t n, const mu_graph_namespace *namespaces)
{
    for (uint32_t i = 0; i < graph->n_rules; i++) {
        graph->rules[i].priority = 0;
        graph->rules[i].unique_slot = MU_NO_SLOT;
        graph->rules[i].is_kept = false;
    }
    uint32_t n_unique = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t n_before = graph->n_rules;
        uint32_t place = mu_graph_rule_of(graph, namespaces[i].code);
        mu_graph_rule *rule = &graph->rules[place];
        if (rule->id != namespaces[i].id && place < n_before)
            mu_graph_xid_forget(graph);
        rule->id = namespaces[i].id;
        rule->type = namespaces[i].type;
        rule->priority = namespaces[i].priority;
        rule->unique_slot = namespaces[i].is_unique ? n_unique++ : MU_NO_SLOT;
    }
    graph->n_unique_words = (n_unique + 63) / 64;
}

void mu_graph_configure(mu_graph *graph, uint32_t n_namespaces,
                        const mu_graph_namespace *namespaces)
{
    read_namespaces(graph, n_namespaces, namespaces);
    graph->priority_last = 0;
    for (uint32_t i = 0; i < n_namespaces; i++)
        if (namespaces[i].priority > graph->priority_last)
            graph->priority_last = namespaces[i].priority;
    mu_graph_rule *kept = NULL;
    for (uint32_t i = 0; i < graph->n_rules; i++) {
        mu_graph_rule *rule = &graph->rules[i];
        if (rule->priority == 0)
            rule->priority = graph->priority_last + 1;
        if (rule->unique_slot != MU_NO_SLOT && (kept == NULL || rank_rules(rule, kept) < 0))
            kept = rule;
    }
    if (kept != NULL)
        kept->is_kept = true;
    graph->rules_version++;
}

/* -------- nodes -------- */

static uint32_t tag_of(const mu_graph *graph, uint32_t rule, mu_str value)
{
    return (uint32_t)mu_hash64(value.ptr, value.len, graph->seed + rule);
}

static mu_node find_node(const mu_graph *graph, uint32_t rule, mu_str value, uint32_t tag)
{
    mu_graph_cursor cursor = mu_graph_index_find(tag);
    mu_node node;
    while ((node = mu_graph_index_next(&graph->node_index, &cursor)) != MU_NO_NODE)
        if (graph->nodes[node].rule == rule && mu_str_equal(value_of(&graph->nodes[node]), value))
            break;
    return node;
}

mu_node mu_graph_find(const mu_graph *graph, mu_identity identity)
{
    const uint64_t *rule = mu_strmap_get(&graph->rule_places, identity.namespace_code);
    if (rule == NULL)
        return MU_NO_NODE;
    uint32_t place = (uint32_t)*rule;
    return find_node(graph, place, identity.value, tag_of(graph, place, identity.value));
}

/* Memory far apart is asked for step by step, for all identities at once, so that the waits
 * overlap: slots, nodes, texts and clusters. */
void mu_graph_keys(mu_graph *graph, uint32_t n, const mu_identity *identities, mu_graph_key *keys)
{
    const mu_graph_index *index = &graph->node_index;
    for (uint32_t i = 0; i < n; i++) {
        keys[i].rule = mu_graph_rule_of(graph, identities[i].namespace_code);
        keys[i].tag = tag_of(graph, keys[i].rule, identities[i].value);
        if (index->n_slots > 0)
            __builtin_prefetch(&index->slots[keys[i].tag & (index->n_slots - 1)]);
    }
    for (uint32_t i = 0; i < n; i++) {
        mu_graph_cursor cursor = mu_graph_index_find(keys[i].tag);
        keys[i].guess = mu_graph_index_next(index, &cursor);
        if (keys[i].guess != MU_NO_NODE)
            __builtin_prefetch(&graph->nodes[keys[i].guess], 1);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (keys[i].guess == MU_NO_NODE)
            continue;
        __builtin_prefetch(graph->nodes[keys[i].guess].value);
        __builtin_prefetch(&graph->entries[graph->nodes[keys[i].guess].pid]);
    }
    if (n > 1 && keys[0].guess != MU_NO_NODE) {
        const mu_graph_body *body = graph->entries[graph->nodes[keys[0].guess].pid].body;
        if (body != NULL) {
            __builtin_prefetch(body);
            __builtin_prefetch(body->links);
        }
    }
}

mu_node mu_graph_intern(mu_graph *graph, mu_identity identity)
{
    mu_graph_key key;
    mu_graph_keys(graph, 1, &identity, &key);
    return mu_graph_intern_key(graph, identity, &key);
}

mu_node mu_graph_intern_key(mu_graph *graph, mu_identity identity, const mu_graph_key *key)
{
    uint32_t rule = key->rule, tag = key->tag;
    mu_node node = find_node(graph, rule, identity.value, tag);
    if (node != MU_NO_NODE)
        return node;
    MU_ASSERT(identity.value.len < UINT32_MAX);
    graph->nodes =
        mu_graph_grow(graph->nodes, graph->n_nodes, &graph->nodes_capacity, sizeof *graph->nodes);
    node = graph->n_nodes++;
    char *value = mu_graph_resize(NULL, identity.value.len == 0 ? 1 : identity.value.len, 1);
    if (identity.value.len > 0)
        memcpy(value, identity.value.ptr, identity.value.len);
    graph->nodes[node] = (mu_graph_node){
        .value = value,
        .seen_ms = INT64_MIN,
        .length = (uint32_t)identity.value.len,
        .tag = tag,
        .rule = rule,
    };
    mu_graph_index_add(&graph->node_index, tag, node);
    mu_graph_xid_added(graph, node);
    graph->counts.n_nodes++;
    return node;
}

void mu_graph_forget_node(mu_graph *graph, mu_node node)
{
    mu_graph_index_remove(&graph->node_index, graph->nodes[node].tag, node);
    mu_graph_xid_removed(graph, node);
    free(graph->nodes[node].value);
    graph->nodes[node] = (mu_graph_node){0};
    graph->counts.n_nodes--;
}
