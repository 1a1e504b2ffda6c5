/* parsing.c -- JSON documents of records: read, patched, fitted into types and put together again.
 */
#include "profile/content_int.h"

#include "base/hash.h"

/* Objects larger than this are searched through a hash map. */
#define SCAN_MAX 32u

/* A document, as text, has at most so many bytes. */
#define DOCUMENT_BYTES_MAX ((size_t)1 << 30)

void mu_parsing_end(mu_parsing *parsing)
{
    if (parsing->own != NULL)
        mu_json_reader_free(parsing->own);
    parsing->own = NULL;
}

mu_code mu_parsing_read(mu_parsing *parsing, mu_str text, mu_json *out, mu_err *err)
{
    mu_json_reader *reader = parsing->borrowed;
    if (reader == NULL) {
        if (parsing->own == NULL)
            parsing->own = mu_json_reader_new();
        reader = parsing->own;
    }
    mu_err problem;
    mu_json json;
    mu_code code = mu_json_read(reader, parsing->arena, text, &json, &problem);
    if (code == MU_E_NOMEM)
        return mu_fail(err, code, "%s", problem.text);
    if (code != MU_OK)
        return mu_fail(err, MU_E_CORRUPT, "the document of a record: %s", problem.text);
    if (json.kind != MU_JSON_OBJECT)
        return mu_fail(err, MU_E_CORRUPT, "the document of a record is no object");
    *out = json;
    return MU_OK;
}

/* -------- texts -------- */

static mu_str take_text(mu_arena *arena, mu_buf *buf)
{
    MU_ASSERT(!buf->failed);
    mu_str text = mu_arena_copy(arena, mu_buf_str(buf));
    mu_buf_free(buf);
    return text;
}

mu_str mu_content_json_text(mu_arena *arena, const mu_json *json)
{
    mu_buf buf;
    mu_json_writer writer;
    mu_buf_init(&buf, DOCUMENT_BYTES_MAX);
    mu_json_writer_init(&writer, &buf);
    mu_json_value(&writer, json);
    return take_text(arena, &buf);
}

mu_str mu_content_value_text(mu_arena *arena, mu_value value)
{
    mu_buf buf;
    mu_json_writer writer;
    mu_buf_init(&buf, DOCUMENT_BYTES_MAX);
    mu_json_writer_init(&writer, &buf);
    mu_value_write(&writer, value);
    return take_text(arena, &buf);
}

/* -------- objects laid over one another -------- */

typedef struct overlay {
    mu_arena *arena;
    bool null_deletes;
} overlay;

/* The places of an object's names; only large ones fill `places`. */
static void index_names(mu_strmap *places, const mu_json *object)
{
    mu_strmap_init(places);
    for (uint32_t i = 0; object->n > SCAN_MAX && i < object->n; i++)
        *mu_strmap_put(places, object->names[i], NULL) = i;
}

static uint32_t find_name(const mu_strmap *places, const mu_json *object, mu_str name)
{
    if (object->n > SCAN_MAX) {
        const uint64_t *place = mu_strmap_get(places, name);
        return place == NULL ? object->n : (uint32_t)*place;
    }
    for (uint32_t i = 0; i < object->n; i++)
        if (mu_str_equal(object->names[i], name))
            return i;
    return object->n;
}

static const mu_json empty_object = {.kind = MU_JSON_OBJECT};

/* What the patch deleted is null now, and nothing else is: documents have no null members (P41). */
static mu_json without_nulls(const overlay *o, mu_json object)
{
    if (!o->null_deletes)
        return object;
    mu_json *items = (mu_json *)(uintptr_t)object.items; /* just made, as are the names */
    mu_str *names = (mu_str *)(uintptr_t)object.names;
    uint32_t n = 0;
    for (uint32_t i = 0; i < object.n; i++) {
        if (items[i].kind == MU_JSON_NULL)
            continue;
        names[n] = names[i];
        items[n++] = items[i];
    }
    object.n = n;
    return object;
}

/* Recursion is bounded by MU_JSON_DEPTH_MAX. */
static mu_json lay_over(const overlay *o, const mu_json *target, const mu_json *patch)
{
    if (patch->kind != MU_JSON_OBJECT)
        return *patch;
    if (target == NULL || target->kind != MU_JSON_OBJECT)
        target = &empty_object;
    size_t room = (size_t)target->n + patch->n;
    mu_json *items = MU_NEW_ARRAY(o->arena, mu_json, room);
    mu_str *names = MU_NEW_ARRAY(o->arena, mu_str, room);
    if (target->n > 0) {
        memcpy(items, target->items, target->n * sizeof *items);
        memcpy(names, target->names, target->n * sizeof *names);
    }
    mu_strmap places;
    index_names(&places, target);
    uint32_t n = target->n;
    for (uint32_t i = 0; i < patch->n; i++) {
        const mu_json *member = &patch->items[i];
        uint32_t at = find_name(&places, target, patch->names[i]);
        bool is_old = at < target->n;
        if (!is_old && member->kind == MU_JSON_NULL && o->null_deletes)
            continue;
        if (!is_old)
            at = n++;
        names[at] = patch->names[i];
        items[at] = lay_over(o, is_old ? &items[at] : NULL, member);
    }
    mu_strmap_free(&places);
    return without_nulls(o,
                         (mu_json){.kind = MU_JSON_OBJECT, .n = n, .names = names, .items = items});
}

