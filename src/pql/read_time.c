/* read_time.c -- occurs and chain nodes. */
#include "pql/read_int.h"

/* -------- words -------- */

static mu_unit read_unit(mu_tree_reader *r, mu_spot at)
{
    mu_unit unit;
    mu_str name = mu_spot_word(r, at, "TimeUnit");
    if (mu_str_equal(name, MU_STR("miliseconds")))
        return MU_UNIT_MILLISECOND;
    if (mu_str_equal(name, MU_STR("millenia")))
        return MU_UNIT_MILLENNIUM;
    if (!mu_unit_find(name, &unit))
        mu_spot_fail_expected(r, at, "a unit of time");
    return unit;
}

static mu_direction read_direction(mu_tree_reader *r, mu_spot at)
{
    mu_str name = mu_spot_word(r, at, "TimeDirection");
    for (int i = MU_DIRECTION_ON; i <= MU_DIRECTION_BETWEEN; i++)
        if (mu_str_equal(name, mu_direction_name((mu_direction)i)))
            return (mu_direction)i;
    mu_spot_fail_expected(r, at, "on, before, after, from or between");
}

static mu_pql_function comparison_named(mu_tree_reader *r, mu_spot at, mu_str name)
{
    mu_pql_function function = mu_pql_function_find(name);
    if (function < MU_FN_EQUAL || function > MU_FN_GREATER_EQUAL)
        mu_spot_fail_expected(r, at, "one of = != < <= > >=");
    return function;
}

/* -------- time -------- */

static const char *const duration_members[MU_SPOT_MEMBERS_MAX] = {"count", "unit", "relation",
                                                                  "base", NULL};

static const mu_pql *read_time(mu_tree_reader *r, mu_spot at);

static const mu_pql *read_interval(mu_tree_reader *r, mu_spot at)
{
    mu_spot relation = mu_spot_need(r, at, "relation");
    mu_str name = mu_spot_name(r, relation);
    mu_pql *node = mu_node_new(&r->syntax, MU_PQL_TIME_INTERVAL, mu_spot_place(at));
    mu_spot_warn_unknown(r, at, mu_literal_members);
    for (int i = MU_INTERVAL_THIS; i <= MU_INTERVAL_NEXT; i++) {
        if (!mu_str_equal(name, mu_time_interval_name((mu_time_interval)i)))
            continue;
        node->interval = (mu_time_interval)i;
        node->unit = read_unit(r, mu_spot_need(r, at, "unit"));
        return mu_node_done(&r->syntax, node);
    }
    mu_spot_fail_expected(r, relation, "this, last or next");
}

/* A duration with relation and base; `from` means after here (D49). */
static const mu_pql *read_point(mu_tree_reader *r, mu_spot at)
{
    mu_pql *node = mu_node_new(&r->syntax, MU_PQL_TIME_POINT, mu_spot_place(at));
    const mu_pql **args = MU_NEW_ARRAY(r->syntax.arena, const mu_pql *, 1);
    mu_spot relation = mu_spot_need(r, at, "relation");
    mu_spot_warn_unknown(r, at, duration_members);
    node->count = mu_spot_count(r, mu_spot_need(r, at, "count"));
    node->unit = read_unit(r, mu_spot_need(r, at, "unit"));
    node->direction = read_direction(r, relation);
    if (node->direction == MU_DIRECTION_FROM)
        node->direction = MU_DIRECTION_AFTER;
    if (node->direction != MU_DIRECTION_BEFORE && node->direction != MU_DIRECTION_AFTER)
        mu_spot_fail_expected(r, relation, "before, after or from");
    args[0] = read_time(r, mu_spot_need(r, at, "base"));
    node->args = args;
    node->n_args = 1;
    return mu_node_done(&r->syntax, node);
}

static const mu_pql *read_time(mu_tree_reader *r, mu_spot at)
{
    mu_str type = mu_json_member_string(at.json, MU_STR("literalType"), MU_STR(""));
    if (mu_spot_is_node(at, "literal") && mu_str_equal(type, MU_STR("TimeInterval")))
        return read_interval(r, at);
    if (!mu_spot_is_node(at, "duration"))
        return mu_read_expression(r, at);
    if (++r->depth > MU_PQL_DEPTH_MAX)
        mu_spot_fail(r, at, MU_STR("nested too deep"));
    const mu_pql *point = read_point(r, at);
    r->depth--;
    return point;
}

