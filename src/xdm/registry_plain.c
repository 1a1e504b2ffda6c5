/* registry_plain.c -- names without prefixes: schema documents and entities in their plain form
 * (profile.md P4). */
#include "xdm/registry_int.h"

#include "xdm/value.h"

/* Schemas nested deeper than any type may be are refused. */
#define DOCUMENT_DEPTH_MAX 200

/* Names with a prefix that stands for an object, in one object; standard ones have up to ten. */
#define SPLIT_NAMES_MAX 64u

bool mu_xdm_split_name(mu_arena *arena, mu_str name, mu_str *outer, mu_str *inner)
{
    const char *colon = name.len == 0 ? NULL : memchr(name.ptr, ':', name.len);
    if (colon == NULL)
        return false;
    size_t at = (size_t)(colon - name.ptr);
    if (at == 0 || at + 1 == name.len || memchr(name.ptr, '/', name.len) != NULL)
        return false;
    *outer = mu_arena_format(arena, "_%.*s", (int)at, name.ptr);
    *inner = (mu_str){colon + 1, name.len - at - 1};
    return true;
}

static bool is_plain(mu_str name)
{
    return name.len == 0 || (name.ptr[0] != '@' && memchr(name.ptr, ':', name.len) == NULL);
}

/* -------- objects under construction -------- */

typedef struct object_builder {
    uint32_t n;
    mu_str *names;
    mu_json *items;
    mu_strmap index; /* name -> item */
} object_builder;

static object_builder builder_new(mu_arena *arena, uint32_t room)
{
    object_builder b = {.names = MU_NEW_ARRAY(arena, mu_str, room),
                        .items = MU_NEW_ARRAY(arena, mu_json, room)};
    mu_strmap_init(&b.index);
    return b;
}

static mu_json *builder_put(object_builder *b, mu_str name)
{
    bool is_new = false;
    uint64_t *item = mu_strmap_put(&b->index, name, &is_new);
    if (is_new) {
        *item = b->n;
        b->names[b->n] = name;
        b->items[b->n++] = (mu_json){.kind = MU_JSON_NULL};
    }
    return &b->items[*item];
}

static mu_json builder_end(object_builder *b)
{
    mu_strmap_free(&b->index);
    return (mu_json){.kind = MU_JSON_OBJECT, .n = b->n, .names = b->names, .items = b->items};
}

/* `object` with one more member, or the member replaced. */
static mu_json with_member(mu_arena *arena, const mu_json *object, mu_str name, mu_json value)
{
    uint32_t n = object->kind == MU_JSON_OBJECT ? object->n : 0;
    object_builder b = builder_new(arena, n + 1);
    for (uint32_t i = 0; i < n; i++)
        *builder_put(&b, object->names[i]) = object->items[i];
    *builder_put(&b, name) = value;
    return builder_end(&b);
}

/* -------- schema documents -------- */

static mu_code plain_schema(mu_arena *arena, const mu_json *schema, int depth, mu_json *out,
                            mu_err *err);

/* {"type":"object","properties":{...}} around the fields of one prefix, or one field more in it. */
static mu_json prefix_object(mu_arena *arena, const mu_json *before, mu_str name, mu_json field)
{
    const mu_json *fields = mu_json_member(before, MU_STR("properties"));
    mu_json none = {.kind = MU_JSON_OBJECT};
    mu_json properties = with_member(arena, fields == NULL ? &none : fields, name, field);
    mu_json type = {.kind = MU_JSON_STRING, .string = MU_STR("object")};
    mu_json object = with_member(arena, before, MU_STR("type"), type);
    return with_member(arena, &object, MU_STR("properties"), properties);
}

static mu_code plain_properties(mu_arena *arena, const mu_json *properties, int depth, mu_json *out,
                                mu_err *err)
{
    if (properties->kind != MU_JSON_OBJECT)
        return mu_fail(err, MU_E_INPUT, "\"properties\" must be an object");
    mu_json *fields = MU_NEW_ARRAY(arena, mu_json, properties->n);
    for (uint32_t i = 0; i < properties->n; i++)
        MU_TRY(plain_schema(arena, &properties->items[i], depth + 1, &fields[i], err));
    object_builder b = builder_new(arena, properties->n);
    uint32_t n_split = 0;
    for (uint32_t i = 0; i < properties->n; i++) {
        mu_str outer, inner;
        mu_str name = mu_xdm_plain_name(properties->names[i]);
        if (n_split < SPLIT_NAMES_MAX && mu_xdm_split_name(arena, name, &outer, &inner)) {
            mu_json *object = builder_put(&b, outer);
            *object = prefix_object(arena, object, inner, fields[i]);
            n_split++;
        } else {
            *builder_put(&b, name) = fields[i];
        }
    }
    *out = builder_end(&b);
    return MU_OK;
}

static mu_code plain_list(mu_arena *arena, const mu_json *list, int depth, mu_json *out,
                          mu_err *err)
{
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, list->n);
    for (uint32_t i = 0; i < list->n; i++)
        MU_TRY(plain_schema(arena, &list->items[i], depth + 1, &items[i], err));
    *out = (mu_json){.kind = MU_JSON_ARRAY, .n = list->n, .items = items};
    return MU_OK;
}

static mu_code plain_definitions(mu_arena *arena, const mu_json *definitions, int depth,
                                 mu_json *out, mu_err *err)
{
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, definitions->n);
    for (uint32_t i = 0; i < definitions->n; i++)
        MU_TRY(plain_schema(arena, &definitions->items[i], depth + 1, &items[i], err));
    *out = *definitions;
    out->items = items;
    return MU_OK;
}

