/* schedule_exports.c -- what the clock of schedules asks of the api: exports (api.md 16, A55),
 * sandboxes that are gone. */
#include "api/schedules_int.h"

static mu_str text_at(const mu_json *json, const char *path)
{
    const mu_json *value = mu_json_at(json, mu_str_from(path));
    return value != NULL && value->kind == MU_JSON_STRING ? value->string : MU_STR("");
}

/* The ids of a schedule that are there still, as entries of an export's filter. */
static mu_code read_entries(mu_workspace *workspace, mu_arena *arena, const mu_json *segments,
                            mu_json *out, mu_err *err)
{
    const mu_audience_book *book;
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, segments->n);
    uint32_t n = 0;
    MU_TRY(mu_audience_book_acquire(workspace->books, &book, err));
    for (uint32_t i = 0; i < segments->n; i++) {
        const mu_json *id = &segments->items[i];
        if (id->kind == MU_JSON_STRING && mu_audience_find(book, id->string) != NULL)
            items[n++] = MU_JSON_OBJECT_OF(arena, {MU_STR("segmentId"), *id});
    }
    mu_audience_book_release(book);
    *out = (mu_json){.kind = MU_JSON_ARRAY, .n = n, .items = items};
    return n > 0 ? MU_OK
                 : mu_fail(err, MU_E_INPUT, "the schedule has no audience that can be exported");
}

/* Segments become an export request: of these audiences, or with "*" of everybody; of profiles;
 * into the dataset that is named, or one with the schedule's own id (docs/decisions/0211). */
static mu_code request_of(mu_workspace *workspace, mu_arena *arena, mu_str schedule_id,
                          const mu_json *properties, mu_json *out, mu_err *err)
{
    const mu_json *segments = mu_json_get(properties, MU_STR("segments"));
    mu_json entries, none = {.kind = MU_JSON_OBJECT};
    *out = *properties;
    if (segments == NULL)
        return MU_OK;
    const mu_json *destination = mu_json_get(properties, MU_STR("destination"));
    const mu_json *filter = mu_json_get(properties, MU_STR("filter"));
    mu_json filter_out = filter == NULL ? none : *filter;
    mu_json destination_out = destination == NULL ? none : *destination;
    bool is_all = segments->n == 1 && segments->items[0].kind == MU_JSON_STRING &&
                  mu_str_equal(segments->items[0].string, MU_STR("*"));
    if (!is_all) {
        MU_TRY(read_entries(workspace, arena, segments, &entries, err));
        mu_json_set(arena, &filter_out, MU_STR("segments"), entries);
        mu_json_set(arena, out, MU_STR("filter"), filter_out);
    }
    if (text_at(&destination_out, "datasetId").len == 0 &&
        text_at(&destination_out, "dataSetId").len == 0)
        mu_json_set(arena, &destination_out, MU_STR("datasetId"), mu_json_of_string(schedule_id));
    mu_json_set(arena, out, MU_STR("destination"), destination_out);
    if (text_at(out, "schema.name").len == 0)
        mu_json_set(arena, out, MU_STR("schema"),
                    MU_JSON_OBJECT_OF(arena, {MU_STR("name"),
                                              mu_json_of_string(MU_STR("_xdm.context.profile"))}));
    mu_json_unset(arena, out, MU_STR("segments"));
    return MU_OK;
}

static const mu_api_sandbox *sandbox_at(mu_api *api, mu_str place)
{
    pthread_rwlock_rdlock(&api->sandbox_lock);
    const mu_api_sandbox *at = api->sandboxes;
    while (at != NULL && !mu_str_equal(at->store_name, place))
        at = at->next;
    pthread_rwlock_unlock(&api->sandbox_lock);
    return at;
}

bool mu_api_schedule_is_gone(void *context, const mu_workspace *workspace)
{
    mu_api *api = context;
    const mu_api_sandbox *sandbox = sandbox_at(api, workspace->place);
    pthread_rwlock_rdlock(&api->sandbox_lock);
    bool is_gone = sandbox == NULL || sandbox->is_deleted;
    pthread_rwlock_unlock(&api->sandbox_lock);
    return is_gone;
}

mu_code mu_api_schedule_start_export(void *context, mu_workspace *workspace, mu_str schedule_id,
                                     mu_str run_id, const mu_json *properties, mu_err *err)
{
    mu_api *api = context;
    mu_arena arena;
    mu_json json;
    uint64_t number;
    const mu_api_sandbox *sandbox = sandbox_at(api, workspace->place);
    if (sandbox == NULL)
        return mu_fail(err, MU_E_NOT_FOUND, "the sandbox is gone");
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code = request_of(workspace, &arena, schedule_id, properties, &json, err);
    if (code == MU_OK) {
        bool is_open = sandbox->organization.len == 0;
        const mu_export_request request = {
            .request = &json,
            .request_id = mu_arena_format(&arena, MU_STR_FMT "-%lld", MU_STR_ARG(schedule_id),
                                          (long long)mu_workspace_now_ms(workspace)),
            .schedule_id = schedule_id,
            .run_id = run_id,
            .organization = is_open ? api->options.organization : sandbox->organization,
            .sandbox_id = sandbox->id};
        code = mu_exports_create(api->exports, workspace, &request, &number, err);
    }
    mu_arena_free(&arena);
    return code;
}

mu_code mu_api_schedule_export_is_busy(void *context, mu_workspace *workspace, mu_str schedule_id,
                                       bool *out, mu_err *err)
{
    mu_api *api = context;
    return mu_exports_is_busy(api->exports, workspace, schedule_id, out, err);
}

/* The newest are looked at first. */
mu_code mu_api_schedule_export_has_run(void *context, mu_workspace *workspace, mu_str run_id,
                                       bool *out, mu_err *err)
{
    const mu_shelf *shelf;
    (void)context;
    MU_TRY(mu_shelf_acquire(workspace->shelves, MU_EXPORT_JOB_KIND, &shelf, err));
    *out = false;
    for (uint32_t i = shelf->n; !*out && i > 0; i--)
        *out = mu_str_equal(text_at(&shelf->items[i - 1]->json, "$own.runId"), run_id);
    mu_shelf_release(shelf);
    return MU_OK;
}
