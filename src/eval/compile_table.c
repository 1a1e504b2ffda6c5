/* compile_table.c -- subtrees that depend on one value of one column.
 *
 * Such a condition is decided once per distinct value (dictionary code) by the reference evaluator,
 * whatever it is made of: every function of the language, look-ups through relationships included.
 */
#include "eval/compile_int.h"

typedef struct extraction {
    compiler *c;
    compiled input; /* kind NOTHING until one was met */
    bool failed;
    uint32_t n_bound;
    mu_str bound[SCOPES_MAX]; /* variables of the subtree itself */
    uint32_t lambdas;         /* scopes of the subtree itself */
} extraction;

static bool is_scalar_type(mu_type_kind type)
{
    return type >= MU_TYPE_BOOLEAN && type <= MU_TYPE_TIMESTAMP;
}

static bool is_same_input(compiled a, compiled b)
{
    return a.kind == b.kind && a.column == b.column &&
           (a.kind != COMPILED_VIEW || (a.chosen == b.chosen && a.level == b.level &&
                                        a.owner == b.owner && a.is_single == b.is_single));
}

static bool is_input(compiler *c, compiled value)
{
    if (value.kind == COMPILED_VIEW)
        return value.is_single && value.item_kind == COMPILED_COLUMN &&
               is_scalar_type(compiled_type(c, value));
    return value.kind == COMPILED_COLUMN && is_scalar_type(compiled_type(c, value));
}

static mu_pql *input_variable(compiler *c, const mu_pql *query, compiled input)
{
    mu_pql *variable = MU_NEW(c->arena, mu_pql);
    variable->kind = MU_PQL_VARIABLE;
    variable->function = MU_FN_UNKNOWN;
    variable->name = MU_STR(TABLE_INPUT);
    variable->line = query == NULL ? 0 : query->line;
    variable->column = query == NULL ? 0 : query->column;
    variable->type = mu_type_of(compiled_type(c, input));
    return variable;
}

static const mu_pql *extract(extraction *e, const mu_pql *query);

static const mu_pql *fail(extraction *e, const mu_pql *query)
{
    e->failed = true;
    return query;
}

static bool is_bound_here(const extraction *e, mu_str name)
{
    for (uint32_t i = 0; i < e->n_bound; i++)
        if (mu_str_equal(e->bound[i], name))
            return true;
    return false;
}

static void bind(extraction *e, mu_str name)
{
    if (e->n_bound == SCOPES_MAX)
        e->failed = true;
    else
        e->bound[e->n_bound++] = name;
}

/* Does the path start inside the subtree: at an item of one of its own lambdas, or its variable? */
static bool starts_inside(const extraction *e, const mu_pql *query)
{
    while (query->kind == MU_PQL_FIELD)
        query = query->args[0];
    if (query->kind == MU_PQL_PARAMETER)
        return query->position == 1 && query->up < e->lambdas;
    if (query->kind == MU_PQL_VARIABLE)
        return is_bound_here(e, query->name);
    return query->kind != MU_PQL_SCHEMA_REFERENCE;
}

/* A path from outside: it must be the input. */
static const mu_pql *extract_path(extraction *e, const mu_pql *query)
{
    if (query->kind == MU_PQL_FIELD && query->hop_class.len > 0) {
        mu_pql *hop = MU_NEW(e->c->arena, mu_pql);
        const mu_pql **args = MU_NEW(e->c->arena, const mu_pql *);
        *hop = *query;
        args[0] = extract(e, query->args[0]);
        hop->args = args;
        return hop;
    }
    compiled value = e->lambdas > 0 ? NOTHING : compile_value(e->c, query);
    if (!is_input(e->c, value)) {
        if (query->kind != MU_PQL_FIELD)
            return fail(e, query);
        /* A field beyond a look-up. */
        mu_pql *field = MU_NEW(e->c->arena, mu_pql);
        const mu_pql **args = MU_NEW(e->c->arena, const mu_pql *);
        *field = *query;
        args[0] = extract(e, query->args[0]);
        field->args = args;
        return args[0]->kind == MU_PQL_FIELD ? field : fail(e, query);
    }
    if (e->input.kind == COMPILED_NOTHING)
        e->input = value;
    else if (!is_same_input(e->input, value))
        return fail(e, query);
    return input_variable(e->c, query, value);
}

