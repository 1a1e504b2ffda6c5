/* part_int.h -- the bytes of a part file, and what the files of this folder share about parts.
 *
 * docs/storage.md is normative; the structs below are those bytes. All numbers are little-endian.
 *
 *   0        64                                                          size - 256      size
 *   +--------+-----------+-----------+-- ... --+----------+---------------+--------------+
 *   | header | area      | area      |         | area     | sections      | footer       |
 *   +--------+-----------+-----------+-- ... --+----------+---------------+--------------+
 *             one area per column and block     dictionaries
 *
 * Every area and section starts at a multiple of 64, is padded with zeros to a multiple of 64, and
 * its checksum covers the padding; so everything but header and footer is covered exactly once. The
 * footer being last, 64 bytes past any area may be read.
 */
#ifndef MU_STORE_PART_INT_H
#define MU_STORE_PART_INT_H

#include "base/bits.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/uuid.h"
#include "store/store.h"

#include <stdatomic.h>

#define MU_PART_VERSION      2u /* what the writer makes; version 1 is read too */
#define MU_PART_ALIGN        64u
#define MU_PART_MAGIC        "MUPART\r\n"
#define MU_PART_MAGIC_END    "\n\rTRAPUM"
#define MU_PART_COLUMNS_MAX  65536u
#define MU_PART_DEPTH_MAX    128u        /* of nested columns */
#define MU_PART_ELEMENTS_MAX (1u << 24)  /* of one level in one block */
#define MU_PART_DECIMAL_MAX  (1ll << 53) /* largest |base| of a DECIMAL vector */
#define MU_BLOCK_COST_MAX    (64u << 20) /* bytes collected before a block ends early */

/* Three vectors of every block belong to no column; they follow those of the columns. */
enum {
    MU_HIDDEN_PID,       /* INTEGER of width 4, base 0 */
    MU_HIDDEN_NAMESPACE, /* STRING */
    MU_HIDDEN_VALUE,     /* STRING */
    MU_HIDDEN_COUNT
};

typedef struct mu_part_header {
    char magic[8];
    uint32_t version;
    uint32_t zero;
    uint64_t part_id;
    uint64_t reserved[4]; /* zero */
    uint64_t checksum;    /* of the bytes before it */
} mu_part_header;

typedef struct mu_part_section {
    uint64_t offset, size, checksum;
} mu_part_section;

typedef struct mu_part_footer {
    uint32_t n_rows, n_blocks, n_columns, n_levels;
    uint64_t n_events;
    uint64_t part_id;
    uint64_t file_size;
    mu_part_section columns;      /* entity name, then the columns */
    mu_part_section blocks;       /* mu_block x n_blocks */
    mu_part_section dictionaries; /* mu_dictionary_entry x (n_columns + MU_HIDDEN_COUNT) */
    mu_part_section vectors;      /* mu_vector_entry x n_blocks x (n_columns + MU_HIDDEN_COUNT);
                                     checksum 0, every entry has its own */
    mu_part_section hashes;       /* u64 x n_rows, ascending: identity hashes */
    mu_part_section rows;         /* u32 x n_rows: the row of each hash */
    uint64_t reserved[7];         /* zero */
    uint64_t checksum;            /* of the bytes before it */
    char magic[8];
} mu_part_footer;

#define MU_VECTOR_HAS_RANGE 1u
#define MU_VECTOR_IS_SPARSE 2u /* mu_vector.ranks */
#define MU_RANK_ELEMENTS    512u
#define MU_ALPHABET_SIZE    16u /* of HALVES: the area has 64 bytes for it */

typedef struct mu_vector_entry {
    uint8_t encoding, width, scale, flags;
    uint32_t n, n_null;
    uint32_t checksum; /* low half of the hash of the entry with this field 0, seed: its index */
    int64_t base, min, max;
    uint64_t offset, size; /* of the area; both 0 when the vector has no data */
    uint64_t area_checksum;
} mu_vector_entry;

