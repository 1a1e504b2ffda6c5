/* store.h -- a sandbox's data on disk: immutable column parts, and the snapshots that show them.
 *
 * docs/storage.md is normative for bytes, versions and invariants.
 *
 *   entity     "profile" (rows with their events nested in the list field xEvent) or a lookup class
 *   part       one immutable file with rows of one entity, in the order of mu_mix32(pid)
 *   block      up to MU_BLOCK_ROWS consecutive rows of a part with everything nested under them;
 *              every column of the part has one vector per block, with offsets local to the block
 *   vector     what a column holds of one block, readable in place in the mapped file
 *
 * Columns mirror the part's row type: a node per scalar, OBJECT, LIST and MAP. A LIST or MAP opens
 * a level: its children have one element per list item or map entry. Level 0 has one element per
 * row.
 */
#ifndef MU_STORE_STORE_H
#define MU_STORE_STORE_H

#include "xdm/schema.h"
#include "xdm/value.h"

/* A block ends after MU_BLOCK_ROWS rows, or earlier once its events reach MU_BLOCK_EVENTS. */
#define MU_BLOCK_ROWS   4096u
#define MU_BLOCK_EVENTS 65536u

typedef struct mu_store mu_store;
typedef struct mu_snapshot mu_snapshot;
typedef struct mu_part mu_part;

/* -------- columns and vectors -------- */

#define MU_NO_COLUMN UINT32_MAX

typedef struct mu_column {
    mu_str name;       /* field name; "" for the root, list items, map keys and values */
    mu_type_kind kind; /* scalar kinds, LIST, MAP, OBJECT */
    uint32_t parent;   /* column index; MU_NO_COLUMN for the root, which is column 0 */
    uint32_t level;    /* index into the part's levels */
    uint32_t n_children;
    const uint32_t *children; /* OBJECT: fields; LIST: [item]; MAP: [key, value] */
} mu_column;

typedef struct mu_level {
    uint32_t parent; /* level; level 0 is its own parent */
    uint32_t column; /* the LIST or MAP column that opens it; the root column for level 0 */
} mu_level;

typedef enum mu_encoding {
    MU_ENCODING_NONE,    /* every element is null: no data */
    MU_ENCODING_PRESENT, /* OBJECT: validity only */
    MU_ENCODING_BITS,    /* BOOLEAN: a bitmap of values */
    MU_ENCODING_INTEGER, /* INTEGER, DATE, TIMESTAMP: base + unsigned number of `width` bytes */
    MU_ENCODING_DOUBLE,  /* IEEE doubles */
    MU_ENCODING_DECIMAL, /* DOUBLE: (base + number of `width` bytes) as a double, divided by
                            10^scale */
    MU_ENCODING_CODES,   /* STRING: dictionary codes of `width` bytes (base is 0) */
    MU_ENCODING_BYTES,   /* STRING: `offsets` into `bytes` */
    MU_ENCODING_OFFSETS, /* LIST, MAP: `offsets` into the elements of the level they open */
    /* packed, which mu_vector_unpack makes one of the above: */
    MU_ENCODING_UUIDS, /* STRING: texts of UUIDs in lower case, 16 bytes each */
    MU_ENCODING_RUNS,  /* STRING: codes of `width` bytes, each of a run of elements that ends before
                          `offsets[run]` */
    MU_ENCODING_SINGLE, /* LIST, MAP: every element has one item: no data */
    MU_ENCODING_HALVES  /* STRING: `offsets` into characters of 4 bits at `bytes`, places in the 16
                           characters at `data` */
} mu_encoding;

/* One column's elements in one block. Pointers reach into the mapped part, are aligned to 64 bytes,
 * and at least 64 bytes past the end may be read. Elements that are null have some value all the
 * same (0 or the base). Immutable; valid while the snapshot is held. */
