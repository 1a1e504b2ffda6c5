/* folders.c -- /data/core/ups/muster/folders: folders of audiences, for the segment search (api.md
 * 17.4). Audiences name theirs in linkedAudienceRef.audienceFolderId.
 */
#include "api/api_int.h"

#define FOLDERS    "/data/core/ups/muster/folders"
#define KIND       MU_AUDIENCE_FOLDER_KIND
#define DEPTH_MAX  60 /* within what a search follows */
#define NAME_BYTES 1024u
#define ID_BYTES   255u

static mu_str text_of(const mu_json *json, const char *name)
{
    return mu_json_member_string(json, mu_str_from(name), MU_STR(""));
}

static mu_json shown(mu_arena *arena, const mu_shelf_item *item)
{
    return MU_JSON_OBJECT_OF(
        arena, {MU_STR("id"), mu_json_of_string(item->document.id)},
        {MU_STR("name"), mu_json_of_string(text_of(&item->json, "name"))},
        {MU_STR("parentFolderId"), mu_json_of_string(text_of(&item->json, "parentFolderId"))},
        {MU_STR("creationTime"), mu_json_of_integer(item->document.created_ms)});
}

static bool open_shelf(mu_http_request *request, mu_http_response *response,
                       mu_workspace **workspace, const mu_shelf **shelf)
{
    mu_err err;
    if (!mu_api_workspace(request, response, workspace))
        return false;
    if (mu_shelf_acquire((*workspace)->shelves, KIND, shelf, &err) == MU_OK)
        return true;
    (void)mu_api_fail(request, response, &err);
    return false;
}

static mu_http_outcome list_folders(mu_http_request *request, mu_http_response *response,
                                    void *context)
{
    mu_arena *arena = mu_http_request_arena(request);
    mu_workspace *workspace;
    const mu_shelf *shelf;
    (void)context;
    if (!open_shelf(request, response, &workspace, &shelf))
        return MU_HTTP_DONE;
    mu_json *rows = MU_NEW_ARRAY(arena, mu_json, shelf->n);
    for (uint32_t i = 0; i < shelf->n; i++)
        rows[i] = shown(arena, shelf->items[i]);
    mu_json json = MU_JSON_OBJECT_OF(
        arena, {MU_STR("folders"), (mu_json){.kind = MU_JSON_ARRAY, .n = shelf->n, .items = rows}},
        {MU_STR("totalCount"), mu_json_of_integer(shelf->n)});
    mu_http_outcome outcome = mu_api_answer(response, 200, &json);
    mu_shelf_release(shelf);
    return outcome;
}

static mu_http_outcome show_folder(mu_http_request *request, mu_http_response *response,
                                   unsigned status, mu_str id)
{
    mu_workspace *workspace;
    const mu_shelf *shelf;
    if (!open_shelf(request, response, &workspace, &shelf))
        return MU_HTTP_DONE;
    const mu_shelf_item *item = mu_shelf_find(shelf, id);
    mu_http_outcome outcome = MU_HTTP_DONE;
    if (item == NULL) {
        outcome =
            mu_api_problem(request, response, 404, MU_STR(""), MU_STR("There is no such folder"));
    } else {
        mu_json json = shown(mu_http_request_arena(request), item);
        outcome = mu_api_answer(response, status, &json);
    }
    mu_shelf_release(shelf);
    return outcome;
}

static mu_http_outcome get_folder(mu_http_request *request, mu_http_response *response,
                                  void *context)
{
    (void)context;
    return show_folder(request, response, 200, mu_http_request_parameter(request, MU_STR("id")));
}

/* -------- making -------- */

static bool is_id(mu_str text)
{
    bool good = text.len > 0 && text.len <= ID_BYTES && !mu_str_equal(text, MU_SEARCH_ROOT);
    for (size_t i = 0; good && i < text.len; i++)
        good = (unsigned char)text.ptr[i] > ' ' && (unsigned char)text.ptr[i] < 0x7f &&
               text.ptr[i] != '/';
    return good;
}

/* How many folders are around one that is in `parent`; -1 when there is no such parent. */
static int depth_below(const mu_shelf *shelf, mu_str parent)
{
    int depth = 0;
    for (; !mu_str_equal(parent, MU_SEARCH_ROOT); depth++) {
        const mu_shelf_item *item = mu_shelf_find(shelf, parent);
        if (item == NULL)
            return -1;
        parent = text_of(&item->json, "parentFolderId");
    }
    return depth;
}

static mu_code check_text(const mu_json *body, const char *name, bool is_required, mu_err *err)
{
    const mu_json *value = mu_json_get(body, mu_str_from(name));
    if (value == NULL && !is_required)
        return MU_OK;
    bool good = value != NULL && value->kind == MU_JSON_STRING && value->string.len > 0 &&
                value->string.len <= NAME_BYTES;
    return good
               ? MU_OK
               : mu_fail(err, MU_E_INPUT, "/%s: must be a text of 1 to %u bytes", name, NAME_BYTES);
}

/* What is stored; `body` may name an id. */
static mu_code read_folder(mu_arena *arena, const mu_json *body, const mu_shelf *shelf, mu_str *id,
                           mu_json *out, mu_err *err)
{
    MU_TRY(check_text(body, "name", true, err));
    MU_TRY(check_text(body, "id", false, err));
    MU_TRY(check_text(body, "parentFolderId", false, err));
    mu_str parent = text_of(body, "parentFolderId");
    parent = parent.len == 0 ? MU_SEARCH_ROOT : parent;
    *id = text_of(body, "id").len > 0 ? text_of(body, "id") : mu_api_uuid(arena);
    if (!is_id(*id))
        return mu_fail(err, MU_E_INPUT,
                       "/id: must be 1 to %u visible ASCII characters without '/', and not root",
                       ID_BYTES);
    int depth = depth_below(shelf, parent);
    if (depth < 0 || depth >= DEPTH_MAX)
        return mu_fail(err, MU_E_INPUT,
                       depth < 0 ? "/parentFolderId: there is no such folder"
                                 : "/parentFolderId: folders are at most %d deep",
                       DEPTH_MAX);
    *out = MU_JSON_OBJECT_OF(arena, {MU_STR("id"), mu_json_of_string(*id)},
                             {MU_STR("name"), mu_json_of_string(text_of(body, "name"))},
                             {MU_STR("parentFolderId"), mu_json_of_string(parent)});
    return MU_OK;
}

