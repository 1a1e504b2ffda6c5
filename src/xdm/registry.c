/* registry.c -- the built-in container and a tenant's documents, read, indexed and resolved. */
#include "xdm/registry_int.h"

#include <stdlib.h>

#define ADOBE_NAMESPACE "https://ns.adobe.com/"

/* -------- ids -------- */

mu_str mu_xdm_alt_id(mu_arena *arena, mu_str id)
{
    mu_str prefix = MU_STR(ADOBE_NAMESPACE);
    mu_str rest =
        mu_str_starts_with(id, prefix) ? (mu_str){id.ptr + prefix.len, id.len - prefix.len} : id;
    char *text = mu_arena_alloc(arena, rest.len + 2);
    text[0] = '_';
    for (size_t i = 0; i < rest.len; i++)
        text[i + 1] = rest.ptr[i] == '/' ? '.' : rest.ptr[i];
    return (mu_str){text, rest.len + 1};
}

static mu_code add_entry(mu_registry *registry, mu_xdm_resource_entry entry, mu_err *err)
{
    bool is_new = false;
    uint64_t *slot = mu_strmap_put(&registry->by_id, entry.id, &is_new);
    if (!is_new)
        return mu_fail(err, MU_E_INPUT, "\"" MU_STR_FMT "\" is there twice", MU_STR_ARG(entry.id));
    *slot = registry->n_entries + 1;
    if (entry.alt_id.len > 0)
        *mu_strmap_put(&registry->by_id, entry.alt_id, NULL) = registry->n_entries + 1;
    registry->entries[registry->n_entries++] = entry;
    return MU_OK;
}

const mu_xdm_resource_entry *mu_registry_find(const mu_registry *registry, mu_str id)
{
    const uint64_t *slot = mu_strmap_get(&registry->by_id, id);
    return slot == NULL ? NULL : &registry->entries[*slot - 1];
}

uint32_t mu_registry_entries(const mu_registry *registry, const mu_xdm_resource_entry **out)
{
    *out = registry->entries;
    return registry->n_entries;
}

mu_str mu_registry_tenant(const mu_registry *registry)
{
    return registry->tenant;
}

/* -------- reading documents -------- */

static mu_xdm_resource global_resource(const char *path)
{
    static const struct {
        const char *folder;
        mu_xdm_resource resource;
    } folders[] = {{"behaviors/", MU_XDM_BEHAVIOR_RESOURCE},
                   {"classes/", MU_XDM_CLASS},
                   {"fieldgroups/", MU_XDM_FIELD_GROUP},
                   {"datatypes/", MU_XDM_DATA_TYPE}};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (strncmp(path, folders[i].folder, strlen(folders[i].folder)) == 0)
            return folders[i].resource;
    MU_ASSERT(false);
    return MU_XDM_SCHEMA;
}

static mu_code read_document(mu_registry *registry, mu_json_reader *reader, mu_str id, mu_str text,
                             const mu_json **out, mu_err *err)
{
    mu_err why = {0};
    mu_json json;
    mu_json *plain = MU_NEW(&registry->arena, mu_json);
    mu_code code = mu_json_read(reader, &registry->arena, text, &json, &why);
    if (code == MU_OK)
        code = mu_xdm_plain_document(&registry->arena, &json, plain, &why);
    if (code != MU_OK)
        return mu_fail(err, MU_E_INPUT, MU_STR_FMT ": %s", MU_STR_ARG(id), why.text);
    if (plain->kind != MU_JSON_OBJECT)
        return mu_fail(err, MU_E_INPUT, MU_STR_FMT ": the document is no object", MU_STR_ARG(id));
    *out = plain;
    return MU_OK;
}

static mu_code add_document(mu_registry *registry, mu_json_reader *reader, mu_xdm_resource resource,
                            bool is_global, mu_str id, mu_str text, mu_err *err)
{
    mu_xdm_resource_entry entry = {.resource = resource, .is_global = is_global};
    MU_TRY(read_document(registry, reader, id, text, &entry.json, err));
    entry.id = is_global ? mu_json_member_string(entry.json, MU_STR("$id"), MU_STR(""))
                         : mu_arena_copy(&registry->arena, id);
    if (resource != MU_XDM_DESCRIPTOR)
        entry.alt_id = mu_xdm_alt_id(&registry->arena, entry.id);
    entry.title = mu_json_member_string(entry.json, MU_STR("title"), MU_STR(""));
    return add_entry(registry, entry, err);
}

