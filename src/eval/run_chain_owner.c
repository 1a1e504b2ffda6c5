/* run_chain_owner.c -- sequences of several elements, owner by owner: what run_chain.c leaves.
 *
 * Only times matter: each condition of an owner becomes the ascending times of its events. Element
 * by element, the times that can be its anchor follow from those of the element before (pql.md 12.5
 * asks for any assignment, not the greedy one). Where every constraint on the anchor before is a
 * range that moves with time, one sweep finds them; otherwise all pairs are tried. Owners whose
 * search could exceed the step guard, or whose events are not in time order, are left to the
 * reference evaluator.
 */
#include "eval/run_int.h"

#define BEGINNING INT64_MIN /* no anchor before */
#define END       INT64_MAX /* no event after */

typedef struct times {
    int64_t *at;
    uint32_t n;
} times;

/* One condition of the chain: the node of its bits and, for the current owner, its times. */
typedef struct condition {
    uint32_t node;
    times times;
} condition;

typedef struct matcher {
    worker *w;
    const plan_chain *chain;
    const list_order *order;
    uint32_t from, to; /* the owner's events */
    uint32_t n_conditions;
    condition *conditions; /* element 0, its exclusions, element 1, ..., the trailing exclusions */
    times anchors, next;
} matcher;

/* -------- relative windows -------- */

static mu_time_range range_after(const mu_pql_when *when, int64_t base_ms)
{
    mu_time_bounds base = {.start_ms = base_ms, .end_ms = base_ms + 1, .is_instant = true};
    return mu_time_range_of(when, base, base);
}

/* The instants that all gaps of an element allow after `base_ms`; *is_range false: not one range.
 */
static mu_time_range gaps_after(const plan_chain_element *element, int64_t base_ms, bool *is_range)
{
    mu_time_range all = {.lo_ms = INT64_MIN, .hi_ms = INT64_MAX};
    for (uint32_t g = 0; g < element->n_gaps; g++) {
        mu_time_range one = range_after(&element->gaps[g], base_ms);
        *is_range &= !one.inverted && !one.has_second;
        if (one.lo_ms > all.lo_ms)
            all.lo_ms = one.lo_ms;
        if (one.hi_ms < all.hi_ms)
            all.hi_ms = one.hi_ms;
    }
    return all;
}

/* -------- exclusions -------- */

/* Fewer than `count` excluded events strictly between two times. */
static bool exclusion_holds(const plan_exclusion *exclusion, const times *excluded,
                            int64_t after_ms, int64_t before_ms)
{
    mu_time_range window = {.lo_ms = INT64_MIN, .hi_ms = INT64_MAX};
    uint32_t n = 0;
    if (exclusion->when != NULL && after_ms != BEGINNING)
        window = range_after(exclusion->when, after_ms);
    for (uint32_t i = 0; i < excluded->n && excluded->at[i] < before_ms; i++)
        n += excluded->at[i] > after_ms && mu_time_range_contains(window, excluded->at[i]);
    return n < exclusion->count;
}

static bool before_holds(const plan_chain_element *element, const condition *own, int64_t anchor_ms,
                         int64_t t_ms)
{
    for (uint32_t g = 0; anchor_ms != BEGINNING && g < element->n_gaps; g++)
        if (!mu_time_range_contains(range_after(&element->gaps[g], anchor_ms), t_ms))
            return false;
    for (uint32_t x = 0; x < element->n_excluded; x++)
        if (!exclusion_holds(&element->excluded[x], &own[1 + x].times, anchor_ms, t_ms))
            return false;
    return true;
}

/* -------- one element after another -------- */

/* Adds the anchors that `element` can have after one anchor: all from the count-th event on,
 * counted from the first that everything before it allows. `own` is the element's condition, then
 * its exclusions'. Marks candidates; several anchors before may reach the same one. */
static void mark_after(const plan_chain_element *element, const condition *own, int64_t anchor_ms,
                       uint8_t *marks)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < own->times.n; i++) {
        int64_t t_ms = own->times.at[i];
        if (anchor_ms != BEGINNING && t_ms <= anchor_ms)
            continue;
        bool is_first = found == 0 || element->count == 1;
        if (is_first && !before_holds(element, own, anchor_ms, t_ms))
            continue;
        if (++found >= element->count)
            marks[i] = 1;
    }
}

static void try_pairs(matcher *m, const plan_chain_element *element, const condition *own,
                      bool is_first)
{
    uint8_t *marks = MU_NEW_ARRAY(&m->w->row_arena, uint8_t, own->times.n);
    if (is_first)
        mark_after(element, own, BEGINNING, marks);
    for (uint32_t a = 0; !is_first && a < m->anchors.n; a++)
        mark_after(element, own, m->anchors.at[a], marks);
    m->next.n = 0;
    for (uint32_t i = 0; i < own->times.n; i++)
        if (marks[i])
            m->next.at[m->next.n++] = own->times.at[i];
}

