/* run_chain.c -- sequences of several elements, the events of all owners together.
 *
 * Element by element, the events that can be its anchor follow from those of the element before
 * (pql.md 12.5 asks for any assignment, not the greedy one): order and exclusions on bitmaps
 * (sequence_bits.h), gaps candidate by candidate against the nearest anchor before. Chains of other
 * forms, owners whose events are not in order of time and owners whose search could exceed the step
 * guard are decided owner by owner (run_chain_owner.c).
 */
#include "eval/run_int.h"

#define NO_ITEM UINT32_MAX

typedef struct chain_run {
    worker *w;
    const plan_chain *chain;
    const list_order *order;
    const level_pair *pair;
    const uint32_t *owner_of; /* of items */
    uint32_t n_items, n_owners, n_wanted;
    const uint64_t *wanted;     /* owners that matter; NULL: all do */
    const uint64_t *anchors;    /* of the element before */
    const uint64_t *candidates; /* of this one: its events, or those of them that can be anchors */
    uint64_t *rooms[2];         /* two bitmaps of items; anchors and candidates may lie in them */
    uint64_t *out;              /* owners */
} chain_run;

/* -------- from one set bit to the next -------- */

/* The first set bit at or after `from`, below `end`; NO_ITEM when there is none. */
static inline uint32_t next_bit(const uint64_t *bits, uint32_t from, uint32_t end)
{
    if (from >= end)
        return NO_ITEM;
    size_t word = from / 64, last = (end - 1) / 64;
    uint64_t rest = bits[word] & (~(uint64_t)0 << (from % 64));
    while (rest == 0 && word < last)
        rest = bits[++word];
    if (rest == 0)
        return NO_ITEM;
    uint32_t found = (uint32_t)(word * 64) + (uint32_t)__builtin_ctzll(rest);
    return found < end ? found : NO_ITEM;
}

/* The last set bit before `end`, at or after `begin`; NO_ITEM when there is none. */
static inline uint32_t previous_bit(const uint64_t *bits, uint32_t begin, uint32_t end)
{
    if (begin >= end)
        return NO_ITEM;
    size_t word = (end - 1) / 64, first = begin / 64;
    uint64_t rest = bits[word] & (~(uint64_t)0 >> (63 - (end - 1) % 64));
    while (rest == 0 && word > first)
        rest = bits[--word];
    if (rest == 0)
        return NO_ITEM;
    uint32_t found = (uint32_t)(word * 64) + 63 - (uint32_t)__builtin_clzll(rest);
    return found >= begin ? found : NO_ITEM;
}

/* -------- gaps -------- */

/* Is there an anchor in the owner of `item`, strictly before it by the gap? The latest that is
 * early enough is the best. */
static bool gap_holds(const chain_run *r, const plan_chain_element *element, uint32_t item)
{
    uint32_t begin = r->pair->offsets[r->owner_of[item]];
    int64_t time_ms = order_time(r->order, item);
    for (uint32_t a = previous_bit(r->anchors, begin, item); a != NO_ITEM;
         a = previous_bit(r->anchors, begin, a)) {
        int64_t span_ms = time_ms - order_time(r->order, a);
        if (span_ms >= element->gap_lo_ms)
            return span_ms <= element->gap_hi_ms;
    }
    return false;
}

/* Keeps the candidates whose gap holds. */
static void keep_in_gap(chain_run *r, const plan_chain_element *element, uint64_t *candidates)
{
    for (uint32_t i = next_bit(candidates, 0, r->n_items); i != NO_ITEM;
         i = next_bit(candidates, i + 1, r->n_items))
        if (!gap_holds(r, element, i))
            mu_bit_clear(candidates, i);
}

/* Of the last element one candidate is enough. */
static void find_owners_by_candidates(chain_run *r, const plan_chain_element *element)
{
    uint32_t i = next_bit(r->candidates, 0, r->n_items);
    while (i != NO_ITEM) {
        uint32_t owner = r->owner_of[i];
        bool holds = gap_holds(r, element, i);
        if (holds)
            mu_bit_set(r->out, owner);
        i = next_bit(r->candidates, holds ? r->pair->offsets[owner + 1] : i + 1, r->n_items);
    }
}

