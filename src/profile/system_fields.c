/* system_fields.c -- the store's own fields of profiles and events. */
#include "profile/content_int.h"

#define TEXT(literal)                                                                              \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }
#define N_OF(array) ((uint32_t)(sizeof(array) / sizeof *(array)))

static const mu_type text = {.kind = MU_TYPE_STRING};
static const mu_type number = {.kind = MU_TYPE_INTEGER};
static const mu_type instant = {.kind = MU_TYPE_TIMESTAMP};
static const mu_type texts = {.kind = MU_TYPE_LIST, .item = &text};

static const mu_str identity_names[] = {TEXT("namespace"), TEXT("value"), TEXT("seen")};
static const mu_type *const identity_types[] = {&text, &text, &instant};
static const mu_type identity = {.kind = MU_TYPE_OBJECT,
                                 .n_fields = MU_IDENTITY_N,
                                 .field_names = identity_names,
                                 .field_types = identity_types};
static const mu_type identities = {.kind = MU_TYPE_LIST, .item = &identity};

static const mu_str link_names[] = {TEXT("a"),    TEXT("b"),        TEXT("first"),
                                    TEXT("last"), TEXT("datasets"), TEXT("batches")};
static const mu_type *const link_types[] = {&number, &number, &instant, &instant, &texts, &texts};
static const mu_type link_type = {.kind = MU_TYPE_OBJECT,
                                  .n_fields = MU_LINK_N,
                                  .field_names = link_names,
                                  .field_types = link_types};
static const mu_type links = {.kind = MU_TYPE_LIST, .item = &link_type};

static const mu_str fragment_names[] = {TEXT("dataset"),  TEXT("identity"), TEXT("modified"),
                                        TEXT("sequence"), TEXT("batches"),  TEXT("document")};
static const mu_type *const fragment_types[] = {&text, &number, &instant, &number, &texts, &text};
static const mu_type fragment = {.kind = MU_TYPE_OBJECT,
                                 .n_fields = MU_FRAGMENT_N,
                                 .field_names = fragment_names,
                                 .field_types = fragment_types};
static const mu_type fragments = {.kind = MU_TYPE_LIST, .item = &fragment};

typedef struct system_field {
    mu_str name;
    const mu_type *type;
} system_field;

static const system_field profile_fields[] = {
    {TEXT("$identities"), &identities},
    {TEXT("$links"), &links},
    {TEXT("$fragments"), &fragments},
    {TEXT("$superseded"), &texts},
};

static const system_field event_fields[] = {
    {TEXT("_id"), &text},          {TEXT("timestamp"), &instant}, {TEXT("$dataset"), &text},
    {TEXT("$key"), &number},       {TEXT("$identity"), &number},  {TEXT("$batch"), &text},
    {TEXT("$received"), &instant}, {TEXT("$extra"), &text},
};

static const mu_type *with_fields(mu_arena *arena, const mu_type *base, const system_field *fields,
                                  uint32_t n)
{
    mu_str *names = MU_NEW_ARRAY(arena, mu_str, base->n_fields + n);
    const mu_type **types = MU_NEW_ARRAY(arena, const mu_type *, base->n_fields + n);
    uint32_t n_all = base->n_fields;
    for (uint32_t f = 0; f < base->n_fields; f++) {
        names[f] = base->field_names[f];
        types[f] = base->field_types[f];
    }
    for (uint32_t f = 0; f < n; f++) {
        if (mu_type_field(base, fields[f].name) >= 0)
            continue;
        names[n_all] = fields[f].name;
        types[n_all++] = fields[f].type;
    }
    return n_all == base->n_fields ? base : mu_type_object(arena, n_all, names, types);
}

const mu_schema *mu_schema_with_system_fields(mu_arena *arena, const mu_schema *base)
{
    const mu_type *profile =
        with_fields(arena, base->profile, profile_fields, N_OF(profile_fields));
    const mu_type *event = with_fields(arena, base->event, event_fields, N_OF(event_fields));
    if (profile == base->profile && event == base->event)
        return base;
    return mu_schema_with_types(arena, base, profile, event, base->n_lookup_classes,
                                base->lookup_classes);
}

static uint32_t field_of(const mu_type *object, mu_str name, const mu_type *type)
{
    int field = mu_type_field(object, name);
    return field >= 0 && mu_type_equal(object->field_types[field], type) ? (uint32_t)field
                                                                         : MU_NO_FIELD;
}

/* A map of lists of objects with a text `id`. */
static bool is_identity_map(const mu_type *type)
{
    if (type->kind != MU_TYPE_MAP || type->item->kind != MU_TYPE_LIST ||
        type->item->item->kind != MU_TYPE_OBJECT)
        return false;
    int id = mu_type_field(type->item->item, MU_STR("id"));
    return id >= 0 && type->item->item->field_types[id]->kind == MU_TYPE_STRING;
}

/* A map of maps of objects with a `lastQualificationTime`. */
static bool is_membership(const mu_type *type)
{
    if (type->kind != MU_TYPE_MAP || type->item->kind != MU_TYPE_MAP ||
        type->item->item->kind != MU_TYPE_OBJECT)
        return false;
    int at = mu_type_field(type->item->item, MU_STR("lastQualificationTime"));
    return at >= 0 && type->item->item->field_types[at]->kind == MU_TYPE_TIMESTAMP;
}

static uint32_t field_that(const mu_type *object, mu_str name, bool (*is)(const mu_type *type))
{
    int field = mu_type_field(object, name);
    return field >= 0 && is(object->field_types[field]) ? (uint32_t)field : MU_NO_FIELD;
}

mu_content_fields mu_content_fields_of(const mu_schema *schema)
{
    const mu_type *profile = schema->profile, *event = schema->event;
    return (mu_content_fields){
        .identities = field_of(profile, MU_STR("$identities"), &identities),
        .links = field_of(profile, MU_STR("$links"), &links),
        .fragments = field_of(profile, MU_STR("$fragments"), &fragments),
        .superseded = field_of(profile, MU_STR("$superseded"), &texts),
        .identity_map = field_that(profile, MU_STR("identityMap"), is_identity_map),
        .membership = field_that(profile, MU_STR("segmentMembership"), is_membership),
        .x_event = schema->row->n_fields - 1,
        .id = field_of(event, MU_FIELD_ID, &text),
        .timestamp = field_of(event, MU_FIELD_TIMESTAMP, &instant),
        .dataset = field_of(event, MU_FIELD_DATASET, &text),
        .key = field_of(event, MU_FIELD_KEY, &number),
        .identity = field_of(event, MU_STR("$identity"), &number),
        .batch = field_of(event, MU_STR("$batch"), &text),
        .received = field_of(event, MU_STR("$received"), &instant),
        .extra = field_of(event, MU_STR("$extra"), &text),
    };
}
