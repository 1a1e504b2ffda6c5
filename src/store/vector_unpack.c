/* Packed vectors made plain. They were checked at first touch: nothing here leaves area or memory.
 */
#include "store/part_int.h"

/* So many bytes past the end of anything plain may be read. */
#define PADDING 64u

static uint64_t offsets_bytes(const mu_vector *vector)
{
    return mu_part_align(((uint64_t)vector->n + 1) * 4);
}

size_t mu_vector_plain_bytes(const mu_vector *vector)
{
    uint64_t n = vector->n;
    switch (vector->encoding) {
    case MU_ENCODING_UUIDS:
        return offsets_bytes(vector) + (n - vector->n_null) * MU_UUID_LENGTH + PADDING;
    case MU_ENCODING_RUNS:
        return n * vector->width + PADDING;
    case MU_ENCODING_SINGLE:
        return offsets_bytes(vector) + PADDING;
    case MU_ENCODING_HALVES:
        return (size_t)vector->offsets[vector->n] + PADDING;
    case MU_ENCODING_OFFSETS:
        return vector->width == 0 ? 0 : offsets_bytes(vector) + PADDING;
    default:
        return vector->ranks == NULL ? 0 : n * vector->width + PADDING;
    }
}

static bool has_value(const mu_vector *vector, uint32_t at)
{
    return vector->valid == NULL || mu_bit_get(vector->valid, at);
}

static void unpack_uuids(const mu_vector *vector, void *memory, mu_vector *out)
{
    uint32_t *offsets = memory, end = 0;
    char *bytes = (char *)memory + offsets_bytes(vector);
    const uint8_t *uuid = vector->data;
    offsets[0] = 0;
    for (uint32_t i = 0; i < vector->n; i++, uuid += MU_UUID_BYTES) {
        if (has_value(vector, i)) {
            mu_uuid_write(uuid, bytes + end);
            end += MU_UUID_LENGTH;
        }
        offsets[i + 1] = end;
    }
    out->encoding = MU_ENCODING_BYTES;
    out->data = NULL;
    out->offsets = offsets;
    out->bytes = bytes;
}

/* Two characters at a time; what is one too many lies in the padding. */
static void unpack_halves(const mu_vector *vector, void *memory, mu_vector *out)
{
    const uint8_t *halves = (const uint8_t *)vector->bytes;
    const char *alphabet = vector->data;
    uint32_t n = vector->offsets[vector->n];
    char *to = memory, pairs[256][2];
    for (unsigned byte = 0; byte < 256; byte++) {
        pairs[byte][0] = alphabet[byte & 15];
        pairs[byte][1] = alphabet[byte >> 4];
    }
    for (uint32_t i = 0; i < n / 2 + n % 2; i++)
        memcpy(to + (size_t)i * 2, pairs[halves[i]], 2);
    out->encoding = MU_ENCODING_BYTES;
    out->data = NULL;
    out->bytes = memory;
}

static void unpack_single(const mu_vector *vector, void *memory, mu_vector *out)
{
    uint32_t *offsets = memory;
    for (uint32_t i = 0; i <= vector->n; i++)
        offsets[i] = i;
    out->encoding = MU_ENCODING_OFFSETS;
    out->offsets = offsets;
}

#define DEFINE_UNPACK_OFFSETS(type)                                                                \
    static void unpack_offsets_##type(const mu_vector *vector, uint32_t *to)                       \
    {                                                                                              \
        const type *from = vector->data;                                                           \
        if (vector->ranks == NULL) {                                                               \
            for (uint32_t i = 0; i <= vector->n; i++)                                              \
                to[i] = from[i];                                                                   \
            return;                                                                                \
        }                                                                                          \
        uint32_t next = 0;                                                                         \
        to[0] = 0;                                                                                 \
        for (uint32_t word = 0; word < mu_bits_words(vector->n); word++) {                         \
            uint32_t begin = word * 64, end = vector->n - begin < 64 ? vector->n : begin + 64;     \
            uint64_t bits = vector->valid[word];                                                   \
            for (uint32_t i = begin; i < end; i++, bits >>= 1) {                                   \
                next += bits & 1;                                                                  \
                to[i + 1] = from[next];                                                            \
            }                                                                                      \
        }                                                                                          \
    }

