/* graph_test.c -- the identity graph by example; graph_model_test.c tries it at random. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "identity/graph.h"

#include <stdio.h>
/* -------- examples -------- */

#define HOUR 3600000

static const mu_graph_namespace crm_is_unique[] = {
    {{"CRMID", 5}, 10000001, MU_IDENTITY_CROSS_DEVICE, 1, true},
    {{"Email", 5}, 6, MU_IDENTITY_EMAIL, 2, false},
    {{"ECID", 4}, 4, MU_IDENTITY_COOKIE, 3, false},
    {{"LoginID", 7}, 10000002, MU_IDENTITY_CROSS_DEVICE, 0, false},
};
static const mu_graph_namespace no_rules[] = {
    {{"CRMID", 5}, 10000001, MU_IDENTITY_CROSS_DEVICE, 0, false},
    {{"Email", 5}, 6, MU_IDENTITY_EMAIL, 0, false},
    {{"ECID", 4}, 4, MU_IDENTITY_COOKIE, 0, false},
};

static mu_identity id(const char *code, const char *value)
{
    return (mu_identity){mu_str_from(code), mu_str_from(value)};
}

static mu_node see(mu_graph *graph, int64_t time_ms, uint32_t n, const mu_identity *identities)
{
    mu_graph_observation observation = {
        .n = n,
        .identities = identities,
        .n_linked = n,
        .time_ms = time_ms,
        .dataset = MU_STR("D4"),
    };
    mu_node primary;
    mu_graph_observe(graph, &observation, &primary);
    return primary;
}

static mu_node see2(mu_graph *graph, int64_t time_ms, mu_identity a, mu_identity b)
{
    return see(graph, time_ms, 2, (const mu_identity[]){a, b});
}

static uint32_t pid_of(const mu_graph *graph, mu_identity identity)
{
    mu_node node = mu_graph_find(graph, identity);
    return node == MU_NO_NODE ? 0 : mu_graph_pid(graph, node);
}

static bool is_together(const mu_graph *graph, mu_identity a, mu_identity b)
{
    return pid_of(graph, a) != 0 && pid_of(graph, a) == pid_of(graph, b);
}

static void assert_changes(mu_graph *graph, uint32_t n, const uint32_t *expected)
{
    const uint32_t *pids;
    uint32_t n_changes = mu_graph_changes(graph, &pids);
    assert_int_equal(n_changes, n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = 0;
        while (at < n && pids[at] != expected[i])
            at++;
        assert_true(at < n);
    }
    mu_graph_take_changes(graph);
    assert_int_equal(mu_graph_changes(graph, &pids), 0);
}

/* p2, p3 of the sample people. */
static void a_shared_device_follows_who_logged_in_last(void **state)
{
    (void)state;
    mu_graph *graph = mu_graph_new(4, crm_is_unique, 1);
    mu_identity bruno = id("CRMID", "CRM-100050"), chiara = id("CRMID", "CRM-100051");
    mu_identity tablet = id("ECID", "08681964081858191795375270654777870840");
    see2(graph, 9 * HOUR, bruno, tablet);
    uint32_t pid_bruno = pid_of(graph, bruno);
    assert_true(is_together(graph, bruno, tablet));
    assert_changes(graph, 1, (const uint32_t[]){1});

    see2(graph, 10 * HOUR, chiara, tablet);
    assert_true(is_together(graph, chiara, tablet));
    assert_int_equal(pid_of(graph, bruno), pid_bruno);
    uint32_t pid_chiara = pid_of(graph, chiara);
    assert_int_not_equal(pid_chiara, pid_bruno);
    assert_changes(graph, 2, (const uint32_t[]){pid_bruno, pid_chiara});
    assert_int_equal(mu_graph_count(graph).n_removed_links, 1);

    /* A record of earlier that comes late doesn't move it back. */
    see2(graph, 9 * HOUR + 1, bruno, tablet);
    assert_true(is_together(graph, chiara, tablet));

    see2(graph, 11 * HOUR, bruno, tablet);
    assert_true(is_together(graph, bruno, tablet));
    assert_int_equal(pid_of(graph, bruno), pid_bruno);
    assert_int_equal(pid_of(graph, chiara), pid_chiara);
    assert_int_equal(mu_graph_count(graph).n_links, 1);
    assert_int_equal(mu_graph_count(graph).n_clusters, 2);
    mu_graph_free(graph);
}

/* p10. */
static void a_shared_e_mail_stays_with_the_later_record(void **state)
{
    (void)state;
    mu_graph *graph = mu_graph_new(4, crm_is_unique, 1);
    mu_identity first = id("CRMID", "CRM-100110"), second = id("CRMID", "CRM-100111");
    mu_identity email = id("Email", "ines@example.com");
    see2(graph, HOUR, first, email);
    see2(graph, 2 * HOUR, second, email);
    assert_true(is_together(graph, second, email));
    assert_false(is_together(graph, first, second));
    assert_int_not_equal(pid_of(graph, first), 0);
    mu_graph_free(graph);
}

