/* store_int.h -- what an open folder, its stores, their snapshots and changes share.
 *
 *   FOLDER/lock             held by the one process that writes; names it
 *   FOLDER/catalog.db       which parts there are; see catalog.h
 *   FOLDER/parts/ID.part    sixteen hexadecimal digits
 *
 * Locks are taken in this order, any of them left out:
 *
 *   store->moving    one at a time moves rows that are in memory: a fold, or a merge in memory
 *   change->lock     what a change has gathered
 *   store->disk      one at a time changes the committed state (readers: looks for a newer one)
 *   store->memory    one at a time works out and shows the next snapshot
 *   folder->lock     the catalog's connection, the list of stores
 *   store->lock      the current snapshot and who is at work; held for a few instructions
 *
 * A commit to disk holds store->disk through its catalog transaction, and store->memory only to
 * show the result: changes in memory do not wait for the disk.
 */
#ifndef MU_STORE_STORE_INT_H
#define MU_STORE_STORE_INT_H

#include "catalog/catalog.h"
#include "store/part_int.h"

#include <pthread.h>

/* -------- what snapshots share, counted: relaxed to add one, acquire-release to let go -------- */

/* An open part. */
typedef struct mu_part_handle {
    mu_part *part;
    uint64_t id;
    uint64_t memory_bytes; /* of a part in memory; 0 for files */
    uint32_t max_pid;      /* in memory only */
    _Atomic uint32_t n_holders;
} mu_part_handle;

static inline bool mu_part_handle_is_in_memory(const mu_part_handle *handle)
{
    return handle->memory_bytes != 0;
}

MU_CHECKED mu_code mu_part_handle_new(mu_part *part, uint64_t id, mu_part_handle **out,
                                      mu_err *err); /* takes `part`, also when it fails */
MU_CHECKED mu_code mu_part_handle_open(const char *folder, const mu_catalog_part *row,
                                       mu_part_handle **out, mu_err *err);
mu_part_handle *mu_part_handle_hold(mu_part_handle *handle);
void mu_part_handle_release(mu_part_handle *handle);

/* Which rows of a part are dead. NULL stands for none. Immutable. */
typedef struct mu_dead_rows {
    _Atomic uint32_t n_holders;
    uint32_t n_rows;
    uint64_t n_events;
    uint64_t words[];
} mu_dead_rows;

typedef struct mu_dead_row {
    uint32_t row, n_events;
} mu_dead_row;

/* `base` and `n` rows more, in any order, some perhaps dead already; `base` itself when all are. */
MU_CHECKED mu_code mu_dead_rows_with(mu_dead_rows *base, const mu_part *part, size_t n,
                                     const mu_dead_row *rows, mu_dead_rows **out, mu_err *err);
/* As the catalog has it; *out is NULL when none is dead. */
MU_CHECKED mu_code mu_dead_rows_read(const mu_catalog_part *row, mu_dead_rows **out, mu_err *err);
mu_dead_rows *mu_dead_rows_hold(mu_dead_rows *dead);
void mu_dead_rows_release(mu_dead_rows *dead);

static inline bool mu_dead_rows_has(const mu_dead_rows *dead, uint32_t row)
{
    return dead != NULL && mu_bit_get(dead->words, row);
}

static inline uint32_t mu_dead_rows_count(const mu_dead_rows *dead)
{
    return dead == NULL ? 0 : dead->n_rows;
}

/* The events of a row, for mu_dead_row. */
MU_CHECKED mu_code mu_part_events_of_row(const mu_part *part, uint32_t row, uint32_t *out,
                                         mu_err *err);

/* A schema as text and read. Immutable. */
typedef struct mu_schema_version {
    _Atomic uint32_t n_holders;
    mu_arena arena;
    mu_str json; /* empty: the built-in schema */
    const mu_schema *schema;
} mu_schema_version;

MU_CHECKED mu_code mu_schema_version_read(mu_str json, mu_schema_version **out, mu_err *err);
mu_schema_version *mu_schema_version_hold(mu_schema_version *version);
void mu_schema_version_release(mu_schema_version *version);

/* A mark with its state. NULL stands for none. Immutable. */
typedef struct mu_held_mark {
    _Atomic uint32_t n_holders;
    mu_mark mark;
    char state[];
} mu_held_mark;

