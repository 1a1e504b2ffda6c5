/* How a change becomes the next state.
 *
 * Between the snapshot that a change started from and its commit, others may have committed: a
 * change in memory beside a fold, a fold beside a merge. Rows only move meanwhile, from parts that
 * left to parts that are new, and keep their pid; so a row that is to die is looked for by pid when
 * its part has left, and a row that died after it was copied dies in the part it was copied to.
 */
#include "store/change_int.h"

#include <stdlib.h>

/* What becomes of one snapshot's parts, and of the change's new parts behind them. */
typedef struct commit_plan {
    const mu_change *change;
    mu_snapshot *current;
    uint32_t n; /* parts of `current` and new parts */
    mu_row_list *killed;
    mu_dead_rows **dead; /* the result of `killed` */
} commit_plan;

static void free_plan(commit_plan *plan)
{
    for (uint32_t i = 0; i < plan->n; i++) {
        if (plan->killed != NULL)
            mu_row_list_free(&plan->killed[i]);
        if (plan->dead != NULL)
            mu_dead_rows_release(plan->dead[i]);
    }
    free(plan->killed);
    free(plan->dead);
    mu_snapshot_release(plan->current);
    *plan = (commit_plan){0};
}

static const mu_part_handle *handle_at(const commit_plan *plan, uint32_t i)
{
    uint32_t n = plan->current->state.n_parts;
    return i < n ? plan->current->state.parts[i].handle : plan->change->new_parts[i - n];
}

static mu_dead_rows *dead_at(const commit_plan *plan, uint32_t i, bool is_durable)
{
    if (i >= plan->current->state.n_parts)
        return NULL;
    const mu_state_part *part = &plan->current->state.parts[i];
    return is_durable ? part->durable : part->shown;
}

/* -------- rows that moved -------- */

static mu_code pid_of_row(const mu_part *part, uint32_t row, uint32_t *out, mu_err *err)
{
    const uint32_t *pids;
    uint32_t block = mu_part_block_of_row(part, row);
    MU_TRY(mu_part_pids(part, block, &pids, err));
    *out = pids[row - part->blocks[block].row];
    return MU_OK;
}

/* Kills the row that a row of `part` became in one of the plan's parts [first, end), if it is not
 * dead already. */
static mu_code kill_moved(commit_plan *plan, const mu_part *part, mu_dead_row dead, uint32_t first,
                          uint32_t end, bool is_durable, mu_err *err)
{
    uint32_t pid;
    MU_TRY(pid_of_row(part, dead.row, &pid, err));
    for (uint32_t i = first; i < end; i++) {
        const mu_part_handle *handle = handle_at(plan, i);
        bool found;
        if (!mu_str_equal(handle->part->entity, part->entity) ||
            (is_durable && mu_part_handle_is_in_memory(handle)))
            continue;
        MU_TRY(mu_part_find_pid(handle->part, pid, &found, &dead.row, err));
        if (found && !mu_dead_rows_has(dead_at(plan, i, is_durable), dead.row))
            return mu_row_list_add(&plan->killed[i], dead, err);
    }
    return MU_OK;
}

/* What the change kills in part p of its base. A row that was dead there already is carried along
 * by whoever moves it: looking for its pid would find a later row. */
static mu_code gather_killed(commit_plan *plan, uint32_t p, bool is_durable, mu_err *err)
{
    const mu_row_list *killed = &plan->change->killed[p];
    const mu_state_part *base = &plan->change->base->state.parts[p];
    const mu_dead_rows *dead = is_durable ? base->durable : base->shown;
    uint32_t now = mu_snapshot_find_part(plan->current, base->handle->id);
    for (size_t i = 0; i < killed->n; i++) {
        if (now != UINT32_MAX)
            MU_TRY(mu_row_list_add(&plan->killed[now], killed->rows[i], err));
        else if (!mu_dead_rows_has(dead, killed->rows[i].row))
            MU_TRY(kill_moved(plan, base->handle->part, killed->rows[i], 0,
                              plan->current->state.n_parts, is_durable, err));
    }
    return MU_OK;
}

