/* reference_chain.c -- chains: an ordered search over events (pql.md 12, docs/decisions/0030).
 *
 *   prepare   events in time order; items gathered into slots; conditions without an alias are
 *             evaluated once per event
 *   search    slot by slot with backtracking, on an explicit stack; states that failed are
 *             remembered where no alias makes them differ
 *
 * A slot is one element with what stands before it: GAPs and EXCLUDEs. EXCLUDEs after the last
 * element form a slot without an element.
 *
 *   [ EXCLUDE x, A: WHAT(a), GAP(<= 1 days), EXCLUDE y, B: WHAT(b), EXCLUDE z ]
 *     slot 0: before {x}, element A     slot 1: before {GAP, y}, element B     slot 2: before {z}
 */
#include "eval/reference_int.h"

#include <stdlib.h>

#define NO_EVENT UINT32_MAX

typedef struct chain_event {
    int64_t time_ms;
    uint32_t position; /* in the list: ties in time keep its order */
    mu_value value;
} chain_event;

/* A WHAT .. WHERE .. WHEN condition. `fixed` says per event whether the parts without an alias
 * hold; the others are evaluated in the search. */
typedef struct chain_condition {
    const mu_pql_chain_item *item;
    bool what_varies, where_varies, when_varies;
    bool *fixed;
    uint32_t
        *fixed_before; /* how many events before the i-th have `fixed` set; n_events + 1 long */
    int64_t least;     /* COUNT: at least so many events; 1 without */
} chain_condition;

typedef struct slot {
    chain_condition element; /* item NULL: the slot after the last element */
    uint32_t n_before;
    const mu_pql_chain_item **before; /* GAPs and EXCLUDEs in the order of the text */
    chain_condition *excludes;        /* n_before long; item NULL for a GAP */
    uint32_t nearest_memo;            /* see memo_is_valid */
    bool memo_is_valid;
    uint8_t *failed; /* bitmap by previous event + 1: nothing from here on fits */
} slot;

/* Where the search stands in a slot. */
typedef struct place {
    uint32_t previous; /* anchor of the slot before, or NO_EVENT */
    uint32_t next;     /* the next event to test */
    uint32_t first;    /* the first event of a COUNT, or NO_EVENT */
    int64_t n_found;
    uint32_t anchor; /* the chosen event: the last of a COUNT */
} place;

typedef struct chain {
    mu_evaluator *evaluator;
    const mu_pql *node;
    const mu_reference_scope *outer;
    uint32_t n_events;
    chain_event *events;
    uint32_t n_slots; /* with elements; slots[n_slots] is the one after them */
    slot *slots;
    place *places;
    mu_reference_scope *aliases; /* one per slot, chained to `outer` */
    uint64_t n_steps;
    bool is_stopped; /* the step guard tripped */
} chain;

/* -------- which conditions mention an alias -------- */

typedef struct alias_search {
    const chain *chain;
    bool found;
    uint32_t first_slot; /* the earliest slot whose alias is mentioned */
} alias_search;

static void note_alias(void *context, const mu_pql *node)
{
    alias_search *search = context;
    if (node->kind == MU_PQL_VARIABLE) {
        for (uint32_t i = 0; i < search->chain->n_slots; i++) {
            const mu_pql_chain_item *item = search->chain->slots[i].element.item;
            if (item->name.len == 0 || !mu_str_equal(item->name, node->name))
                continue;
            search->found = true;
            if (i < search->first_slot)
                search->first_slot = i;
        }
    }
    mu_reference_children(node, note_alias, context); /* as deep as the tree */
}

/* Notes aliases of a part into *first_slot; NULL parts mention none. */
static bool mentions_alias(const chain *c, const mu_pql *part, uint32_t *first_slot)
{
    alias_search search = {.chain = c, .first_slot = *first_slot};
    if (part != NULL)
        note_alias(&search, part);
    *first_slot = search.first_slot;
    return search.found;
}

static uint32_t classify(const chain *c, chain_condition *condition)
{
    const mu_pql_chain_item *item = condition->item;
    uint32_t first_slot = UINT32_MAX;
    condition->what_varies = mentions_alias(c, item->what, &first_slot);
    condition->where_varies = mentions_alias(c, item->where, &first_slot);
    if (item->when != NULL) {
        bool start = mentions_alias(c, item->when->start, &first_slot);
        bool end = mentions_alias(c, item->when->end, &first_slot);
        condition->when_varies = start || end;
    }
    return first_slot;
}

