/* registry_compose.c -- documents that extend one another put together, place by place.
 *
 * A place (the root, a field, an item, a map's value) starts with the pieces that name it. $ref and
 * allOf add more; then all of them together say its type, its limits, and the pieces of the places
 * below.
 */
#include "xdm/registry_int.h"

#include "base/buf.h"
#include "base/number.h"
#include "xdm/value.h"

#define FIELD_NAME_MAX 255u

typedef struct composer {
    const mu_registry *registry;
    mu_registry *grows; /* takes patterns; NULL: patterns are left out */
    mu_arena *arena;
    mu_str what;
    uint32_t n_nodes, n_gathered;
    mu_err *err;
} composer;

/* The steps to a place, for messages. */
typedef struct place {
    const struct place *above;
    mu_str name; /* len 0: an item or a map's value */
    uint32_t depth;
} place;

typedef struct piece_list {
    uint32_t n, capacity;
    mu_xdm_piece *items;
} piece_list;

/* -------- errors -------- */

static void write_place(mu_buf *buf, const place *at)
{
    if (at == NULL || at->above == NULL)
        return;
    write_place(buf, at->above);
    if (at->name.len == 0) {
        MU_BUF_ADD(buf, "[*]");
        return;
    }
    mu_buf_add_char(buf, '/');
    mu_buf_add_str(buf, at->name);
}

static mu_code fail_at(const composer *c, const place *at, mu_code code, const char *what)
{
    mu_buf path;
    mu_buf_init(&path, 300);
    write_place(&path, at);
    if (path.len == 0)
        mu_buf_add_char(&path, '/');
    mu_code result = mu_fail(c->err, code, MU_STR_FMT ": " MU_STR_FMT " %s", MU_STR_ARG(c->what),
                             MU_STR_ARG(mu_buf_str(&path)), what);
    mu_buf_free(&path);
    return result;
}

/* -------- pieces of one place -------- */

static void add_piece(mu_arena *arena, piece_list *list, mu_xdm_piece piece)
{
    if (list->n == list->capacity) {
        uint32_t capacity = list->capacity == 0 ? 4 : list->capacity * 2;
        mu_xdm_piece *items = MU_NEW_ARRAY(arena, mu_xdm_piece, capacity);
        if (list->n > 0)
            memcpy(items, list->items, list->n * sizeof *items);
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->n++] = piece;
}

/* "~1" is '/', "~0" is '~'. */
static mu_str unescaped(mu_arena *arena, mu_str step)
{
    char *text = mu_arena_alloc(arena, step.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < step.len; i++) {
        char c = step.ptr[i];
        if (c == '~' && i + 1 < step.len && (step.ptr[i + 1] == '0' || step.ptr[i + 1] == '1'))
            c = step.ptr[++i] == '1' ? '/' : '~';
        text[n++] = c;
    }
    return (mu_str){text, n};
}

/* The member or the item that one step of a pointer leads to; NULL when there is none. */
static const mu_json *pointer_step(const mu_json *json, mu_str name)
{
    int64_t index;
    if (json->kind == MU_JSON_ARRAY)
        return mu_parse_integer(name, &index) && index >= 0 && index < json->n ? &json->items[index]
                                                                               : NULL;
    const mu_json *below = mu_json_member(json, name);
    return below != NULL ? below : mu_json_member(json, mu_xdm_plain_name(name));
}

static const mu_json *at_pointer(mu_arena *arena, const mu_json *json, mu_str pointer)
{
    while (json != NULL && pointer.len > 0) {
        if (pointer.ptr[0] != '/')
            return NULL;
        pointer = (mu_str){pointer.ptr + 1, pointer.len - 1};
        const char *slash = pointer.len == 0 ? NULL : memchr(pointer.ptr, '/', pointer.len);
        mu_str step = {pointer.ptr, slash == NULL ? pointer.len : (size_t)(slash - pointer.ptr)};
        pointer = (mu_str){pointer.ptr + step.len, pointer.len - step.len};
        json = pointer_step(json, unescaped(arena, step));
    }
    return json;
}

