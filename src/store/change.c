#include "store/part_writer.h"
#include "store/store_int.h"

#include <stdlib.h>
#include <unistd.h>

/* A part whose rows the change marks as dead. */
typedef struct killed_part {
    uint64_t *dead; /* NULL while the change killed none of its rows */
    uint32_t n_dead;
    uint64_t n_dead_events;
} killed_part;

struct mu_change {
    mu_store *store;
    mu_snapshot *base;
    pthread_mutex_t lock; /* guards all below; ranks before the store's */
    mu_arena arena;
    uint32_t n_open_writers;
    uint32_t n_new, new_capacity;
    mu_part_handle **new_parts;
    killed_part *killed; /* per part of the base's state */
    uint32_t n_counters, counters_capacity;
    mu_catalog_counter *counters; /* those of the base first */
    bool has_schema;
    mu_buf schema;
    mu_code schema_code; /* what is wrong with the schema that was set */
    mu_err schema_err;
};

#define SCHEMA_MAX ((size_t)256 << 20)

static void free_change(mu_change *change)
{
    mu_store *store = change->store;
    for (uint32_t i = 0; i < change->n_new; i++)
        mu_part_handle_release(change->new_parts[i]);
    for (uint32_t p = 0; change->killed != NULL && p < change->base->state.n_parts; p++)
        free(change->killed[p].dead);
    free(change->killed);
    free(change->new_parts);
    free(change->counters);
    mu_buf_free(&change->schema);
    mu_arena_free(&change->arena);
    mu_snapshot_release(change->base);
    pthread_mutex_destroy(&change->lock);
    free(change);
    pthread_mutex_lock(&store->lock);
    store->has_change = false;
    pthread_mutex_unlock(&store->lock);
}

static mu_code begin_in_store(mu_store *store, mu_snapshot **base, mu_err *err)
{
    mu_code code = MU_OK;
    pthread_mutex_lock(&store->lock);
    if (store->mode != MU_STORE_WRITE)
        code = mu_fail(err, MU_E_INPUT, "%s is open for reading only", store->folder);
    else if (store->has_change)
        code = mu_fail(err, MU_E_CONFLICT, "another change of %s is under way", store->folder);
    else if (store->is_unsettled)
        code = mu_fail(err, MU_E_IO,
                       "an earlier commit to %s failed half-way; it must be opened again",
                       store->folder);
    if (code == MU_OK) {
        store->has_change = true;
        *base = mu_snapshot_hold(store->current);
    }
    pthread_mutex_unlock(&store->lock);
    return code;
}

