#include "base/time.h"
#include "store/part_int.h"

#include <stdio.h>

/* Where the pieces of a vector's area lie, from its beginning. */
typedef struct area_layout {
    uint64_t valid, places, data, size; /* bytes of the bitmap, of ranks or the ends of runs, and of
                                           the data, each padded; of all */
} area_layout;

static mu_code bad_vector(const mu_part *part, uint32_t vector, uint32_t block, const char *what,
                          mu_err *err)
{
    char path[256];
    mu_part_column_path(part, vector, path, sizeof path);
    return mu_fail(err, MU_E_CORRUPT, "%s: column %s, block %u: %s", part->path, path, block, what);
}

static mu_type_kind kind_of(const mu_part *part, uint32_t vector)
{
    if (vector < part->footer.n_columns)
        return part->columns[vector].kind;
    return vector - part->footer.n_columns == MU_HIDDEN_PID ? MU_TYPE_INTEGER : MU_TYPE_STRING;
}

static bool encoding_fits(mu_type_kind kind, const mu_vector_entry *entry)
{
    switch (entry->encoding) {
    case MU_ENCODING_NONE:
        return true;
    case MU_ENCODING_PRESENT:
        return kind == MU_TYPE_OBJECT;
    case MU_ENCODING_BITS:
        return kind == MU_TYPE_BOOLEAN;
    case MU_ENCODING_INTEGER:
        return kind == MU_TYPE_INTEGER || kind == MU_TYPE_DATE || kind == MU_TYPE_TIMESTAMP;
    case MU_ENCODING_DOUBLE:
    case MU_ENCODING_DECIMAL:
        return kind == MU_TYPE_DOUBLE;
    case MU_ENCODING_CODES:
    case MU_ENCODING_BYTES:
    case MU_ENCODING_UUIDS:
    case MU_ENCODING_RUNS:
    case MU_ENCODING_HALVES:
        return kind == MU_TYPE_STRING;
    case MU_ENCODING_OFFSETS:
    case MU_ENCODING_SINGLE:
        return kind == MU_TYPE_LIST || kind == MU_TYPE_MAP;
    default:
        return false;
    }
}

/* Width, scale and base as the encoding allows them. */
static bool numbers_fit(const mu_vector_entry *entry)
{
    unsigned width = entry->width;
    bool is_narrow = width == 0 || width == 1 || width == 2 || width == 4;
    switch (entry->encoding) {
    case MU_ENCODING_INTEGER:
        return entry->scale == 0 && (is_narrow || (width == 8 && entry->base == 0));
    case MU_ENCODING_DOUBLE:
        return entry->scale == 0 && width == 8 && entry->base == 0;
    case MU_ENCODING_DECIMAL:
        return entry->scale <= MU_DECIMAL_SCALE_MAX && is_narrow &&
               entry->base >= -MU_PART_DECIMAL_MAX && entry->base <= MU_PART_DECIMAL_MAX;
    case MU_ENCODING_CODES:
        return entry->scale == 0 && is_narrow && entry->base == 0;
    case MU_ENCODING_OFFSETS: {
        bool is_sparse = (entry->flags & MU_VECTOR_IS_SPARSE) != 0;
        return entry->scale == 0 && entry->base == 0 &&
               (width == 1 || width == 2 || width == (is_sparse ? 4 : 0));
    }
    case MU_ENCODING_RUNS:
        return entry->scale == 0 && is_narrow && width > 0 && entry->base > 0 &&
               entry->base <= entry->n;
    default:
        return entry->scale == 0 && width == 0 && entry->base == 0;
    }
}

/* Readers borrow identities, and texts of the store's own fields, from the part. */
static bool is_borrowed(const mu_part *part, uint32_t vector)
{
    for (uint32_t c = vector; c < part->footer.n_columns; c = part->columns[c].parent)
        if (mu_str_starts_with(part->columns[c].name, MU_STR("$")))
            return true;
    return vector >= part->footer.n_columns;
}

