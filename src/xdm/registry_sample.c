/* registry_sample.c -- an entity made up from a schema: every field once, valid wherever limits can
 * be met without search. */
#include "xdm/registry_text.h"

#include "base/buf.h"

#define SAMPLE_TEXT_MAX  1000u
#define SAMPLE_ITEMS_MAX 10u

static mu_json text_json(mu_str text)
{
    return (mu_json){.kind = MU_JSON_STRING, .string = text};
}

/* The first character of each class, as often as it has to be there. */
static mu_str shape_text(mu_arena *arena, const mu_xdm_shape *shape)
{
    mu_buf buf;
    mu_buf_init(&buf, SAMPLE_TEXT_MAX);
    for (uint32_t s = 0; s < shape->n_steps; s++) {
        unsigned c = 0;
        while (!(shape->steps[s].members[c >> 6] >> (c & 63) & 1))
            c++;
        for (uint32_t i = 0; i < shape->steps[s].min; i++)
            mu_buf_add_char(&buf, (char)c);
    }
    mu_str text = mu_arena_copy(arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return text;
}

static mu_str format_text(mu_xdm_format format)
{
    switch (format) {
    case MU_XDM_FORMAT_EMAIL:
        return MU_STR("sample@example.com");
    case MU_XDM_FORMAT_URI:
    case MU_XDM_FORMAT_URI_REFERENCE:
        return MU_STR("https://example.com/sample");
    case MU_XDM_FORMAT_IPV4:
        return MU_STR("192.0.2.1");
    case MU_XDM_FORMAT_IPV6:
        return MU_STR("2001:db8::1");
    default:
        return MU_STR("Sample value");
    }
}

/* Filled up or cut to the permitted length. */
static mu_str with_length(mu_arena *arena, mu_str text, const mu_xdm_limits *limits)
{
    size_t max =
        limits->max_length < SAMPLE_TEXT_MAX ? (size_t)limits->max_length : SAMPLE_TEXT_MAX;
    if (text.len > max)
        return (mu_str){text.ptr, max};
    mu_buf buf;
    mu_buf_init(&buf, SAMPLE_TEXT_MAX + text.len);
    mu_buf_add_str(&buf, text);
    while (buf.len < limits->min_length && buf.len < SAMPLE_TEXT_MAX)
        mu_buf_add_char(&buf, 'x');
    text = mu_arena_copy(arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return text;
}

static bool matches_all(const mu_xdm_limits *limits, mu_str text)
{
    for (uint32_t i = 0; i < limits->n_patterns; i++)
        if (mu_regex_search(limits->patterns[i]->regex, text) != MU_REGEX_YES)
            return false;
    return true;
}

/* A text that the patterns permit; null when none comes to mind. */
static mu_json matching_text(mu_arena *arena, const mu_xdm_limits *limits)
{
    const mu_str guesses[] = {format_text(limits->format),
                              MU_STR("en"),
                              MU_STR("a"),
                              MU_STR("A"),
                              MU_STR("1"),
                              MU_STR("10")};
    const mu_xdm_shape *shape = &limits->patterns[0]->shape;
    mu_str text = shape->n_steps > 0 ? shape_text(arena, shape) : guesses[0];
    for (size_t i = 0; i < sizeof guesses / sizeof *guesses && !matches_all(limits, text); i++)
        text = guesses[i];
    return matches_all(limits, text) ? text_json(text) : (mu_json){.kind = MU_JSON_NULL};
}

static mu_json sample_string(mu_arena *arena, const mu_xdm_limits *limits)
{
    if (limits == NULL)
        return text_json(format_text(MU_XDM_FORMAT_NONE));
    if (limits->n_enums > 0 && limits->enums[0]->n > 0)
        return limits->enums[0]->items[0];
    if (limits->n_patterns > 0)
        return matching_text(arena, limits);
    return text_json(with_length(arena, format_text(limits->format), limits));
}

static mu_json sample_number(const mu_xdm_node *node)
{
    const mu_xdm_limits *limits = node->limits;
    double value = 1;
    if (limits != NULL && limits->n_enums > 0 && limits->enums[0]->n > 0)
        return limits->enums[0]->items[0];
    if (limits != NULL && limits->has_minimum)
        value = limits->minimum + (limits->exclusive_minimum ? 1 : 0);
    else if (limits != NULL && limits->has_maximum)
        value = limits->maximum - (limits->exclusive_maximum ? 1 : 0);
    if (node->type->kind == MU_TYPE_DOUBLE || !(value >= -0x1p53 && value <= 0x1p53))
        return (mu_json){.kind = MU_JSON_DOUBLE, .number = value};
    return (mu_json){.kind = MU_JSON_INTEGER, .integer = (int64_t)value};
}

static mu_json sample_list(mu_arena *arena, const mu_xdm_node *node, mu_json item)
{
    uint64_t n = node->limits == NULL || node->limits->min_items == 0 ? 1 : node->limits->min_items;
    if ((node->limits != NULL && node->limits->max_items == 0) || item.kind == MU_JSON_NULL)
        n = 0;
    n = n < SAMPLE_ITEMS_MAX ? n : SAMPLE_ITEMS_MAX;
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, n);
    for (uint64_t i = 0; i < n; i++)
        items[i] = item;
    return (mu_json){.kind = MU_JSON_ARRAY, .n = (uint32_t)n, .items = items};
}

static mu_json sample_of(mu_arena *arena, const mu_xdm_node *node);

/* Fields without a sample are left out. */
static mu_json sample_object(mu_arena *arena, const mu_xdm_node *node)
{
    bool is_map = node->type->kind == MU_TYPE_MAP;
    uint32_t n_fields = is_map ? 1 : node->type->n_fields, n = 0;
    mu_str *names = MU_NEW_ARRAY(arena, mu_str, n_fields);
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, n_fields);
    for (uint32_t f = 0; f < n_fields; f++) {
        names[n] = is_map ? MU_STR("key") : node->type->field_names[f];
        items[n] = sample_of(arena, is_map ? node->item : node->fields[f]);
        n += items[n].kind != MU_JSON_NULL;
    }
    return (mu_json){.kind = MU_JSON_OBJECT, .n = n, .names = names, .items = items};
}

/* Recursion is bounded by the depth of the schema. */
static mu_json sample_of(mu_arena *arena, const mu_xdm_node *node)
{
    switch (node->type->kind) {
    case MU_TYPE_STRING:
        return sample_string(arena, node->limits);
    case MU_TYPE_DATE:
        return text_json(MU_STR("2026-01-31"));
    case MU_TYPE_TIMESTAMP:
        return text_json(MU_STR("2026-01-31T12:00:00Z"));
    case MU_TYPE_BOOLEAN:
        return (mu_json){.kind = MU_JSON_BOOLEAN, .boolean = true};
    case MU_TYPE_INTEGER:
    case MU_TYPE_DOUBLE:
        return sample_number(node);
    case MU_TYPE_LIST:
        return sample_list(arena, node, sample_of(arena, node->item));
    default:
        return sample_object(arena, node);
    }
}

mu_json mu_xdm_sample(const mu_xdm_schema *schema, mu_arena *arena)
{
    return sample_of(arena, schema->root);
}
