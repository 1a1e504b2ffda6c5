/* registry_render.c -- documents as the Schema Registry answers them: as they are written or with
 * everything resolved, plain or with prefixes. profile.md a.1, a.3. */
#include "xdm/registry_int.h"

typedef struct object {
    uint32_t n, capacity;
    mu_str *names;
    mu_json *items;
} object;

/* -------- objects under construction -------- */

static void put(mu_arena *arena, object *o, mu_str name, mu_json value)
{
    if (o->n == o->capacity) {
        uint32_t capacity = o->capacity == 0 ? 8 : o->capacity * 2;
        mu_str *names = MU_NEW_ARRAY(arena, mu_str, capacity);
        mu_json *items = MU_NEW_ARRAY(arena, mu_json, capacity);
        for (uint32_t i = 0; i < o->n; i++) {
            names[i] = o->names[i];
            items[i] = o->items[i];
        }
        o->names = names;
        o->items = items;
        o->capacity = capacity;
    }
    o->names[o->n] = name;
    o->items[o->n++] = value;
}

static bool has(const object *o, mu_str name)
{
    for (uint32_t i = 0; i < o->n; i++)
        if (mu_str_equal(o->names[i], name))
            return true;
    return false;
}

static mu_json object_end(const object *o)
{
    return (mu_json){.kind = MU_JSON_OBJECT, .n = o->n, .names = o->names, .items = o->items};
}

static mu_json text(mu_str value)
{
    return (mu_json){.kind = MU_JSON_STRING, .string = value};
}

static bool is_one_of(mu_str name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (mu_str_equal(name, mu_str_from(names[i])))
            return true;
    return false;
}
#define IS_ONE_OF(name, names) is_one_of((name), (names), sizeof(names) / sizeof *(names))

/* -------- names with prefixes -------- */

/* The standard's own names have the prefix xdm; what a tenant made has none. */
static mu_str prefixed(mu_arena *arena, mu_str name)
{
    if (mu_str_equal(name, MU_STR("_id")))
        return MU_STR("@id");
    if (mu_str_equal(name, MU_STR("_type")))
        return MU_STR("@type");
    if (name.len > 0 && name.ptr[0] == '_')
        return name;
    return mu_arena_format(arena, "xdm:" MU_STR_FMT, MU_STR_ARG(name));
}

/* -------- meta:xdmType -------- */

static mu_str integer_type(const mu_xdm_limits *limits)
{
    if (limits == NULL || !limits->has_minimum || !limits->has_maximum)
        return MU_STR("int");
    double low = limits->minimum, high = limits->maximum;
    if (low >= INT8_MIN && high <= INT8_MAX)
        return MU_STR("byte");
    if (low >= INT16_MIN && high <= INT16_MAX)
        return MU_STR("short");
    return low >= INT32_MIN && high <= INT32_MAX ? MU_STR("int") : MU_STR("long");
}

static mu_str node_xdm_type(const mu_xdm_node *node)
{
    switch (node->type->kind) {
    case MU_TYPE_BOOLEAN:
        return MU_STR("boolean");
    case MU_TYPE_INTEGER:
        return integer_type(node->limits);
    case MU_TYPE_DOUBLE:
        return MU_STR("number");
    case MU_TYPE_DATE:
        return MU_STR("date");
    case MU_TYPE_TIMESTAMP:
        return MU_STR("date-time");
    case MU_TYPE_LIST:
        return MU_STR("array");
    case MU_TYPE_MAP:
        return MU_STR("map");
    case MU_TYPE_OBJECT:
        return MU_STR("object");
    default:
        return MU_STR("string");
    }
}

static mu_str json_type(mu_type_kind kind)
{
    switch (kind) {
    case MU_TYPE_BOOLEAN:
        return MU_STR("boolean");
    case MU_TYPE_INTEGER:
        return MU_STR("integer");
    case MU_TYPE_DOUBLE:
        return MU_STR("number");
    case MU_TYPE_LIST:
        return MU_STR("array");
    case MU_TYPE_MAP:
    case MU_TYPE_OBJECT:
        return MU_STR("object");
    default:
        return MU_STR("string");
    }
}

/* -------- everything resolved -------- */

static mu_json node_json(const mu_xdm_rendering *how, mu_arena *arena, const mu_xdm_node *node);

