/* registry.h -- XDM schemas as the Schema Registry has them: JSON documents that extend one
 * another.
 *
 * A registry is the built-in `global` container (P7) and one sandbox's `tenant` documents,
 * resolved: immutable, in its own memory, any number of threads. An edit makes a new registry.
 * profile.md (a).
 */
#ifndef MU_XDM_REGISTRY_H
#define MU_XDM_REGISTRY_H

#include "xdm/schema.h"

typedef struct mu_registry mu_registry;

typedef enum mu_xdm_resource {
    MU_XDM_CLASS,
    MU_XDM_FIELD_GROUP,
    MU_XDM_DATA_TYPE,
    MU_XDM_SCHEMA,
    MU_XDM_DESCRIPTOR,
    MU_XDM_BEHAVIOR_RESOURCE /* built in only */
} mu_xdm_resource;

/* A tenant document as it was sent, completed with its ids. */
typedef struct mu_xdm_document {
    mu_xdm_resource resource;
    mu_str id; /* "$id"; descriptors: "@id" */
    mu_str json;
} mu_xdm_document;

/* Resolves everything. MU_E_INPUT: a document that makes no sense (it is named); MU_E_CONFLICT: two
 * members of a union give a path different types (P10). */
MU_CHECKED mu_code mu_registry_new(mu_str tenant, size_t n_documents,
                                   const mu_xdm_document *documents, mu_registry **out,
                                   mu_err *err);
void mu_registry_free(mu_registry *registry);

/* -------- documents -------- */

/* A document of either container. */
typedef struct mu_xdm_resource_entry {
    mu_xdm_resource resource;
    bool is_global;
    mu_str id, alt_id, title; /* descriptors have no alt_id */
    const mu_json *json;      /* in its plain form (P4) */
} mu_xdm_resource_entry;

/* The built-in documents, then the tenant's, in their order. */
uint32_t mu_registry_entries(const mu_registry *registry, const mu_xdm_resource_entry **out);
/* By "$id", "@id" or meta:altId; NULL when there is none. */
const mu_xdm_resource_entry *mu_registry_find(const mu_registry *registry, mu_str id);
mu_str mu_registry_tenant(const mu_registry *registry);

/* A schema document in its plain form (P4), in `arena`, shared with `document`. */
MU_CHECKED mu_code mu_xdm_plain_document(mu_arena *arena, const mu_json *document, mu_json *out,
                                         mu_err *err);

/* The class that a schema document is of, by meta:class or allOf; empty when there is none. */
mu_str mu_registry_class_of(const mu_registry *registry, const mu_json *document);
/* What a document refers to in its allOf, and what those refer to, without repeats: meta:extends.
 * In `arena`. */
uint32_t mu_registry_extends(const mu_registry *registry, const mu_json *document, mu_arena *arena,
                             const mu_str **out);

/* How documents are answered (a.3). */
typedef struct mu_xdm_rendering {
    bool is_prefixed; /* "xdm:person", "@id": vnd.adobe.xdm */
    bool is_full;     /* $ref and allOf resolved into properties */
    bool is_flat;     /* properties by path: "person/name/firstName"; needs is_full */
    bool has_text;    /* titles and descriptions */
} mu_xdm_rendering;
/* The document, without what a catalog knows of it (versions, times). In `arena`, sharing the
 * registry's memory. */
MU_CHECKED mu_code mu_registry_render(const mu_registry *registry,
                                      const mu_xdm_resource_entry *entry,
                                      const mu_xdm_rendering *how, mu_arena *arena, mu_json *out,
                                      mu_err *err);

/* A class's schemas that are in its union (a.5). */
typedef struct mu_xdm_union {
    mu_str id, alt_id, class_id, title; /* "...context/profile__union"; the title of the class */
    uint32_t n_schemas;
    mu_str *schema_ids;
} mu_xdm_union;
uint32_t mu_registry_unions(const mu_registry *registry, mu_arena *arena, mu_xdm_union **out);
MU_CHECKED mu_code mu_registry_render_union(const mu_registry *registry,
                                            const mu_xdm_union *members,
                                            const mu_xdm_rendering *how, mu_arena *arena,
                                            mu_json *out, mu_err *err);

/* "https://ns.adobe.com/xdm/context/profile" -> "_xdm.context.profile", in `arena` (a.3). */
mu_str mu_xdm_alt_id(mu_arena *arena, mu_str id);

/* -------- schemas to take data by -------- */

typedef enum mu_xdm_behavior {
    MU_XDM_PROFILE, /* record of the profile class */
    MU_XDM_EVENT,   /* time series */
    MU_XDM_LOOKUP   /* record of any other class */
} mu_xdm_behavior;

typedef struct mu_xdm_schema mu_xdm_schema;

/* By "$id" or meta:altId; a class stands for a schema of nothing but it (P8). NULL when there is
 * none. */
const mu_xdm_schema *mu_registry_schema(const mu_registry *registry, mu_str id);
mu_str mu_xdm_schema_id(const mu_xdm_schema *schema);
mu_str mu_xdm_schema_class(const mu_xdm_schema *schema);
mu_xdm_behavior mu_xdm_schema_behavior(const mu_xdm_schema *schema);
bool mu_xdm_schema_in_union(const mu_xdm_schema *schema);

/* Identity descriptors of the schema, in the order they were made. Paths are dotted; list steps are
 * not marked. */
typedef struct mu_xdm_identity {
    mu_str path;
    mu_str namespace_code; /* as given: a code, or the decimal number of a namespace */
    bool is_primary;
} mu_xdm_identity;
uint32_t mu_xdm_schema_identities(const mu_xdm_schema *schema, const mu_xdm_identity **out);

/* One violation, in the texts of P40. */
typedef struct mu_xdm_violation {
    mu_str schema_location; /* "#/properties/_id" */
    mu_str pointer;         /* "#/_id" */
    mu_str keyword;         /* "type", "required", "additionalProperties", ... */
    mu_str message;
} mu_xdm_violation;

#define MU_XDM_VIOLATIONS_MAX 5u

enum mu_xdm_validation_flag {
    MU_XDM_PARTIAL = 1 /* an upsert: nothing is required and a null leaf deletes (P53) */
};

/* Checks an entity, in its plain form or with prefixes (P4): presence, type, enum, pattern, range,
 * format, unknown keys; in document order, at most MU_XDM_VIOLATIONS_MAX, in `arena`. 0: valid. */
uint32_t mu_xdm_validate(const mu_xdm_schema *schema, const mu_json *entity, unsigned flags,
                         mu_arena *arena, mu_xdm_violation out[MU_XDM_VIOLATIONS_MAX]);

/* An entity in its plain form (P4), keys of maps as they are; `entity` itself when it has no other
 * names. In `arena`, shared with `entity`. */
const mu_json *mu_xdm_plain_entity(const mu_xdm_schema *schema, const mu_json *entity,
                                   mu_arena *arena);

/* An entity made up from a schema: every field once, in the plain form. In `arena`, sharing the
 * registry's memory. */
mu_json mu_xdm_sample(const mu_xdm_schema *schema, mu_arena *arena);

/* `base` extended by all schemas of the registry that are in a union, and by the lookup classes of
 * record schemas that relationship descriptors lead to: what rows are stored by. In `arena`; `base`
 * itself when it holds all of it already. MU_E_CONFLICT names the path. */
MU_CHECKED mu_code mu_registry_union(const mu_registry *registry, mu_arena *arena,
                                     const mu_schema *base, const mu_schema **out, mu_err *err);

#endif