/* Version 1 had neither packed encodings nor sparse vectors. */
static bool packing_fits(const mu_part *part, uint32_t vector, const mu_vector_entry *entry)
{
    bool is_sparse = (entry->flags & MU_VECTOR_IS_SPARSE) != 0;
    bool is_packed = entry->encoding > MU_ENCODING_OFFSETS;
    bool has_narrow_offsets = entry->encoding == MU_ENCODING_OFFSETS && entry->width > 0;
    if ((is_sparse || is_packed || has_narrow_offsets) && part->version < 2)
        return false;
    if (entry->encoding == MU_ENCODING_UUIDS || entry->encoding == MU_ENCODING_HALVES)
        return !is_sparse && !is_borrowed(part, vector);
    if (is_packed)
        return !is_sparse && entry->n_null == 0;
    bool has_numbers =
        entry->encoding == MU_ENCODING_INTEGER || entry->encoding == MU_ENCODING_DOUBLE ||
        entry->encoding == MU_ENCODING_DECIMAL || entry->encoding == MU_ENCODING_CODES ||
        entry->encoding == MU_ENCODING_OFFSETS;
    return !is_sparse || (has_numbers && entry->width > 0 && entry->n_null > 0);
}

/* How many numbers of `width` bytes the area holds. */
static uint32_t stored_numbers(const mu_vector_entry *entry)
{
    if (entry->encoding == MU_ENCODING_RUNS)
        return (uint32_t)entry->base;
    return (entry->flags & MU_VECTOR_IS_SPARSE) != 0 ? entry->n - entry->n_null : entry->n;
}

static uint32_t rank_count(const mu_vector_entry *entry)
{
    return entry->n / MU_RANK_ELEMENTS + (entry->n % MU_RANK_ELEMENTS != 0);
}

/* The layout that the entry implies; the bytes of BYTES and HALVES, which follow the data, are not
 * in it. */
static area_layout layout_of(const mu_vector_entry *entry)
{
    uint64_t n = entry->n;
    area_layout layout = {0};
    if (entry->encoding == MU_ENCODING_NONE)
        return layout;
    if (entry->n_null > 0)
        layout.valid = mu_part_align(mu_bits_words(n) * 8);
    if ((entry->flags & MU_VECTOR_IS_SPARSE) != 0)
        layout.places = mu_part_align((uint64_t)rank_count(entry) * 4);
    switch (entry->encoding) {
    case MU_ENCODING_PRESENT:
    case MU_ENCODING_SINGLE:
        break;
    case MU_ENCODING_BITS:
        layout.data = mu_part_align(mu_bits_words(n) * 8);
        break;
    case MU_ENCODING_BYTES:
        layout.data = mu_part_align((n + 1) * 4);
        break;
    case MU_ENCODING_OFFSETS:
        layout.data = mu_part_align(((uint64_t)stored_numbers(entry) + 1) *
                                    (entry->width == 0 ? 4 : entry->width));
        if (entry->width == 1)
            layout.data += mu_offset_bases_bytes(stored_numbers(entry));
        break;
    case MU_ENCODING_UUIDS:
        layout.data = mu_part_align(n * MU_UUID_BYTES);
        break;
    case MU_ENCODING_HALVES:
        layout.places = mu_part_align((n + 1) * 4);
        layout.data = MU_PART_ALIGN;
        break;
    case MU_ENCODING_RUNS:
        layout.places = mu_part_align((uint64_t)stored_numbers(entry) * 4);
        layout.data = mu_part_align((uint64_t)stored_numbers(entry) * entry->width);
        break;
    default:
        layout.data = mu_part_align((uint64_t)stored_numbers(entry) * entry->width);
    }
    layout.size = layout.valid + layout.places + layout.data;
    return layout;
}