/* What pieces say besides structure: titles, limits, annotations. The nearest piece wins; of whole
 * documents only what would describe any place. */
static void put_annotations(const mu_xdm_rendering *how, mu_arena *arena, const mu_xdm_node *node,
                            object *o)
{
    static const char *const structure[] = {
        "properties", "items", "additionalProperties", "allOf", "$ref",      "definitions",
        "required",   "type",  "meta:xdmType",         "$id",   "meta:altId"};
    static const char *const of_documents[] = {"title",     "description", "enum",     "meta:enum",
                                               "pattern",   "format",      "minimum",  "maximum",
                                               "minLength", "maxLength",   "minItems", "maxItems"};
    static const char *const words[] = {"title", "description"};
    for (uint32_t i = 0; i < node->n_pieces; i++) {
        const mu_xdm_piece *piece = &node->pieces[i];
        bool is_document = piece->json == piece->home->json;
        for (uint32_t m = 0; m < piece->json->n; m++) {
            mu_str name = piece->json->names[m];
            if (IS_ONE_OF(name, structure) || (is_document && !IS_ONE_OF(name, of_documents)) ||
                (!how->has_text && IS_ONE_OF(name, words)) || has(o, name))
                continue;
            put(arena, o, name, piece->json->items[m]);
        }
    }
}

static bool is_standard(const mu_xdm_node *node)
{
    return node->n_pieces > 0 && node->pieces[0].home->is_global;
}

/* "_repo" with its fields is "repo:createDate" and so on. */
static bool is_prefix_object(const mu_xdm_node *node, mu_str name)
{
    return name.len > 1 && name.ptr[0] == '_' && node->type->kind == MU_TYPE_OBJECT &&
           is_standard(node);
}

static void put_field(const mu_xdm_rendering *how, mu_arena *arena, mu_str name,
                      const mu_xdm_node *field, object *o)
{
    if (!how->is_prefixed || !is_standard(field)) {
        put(arena, o, name, node_json(how, arena, field));
        return;
    }
    if (!is_prefix_object(field, name)) {
        put(arena, o, prefixed(arena, name), node_json(how, arena, field));
        return;
    }
    for (uint32_t f = 0; f < field->type->n_fields; f++)
        put(arena, o,
            mu_arena_format(arena, "%.*s:" MU_STR_FMT, (int)name.len - 1, name.ptr + 1,
                            MU_STR_ARG(field->type->field_names[f])),
            node_json(how, arena, field->fields[f]));
}

static mu_json fields_json(const mu_xdm_rendering *how, mu_arena *arena, const mu_xdm_node *node)
{
    object o = {0};
    for (uint32_t f = 0; f < node->type->n_fields; f++)
        put_field(how, arena, node->type->field_names[f], node->fields[f], &o);
    return object_end(&o);
}

/* Leaves by path, "person/name/firstName"; a step into a list is marked "[*]", a map is a leaf.
 * Recursion is bounded by the depth of schemas. */
static void put_flat(const mu_xdm_rendering *how, mu_arena *arena, mu_str path,
                     const mu_xdm_node *node, object *o)
{
    while (node->type->kind == MU_TYPE_LIST && node->item->type->kind == MU_TYPE_OBJECT) {
        path = mu_arena_format(arena, MU_STR_FMT "[*]", MU_STR_ARG(path));
        node = node->item;
    }
    if (node->type->kind != MU_TYPE_OBJECT) {
        put(arena, o, path, node_json(how, arena, node));
        return;
    }
    for (uint32_t f = 0; f < node->type->n_fields; f++) {
        mu_str name = node->type->field_names[f];
        if (how->is_prefixed && is_standard(node->fields[f]))
            name = prefixed(arena, name);
        if (path.len > 0)
            name = mu_arena_format(arena, MU_STR_FMT "/" MU_STR_FMT, MU_STR_ARG(path),
                                   MU_STR_ARG(name));
        put_flat(how, arena, name, node->fields[f], o);
    }
}

static mu_json flat_json(const mu_xdm_rendering *how, mu_arena *arena, const mu_xdm_node *node)
{
    object o = {0};
    put_flat(how, arena, MU_STR(""), node, &o);
    return object_end(&o);
}

