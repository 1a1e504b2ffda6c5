/* value.c -- values looked into, compared and written. */
#include "xdm/value.h"

#include "base/time.h"

mu_value mu_value_member(mu_value value, mu_str name)
{
    if (value.kind != MU_TYPE_OBJECT && value.kind != MU_TYPE_MAP)
        return MU_VALUE_NULL;
    for (uint32_t i = 0; i < value.n; i++)
        if (mu_str_equal(value.keys[i], name))
            return value.items[i];
    return MU_VALUE_NULL;
}

static mu_value extend_object(mu_arena *arena, const mu_type *from, const mu_type *to,
                              mu_value value)
{
    mu_value *items = MU_NEW_ARRAY(arena, mu_value, to->n_fields);
    for (uint32_t i = 0; i < from->n_fields; i++) {
        int field = mu_type_field(to, from->field_names[i]);
        MU_ASSERT(field >= 0);
        items[field] =
            mu_value_extend(arena, from->field_types[i], to->field_types[field], value.items[i]);
    }
    return (mu_value){
        .kind = MU_TYPE_OBJECT, .n = to->n_fields, .items = items, .keys = to->field_names};
}

/* Recursion is as deep as types. */
mu_value mu_value_extend(mu_arena *arena, const mu_type *from, const mu_type *to, mu_value value)
{
    if (from == to)
        return value;
    switch (value.kind) {
    case MU_TYPE_INTEGER:
        return to->kind == MU_TYPE_DOUBLE ? mu_value_double((double)value.integer) : value;
    case MU_TYPE_LIST:
    case MU_TYPE_MAP: {
        mu_value *items = MU_NEW_ARRAY(arena, mu_value, value.n);
        for (uint32_t i = 0; i < value.n; i++)
            items[i] = mu_value_extend(arena, from->item, to->item, value.items[i]);
        value.items = items;
        return value;
    }
    case MU_TYPE_OBJECT:
        return extend_object(arena, from, to, value);
    default:
        return value;
    }
}

static void write_container(mu_json_writer *writer, mu_value value)
{
    if (value.kind == MU_TYPE_LIST) {
        mu_json_begin_array(writer);
        for (uint32_t i = 0; i < value.n; i++)
            mu_value_write(writer, value.items[i]);
        mu_json_end_array(writer);
        return;
    }
    mu_json_begin_object(writer);
    for (uint32_t i = 0; i < value.n; i++) {
        if (value.kind == MU_TYPE_OBJECT && mu_value_is_null(value.items[i]))
            continue;
        mu_json_name(writer, value.keys[i]);
        mu_value_write(writer, value.items[i]);
    }
    mu_json_end_object(writer);
}

/* Recursion is bounded by the depth of types and of JSON. */
void mu_value_write(mu_json_writer *writer, mu_value value)
{
    char text[MU_TIME_TEXT_MAX];
    switch (value.kind) {
    case MU_TYPE_BOOLEAN:
        mu_json_boolean(writer, value.boolean);
        break;
    case MU_TYPE_INTEGER:
        mu_json_integer(writer, value.integer);
        break;
    case MU_TYPE_DOUBLE:
        mu_json_double(writer, value.number);
        break;
    case MU_TYPE_STRING:
        mu_json_string(writer, value.string);
        break;
    case MU_TYPE_DATE:
        mu_json_string(writer, (mu_str){text, mu_format_date(value.integer, text)});
        break;
    case MU_TYPE_TIMESTAMP:
        mu_json_string(writer, (mu_str){text, mu_format_time(value.integer, text)});
        break;
    case MU_TYPE_LIST:
    case MU_TYPE_MAP:
    case MU_TYPE_OBJECT:
        write_container(writer, value);
        break;
    default: /* nothing in JSON stands for a function */
        mu_json_null(writer);
    }
}

static uint32_t present_fields(mu_value object)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < object.n; i++)
        n += !mu_value_is_null(object.items[i]);
    return n;
}

static const mu_value *entry(mu_value value, mu_str name)
{
    for (uint32_t i = 0; i < value.n; i++)
        if (mu_str_equal(value.keys[i], name))
            return &value.items[i];
    return NULL;
}

static bool entries_identical(mu_value a, mu_value b)
{
    bool is_object = a.kind == MU_TYPE_OBJECT;
    if (is_object ? present_fields(a) != present_fields(b) : a.n != b.n)
        return false;
    for (uint32_t i = 0; i < a.n; i++) {
        if (is_object && mu_value_is_null(a.items[i]))
            continue;
        const mu_value *other = entry(b, a.keys[i]);
        if (other == NULL || !mu_value_identical(a.items[i], *other))
            return false;
    }
    return true;
}

static bool items_identical(mu_value a, mu_value b)
{
    if (a.n != b.n)
        return false;
    for (uint32_t i = 0; i < a.n; i++)
        if (!mu_value_identical(a.items[i], b.items[i]))
            return false;
    return true;
}

bool mu_value_identical(mu_value a, mu_value b)
{
    if (a.kind != b.kind)
        return false;
    switch (a.kind) {
    case MU_TYPE_BOOLEAN:
        return a.boolean == b.boolean;
    case MU_TYPE_INTEGER:
    case MU_TYPE_DATE:
    case MU_TYPE_TIMESTAMP:
        return a.integer == b.integer;
    case MU_TYPE_DOUBLE:
        return memcmp(&a.number, &b.number, sizeof a.number) == 0;
    case MU_TYPE_STRING:
        return mu_str_equal(a.string, b.string);
    case MU_TYPE_LIST:
        return items_identical(a, b);
    case MU_TYPE_MAP:
    case MU_TYPE_OBJECT:
        return entries_identical(a, b);
    case MU_TYPE_FUNCTION:
        return a.function == b.function;
    default:
        return true;
    }
}