typedef struct mu_vector {
    mu_encoding encoding;
    uint8_t width; /* 0 (all equal base), 1, 2, 4 or 8 */
    uint8_t scale; /* DECIMAL */
    uint32_t n;    /* elements */
    uint32_t n_null;
    const uint64_t *valid; /* bitmap of elements that are not null; NULL when n_null is 0 or n */
    const void *data;      /* BITS, INTEGER, DOUBLE, DECIMAL, CODES */
    int64_t base;
    int64_t min,
        max; /* of the non-null values: INTEGER as such, CODES codes; DOUBLE and DECIMAL bits
                of the doubles; has_range false when all are null or the kind has none */
    bool has_range;
    const uint32_t *offsets; /* BYTES, OFFSETS: n + 1, ascending, offsets[0] = 0 */
    const char *bytes;
    uint32_t n_runs;       /* RUNS */
    const uint32_t *ranks; /* packed INTEGER, DOUBLE, DECIMAL, CODES, OFFSETS: `data` holds the
                              values of the elements that are not null alone, and ranks[k] is how
                              many of those come before element 512 * k; NULL in plain vectors.
                              Packed OFFSETS are `data` of `width` bytes, plain ones `offsets`. */
} mu_vector;

/* The memory that the plain form of a packed vector takes, less than 2^32 bytes; 0 when the vector
 * is plain already. */
size_t mu_vector_plain_bytes(const mu_vector *vector);

/* The plain form, in `memory` of mu_vector_plain_bytes (aligned to 8 bytes, which its pointers then
 * are too); of a plain vector a copy. */
void mu_vector_unpack(const mu_vector *vector, void *memory, mu_vector *out);

/* A part's sorted dictionary of a STRING column (byte order, distinct); n = 0 when it has none. */
typedef struct mu_dictionary {
    uint32_t n;
    const uint64_t *offsets; /* n + 1 */
    const char *bytes;
} mu_dictionary;

static inline mu_str mu_dictionary_get(const mu_dictionary *dictionary, uint32_t code)
{
    return (mu_str){dictionary->bytes + dictionary->offsets[code],
                    (size_t)(dictionary->offsets[code + 1] - dictionary->offsets[code])};
}

typedef struct mu_block {
    uint32_t row; /* the first */
    uint32_t n_rows;
} mu_block;

uint32_t mu_part_rows(const mu_part *part);
uint64_t mu_part_events(const mu_part *part);
uint32_t mu_part_block_count(const mu_part *part);
mu_block mu_part_block(const mu_part *part, uint32_t block);
uint32_t mu_part_column_count(const mu_part *part);
const mu_column *mu_part_column(const mu_part *part, uint32_t column);
uint32_t mu_part_level_count(const mu_part *part);
const mu_level *mu_part_level(const mu_part *part, uint32_t level);
const mu_type *mu_part_row_type(const mu_part *part);
mu_dictionary mu_part_dictionary(const mu_part *part, uint32_t column);

/* The child of an OBJECT column by name, or MU_NO_COLUMN: the part was written before the schema
 * had the field, so all its values are null. */
uint32_t mu_part_child(const mu_part *part, uint32_t column, mu_str name);

/* Checks the block's checksum and structure at first touch (any number of threads), then fills
 * *out, which may be packed. MU_E_CORRUPT names the file, column and block. */
MU_CHECKED mu_code mu_part_vector(const mu_part *part, uint32_t column, uint32_t block,
                                  mu_vector *out, mu_err *err);

/* Elements of a level in a block. */
MU_CHECKED mu_code mu_part_level_size(const mu_part *part, uint32_t level, uint32_t block,
                                      uint32_t *out, mu_err *err);

/* The pids of a block's rows, and their primary identities. */
MU_CHECKED mu_code mu_part_pids(const mu_part *part, uint32_t block, const uint32_t **out,
                                mu_err *err);

typedef struct mu_identity {
    mu_str namespace_code, value; /* lookup classes: namespace_code is empty, value the key */
} mu_identity;

MU_CHECKED mu_code mu_part_identity(const mu_part *part, uint32_t row, mu_identity *out,
                                    mu_err *err);

