/* audiences.c -- a file of audiences: read, bound, and checked against one another. */
#include "app/rule_int.h"
#include "base/hash.h"

#define LINE_MAX_BYTES ((size_t)8 << 20)

static mu_audience_rule *add_rule(mu_arena *arena, mu_audience_rules *rules)
{
    if (rules->n == rules->capacity) {
        uint32_t capacity = rules->capacity == 0 ? 64 : rules->capacity * 2;
        mu_audience_rule *items = MU_NEW_ARRAY(arena, mu_audience_rule, capacity);
        if (rules->n > 0)
            memcpy(items, rules->items, rules->n * sizeof *items);
        rules->items = items;
        rules->capacity = capacity;
    }
    rules->items[rules->n] = (mu_audience_rule){0};
    return &rules->items[rules->n++];
}

/* -------- one line -------- */

static bool parse_expression(mu_arena *arena, const mu_json *expression, const mu_pql **out,
                             mu_pql_diagnostics *diagnostics)
{
    if (expression->kind == MU_JSON_OBJECT)
        return mu_pql_parse_tree(arena, expression, out, diagnostics) == MU_OK;
    return mu_pql_parse(arena, expression->string, out, diagnostics) == MU_OK;
}

static void bind_rule(mu_arena *arena, const mu_json *expression, const mu_schema *schema,
                      mu_audience_rule *rule)
{
    mu_pql_diagnostics diagnostics;
    mu_pql_diagnostics_init(&diagnostics, arena);
    mu_pql_bind_options options = {.schema = schema, .must_be_condition = true};
    const mu_pql *query, *bound;
    if (parse_expression(arena, expression, &query, &diagnostics) &&
        mu_pql_bind(arena, query, &options, &bound, &diagnostics) == MU_OK)
        rule->query = bound;
    else
        rule->error = mu_rule_first_error(arena, &diagnostics);
}

static void read_rule(mu_arena *arena, mu_json_reader *reader, mu_str line, uint64_t number,
                      const mu_schema *schema, mu_audience_rule *rule)
{
    mu_json json;
    mu_err err;
    unsigned long long at = number;
    if (line.len > LINE_MAX_BYTES) {
        rule->error =
            mu_arena_format(arena, "input line %llu is longer than %zu bytes", at, LINE_MAX_BYTES);
        return;
    }
    if (mu_json_read(reader, arena, line, &json, &err) != MU_OK) {
        rule->error = mu_arena_format(arena, "input line %llu is not JSON: %s", at, err.text);
        return;
    }
    const mu_json *expression = mu_json_member(&json, MU_STR("expression"));
    rule->id = mu_json_member_string(&json, MU_STR("id"), MU_STR(""));
    if (rule->id.len == 0)
        rule->error = mu_arena_format(
            arena, "input line %llu: an audience is {\"id\":\"...\",\"expression\":...}", at);
    else if (expression == NULL ||
             (expression->kind != MU_JSON_STRING && expression->kind != MU_JSON_OBJECT))
        rule->error = mu_arena_format(
            arena, "input line %llu: \"expression\" must be PQL text or a tree", at);
    else
        bind_rule(arena, expression, schema, rule);
}

/* -------- the audiences among one another -------- */

/* Who refers to whom, by index: dependents of rule r are dependents[first[r]] .. [first[r + 1]]. */
typedef struct reference_graph {
    mu_arena *arena;
    mu_audience_rules *rules;
    mu_strmap by_id;        /* id -> index + 1 */
    uint32_t *n_unresolved; /* references of a rule whose target is not settled yet */
    uint32_t *first, *dependents;
    const uint32_t **targets; /* of each rule */
    uint32_t *n_targets;
} reference_graph;

static void reject_duplicates(reference_graph *graph)
{
    for (uint32_t r = 0; r < graph->rules->n; r++) {
        mu_audience_rule *rule = &graph->rules->items[r];
        if (rule->id.len == 0)
            continue;
        uint64_t *place = mu_strmap_put(&graph->by_id, rule->id, NULL);
        if (*place == 0) {
            *place = r + 1;
        } else {
            rule->query = NULL;
            rule->error = MU_STR("an audience before it has the same id");
        }
    }
}

static void find_targets(reference_graph *graph, uint32_t r)
{
    mu_audience_rule *rule = &graph->rules->items[r];
    if (rule->query == NULL)
        return;
    mu_eligibility eligibility;
    mu_eligibility_options options = {0};
    mu_pql_eligibility(graph->arena, rule->query, &options, &eligibility);
    uint32_t *targets = MU_NEW_ARRAY(graph->arena, uint32_t, eligibility.n_segments + 1);
    for (uint32_t i = 0; i < eligibility.n_segments; i++) {
        const uint64_t *place = mu_strmap_get(&graph->by_id, eligibility.segments[i]);
        if (place != NULL)
            targets[graph->n_targets[r]++] = (uint32_t)*place - 1;
    }
    graph->targets[r] = targets;
    graph->n_unresolved[r] = graph->n_targets[r];
}

