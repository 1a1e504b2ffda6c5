/* explain_test.c -- explanations: every value is the reference evaluator's, and without the witness
 * events no positive event condition holds (docs/explain.md). */
#include "eval/reference_int.h"
#include "tests/support/dice.h"
#include "tests/support/random_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const int64_t now_ms = 1715351720000; /* 2024-05-10T14:35:20Z */

/* -------- one rule on one profile -------- */

static const char shopper[] =
    "{\"tier\":\"gold\",\"xEvent\":["
    "{\"_id\":\"e0\",\"timestamp\":\"2024-05-01T00:00:00Z\",\"eventType\":\"view\",\"items\":[{"
    "\"s\":"
    "\"a\"}]},"
    "{\"_id\":\"e1\",\"timestamp\":\"2024-05-02T00:00:00Z\",\"eventType\":\"add\"},"
    "{\"_id\":\"e2\",\"timestamp\":\"2024-05-03T00:00:00Z\",\"eventType\":\"view\",\"items\":[{"
    "\"s\":"
    "\"b\"}]},"
    "{\"_id\":\"e3\",\"timestamp\":\"2024-05-04T00:00:00Z\",\"eventType\":\"buy\",\"total\":50},"
    "{\"_id\":\"e4\",\"timestamp\":\"2024-05-05T00:00:00Z\",\"eventType\":\"add\"},"
    "{\"_id\":\"e5\",\"timestamp\":\"2024-05-06T00:00:00Z\",\"eventType\":\"buy\",\"total\":30}]}";

typedef struct fixture {
    mu_arena arena;
    mu_json_reader *reader;
    mu_value profile;
    mu_reference_context context;
    const mu_pql *query;
    mu_explanation explanation;
} fixture;

static void explain(fixture *f, const char *profile, const char *rule)
{
    mu_json json;
    mu_err err;
    mu_pql_diagnostics diagnostics;
    *f = (fixture){.reader = mu_json_reader_new()};
    mu_arena_init(&f->arena, SIZE_MAX);
    if (mu_json_read(f->reader, &f->arena, mu_str_from(profile), &json, &err) != MU_OK)
        fail_msg("%s", err.text);
    f->profile = mu_value_from_json(&f->arena, &json);
    f->context =
        (mu_reference_context){.now_ms = now_ms, .n_parameters = 1, .parameters = &f->profile};
    mu_pql_diagnostics_init(&diagnostics, &f->arena);
    if (mu_pql_parse_text(&f->arena, mu_str_from(rule), &f->query, &diagnostics) != MU_OK)
        fail_msg("%s does not parse", rule);
    mu_explain_run(&f->arena, &f->context, f->query, &f->explanation);
}

static void teardown(fixture *f)
{
    mu_json_reader_free(f->reader);
    mu_arena_free(&f->arena);
}