static mu_code add_all(mu_registry *registry, mu_json_reader *reader, size_t n_documents,
                       const mu_xdm_document *documents, mu_err *err)
{
    for (size_t i = 0; i < mu_xdm_global_documents_count; i++) {
        const mu_xdm_embedded *d = &mu_xdm_global_documents[i];
        MU_TRY(add_document(registry, reader, global_resource(d->path), true, mu_str_from(d->path),
                            (mu_str){(const char *)d->bytes, d->size_bytes}, err));
    }
    for (size_t i = 0; i < n_documents; i++)
        MU_TRY(add_document(registry, reader, documents[i].resource, false, documents[i].id,
                            documents[i].json, err));
    return MU_OK;
}

/* -------- classes -------- */

/* Whether a class is `id` or builds on it; circles end at the depth limit. */
static bool builds_on(const mu_registry *registry, const mu_xdm_resource_entry *entry, mu_str id,
                      uint32_t depth)
{
    if (entry == NULL || depth > MU_XDM_REF_DEPTH_MAX)
        return false;
    if (mu_str_equal(entry->id, id))
        return true;
    const mu_json *all = mu_json_member(entry->json, MU_STR("allOf"));
    for (uint32_t i = 0; all != NULL && all->kind == MU_JSON_ARRAY && i < all->n; i++) {
        mu_str ref = mu_json_member_string(&all->items[i], MU_STR("$ref"), MU_STR(""));
        if (ref.len > 0 && ref.ptr[0] != '#' &&
            builds_on(registry, mu_registry_find(registry, ref), id, depth + 1))
            return true;
    }
    return false;
}

static mu_xdm_behavior behavior_of(const mu_registry *registry, const mu_xdm_resource_entry *class)
{
    if (builds_on(registry, class, MU_STR(MU_XDM_PROFILE_CLASS), 0))
        return MU_XDM_PROFILE;
    return builds_on(registry, class, MU_STR(MU_XDM_TIME_SERIES), 0) ? MU_XDM_EVENT : MU_XDM_LOOKUP;
}

/* The class a schema is of: what meta:class says, else the class among its references. */
static const mu_xdm_resource_entry *class_of(const mu_registry *registry, const mu_json *document)
{
    mu_str id = mu_json_member_string(document, MU_STR("meta:class"), MU_STR(""));
    const mu_xdm_resource_entry *class = mu_registry_find(registry, id);
    if (class != NULL && class->resource == MU_XDM_CLASS)
        return class;
    const mu_json *all = mu_json_member(document, MU_STR("allOf"));
    for (uint32_t i = 0; all != NULL && all->kind == MU_JSON_ARRAY && i < all->n; i++) {
        mu_str ref = mu_json_member_string(&all->items[i], MU_STR("$ref"), MU_STR(""));
        class = mu_registry_find(registry, ref);
        if (class != NULL && class->resource == MU_XDM_CLASS)
            return class;
    }
    return NULL;
}

mu_str mu_registry_class_of(const mu_registry *registry, const mu_json *document)
{
    const mu_xdm_resource_entry *class = class_of(registry, document);
    return class == NULL ? MU_STR("") : class->id;
}

uint32_t mu_registry_extends(const mu_registry *registry, const mu_json *document, mu_arena *arena,
                             const mu_str **out)
{
    mu_str *ids = MU_NEW_ARRAY(arena, mu_str, registry->n_entries);
    bool *is_listed = MU_NEW_ARRAY(arena, bool, registry->n_entries);
    uint32_t n = 0, n_walked = 0;
    for (const mu_json *at = document; at != NULL;) {
        const mu_json *all = mu_json_member(at, MU_STR("allOf"));
        for (uint32_t i = 0; all != NULL && all->kind == MU_JSON_ARRAY && i < all->n; i++) {
            const mu_xdm_resource_entry *entry = mu_registry_find(
                registry, mu_json_member_string(&all->items[i], MU_STR("$ref"), MU_STR("")));
            if (entry == NULL || is_listed[entry - registry->entries])
                continue;
            is_listed[entry - registry->entries] = true;
            ids[n++] = entry->id;
        }
        at = n_walked < n ? mu_registry_find(registry, ids[n_walked++])->json : NULL;
    }
    *out = ids;
    return n;
}

