/* build.c -- nodes in their normal form, for the parser and the tree reader alike. */
#include "base/hash.h"
#include "pql/syntax_int.h"

_Noreturn void mu_syntax_fail(mu_syntax *syntax, const char *code, mu_place place, mu_str message)
{
    mu_pql_report(syntax->diagnostics, code, place.line, place.column, place.pointer, message);
    longjmp(syntax->failed, 1);
}

mu_pql *mu_node_new(mu_syntax *syntax, mu_pql_kind kind, mu_place place)
{
    mu_node *node = MU_NEW(syntax->arena, mu_node);
    node->pql.kind = kind;
    node->pql.line = place.line;
    node->pql.column = place.column;
    node->pql.pointer = place.pointer;
    return &node->pql;
}

mu_place mu_node_place(const mu_pql *node)
{
    return (mu_place){node->line, node->column, node->pointer};
}

static void raise_height(uint32_t *height, const mu_pql *child)
{
    if (child != NULL && ((const mu_node *)child)->height > *height)
        *height = ((const mu_node *)child)->height;
}

static uint32_t height_of_children(const mu_pql *node)
{
    uint32_t height = 0;
    for (uint32_t i = 0; i < node->n_args; i++)
        raise_height(&height, node->args[i]);
    for (uint32_t i = 0; i < node->n_declarations; i++) {
        raise_height(&height, node->declarations[i].from);
        raise_height(&height, node->declarations[i].where);
    }
    if (node->when != NULL) {
        raise_height(&height, node->when->start);
        raise_height(&height, node->when->end);
    }
    for (uint32_t i = 0; i < node->n_items; i++) {
        const mu_pql_chain_item *item = &node->items[i];
        raise_height(&height, item->what);
        raise_height(&height, item->where);
        if (item->when != NULL) {
            raise_height(&height, item->when->start);
            raise_height(&height, item->when->end);
        }
    }
    return height;
}

/* At least the levels that the parser counts when it reads the canonical text of the node, without
 * those of its children: what was read can be printed and read again. */
static uint32_t levels_of(const mu_node *node)
{
    switch (node->pql.kind) {
    case MU_PQL_SELECT:
    case MU_PQL_QUANTIFIED:
    case MU_PQL_LET:
        return 2; /* with the parentheses around it */
    case MU_PQL_OCCURS:
    case MU_PQL_CHAIN:
        return 2; /* with the time inside it */
    case MU_PQL_AGGREGATE:
        return 3; /* and those around its body */
    case MU_PQL_LAMBDA:
        return node->pql.n_names > 0 ? 2 : 1;
    case MU_PQL_VARIABLE:
        return node->pending == MU_PENDING_NAME ? 2 : 1; /* it may become a FIELD */
    default:
        return 1;
    }
}

const mu_pql *mu_node_done(mu_syntax *syntax, mu_pql *pql)
{
    mu_node *node = (mu_node *)pql;
    node->height = height_of_children(pql) + levels_of(node);
    if (node->height > MU_PQL_DEPTH_MAX)
        mu_syntax_fail(
            syntax, pql->line > 0 ? "PQL-S01" : "PQL-J01", mu_node_place(pql),
            mu_arena_format(syntax->arena, "nested deeper than %d levels", MU_PQL_DEPTH_MAX));
    return pql;
}

static void set_args(mu_syntax *syntax, mu_pql *node, const mu_pql *const *args, size_t n_args)
{
    const mu_pql **copy = MU_NEW_ARRAY(syntax->arena, const mu_pql *, n_args);
    if (n_args > 0)
        memcpy(copy, args, n_args * sizeof *copy);
    node->args = copy;
    node->n_args = (uint32_t)n_args;
}

const mu_pql *mu_build_literal(mu_syntax *syntax, mu_place place, mu_value value)
{
    mu_pql *node = mu_node_new(syntax, MU_PQL_LITERAL, place);
    node->literal = value;
    return mu_node_done(syntax, node);
}

const mu_pql *mu_build_field(mu_syntax *syntax, mu_place place, const mu_pql *object, mu_str name)
{
    mu_pql *node = mu_node_new(syntax, MU_PQL_FIELD, place);
    node->name = name;
    set_args(syntax, node, &object, 1);
    return mu_node_done(syntax, node);
}

