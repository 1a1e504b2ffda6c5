/* str.h -- borrowed strings: pointer and length, any bytes, no terminator.
 *
 * A view is passed by value and never owns its bytes. A NUL inside is just a byte.
 */
#ifndef MU_BASE_STR_H
#define MU_BASE_STR_H

#include "base/err.h"

#include <string.h>

typedef struct mu_str {
    const char *ptr;
    size_t len;
} mu_str;

#define MU_STR(lit)   ((mu_str){"" lit, sizeof(lit) - 1})
#define MU_STR_FMT    "%.*s"
#define MU_STR_ARG(s) (int)(s).len, (s).ptr

static inline mu_str mu_str_from(const char *zero_terminated)
{
    return (mu_str){zero_terminated, strlen(zero_terminated)};
}

static inline bool mu_str_equal(mu_str a, mu_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Byte order, which for UTF-8 is the order of code points. Negative, zero or positive. */
static inline int mu_str_compare(mu_str a, mu_str b)
{
    size_t shared = a.len < b.len ? a.len : b.len;
    int order = shared == 0 ? 0 : memcmp(a.ptr, b.ptr, shared);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static inline bool mu_str_starts_with(mu_str text, mu_str prefix)
{
    return text.len >= prefix.len &&
           (prefix.len == 0 || memcmp(text.ptr, prefix.ptr, prefix.len) == 0);
}

static inline bool mu_str_ends_with(mu_str text, mu_str suffix)
{
    return text.len >= suffix.len && (suffix.len == 0 || memcmp(text.ptr + text.len - suffix.len,
                                                                suffix.ptr, suffix.len) == 0);
}

/* ASCII letters compare without case; other bytes must be equal. */
bool mu_str_equal_ascii_nocase(mu_str a, mu_str b);

/* The offset of the first `needle` in `text`, or SIZE_MAX. An empty needle is found at 0. */
size_t mu_str_find(mu_str text, mu_str needle);

/* Without leading and trailing ASCII white space. */
mu_str mu_str_trim(mu_str text);

#endif
