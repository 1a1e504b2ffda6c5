/* estimate.h -- previews and estimates: how many profiles a rule takes, and which, told while it is
 * still counting (api.md 14, 15).
 *
 * Rows lie in the order of hash(pid), so all rows below a hash are a random sample of profiles,
 * whatever part they are in. Blocks of all parts are evaluated in that order; the counts that are
 * told are those of rows below the smallest hash that was not reached yet: an exact prefix at any
 * time.
 *
 * The request is a document of kind "preview"; numbers and rows are in memory. After a restart an
 * estimate starts anew.
 */
#ifndef MU_AUDIENCE_ESTIMATE_H
#define MU_AUDIENCE_ESTIMATE_H

#include "audience/evaluation.h"

#define MU_PREVIEW_KIND MU_STR("preview")

typedef struct mu_estimates mu_estimates;

/* Starts the thread(s), and anew what was there before. */
MU_CHECKED mu_code mu_estimates_new(mu_workspaces *workspaces, mu_estimates **out, mu_err *err);
void mu_estimates_free(mu_estimates *estimates);

typedef struct mu_estimate_request {
    mu_str expression;
    bool is_tree;
    mu_str schema_name;     /* class of the model; empty: profiles */
    mu_str merge_policy_id; /* empty: the default */
    mu_graph_type graph;    /* instead of what the policy says */
} mu_estimate_request;

/* Checks the rule (MU_E_SYNTAX as mu_expression_read, MU_E_INPUT) and starts. *id: a uuid in
 * `arena` (previewQueryId). */
MU_CHECKED mu_code mu_estimates_start(mu_estimates *estimates, mu_workspace *workspace,
                                      const mu_estimate_request *request, mu_arena *arena,
                                      mu_str *id, mu_err *err);

typedef enum mu_estimate_state {
    MU_ESTIMATE_NEW,
    MU_ESTIMATE_RUNNING,
    MU_ESTIMATE_READY,
    MU_ESTIMATE_FAILED
} mu_estimate_state;

typedef struct mu_estimate_namespace {
    uint32_t namespace_id;
    uint64_t n_matched;
} mu_estimate_namespace;

typedef struct mu_estimate {
    mu_estimate_state state;
    uint64_t n_total;           /* profiles */
    uint64_t n_read, n_matched; /* of the sample so far */
    uint64_t estimated;         /* n_matched scaled to n_total */
    uint64_t standard_error;
    uint64_t least, most; /* 95 % interval of the true size; least = most when n_read = n_total */
    uint32_t n_namespaces;
    const mu_estimate_namespace *namespaces; /* of the matched ones */
    mu_str error;                            /* FAILED */
} mu_estimate;

/* Texts and lists in `arena`. MU_E_NOT_FOUND. */
MU_CHECKED mu_code mu_estimates_get(mu_estimates *estimates, mu_workspace *workspace, mu_str id,
                                    mu_arena *arena, mu_estimate *out, mu_err *err);

typedef struct mu_preview_row {
    mu_identity identity; /* the primary one */
    uint32_t n_related;   /* others of the cluster; none without a graph */
    const mu_identity *related;
} mu_preview_row;

/* Qualifying profiles in a stable order; none before READY. *n_all: how many there are to page
 * through. */
MU_CHECKED mu_code mu_estimates_rows(mu_estimates *estimates, mu_workspace *workspace, mu_str id,
                                     uint64_t offset, uint32_t limit, mu_arena *arena, uint32_t *n,
                                     const mu_preview_row **out, uint64_t *n_all, mu_err *err);

/* Ends and forgets it. MU_E_NOT_FOUND. */
MU_CHECKED mu_code mu_estimates_remove(mu_estimates *estimates, mu_workspace *workspace, mu_str id,
                                       mu_err *err);

#endif
