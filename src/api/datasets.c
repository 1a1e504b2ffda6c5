/* datasets.c -- /data/foundation/catalog/dataSets (profile.md d.0). */
#include "api/registry_cache.h"

#define KIND          MU_STR("dataset")
#define NAME_BYTES    1024u
#define TABLE_NAME    MU_STR("adobe/pqs/table")
#define LIMIT_DEFAULT 20
#define LIMIT_MAX     100

/* -------- a new one -------- */

/* "Luma Events 2" -> "luma_events_2", for the tag that query services and clients go by. */
static mu_str table_name(mu_arena *arena, mu_str name)
{
    char *out = mu_arena_alloc(arena, name.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c + 32);
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (is_plain)
            out[n++] = c;
        else if (n > 0 && out[n - 1] != '_')
            out[n++] = '_';
    }
    while (n > 0 && out[n - 1] == '_')
        n--;
    return n > 0 ? (mu_str){out, n} : MU_STR("dataset");
}

static bool has_table_name(const mu_document *list, uint32_t n, mu_arena *arena, mu_str name)
{
    mu_str quoted = mu_arena_format(arena, "\"" MU_STR_FMT "\"", MU_STR_ARG(name));
    for (uint32_t i = 0; i < n; i++) {
        size_t at = mu_str_find(list[i].json, TABLE_NAME);
        if (at != SIZE_MAX &&
            mu_str_find((mu_str){list[i].json.ptr + at, list[i].json.len - at}, quoted) != SIZE_MAX)
            return true;
    }
    return false;
}

static mu_code add_table_name(const mu_api_call *call, mu_arena *arena, mu_json *json, mu_str id,
                              mu_err *err)
{
    uint32_t n;
    const mu_document *list;
    const mu_json *given = mu_json_get(json, MU_STR("tags"));
    mu_json tags = given == NULL ? (mu_json){.kind = MU_JSON_OBJECT} : *given;
    if (mu_json_get(&tags, TABLE_NAME) == NULL) {
        mu_str name = table_name(arena, mu_json_member_string(json, MU_STR("name"), MU_STR("")));
        MU_TRY(mu_document_list(call->api->options.documents, arena, call->place, KIND, &n, &list,
                                err));
        if (has_table_name(list, n, arena, name))
            name = mu_arena_format(arena, MU_STR_FMT "_%.6s", MU_STR_ARG(name), id.ptr);
        mu_json_set(arena, &tags, TABLE_NAME, mu_json_strings(arena, 1, &name));
    }
    mu_json_set(arena, json, MU_STR("tags"), tags);
    return MU_OK;
}

static mu_code check_tags(const mu_json *tags, mu_err *err)
{
    if (tags == NULL)
        return MU_OK;
    if (tags->kind != MU_JSON_OBJECT)
        return mu_fail(err, MU_E_INPUT, "tags must be an object of lists of texts");
    for (uint32_t i = 0; i < tags->n; i++) {
        const mu_json *list = &tags->items[i];
        bool is_good = list->kind == MU_JSON_ARRAY;
        for (uint32_t k = 0; is_good && k < list->n; k++)
            is_good = list->items[k].kind == MU_JSON_STRING;
        if (!is_good)
            return mu_fail(err, MU_E_INPUT, "the tag " MU_STR_FMT " must be a list of texts",
                           MU_STR_ARG(tags->names[i]));
    }
    return MU_OK;
}

static mu_code check_dataset(const mu_json *json, mu_err *err)
{
    mu_str name = mu_json_member_string(json, MU_STR("name"), MU_STR(""));
    if (name.len == 0 || name.len > NAME_BYTES)
        return mu_fail(err, MU_E_INPUT, "name must be a text of 1 to %u bytes", NAME_BYTES);
    const mu_json *schema = mu_json_at(json, MU_STR("schemaRef.id"));
    if (schema == NULL || schema->kind != MU_JSON_STRING || schema->string.len == 0)
        return mu_fail(err, MU_E_INPUT, "schemaRef.id is missing");
    return check_tags(mu_json_get(json, MU_STR("tags")), err);
}

/* A data set takes data by a schema of the sandbox, or by a class alone (P8). Clients read what
 * kind of data it is. */
