/* features.c -- what a bound rule makes use of, read off its tree (pql.md 18.1).
 *
 * Each mention of xEvent is one event reference, except in a chain, where each element is one.
 * What is done with a reference (filters, projections, let) is followed, so that windows and
 * aggregations are counted for the right one.
 */
#include "pql/bind_int.h"

#define DAY_MS    ((double)MU_DAY_MS)
#define NO_EVENTS (-1)

/* A name in reach: the event list it stands for, if any. */
typedef struct known_name {
    mu_str name;
    int events; /* index of the reference whose list (or event) it is, or NO_EVENTS */
} known_name;

typedef struct walker {
    mu_arena *arena;
    rule_features *found;
    uint32_t depth; /* implicit scopes around the node */
    uint32_t n_names, names_capacity;
    known_name *names;
} walker;

/* Returns the reference whose events the value is (a list of) or comes from, or NO_EVENTS. */
static int walk(walker *w, const mu_pql *node, bool is_negative);

/* -------- growing lists -------- */

static int add_event(walker *w, event_reference event)
{
    rule_features *f = w->found;
    if (f->n_events == f->events_capacity) {
        uint32_t capacity = f->events_capacity == 0 ? 8 : f->events_capacity * 2;
        event_reference *events = MU_NEW_ARRAY(w->arena, event_reference, capacity);
        for (uint32_t i = 0; i < f->n_events; i++)
            events[i] = f->events[i];
        f->events = events;
        f->events_capacity = capacity;
    }
    f->events[f->n_events] = event;
    return (int)f->n_events++;
}

static void add_segment(walker *w, mu_str id)
{
    rule_features *f = w->found;
    for (uint32_t i = 0; i < f->n_segments; i++)
        if (mu_str_equal(f->segments[i], id))
            return;
    if (f->n_segments == f->segments_capacity) {
        uint32_t capacity = f->segments_capacity == 0 ? 8 : f->segments_capacity * 2;
        mu_str *segments = MU_NEW_ARRAY(w->arena, mu_str, capacity);
        for (uint32_t i = 0; i < f->n_segments; i++)
            segments[i] = f->segments[i];
        f->segments = segments;
        f->segments_capacity = capacity;
    }
    f->segments[f->n_segments++] = id;
}

static void push_name(walker *w, mu_str name, int events)
{
    if (w->n_names == w->names_capacity) {
        uint32_t capacity = w->names_capacity == 0 ? 8 : w->names_capacity * 2;
        known_name *names = MU_NEW_ARRAY(w->arena, known_name, capacity);
        for (uint32_t i = 0; i < w->n_names; i++)
            names[i] = w->names[i];
        w->names = names;
        w->names_capacity = capacity;
    }
    w->names[w->n_names++] = (known_name){name, events};
}

static int events_of_name(const walker *w, mu_str name)
{
    for (uint32_t i = w->n_names; i-- > 0;)
        if (mu_str_equal(w->names[i].name, name))
            return w->names[i].events;
    return NO_EVENTS;
}

/* -------- windows (D85) -------- */

/* Milliseconds of one unit, at most; -1 for more than a day. */
static double unit_ms(mu_unit unit)
{
    switch (unit) {
    case MU_UNIT_MILLISECOND:
        return 1;
    case MU_UNIT_SECOND:
        return 1000;
    case MU_UNIT_MINUTE:
        return 60000;
    case MU_UNIT_HOUR:
        return 3600000;
    case MU_UNIT_DAY:
        return DAY_MS;
    case MU_UNIT_WEEK:
        return 7 * DAY_MS;
    case MU_UNIT_MONTH:
        return 31 * DAY_MS;
    default: /* a year and more; the exact length does not matter here */
        return 366 * DAY_MS;
    }
}

/* How far before now a time can lie, at most; negative in the future. False when it does not move
 * with now. */
