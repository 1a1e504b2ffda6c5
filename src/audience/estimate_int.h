/* estimate_int.h -- what the files of estimates share: counts of an exact prefix, the profiles that
 * are kept for the preview, turns of those that run side by side, one run.
 *
 *   mu_job_run_by_hash ─ block ─> turn ─> prefix (figures, at any time)
 *                                    └──> kept (the matching rows of the smallest hash)
 */
#ifndef MU_AUDIENCE_ESTIMATE_INT_H
#define MU_AUDIENCE_ESTIMATE_INT_H

#include "audience/estimate.h"
#include "audience/interval.h"

#include <pthread.h>

/* -------- the counts of all rows below some hash: prefix.c -------- */

/* Pids are put into so many buckets by the upper bits of their hash. A bucket counts once every
 * block that overlaps it was added, and those before it count too. */
#define MU_PREFIX_BUCKETS 4096u

typedef struct mu_prefix mu_prefix;

typedef struct mu_prefix_counts {
    uint64_t n_read, n_matched; /* live rows of the prefix, and those of them that match */
    const uint64_t *n_by_namespace;
} mu_prefix_counts;

/* `profiles` and `codes`, the namespaces that are counted, must outlive it. NULL profiles: there
 * are none. */
MU_CHECKED mu_code mu_prefix_new(const mu_entity *profiles, unsigned n_workers,
                                 uint32_t n_namespaces, const mu_str *codes, mu_prefix **out,
                                 mu_err *err);
void mu_prefix_free(mu_prefix *prefix); /* NULL allowed */

/* Each block once, as a job's sink has it. Any number of workers side by side. */
MU_CHECKED mu_code mu_prefix_add(mu_prefix *prefix, unsigned worker, uint32_t part, uint32_t block,
                                 const uint64_t *members, mu_err *err);

/* Any thread. The list is in `arena`. */
void mu_prefix_read(mu_prefix *prefix, mu_arena *arena, mu_prefix_counts *out);

/* -------- the matching rows of the smallest hash: kept.c -------- */

typedef struct mu_kept_row {
    uint32_t hash, pid;
    mu_row_place place;
} mu_kept_row;

typedef struct mu_kept {
    pthread_mutex_t lock; /* guards the rest while blocks are added */
    uint32_t n_max;
    uint32_t cutoff; /* rows of a larger hash are not among the first n_max */
    size_t n, capacity;
    mu_kept_row *rows;
} mu_kept;

void mu_kept_init(mu_kept *kept, uint32_t n_max);
void mu_kept_fini(mu_kept *kept);
/* The members of one block. Any number of threads. */
MU_CHECKED mu_code mu_kept_add(mu_kept *kept, const mu_part *part, uint32_t part_index,
                               uint32_t block, const uint64_t *members, mu_err *err);
/* After the last one: sorts by hash and cuts off after n_max. */
void mu_kept_finish(mu_kept *kept);

/* -------- turns: turns.c -------- */

/* Runs share the processors so that whoever has used least goes on: a short one does not wait for
 * a long one, and long ones advance alike. */
typedef struct mu_turn {
    struct mu_turn *next;
    uint64_t used_ns;
} mu_turn;

typedef struct mu_turns {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    mu_turn *first;
    uint32_t n_waiting;
} mu_turns;

void mu_turns_init(mu_turns *turns);
void mu_turns_fini(mu_turns *turns);
void mu_turns_enter(mu_turns *turns, mu_turn *turn);
void mu_turns_leave(mu_turns *turns, mu_turn *turn);
/* Notes so much processor time, then waits until it is this one's turn again or *cancel. */
void mu_turns_wait(mu_turns *turns, mu_turn *turn, uint64_t ns, const bool *cancel);
/* Somebody's cancel flag changed. */
void mu_turns_wake(mu_turns *turns);

/* -------- one run: estimate_run.c -------- */

/* What a finished run leaves behind. */
typedef struct mu_estimate_result {
    uint64_t n_total, n_matched;
    uint32_t n_namespaces;
    mu_estimate_namespace *namespaces;
    uint32_t n_rows;
    uint32_t *pids;          /* of rows, by hash; NULL when identities stand for them */
    mu_identity *identities; /* without a graph: pids of a view do not last */
    uint64_t n_bytes;        /* of all that */
    mu_arena arena;
} mu_estimate_result;

typedef struct mu_estimate_run {
    mu_workspace *workspace;
    mu_str id;
    const mu_estimate_request *request;
    const bool *cancel;
    mu_turns *turns;
    /* Called once, when counting begins: the figures are told from `prefix` until the run ends. */
    void (*begun)(void *context, uint64_t n_total, mu_prefix *prefix, uint32_t n_namespaces,
                  const uint32_t *namespace_ids);
    /* Called once, before `prefix` goes away. Takes over the result (mu_estimate_result_fini),
     * which is NULL when the run failed. */
    void (*ended)(void *context, mu_estimate_result *result);
    void *context;
} mu_estimate_run;

/* MU_E_CANCELLED when *cancel became true. */
MU_CHECKED mu_code mu_estimate_run_all(const mu_estimate_run *run, mu_err *err);
void mu_estimate_result_fini(mu_estimate_result *result);

/* Reads the request's rule as the sandbox has its schema now. */
MU_CHECKED mu_code mu_estimate_read_rule(mu_workspace *workspace, const mu_audience_book *book,
                                         const mu_estimate_request *request, mu_arena *arena,
                                         mu_expression *out, mu_err *err);

/* Whether it asks for profiles. Of the other classes nobody has records. */
bool mu_estimate_is_of_profiles(const mu_estimate_request *request);

#endif
