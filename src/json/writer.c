#include "base/number.h"
#include "json/json.h"

#include <math.h>

void mu_json_writer_init(mu_json_writer *writer, mu_buf *buf)
{
    *writer = (mu_json_writer){.buf = buf};
}

static void comma(mu_json_writer *writer)
{
    if (writer->needs_comma)
        mu_buf_add_char(writer->buf, ',');
    writer->needs_comma = true;
}

static void begin(mu_json_writer *writer, char bracket)
{
    comma(writer);
    mu_buf_add_char(writer->buf, bracket);
    writer->needs_comma = false;
}

static void end(mu_json_writer *writer, char bracket)
{
    mu_buf_add_char(writer->buf, bracket);
    writer->needs_comma = true;
}

void mu_json_begin_object(mu_json_writer *writer)
{
    begin(writer, '{');
}

void mu_json_end_object(mu_json_writer *writer)
{
    end(writer, '}');
}

void mu_json_begin_array(mu_json_writer *writer)
{
    begin(writer, '[');
}

void mu_json_end_array(mu_json_writer *writer)
{
    end(writer, ']');
}

/* The letter after the backslash, or 0 when the byte needs no short escape. */
static char short_escape(unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
        return (char)c;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return '\0';
    }
}

static void add_escaped(mu_buf *buf, unsigned char c)
{
    char letter = short_escape(c);
    if (letter == '\0') {
        mu_buf_add_format(buf, "\\u%04x", c);
        return;
    }
    mu_buf_add_char(buf, '\\');
    mu_buf_add_char(buf, letter);
}

/* The bytes that stand for themselves, from the beginning; eight at a time (after "Bit Twiddling
 * Hacks", S. E. Anderson: which bytes of a word are less than n, or zero). */
static size_t plain_length(const char *bytes, size_t n)
{
    const uint64_t ones = 0x0101010101010101u, highs = ones << 7;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t word, quote, backslash;
        memcpy(&word, bytes + i, 8);
        quote = word ^ ones * '"';
        backslash = word ^ ones * '\\';
        if (((((word - ones * 0x20) & ~word) | ((quote - ones) & ~quote) |
              ((backslash - ones) & ~backslash)) &
             highs) != 0)
            break;
    }
    while (i < n && (unsigned char)bytes[i] >= 0x20 && bytes[i] != '"' && bytes[i] != '\\')
        i++;
    return i;
}

static void add_string(mu_buf *buf, mu_str value)
{
    size_t plain = plain_length(value.ptr, value.len);
    char *room = mu_buf_reserve(buf, value.len + 2);
    if (room == NULL)
        return;
    *room = '"';
    if (plain > 0)
        memcpy(room + 1, value.ptr, plain);
    buf->len += 1 + plain;
    for (size_t at = plain; at < value.len; at += plain) {
        add_escaped(buf, (unsigned char)value.ptr[at++]);
        plain = plain_length(value.ptr + at, value.len - at);
        mu_buf_add(buf, value.ptr + at, plain);
    }
    mu_buf_add_char(buf, '"');
}

void mu_json_name(mu_json_writer *writer, mu_str name)
{
    comma(writer);
    add_string(writer->buf, name);
    mu_buf_add_char(writer->buf, ':');
    writer->needs_comma = false;
}

void mu_json_null(mu_json_writer *writer)
{
    comma(writer);
    MU_BUF_ADD(writer->buf, "null");
}

void mu_json_boolean(mu_json_writer *writer, bool value)
{
    comma(writer);
    mu_buf_add_str(writer->buf, value ? MU_STR("true") : MU_STR("false"));
}

void mu_json_integer(mu_json_writer *writer, int64_t value)
{
    char digits[24];
    size_t at = sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (value < 0)
        digits[--at] = '-';
    comma(writer);
    mu_buf_add(writer->buf, digits + at, sizeof digits - at);
}

void mu_json_double(mu_json_writer *writer, double value)
{
    if (!isfinite(value)) {
        mu_json_null(writer);
        return;
    }
    char digits[MU_NUMBER_MAX];
    comma(writer);
    mu_buf_add(writer->buf, digits, mu_format_double(value, digits));
}

void mu_json_string(mu_json_writer *writer, mu_str value)
{
    comma(writer);
    add_string(writer->buf, value);
}

/* `depth` containers are open; a tree that was read never exceeds the reader's limit. */
static void write_value(mu_json_writer *writer, const mu_json *value, unsigned depth)
{
    MU_ASSERT(depth <= MU_JSON_DEPTH_MAX);
    switch (value->kind) {
    case MU_JSON_NULL:
        mu_json_null(writer);
        break;
    case MU_JSON_BOOLEAN:
        mu_json_boolean(writer, value->boolean);
        break;
    case MU_JSON_INTEGER:
        mu_json_integer(writer, value->integer);
        break;
    case MU_JSON_DOUBLE:
        mu_json_double(writer, value->number);
        break;
    case MU_JSON_STRING:
        mu_json_string(writer, value->string);
        break;
    case MU_JSON_ARRAY:
        mu_json_begin_array(writer);
        for (uint32_t i = 0; i < value->n; i++)
            write_value(writer, &value->items[i], depth + 1);
        mu_json_end_array(writer);
        break;
    case MU_JSON_OBJECT:
        mu_json_begin_object(writer);
        for (uint32_t i = 0; i < value->n; i++) {
            mu_json_name(writer, value->names[i]);
            write_value(writer, &value->items[i], depth + 1);
        }
        mu_json_end_object(writer);
        break;
    }
}

void mu_json_value(mu_json_writer *writer, const mu_json *value)
{
    write_value(writer, value, 0);
}
