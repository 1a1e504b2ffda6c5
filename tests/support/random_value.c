#include "tests/support/random_data.h"

#include "base/hash.h"
#include "base/time.h"

#include <math.h>

static const mu_str words[] = {
    {"red", 3},
    {"Red", 3},
    {"RED", 3},
    {"blue", 4},
    {"green", 5},
    {"gold", 4},
    {"silver", 6},
    {"x", 1},
    {"view", 4},
    {"purchase", 8},
    {"add", 3},
    {"", 0},
    {" ", 1},
    {"5", 1},
    {"5.0", 3},
    {" 5 ", 3},
    {"-1", 2},
    {"1e2", 3},
    {"true", 4},
    {"TRUE", 4},
    {"false", 5},
    {"%", 1},
    {"a_b", 3},
    {"a%b\\c", 5},
    {"ann@acme.com", 12},
    {"0", 1},
    {"007", 3},
    {"abcabc", 6},
    {"(unclosed", 9},
    {"two words", 9},
    {"2024-02-29", 10},
    {"2024-03-01T00:00:00Z", 20},
    {"https://shop.example.com/a/b?c=d#e", 34},
    {"9223372036854775807", 19},
    {"stra\xc3\x9f"
     "e",
     7}, /* sharp s: simple folding leaves it alone */
    {"STRASSE", 7},
    {"\xc3\x84pfel", 6},             /* A with diaeresis, one code point */
    {"\xc3\xa4pfel", 6},             /* the same in lower case */
    {"A\xcc\x88pfel", 7},            /* the same, combining: a different string */
    {"\xc4\xb0stanbul", 9},          /* capital I with dot: no simple folding */
    {"\xce\xa3\xce\xb1\xcf\x82", 6}, /* final sigma folds as sigma */
    {"\xf0\x9f\x98\x80", 4},         /* astral */
    {"\xf0\x90\x90\x80", 4},         /* Deseret capital, folds to U+10428 */
    {"\xe2\x84\xaa", 3},             /* Kelvin sign folds to k */
    {"k", 1},
    {"a\0b", 3},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", 33}, /* (a+)+$ takes for ever on it */
    {"\xef\xbf\xbf", 3},                       /* U+FFFF sorts before astral code points */
};

#define N_WORDS ((uint32_t)(sizeof words / sizeof words[0]))

mu_str mu_random_word(mu_dice *dice)
{
    uint32_t n = mu_dice_percent(dice, 60) ? 11 : N_WORDS;
    return words[mu_dice_below(dice, n)];
}

int64_t mu_random_integer(mu_dice *dice, unsigned wild_percent)
{
    static const int64_t edges[] = {INT64_MIN,
                                    INT64_MIN + 1,
                                    INT64_MAX,
                                    INT64_MAX - 1,
                                    (int64_t)1 << 53,
                                    ((int64_t)1 << 53) + 1,
                                    -((int64_t)1 << 53) - 1,
                                    (int64_t)1 << 62,
                                    -((int64_t)1 << 62),
                                    3037000500, /* its square does not fit */
                                    (int64_t)1 << 31,
                                    -((int64_t)1 << 31) - 1,
                                    255,
                                    256,
                                    65535,
                                    65536};
    if (!mu_dice_percent(dice, wild_percent))
        return mu_dice_between(dice, -3, 12);
    if (mu_dice_percent(dice, 70))
        return edges[mu_dice_below(dice, sizeof edges / sizeof edges[0])];
    return (int64_t)(mu_dice_next(dice) >> mu_dice_below(dice, 64));
}

double mu_random_double(mu_dice *dice, unsigned wild_percent)
{
    static const double edges[] = {-0.0,
                                   0.0,
                                   0.1,
                                   0.2,
                                   0.30000000000000004,
                                   1e300,
                                   -1e300,
                                   5e-324,
                                   1e-300,
                                   1.5e19,
                                   0.01,
                                   1e15,
                                   9007199254740992.0,
                                   9007199254740993.0,
                                   4503599627370497.5,
                                   9.2233720368547758e18,
                                   -9.2233720368547758e18,
                                   1.7976931348623157e308,
                                   1.0 / 3.0,
                                   2.5};
    if (!mu_dice_percent(dice, wild_percent)) {
        if (mu_dice_percent(dice, 50))
            return (double)mu_dice_between(dice, -3, 12);
        if (mu_dice_percent(dice, 50))
            return (double)mu_dice_between(dice, -300, 1200) / 100.0;
        return (double)mu_dice_between(dice, -12, 48) / 4.0;
    }
    return edges[mu_dice_below(dice, sizeof edges / sizeof edges[0])];
}

