/* accept_int.h -- what the files behind accept.h share. */
#ifndef MU_INGEST_ACCEPT_INT_H
#define MU_INGEST_ACCEPT_INT_H

#include "identity/identity.h"
#include "ingest/accept.h"

/* The entity as compact JSON in `arena`, without segmentMembership.ups (P12). False when that takes
 * more than `max_bytes` bytes. */
bool mu_compact_entity(mu_arena *arena, const mu_json *entity, size_t max_bytes, mu_str *out);

/* One identity as the data has it. */
typedef struct mu_claim {
    const mu_graph_namespace *name; /* NULL: nobody knows the namespace */
    mu_str value;
    const char *problem; /* NULL: a good value; else a clause without a subject */
} mu_claim;

/* The identities of one entity. */
typedef struct mu_claims {
    uint32_t n; /* good ones, distinct, in document order, the first 20 */
    mu_claim list[MU_IDENTITIES_MAX];
    uint32_t n_good, n_bad; /* all good ones (a repetition beyond the 20 counts again) */
    /* Candidates for the primary; `name` NULL when there is none. They may be bad (P15). */
    mu_claim flagged;         /* the first of identityMap with primary: true */
    mu_claim described;       /* the first under the schema's primary descriptor */
    mu_claim ranked;          /* the first of the best namespace priority */
    mu_str unknown_namespace; /* the first code that nobody knows; empty: none */
} mu_claims;

/* Identities of identityMap, endUserIDs (P11) and the schema's descriptors, in this order. */
void mu_claims_read(const mu_accept_context *context, const mu_xdm_schema *schema,
                    const mu_json *entity, mu_claims *out);

#endif
