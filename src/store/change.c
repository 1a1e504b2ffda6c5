#include "store/change_int.h"
#include "store/part_writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SCHEMA_MAX ((size_t)256 << 20)

/* -------- lists of rows -------- */

mu_code mu_row_list_add(mu_row_list *list, mu_dead_row row, mu_err *err)
{
    if (list->n == list->capacity) {
        size_t capacity = list->capacity == 0 ? 16 : list->capacity * 2;
        mu_dead_row *grown = reallocarray(list->rows, capacity, sizeof *grown);
        if (grown == NULL)
            return mu_fail(err, MU_E_NOMEM, "out of memory for dead rows");
        list->rows = grown;
        list->capacity = capacity;
    }
    list->rows[list->n++] = row;
    return MU_OK;
}

void mu_row_list_free(mu_row_list *list)
{
    free(list->rows);
    *list = (mu_row_list){0};
}

mu_code mu_row_list_add_difference(mu_row_list *list, const mu_part *part, const mu_dead_rows *more,
                                   const mu_dead_rows *less, mu_err *err)
{
    uint32_t n = part->footer.n_rows;
    for (uint32_t w = 0; w < mu_bits_words(n); w++) {
        uint64_t all = n - w * 64 >= 64 ? UINT64_MAX : ((uint64_t)1 << (n - w * 64)) - 1;
        uint64_t bits =
            (more == NULL ? all : more->words[w]) & (less == NULL ? all : ~less->words[w]);
        for (; bits != 0; bits &= bits - 1) {
            mu_dead_row row = {.row = w * 64 + (uint32_t)__builtin_ctzll(bits)};
            MU_TRY(mu_part_events_of_row(part, row.row, &row.n_events, err));
            MU_TRY(mu_row_list_add(list, row, err));
        }
    }
    return MU_OK;
}

/* -------- beginning and ending -------- */

static bool *flag_of(mu_store *store, mu_change_kind kind)
{
    if (kind == MU_CHANGE_FOLD)
        return &store->has_fold;
    bool is_rewrite = kind == MU_CHANGE_REWRITE || kind == MU_CHANGE_JOIN;
    return is_rewrite ? &store->has_rewrite : &store->has_change;
}

void mu_change_free(mu_change *change)
{
    mu_store *store = change->store;
    for (uint32_t i = 0; i < change->n_new; i++)
        mu_part_handle_release(change->new_parts[i]);
    for (uint32_t p = 0; change->killed != NULL && p < change->base->state.n_parts; p++)
        mu_row_list_free(&change->killed[p]);
    free(change->killed);
    free(change->is_source);
    free(change->new_parts);
    free(change->counters);
    mu_buf_free(&change->schema);
    mu_held_mark_release(change->mark);
    mu_arena_free(&change->arena);
    mu_snapshot_release(change->base);
    pthread_mutex_destroy(&change->lock);
    pthread_mutex_lock(&store->lock);
    *flag_of(store, change->kind) = false;
    pthread_mutex_unlock(&store->lock);
    free(change);
}

static mu_code check_folder(mu_folder *folder, mu_change_kind kind, mu_err *err)
{
    if (folder->mode != MU_STORE_WRITE)
        return mu_fail(err, MU_E_INPUT, "%s is open for reading only", folder->path);
    pthread_mutex_lock(&folder->lock);
    bool is_unsettled = folder->is_unsettled;
    pthread_mutex_unlock(&folder->lock);
    if (is_unsettled && kind != MU_CHANGE_MEMORY && kind != MU_CHANGE_JOIN)
        return mu_fail(err, MU_E_IO,
                       "an earlier commit to %s failed half-way; it must be opened again",
                       folder->path);
    return MU_OK;
}

static mu_code begin_in_store(mu_store *store, mu_change_kind kind, mu_snapshot **base, mu_err *err)
{
    MU_TRY(check_folder(store->folder, kind, err));
    mu_code code = MU_OK;
    pthread_mutex_lock(&store->lock);
    bool *is_under_way = flag_of(store, kind);
    if (*is_under_way) {
        code =
            mu_fail(err, MU_E_CONFLICT, "another change of %s is under way", store->folder->path);
    } else {
        *is_under_way = true;
        *base = mu_snapshot_hold(store->current);
    }
    pthread_mutex_unlock(&store->lock);
    return code;
}

