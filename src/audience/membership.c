/* membership.c -- states of memberships: read, committed, kept small. */
#include "audience/membership.h"

#include "audience/membership_int.h"
#include "ingest/file_name.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* More files than this, or more bytes of changes than of what they change, become one file. */
#define FILES_MAX        32u
#define CHANGE_BYTES_MIN ((uint64_t)1 << 20)

typedef struct state {
    mu_membership_state public; /* first: a mu_membership_state is a state */
    _Atomic uint32_t n_holders;
    mu_member_record **records; /* by id; public.audiences is the same array */
} state;

typedef struct manifest_file {
    uint64_t number, n_bytes;
} manifest_file;

struct mu_memberships {
    mu_arena arena; /* of the two texts */
    mu_str place, folder;
    mu_shelves *shelves;
    pthread_mutex_t commit_lock; /* one commit at a time; guards what follows but `present` */
    uint32_t n_files, capacity;
    manifest_file *files;       /* of the manifest, in order; the first has everything before it */
    uint64_t next_number;       /* of a file */
    uint64_t replaced_before;   /* files below this number, and no others, were replaced by one */
    pthread_mutex_t state_lock; /* held for the pointer only */
    state *present;
};

/* -------- states -------- */

static state *state_new(uint32_t capacity)
{
    state *made = calloc(1, sizeof *made);
    MU_ASSERT(made != NULL);
    made->records = calloc((size_t)capacity + 1, sizeof(mu_member_record *));
    MU_ASSERT(made->records != NULL);
    made->public.audiences = (const mu_membership *const *)made->records;
    atomic_init(&made->n_holders, 1);
    return made;
}

