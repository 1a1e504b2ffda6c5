/* uuid.h -- random identifiers (RFC 4122, version 4) from the system's random numbers. */
#ifndef MU_BASE_UUID_H
#define MU_BASE_UUID_H

#include "base/arena.h"

/* The system gives up to 256 bytes at once, and never fails for want of randomness. */
void mu_random_bytes(uint8_t *out, size_t len);

/* Lower case, 36 characters, in `arena`. */
mu_str mu_uuid_make(mu_arena *arena);

#endif