static const mu_pql_when *extract_when(extraction *e, const mu_pql_when *when)
{
    if (when == NULL)
        return NULL;
    mu_pql_when *copy = MU_NEW(e->c->arena, mu_pql_when);
    *copy = *when;
    copy->start = extract(e, when->start);
    if (when->end != NULL)
        copy->end = extract(e, when->end);
    return copy;
}

static void extract_declarations(extraction *e, mu_pql *copy)
{
    mu_pql_declaration *declarations =
        MU_NEW_ARRAY(e->c->arena, mu_pql_declaration, copy->n_declarations);
    for (uint32_t i = 0; i < copy->n_declarations; i++) {
        declarations[i] = copy->declarations[i];
        declarations[i].from = extract(e, declarations[i].from);
        bind(e, declarations[i].name);
        if (declarations[i].where != NULL)
            declarations[i].where = extract(e, declarations[i].where);
    }
    copy->declarations = declarations;
}

static const mu_pql *extract(extraction *e, const mu_pql *query)
{
    if (e->failed)
        return query;
    switch (query->kind) {
    case MU_PQL_CHAIN:
    case MU_PQL_SCHEMA_REFERENCE:
        return fail(e, query);
    case MU_PQL_PARAMETER:
    case MU_PQL_VARIABLE:
    case MU_PQL_FIELD:
        if (!starts_inside(e, query))
            return extract_path(e, query);
        break;
    case MU_PQL_CALL:
        if (query->function == MU_FN_IN_SEGMENT || query->function == MU_FN_MODEL_INSTANCES)
            return fail(e, query);
        if (query->function == MU_FN_HEAD || query->function == MU_FN_GET) {
            /* A picked item may be the input: earliest.page like "%x%". */
            compiled value = e->lambdas > 0 ? NOTHING : compile_value(e->c, query);
            if (is_input(e->c, value))
                return extract_path(e, query);
        }
        break;
    default:
        break;
    }
    mu_pql *copy = MU_NEW(e->c->arena, mu_pql);
    *copy = *query;
    uint32_t n_bound = e->n_bound, lambdas = e->lambdas;
    const mu_pql **args = MU_NEW_ARRAY(e->c->arena, const mu_pql *, query->n_args + 1);
    if (query->kind == MU_PQL_LAMBDA) {
        e->lambdas++;
        for (uint32_t i = 0; i < query->n_names; i++)
            bind(e, query->names[i]);
    }
    if (query->n_declarations > 0)
        extract_declarations(e, copy);
    for (uint32_t i = 0; i < query->n_args; i++) {
        if (query->kind == MU_PQL_LET && i == 1)
            bind(e, query->name);
        args[i] = extract(e, query->args[i]);
    }
    copy->args = args;
    copy->when = extract_when(e, query->when);
    e->n_bound = n_bound;
    e->lambdas = lambdas;
    return copy;
}

/* -------- evaluation of what has no input -------- */

static mu_reference_result evaluate(compiler *c, const mu_pql *query, const mu_value *input)
{
    mu_reference_variable variable = {MU_STR(TABLE_INPUT), input == NULL ? MU_VALUE_NULL : *input};
    mu_value row = MU_VALUE_NULL;
    return mu_reference_eval_in(c->arena, c->job->reference, query, 1, &row, input == NULL ? 0 : 1,
                                &variable);
}

bool compile_constant(compiler *c, const mu_pql *query, mu_value *out)
{
    extraction *e = MU_NEW(c->scratch, extraction);
    e->c = c;
    const mu_pql *expression = extract(e, query);
    if (e->failed || e->input.kind != COMPILED_NOTHING)
        return false;
    mu_reference_result result = evaluate(c, expression, NULL);
    if (result.trips != 0 || result.value.kind == MU_TYPE_FUNCTION)
        return false;
    *out = result.value;
    return true;
}

/* -------- tables -------- */

static uint32_t new_table(compiler *c, compiled input, const mu_pql *expression)
{
    mu_value null = MU_VALUE_NULL;
    mu_reference_result of_null = evaluate(c, expression, &null);
    plan_table *table = MU_NEW(c->arena, plan_table);
    table->expression = expression;
    table->input = compiled_type(c, input);
    table->of_null = mu_value_is_true(of_null.value);
    table->null_trips = of_null.trips != 0;
    table->quick = table->input == MU_TYPE_STRING ? text_predicate_new(c->plan, expression) : NULL;
    if (table->input == MU_TYPE_DATE || table->input == MU_TYPE_TIMESTAMP)
        table->quick_date = date_predicate_new(c->plan, expression);
    return plan_table_node(c->plan, input.column, table);
}

