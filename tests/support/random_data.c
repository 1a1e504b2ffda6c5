#include "tests/support/random_data.h"

#include "base/hash.h"
#include "base/time.h"
#include "tests/support/notation.h"

#include <stdlib.h>

#define PARTS_MAX 4

typedef struct data_maker {
    mu_dice *dice;
    mu_arena *arena;
    mu_random_shape shape;
    mu_random_data *data;
} data_maker;

/* -------- events -------- */

static uint32_t event_count(data_maker *maker)
{
    mu_dice *dice = maker->dice;
    switch (maker->shape) {
    case MU_SHAPE_WIDE:
        return mu_dice_percent(dice, 70) ? 0 : mu_dice_below(dice, 3);
    case MU_SHAPE_DEEP:
        return mu_dice_percent(dice, 50) ? 1500 + mu_dice_below(dice, 3000)
                                         : mu_dice_below(dice, 300);
    default:
        if (mu_dice_percent(dice, 15))
            return 0;
        return mu_dice_percent(dice, 4) ? 40 + mu_dice_below(dice, 160)
                                        : mu_dice_geometric(dice, 5, 30);
    }
}

static int compare_events(const void *a, const void *b)
{
    const mu_value *left = a, *right = b;
    int64_t x = mu_value_member(*left, MU_STR("timestamp")).integer;
    int64_t y = mu_value_member(*right, MU_STR("timestamp")).integer;
    if (x != y)
        return x < y ? -1 : 1;
    return mu_str_compare(mu_value_member(*left, MU_STR("_id")).string,
                          mu_value_member(*right, MU_STR("_id")).string);
}

static mu_value random_event(data_maker *maker, const mu_type *type, uint32_t number,
                             const int64_t *crowded)
{
    mu_dice *dice = maker->dice;
    mu_value event =
        mu_random_value(dice, maker->arena, type, MU_STR("xEvent"), &maker->data->style);
    mu_value *fields = (mu_value *)event.items;
    for (uint32_t i = 0; i < type->n_fields; i++) {
        mu_str name = type->field_names[i];
        if (mu_str_equal(name, MU_STR("_id")))
            fields[i] = mu_value_string(mu_arena_format(maker->arena, "e%u", number));
        else if (mu_str_equal(name, MU_STR("timestamp")))
            fields[i] = mu_value_timestamp(mu_dice_percent(dice, 30)
                                               ? crowded[mu_dice_below(dice, 3)]
                                               : mu_random_time(dice, maker->data->style.now_ms));
        else if (mu_str_equal(name, MU_STR("eventType")) && mu_dice_percent(dice, 90))
            fields[i] = mu_value_string(mu_random_word(dice));
    }
    return event;
}

static mu_value random_events(data_maker *maker)
{
    int64_t crowded[3];
    for (int i = 0; i < 3; i++)
        crowded[i] = mu_random_time(maker->dice, maker->data->style.now_ms);
    uint32_t n = event_count(maker);
    mu_value *events = MU_NEW_ARRAY(maker->arena, mu_value, n + 1);
    for (uint32_t i = 0; i < n; i++)
        events[i] = random_event(maker, maker->data->schema->event, i, crowded);
    qsort(events, n, sizeof *events, compare_events);
    return (mu_value){.kind = MU_TYPE_LIST, .n = n, .items = events};
}

static mu_value random_row(data_maker *maker)
{
    const mu_schema *schema = maker->data->schema;
    mu_value profile = mu_random_value(maker->dice, maker->arena, schema->profile, MU_STR(""),
                                       &maker->data->style);
    mu_value row = mu_value_reshape(maker->arena, profile, schema->profile, schema->row);
    ((mu_value *)row.items)[schema->row->n_fields - 1] = random_events(maker);
    return row;
}

/* -------- the schema before the last change -------- */

/* Doubles, some of which were integers still. */
static const mu_type *narrowed(mu_dice *dice, mu_arena *arena, const mu_type *type)
{
    if (type->kind == MU_TYPE_DOUBLE)
        return mu_dice_percent(dice, 60) ? mu_type_of(MU_TYPE_INTEGER) : type;
    if (type->kind == MU_TYPE_LIST || type->kind == MU_TYPE_MAP) {
        const mu_type *item = narrowed(dice, arena, type->item);
        if (item == type->item)
            return type;
        return type->kind == MU_TYPE_LIST ? mu_type_list(arena, item) : mu_type_map(arena, item);
    }
    if (type->kind != MU_TYPE_OBJECT)
        return type;
    bool changed = false;
    const mu_type **fields = MU_NEW_ARRAY(arena, const mu_type *, type->n_fields + 1);
    for (uint32_t i = 0; i < type->n_fields; i++) {
        fields[i] = narrowed(dice, arena, type->field_types[i]);
        changed |= fields[i] != type->field_types[i];
    }
    return changed ? mu_type_new_object(arena, type->n_fields, type->field_names, fields) : type;
}

static const mu_type *without_last_fields(mu_dice *dice, mu_arena *arena, const mu_type *type,
                                          uint32_t keep_min)
{
    uint32_t n = type->n_fields;
    if (n > keep_min && mu_dice_percent(dice, 70))
        n--;
    if (n > keep_min && mu_dice_percent(dice, 30))
        n--;
    return n == type->n_fields ? type
                               : mu_type_new_object(arena, n, type->field_names, type->field_types);
}