const mu_pql *mu_build_parameter(mu_syntax *syntax, mu_place place, int64_t position, uint32_t up,
                                 mu_pending pending)
{
    mu_pql *node = mu_node_new(syntax, MU_PQL_PARAMETER, place);
    node->position = (uint32_t)position;
    node->up = up;
    ((mu_node *)node)->pending = pending;
    return mu_node_done(syntax, node);
}

/* A bare name brings the parameter that it needs in case it is a field. */
const mu_pql *mu_build_variable(mu_syntax *syntax, mu_place place, mu_str name, mu_pending pending)
{
    mu_pql *node = mu_node_new(syntax, MU_PQL_VARIABLE, place);
    node->name = name;
    ((mu_node *)node)->pending = pending;
    if (pending == MU_PENDING_NAME) {
        const mu_pql *item = mu_build_parameter(syntax, place, 1, 0, MU_PENDING_NONE);
        set_args(syntax, node, &item, 1);
        node->n_args = 0; /* until resolved */
    }
    return mu_node_done(syntax, node);
}

bool mu_schema_reference_is_valid(mu_str name)
{
    for (size_t i = 0; i < name.len; i++)
        if ((unsigned char)name.ptr[i] <= 0x20 || name.ptr[i] == '{' || name.ptr[i] == '}')
            return false;
    return name.len > 0;
}

const mu_pql *mu_build_schema_reference(mu_syntax *syntax, mu_place place, mu_str name)
{
    if (mu_str_equal(name, MU_STR("profile")))
        return mu_build_parameter(syntax, place, 1, 0, MU_PENDING_ROOT);
    mu_pql *node = mu_node_new(syntax, MU_PQL_SCHEMA_REFERENCE, place);
    node->name = name;
    return mu_node_done(syntax, node);
}

const mu_pql *mu_build_item_lambda(mu_syntax *syntax, mu_place place, const mu_pql *body)
{
    if (body->kind == MU_PQL_LAMBDA) /* `E => E.sku = "x"` names its item itself */
        return body;
    mu_pql *node = mu_node_new(syntax, MU_PQL_LAMBDA, place);
    set_args(syntax, node, &body, 1);
    return mu_node_done(syntax, node);
}

const mu_pql *mu_build_array(mu_syntax *syntax, mu_place place, const mu_pql *const *items,
                             size_t n_items)
{
    mu_pql *node = mu_node_new(syntax, MU_PQL_ARRAY, place);
    set_args(syntax, node, items, n_items);
    return mu_node_done(syntax, node);
}

/* The index of a name that stood before, or n. */
static size_t find_repeated(const mu_str *names, size_t n)
{
    mu_strmap seen;
    mu_strmap_init(&seen);
    size_t i = 0;
    for (; i < n; i++) {
        bool is_new;
        mu_strmap_put(&seen, names[i], &is_new);
        if (!is_new)
            break;
    }
    mu_strmap_free(&seen);
    return i;
}

const mu_pql *mu_build_object(mu_syntax *syntax, mu_place place, const mu_str *names,
                              const mu_pql *const *values, size_t n_names)
{
    mu_pql *node = mu_node_new(syntax, MU_PQL_OBJECT, place);
    mu_str *copy = MU_NEW_ARRAY(syntax->arena, mu_str, n_names);
    size_t repeated = find_repeated(names, n_names);
    if (repeated < n_names)
        mu_syntax_fail(syntax, place.line > 0 ? "PQL-S01" : "PQL-J01", place,
                       mu_arena_format(syntax->arena,
                                       "the name \"" MU_STR_FMT "\" stands twice in this object",
                                       MU_STR_ARG(names[repeated])));
    if (n_names > 0)
        memcpy(copy, names, n_names * sizeof *copy);
    node->names = copy;
    node->n_names = (uint32_t)n_names;
    set_args(syntax, node, values, n_names);
    return mu_node_done(syntax, node);
}

/* -------- calls -------- */

