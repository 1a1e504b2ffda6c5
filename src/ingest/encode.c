#include "ingest/ingest_int.h"

#include "base/time.h"

#include <stdlib.h>

/* A record is no larger than this, whatever its line held. */
#define RECORD_MAX ((size_t)256 << 20)

void mu_encoder_init(mu_encoder *encoder, mu_shape *shape, mu_arena *scratch, bool is_strict)
{
    *encoder = (mu_encoder){.shape = shape, .scratch = scratch, .is_strict = is_strict};
    mu_buf_init(&encoder->out, RECORD_MAX);
}

void mu_encoder_free(mu_encoder *encoder)
{
    mu_buf_free(&encoder->out);
    free(encoder->seen);
    encoder->seen = NULL;
}

void mu_encoder_begin(mu_encoder *encoder)
{
    mu_buf_clear(&encoder->out);
    encoder->n_seen = 0;
}

/* -------- bytes -------- */

static char *put_varint(char *at, uint64_t value)
{
    while (value >= 0x80) {
        *at++ = (char)(value | 0x80);
        value >>= 7;
    }
    *at++ = (char)value;
    return at;
}

static void add_varint(mu_encoder *e, uint64_t value)
{
    char *at = mu_buf_reserve(&e->out, 10);
    if (at != NULL)
        e->out.len += (size_t)(put_varint(at, value) - at);
}

static void add_integer(mu_encoder *e, mu_tag tag, int64_t value)
{
    char *start = mu_buf_reserve(&e->out, 11);
    if (start == NULL)
        return;
    start[0] = (char)tag;
    uint64_t zigzag = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
    e->out.len += (size_t)(put_varint(start + 1, zigzag) - start);
}

static void add_double(mu_encoder *e, double value)
{
    char *at = mu_buf_reserve(&e->out, 9);
    if (at == NULL)
        return;
    at[0] = MU_TAG_DOUBLE;
    memcpy(at + 1, &value, 8);
    e->out.len += 9;
}

static bool add_uuid(mu_encoder *e, mu_str text)
{
    char *start = mu_buf_reserve(&e->out, 1 + MU_UUID_BYTES);
    if (start == NULL || !mu_uuid_read(text.ptr, (uint8_t *)start + 1))
        return false;
    start[0] = MU_TAG_UUID;
    e->out.len += 1 + MU_UUID_BYTES;
    return true;
}

static void add_text(mu_encoder *e, mu_tag tag, mu_str text)
{
    if (tag == MU_TAG_STRING && text.len == MU_UUID_LENGTH && add_uuid(e, text))
        return;
    char *start = mu_buf_reserve(&e->out, 11 + text.len);
    if (start == NULL)
        return;
    start[0] = (char)tag;
    char *at = put_varint(start + 1, text.len);
    if (text.len > 0)
        memcpy(at, text.ptr, text.len);
    e->out.len += (size_t)(at - start) + text.len;
}

void mu_encode_tag(mu_encoder *encoder, mu_tag tag)
{
    mu_buf_add_char(&encoder->out, (char)tag);
}

void mu_encode_node(mu_encoder *encoder, uint32_t node)
{
    MU_DEBUG_ASSERT(node != 0);
    add_varint(encoder, node);
}

void mu_encode_end(mu_encoder *encoder)
{
    mu_buf_add_char(&encoder->out, 0);
}

void mu_encode_map(mu_encoder *encoder, uint32_t n)
{
    mu_encode_tag(encoder, MU_TAG_MAP);
    add_varint(encoder, n);
}

void mu_encode_key(mu_encoder *encoder, mu_str key)
{
    add_varint(encoder, key.len);
    mu_buf_add_str(&encoder->out, key);
}

/* -------- what was seen -------- */

static void note(mu_encoder *e, uint32_t node, mu_seen_kind kind, uint8_t cell_kinds)
{
    e->seen = mu_room(e->seen, e->n_seen, &e->seen_capacity, sizeof *e->seen);
    e->seen[e->n_seen++] = (mu_seen){.node = node, .kind = (uint8_t)kind, .cell_kinds = cell_kinds};
}

