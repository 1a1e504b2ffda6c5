/* compile_compare.c -- comparisons, membership and text tests (pql.md 6.2-6.4, 7, 8.1). */
#include "eval/compile_int.h"

#include <math.h>

static bool is_number(mu_type_kind type)
{
    return type == MU_TYPE_INTEGER || type == MU_TYPE_DOUBLE;
}

static bool is_time(mu_type_kind type)
{
    return type == MU_TYPE_DATE || type == MU_TYPE_TIMESTAMP;
}

static mu_pql_function mirrored(mu_pql_function function)
{
    switch (function) {
    case MU_FN_LESS:
        return MU_FN_GREATER;
    case MU_FN_LESS_EQUAL:
        return MU_FN_GREATER_EQUAL;
    case MU_FN_GREATER:
        return MU_FN_LESS;
    case MU_FN_GREATER_EQUAL:
        return MU_FN_LESS_EQUAL;
    default:
        return function;
    }
}

/* -------- a number column against a constant: a range -------- */

static void double_range(mu_pql_function function, double bound, double *lo, double *hi)
{
    *lo = -INFINITY;
    *hi = INFINITY;
    if (function == MU_FN_GREATER)
        *lo = nextafter(bound, INFINITY);
    else if (function != MU_FN_LESS && function != MU_FN_LESS_EQUAL)
        *lo = bound;
    if (function == MU_FN_LESS)
        *hi = nextafter(bound, -INFINITY);
    else if (function != MU_FN_GREATER && function != MU_FN_GREATER_EQUAL)
        *hi = bound;
}

/* [lo, hi] of integers that compare so with `bound`; false: none. NOT_EQUAL is EQUAL's. */
static bool integer_range(mu_pql_function function, mu_value bound, int64_t *lo, int64_t *hi)
{
    *lo = INT64_MIN;
    *hi = INT64_MAX;
    if (bound.kind != MU_TYPE_DOUBLE) {
        int64_t value = bound.integer;
        if ((function == MU_FN_LESS && value == INT64_MIN) ||
            (function == MU_FN_GREATER && value == INT64_MAX))
            return false;
        if (function == MU_FN_GREATER)
            *lo = value + 1;
        else if (function != MU_FN_LESS && function != MU_FN_LESS_EQUAL)
            *lo = value;
        if (function == MU_FN_LESS)
            *hi = value - 1;
        else if (function != MU_FN_GREATER && function != MU_FN_GREATER_EQUAL)
            *hi = value;
        return true;
    }
    double from, to;
    double_range(function, bound.number, &from, &to);
    return plan_integer_bounds(from, to, lo, hi);
}

static uint32_t column_against_number(compiler *c, mu_pql_function function, uint32_t column,
                                      mu_value bound)
{
    plan *p = c->plan;
    uint32_t range;
    if (p->columns[column].type->kind == MU_TYPE_DOUBLE) {
        double number = bound.kind == MU_TYPE_DOUBLE ? bound.number : (double)bound.integer;
        double lo, hi;
        double_range(function, number, &lo, &hi);
        range = plan_double_range(p, column, lo, hi);
    } else {
        int64_t lo, hi;
        range = integer_range(function, bound, &lo, &hi) ? plan_range(p, column, lo, hi)
                                                         : plan_bits(p, false);
    }
    if (function == MU_FN_NOT_EQUAL)
        return plan_and(p, plan_valid(p, column), plan_not(p, range));
    return range;
}

static uint32_t node_against_number(compiler *c, mu_pql_function function, uint32_t node,
                                    mu_value bound)
{
    plan *p = c->plan;
    uint32_t range;
    if (p->nodes[node].kind == VECTOR_DOUBLE) {
        double number = bound.kind == MU_TYPE_DOUBLE ? bound.number : (double)bound.integer;
        double lo, hi;
        double_range(function, number, &lo, &hi);
        range = plan_in_double_range(p, node, lo, hi);
    } else {
        int64_t lo, hi;
        /* Out of reach for an integer, but not for the double that it becomes when it overflows. */
        range = integer_range(function, bound, &lo, &hi)
                    ? plan_in_range(p, node, lo, hi)
                    : plan_and(p, plan_bits(p, false), plan_is_valid(p, node));
    }
    if (function == MU_FN_NOT_EQUAL)
        return plan_and(p, plan_is_valid(p, node), plan_not(p, range));
    return range;
}

/* -------- two scalars -------- */

