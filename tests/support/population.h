/* population.h -- many small profiles in a store: one large part, small ones that replaced some of
 * its rows, and parts in memory that did the same; and who they are now.
 *
 * A profile has integers v0 .. v15 from 0 to 9,999, up to three events with a `timestamp` and an
 * integer `kind` from 0 to 9, and a primary identity of the namespace CRM or Email; every third one
 * has an identityMap with both. What cannot be made fails the test program.
 */
#ifndef MU_TESTS_SUPPORT_POPULATION_H
#define MU_TESTS_SUPPORT_POPULATION_H

#include "pql/pql.h"
#include "store/store.h"
#include "tests/support/dice.h"

#define POPULATION_VALUES 16u

typedef struct population_profile {
    bool is_alive, has_map;
    uint16_t values[POPULATION_VALUES];
    uint8_t n_events, kinds[3];
} population_profile;

typedef struct population {
    char *folder;
    mu_store *store;
    mu_snapshot *snapshot;
    const mu_entity *profiles;
    mu_arena arena;
    uint32_t n_pids; /* pids are 1 to n_pids */
    population_profile *by_pid;
} population;

typedef struct population_shape {
    uint32_t n_profiles;       /* in the first part */
    uint32_t n_disk, n_memory; /* changes after it, each a part of its own */
    uint32_t n_replaced;       /* rows that each change replaces */
    uint32_t n_removed, n_new; /* rows that each takes away, and new ones */
} population_shape;

void population_make(mu_dice *dice, const population_shape *shape, population *out);
void population_free(population *p);

/* A rule bound to the population's schema, in its arena. */
const mu_pql *population_rule(population *p, const char *text);

uint32_t population_count(const population *p);

#endif
