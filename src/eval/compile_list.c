/* compile_list.c -- lists that are described and never built: paths through lists, filters, item
 * expressions, aggregates, comprehensions. */
#include "eval/compile_int.h"

compiled compile_view(compiler *c, const mu_pql *list)
{
    return compiled_as_view(c, compile_value(c, list));
}

/* -------- paths -------- */

/* The entry of a MAP column under a constant key: at most one item per map. */
static compiled map_entry(compiler *c, compiled outer, uint32_t map, mu_str key)
{
    uint32_t level = plan_opened_level(c->plan, map);
    compiled keys = {.kind = COMPILED_COLUMN, .column = c->plan->levels[level].key};
    uint32_t is_key = compile_table_compare(c, MU_FN_EQUAL, keys, mu_value_string(key), true);
    compiled entry = {.kind = COMPILED_VIEW,
                      .owner =
                          outer.kind == COMPILED_VIEW ? outer.owner : c->plan->columns[map].level,
                      .level = level,
                      .chosen = NO_NODE,
                      .is_single = outer.kind == COMPILED_COLUMN || outer.is_single,
                      .is_unordered = outer.is_unordered,
                      .item_kind = COMPILED_COLUMN,
                      .column = c->plan->levels[level].item};
    if (outer.kind == COMPILED_VIEW && outer.chosen != NO_NODE)
        is_key = plan_and(c->plan, is_key, plan_at_level(c->plan, outer.chosen, level));
    return view_choose(c, entry, is_key);
}

/* pql.md D20: a projection over a list drops nulls and flattens lists by one level. */
static compiled drop_nulls_and_flatten(compiler *c, compiled view)
{
    if (view.kind != COMPILED_VIEW || view.is_single)
        return view;
    compiled item = view_item(view);
    if (item.kind == COMPILED_COLUMN && compiled_type(c, item) == MU_TYPE_LIST) {
        view = view_flatten(c, view);
        item = view_item(view);
    }
    return view_choose(c, view, compiled_valid(c, item));
}

compiled compile_field(compiler *c, compiled object, mu_str name)
{
    if (object.kind == COMPILED_CONSTANT && mu_value_is_null(object.constant))
        return object;
    if (object.kind != COMPILED_COLUMN &&
        !(object.kind == COMPILED_VIEW && object.item_kind == COMPILED_COLUMN))
        return NOTHING;
    switch (c->plan->columns[object.column].type->kind) {
    case MU_TYPE_OBJECT: {
        uint32_t field = plan_field(c->plan, object.column, name);
        if (field == NO_COLUMN)
            return NOTHING;
        object.column = field;
        return drop_nulls_and_flatten(c, object);
    }
    case MU_TYPE_MAP:
        return drop_nulls_and_flatten(c, map_entry(c, object, object.column, name));
    case MU_TYPE_LIST:
        if (object.kind == COMPILED_VIEW && !object.is_single)
            return NOTHING; /* a list of lists */
        return compile_field(c, compiled_as_view(c, object), name);
    default:
        return NOTHING;
    }
}

/* -------- item expressions -------- */

void enter_view(compiler *c, uint32_t owner, saved_access *saved)
{
    for (uint32_t i = 0; i < c->n_items; i++) {
        saved->items[i] = c->items[i].is_accessible;
        c->items[i].is_accessible &=
            plan_is_ancestor(c->plan, compiled_level(c, c->items[i].value), owner);
    }
    for (uint32_t i = 0; i < c->n_variables; i++) {
        saved->variables[i] = c->variables[i].is_accessible;
        c->variables[i].is_accessible &=
            plan_is_ancestor(c->plan, compiled_level(c, c->variables[i].value), owner);
    }
}

void leave_view(compiler *c, const saved_access *saved)
{
    for (uint32_t i = 0; i < c->n_items; i++)
        c->items[i].is_accessible = saved->items[i];
    for (uint32_t i = 0; i < c->n_variables; i++)
        c->variables[i].is_accessible = saved->variables[i];
}

