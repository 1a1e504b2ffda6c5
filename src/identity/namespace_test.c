/* namespace_test.c -- built-in namespaces, types, and XIDs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "identity/graph.h"
#include "identity/xid.h"

#include <stdio.h>

static void builtin_namespaces_are_found_by_code_and_by_id(void **state)
{
    (void)state;
    static const struct {
        mu_str text;
        uint32_t id;
    } cases[] = {
        {{"ECID", 4}, 4},      {{"ecid", 4}, 4},  {{"4", 1}, 4}, {{"email", 5}, 6},
        {{"adcloud", 7}, 411}, {{"411", 3}, 411}, {{"0", 1}, 0}, {{"phone_e.164", 11}, 14},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const mu_builtin_namespace *found = mu_builtin_namespace_find(cases[i].text);
        assert_non_null(found);
        assert_int_equal(found->id, cases[i].id);
    }
    assert_null(mu_builtin_namespace_find(MU_STR("04")));
    assert_null(mu_builtin_namespace_find(MU_STR("CRMID")));
    assert_null(mu_builtin_namespace_find(MU_STR("")));
    const mu_builtin_namespace *all;
    uint32_t n = mu_builtin_namespaces(&all);
    for (uint32_t i = 1; i < n; i++)
        assert_true(all[i - 1].id < all[i].id);
    assert_true(all[n - 1].id < MU_NAMESPACE_CUSTOM_ID_MIN);
}

static void types_are_read_without_regard_to_case(void **state)
{
    (void)state;
    mu_identity_type type;
    assert_true(mu_identity_type_parse(MU_STR("Cross_device"), &type));
    assert_int_equal(type, MU_IDENTITY_CROSS_DEVICE);
    assert_true(mu_str_equal(mu_identity_type_text(type), MU_STR("CROSS_DEVICE")));
    assert_true(mu_identity_type_parse(MU_STR("mobile"), &type));
    assert_int_equal(type, MU_IDENTITY_PHONE);
    assert_false(mu_identity_type_parse(MU_STR("COOKIES"), &type));
    assert_false(mu_identity_type_parse(MU_STR(""), &type));
}

/* Worked out with Python's hashlib and base64. */
static void xids_are_as_they_always_were(void **state)
{
    (void)state;
    char many[1200];
    for (size_t i = 0; i < sizeof many; i += 2)
        memcpy(many + i, "\xc3\xa9", 2);
    const struct {
        uint32_t namespace_id;
        mu_str value;
        const char *xid;
    } cases[] = {
        {4u, MU_STR("87425148613594122803641603982383516983"), "oQAAAAR12Olvs2UaVHBzMfGNnQS1"},
        {6u, MU_STR("ada@example.com"), "oQAAAAbfkG5sxYTz5tD5gSAcgdTp"},
        {10000001u, MU_STR("CRM-100042"), "oQCYloHW9762casFj3njKZdVZBHb"},
        {4294967295u, MU_STR(""), "of____-tlRMbwLeZwLGvR3-xT88m"},
        {7u, {many, sizeof many}, "oQAAAAfk_vwGezLDNyq9a4Wg-w-c"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mu_xid xid = mu_identity_xid(cases[i].namespace_id, cases[i].value);
        assert_true(mu_str_equal(mu_xid_str(&xid), mu_str_from(cases[i].xid)));
    }
}

static const mu_graph_namespace registered[] = {
    {{"ECID", 4}, 4, MU_IDENTITY_COOKIE, 0, false},
    {{"CRMID", 5}, 10000001, MU_IDENTITY_CROSS_DEVICE, 0, false},
};

static mu_node see(mu_graph *graph, mu_str code, mu_str value)
{
    mu_identity identity = {code, value};
    mu_graph_observation observation = {.n = 1, .identities = &identity, .time_ms = 1};
    mu_node node;
    mu_graph_observe(graph, &observation, &node);
    return node;
}

static mu_node find(mu_graph *graph, uint32_t namespace_id, mu_str value)
{
    mu_xid xid = mu_identity_xid(namespace_id, value);
    return mu_graph_find_xid(graph, mu_xid_str(&xid));
}

static void identities_are_found_by_xid_before_and_after_the_index_is_made(void **state)
{
    (void)state;
    mu_graph *graph = mu_graph_new(1, registered, 1);
    mu_node nodes[1000];
    char values[1000][16];
    for (int i = 0; i < 1000; i++) {
        if (i == 300) {
            assert_false(mu_graph_index_xids(graph, 100));
            mu_graph_erase(graph, mu_graph_pid(graph, nodes[5]));
            mu_graph_erase(graph, mu_graph_pid(graph, nodes[200]));
            nodes[5] = see(graph, MU_STR("ECID"), MU_STR("5"));
            nodes[200] = see(graph, MU_STR("ECID"), MU_STR("200"));
        }
        if (i == 500)
            assert_int_equal(find(graph, 4, mu_str_from(values[7])), nodes[7]);
        snprintf(values[i], sizeof values[i], "%d", i);
        nodes[i] = see(graph, MU_STR("ECID"), mu_str_from(values[i]));
    }
    mu_node crm = see(graph, MU_STR("CRMID"), MU_STR("7"));
    for (int i = 0; i < 1000; i++)
        assert_int_equal(find(graph, 4, mu_str_from(values[i])), nodes[i]);
    assert_int_equal(find(graph, 4, MU_STR("1000")), MU_NO_NODE);
    assert_int_equal(mu_graph_find_xid(graph, MU_STR("no xid")), MU_NO_NODE);

    mu_graph_erase(graph, mu_graph_pid(graph, nodes[7]));
    assert_int_equal(find(graph, 4, MU_STR("7")), MU_NO_NODE);
    nodes[7] = see(graph, MU_STR("ECID"), MU_STR("7"));
    assert_int_equal(find(graph, 4, MU_STR("7")), nodes[7]);

    /* A namespace that is registered later. */
    assert_int_equal(find(graph, 10000001, MU_STR("7")), MU_NO_NODE);
    mu_graph_configure(graph, 2, registered);
    assert_int_equal(find(graph, 10000001, MU_STR("7")), crm);
    mu_graph_erase(graph, mu_graph_pid(graph, crm));
    assert_int_equal(find(graph, 10000001, MU_STR("7")), MU_NO_NODE);
    mu_graph_free(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builtin_namespaces_are_found_by_code_and_by_id),
        cmocka_unit_test(types_are_read_without_regard_to_case),
        cmocka_unit_test(xids_are_as_they_always_were),
        cmocka_unit_test(identities_are_found_by_xid_before_and_after_the_index_is_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
