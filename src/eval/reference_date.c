/* reference_date.c -- functions of dates and times, all in UTC (pql.md 8.6, 9, D47). */
#include "eval/reference_int.h"

/* A date argument: its instant, and whether it is a day without a time. */
typedef struct moment {
    int64_t ms;
    bool is_day;
} moment;

static bool moment_of(mu_value value, moment *out)
{
    return mu_value_as_time(value, &out->ms, &out->is_day);
}

static mu_value value_of(moment when)
{
    return when.is_day ? mu_value_date(mu_day_of_ms(when.ms)) : mu_value_timestamp(when.ms);
}

/* -------- parts -------- */

static int64_t day_of_year(int64_t ms)
{
    mu_civil civil = mu_civil_from_ms(ms);
    return mu_day_of_ms(ms) - mu_days_from_civil(civil.year, 1, 1) + 1;
}

/* ISO 8601: the week that holds the year's first Thursday is week 1. */
static int64_t week_of_year(int64_t ms)
{
    int64_t day = mu_day_of_ms(ms);
    int64_t thursday = day - mu_weekday_of_day(day) + 4;
    return (day_of_year(thursday * MU_DAY_MS) - 1) / 7 + 1;
}

mu_value mu_reference_date_part(mu_pql_function function, int64_t ms)
{
    mu_civil civil = mu_civil_from_ms(ms);
    switch (function) {
    case MU_FN_CURRENT_MONTH:
    case MU_FN_GET_MONTH:
    case MU_FN_EXTRACT_MONTH:
        return mu_value_integer(civil.month);
    case MU_FN_CURRENT_YEAR:
    case MU_FN_GET_YEAR:
        return mu_value_integer(civil.year);
    case MU_FN_CURRENT_DAY_OF_MONTH:
    case MU_FN_GET_DAY_OF_MONTH:
    case MU_FN_DAY_OF_MONTH:
        return mu_value_integer(civil.day);
    case MU_FN_DAY_OF_WEEK:
        return mu_value_integer(mu_weekday_of_day(mu_day_of_ms(ms)));
    case MU_FN_DAY_OF_YEAR:
        return mu_value_integer(day_of_year(ms));
    case MU_FN_WEEK_OF_YEAR:
        return mu_value_integer(week_of_year(ms));
    case MU_FN_EXTRACT_HOURS:
        return mu_value_integer(civil.hour);
    case MU_FN_EXTRACT_MINUTES:
        return mu_value_integer(civil.minute);
    case MU_FN_EXTRACT_SECONDS:
        return mu_value_integer(civil.second);
    default:
        return MU_VALUE_NULL;
    }
}

/* -------- date(y, m, d) -------- */

static mu_value date_of(mu_value year, mu_value month, mu_value day)
{
    if (year.kind != MU_TYPE_INTEGER || month.kind != MU_TYPE_INTEGER ||
        day.kind != MU_TYPE_INTEGER || year.integer < 1 || year.integer > 9999 ||
        month.integer < 1 || month.integer > 12 || day.integer < 1 ||
        day.integer > mu_days_in_month(year.integer, (int)month.integer))
        return MU_VALUE_NULL;
    return mu_value_date(mu_days_from_civil(year.integer, (int)month.integer, (int)day.integer));
}

/* -------- age and distance -------- */

/* Whole months from `from` to `to`, towards zero: the largest count that added to `from` does not
 * pass `to`. */
static int64_t whole_months(int64_t from, int64_t to)
{
    mu_civil a = mu_civil_from_ms(from), b = mu_civil_from_ms(to);
    int64_t months = (b.year - a.year) * 12 + (b.month - a.month);
    if (from <= to && mu_add_months_ms(from, months) > to)
        months--;
    else if (from > to && mu_add_months_ms(from, months) < to)
        months++;
    return months;
}

static mu_value age(mu_pql_function function, int64_t from, int64_t now_ms)
{
    switch (function) {
    case MU_FN_AGE:
        return mu_value_integer(whole_months(from, now_ms) / 12);
    case MU_FN_AGE_IN_MONTHS:
        return mu_value_integer(whole_months(from, now_ms));
    default:
        return mu_value_integer((now_ms - from) / MU_DAY_MS);
    }
}

static mu_value compare_dates(mu_value a, mu_value b)
{
    moment first, second;
    if (!moment_of(a, &first) || !moment_of(b, &second))
        return MU_VALUE_NULL;
    mu_order order = mu_value_compare(value_of(first), value_of(second), true);
    return mu_value_integer(order == MU_ORDER_LESS ? -1 : order == MU_ORDER_GREATER ? 1 : 0);
}

/* Both ends included; a null gives null. */
static mu_value date_between(mu_value t, mu_value from, mu_value to)
{
    mu_value low = compare_dates(t, from), high = compare_dates(t, to);
    if (mu_value_is_null(low) || mu_value_is_null(high))
        return MU_VALUE_NULL;
    return mu_value_boolean(low.integer >= 0 && high.integer <= 0);
}

