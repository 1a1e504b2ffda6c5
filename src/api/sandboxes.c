/* sandboxes.c -- the sandboxes of the organisations, and /data/foundation/sandbox-management.
 *
 * A sandbox is a document of kind "sandbox" in its organisation's shared place, under its store
 * name. All are in memory too, since every request names one.
 */
#include "api/api_int.h"

#include "base/time.h"

#define KIND          MU_STR("sandbox")
#define NAME_MAX_LEN  256u
#define TITLE_MAX_LEN 1024u

/* -------- in memory -------- */

typedef struct sandbox_facts {
    mu_str name, id, type;
    bool is_default;
} sandbox_facts;

static mu_str store_name_of(const mu_api *api, mu_arena *arena, mu_str organization, mu_str name)
{
    if (api->options.auth_mode == MU_AUTH_OPEN)
        return mu_arena_copy(arena, name);
    return mu_arena_format(arena, MU_STR_FMT "/" MU_STR_FMT, MU_STR_ARG(organization),
                           MU_STR_ARG(name));
}

static bool is_deleted(const mu_json *json)
{
    return mu_str_equal(mu_json_member_string(json, MU_STR("state"), MU_STR("")),
                        MU_STR("deleted"));
}

static sandbox_facts facts_of(const mu_json *json)
{
    return (sandbox_facts){
        .name = mu_json_member_string(json, MU_STR("name"), MU_STR("")),
        .id = mu_json_member_string(json, MU_STR("id"), MU_STR("")),
        .type = mu_json_member_string(json, MU_STR("type"), MU_STR("development")),
        .is_default = mu_json_truth(mu_json_member(json, MU_STR("isDefault")), false)};
}

/* Opens its data; nobody finds it before it is published. */
static mu_code open_sandbox(mu_api *api, mu_arena *scratch, mu_str organization,
                            const sandbox_facts *facts, mu_api_sandbox **out, mu_err *err)
{
    mu_sandbox *live;
    MU_TRY(mu_live_sandbox(api->options.live,
                           store_name_of(api, scratch, organization, facts->name), &live, err));
    pthread_rwlock_wrlock(&api->sandbox_lock);
    mu_arena *arena = &api->arena;
    mu_api_sandbox *sandbox = MU_NEW(arena, mu_api_sandbox);
    *sandbox = (mu_api_sandbox){.organization = api->options.auth_mode == MU_AUTH_OPEN
                                                    ? MU_STR("")
                                                    : mu_arena_copy(arena, organization),
                                .name = mu_arena_copy(arena, facts->name),
                                .store_name = store_name_of(api, arena, organization, facts->name),
                                .id = mu_arena_copy(arena, facts->id),
                                .is_production = mu_str_equal(facts->type, MU_STR("production")),
                                .is_default = facts->is_default,
                                .live = live};
    pthread_rwlock_unlock(&api->sandbox_lock);
    *out = sandbox;
    return MU_OK;
}

static void publish(mu_api *api, mu_api_sandbox *sandbox)
{
    pthread_rwlock_wrlock(&api->sandbox_lock);
    mu_api_sandbox **at = &api->sandboxes;
    while (*at != NULL)
        at = &(*at)->next;
    *at = sandbox;
    pthread_rwlock_unlock(&api->sandbox_lock);
}

/* What a fresh sandbox needs, or one whose making was cut short. */
static mu_code furnish(mu_api *api, mu_arena *scratch, const mu_api_sandbox *sandbox, mu_err *err)
{
    MU_TRY(mu_api_add_default_policy(api, sandbox, err));
    return mu_api_sync_namespaces(api, sandbox, scratch, err);
}

static bool is_of(const mu_api *api, const mu_api_sandbox *sandbox, mu_str organization)
{
    return !sandbox->is_deleted && (api->options.auth_mode == MU_AUTH_OPEN ||
                                    mu_str_equal(sandbox->organization, organization));
}

