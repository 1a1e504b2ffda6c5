/* external_run.c -- one ingestion, from the files of the landing folder to memberships.
 *
 *   files ─> rows ─> profiles, found or made ─> memberships, the run that succeeded and the
 *                                               audience's new expiry, in one transaction
 *
 * A run that is taken up again reads its files again: the records are the same ones, and members
 * are committed once.
 */
#include "audience/external_int.h"

#include "base/time.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define TTL_DAYS      30
#define PROFILE_STORE MU_STR("PROFILE_STORE_INGEST")
#define DATASET       MU_STR("DATASET_INGEST")

typedef struct ingestion {
    mu_externals *externals;
    mu_workspace *workspace;
    const mu_shelf_item *run, *audience; /* the document of kind externalAudience */
    const bool *is_stopping;
    mu_arena arena;
    mu_external_report report;
    mu_external_counts counts;
    mu_external_members *members;
    mu_external_files files;
    int fd; /* of the file that is read */
} ingestion;

static mu_str text_of(const mu_json *json, const char *name)
{
    return mu_json_member_string(json, mu_str_from(name), MU_STR(""));
}

static int64_t integer_of(const mu_json *json, const char *name, int64_t otherwise)
{
    const mu_json *value = mu_json_get(json, mu_str_from(name));
    return value != NULL && value->kind == MU_JSON_INTEGER ? value->integer : otherwise;
}

static const mu_json *request_of(const ingestion *g)
{
    return mu_json_get(&g->audience->json, MU_STR("request"));
}

/* -------- fields -------- */

static const mu_graph_namespace *find_namespace(uint32_t n, const mu_graph_namespace *list,
                                                mu_str code)
{
    for (uint32_t i = 0; i < n; i++)
        if (mu_str_equal_ascii_nocase(list[i].code, code))
            return &list[i];
    return NULL;
}

static mu_code read_fields(ingestion *g, uint32_t *n, const mu_external_field **out, mu_err *err)
{
    const mu_json *list = mu_json_get(request_of(g), MU_STR("fields"));
    const mu_graph_namespace *namespaces;
    uint32_t n_namespaces = mu_sandbox_namespaces(g->workspace->live, &g->arena, &namespaces);
    if (list == NULL || list->kind != MU_JSON_ARRAY)
        return mu_fail(err, MU_E_CORRUPT, "an external audience has no fields");
    mu_external_field *fields = MU_NEW_ARRAY(&g->arena, mu_external_field, list->n);
    for (uint32_t i = 0; i < list->n; i++) {
        mu_str code = text_of(&list->items[i], "identityNs");
        fields[i] =
            (mu_external_field){.name = text_of(&list->items[i], "name"),
                                .type = mu_external_type_of(text_of(&list->items[i], "type"))};
        if (code.len == 0)
            continue;
        const mu_graph_namespace *found = find_namespace(n_namespaces, namespaces, code);
        if (found == NULL)
            return mu_fail(err, MU_E_INPUT, "there is no namespace " MU_STR_FMT, MU_STR_ARG(code));
        fields[i].namespace_code = found->code;
        fields[i].is_graphed =
            found->type != MU_IDENTITY_NON_PEOPLE && found->type != MU_IDENTITY_PARTNER;
    }
    *n = list->n;
    *out = fields;
    return MU_OK;
}

/* -------- reading -------- */

static mu_code take_row(void *context, uint32_t n, const mu_identity *identities,
                        uint32_t n_graphed, mu_err *err)
{
    ingestion *g = context;
    return mu_external_members_add(g->members, n, identities, n_graphed, err);
}

static mu_code read_bytes(void *context, char *out, size_t capacity, size_t *n, mu_err *err)
{
    ingestion *g = context;
    ssize_t got;
    if (__atomic_load_n(g->is_stopping, __ATOMIC_RELAXED))
        return mu_fail(err, MU_E_CANCELLED, "the server ends");
    do
        got = read(g->fd, out, capacity);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return mu_fail_errno(err, "a file of the landing folder cannot be read");
    *n = (size_t)got;
    return MU_OK;
}

static mu_code read_files(ingestion *g, mu_err *err)
{
    mu_external_reading reading = {
        .report = &g->report, .row = take_row, .read = read_bytes, .context = g};
    MU_TRY(read_fields(g, &reading.n_fields, &reading.fields, err));
    for (uint32_t i = 0; i < g->files.n; i++) {
        MU_TRY(mu_external_file_open(&g->files, i, &g->fd, err));
        mu_code code = mu_external_rows_read(&reading, g->files.names[i], err);
        close(g->fd);
        MU_TRY(code);
    }
    return MU_OK;
}

static bool is_full(const ingestion *g)
{
    return !mu_json_truth(mu_json_get(&g->run->json, MU_STR("differentialIngestion")), true);
}

