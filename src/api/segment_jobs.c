/* segment_jobs.c -- /data/core/ups/segment/jobs (api.md 12).
 */
#include "api/api_int.h"
#include "api/listing.h"

#define BASE          "/data/core/ups/segment/jobs"
#define MESSAGES_MAX  1000u
#define RETRY_SECONDS "10"

/* -------- showing -------- */

typedef struct job_scene {
    mu_api_call *call;
    mu_workspace *workspace;
    const mu_shelf *shelf;
    mu_json sandbox;
    mu_str status; /* of the list; empty: any */
} job_scene;

static bool scene_begin(mu_http_request *request, mu_http_response *response, job_scene *out)
{
    mu_err err;
    *out = (job_scene){.call = mu_api_call_of(request)};
    if (!mu_api_workspace(request, response, &out->workspace))
        return false;
    if (mu_shelf_acquire(out->workspace->shelves, MU_SEGMENT_JOB_KIND, &out->shelf, &err) !=
        MU_OK) {
        (void)mu_api_fail(request, response, &err);
        return false;
    }
    out->sandbox = mu_api_sandbox_json(mu_http_request_arena(request), out->call->sandbox);
    return true;
}

/* What is stored, but for hidden members, which begin with "$"; and whose it is. `more`: another
 * member, or NULL. */
static mu_json show_stored(const job_scene *scene, mu_arena *arena, const mu_json *stored,
                           const mu_json_pair *more)
{
    mu_json_pair *members = MU_NEW_ARRAY(arena, mu_json_pair, stored->n + 3);
    uint32_t n = 0;
    for (uint32_t i = 0; i < stored->n; i++)
        if (!mu_str_starts_with(stored->names[i], MU_STR("$")))
            members[n++] = (mu_json_pair){stored->names[i], stored->items[i]};
    members[n++] = (mu_json_pair){MU_STR("imsOrgId"), mu_json_of_string(scene->call->organization)};
    members[n++] = (mu_json_pair){MU_STR("sandbox"), scene->sandbox};
    if (more != NULL)
        members[n++] = *more;
    return mu_json_object(arena, n, members);
}

static mu_json show(void *context, mu_arena *arena, const mu_shelf_item *item)
{
    const job_scene *scene = context;
    uint64_t done, all;
    mu_str status = mu_json_member_string(&item->json, MU_STR("status"), MU_STR(""));
    if (!mu_str_equal(status, MU_STR("PROCESSING")) ||
        !mu_segment_jobs_progress(scene->call->api->jobs, scene->workspace, item->document.id,
                                  &done, &all))
        return show_stored(scene, arena, &item->json, NULL);
    const mu_json_pair progress = {
        MU_STR("progress"),
        MU_JSON_OBJECT_OF(arena, {MU_STR("profilesDone"), mu_json_of_integer((int64_t)done)},
                          {MU_STR("profilesTotal"), mu_json_of_integer((int64_t)all)})};
    return show_stored(scene, arena, &item->json, &progress);
}

static mu_http_outcome answer_not_found(mu_http_request *request, mu_http_response *response,
                                        mu_str id)
{
    return mu_api_problem_format(request, response, 404, MU_STR("UPAPI-113000-404"),
                                 "There is no segment job with the id " MU_STR_FMT, MU_STR_ARG(id));
}

static mu_http_outcome answer_item(mu_http_request *request, mu_http_response *response, mu_str id)
{
    job_scene scene;
    mu_http_outcome outcome;
    if (!scene_begin(request, response, &scene))
        return MU_HTTP_DONE;
    const mu_shelf_item *item = mu_shelf_find(scene.shelf, id);
    if (item == NULL) {
        outcome = answer_not_found(request, response, id);
    } else {
        mu_json json = show(&scene, mu_http_request_arena(request), item);
        outcome = mu_api_answer(response, 200, &json);
    }
    mu_shelf_release(scene.shelf);
    return outcome;
}

/* -------- lists -------- */

static bool is_listed(void *context, const mu_shelf_item *item)
{
    const job_scene *scene = context;
    return mu_str_equal(mu_json_member_string(&item->json, MU_STR("status"), MU_STR("")),
                        scene->status);
}