static int64_t rare_time(mu_dice *dice)
{
    static const int64_t edges[] = {0, -1, 1, -MU_DAY_MS, MU_TIME_MIN_MS, MU_TIME_MAX_MS};
    if (mu_dice_percent(dice, 30))
        return edges[mu_dice_below(dice, sizeof edges / sizeof edges[0])];
    static const int years[] = {1900, 1968, 1999, 2000, 2023, 2024, 2100};
    int64_t year = years[mu_dice_below(dice, sizeof years / sizeof years[0])];
    int month = 1 + (int)mu_dice_below(dice, 12);
    int last = mu_days_in_month(year, month);
    int day = mu_dice_percent(dice, 50) ? last : 1 + (int)mu_dice_below(dice, 28);
    int64_t ms = mu_days_from_civil(year, month, day) * MU_DAY_MS;
    return mu_dice_percent(dice, 50) ? ms : ms + mu_dice_between(dice, 0, MU_DAY_MS - 1);
}

int64_t mu_random_time(mu_dice *dice, int64_t now_ms)
{
    if (mu_dice_percent(dice, 12))
        return rare_time(dice);
    mu_unit unit = (mu_unit)mu_dice_below(dice, MU_UNIT_YEAR + 1);
    int64_t count = mu_dice_between(dice, -8, 3);
    int64_t ms = mu_add_units_ms(now_ms, count, unit);
    if (mu_dice_percent(dice, 15))
        ms = mu_day_of_ms(ms) * MU_DAY_MS;
    switch (mu_dice_below(dice, 6)) {
    case 0:
        ms -= 1;
        break;
    case 1:
        ms += 1;
        break;
    case 2:
    case 3:
        ms += mu_dice_between(dice, -MU_DAY_MS, MU_DAY_MS);
        break;
    default:
        break;
    }
    if (ms < MU_TIME_MIN_MS || ms > MU_TIME_MAX_MS)
        return now_ms;
    return ms;
}

/* A column's own habit, so that a part has dictionaries, plain bytes, constants and empty columns.
 */
static unsigned habit(const mu_random_style *style, mu_str name)
{
    return (unsigned)(mu_hash64(name.ptr, name.len, style->seed) % 16);
}

static mu_str random_string(mu_dice *dice, mu_arena *arena, unsigned column_habit)
{
    if (column_habit == 0)
        return words[4];
    if (column_habit <= 4 && mu_dice_percent(dice, 70)) {
        static const char *const starts[] = {"red ", "", "Blue-", "https://shop.example.com/p/"};
        return mu_arena_format(arena, "%s%llx", starts[mu_dice_below(dice, 4)],
                               (unsigned long long)(mu_dice_next(dice) >> 20));
    }
    return mu_random_word(dice);
}

/* Names of lookup records are the first eight words. */
static mu_str random_key(mu_dice *dice)
{
    return words[mu_dice_below(dice, 10)];
}

static uint32_t random_length(mu_dice *dice)
{
    if (mu_dice_percent(dice, 1))
        return 20 + mu_dice_below(dice, 60);
    return mu_dice_geometric(dice, 2, 6);
}

static mu_value random_list(mu_dice *dice, mu_arena *arena, const mu_type *type, mu_str name,
                            const mu_random_style *style)
{
    uint32_t n = random_length(dice);
    mu_value *items = MU_NEW_ARRAY(arena, mu_value, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        if (mu_dice_percent(dice, 8))
            items[i] = MU_VALUE_NULL;
        else
            items[i] = mu_random_value(dice, arena, type->item, name, style);
    }
    return (mu_value){.kind = MU_TYPE_LIST, .n = n, .items = items};
}

static mu_value random_map(mu_dice *dice, mu_arena *arena, const mu_type *type, mu_str name,
                           const mu_random_style *style)
{
    static const mu_str keys[] = {{"Email", 5}, {"red", 3},       {"ECID", 4},
                                  {"ups", 3},   {"two words", 9}, {"\xc3\xa4", 2}};
    uint32_t n = 0, start = mu_dice_below(dice, 6), wanted = mu_dice_below(dice, 4);
    mu_value *items = MU_NEW_ARRAY(arena, mu_value, 4);
    mu_str *names = MU_NEW_ARRAY(arena, mu_str, 4);
    for (uint32_t i = 0; i < wanted; i++) {
        names[n] = keys[(start + i) % 6];
        items[n] = mu_random_value(dice, arena, type->item, name, style);
        n++;
    }
    return (mu_value){.kind = MU_TYPE_MAP, .n = n, .items = items, .keys = names};
}

