#include "tests/support/random_rule_int.h"

#include "tests/support/notation.h"

static const char *const comparisons[] = {"<=", "<", ">", ">=", "=", "!="};

static const char *unit(rule_maker *maker)
{
    return chance(maker, 85)
               ? ONE_OF(maker, "seconds", "minutes", "hours", "hours", "days", "days", "days",
                        "weeks", "weeks", "months", "months", "years")
               : ONE_OF(maker, "milliseconds", "decades", "centuries", "millennia", "day", "hour");
}

static const char *single_unit(rule_maker *maker)
{
    return chance(maker, 85)
               ? ONE_OF(maker, "day", "week", "month", "year", "hour", "minute")
               : ONE_OF(maker, "second", "millisecond", "decade", "century", "millennium");
}

static unsigned count(rule_maker *maker)
{
    return chance(maker, 90) ? pick(maker, 9) : pick(maker, 400);
}

static mu_str some_time(rule_maker *maker, unsigned depth)
{
    if (maker->alias_end > maker->alias_start && chance(maker, 60)) {
        uint32_t alias = maker->alias_start + pick(maker, maker->alias_end - maker->alias_start);
        return maker->variables[alias].name;
    }
    switch (pick(maker, 10)) {
    case 0:
    case 1:
    case 2:
        return MU_STR("now");
    case 3:
    case 4:
        return mu_str_from(ONE_OF(maker, "today", "yesterday", "tomorrow"));
    case 5:
        return TEXT(maker, "%s %s", ONE_OF(maker, "this", "last", "next"), single_unit(maker));
    case 6:
        if (depth > 0)
            return TEXT(maker, "%u %s %s " S, count(maker), unit(maker),
                        ONE_OF(maker, "before", "after", "from"), A(some_time(maker, depth - 1)));
        return MU_STR("now");
    case 7:
        if (depth > 0 && chance(maker, 50))
            return TEXT(maker, "(" S ")", A(some_time(maker, depth - 1)));
        return rule_literal(maker, MU_TYPE_DATE).text;
    case 8: {
        term path = rule_path(maker, K_TIME, 0);
        return path.text.ptr != NULL ? path.text : MU_STR("today");
    }
    default:
        return rule_literal(maker, MU_TYPE_DATE).text;
    }
}

mu_str rule_time_spec(rule_maker *maker, unsigned depth)
{
    const char *suffix =
        chance(maker, 8) ? ONE_OF(maker, " ignoring year", " ignoreYear", " IGNORING YEAR") : "";
    const char *direction = chance(maker, 70) ? "before" : ONE_OF(maker, "after", "from");
    switch (pick(maker, 12)) {
    case 0:
        return TEXT(maker, "within %u %s %s " S "%s", count(maker), unit(maker), direction,
                    A(some_time(maker, depth)), suffix);
    case 1:
        return TEXT(maker, "%s%s %u %s%s", ONE_OF(maker, "", "in "), ONE_OF(maker, "last", "next"),
                    count(maker), unit(maker), suffix);
    case 2:
        return TEXT(maker, "%s " S "%s", ONE_OF(maker, "before", "after", "from"),
                    A(some_time(maker, depth)), suffix);
    case 3: {
        mu_str from = some_time(maker, depth), to = some_time(maker, depth);
        return TEXT(maker, "between " S " and " S "%s", A(from), A(to), suffix);
    }
    case 4:
    case 5:
        return TEXT(maker, "%s" S "%s", ONE_OF(maker, "", "on "), A(some_time(maker, depth)),
                    suffix);
    default:
        return TEXT(maker, "%s %u %s %s " S "%s",
                    chance(maker, 50) ? "<=" : comparisons[pick(maker, 6)], count(maker),
                    unit(maker), direction, A(some_time(maker, depth)), suffix);
    }
}

/* -------- chains -------- */

/* WHAT and WHERE share the event's scope. */
static mu_str event_condition(rule_maker *maker, term list, unsigned depth)
{
    const mu_type *event = list.type->item;
    int type = event->kind == MU_TYPE_OBJECT ? mu_type_field(event, MU_STR("eventType")) : -1;
    if (type >= 0 && chance(maker, 45))
        return TEXT(maker, "eventType = " S,
                    A(rule_string_literal(maker, mu_random_word(maker->dice))));
    if (chance(maker, 8))
        return MU_STR("true");
    return rule_per_item(maker, list, 0, depth, false).text;
}