/* The body of a lambda of at most one parameter, as bits (when wanted) or as a value. */
static compiled lambda_body(compiler *c, compiled view, const mu_pql *lambda, uint32_t *bits)
{
    if (bits != NULL)
        *bits = NO_NODE;
    if (view.kind != COMPILED_VIEW || lambda->kind != MU_PQL_LAMBDA || lambda->n_names > 1 ||
        c->n_items == SCOPES_MAX || c->n_variables == SCOPES_MAX)
        return NOTHING;
    saved_access *saved = MU_NEW(c->scratch, saved_access);
    enter_view(c, view.owner, saved);
    scope_entry item = {.value = view_item(view), .is_accessible = true};
    c->items[c->n_items++] = item;
    if (lambda->n_names == 1) {
        item.name = lambda->names[0];
        c->variables[c->n_variables++] = item;
    }
    compiled value = NOTHING;
    if (bits != NULL)
        *bits = compile_bits(c, lambda->args[0]);
    else
        value = compile_value(c, lambda->args[0]);
    c->n_variables -= lambda->n_names;
    c->n_items--;
    leave_view(c, saved);
    return value;
}

compiled compile_lambda_value(compiler *c, compiled view, const mu_pql *lambda)
{
    return lambda_body(c, view, lambda, NULL);
}

uint32_t compile_lambda_bits(compiler *c, compiled view, const mu_pql *lambda)
{
    uint32_t bits;
    lambda_body(c, view, lambda, &bits);
    return bits;
}

/* -------- calls that give lists or numbers -------- */

static compiled compile_filter(compiler *c, const mu_pql *call)
{
    compiled view = compile_view(c, call->args[0]);
    return view_choose(c, view, compile_lambda_bits(c, view, call->args[1]));
}

static compiled compile_map(compiler *c, const mu_pql *call)
{
    compiled view = compile_view(c, call->args[0]);
    compiled value = compile_lambda_value(c, view, call->args[1]);
    if (value.kind == COMPILED_COLUMN && compiled_is_list(c, value))
        return NOTHING;
    if (value.kind == COMPILED_NODE || value.kind == COMPILED_COLUMN) {
        if (!plan_is_ancestor(c->plan, compiled_level(c, value), view.level))
            return NOTHING;
        return view_with_item(view, value);
    }
    return NOTHING;
}

static bool constant_integer(compiler *c, const mu_pql *query, int64_t *out)
{
    mu_value value;
    if (!compile_constant(c, query, &value) || value.kind != MU_TYPE_INTEGER)
        return false;
    *out = value.integer;
    return true;
}

static compiled compile_top_bottom(compiler *c, const mu_pql *call)
{
    int64_t n;
    compiled view = compile_view(c, call->args[0]);
    compiled key = compile_lambda_value(c, view, call->args[1]);
    if (view.kind == COMPILED_NOTHING || view.is_unordered ||
        !constant_integer(c, call->args[2], &n) || n < 0 || n > UINT32_MAX)
        return NOTHING;
    uint32_t numeric = compiled_numeric(c, key);
    if (numeric == NO_NODE || !plan_is_ancestor(c->plan, c->plan->nodes[numeric].level, view.level))
        return NOTHING;
    view.chosen = plan_best(c->plan, view.chosen, numeric, call->function == MU_FN_TOP_N, n,
                            view.level, view.owner);
    view.is_unordered = n > 1;
    return view.chosen == NO_NODE ? NOTHING : view;
}

static compiled compile_head(compiler *c, const mu_pql *call)
{
    const mu_pql *list = call->args[0];
    compiled view;
    int64_t n;
    if (list->kind == MU_PQL_CALL &&
        (list->function == MU_FN_TOP_N || list->function == MU_FN_BOTTOM_N) &&
        constant_integer(c, list->args[2], &n) && n >= 1) {
        /* The head of the best n is the best one. */
        mu_pql *one = MU_NEW(c->arena, mu_pql);
        const mu_pql **args = MU_NEW_ARRAY(c->arena, const mu_pql *, 3);
        mu_pql *best = MU_NEW(c->arena, mu_pql);
        *one = *list->args[2];
        one->kind = MU_PQL_LITERAL;
        one->literal = mu_value_integer(1);
        *best = *list;
        args[0] = list->args[0];
        args[1] = list->args[1];
        args[2] = one;
        best->args = args;
        view = compile_top_bottom(c, best);
    } else {
        view = compile_view(c, list);
        if (view.kind == COMPILED_NOTHING || view.is_unordered)
            return NOTHING;
        view.chosen = plan_first(c->plan, view.chosen, view.level, view.owner);
    }
    if (view.kind == COMPILED_NOTHING || view.chosen == NO_NODE)
        return NOTHING;
    view.is_single = true;
    return view;
}

