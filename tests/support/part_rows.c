#include "tests/support/part_rows.h"

#include "base/hash.h"
#include "base/uuid.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* -------- types -------- */

typedef struct type_maker {
    mu_arena *arena;
    mu_dice *dice;
    unsigned n_names;
} type_maker;

static mu_str next_name(type_maker *maker)
{
    static const char *const forms[] = {"field", "größe", "a.b", "名前"};
    return mu_arena_format(maker->arena, "%s%u",
                           mu_dice_below(maker->dice, 8) == 0 ? forms[mu_dice_below(maker->dice, 4)]
                                                              : "f",
                           maker->n_names++);
}

static const mu_type *make_type(type_maker *maker, unsigned depth);

static mu_type *make_object(type_maker *maker, unsigned depth, uint32_t n_extra)
{
    mu_type *type = MU_NEW(maker->arena, mu_type);
    uint32_t n = mu_dice_below(maker->dice, 5);
    mu_str *names = MU_NEW_ARRAY(maker->arena, mu_str, n + n_extra);
    const mu_type **types = MU_NEW_ARRAY(maker->arena, const mu_type *, n + n_extra);
    for (uint32_t f = 0; f < n; f++) {
        names[f] = next_name(maker);
        types[f] = make_type(maker, depth + 1);
    }
    *type = (mu_type){
        .kind = MU_TYPE_OBJECT, .n_fields = n, .field_names = names, .field_types = types};
    return type;
}

static const mu_type *make_type(type_maker *maker, unsigned depth)
{
    static const mu_type_kind kinds[] = {MU_TYPE_BOOLEAN, MU_TYPE_INTEGER,   MU_TYPE_DOUBLE,
                                         MU_TYPE_DOUBLE,  MU_TYPE_STRING,    MU_TYPE_STRING,
                                         MU_TYPE_DATE,    MU_TYPE_TIMESTAMP, MU_TYPE_LIST,
                                         MU_TYPE_MAP,     MU_TYPE_OBJECT,    MU_TYPE_OBJECT};
    mu_type_kind kind = kinds[mu_dice_below(maker->dice, depth >= 4 ? 8 : 12)];
    if (kind == MU_TYPE_OBJECT)
        return make_object(maker, depth, 0);
    if (kind != MU_TYPE_LIST && kind != MU_TYPE_MAP)
        return mu_type_of(kind);
    mu_type *type = MU_NEW(maker->arena, mu_type);
    type->kind = kind;
    type->item = make_type(maker, depth + 1);
    return type;
}

static void add_field(mu_type *object, mu_str name, const mu_type *type)
{
    ((mu_str *)(uintptr_t)object->field_names)[object->n_fields] = name;
    ((const mu_type **)(uintptr_t)object->field_types)[object->n_fields] = type;
    object->n_fields++;
}

const mu_type *mu_random_row_type(mu_arena *arena, mu_dice *dice)
{
    type_maker maker = {arena, dice, 0};
    mu_type *event = make_object(&maker, 1, 1);
    add_field(event, MU_STR("timestamp"), mu_type_of(MU_TYPE_TIMESTAMP));
    mu_type *events = MU_NEW(arena, mu_type);
    events->kind = MU_TYPE_LIST;
    events->item = event;
    mu_type *row = make_object(&maker, 0, 1);
    add_field(row, MU_STR("xEvent"), events);
    return row;
}

const mu_schema *mu_schema_of_rows(mu_arena *arena, const mu_type *row_type)
{
    mu_schema *schema = MU_NEW(arena, mu_schema);
    mu_type *profile = MU_NEW(arena, mu_type);
    *profile = *row_type;
    profile->n_fields--;
    schema->version = 1;
    schema->profile = profile;
    schema->row = row_type;
    schema->event = row_type->field_types[profile->n_fields]->item;
    return schema;
}

/* -------- values -------- */

static mu_str repeated(mu_arena *arena, const char *unit, uint32_t n)
{
    size_t len = strlen(unit);
    char *text = mu_arena_alloc(arena, len * n);
    for (uint32_t i = 0; i < n; i++)
        memcpy(text + i * len, unit, len);
    return (mu_str){text, len * n};
}

static mu_str random_uuid(mu_arena *arena, mu_dice *dice)
{
    uint8_t bytes[MU_UUID_BYTES];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)mu_dice_below(dice, 256);
    char *text = mu_arena_alloc(arena, MU_UUID_LENGTH);
    mu_uuid_write(bytes, text);
    return (mu_str){text, MU_UUID_LENGTH};
}

