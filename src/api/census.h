/* census.h -- what a snapshot's profiles are made of, counted over all of them (profile.md e.3). */
#ifndef MU_API_CENSUS_H
#define MU_API_CENSUS_H

#include "live/live.h"

typedef struct mu_census_entry {
    mu_str name;          /* dataset id or namespace code; of an overlap: sorted, with commas */
    uint64_t n_profiles;  /* that have it; of an overlap: that have just these */
    uint64_t n_fragments; /* datasets: of the dataset; namespaces: under such an identity */
} mu_census_entry;

/* A fragment is what a dataset has of an identity, records or events. */
typedef struct mu_census {
    uint64_t n_profiles; /* under the policy */
    uint64_t n_fragments, n_records, n_events;
    uint32_t n_datasets, n_namespaces, n_dataset_overlaps, n_namespace_overlaps;
    const mu_census_entry *datasets, *namespaces, *dataset_overlaps, *namespace_overlaps;
} mu_census;

/* Reads a few columns of every live row. Texts and lists in `arena`. */
MU_CHECKED mu_code mu_census_take(mu_arena *arena, const mu_snapshot *snapshot,
                                  const mu_merge_policy *policy, mu_census *out, mu_err *err);

/* How many events and records a DROP of the dataset (empty: any) and batch (empty: any) drops. */
MU_CHECKED mu_code mu_census_count(const mu_snapshot *snapshot, mu_str dataset, mu_str batch,
                                   uint64_t *n_events, uint64_t *n_records, mu_err *err);

#endif
