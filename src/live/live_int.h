/* live_int.h -- what the files of live/ share. README.md draws how they work together.
 *
 * Locks, in the order in which they are taken: mu_sandbox.layer_lock, mu_sandbox.lock; a thread
 * holds one sandbox's at a time. mu_live.lock and mu_live.wait_lock are leaves.
 *
 * A delta is what was applied since the last freeze. Records hang on the node of their primary
 * identity; which profile that is follows from the graph when the profile is built. A freeze makes
 * the active delta the frozen one. Clusters of its profiles are copied ("captured") piece by piece
 * while rows are built; whoever is about to change one that is not captured yet captures it
 * first. So a frozen delta is the state at one sequence number, and freezing stops nobody.
 *
 * A node's home is the pid whose row in the published snapshot holds its data; 0: none does.
 */
#ifndef MU_LIVE_LIVE_INT_H
#define MU_LIVE_LIVE_INT_H

#include "live/live.h"
#include "store/log.h"

#include <pthread.h>
#include <stdatomic.h>

/* -------- deltas -------- */

typedef struct mu_pending mu_pending;
struct mu_pending {
    mu_pending *next;
    uint64_t sequence;
    mu_str bytes; /* the record, in the delta's arena */
};

typedef struct mu_chain {
    mu_node node;
    mu_pending *first, *last; /* by sequence; first NULL: a free slot */
} mu_chain;

/* What the mark keeps besides sequence number and pids. Texts are borrowed. */
typedef struct mu_source {
    mu_str name;
    uint64_t position;
} mu_source;

typedef struct mu_class_counter { /* pids of a lookup class */
    mu_str name;
    uint32_t next_pid;
} mu_class_counter;

typedef struct mu_live_state {
    uint32_t next_pid;
    mu_str settings;
    uint32_t n_sources, n_classes, n_merges;
    const mu_source *sources;
    const mu_class_counter *classes;
    const mu_pid_merge *merges;
} mu_live_state;

/* A cluster as it was at the freeze; exists false: nobody is left under the pid. */
typedef struct mu_capture {
    uint32_t pid;
    bool exists;
    mu_graph_cluster cluster;
    const uint32_t *homes; /* per identity */
} mu_capture;

typedef struct mu_delta {
    mu_arena arena; /* records; written only while the delta is active */
    uint64_t next_sequence;
    int64_t oldest_ms; /* receive time of the first record */
    uint64_t n_records, n_bytes;
    uint32_t n_chains, n_slots; /* slots: 0 or a power of two */
    mu_chain *slots;
    uint32_t n_pids, pids_capacity;
    uint32_t *pids;          /* the profiles to build, each once */
    mu_chain drops, lookups; /* of all nodes */
    bool erases;             /* something in it must leave the disk soon */
    bool refills;            /* the schema has new fields */
    /* Frozen only. The arena and the table are guarded by the sandbox's lock. */
    mu_arena capture_arena;
    uint32_t n_early, early_slots;
    mu_capture **early; /* what is captured, hashed by pid */
    struct mu_live_state *state;
} mu_delta;

mu_delta *mu_delta_new(void);
void mu_delta_free(mu_delta *delta);
/* Appends a copy of the record to a node's records. */
void mu_delta_add(mu_delta *delta, mu_node node, uint64_t sequence, mu_str bytes);
void mu_delta_chain_add(mu_delta *delta, mu_chain *chain, uint64_t sequence, mu_str bytes);
/* The first record of a node, or NULL. */
const mu_pending *mu_delta_find(const mu_delta *delta, mu_node node);
void mu_delta_add_pid(mu_delta *delta, uint32_t pid);
void mu_delta_put_early(mu_delta *delta, mu_capture *capture);
const mu_capture *mu_delta_early(const mu_delta *delta, uint32_t pid);

/* -------- sandboxes -------- */

enum mu_pid_flag {
    MU_PID_ACTIVE = 1,    /* in the active delta's pids */
    MU_PID_UNCAPTURED = 2 /* in the frozen delta's pids, and not captured yet */
};

typedef struct mu_sandbox_gauges {
    mu_gauge *profiles, *events, *parts, *dead_rows, *delta_bytes, *memory_bytes, *unfolded_bytes;
} mu_sandbox_gauges;

struct mu_sandbox {
    mu_live *live;
    char *name;
    mu_store *store;
    mu_sandbox_gauges gauges;
    mu_err damage;    /* why it is not served; code MU_OK: it is. Set before it is published */
    mu_sandbox *next; /* in mu_live.sandboxes; set before it is published */

