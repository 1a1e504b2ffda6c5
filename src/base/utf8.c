#include "base/utf8.h"

#include <utf8proc.h>

static bool is_tail(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

bool mu_utf8_valid(mu_str text)
{
    const unsigned char *p = (const unsigned char *)text.ptr;
    const unsigned char *end = p + text.len;
    while (p < end) {
        if (*p < 0x80) {
            p++;
        } else if (*p >= 0xc2 && *p <= 0xdf) {
            if (end - p < 2 || !is_tail(p[1]))
                return false;
            p += 2;
        } else if (*p >= 0xe0 && *p <= 0xef) {
            if (end - p < 3 || !is_tail(p[1]) || !is_tail(p[2]) || (*p == 0xe0 && p[1] < 0xa0) ||
                (*p == 0xed && p[1] > 0x9f))
                return false;
            p += 3;
        } else if (*p >= 0xf0 && *p <= 0xf4) {
            if (end - p < 4 || !is_tail(p[1]) || !is_tail(p[2]) || !is_tail(p[3]) ||
                (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
                return false;
            p += 4;
        } else {
            return false;
        }
    }
    return true;
}

size_t mu_utf8_whole(mu_str text)
{
    size_t begin = text.len, length = 1;
    while (begin > 0 && text.len - begin < 3 && is_tail((unsigned char)text.ptr[begin - 1]))
        begin--;
    if (begin == 0)
        return text.len;
    unsigned char lead = (unsigned char)text.ptr[begin - 1];
    if (lead >= 0xc2)
        length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    return text.len - (begin - 1) < length ? begin - 1 : text.len;
}

mu_str mu_utf8_head(mu_str text, size_t bytes_max)
{
    if (text.len <= bytes_max)
        return text;
    text.len = bytes_max;
    return (mu_str){text.ptr, mu_utf8_whole(text)};
}

uint32_t mu_utf8_next(mu_str text, size_t *at)
{
    const unsigned char *p = (const unsigned char *)text.ptr + *at;
    if (p[0] < 0x80) {
        *at += 1;
        return p[0];
    }
    if (p[0] < 0xe0) {
        *at += 2;
        return (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
    }
    if (p[0] < 0xf0) {
        *at += 3;
        return (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3f);
    }
    *at += 4;
    return (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3f) << 12 |
           (uint32_t)(p[2] & 0x3f) << 6 | (p[3] & 0x3f);
}

void mu_utf8_add(mu_buf *buf, uint32_t c)
{
    if (c < 0x80) {
        mu_buf_add_char(buf, (char)c);
    } else if (c < 0x800) {
        mu_buf_add_char(buf, (char)(0xc0 | c >> 6));
        mu_buf_add_char(buf, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        mu_buf_add_char(buf, (char)(0xe0 | c >> 12));
        mu_buf_add_char(buf, (char)(0x80 | (c >> 6 & 0x3f)));
        mu_buf_add_char(buf, (char)(0x80 | (c & 0x3f)));
    } else {
        mu_buf_add_char(buf, (char)(0xf0 | c >> 18));
        mu_buf_add_char(buf, (char)(0x80 | (c >> 12 & 0x3f)));
        mu_buf_add_char(buf, (char)(0x80 | (c >> 6 & 0x3f)));
        mu_buf_add_char(buf, (char)(0x80 | (c & 0x3f)));
    }
}

size_t mu_utf8_length(mu_str text)
{
    size_t length = 0;
    for (size_t i = 0; i < text.len; i++)
        length += !is_tail((unsigned char)text.ptr[i]);
    return length;
}

/* utf8proc offers full folding as a decomposition; the simple fold is its result when that is one
 * code point, and lower case otherwise. */
uint32_t mu_utf8_fold_code_point(uint32_t c)
{
    if (c < 0x80)
        return c >= 'A' && c <= 'Z' ? c + 32 : c;
    utf8proc_int32_t folded[8];
    int boundary = 0;
    utf8proc_ssize_t n =
        utf8proc_decompose_char((utf8proc_int32_t)c, folded, 8, UTF8PROC_CASEFOLD, &boundary);
    if (n == 1)
        return (uint32_t)folded[0];
    return (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
}

mu_str mu_utf8_fold(mu_arena *arena, mu_str text)
{
    mu_buf buf;
    mu_buf_init(&buf, SIZE_MAX / 4);
    for (size_t at = 0; at < text.len;)
        mu_utf8_add(&buf, mu_utf8_fold_code_point(mu_utf8_next(text, &at)));
    mu_str folded = mu_arena_copy(arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return folded;
}
