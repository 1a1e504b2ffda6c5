/* column_builder.h -- what the part writer collects of one column, in the current block and (of
 * strings with a dictionary) in the blocks before. */
#ifndef MU_STORE_COLUMN_BUILDER_H
#define MU_STORE_COLUMN_BUILDER_H

#include "store/encode.h"
#include "store/string_pool.h"

/* Codes of a finished block that wait for the dictionary's order. */
typedef struct mu_pending_block {
    uint32_t block, n, n_values;
    uint8_t width; /* of a code: 1, 2 or 4 */
    void *codes;   /* pool ids of the values */
    uint64_t *valid;
} mu_pending_block;

typedef struct mu_column_builder {
    mu_type_kind kind;
    uint32_t parent, level, child_level;
    uint32_t n_children;
    uint32_t *children;
    mu_str name;

    /* this block: see mu_collected */
    uint32_t n_values, values_capacity;
    uint64_t *values;
    size_t valid_words;
    uint64_t *valid;
    mu_buf bytes;

    /* STRING: NULL once the column is written as plain bytes */
    mu_string_pool *pool;
    uint64_t n_pooled; /* values in finished blocks */
    uint32_t n_pending, pending_capacity;
    mu_pending_block *pending;
} mu_column_builder;

/* `is_pooled`: a STRING column starts with a dictionary. False when memory ran out. */
bool mu_column_builder_init(mu_column_builder *builder, bool is_pooled);
void mu_column_builder_free(mu_column_builder *builder);

bool mu_column_builder_grow_values(mu_column_builder *builder);
bool mu_column_builder_grow_valid(mu_column_builder *builder, uint32_t element);

/* Records that `element` is not null. Elements come in ascending order. */
static inline bool mu_column_builder_mark(mu_column_builder *builder, uint32_t element)
{
    if (element / 64 >= builder->valid_words && !mu_column_builder_grow_valid(builder, element))
        return false;
    mu_bit_set(builder->valid, element);
    builder->n_values++;
    return true;
}

static inline bool mu_column_builder_push(mu_column_builder *builder, uint32_t element,
                                          uint64_t value)
{
    if (builder->n_values == builder->values_capacity && !mu_column_builder_grow_values(builder))
        return false;
    builder->values[builder->n_values] = value;
    return mu_column_builder_mark(builder, element);
}

bool mu_column_builder_push_string(mu_column_builder *builder, uint32_t element, mu_str text);

/* The current block as the encoders take it; `n` elements. False when memory ran out. */
bool mu_column_builder_collected(mu_column_builder *builder, uint32_t n, mu_collected *out);

/* Puts the codes of the current block aside until the dictionary is known. */
bool mu_column_builder_pend(mu_column_builder *builder, uint32_t block, uint32_t n);

/* Whether a dictionary would hold more than a quarter as many strings as there are values, or grows
 * too large to keep in memory; `is_final`: all values are known. */
bool mu_column_builder_should_drop_pool(const mu_column_builder *builder, bool is_final);

/* Frees the dictionary and the pending blocks; the column's strings are plain from here on. */
void mu_column_builder_drop_pool(mu_column_builder *builder);

/* The ids of a pending block as `values`, which has room for n_values. */
void mu_pending_block_ids(const mu_pending_block *pending, uint64_t *values);

/* Forgets the current block. */
void mu_column_builder_reset(mu_column_builder *builder);

#endif
