/* registry_int.h -- documents resolved into nodes: shared by the files that make, use and write
 * registries.
 *
 * A node stands for one place of a resolved schema. It is made of pieces: all the JSON Schema
 * objects that speak about the place, through allOf and $ref.
 */
#ifndef MU_XDM_REGISTRY_INT_H
#define MU_XDM_REGISTRY_INT_H

#include "base/hash.h"
#include "base/regex.h"
#include "xdm/registry.h"
#include "xdm/schema_int.h"

/* -------- the built-in documents, as the build embedded them -------- */

typedef struct mu_xdm_embedded {
    const char *path; /* "classes/profile.json" */
    const unsigned char *bytes;
    size_t size_bytes;
} mu_xdm_embedded;
extern const mu_xdm_embedded mu_xdm_global_documents[];
extern const size_t mu_xdm_global_documents_count;

#define MU_XDM_PROFILE_CLASS   "https://ns.adobe.com/xdm/context/profile"
#define MU_XDM_EVENT_CLASS     "https://ns.adobe.com/xdm/context/experienceevent"
#define MU_XDM_RECORD          "https://ns.adobe.com/xdm/data/record"
#define MU_XDM_TIME_SERIES     "https://ns.adobe.com/xdm/data/time-series"
#define MU_XDM_IDENTITY_MAP    "https://ns.adobe.com/xdm/context/identitymap"
#define MU_XDM_SEGMENTATION    "https://ns.adobe.com/xdm/context/profile-segmentation"
#define MU_XDM_RECORD_EVENTS   "https://ns.adobe.com/xdm/data/record-timeseries-events"
#define MU_XDM_UNION_ID_SUFFIX "__union"

/* -------- limits -------- */

#define MU_XDM_PIECES_MAX    4096u    /* that speak about one place; a union has many schemas */
#define MU_XDM_NODES_MAX     20000u   /* of one schema */
#define MU_XDM_ALL_NODES_MAX 2000000u /* of a registry */
#define MU_XDM_GATHERED_MAX  200000u  /* references followed and pieces met, of one schema */
#define MU_XDM_REF_DEPTH_MAX 32u      /* $ref and allOf within one place */

/* -------- patterns -------- */

/* "^[A-Z]{3}$" and the like, a row of character classes, is matched without an engine. */
#define MU_XDM_SHAPE_STEPS_MAX 8
typedef struct mu_xdm_shape {
    uint32_t n_steps; /* 0: not of that kind */
    struct {
        uint64_t members[2]; /* ASCII only */
        uint32_t min, max;   /* min < max in the last step only */
    } steps[MU_XDM_SHAPE_STEPS_MAX];
} mu_xdm_shape;

typedef struct mu_xdm_pattern {
    struct mu_xdm_pattern *next;
    mu_str text;
    mu_regex *regex; /* the registry's */
    mu_xdm_shape shape;
} mu_xdm_pattern;

bool mu_xdm_shape_of(mu_str pattern, mu_xdm_shape *out);
bool mu_xdm_shape_matches(const mu_xdm_shape *shape, mu_str text);

/* -------- nodes -------- */

typedef enum mu_xdm_format {
    MU_XDM_FORMAT_NONE,
    MU_XDM_FORMAT_EMAIL,
    MU_XDM_FORMAT_URI,
    MU_XDM_FORMAT_URI_REFERENCE,
    MU_XDM_FORMAT_IPV4,
    MU_XDM_FORMAT_IPV6
} mu_xdm_format;

/* What few nodes have. */
typedef struct mu_xdm_limits {
    mu_xdm_format format;
    bool has_minimum, has_maximum, exclusive_minimum, exclusive_maximum;
    double minimum, maximum;
    uint64_t min_length, max_length; /* in code points */
    uint64_t min_items, max_items;
    uint32_t n_enums;
    const mu_json **enums; /* arrays; a value must be in each */
    uint32_t n_patterns;
    const mu_xdm_pattern **patterns;
} mu_xdm_limits;

typedef struct mu_xdm_node mu_xdm_node;
typedef struct mu_xdm_piece {
    const mu_json *json;
    const mu_xdm_resource_entry *home; /* what "#/definitions/..." is looked up in */
} mu_xdm_piece;

struct mu_xdm_node {
    const mu_type *type;   /* what values become; OBJECT: fields in the order of `fields` */
    mu_xdm_node **fields;  /* OBJECT: type->n_fields */
    mu_xdm_node *item;     /* LIST: items; MAP: values; OBJECT: what other names hold, or NULL */
    mu_xdm_limits *limits; /* NULL: none */
    uint32_t n_required;
    uint32_t *required; /* indexes of fields */
    uint32_t n_pieces;
    const mu_xdm_piece *pieces; /* the nearest first: titles and other annotations */
};

/* -------- schemas and registries -------- */

struct mu_xdm_schema {
    mu_str id, alt_id, class_id;
    mu_xdm_behavior behavior;
    bool in_union;
    mu_xdm_node *root;
    uint32_t n_identities;
    mu_xdm_identity *identities;
};

struct mu_registry {
    mu_arena arena;
    mu_str tenant;
    uint32_t n_entries;
    mu_xdm_resource_entry *entries;
    mu_strmap by_id;        /* "$id" and meta:altId -> entry + 1 */
    mu_xdm_schema *schemas; /* one per schema and class */
    uint32_t n_schemas;
    mu_strmap schema_by_id; /* -> schema + 1 */
    mu_strmap patterns;     /* text -> mu_xdm_pattern * */
    mu_xdm_pattern *first_pattern;
    uint32_t n_nodes;
};

/* Puts the place together that `n` pieces speak about, `what` being named in errors. MU_E_INPUT,
 * MU_E_CONFLICT, MU_E_LIMIT. The nodes lie in `arena`; patterns are the registry's, and are left
 * out when `registry_to_grow` is NULL. */
MU_CHECKED mu_code mu_xdm_compose(const mu_registry *registry, mu_registry *registry_to_grow,
                                  mu_arena *arena, mu_str what, uint32_t n,
                                  const mu_xdm_piece *pieces, mu_xdm_node **out, uint32_t *n_nodes,
                                  mu_err *err);

/* "repo:createDate" as its object "_repo" and field "createDate"; false when `name` is not of that
 * form. `outer` is in `arena`. */
bool mu_xdm_split_name(mu_arena *arena, mu_str name, mu_str *outer, mu_str *inner);

/* Makes a field mandatory; negative ones are left alone. `arena` NULL: there is room already. */
void mu_xdm_require(mu_arena *arena, mu_xdm_node *node, int field);

/* The node at a dotted path, through lists and maps; NULL when there is none. */
mu_xdm_node *mu_xdm_node_at(mu_xdm_node *node, mu_str path);

/* Reads descriptors into the schemas they speak of: identities, what they make mandatory. */
MU_CHECKED mu_code mu_xdm_apply_descriptors(mu_registry *registry, mu_err *err);

/* Whether an entry is a descriptor of a type, named without prefix: "descriptorIdentity". */
bool mu_xdm_descriptor_is(const mu_xdm_resource_entry *entry, mu_str type);

/* The text field that a descriptor marks. MU_E_INPUT names what is wrong. */
MU_CHECKED mu_code mu_xdm_descriptor_source(mu_registry *registry,
                                            const mu_xdm_resource_entry *entry,
                                            mu_xdm_schema **schema, mu_str *path,
                                            mu_xdm_node **field, mu_err *err);

/* "/_luma/identification/crmId" -> "_luma.identification.crmId", in `arena`; empty when malformed.
 */
mu_str mu_xdm_dotted_path(mu_arena *arena, mu_str property);

#endif