/* A timeQualification: how many units, compared how. */
static void read_qualification(mu_tree_reader *r, mu_spot at, mu_pql_function *comparison,
                               int64_t *count, mu_unit *unit)
{
    static const char *const members[MU_SPOT_MEMBERS_MAX] = {"comparison", "duration", NULL};
    if (at.json->kind != MU_JSON_OBJECT)
        mu_spot_fail_expected(r, at, "a timeQualification node");
    mu_spot_warn_unknown(r, at, members);
    mu_spot how = mu_spot_need(r, at, "comparison");
    mu_spot duration = mu_spot_need(r, at, "duration");
    if (duration.json->kind != MU_JSON_OBJECT)
        mu_spot_fail_expected(r, duration, "a duration node");
    mu_spot_warn_unknown(r, duration, duration_members);
    *comparison = comparison_named(r, how, mu_spot_word(r, how, "Comparison"));
    *count = mu_spot_count(r, mu_spot_need(r, duration, "count"));
    *unit = read_unit(r, mu_spot_need(r, duration, "unit"));
}

static void read_range(mu_tree_reader *r, mu_spot at, mu_pql_when *when)
{
    static const char *const members[MU_SPOT_MEMBERS_MAX] = {"start", "end", NULL};
    mu_spot_warn_unknown(r, at, members);
    when->relation = MU_DIRECTION_BETWEEN;
    when->start = read_time(r, mu_spot_need(r, at, "start"));
    when->end = read_time(r, mu_spot_need(r, at, "end"));
}

/* relation, qualification, timeinterval, ignoreYear: members of occurs and of an element's when. */
static const mu_pql_when *read_when(mu_tree_reader *r, mu_spot at)
{
    mu_pql_when *when = MU_NEW(r->syntax.arena, mu_pql_when);
    mu_spot relation = mu_spot_member(r, at, "relation");
    mu_spot qualification = mu_spot_member(r, at, "qualification");
    mu_spot time = mu_spot_need(r, at, "timeinterval");
    mu_spot ignore = mu_spot_member(r, at, "ignoreYear");
    when->relation = relation.json == NULL ? MU_DIRECTION_ON : read_direction(r, relation);
    if (ignore.json != NULL && ignore.json->kind != MU_JSON_BOOLEAN)
        mu_spot_fail_expected(r, ignore, "true or false");
    when->ignores_year = ignore.json != NULL && ignore.json->boolean;
    if (qualification.json != NULL) {
        when->has_qualification = true;
        read_qualification(r, qualification, &when->comparison, &when->count, &when->unit);
        if (when->relation == MU_DIRECTION_ON || when->relation == MU_DIRECTION_BETWEEN)
            mu_spot_fail(r, at, MU_STR("a qualification needs the relation before, after or from"));
        when->start = read_time(r, time);
    } else if (mu_spot_is_node(time, "range")) {
        if (when->relation != MU_DIRECTION_ON && when->relation != MU_DIRECTION_BETWEEN)
            mu_spot_fail(r, at, MU_STR("a range needs the relation between"));
        read_range(r, time, when);
    } else if (when->relation == MU_DIRECTION_BETWEEN) {
        mu_spot_fail_expected(r, time, "a range node");
    } else {
        when->start = read_time(r, time);
    }
    return when;
}

const mu_pql *mu_read_occurs(mu_tree_reader *r, mu_spot at)
{
    mu_pql *node = mu_node_new(&r->syntax, MU_PQL_OCCURS, mu_spot_place(at));
    const mu_pql **args = MU_NEW_ARRAY(r->syntax.arena, const mu_pql *, 1);
    args[0] = mu_read_expression(r, mu_spot_need(r, at, "timestamp"));
    node->args = args;
    node->n_args = 1;
    node->when = read_when(r, at);
    return mu_node_done(&r->syntax, node);
}

/* -------- chains -------- */

static const mu_pql *mu_read_condition(mu_tree_reader *r, mu_spot at)
{
    if (!mu_spot_is_node(at, "lambda") && !mu_spot_is_node(at, "fnCreate"))
        return mu_build_item_lambda(&r->syntax, mu_spot_place(at), mu_read_expression(r, at));
    return mu_read_lambda(r, at);
}

