/* policies.h -- merge policies as the catalog keeps them (profile.md c.2, c.3): documents of kind
 * "mergePolicy" of a sandbox's place.
 */
#ifndef MU_PROFILE_POLICIES_H
#define MU_PROFILE_POLICIES_H

#include "catalog/documents.h"
#include "profile/content.h"
#include "json/json.h"

#define MU_MERGE_POLICY_KIND MU_STR("mergePolicy")

typedef struct mu_stored_policy {
    mu_merge_policy policy;
    mu_str schema_name; /* "_xdm.context.profile" */
    int64_t version;    /* counts updates, from 1 */
    bool is_default, is_active_on_edge;
} mu_stored_policy;

/* What a document says. Texts belong to `json` and `arena`. */
void mu_stored_policy_read(mu_arena *arena, const mu_json *json, mu_str id, mu_stored_policy *out);

/* All of a place in the order of creation; texts in `arena`. */
MU_CHECKED mu_code mu_stored_policies_list(mu_documents *documents, mu_arena *arena, mu_str place,
                                           uint32_t *n, const mu_stored_policy **out, mu_err *err);

/* By id, or, where that is empty, the default of the class `schema_name` ("_xdm.context.profile"
 * when empty). MU_E_NOT_FOUND names what is missing: no such id. Without a default policy
 * timestampOrdered without a graph, with an empty id, stands for it (c.3). */
MU_CHECKED mu_code mu_stored_policy_find(mu_documents *documents, mu_arena *arena, mu_str place,
                                         mu_str id, mu_str schema_name, mu_stored_policy *out,
                                         mu_err *err);

#endif