static mu_api_sandbox *find_by(mu_api *api, mu_str organization, mu_str name, mu_str id)
{
    mu_api_sandbox *found = NULL;
    pthread_rwlock_rdlock(&api->sandbox_lock);
    for (mu_api_sandbox *at = api->sandboxes; found == NULL && at != NULL; at = at->next)
        if (is_of(api, at, organization) &&
            (name.len > 0 ? mu_str_equal(at->name, name) : mu_str_equal(at->id, id)))
            found = at;
    pthread_rwlock_unlock(&api->sandbox_lock);
    return found;
}

const mu_api_sandbox *mu_api_find_sandbox(mu_api *api, mu_str organization, mu_str name, mu_str id)
{
    return find_by(api, organization, name, id);
}

const mu_api_sandbox *mu_api_next_sandbox(mu_api *api, mu_str organization,
                                          const mu_api_sandbox *after)
{
    pthread_rwlock_rdlock(&api->sandbox_lock);
    const mu_api_sandbox *at = after == NULL ? api->sandboxes : after->next;
    while (at != NULL && !is_of(api, at, organization))
        at = at->next;
    pthread_rwlock_unlock(&api->sandbox_lock);
    return at;
}

mu_json mu_api_sandbox_json(mu_arena *arena, const mu_api_sandbox *sandbox)
{
    mu_str type = sandbox->is_production ? MU_STR("production") : MU_STR("development");
    return MU_JSON_OBJECT_OF(arena, {MU_STR("sandboxId"), mu_json_of_string(sandbox->id)},
                             {MU_STR("sandboxName"), mu_json_of_string(sandbox->name)},
                             {MU_STR("type"), mu_json_of_string(type)},
                             {MU_STR("default"), mu_json_of_boolean(sandbox->is_default)});
}

/* -------- making -------- */

static bool is_sandbox_name(mu_str name)
{
    if (name.len == 0 || name.len > NAME_MAX_LEN || name.ptr[0] < 'a' || name.ptr[0] > 'z')
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
            return false;
    }
    return true;
}

/* "2026-01-02 03:04:05", as this service alone writes instants. */
static mu_json plain_time(mu_arena *arena, int64_t ms)
{
    mu_civil c = mu_civil_from_ms(ms);
    return mu_json_of_string(mu_arena_format(arena, "%04d-%02d-%02d %02d:%02d:%02d", (int)c.year,
                                             c.month, c.day, c.hour, c.minute, c.second));
}

static mu_json new_document(const mu_api *api, mu_arena *arena, const sandbox_facts *facts,
                            mu_str title, mu_str user)
{
    mu_json now = plain_time(arena, mu_api_now_ms(api));
    return MU_JSON_OBJECT_OF(arena, {MU_STR("id"), mu_json_of_string(facts->id)},
                             {MU_STR("name"), mu_json_of_string(facts->name)},
                             {MU_STR("title"), mu_json_of_string(title)},
                             {MU_STR("state"), mu_json_of_string(MU_STR("active"))},
                             {MU_STR("type"), mu_json_of_string(facts->type)},
                             {MU_STR("region"), mu_json_of_string(MU_STR("local"))},
                             {MU_STR("isDefault"), mu_json_of_boolean(facts->is_default)},
                             {MU_STR("eTag"), mu_json_of_integer(1)}, {MU_STR("createdDate"), now},
                             {MU_STR("lastModifiedDate"), now},
                             {MU_STR("createdBy"), mu_json_of_string(user)},
                             {MU_STR("lastModifiedBy"), mu_json_of_string(user)});
}

/* A name that was deleted may be given again: then *version is that document's, else 0. */
static mu_code check_name_is_free(const mu_api *api, mu_arena *arena, mu_str shared,
                                  mu_str store_name, uint64_t *version, mu_err *err)
{
    mu_document before;
    mu_json old;
    *version = 0;
    mu_code code = mu_api_document_get(api, arena, shared, KIND, store_name, &before, &old, err);
    if (code == MU_E_NOT_FOUND)
        return MU_OK;
    MU_TRY(code);
    *version = before.version;
    return is_deleted(&old) ? MU_OK
                            : mu_fail(err, MU_E_CONFLICT, "there is a sandbox with this name");
}