mu_json mu_json_patch(mu_arena *arena, const mu_json *target, const mu_json *patch)
{
    overlay o = {.arena = arena, .null_deletes = true};
    return lay_over(&o, target, patch);
}

mu_json mu_json_unfit(mu_arena *arena, const mu_json *json, const mu_json *extra)
{
    overlay o = {.arena = arena};
    return extra->kind == MU_JSON_NULL ? *json : lay_over(&o, json, extra);
}

/* -------- what fits a type, and what does not -------- */

/* An object while members are added to it. */
typedef struct object_builder {
    mu_str *names;
    mu_json *items;
    uint32_t n;
} object_builder;

static object_builder builder_of(mu_arena *arena, uint32_t n_max)
{
    return (object_builder){.names = MU_NEW_ARRAY(arena, mu_str, n_max),
                            .items = MU_NEW_ARRAY(arena, mu_json, n_max)};
}

static void builder_add(object_builder *builder, mu_str name, const mu_json *item)
{
    builder->names[builder->n] = name;
    builder->items[builder->n++] = *item;
}

static mu_json built(const object_builder *builder)
{
    return (mu_json){
        .kind = MU_JSON_OBJECT, .n = builder->n, .names = builder->names, .items = builder->items};
}

static bool fits(mu_arena *arena, const mu_type *type, const mu_json *json)
{
    mu_value value;
    return mu_value_from_typed_json(arena, type, json, &value, NULL) == MU_OK;
}

/* What `json`, which does not fit `type`, is without what does not fit; false when nothing is left.
 * Recursion is bounded by the depth of the type. */
static bool divide(mu_arena *arena, const mu_type *type, const mu_json *json, mu_json *known,
                   mu_json *extra);

static void divide_member(mu_arena *arena, const mu_type *type, mu_str name, const mu_json *item,
                          object_builder *known, object_builder *extra)
{
    mu_json alone = {.kind = MU_JSON_OBJECT, .n = 1, .names = &name, .items = item};
    if (fits(arena, type, &alone)) {
        builder_add(known, name, item);
        return;
    }
    int field = type->kind == MU_TYPE_OBJECT ? mu_type_field(type, mu_xdm_plain_name(name)) : -1;
    const mu_type *inner = type->kind == MU_TYPE_MAP ? type->item
                           : field >= 0              ? type->field_types[field]
                                                     : NULL;
    mu_json part = *item, rest = *item;
    if (inner != NULL && divide(arena, inner, item, &part, &rest))
        builder_add(known, name, &part);
    builder_add(extra, name, &rest);
}

static bool divide_list(mu_arena *arena, const mu_type *type, const mu_json *json, mu_json *known,
                        mu_json *extra)
{
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, json->n);
    for (uint32_t i = 0; i < json->n; i++) {
        mu_json rest;
        if (fits(arena, type->item, &json->items[i]))
            items[i] = json->items[i];
        else if (!divide(arena, type->item, &json->items[i], &items[i], &rest))
            items[i] = (mu_json){.kind = MU_JSON_NULL};
    }
    *known = (mu_json){.kind = MU_JSON_ARRAY, .n = json->n, .items = items};
    *extra = *json;
    return true;
}

static bool divide(mu_arena *arena, const mu_type *type, const mu_json *json, mu_json *known,
                   mu_json *extra)
{
    if (type->kind == MU_TYPE_LIST && json->kind == MU_JSON_ARRAY)
        return divide_list(arena, type, json, known, extra);
    if ((type->kind != MU_TYPE_OBJECT && type->kind != MU_TYPE_MAP) ||
        json->kind != MU_JSON_OBJECT) {
        *extra = *json;
        return false;
    }
    object_builder fitting = builder_of(arena, json->n), rest = builder_of(arena, json->n);
    for (uint32_t i = 0; i < json->n; i++)
        divide_member(arena, type, json->names[i], &json->items[i], &fitting, &rest);
    *known = built(&fitting);
    *extra = built(&rest);
    return true;
}

mu_code mu_json_fit(mu_arena *arena, const mu_type *type, const mu_json *json, mu_value *out,
                    mu_json *extra, mu_err *err)
{
    MU_ASSERT(type->kind == MU_TYPE_OBJECT && json->kind == MU_JSON_OBJECT);
    *extra = (mu_json){.kind = MU_JSON_NULL};
    if (mu_value_from_typed_json(arena, type, json, out, NULL) == MU_OK)
        return MU_OK;
    mu_json known = *json;
    divide(arena, type, json, &known, extra);
    return mu_value_from_typed_json(arena, type, &known, out, err);
}
