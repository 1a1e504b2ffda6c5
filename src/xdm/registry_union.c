/* registry_union.c -- what rows are stored by: the schemas of a union joined. profile.md a.5. */
#include "xdm/registry_int.h"

#include "xdm/value.h"

typedef struct lookup_draft {
    const mu_xdm_schema *schema;
    mu_str name, key_path;
    mu_draft *draft;
} lookup_draft;

typedef struct uniting {
    const mu_registry *registry;
    mu_arena *arena;
    mu_draft *profile, *event;
    uint32_t n_lookups;
    lookup_draft *lookups;
    uint32_t n_relationships;
    mu_relationship *relationships;
    mu_err *err;
} uniting;

static mu_code merge_schema(uniting *u, const mu_xdm_schema *schema, mu_draft *draft)
{
    mu_err why = {0};
    mu_code code = mu_draft_merge(u->arena, draft, schema->root->type, &why);
    return code == MU_OK
               ? MU_OK
               : mu_fail(u->err, code, MU_STR_FMT ": %s", MU_STR_ARG(schema->id), why.text);
}

static lookup_draft *lookup_named(const uniting *u, mu_str name)
{
    for (uint32_t i = 0; i < u->n_lookups; i++)
        if (mu_str_equal(u->lookups[i].name, name))
            return &u->lookups[i];
    return NULL;
}

static mu_str primary_path(const mu_xdm_schema *schema)
{
    for (uint32_t i = 0; i < schema->n_identities; i++)
        if (schema->identities[i].is_primary)
            return schema->identities[i].path;
    return MU_STR("");
}

/* -------- relationships -------- */

typedef struct relation {
    const mu_xdm_schema *source, *target;
    mu_str path;
} relation;

static mu_str text_member(const mu_json *descriptor, mu_str prefixed)
{
    return mu_json_member_string(
        descriptor, prefixed,
        mu_json_member_string(descriptor, mu_xdm_plain_name(prefixed), MU_STR("")));
}

/* False when the descriptor is none that leads from a text field to a lookup schema with a key. */
static bool read_relation(const uniting *u, const mu_xdm_resource_entry *entry, relation *out)
{
    if (!mu_xdm_descriptor_is(entry, MU_STR("descriptorOneToOne")) &&
        !mu_xdm_descriptor_is(entry, MU_STR("descriptorRelationship")))
        return false;
    out->source =
        mu_registry_schema(u->registry, text_member(entry->json, MU_STR("xdm:sourceSchema")));
    out->target =
        mu_registry_schema(u->registry, text_member(entry->json, MU_STR("xdm:destinationSchema")));
    out->path =
        mu_xdm_dotted_path(u->arena, text_member(entry->json, MU_STR("xdm:sourceProperty")));
    return out->source != NULL && out->target != NULL && out->path.len > 0 &&
           out->target->behavior == MU_XDM_LOOKUP && primary_path(out->target).len > 0;
}

/* The class a schema's records are stored in; len 0 when they are not. */
static mu_str stored_class(const uniting *u, const mu_xdm_schema *schema)
{
    if (schema->behavior == MU_XDM_LOOKUP)
        return lookup_named(u, schema->id) != NULL ? lookup_named(u, schema->id)->name : MU_STR("");
    if (!schema->in_union)
        return MU_STR("");
    return schema->behavior == MU_XDM_PROFILE ? MU_STR("profile") : MU_STR("event");
}

static mu_draft *class_draft(const uniting *u, mu_str name)
{
    lookup_draft *lookup = lookup_named(u, name);
    return lookup != NULL                          ? lookup->draft
           : mu_str_equal(name, MU_STR("profile")) ? u->profile
                                                   : u->event;
}

static mu_code add_lookup(uniting *u, const mu_xdm_schema *schema)
{
    lookup_draft *lookup = lookup_named(u, schema->id);
    mu_str key_path = primary_path(schema);
    if (lookup == NULL) {
        lookup = &u->lookups[u->n_lookups++];
        *lookup = (lookup_draft){.name = mu_arena_copy(u->arena, schema->id),
                                 .key_path = mu_arena_copy(u->arena, key_path),
                                 .draft = mu_draft_of(u->arena, mu_type_of(MU_TYPE_OBJECT))};
    } else if (!mu_str_equal(lookup->key_path, key_path)) {
        return mu_fail(u->err, MU_E_CONFLICT,
                       MU_STR_FMT ": its records are stored by the key \"" MU_STR_FMT
                                  "\", not \"" MU_STR_FMT "\"",
                       MU_STR_ARG(schema->id), MU_STR_ARG(lookup->key_path), MU_STR_ARG(key_path));
    }
    if (lookup->schema != NULL)
        return MU_OK;
    lookup->schema = schema;
    return merge_schema(u, schema, lookup->draft);
}