static bool reach_ms(const mu_pql *time, double *out)
{
    switch (time->kind) {
    case MU_PQL_TIME_WORD:
        *out = time->time_word == MU_TIME_NOW         ? 0
               : time->time_word == MU_TIME_TODAY     ? DAY_MS
               : time->time_word == MU_TIME_YESTERDAY ? 2 * DAY_MS
                                                      : 0;
        return true;
    case MU_PQL_TIME_INTERVAL:
        *out = time->interval == MU_INTERVAL_THIS   ? unit_ms(time->unit)
               : time->interval == MU_INTERVAL_LAST ? 2 * unit_ms(time->unit)
                                                    : 0;
        return true;
    case MU_PQL_TIME_POINT: {
        double distance = (double)time->count * unit_ms(time->unit);
        if (!reach_ms(time->args[0], out))
            return false;
        *out += time->direction == MU_DIRECTION_BEFORE ? distance : -distance;
        return true;
    }
    default:
        return false;
    }
}

/* "today", "this hour", "last minute" and the like. */
static bool interval_is_short(const mu_pql *time)
{
    if (time->kind == MU_PQL_TIME_WORD)
        return time->time_word == MU_TIME_TODAY;
    if (time->kind != MU_PQL_TIME_INTERVAL || time->interval == MU_INTERVAL_NEXT)
        return false;
    return time->unit <= MU_UNIT_HOUR ||
           (time->unit == MU_UNIT_DAY && time->interval == MU_INTERVAL_THIS);
}

static bool between_is_short(const mu_pql_when *when)
{
    double from, to;
    return reach_ms(when->start, &from) && reach_ms(when->end, &to) && from <= DAY_MS;
}

/* `< n u before X` and `<= n u before X`, X counting back from now itself. */
static bool distance_is_short(const mu_pql_when *when)
{
    double base;
    const mu_pql *time = when->start;
    while (time->kind == MU_PQL_TIME_POINT)
        time = time->args[0];
    bool counts_from_now = time->kind == MU_PQL_TIME_WORD && time->time_word == MU_TIME_NOW;
    return counts_from_now && reach_ms(when->start, &base) &&
           base + (double)when->count * unit_ms(when->unit) <= DAY_MS;
}

/* Is the time a chain alias? Then the window is that of the chain's first element. */
static bool is_variable(const mu_pql *time)
{
    return time->kind == MU_PQL_VARIABLE;
}

static bool window_is_short(const mu_pql_when *when, bool first_is_short)
{
    if (when->ignores_year)
        return false;
    if (when->has_qualification) {
        if (when->comparison != MU_FN_LESS && when->comparison != MU_FN_LESS_EQUAL)
            return false;
        if (when->relation == MU_DIRECTION_BEFORE)
            return distance_is_short(when);
        return when->relation == MU_DIRECTION_AFTER && is_variable(when->start) && first_is_short;
    }
    switch (when->relation) {
    case MU_DIRECTION_ON:
        return interval_is_short(when->start);
    case MU_DIRECTION_BETWEEN:
        return between_is_short(when);
    case MU_DIRECTION_AFTER:
        return is_variable(when->start) && first_is_short;
    default:
        return false;
    }
}

/* `condition` says, and-ed with whatever else, that an event's timestamp lies in a short window.
 * The event is the implicit item, or the variable `name`. */
static bool condition_is_short(const mu_pql *condition, mu_str name)
{
    if (condition->kind == MU_PQL_CALL && condition->function == MU_FN_AND) {
        for (uint32_t i = 0; i < condition->n_args; i++)
            if (condition_is_short(condition->args[i], name))
                return true;
        return false;
    }
    if (condition->kind != MU_PQL_OCCURS || condition->args[0]->kind != MU_PQL_FIELD ||
        !mu_str_equal(condition->args[0]->name, MU_STR("timestamp")))
        return false;
    const mu_pql *event = condition->args[0]->args[0];
    bool is_event = name.len > 0
                        ? event->kind == MU_PQL_VARIABLE && mu_str_equal(event->name, name)
                        : event->kind == MU_PQL_PARAMETER && event->position == 1 && event->up == 0;
    return is_event && window_is_short(condition->when, false);
}