MU_CHECKED mu_code mu_held_mark_new(const mu_mark *mark, mu_held_mark **out, mu_err *err);
mu_held_mark *mu_held_mark_hold(mu_held_mark *mark);
void mu_held_mark_release(mu_held_mark *mark);

/* -------- snapshots -------- */

/* A part of a state. What is on disk may lag behind what is shown: `durable` is what the catalog
 * has, `shown` has besides what changes in memory killed. Nothing of a part in memory is durable.
 */
typedef struct mu_state_part {
    mu_part_handle *handle;
    mu_dead_rows *shown, *durable;
} mu_state_part;

typedef struct mu_state {
    uint64_t generation; /* of the catalog */
    mu_schema_version *schema;
    mu_held_mark *shown_mark, *durable_mark;
    uint32_t n_counters;
    const mu_catalog_counter *counters;
    uint32_t n_parts;
    const mu_state_part *parts; /* in the order of ids */
} mu_state;

/* Immutable. It owns all it shows: it may outlive its store. */
struct mu_snapshot {
    _Atomic uint32_t n_holders;
    mu_arena arena;
    mu_state state; /* arrays in `arena` */
    uint64_t memory_bytes;
    uint32_t n_entities;
    mu_entity *entities;
    uint32_t **part_rows;              /* per entity and part: the index in state.parts */
    uint32_t first_divided, n_divided; /* pids of an overlay that owners[i] stands behind */
    uint32_t *owners;
};

/* Shows a state: arrays are copied, what they point to is held. */
MU_CHECKED mu_code mu_snapshot_new(const mu_state *state, mu_snapshot **out, mu_err *err);

/* Shows what the catalog has; parts and schema are taken from `known` (NULL allowed) where it has
 * them. MU_E_NOT_FOUND when a part's file is missing. */
MU_CHECKED mu_code mu_snapshot_read(const char *folder, const mu_catalog_state *state,
                                    const mu_snapshot *known, mu_snapshot **out, mu_err *err);

/* The index of a part in the state, UINT32_MAX when it is not there. */
uint32_t mu_snapshot_find_part(const mu_snapshot *snapshot, uint64_t id);

/* -------- folders and stores -------- */

struct mu_folder {
    char *path;
    mu_store_mode mode;
    int lock_fd; /* -1 for readers */
    _Atomic uint64_t next_part_id;
    pthread_mutex_t lock;
    mu_catalog *catalog;
    mu_store *stores;  /* open ones, linked by `next` */
    bool is_unsettled; /* a commit failed half-way: no more changes before reopening */
};

struct mu_store {
    mu_folder *folder;
    bool owns_folder;
    mu_store *next;
    char *sandbox;
    size_t sandbox_len;
    pthread_mutex_t moving, disk, memory, lock;
    uint64_t data_version; /* readers; guarded by `disk` */
    mu_snapshot *current;
    bool has_change, has_fold, has_rewrite; /* one of each may be under way */
    /* A fold or merge begins a new part when one has so many rows or bytes. Tests make it small. */
    uint32_t part_rows_max;
    uint64_t part_bytes_max;
};

static inline mu_str mu_store_sandbox(const mu_store *store)
{
    return (mu_str){store->sandbox, store->sandbox_len};
}

/* The snapshot shown now, held. */
mu_snapshot *mu_store_current(mu_store *store);

/* Shows `next`, whose reference it takes. The caller holds store->memory. */
void mu_store_show(mu_store *store, mu_snapshot *next);

#define MU_PART_ROWS_MAX  (1u << 22)
#define MU_PART_BYTES_MAX ((uint64_t)1 << 30)

#define MU_PATH_MAX 4096
MU_CHECKED mu_code mu_store_path(const char *folder, const char *name, char out[MU_PATH_MAX],
                                 mu_err *err);
MU_CHECKED mu_code mu_part_path(const char *folder, uint64_t id, char out[MU_PATH_MAX],
                                mu_err *err);

/* Whether rows of type `old` can be shown as `type`: every field is still there and of the same
 * kind, or an integer that became a double. */
bool mu_type_extends(const mu_type *type, const mu_type *old);

/* The type that the parts of an entity follow; NULL when the schema has no such entity. */
const mu_type *mu_schema_entity_type(const mu_schema *schema, mu_str entity);

#endif
