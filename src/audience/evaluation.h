/* evaluation.h -- audiences over the profiles of a sandbox, as jobs, previews, diffs and overlaps
 * see them: under their merge policies, without who opted out, with the memberships of audiences
 * that are not evaluated (design.md 1, api.md 12, pql.md 13 D69, profile.md P83, P87).
 */
#ifndef MU_AUDIENCE_EVALUATION_H
#define MU_AUDIENCE_EVALUATION_H

#include "audience/audience.h"
#include "eval/eval.h"

/* One audience as it is to be evaluated. Texts are borrowed. */
typedef struct mu_subject {
    mu_str id; /* what inSegment names; made up for rules that are no audience; unique */
    mu_str expression;
    bool is_tree;
    mu_str merge_policy_id; /* empty: the default */
    bool excludes_opt_out;
} mu_subject;

/* The audiences of `ids` and all that they refer to and that are evaluated (no external or inactive
 * ones: their stored memberships are used), each once, what is referred to first. With n = 0 every
 * definition that is published or draft. MU_E_INPUT names ids that cannot be evaluated. */
MU_CHECKED mu_code mu_subjects_of(mu_arena *arena, const mu_audience_book *book, uint32_t n,
                                  const mu_str *ids, uint32_t *n_out, mu_subject **out,
                                  mu_err *err);

/* Why an audience (NULL: there is none) cannot be evaluated; NULL when it can. */
const char *mu_subject_refusal(const mu_audience *audience);

/* How identities are stitched, instead of what merge policies say (api.md 14.1, graphType). */
typedef enum mu_graph_type { MU_GRAPH_OF_POLICY, MU_GRAPH_NONE, MU_GRAPH_PDG } mu_graph_type;

typedef struct mu_evaluation_request {
    uint32_t n_subjects;
    const mu_subject *subjects;
    const mu_audience_book *book; /* for names and for audiences that are not among the subjects */
    int64_t now_ms;
    int64_t as_of_ms; /* only events with timestamp and receive time up to then; INT64_MAX: all */
    mu_graph_type graph; /* of every policy; 0: as it says itself */
    const bool *cancel;  /* NULL, or read with __ATOMIC_RELAXED */
    bool counts_namespaces;
    void (*progress)(void *context, uint64_t done, uint64_t all); /* NULL allowed */
    void *progress_context;
} mu_evaluation_request;

/* -------- one job under one merge policy -------- */

/* A job ready to run. Subjects of other policies are not evaluated: their stored memberships, or
 * `known`, stand for them. */
typedef struct mu_prepared {
    mu_snapshot *snapshot;
    mu_job *job; /* its audiences: the subjects of this policy, in order */
    uint32_t n_audiences;
    const uint32_t *subjects; /* their places in the request */
    mu_stored_policy policy;
    struct mu_prepared_own *own;
} mu_prepared;

/* Members by subject that were evaluated before, under another policy; NULL: not. */
typedef struct mu_known_members {
    const mu_pid_set *const *members; /* n_subjects */
} mu_known_members;

/* Takes the policy of the request's subject `of_subject`. A rule that does not bind any more fails
 * it with MU_E_INPUT. */
MU_CHECKED mu_code mu_evaluation_prepare(mu_workspace *workspace,
                                         const mu_evaluation_request *request, uint32_t of_subject,
                                         const mu_known_members *known, mu_prepared **out,
                                         mu_err *err);
void mu_prepared_free(mu_prepared *prepared);

/* -------- everything -------- */

typedef struct mu_evaluated {
    mu_pid_set *members;            /* by pid of the cluster, whatever the policy */
    uint64_t n_members;             /* profiles under the policy */
    const uint64_t *n_by_namespace; /* n_namespaces; NULL unless asked for */
    mu_str error; /* len > 0: the rule does not bind any more, nothing was evaluated */
} mu_evaluated;

typedef struct mu_evaluation {
    uint32_t n_subjects;
    mu_evaluated *subjects; /* in the request's order */
    uint32_t n_policies;
    const mu_stored_policy *policies;
    const uint64_t *profiles_of_policy;
    uint64_t n_profiles; /* of the first policy, or of the sandbox when there is no subject */
    mu_pid_set *alive;   /* every profile there is */
    uint32_t n_namespaces;
    const mu_str *namespaces; /* codes in lower case */
    uint64_t guard_trips[MU_GUARD_COUNT_];
    mu_arena arena;
} mu_evaluation;

/* Evaluates everything. MU_E_CANCELLED when *cancel became true. Free *out. */
MU_CHECKED mu_code mu_evaluate(mu_workspace *workspace, const mu_evaluation_request *request,
                               mu_evaluation **out, mu_err *err);
void mu_evaluation_free(mu_evaluation *evaluation);

#endif
