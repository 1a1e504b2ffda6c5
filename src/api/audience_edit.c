/* audience_edit.c -- audiences made, changed and deleted: what was read is checked and written
 * under one lock, in one transaction, so that of two writers who saw the same tag one is refused
 * (api.md 5, 8.3 to 8.7, 10). */
#include "api/audience_int.h"

#define STORED_MAX   ((size_t)16 << 20)
#define ATTEMPTS_MAX 5
/* Versions that one change may take away when fewer are to be kept than before. */
#define VERSIONS_REMOVED_MAX 100u

/* One transaction as it grows. */
typedef struct editing {
    mu_audience_scene *scene;
    mu_refusal *refusal;
    mu_edit_list list;
    bool is_outdated; /* somebody else changed one of them meanwhile: read again */
} editing;

static void add_edit(editing *e, mu_document_action action, mu_str kind, mu_str id, mu_str json,
                     uint64_t version_before)
{
    const mu_document_edit edit = {.action = action,
                                   .kind = kind,
                                   .id = id,
                                   .json = json,
                                   .version_before = version_before,
                                   .author = &e->scene->call->author};
    mu_edit_list_add(&e->list, &edit);
}

static bool refuse_failed(editing *e, const mu_err *err)
{
    e->is_outdated = err->code == MU_E_CONFLICT || err->code == MU_E_NOT_FOUND;
    return mu_refuse_failed(e->refusal, err);
}

static const mu_audience *find_or_refuse(editing *e, mu_str id)
{
    const mu_audience *found = mu_audience_scene_find(e->scene, id);
    if (found == NULL)
        (void)mu_refuse(e->refusal, MU_REFUSAL_NOT_FOUND, MU_STR(""),
                        mu_arena_format(e->scene->arena, "There is no %s with the id " MU_STR_FMT,
                                        e->scene->view == MU_AUDIENCE_VIEW_AUDIENCES
                                            ? "audience"
                                            : "segment definition",
                                        MU_STR_ARG(id)));
    return found;
}

static bool check_if_match(editing *e, const mu_audience *audience)
{
    mu_str header;
    if (!mu_http_request_header(e->scene->request, MU_STR("If-Match"), &header) ||
        mu_etag_matches(header, mu_audience_etag(e->scene->arena, audience), true))
        return true;
    return mu_refuse(e->refusal, MU_REFUSAL_PRECONDITION, MU_STR(""),
                     MU_STR("If-Match names another version than the present one"));
}

static void keep_version(editing *e, mu_str id, uint64_t version, mu_str json)
{
    uint64_t kept = (uint64_t)e->scene->call->api->options.settings.audience_versions_kept;
    add_edit(e, MU_DOCUMENT_PUT, MU_AUDIENCE_VERSION_KIND,
             mu_audience_version_id(e->scene->arena, id, version), json, 0);
    if (version > kept)
        mu_audience_remove_versions(e->scene->workspace, &e->list, id, version - kept,
                                    VERSIONS_REMOVED_MAX);
}

/* -------- what the client wants -------- */

/* "/a/b", "a/b" and "a.b" change the member a. */
static mu_str first_segment(mu_str path)
{
    size_t begin = path.len > 0 && path.ptr[0] == '/', end = begin;
    while (end < path.len && path.ptr[end] != '/' && path.ptr[end] != '.')
        end++;
    return (mu_str){path.ptr + begin, end - begin};
}