/* Can the anchor before be looked for by a sweep? */
static bool is_sweepable(const plan_chain_element *element)
{
    if (element->count != 1)
        return false;
    for (uint32_t x = 0; x < element->n_excluded; x++)
        if (element->excluded[x].count != 1 || element->excluded[x].when != NULL)
            return false;
    bool is_range = true;
    gaps_after(element, 0, &is_range);
    return is_range;
}

/* For ascending candidates the first anchor that is late enough (no exclusion since, gap not yet
 * over) only moves on; it is the right one if it is also early enough. Where it is not, no later
 * one is. */
static void sweep(matcher *m, const plan_chain_element *element, const condition *own)
{
    uint32_t a = 0;
    bool ignored = true;
    int64_t not_before = INT64_MIN; /* the last excluded event before the candidate */
    uint32_t at[16] = {0};
    m->next.n = 0;
    mu_time_range range = gaps_after(element, m->anchors.at[0], &ignored);
    for (uint32_t i = 0; i < own->times.n; i++) {
        int64_t t_ms = own->times.at[i];
        for (uint32_t x = 0; x < element->n_excluded; x++) {
            const times *excluded = &own[1 + x].times;
            while (at[x] < excluded->n && excluded->at[at[x]] < t_ms)
                at[x]++;
            if (at[x] > 0 && excluded->at[at[x] - 1] > not_before)
                not_before = excluded->at[at[x] - 1];
        }
        while (a < m->anchors.n && (m->anchors.at[a] < not_before || range.hi_ms < t_ms)) {
            if (++a < m->anchors.n)
                range = gaps_after(element, m->anchors.at[a], &ignored);
        }
        if (a == m->anchors.n)
            return;
        if (m->anchors.at[a] < t_ms && range.lo_ms <= t_ms)
            m->next.at[m->next.n++] = t_ms;
    }
}

static bool trailing_holds(const matcher *m, const condition *own)
{
    const plan_chain *chain = m->chain;
    bool is_relative = false;
    for (uint32_t x = 0; x < chain->n_trailing; x++)
        is_relative |= chain->trailing[x].when != NULL;
    /* The latest anchor has the fewest events after it. */
    for (uint32_t a = m->anchors.n; a-- > 0;) {
        bool holds = true;
        for (uint32_t x = 0; holds && x < chain->n_trailing; x++)
            holds = exclusion_holds(&chain->trailing[x], &own[x].times, m->anchors.at[a], END);
        if (holds || !is_relative)
            return holds;
    }
    return false;
}

static bool matches(matcher *m)
{
    const plan_chain *chain = m->chain;
    const condition *own = m->conditions;
    for (uint32_t e = 0; e < chain->n_elements; e++) {
        const plan_chain_element *element = &chain->elements[e];
        if (e > 0 && element->n_excluded <= 16 && is_sweepable(element))
            sweep(m, element, own);
        else
            try_pairs(m, element, own, e == 0);
        times swapped = m->anchors;
        m->anchors = m->next;
        m->next = swapped;
        if (m->anchors.n == 0)
            return false;
        own += 1 + element->n_excluded;
    }
    return trailing_holds(m, own);
}

/* -------- the owner's times -------- */

/* False when they do not ascend. */
static bool gather_times(matcher *m, condition *c)
{
    const uint64_t *bits = m->w->values[c->node].bits;
    int64_t last = INT64_MIN;
    c->times.n = 0;
    for (uint32_t word = m->from / 64; m->from < m->to && word <= (m->to - 1) / 64; word++) {
        uint64_t rest = bits[word];
        if (word == m->from / 64)
            rest &= ~(uint64_t)0 << (m->from % 64);
        if (word == (m->to - 1) / 64)
            rest &= ~(uint64_t)0 >> (63 - (m->to - 1) % 64);
        for (; rest != 0; rest &= rest - 1) {
            int64_t t_ms = order_time(m->order, word * 64 + (uint32_t)__builtin_ctzll(rest));
            if (t_ms < last)
                return false;
            last = t_ms;
            c->times.at[c->times.n++] = t_ms;
        }
    }
    return true;
}

static bool gather_all(matcher *m)
{
    for (uint32_t i = 0; i < m->n_conditions; i++)
        if (!gather_times(m, &m->conditions[i]))
            return false;
    return true;
}