/* The same for an item expression, whose item may have a name. */
static bool lambda_is_short(const mu_pql *lambda)
{
    if (lambda->kind != MU_PQL_LAMBDA)
        return false;
    if (condition_is_short(lambda->args[0], MU_STR("")))
        return true;
    return lambda->n_names == 1 && condition_is_short(lambda->args[0], lambda->names[0]);
}

/* -------- chains -------- */

/* A count that the absence of events satisfies. */
static bool count_allows_none(const mu_pql_chain_item *item)
{
    if (!item->has_count || item->count_is_all)
        return false;
    if (item->count_is_between)
        return item->count == 0;
    switch (item->comparison) {
    case MU_FN_LESS:
        return item->count > 0;
    case MU_FN_LESS_EQUAL:
        return true;
    case MU_FN_EQUAL:
    case MU_FN_GREATER_EQUAL:
        return item->count == 0;
    case MU_FN_NOT_EQUAL:
        return item->count != 0;
    default:
        return false;
    }
}

static bool item_is_short(const mu_pql_chain_item *item, bool first_is_short)
{
    return (item->when != NULL && window_is_short(item->when, first_is_short)) ||
           (item->what != NULL && lambda_is_short(item->what)) ||
           (item->where != NULL && lambda_is_short(item->where));
}

static void walk_when(walker *w, const mu_pql_when *when, bool is_negative)
{
    w->found->ignores_year = w->found->ignores_year || when->ignores_year;
    walk(w, when->start, is_negative);
    if (when->end != NULL)
        walk(w, when->end, is_negative);
}

static void walk_chain_item(walker *w, const mu_pql_chain_item *item)
{
    if (item->what != NULL)
        walk(w, item->what, false);
    if (item->where != NULL)
        walk(w, item->where, false);
    if (item->when != NULL)
        walk_when(w, item->when, false);
    push_name(w, item->name, NO_EVENTS);
}

static bool has_upper_bound(const mu_pql_chain_item *gap)
{
    return gap->comparison == MU_FN_LESS || gap->comparison == MU_FN_LESS_EQUAL;
}

/* The chain takes its list's reference apart: one for each element. */
static void walk_chain(walker *w, const mu_pql *chain, bool is_negative)
{
    rule_features *f = w->found;
    uint32_t before = f->n_events;
    int list = walk(w, chain->args[0], is_negative);
    bool list_is_short = list != NO_EVENTS && f->events[list].is_within_a_day;
    if (list != NO_EVENTS && (uint32_t)list >= before)
        f->n_events = before;
    bool first_is_short = false;
    bool has_first = false;
    bool gap_is_short = false;
    uint32_t outer = w->n_names;
    for (uint32_t i = 0; i < chain->n_items; i++) {
        const mu_pql_chain_item *item = &chain->items[i];
        bool is_short = list_is_short || item_is_short(item, first_is_short) ||
                        (gap_is_short && item->kind == MU_ITEM_ELEMENT);
        if (!has_first && item->kind == MU_ITEM_ELEMENT) {
            first_is_short = is_short;
            has_first = true;
        }
        if (item->kind != MU_ITEM_EXCLUDE) /* a gap is `<= n u after` the element before it */
            gap_is_short = item->kind == MU_ITEM_GAP && first_is_short && has_upper_bound(item);
        f->n_counts += item->has_count;
        if (list != NO_EVENTS && item->kind != MU_ITEM_GAP)
            add_event(w, (event_reference){.is_negative = is_negative ||
                                                          item->kind == MU_ITEM_EXCLUDE ||
                                                          count_allows_none(item),
                                           .is_within_a_day = is_short,
                                           .has_count = item->has_count,
                                           .chain = chain});
        walk_chain_item(w, item);
    }
    w->n_names = outer;
}

/* -------- comprehensions -------- */

