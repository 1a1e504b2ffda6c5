#include "ingest/ingest_int.h"

#include "base/number.h"
#include "base/time.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A sign and digits, nothing else. */
static bool is_all_digits(mu_str text)
{
    size_t i = text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+');
    if (i == text.len)
        return false;
    for (; i < text.len; i++)
        if (!is_digit(text.ptr[i]))
            return false;
    return true;
}

/* As an integer is written: no plus, no leading zero, no "-0". */
static bool is_plain_integer(mu_str text)
{
    size_t i = text.len > 0 && text.ptr[0] == '-';
    if (i == text.len || (text.ptr[i] == '0' && text.len > 1))
        return false;
    for (; i < text.len; i++)
        if (!is_digit(text.ptr[i]))
            return false;
    return true;
}

static bool read_boolean(mu_str text, bool *out)
{
    if (mu_str_equal_ascii_nocase(text, MU_STR("true"))) {
        *out = true;
        return true;
    }
    *out = false;
    return mu_str_equal_ascii_nocase(text, MU_STR("false"));
}

bool mu_read_instant(mu_str text, int64_t *out_ms)
{
    if (mu_parse_time(text, out_ms))
        return true;
    return mu_parse_integer(text, out_ms) && *out_ms >= MU_TIME_MIN_MS && *out_ms <= MU_TIME_MAX_MS;
}

static uint8_t number_kinds(mu_str cell)
{
    int64_t integer;
    double number;
    if (is_plain_integer(cell))
        return mu_parse_integer(cell, &integer) ? MU_CELL_INTEGER | MU_CELL_DOUBLE : 0;
    if (is_all_digits(cell) || !mu_parse_double(cell, &number))
        return 0;
    return MU_CELL_DOUBLE;
}

uint8_t mu_cell_kinds(mu_str cell, uint8_t mask)
{
    MU_ASSERT(cell.len > 0);
    bool truth;
    int64_t ms;
    char first = cell.ptr[0];
    bool may_be_number = is_digit(first) || first == '-';
    if (may_be_number && (mask & (MU_CELL_INTEGER | MU_CELL_DOUBLE)) != 0) {
        uint8_t kinds = number_kinds(cell);
        if (kinds != 0)
            return kinds & mask;
    }
    if (is_digit(first) && (mask & MU_CELL_TIME) != 0 && mu_parse_rfc3339(cell, &ms))
        return MU_CELL_TIME;
    if ((mask & MU_CELL_BOOLEAN) != 0 && read_boolean(cell, &truth))
        return MU_CELL_BOOLEAN;
    return 0;
}

bool mu_cell_value(mu_str cell, mu_type_kind kind, mu_value *out)
{
    int64_t integer;
    double number;
    bool truth;
    switch (kind) {
    case MU_TYPE_BOOLEAN:
        *out = mu_value_boolean(read_boolean(cell, &truth) && truth);
        return read_boolean(cell, &truth);
    case MU_TYPE_INTEGER:
        if (!mu_parse_integer(cell, &integer))
            return false;
        *out = mu_value_integer(integer);
        return true;
    case MU_TYPE_DOUBLE:
        if (!mu_parse_double(cell, &number))
            return false;
        *out = mu_value_double(number);
        return true;
    case MU_TYPE_STRING:
        *out = mu_value_string(cell);
        return true;
    case MU_TYPE_DATE:
        if (!mu_parse_date(cell, &integer))
            return false;
        *out = mu_value_date(integer);
        return true;
    case MU_TYPE_TIMESTAMP:
        if (!mu_read_instant(cell, &integer))
            return false;
        *out = mu_value_timestamp(integer);
        return true;
    default:
        return false;
    }
}
