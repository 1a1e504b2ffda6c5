/* accept.h -- one XDM entity on its way in: validated, its identities found, made a record.
 *
 * Shared by streaming, batch files and Kafka. profile.md a.6, b.1, b.6, d.1, d.5, d.6.
 */
#ifndef MU_INGEST_ACCEPT_H
#define MU_INGEST_ACCEPT_H

#include "live/live.h"
#include "xdm/registry.h"

/* A dataset as ingestion needs it. Immutable. */
typedef struct mu_dataset {
    mu_str id;
    const mu_xdm_schema *schema;
    bool for_profile, for_identity; /* tags unifiedProfile, unifiedIdentity: enabled:true */
    bool is_upsert;                 /* isUpsert:true */
    bool is_validated;              /* not acp_validationContext: disabled */
    bool orders_by_customer;        /* customerTimestampOrdering:true (P27) */
} mu_dataset;

/* Namespaces and the sandbox's priorities, as they are now. Immutable. */
typedef struct mu_accept_context {
    uint32_t n_namespaces;
    const mu_graph_namespace *namespaces;
    bool has_priorities; /* b.6: events then go by namespace priority */
    int64_t now_ms;
} mu_accept_context;

typedef enum mu_accept_operation {
    MU_ACCEPT_CREATE,
    MU_ACCEPT_MERGE,
    MU_ACCEPT_DELETE
} mu_accept_operation;

typedef enum mu_accept_outcome {
    MU_ACCEPTED,          /* *record is to be appended */
    MU_ACCEPTED_NOT_KEPT, /* valid, but the dataset is not enabled for Profile */
    MU_ACCEPT_INVALID,    /* violations say why */
    MU_ACCEPT_REJECTED    /* *reason says why Profile does not take it: no primary identity, a bad
                             one, too large, in the future */
} mu_accept_outcome;

typedef struct mu_acceptance {
    mu_accept_outcome outcome;
    mu_record record; /* sandbox, batch, source and position are the caller's to fill in */
    uint32_t n_violations;
    mu_xdm_violation violations[MU_XDM_VIOLATIONS_MAX];
    mu_str reason, reason_code; /* a sentence; a stable name for counters: "no-primary-identity" */
    uint32_t n_dropped_identities; /* bad or too many: P15, P16 */
} mu_acceptance;

/* Everything in *out is in `arena` or shared with `entity`, which is in any form (P4). */
void mu_accept(mu_arena *arena, const mu_accept_context *context, const mu_dataset *dataset,
               mu_accept_operation operation, const mu_json *entity, mu_acceptance *out);

#endif