static void fill(const mu_part *part, const mu_vector_entry *entry, mu_vector *out)
{
    const uint8_t *area = part->mapping.bytes + entry->offset;
    area_layout layout = layout_of(entry);
    *out = (mu_vector){.encoding = (mu_encoding)entry->encoding,
                       .width = entry->width,
                       .scale = entry->scale,
                       .n = entry->n,
                       .n_null = entry->n_null,
                       .base = entry->base,
                       .min = entry->min,
                       .max = entry->max,
                       .has_range = entry->flags & MU_VECTOR_HAS_RANGE};
    if (layout.valid > 0)
        out->valid = (const uint64_t *)(const void *)area;
    const uint32_t *places = (const uint32_t *)(const void *)(area + layout.valid);
    if (entry->encoding == MU_ENCODING_RUNS) {
        out->offsets = places;
        out->n_runs = stored_numbers(entry);
        out->base = 0;
    } else if (entry->encoding == MU_ENCODING_HALVES) {
        out->offsets = places;
    } else if (layout.places > 0) {
        out->ranks = places;
    }
    const uint8_t *data = area + layout.valid + layout.places;
    if (entry->encoding == MU_ENCODING_BYTES ||
        (entry->encoding == MU_ENCODING_OFFSETS && entry->width == 0))
        out->offsets = (const uint32_t *)(const void *)data;
    else if (layout.data > 0)
        out->data = data;
    if (entry->encoding == MU_ENCODING_BYTES || entry->encoding == MU_ENCODING_HALVES)
        out->bytes = (const char *)(data + layout.data);
}

/* -------- the checks at first touch: afterwards no read of the vector leaves its area -------- */

static bool is_map_key(const mu_part *part, uint32_t column)
{
    uint32_t parent = part->columns[column].parent;
    return parent != MU_NO_COLUMN && part->columns[parent].kind == MU_TYPE_MAP &&
           part->columns[parent].children[0] == column;
}

static const char *check_entry(const mu_part *part, uint32_t vector, const mu_vector_entry *entry,
                               uint32_t n)
{
    if (!encoding_fits(kind_of(part, vector), entry) || !numbers_fit(entry) ||
        !packing_fits(part, vector, entry) ||
        (entry->flags & ~(MU_VECTOR_HAS_RANGE | MU_VECTOR_IS_SPARSE)) != 0)
        return "the encoding does not fit the column";
    if (entry->n != n)
        return "the number of elements is wrong";
    if (entry->n_null > entry->n ||
        (entry->encoding == MU_ENCODING_NONE) != (entry->n_null == entry->n))
        return "the number of nulls is wrong";
    if (vector == 0 && entry->n_null != 0)
        return "a row is null";
    if (vector == part->footer.n_columns + MU_HIDDEN_PID && entry->width != 4)
        return "pids are not 32 bits wide";
    if (vector >= part->footer.n_columns)
        return entry->n_null == 0 ? NULL : "a row lacks its pid or identity";
    if (entry->n_null > 0 && is_map_key(part, vector))
        return "a map key is null";
    if (entry->n_null > 0 && part->event_level != 0 &&
        part->levels[part->event_level].column == vector)
        return "xEvent of a row is null";
    return NULL;
}

static bool bitmap_ends_clean(const uint64_t *bits, uint32_t n)
{
    return n % 64 == 0 || bits[n / 64] >> (n % 64) == 0;
}

#define DEFINE_ASCENDS(type)                                                                       \
    static bool ascends_##type(const type *offsets, uint32_t n)                                    \
    {                                                                                              \
        type wrong = offsets[0];                                                                   \
        for (uint32_t i = 0; i < n; i++)                                                           \
            wrong |= offsets[i + 1] < offsets[i];                                                  \
        return wrong == 0;                                                                         \
    }

DEFINE_ASCENDS(uint16_t)
DEFINE_ASCENDS(uint32_t)

