/* run_related.c -- items of one owner that stand to each other as asked (compile_related.c).
 *
 * Per block, the candidates of every element and exclusion are gathered with the values that the
 * relations compare, side by side. Per owner, an item is chosen for one element after the other,
 * and given up when nothing fits behind it. Owners with an element that has no candidate cost
 * nothing.
 */
#include "eval/reference_int.h"
#include "eval/run_list_int.h"

/* -------- windows -------- */

/* A window around a time. Most are a distance to its ends that is the same for all times, as far as
 * the calendar does not end. */
typedef struct window {
    const mu_pql_when *when;
    bool moves;          /* lo and hi are distances */
    bool has_lo, has_hi; /* false: open on that side */
    int64_t lo_ms, hi_ms;
} window;

static mu_time_range range_around(const mu_pql_when *when, int64_t base_ms)
{
    mu_time_bounds base = mu_time_bounds_of_instant(base_ms);
    return mu_time_range_of(when, base, base);
}

/* Bases, and ends of windows around them, for which units of fixed length never meet the end of the
 * calendar: 200 years around 1970. */
#define MOVES_MS_MAX ((int64_t)200 * 365 * MU_DAY_MS)

static bool is_near(int64_t ms)
{
    return ms >= -MOVES_MS_MAX && ms <= MOVES_MS_MAX;
}

static bool has_fixed_length(const mu_pql_when *when)
{
    if (!when->has_qualification)
        return when->relation == MU_DIRECTION_BEFORE || when->relation == MU_DIRECTION_AFTER ||
               when->relation == MU_DIRECTION_FROM;
    return when->unit <= MU_UNIT_WEEK && when->count >= 0 &&
           when->count <= MOVES_MS_MAX / (7 * MU_DAY_MS) &&
           (when->comparison == MU_FN_LESS || when->comparison == MU_FN_LESS_EQUAL ||
            when->comparison == MU_FN_GREATER || when->comparison == MU_FN_GREATER_EQUAL);
}

static window window_of(const mu_pql_when *when)
{
    window out = {.when = when};
    mu_time_range range = range_around(when, 0);
    if (!has_fixed_length(when) || range.inverted || range.has_second)
        return out;
    out.has_lo = is_near(range.lo_ms);
    out.has_hi = is_near(range.hi_ms);
    out.lo_ms = range.lo_ms;
    out.hi_ms = range.hi_ms;
    out.moves = true;
    return out;
}

static bool window_contains(const window *w, int64_t base_ms, int64_t t_ms)
{
    if (w->moves && is_near(base_ms) && is_near(t_ms))
        return (!w->has_lo || t_ms >= base_ms + w->lo_ms) &&
               (!w->has_hi || t_ms <= base_ms + w->hi_ms);
    return mu_time_range_contains(range_around(w->when, base_ms), t_ms);
}

/* -------- candidates and their values -------- */

typedef struct values {
    union {
        const int64_t *integers;
        const double *doubles;
        const mu_str *texts;
    };
    const uint8_t *valid; /* NULL: all */
} values;

typedef struct relation {
    plan_relation_kind kind; /* a TEXT of one dictionary is compared by code, as INTEGER */
    mu_pql_function function;
    bool own_is_base;
    window window;
    uint32_t element;
    values own, earlier;
} relation;

typedef struct candidates {
    const plan_candidates *planned;
    const uint32_t *offsets; /* from the owners to the items */
    positions at;
    const int64_t *times; /* in time order only */
    relation *relations;
    uint32_t from, to; /* candidates of the owner that is searched */
    uint32_t choice;   /* element: the one that is tried */
    bool is_sorted;    /* in time order only: the owner's times ascend */
    uint32_t past;     /* sorted: all before it lie before the last time that was asked for */
    int64_t limit_ms;  /* sorted: no later time goes with the choices before */
} candidates;

/* `failed`: per candidate of the element before, nothing from this element on follows it; NULL: not
 * remembered. */

