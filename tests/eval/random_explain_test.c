/* Explanations of random (rule, person) pairs: the root's value is the membership, every node's
 * value is what the node gives by itself, and without the witness events nothing is left that made
 * the rule true. */
#include "tests/support/random_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define PAIRS         1000u
#define ROWS_PER_RULE 4u

typedef struct explain_tally {
    uint32_t n_pairs, n_nodes, n_conditions, n_flips, n_wrong;
    uint64_t seed;
} explain_tally;

/* One explained pair. */
typedef struct pair {
    mu_arena arena;
    const mu_bound_case *bound;
    const mu_pql *query;
    uint32_t row;
    mu_reference_context context;
    mu_explanation explanation;
    explain_tally *tally;
    mu_str text;
} pair;

static void wrong(pair *explained, const char *what, const mu_pql *node)
{
    mu_buf buf;
    mu_buf_init(&buf, 1 << 20);
    if (node != NULL)
        mu_pql_write_text(&buf, node);
    mu_json_writer writer;
    mu_json_writer_init(&writer, &buf);
    MU_BUF_ADD(&buf, "\nrow ");
    mu_value_write(&writer, explained->bound->rows[explained->row].value);
    print_error("seed %llu: %s\nrule %s\nnode %.*s\n", (unsigned long long)explained->tally->seed,
                what, explained->text.ptr, (int)buf.len, buf.ptr);
    mu_buf_free(&buf);
    explained->tally->n_wrong++;
}

static bool names_variables(const mu_pql *node)
{
    if (node == NULL)
        return false;
    bool found = node->kind == MU_PQL_VARIABLE;
    for (uint32_t i = 0; i < node->n_args; i++)
        found |= names_variables(node->args[i]);
    for (uint32_t i = 0; i < node->n_declarations; i++)
        found |= names_variables(node->declarations[i].from) ||
                 names_variables(node->declarations[i].where);
    if (node->when != NULL)
        found |= names_variables(node->when->start) || names_variables(node->when->end);
    for (uint32_t i = 0; i < node->n_items; i++) {
        const mu_pql_chain_item *item = &node->items[i];
        found |= names_variables(item->what) || names_variables(item->where);
        if (item->when != NULL)
            found |= names_variables(item->when->start) || names_variables(item->when->end);
    }
    return found;
}

/* Values of which one node is the whole story; times inside `occurs` are not. */
static bool has_own_value(const mu_pql *node)
{
    switch (node->kind) {
    case MU_PQL_LITERAL:
    case MU_PQL_ARRAY:
    case MU_PQL_OBJECT:
    case MU_PQL_FIELD:
    case MU_PQL_CALL:
    case MU_PQL_SELECT:
    case MU_PQL_QUANTIFIED:
    case MU_PQL_AGGREGATE:
    case MU_PQL_OCCURS:
    case MU_PQL_CHAIN:
        return !names_variables(node);
    default:
        return false;
    }
}

static void check_nodes(pair *explained)
{
    for (uint32_t i = 0; i < explained->explanation.n_nodes; i++) {
        const mu_explanation_node *node = &explained->explanation.nodes[i];
        if (node->node == NULL)
            continue;
        if (node->n_evaluated == 0 || node->n_true > node->n_evaluated)
            wrong(explained, "a node is true more often than it was evaluated", node->node);
        if (node->in_item_scope || !has_own_value(node->node))
            continue;
        mu_reference_result alone = mu_reference_eval_in(&explained->arena, &explained->context,
                                                         node->node, 0, NULL, 0, NULL);
        explained->tally->n_nodes++;
        if (!mu_value_identical(alone.value, node->value))
            wrong(explained, "a node's value is not what it gives alone", node->node);
    }
}

/* The profile row without the events at `skipped`, ascending. */
static mu_value without_events(mu_arena *arena, mu_value row, uint32_t n_skipped,
                               const uint32_t *skipped)
{
    mu_value *fields = MU_NEW_ARRAY(arena, mu_value, row.n);
    memcpy(fields, row.items, row.n * sizeof *fields);
    mu_value *events = &fields[row.n - 1];
    mu_value *left = MU_NEW_ARRAY(arena, mu_value, events->n + 1);
    uint32_t n = 0;
    for (uint32_t i = 0, s = 0; i < events->n; i++) {
        if (s < n_skipped && skipped[s] == i)
            s++;
        else
            left[n++] = events->items[i];
    }
    events->items = left;
    events->n = n;
    row.items = fields;
    return row;
}

static bool is_condition(const mu_explanation *explanation, const mu_pql *node)
{
    for (uint32_t i = 0; i < explanation->n_conditions; i++)
        if (explanation->conditions[i] == node)
            return true;
    return false;
}