static bool is_scalar_column(const compiler *c, compiled value)
{
    if (value.kind != COMPILED_COLUMN)
        return false;
    mu_type_kind type = compiled_type(c, value);
    return type >= MU_TYPE_BOOLEAN && type <= MU_TYPE_TIMESTAMP;
}

/* distinct().count() and groupBy(key).count(): distinct non-null values. */
static compiled compile_distinct_count(compiler *c, const mu_pql *list)
{
    compiled view = compile_view(c, list->args[0]);
    compiled key = list->function == MU_FN_GROUP_BY ? compile_lambda_value(c, view, list->args[1])
                                                    : view_item(view);
    if (view.kind == COMPILED_NOTHING || !is_scalar_column(c, key) ||
        compiled_level(c, key) != view.level)
        return NOTHING;
    compiled chosen = view_choose(c, view, compiled_valid(c, key));
    uint32_t count = plan_distinct_count(c->plan, chosen.chosen, key.column, view.owner);
    return (compiled){.kind = COMPILED_NODE, .node = count, .type = MU_TYPE_INTEGER};
}

static compiled count_of_view(compiler *c, compiled view)
{
    compiled chosen = view_choose(c, view, compiled_valid(c, view_item(view)));
    if (chosen.kind == COMPILED_NOTHING)
        return NOTHING;
    uint32_t count = plan_count(c->plan, chosen.chosen, view.level, view.owner);
    if (count == NO_NODE)
        return NOTHING;
    return (compiled){.kind = COMPILED_NODE, .node = count, .type = MU_TYPE_INTEGER};
}

static compiled compile_count(compiler *c, const mu_pql *call)
{
    const mu_pql *list = call->args[0];
    if (list->kind == MU_PQL_CALL &&
        (list->function == MU_FN_DISTINCT || list->function == MU_FN_GROUP_BY))
        return compile_distinct_count(c, list);
    compiled value = compile_value(c, list);
    if (compiled_type(c, value) == MU_TYPE_MAP)
        return NOTHING;
    return count_of_view(c, compiled_as_view(c, value));
}

/* SUM, AVERAGE, MIN, MAX of `value` over the items of `view`. */
static compiled aggregate_of(compiler *c, mu_pql_function function, compiled view, compiled value)
{
    plan *p = c->plan;
    uint32_t numeric = compiled_numeric(c, value);
    mu_type_kind type = compiled_type(c, value);
    if (view.kind == COMPILED_NOTHING || numeric == NO_NODE || value.kind == COMPILED_VIEW ||
        !plan_is_ancestor(p, p->nodes[numeric].level, view.level))
        return NOTHING;
    if (function == MU_FN_MIN || function == MU_FN_MAX) {
        uint32_t node = plan_reduce(p, function == MU_FN_MIN ? PLAN_LEAST : PLAN_GREATEST,
                                    view.chosen, numeric, view.level, view.owner);
        return node == NO_NODE ? NOTHING
                               : (compiled){.kind = COMPILED_NODE, .node = node, .type = type};
    }
    if (type != MU_TYPE_INTEGER && type != MU_TYPE_DOUBLE)
        return NOTHING; /* D41: dates are skipped */
    if (view.is_unordered && type == MU_TYPE_DOUBLE)
        return NOTHING; /* doubles are summed in list order */
    uint32_t sum = plan_reduce(p, PLAN_SUM, view.chosen, numeric, view.level, view.owner);
    if (sum == NO_NODE)
        return NOTHING;
    if (function == MU_FN_SUM)
        return (compiled){.kind = COMPILED_NODE, .node = sum, .type = type};
    compiled count = count_of_view(
        c, view_with_item(view, (compiled){.kind = COMPILED_NODE, .node = numeric, .type = type}));
    if (count.kind == COMPILED_NOTHING)
        return NOTHING;
    return (compiled){.kind = COMPILED_NODE,
                      .node = plan_arithmetic(p, MU_FN_DIVIDE, sum, count.node),
                      .type = MU_TYPE_DOUBLE};
}

static bool is_call(const mu_pql *query, mu_pql_function function)
{
    return query->kind == MU_PQL_CALL && query->function == function;
}

