/* external_audiences.c -- /data/core/ais: external audiences made, changed, extended, deleted
 * (api.md 9). What takes time is done by audience/external.c.
 */
#include "api/external_int.h"

#include "base/time.h"

/* -------- one request -------- */

bool mu_external_begin(mu_http_request *request, mu_http_response *response, mu_workspace **out)
{
    mu_api_call *call = mu_api_call_of(request);
    const mu_str message = MU_STR("The organization is not enabled for external audiences");
    if (call->api->options.settings.external_audiences)
        return mu_api_workspace(request, response, out);
    const mu_http_ups_error error = {.status = 403,
                                     .code = MU_STR("UPAPI-113740-403"),
                                     .inner_is_status = true,
                                     .messages = &message,
                                     .n_messages = 1};
    (void)mu_api_refuse(request, response, &error);
    return false;
}

mu_http_outcome mu_external_no_such(mu_http_request *request, mu_http_response *response,
                                    const char *what)
{
    return mu_api_problem_format(request, response, 404, MU_STR(""), "There is no such %s", what);
}

static mu_http_outcome unprocessable(mu_http_request *request, mu_http_response *response,
                                     const char *what)
{
    return mu_api_problem(request, response, 422, MU_STR(""), mu_str_from(what));
}

mu_json mu_external_shown(mu_arena *arena, const mu_json *json)
{
    mu_json out = {.kind = MU_JSON_OBJECT};
    for (uint32_t i = 0; i < json->n; i++)
        if (!mu_str_starts_with(json->names[i], MU_STR("$")))
            mu_json_set(arena, &out, json->names[i], json->items[i]);
    return out;
}

static mu_code copy_item(mu_arena *arena, const mu_shelf_item *item, mu_document *document,
                         mu_json *json, mu_err *err)
{
    *document = item->document;
    document->id = mu_arena_copy(arena, item->document.id);
    document->json = mu_arena_copy(arena, item->document.json);
    return mu_json_parse(arena, document->json, json, err);
}

static mu_code find_audience(mu_workspace *workspace, mu_arena *arena, mu_str id,
                             mu_external_target *out, mu_err *err)
{
    const mu_audience_book *book;
    MU_TRY(mu_audience_book_acquire(workspace->books, &book, err));
    const mu_audience *found = mu_audience_find(book, id);
    if (found == NULL)
        found = mu_audience_find_external(book, MU_STR(""), id);
    mu_code code = found != NULL && found->is_external
                       ? copy_item(arena, found->item, &out->document, &out->json, err)
                       : mu_fail(err, MU_E_NOT_FOUND, "there is no such audience");
    mu_audience_book_release(book);
    return code;
}

mu_code mu_external_find(mu_workspace *workspace, mu_arena *arena, mu_str id,
                         mu_external_target *out, mu_err *err)
{
    const mu_shelf *shelf;
    mu_external_target target = {.request = {.kind = MU_JSON_OBJECT}};
    MU_TRY(find_audience(workspace, arena, id, &target, err));
    target.id = target.document.id;
    target.name = mu_json_member_string(&target.json, MU_STR("name"), MU_STR(""));
    MU_TRY(mu_shelf_acquire(workspace->shelves, MU_EXTERNAL_AUDIENCE_KIND, &shelf, err));
    const mu_shelf_item *item = mu_shelf_find(shelf, target.id);
    mu_code code = MU_OK;
    target.has_source = item != NULL;
    if (item != NULL)
        code = copy_item(arena, item, &target.external, &target.external_json, err);
    mu_shelf_release(shelf);
    MU_TRY(code);
    if (target.has_source && mu_json_get(&target.external_json, MU_STR("request")) != NULL)
        target.request = *mu_json_get(&target.external_json, MU_STR("request"));
    *out = target;
    return MU_OK;
}

/* -------- creating -------- */

static mu_str text_of(const mu_json *json, const char *name)
{
    return mu_json_member_string(json, mu_str_from(name), MU_STR(""));
}