static void read_item_count(mu_tree_reader *r, mu_spot at, mu_pql_chain_item *out)
{
    static const char *const members[MU_SPOT_MEMBERS_MAX] = {"comparison", "value", "max", NULL};
    if (at.json->kind != MU_JSON_OBJECT)
        mu_spot_fail_expected(r, at, "an object with comparison and value");
    mu_spot_warn_unknown(r, at, members);
    mu_spot comparison = mu_spot_need(r, at, "comparison");
    mu_str name = mu_spot_word(r, comparison, "Comparison");
    out->has_count = true;
    out->comparison = MU_FN_GREATER_EQUAL;
    out->count_is_all = mu_str_equal(name, MU_STR("all"));
    out->count_is_between = mu_str_equal(name, MU_STR("between"));
    if (out->count_is_all)
        return;
    out->count = mu_spot_count(r, mu_spot_need(r, at, "value"));
    if (out->count_is_between)
        out->count_max = mu_spot_count(r, mu_spot_need(r, at, "max"));
    else
        out->comparison = comparison_named(r, comparison, name);
}

static void read_element(mu_tree_reader *r, mu_spot at, mu_pql_chain_item *out)
{
    static const char *const members[MU_SPOT_MEMBERS_MAX] = {"varName", "what",  "when",
                                                             "where",   "count", NULL};
    static const char *const when_members[MU_SPOT_MEMBERS_MAX] = {
        "relation", "qualification", "timeinterval", "ignoreYear", NULL};
    if (!mu_spot_is_node(at, "element"))
        mu_spot_fail_expected(r, at, "an element node");
    mu_spot_warn_unknown(r, at, members);
    mu_spot name = mu_spot_member(r, at, "varName");
    mu_spot when = mu_spot_member(r, at, "when");
    mu_spot where = mu_spot_member(r, at, "where");
    mu_spot count = mu_spot_member(r, at, "count");
    if (name.json != NULL)
        out->name = mu_spot_name(r, name);
    out->what = mu_read_condition(r, mu_spot_need(r, at, "what"));
    if (when.json != NULL) {
        if (when.json->kind != MU_JSON_OBJECT)
            mu_spot_fail_expected(r, when, "an object with relation and timeinterval");
        mu_spot_warn_unknown(r, when, when_members);
        out->when = read_when(r, when);
    }
    if (where.json != NULL)
        out->where = mu_read_condition(r, where);
    if (count.json != NULL)
        read_item_count(r, count, out);
}

static void read_item(mu_tree_reader *r, mu_spot at, mu_pql_chain_item *out)
{
    static const char *const members[MU_SPOT_MEMBERS_MAX] = {"qualification", "exclude", NULL};
    if (!mu_spot_is_node(at, "gap")) {
        read_element(r, at, out);
        return;
    }
    mu_spot_warn_unknown(r, at, members);
    mu_spot qualification = mu_spot_member(r, at, "qualification");
    mu_spot exclude = mu_spot_member(r, at, "exclude");
    if ((qualification.json == NULL) == (exclude.json == NULL))
        mu_spot_fail(r, at, MU_STR("a gap has either a qualification or exclude"));
    if (exclude.json != NULL) {
        out->kind = MU_ITEM_EXCLUDE;
        read_element(r, exclude, out);
        return;
    }
    out->kind = MU_ITEM_GAP;
    read_qualification(r, qualification, &out->comparison, &out->count, &out->unit);
}

const mu_pql *mu_read_chain(mu_tree_reader *r, mu_spot at)
{
    mu_pql *node = mu_node_new(&r->syntax, MU_PQL_CHAIN, mu_spot_place(at));
    const mu_pql **args = MU_NEW_ARRAY(r->syntax.arena, const mu_pql *, 1);
    mu_spot elements = mu_spot_need_list(r, at, "elements");
    mu_spot field = mu_spot_need(r, at, "timestamp");
    args[0] = mu_read_expression(r, mu_spot_need(r, at, "list"));
    mu_str name = mu_spot_word(r, field, "XDMField");
    if (name.len == 0)
        mu_spot_fail_expected(r, field, "the name of a date field");
    mu_pql_chain_item *items = MU_NEW_ARRAY(r->syntax.arena, mu_pql_chain_item, elements.json->n);
    for (uint32_t i = 0; i < elements.json->n; i++)
        read_item(r, mu_spot_item(r, elements, i), &items[i]);
    mu_check_chain(&r->syntax, mu_spot_place(at), items, elements.json->n);
    node->name = mu_arena_copy(r->syntax.arena, name);
    node->args = args;
    node->n_args = 1;
    node->items = items;
    node->n_items = elements.json->n;
    return mu_node_done(&r->syntax, node);
}
