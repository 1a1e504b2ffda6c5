/* registry_descriptors.c -- descriptors: which fields identify people, which lead to other records.
 * profile.md a.6.
 */
#include "xdm/registry_int.h"

#include "xdm/value.h"

mu_str mu_xdm_dotted_path(mu_arena *arena, mu_str property)
{
    if (property.len < 2 || property.ptr[0] != '/')
        return MU_STR("");
    /* A prefix takes up to one character more as an object: "a:b" is "_a.b". */
    char *text = mu_arena_alloc(arena, property.len * 2);
    size_t n = 0;
    property = (mu_str){property.ptr + 1, property.len - 1};
    while (property.len > 0) {
        const char *slash = memchr(property.ptr, '/', property.len);
        mu_str step = {property.ptr, slash == NULL ? property.len : (size_t)(slash - property.ptr)};
        size_t used = slash == NULL ? step.len : step.len + 1;
        property = (mu_str){property.ptr + used, property.len - used};
        if (mu_str_ends_with(step, MU_STR("[*]")))
            step.len -= 3;
        mu_str outer, inner, name = mu_xdm_plain_name(step);
        if (name.len == 0)
            return MU_STR("");
        if (n > 0)
            text[n++] = '.';
        if (mu_xdm_split_name(arena, name, &outer, &inner)) {
            memcpy(text + n, outer.ptr, outer.len);
            n += outer.len;
            text[n++] = '.';
            name = inner;
        }
        memcpy(text + n, name.ptr, name.len);
        n += name.len;
    }
    return (mu_str){text, n};
}

/* A member with or without the prefix: some senders leave it out. */
static const mu_json *member(const mu_json *descriptor, mu_str prefixed)
{
    const mu_json *json = mu_json_member(descriptor, prefixed);
    return json != NULL ? json : mu_json_member(descriptor, mu_xdm_plain_name(prefixed));
}

static mu_str text_member(const mu_json *descriptor, mu_str prefixed)
{
    const mu_json *json = member(descriptor, prefixed);
    return json != NULL && json->kind == MU_JSON_STRING ? json->string : MU_STR("");
}

static bool is_true(const mu_json *json)
{
    return json != NULL && ((json->kind == MU_JSON_BOOLEAN && json->boolean) ||
                            (json->kind == MU_JSON_STRING &&
                             mu_str_equal_ascii_nocase(json->string, MU_STR("true"))) ||
                            (json->kind == MU_JSON_INTEGER && json->integer == 1));
}

static mu_code fail_descriptor(const mu_xdm_resource_entry *entry, mu_err *err, const char *what,
                               mu_str name)
{
    return mu_fail(err, MU_E_INPUT, "descriptor " MU_STR_FMT ": %s \"" MU_STR_FMT "\"",
                   MU_STR_ARG(entry->id), what, MU_STR_ARG(name));
}

bool mu_xdm_descriptor_is(const mu_xdm_resource_entry *entry, mu_str type)
{
    return entry->resource == MU_XDM_DESCRIPTOR &&
           mu_str_equal(mu_xdm_plain_name(text_member(entry->json, MU_STR("@type"))), type);
}

mu_code mu_xdm_descriptor_source(mu_registry *registry, const mu_xdm_resource_entry *entry,
                                 mu_xdm_schema **schema, mu_str *path, mu_xdm_node **field,
                                 mu_err *err)
{
    mu_str id = text_member(entry->json, MU_STR("xdm:sourceSchema"));
    mu_str property = text_member(entry->json, MU_STR("xdm:sourceProperty"));
    const uint64_t *slot = mu_strmap_get(&registry->schema_by_id, id);
    if (slot == NULL)
        return fail_descriptor(entry, err, "there is no schema", id);
    *schema = &registry->schemas[*slot - 1];
    *path = mu_xdm_dotted_path(&registry->arena, property);
    *field = path->len == 0 ? NULL : mu_xdm_node_at((*schema)->root, *path);
    while (*field != NULL && (*field)->type->kind == MU_TYPE_LIST)
        *field = (*field)->item;
    if (*field == NULL)
        return fail_descriptor(entry, err, "its schema has no field", property);
    if ((*field)->type->kind != MU_TYPE_STRING)
        return fail_descriptor(entry, err, "only a text field can be marked, unlike", property);
    return MU_OK;
}