/* Is there a candidate in the gap after `anchor` or a later one, for a gap without a beginning and
 * nothing excluded, in the owner whose items end at `end`? The first candidate strictly after an
 * anchor is the best. */
static bool anchors_match(const chain_run *r, const plan_chain_element *element, uint32_t anchor,
                          uint32_t end)
{
    for (uint32_t a = anchor; a != NO_ITEM; a = next_bit(r->anchors, a + 1, end)) {
        int64_t time_ms = order_time(r->order, a), span_ms = 0;
        uint32_t i = a;
        while (span_ms == 0 && (i = next_bit(r->candidates, i + 1, end)) != NO_ITEM)
            span_ms = order_time(r->order, i) - time_ms;
        if (i == NO_ITEM) /* nor after a later anchor */
            return false;
        if (span_ms <= element->gap_hi_ms)
            return true;
    }
    return false;
}

static void find_owners_by_anchors(chain_run *r, const plan_chain_element *element)
{
    uint32_t a = next_bit(r->anchors, 0, r->n_items);
    while (a != NO_ITEM) {
        uint32_t owner = r->owner_of[a], end = r->pair->offsets[owner + 1];
        if (anchors_match(r, element, a, end))
            mu_bit_set(r->out, owner);
        a = next_bit(r->anchors, end, r->n_items);
    }
}

static void find_wanted_owners(chain_run *r, const plan_chain_element *element)
{
    for (uint32_t o = next_bit(r->wanted, 0, r->n_owners); o != NO_ITEM;
         o = next_bit(r->wanted, o + 1, r->n_owners)) {
        uint32_t end = r->pair->offsets[o + 1];
        if (anchors_match(r, element, next_bit(r->anchors, r->pair->offsets[o], end), end))
            mu_bit_set(r->out, o);
    }
}

/* The bits of an element, or of those of its events that are left. */
static size_t count_items(const chain_run *r, const plan_chain_element *element,
                          const uint64_t *bits)
{
    if (bits == r->w->values[element->bits].bits)
        return worker_count(r->w, element->bits);
    return r->w->job->kernels->count_bits(bits, mu_bits_words(r->n_items));
}

/* From what is rarest on: owners that somebody wants to know, anchors or candidates. */
#define ITEMS_PER_OWNER 3u /* that a look at one owner costs */

static void find_owners_in_gap(chain_run *r, const plan_chain_element *element)
{
    size_t n_anchors = count_items(r, element - 1, r->anchors);
    size_t n_candidates = count_items(r, element, r->candidates);
    bool is_simple = element->gap_lo_ms <= 1 && element->n_excluded == 0;
    size_t fewer = n_anchors < n_candidates ? n_anchors : n_candidates;
    if (is_simple && r->wanted != NULL && (size_t)r->n_wanted * ITEMS_PER_OWNER < fewer)
        find_wanted_owners(r, element);
    else if (is_simple && n_anchors < n_candidates)
        find_owners_by_anchors(r, element);
    else
        find_owners_by_candidates(r, element);
}

/* -------- what may not follow -------- */

/* The excluded events of several exclusions together, or NULL. `room` is used for more than one. */
static const uint64_t *join_excluded(const chain_run *r, const plan_exclusion *excluded, uint32_t n,
                                     uint64_t *room)
{
    if (n == 0)
        return NULL;
    const uint64_t *joined = r->w->values[excluded[0].bits].bits;
    for (uint32_t x = 1; x < n; x++) {
        r->w->job->kernels->or_words(joined, r->w->values[excluded[x].bits].bits,
                                     mu_bits_words(r->n_items), room);
        joined = room;
    }
    return joined;
}