typedef struct element {
    candidates own;
    candidates *excluded;
    uint32_t n_excluded;
    uint8_t *failed;
} element;

typedef struct taken {
    void *memory;
    uint32_t n;
} taken;

typedef struct matcher {
    worker *w;
    const plan_related *planned;
    uint32_t owner_level;
    element *elements; /* and the exclusions after the last in one more */
    uint32_t n_taken, taken_max;
    taken *taken;     /* given back at the end */
    uint32_t n_items; /* of the owner that is searched */
    bool counts_steps;
    uint64_t steps; /* at least the reference's */
} matcher;

static void *keep(matcher *m, void *memory, uint32_t n)
{
    MU_ASSERT(m->n_taken < m->taken_max);
    m->taken[m->n_taken++] = (taken){memory, n};
    return memory;
}

static mu_code numbers_of_operand(worker *w, plan_operand operand, numbers *out)
{
    *out = (numbers){0};
    if (operand.column != NO_COLUMN)
        return worker_vector(w, operand.column, &out->vector);
    out->node = &w->values[operand.node];
    return MU_OK;
}

static const int64_t *gather_integers(matcher *m, const numbers *in, const candidates *of)
{
    return keep(m, numbers_gather_integers(m->w, in, &of->at), of->at.n);
}

static const mu_str *gather_texts(matcher *m, uint32_t column, const mu_vector *vector,
                                  const candidates *of)
{
    mu_str *out = keep(m, worker_numbers(m->w, of->at.n * 2), of->at.n * 2);
    mu_dictionary words = {0};
    if (vector->encoding == MU_ENCODING_CODES)
        words = mu_part_dictionary(m->w->bound->part, m->w->bound->columns[column]);
    for (uint32_t p = 0; p < of->at.n; p++)
        out[p] = vector_is_valid(vector, of->at.at[p])
                     ? vector_value(vector, &words, MU_TYPE_STRING, of->at.at[p]).string
                     : (mu_str){NULL, 0};
    return out;
}

static mu_code gather(matcher *m, relation *r, plan_operand operand, const candidates *of,
                      values *out)
{
    numbers in;
    MU_TRY(numbers_of_operand(m->w, operand, &in));
    if (r->kind == RELATION_TEXT)
        out->texts = gather_texts(m, operand.column, in.vector, of);
    else if (r->kind == RELATION_DOUBLE)
        out->doubles = keep(m, numbers_gather_doubles(m->w, &in, &of->at), of->at.n);
    else
        out->integers = gather_integers(m, &in, of);
    return MU_OK;
}

/* Which of the candidates have a value at all. */
static mu_code gather_valid(matcher *m, plan_operand operand, const candidates *of, values *out)
{
    numbers in;
    MU_TRY(numbers_of_operand(m->w, operand, &in));
    if (in.node == NULL && in.vector->n_null == 0)
        return MU_OK;
    uint32_t n = of->at.n / 8 + 1;
    uint8_t *valid = keep(m, worker_numbers(m->w, n), n);
    for (uint32_t p = 0; p < of->at.n; p++)
        valid[p] = in.node != NULL ? mu_bit_get(in.node->valid, of->at.at[p])
                                   : vector_is_valid(in.vector, of->at.at[p]);
    out->valid = valid;
    return MU_OK;
}

/* Codes of one dictionary compare like their texts. */
static mu_code choose_kind(matcher *m, const plan_relation *planned, relation *r)
{
    const mu_vector *vector;
    r->kind = planned->kind;
    if (planned->kind != RELATION_TEXT || planned->own.column != planned->earlier.column)
        return MU_OK;
    MU_TRY(worker_vector(m->w, planned->own.column, &vector));
    if (vector->encoding == MU_ENCODING_CODES)
        r->kind = RELATION_INTEGER;
    return MU_OK;
}