/* `expected`: the indexes as digits. */
static void check_witnesses(const char *rule, bool is_member, const char *expected)
{
    fixture f;
    char got[32] = "";
    explain(&f, shopper, rule);
    for (uint32_t i = 0; i < f.explanation.n_witnesses; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%u", f.explanation.witnesses[i]);
    if (f.explanation.is_member != is_member || strcmp(got, expected) != 0)
        fail_msg("%s: member %d, witnesses %s; expected %s", rule, f.explanation.is_member, got,
                 expected);
    teardown(&f);
}

static void witnesses_are_the_events_a_condition_holds_for(void **state)
{
    (void)state;
    check_witnesses("xEvent[eventType = \"view\"]", true, "02");
    check_witnesses("xEvent[eventType = \"view\"].count() >= 2", true, "02");
    check_witnesses("xEvent.exists(total > 40)", true, "3");
    check_witnesses("exists e from xEvent where e.total > 40", true, "3");
    check_witnesses("select e from xEvent where e.eventType = \"buy\"", true, "35");
    check_witnesses("xEvent[eventType = \"buy\"].sum(total) > 60", true, "35");
    check_witnesses("(sum e.total over e from xEvent where e.total > 20) > 60", true, "35");
    check_witnesses("xEvent[items[s = \"b\"]]", true, "2");
    check_witnesses("xEvent.items.exists(s = \"b\")", true, "2");
    check_witnesses("xEvent.topN(timestamp, 2).exists(eventType = \"buy\")", true, "35");
    check_witnesses("tier = \"gold\" and xEvent.exists(eventType = \"buy\")", true, "35");
    check_witnesses("tier = \"none\" and xEvent.exists(eventType = \"buy\")", false, "35");
    check_witnesses("xEvent.exists(total > 40) or xEvent.exists(eventType = \"view\")", true,
                    "023");
}

static void chains_give_the_match_and_the_rarest_candidates(void **state)
{
    (void)state;
    check_witnesses("chain(xEvent, timestamp, [WHAT(eventType = \"view\")])", true, "02");
    check_witnesses("chain(xEvent, timestamp, [WHAT(eventType = \"view\"), WHAT(total > 40)])",
                    true, "03");
    check_witnesses("chain(xEvent, timestamp, [A: WHAT(eventType = \"add\"), B: WHAT(eventType = "
                    "\"buy\") WHEN(<= 1 days after A)])",
                    true, "145");
    check_witnesses("chain(xEvent, timestamp, [WHAT(eventType = \"buy\") COUNT(= 2)])", true, "35");
}

static void negative_and_profile_conditions_have_no_witnesses(void **state)
{
    (void)state;
    check_witnesses("tier = \"gold\"", true, "");
    check_witnesses("not xEvent.exists(eventType = \"gone\")", true, "");
    check_witnesses("not xEvent.exists(eventType = \"buy\")", false, "");
    check_witnesses("xEvent.count() < 10", true, "");
    check_witnesses("xEvent.exists(eventType = \"gone\")", false, "");
    check_witnesses("none e from xEvent where e.eventType = \"gone\"", true, "");
    check_witnesses("if(xEvent.exists(eventType = \"gone\"), false, true)", true, "");
}

/* What cannot be told by looking is settled by trying. */
static void results_bound_by_let_have_witnesses(void **state)
{
    (void)state;
    check_witnesses("let s = xEvent[eventType = \"buy\"].sum(total) in s > 60", true, "35");
    check_witnesses("let n = xEvent.count() in n >= 6 and xEvent.exists(total > 40)", true,
                    "012345");
    check_witnesses("xEvent.total.max() = 50", true, "012345");
}

static void nodes_in_item_scopes_are_counted(void **state)
{
    (void)state;
    fixture f;
    explain(&f, shopper, "xEvent[eventType = \"view\"].count() = 2");
    const mu_pql *filter = f.query->args[0]->args[0];
    const mu_pql *condition = filter->args[1]->args[0];
    const mu_explanation_node *node = &f.explanation.nodes[condition->id];
    assert_true(node->in_item_scope);
    assert_int_equal(node->n_evaluated, 6);
    assert_int_equal(node->n_true, 2);
    assert_int_equal(f.explanation.nodes[filter->id].value.n, 2);
    assert_int_equal(f.explanation.nodes[f.query->args[0]->id].value.integer, 2);
    assert_int_equal(f.explanation.n_conditions, 1);
    assert_ptr_equal(f.explanation.conditions[0], f.query);
    teardown(&f);
}

static void explanation_reads_as_documented(void **state)
{
    (void)state;
    static const char expected[] =
        "{\"identity\":\"Email:a@b.c\",\"member\":true,\"now\":\"2024-05-10T14:35:20Z\",\"rule\":"
        "{\"id\":0,\"text\":\"tier = \\\"gold\\\" and xEvent.exists(total > "
        "40)\",\"kind\":\"call\","
        "\"function\":\"and\",\"value\":true,\"children\":["
        "{\"id\":1,\"text\":\"tier = \\\"gold\\\"\",\"kind\":\"call\",\"function\":\"=\",\"value\":"
        "true,\"children\":["
        "{\"id\":2,\"text\":\"tier\",\"kind\":\"field\",\"value\":\"gold\"},"
        "{\"id\":4,\"text\":\"\\\"gold\\\"\",\"kind\":\"literal\",\"value\":\"gold\"}]},"
        "{\"id\":5,\"text\":\"xEvent.exists(total > "
        "40)\",\"kind\":\"call\",\"function\":\"exists\","
        "\"value\":true,\"children\":["
        "{\"id\":6,\"text\":\"xEvent\",\"kind\":\"field\",\"type\":\"list\",\"size\":6},"
        "{\"id\":9,\"text\":\"total > "
        "40\",\"kind\":\"call\",\"function\":\">\",\"trueFor\":1,\"of\":"
        "6,\"children\":["
        "{\"id\":10,\"text\":\"total\",\"kind\":\"field\",\"trueFor\":0,\"of\":6},"
        "{\"id\":12,\"text\":\"40\",\"kind\":\"literal\",\"trueFor\":0,\"of\":6}]}]}]},"
        "\"eventConditions\":[5],\"witnesses\":[{\"index\":3,\"_id\":\"e3\",\"timestamp\":"
        "\"2024-05-04T00:00:00Z\",\"eventType\":\"buy\"}]}";
    fixture f;
    mu_buf buf;
    mu_json_writer writer;
    explain(&f, shopper, "tier = \"gold\" and xEvent.exists(total > 40)");
    mu_buf_init(&buf, SIZE_MAX);
    mu_json_writer_init(&writer, &buf);
    mu_explain_write(&writer, &f.context, f.query, MU_STR("Email:a@b.c"), &f.explanation);
    mu_buf_add_char(&buf, '\0');
    assert_string_equal(buf.ptr, expected);
    mu_buf_free(&buf);
    teardown(&f);
}

static void guards_are_named_and_make_a_non_member(void **state)
{
    (void)state;
    fixture f;
    mu_buf buf;
    mu_json_writer writer;
    explain(&f, "{\"t\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"}",
            "not t.matches(\"(a+)+$\")");
    assert_false(f.explanation.is_member);
    assert_true(mu_value_is_true(f.explanation.value));
    mu_buf_init(&buf, SIZE_MAX);
    mu_json_writer_init(&writer, &buf);
    mu_explain_write(&writer, &f.context, f.query, MU_STR(""), &f.explanation);
    assert_true(mu_str_find(mu_buf_str(&buf), MU_STR("\"guards\":[\"regex-steps\"]")) != SIZE_MAX);
    mu_buf_free(&buf);
    teardown(&f);
}

