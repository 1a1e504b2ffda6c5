/* type.c -- building, searching, comparing and naming types. */
#include "xdm/type.h"

#include "base/hash.h"

/* Objects with fewer fields are searched one by one, which is as fast. */
#define INDEX_FIELDS_MIN 9

static const mu_type shared_any = {.kind = MU_TYPE_ANY};

static const mu_type shared_inferred_integer = {.kind = MU_TYPE_INTEGER, .is_inferred = true};

static const mu_type shared_types[] = {
    [MU_TYPE_NULL] = {.kind = MU_TYPE_NULL},
    [MU_TYPE_BOOLEAN] = {.kind = MU_TYPE_BOOLEAN},
    [MU_TYPE_INTEGER] = {.kind = MU_TYPE_INTEGER},
    [MU_TYPE_DOUBLE] = {.kind = MU_TYPE_DOUBLE},
    [MU_TYPE_STRING] = {.kind = MU_TYPE_STRING},
    [MU_TYPE_DATE] = {.kind = MU_TYPE_DATE},
    [MU_TYPE_TIMESTAMP] = {.kind = MU_TYPE_TIMESTAMP},
    [MU_TYPE_LIST] = {.kind = MU_TYPE_LIST, .item = &shared_any},
    [MU_TYPE_MAP] = {.kind = MU_TYPE_MAP, .item = &shared_any},
    [MU_TYPE_OBJECT] = {.kind = MU_TYPE_OBJECT},
    [MU_TYPE_FUNCTION] = {.kind = MU_TYPE_FUNCTION},
    [MU_TYPE_ANY] = {.kind = MU_TYPE_ANY},
};

static const char *const kind_names[] = {
    [MU_TYPE_NULL] = "null",
    [MU_TYPE_BOOLEAN] = "boolean",
    [MU_TYPE_INTEGER] = "integer",
    [MU_TYPE_DOUBLE] = "double",
    [MU_TYPE_STRING] = "string",
    [MU_TYPE_DATE] = "date",
    [MU_TYPE_TIMESTAMP] = "date-time",
    [MU_TYPE_LIST] = "list",
    [MU_TYPE_MAP] = "map",
    [MU_TYPE_OBJECT] = "object",
    [MU_TYPE_FUNCTION] = "function",
    [MU_TYPE_ANY] = "any",
};

const mu_type *mu_type_of(mu_type_kind kind)
{
    return &shared_types[kind];
}

const mu_type *mu_type_inferred_integer(void)
{
    return &shared_inferred_integer;
}

const char *mu_type_kind_name(mu_type_kind kind)
{
    return kind_names[kind];
}

static const mu_type *container(mu_arena *arena, mu_type_kind kind, const mu_type *item)
{
    mu_type *type = MU_NEW(arena, mu_type);
    *type = (mu_type){.kind = kind, .item = item};
    return type;
}

const mu_type *mu_type_list(mu_arena *arena, const mu_type *item)
{
    return container(arena, MU_TYPE_LIST, item);
}

const mu_type *mu_type_map(mu_arena *arena, const mu_type *item)
{
    return container(arena, MU_TYPE_MAP, item);
}

const mu_type *mu_type_key_of(mu_arena *arena, mu_str target_class)
{
    mu_type *type = MU_NEW(arena, mu_type);
    *type = (mu_type){.kind = MU_TYPE_STRING, .target_class = target_class};
    return type;
}

static uint32_t slot_of(const mu_type *object, mu_str name)
{
    return (uint32_t)mu_hash64(name.ptr, name.len, 0) & object->field_index_mask;
}

static void build_index(mu_arena *arena, mu_type *object)
{
    uint32_t n_slots = 32;
    while (n_slots < object->n_fields * 2)
        n_slots *= 2;
    uint32_t *index = MU_NEW_ARRAY(arena, uint32_t, n_slots);
    object->field_index_mask = n_slots - 1;
    for (uint32_t f = 0; f < object->n_fields; f++) {
        uint32_t slot = slot_of(object, object->field_names[f]);
        while (index[slot] != 0)
            slot = (slot + 1) & object->field_index_mask;
        index[slot] = f + 1;
    }
    object->field_index = index;
}

const mu_type *mu_type_object(mu_arena *arena, uint32_t n_fields, const mu_str *names,
                              const mu_type *const *types)
{
    mu_type *object = MU_NEW(arena, mu_type);
    *object = (mu_type){
        .kind = MU_TYPE_OBJECT, .n_fields = n_fields, .field_names = names, .field_types = types};
    if (n_fields >= INDEX_FIELDS_MIN)
        build_index(arena, object);
    return object;
}

int mu_type_field(const mu_type *object, mu_str name)
{
    if (object->field_index == NULL) {
        for (uint32_t f = 0; f < object->n_fields; f++)
            if (mu_str_equal(object->field_names[f], name))
                return (int)f;
        return -1;
    }
    for (uint32_t slot = slot_of(object, name);; slot = (slot + 1) & object->field_index_mask) {
        uint32_t field = object->field_index[slot];
        if (field == 0)
            return -1;
        if (mu_str_equal(object->field_names[field - 1], name))
            return (int)field - 1;
    }
}

const mu_type *mu_type_at(const mu_type *type, mu_str path)
{
    while (path.len > 0) {
        const char *dot = memchr(path.ptr, '.', path.len);
        mu_str step = {path.ptr, dot == NULL ? path.len : (size_t)(dot - path.ptr)};
        path = dot == NULL ? (mu_str){path.ptr + path.len, 0}
                           : (mu_str){dot + 1, path.len - step.len - 1};
        while (type->kind == MU_TYPE_LIST)
            type = type->item;
        if (type->kind == MU_TYPE_MAP) {
            type = type->item;
            continue;
        }
        int field = type->kind == MU_TYPE_OBJECT ? mu_type_field(type, step) : -1;
        if (field < 0)
            return NULL;
        type = type->field_types[field];
    }
    return type;
}

mu_str mu_type_name(mu_arena *arena, const mu_type *type)
{
    mu_str name = MU_STR("");
    for (; type->kind == MU_TYPE_LIST || type->kind == MU_TYPE_MAP; type = type->item) {
        const char *kind = kind_names[type->kind];
        if (type->item->kind == MU_TYPE_ANY)
            return mu_arena_format(arena, MU_STR_FMT "%s", MU_STR_ARG(name), kind);
        name = mu_arena_format(arena, MU_STR_FMT "%s of ", MU_STR_ARG(name), kind);
    }
    return mu_arena_format(arena, MU_STR_FMT "%s", MU_STR_ARG(name), kind_names[type->kind]);
}

static bool fields_equal(const mu_type *a, const mu_type *b)
{
    if (a->n_fields != b->n_fields)
        return false;
    for (uint32_t f = 0; f < a->n_fields; f++)
        if (!mu_str_equal(a->field_names[f], b->field_names[f]) ||
            !mu_type_equal(a->field_types[f], b->field_types[f]))
            return false;
    return true;
}

/* Recursion is bounded by the depth of types, which their builders limit. */
bool mu_type_equal(const mu_type *a, const mu_type *b)
{
    if (a == b)
        return true;
    if (a->kind != b->kind || !mu_str_equal(a->target_class, b->target_class))
        return false;
    switch (a->kind) {
    case MU_TYPE_LIST:
    case MU_TYPE_MAP:
        return mu_type_equal(a->item, b->item);
    case MU_TYPE_OBJECT:
        return fields_equal(a, b);
    default:
        return true;
    }
}