static mu_code prepare_relation(matcher *m, const plan_relation *planned, const candidates *own,
                                relation *r)
{
    const candidates *earlier = &m->elements[planned->element].own;
    *r = (relation){.function = planned->function,
                    .own_is_base = planned->own_is_base,
                    .element = planned->element};
    MU_TRY(choose_kind(m, planned, r));
    if (r->kind == RELATION_TIME)
        r->window = window_of(planned->when);
    MU_TRY(gather(m, r, planned->own, own, &r->own));
    MU_TRY(gather(m, r, planned->earlier, earlier, &r->earlier));
    return gather_valid(m, planned->earlier, earlier, &r->earlier);
}

static mu_code prepare_candidates(matcher *m, const plan_candidates *planned, candidates *out)
{
    worker *w = m->w;
    level_pair *pair;
    numbers time;
    MU_TRY(worker_pair(w, m->owner_level, planned->level, &pair));
    *out = (candidates){.planned = planned, .offsets = pair->offsets};
    out->at = positions_take(w, w->values[planned->bits].bits, w->levels[planned->level].n);
    if (m->planned->in_time_order) {
        MU_TRY(numbers_of_operand(w, m->planned->time, &time));
        out->times = gather_integers(m, &time, out);
    }
    out->relations = MU_NEW_ARRAY(&w->scratch, relation, planned->n_relations);
    for (uint32_t r = 0; r < planned->n_relations; r++)
        MU_TRY(prepare_relation(m, &planned->relations[r], out, &out->relations[r]));
    return MU_OK;
}

static mu_code prepare_excluded(matcher *m, const plan_candidates *planned, uint32_t n,
                                element *out)
{
    out->n_excluded = n;
    out->excluded = MU_NEW_ARRAY(&m->w->scratch, candidates, n);
    for (uint32_t x = 0; x < n; x++)
        MU_TRY(prepare_candidates(m, &planned[x], &out->excluded[x]));
    return MU_OK;
}

static uint32_t arrays_of(const plan_candidates *of)
{
    return 1 + 3 * of->n_relations;
}

static void count_arrays(matcher *m)
{
    const plan_related *planned = m->planned;
    for (uint32_t e = 0; e < planned->n_elements; e++) {
        m->taken_max += arrays_of(&planned->elements[e].own);
        for (uint32_t x = 0; x < planned->elements[e].n_excluded; x++)
            m->taken_max += arrays_of(&planned->elements[e].excluded[x]);
    }
    for (uint32_t x = 0; x < planned->n_trailing; x++)
        m->taken_max += arrays_of(&planned->trailing[x]);
    m->taken_max += planned->n_elements; /* what is remembered */
    m->taken = MU_NEW_ARRAY(&m->w->scratch, taken, m->taken_max);
}

/* The second element follows each choice of the first only once. */
static void prepare_memory(matcher *m)
{
    for (uint32_t e = 2; e < m->planned->n_elements; e++) {
        uint32_t n = m->elements[e - 1].own.at.n / 8 + 1;
        if (!m->planned->elements[e].remembers)
            continue;
        m->elements[e].failed = keep(m, worker_numbers(m->w, n), n);
        memset(m->elements[e].failed, 0, (size_t)n * 8);
    }
}

static mu_code prepare(matcher *m)
{
    const plan_related *planned = m->planned;
    uint32_t n = planned->n_elements;
    count_arrays(m);
    m->elements = MU_NEW_ARRAY(&m->w->scratch, element, (size_t)n + 1);
    for (uint32_t e = 0; e < n; e++) {
        const plan_related_element *at = &planned->elements[e];
        MU_TRY(prepare_excluded(m, at->excluded, at->n_excluded, &m->elements[e]));
        MU_TRY(prepare_candidates(m, &at->own, &m->elements[e].own));
    }
    prepare_memory(m);
    return prepare_excluded(m, planned->trailing, planned->n_trailing, &m->elements[n]);
}