static mu_code classify(const mu_api_call *call, mu_arena *arena, mu_json *json, mu_err *err)
{
    const mu_api_registry *held;
    mu_str id = mu_json_at(json, MU_STR("schemaRef.id"))->string;
    MU_TRY(mu_api_registry_acquire(call->api, call->sandbox, &held, err));
    const mu_xdm_schema *schema = mu_registry_schema(held->registry, id);
    bool is_known = schema != NULL;
    bool is_event = is_known && mu_xdm_schema_behavior(schema) == MU_XDM_EVENT;
    mu_api_registry_release(held);
    if (!is_known)
        return mu_fail(err, MU_E_INPUT, "schemaRef.id names no schema: " MU_STR_FMT,
                       MU_STR_ARG(id));
    mu_str behavior = is_event ? MU_STR("time-series") : MU_STR("record");
    mu_json_set(arena, json, MU_STR("classification"),
                MU_JSON_OBJECT_OF(arena, {MU_STR("dataBehavior"), mu_json_of_string(behavior)},
                                  {MU_STR("managedBy"), mu_json_of_string(MU_STR("CUSTOMER"))}));
    return MU_OK;
}

static mu_json views_of(mu_arena *arena, mu_str id, mu_str view)
{
    return mu_json_of_string(mu_arena_format(arena,
                                             "@/dataSets/" MU_STR_FMT "/views/" MU_STR_FMT "/files",
                                             MU_STR_ARG(id), MU_STR_ARG(view)));
}

/* What the server says itself, whatever the body has. */
static void add_server_members(const mu_api_call *call, mu_arena *arena, mu_json *json, mu_str id)
{
    mu_json now = mu_json_of_integer(mu_api_now_ms(call->api));
    mu_json user = mu_json_of_string(call->client_id);
    mu_str view = mu_api_hex(arena, 24);
    const mu_json_pair members[] = {
        {MU_STR("version"), mu_json_of_string(MU_STR("1.0.0"))},
        {MU_STR("imsOrg"), mu_json_of_string(call->organization)},
        {MU_STR("sandboxId"), mu_json_of_string(call->sandbox->id)},
        {MU_STR("created"), now},
        {MU_STR("updated"), now},
        {MU_STR("createdClient"), user},
        {MU_STR("createdUser"), user},
        {MU_STR("updatedUser"), user},
        {MU_STR("viewId"), mu_json_of_string(view)},
        {MU_STR("files"), views_of(arena, id, view)},
        {MU_STR("state"), mu_json_of_string(MU_STR("ACTIVE"))},
    };
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        mu_json_set(arena, json, members[i].name, members[i].value);
}

static mu_http_outcome answer_id(mu_http_request *request, mu_http_response *response,
                                 unsigned status, mu_str id)
{
    mu_arena *arena = mu_http_request_arena(request);
    mu_str link = mu_arena_format(arena, "@/dataSets/" MU_STR_FMT, MU_STR_ARG(id));
    mu_json json = mu_json_strings(arena, 1, &link);
    return mu_api_answer(response, status, &json);
}

static mu_code add_dataset(const mu_api_call *call, mu_arena *arena, mu_json *json, mu_str id,
                           mu_err *err)
{
    mu_json_unset(arena, json, MU_STR("id"));
    MU_TRY(check_dataset(json, err));
    MU_TRY(classify(call, arena, json, err));
    add_server_members(call, arena, json, id);
    MU_TRY(add_table_name(call, arena, json, id, err));
    return mu_api_call_put(call, arena, call->place, MU_DOCUMENT_ADD, KIND, id, json, 0, err);
}

mu_code mu_api_dataset_add(const mu_api_call *call, mu_arena *arena, mu_str name, mu_str *id,
                           mu_err *err)
{
    const mu_str profile = MU_STR("enabled:true");
    mu_json enabled = mu_json_strings(arena, 1, &profile);
    mu_json json = MU_JSON_OBJECT_OF(
        arena, {MU_STR("name"), mu_json_of_string(name)},
        {MU_STR("schemaRef"),
         MU_JSON_OBJECT_OF(
             arena,
             {MU_STR("id"), mu_json_of_string(MU_STR("https://ns.adobe.com/xdm/context/profile"))},
             {MU_STR("contentType"),
              mu_json_of_string(MU_STR("application/vnd.adobe.xed+json;version=1"))})},
        {MU_STR("tags"), MU_JSON_OBJECT_OF(arena, {MU_STR("unifiedProfile"), enabled},
                                           {MU_STR("unifiedIdentity"), enabled})});
    *id = mu_api_hex(arena, 24);
    return add_dataset(call, arena, &json, *id, err);
}

static mu_http_outcome post_dataset(mu_http_request *request, mu_http_response *response,
                                    void *context)
{
    mu_api *api = context;
    mu_arena *arena = mu_http_request_arena(request);
    mu_json body;
    mu_err err;
    if (!mu_api_body_object(request, response, &body))
        return MU_HTTP_DONE;
    mu_str id = mu_api_hex(arena, 24);
    pthread_mutex_lock(&api->edit_lock); /* two must not get the same table name */
    mu_code code = add_dataset(mu_api_call_of(request), arena, &body, id, &err);
    pthread_mutex_unlock(&api->edit_lock);
    return code == MU_OK ? answer_id(request, response, 201, id)
                         : mu_api_fail(request, response, &err);
}