static mu_json required_json(const mu_xdm_rendering *how, mu_arena *arena, const mu_xdm_node *node)
{
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, node->n_required);
    for (uint32_t i = 0; i < node->n_required; i++) {
        mu_str name = node->type->field_names[node->required[i]];
        bool is_renamed = how->is_prefixed && is_standard(node->fields[node->required[i]]);
        items[i] = text(is_renamed ? prefixed(arena, name) : name);
    }
    return (mu_json){.kind = MU_JSON_ARRAY, .n = node->n_required, .items = items};
}

static void put_structure(const mu_xdm_rendering *how, mu_arena *arena, const mu_xdm_node *node,
                          object *o)
{
    put(arena, o, MU_STR("type"), text(json_type(node->type->kind)));
    put(arena, o, MU_STR("meta:xdmType"), text(node_xdm_type(node)));
    if (node->type->kind == MU_TYPE_LIST)
        put(arena, o, MU_STR("items"), node_json(how, arena, node->item));
    if (node->type->kind == MU_TYPE_OBJECT)
        put(arena, o, MU_STR("properties"), fields_json(how, arena, node));
    if (node->type->kind != MU_TYPE_LIST && node->item != NULL)
        put(arena, o, MU_STR("additionalProperties"), node_json(how, arena, node->item));
    if (node->n_required > 0)
        put(arena, o, MU_STR("required"), required_json(how, arena, node));
}

/* Recursion is bounded by the depth of schemas. */
static mu_json node_json(const mu_xdm_rendering *how, mu_arena *arena, const mu_xdm_node *node)
{
    object o = {0};
    put_annotations(how, arena, node, &o);
    put_structure(how, arena, node, &o);
    return object_end(&o);
}

/* The document's own members, then what all its pieces come to. */
static mu_json full_document(const mu_xdm_rendering *how, mu_arena *arena, const mu_json *document,
                             const mu_xdm_node *node)
{
    static const char *const structure[] = {"properties", "allOf", "$ref",        "definitions",
                                            "required",   "type",  "meta:xdmType"};
    static const char *const words[] = {"title", "description"};
    object o = {0};
    for (uint32_t m = 0; m < document->n; m++)
        if (!IS_ONE_OF(document->names[m], structure) &&
            (how->has_text || !IS_ONE_OF(document->names[m], words)))
            put(arena, &o, document->names[m], document->items[m]);
    if (how->is_flat && node->type->kind == MU_TYPE_OBJECT) {
        put(arena, &o, MU_STR("type"), text(MU_STR("object")));
        put(arena, &o, MU_STR("properties"), flat_json(how, arena, node));
    } else {
        put_structure(how, arena, node, &o);
    }
    return object_end(&o);
}

/* -------- as it is written -------- */

static mu_json written_schema(const mu_xdm_rendering *how, mu_arena *arena, bool is_global,
                              const mu_json *schema);

static mu_json written_properties(const mu_xdm_rendering *how, mu_arena *arena, bool is_global,
                                  const mu_json *properties)
{
    object o = {0};
    for (uint32_t i = 0; i < properties->n; i++) {
        mu_str name = properties->names[i];
        const mu_json *inner = mu_json_member(&properties->items[i], MU_STR("properties"));
        bool is_renamed = how->is_prefixed && is_global;
        bool is_split = is_renamed && name.len > 1 && name.ptr[0] == '_' && inner != NULL;
        for (uint32_t f = 0; is_split && f < inner->n; f++)
            put(arena, &o,
                mu_arena_format(arena, "%.*s:" MU_STR_FMT, (int)name.len - 1, name.ptr + 1,
                                MU_STR_ARG(inner->names[f])),
                written_schema(how, arena, is_global, &inner->items[f]));
        if (!is_split)
            put(arena, &o, is_renamed ? prefixed(arena, name) : name,
                written_schema(how, arena, is_global, &properties->items[i]));
    }
    return object_end(&o);
}

static mu_json written_list(const mu_xdm_rendering *how, mu_arena *arena, bool is_global,
                            const mu_json *list)
{
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, list->n);
    for (uint32_t i = 0; i < list->n; i++)
        items[i] = written_schema(how, arena, is_global, &list->items[i]);
    return (mu_json){.kind = MU_JSON_ARRAY, .n = list->n, .items = items};
}