    /* One layer is built at a time; also while the schema changes. */
    pthread_mutex_t layer_lock;

    pthread_mutex_t lock; /* guards all below */
    mu_graph *graph;
    uint32_t n_homes;
    uint32_t *homes; /* by node */
    uint32_t n_flags;
    uint8_t *flags;            /* by pid: mu_pid_flag */
    mu_delta *active, *frozen; /* frozen: NULL when no layer is being built */
    mu_snapshot *snapshot;     /* published: what homes speak of */
    uint64_t replay_from;      /* records before it are in the snapshot already */
    uint32_t first_pid;        /* that no row had when the sandbox was opened */
    mu_arena settings_arena;   /* of the two below */
    mu_str settings;
    uint32_t n_namespaces; /* the built-in ones and those of the settings */
    const mu_graph_namespace *namespaces;
    uint32_t n_sources, n_classes;
    mu_source *sources;        /* names are malloc'd, as those of classes */
    mu_class_counter *classes; /* changed by the builder of layers alone */
    uint32_t n_merges;
    size_t merges_capacity;
    mu_pid_merge *merges; /* not forgotten yet, in order */

    _Atomic bool erases;             /* the deltas hold something that must leave the disk soon */
    _Atomic bool wants_purge;        /* and so do the parts */
    int64_t purged_ms, expired_ms;   /* the keeper's: when it last did so */
    _Atomic bool wants_expiry;       /* the settings changed */
    _Atomic uint64_t disk_mark;      /* the mark on disk is at least this: opening reads the log
                                        from there, so it must not be trimmed beyond */
    _Atomic uint64_t delta_bytes;    /* records of both deltas */
    _Atomic uint64_t memory_bytes;   /* parts in memory */
    _Atomic uint64_t unfolded_bytes; /* records that no part on disk has */
    _Atomic uint64_t
        unfolded_from; /* the first sequence number that no part on disk has; 0: none */
    _Atomic int64_t unfolded_since_ms;
};

/* -------- the live -------- */

typedef struct mu_waiter mu_waiter;
struct mu_waiter {
    mu_waiter *next;
    uint64_t sequence;
    mu_live_done *done;
    void *context;
};

struct mu_live {
    mu_live_options options;
    mu_metrics *own_metrics; /* when the options have none */
    mu_folder *folder;
    mu_log *log;
    _Atomic(mu_sandbox *) sandboxes; /* newest first; never shrinks */

    pthread_mutex_t lock; /* making sandboxes */

    pthread_mutex_t wait_lock; /* guards the waiters and what has been synced */
    mu_waiter *waiters;
    uint64_t synced;
    mu_code synced_code;

    /* The keeper: folds, merges, purges. */
    pthread_t keeper;
    bool has_keeper;
    pthread_mutex_t keeper_lock; /* guards all below */
    pthread_cond_t keeper_wakes, keeper_did;
    bool is_stopping, is_wanted, fold_wanted, purge_wanted;
    uint64_t n_begun, n_done; /* rounds; a round begun after a request serves it */
    mu_histogram *layer_time, *fold_time, *merge_time, *purge_time;
    mu_counter *upkeep_failures;
    mu_err keeper_err; /* of the last round; code MU_OK when all went well */
};

int64_t mu_live_now(const mu_live *live);

/* apply.c: one durable record, on the commit thread or while opening. */
MU_CHECKED mu_code mu_live_apply(void *live, uint64_t sequence, mu_str payload, mu_err *err);
/* Under the sandbox's lock. */
void mu_sandbox_mark_dirty(mu_sandbox *sandbox, uint32_t pid);

/* capture.c: under the sandbox's lock. */
void mu_capture_make(mu_sandbox *sandbox, mu_arena *arena, uint32_t pid, mu_capture *out);
/* A profile of the frozen delta. */
const mu_capture *mu_capture_frozen(mu_sandbox *sandbox, uint32_t pid);
/* Texts of a cluster copied into `arena`, where its arrays are. */
void mu_capture_own_texts(mu_arena *arena, mu_graph_cluster *cluster);
/* Before the clusters of these identities change. */
void mu_capture_early(mu_sandbox *sandbox, uint32_t n, const mu_identity *identities);

/* build.c: the content of a captured profile from the rows of its homes and the records of up to
 * two deltas; any thread, no lock. Chains are read as they are. */
