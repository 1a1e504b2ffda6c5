/* part_rows.h -- random row types and rows that reach every encoding of a part, and folders to put
 * them in. */
#ifndef MU_TESTS_SUPPORT_PART_ROWS_H
#define MU_TESTS_SUPPORT_PART_ROWS_H

#include "store/store.h"
#include "tests/support/dice.h"

/* An OBJECT of nested fields whose last is xEvent. */
const mu_type *mu_random_row_type(mu_arena *arena, mu_dice *dice);

/* A schema whose profile rows have that type. */
const mu_schema *mu_schema_of_rows(mu_arena *arena, const mu_type *row_type);

/* A row of that type: what a field is like (constant, decimal, few or many distinct strings ...)
 * depends on its name. Events are in the order of time. */
mu_value mu_random_row(mu_arena *arena, mu_dice *dice, const mu_type *type, uint32_t n_events);

/* `n` distinct pids below `limit`, in ascending order of mu_mix32; `limit` >= 2 n. */
uint32_t *mu_random_pids(mu_arena *arena, mu_dice *dice, uint32_t n, uint32_t limit);

/* The identity that tests give to a pid. */
/* Rows whose columns the writer packs in every way it has, in order from number 0. */
const mu_type *mu_packed_row_type(mu_arena *arena);
mu_value mu_packed_row(mu_arena *arena, mu_dice *dice, const mu_type *type, uint32_t number);

mu_identity mu_identity_of_pid(mu_arena *arena, uint32_t pid);

/* A new empty folder below the system's folder for temporary files, and its removal with all it
 * holds. Returns memory of the caller. */
char *mu_make_temporary_folder(void);
void mu_remove_folder(char *folder);

#endif
