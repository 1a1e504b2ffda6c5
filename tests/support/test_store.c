#include "tests/support/random_data.h"

#include "base/hash.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A row on its way into a part. */
typedef struct entry {
    uint32_t pid;
    mu_identity identity;
    mu_value row;
} entry;

static int compare_entries(const void *a, const void *b)
{
    uint32_t left = mu_mix32(((const entry *)a)->pid), right = mu_mix32(((const entry *)b)->pid);
    return (left > right) - (left < right);
}

static mu_code write_part(mu_change *change, mu_str entity, const mu_type *row_type, entry *entries,
                          uint32_t n, mu_err *err)
{
    if (n == 0)
        return MU_OK;
    qsort(entries, n, sizeof *entries, compare_entries);
    mu_part_writer *writer = NULL;
    MU_TRY(mu_part_writer_new(change, entity, row_type, &writer, err));
    for (uint32_t i = 0; i < n; i++) {
        mu_code code =
            mu_part_writer_add(writer, entries[i].pid, entries[i].identity, entries[i].row, err);
        if (code != MU_OK) {
            mu_part_writer_abandon(writer);
            return code;
        }
    }
    return mu_part_writer_finish(writer, err);
}

static mu_code write_records(mu_change *change, mu_arena *arena, const mu_random_data *data,
                             mu_err *err)
{
    for (uint32_t c = 0; c < data->schema->n_lookup_classes; c++) {
        const mu_lookup_class *class = &data->schema->lookup_classes[c];
        entry *entries = MU_NEW_ARRAY(arena, entry, data->n_records + 1);
        uint32_t n = 0, pid = 0;
        for (uint32_t i = 0; i < data->n_records; i++) {
            if (!mu_str_equal(data->records[i].class_name, class->name))
                continue;
            entries[n++] =
                (entry){.identity = {.value = data->records[i].key}, .row = data->records[i].value};
        }
        if (n > 0)
            MU_TRY(mu_change_new_pids(change, class->name, n, &pid, err));
        for (uint32_t i = 0; i < n; i++)
            entries[i].pid = pid + i;
        MU_TRY(write_part(change, class->name, class->type, entries, n, err));
    }
    return MU_OK;
}

static mu_identity profile_identity(const mu_random_profile *profile)
{
    return (mu_identity){.namespace_code = MU_STR("CRM"), .value = profile->identity};
}

/* Marks the dead rows that `part` replaces. */
static mu_code kill_rows(mu_store *store, mu_change *change, const mu_random_data *data,
                         uint32_t part, mu_err *err)
{
    mu_snapshot *snapshot = NULL;
    MU_TRY(mu_snapshot_acquire(store, &snapshot, err));
    const mu_entity *entity = mu_snapshot_entity(snapshot, MU_STR("profile"));
    mu_code code = MU_OK;
    for (uint32_t i = 0; i < data->n_profiles && code == MU_OK; i++) {
        const mu_random_profile *profile = &data->profiles[i];
        if (profile->part != part || mu_value_is_null(profile->outdated))
            continue;
        bool found = false;
        mu_row_place place;
        code = mu_entity_find(entity, profile_identity(profile), &found, &place, err);
        if (code == MU_OK && !found)
            code = mu_fail(err, MU_E_NOT_FOUND, "no row for " MU_STR_FMT,
                           MU_STR_ARG(profile->identity));
        if (code == MU_OK)
            code = mu_change_kill_row(change, MU_STR("profile"), place, err);
    }
    mu_snapshot_release(snapshot);
    return code;
}

static mu_code fill_change(mu_store *store, mu_change *change, mu_arena *arena,
                           const mu_random_data *data, uint32_t part, uint32_t *first_pid,
                           mu_err *err)
{
    const mu_schema *schema = part == 0 ? data->first_schema : data->schema;
    mu_change_set_schema(change, schema);
    if (part == 0) {
        MU_TRY(mu_change_new_pids(change, MU_STR("profile"), data->n_profiles, first_pid, err));
        MU_TRY(write_records(change, arena, data, err));
    } else {
        MU_TRY(kill_rows(store, change, data, part, err));
    }
    entry *entries = MU_NEW_ARRAY(arena, entry, data->n_profiles + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < data->n_profiles && part < data->n_parts; i++) {
        const mu_random_profile *profile = &data->profiles[i];
        bool is_dead = !mu_value_is_null(profile->outdated) && profile->dead_part == part;
        if (profile->part != part && !is_dead)
            continue;
        mu_value row = is_dead ? profile->outdated : profile->row;
        entries[n++] = (entry){.pid = *first_pid + i,
                               .identity = profile_identity(profile),
                               .row = mu_value_reshape(arena, row, data->schema->row, schema->row)};
    }
    return write_part(change, MU_STR("profile"), schema->row, entries, n, err);
}

/* One change per part, and a last one that deletes. */
static mu_code fill_store(mu_store *store, const mu_random_data *data, mu_err *err)
{
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code = MU_OK;
    uint32_t first_pid = 0;
    for (uint32_t part = 0; part <= data->n_parts && code == MU_OK; part++) {
        mu_change *change = NULL;
        code = mu_change_begin(store, &change, err);
        if (code != MU_OK)
            break;
        code = fill_change(store, change, &arena, data, part, &first_pid, err);
        if (code == MU_OK)
            code = mu_change_commit(change, err);
        else
            mu_change_abort(change);
        mu_arena_reset(&arena);
    }
    mu_arena_free(&arena);
    return code;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

mu_code mu_test_store_open(const mu_random_data *data, mu_test_store *out, mu_err *err)
{
    *out = (mu_test_store){0};
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(out->folder, sizeof out->folder, "%s/muster-test-XXXXXX", base);
    if (mkdtemp(out->folder) == NULL)
        return mu_fail_errno(err, "cannot make a folder in %s", base);
    mu_code code = mu_store_open(out->folder, MU_STR("prod"), MU_STORE_WRITE, &out->store, err);
    if (code == MU_OK)
        code = fill_store(out->store, data, err);
    if (code == MU_OK)
        code = mu_snapshot_acquire(out->store, &out->snapshot, err);
    if (code != MU_OK)
        mu_test_store_close(out);
    return code;
}

void mu_test_store_close(mu_test_store *store)
{
    if (store->snapshot != NULL)
        mu_snapshot_release(store->snapshot);
    if (store->store != NULL)
        mu_store_close(store->store);
    nftw(store->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    *store = (mu_test_store){0};
}