static void prepare_conditions(matcher *m, const plan_node *node, uint32_t events_max)
{
    /* The inputs are the time, when that is a node, and then the conditions in their order. */
    uint32_t first = node->chain->time != NO_NODE;
    m->n_conditions = node->n_inputs - first;
    m->conditions = MU_NEW_ARRAY(&m->w->scratch, condition, m->n_conditions);
    for (uint32_t i = 0; i < m->n_conditions; i++) {
        m->conditions[i].node = node->inputs[i + first];
        m->conditions[i].times.at = MU_NEW_ARRAY(&m->w->scratch, int64_t, events_max);
    }
    m->anchors.at = MU_NEW_ARRAY(&m->w->scratch, int64_t, events_max);
    m->next.at = MU_NEW_ARRAY(&m->w->scratch, int64_t, events_max);
}

/* -------- may the kernel do this owner? -------- */

/* Events of an owner that satisfy a condition: counted, or, when `exactly` is false, at most so
 * many.
 */
static double count_between(worker *w, uint32_t node, uint32_t from, uint32_t to, bool exactly)
{
    const uint32_t stretch[2] = {from, to};
    int64_t count = worker_count(w, node);
    if (exactly)
        w->job->kernels->count_of_owner(w->values[node].bits, stretch, 1, &count);
    return count < to - from ? (double)count : (double)(to - from);
}

/* At least the reference evaluator's steps (docs/decisions/0030): an event is tested once after
 * each anchor of the element before, with the events of an exclusion that has a relative window. */
static double count_steps(worker *w, const plan_chain *chain, uint32_t from, uint32_t to,
                          bool exactly)
{
    double before = 1, pairs = 1, steps = 0;
    for (uint32_t e = 0; e < chain->n_elements; e++) {
        const plan_chain_element *element = &chain->elements[e];
        double here = count_between(w, element->bits, from, to, exactly), tests = 1;
        for (uint32_t x = 0; x < element->n_excluded; x++)
            if (element->excluded[x].when != NULL)
                tests += count_between(w, element->excluded[x].bits, from, to, exactly);
        pairs = chain->is_greedy ? here : before * here;
        steps += pairs * tests;
        before = here;
    }
    for (uint32_t x = 0; x < chain->n_trailing; x++)
        if (chain->trailing[x].when != NULL)
            steps += pairs * count_between(w, chain->trailing[x].bits, from, to, exactly);
    return steps;
}

bool chain_may_trip(worker *w, const plan_chain *chain, uint32_t from, uint32_t to)
{
    return to - from > chain->items_max &&
           count_steps(w, chain, from, to, false) > MU_CHAIN_STEPS_MAX &&
           count_steps(w, chain, from, to, true) > MU_CHAIN_STEPS_MAX;
}

/* -------- the reference evaluator's search, step by step, over times -------- */

typedef enum search_end { SEARCH_FOUND, SEARCH_FAILED, SEARCH_TRIPPED } search_end;

/* Where the search stands in an element. */
typedef struct search_place {
    const condition *own;
    int64_t previous_ms; /* of the anchor before; BEGINNING */
    uint32_t previous;   /* its place among the times of the element before */
    uint32_t next;       /* the next time to test */
    uint8_t *failed;     /* per anchor before: nothing from here on fits */
} search_place;

