/* compile_chain.c -- event sequences (pql.md 12).
 *
 * An element's conditions become bits over the events. Times relative to the element just before
 * stay relative; a condition that reaches further back, or reads another event's fields, has no
 * kernel.
 */
#include "eval/compile_int.h"

typedef struct chain_compiler {
    compiler *c;
    const mu_pql *node;
    compiled view; /* the events */
    compiled time; /* their time column */
} chain_compiler;

/* `when` as seen from an element whose predecessor is called `previous`. */
static bool is_relative_to(const mu_pql_when *when, mu_str previous)
{
    return when->start->kind == MU_PQL_VARIABLE && previous.len > 0 &&
           mu_str_equal(when->start->name, previous) && when->end == NULL && !when->ignores_year;
}

/* WHAT and WHERE as bits of the events. */
static uint32_t condition_bits(chain_compiler *cc, const mu_pql_chain_item *item)
{
    uint32_t bits = compile_lambda_bits(cc->c, cc->view, item->what);
    if (item->where != NULL)
        bits = plan_and(cc->c->plan, bits, compile_lambda_bits(cc->c, cc->view, item->where));
    return bits;
}

/* WHEN as bits, for a window that depends on nothing but now. Without WHEN: the event has a time.
 */
static uint32_t window_bits(chain_compiler *cc, const mu_pql_when *when)
{
    uint32_t timed = compiled_valid(cc->c, cc->time);
    return when == NULL ? timed : compile_time_test(cc->c, cc->time, when);
}

/* The chosen events that satisfy `bits`, at the events' level. */
static uint32_t chosen_bits(chain_compiler *cc, uint32_t bits)
{
    compiled narrowed = view_choose(cc->c, cc->view, bits);
    if (narrowed.kind == COMPILED_NOTHING)
        return NO_NODE;
    uint32_t all = plan_bits(cc->c->plan, true);
    return plan_at_level(cc->c->plan, narrowed.chosen == NO_NODE ? all : narrowed.chosen,
                         cc->view.level);
}

/* COUNT(n), COUNT(>= n), COUNT(> n); false for the other forms and for numbers out of reach. */
static bool at_least(const mu_pql_chain_item *item, uint32_t *out)
{
    *out = 1;
    if (!item->has_count)
        return true;
    if (item->count_is_all || item->count_is_between || item->count < 0 ||
        item->count >= UINT32_MAX)
        return false;
    *out = (uint32_t)item->count + (item->comparison == MU_FN_GREATER);
    return item->comparison == MU_FN_GREATER_EQUAL || item->comparison == MU_FN_GREATER;
}

/* -------- one element -------- */

/* The number of events in `bits` compares so with n. */
static uint32_t count_compare(chain_compiler *cc, uint32_t bits, mu_pql_function function,
                              int64_t n)
{
    uint32_t count = plan_count(cc->c->plan, bits, cc->view.level, cc->view.owner);
    compiled left = {.kind = COMPILED_NODE, .node = count, .type = MU_TYPE_INTEGER};
    compiled right = {.kind = COMPILED_CONSTANT, .constant = mu_value_integer(n)};
    return count == NO_NODE ? NO_NODE : compile_comparison(cc->c, function, left, right);
}

static uint32_t compile_single(chain_compiler *cc, const mu_pql_chain_item *item)
{
    plan *p = cc->c->plan;
    uint32_t window = chosen_bits(cc, window_bits(cc, item->when));
    uint32_t bits = plan_and(p, window, condition_bits(cc, item));
    uint32_t least;
    bits = plan_at_level(p, bits, cc->view.level);
    if (window == NO_NODE || bits == NO_NODE)
        return NO_NODE;
    if (item->has_count && item->count_is_all)
        return plan_and(p, plan_any(p, window, cc->view.level, cc->view.owner),
                        plan_not(p, plan_any(p, plan_and(p, window, plan_not(p, bits)),
                                             cc->view.level, cc->view.owner)));
    if (item->has_count && item->count_is_between)
        return plan_and(p, count_compare(cc, bits, MU_FN_GREATER_EQUAL, item->count),
                        count_compare(cc, bits, MU_FN_LESS_EQUAL, item->count_max));
    if (!at_least(item, &least))
        return count_compare(cc, bits, item->comparison, item->count);
    if (least == 0)
        return plan_bits(p, true);
    if (least == 1)
        return plan_any(p, bits, cc->view.level, cc->view.owner);
    return count_compare(cc, bits, MU_FN_GREATER_EQUAL, least);
}

/* -------- sequences -------- */

