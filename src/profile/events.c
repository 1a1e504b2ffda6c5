/* events.c -- a profile's events: which are the same, and in what order they come. */
#include "profile/content_int.h"

#include "base/hash.h"

#include <stdlib.h>

uint64_t mu_event_hash(const mu_content_fields *fields, mu_value event, bool across)
{
    mu_str dataset = mu_text_at(event, fields->dataset), id = mu_text_at(event, fields->id);
    uint64_t seed = (uint64_t)mu_number_at(event, fields->key);
    if (!across)
        seed ^= (uint64_t)mu_number_at(event, fields->identity) << 32;
    return mu_hash64(id.ptr, id.len, mu_hash64(dataset.ptr, dataset.len, seed));
}

bool mu_event_same(const mu_content_fields *fields, mu_value a, mu_value b, bool across)
{
    return mu_str_equal(mu_text_at(a, fields->id), mu_text_at(b, fields->id)) &&
           mu_number_at(a, fields->key) == mu_number_at(b, fields->key) &&
           (across || mu_number_at(a, fields->identity) == mu_number_at(b, fields->identity)) &&
           mu_str_equal(mu_text_at(a, fields->dataset), mu_text_at(b, fields->dataset));
}

mu_value mu_event_with(mu_arena *arena, mu_value event, uint32_t field, mu_value value)
{
    MU_ASSERT(field < event.n);
    mu_value *items = MU_NEW_ARRAY(arena, mu_value, event.n);
    memcpy(items, event.items, event.n * sizeof *items);
    items[field] = value;
    event.items = items;
    return event;
}

/* -------- a set of events by key -------- */

static uint32_t slots_for(uint32_t capacity)
{
    uint32_t n_slots = 16;
    while (n_slots / 2 < capacity && n_slots < (uint32_t)1 << 31)
        n_slots *= 2;
    return n_slots;
}

void mu_event_join_init(mu_event_join *set, mu_arena *arena, const mu_content_fields *fields,
                        uint32_t capacity)
{
    uint32_t n_slots = slots_for(capacity);
    *set = (mu_event_join){.fields = fields,
                           .arena = arena,
                           .entries = MU_NEW_ARRAY(arena, mu_event_entry, capacity),
                           .capacity = capacity,
                           .slots = MU_NEW_ARRAY(arena, uint32_t, n_slots),
                           .mask = n_slots - 1};
}

void mu_event_join_add(mu_event_join *set, mu_value event, uint64_t order)
{
    MU_ASSERT(set->n < set->capacity);
    uint64_t hash = mu_event_hash(set->fields, event, false);
    uint32_t slot = (uint32_t)hash & set->mask;
    for (; set->slots[slot] != 0; slot = (slot + 1) & set->mask) {
        mu_event_entry *old = &set->entries[set->slots[slot] - 1];
        if (old->hash == hash && mu_event_same(set->fields, old->event, event, false)) {
            old->is_gone = true;
            break;
        }
    }
    set->entries[set->n] =
        (mu_event_entry){.event = event,
                         .timestamp_ms = mu_number_at(event, set->fields->timestamp),
                         .order = order,
                         .hash = hash};
    set->slots[slot] = ++set->n;
}

void mu_event_join_is_sorted(mu_event_join *set)
{
    set->n_sorted = set->n;
}

static int compare_entries(const void *pa, const void *pb)
{
    const mu_event_entry *a = *(const mu_event_entry *const *)pa;
    const mu_event_entry *b = *(const mu_event_entry *const *)pb;
    if (a->timestamp_ms != b->timestamp_ms)
        return a->timestamp_ms < b->timestamp_ms ? -1 : 1;
    if (a->order != b->order)
        return a->order < b->order ? -1 : 1;
    return (a > b) - (a < b); /* as they were added */
}

