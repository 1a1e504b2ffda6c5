/* uuid.h -- random identifiers (RFC 4122, version 4) from the system's random numbers. */
#ifndef MU_BASE_UUID_H
#define MU_BASE_UUID_H

#include "base/arena.h"

/* The system gives up to 256 bytes at once, and never fails for want of randomness. */
void mu_random_bytes(uint8_t *out, size_t len);

/* Lower case, 36 characters, in `arena`. */
mu_str mu_uuid_make(mu_arena *arena);

#define MU_UUID_BYTES  16u
#define MU_UUID_LENGTH 36u

/* The text of 16 bytes, lower case; any bytes have one. */
void mu_uuid_write(const uint8_t bytes[MU_UUID_BYTES], char text[MU_UUID_LENGTH]);

/* The bytes of such a text; false when mu_uuid_write would not give this very text. */
bool mu_uuid_read(const char text[MU_UUID_LENGTH], uint8_t bytes[MU_UUID_BYTES]);

#endif
