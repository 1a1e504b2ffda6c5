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

/* The column between two instants; days count by their start. */
static uint32_t column_between(compiler *c, compiled column, int64_t lo_ms, int64_t hi_ms)
{
    if (lo_ms > hi_ms)
        return plan_bits(c->plan, false);
    if (compiled_type(c, column) == MU_TYPE_DATE)
        return plan_range(c->plan, column.column, ceil_days(lo_ms), floor_days(hi_ms));
    return plan_range(c->plan, column.column, lo_ms, hi_ms);
}

static uint32_t value_between(compiler *c, compiled value, int64_t lo_ms, int64_t hi_ms)
{
    if (value.kind == COMPILED_COLUMN)
        return column_between(c, value, lo_ms, hi_ms);
    uint32_t ms = compiled_numeric(c, value);
    if (compiled_type(c, value) == MU_TYPE_DATE)
        ms = plan_scale(c->plan, ms, true);
    return plan_in_range(c->plan, ms, lo_ms, hi_ms);
}

static uint32_t value_in_range(compiler *c, compiled value, mu_time_range range)
{
    uint32_t bits = value_between(c, value, range.lo_ms, range.hi_ms);
    if (range.has_second)
        bits = plan_or(c->plan, bits, value_between(c, value, range.lo2_ms, range.hi2_ms));
    if (range.inverted)
        bits = plan_and(c->plan, compiled_valid(c, value), plan_not(c->plan, bits));
    return bits;
}

static uint32_t scalar_in_range(compiler *c, compiled value, mu_time_range range)
{
    mu_type_kind type = compiled_type(c, value);
    if (type != MU_TYPE_DATE && type != MU_TYPE_TIMESTAMP)
        return NO_NODE;
    return value.kind == COMPILED_COLUMN || value.kind == COMPILED_NODE
               ? value_in_range(c, value, range)
               : NO_NODE;
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
