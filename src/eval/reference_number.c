/* reference_number.c -- arithmetic (pql.md 6.5), numeric functions (D44, 9) and conversions (9). */
#include "base/number.h"
#include "eval/reference_int.h"

#include <math.h>

/* -------- arithmetic -------- */

/* D29, D30: Integer while it fits, else Double; the remainder keeps the sign of the dividend. */
static mu_value integer_arithmetic(mu_pql_function function, int64_t a, int64_t b)
{
    int64_t result;
    switch (function) {
    case MU_FN_ADD:
        if (!__builtin_add_overflow(a, b, &result))
            return mu_value_integer(result);
        return mu_value_double((double)a + (double)b);
    case MU_FN_SUBTRACT:
        if (!__builtin_sub_overflow(a, b, &result))
            return mu_value_integer(result);
        return mu_value_double((double)a - (double)b);
    case MU_FN_MULTIPLY:
        if (!__builtin_mul_overflow(a, b, &result))
            return mu_value_integer(result);
        return mu_value_double((double)a * (double)b);
    case MU_FN_DIVIDE:
        return b == 0 ? MU_VALUE_NULL : mu_value_double((double)a / (double)b);
    case MU_FN_REMAINDER:
        if (b == 0)
            return MU_VALUE_NULL;
        return mu_value_integer(b == -1 ? 0 : a % b);
    default:
        return MU_VALUE_NULL;
    }
}

static mu_value double_arithmetic(mu_pql_function function, double a, double b)
{
    switch (function) {
    case MU_FN_ADD:
        return mu_value_double(a + b);
    case MU_FN_SUBTRACT:
        return mu_value_double(a - b);
    case MU_FN_MULTIPLY:
        return mu_value_double(a * b);
    case MU_FN_DIVIDE:
        return b == 0 ? MU_VALUE_NULL : mu_value_double(a / b);
    case MU_FN_REMAINDER:
        return b == 0 ? MU_VALUE_NULL : mu_value_double(fmod(a, b));
    default:
        return MU_VALUE_NULL;
    }
}

static mu_value negate(mu_value value)
{
    if (value.kind == MU_TYPE_INTEGER)
        return integer_arithmetic(MU_FN_SUBTRACT, 0, value.integer);
    if (value.kind == MU_TYPE_DOUBLE)
        return mu_value_double(-value.number);
    return MU_VALUE_NULL;
}

mu_value mu_reference_arithmetic(mu_pql_function function, uint32_t n, const mu_value *args)
{
    if (n == 1)
        return function == MU_FN_SUBTRACT ? negate(args[0]) : MU_VALUE_NULL;
    if (!mu_value_is_number(args[0]) || !mu_value_is_number(args[1]))
        return MU_VALUE_NULL;
    if (args[0].kind == MU_TYPE_INTEGER && args[1].kind == MU_TYPE_INTEGER)
        return integer_arithmetic(function, args[0].integer, args[1].integer);
    return double_arithmetic(function, mu_value_as_double(args[0]), mu_value_as_double(args[1]));
}

/* -------- numeric functions -------- */

/* A whole double as an Integer when 64 bits hold it. */
static mu_value whole_number(double value)
{
    if (value >= -9223372036854775808.0 && value < 9223372036854775808.0)
        return mu_value_integer((int64_t)value);
    return mu_value_double(value);
}

static mu_value rounded(mu_value value, double (*round_double)(double))
{
    return value.kind == MU_TYPE_INTEGER ? value : whole_number(round_double(value.number));
}

/* toPrecision: rounded half away from zero to so many digits after the decimal point. */
static mu_value to_precision(mu_value value, mu_value digits)
{
    if (digits.kind != MU_TYPE_INTEGER || digits.integer < 0 || digits.integer > 15)
        return MU_VALUE_NULL;
    double scale = 1;
    for (int64_t i = 0; i < digits.integer; i++)
        scale *= 10;
    double number = mu_value_as_double(value);
    double scaled = number * scale;
    if (!isfinite(scaled) || fabs(scaled) >= 9007199254740992.0) /* no digits left to round */
        return mu_value_double(number);
    return mu_value_double(round(scaled) / scale);
}

mu_value mu_reference_number(mu_pql_function function, const mu_value *args)
{
    mu_value value = args[0];
    if (!mu_value_is_number(value))
        return MU_VALUE_NULL;
    switch (function) {
    case MU_FN_SQUARE: {
        mu_value both[2] = {value, value};
        return mu_reference_arithmetic(MU_FN_MULTIPLY, 2, both);
    }
    case MU_FN_ABS: {
        bool is_negative = mu_value_as_double(value) < 0;
        return is_negative ? negate(value) : value;
    }
    case MU_FN_FLOOR:
    case MU_FN_ROUND_DOWN:
        return rounded(value, floor);
    case MU_FN_CEIL:
    case MU_FN_ROUND_UP:
        return rounded(value, ceil);
    case MU_FN_ROUND:
        return rounded(value, round);
    case MU_FN_TO_PRECISION:
        return to_precision(value, args[1]);
    default:
        return MU_VALUE_NULL;
    }
}