static bool is_immutable(mu_str name)
{
    static const char *const names[] = {
        "id",           "audienceId",      "namespace",  "type",           "imsOrgId", "sandbox",
        "creationTime", "createEpoch",     "updateTime", "updateEpoch",    "_etag",    "createdBy",
        "isSystem",     "dependencies",    "dependents", "lastModifiedBy", "metrics",  "definedOn",
        "baselineTime", "evaluationReport"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (mu_str_equal(name, mu_str_from(names[i])))
            return true;
    return false;
}

static bool check_operations(editing *e, const mu_json *body)
{
    uint32_t n = body->kind == MU_JSON_ARRAY ? body->n : 1;
    if (n == 0)
        return mu_refuse(e->refusal, MU_REFUSAL_RULE, MU_STR(""), MU_STR("there is no operation"));
    for (uint32_t i = 0; i < n; i++) {
        const mu_json *operation = body->kind == MU_JSON_ARRAY ? &body->items[i] : body;
        mu_str path = mu_json_member_string(operation, MU_STR("path"), MU_STR(""));
        mu_str op = mu_json_member_string(operation, MU_STR("op"), MU_STR(""));
        if (is_immutable(first_segment(path)) && !mu_str_equal_ascii_nocase(op, MU_STR("test")))
            return mu_refuse(e->refusal, MU_REFUSAL_RULE, mu_arena_copy(e->scene->arena, path),
                             MU_STR("cannot be changed"));
    }
    return true;
}

/* "lifecycle" is what "lifecycleState" was called: the one that the client set counts. */
static void rename_lifecycle(mu_arena *arena, mu_json *json)
{
    const mu_json *older = mu_json_get(json, MU_STR("lifecycle"));
    if (older == NULL)
        return;
    mu_json_set(arena, json, MU_STR("lifecycleState"), *older);
    mu_json_unset(arena, json, MU_STR("lifecycle"));
}

static bool apply_operations(editing *e, const mu_json *body, mu_json *json)
{
    mu_err err;
    if (!check_operations(e, body))
        return false;
    if (mu_json_apply_patch(e->scene->arena, json, body, &err) != MU_OK)
        return mu_refuse(e->refusal, MU_REFUSAL_RULE, MU_STR(""),
                         mu_arena_format(e->scene->arena, "%s", err.text));
    if (json->kind != MU_JSON_OBJECT)
        return mu_refuse(e->refusal, MU_REFUSAL_RULE, MU_STR(""),
                         MU_STR("an audience is an object"));
    rename_lifecycle(e->scene->arena, json);
    return true;
}

/* Each member replaces the one there is, whole; null takes it away. */
static bool lay_over(editing *e, const mu_audience *before, const mu_json *body, mu_json *json)
{
    const mu_json *id = mu_json_get(body, MU_STR("id"));
    if (e->scene->view == MU_AUDIENCE_VIEW_DEFINITIONS && id != NULL &&
        (id->kind != MU_JSON_STRING || !mu_str_equal(id->string, before->id)))
        return mu_refuse(e->refusal, MU_REFUSAL_RULE, MU_STR("/id"),
                         MU_STR("is not the id in the path"));
    mu_arena *arena = e->scene->arena;
    size_t room = (size_t)json->n + body->n;
    mu_str *names = MU_NEW_ARRAY(arena, mu_str, room);
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, room);
    uint32_t n = 0;
    for (uint32_t i = 0; i < json->n; i++) {
        if (mu_json_member(body, json->names[i]) != NULL)
            continue;
        names[n] = json->names[i];
        items[n++] = json->items[i];
    }
    for (uint32_t i = 0; i < body->n; i++) {
        names[n] = body->names[i];
        items[n++] = body->items[i];
    }
    *json = (mu_json){.kind = MU_JSON_OBJECT, .n = n, .names = names, .items = items};
    rename_lifecycle(arena, json);
    return true;
}

/* What the server keeps for itself is not the client's to send. */
static mu_json without_hidden(mu_arena *arena, const mu_json *stored)
{
    mu_json out = *stored;
    for (uint32_t i = stored->n; i-- > 0;)
        if (stored->names[i].len > 0 && stored->names[i].ptr[0] == '$')
            mu_json_unset(arena, &out, stored->names[i]);
    return out;
}

static bool make_candidate(editing *e, mu_audience_change change, const mu_audience *before,
                           const mu_json *body, mu_json *out)
{
    switch (change) {
    case MU_AUDIENCE_CREATE:
    case MU_AUDIENCE_PUT:
        *out = *body;
        return true;
    case MU_AUDIENCE_RESTORE:
        *out = without_hidden(e->scene->arena, body);
        return true;
    case MU_AUDIENCE_PATCH:
        break;
    }
    *out = mu_audience_show(e->scene, before);
    return mu_json_is_patch_body(body) ? apply_operations(e, body, out)
                                       : lay_over(e, before, body, out);
}