static bool is_status(mu_str text)
{
    static const char *const known[] = {"NEW",       "QUEUED", "PROCESSING", "CANCELLING",
                                        "CANCELLED", "FAILED", "SUCCEEDED"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (mu_str_equal(text, mu_str_from(known[i])))
            return true;
    return false;
}

static mu_http_outcome list(mu_http_request *request, mu_http_response *response, void *context)
{
    job_scene scene;
    mu_str status = MU_STR("");
    (void)context;
    if (mu_http_pairs_find(mu_http_request_query(request), MU_STR("status"), &status) &&
        !is_status(status))
        return mu_api_problem(request, response, 400, MU_STR("UPAPI-119912-400"),
                              MU_STR("status: no segment job is ever in such a state"));
    if (!scene_begin(request, response, &scene))
        return MU_HTTP_DONE;
    scene.status = status;
    const mu_listing listing = {.shape = MU_LIST_JOBS,
                                .path = "/segment/jobs",
                                .shelf = scene.shelf,
                                .order_default = "creationTime:desc",
                                .is_listed = status.len > 0 ? is_listed : NULL,
                                .show = show,
                                .context = &scene};
    mu_http_outcome outcome = mu_api_list(request, response, &listing);
    mu_shelf_release(scene.shelf);
    return outcome;
}

static mu_http_outcome get(mu_http_request *request, mu_http_response *response, void *context)
{
    (void)context;
    return answer_item(request, response, mu_http_request_parameter(request, MU_STR("id")));
}

static bool show_found(void *context, mu_arena *arena, mu_str id, mu_json *out)
{
    job_scene *scene = context;
    const mu_shelf_item *item = mu_shelf_find(scene->shelf, id);
    if (item != NULL)
        *out = show(scene, arena, item);
    return item != NULL;
}

static mu_http_outcome bulk_get(mu_http_request *request, mu_http_response *response, void *context)
{
    job_scene scene;
    uint32_t n;
    const mu_str *ids;
    (void)context;
    if (!mu_api_bulk_ids(request, response, &n, &ids) || !scene_begin(request, response, &scene))
        return MU_HTTP_DONE;
    mu_http_outcome outcome =
        mu_api_bulk_answer(request, response, n, ids, false, show_found, &scene);
    mu_shelf_release(scene.shelf);
    return outcome;
}

/* -------- creating -------- */

typedef struct asking {
    mu_http_request *request;
    mu_http_response *response;
    mu_arena *arena;
    mu_segment_job_request job;
    mu_str *ids;
    uint32_t n_messages;
    mu_str *messages;
} asking;

static void complain(asking *a, mu_str message)
{
    if (a->n_messages < MESSAGES_MAX)
        a->messages[a->n_messages++] = message;
}

static mu_http_outcome answer_complaints(asking *a)
{
    const mu_http_ups_error error = {.status = 400,
                                     .code = MU_STR("UPAPI-119911-400"),
                                     .messages = a->messages,
                                     .n_messages = a->n_messages};
    return mu_api_refuse(a->request, a->response, &error);
}

/* {"segmentId": id}, or the id as a text. */
static mu_str id_of(const mu_json *item)
{
    const mu_json *id =
        item->kind == MU_JSON_STRING ? item : mu_json_get(item, MU_STR("segmentId"));
    return id != NULL && id->kind == MU_JSON_STRING ? id->string : MU_STR("");
}

static void read_ids(asking *a, const mu_json *segments, const char *pointer)
{
    uint32_t n = segments == NULL || segments->kind != MU_JSON_ARRAY ? 0 : segments->n;
    a->ids = MU_NEW_ARRAY(a->arena, mu_str, (size_t)n + 1);
    if (n == 0)
        complain(a, mu_arena_format(a->arena, "%s: a list of segment ids is wanted", pointer));
    for (uint32_t i = 0; i < n; i++) {
        mu_str id = id_of(&segments->items[i]);
        if (id.len == 0)
            complain(a, mu_arena_format(a->arena, "%s/%u: a segmentId is wanted", pointer, i));
        a->job.all |= mu_str_equal(id, MU_STR("*"));
        a->ids[i] = id;
    }
    if (a->job.all && n > 1)
        complain(a, mu_arena_format(a->arena, "%s: * must be the only one", pointer));
    a->job.ids = a->ids;
    a->job.n_ids = a->job.all ? 0 : n;
}

/* The name of the class: {"name"}, or the name alone. */
static mu_str schema_of(const mu_json *schema)
{
    mu_str name = schema != NULL && schema->kind == MU_JSON_STRING
                      ? schema->string
                      : mu_json_member_string(schema, MU_STR("name"), MU_STR(""));
    return mu_str_equal(name, MU_STR("_xom.context.account")) ? MU_STR("_xdm.context.account")
                                                              : name;
}

static void read_body(asking *a, const mu_json *body)
{
    if (body->kind != MU_JSON_OBJECT) {
        read_ids(a, body, "");
        return;
    }
    const mu_json *schema = mu_json_get(body, MU_STR("schema"));
    const mu_json *name = mu_json_get(body, MU_STR("name"));
    if (schema != NULL && schema->kind != MU_JSON_OBJECT && schema->kind != MU_JSON_STRING)
        complain(a, MU_STR("/schema: an object with a name is wanted"));
    if (name != NULL && name->kind != MU_JSON_STRING)
        complain(a, MU_STR("/name: a text is wanted"));
    a->job.schema_name = schema_of(schema);
    a->job.name = mu_json_member_string(body, MU_STR("name"), MU_STR(""));
    read_ids(a, mu_json_get(body, MU_STR("segments")), "/segments");
}

/* Every id that cannot be evaluated gets its message. */
static void check_ids(asking *a, const mu_audience_book *book)
{
    for (uint32_t i = 0; i < a->job.n_ids; i++) {
        const char *reason = mu_subject_refusal(mu_audience_find(book, a->ids[i]));
        if (reason != NULL && a->ids[i].len > 0)
            complain(a, mu_arena_format(a->arena, "/segments/%u/segmentId: " MU_STR_FMT ": %s", i,
                                        MU_STR_ARG(a->ids[i]), reason));
    }
}

static mu_http_outcome answer_refused(asking *a, const mu_err *err)
{
    mu_str text = mu_str_from(err->text);
    if (err->code == MU_E_LIMIT) {
        mu_http_response_header(a->response, MU_STR("Retry-After"), MU_STR(RETRY_SECONDS));
        return mu_api_problem(a->request, a->response, 429, MU_STR("UPAPI-119919-429"), text);
    }
    if (err->code != MU_E_INPUT)
        return mu_api_fail(a->request, a->response, err);
    bool is_guardrail = mu_str_starts_with(text, MU_STR("guardrail:"));
    return mu_api_problem(a->request, a->response, 400,
                          is_guardrail ? MU_STR("UPAPI-119920-400") : MU_STR("UPAPI-119911-400"),
                          text);
}

static mu_http_outcome create(asking *a, mu_workspace *workspace)
{
    mu_err err;
    mu_json created;
    mu_str id;
    const mu_audience_book *book;
    mu_api_call *call = mu_api_call_of(a->request);
    if (mu_audience_book_acquire(workspace->books, &book, &err) != MU_OK)
        return mu_api_fail(a->request, a->response, &err);
    check_ids(a, book);
    mu_audience_book_release(book);
    if (a->n_messages > 0)
        return answer_complaints(a);
    a->job.request_id = mu_http_request_id(a->request);
    a->job.is_development = !call->sandbox->is_production;
    a->job.author = &call->author;
    if (!mu_http_request_header(a->request, MU_STR("x-profile-instance-id"),
                                &a->job.profile_instance_id))
        a->job.profile_instance_id = MU_STR("");
    a->job.created = &created;
    if (mu_segment_jobs_create(call->api->jobs, workspace, &a->job, a->arena, &id, &err) != MU_OK)
        return answer_refused(a, &err);
    /* As it was made (12.4): it may run already. */
    const job_scene scene = {.call = call, .sandbox = mu_api_sandbox_json(a->arena, call->sandbox)};
    mu_json shown = show_stored(&scene, a->arena, &created, NULL);
    return mu_api_answer(a->response, 200, &shown);
}

static mu_http_outcome post(mu_http_request *request, mu_http_response *response, void *context)
{
    mu_json body;
    mu_workspace *workspace;
    asking a = {.request = request, .response = response, .arena = mu_http_request_arena(request)};
    (void)context;
    if (!mu_api_body(request, response, &body) || !mu_api_workspace(request, response, &workspace))
        return MU_HTTP_DONE;
    a.messages = MU_NEW_ARRAY(a.arena, mu_str, MESSAGES_MAX);
    if (body.kind != MU_JSON_OBJECT && body.kind != MU_JSON_ARRAY) {
        mu_http_refuse(request, response, MU_HTTP_PROBLEM_BAD_JSON,
                       MU_STR("The body must be a list of segment ids, or an object with one"));
        return MU_HTTP_DONE;
    }
    read_body(&a, &body);
    return create(&a, workspace);
}

/* -------- cancelling -------- */

static mu_http_outcome cancel(mu_http_request *request, mu_http_response *response, void *context)
{
    mu_err err;
    mu_workspace *workspace;
    mu_str id = mu_http_request_parameter(request, MU_STR("id"));
    (void)context;
    if (!mu_api_workspace(request, response, &workspace))
        return MU_HTTP_DONE;
    mu_code code = mu_segment_jobs_cancel(mu_api_call_of(request)->api->jobs, workspace, id, &err);
    if (code == MU_E_NOT_FOUND)
        return answer_not_found(request, response, id);
    if (code != MU_OK)
        return mu_api_fail(request, response, &err);
    mu_http_response_status(response, 204);
    return MU_HTTP_DONE;
}

mu_code mu_api_add_segment_jobs(mu_api *api, mu_http_router *router, mu_err *err)
{
    static const mu_http_route routes[] = {
        {.method = MU_HTTP_GET, .pattern = BASE, .handler = list},
        {.method = MU_HTTP_POST, .pattern = BASE, .handler = post},
        {.method = MU_HTTP_POST, .pattern = BASE "/bulk-get", .handler = bulk_get},
        {.method = MU_HTTP_GET, .pattern = BASE "/{id}", .handler = get},
        {.method = MU_HTTP_DELETE, .pattern = BASE "/{id}", .handler = cancel},
    };
    return mu_api_add(api, router, MU_API_CHECKED, routes, sizeof routes / sizeof routes[0], err);
}