static bool is_variable(const mu_pql *query, mu_str name)
{
    return query->kind == MU_PQL_VARIABLE && mu_str_equal(query->name, name);
}

/* groupBy(key).map((K, G) => mapEntry(K, G.count())).values(): the groupBy; NULL for others. */
static const mu_pql *group_sizes(const mu_pql *list)
{
    if (!is_call(list, MU_FN_VALUES) || !is_call(list->args[0], MU_FN_MAP) ||
        !is_call(list->args[0]->args[0], MU_FN_GROUP_BY))
        return NULL;
    const mu_pql *lambda = list->args[0]->args[1];
    if (lambda->kind != MU_PQL_LAMBDA || lambda->n_names != 2 ||
        mu_str_equal(lambda->names[0], lambda->names[1]))
        return NULL;
    const mu_pql *entry = lambda->args[0];
    if (!is_call(entry, MU_FN_MAP_ENTRY) || entry->n_args != 2 ||
        !is_variable(entry->args[0], lambda->names[0]) || !is_call(entry->args[1], MU_FN_COUNT) ||
        entry->args[1]->n_args != 1 || !is_variable(entry->args[1]->args[0], lambda->names[1]))
        return NULL;
    return list->args[0]->args[0];
}

/* The largest or smallest group, where the keys are texts: those are the map's keys as they are. */
static compiled compile_group_size(compiler *c, const mu_pql *group_by, bool largest)
{
    compiled view = compile_view(c, group_by->args[0]);
    compiled key = compile_lambda_value(c, view, group_by->args[1]);
    if (view.kind == COMPILED_NOTHING || key.kind != COMPILED_COLUMN ||
        compiled_type(c, key) != MU_TYPE_STRING || compiled_level(c, key) != view.level)
        return NOTHING;
    compiled chosen = view_choose(c, view, compiled_valid(c, key));
    if (chosen.kind == COMPILED_NOTHING)
        return NOTHING;
    uint32_t node = plan_group_size(c->plan, chosen.chosen, key.column, largest, view.owner);
    return node == NO_NODE
               ? NOTHING
               : (compiled){.kind = COMPILED_NODE, .node = node, .type = MU_TYPE_INTEGER};
}

static compiled compile_aggregation(compiler *c, const mu_pql *call)
{
    const mu_pql *groups = call->n_args == 1 ? group_sizes(call->args[0]) : NULL;
    if (groups != NULL && (call->function == MU_FN_MAX || call->function == MU_FN_MIN))
        return compile_group_size(c, groups, call->function == MU_FN_MAX);
    compiled view = compile_view(c, call->args[0]);
    compiled value =
        call->n_args == 2 ? compile_lambda_value(c, view, call->args[1]) : view_item(view);
    return aggregate_of(c, call->function, view, value);
}

static compiled compile_get(compiler *c, const mu_pql *call)
{
    compiled map = compile_value(c, call->args[0]);
    mu_value key;
    if (compiled_type(c, map) != MU_TYPE_MAP || !compile_constant(c, call->args[1], &key) ||
        key.kind != MU_TYPE_STRING ||
        (map.kind != COMPILED_COLUMN &&
         !(map.kind == COMPILED_VIEW && map.is_single && map.item_kind == COMPILED_COLUMN)))
        return NOTHING;
    return map_entry(c, map, map.column, key.string);
}

static compiled compile_keys_values(compiler *c, const mu_pql *call)
{
    compiled map = compile_value(c, call->args[0]);
    if (compiled_type(c, map) != MU_TYPE_MAP)
        return NOTHING;
    compiled view = compiled_as_view(c, map);
    if (view.kind == COMPILED_VIEW && call->function == MU_FN_KEYS)
        view.column = c->plan->levels[view.level].key;
    return view;
}

compiled compile_list_call(compiler *c, const mu_pql *call)
{
    switch (call->function) {
    case MU_FN_FILTER:
        return compile_filter(c, call);
    case MU_FN_MAP:
        return compile_map(c, call);
    case MU_FN_TOP_N:
    case MU_FN_BOTTOM_N:
        return compile_top_bottom(c, call);
    case MU_FN_HEAD:
        return compile_head(c, call);
    case MU_FN_COUNT:
        return compile_count(c, call);
    case MU_FN_SUM:
    case MU_FN_AVERAGE:
    case MU_FN_MIN:
    case MU_FN_MAX:
        return compile_aggregation(c, call);
    case MU_FN_GET:
        return compile_get(c, call);
    case MU_FN_KEYS:
    case MU_FN_VALUES:
        return compile_keys_values(c, call);
    case MU_FN_MODEL_INSTANCES: {
        compiled row = {.kind = COMPILED_COLUMN, .column = 0};
        return compile_field(c, row, MU_STR("xEvent"));
    }
    default:
        return NOTHING;
    }
}

