/* time_spec.c -- times and time specifications as sets of instants (pql.md 10.2 to 10.4). */
#include "eval/reference_int.h"

/* The ends of an open set, far outside the calendar and safe to calculate with. */
#define LO_MS_NONE (INT64_MIN / 4)
#define HI_MS_NONE (INT64_MAX / 4)

/* -------- bounds of a time -------- */

mu_time_bounds mu_time_bounds_of_instant(int64_t ms)
{
    return (mu_time_bounds){.start_ms = ms, .end_ms = ms + 1, .is_instant = true};
}

static mu_time_bounds bounds_of_day(int64_t day)
{
    return (mu_time_bounds){.start_ms = day * MU_DAY_MS, .end_ms = (day + 1) * MU_DAY_MS};
}

bool mu_time_bounds_of_value(mu_value value, mu_time_bounds *out)
{
    int64_t ms;
    bool is_day;
    if (!mu_value_as_time(value, &ms, &is_day))
        return false;
    *out = is_day ? bounds_of_day(mu_day_of_ms(ms)) : mu_time_bounds_of_instant(ms);
    return true;
}

static mu_time_bounds bounds_of_word(mu_time_word word, int64_t now_ms)
{
    int64_t today = mu_day_of_ms(now_ms);
    switch (word) {
    case MU_TIME_NOW:
        break;
    case MU_TIME_TODAY:
        return bounds_of_day(today);
    case MU_TIME_YESTERDAY:
        return bounds_of_day(today - 1);
    case MU_TIME_TOMORROW:
        return bounds_of_day(today + 1);
    }
    return mu_time_bounds_of_instant(now_ms);
}

/* D50: the calendar unit around now, the one before, the one after. */
static mu_time_bounds bounds_of_interval(mu_time_interval interval, mu_unit unit, int64_t now_ms)
{
    int64_t start, end;
    mu_unit_interval_ms(now_ms, unit, &start, &end);
    if (interval == MU_INTERVAL_LAST)
        mu_unit_interval_ms(start - 1, unit, &start, &end);
    else if (interval == MU_INTERVAL_NEXT)
        mu_unit_interval_ms(end, unit, &start, &end);
    return (mu_time_bounds){.start_ms = start, .end_ms = end};
}

/* D48: offsets count from the start of a time; after `this month` from its end. `time` is NULL for
 * a chain's previous event. */
static int64_t base_instant(const mu_pql *time, mu_time_bounds bounds, bool is_after)
{
    if (is_after && time != NULL && time->kind == MU_PQL_TIME_INTERVAL)
        return bounds.end_ms;
    return bounds.start_ms;
}

/* D49: in a point `from` means after. */
mu_time_bounds mu_time_bounds_of_point(const mu_pql *point, mu_time_bounds base)
{
    bool is_before = point->direction == MU_DIRECTION_BEFORE;
    int64_t from = base_instant(point->args[0], base, !is_before);
    int64_t count = is_before ? -point->count : point->count;
    return mu_time_bounds_of_instant(mu_add_units_ms(from, count, point->unit));
}

/* date(2015, 1, 8) of literals. */
static bool constant_date(const mu_pql *call, mu_time_bounds *out)
{
    int64_t part[3];
    if (call->function != MU_FN_DATE || call->n_args != 3)
        return false;
    for (int i = 0; i < 3; i++) {
        if (call->args[i]->kind != MU_PQL_LITERAL || call->args[i]->literal.kind != MU_TYPE_INTEGER)
            return false;
        part[i] = call->args[i]->literal.integer;
    }
    if (part[0] < 1 || part[0] > 9999 || part[1] < 1 || part[1] > 12 || part[2] < 1 ||
        part[2] > mu_days_in_month(part[0], (int)part[1]))
        return false;
    *out = bounds_of_day(mu_days_from_civil(part[0], (int)part[1], (int)part[2]));
    return true;
}