/* The document comes last, so that a making that fails leaves nothing that anybody sees; all before
 * it may be done again. Needs the edit lock once requests are served. */
static mu_code make_sandbox(mu_api *api, mu_arena *arena, mu_str organization,
                            const sandbox_facts *facts, mu_str title, const mu_author *author,
                            mu_json *json, mu_err *err)
{
    mu_api_sandbox *sandbox;
    uint64_t version;
    mu_str shared = mu_api_shared_place(api, arena, organization);
    mu_str store_name = store_name_of(api, arena, organization, facts->name);
    MU_TRY(check_name_is_free(api, arena, shared, store_name, &version, err));
    MU_TRY(open_sandbox(api, arena, organization, facts, &sandbox, err));
    MU_TRY(furnish(api, arena, sandbox, err));
    *json =
        new_document(api, arena, facts, title, author == NULL ? MU_STR("system") : author->user);
    mu_document_edit edit = {.action = version == 0 ? MU_DOCUMENT_ADD : MU_DOCUMENT_REPLACE,
                             .kind = KIND,
                             .id = store_name,
                             .version_before = version,
                             .author = author};
    MU_TRY(mu_json_text(arena, json, &edit.json, err));
    MU_TRY(mu_document_edit_all(api->options.documents, shared, mu_api_now_ms(api), 1, &edit, err));
    publish(api, sandbox);
    return MU_OK;
}

static mu_code make_prod(mu_api *api, mu_arena *arena, mu_str organization, mu_err *err)
{
    mu_json json;
    const sandbox_facts facts = {.name = MU_STR("prod"),
                                 .id = mu_api_uuid(arena),
                                 .type = MU_STR("production"),
                                 .is_default = true};
    return make_sandbox(api, arena, organization, &facts, MU_STR("Prod"), NULL, &json, err);
}

/* -------- at the start -------- */

static mu_code load_organization(mu_api *api, mu_arena *arena, mu_str organization, mu_err *err)
{
    uint32_t n;
    const mu_document *list;
    bool has_prod = false;
    MU_TRY(mu_document_list(api->options.documents, arena,
                            mu_api_shared_place(api, arena, organization), KIND, &n, &list, err));
    for (uint32_t i = 0; i < n; i++) {
        mu_json json;
        mu_api_sandbox *sandbox;
        MU_TRY(mu_json_parse(arena, list[i].json, &json, err));
        if (is_deleted(&json))
            continue;
        const sandbox_facts facts = facts_of(&json);
        MU_TRY(open_sandbox(api, arena, organization, &facts, &sandbox, err));
        MU_TRY(furnish(api, arena, sandbox, err));
        publish(api, sandbox);
        has_prod |= mu_str_equal(facts.name, MU_STR("prod"));
    }
    return has_prod ? MU_OK : make_prod(api, arena, organization, err);
}

static bool was_deleted(const mu_api *api, mu_arena *arena, mu_str name)
{
    mu_document document;
    return mu_document_get(api->options.documents, arena,
                           mu_api_shared_place(api, arena, api->options.organization), KIND, name,
                           &document, NULL) == MU_OK;
}

/* Sandboxes that were filled without a server (muster load) have no document yet. */
static mu_code adopt_sandboxes(mu_api *api, mu_arena *arena, mu_err *err)
{
    const mu_str *names;
    uint32_t n = mu_live_sandboxes(api->options.live, arena, &names);
    for (uint32_t i = 0; i < n; i++) {
        mu_json json;
        if (!is_sandbox_name(names[i]) ||
            mu_api_find_sandbox(api, api->options.organization, names[i], MU_STR("")) != NULL ||
            was_deleted(api, arena, names[i]))
            continue;
        const sandbox_facts facts = {
            .name = names[i], .id = mu_api_uuid(arena), .type = MU_STR("development")};
        MU_TRY(make_sandbox(api, arena, api->options.organization, &facts, names[i], NULL, &json,
                            err));
    }
    return MU_OK;
}

