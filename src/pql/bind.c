/* bind.c -- the walk that binds a tree: scopes, variables and the kinds of nodes that are simple.
 */
#include "base/utf8.h"
#include "pql/bind_int.h"

#include <stdarg.h>
#include <stdio.h>

/* -------- reporting -------- */

void mu_bind_report(binder *b, const mu_pql *place, const char *code, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    len = mu_utf8_whole((mu_str){text, len});
    mu_pql_report(b->diagnostics, code, place->line, place->column, place->pointer,
                  mu_arena_copy(b->arena, (mu_str){text, len}));
}

const char *mu_bind_type_name(binder *b, const mu_type *type)
{
    return mu_arena_copy(b->arena, mu_type_name(b->arena, type)).ptr;
}

const char *mu_bind_what(binder *b, const mu_pql *bound)
{
    bool is_number = bound->type->kind == MU_TYPE_ANY && !mu_is_condition(bound);
    return is_number ? "a number" : mu_bind_type_name(b, bound->type);
}

/* -------- scopes and variables -------- */

void mu_bind_push_scope(binder *b, const mu_type *item)
{
    if (b->n_scopes == b->scopes_capacity) {
        uint32_t capacity = b->scopes_capacity == 0 ? 16 : b->scopes_capacity * 2;
        const mu_type **scopes = MU_NEW_ARRAY(b->arena, const mu_type *, capacity);
        for (uint32_t i = 0; i < b->n_scopes; i++)
            scopes[i] = b->scopes[i];
        b->scopes = scopes;
        b->scopes_capacity = capacity;
    }
    b->scopes[b->n_scopes++] = item;
}

void mu_bind_pop_scope(binder *b)
{
    b->n_scopes--;
}

void mu_bind_push_variable(binder *b, mu_str name, variable_kind kind, const mu_type *type)
{
    if (b->n_variables == b->variables_capacity) {
        uint32_t capacity = b->variables_capacity == 0 ? 16 : b->variables_capacity * 2;
        variable *variables = MU_NEW_ARRAY(b->arena, variable, capacity);
        for (uint32_t i = 0; i < b->n_variables; i++)
            variables[i] = b->variables[i];
        b->variables = variables;
        b->variables_capacity = capacity;
    }
    b->variables[b->n_variables++] =
        (variable){.name = name, .type = type, .kind = kind, .depth = b->n_scopes - 1};
}

void mu_bind_pop_variables(binder *b, uint32_t n)
{
    b->n_variables = n;
}

const variable *mu_bind_find_variable(const binder *b, mu_str name)
{
    for (uint32_t i = b->n_variables; i-- > 0;)
        if (mu_str_equal(b->variables[i].name, name))
            return &b->variables[i];
    return NULL;
}

/* -------- making nodes -------- */

mu_pql *mu_bind_copy(binder *b, const mu_pql *node)
{
    mu_pql *copy = MU_NEW(b->arena, mu_pql);
    *copy = *node;
    copy->type = mu_type_of(MU_TYPE_ANY);
    copy->hop_class = MU_STR("");
    return copy;
}

void mu_bind_args(binder *b, const mu_pql *from, mu_pql *to)
{
    const mu_pql **args = MU_NEW_ARRAY(b->arena, const mu_pql *, from->n_args);
    for (uint32_t i = 0; i < from->n_args; i++)
        args[i] = mu_bind_node(b, from->args[i]);
    to->args = args;
}

/* A node at the same place with nothing in it but its kind. */
static mu_pql *node_at(binder *b, const mu_pql *place, mu_pql_kind kind)
{
    mu_pql *node = MU_NEW(b->arena, mu_pql);
    node->kind = kind;
    node->line = place->line;
    node->column = place->column;
    node->pointer = place->pointer;
    node->type = mu_type_of(MU_TYPE_ANY);
    return node;
}

const mu_pql *mu_bind_failed(binder *b, const mu_pql *place)
{
    return node_at(b, place, MU_PQL_SCHEMA_REFERENCE);
}

static const mu_pql *query_parameter(binder *b, const mu_pql *place, uint32_t position)
{
    mu_pql *parameter = node_at(b, place, MU_PQL_PARAMETER);
    parameter->position = position;
    if (position == 1) {
        parameter->up = b->n_scopes - 1;
        parameter->type = b->scopes[0];
    }
    return parameter;
}

const mu_pql *mu_bind_root(binder *b, const mu_pql *place)
{
    return query_parameter(b, place, 1);
}

const mu_pql *mu_bind_events(binder *b, const mu_pql *place)
{
    mu_pql *events = node_at(b, place, MU_PQL_FIELD);
    const mu_pql **args = MU_NEW_ARRAY(b->arena, const mu_pql *, 1);
    args[0] = mu_bind_root(b, place);
    events->args = args;
    events->n_args = 1;
    events->name = MU_STR("xEvent");
    events->type = mu_type_list(b->arena, b->event);
    return events;
}

