/* openapi.h -- the description of every path: an OpenAPI 3.1 document in fragments, one JSON file
 * of src/api/openapi per family of paths, put together when the server starts.
 */
#ifndef MU_API_OPENAPI_H
#define MU_API_OPENAPI_H

#include "json/json.h"

/* A file of src/api/openapi, embedded by the build (tools/embed.cmake). */
typedef struct mu_openapi_fragment {
    const char *name; /* "audiences.json" */
    const unsigned char *bytes;
    size_t n_bytes;
} mu_openapi_fragment;
extern const mu_openapi_fragment mu_openapi_fragments[];
extern const size_t mu_openapi_fragments_count;

/* All fragments as one document, in `arena`: the members of "paths" and of each member of
 * "components" together, every other member from the one fragment that has it. MU_E_CONFLICT names
 * what two fragments have. */
MU_CHECKED mu_code mu_openapi_document(mu_arena *arena, mu_json *out, mu_err *err);

#endif
