/* schema.h -- what a sandbox knows of its data: classes, relationships, identities.
 *
 * A schema is immutable and may be shared by threads; a change makes a new version. It lives in the
 * arena it was built in.
 */
#ifndef MU_XDM_SCHEMA_H
#define MU_XDM_SCHEMA_H

#include "xdm/type.h"
#include "json/json.h"

/* A class of lookup records that relationships lead to. */
typedef struct mu_lookup_class {
    mu_str name; /* schema id, or the short name given on load */
    const mu_type *type;
    mu_str key_path; /* dotted path of its primary identity, a string */
} mu_lookup_class;

typedef struct mu_relationship {
    mu_str source_class; /* "profile", "event" or a lookup class */
    mu_str path;         /* dotted; list steps are not marked */
    mu_str target_class;
} mu_relationship;

typedef struct mu_identity_path {
    mu_str source_class; /* "profile" or "event" */
    mu_str path;
    mu_str namespace_code;
    bool is_primary;
} mu_identity_path;

typedef struct mu_schema {
    uint32_t version;
    const mu_type *profile; /* OBJECT, without xEvent */
    const mu_type *event;   /* OBJECT */
    const mu_type *row;     /* `profile` plus the last field "xEvent": LIST of `event` */
    uint32_t n_lookup_classes;
    const mu_lookup_class *lookup_classes;
    uint32_t n_relationships;
    const mu_relationship *relationships;
    uint32_t n_identity_paths;
    const mu_identity_path *identity_paths;
    uint32_t n_unique_namespaces;
    const mu_str *unique_namespaces;
} mu_schema;

/* The built-in schema: standard XDM paths of the profile and event classes (sample-data.md 2). */
const mu_schema *mu_schema_builtin(mu_arena *arena);

/* `base` with other classes, its version one higher: what a load that met unknown fields makes. The
 * types and classes are borrowed and must live as long as `arena`. */
const mu_schema *mu_schema_with_types(mu_arena *arena, const mu_schema *base,
                                      const mu_type *profile, const mu_type *event,
                                      uint32_t n_lookup_classes,
                                      const mu_lookup_class *lookup_classes);

/* A schema file (design.md 7) on top of `base`: what it says is added; a path it types differently
 * from `base` is MU_E_CONFLICT. docs/schema.md describes the format. */
MU_CHECKED mu_code mu_schema_extend(mu_arena *arena, const mu_schema *base, const mu_json *file,
                                    const mu_schema **out, mu_err *err);

/* Whole schemas to and from JSON, as the catalog stores them. */
void mu_schema_write(mu_json_writer *writer, const mu_schema *schema);
MU_CHECKED mu_code mu_schema_read(mu_arena *arena, const mu_json *json, const mu_schema **out,
                                  mu_err *err);

const mu_lookup_class *mu_schema_lookup_class(const mu_schema *schema, mu_str name);

#endif
