/* schema_file.c -- schema files (docs/schema.md) put on top of a schema. */
#include "xdm/schema_int.h"

typedef struct lookup_draft {
    mu_str name, key_path;
    mu_draft *draft;
} lookup_draft;

/* The schema under construction. The arrays have room for what the file can add. */
typedef struct extension {
    mu_arena *arena;
    mu_err *err;
    mu_draft *profile, *event;
    uint32_t n_lookups, n_relationships, n_identities, n_namespaces;
    lookup_draft *lookups;
    mu_relationship *relationships;
    mu_identity_path *identities;
    mu_str *namespaces;
} extension;

static const char *const class_members[] = {
    "class", "key",         "fields",        "identities",
    "title", "description", "relationships", "uniqueNamespaces"};
static const char *const file_members[] = {"classes", "uniqueNamespaces", "title", "description"};
static const char *const identity_members[] = {"path", "namespace", "primary"};
static const char *const relationship_members[] = {"path", "to"};

#define N_OF(array) (sizeof(array) / sizeof *(array))

/* A member that nobody reads is a mistake in the file, not something to pass over. */
static mu_code check_members(const extension *x, const mu_json *object, const char *what,
                             const char *const *known, size_t n_known)
{
    if (object->kind != MU_JSON_OBJECT)
        return mu_fail(x->err, MU_E_INPUT, "schema file: %s must be an object", what);
    for (uint32_t i = 0; i < object->n; i++) {
        bool is_known = false;
        for (size_t k = 0; k < n_known; k++)
            is_known = is_known || mu_str_equal(object->names[i], mu_str_from(known[k]));
        if (!is_known)
            return mu_fail(x->err, MU_E_INPUT,
                           "schema file: %s has no member called \"" MU_STR_FMT "\"", what,
                           MU_STR_ARG(object->names[i]));
    }
    return MU_OK;
}

/* A list member; *out is NULL when absent. */
static mu_code list_member(const extension *x, const mu_json *json, const char *name,
                           const mu_json **out)
{
    *out = mu_json_member(json, mu_str_from(name));
    if (*out != NULL && (*out)->kind != MU_JSON_ARRAY)
        return mu_fail(x->err, MU_E_INPUT, "schema file: \"%s\" must be a list", name);
    return MU_OK;
}

static mu_code text_member(const extension *x, const mu_json *json, const char *name,
                           const char *what, mu_str *out)
{
    const mu_json *member = mu_json_member(json, mu_str_from(name));
    if (member == NULL || member->kind != MU_JSON_STRING || member->string.len == 0)
        return mu_fail(x->err, MU_E_INPUT, "schema file: %s needs the text \"%s\"", what, name);
    *out = mu_arena_copy(x->arena, member->string);
    return MU_OK;
}

static uint32_t list_length(const mu_json *json, const char *name)
{
    const mu_json *list = mu_json_member(json, mu_str_from(name));
    return list != NULL && list->kind == MU_JSON_ARRAY ? list->n : 0;
}

static mu_draft *class_draft(const extension *x, mu_str name)
{
    if (mu_str_equal(name, MU_STR("profile")))
        return x->profile;
    if (mu_str_equal(name, MU_STR("event")))
        return x->event;
    for (uint32_t i = 0; i < x->n_lookups; i++)
        if (mu_str_equal(x->lookups[i].name, name))
            return x->lookups[i].draft;
    return NULL;
}

/* -------- one class: fields and key -------- */

static bool is_built_in_class(mu_str name)
{
    return mu_str_equal(name, MU_STR("profile")) || mu_str_equal(name, MU_STR("event"));
}

static mu_code add_lookup(extension *x, mu_str name, mu_str key_path)
{
    if (mu_str_equal(name, MU_STR("auto")))
        return mu_fail(x->err, MU_E_INPUT, "schema file: a class cannot be called \"auto\"");
    for (uint32_t i = 0; i < x->n_lookups; i++) {
        if (!mu_str_equal(x->lookups[i].name, name))
            continue;
        if (mu_str_equal(x->lookups[i].key_path, key_path))
            return MU_OK;
        return mu_fail(x->err, MU_E_CONFLICT,
                       "schema file: the key of class \"" MU_STR_FMT "\" is \"" MU_STR_FMT
                       "\" already, not \"" MU_STR_FMT "\"",
                       MU_STR_ARG(name), MU_STR_ARG(x->lookups[i].key_path), MU_STR_ARG(key_path));
    }
    x->lookups[x->n_lookups++] =
        (lookup_draft){name, key_path, mu_draft_of(x->arena, mu_type_of(MU_TYPE_OBJECT))};
    return MU_OK;
}