/* A tree that was sent as one has nulls of its own: it becomes text first. */
static bool clean(editing *e, mu_json *json)
{
    mu_arena *arena = e->scene->arena;
    const mu_json *expression = mu_json_get(json, MU_STR("expression"));
    const mu_json *value = mu_json_get(expression, MU_STR("value"));
    mu_err err;
    if (value != NULL && value->kind == MU_JSON_OBJECT) {
        mu_json changed = *expression;
        mu_str text;
        if (mu_json_text(arena, value, &text, &err) != MU_OK)
            return mu_refuse_failed(e->refusal, &err);
        if (mu_json_get(expression, MU_STR("format")) == NULL)
            mu_json_set(arena, &changed, MU_STR("format"), mu_json_of_string(MU_STR("pql/json")));
        mu_str format = mu_json_member_string(&changed, MU_STR("format"), MU_STR(""));
        if (mu_str_equal(format, MU_STR("pql/json")))
            mu_json_set(arena, &changed, MU_STR("value"), mu_json_of_string(text));
        mu_json_set(arena, json, MU_STR("expression"), changed);
    }
    *json = mu_json_without_nulls(arena, json);
    return true;
}

/* -------- writing -------- */

static bool write_text(editing *e, const mu_json *stored, mu_str *out)
{
    mu_err err;
    if (mu_json_text(e->scene->arena, stored, out, &err) != MU_OK)
        return mu_refuse_failed(e->refusal, &err);
    return out->len <= STORED_MAX || mu_refuse(e->refusal, MU_REFUSAL_RULE, MU_STR(""),
                                               MU_STR("it would be larger than 16 MiB"));
}

static bool write(editing *e, const mu_audience *before, mu_str id, const mu_json *stored,
                  int64_t now_ms)
{
    uint64_t version = before == NULL ? 0 : before->item->document.version;
    mu_str json;
    mu_err err;
    if (!write_text(e, stored, &json))
        return false;
    add_edit(e, before == NULL ? MU_DOCUMENT_ADD : MU_DOCUMENT_REPLACE, MU_AUDIENCE_KIND, id, json,
             version);
    if (mu_json_get(stored, MU_STR("expression")) != NULL)
        keep_version(e, id, version + 1, json);
    if (mu_shelves_edit(e->scene->workspace->shelves, now_ms, e->list.n, e->list.items, &err) !=
        MU_OK)
        return refuse_failed(e, &err);
    return true;
}

static bool store_locked(editing *e, mu_audience_change change, mu_str id, const mu_json *body,
                         mu_json *shown, mu_str *etag)
{
    mu_audience_scene *scene = e->scene;
    const mu_audience *before = NULL;
    mu_audience_candidate candidate = {.scene = scene, .now_ms = mu_api_now_ms(scene->call->api)};
    mu_json stored;
    mu_err err;
    if (mu_audience_scene_renew(scene, &err) != MU_OK)
        return mu_refuse_failed(e->refusal, &err);
    if (change != MU_AUDIENCE_CREATE) {
        before = find_or_refuse(e, id);
        if (before == NULL || !check_if_match(e, before))
            return false;
    }
    candidate.before = before;
    candidate.id = before == NULL ? id : before->id;
    if (!make_candidate(e, change, before, body, &candidate.json) || !clean(e, &candidate.json) ||
        !mu_audience_normalize(&candidate, &stored, e->refusal) ||
        !write(e, before, candidate.id, &stored, candidate.now_ms))
        return false;
    id = mu_arena_copy(scene->arena, candidate.id); /* it may belong to the book before */
    if (mu_audience_scene_renew(scene, &err) != MU_OK)
        return mu_refuse_failed(e->refusal, &err);
    const mu_audience *after = mu_audience_find(scene->book, id);
    if (after == NULL) /* deleted by somebody who does not take the lock */
        return find_or_refuse(e, id) != NULL;
    *shown = mu_audience_show(scene, after);
    *etag = mu_audience_etag(scene->arena, after);
    return true;
}

