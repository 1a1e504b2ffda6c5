/* evaluation_int.h -- what the files of the evaluation share.
 *
 *   subjects ─> bound rules, references, policies ─> stages ─> rows of members ─> sets of pids
 *
 * A stage is what one job can do: subjects of one merge policy that need none of another one that
 * was not evaluated before. Stages too large for memory are several.
 */
#ifndef MU_AUDIENCE_EVALUATION_INT_H
#define MU_AUDIENCE_EVALUATION_INT_H

#include "audience/evaluation.h"
#include "audience/exclusion.h"
#include "audience/slots.h"
#include "base/hash.h"

/* One subject, read. */
typedef struct mu_read_subject {
    const mu_pql *query; /* NULL: `error` says why */
    mu_str error;
    uint32_t policy;       /* place in `policies` */
    uint32_t n_references; /* ids that inSegment names */
    const mu_str *references;
    uint32_t n_before; /* the subjects among them */
    const uint32_t *before;
} mu_read_subject;

typedef struct mu_reading_policy {
    mu_stored_policy stored;
    mu_snapshot *snapshot;
    mu_slots slots; /* n_words 0 until used */
    bool has_slots;
} mu_reading_policy;

/* All subjects of a request, over one state of the profiles. */
typedef struct mu_subjects_read {
    mu_arena *arena;
    mu_workspace *workspace;
    const mu_evaluation_request *request;
    mu_snapshot *base;
    const mu_membership_state *memberships;
    mu_strmap place_of_id; /* of subjects */
    mu_exclusion_rules exclusion;
    uint32_t n_policies;
    mu_reading_policy *policies;
    mu_read_subject *subjects;
} mu_subjects_read;

/* Binds every rule and finds every policy; what fails has its error, and so has what refers to it.
 * End it either way. */
MU_CHECKED mu_code mu_subjects_read_begin(mu_arena *arena, mu_workspace *workspace,
                                          const mu_evaluation_request *request,
                                          mu_subjects_read *out, mu_err *err);
void mu_subjects_read_end(mu_subjects_read *read);

/* Whom inSegment finds: a set by the cluster's pid, or by the view's own. */
typedef struct mu_known_set {
    const mu_snapshot *snapshot;
    const mu_pid_set *by_cluster, *by_row; /* NULL: nobody */
} mu_known_set;

/* Members by subject that are known, for the references of a job. */
typedef struct mu_known_sets {
    const mu_pid_set *const *by_cluster; /* n_subjects; NULL, or NULL items: not known */
    const mu_pid_set *const *by_row;     /* the same; only for subjects of the job's own policy */
} mu_known_sets;

/* A job over these subjects, which are of one policy and have queries. In `arena`. */
MU_CHECKED mu_code mu_subjects_job(mu_subjects_read *read, mu_arena *arena, uint32_t n,
                                   const uint32_t *subjects, const mu_known_sets *known,
                                   const mu_job_options *options, mu_job **out, mu_err *err);

/* Which profiles (by pid, n_words) have an identity of which namespace. */
typedef struct mu_namespace_sets {
    uint32_t n;
    const mu_str *codes; /* in lower case */
    size_t n_words;
    uint64_t **sets;
} mu_namespace_sets;

/* By the clusters' pids of the base snapshot. In `arena`. */
MU_CHECKED mu_code mu_namespaces_of_clusters(mu_arena *arena, const mu_snapshot *base,
                                             size_t n_pid_words, mu_namespace_sets *out,
                                             mu_err *err);
/* By slots of a snapshot whose rows have one identity each. `codes` are those of the clusters. */
MU_CHECKED mu_code mu_namespaces_of_rows(mu_arena *arena, const mu_snapshot *snapshot,
                                         const mu_slots *slots, const mu_namespace_sets *clusters,
                                         mu_namespace_sets *out, mu_err *err);

/* mu_evaluate with so much memory for the members of a stage. */
MU_CHECKED mu_code mu_evaluate_within(mu_workspace *workspace, const mu_evaluation_request *request,
                                      size_t stage_bytes_max, mu_evaluation **out, mu_err *err);

#endif