/* -------- conditions over lists -------- */

/* Some item equals the constant; `item_first` says which side the coercion follows. */
static uint32_t any_item_equals(compiler *c, compiled view, mu_value constant)
{
    compiled other = {.kind = COMPILED_CONSTANT, .constant = constant};
    uint32_t equal = compile_comparison(c, MU_FN_EQUAL, view_item(view), other);
    compiled chosen = view_choose(c, view, equal);
    if (chosen.kind == COMPILED_NOTHING)
        return NO_NODE;
    return plan_any(c->plan, chosen.chosen, view.level, view.owner);
}

/* intersects: some constant is an item; supersetOf: every one is. */
static uint32_t compile_against_constants(compiler *c, const mu_pql *call)
{
    mu_value constants;
    compiled view = compile_view(c, call->args[0]);
    if (view.kind == COMPILED_NOTHING || !compile_constant(c, call->args[1], &constants) ||
        constants.kind != MU_TYPE_LIST || constants.n == 0)
        return NO_NODE;
    uint32_t *parts = MU_NEW_ARRAY(c->arena, uint32_t, constants.n);
    for (uint32_t i = 0; i < constants.n; i++) {
        if (mu_value_is_null(constants.items[i]))
            return NO_NODE;
        parts[i] = any_item_equals(c, view, constants.items[i]);
    }
    return plan_and_all(c->plan, call->function == MU_FN_INTERSECTS ? PLAN_OR : PLAN_AND,
                        constants.n, parts);
}

uint32_t compile_list_condition(compiler *c, const mu_pql *call)
{
    if (call->function == MU_FN_INTERSECTS || call->function == MU_FN_SUPERSET_OF)
        return compile_against_constants(c, call);
    if (call->function != MU_FN_EXISTS)
        return NO_NODE;
    compiled view = compile_view(c, call->args[0]);
    if (view.kind == COMPILED_NOTHING)
        return NO_NODE;
    if (call->n_args == 2)
        view = view_choose(c, view, compile_lambda_bits(c, view, call->args[1]));
    return view.kind == COMPILED_NOTHING ? NO_NODE
                                         : plan_any(c->plan, view.chosen, view.level, view.owner);
}

/* -------- comprehensions (pql.md 11) -------- */

typedef enum comprehension { SOME_BINDING, ALL_BINDINGS } comprehension;

/* Enters the declaration's variable: its items become a variable at the view's level. */
static compiled enter_declaration(compiler *c, const mu_pql_declaration *declaration,
                                  saved_access *saved)
{
    compiled view = compile_view(c, declaration->from);
    if (view.kind == COMPILED_NOTHING || c->n_variables == SCOPES_MAX)
        return NOTHING;
    enter_view(c, view.owner, saved);
    c->variables[c->n_variables++] =
        (scope_entry){.name = declaration->name, .value = view_item(view), .is_accessible = true};
    return view;
}

static void leave_declaration(compiler *c, const saved_access *saved)
{
    c->n_variables--;
    leave_view(c, saved);
}

static uint32_t compile_bindings(compiler *c, const mu_pql *query, uint32_t at, comprehension kind,
                                 compiled *first_items);

/* The items of declaration `at` that satisfy it and, for SOME, have bindings of the later ones. */
static compiled compile_declaration(compiler *c, const mu_pql *query, uint32_t at,
                                    comprehension kind)
{
    const mu_pql_declaration *declaration = &query->declarations[at];
    saved_access *saved = MU_NEW(c->scratch, saved_access);
    compiled view = enter_declaration(c, declaration, saved);
    if (view.kind == COMPILED_NOTHING)
        return NOTHING;
    uint32_t bits = plan_bits(c->plan, true);
    if (declaration->where != NULL)
        bits = compile_bits(c, declaration->where);
    if (at + 1 < query->n_declarations)
        bits = plan_and(c->plan, bits, compile_bindings(c, query, at + 1, kind, NULL));
    leave_declaration(c, saved);
    if (kind == ALL_BINDINGS)
        bits = plan_not(c->plan, bits);
    return view_choose(c, view, bits);
}