mu_code mu_change_begin(mu_store *store, mu_change **out, mu_err *err)
{
    mu_change *change = calloc(1, sizeof *change);
    if (change == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for a change");
    mu_code code = begin_in_store(store, &change->base, err);
    if (code != MU_OK) {
        free(change);
        return code;
    }
    change->store = store;
    pthread_mutex_init(&change->lock, NULL);
    mu_arena_init(&change->arena, SIZE_MAX);
    mu_buf_init(&change->schema, SCHEMA_MAX);
    const mu_catalog_state *state = &change->base->state;
    change->killed = calloc((size_t)state->n_parts + 1, sizeof *change->killed);
    change->counters_capacity = state->n_counters + 8;
    change->counters = calloc(change->counters_capacity, sizeof *change->counters);
    if (change->killed == NULL || change->counters == NULL) {
        free_change(change);
        return mu_fail(err, MU_E_NOMEM, "out of memory for a change");
    }
    for (uint32_t c = 0; c < state->n_counters; c++)
        change->counters[change->n_counters++] = state->counters[c];
    *out = change;
    return MU_OK;
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

/* -------- schema -------- */

/* The built-in schema binds nobody before there is data. */
static mu_code check_schema(const mu_snapshot *base, const mu_schema *schema, mu_err *err)
{
    const mu_schema *old = base->schema;
    if (base->state.n_parts == 0 && base->state.schema.len == 0)
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
    change->schema_code = check_schema(change->base, schema, &change->schema_err);
    mu_buf_clear(&change->schema);
    mu_json_writer_init(&writer, &change->schema);
    mu_schema_write(&writer, schema);
    change->has_schema = true;
    pthread_mutex_unlock(&change->lock);
}

/* -------- dead rows -------- */

static mu_code events_of_row(const mu_part *part, uint32_t row, uint32_t *out, mu_err *err)
{
    *out = 0;
    if (part->event_level == 0)
        return MU_OK;
    mu_vector lists;
    uint32_t block = mu_part_block_of_row(part, row), at = row - part->blocks[block].row;
    MU_TRY(mu_part_any_vector(part, part->levels[part->event_level].column, block, &lists, err));
    if (lists.offsets != NULL)
        *out = lists.offsets[at + 1] - lists.offsets[at];
    return MU_OK;
}

static mu_code kill_in_part(mu_change *change, uint32_t p, uint32_t row, mu_err *err)
{
    killed_part *killed = &change->killed[p];
    const mu_catalog_part *base = &change->base->state.parts[p];
    uint32_t n_events;
    MU_TRY(events_of_row(change->base->handles[p]->part, row, &n_events, err));
    if (killed->dead == NULL) {
        killed->dead = calloc(mu_bits_words(base->n_rows), sizeof *killed->dead);
        if (killed->dead == NULL)
            return mu_fail(err, MU_E_NOMEM, "out of memory for dead rows");
        if (base->n_dead > 0)
            memcpy(killed->dead, base->dead.ptr, base->dead.len);
        killed->n_dead = base->n_dead;
        killed->n_dead_events = base->n_dead_events;
    }
    if (mu_bit_get(killed->dead, row))
        return MU_OK;
    mu_bit_set(killed->dead, row);
    killed->n_dead++;
    killed->n_dead_events += n_events;
    return MU_OK;
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

mu_code mu_part_writer_new(mu_change *change, mu_str entity, const mu_type *row_type,
                           mu_part_writer **out, mu_err *err)
{
    char path[MU_PATH_MAX];
    uint64_t id = atomic_fetch_add(&change->store->next_part_id, 1);
    MU_TRY(mu_part_path(change->store->folder, id, path, err));
    MU_TRY(mu_part_writer_create(path, id, entity, row_type, change, out, err));
    pthread_mutex_lock(&change->lock);
    change->n_open_writers++;
    pthread_mutex_unlock(&change->lock);
    return MU_OK;
}

static void remove_file(const char *folder, uint64_t id)
{
    char path[MU_PATH_MAX];
    /* What stays is removed at the next opening for writing. */
    if (mu_part_path(folder, id, path, NULL) == MU_OK)
        unlink(path);
}

/* Opens the file just written, which tells what the manifest says of it. */
static mu_code open_new_part(const char *folder, uint64_t id, mu_part_handle **out, mu_err *err)
{
    char path[MU_PATH_MAX];
    mu_part *part;
    MU_TRY(mu_part_path(folder, id, path, err));
    MU_TRY(mu_part_open(path, &part, err));
    mu_part_handle *handle = malloc(sizeof *handle);
    if (handle == NULL) {
        mu_part_close(part);
        return mu_fail(err, MU_E_NOMEM, "out of memory for opening %s", path);
    }
    *handle = (mu_part_handle){.part = part, .id = id, .n_holders = 1};
    *out = handle;
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
    const char *folder = change->store->folder;
    mu_part_handle *handle = NULL;
    mu_code code = mu_part_writer_seal(writer, err);
    if (code == MU_OK)
        code = open_new_part(folder, id, &handle, err);
    bool is_wanted = code == MU_OK && mu_part_rows(handle->part) > 0;
    pthread_mutex_lock(&change->lock);
    change->n_open_writers--;
    if (is_wanted)
        code = add_new_part(change, handle, err);
    pthread_mutex_unlock(&change->lock);
    if (code != MU_OK || !is_wanted) { /* a part without rows is no part */
        mu_part_handle_release(handle);
        remove_file(folder, id);
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

/* -------- the commit -------- */

static int compare_handles(const void *a, const void *b)
{
    uint64_t x = (*(mu_part_handle *const *)a)->id, y = (*(mu_part_handle *const *)b)->id;
    return (x > y) - (x < y);
}

static mu_catalog_part row_of_new_part(const mu_part_handle *handle)
{
    const mu_part_footer *footer = &handle->part->footer;
    return (mu_catalog_part){.id = handle->id,
                             .entity = handle->part->entity,
                             .n_bytes = footer->file_size,
                             .footer_checksum = footer->checksum,
                             .n_rows = footer->n_rows,
                             .n_events = footer->n_events};
}

/* Works out the state after the change, and what must be written to reach it. */
static void plan_commit(mu_change *change, mu_catalog_state *next, mu_catalog_edit *edit)
{
    const mu_catalog_state *base = &change->base->state;
    uint32_t n_max = base->n_parts + change->n_new;
    mu_catalog_part *parts = MU_NEW_ARRAY(&change->arena, mu_catalog_part, n_max);
    mu_catalog_part *put = MU_NEW_ARRAY(&change->arena, mu_catalog_part, n_max);
    uint64_t *removed = MU_NEW_ARRAY(&change->arena, uint64_t, base->n_parts);
    uint32_t n_parts = 0;
    *edit = (mu_catalog_edit){.base_generation = base->generation,
                              .put = put,
                              .removed = removed,
                              .n_counters = change->n_counters,
                              .counters = change->counters,
                              .next_part_id = atomic_load(&change->store->next_part_id)};
    for (uint32_t p = 0; p < base->n_parts; p++) {
        const killed_part *killed = &change->killed[p];
        mu_catalog_part part = base->parts[p];
        if (killed->dead != NULL && killed->n_dead == part.n_rows) {
            removed[edit->n_removed++] = part.id;
            continue;
        }
        if (killed->dead != NULL) {
            part.n_dead = killed->n_dead;
            part.n_dead_events = killed->n_dead_events;
            part.dead = (mu_str){(const char *)killed->dead, mu_bits_words(part.n_rows) * 8};
            put[edit->n_put++] = part;
        }
        parts[n_parts++] = part;
    }
    if (change->n_new > 1)
        qsort(change->new_parts, change->n_new, sizeof *change->new_parts, compare_handles);
    for (uint32_t i = 0; i < change->n_new; i++)
        put[edit->n_put++] = parts[n_parts++] = row_of_new_part(change->new_parts[i]);
    *next = *base;
    next->generation = base->generation + 1;
    next->n_parts = n_parts;
    next->parts = parts;
    next->n_counters = change->n_counters;
    next->counters = change->counters;
    if (change->has_schema)
        next->schema = mu_buf_str(&change->schema);
}

/* The parts that the next snapshot may show without opening them: the old ones and the new. */
static mu_code next_snapshot(mu_change *change, const mu_catalog_state *next, mu_snapshot **out,
                             mu_err *err)
{
    uint32_t n_base = change->base->state.n_parts;
    mu_part_handle **known =
        MU_NEW_ARRAY(&change->arena, mu_part_handle *, (size_t)n_base + change->n_new);
    for (uint32_t p = 0; p < n_base; p++)
        known[p] = change->base->handles[p];
    for (uint32_t i = 0; i < change->n_new; i++)
        known[n_base + i] = change->new_parts[i];
    return mu_snapshot_new(change->store->folder, next, n_base + change->n_new, known, out, err);
}

static mu_code check_new_parts(const mu_change *change, const mu_snapshot *next, mu_err *err)
{
    for (uint32_t i = 0; i < change->n_new; i++) {
        const mu_part *part = change->new_parts[i]->part;
        const mu_type *type = mu_schema_entity_type(next->schema, part->entity);
        if (type == NULL || !mu_type_extends(type, mu_part_row_type(part)))
            return mu_fail(err, MU_E_CONFLICT,
                           "a part of \"" MU_STR_FMT "\" does not follow the schema",
                           MU_STR_ARG(part->entity));
    }
    return MU_OK;
}

static mu_code write_commit(mu_change *change, mu_catalog_edit *edit, bool *is_unsettled,
                            mu_err *err)
{
    mu_store *store = change->store;
    mu_str schema = mu_buf_str(&change->schema);
    char parts[MU_PATH_MAX];
    if (change->has_schema)
        edit->schema = &schema;
    if (change->n_new > 0) {
        MU_TRY(mu_store_path(store->folder, "parts", parts, err));
        MU_TRY(mu_sync_directory(parts, err));
    }
    pthread_mutex_lock(&store->lock);
    mu_code code =
        mu_catalog_commit(store->catalog, mu_store_sandbox(store), edit, is_unsettled, err);
    store->is_unsettled |= *is_unsettled;
    pthread_mutex_unlock(&store->lock);
    return code;
}

static void show(mu_store *store, mu_snapshot *next)
{
    pthread_mutex_lock(&store->lock);
    mu_snapshot *old = store->current;
    store->current = next;
    pthread_mutex_unlock(&store->lock);
    mu_snapshot_release(old);
}

static mu_code commit(mu_change *change, bool *is_unsettled, mu_err *err)
{
    mu_catalog_state next_state;
    mu_catalog_edit edit;
    mu_snapshot *next = NULL;
    if (change->has_schema && change->schema_code != MU_OK) {
        if (err != NULL)
            *err = change->schema_err;
        return change->schema_code;
    }
    if (change->schema.failed)
        return mu_fail(err, MU_E_LIMIT, "the schema is too large to store");
    plan_commit(change, &next_state, &edit);
    MU_TRY(next_snapshot(change, &next_state, &next, err));
    mu_code code = check_new_parts(change, next, err);
    if (code == MU_OK)
        code = write_commit(change, &edit, is_unsettled, err);
    if (code != MU_OK) {
        mu_snapshot_release(next);
        return code;
    }
    show(change->store, next);
    /* Whoever still reads the replaced parts has them mapped. */
    for (uint32_t i = 0; i < edit.n_removed; i++)
        remove_file(change->store->folder, edit.removed[i]);
    return MU_OK;
}

static void remove_new_files(mu_change *change)
{
    for (uint32_t i = 0; i < change->n_new; i++)
        remove_file(change->store->folder, change->new_parts[i]->id);
}

mu_code mu_change_commit(mu_change *change, mu_err *err)
{
    MU_ASSERT(change->n_open_writers == 0);
    bool is_unsettled = false;
    mu_code code = commit(change, &is_unsettled, err);
    /* When the commit may have happened its files must stay; reopening removes them if not. */
    if (code != MU_OK && !is_unsettled)
        remove_new_files(change);
    free_change(change);
    return code;
}

void mu_change_abort(mu_change *change)
{
    if (change == NULL)
        return;
    MU_ASSERT(change->n_open_writers == 0);
    remove_new_files(change);
    free_change(change);
}