bool mu_time_bounds_constant(const mu_pql *time, int64_t now_ms, mu_time_bounds *out)
{
    mu_time_bounds base;
    switch (time->kind) {
    case MU_PQL_TIME_WORD:
        *out = bounds_of_word(time->time_word, now_ms);
        return true;
    case MU_PQL_TIME_INTERVAL:
        *out = bounds_of_interval(time->interval, time->unit, now_ms);
        return true;
    case MU_PQL_TIME_POINT: /* nested at most as deep as the tree */
        if (!mu_time_bounds_constant(time->args[0], now_ms, &base))
            return false;
        *out = mu_time_bounds_of_point(time, base);
        return true;
    case MU_PQL_LITERAL:
        return mu_time_bounds_of_value(time->literal, out);
    case MU_PQL_CALL:
        return constant_date(time, out);
    default:
        return false;
    }
}

/* -------- specifications as sets -------- */

static mu_time_range range_between(int64_t lo_ms, int64_t hi_ms)
{
    return (mu_time_range){.lo_ms = lo_ms, .hi_ms = hi_ms};
}

/* D54: the whole calendar unit that contains an instant. */
static mu_time_range unit_around(int64_t ms, mu_unit unit)
{
    int64_t start, end;
    mu_unit_interval_ms(ms, unit, &start, &end);
    return range_between(start, end - 1);
}

/* `c n u before X`, at = X - n u. */
static mu_time_range range_before(const mu_pql_when *when, int64_t x, int64_t at)
{
    switch (when->comparison) {
    case MU_FN_LESS:
        return range_between(at + 1, x);
    case MU_FN_LESS_EQUAL:
        return range_between(at, x);
    case MU_FN_GREATER:
        return range_between(LO_MS_NONE, at - 1);
    case MU_FN_GREATER_EQUAL:
        return range_between(LO_MS_NONE, at);
    default:
        return unit_around(at, when->unit);
    }
}

/* `c n u after X`, at = X + n u. */
static mu_time_range range_after(const mu_pql_when *when, int64_t x, int64_t at)
{
    switch (when->comparison) {
    case MU_FN_LESS:
        return range_between(x, at - 1);
    case MU_FN_LESS_EQUAL:
        return range_between(x, at);
    case MU_FN_GREATER:
        return range_between(at + 1, HI_MS_NONE);
    case MU_FN_GREATER_EQUAL:
        return range_between(at, HI_MS_NONE);
    default:
        return unit_around(at, when->unit);
    }
}

/* `c n u from X`: the distance in either direction (D53). */
static mu_time_range range_around(const mu_pql_when *when, int64_t before, int64_t after)
{
    mu_time_range range, second;
    switch (when->comparison) {
    case MU_FN_LESS:
        return range_between(before + 1, after - 1);
    case MU_FN_LESS_EQUAL:
        return range_between(before, after);
    case MU_FN_GREATER:
        range = range_between(before, after);
        range.inverted = true;
        return range;
    case MU_FN_GREATER_EQUAL:
        range = range_between(before + 1, after - 1);
        range.inverted = true;
        return range;
    default:
        range = unit_around(before, when->unit);
        second = unit_around(after, when->unit);
        range.has_second = true;
        range.lo2_ms = second.lo_ms;
        range.hi2_ms = second.hi_ms;
        return range;
    }
}

static mu_time_range qualified_range(const mu_pql_when *when, mu_time_bounds bounds)
{
    int64_t earlier = base_instant(when->start, bounds, false);
    int64_t later = base_instant(when->start, bounds, true);
    int64_t before = mu_add_units_ms(earlier, -when->count, when->unit);
    int64_t after = mu_add_units_ms(later, when->count, when->unit);
    mu_time_range range;
    if (when->relation == MU_DIRECTION_BEFORE)
        range = range_before(when, earlier, before);
    else if (when->relation == MU_DIRECTION_AFTER)
        range = range_after(when, later, after);
    else
        range = range_around(when, before, after);
    if (when->comparison == MU_FN_NOT_EQUAL)
        range.inverted = true;
    return range;
}

