#include "store/store_int.h"

#include <stdlib.h>

static void hold(_Atomic uint32_t *n_holders)
{
    atomic_fetch_add_explicit(n_holders, 1, memory_order_relaxed);
}

/* True for the last one. */
static bool let_go(_Atomic uint32_t *n_holders)
{
    return atomic_fetch_sub_explicit(n_holders, 1, memory_order_acq_rel) == 1;
}

/* -------- parts -------- */

mu_code mu_part_handle_new(mu_part *part, uint64_t id, mu_part_handle **out, mu_err *err)
{
    mu_part_handle *handle = malloc(sizeof *handle);
    if (handle == NULL) {
        mu_code code = mu_fail(err, MU_E_NOMEM, "out of memory for opening %s", part->path);
        mu_part_close(part);
        return code;
    }
    *handle = (mu_part_handle){.part = part, .id = id, .n_holders = 1};
    if (part->is_in_memory)
        handle->memory_bytes = part->mapping.size_bytes;
    *out = handle;
    return MU_OK;
}

mu_code mu_part_handle_open(const char *folder, const mu_catalog_part *row, mu_part_handle **out,
                            mu_err *err)
{
    char path[MU_PATH_MAX];
    mu_part *part;
    MU_TRY(mu_part_path(folder, row->id, path, err));
    MU_TRY(mu_part_open(path, &part, err));
    const mu_part_footer *footer = &part->footer;
    if (footer->part_id != row->id || footer->file_size != row->n_bytes ||
        footer->checksum != row->footer_checksum || footer->n_rows != row->n_rows ||
        footer->n_events != row->n_events || !mu_str_equal(part->entity, row->entity)) {
        mu_part_close(part);
        return mu_fail(err, MU_E_CORRUPT, "%s is not the part that the catalog lists", path);
    }
    return mu_part_handle_new(part, row->id, out, err);
}

mu_part_handle *mu_part_handle_hold(mu_part_handle *handle)
{
    hold(&handle->n_holders);
    return handle;
}

void mu_part_handle_release(mu_part_handle *handle)
{
    if (handle == NULL || !let_go(&handle->n_holders))
        return;
    mu_part_close(handle->part);
    free(handle);
}

/* -------- dead rows -------- */

static mu_dead_rows *new_dead_rows(uint32_t n_part_rows)
{
    mu_dead_rows *dead = calloc(1, sizeof *dead + mu_bits_words(n_part_rows) * 8);
    if (dead != NULL)
        atomic_init(&dead->n_holders, 1);
    return dead;
}

mu_code mu_dead_rows_with(mu_dead_rows *base, const mu_part *part, size_t n,
                          const mu_dead_row *rows, mu_dead_rows **out, mu_err *err)
{
    bool is_known = true;
    for (size_t i = 0; is_known && i < n; i++)
        is_known = mu_dead_rows_has(base, rows[i].row);
    if (is_known) {
        *out = mu_dead_rows_hold(base);
        return MU_OK;
    }
    mu_dead_rows *dead = new_dead_rows(part->footer.n_rows);
    if (dead == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for dead rows");
    if (base != NULL) {
        memcpy(dead->words, base->words, mu_bits_words(part->footer.n_rows) * 8);
        dead->n_rows = base->n_rows;
        dead->n_events = base->n_events;
    }
    for (size_t i = 0; i < n; i++) {
        if (mu_bit_get(dead->words, rows[i].row))
            continue;
        mu_bit_set(dead->words, rows[i].row);
        dead->n_rows++;
        dead->n_events += rows[i].n_events;
    }
    *out = dead;
    return MU_OK;
}

mu_code mu_dead_rows_read(const mu_catalog_part *row, mu_dead_rows **out, mu_err *err)
{
    *out = NULL;
    if (row->n_dead == 0)
        return MU_OK;
    mu_dead_rows *dead = new_dead_rows(row->n_rows);
    if (dead == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for dead rows");
    memcpy(dead->words, row->dead.ptr, mu_bits_words(row->n_rows) * 8);
    dead->n_rows = row->n_dead;
    dead->n_events = row->n_dead_events;
    *out = dead;
    return MU_OK;
}

mu_dead_rows *mu_dead_rows_hold(mu_dead_rows *dead)
{
    if (dead != NULL)
        hold(&dead->n_holders);
    return dead;
}

void mu_dead_rows_release(mu_dead_rows *dead)
{
    if (dead != NULL && let_go(&dead->n_holders))
        free(dead);
}

mu_code mu_part_events_of_row(const mu_part *part, uint32_t row, uint32_t *out, mu_err *err)
{
    *out = 0;
    if (part->event_level == 0)
        return MU_OK;
    mu_vector lists;
    uint32_t block = mu_part_block_of_row(part, row), at = row - part->blocks[block].row;
    MU_TRY(mu_part_any_vector(part, part->levels[part->event_level].column, block, &lists, err));
    *out = mu_vector_end(&lists, at) - mu_vector_begin(&lists, at);
    return MU_OK;
}

/* -------- schemas -------- */

static mu_code read_schema(mu_schema_version *version, mu_err *err)
{
    mu_arena *arena = &version->arena;
    if (version->json.len == 0) {
        version->schema = mu_schema_builtin(arena);
        return MU_OK;
    }
    mu_json json;
    mu_err reason;
    mu_json_reader *reader = mu_json_reader_new();
    mu_code code = mu_json_read(reader, arena, version->json, &json, &reason);
    if (code == MU_OK)
        code = mu_schema_read(arena, &json, &version->schema, &reason);
    mu_json_reader_free(reader);
    if (code != MU_OK)
        return mu_fail(err, MU_E_CORRUPT, "the stored schema cannot be read: %.400s", reason.text);
    return MU_OK;
}

mu_code mu_schema_version_read(mu_str json, mu_schema_version **out, mu_err *err)
{
    mu_schema_version *version = calloc(1, sizeof *version);
    if (version == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for a schema");
    atomic_init(&version->n_holders, 1);
    mu_arena_init(&version->arena, SIZE_MAX);
    version->json = mu_arena_copy(&version->arena, json);
    mu_code code = read_schema(version, err);
    if (code != MU_OK) {
        mu_schema_version_release(version);
        return code;
    }
    *out = version;
    return MU_OK;
}

mu_schema_version *mu_schema_version_hold(mu_schema_version *version)
{
    hold(&version->n_holders);
    return version;
}

void mu_schema_version_release(mu_schema_version *version)
{
    if (version == NULL || !let_go(&version->n_holders))
        return;
    mu_arena_free(&version->arena);
    free(version);
}

/* -------- marks -------- */

mu_code mu_held_mark_new(const mu_mark *mark, mu_held_mark **out, mu_err *err)
{
    mu_held_mark *held = malloc(sizeof *held + mark->state.len);
    if (held == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for a mark");
    atomic_init(&held->n_holders, 1);
    if (mark->state.len > 0)
        memcpy(held->state, mark->state.ptr, mark->state.len);
    held->mark = *mark;
    held->mark.state = (mu_str){held->state, mark->state.len};
    *out = held;
    return MU_OK;
}

mu_held_mark *mu_held_mark_hold(mu_held_mark *mark)
{
    if (mark != NULL)
        hold(&mark->n_holders);
    return mark;
}

void mu_held_mark_release(mu_held_mark *mark)
{
    if (mark != NULL && let_go(&mark->n_holders))
        free(mark);
}