/* `seed` is for what is narrowed, so that the rest of a case does not depend on it. */
static const mu_schema *older_schema(mu_dice *dice, mu_arena *arena, const mu_schema *schema,
                                     uint64_t seed)
{
    mu_dice own;
    mu_dice_init(&own, seed);
    const mu_type *profile = without_last_fields(dice, arena, schema->profile, 1);
    const mu_type *event = without_last_fields(dice, arena, schema->event, 3);
    profile = narrowed(&own, arena, profile);
    event = narrowed(&own, arena, event);
    if (profile == schema->profile && event == schema->event)
        return schema;
    return mu_schema_of_types(arena, profile, event, schema->n_lookup_classes,
                              schema->lookup_classes);
}

/* What a part written with the first schema can say. */
static mu_value as_first_part_says(data_maker *maker, mu_value row)
{
    const mu_type *from = maker->data->schema->row, *to = maker->data->first_schema->row;
    return mu_value_reshape(maker->arena, mu_value_reshape(maker->arena, row, from, to), to, from);
}

/* -------- data sets -------- */

static mu_random_profile random_profile(data_maker *maker, uint32_t number)
{
    mu_random_data *data = maker->data;
    mu_random_profile profile = {.row = random_row(maker),
                                 .part = mu_dice_below(maker->dice, data->n_parts),
                                 .identity = mu_arena_format(maker->arena, "p%u", number)};
    if (mu_dice_percent(maker->dice, 25)) {
        profile.outdated = random_row(maker);
        profile.dead_part = profile.part;
        profile.part += 1 + mu_dice_below(maker->dice, data->n_parts - profile.part);
        if (profile.dead_part == 0)
            profile.outdated = as_first_part_says(maker, profile.outdated);
    }
    if (profile.part == 0)
        profile.row = as_first_part_says(maker, profile.row);
    return profile;
}

static void make_records(data_maker *maker)
{
    mu_random_data *data = maker->data;
    const mu_schema *schema = data->schema;
    data->records = MU_NEW_ARRAY(maker->arena, mu_random_record, schema->n_lookup_classes * 8 + 1);
    static const mu_str keys[] = {{"red", 3},   {"Red", 3},  {"RED", 3},    {"blue", 4},
                                  {"green", 5}, {"gold", 4}, {"silver", 6}, {"x", 1}};
    for (uint32_t c = 0; c < schema->n_lookup_classes; c++) {
        const mu_lookup_class *class = &schema->lookup_classes[c];
        for (uint32_t k = 0; k < 8; k++) {
            if (mu_dice_percent(maker->dice, 25))
                continue;
            mu_value value =
                mu_random_value(maker->dice, maker->arena, class->type, class->name, &data->style);
            int id = mu_type_field(class->type, class->key_path);
            if (id >= 0)
                ((mu_value *)value.items)[id] = mu_value_string(keys[k]);
            data->records[data->n_records++] =
                (mu_random_record){.class_name = class->name, .key = keys[k], .value = value};
        }
    }
}

static int64_t random_now(mu_dice *dice)
{
    static const char *const instants[] = {
        "2024-03-01T00:00:00Z", "2024-02-29T12:34:56.789Z", "2023-12-31T23:59:59.999Z",
        "2024-05-10T14:35:20Z", "1970-01-01T00:00:00Z",     "2026-03-31T10:00:00Z",
        "2023-02-28T23:00:00Z", "1900-03-01T00:00:00Z",     "2100-02-28T12:00:00Z",
        "2024-12-28T00:00:00Z", "2026-01-01T00:00:00.001Z"};
    int64_t now_ms = 0;
    const char *text = instants[mu_dice_below(dice, sizeof instants / sizeof instants[0])];
    bool is_time = mu_parse_rfc3339(mu_str_from(text), &now_ms);
    MU_ASSERT(is_time);
    return mu_dice_percent(dice, 70) ? now_ms : now_ms + mu_dice_between(dice, 0, 400 * MU_DAY_MS);
}

void mu_random_data_make(mu_dice *dice, mu_arena *arena, const mu_schema *schema,
                         mu_random_shape shape, mu_random_data *out)
{
    static const unsigned nulls[] = {5, 20, 35, 60};
    static const unsigned wilds[] = {0, 5, 30};
    *out = (mu_random_data){.schema = schema,
                            .first_schema = schema,
                            .style = {.seed = mu_dice_next(dice),
                                      .now_ms = random_now(dice),
                                      .null_percent = nulls[mu_dice_below(dice, 4)],
                                      .wild_percent = wilds[mu_dice_below(dice, 3)]},
                            .n_parts = 1};
    data_maker maker = {.dice = dice, .arena = arena, .shape = shape, .data = out};
    if (mu_dice_percent(dice, 40))
        out->n_parts = 1 + mu_dice_below(dice, PARTS_MAX);
    if (out->n_parts > 1 && mu_dice_percent(dice, 50))
        out->first_schema = older_schema(dice, arena, schema, out->style.seed);
    static const uint32_t sizes[] = {
        [MU_SHAPE_SMALL] = 60, [MU_SHAPE_WIDE] = 9500, [MU_SHAPE_DEEP] = 6};
    uint32_t n = shape == MU_SHAPE_WIDE ? 4097 + mu_dice_below(dice, sizes[shape] - 4097)
                                        : 1 + mu_dice_below(dice, sizes[shape]);
    out->n_profiles = n;
    out->profiles = MU_NEW_ARRAY(arena, mu_random_profile, n);
    for (uint32_t i = 0; i < n; i++)
        out->profiles[i] = random_profile(&maker, i);
    make_records(&maker);
}
