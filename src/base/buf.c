#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void mu_buf_init(mu_buf *buf, size_t max_bytes)
{
    *buf = (mu_buf){.max_bytes = max_bytes};
}

void mu_buf_free(mu_buf *buf)
{
    free(buf->ptr);
    *buf = (mu_buf){.max_bytes = buf->max_bytes};
}

void mu_buf_clear(mu_buf *buf)
{
    buf->len = 0;
    buf->failed = false;
}

char *mu_buf_reserve(mu_buf *buf, size_t len)
{
    if (buf->failed || len > buf->max_bytes - buf->len) {
        buf->failed = true;
        return NULL;
    }
    if (buf->ptr == NULL || buf->len + len > buf->capacity) {
        size_t capacity = buf->capacity < 256 ? 256 : buf->capacity;
        while (capacity < buf->len + len)
            capacity += capacity / 2 + 1;
        char *grown = realloc(buf->ptr, capacity);
        if (grown == NULL) {
            buf->failed = true;
            return NULL;
        }
        buf->ptr = grown;
        buf->capacity = capacity;
    }
    return buf->ptr + buf->len;
}

void mu_buf_add(mu_buf *buf, const void *bytes, size_t len)
{
    char *room = mu_buf_reserve(buf, len);
    if (room != NULL && len > 0) {
        memcpy(room, bytes, len);
        buf->len += len;
    }
}

void mu_buf_add_str(mu_buf *buf, mu_str text)
{
    mu_buf_add(buf, text.ptr, text.len);
}

void mu_buf_add_char(mu_buf *buf, char c)
{
    mu_buf_add(buf, &c, 1);
}

void mu_buf_add_zeros(mu_buf *buf, size_t len)
{
    char *room = mu_buf_reserve(buf, len);
    if (room != NULL) {
        memset(room, 0, len);
        buf->len += len;
    }
}

void mu_buf_add_format(mu_buf *buf, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    MU_ASSERT(length >= 0);
    char *room = mu_buf_reserve(buf, (size_t)length + 1);
    if (room != NULL) {
        vsnprintf(room, (size_t)length + 1, format, again);
        buf->len += (size_t)length;
    }
    va_end(again);
}
