#include "ingest/ingest_int.h"

#include "base/time.h"

static uint64_t take_varint(const uint8_t **at)
{
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = *(*at)++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
}

static int64_t take_integer(const uint8_t **at)
{
    uint64_t zigzag = take_varint(at);
    return (int64_t)(zigzag >> 1) ^ -(int64_t)(zigzag & 1);
}

static double take_double(const uint8_t **at)
{
    double value;
    memcpy(&value, *at, 8);
    *at += 8;
    return value;
}

static mu_str take_text(const uint8_t **at)
{
    size_t len = take_varint(at);
    mu_str text = {(const char *)*at, len};
    *at += len;
    return text;
}

/* Past one value whose tag was taken. The depth is that of the writer. */
static void skip(mu_tag tag, const uint8_t **at)
{
    uint64_t n;
    switch (tag) {
    case MU_TAG_INTEGER:
    case MU_TAG_DATE:
    case MU_TAG_TIME:
        take_varint(at);
        return;
    case MU_TAG_DOUBLE:
        *at += 8;
        return;
    case MU_TAG_STRING:
    case MU_TAG_CELL:
        take_text(at);
        return;
    case MU_TAG_UUID:
        *at += MU_UUID_BYTES;
        return;
    case MU_TAG_LIST:
    case MU_TAG_MAP:
        for (n = take_varint(at); n > 0; n--) {
            if (tag == MU_TAG_MAP)
                take_text(at);
            mu_tag item = (mu_tag) * (*at)++;
            skip(item, at);
        }
        return;
    case MU_TAG_OBJECT:
        while (take_varint(at) != 0) {
            mu_tag field = (mu_tag) * (*at)++;
            skip(field, at);
        }
        return;
    default:
        return;
    }
}

static const char *tag_name(mu_tag tag)
{
    static const char *const names[] = {
        [MU_TAG_NULL] = "null",       [MU_TAG_FALSE] = "boolean", [MU_TAG_TRUE] = "boolean",
        [MU_TAG_INTEGER] = "integer", [MU_TAG_DOUBLE] = "double", [MU_TAG_STRING] = "string",
        [MU_TAG_CELL] = "text",       [MU_TAG_DATE] = "date",     [MU_TAG_TIME] = "date-time",
        [MU_TAG_LIST] = "list",       [MU_TAG_MAP] = "map",       [MU_TAG_OBJECT] = "object",
        [MU_TAG_UUID] = "string",
    };
    return names[tag];
}

static mu_code fail_type(const mu_decoder *d, uint32_t node, const mu_type *type, mu_tag tag,
                         mu_err *err)
{
    mu_str path = mu_shape_path(d->shape, node, d->arena);
    mu_str expected = mu_type_name(d->arena, type);
    return mu_fail(err, MU_E_TYPE, MU_STR_FMT ": expected " MU_STR_FMT ", found %s",
                   MU_STR_ARG(path), MU_STR_ARG(expected), tag_name(tag));
}

static mu_code decode_list(const mu_decoder *d, uint32_t node, const mu_type *type,
                           const uint8_t **at, mu_value *out, mu_err *err)
{
    uint64_t n = take_varint(at);
    uint32_t item = d->shape->nodes[node].item;
    mu_value *items = MU_NEW_ARRAY(d->arena, mu_value, n);
    for (uint64_t i = 0; i < n; i++)
        MU_TRY(mu_decode(d, item, type->item, at, &items[i], err));
    *out = (mu_value){.kind = MU_TYPE_LIST, .n = (uint32_t)n, .items = items};
    return MU_OK;
}

static mu_code decode_map(const mu_decoder *d, uint32_t node, const mu_type *type,
                          const uint8_t **at, mu_value *out, mu_err *err)
{
    uint64_t n = take_varint(at);
    uint32_t item = d->shape->nodes[node].item;
    mu_value *items = MU_NEW_ARRAY(d->arena, mu_value, n);
    mu_str *keys = MU_NEW_ARRAY(d->arena, mu_str, n);
    for (uint64_t i = 0; i < n; i++) {
        keys[i] = take_text(at);
        MU_TRY(mu_decode(d, item, type->item, at, &items[i], err));
    }
    *out = (mu_value){.kind = MU_TYPE_MAP, .n = (uint32_t)n, .items = items, .keys = keys};
    return MU_OK;
}

