/* gate.c -- the header checks of api.md 2.2, in their order. On the loop thread: memory only. */
#include "api/permission.h"

typedef struct asking {
    const mu_api *api;
    mu_http_request *request;
    mu_http_response *response;
} asking;

/* The gateway's own body; the status is the code's first three digits. Always false. */
static bool refuse(const asking *a, const char *error_code, const char *message)
{
    unsigned status = 0;
    for (int i = 0; i < 3; i++)
        status = status * 10 + (unsigned)(error_code[i] - '0');
    mu_http_response_status(a->response, status);
    mu_http_write_gateway_error(mu_http_response_json(a->response), mu_str_from(error_code),
                                mu_str_from(message));
    return false;
}

static mu_str header(const mu_http_request *request, const char *name)
{
    mu_str value;
    return mu_http_request_header(request, mu_str_from(name), &value) ? mu_str_trim(value)
                                                                      : MU_STR("");
}

/* -------- tokens -------- */

/* The token of "Bearer TOKEN"; empty when the header has another form. */
static mu_str bearer(mu_str authorization)
{
    const mu_str scheme = MU_STR("bearer ");
    if (authorization.len <= scheme.len ||
        !mu_str_equal_ascii_nocase((mu_str){authorization.ptr, scheme.len}, scheme))
        return MU_STR("");
    return mu_str_trim((mu_str){authorization.ptr + scheme.len, authorization.len - scheme.len});
}

/* Takes as long whatever the difference is, so that a token cannot be guessed by the clock. */
static bool is_same_secret(mu_str a, mu_str b)
{
    unsigned char difference = 0;
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        difference |= (unsigned char)(a.ptr[i] ^ b.ptr[i]);
    return difference == 0;
}

static const mu_api_client *client_of_token(const mu_api *api, mu_str token)
{
    if (api->options.auth_mode == MU_AUTH_LOCAL_IMS)
        return mu_api_tokens_find(api, token);
    for (size_t i = 0; i < api->options.n_clients; i++)
        if (is_same_secret(api->options.clients[i].token, token))
            return &api->options.clients[i];
    return NULL;
}

mu_api_token_state mu_api_authenticate(const mu_api *api, const mu_http_request *request,
                                       const mu_api_client **client)
{
    mu_str authorization = header(request, "Authorization");
    mu_str token = bearer(authorization);
    *client = NULL;
    if (authorization.len == 0)
        return MU_API_TOKEN_MISSING;
    if (token.len == 0)
        return MU_API_TOKEN_INVALID;
    if (api->options.auth_mode == MU_AUTH_OPEN)
        return MU_API_TOKEN_VALID;
    *client = client_of_token(api, token);
    return *client != NULL ? MU_API_TOKEN_VALID : MU_API_TOKEN_INVALID;
}

/* -------- rows 1 to 6: the gateway's -------- */

static bool check_client(const asking *a, mu_api_call *call)
{
    const mu_api_client *client;
    switch (mu_api_authenticate(a->api, a->request, &client)) {
    case MU_API_TOKEN_MISSING:
        return refuse(a, "403010", "Oauth token is missing.");
    case MU_API_TOKEN_INVALID:
        return refuse(a, "401013", "Oauth token is not valid");
    case MU_API_TOKEN_VALID:
        break;
    }
    call->client = client;
    call->client_id = header(a->request, "x-api-key");
    call->organization = header(a->request, "x-gw-ims-org-id");
    call->author = (mu_author){call->client_id, mu_http_request_id(a->request)};
    if (call->client_id.len == 0)
        return refuse(a, "403000", "Api Key is required");
    if (client != NULL && !mu_str_equal(client->api_key, call->client_id))
        return refuse(a, "403003", "Api Key is invalid");
    if (call->organization.len == 0)
        return refuse(a, "400003", "Missing header");
    if (client != NULL && !mu_str_equal(client->organization, call->organization))
        return refuse(a, "403025", "Profile is not valid");
    return true;
}

/* -------- rows 7 and 8: the service's -------- */

static bool refuse_sandbox(const asking *a, const char *ups_code, const char *ais_code,
                           mu_str message)
{
    mu_str path = mu_http_request_path(a->request), code = MU_STR("");
    unsigned status = 400;
    if (mu_api_family_of(path) == MU_API_FAMILY_UPS)
        code = mu_str_from(ups_code);
    if (mu_api_family_of(path) == MU_API_FAMILY_AIS) { /* A12 */
        code = mu_str_from(ais_code);
        status = 401;
    }
    mu_api_problem(a->request, a->response, status, code, message);
    return false;
}