static mu_value random_object(mu_dice *dice, mu_arena *arena, const mu_type *type,
                              const mu_random_style *style)
{
    mu_value *items = MU_NEW_ARRAY(arena, mu_value, type->n_fields + 1);
    for (uint32_t i = 0; i < type->n_fields; i++) {
        mu_str name = type->field_names[i];
        bool is_null = mu_dice_percent(dice, style->null_percent) ||
                       (habit(style, name) == 15 && mu_dice_percent(dice, 90));
        items[i] = is_null ? MU_VALUE_NULL
                           : mu_random_value(dice, arena, type->field_types[i], name, style);
    }
    return (mu_value){
        .kind = MU_TYPE_OBJECT, .n = type->n_fields, .items = items, .keys = type->field_names};
}

mu_value mu_random_value(mu_dice *dice, mu_arena *arena, const mu_type *type, mu_str name,
                         const mu_random_style *style)
{
    unsigned column_habit = habit(style, name);
    unsigned wild = column_habit < 8 ? style->wild_percent : style->wild_percent / 10;
    switch (type->kind) {
    case MU_TYPE_BOOLEAN:
        return mu_value_boolean(mu_dice_percent(dice, column_habit == 1 ? 100 : 50));
    case MU_TYPE_INTEGER:
        return mu_value_integer(column_habit == 14 ? 7 : mu_random_integer(dice, wild));
    case MU_TYPE_DOUBLE:
        return mu_value_double(column_habit == 14 ? 2.5 : mu_random_double(dice, wild));
    case MU_TYPE_STRING:
        if (type->target_class.len > 0)
            return mu_value_string(random_key(dice));
        return mu_value_string(random_string(dice, arena, column_habit));
    case MU_TYPE_DATE:
        return mu_value_date(mu_day_of_ms(mu_random_time(dice, style->now_ms)));
    case MU_TYPE_TIMESTAMP:
        return mu_value_timestamp(mu_random_time(dice, style->now_ms));
    case MU_TYPE_LIST:
        return random_list(dice, arena, type, name, style);
    case MU_TYPE_MAP:
        return random_map(dice, arena, type, name, style);
    case MU_TYPE_OBJECT:
        return random_object(dice, arena, type, style);
    default:
        return MU_VALUE_NULL;
    }
}

static mu_value reshape_items(mu_arena *arena, mu_value value, const mu_type *from,
                              const mu_type *to)
{
    mu_value *items = MU_NEW_ARRAY(arena, mu_value, value.n + 1);
    for (uint32_t i = 0; i < value.n; i++)
        items[i] = mu_value_reshape(arena, value.items[i], from->item, to->item);
    value.items = items;
    return value;
}

mu_value mu_value_reshape(mu_arena *arena, mu_value value, const mu_type *from, const mu_type *to)
{
    if (from == to)
        return value;
    if (value.kind == MU_TYPE_LIST || value.kind == MU_TYPE_MAP)
        return reshape_items(arena, value, from, to);
    if (value.kind == MU_TYPE_INTEGER && to->kind == MU_TYPE_DOUBLE)
        return mu_value_double((double)value.integer);
    if (value.kind == MU_TYPE_DOUBLE && to->kind == MU_TYPE_INTEGER)
        return fabs(value.number) < 0x1p63 ? mu_value_integer((int64_t)value.number)
                                           : MU_VALUE_NULL;
    if (value.kind != MU_TYPE_OBJECT)
        return value;
    mu_value *items = MU_NEW_ARRAY(arena, mu_value, to->n_fields + 1);
    for (uint32_t i = 0; i < to->n_fields; i++) {
        int field = mu_type_field(from, to->field_names[i]);
        items[i] = field < 0 ? MU_VALUE_NULL
                             : mu_value_reshape(arena, value.items[field], from->field_types[field],
                                                to->field_types[i]);
    }
    return (mu_value){
        .kind = MU_TYPE_OBJECT, .n = to->n_fields, .items = items, .keys = to->field_names};
}