bool mu_audience_store(mu_audience_scene *scene, mu_audience_change change, mu_str id,
                       const mu_json *body, mu_json *shown, mu_str *etag, mu_refusal *refusal)
{
    bool done = false, is_outdated = true;
    mu_audience_books_lock(scene->workspace->books);
    for (int i = 0; !done && is_outdated && i < ATTEMPTS_MAX; i++) {
        editing e = {.scene = scene, .refusal = refusal, .list = {.arena = scene->arena}};
        done = store_locked(&e, change, id, body, shown, etag);
        is_outdated = e.is_outdated;
    }
    mu_audience_books_unlock(scene->workspace->books);
    return done;
}

/* -------- deleting -------- */

static bool refuse_dependents(editing *e, const mu_audience *audience)
{
    return mu_refuse(
        e->refusal, MU_REFUSAL_DEPENDENTS, MU_STR(""),
        mu_arena_format(e->scene->arena,
                        "The audience " MU_STR_FMT
                        " cannot be deleted: %u others refer to it, among them " MU_STR_FMT,
                        MU_STR_ARG(audience->id), audience->n_dependents,
                        MU_STR_ARG(audience->dependents[0]->id)));
}

static bool is_deletable(editing *e, const mu_audience *audience)
{
    if (!check_if_match(e, audience))
        return false;
    return audience->n_dependents == 0 || refuse_dependents(e, audience);
}

static bool delete_definition(editing *e, const mu_audience *audience)
{
    mu_audience_scene *scene = e->scene;
    mu_err err;
    add_edit(e, MU_DOCUMENT_REMOVE, MU_AUDIENCE_KIND, audience->id, MU_STR(""), 0);
    if (mu_audience_removal(scene->workspace, &e->list, audience->id,
                            audience->item->document.version, &scene->call->author, &err) != MU_OK)
        return mu_refuse_failed(e->refusal, &err);
    const mu_membership_change change = {.action = MU_MEMBERSHIP_REMOVE,
                                         .audience_id = audience->id};
    const mu_membership_commit commit = {.now_ms = mu_api_now_ms(scene->call->api),
                                         .n_changes = 1,
                                         .changes = &change,
                                         .n_edits = e->list.n,
                                         .edits = e->list.items};
    if (mu_memberships_commit(scene->workspace->memberships, &commit, NULL, &err) != MU_OK)
        return refuse_failed(e, &err);
    return true;
}

/* External audiences have documents of their own, which their engine removes under its lock: taken
 * before that of the books, so ours is let go. The version says whether what was checked is still
 * so. */
static bool delete_external(editing *e, const mu_audience *audience)
{
    mu_audience_scene *scene = e->scene;
    mu_err err;
    if (mu_externals_remove(scene->call->api->externals, scene->workspace, audience->id,
                            audience->item->document.version, &scene->call->author, &err) != MU_OK)
        return refuse_failed(e, &err);
    return true;
}

static bool delete_once(editing *e, mu_str id)
{
    mu_audience_books *books = e->scene->workspace->books;
    mu_err err;
    mu_audience_books_lock(books);
    bool is_ready = mu_audience_scene_renew(e->scene, &err) == MU_OK;
    if (!is_ready)
        (void)mu_refuse_failed(e->refusal, &err);
    const mu_audience *audience = is_ready ? find_or_refuse(e, id) : NULL;
    is_ready = audience != NULL && is_deletable(e, audience);
    bool done = is_ready && !audience->is_external && delete_definition(e, audience);
    mu_audience_books_unlock(books);
    return is_ready && audience->is_external ? delete_external(e, audience) : done;
}

bool mu_audience_delete(mu_audience_scene *scene, mu_str id, mu_refusal *refusal)
{
    bool done = false, is_outdated = true;
    for (int i = 0; !done && is_outdated && i < ATTEMPTS_MAX; i++) {
        editing e = {.scene = scene, .refusal = refusal, .list = {.arena = scene->arena}};
        done = delete_once(&e, id);
        is_outdated = e.is_outdated;
    }
    return done;
}