/* -------- reading -------- */

/* Only the members that `properties` names, when it names any. */
static mu_json projected(mu_arena *arena, const mu_http_pairs *query, const mu_json *json)
{
    mu_str names;
    if (!mu_http_pairs_find(query, MU_STR("properties"), &names))
        return *json;
    mu_json out = {.kind = MU_JSON_OBJECT};
    while (names.len > 0) {
        size_t comma = mu_str_find(names, MU_STR(","));
        size_t len = comma == SIZE_MAX ? names.len : comma;
        mu_str name = mu_str_trim((mu_str){names.ptr, len});
        const mu_json *member = mu_json_member(json, name);
        if (member != NULL)
            mu_json_set(arena, &out, name, *member);
        len = comma == SIZE_MAX ? len : len + 1;
        names = (mu_str){names.ptr + len, names.len - len};
    }
    return out;
}

static mu_http_outcome get_dataset(mu_http_request *request, mu_http_response *response,
                                   void *context)
{
    mu_api *api = context;
    mu_api_call *call = mu_api_call_of(request);
    mu_arena *arena = mu_http_request_arena(request);
    mu_document document;
    mu_json json, map = {.kind = MU_JSON_OBJECT};
    mu_err err;
    mu_str id = mu_http_request_parameter(request, MU_STR("id"));
    if (mu_api_document_get(api, arena, call->place, KIND, id, &document, &json, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    mu_json_set(arena, &map, id, projected(arena, mu_http_request_query(request), &json));
    return mu_api_answer(response, 200, &map);
}

/* `property` filters, and parameters named as members of data sets. */
static mu_code is_wanted(const mu_http_pairs *query, mu_arena *arena, const mu_json *json,
                         bool *out, mu_err *err)
{
    static const char *const names[] = {"name", "state", "schemaRef.id", "createdUser",
                                        "description"};
    mu_str value;
    *out = true;
    for (size_t at = 0; *out && mu_http_pairs_next(query, MU_STR("property"), &at, &value);)
        MU_TRY(mu_api_property_matches(json, value, out, err));
    for (size_t i = 0; *out && i < sizeof names / sizeof names[0]; i++) {
        if (!mu_http_pairs_find(query, mu_str_from(names[i]), &value))
            continue;
        const char *sign = value.len > 0 && value.ptr[0] == '~' ? "" : "==";
        MU_TRY(mu_api_property_matches(
            json, mu_arena_format(arena, "%s%s" MU_STR_FMT, names[i], sign, MU_STR_ARG(value)), out,
            err));
    }
    return MU_OK;
}

/* Newest first with "desc:created", else in the order of creation. */
static bool is_newest_first(const mu_http_pairs *query)
{
    mu_str order;
    return mu_http_pairs_find(query, MU_STR("orderBy"), &order) &&
           mu_str_starts_with(order, MU_STR("desc:"));
}

static mu_code add_page(mu_http_request *request, uint32_t n, const mu_document *list,
                        const mu_api_page *page, mu_json *map, mu_err *err)
{
    mu_arena *arena = mu_http_request_arena(request);
    const mu_http_pairs *query = mu_http_request_query(request);
    bool is_backwards = is_newest_first(query);
    int64_t n_wanted = 0;
    for (uint32_t i = 0; i < n && n_wanted < page->start + page->limit; i++) {
        const mu_document *document = &list[is_backwards ? n - 1 - i : i];
        mu_json json;
        bool wanted;
        MU_TRY(mu_json_parse(arena, document->json, &json, err));
        MU_TRY(is_wanted(query, arena, &json, &wanted, err));
        if (wanted && n_wanted++ >= page->start)
            mu_json_set(arena, map, document->id, projected(arena, query, &json));
    }
    return MU_OK;
}

static mu_http_outcome list_datasets(mu_http_request *request, mu_http_response *response,
                                     void *context)
{
    mu_api *api = context;
    mu_api_call *call = mu_api_call_of(request);
    mu_json map = {.kind = MU_JSON_OBJECT};
    mu_api_page page;
    mu_err err;
    uint32_t n;
    const mu_document *list;
    if (!mu_api_page_read(request, response, LIMIT_DEFAULT, LIMIT_MAX, &page))
        return MU_HTTP_DONE;
    if (mu_document_list(api->options.documents, mu_http_request_arena(request), call->place, KIND,
                         &n, &list, &err) != MU_OK ||
        add_page(request, n, list, &page, &map, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    return mu_api_answer(response, 200, &map);
}

/* -------- changing -------- */

static bool is_same_schema(const mu_json *a, const mu_json *b)
{
    const mu_json *x = mu_json_at(a, MU_STR("schemaRef.id"));
    const mu_json *y = mu_json_at(b, MU_STR("schemaRef.id"));
    return x != NULL && y != NULL && y->kind == MU_JSON_STRING &&
           mu_str_equal(x->string, y->string);
}

/* Members of the server's own are as before, whatever the body says. */
static void keep_server_members(const mu_api_call *call, mu_arena *arena, const mu_json *before,
                                const mu_document *document, mu_json *after)
{
    static const char *const names[] = {"imsOrg",      "sandboxId", "created", "createdClient",
                                        "createdUser", "viewId",    "files"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const mu_json *member = mu_json_member(before, mu_str_from(names[i]));
        if (member != NULL)
            mu_json_set(arena, after, mu_str_from(names[i]), *member);
    }
    mu_json_set(arena, after, MU_STR("version"),
                mu_json_of_string(
                    mu_arena_format(arena, "1.0.%llu", (unsigned long long)document->version)));
    mu_json_set(arena, after, MU_STR("updated"), mu_json_of_integer(mu_api_now_ms(call->api)));
    mu_json_set(arena, after, MU_STR("updatedUser"), mu_json_of_string(call->client_id));
    mu_json_unset(arena, after, MU_STR("id"));
}

static mu_code change_dataset(mu_http_request *request, const mu_json *body, mu_str id, mu_err *err)
{
    mu_api_call *call = mu_api_call_of(request);
    mu_arena *arena = mu_http_request_arena(request);
    mu_document document;
    mu_json before;
    MU_TRY(mu_api_document_get(call->api, arena, call->place, KIND, id, &document, &before, err));
    mu_json after = before;
    if (mu_json_is_patch_body(body))
        MU_TRY(mu_json_apply_patch(arena, &after, body, err));
    else
        MU_TRY(mu_json_merge(arena, &after, body, err));
    MU_TRY(check_dataset(&after, err));
    if (!is_same_schema(&before, &after))
        return mu_fail(err, MU_E_INPUT, "the schema of a data set cannot be changed");
    keep_server_members(call, arena, &before, &document, &after);
    return mu_api_call_put(call, arena, call->place, MU_DOCUMENT_REPLACE, KIND, id, &after,
                           document.version, err);
}

/* PATCH, and PUT, whose body clients fill with the members they want to change. */
static mu_http_outcome patch_dataset(mu_http_request *request, mu_http_response *response,
                                     void *context)
{
    mu_api *api = context;
    mu_json body;
    mu_err err;
    mu_str id = mu_http_request_parameter(request, MU_STR("id"));
    if (!mu_api_body(request, response, &body))
        return MU_HTTP_DONE;
    if (body.kind != MU_JSON_OBJECT && body.kind != MU_JSON_ARRAY)
        return mu_api_problem(request, response, 400, MU_STR(""),
                              MU_STR("The body must be an object or a list of operations"));
    pthread_mutex_lock(&api->edit_lock);
    mu_code code = change_dataset(request, &body, id, &err);
    pthread_mutex_unlock(&api->edit_lock);
    return code == MU_OK ? answer_id(request, response, 200, id)
                         : mu_api_fail(request, response, &err);
}

static mu_http_outcome delete_dataset(mu_http_request *request, mu_http_response *response,
                                      void *context)
{
    mu_api_call *call = mu_api_call_of(request);
    mu_err err;
    mu_str id = mu_http_request_parameter(request, MU_STR("id"));
    (void)context;
    if (mu_api_call_remove(call, call->place, KIND, id, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    return answer_id(request, response, 200, id);
}

mu_code mu_api_add_datasets(mu_api *api, mu_http_router *router, mu_err *err)
{
#define BASE "/data/foundation/catalog/"
    static const mu_http_route routes[] = {
        {.method = MU_HTTP_GET, .pattern = BASE "dataSets", .handler = list_datasets},
        {.method = MU_HTTP_POST, .pattern = BASE "dataSets", .handler = post_dataset},
        {.method = MU_HTTP_GET, .pattern = BASE "dataSets/{id}", .handler = get_dataset},
        {.method = MU_HTTP_PATCH, .pattern = BASE "dataSets/{id}", .handler = patch_dataset},
        {.method = MU_HTTP_PUT, .pattern = BASE "dataSets/{id}", .handler = patch_dataset},
        {.method = MU_HTTP_DELETE, .pattern = BASE "dataSets/{id}", .handler = delete_dataset},
        {.method = MU_HTTP_GET, .pattern = BASE "v2/dataSets/{id}", .handler = get_dataset},
        {.method = MU_HTTP_PATCH, .pattern = BASE "v2/dataSets/{id}", .handler = patch_dataset},
    };
    return mu_api_add(api, router, MU_API_CHECKED, routes, sizeof routes / sizeof routes[0], err);
}