mu_time_range mu_time_range_of(const mu_pql_when *when, mu_time_bounds start, mu_time_bounds end)
{
    if (when->has_qualification)
        return qualified_range(when, start);
    switch (when->relation) {
    case MU_DIRECTION_BEFORE:
        return range_between(LO_MS_NONE, start.start_ms - 1);
    case MU_DIRECTION_AFTER:
        return range_between(start.end_ms, HI_MS_NONE);
    case MU_DIRECTION_FROM:
        return range_between(start.start_ms, HI_MS_NONE);
    case MU_DIRECTION_BETWEEN: /* D52: both ends; empty when the first is after the second */
        return range_between(start.start_ms, end.end_ms - 1);
    case MU_DIRECTION_ON:
        break;
    }
    return range_between(start.start_ms, start.end_ms - 1);
}

/* -------- ignoring year -------- */

/* D57: the same month, day and time of day in another year; Feb 29 becomes Feb 28 where there is
 * none. */
static int64_t moved_to_year(int64_t t_ms, int64_t year)
{
    mu_civil civil = mu_civil_from_ms(t_ms);
    civil.year = year;
    int last = mu_days_in_month(year, civil.month);
    if (civil.day > last)
        civil.day = last;
    return mu_ms_from_civil(&civil);
}

static int64_t clamp_to_calendar(int64_t ms)
{
    return ms < MU_TIME_MIN_MS ? MU_TIME_MIN_MS : ms > MU_TIME_MAX_MS ? MU_TIME_MAX_MS : ms;
}

/* Tries every year that the interval touches. The second year of an interval of three or more lies
 * in it whole, so the loop is short. */
static bool some_year_in_interval(int64_t t_ms, int64_t lo_ms, int64_t hi_ms)
{
    if (lo_ms > hi_ms || hi_ms < MU_TIME_MIN_MS || lo_ms > MU_TIME_MAX_MS)
        return false;
    lo_ms = clamp_to_calendar(lo_ms);
    hi_ms = clamp_to_calendar(hi_ms);
    int64_t last = mu_civil_from_ms(hi_ms).year;
    for (int64_t year = mu_civil_from_ms(lo_ms).year; year <= last; year++) {
        int64_t moved = moved_to_year(t_ms, year);
        if (moved >= lo_ms && moved <= hi_ms)
            return true;
    }
    return false;
}

/* Outside of both intervals: before the earlier, between them, after the later. */
static bool some_year_outside(int64_t t_ms, mu_time_range range)
{
    int64_t lo = range.lo_ms, hi = range.hi_ms;
    if (lo > hi)
        return true;
    if (!range.has_second) {
        return some_year_in_interval(t_ms, LO_MS_NONE, lo - 1) ||
               some_year_in_interval(t_ms, hi + 1, HI_MS_NONE);
    }
    int64_t first_lo = lo < range.lo2_ms ? lo : range.lo2_ms;
    int64_t first_hi = hi < range.hi2_ms ? hi : range.hi2_ms;
    int64_t last_lo = lo > range.lo2_ms ? lo : range.lo2_ms;
    int64_t last_hi = hi > range.hi2_ms ? hi : range.hi2_ms;
    return some_year_in_interval(t_ms, LO_MS_NONE, first_lo - 1) ||
           some_year_in_interval(t_ms, first_hi + 1, last_lo - 1) ||
           some_year_in_interval(t_ms, last_hi + 1, HI_MS_NONE);
}

bool mu_time_matches_ignoring_year(const mu_pql_when *when, int64_t t_ms, mu_time_bounds start,
                                   mu_time_bounds end)
{
    mu_time_range range = mu_time_range_of(when, start, end);
    t_ms = clamp_to_calendar(t_ms);
    if (range.inverted)
        return some_year_outside(t_ms, range);
    return some_year_in_interval(t_ms, range.lo_ms, range.hi_ms) ||
           (range.has_second && some_year_in_interval(t_ms, range.lo2_ms, range.hi2_ms));
}

/* -------- in a rule -------- */

static void trace_time(mu_evaluator *evaluator, const mu_pql *time, const mu_reference_scope *scope,
                       mu_value value)
{
    const mu_reference_context *context = evaluator->context;
    if (context->trace != NULL)
        context->trace(context->trace_context, time, scope, value);
}

