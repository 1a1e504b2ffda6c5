#include "ingest/convert.h"

#include "base/number.h"
#include "base/time.h"

#include <math.h>

static bool to_boolean(const mu_json *json, mu_json *out)
{
    if (json->kind != MU_JSON_STRING)
        return false;
    bool is_true = mu_str_equal_ascii_nocase(json->string, MU_STR("true"));
    if (!is_true && !mu_str_equal_ascii_nocase(json->string, MU_STR("false")))
        return false;
    *out = (mu_json){.kind = MU_JSON_BOOLEAN, .boolean = is_true};
    return true;
}

static bool to_integer(const mu_json *json, mu_json *out)
{
    *out = (mu_json){.kind = MU_JSON_INTEGER};
    double number;
    if (json->kind == MU_JSON_STRING && mu_parse_integer(json->string, &out->integer))
        return true;
    if (json->kind == MU_JSON_DOUBLE)
        number = json->number;
    else if (json->kind != MU_JSON_STRING || !mu_parse_double(json->string, &number))
        return false;
    if (number != nearbyint(number) || fabs(number) > 9007199254740992.0)
        return false;
    out->integer = (int64_t)number;
    return true;
}

static bool to_double(const mu_json *json, mu_json *out)
{
    *out = (mu_json){.kind = MU_JSON_DOUBLE};
    return json->kind == MU_JSON_STRING && mu_parse_double(json->string, &out->number);
}

static bool to_text(mu_arena *arena, const mu_json *json, mu_json *out)
{
    char digits[MU_NUMBER_MAX];
    *out = (mu_json){.kind = MU_JSON_STRING};
    if (json->kind == MU_JSON_INTEGER)
        out->string = mu_arena_format(arena, "%lld", (long long)json->integer);
    else if (json->kind == MU_JSON_DOUBLE)
        out->string =
            mu_arena_copy(arena, (mu_str){digits, mu_format_double(json->number, digits)});
    else
        return false;
    return true;
}

/* Milliseconds as a number, or as a text of digits. */
static bool milliseconds(const mu_json *json, int64_t *ms)
{
    if (json->kind == MU_JSON_INTEGER)
        *ms = json->integer;
    else if (json->kind != MU_JSON_STRING || !mu_parse_integer(json->string, ms))
        return false;
    return *ms >= MU_TIME_MIN_MS && *ms <= MU_TIME_MAX_MS;
}

static bool to_time(mu_arena *arena, const mu_json *json, bool is_date, mu_json *out)
{
    char text[MU_TIME_TEXT_MAX];
    int64_t ms;
    if (!milliseconds(json, &ms))
        return false;
    size_t n = is_date ? mu_format_date(mu_day_of_ms(ms), text) : mu_format_time(ms, text);
    *out = (mu_json){.kind = MU_JSON_STRING, .string = mu_arena_copy(arena, (mu_str){text, n})};
    return true;
}

static bool to_scalar(mu_arena *arena, mu_type_kind kind, const mu_json *json, mu_json *out)
{
    switch (kind) {
    case MU_TYPE_BOOLEAN:
        return to_boolean(json, out);
    case MU_TYPE_INTEGER:
        return json->kind != MU_JSON_INTEGER && to_integer(json, out);
    case MU_TYPE_DOUBLE:
        return to_double(json, out);
    case MU_TYPE_STRING:
        return to_text(arena, json, out);
    case MU_TYPE_DATE:
        return to_time(arena, json, true, out);
    case MU_TYPE_TIMESTAMP:
        return to_time(arena, json, false, out);
    default:
        return false;
    }
}

static const mu_type *type_of_item(const mu_type *type, const mu_json *json, uint32_t i)
{
    if (json->kind == MU_JSON_ARRAY)
        return type->kind == MU_TYPE_LIST ? type->item : NULL;
    if (type->kind == MU_TYPE_MAP)
        return type->item;
    if (type->kind != MU_TYPE_OBJECT)
        return NULL;
    int field = mu_type_field(type, json->names[i]);
    return field < 0 ? NULL : type->field_types[field];
}

/* As deep as the type, which is finite. */
const mu_json *mu_convert(mu_arena *arena, const mu_type *type, const mu_json *json)
{
    if (json->kind != MU_JSON_OBJECT && json->kind != MU_JSON_ARRAY) {
        mu_json converted;
        if (!to_scalar(arena, type->kind, json, &converted))
            return json;
        mu_json *out = MU_NEW(arena, mu_json);
        *out = converted;
        return out;
    }
    mu_json *items = NULL;
    for (uint32_t i = 0; i < json->n; i++) {
        const mu_type *item_type = type_of_item(type, json, i);
        const mu_json *item =
            item_type == NULL ? &json->items[i] : mu_convert(arena, item_type, &json->items[i]);
        if (item == &json->items[i])
            continue;
        if (items == NULL) {
            items = MU_NEW_ARRAY(arena, mu_json, json->n);
            memcpy(items, json->items, json->n * sizeof *items);
        }
        items[i] = *item;
    }
    if (items == NULL)
        return json;
    mu_json *out = MU_NEW(arena, mu_json);
    *out = *json;
    out->items = items;
    return out;
}
