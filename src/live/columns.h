/* columns.h -- elements of a block's vectors by number, for reading a few columns of many rows. */
#ifndef MU_LIVE_COLUMNS_H
#define MU_LIVE_COLUMNS_H

#include "base/bits.h"
#include "store/store.h"

/* One column in one block. has_data false: the part has no such column, so every value is null. */
typedef struct mu_reading {
    mu_vector vector;
    mu_dictionary dictionary;
    bool has_data;
} mu_reading;

/* What the part has packed is unpacked into `arena`, where it stays as long as the reading. */
MU_CHECKED mu_code mu_reading_open(const mu_part *part, uint32_t column, uint32_t block,
                                   mu_arena *arena, mu_reading *out, mu_err *err);

static inline bool mu_reading_is_null(const mu_reading *reading, uint32_t at)
{
    const mu_vector *vector = &reading->vector;
    return !reading->has_data || vector->n_null == vector->n ||
           (vector->valid != NULL && !mu_bit_get(vector->valid, at));
}

/* Of elements that are not null. */
mu_str mu_reading_string(const mu_reading *reading, uint32_t at);
int64_t mu_reading_integer(const mu_reading *reading, uint32_t at);

/* The elements of a list: [*begin, *end) of its child level; empty when null. */
void mu_reading_items(const mu_reading *reading, uint32_t at, uint32_t *begin, uint32_t *end);

/* The item column of a list, MU_NO_COLUMN when there is no list. */
uint32_t mu_column_item(const mu_part *part, uint32_t list);

/* The child of an object by name, MU_NO_COLUMN when there is none or no such object. */
uint32_t mu_column_child(const mu_part *part, uint32_t object, mu_str name);

#endif
