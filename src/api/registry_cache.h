/* registry_cache.h -- the current schema registry of each sandbox, shared by all resources.
 *
 * A registry is immutable and counted: whoever acquired one may use it, and schemas found in it,
 * until it is released, whatever is edited meanwhile. Any thread.
 */
#ifndef MU_API_REGISTRY_CACHE_H
#define MU_API_REGISTRY_CACHE_H

#include "api/api_int.h"
#include "xdm/registry.h"

typedef struct mu_api_registry {
    const mu_registry *registry;
    uint64_t number; /* of this state: no other state of any sandbox has it */
} mu_api_registry;

/* The registry as it is now. Quick, but for the first time after the start. *out is to be released.
 */
MU_CHECKED mu_code mu_api_registry_acquire(mu_api *api, const mu_api_sandbox *sandbox,
                                           const mu_api_registry **out, mu_err *err);
void mu_api_registry_release(const mu_api_registry *registry); /* NULL allowed */

/* Changes registry documents (the kinds of mu_api_registry_kind), all or none: what would make no
 * sense is MU_E_INPUT, types that clash MU_E_CONFLICT. Rows have the new union's fields, and the
 * next mu_api_registry_acquire the new registry, when this returns. Other edits may be among them.
 */
MU_CHECKED mu_code mu_api_registry_edit(mu_api *api, const mu_api_sandbox *sandbox, uint32_t n,
                                        const mu_document_edit *edits, mu_err *err);

/* The kind of document that holds a resource: "xdm-schema" and so on. */
mu_str mu_api_registry_kind(mu_xdm_resource resource);

/* The cache itself: made and freed with the api. */
typedef struct mu_api_registries mu_api_registries;
MU_CHECKED mu_code mu_api_registries_new(mu_api_registries **out, mu_err *err);
void mu_api_registries_free(mu_api_registries *registries);

#endif
