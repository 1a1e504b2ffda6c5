/* token.c -- POST /ims/token/v1 to v3 (api-client-notes.md 3), and the tokens it gave out. */
#include "api/api_int.h"

#include <nettle/sha2.h>
#include <stdlib.h>

#define LIFETIME_S  86399 /* what the original says: a second less than a day */
#define TOKENS_MAX  10000u
#define TOKEN_LEN   64u
#define EXPIRED_MAX 16u /* removed with each new one, at most */
#define PLACE       MU_STR("/")
#define KIND        MU_STR("token")

/* A token is kept as its digest only: whoever reads the catalog cannot come in with it. Its
 * document is under the digest, so that a restart does not shut clients out. */
typedef struct access_token {
    char digest[2 * SHA256_DIGEST_SIZE]; /* hexadecimal */
    int64_t expires_ms;
    const mu_api_client *client; /* NULL: no longer in the configuration */
} access_token;

struct mu_api_tokens {
    pthread_mutex_t lock; /* guards all below */
    access_token *items;  /* TOKENS_MAX, in the order they expire */
    size_t n;
};

static void digest_of(mu_str token, char out[2 * SHA256_DIGEST_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    struct sha256_ctx context;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_init(&context);
    sha256_update(&context, token.len, (const uint8_t *)token.ptr);
    sha256_digest(&context, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
}

/* -------- kept over a restart -------- */

static const mu_api_client *client_of(const mu_api *api, const mu_json *json)
{
    mu_str key = mu_json_member_string(json, MU_STR("apiKey"), MU_STR(""));
    mu_str organization = mu_json_member_string(json, MU_STR("organization"), MU_STR(""));
    for (size_t i = 0; i < api->options.n_clients; i++)
        if (mu_str_equal(api->options.clients[i].api_key, key) &&
            mu_str_equal(api->options.clients[i].organization, organization))
            return &api->options.clients[i];
    return NULL;
}

static mu_code load_tokens(mu_api *api, mu_arena *arena, mu_err *err)
{
    uint32_t n;
    const mu_document *list;
    mu_api_tokens *tokens = api->tokens;
    MU_TRY(mu_document_list(api->options.documents, arena, PLACE, KIND, &n, &list, err));
    for (uint32_t i = n > TOKENS_MAX ? n - TOKENS_MAX : 0; i < n; i++) {
        mu_json json;
        access_token *token = &tokens->items[tokens->n];
        MU_TRY(mu_json_parse(arena, list[i].json, &json, err));
        const mu_json *expires = mu_json_member(&json, MU_STR("expires"));
        if (list[i].id.len != sizeof token->digest || expires == NULL ||
            expires->kind != MU_JSON_INTEGER)
            return mu_fail(err, MU_E_CORRUPT, "a token of the catalog makes no sense");
        memcpy(token->digest, list[i].id.ptr, sizeof token->digest);
        token->expires_ms = expires->integer;
        token->client = client_of(api, &json);
        tokens->n++;
    }
    return MU_OK;
}

mu_code mu_api_tokens_new(mu_api *api, mu_err *err)
{
    mu_api_tokens *tokens = calloc(1, sizeof *tokens);
    access_token *items = calloc(TOKENS_MAX, sizeof *items);
    if (tokens == NULL || items == NULL) {
        free(tokens);
        free(items);
        return mu_fail(err, MU_E_NOMEM, "out of memory for access tokens");
    }
    pthread_mutex_init(&tokens->lock, NULL);
    tokens->items = items;
    api->tokens = tokens;
    if (api->options.auth_mode != MU_AUTH_LOCAL_IMS)
        return MU_OK;
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code = load_tokens(api, &arena, err);
    mu_arena_free(&arena);
    return code;
}

void mu_api_tokens_free(mu_api_tokens *tokens)
{
    if (tokens == NULL)
        return;
    pthread_mutex_destroy(&tokens->lock);
    free(tokens->items);
    free(tokens);
}

const mu_api_client *mu_api_tokens_find(const mu_api *api, mu_str text)
{
    const mu_api_client *found = NULL;
    char digest[2 * SHA256_DIGEST_SIZE];
    int64_t now_ms = mu_api_now_ms(api);
    if (text.len != TOKEN_LEN)
        return NULL;
    digest_of(text, digest);
    pthread_mutex_lock(&api->tokens->lock);
    for (size_t i = 0; found == NULL && i < api->tokens->n; i++)
        if (memcmp(api->tokens->items[i].digest, digest, sizeof digest) == 0 &&
            api->tokens->items[i].expires_ms > now_ms)
            found = api->tokens->items[i].client;
    pthread_mutex_unlock(&api->tokens->lock);
    return found;
}

/* The oldest ones that go: those that expired, and one more when all places are taken. */
static size_t n_leaving(const mu_api_tokens *tokens, int64_t now_ms)
{
    size_t n = 0;
    while (n < tokens->n && n < EXPIRED_MAX && tokens->items[n].expires_ms <= now_ms)
        n++;
    return n == 0 && tokens->n == TOKENS_MAX ? 1 : n;
}

/* Needs the lock. */
static mu_code add_token(mu_api *api, mu_arena *arena, const access_token *token, mu_err *err)
{
    mu_api_tokens *tokens = api->tokens;
    mu_document_edit edits[EXPIRED_MAX + 1];
    size_t n = n_leaving(tokens, mu_api_now_ms(api));
    for (size_t i = 0; i < n; i++)
        edits[i] =
            (mu_document_edit){.action = MU_DOCUMENT_REMOVE,
                               .kind = KIND,
                               .id = {tokens->items[i].digest, sizeof tokens->items[i].digest},
                               .json = MU_STR("")};
    mu_json json =
        MU_JSON_OBJECT_OF(arena, {MU_STR("apiKey"), mu_json_of_string(token->client->api_key)},
                          {MU_STR("organization"), mu_json_of_string(token->client->organization)},
                          {MU_STR("expires"), mu_json_of_integer(token->expires_ms)});
    edits[n] = (mu_document_edit){
        .action = MU_DOCUMENT_ADD, .kind = KIND, .id = {token->digest, sizeof token->digest}};
    MU_TRY(mu_json_text(arena, &json, &edits[n].json, err));
    MU_TRY(mu_document_edit_all(api->options.documents, PLACE, mu_api_now_ms(api), (uint32_t)n + 1,
                                edits, err));
    memmove(tokens->items, tokens->items + n, (tokens->n - n) * sizeof *tokens->items);
    tokens->n -= n;
    tokens->items[tokens->n++] = *token;
    return MU_OK;
}

static mu_code remember(mu_api *api, mu_arena *arena, const mu_api_client *client, mu_str text,
                        mu_err *err)
{
    access_token token = {.expires_ms = mu_api_now_ms(api) + (int64_t)LIFETIME_S * 1000,
                          .client = client};
    digest_of(text, token.digest);
    pthread_mutex_lock(&api->tokens->lock);
    mu_code code = add_token(api, arena, &token, err);
    pthread_mutex_unlock(&api->tokens->lock);
    return code;
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
    mu_str text = mu_api_hex(arena, TOKEN_LEN);
    if (api->options.auth_mode == MU_AUTH_OPEN)
        return give(response, text);
    const mu_api_client *client = find_client(api, id, secret);
    if (client == NULL)
        return mu_api_problem(request, response, 401, MU_STR("invalid_client"),
                              MU_STR("client_id and client_secret name no client"));
    if (api->options.auth_mode == MU_AUTH_STATIC)
        return give(response, client->token);
    if (remember(api, arena, client, text, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    return give(response, text);
}

mu_code mu_api_add_token(mu_api *api, mu_http_router *router, mu_err *err)
{
    static const mu_http_route routes[] = {
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
