/* explain.c -- runs a rule for one profile, keeps every node's value and finds the witness events
 * (docs/explain.md).
 *
 * What a run saw suggests witnesses: survivors of filters, items for which a condition was true,
 * events of a chain. Then the rule is evaluated again without them; conditions that are still true
 * suggest more, and when that leads nowhere all events are witnesses. So the promise made in eval.h
 * holds by construction.
 */
#include "eval/explain_int.h"

#define ROUNDS_MAX 16

/* What a run saw of one node beside its value. */
typedef struct node_events {
    mu_event_set items_true; /* in an item scope: events whose item made it a true condition */
    mu_event_set listed;     /* for the profile: events in its value, a list */
    mu_event_set chained;    /* a chain: events because of which it holds */
} node_events;

typedef struct explanation_run {
    mu_arena *arena;
    const mu_event_map *map; /* NULL: only values are of interest */
    uint32_t n_nodes;
    mu_explanation_node *nodes;
    node_events *events;
} explanation_run;

/* -------- nodes -------- */

static void find_last_id(void *context, const mu_pql *node)
{
    uint32_t *n = context;
    if (node->id >= *n)
        *n = node->id + 1;
    mu_reference_children(node, find_last_id, context); /* as deep as the tree */
}

/* Is a scope the profile's own, whatever names are bound in it? */
static bool is_profile_scope(const mu_reference_scope *scope)
{
    for (; scope != NULL; scope = scope->outer)
        if (scope->kind != MU_SCOPE_LET)
            return false;
    return true;
}

static void note_item(explanation_run *run, node_events *events, const mu_reference_scope *scope)
{
    uint32_t event;
    while (scope != NULL && scope->kind == MU_SCOPE_LET)
        scope = scope->outer;
    if (scope != NULL && mu_event_map_find(run->map, scope->value, &event))
        mu_event_set_add(&events->items_true, run->arena, run->map, event);
}

static void note_list(explanation_run *run, node_events *events, mu_value list)
{
    uint32_t event;
    for (uint32_t i = 0; i < list.n; i++)
        if (mu_event_map_find(run->map, list.items[i], &event))
            mu_event_set_add(&events->listed, run->arena, run->map, event);
}

static void on_node(void *context, const mu_pql *node, const mu_reference_scope *scope,
                    mu_value value)
{
    explanation_run *run = context;
    mu_explanation_node *seen = &run->nodes[node->id];
    bool is_true = mu_value_is_true(value);
    seen->node = node;
    seen->n_evaluated++;
    seen->n_true += is_true;
    if (!is_profile_scope(scope)) {
        seen->in_item_scope = true;
        if (is_true && run->map != NULL)
            note_item(run, &run->events[node->id], scope);
        return;
    }
    seen->value = value;
    if (value.kind == MU_TYPE_LIST && run->map != NULL)
        note_list(run, &run->events[node->id], value);
}

static void on_chain(void *context, const mu_pql *chain, uint32_t n, const mu_value *events)
{
    explanation_run *run = context;
    uint32_t event;
    for (uint32_t i = 0; run->map != NULL && i < n; i++)
        if (mu_event_map_find(run->map, events[i], &event))
            mu_event_set_add(&run->events[chain->id].chained, run->arena, run->map, event);
}

/* -------- one run -------- */

/* A run over the profile with `events` as its xEvent. */
static mu_reference_result run_with(explanation_run *run, const mu_reference_context *context,
                                    const mu_pql *query, mu_value events)
{
    mu_reference_context own = *context;
    mu_value profile = context->n_parameters > 0 ? context->parameters[0] : MU_VALUE_NULL;
    mu_value *parameters = MU_NEW_ARRAY(run->arena, mu_value, context->n_parameters);
    mu_value *fields = MU_NEW_ARRAY(run->arena, mu_value, profile.n);
    for (uint32_t i = 0; i < context->n_parameters; i++)
        parameters[i] = context->parameters[i];
    if (profile.kind == MU_TYPE_OBJECT) {
        for (uint32_t i = 0; i < profile.n; i++)
            fields[i] = mu_str_equal(profile.keys[i], MU_STR("xEvent")) ? events : profile.items[i];
        parameters[0].items = fields;
    }
    own.parameters = parameters;
    own.trace = on_node;
    own.trace_context = run;
    mu_evaluator evaluator;
    mu_evaluator_init(&evaluator, run->arena, &own);
    evaluator.chain_holds = on_chain;
    evaluator.chain_context = run;
    mu_reference_result result = mu_evaluator_run(&evaluator, query);
    mu_evaluator_fini(&evaluator);
    return result;
}

static explanation_run new_run(mu_arena *arena, const mu_event_map *map, uint32_t n_nodes)
{
    explanation_run run = {.arena = arena, .map = map, .n_nodes = n_nodes};
    run.nodes = MU_NEW_ARRAY(arena, mu_explanation_node, n_nodes);
    if (map != NULL)
        run.events = MU_NEW_ARRAY(arena, node_events, n_nodes);
    return run;
}

/* -------- positive event conditions -------- */

typedef struct conditions {
    const explanation_run *run;
    const explanation_run *without_events;
    uint32_t n;
    const mu_pql **items;
} conditions;

static void find_conditions(void *context, const mu_pql *node)
{
    conditions *found = context;
    bool is_junction =
        node->kind == MU_PQL_CALL && (node->function == MU_FN_AND || node->function == MU_FN_OR);
    if (is_junction || node->kind == MU_PQL_LAMBDA) {
        for (uint32_t i = 0; i < node->n_args; i++)
            find_conditions(found, node->args[i]);
        return;
    }
    if (mu_value_is_true(found->run->nodes[node->id].value) &&
        !mu_value_is_true(found->without_events->nodes[node->id].value))
        found->items[found->n++] = node;
}