/* An audience, or one that is being made. */
static mu_code is_taken(mu_workspace *workspace, const mu_json *wanted, bool *out, mu_err *err)
{
    const mu_audience_book *book;
    const mu_shelf *shelf;
    mu_str id = text_of(wanted, "customAudienceId"), code = text_of(wanted, "namespace");
    *out = false;
    if (id.len == 0)
        return MU_OK;
    MU_TRY(mu_audience_book_acquire(workspace->books, &book, err));
    *out = mu_audience_find_external(book, code, id) != NULL;
    mu_audience_book_release(book);
    MU_TRY(mu_shelf_acquire(workspace->shelves, MU_EXTERNAL_OPERATION_KIND, &shelf, err));
    for (uint32_t i = 0; i < shelf->n; i++) {
        const mu_json *json = &shelf->items[i]->json;
        const mu_json *other = mu_json_get(json, MU_STR("operationDetails"));
        *out = *out || (mu_str_equal(text_of(json, "status"), MU_STR("PROCESSING")) &&
                        mu_str_equal(text_of(other, "customAudienceId"), id) &&
                        mu_str_equal(text_of(other, "namespace"), code));
    }
    mu_shelf_release(shelf);
    return MU_OK;
}

static mu_code check_count(const mu_api *api, mu_workspace *workspace, mu_err *err)
{
    const mu_audience_book *book;
    int64_t most = api->options.settings.audiences_max;
    MU_TRY(mu_audience_book_acquire(workspace->books, &book, err));
    uint32_t n = book->n;
    mu_audience_book_release(book);
    return most == 0 || n < most
               ? MU_OK
               : mu_fail(err, MU_E_LIMIT, "the sandbox has %u audiences, which is the most", n);
}

static mu_code check_new(const mu_api *api, mu_workspace *workspace, const mu_json *wanted,
                         mu_err *err)
{
    bool taken;
    MU_TRY(is_taken(workspace, wanted, &taken, err));
    if (taken)
        return mu_fail(err, MU_E_CONFLICT,
                       "There is an audience " MU_STR_FMT " in its namespace already",
                       MU_STR_ARG(text_of(wanted, "customAudienceId")));
    return check_count(api, workspace, err);
}

static mu_json operation_json(const mu_api_call *call, mu_arena *arena, mu_str id,
                              const mu_json *details, mu_str dataset)
{
    mu_json now = mu_json_of_integer(mu_api_now_ms(call->api) / 1000);
    mu_json user = mu_json_of_string(call->author.user);
    return MU_JSON_OBJECT_OF(arena, {MU_STR("operationId"), mu_json_of_string(id)},
                             {MU_STR("status"), mu_json_of_string(MU_STR("PROCESSING"))},
                             {MU_STR("operationDetails"), *details},
                             {MU_STR("audienceName"), *mu_json_get(details, MU_STR("name"))},
                             {MU_STR("createdBy"), user}, {MU_STR("createdAt"), now},
                             {MU_STR("updatedBy"), user}, {MU_STR("updatedAt"), now},
                             {MU_STR("$audienceId"), mu_json_of_string(mu_api_uuid(arena))},
                             {MU_STR("$datasetId"), mu_json_of_string(dataset)},
                             {MU_STR("$requestId"), mu_json_of_string(call->author.request_id)});
}

static mu_code edit_one(const mu_api_call *call, mu_workspace *workspace, mu_arena *arena,
                        mu_document_action action, mu_str kind, mu_str id, const mu_json *json,
                        mu_err *err)
{
    mu_document_edit edit = {.action = action, .kind = kind, .id = id, .author = &call->author};
    MU_TRY(mu_json_text(arena, json, &edit.json, err));
    return mu_shelves_edit(workspace->shelves, mu_api_now_ms(call->api), 1, &edit, err);
}

/* Needs the lock of the externals. */
static mu_code start_operation(const mu_api_call *call, mu_workspace *workspace, mu_arena *arena,
                               const mu_json *details, mu_str *id, mu_err *err)
{
    mu_str dataset;
    MU_TRY(check_new(call->api, workspace, details, err));
    MU_TRY(mu_api_dataset_add(call, arena, text_of(details, "name"), &dataset, err));
    *id = mu_api_uuid(arena);
    mu_json operation = operation_json(call, arena, *id, details, dataset);
    return edit_one(call, workspace, arena, MU_DOCUMENT_ADD, MU_EXTERNAL_OPERATION_KIND, *id,
                    &operation, err);
}

