/* utf8.h -- UTF-8 checked once on entry, read by code point, folded without regard to case. */
#ifndef MU_BASE_UTF8_H
#define MU_BASE_UTF8_H

#include "base/arena.h"
#include "base/buf.h"

/* Strict UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool mu_utf8_valid(mu_str text);

/* The length of `text` without a code point at its end that was cut in two; `text` is a prefix of
 * valid UTF-8. */
size_t mu_utf8_whole(mu_str text);

/* The first `bytes_max` bytes of valid UTF-8, or the few less that end with a whole code point. */
mu_str mu_utf8_head(mu_str text, size_t bytes_max);

/* Reads the code point at *at (valid UTF-8 only) and moves past it. */
uint32_t mu_utf8_next(mu_str text, size_t *at);

void mu_utf8_add(mu_buf *buf, uint32_t code_point);
size_t mu_utf8_length(mu_str text); /* in code points */

/* Unicode simple case folding, code point by code point; pql.md 8.1. */
mu_str mu_utf8_fold(mu_arena *arena, mu_str text);
uint32_t mu_utf8_fold_code_point(uint32_t code_point);

#endif
