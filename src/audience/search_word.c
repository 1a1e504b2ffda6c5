/* search_word.c -- single words against wildcards and with misspellings. */
#include "audience/search_index.h"

#include "base/utf8.h"

#define CHARACTERS_MAX 255u /* longer words have no misspellings */

/* Past the character at `at`; words are UTF-8. */
static size_t past_character(mu_str text, size_t at)
{
    do
        at++;
    while (at < text.len && ((unsigned char)text.ptr[at] & 0xc0) == 0x80);
    return at;
}

/* Falls back to the last '*' only: what an earlier one takes can as well be taken by that one. */
bool mu_search_word_is_like(mu_str pattern, mu_str word)
{
    size_t p = 0, w = 0, star = SIZE_MAX, star_w = 0;
    while (w < word.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            star_w = w;
        } else if (p < pattern.len && pattern.ptr[p] == '?') {
            p++;
            w = past_character(word, w);
        } else if (p < pattern.len && pattern.ptr[p] == word.ptr[w]) {
            p++;
            w++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            w = star_w = past_character(word, star_w);
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}

typedef struct characters {
    uint32_t n;
    uint32_t items[CHARACTERS_MAX];
} characters;

static bool split(mu_str text, characters *out)
{
    out->n = 0;
    for (size_t at = 0; at < text.len;) {
        if (out->n == CHARACTERS_MAX)
            return false;
        out->items[out->n++] = mu_utf8_next(text, &at);
    }
    return true;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* The optimal string alignment distance, row by row: rows i - 2, i - 1 and i of its table. */
static uint32_t distance_of(const characters *a, const characters *b)
{
    uint32_t rows[3][CHARACTERS_MAX + 1];
    for (uint32_t j = 0; j <= b->n; j++)
        rows[0][j] = j;
    for (uint32_t i = 1; i <= a->n; i++) {
        const uint32_t *above = rows[(i - 1) % 3], *two_above = rows[(i + 1) % 3];
        uint32_t *row = rows[i % 3];
        row[0] = i;
        for (uint32_t j = 1; j <= b->n; j++) {
            bool same = a->items[i - 1] == b->items[j - 1];
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + !same);
            if (i > 1 && j > 1 && a->items[i - 1] == b->items[j - 2] &&
                a->items[i - 2] == b->items[j - 1])
                row[j] = least(row[j], two_above[j - 2] + 1);
        }
    }
    return rows[a->n % 3][b->n];
}

bool mu_search_word_is_near(mu_str text, mu_str word, uint32_t distance, uint32_t *found)
{
    characters a, b;
    if (text.len > word.len + (size_t)distance * 4 || word.len > text.len + (size_t)distance * 4 ||
        !split(text, &a) || !split(word, &b) || a.n > b.n + distance || b.n > a.n + distance)
        return false;
    *found = distance_of(&a, &b);
    return *found <= distance;
}