static mu_code follow(const composer *c, const place *at, const mu_xdm_piece *from,
                      const mu_json *ref, mu_xdm_piece *out)
{
    if (ref->kind != MU_JSON_STRING)
        return fail_at(c, at, MU_E_INPUT, "has a \"$ref\" that is no text");
    const char *hash = memchr(ref->string.ptr, '#', ref->string.len);
    mu_str id = {ref->string.ptr,
                 hash == NULL ? ref->string.len : (size_t)(hash - ref->string.ptr)};
    mu_str pointer = hash == NULL ? MU_STR("") : (mu_str){hash + 1, ref->string.len - id.len - 1};
    const mu_xdm_resource_entry *home =
        id.len == 0 ? from->home : mu_registry_find(c->registry, id);
    const mu_json *json = home == NULL || home->resource == MU_XDM_DESCRIPTOR
                              ? NULL
                              : at_pointer(c->arena, home->json, pointer);
    if (json == NULL)
        return fail_at(c, at, MU_E_INPUT,
                       mu_arena_format(c->arena, "refers to \"" MU_STR_FMT "\", which is nowhere",
                                       MU_STR_ARG(ref->string))
                           .ptr);
    *out = (mu_xdm_piece){json, home};
    return MU_OK;
}

/* Adds a piece and what it refers to. A piece that is there already ends the walk, so circles of
 * references at one place are harmless. */
static mu_code gather(composer *c, const place *at, mu_xdm_piece piece, uint32_t depth,
                      piece_list *out)
{
    if (piece.json->kind != MU_JSON_OBJECT)
        return fail_at(c, at, MU_E_INPUT, "is described by something that is no object");
    if (++c->n_gathered > MU_XDM_GATHERED_MAX)
        return fail_at(c, at, MU_E_INPUT, "is one reference too many: a schema has up to 200000");
    for (uint32_t i = 0; i < out->n; i++)
        if (out->items[i].json == piece.json)
            return MU_OK;
    if (depth > MU_XDM_REF_DEPTH_MAX || out->n >= MU_XDM_PIECES_MAX)
        return fail_at(c, at, MU_E_INPUT, "has too many references");
    add_piece(c->arena, out, piece);
    const mu_json *ref = mu_json_member(piece.json, MU_STR("$ref"));
    if (ref != NULL) {
        mu_xdm_piece target;
        MU_TRY(follow(c, at, &piece, ref, &target));
        MU_TRY(gather(c, at, target, depth + 1, out));
    }
    const mu_json *all = mu_json_member(piece.json, MU_STR("allOf"));
    if (all != NULL && all->kind != MU_JSON_ARRAY)
        return fail_at(c, at, MU_E_INPUT, "has an \"allOf\" that is no list");
    for (uint32_t i = 0; all != NULL && i < all->n; i++)
        MU_TRY(gather(c, at, (mu_xdm_piece){&all->items[i], piece.home}, depth + 1, out));
    return MU_OK;
}

/* -------- the type -------- */

static mu_type_kind named_kind(mu_str name, const mu_json *schema)
{
    mu_str format = mu_json_member_string(schema, MU_STR("format"), MU_STR(""));
    if (mu_str_equal(name, MU_STR("string")))
        return mu_str_equal(format, MU_STR("date"))        ? MU_TYPE_DATE
               : mu_str_equal(format, MU_STR("date-time")) ? MU_TYPE_TIMESTAMP
                                                           : MU_TYPE_STRING;
    if (mu_str_equal(name, MU_STR("integer")))
        return MU_TYPE_INTEGER;
    if (mu_str_equal(name, MU_STR("number")))
        return MU_TYPE_DOUBLE;
    if (mu_str_equal(name, MU_STR("boolean")))
        return MU_TYPE_BOOLEAN;
    if (mu_str_equal(name, MU_STR("array")))
        return MU_TYPE_LIST;
    return mu_str_equal(name, MU_STR("object")) ? MU_TYPE_OBJECT : MU_TYPE_ANY;
}