/* `n` + 1 offsets of a list. */
static bool list_offsets_ascend(const mu_vector *v, uint32_t n)
{
    if (v->width == 1) {
        uint32_t wrong = mu_stepped_offset(v, 0);
        for (uint32_t i = 0; i < n; i++)
            wrong |= mu_stepped_offset(v, i + 1) < mu_stepped_offset(v, i);
        return wrong == 0;
    }
    if (v->width == 2)
        return ascends_uint16_t(v->data, n);
    return ascends_uint32_t(v->width == 0 ? v->offsets : v->data, n);
}

#define DEFINE_LARGEST(type)                                                                       \
    static uint64_t largest_##type(const type *numbers, uint32_t n)                                \
    {                                                                                              \
        type largest = 0;                                                                          \
        for (uint32_t i = 0; i < n; i++)                                                           \
            largest = numbers[i] > largest ? numbers[i] : largest;                                 \
        return largest;                                                                            \
    }

DEFINE_LARGEST(uint8_t)
DEFINE_LARGEST(uint16_t)
DEFINE_LARGEST(uint32_t)

/* Of numbers up to 4 bytes wide. */
static uint64_t largest_number(const mu_vector *v, uint32_t n)
{
    switch (v->width) {
    case 1:
        return largest_uint8_t(v->data, n);
    case 2:
        return largest_uint16_t(v->data, n);
    case 4:
        return largest_uint32_t(v->data, n);
    default:
        return 0;
    }
}

bool mu_time_range_fits(mu_type_kind kind, int64_t min, int64_t max)
{
    if (kind == MU_TYPE_TIMESTAMP)
        return min >= MU_TIME_MIN_MS && max <= MU_TIME_MAX_MS;
    if (kind == MU_TYPE_DATE)
        return min >= MU_TIME_MIN_MS / MU_DAY_MS && max <= MU_TIME_MAX_MS / MU_DAY_MS;
    return true;
}

static bool times_fit(mu_type_kind kind, const mu_vector *v, uint32_t n)
{
    if (kind == MU_TYPE_INTEGER)
        return true;
    /* Mostly no number of the width could leave the range, whatever the data. */
    int64_t end;
    if (v->width < 8 && !__builtin_add_overflow(v->base, (INT64_C(1) << v->width * 8) - 1, &end) &&
        mu_time_range_fits(kind, v->base, end))
        return true;
    if (v->width < 8)
        return mu_time_range_fits(kind, v->base, v->base) &&
               mu_time_range_fits(kind, v->base, v->base + (int64_t)largest_number(v, n));
    const int64_t *values = v->data;
    int64_t min = 0, max = 0;
    for (uint32_t i = 0; i < n; i++) {
        min = values[i] < min ? values[i] : min;
        max = values[i] > max ? values[i] : max;
    }
    return mu_time_range_fits(kind, min, max);
}

static const char *check_strings(const mu_vector *v, const mu_vector_entry *entry)
{
    area_layout layout = layout_of(entry);
    if (!ascends_uint32_t(v->offsets, v->n))
        return "string offsets do not ascend";
    if (layout.size + mu_part_align(v->offsets[v->n]) != entry->size)
        return "the strings do not fill their area";
    if (!mu_text32_valid(v->bytes, v->offsets, v->n))
        return "a string is not UTF-8";
    return NULL;
}

static bool ranks_are_true(const mu_vector *v)
{
    uint32_t rank = 0, wrong = 0;
    for (uint32_t from = 0; from < v->n; from += MU_RANK_ELEMENTS) {
        uint32_t n = v->n - from < MU_RANK_ELEMENTS ? v->n - from : MU_RANK_ELEMENTS;
        wrong |= v->ranks[from / MU_RANK_ELEMENTS] ^ rank;
        rank += (uint32_t)mu_bits_count(v->valid + from / 64, n);
    }
    return wrong == 0;
}

/* Runs are not empty, and end with the elements. */
static bool runs_are_sound(const mu_vector *v)
{
    uint32_t end = 0, wrong = 0;
    for (uint32_t run = 0; run < v->n_runs; run++) {
        wrong |= v->offsets[run] <= end;
        end = v->offsets[run];
    }
    return wrong == 0 && end == v->n;
}

