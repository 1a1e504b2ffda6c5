/* compare.c -- equality and order of values (pql.md 6.2 to 6.4). */
#include "base/number.h"
#include "eval/reference_int.h"

#include <inttypes.h>
#include <stdio.h>

/* Values nest as deep as JSON may plus what a rule can build; nothing reaches this. */
#define VALUE_DEPTH_MAX (MU_JSON_DEPTH_MAX + 4 * MU_PQL_DEPTH_MAX)

bool mu_value_is_true(mu_value value)
{
    switch (value.kind) {
    case MU_TYPE_BOOLEAN:
        return value.boolean;
    case MU_TYPE_LIST:
    case MU_TYPE_MAP:
        return value.n > 0;
    default:
        return false;
    }
}

bool mu_value_is_number(mu_value value)
{
    return value.kind == MU_TYPE_INTEGER || value.kind == MU_TYPE_DOUBLE;
}

double mu_value_as_double(mu_value number)
{
    return number.kind == MU_TYPE_INTEGER ? (double)number.integer : number.number;
}

bool mu_value_text(mu_value value, char room[MU_VALUE_TEXT_MAX], mu_str *out)
{
    size_t len = 0;
    switch (value.kind) {
    case MU_TYPE_STRING:
        *out = value.string;
        return true;
    case MU_TYPE_BOOLEAN:
        *out = value.boolean ? MU_STR("true") : MU_STR("false");
        return true;
    case MU_TYPE_INTEGER:
        len = (size_t)snprintf(room, MU_VALUE_TEXT_MAX, "%" PRId64, value.integer);
        break;
    case MU_TYPE_DOUBLE:
        len = mu_format_double(value.number, room);
        break;
    case MU_TYPE_DATE:
        len = mu_format_date(value.integer, room);
        break;
    case MU_TYPE_TIMESTAMP:
        len = mu_format_time(value.integer, room);
        break;
    default:
        return false;
    }
    *out = (mu_str){room, len};
    return true;
}

bool mu_value_render(mu_arena *arena, mu_value value, mu_str *out)
{
    char room[MU_VALUE_TEXT_MAX];
    mu_str text;
    if (!mu_value_text(value, room, &text))
        return false;
    *out = text.ptr == room ? mu_arena_copy(arena, text) : text;
    return true;
}

bool mu_value_as_time(mu_value value, int64_t *out_ms, bool *is_day)
{
    int64_t day;
    *is_day = false;
    switch (value.kind) {
    case MU_TYPE_TIMESTAMP:
        *out_ms = value.integer;
        return true;
    case MU_TYPE_DATE:
        *out_ms = value.integer * MU_DAY_MS;
        *is_day = true;
        return true;
    case MU_TYPE_STRING:
        if (mu_parse_time(value.string, out_ms))
            return true;
        if (!mu_parse_date(value.string, &day))
            return false;
        *out_ms = day * MU_DAY_MS;
        *is_day = true;
        return true;
    default:
        return false;
    }
}

static mu_order order_of(int sign)
{
    return sign < 0 ? MU_ORDER_LESS : sign > 0 ? MU_ORDER_GREATER : MU_ORDER_EQUAL;
}

static mu_order order_of_integers(int64_t a, int64_t b)
{
    return order_of((a > b) - (a < b));
}

static mu_order compare_numbers(mu_value a, mu_value b)
{
    if (a.kind == MU_TYPE_INTEGER && b.kind == MU_TYPE_INTEGER)
        return order_of_integers(a.integer, b.integer);
    double x = mu_value_as_double(a), y = mu_value_as_double(b);
    return order_of((x > y) - (x < y));
}

/* D25: the whole of the trimmed text is a number. */
static bool number_from_text(mu_str text, mu_value *out)
{
    int64_t integer;
    double number;
    text = mu_str_trim(text);
    if (mu_parse_integer(text, &integer)) {
        *out = mu_value_integer(integer);
        return true;
    }
    if (!mu_parse_double(text, &number))
        return false;
    *out = mu_value_double(number);
    return true;
}

static mu_order compare_with_number(mu_value first, mu_value second)
{
    if (mu_value_is_number(second))
        return compare_numbers(first, second);
    if (second.kind == MU_TYPE_STRING && number_from_text(second.string, &second))
        return compare_numbers(first, second);
    return MU_ORDER_NONE;
}

static mu_order compare_with_boolean(mu_value first, mu_value second)
{
    if (second.kind == MU_TYPE_STRING) {
        bool is_true = mu_str_equal_ascii_nocase(second.string, MU_STR("true"));
        if (!is_true && !mu_str_equal_ascii_nocase(second.string, MU_STR("false")))
            return MU_ORDER_NONE;
        second = mu_value_boolean(is_true);
    }
    if (second.kind != MU_TYPE_BOOLEAN)
        return MU_ORDER_NONE;
    return order_of((int)first.boolean - (int)second.boolean);
}