typedef struct mu_dictionary_entry {
    uint32_t n;
    uint32_t zero;
    uint64_t offset, size; /* n + 1 offsets of 64 bits, padded, then the bytes; 0 when n is 0 */
    uint64_t area_checksum;
} mu_dictionary_entry;

_Static_assert(sizeof(mu_part_header) == 64, "header");
_Static_assert(sizeof(mu_part_footer) == 256, "footer");
_Static_assert(sizeof(mu_vector_entry) == 64, "vector entry");
_Static_assert(sizeof(mu_dictionary_entry) == 32, "dictionary entry");
_Static_assert(sizeof(mu_block) == 8, "block");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are mapped as they are");

static inline uint64_t mu_part_align(uint64_t size)
{
    return (size + MU_PART_ALIGN - 1) & ~(uint64_t)(MU_PART_ALIGN - 1);
}

static inline uint32_t mu_vector_entry_checksum(mu_vector_entry entry, uint64_t index)
{
    entry.checksum = 0;
    return (uint32_t)mu_hash64(&entry, sizeof entry, index);
}

static inline uint64_t mu_identity_hash(mu_identity identity)
{
    uint64_t seed = mu_hash64(identity.namespace_code.ptr, identity.namespace_code.len, 0);
    return mu_hash64(identity.value.ptr, identity.value.len, seed);
}

static inline double mu_decimal_power(unsigned scale)
{
    static const double powers[] = {1, 10, 100, 1000, 10000};
    return powers[scale];
}
#define MU_DECIMAL_SCALE_MAX 4u

/* Whether the range lies within the dates or times that have a text (base/time.h); true for other
 * kinds. */
bool mu_time_range_fits(mu_type_kind kind, int64_t min, int64_t max);

/* Strict UTF-8 throughout, with no character across an offset. */
bool mu_text32_valid(const char *bytes, const uint32_t *offsets, uint32_t n);
bool mu_text64_valid(const char *bytes, const uint64_t *offsets, uint32_t n);

/* -------- an open part: immutable but for `touched`, whose races are benign -------- */

struct mu_part {
    char *path;
    mu_mapping mapping;
    bool ignores_checksums; /* fuzzing only: reach what lies behind the checksums */
    bool is_in_memory;      /* the bytes are ours, as the writer made them: nothing to check */
    mu_arena arena;         /* all below but the mapped and the touched */
    mu_str entity;
    uint32_t version;
    mu_part_footer footer;
    uint32_t n_vectors; /* per block: n_columns + MU_HIDDEN_COUNT */
    mu_column *columns;
    const mu_type **types; /* of each column */
    mu_level *levels;
    uint32_t event_level;   /* of the items of xEvent; 0 when the root has no such list */
    const mu_block *blocks; /* mapped */
    const mu_dictionary_entry *dictionaries; /* mapped */
    const mu_vector_entry *vectors;          /* mapped */
    const uint64_t *hashes;                  /* mapped */
    const uint32_t *hash_rows;               /* mapped */
    /* 0 unseen, 1 sound; set after the check (release) and read before the use (acquire). Two
     * threads may check the same thing; both come to the same end. */
    _Atomic uint8_t *vector_seen, *dictionary_seen;
    _Atomic uint8_t index_seen;
};

typedef struct mu_part_open_options {
    bool ignores_checksums;
} mu_part_open_options;

MU_CHECKED mu_code mu_part_open_with(const char *path, const mu_part_open_options *options,
                                     mu_part **out, mu_err *err);

/* Opens a part that was written into memory (mu_part_writer_seal_in_memory); takes the bytes, also
 * when it fails. */
MU_CHECKED mu_code mu_part_open_memory(mu_mapping bytes, const char *name, mu_part **out,
                                       mu_err *err);

/* Checks that `size` bytes at `offset` lie between header and footer, aligned. */
MU_CHECKED mu_code mu_part_check_extent(const mu_part *part, const char *what, uint64_t offset,
                                        uint64_t size, mu_err *err);

