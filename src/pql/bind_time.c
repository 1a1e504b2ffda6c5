/* bind_time.c -- time specifications: `occurs` and WHEN (pql.md 10). */
#include "pql/bind_int.h"

static const mu_pql *bind_time(binder *b, const mu_pql *time);

static bool is_alias(const binder *b, const mu_pql *node)
{
    if (node->kind != MU_PQL_VARIABLE)
        return false;
    const variable *found = mu_bind_find_variable(b, node->name);
    return found != NULL && found->kind == VARIABLE_ALIAS;
}

static bool reads_as_time(mu_str text)
{
    int64_t count;
    return mu_parse_date(text, &count) || mu_parse_time(text, &count);
}

static const mu_pql *bind_point(binder *b, const mu_pql *node)
{
    mu_pql *point = mu_bind_copy(b, node);
    const mu_pql **args = MU_NEW_ARRAY(b->arena, const mu_pql *, 1);
    args[0] = bind_time(b, node->args[0]);
    point->args = args;
    point->type = mu_type_of(MU_TYPE_TIMESTAMP);
    return point;
}

/* A time that is an ordinary value: a field, date(...), an alias, text. */
static const mu_pql *bind_time_value(binder *b, const mu_pql *node)
{
    const mu_pql *value = mu_bind_node(b, node);
    bool is_bad_text = value->kind == MU_PQL_LITERAL && value->literal.kind == MU_TYPE_STRING &&
                       !reads_as_time(value->literal.string);
    if (is_bad_text)
        mu_bind_report(b, value, "PQL-T03", "the text is no date or date-time (ISO 8601)");
    else if (!mu_type_is_time(value->type) && !is_alias(b, value))
        mu_bind_report(b, value, "PQL-T03", "a time is expected here, not %s",
                       mu_bind_type_name(b, value->type));
    return value;
}

static const mu_pql *bind_time(binder *b, const mu_pql *time)
{
    if (time->kind == MU_PQL_TIME_INTERVAL) /* two instants, so no value of any type */
        return mu_bind_copy(b, time);
    return time->kind == MU_PQL_TIME_POINT ? bind_point(b, time) : bind_time_value(b, time);
}

const mu_pql_when *mu_bind_when(binder *b, const mu_pql_when *when)
{
    mu_pql_when *bound = MU_NEW(b->arena, mu_pql_when);
    *bound = *when;
    bound->start = bind_time(b, when->start);
    if (when->end != NULL)
        bound->end = bind_time(b, when->end);
    return bound;
}

const mu_pql *mu_bind_occurs(binder *b, const mu_pql *node)
{
    mu_pql *occurs = mu_bind_copy(b, node);
    mu_bind_args(b, node, occurs);
    if (!mu_type_is_time(occurs->args[0]->type))
        mu_bind_report(b, occurs->args[0], "PQL-T03", "'occurs' needs a date or date-time, not %s",
                       mu_bind_type_name(b, occurs->args[0]->type));
    occurs->when = mu_bind_when(b, node->when);
    occurs->type = mu_type_of(MU_TYPE_BOOLEAN);
    return occurs;
}
