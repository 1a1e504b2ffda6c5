/* compiled.c -- what is known of a value while compiling: its type and level, when it is null or
 * true, its numbers, its items. */
#include "eval/compile_int.h"

/* -------- values -------- */

mu_type_kind compiled_type(const compiler *c, compiled value)
{
    switch (value.kind == COMPILED_VIEW ? value.item_kind : value.kind) {
    case COMPILED_CONSTANT:
        return value.constant.kind;
    case COMPILED_NODE:
        return value.type;
    case COMPILED_COLUMN:
        return c->plan->columns[value.column].type->kind;
    default:
        return MU_TYPE_ANY;
    }
}

uint32_t compiled_level(const compiler *c, compiled value)
{
    switch (value.kind) {
    case COMPILED_NODE:
        return c->plan->nodes[value.node].level;
    case COMPILED_COLUMN:
        return c->plan->columns[value.column].level;
    case COMPILED_VIEW:
        return value.owner;
    default:
        return 0;
    }
}

bool compiled_is_list(const compiler *c, compiled value)
{
    if (value.kind == COMPILED_VIEW)
        return true;
    mu_type_kind type = compiled_type(c, value);
    return value.kind == COMPILED_COLUMN && (type == MU_TYPE_LIST || type == MU_TYPE_MAP);
}

uint32_t compiled_valid(compiler *c, compiled value)
{
    switch (value.kind) {
    case COMPILED_CONSTANT:
        return plan_bits(c->plan, !mu_value_is_null(value.constant));
    case COMPILED_NODE:
        return plan_is_valid(c->plan, value.node);
    case COMPILED_COLUMN:
        return plan_valid(c->plan, value.column);
    case COMPILED_VIEW: {
        if (!value.is_single)
            return NO_NODE;
        uint32_t valid = compiled_valid(c, view_item(value));
        compiled chosen = view_choose(c, value, valid);
        if (chosen.kind == COMPILED_NOTHING)
            return NO_NODE;
        return plan_any(c->plan, chosen.chosen, value.level, value.owner);
    }
    default:
        return NO_NODE;
    }
}

uint32_t compiled_numeric(compiler *c, compiled value)
{
    switch (value.kind) {
    case COMPILED_CONSTANT:
        switch (value.constant.kind) {
        case MU_TYPE_INTEGER:
        case MU_TYPE_DATE:
        case MU_TYPE_TIMESTAMP:
            return plan_integer(c->plan, value.constant.integer);
        case MU_TYPE_DOUBLE:
            return plan_double(c->plan, value.constant.number);
        default:
            return NO_NODE;
        }
    case COMPILED_NODE:
        return c->plan->nodes[value.node].kind == VECTOR_BITS ? NO_NODE : value.node;
    case COMPILED_COLUMN:
        switch (compiled_type(c, value)) {
        case MU_TYPE_INTEGER:
        case MU_TYPE_DATE:
        case MU_TYPE_TIMESTAMP:
            return plan_load(c->plan, value.column, VECTOR_INTEGER);
        case MU_TYPE_DOUBLE:
            return plan_load(c->plan, value.column, VECTOR_DOUBLE);
        default:
            return NO_NODE;
        }
    case COMPILED_VIEW:
        if (!value.is_single)
            return NO_NODE;
        return plan_reduce(c->plan, PLAN_PICK, value.chosen, compiled_numeric(c, view_item(value)),
                           value.level, value.owner);
    default:
        return NO_NODE;
    }
}