void mu_encode_object_end(mu_encoder *encoder, uint32_t node)
{
    if (encoder->shape->nodes[node].known == NULL)
        note(encoder, node, MU_SEEN_OBJECT, 0);
    mu_encode_end(encoder);
}

/* -------- failures -------- */

static const char *const json_kind_names[] = {
    [MU_JSON_NULL] = "null",     [MU_JSON_BOOLEAN] = "boolean", [MU_JSON_INTEGER] = "integer",
    [MU_JSON_DOUBLE] = "double", [MU_JSON_STRING] = "string",   [MU_JSON_ARRAY] = "list",
    [MU_JSON_OBJECT] = "object",
};

static mu_code fail_at(mu_encoder *e, uint32_t node, mu_code code, const char *what, mu_err *err)
{
    mu_str path = mu_shape_path(e->shape, node, e->scratch);
    return mu_fail(err, code, MU_STR_FMT ": %s", MU_STR_ARG(path), what);
}

static mu_code fail_type(mu_encoder *e, uint32_t node, const char *found, mu_err *err)
{
    mu_str expected = mu_type_name(e->scratch, e->shape->nodes[node].known);
    mu_str what = mu_arena_format(e->scratch, "expected " MU_STR_FMT ", found %s",
                                  MU_STR_ARG(expected), found);
    return fail_at(e, node, MU_E_TYPE, what.ptr, err);
}

static mu_code fail_form(mu_encoder *e, uint32_t node, const char *found, mu_err *err)
{
    mu_type_kind kind = e->shape->nodes[node].known->kind;
    const char *expected = kind == MU_TYPE_DATE        ? "date (YYYY-MM-DD)"
                           : kind == MU_TYPE_TIMESTAMP ? "date-time (RFC 3339)"
                                                       : mu_type_kind_name(kind);
    mu_str what = mu_arena_format(e->scratch, "expected %s, found %s", expected, found);
    return fail_at(e, node, MU_E_TYPE, what.ptr, err);
}

static mu_code check_depth(mu_encoder *e, uint32_t node, mu_err *err)
{
    if (e->shape->nodes[node].depth < MU_RECORD_DEPTH_MAX)
        return MU_OK;
    return mu_fail(err, MU_E_INPUT, "values are nested more than %u deep", MU_RECORD_DEPTH_MAX);
}

/* -------- JSON: fields and items -------- */

/* Whether a field of a record's root is left out (P12) or refused. */
static mu_code check_field(mu_encoder *e, uint32_t parent, mu_str name, mu_err *err)
{
    if (name.len > 0 && name.ptr[0] == '$' && e->shape->nodes[parent].is_root)
        return mu_fail(err, MU_E_INPUT, MU_STR_FMT ": field names that begin with $ are reserved",
                       MU_STR_ARG(name));
    return MU_OK;
}

static mu_code encode_field(mu_encoder *e, uint32_t field, const mu_json *json, mu_err *err)
{
    if (mu_shape_is_new(e->shape, field) && e->is_strict)
        return fail_at(e, field, MU_E_INPUT, "unknown field", err);
    mu_encode_node(e, field);
    return mu_encode_json(e, field, json, err);
}

/* "repo:createDate" as the object it stands for. */
static mu_code encode_prefixed(mu_encoder *e, uint32_t inner, const mu_json *json, mu_err *err)
{
    mu_encode_node(e, e->shape->nodes[inner].parent);
    mu_encode_tag(e, MU_TAG_OBJECT);
    MU_TRY(encode_field(e, inner, json, err));
    mu_encode_end(e);
    return MU_OK;
}

static mu_code encode_fields(mu_encoder *e, uint32_t node, const mu_json *json, mu_err *err)
{
    uint32_t previous = 0;
    MU_TRY(check_depth(e, node, err));
    for (uint32_t i = 0; i < json->n; i++) {
        if (json->items[i].kind == MU_JSON_NULL)
            continue;
        MU_TRY(check_field(e, node, json->names[i], err));
        previous = mu_shape_field(e->shape, node, previous, json->names[i]);
        uint32_t prefixed = e->shape->nodes[previous].prefixed;
        if (prefixed != 0)
            MU_TRY(encode_prefixed(e, prefixed, &json->items[i], err));
        else
            MU_TRY(encode_field(e, previous, &json->items[i], err));
    }
    return MU_OK;
}