/* What a piece says: ANY when nothing, NULL when it makes no sense. */
static mu_type_kind piece_kind(const mu_json *schema)
{
    const mu_json *type = mu_json_member(schema, MU_STR("type"));
    if (type != NULL && type->kind == MU_JSON_ARRAY && type->n > 0) /* ["string", "null"] */
        type =
            &type->items[type->items[0].kind == MU_JSON_STRING &&
                                 mu_str_equal(type->items[0].string, MU_STR("null")) && type->n > 1
                             ? 1
                             : 0];
    if (type != NULL) {
        mu_type_kind kind =
            type->kind == MU_JSON_STRING ? named_kind(type->string, schema) : MU_TYPE_ANY;
        return kind == MU_TYPE_ANY ? MU_TYPE_NULL : kind;
    }
    if (mu_json_member(schema, MU_STR("properties")) != NULL)
        return MU_TYPE_OBJECT;
    if (mu_json_member(schema, MU_STR("items")) != NULL)
        return MU_TYPE_LIST;
    return mu_json_member(schema, MU_STR("enum")) != NULL ? MU_TYPE_STRING : MU_TYPE_ANY;
}

static mu_code settle_kind(const composer *c, const place *at, const piece_list *pieces,
                           mu_type_kind *out)
{
    mu_type_kind kind = MU_TYPE_ANY;
    for (uint32_t i = 0; i < pieces->n; i++) {
        mu_type_kind said = piece_kind(pieces->items[i].json);
        if (said == MU_TYPE_NULL)
            return fail_at(c, at, MU_E_INPUT,
                           "has a type that is none of string, number, integer, boolean, array, "
                           "object");
        if (said == MU_TYPE_ANY || said == kind)
            continue;
        if (kind != MU_TYPE_ANY)
            return fail_at(c, at, MU_E_CONFLICT,
                           mu_arena_format(c->arena, "is %s in one place and %s in another",
                                           mu_type_kind_name(kind), mu_type_kind_name(said))
                               .ptr);
        kind = said;
    }
    if (kind == MU_TYPE_ANY)
        return fail_at(c, at, MU_E_INPUT, "has no type");
    *out = kind;
    return MU_OK;
}

/* -------- limits -------- */

static mu_xdm_limits *limits_of(const composer *c, mu_xdm_node *node)
{
    if (node->limits == NULL) {
        node->limits = MU_NEW(c->arena, mu_xdm_limits);
        node->limits->max_length = UINT64_MAX;
        node->limits->max_items = UINT64_MAX;
    }
    return node->limits;
}

static bool number_of(const mu_json *json, double *out)
{
    if (json == NULL || (json->kind != MU_JSON_INTEGER && json->kind != MU_JSON_DOUBLE))
        return false;
    *out = json->kind == MU_JSON_INTEGER ? (double)json->integer : json->number;
    return true;
}

/* The tighter one of two lower (sign 1) or upper (sign -1) bounds stays. */
static void add_bound(bool *has, double *bound, bool *exclusive, double new, bool new_exclusive,
                      double sign)
{
    if (*has && (*bound * sign > new *sign || (*bound == new &&*exclusive)))
        return;
    *has = true;
    *bound = new;
    *exclusive = new_exclusive;
}