static bool is_number(const mu_pql *node)
{
    return node->kind == MU_PQL_LITERAL &&
           (node->literal.kind == MU_TYPE_INTEGER || node->literal.kind == MU_TYPE_DOUBLE);
}

/* The negated literal, or NULL when `operand` is none (or its negation needs 65 bits). */
static const mu_pql *fold_minus(mu_syntax *syntax, mu_place place, const mu_pql *operand)
{
    if (!is_number(operand))
        return NULL;
    mu_value value = operand->literal;
    if (value.kind == MU_TYPE_DOUBLE)
        value.number = -value.number;
    else if (__builtin_sub_overflow(0, value.integer, &value.integer))
        return NULL;
    return mu_build_literal(syntax, place, value);
}

/* The function that stringCompare(op, ...) names, or MU_FN_UNKNOWN. */
static mu_pql_function compared_by(const mu_pql *op)
{
    if (op->kind != MU_PQL_LITERAL || op->literal.kind != MU_TYPE_STRING)
        return MU_FN_UNKNOWN;
    mu_pql_function function = mu_pql_function_find(op->literal.string);
    return function >= MU_FN_EQUALS && function <= MU_FN_DOES_NOT_CONTAIN ? function
                                                                          : MU_FN_UNKNOWN;
}

static bool is_per_item(mu_pql_function function, size_t argument)
{
    return argument < 32 && (mu_pql_function_of(function)->lambda_mask >> argument & 1) != 0;
}

const mu_pql *mu_build_call(mu_syntax *syntax, mu_place place, mu_str name,
                            const mu_pql *const *args, size_t n_args)
{
    bool is_bang = mu_str_equal(name, MU_STR("!"));
    mu_pql_function function = is_bang ? MU_FN_NOT : mu_pql_function_find(name);
    if (function == MU_FN_ARRAY)
        return mu_build_array(syntax, place, args, n_args);
    if (function == MU_FN_SUBTRACT && n_args == 1) {
        const mu_pql *folded = fold_minus(syntax, place, args[0]);
        if (folded != NULL)
            return folded;
    }
    if (function == MU_FN_STRING_COMPARE && n_args >= 1 && compared_by(args[0]) != MU_FN_UNKNOWN)
        return mu_build_call(syntax, place, args[0]->literal.string, args + 1, n_args - 1);
    mu_pql *node = mu_node_new(syntax, MU_PQL_CALL, place);
    node->function = function;
    node->name = function == MU_FN_UNKNOWN ? name : mu_pql_function_of(function)->name;
    const mu_pql **copy = MU_NEW_ARRAY(syntax->arena, const mu_pql *, n_args);
    for (size_t i = 0; i < n_args; i++)
        copy[i] = is_per_item(function, i)
                      ? mu_build_item_lambda(syntax, mu_node_place(args[i]), args[i])
                      : args[i];
    node->args = copy;
    node->n_args = (uint32_t)n_args;
    return mu_node_done(syntax, node);
}

/* -------- checks of lists -------- */

static mu_place place_in(mu_syntax *syntax, mu_place whole, const char *member, size_t index,
                         uint32_t line, uint32_t column)
{
    if (whole.line > 0)
        return (mu_place){.line = line, .column = column};
    return (mu_place){.pointer = mu_arena_format(syntax->arena, MU_STR_FMT "/%s/%zu",
                                                 MU_STR_ARG(whole.pointer), member, index)};
}

static _Noreturn void fail_repeated(mu_syntax *syntax, mu_place place, mu_str name)
{
    mu_syntax_fail(syntax, "PQL-S06", place,
                   mu_arena_format(syntax->arena, "the name '" MU_STR_FMT "' is declared twice",
                                   MU_STR_ARG(name)));
}

static void check_count(mu_syntax *syntax, mu_place place, size_t n)
{
    if (n > MU_PQL_SCOPE_MAX)
        mu_syntax_fail(syntax, place.line > 0 ? "PQL-S01" : "PQL-J01", place,
                       mu_arena_format(syntax->arena, "more than %d names are declared here",
                                       MU_PQL_SCOPE_MAX));
}

