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

/* Types of namespaces in the order in which identities are evicted first (b.5), NON_PEOPLE apart:
 * it never enters a graph. */
typedef enum mu_identity_type {
    MU_IDENTITY_PARTNER,
    MU_IDENTITY_COOKIE,
    MU_IDENTITY_DEVICE,
    MU_IDENTITY_CROSS_DEVICE,
    MU_IDENTITY_EMAIL,
    MU_IDENTITY_PHONE,
    MU_IDENTITY_NON_PEOPLE
} mu_identity_type;

/* The type's text as the API has it; static. */
mu_str mu_identity_type_text(mu_identity_type type);
/* Without regard to case (b.1). False when there is no such type. */
bool mu_identity_type_parse(mu_str text, mu_identity_type *out);

/* A namespace that is always registered (b.1). */
typedef struct mu_builtin_namespace {
    uint32_t id;
    mu_str code, name;
    mu_identity_type type;
} mu_builtin_namespace;

/* How many there are; *out is static, in ascending order of id. */
uint32_t mu_builtin_namespaces(const mu_builtin_namespace **out);
/* By code without regard to case, or by id as decimal text; NULL when there is none. */
const mu_builtin_namespace *mu_builtin_namespace_find(mu_str code);

/* The first id of a custom namespace (P13); built-in ones are below. */
#define MU_NAMESPACE_CUSTOM_ID_MIN 10000001u

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