/* Several clients may belong to one organisation. */
static bool is_first_of_organization(const mu_api_options *options, size_t client)
{
    for (size_t i = 0; i < client; i++)
        if (mu_str_equal(options->clients[i].organization, options->clients[client].organization))
            return false;
    return true;
}

mu_code mu_api_sandboxes_load(mu_api *api, mu_err *err)
{
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code = MU_OK;
    if (api->options.auth_mode == MU_AUTH_OPEN)
        code = load_organization(api, &arena, api->options.organization, err);
    else
        for (size_t i = 0; code == MU_OK && i < api->options.n_clients; i++)
            if (is_first_of_organization(&api->options, i))
                code = load_organization(api, &arena, api->options.clients[i].organization, err);
    if (code == MU_OK && api->options.auth_mode == MU_AUTH_OPEN)
        code = adopt_sandboxes(api, &arena, err);
    mu_arena_free(&arena);
    return code;
}

/* -------- the resource -------- */

static mu_http_outcome no_such_sandbox(mu_http_request *request, mu_http_response *response,
                                       mu_str name)
{
    return mu_api_problem_format(request, response, 404, MU_STR(""),
                                 "There is no sandbox named " MU_STR_FMT, MU_STR_ARG(name));
}

/* Those that were not deleted. */
static mu_code read_list(mu_http_request *request, mu_api *api, uint32_t *n, mu_json **out,
                         mu_err *err)
{
    mu_arena *arena = mu_http_request_arena(request);
    uint32_t n_all;
    const mu_document *all;
    MU_TRY(mu_document_list(api->options.documents, arena, mu_api_call_of(request)->shared_place,
                            KIND, &n_all, &all, err));
    mu_json *list = MU_NEW_ARRAY(arena, mu_json, n_all);
    *n = 0;
    for (uint32_t i = 0; i < n_all; i++) {
        MU_TRY(mu_json_parse(arena, all[i].json, &list[*n], err));
        *n += !is_deleted(&list[*n]);
    }
    *out = list;
    return MU_OK;
}

static void write_list(mu_http_request *request, mu_http_response *response, uint32_t n,
                       const mu_json *list, const mu_api_page *page)
{
    mu_json_writer *writer = mu_http_response_json(response);
    int64_t n_shown = 0;
    mu_json_begin_object(writer);
    mu_json_name(writer, MU_STR("sandboxes"));
    mu_json_begin_array(writer);
    for (int64_t i = page->start; i < n && n_shown < page->limit; i++, n_shown++)
        mu_json_value(writer, &list[i]);
    mu_json_end_array(writer);
    mu_json_name(writer, MU_STR("_page"));
    mu_json_begin_object(writer);
    mu_json_name(writer, MU_STR("limit"));
    mu_json_integer(writer, page->limit);
    mu_json_name(writer, MU_STR("count"));
    mu_json_integer(writer, n_shown);
    mu_json_name(writer, MU_STR("totalCount"));
    mu_json_integer(writer, n);
    mu_json_end_object(writer);
    mu_json_name(writer, MU_STR("_links"));
    mu_json_begin_object(writer);
    if (page->start + n_shown < n) {
        mu_str query = mu_api_query_with(request, MU_STR("offset"), page->start + n_shown);
        mu_json_name(writer, MU_STR("next"));
        mu_json_begin_object(writer);
        mu_json_name(writer, MU_STR("href"));
        mu_json_string(writer, mu_arena_format(mu_http_request_arena(request),
                                               MU_STR_FMT MU_STR_FMT "?" MU_STR_FMT,
                                               MU_STR_ARG(mu_http_request_base_url(request)),
                                               MU_STR_ARG(mu_http_request_path(request)),
                                               MU_STR_ARG(query)));
        mu_json_end_object(writer);
    }
    mu_json_end_object(writer);
    mu_json_end_object(writer);
}

