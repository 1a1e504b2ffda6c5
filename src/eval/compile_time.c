/* compile_time.c -- occurs: windows settled before any row is read become ranges (pql.md 10). */
#include "eval/compile_int.h"

static int64_t floor_days(int64_t ms)
{
    return mu_day_of_ms(ms);
}

static int64_t ceil_days(int64_t ms)
{
    int64_t day = mu_day_of_ms(ms);
    return day * MU_DAY_MS == ms ? day : day + 1;
}

static uint32_t column_in_range(compiler *c, compiled column, mu_time_range range)
{
    plan *p = c->plan;
    uint32_t bits;
    if (range.lo_ms > range.hi_ms)
        bits = plan_bits(p, false);
    else if (compiled_type(c, column) == MU_TYPE_DATE)
        bits = plan_range(p, column.column, ceil_days(range.lo_ms), floor_days(range.hi_ms));
    else
        bits = plan_range(p, column.column, range.lo_ms, range.hi_ms);
    if (range.inverted)
        return plan_and(p, plan_valid(p, column.column), plan_not(p, bits));
    return bits;
}

static uint32_t node_in_range(compiler *c, compiled value, mu_time_range range)
{
    plan *p = c->plan;
    uint32_t ms = compiled_numeric(c, value);
    if (compiled_type(c, value) == MU_TYPE_DATE)
        ms = plan_scale(p, ms, true);
    uint32_t bits = plan_in_range(p, ms, range.lo_ms, range.hi_ms);
    if (range.inverted)
        return plan_and(p, plan_is_valid(p, ms), plan_not(p, bits));
    return bits;
}

static uint32_t scalar_in_range(compiler *c, compiled value, mu_time_range range)
{
    mu_type_kind type = compiled_type(c, value);
    if (type != MU_TYPE_DATE && type != MU_TYPE_TIMESTAMP)
        return NO_NODE;
    if (value.kind == COMPILED_COLUMN)
        return column_in_range(c, value, range);
    return value.kind == COMPILED_NODE ? node_in_range(c, value, range) : NO_NODE;
}

uint32_t compile_time_test(compiler *c, compiled value, const mu_pql_when *when)
{
    mu_time_bounds start, end = {0};
    if (value.kind == COMPILED_NOTHING || when->ignores_year ||
        !mu_time_bounds_constant(when->start, c->plan->now_ms, &start) ||
        (when->end != NULL && !mu_time_bounds_constant(when->end, c->plan->now_ms, &end)))
        return NO_NODE;
    mu_time_range range = mu_time_range_of(when, start, end);
    if (value.kind != COMPILED_VIEW && !compiled_is_list(c, value))
        return scalar_in_range(c, value, range);
    compiled view =
        value.kind == COMPILED_VIEW && value.is_single ? value : compiled_as_view(c, value);
    if (view.kind == COMPILED_NOTHING)
        return NO_NODE;
    compiled chosen = view_choose(c, view, scalar_in_range(c, view_item(view), range));
    if (chosen.kind == COMPILED_NOTHING)
        return NO_NODE;
    return plan_any(c->plan, chosen.chosen, view.level, view.owner);
}

uint32_t compile_occurs(compiler *c, const mu_pql *occurs)
{
    return compile_time_test(c, compile_value(c, occurs->args[0]), occurs->when);
}