static void add_range(const composer *c, mu_xdm_node *node, const mu_json *schema)
{
    double value;
    const mu_json *exclusive = mu_json_member(schema, MU_STR("exclusiveMinimum"));
    bool flagged = exclusive != NULL && exclusive->kind == MU_JSON_BOOLEAN && exclusive->boolean;
    mu_xdm_limits *l;
    if (number_of(mu_json_member(schema, MU_STR("minimum")), &value)) {
        l = limits_of(c, node);
        add_bound(&l->has_minimum, &l->minimum, &l->exclusive_minimum, value, flagged, 1);
    }
    if (number_of(exclusive, &value)) {
        l = limits_of(c, node);
        add_bound(&l->has_minimum, &l->minimum, &l->exclusive_minimum, value, true, 1);
    }
    exclusive = mu_json_member(schema, MU_STR("exclusiveMaximum"));
    flagged = exclusive != NULL && exclusive->kind == MU_JSON_BOOLEAN && exclusive->boolean;
    if (number_of(mu_json_member(schema, MU_STR("maximum")), &value)) {
        l = limits_of(c, node);
        add_bound(&l->has_maximum, &l->maximum, &l->exclusive_maximum, value, flagged, -1);
    }
    if (number_of(exclusive, &value)) {
        l = limits_of(c, node);
        add_bound(&l->has_maximum, &l->maximum, &l->exclusive_maximum, value, true, -1);
    }
}

static bool count_of(const mu_json *schema, mu_str name, uint64_t *out)
{
    const mu_json *json = mu_json_member(schema, name);
    if (json == NULL || json->kind != MU_JSON_INTEGER || json->integer < 0)
        return false;
    *out = (uint64_t)json->integer;
    return true;
}

static void add_counts(const composer *c, mu_xdm_node *node, const mu_json *schema)
{
    uint64_t count;
    bool is_list = node->type->kind == MU_TYPE_LIST;
    if (count_of(schema, is_list ? MU_STR("minItems") : MU_STR("minLength"), &count)) {
        mu_xdm_limits *l = limits_of(c, node);
        uint64_t *min = is_list ? &l->min_items : &l->min_length;
        *min = *min > count ? *min : count;
    }
    if (count_of(schema, is_list ? MU_STR("maxItems") : MU_STR("maxLength"), &count)) {
        mu_xdm_limits *l = limits_of(c, node);
        uint64_t *max = is_list ? &l->max_items : &l->max_length;
        *max = *max < count ? *max : count;
    }
}

static mu_code add_enum(const composer *c, const place *at, mu_xdm_node *node,
                        const mu_json *schema)
{
    const mu_json *list = mu_json_member(schema, MU_STR("enum"));
    if (list == NULL)
        return MU_OK;
    if (list->kind != MU_JSON_ARRAY)
        return fail_at(c, at, MU_E_INPUT, "has an \"enum\" that is no list");
    mu_xdm_limits *l = limits_of(c, node);
    const mu_json **enums = MU_NEW_ARRAY(c->arena, const mu_json *, l->n_enums + 1);
    for (uint32_t i = 0; i < l->n_enums; i++)
        enums[i] = l->enums[i];
    enums[l->n_enums++] = list;
    l->enums = enums;
    return MU_OK;
}

/* The registry's one copy of a pattern. */
static mu_code find_pattern(const composer *c, const place *at, mu_str text,
                            const mu_xdm_pattern **out)
{
    const uint64_t *known = mu_strmap_get(&c->grows->patterns, text);
    if (known != NULL) {
        *out = (const mu_xdm_pattern *)(uintptr_t)*known;
        return MU_OK;
    }
    mu_err why = {0};
    mu_xdm_pattern *pattern = MU_NEW(&c->grows->arena, mu_xdm_pattern);
    pattern->text = mu_arena_copy(&c->grows->arena, text);
    mu_xdm_shape_of(text, &pattern->shape);
    if (mu_regex_new(text, &pattern->regex, &why) != MU_OK)
        return fail_at(
            c, at, MU_E_INPUT,
            mu_arena_format(c->arena, "has a \"pattern\" that is none: %s", why.text).ptr);
    pattern->next = c->grows->first_pattern;
    c->grows->first_pattern = pattern;
    *mu_strmap_put(&c->grows->patterns, pattern->text, NULL) = (uint64_t)(uintptr_t)pattern;
    *out = pattern;
    return MU_OK;
}

