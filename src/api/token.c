/* token.c -- POST /ims/token/v1 to v3 (api-client-notes.md 3), and the tokens it gave out: signed
 * ones in the mode local-ims (docs/decisions/0234).
 */
#include "api/api_int.h"
#include "api/jwt.h"

#include <nettle/sha2.h>
#include <stdlib.h>

#define LIFETIME_S 86399 /* what the original says: a second less than a day */
#define TOKEN_LEN  64u   /* of the mode open, where any text will do */
#define ISSUER     MU_STR("muster")
#define KEY_FILE   "token-key.pem"

/* Tokens that were found good not long ago, so that a signature is checked once and not with each
 * request: a place by the digest, the last one wins. */
#define N_KNOWN 1024u

typedef struct known_token {
    uint8_t digest[SHA256_DIGEST_SIZE];
    int64_t expires_s; /* 0: the place is free */
    const mu_api_client *client;
} known_token;

struct mu_api_tokens {
    mu_jwt_key *key;      /* NULL but in the mode local-ims */
    pthread_mutex_t lock; /* guards `known` */
    known_token known[N_KNOWN];
};

/* -------- the key -------- */

/* Opaque tokens that older versions kept, by their digests: nobody can use them any more. */
static mu_code remove_opaque(mu_api *api, mu_arena *arena, mu_err *err)
{
    uint32_t n;
    const mu_document *list;
    const mu_str place = MU_STR("/"), kind = MU_STR("token");
    MU_TRY(mu_document_list(api->options.documents, arena, place, kind, &n, &list, err));
    mu_document_edit *edits = MU_NEW_ARRAY(arena, mu_document_edit, n);
    for (uint32_t i = 0; i < n; i++)
        edits[i] = (mu_document_edit){
            .action = MU_DOCUMENT_REMOVE, .kind = kind, .id = list[i].id, .json = MU_STR("")};
    return n == 0 ? MU_OK
                  : mu_document_edit_all(api->options.documents, place, mu_api_now_ms(api), n,
                                         edits, err);
}

