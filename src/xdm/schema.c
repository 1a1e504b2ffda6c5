/* schema.c -- schemas put together, looked into, written and read back whole. */
#include "xdm/schema_int.h"

void mu_schema_set_row(mu_arena *arena, mu_schema *schema)
{
    const mu_type *profile = schema->profile;
    uint32_t n = profile->n_fields;
    mu_str *names = MU_NEW_ARRAY(arena, mu_str, n + 1);
    const mu_type **types = MU_NEW_ARRAY(arena, const mu_type *, n + 1);
    for (uint32_t f = 0; f < n; f++) {
        names[f] = profile->field_names[f];
        types[f] = profile->field_types[f];
    }
    names[n] = MU_STR("xEvent");
    types[n] = mu_type_list(arena, schema->event);
    schema->row = mu_type_object(arena, n + 1, names, types);
}

const mu_schema *mu_schema_with_types(mu_arena *arena, const mu_schema *base,
                                      const mu_type *profile, const mu_type *event,
                                      uint32_t n_lookup_classes,
                                      const mu_lookup_class *lookup_classes)
{
    mu_schema *schema = MU_NEW(arena, mu_schema);
    *schema = *base;
    schema->version = base->version + 1;
    schema->profile = profile;
    schema->event = event;
    schema->n_lookup_classes = n_lookup_classes;
    schema->lookup_classes = lookup_classes;
    mu_schema_set_row(arena, schema);
    return schema;
}

const mu_lookup_class *mu_schema_lookup_class(const mu_schema *schema, mu_str name)
{
    for (uint32_t i = 0; i < schema->n_lookup_classes; i++)
        if (mu_str_equal(schema->lookup_classes[i].name, name))
            return &schema->lookup_classes[i];
    return NULL;
}

/* -------- writing --------
 *
 * A type is "string" and the like, {"list":T}, {"map":T}, {"keyOf":"class"}, {"inferred":"integer"}
 * or {"fields":{name:T,...}} in schema order.
 */

static void write_type(mu_json_writer *w, const mu_type *type)
{
    if (type->kind != MU_TYPE_LIST && type->kind != MU_TYPE_MAP && type->kind != MU_TYPE_OBJECT &&
        type->target_class.len == 0 && !type->is_inferred) {
        mu_json_string(w, mu_str_from(mu_type_kind_name(type->kind)));
        return;
    }
    mu_json_begin_object(w);
    if (type->kind == MU_TYPE_OBJECT) {
        mu_json_name(w, MU_STR("fields"));
        mu_json_begin_object(w);
        for (uint32_t f = 0; f < type->n_fields; f++) {
            mu_json_name(w, type->field_names[f]);
            write_type(w, type->field_types[f]);
        }
        mu_json_end_object(w);
    } else if (type->kind == MU_TYPE_STRING) {
        mu_json_name(w, MU_STR("keyOf"));
        mu_json_string(w, type->target_class);
    } else if (type->is_inferred) {
        mu_json_name(w, MU_STR("inferred"));
        mu_json_string(w, mu_str_from(mu_type_kind_name(type->kind)));
    } else {
        mu_json_name(w, mu_str_from(mu_type_kind_name(type->kind)));
        write_type(w, type->item);
    }
    mu_json_end_object(w);
}

static void write_string_member(mu_json_writer *w, mu_str name, mu_str value)
{
    mu_json_name(w, name);
    mu_json_string(w, value);
}

static void write_lookup_classes(mu_json_writer *w, const mu_schema *schema)
{
    mu_json_name(w, MU_STR("lookupClasses"));
    mu_json_begin_array(w);
    for (uint32_t i = 0; i < schema->n_lookup_classes; i++) {
        const mu_lookup_class *lookup = &schema->lookup_classes[i];
        mu_json_begin_object(w);
        write_string_member(w, MU_STR("name"), lookup->name);
        write_string_member(w, MU_STR("key"), lookup->key_path);
        mu_json_name(w, MU_STR("type"));
        write_type(w, lookup->type);
        mu_json_end_object(w);
    }
    mu_json_end_array(w);
}

static void write_relationships(mu_json_writer *w, const mu_schema *schema)
{
    mu_json_name(w, MU_STR("relationships"));
    mu_json_begin_array(w);
    for (uint32_t i = 0; i < schema->n_relationships; i++) {
        const mu_relationship *relationship = &schema->relationships[i];
        mu_json_begin_object(w);
        write_string_member(w, MU_STR("class"), relationship->source_class);
        write_string_member(w, MU_STR("path"), relationship->path);
        write_string_member(w, MU_STR("to"), relationship->target_class);
        mu_json_end_object(w);
    }
    mu_json_end_array(w);
}