void mu_membership_state_release(const mu_membership_state *held)
{
    state *released = (state *)held;
    if (released == NULL ||
        atomic_fetch_sub_explicit(&released->n_holders, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < released->public.n; i++)
        mu_member_record_release(released->records[i]);
    free(released->records);
    free(released);
}

const mu_membership_state *mu_memberships_acquire(mu_memberships *memberships)
{
    pthread_mutex_lock(&memberships->state_lock);
    state *held = memberships->present;
    atomic_fetch_add_explicit(&held->n_holders, 1, memory_order_relaxed);
    pthread_mutex_unlock(&memberships->state_lock);
    return &held->public;
}

static void publish(mu_memberships *memberships, state *made)
{
    pthread_mutex_lock(&memberships->state_lock);
    state *before = memberships->present;
    memberships->present = made;
    pthread_mutex_unlock(&memberships->state_lock);
    mu_membership_state_release(&before->public);
}

/* Where `id` is or would be. */
static uint32_t place_in(const state *s, mu_str id, bool *found)
{
    uint32_t low = 0, high = s->public.n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (mu_str_compare(s->records[middle]->public.audience_id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = low < s->public.n && mu_str_equal(s->records[low]->public.audience_id, id);
    return low;
}

/* Takes the hold on `record`; NULL: none from now on. There is room. */
static void state_put(state *s, mu_str id, mu_member_record *record)
{
    bool found;
    uint32_t at = place_in(s, id, &found);
    mu_member_record **place = &s->records[at];
    size_t n_after = s->public.n - at;
    if (found)
        mu_member_record_release(*place);
    if (found && record == NULL) {
        memmove(place, place + 1, (n_after - 1) * sizeof(mu_member_record *));
        s->public.n--;
    } else if (record != NULL) {
        if (!found)
            memmove(place + 1, place, n_after * sizeof(mu_member_record *));
        s->public.n += !found;
        *place = record;
    }
}

static mu_member_record *state_find(const state *s, mu_str id)
{
    bool found;
    uint32_t at = place_in(s, id, &found);
    return found ? s->records[at] : NULL;
}

/* The same records, with room for more. */
static state *state_copy(const state *before, uint32_t n_more)
{
    state *made = state_new(before->public.n + n_more);
    for (uint32_t i = 0; i < before->public.n; i++)
        made->records[i] = mu_member_record_hold(before->records[i]);
    made->public.n = before->public.n;
    return made;
}

const mu_membership *mu_membership_find(const mu_membership_state *held, mu_str audience_id)
{
    mu_member_record *record = state_find((const state *)held, audience_id);
    return record == NULL ? NULL : &record->public;
}

static bool has_expired(const mu_membership *membership, int64_t now_ms)
{
    return membership->expires_ms != 0 && now_ms > membership->expires_ms;
}

bool mu_membership_get(const mu_membership *membership, uint32_t pid, int64_t now_ms,
                       mu_membership_item *out)
{
    if (has_expired(membership, now_ms))
        return false;
    bool is_member = roaring_bitmap_contains(membership->members, pid);
    uint32_t n = is_member ? membership->n_realized : membership->n_exited;
    const mu_membership_run *runs = is_member ? membership->realized : membership->exited;
    for (uint32_t i = n; i > 0; i--) {
        const mu_membership_run *run = &runs[i - 1];
        if (!roaring_bitmap_contains(run->pids, pid))
            continue;
        if (!is_member && run->at_ms < now_ms - MU_EXITED_KEPT_MS)
            return false;
        *out = (mu_membership_item){is_member, run->at_ms};
        return true;
    }
    return false;
}

uint64_t mu_membership_count(const mu_membership *membership, int64_t now_ms)
{
    return has_expired(membership, now_ms) ? 0
                                           : roaring_bitmap_get_cardinality(membership->members);
}

/* -------- opening -------- */

typedef struct loading {
    state *made;
    uint32_t capacity;
} loading;

static void load_record(void *context, mu_member_delta *delta, mu_member_record *whole)
{
    loading *l = context;
    if (l->made->public.n == l->capacity) {
        state *larger = state_copy(l->made, l->capacity + 16);
        l->capacity += l->capacity + 16;
        mu_membership_state_release(&l->made->public);
        l->made = larger;
    }
    if (whole != NULL)
        state_put(l->made, whole->public.audience_id, whole);
    else if (delta->is_removed)
        state_put(l->made, delta->audience_id, NULL);
    else
        state_put(l->made, delta->audience_id,
                  mu_member_record_change(state_find(l->made, delta->audience_id), delta));
}

static void add_file(mu_memberships *memberships, manifest_file file)
{
    if (memberships->n_files == memberships->capacity) {
        memberships->capacity = memberships->capacity * 2 + 16;
        memberships->files =
            realloc(memberships->files, memberships->capacity * sizeof *memberships->files);
        MU_ASSERT(memberships->files != NULL);
    }
    memberships->files[memberships->n_files++] = file;
    if (memberships->next_number <= file.number)
        memberships->next_number = file.number + 1;
}

static mu_code load_files(mu_memberships *memberships, const mu_shelf *shelf, loading *l,
                          mu_err *err)
{
    mu_arena arena;
    mu_code code = MU_OK;
    mu_arena_init(&arena, SIZE_MAX);
    for (uint32_t i = 0; code == MU_OK && i < shelf->n; i++) {
        manifest_file file = {0, 0};
        const mu_shelf_item *item = shelf->items[i];
        code = mu_member_manifest_read(item->document.id, &item->json, &file.number, &file.n_bytes,
                                       err);
        mu_str path = mu_member_path(&arena, memberships->folder, file.number);
        if (code == MU_OK)
            code = mu_member_file_read(path.ptr, file.number, file.n_bytes, load_record, l, err);
        if (code == MU_OK)
            add_file(memberships, file);
    }
    mu_arena_free(&arena);
    return code;
}

static bool is_in_manifest(const mu_memberships *memberships, uint64_t number)
{
    for (uint32_t i = 0; i < memberships->n_files; i++)
        if (memberships->files[i].number == number)
            return true;
    return false;
}

/* Removes files that no manifest names and that have a number below `before`. */
static void remove_orphans(mu_memberships *memberships, uint64_t before)
{
    mu_arena arena;
    const mu_str *names;
    mu_arena_init(&arena, SIZE_MAX);
    uint32_t n = mu_folder_names(&arena, memberships->folder.ptr, &names);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t number = mu_member_number(names[i]);
        bool is_unnamed = mu_str_ends_with(names[i], MU_STR(".incomplete"));
        if (is_unnamed || (number != 0 && number < before && !is_in_manifest(memberships, number)))
            unlink(mu_path_joined(&arena, memberships->folder, names[i]).ptr);
    }
    mu_arena_free(&arena);
}

static mu_code load(mu_memberships *memberships, mu_err *err)
{
    const mu_shelf *shelf;
    loading l = {state_new(0), 0};
    mu_code code = mu_shelf_acquire(memberships->shelves, MU_MEMBERSHIP_FILE_KIND, &shelf, err);
    if (code == MU_OK) {
        code = load_files(memberships, shelf, &l, err);
        mu_shelf_release(shelf);
    }
    memberships->present = l.made;
    if (code == MU_OK)
        remove_orphans(memberships, UINT64_MAX);
    return code;
}

mu_code mu_memberships_open(const char *folder, mu_str place, mu_shelves *shelves,
                            mu_memberships **out, mu_err *err)
{
    mu_memberships *memberships = calloc(1, sizeof *memberships);
    if (memberships == NULL)
        return mu_fail(err, MU_E_NOMEM, "no memory for memberships");
    mu_arena_init(&memberships->arena, SIZE_MAX);
    memberships->place = mu_arena_copy(&memberships->arena, place);
    memberships->folder = mu_member_folder(&memberships->arena, folder, place);
    memberships->shelves = shelves;
    memberships->next_number = 1;
    pthread_mutex_init(&memberships->commit_lock, NULL);
    pthread_mutex_init(&memberships->state_lock, NULL);
    mu_code code = load(memberships, err);
    if (code != MU_OK) {
        mu_memberships_close(memberships);
        return code;
    }
    *out = memberships;
    return MU_OK;
}

void mu_memberships_close(mu_memberships *memberships)
{
    if (memberships == NULL)
        return;
    mu_membership_state_release(&memberships->present->public);
    pthread_mutex_destroy(&memberships->commit_lock);
    pthread_mutex_destroy(&memberships->state_lock);
    free(memberships->files);
    mu_arena_free(&memberships->arena);
    free(memberships);
}

/* -------- committing -------- */

/* Edits of one transaction: the caller's and those of the manifest. */
static mu_code edit(mu_memberships *memberships, int64_t now_ms, uint32_t n,
                    const mu_document_edit *edits, const mu_member_writer *written, bool replaces,
                    mu_err *err)
{
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    uint32_t n_all = n, n_removed = replaces ? memberships->n_files : 0;
    mu_document_edit *all = MU_NEW_ARRAY(&arena, mu_document_edit, (size_t)n + n_removed + 1);
    if (n > 0)
        memcpy(all, edits, n * sizeof *all);
    for (uint32_t i = 0; i < n_removed; i++)
        all[n_all++] = (mu_document_edit){
            .action = MU_DOCUMENT_REMOVE,
            .kind = MU_MEMBERSHIP_FILE_KIND,
            .id = mu_arena_format(&arena, "%020llu",
                                  (unsigned long long)memberships->files[i].number)};
    if (written != NULL)
        all[n_all++] = (mu_document_edit){
            .action = MU_DOCUMENT_ADD,
            .kind = MU_MEMBERSHIP_FILE_KIND,
            .id = mu_arena_format(&arena, "%020llu", (unsigned long long)written->number),
            .json = mu_member_manifest_text(&arena, written->n_bytes)};
    mu_code code = mu_shelves_edit(memberships->shelves, now_ms, n_all, all, err);
    /* After any other failure the transaction may be on the disk: then the next open decides. */
    if ((code == MU_E_CONFLICT || code == MU_E_NOT_FOUND) && written != NULL)
        unlink(written->path.ptr);
    mu_arena_free(&arena);
    return code;
}

static uint64_t size_of(const mu_pid_set *pids)
{
    return pids == NULL ? 0 : roaring_bitmap_get_cardinality(pids);
}

static uint64_t count_exited(const mu_membership *membership)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < membership->n_exited; i++)
        n += size_of(membership->exited[i].pids);
    return n;
}

