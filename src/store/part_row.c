#include "store/part_int.h"

#include <stdlib.h>

/* -------- single elements -------- */

/* Where the element's number lies among the data. */
static uint32_t place_of(const mu_vector *vector, uint32_t at)
{
    if (vector->ranks == NULL)
        return at;
    uint32_t from = at / MU_RANK_ELEMENTS * MU_RANK_ELEMENTS;
    uint32_t rank = vector->ranks[at / MU_RANK_ELEMENTS];
    for (uint32_t word = from / 64; word < at / 64; word++)
        rank += (uint32_t)__builtin_popcountll(vector->valid[word]);
    return rank +
           (uint32_t)__builtin_popcountll(vector->valid[at / 64] & ~(~UINT64_C(0) << at % 64));
}

/* The `place`th offset of a list vector, whatever its form. */
static uint32_t offset_at(const mu_vector *vector, uint32_t place)
{
    if (vector->encoding == MU_ENCODING_SINGLE)
        return place;
    if (vector->width == 0)
        return vector->offsets == NULL ? 0 : vector->offsets[place];
    if (vector->width == 1)
        return mu_stepped_offset(vector, place);
    return vector->width == 2 ? ((const uint16_t *)vector->data)[place]
                              : ((const uint32_t *)vector->data)[place];
}

uint32_t mu_vector_begin(const mu_vector *vector, uint32_t at)
{
    return offset_at(vector, place_of(vector, at));
}

uint32_t mu_vector_end(const mu_vector *vector, uint32_t at)
{
    bool is_empty = vector->ranks != NULL && !mu_bit_get(vector->valid, at);
    return offset_at(vector, place_of(vector, at) + (is_empty ? 0 : 1));
}