/* What died of source p since it was copied; all of it when the part has left. */
static mu_code gather_overtaken(commit_plan *plan, uint32_t p, bool is_durable, mu_err *err)
{
    const mu_part_handle *handle = plan->change->base->state.parts[p].handle;
    uint32_t now = mu_snapshot_find_part(plan->current, handle->id);
    mu_row_list died = {0};
    mu_code code = MU_OK;
    const mu_dead_rows *left_out = mu_change_source_dead(plan->change, p);
    if (now == UINT32_MAX)
        code = mu_row_list_add_difference(&died, handle->part, NULL, left_out, err);
    else if (dead_at(plan, now, is_durable) != NULL)
        code = mu_row_list_add_difference(&died, handle->part, dead_at(plan, now, is_durable),
                                          left_out, err);
    for (size_t i = 0; code == MU_OK && i < died.n; i++)
        code = kill_moved(plan, handle->part, died.rows[i], plan->current->state.n_parts, plan->n,
                          false, err);
    mu_row_list_free(&died);
    return code;
}

/* Works out the dead rows of every part, on disk or as shown. Takes the reference to `current`. */
static mu_code make_plan(const mu_change *change, mu_snapshot *current, bool is_durable,
                         commit_plan *plan, mu_err *err)
{
    const mu_state *base = &change->base->state;
    *plan = (commit_plan){
        .change = change, .current = current, .n = current->state.n_parts + change->n_new};
    plan->killed = calloc((size_t)plan->n + 1, sizeof *plan->killed);
    plan->dead = calloc((size_t)plan->n + 1, sizeof *plan->dead);
    if (plan->killed == NULL || plan->dead == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for a commit");
    /* Nothing that happens to parts in memory is durable: what died after a fold copied it is dead
     * on disk with the next fold. */
    bool has_sources = change->kind == MU_CHANGE_REWRITE || !is_durable;
    for (uint32_t p = 0; p < base->n_parts; p++) {
        if (change->killed[p].n > 0)
            MU_TRY(gather_killed(plan, p, is_durable, err));
        if (has_sources && change->is_source[p])
            MU_TRY(gather_overtaken(plan, p, is_durable, err));
    }
    for (uint32_t i = 0; i < plan->n; i++)
        MU_TRY(mu_dead_rows_with(dead_at(plan, i, is_durable), handle_at(plan, i)->part,
                                 plan->killed[i].n, plan->killed[i].rows, &plan->dead[i], err));
    return MU_OK;
}

/* -------- the next snapshot -------- */

static bool is_all_dead(const mu_part_handle *handle, const mu_dead_rows *dead)
{
    return mu_dead_rows_count(dead) == handle->part->footer.n_rows;
}

/* Whether the part, one of the current ones, leaves with this change. */
static bool leaves(const mu_change *change, const mu_part_handle *handle,
                   const mu_dead_rows *durable, const mu_dead_rows *shown)
{
    uint32_t p = mu_snapshot_find_part(change->base, handle->id);
    if (p != UINT32_MAX && change->is_source[p])
        return true;
    return is_all_dead(handle, mu_part_handle_is_in_memory(handle) ? shown : durable);
}

/* The dead rows on disk of part i of `shown`, whose current snapshot may be a later one. */
static mu_dead_rows *durable_of(const commit_plan *durable, const commit_plan *shown, uint32_t i)
{
    if (durable == NULL)
        return dead_at(shown, i, true);
    uint32_t n = shown->current->state.n_parts, old_n = durable->current->state.n_parts;
    if (i >= n)
        return durable->dead[old_n + (i - n)];
    uint32_t at = mu_snapshot_find_part(durable->current, handle_at(shown, i)->id);
    return at == UINT32_MAX ? NULL : durable->dead[at];
}

static int compare_parts(const void *a, const void *b)
{
    uint64_t x = ((const mu_state_part *)a)->handle->id, y = ((const mu_state_part *)b)->handle->id;
    return (x > y) - (x < y);
}

/* Both maxima; `counters` has room for all. */
static uint32_t join_counters(const mu_state *current, const mu_change *change,
                              mu_catalog_counter *counters)
{
    uint32_t n = 0;
    for (; n < change->n_counters; n++)
        counters[n] = change->counters[n];
    for (uint32_t c = 0; c < current->n_counters; c++) {
        uint32_t i = 0;
        while (i < n && !mu_str_equal(counters[i].entity, current->counters[c].entity))
            i++;
        if (i == n)
            counters[n++] = current->counters[c];
        else if (counters[i].next_pid < current->counters[c].next_pid)
            counters[i].next_pid = current->counters[c].next_pid;
    }
    return n;
}

static void set_marks(const mu_change *change, mu_state *next)
{
    if (change->mark != NULL)
        next->shown_mark = change->mark;
    if (change->mark != NULL && change->kind == MU_CHANGE_DISK)
        next->durable_mark = change->mark;
    if (change->kind == MU_CHANGE_FOLD)
        next->durable_mark = change->base->state.shown_mark;
}

static uint32_t next_parts(const commit_plan *durable, const commit_plan *shown,
                           mu_state_part *parts)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < shown->n; i++) {
        mu_dead_rows *on_disk = durable_of(durable, shown, i), *dead = shown->dead[i];
        mu_part_handle *handle = (mu_part_handle *)(uintptr_t)handle_at(shown, i);
        if (i < shown->current->state.n_parts && leaves(shown->change, handle, on_disk, dead))
            continue;
        if (mu_dead_rows_count(on_disk) == mu_dead_rows_count(dead))
            dead = on_disk; /* shown is never less than durable: the same */
        parts[n++] = (mu_state_part){handle, dead, on_disk};
    }
    qsort(parts, n, sizeof *parts, compare_parts);
    return n;
}

