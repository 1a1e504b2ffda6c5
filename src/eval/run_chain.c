/* run_chain.c -- sequences of several elements, owner by owner.
 *
 * Element by element, the set of events that can be its anchor, given some anchor of the element
 * before (dynamic programming over pairs; pql.md 12.5 asks for any assignment, not the greedy one).
 * Only events that satisfy some condition are looked at. Owners whose search could exceed the step
 * guard, or whose events are not in time order, are left to the reference evaluator.
 */
#include "eval/run_int.h"

#define NO_EVENT UINT32_MAX

typedef struct matcher {
    worker *w;
    const plan_chain *chain;
    const int64_t *time;
    uint32_t from, to;  /* the owner's events */
    uint32_t *anchors;  /* positions, ascending */
    uint8_t *is_anchor; /* by position - from */
} matcher;

static const uint64_t *bits_of(const matcher *m, uint32_t node)
{
    return m->w->values[node].bits;
}

/* The instants that `when` allows relative to an event. */
static bool is_allowed(const mu_pql_when *when, int64_t base_ms, int64_t t_ms)
{
    mu_time_bounds base = {.start_ms = base_ms, .end_ms = base_ms + 1, .is_instant = true};
    mu_time_range range = mu_time_range_of(when, base, base);
    bool inside = t_ms >= range.lo_ms && t_ms <= range.hi_ms;
    return inside != range.inverted;
}

/* Fewer than `count` excluded events strictly between the neighbours. */
static bool exclusion_holds(const matcher *m, const plan_exclusion *exclusion, uint32_t previous,
                            uint32_t event)
{
    const uint64_t *bits = bits_of(m, exclusion->bits);
    uint32_t first = previous == NO_EVENT ? m->from : previous + 1;
    uint32_t last = event == NO_EVENT ? m->to : event;
    uint32_t n = 0;
    for (uint32_t i = first; i < last; i++) {
        if (!mu_bit_get(bits, i) || (previous != NO_EVENT && m->time[i] <= m->time[previous]) ||
            (event != NO_EVENT && m->time[i] >= m->time[event]))
            continue;
        if (exclusion->when != NULL && previous != NO_EVENT &&
            !is_allowed(exclusion->when, m->time[previous], m->time[i]))
            continue;
        n++;
    }
    return n < exclusion->count;
}

static bool before_holds(const matcher *m, const plan_chain_element *element, uint32_t previous,
                         uint32_t event)
{
    for (uint32_t g = 0; previous != NO_EVENT && g < element->n_gaps; g++)
        if (!is_allowed(&element->gaps[g], m->time[previous], m->time[event]))
            return false;
    for (uint32_t x = 0; x < element->n_excluded; x++)
        if (!exclusion_holds(m, &element->excluded[x], previous, event))
            return false;
    return true;
}

/* Marks the events that can be the anchor of `element` when the element before has `previous`. */
static void mark_anchors(matcher *m, const plan_chain_element *element, uint32_t previous)
{
    const uint64_t *bits = bits_of(m, element->bits);
    uint32_t found = 0;
    for (uint32_t i = previous == NO_EVENT ? m->from : previous + 1; i < m->to; i++) {
        if (!mu_bit_get(bits, i) || (previous != NO_EVENT && m->time[i] <= m->time[previous]))
            continue;
        bool is_first = found == 0 || element->count == 1;
        if (is_first && !before_holds(m, element, previous, i))
            continue;
        if (++found >= element->count)
            m->is_anchor[i - m->from] = 1;
    }
}

static uint32_t collect_anchors(matcher *m)
{
    uint32_t n = 0;
    for (uint32_t i = m->from; i < m->to; i++) {
        if (m->is_anchor[i - m->from])
            m->anchors[n++] = i;
        m->is_anchor[i - m->from] = 0;
    }
    return n;
}