static bool are_comparable_numbers(mu_type_kind a, mu_type_kind b)
{
    return (is_number(a) && is_number(b)) || (is_time(a) && a == b);
}

static uint32_t compare_column_constant(compiler *c, mu_pql_function function, compiled column,
                                        mu_value constant, bool column_first)
{
    mu_type_kind type = compiled_type(c, column);
    if (mu_value_is_null(constant))
        return plan_bits(c->plan, false);
    if (are_comparable_numbers(type, constant.kind))
        return column_against_number(c, column_first ? function : mirrored(function), column.column,
                                     constant);
    return compile_table_compare(c, function, column, constant, column_first);
}

/* Items' numbers against one of their owner: only where the items have a number at all. */
static uint32_t compare_with_owner(compiler *c, mu_pql_function function, compiled items,
                                   compiled owner)
{
    uint32_t level = compiled_level(c, items), above = compiled_level(c, owner);
    if (items.kind != COMPILED_COLUMN || level == above ||
        (owner.kind != COMPILED_COLUMN && owner.kind != COMPILED_NODE) ||
        !plan_is_ancestor(c->plan, above, level))
        return NO_NODE;
    return plan_compare_owner(c->plan, function, items.column, compiled_numeric(c, owner));
}

static uint32_t compare_numbers(compiler *c, mu_pql_function function, compiled a, compiled b)
{
    uint32_t bits = compare_with_owner(c, function, a, b);
    if (bits == NO_NODE)
        bits = compare_with_owner(c, mirrored(function), b, a);
    if (bits == NO_NODE)
        bits = plan_compare(c->plan, function, compiled_numeric(c, a), compiled_numeric(c, b));
    return bits;
}

/* Neither is a list. */
static uint32_t compare_scalars(compiler *c, mu_pql_function function, compiled a, compiled b)
{
    mu_type_kind type_a = compiled_type(c, a), type_b = compiled_type(c, b);
    if (type_a == MU_TYPE_OBJECT || type_b == MU_TYPE_OBJECT || type_a == MU_TYPE_ANY ||
        type_b == MU_TYPE_ANY)
        return NO_NODE;
    if (a.kind == COMPILED_COLUMN && b.kind == COMPILED_CONSTANT)
        return compare_column_constant(c, function, a, b.constant, true);
    if (b.kind == COMPILED_COLUMN && a.kind == COMPILED_CONSTANT)
        return compare_column_constant(c, function, b, a.constant, false);
    if (a.kind == COMPILED_CONSTANT && mu_value_is_null(a.constant))
        return plan_bits(c->plan, false);
    if (b.kind == COMPILED_CONSTANT && mu_value_is_null(b.constant))
        return plan_bits(c->plan, false);
    if (type_a == MU_TYPE_BOOLEAN && type_b == MU_TYPE_BOOLEAN && a.kind == COMPILED_NODE &&
        b.kind == COMPILED_CONSTANT && (function == MU_FN_EQUAL || function == MU_FN_NOT_EQUAL)) {
        bool wanted =
            b.constant.boolean == (function == MU_FN_EQUAL); /* conditions are never null */
        return wanted ? a.node : plan_not(c->plan, a.node);
    }
    if (are_comparable_numbers(type_a, type_b) && a.kind == COMPILED_NODE &&
        b.kind == COMPILED_CONSTANT)
        return node_against_number(c, function, a.node, b.constant);
    if (are_comparable_numbers(type_a, type_b) && b.kind == COMPILED_NODE &&
        a.kind == COMPILED_CONSTANT)
        return node_against_number(c, mirrored(function), b.node, a.constant);
    if (are_comparable_numbers(type_a, type_b))
        return compare_numbers(c, function, a, b);
    if (type_a == MU_TYPE_STRING && type_b == MU_TYPE_STRING && a.kind == COMPILED_COLUMN &&
        b.kind == COMPILED_COLUMN && compiled_level(c, a) == compiled_level(c, b))
        return plan_text_compare(c->plan, function, a.column, b.column);
    return NO_NODE;
}

/* May `other` be read for every item of the view? */
static bool is_visible_in(const compiler *c, compiled view, compiled other)
{
    return plan_is_ancestor(c->plan, compiled_level(c, other), view.owner);
}

static bool is_single(compiled value)
{
    return value.kind == COMPILED_VIEW && value.is_single;
}

