/* draft.c -- types that grow path by path. */
#include "xdm/schema_int.h"

#include "base/buf.h"

bool mu_scalar_kind(mu_str name, mu_type_kind *out)
{
    for (mu_type_kind kind = MU_TYPE_BOOLEAN; kind <= MU_TYPE_TIMESTAMP; kind++) {
        if (mu_str_equal(name, mu_str_from(mu_type_kind_name(kind)))) {
            *out = kind;
            return true;
        }
    }
    return false;
}

static mu_draft *draft_new(mu_arena *arena, mu_type_kind kind)
{
    mu_draft *draft = MU_NEW(arena, mu_draft);
    draft->kind = kind;
    return draft;
}

static void add_field(mu_arena *arena, mu_draft *object, mu_str name, mu_draft *field)
{
    if (object->n_fields == object->capacity) {
        uint32_t capacity = object->capacity == 0 ? 8 : object->capacity * 2;
        mu_str *names = MU_NEW_ARRAY(arena, mu_str, capacity);
        mu_draft **fields = MU_NEW_ARRAY(arena, mu_draft *, capacity);
        for (uint32_t f = 0; f < object->n_fields; f++) {
            names[f] = object->names[f];
            fields[f] = object->fields[f];
        }
        object->names = names;
        object->fields = fields;
        object->capacity = capacity;
    }
    object->names[object->n_fields] = name;
    object->fields[object->n_fields++] = field;
}

mu_draft *mu_draft_of(mu_arena *arena, const mu_type *type)
{
    mu_draft *draft = draft_new(arena, type->kind);
    draft->target_class = type->target_class;
    draft->is_inferred = type->is_inferred;
    if (type->kind == MU_TYPE_LIST || type->kind == MU_TYPE_MAP)
        draft->item = mu_draft_of(arena, type->item);
    for (uint32_t f = 0; f < type->n_fields; f++)
        add_field(arena, draft, type->field_names[f], mu_draft_of(arena, type->field_types[f]));
    return draft;
}

const mu_type *mu_draft_type(mu_arena *arena, const mu_draft *draft)
{
    switch (draft->kind) {
    case MU_TYPE_LIST:
        return mu_type_list(arena, mu_draft_type(arena, draft->item));
    case MU_TYPE_MAP:
        return mu_type_map(arena, mu_draft_type(arena, draft->item));
    case MU_TYPE_OBJECT: {
        const mu_type **types = MU_NEW_ARRAY(arena, const mu_type *, draft->n_fields);
        for (uint32_t f = 0; f < draft->n_fields; f++)
            types[f] = mu_draft_type(arena, draft->fields[f]);
        return mu_type_object(arena, draft->n_fields, draft->names, types);
    }
    default:
        if (draft->target_class.len > 0)
            return mu_type_key_of(arena, draft->target_class);
        return draft->is_inferred ? mu_type_inferred_integer() : mu_type_of(draft->kind);
    }
}

static mu_draft *field_of(const mu_draft *object, mu_str name)
{
    for (uint32_t f = 0; f < object->n_fields; f++)
        if (mu_str_equal(object->names[f], name))
            return object->fields[f];
    return NULL;
}

mu_draft *mu_draft_at(mu_draft *draft, mu_str path)
{
    while (path.len > 0) {
        const char *dot = memchr(path.ptr, '.', path.len);
        mu_str step = {path.ptr, dot == NULL ? path.len : (size_t)(dot - path.ptr)};
        path = dot == NULL ? (mu_str){path.ptr + path.len, 0}
                           : (mu_str){dot + 1, path.len - step.len - 1};
        while (draft->kind == MU_TYPE_LIST)
            draft = draft->item;
        draft = draft->kind == MU_TYPE_MAP ? draft->item : field_of(draft, step);
        if (draft == NULL)
            return NULL;
    }
    return draft;
}

/* -------- paths -------- */

typedef struct path_reader {
    mu_arena *arena;
    mu_str path;
    size_t at;
    uint32_t depth;
    mu_err *err;
} path_reader;

static mu_code bad_path(const path_reader *p, const char *what)
{
    return mu_fail(p->err, MU_E_INPUT, "field path \"" MU_STR_FMT "\": %s", MU_STR_ARG(p->path),
                   what);
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == ':' || c == '@';
}

/* "`" any text, two backticks for one "`" */
static mu_code read_quoted_name(path_reader *p, mu_str *out)
{
    mu_buf name;
    mu_buf_init(&name, p->path.len + 1);
    size_t at = p->at + 1;
    for (; at < p->path.len; at++) {
        if (p->path.ptr[at] == '`') {
            if (at + 1 == p->path.len || p->path.ptr[at + 1] != '`')
                break;
            at++;
        }
        mu_buf_add_char(&name, p->path.ptr[at]);
    }
    bool closed = at < p->path.len;
    *out = mu_arena_copy(p->arena, mu_buf_str(&name));
    mu_buf_free(&name);
    p->at = at + 1;
    return closed ? MU_OK : bad_path(p, "a backtick is not closed");
}

static mu_code read_name(path_reader *p, mu_str *out)
{
    if (p->at < p->path.len && p->path.ptr[p->at] == '`')
        return read_quoted_name(p, out);
    size_t start = p->at;
    while (p->at < p->path.len && is_name_char(p->path.ptr[p->at]))
        p->at++;
    if (p->at == start)
        return bad_path(p, "a name is expected");
    *out = mu_arena_copy(p->arena, (mu_str){p->path.ptr + start, p->at - start});
    return MU_OK;
}