/* Checks `size` bytes at `offset` of the mapped file, and their checksum. */
MU_CHECKED mu_code mu_part_check_area(const mu_part *part, const char *what, uint64_t offset,
                                      uint64_t size, uint64_t checksum, mu_err *err);

/* The vector at `vector` < n_vectors of a block, hidden ones included; mu_part_vector is this. */
MU_CHECKED mu_code mu_part_any_vector(const mu_part *part, uint32_t vector, uint32_t block,
                                      mu_vector *out, mu_err *err);

/* Checks a dictionary at first touch. */
MU_CHECKED mu_code mu_part_check_dictionary(const mu_part *part, uint32_t vector,
                                            mu_dictionary *out, mu_err *err);

/* Checks the identity index at first touch. */
MU_CHECKED mu_code mu_part_check_index(const mu_part *part, mu_err *err);

/* -------- single elements, of packed vectors too; they are not null -------- */

/* Of STRING; a packed text is put into `room` of mu_part_string_room, which is 0 for others. */
mu_str mu_part_string(const mu_vector *vector, const mu_dictionary *dictionary, uint32_t at,
                      char *room);
size_t mu_part_string_room(const mu_vector *vector, uint32_t at);

/* The offsets that a list vector holds, sparse or not, are one more than this. */
static inline uint32_t mu_stored_offsets(const mu_vector *vector)
{
    return vector->ranks == NULL ? vector->n : vector->n - vector->n_null;
}

/* Of `width` 1: for every 64 offsets, counted from `n` + 1, their base; then what each adds to it.
 */
#define MU_OFFSET_GROUP 64u
static inline uint64_t mu_offset_bases_bytes(uint64_t n)
{
    return mu_part_align((n / MU_OFFSET_GROUP + 1) * 4);
}

static inline uint32_t mu_stepped_offset(const mu_vector *vector, uint32_t place)
{
    const uint32_t *bases = vector->data;
    const uint8_t *steps =
        (const uint8_t *)bases + mu_offset_bases_bytes(mu_stored_offsets(vector));
    return bases[place / MU_OFFSET_GROUP] + steps[place];
}

/* Of a list or map, null ones included: the first of its items, and the one after its last. */
uint32_t mu_vector_begin(const mu_vector *vector, uint32_t at);
uint32_t mu_vector_end(const mu_vector *vector, uint32_t at);

/* The items of all elements together. */
static inline uint32_t mu_vector_items(const mu_vector *vector)
{
    return vector->n == 0 ? 0 : mu_vector_end(vector, vector->n - 1);
}

/* The element as a value: of INTEGER, DATE, TIMESTAMP; of DOUBLE. */
int64_t mu_vector_integer(const mu_vector *vector, uint32_t at);
double mu_vector_double(const mu_vector *vector, uint32_t at);

static inline bool mu_vector_is_null(const mu_vector *vector, uint32_t at)
{
    return vector->n_null != 0 && (vector->valid == NULL || !mu_bit_get(vector->valid, at));
}

/* The block that holds a row. */
uint32_t mu_part_block_of_row(const mu_part *part, uint32_t row);

/* "loyalty.tiers[].name" from the names of a column and its parents, the innermost first; "" stands
 * for what a list or map holds. "the row" when there are none; cut when it is too long. */
void mu_write_column_path(uint32_t n, const mu_str *names, char *out, size_t size);
void mu_part_column_path(const mu_part *part, uint32_t vector, char *out, size_t size);

/* The next row at or after *cursor in hash order whose identity has this hash; false at the end. A
 * search starts with *cursor UINT32_MAX. */
MU_CHECKED mu_code mu_part_find_hash(const mu_part *part, uint64_t hash, uint32_t *cursor,
                                     bool *found, uint32_t *row, mu_err *err);

/* The row of a pid, dead or not. */
MU_CHECKED mu_code mu_part_find_pid(const mu_part *part, uint32_t pid, bool *found, uint32_t *row,
                                    mu_err *err);

#endif