static bool matches(matcher *m)
{
    const plan_chain *chain = m->chain;
    mark_anchors(m, &chain->elements[0], NO_EVENT);
    uint32_t n = collect_anchors(m);
    for (uint32_t e = 1; e < chain->n_elements && n > 0; e++) {
        for (uint32_t a = 0; a < n; a++)
            mark_anchors(m, &chain->elements[e], m->anchors[a]);
        n = collect_anchors(m);
    }
    for (uint32_t a = 0; a < n; a++) {
        bool holds = true;
        for (uint32_t x = 0; holds && x < chain->n_trailing; x++)
            holds = exclusion_holds(m, &chain->trailing[x], m->anchors[a], NO_EVENT);
        if (holds)
            return true;
    }
    return false;
}

/* -------- may the kernel do this owner? -------- */

static uint64_t count_in(const matcher *m, uint32_t node)
{
    const uint64_t *bits = bits_of(m, node);
    uint64_t n = 0;
    for (uint32_t i = m->from; i < m->to; i++)
        n += mu_bit_get(bits, i);
    return n;
}

/* At least the reference evaluator's steps: pairs of neighbouring candidates, and for exclusions
 * with a relative window every pair tests their events too. */
static bool steps_may_trip(const matcher *m)
{
    const plan_chain *chain = m->chain;
    uint64_t before = 1, steps = 0, n = m->to - m->from;
    if (n < 64 &&
        (chain->n_elements + chain->n_trailing + 1) * n * n * (n + 1) < MU_CHAIN_STEPS_MAX)
        return false;
    for (uint32_t e = 0; e < chain->n_elements; e++) {
        uint64_t here = count_in(m, chain->elements[e].bits), tests = 1;
        for (uint32_t x = 0; x < chain->elements[e].n_excluded; x++)
            if (chain->elements[e].excluded[x].when != NULL)
                tests += count_in(m, chain->elements[e].excluded[x].bits);
        steps += before * here * tests;
        before = here + 1;
    }
    for (uint32_t x = 0; x < chain->n_trailing; x++)
        steps += before * count_in(m, chain->trailing[x].bits);
    return steps > MU_CHAIN_STEPS_MAX;
}

static bool is_in_time_order(const matcher *m, const uint64_t *timed)
{
    int64_t last = INT64_MIN;
    for (uint32_t i = m->from; i < m->to; i++) {
        if (!mu_bit_get(timed, i))
            continue;
        if (m->time[i] < last)
            return false;
        last = m->time[i];
    }
    return true;
}

static bool has_candidates(const matcher *m)
{
    for (uint32_t e = 0; e < m->chain->n_elements; e++)
        if (count_in(m, m->chain->elements[e].bits) < m->chain->elements[e].count)
            return false;
    return true;
}

mu_code run_chain(worker *w, uint32_t id, const plan_node *node, uint32_t n)
{
    level_pair *pair;
    MU_TRY(worker_pair(w, node->level, node->item_level, &pair));
    uint32_t n_items = w->levels[node->item_level].n;
    const node_value *time = &w->values[node->chain->time];
    matcher m = {.w = w, .chain = node->chain, .time = time->integers};
    m.anchors = MU_NEW_ARRAY(&w->scratch, uint32_t, (size_t)n_items + 1);
    m.is_anchor = MU_NEW_ARRAY(&w->scratch, uint8_t, (size_t)n_items + 1);
    uint64_t *out = worker_bits(w, n);
    w->values[id].bits = out;
    for (uint32_t owner = 0; owner < n; owner++) {
        m.from = pair->offsets[owner];
        m.to = pair->offsets[owner + 1];
        if (m.to - m.from > MU_CHAIN_STEPS_MAX) {
            MU_TRY(worker_bail_element(w, id, node->level, owner));
            continue;
        }
        if (steps_may_trip(&m)) { /* also where no match is possible: a trip counts all the same */
            MU_TRY(worker_bail_element(w, id, node->level, owner));
            continue;
        }
        if (!has_candidates(&m))
            continue;
        if (!is_in_time_order(&m, time->valid)) {
            MU_TRY(worker_bail_element(w, id, node->level, owner));
            continue;
        }
        if (matches(&m))
            mu_bit_set(out, owner);
    }
    return MU_OK;
}
