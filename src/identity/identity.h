/* identity.h -- namespaces and the rules for identity values.
 *
 * A namespace code matches without regard to case and is answered in its registered spelling;
 * values match to the byte (profile.md b.1, P14). Registered are the built-in namespaces and those
 * that the schema names.
 */
#ifndef MU_IDENTITY_IDENTITY_H
#define MU_IDENTITY_IDENTITY_H

#include "store/store.h"

/* At most so many identities of one record are used (P16). */
#define MU_IDENTITIES_MAX 20u

/* An identity value other than an ECID has at most so many characters (profile.md b.1). */
#define MU_IDENTITY_CHARACTERS_MAX 1024u

/* The registered namespaces. Immutable after mu_namespaces_new; any number of threads. */
typedef struct mu_namespaces {
    uint32_t n;
    const mu_str *codes; /* the schema's own, distinct without regard to case */
    uint32_t n_ranked;
    const mu_str *ranked; /* the schema's unique namespaces, best priority first */
} mu_namespaces;

/* In `arena`; the codes are borrowed from `schema`. */
const mu_namespaces *mu_namespaces_new(mu_arena *arena, const mu_schema *schema);

/* The registered spelling of a code or of the decimal id of a built-in namespace; `code` itself
 * when nobody registered it. Static, or borrowed from the schema or the argument. */
mu_str mu_namespaces_spelling(const mu_namespaces *namespaces, mu_str code);

/* The place of a spelled code among the ranked namespaces: 0 is best; `n_ranked` when it is none
 * of them. */
uint32_t mu_namespaces_rank(const mu_namespaces *namespaces, mu_str code);

/* NULL when the value is allowed, else what is wrong with it, as a clause without a subject. */
const char *mu_identity_problem(mu_identity identity);

#endif
