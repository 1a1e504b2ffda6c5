/* job_document.c -- the document of a segment job: made, and changed by its transitions (api.md
 * 12.1, 12.2).
 */
#include "audience/job_int.h"

#include "base/hash.h"
#include "base/uuid.h"

static const char *const names[] = {
    [MU_JOB_NEW] = "NEW",
    [MU_JOB_QUEUED] = "QUEUED",
    [MU_JOB_PROCESSING] = "PROCESSING",
    [MU_JOB_CANCELLING] = "CANCELLING",
    [MU_JOB_CANCELLED] = "CANCELLED",
    [MU_JOB_FAILED] = "FAILED",
    [MU_JOB_SUCCEEDED] = "SUCCEEDED",
};

mu_job_status mu_job_status_of(const mu_json *job)
{
    mu_str text = mu_json_member_string(job, MU_STR("status"), MU_STR(""));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (mu_str_equal(text, mu_str_from(names[i])))
            return (mu_job_status)i;
    return MU_JOB_FAILED; /* nothing that could be taken up */
}

static mu_json text_of(mu_str text)
{
    return mu_json_of_string(text);
}

/* -------- the rules -------- */

typedef struct snapshot_of_rules {
    mu_arena *arena;
    const mu_workspace *workspace;
    const mu_audience_book *book;
    mu_strmap policies; /* by id as stored: place + 1 in `versions` */
    uint32_t n_policies;
    mu_json *versions; /* {"id","version"} */
} snapshot_of_rules;

/* Of a policy that is gone there is only the id. */
static mu_json policy_json(snapshot_of_rules *s, mu_str id)
{
    mu_stored_policy policy;
    bool is_new;
    uint64_t *place = mu_strmap_put(&s->policies, id, &is_new);
    if (!is_new)
        return s->versions[*place];
    mu_json *out = &s->versions[s->n_policies];
    if (mu_workspace_policy(s->workspace, s->arena, id, MU_STR(""), &policy, NULL) == MU_OK)
        *out = MU_JSON_OBJECT_OF(s->arena, {MU_STR("id"), text_of(policy.policy.id)},
                                 {MU_STR("version"), mu_json_of_integer(policy.version)});
    else
        *out = MU_JSON_OBJECT_OF(s->arena, {MU_STR("id"), text_of(id)});
    *place = s->n_policies++;
    return *out;
}

static mu_json segment_json(snapshot_of_rules *s, mu_str id)
{
    const mu_audience *audience = mu_audience_find(s->book, id);
    const mu_json *expression = mu_json_get(&audience->item->json, MU_STR("expression"));
    const mu_json none = {.kind = MU_JSON_OBJECT};
    mu_json policy = policy_json(s, audience->merge_policy_id);
    mu_json segment =
        MU_JSON_OBJECT_OF(s->arena, {MU_STR("id"), text_of(id)},
                          {MU_STR("expression"), expression == NULL ? none : *expression},
                          {MU_STR("mergePolicyId"), *mu_json_member(&policy, MU_STR("id"))},
                          {MU_STR("mergePolicy"), policy});
    return MU_JSON_OBJECT_OF(s->arena, {MU_STR("segmentId"), text_of(id)},
                             {MU_STR("segment"), segment});
}

static mu_json segments_json(mu_arena *arena, const mu_workspace *workspace,
                             const mu_audience_book *book, const mu_segment_job_request *request)
{
    snapshot_of_rules s = {.arena = arena, .workspace = workspace, .book = book};
    bool shows_all = request->all || request->n_ids > MU_SEGMENT_JOB_IDS_SHOWN;
    uint32_t n = shows_all ? 1 : request->n_ids;
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, (size_t)n + 1);
    s.versions = MU_NEW_ARRAY(arena, mu_json, (size_t)n + 1);
    mu_strmap_init(&s.policies);
    if (shows_all)
        items[0] = MU_JSON_OBJECT_OF(arena, {MU_STR("segmentId"), text_of(MU_STR("*"))});
    for (uint32_t i = 0; !shows_all && i < n; i++)
        items[i] = segment_json(&s, request->ids[i]);
    mu_strmap_free(&s.policies);
    return (mu_json){.kind = MU_JSON_ARRAY, .n = n, .items = items};
}

/* -------- making -------- */