static bool has_tag(const mu_json *document, mu_str tag)
{
    const mu_json *tags = mu_json_member(document, MU_STR("meta:immutableTags"));
    for (uint32_t i = 0; tags != NULL && tags->kind == MU_JSON_ARRAY && i < tags->n; i++)
        if (tags->items[i].kind == MU_JSON_STRING && mu_str_equal(tags->items[i].string, tag))
            return true;
    return false;
}

/* -------- schemas -------- */

/* What every record of the profile class may hold besides its schema: a.5, p9 of the sample data
 * and b.6 need identities and memberships from senders whose schema has no such group. */
static uint32_t system_pieces(const mu_registry *registry, mu_xdm_behavior behavior,
                              mu_xdm_piece *out)
{
    static const char *const ids[] = {MU_XDM_IDENTITY_MAP, MU_XDM_SEGMENTATION};
    uint32_t n = behavior == MU_XDM_PROFILE ? 2 : behavior == MU_XDM_EVENT ? 1 : 0;
    for (uint32_t i = 0; i < n; i++) {
        const mu_xdm_resource_entry *entry = mu_registry_find(registry, mu_str_from(ids[i]));
        out[i] = (mu_xdm_piece){entry->json, entry};
    }
    return n;
}

static mu_code add_schema(mu_registry *registry, const mu_xdm_resource_entry *entry, mu_err *err)
{
    const mu_xdm_resource_entry *class =
        entry->resource == MU_XDM_CLASS ? entry : class_of(registry, entry->json);
    if (class == NULL)
        return mu_fail(err, MU_E_INPUT,
                       MU_STR_FMT ": a schema must refer to a class in its \"allOf\"",
                       MU_STR_ARG(entry->id));
    mu_xdm_schema *schema = &registry->schemas[registry->n_schemas];
    *schema = (mu_xdm_schema){.id = entry->id,
                              .alt_id = entry->alt_id,
                              .class_id = class->id,
                              .behavior = behavior_of(registry, class)};
    schema->in_union =
        entry->resource == MU_XDM_SCHEMA ? has_tag(entry->json, MU_STR("union")) : entry->is_global;
    mu_xdm_piece pieces[4] = {{entry->json, entry}, {class->json, class}};
    uint32_t n = 2 + system_pieces(registry, schema->behavior, &pieces[2]);
    uint32_t n_nodes = 0;
    MU_TRY(mu_xdm_compose(registry, registry, &registry->arena, entry->id, n, pieces, &schema->root,
                          &n_nodes, err));
    if (schema->root->type->kind != MU_TYPE_OBJECT)
        return mu_fail(err, MU_E_INPUT, MU_STR_FMT ": a schema must have fields",
                       MU_STR_ARG(entry->id));
    registry->n_nodes += n_nodes;
    if (registry->n_nodes > MU_XDM_ALL_NODES_MAX)
        return mu_fail(err, MU_E_INPUT, "the schemas of this sandbox have more than %u fields",
                       MU_XDM_ALL_NODES_MAX);
    registry->n_schemas++;
    *mu_strmap_put(&registry->schema_by_id, schema->id, NULL) = registry->n_schemas;
    *mu_strmap_put(&registry->schema_by_id, schema->alt_id, NULL) = registry->n_schemas;
    return MU_OK;
}

/* What no schema uses yet has to make sense as well. */
static mu_code check_part(mu_registry *registry, const mu_xdm_resource_entry *entry, mu_err *err)
{
    mu_arena scratch;
    mu_xdm_node *node;
    mu_xdm_piece piece = {entry->json, entry};
    mu_arena_init(&scratch, SIZE_MAX);
    mu_code code =
        mu_xdm_compose(registry, registry, &scratch, entry->id, 1, &piece, &node, NULL, err);
    mu_arena_free(&scratch);
    return code;
}

