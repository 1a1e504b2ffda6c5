#include "store/column_builder.h"

#include <stdlib.h>

/* Before this many distinct strings the share of distinct ones tells little about the whole. */
#define POOL_JUDGED_AT   65536u
#define POOL_JUDGED_SIZE ((uint64_t)16 << 20)
#define POOL_SIZE_MAX    ((uint64_t)256 << 20)

bool mu_column_builder_init(mu_column_builder *builder, bool is_pooled)
{
    /* Offsets inside a block are 32 bits wide. */
    mu_buf_init(&builder->bytes, UINT32_MAX);
    if (!is_pooled)
        return true;
    builder->pool = malloc(sizeof *builder->pool);
    if (builder->pool == NULL)
        return false;
    mu_string_pool_init(builder->pool);
    return true;
}

static void free_pool(mu_column_builder *builder)
{
    for (uint32_t p = 0; p < builder->n_pending; p++) {
        free(builder->pending[p].codes);
        free(builder->pending[p].valid);
    }
    free(builder->pending);
    builder->pending = NULL;
    builder->n_pending = builder->pending_capacity = 0;
    if (builder->pool != NULL) {
        mu_string_pool_free(builder->pool);
        free(builder->pool);
    }
    builder->pool = NULL;
}

void mu_column_builder_free(mu_column_builder *builder)
{
    free_pool(builder);
    free(builder->children);
    free(builder->values);
    free(builder->valid);
    mu_buf_free(&builder->bytes);
}

bool mu_column_builder_grow_values(mu_column_builder *builder)
{
    uint32_t capacity = builder->values_capacity == 0 ? 64 : builder->values_capacity * 2;
    uint64_t *grown = realloc(builder->values, (size_t)capacity * sizeof *grown);
    if (grown == NULL)
        return false;
    builder->values = grown;
    builder->values_capacity = capacity;
    return true;
}

bool mu_column_builder_grow_valid(mu_column_builder *builder, uint32_t element)
{
    size_t words = builder->valid_words == 0 ? 16 : builder->valid_words;
    while (words <= element / 64)
        words *= 2;
    uint64_t *grown = realloc(builder->valid, words * sizeof *grown);
    if (grown == NULL)
        return false;
    memset(grown + builder->valid_words, 0, (words - builder->valid_words) * sizeof *grown);
    builder->valid = grown;
    builder->valid_words = words;
    return true;
}

bool mu_column_builder_push_string(mu_column_builder *builder, uint32_t element, mu_str text)
{
    if (builder->pool != NULL) {
        uint32_t id = mu_string_pool_add(builder->pool, text);
        return id != UINT32_MAX && mu_column_builder_push(builder, element, id);
    }
    mu_buf_add_str(&builder->bytes, text);
    return !builder->bytes.failed && mu_column_builder_push(builder, element, builder->bytes.len);
}

bool mu_column_builder_collected(mu_column_builder *builder, uint32_t n, mu_collected *out)
{
    if (builder->n_values > 0 && (n - 1) / 64 >= builder->valid_words &&
        !mu_column_builder_grow_valid(builder, n - 1))
        return false;
    *out = (mu_collected){.n = n,
                          .n_values = builder->n_values,
                          .valid = builder->valid,
                          .values = builder->values,
                          .bytes = builder->bytes.ptr};
    return true;
}

static mu_pending_block *next_pending(mu_column_builder *builder)
{
    if (builder->n_pending == builder->pending_capacity) {
        uint32_t capacity = builder->pending_capacity == 0 ? 8 : builder->pending_capacity * 2;
        mu_pending_block *grown = realloc(builder->pending, capacity * sizeof *grown);
        if (grown == NULL)
            return NULL;
        builder->pending = grown;
        builder->pending_capacity = capacity;
    }
    return &builder->pending[builder->n_pending];
}

static void narrow(const uint64_t *values, uint32_t n, unsigned width, void *out)
{
    for (uint32_t i = 0; i < n; i++) {
        if (width == 1)
            ((uint8_t *)out)[i] = (uint8_t)values[i];
        else if (width == 2)
            ((uint16_t *)out)[i] = (uint16_t)values[i];
        else
            ((uint32_t *)out)[i] = (uint32_t)values[i];
    }
}

bool mu_column_builder_pend(mu_column_builder *builder, uint32_t block, uint32_t n)
{
    mu_collected collected;
    mu_pending_block *pending = next_pending(builder);
    if (pending == NULL || !mu_column_builder_collected(builder, n, &collected))
        return false;
    *pending = (mu_pending_block){.block = block, .n = n, .n_values = builder->n_values};
    uint64_t last_id = builder->pool->n - 1u;
    pending->width = last_id <= UINT8_MAX ? 1 : last_id <= UINT16_MAX ? 2 : 4;
    pending->codes = malloc((size_t)pending->n_values * pending->width);
    if (pending->codes == NULL)
        return false;
    if (pending->n_values < n) {
        size_t size = mu_bits_words(n) * 8;
        pending->valid = malloc(size);
        if (pending->valid == NULL) {
            free(pending->codes);
            return false;
        }
        memcpy(pending->valid, collected.valid, size);
    }
    narrow(builder->values, pending->n_values, pending->width, pending->codes);
    builder->n_pending++;
    builder->n_pooled += pending->n_values;
    return true;
}

bool mu_column_builder_should_drop_pool(const mu_column_builder *builder, bool is_final)
{
    const mu_string_pool *pool = builder->pool;
    if (pool->n_bytes > POOL_SIZE_MAX)
        return true;
    if (!is_final && pool->n < POOL_JUDGED_AT && pool->n_bytes < POOL_JUDGED_SIZE)
        return false;
    return (uint64_t)pool->n * 4 > builder->n_pooled;
}

void mu_pending_block_ids(const mu_pending_block *pending, uint64_t *values)
{
    for (uint32_t i = 0; i < pending->n_values; i++) {
        if (pending->width == 1)
            values[i] = ((const uint8_t *)pending->codes)[i];
        else if (pending->width == 2)
            values[i] = ((const uint16_t *)pending->codes)[i];
        else
            values[i] = ((const uint32_t *)pending->codes)[i];
    }
}

void mu_column_builder_drop_pool(mu_column_builder *builder)
{
    free_pool(builder);
}

void mu_column_builder_reset(mu_column_builder *builder)
{
    if (builder->n_values > 0)
        memset(builder->valid, 0, builder->valid_words * sizeof *builder->valid);
    builder->n_values = 0;
    mu_buf_clear(&builder->bytes);
}
