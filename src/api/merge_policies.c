/* merge_policies.c -- /data/core/ups/config/mergePolicies (profile.md c.2, c.3, c.6).
 *
 * The document is the policy without what is known from elsewhere: id, organisation, sandbox and
 * the time of the last change.
 */
#include "api/api_int.h"
#include "profile/policies.h"

#define KIND         MU_MERGE_POLICY_KIND
#define POLICIES_MAX 5u /* of a class in a sandbox: P31 */
#define NAME_BYTES   1024u

typedef struct stored_policy {
    mu_document document;
    mu_json json;
} stored_policy;

static mu_str text_at(const mu_json *json, const char *path)
{
    const mu_json *value = mu_json_at(json, mu_str_from(path));
    return value != NULL && value->kind == MU_JSON_STRING ? value->string : MU_STR("");
}

static bool flag_of(const mu_json *json, const char *name)
{
    return mu_json_truth(mu_json_member(json, mu_str_from(name)), false);
}

static mu_code read_policies(const mu_api *api, mu_arena *arena, mu_str place, uint32_t *n,
                             stored_policy **out, mu_err *err)
{
    const mu_document *list;
    MU_TRY(mu_document_list(api->options.documents, arena, place, KIND, n, &list, err));
    stored_policy *policies = MU_NEW_ARRAY(arena, stored_policy, *n);
    for (uint32_t i = 0; i < *n; i++) {
        policies[i].document = list[i];
        MU_TRY(mu_json_parse(arena, list[i].json, &policies[i].json, err));
    }
    *out = policies;
    return MU_OK;
}

/* -------- a fresh sandbox's -------- */

static mu_json default_policy(mu_arena *arena)
{
    const mu_str pdg = MU_STR("pdg"), ordered = MU_STR("timestampOrdered");
    return MU_JSON_OBJECT_OF(
        arena, {MU_STR("name"), mu_json_of_string(MU_STR("Default Timebased"))},
        {MU_STR("schema"),
         MU_JSON_OBJECT_OF(arena,
                           {MU_STR("name"), mu_json_of_string(MU_STR("_xdm.context.profile"))})},
        {MU_STR("version"), mu_json_of_integer(1)},
        {MU_STR("identityGraph"),
         MU_JSON_OBJECT_OF(arena, {MU_STR("type"), mu_json_of_string(pdg)})},
        {MU_STR("attributeMerge"),
         MU_JSON_OBJECT_OF(arena, {MU_STR("type"), mu_json_of_string(ordered)})},
        {MU_STR("isActiveOnEdge"), mu_json_of_boolean(true)},
        {MU_STR("default"), mu_json_of_boolean(true)});
}

mu_code mu_api_add_default_policy(mu_api *api, const mu_api_sandbox *sandbox, mu_err *err)
{
    mu_arena arena;
    uint32_t n;
    const mu_document *list;
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code =
        mu_document_list(api->options.documents, &arena, sandbox->store_name, KIND, &n, &list, err);
    if (code == MU_OK && n == 0) {
        mu_json json = default_policy(&arena);
        code = mu_api_document_put(api, &arena, sandbox->store_name, MU_DOCUMENT_ADD, KIND,
                                   mu_api_uuid(&arena), &json, 0, err);
    }
    mu_arena_free(&arena);
    return code;
}

/* -------- for those who merge -------- */

mu_code mu_api_merge_policy(mu_api *api, mu_arena *arena, mu_str place, mu_str id,
                            mu_merge_policy *out, mu_err *err)
{
    mu_stored_policy found;
    MU_TRY(
        mu_stored_policy_find(api->options.documents, arena, place, id, MU_STR(""), &found, err));
    *out = found.policy;
    return MU_OK;
}

/* -------- as the API shows it -------- */