static mu_str random_text(mu_arena *arena, mu_dice *dice, unsigned manner)
{
    static const char *const odd[] = {"",
                                      "a",
                                      "é",
                                      "e\xcc\x81",
                                      "𝄞",
                                      "\xef\xbb\xbf",
                                      "日本語",
                                      "ß",
                                      "İ",
                                      "\xf4\x8f\xbf\xbf",
                                      "👩‍👩‍👧",
                                      "\x7f\x01",
                                      "\n\r\t"};
    uint32_t pick = mu_dice_below(dice, 13);
    switch (manner % 8) {
    case 6:
        return random_uuid(arena, dice);
    case 7:
        return mu_dice_below(dice, 60) == 0 ? MU_STR("rare") : MU_STR("often");
    case 0:
        return mu_arena_format(arena, "choice-%u", mu_dice_below(dice, 3));
    case 1:
        return mu_arena_format(arena, "unique-%llx", (unsigned long long)mu_dice_next(dice));
    case 2:
        return mu_str_from(odd[pick]);
    case 3: {
        mu_str text = mu_arena_format(arena, "x%cy%c%s", '\0', '\0', odd[pick]);
        return pick == 0 ? (mu_str){"\0", 1} : text;
    }
    case 4:
        return mu_arena_format(arena, "%s%u", odd[pick], mu_dice_below(dice, 400));
    default:
        if (mu_dice_below(dice, 50) == 0)
            return repeated(arena, odd[pick], 1 + mu_dice_below(dice, 20000));
        return MU_STR("the same");
    }
}

static int64_t random_integer(mu_dice *dice, unsigned manner)
{
    static const int64_t edges[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX - 1, INT64_MAX};
    switch (manner % 7) {
    case 0:
        return 42;
    case 1:
        return (int64_t)mu_dice_below(dice, 200) - 100;
    case 2:
        return (int64_t)mu_dice_below(dice, 60000) - 1000000000000;
    case 3:
        return (int64_t)mu_dice_below(dice, UINT32_MAX);
    case 4:
        return (int64_t)mu_dice_next(dice);
    case 5:
        return edges[mu_dice_below(dice, 7)];
    default:
        return INT64_MAX - (int64_t)mu_dice_below(dice, 200);
    }
}

static double random_double(mu_dice *dice, unsigned manner)
{
    static const double edges[] = {-0.0, 0.0,   5e-324,  -1.7976931348623157e308,
                                   0.1,  1e300, 1.0 / 3, 9007199254740993.0};
    switch (manner % 7) {
    case 0:
        return 19.99;
    case 1:
        return (double)mu_dice_below(dice, 100000) / 100;
    case 2:
        return (double)mu_dice_below(dice, 1000) - 500;
    case 3:
        return (double)mu_dice_below(dice, 4000000000u) / 10000;
    case 4:
        return edges[mu_dice_below(dice, 8)];
    case 5: {
        uint64_t bits = mu_dice_next(dice);
        double value;
        memcpy(&value, &bits, sizeof value);
        return __builtin_isfinite(value) ? value : 1.5;
    }
    default:
        return mu_dice_below(dice, 3) == 0 ? -0.0 : (double)mu_dice_below(dice, 9);
    }
}

/* One in `rate` values of a column is null; 1: all are, 0: none is; MOSTLY: all but a few are. */
#define MOSTLY UINT32_MAX

static bool is_null(mu_dice *dice, unsigned manner)
{
    static const uint32_t rates[] = {0, 0, 2, 5, 1, 40, MOSTLY};
    uint32_t rate = rates[manner / 8 % 7];
    if (rate == MOSTLY)
        return mu_dice_below(dice, 20) != 0;
    return rate != 0 && mu_dice_below(dice, rate) == 0;
}

static mu_value random_value(mu_arena *arena, mu_dice *dice, const mu_type *type, mu_str name);

static mu_value random_object(mu_arena *arena, mu_dice *dice, const mu_type *type)
{
    mu_value *fields = MU_NEW_ARRAY(arena, mu_value, type->n_fields);
    for (uint32_t f = 0; f < type->n_fields; f++)
        fields[f] = random_value(arena, dice, type->field_types[f], type->field_names[f]);
    mu_value value = {.kind = MU_TYPE_OBJECT, .n = type->n_fields};
    value.items = fields;
    value.keys = type->field_names;
    return value;
}