/* Characters of an alphabet are one byte each: whatever the halves are, the text is UTF-8. */
static const char *check_halves(const mu_vector *v, const mu_vector_entry *entry)
{
    uint8_t alphabet[MU_ALPHABET_SIZE], wrong = 0;
    if (!ascends_uint32_t(v->offsets, v->n))
        return "string offsets do not ascend";
    uint64_t n = v->offsets[v->n];
    if (layout_of(entry).size + mu_part_align(n / 2 + n % 2) != entry->size)
        return "the strings do not fill their area";
    memcpy(alphabet, v->data, sizeof alphabet);
    for (size_t i = 0; i < sizeof alphabet; i++)
        wrong |= alphabet[i] & 0x80;
    return wrong == 0 ? NULL : "a string is not UTF-8";
}

static const char *check_data(const mu_part *part, uint32_t vector, const mu_vector *v,
                              const mu_vector_entry *entry)
{
    if (v->valid != NULL &&
        (!bitmap_ends_clean(v->valid, v->n) || mu_bits_count(v->valid, v->n) != v->n - v->n_null))
        return "the bitmap of nulls does not agree with their number";
    if (v->ranks != NULL && !ranks_are_true(v))
        return "the places of its values are wrong";
    uint32_t n = stored_numbers(entry);
    switch (v->encoding) {
    case MU_ENCODING_BITS:
        return bitmap_ends_clean(v->data, v->n) ? NULL : "the bitmap has bits past its end";
    case MU_ENCODING_INTEGER: {
        /* Narrow numbers never carry the base past 64 bits. */
        int64_t sum;
        if (v->width < 8 && v->base > INT64_MAX - (int64_t)UINT32_MAX &&
            __builtin_add_overflow(v->base, (int64_t)largest_number(v, n), &sum))
            return "a number does not fit 64 bits";
        return times_fit(kind_of(part, vector), v, n) ? NULL
                                                      : "a time lies outside of years 1 to 9999";
    }
    case MU_ENCODING_RUNS:
        if (!runs_are_sound(v))
            return "its runs do not end with it";
        __attribute__((fallthrough));
    case MU_ENCODING_CODES:
        return largest_number(v, n) < part->dictionaries[vector].n
                   ? NULL
                   : "a code has no dictionary entry";
    case MU_ENCODING_OFFSETS:
        if (!list_offsets_ascend(v, n))
            return "list offsets do not ascend";
        return mu_vector_items(v) <= MU_PART_ELEMENTS_MAX ? NULL : "a list has too many items";
    case MU_ENCODING_BYTES:
        return check_strings(v, entry);
    case MU_ENCODING_HALVES:
        return check_halves(v, entry);
    default:
        return NULL;
    }
}

static mu_code check_vector(const mu_part *part, uint32_t vector, uint32_t block,
                            const mu_vector_entry *entry, uint64_t index, mu_err *err)
{
    if (!part->ignores_checksums && entry->checksum != mu_vector_entry_checksum(*entry, index))
        return bad_vector(part, vector, block, "its table entry has the wrong checksum", err);
    uint32_t n = part->blocks[block].n_rows;
    if (vector < part->footer.n_columns)
        MU_TRY(mu_part_level_size(part, part->columns[vector].level, block, &n, err));
    const char *problem = check_entry(part, vector, entry, n);
    if (problem != NULL)
        return bad_vector(part, vector, block, problem, err);
    uint64_t needed = layout_of(entry).size;
    bool is_open_ended =
        entry->encoding == MU_ENCODING_BYTES || entry->encoding == MU_ENCODING_HALVES;
    if (is_open_ended ? entry->size < needed : entry->size != needed)
        return bad_vector(part, vector, block, "its area has the wrong size", err);
    if (entry->size == 0 && entry->offset != 0)
        return bad_vector(part, vector, block, "an empty area has a place", err);
    mu_err area_err;
    if (entry->size > 0 && mu_part_check_area(part, "it", entry->offset, entry->size,
                                              entry->area_checksum, &area_err) != MU_OK)
        return bad_vector(part, vector, block, "its bytes are damaged or out of place", err);
    mu_vector filled;
    fill(part, entry, &filled);
    if (entry->encoding == MU_ENCODING_CODES || entry->encoding == MU_ENCODING_RUNS) {
        mu_dictionary ignored;
        MU_TRY(mu_part_check_dictionary(part, vector, &ignored, err));
    }
    problem = check_data(part, vector, &filled, entry);
    return problem == NULL ? MU_OK : bad_vector(part, vector, block, problem, err);
}