static mu_code add_pattern(const composer *c, const place *at, mu_xdm_node *node,
                           const mu_json *schema)
{
    const mu_json *text = mu_json_member(schema, MU_STR("pattern"));
    if (text == NULL || c->grows == NULL)
        return MU_OK;
    if (text->kind != MU_JSON_STRING)
        return fail_at(c, at, MU_E_INPUT, "has a \"pattern\" that is no text");
    mu_xdm_limits *l = limits_of(c, node);
    const mu_xdm_pattern **patterns =
        MU_NEW_ARRAY(c->arena, const mu_xdm_pattern *, l->n_patterns + 1);
    for (uint32_t i = 0; i < l->n_patterns; i++)
        patterns[i] = l->patterns[i];
    MU_TRY(find_pattern(c, at, text->string, &patterns[l->n_patterns]));
    l->n_patterns++;
    l->patterns = patterns;
    return MU_OK;
}

static void add_format(const composer *c, mu_xdm_node *node, const mu_json *schema)
{
    static const char *const names[] = {[MU_XDM_FORMAT_EMAIL] = "email",
                                        [MU_XDM_FORMAT_URI] = "uri",
                                        [MU_XDM_FORMAT_URI_REFERENCE] = "uri-reference",
                                        [MU_XDM_FORMAT_IPV4] = "ipv4",
                                        [MU_XDM_FORMAT_IPV6] = "ipv6"};
    mu_str format = mu_json_member_string(schema, MU_STR("format"), MU_STR(""));
    for (unsigned f = MU_XDM_FORMAT_EMAIL; f <= MU_XDM_FORMAT_IPV6; f++)
        if (mu_str_equal(format, mu_str_from(names[f])))
            limits_of(c, node)->format = (mu_xdm_format)f;
}

static mu_code add_limits(const composer *c, const place *at, mu_xdm_node *node)
{
    for (uint32_t i = 0; i < node->n_pieces; i++) {
        const mu_json *schema = node->pieces[i].json;
        switch (node->type->kind) {
        case MU_TYPE_STRING:
            add_counts(c, node, schema);
            add_format(c, node, schema);
            MU_TRY(add_pattern(c, at, node, schema));
            MU_TRY(add_enum(c, at, node, schema));
            break;
        case MU_TYPE_INTEGER:
        case MU_TYPE_DOUBLE:
            add_range(c, node, schema);
            MU_TRY(add_enum(c, at, node, schema));
            break;
        case MU_TYPE_LIST:
            add_counts(c, node, schema);
            break;
        default:
            break;
        }
    }
    return MU_OK;
}

/* -------- places below -------- */

static mu_code compose(composer *c, const place *at, const piece_list *named, mu_xdm_node **out);

/* What all pieces say under one keyword, as pieces of the place below. */
static void pieces_below(const composer *c, const mu_xdm_node *node, mu_str keyword,
                         piece_list *out)
{
    for (uint32_t i = 0; i < node->n_pieces; i++) {
        const mu_json *below = mu_json_member(node->pieces[i].json, keyword);
        if (below != NULL && below->kind == MU_JSON_OBJECT)
            add_piece(c->arena, out, (mu_xdm_piece){below, node->pieces[i].home});
    }
}

static mu_code compose_below(composer *c, const place *at, mu_str name, const piece_list *named,
                             mu_xdm_node **out)
{
    place below = {at, name, at->depth + 1};
    if (below.depth >= MU_TYPE_DEPTH_MAX)
        return fail_at(c, &below, MU_E_INPUT, "is nested too deeply");
    return compose(c, &below, named, out);
}

static mu_code compose_item(composer *c, const place *at, mu_xdm_node *node)
{
    piece_list pieces = {0};
    pieces_below(c, node, MU_STR("items"), &pieces);
    if (pieces.n == 0)
        return fail_at(c, at, MU_E_INPUT, "is an array without \"items\"");
    MU_TRY(compose_below(c, at, MU_STR(""), &pieces, &node->item));
    node->type = mu_type_list(c->arena, node->item->type);
    return MU_OK;
}

