/* namespaces.c -- /data/core/idnamespace (profile.md b.1, P13, P14).
 *
 * Built-in namespaces come from identity/; an organisation's own are documents of kind "namespace"
 * in its shared place, and are told to the graph of each of its sandboxes through the settings.
 */
#include "api/api_int.h"

#include "base/number.h"

#include <stdio.h>

#define KIND       MU_STR("namespace")
#define TEXT_BYTES 1024u
#define CODE_BYTES 64u

/* "MOBILE" (b.1) is a phone to the graph. */
static bool parse_type(mu_str text, mu_identity_type *out)
{
    if (mu_identity_type_parse(text, out))
        return true;
    *out = MU_IDENTITY_PHONE;
    return mu_str_equal_ascii_nocase(text, MU_STR("MOBILE"));
}

static mu_str upper(mu_arena *arena, mu_str text)
{
    mu_str copy = mu_arena_copy(arena, text);
    char *out = mu_arena_alloc(arena, text.len + 1);
    for (size_t i = 0; i < copy.len; i++) {
        char c = copy.ptr[i];
        out[i] = c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
    }
    return (mu_str){out, copy.len};
}

static mu_str text_of(const mu_json *json, const char *name)
{
    return mu_json_member_string(json, mu_str_from(name), MU_STR(""));
}

static int64_t id_of(const mu_json *json)
{
    const mu_json *id = mu_json_member(json, MU_STR("id"));
    return id != NULL && id->kind == MU_JSON_INTEGER ? id->integer : 0;
}

/* -------- all of an organisation's -------- */

static mu_json builtin_json(mu_arena *arena, const mu_builtin_namespace *one)
{
    return MU_JSON_OBJECT_OF(
        arena, {MU_STR("id"), mu_json_of_integer(one->id)},
        {MU_STR("code"), mu_json_of_string(one->code)},
        {MU_STR("name"), mu_json_of_string(one->name)},
        {MU_STR("description"), mu_json_of_string(MU_STR(""))},
        {MU_STR("idType"), mu_json_of_string(mu_identity_type_text(one->type))},
        {MU_STR("custom"), mu_json_of_boolean(false)},
        {MU_STR("status"), mu_json_of_string(MU_STR("ACTIVE"))},
        {MU_STR("createTime"), mu_json_of_integer(0)},
        {MU_STR("updateTime"), mu_json_of_integer(0)});
}

/* Built-in ones, then the organisation's own in the order they were made. */
static mu_code read_all(const mu_api *api, mu_arena *arena, mu_str shared_place, uint32_t *n,
                        mu_json **out, mu_err *err)
{
    uint32_t n_own;
    const mu_document *own;
    const mu_builtin_namespace *builtins;
    uint32_t n_builtins = mu_builtin_namespaces(&builtins);
    MU_TRY(mu_document_list(api->options.documents, arena, shared_place, KIND, &n_own, &own, err));
    mu_json *list = MU_NEW_ARRAY(arena, mu_json, (size_t)n_builtins + n_own);
    for (uint32_t i = 0; i < n_builtins; i++)
        list[i] = builtin_json(arena, &builtins[i]);
    for (uint32_t i = 0; i < n_own; i++)
        MU_TRY(mu_json_parse(arena, own[i].json, &list[n_builtins + i], err));
    *n = n_builtins + n_own;
    *out = list;
    return MU_OK;
}

static mu_json *find_code(mu_json *list, uint32_t n, mu_str code)
{
    for (uint32_t i = 0; i < n; i++)
        if (mu_str_equal_ascii_nocase(text_of(&list[i], "code"), code))
            return &list[i];
    return NULL;
}

/* -------- for the graph and for ingestion -------- */

static mu_graph_namespace graph_namespace(const mu_json *json)
{
    mu_graph_namespace out = {.code = text_of(json, "code"), .id = (uint32_t)id_of(json)};
    if (!parse_type(text_of(json, "idType"), &out.type))
        out.type = MU_IDENTITY_NON_PEOPLE; /* of a document of ours: never */
    return out;
}

static void apply_rules(const mu_json *settings, uint32_t n, mu_graph_namespace *list,
                        bool *has_priorities)
{
    const mu_json *rules = mu_json_get(settings, MU_STR("namespaces"));
    for (uint32_t i = 0; rules != NULL && rules->kind == MU_JSON_ARRAY && i < rules->n; i++) {
        const mu_json *priority = mu_json_get(&rules->items[i], MU_STR("priority"));
        mu_str code = text_of(&rules->items[i], "code");
        for (uint32_t k = 0; k < n; k++) {
            if (!mu_str_equal_ascii_nocase(list[k].code, code))
                continue;
            if (priority != NULL && priority->kind == MU_JSON_INTEGER)
                list[k].priority = (uint32_t)priority->integer;
            list[k].is_unique =
                mu_json_truth(mu_json_member(&rules->items[i], MU_STR("unique")), false);
            *has_priorities |= list[k].priority > 0;
        }
    }
}

