#include "tests/support/notation.h"
#include "tests/support/random_data.h"

#define FIELDS_MAX   16
#define CLASSES_MAX  3
#define PATHS_MAX    64
#define PATH_LEN_MAX 200

/* Few names, used again at every level, so that scopes hide one another. */
static const char *const field_names[] = {"name",  "city",   "tier",  "points", "level", "price",
                                          "flag",  "active", "born",  "seen",   "color", "sku",
                                          "items", "tags",   "extra", "ref",    "value", "_acme",
                                          "label", "size",   "scores"};

#define N_NAMES ((uint32_t)(sizeof field_names / sizeof field_names[0]))

typedef struct schema_maker {
    mu_dice *dice;
    mu_arena *arena;
    uint32_t n_classes;
    mu_str classes[CLASSES_MAX];
} schema_maker;

static const mu_type *random_scalar(schema_maker *maker)
{
    static const mu_type_kind kinds[] = {MU_TYPE_STRING, MU_TYPE_STRING,   MU_TYPE_STRING,
                                         MU_TYPE_STRING, MU_TYPE_INTEGER,  MU_TYPE_INTEGER,
                                         MU_TYPE_DOUBLE, MU_TYPE_DOUBLE,   MU_TYPE_BOOLEAN,
                                         MU_TYPE_DATE,   MU_TYPE_TIMESTAMP};
    if (maker->n_classes > 0 && mu_dice_percent(maker->dice, 10))
        return mu_type_new_key(maker->arena,
                               maker->classes[mu_dice_below(maker->dice, maker->n_classes)]);
    return mu_type_of(kinds[mu_dice_below(maker->dice, sizeof kinds / sizeof kinds[0])]);
}

static const mu_type *random_object(schema_maker *maker, unsigned depth);

static const mu_type *random_type(schema_maker *maker, unsigned depth)
{
    uint32_t choice = depth == 0 ? 99 : mu_dice_below(maker->dice, 100);
    if (choice < 12)
        return random_object(maker, depth - 1);
    if (choice < 20)
        return mu_type_new_list(maker->arena, random_scalar(maker));
    if (choice < 29)
        return mu_type_new_list(maker->arena, random_object(maker, depth - 1));
    if (choice < 33)
        return mu_type_new_map(maker->arena, random_scalar(maker));
    if (choice < 36)
        return mu_type_new_map(maker->arena, random_object(maker, depth - 1));
    if (choice < 37)
        return mu_type_new_map(maker->arena,
                               mu_type_new_list(maker->arena, random_object(maker, depth - 1)));
    if (choice < 38)
        return mu_type_new_list(maker->arena, random_type(maker, depth - 1));
    return random_scalar(maker);
}

/* Adds `wanted` random fields to the `n` there are. */
static uint32_t add_fields(schema_maker *maker, unsigned depth, uint32_t wanted, mu_str *names,
                           const mu_type **types, uint32_t n)
{
    uint32_t start = mu_dice_below(maker->dice, N_NAMES);
    for (uint32_t i = 0; i < wanted && n < FIELDS_MAX; i++) {
        names[n] = mu_str_from(field_names[(start + i * 5) % N_NAMES]);
        types[n++] = random_type(maker, depth);
    }
    return n;
}

static const mu_type *random_object(schema_maker *maker, unsigned depth)
{
    mu_str names[FIELDS_MAX];
    const mu_type *types[FIELDS_MAX];
    uint32_t n = add_fields(maker, depth, 2 + mu_dice_below(maker->dice, 4), names, types, 0);
    return mu_type_new_object(maker->arena, n, names, types);
}

static const mu_type *random_event(schema_maker *maker)
{
    mu_str names[FIELDS_MAX] = {MU_STR("_id"), MU_STR("timestamp"), MU_STR("eventType")};
    const mu_type *types[FIELDS_MAX] = {mu_type_of(MU_TYPE_STRING), mu_type_of(MU_TYPE_TIMESTAMP),
                                        mu_type_of(MU_TYPE_STRING)};
    uint32_t n = 3;
    if (mu_dice_percent(maker->dice, 70)) {
        names[n] = MU_STR("productListItems");
        types[n++] = mu_type_new_list(
            maker->arena,
            mu_notation_read(maker->arena, "{sku:string, price:double, quantity:integer, "
                                           "selectedOptions:[{name:string, value:string}]}"));
    }
    n = add_fields(maker, 2, 3 + mu_dice_below(maker->dice, 5), names, types, n);
    return mu_type_new_object(maker->arena, n, names, types);
}

