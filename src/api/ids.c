#include "api/api_int.h"

#include <sys/random.h>

static const char hex[] = "0123456789abcdef";

/* The system gives up to 256 bytes at once, and never fails for want of randomness. */
static void random_bytes(uint8_t *out, size_t len)
{
    size_t filled = 0;
    while (filled < len) {
        ssize_t n = getrandom(out + filled, len - filled, 0);
        if (n > 0)
            filled += (size_t)n;
    }
}

mu_str mu_api_hex(mu_arena *arena, size_t n_digits)
{
    size_t n_bytes = (n_digits + 1) / 2;
    uint8_t *bytes = mu_arena_alloc(arena, n_bytes);
    char *out = mu_arena_alloc(arena, n_digits + 1);
    random_bytes(bytes, n_bytes);
    for (size_t i = 0; i < n_digits; i++)
        out[i] = hex[i % 2 == 0 ? bytes[i / 2] >> 4 : bytes[i / 2] & 15];
    return (mu_str){out, n_digits};
}

mu_str mu_api_uuid(mu_arena *arena)
{
    uint8_t bytes[16];
    char *out = mu_arena_alloc(arena, 37);
    size_t at = 0;
    random_bytes(bytes, sizeof bytes);
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < sizeof bytes; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[at++] = '-';
        out[at++] = hex[bytes[i] >> 4];
        out[at++] = hex[bytes[i] & 15];
    }
    return (mu_str){out, at};
}