/* Fields by name, in the order in which they are first named. */
typedef struct field_list {
    uint32_t n, capacity;
    mu_str *names;
    piece_list *pieces;
    mu_strmap index; /* name -> field */
} field_list;

static piece_list *field_named(mu_arena *arena, field_list *fields, mu_str name)
{
    bool is_new = false;
    uint64_t *field = mu_strmap_put(&fields->index, name, &is_new);
    if (!is_new)
        return &fields->pieces[*field];
    if (fields->n == fields->capacity) {
        uint32_t capacity = fields->capacity == 0 ? 8 : fields->capacity * 2;
        mu_str *names = MU_NEW_ARRAY(arena, mu_str, capacity);
        piece_list *pieces = MU_NEW_ARRAY(arena, piece_list, capacity);
        for (uint32_t i = 0; i < fields->n; i++) {
            names[i] = fields->names[i];
            pieces[i] = fields->pieces[i];
        }
        fields->names = names;
        fields->pieces = pieces;
        fields->capacity = capacity;
    }
    *field = fields->n;
    fields->names[fields->n] = name;
    return &fields->pieces[fields->n++];
}

/* a.1. What rows and rules call a field by has no dots, and what rows keep for themselves begins
 * with '$': a tenant's names have neither. */
static bool is_field_name(mu_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_'))
            return false;
    }
    return name.len > 0 && name.len <= FIELD_NAME_MAX;
}

static mu_code list_fields(const composer *c, const place *at, const mu_xdm_node *node,
                           field_list *fields)
{
    for (uint32_t i = 0; i < node->n_pieces; i++) {
        const mu_json *properties = mu_json_member(node->pieces[i].json, MU_STR("properties"));
        for (uint32_t f = 0; properties != NULL && f < properties->n; f++) {
            if (!is_field_name(properties->names[f]))
                return fail_at(c, at, MU_E_INPUT,
                               "has a field whose name is not 1 to 255 letters, digits, '-' and "
                               "'_'");
            add_piece(c->arena, field_named(c->arena, fields, properties->names[f]),
                      (mu_xdm_piece){&properties->items[f], node->pieces[i].home});
        }
    }
    return MU_OK;
}

static mu_code compose_fields(composer *c, const place *at, const field_list *fields,
                              mu_xdm_node *node)
{
    const mu_type **types = MU_NEW_ARRAY(c->arena, const mu_type *, fields->n);
    node->fields = MU_NEW_ARRAY(c->arena, mu_xdm_node *, fields->n);
    for (uint32_t f = 0; f < fields->n; f++) {
        MU_TRY(compose_below(c, at, fields->names[f], &fields->pieces[f], &node->fields[f]));
        types[f] = node->fields[f]->type;
    }
    node->type = mu_type_object(c->arena, fields->n, fields->names, types);
    return MU_OK;
}

static void add_required(const composer *c, mu_xdm_node *node)
{
    uint32_t n_max = 0;
    for (uint32_t i = 0; i < node->n_pieces; i++) {
        const mu_json *list = mu_json_member(node->pieces[i].json, MU_STR("required"));
        n_max += list != NULL && list->kind == MU_JSON_ARRAY ? list->n : 0;
    }
    node->required = MU_NEW_ARRAY(c->arena, uint32_t, n_max);
    for (uint32_t i = 0; i < node->n_pieces; i++) {
        const mu_json *list = mu_json_member(node->pieces[i].json, MU_STR("required"));
        for (uint32_t r = 0; list != NULL && list->kind == MU_JSON_ARRAY && r < list->n; r++)
            if (list->items[r].kind == MU_JSON_STRING)
                mu_xdm_require(NULL, node, mu_type_field(node->type, list->items[r].string));
    }
}

