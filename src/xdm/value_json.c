/* value_json.c -- JSON read as values, with a type and without. On the path of every loaded record.
 */
#include "base/number.h"
#include "base/time.h"
#include "xdm/value.h"

/* Where the reader is, innermost first; only error texts look at it. */
typedef struct place {
    const struct place *parent;
    mu_str name;    /* of a field or map entry; ptr NULL for a list item */
    uint32_t index; /* of a list item */
} place;

typedef struct reader {
    mu_arena *arena;
    mu_err *err;
} reader;

static const char *const json_kind_names[] = {
    [MU_JSON_NULL] = "null",     [MU_JSON_BOOLEAN] = "boolean", [MU_JSON_INTEGER] = "integer",
    [MU_JSON_DOUBLE] = "double", [MU_JSON_STRING] = "string",   [MU_JSON_ARRAY] = "list",
    [MU_JSON_OBJECT] = "object",
};

mu_str mu_xdm_plain_name(mu_str name)
{
    if (mu_str_starts_with(name, MU_STR("xdm:")))
        return (mu_str){name.ptr + 4, name.len - 4};
    if (mu_str_equal(name, MU_STR("@id")))
        return MU_STR("_id");
    if (mu_str_equal(name, MU_STR("@type")))
        return MU_STR("_type");
    return name;
}

/* -------- without a type -------- */

static mu_value container_from_json(mu_arena *arena, const mu_json *json)
{
    mu_value *items = MU_NEW_ARRAY(arena, mu_value, json->n);
    for (uint32_t i = 0; i < json->n; i++)
        items[i] = mu_value_from_json(arena, &json->items[i]);
    bool is_list = json->kind == MU_JSON_ARRAY;
    return (mu_value){.kind = is_list ? MU_TYPE_LIST : MU_TYPE_OBJECT,
                      .n = json->n,
                      .items = items,
                      .keys = is_list ? NULL : json->names};
}

/* Recursion is bounded by MU_JSON_DEPTH_MAX. */
mu_value mu_value_from_json(mu_arena *arena, const mu_json *json)
{
    switch (json->kind) {
    case MU_JSON_BOOLEAN:
        return mu_value_boolean(json->boolean);
    case MU_JSON_INTEGER:
        return mu_value_integer(json->integer);
    case MU_JSON_DOUBLE:
        return mu_value_double(json->number);
    case MU_JSON_STRING:
        return mu_value_string(json->string);
    case MU_JSON_ARRAY:
    case MU_JSON_OBJECT:
        return container_from_json(arena, json);
    default:
        return MU_VALUE_NULL;
    }
}

/* -------- error texts -------- */

static void write_place(mu_buf *buf, const place *at)
{
    enum { STEPS_MAX = 64 };
    const place *steps[STEPS_MAX];
    int n = 0;
    for (; at != NULL && n < STEPS_MAX; at = at->parent)
        steps[n++] = at;
    for (int i = n - 1; i >= 0; i--) {
        if (steps[i]->name.ptr == NULL)
            mu_buf_add_format(buf, "[%u]", steps[i]->index);
        else
            mu_buf_add_format(buf, "%s" MU_STR_FMT, i == n - 1 ? "" : ".",
                              MU_STR_ARG(steps[i]->name));
    }
    if (n == 0)
        MU_BUF_ADD(buf, "the value");
}

static mu_code fail_at(const reader *r, const place *at, const char *what)
{
    mu_buf path;
    mu_buf_init(&path, 256);
    write_place(&path, at);
    mu_code code =
        mu_fail(r->err, MU_E_TYPE, MU_STR_FMT ": %s", MU_STR_ARG(mu_buf_str(&path)), what);
    mu_buf_free(&path);
    return code;
}

static mu_code fail_type(const reader *r, const place *at, const mu_type *type, const mu_json *json)
{
    mu_str what =
        mu_arena_format(r->arena, "expected " MU_STR_FMT ", found %s",
                        MU_STR_ARG(mu_type_name(r->arena, type)), json_kind_names[json->kind]);
    return fail_at(r, at, what.ptr);
}

/* -------- with a type -------- */

static mu_code read_typed(const reader *r, const mu_type *type, const mu_json *json,
                          const place *at, mu_value *out);

/* P11: the flag of an identity comes as text too. */
static bool boolean_text(const place *at, const mu_json *json, bool *out)
{
    if (json->kind != MU_JSON_STRING || at == NULL || !mu_str_equal(at->name, MU_STR("primary")))
        return false;
    *out = mu_str_equal_ascii_nocase(json->string, MU_STR("true"));
    return *out || mu_str_equal_ascii_nocase(json->string, MU_STR("false"));
}