/* D25: `first` is a Date or Timestamp. Text and epoch milliseconds take its type; a real Date and a
 * real Timestamp are both taken to the day. */
static mu_order compare_with_time(mu_value first, mu_value second)
{
    int64_t a, b;
    bool a_is_day, b_is_day;
    bool to_day = first.kind == MU_TYPE_DATE || second.kind == MU_TYPE_DATE;
    if (second.kind == MU_TYPE_INTEGER) {
        second = mu_value_timestamp(second.integer);
    } else if (second.kind == MU_TYPE_DOUBLE && second.number >= (double)MU_TIME_MIN_MS &&
               second.number <= (double)MU_TIME_MAX_MS &&
               second.number == (double)(int64_t)second.number) {
        second = mu_value_timestamp((int64_t)second.number);
    }
    if (!mu_value_as_time(first, &a, &a_is_day) || !mu_value_as_time(second, &b, &b_is_day))
        return MU_ORDER_NONE;
    return to_day ? order_of_integers(mu_day_of_ms(a), mu_day_of_ms(b)) : order_of_integers(a, b);
}

static mu_order compare_with_text(mu_value first, mu_value second, bool text_may_be_time)
{
    char room[MU_VALUE_TEXT_MAX];
    mu_str text;
    int64_t ms;
    bool is_day;
    bool second_is_time = second.kind == MU_TYPE_DATE || second.kind == MU_TYPE_TIMESTAMP;
    if (text_may_be_time && second_is_time && mu_value_as_time(first, &ms, &is_day)) {
        first = is_day ? mu_value_date(mu_day_of_ms(ms)) : mu_value_timestamp(ms);
        return compare_with_time(first, second);
    }
    if (!mu_value_text(second, room, &text))
        return MU_ORDER_NONE;
    return order_of(mu_str_compare(first.string, text));
}

mu_order mu_value_compare(mu_value first, mu_value second, bool text_may_be_time)
{
    switch (first.kind) {
    case MU_TYPE_BOOLEAN:
        return compare_with_boolean(first, second);
    case MU_TYPE_INTEGER:
    case MU_TYPE_DOUBLE:
        return compare_with_number(first, second);
    case MU_TYPE_STRING:
        return compare_with_text(first, second, text_may_be_time);
    case MU_TYPE_DATE:
    case MU_TYPE_TIMESTAMP:
        return compare_with_time(first, second);
    default:
        return MU_ORDER_NONE;
    }
}

/* -------- equality of lists, maps and objects -------- */

typedef struct equality {
    bool coerces, text_may_be_time;
    uint32_t depth;
} equality;

static bool equal(equality how, mu_value a, mu_value b);

static uint32_t count_equal(equality how, mu_value item, mu_value list)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < list.n; i++)
        n += equal(how, item, list.items[i]);
    return n;
}

/* D27: the same items equally often, in any order. */
static bool equal_lists(equality how, mu_value a, mu_value b)
{
    if (a.n != b.n)
        return false;
    for (uint32_t i = 0; i < a.n; i++)
        if (count_equal(how, a.items[i], a) != count_equal(how, a.items[i], b))
            return false;
    return true;
}

static uint32_t count_present(mu_value object)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < object.n; i++)
        n += !mu_value_is_null(object.items[i]);
    return n;
}

static bool equal_members(equality how, mu_value a, mu_value b)
{
    if (count_present(a) != count_present(b))
        return false;
    for (uint32_t i = 0; i < a.n; i++) {
        if (mu_value_is_null(a.items[i]))
            continue;
        mu_value other = mu_value_member(b, a.keys[i]);
        if (mu_value_is_null(other) || !equal(how, a.items[i], other))
            return false;
    }
    return true;
}

static bool same_scalar(mu_value a, mu_value b)
{
    if (mu_value_is_number(a) && mu_value_is_number(b))
        return compare_numbers(a, b) == MU_ORDER_EQUAL;
    if (a.kind != b.kind)
        return false;
    switch (a.kind) {
    case MU_TYPE_BOOLEAN:
        return a.boolean == b.boolean;
    case MU_TYPE_STRING:
        return mu_str_equal(a.string, b.string);
    case MU_TYPE_DATE:
    case MU_TYPE_TIMESTAMP:
        return a.integer == b.integer;
    default:
        return false;
    }
}

static bool has_members(mu_value value)
{
    return value.kind == MU_TYPE_MAP || value.kind == MU_TYPE_OBJECT;
}