/* -------- preparing -------- */

static int compare_events(const void *left, const void *right)
{
    const chain_event *a = left, *b = right;
    if (a->time_ms != b->time_ms)
        return a->time_ms < b->time_ms ? -1 : 1;
    return (a->position > b->position) - (a->position < b->position);
}

/* Items without a time cannot be ordered and take no part. */
static void gather_events(chain *c, mu_value list)
{
    c->events = MU_NEW_ARRAY(c->evaluator->arena, chain_event, list.n);
    for (uint32_t i = 0; i < list.n; i++) {
        chain_event *event = &c->events[c->n_events];
        bool is_day;
        mu_value time = mu_reference_member(c->evaluator, list.items[i], c->node->name);
        if (!mu_value_as_time(time, &event->time_ms, &is_day))
            continue;
        event->position = i;
        event->value = list.items[i];
        c->n_events++;
    }
    if (c->n_events > 0)
        qsort(c->events, c->n_events, sizeof *c->events, compare_events);
}

/* COUNT(n), COUNT(>= n), COUNT(> n): at least how many; false for the other forms. */
static bool at_least(const mu_pql_chain_item *item, int64_t *out)
{
    *out = 1;
    if (!item->has_count)
        return true;
    if (item->count_is_all || item->count_is_between)
        return false;
    *out = item->count;
    if (item->comparison == MU_FN_GREATER && item->count < INT64_MAX)
        (*out)++;
    return item->comparison == MU_FN_GREATER_EQUAL || item->comparison == MU_FN_GREATER;
}

static bool condition_part(chain *c, const mu_pql *part, uint32_t event)
{
    if (part == NULL)
        return true;
    return mu_value_is_true(
        mu_reference_item(c->evaluator, part, c->outer, c->events[event].value, MU_VALUE_NULL));
}

/* Evaluates the parts that mention no alias, for every event. */
static void settle(chain *c, chain_condition *condition)
{
    const mu_pql_chain_item *item = condition->item;
    mu_when_set set;
    bool has_set = false;
    condition->fixed = MU_NEW_ARRAY(c->evaluator->arena, bool, c->n_events);
    condition->fixed_before = MU_NEW_ARRAY(c->evaluator->arena, uint32_t, (size_t)c->n_events + 1);
    if (item->when != NULL && !condition->when_varies)
        has_set = mu_reference_when(c->evaluator, item->when, c->outer, &set);
    for (uint32_t i = 0; i < c->n_events; i++) {
        bool holds = true;
        if (!condition->what_varies)
            holds &= condition_part(c, item->what, i);
        if (!condition->where_varies)
            holds &= condition_part(c, item->where, i);
        if (item->when != NULL && !condition->when_varies)
            holds &= has_set && mu_when_contains(&set, c->events[i].time_ms);
        condition->fixed[i] = holds;
        condition->fixed_before[i + 1] = condition->fixed_before[i] + holds;
    }
}

/* Counts the slots; an element with COUNT(0) holds of itself and makes none. */
static bool count_slots(chain *c)
{
    uint32_t n_elements = 0;
    int64_t least;
    for (uint32_t i = 0; i < c->node->n_items; i++) {
        const mu_pql_chain_item *item = &c->node->items[i];
        if (item->kind != MU_ITEM_ELEMENT)
            continue;
        n_elements++;
        if (!at_least(item, &least))
            return false; /* refused when bound (PQL-V06) */
        c->n_slots += least > 0;
    }
    return n_elements > 0;
}

static void fill_slots(chain *c)
{
    mu_arena *arena = c->evaluator->arena;
    uint32_t at = 0;
    c->slots = MU_NEW_ARRAY(arena, slot, (size_t)c->n_slots + 1);
    c->places = MU_NEW_ARRAY(arena, place, (size_t)c->n_slots + 1);
    c->aliases = MU_NEW_ARRAY(arena, mu_reference_scope, (size_t)c->n_slots + 1);
    const mu_pql_chain_item **before =
        MU_NEW_ARRAY(arena, const mu_pql_chain_item *, c->node->n_items);
    c->slots[0].before = before;
    for (uint32_t i = 0; i < c->node->n_items; i++) {
        const mu_pql_chain_item *item = &c->node->items[i];
        slot *now = &c->slots[at];
        int64_t least;
        if (item->kind != MU_ITEM_ELEMENT) {
            now->before[now->n_before++] = item;
        } else if (at_least(item, &least) && least > 0) {
            now->element.item = item;
            now->element.least = least;
            c->slots[++at].before = now->before + now->n_before;
        }
    }
}