/* The run of an element: the first that ends after it. */
static uint32_t run_of(const mu_vector *vector, uint32_t at)
{
    uint32_t low = 0, high = vector->n_runs - 1;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (vector->offsets[middle] > at)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static uint64_t number_at(const mu_vector *vector, uint32_t place)
{
    switch (vector->width) {
    case 1:
        return ((const uint8_t *)vector->data)[place];
    case 2:
        return ((const uint16_t *)vector->data)[place];
    case 4:
        return ((const uint32_t *)vector->data)[place];
    case 8:
        return ((const uint64_t *)vector->data)[place];
    default:
        return 0;
    }
}

size_t mu_part_string_room(const mu_vector *vector, uint32_t at)
{
    return vector->encoding == MU_ENCODING_UUIDS    ? MU_UUID_LENGTH
           : vector->encoding == MU_ENCODING_HALVES ? vector->offsets[at + 1] - vector->offsets[at]
                                                    : 0;
}

static mu_str unpack_halves(const mu_vector *vector, uint32_t at, char *room)
{
    const uint8_t *halves = (const uint8_t *)vector->bytes;
    const char *alphabet = vector->data;
    uint32_t begin = vector->offsets[at], n = vector->offsets[at + 1] - begin;
    for (uint32_t i = begin; i < begin + n; i++)
        room[i - begin] = alphabet[halves[i / 2] >> (i % 2 * 4) & 15];
    return (mu_str){room, n};
}

mu_str mu_part_string(const mu_vector *vector, const mu_dictionary *dictionary, uint32_t at,
                      char *room)
{
    if (vector->encoding == MU_ENCODING_HALVES)
        return unpack_halves(vector, at, room);
    if (vector->encoding == MU_ENCODING_BYTES)
        return (mu_str){vector->bytes + vector->offsets[at],
                        vector->offsets[at + 1] - vector->offsets[at]};
    if (vector->encoding == MU_ENCODING_UUIDS) {
        mu_uuid_write((const uint8_t *)vector->data + (size_t)at * MU_UUID_BYTES, room);
        return (mu_str){room, MU_UUID_LENGTH};
    }
    uint32_t place =
        vector->encoding == MU_ENCODING_RUNS ? run_of(vector, at) : place_of(vector, at);
    return mu_dictionary_get(dictionary, (uint32_t)number_at(vector, place));
}

int64_t mu_vector_integer(const mu_vector *vector, uint32_t at)
{
    return (int64_t)((uint64_t)vector->base + number_at(vector, place_of(vector, at)));
}

double mu_vector_double(const mu_vector *vector, uint32_t at)
{
    if (vector->encoding == MU_ENCODING_DOUBLE)
        return ((const double *)vector->data)[place_of(vector, at)];
    return (double)mu_vector_integer(vector, at) / mu_decimal_power(vector->scale);
}

/* -------- whole rows -------- */

/* The vectors of one block, fetched as the row needs them. */
typedef struct row_decoder {
    const mu_part *part;
    mu_arena *arena;
    uint32_t block;
    uint64_t *fetched; /* bitmap over columns */
    mu_vector *vectors;
    mu_dictionary *dictionaries;
} row_decoder;

static mu_code fetch(row_decoder *decoder, uint32_t column, const mu_vector **out, mu_err *err)
{
    mu_vector *vector = &decoder->vectors[column];
    if (!mu_bit_get(decoder->fetched, column)) {
        MU_TRY(mu_part_any_vector(decoder->part, column, decoder->block, vector, err));
        if (vector->encoding == MU_ENCODING_CODES || vector->encoding == MU_ENCODING_RUNS)
            MU_TRY(mu_part_check_dictionary(decoder->part, column, &decoder->dictionaries[column],
                                            err));
        mu_bit_set(decoder->fetched, column);
    }
    *out = vector;
    return MU_OK;
}

static mu_code decode(row_decoder *decoder, uint32_t column, uint32_t at, mu_value *out,
                      mu_err *err);

static mu_code decode_object(row_decoder *decoder, uint32_t column, uint32_t at, mu_value *out,
                             mu_err *err)
{
    const mu_column *object = &decoder->part->columns[column];
    mu_value *fields = MU_NEW_ARRAY(decoder->arena, mu_value, object->n_children);
    for (uint32_t f = 0; f < object->n_children; f++)
        MU_TRY(decode(decoder, object->children[f], at, &fields[f], err));
    *out = (mu_value){.kind = MU_TYPE_OBJECT, .n = object->n_children};
    out->items = fields;
    out->keys = decoder->part->types[column]->field_names;
    return MU_OK;
}

static mu_str string_at(row_decoder *decoder, uint32_t column, const mu_vector *vector, uint32_t at)
{
    size_t size = mu_part_string_room(vector, at);
    char *room = size == 0 ? NULL : mu_arena_alloc(decoder->arena, size);
    return mu_part_string(vector, &decoder->dictionaries[column], at, room);
}

static mu_code decode_keys(row_decoder *decoder, uint32_t column, uint32_t begin, uint32_t n,
                           const mu_str **out, mu_err *err)
{
    uint32_t key_column = decoder->part->columns[column].children[0];
    const mu_vector *vector;
    mu_str *keys = MU_NEW_ARRAY(decoder->arena, mu_str, n);
    if (n > 0)
        MU_TRY(fetch(decoder, key_column, &vector, err));
    for (uint32_t i = 0; i < n; i++)
        keys[i] = string_at(decoder, key_column, vector, begin + i);
    *out = keys;
    return MU_OK;
}

static mu_code decode_items(row_decoder *decoder, const mu_vector *vector, uint32_t column,
                            uint32_t at, mu_value *out, mu_err *err)
{
    const mu_column *list = &decoder->part->columns[column];
    uint32_t begin = mu_vector_begin(vector, at), n = mu_vector_end(vector, at) - begin;
    uint32_t item = list->children[list->n_children - 1];
    mu_value *items = MU_NEW_ARRAY(decoder->arena, mu_value, n);
    for (uint32_t i = 0; i < n; i++)
        MU_TRY(decode(decoder, item, begin + i, &items[i], err));
    mu_value value = {.kind = list->kind, .n = n};
    value.items = items;
    value.keys = NULL;
    if (list->kind == MU_TYPE_MAP)
        MU_TRY(decode_keys(decoder, column, begin, n, &value.keys, err));
    *out = value;
    return MU_OK;
}

/* Recursion is as deep as the row type, which mu_part_open limits. */
static mu_code decode(row_decoder *decoder, uint32_t column, uint32_t at, mu_value *out,
                      mu_err *err)
{
    const mu_vector *vector;
    MU_TRY(fetch(decoder, column, &vector, err));
    *out = MU_VALUE_NULL;
    if (mu_vector_is_null(vector, at))
        return MU_OK;
    mu_type_kind kind = decoder->part->columns[column].kind;
    switch (kind) {
    case MU_TYPE_OBJECT:
        return decode_object(decoder, column, at, out, err);
    case MU_TYPE_LIST:
    case MU_TYPE_MAP:
        return decode_items(decoder, vector, column, at, out, err);
    case MU_TYPE_STRING:
        *out = mu_value_string(string_at(decoder, column, vector, at));
        return MU_OK;
    case MU_TYPE_BOOLEAN:
        *out = mu_value_boolean(mu_bit_get(vector->data, at));
        return MU_OK;
    case MU_TYPE_DOUBLE:
        *out = (mu_value){.kind = kind, .number = mu_vector_double(vector, at)};
        return MU_OK;
    default:
        *out = (mu_value){.kind = kind, .integer = mu_vector_integer(vector, at)};
        return MU_OK;
    }
}

mu_code mu_part_row(const mu_part *part, uint32_t row, mu_arena *arena, mu_value *out, mu_err *err)
{
    MU_ASSERT(row < part->footer.n_rows);
    uint32_t n = part->footer.n_columns;
    row_decoder decoder = {.part = part,
                           .arena = arena,
                           .block = mu_part_block_of_row(part, row),
                           .fetched = calloc(mu_bits_words(n), 8),
                           .vectors = malloc((size_t)n * sizeof(mu_vector)),
                           .dictionaries = malloc((size_t)n * sizeof(mu_dictionary))};
    mu_code code =
        decoder.fetched == NULL || decoder.vectors == NULL || decoder.dictionaries == NULL
            ? mu_fail(err, MU_E_NOMEM, "out of memory for decoding a row")
            : decode(&decoder, 0, row - part->blocks[decoder.block].row, out, err);
    free(decoder.fetched);
    free(decoder.vectors);
    free(decoder.dictionaries);
    return code;
}
