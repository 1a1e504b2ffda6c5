/* registry_validate.c -- an entity checked against its schema: profile.md d.1, P40, P41.
 *
 * Valid entities are walked once without allocating anything. Where a violation is found, its
 * location is written from the steps that led there.
 */
#include "xdm/registry_int.h"

#include "base/number.h"
#include "base/time.h"
#include "base/utf8.h"
#include "xdm/registry_text.h"
#include "xdm/value.h"

typedef struct check {
    mu_arena *arena;
    unsigned flags;
    uint32_t n;
    mu_xdm_violation *out;
} check;

static bool is_full(const check *c)
{
    return c->n == MU_XDM_VIOLATIONS_MAX;
}

static void report(check *c, const mu_xdm_step *at, const char *keyword, mu_str message)
{
    if (is_full(c))
        return;
    mu_xdm_violation *v = &c->out[c->n++];
    v->schema_location = mu_xdm_schema_location(c->arena, at);
    v->pointer = mu_xdm_pointer(c->arena, at);
    v->keyword = mu_str_from(keyword);
    v->message = message;
}

static void report_type(check *c, const mu_xdm_step *at, mu_type_kind expected,
                        const mu_json *found)
{
    report(c, at, "type",
           mu_arena_format(c->arena, "expected type: %s, found: %s", mu_xdm_expected_name(expected),
                           mu_xdm_found_name(found)));
}

/* -------- text -------- */

static void check_length(check *c, const mu_xdm_limits *limits, const mu_xdm_step *at, mu_str text)
{
    /* A code point takes up to four bytes, so most texts need no counting. */
    if (text.len / 4 >= limits->min_length && text.len <= limits->max_length)
        return;
    size_t length = mu_utf8_length(text);
    if (length < limits->min_length)
        report(c, at, "minLength",
               mu_arena_format(c->arena, "expected minLength: %llu, actual: %zu",
                               (unsigned long long)limits->min_length, length));
    if (length > limits->max_length)
        report(c, at, "maxLength",
               mu_arena_format(c->arena, "expected maxLength: %llu, actual: %zu",
                               (unsigned long long)limits->max_length, length));
}

static bool pattern_matches(const mu_xdm_pattern *pattern, mu_str text)
{
    return pattern->shape.n_steps > 0 ? mu_xdm_shape_matches(&pattern->shape, text)
                                      : mu_regex_search(pattern->regex, text) == MU_REGEX_YES;
}

static void check_patterns(check *c, const mu_xdm_limits *limits, const mu_xdm_step *at,
                           mu_str text)
{
    for (uint32_t i = 0; i < limits->n_patterns; i++) {
        const mu_xdm_pattern *pattern = limits->patterns[i];
        if (!pattern_matches(pattern, text))
            report(c, at, "pattern",
                   mu_arena_format(
                       c->arena, "string [" MU_STR_FMT "] does not match pattern " MU_STR_FMT,
                       MU_STR_ARG(mu_xdm_shortened(c->arena, text)), MU_STR_ARG(pattern->text)));
    }
}

static bool same_scalar(const mu_json *a, const mu_json *b)
{
    if (a->kind == MU_JSON_STRING && b->kind == MU_JSON_STRING)
        return mu_str_equal(a->string, b->string);
    if (a->kind == MU_JSON_INTEGER && b->kind == MU_JSON_INTEGER)
        return a->integer == b->integer;
    double x, y;
    return mu_xdm_number(a, &x) && mu_xdm_number(b, &y) && x == y;
}

static void check_enums(check *c, const mu_xdm_limits *limits, const mu_xdm_step *at,
                        const mu_json *json)
{
    for (uint32_t e = 0; e < limits->n_enums; e++) {
        const mu_json *list = limits->enums[e];
        uint32_t i = 0;
        while (i < list->n && !same_scalar(&list->items[i], json))
            i++;
        if (i == list->n)
            report(c, at, "enum",
                   mu_arena_format(c->arena, MU_STR_FMT " is not a valid enum value",
                                   MU_STR_ARG(mu_xdm_scalar_text(c->arena, json))));
    }
}

