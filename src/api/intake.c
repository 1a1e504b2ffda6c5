#include "api/intake.h"

#include "api/registry_cache.h"
#include "base/hash.h"
#include "identity/identity.h"

#include <stdatomic.h>
#include <stdlib.h>

#define QUEUE_MAX 10000u

/* -------- what a view holds -------- */

/* The kinds of documents that a view is made of, beside those of the registry. */
enum kind { DATASET, CONNECTION, FLOW, TARGET_CONNECTION, N_KINDS };
static const mu_str kinds[N_KINDS] = {[DATASET] = {"dataset", 7},
                                      [CONNECTION] = {"connection", 10},
                                      [FLOW] = {"flow", 4},
                                      [TARGET_CONNECTION] = {"targetConnection", 16}};

typedef struct view_sandbox {
    const mu_api_sandbox *sandbox;
    const mu_api_registry *registry;
    mu_str settings;
    uint32_t n_namespaces;
    const mu_graph_namespace *namespaces;
    bool has_priorities;
    uint32_t n_datasets;
    mu_dataset *datasets;
    mu_strmap datasets_by_id;   /* places in `datasets` */
    mu_strmap datasets_by_flow; /* the same */
} view_sandbox;

struct mu_intake_view {
    _Atomic unsigned n_holders;
    _Atomic bool is_forgotten;
    uint64_t generations[N_KINDS]; /* read before the documents */
    mu_arena arena;
    uint32_t n_sandboxes;
    view_sandbox *sandboxes;
    uint32_t n_inlets, inlets_capacity;
    mu_intake_inlet *inlets;
    mu_strmap inlets_by_id;
};

typedef struct intake_job {
    struct intake_job *next;
    mu_intake_work *work;
    void *context;
} intake_job;

struct mu_intake {
    mu_api *api;
    pthread_mutex_t lock; /* guards `view` and the queue */
    pthread_cond_t changed;
    mu_intake_view *view;
    intake_job *first, *last;
    uint32_t n_jobs;
    bool is_closing;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t refresh; /* one reads documents at a time; taken before `lock` */
};

/* -------- datasets -------- */

/* Tags may have blanks in them (d.0): "enabled: true". */
static bool is_tag(mu_str given, mu_str wanted)
{
    size_t k = 0;
    for (size_t i = 0; i < given.len; i++) {
        if (given.ptr[i] == ' ')
            continue;
        if (k == wanted.len || given.ptr[i] != wanted.ptr[k])
            return false;
        k++;
    }
    return k == wanted.len;
}

static bool has_tag(const mu_json *tags, mu_str name, mu_str value)
{
    const mu_json *list = mu_json_member(tags, name);
    for (uint32_t i = 0; list != NULL && list->kind == MU_JSON_ARRAY && i < list->n; i++)
        if (list->items[i].kind == MU_JSON_STRING && is_tag(list->items[i].string, value))
            return true;
    return false;
}

/* A dataset whose schema is gone takes no data, so it is left out. */
static bool read_dataset(const view_sandbox *sandbox, mu_str id, const mu_json *json,
                         mu_dataset *out)
{
    const mu_json *tags = mu_json_member(json, MU_STR("tags"));
    mu_str schema =
        mu_json_member_string(mu_json_member(json, MU_STR("schemaRef")), MU_STR("id"), MU_STR(""));
    *out = (mu_dataset){
        .id = id,
        .schema = mu_registry_schema(sandbox->registry->registry, schema),
        .for_profile = has_tag(tags, MU_STR("unifiedProfile"), MU_STR("enabled:true")),
        .for_identity = has_tag(tags, MU_STR("unifiedIdentity"), MU_STR("enabled:true")),
        .is_upsert = has_tag(tags, MU_STR("unifiedProfile"), MU_STR("isUpsert:true")),
        .is_validated = !has_tag(tags, MU_STR("acp_validationContext"), MU_STR("disabled")),
        .orders_by_customer =
            has_tag(tags, MU_STR("unifiedProfile"), MU_STR("customerTimestampOrdering:true")),
    };
    return out->schema != NULL;
}

