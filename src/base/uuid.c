#include "base/uuid.h"

#include <sys/random.h>

void mu_random_bytes(uint8_t *out, size_t len)
{
    size_t filled = 0;
    while (filled < len) {
        ssize_t n = getrandom(out + filled, len - filled, 0);
        if (n > 0)
            filled += (size_t)n;
    }
}

mu_str mu_uuid_make(mu_arena *arena)
{
    static const char hex[] = "0123456789abcdef";
    uint8_t bytes[16];
    char *out = mu_arena_alloc(arena, 37);
    size_t at = 0;
    mu_random_bytes(bytes, sizeof bytes);
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
