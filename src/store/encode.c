#include "store/encode.h"

#include "base/bits.h"

#include <stdlib.h>

/* Sets the fields that all encodings share and writes the bitmap of valid elements when it says
 * anything. False when every element is null: then there is nothing to encode. */
static bool begin(const mu_collected *c, mu_encoding encoding, mu_buf *area, mu_vector_entry *entry)
{
    *entry =
        (mu_vector_entry){.encoding = (uint8_t)encoding, .n = c->n, .n_null = c->n - c->n_values};
    if (c->n_values == 0) {
        entry->encoding = MU_ENCODING_NONE;
        return false;
    }
    if (c->n_values < c->n) {
        size_t size = mu_bits_words(c->n) * 8;
        mu_buf_add(area, c->valid, size);
        mu_buf_add_zeros(area, mu_part_align(size) - size);
    }
    return true;
}

/* `size` zeroed bytes at the end of the area, padded; NULL when memory ran out. */
static void *take(mu_buf *area, size_t size)
{
    size_t at = area->len;
    mu_buf_add_zeros(area, mu_part_align(size));
    return area->failed ? NULL : area->ptr + at;
}

/* Puts every value, less `base`, where its element belongs. */
#define DEFINE_EXPAND(name, type)                                                                  \
    static void name(const mu_collected *c, uint64_t base, type *out)                              \
    {                                                                                              \
        const uint64_t *value = c->values;                                                         \
        if (c->n_values == c->n) {                                                                 \
            for (uint32_t i = 0; i < c->n; i++)                                                    \
                out[i] = (type)(value[i] - base);                                                  \
            return;                                                                                \
        }                                                                                          \
        for (size_t w = 0; w < mu_bits_words(c->n); w++)                                           \
            for (uint64_t bits = c->valid[w]; bits != 0; bits &= bits - 1)                         \
                out[w * 64 + (size_t)__builtin_ctzll(bits)] = (type)(*value++ - base);             \
    }

DEFINE_EXPAND(expand8, uint8_t)
DEFINE_EXPAND(expand16, uint16_t)
DEFINE_EXPAND(expand32, uint32_t)
DEFINE_EXPAND(expand64, uint64_t)

static unsigned width_of(uint64_t range)
{
    if (range == 0)
        return 0;
    if (range <= UINT8_MAX)
        return 1;
    if (range <= UINT16_MAX)
        return 2;
    return range <= UINT32_MAX ? 4 : 8;
}

static void put(const mu_collected *c, uint64_t base, unsigned width, mu_buf *area)
{
    void *out = width == 0 ? NULL : take(area, (size_t)c->n * width);
    if (out == NULL)
        return;
    switch (width) {
    case 1:
        expand8(c, base, out);
        break;
    case 2:
        expand16(c, base, out);
        break;
    case 4:
        expand32(c, base, out);
        break;
    default:
        expand64(c, base, out);
    }
}

static void set_range(mu_vector_entry *entry, int64_t min, int64_t max)
{
    entry->min = min;
    entry->max = max;
    entry->flags |= MU_VECTOR_HAS_RANGE;
}

void mu_encode_integers(const mu_collected *c, mu_buf *area, mu_vector_entry *entry)
{
    if (!begin(c, MU_ENCODING_INTEGER, area, entry))
        return;
    int64_t min = INT64_MAX, max = INT64_MIN;
    for (uint32_t i = 0; i < c->n_values; i++) {
        int64_t value = (int64_t)c->values[i];
        min = value < min ? value : min;
        max = value > max ? value : max;
    }
    set_range(entry, min, max);
    entry->width = (uint8_t)width_of((uint64_t)max - (uint64_t)min);
    entry->base = entry->width == 8 ? 0 : min;
    put(c, (uint64_t)entry->base, entry->width, area);
}

void mu_encode_codes(const mu_collected *c, mu_buf *area, mu_vector_entry *entry)
{
    if (!begin(c, MU_ENCODING_CODES, area, entry))
        return;
    uint64_t min = UINT64_MAX, max = 0;
    for (uint32_t i = 0; i < c->n_values; i++) {
        min = c->values[i] < min ? c->values[i] : min;
        max = c->values[i] > max ? c->values[i] : max;
    }
    set_range(entry, (int64_t)min, (int64_t)max);
    entry->width = (uint8_t)width_of(max);
    put(c, 0, entry->width, area);
}

void mu_encode_pids(const mu_collected *c, mu_buf *area, mu_vector_entry *entry)
{
    if (!begin(c, MU_ENCODING_INTEGER, area, entry))
        return;
    entry->width = 4;
    put(c, 0, 4, area);
}

