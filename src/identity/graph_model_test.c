/* graph_model_test.c -- the identity graph against a slow and obvious model, on random records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "identity/graph.h"
#include "tests/support/dice.h"

#include <stdio.h>
#include <stdlib.h>

static uint32_t pid_of(const mu_graph *graph, mu_identity identity)
{
    mu_node node = mu_graph_find(graph, identity);
    return node == MU_NO_NODE ? 0 : mu_graph_pid(graph, node);
}

static bool is_together(const mu_graph *graph, mu_identity a, mu_identity b)
{
    return pid_of(graph, a) != 0 && pid_of(graph, a) == pid_of(graph, b);
}

/* -------- the model -------- */

#define KINDS      6
#define PEOPLE_MAX 96
#define DATASETS   3
#define BATCHES    14
#define RECORD_MAX 6

/* Namespaces of the random cases; the last one is not registered. */
static const mu_graph_namespace kinds[KINDS] = {
    {{"CRMID", 5}, 10000001, MU_IDENTITY_CROSS_DEVICE, 0, false},
    {{"Email", 5}, 6, MU_IDENTITY_EMAIL, 0, false},
    {{"Phone", 5}, 7, MU_IDENTITY_PHONE, 0, false},
    {{"ECID", 4}, 4, MU_IDENTITY_COOKIE, 0, false},
    {{"IDFA", 4}, 20915, MU_IDENTITY_DEVICE, 0, false},
    {{"Till", 4}, UINT32_MAX, MU_IDENTITY_COOKIE, 0, false},
};

typedef struct model_link {
    bool is_there;
    int64_t first_ms, last_ms;
    unsigned datasets;
    int n_batches, batches[MU_LINK_BATCHES_MAX];
} model_link;

/* Identities by number; everything is looked for by going through all of it. */
typedef struct model {
    int n;
    mu_graph_namespace rules[KINDS];
    int kind[PEOPLE_MAX];
    char value[PEOPLE_MAX][8];
    bool is_known[PEOPLE_MAX];
    int64_t seen_ms[PEOPLE_MAX];
    uint32_t pid[PEOPLE_MAX], next_pid;
    model_link links[PEOPLE_MAX][PEOPLE_MAX]; /* [a][b], a < b */
    uint64_t n_evicted, n_removed;
} model;

typedef struct record {
    int n, ids[RECORD_MAX], n_linked, dataset, batch; /* batch -1: none */
    int64_t time_ms;
} record;

static model_link *link_of(model *m, int a, int b)
{
    return a < b ? &m->links[a][b] : &m->links[b][a];
}

static uint32_t priority_of(const model *m, int i)
{
    uint32_t last = 0;
    for (int k = 0; k < KINDS; k++)
        if (m->rules[k].priority > last)
            last = m->rules[k].priority;
    return m->rules[m->kind[i]].priority > 0 ? m->rules[m->kind[i]].priority : last + 1;
}

/* By (namespace number, value). */
static int compare_ids(const model *m, int a, int b)
{
    if (m->kind[a] != m->kind[b])
        return kinds[m->kind[a]].id < kinds[m->kind[b]].id ? -1 : 1;
    return strcmp(m->value[a], m->value[b]);
}

/* b.6, P23: the kinds are listed in this order, but for devices and cookies. */
static int type_place(int kind)
{
    static const int places[KINDS] = {0, 1, 2, 4, 3, 5};
    return places[kind];
}

static bool is_better(const model *m, int a, int b)
{
    if (priority_of(m, a) != priority_of(m, b))
        return priority_of(m, a) < priority_of(m, b);
    if (m->kind[a] != m->kind[b])
        return type_place(m->kind[a]) < type_place(m->kind[b]);
    return strcmp(m->value[a], m->value[b]) < 0;
}

/* in[i] for all that can be reached from `from` over links. */
static void reach(model *m, int from, bool *in)
{
    for (int a = 0; a < m->n; a++)
        in[a] = false;
    in[from] = true;
    for (bool grew = true; grew;) {
        grew = false;
        for (int a = 0; a < m->n; a++)
            for (int b = a + 1; b < m->n; b++)
                if (m->links[a][b].is_there && in[a] != in[b])
                    in[a] = in[b] = grew = true;
    }
}

static bool violates(const model *m, const bool *in)
{
    for (int a = 0; a < m->n; a++)
        for (int b = a + 1; b < m->n; b++)
            if (in[a] && in[b] && m->kind[a] == m->kind[b] && m->rules[m->kind[a]].is_unique)
                return true;
    return false;
}