static bool whole_number(const mu_json *json, int64_t *out)
{
    if (json->kind == MU_JSON_INTEGER) {
        *out = json->integer;
        return true;
    }
    if (json->kind != MU_JSON_DOUBLE || !(json->number >= -0x1p63 && json->number < 0x1p63) ||
        (double)(int64_t)json->number != json->number)
        return false;
    *out = (int64_t)json->number;
    return true;
}

/* P5. A run of digits is epoch milliseconds; the years 0001..9999 bound it. */
static bool time_value(const mu_json *json, int64_t *out)
{
    int64_t ms;
    bool known = json->kind == MU_JSON_STRING
                     ? mu_parse_time(json->string, &ms) || mu_parse_integer(json->string, &ms)
                     : whole_number(json, &ms);
    if (!known || ms < MU_TIME_MIN_MS || ms > MU_TIME_MAX_MS)
        return false;
    *out = ms;
    return true;
}

static mu_code read_time(const reader *r, const mu_type *type, const mu_json *json, const place *at,
                         mu_value *out)
{
    int64_t count;
    if (type->kind == MU_TYPE_TIMESTAMP && time_value(json, &count)) {
        *out = mu_value_timestamp(count);
        return MU_OK;
    }
    if (type->kind == MU_TYPE_DATE && json->kind == MU_JSON_STRING &&
        mu_parse_date(json->string, &count)) {
        *out = mu_value_date(count);
        return MU_OK;
    }
    if (type->kind == MU_TYPE_DATE)
        return json->kind == MU_JSON_STRING
                   ? fail_at(r, at, "expected date (YYYY-MM-DD), found string of another form")
                   : fail_type(r, at, type, json);
    if (json->kind == MU_JSON_STRING)
        return fail_at(r, at, "expected date-time (RFC 3339), found string of another form");
    if (json->kind == MU_JSON_INTEGER || json->kind == MU_JSON_DOUBLE)
        return fail_at(r, at, "expected date-time, found a number that is no epoch milliseconds");
    return fail_type(r, at, type, json);
}

static mu_code read_scalar(const reader *r, const mu_type *type, const mu_json *json,
                           const place *at, mu_value *out)
{
    bool flag;
    int64_t whole;
    switch (type->kind) {
    case MU_TYPE_BOOLEAN:
        if (json->kind == MU_JSON_BOOLEAN)
            *out = mu_value_boolean(json->boolean);
        else if (boolean_text(at, json, &flag))
            *out = mu_value_boolean(flag);
        else
            return fail_type(r, at, type, json);
        return MU_OK;
    case MU_TYPE_INTEGER:
        if (!whole_number(json, &whole))
            return fail_type(r, at, type, json);
        *out = mu_value_integer(whole);
        return MU_OK;
    case MU_TYPE_DOUBLE:
        if (json->kind == MU_JSON_DOUBLE)
            *out = mu_value_double(json->number);
        else if (json->kind == MU_JSON_INTEGER)
            *out = mu_value_double((double)json->integer);
        else
            return fail_type(r, at, type, json);
        return MU_OK;
    case MU_TYPE_STRING:
        if (json->kind != MU_JSON_STRING)
            return fail_type(r, at, type, json);
        *out = mu_value_string(json->string);
        return MU_OK;
    case MU_TYPE_ANY:
        *out = mu_value_from_json(r->arena, json);
        return MU_OK;
    default: /* NULL and FUNCTION are no types of data */
        return fail_type(r, at, type, json);
    }
}

static mu_code read_list(const reader *r, const mu_type *type, const mu_json *json, const place *at,
                         mu_value *out)
{
    mu_value *items = MU_NEW_ARRAY(r->arena, mu_value, json->n);
    for (uint32_t i = 0; i < json->n; i++) {
        place item = {.parent = at, .index = i};
        MU_TRY(read_typed(r, type->item, &json->items[i], &item, &items[i]));
    }
    *out = (mu_value){.kind = MU_TYPE_LIST, .n = json->n, .items = items};
    return MU_OK;
}

static mu_code read_map(const reader *r, const mu_type *type, const mu_json *json, const place *at,
                        mu_value *out)
{
    mu_value *items = MU_NEW_ARRAY(r->arena, mu_value, json->n);
    mu_str *keys = MU_NEW_ARRAY(r->arena, mu_str, json->n);
    uint32_t n = 0;
    for (uint32_t i = 0; i < json->n; i++) {
        if (json->items[i].kind == MU_JSON_NULL)
            continue;
        place entry = {.parent = at, .name = json->names[i]};
        MU_TRY(read_typed(r, type->item, &json->items[i], &entry, &items[n]));
        keys[n++] = json->names[i];
    }
    *out = (mu_value){.kind = MU_TYPE_MAP, .n = n, .items = items, .keys = keys};
    return MU_OK;
}