/* The namespace as it was given: a code or a number. */
static mu_str namespace_of(mu_registry *registry, const mu_json *descriptor)
{
    const mu_json *json = member(descriptor, MU_STR("xdm:namespace"));
    if (json != NULL && json->kind == MU_JSON_INTEGER)
        return mu_arena_format(&registry->arena, "%lld", (long long)json->integer);
    return json != NULL && json->kind == MU_JSON_STRING ? json->string : MU_STR("");
}

static void require_path(mu_registry *registry, mu_xdm_node *node, mu_str path)
{
    while (path.len > 0 && node->type->kind == MU_TYPE_OBJECT) {
        const char *dot = memchr(path.ptr, '.', path.len);
        mu_str step = {path.ptr, dot == NULL ? path.len : (size_t)(dot - path.ptr)};
        path = dot == NULL ? (mu_str){path.ptr + path.len, 0}
                           : (mu_str){dot + 1, path.len - step.len - 1};
        int field = mu_type_field(node->type, step);
        mu_xdm_require(&registry->arena, node, field);
        if (field < 0)
            return;
        node = node->fields[field];
    }
}

/* An identity may not be empty: a limit of its own, as the node may share none. */
static void refuse_empty(mu_registry *registry, mu_xdm_node *field)
{
    if (field->limits == NULL) {
        field->limits = MU_NEW(&registry->arena, mu_xdm_limits);
        field->limits->max_length = UINT64_MAX;
        field->limits->max_items = UINT64_MAX;
    }
    if (field->limits->min_length == 0)
        field->limits->min_length = 1;
}

static mu_code add_identity(mu_registry *registry, const mu_xdm_resource_entry *entry, mu_err *err)
{
    mu_xdm_schema *schema;
    mu_xdm_node *field;
    mu_xdm_identity identity = {0};
    MU_TRY(mu_xdm_descriptor_source(registry, entry, &schema, &identity.path, &field, err));
    identity.namespace_code = namespace_of(registry, entry->json);
    identity.is_primary = is_true(member(entry->json, MU_STR("xdm:isPrimary")));
    if (identity.namespace_code.len == 0)
        return fail_descriptor(entry, err, "it needs the member", MU_STR("xdm:namespace"));
    for (uint32_t i = 0; i < schema->n_identities; i++) {
        if (mu_str_equal(schema->identities[i].path, identity.path))
            return fail_descriptor(entry, err, "another descriptor marks the field", identity.path);
        if (identity.is_primary && schema->identities[i].is_primary)
            return fail_descriptor(entry, err, "the schema has a primary identity already:",
                                   schema->identities[i].path);
    }
    mu_xdm_identity *identities =
        MU_NEW_ARRAY(&registry->arena, mu_xdm_identity, schema->n_identities + 1);
    for (uint32_t i = 0; i < schema->n_identities; i++)
        identities[i] = schema->identities[i];
    identities[schema->n_identities++] = identity;
    schema->identities = identities;
    refuse_empty(registry, field);
    if (identity.is_primary)
        require_path(registry, schema->root, identity.path);
    return MU_OK;
}

mu_code mu_xdm_apply_descriptors(mu_registry *registry, mu_err *err)
{
    for (uint32_t i = 0; i < registry->n_entries; i++)
        if (mu_xdm_descriptor_is(&registry->entries[i], MU_STR("descriptorIdentity")))
            MU_TRY(add_identity(registry, &registry->entries[i], err));
    return MU_OK;
}
