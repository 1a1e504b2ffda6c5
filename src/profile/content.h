/* content.h -- all that is known of one cluster: identities, links, record fragments, events; how a
 * stored row holds it, how records change it, and what it is as a profile under a merge policy.
 *
 * A row of the entity "profile" holds, besides the merged attributes and events under the base
 * policy (pdg, timestamp ordered), everything that the other policies, splits and look-ups need, in
 * system fields (docs/decisions/0090): a row is its profile's truth. The schema of a row has them
 * through mu_schema_with_system_fields. A row without them (bulk load) is one fragment and its
 * events under the row's identity.
 *
 * All values are in the arena given, or shared with the row, which must outlive them.
 */
#ifndef MU_PROFILE_CONTENT_H
#define MU_PROFILE_CONTENT_H

#include "identity/graph.h"
#include "profile/record.h"

/* System fields. Profile: "$identities" list of {namespace, value, seen}, "$links" list of {a, b,
 * first, last, datasets, batches}, "$fragments" list of {dataset, identity, modified, sequence,
 * batches, document}, "$superseded" list of JSON texts (events that another one of their dataset
 * and _id under another identity hides: P34). Event: "$dataset", "$key" (a hash, when the key is
 * not the _id), "$identity" (place in $identities), "$batch", "$received", "$extra" (JSON of what
 * the schema has no field for). Also the event's "_id" and "timestamp", should it lack them. A
 * schema that has them all is returned as it is; another gets a new version. */
const mu_schema *mu_schema_with_system_fields(mu_arena *arena, const mu_schema *base);

typedef struct mu_fragment {
    mu_str dataset;
    uint32_t identity;   /* place in the content's identities */
    int64_t modified_ms; /* receive time of the last write (P26) */
    uint64_t sequence;   /* of the last write: no two are equal */
    uint32_t n_batches;
    const mu_str *batches; /* batch or xaction ids, newest first, at most 10 */
    mu_str document;       /* compact JSON. Empty: the row's merged attributes are it, there being
                              no other fragment */
} mu_fragment;

typedef struct mu_content {
    uint32_t pid;
    mu_graph_cluster cluster; /* identities best first, links; `nodes` unused */
    uint32_t n_fragments;
    mu_fragment *fragments;
    mu_value events;        /* LIST of OBJECTs dense in the schema's event type, in time order */
    mu_value attributes;    /* merged, as the row has them; NULL kind: fragments changed since */
    mu_json_reader *reader; /* the caller's, or NULL: calls that parse make one for themselves */
} mu_content;

/* What a stored row holds. `row` is dense in schema->row (mu_value_extend). */
MU_CHECKED mu_code mu_content_read(mu_arena *arena, const mu_schema *schema, uint32_t pid,
                                   mu_identity row_identity, mu_value row, mu_content *out,
                                   mu_err *err);

/* One cluster's content out of several: everything in `sources` whose identity is among those of
 * `cluster`. Fragments and events that appear twice (same dataset, identity and, for events, key)
 * count once, the newer. */
MU_CHECKED mu_code mu_content_gather(mu_arena *arena, const mu_schema *schema,
                                     const mu_graph_cluster *cluster, uint32_t n_sources,
                                     const mu_content *sources, mu_content *out, mu_err *err);

/* Applies CREATE, MERGE, DELETE, EVENT and DROP records, which are in the order of their sequence
 * numbers; other kinds change nothing. A record's primary identity is one of the content's, else
 * MU_E_INPUT. A document that is no JSON object is MU_E_CORRUPT; what of it does not fit the
 * schema's types is kept ($extra, document) and shows nowhere. A CREATE or MERGE with a time_ms is
 * ordered by that (P27) and does nothing unless it is newer than the fragment. On failure *content
 * is as it was. */
typedef struct mu_applied_record {
    uint64_t sequence;
    mu_record record;
} mu_applied_record;
MU_CHECKED mu_code mu_content_apply(mu_arena *arena, const mu_schema *schema, mu_content *content,
                                    uint32_t n_records, const mu_applied_record *records,
                                    mu_err *err);

/* After the schema got new fields: reads again what documents and $extra hold for them. *changed
 * tells whether the row may differ now. */
MU_CHECKED mu_code mu_content_refresh(mu_arena *arena, const mu_schema *schema, mu_content *content,
                                      bool *changed, mu_err *err);

/* No fragment and no event: the profile does not exist. */
bool mu_content_is_empty(const mu_content *content);

/* The row to store, dense in schema->row, under the base policy; its identity is the cluster's
 * first. identityMap is that of c.4.5. */
MU_CHECKED mu_code mu_content_row(mu_arena *arena, const mu_schema *schema, mu_content *content,
                                  mu_value *row, mu_err *err);

/* -------- merge policies (profile.md c.2 to c.4) -------- */

typedef enum mu_attribute_merge {
    MU_MERGE_TIMESTAMP_ORDERED,
    MU_MERGE_DATASET_PRECEDENCE
} mu_attribute_merge;

typedef struct mu_merge_policy {
    mu_str id;
    bool uses_graph; /* pdg; else none */
    mu_attribute_merge attribute_merge;
    uint32_t n_order;
    const mu_str *order; /* dataset ids */
} mu_merge_policy;

/* Whether rows as stored are this policy's already. */
static inline bool mu_merge_policy_is_base(const mu_merge_policy *policy)
{
    return policy->uses_graph && policy->attribute_merge == MU_MERGE_TIMESTAMP_ORDERED;
}

/* A profile under a policy. With `none`, that of the identity at place `identity` of the content
 * alone; with pdg `identity` says nothing. */
typedef struct mu_profile_view {
    mu_value attributes; /* dense in schema->profile, system fields null, identityMap by c.4.5 */
    mu_value events;     /* of the policy's datasets, duplicates by (dataset, _id) collapsed: P34 */
    uint32_t n_identities;
    const uint32_t *identities; /* places in the content's identities */
    uint32_t n_sources;
    const mu_str *sources; /* datasets that contributed a fragment, best first */
    uint32_t n_tags;
    const mu_str *tags; /* batch and xaction ids of the fragments */
    int64_t last_modified_ms;
    bool is_empty;
} mu_profile_view;

MU_CHECKED mu_code mu_content_view(mu_arena *arena, const mu_schema *schema,
                                   const mu_content *content, const mu_merge_policy *policy,
                                   uint32_t identity, mu_profile_view *out, mu_err *err);

/* An event as the object it was sent as, $extra included, system fields left out. */
MU_CHECKED mu_code mu_content_event_json(mu_arena *arena, const mu_schema *schema,
                                         mu_json_reader *reader, mu_value event, mu_json *out,
                                         mu_err *err);

#endif