mu_code mu_encode_root_fields(mu_encoder *encoder, uint32_t root, const mu_json *json, mu_err *err)
{
    return encode_fields(encoder, root, json, err);
}

static mu_code encode_object(mu_encoder *e, uint32_t node, const mu_json *json, mu_err *err)
{
    mu_encode_tag(e, MU_TAG_OBJECT);
    MU_TRY(encode_fields(e, node, json, err));
    mu_encode_end(e);
    return MU_OK;
}

static mu_code encode_list(mu_encoder *e, uint32_t node, const mu_json *json, mu_err *err)
{
    MU_TRY(check_depth(e, node, err));
    mu_encode_tag(e, MU_TAG_LIST);
    add_varint(e, json->n);
    uint32_t item = json->n == 0 ? 0 : mu_shape_item(e->shape, node);
    for (uint32_t i = 0; i < json->n; i++)
        MU_TRY(mu_encode_json(e, item, &json->items[i], err));
    return MU_OK;
}

static bool is_root_field(const mu_encoder *e, uint32_t node, mu_str name)
{
    const mu_shape_node *entry = &e->shape->nodes[node];
    return e->shape->nodes[entry->parent].is_root && mu_str_equal(entry->name, name);
}

/* The key of an identityMap's entry in its registered spelling (P14), unless another entry has
 * that already. */
static mu_str spelled_key(const mu_encoder *e, const mu_json *map, uint32_t at)
{
    mu_str spelled = mu_namespaces_spelling(e->namespaces, map->names[at]);
    for (uint32_t i = 0; i < map->n; i++)
        if (i != at && mu_str_equal(mu_namespaces_spelling(e->namespaces, map->names[i]), spelled))
            return map->names[at];
    return spelled;
}

/* P12: memberships that this service writes itself are not taken from senders. */
static bool is_entry(const mu_json *json, uint32_t i, bool is_membership)
{
    return json->items[i].kind != MU_JSON_NULL &&
           !(is_membership && mu_str_equal(json->names[i], MU_STR("ups")));
}

static mu_code encode_map(mu_encoder *e, uint32_t node, const mu_json *json, mu_err *err)
{
    MU_TRY(check_depth(e, node, err));
    bool is_membership = is_root_field(e, node, MU_STR("segmentMembership"));
    bool is_identities = e->namespaces != NULL && json->n <= MU_IDENTITIES_MAX &&
                         is_root_field(e, node, MU_STR("identityMap"));
    uint32_t n = 0;
    for (uint32_t i = 0; i < json->n; i++)
        n += is_entry(json, i, is_membership);
    mu_encode_map(e, n);
    uint32_t item = n == 0 ? 0 : mu_shape_item(e->shape, node);
    for (uint32_t i = 0; i < json->n; i++) {
        if (!is_entry(json, i, is_membership))
            continue;
        mu_encode_key(e, is_identities ? spelled_key(e, json, i) : json->names[i]);
        MU_TRY(mu_encode_json(e, item, &json->items[i], err));
    }
    return MU_OK;
}

/* -------- JSON: values -------- */

/* A path that the schema does not know keeps its kind. */
static mu_code encode_new(mu_encoder *e, uint32_t node, const mu_json *json, mu_err *err)
{
    int64_t ms;
    switch (json->kind) {
    case MU_JSON_BOOLEAN:
        note(e, node, MU_SEEN_BOOLEAN, 0);
        mu_encode_tag(e, json->boolean ? MU_TAG_TRUE : MU_TAG_FALSE);
        return MU_OK;
    case MU_JSON_INTEGER:
        note(e, node, MU_SEEN_INTEGER, 0);
        add_integer(e, MU_TAG_INTEGER, json->integer);
        return MU_OK;
    case MU_JSON_DOUBLE:
        note(e, node, MU_SEEN_DOUBLE, 0);
        add_double(e, json->number);
        return MU_OK;
    case MU_JSON_STRING:
        note(e, node, mu_parse_rfc3339(json->string, &ms) ? MU_SEEN_TIME : MU_SEEN_TEXT, 0);
        add_text(e, MU_TAG_STRING, json->string);
        return MU_OK;
    case MU_JSON_ARRAY:
        note(e, node, MU_SEEN_LIST, 0);
        return encode_list(e, node, json, err);
    case MU_JSON_OBJECT:
        note(e, node, MU_SEEN_OBJECT, 0);
        return encode_object(e, node, json, err);
    default:
        mu_encode_tag(e, MU_TAG_NULL);
        return MU_OK;
    }
}

