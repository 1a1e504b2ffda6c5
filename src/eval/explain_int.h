/* explain_int.h -- finding the event that a value lies in, and sets of events. */
#ifndef MU_EVAL_EXPLAIN_INT_H
#define MU_EVAL_EXPLAIN_INT_H

#include "eval/reference_int.h"

/* Events by the storage of the objects, lists and maps inside them. */
typedef struct mu_event_map {
    uint32_t n_events;
    size_t n_entries;
    struct mu_event_entry *entries; /* sorted by storage */
} mu_event_map;

void mu_event_map_init(mu_event_map *map, mu_arena *arena, mu_value events);

/* The index of the event that `value` lies in or is; false when it is no part of one, or a scalar,
 * which cannot be told. */
bool mu_event_map_find(const mu_event_map *map, mu_value value, uint32_t *out);

/* A set of events, as one byte each. */
typedef struct mu_event_set {
    uint32_t n;
    uint8_t *has; /* NULL: empty */
} mu_event_set;

void mu_event_set_add(mu_event_set *set, mu_arena *arena, const mu_event_map *map, uint32_t event);
void mu_event_set_add_all(mu_event_set *set, mu_arena *arena, const mu_event_map *map,
                          const mu_event_set *other);

#endif
