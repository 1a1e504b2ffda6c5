/* fields.c -- which fields go out, and a value written as JSON without the others. */
#include "export/export_int.h"

/* -------- paths -------- */

mu_export_paths mu_export_paths_of(mu_arena *arena, mu_str text)
{
    uint32_t n = 0, n_max = 1;
    for (size_t i = 0; i < text.len; i++)
        n_max += text.ptr[i] == ',';
    mu_str *paths = MU_NEW_ARRAY(arena, mu_str, n_max);
    while (text.len > 0) {
        const char *comma = memchr(text.ptr, ',', text.len);
        size_t len = comma == NULL ? text.len : (size_t)(comma - text.ptr);
        mu_str path = mu_str_trim((mu_str){text.ptr, len});
        if (path.len > 0)
            paths[n++] = path;
        len += comma != NULL;
        text = (mu_str){text.ptr + len, text.len - len};
    }
    return (mu_export_paths){.all = n == 0, .n = n, .paths = paths};
}

/* Paths that are still to be followed below some value. */
typedef struct rest {
    uint32_t n;
    mu_str *paths;
    bool whole; /* one of them ended here */
} rest;

static mu_str step_of(mu_str path)
{
    const char *dot = path.len == 0 ? NULL : memchr(path.ptr, '.', path.len);
    return (mu_str){path.ptr, dot == NULL ? path.len : (size_t)(dot - path.ptr)};
}

/* What goes on below the member `name`. */
static rest below(mu_arena *arena, const rest *paths, mu_str name)
{
    uint32_t n_max = 0;
    for (uint32_t i = 0; i < paths->n; i++)
        n_max += mu_str_equal(step_of(paths->paths[i]), name);
    rest out = {.paths = MU_NEW_ARRAY(arena, mu_str, n_max)};
    for (uint32_t i = 0; i < paths->n && n_max > 0; i++) {
        mu_str path = paths->paths[i], step = step_of(path);
        if (!mu_str_equal(step, name))
            continue;
        if (step.len == path.len)
            out.whole = true;
        else
            out.paths[out.n++] = (mu_str){path.ptr + step.len + 1, path.len - step.len - 1};
    }
    return out;
}

/* -------- compiling -------- */

/* `wanted`, with `whole`: everything. `hidden` is never whole: then there is no node. */
static const mu_export_field *compile(mu_arena *arena, const mu_type *type, const rest *wanted,
                                      const rest *hidden);

/* A field or key, or NULL when nothing of it goes out. */
static mu_export_field *compile_member(mu_arena *arena, mu_str name, const mu_type *type,
                                       const rest *wanted, const rest *hidden)
{
    rest inner = below(arena, wanted, name), hidden_inner = below(arena, hidden, name);
    inner.whole |= wanted->whole;
    if (hidden_inner.whole || (!inner.whole && inner.n == 0))
        return NULL;
    const mu_export_field *made = compile(arena, type, &inner, &hidden_inner);
    if (made == NULL)
        return NULL;
    mu_export_field *named = MU_NEW(arena, mu_export_field);
    *named = *made;
    named->name = name;
    return named;
}

static const mu_export_field *compile_object(mu_arena *arena, const mu_type *type,
                                             const rest *wanted, const rest *hidden)
{
    const mu_export_field **fields = MU_NEW_ARRAY(arena, const mu_export_field *, type->n_fields);
    uint32_t n = 0;
    for (uint32_t f = 0; f < type->n_fields; f++) {
        if (mu_str_starts_with(type->field_names[f], MU_STR("$")))
            continue;
        mu_export_field *made =
            compile_member(arena, type->field_names[f], type->field_types[f], wanted, hidden);
        if (made == NULL)
            continue;
        made->place = f;
        fields[n++] = made;
    }
    if (n == 0)
        return NULL;
    mu_export_field *field = MU_NEW(arena, mu_export_field);
    *field = (mu_export_field){.type = type, .n_fields = n, .fields = fields};
    return field;
}

static bool has_key(const mu_export_field *const *keys, uint32_t n, mu_str name)
{
    for (uint32_t i = 0; i < n; i++)
        if (mu_str_equal(keys[i]->name, name))
            return true;
    return false;
}

static void add_keys(mu_arena *arena, const mu_type *type, const rest *named, const rest *wanted,
                     const rest *hidden, const mu_export_field **keys, uint32_t *n)
{
    for (uint32_t i = 0; i < named->n; i++) {
        mu_str name = step_of(named->paths[i]);
        if (has_key(keys, *n, name))
            continue;
        mu_export_field *made = compile_member(arena, name, type->item, wanted, hidden);
        if (made == NULL) {
            made = MU_NEW(arena, mu_export_field);
            made->name = name;
        }
        keys[(*n)++] = made;
    }
}