static mu_value random_items(mu_arena *arena, mu_dice *dice, const mu_type *type, mu_str name,
                             bool is_single)
{
    uint32_t n = is_single ? 1 : mu_dice_below(dice, 3) == 0 ? 0 : mu_dice_below(dice, 5);
    mu_value *items = MU_NEW_ARRAY(arena, mu_value, n);
    mu_str *keys = MU_NEW_ARRAY(arena, mu_str, n);
    for (uint32_t i = 0; i < n; i++) {
        items[i] = random_value(arena, dice, type->item, name);
        keys[i] = mu_arena_format(arena, "key %u", i + 7 * mu_dice_below(dice, 3));
    }
    mu_value value = {.kind = type->kind, .n = n};
    value.items = items;
    value.keys = type->kind == MU_TYPE_MAP ? keys : NULL;
    return value;
}

static mu_value random_value(mu_arena *arena, mu_dice *dice, const mu_type *type, mu_str name)
{
    unsigned manner = (unsigned)(mu_hash64(name.ptr, name.len, 11) % 100000);
    if (is_null(dice, manner))
        return MU_VALUE_NULL;
    switch (type->kind) {
    case MU_TYPE_BOOLEAN:
        return mu_value_boolean(mu_dice_below(dice, 2));
    case MU_TYPE_INTEGER:
        return mu_value_integer(random_integer(dice, manner));
    case MU_TYPE_DOUBLE:
        return mu_value_double(random_double(dice, manner));
    case MU_TYPE_STRING:
        return mu_value_string(random_text(arena, dice, manner));
    case MU_TYPE_DATE:
        return mu_value_date((int64_t)mu_dice_below(dice, 40000) - 10000);
    case MU_TYPE_TIMESTAMP:
        return mu_value_timestamp((int64_t)mu_dice_below(dice, 1u << 31) * 1000);
    case MU_TYPE_OBJECT:
        return random_object(arena, dice, type);
    default:
        return random_items(arena, dice, type, name, manner / 56 % 4 == 0);
    }
}

static mu_value random_events(mu_arena *arena, mu_dice *dice, const mu_type *type, uint32_t n)
{
    mu_value *events = MU_NEW_ARRAY(arena, mu_value, n);
    int64_t time = 1700000000000;
    for (uint32_t i = 0; i < n; i++) {
        events[i] = random_object(arena, dice, type);
        mu_value *fields = (mu_value *)(uintptr_t)events[i].items;
        time += mu_dice_below(dice, 3) == 0 ? 0 : mu_dice_below(dice, 1000000);
        if (mu_dice_below(dice, 20) != 0)
            fields[type->n_fields - 1] = mu_value_timestamp(time);
        else
            fields[type->n_fields - 1] = MU_VALUE_NULL;
    }
    mu_value value = {.kind = MU_TYPE_LIST, .n = n};
    value.items = events;
    value.keys = NULL;
    return value;
}

mu_value mu_random_row(mu_arena *arena, mu_dice *dice, const mu_type *type, uint32_t n_events)
{
    uint32_t last = type->n_fields - 1;
    mu_value *fields = MU_NEW_ARRAY(arena, mu_value, type->n_fields);
    for (uint32_t f = 0; f < last; f++)
        fields[f] = random_value(arena, dice, type->field_types[f], type->field_names[f]);
    fields[last] = random_events(arena, dice, type->field_types[last]->item, n_events);
    mu_value value = {.kind = MU_TYPE_OBJECT, .n = type->n_fields};
    value.items = fields;
    value.keys = type->field_names;
    return value;
}

/* -------- columns that the writer packs -------- */

const mu_type *mu_packed_row_type(mu_arena *arena)
{
    mu_type *event = MU_NEW(arena, mu_type), *row = MU_NEW(arena, mu_type);
    mu_type *events = MU_NEW(arena, mu_type), *tags = MU_NEW(arena, mu_type);
    const mu_type *text = mu_type_of(MU_TYPE_STRING);
    *tags = (mu_type){.kind = MU_TYPE_LIST, .item = text};
    *events = (mu_type){.kind = MU_TYPE_LIST, .item = event};
    for (int i = 0; i < 2; i++) {
        mu_type *object = i == 0 ? event : row;
        *object = (mu_type){.kind = MU_TYPE_OBJECT};
        object->field_names = MU_NEW_ARRAY(arena, mu_str, 10);
        object->field_types = MU_NEW_ARRAY(arena, const mu_type *, 10);
        add_field(object, MU_STR("id"), text);
        add_field(object, MU_STR("someId"), text);
        add_field(object, MU_STR("amount"), mu_type_of(MU_TYPE_DOUBLE));
        add_field(object, MU_STR("rare"), text);
        add_field(object, MU_STR("run"), text);
        add_field(object, MU_STR("tags"), tags);
        add_field(object, MU_STR("few"), tags);
        add_field(object, MU_STR("rareTags"), tags);
        add_field(object, MU_STR("phone"), text);
    }
    add_field(event, MU_STR("timestamp"), mu_type_of(MU_TYPE_TIMESTAMP));
    add_field(row, MU_STR("xEvent"), events);
    return row;
}

