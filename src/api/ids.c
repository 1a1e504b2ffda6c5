#include "api/api_int.h"

#include "base/uuid.h"

static const char hex[] = "0123456789abcdef";

mu_str mu_api_hex(mu_arena *arena, size_t n_digits)
{
    size_t n_bytes = (n_digits + 1) / 2;
    uint8_t *bytes = mu_arena_alloc(arena, n_bytes);
    char *out = mu_arena_alloc(arena, n_digits + 1);
    mu_random_bytes(bytes, n_bytes);
    for (size_t i = 0; i < n_digits; i++)
        out[i] = hex[i % 2 == 0 ? bytes[i / 2] >> 4 : bytes[i / 2] & 15];
    return (mu_str){out, n_digits};
}

mu_str mu_api_uuid(mu_arena *arena)
{
    return mu_uuid_make(arena);
}
