#include "tests/support/random_rule_int.h"

#include "tests/support/notation.h"

static const char *const comparisons[] = {"=", "!=", "<", "<=", ">", ">="};

static mu_str compare(rule_maker *maker, mu_str left, mu_str right)
{
    const char *operator= chance(maker, 40) ? "=" : comparisons[pick(maker, 6)];
    if (chance(maker, 10)) {
        mu_str swapped = left;
        left = right;
        right = swapped;
    }
    return TEXT(maker, S " %s " S, A(left), operator, A(right));
}

static mu_str scalar_comparison(rule_maker *maker, unsigned depth)
{
    static const unsigned kinds[] = {K_NUMBER, K_NUMBER, K_STRING, K_STRING, K_TIME, K_BOOLEAN};
    unsigned left_kinds = kinds[pick(maker, 6)];
    unsigned right_kinds = chance(maker, 85) ? left_kinds : K_SCALAR;
    term left = rule_scalar(maker, left_kinds, depth);
    term right = chance(maker, 60) && (KIND(left.type->kind) & right_kinds)
                     ? rule_literal(maker, left.type->kind)
                     : rule_scalar(maker, right_kinds, depth);
    return compare(maker, left.text, right.text);
}

static mu_str list_comparison(rule_maker *maker, unsigned depth)
{
    static const unsigned kinds[] = {K_NUMBER, K_STRING, K_STRING, K_TIME, K_BOOLEAN};
    unsigned items = kinds[pick(maker, 5)];
    term left = rule_list(maker, items, depth);
    term right = chance(maker, 70) ? rule_scalar(maker, items, 0) : rule_list(maker, items, 0);
    return compare(maker, left.text, right.text);
}

static mu_str deep_comparison(rule_maker *maker)
{
    term left = rule_path(maker, K_OBJECT | K_MAP, 0);
    if (left.text.ptr == NULL)
        return scalar_comparison(maker, 0);
    term right = left;
    for (int try = 0; try < 5; try++) {
        term other = rule_path(maker, KIND(left.type->kind), 0);
        if (other.text.ptr != NULL && other.type->kind == left.type->kind)
            right = other;
    }
    return TEXT(maker, S " %s " S, A(left.text), ONE_OF(maker, "=", "!="), A(right.text));
}

static mu_str membership(rule_maker *maker, unsigned depth)
{
    unsigned kinds = chance(maker, 50) ? K_STRING : chance(maker, 70) ? K_NUMBER : K_SCALAR;
    mu_str left =
        chance(maker, 85) ? rule_scalar(maker, kinds, depth).text : rule_list(maker, kinds, 0).text;
    term right = rule_list(maker, kinds, 0);
    return TEXT(maker, S " %s " S, A(left), ONE_OF(maker, "in", "in", "notIn"), A(right.text));
}

static mu_str pattern(rule_maker *maker)
{
    return mu_str_from(ONE_OF(maker, "\"%e%\"", "\"r_d\"", "\"%\"", "\"\"", "\"red%\"", "\"%d\"",
                              "\"_\"", "\"a\\\\%b%\"", "\"%\\u00c4%\"", "\"a\\\\_b\"", "\"%e%d%\"",
                              "\"\\uD83D\\uDE00\"", "\"_%_\"", "\"gold\""));
}

static mu_str regular_expression(rule_maker *maker)
{
    return mu_str_from(ONE_OF(maker, "\"(?i)^red\"", "\"e\"", "\"^$\"", "\"\\\\d+\"",
                              "\"\\\\bred\\\\b\"", "\"^[\\\\w.]+@acme\\\\.com$\"", "\"(a+)+$\"",
                              "\"(?i)\\u00e4\"", "\".\"", "\"a.b\"", "\"^(?!red).*d\"",
                              "\"\\\\p{L}\"", "\"l$\""));
}