typedef struct sequence {
    plan_chain_element *elements;
    plan_exclusion *excluded; /* of the element to come */
    mu_pql_when *gaps;
    uint32_t n_elements, n_excluded, n_gaps;
    mu_str previous; /* alias of the last element */
} sequence;

static bool add_exclusion(chain_compiler *cc, sequence *s, const mu_pql_chain_item *item)
{
    plan_exclusion *exclusion = &s->excluded[s->n_excluded++];
    const mu_pql_when *window = item->when;
    if (window != NULL && is_relative_to(window, s->previous)) {
        exclusion->when = window;
        window = NULL;
    }
    if (!at_least(item, &exclusion->count))
        return false;
    exclusion->bits =
        chosen_bits(cc, plan_and(cc->c->plan, window_bits(cc, window), condition_bits(cc, item)));
    return exclusion->bits != NO_NODE;
}

static bool add_element(chain_compiler *cc, sequence *s, const mu_pql_chain_item *item)
{
    mu_arena *arena = cc->c->arena;
    plan_chain_element *element = &s->elements[s->n_elements++];
    const mu_pql_when *window = item->when;
    if (!at_least(item, &element->count) || element->count == 0)
        return false;
    if (window != NULL && is_relative_to(window, s->previous)) {
        if (element->count > 1) /* it holds for every one of them, a GAP for the first only */
            return false;
        s->gaps[s->n_gaps++] = *window;
        window = NULL;
    }
    element->bits =
        chosen_bits(cc, plan_and(cc->c->plan, window_bits(cc, window), condition_bits(cc, item)));
    element->n_gaps = s->n_gaps;
    element->gaps = s->gaps;
    element->n_excluded = s->n_excluded;
    element->excluded = s->excluded;
    s->gaps = MU_NEW_ARRAY(arena, mu_pql_when, (size_t)cc->node->n_items + 1);
    s->excluded = MU_NEW_ARRAY(arena, plan_exclusion, (size_t)cc->node->n_items + 1);
    s->n_gaps = s->n_excluded = 0;
    s->previous = item->name;
    return element->bits != NO_NODE;
}

static void add_gap(sequence *s, const mu_pql_chain_item *item)
{
    s->gaps[s->n_gaps++] = (mu_pql_when){.relation = MU_DIRECTION_AFTER,
                                         .has_qualification = true,
                                         .comparison = item->comparison,
                                         .count = item->count,
                                         .unit = item->unit};
}

/* -------- sequences whose anchors are found for all owners together -------- */

/* More than lies between any two times. */
#define SPAN_MS_MAX (INT64_MAX / 8)

/* A time relative to an instant as a fixed span after it; false when it moves with the calendar or
 * is more than one span. */
static bool fixed_span(const mu_pql_when *when, int64_t *lo_ms, int64_t *hi_ms)
{
    if (when->has_qualification && (when->unit > MU_UNIT_WEEK || when->comparison == MU_FN_EQUAL ||
                                    when->comparison == MU_FN_NOT_EQUAL))
        return false;
    const mu_time_bounds base = {.start_ms = 0, .end_ms = 1, .is_instant = true};
    mu_time_range range = mu_time_range_of(when, base, base);
    *lo_ms = range.lo_ms;
    *hi_ms = range.hi_ms;
    return !range.inverted && !range.has_second;
}

static bool fix_gaps(plan_chain_element *element)
{
    element->gap_lo_ms = 1;
    element->gap_hi_ms = SPAN_MS_MAX;
    for (uint32_t g = 0; g < element->n_gaps; g++) {
        int64_t lo_ms, hi_ms;
        if (!fixed_span(&element->gaps[g], &lo_ms, &hi_ms))
            return false;
        if (lo_ms > element->gap_lo_ms)
            element->gap_lo_ms = lo_ms;
        if (hi_ms < element->gap_hi_ms)
            element->gap_hi_ms = hi_ms;
    }
    element->has_gap = element->gap_lo_ms > 1 || element->gap_hi_ms < SPAN_MS_MAX;
    return element->gap_lo_ms <= 1 || element->n_excluded == 0;
}

static bool fix_elements(plan_chain_element *elements, uint32_t n)
{
    for (uint32_t e = 0; e < n; e++) {
        if (elements[e].count != 1)
            return false;
        for (uint32_t x = 0; x < elements[e].n_excluded; x++)
            if (elements[e].excluded[x].count != 1 || elements[e].excluded[x].when != NULL)
                return false;
        if (e > 0 && !fix_gaps(&elements[e])) /* before the first there is no anchor */
            return false;
    }
    return true;
}