/* An integer, or a double without a fraction that 64 bits hold. */
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

static mu_code encode_time(mu_encoder *e, uint32_t node, const mu_json *json, mu_err *err)
{
    int64_t count;
    bool is_date = e->shape->nodes[node].known->kind == MU_TYPE_DATE;
    if (json->kind == MU_JSON_STRING) {
        if (!(is_date ? mu_parse_date(json->string, &count)
                      : mu_read_instant(json->string, &count)))
            return fail_form(e, node, "string of another form", err);
    } else if (is_date || !whole_number(json, &count)) {
        return fail_type(e, node, json_kind_names[json->kind], err);
    } else if (count < MU_TIME_MIN_MS || count > MU_TIME_MAX_MS) {
        return fail_form(e, node, "a number that is no epoch milliseconds", err);
    }
    add_integer(e, is_date ? MU_TAG_DATE : MU_TAG_TIME, count);
    return MU_OK;
}

/* P11: the flag of an identity comes as text too. */
static bool boolean_text(const mu_encoder *e, uint32_t node, const mu_json *json, bool *out)
{
    if (json->kind != MU_JSON_STRING ||
        !mu_str_equal(e->shape->nodes[node].name, MU_STR("primary")))
        return false;
    *out = mu_str_equal_ascii_nocase(json->string, MU_STR("true"));
    return *out || mu_str_equal_ascii_nocase(json->string, MU_STR("false"));
}

static mu_code encode_boolean(mu_encoder *e, uint32_t node, const mu_json *json, mu_err *err)
{
    bool value = json->kind == MU_JSON_BOOLEAN && json->boolean;
    if (json->kind != MU_JSON_BOOLEAN && !boolean_text(e, node, json, &value))
        return fail_type(e, node, json_kind_names[json->kind], err);
    mu_encode_tag(e, value ? MU_TAG_TRUE : MU_TAG_FALSE);
    return MU_OK;
}

/* Where an earlier load saw integers only, a double makes the field one (docs/decisions/0056). */
static bool may_widen(const mu_encoder *e, uint32_t node)
{
    return e->shape->nodes[node].known->is_inferred && !e->is_strict;
}

static void add_widening(mu_encoder *e, uint32_t node, double number)
{
    note(e, node, MU_SEEN_DOUBLE, 0);
    add_double(e, number);
}

static mu_code encode_number(mu_encoder *e, uint32_t node, const mu_json *json, mu_err *err)
{
    int64_t whole;
    bool is_integer = e->shape->nodes[node].known->kind == MU_TYPE_INTEGER;
    if (is_integer && whole_number(json, &whole))
        add_integer(e, MU_TAG_INTEGER, whole);
    else if (is_integer && json->kind == MU_JSON_DOUBLE && may_widen(e, node))
        add_widening(e, node, json->number);
    else if (!is_integer && json->kind == MU_JSON_INTEGER)
        add_double(e, (double)json->integer);
    else if (!is_integer && json->kind == MU_JSON_DOUBLE)
        add_double(e, json->number);
    else
        return fail_type(e, node, json_kind_names[json->kind], err);
    return MU_OK;
}