static mu_json span_json(mu_arena *arena, int64_t start_ms)
{
    return MU_JSON_OBJECT_OF(arena, {MU_STR("startTimeInMs"), mu_json_of_integer(start_ms)});
}

static mu_json links_json(mu_arena *arena, mu_str id)
{
    mu_json href = text_of(mu_arena_format(arena, "/segment/jobs/" MU_STR_FMT, MU_STR_ARG(id)));
    return MU_JSON_OBJECT_OF(
        arena,
        {MU_STR("cancel"), MU_JSON_OBJECT_OF(arena, {MU_STR("href"), href},
                                             {MU_STR("method"), text_of(MU_STR("DELETE"))})},
        {MU_STR("checkStatus"), MU_JSON_OBJECT_OF(arena, {MU_STR("href"), href},
                                                  {MU_STR("method"), text_of(MU_STR("GET"))})});
}

static void add_optional(mu_arena *arena, const mu_segment_job_request *request, mu_json *job)
{
    if (request->is_scheduled)
        mu_json_set(arena, job, MU_STR("properties"),
                    MU_JSON_OBJECT_OF(arena, {MU_STR("scheduleId"), text_of(request->schedule_id)},
                                      {MU_STR("runId"), text_of(request->run_id)}));
    if (request->name.len > 0)
        mu_json_set(arena, job, MU_STR("snapshot"),
                    MU_JSON_OBJECT_OF(arena, {MU_STR("name"), text_of(request->name)}));
    if (!request->all && request->n_ids > MU_SEGMENT_JOB_IDS_SHOWN)
        mu_json_set(arena, job, MU_STR("$ids"),
                    mu_json_strings(arena, request->n_ids, request->ids));
}

mu_code mu_job_document_make(mu_arena *arena, const mu_workspace *workspace,
                             const mu_audience_book *book, const mu_segment_job_request *request,
                             mu_str id, mu_job_status status, mu_json *out, mu_err *err)
{
    int64_t now_ms = mu_workspace_now_ms(workspace);
    mu_str schema =
        request->schema_name.len > 0 ? request->schema_name : MU_STR("_xdm.context.profile");
    mu_str instance =
        request->profile_instance_id.len > 0 ? request->profile_instance_id : MU_STR("ups");
    mu_str source = request->is_scheduled ? MU_STR("scheduler") : MU_STR("api");
    (void)err;
    *out = MU_JSON_OBJECT_OF(
        arena, {MU_STR("id"), text_of(id)}, {MU_STR("profileInstanceId"), text_of(instance)},
        {MU_STR("source"), text_of(source)},
        {MU_STR("status"), text_of(mu_str_from(names[status]))},
        {MU_STR("segments"), segments_json(arena, workspace, book, request)},
        {MU_STR("metrics"),
         MU_JSON_OBJECT_OF(arena, {MU_STR("totalTime"), span_json(arena, now_ms)},
                           {MU_STR("profileSegmentationTime"), (mu_json){.kind = MU_JSON_OBJECT}})},
        {MU_STR("requestId"), text_of(request->request_id)},
        {MU_STR("schema"), MU_JSON_OBJECT_OF(arena, {MU_STR("name"), text_of(schema)})},
        {MU_STR("modelName"), text_of(schema)}, {MU_STR("_links"), links_json(arena, id)},
        {MU_STR("creationTime"), mu_json_of_integer(now_ms)},
        {MU_STR("updateTime"), mu_json_of_integer(now_ms)},
        {MU_STR("updateEpoch"), mu_json_of_integer(now_ms / 1000)});
    add_optional(arena, request, out);
    return MU_OK;
}

/* -------- transitions -------- */

static void set_status(mu_arena *arena, mu_json *job, mu_job_status status, int64_t now_ms)
{
    mu_json_set(arena, job, MU_STR("status"), text_of(mu_str_from(names[status])));
    mu_json_set(arena, job, MU_STR("updateTime"), mu_json_of_integer(now_ms));
    mu_json_set(arena, job, MU_STR("updateEpoch"), mu_json_of_integer(now_ms / 1000));
}

