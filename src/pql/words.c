#include "pql/syntax_int.h"

typedef struct word_info {
    mu_str spelling;
    mu_word_class class;
} word_info;

/* In the order of mu_word. */
static const word_info words[] = {
    {{"", 0}, MU_WORD_IS_NAME},
#define W(id, spelling, class) {MU_STR(spelling), MU_WORD_IS_##class},
#include "pql/words.def"
#undef W
    {{"", 0}, MU_WORD_IS_NAME},
};
_Static_assert(sizeof words / sizeof words[0] == MU_WORD_OTHER_, "a row per word");

typedef struct unit_info {
    mu_str plural, singular;
} unit_info;

/* In the order of mu_unit. */
static const unit_info units[] = {
    {MU_STR("milliseconds"), MU_STR("millisecond")},
    {MU_STR("seconds"), MU_STR("second")},
    {MU_STR("minutes"), MU_STR("minute")},
    {MU_STR("hours"), MU_STR("hour")},
    {MU_STR("days"), MU_STR("day")},
    {MU_STR("weeks"), MU_STR("week")},
    {MU_STR("months"), MU_STR("month")},
    {MU_STR("years"), MU_STR("year")},
    {MU_STR("decades"), MU_STR("decade")},
    {MU_STR("centuries"), MU_STR("century")},
    {MU_STR("millennia"), MU_STR("millennium")},
};
_Static_assert(sizeof units / sizeof units[0] == MU_UNIT_MILLENNIUM + 1, "a row per unit");

mu_str mu_unit_plural(mu_unit unit)
{
    return units[unit].plural;
}

mu_str mu_unit_singular(mu_unit unit)
{
    return units[unit].singular;
}

bool mu_unit_find(mu_str name, mu_unit *out)
{
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (mu_str_equal_ascii_nocase(name, units[i].plural) ||
            mu_str_equal_ascii_nocase(name, units[i].singular)) {
            *out = (mu_unit)i;
            return true;
        }
    }
    return false;
}

mu_word mu_word_of(mu_str name, mu_unit *unit)
{
    mu_unit found;
    for (size_t i = 1; i < MU_WORD_UNIT; i++)
        if (mu_str_equal_ascii_nocase(name, words[i].spelling))
            return (mu_word)i;
    if (!mu_unit_find(name, &found))
        return MU_WORD_NOT_A_WORD;
    if (unit != NULL)
        *unit = found;
    return MU_WORD_UNIT;
}

mu_word_class mu_word_class_of(mu_word word)
{
    return words[word].class;
}

bool mu_word_goes_on(mu_word word)
{
    switch (word) {
    case MU_WORD_AND:
    case MU_WORD_OR:
    case MU_WORD_IN:
    case MU_WORD_NOT_IN:
    case MU_WORD_LIKE:
    case MU_WORD_OCCURS:
    case MU_WORD_WHERE:
    case MU_WORD_OVER:
    case MU_WORD_IGNORING:
    case MU_WORD_IGNORE_YEAR:
        return true;
    default:
        return false;
    }
}

mu_str mu_time_word_name(mu_time_word word)
{
    static const mu_str names[] = {MU_STR("now"), MU_STR("today"), MU_STR("yesterday"),
                                   MU_STR("tomorrow")};
    return names[word];
}

mu_str mu_time_interval_name(mu_time_interval interval)
{
    static const mu_str names[] = {MU_STR("this"), MU_STR("last"), MU_STR("next")};
    return names[interval];
}

mu_str mu_direction_name(mu_direction direction)
{
    static const mu_str names[] = {MU_STR("on"), MU_STR("before"), MU_STR("after"), MU_STR("from"),
                                   MU_STR("between")};
    return names[direction];
}

mu_str mu_quantifier_name(mu_quantifier quantifier)
{
    static const mu_str names[] = {MU_STR("some"), MU_STR("all"), MU_STR("none"), MU_STR("one")};
    return names[quantifier];
}

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name_shaped(mu_str name)
{
    if (name.len == 0 || !is_name_start(name.ptr[0]))
        return false;
    for (size_t i = 1; i < name.len; i++)
        if (!is_name_start(name.ptr[i]) && !(name.ptr[i] >= '0' && name.ptr[i] <= '9'))
            return false;
    return true;
}

static mu_str without_prefix(mu_str name)
{
    static const mu_str prefixes[] = {MU_STR("xdm:"),    MU_STR("repo:"), MU_STR("dc:"),
                                      MU_STR("schema:"), MU_STR("meta:"), MU_STR("@")};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (mu_str_starts_with(name, prefixes[i]))
            return (mu_str){name.ptr + prefixes[i].len, name.len - prefixes[i].len};
    return name;
}

bool mu_name_is_plain_member(mu_str name)
{
    return is_name_shaped(without_prefix(name));
}

/* Soft words are left out as well: `sum sum over` and the like would read another way. */
bool mu_name_is_plain_start(mu_str name)
{
    mu_word_class class = mu_word_class_of(mu_word_of(name, NULL));
    return mu_name_is_plain_member(name) && class != MU_WORD_IS_HARD && class != MU_WORD_IS_SOFT;
}

bool mu_name_is_plain_variable(mu_str name)
{
    return is_name_shaped(name) && mu_name_is_plain_start(name);
}