static void write_identities(mu_json_writer *w, const mu_schema *schema)
{
    mu_json_name(w, MU_STR("identities"));
    mu_json_begin_array(w);
    for (uint32_t i = 0; i < schema->n_identity_paths; i++) {
        const mu_identity_path *identity = &schema->identity_paths[i];
        mu_json_begin_object(w);
        write_string_member(w, MU_STR("class"), identity->source_class);
        write_string_member(w, MU_STR("path"), identity->path);
        write_string_member(w, MU_STR("namespace"), identity->namespace_code);
        mu_json_name(w, MU_STR("primary"));
        mu_json_boolean(w, identity->is_primary);
        mu_json_end_object(w);
    }
    mu_json_end_array(w);
    mu_json_name(w, MU_STR("uniqueNamespaces"));
    mu_json_begin_array(w);
    for (uint32_t i = 0; i < schema->n_unique_namespaces; i++)
        mu_json_string(w, schema->unique_namespaces[i]);
    mu_json_end_array(w);
}

void mu_schema_write(mu_json_writer *w, const mu_schema *schema)
{
    mu_json_begin_object(w);
    mu_json_name(w, MU_STR("version"));
    mu_json_integer(w, schema->version);
    mu_json_name(w, MU_STR("profile"));
    write_type(w, schema->profile);
    mu_json_name(w, MU_STR("event"));
    write_type(w, schema->event);
    write_lookup_classes(w, schema);
    write_relationships(w, schema);
    write_identities(w, schema);
    mu_json_end_object(w);
}

/* -------- reading back what was written -------- */

static mu_code corrupt(mu_err *err, const char *what)
{
    return mu_fail(err, MU_E_CORRUPT, "stored schema: %s", what);
}

static mu_code read_type(mu_arena *arena, const mu_json *json, int depth, const mu_type **out,
                         mu_err *err);

static mu_code read_fields(mu_arena *arena, const mu_json *fields, int depth, const mu_type **out,
                           mu_err *err)
{
    if (fields->kind != MU_JSON_OBJECT)
        return corrupt(err, "\"fields\" is no object");
    mu_str *names = MU_NEW_ARRAY(arena, mu_str, fields->n);
    const mu_type **types = MU_NEW_ARRAY(arena, const mu_type *, fields->n);
    for (uint32_t f = 0; f < fields->n; f++) {
        names[f] = mu_arena_copy(arena, fields->names[f]);
        MU_TRY(read_type(arena, &fields->items[f], depth + 1, &types[f], err));
    }
    *out = mu_type_object(arena, fields->n, names, types);
    return MU_OK;
}

static mu_code read_container(mu_arena *arena, const mu_json *json, int depth, const mu_type **out,
                              mu_err *err)
{
    const mu_type *item = NULL;
    const mu_json *list = mu_json_member(json, MU_STR("list"));
    const mu_json *map = mu_json_member(json, MU_STR("map"));
    if (list == NULL && map == NULL)
        return corrupt(err, "a type of no known form");
    MU_TRY(read_type(arena, list != NULL ? list : map, depth + 1, &item, err));
    *out = list != NULL ? mu_type_list(arena, item) : mu_type_map(arena, item);
    return MU_OK;
}

static mu_code read_type(mu_arena *arena, const mu_json *json, int depth, const mu_type **out,
                         mu_err *err)
{
    if (depth > MU_TYPE_DEPTH_MAX)
        return corrupt(err, "types are nested too deeply");
    if (json->kind == MU_JSON_STRING) {
        mu_type_kind kind;
        if (mu_scalar_kind(json->string, &kind))
            *out = mu_type_of(kind);
        else if (mu_str_equal(json->string, MU_STR("any")))
            *out = mu_type_of(MU_TYPE_ANY);
        else if (mu_str_equal(json->string, MU_STR("null")))
            *out = mu_type_of(MU_TYPE_NULL);
        else
            return corrupt(err, "a type of unknown name");
        return MU_OK;
    }
    const mu_json *fields = mu_json_member(json, MU_STR("fields"));
    if (fields != NULL)
        return read_fields(arena, fields, depth, out, err);
    mu_str key_of = mu_json_member_string(json, MU_STR("keyOf"), MU_STR(""));
    if (key_of.len > 0) {
        *out = mu_type_key_of(arena, mu_arena_copy(arena, key_of));
        return MU_OK;
    }
    if (mu_str_equal(mu_json_member_string(json, MU_STR("inferred"), MU_STR("")),
                     MU_STR("integer"))) {
        *out = mu_type_inferred_integer();
        return MU_OK;
    }
    return read_container(arena, json, depth, out, err);
}

static mu_code read_object_type(mu_arena *arena, const mu_json *json, const char *name,
                                const mu_type **out, mu_err *err)
{
    const mu_json *member = mu_json_member(json, mu_str_from(name));
    if (member == NULL)
        return corrupt(err, "a class is missing");
    MU_TRY(read_type(arena, member, 0, out, err));
    return (*out)->kind == MU_TYPE_OBJECT ? MU_OK : corrupt(err, "a class is no object");
}