static mu_code load_datasets(mu_api *api, mu_arena *arena, view_sandbox *out, mu_err *err)
{
    uint32_t n;
    const mu_document *documents;
    MU_TRY(mu_document_list(api->options.documents, arena, out->sandbox->store_name, kinds[DATASET],
                            &n, &documents, err));
    out->datasets = MU_NEW_ARRAY(arena, mu_dataset, n);
    mu_strmap_init(&out->datasets_by_id);
    for (uint32_t i = 0; i < n; i++) {
        mu_json json;
        mu_dataset *dataset = &out->datasets[out->n_datasets];
        MU_TRY(mu_json_parse(arena, documents[i].json, &json, err));
        if (read_dataset(out, documents[i].id, &json, dataset))
            *mu_strmap_put(&out->datasets_by_id, dataset->id, NULL) = out->n_datasets++;
    }
    return MU_OK;
}

/* -------- flows -------- */

/* The dataset that a target connection names: params.dataSetId. */
static mu_code add_target(mu_arena *arena, view_sandbox *out, mu_strmap *targets,
                          const mu_document *document, mu_err *err)
{
    mu_json json;
    MU_TRY(mu_json_parse(arena, document->json, &json, err));
    const mu_json *parameters = mu_json_member(&json, MU_STR("params"));
    mu_str id =
        mu_json_member_string(parameters, MU_STR("dataSetId"),
                              mu_json_member_string(parameters, MU_STR("datasetId"), MU_STR("")));
    const uint64_t *place = mu_strmap_get(&out->datasets_by_id, id);
    if (place != NULL)
        *mu_strmap_put(targets, document->id, NULL) = *place;
    return MU_OK;
}

static mu_code add_flow(mu_arena *arena, view_sandbox *out, const mu_strmap *targets,
                        const mu_document *document, mu_err *err)
{
    mu_json json;
    MU_TRY(mu_json_parse(arena, document->json, &json, err));
    const mu_json *ids = mu_json_member(&json, MU_STR("targetConnectionIds"));
    for (uint32_t i = 0; ids != NULL && ids->kind == MU_JSON_ARRAY && i < ids->n; i++) {
        const uint64_t *place = ids->items[i].kind == MU_JSON_STRING
                                    ? mu_strmap_get(targets, ids->items[i].string)
                                    : NULL;
        if (place != NULL)
            *mu_strmap_put(&out->datasets_by_flow, document->id, NULL) = *place;
    }
    return MU_OK;
}

/* P37: of flows only this is used. */
static mu_code load_flows(mu_api *api, mu_arena *arena, view_sandbox *out, mu_err *err)
{
    uint32_t n;
    const mu_document *documents;
    mu_strmap targets;
    mu_str place = out->sandbox->store_name;
    mu_strmap_init(&out->datasets_by_flow);
    mu_strmap_init(&targets);
    mu_code code = mu_document_list(api->options.documents, arena, place, kinds[TARGET_CONNECTION],
                                    &n, &documents, err);
    for (uint32_t i = 0; code == MU_OK && i < n; i++)
        code = add_target(arena, out, &targets, &documents[i], err);
    if (code == MU_OK)
        code = mu_document_list(api->options.documents, arena, place, kinds[FLOW], &n, &documents,
                                err);
    for (uint32_t i = 0; code == MU_OK && i < n; i++)
        code = add_flow(arena, out, &targets, &documents[i], err);
    mu_strmap_free(&targets);
    return code;
}

/* -------- namespaces -------- */

static mu_graph_namespace *find_code(mu_graph_namespace *list, uint32_t n, mu_str code)
{
    for (uint32_t i = 0; i < n; i++)
        if (mu_str_equal_ascii_nocase(list[i].code, code))
            return &list[i];
    return NULL;
}

static bool read_namespace(const mu_json *json, mu_graph_namespace *out)
{
    const mu_json *id = mu_json_member(json, MU_STR("id"));
    const mu_json *priority = mu_json_member(json, MU_STR("priority"));
    *out = (mu_graph_namespace){.code = mu_json_member_string(json, MU_STR("code"), MU_STR(""))};
    if (out->code.len == 0 || id == NULL || id->kind != MU_JSON_INTEGER ||
        !mu_identity_type_parse(mu_json_member_string(json, MU_STR("idType"), MU_STR("")),
                                &out->type))
        return false;
    out->id = (uint32_t)id->integer;
    if (priority != NULL && priority->kind == MU_JSON_INTEGER)
        out->priority = (uint32_t)priority->integer;
    return true;
}

/* The built-in ones, overridden and followed by those of the sandbox's settings, which live/ has
 * checked. */
