#include "base/number.h"
#include "ingest/accept_int.h"

/* Compact JSON, written straight into the arena: an entity is written once, and that text is both
 * its size (P55) and what is kept. json/writer.c writes the same bytes into buffers that grow. */

typedef struct emitter {
    char *at, *end;
    bool is_full;
} emitter;

static void emit(emitter *out, const char *bytes, size_t n)
{
    if (n > (size_t)(out->end - out->at)) {
        out->is_full = true;
        return;
    }
    memcpy(out->at, bytes, n);
    out->at += n;
}

static void emit_char(emitter *out, char c)
{
    if (out->at == out->end)
        out->is_full = true;
    else
        *out->at++ = c;
}

static void emit_escaped(emitter *out, unsigned char c)
{
    static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i + 1 < sizeof letters; i += 2)
        if ((unsigned char)letters[i] == c) {
            emit(out, (char[]){'\\', letters[i + 1]}, 2);
            return;
        }
    emit(out, (char[]){'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]}, 6);
}

/* Whether one of eight bytes is a quote, a backslash or below 0x20. The classic tests for a zero
 * byte; a false alarm after a true one does no harm. */
static bool needs_escape(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101ull, highs = 0x8080808080808080ull;
    uint64_t quote = word ^ (ones * '"'), slash = word ^ (ones * '\\');
    uint64_t found =
        ((quote - ones) & ~quote) | ((slash - ones) & ~slash) | ((word - ones * 0x20) & ~word);
    return (found & highs) != 0;
}

static void emit_string(emitter *out, mu_str text)
{
    emit_char(out, '"');
    size_t i = 0;
    while (text.len - i >= 8 && out->end - out->at >= 8) {
        uint64_t word;
        memcpy(&word, text.ptr + i, 8);
        if (needs_escape(word))
            break;
        memcpy(out->at, &word, 8);
        out->at += 8;
        i += 8;
    }
    for (; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            emit_char(out, (char)c);
        else
            emit_escaped(out, c);
    }
    emit_char(out, '"');
}

static void emit_integer(emitter *out, int64_t value)
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
    emit(out, digits + at, sizeof digits - at);
}

static void emit_value(emitter *out, const mu_json *value, unsigned depth);

/* The members but the one of this name; an empty name leaves out none. */
static void emit_members(emitter *out, const mu_json *object, mu_str left_out, unsigned depth)
{
    char before = '{';
    for (uint32_t i = 0; i < object->n && !out->is_full; i++) {
        if (left_out.len > 0 && mu_str_equal(object->names[i], left_out))
            continue;
        emit_char(out, before);
        emit_string(out, object->names[i]);
        emit_char(out, ':');
        emit_value(out, &object->items[i], depth + 1);
        before = ',';
    }
    if (before == '{')
        emit_char(out, '{');
    emit_char(out, '}');
}

static void emit_value(emitter *out, const mu_json *value, unsigned depth)
{
    MU_ASSERT(depth <= MU_JSON_DEPTH_MAX);
    char digits[MU_NUMBER_MAX];
    switch (value->kind) {
    case MU_JSON_NULL:
        emit(out, "null", 4);
        break;
    case MU_JSON_BOOLEAN:
        emit(out, value->boolean ? "true" : "false", value->boolean ? 4 : 5);
        break;
    case MU_JSON_INTEGER:
        emit_integer(out, value->integer);
        break;
    case MU_JSON_DOUBLE:
        emit(out, digits, mu_format_double(value->number, digits));
        break;
    case MU_JSON_STRING:
        emit_string(out, value->string);
        break;
    case MU_JSON_ARRAY:
        emit_char(out, '[');
        for (uint32_t i = 0; i < value->n && !out->is_full; i++) {
            if (i > 0)
                emit_char(out, ',');
            emit_value(out, &value->items[i], depth + 1);
        }
        emit_char(out, ']');
        break;
    case MU_JSON_OBJECT:
        emit_members(out, value, MU_STR(""), depth);
        break;
    }
}

/* P12: senders may not write memberships of this service's own segments. */
static void emit_entity(emitter *out, const mu_json *entity)
{
    char before = '{';
    for (uint32_t i = 0; i < entity->n && !out->is_full; i++) {
        const mu_json *item = &entity->items[i];
        bool has_memberships = mu_str_equal(entity->names[i], MU_STR("segmentMembership")) &&
                               mu_json_member(item, MU_STR("ups")) != NULL;
        if (has_memberships && item->n == 1)
            continue;
        emit_char(out, before);
        emit_string(out, entity->names[i]);
        emit_char(out, ':');
        if (has_memberships)
            emit_members(out, item, MU_STR("ups"), 1);
        else
            emit_value(out, item, 1);
        before = ',';
    }
    if (before == '{')
        emit_char(out, '{');
    emit_char(out, '}');
}

bool mu_compact_entity(mu_arena *arena, const mu_json *entity, size_t max_bytes, mu_str *out)
{
    char *start = mu_arena_reserve(arena, max_bytes);
    emitter writer = {.at = start, .end = start + max_bytes};
    emit_entity(&writer, entity);
    if (writer.is_full)
        return false;
    *out = (mu_str){start, (size_t)(writer.at - start)};
    mu_arena_take(arena, out->len);
    return true;
}