static mu_code add_fields(extension *x, mu_draft *draft, const mu_json *fields)
{
    if (fields == NULL)
        return MU_OK;
    if (fields->kind != MU_JSON_OBJECT)
        return mu_fail(x->err, MU_E_INPUT,
                       "schema file: \"fields\" must be an object of paths and type names");
    for (uint32_t i = 0; i < fields->n; i++) {
        mu_type_kind kind;
        if (fields->items[i].kind != MU_JSON_STRING ||
            !mu_scalar_kind(fields->items[i].string, &kind))
            return mu_fail(x->err, MU_E_INPUT,
                           "schema file: the type of \"" MU_STR_FMT
                           "\" must be boolean, integer, double, string, date or date-time",
                           MU_STR_ARG(fields->names[i]));
        MU_TRY(mu_draft_add(x->arena, draft, fields->names[i], kind, x->err));
    }
    return MU_OK;
}

static mu_code check_key(const extension *x, const lookup_draft *lookup)
{
    const mu_draft *key = mu_draft_at(lookup->draft, lookup->key_path);
    if (key == NULL || key->kind != MU_TYPE_STRING)
        return mu_fail(x->err, MU_E_INPUT,
                       "schema file: the key \"" MU_STR_FMT "\" of class \"" MU_STR_FMT
                       "\" must be a string field of it",
                       MU_STR_ARG(lookup->key_path), MU_STR_ARG(lookup->name));
    return MU_OK;
}

static mu_code add_class(extension *x, const mu_json *json)
{
    mu_str name = MU_STR("");
    mu_str key_path = MU_STR("");
    MU_TRY(check_members(x, json, "a class", class_members, N_OF(class_members)));
    MU_TRY(text_member(x, json, "class", "a class", &name));
    if (!is_built_in_class(name)) {
        MU_TRY(text_member(x, json, "key", "a lookup class", &key_path));
        MU_TRY(add_lookup(x, name, key_path));
    } else if (mu_json_member(json, MU_STR("key")) != NULL) {
        return mu_fail(x->err, MU_E_INPUT, "schema file: only lookup classes have a \"key\"");
    }
    MU_TRY(add_fields(x, class_draft(x, name), mu_json_member(json, MU_STR("fields"))));
    for (uint32_t i = 0; i < x->n_lookups; i++)
        if (mu_str_equal(x->lookups[i].name, name))
            return check_key(x, &x->lookups[i]);
    return MU_OK;
}

/* -------- identities and relationships, once every class is known -------- */

/* The string, or the string in a list, that a path ends in. */
static mu_code string_field(const extension *x, mu_str class_name, mu_str path, mu_draft **out)
{
    mu_draft *field = mu_draft_at(class_draft(x, class_name), path);
    while (field != NULL && field->kind == MU_TYPE_LIST)
        field = field->item;
    if (field == NULL || field->kind != MU_TYPE_STRING)
        return mu_fail(x->err, MU_E_INPUT,
                       "schema file: \"" MU_STR_FMT "\" is no string field of class \"" MU_STR_FMT
                       "\"",
                       MU_STR_ARG(path), MU_STR_ARG(class_name));
    *out = field;
    return MU_OK;
}

static mu_code check_identity(const extension *x, const mu_identity_path *new, bool *is_known)
{
    *is_known = false;
    for (uint32_t i = 0; i < x->n_identities; i++) {
        const mu_identity_path *old = &x->identities[i];
        if (!mu_str_equal(old->source_class, new->source_class))
            continue;
        bool is_same_path = mu_str_equal(old->path, new->path);
        if (is_same_path && (!mu_str_equal(old->namespace_code, new->namespace_code) ||
                             old->is_primary != new->is_primary))
            return mu_fail(x->err, MU_E_CONFLICT,
                           "schema file: identity \"" MU_STR_FMT
                           "\" is declared already, and differently",
                           MU_STR_ARG(new->path));
        if (!is_same_path && old->is_primary && new->is_primary)
            return mu_fail(
                x->err, MU_E_CONFLICT,
                "schema file: class \"" MU_STR_FMT "\" has two primary identities: \"" MU_STR_FMT
                "\" and \"" MU_STR_FMT "\"",
                MU_STR_ARG(new->source_class), MU_STR_ARG(old->path), MU_STR_ARG(new->path));
        *is_known = *is_known || is_same_path;
    }
    return MU_OK;
}