static double as_double(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint64_t as_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* The number k with (double)k / 10^scale == value to the bit; false when there is none. Rounding
 * half away is enough: the comparison tells when it was wrong. */
static bool as_decimal(double value, unsigned scale, int64_t *out)
{
    double scaled = value * mu_decimal_power(scale);
    if (!(__builtin_fabs(scaled) < (double)MU_PART_DECIMAL_MAX))
        return false;
    int64_t k = (int64_t)(scaled + __builtin_copysign(0.5, scaled));
    *out = k;
    return as_bits((double)k / mu_decimal_power(scale)) == as_bits(value);
}

/* The smallest scale that keeps every value, and the range of the scaled numbers. A value kept at
 * one scale is kept at the next, being the same quotient, unless it grows too large. */
static bool find_decimal(const mu_collected *c, unsigned *scale_out, int64_t *min, int64_t *max)
{
    unsigned scale = 0;
    int64_t k;
    for (uint32_t i = 0; i < c->n_values; i++)
        while (!as_decimal(as_double(c->values[i]), scale, &k))
            if (++scale > MU_DECIMAL_SCALE_MAX)
                return false;
    *min = INT64_MAX;
    *max = INT64_MIN;
    for (uint32_t i = 0; i < c->n_values; i++) {
        if (!as_decimal(as_double(c->values[i]), scale, &k))
            return false;
        *min = k < *min ? k : *min;
        *max = k > *max ? k : *max;
    }
    *scale_out = scale;
    return (uint64_t)*max - (uint64_t)*min <= UINT32_MAX;
}

static void put_decimals(const mu_collected *c, mu_buf *area, const mu_vector_entry *entry)
{
    if (entry->width == 0)
        return;
    uint64_t *scaled = malloc((size_t)c->n_values * sizeof *scaled);
    if (scaled == NULL) {
        area->failed = true;
        return;
    }
    for (uint32_t i = 0; i < c->n_values; i++) {
        int64_t k = 0;
        bool fits = as_decimal(as_double(c->values[i]), entry->scale, &k);
        MU_DEBUG_ASSERT(fits);
        (void)fits;
        scaled[i] = (uint64_t)k;
    }
    mu_collected numbers = *c;
    numbers.values = scaled;
    put(&numbers, (uint64_t)entry->base, entry->width, area);
    free(scaled);
}

void mu_encode_doubles(const mu_collected *c, mu_buf *area, mu_vector_entry *entry)
{
    if (!begin(c, MU_ENCODING_DOUBLE, area, entry))
        return;
    double min = as_double(c->values[0]), max = min;
    bool is_ordered = min == min;
    for (uint32_t i = 1; i < c->n_values; i++) {
        double value = as_double(c->values[i]);
        is_ordered &= value == value;
        min = value < min ? value : min;
        max = value > max ? value : max;
    }
    if (is_ordered)
        set_range(entry, (int64_t)as_bits(min), (int64_t)as_bits(max));
    unsigned scale;
    int64_t low, high;
    if (find_decimal(c, &scale, &low, &high)) {
        entry->encoding = MU_ENCODING_DECIMAL;
        entry->scale = (uint8_t)scale;
        entry->base = low;
        entry->width = (uint8_t)width_of((uint64_t)high - (uint64_t)low);
        put_decimals(c, area, entry);
        return;
    }
    entry->width = 8;
    put(c, 0, 8, area);
}

void mu_encode_booleans(const mu_collected *c, mu_buf *area, mu_vector_entry *entry)
{
    if (!begin(c, MU_ENCODING_BITS, area, entry))
        return;
    uint64_t *out = take(area, mu_bits_words(c->n) * 8);
    if (out == NULL)
        return;
    const uint64_t *value = c->values;
    bool is_full = c->n_values == c->n;
    for (size_t i = 0; i < c->n; i++)
        if (is_full || mu_bit_get(c->valid, i))
            out[i / 64] |= *value++ << (i % 64);
}

/* Turns what every value adds into n + 1 running totals, null elements adding nothing. */
static void put_totals(const mu_collected *c, bool are_ends, uint32_t *out)
{
    const uint64_t *value = c->values;
    bool is_full = c->n_values == c->n;
    uint32_t total = 0;
    out[0] = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (is_full || mu_bit_get(c->valid, i)) {
            total = are_ends ? (uint32_t)*value : total + (uint32_t)*value;
            value++;
        }
        out[i + 1] = total;
    }
}

void mu_encode_lengths(const mu_collected *c, mu_buf *area, mu_vector_entry *entry)
{
    if (!begin(c, MU_ENCODING_OFFSETS, area, entry))
        return;
    uint32_t *out = take(area, ((size_t)c->n + 1) * 4);
    if (out != NULL)
        put_totals(c, false, out);
}

void mu_encode_strings(const mu_collected *c, mu_buf *area, mu_vector_entry *entry)
{
    if (!begin(c, MU_ENCODING_BYTES, area, entry))
        return;
    uint32_t *out = take(area, ((size_t)c->n + 1) * 4);
    if (out == NULL)
        return;
    put_totals(c, true, out);
    size_t size = out[c->n];
    mu_buf_add(area, c->bytes, size);
    mu_buf_add_zeros(area, mu_part_align(size) - size);
}

void mu_encode_presence(const mu_collected *c, mu_buf *area, mu_vector_entry *entry)
{
    begin(c, MU_ENCODING_PRESENT, area, entry);
}
