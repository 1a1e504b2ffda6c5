/* arena.h -- one region of memory per lifetime, freed as a whole.
 *
 * Allocation never returns NULL: when the system has no memory left, or the arena's ceiling is
 * reached, the process-wide out-of-memory handler ends the process with a message, unless the arena
 * was given a jump target with mu_arena_on_limit. An arena belongs to one thread at a time.
 */
#ifndef MU_BASE_ARENA_H
#define MU_BASE_ARENA_H

#include "base/str.h"

#include <setjmp.h>

typedef struct mu_arena_chunk mu_arena_chunk;

typedef struct mu_arena {
    char *at, *end;         /* free space of the current chunk */
    mu_arena_chunk *chunks; /* newest first */
    size_t used_bytes;      /* handed to us by the system */
    size_t max_bytes;       /* ceiling for used_bytes; SIZE_MAX when none */
    jmp_buf *on_limit;      /* where to go when the ceiling is reached; NULL ends the process */
} mu_arena;

/* Caller's memory; nothing is allocated before the first use. */
void mu_arena_init(mu_arena *arena, size_t max_bytes);
void mu_arena_free(mu_arena *arena);

/* Forgets everything, keeping one chunk for the next round. */
void mu_arena_reset(mu_arena *arena);

/* Forgets everything, keeping as much as was used (up to 64 MiB of it) in one chunk: rounds of the
 * same size soon ask the system for nothing. */
void mu_arena_rewind(mu_arena *arena);

/* Zeroed memory, aligned to 16 bytes. */
void *mu_arena_alloc(mu_arena *arena, size_t size);

/* `count * size` zeroed bytes; a product that overflows counts as reaching the ceiling. */
void *mu_arena_array(mu_arena *arena, size_t count, size_t size);

#define MU_NEW(arena, type)          ((type *)mu_arena_alloc((arena), sizeof(type)))
#define MU_NEW_ARRAY(arena, type, n) ((type *)mu_arena_array((arena), (n), sizeof(type)))

/* A copy of `text` in the arena, NUL-terminated beyond its length. */
mu_str mu_arena_copy(mu_arena *arena, mu_str text);

/* Room for `size` bytes, not zeroed, for a text whose length is not known yet; nothing else may be
 * allocated before mu_arena_take says how many of them it has. */
char *mu_arena_reserve(mu_arena *arena, size_t size);
void mu_arena_take(mu_arena *arena, size_t used);

mu_str mu_arena_format(mu_arena *arena, const char *format, ...) MU_PRINTF(2, 3);

#endif