/* Decodes one whole row (an OBJECT dense in the part's row type; xEvent is a list, never null).
 * Strings point into the mapped part or are in `arena`, as the rest is. */
MU_CHECKED mu_code mu_part_row(const mu_part *part, uint32_t row, mu_arena *arena, mu_value *out,
                               mu_err *err);

/* -------- snapshots -------- */

/* The parts of one entity. One live row per pid over all parts: bit r of dead[p] set means that row
 * r of parts[p] was replaced by a later part; dead[p] is NULL when none is. */
typedef struct mu_entity {
    mu_str name; /* "profile" or a lookup class */
    uint32_t n_parts;
    const mu_part *const *parts;
    const uint64_t *const *dead;
    uint64_t n_rows; /* live */
    uint64_t n_events;
} mu_entity;

/* Clusters of identities that nothing is known of but their links: rows of the profiles' type under
 * a name of their own, so that nobody counts or evaluates them. */
#define MU_ENTITY_GRAPH MU_STR("$graph")

typedef struct mu_row_place {
    uint32_t part, row;
} mu_row_place;

/* Opening. MU_STORE_READ takes the last committed state and no lock; MU_STORE_WRITE makes the
 * folder when it is missing and holds the data folder's lock (MU_E_CONFLICT names the holder). */
typedef enum mu_store_mode { MU_STORE_READ, MU_STORE_WRITE } mu_store_mode;
MU_CHECKED mu_code mu_store_open(const char *folder, mu_str sandbox, mu_store_mode mode,
                                 mu_store **out, mu_err *err);
void mu_store_close(mu_store *store);

/* A data folder with its lock and catalog, for a process that has several of its sandboxes open.
 * mu_store_open is this with one. A folder is closed after all its stores. */
typedef struct mu_folder mu_folder;
MU_CHECKED mu_code mu_folder_open(const char *path, mu_store_mode mode, mu_folder **out,
                                  mu_err *err);
void mu_folder_close(mu_folder *folder);
/* As it was opened. */
const char *mu_folder_path(const mu_folder *folder);
/* In the order they were made. */
MU_CHECKED mu_code mu_folder_sandboxes(mu_folder *folder, mu_arena *arena, uint32_t *n,
                                       const mu_str **out, mu_err *err);
/* For MU_STORE_WRITE the sandbox is made when it is missing, else MU_E_NOT_FOUND. Any thread. */
MU_CHECKED mu_code mu_store_open_in(mu_folder *folder, mu_str sandbox, mu_store **out, mu_err *err);

/* The data folder, as it was opened: temporary files of a load go there, without a name. */
const char *mu_store_folder(const mu_store *store);

/* The newest committed state. Acquire and release from any thread. */
MU_CHECKED mu_code mu_snapshot_acquire(mu_store *store, mu_snapshot **out, mu_err *err);
/* One more release is due. */
mu_snapshot *mu_snapshot_hold(mu_snapshot *snapshot);
void mu_snapshot_release(mu_snapshot *snapshot);

const mu_schema *mu_snapshot_schema(const mu_snapshot *snapshot);
uint32_t mu_snapshot_entity_count(const mu_snapshot *snapshot);
const mu_entity *mu_snapshot_entity_at(const mu_snapshot *snapshot, uint32_t index);
/* By name; NULL when it has no rows. */
const mu_entity *mu_snapshot_entity(const mu_snapshot *snapshot, mu_str name);

/* The live row with this primary identity; false when there is none. */
MU_CHECKED mu_code mu_entity_find(const mu_entity *entity, mu_identity identity, bool *found,
                                  mu_row_place *out, mu_err *err);

/* The live row of a pid. */
MU_CHECKED mu_code mu_entity_find_pid(const mu_entity *entity, uint32_t pid, bool *found,
                                      mu_row_place *out, mu_err *err);

/* -------- writing -------- */

/* Everything a load, fold or merge changes, committed at once or not at all. One at a time per
 * store. Files made before a commit that never came are removed at the next MU_STORE_WRITE open. */
typedef struct mu_change mu_change;
MU_CHECKED mu_code mu_change_begin(mu_store *store, mu_change **out, mu_err *err);

