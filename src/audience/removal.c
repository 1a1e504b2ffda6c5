#include "audience/removal.h"

#include "audience/schedule.h"
#include "json/edit.h"

void mu_edit_list_add(mu_edit_list *list, const mu_document_edit *edit)
{
    if (list->n == list->capacity) {
        uint32_t capacity = list->capacity == 0 ? 8 : list->capacity * 2;
        mu_document_edit *items = MU_NEW_ARRAY(list->arena, mu_document_edit, capacity);
        if (list->n > 0)
            memcpy(items, list->items, list->n * sizeof *items);
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->n++] = *edit;
}

/* A document of the sandbox that may be there; false when it is not. */
static bool add_removal(mu_workspace *workspace, mu_edit_list *list, mu_str kind, mu_str id)
{
    mu_document document;
    if (mu_document_get(workspace->options->documents, list->arena, workspace->place, kind, id,
                        &document, NULL) != MU_OK)
        return false;
    const mu_document_edit edit = {
        .action = MU_DOCUMENT_REMOVE, .kind = kind, .id = document.id, .json = MU_STR("")};
    mu_edit_list_add(list, &edit);
    return true;
}

mu_str mu_audience_version_id(mu_arena *arena, mu_str id, uint64_t version)
{
    return mu_arena_format(arena, MU_STR_FMT "/%llu", MU_STR_ARG(id), (unsigned long long)version);
}

void mu_audience_remove_versions(mu_workspace *workspace, mu_edit_list *list, mu_str id,
                                 uint64_t last, uint32_t most)
{
    for (uint32_t i = 0; i < most && last > 0; i++, last--)
        if (!add_removal(workspace, list, MU_AUDIENCE_VERSION_KIND,
                         mu_audience_version_id(list->arena, id, last)))
            return;
}

/* -------- schedules -------- */

/* The schedule without the audience; false when it does not name it. */
static bool without_audience(mu_arena *arena, const mu_json *schedule, mu_str id, mu_json *out)
{
    const mu_json *properties = mu_json_get(schedule, MU_STR("properties"));
    const mu_json *segments = mu_json_get(properties, MU_STR("segments"));
    if (segments == NULL || segments->kind != MU_JSON_ARRAY)
        return false;
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, segments->n);
    uint32_t n = 0;
    for (uint32_t i = 0; i < segments->n; i++)
        if (segments->items[i].kind != MU_JSON_STRING ||
            !mu_str_equal(segments->items[i].string, id))
            items[n++] = segments->items[i];
    if (n == segments->n)
        return false;
    mu_json changed = *properties;
    mu_json_set(arena, &changed, MU_STR("segments"),
                (mu_json){.kind = MU_JSON_ARRAY, .n = n, .items = items});
    *out = *schedule;
    mu_json_set(arena, out, MU_STR("properties"), changed);
    return true;
}

static mu_code leave_schedules(mu_workspace *workspace, mu_edit_list *list, mu_str id,
                               const mu_author *author, mu_err *err)
{
    const mu_shelf *shelf;
    mu_code code = MU_OK;
    MU_TRY(mu_shelf_acquire(workspace->shelves, MU_SCHEDULE_KIND, &shelf, err));
    for (uint32_t i = 0; code == MU_OK && i < shelf->n; i++) {
        const mu_shelf_item *item = shelf->items[i];
        mu_document_edit edit = {.action = MU_DOCUMENT_REPLACE,
                                 .kind = MU_SCHEDULE_KIND,
                                 .version_before = item->document.version,
                                 .author = author};
        mu_json changed;
        if (!without_audience(list->arena, &item->json, id, &changed))
            continue;
        code = mu_json_text(list->arena, &changed, &edit.json, err);
        edit.id = mu_arena_copy(list->arena, item->document.id);
        if (code == MU_OK)
            mu_edit_list_add(list, &edit);
    }
    mu_shelf_release(shelf);
    return code;
}

mu_code mu_audience_removal(mu_workspace *workspace, mu_edit_list *list, mu_str id,
                            uint64_t version, const mu_author *author, mu_err *err)
{
    (void)add_removal(workspace, list, MU_AUDIENCE_METRICS_KIND, id);
    mu_audience_remove_versions(workspace, list, id, version, UINT32_MAX);
    return leave_schedules(workspace, list, id, author, err);
}