/* -------- random rules and people -------- */

static void look_for_names(void *context, const mu_pql *node)
{
    bool *found = context;
    if (node->kind == MU_PQL_LET)
        *found = true;
    mu_reference_children(node, look_for_names, context);
}

/* Names bound around a node make it mean nothing by itself. */
static bool binds_names(const mu_pql *query)
{
    bool found = query->kind == MU_PQL_LAMBDA;
    look_for_names(&found, query);
    return found;
}

static void check_values(mu_arena *arena, const mu_reference_context *context,
                         const mu_explanation *explanation)
{
    for (uint32_t id = 0; id < explanation->n_nodes; id++) {
        const mu_explanation_node *seen = &explanation->nodes[id];
        if (seen->n_evaluated == 0 || seen->in_item_scope ||
            seen->node->kind == MU_PQL_TIME_INTERVAL) /* no value outside a time */
            continue;
        mu_reference_result alone =
            mu_reference_eval_in(arena, context, seen->node, 0, NULL, 0, NULL);
        assert_true(mu_value_identical(alone.value, seen->value));
    }
}

static mu_value without_witnesses(mu_arena *arena, mu_value profile,
                                  const mu_explanation *explanation)
{
    mu_value_list events;
    mu_value *fields = MU_NEW_ARRAY(arena, mu_value, profile.n);
    uint32_t at = 0;
    mu_value_list_init(&events, arena);
    for (uint32_t i = 0; i < explanation->events.n; i++) {
        if (at < explanation->n_witnesses && explanation->witnesses[at] == i)
            at++;
        else
            mu_value_list_add(&events, explanation->events.items[i]);
    }
    for (uint32_t i = 0; i < profile.n; i++)
        fields[i] = mu_str_equal(profile.keys[i], MU_STR("xEvent")) ? mu_value_of_list(&events)
                                                                    : profile.items[i];
    profile.items = fields;
    return profile;
}

static void check_promise(mu_arena *arena, mu_reference_context context,
                          const mu_explanation *explanation)
{
    mu_value reduced = without_witnesses(arena, context.parameters[0], explanation);
    context.parameters = &reduced;
    for (uint32_t i = 0; i < explanation->n_conditions; i++) {
        mu_reference_result result =
            mu_reference_eval_in(arena, &context, explanation->conditions[i], 0, NULL, 0, NULL);
        assert_true(mu_value_is_true(explanation->nodes[explanation->conditions[i]->id].value));
        assert_false(mu_value_is_true(result.value));
    }
}

/* The root is a condition itself, or an `and` of which one side is. */
static bool needs_a_condition(const mu_pql *query, const mu_explanation *explanation)
{
    for (uint32_t i = 0; i < explanation->n_conditions; i++) {
        if (explanation->conditions[i] == query)
            return true;
        for (uint32_t k = 0; k < query->n_args; k++)
            if (query->kind == MU_PQL_CALL && query->function == MU_FN_AND &&
                explanation->conditions[i] == query->args[k])
                return true;
    }
    return false;
}

typedef struct pair_tally {
    uint32_t n_pairs, n_members, n_flips, n_conditions, n_all_events;
} pair_tally;