void mu_check_declarations(mu_syntax *syntax, mu_place place,
                           const mu_pql_declaration *declarations, size_t n_declarations)
{
    check_count(syntax, place, n_declarations);
    for (size_t i = 0; i < n_declarations; i++)
        for (size_t k = 0; k < i; k++)
            if (mu_str_equal(declarations[k].name, declarations[i].name))
                fail_repeated(syntax,
                              place_in(syntax, place, "variables", i, declarations[i].line,
                                       declarations[i].column),
                              declarations[i].name);
}

void mu_check_parameters(mu_syntax *syntax, mu_place place, const mu_str *names, size_t n_names)
{
    check_count(syntax, place, n_names);
    size_t repeated = find_repeated(names, n_names);
    if (repeated < n_names)
        fail_repeated(syntax, place, names[repeated]);
}

typedef struct chain_check {
    mu_syntax *syntax;
    mu_place place;
    const mu_pql_chain_item *items;
    size_t n_items;
} chain_check;

static mu_place item_place(const chain_check *check, size_t i)
{
    return place_in(check->syntax, check->place, "elements", i, check->items[i].line,
                    check->items[i].column);
}

static _Noreturn void fail_item(const chain_check *check, size_t i, const char *code,
                                const char *message)
{
    mu_syntax_fail(check->syntax, code, item_place(check, i), mu_str_from(message));
}

static void check_alias(const chain_check *check, size_t i)
{
    for (size_t k = 0; k < i && check->items[i].name.len > 0; k++)
        if (mu_str_equal(check->items[k].name, check->items[i].name))
            fail_repeated(check->syntax, item_place(check, i), check->items[i].name);
}

static void check_exclude(const chain_check *check, size_t i)
{
    const mu_pql_chain_item *item = &check->items[i];
    bool is_at_least =
        !item->count_is_all && !item->count_is_between &&
        (item->comparison == MU_FN_GREATER_EQUAL || item->comparison == MU_FN_GREATER);
    if (item->name.len > 0)
        fail_item(check, i, "PQL-S04", "an excluded element has no alias");
    if (item->has_count && !is_at_least)
        fail_item(check, i, "PQL-S04", "the COUNT of an excluded element is 'at least': COUNT(n)");
}

/* A GAP has an element on both sides, and is the only one between them. */
static void check_gap(const chain_check *check, size_t i)
{
    bool has_before = false, has_after = false;
    for (size_t k = i; k-- > 0 && !has_before;) {
        if (check->items[k].kind == MU_ITEM_GAP)
            fail_item(check, i, "PQL-S08", "there is a GAP already between these elements");
        has_before = check->items[k].kind == MU_ITEM_ELEMENT;
    }
    for (size_t k = i + 1; k < check->n_items && !has_after; k++)
        has_after = check->items[k].kind == MU_ITEM_ELEMENT;
    if (!has_before || !has_after)
        fail_item(check, i, "PQL-S08", "a GAP stands between two elements");
}

void mu_check_chain(mu_syntax *syntax, mu_place place, const mu_pql_chain_item *items,
                    size_t n_items)
{
    chain_check check = {syntax, place, items, n_items};
    bool has_element = false;
    check_count(syntax, place, n_items);
    for (size_t i = 0; i < n_items; i++) {
        check_alias(&check, i);
        if (items[i].kind == MU_ITEM_EXCLUDE)
            check_exclude(&check, i);
        if (items[i].kind == MU_ITEM_GAP)
            check_gap(&check, i);
        has_element |= items[i].kind == MU_ITEM_ELEMENT;
    }
    if (!has_element)
        mu_syntax_fail(syntax, "PQL-S04", place,
                       MU_STR("a chain has at least one element; for the absence of an event write "
                              "not(CHAIN(...))"));
}

void *mu_list_add(mu_arena *arena, mu_list *list)
{
    if (list->n == list->capacity) {
        size_t capacity = list->capacity == 0 ? 4 : list->capacity * 2;
        char *items = mu_arena_array(arena, capacity, list->item_bytes);
        if (list->n > 0)
            memcpy(items, list->items, list->n * list->item_bytes);
        list->items = items;
        list->capacity = capacity;
    }
    return (char *)list->items + list->n++ * list->item_bytes;
}
