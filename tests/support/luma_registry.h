/* luma_registry.h -- the registry of tests/data/luma: schemas, field groups, descriptors. */
#ifndef MU_TEST_LUMA_REGISTRY_H
#define MU_TEST_LUMA_REGISTRY_H

#include "xdm/registry.h"

#define LUMA_PERSON_SCHEMA                                                                         \
    "https://ns.adobe.com/luma/schemas/9261ceef0b969e70ac20f1510f07a1e0d8db05f20c75161a"
#define LUMA_LOYALTY_SCHEMA                                                                        \
    "https://ns.adobe.com/luma/schemas/6ef9086b892fba957bbdeab14648958f45ea68444290e632"
#define LUMA_WEB_EVENT_SCHEMA                                                                      \
    "https://ns.adobe.com/luma/schemas/4b5e57f6eb2f42b9039b3d1e13929295f231749c510cbe34"
#define LUMA_STORE_EVENT_SCHEMA                                                                    \
    "https://ns.adobe.com/luma/schemas/7160f8688035138fcbc9a6c8041949ebea0c0d21a1b1d063"

/* The documents of registry.json, in their order, in `arena`. A damaged file ends the process. */
size_t mu_luma_documents(mu_arena *arena, const mu_xdm_document **out);

/* The registry made of them; free it with mu_registry_free. */
mu_registry *mu_luma_registry(void);

/* A file of tests/data/luma as JSON, in `arena`. */
mu_json mu_luma_json(mu_arena *arena, const char *name);

#endif