/* *out may hold the same object from an earlier member of the record; later fields win. */
static mu_code decode_object(const mu_decoder *d, const mu_type *type, const uint8_t **at,
                             mu_value *out, mu_err *err)
{
    mu_value *items = out->kind == MU_TYPE_OBJECT
                          ? (mu_value *)(uintptr_t)out->items
                          : MU_NEW_ARRAY(d->arena, mu_value, type->n_fields);
    for (uint32_t node; (node = (uint32_t)take_varint(at)) != 0;) {
        uint32_t slot = d->slots[node];
        if (slot == MU_NO_SLOT) {
            mu_tag tag = (mu_tag) * (*at)++;
            skip(tag, at);
            continue;
        }
        MU_DEBUG_ASSERT(slot < type->n_fields);
        MU_TRY(mu_decode(d, node, type->field_types[slot], at, &items[slot], err));
    }
    *out = (mu_value){
        .kind = MU_TYPE_OBJECT, .n = type->n_fields, .items = items, .keys = type->field_names};
    return MU_OK;
}

/* Text that a path of this type may hold: cells any, JSON strings only times. */
static bool text_value(mu_tag tag, mu_str text, mu_type_kind kind, mu_value *out)
{
    int64_t ms;
    if (kind == MU_TYPE_STRING || tag == MU_TAG_CELL)
        return mu_cell_value(text, kind, out);
    if (kind != MU_TYPE_TIMESTAMP || !mu_parse_rfc3339(text, &ms))
        return false;
    *out = mu_value_timestamp(ms);
    return true;
}

static bool uuid_value(const mu_decoder *d, const uint8_t **at, mu_type_kind kind, mu_value *out)
{
    char *text = mu_arena_alloc(d->arena, MU_UUID_LENGTH);
    mu_uuid_write(*at, text);
    *at += MU_UUID_BYTES;
    *out = mu_value_string((mu_str){text, MU_UUID_LENGTH});
    return kind == MU_TYPE_STRING;
}

static bool decode_scalar(const mu_decoder *d, mu_tag tag, const uint8_t **at, mu_type_kind kind,
                          mu_value *out)
{
    switch (tag) {
    case MU_TAG_NULL:
        *out = MU_VALUE_NULL;
        return true;
    case MU_TAG_FALSE:
    case MU_TAG_TRUE:
        *out = mu_value_boolean(tag == MU_TAG_TRUE);
        return kind == MU_TYPE_BOOLEAN;
    case MU_TAG_INTEGER:
        *out = mu_value_integer(take_integer(at));
        if (kind == MU_TYPE_DOUBLE)
            *out = mu_value_double((double)out->integer);
        return kind == MU_TYPE_INTEGER || kind == MU_TYPE_DOUBLE;
    case MU_TAG_DOUBLE:
        *out = mu_value_double(take_double(at));
        return kind == MU_TYPE_DOUBLE;
    case MU_TAG_DATE:
        *out = mu_value_date(take_integer(at));
        return kind == MU_TYPE_DATE;
    case MU_TAG_TIME:
        *out = mu_value_timestamp(take_integer(at));
        return kind == MU_TYPE_TIMESTAMP;
    case MU_TAG_UUID:
        return uuid_value(d, at, kind, out);
    case MU_TAG_STRING:
    case MU_TAG_CELL:
        return text_value(tag, take_text(at), kind, out);
    default:
        return false;
    }
}

mu_code mu_decode(const mu_decoder *decoder, uint32_t node, const mu_type *type, const uint8_t **at,
                  mu_value *out, mu_err *err)
{
    mu_tag tag = (mu_tag) * (*at)++;
    if (tag == MU_TAG_LIST && type->kind == MU_TYPE_LIST)
        return decode_list(decoder, node, type, at, out, err);
    if (tag == MU_TAG_MAP && type->kind == MU_TYPE_MAP)
        return decode_map(decoder, node, type, at, out, err);
    if (tag == MU_TAG_OBJECT && type->kind == MU_TYPE_OBJECT)
        return decode_object(decoder, type, at, out, err);
    if (decode_scalar(decoder, tag, at, type->kind, out))
        return MU_OK;
    return fail_type(decoder, node, type, tag, err);
}
