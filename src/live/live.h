/* live.h -- the sandboxes of a data folder while they change: log, graph, delta, folds.
 *
 *   append ─> log ─ fdatasync ─> apply: graph, delta (records by primary identity) ─> acknowledged
 *                                          │
 *   mu_sandbox_snapshot, fold ──────── freeze: complete new rows of the changed profiles
 *                                          │            (a part in memory, shown at once)
 *   fold, at 64 MB or 60 s ─────────── parts in memory ─> one small part on disk, one catalog
 *                                          transaction with the log's position; log is trimmed
 *   merges, paced ──────────────────── small parts ─> larger ones; dead rows leave
 *
 * Everything that was acknowledged is in the next snapshot and in every look-up after it. Any
 * thread may call anything here, except where said.
 */
#ifndef MU_LIVE_LIVE_H
#define MU_LIVE_LIVE_H

#include "base/log.h"
#include "base/metrics.h"
#include "profile/content.h"

typedef struct mu_live mu_live;
typedef struct mu_sandbox mu_sandbox;

typedef struct mu_live_options {
    const char *folder;
    unsigned n_threads;                 /* for folds and merges */
    size_t memory_max_bytes;            /* of deltas: over half of it folds hurry, at it appends are
                                           MU_E_LIMIT. 0: 1 GiB */
    uint64_t fold_bytes;                /* log bytes that start a fold; 0: 64 MiB */
    uint32_t fold_ms;                   /* age of the oldest record that starts a fold; 0: 60 s */
    int64_t (*now_ms)(void);            /* NULL: the clock */
    const mu_logger *logger;            /* NULL: none */
    mu_metrics *metrics;                /* must outlive the live */
    const struct mu_log_system *system; /* NULL; tests */
} mu_live_options;

/* Takes the data folder's lock, opens all sandboxes and replays the log. */
MU_CHECKED mu_code mu_live_open(const mu_live_options *options, mu_live **out, mu_err *err);
/* Makes everything appended durable and stops; what is not folded stays in the log. */
void mu_live_close(mu_live *live);

/* The data folder. */
const char *mu_live_folder(const mu_live *live);

/* The sandbox, made when missing. Its pointer lives as long as `live`. */
MU_CHECKED mu_code mu_live_sandbox(mu_live *live, mu_str name, mu_sandbox **out, mu_err *err);
/* NULL when there is none. */
mu_sandbox *mu_live_find_sandbox(mu_live *live, mu_str name);
/* Names in `arena`, in the order they were made. */
uint32_t mu_live_sandboxes(mu_live *live, mu_arena *arena, const mu_str **names);
mu_str mu_sandbox_name(const mu_sandbox *sandbox);

/* MU_OK, or why nothing is accepted any more (a sync failed, the disk is full). */
MU_CHECKED mu_code mu_live_health(mu_live *live, mu_err *err);

/* MU_OK, or MU_E_CORRUPT: what the sandbox has on disk is damaged, in a way that its clusters
 * cannot be known. Then it answers nothing and takes nothing, with this error, and the log keeps
 * what it had for it; other sandboxes are served. */
MU_CHECKED mu_code mu_sandbox_health(const mu_sandbox *sandbox, mu_err *err);

/* -------- schema -------- */

/* The schema that rows have now, in the snapshot; and a later version of it, which must extend it:
 * values of new fields that earlier records had are found again. Returns once it is committed. */
MU_CHECKED mu_code mu_sandbox_set_schema(mu_sandbox *sandbox, const mu_schema *schema, mu_err *err);

/* -------- writing -------- */

/* Appends records, whose `sandbox` member is filled in, all or none. Then *sequence becomes durable
 * and visible together. MU_E_LIMIT: full, try again later. MU_E_IO: nothing is accepted any more.
 */
MU_CHECKED mu_code mu_sandbox_append(mu_sandbox *sandbox, uint32_t n, mu_record *records,
                                     uint64_t *sequence, mu_err *err);

/* Calls `done` once, when everything up to `sequence` is durable and visible (MU_OK) or will never
 * be; on the commit thread, or at once on this one. It must not wait. */
typedef void mu_live_done(void *context, mu_code code);
MU_CHECKED mu_code mu_live_when_durable(mu_live *live, uint64_t sequence, mu_live_done *done,
                                        void *context, mu_err *err);