/* The first of `n` new pids of the entity, which are then consecutive. */
MU_CHECKED mu_code mu_change_new_pids(mu_change *change, mu_str entity, uint32_t n, uint32_t *first,
                                      mu_err *err);

/* The schema that the change's parts follow; must extend the one before. */
void mu_change_set_schema(mu_change *change, const mu_schema *schema);

/* The snapshot that the change started from, as long as the change lives: a fold or merge may have
 * moved rows since another one was acquired. */
const mu_snapshot *mu_change_base(const mu_change *change);

/* Marks a row of mu_change_base as replaced. */
MU_CHECKED mu_code mu_change_kill_row(mu_change *change, mu_str entity, mu_row_place place,
                                      mu_err *err);

/* A part under construction. Several may be written side by side, each by its own thread. Rows must
 * come in ascending order of mu_mix32(pid), each an OBJECT dense in `row_type`. */
typedef struct mu_part_writer mu_part_writer;
MU_CHECKED mu_code mu_part_writer_new(mu_change *change, mu_str entity, const mu_type *row_type,
                                      mu_part_writer **out, mu_err *err);
MU_CHECKED mu_code mu_part_writer_add(mu_part_writer *writer, uint32_t pid, mu_identity identity,
                                      mu_value row, mu_err *err);
/* Writes and syncs the file and adds it to the change (any thread). Frees the writer either way. */
MU_CHECKED mu_code mu_part_writer_finish(mu_part_writer *writer, mu_err *err);
void mu_part_writer_abandon(mu_part_writer *writer);

/* The catalog transaction. Frees the change either way. */
MU_CHECKED mu_code mu_change_commit(mu_change *change, mu_err *err);
void mu_change_abort(mu_change *change);

/* -------- parts in memory: what the log holds beyond the parts on disk -------- */

/* How far a state goes: everything before `next_sequence` of the log is in it. `state` is whatever
 * the owner of the log wants to find again with it. */
typedef struct mu_mark {
    uint64_t next_sequence;
    uint32_t next_pid; /* of the entity "profile" */
    mu_str state;
} mu_mark;

/* A change whose parts live in memory: its commit shows them, and the rows it killed as dead, to
 * snapshots of this process and writes nothing. mu_change_new_pids is not for it; pids are the
 * owner's. May be begun beside a fold or merge, not beside another change. */
MU_CHECKED mu_code mu_change_begin_in_memory(mu_store *store, mu_change **out, mu_err *err);
void mu_change_set_mark(mu_change *change, const mu_mark *mark); /* copied */

/* The mark of the newest change that had one, in memory or on disk; all 0 at first. Its next_pid
 * is never below what other changes gave out. */
mu_mark mu_snapshot_mark(const mu_snapshot *snapshot);

/* The first pid of the entity that no row of the snapshot, and no row before it, ever had: at
 * least 1. */
uint32_t mu_snapshot_next_pid(const mu_snapshot *snapshot, mu_str entity);

/* Bytes of the parts in memory. */
uint64_t mu_snapshot_memory_bytes(const mu_snapshot *snapshot);

/* -------- other rows in place of a snapshot's -------- */

/* A snapshot like another one, in which rows in memory stand for some of one entity's: what a
 * question needs and no store keeps. One thread; the base is held. */
typedef struct mu_overlay mu_overlay;
MU_CHECKED mu_code mu_overlay_begin(mu_snapshot *base, mu_str entity, mu_overlay **out,
                                    mu_err *err);
/* Hides a live row of the base. */
MU_CHECKED mu_code mu_overlay_hide(mu_overlay *overlay, mu_row_place place, mu_err *err);
/* Rows come in ascending order of mu_mix32(pid), dense in the type that the schema has for the
 * entity. No row that stays visible may have the pid. */
MU_CHECKED mu_code mu_overlay_add(mu_overlay *overlay, uint32_t pid, mu_identity identity,
                                  mu_value row, mu_err *err);