/* Whether link (a, b) is taken before link (c, d), by b.4 and P19. */
static bool goes_first(model *m, int a, int b, int c, int d)
{
    const model_link *left = link_of(m, a, b), *right = link_of(m, c, d);
    if (left->last_ms != right->last_ms)
        return left->last_ms > right->last_ms;
    uint32_t left_sum = priority_of(m, a) + priority_of(m, b);
    uint32_t right_sum = priority_of(m, c) + priority_of(m, d);
    if (left_sum != right_sum)
        return left_sum < right_sum;
    if (compare_ids(m, a, b) > 0)
        return goes_first(m, b, a, c, d);
    if (compare_ids(m, c, d) > 0)
        return goes_first(m, a, b, d, c);
    uint32_t ids[] = {kinds[m->kind[a]].id, kinds[m->kind[b]].id, kinds[m->kind[c]].id,
                      kinds[m->kind[d]].id};
    if (ids[0] != ids[2])
        return ids[0] < ids[2];
    if (ids[1] != ids[3])
        return ids[1] < ids[3];
    int order = strcmp(m->value[a], m->value[c]);
    return order != 0 ? order < 0 : strcmp(m->value[b], m->value[d]) < 0;
}

/* Takes the links among `in` one after the other; those that may not be are gone. */
static void rebuild(model *m, const bool *in)
{
    static bool waits[PEOPLE_MAX][PEOPLE_MAX];
    int n_waiting = 0;
    for (int a = 0; a < m->n; a++)
        for (int b = a + 1; b < m->n; b++) {
            waits[a][b] = m->links[a][b].is_there && in[a] && in[b];
            n_waiting += waits[a][b];
            if (waits[a][b])
                m->links[a][b].is_there = false;
        }
    for (; n_waiting > 0; n_waiting--) {
        int best_a = -1, best_b = -1;
        for (int a = 0; a < m->n; a++)
            for (int b = a + 1; b < m->n; b++)
                if (waits[a][b] && (best_a < 0 || goes_first(m, a, b, best_a, best_b))) {
                    best_a = a;
                    best_b = b;
                }
        waits[best_a][best_b] = false;
        m->links[best_a][best_b].is_there = true;
        bool joined[PEOPLE_MAX];
        reach(m, best_a, joined);
        if (violates(m, joined)) {
            memset(&m->links[best_a][best_b], 0, sizeof(model_link));
            m->n_removed++;
        }
    }
}

static int eviction_place(const model *m, int i)
{
    switch (kinds[m->kind[i]].type) {
    case MU_IDENTITY_COOKIE:
        return 0;
    case MU_IDENTITY_DEVICE:
        return 1;
    default:
        return 2;
    }
}

static bool leaves_first(const model *m, int a, int b)
{
    if (eviction_place(m, a) != eviction_place(m, b))
        return eviction_place(m, a) < eviction_place(m, b);
    if (m->seen_ms[a] != m->seen_ms[b])
        return m->seen_ms[a] < m->seen_ms[b];
    return compare_ids(m, a, b) < 0;
}

static bool is_kept(const model *m, int i)
{
    int kept = -1;
    for (int k = 0; k < KINDS; k++)
        if (m->rules[k].is_unique && (kept < 0 || m->rules[k].priority < m->rules[kept].priority))
            kept = k;
    return m->kind[i] == kept;
}

/* Evicts from what hangs together with the record's first identity and the others. */
static void evict(model *m, const record *r)
{
    for (int i = 0; i < r->n_linked; i++) {
        bool in[PEOPLE_MAX];
        reach(m, r->ids[i], in);
        int size = 0;
        for (int k = 0; k < m->n; k++)
            size += in[k];
        for (; size > (int)MU_CLUSTER_IDENTITIES_MAX; size--) {
            int first = -1;
            for (int k = 0; k < m->n; k++) {
                bool is_new = false;
                for (int x = 0; x < r->n_linked; x++)
                    is_new |= r->ids[x] == k;
                if (in[k] && !is_new && !is_kept(m, k) && (first < 0 || leaves_first(m, k, first)))
                    first = k;
            }
            for (int k = 0; k < m->n; k++)
                memset(link_of(m, first, k), 0, sizeof(model_link));
            in[first] = false;
            m->n_evicted++;
        }
    }
}