/* -------- nodes -------- */

static const mu_pql *bind_literal(binder *b, const mu_pql *node)
{
    mu_pql *literal = mu_bind_copy(b, node);
    literal->type = mu_type_of(node->literal.kind);
    return literal;
}

static const mu_pql *bind_array(binder *b, const mu_pql *node)
{
    mu_pql *array = mu_bind_copy(b, node);
    mu_bind_args(b, node, array);
    const mu_type *item = mu_type_of(array->n_args == 0 ? MU_TYPE_ANY : MU_TYPE_NULL);
    for (uint32_t i = 0; i < array->n_args; i++)
        item = mu_type_common(b->arena, item, array->args[i]->type);
    array->type = mu_type_list(b->arena, item);
    return array;
}

static const mu_pql *bind_object(binder *b, const mu_pql *node)
{
    mu_pql *object = mu_bind_copy(b, node);
    mu_bind_args(b, node, object);
    const mu_type **types = MU_NEW_ARRAY(b->arena, const mu_type *, node->n_args);
    for (uint32_t i = 0; i < node->n_args; i++)
        types[i] = object->args[i]->type;
    object->type = mu_type_object(b->arena, node->n_args, node->names, types);
    return object;
}

static const mu_pql *bind_parameter(binder *b, const mu_pql *node)
{
    mu_pql *parameter = mu_bind_copy(b, node);
    if (node->position > 1)
        return parameter;
    if (node->up >= b->n_scopes)
        mu_bind_report(b, node, "PQL-S05", "'^' leads beyond the profile");
    else
        parameter->type = b->scopes[b->n_scopes - 1 - node->up];
    return parameter;
}

static const mu_pql *bind_variable(binder *b, const mu_pql *node)
{
    const variable *found = mu_bind_find_variable(b, node->name);
    if (found != NULL && found->kind == VARIABLE_QUERY)
        return query_parameter(b, node, found->position);
    mu_pql *bound = mu_bind_copy(b, node);
    if (found == NULL)
        mu_bind_report(b, node, "PQL-R02", "unknown variable '" MU_STR_FMT "'",
                       MU_STR_ARG(node->name));
    else if (found->kind == VARIABLE_LATER_ALIAS)
        mu_bind_report(b, node, "PQL-R02",
                       "'" MU_STR_FMT "' names an element that is not before this one",
                       MU_STR_ARG(node->name));
    else
        bound->type = found->type;
    return bound;
}

static const mu_pql *bind_let(binder *b, const mu_pql *node)
{
    mu_pql *let = mu_bind_copy(b, node);
    const mu_pql **args = MU_NEW_ARRAY(b->arena, const mu_pql *, 2);
    bool is_map_body = b->map_entry_is_allowed;
    b->map_entry_is_allowed = false;
    args[0] = mu_bind_node(b, node->args[0]);
    uint32_t outer = b->n_variables;
    mu_bind_push_variable(b, node->name, VARIABLE_LET, args[0]->type);
    b->map_entry_is_allowed = is_map_body;
    args[1] = mu_bind_node(b, node->args[1]);
    mu_bind_pop_variables(b, outer);
    let->args = args;
    let->type = args[1]->type;
    return let;
}

const mu_pql *mu_bind_condition(binder *b, const mu_pql *node, const char *code)
{
    const mu_pql *bound = mu_bind_node(b, node);
    if (!mu_is_condition(bound))
        mu_bind_report(b, node, code, "a condition is expected here, not %s",
                       mu_bind_what(b, bound));
    return bound;
}

/* Times that are no values: only time specifications know what to do with them. */
static const mu_pql *bind_misplaced_time(binder *b, const mu_pql *node)
{
    mu_bind_report(b, node, "PQL-T03",
                   "a calendar interval or relative time stands only in a time "
                   "specification");
    return mu_bind_failed(b, node);
}

const mu_pql *mu_bind_node(binder *b, const mu_pql *node)
{
    /* Only `map` sets it, and only for its body; `if` and `let` hand it on. */
    bool is_map_body = b->map_entry_is_allowed;
    bool hands_it_on = node->kind == MU_PQL_LET || node->kind == MU_PQL_CALL;
    b->map_entry_is_allowed = is_map_body && hands_it_on;
    switch (node->kind) {
    case MU_PQL_LITERAL:
        return bind_literal(b, node);
    case MU_PQL_ARRAY:
        return bind_array(b, node);
    case MU_PQL_OBJECT:
        return bind_object(b, node);
    case MU_PQL_FIELD:
        return mu_bind_field(b, node);
    case MU_PQL_PARAMETER:
        return bind_parameter(b, node);
    case MU_PQL_VARIABLE:
        return bind_variable(b, node);
    case MU_PQL_SCHEMA_REFERENCE:
        return mu_bind_copy(b, node);
    case MU_PQL_FUNCTION_REFERENCE:
    case MU_PQL_LAMBDA:
        mu_bind_report(b, node, "PQL-T04", "a function is no value here");
        return mu_bind_failed(b, node);
    case MU_PQL_CALL:
        return mu_bind_call(b, node);
    case MU_PQL_SELECT:
    case MU_PQL_QUANTIFIED:
    case MU_PQL_AGGREGATE:
        return mu_bind_comprehension(b, node);
    case MU_PQL_LET:
        return bind_let(b, node);
    case MU_PQL_OCCURS:
        return mu_bind_occurs(b, node);
    case MU_PQL_TIME_WORD: {
        mu_pql *word = mu_bind_copy(b, node);
        word->type = mu_type_of(MU_TYPE_TIMESTAMP);
        return word;
    }
    case MU_PQL_TIME_INTERVAL:
    case MU_PQL_TIME_POINT:
        return bind_misplaced_time(b, node);
    case MU_PQL_CHAIN:
        return mu_bind_chain(b, node);
    }
    mu_assert_failed("the node is of a known kind", __FILE__, __LINE__);
}