/* `durable` NULL: what is on disk stays as it is. Takes the reference to `current`. */
static mu_code make_next(const mu_change *change, mu_snapshot *current, const commit_plan *durable,
                         mu_schema_version *schema, mu_snapshot **out, mu_err *err)
{
    commit_plan shown;
    const mu_state *state = &current->state;
    uint32_t n_counters = state->n_counters + change->n_counters;
    mu_state_part *parts = calloc((size_t)state->n_parts + change->n_new + 1, sizeof *parts);
    mu_catalog_counter *counters = calloc((size_t)n_counters + 1, sizeof *counters);
    mu_code code = make_plan(change, current, false, &shown, err);
    if (code == MU_OK && (parts == NULL || counters == NULL))
        code = mu_fail(err, MU_E_NOMEM, "out of memory for a snapshot");
    if (code == MU_OK) {
        mu_state next = *state;
        next.generation += durable != NULL;
        next.n_parts = next_parts(durable, &shown, parts);
        next.parts = parts;
        next.n_counters = join_counters(state, change, counters);
        next.counters = counters;
        if (schema != NULL)
            next.schema = schema;
        set_marks(change, &next);
        code = mu_snapshot_new(&next, out, err);
    }
    free(parts);
    free(counters);
    free_plan(&shown);
    return code;
}

static mu_code check_new_parts(const mu_change *change, const mu_snapshot *next, mu_err *err)
{
    for (uint32_t i = 0; i < change->n_new; i++) {
        const mu_part *part = change->new_parts[i]->part;
        const mu_type *type = mu_schema_entity_type(mu_snapshot_schema(next), part->entity);
        if (type == NULL || !mu_type_extends(type, mu_part_row_type(part)))
            return mu_fail(err, MU_E_CONFLICT,
                           "a part of \"" MU_STR_FMT "\" does not follow the schema",
                           MU_STR_ARG(part->entity));
    }
    return MU_OK;
}

/* -------- to disk -------- */

typedef struct disk_commit {
    mu_change *change;
    commit_plan durable;
    mu_schema_version *schema; /* NULL: as before */
    mu_catalog_mark mark;
    mu_catalog_edit edit;
    mu_snapshot *next;
    bool is_unsettled;
} disk_commit;

static mu_catalog_part catalog_row(const mu_part_handle *handle, const mu_dead_rows *dead)
{
    const mu_part_footer *footer = &handle->part->footer;
    mu_catalog_part row = {.id = handle->id,
                           .entity = handle->part->entity,
                           .n_bytes = footer->file_size,
                           .footer_checksum = footer->checksum,
                           .n_rows = footer->n_rows,
                           .n_events = footer->n_events};
    if (dead != NULL) {
        row.n_dead = dead->n_rows;
        row.n_dead_events = dead->n_events;
        row.dead = (mu_str){(const char *)dead->words, mu_bits_words(footer->n_rows) * 8};
    }
    return row;
}

