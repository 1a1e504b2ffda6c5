#include "api/registry_cache.h"

#include <stdatomic.h>
#include <stdlib.h>

typedef struct held_registry {
    mu_api_registry public; /* first: what callers point to */
    atomic_uint n_holders;  /* relaxed to take, acquire-release to let go */
    mu_registry *owned;
} held_registry;

/* One sandbox's state. */
typedef struct slot {
    struct slot *next;
    const mu_api_sandbox *sandbox;
    held_registry *current; /* NULL: to be read */
} slot;

struct mu_api_registries {
    pthread_mutex_t lock;      /* guards slots and numbers; held briefly */
    pthread_mutex_t edit_lock; /* held while a registry is made and published; taken first */
    slot *slots;
    uint64_t last_number;
};

static const mu_xdm_resource resources[] = {MU_XDM_DATA_TYPE, MU_XDM_FIELD_GROUP, MU_XDM_CLASS,
                                            MU_XDM_SCHEMA, MU_XDM_DESCRIPTOR};
#define N_RESOURCES (sizeof resources / sizeof resources[0])

mu_str mu_api_registry_kind(mu_xdm_resource resource)
{
    switch (resource) {
    case MU_XDM_CLASS:
        return MU_STR("xdm-class");
    case MU_XDM_FIELD_GROUP:
        return MU_STR("xdm-fieldgroup");
    case MU_XDM_DATA_TYPE:
        return MU_STR("xdm-datatype");
    case MU_XDM_SCHEMA:
        return MU_STR("xdm-schema");
    case MU_XDM_DESCRIPTOR:
        return MU_STR("xdm-descriptor");
    case MU_XDM_BEHAVIOR_RESOURCE:
        break;
    }
    return MU_STR("");
}

/* -------- the cache -------- */

