/* bind_chain.c -- event sequences: elements, aliases, counts (pql.md 12). */
#include "pql/bind_int.h"

#define ELEMENTS_MAX 6 /* D67, V01 */

/* COUNT(n), COUNT(>= n), COUNT(> n): the forms allowed in a sequence. */
static bool is_at_least(const mu_pql_chain_item *item)
{
    return !item->count_is_all && !item->count_is_between &&
           (item->comparison == MU_FN_GREATER_EQUAL || item->comparison == MU_FN_GREATER);
}

static void report_at_item(binder *b, const mu_pql *chain, const mu_pql_chain_item *item,
                           const char *code, const char *text)
{
    mu_pql place = *chain;
    if (item->what != NULL && item->what->pointer.len > 0)
        place.pointer = item->what->pointer;
    if (item->line > 0) {
        place.line = item->line;
        place.column = item->column;
    }
    mu_bind_report(b, &place, code, "%s", text);
}

static void check_count(binder *b, const mu_pql *chain, const mu_pql_chain_item *item)
{
    if (!item->has_count)
        return;
    if (chain->n_items > 1 && !is_at_least(item))
        report_at_item(b, chain, item, "PQL-V06",
                       "a chain of several items counts with \"at least\" only");
    else if (is_at_least(item) && item->comparison == MU_FN_GREATER_EQUAL && item->count == 0)
        report_at_item(b, chain, item, "W02", "COUNT of at least 0 is always true");
}

static void check_length(binder *b, const mu_pql *chain)
{
    uint32_t elements = 0;
    for (uint32_t i = 0; i < chain->n_items; i++)
        elements += chain->items[i].kind == MU_ITEM_ELEMENT;
    if (elements > ELEMENTS_MAX)
        mu_bind_report(b, chain, "PQL-V01", "a chain of %u events; the most is %d", elements,
                       ELEMENTS_MAX);
}

/* The time field of the list's items. */
static mu_str bind_time_field(binder *b, const mu_pql *chain, const mu_type *item)
{
    mu_str name = mu_bind_plain_name(item, chain->name);
    if (item->kind == MU_TYPE_ANY || item->kind == MU_TYPE_NULL)
        return name;
    int field = item->kind == MU_TYPE_OBJECT ? mu_type_field(item, name) : -1;
    if (field < 0)
        mu_bind_report(b, chain, "PQL-R01", "unknown time field '" MU_STR_FMT "'",
                       MU_STR_ARG(chain->name));
    else if (!mu_type_is_time(item->field_types[field]))
        mu_bind_report(b, chain, "PQL-T03", "the time field '" MU_STR_FMT "' is %s",
                       MU_STR_ARG(name), mu_bind_type_name(b, item->field_types[field]));
    return name;
}

static const mu_pql *bind_item_condition(binder *b, const mu_pql *lambda, const mu_type *item)
{
    const mu_pql *bound = mu_bind_lambda(b, lambda, item, NULL);
    if (bound->kind == MU_PQL_LAMBDA && bound->n_args == 1 && !mu_is_condition(bound->args[0]))
        mu_bind_report(b, bound->args[0], "PQL-T01", "a condition is expected here, not %s",
                       mu_bind_what(b, bound->args[0]));
    return bound;
}

/* Aliases of items from `first` on may not be used yet. */
static void declare_later(binder *b, const mu_pql *chain, uint32_t first)
{
    for (uint32_t i = first; i < chain->n_items; i++)
        if (chain->items[i].name.len > 0)
            mu_bind_push_variable(b, chain->items[i].name, VARIABLE_LATER_ALIAS,
                                  mu_type_of(MU_TYPE_ANY));
}

static void bind_item(binder *b, const mu_pql *chain, const mu_pql_chain_item *item,
                      mu_pql_chain_item *bound, const mu_type *event)
{
    *bound = *item;
    if (item->what != NULL)
        bound->what = bind_item_condition(b, item->what, event);
    if (item->where != NULL)
        bound->where = bind_item_condition(b, item->where, event);
    if (item->when != NULL)
        bound->when = mu_bind_when(b, item->when);
    check_count(b, chain, item);
}

const mu_pql *mu_bind_chain(binder *b, const mu_pql *node)
{
    mu_pql *chain = mu_bind_copy(b, node);
    mu_bind_args(b, node, chain);
    const mu_type *event = mu_type_item(chain->args[0]->type);
    if (event == NULL) {
        mu_bind_report(b, chain->args[0], "PQL-T04", "argument 1 of 'chain' must be a list, not %s",
                       mu_bind_type_name(b, chain->args[0]->type));
        event = mu_type_of(MU_TYPE_ANY);
    }
    chain->name = bind_time_field(b, node, event);
    mu_pql_chain_item *items = MU_NEW_ARRAY(b->arena, mu_pql_chain_item, node->n_items);
    uint32_t outer = b->n_variables;
    for (uint32_t i = 0; i < node->n_items; i++) {
        uint32_t known = b->n_variables;
        declare_later(b, node, i);
        bind_item(b, node, &node->items[i], &items[i], event);
        mu_bind_pop_variables(b, known);
        if (node->items[i].name.len > 0)
            mu_bind_push_variable(b, node->items[i].name, VARIABLE_ALIAS, event);
    }
    mu_bind_pop_variables(b, outer);
    check_length(b, node);
    chain->items = items;
    chain->type = mu_type_of(MU_TYPE_BOOLEAN);
    return chain;
}