static const mu_type *random_profile(schema_maker *maker)
{
    mu_str names[FIELDS_MAX];
    const mu_type *types[FIELDS_MAX];
    uint32_t n = add_fields(maker, 3, 5 + mu_dice_below(maker->dice, 8), names, types, 0);
    return mu_type_new_object(maker->arena, n, names, types);
}

static mu_lookup_class random_class(schema_maker *maker, mu_str name)
{
    mu_str names[FIELDS_MAX] = {MU_STR("id")};
    const mu_type *types[FIELDS_MAX] = {mu_type_of(MU_TYPE_STRING)};
    uint32_t n = add_fields(maker, 1, 3 + mu_dice_below(maker->dice, 3), names, types, 1);
    return (mu_lookup_class){.name = name,
                             .type = mu_type_new_object(maker->arena, n, names, types),
                             .key_path = MU_STR("id")};
}

const mu_schema *mu_random_schema(mu_dice *dice, mu_arena *arena)
{
    schema_maker maker = {.dice = dice,
                          .arena = arena,
                          .n_classes = mu_dice_below(dice, CLASSES_MAX + 1),
                          .classes = {MU_STR("shop"), MU_STR("maker"), MU_STR("region")}};
    mu_lookup_class *classes = MU_NEW_ARRAY(arena, mu_lookup_class, CLASSES_MAX);
    for (uint32_t i = 0; i < maker.n_classes; i++)
        classes[i] = random_class(&maker, maker.classes[i]);
    const mu_type *profile = random_profile(&maker);
    const mu_type *event = random_event(&maker);
    return mu_schema_of_types(arena, profile, event, maker.n_classes, classes);
}

/* -------- schemas of types -------- */

typedef struct relationship_finder {
    mu_arena *arena;
    mu_str source_class;
    uint32_t n;
    mu_relationship found[PATHS_MAX];
} relationship_finder;

static void find_relationships(relationship_finder *finder, const mu_type *type, mu_str path)
{
    if (type->kind == MU_TYPE_STRING && type->target_class.len > 0 && finder->n < PATHS_MAX)
        finder->found[finder->n++] = (mu_relationship){
            .source_class = finder->source_class, .path = path, .target_class = type->target_class};
    if (type->kind == MU_TYPE_LIST || type->kind == MU_TYPE_MAP)
        find_relationships(finder, type->item, path);
    if (type->kind != MU_TYPE_OBJECT)
        return;
    for (uint32_t i = 0; i < type->n_fields; i++) {
        mu_str name = type->field_names[i];
        mu_str longer = path.len == 0 ? name
                                      : mu_arena_format(finder->arena, MU_STR_FMT "." MU_STR_FMT,
                                                        MU_STR_ARG(path), MU_STR_ARG(name));
        find_relationships(finder, type->field_types[i], longer);
    }
}

static const mu_type *row_type(mu_arena *arena, const mu_type *profile, const mu_type *event)
{
    uint32_t n = profile->n_fields;
    mu_str *names = MU_NEW_ARRAY(arena, mu_str, n + 1);
    const mu_type **types = MU_NEW_ARRAY(arena, const mu_type *, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        names[i] = profile->field_names[i];
        types[i] = profile->field_types[i];
    }
    names[n] = MU_STR("xEvent");
    types[n] = mu_type_new_list(arena, event);
    return mu_type_new_object(arena, n + 1, names, types);
}

const mu_schema *mu_schema_of_types(mu_arena *arena, const mu_type *profile, const mu_type *event,
                                    uint32_t n_classes, const mu_lookup_class *classes)
{
    relationship_finder *finder = MU_NEW(arena, relationship_finder);
    finder->arena = arena;
    finder->source_class = MU_STR("profile");
    find_relationships(finder, profile, MU_STR(""));
    finder->source_class = MU_STR("event");
    find_relationships(finder, event, MU_STR(""));
    for (uint32_t i = 0; i < n_classes; i++) {
        finder->source_class = classes[i].name;
        find_relationships(finder, classes[i].type, MU_STR(""));
    }
    mu_schema *schema = MU_NEW(arena, mu_schema);
    *schema = (mu_schema){.version = 1,
                          .profile = profile,
                          .event = event,
                          .row = row_type(arena, profile, event),
                          .n_lookup_classes = n_classes,
                          .lookup_classes = classes,
                          .n_relationships = finder->n,
                          .relationships = finder->found};
    return schema;
}