/* pql.md 6.4: what a value is where a Boolean is wanted. */
uint32_t compiled_truth(compiler *c, compiled value)
{
    plan *p = c->plan;
    switch (value.kind) {
    case COMPILED_CONSTANT:
        return plan_bits(p, mu_value_is_true(value.constant));
    case COMPILED_NODE:
        return p->nodes[value.node].kind == VECTOR_BITS ? value.node : NO_NODE;
    case COMPILED_COLUMN:
        switch (compiled_type(c, value)) {
        case MU_TYPE_BOOLEAN:
            return plan_true_bits(p, value.column);
        case MU_TYPE_LIST:
        case MU_TYPE_MAP: {
            uint32_t level = plan_opened_level(p, value.column);
            return plan_any(p, NO_NODE, level, p->columns[value.column].level);
        }
        default:
            return NO_NODE;
        }
    case COMPILED_VIEW: {
        uint32_t chosen = value.chosen;
        if (value.is_single) {
            uint32_t truth = compiled_truth(c, view_item(value));
            compiled narrowed = view_choose(c, value, truth);
            if (truth == NO_NODE || narrowed.kind == COMPILED_NOTHING)
                return NO_NODE;
            chosen = narrowed.chosen;
        }
        return plan_any(p, chosen, value.level, value.owner);
    }
    default:
        return NO_NODE;
    }
}

/* -------- views -------- */

compiled view_item(compiled view)
{
    compiled item = view;
    item.kind = view.item_kind;
    return item;
}

compiled view_with_item(compiled view, compiled item)
{
    if (item.kind != COMPILED_COLUMN && item.kind != COMPILED_NODE &&
        item.kind != COMPILED_CONSTANT)
        return NOTHING;
    view.item_kind = item.kind;
    view.node = item.node;
    view.column = item.column;
    view.constant = item.constant;
    view.type = item.type;
    return view;
}

/* Narrows a view to items whose bit is also in `bits`. */
compiled view_choose(compiler *c, compiled view, uint32_t bits)
{
    if (view.kind != COMPILED_VIEW || bits == NO_NODE)
        return NOTHING;
    uint32_t chosen = view.chosen == NO_NODE ? bits : plan_and(c->plan, view.chosen, bits);
    chosen = plan_at_level(c->plan, chosen, view.level);
    if (chosen == NO_NODE)
        return NOTHING;
    const plan_node *node = &c->plan->nodes[chosen];
    view.chosen = node->operation == PLAN_CONSTANT && node->flag ? NO_NODE : chosen;
    return view;
}

/* The items of the lists (or values of the maps) that a view's items are: one level deeper. */
compiled view_flatten(compiler *c, compiled view)
{
    uint32_t level = plan_opened_level(c->plan, view.column);
    compiled inner = {.kind = COMPILED_VIEW,
                      .owner = view.owner,
                      .level = level,
                      .chosen = NO_NODE,
                      .is_unordered = view.is_unordered,
                      .item_kind = COMPILED_COLUMN,
                      .column = c->plan->levels[level].item};
    return view.chosen == NO_NODE
               ? inner
               : view_choose(c, inner, plan_at_level(c->plan, view.chosen, level));
}

static compiled column_as_view(compiler *c, uint32_t column)
{
    uint32_t level = plan_opened_level(c->plan, column);
    return (compiled){.kind = COMPILED_VIEW,
                      .owner = c->plan->columns[column].level,
                      .level = level,
                      .chosen = NO_NODE,
                      .item_kind = COMPILED_COLUMN,
                      .column = c->plan->levels[level].item};
}

static bool is_list_type(mu_type_kind type)
{
    return type == MU_TYPE_LIST || type == MU_TYPE_MAP;
}

compiled compiled_as_view(compiler *c, compiled value)
{
    if (value.kind == COMPILED_COLUMN)
        return compiled_is_list(c, value) ? column_as_view(c, value.column) : NOTHING;
    if (value.kind != COMPILED_VIEW || !value.is_single)
        return value.kind == COMPILED_VIEW ? value : NOTHING;
    compiled item = view_item(value);
    if (item.kind == COMPILED_COLUMN && is_list_type(compiled_type(c, item)))
        return view_flatten(c, value);
    /* A single object counts as a list of that one item; null as no item. */
    compiled one = view_choose(c, value, compiled_valid(c, item));
    one.is_single = false;
    return one;
}
