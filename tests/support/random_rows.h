/* random_rows.h -- seeded random row types and rows that reach every encoding of a part. */
#ifndef MU_TESTS_SUPPORT_RANDOM_ROWS_H
#define MU_TESTS_SUPPORT_RANDOM_ROWS_H

#include "store/store.h"
#include "xdm/schema.h"

typedef struct random_source {
    uint64_t state;
} random_source;

/* From MUSTER_SEED, or else the clock; prints the seed. */
random_source random_source_from_environment(void);
uint64_t random_next(random_source *random);
uint32_t random_below(random_source *random, uint32_t n);

/* `n_cases`, or a tenth of it (at least 1) when MUSTER_QUICK is set. */
unsigned random_cases(unsigned n_cases);

/* An OBJECT of nested fields whose last is xEvent. */
const mu_type *random_row_type(mu_arena *arena, random_source *random);

/* A schema whose profile rows have that type. */
const mu_schema *schema_of_rows(mu_arena *arena, const mu_type *row_type);

/* A row of that type: what a field is like (constant, decimal, few or many distinct strings ...)
 * depends on its name. Events are in the order of time. */
mu_value random_row(mu_arena *arena, random_source *random, const mu_type *type, uint32_t n_events);

/* `n` distinct pids below `limit`, in ascending order of mu_mix32; `limit` >= 2 n. */
uint32_t *random_pids(mu_arena *arena, random_source *random, uint32_t n, uint32_t limit);

/* The identity that tests give to a pid. */
mu_identity identity_of_pid(mu_arena *arena, uint32_t pid);

/* A new empty folder below the system's folder for temporary files, and its removal with all it
 * holds. Returns memory of the caller. */
char *make_temporary_folder(void);
void remove_folder(char *folder);

#endif
