#include "store/store_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

mu_code mu_store_path(const char *folder, const char *name, char out[MU_PATH_MAX], mu_err *err)
{
    int len = snprintf(out, MU_PATH_MAX, "%s/%s", folder, name);
    if (len < 0 || len >= MU_PATH_MAX)
        return mu_fail(err, MU_E_INPUT, "the name of the data folder is too long");
    return MU_OK;
}

mu_code mu_part_path(const char *folder, uint64_t id, char out[MU_PATH_MAX], mu_err *err)
{
    char name[64];
    snprintf(name, sizeof name, "parts/%016" PRIx64 ".part", id);
    return mu_store_path(folder, name, out, err);
}

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

static mu_code take_lock(mu_folder *folder, mu_err *err)
{
    char path[MU_PATH_MAX], text[32];
    MU_TRY(mu_store_path(folder->path, "lock", path, err));
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return mu_fail_errno(err, "cannot open %s", path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        mu_code code = errno == EWOULDBLOCK ? already_held(fd, folder->path, err)
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
    folder->lock_fd = fd;
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

static mu_code open_catalog(mu_folder *folder, mu_err *err)
{
    char path[MU_PATH_MAX];
    MU_TRY(mu_store_path(folder->path, "catalog.db", path, err));
    bool is_writer = folder->mode == MU_STORE_WRITE;
    mu_code code = mu_catalog_open(path, is_writer ? MU_CATALOG_WRITE : MU_CATALOG_READ,
                                   &folder->catalog, err);
    if (code == MU_E_NOT_FOUND)
        return mu_fail(err, MU_E_NOT_FOUND, "%s holds no data of muster", folder->path);
    return code;
}

static mu_code prepare_for_writing(mu_folder *folder, mu_err *err)
{
    char parts[MU_PATH_MAX];
    MU_TRY(mu_store_path(folder->path, "parts", parts, err));
    MU_TRY(mu_make_directories(parts, err));
    MU_TRY(take_lock(folder, err));
    MU_TRY(open_catalog(folder, err));
    MU_TRY(mu_sync_directory(folder->path, err));
    mu_arena arena;
    uint32_t n;
    const uint64_t *ids;
    uint64_t next_part_id = 0;
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code = mu_catalog_part_ids(folder->catalog, &arena, &n, &ids, &next_part_id, err);
    if (code == MU_OK)
        code = remove_orphans(folder->path, n, ids, err);
    mu_arena_free(&arena);
    atomic_init(&folder->next_part_id, next_part_id);
    return code;
}

mu_code mu_folder_open(const char *path, mu_store_mode mode, mu_folder **out, mu_err *err)
{
    mu_folder *folder = calloc(1, sizeof *folder);
    char *copy = strdup(path);
    if (folder == NULL || copy == NULL) {
        free(folder);
        free(copy);
        return mu_fail(err, MU_E_NOMEM, "out of memory for opening %s", path);
    }
    folder->path = copy;
    folder->mode = mode;
    folder->lock_fd = -1;
    pthread_mutex_init(&folder->lock, NULL);
    mu_code code =
        mode == MU_STORE_WRITE ? prepare_for_writing(folder, err) : open_catalog(folder, err);
    if (code != MU_OK) {
        mu_folder_close(folder);
        return code;
    }
    *out = folder;
    return MU_OK;
}

void mu_folder_close(mu_folder *folder)
{
    if (folder == NULL)
        return;
    MU_ASSERT(folder->stores == NULL);
    mu_catalog_close(folder->catalog);
    if (folder->lock_fd >= 0)
        close(folder->lock_fd); /* which lets the lock go */
    pthread_mutex_destroy(&folder->lock);
    free(folder->path);
    free(folder);
}

const char *mu_folder_path(const mu_folder *folder)
{
    return folder->path;
}

mu_code mu_folder_sandboxes(mu_folder *folder, mu_arena *arena, uint32_t *n, const mu_str **out,
                            mu_err *err)
{
    pthread_mutex_lock(&folder->lock);
    mu_code code = mu_catalog_sandboxes(folder->catalog, arena, n, out, err);
    pthread_mutex_unlock(&folder->lock);
    return code;
}