/* Null is equal to null here: both are absent. */
static bool equal(equality how, mu_value a, mu_value b)
{
    if (++how.depth > VALUE_DEPTH_MAX)
        return false;
    if (mu_value_is_null(a) || mu_value_is_null(b))
        return mu_value_is_null(a) && mu_value_is_null(b);
    if (a.kind == MU_TYPE_LIST && b.kind == MU_TYPE_LIST)
        return equal_lists(how, a, b);
    if (has_members(a) && has_members(b))
        return equal_members(how, a, b);
    if (how.coerces)
        return mu_value_compare(a, b, how.text_may_be_time) == MU_ORDER_EQUAL;
    return same_scalar(a, b);
}

bool mu_value_equals(mu_value first, mu_value second, bool text_may_be_time)
{
    if (mu_value_is_null(first) || mu_value_is_null(second))
        return false;
    return equal((equality){.coerces = true, .text_may_be_time = text_may_be_time}, first, second);
}

bool mu_value_same(mu_value a, mu_value b)
{
    return equal((equality){.coerces = false}, a, b);
}

/* -------- the six operators -------- */

static bool order_satisfies(mu_pql_function relation, mu_order order)
{
    if (order == MU_ORDER_NONE) /* the coercion failed: false, also for != (pql.md 6.3) */
        return false;
    switch (relation) {
    case MU_FN_EQUAL:
        return order == MU_ORDER_EQUAL;
    case MU_FN_NOT_EQUAL:
        return order != MU_ORDER_EQUAL;
    case MU_FN_LESS:
        return order == MU_ORDER_LESS;
    case MU_FN_LESS_EQUAL:
        return order != MU_ORDER_GREATER;
    case MU_FN_GREATER:
        return order == MU_ORDER_GREATER;
    case MU_FN_GREATER_EQUAL:
        return order != MU_ORDER_LESS;
    default:
        return false;
    }
}

/* Wholes that have equality but no order: two lists (D27), or objects and maps. */
static bool whole_relation(mu_pql_function relation, mu_value first, mu_value second,
                           bool text_may_be_time)
{
    if (relation != MU_FN_EQUAL && relation != MU_FN_NOT_EQUAL)
        return false;
    bool is_equal = mu_value_equals(first, second, text_may_be_time);
    return is_equal == (relation == MU_FN_EQUAL);
}

bool mu_value_relation_holds(mu_pql_function relation, mu_value first, mu_value second,
                             bool text_may_be_time)
{
    if (mu_value_is_null(first) || mu_value_is_null(second))
        return false;
    bool first_is_list = first.kind == MU_TYPE_LIST, second_is_list = second.kind == MU_TYPE_LIST;
    if ((first_is_list && second_is_list) || (has_members(first) && has_members(second)))
        return whole_relation(relation, first, second, text_may_be_time);
    if (first_is_list) { /* D26: any item */
        for (uint32_t i = 0; i < first.n; i++)
            if (mu_value_relation_holds(relation, first.items[i], second, text_may_be_time))
                return true;
        return false;
    }
    if (second_is_list) {
        for (uint32_t i = 0; i < second.n; i++)
            if (mu_value_relation_holds(relation, first, second.items[i], text_may_be_time))
                return true;
        return false;
    }
    return order_satisfies(relation, mu_value_compare(first, second, text_may_be_time));
}

/* -------- sorting -------- */

bool mu_value_has_order(mu_value value)
{
    return mu_value_is_number(value) || value.kind == MU_TYPE_STRING ||
           value.kind == MU_TYPE_DATE || value.kind == MU_TYPE_TIMESTAMP;
}

/* What sorts together. Dates and times do, by instant. */
static int sort_class(mu_value value)
{
    if (mu_value_is_number(value))
        return 0;
    if (value.kind == MU_TYPE_STRING)
        return 1;
    if (value.kind == MU_TYPE_DATE || value.kind == MU_TYPE_TIMESTAMP)
        return 2;
    return value.kind == MU_TYPE_BOOLEAN ? 3 : 4;
}

static int sign_of(mu_order order)
{
    return order == MU_ORDER_LESS ? -1 : order == MU_ORDER_GREATER ? 1 : 0;
}

int mu_value_sort_order(mu_value a, mu_value b)
{
    int64_t x, y;
    bool is_day;
    int a_class = sort_class(a), b_class = sort_class(b);
    if (a_class != b_class)
        return a_class < b_class ? -1 : 1;
    switch (a_class) {
    case 0:
        return sign_of(compare_numbers(a, b));
    case 1:
        return mu_str_compare(a.string, b.string);
    case 2:
        if (!mu_value_as_time(a, &x, &is_day) || !mu_value_as_time(b, &y, &is_day))
            return 0;
        return (x > y) - (x < y);
    case 3:
        return (int)a.boolean - (int)b.boolean;
    default:
        return 0;
    }
}
