/* store_int.h -- what an open store, its snapshots and its change share.
 *
 *   FOLDER/lock             held by the one process that writes; names it
 *   FOLDER/catalog.db       which parts there are; see catalog.h
 *   FOLDER/parts/ID.part    sixteen hexadecimal digits
 */
#ifndef MU_STORE_STORE_INT_H
#define MU_STORE_STORE_INT_H

#include "catalog/catalog.h"
#include "store/part_int.h"

#include <pthread.h>

/* An open part, shared by the snapshots that show it. */
typedef struct mu_part_handle {
    mu_part *part;
    uint64_t id;
    _Atomic uint32_t n_holders; /* relaxed to add one, acquire-release to let go */
} mu_part_handle;

MU_CHECKED mu_code mu_part_handle_open(const char *folder, const mu_catalog_part *row,
                                       mu_part_handle **out, mu_err *err);
mu_part_handle *mu_part_handle_hold(mu_part_handle *handle);
void mu_part_handle_release(mu_part_handle *handle);

/* Immutable. It owns all it shows: it may outlive its store. */
struct mu_snapshot {
    _Atomic uint32_t n_holders;
    mu_arena arena;
    mu_catalog_state state; /* in `arena` */
    const mu_schema *schema;
    mu_part_handle **handles; /* of state.parts, which are in the order of ids */
    uint32_t n_entities;
    mu_entity *entities;
    uint32_t **part_rows; /* per entity and part: the index in state.parts */
};

/* Shows a state, whose texts are copied. Parts are taken from `known` (NULL allowed) by id, and
 * opened otherwise. MU_E_NOT_FOUND when a part's file is missing. */
MU_CHECKED mu_code mu_snapshot_new(const char *folder, const mu_catalog_state *state,
                                   uint32_t n_known, mu_part_handle *const *known,
                                   mu_snapshot **out, mu_err *err);

struct mu_store {
    char *folder;
    char *sandbox;
    size_t sandbox_len;
    mu_store_mode mode;
    int lock_fd; /* -1 for readers */
    _Atomic uint64_t next_part_id;
    pthread_mutex_t lock; /* guards all below; a leaf: nothing else is locked while it is held */
    mu_catalog *catalog;
    uint64_t data_version;
    mu_snapshot *current;
    bool has_change;   /* one is under way */
    bool is_unsettled; /* a commit failed half-way: no more changes before reopening */
};

static inline mu_str mu_store_sandbox(const mu_store *store)
{
    return (mu_str){store->sandbox, store->sandbox_len};
}

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