mu_code mu_api_namespaces(const mu_api *api, const mu_api_sandbox *sandbox, mu_arena *arena,
                          uint32_t *n, const mu_graph_namespace **out, bool *has_priorities,
                          mu_err *err)
{
    mu_json *list, settings;
    MU_TRY(read_all(api, arena, mu_api_shared_place(api, arena, sandbox->organization), n, &list,
                    err));
    MU_TRY(mu_api_settings_read(api, sandbox, arena, &settings, err));
    mu_graph_namespace *namespaces = MU_NEW_ARRAY(arena, mu_graph_namespace, *n);
    for (uint32_t i = 0; i < *n; i++)
        namespaces[i] = graph_namespace(&list[i]);
    *has_priorities = false;
    apply_rules(&settings, *n, namespaces, has_priorities);
    *out = namespaces;
    return MU_OK;
}

static mu_json rule_json(mu_arena *arena, const mu_graph_namespace *one)
{
    mu_json json =
        MU_JSON_OBJECT_OF(arena, {MU_STR("code"), mu_json_of_string(one->code)},
                          {MU_STR("id"), mu_json_of_integer(one->id)},
                          {MU_STR("idType"), mu_json_of_string(mu_identity_type_text(one->type))});
    if (one->priority > 0) {
        mu_json_set(arena, &json, MU_STR("priority"), mu_json_of_integer(one->priority));
        mu_json_set(arena, &json, MU_STR("unique"), mu_json_of_boolean(one->is_unique));
    }
    return json;
}

mu_code mu_api_set_namespaces(mu_api *api, const mu_api_sandbox *sandbox, const mu_author *author,
                              mu_arena *arena, uint32_t n, const mu_graph_namespace *namespaces,
                              mu_err *err)
{
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, n);
    mu_json list = {.kind = MU_JSON_ARRAY, .items = items};
    for (uint32_t i = 0; i < n; i++)
        if (namespaces[i].priority > 0 || namespaces[i].id >= MU_NAMESPACE_CUSTOM_ID_MIN)
            items[list.n++] = rule_json(arena, &namespaces[i]);
    return mu_api_settings_set(api, sandbox, author, arena, MU_STR("namespaces"), &list, err);
}

static bool has_rule(const mu_json *settings, mu_str code)
{
    const mu_json *rules = mu_json_get(settings, MU_STR("namespaces"));
    for (uint32_t i = 0; rules != NULL && rules->kind == MU_JSON_ARRAY && i < rules->n; i++)
        if (mu_str_equal_ascii_nocase(text_of(&rules->items[i], "code"), code))
            return true;
    return false;
}

mu_code mu_api_sync_namespaces(mu_api *api, const mu_api_sandbox *sandbox, mu_arena *arena,
                               mu_err *err)
{
    uint32_t n;
    const mu_graph_namespace *namespaces;
    bool has_priorities, is_known = true;
    mu_json settings;
    MU_TRY(mu_api_namespaces(api, sandbox, arena, &n, &namespaces, &has_priorities, err));
    MU_TRY(mu_api_settings_read(api, sandbox, arena, &settings, err));
    for (uint32_t i = 0; i < n; i++)
        is_known &= namespaces[i].id < MU_NAMESPACE_CUSTOM_ID_MIN ||
                    has_rule(&settings, namespaces[i].code);
    return is_known ? MU_OK : mu_api_set_namespaces(api, sandbox, NULL, arena, n, namespaces, err);
}

/* Tells every graph of the organisation of its namespaces. Needs the edit lock. */
static mu_code tell_sandboxes(mu_api *api, mu_arena *arena, mu_str organization, mu_err *err)
{
    const mu_api_sandbox *at = NULL;
    while ((at = mu_api_next_sandbox(api, organization, at)) != NULL)
        MU_TRY(mu_api_sync_namespaces(api, at, arena, err));
    return MU_OK;
}

/* -------- reading -------- */

static mu_http_outcome list_namespaces(mu_http_request *request, mu_http_response *response,
                                       void *context)
{
    mu_api_call *call = mu_api_call_of(request);
    mu_err err;
    uint32_t n;
    mu_json *list;
    (void)context;
    if (read_all(call->api, mu_http_request_arena(request), call->shared_place, &n, &list, &err) !=
        MU_OK)
        return mu_api_fail(request, response, &err);
    const mu_json json = {.kind = MU_JSON_ARRAY, .n = n, .items = list};
    return mu_api_answer(response, 200, &json);
}