static mu_code load_namespaces(mu_arena *arena, view_sandbox *out, mu_err *err)
{
    mu_json json = {.kind = MU_JSON_NULL};
    const mu_builtin_namespace *builtins;
    uint32_t n = mu_builtin_namespaces(&builtins);
    out->settings = mu_sandbox_settings(out->sandbox->live, arena);
    if (out->settings.len > 0)
        MU_TRY(mu_json_parse(arena, out->settings, &json, err));
    const mu_json *own = mu_json_member(&json, MU_STR("namespaces"));
    uint32_t n_own = own != NULL && own->kind == MU_JSON_ARRAY ? own->n : 0;
    mu_graph_namespace *list = MU_NEW_ARRAY(arena, mu_graph_namespace, n + n_own);
    for (uint32_t i = 0; i < n; i++)
        list[i] = (mu_graph_namespace){
            .code = builtins[i].code, .id = builtins[i].id, .type = builtins[i].type};
    for (uint32_t i = 0; i < n_own; i++) {
        mu_graph_namespace one;
        if (!read_namespace(&own->items[i], &one))
            return mu_fail(err, MU_E_CORRUPT, "the identity settings hold a bad namespace");
        mu_graph_namespace *place = find_code(list, n, one.code);
        *(place != NULL ? place : &list[n++]) = one;
        out->has_priorities |= one.priority > 0;
    }
    out->namespaces = list;
    out->n_namespaces = n;
    return MU_OK;
}

/* -------- inlets -------- */

static void add_inlet(mu_intake_view *view, const mu_intake_inlet *inlet)
{
    if (view->n_inlets == view->inlets_capacity) {
        uint32_t capacity = view->inlets_capacity == 0 ? 16 : 2 * view->inlets_capacity;
        mu_intake_inlet *grown = MU_NEW_ARRAY(&view->arena, mu_intake_inlet, capacity);
        if (view->n_inlets > 0)
            memcpy(grown, view->inlets, view->n_inlets * sizeof *grown);
        view->inlets = grown;
        view->inlets_capacity = capacity;
    }
    *mu_strmap_put(&view->inlets_by_id, inlet->id, NULL) = view->n_inlets;
    view->inlets[view->n_inlets++] = *inlet;
}

static mu_code load_inlets(mu_api *api, mu_intake_view *view, uint32_t sandbox, mu_err *err)
{
    uint32_t n;
    const mu_document *documents;
    MU_TRY(mu_document_list(api->options.documents, &view->arena,
                            view->sandboxes[sandbox].sandbox->store_name, kinds[CONNECTION], &n,
                            &documents, err));
    for (uint32_t i = 0; i < n; i++) {
        mu_json json;
        MU_TRY(mu_json_parse(&view->arena, documents[i].json, &json, err));
        const mu_json *parameters = mu_json_at(&json, MU_STR("auth.params"));
        mu_intake_inlet inlet = {
            .id = mu_json_member_string(parameters, MU_STR("inletId"), MU_STR("")),
            .organization =
                mu_json_member_string(parameters, MU_STR("inletOrganization"), MU_STR("")),
            .sandbox = sandbox,
            .requires_token =
                mu_json_truth(mu_json_member(parameters, MU_STR("authenticationRequired")), false)};
        if (inlet.id.len > 0)
            add_inlet(view, &inlet);
    }
    return MU_OK;
}

/* -------- views -------- */

static void view_free(mu_intake_view *view)
{
    for (uint32_t i = 0; i < view->n_sandboxes; i++) {
        mu_strmap_free(&view->sandboxes[i].datasets_by_id);
        mu_strmap_free(&view->sandboxes[i].datasets_by_flow);
        mu_api_registry_release(view->sandboxes[i].registry);
    }
    mu_strmap_free(&view->inlets_by_id);
    mu_arena_free(&view->arena);
    free(view);
}

void mu_intake_release(mu_intake_view *view)
{
    if (view != NULL && atomic_fetch_sub(&view->n_holders, 1) == 1)
        view_free(view);
}

static void read_generations(const mu_api *api, uint64_t out[N_KINDS])
{
    for (int kind = 0; kind < N_KINDS; kind++)
        out[kind] = mu_documents_kind_generation(api->options.documents, kinds[kind]);
}

static bool is_current(const mu_intake *intake, const mu_intake_view *view)
{
    if (atomic_load(&view->is_forgotten))
        return false;
    for (int kind = 0; kind < N_KINDS; kind++)
        if (view->generations[kind] !=
            mu_documents_kind_generation(intake->api->options.documents, kinds[kind]))
            return false;
    return true;
}

void mu_intake_forget(mu_intake_view *view)
{
    atomic_store(&view->is_forgotten, true);
}

