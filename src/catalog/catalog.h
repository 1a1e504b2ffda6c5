/* catalog.h -- SQLite: sandboxes, the versions of their schema, the manifest of their parts, and
 * how far each of them goes in the log.
 *
 * Every change is one transaction; its loss of power leaves the state before or after it. Every row
 * carries a checksum of its columns, and every sandbox one of its rows, so that damage which SQLite
 * does not see is reported and never believed. docs/storage.md describes the tables.
 *
 * A catalog belongs to one thread at a time. Texts and bitmaps that it returns are in the caller's
 * arena.
 */
#ifndef MU_CATALOG_CATALOG_H
#define MU_CATALOG_CATALOG_H

#include "base/arena.h"

typedef struct mu_catalog mu_catalog;

/* One part file as the manifest has it. */
typedef struct mu_catalog_part {
    uint64_t id;
    mu_str entity;
    uint64_t n_bytes;
    uint64_t footer_checksum;
    uint32_t n_rows, n_dead; /* n_dead of n_rows were replaced by later parts */
    uint64_t n_events;       /* of all rows */
    uint64_t n_dead_events;  /* of the dead ones */
    mu_str dead; /* bitmap of dead rows as little-endian 64-bit words; empty when n_dead is 0 */
} mu_catalog_part;

/* The next number for a new pid of an entity; numbers start at 1. */
typedef struct mu_catalog_counter {
    mu_str entity;
    uint32_t next_pid;
} mu_catalog_counter;

/* How far the sandbox's state goes in the log; what `state` means is the log's owner's business. */
typedef struct mu_catalog_mark {
    uint64_t next_sequence;
    mu_str state;
} mu_catalog_mark;

typedef struct mu_catalog_state {
    uint64_t generation; /* counts the committed changes of the sandbox */
    bool has_mark;
    mu_catalog_mark mark;
    mu_str schema; /* JSON; empty while the built-in schema was not changed */
    uint32_t n_parts;
    const mu_catalog_part *parts; /* by id */
    uint32_t n_counters;
    const mu_catalog_counter *counters; /* by entity */
} mu_catalog_state;

/* What one change does to a sandbox. */
typedef struct mu_catalog_edit {
    uint64_t base_generation;    /* of the state that the change started from */
    const mu_str *schema;        /* NULL: as before */
    const mu_catalog_mark *mark; /* NULL: as before */
    uint32_t n_put;
    const mu_catalog_part *put; /* new parts, and parts whose dead rows changed */
    uint32_t n_removed;
    const uint64_t *removed; /* ids */
    uint32_t n_counters;
    const mu_catalog_counter *counters;
    uint64_t next_part_id;
} mu_catalog_edit;

typedef enum mu_catalog_mode { MU_CATALOG_READ, MU_CATALOG_WRITE } mu_catalog_mode;

/* MU_CATALOG_READ: MU_E_NOT_FOUND when there is no such file. MU_CATALOG_WRITE makes it, and brings
 * one of an older format up to date. A file of another format is MU_E_INPUT and named. */
MU_CHECKED mu_code mu_catalog_open(const char *path, mu_catalog_mode mode, mu_catalog **out,
                                   mu_err *err);
void mu_catalog_close(mu_catalog *catalog);

/* A number that differs after another process committed. */
MU_CHECKED mu_code mu_catalog_data_version(mu_catalog *catalog, uint64_t *out, mu_err *err);

/* The names of all sandboxes in the order they were made. */
MU_CHECKED mu_code mu_catalog_sandboxes(mu_catalog *catalog, mu_arena *arena, uint32_t *n,
                                        const mu_str **out, mu_err *err);

/* Makes the sandbox when it is missing. */
MU_CHECKED mu_code mu_catalog_add_sandbox(mu_catalog *catalog, mu_str sandbox, mu_err *err);

/* The ids of all parts of all sandboxes, ascending, and the first id never given out. */
MU_CHECKED mu_code mu_catalog_part_ids(mu_catalog *catalog, mu_arena *arena, uint32_t *n,
                                       const uint64_t **out, uint64_t *next_part_id, mu_err *err);

/* The last committed state of a sandbox. MU_E_NOT_FOUND when there is no such sandbox. */
MU_CHECKED mu_code mu_catalog_read(mu_catalog *catalog, mu_arena *arena, mu_str sandbox,
                                   mu_catalog_state *out, mu_err *err);

/* One transaction. On failure *is_unsettled tells that the system failed in the very act of
 * committing: whether the change will be there after reopening is not known, and nothing more may
 * be written through this catalog. MU_E_CONFLICT: the sandbox is not at `base_generation`. */
MU_CHECKED mu_code mu_catalog_commit(mu_catalog *catalog, mu_str sandbox,
                                     const mu_catalog_edit *edit, bool *is_unsettled, mu_err *err);

/* Copies the last committed state of the whole file to `path`, which must not exist, and syncs it;
 * other processes may commit meanwhile. */
MU_CHECKED mu_code mu_catalog_copy(mu_catalog *catalog, const char *path, mu_err *err);

/* SQLite's own check of the whole file; each problem is given to `problem`. */
MU_CHECKED mu_code mu_catalog_check(mu_catalog *catalog,
                                    void (*problem)(void *context, mu_str sentence), void *context,
                                    mu_err *err);

#endif