/* The entries from set->n_sorted on that are left, in order. */
static const mu_event_entry **sorted_tail(const mu_event_join *set, uint32_t *n_out)
{
    const mu_event_entry **tail =
        MU_NEW_ARRAY(set->arena, const mu_event_entry *, set->n - set->n_sorted);
    uint32_t n = 0;
    bool in_order = true;
    for (uint32_t i = set->n_sorted; i < set->n; i++) {
        if (set->entries[i].is_gone)
            continue;
        tail[n] = &set->entries[i];
        in_order = in_order && (n == 0 || compare_entries(&tail[n - 1], &tail[n]) < 0);
        n++;
    }
    if (!in_order)
        qsort(tail, n, sizeof *tail, compare_entries);
    *n_out = n;
    return tail;
}

mu_value mu_event_join_list(const mu_event_join *set)
{
    uint32_t n_tail, n = 0, t = 0;
    const mu_event_entry **tail = sorted_tail(set, &n_tail);
    mu_value *items = MU_NEW_ARRAY(set->arena, mu_value, (size_t)set->n_sorted + n_tail);
    for (uint32_t i = 0; i < set->n_sorted; i++) {
        if (set->entries[i].is_gone)
            continue;
        while (t < n_tail && tail[t]->timestamp_ms < set->entries[i].timestamp_ms)
            items[n++] = tail[t++]->event;
        items[n++] = set->entries[i].event;
    }
    while (t < n_tail)
        items[n++] = tail[t++]->event;
    return (mu_value){.kind = MU_TYPE_LIST, .n = n, .items = items};
}

/* -------- one event under several identities -------- */

static bool has_one_identity(const mu_content_fields *fields, mu_value events)
{
    for (uint32_t i = 1; i < events.n; i++)
        if (mu_number_at(events.items[i], fields->identity) !=
            mu_number_at(events.items[0], fields->identity))
            return false;
    return true;
}

/* hidden[i] is set for events that another one replaces; returns how many. */
static uint32_t find_hidden(mu_arena *arena, const mu_content_fields *fields, mu_value events,
                            bool *hidden)
{
    uint32_t n_slots = slots_for(events.n), n_hidden = 0;
    uint32_t *slots = MU_NEW_ARRAY(arena, uint32_t, n_slots);
    for (uint32_t i = 0; i < events.n; i++) {
        uint32_t slot = (uint32_t)mu_event_hash(fields, events.items[i], true) & (n_slots - 1);
        while (slots[slot] != 0 &&
               !mu_event_same(fields, events.items[slots[slot] - 1], events.items[i], true))
            slot = (slot + 1) & (n_slots - 1);
        uint32_t other = slots[slot];
        slots[slot] = i + 1;
        if (other == 0)
            continue;
        bool other_is_newer = mu_number_at(events.items[other - 1], fields->received) >
                              mu_number_at(events.items[i], fields->received);
        hidden[other_is_newer ? i : other - 1] = true;
        if (other_is_newer)
            slots[slot] = other;
        n_hidden++;
    }
    return n_hidden;
}

mu_value mu_events_collapse(mu_arena *arena, const mu_content_fields *fields, mu_value events,
                            mu_value *hidden)
{
    *hidden = (mu_value){.kind = MU_TYPE_LIST};
    if (has_one_identity(fields, events))
        return events;
    bool *is_hidden = MU_NEW_ARRAY(arena, bool, events.n);
    uint32_t n_hidden = find_hidden(arena, fields, events, is_hidden);
    if (n_hidden == 0)
        return events;
    mu_value *kept = MU_NEW_ARRAY(arena, mu_value, events.n - n_hidden);
    mu_value *rest = MU_NEW_ARRAY(arena, mu_value, n_hidden);
    uint32_t n_kept = 0, n_rest = 0;
    for (uint32_t i = 0; i < events.n; i++)
        *(is_hidden[i] ? &rest[n_rest++] : &kept[n_kept++]) = events.items[i];
    *hidden = (mu_value){.kind = MU_TYPE_LIST, .n = n_rest, .items = rest};
    return (mu_value){.kind = MU_TYPE_LIST, .n = n_kept, .items = kept};
}