/* P4: "repo:createDate" is the member createDate of the object _repo. Fills *outer with the index
 * of _repo and *inner with its member's name; false when `name` is not of that form. */
static bool prefixed_field(const reader *r, const mu_type *type, mu_str name, int *outer,
                           mu_str *inner)
{
    const char *colon = memchr(name.ptr, ':', name.len);
    if (colon == NULL)
        return false;
    size_t at = (size_t)(colon - name.ptr);
    *outer = mu_type_field(type, mu_arena_format(r->arena, "_%.*s", (int)at, name.ptr));
    *inner = (mu_str){colon + 1, name.len - at - 1};
    return *outer >= 0 && type->field_types[*outer]->kind == MU_TYPE_OBJECT;
}

static mu_code read_prefixed(const reader *r, const mu_type *type, const mu_json *json,
                             const place *at, mu_str inner, mu_value *out)
{
    int field = mu_type_field(type, inner);
    if (field < 0)
        return fail_at(r, at, "unknown field");
    mu_value *items = MU_NEW_ARRAY(r->arena, mu_value, type->n_fields);
    if (out->kind == MU_TYPE_OBJECT)
        memcpy(items, out->items, type->n_fields * sizeof *items);
    MU_TRY(read_typed(r, type->field_types[field], json, at, &items[field]));
    *out = (mu_value){
        .kind = MU_TYPE_OBJECT, .n = type->n_fields, .items = items, .keys = type->field_names};
    return MU_OK;
}

static mu_code read_field(const reader *r, const mu_type *type, mu_str name, const mu_json *json,
                          const place *at, uint32_t *next, mu_value *items)
{
    /* Records mostly hold their fields in the schema's order. */
    int field = *next < type->n_fields && mu_str_equal(type->field_names[*next], name)
                    ? (int)*next
                    : mu_type_field(type, name);
    mu_str inner;
    if (field < 0)
        field = mu_type_field(type, mu_xdm_plain_name(name));
    if (field < 0 && prefixed_field(r, type, name, &field, &inner))
        return read_prefixed(r, type->field_types[field], json, at, inner, &items[field]);
    if (field < 0)
        return fail_at(r, at, "unknown field");
    *next = (uint32_t)field + 1;
    return read_typed(r, type->field_types[field], json, at, &items[field]);
}

static mu_code read_object(const reader *r, const mu_type *type, const mu_json *json,
                           const place *at, mu_value *out)
{
    mu_value *items = MU_NEW_ARRAY(r->arena, mu_value, type->n_fields);
    uint32_t next = 0;
    for (uint32_t i = 0; i < json->n; i++) {
        place field = {.parent = at, .name = json->names[i]};
        MU_TRY(read_field(r, type, json->names[i], &json->items[i], &field, &next, items));
    }
    *out = (mu_value){
        .kind = MU_TYPE_OBJECT, .n = type->n_fields, .items = items, .keys = type->field_names};
    return MU_OK;
}

/* Recursion is bounded by the depth of the type and of JSON. */
static mu_code read_typed(const reader *r, const mu_type *type, const mu_json *json,
                          const place *at, mu_value *out)
{
    if (json->kind == MU_JSON_NULL) {
        *out = MU_VALUE_NULL;
        return MU_OK;
    }
    switch (type->kind) {
    case MU_TYPE_DATE:
    case MU_TYPE_TIMESTAMP:
        return read_time(r, type, json, at, out);
    case MU_TYPE_LIST:
        return json->kind == MU_JSON_ARRAY ? read_list(r, type, json, at, out)
                                           : fail_type(r, at, type, json);
    case MU_TYPE_MAP:
        return json->kind == MU_JSON_OBJECT ? read_map(r, type, json, at, out)
                                            : fail_type(r, at, type, json);
    case MU_TYPE_OBJECT:
        return json->kind == MU_JSON_OBJECT ? read_object(r, type, json, at, out)
                                            : fail_type(r, at, type, json);
    default:
        return read_scalar(r, type, json, at, out);
    }
}

mu_code mu_value_from_typed_json(mu_arena *arena, const mu_type *type, const mu_json *json,
                                 mu_value *out, mu_err *err)
{
    reader r = {arena, err};
    mu_value value = MU_VALUE_NULL;
    MU_TRY(read_typed(&r, type, json, NULL, &value));
    *out = value;
    return MU_OK;
}