static mu_code resolve_all(mu_registry *registry, mu_err *err)
{
    for (uint32_t i = 0; i < registry->n_entries; i++) {
        const mu_xdm_resource_entry *entry = &registry->entries[i];
        if (entry->resource == MU_XDM_SCHEMA || entry->resource == MU_XDM_CLASS)
            MU_TRY(add_schema(registry, entry, err));
        else if (entry->resource != MU_XDM_DESCRIPTOR && !entry->is_global)
            MU_TRY(check_part(registry, entry, err));
    }
    return MU_OK;
}

/* Members of a union must agree with one another and with what is built in. */
static mu_code check_unions(const mu_registry *registry, mu_err *err)
{
    mu_arena scratch;
    mu_arena_init(&scratch, SIZE_MAX);
    const mu_schema *united;
    mu_code code = mu_registry_union(registry, &scratch, mu_schema_builtin(&scratch), &united, err);
    mu_arena_free(&scratch);
    return code;
}

/* -------- the whole -------- */

static mu_code fill(mu_registry *registry, size_t n_documents, const mu_xdm_document *documents,
                    mu_err *err)
{
    size_t n = mu_xdm_global_documents_count + n_documents;
    if (n > UINT32_MAX / 2)
        return mu_fail(err, MU_E_LIMIT, "too many documents");
    registry->entries = MU_NEW_ARRAY(&registry->arena, mu_xdm_resource_entry, n);
    registry->schemas = MU_NEW_ARRAY(&registry->arena, mu_xdm_schema, n);
    mu_json_reader *reader = mu_json_reader_new();
    mu_code code = add_all(registry, reader, n_documents, documents, err);
    mu_json_reader_free(reader);
    MU_TRY(code);
    MU_TRY(resolve_all(registry, err));
    MU_TRY(mu_xdm_apply_descriptors(registry, err));
    return check_unions(registry, err);
}

mu_code mu_registry_new(mu_str tenant, size_t n_documents, const mu_xdm_document *documents,
                        mu_registry **out, mu_err *err)
{
    mu_registry *registry = calloc(1, sizeof *registry);
    if (registry == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory");
    mu_arena_init(&registry->arena, SIZE_MAX);
    mu_strmap_init(&registry->by_id);
    mu_strmap_init(&registry->schema_by_id);
    mu_strmap_init(&registry->patterns);
    registry->tenant = mu_arena_copy(&registry->arena, tenant);
    mu_code code = fill(registry, n_documents, documents, err);
    if (code != MU_OK) {
        mu_registry_free(registry);
        return code;
    }
    *out = registry;
    return MU_OK;
}

void mu_registry_free(mu_registry *registry)
{
    if (registry == NULL)
        return;
    for (const mu_xdm_pattern *p = registry->first_pattern; p != NULL; p = p->next)
        mu_regex_free(p->regex);
    mu_strmap_free(&registry->by_id);
    mu_strmap_free(&registry->schema_by_id);
    mu_strmap_free(&registry->patterns);
    mu_arena_free(&registry->arena);
    free(registry);
}

/* -------- schemas as ingestion sees them -------- */

const mu_xdm_schema *mu_registry_schema(const mu_registry *registry, mu_str id)
{
    const uint64_t *slot = mu_strmap_get(&registry->schema_by_id, id);
    return slot == NULL ? NULL : &registry->schemas[*slot - 1];
}

mu_str mu_xdm_schema_id(const mu_xdm_schema *schema)
{
    return schema->id;
}

mu_str mu_xdm_schema_class(const mu_xdm_schema *schema)
{
    return schema->class_id;
}

mu_xdm_behavior mu_xdm_schema_behavior(const mu_xdm_schema *schema)
{
    return schema->behavior;
}

bool mu_xdm_schema_in_union(const mu_xdm_schema *schema)
{
    return schema->in_union;
}

uint32_t mu_xdm_schema_identities(const mu_xdm_schema *schema, const mu_xdm_identity **out)
{
    *out = schema->identities;
    return schema->n_identities;
}