static bool fix_trailing(plan_exclusion *trailing, uint32_t n)
{
    for (uint32_t x = 0; x < n; x++) {
        int64_t lo_ms = 0;
        trailing[x].within_ms = SPAN_MS_MAX;
        if (trailing[x].count != 1 ||
            (trailing[x].when != NULL &&
             !fixed_span(trailing[x].when, &lo_ms, &trailing[x].within_ms)) ||
            lo_ms > 1)
            return false;
    }
    return true;
}

/* Nothing between the elements: the reference evaluator takes the earliest match of each. */
static bool is_greedy(const plan_chain *chain)
{
    for (uint32_t e = 0; e < chain->n_elements; e++)
        if (chain->elements[e].n_gaps > 0 || chain->elements[e].n_excluded > 0)
            return false;
    return chain->n_trailing == 0;
}

/* Could a search over that many items, all of which satisfy all conditions, be that long? As
 * chain_may_trip. */
static bool can_trip(const plan_chain *chain, uint32_t n_items)
{
    double n = n_items, pairs = n, steps = 0;
    for (uint32_t e = 0; e < chain->n_elements; e++) {
        double tests = 1;
        for (uint32_t x = 0; x < chain->elements[e].n_excluded; x++)
            if (chain->elements[e].excluded[x].when != NULL)
                tests += n;
        pairs = chain->is_greedy || e == 0 ? n : n * n;
        steps += pairs * tests;
    }
    for (uint32_t x = 0; x < chain->n_trailing; x++)
        if (chain->trailing[x].when != NULL)
            steps += pairs * n;
    return steps > MU_CHAIN_STEPS_MAX;
}

static uint32_t items_without_trip(const plan_chain *chain)
{
    uint32_t most = 0;
    for (uint32_t step = 1u << 19; step > 0; step /= 2)
        if (!can_trip(chain, most + step))
            most += step;
    return most;
}

static uint32_t compile_sequence(chain_compiler *cc)
{
    compiler *c = cc->c;
    size_t most = (size_t)cc->node->n_items + 1;
    sequence s = {.elements = MU_NEW_ARRAY(c->arena, plan_chain_element, most),
                  .excluded = MU_NEW_ARRAY(c->arena, plan_exclusion, most),
                  .gaps = MU_NEW_ARRAY(c->arena, mu_pql_when, most)};
    for (uint32_t i = 0; i < cc->node->n_items; i++) {
        const mu_pql_chain_item *item = &cc->node->items[i];
        if (item->kind == MU_ITEM_GAP)
            add_gap(&s, item);
        else if (!(item->kind == MU_ITEM_ELEMENT ? add_element(cc, &s, item)
                                                 : add_exclusion(cc, &s, item)))
            return NO_NODE;
    }
    if (s.n_elements == 0)
        return NO_NODE;
    bool is_date = compiled_type(c, cc->time) == MU_TYPE_DATE;
    plan_chain *chain = MU_NEW(c->arena, plan_chain);
    *chain = (plan_chain){.time = NO_NODE,
                          .time_column = is_date ? NO_COLUMN : cc->time.column,
                          .on_bitmaps = fix_elements(s.elements, s.n_elements) &&
                                        fix_trailing(s.excluded, s.n_excluded),
                          .n_elements = s.n_elements,
                          .elements = s.elements,
                          .n_trailing = s.n_excluded,
                          .trailing = s.excluded};
    chain->is_greedy = is_greedy(chain);
    chain->items_max = items_without_trip(chain);
    if (is_date)
        chain->time = plan_scale(c->plan, compiled_numeric(c, cc->time), true);
    return plan_chain_node(c->plan, chain, cc->view.level, cc->view.owner);
}

uint32_t compile_chain(compiler *c, const mu_pql *node)
{
    chain_compiler cc = {.c = c, .node = node, .view = compile_view(c, node->args[0])};
    if (cc.view.kind != COMPILED_VIEW || cc.view.item_kind != COMPILED_COLUMN ||
        c->plan->columns[cc.view.column].type->kind != MU_TYPE_OBJECT ||
        c->plan->columns[cc.view.column].level != cc.view.level)
        return NO_NODE;
    uint32_t column = plan_field(c->plan, cc.view.column, node->name);
    if (column == NO_COLUMN)
        return NO_NODE;
    cc.time = (compiled){.kind = COMPILED_COLUMN, .column = column};
    mu_type_kind type = compiled_type(c, cc.time);
    if (type != MU_TYPE_TIMESTAMP && type != MU_TYPE_DATE)
        return NO_NODE;
    if (node->n_items == 1 && node->items[0].kind == MU_ITEM_ELEMENT)
        return compile_single(&cc, &node->items[0]);
    if (is_related_chain(node))
        return compile_related_chain(c, node, cc.view, cc.time);
    return compile_sequence(&cc);
}