/* A full ingestion of nothing would make everybody leave. */
static mu_code find_files(ingestion *g, mu_err *err)
{
    const mu_json *params = mu_json_at(request_of(g), MU_STR("sourceSpec.params"));
    mu_str path;
    MU_TRY(mu_external_path(text_of(params, "path"), &path, err));
    MU_TRY(mu_external_files_open(mu_external_landing(&g->arena, g->workspace).ptr, path,
                                  mu_str_equal(text_of(params, "type"), MU_STR("folder")),
                                  integer_of(&g->run->json, "dataFilterStartTime", 0),
                                  integer_of(&g->run->json, "dataFilterEndTime", INT64_MAX),
                                  &g->arena, &g->files, err));
    if (g->files.n == 0 && is_full(g))
        return mu_fail(err, MU_E_INPUT, "no file was changed in the time that the run reads");
    return MU_OK;
}

static mu_code ingest(ingestion *g, const mu_pid_set **members, mu_err *err)
{
    const mu_external_members_options options = {
        .workspace = g->workspace,
        .dataset = text_of(&g->audience->json, "$datasetId"),
        .makes_profiles =
            mu_json_truth(mu_json_get(request_of(g), MU_STR("profileIngestion")), true),
        .is_stopping = g->is_stopping};
    MU_TRY(find_files(g, err));
    MU_TRY(mu_external_members_new(&options, &g->members, err));
    MU_TRY(read_files(g, err));
    return mu_external_members_finish(g->members, members, &g->counts, err);
}

/* -------- the end of a run -------- */

static mu_json problems_json(ingestion *g)
{
    mu_json *items = MU_NEW_ARRAY(&g->arena, mu_json, g->report.n_problems);
    for (uint32_t i = 0; i < g->report.n_problems; i++) {
        const mu_external_problem *problem = &g->report.problems[i];
        items[i] = MU_JSON_OBJECT_OF(&g->arena, {MU_STR("file"), mu_json_of_string(problem->file)},
                                     {MU_STR("line"), mu_json_of_integer((int64_t)problem->line)},
                                     {MU_STR("message"), mu_json_of_string(problem->sentence)});
    }
    return (mu_json){.kind = MU_JSON_ARRAY, .n = g->report.n_problems, .items = items};
}

static mu_json stage_json(ingestion *g, uint32_t stage, mu_str name, bool is_done)
{
    const mu_json *before = mu_json_get(&g->run->json, MU_STR("details"));
    mu_str id = before != NULL && before->kind == MU_JSON_ARRAY && stage < before->n
                    ? text_of(&before->items[stage], "flowRunId")
                    : text_of(&g->run->json, "$flowRunId");
    return MU_JSON_OBJECT_OF(
        &g->arena, {MU_STR("stage"), mu_json_of_string(name)},
        {MU_STR("status"), mu_json_of_string(is_done ? MU_STR("SUCCESS") : MU_STR("FAILED"))},
        {MU_STR("flowRunId"), mu_json_of_string(id)});
}

static void set_number(ingestion *g, mu_json *json, const char *name, uint64_t value)
{
    mu_json_set(&g->arena, json, mu_str_from(name), mu_json_of_integer((int64_t)value));
}

static mu_json dataset_stage(ingestion *g, bool is_done)
{
    mu_json stage = stage_json(g, 0, DATASET, is_done);
    set_number(g, &stage, "filesRead", g->report.n_files);
    set_number(g, &stage, "filesOutsideOfTime", g->files.n_others);
    set_number(g, &stage, "recordsRead", g->report.n_rows);
    set_number(g, &stage, "recordsFailed", g->report.n_bad_rows);
    set_number(g, &stage, "identitiesFailed", g->report.n_bad_identities);
    if (g->report.n_problems > 0)
        mu_json_set(&g->arena, &stage, MU_STR("errors"), problems_json(g));
    return stage;
}

static mu_json profile_stage(ingestion *g, bool is_done)
{
    mu_json stage = stage_json(g, 1, PROFILE_STORE, is_done);
    set_number(g, &stage, "recordsMatched", g->counts.n_matched);
    set_number(g, &stage, "profilesCreated", g->counts.n_made);
    set_number(g, &stage, "recordsUnknown", g->counts.n_unknown);
    return stage;
}