static mu_str string_test(rule_maker *maker, unsigned depth)
{
    mu_str text = chance(maker, 80)   ? rule_scalar(maker, K_STRING, depth).text
                  : chance(maker, 60) ? rule_list(maker, K_STRING, depth).text
                                      : rule_scalar(maker, K_SCALAR, 0).text;
    mu_str value = chance(maker, 80) ? rule_string_literal(maker, mu_random_word(maker->dice))
                                     : rule_scalar(maker, K_STRING, 0).text;
    switch (pick(maker, 10)) {
    case 0:
    case 1:
        return TEXT(maker, S " like " S, A(text), A(pattern(maker)));
    case 2:
        return TEXT(maker, S ".matches(" S ")", A(text), A(regular_expression(maker)));
    case 3:
        return TEXT(maker, S ".equals(" S ", " S ")", A(text), A(value),
                    A(rule_string_literal(maker, mu_random_word(maker->dice))));
    case 4:
        return TEXT(
            maker, S ".%s(" S ")", A(text),
            ONE_OF(maker, "equalsIgnoreCase", "notEqualWithIgnoreCase", "equalsAnyIgnoreCase"),
            A(value));
    case 5:
        return TEXT(maker, S ".%s()", A(text), ONE_OF(maker, "isEmpty", "isNotEmpty", "toBool"));
    default:
        return TEXT(maker, S ".%s(" S "%s)", A(text),
                    ONE_OF(maker, "equals", "notEqualTo", "startsWith", "endsWith", "contains",
                           "doesNotStartWith", "doesNotEndWith", "doesNotContain"),
                    A(value), ONE_OF(maker, "", ", true", ", false", ", false"));
    }
}

static mu_str null_test(rule_maker *maker)
{
    term path = rule_path(maker, K_ANYTHING, K_ANYTHING);
    if (path.text.ptr == NULL)
        path = rule_literal(maker, MU_TYPE_INTEGER);
    return TEXT(maker, S ".%s()", A(path.text), ONE_OF(maker, "isNull", "isNotNull"));
}

static mu_str set_test(rule_maker *maker, unsigned depth)
{
    static const unsigned kinds[] = {K_NUMBER, K_STRING, K_STRING, K_TIME};
    unsigned items = kinds[pick(maker, 4)];
    term left = rule_list(maker, items, depth);
    if (chance(maker, 35))
        return TEXT(maker, S ".includes(" S ")", A(left.text),
                    A(rule_scalar(maker, items, 0).text));
    term right = rule_list(maker, items, 0);
    return TEXT(maker, S ".%s(" S ")", A(left.text),
                ONE_OF(maker, "intersects", "subsetOf", "supersetOf"), A(right.text));
}

static mu_str list_test(rule_maker *maker, unsigned depth)
{
    unsigned inner = depth > 0 ? depth - 1 : 0;
    term list = rule_objects(maker, inner);
    switch (pick(maker, 6)) {
    case 0:
        return list.text;
    case 1:
        return TEXT(maker, S ".exists()", A(list.text));
    case 2:
        return TEXT(maker, S ".count() %s %u", A(list.text), comparisons[pick(maker, 6)],
                    pick(maker, 5));
    case 3: {
        term key = rule_per_item(maker, list, K_NUMBER, inner, true);
        return TEXT(maker, S ".%s(" S ") %s " S, A(list.text),
                    ONE_OF(maker, "sum", "average", "min", "max"), A(key.text),
                    comparisons[pick(maker, 6)], A(rule_literal(maker, MU_TYPE_DOUBLE).text));
    }
    case 4: {
        term key = rule_per_item(maker, list, K_NUMBER | K_TIME | K_STRING, 0, true);
        term body = rule_per_item(maker, list, 0, inner, false);
        return TEXT(maker, S ".%s(" S ", %u).exists(" S ")", A(list.text),
                    ONE_OF(maker, "topN", "bottomN"), A(key.text), 1 + pick(maker, 3),
                    A(body.text));
    }
    default: {
        term body = rule_per_item(maker, list, 0, inner, true);
        return TEXT(maker, S ".exists(" S ")", A(list.text), A(body.text));
    }
    }
}

static mu_str time_test(rule_maker *maker, unsigned depth)
{
    term time = rule_scalar(maker, K_TIME, depth > 0 && chance(maker, 20) ? 1 : 0);
    if (chance(maker, 8))
        return TEXT(maker, "dateBetween(" S ", " S ", " S ")", A(time.text),
                    A(rule_scalar(maker, K_TIME, 0).text), A(rule_scalar(maker, K_TIME, 0).text));
    return TEXT(maker, S " occurs " S, A(time.text), A(rule_time_spec(maker, 1)));
}

static mu_str quantified(rule_maker *maker, unsigned depth)
{
    rule_mark mark = rule_enter(maker);
    mu_str declarations = rule_declarations(maker, depth);
    rule_leave(maker, mark);
    return TEXT(maker, "(%s " S ")",
                ONE_OF(maker, "exists", "some", "forall", "all", "none", "one", "select"),
                A(declarations));
}

