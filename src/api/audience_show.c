/* audience_show.c -- an audience as it is shown: what is stored, and what is known from elsewhere:
 * organisation, sandbox, who refers to it, the default merge policy, the last evaluation, its tag
 * (api.md 5, 7, 8.1, 8.9). */
#include "api/audience_int.h"

#include "base/hash.h"

#include <stdlib.h>

#define COMPUTED_MEMBERS 8u /* members that are not stored */

/* -------- default merge policies -------- */

/* One class of one sandbox. `generation`: of the kind mergePolicy, when it was looked up. */
struct mu_default_policy {
    struct mu_default_policy *next;
    mu_str place, schema_name, id; /* in `arena` */
    uint64_t generation;
    mu_arena arena;
};

static struct mu_default_policy *find_default(mu_api *api, mu_str place, mu_str schema_name)
{
    struct mu_default_policy *at = api->default_policies;
    while (at != NULL &&
           !(mu_str_equal(at->place, place) && mu_str_equal(at->schema_name, schema_name)))
        at = at->next;
    return at;
}

static void keep_default(mu_api *api, mu_str place, mu_str schema_name, uint64_t generation,
                         mu_str id)
{
    pthread_mutex_lock(&api->default_policies_lock);
    struct mu_default_policy *entry = find_default(api, place, schema_name);
    if (entry == NULL && (entry = calloc(1, sizeof *entry)) != NULL) {
        mu_arena_init(&entry->arena, SIZE_MAX);
        entry->place = mu_arena_copy(&entry->arena, place);
        entry->schema_name = mu_arena_copy(&entry->arena, schema_name);
        entry->next = api->default_policies;
        api->default_policies = entry;
    }
    if (entry != NULL && generation >= entry->generation) {
        if (!mu_str_equal(entry->id, id))
            entry->id = mu_arena_copy(&entry->arena, id);
        entry->generation = generation;
    }
    pthread_mutex_unlock(&api->default_policies_lock);
}

void mu_api_default_policies_free(mu_api *api)
{
    while (api->default_policies != NULL) {
        struct mu_default_policy *entry = api->default_policies;
        api->default_policies = entry->next;
        mu_arena_free(&entry->arena);
        free(entry);
    }
}

mu_str mu_api_default_policy(mu_api *api, mu_arena *arena, mu_str place, mu_str schema_name)
{
    uint64_t generation =
        mu_documents_kind_generation(api->options.documents, MU_MERGE_POLICY_KIND);
    pthread_mutex_lock(&api->default_policies_lock);
    const struct mu_default_policy *entry = find_default(api, place, schema_name);
    bool is_known = entry != NULL && entry->generation == generation;
    mu_str id = is_known ? mu_arena_copy(arena, entry->id) : MU_STR("");
    pthread_mutex_unlock(&api->default_policies_lock);
    mu_stored_policy found;
    if (is_known || mu_stored_policy_find(api->options.documents, arena, place, MU_STR(""),
                                          schema_name, &found, NULL) != MU_OK)
        return id;
    keep_default(api, place, schema_name, generation, found.policy.id);
    return found.policy.id;
}

/* -------- scenes -------- */

static mu_code acquire(mu_workspace *workspace, const mu_audience_book **book,
                       const mu_shelf **metrics, mu_err *err)
{
    MU_TRY(mu_shelf_acquire(workspace->shelves, MU_AUDIENCE_METRICS_KIND, metrics, err));
    mu_code code = mu_audience_book_acquire(workspace->books, book, err);
    if (code != MU_OK)
        mu_shelf_release(*metrics);
    return code;
}

bool mu_audience_scene_begin(mu_http_request *request, mu_http_response *response,
                             mu_audience_view view, mu_audience_scene *out)
{
    mu_err err;
    *out = (mu_audience_scene){.request = request,
                               .call = mu_api_call_of(request),
                               .arena = mu_http_request_arena(request),
                               .view = view};
    if (!mu_api_workspace(request, response, &out->workspace))
        return false;
    if (acquire(out->workspace, &out->book, &out->metrics, &err) == MU_OK)
        return true;
    (void)mu_api_fail(request, response, &err);
    return false;
}

void mu_audience_scene_end(mu_audience_scene *scene)
{
    mu_audience_book_release(scene->book);
    mu_shelf_release(scene->metrics);
}

mu_code mu_audience_scene_renew(mu_audience_scene *scene, mu_err *err)
{
    const mu_audience_book *book;
    const mu_shelf *metrics;
    MU_TRY(acquire(scene->workspace, &book, &metrics, err));
    mu_audience_scene_end(scene);
    scene->book = book;
    scene->metrics = metrics;
    scene->policy_schema = MU_STR(""); /* it was a text of the book before */
    return MU_OK;
}

const mu_audience *mu_audience_scene_find(const mu_audience_scene *scene, mu_str id)
{
    const mu_audience *found = mu_audience_find(scene->book, id);
    if (scene->view == MU_AUDIENCE_VIEW_DEFINITIONS)
        return found != NULL && !found->is_external ? found : NULL;
    return found != NULL ? found : mu_audience_find_external(scene->book, MU_STR(""), id);
}

/* -------- tags -------- */

mu_str mu_audience_etag(mu_arena *arena, const mu_audience *audience)
{
    const mu_document *document = &audience->item->document;
    const mu_json *epoch = mu_json_get(&audience->item->json, MU_STR("updateEpoch"));
    int64_t seconds = epoch != NULL && epoch->kind == MU_JSON_INTEGER ? epoch->integer
                                                                      : document->updated_ms / 1000;
    /* One more with each change, from a start of its own for each audience. */
    uint32_t counter = mu_mix32((uint32_t)document->number) + (uint32_t)document->version;
    return mu_arena_format(arena, "\"%08x-0000-0200-0000-%08x0000\"", counter, (uint32_t)seconds);
}