/* What a state (slot, previous event) leads to does not depend on earlier choices when nothing from
 * the slot on mentions an alias from before the previous slot. */
static void prepare_slots(chain *c)
{
    mu_arena *arena = c->evaluator->arena;
    for (uint32_t i = 0; i <= c->n_slots; i++) {
        slot *now = &c->slots[i];
        now->nearest_memo = UINT32_MAX;
        if (now->element.item != NULL) {
            now->nearest_memo = classify(c, &now->element);
            settle(c, &now->element);
        }
        now->excludes = MU_NEW_ARRAY(arena, chain_condition, now->n_before);
        for (uint32_t k = 0; k < now->n_before; k++) {
            if (now->before[k]->kind != MU_ITEM_EXCLUDE)
                continue;
            chain_condition *exclude = &now->excludes[k];
            exclude->item = now->before[k];
            if (!at_least(exclude->item, &exclude->least))
                exclude->least = 1; /* refused by the parser (PQL-S04) */
            uint32_t first_slot = classify(c, exclude);
            if (first_slot < now->nearest_memo)
                now->nearest_memo = first_slot;
            settle(c, exclude);
        }
    }
    uint32_t earliest = UINT32_MAX;
    for (uint32_t i = c->n_slots + 1; i-- > 0;) {
        slot *now = &c->slots[i];
        if (now->nearest_memo < earliest)
            earliest = now->nearest_memo;
        now->memo_is_valid = i == 0 || earliest >= i - 1;
        if (i < c->n_slots)
            now->failed = MU_NEW_ARRAY(arena, uint8_t, ((size_t)c->n_events + 8) / 8);
    }
}

/* -------- testing -------- */

static bool count_step(chain *c)
{
    if (++c->n_steps <= MU_CHAIN_STEPS_MAX)
        return true;
    c->is_stopped = true;
    c->evaluator->trips |= 1u << MU_GUARD_CHAIN_STEPS;
    return false;
}

static bool is_same_time(const chain *c, uint32_t a, uint32_t b)
{
    return c->events[a].time_ms == c->events[b].time_ms;
}

/* The condition for one event, given the aliases of the slots before `at`. */
static bool satisfies(chain *c, const chain_condition *condition, uint32_t at, uint32_t event)
{
    const mu_pql_chain_item *item = condition->item;
    const mu_reference_scope *scope = at == 0 ? c->outer : &c->aliases[at - 1];
    const chain_event *candidate = &c->events[event];
    mu_when_set set;
    bool holds = condition->fixed[event];
    if (condition->what_varies)
        holds &= mu_value_is_true(
            mu_reference_item(c->evaluator, item->what, scope, candidate->value, MU_VALUE_NULL));
    if (condition->where_varies)
        holds &= mu_value_is_true(
            mu_reference_item(c->evaluator, item->where, scope, candidate->value, MU_VALUE_NULL));
    if (condition->when_varies)
        holds &= mu_reference_when(c->evaluator, item->when, scope, &set) &&
                 mu_when_contains(&set, candidate->time_ms);
    return holds;
}

/* GAP(c n u): as WHEN(c n u after PREVIOUS). */
static bool gap_holds(const chain *c, const mu_pql_chain_item *gap, uint32_t previous,
                      uint32_t event)
{
    if (previous == NO_EVENT) /* refused by the parser (PQL-S08) */
        return true;
    mu_pql_when when = {.relation = MU_DIRECTION_AFTER,
                        .has_qualification = true,
                        .comparison = gap->comparison,
                        .count = gap->count,
                        .unit = gap->unit};
    mu_time_bounds base = mu_time_bounds_of_instant(c->events[previous].time_ms);
    return mu_time_range_contains(mu_time_range_of(&when, base, base), c->events[event].time_ms);
}