static bool has_window(const plan_chain *chain)
{
    for (uint32_t x = 0; x < chain->n_trailing; x++)
        if (chain->trailing[x].when != NULL)
            return true;
    return false;
}

/* No excluded event strictly after the anchor, within its window. */
static bool trailing_holds(const chain_run *r, uint32_t anchor, uint32_t end)
{
    int64_t time_ms = order_time(r->order, anchor);
    for (uint32_t x = 0; x < r->chain->n_trailing; x++) {
        const plan_exclusion *excluded = &r->chain->trailing[x];
        int64_t span_ms = 0;
        uint32_t i = anchor;
        while (span_ms == 0 &&
               (i = next_bit(r->w->values[excluded->bits].bits, i + 1, end)) != NO_ITEM)
            span_ms = order_time(r->order, i) - time_ms;
        if (i != NO_ITEM && span_ms <= excluded->within_ms)
            return false;
    }
    return true;
}

static void find_owners_by_trailing(chain_run *r)
{
    uint32_t a = next_bit(r->anchors, 0, r->n_items);
    while (a != NO_ITEM) {
        uint32_t owner = r->owner_of[a], end = r->pair->offsets[owner + 1];
        bool holds = trailing_holds(r, a, end);
        if (holds)
            mu_bit_set(r->out, owner);
        a = next_bit(r->anchors, holds ? end : a + 1, r->n_items);
    }
}

static void find_owners(chain_run *r)
{
    const plan_chain *chain = r->chain;
    if (has_window(chain)) {
        find_owners_by_trailing(r);
        return;
    }
    if (chain->n_trailing > 0) {
        uint64_t *room = r->rooms[r->anchors == r->rooms[0]];
        const uint64_t *excluded = join_excluded(r, chain->trailing, chain->n_trailing, room);
        sequence_until_end(&r->order->sequence, r->anchors, excluded, r->pair->ends, room);
        r->anchors = room;
    }
    r->w->job->kernels->any_of_owner(r->anchors, r->pair->ends, r->n_items, r->pair->filled,
                                     r->n_owners, r->out);
}

/* -------- one element after another -------- */

/* The candidates of element `e` that come after an anchor, nothing excluded between, in a room. */
static uint64_t *find_candidates(chain_run *r, uint32_t e)
{
    const plan_chain_element *element = &r->chain->elements[e];
    uint64_t *room = r->rooms[e % 2];
    const uint64_t *excluded = join_excluded(r, element->excluded, element->n_excluded, room);
    sequence_after(&r->order->sequence, e == 0 ? NULL : r->anchors, excluded,
                   r->w->values[element->bits].bits, room);
    r->candidates = room;
    return room;
}

static void run_on_bitmaps(chain_run *r)
{
    const plan_chain *chain = r->chain;
    for (uint32_t e = 0; e < chain->n_elements; e++) {
        const plan_chain_element *element = &chain->elements[e];
        bool is_last = e + 1 == chain->n_elements && chain->n_trailing == 0;
        bool is_ordered = element->n_excluded > 0 || (e > 0 && !element->has_gap);
        r->candidates = r->w->values[element->bits].bits;
        if (is_ordered || (element->has_gap && !is_last)) {
            uint64_t *candidates = find_candidates(r, e);
            if (element->has_gap && !is_last)
                keep_in_gap(r, element, candidates);
        }
        if (element->has_gap && is_last) {
            find_owners_in_gap(r, element);
            return;
        }
        r->anchors = r->candidates;
    }
    find_owners(r);
}

/* -------- owners -------- */

static uint64_t *add_hard(const chain_run *r, uint64_t *hard, uint32_t owner)
{
    if (!chain_may_trip(r->w, r->chain, r->pair->offsets[owner], r->pair->offsets[owner + 1]))
        return hard;
    if (hard == NULL) {
        hard = MU_NEW_ARRAY(&r->w->scratch, uint64_t, mu_bits_words(r->n_owners) + 1);
        if (r->order->hard != NULL)
            memcpy(hard, r->order->hard, mu_bits_words(r->n_owners) * 8);
    }
    mu_bit_set(hard, owner);
    return hard;
}

