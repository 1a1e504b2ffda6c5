/* request_id.c -- api.md 2.3: the client's own id, or 32 random letters and digits. */
#include "http/http_int.h"

#include <sys/random.h>

#define ID_LENGTH 32

bool mu_http_id_is_valid(mu_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < ' ' || text.ptr[i] > '~')
            return false;
    }
    return text.len >= 1 && text.len <= 128;
}

mu_str mu_http_id_new(mu_arena *arena)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    char *id = mu_arena_alloc(arena, ID_LENGTH + 1);
    size_t len = 0;
    while (len < ID_LENGTH) {
        uint8_t bytes[ID_LENGTH + 8];
        ssize_t n = getrandom(bytes, sizeof(bytes), 0);
        /* 248 = 4 * 62: larger bytes would favour the first letters. */
        for (ssize_t i = 0; i < n && len < ID_LENGTH; i++) {
            if (bytes[i] < 248)
                id[len++] = letters[bytes[i] % 62];
        }
    }
    return (mu_str){id, ID_LENGTH};
}