static mu_code settle(const path_reader *p, mu_draft *draft, mu_type_kind kind)
{
    if (draft->kind == MU_TYPE_ANY || (draft->is_inferred && kind == MU_TYPE_DOUBLE))
        draft->kind = kind;
    draft->is_inferred = false;
    if (draft->kind != kind)
        return mu_fail(
            p->err, MU_E_CONFLICT, "field path \"" MU_STR_FMT "\": %s here, but already %s",
            MU_STR_ARG(p->path), mu_type_kind_name(kind), mu_type_kind_name(draft->kind));
    return MU_OK;
}

/* One level down; paths deeper than MU_TYPE_DEPTH_MAX are refused. */
static mu_code deeper(path_reader *p)
{
    return ++p->depth < MU_TYPE_DEPTH_MAX ? MU_OK : bad_path(p, "nested too deeply");
}

/* "[]" and "{}" after a name */
static mu_code read_container_steps(path_reader *p, mu_draft **draft)
{
    while (p->at + 1 < p->path.len) {
        bool is_list = p->path.ptr[p->at] == '[' && p->path.ptr[p->at + 1] == ']';
        bool is_map = p->path.ptr[p->at] == '{' && p->path.ptr[p->at + 1] == '}';
        if (!is_list && !is_map)
            break;
        p->at += 2;
        MU_TRY(deeper(p));
        MU_TRY(settle(p, *draft, is_list ? MU_TYPE_LIST : MU_TYPE_MAP));
        if ((*draft)->item == NULL)
            (*draft)->item = draft_new(p->arena, MU_TYPE_ANY);
        *draft = (*draft)->item;
    }
    return MU_OK;
}

static mu_code read_step(path_reader *p, mu_draft **draft)
{
    mu_str name = MU_STR("");
    MU_TRY(deeper(p));
    MU_TRY(settle(p, *draft, MU_TYPE_OBJECT));
    MU_TRY(read_name(p, &name));
    mu_draft *field = field_of(*draft, name);
    if (field == NULL) {
        field = draft_new(p->arena, MU_TYPE_ANY);
        add_field(p->arena, *draft, name, field);
    }
    *draft = field;
    return read_container_steps(p, draft);
}

mu_code mu_draft_add(mu_arena *arena, mu_draft *draft, mu_str path, mu_type_kind kind, mu_err *err)
{
    path_reader p = {.arena = arena, .path = path, .err = err};
    MU_TRY(read_step(&p, &draft));
    while (p.at < path.len) {
        if (path.ptr[p.at] != '.')
            return bad_path(&p, "'.', \"[]\" or \"{}\" is expected after a name");
        p.at++;
        MU_TRY(read_step(&p, &draft));
    }
    return settle(&p, draft, kind);
}

/* -------- whole types -------- */

typedef struct merge_place {
    const struct merge_place *above;
    mu_str name; /* "[]" and "{}" for items and values */
} merge_place;

static void write_merge_place(mu_buf *buf, const merge_place *at)
{
    if (at->above == NULL)
        return;
    write_merge_place(buf, at->above);
    bool is_mark = at->name.ptr[0] == '[' || at->name.ptr[0] == '{';
    if (buf->len > 0 && !is_mark)
        mu_buf_add_char(buf, '.');
    mu_buf_add_str(buf, at->name);
}

static mu_code merge_conflict(const merge_place *at, mu_type_kind new, mu_type_kind old,
                              mu_err *err)
{
    mu_buf path;
    mu_buf_init(&path, 300);
    write_merge_place(&path, at);
    mu_code code =
        mu_fail(err, MU_E_CONFLICT, "\"" MU_STR_FMT "\" is %s here, but already %s",
                MU_STR_ARG(mu_buf_str(&path)), mu_type_kind_name(new), mu_type_kind_name(old));
    mu_buf_free(&path);
    return code;
}

static bool is_empty_object(const mu_type *type)
{
    while (type->kind == MU_TYPE_LIST || type->kind == MU_TYPE_MAP)
        type = type->item;
    return type->kind == MU_TYPE_OBJECT && type->n_fields == 0;
}

/* Recursion is bounded by the depth of types. */
static mu_code merge_type(mu_arena *arena, mu_draft *draft, const mu_type *type,
                          const merge_place *at, mu_err *err)
{
    if (draft->kind == MU_TYPE_ANY || (draft->is_inferred && type->kind == MU_TYPE_DOUBLE))
        draft->kind = type->kind;
    draft->is_inferred = false;
    if (draft->kind != type->kind)
        return merge_conflict(at, type->kind, draft->kind, err);
    if (type->kind == MU_TYPE_LIST || type->kind == MU_TYPE_MAP) {
        merge_place item = {at, type->kind == MU_TYPE_LIST ? MU_STR("[]") : MU_STR("{}")};
        if (draft->item == NULL)
            draft->item = draft_new(arena, MU_TYPE_ANY);
        return merge_type(arena, draft->item, type->item, &item, err);
    }
    for (uint32_t f = 0; f < type->n_fields; f++) {
        if (is_empty_object(type->field_types[f]))
            continue;
        merge_place below = {at, type->field_names[f]};
        mu_draft *field = field_of(draft, type->field_names[f]);
        if (field == NULL) {
            field = draft_new(arena, MU_TYPE_ANY);
            add_field(arena, draft, mu_arena_copy(arena, type->field_names[f]), field);
        }
        MU_TRY(merge_type(arena, field, type->field_types[f], &below, err));
    }
    return MU_OK;
}

mu_code mu_draft_merge(mu_arena *arena, mu_draft *draft, const mu_type *type, mu_err *err)
{
    merge_place root = {NULL, MU_STR("")};
    return merge_type(arena, draft, type, &root, err);
}
