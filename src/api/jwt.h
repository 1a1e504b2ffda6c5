/* jwt.h -- access tokens as signed JSON Web Tokens (RFC 7515, 7519), of one kind only: RS256 with
 * the server's own key.
 *
 * A token names its algorithm, but nobody asks it: anything other than RS256 is refused before a
 * signature is looked at (RFC 8725 3.1).
 */
#ifndef MU_API_JWT_H
#define MU_API_JWT_H

#include "json/json.h"

#define MU_JWT_BYTES_MAX 4096u

typedef struct mu_jwt_key mu_jwt_key; /* immutable; any thread */

/* Reads the private key of the file, or makes one there, for its owner alone. MU_E_INPUT: others
 * may read it, or it is no RSA key of at least 2048 bits. */
MU_CHECKED mu_code mu_jwt_key_open(const char *path, mu_jwt_key **out, mu_err *err);
void mu_jwt_key_free(mu_jwt_key *key);

typedef struct mu_jwt_claims {
    mu_str issuer, subject, client_id, organization;
    int64_t issued_s, expires_s;
} mu_jwt_claims;

/* The token, in `arena`. */
MU_CHECKED mu_code mu_jwt_sign(const mu_jwt_key *key, mu_arena *arena, const mu_jwt_claims *claims,
                               mu_str *out, mu_err *err);

/* MU_E_INPUT: it is no token of this key, or not valid at now_s (a clock a minute ahead is
 * forgiven where it was issued), or of another issuer. Texts in `arena`. */
MU_CHECKED mu_code mu_jwt_verify(const mu_jwt_key *key, mu_arena *arena, mu_str token,
                                 mu_str issuer, int64_t now_s, mu_jwt_claims *out, mu_err *err);

/* {"keys":[..]} (RFC 7517): the public key alone. */
mu_json mu_jwt_keys_json(const mu_jwt_key *key, mu_arena *arena);

#endif