static void release(matcher *m)
{
    for (uint32_t e = 0; e <= m->planned->n_elements; e++) {
        if (e < m->planned->n_elements)
            positions_give(m->w, &m->elements[e].own.at);
        for (uint32_t x = 0; x < m->elements[e].n_excluded; x++)
            positions_give(m->w, &m->elements[e].excluded[x].at);
    }
    while (m->n_taken > 0) {
        m->n_taken--;
        worker_give_numbers(m->w, m->taken[m->n_taken].memory, m->taken[m->n_taken].n);
    }
}

/* -------- testing -------- */

static bool order_holds(mu_pql_function function, int order)
{
    switch (function) {
    case MU_FN_EQUAL:
        return order == 0;
    case MU_FN_NOT_EQUAL:
        return order != 0;
    case MU_FN_LESS:
        return order < 0;
    case MU_FN_LESS_EQUAL:
        return order <= 0;
    case MU_FN_GREATER:
        return order > 0;
    default:
        return order >= 0;
    }
}

/* Candidate `own` against what was chosen for the earlier element. */
static bool relation_holds(const matcher *m, const relation *r, uint32_t own)
{
    uint32_t earlier = m->elements[r->element].own.choice;
    if (r->earlier.valid != NULL && !r->earlier.valid[earlier])
        return false;
    switch (r->kind) {
    case RELATION_INTEGER: {
        int64_t a = r->own.integers[own], b = r->earlier.integers[earlier];
        return order_holds(r->function, (a > b) - (a < b));
    }
    case RELATION_DOUBLE: {
        double a = r->own.doubles[own], b = r->earlier.doubles[earlier];
        return order_holds(r->function, (a > b) - (a < b));
    }
    case RELATION_TEXT:
        return order_holds(r->function,
                           mu_str_compare(r->own.texts[own], r->earlier.texts[earlier]));
    default: {
        int64_t a = r->own.integers[own], b = r->earlier.integers[earlier];
        return r->own_is_base ? window_contains(&r->window, a, b)
                              : window_contains(&r->window, b, a);
    }
    }
}

static bool relations_hold(const matcher *m, const candidates *of, uint32_t own)
{
    for (uint32_t r = 0; r < of->planned->n_relations; r++)
        if (!relation_holds(m, &of->relations[r], own))
            return false;
    return true;
}

/* Fewer excluded items than too many strictly between two times. */
static bool exclusion_holds(const matcher *m, const candidates *excluded, bool has_after,
                            int64_t after_ms, bool has_before, int64_t before_ms)
{
    uint32_t n = 0;
    for (uint32_t p = excluded->from; p < excluded->to && n < excluded->planned->count; p++)
        n += (!has_after || excluded->times[p] > after_ms) &&
             (!has_before || excluded->times[p] < before_ms) && relations_hold(m, excluded, p);
    return n < excluded->planned->count;
}

static bool nothing_excluded(const matcher *m, uint32_t e, bool has_before, int64_t before_ms)
{
    const element *at = &m->elements[e];
    const candidates *previous = e > 0 ? &m->elements[e - 1].own : NULL;
    int64_t after_ms =
        previous != NULL && previous->times != NULL ? previous->times[previous->choice] : 0;
    for (uint32_t x = 0; x < at->n_excluded; x++)
        if (!exclusion_holds(m, &at->excluded[x], previous != NULL, after_ms, has_before,
                             before_ms))
            return false;
    return true;
}

/* Every test of an item against an exclusion that reads an earlier one is a step. */
static void count_exclusion_steps(matcher *m, uint32_t e)
{
    for (uint32_t x = 0; x < m->elements[e].n_excluded; x++)
        if (m->elements[e].excluded[x].planned->n_relations > 0)
            m->steps += m->n_items;
}

/* Does the tried candidate of element `e` go with the choices before it? */
static bool fits(matcher *m, uint32_t e)
{
    const candidates *own = &m->elements[e].own;
    if (m->planned->in_time_order) {
        int64_t t_ms = own->times[own->choice];
        if (e > 0) {
            const candidates *previous = &m->elements[e - 1].own;
            if (t_ms <= previous->times[previous->choice])
                return false;
        }
        if (m->elements[e].n_excluded > 0) {
            count_exclusion_steps(m, e);
            if (!nothing_excluded(m, e, true, t_ms))
                return false;
        }
    }
    return relations_hold(m, own, own->choice);
}