static bool some_holds(const conditions *found, const explanation_run *run)
{
    for (uint32_t i = 0; i < found->n; i++)
        if (mu_value_is_true(run->nodes[found->items[i]->id].value))
            return true;
    return false;
}

/* -------- suggested events -------- */

typedef struct suggestion {
    const explanation_run *run;
    mu_event_set set;
} suggestion;

/* The condition that a node asks of each item of a list: the body of its lambda, or the `where` of
 * its first variable; NULL when it asks none. */
static const mu_pql *item_condition(const mu_pql *node)
{
    if (node->kind == MU_PQL_QUANTIFIED || node->kind == MU_PQL_AGGREGATE)
        return node->n_declarations > 0 ? node->declarations[0].where : NULL;
    if (node->kind == MU_PQL_CALL && node->function == MU_FN_EXISTS && node->n_args == 2 &&
        node->args[1]->kind == MU_PQL_LAMBDA)
        return node->args[1]->args[0];
    return NULL;
}

/* The outermost nodes of a condition that say which events it is about. */
static void suggest(void *context, const mu_pql *node)
{
    suggestion *out = context;
    const node_events *seen = &out->run->events[node->id];
    const mu_pql *asked = item_condition(node);
    const mu_event_set *set = seen->chained.n > 0 ? &seen->chained : &seen->listed;
    if (set->n == 0 && asked != NULL)
        set = &out->run->events[asked->id].items_true;
    if (set->n > 0)
        mu_event_set_add_all(&out->set, out->run->arena, out->run->map, set);
    else
        mu_reference_children(node, suggest, out); /* as deep as the tree */
}

static mu_value events_outside(mu_arena *arena, mu_value events, const mu_event_set *set)
{
    mu_value_list rest;
    mu_value_list_init(&rest, arena);
    for (uint32_t i = 0; i < events.n; i++)
        if (set->n == 0 || set->has[i] == 0)
            mu_value_list_add(&rest, events.items[i]);
    return mu_value_of_list(&rest);
}

static void list_witnesses(mu_arena *arena, const mu_event_set *set, uint32_t n_events,
                           mu_explanation *out)
{
    uint32_t *witnesses = MU_NEW_ARRAY(arena, uint32_t, set->n);
    for (uint32_t i = 0; set->n > 0 && i < n_events; i++)
        if (set->has[i] != 0)
            witnesses[out->n_witnesses++] = i;
    out->witnesses = witnesses;
}

/* Adds what a run suggests for the conditions that it found true; false when that is nothing new.
 */
static bool suggest_more(const conditions *found, const explanation_run *run, mu_event_set *set)
{
    suggestion more = {.run = run};
    uint32_t n_before = set->n;
    for (uint32_t i = 0; i < found->n; i++)
        if (mu_value_is_true(run->nodes[found->items[i]->id].value))
            suggest(&more, found->items[i]);
    mu_event_set_add_all(set, run->arena, run->map, &more.set);
    return set->n > n_before;
}

/* Events whose removal leaves no condition true: suggestions of runs over fewer and fewer events;
 * all events when that leads nowhere. */
static mu_event_set settle_witnesses(const mu_reference_context *context, const mu_pql *query,
                                     const conditions *found, const explanation_run *run,
                                     mu_value events)
{
    mu_event_set set = {0};
    explanation_run again = *run;
    for (int round = 0; round < ROUNDS_MAX && some_holds(found, &again); round++) {
        if (!suggest_more(found, &again, &set))
            break;
        again = new_run(run->arena, run->map, run->n_nodes);
        run_with(&again, context, query, events_outside(run->arena, events, &set));
    }
    bool needs_all = some_holds(found, &again);
    for (uint32_t i = 0; needs_all && i < events.n; i++)
        mu_event_set_add(&set, run->arena, run->map, i);
    return set;
}

static void find_witnesses(mu_arena *arena, const mu_reference_context *context,
                           const mu_pql *query, const explanation_run *run, mu_explanation *out)
{
    mu_value none = {.kind = MU_TYPE_LIST};
    explanation_run without = new_run(arena, NULL, run->n_nodes);
    run_with(&without, context, query, none);
    conditions found = {.run = run, .without_events = &without};
    found.items = MU_NEW_ARRAY(arena, const mu_pql *, run->n_nodes);
    find_conditions(&found, query);
    out->n_conditions = found.n;
    out->conditions = found.items;
    mu_event_set set = settle_witnesses(context, query, &found, run, out->events);
    list_witnesses(arena, &set, out->events.n, out);
}

void mu_explain_run(mu_arena *arena, const mu_reference_context *context, const mu_pql *query,
                    mu_explanation *out)
{
    mu_event_map map;
    mu_evaluator reader;
    uint32_t n_nodes = 0;
    *out = (mu_explanation){0};
    find_last_id(&n_nodes, query);
    mu_evaluator_init(&reader, arena, context);
    out->events = mu_reference_events(&reader);
    mu_event_map_init(&map, arena, out->events);
    explanation_run run = new_run(arena, &map, n_nodes);
    mu_reference_result result = run_with(&run, context, query, out->events);
    out->value = result.value;
    out->trips = result.trips;
    out->is_member = result.trips == 0 && mu_value_is_true(result.value);
    out->n_nodes = n_nodes;
    out->nodes = run.nodes;
    find_witnesses(arena, context, query, &run, out);
}

void mu_explain_exclude(mu_arena *arena, const mu_reference_context *context, const mu_pql *unless,
                        mu_explanation *explanation)
{
    uint32_t trips;
    if (unless == NULL || !mu_reference_is_member(arena, context, unless, &trips))
        return;
    explanation->is_excluded = true;
    explanation->is_member = false;
}