mu_code mu_api_tokens_new(mu_api *api, mu_err *err)
{
    mu_api_tokens *tokens = calloc(1, sizeof *tokens);
    if (tokens == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for access tokens");
    pthread_mutex_init(&tokens->lock, NULL);
    api->tokens = tokens;
    if (api->options.auth_mode != MU_AUTH_LOCAL_IMS)
        return MU_OK;
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    mu_str path = mu_arena_format(&arena, "%s/" KEY_FILE, mu_live_folder(api->options.live));
    mu_code code = remove_opaque(api, &arena, err);
    if (code == MU_OK)
        code = mu_jwt_key_open(path.ptr, &tokens->key, err);
    mu_arena_free(&arena);
    return code;
}

void mu_api_tokens_free(mu_api_tokens *tokens)
{
    if (tokens == NULL)
        return;
    mu_jwt_key_free(tokens->key);
    pthread_mutex_destroy(&tokens->lock);
    free(tokens);
}

/* -------- whose a token is -------- */

static void digest_of(mu_str token, uint8_t out[SHA256_DIGEST_SIZE])
{
    struct sha256_ctx context;
    sha256_init(&context);
    sha256_update(&context, token.len, (const uint8_t *)token.ptr);
    sha256_digest(&context, SHA256_DIGEST_SIZE, out);
}

static known_token *place_of(mu_api_tokens *tokens, const uint8_t *digest)
{
    return &tokens->known[(digest[0] | (uint32_t)digest[1] << 8) % N_KNOWN];
}

static const mu_api_client *find_known(mu_api_tokens *tokens, const uint8_t *digest, int64_t now_s)
{
    pthread_mutex_lock(&tokens->lock);
    const known_token *place = place_of(tokens, digest);
    bool is_known =
        place->expires_s > now_s && memcmp(place->digest, digest, sizeof place->digest) == 0;
    const mu_api_client *client = is_known ? place->client : NULL;
    pthread_mutex_unlock(&tokens->lock);
    return client;
}

static void remember(mu_api_tokens *tokens, const uint8_t *digest, int64_t expires_s,
                     const mu_api_client *client)
{
    pthread_mutex_lock(&tokens->lock);
    known_token *place = place_of(tokens, digest);
    memcpy(place->digest, digest, sizeof place->digest);
    place->expires_s = expires_s;
    place->client = client;
    pthread_mutex_unlock(&tokens->lock);
}

/* Who is no longer in the configuration has no valid token. */
static const mu_api_client *client_of(const mu_api *api, const mu_jwt_claims *claims)
{
    for (size_t i = 0; i < api->options.n_clients; i++)
        if (mu_str_equal(api->options.clients[i].api_key, claims->client_id) &&
            mu_str_equal(api->options.clients[i].organization, claims->organization))
            return &api->options.clients[i];
    return NULL;
}

const mu_api_client *mu_api_tokens_find(const mu_api *api, mu_str text)
{
    uint8_t digest[SHA256_DIGEST_SIZE];
    int64_t now_s = mu_api_now_ms(api) / 1000;
    mu_jwt_claims claims;
    mu_arena arena;
    if (api->tokens->key == NULL || text.len > MU_JWT_BYTES_MAX)
        return NULL;
    digest_of(text, digest);
    const mu_api_client *client = find_known(api->tokens, digest, now_s);
    if (client != NULL)
        return client;
    mu_arena_init(&arena, SIZE_MAX);
    if (mu_jwt_verify(api->tokens->key, &arena, text, ISSUER, now_s, &claims, NULL) == MU_OK)
        client = client_of(api, &claims);
    if (client != NULL)
        remember(api->tokens, digest, claims.expires_s, client);
    mu_arena_free(&arena);
    return client;
}

static mu_code mint(const mu_api *api, mu_arena *arena, const mu_api_client *client, mu_str *out,
                    mu_err *err)
{
    int64_t now_s = mu_api_now_ms(api) / 1000;
    const mu_jwt_claims claims = {.issuer = ISSUER,
                                  .subject = client->api_key,
                                  .client_id = client->api_key,
                                  .organization = client->organization,
                                  .issued_s = now_s,
                                  .expires_s = now_s + LIFETIME_S};
    return mu_jwt_sign(api->tokens->key, arena, &claims, out, err);
}

/* -------- the endpoint -------- */

/* From the form body, else from the query. */
static mu_str parameter(const mu_http_pairs *body, const mu_http_request *request, const char *name)
{
    mu_str value;
    if (mu_http_pairs_find(body, mu_str_from(name), &value) ||
        mu_http_pairs_find(mu_http_request_query(request), mu_str_from(name), &value))
        return value;
    return MU_STR("");
}

static const mu_api_client *find_client(const mu_api *api, mu_str id, mu_str secret)
{
    for (size_t i = 0; i < api->options.n_clients; i++) {
        const mu_api_client *client = &api->options.clients[i];
        if (client->secret.len > 0 && mu_str_equal(client->api_key, id) &&
            mu_str_equal(client->secret, secret))
            return client;
    }
    return NULL;
}

static mu_http_outcome give(mu_http_response *response, mu_str text)
{
    mu_http_response_header(response, MU_STR("Cache-Control"), MU_STR("no-store"));
    mu_json_writer *writer = mu_http_response_json(response);
    mu_json_begin_object(writer);
    mu_json_name(writer, MU_STR("access_token"));
    mu_json_string(writer, text);
    mu_json_name(writer, MU_STR("token_type"));
    mu_json_string(writer, MU_STR("bearer"));
    mu_json_name(writer, MU_STR("expires_in"));
    mu_json_integer(writer, LIFETIME_S);
    mu_json_end_object(writer);
    return MU_HTTP_DONE;
}

/* NULL: nothing is wrong. */
static const char *wrong_grant(const mu_http_pairs *body, const mu_http_request *request,
                               const char **code)
{
    mu_str grant = parameter(body, request, "grant_type");
    *code = "unsupported_grant_type";
    if (mu_str_equal(grant, MU_STR("client_credentials")))
        return NULL;
    if (!mu_str_equal(grant, MU_STR("authorization_code")))
        return "grant_type must be client_credentials, or authorization_code with a code";
    *code = "invalid_request";
    return parameter(body, request, "code").len > 0 ? NULL : "the parameter code is missing";
}

static mu_http_outcome post_token(mu_http_request *request, mu_http_response *response,
                                  void *context)
{
    mu_api *api = context;
    mu_arena *arena = mu_http_request_arena(request);
    mu_http_pairs body;
    mu_err err;
    const char *code, *wrong;
    if (mu_http_pairs_parse(arena, mu_http_request_body(request), 100, &body, &err) != MU_OK)
        return mu_api_problem(request, response, 400, MU_STR("invalid_request"),
                              mu_str_from(err.text));
    if ((wrong = wrong_grant(&body, request, &code)) != NULL)
        return mu_api_problem(request, response, 400, mu_str_from(code), mu_str_from(wrong));
    mu_str id = parameter(&body, request, "client_id");
    mu_str secret = parameter(&body, request, "client_secret");
    if (id.len == 0)
        return mu_api_problem(request, response, 400, MU_STR("invalid_request"),
                              MU_STR("the parameter client_id is missing"));
    mu_str text;
    if (api->options.auth_mode == MU_AUTH_OPEN)
        return give(response, mu_api_hex(arena, TOKEN_LEN));
    const mu_api_client *client = find_client(api, id, secret);
    if (client == NULL)
        return mu_api_problem(request, response, 401, MU_STR("invalid_client"),
                              MU_STR("client_id and client_secret name no client"));
    if (api->options.auth_mode == MU_AUTH_STATIC)
        return give(response, client->token);
    if (mint(api, arena, client, &text, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    return give(response, text);
}

/* The public key that tokens are checked with; none where they are not signed. */
static mu_http_outcome get_keys(mu_http_request *request, mu_http_response *response, void *context)
{
    const mu_api *api = context;
    mu_json json = mu_jwt_keys_json(api->tokens->key, mu_http_request_arena(request));
    return mu_api_answer(response, 200, &json);
}

mu_code mu_api_add_token(mu_api *api, mu_http_router *router, mu_err *err)
{
    static const mu_http_route routes[] = {
        {.method = MU_HTTP_GET,
         .pattern = "/ims/keys",
         .handler = get_keys,
         .flags = MU_HTTP_ON_WORKER},
        {.method = MU_HTTP_POST,
         .pattern = "/ims/token/v1",
         .handler = post_token,
         .flags = MU_HTTP_ON_WORKER},
        {.method = MU_HTTP_POST,
         .pattern = "/ims/token/v2",
         .handler = post_token,
         .flags = MU_HTTP_ON_WORKER},
        {.method = MU_HTTP_POST,
         .pattern = "/ims/token/v3",
         .handler = post_token,
         .flags = MU_HTTP_ON_WORKER},
    };
    return mu_api_add(api, router, MU_API_UNCHECKED, routes, sizeof routes / sizeof routes[0], err);
}