/* The namespace of the path; NULL: answered. */
static mu_json *find_in_path(mu_http_request *request, mu_http_response *response)
{
    mu_api_call *call = mu_api_call_of(request);
    mu_str text = mu_http_request_parameter(request, MU_STR("id"));
    mu_err err;
    uint32_t n;
    mu_json *list;
    int64_t id;
    if (read_all(call->api, mu_http_request_arena(request), call->shared_place, &n, &list, &err) !=
        MU_OK) {
        mu_api_fail(request, response, &err);
        return NULL;
    }
    if (mu_parse_integer(text, &id))
        for (uint32_t i = 0; i < n; i++)
            if (id_of(&list[i]) == id)
                return &list[i];
    mu_api_problem_format(request, response, 404, MU_STR("NAMESPACE_NOT_FOUND"),
                          "There is no namespace with the id " MU_STR_FMT, MU_STR_ARG(text));
    return NULL;
}

static mu_http_outcome get_namespace(mu_http_request *request, mu_http_response *response,
                                     void *context)
{
    (void)context;
    const mu_json *json = find_in_path(request, response);
    return json == NULL ? MU_HTTP_DONE : mu_api_answer(response, 200, json);
}

/* -------- writing -------- */

static bool is_code(mu_str code)
{
    for (size_t i = 0; i < code.len; i++) {
        char c = code.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')))
            return false;
    }
    return code.len > 0 && code.len <= CODE_BYTES;
}

static mu_code check_new(const mu_json *body, mu_err *err)
{
    mu_identity_type type;
    mu_str name = text_of(body, "name");
    if (!is_code(text_of(body, "code")))
        return mu_fail(err, MU_E_INPUT, "code must be 1 to %u letters and digits", CODE_BYTES);
    if (name.len == 0 || name.len > TEXT_BYTES)
        return mu_fail(err, MU_E_INPUT, "name must be a text of 1 to %u bytes", TEXT_BYTES);
    if (!parse_type(text_of(body, "idType"), &type))
        return mu_fail(err, MU_E_INPUT,
                       "idType must be one of COOKIE, CROSS_DEVICE, DEVICE, EMAIL, MOBILE, "
                       "NON_PEOPLE, PHONE, PARTNER");
    if (text_of(body, "description").len > TEXT_BYTES)
        return mu_fail(err, MU_E_INPUT, "description must be at most %u bytes", TEXT_BYTES);
    return MU_OK;
}

static int64_t next_id(const mu_json *list, uint32_t n)
{
    int64_t next = MU_NAMESPACE_CUSTOM_ID_MIN;
    for (uint32_t i = 0; i < n; i++)
        next = id_of(&list[i]) >= next ? id_of(&list[i]) + 1 : next;
    return next;
}

static mu_code add_namespace(mu_api_call *call, mu_arena *arena, const mu_json *body, mu_json *out,
                             mu_err *err)
{
    mu_api *api = call->api;
    uint32_t n;
    mu_json *list;
    mu_str code = text_of(body, "code");
    MU_TRY(check_new(body, err));
    MU_TRY(read_all(api, arena, call->shared_place, &n, &list, err));
    if (find_code(list, n, code) != NULL)
        return mu_fail(err, MU_E_CONFLICT,
                       "there is a namespace with the code " MU_STR_FMT " already",
                       MU_STR_ARG(code));
    int64_t id = next_id(list, n), now_ms = mu_api_now_ms(api);
    *out = MU_JSON_OBJECT_OF(
        arena, {MU_STR("id"), mu_json_of_integer(id)}, {MU_STR("code"), mu_json_of_string(code)},
        {MU_STR("name"), mu_json_of_string(text_of(body, "name"))},
        {MU_STR("description"), mu_json_of_string(text_of(body, "description"))},
        {MU_STR("idType"), mu_json_of_string(upper(arena, text_of(body, "idType")))},
        {MU_STR("custom"), mu_json_of_boolean(true)},
        {MU_STR("status"), mu_json_of_string(MU_STR("ACTIVE"))},
        {MU_STR("createTime"), mu_json_of_integer(now_ms)},
        {MU_STR("updateTime"), mu_json_of_integer(now_ms)});
    mu_str key = mu_arena_format(arena, "%lld", (long long)id);
    MU_TRY(
        mu_api_call_put(call, arena, call->shared_place, MU_DOCUMENT_ADD, KIND, key, out, 0, err));
    mu_code told = tell_sandboxes(api, arena, call->organization, err);
    if (told != MU_OK) /* who asks again is not to find it there */
        (void)!mu_api_call_remove(call, call->shared_place, KIND, key, NULL);
    return told;
}

