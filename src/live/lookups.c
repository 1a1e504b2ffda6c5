#include "live/live_int.h"

#include "base/hash.h"

#include <stdlib.h>

/* The last record of one key of one class. */
typedef struct lookup_row {
    mu_record record;
    uint64_t sequence;
    uint32_t pid;
} lookup_row;

static int compare_rows(const void *a, const void *b)
{
    const lookup_row *x = a, *y = b;
    int order = mu_str_compare(x->record.class_name, y->record.class_name);
    if (order == 0)
        order = mu_str_compare(x->record.identities[0].value, y->record.identities[0].value);
    return order != 0 ? order : (x->sequence > y->sequence) - (x->sequence < y->sequence);
}

static int compare_pids(const void *a, const void *b)
{
    uint32_t x = mu_mix32(((const lookup_row *)a)->pid), y = mu_mix32(((const lookup_row *)b)->pid);
    return (x > y) - (x < y);
}

static bool is_same_row(const lookup_row *a, const lookup_row *b)
{
    return mu_str_equal(a->record.class_name, b->record.class_name) &&
           mu_str_equal(a->record.identities[0].value, b->record.identities[0].value);
}

static mu_code read_rows(mu_arena *arena, const mu_delta *frozen, uint32_t *n, lookup_row **out,
                         mu_err *err)
{
    uint32_t n_all = 0, n_rows = 0;
    for (const mu_pending *p = frozen->lookups.first; p != NULL; p = p->next)
        n_all++;
    lookup_row *rows = MU_NEW_ARRAY(arena, lookup_row, n_all);
    n_all = 0;
    for (const mu_pending *p = frozen->lookups.first; p != NULL; p = p->next) {
        rows[n_all].sequence = p->sequence;
        MU_TRY(mu_record_read(arena, p->bytes, &rows[n_all++].record, err));
    }
    if (n_all > 1)
        qsort(rows, n_all, sizeof *rows, compare_rows);
    for (uint32_t i = 0; i < n_all; i++)
        if (i + 1 == n_all || !is_same_row(&rows[i], &rows[i + 1]))
            rows[n_rows++] = rows[i];
    *n = n_rows;
    *out = rows;
    return MU_OK;
}

/* A key keeps its pid. */
static mu_code place_row(mu_sandbox *sandbox, const mu_entity *entity, mu_change *change,
                         lookup_row *row, mu_err *err)
{
    mu_row_place place;
    bool found = false;
    mu_identity identity = {MU_STR(""), row->record.identities[0].value};
    if (entity != NULL)
        MU_TRY(mu_entity_find(entity, identity, &found, &place, err));
    if (!found) {
        pthread_mutex_lock(&sandbox->lock);
        row->pid = mu_sandbox_class(sandbox, row->record.class_name)->next_pid++;
        pthread_mutex_unlock(&sandbox->lock);
        return MU_OK;
    }
    const mu_part *part = entity->parts[place.part];
    const uint32_t *pids;
    uint32_t block = 0;
    while (place.row >= mu_part_block(part, block).row + mu_part_block(part, block).n_rows)
        block++;
    MU_TRY(mu_part_pids(part, block, &pids, err));
    row->pid = pids[place.row - mu_part_block(part, block).row];
    return mu_change_kill_row(change, row->record.class_name, place, err);
}

static mu_code write_class(mu_change *change, mu_arena *arena, const mu_lookup_class *class,
                           uint32_t n, const lookup_row *rows, mu_err *err)
{
    mu_part_writer *writer;
    mu_json_reader *reader = mu_json_reader_new();
    MU_TRY(mu_part_writer_new(change, class->name, class->type, &writer, err));
    mu_code code = MU_OK;
    for (uint32_t i = 0; code == MU_OK && i < n; i++) {
        mu_json json;
        mu_value row;
        mu_identity identity = {MU_STR(""), rows[i].record.identities[0].value};
        code = mu_json_read(reader, arena, rows[i].record.document, &json, err);
        if (code == MU_OK)
            code = mu_value_from_typed_json(arena, class->type, &json, &row, err);
        if (code == MU_OK)
            code = mu_part_writer_add(writer, rows[i].pid, identity, row, err);
    }
    mu_json_reader_free(reader);
    if (code == MU_OK)
        return mu_part_writer_finish(writer, err);
    mu_part_writer_abandon(writer);
    return code;
}

mu_code mu_layer_add_lookups(mu_sandbox *sandbox, const mu_delta *frozen, const mu_snapshot *base,
                             mu_change *change, mu_err *err)
{
    uint32_t n = 0;
    lookup_row *rows;
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code = read_rows(&arena, frozen, &n, &rows, err);
    for (uint32_t begin = 0, end; code == MU_OK && begin < n; begin = end) {
        mu_str name = rows[begin].record.class_name;
        const mu_entity *entity = mu_snapshot_entity(base, name);
        const mu_lookup_class *class = mu_schema_lookup_class(mu_snapshot_schema(base), name);
        for (end = begin; end < n && mu_str_equal(rows[end].record.class_name, name); end++)
            if (code == MU_OK && class != NULL)
                code = place_row(sandbox, entity, change, &rows[end], err);
        if (class == NULL) { /* the relationship that led to it is gone: nobody can read it */
            mu_log(sandbox->live->options.logger, MU_LOG_WARNING, "lookup_records_dropped",
                   mu_log_integer("records", (int64_t)(end - begin)));
            continue;
        }
        qsort(rows + begin, end - begin, sizeof *rows, compare_pids);
        if (code == MU_OK)
            code = write_class(change, &arena, class, end - begin, rows + begin, err);
    }
    mu_arena_free(&arena);
    return code;
}