static void set_metric(mu_arena *arena, mu_json *job, mu_str name, mu_json value)
{
    const mu_json *before = mu_json_member(job, MU_STR("metrics"));
    mu_json metrics = before == NULL ? (mu_json){.kind = MU_JSON_OBJECT} : *before;
    mu_json_set(arena, &metrics, name, value);
    mu_json_set(arena, job, MU_STR("metrics"), metrics);
}

void mu_job_document_begin(mu_arena *arena, mu_json *job, int64_t number, int64_t now_ms)
{
    set_status(arena, job, MU_JOB_PROCESSING, now_ms);
    mu_json_set(arena, job, MU_STR("batchId"), text_of(mu_uuid_make(arena)));
    mu_json_set(arena, job, MU_STR("computeJobId"), mu_json_of_integer(number));
    mu_json_set(arena, job, MU_STR("computeGatewayJobId"), text_of(mu_uuid_make(arena)));
    set_metric(arena, job, MU_STR("profileSegmentationTime"), span_json(arena, now_ms));
}

void mu_job_document_requeue(mu_arena *arena, mu_json *job, int64_t now_ms)
{
    set_status(arena, job, MU_JOB_QUEUED, now_ms);
    mu_json_unset(arena, job, MU_STR("batchId"));
    mu_json_unset(arena, job, MU_STR("computeJobId"));
    mu_json_unset(arena, job, MU_STR("computeGatewayJobId"));
    set_metric(arena, job, MU_STR("profileSegmentationTime"), (mu_json){.kind = MU_JSON_OBJECT});
}

void mu_job_document_stop(mu_arena *arena, mu_json *job, int64_t now_ms)
{
    set_status(arena, job, MU_JOB_CANCELLING, now_ms);
}

static void end_span(mu_arena *arena, mu_json *job, mu_str name, int64_t now_ms)
{
    const mu_json *before = mu_json_get(mu_json_get(job, MU_STR("metrics")), name);
    const mu_json *start = mu_json_get(before, MU_STR("startTimeInMs"));
    if (start == NULL || start->kind != MU_JSON_INTEGER)
        return;
    int64_t end_ms = now_ms < start->integer ? start->integer : now_ms;
    mu_json span = *before;
    mu_json_set(arena, &span, MU_STR("endTimeInMs"), mu_json_of_integer(end_ms));
    mu_json_set(arena, &span, MU_STR("totalTimeInMs"), mu_json_of_integer(end_ms - start->integer));
    set_metric(arena, job, name, span);
}

void mu_job_document_end(mu_arena *arena, mu_json *job, mu_job_status status, int64_t now_ms)
{
    set_status(arena, job, status, now_ms);
    end_span(arena, job, MU_STR("totalTime"), now_ms);
    end_span(arena, job, MU_STR("profileSegmentationTime"), now_ms);
}

void mu_job_document_error(mu_arena *arena, mu_json *job, mu_str code, mu_str message)
{
    const mu_json *before = mu_json_get(job, MU_STR("errors"));
    uint32_t n = before == NULL ? 0 : before->n;
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, (size_t)n + 1);
    if (n > 0)
        memcpy(items, before->items, n * sizeof *items);
    items[n] =
        MU_JSON_OBJECT_OF(arena, {MU_STR("code"), text_of(code)}, {MU_STR("msg"), text_of(message)},
                          {MU_STR("callStack"), text_of(MU_STR(""))});
    mu_json_set(arena, job, MU_STR("errors"),
                (mu_json){.kind = MU_JSON_ARRAY, .n = n + 1, .items = items});
}

/* -------- reading -------- */

uint32_t mu_job_document_ids(mu_arena *arena, const mu_json *job, bool *all, const mu_str **out)
{
    const mu_json *hidden = mu_json_get(job, MU_STR("$ids"));
    const mu_json *from = hidden != NULL ? hidden : mu_json_get(job, MU_STR("segments"));
    uint32_t n = from == NULL || from->kind != MU_JSON_ARRAY ? 0 : from->n;
    mu_str *ids = MU_NEW_ARRAY(arena, mu_str, (size_t)n + 1);
    for (uint32_t i = 0; i < n; i++)
        ids[i] = hidden != NULL
                     ? from->items[i].string
                     : mu_json_member_string(&from->items[i], MU_STR("segmentId"), MU_STR(""));
    *all = hidden == NULL && n == 1 && mu_str_equal(ids[0], MU_STR("*"));
    *out = ids;
    return n;
}