static uint32_t compile_bindings(compiler *c, const mu_pql *query, uint32_t at, comprehension kind,
                                 compiled *first_items)
{
    compiled view = compile_declaration(c, query, at, kind);
    if (first_items != NULL)
        *first_items = view;
    if (view.kind == COMPILED_NOTHING)
        return NO_NODE;
    uint32_t any = plan_any(c->plan, view.chosen, view.level, view.owner);
    return kind == ALL_BINDINGS ? plan_not(c->plan, any) : any;
}

static uint32_t compile_related_quantified(compiler *c, const mu_pql *query)
{
    compiled first;
    bool is_one = query->quantifier == MU_QUANTIFIER_ONE;
    if (query->quantifier == MU_QUANTIFIER_ALL)
        return NO_NODE;
    uint32_t bits = compile_related_quantifier(c, query, is_one, &first);
    if (query->quantifier == MU_QUANTIFIER_NONE)
        return plan_not(c->plan, bits);
    if (!is_one || bits == NO_NODE)
        return bits;
    uint32_t count = plan_count(c->plan, bits, first.level, first.owner);
    return plan_in_range(c->plan, count, 1, 1);
}

uint32_t compile_quantified(compiler *c, const mu_pql *query)
{
    compiled items;
    if (is_related_quantifier(query))
        return compile_related_quantified(c, query);
    switch (query->quantifier) {
    case MU_QUANTIFIER_SOME:
        return compile_bindings(c, query, 0, SOME_BINDING, NULL);
    case MU_QUANTIFIER_NONE:
        return plan_not(c->plan, compile_bindings(c, query, 0, SOME_BINDING, NULL));
    case MU_QUANTIFIER_ALL:
        return compile_bindings(c, query, 0, ALL_BINDINGS, NULL);
    case MU_QUANTIFIER_ONE: {
        if (compile_bindings(c, query, 0, SOME_BINDING, &items) == NO_NODE)
            return NO_NODE;
        uint32_t count = plan_count(c->plan, items.chosen, items.level, items.owner);
        return plan_in_range(c->plan, count, 1, 1);
    }
    }
    return NO_NODE;
}

compiled compile_select(compiler *c, const mu_pql *query)
{
    compiled items;
    if (is_related_quantifier(query)) {
        uint32_t bits = compile_related_quantifier(c, query, true, &items);
        return bits == NO_NODE ? NOTHING : view_choose(c, items, bits);
    }
    if (compile_bindings(c, query, 0, SOME_BINDING, &items) == NO_NODE)
        return NOTHING;
    return items;
}

/* Variables that each range over a list of the one before make one deep view of all bindings. */
compiled compile_aggregate(compiler *c, const mu_pql *query)
{
    saved_access *saved = MU_NEW_ARRAY(c->arena, saved_access, query->n_declarations);
    compiled all = NOTHING, value = NOTHING;
    uint32_t entered = 0;
    bool ok = true;
    for (uint32_t i = 0; ok && i < query->n_declarations; i++) {
        const mu_pql_declaration *declaration = &query->declarations[i];
        compiled view = enter_declaration(c, declaration, &saved[i]);
        if (view.kind == COMPILED_NOTHING) {
            ok = false;
            break;
        }
        entered++;
        if (i > 0) {
            if (view.owner != all.level || all.is_unordered) {
                ok = false;
                break;
            }
            view.owner = all.owner;
            if (all.chosen != NO_NODE)
                view = view_choose(c, view, plan_at_level(c->plan, all.chosen, view.level));
        }
        if (declaration->where != NULL)
            view = view_choose(c, view, compile_bits(c, declaration->where));
        ok = view.kind == COMPILED_VIEW;
        all = view;
    }
    if (ok)
        value = compile_value(c, query->args[0]);
    while (entered > 0)
        leave_declaration(c, &saved[--entered]);
    if (!ok || value.kind == COMPILED_NOTHING || value.kind == COMPILED_VIEW)
        return NOTHING;
    if (query->function == MU_FN_COUNT)
        return count_of_view(c, view_with_item(all, value));
    return aggregate_of(c, query->function, all, value);
}