static mu_code change_one(mu_member_writer *writer, state *made, const mu_membership_commit *commit,
                          const mu_membership_change *change, mu_membership_counts *counts,
                          mu_err *err)
{
    mu_member_delta delta;
    mu_member_record *after = NULL;
    const mu_member_record *before = state_find(made, change->audience_id);
    mu_member_delta_make(before, change, commit->alive, commit->now_ms, &delta);
    mu_code code = mu_member_writer_change(writer, &delta, err);
    if (code == MU_OK) {
        *counts = (mu_membership_counts){.n_entered = size_of(delta.entered),
                                         .n_left = size_of(delta.left)};
        if (!delta.is_removed)
            after = mu_member_record_change(before, &delta);
        state_put(made, change->audience_id, after);
    }
    if (after != NULL) {
        counts->n_members = mu_membership_count(&after->public, commit->now_ms);
        counts->n_exited = count_exited(&after->public);
    }
    mu_member_delta_free(&delta);
    return code;
}

static mu_pid_set *merged_pids(const mu_membership_commit *commit)
{
    mu_pid_set *from = roaring_bitmap_create();
    for (uint32_t i = 0; i < commit->n_merges; i++)
        roaring_bitmap_add(from, commit->merges[i].from);
    return from;
}

/* Records that change are written whole. */
static mu_code merge_all(mu_member_writer *writer, state *made, const mu_membership_commit *commit,
                         mu_err *err)
{
    mu_code code = MU_OK;
    mu_pid_set *from = merged_pids(commit);
    for (uint32_t i = 0; code == MU_OK && i < made->public.n; i++) {
        mu_member_record *after =
            mu_member_record_merge(made->records[i], commit->n_merges, commit->merges, from,
                                   commit->now_ms - MU_EXITED_KEPT_MS);
        if (after == NULL)
            continue;
        mu_member_record_release(made->records[i]);
        made->records[i] = after;
        code = mu_member_writer_whole(writer, after, commit->now_ms - MU_EXITED_KEPT_MS, err);
    }
    roaring_bitmap_free(from);
    return code;
}