mu_code mu_change_begin_kind(mu_store *store, mu_change_kind kind, mu_change **out, mu_err *err)
{
    mu_change *change = calloc(1, sizeof *change);
    if (change == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for a change");
    mu_code code = begin_in_store(store, kind, &change->base, err);
    if (code != MU_OK) {
        free(change);
        return code;
    }
    change->store = store;
    change->kind = kind;
    pthread_mutex_init(&change->lock, NULL);
    mu_arena_init(&change->arena, SIZE_MAX);
    mu_buf_init(&change->schema, SCHEMA_MAX);
    const mu_state *state = &change->base->state;
    change->killed = calloc((size_t)state->n_parts + 1, sizeof *change->killed);
    change->is_source = calloc((size_t)state->n_parts + 1, sizeof *change->is_source);
    change->counters_capacity = state->n_counters + 8;
    change->counters = calloc(change->counters_capacity, sizeof *change->counters);
    if (change->killed == NULL || change->is_source == NULL || change->counters == NULL) {
        mu_change_free(change);
        return mu_fail(err, MU_E_NOMEM, "out of memory for a change");
    }
    for (uint32_t c = 0; c < state->n_counters; c++)
        change->counters[change->n_counters++] = state->counters[c];
    *out = change;
    return MU_OK;
}

mu_code mu_change_begin(mu_store *store, mu_change **out, mu_err *err)
{
    return mu_change_begin_kind(store, MU_CHANGE_DISK, out, err);
}

mu_code mu_change_begin_in_memory(mu_store *store, mu_change **out, mu_err *err)
{
    return mu_change_begin_kind(store, MU_CHANGE_MEMORY, out, err);
}

const mu_snapshot *mu_change_base(const mu_change *change)
{
    return change->base;
}

void mu_part_remove_file(const char *folder, uint64_t id)
{
    char path[MU_PATH_MAX];
    /* What stays is removed at the next opening for writing. */
    if (mu_part_path(folder, id, path, NULL) == MU_OK)
        unlink(path);
}

void mu_change_abort(mu_change *change)
{
    if (change == NULL)
        return;
    MU_ASSERT(change->n_open_writers == 0);
    for (uint32_t i = 0; i < change->n_new; i++)
        if (!mu_part_handle_is_in_memory(change->new_parts[i]))
            mu_part_remove_file(change->store->folder->path, change->new_parts[i]->id);
    mu_change_free(change);
}

/* -------- pids -------- */

static mu_catalog_counter *counter_of(mu_change *change, mu_str entity)
{
    for (uint32_t c = 0; c < change->n_counters; c++)
        if (mu_str_equal(change->counters[c].entity, entity))
            return &change->counters[c];
    if (change->n_counters == change->counters_capacity) {
        uint32_t capacity = change->counters_capacity * 2;
        mu_catalog_counter *grown = realloc(change->counters, capacity * sizeof *grown);
        if (grown == NULL)
            return NULL;
        change->counters = grown;
        change->counters_capacity = capacity;
    }
    mu_catalog_counter *counter = &change->counters[change->n_counters++];
    *counter = (mu_catalog_counter){mu_arena_copy(&change->arena, entity), 1};
    return counter;
}

mu_code mu_change_raise_counter(mu_change *change, mu_str entity, uint32_t next_pid, mu_err *err)
{
    mu_catalog_counter *counter = counter_of(change, entity);
    if (counter == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for new pids");
    if (counter->next_pid < next_pid)
        counter->next_pid = next_pid;
    return MU_OK;
}

mu_code mu_change_new_pids(mu_change *change, mu_str entity, uint32_t n, uint32_t *first,
                           mu_err *err)
{
    mu_code code = MU_OK;
    pthread_mutex_lock(&change->lock);
    mu_catalog_counter *counter = counter_of(change, entity);
    if (counter == NULL)
        code = mu_fail(err, MU_E_NOMEM, "out of memory for new pids");
    else if (n > UINT32_MAX - counter->next_pid)
        code = mu_fail(err, MU_E_LIMIT, "there are no more pids for \"" MU_STR_FMT "\"",
                       MU_STR_ARG(entity));
    if (code == MU_OK) {
        *first = counter->next_pid;
        counter->next_pid += n;
    }
    pthread_mutex_unlock(&change->lock);
    return code;
}

/* -------- the mark and the schema -------- */

static void keep_failure(mu_change *change, mu_code code)
{
    if (change->failure == MU_OK)
        change->failure = code;
}

void mu_change_set_mark(mu_change *change, const mu_mark *mark)
{
    mu_held_mark *held = NULL;
    pthread_mutex_lock(&change->lock);
    mu_code code = mu_held_mark_new(mark, &held, &change->failure_err);
    if (code == MU_OK)
        code = mu_change_raise_counter(change, MU_STR("profile"), mark->next_pid,
                                       &change->failure_err);
    keep_failure(change, code);
    mu_held_mark_release(change->mark);
    change->mark = held;
    pthread_mutex_unlock(&change->lock);
}

/* The built-in schema binds nobody before there is data. */
static mu_code check_schema(const mu_snapshot *base, const mu_schema *schema, mu_err *err)
{
    const mu_schema *old = mu_snapshot_schema(base);
    if (base->state.n_parts == 0 && base->state.schema->json.len == 0)
        return MU_OK;
    if (!mu_type_extends(schema->row, old->row))
        return mu_fail(err, MU_E_CONFLICT, "the new schema drops or retypes a field of profiles");
    for (uint32_t i = 0; i < old->n_lookup_classes; i++) {
        const mu_lookup_class *class = &old->lookup_classes[i];
        const mu_type *type = mu_schema_entity_type(schema, class->name);
        if (type == NULL || !mu_type_extends(type, class->type))
            return mu_fail(err, MU_E_CONFLICT,
                           "the new schema drops or retypes a field of " MU_STR_FMT,
                           MU_STR_ARG(class->name));
    }
    return MU_OK;
}

void mu_change_set_schema(mu_change *change, const mu_schema *schema)
{
    mu_json_writer writer;
    pthread_mutex_lock(&change->lock);
    mu_code code =
        change->kind == MU_CHANGE_DISK
            ? check_schema(change->base, schema, &change->failure_err)
            : mu_fail(&change->failure_err, MU_E_INPUT, "a change in memory cannot set the schema");
    keep_failure(change, code);
    mu_buf_clear(&change->schema);
    mu_json_writer_init(&writer, &change->schema);
    mu_schema_write(&writer, schema);
    change->has_schema = true;
    pthread_mutex_unlock(&change->lock);
}

/* -------- dead rows -------- */

static mu_code kill_in_part(mu_change *change, uint32_t p, uint32_t row, mu_err *err)
{
    const mu_part_handle *handle = change->base->state.parts[p].handle;
    mu_dead_row dead = {.row = row};
    if (change->kind == MU_CHANGE_DISK && mu_part_handle_is_in_memory(handle))
        return mu_fail(err, MU_E_CONFLICT,
                       "a row that is in memory only cannot be replaced on disk: fold first");
    MU_TRY(mu_part_events_of_row(handle->part, row, &dead.n_events, err));
    return mu_row_list_add(&change->killed[p], dead, err);
}

mu_code mu_change_kill_row(mu_change *change, mu_str entity, mu_row_place place, mu_err *err)
{
    const mu_snapshot *base = change->base;
    for (uint32_t e = 0; e < base->n_entities; e++) {
        if (!mu_str_equal(base->entities[e].name, entity))
            continue;
        if (place.part >= base->entities[e].n_parts ||
            place.row >= mu_part_rows(base->entities[e].parts[place.part]))
            break;
        pthread_mutex_lock(&change->lock);
        mu_code code = kill_in_part(change, base->part_rows[e][place.part], place.row, err);
        pthread_mutex_unlock(&change->lock);
        return code;
    }
    return mu_fail(err, MU_E_NOT_FOUND, "there is no such row of \"" MU_STR_FMT "\"",
                   MU_STR_ARG(entity));
}

/* -------- parts -------- */

static mu_code new_writer(mu_change *change, uint64_t id, mu_str entity, const mu_type *row_type,
                          mu_part_writer **out, mu_err *err)
{
    char path[MU_PATH_MAX];
    if (mu_change_is_in_memory(change)) {
        snprintf(path, sizeof path, "part %016" PRIx64 " in memory", id);
        return mu_part_writer_create_in_memory(path, id, entity, row_type, change, out, err);
    }
    MU_TRY(mu_part_path(change->store->folder->path, id, path, err));
    MU_TRY(mu_part_writer_create(path, id, entity, row_type, change, out, err));
    mu_part_writer_set_pace(*out, change->pace);
    return MU_OK;
}

mu_code mu_part_writer_new(mu_change *change, mu_str entity, const mu_type *row_type,
                           mu_part_writer **out, mu_err *err)
{
    uint64_t id = atomic_fetch_add(&change->store->folder->next_part_id, 1);
    MU_TRY(new_writer(change, id, entity, row_type, out, err));
    pthread_mutex_lock(&change->lock);
    change->n_open_writers++;
    pthread_mutex_unlock(&change->lock);
    return MU_OK;
}

/* Opens the file just written, which tells what the manifest says of it. */
static mu_code seal_file(mu_part_writer *writer, const char *folder, mu_part_handle **out,
                         mu_err *err)
{
    char path[MU_PATH_MAX];
    mu_part *part;
    uint64_t id = mu_part_writer_id(writer);
    MU_TRY(mu_part_writer_seal(writer, err));
    MU_TRY(mu_part_path(folder, id, path, err));
    MU_TRY(mu_part_open(path, &part, err));
    return mu_part_handle_new(part, id, out, err);
}

static mu_code seal_memory(mu_part_writer *writer, mu_part_handle **out, mu_err *err)
{
    char name[64];
    mu_mapping bytes;
    mu_part *part;
    uint64_t id = mu_part_writer_id(writer);
    uint32_t max_pid = mu_part_writer_max_pid(writer);
    snprintf(name, sizeof name, "part %016" PRIx64 " in memory", id);
    MU_TRY(mu_part_writer_seal_in_memory(writer, &bytes, err));
    MU_TRY(mu_part_open_memory(bytes, name, &part, err));
    MU_TRY(mu_part_handle_new(part, id, out, err));
    (*out)->max_pid = max_pid;
    return MU_OK;
}

static mu_code add_new_part(mu_change *change, mu_part_handle *handle, mu_err *err)
{
    if (change->n_new == change->new_capacity) {
        uint32_t capacity = change->new_capacity == 0 ? 8 : change->new_capacity * 2;
        mu_part_handle **grown = realloc(change->new_parts, capacity * sizeof *grown);
        if (grown == NULL)
            return mu_fail(err, MU_E_NOMEM, "out of memory for another part");
        change->new_parts = grown;
        change->new_capacity = capacity;
    }
    change->new_parts[change->n_new++] = handle;
    return MU_OK;
}

mu_code mu_part_writer_finish(mu_part_writer *writer, mu_err *err)
{
    mu_change *change = mu_part_writer_change(writer);
    uint64_t id = mu_part_writer_id(writer);
    const char *folder = change->store->folder->path;
    bool is_in_memory = mu_change_is_in_memory(change);
    mu_part_handle *handle = NULL;
    mu_code code =
        is_in_memory ? seal_memory(writer, &handle, err) : seal_file(writer, folder, &handle, err);
    bool is_wanted = code == MU_OK && mu_part_rows(handle->part) > 0;
    pthread_mutex_lock(&change->lock);
    change->n_open_writers--;
    if (is_wanted)
        code = add_new_part(change, handle, err);
    pthread_mutex_unlock(&change->lock);
    if (code != MU_OK || !is_wanted) { /* a part without rows is no part */
        mu_part_handle_release(handle);
        if (!is_in_memory)
            mu_part_remove_file(folder, id);
    }
    return code;
}

void mu_part_writer_abandon(mu_part_writer *writer)
{
    if (writer == NULL)
        return;
    mu_change *change = mu_part_writer_change(writer);
    mu_part_writer_discard(writer);
    pthread_mutex_lock(&change->lock);
    change->n_open_writers--;
    pthread_mutex_unlock(&change->lock);
}