static const mu_export_field *compile_map(mu_arena *arena, const mu_type *type, const rest *wanted,
                                          const rest *hidden)
{
    const rest everything = {.whole = true}, nothing = {.n = 0};
    mu_export_field *field = MU_NEW(arena, mu_export_field);
    const mu_export_field **keys =
        MU_NEW_ARRAY(arena, const mu_export_field *, (size_t)wanted->n + hidden->n);
    *field = (mu_export_field){.type = type, .fields = keys};
    if (!wanted->whole)
        add_keys(arena, type, wanted, wanted, hidden, keys, &field->n_fields);
    add_keys(arena, type, hidden, wanted, hidden, keys, &field->n_fields);
    if (wanted->whole)
        field->item = compile(arena, type->item, &everything, &nothing);
    bool has_any = field->item != NULL;
    for (uint32_t i = 0; i < field->n_fields; i++)
        has_any |= keys[i]->type != NULL;
    return has_any ? field : NULL;
}

static const mu_export_field *compile(mu_arena *arena, const mu_type *type, const rest *wanted,
                                      const rest *hidden)
{
    if (type->kind == MU_TYPE_OBJECT)
        return compile_object(arena, type, wanted, hidden);
    if (type->kind == MU_TYPE_MAP)
        return compile_map(arena, type, wanted, hidden);
    mu_export_field *field = MU_NEW(arena, mu_export_field);
    *field = (mu_export_field){.type = type};
    if (type->kind == MU_TYPE_LIST) {
        field->item = compile(arena, type->item, wanted, hidden);
        return field->item == NULL ? NULL : field;
    }
    return wanted->whole ? field : NULL;
}

const mu_export_field *mu_export_fields_of(mu_arena *arena, const mu_type *type,
                                           const mu_export_paths *wanted, uint32_t n_hidden,
                                           const mu_str *hidden)
{
    const rest paths = {.n = wanted->n, .paths = (mu_str *)wanted->paths, .whole = wanted->all};
    const rest leave = {.n = n_hidden, .paths = (mu_str *)hidden};
    return compile(arena, type, &paths, &leave);
}

/* -------- JSON -------- */

static void write_object(mu_json_writer *writer, const mu_export_field *field, mu_value value);

/* A member, unless there is nothing in it: what was written of an object or map without what is
 * wanted is taken back. */
static void write_member(mu_json_writer *writer, mu_str name, const mu_export_field *field,
                         mu_value value)
{
    if (mu_value_is_null(value))
        return;
    size_t len = writer->buf->len;
    bool needs_comma = writer->needs_comma;
    mu_json_name(writer, name);
    size_t begin = writer->buf->len;
    mu_export_write_json(writer, field, value);
    bool may_be_left_out = field->type->kind == MU_TYPE_OBJECT ||
                           (field->type->kind == MU_TYPE_MAP && field->n_fields > 0);
    if (may_be_left_out && writer->buf->len == begin + 2 && !writer->buf->failed) {
        writer->buf->len = len;
        writer->needs_comma = needs_comma;
    }
}

static void write_object(mu_json_writer *writer, const mu_export_field *field, mu_value value)
{
    mu_json_begin_object(writer);
    for (uint32_t f = 0; f < field->n_fields; f++)
        if (field->fields[f]->place < value.n)
            write_member(writer, field->fields[f]->name, field->fields[f],
                         value.items[field->fields[f]->place]);
    mu_json_end_object(writer);
}

static const mu_export_field *rule_of_key(const mu_export_field *map, mu_str key)
{
    for (uint32_t i = 0; i < map->n_fields; i++)
        if (mu_str_equal(map->fields[i]->name, key))
            return map->fields[i]->type == NULL ? NULL : map->fields[i];
    return map->item;
}

static void write_map(mu_json_writer *writer, const mu_export_field *field, mu_value value)
{
    mu_json_begin_object(writer);
    for (uint32_t i = 0; i < value.n; i++) {
        const mu_export_field *rule = rule_of_key(field, value.keys[i]);
        if (rule != NULL)
            write_member(writer, value.keys[i], rule, value.items[i]);
    }
    mu_json_end_object(writer);
}

/* The depth of types bounds the recursion. */
void mu_export_write_json(mu_json_writer *writer, const mu_export_field *field, mu_value value)
{
    if (value.kind != field->type->kind) {
        mu_value_write(writer, value); /* null, or a type that says nothing */
        return;
    }
    switch (field->type->kind) {
    case MU_TYPE_OBJECT:
        write_object(writer, field, value);
        break;
    case MU_TYPE_MAP:
        write_map(writer, field, value);
        break;
    case MU_TYPE_LIST:
        mu_json_begin_array(writer);
        for (uint32_t i = 0; i < value.n; i++)
            mu_export_write_json(writer, field->item, value.items[i]);
        mu_json_end_array(writer);
        break;
    default:
        mu_value_write(writer, value);
        break;
    }
}