/* MU_E_CONFLICT, and what is not possible now. */
static mu_http_outcome refuse_new(mu_http_request *request, mu_http_response *response,
                                  const mu_err *err)
{
    return err->code == MU_E_LIMIT ? unprocessable(request, response, err->text)
                                   : mu_api_fail(request, response, err);
}

static mu_http_outcome post_audience(mu_http_request *request, mu_http_response *response,
                                     void *context)
{
    mu_api *api = context;
    mu_api_call *call = mu_api_call_of(request);
    mu_arena *arena = mu_http_request_arena(request);
    mu_workspace *workspace;
    mu_json body, details;
    mu_str id;
    mu_err err;
    if (!mu_external_begin(request, response, &workspace) ||
        !mu_api_body_object(request, response, &body))
        return MU_HTTP_DONE;
    if (mu_api_sync_namespaces(api, call->sandbox, arena, &err) != MU_OK ||
        mu_external_read_create(call, arena, &body, &details, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    mu_externals_lock(api->externals);
    mu_code code = start_operation(call, workspace, arena, &details, &id, &err);
    mu_externals_unlock(api->externals);
    if (code != MU_OK)
        return refuse_new(request, response, &err);
    mu_externals_wake(api->externals);
    mu_json json = MU_JSON_OBJECT_OF(arena, {MU_STR("operationId"), mu_json_of_string(id)},
                                     {MU_STR("operationDetails"), details});
    return mu_api_answer(response, 202, &json);
}

static mu_http_outcome get_operation(mu_http_request *request, mu_http_response *response,
                                     void *context)
{
    mu_arena *arena = mu_http_request_arena(request);
    mu_workspace *workspace;
    const mu_shelf *shelf;
    mu_err err;
    (void)context;
    if (!mu_external_begin(request, response, &workspace))
        return MU_HTTP_DONE;
    if (mu_shelf_acquire(workspace->shelves, MU_EXTERNAL_OPERATION_KIND, &shelf, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    const mu_shelf_item *item =
        mu_shelf_find(shelf, mu_http_request_parameter(request, MU_STR("operation")));
    if (item == NULL) {
        mu_shelf_release(shelf);
        return mu_external_no_such(request, response, "operation");
    }
    mu_json json = mu_external_shown(arena, &item->json);
    mu_http_outcome outcome = mu_api_answer(response, 200, &json);
    mu_shelf_release(shelf);
    return outcome;
}

/* -------- metadata only -------- */

static mu_code make_metadata(const mu_api_call *call, mu_workspace *workspace, mu_arena *arena,
                             const mu_json *details, mu_str *id, mu_err *err)
{
    MU_TRY(check_new(call->api, workspace, details, err));
    *id = mu_api_uuid(arena);
    mu_json audience = mu_external_audience_json(arena, *id, details, call->author.user, MU_STR(""),
                                                 mu_api_now_ms(call->api));
    return edit_one(call, workspace, arena, MU_DOCUMENT_ADD, MU_AUDIENCE_KIND, *id, &audience, err);
}

static mu_http_outcome post_metadata(mu_http_request *request, mu_http_response *response,
                                     void *context)
{
    mu_api *api = context;
    mu_api_call *call = mu_api_call_of(request);
    mu_arena *arena = mu_http_request_arena(request);
    mu_workspace *workspace;
    mu_json body, details;
    mu_str id;
    mu_err err;
    bool is_metadata;
    if (!mu_external_begin(request, response, &workspace))
        return MU_HTTP_DONE;
    if (mu_http_pairs_boolean(mu_http_request_query(request), MU_STR("createAudienceMetaOnly"),
                              false, &is_metadata, &err) != MU_OK ||
        !is_metadata)
        return mu_api_problem(request, response, 400, MU_STR(""),
                              MU_STR("The parameter createAudienceMetaOnly must be true"));
    if (!mu_api_body_object(request, response, &body))
        return MU_HTTP_DONE;
    if (mu_external_read_metadata(arena, &body, &details, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    mu_externals_lock(api->externals);
    mu_audience_books_lock(workspace->books);
    mu_code code = make_metadata(call, workspace, arena, &details, &id, &err);
    mu_audience_books_unlock(workspace->books);
    mu_externals_unlock(api->externals);
    if (code != MU_OK)
        return refuse_new(request, response, &err);
    mu_json json = MU_JSON_OBJECT_OF(
        arena, {MU_STR("id"), mu_json_of_string(id)},
        {MU_STR("name"), *mu_json_get(&details, MU_STR("name"))},
        {MU_STR("audienceId"), *mu_json_get(&details, MU_STR("customAudienceId"))});
    return mu_api_answer(response, 200, &json);
}

/* -------- one audience -------- */

static void show_member(mu_arena *arena, mu_json *out, const char *as, const mu_json *from,
                        const char *name)
{
    const mu_json *value = mu_json_get(from, mu_str_from(name));
    if (value != NULL)
        mu_json_set(arena, out, mu_str_from(as), *value);
}

static mu_json shown_audience(mu_arena *arena, const mu_external_target *target)
{
    static const char *const own[] = {"name", "description", "labels", "ttlInDays", "originName"};
    static const char *const asked[] = {"fields", "sourceSpec", "audienceType"};
    static const char *const made[] = {"createdBy", "createdAt", "updatedBy", "updatedAt"};
    mu_json out = MU_JSON_OBJECT_OF(arena, {MU_STR("audienceId"), mu_json_of_string(target->id)},
                                    {MU_STR("audienceName"), mu_json_of_string(target->name)});
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        show_member(arena, &out, own[i], &target->json, own[i]);
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++)
        show_member(arena, &out, asked[i], &target->request, asked[i]);
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++)
        show_member(arena, &out, made[i], &target->external_json, made[i]);
    if (!target->has_source) {
        show_member(arena, &out, "createdBy", &target->json, "createdBy");
        show_member(arena, &out, "createdAt", &target->json, "createEpoch");
        show_member(arena, &out, "updatedBy", &target->json, "lastModifiedBy");
        show_member(arena, &out, "updatedAt", &target->json, "updateEpoch");
    }
    return out;
}

static void touch(const mu_api_call *call, mu_arena *arena, mu_external_target *target)
{
    int64_t now_ms = mu_api_now_ms(call->api);
    mu_json user = mu_json_of_string(call->author.user);
    mu_json_set(arena, &target->json, MU_STR("updateTime"), mu_json_of_integer(now_ms));
    mu_json_set(arena, &target->json, MU_STR("updateEpoch"), mu_json_of_integer(now_ms / 1000));
    mu_json_set(arena, &target->json, MU_STR("lastModifiedBy"), user);
    mu_json_set(arena, &target->external_json, MU_STR("updatedBy"), user);
    mu_json_set(arena, &target->external_json, MU_STR("updatedAt"),
                mu_json_of_integer(now_ms / 1000));
}

/* Both documents, in one transaction. */
static mu_code target_edits(const mu_api_call *call, mu_arena *arena,
                            const mu_external_target *target, uint32_t *n, mu_document_edit *edits,
                            mu_err *err)
{
    edits[0] = (mu_document_edit){.action = MU_DOCUMENT_REPLACE,
                                  .kind = MU_AUDIENCE_KIND,
                                  .id = target->id,
                                  .version_before = target->document.version,
                                  .author = &call->author};
    edits[1] = (mu_document_edit){.action = MU_DOCUMENT_REPLACE,
                                  .kind = MU_EXTERNAL_AUDIENCE_KIND,
                                  .id = target->id,
                                  .version_before = target->external.version,
                                  .author = &call->author};
    MU_TRY(mu_json_text(arena, &target->json, &edits[0].json, err));
    *n = target->has_source ? 2 : 1;
    return target->has_source ? mu_json_text(arena, &target->external_json, &edits[1].json, err)
                              : MU_OK;
}

/* Needs the lock of the externals. */
static mu_code patch(const mu_api_call *call, mu_workspace *workspace, mu_arena *arena, mu_str id,
                     const mu_json *body, mu_external_target *target, mu_err *err)
{
    static const char *const both[] = {"description", "labels", "ttlInDays"};
    mu_document_edit edits[2];
    uint32_t n;
    MU_TRY(mu_external_find(workspace, arena, id, target, err));
    MU_TRY(mu_external_read_patch(arena, body, &target->request, err));
    for (size_t i = 0; i < sizeof both / sizeof both[0]; i++)
        if (mu_json_get(body, mu_str_from(both[i])) != NULL)
            show_member(arena, &target->json, both[i], &target->request, both[i]);
    mu_json_set(arena, &target->external_json, MU_STR("request"), target->request);
    touch(call, arena, target);
    MU_TRY(target_edits(call, arena, target, &n, edits, err));
    return mu_shelves_edit(workspace->shelves, mu_api_now_ms(call->api), n, edits, err);
}

static mu_http_outcome patch_audience(mu_http_request *request, mu_http_response *response,
                                      void *context)
{
    mu_api *api = context;
    mu_arena *arena = mu_http_request_arena(request);
    mu_workspace *workspace;
    mu_json body;
    mu_external_target target;
    mu_err err;
    if (!mu_external_begin(request, response, &workspace) ||
        !mu_api_body_object(request, response, &body))
        return MU_HTTP_DONE;
    mu_externals_lock(api->externals);
    mu_code code = patch(mu_api_call_of(request), workspace, arena,
                         mu_http_request_parameter(request, MU_STR("id")), &body, &target, &err);
    mu_externals_unlock(api->externals);
    if (code != MU_OK)
        return mu_api_fail(request, response, &err);
    mu_json json = shown_audience(arena, &target);
    return mu_api_answer(response, 200, &json);
}

static mu_http_outcome delete_audience(mu_http_request *request, mu_http_response *response,
                                       void *context)
{
    mu_api *api = context;
    mu_api_call *call = mu_api_call_of(request);
    mu_arena *arena = mu_http_request_arena(request);
    mu_workspace *workspace;
    mu_external_target target;
    mu_err err;
    if (!mu_external_begin(request, response, &workspace))
        return MU_HTTP_DONE;
    mu_code code = mu_external_find(
        workspace, arena, mu_http_request_parameter(request, MU_STR("id")), &target, &err);
    if (code == MU_OK)
        code = mu_externals_remove(api->externals, workspace, target.id, 0, &call->author, &err);
    if (code == MU_E_CONFLICT)
        return unprocessable(request, response, err.text);
    if (code != MU_OK)
        return mu_api_fail(request, response, &err);
    mu_http_response_status(response, 204);
    return MU_HTTP_DONE;
}

/* -------- extending -------- */

static int64_t integer_of(const mu_json *json, const char *name, int64_t otherwise)
{
    const mu_json *value = mu_json_get(json, mu_str_from(name));
    return value != NULL && value->kind == MU_JSON_INTEGER ? value->integer : otherwise;
}

/* From the present expiry; one that is past, or not known, counts as now. */
static int64_t move_expiry(const mu_api_call *call, mu_arena *arena, mu_external_target *target)
{
    int64_t now_ms = mu_api_now_ms(call->api);
    int64_t days =
        integer_of(&target->json, "ttlInDays", integer_of(&target->request, "ttlInDays", 30));
    int64_t created_ms = target->document.created_ms + days * MU_DAY_MS;
    int64_t before_ms = integer_of(&target->external_json, "$expires", created_ms);
    int64_t after_ms = (before_ms > now_ms ? before_ms : now_ms) + days * MU_DAY_MS;
    mu_json_set(arena, &target->external_json, MU_STR("$expires"), mu_json_of_integer(after_ms));
    touch(call, arena, target);
    return after_ms;
}

static bool is_known(mu_workspace *workspace, mu_str id)
{
    const mu_membership_state *state = mu_memberships_acquire(workspace->memberships);
    bool known = mu_membership_find(state, id) != NULL;
    mu_membership_state_release(state);
    return known;
}

/* The run that reads the last data again. */
static mu_code add_extension(const mu_api_call *call, mu_arena *arena,
                             const mu_external_target *target, mu_document_edit *edit, mu_err *err)
{
    const mu_json *last = mu_json_get(&target->external_json, MU_STR("$last"));
    const mu_external_window window = {
        .from_s = integer_of(last, "from", 0),
        .to_s = integer_of(last, "to", INT64_MAX),
        .is_differential = !mu_json_truth(mu_json_get(last, MU_STR("isFull")), false)};
    mu_json run = mu_external_new_run(call, arena, target, &window, &edit->id);
    mu_json_set(arena, &run, MU_STR("$isExtension"), mu_json_of_boolean(true));
    edit->action = MU_DOCUMENT_ADD;
    edit->kind = MU_EXTERNAL_RUN_KIND;
    edit->author = &call->author;
    return mu_json_text(arena, &run, &edit->json, err);
}

/* Needs the lock of the externals. */
static mu_code extend(const mu_api_call *call, mu_workspace *workspace, mu_arena *arena, mu_str id,
                      mu_external_target *target, mu_err *err)
{
    mu_document_edit edits[3] = {{.action = MU_DOCUMENT_ADD}};
    uint32_t n;
    bool busy;
    MU_TRY(mu_external_find(workspace, arena, id, target, err));
    if (!target->has_source)
        return mu_fail(err, MU_E_LIMIT, "The audience has no source that could be read again");
    MU_TRY(mu_external_is_busy(workspace, target->id, &busy, err));
    if (busy)
        return mu_fail(err, MU_E_LIMIT, "A run of this audience is in progress");
    const mu_membership_change change = {.action = MU_MEMBERSHIP_EXPIRE,
                                         .audience_id = target->id,
                                         .expires_ms = move_expiry(call, arena, target)};
    MU_TRY(target_edits(call, arena, target, &n, edits, err));
    if (mu_json_get(&target->external_json, MU_STR("$last")) != NULL)
        MU_TRY(add_extension(call, arena, target, &edits[n++], err));
    const mu_membership_commit commit = {.now_ms = mu_api_now_ms(call->api),
                                         .n_changes = is_known(workspace, target->id) ? 1 : 0,
                                         .changes = &change,
                                         .n_edits = n,
                                         .edits = edits};
    return mu_memberships_commit(workspace->memberships, &commit, NULL, err);
}

static mu_http_outcome post_extension(mu_http_request *request, mu_http_response *response,
                                      void *context)
{
    mu_api *api = context;
    mu_arena *arena = mu_http_request_arena(request);
    mu_workspace *workspace;
    mu_external_target target;
    mu_err err;
    if (!mu_external_begin(request, response, &workspace))
        return MU_HTTP_DONE;
    mu_externals_lock(api->externals);
    mu_code code = extend(mu_api_call_of(request), workspace, arena,
                          mu_http_request_parameter(request, MU_STR("id")), &target, &err);
    mu_externals_unlock(api->externals);
    if (code == MU_E_LIMIT)
        return unprocessable(request, response, err.text);
    if (code != MU_OK)
        return mu_api_fail(request, response, &err);
    mu_externals_wake(api->externals);
    mu_json json = MU_JSON_OBJECT_OF(arena, {MU_STR("audienceId"), mu_json_of_string(target.id)},
                                     {MU_STR("name"), mu_json_of_string(target.name)});
    return mu_api_answer(response, 200, &json);
}

/* -------- routes -------- */

/* A38: the plural and older names are aliases. */
#define BOTH(verb, rest, function)                                                                 \
    {.method = verb, .pattern = "/data/core/ais/external-audience" rest, .handler = function},     \
    {                                                                                              \
        .method = verb, .pattern = "/data/core/ais/external-audiences" rest, .handler = function   \
    }

mu_code mu_api_add_external_audiences(mu_api *api, mu_http_router *router, mu_err *err)
{
    static const mu_http_route routes[] = {
        BOTH(MU_HTTP_POST, "", post_audience),
        BOTH(MU_HTTP_POST, "/submit", post_audience),
        BOTH(MU_HTTP_GET, "/operations/{operation}", get_operation),
        BOTH(MU_HTTP_GET, "/task/{operation}", get_operation),
        BOTH(MU_HTTP_POST, "/extend-ttl/{id}", post_extension),
        BOTH(MU_HTTP_PATCH, "/{id}", patch_audience),
        BOTH(MU_HTTP_DELETE, "/{id}", delete_audience),
        {.method = MU_HTTP_POST, .pattern = "/data/core/ais/audiences", .handler = post_metadata},
    };
    MU_TRY(mu_api_add(api, router, MU_API_CHECKED, routes, sizeof routes / sizeof routes[0], err));
    return mu_api_add_external_runs(api, router, err);
}