static mu_code add_identity(extension *x, mu_str class_name, const mu_json *json)
{
    mu_identity_path identity = {.source_class = class_name};
    mu_draft *field = NULL;
    bool is_known = false;
    MU_TRY(check_members(x, json, "an identity", identity_members, N_OF(identity_members)));
    MU_TRY(text_member(x, json, "path", "an identity", &identity.path));
    MU_TRY(text_member(x, json, "namespace", "an identity", &identity.namespace_code));
    const mu_json *primary = mu_json_member(json, MU_STR("primary"));
    if (primary != NULL && primary->kind != MU_JSON_BOOLEAN)
        return mu_fail(x->err, MU_E_INPUT, "schema file: \"primary\" must be true or false");
    identity.is_primary = primary != NULL && primary->boolean;
    if (!is_built_in_class(class_name))
        return mu_fail(x->err, MU_E_INPUT,
                       "schema file: lookup classes have a \"key\", no \"identities\"");
    MU_TRY(string_field(x, class_name, identity.path, &field));
    MU_TRY(check_identity(x, &identity, &is_known));
    if (!is_known)
        x->identities[x->n_identities++] = identity;
    return MU_OK;
}

static mu_code add_relationship(extension *x, mu_str class_name, const mu_json *json)
{
    mu_relationship new = {.source_class = class_name};
    mu_draft *field = NULL;
    MU_TRY(
        check_members(x, json, "a relationship", relationship_members, N_OF(relationship_members)));
    MU_TRY(text_member(x, json, "path", "a relationship", &new.path));
    MU_TRY(text_member(x, json, "to", "a relationship", &new.target_class));
    if (is_built_in_class(new.target_class) || class_draft(x, new.target_class) == NULL)
        return mu_fail(x->err, MU_E_INPUT,
                       "schema file: \"" MU_STR_FMT
                       "\" is no lookup class, so no relationship leads to it",
                       MU_STR_ARG(new.target_class));
    MU_TRY(string_field(x, class_name, new.path, &field));
    if (field->target_class.len == 0)
        field->target_class = new.target_class;
    for (uint32_t i = 0; i < x->n_relationships; i++) {
        const mu_relationship *old = &x->relationships[i];
        if (mu_str_equal(old->source_class, class_name) && mu_str_equal(old->path, new.path) &&
            mu_str_equal(old->target_class, new.target_class))
            return MU_OK;
    }
    x->relationships[x->n_relationships++] = new;
    return MU_OK;
}

static mu_code add_links(extension *x, const mu_json *json)
{
    const mu_json *list = NULL;
    mu_str name = MU_STR("");
    MU_TRY(text_member(x, json, "class", "a class", &name));
    MU_TRY(list_member(x, json, "identities", &list));
    for (uint32_t i = 0; list != NULL && i < list->n; i++)
        MU_TRY(add_identity(x, name, &list->items[i]));
    MU_TRY(list_member(x, json, "relationships", &list));
    for (uint32_t i = 0; list != NULL && i < list->n; i++)
        MU_TRY(add_relationship(x, name, &list->items[i]));
    return MU_OK;
}

static mu_code add_namespaces(extension *x, const mu_json *json)
{
    const mu_json *list = NULL;
    MU_TRY(list_member(x, json, "uniqueNamespaces", &list));
    for (uint32_t i = 0; list != NULL && i < list->n; i++) {
        const mu_json *item = &list->items[i];
        if (item->kind != MU_JSON_STRING || item->string.len == 0)
            return mu_fail(x->err, MU_E_INPUT,
                           "schema file: \"uniqueNamespaces\" must be a list of texts");
        bool is_known = false;
        for (uint32_t n = 0; n < x->n_namespaces; n++)
            is_known = is_known || mu_str_equal(x->namespaces[n], item->string);
        if (!is_known)
            x->namespaces[x->n_namespaces++] = mu_arena_copy(x->arena, item->string);
    }
    return MU_OK;
}

/* -------- the whole file -------- */