/* What must be written: parts that are new, whose dead rows changed, or that leave. */
static void plan_parts(disk_commit *commit)
{
    mu_change *change = commit->change;
    const commit_plan *plan = &commit->durable;
    uint32_t n_old = plan->current->state.n_parts;
    mu_catalog_part *put = MU_NEW_ARRAY(&change->arena, mu_catalog_part, plan->n);
    uint64_t *removed = MU_NEW_ARRAY(&change->arena, uint64_t, n_old);
    mu_catalog_edit *edit = &commit->edit;
    for (uint32_t i = 0; i < plan->n; i++) {
        const mu_part_handle *handle = handle_at(plan, i);
        if (i < n_old && mu_part_handle_is_in_memory(handle))
            continue;
        if (i < n_old && leaves(change, handle, plan->dead[i], NULL))
            removed[edit->n_removed++] = handle->id;
        else if (i >= n_old || plan->dead[i] != dead_at(plan, i, true))
            put[edit->n_put++] = catalog_row(handle, plan->dead[i]);
    }
    edit->put = put;
    edit->removed = removed;
}

static void plan_edit(disk_commit *commit, const mu_str *schema)
{
    mu_change *change = commit->change;
    mu_catalog_edit *edit = &commit->edit;
    edit->base_generation = commit->durable.current->state.generation;
    edit->schema = schema;
    edit->next_part_id = atomic_load(&change->store->folder->next_part_id);
    plan_parts(commit);
    if (change->kind != MU_CHANGE_REWRITE) {
        const mu_state *state = &commit->durable.current->state;
        mu_catalog_counter *counters = MU_NEW_ARRAY(&change->arena, mu_catalog_counter,
                                                    state->n_counters + change->n_counters);
        edit->n_counters = join_counters(state, change, counters);
        edit->counters = counters;
    }
    const mu_held_mark *mark = NULL;
    if (change->kind == MU_CHANGE_FOLD)
        mark = change->base->state.shown_mark;
    else if (change->kind == MU_CHANGE_DISK)
        mark = change->mark;
    if (mark != NULL) {
        commit->mark = (mu_catalog_mark){mark->mark.next_sequence, mark->mark.state};
        edit->mark = &commit->mark;
    }
}

static mu_code write_commit(disk_commit *commit, mu_err *err)
{
    mu_store *store = commit->change->store;
    mu_folder *folder = store->folder;
    if (commit->change->n_new > 0) {
        char parts[MU_PATH_MAX];
        MU_TRY(mu_store_path(folder->path, "parts", parts, err));
        MU_TRY(mu_sync_directory(parts, err));
    }
    pthread_mutex_lock(&folder->lock);
    mu_code code = folder->is_unsettled
                       ? mu_fail(err, MU_E_IO,
                                 "an earlier commit to %s failed half-way; it must be opened again",
                                 folder->path)
                       : mu_catalog_commit(folder->catalog, mu_store_sandbox(store), &commit->edit,
                                           &commit->is_unsettled, err);
    folder->is_unsettled |= commit->is_unsettled;
    pthread_mutex_unlock(&folder->lock);
    return code;
}

/* Shows the state that was prepared; makes it anew when changes in memory came in between. */
static mu_code show_result(disk_commit *commit, mu_err *err)
{
    mu_store *store = commit->change->store;
    mu_code code = MU_OK;
    pthread_mutex_lock(&store->memory);
    mu_snapshot *current = mu_store_current(store);
    if (current == commit->durable.current) {
        mu_snapshot_release(current);
    } else {
        mu_snapshot_release(commit->next);
        commit->next = NULL;
        code = make_next(commit->change, current, &commit->durable, commit->schema, &commit->next,
                         err);
    }
    if (code == MU_OK) {
        mu_store_show(store, commit->next);
        commit->next = NULL;
    }
    pthread_mutex_unlock(&store->memory);
    return code;
}