/* Rows of pids first_pid + i (i < n) are parts of one row of the base, that of owners[i]. */
void mu_overlay_divide(mu_overlay *overlay, uint32_t first_pid, uint32_t n, const uint32_t *owners);
/* Frees the overlay either way. */
MU_CHECKED mu_code mu_overlay_finish(mu_overlay *overlay, mu_snapshot **out, mu_err *err);
void mu_overlay_abandon(mu_overlay *overlay);

/* The pid of the row that a row of an overlay was divided from; `pid` itself for all others. */
uint32_t mu_snapshot_owner_pid(const mu_snapshot *snapshot, uint32_t pid);
/* Whether there are such rows. */
bool mu_snapshot_is_divided(const mu_snapshot *snapshot);

/* How fast a fold or merge may write, so that commits of the log keep their latency. */
typedef struct mu_pace {
    uint64_t sync_bytes;                 /* sync after so many bytes; 0: 4 MiB */
    bool (*should_yield)(void *context); /* NULL, or asked between syncs: pause while true */
    void *context;
} mu_pace;

/* Writes the live rows of all parts in memory into small parts on disk and commits them together
 * with the dead rows and the mark of the state it started from: one transaction. Changes in memory
 * may be committed meanwhile; what they killed stays dead. One fold at a time, and one merge or
 * purge; a fold and one of these may run beside one another. On failure nothing has changed. */
MU_CHECKED mu_code mu_store_fold(mu_store *store, const mu_pace *pace, mu_err *err);

/* Merges parts of one size tier into one, in memory or on disk, or rewrites one on disk that is
 * mostly dead, when there is reason to; *merged tells. Call again while it does. */
MU_CHECKED mu_code mu_store_merge(mu_store *store, const mu_pace *pace, bool *merged, mu_err *err);

/* Rewrites every part on disk that has dead rows: what was deleted is gone afterwards. */
MU_CHECKED mu_code mu_store_purge(mu_store *store, const mu_pace *pace, mu_err *err);

/* -------- copying -------- */

typedef struct mu_backup_report {
    uint64_t n_parts, n_segments;
    uint64_t n_bytes; /* written */
} mu_backup_report;

/* Copies the last committed state of a data folder with its log to `target`, which must be empty or
 * missing and can then be opened as a data folder: with all that was acknowledged before the call.
 * Who writes the folder, in this process or another, neither helps nor waits. MU_E_CONFLICT: the
 * target is not empty, or parts are replaced faster than they can be copied. What a failure leaves
 * in the target has no catalog.db and is no data folder. */
MU_CHECKED mu_code mu_store_backup(const char *folder, const char *target, const mu_pace *pace,
                                   mu_backup_report *out, mu_err *err);

/* -------- checking -------- */

typedef struct mu_verify_report {
    uint64_t n_parts, n_blocks, n_rows, n_events, n_bytes;
    uint64_t n_log_segments, n_log_records;
    uint64_t n_problems;
} mu_verify_report;

/* Checksums and every invariant of docs/storage.md over all sandboxes of a folder and its log. Each
 * problem is given to `problem` as one sentence; `progress` (NULL allowed) hears of bytes done and
 * in all. */
typedef struct mu_verify_callbacks {
    void (*problem)(void *context, mu_str sentence);
    void (*progress)(void *context, uint64_t done_bytes, uint64_t all_bytes);
    void *context;
} mu_verify_callbacks;
MU_CHECKED mu_code mu_store_verify(const char *folder, unsigned n_threads,
                                   const mu_verify_callbacks *callbacks, mu_verify_report *out,
                                   mu_err *err);

/* Opens one part file by path, outside any store: for verify, tests and fuzzing. */
MU_CHECKED mu_code mu_part_open(const char *path, mu_part **out, mu_err *err);
void mu_part_close(mu_part *part);
/* Touches every block and checks what mu_part_vector does not (order of rows, dictionaries sorted,
 * ranges true). */
MU_CHECKED mu_code mu_part_verify(const mu_part *part, mu_err *err);

#endif