static mu_code encode_known(mu_encoder *e, uint32_t node, const mu_type *type, const mu_json *json,
                            mu_err *err)
{
    switch (type->kind) {
    case MU_TYPE_BOOLEAN:
        return encode_boolean(e, node, json, err);
    case MU_TYPE_INTEGER:
    case MU_TYPE_DOUBLE:
        return encode_number(e, node, json, err);
    case MU_TYPE_DATE:
    case MU_TYPE_TIMESTAMP:
        return encode_time(e, node, json, err);
    case MU_TYPE_STRING:
        if (json->kind != MU_JSON_STRING)
            break;
        add_text(e, MU_TAG_STRING, json->string);
        return MU_OK;
    case MU_TYPE_LIST:
        if (json->kind == MU_JSON_ARRAY)
            return encode_list(e, node, json, err);
        break;
    case MU_TYPE_MAP:
        if (json->kind == MU_JSON_OBJECT)
            return encode_map(e, node, json, err);
        break;
    case MU_TYPE_OBJECT:
        if (json->kind == MU_JSON_OBJECT)
            return encode_object(e, node, json, err);
        break;
    default:
        break;
    }
    return fail_type(e, node, json_kind_names[json->kind], err);
}

/* The recursion is bounded by check_depth. */
mu_code mu_encode_json(mu_encoder *encoder, uint32_t node, const mu_json *json, mu_err *err)
{
    const mu_type *known = encoder->shape->nodes[node].known;
    if (known == NULL)
        return encode_new(encoder, node, json, err);
    if (json->kind == MU_JSON_NULL) {
        mu_encode_tag(encoder, MU_TAG_NULL);
        return MU_OK;
    }
    return encode_known(encoder, node, known, json, err);
}

/* -------- cells -------- */

static mu_code encode_json_cell(mu_encoder *e, mu_json_reader *reader, uint32_t node, mu_str cell,
                                mu_err *err)
{
    mu_json json;
    mu_code code = mu_json_read(reader, e->scratch, cell, &json, err);
    if (code == MU_E_NOMEM)
        return code;
    if (code != MU_OK)
        return fail_type(e, node, "a cell that is not JSON", err);
    return mu_encode_json(e, node, &json, err);
}

static void add_value(mu_encoder *e, mu_value value)
{
    switch (value.kind) {
    case MU_TYPE_BOOLEAN:
        mu_encode_tag(e, value.boolean ? MU_TAG_TRUE : MU_TAG_FALSE);
        break;
    case MU_TYPE_INTEGER:
        add_integer(e, MU_TAG_INTEGER, value.integer);
        break;
    case MU_TYPE_DOUBLE:
        add_double(e, value.number);
        break;
    case MU_TYPE_DATE:
        add_integer(e, MU_TAG_DATE, value.integer);
        break;
    case MU_TYPE_TIMESTAMP:
        add_integer(e, MU_TAG_TIME, value.integer);
        break;
    default:
        MU_ASSERT(value.kind == MU_TYPE_STRING);
        add_text(e, MU_TAG_STRING, value.string);
    }
}

mu_code mu_encode_cell(mu_encoder *encoder, mu_json_reader *reader, uint32_t node, mu_str cell,
                       mu_err *err)
{
    const mu_shape_node *entry = &encoder->shape->nodes[node];
    mu_value value;
    if (entry->known == NULL) {
        uint8_t kinds = entry->cell_kinds == 0 ? 0 : mu_cell_kinds(cell, entry->cell_kinds);
        note(encoder, node, MU_SEEN_CELL, kinds);
        add_text(encoder, MU_TAG_CELL, cell);
        return MU_OK;
    }
    mu_type_kind kind = entry->known->kind;
    if (kind == MU_TYPE_LIST || kind == MU_TYPE_MAP || kind == MU_TYPE_OBJECT)
        return encode_json_cell(encoder, reader, node, cell, err);
    if (may_widen(encoder, node) && mu_cell_kinds(cell, MU_CELL_ANY) == MU_CELL_DOUBLE &&
        mu_cell_value(cell, MU_TYPE_DOUBLE, &value)) {
        add_widening(encoder, node, value.number);
        return MU_OK;
    }
    if (!mu_cell_value(cell, kind, &value))
        return fail_form(encoder, node, "text of another form", err);
    add_value(encoder, value);
    return MU_OK;
}