/* How many of the times are at most, or less than, `t_ms`. */
static uint32_t count_until(const times *in, int64_t t_ms, bool or_equal)
{
    uint32_t low = 0, high = in->n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (in->at[middle] < t_ms || (or_equal && in->at[middle] == t_ms))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool lies_between(const times *excluded, int64_t after_ms, int64_t before_ms)
{
    return count_until(excluded, after_ms, true) < count_until(excluded, before_ms, false);
}

static bool step_holds(const plan_chain_element *element, const search_place *here, int64_t t_ms)
{
    if (element->has_gap && here->previous_ms != BEGINNING &&
        (t_ms - here->previous_ms < element->gap_lo_ms ||
         t_ms - here->previous_ms > element->gap_hi_ms))
        return false;
    for (uint32_t x = 0; x < element->n_excluded; x++)
        if (lies_between(&here->own[1 + x].times, here->previous_ms, t_ms))
            return false;
    return true;
}

static void enter_place(search_place *here, const search_place *before)
{
    here->previous = before->next - 1;
    here->previous_ms = before->own->times.at[here->previous];
    here->next = count_until(&here->own->times, here->previous_ms, true);
}

static bool end_holds(const matcher *m, const search_place *last)
{
    const condition *own = last->own + 1 + m->chain->elements[m->chain->n_elements - 1].n_excluded;
    int64_t anchor_ms = last->own->times.at[last->next - 1];
    for (uint32_t x = 0; x < m->chain->n_trailing; x++)
        if (lies_between(&own[x].times, anchor_ms, END))
            return false;
    return true;
}

static search_place *prepare_places(matcher *m)
{
    const condition *own = m->conditions;
    uint32_t n = m->chain->n_elements;
    search_place *places = MU_NEW_ARRAY(&m->w->row_arena, search_place, n);
    for (uint32_t e = 0; e < n; e++) {
        places[e] = (search_place){.own = own, .previous_ms = BEGINNING};
        if (e > 0)
            places[e].failed =
                MU_NEW_ARRAY(&m->w->row_arena, uint8_t, (size_t)places[e - 1].own->times.n + 1);
        own += 1 + m->chain->elements[e].n_excluded;
    }
    return places;
}

/* For chains on bitmaps without windows behind them: steps as docs/decisions/0030 counts them. A
 * place's anchor is the time before its `next`. */
static search_end search_steps(matcher *m)
{
    search_place *places = prepare_places(m);
    uint32_t at = 0, n_steps = 0;
    for (;;) {
        search_place *here = &places[at];
        bool has_anchor = false;
        while (!has_anchor && here->next < here->own->times.n) {
            int64_t t_ms = here->own->times.at[here->next++];
            if (++n_steps > MU_CHAIN_STEPS_MAX)
                return SEARCH_TRIPPED;
            has_anchor = step_holds(&m->chain->elements[at], here, t_ms);
        }
        if (has_anchor && at + 1 == m->chain->n_elements) {
            if (end_holds(m, here))
                return SEARCH_FOUND;
            continue;
        }
        if (has_anchor) {
            enter_place(&places[++at], here);
            if (places[at].failed[places[at].previous] == 0)
                continue;
        } else if (m->chain->is_greedy || at == 0) {
            return SEARCH_FAILED;
        } else {
            here->failed[here->previous] = 1;
        }
        at--;
    }
}

/* Has it an event for every element? */
static bool is_candidate(const matcher *m)
{
    const condition *own = m->conditions;
    for (uint32_t e = 0; e < m->chain->n_elements; e++) {
        if (own->times.n == 0)
            return false;
        own += 1 + m->chain->elements[e].n_excluded;
    }
    return true;
}

/* Windows of exclusions are steps too, in an order that the plan does not keep. */
static bool can_count_steps(const plan_chain *chain)
{
    for (uint32_t x = 0; x < chain->n_trailing; x++)
        if (chain->trailing[x].when != NULL)
            return false;
    return chain->on_bitmaps;
}

static mu_code run_owner(matcher *m, uint32_t id, const plan_node *node, uint32_t owner,
                         uint64_t *out)
{
    mu_bit_clear(out, owner);
    mu_arena_reset(&m->w->row_arena);
    search_end end = SEARCH_TRIPPED;
    if (gather_all(m)) {
        if (!chain_may_trip(m->w, m->chain, m->from, m->to))
            end = is_candidate(m) && matches(m) ? SEARCH_FOUND : SEARCH_FAILED;
        else if (can_count_steps(m->chain))
            end = search_steps(m);
    }
    if (end == SEARCH_TRIPPED)
        return worker_bail_element(m->w, id, node->level, owner);
    if (end == SEARCH_FOUND)
        mu_bit_set(out, owner);
    return MU_OK;
}

static uint32_t most_items(const level_pair *pair, const uint64_t *owners, uint32_t n_owners)
{
    uint32_t most = 0;
    for (uint32_t o = 0; o < n_owners; o++)
        if (mu_bit_get(owners, o) && pair->offsets[o + 1] - pair->offsets[o] > most)
            most = pair->offsets[o + 1] - pair->offsets[o];
    return most;
}

mu_code run_chain_owners(worker *w, uint32_t id, const plan_node *node, const list_order *order,
                         const uint64_t *owners, uint32_t n, uint64_t *out)
{
    level_pair *pair;
    MU_TRY(worker_pair(w, node->level, node->item_level, &pair));
    matcher m = {.w = w, .chain = node->chain, .order = order};
    prepare_conditions(&m, node, most_items(pair, owners, n));
    for (size_t word = 0; word < mu_bits_words(n); word++) {
        for (uint64_t rest = owners[word]; rest != 0; rest &= rest - 1) {
            uint32_t owner = (uint32_t)(word * 64) + (uint32_t)__builtin_ctzll(rest);
            m.from = pair->offsets[owner];
            m.to = pair->offsets[owner + 1];
            if (m.to > m.from)
                MU_TRY(run_owner(&m, id, node, owner, out));
        }
    }
    return MU_OK;
}