/* The run as it ends. `n_done`: stages that succeeded; with an error the one after them failed. */
static mu_json ended(ingestion *g, uint32_t n_done, const mu_err *failure)
{
    mu_json run = g->run->json;
    uint32_t n = n_done + (failure != NULL);
    mu_json *stages = MU_NEW_ARRAY(&g->arena, mu_json, 2);
    stages[0] = dataset_stage(g, n_done > 0);
    stages[1] = n > 1 ? profile_stage(g, n_done > 1) : (mu_json){.kind = MU_JSON_NULL};
    mu_json_set(&g->arena, &run, MU_STR("status"),
                mu_json_of_string(failure == NULL ? MU_STR("SUCCESS") : MU_STR("FAILED")));
    mu_json_set(&g->arena, &run, MU_STR("details"),
                (mu_json){.kind = MU_JSON_ARRAY, .n = n, .items = stages});
    if (failure != NULL) {
        mu_str code = failure->code == MU_E_NOT_FOUND || failure->code == MU_E_IO
                          ? MU_STR("100970-502")
                          : MU_STR("100960-422");
        mu_json_set(&g->arena, &run, MU_STR("error"),
                    MU_JSON_OBJECT_OF(
                        &g->arena, {MU_STR("code"), mu_json_of_string(code)},
                        {MU_STR("message"),
                         mu_json_of_string(mu_arena_copy(&g->arena, mu_str_from(failure->text)))}));
    }
    return run;
}

static mu_code run_edit(ingestion *g, const mu_json *run, mu_document_edit *out, mu_err *err)
{
    *out = (mu_document_edit){.action = MU_DOCUMENT_REPLACE,
                              .kind = MU_EXTERNAL_RUN_KIND,
                              .id = g->run->document.id,
                              .version_before = g->run->document.version};
    return mu_json_text(&g->arena, run, &out->json, err);
}

static mu_code fail_run(ingestion *g, uint32_t n_done, const mu_err *failure, mu_err *err)
{
    mu_document_edit edit;
    mu_json run = ended(g, n_done, failure);
    MU_TRY(run_edit(g, &run, &edit, err));
    mu_code code =
        mu_shelves_edit(g->workspace->shelves, mu_workspace_now_ms(g->workspace), 1, &edit, err);
    return code == MU_E_NOT_FOUND ? MU_OK : code; /* the audience was deleted meanwhile */
}

/* What the ingestion leaves in the audience's document: when members expire (a.7), and what an
 * extension reads again. */
static mu_code audience_edit(ingestion *g, int64_t now_ms, int64_t *expires_ms,
                             mu_document_edit *out, mu_err *err)
{
    mu_json json = g->audience->json;
    int64_t days = integer_of(request_of(g), "ttlInDays", TTL_DAYS);
    int64_t extended = integer_of(&json, "$expires", 0);
    *expires_ms = now_ms + days * MU_DAY_MS;
    *expires_ms = extended > *expires_ms ? extended : *expires_ms;
    mu_json_set(&g->arena, &json, MU_STR("$expires"), mu_json_of_integer(*expires_ms));
    mu_json_set(&g->arena, &json, MU_STR("$last"),
                MU_JSON_OBJECT_OF(
                    &g->arena,
                    {MU_STR("from"),
                     mu_json_of_integer(integer_of(&g->run->json, "dataFilterStartTime", 0))},
                    {MU_STR("to"),
                     mu_json_of_integer(integer_of(&g->run->json, "dataFilterEndTime", INT64_MAX))},
                    {MU_STR("isFull"), mu_json_of_boolean(is_full(g))}));
    *out = (mu_document_edit){.action = MU_DOCUMENT_REPLACE,
                              .kind = MU_EXTERNAL_AUDIENCE_KIND,
                              .id = g->audience->document.id,
                              .version_before = g->audience->document.version};
    return mu_json_text(&g->arena, &json, &out->json, err);
}

/* Members after the commit. */
static uint64_t count_after(const ingestion *g, const mu_pid_set *members, int64_t now_ms)
{
    const mu_membership_state *state = mu_memberships_acquire(g->workspace->memberships);
    const mu_membership *before = mu_membership_find(state, g->audience->document.id);
    bool stay =
        before != NULL && !is_full(g) && (before->expires_ms == 0 || now_ms <= before->expires_ms);
    uint64_t n = stay ? roaring_bitmap_or_cardinality(before->members, members)
                      : roaring_bitmap_get_cardinality(members);
    mu_membership_state_release(state);
    return n;
}

static mu_code metrics_edit(ingestion *g, uint64_t n_members, int64_t now_ms, mu_document_edit *out,
                            mu_err *err)
{
    mu_str id = g->audience->document.id;
    mu_json now = mu_json_of_integer(now_ms / 1000);
    mu_json json = MU_JSON_OBJECT_OF(
        &g->arena, {MU_STR("type"), mu_json_of_string(MU_STR("segmentation"))},
        {MU_STR("jobId"), mu_json_of_string(g->run->document.id)},
        {MU_STR("id"), mu_json_of_string(id)},
        {MU_STR("data"), MU_JSON_OBJECT_OF(&g->arena, {MU_STR("totalProfiles"),
                                                       mu_json_of_integer((int64_t)n_members)})},
        {MU_STR("createEpoch"), now}, {MU_STR("updateEpoch"), now});
    *out =
        (mu_document_edit){.action = MU_DOCUMENT_PUT, .kind = MU_AUDIENCE_METRICS_KIND, .id = id};
    return mu_json_text(&g->arena, &json, &out->json, err);
}