mu_code mu_api_registries_new(mu_api_registries **out, mu_err *err)
{
    mu_api_registries *registries = calloc(1, sizeof *registries);
    if (registries == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for schema registries");
    pthread_mutex_init(&registries->lock, NULL);
    pthread_mutex_init(&registries->edit_lock, NULL);
    *out = registries;
    return MU_OK;
}

static void let_go(held_registry *held)
{
    if (held == NULL || atomic_fetch_sub_explicit(&held->n_holders, 1, memory_order_acq_rel) != 1)
        return;
    mu_registry_free(held->owned);
    free(held);
}

void mu_api_registries_free(mu_api_registries *registries)
{
    if (registries == NULL)
        return;
    for (slot *s = registries->slots, *next; s != NULL; s = next) {
        next = s->next;
        let_go(s->current);
        free(s);
    }
    pthread_mutex_destroy(&registries->lock);
    pthread_mutex_destroy(&registries->edit_lock);
    free(registries);
}

/* Under lock. NULL: out of memory. */
static slot *slot_of(mu_api_registries *registries, const mu_api_sandbox *sandbox)
{
    for (slot *s = registries->slots; s != NULL; s = s->next)
        if (s->sandbox == sandbox)
            return s;
    slot *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->sandbox = sandbox;
    s->next = registries->slots;
    registries->slots = s;
    return s;
}

/* The current one, held; NULL when it has to be read. */
static held_registry *take_current(mu_api_registries *registries, const mu_api_sandbox *sandbox)
{
    pthread_mutex_lock(&registries->lock);
    slot *s = slot_of(registries, sandbox);
    held_registry *held = s == NULL ? NULL : s->current;
    if (held != NULL)
        atomic_fetch_add_explicit(&held->n_holders, 1, memory_order_relaxed);
    pthread_mutex_unlock(&registries->lock);
    return held;
}

/* Takes over `owned`, also when it fails. */
static mu_code publish(mu_api_registries *registries, const mu_api_sandbox *sandbox,
                       mu_registry *owned, mu_err *err)
{
    held_registry *held = calloc(1, sizeof *held);
    pthread_mutex_lock(&registries->lock);
    slot *s = slot_of(registries, sandbox);
    if (held == NULL || s == NULL) {
        pthread_mutex_unlock(&registries->lock);
        free(held);
        mu_registry_free(owned);
        return mu_fail(err, MU_E_NOMEM, "out of memory for a schema registry");
    }
    *held = (held_registry){.public = {owned, ++registries->last_number}, .owned = owned};
    atomic_init(&held->n_holders, 1);
    held_registry *before = s->current;
    s->current = held;
    pthread_mutex_unlock(&registries->lock);
    let_go(before);
    return MU_OK;
}

/* -------- documents -------- */

typedef struct document_list {
    uint32_t n;
    mu_xdm_document *items;
} document_list;

/* The edit among `edits` that speaks of a document, or NULL. */
static const mu_document_edit *edit_of(uint32_t n, const mu_document_edit *edits, mu_str kind,
                                       mu_str id)
{
    for (uint32_t i = 0; i < n; i++)
        if (mu_str_equal(edits[i].kind, kind) && mu_str_equal(edits[i].id, id))
            return &edits[i];
    return NULL;
}

static bool is_stored(uint32_t n, const mu_document *stored, mu_str id)
{
    for (uint32_t i = 0; i < n; i++)
        if (mu_str_equal(stored[i].id, id))
            return true;
    return false;
}

/* A kind's documents as they will be after the edits. */
static void add_kind(mu_arena *arena, mu_xdm_resource resource, uint32_t n_stored,
                     const mu_document *stored, uint32_t n, const mu_document_edit *edits,
                     document_list *out)
{
    mu_str kind = mu_api_registry_kind(resource);
    mu_xdm_document *items = MU_NEW_ARRAY(arena, mu_xdm_document, out->n + n_stored + n);
    for (uint32_t i = 0; i < out->n; i++)
        items[i] = out->items[i];
    out->items = items;
    for (uint32_t i = 0; i < n_stored; i++) {
        const mu_document_edit *edit = edit_of(n, edits, kind, stored[i].id);
        if (edit == NULL || edit->action != MU_DOCUMENT_REMOVE)
            items[out->n++] = (mu_xdm_document){resource, stored[i].id,
                                                edit == NULL ? stored[i].json : edit->json};
    }
    for (uint32_t i = 0; i < n; i++)
        if (mu_str_equal(edits[i].kind, kind) && edits[i].action != MU_DOCUMENT_REMOVE &&
            !is_stored(n_stored, stored, edits[i].id))
            items[out->n++] = (mu_xdm_document){resource, edits[i].id, edits[i].json};
}

static mu_code build(mu_api *api, mu_arena *arena, const mu_api_sandbox *sandbox, uint32_t n,
                     const mu_document_edit *edits, mu_registry **out, mu_err *err)
{
    document_list documents = {0};
    for (size_t r = 0; r < N_RESOURCES; r++) {
        uint32_t n_stored;
        const mu_document *stored;
        MU_TRY(mu_document_list(api->options.documents, arena, sandbox->store_name,
                                mu_api_registry_kind(resources[r]), &n_stored, &stored, err));
        add_kind(arena, resources[r], n_stored, stored, n, edits, &documents);
    }
    return mu_registry_new(api->options.tenant, documents.n, documents.items, out, err);
}

/* -------- rows -------- */

/* Gives rows the fields of the union. A schema that has them already costs nothing. */
static mu_code extend_rows(const mu_api_sandbox *sandbox, const mu_registry *registry,
                           mu_arena *arena, mu_err *err)
{
    mu_snapshot *snapshot;
    const mu_schema *united = NULL;
    if (mu_sandbox_health(sandbox->live, NULL) != MU_OK)
        return MU_OK; /* a damaged sandbox refuses whatever would need the rows */
    MU_TRY(mu_sandbox_snapshot(sandbox->live, &snapshot, err));
    const mu_schema *base = mu_snapshot_schema(snapshot);
    mu_code code = mu_registry_union(registry, arena, base, &united, err);
    if (code == MU_OK && united != base)
        code = mu_sandbox_set_schema(sandbox->live, united, err);
    mu_snapshot_release(snapshot);
    return code;
}

/* Rows get new fields before the documents are written: fields that nothing fills are harmless,
 * but a schema whose data rows cannot hold is not. */
static mu_code make(mu_api *api, mu_arena *arena, const mu_api_sandbox *sandbox, uint32_t n,
                    const mu_document_edit *edits, mu_err *err)
{
    mu_registry *registry = NULL;
    MU_TRY(build(api, arena, sandbox, n, edits, &registry, err));
    mu_code code = extend_rows(sandbox, registry, arena, err);
    if (code == MU_OK && n > 0)
        code = mu_document_edit_all(api->options.documents, sandbox->store_name, mu_api_now_ms(api),
                                    n, edits, err);
    if (code != MU_OK) {
        mu_registry_free(registry);
        return code;
    }
    return publish(api->registries, sandbox, registry, err);
}

mu_code mu_api_registry_edit(mu_api *api, const mu_api_sandbox *sandbox, uint32_t n,
                             const mu_document_edit *edits, mu_err *err)
{
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    pthread_mutex_lock(&api->registries->edit_lock);
    mu_code code = make(api, &arena, sandbox, n, edits, err);
    pthread_mutex_unlock(&api->registries->edit_lock);
    mu_arena_free(&arena);
    return code;
}

mu_code mu_api_registry_acquire(mu_api *api, const mu_api_sandbox *sandbox,
                                const mu_api_registry **out, mu_err *err)
{
    held_registry *held = take_current(api->registries, sandbox);
    if (held != NULL) {
        *out = &held->public;
        return MU_OK;
    }
    mu_arena arena;
    mu_code code = MU_OK;
    mu_arena_init(&arena, SIZE_MAX);
    pthread_mutex_lock(&api->registries->edit_lock);
    held = take_current(api->registries, sandbox);
    if (held == NULL) {
        code = make(api, &arena, sandbox, 0, NULL, err);
        held = take_current(api->registries, sandbox);
    }
    pthread_mutex_unlock(&api->registries->edit_lock);
    mu_arena_free(&arena);
    if (code == MU_OK)
        *out = &held->public;
    return code;
}

void mu_api_registry_release(const mu_api_registry *registry)
{
    let_go((held_registry *)(uintptr_t)registry);
}