static mu_code load_sandboxes(mu_api *api, mu_intake_view *view, mu_err *err)
{
    uint32_t n = 0;
    pthread_rwlock_rdlock(&api->sandbox_lock);
    for (const mu_api_sandbox *one = api->sandboxes; one != NULL; one = one->next)
        n++;
    view->sandboxes = MU_NEW_ARRAY(&view->arena, view_sandbox, n);
    for (const mu_api_sandbox *one = api->sandboxes; one != NULL; one = one->next)
        if (!one->is_deleted)
            view->sandboxes[view->n_sandboxes++].sandbox = one;
    pthread_rwlock_unlock(&api->sandbox_lock);
    for (uint32_t i = 0; i < view->n_sandboxes; i++) {
        MU_TRY(mu_api_registry_acquire(api, view->sandboxes[i].sandbox,
                                       &view->sandboxes[i].registry, err));
        MU_TRY(load_datasets(api, &view->arena, &view->sandboxes[i], err));
        MU_TRY(load_flows(api, &view->arena, &view->sandboxes[i], err));
        MU_TRY(load_namespaces(&view->arena, &view->sandboxes[i], err));
        MU_TRY(load_inlets(api, view, i, err));
    }
    return MU_OK;
}

static mu_code load_view(mu_intake *intake, mu_intake_view **out, mu_err *err)
{
    mu_intake_view *view = calloc(1, sizeof *view);
    if (view == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory");
    mu_arena_init(&view->arena, SIZE_MAX);
    mu_strmap_init(&view->inlets_by_id);
    atomic_init(&view->n_holders, 1);
    read_generations(intake->api, view->generations);
    mu_code code = load_sandboxes(intake->api, view, err);
    if (code != MU_OK) {
        view_free(view);
        return code;
    }
    *out = view;
    return MU_OK;
}

mu_intake_view *mu_intake_acquire(mu_intake *intake)
{
    pthread_mutex_lock(&intake->lock);
    mu_intake_view *view = intake->view;
    if (view != NULL && is_current(intake, view))
        atomic_fetch_add(&view->n_holders, 1);
    else
        view = NULL;
    pthread_mutex_unlock(&intake->lock);
    return view;
}

static bool is_all_current(mu_intake *intake, const mu_intake_view *view)
{
    mu_arena scratch;
    bool is_current_so_far = true;
    mu_arena_init(&scratch, SIZE_MAX);
    for (uint32_t i = 0; is_current_so_far && i < view->n_sandboxes; i++)
        is_current_so_far = mu_intake_is_current(intake, view, i, &scratch);
    mu_arena_free(&scratch);
    return is_current_so_far;
}

mu_code mu_intake_acquire_fresh(mu_intake *intake, mu_intake_view **out, mu_err *err)
{
    pthread_mutex_lock(&intake->refresh);
    mu_intake_view *view = mu_intake_acquire(intake);
    mu_code code = MU_OK;
    if (view != NULL && !is_all_current(intake, view)) {
        mu_intake_forget(view);
        mu_intake_release(view);
        view = NULL;
    }
    if (view == NULL)
        code = load_view(intake, &view, err);
    if (code == MU_OK && view != intake->view) { /* only the holder of `refresh` changes it */
        pthread_mutex_lock(&intake->lock);
        mu_intake_view *before = intake->view;
        intake->view = view;
        atomic_fetch_add(&view->n_holders, 1);
        pthread_mutex_unlock(&intake->lock);
        mu_intake_release(before);
    }
    pthread_mutex_unlock(&intake->refresh);
    MU_TRY(code);
    *out = view;
    return MU_OK;
}

/* -------- what views are asked -------- */

const mu_intake_inlet *mu_intake_find_inlet(const mu_intake_view *view, mu_str id)
{
    const uint64_t *place = mu_strmap_get(&view->inlets_by_id, id);
    return place == NULL ? NULL : &view->inlets[*place];
}

const mu_api_sandbox *mu_intake_sandbox(const mu_intake_view *view, uint32_t sandbox)
{
    return view->sandboxes[sandbox].sandbox;
}

bool mu_intake_is_current(mu_intake *intake, const mu_intake_view *view, uint32_t sandbox,
                          mu_arena *arena)
{
    const view_sandbox *known = &view->sandboxes[sandbox];
    const mu_api_registry *registry;
    if (!mu_str_equal(known->settings, mu_sandbox_settings(known->sandbox->live, arena)) ||
        mu_api_registry_acquire(intake->api, known->sandbox, &registry, NULL) != MU_OK)
        return false;
    bool is_same = registry->number == known->registry->number;
    mu_api_registry_release(registry);
    return is_same;
}

uint32_t mu_intake_place(const mu_intake_view *view, mu_str store_name)
{
    for (uint32_t i = 0; i < view->n_sandboxes; i++)
        if (mu_str_equal(view->sandboxes[i].sandbox->store_name, store_name))
            return i;
    return UINT32_MAX;
}

static const mu_dataset *find_dataset(void *context, mu_str id)
{
    const view_sandbox *sandbox = context;
    const uint64_t *place = mu_strmap_get(&sandbox->datasets_by_id, id);
    return place == NULL ? NULL : &sandbox->datasets[*place];
}

static const mu_dataset *find_flow_dataset(void *context, mu_str id)
{
    const view_sandbox *sandbox = context;
    const uint64_t *place = mu_strmap_get(&sandbox->datasets_by_flow, id);
    return place == NULL ? NULL : &sandbox->datasets[*place];
}

mu_inlet_rules mu_intake_rules(const mu_intake_view *view, uint32_t sandbox, int64_t now_ms)
{
    view_sandbox *known = &view->sandboxes[sandbox];
    return (mu_inlet_rules){.registry = known->registry->registry,
                            .find_dataset = find_dataset,
                            .find_flow_dataset = find_flow_dataset,
                            .find_context = known,
                            .accept = {.n_namespaces = known->n_namespaces,
                                       .namespaces = known->namespaces,
                                       .has_priorities = known->has_priorities,
                                       .now_ms = now_ms}};
}

/* -------- the thread for requests that find a stale view -------- */

static void *run(void *context)
{
    mu_intake *intake = context;
    pthread_mutex_lock(&intake->lock);
    for (;;) {
        while (intake->first == NULL && !intake->is_closing)
            pthread_cond_wait(&intake->changed, &intake->lock);
        intake_job *job = intake->first;
        if (job == NULL)
            break;
        intake->first = job->next;
        if (intake->first == NULL)
            intake->last = NULL;
        intake->n_jobs--;
        pthread_mutex_unlock(&intake->lock);
        job->work(job->context);
        free(job);
        pthread_mutex_lock(&intake->lock);
    }
    pthread_mutex_unlock(&intake->lock);
    return NULL;
}

mu_code mu_intake_hand_over(mu_intake *intake, mu_intake_work *work, void *context, mu_err *err)
{
    intake_job *job = malloc(sizeof *job);
    if (job == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory");
    *job = (intake_job){.work = work, .context = context};
    pthread_mutex_lock(&intake->lock);
    bool is_full = intake->n_jobs >= QUEUE_MAX || intake->is_closing;
    if (!is_full) {
        if (intake->last != NULL)
            intake->last->next = job;
        else
            intake->first = job;
        intake->last = job;
        intake->n_jobs++;
        pthread_cond_signal(&intake->changed);
    }
    pthread_mutex_unlock(&intake->lock);
    if (!is_full)
        return MU_OK;
    free(job);
    return mu_fail(err, MU_E_LIMIT, "too many requests wait for schemas that have changed");
}

mu_code mu_intake_new(mu_api *api, mu_intake **out, mu_err *err)
{
    mu_intake *intake = calloc(1, sizeof *intake);
    if (intake == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory");
    intake->api = api;
    pthread_mutex_init(&intake->lock, NULL);
    pthread_mutex_init(&intake->refresh, NULL);
    pthread_cond_init(&intake->changed, NULL);
    intake->has_thread = pthread_create(&intake->thread, NULL, run, intake) == 0;
    if (!intake->has_thread) {
        mu_intake_free(intake);
        return mu_fail(err, MU_E_IO, "cannot start a thread");
    }
    *out = intake;
    return MU_OK;
}

void mu_intake_free(mu_intake *intake)
{
    if (intake == NULL)
        return;
    if (intake->has_thread) {
        pthread_mutex_lock(&intake->lock);
        intake->is_closing = true;
        pthread_cond_signal(&intake->changed);
        pthread_mutex_unlock(&intake->lock);
        pthread_join(intake->thread, NULL);
    }
    mu_intake_release(intake->view);
    pthread_cond_destroy(&intake->changed);
    pthread_mutex_destroy(&intake->refresh);
    pthread_mutex_destroy(&intake->lock);
    free(intake);
}
