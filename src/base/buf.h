/* buf.h -- an owned byte string that grows up to a ceiling.
 *
 * Appending past the ceiling (or out of memory) sets `failed` and drops the bytes; check it once at
 * the end with mu_buf_failed. One thread at a time.
 */
#ifndef MU_BASE_BUF_H
#define MU_BASE_BUF_H

#include "base/str.h"

typedef struct mu_buf {
    char *ptr;
    size_t len, capacity, max_bytes;
    bool failed;
} mu_buf;

void mu_buf_init(mu_buf *buf, size_t max_bytes);
void mu_buf_free(mu_buf *buf);
void mu_buf_clear(mu_buf *buf); /* keeps the memory */

void mu_buf_add(mu_buf *buf, const void *bytes, size_t len);
void mu_buf_add_str(mu_buf *buf, mu_str text);
void mu_buf_add_char(mu_buf *buf, char c);
void mu_buf_add_zeros(mu_buf *buf, size_t len);
void mu_buf_add_format(mu_buf *buf, const char *format, ...) MU_PRINTF(2, 3);

/* Makes room for `len` bytes and returns where they go, or NULL when that fails. The caller fills
 * them and adds what it used to buf->len. */
char *mu_buf_reserve(mu_buf *buf, size_t len);

/* The bytes so far; valid until the next change. */
static inline mu_str mu_buf_str(const mu_buf *buf)
{
    return (mu_str){buf->ptr == NULL ? "" : buf->ptr, buf->len};
}

#define MU_BUF_ADD(buf, lit) mu_buf_add_str((buf), MU_STR(lit))

#endif