static mu_code add_folder(mu_api_call *call, mu_workspace *workspace, mu_arena *arena,
                          const mu_json *body, mu_str *id, mu_err *err)
{
    const mu_shelf *shelf;
    mu_json json;
    mu_document_edit edit = {.action = MU_DOCUMENT_ADD, .kind = KIND, .author = &call->author};
    MU_TRY(mu_shelf_acquire(workspace->shelves, KIND, &shelf, err));
    mu_code code = read_folder(arena, body, shelf, id, &json, err);
    mu_shelf_release(shelf);
    MU_TRY(code);
    edit.id = *id;
    MU_TRY(mu_json_text(arena, &json, &edit.json, err));
    return mu_shelves_edit_locked(workspace->shelves, mu_api_now_ms(call->api), 1, &edit, err);
}

/* Between the look at the parent and the change no other folder comes or goes. The kind is read
 * before, since reading takes the same lock. */
static mu_http_outcome post_folder(mu_http_request *request, mu_http_response *response,
                                   void *context)
{
    mu_workspace *workspace;
    const mu_shelf *shelf;
    mu_json body;
    mu_str id;
    mu_err err;
    (void)context;
    if (!mu_api_body_object(request, response, &body) ||
        !open_shelf(request, response, &workspace, &shelf))
        return MU_HTTP_DONE;
    mu_shelf_release(shelf);
    mu_shelves_lock(workspace->shelves);
    mu_code code = add_folder(mu_api_call_of(request), workspace, mu_http_request_arena(request),
                              &body, &id, &err);
    mu_shelves_unlock(workspace->shelves);
    if (code == MU_E_CONFLICT)
        return mu_api_problem(request, response, 422, MU_STR("UPAPI-119915-422"),
                              MU_STR("/id: another folder has it"));
    return code == MU_OK ? show_folder(request, response, 201, id)
                         : mu_api_fail(request, response, &err);
}

/* -------- removing -------- */

static mu_code check_empty(const mu_shelf *shelf, const mu_audience_book *book, mu_str id,
                           mu_err *err)
{
    if (mu_shelf_find(shelf, id) == NULL)
        return mu_fail(err, MU_E_NOT_FOUND, "There is no such folder");
    for (uint32_t i = 0; i < shelf->n; i++)
        if (mu_str_equal(text_of(&shelf->items[i]->json, "parentFolderId"), id))
            return mu_fail(err, MU_E_INPUT, "The folder has other folders in it");
    for (uint32_t i = 0; i < book->n; i++) {
        const mu_json *folder = mu_json_at(&book->audiences[i]->item->json,
                                           MU_STR("linkedAudienceRef.audienceFolderId"));
        if (folder != NULL && folder->kind == MU_JSON_STRING && mu_str_equal(folder->string, id))
            return mu_fail(err, MU_E_INPUT, "The folder has audiences in it");
    }
    return MU_OK;
}

static mu_code remove_folder(mu_api_call *call, mu_workspace *workspace,
                             const mu_audience_book *book, mu_str id, mu_err *err)
{
    const mu_shelf *shelf;
    const mu_document_edit edit = {
        .action = MU_DOCUMENT_REMOVE, .kind = KIND, .id = id, .author = &call->author};
    MU_TRY(mu_shelf_acquire(workspace->shelves, KIND, &shelf, err));
    mu_code code = check_empty(shelf, book, id, err);
    mu_shelf_release(shelf);
    MU_TRY(code);
    return mu_shelves_edit_locked(workspace->shelves, mu_api_now_ms(call->api), 1, &edit, err);
}

static mu_http_outcome delete_folder(mu_http_request *request, mu_http_response *response,
                                     void *context)
{
    mu_workspace *workspace;
    const mu_shelf *shelf;
    const mu_audience_book *book;
    mu_err err;
    (void)context;
    if (!open_shelf(request, response, &workspace, &shelf))
        return MU_HTTP_DONE;
    mu_shelf_release(shelf);
    if (mu_audience_book_acquire(workspace->books, &book, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    mu_shelves_lock(workspace->shelves);
    mu_code code = remove_folder(mu_api_call_of(request), workspace, book,
                                 mu_http_request_parameter(request, MU_STR("id")), &err);
    mu_shelves_unlock(workspace->shelves);
    mu_audience_book_release(book);
    if (code != MU_OK)
        return mu_api_fail(request, response, &err);
    mu_http_response_status(response, 204);
    return MU_HTTP_DONE;
}

mu_code mu_api_add_folders(mu_api *api, mu_http_router *router, mu_err *err)
{
    const mu_http_route routes[] = {
        {.method = MU_HTTP_GET, .pattern = FOLDERS, .handler = list_folders},
        {.method = MU_HTTP_POST, .pattern = FOLDERS, .handler = post_folder},
        {.method = MU_HTTP_GET, .pattern = FOLDERS "/{id}", .handler = get_folder},
        {.method = MU_HTTP_DELETE, .pattern = FOLDERS "/{id}", .handler = delete_folder},
    };
    return mu_api_add(api, router, MU_API_CHECKED, routes, sizeof routes / sizeof routes[0], err);
}