static mu_http_outcome fail(mu_http_request *request, mu_http_response *response, const mu_err *err)
{
    if (err->code == MU_E_CONFLICT)
        return mu_api_problem(request, response, 409, MU_STR("NAMESPACE_CODE_CONFLICT"),
                              mu_str_from(err->text));
    return mu_api_fail(request, response, err);
}

static mu_http_outcome post_namespace(mu_http_request *request, mu_http_response *response,
                                      void *context)
{
    mu_api *api = context;
    mu_json body, json;
    mu_err err;
    if (!mu_api_body_object(request, response, &body))
        return MU_HTTP_DONE;
    pthread_mutex_lock(&api->edit_lock);
    mu_code code =
        add_namespace(mu_api_call_of(request), mu_http_request_arena(request), &body, &json, &err);
    pthread_mutex_unlock(&api->edit_lock);
    return code == MU_OK ? mu_api_answer(response, 200, &json) : fail(request, response, &err);
}

/* A member that cannot change may be given as it is. */
static bool is_kept(const mu_json *json, const mu_json *body, const char *name)
{
    mu_str given = text_of(body, name);
    return given.len == 0 || mu_str_equal_ascii_nocase(given, text_of(json, name));
}

static mu_code change_namespace(mu_api_call *call, mu_arena *arena, const mu_json *body,
                                mu_json *json, mu_err *err)
{
    static const char *const texts[] = {"name", "description"};
    if (!mu_json_truth(mu_json_member(json, MU_STR("custom")), false))
        return mu_fail(err, MU_E_INPUT, "a built-in namespace cannot be changed");
    if (!is_kept(json, body, "code") || !is_kept(json, body, "idType"))
        return mu_fail(err, MU_E_INPUT, "code and idType of a namespace cannot be changed");
    for (size_t i = 0; i < 2; i++) {
        const mu_json *given = mu_json_get(body, mu_str_from(texts[i]));
        if (given == NULL)
            continue;
        if (given->kind != MU_JSON_STRING || given->string.len > TEXT_BYTES)
            return mu_fail(err, MU_E_INPUT, "%s must be a text of at most %u bytes", texts[i],
                           TEXT_BYTES);
        mu_json_set(arena, json, mu_str_from(texts[i]), *given);
    }
    if (text_of(json, "name").len == 0)
        return mu_fail(err, MU_E_INPUT, "name must not be empty");
    mu_json_set(arena, json, MU_STR("updateTime"), mu_json_of_integer(mu_api_now_ms(call->api)));
    mu_str key = mu_arena_format(arena, "%lld", (long long)id_of(json));
    return mu_api_call_put(call, arena, call->shared_place, MU_DOCUMENT_REPLACE, KIND, key, json, 0,
                           err);
}

static mu_http_outcome put_namespace(mu_http_request *request, mu_http_response *response,
                                     void *context)
{
    mu_api *api = context;
    mu_json body, *json;
    mu_err err;
    mu_code code = MU_OK;
    if (!mu_api_body_object(request, response, &body))
        return MU_HTTP_DONE;
    pthread_mutex_lock(&api->edit_lock);
    json = find_in_path(request, response);
    if (json != NULL)
        code = change_namespace(mu_api_call_of(request), mu_http_request_arena(request), &body,
                                json, &err);
    pthread_mutex_unlock(&api->edit_lock);
    if (json == NULL)
        return MU_HTTP_DONE;
    return code == MU_OK ? mu_api_answer(response, 200, json) : fail(request, response, &err);
}

mu_code mu_api_add_namespaces(mu_api *api, mu_http_router *router, mu_err *err)
{
#define BASE "/data/core/idnamespace/"
    static const mu_http_route routes[] = {
        {.method = MU_HTTP_GET, .pattern = BASE "identities", .handler = list_namespaces},
        {.method = MU_HTTP_POST, .pattern = BASE "identities", .handler = post_namespace},
        {.method = MU_HTTP_GET, .pattern = BASE "identities/{id}", .handler = get_namespace},
        {.method = MU_HTTP_PUT, .pattern = BASE "identities/{id}", .handler = put_namespace},
        {.method = MU_HTTP_GET,
         .pattern = BASE "orgs/{org}/identities",
         .handler = list_namespaces},
        {.method = MU_HTTP_GET,
         .pattern = BASE "orgs/{org}/identities/{id}",
         .handler = get_namespace},
    };
    return mu_api_add(api, router, MU_API_CHECKED, routes, sizeof routes / sizeof routes[0], err);
}