/* Are there fewer than COUNT events of an EXCLUDE strictly between its neighbours? Tests of events
 * against a condition with an alias are steps too. */
static bool exclude_holds(chain *c, const chain_condition *exclude, uint32_t at, uint32_t previous,
                          uint32_t event)
{
    uint32_t from = previous == NO_EVENT ? 0 : previous + 1;
    uint32_t to = event == NO_EVENT ? c->n_events : event;
    while (previous != NO_EVENT && from < to && is_same_time(c, from, previous))
        from++;
    while (event != NO_EVENT && to > from && is_same_time(c, to - 1, event))
        to--;
    if (!exclude->what_varies && !exclude->where_varies && !exclude->when_varies)
        return (int64_t)exclude->fixed_before[to] - exclude->fixed_before[from] < exclude->least;
    int64_t n = 0;
    for (uint32_t i = from; i < to; i++) {
        if (!exclude->fixed[i])
            continue;
        if (!count_step(c))
            return false;
        n += satisfies(c, exclude, at, i);
    }
    return n < exclude->least;
}

/* Everything between the previous element's event and `event` (NO_EVENT: the end). */
static bool before_holds(chain *c, uint32_t at, uint32_t previous, uint32_t event)
{
    const slot *now = &c->slots[at];
    for (uint32_t k = 0; k < now->n_before; k++) {
        bool holds = now->excludes[k].item != NULL
                         ? exclude_holds(c, &now->excludes[k], at, previous, event)
                         : gap_holds(c, now->before[k], previous, event);
        if (!holds)
            return false;
    }
    return true;
}

/* -------- searching -------- */

static void enter_slot(chain *c, uint32_t at)
{
    place *here = &c->places[at];
    *here = (place){.previous = at == 0 ? NO_EVENT : c->places[at - 1].anchor,
                    .first = NO_EVENT,
                    .anchor = NO_EVENT};
    if (here->previous != NO_EVENT)
        here->next = here->previous + 1;
}

static void choose_anchor(chain *c, uint32_t at, uint32_t event)
{
    c->places[at].anchor = event;
    c->aliases[at] = (mu_reference_scope){.outer = at == 0 ? c->outer : &c->aliases[at - 1],
                                          .kind = MU_SCOPE_ALIAS,
                                          .name = c->slots[at].element.item->name,
                                          .value = c->events[event].value,
                                          .time_ms = c->events[event].time_ms};
}

/* Moves to the next event that can be this slot's anchor. Of a COUNT of several the first event is
 * the earliest that the gap allows: any later one would leave fewer to count. */
static bool next_anchor(chain *c, uint32_t at)
{
    place *here = &c->places[at];
    const chain_condition *element = &c->slots[at].element;
    while (here->next < c->n_events) {
        uint32_t event = here->next++;
        bool is_later = here->previous == NO_EVENT ||
                        c->events[event].time_ms > c->events[here->previous].time_ms; /* D65 */
        if (!is_later || !element->fixed[event])
            continue;
        if (!count_step(c))
            return false;
        if (!satisfies(c, element, at, event))
            continue;
        bool is_first = here->first == NO_EVENT || element->least == 1;
        if (is_first && !before_holds(c, at, here->previous, event))
            continue;
        if (is_first)
            here->first = event;
        here->n_found++;
        if (here->n_found >= element->least) {
            choose_anchor(c, at, event);
            return true;
        }
    }
    return false;
}

static uint32_t memo_index(const place *here)
{
    return here->previous == NO_EVENT ? 0 : here->previous + 1;
}

static bool has_failed(const chain *c, uint32_t at)
{
    uint32_t index = memo_index(&c->places[at]);
    return c->slots[at].memo_is_valid && (c->slots[at].failed[index / 8] >> index % 8 & 1) != 0;
}

static void remember_failure(chain *c, uint32_t at)
{
    uint32_t index = memo_index(&c->places[at]);
    c->slots[at].failed[index / 8] |= (uint8_t)(1u << index % 8);
}

/* Nothing between the elements and no alias: the earliest match of each element decides (12.5). */
static bool earliest_decides(const chain *c)
{
    for (uint32_t i = 0; i <= c->n_slots; i++) {
        const chain_condition *element = &c->slots[i].element;
        if (c->slots[i].n_before > 0 || element->what_varies || element->where_varies ||
            element->when_varies)
            return false;
    }
    return true;
}

