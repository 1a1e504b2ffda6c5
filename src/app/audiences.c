/* audiences.c -- a file of audiences: read, bound, and checked against one another. */
#include "app/rule_int.h"
#include "base/hash.h"
#include "base/thread.h"

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

static void find_segments(mu_arena *arena, mu_audience_rule *rule)
{
    mu_eligibility eligibility;
    mu_eligibility_options options = {0};
    mu_pql_eligibility(arena, rule->query, &options, &eligibility);
    rule->n_segments = eligibility.n_segments;
    rule->segments = eligibility.segments;
}

static void read_rule(mu_arena *arena, mu_json_reader *reader, const mu_schema *schema,
                      mu_audience_rule *rule)
{
    mu_json json;
    mu_err err;
    mu_str line = rule->line;
    unsigned long long at = rule->number;
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
    if (rule->query != NULL)
        find_segments(arena, rule);
}

/* -------- all lines -------- */

#define LINES_AT_A_TIME 64u

typedef struct reading {
    const mu_schema *schema;
    mu_audience_rules *rules;
    mu_json_reader **readers; /* per thread */
} reading;

static mu_code read_rules(void *context, unsigned worker, size_t item, mu_err *err)
{
    reading *r = context;
    uint32_t first = (uint32_t)item * LINES_AT_A_TIME, past = first + LINES_AT_A_TIME;
    (void)err;
    for (uint32_t i = first; i < past && i < r->rules->n; i++)
        read_rule(&r->rules->arenas[worker], r->readers[worker], r->schema, &r->rules->items[i]);
    return MU_OK;
}

static void read_all(mu_arena *arena, const mu_schema *schema, mu_audience_rules *rules)
{
    reading r = {.schema = schema,
                 .rules = rules,
                 .readers = MU_NEW_ARRAY(arena, mu_json_reader *, rules->n_arenas)};
    mu_err err;
    for (unsigned t = 0; t < rules->n_arenas; t++)
        r.readers[t] = mu_json_reader_new();
    mu_code code = mu_parallel_for(
        rules->n_arenas, (rules->n + LINES_AT_A_TIME - 1) / LINES_AT_A_TIME, read_rules, &r, &err);
    MU_ASSERT(code == MU_OK); /* errors are the lines' own */
    for (unsigned t = 0; t < rules->n_arenas; t++)
        mu_json_reader_free(r.readers[t]);
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
    const mu_audience_rule *rule = &graph->rules->items[r];
    if (rule->query == NULL || rule->n_segments == 0)
        return;
    uint32_t *targets = MU_NEW_ARRAY(graph->arena, uint32_t, rule->n_segments);
    for (uint32_t i = 0; i < rule->n_segments; i++) {
        const uint64_t *place = mu_strmap_get(&graph->by_id, rule->segments[i]);
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

static void read_lines(mu_arena *arena, FILE *file, mu_audience_rules *rules)
{
    mu_line_reader lines;
    mu_line_reader_init(&lines, file, LINE_MAX_BYTES);
    for (mu_str line; mu_line_reader_next(&lines, &line);) {
        if (mu_str_trim(line).len == 0)
            continue;
        mu_audience_rule *rule = add_rule(arena, rules);
        rule->line = mu_arena_copy(arena, line);
        rule->number = lines.line;
    }
    mu_line_reader_fini(&lines);
}

void mu_audience_rules_read(mu_arena *arena, FILE *file, const mu_schema *schema,
                            unsigned n_threads, mu_audience_rules *out)
{
    *out = (mu_audience_rules){.n_arenas = n_threads == 0 ? 1 : n_threads};
    out->arenas = MU_NEW_ARRAY(arena, mu_arena, out->n_arenas);
    for (unsigned t = 0; t < out->n_arenas; t++)
        mu_arena_init(&out->arenas[t], SIZE_MAX);
    read_lines(arena, file, out);
    read_all(arena, schema, out);
    check_references(arena, out);
}

void mu_audience_rules_free(mu_audience_rules *rules)
{
    for (unsigned t = 0; t < rules->n_arenas; t++)
        mu_arena_free(&rules->arenas[t]);
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