static void two_login_ids_on_one_device_stay_merged_without_a_unique_one(void **state)
{
    (void)state;
    mu_graph *graph = mu_graph_new(4, crm_is_unique, 1);
    mu_identity a = id("LoginID", "a"), b = id("LoginID", "b"), device = id("ECID", "1");
    see2(graph, 1, a, device);
    see2(graph, 2, b, device);
    assert_true(is_together(graph, a, b));
    mu_graph_free(graph);
}

/* p8: one new cookie a day for 60 days. */
static void the_oldest_cookies_leave_a_full_graph(void **state)
{
    (void)state;
    const mu_graph_namespace *rules[] = {crm_is_unique, no_rules};
    for (int which = 0; which < 2; which++) {
        mu_graph *graph = mu_graph_new(3, rules[which], 1);
        mu_identity gus = id("CRMID", "CRM-100090");
        char values[60][16];
        for (int day = 0; day < 60; day++) {
            snprintf(values[day], sizeof values[day], "E%d", day);
            see2(graph, (int64_t)day * 24 * HOUR, gus, id("ECID", values[day]));
        }
        for (int day = 0; day < 60; day++)
            assert_int_equal(is_together(graph, gus, id("ECID", values[day])), day >= 11);
        assert_int_equal(pid_of(graph, gus), 1);
        assert_int_equal(mu_graph_count(graph).n_evicted, 11);
        assert_int_equal(mu_graph_count(graph).n_clusters, 12);
        /* Who was evicted may come back, and then another one goes. */
        see2(graph, (int64_t)60 * 24 * HOUR, gus, id("ECID", "E0"));
        assert_true(is_together(graph, gus, id("ECID", "E0")));
        assert_false(is_together(graph, gus, id("ECID", "E11")));
        mu_graph_free(graph);
    }
}

static void a_merge_keeps_the_older_pid(void **state)
{
    (void)state;
    mu_graph *graph = mu_graph_new(3, no_rules, 7);
    mu_identity cookie = id("ECID", "1"), person = id("CRMID", "2"), email = id("Email", "3");
    see(graph, 1, 1, &cookie);
    see(graph, 2, 1, &person);
    see(graph, 3, 1, &email);
    assert_int_equal(pid_of(graph, cookie), 7);
    see2(graph, 4, person, email);
    assert_int_equal(mu_graph_current_pid(graph, 9), 8);
    see2(graph, 5, email, cookie);
    assert_int_equal(pid_of(graph, person), 7);
    assert_int_equal(mu_graph_current_pid(graph, 8), 7);
    assert_int_equal(mu_graph_current_pid(graph, 9), 7);
    assert_int_equal(mu_graph_current_pid(graph, 7), 7);
    assert_int_equal(mu_graph_current_pid(graph, 10), 0);
    assert_int_equal(mu_graph_next_pid(graph), 10);
    assert_changes(graph, 3, (const uint32_t[]){7, 8, 9});

    mu_graph_erase(graph, 7);
    assert_int_equal(mu_graph_current_pid(graph, 9), 0);
    assert_int_equal(pid_of(graph, person), 0);
    assert_int_equal(mu_graph_pid(graph, 1), 0);
    assert_changes(graph, 1, (const uint32_t[]){7});
    assert_int_equal(see(graph, 6, 1, &person), 3);
    assert_int_equal(pid_of(graph, person), 10);
    mu_graph_free(graph);
}

static void what_is_not_linked_is_not_touched(void **state)
{
    (void)state;
    mu_graph *graph = mu_graph_new(3, no_rules, 1);
    mu_identity both[] = {id("ECID", "1"), id("CRMID", "2")};
    mu_graph_observation observation = {.n = 2, .identities = both, .time_ms = 5};
    mu_node primary;
    mu_graph_observe(graph, &observation, &primary);
    assert_int_equal(mu_graph_node_count(graph), 1);
    assert_int_equal(mu_graph_find(graph, both[1]), MU_NO_NODE);
    /* The same identity twice is no link. */
    see2(graph, 6, both[0], both[0]);
    assert_int_equal(mu_graph_count(graph).n_links, 0);
    mu_graph_free(graph);
}

static void times_datasets_and_batches_of_links_are_kept(void **state)
{
    (void)state;
    mu_graph *graph = mu_graph_new(3, no_rules, 1);
    mu_identity both[] = {id("ECID", "1"), id("CRMID", "2")};
    char batch[16];
    for (int i = 0; i < 13; i++) {
        snprintf(batch, sizeof batch, "B%d", i);
        mu_graph_observation observation = {2,
                                            both,
                                            2,
                                            100 + (i == 12 ? -50 : i),
                                            i % 2 == 0 ? MU_STR("D2") : MU_STR("D1"),
                                            mu_str_from(batch)};
        mu_node primary;
        mu_graph_observe(graph, &observation, &primary);
    }
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    mu_graph_cluster cluster;
    assert_true(mu_graph_read(graph, 1, &arena, &cluster));
    assert_int_equal(cluster.n_identities, 2);
    assert_true(mu_str_equal(cluster.identities[0].identity.namespace_code, MU_STR("CRMID")));
    assert_int_equal(cluster.identities[0].seen_ms, 111);
    assert_int_equal(cluster.n_edges, 1);
    const mu_graph_edge *edge = &cluster.edges[0];
    assert_int_equal(edge->first_ms, 50);
    assert_int_equal(edge->last_ms, 111);
    assert_int_equal(edge->n_datasets, 2);
    assert_true(mu_str_equal(edge->datasets[0], MU_STR("D1")));
    assert_int_equal(edge->n_batches, 10);
    assert_true(mu_str_equal(edge->batches[0], MU_STR("B12")));
    assert_true(mu_str_equal(edge->batches[9], MU_STR("B3")));
    mu_arena_free(&arena);
    mu_graph_free(graph);
}