static void check_format(check *c, const mu_xdm_limits *limits, const mu_xdm_step *at, mu_str text)
{
    if (limits->format != MU_XDM_FORMAT_NONE && !mu_xdm_has_format(limits->format, text))
        report(c, at, "format",
               mu_arena_format(c->arena, "[" MU_STR_FMT "] is not a valid %s",
                               MU_STR_ARG(mu_xdm_shortened(c->arena, text)),
                               mu_xdm_format_name(limits->format)));
}

static void check_string(check *c, const mu_xdm_node *node, const mu_xdm_step *at,
                         const mu_json *json)
{
    if (json->kind != MU_JSON_STRING) {
        report_type(c, at, MU_TYPE_STRING, json);
        return;
    }
    const mu_xdm_limits *limits = node->limits;
    if (limits == NULL)
        return;
    check_length(c, limits, at, json->string);
    check_patterns(c, limits, at, json->string);
    check_enums(c, limits, at, json);
    check_format(c, limits, at, json->string);
}

/* -------- dates and times: P5 -------- */

static bool in_calendar(int64_t ms)
{
    return ms >= MU_TIME_MIN_MS && ms <= MU_TIME_MAX_MS;
}

static void check_time(check *c, const mu_xdm_step *at, const mu_json *json)
{
    int64_t ms = 0;
    bool is_valid;
    if (json->kind == MU_JSON_STRING)
        is_valid = mu_parse_time(json->string, &ms) || mu_parse_integer(json->string, &ms);
    else if (json->kind == MU_JSON_INTEGER || json->kind == MU_JSON_DOUBLE)
        is_valid = mu_xdm_whole(json, &ms);
    else {
        report_type(c, at, MU_TYPE_STRING, json);
        return;
    }
    if (!is_valid || !in_calendar(ms))
        report(c, at, "format",
               mu_arena_format(c->arena,
                               "[" MU_STR_FMT "] is not a valid date-time. Expected "
                               "[yyyy-MM-dd'T'HH:mm:ssZ, yyyy-MM-dd'T'HH:mm:ss.[0-9]{1,9}Z]",
                               MU_STR_ARG(mu_xdm_scalar_text(c->arena, json))));
}

static void check_date(check *c, const mu_xdm_step *at, const mu_json *json)
{
    int64_t day;
    if (json->kind != MU_JSON_STRING)
        report_type(c, at, MU_TYPE_STRING, json);
    else if (!mu_parse_date(json->string, &day))
        report(c, at, "format",
               mu_arena_format(c->arena,
                               "[" MU_STR_FMT "] is not a valid date. Expected [yyyy-MM-dd]",
                               MU_STR_ARG(mu_xdm_shortened(c->arena, json->string))));
}

/* -------- numbers and booleans -------- */

static void check_range(check *c, const mu_xdm_limits *limits, const mu_xdm_step *at,
                        const mu_json *json)
{
    double value = 0;
    if (!mu_xdm_number(json, &value))
        return;
    if (limits->has_minimum &&
        (value < limits->minimum || (limits->exclusive_minimum && value == limits->minimum)))
        report(c, at, limits->exclusive_minimum ? "exclusiveMinimum" : "minimum",
               mu_arena_format(c->arena, MU_STR_FMT " is not greater %s" MU_STR_FMT,
                               MU_STR_ARG(mu_xdm_scalar_text(c->arena, json)),
                               limits->exclusive_minimum ? "than " : "or equal to ",
                               MU_STR_ARG(mu_xdm_number_text(c->arena, limits->minimum))));
    if (limits->has_maximum &&
        (value > limits->maximum || (limits->exclusive_maximum && value == limits->maximum)))
        report(c, at, limits->exclusive_maximum ? "exclusiveMaximum" : "maximum",
               mu_arena_format(c->arena, MU_STR_FMT " is not less %s" MU_STR_FMT,
                               MU_STR_ARG(mu_xdm_scalar_text(c->arena, json)),
                               limits->exclusive_maximum ? "than " : "or equal to ",
                               MU_STR_ARG(mu_xdm_number_text(c->arena, limits->maximum))));
}

static void check_number(check *c, const mu_xdm_node *node, const mu_xdm_step *at,
                         const mu_json *json)
{
    int64_t whole;
    bool is_number = json->kind == MU_JSON_INTEGER || json->kind == MU_JSON_DOUBLE;
    if (!is_number || (node->type->kind == MU_TYPE_INTEGER && !mu_xdm_whole(json, &whole))) {
        report_type(c, at, node->type->kind, json);
        return;
    }
    if (node->limits == NULL)
        return;
    check_range(c, node->limits, at, json);
    check_enums(c, node->limits, at, json);
}