mu_code mu_part_any_vector(const mu_part *part, uint32_t vector, uint32_t block, mu_vector *out,
                           mu_err *err)
{
    MU_ASSERT(vector < part->n_vectors);
    MU_ASSERT(block < part->footer.n_blocks);
    uint64_t index = (uint64_t)block * part->n_vectors + vector;
    const mu_vector_entry *entry = &part->vectors[index];
    if (atomic_load_explicit(&part->vector_seen[index], memory_order_acquire) == 0) {
        MU_TRY(check_vector(part, vector, block, entry, index, err));
        atomic_store_explicit(&part->vector_seen[index], 1, memory_order_release);
    }
    fill(part, entry, out);
    return MU_OK;
}

mu_code mu_part_vector(const mu_part *part, uint32_t column, uint32_t block, mu_vector *out,
                       mu_err *err)
{
    MU_ASSERT(column < part->footer.n_columns);
    return mu_part_any_vector(part, column, block, out, err);
}

mu_code mu_part_level_size(const mu_part *part, uint32_t level, uint32_t block, uint32_t *out,
                           mu_err *err)
{
    MU_ASSERT(level < part->footer.n_levels);
    MU_ASSERT(block < part->footer.n_blocks);
    if (level == 0) {
        *out = part->blocks[block].n_rows;
        return MU_OK;
    }
    /* The column that opens a level lies in a level before it: as deep as the levels nest. */
    mu_vector lists;
    MU_TRY(mu_part_any_vector(part, part->levels[level].column, block, &lists, err));
    *out = mu_vector_items(&lists);
    return MU_OK;
}

mu_code mu_part_pids(const mu_part *part, uint32_t block, const uint32_t **out, mu_err *err)
{
    mu_vector pids;
    MU_TRY(mu_part_any_vector(part, part->footer.n_columns + MU_HIDDEN_PID, block, &pids, err));
    *out = pids.data;
    return MU_OK;
}

/* -------- dictionaries -------- */

static mu_code bad_dictionary(const mu_part *part, uint32_t vector, const char *what, mu_err *err)
{
    char path[256];
    mu_part_column_path(part, vector, path, sizeof path);
    return mu_fail(err, MU_E_CORRUPT, "%s: dictionary of column %s: %s", part->path, path, what);
}

/* Where the strings begin in the dictionary's area. */
static uint64_t table_size(const mu_dictionary_entry *entry)
{
    return mu_part_align(((uint64_t)entry->n + 1) * 8);
}

static mu_dictionary dictionary_of(const mu_part *part, const mu_dictionary_entry *entry)
{
    const uint8_t *area = part->mapping.bytes + entry->offset;
    return (mu_dictionary){.n = entry->n,
                           .offsets = (const uint64_t *)(const void *)area,
                           .bytes = (const char *)area + table_size(entry)};
}