static mu_json written_definitions(const mu_xdm_rendering *how, mu_arena *arena, bool is_global,
                                   const mu_json *definitions)
{
    object o = {0};
    for (uint32_t i = 0; i < definitions->n; i++)
        put(arena, &o, definitions->names[i],
            written_schema(how, arena, is_global, &definitions->items[i]));
    return object_end(&o);
}

static mu_json written_required(const mu_xdm_rendering *how, mu_arena *arena, bool is_global,
                                const mu_json *required)
{
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, required->n);
    for (uint32_t i = 0; i < required->n; i++) {
        items[i] = required->items[i];
        if (how->is_prefixed && is_global && items[i].kind == MU_JSON_STRING)
            items[i].string = prefixed(arena, items[i].string);
    }
    return (mu_json){.kind = MU_JSON_ARRAY, .n = required->n, .items = items};
}

static mu_json written_member(const mu_xdm_rendering *how, mu_arena *arena, bool is_global,
                              mu_str name, const mu_json *value)
{
    if (value->kind == MU_JSON_OBJECT && mu_str_equal(name, MU_STR("properties")))
        return written_properties(how, arena, is_global, value);
    if (value->kind == MU_JSON_OBJECT && mu_str_equal(name, MU_STR("definitions")))
        return written_definitions(how, arena, is_global, value);
    if (value->kind == MU_JSON_ARRAY && mu_str_equal(name, MU_STR("allOf")))
        return written_list(how, arena, is_global, value);
    if (value->kind == MU_JSON_ARRAY && mu_str_equal(name, MU_STR("required")))
        return written_required(how, arena, is_global, value);
    if (value->kind == MU_JSON_OBJECT &&
        (mu_str_equal(name, MU_STR("items")) || mu_str_equal(name, MU_STR("additionalProperties"))))
        return written_schema(how, arena, is_global, value);
    return *value;
}

/* The type that the registry writes beside "type" where nobody did. */
static mu_str written_xdm_type(const mu_json *schema)
{
    mu_str type = mu_json_member_string(schema, MU_STR("type"), MU_STR(""));
    mu_str format = mu_json_member_string(schema, MU_STR("format"), MU_STR(""));
    if (mu_str_equal(type, MU_STR("string")) &&
        (mu_str_equal(format, MU_STR("date")) || mu_str_equal(format, MU_STR("date-time"))))
        return format;
    if (mu_str_equal(type, MU_STR("integer")))
        return MU_STR("int");
    if (mu_str_equal(type, MU_STR("object")) &&
        mu_json_member(schema, MU_STR("properties")) == NULL) {
        const mu_json *others = mu_json_member(schema, MU_STR("additionalProperties"));
        if (others != NULL && others->kind == MU_JSON_OBJECT)
            return MU_STR("map");
    }
    return type;
}

/* Recursion is bounded by the depth of documents, which reading limits. */
static mu_json written_schema(const mu_xdm_rendering *how, mu_arena *arena, bool is_global,
                              const mu_json *schema)
{
    static const char *const words[] = {"title", "description"};
    if (schema->kind != MU_JSON_OBJECT)
        return *schema;
    object o = {0};
    for (uint32_t m = 0; m < schema->n; m++)
        if (how->has_text || !IS_ONE_OF(schema->names[m], words))
            put(arena, &o, schema->names[m],
                written_member(how, arena, is_global, schema->names[m], &schema->items[m]));
    mu_str xdm_type = written_xdm_type(schema);
    if (xdm_type.len > 0 && !has(&o, MU_STR("meta:xdmType")))
        put(arena, &o, MU_STR("meta:xdmType"), text(xdm_type));
    return object_end(&o);
}

mu_code mu_registry_render(const mu_registry *registry, const mu_xdm_resource_entry *entry,
                           const mu_xdm_rendering *how, mu_arena *arena, mu_json *out, mu_err *err)
{
    if (!how->is_full || entry->resource == MU_XDM_DESCRIPTOR) {
        *out = entry->resource == MU_XDM_DESCRIPTOR
                   ? *entry->json
                   : written_schema(how, arena, entry->is_global, entry->json);
        return MU_OK;
    }
    mu_xdm_node *node;
    mu_xdm_piece piece = {entry->json, entry};
    MU_TRY(mu_xdm_compose(registry, NULL, arena, entry->id, 1, &piece, &node, NULL, err));
    *out = full_document(how, arena, entry->json, node);
    return MU_OK;
}