static mu_code hold_document(ingestion *g, mu_str kind, mu_str id, const mu_shelf_item **out,
                             mu_err *err)
{
    const mu_shelf *shelf;
    MU_TRY(mu_shelf_acquire(g->workspace->shelves, kind, &shelf, err));
    const mu_shelf_item *found = mu_shelf_find(shelf, id);
    *out = found == NULL ? NULL : mu_shelf_item_hold(found);
    mu_shelf_release(shelf);
    return MU_OK;
}

/* The document as it is now: others may have changed it while files were read. */
static mu_code refresh_audience(ingestion *g, mu_err *err)
{
    mu_str id = text_of(&g->run->json, "audienceId");
    if (g->audience != NULL)
        mu_shelf_item_release(g->audience);
    return hold_document(g, MU_EXTERNAL_AUDIENCE_KIND, id, &g->audience, err);
}

static mu_code commit(ingestion *g, const mu_pid_set *members, mu_err *err)
{
    int64_t now_ms = mu_workspace_now_ms(g->workspace), expires_ms;
    mu_document_edit edits[3];
    mu_json run = ended(g, 2, NULL);
    MU_TRY(refresh_audience(g, err));
    if (g->audience == NULL)
        return mu_fail(err, MU_E_NOT_FOUND, "the audience was deleted");
    MU_TRY(run_edit(g, &run, &edits[0], err));
    MU_TRY(audience_edit(g, now_ms, &expires_ms, &edits[1], err));
    MU_TRY(metrics_edit(g, count_after(g, members, now_ms), now_ms, &edits[2], err));
    const mu_membership_change change = {.action =
                                             is_full(g) ? MU_MEMBERSHIP_SET : MU_MEMBERSHIP_ADD,
                                         .audience_id = g->audience->document.id,
                                         .members = members,
                                         .expires_ms = expires_ms};
    const mu_membership_commit all = {
        .now_ms = now_ms, .n_changes = 1, .changes = &change, .n_edits = 3, .edits = edits};
    return mu_memberships_commit(g->workspace->memberships, &all, NULL, err);
}

static mu_code carry_out(ingestion *g, mu_err *err)
{
    mu_err failure;
    const mu_pid_set *members;
    MU_TRY(refresh_audience(g, err));
    if (g->audience == NULL)
        return mu_fail(err, MU_E_NOT_FOUND, "the audience was deleted");
    mu_code code = ingest(g, &members, &failure);
    if (code == MU_E_CANCELLED)
        return mu_fail(err, code, "%s", failure.text);
    if (code != MU_OK)
        return fail_run(g, 0, &failure, err);
    mu_externals_lock(g->externals);
    code = commit(g, members, &failure);
    mu_externals_unlock(g->externals);
    if (code == MU_E_NOT_FOUND) /* deleted: nothing is left to say */
        return MU_OK;
    return code == MU_OK ? MU_OK : fail_run(g, 1, &failure, err);
}

/* A run whose audience is gone. */
static mu_code remove_run(ingestion *g, mu_err *err)
{
    const mu_document_edit edit = {.action = MU_DOCUMENT_REMOVE,
                                   .kind = MU_EXTERNAL_RUN_KIND,
                                   .id = g->run->document.id,
                                   .json = MU_STR("")};
    mu_code code =
        mu_shelves_edit(g->workspace->shelves, mu_workspace_now_ms(g->workspace), 1, &edit, err);
    return code == MU_E_NOT_FOUND ? MU_OK : code;
}

mu_code mu_external_run(mu_externals *externals, mu_workspace *workspace, const mu_shelf_item *run,
                        const bool *is_stopping, mu_err *err)
{
    ingestion g = {.externals = externals,
                   .workspace = workspace,
                   .run = run,
                   .is_stopping = is_stopping,
                   .files = {.folder = -1},
                   .fd = -1};
    mu_arena_init(&g.arena, SIZE_MAX);
    g.report.arena = &g.arena;
    mu_code code = carry_out(&g, err);
    if (code == MU_E_NOT_FOUND)
        code = remove_run(&g, err);
    mu_external_members_free(g.members);
    mu_external_files_close(&g.files);
    if (g.audience != NULL)
        mu_shelf_item_release(g.audience);
    mu_arena_free(&g.arena);
    return code;
}