static mu_json plain_required(mu_arena *arena, const mu_json *required)
{
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, required->n);
    for (uint32_t i = 0; i < required->n; i++) {
        mu_str outer, inner;
        items[i] = required->items[i];
        if (items[i].kind != MU_JSON_STRING)
            continue;
        items[i].string = mu_xdm_plain_name(items[i].string);
        if (mu_xdm_split_name(arena, items[i].string, &outer, &inner))
            items[i].string = outer;
    }
    return (mu_json){.kind = MU_JSON_ARRAY, .n = required->n, .items = items};
}

static mu_code plain_keyword(mu_arena *arena, mu_str keyword, const mu_json *value, int depth,
                             mu_json *out, mu_err *err)
{
    *out = *value;
    if (mu_str_equal(keyword, MU_STR("properties")))
        return plain_properties(arena, value, depth, out, err);
    if (mu_str_equal(keyword, MU_STR("definitions")) && value->kind == MU_JSON_OBJECT)
        return plain_definitions(arena, value, depth, out, err);
    if (mu_str_equal(keyword, MU_STR("allOf")) && value->kind == MU_JSON_ARRAY)
        return plain_list(arena, value, depth, out, err);
    if (mu_str_equal(keyword, MU_STR("required")) && value->kind == MU_JSON_ARRAY)
        *out = plain_required(arena, value);
    if (value->kind == MU_JSON_OBJECT && (mu_str_equal(keyword, MU_STR("items")) ||
                                          mu_str_equal(keyword, MU_STR("additionalProperties"))))
        return plain_schema(arena, value, depth + 1, out, err);
    return MU_OK;
}

static mu_code plain_schema(mu_arena *arena, const mu_json *schema, int depth, mu_json *out,
                            mu_err *err)
{
    if (depth > DOCUMENT_DEPTH_MAX)
        return mu_fail(err, MU_E_INPUT, "nested too deeply");
    *out = *schema;
    if (schema->kind != MU_JSON_OBJECT)
        return MU_OK;
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, schema->n);
    for (uint32_t i = 0; i < schema->n; i++)
        MU_TRY(plain_keyword(arena, schema->names[i], &schema->items[i], depth, &items[i], err));
    out->items = items;
    return MU_OK;
}

mu_code mu_xdm_plain_document(mu_arena *arena, const mu_json *document, mu_json *out, mu_err *err)
{
    return plain_schema(arena, document, 0, out, err);
}

/* -------- entities -------- */

static bool entity_is_plain(const mu_json *json)
{
    if (json->kind != MU_JSON_OBJECT && json->kind != MU_JSON_ARRAY)
        return true;
    for (uint32_t i = 0; i < json->n; i++) {
        if (json->kind == MU_JSON_OBJECT && !is_plain(json->names[i]))
            return false;
        if (!entity_is_plain(&json->items[i]))
            return false;
    }
    return true;
}

/* `later` over `earlier`: objects member by member. */
static mu_json merged(mu_arena *arena, const mu_json *earlier, const mu_json *later)
{
    if (earlier->kind != MU_JSON_OBJECT || later->kind != MU_JSON_OBJECT)
        return *later;
    object_builder b = builder_new(arena, earlier->n + later->n);
    for (uint32_t i = 0; i < earlier->n; i++)
        *builder_put(&b, earlier->names[i]) = earlier->items[i];
    for (uint32_t i = 0; i < later->n; i++)
        *builder_put(&b, later->names[i]) = later->items[i];
    return builder_end(&b);
}

/* Recursion is bounded by the depth of JSON. `node`: what is declared there, or NULL. */
static mu_json plain_value(mu_arena *arena, const mu_xdm_node *node, const mu_json *json);

static mu_json plain_object(mu_arena *arena, const mu_xdm_node *node, const mu_json *json)
{
    object_builder b = builder_new(arena, json->n);
    bool is_map = node != NULL && node->type->kind == MU_TYPE_MAP;
    uint32_t n_split = 0;
    for (uint32_t i = 0; i < json->n; i++) {
        mu_str name = is_map ? json->names[i] : mu_xdm_plain_name(json->names[i]);
        mu_str outer, inner = MU_STR("");
        mu_json inner_object;
        const mu_json *value = &json->items[i];
        if (!is_map && n_split < SPLIT_NAMES_MAX &&
            mu_xdm_split_name(arena, name, &outer, &inner)) {
            n_split++;
            mu_json none = {.kind = MU_JSON_OBJECT};
            inner_object = with_member(arena, &none, inner, *value);
            value = &inner_object;
            name = outer;
        }
        int field = node == NULL || is_map ? -1 : mu_type_field(node->type, name);
        const mu_xdm_node *below = field >= 0 ? node->fields[field] : is_map ? node->item : NULL;
        mu_json plain = plain_value(arena, below, value);
        mu_json *slot = builder_put(&b, name);
        *slot = merged(arena, slot, &plain);
    }
    return builder_end(&b);
}

static mu_json plain_value(mu_arena *arena, const mu_xdm_node *node, const mu_json *json)
{
    if (json->kind == MU_JSON_OBJECT)
        return plain_object(arena, node, json);
    if (json->kind != MU_JSON_ARRAY)
        return *json;
    const mu_xdm_node *below = node != NULL && node->type->kind == MU_TYPE_LIST ? node->item : NULL;
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, json->n);
    for (uint32_t i = 0; i < json->n; i++)
        items[i] = plain_value(arena, below, &json->items[i]);
    return (mu_json){.kind = MU_JSON_ARRAY, .n = json->n, .items = items};
}

const mu_json *mu_xdm_plain_entity(const mu_xdm_schema *schema, const mu_json *entity,
                                   mu_arena *arena)
{
    if (entity_is_plain(entity))
        return entity;
    mu_json *plain = MU_NEW(arena, mu_json);
    *plain = plain_value(arena, schema->root, entity);
    return plain;
}