/* Pids of the identities in `touched`, whose clusters are as the links have it now. */
static void number_clusters(model *m, const bool *touched)
{
    uint32_t old[PEOPLE_MAX], part[PEOPLE_MAX] = {0}, best_of_old[PEOPLE_MAX];
    int order[PEOPLE_MAX], n = 0;
    memcpy(old, m->pid, sizeof old);
    for (int i = 0; i < m->n; i++) {
        if (!touched[i])
            continue;
        int at = n++;
        for (; at > 0 && is_better(m, i, order[at - 1]); at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
    /* Each cluster: the smallest of the pids whose best identity it has. */
    for (int i = 0; i < n; i++) {
        best_of_old[i] = 0;
        bool is_first = old[order[i]] != 0;
        for (int k = 0; k < i; k++)
            is_first &= old[order[k]] != old[order[i]];
        if (is_first)
            best_of_old[i] = old[order[i]];
    }
    for (int i = 0; i < n; i++) {
        if (part[order[i]] != 0)
            continue;
        bool in[PEOPLE_MAX];
        reach(m, order[i], in);
        uint32_t pid = 0;
        for (int k = 0; k < n; k++)
            if (in[order[k]] && best_of_old[k] != 0 && (pid == 0 || best_of_old[k] < pid))
                pid = best_of_old[k];
        if (pid == 0)
            pid = m->next_pid++;
        for (int k = 0; k < m->n; k++)
            if (in[k])
                part[k] = m->pid[k] = pid;
    }
}

static void model_push_batch(model_link *link, int batch)
{
    if (batch < 0)
        return;
    int at = 0;
    while (at < link->n_batches && link->batches[at] != batch)
        at++;
    if (at == link->n_batches && link->n_batches < (int)MU_LINK_BATCHES_MAX)
        link->n_batches++;
    else if (at == link->n_batches)
        at--;
    for (; at > 0; at--)
        link->batches[at] = link->batches[at - 1];
    link->batches[0] = batch;
}

static void model_link_pair(model *m, const record *r, int a, int b)
{
    model_link *link = link_of(m, a, b);
    if (!link->is_there)
        *link = (model_link){.is_there = true, .first_ms = r->time_ms, .last_ms = r->time_ms};
    link->first_ms = r->time_ms < link->first_ms ? r->time_ms : link->first_ms;
    link->last_ms = r->time_ms > link->last_ms ? r->time_ms : link->last_ms;
    link->datasets |= 1u << r->dataset;
    model_push_batch(link, r->batch);
}

static void model_observe(model *m, const record *r)
{
    int n = r->n_linked > 1 ? r->n_linked : 1;
    bool touched[PEOPLE_MAX] = {false};
    for (int i = 0; i < n; i++) {
        int who = r->ids[i];
        if (!m->is_known[who] || r->time_ms > m->seen_ms[who])
            m->seen_ms[who] = r->time_ms;
        m->is_known[who] = true;
        for (int k = 0; k < m->n; k++)
            touched[k] |= k == who || (m->pid[who] != 0 && m->pid[k] == m->pid[who]);
    }
    for (int a = 0; a < n; a++)
        for (int b = a + 1; b < n; b++)
            if (r->ids[a] != r->ids[b])
                model_link_pair(m, r, r->ids[a], r->ids[b]);
    bool is_linking = false;
    for (int i = 1; i < n; i++)
        is_linking |= r->ids[i] != r->ids[0];
    if (is_linking) {
        bool in[PEOPLE_MAX];
        reach(m, r->ids[0], in);
        if (violates(m, in))
            rebuild(m, in);
        evict(m, r);
    }
    number_clusters(m, touched);
}

/* -------- records at random -------- */

static mu_identity identity_at(const model *m, int i)
{
    return (mu_identity){kinds[m->kind[i]].code, mu_str_from(m->value[i])};
}

static void observe(mu_graph *graph, const model *m, const record *r)
{
    mu_identity identities[RECORD_MAX];
    char dataset[16], batch[16] = "";
    for (int i = 0; i < r->n; i++)
        identities[i] = identity_at(m, r->ids[i]);
    snprintf(dataset, sizeof dataset, "D%d", r->dataset);
    if (r->batch >= 0)
        snprintf(batch, sizeof batch, "B%d", r->batch);
    mu_graph_observation observation = {(uint32_t)r->n, identities,           (uint32_t)r->n_linked,
                                        r->time_ms,     mu_str_from(dataset), mu_str_from(batch)};
    mu_node primary;
    mu_graph_observe(graph, &observation, &primary);
    assert_int_equal(primary, mu_graph_find(graph, identities[0]));
}

static record random_record(mu_dice *dice, const model *m)
{
    record r = {.n = 1 + (int)mu_dice_geometric(dice, 1, RECORD_MAX - 1)};
    for (int i = 0; i < r.n; i++)
        r.ids[i] = (int)mu_dice_below(dice, (uint32_t)m->n);
    r.n_linked = mu_dice_percent(dice, 90) ? r.n : (int)mu_dice_below(dice, (uint32_t)r.n + 1);
    r.dataset = (int)mu_dice_below(dice, DATASETS);
    r.batch = mu_dice_percent(dice, 50) ? -1 : (int)mu_dice_below(dice, BATCHES);
    r.time_ms = mu_dice_between(dice, 0, 40);
    return r;
}

static void random_people(mu_dice *dice, model *m, int n)
{
    memset(m, 0, sizeof *m);
    m->n = n;
    m->next_pid = 1;
    memcpy(m->rules, kinds, sizeof kinds);
    for (int i = 0; i < n; i++) {
        m->kind[i] = (int)mu_dice_below(dice, KINDS);
        snprintf(m->value[i], sizeof m->value[i], "%d", (i * 7919) % 1000);
    }
}

static void random_rules(mu_dice *dice, model *m)
{
    uint32_t n_ranked = mu_dice_below(dice, KINDS);
    for (int k = 0; k < KINDS - 1; k++) {
        m->rules[k].priority = 0;
        m->rules[k].is_unique = false;
    }
    for (uint32_t priority = 1; priority <= n_ranked; priority++) {
        uint32_t k;
        do
            k = mu_dice_below(dice, KINDS - 1);
        while (m->rules[k].priority != 0);
        m->rules[k].priority = priority;
        m->rules[k].is_unique = mu_dice_percent(dice, 50);
    }
}

/* -------- comparing -------- */

static void assert_edge(model *m, const mu_graph *graph, const mu_graph_cluster *cluster,
                        const mu_graph_edge *edge)
{
    int ends[2] = {-1, -1};
    for (int i = 0; i < m->n; i++)
        for (int end = 0; end < 2; end++)
            if (mu_graph_find(graph, identity_at(m, i)) ==
                cluster->nodes[end == 0 ? edge->a : edge->b])
                ends[end] = i;
    assert_true(ends[0] >= 0 && ends[1] >= 0 && edge->a < edge->b);
    const model_link *link = link_of(m, ends[0], ends[1]);
    assert_true(link->is_there);
    assert_int_equal(edge->first_ms, link->first_ms);
    assert_int_equal(edge->last_ms, link->last_ms);
    unsigned datasets = 0;
    for (uint32_t i = 0; i < edge->n_datasets; i++)
        datasets |= 1u << (edge->datasets[i].ptr[1] - '0');
    assert_int_equal(datasets, link->datasets);
    assert_int_equal(edge->n_batches, link->n_batches);
    for (int i = 0; i < link->n_batches; i++) {
        char batch[16];
        snprintf(batch, sizeof batch, "B%d", link->batches[i]);
        assert_true(mu_str_equal(edge->batches[i], mu_str_from(batch)));
    }
}

static void assert_like_model(model *m, const mu_graph *graph, mu_arena *arena)
{
    uint32_t n_links = 0, n_edges = 0;
    for (int a = 0; a < m->n; a++) {
        assert_int_equal(pid_of(graph, identity_at(m, a)), m->pid[a]);
        for (int b = a + 1; b < m->n; b++)
            n_links += m->links[a][b].is_there;
    }
    assert_int_equal(mu_graph_next_pid(graph), m->next_pid);
    mu_graph_counts counts = mu_graph_count(graph);
    assert_int_equal(counts.n_links, n_links);
    assert_int_equal(counts.n_removed_links, m->n_removed);
    assert_int_equal(counts.n_evicted, m->n_evicted);
    for (uint32_t pid = 1; pid < m->next_pid; pid++) {
        mu_graph_cluster cluster;
        if (!mu_graph_read(graph, pid, arena, &cluster))
            continue;
        counts.n_clusters--;
        for (uint32_t i = 0; i < cluster.n_edges; i++)
            assert_edge(m, graph, &cluster, &cluster.edges[i]);
        n_edges += cluster.n_edges;
        for (uint32_t i = 0; i < cluster.n_identities; i++) {
            assert_int_equal(mu_graph_pid(graph, cluster.nodes[i]), pid);
            assert_true(i == 0 || mu_graph_is_better(graph, cluster.identities[i - 1].identity,
                                                     cluster.identities[i].identity));
        }
    }
    assert_int_equal(counts.n_clusters, 0);
    assert_int_equal(n_edges, n_links);
}

static void assert_same_edges(const mu_graph_cluster *a, const mu_graph_cluster *b)
{
    for (uint32_t i = 0; i < a->n_edges; i++) {
        const mu_graph_edge *x = &a->edges[i], *y = &b->edges[i];
        assert_true(x->a == y->a && x->b == y->b);
        assert_true(x->first_ms == y->first_ms && x->last_ms == y->last_ms);
        assert_int_equal(x->n_datasets, y->n_datasets);
        for (uint32_t k = 0; k < x->n_datasets; k++)
            assert_true(mu_str_equal(x->datasets[k], y->datasets[k]));
        assert_int_equal(x->n_batches, y->n_batches);
        for (uint32_t k = 0; k < x->n_batches; k++)
            assert_true(mu_str_equal(x->batches[k], y->batches[k]));
    }
}

static void assert_same_graph(const mu_graph *a, const mu_graph *b, mu_arena *arena)
{
    assert_int_equal(mu_graph_next_pid(a), mu_graph_next_pid(b));
    for (uint32_t pid = 0; pid < mu_graph_next_pid(a); pid++) {
        mu_graph_cluster x, y;
        bool is_there = mu_graph_read(a, pid, arena, &x);
        assert_int_equal(is_there, mu_graph_read(b, pid, arena, &y));
        if (!is_there)
            continue;
        assert_int_equal(x.n_identities, y.n_identities);
        assert_int_equal(x.n_edges, y.n_edges);
        for (uint32_t i = 0; i < x.n_identities; i++) {
            assert_true(
                mu_str_equal(x.identities[i].identity.value, y.identities[i].identity.value));
            assert_true(x.identities[i].seen_ms == y.identities[i].seen_ms);
        }
        assert_same_edges(&x, &y);
    }
}

/* A new graph that holds what the first does, its clusters restored in reverse. */
static mu_graph *restored(const mu_graph *graph, const model *m, mu_arena *arena)
{
    mu_graph *copy = mu_graph_new(KINDS - 1, m->rules, mu_graph_next_pid(graph));
    for (uint32_t pid = mu_graph_next_pid(graph); pid-- > 1;) {
        mu_graph_cluster cluster;
        mu_err err;
        if (mu_graph_read(graph, pid, arena, &cluster))
            assert_int_equal(mu_graph_restore(copy, &cluster, NULL, &err), MU_OK);
    }
    return copy;
}

/* -------- random tests -------- */

#define RECORDS_MAX 60

static void records_in_any_order_give_the_same_clusters(void **state)
{
    (void)state;
    mu_dice dice;
    mu_dice_init(&dice, mu_dice_seed("graph order", 3));
    static model m;
    for (uint32_t i = mu_dice_cases(2000); i-- > 0;) {
        random_people(&dice, &m, 4 + (int)mu_dice_below(&dice, 40));
        record records[RECORDS_MAX];
        int n = 1 + (int)mu_dice_below(&dice, RECORDS_MAX);
        for (int k = 0; k < n; k++)
            records[k] = random_record(&dice, &m);
        for (int round = 0; round < 3; round++) {
            mu_graph *graph = mu_graph_new(KINDS - 1, m.rules, 1);
            memset(m.links, 0, sizeof m.links);
            for (int k = 0; k < n; k++) {
                observe(graph, &m, &records[k]);
                for (int a = 0; a < records[k].n_linked; a++)
                    for (int b = 0; b < records[k].n_linked; b++)
                        if (records[k].ids[a] != records[k].ids[b])
                            link_of(&m, records[k].ids[a], records[k].ids[b])->is_there = true;
            }
            for (int a = 0; a < m.n; a++) {
                bool in[PEOPLE_MAX];
                reach(&m, a, in);
                for (int b = 0; b < m.n; b++)
                    if (a != b)
                        assert_int_equal(
                            in[b], is_together(graph, identity_at(&m, a), identity_at(&m, b)));
            }
            mu_graph_free(graph);
            for (int k = n; k-- > 1;) {
                int other = (int)mu_dice_below(&dice, (uint32_t)k + 1);
                record swapped = records[k];
                records[k] = records[other];
                records[other] = swapped;
            }
        }
    }
}

/* Which identities changed their pid, or which pids' rows would be written otherwise. */
static void assert_changes_are_told(mu_graph *graph, const mu_graph *before, mu_arena *arena)
{
    const uint32_t *pids;
    uint32_t n = mu_graph_changes(graph, &pids);
    for (uint32_t pid = 1; pid < mu_graph_next_pid(graph); pid++) {
        bool is_told = false;
        for (uint32_t i = 0; i < n; i++) {
            assert_false(is_told && pids[i] == pid);
            is_told |= pids[i] == pid;
        }
        if (is_told)
            continue;
        mu_graph_cluster x, y;
        bool was_there = mu_graph_read(before, pid, arena, &x);
        assert_int_equal(mu_graph_read(graph, pid, arena, &y), was_there);
        if (!was_there)
            continue;
        assert_int_equal(x.n_identities, y.n_identities);
        assert_int_equal(x.n_edges, y.n_edges);
        for (uint32_t i = 0; i < x.n_identities; i++)
            assert_int_equal(x.identities[i].seen_ms, y.identities[i].seen_ms);
        assert_same_edges(&x, &y);
    }
    mu_graph_take_changes(graph);
}

static void run_case(mu_dice *dice, model *m, int n_records, bool has_rules)
{
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    if (has_rules)
        random_rules(dice, m);
    mu_graph *graph = mu_graph_new(KINDS - 1, m->rules, 1);
    mu_graph *replay = mu_graph_new(KINDS - 1, m->rules, 1);
    int restore_at = (int)mu_dice_below(dice, (uint32_t)n_records);
    for (int i = 0; i < n_records; i++) {
        mu_arena_reset(&arena);
        if (has_rules && mu_dice_percent(dice, 3)) {
            random_rules(dice, m);
            mu_graph_configure(graph, KINDS - 1, m->rules);
            mu_graph_configure(replay, KINDS - 1, m->rules);
        }
        if (i == restore_at) { /* goes on with what was read, under other node numbers */
            mu_graph_free(replay);
            replay = restored(graph, m, &arena);
            assert_same_graph(graph, replay, &arena);
        }
        record r = random_record(dice, m);
        model_observe(m, &r);
        observe(graph, m, &r);
        assert_changes_are_told(graph, replay, &arena);
        observe(replay, m, &r);
        if (i % 8 == 0 || i == n_records - 1)
            assert_same_graph(graph, replay, &arena);
        for (int k = 0; k < m->n; k++)
            assert_int_equal(pid_of(graph, identity_at(m, k)), m->pid[k]);
    }
    assert_like_model(m, graph, &arena);
    mu_graph_free(graph);
    mu_graph_free(replay);
    mu_arena_free(&arena);
}

static void record_by_record_it_does_what_the_model_does(void **state)
{
    (void)state;
    mu_dice dice;
    mu_dice_init(&dice, mu_dice_seed("graph model", 5));
    static model m;
    uint64_t n_removed = 0;
    for (uint32_t i = mu_dice_cases(1500); i-- > 0;) {
        random_people(&dice, &m, 3 + (int)mu_dice_below(&dice, 15));
        run_case(&dice, &m, 40, mu_dice_percent(&dice, 80));
        n_removed += m.n_removed;
    }
    assert_true(n_removed > 100);
}

/* Enough identities and links that clusters reach the limit. */
static void full_clusters_evict_as_the_model_does(void **state)
{
    (void)state;
    mu_dice dice;
    mu_dice_init(&dice, mu_dice_seed("graph eviction", 7));
    static model m;
    uint64_t n_evicted = 0;
    for (uint32_t i = mu_dice_cases(40); i-- > 0;) {
        random_people(&dice, &m, PEOPLE_MAX);
        run_case(&dice, &m, 140, mu_dice_percent(&dice, 30));
        n_evicted += m.n_evicted;
    }
    assert_true(n_evicted > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_in_any_order_give_the_same_clusters),
        cmocka_unit_test(record_by_record_it_does_what_the_model_does),
        cmocka_unit_test(full_clusters_evict_as_the_model_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