/* D26: some item of the list satisfies the comparison. */
static uint32_t compare_some_item(compiler *c, mu_pql_function function, compiled list,
                                  compiled other, bool list_first)
{
    compiled view = is_single(list) ? list : compiled_as_view(c, list);
    if (view.kind == COMPILED_NOTHING || !is_visible_in(c, view, other))
        return NO_NODE;
    compiled item = view_item(view);
    if (compiled_is_list(c, item))
        return NO_NODE;
    uint32_t bits = list_first ? compare_scalars(c, function, item, other)
                               : compare_scalars(c, function, other, item);
    compiled chosen = view_choose(c, view, bits);
    if (chosen.kind == COMPILED_NOTHING)
        return NO_NODE;
    return plan_any(c->plan, chosen.chosen, view.level, view.owner);
}

static bool is_list_constant(compiled value)
{
    return value.kind == COMPILED_CONSTANT &&
           (value.constant.kind == MU_TYPE_LIST || value.constant.kind == MU_TYPE_MAP ||
            value.constant.kind == MU_TYPE_OBJECT);
}

uint32_t compile_comparison(compiler *c, mu_pql_function function, compiled a, compiled b)
{
    if (a.kind == COMPILED_NOTHING || b.kind == COMPILED_NOTHING || is_list_constant(a) ||
        is_list_constant(b))
        return NO_NODE;
    bool list_a = compiled_is_list(c, a), list_b = compiled_is_list(c, b);
    if (list_a && list_b) {
        if (!is_single(a) || !is_single(b) ||
            !are_comparable_numbers(compiled_type(c, a), compiled_type(c, b)))
            return NO_NODE;
        return plan_compare(c->plan, function, compiled_numeric(c, a), compiled_numeric(c, b));
    }
    if (list_a)
        return compare_some_item(c, function, a, b, true);
    if (list_b)
        return compare_some_item(c, function, b, a, false);
    return compare_scalars(c, function, a, b);
}

/* -------- in, notIn, includes -------- */

/* value in [constants], the value being a scalar. */
static uint32_t in_constants(compiler *c, compiled value, const mu_pql *call, mu_value constants)
{
    if (value.kind == COMPILED_COLUMN || value.kind == COMPILED_VIEW)
        return compile_table_of(c, value, call, 0);
    if (value.kind != COMPILED_NODE || call->function != MU_FN_IN)
        return NO_NODE;
    uint32_t *parts = MU_NEW_ARRAY(c->arena, uint32_t, constants.n + 1);
    for (uint32_t i = 0; i < constants.n; i++)
        parts[i] = compile_comparison(
            c, MU_FN_EQUAL, value,
            (compiled){.kind = COMPILED_CONSTANT, .constant = constants.items[i]});
    return plan_and_all(c->plan, PLAN_OR, constants.n, parts);
}

uint32_t compile_membership(compiler *c, const mu_pql *call)
{
    bool includes = call->function == MU_FN_INCLUDES;
    compiled value = compile_value(c, call->args[includes ? 1 : 0]);
    compiled list = compile_value(c, call->args[includes ? 0 : 1]);
    if (value.kind == COMPILED_NOTHING || list.kind == COMPILED_NOTHING)
        return NO_NODE;
    if (list.kind == COMPILED_CONSTANT && list.constant.kind == MU_TYPE_LIST && !includes)
        return in_constants(c, value, call, list.constant);
    if (call->function == MU_FN_NOT_IN || compiled_is_list(c, value) || !compiled_is_list(c, list))
        return NO_NODE;
    /* `in` takes the items to the type of the value, `includes` the value to theirs (pql.md
     * 7, 8.2). */
    compiled view = compiled_as_view(c, list);
    return includes ? compile_comparison(c, MU_FN_EQUAL, view, value)
                    : compile_comparison(c, MU_FN_EQUAL, value, view);
}

/* -------- text tests -------- */

uint32_t compile_text_predicate(compiler *c, const mu_pql *call)
{
    compiled text = compile_value(c, call->args[0]);
    if (text.kind == COMPILED_NOTHING)
        return NO_NODE;
    bool plain = call->function == MU_FN_EQUALS && call->n_args == 2;
    if (plain && text.kind == COMPILED_COLUMN && compiled_type(c, text) == MU_TYPE_STRING) {
        compiled other = compile_value(c, call->args[1]);
        if (other.kind == COMPILED_COLUMN && compiled_type(c, other) == MU_TYPE_STRING)
            return compare_scalars(c, MU_FN_EQUAL, text, other);
    }
    return compile_table_of(c, text, call, 0);
}
