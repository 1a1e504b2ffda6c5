#include "store/store_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

/* How often a reader looks again when a part that the catalog listed is gone by the time it is
 * opened: a writer has replaced it meanwhile. */
#define REREADS_MAX 100

/* -------- the lock -------- */

static mu_code already_held(int fd, const char *folder, mu_err *err)
{
    char holder[64] = "";
    ssize_t got = pread(fd, holder, sizeof holder - 1, 0);
    holder[got < 0 ? 0 : got] = '\0';
    holder[strcspn(holder, "\n")] = '\0';
    return mu_fail(err, MU_E_CONFLICT, "%s is being written by process %s", folder,
                   holder[0] == '\0' ? "(unknown)" : holder);
}

static mu_code take_lock(mu_store *store, mu_err *err)
{
    char path[MU_PATH_MAX], text[32];
    MU_TRY(mu_store_path(store->folder, "lock", path, err));
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return mu_fail_errno(err, "cannot open %s", path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        mu_code code = errno == EWOULDBLOCK ? already_held(fd, store->folder, err)
                                            : mu_fail_errno(err, "cannot lock %s", path);
        close(fd);
        return code;
    }
    int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)len, 0) != len) {
        mu_code code = mu_fail_errno(err, "cannot write %s", path);
        close(fd);
        return code;
    }
    store->lock_fd = fd;
    return MU_OK;
}

/* -------- files that no commit knows -------- */