static bool negates(const mu_pql *node, bool is_negative)
{
    if (node->kind != MU_PQL_QUANTIFIED)
        return is_negative;
    /* `forall` is true without any event; so is `none`, but `not none` needs one. */
    return node->quantifier == MU_QUANTIFIER_NONE
               ? !is_negative
               : is_negative || node->quantifier == MU_QUANTIFIER_ALL;
}

static int walk_comprehension(walker *w, const mu_pql *node, bool is_negative)
{
    rule_features *f = w->found;
    int first = NO_EVENTS;
    bool is_over_events = false;
    uint32_t outer = w->n_names;
    for (uint32_t i = 0; i < node->n_declarations; i++) {
        const mu_pql_declaration *d = &node->declarations[i];
        int events = walk(w, d->from, negates(node, is_negative));
        if (i == 0)
            first = events;
        is_over_events = is_over_events || events != NO_EVENTS;
        push_name(w, d->name, events);
        if (d->where == NULL)
            continue;
        walk(w, d->where, false);
        if (events != NO_EVENTS && condition_is_short(d->where, d->name))
            f->events[events].is_within_a_day = true;
    }
    for (uint32_t i = 0; i < node->n_args; i++)
        walk(w, node->args[i], false);
    w->n_names = outer;
    f->n_aggregations += node->kind == MU_PQL_AGGREGATE && is_over_events;
    return node->kind == MU_PQL_SELECT ? first : NO_EVENTS;
}

/* -------- calls -------- */

static bool is_aggregation(mu_pql_function function)
{
    return function == MU_FN_COUNT || function == MU_FN_SUM || function == MU_FN_AVERAGE ||
           function == MU_FN_MIN || function == MU_FN_MAX;
}

/* `chain(...) = false` and its like turn the condition round. */
static bool is_compared_with_false(const mu_pql *call)
{
    if (call->function != MU_FN_EQUAL && call->function != MU_FN_EQUALS)
        return false;
    for (uint32_t i = 0; i < 2; i++)
        if (call->args[i]->kind == MU_PQL_LITERAL &&
            call->args[i]->literal.kind == MU_TYPE_BOOLEAN && !call->args[i]->literal.boolean)
            return true;
    return false;
}

static bool argument_is_negative(const mu_pql *call, uint32_t i, bool is_negative)
{
    if (call->function == MU_FN_NOT || is_compared_with_false(call))
        return !is_negative;
    /* The condition of `if` counts both ways. */
    return is_negative || (call->function == MU_FN_IF && i == 0);
}

/* Is the text the name of the namespace of the original's other product? */
static bool is_aam(const mu_pql *node, const mu_pql *base, mu_str key)
{
    (void)node;
    return mu_str_equal(key, MU_STR("AAM")) && base->kind == MU_PQL_FIELD &&
           mu_str_equal(base->name, MU_STR("segmentMembership"));
}

static int walk_call(walker *w, const mu_pql *call, bool is_negative)
{
    rule_features *f = w->found;
    const mu_pql_function_info *info = mu_pql_function_of(call->function);
    if (info->tier == 2 && !f->has_tier_2) {
        f->has_tier_2 = true;
        f->tier_2_name = info->name;
    }
    if (call->function == MU_FN_RESOLVE)
        f->has_relationship = true;
    bool has_text = call->n_args > 0 && call->args[call->n_args - 1]->kind == MU_PQL_LITERAL &&
                    call->args[call->n_args - 1]->literal.kind == MU_TYPE_STRING;
    mu_str text = has_text ? call->args[call->n_args - 1]->literal.string : MU_STR("");
    if (call->function == MU_FN_IN_SEGMENT && has_text)
        add_segment(w, text);
    if (call->function == MU_FN_GET && has_text && is_aam(call, call->args[0], text))
        f->reads_aam = true;
    int events = NO_EVENTS;
    for (uint32_t i = 0; i < call->n_args; i++) {
        int from = walk(w, call->args[i], argument_is_negative(call, i, is_negative));
        bool passes_on = i == 0 || call->function == MU_FN_IF;
        if (passes_on && from != NO_EVENTS)
            events = from;
    }
    if (events == NO_EVENTS)
        return NO_EVENTS;
    bool is_condition = call->function == MU_FN_FILTER || call->function == MU_FN_EXISTS;
    if (is_condition && call->n_args > 1 && lambda_is_short(call->args[1]))
        f->events[events].is_within_a_day = true;
    f->n_aggregations += is_aggregation(call->function);
    bool is_list = info->tier == 1 && !is_aggregation(call->function) &&
                   (call->type->kind == MU_TYPE_LIST || call->type->kind == MU_TYPE_MAP ||
                    call->function == MU_FN_HEAD);
    return is_list || call->function == MU_FN_IF ? events : NO_EVENTS;
}