/* P11: the flag of an identity comes as text too. */
static bool is_primary_text(const mu_xdm_step *at, const mu_json *json)
{
    return json->kind == MU_JSON_STRING && mu_str_equal(at->name, MU_STR("primary")) &&
           (mu_str_equal_ascii_nocase(json->string, MU_STR("true")) ||
            mu_str_equal_ascii_nocase(json->string, MU_STR("false")));
}

/* -------- containers -------- */

static void check_value(check *c, const mu_xdm_node *node, const mu_xdm_step *at,
                        const mu_json *json);

static void check_list(check *c, const mu_xdm_node *node, const mu_xdm_step *at,
                       const mu_json *json)
{
    if (json->kind != MU_JSON_ARRAY) {
        report_type(c, at, MU_TYPE_LIST, json);
        return;
    }
    const mu_xdm_limits *limits = node->limits;
    if (limits != NULL && json->n < limits->min_items)
        report(c, at, "minItems",
               mu_arena_format(c->arena, "expected minimum item count: %llu, found: %u",
                               (unsigned long long)limits->min_items, json->n));
    if (limits != NULL && json->n > limits->max_items)
        report(c, at, "maxItems",
               mu_arena_format(c->arena, "expected maximum item count: %llu, found: %u",
                               (unsigned long long)limits->max_items, json->n));
    for (uint32_t i = 0; i < json->n && !is_full(c); i++) {
        mu_xdm_step item = {.above = at, .kind = MU_XDM_STEP_ITEM, .index = i};
        check_value(c, node->item, &item, &json->items[i]);
    }
}

/* A null member: P41, and P53 for upserts. */
static bool is_deletion(const check *c, const mu_json *json)
{
    return json->kind == MU_JSON_NULL && (c->flags & MU_XDM_PARTIAL) != 0;
}

static void check_map(check *c, const mu_xdm_node *node, const mu_xdm_step *at, const mu_json *json)
{
    if (json->kind != MU_JSON_OBJECT) {
        report_type(c, at, MU_TYPE_MAP, json);
        return;
    }
    for (uint32_t i = 0; i < json->n && !is_full(c); i++) {
        mu_xdm_step value = {.above = at, .kind = MU_XDM_STEP_VALUE, .name = json->names[i]};
        if (!is_deletion(c, &json->items[i]))
            check_value(c, node->item, &value, &json->items[i]);
    }
}

static void check_member(check *c, const mu_xdm_node *node, const mu_xdm_step *at, mu_str name,
                         const mu_json *json, uint32_t *next);

/* A name that is none of a field: with a prefix (P4), of the other names' type, or unknown. */
static void check_other(check *c, const mu_xdm_node *node, const mu_xdm_step *at, mu_str name,
                        const mu_json *json)
{
    mu_str plain = mu_xdm_plain_name(name);
    mu_str outer, inner;
    uint32_t next = 0;
    if (plain.ptr != name.ptr && mu_type_field(node->type, plain) >= 0) {
        check_member(c, node, at, plain, json, &next);
        return;
    }
    if (mu_xdm_split_name(c->arena, plain, &outer, &inner)) {
        int field = mu_type_field(node->type, outer);
        const mu_xdm_node *object = field >= 0 ? node->fields[field] : NULL;
        if (object != NULL && object->type->kind == MU_TYPE_OBJECT &&
            mu_type_field(object->type, inner) >= 0) {
            mu_xdm_step step = {
                .above = at, .kind = MU_XDM_STEP_FIELD, .name = outer, .is_implied = true};
            check_member(c, object, &step, inner, json, &next);
            return;
        }
    }
    if (node->item != NULL) {
        mu_xdm_step value = {.above = at, .kind = MU_XDM_STEP_VALUE, .name = name};
        check_value(c, node->item, &value, json);
        return;
    }
    report(c, at, "additionalProperties",
           mu_arena_format(c->arena, "extraneous key [" MU_STR_FMT "] is not permitted",
                           MU_STR_ARG(mu_xdm_shortened(c->arena, name))));
}

