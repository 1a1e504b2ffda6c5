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

static void expand(const mu_collected *c, uint64_t base, unsigned width, void *out)
{
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

/* Smaller areas are not worth packing: they are padded to 64 bytes. */
#define PACKED_MIN 256u

/* Where seven in eight are null, the others alone are kept, and for every MU_RANK_ELEMENTS elements
 * how many of them come before. */
static bool is_sparse(const mu_collected *c, unsigned width)
{
    return (uint64_t)c->n_values * 8 <= c->n && (size_t)c->n * width >= PACKED_MIN;
}

static void put_ranks(const mu_collected *c, mu_buf *area)
{
    uint32_t n = (c->n + MU_RANK_ELEMENTS - 1) / MU_RANK_ELEMENTS, rank = 0;
    uint32_t *ranks = take(area, (size_t)n * 4);
    for (uint32_t k = 0; ranks != NULL && k < n; k++) {
        uint32_t from = k * MU_RANK_ELEMENTS;
        uint32_t left = c->n - from < MU_RANK_ELEMENTS ? c->n - from : MU_RANK_ELEMENTS;
        ranks[k] = rank;
        rank += (uint32_t)mu_bits_count(c->valid + from / 64, left);
    }
}

static void put(const mu_collected *c, uint64_t base, unsigned width, mu_buf *area,
                mu_vector_entry *entry)
{
    mu_collected kept = *c;
    if (width == 0)
        return;
    if (is_sparse(c, width)) {
        entry->flags |= MU_VECTOR_IS_SPARSE;
        put_ranks(c, area);
        kept.n = c->n_values;
    }
    void *out = take(area, (size_t)kept.n * width);
    if (out != NULL)
        expand(&kept, base, width, out);
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
    put(c, (uint64_t)entry->base, entry->width, area, entry);
}

static uint32_t count_runs(const mu_collected *c)
{
    uint32_t n = 1;
    for (uint32_t i = 1; i < c->n_values; i++)
        n += c->values[i] != c->values[i - 1];
    return n;
}

/* Neighbours are often alike, as the identities of one profile's events are. Runs are worth it when
 * they take half the bytes. False when they do not. */
static bool put_runs(const mu_collected *c, mu_buf *area, mu_vector_entry *entry)
{
    size_t plain = (size_t)c->n * entry->width;
    if (c->n_values < c->n || plain < PACKED_MIN)
        return false;
    uint32_t n = count_runs(c), run = 0;
    if ((size_t)n * (4u + entry->width) * 2 > plain)
        return false;
    uint64_t *codes = malloc((size_t)n * sizeof *codes);
    take(area, (size_t)n * 4);
    void *out = take(area, (size_t)n * entry->width);
    entry->encoding = MU_ENCODING_RUNS;
    entry->base = n;
    if (codes == NULL || out == NULL) {
        area->failed = true;
        free(codes);
        return true;
    }
    uint32_t *ends = (uint32_t *)(void *)((char *)out - mu_part_align((size_t)n * 4));
    for (uint32_t i = 1; i <= c->n; i++) {
        if (i < c->n && c->values[i] == c->values[i - 1])
            continue;
        ends[run] = i;
        codes[run++] = c->values[i - 1];
    }
    mu_collected kept = {.n = n, .n_values = n, .values = codes};
    expand(&kept, 0, entry->width, out);
    free(codes);
    return true;
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
    if (!put_runs(c, area, entry))
        put(c, 0, entry->width, area, entry);
}

void mu_encode_pids(const mu_collected *c, mu_buf *area, mu_vector_entry *entry)
{
    if (!begin(c, MU_ENCODING_INTEGER, area, entry))
        return;
    entry->width = 4;
    put(c, 0, 4, area, entry);
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

static void put_decimals(const mu_collected *c, mu_buf *area, mu_vector_entry *entry)
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
    put(&numbers, (uint64_t)entry->base, entry->width, area, entry);
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
    put(c, 0, 8, area, entry);
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

static bool is_single(const mu_collected *c)
{
    uint64_t other = 0;
    for (uint32_t i = 0; i < c->n_values; i++)
        other |= c->values[i] ^ 1;
    return other == 0 && c->n_values == c->n;
}

/* What each of `n` + 1 offsets adds to the first of its 64, when 8 bits hold it. */
static bool are_stepped(const uint32_t *offsets, uint32_t n)
{
    uint32_t largest = 0;
    for (uint32_t i = 0; i <= n; i++) {
        uint32_t step = offsets[i] - offsets[i / MU_OFFSET_GROUP * MU_OFFSET_GROUP];
        largest = step > largest ? step : largest;
    }
    return largest <= UINT8_MAX;
}

static void put_steps(const uint32_t *offsets, uint32_t n, mu_buf *area)
{
    uint64_t bases_bytes = mu_offset_bases_bytes(n);
    char *out = take(area, bases_bytes + mu_part_align((uint64_t)n + 1));
    if (out == NULL)
        return;
    uint32_t *bases = (uint32_t *)(void *)out;
    for (uint32_t i = 0; i <= n; i++) {
        uint32_t base = offsets[i / MU_OFFSET_GROUP * MU_OFFSET_GROUP];
        bases[i / MU_OFFSET_GROUP] = base;
        out[bases_bytes + i] = (char)(offsets[i] - base);
    }
}

/* `n` + 1 offsets as numbers of entry->width. */
static void put_offsets(const uint32_t *offsets, uint32_t n, mu_buf *area,
                        const mu_vector_entry *entry)
{
    if (entry->width == 1) {
        put_steps(offsets, n, area);
        return;
    }
    void *out = take(area, ((size_t)n + 1) * entry->width);
    for (uint32_t i = 0; out != NULL && i <= n; i++) {
        if (entry->width == 2)
            ((uint16_t *)out)[i] = (uint16_t)offsets[i];
        else
            ((uint32_t *)out)[i] = offsets[i];
    }
}

/* Offsets as steps of 8 bits or numbers of 16 while they fit; where most lists are null, of the
 * others alone. False when they are plain. */
static bool put_packed_offsets(const mu_collected *c, mu_buf *area, mu_vector_entry *entry)
{
    bool is_few = is_sparse(c, 4);
    mu_collected kept = *c;
    kept.n = is_few ? c->n_values : c->n;
    if ((size_t)c->n * 4 < PACKED_MIN)
        return false;
    uint32_t *totals = malloc(((size_t)kept.n + 1) * sizeof *totals);
    if (totals == NULL) {
        area->failed = true;
        return true;
    }
    put_totals(&kept, false, totals);
    entry->width = are_stepped(totals, kept.n)    ? 1
                   : totals[kept.n] <= UINT16_MAX ? 2
                   : is_few                       ? 4
                                                  : 0;
    if (is_few) {
        entry->flags |= MU_VECTOR_IS_SPARSE;
        put_ranks(c, area);
    }
    if (entry->width > 0)
        put_offsets(totals, kept.n, area, entry);
    free(totals);
    return entry->width > 0;
}

void mu_encode_lengths(const mu_collected *c, mu_buf *area, mu_vector_entry *entry)
{
    if (!begin(c, MU_ENCODING_OFFSETS, area, entry))
        return;
    if (is_single(c)) {
        entry->encoding = MU_ENCODING_SINGLE;
        return;
    }
    if (put_packed_offsets(c, area, entry))
        return;
    uint32_t *out = take(area, ((size_t)c->n + 1) * 4);
    if (out != NULL)
        put_totals(c, false, out);
}

/* Whether every string is the text of a UUID, and there are enough of them. */
static bool may_be_uuids(const mu_collected *c)
{
    if (c->is_borrowed || (uint64_t)c->n_values * 3 < c->n)
        return false;
    uint64_t wrong = 0;
    for (uint32_t i = 0; i < c->n_values; i++)
        wrong |= c->values[i] ^ (uint64_t)(i + UINT64_C(1)) * MU_UUID_LENGTH;
    return wrong == 0;
}

/* False, and the area as it was, when one of them is no UUID. */
static bool put_uuids(const mu_collected *c, mu_buf *area, mu_vector_entry *entry)
{
    size_t begin = area->len;
    uint8_t *out = may_be_uuids(c) ? take(area, (size_t)c->n * MU_UUID_BYTES) : NULL;
    if (out == NULL)
        return false;
    bool is_full = c->n_values == c->n, are_uuids = true;
    const char *text = c->bytes;
    for (uint32_t i = 0; are_uuids && i < c->n; i++) {
        if (!is_full && !mu_bit_get(c->valid, i))
            continue;
        are_uuids = mu_uuid_read(text, out + (size_t)i * MU_UUID_BYTES);
        text += MU_UUID_LENGTH;
    }
    if (are_uuids)
        entry->encoding = MU_ENCODING_UUIDS;
    else
        area->len = begin;
    return are_uuids;
}

/* The characters that the strings are made of, and the place of each; false when there are more
 * than an alphabet has, or some of several bytes. */
static bool find_alphabet(const char *bytes, size_t n, char alphabet[MU_ALPHABET_SIZE],
                          uint8_t places[128])
{
    uint32_t n_known = 0;
    bool is_known[128] = {false};
    for (size_t i = 0; i < n; i++) {
        uint8_t character = (uint8_t)bytes[i];
        if (character < 128 && is_known[character])
            continue;
        if (character >= 128 || n_known == MU_ALPHABET_SIZE)
            return false;
        is_known[character] = true;
        places[character] = (uint8_t)n_known;
        alphabet[n_known++] = (char)character;
    }
    return true;
}

/* Numbers, identifiers and the like have few characters: two of them go into a byte. False, and the
 * area as it was, when they do not. */
static bool put_halves(const mu_collected *c, mu_buf *area, mu_vector_entry *entry)
{
    char alphabet[MU_ALPHABET_SIZE] = {0};
    uint8_t places[128] = {0};
    size_t n = c->values[c->n_values - 1];
    if (c->is_borrowed || n < PACKED_MIN * 2 || !find_alphabet(c->bytes, n, alphabet, places))
        return false;
    uint32_t *offsets = take(area, ((size_t)c->n + 1) * 4);
    if (offsets == NULL)
        return true; /* out of memory, which the area remembers */
    put_totals(c, true, offsets);
    char *head = take(area, sizeof alphabet);
    if (head == NULL)
        return true;
    memcpy(head, alphabet, sizeof alphabet);
    uint8_t *halves = take(area, n / 2 + n % 2);
    if (halves == NULL)
        return true;
    for (size_t i = 0; i < n; i++)
        halves[i / 2] |= (uint8_t)(places[(uint8_t)c->bytes[i]] << (i % 2 * 4));
    entry->encoding = MU_ENCODING_HALVES;
    return true;
}

void mu_encode_strings(const mu_collected *c, mu_buf *area, mu_vector_entry *entry)
{
    if (!begin(c, MU_ENCODING_BYTES, area, entry) || put_uuids(c, area, entry) ||
        put_halves(c, area, entry))
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