static mu_value packed_object(mu_arena *arena, mu_dice *dice, const mu_type *type, uint32_t number,
                              mu_value last)
{
    mu_value *fields = MU_NEW_ARRAY(arena, mu_value, type->n_fields);
    mu_value *tags = MU_NEW_ARRAY(arena, mu_value, 2);
    bool is_rare = mu_dice_below(dice, 20) == 0;
    for (uint32_t i = 0; i < 2; i++)
        tags[i] = mu_value_string(mu_arena_format(arena, "tag %u", mu_dice_below(dice, 9)));
    fields[0] = mu_value_string(random_uuid(arena, dice));
    if (mu_dice_below(dice, 3) != 0)
        fields[1] = mu_value_string(random_uuid(arena, dice));
    if (is_rare) {
        fields[2] = mu_value_double((double)mu_dice_below(dice, 100000) / 100);
        fields[3] = mu_value_string(mu_arena_format(arena, "rare %u", mu_dice_below(dice, 5)));
    }
    fields[4] = mu_value_string(mu_arena_format(arena, "run %u", number / 50 % 300));
    fields[5] = (mu_value){.kind = MU_TYPE_LIST, .n = 1, .items = tags};
    fields[6] = (mu_value){.kind = MU_TYPE_LIST, .n = mu_dice_below(dice, 3), .items = tags};
    if (is_rare)
        fields[7] = (mu_value){.kind = MU_TYPE_LIST, .n = mu_dice_below(dice, 3), .items = tags};
    if (mu_dice_below(dice, 4) != 0) {
        unsigned long long digits = mu_dice_next(dice);
        digits >>= mu_dice_below(dice, 60);
        fields[8] = mu_value_string(mu_arena_format(arena, "+%llu", digits));
    }
    fields[9] = last;
    mu_value value = {.kind = MU_TYPE_OBJECT, .n = type->n_fields};
    value.items = fields;
    value.keys = type->field_names;
    return value;
}

mu_value mu_packed_row(mu_arena *arena, mu_dice *dice, const mu_type *type, uint32_t number)
{
    const mu_type *event = type->field_types[type->n_fields - 1]->item;
    mu_value *items = MU_NEW_ARRAY(arena, mu_value, 3);
    for (uint32_t i = 0; i < 3; i++)
        items[i] = packed_object(arena, dice, event, number * 3 + i,
                                 mu_value_timestamp(1700000000000 + number + i));
    mu_value events = {.kind = MU_TYPE_LIST, .n = 3, .items = items};
    return packed_object(arena, dice, type, number, events);
}

static int compare_mixed(const void *a, const void *b)
{
    uint32_t x = mu_mix32(*(const uint32_t *)a), y = mu_mix32(*(const uint32_t *)b);
    return (x > y) - (x < y);
}

uint32_t *mu_random_pids(mu_arena *arena, mu_dice *dice, uint32_t n, uint32_t limit)
{
    uint32_t *pids = MU_NEW_ARRAY(arena, uint32_t, n);
    uint32_t step = n == 0 ? 1 : limit / n;
    for (uint32_t i = 0; i < n; i++)
        pids[i] = i * step + mu_dice_below(dice, step);
    qsort(pids, n, sizeof *pids, compare_mixed);
    return pids;
}

mu_identity mu_identity_of_pid(mu_arena *arena, uint32_t pid)
{
    return (mu_identity){pid % 3 == 0 ? MU_STR("Email") : MU_STR("crmId"),
                         mu_arena_format(arena, "person-%u", pid)};
}

char *mu_make_temporary_folder(void)
{
    const char *parent = getenv("TMPDIR");
    char path[4096];
    snprintf(path, sizeof path, "%s/muster-test-XXXXXX", parent == NULL ? "/tmp" : parent);
    if (mkdtemp(path) == NULL) {
        perror(path);
        abort();
    }
    return strdup(path);
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

void mu_remove_folder(char *folder)
{
    nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(folder);
}