static mu_value interval_value(mu_evaluator *evaluator, mu_time_bounds bounds)
{
    mu_value *ends = MU_NEW_ARRAY(evaluator->arena, mu_value, 2);
    mu_str *names = MU_NEW_ARRAY(evaluator->arena, mu_str, 2);
    names[0] = MU_STR("start");
    names[1] = MU_STR("end");
    ends[0] = mu_value_timestamp(bounds.start_ms);
    ends[1] = mu_value_timestamp(bounds.end_ms);
    return (mu_value){.kind = MU_TYPE_OBJECT, .n = 2, .items = ends, .keys = names};
}

/* Bounds of any time (pql.md 10.2). A chain alias stands for its event's timestamp. */
static bool bounds_in_scope(mu_evaluator *evaluator, const mu_pql *time,
                            const mu_reference_scope *scope, mu_time_bounds *out)
{
    mu_time_bounds base;
    switch (time->kind) {
    case MU_PQL_TIME_INTERVAL:
        *out = bounds_of_interval(time->interval, time->unit, evaluator->context->now_ms);
        if (evaluator->context->trace != NULL)
            trace_time(evaluator, time, scope, interval_value(evaluator, *out));
        return true;
    case MU_PQL_TIME_WORD:
        *out = bounds_of_word(time->time_word, evaluator->context->now_ms);
        trace_time(evaluator, time, scope, mu_value_timestamp(out->start_ms));
        return true;
    case MU_PQL_TIME_POINT: /* nested at most as deep as the tree */
        if (!bounds_in_scope(evaluator, time->args[0], scope, &base)) {
            trace_time(evaluator, time, scope, MU_VALUE_NULL);
            return false;
        }
        *out = mu_time_bounds_of_point(time, base);
        trace_time(evaluator, time, scope, mu_value_timestamp(out->start_ms));
        return true;
    case MU_PQL_VARIABLE: {
        const mu_reference_scope *found = mu_reference_find(scope, time->name);
        if (found != NULL && found->kind == MU_SCOPE_ALIAS) {
            *out = mu_time_bounds_of_instant(found->time_ms);
            trace_time(evaluator, time, scope, found->value);
            return true;
        }
        break;
    }
    default:
        break;
    }
    return mu_time_bounds_of_value(mu_reference_node(evaluator, time, scope), out);
}

mu_value mu_reference_time_point(mu_evaluator *evaluator, const mu_pql *node,
                                 const mu_reference_scope *scope)
{
    mu_time_bounds base;
    if (!bounds_in_scope(evaluator, node->args[0], scope, &base))
        return MU_VALUE_NULL;
    return mu_value_timestamp(mu_time_bounds_of_point(node, base).start_ms);
}

bool mu_reference_when(mu_evaluator *evaluator, const mu_pql_when *when,
                       const mu_reference_scope *scope, mu_when_set *out)
{
    out->when = when;
    bool is_known = bounds_in_scope(evaluator, when->start, scope, &out->start);
    if (when->end == NULL)
        out->end = out->start;
    else if (!bounds_in_scope(evaluator, when->end, scope, &out->end))
        is_known = false;
    if (is_known)
        out->range = mu_time_range_of(when, out->start, out->end);
    return is_known;
}

bool mu_when_contains(const mu_when_set *set, int64_t t_ms)
{
    if (set->when->ignores_year)
        return mu_time_matches_ignoring_year(set->when, t_ms, set->start, set->end);
    return mu_time_range_contains(set->range, t_ms);
}

static bool value_occurs(const mu_when_set *set, mu_value value)
{
    int64_t ms;
    bool is_day;
    if (value.kind == MU_TYPE_LIST) { /* D26 */
        for (uint32_t i = 0; i < value.n; i++)
            if (value_occurs(set, value.items[i]))
                return true;
        return false;
    }
    return mu_value_as_time(value, &ms, &is_day) && mu_when_contains(set, ms);
}

mu_value mu_reference_occurs(mu_evaluator *evaluator, const mu_pql *node,
                             const mu_reference_scope *scope)
{
    mu_when_set set;
    mu_value t = mu_reference_node(evaluator, node->args[0], scope);
    bool is_known = mu_reference_when(evaluator, node->when, scope, &set);
    return mu_value_boolean(is_known && value_occurs(&set, t));
}
