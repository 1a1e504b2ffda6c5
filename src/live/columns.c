#include "live/columns.h"

mu_code mu_reading_open(const mu_part *part, uint32_t column, uint32_t block, mu_arena *arena,
                        mu_reading *out, mu_err *err)
{
    *out = (mu_reading){.has_data = column != MU_NO_COLUMN};
    if (column == MU_NO_COLUMN)
        return MU_OK;
    mu_vector stored;
    MU_TRY(mu_part_vector(part, column, block, &stored, err));
    size_t size = mu_vector_plain_bytes(&stored);
    void *memory = size == 0 ? NULL : mu_arena_reserve(arena, size);
    if (size > 0)
        mu_arena_take(arena, size);
    mu_vector_unpack(&stored, memory, &out->vector);
    if (out->vector.encoding == MU_ENCODING_CODES)
        out->dictionary = mu_part_dictionary(part, column);
    out->has_data = out->vector.encoding != MU_ENCODING_NONE;
    return MU_OK;
}

static uint64_t number_at(const void *data, uint8_t width, uint32_t at)
{
    switch (width) {
    case 1:
        return ((const uint8_t *)data)[at];
    case 2:
        return ((const uint16_t *)data)[at];
    case 4:
        return ((const uint32_t *)data)[at];
    case 8:
        return ((const uint64_t *)data)[at];
    default:
        return 0;
    }
}

mu_str mu_reading_string(const mu_reading *reading, uint32_t at)
{
    const mu_vector *vector = &reading->vector;
    if (vector->encoding == MU_ENCODING_CODES)
        return mu_dictionary_get(&reading->dictionary,
                                 (uint32_t)number_at(vector->data, vector->width, at));
    return (mu_str){vector->bytes + vector->offsets[at],
                    vector->offsets[at + 1] - vector->offsets[at]};
}

int64_t mu_reading_integer(const mu_reading *reading, uint32_t at)
{
    const mu_vector *vector = &reading->vector;
    return (int64_t)((uint64_t)vector->base + number_at(vector->data, vector->width, at));
}

void mu_reading_items(const mu_reading *reading, uint32_t at, uint32_t *begin, uint32_t *end)
{
    *begin = *end = 0;
    if (mu_reading_is_null(reading, at))
        return;
    *begin = reading->vector.offsets[at];
    *end = reading->vector.offsets[at + 1];
}

uint32_t mu_column_item(const mu_part *part, uint32_t list)
{
    return list == MU_NO_COLUMN ? MU_NO_COLUMN : mu_part_column(part, list)->children[0];
}

uint32_t mu_column_child(const mu_part *part, uint32_t object, mu_str name)
{
    return object == MU_NO_COLUMN ? MU_NO_COLUMN : mu_part_child(part, object, name);
}