bool mu_etag_matches(mu_str header, mu_str etag, bool is_strong)
{
    for (;;) {
        size_t comma = mu_str_find(header, MU_STR(","));
        mu_str tag = mu_str_trim((mu_str){header.ptr, comma == SIZE_MAX ? header.len : comma});
        if (!is_strong && mu_str_starts_with(tag, MU_STR("W/")))
            tag = (mu_str){tag.ptr + 2, tag.len - 2};
        if (mu_str_equal(tag, MU_STR("*")) || mu_str_equal(tag, etag))
            return true;
        if (comma == SIZE_MAX)
            return false;
        header = (mu_str){header.ptr + comma + 1, header.len - comma - 1};
    }
}

/* -------- members that are not stored -------- */

static mu_json ids_of(mu_arena *arena, uint32_t n, const mu_audience *const *audiences)
{
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, n);
    for (uint32_t i = 0; i < n; i++)
        items[i] = mu_json_of_string(audiences[i]->id);
    return (mu_json){.kind = MU_JSON_ARRAY, .n = n, .items = items};
}

/* One who follows the default of its class shows which that is. */
static mu_json policy_of(mu_audience_scene *scene, const mu_audience *audience)
{
    if (audience->is_external)
        return (mu_json){.kind = MU_JSON_NULL};
    if (audience->merge_policy_id.len > 0)
        return mu_json_of_string(audience->merge_policy_id);
    if (!mu_str_equal(scene->policy_schema, audience->schema_name)) {
        scene->policy_id = mu_api_default_policy(scene->call->api, scene->arena, scene->call->place,
                                                 audience->schema_name);
        scene->policy_schema = audience->schema_name;
    }
    return scene->policy_id.len > 0 ? mu_json_of_string(scene->policy_id)
                                    : (mu_json){.kind = MU_JSON_NULL};
}

static const mu_json *metrics_of(const mu_audience_scene *scene, const mu_audience *audience)
{
    const mu_shelf_item *item = mu_shelf_find(scene->metrics, audience->id);
    return item == NULL ? NULL : &item->json;
}

static mu_json baseline_of(const mu_audience_scene *scene, const mu_audience *audience)
{
    const mu_json *metrics = audience->is_external ? NULL : metrics_of(scene, audience);
    const mu_json *at = mu_json_get(metrics, MU_STR("updateEpoch"));
    return at == NULL ? (mu_json){.kind = MU_JSON_NULL} : *at;
}

mu_json mu_audience_computed(mu_audience_scene *scene, const mu_audience *audience, mu_str name)
{
    mu_arena *arena = scene->arena;
    if (mu_str_equal(name, MU_STR("imsOrgId")))
        return mu_json_of_string(scene->call->organization);
    if (mu_str_equal(name, MU_STR("sandbox")))
        return mu_api_sandbox_json(arena, scene->call->sandbox);
    if (mu_str_equal(name, MU_STR("mergePolicyId")))
        return policy_of(scene, audience);
    if (mu_str_equal(name, MU_STR("dependents")))
        return ids_of(arena, audience->n_dependents, audience->dependents);
    if (mu_str_equal(name, MU_STR("_etag")))
        return mu_json_of_string(mu_audience_etag(arena, audience));
    if (mu_str_equal(name, MU_STR("baselineTime")))
        return baseline_of(scene, audience);
    const mu_json *metrics =
        mu_str_equal(name, MU_STR("metrics")) ? metrics_of(scene, audience) : NULL;
    return metrics == NULL ? (mu_json){.kind = MU_JSON_NULL} : *metrics;
}

/* -------- the object -------- */

typedef struct members {
    mu_str *names;
    mu_json *items;
    uint32_t n;
} members;

static void add(members *to, mu_str name, mu_json value)
{
    if (value.kind == MU_JSON_NULL)
        return;
    to->names[to->n] = name;
    to->items[to->n++] = value;
}

static void add_computed(members *to, mu_audience_scene *scene, const mu_audience *audience,
                         const char *name)
{
    add(to, mu_str_from(name), mu_audience_computed(scene, audience, mu_str_from(name)));
}

mu_json mu_audience_show(mu_audience_scene *scene, const mu_audience *audience)
{
    static const char *const after[] = {"mergePolicyId", "dependents", "baselineTime", "metrics",
                                        "_etag"};
    const mu_json *stored = &audience->item->json;
    members out = {
        .names = MU_NEW_ARRAY(scene->arena, mu_str, (size_t)stored->n + COMPUTED_MEMBERS),
        .items = MU_NEW_ARRAY(scene->arena, mu_json, (size_t)stored->n + COMPUTED_MEMBERS)};
    add(&out, MU_STR("id"), mu_json_of_string(audience->id));
    add_computed(&out, scene, audience, "imsOrgId");
    add_computed(&out, scene, audience, "sandbox");
    for (uint32_t i = 0; i < stored->n; i++) {
        mu_str name = stored->names[i];
        bool is_hidden = name.len > 0 && name.ptr[0] == '$';
        if (!is_hidden && !mu_str_equal(name, MU_STR("id")) &&
            !mu_str_equal(name, MU_STR("mergePolicyId")))
            add(&out, name, stored->items[i]);
    }
    for (size_t i = 0; i < sizeof after / sizeof after[0]; i++)
        add_computed(&out, scene, audience, after[i]);
    return (mu_json){.kind = MU_JSON_OBJECT, .n = out.n, .names = out.names, .items = out.items};
}
