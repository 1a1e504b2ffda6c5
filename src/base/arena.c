#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct mu_arena_chunk {
    mu_arena_chunk *next;
    size_t size; /* of the payload that follows */
};

#define CHUNK_MIN ((size_t)8 << 10)
#define CHUNK_MAX ((size_t)1 << 20)
#define KEPT_MAX  ((size_t)64 << 20)
#define HEADER    ((sizeof(mu_arena_chunk) + 15) & ~(size_t)15)

void mu_arena_init(mu_arena *arena, size_t max_bytes)
{
    *arena = (mu_arena){.max_bytes = max_bytes};
}

static void free_chunks(mu_arena_chunk *chunk)
{
    while (chunk != NULL) {
        mu_arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
}

void mu_arena_free(mu_arena *arena)
{
    free_chunks(arena->chunks);
    size_t max_bytes = arena->max_bytes;
    *arena = (mu_arena){.max_bytes = max_bytes};
}

void mu_arena_reset(mu_arena *arena)
{
    mu_arena_chunk *kept = arena->chunks;
    if (kept == NULL)
        return;
    free_chunks(kept->next);
    kept->next = NULL;
    arena->at = (char *)kept + HEADER;
    arena->end = arena->at + kept->size;
    arena->used_bytes = kept->size;
}

void mu_arena_rewind(mu_arena *arena)
{
    mu_arena_chunk *kept = arena->chunks;
    size_t used = arena->used_bytes;
    if (kept == NULL || kept->next == NULL || used > KEPT_MAX) {
        mu_arena_reset(arena);
        return;
    }
    free_chunks(kept);
    arena->chunks = NULL;
    arena->at = arena->end = NULL;
    arena->used_bytes = 0;
    mu_arena_reserve(arena, used);
}

static _Noreturn void limit_reached(mu_arena *arena, size_t size)
{
    if (arena->on_limit != NULL)
        longjmp(*arena->on_limit, 1);
    fprintf(stderr, "muster: out of memory: %zu bytes asked for, %zu in use, ceiling %zu\n", size,
            arena->used_bytes, arena->max_bytes);
    exit(3);
}

static void add_chunk(mu_arena *arena, size_t size)
{
    size_t grown = arena->used_bytes < CHUNK_MIN ? CHUNK_MIN : arena->used_bytes;
    size_t payload = grown > CHUNK_MAX ? CHUNK_MAX : grown;
    if (payload < size)
        payload = size;
    if (payload > arena->max_bytes - arena->used_bytes)
        payload = size;
    if (payload > arena->max_bytes - arena->used_bytes || payload > SIZE_MAX - HEADER)
        limit_reached(arena, size);
    mu_arena_chunk *chunk = malloc(HEADER + payload);
    if (chunk == NULL)
        limit_reached(arena, size);
    chunk->next = arena->chunks;
    chunk->size = payload;
    arena->chunks = chunk;
    arena->used_bytes += payload;
    arena->at = (char *)chunk + HEADER;
    arena->end = arena->at + payload;
}

static size_t rounded_up(size_t size)
{
    return (size + 15) & ~(size_t)15;
}

char *mu_arena_reserve(mu_arena *arena, size_t size)
{
    if (size > SIZE_MAX - 64)
        limit_reached(arena, size);
    size_t rounded = rounded_up(size);
    if (arena->at == NULL || rounded > (size_t)(arena->end - arena->at))
        add_chunk(arena, rounded);
    return arena->at;
}

void mu_arena_take(mu_arena *arena, size_t used)
{
    MU_ASSERT(used <= (size_t)(arena->end - arena->at));
    arena->at += rounded_up(used);
}

void *mu_arena_alloc(mu_arena *arena, size_t size)
{
    void *result = mu_arena_reserve(arena, size);
    mu_arena_take(arena, size);
    memset(result, 0, size);
    return result;
}

void *mu_arena_array(mu_arena *arena, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        limit_reached(arena, SIZE_MAX);
    return mu_arena_alloc(arena, total);
}

mu_str mu_arena_copy(mu_arena *arena, mu_str text)
{
    char *copy = mu_arena_alloc(arena, text.len + 1);
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    return (mu_str){copy, text.len};
}

mu_str mu_arena_format(mu_arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    MU_ASSERT(length >= 0);
    char *text = mu_arena_alloc(arena, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return (mu_str){text, (size_t)length};
}