static mu_code compose_object(composer *c, const place *at, mu_xdm_node *node)
{
    piece_list others = {0};
    pieces_below(c, node, MU_STR("additionalProperties"), &others);
    if (others.n > 0)
        MU_TRY(compose_below(c, at, MU_STR(""), &others, &node->item));
    field_list fields = {0};
    mu_strmap_init(&fields.index);
    mu_code code = list_fields(c, at, node, &fields);
    if (code == MU_OK && fields.n == 0 && node->item != NULL)
        node->type = mu_type_map(c->arena, node->item->type);
    else if (code == MU_OK)
        code = compose_fields(c, at, &fields, node);
    mu_strmap_free(&fields.index);
    if (code == MU_OK && node->type->kind == MU_TYPE_OBJECT)
        add_required(c, node);
    return code;
}

static mu_code compose(composer *c, const place *at, const piece_list *named, mu_xdm_node **out)
{
    piece_list pieces = {0};
    mu_type_kind kind = MU_TYPE_ANY;
    if (++c->n_nodes > MU_XDM_NODES_MAX)
        return fail_at(c, at, MU_E_INPUT, "is one field too many: a schema has up to 20000");
    for (uint32_t i = 0; i < named->n; i++)
        MU_TRY(gather(c, at, named->items[i], 0, &pieces));
    MU_TRY(settle_kind(c, at, &pieces, &kind));
    mu_xdm_node *node = MU_NEW(c->arena, mu_xdm_node);
    *node = (mu_xdm_node){.type = mu_type_of(kind), .n_pieces = pieces.n, .pieces = pieces.items};
    MU_TRY(add_limits(c, at, node));
    if (kind == MU_TYPE_LIST)
        MU_TRY(compose_item(c, at, node));
    if (kind == MU_TYPE_OBJECT)
        MU_TRY(compose_object(c, at, node));
    *out = node;
    return MU_OK;
}

mu_code mu_xdm_compose(const mu_registry *registry, mu_registry *registry_to_grow, mu_arena *arena,
                       mu_str what, uint32_t n, const mu_xdm_piece *pieces, mu_xdm_node **out,
                       uint32_t *n_nodes, mu_err *err)
{
    composer c = {
        .registry = registry, .grows = registry_to_grow, .arena = arena, .what = what, .err = err};
    place root = {0};
    piece_list named = {0};
    for (uint32_t i = 0; i < n; i++)
        add_piece(arena, &named, pieces[i]);
    MU_TRY(compose(&c, &root, &named, out));
    if (n_nodes != NULL)
        *n_nodes = c.n_nodes;
    return MU_OK;
}

/* -------- in a tree that is there -------- */

void mu_xdm_require(mu_arena *arena, mu_xdm_node *node, int field)
{
    if (field < 0)
        return;
    for (uint32_t i = 0; i < node->n_required; i++)
        if (node->required[i] == (uint32_t)field)
            return;
    if (arena != NULL) {
        uint32_t *required = MU_NEW_ARRAY(arena, uint32_t, node->n_required + 1);
        if (node->n_required > 0)
            memcpy(required, node->required, node->n_required * sizeof *required);
        node->required = required;
    }
    node->required[node->n_required++] = (uint32_t)field;
}

mu_xdm_node *mu_xdm_node_at(mu_xdm_node *node, mu_str path)
{
    while (node != NULL && path.len > 0) {
        const char *dot = memchr(path.ptr, '.', path.len);
        mu_str step = {path.ptr, dot == NULL ? path.len : (size_t)(dot - path.ptr)};
        path = dot == NULL ? (mu_str){path.ptr + path.len, 0}
                           : (mu_str){dot + 1, path.len - step.len - 1};
        while (node->type->kind == MU_TYPE_LIST)
            node = node->item;
        int field = node->type->kind == MU_TYPE_OBJECT ? mu_type_field(node->type, step) : -1;
        node = field >= 0 ? node->fields[field] : node->item;
    }
    return node;
}
