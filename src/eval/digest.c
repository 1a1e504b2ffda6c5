/* digest.c -- MD5 and base64 as functions of the language (pql.md 9); MD5 is a fingerprint here,
 * never a protection. */
#include "base/utf8.h"
#include "eval/reference_int.h"

#include <math.h>

/* -------- MD5 (RFC 1321) -------- */

typedef struct md5_state {
    uint32_t word[4];
    uint32_t table[64]; /* RFC 1321 3.4: floor(2^32 * |sin(i + 1)|) */
} md5_state;

static void md5_init(md5_state *state)
{
    static const uint32_t start[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    memcpy(state->word, start, sizeof start);
    for (int i = 0; i < 64; i++)
        state->table[i] = (uint32_t)(fabs(sin(i + 1)) * 4294967296.0);
}

static uint32_t rotate_left(uint32_t value, int by)
{
    return value << by | value >> (32 - by);
}

static void md5_block(md5_state *state, const unsigned char *block)
{
    static const int shift[4][4] = {
        {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
    uint32_t input[16];
    uint32_t a = state->word[0], b = state->word[1], c = state->word[2], d = state->word[3];
    for (int i = 0; i < 16; i++)
        input[i] = (uint32_t)block[4 * i] | (uint32_t)block[4 * i + 1] << 8 |
                   (uint32_t)block[4 * i + 2] << 16 | (uint32_t)block[4 * i + 3] << 24;
    for (int i = 0; i < 64; i++) {
        int round = i / 16;
        uint32_t mixed = round == 0   ? (b & c) | (~b & d)
                         : round == 1 ? (d & b) | (~d & c)
                         : round == 2 ? b ^ c ^ d
                                      : c ^ (b | ~d);
        static const int step[4] = {1, 5, 3, 7}, offset[4] = {0, 1, 5, 0};
        uint32_t sum = a + mixed + state->table[i] + input[(i * step[round] + offset[round]) % 16];
        a = d;
        d = c;
        c = b;
        b += rotate_left(sum, shift[round][i % 4]);
    }
    state->word[0] += a;
    state->word[1] += b;
    state->word[2] += c;
    state->word[3] += d;
}

mu_str mu_md5_hex(mu_arena *arena, mu_str text)
{
    static const char digits[] = "0123456789abcdef";
    md5_state state;
    unsigned char tail[128] = {0};
    size_t whole = text.len / 64 * 64, rest = text.len - whole;
    size_t tail_len = rest < 56 ? 64 : 128;
    md5_init(&state);
    for (size_t at = 0; at < whole; at += 64)
        md5_block(&state, (const unsigned char *)text.ptr + at);
    if (rest > 0)
        memcpy(tail, text.ptr + whole, rest);
    tail[rest] = 0x80;
    uint64_t bits = (uint64_t)text.len * 8;
    for (int i = 0; i < 8; i++)
        tail[tail_len - 8 + (size_t)i] = (unsigned char)(bits >> (8 * i));
    for (size_t at = 0; at < tail_len; at += 64)
        md5_block(&state, tail + at);
    char *out = mu_arena_alloc(arena, 32);
    for (int i = 0; i < 16; i++) {
        unsigned byte = state.word[i / 4] >> (8 * (i % 4)) & 0xff;
        out[2 * i] = digits[byte >> 4];
        out[2 * i + 1] = digits[byte & 15];
    }
    return (mu_str){out, 32};
}

/* -------- base64 (RFC 4648 4) -------- */

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

mu_str mu_base64_encode(mu_arena *arena, mu_str text)
{
    const unsigned char *from = (const unsigned char *)text.ptr;
    char *out = mu_arena_array(arena, text.len / 3 + 1, 4);
    size_t len = 0;
    for (size_t at = 0; at < text.len; at += 3) {
        size_t left = text.len - at;
        uint32_t bits = (uint32_t)from[at] << 16;
        bits |= left > 1 ? (uint32_t)from[at + 1] << 8 : 0;
        bits |= left > 2 ? from[at + 2] : 0u;
        out[len++] = base64_digits[bits >> 18];
        out[len++] = base64_digits[bits >> 12 & 63];
        out[len++] = left > 1 ? base64_digits[bits >> 6 & 63] : '=';
        out[len++] = left > 2 ? base64_digits[bits & 63] : '=';
    }
    return (mu_str){out, len};
}

static int base64_value(char c)
{
    const char *found = c != '\0' ? strchr(base64_digits, c) : NULL;
    return found != NULL ? (int)(found - base64_digits) : -1;
}

/* Padding is required; what decodes must be UTF-8, as every string here is. */
bool mu_base64_decode(mu_arena *arena, mu_str text, mu_str *out)
{
    if (text.len % 4 != 0)
        return false;
    char *bytes = mu_arena_array(arena, text.len / 4 + 1, 3);
    size_t len = 0;
    for (size_t at = 0; at < text.len; at += 4) {
        bool is_end = at + 4 == text.len;
        int padding = !is_end ? 0 : (text.ptr[at + 3] == '=') + (text.ptr[at + 2] == '=');
        if (padding == 2 && text.ptr[at + 3] != '=')
            return false;
        uint32_t bits = 0;
        for (int i = 0; i < 4; i++) {
            int value = i >= 4 - padding ? 0 : base64_value(text.ptr[at + (size_t)i]);
            if (value < 0)
                return false;
            bits = bits << 6 | (uint32_t)value;
        }
        for (int i = 0; i < 3 - padding; i++)
            bytes[len++] = (char)(bits >> (16 - 8 * i) & 0xff);
    }
    *out = (mu_str){bytes, len};
    return mu_utf8_valid(*out);
}