/* What is in memory goes further than what is on disk: a mark on disk would leave it behind. */
static mu_code check_mark(const disk_commit *commit, mu_err *err)
{
    const mu_state *state = &commit->durable.current->state;
    if (commit->change->mark == NULL)
        return MU_OK;
    for (uint32_t p = 0; p < state->n_parts; p++)
        if (mu_part_handle_is_in_memory(state->parts[p].handle) ||
            state->parts[p].shown != state->parts[p].durable)
            return mu_fail(err, MU_E_CONFLICT,
                           "a change on disk cannot set the mark before a fold");
    return MU_OK;
}

static mu_code commit_prepared(disk_commit *commit, mu_err *err)
{
    mu_change *change = commit->change;
    mu_str schema = mu_buf_str(&change->schema);
    mu_store *store = change->store;
    if (change->has_schema)
        MU_TRY(mu_schema_version_read(schema, &commit->schema, err));
    MU_TRY(make_plan(change, mu_store_current(store), true, &commit->durable, err));
    MU_TRY(check_mark(commit, err));
    plan_edit(commit, change->has_schema ? &schema : NULL);
    MU_TRY(make_next(change, mu_snapshot_hold(commit->durable.current), &commit->durable,
                     commit->schema, &commit->next, err));
    MU_TRY(check_new_parts(change, commit->next, err));
    MU_TRY(write_commit(commit, err));
    mu_code code = show_result(commit, err);
    if (code != MU_OK) {
        /* It is committed, and cannot be shown: what is shown is the same data, but no other change
         * may start from it. */
        pthread_mutex_lock(&store->folder->lock);
        store->folder->is_unsettled = commit->is_unsettled = true;
        pthread_mutex_unlock(&store->folder->lock);
        return code;
    }
    /* Whoever still reads the parts that left has them mapped. */
    for (uint32_t i = 0; i < commit->edit.n_removed; i++)
        mu_part_remove_file(store->folder->path, commit->edit.removed[i]);
    return MU_OK;
}

static mu_code commit_to_disk(mu_change *change, bool *is_unsettled, mu_err *err)
{
    disk_commit commit = {.change = change};
    pthread_mutex_lock(&change->store->disk);
    mu_code code = commit_prepared(&commit, err);
    pthread_mutex_unlock(&change->store->disk);
    *is_unsettled = commit.is_unsettled;
    mu_schema_version_release(commit.schema);
    mu_snapshot_release(commit.next);
    if (commit.durable.current != NULL)
        free_plan(&commit.durable);
    return code;
}

/* -------- to memory -------- */

static mu_code commit_to_memory(mu_change *change, mu_err *err)
{
    mu_store *store = change->store;
    mu_snapshot *next = NULL;
    for (uint32_t i = 0; i < change->n_new; i++)
        MU_TRY(mu_change_raise_counter(change, change->new_parts[i]->part->entity,
                                       change->new_parts[i]->max_pid + 1, err));
    pthread_mutex_lock(&store->memory);
    mu_code code = make_next(change, mu_store_current(store), NULL, NULL, &next, err);
    if (code == MU_OK)
        code = check_new_parts(change, next, err);
    if (code == MU_OK)
        mu_store_show(store, next);
    else
        mu_snapshot_release(next);
    pthread_mutex_unlock(&store->memory);
    return code;
}

mu_code mu_change_commit(mu_change *change, mu_err *err)
{
    MU_ASSERT(change->n_open_writers == 0);
    bool is_unsettled = false;
    mu_code code = change->failure;
    if (code != MU_OK && err != NULL)
        *err = change->failure_err;
    if (code == MU_OK && change->schema.failed)
        code = mu_fail(err, MU_E_LIMIT, "the schema is too large to store");
    if (code == MU_OK)
        code = mu_change_is_in_memory(change) ? commit_to_memory(change, err)
                                              : commit_to_disk(change, &is_unsettled, err);
    /* When the commit may have happened its files must stay; reopening removes them if not. */
    if (code == MU_OK || is_unsettled)
        mu_change_free(change);
    else
        mu_change_abort(change);
    return code;
}