static bool search(chain *c)
{
    bool is_greedy = earliest_decides(c);
    uint32_t at = 0, end = c->n_slots;
    enter_slot(c, 0);
    for (;;) {
        if (next_anchor(c, at)) {
            if (at + 1 == end) {
                if (before_holds(c, end, c->places[at].anchor, NO_EVENT))
                    return true;
                continue;
            }
            enter_slot(c, ++at);
            if (!has_failed(c, at))
                continue;
        } else {
            if (c->is_stopped || is_greedy)
                return false;
            remember_failure(c, at);
        }
        if (at == 0)
            return false;
        at--;
    }
}

/* -------- one element with a count that is not at-least (12.4) -------- */

static bool count_satisfies(const mu_pql_chain_item *item, int64_t n)
{
    if (item->count_is_between)
        return n >= item->count && n <= item->count_max;
    return mu_value_relation_holds(item->comparison, mu_value_integer(n),
                                   mu_value_integer(item->count), false);
}

/* S: the events that satisfy WHEN; n: those of S that satisfy WHAT and WHERE. */
static bool count_chain(chain *c, const mu_pql_chain_item *item, mu_value_list *witnesses)
{
    mu_when_set set;
    int64_t n_in_window = 0, n = 0;
    bool has_set =
        item->when != NULL && mu_reference_when(c->evaluator, item->when, c->outer, &set);
    for (uint32_t i = 0; i < c->n_events; i++) {
        bool what = condition_part(c, item->what, i), where = condition_part(c, item->where, i);
        bool in_window =
            item->when == NULL || (has_set && mu_when_contains(&set, c->events[i].time_ms));
        n_in_window += in_window;
        n += in_window && what && where;
        if (in_window && what && where)
            mu_value_list_add(witnesses, c->events[i].value);
    }
    if (item->count_is_all)
        return n_in_window > 0 && n == n_in_window;
    return count_satisfies(item, n);
}

/* -------- witnesses -------- */

/* The events of the assignment, and every candidate of the element that has the fewest: without
 * those no assignment is left. */
static void add_witnesses(const chain *c, mu_value_list *out)
{
    uint32_t fewest = UINT32_MAX, rarest = 0;
    for (uint32_t i = 0; i < c->n_slots; i++) {
        uint32_t n = 0;
        mu_value_list_add(out, c->events[c->places[i].anchor].value);
        for (uint32_t k = 0; k < c->n_events; k++)
            n += c->slots[i].element.fixed[k];
        if (n < fewest) {
            fewest = n;
            rarest = i;
        }
    }
    for (uint32_t k = 0; c->n_slots > 0 && k < c->n_events; k++)
        if (c->slots[rarest].element.fixed[k])
            mu_value_list_add(out, c->events[k].value);
}

static bool search_chain(chain *c, mu_value_list *witnesses)
{
    if (!count_slots(c))
        return false;
    fill_slots(c);
    prepare_slots(c);
    if (c->n_slots == 0) /* only COUNT(0): what stands beside it is bounded by the list's ends */
        return before_holds(c, 0, NO_EVENT, NO_EVENT);
    bool holds = search(c);
    if (holds)
        add_witnesses(c, witnesses);
    return holds;
}

mu_value mu_reference_chain(mu_evaluator *evaluator, const mu_pql *node,
                            const mu_reference_scope *scope)
{
    chain c = {.evaluator = evaluator, .node = node, .outer = scope};
    mu_value_list witnesses;
    int64_t least;
    bool holds;
    mu_value_list_init(&witnesses, evaluator->arena);
    mu_value list = mu_reference_node(evaluator, node->args[0], scope);
    gather_events(&c, mu_value_as_list(evaluator->arena, list));
    bool is_count = node->n_items == 1 && node->items[0].kind == MU_ITEM_ELEMENT &&
                    !at_least(&node->items[0], &least);
    if (is_count)
        holds = count_chain(&c, &node->items[0], &witnesses);
    else
        holds = search_chain(&c, &witnesses);
    if (holds && scope == NULL && evaluator->chain_holds != NULL)
        evaluator->chain_holds(evaluator->chain_context, node, witnesses.n, witnesses.items);
    return mu_value_boolean(holds);
}