/* Does the rule need one of the positive event conditions: reached through `and` only? */
static bool needs_condition(const mu_explanation *explanation, const mu_pql *node)
{
    if (is_condition(explanation, node))
        return true;
    if (node->kind != MU_PQL_CALL || node->function != MU_FN_AND)
        return false;
    for (uint32_t i = 0; i < node->n_args; i++)
        if (needs_condition(explanation, node->args[i]))
            return true;
    return false;
}

static void check_witnesses(pair *explained)
{
    const mu_explanation *explanation = &explained->explanation;
    for (uint32_t i = 0; i < explanation->n_witnesses; i++)
        if (explanation->witnesses[i] >= explanation->events.n ||
            (i > 0 && explanation->witnesses[i] <= explanation->witnesses[i - 1]))
            wrong(explained, "witnesses are no ascending indexes into xEvent", NULL);
    mu_value row = without_events(&explained->arena, *explained->context.parameters,
                                  explanation->n_witnesses, explanation->witnesses);
    mu_reference_context context = explained->context;
    context.parameters = &row;
    for (uint32_t i = 0; i < explanation->n_conditions; i++) {
        const mu_pql *condition = explanation->conditions[i];
        if (names_variables(condition))
            continue;
        mu_reference_result left =
            mu_reference_eval_in(&explained->arena, &context, condition, 0, NULL, 0, NULL);
        explained->tally->n_conditions++;
        if (left.trips == 0 && mu_value_is_true(left.value))
            wrong(explained, "a condition holds without its witnesses", condition);
    }
    if (!needs_condition(explanation, explained->query))
        return;
    uint32_t trips = 0;
    explained->tally->n_flips++;
    if (mu_reference_is_member(&explained->arena, &context, explained->query, &trips))
        wrong(explained, "the profile is a member without the witnesses", NULL);
}

static void check_pair(explain_tally *tally, const mu_bound_case *bound, const mu_pql *query,
                       mu_str text, uint32_t row)
{
    pair explained = {.bound = bound,
                      .query = query,
                      .row = row,
                      .context = mu_case_context(bound, row),
                      .tally = tally,
                      .text = text};
    mu_arena_init(&explained.arena, SIZE_MAX);
    uint32_t trips = 0;
    bool is_member = mu_reference_is_member(&explained.arena, &explained.context, query, &trips);
    mu_explain_run(&explained.arena, &explained.context, query, &explained.explanation);
    if (explained.explanation.is_member != is_member || explained.explanation.trips != trips)
        wrong(&explained, "the explanation's answer is not the membership", NULL);
    if (trips == 0) {
        if (mu_value_is_true(explained.explanation.value) != is_member)
            wrong(&explained, "the root's value is not the membership", NULL);
        check_nodes(&explained);
        check_witnesses(&explained);
    }
    tally->n_pairs++;
    mu_arena_free(&explained.arena);
}

static void check_data_set(explain_tally *tally, mu_str examples, mu_dice *dice, mu_arena *arena)
{
    mu_rule_tally rules = {0};
    mu_case test_case;
    mu_random_case_make(dice, arena, examples, MU_SHAPE_SMALL, 60, &test_case, &rules);
    mu_test_store store;
    mu_bound_case bound;
    mu_err err = {0};
    if (mu_test_store_open(&test_case.data, &store, &err) != MU_OK ||
        mu_case_bind(&test_case, store.snapshot, arena, &bound, &err) != MU_OK)
        fail_msg("%s", err.text);
    for (uint32_t rule = 0; rule < bound.n_rules; rule++)
        for (uint32_t i = 0; i < ROWS_PER_RULE && bound.n_rows > 0; i++)
            check_pair(tally, &bound, bound.audiences[rule].query, test_case.rules[rule].text,
                       mu_dice_below(dice, bound.n_rows));
    mu_test_store_close(&store);
}

static void explanations_of_random_pairs_hold(void **state)
{
    (void)state;
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    mu_arena file;
    mu_arena_init(&file, SIZE_MAX);
    mu_str examples = mu_examples_read(&file);
    explain_tally tally = {.seed = mu_dice_seed("explanations", 17)};
    uint32_t n_pairs = mu_dice_cases(PAIRS * ROWS_PER_RULE);
    while (tally.n_pairs < n_pairs && tally.n_wrong == 0) {
        mu_dice dice;
        mu_dice_init(&dice, tally.seed);
        check_data_set(&tally, examples, &dice, &arena);
        mu_arena_reset(&arena);
        tally.seed++;
    }
    print_message("%u pairs, %u nodes, %u conditions, %u answers that flip\n", tally.n_pairs,
                  tally.n_nodes, tally.n_conditions, tally.n_flips);
    assert_int_equal(tally.n_wrong, 0);
    assert_true(tally.n_nodes > tally.n_pairs);
    assert_true(tally.n_conditions * 20 > tally.n_pairs);
    assert_true(tally.n_flips > 0);
    mu_arena_free(&file);
    mu_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(explanations_of_random_pairs_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