static mu_code read_array(const mu_json *json, const char *name, const mu_json **out, mu_err *err)
{
    *out = mu_json_member(json, mu_str_from(name));
    if (*out == NULL || (*out)->kind != MU_JSON_ARRAY)
        return corrupt(err, "a list is missing");
    return MU_OK;
}

static mu_code read_text(mu_arena *arena, const mu_json *json, const char *name, mu_str *out,
                         mu_err *err)
{
    const mu_json *member = mu_json_member(json, mu_str_from(name));
    if (member == NULL || member->kind != MU_JSON_STRING)
        return corrupt(err, "a text is missing");
    *out = mu_arena_copy(arena, member->string);
    return MU_OK;
}

static mu_code read_lookup_classes(mu_arena *arena, const mu_json *json, mu_schema *schema,
                                   mu_err *err)
{
    const mu_json *list = NULL;
    MU_TRY(read_array(json, "lookupClasses", &list, err));
    mu_lookup_class *classes = MU_NEW_ARRAY(arena, mu_lookup_class, list->n);
    for (uint32_t i = 0; i < list->n; i++) {
        MU_TRY(read_text(arena, &list->items[i], "name", &classes[i].name, err));
        MU_TRY(read_text(arena, &list->items[i], "key", &classes[i].key_path, err));
        MU_TRY(read_object_type(arena, &list->items[i], "type", &classes[i].type, err));
    }
    schema->n_lookup_classes = list->n;
    schema->lookup_classes = classes;
    return MU_OK;
}

static mu_code read_relationships(mu_arena *arena, const mu_json *json, mu_schema *schema,
                                  mu_err *err)
{
    const mu_json *list = NULL;
    MU_TRY(read_array(json, "relationships", &list, err));
    mu_relationship *relationships = MU_NEW_ARRAY(arena, mu_relationship, list->n);
    for (uint32_t i = 0; i < list->n; i++) {
        MU_TRY(read_text(arena, &list->items[i], "class", &relationships[i].source_class, err));
        MU_TRY(read_text(arena, &list->items[i], "path", &relationships[i].path, err));
        MU_TRY(read_text(arena, &list->items[i], "to", &relationships[i].target_class, err));
    }
    schema->n_relationships = list->n;
    schema->relationships = relationships;
    return MU_OK;
}

static mu_code read_identities(mu_arena *arena, const mu_json *json, mu_schema *schema, mu_err *err)
{
    const mu_json *list = NULL;
    MU_TRY(read_array(json, "identities", &list, err));
    mu_identity_path *identities = MU_NEW_ARRAY(arena, mu_identity_path, list->n);
    for (uint32_t i = 0; i < list->n; i++) {
        const mu_json *item = &list->items[i];
        MU_TRY(read_text(arena, item, "class", &identities[i].source_class, err));
        MU_TRY(read_text(arena, item, "path", &identities[i].path, err));
        MU_TRY(read_text(arena, item, "namespace", &identities[i].namespace_code, err));
        const mu_json *primary = mu_json_member(item, MU_STR("primary"));
        if (primary == NULL || primary->kind != MU_JSON_BOOLEAN)
            return corrupt(err, "an identity does not say whether it is primary");
        identities[i].is_primary = primary->boolean;
    }
    schema->n_identity_paths = list->n;
    schema->identity_paths = identities;
    return MU_OK;
}

static mu_code read_unique_namespaces(mu_arena *arena, const mu_json *json, mu_schema *schema,
                                      mu_err *err)
{
    const mu_json *list = NULL;
    MU_TRY(read_array(json, "uniqueNamespaces", &list, err));
    mu_str *namespaces = MU_NEW_ARRAY(arena, mu_str, list->n);
    for (uint32_t i = 0; i < list->n; i++) {
        if (list->items[i].kind != MU_JSON_STRING)
            return corrupt(err, "a namespace is no text");
        namespaces[i] = mu_arena_copy(arena, list->items[i].string);
    }
    schema->n_unique_namespaces = list->n;
    schema->unique_namespaces = namespaces;
    return MU_OK;
}

mu_code mu_schema_read(mu_arena *arena, const mu_json *json, const mu_schema **out, mu_err *err)
{
    mu_schema *schema = MU_NEW(arena, mu_schema);
    const mu_json *version = mu_json_member(json, MU_STR("version"));
    if (version == NULL || version->kind != MU_JSON_INTEGER || version->integer < 0 ||
        version->integer > UINT32_MAX)
        return corrupt(err, "the version is missing");
    schema->version = (uint32_t)version->integer;
    MU_TRY(read_object_type(arena, json, "profile", &schema->profile, err));
    MU_TRY(read_object_type(arena, json, "event", &schema->event, err));
    MU_TRY(read_lookup_classes(arena, json, schema, err));
    MU_TRY(read_relationships(arena, json, schema, err));
    MU_TRY(read_identities(arena, json, schema, err));
    MU_TRY(read_unique_namespaces(arena, json, schema, err));
    mu_schema_set_row(arena, schema);
    *out = schema;
    return MU_OK;
}