static mu_code check_dictionary(const mu_part *part, uint32_t vector,
                                const mu_dictionary_entry *entry, mu_err *err)
{
    uint64_t table = table_size(entry);
    if (kind_of(part, vector) != MU_TYPE_STRING || entry->size < table || entry->zero != 0)
        return bad_dictionary(part, vector, "its table entry is impossible", err);
    mu_err area_err;
    if (mu_part_check_area(part, "it", entry->offset, entry->size, entry->area_checksum,
                           &area_err) != MU_OK)
        return bad_dictionary(part, vector, "its bytes are damaged or out of place", err);
    mu_dictionary dictionary = dictionary_of(part, entry);
    uint64_t wrong = dictionary.offsets[0];
    for (uint32_t i = 0; i < entry->n; i++)
        wrong |= dictionary.offsets[i + 1] < dictionary.offsets[i];
    uint64_t size = dictionary.offsets[entry->n];
    if (wrong != 0 || size > entry->size || table + mu_part_align(size) != entry->size)
        return bad_dictionary(part, vector, "its offsets do not ascend to its end", err);
    if (!mu_text64_valid(dictionary.bytes, dictionary.offsets, entry->n))
        return bad_dictionary(part, vector, "a string is not UTF-8", err);
    return MU_OK;
}

mu_code mu_part_check_dictionary(const mu_part *part, uint32_t vector, mu_dictionary *out,
                                 mu_err *err)
{
    const mu_dictionary_entry *entry = &part->dictionaries[vector];
    if (entry->n == 0) {
        *out = (mu_dictionary){0};
        return MU_OK;
    }
    if (atomic_load_explicit(&part->dictionary_seen[vector], memory_order_acquire) == 0) {
        MU_TRY(check_dictionary(part, vector, entry, err));
        atomic_store_explicit(&part->dictionary_seen[vector], 1, memory_order_release);
    }
    *out = dictionary_of(part, entry);
    return MU_OK;
}

mu_dictionary mu_part_dictionary(const mu_part *part, uint32_t column)
{
    MU_ASSERT(column < part->footer.n_columns);
    mu_dictionary dictionary;
    /* A damaged dictionary shows as an error of every vector that has its codes. */
    if (mu_part_check_dictionary(part, column, &dictionary, NULL) != MU_OK)
        return (mu_dictionary){0};
    return dictionary;
}

/* -------- plain access -------- */

uint32_t mu_part_rows(const mu_part *part)
{
    return part->footer.n_rows;
}

uint64_t mu_part_events(const mu_part *part)
{
    return part->footer.n_events;
}

uint32_t mu_part_block_count(const mu_part *part)
{
    return part->footer.n_blocks;
}

mu_block mu_part_block(const mu_part *part, uint32_t block)
{
    MU_ASSERT(block < part->footer.n_blocks);
    return part->blocks[block];
}

uint32_t mu_part_column_count(const mu_part *part)
{
    return part->footer.n_columns;
}

const mu_column *mu_part_column(const mu_part *part, uint32_t column)
{
    MU_ASSERT(column < part->footer.n_columns);
    return &part->columns[column];
}

uint32_t mu_part_level_count(const mu_part *part)
{
    return part->footer.n_levels;
}

const mu_level *mu_part_level(const mu_part *part, uint32_t level)
{
    MU_ASSERT(level < part->footer.n_levels);
    return &part->levels[level];
}

const mu_type *mu_part_row_type(const mu_part *part)
{
    return part->types[0];
}

uint32_t mu_part_child(const mu_part *part, uint32_t column, mu_str name)
{
    MU_ASSERT(column < part->footer.n_columns);
    const mu_column *object = &part->columns[column];
    if (object->kind != MU_TYPE_OBJECT)
        return MU_NO_COLUMN;
    for (uint32_t i = 0; i < object->n_children; i++)
        if (mu_str_equal(part->columns[object->children[i]].name, name))
            return object->children[i];
    return MU_NO_COLUMN;
}

uint32_t mu_part_block_of_row(const mu_part *part, uint32_t row)
{
    uint32_t low = 0, high = part->footer.n_blocks;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (part->blocks[middle].row <= row)
            low = middle;
        else
            high = middle;
    }
    return low;
}