static bool check_sandbox(const asking *a, mu_api_call *call)
{
    mu_str name = header(a->request, "x-sandbox-name"), id = header(a->request, "x-sandbox-id");
    if (name.len == 0 && id.len == 0)
        return refuse_sandbox(a, "UPAPI-119901-400", "100920-401",
                              MU_STR("The header x-sandbox-name is missing"));
    call->sandbox = mu_api_find_sandbox(call->api, call->organization, name, id);
    if (call->sandbox != NULL && !mu_api_may_enter(call->client, call->sandbox->name))
        call->sandbox = NULL;
    if (call->sandbox == NULL)
        return refuse_sandbox(a, "UPAPI-119902-400", "100922-401",
                              MU_STR("The header x-sandbox-name names no sandbox of this "
                                     "organization"));
    if (id.len > 0 && !mu_str_equal(id, call->sandbox->id))
        return refuse_sandbox(a, "UPAPI-119902-400", "100922-401",
                              MU_STR("The headers x-sandbox-id and x-sandbox-name name different "
                                     "sandboxes"));
    call->place = call->sandbox->store_name;
    return true;
}

/* -------- row 9: the type of the body -------- */

static bool has_body(const mu_http_request *request)
{
    mu_str length = header(request, "Content-Length");
    return header(request, "Transfer-Encoding").len > 0 ||
           (length.len > 0 && !mu_str_equal(length, MU_STR("0")));
}

static void text_member(mu_json_writer *writer, const char *name, const char *value)
{
    mu_json_name(writer, mu_str_from(name));
    mu_json_string(writer, mu_str_from(value));
}

/* Only where the setting asks for it (A8), on the paths that have the rule. */
static bool check_content_type(const asking *a)
{
    mu_str path = mu_http_request_path(a->request);
    bool has_rule = mu_str_starts_with(path, MU_STR("/data/core/ups/")) ||
                    mu_str_starts_with(path, MU_STR("/data/core/ais/"));
    if (!a->api->options.settings.strict_content_type || !has_rule || !has_body(a->request) ||
        mu_http_request_is_json_type(a->request))
        return true;
    mu_http_response_status(a->response, 400);
    mu_json_writer *writer = mu_http_response_json(a->response);
    mu_json_begin_object(writer);
    text_member(writer, "type", "/placeholder/type/uri");
    mu_json_name(writer, MU_STR("status"));
    mu_json_integer(writer, 400);
    text_member(writer, "title", "BadRequestError");
    text_member(writer, "detail", "The Content-Type of the body must be application/json");
    mu_json_end_object(writer);
    return false;
}

/* NULL: refused. */
static mu_api_call *begin_call(mu_http_request *request, mu_http_response *response, mu_api *api)
{
    mu_arena *arena = mu_http_request_arena(request);
    const asking a = {api, request, response};
    mu_api_call *call = MU_NEW(arena, mu_api_call);
    call->api = api;
    if (!check_client(&a, call))
        return NULL;
    call->shared_place = mu_api_shared_place(api, arena, call->organization);
    mu_http_request_set_state(request, call);
    return call;
}

bool mu_api_check_client(mu_http_request *request, mu_http_response *response, void *context)
{
    mu_api_call *call = begin_call(request, response, context);
    return call != NULL && mu_api_check_organization_change(request, response, call);
}

bool mu_api_check(mu_http_request *request, mu_http_response *response, void *context)
{
    const asking a = {context, request, response};
    mu_api_call *call = begin_call(request, response, context);
    return call != NULL && check_sandbox(&a, call) && check_content_type(&a) &&
           mu_api_check_permission(request, response, call);
}

mu_api_call *mu_api_call_of(const mu_http_request *request)
{
    mu_api_call *call = mu_http_request_state(request);
    MU_ASSERT(call != NULL && call->api != NULL);
    return call;
}

mu_str mu_api_shared_place(const mu_api *api, mu_arena *arena, mu_str organization)
{
    if (api->options.auth_mode == MU_AUTH_OPEN)
        return MU_STR("/");
    return mu_arena_format(arena, MU_STR_FMT "/", MU_STR_ARG(organization));
}