/* Room for what `base` has and what the classes of the file can add. */
static void begin(extension *x, const mu_schema *base, const mu_json *file, const mu_json *classes,
                  uint32_t n_classes)
{
    uint32_t n_identities = base->n_identity_paths;
    uint32_t n_relationships = base->n_relationships;
    uint32_t n_namespaces = base->n_unique_namespaces + list_length(file, "uniqueNamespaces");
    for (uint32_t i = 0; i < n_classes; i++) {
        n_identities += list_length(&classes[i], "identities");
        n_relationships += list_length(&classes[i], "relationships");
    }
    x->profile = mu_draft_of(x->arena, base->profile);
    x->event = mu_draft_of(x->arena, base->event);
    x->lookups = MU_NEW_ARRAY(x->arena, lookup_draft, base->n_lookup_classes + n_classes);
    x->identities = MU_NEW_ARRAY(x->arena, mu_identity_path, n_identities);
    x->relationships = MU_NEW_ARRAY(x->arena, mu_relationship, n_relationships);
    x->namespaces = MU_NEW_ARRAY(x->arena, mu_str, n_namespaces);
    for (uint32_t i = 0; i < base->n_lookup_classes; i++)
        x->lookups[x->n_lookups++] =
            (lookup_draft){base->lookup_classes[i].name, base->lookup_classes[i].key_path,
                           mu_draft_of(x->arena, base->lookup_classes[i].type)};
    for (uint32_t i = 0; i < base->n_identity_paths; i++)
        x->identities[x->n_identities++] = base->identity_paths[i];
    for (uint32_t i = 0; i < base->n_relationships; i++)
        x->relationships[x->n_relationships++] = base->relationships[i];
    for (uint32_t i = 0; i < base->n_unique_namespaces; i++)
        x->namespaces[x->n_namespaces++] = base->unique_namespaces[i];
}

static const mu_schema *finish(const extension *x, const mu_schema *base)
{
    mu_lookup_class *lookups = MU_NEW_ARRAY(x->arena, mu_lookup_class, x->n_lookups);
    for (uint32_t i = 0; i < x->n_lookups; i++)
        lookups[i] = (mu_lookup_class){.name = x->lookups[i].name,
                                       .type = mu_draft_type(x->arena, x->lookups[i].draft),
                                       .key_path = x->lookups[i].key_path};
    mu_schema *schema = MU_NEW(x->arena, mu_schema);
    *schema = (mu_schema){.version = base->version + 1,
                          .profile = mu_draft_type(x->arena, x->profile),
                          .event = mu_draft_type(x->arena, x->event),
                          .n_lookup_classes = x->n_lookups,
                          .lookup_classes = lookups,
                          .n_relationships = x->n_relationships,
                          .relationships = x->relationships,
                          .n_identity_paths = x->n_identities,
                          .identity_paths = x->identities,
                          .n_unique_namespaces = x->n_namespaces,
                          .unique_namespaces = x->namespaces};
    mu_schema_set_row(x->arena, schema);
    return schema;
}

mu_code mu_schema_extend(mu_arena *arena, const mu_schema *base, const mu_json *file,
                         const mu_schema **out, mu_err *err)
{
    extension x = {.arena = arena, .err = err};
    const mu_json *list = NULL;
    if (file->kind != MU_JSON_OBJECT)
        return mu_fail(err, MU_E_INPUT, "schema file: the file must hold a JSON object");
    MU_TRY(list_member(&x, file, "classes", &list));
    if (list != NULL)
        MU_TRY(
            check_members(&x, file, "a file with \"classes\"", file_members, N_OF(file_members)));
    const mu_json *classes = list != NULL ? list->items : file;
    uint32_t n_classes = list != NULL ? list->n : 1;
    for (uint32_t i = 0; list != NULL && i < n_classes; i++)
        if (mu_json_member(&classes[i], MU_STR("uniqueNamespaces")) != NULL)
            return mu_fail(err, MU_E_INPUT,
                           "schema file: \"uniqueNamespaces\" belongs beside \"classes\"");
    begin(&x, base, file, classes, n_classes);
    for (uint32_t i = 0; i < n_classes; i++)
        MU_TRY(add_class(&x, &classes[i]));
    for (uint32_t i = 0; i < n_classes; i++)
        MU_TRY(add_links(&x, &classes[i]));
    MU_TRY(add_namespaces(&x, file));
    *out = finish(&x, base);
    return MU_OK;
}