static mu_http_outcome list_sandboxes(mu_http_request *request, mu_http_response *response,
                                      void *context)
{
    mu_api *api = context;
    mu_api_page page;
    mu_err err;
    uint32_t n;
    mu_json *list;
    if (!mu_api_page_read(request, response, 50, 200, &page))
        return MU_HTTP_DONE;
    if (read_list(request, api, &n, &list, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    write_list(request, response, n, list, &page);
    return MU_HTTP_DONE;
}

/* The document of the path's sandbox. False: answered. */
static bool read_sandbox(mu_http_request *request, mu_http_response *response, mu_api *api,
                         mu_document *document, mu_json *json)
{
    mu_api_call *call = mu_api_call_of(request);
    mu_arena *arena = mu_http_request_arena(request);
    mu_err err;
    mu_str name = mu_http_request_parameter(request, MU_STR("name"));
    mu_code code = mu_api_document_get(api, arena, call->shared_place, KIND,
                                       store_name_of(api, arena, call->organization, name),
                                       document, json, &err);
    if (code == MU_OK && !is_deleted(json))
        return true;
    if (code == MU_OK || code == MU_E_NOT_FOUND)
        no_such_sandbox(request, response, name);
    else
        mu_api_fail(request, response, &err);
    return false;
}

static mu_http_outcome get_sandbox(mu_http_request *request, mu_http_response *response,
                                   void *context)
{
    mu_document document;
    mu_json json;
    if (!read_sandbox(request, response, context, &document, &json))
        return MU_HTTP_DONE;
    return mu_api_answer(response, 200, &json);
}

static mu_code check_new(const sandbox_facts *facts, mu_str title, mu_err *err)
{
    if (!is_sandbox_name(facts->name))
        return mu_fail(err, MU_E_INPUT,
                       "the name of a sandbox must begin with a lower-case letter and hold "
                       "lower-case letters, digits and hyphens only, at most %u",
                       NAME_MAX_LEN);
    if (title.len == 0 || title.len > TITLE_MAX_LEN)
        return mu_fail(err, MU_E_INPUT, "a sandbox needs a title");
    if (!mu_str_equal(facts->type, MU_STR("development")) &&
        !mu_str_equal(facts->type, MU_STR("production")))
        return mu_fail(err, MU_E_INPUT, "the type of a sandbox is development or production");
    return MU_OK;
}

static mu_http_outcome post_sandbox(mu_http_request *request, mu_http_response *response,
                                    void *context)
{
    mu_api *api = context;
    mu_api_call *call = mu_api_call_of(request);
    mu_arena *arena = mu_http_request_arena(request);
    mu_json body, json;
    mu_err err;
    if (!mu_api_body_object(request, response, &body))
        return MU_HTTP_DONE;
    sandbox_facts facts = facts_of(&body);
    facts.id = mu_api_uuid(arena);
    facts.is_default = false;
    mu_str title = mu_json_member_string(&body, MU_STR("title"), facts.name);
    pthread_mutex_lock(&api->edit_lock);
    mu_code code = check_new(&facts, title, &err);
    if (code == MU_OK)
        code =
            make_sandbox(api, arena, call->organization, &facts, title, &call->author, &json, &err);
    pthread_mutex_unlock(&api->edit_lock);
    if (code != MU_OK)
        return mu_api_fail(request, response, &err);
    return mu_api_answer(response, 201, &json);
}

static mu_http_outcome patch_sandbox(mu_http_request *request, mu_http_response *response,
                                     void *context)
{
    mu_api *api = context;
    mu_api_call *call = mu_api_call_of(request);
    mu_arena *arena = mu_http_request_arena(request);
    mu_document document;
    mu_json body, json;
    mu_err err;
    if (!mu_api_body_object(request, response, &body) ||
        !read_sandbox(request, response, api, &document, &json))
        return MU_HTTP_DONE;
    mu_str title = mu_json_member_string(&body, MU_STR("title"), MU_STR(""));
    if (title.len == 0 || title.len > TITLE_MAX_LEN)
        return mu_api_problem(request, response, 400, MU_STR(""),
                              MU_STR("title is what can be changed of a sandbox, and it must not "
                                     "be empty"));
    mu_json_set(arena, &json, MU_STR("title"), mu_json_of_string(title));
    mu_json_set(arena, &json, MU_STR("eTag"), mu_json_of_integer((int64_t)document.version + 1));
    mu_json_set(arena, &json, MU_STR("lastModifiedDate"), plain_time(arena, mu_api_now_ms(api)));
    mu_json_set(arena, &json, MU_STR("lastModifiedBy"), mu_json_of_string(call->client_id));
    if (mu_api_call_put(call, arena, call->shared_place, MU_DOCUMENT_REPLACE, KIND, document.id,
                        &json, document.version, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    return mu_api_answer(response, 200, &json);
}

/* Data cannot be taken out of a sandbox as a whole, so only an empty one can go. */
static mu_code check_empty(const mu_api *api, mu_arena *arena, const mu_api_sandbox *sandbox,
                           mu_err *err)
{
    uint32_t n;
    const mu_document *datasets;
    if (sandbox->is_default)
        return mu_fail(err, MU_E_INPUT, "the default sandbox cannot be deleted");
    MU_TRY(mu_document_list(api->options.documents, arena, sandbox->store_name, MU_STR("dataset"),
                            &n, &datasets, err));
    mu_sandbox_counts counts = mu_sandbox_count(sandbox->live);
    if (n > 0 || counts.n_profiles > 0 || counts.n_events > 0 || counts.n_delta_records > 0)
        return mu_fail(err, MU_E_CONFLICT,
                       "the sandbox has data sets or data; delete them before it");
    return MU_OK;
}

static mu_http_outcome delete_sandbox(mu_http_request *request, mu_http_response *response,
                                      void *context)
{
    mu_api *api = context;
    mu_api_call *call = mu_api_call_of(request);
    mu_arena *arena = mu_http_request_arena(request);
    mu_document document;
    mu_json json;
    mu_err err;
    if (!read_sandbox(request, response, api, &document, &json))
        return MU_HTTP_DONE;
    mu_api_sandbox *sandbox = find_by(api, call->organization, MU_STR(""), facts_of(&json).id);
    if (sandbox == NULL)
        return no_such_sandbox(request, response, document.id);
    mu_json_set(arena, &json, MU_STR("state"), mu_json_of_string(MU_STR("deleted")));
    if (check_empty(api, arena, sandbox, &err) != MU_OK ||
        mu_api_call_put(call, arena, call->shared_place, MU_DOCUMENT_REPLACE, KIND, document.id,
                        &json, document.version, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    pthread_rwlock_wrlock(&api->sandbox_lock);
    sandbox->is_deleted = true;
    pthread_rwlock_unlock(&api->sandbox_lock);
    return mu_api_answer(response, 200, &json);
}

static mu_http_outcome list_types(mu_http_request *request, mu_http_response *response,
                                  void *context)
{
    (void)request, (void)context;
    return mu_api_answer_text(response, 200,
                              MU_STR("{\"sandboxTypes\":[\"production\",\"development\"]}"));
}

mu_code mu_api_add_sandboxes(mu_api *api, mu_http_router *router, mu_err *err)
{
#define BASE "/data/foundation/sandbox-management"
    static const mu_http_route routes[] = {
        {.method = MU_HTTP_GET, .pattern = BASE, .handler = list_sandboxes},
        {.method = MU_HTTP_GET, .pattern = BASE "/sandboxes", .handler = list_sandboxes},
        {.method = MU_HTTP_GET, .pattern = BASE "/sandboxTypes", .handler = list_types},
        {.method = MU_HTTP_POST, .pattern = BASE "/sandboxes", .handler = post_sandbox},
        {.method = MU_HTTP_GET, .pattern = BASE "/sandboxes/{name}", .handler = get_sandbox},
        {.method = MU_HTTP_PATCH, .pattern = BASE "/sandboxes/{name}", .handler = patch_sandbox},
        {.method = MU_HTTP_DELETE, .pattern = BASE "/sandboxes/{name}", .handler = delete_sandbox},
    };
    return mu_api_add(api, router, MU_API_WITHOUT_SANDBOX, routes, sizeof routes / sizeof routes[0],
                      err);
}