static void check_json(mu_arena *arena, const mu_reference_context *context, const mu_pql *query,
                       const mu_explanation *explanation)
{
    mu_buf buf;
    mu_json_writer writer;
    mu_json json;
    mu_err err;
    mu_json_reader *reader = mu_json_reader_new();
    mu_buf_init(&buf, SIZE_MAX);
    mu_json_writer_init(&writer, &buf);
    mu_explain_write(&writer, context, query, MU_STR(""), explanation);
    if (mu_json_read(reader, arena, mu_buf_str(&buf), &json, &err) != MU_OK)
        fail_msg("%s in " MU_STR_FMT, err.text, MU_STR_ARG(mu_buf_str(&buf)));
    assert_int_equal(mu_json_member(&json, MU_STR("member"))->boolean, explanation->is_member);
    assert_int_equal(mu_json_member(&json, MU_STR("witnesses"))->n, explanation->n_witnesses);
    mu_json_reader_free(reader);
    mu_buf_free(&buf);
}

static void check_pair(const mu_bound_case *bound, uint32_t rule, uint32_t row, pair_tally *tally)
{
    mu_arena arena;
    mu_explanation explanation;
    uint32_t trips;
    const mu_pql *query = bound->audiences[rule].query;
    mu_reference_context context = mu_case_context(bound, row);
    mu_arena_init(&arena, SIZE_MAX);
    mu_explain_run(&arena, &context, query, &explanation);
    bool is_member = mu_reference_is_member(&arena, &context, query, &trips);
    assert_int_equal(explanation.is_member, is_member);
    assert_int_equal(explanation.trips, trips);
    check_json(&arena, &context, query, &explanation);
    if (!binds_names(query)) {
        check_values(&arena, &context, &explanation);
        check_promise(&arena, context, &explanation);
    }
    if (is_member && needs_a_condition(query, &explanation)) {
        mu_value reduced = without_witnesses(&arena, context.parameters[0], &explanation);
        context.parameters = &reduced;
        assert_false(mu_reference_is_member(&arena, &context, query, &trips));
        tally->n_flips++;
    }
    tally->n_pairs++;
    tally->n_members += is_member;
    tally->n_conditions += explanation.n_conditions;
    tally->n_all_events +=
        explanation.n_conditions > 0 && explanation.n_witnesses == explanation.events.n;
    mu_arena_free(&arena);
}

static void check_case(mu_dice *dice, mu_arena *arena, mu_str examples, uint32_t n_pairs,
                       pair_tally *tally)
{
    mu_case random_case;
    mu_rule_tally rules = {0};
    mu_test_store store;
    mu_bound_case bound;
    mu_err err;
    mu_random_case_make(dice, arena, examples, MU_SHAPE_SMALL, 12, &random_case, &rules);
    if (mu_test_store_open(&random_case.data, &store, &err) != MU_OK)
        fail_msg("%s", err.text);
    if (mu_case_bind(&random_case, store.snapshot, arena, &bound, &err) != MU_OK)
        fail_msg("%s", err.text);
    uint32_t n = bound.n_rules == 0 || bound.n_rows == 0 ? 0 : n_pairs;
    for (uint32_t i = 0; i < n; i++)
        check_pair(&bound, mu_dice_below(dice, bound.n_rules), mu_dice_below(dice, bound.n_rows),
                   tally);
    mu_test_store_close(&store);
}

static void random_rules_are_explained_truly(void **state)
{
    (void)state;
    mu_dice dice;
    pair_tally tally = {0};
    uint32_t n_pairs = mu_dice_cases(1000);
    mu_dice_init(&dice, mu_dice_seed("explain", 20240510));
    while (tally.n_pairs < n_pairs) {
        mu_arena arena;
        mu_arena_init(&arena, SIZE_MAX);
        check_case(&dice, &arena, mu_examples_read(&arena), 25, &tally);
        mu_arena_free(&arena);
    }
    print_message("%u pairs, %u members, %u event conditions, %u flips, %u with all events\n",
                  tally.n_pairs, tally.n_members, tally.n_conditions, tally.n_flips,
                  tally.n_all_events);
    assert_true(tally.n_members > 0);
    assert_true(tally.n_conditions > tally.n_pairs / 50);
    assert_true(tally.n_flips > tally.n_pairs / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(witnesses_are_the_events_a_condition_holds_for),
        cmocka_unit_test(chains_give_the_match_and_the_rarest_candidates),
        cmocka_unit_test(negative_and_profile_conditions_have_no_witnesses),
        cmocka_unit_test(results_bound_by_let_have_witnesses),
        cmocka_unit_test(nodes_in_item_scopes_are_counted),
        cmocka_unit_test(explanation_reads_as_documented),
        cmocka_unit_test(guards_are_named_and_make_a_non_member),
        cmocka_unit_test(random_rules_are_explained_truly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