static mu_code add_relationship(uniting *u, const relation *r, mu_str source_class)
{
    mu_draft *field = mu_draft_at(class_draft(u, source_class), r->path);
    while (field != NULL && field->kind == MU_TYPE_LIST)
        field = field->item;
    if (field == NULL || field->kind != MU_TYPE_STRING)
        return mu_fail(u->err, MU_E_INPUT,
                       MU_STR_FMT ": \"" MU_STR_FMT
                                  "\" is no text field, so no relationship starts there",
                       MU_STR_ARG(r->source->id), MU_STR_ARG(r->path));
    mu_str target = lookup_named(u, r->target->id)->name;
    if (field->target_class.len == 0)
        field->target_class = target;
    for (uint32_t i = 0; i < u->n_relationships; i++) {
        const mu_relationship *old = &u->relationships[i];
        if (mu_str_equal(old->source_class, source_class) && mu_str_equal(old->path, r->path) &&
            mu_str_equal(old->target_class, target))
            return MU_OK;
    }
    u->relationships[u->n_relationships++] =
        (mu_relationship){.source_class = source_class, .path = r->path, .target_class = target};
    return MU_OK;
}

/* A lookup class may lead to another, whichever descriptor comes first: repeats until a round adds
 * no class. */
static mu_code add_relationships(uniting *u)
{
    const mu_registry *registry = u->registry;
    relation r;
    for (bool grew = true; grew;) {
        uint32_t n_before = u->n_lookups;
        for (uint32_t i = 0; i < registry->n_entries; i++)
            if (read_relation(u, &registry->entries[i], &r) && stored_class(u, r.source).len > 0)
                MU_TRY(add_lookup(u, r.target));
        grew = u->n_lookups > n_before;
    }
    for (uint32_t i = 0; i < registry->n_entries; i++) {
        if (!read_relation(u, &registry->entries[i], &r))
            continue;
        mu_str source_class = stored_class(u, r.source);
        if (source_class.len > 0)
            MU_TRY(add_relationship(u, &r, source_class));
    }
    return MU_OK;
}

/* -------- the whole -------- */

static void begin(uniting *u, const mu_schema *base)
{
    uint32_t n_entries = u->registry->n_entries;
    u->profile = mu_draft_of(u->arena, base->profile);
    u->event = mu_draft_of(u->arena, base->event);
    u->lookups = MU_NEW_ARRAY(u->arena, lookup_draft, base->n_lookup_classes + n_entries);
    u->relationships = MU_NEW_ARRAY(u->arena, mu_relationship, base->n_relationships + n_entries);
    for (uint32_t i = 0; i < base->n_lookup_classes; i++)
        u->lookups[u->n_lookups++] =
            (lookup_draft){.name = base->lookup_classes[i].name,
                           .key_path = base->lookup_classes[i].key_path,
                           .draft = mu_draft_of(u->arena, base->lookup_classes[i].type)};
    for (uint32_t i = 0; i < base->n_relationships; i++)
        u->relationships[u->n_relationships++] = base->relationships[i];
}

static bool same_lookups(const mu_schema *a, uint32_t n, const mu_lookup_class *lookups)
{
    if (a->n_lookup_classes != n)
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (!mu_type_equal(a->lookup_classes[i].type, lookups[i].type))
            return false;
    return true;
}

static const mu_schema *finish(const uniting *u, const mu_schema *base)
{
    const mu_type *profile = mu_draft_type(u->arena, u->profile);
    const mu_type *event = mu_draft_type(u->arena, u->event);
    mu_lookup_class *lookups = MU_NEW_ARRAY(u->arena, mu_lookup_class, u->n_lookups);
    for (uint32_t i = 0; i < u->n_lookups; i++)
        lookups[i] = (mu_lookup_class){.name = u->lookups[i].name,
                                       .type = mu_draft_type(u->arena, u->lookups[i].draft),
                                       .key_path = u->lookups[i].key_path};
    if (mu_type_equal(profile, base->profile) && mu_type_equal(event, base->event) &&
        same_lookups(base, u->n_lookups, lookups) && u->n_relationships == base->n_relationships)
        return base;
    mu_schema *schema = MU_NEW(u->arena, mu_schema);
    *schema = *base;
    schema->version = base->version + 1;
    schema->profile = profile;
    schema->event = event;
    schema->n_lookup_classes = u->n_lookups;
    schema->lookup_classes = lookups;
    schema->n_relationships = u->n_relationships;
    schema->relationships = u->relationships;
    mu_schema_set_row(u->arena, schema);
    return schema;
}

mu_code mu_registry_union(const mu_registry *registry, mu_arena *arena, const mu_schema *base,
                          const mu_schema **out, mu_err *err)
{
    uniting u = {.registry = registry, .arena = arena, .err = err};
    begin(&u, base);
    for (uint32_t i = 0; i < registry->n_schemas; i++) {
        const mu_xdm_schema *schema = &registry->schemas[i];
        if (schema->in_union && schema->behavior != MU_XDM_LOOKUP)
            MU_TRY(
                merge_schema(&u, schema, schema->behavior == MU_XDM_PROFILE ? u.profile : u.event));
    }
    MU_TRY(add_relationships(&u));
    *out = finish(&u, base);
    return MU_OK;
}