/* -------- searching -------- */

/* Where the windows around earlier times end. */
static int64_t latest_time(const matcher *m, const candidates *own)
{
    int64_t latest_ms = INT64_MAX;
    for (uint32_t r = 0; r < own->planned->n_relations; r++) {
        const relation *at = &own->relations[r];
        if (at->kind != RELATION_TIME || at->own_is_base || !at->window.moves || !at->window.has_hi)
            continue;
        int64_t base_ms = at->earlier.integers[m->elements[at->element].own.choice];
        if (is_near(base_ms) && base_ms + at->window.hi_ms < latest_ms)
            latest_ms = base_ms + at->window.hi_ms;
    }
    return latest_ms;
}

/* Sorted candidates: to the first behind the choice before, mostly a little further than the last
 * time. */
static void skip_earlier(const matcher *m, uint32_t e)
{
    candidates *own = &m->elements[e].own;
    const candidates *previous = &m->elements[e - 1].own;
    int64_t after_ms = previous->times[previous->choice];
    if (own->past > own->from && own->times[own->past - 1] > after_ms)
        own->past = own->from;
    while (own->past < own->to && own->times[own->past] <= after_ms)
        own->past++;
    own->choice = own->past;
    own->limit_ms = latest_time(m, own);
}

/* From the choice for the element before. */
static void enter_element(matcher *m, uint32_t e)
{
    candidates *own = &m->elements[e].own;
    own->choice = own->from;
    own->limit_ms = INT64_MAX;
    m->steps += own->planned->varies ? m->n_items : own->to - own->from;
    if (e > 0 && m->elements[e].failed != NULL &&
        m->elements[e].failed[m->elements[e - 1].own.choice])
        own->choice = own->to;
    else if (e > 0 && own->is_sorted)
        skip_earlier(m, e);
}

/* Moves on to the next candidate that fits; false when there is none. */
static bool find_fitting(matcher *m, uint32_t e)
{
    candidates *own = &m->elements[e].own;
    for (; own->choice < own->to; own->choice++) {
        if (own->limit_ms != INT64_MAX && own->times[own->choice] > own->limit_ms)
            return false;
        if (fits(m, e))
            return true;
    }
    return false;
}

static void leave_element(matcher *m, uint32_t e)
{
    if (m->elements[e].failed != NULL)
        m->elements[e].failed[m->elements[e - 1].own.choice] = 1;
    m->elements[e - 1].own.choice++;
}

static bool is_stopped(const matcher *m)
{
    return m->counts_steps && m->steps > MU_CHAIN_STEPS_MAX;
}

/* Is there a choice for every element, the first within its own from .. to? */
static bool search(matcher *m)
{
    uint32_t e = 0, n = m->planned->n_elements;
    enter_element(m, 0);
    while (!is_stopped(m)) {
        candidates *own = &m->elements[e].own;
        if (!find_fitting(m, e)) {
            if (e == 0)
                return false;
            leave_element(m, e--);
        } else if (e + 1 < n) {
            enter_element(m, ++e);
        } else {
            count_exclusion_steps(m, n);
            if (nothing_excluded(m, n, false, 0))
                return true;
            own->choice++;
        }
    }
    return false;
}

/* Moves on to the candidates of an owner behind those before; true when there are some. */
static bool enter_owner(candidates *of, uint32_t owner)
{
    uint32_t begin = of->offsets[owner], end = of->offsets[owner + 1], to = of->to;
    bool ascends = of->times != NULL;
    while (of->at.at[to] < begin)
        to++;
    of->from = of->past = to;
    for (; of->at.at[to] < end; to++)
        ascends = ascends && (to == of->from || of->times[to - 1] <= of->times[to]);
    of->to = to;
    of->is_sorted = ascends;
    return of->to > of->from;
}

