/* token.c -- POST /ims/token/v1 to v3 (api-client-notes.md 3), and the tokens it gave out. */
#include "api/api_int.h"

#include <stdlib.h>

#define LIFETIME_S 86399 /* what the original says: a second less than a day */
#define TOKENS_MAX 10000u
#define TOKEN_LEN  64u

typedef struct access_token {
    char text[TOKEN_LEN];
    int64_t expires_ms;
    const mu_api_client *client;
} access_token;

/* A ring: the oldest makes way when TOKENS_MAX are alive. */
struct mu_api_tokens {
    pthread_mutex_t lock; /* guards all below */
    access_token *items;
    size_t n, next;
};

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
    return MU_OK;
}

void mu_api_tokens_free(mu_api_tokens *tokens)
{
    if (tokens == NULL)
        return;
    pthread_mutex_destroy(&tokens->lock);
    free(tokens->items);
    free(tokens);
}

static bool is_same(const access_token *item, mu_str text)
{
    unsigned char difference = 0;
    for (size_t i = 0; i < TOKEN_LEN; i++)
        difference |= (unsigned char)(item->text[i] ^ text.ptr[i]);
    return difference == 0;
}

const mu_api_client *mu_api_tokens_find(const mu_api *api, mu_str text)
{
    const mu_api_client *found = NULL;
    int64_t now_ms = mu_api_now_ms(api);
    if (text.len != TOKEN_LEN)
        return NULL;
    pthread_mutex_lock(&api->tokens->lock);
    for (size_t i = 0; i < api->tokens->n; i++)
        if (is_same(&api->tokens->items[i], text) && api->tokens->items[i].expires_ms > now_ms)
            found = api->tokens->items[i].client;
    pthread_mutex_unlock(&api->tokens->lock);
    return found;
}

static void remember(mu_api *api, const mu_api_client *client, mu_str text)
{
    mu_api_tokens *tokens = api->tokens;
    pthread_mutex_lock(&tokens->lock);
    access_token *item = &tokens->items[tokens->next];
    memcpy(item->text, text.ptr, TOKEN_LEN);
    item->expires_ms = mu_api_now_ms(api) + (int64_t)LIFETIME_S * 1000;
    item->client = client;
    tokens->next = (tokens->next + 1) % TOKENS_MAX;
    tokens->n = tokens->n < TOKENS_MAX ? tokens->n + 1 : TOKENS_MAX;
    pthread_mutex_unlock(&tokens->lock);
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
    remember(api, client, text);
    return give(response, text);
}

mu_code mu_api_add_token(mu_api *api, mu_http_router *router, mu_err *err)
{
    static const mu_http_route routes[] = {
        {.method = MU_HTTP_POST, .pattern = "/ims/token/v1", .handler = post_token},
        {.method = MU_HTTP_POST, .pattern = "/ims/token/v2", .handler = post_token},
        {.method = MU_HTTP_POST, .pattern = "/ims/token/v3", .handler = post_token},
    };
    return mu_api_add(api, router, MU_API_UNCHECKED, routes, sizeof routes / sizeof routes[0], err);
}