static mu_str count_clause(rule_maker *maker, bool is_only, bool is_excluded)
{
    unsigned n = 1 + pick(maker, 3);
    if (is_only && !is_excluded && chance(maker, 60)) {
        if (chance(maker, 20))
            return MU_STR(" COUNT(all)");
        if (chance(maker, 25))
            return TEXT(maker, " COUNT(between %u and %u)", n - 1, n + pick(maker, 3));
        return TEXT(maker, " COUNT(%s %u)", comparisons[pick(maker, 6)], n - 1);
    }
    return TEXT(maker, " COUNT(%s%u)", ONE_OF(maker, "", ">= ", "> "), n);
}

static mu_str element(rule_maker *maker, term list, unsigned depth, bool is_only, bool is_excluded)
{
    mu_str text = TEXT(maker, "WHAT(" S ")", A(event_condition(maker, list, depth)));
    if (chance(maker, 45))
        text = TEXT(maker, S " WHEN(" S ")", A(text), A(rule_time_spec(maker, 1)));
    if (chance(maker, 10))
        text = TEXT(maker, S " WHERE(" S ")", A(text), A(event_condition(maker, list, 0)));
    if (chance(maker, is_only ? 35 : 15))
        text = TEXT(maker, S S, A(text), A(count_clause(maker, is_only, is_excluded)));
    return text;
}

/* What may stand between two elements, or an EXCLUDE at either end. */
static mu_str between_elements(rule_maker *maker, term list, bool is_inside)
{
    mu_str text = MU_STR("");
    if (is_inside && chance(maker, 20))
        text =
            TEXT(maker, "GAP(%s%u %s), ", ONE_OF(maker, "", "<= ", "< ", ">= ", "> ", "= ", "!= "),
                 count(maker), unit(maker));
    if (chance(maker, 15))
        text = TEXT(maker, S "EXCLUDE(" S "), ", A(text), A(element(maker, list, 0, false, true)));
    return text;
}

static term chain_list(rule_maker *maker, mu_str *time_field)
{
    *time_field = MU_STR("timestamp");
    term events = {MU_STR("xEvent"), mu_type_new_list(maker->arena, maker->options->schema->event)};
    if (!chance(maker, 12))
        return events;
    term path = rule_path(maker, K_LIST, K_OBJECT);
    if (path.text.ptr == NULL)
        return events;
    const mu_type *item = path.type->item;
    for (uint32_t i = 0; i < item->n_fields; i++)
        if (KIND(item->field_types[i]->kind) & K_TIME) {
            *time_field = item->field_names[i];
            return path;
        }
    return events;
}

mu_str rule_chain(rule_maker *maker, unsigned depth)
{
    uint32_t n = 1 + mu_dice_geometric(maker->dice, 1, maker->options->is_cheap ? 1 : 3);
    uint32_t outer = maker->n_variables, outer_start = maker->alias_start,
             outer_end = maker->alias_end;
    mu_str time_field;
    term list = chain_list(maker, &time_field);
    mu_str text = TEXT(maker, "%s(" S ", " S ", [", ONE_OF(maker, "chain", "CHAIN"), A(list.text),
                       A(time_field));
    maker->alias_start = maker->alias_end = outer;
    for (uint32_t i = 0; i < n && maker->n_variables < VARIABLES_MAX; i++) {
        text = TEXT(maker, S S, A(text), A(between_elements(maker, list, i > 0)));
        mu_str alias = rule_new_name(maker, "C");
        mu_str body = element(maker, list, depth, n == 1, false);
        bool is_named = chance(maker, 75);
        text = TEXT(maker, S S "%s" S "%s", A(text), A(is_named ? alias : MU_STR("")),
                    is_named ? ": " : "", A(body), i + 1 < n ? ", " : "");
        if (is_named) {
            maker->variables[maker->n_variables++] = (variable){alias, list.type->item};
            maker->alias_end = maker->n_variables;
        }
    }
    if (chance(maker, 12))
        text = TEXT(maker, S ", EXCLUDE(" S ")", A(text), A(element(maker, list, 0, false, true)));
    maker->n_variables = outer;
    maker->alias_start = outer_start;
    maker->alias_end = outer_end;
    return TEXT(maker, S "])", A(text));
}