static mu_json shown(mu_arena *arena, const mu_api_call *call, const stored_policy *policy)
{
    mu_json out = MU_JSON_OBJECT_OF(arena, {MU_STR("id"), mu_json_of_string(policy->document.id)},
                                    {MU_STR("imsOrgId"), mu_json_of_string(call->organization)},
                                    {MU_STR("sandbox"), mu_api_sandbox_json(arena, call->sandbox)});
    for (uint32_t i = 0; i < policy->json.n; i++)
        mu_json_set(arena, &out, policy->json.names[i], policy->json.items[i]);
    mu_json_set(arena, &out, MU_STR("updateEpoch"),
                mu_json_of_integer(policy->document.updated_ms / 1000));
    return out;
}

static mu_http_outcome show_one(mu_http_request *request, mu_http_response *response, mu_str id)
{
    mu_api_call *call = mu_api_call_of(request);
    mu_arena *arena = mu_http_request_arena(request);
    stored_policy policy;
    mu_err err;
    if (mu_api_document_get(call->api, arena, call->place, KIND, id, &policy.document, &policy.json,
                            &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    mu_json json = shown(arena, call, &policy);
    return mu_api_answer(response, 200, &json);
}

static mu_http_outcome get_policy(mu_http_request *request, mu_http_response *response,
                                  void *context)
{
    (void)context;
    return show_one(request, response, mu_http_request_parameter(request, MU_STR("id")));
}

/* -------- the list -------- */

static bool is_wanted(const mu_http_pairs *query, const mu_json *json)
{
    static const char *const texts[] = {"schema.name", "identityGraph.type", "attributeMerge.type"};
    static const char *const flags[] = {"default", "isActiveOnEdge"};
    mu_str value;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (mu_http_pairs_find(query, mu_str_from(texts[i]), &value) &&
            !mu_str_equal(text_at(json, texts[i]), value))
            return false;
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        bool wanted;
        if (mu_http_pairs_find(query, mu_str_from(flags[i]), &value) &&
            (mu_http_pairs_boolean(query, mu_str_from(flags[i]), false, &wanted, NULL) != MU_OK ||
             wanted != flag_of(json, flags[i])))
            return false;
    }
    int64_t version;
    const mu_json *own = mu_json_member(json, MU_STR("version"));
    return mu_http_pairs_integer(query, MU_STR("version"), -1, &version, NULL) == MU_OK &&
           (version < 0 ||
            (own != NULL && own->kind == MU_JSON_INTEGER && own->integer == version));
}

/* +1, -1 or 0 for no order: "name", "+name" (a blank, once decoded), "-name". */
static int direction_of(const mu_http_pairs *query)
{
    mu_str order;
    if (!mu_http_pairs_find(query, MU_STR("orderBy"), &order))
        return 0;
    order = mu_str_trim(order);
    if (mu_str_equal(order, MU_STR("-name")))
        return -1;
    return mu_str_equal(order, MU_STR("name")) || mu_str_equal(order, MU_STR("+name")) ? 1 : 0;
}

/* Insertion sort: there are a handful. */
static void sort_by_name(stored_policy *policies, uint32_t n, int direction)
{
    for (uint32_t i = 1; i < n; i++) {
        stored_policy moved = policies[i];
        uint32_t k = i;
        for (; k > 0 && direction * mu_str_compare(text_at(&policies[k - 1].json, "name"),
                                                   text_at(&moved.json, "name")) >
                            0;
             k--)
            policies[k] = policies[k - 1];
        policies[k] = moved;
    }
}

static mu_json page_of(mu_http_request *request, uint32_t n_all, uint32_t n_shown,
                       const mu_api_page *page, const stored_policy *shown_ones)
{
    mu_arena *arena = mu_http_request_arena(request);
    mu_api_call *call = mu_api_call_of(request);
    mu_json *children = MU_NEW_ARRAY(arena, mu_json, n_shown);
    for (uint32_t i = 0; i < n_shown; i++)
        children[i] = shown(arena, call, &shown_ones[i]);
    mu_str next = MU_STR(""), href = MU_STR("");
    if (page->start + n_shown < n_all && n_shown > 0) {
        mu_str query = mu_api_query_with(request, MU_STR("start"), page->start + n_shown);
        next = mu_arena_format(arena, "%lld", (long long)(page->start + n_shown));
        href = mu_arena_format(arena, "/data/core/ups/config/mergePolicies?" MU_STR_FMT,
                               MU_STR_ARG(query));
    }
    return MU_JSON_OBJECT_OF(
        arena,
        {MU_STR("_page"),
         MU_JSON_OBJECT_OF(arena, {MU_STR("totalCount"), mu_json_of_integer(n_all)},
                           {MU_STR("pageSize"), mu_json_of_integer(n_shown)},
                           {MU_STR("count"), mu_json_of_integer(n_shown)},
                           {MU_STR("next"), mu_json_of_string(next)})},
        {MU_STR("children"), (mu_json){.kind = MU_JSON_ARRAY, .n = n_shown, .items = children}},
        {MU_STR("_links"),
         MU_JSON_OBJECT_OF(arena,
                           {MU_STR("next"),
                            MU_JSON_OBJECT_OF(arena, {MU_STR("href"), mu_json_of_string(href)})})});
}

static mu_http_outcome list_policies(mu_http_request *request, mu_http_response *response,
                                     void *context)
{
    mu_api *api = context;
    mu_api_call *call = mu_api_call_of(request);
    const mu_http_pairs *query = mu_http_request_query(request);
    mu_api_page page;
    mu_err err;
    uint32_t n, n_wanted = 0;
    stored_policy *policies;
    if (!mu_api_page_read(request, response, 20, 1000, &page))
        return MU_HTTP_DONE;
    if (read_policies(api, mu_http_request_arena(request), call->place, &n, &policies, &err) !=
        MU_OK)
        return mu_api_fail(request, response, &err);
    for (uint32_t i = 0; i < n; i++)
        if (is_wanted(query, &policies[i].json))
            policies[n_wanted++] = policies[i];
    if (direction_of(query) != 0)
        sort_by_name(policies, n_wanted, direction_of(query));
    uint32_t first = page.start < n_wanted ? (uint32_t)page.start : n_wanted;
    uint32_t n_shown = n_wanted - first;
    n_shown = n_shown > page.limit ? (uint32_t)page.limit : n_shown;
    mu_json json = page_of(request, n_wanted, n_shown, &page, policies + first);
    return mu_api_answer(response, 200, &json);
}

/* -------- what a policy must be -------- */

static bool is_one_of(mu_str text, const char *a, const char *b)
{
    return mu_str_equal(text, mu_str_from(a)) || mu_str_equal(text, mu_str_from(b));
}

static mu_code check_order(const mu_json *json, mu_err *err)
{
    const mu_json *order = mu_json_at(json, MU_STR("attributeMerge.order"));
    if (!mu_str_equal(text_at(json, "attributeMerge.type"), MU_STR("dataSetPrecedence")))
        return MU_OK;
    if (order == NULL || order->kind != MU_JSON_ARRAY || order->n == 0)
        return mu_fail(err, MU_E_INPUT,
                       "attributeMerge.order must list data sets for dataSetPrecedence");
    for (uint32_t i = 0; i < order->n; i++)
        if (order->items[i].kind != MU_JSON_STRING || order->items[i].string.len == 0)
            return mu_fail(err, MU_E_INPUT, "attributeMerge.order must hold ids of data sets");
    return MU_OK;
}

static mu_code check_policy(const mu_json *json, mu_err *err)
{
    if (text_at(json, "schema.name").len == 0)
        return mu_fail(err, MU_E_INPUT, "schema.name is missing");
    if (text_at(json, "name").len == 0 || text_at(json, "name").len > NAME_BYTES)
        return mu_fail(err, MU_E_INPUT, "name must be a text of 1 to %u bytes", NAME_BYTES);
    if (!is_one_of(text_at(json, "identityGraph.type"), "none", "pdg"))
        return mu_fail(err, MU_E_INPUT, "identityGraph.type must be none or pdg");
    if (!is_one_of(text_at(json, "attributeMerge.type"), "timestampOrdered", "dataSetPrecedence"))
        return mu_fail(err, MU_E_INPUT,
                       "attributeMerge.type must be timestampOrdered or dataSetPrecedence");
    return check_order(json, err);
}

/* The old form attributeMerge.data.order, a missing name, flags given as texts; what the server
 * says itself is not kept. */
static void normalize(mu_arena *arena, mu_json *json)
{
    static const char *const own[] = {"id", "imsOrgId", "sandbox", "updateEpoch"};
    static const char *const flags[] = {"isActiveOnEdge", "default"};
    const mu_json *old = mu_json_at(json, MU_STR("attributeMerge.data.order"));
    const mu_json *merge = mu_json_get(json, MU_STR("attributeMerge"));
    if (old != NULL) {
        mu_json changed = *merge;
        mu_json_set(arena, &changed, MU_STR("order"), *old);
        mu_json_unset(arena, &changed, MU_STR("data"));
        mu_json_set(arena, json, MU_STR("attributeMerge"), changed);
    }
    if (mu_json_get(json, MU_STR("name")) == NULL)
        mu_json_set(arena, json, MU_STR("name"), mu_json_of_string(MU_STR("Merge policy")));
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        mu_json_set(arena, json, mu_str_from(flags[i]),
                    mu_json_of_boolean(flag_of(json, flags[i])));
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        mu_json_unset(arena, json, mu_str_from(own[i]));
}

/* -------- writing -------- */

/* What one call changes: the policy itself and those that lose a flag to it. */
typedef struct policy_change {
    mu_arena *arena;
    const mu_author *author;
    uint32_t n;
    mu_document_edit edits[POLICIES_MAX * 4 + 1];
} policy_change;

static mu_code add_edit(policy_change *change, mu_document_action action, mu_str id,
                        const mu_json *json, uint64_t version_before, mu_err *err)
{
    mu_document_edit edit = {.action = action,
                             .kind = KIND,
                             .id = id,
                             .version_before = version_before,
                             .author = change->author};
    MU_TRY(mu_json_text(change->arena, json, &edit.json, err));
    if (change->n == sizeof change->edits / sizeof change->edits[0])
        return mu_fail(err, MU_E_LIMIT, "too many merge policies would change");
    change->edits[change->n++] = edit;
    return MU_OK;
}

/* c.3: one default a class; one policy active on the edge (P29). */
static mu_code clear_flags(policy_change *change, uint32_t n, stored_policy *policies, mu_str id,
                           const mu_json *json, mu_err *err)
{
    for (uint32_t i = 0; i < n; i++) {
        stored_policy *other = &policies[i];
        bool same_class =
            mu_str_equal(text_at(&other->json, "schema.name"), text_at(json, "schema.name"));
        bool loses_default =
            same_class && flag_of(json, "default") && flag_of(&other->json, "default");
        bool loses_edge =
            flag_of(json, "isActiveOnEdge") && flag_of(&other->json, "isActiveOnEdge");
        if (mu_str_equal(other->document.id, id) || (!loses_default && !loses_edge))
            continue;
        if (loses_default)
            mu_json_set(change->arena, &other->json, MU_STR("default"), mu_json_of_boolean(false));
        if (loses_edge)
            mu_json_set(change->arena, &other->json, MU_STR("isActiveOnEdge"),
                        mu_json_of_boolean(false));
        MU_TRY(add_edit(change, MU_DOCUMENT_REPLACE, other->document.id, &other->json,
                        other->document.version, err));
    }
    return MU_OK;
}

static mu_code check_count(uint32_t n, const stored_policy *policies, const mu_json *json,
                           mu_err *err)
{
    uint32_t n_of_class = 0;
    for (uint32_t i = 0; i < n; i++)
        n_of_class +=
            mu_str_equal(text_at(&policies[i].json, "schema.name"), text_at(json, "schema.name"));
    return n_of_class < POLICIES_MAX
               ? MU_OK
               : mu_fail(err, MU_E_INPUT,
                         "there are %u merge policies of this class already, which is the most",
                         n_of_class);
}

/* Stores a policy. `before` is NULL for a new one. Needs the edit lock. */
static mu_code store(const mu_api_call *call, mu_arena *arena, mu_str id, mu_json *json,
                     const stored_policy *before, mu_err *err)
{
    policy_change change = {.arena = arena, .author = &call->author};
    uint32_t n;
    stored_policy *policies;
    normalize(arena, json);
    MU_TRY(check_policy(json, err));
    MU_TRY(read_policies(call->api, arena, call->place, &n, &policies, err));
    if (before == NULL)
        MU_TRY(check_count(n, policies, json, err));
    mu_json_set(arena, json, MU_STR("version"),
                mu_json_of_integer(before == NULL ? 1 : (int64_t)before->document.version + 1));
    MU_TRY(clear_flags(&change, n, policies, id, json, err));
    MU_TRY(add_edit(&change, before == NULL ? MU_DOCUMENT_ADD : MU_DOCUMENT_REPLACE, id, json,
                    before == NULL ? 0 : before->document.version, err));
    return mu_document_edit_all(call->api->options.documents, call->place, mu_api_now_ms(call->api),
                                change.n, change.edits, err);
}

static mu_http_outcome post_policy(mu_http_request *request, mu_http_response *response,
                                   void *context)
{
    mu_api *api = context;
    mu_arena *arena = mu_http_request_arena(request);
    mu_json body;
    mu_err err;
    if (!mu_api_body_object(request, response, &body))
        return MU_HTTP_DONE;
    mu_str id = mu_api_uuid(arena);
    pthread_mutex_lock(&api->edit_lock);
    mu_code code = store(mu_api_call_of(request), arena, id, &body, NULL, &err);
    pthread_mutex_unlock(&api->edit_lock);
    return code == MU_OK ? show_one(request, response, id) : mu_api_fail(request, response, &err);
}

static mu_code change_policy(mu_http_request *request, const mu_json *body, bool is_patch,
                             mu_str id, mu_err *err)
{
    mu_api_call *call = mu_api_call_of(request);
    mu_arena *arena = mu_http_request_arena(request);
    stored_policy before;
    MU_TRY(mu_api_document_get(call->api, arena, call->place, KIND, id, &before.document,
                               &before.json, err));
    mu_json after = is_patch ? before.json : *body;
    if (is_patch && mu_json_is_patch_body(body))
        MU_TRY(mu_json_apply_patch(arena, &after, body, err));
    else if (is_patch)
        MU_TRY(mu_json_merge(arena, &after, body, err));
    return store(call, arena, id, &after, &before, err);
}

static mu_http_outcome change_and_show(mu_http_request *request, mu_http_response *response,
                                       mu_api *api, bool is_patch)
{
    mu_json body;
    mu_err err;
    mu_str id = mu_http_request_parameter(request, MU_STR("id"));
    if (!mu_api_body(request, response, &body))
        return MU_HTTP_DONE;
    if (!is_patch && body.kind != MU_JSON_OBJECT)
        return mu_api_problem(request, response, 400, MU_STR(""),
                              MU_STR("The body must be a JSON object"));
    pthread_mutex_lock(&api->edit_lock);
    mu_code code = change_policy(request, &body, is_patch, id, &err);
    pthread_mutex_unlock(&api->edit_lock);
    return code == MU_OK ? show_one(request, response, id) : mu_api_fail(request, response, &err);
}

static mu_http_outcome put_policy(mu_http_request *request, mu_http_response *response,
                                  void *context)
{
    return change_and_show(request, response, context, false);
}

static mu_http_outcome patch_policy(mu_http_request *request, mu_http_response *response,
                                    void *context)
{
    return change_and_show(request, response, context, true);
}

static mu_code remove_policy(const mu_api_call *call, mu_arena *arena, mu_str id, mu_err *err)
{
    stored_policy policy;
    MU_TRY(mu_api_document_get(call->api, arena, call->place, KIND, id, &policy.document,
                               &policy.json, err));
    if (flag_of(&policy.json, "default"))
        return mu_fail(err, MU_E_INPUT, "the default merge policy cannot be deleted");
    if (flag_of(&policy.json, "isActiveOnEdge"))
        return mu_fail(err, MU_E_INPUT,
                       "a merge policy that is active on the edge cannot be deleted");
    return mu_api_call_remove(call, call->place, KIND, id, err);
}

static mu_http_outcome delete_policy(mu_http_request *request, mu_http_response *response,
                                     void *context)
{
    mu_api *api = context;
    mu_err err;
    pthread_mutex_lock(&api->edit_lock);
    mu_code code = remove_policy(mu_api_call_of(request), mu_http_request_arena(request),
                                 mu_http_request_parameter(request, MU_STR("id")), &err);
    pthread_mutex_unlock(&api->edit_lock);
    if (code != MU_OK)
        return mu_api_fail(request, response, &err);
    mu_http_response_status(response, 200);
    return MU_HTTP_DONE;
}

static mu_http_outcome bulk_get(mu_http_request *request, mu_http_response *response, void *context)
{
    mu_api *api = context;
    mu_api_call *call = mu_api_call_of(request);
    mu_arena *arena = mu_http_request_arena(request);
    mu_json body, results = {.kind = MU_JSON_OBJECT};
    mu_err err;
    if (!mu_api_body_object(request, response, &body))
        return MU_HTTP_DONE;
    const mu_json *ids = mu_json_get(&body, MU_STR("ids"));
    if (ids == NULL || ids->kind != MU_JSON_ARRAY)
        return mu_api_problem(request, response, 400, MU_STR(""),
                              MU_STR("ids must be a list of objects with an id"));
    for (uint32_t i = 0; i < ids->n; i++) {
        stored_policy policy;
        mu_str id = mu_json_member_string(&ids->items[i], MU_STR("id"), MU_STR(""));
        mu_code code = mu_api_document_get(api, arena, call->place, KIND, id, &policy.document,
                                           &policy.json, &err);
        if (code == MU_OK)
            mu_json_set(arena, &results, id, shown(arena, call, &policy));
        else if (code != MU_E_NOT_FOUND)
            return mu_api_fail(request, response, &err);
    }
    mu_json json = MU_JSON_OBJECT_OF(arena, {MU_STR("results"), results});
    return mu_api_answer(response, 207, &json);
}

mu_code mu_api_add_merge_policies(mu_api *api, mu_http_router *router, mu_err *err)
{
#define BASE "/data/core/ups/config/mergePolicies"
    static const mu_http_route routes[] = {
        {.method = MU_HTTP_GET, .pattern = BASE, .handler = list_policies},
        {.method = MU_HTTP_POST, .pattern = BASE, .handler = post_policy},
        {.method = MU_HTTP_POST, .pattern = BASE "/bulk-get", .handler = bulk_get},
        {.method = MU_HTTP_GET, .pattern = BASE "/{id}", .handler = get_policy},
        {.method = MU_HTTP_PUT, .pattern = BASE "/{id}", .handler = put_policy},
        {.method = MU_HTTP_PATCH, .pattern = BASE "/{id}", .handler = patch_policy},
        {.method = MU_HTTP_DELETE, .pattern = BASE "/{id}", .handler = delete_policy},
    };
    return mu_api_add(api, router, MU_API_CHECKED, routes, sizeof routes / sizeof routes[0], err);
}