typedef struct mu_build {
    mu_arena *arena;
    mu_json_reader *reader; /* NULL: whoever parses makes one */
    const mu_schema *schema;
    const mu_entity *entity; /* NULL: no rows */
    const bool *is_current;  /* per part: its rows follow the schema as they are; NULL: who knows */
    bool refills;
} mu_build;
MU_CHECKED mu_code mu_build_content(const mu_build *build, const mu_capture *capture,
                                    uint32_t n_records, mu_applied_record *records, mu_content *out,
                                    mu_err *err);
/* Into the order of their sequence numbers. */
void mu_build_sort(uint32_t n, mu_applied_record *records);
/* The records of a capture's identities, and the drops, in a delta. */
uint32_t mu_build_count(const mu_delta *delta, const mu_capture *capture);
MU_CHECKED mu_code mu_build_records(mu_arena *arena, const mu_delta *delta,
                                    const mu_capture *capture, mu_applied_record *out, uint32_t *n,
                                    mu_err *err);

/* layer.c: shows everything applied so far in a new snapshot. Under layer_lock. */
MU_CHECKED mu_code mu_sandbox_publish(mu_sandbox *sandbox, mu_err *err);
/* Takes the store's newest snapshot for the published one: after a fold, merge or new schema.
 * Without the sandbox's lock. */
MU_CHECKED mu_code mu_sandbox_take_snapshot(mu_sandbox *sandbox, mu_err *err);

/* lookups.c: rows of lookup classes out of the frozen delta. Under layer_lock. */
MU_CHECKED mu_code mu_layer_add_lookups(mu_sandbox *sandbox, const mu_delta *frozen,
                                        const mu_snapshot *base, mu_change *change, mu_err *err);

/* restore.c: one more than the largest pid of the snapshot's rows. */
MU_CHECKED mu_code mu_sandbox_free_pid(const mu_snapshot *snapshot, uint32_t *out, mu_err *err);
/* The graph from the rows of the snapshot. */
MU_CHECKED mu_code mu_sandbox_restore(mu_sandbox *sandbox, mu_err *err);
/* gauges.c */
void mu_sandbox_find_gauges(mu_sandbox *sandbox);
void mu_sandbox_set_gauges(mu_sandbox *sandbox);

/* adopt.c: links what bulk loads stored without links. */
MU_CHECKED mu_code mu_sandbox_adopt(mu_sandbox *sandbox, mu_err *err);
/* Room for what is kept by node and by pid. */
void mu_sandbox_make_room(mu_sandbox *sandbox);

/* scan.c: the pids whose rows hold what a DROP record drops. */
MU_CHECKED mu_code mu_scan_drop(const mu_snapshot *snapshot, const mu_record *record,
                                void (*found)(void *context, uint32_t pid), void *context,
                                mu_err *err);

/* The pids whose rows may hold values for fields that the schema has got since. */
MU_CHECKED mu_code mu_scan_refill(const mu_snapshot *snapshot,
                                  void (*found)(void *context, uint32_t pid), void *context,
                                  mu_err *err);

/* state.c: under the sandbox's lock, except mu_state_write. */
void mu_state_copy(const mu_sandbox *sandbox, mu_arena *arena, mu_live_state *out);
mu_str mu_state_write(mu_arena *arena, const mu_live_state *state);
MU_CHECKED mu_code mu_sandbox_read_state(mu_sandbox *sandbox, mu_str state, mu_err *err);
MU_CHECKED mu_code mu_sandbox_apply_settings(mu_sandbox *sandbox, mu_str settings, mu_err *err);
void mu_sandbox_note_source(mu_sandbox *sandbox, mu_str source, uint64_t position);
mu_class_counter *mu_sandbox_class(mu_sandbox *sandbox, mu_str name);
void mu_state_free(mu_sandbox *sandbox);

/* merges.c; under the lock */
void mu_sandbox_note_merge(mu_sandbox *sandbox, uint32_t from, uint32_t to);

/* keeper.c */
MU_CHECKED mu_code mu_keeper_start(mu_live *live, mu_err *err);
void mu_keeper_stop(mu_live *live);
void mu_keeper_wake(mu_live *live);

/* schema.c: the first schema that the live gives a sandbox has the system fields. */
MU_CHECKED mu_code mu_sandbox_add_system_fields(mu_sandbox *sandbox, mu_err *err);

/* Room for at least `n` elements: out of memory ends the process, as in an arena. */
void *mu_live_room(void *array, size_t n, size_t *capacity, size_t size);

#endif