static void rules_that_change_hold_for_later_data_only(void **state)
{
    (void)state;
    mu_graph *graph = mu_graph_new(3, no_rules, 1);
    mu_identity a = id("CRMID", "a"), b = id("CRMID", "b"), device = id("ECID", "1");
    see2(graph, 1, a, device);
    see2(graph, 2, b, device);
    mu_graph_configure(graph, 4, crm_is_unique);
    assert_true(is_together(graph, a, b));
    /* Nothing is new here but the time. */
    see2(graph, 3, b, device);
    assert_false(is_together(graph, a, b));
    assert_true(is_together(graph, b, device));
    mu_graph_free(graph);
}

static void what_cannot_be_restored_says_why(void **state)
{
    (void)state;
    mu_graph *graph = mu_graph_new(3, no_rules, 5);
    mu_graph_identity identities[] = {{id("CRMID", "a"), 1}, {id("ECID", "1"), 1}};
    mu_graph_edge edge = {.a = 0, .b = 1};
    mu_graph_cluster cluster = {1, 2, 1, identities, NULL, &edge};
    mu_err err;
    assert_int_equal(mu_graph_restore(graph, &cluster, NULL, &err), MU_OK);
    cluster.pid = 2;
    mu_graph_identity again[] = {{id("CRMID", "b"), 1}, {id("ECID", "1"), 1}};
    cluster.identities = again;
    assert_int_equal(mu_graph_restore(graph, &cluster, NULL, &err), MU_E_CONFLICT);
    assert_non_null(strstr(err.text, "ECID"));
    assert_int_equal(mu_graph_find(graph, again[0].identity), MU_NO_NODE);
    cluster.pid = 1;
    assert_int_equal(mu_graph_restore(graph, &cluster, NULL, &err), MU_E_CONFLICT);
    cluster.pid = 5;
    assert_int_equal(mu_graph_restore(graph, &cluster, NULL, &err), MU_E_CORRUPT);
    cluster.pid = 3;
    edge.b = 2;
    assert_int_equal(mu_graph_restore(graph, &cluster, NULL, &err), MU_E_CORRUPT);
    mu_graph_identity others[] = {{id("CRMID", "b"), 1}, {id("ECID", "2"), 1}};
    mu_str batch = MU_STR("B1");
    mu_graph_edge twice[2] = {{.a = 0, .b = 1, .n_batches = 1, .batches = &batch},
                              {.a = 0, .b = 1, .n_batches = 1, .batches = &batch}};
    cluster = (mu_graph_cluster){3, 2, 2, others, NULL, twice};
    assert_int_equal(mu_graph_restore(graph, &cluster, NULL, &err), MU_E_CORRUPT);
    assert_int_equal(mu_graph_find(graph, others[1].identity), MU_NO_NODE);
    assert_int_equal(mu_graph_count(graph).n_clusters, 1);
    mu_graph_free(graph);
}

static void namespaces_nobody_registered_come_last(void **state)
{
    (void)state;
    mu_graph *graph = mu_graph_new(0, NULL, 1);
    assert_true(mu_graph_is_better(graph, id("a", "2"), id("b", "1")));
    see2(graph, 1, id("b", "1"), id("a", "2"));
    assert_int_equal(pid_of(graph, id("a", "2")), 1);
    mu_graph_configure(graph, 3, no_rules);
    assert_true(mu_graph_is_better(graph, id("ECID", "2"), id("a", "1")));
    assert_true(mu_graph_is_better(graph, id("CRMID", "2"), id("Email", "1")));
    assert_true(mu_graph_is_better(graph, id("Email", "1"), id("ECID", "1")));
    assert_false(mu_graph_is_better(graph, id("Email", "1"), id("Email", "1")));
    mu_graph_free(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shared_device_follows_who_logged_in_last),
        cmocka_unit_test(a_shared_e_mail_stays_with_the_later_record),
        cmocka_unit_test(two_login_ids_on_one_device_stay_merged_without_a_unique_one),
        cmocka_unit_test(the_oldest_cookies_leave_a_full_graph),
        cmocka_unit_test(a_merge_keeps_the_older_pid),
        cmocka_unit_test(what_is_not_linked_is_not_touched),
        cmocka_unit_test(times_datasets_and_batches_of_links_are_kept),
        cmocka_unit_test(rules_that_change_hold_for_later_data_only),
        cmocka_unit_test(what_cannot_be_restored_says_why),
        cmocka_unit_test(namespaces_nobody_registered_come_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