static mu_code write_changes(mu_member_writer *writer, state *made,
                             const mu_membership_commit *commit, mu_membership_counts *counts,
                             mu_err *err)
{
    if (commit->n_merges > 0)
        MU_TRY(merge_all(writer, made, commit, err));
    for (uint32_t i = 0; i < commit->n_changes; i++)
        MU_TRY(change_one(writer, made, commit, &commit->changes[i], &counts[i], err));
    return mu_member_writer_finish(writer, err);
}

static mu_code edit_with(mu_memberships *memberships, const mu_membership_commit *commit,
                         const mu_membership_counts *counts, const mu_member_writer *written,
                         mu_err *err)
{
    uint32_t n = commit->n_edits;
    const mu_document_edit *edits = commit->edits;
    if (commit->make_edits == NULL && n == 0 && written == NULL)
        return MU_OK;
    if (commit->make_edits != NULL)
        MU_TRY(commit->make_edits(commit->context, counts, &n, &edits, err));
    return edit(memberships, commit->now_ms, n, edits, written, false, err);
}

static mu_code commit_changes(mu_memberships *memberships, const mu_membership_commit *commit,
                              mu_membership_counts *counts, mu_err *err)
{
    mu_member_writer writer;
    state *made = state_copy(memberships->present, commit->n_changes);
    mu_code code =
        mu_member_writer_begin(&writer, memberships->folder, memberships->next_number++, err);
    if (code == MU_OK)
        code = write_changes(&writer, made, commit, counts, err);
    if (code == MU_OK)
        code = edit_with(memberships, commit, counts, &writer, err);
    if (code == MU_OK) {
        add_file(memberships, (manifest_file){writer.number, writer.n_bytes});
        publish(memberships, made);
    } else {
        mu_membership_state_release(&made->public);
    }
    mu_member_writer_end(&writer);
    return code;
}

/* -------- one file for many -------- */

static bool should_rewrite(const mu_memberships *memberships)
{
    uint64_t n_changes = 0;
    for (uint32_t i = 1; i < memberships->n_files; i++)
        n_changes += memberships->files[i].n_bytes;
    return memberships->n_files > FILES_MAX ||
           (n_changes > CHANGE_BYTES_MIN && n_changes > memberships->files[0].n_bytes);
}

static mu_code write_state(mu_member_writer *writer, const state *present, int64_t now_ms,
                           mu_err *err)
{
    for (uint32_t i = 0; i < present->public.n; i++)
        MU_TRY(
            mu_member_writer_whole(writer, present->records[i], now_ms - MU_EXITED_KEPT_MS, err));
    return mu_member_writer_finish(writer, err);
}

/* Files that this replaces stay until the next time, or until the memberships are opened again: a
 * backup that has copied the catalog before still finds them. When it fails all stays as it was,
 * and the next commit tries again. */
static void rewrite(mu_memberships *memberships, int64_t now_ms)
{
    mu_member_writer writer;
    remove_orphans(memberships, memberships->replaced_before);
    mu_code code =
        mu_member_writer_begin(&writer, memberships->folder, memberships->next_number++, NULL);
    if (code == MU_OK)
        code = write_state(&writer, memberships->present, now_ms, NULL);
    if (code == MU_OK)
        code = edit(memberships, now_ms, 0, NULL, &writer, true, NULL);
    if (code == MU_OK) {
        memberships->n_files = 0;
        add_file(memberships, (manifest_file){writer.number, writer.n_bytes});
        memberships->replaced_before = writer.number;
    }
    mu_member_writer_end(&writer);
}

static bool concerns_merges(const state *present, const mu_membership_commit *commit)
{
    bool found = false;
    mu_pid_set *from = merged_pids(commit);
    for (uint32_t i = 0; i < present->public.n && !found; i++)
        found = mu_member_record_knows(present->records[i], from);
    roaring_bitmap_free(from);
    return found;
}

mu_code mu_memberships_commit(mu_memberships *memberships, const mu_membership_commit *commit,
                              mu_membership_counts *counts, mu_err *err)
{
    mu_code code;
    mu_membership_counts *own =
        counts != NULL ? counts : calloc((size_t)commit->n_changes + 1, sizeof *own);
    MU_ASSERT(own != NULL);
    pthread_mutex_lock(&memberships->commit_lock);
    if (commit->n_changes == 0 && !concerns_merges(memberships->present, commit)) {
        code = edit_with(memberships, commit, own, NULL, err);
    } else {
        code = commit_changes(memberships, commit, own, err);
        if (code == MU_OK && should_rewrite(memberships))
            rewrite(memberships, commit->now_ms);
    }
    pthread_mutex_unlock(&memberships->commit_lock);
    if (counts == NULL)
        free(own);
    return code;
}
