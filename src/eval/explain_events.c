/* explain_events.c -- which event does a value lie in? Values have no identity, but the storage of
 * an object's fields, a list's items or a map's entries belongs to one event only. */
#include "eval/explain_int.h"

#include <stdlib.h>

typedef struct mu_event_entry {
    const mu_value *storage;
    uint32_t event;
} mu_event_entry;

static bool has_storage(mu_value value)
{
    return (value.kind == MU_TYPE_OBJECT || value.kind == MU_TYPE_LIST ||
            value.kind == MU_TYPE_MAP) &&
           value.n > 0;
}

/* Recursion follows the nesting of stored JSON, which the reader limits. */
static size_t count_entries(mu_value value)
{
    size_t n = 0;
    if (!has_storage(value))
        return 0;
    for (uint32_t i = 0; i < value.n; i++)
        n += count_entries(value.items[i]);
    return n + 1;
}

static void add_entries(mu_event_map *map, mu_value value, uint32_t event)
{
    if (!has_storage(value))
        return;
    map->entries[map->n_entries++] = (mu_event_entry){value.items, event};
    for (uint32_t i = 0; i < value.n; i++)
        add_entries(map, value.items[i], event);
}

static int compare_entries(const void *left, const void *right)
{
    uintptr_t a = (uintptr_t)((const mu_event_entry *)left)->storage;
    uintptr_t b = (uintptr_t)((const mu_event_entry *)right)->storage;
    return (a > b) - (a < b);
}

void mu_event_map_init(mu_event_map *map, mu_arena *arena, mu_value events)
{
    size_t n = 0;
    for (uint32_t i = 0; i < events.n; i++)
        n += count_entries(events.items[i]);
    *map = (mu_event_map){.n_events = events.n, .entries = MU_NEW_ARRAY(arena, mu_event_entry, n)};
    for (uint32_t i = 0; i < events.n; i++)
        add_entries(map, events.items[i], i);
    if (n > 0)
        qsort(map->entries, n, sizeof *map->entries, compare_entries);
}

bool mu_event_map_find(const mu_event_map *map, mu_value value, uint32_t *out)
{
    if (!has_storage(value) || map->n_entries == 0)
        return false;
    mu_event_entry key = {.storage = value.items};
    const mu_event_entry *found =
        bsearch(&key, map->entries, map->n_entries, sizeof key, compare_entries);
    if (found == NULL)
        return false;
    *out = found->event;
    return true;
}

void mu_event_set_add(mu_event_set *set, mu_arena *arena, const mu_event_map *map, uint32_t event)
{
    if (set->has == NULL)
        set->has = MU_NEW_ARRAY(arena, uint8_t, map->n_events);
    set->n += set->has[event] == 0;
    set->has[event] = 1;
}

void mu_event_set_add_all(mu_event_set *set, mu_arena *arena, const mu_event_map *map,
                          const mu_event_set *other)
{
    for (uint32_t i = 0; other->n > 0 && i < map->n_events; i++)
        if (other->has[i] != 0)
            mu_event_set_add(set, arena, map, i);
}
