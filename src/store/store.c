#include "store/store_int.h"

#include <stdlib.h>

/* How often a reader looks again when a part that the catalog listed is gone by the time it is
 * opened: a writer has replaced it meanwhile. */
#define REREADS_MAX 100

/* -------- the current snapshot -------- */

mu_snapshot *mu_store_current(mu_store *store)
{
    pthread_mutex_lock(&store->lock);
    mu_snapshot *current = mu_snapshot_hold(store->current);
    pthread_mutex_unlock(&store->lock);
    return current;
}

void mu_store_show(mu_store *store, mu_snapshot *next)
{
    pthread_mutex_lock(&store->lock);
    mu_snapshot *old = store->current;
    store->current = next;
    pthread_mutex_unlock(&store->lock);
    mu_snapshot_release(old);
}

static mu_code read_catalog(mu_store *store, mu_arena *arena, uint64_t *data_version,
                            mu_catalog_state *out, mu_err *err)
{
    mu_folder *folder = store->folder;
    pthread_mutex_lock(&folder->lock);
    mu_code code = mu_catalog_data_version(folder->catalog, data_version, err);
    if (code == MU_OK)
        code = mu_catalog_read(folder->catalog, arena, mu_store_sandbox(store), out, err);
    pthread_mutex_unlock(&folder->lock);
    return code;
}

/* One look at the catalog; MU_E_NOT_FOUND with *has_state set when a part's file was gone. *out
 * stays NULL when the sandbox is as it was. */
static mu_code load_once(mu_store *store, bool *has_state, mu_snapshot **out, mu_err *err)
{
    mu_arena arena;
    mu_catalog_state state;
    const mu_snapshot *known = store->current;
    *has_state = false;
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code = read_catalog(store, &arena, &store->data_version, &state, err);
    if (code == MU_OK) {
        *has_state = true;
        if (known == NULL || known->state.generation != state.generation)
            code = mu_snapshot_read(store->folder->path, &state, known, out, err);
    }
    mu_arena_free(&arena);
    return code;
}

/* Makes the newest committed state the current one. The caller holds store->disk, or is alone. */
static mu_code load_current(mu_store *store, mu_err *err)
{
    mu_snapshot *snapshot = NULL;
    mu_code code = MU_OK;
    bool has_state = false;
    for (int i = 0; i < REREADS_MAX; i++) {
        code = load_once(store, &has_state, &snapshot, err);
        if (code != MU_E_NOT_FOUND || !has_state || store->folder->mode == MU_STORE_WRITE)
            break;
    }
    if (code == MU_E_NOT_FOUND && has_state)
        return mu_fail(err, MU_E_CORRUPT, "%s: a part that the catalog lists has no file",
                       store->folder->path);
    MU_TRY(code);
    if (snapshot != NULL)
        mu_store_show(store, snapshot);
    return MU_OK;
}

/* Another process may have committed since the last look. */
static mu_code refresh(mu_store *store, mu_err *err)
{
    uint64_t version;
    mu_folder *folder = store->folder;
    pthread_mutex_lock(&store->disk);
    pthread_mutex_lock(&folder->lock);
    mu_code code = mu_catalog_data_version(folder->catalog, &version, err);
    pthread_mutex_unlock(&folder->lock);
    if (code == MU_OK && version != store->data_version)
        code = load_current(store, err);
    pthread_mutex_unlock(&store->disk);
    return code;
}

mu_code mu_snapshot_acquire(mu_store *store, mu_snapshot **out, mu_err *err)
{
    if (store->folder->mode == MU_STORE_READ)
        MU_TRY(refresh(store, err));
    *out = mu_store_current(store);
    return MU_OK;
}

/* -------- opening -------- */

static void free_store(mu_store *store)
{
    pthread_mutex_destroy(&store->moving);
    pthread_mutex_destroy(&store->disk);
    pthread_mutex_destroy(&store->memory);
    pthread_mutex_destroy(&store->lock);
    free(store->sandbox);
    free(store);
}

static mu_code new_store(mu_folder *folder, mu_str sandbox, mu_store **out, mu_err *err)
{
    mu_store *store = calloc(1, sizeof *store);
    char *copy = malloc(sandbox.len + 1);
    if (store == NULL || copy == NULL) {
        free(store);
        free(copy);
        return mu_fail(err, MU_E_NOMEM, "out of memory for opening %s", folder->path);
    }
    if (sandbox.len > 0)
        memcpy(copy, sandbox.ptr, sandbox.len);
    store->sandbox = copy;
    store->sandbox_len = sandbox.len;
    store->folder = folder;
    store->part_rows_max = MU_PART_ROWS_MAX;
    store->part_bytes_max = MU_PART_BYTES_MAX;
    pthread_mutex_init(&store->moving, NULL);
    pthread_mutex_init(&store->disk, NULL);
    pthread_mutex_init(&store->memory, NULL);
    pthread_mutex_init(&store->lock, NULL);
    *out = store;
    return MU_OK;
}

/* Enters the store in the folder's list. A sandbox has one writer. */
static mu_code enter(mu_store *store, mu_err *err)
{
    mu_folder *folder = store->folder;
    mu_code code = MU_OK;
    pthread_mutex_lock(&folder->lock);
    if (folder->mode == MU_STORE_WRITE) {
        for (mu_store *other = folder->stores; code == MU_OK && other != NULL; other = other->next)
            if (mu_str_equal(mu_store_sandbox(other), mu_store_sandbox(store)))
                code = mu_fail(err, MU_E_CONFLICT, "sandbox \"" MU_STR_FMT "\" is open already",
                               MU_STR_ARG(mu_store_sandbox(store)));
        if (code == MU_OK)
            code = mu_catalog_add_sandbox(folder->catalog, mu_store_sandbox(store), err);
    }
    if (code == MU_OK) {
        store->next = folder->stores;
        folder->stores = store;
    }
    pthread_mutex_unlock(&folder->lock);
    return code;
}

static void leave(mu_store *store)
{
    mu_folder *folder = store->folder;
    pthread_mutex_lock(&folder->lock);
    mu_store **link = &folder->stores;
    while (*link != store)
        link = &(*link)->next;
    *link = store->next;
    pthread_mutex_unlock(&folder->lock);
}

mu_code mu_store_open_in(mu_folder *folder, mu_str sandbox, mu_store **out, mu_err *err)
{
    mu_store *store = NULL;
    MU_TRY(new_store(folder, sandbox, &store, err));
    mu_code code = enter(store, err);
    if (code != MU_OK) {
        free_store(store);
        return code;
    }
    code = load_current(store, err);
    if (code != MU_OK) {
        mu_store_close(store);
        return code;
    }
    *out = store;
    return MU_OK;
}

mu_code mu_store_open(const char *path, mu_str sandbox, mu_store_mode mode, mu_store **out,
                      mu_err *err)
{
    mu_folder *folder;
    MU_TRY(mu_folder_open(path, mode, &folder, err));
    mu_code code = mu_store_open_in(folder, sandbox, out, err);
    if (code != MU_OK) {
        mu_folder_close(folder);
        return code;
    }
    (*out)->owns_folder = true;
    return MU_OK;
}

const char *mu_store_folder(const mu_store *store)
{
    return store->folder->path;
}

void mu_store_close(mu_store *store)
{
    if (store == NULL)
        return;
    mu_folder *folder = store->folder;
    bool owns_folder = store->owns_folder;
    MU_ASSERT(!store->has_change && !store->has_fold && !store->has_rewrite);
    leave(store);
    mu_snapshot_release(store->current);
    free_store(store);
    if (owns_folder)
        mu_folder_close(folder);
}