static void build_dependents(reference_graph *graph)
{
    uint32_t n = graph->rules->n, n_edges = 0;
    graph->first = MU_NEW_ARRAY(graph->arena, uint32_t, n + 2);
    for (uint32_t r = 0; r < n; r++) {
        n_edges += graph->n_targets[r];
        for (uint32_t t = 0; t < graph->n_targets[r]; t++)
            graph->first[graph->targets[r][t] + 2]++;
    }
    for (uint32_t r = 2; r <= n; r++)
        graph->first[r] += graph->first[r - 1];
    graph->dependents = MU_NEW_ARRAY(graph->arena, uint32_t, n_edges + 1);
    for (uint32_t r = 0; r < n; r++)
        for (uint32_t t = 0; t < graph->n_targets[r]; t++)
            graph->dependents[graph->first[graph->targets[r][t] + 1]++] = r;
}

/* Settles rules whose references are settled, in topological order; an error spreads to whoever
 * refers to it, because a stored membership must not stand in for it unseen. What cannot be settled
 * is a cycle, or leads into one. */
static void settle(reference_graph *graph)
{
    mu_audience_rules *rules = graph->rules;
    uint32_t *queue = MU_NEW_ARRAY(graph->arena, uint32_t, rules->n + 1), n_queued = 0;
    for (uint32_t r = 0; r < rules->n; r++)
        if (graph->n_unresolved[r] == 0)
            queue[n_queued++] = r;
    for (uint32_t at = 0; at < n_queued; at++) {
        const mu_audience_rule *settled = &rules->items[queue[at]];
        for (uint32_t d = graph->first[queue[at]]; d < graph->first[queue[at] + 1]; d++) {
            mu_audience_rule *dependent = &rules->items[graph->dependents[d]];
            if (settled->query == NULL && dependent->query != NULL) {
                dependent->query = NULL;
                dependent->error = mu_arena_format(graph->arena,
                                                   "it refers to the audience \"" MU_STR_FMT
                                                   "\", which has an error",
                                                   MU_STR_ARG(settled->id));
            }
            if (--graph->n_unresolved[graph->dependents[d]] == 0)
                queue[n_queued++] = graph->dependents[d];
        }
    }
    for (uint32_t r = 0; r < rules->n; r++) {
        if (graph->n_unresolved[r] == 0)
            continue;
        rules->items[r].query = NULL;
        rules->items[r].error = MU_STR("line 1:1 PQL-V07 cyclic audience reference: it refers to "
                                       "itself, or to audiences that do");
    }
}

static void check_references(mu_arena *arena, mu_audience_rules *rules)
{
    reference_graph graph = {
        .arena = arena,
        .rules = rules,
        .n_unresolved = MU_NEW_ARRAY(arena, uint32_t, rules->n + 1),
        .targets = MU_NEW_ARRAY(arena, const uint32_t *, rules->n + 1),
        .n_targets = MU_NEW_ARRAY(arena, uint32_t, rules->n + 1),
    };
    mu_strmap_init(&graph.by_id);
    reject_duplicates(&graph);
    for (uint32_t r = 0; r < rules->n; r++)
        find_targets(&graph, r);
    build_dependents(&graph);
    settle(&graph);
    mu_strmap_free(&graph.by_id);
}

void mu_audience_rules_read(mu_arena *arena, FILE *file, const mu_schema *schema,
                            mu_audience_rules *out)
{
    *out = (mu_audience_rules){0};
    mu_line_reader lines;
    mu_line_reader_init(&lines, file, LINE_MAX_BYTES);
    mu_json_reader *reader = mu_json_reader_new();
    for (mu_str line; mu_line_reader_next(&lines, &line);)
        if (mu_str_trim(line).len > 0)
            read_rule(arena, reader, line, lines.line, schema, add_rule(arena, out));
    mu_json_reader_free(reader);
    mu_line_reader_fini(&lines);
    check_references(arena, out);
}

mu_job_audience *mu_audience_rules_job(mu_arena *arena, mu_audience_rules *rules)
{
    mu_job_audience *audiences = MU_NEW_ARRAY(arena, mu_job_audience, rules->n + 1);
    rules->n_valid = 0;
    for (uint32_t r = 0; r < rules->n; r++) {
        if (rules->items[r].query == NULL)
            continue;
        rules->items[r].index = rules->n_valid;
        audiences[rules->n_valid++] =
            (mu_job_audience){.id = rules->items[r].id, .query = rules->items[r].query};
    }
    return audiences;
}