/* -------- conversions -------- */

static mu_value to_number(mu_value value)
{
    double number;
    if (mu_value_is_number(value))
        return mu_value_double(mu_value_as_double(value));
    if (value.kind == MU_TYPE_STRING && mu_parse_double(mu_str_trim(value.string), &number))
        return mu_value_double(number);
    return MU_VALUE_NULL;
}

/* The fraction is cut; text may have one. */
static mu_value to_integer(mu_value value)
{
    int64_t integer;
    if (value.kind == MU_TYPE_INTEGER)
        return value;
    if (value.kind == MU_TYPE_STRING && mu_parse_integer(mu_str_trim(value.string), &integer))
        return mu_value_integer(integer);
    mu_value number = to_number(value);
    if (mu_value_is_null(number))
        return MU_VALUE_NULL;
    mu_value whole = whole_number(trunc(number.number));
    return whole.kind == MU_TYPE_INTEGER ? whole : MU_VALUE_NULL;
}

static mu_value string_to_integer(mu_value value)
{
    int64_t integer;
    if (value.kind == MU_TYPE_STRING && mu_parse_integer(mu_str_trim(value.string), &integer))
        return mu_value_integer(integer);
    return value.kind == MU_TYPE_INTEGER ? value : MU_VALUE_NULL;
}

static mu_value to_boolean(mu_value value)
{
    if (value.kind == MU_TYPE_BOOLEAN)
        return value;
    if (mu_value_is_number(value))
        return mu_value_boolean(mu_value_as_double(value) != 0);
    if (value.kind != MU_TYPE_STRING)
        return MU_VALUE_NULL;
    mu_str text = mu_str_trim(value.string);
    if (mu_str_equal_ascii_nocase(text, MU_STR("true")))
        return mu_value_boolean(true);
    if (mu_str_equal_ascii_nocase(text, MU_STR("false")))
        return mu_value_boolean(false);
    return MU_VALUE_NULL;
}

static mu_value to_timestamp(mu_value value)
{
    int64_t ms;
    bool is_day;
    if (value.kind == MU_TYPE_INTEGER)
        return value.integer >= MU_TIME_MIN_MS && value.integer <= MU_TIME_MAX_MS
                   ? mu_value_timestamp(value.integer)
                   : MU_VALUE_NULL;
    return mu_value_as_time(value, &ms, &is_day) ? mu_value_timestamp(ms) : MU_VALUE_NULL;
}

static mu_value to_text(mu_evaluator *evaluator, mu_value value)
{
    mu_str text;
    return mu_value_render(evaluator->arena, value, &text) ? mu_value_string(text) : MU_VALUE_NULL;
}

/* 0.25 -> "25%": the amount times hundred as text, without a fraction when it is whole. */
static mu_value to_percentage(mu_evaluator *evaluator, mu_value value)
{
    char room[MU_VALUE_TEXT_MAX];
    mu_str text;
    if (!mu_value_is_number(value))
        return MU_VALUE_NULL;
    mu_value percent = mu_value_double(mu_value_as_double(value) * 100);
    if (mu_value_is_null(percent))
        return MU_VALUE_NULL;
    if (percent.number == trunc(percent.number))
        percent = whole_number(percent.number);
    mu_value_text(percent, room, &text);
    return mu_value_string(mu_arena_format(evaluator->arena, MU_STR_FMT "%%", MU_STR_ARG(text)));
}

mu_value mu_reference_convert(mu_evaluator *evaluator, mu_pql_function function,
                              const mu_value *args)
{
    switch (function) {
    case MU_FN_STRING_TO_INTEGER:
        return string_to_integer(args[0]);
    case MU_FN_STRING_TO_NUMBER:
        return to_number(args[0]);
    case MU_FN_TO_INT:
        return to_integer(args[0]);
    case MU_FN_TO_BOOL:
        return to_boolean(args[0]);
    case MU_FN_STRING_TO_DATE:
    case MU_FN_TO_DATE_TIME:
        return to_timestamp(args[0]);
    case MU_FN_TO_STRING:
        return to_text(evaluator, args[0]);
    case MU_FN_TO_PERCENTAGE:
        return to_percentage(evaluator, args[0]);
    default:
        return MU_VALUE_NULL;
    }
}