/* Waits for the same. */
MU_CHECKED mu_code mu_live_wait(mu_live *live, uint64_t sequence, mu_err *err);

/* How far a source was read: the largest position among its records; 0 when none is known. */
uint64_t mu_sandbox_position(mu_sandbox *sandbox, mu_str source);
/* Forgets a source that will never be read again. */
void mu_sandbox_end_source(mu_sandbox *sandbox, mu_str source);

/* -------- reading -------- */

/* The current state as columns: all that was visible when this was called. Release with
 * mu_snapshot_release. */
MU_CHECKED mu_code mu_sandbox_snapshot(mu_sandbox *sandbox, mu_snapshot **out, mu_err *err);

/* All that is known of the cluster of an identity, in `arena`. *out_schema is the schema its values
 * follow. MU_E_NOT_FOUND. */
typedef struct mu_lookup {
    mu_content content;
    const mu_schema *schema;
    mu_snapshot *snapshot; /* holds what the values point to: release it after use */
} mu_lookup;
MU_CHECKED mu_code mu_sandbox_lookup(mu_sandbox *sandbox, mu_identity identity, mu_arena *arena,
                                     mu_lookup *out, mu_err *err);

/* The cluster of an identity as the graph has it, texts copied into `arena`; false when unknown. */
bool mu_sandbox_cluster(mu_sandbox *sandbox, mu_identity identity, mu_arena *arena,
                        mu_graph_cluster *out);

/* The pid that a cluster has now that once had `pid`: itself, the one that it was merged into, or 0
 * when it was erased or never given. */
uint32_t mu_sandbox_current_pid(mu_sandbox *sandbox, uint32_t pid);

/* A pid that ended because its cluster was merged into another one. */
typedef struct mu_pid_merge {
    uint32_t from, to;
} mu_pid_merge;
#define MU_PID_MERGES_MAX 1000000u

/* Merges that nobody has forgotten yet, in the order they happened, in `arena`: for what is stored
 * by pid. They are kept over a restart. When there are too many the oldest go. */
uint32_t mu_sandbox_merges(mu_sandbox *sandbox, mu_arena *arena, const mu_pid_merge **out);
/* Those are taken over by whoever stores something; they were the first that mu_sandbox_merges
 * gave. */
void mu_sandbox_forget_merges(mu_sandbox *sandbox, uint32_t n, const mu_pid_merge *merges);

/* The identity that an XID stands for, texts copied into `arena`; false when the graph has none.
 * The first call in a sandbox's life takes longer: graph.h. */
bool mu_sandbox_find_xid(mu_sandbox *sandbox, mu_str xid, mu_arena *arena, mu_identity *out);

/* The settings in force, the document of the last MU_RECORD_SETTINGS, JSON in `arena`; empty at
 * first: {"namespaces":[{"code","id","idType","priority"?,"unique"?}],"retention"?:{..}}. It lists
 * every custom namespace, and those built-in ones that have a priority. */
mu_str mu_sandbox_settings(mu_sandbox *sandbox, mu_arena *arena);

/* All namespaces: the built-in ones and those of the settings. */
uint32_t mu_sandbox_namespaces(mu_sandbox *sandbox, mu_arena *arena,
                               const mu_graph_namespace **out);

/* -------- upkeep -------- */

/* Folds everything visible now into parts on disk and waits for it. */
MU_CHECKED mu_code mu_sandbox_fold(mu_sandbox *sandbox, mu_err *err);
/* Folds, rewrites every part with dead rows and trims the log: afterwards nothing that was erased
 * is in the data folder. Erasure asks for it by itself (within a minute). */
MU_CHECKED mu_code mu_sandbox_purge(mu_sandbox *sandbox, mu_err *err);

/* Drops what the settings say is to go by now: the keeper does so every day by itself. */
MU_CHECKED mu_code mu_sandbox_expire(mu_sandbox *sandbox, mu_err *err);

/* Copies a consistent state of the running data folder to `target`, which must be empty or missing;
 * it can be opened as a data folder. */
MU_CHECKED mu_code mu_live_backup(mu_live *live, const char *target, mu_err *err);

typedef struct mu_sandbox_counts {
    uint64_t n_profiles, n_events, n_delta_records, n_delta_bytes, n_parts, n_dead_rows;
} mu_sandbox_counts;
mu_sandbox_counts mu_sandbox_count(mu_sandbox *sandbox);

#endif