/* -------- unions -------- */

uint32_t mu_registry_unions(const mu_registry *registry, mu_arena *arena, mu_xdm_union **out)
{
    mu_xdm_union *unions = MU_NEW_ARRAY(arena, mu_xdm_union, registry->n_schemas);
    uint32_t n = 0;
    for (uint32_t i = 0; i < registry->n_schemas; i++) {
        const mu_xdm_schema *schema = &registry->schemas[i];
        if (!schema->in_union || mu_str_equal(schema->id, schema->class_id))
            continue;
        uint32_t u = 0;
        while (u < n && !mu_str_equal(unions[u].class_id, schema->class_id))
            u++;
        if (u == n) {
            mu_str id = mu_arena_format(arena, MU_STR_FMT MU_XDM_UNION_ID_SUFFIX,
                                        MU_STR_ARG(schema->class_id));
            unions[n++] =
                (mu_xdm_union){.id = id,
                               .alt_id = mu_xdm_alt_id(arena, id),
                               .class_id = schema->class_id,
                               .title = mu_registry_find(registry, schema->class_id)->title,
                               .schema_ids = MU_NEW_ARRAY(arena, mu_str, registry->n_schemas)};
        }
        unions[u].schema_ids[unions[u].n_schemas++] = schema->id;
    }
    *out = unions;
    return n;
}

static mu_json union_refs(mu_arena *arena, const mu_xdm_union *members)
{
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, members->n_schemas);
    for (uint32_t i = 0; i < members->n_schemas; i++) {
        object ref = {0};
        put(arena, &ref, MU_STR("$ref"), text(members->schema_ids[i]));
        items[i] = object_end(&ref);
    }
    return (mu_json){.kind = MU_JSON_ARRAY, .n = members->n_schemas, .items = items};
}

/* a.5: identities, memberships and events belong to every profile. */
static uint32_t union_pieces(const mu_registry *registry, const mu_xdm_union *members,
                             mu_xdm_piece *pieces)
{
    static const char *const of_profile[] = {MU_XDM_IDENTITY_MAP, MU_XDM_SEGMENTATION,
                                             MU_XDM_RECORD_EVENTS};
    uint32_t n = 0;
    for (uint32_t i = 0; i < members->n_schemas; i++) {
        const mu_xdm_resource_entry *entry = mu_registry_find(registry, members->schema_ids[i]);
        pieces[n++] = (mu_xdm_piece){entry->json, entry};
    }
    bool is_profile = mu_str_equal(members->class_id, MU_STR(MU_XDM_PROFILE_CLASS));
    for (uint32_t i = 0; is_profile && i < 3; i++) {
        const mu_xdm_resource_entry *entry = mu_registry_find(registry, mu_str_from(of_profile[i]));
        pieces[n++] = (mu_xdm_piece){entry->json, entry};
    }
    return n;
}

mu_code mu_registry_render_union(const mu_registry *registry, const mu_xdm_union *members,
                                 const mu_xdm_rendering *how, mu_arena *arena, mu_json *out,
                                 mu_err *err)
{
    object o = {0};
    put(arena, &o, MU_STR("$id"), text(members->id));
    if (how->has_text)
        put(arena, &o, MU_STR("title"), text(members->title));
    put(arena, &o, MU_STR("meta:class"), text(members->class_id));
    if (!how->is_full) {
        put(arena, &o, MU_STR("type"), text(MU_STR("object")));
        put(arena, &o, MU_STR("meta:xdmType"), text(MU_STR("object")));
        put(arena, &o, MU_STR("allOf"), union_refs(arena, members));
        *out = object_end(&o);
        return MU_OK;
    }
    mu_xdm_node *node;
    mu_xdm_piece *pieces = MU_NEW_ARRAY(arena, mu_xdm_piece, members->n_schemas + 3);
    uint32_t n = union_pieces(registry, members, pieces);
    MU_TRY(mu_xdm_compose(registry, NULL, arena, members->id, n, pieces, &node, NULL, err));
    put_structure(how, arena, node, &o);
    *out = object_end(&o);
    return MU_OK;
}