/* Owners that bitmaps do not decide; NULL: there are none. */
static const uint64_t *find_hard(const chain_run *r)
{
    uint64_t *hard = NULL;
    if (r->chain->items_max >= ORDER_LONG)
        for (uint32_t i = 0; i < r->order->n_long; i++) {
            uint32_t owner = r->order->long_owners[i];
            if (r->pair->offsets[owner + 1] - r->pair->offsets[owner] <= r->chain->items_max)
                break;
            hard = add_hard(r, hard, owner);
        }
    else
        for (uint32_t o = 0; o < r->n_owners; o++)
            hard = add_hard(r, hard, o);
    return hard != NULL ? hard : r->order->hard;
}

/* The owners that the conjunction above has not refused yet: of the others nobody reads the bit.
 * False when there are none. */
static bool find_wanted(chain_run *r, const plan_node *node, uint64_t *room)
{
    const kernel_set *k = r->w->job->kernels;
    size_t words = mu_bits_words(r->n_owners);
    r->n_wanted = r->n_owners;
    if (node->wanted_by == NO_NODE)
        return true;
    const plan_node *conjunction = &r->w->job->plan.nodes[node->wanted_by];
    for (uint32_t i = 0; i < conjunction->n_inputs; i++) {
        const uint64_t *bits = r->w->values[conjunction->inputs[i]].bits;
        if (bits == NULL || bits == r->out) /* not known yet */
            continue;
        if (r->wanted == NULL)
            memcpy(room, bits, words * 8);
        else
            k->and_words(room, bits, words, room);
        r->wanted = room;
    }
    if (r->wanted != NULL)
        r->n_wanted = (uint32_t)k->count_bits(room, words);
    return r->n_wanted > 0;
}

/* Some event for every element: else no owner matches, however long the search. */
static bool can_match(const chain_run *r)
{
    for (uint32_t e = 0; e < r->chain->n_elements; e++)
        if (worker_count(r->w, r->chain->elements[e].bits) == 0)
            return false;
    return true;
}

static mu_code run_all_owners(worker *w, uint32_t id, const plan_node *node,
                              const list_order *order, uint32_t n, uint64_t *out)
{
    uint64_t *owners = worker_raw_bits(w, n);
    mu_bits_fill(owners, n);
    mu_code code = run_chain_owners(w, id, node, order, owners, n, out);
    worker_give_bits(w, owners, n);
    return code;
}

mu_code run_chain(worker *w, uint32_t id, const plan_node *node, uint32_t n)
{
    level_pair *pair;
    chain_run r = {.w = w, .chain = node->chain, .n_items = w->levels[node->item_level].n};
    r.n_owners = n;
    r.out = worker_bits(w, n);
    w->values[id].bits = r.out;
    if (worker_count(w, node->chain->elements[0].bits) == 0) /* no search takes a step */
        return MU_OK;
    MU_TRY(worker_pair(w, node->level, node->item_level, &pair));
    MU_TRY(worker_order(w, node, &r.order));
    if (!node->chain->on_bitmaps)
        return run_all_owners(w, id, node, r.order, n, r.out);
    r.pair = pair;
    uint64_t *wanted = worker_raw_bits(w, n);
    if (find_wanted(&r, node, wanted) && can_match(&r)) {
        MU_TRY(worker_owner_of(w, node->level, node->item_level, &r.owner_of));
        r.rooms[0] = worker_raw_bits(w, r.n_items);
        r.rooms[1] = worker_raw_bits(w, r.n_items);
        run_on_bitmaps(&r);
        worker_give_bits(w, r.rooms[0], r.n_items);
        worker_give_bits(w, r.rooms[1], r.n_items);
    }
    worker_give_bits(w, wanted, n);
    const uint64_t *hard = find_hard(&r);
    return hard == NULL ? MU_OK : run_chain_owners(w, id, node, r.order, hard, n, r.out);
}