static mu_value distance(mu_pql_function function, mu_value a, mu_value b)
{
    moment first, second;
    if (!moment_of(a, &first) || !moment_of(b, &second))
        return MU_VALUE_NULL;
    if (function == MU_FN_DATE_DIFF)
        return mu_value_integer((second.ms - first.ms) / MU_DAY_MS);
    return mu_value_integer((first.ms - second.ms) / 1000); /* diffInSeconds(end, start) */
}

/* -------- moving -------- */

/* A day moved by hours, minutes or seconds becomes a Timestamp. Beyond the years 1 to 9999: the
 * last instant there is, as everywhere (mu_add_units_ms). */
static mu_value moved(mu_pql_function function, mu_value t, mu_value count)
{
    moment when;
    if (!moment_of(t, &when) || count.kind != MU_TYPE_INTEGER)
        return MU_VALUE_NULL;
    mu_unit unit = function == MU_FN_ADD_DAYS      ? MU_UNIT_DAY
                   : function == MU_FN_ADD_HOURS   ? MU_UNIT_HOUR
                   : function == MU_FN_ADD_MINUTES ? MU_UNIT_MINUTE
                   : function == MU_FN_ADD_SECONDS ? MU_UNIT_SECOND
                   : function == MU_FN_ADD_MONTHS  ? MU_UNIT_MONTH
                                                   : MU_UNIT_YEAR;
    when.is_day =
        when.is_day && (unit == MU_UNIT_DAY || unit == MU_UNIT_MONTH || unit == MU_UNIT_YEAR);
    when.ms = mu_add_units_ms(when.ms, count.integer, unit);
    return value_of(when);
}

/* setDays sets the day of the month, setHours the hour; what the calendar has not is null. */
static mu_value with_part(mu_pql_function function, mu_value t, mu_value part)
{
    moment when;
    if (!moment_of(t, &when) || part.kind != MU_TYPE_INTEGER)
        return MU_VALUE_NULL;
    mu_civil civil = mu_civil_from_ms(when.ms);
    if (function == MU_FN_SET_DAYS) {
        if (part.integer < 1 || part.integer > mu_days_in_month(civil.year, civil.month))
            return MU_VALUE_NULL;
        civil.day = (int)part.integer;
    } else {
        if (part.integer < 0 || part.integer > 23)
            return MU_VALUE_NULL;
        civil.hour = (int)part.integer;
        when.is_day = false;
    }
    when.ms = mu_ms_from_civil(&civil);
    return value_of(when);
}

/* -------- dispatch -------- */

static mu_value format_date(mu_evaluator *evaluator, uint32_t n, const mu_value *args)
{
    moment when;
    if (!moment_of(args[0], &when) || args[1].kind != MU_TYPE_STRING ||
        (n > 2 && args[2].kind != MU_TYPE_STRING))
        return MU_VALUE_NULL;
    mu_str locale = n > 2 ? args[2].string : MU_STR("en");
    return mu_reference_format_date(evaluator->arena, when.ms, args[1].string, locale);
}

mu_value mu_reference_date(mu_evaluator *evaluator, mu_pql_function function, uint32_t n,
                           const mu_value *args)
{
    int64_t now_ms = evaluator->context->now_ms;
    moment when;
    switch (function) {
    case MU_FN_CURRENT_MONTH:
    case MU_FN_CURRENT_YEAR:
    case MU_FN_CURRENT_DAY_OF_MONTH:
        return mu_reference_date_part(function, now_ms);
    case MU_FN_CURRENT_TIME_IN_MILLIS:
        return mu_value_integer(now_ms);
    case MU_FN_GET_CURRENT_ZONED_DATE_TIME:
        return mu_value_timestamp(now_ms);
    case MU_FN_DATE:
        return date_of(args[0], args[1], args[2]);
    case MU_FN_ADD_DAYS:
    case MU_FN_ADD_HOURS:
    case MU_FN_ADD_MINUTES:
    case MU_FN_ADD_MONTHS:
    case MU_FN_ADD_SECONDS:
    case MU_FN_ADD_YEARS:
        return moved(function, args[0], args[1]);
    case MU_FN_SET_DAYS:
    case MU_FN_SET_HOURS:
        return with_part(function, args[0], args[1]);
    case MU_FN_DATE_DIFF:
    case MU_FN_DIFF_IN_SECONDS:
        return distance(function, args[0], args[1]);
    case MU_FN_DATE_BETWEEN:
        return date_between(args[0], args[1], args[2]);
    case MU_FN_COMPARE_DATES:
        return compare_dates(args[0], args[1]);
    case MU_FN_FORMAT_DATE:
        return format_date(evaluator, n, args);
    default:
        break;
    }
    if (!moment_of(args[0], &when))
        return MU_VALUE_NULL;
    switch (function) {
    case MU_FN_AGE:
    case MU_FN_AGE_IN_DAYS:
    case MU_FN_AGE_IN_MONTHS:
        return age(function, when.ms, now_ms);
    case MU_FN_TO_UTC:
        return mu_value_timestamp(when.ms);
    default:
        return mu_reference_date_part(function, when.ms);
    }
}