static void check_member(check *c, const mu_xdm_node *node, const mu_xdm_step *at, mu_str name,
                         const mu_json *json, uint32_t *next)
{
    /* Members mostly come in the schema's order. */
    const mu_type *type = node->type;
    int field = *next < type->n_fields && mu_str_equal(type->field_names[*next], name)
                    ? (int)*next
                    : mu_type_field(type, name);
    if (field < 0) {
        check_other(c, node, at, name, json);
        return;
    }
    *next = (uint32_t)field + 1;
    if (is_deletion(c, json))
        return;
    mu_xdm_step step = {.above = at, .kind = MU_XDM_STEP_FIELD, .name = name};
    check_value(c, node->fields[field], &step, json);
}

/* The member of a field under any of its names (P4). */
static const mu_json *member_of(const mu_json *json, mu_str field)
{
    const mu_json *member = mu_json_member(json, field);
    for (uint32_t i = 0; member == NULL && i < json->n; i++) {
        mu_str name = mu_xdm_plain_name(json->names[i]);
        const char *colon = name.len == 0 ? NULL : memchr(name.ptr, ':', name.len);
        size_t prefix = colon == NULL ? 0 : (size_t)(colon - name.ptr);
        bool implies = prefix > 0 && field.len == prefix + 1 && field.ptr[0] == '_' &&
                       memcmp(field.ptr + 1, name.ptr, prefix) == 0;
        if (implies || mu_str_equal(name, field))
            member = &json->items[i];
    }
    return member;
}

static void check_required(check *c, const mu_xdm_node *node, const mu_xdm_step *at,
                           const mu_json *json)
{
    for (uint32_t i = 0; i < node->n_required; i++) {
        mu_str name = node->type->field_names[node->required[i]];
        const mu_json *member = member_of(json, name);
        if (member == NULL) {
            report(c, at, "required",
                   mu_arena_format(c->arena, "required key [" MU_STR_FMT "] not found",
                                   MU_STR_ARG(name)));
        } else if (member->kind == MU_JSON_STRING && member->string.len == 0) {
            mu_xdm_step step = {.above = at, .kind = MU_XDM_STEP_FIELD, .name = name};
            const mu_xdm_limits *limits = node->fields[node->required[i]]->limits;
            if (limits == NULL || limits->min_length == 0)
                report(c, &step, "minLength", MU_STR("expected minLength: 1, actual: 0"));
        }
    }
}

static void check_object(check *c, const mu_xdm_node *node, const mu_xdm_step *at,
                         const mu_json *json)
{
    if (json->kind != MU_JSON_OBJECT) {
        report_type(c, at, MU_TYPE_OBJECT, json);
        return;
    }
    if (node->n_required > 0 && (c->flags & MU_XDM_PARTIAL) == 0)
        check_required(c, node, at, json);
    uint32_t next = 0;
    for (uint32_t i = 0; i < json->n && !is_full(c); i++)
        check_member(c, node, at, json->names[i], &json->items[i], &next);
}

/* Recursion is bounded by the depth of the schema. */
static void check_value(check *c, const mu_xdm_node *node, const mu_xdm_step *at,
                        const mu_json *json)
{
    switch (node->type->kind) {
    case MU_TYPE_STRING:
        check_string(c, node, at, json);
        break;
    case MU_TYPE_TIMESTAMP:
        check_time(c, at, json);
        break;
    case MU_TYPE_DATE:
        check_date(c, at, json);
        break;
    case MU_TYPE_INTEGER:
    case MU_TYPE_DOUBLE:
        check_number(c, node, at, json);
        break;
    case MU_TYPE_BOOLEAN:
        if (json->kind != MU_JSON_BOOLEAN && !is_primary_text(at, json))
            report_type(c, at, MU_TYPE_BOOLEAN, json);
        break;
    case MU_TYPE_LIST:
        check_list(c, node, at, json);
        break;
    case MU_TYPE_MAP:
        check_map(c, node, at, json);
        break;
    default:
        check_object(c, node, at, json);
        break;
    }
}

uint32_t mu_xdm_validate(const mu_xdm_schema *schema, const mu_json *entity, unsigned flags,
                         mu_arena *arena, mu_xdm_violation out[MU_XDM_VIOLATIONS_MAX])
{
    check c = {.arena = arena, .flags = flags, .out = out};
    mu_xdm_step root = {.kind = MU_XDM_STEP_FIELD, .name = MU_STR("")};
    check_value(&c, schema->root, &root, entity);
    return c.n;
}