/* -------- the whole query -------- */

/* `(Profile, Other) => body`: the names stand for the query's parameters. */
static const mu_pql *bind_root_lambda(binder *b, const mu_pql *node)
{
    mu_pql *lambda = mu_bind_copy(b, node);
    for (uint32_t i = 0; i < node->n_names; i++) {
        mu_bind_push_variable(b, node->names[i], VARIABLE_QUERY, mu_type_of(MU_TYPE_ANY));
        b->variables[b->n_variables - 1].position = i + 1;
    }
    const mu_pql **args = MU_NEW_ARRAY(b->arena, const mu_pql *, 1);
    args[0] = mu_bind_node(b, node->args[0]);
    lambda->args = args;
    lambda->type = args[0]->type;
    return lambda;
}

/* Errors come in the order of the walk; people read from left to right. Those of a tree have no
 * line and keep their order: the sort is stable. */
static bool is_before(const mu_pql_diagnostic *a, const mu_pql_diagnostic *b)
{
    return a->line != b->line ? a->line < b->line : a->column < b->column;
}

static void merge(mu_pql_diagnostic *items, mu_pql_diagnostic *room, uint32_t middle, uint32_t n)
{
    uint32_t left = 0;
    uint32_t right = middle;
    for (uint32_t i = 0; i < n; i++) {
        bool takes_right = left == middle || (right < n && is_before(&items[right], &items[left]));
        room[i] = takes_right ? items[right++] : items[left++];
    }
    memcpy(items, room, n * sizeof *items);
}

static void sort_by_place(mu_arena *arena, mu_pql_diagnostic *items, uint32_t n)
{
    mu_pql_diagnostic *room = MU_NEW_ARRAY(arena, mu_pql_diagnostic, n);
    for (uint64_t width = 1; width < n; width *= 2)
        for (uint64_t at = 0; at + width < n; at += 2 * width) {
            uint64_t end = at + 2 * width < n ? at + 2 * width : n;
            merge(items + at, room, (uint32_t)width, (uint32_t)(end - at));
        }
}

/* Ids in preorder. The tree is ours alone until mu_pql_bind returns it. */
static void number_nodes(void *next_id, const mu_pql *node)
{
    uint32_t *next = next_id;
    ((mu_pql *)(uintptr_t)node)->id = (*next)++;
    mu_pql_children(node, number_nodes, next);
}

mu_code mu_pql_bind(mu_arena *arena, const mu_pql *query, const mu_pql_bind_options *options,
                    const mu_pql **out, mu_pql_diagnostics *diagnostics)
{
    const mu_schema *schema = options->schema;
    binder b = {.arena = arena, .options = options, .diagnostics = diagnostics};
    uint32_t n_before = diagnostics->n;
    uint32_t n_errors_before = diagnostics->n_errors;
    b.event = schema != NULL ? schema->event : mu_type_of(MU_TYPE_ANY);
    mu_bind_push_scope(&b, schema != NULL ? schema->row : mu_type_of(MU_TYPE_ANY));
    const mu_pql *bound =
        query->kind == MU_PQL_LAMBDA ? bind_root_lambda(&b, query) : mu_bind_node(&b, query);
    const mu_pql *value = bound->kind == MU_PQL_LAMBDA ? bound->args[0] : bound;
    bool is_condition = mu_is_condition(value) && value->type->kind != MU_TYPE_NULL;
    if (options->must_be_condition && !is_condition)
        mu_bind_report(&b, query, "PQL-V03",
                       "the result must be a condition, a list or a map, not %s",
                       mu_bind_what(&b, value));
    mu_check_limits(&b, bound);
    if (diagnostics->n > n_before + 1)
        sort_by_place(arena, diagnostics->items + n_before, diagnostics->n - n_before);
    if (diagnostics->n_errors > n_errors_before)
        return MU_E_TYPE;
    uint32_t next_id = 0;
    number_nodes(&next_id, bound);
    *out = bound;
    return MU_OK;
}
