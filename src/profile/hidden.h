/* hidden.h -- what carries the label C12 and leaves the server neither by look-up nor by export
 * (profile.md g.3, P86).
 */
#ifndef MU_PROFILE_HIDDEN_H
#define MU_PROFILE_HIDDEN_H

#include "catalog/documents.h"
#include "profile/content.h"

typedef struct mu_hidden {
    uint32_t n_paths, n_datasets;
    const mu_str *paths;    /* dotted, of profiles and of events */
    const mu_str *datasets; /* ids */
} mu_hidden;

/* As the labels of a place's datasets say now; texts in `arena`. */
MU_CHECKED mu_code mu_hidden_read(mu_documents *documents, mu_arena *arena, mu_str place,
                                  mu_hidden *out, mu_err *err);

/* The content without what comes from hidden datasets. Paths are for who writes it out. */
mu_content mu_hidden_apply(mu_arena *arena, const mu_hidden *hidden, const mu_schema *schema,
                           const mu_content *content);

#endif