DEFINE_UNPACK_OFFSETS(uint16_t)
DEFINE_UNPACK_OFFSETS(uint32_t)

static void unpack_stepped_offsets(const mu_vector *vector, uint32_t *to)
{
    uint32_t n = mu_stored_offsets(vector), next = 0;
    const uint32_t *bases = vector->data;
    const uint8_t *steps = (const uint8_t *)bases + mu_offset_bases_bytes(n);
    if (vector->ranks != NULL) {
        to[0] = 0;
        for (uint32_t i = 0; i < vector->n; i++) {
            next += mu_bit_get(vector->valid, i);
            to[i + 1] = mu_stepped_offset(vector, next);
        }
        return;
    }
    for (uint32_t begin = 0; begin <= n; begin += MU_OFFSET_GROUP) {
        uint32_t end = n - begin < MU_OFFSET_GROUP ? n + 1 : begin + MU_OFFSET_GROUP;
        uint32_t base = bases[begin / MU_OFFSET_GROUP];
        for (uint32_t i = begin; i < end; i++)
            to[i] = base + steps[i];
    }
}

static void unpack_offsets(const mu_vector *vector, void *memory, mu_vector *out)
{
    if (vector->width == 1)
        unpack_stepped_offsets(vector, memory);
    else if (vector->width == 2)
        unpack_offsets_uint16_t(vector, memory);
    else
        unpack_offsets_uint32_t(vector, memory);
    out->width = 0;
    out->offsets = memory;
    out->data = NULL;
    out->ranks = NULL;
}

#define DEFINE_UNPACK(type)                                                                        \
    static void unpack_runs_##type(const mu_vector *vector, type *to)                              \
    {                                                                                              \
        const type *codes = vector->data;                                                          \
        for (uint32_t run = 0, i = 0; run < vector->n_runs; run++)                                 \
            for (type code = codes[run]; i < vector->offsets[run]; i++)                            \
                to[i] = code;                                                                      \
    }                                                                                              \
    static void spread_##type(const mu_vector *vector, type *to)                                   \
    {                                                                                              \
        const type *next = vector->data;                                                           \
        memset(to, 0, (size_t)vector->n * sizeof(type));                                           \
        for (size_t w = 0; w < mu_bits_words(vector->n); w++)                                      \
            for (uint64_t bits = vector->valid[w]; bits != 0; bits &= bits - 1)                    \
                to[w * 64 + (size_t)__builtin_ctzll(bits)] = *next++;                              \
    }

DEFINE_UNPACK(uint8_t)
DEFINE_UNPACK(uint16_t)
DEFINE_UNPACK(uint32_t)
DEFINE_UNPACK(uint64_t)

/* Calls the function of the vector's width; runs of 8 bytes do not exist. */
#define BY_WIDTH(function)                                                                         \
    switch (vector->width) {                                                                       \
    case 1:                                                                                        \
        function##_uint8_t(vector, memory);                                                        \
        break;                                                                                     \
    case 2:                                                                                        \
        function##_uint16_t(vector, memory);                                                       \
        break;                                                                                     \
    case 4:                                                                                        \
        function##_uint32_t(vector, memory);                                                       \
        break;                                                                                     \
    default:                                                                                       \
        function##_uint64_t(vector, memory);                                                       \
    }

void mu_vector_unpack(const mu_vector *vector, void *memory, mu_vector *out)
{
    *out = *vector;
    if (mu_vector_plain_bytes(vector) == 0)
        return;
    switch (vector->encoding) {
    case MU_ENCODING_UUIDS:
        unpack_uuids(vector, memory, out);
        return;
    case MU_ENCODING_SINGLE:
        unpack_single(vector, memory, out);
        return;
    case MU_ENCODING_HALVES:
        unpack_halves(vector, memory, out);
        return;
    case MU_ENCODING_OFFSETS:
        unpack_offsets(vector, memory, out);
        return;
    case MU_ENCODING_RUNS:
        BY_WIDTH(unpack_runs)
        out->encoding = MU_ENCODING_CODES;
        out->offsets = NULL;
        out->n_runs = 0;
        break;
    default:
        BY_WIDTH(spread)
        out->ranks = NULL;
    }
    out->data = memory;
}