static bool enter_owners(matcher *m, uint32_t owner)
{
    bool all = true;
    for (uint32_t e = 0; e <= m->planned->n_elements; e++) {
        if (e < m->planned->n_elements)
            all &= enter_owner(&m->elements[e].own, owner);
        for (uint32_t x = 0; x < m->elements[e].n_excluded; x++)
            enter_owner(&m->elements[e].excluded[x], owner);
    }
    return all;
}

static void search_each_first(matcher *m, uint64_t *out)
{
    candidates *first = &m->elements[0].own;
    uint32_t from = first->from, to = first->to;
    for (uint32_t p = from; p < to; p++) {
        first->from = p;
        first->to = p + 1;
        if (search(m))
            mu_bit_set(out, first->at.at[p]);
    }
    first->to = to;
}

/* Does the search take the events in the order of the reference's? */
static bool is_in_order(const matcher *m)
{
    bool ascends = true;
    for (uint32_t e = 0; e < m->planned->n_elements; e++)
        ascends &= m->elements[e].own.is_sorted;
    return ascends;
}

/* Owners with a candidate for every element, and those whose steps have to be counted. */
static mu_code find_owners(matcher *m, uint64_t **out)
{
    worker *w = m->w;
    uint32_t n_owners = w->levels[m->owner_level].n;
    uint64_t *owners = worker_bits(w, n_owners), *some = worker_bits(w, n_owners);
    mu_bits_fill(owners, n_owners);
    for (uint32_t e = 0; e < m->planned->n_elements; e++) {
        const plan_candidates *planned = m->elements[e].own.planned;
        level_pair *pair;
        MU_TRY(worker_pair(w, m->owner_level, planned->level, &pair));
        worker_pair_ends(w, pair);
        w->job->kernels->any_of_owner(w->values[planned->bits].bits, pair->ends,
                                      w->levels[planned->level].n, pair->filled, n_owners, some);
        w->job->kernels->and_words(owners, some, mu_bits_words(n_owners), owners);
    }
    worker_give_bits(w, some, n_owners);
    const uint32_t *offsets = m->elements[0].own.offsets;
    for (uint32_t o = 0; m->planned->in_time_order && o < n_owners; o++)
        if (offsets[o + 1] - offsets[o] > m->planned->items_max)
            mu_bit_set(owners, o);
    *out = owners;
    return MU_OK;
}

static mu_code run_owner(matcher *m, uint32_t id, const plan_node *node, uint32_t owner,
                         uint64_t *out)
{
    const uint32_t *offsets = m->elements[0].own.offsets;
    bool has_all = enter_owners(m, owner);
    m->steps = 0;
    m->n_items = offsets[owner + 1] - offsets[owner];
    m->counts_steps = m->planned->in_time_order && m->n_items > m->planned->items_max;
    if (m->counts_steps && !is_in_order(m))
        return worker_bail_element(m->w, id, m->owner_level, owner);
    if (!has_all && !m->counts_steps)
        return MU_OK;
    if (node->flag)
        search_each_first(m, out);
    else if (search(m))
        mu_bit_set(out, owner);
    return is_stopped(m) ? worker_bail_element(m->w, id, m->owner_level, owner) : MU_OK;
}

/* The node's item_level is the owners'; its level too, or (flag) the first element's items'. */
mu_code run_related(worker *w, uint32_t id, const plan_node *node, uint32_t n)
{
    matcher m = {.w = w, .planned = node->related, .owner_level = node->item_level};
    uint64_t *out = worker_bits(w, n);
    w->values[id].bits = out;
    MU_TRY(prepare(&m));
    uint64_t *owners;
    uint32_t n_owners = w->levels[node->item_level].n;
    MU_TRY(find_owners(&m, &owners));
    FOR_EACH_BIT(owners, n_owners, owner)
    MU_TRY(run_owner(&m, id, node, (uint32_t)owner, out));
    worker_give_bits(w, owners, n_owners);
    release(&m);
    return MU_OK;
}