static mu_str combination(rule_maker *maker, unsigned depth)
{
    uint32_t n = 2 + mu_dice_geometric(maker->dice, 1, 3);
    const char *word = ONE_OF(maker, " and ", " or ", " AND ");
    mu_str text = rule_condition(maker, depth);
    for (uint32_t i = 1; i < n; i++)
        text = TEXT(maker, S "%s" S, A(text), word, A(rule_condition(maker, depth)));
    return TEXT(maker, "(" S ")", A(text));
}

static mu_str let(rule_maker *maker, unsigned depth)
{
    if (maker->n_variables == VARIABLES_MAX)
        return MU_STR("true");
    term value = chance(maker, 70) ? rule_scalar(maker, K_SCALAR, depth)
                                   : rule_list(maker, K_SCALAR | K_OBJECT, depth);
    mu_str name = rule_new_name(maker, "l");
    maker->variables[maker->n_variables++] = (variable){name, value.type};
    mu_str body = rule_condition(maker, depth);
    maker->n_variables--;
    return TEXT(maker, "(let " S " = (" S ") in " S ")", A(name), A(value.text), A(body));
}

static mu_str composite(rule_maker *maker, unsigned depth)
{
    switch (pick(maker, 8)) {
    case 0:
    case 1:
        return TEXT(maker, "%s(" S ")", ONE_OF(maker, "not ", "!"),
                    A(rule_condition(maker, depth)));
    case 2:
        return let(maker, depth);
    case 3: {
        mu_str condition = rule_condition(maker, depth), yes = rule_condition(maker, depth),
               no = rule_condition(maker, depth);
        return TEXT(maker, "if(" S ", " S ", " S ")", A(condition), A(yes), A(no));
    }
    default:
        return combination(maker, depth);
    }
}

static mu_str flag(rule_maker *maker)
{
    term path = rule_path(maker, K_BOOLEAN | K_LIST | K_MAP, K_ANYTHING);
    return path.text.ptr != NULL ? path.text : MU_STR("true");
}

static mu_str segment_test(rule_maker *maker, unsigned depth)
{
    bool fits = maker->options->n_segments > 0 && (maker->n_scopes == 1 || chance(maker, 10));
    if (!fits)
        return scalar_comparison(maker, depth);
    return TEXT(maker, "inSegment(\"s%u\")", pick(maker, maker->options->n_segments));
}

static mu_str leaf(rule_maker *maker, unsigned depth)
{
    uint32_t choice = pick(maker, 100);
    if (choice < 26)
        return scalar_comparison(maker, depth);
    if (choice < 32)
        return list_comparison(maker, depth);
    if (choice < 34)
        return deep_comparison(maker);
    if (choice < 41)
        return membership(maker, depth);
    if (choice < 54)
        return string_test(maker, depth);
    if (choice < 59)
        return null_test(maker);
    if (choice < 63)
        return set_test(maker, depth);
    if (choice < 74)
        return list_test(maker, depth);
    if (choice < 83)
        return time_test(maker, depth);
    if (choice < 88)
        return depth > 0 ? quantified(maker, depth - 1) : flag(maker);
    if (choice < 91)
        return flag(maker);
    if (choice < 94)
        return segment_test(maker, depth);
    return rule_may_use_events(maker) ? rule_chain(maker, depth > 0 ? depth - 1 : 0)
                                      : string_test(maker, depth);
}

mu_str rule_condition(rule_maker *maker, unsigned depth)
{
    if (depth > 0 && chance(maker, 38))
        return composite(maker, depth - 1);
    /* At the root chains and lists are what rules are about. */
    if (maker->n_scopes == 1 && maker->event_depth == 0 && depth > 0 && chance(maker, 30))
        return chance(maker, 50) ? rule_chain(maker, depth - 1) : list_test(maker, depth - 1);
    return leaf(maker, depth);
}

mu_str mu_random_rule(mu_dice *dice, mu_arena *arena, const mu_random_rule_options *options)
{
    rule_maker *maker = MU_NEW(arena, rule_maker);
    maker->dice = dice;
    maker->arena = arena;
    maker->options = options;
    maker->n_scopes = 1;
    maker->scopes[0] = options->schema->row;
    if (!mu_dice_percent(dice, 3))
        return rule_condition(maker, options->depth);
    maker->variables[maker->n_variables++] = (variable){MU_STR("Person"), options->schema->row};
    return TEXT(maker, "(Person) => " S, A(rule_condition(maker, options->depth)));
}
