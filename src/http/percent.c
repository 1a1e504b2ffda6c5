#include "http/http_int.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool needs_decoding(mu_str text, bool is_form)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '%' || (is_form && text.ptr[i] == '+'))
            return true;
    }
    return false;
}

mu_str mu_http_percent_decode(mu_arena *arena, mu_str text, bool is_form)
{
    if (!needs_decoding(text, is_form))
        return text;
    char *out = mu_arena_alloc(arena, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        int high = -1, low = -1;
        if (c == '%' && text.len - i > 2) {
            high = hex_value(text.ptr[i + 1]);
            low = hex_value(text.ptr[i + 2]);
        }
        if (high >= 0 && low >= 0) {
            out[len++] = (char)(high * 16 + low);
            i += 2;
        } else {
            out[len++] = is_form && c == '+' ? ' ' : c;
        }
    }
    return (mu_str){out, len};
}