static uint32_t table_node(compiler *c, compiled input, const mu_pql *expression)
{
    uint32_t bits = plan_find_table(c->plan, input.column, expression);
    if (bits == NO_NODE)
        bits = new_table(c, input, expression);
    if (input.kind == COMPILED_COLUMN)
        return bits;
    /* The single item of a view: its own answer, or null's where there is no item. */
    compiled chosen = view_choose(c, input, bits);
    if (chosen.kind == COMPILED_NOTHING)
        return NO_NODE;
    uint32_t any = plan_any(c->plan, chosen.chosen, input.level, input.owner);
    if (!c->plan->nodes[bits].table->of_null)
        return any;
    uint32_t some = plan_any(c->plan, input.chosen, input.level, input.owner);
    return plan_or(c->plan, any, plan_not(c->plan, some));
}

uint32_t compile_table(compiler *c, const mu_pql *query)
{
    if (query->type != NULL && query->type->kind != MU_TYPE_BOOLEAN &&
        query->type->kind != MU_TYPE_ANY && query->type->kind != MU_TYPE_LIST &&
        query->type->kind != MU_TYPE_MAP)
        return NO_NODE;
    extraction *e = MU_NEW(c->scratch, extraction);
    e->c = c;
    const mu_pql *expression = extract(e, query);
    if (e->failed)
        return NO_NODE;
    if (e->input.kind == COMPILED_NOTHING) {
        mu_reference_result result = evaluate(c, expression, NULL);
        return result.trips != 0 ? NO_NODE : plan_bits(c->plan, mu_value_is_true(result.value));
    }
    return table_node(c, e->input, expression);
}

/* Some item of a list, or the scalar itself, put into the call. */
static uint32_t table_of_item(compiler *c, compiled input, const mu_pql *expression)
{
    if (!compiled_is_list(c, input))
        return is_input(c, input) ? table_node(c, input, expression) : NO_NODE;
    if (input.kind == COMPILED_VIEW && input.is_single)
        return is_input(c, input) ? table_node(c, input, expression) : NO_NODE;
    compiled view = compiled_as_view(c, input);
    compiled item = view_item(view);
    if (view.kind == COMPILED_NOTHING || item.kind != COMPILED_COLUMN ||
        !is_scalar_type(compiled_type(c, item)))
        return NO_NODE;
    if (compiled_level(c, item) != view.level)
        return NO_NODE;
    compiled chosen = view_choose(c, view, table_node(c, item, expression));
    if (chosen.kind == COMPILED_NOTHING)
        return NO_NODE;
    return plan_any(c->plan, chosen.chosen, view.level, view.owner);
}

uint32_t compile_table_of(compiler *c, compiled input, const mu_pql *call, uint32_t position)
{
    extraction *e = MU_NEW(c->scratch, extraction);
    e->c = c;
    mu_pql *copy = MU_NEW(c->arena, mu_pql);
    const mu_pql **args = MU_NEW_ARRAY(c->arena, const mu_pql *, call->n_args);
    *copy = *call;
    for (uint32_t i = 0; i < call->n_args; i++)
        args[i] =
            i == position ? input_variable(c, call->args[i], input) : extract(e, call->args[i]);
    copy->args = args;
    if (e->failed || e->input.kind != COMPILED_NOTHING)
        return NO_NODE;
    return table_of_item(c, input, copy);
}

uint32_t compile_table_compare(compiler *c, mu_pql_function function, compiled input,
                               mu_value constant, bool input_is_first)
{
    mu_pql *literal = MU_NEW(c->arena, mu_pql);
    literal->kind = MU_PQL_LITERAL;
    literal->literal = constant;
    literal->type = mu_type_of(constant.kind);
    if (constant.kind > MU_TYPE_STRING) { /* a date or time: written as it is computed */
        return NO_NODE;
    }
    mu_pql *call = MU_NEW(c->arena, mu_pql);
    const mu_pql **args = MU_NEW_ARRAY(c->arena, const mu_pql *, 2);
    args[input_is_first ? 0 : 1] = input_variable(c, NULL, input);
    args[input_is_first ? 1 : 0] = literal;
    call->kind = MU_PQL_CALL;
    call->function = function;
    call->name = mu_pql_function_of(function)->name;
    call->n_args = 2;
    call->args = args;
    call->type = mu_type_of(MU_TYPE_BOOLEAN);
    return table_of_item(c, input, call);
}