/* The id of a part's file name; false for any other name. */
static bool parse_part_name(const char *name, uint64_t *id)
{
    uint64_t value = 0;
    for (int i = 0; i < 16; i++) {
        char c = name[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        value = value << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *id = value;
    return strcmp(name + 16, ".part") == 0;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static mu_code remove_orphans(const char *folder, uint32_t n_ids, const uint64_t *ids, mu_err *err)
{
    char path[MU_PATH_MAX];
    MU_TRY(mu_store_path(folder, "parts", path, err));
    DIR *dir = opendir(path);
    if (dir == NULL)
        return mu_fail_errno(err, "cannot read the folder %s", path);
    mu_code code = MU_OK;
    for (struct dirent *entry; code == MU_OK && (entry = readdir(dir)) != NULL;) {
        uint64_t id;
        if (!parse_part_name(entry->d_name, &id) ||
            bsearch(&id, ids, n_ids, sizeof id, compare_ids) != NULL)
            continue;
        if (unlinkat(dirfd(dir), entry->d_name, 0) != 0)
            code = mu_fail_errno(err, "cannot remove %s/%s", path, entry->d_name);
    }
    closedir(dir);
    return code;
}

/* -------- opening -------- */

static mu_code open_catalog(mu_store *store, mu_err *err)
{
    char path[MU_PATH_MAX];
    MU_TRY(mu_store_path(store->folder, "catalog.db", path, err));
    bool is_writer = store->mode == MU_STORE_WRITE;
    mu_code code =
        mu_catalog_open(path, is_writer ? MU_CATALOG_WRITE : MU_CATALOG_READ, &store->catalog, err);
    if (code == MU_E_NOT_FOUND)
        return mu_fail(err, MU_E_NOT_FOUND, "%s holds no data of muster", store->folder);
    return code;
}

static mu_code prepare_for_writing(mu_store *store, mu_err *err)
{
    char parts[MU_PATH_MAX];
    MU_TRY(mu_store_path(store->folder, "parts", parts, err));
    MU_TRY(mu_make_directories(parts, err));
    MU_TRY(take_lock(store, err));
    MU_TRY(open_catalog(store, err));
    MU_TRY(mu_catalog_add_sandbox(store->catalog, mu_store_sandbox(store), err));
    MU_TRY(mu_sync_directory(store->folder, err));
    mu_arena arena;
    uint32_t n;
    const uint64_t *ids;
    uint64_t next_part_id = 0;
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code = mu_catalog_part_ids(store->catalog, &arena, &n, &ids, &next_part_id, err);
    if (code == MU_OK)
        code = remove_orphans(store->folder, n, ids, err);
    mu_arena_free(&arena);
    atomic_init(&store->next_part_id, next_part_id);
    return code;
}

/* One look at the catalog; MU_E_NOT_FOUND with *is_sandbox set when a part's file was gone. */
static mu_code load_once(mu_store *store, bool *has_state, mu_snapshot **out, mu_err *err)
{
    mu_arena arena;
    mu_catalog_state state;
    *has_state = false;
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code = mu_catalog_data_version(store->catalog, &store->data_version, err);
    if (code == MU_OK)
        code = mu_catalog_read(store->catalog, &arena, mu_store_sandbox(store), &state, err);
    if (code == MU_OK) {
        const mu_snapshot *known = store->current;
        *has_state = true;
        code = mu_snapshot_new(store->folder, &state, known == NULL ? 0 : known->state.n_parts,
                               known == NULL ? NULL : known->handles, out, err);
    }
    mu_arena_free(&arena);
    return code;
}

/* Makes the newest committed state the current one. */
static mu_code load_current(mu_store *store, mu_err *err)
{
    mu_snapshot *snapshot = NULL;
    mu_code code = MU_OK;
    bool has_state = false;
    for (int i = 0; i < REREADS_MAX; i++) {
        code = load_once(store, &has_state, &snapshot, err);
        if (code != MU_E_NOT_FOUND || !has_state || store->mode == MU_STORE_WRITE)
            break;
    }
    if (code == MU_E_NOT_FOUND && has_state)
        return mu_fail(err, MU_E_CORRUPT, "%s: a part that the catalog lists has no file",
                       store->folder);
    MU_TRY(code);
    mu_snapshot_release(store->current);
    store->current = snapshot;
    return MU_OK;
}

static mu_code open_store(mu_store *store, mu_err *err)
{
    if (store->mode == MU_STORE_WRITE)
        MU_TRY(prepare_for_writing(store, err));
    else
        MU_TRY(open_catalog(store, err));
    return load_current(store, err);
}

mu_code mu_store_open(const char *folder, mu_str sandbox, mu_store_mode mode, mu_store **out,
                      mu_err *err)
{
    mu_store *store = calloc(1, sizeof *store);
    char *folder_copy = strdup(folder);
    char *sandbox_copy = malloc(sandbox.len + 1);
    if (store == NULL || folder_copy == NULL || sandbox_copy == NULL) {
        free(store);
        free(folder_copy);
        free(sandbox_copy);
        return mu_fail(err, MU_E_NOMEM, "out of memory for opening %s", folder);
    }
    if (sandbox.len > 0)
        memcpy(sandbox_copy, sandbox.ptr, sandbox.len);
    store->folder = folder_copy;
    store->sandbox = sandbox_copy;
    store->sandbox_len = sandbox.len;
    store->mode = mode;
    store->lock_fd = -1;
    pthread_mutex_init(&store->lock, NULL);
    mu_code code = open_store(store, err);
    if (code != MU_OK) {
        mu_store_close(store);
        return code;
    }
    *out = store;
    return MU_OK;
}

const char *mu_store_folder(const mu_store *store)
{
    return store->folder;
}

void mu_store_close(mu_store *store)
{
    if (store == NULL)
        return;
    MU_ASSERT(!store->has_change);
    mu_snapshot_release(store->current);
    mu_catalog_close(store->catalog);
    if (store->lock_fd >= 0)
        close(store->lock_fd); /* which lets the lock go */
    pthread_mutex_destroy(&store->lock);
    free(store->folder);
    free(store->sandbox);
    free(store);
}

static mu_code refresh(mu_store *store, mu_err *err)
{
    uint64_t version;
    if (store->mode == MU_STORE_WRITE)
        return MU_OK; /* nobody else writes */
    MU_TRY(mu_catalog_data_version(store->catalog, &version, err));
    return version == store->data_version ? MU_OK : load_current(store, err);
}

mu_code mu_snapshot_acquire(mu_store *store, mu_snapshot **out, mu_err *err)
{
    pthread_mutex_lock(&store->lock);
    mu_code code = refresh(store, err);
    if (code == MU_OK)
        *out = mu_snapshot_hold(store->current);
    pthread_mutex_unlock(&store->lock);
    return code;
}