/* -------- nodes -------- */

static int walk_field(walker *w, const mu_pql *node, bool is_negative)
{
    rule_features *f = w->found;
    if (mu_pql_is_events(node))
        return add_event(w, (event_reference){.is_negative = is_negative});
    f->has_relationship = f->has_relationship || node->hop_class.len > 0;
    f->reads_aam = f->reads_aam || is_aam(node, node->args[0], node->name);
    int events = walk(w, node->args[0], is_negative);
    bool is_list = node->type->kind == MU_TYPE_LIST || node->type->kind == MU_TYPE_ANY ||
                   node->type->kind == MU_TYPE_MAP;
    /* A list inside one event is no list of events. */
    bool is_one_event =
        node->args[0]->kind == MU_PQL_VARIABLE && node->args[0]->type->kind != MU_TYPE_LIST;
    return is_list && !is_one_event ? events : NO_EVENTS;
}

static int walk_lambda(walker *w, const mu_pql *node, bool is_negative)
{
    w->depth++;
    uint32_t outer = w->n_names;
    for (uint32_t i = 0; i < node->n_names; i++)
        push_name(w, node->names[i], NO_EVENTS);
    walk(w, node->args[0], is_negative);
    w->n_names = outer;
    w->depth--;
    return NO_EVENTS;
}

static int walk_let(walker *w, const mu_pql *node, bool is_negative)
{
    int value = walk(w, node->args[0], is_negative);
    push_name(w, node->name, value);
    int body = walk(w, node->args[1], is_negative);
    w->n_names--;
    return body;
}

static int walk(walker *w, const mu_pql *node, bool is_negative)
{
    switch (node->kind) {
    case MU_PQL_FIELD:
        return walk_field(w, node, is_negative);
    case MU_PQL_PARAMETER:
        if (node->position == 1 && node->up == w->depth)
            w->found->has_profile_attributes = true;
        return NO_EVENTS;
    case MU_PQL_VARIABLE:
        return events_of_name(w, node->name);
    case MU_PQL_CALL:
        return walk_call(w, node, is_negative);
    case MU_PQL_LAMBDA:
        return walk_lambda(w, node, false);
    case MU_PQL_SELECT:
    case MU_PQL_QUANTIFIED:
    case MU_PQL_AGGREGATE:
        return walk_comprehension(w, node, is_negative);
    case MU_PQL_LET:
        return walk_let(w, node, is_negative);
    case MU_PQL_CHAIN:
        walk_chain(w, node, is_negative);
        return NO_EVENTS;
    case MU_PQL_OCCURS:
        walk(w, node->args[0], is_negative);
        walk_when(w, node->when, is_negative);
        return NO_EVENTS;
    default:
        for (uint32_t i = 0; i < node->n_args; i++)
            walk(w, node->args[i], is_negative);
        return NO_EVENTS;
    }
}

void mu_rule_features(mu_arena *arena, const mu_pql *bound, rule_features *out)
{
    *out = (rule_features){0};
    walker w = {.arena = arena, .found = out};
    walk(&w, bound->kind == MU_PQL_LAMBDA ? bound->args[0] : bound, false);
}
