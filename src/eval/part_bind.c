/* part_bind.c -- a plan meets parts: columns found by path, tables decided per dictionary code, or
 * per number for all parts together. */
#include "eval/part_int.h"

/* -------- columns -------- */

static uint32_t find_column(const mu_part *part, const plan *p, const uint32_t *columns,
                            uint32_t index)
{
    const plan_column *column = &p->columns[index];
    if (column->role == COLUMN_FIELD) {
        uint32_t parent = columns[column->parent];
        return parent == MU_NO_COLUMN ? MU_NO_COLUMN : mu_part_child(part, parent, column->name);
    }
    if (column->level == 0)
        return 0;
    uint32_t list = columns[p->levels[column->level].column];
    if (list == MU_NO_COLUMN)
        return MU_NO_COLUMN;
    const mu_column *stored = mu_part_column(part, list);
    if (stored->kind == MU_TYPE_MAP)
        return stored->children[column->role == COLUMN_KEY ? 0 : 1];
    return stored->kind == MU_TYPE_LIST ? stored->children[0] : MU_NO_COLUMN;
}

/* A column whose stored kind the schema no longer has (only integers became doubles) is refused. */
static mu_code check_kind(const mu_part *part, const plan_column *column, uint32_t stored_index,
                          mu_err *err)
{
    mu_type_kind stored = mu_part_column(part, stored_index)->kind, wanted = column->type->kind;
    if (stored == wanted || (stored == MU_TYPE_INTEGER && wanted == MU_TYPE_DOUBLE))
        return MU_OK;
    return mu_fail(err, MU_E_CORRUPT,
                   "column " MU_STR_FMT " is stored as %s but the schema says %s",
                   MU_STR_ARG(column->name), mu_type_kind_name(stored), mu_type_kind_name(wanted));
}

/* -------- tables over numbers -------- */

/* The values of a column of days or integers in all parts. */
typedef struct number_range {
    bool is_known, is_wide;
    int64_t min, max;
    uint64_t n_elements;
} number_range;

static mu_code widen_range(const mu_part *part, uint32_t column, number_range *range, mu_err *err)
{
    for (uint32_t block = 0; block < mu_part_block_count(part) && !range->is_wide; block++) {
        mu_vector vector;
        MU_TRY(mu_part_vector(part, column, block, &vector, err));
        range->n_elements += vector.n - vector.n_null;
        if (vector.encoding == MU_ENCODING_NONE)
            continue;
        /* Null elements hold the base: it must be in the table too. */
        int64_t low = vector.base < vector.min ? vector.base : vector.min;
        range->is_wide =
            vector.encoding != MU_ENCODING_INTEGER || !vector.has_range || vector.width > 4;
        range->min = low < range->min ? low : range->min;
        range->max = vector.max > range->max ? vector.max : range->max;
    }
    return MU_OK;
}

static mu_code find_range(bindings *b, uint32_t column, number_range *range, mu_err *err)
{
    const mu_entity *profile = b->job->profile;
    *range = (number_range){.is_known = true, .min = INT64_MAX, .max = INT64_MIN};
    for (uint32_t i = 0; i < profile->n_parts; i++)
        if (b->parts[i].columns[column] != MU_NO_COLUMN)
            MU_TRY(widen_range(profile->parts[i], b->parts[i].columns[column], range, err));
    return MU_OK;
}

/* Fewer numbers than a quarter of the elements, or fewer that are quickly decided: one answer per
 * number, for all parts. */
static mu_code bind_numbers(bindings *b, mu_err *err)
{
    const plan *p = &b->job->plan;
    open_tables open = {0};
    number_range *ranges = NULL;
    for (uint32_t i = 0; i < b->job->n_tables; i++) {
        const plan_node *node = &p->nodes[b->job->tables[i]];
        if (node->table->input != MU_TYPE_DATE && node->table->input != MU_TYPE_INTEGER)
            continue;
        if (ranges == NULL)
            ranges = MU_NEW_ARRAY(&b->arena, number_range, p->n_columns);
        number_range *range = &ranges[node->column];
        if (!range->is_known)
            MU_TRY(find_range(b, node->column, range, err));
        uint64_t n = (uint64_t)range->max - (uint64_t)range->min;
        if (!range->is_wide && range->min <= range->max &&
            n < range->n_elements / (node->table->quick_date != NULL ? 1 : 4))
            bind_number_table(node->table, range->min, (uint32_t)n + 1, &b->arena, &b->numbers[i],
                              &open);
    }
    return settle_tables(b->job, &open, &b->arena, err);
}

/* -------- parts -------- */

static mu_code bind_columns(bindings *b, uint32_t index, mu_err *err)
{
    const plan *p = &b->job->plan;
    bound_part *out = &b->parts[index];
    *out = (bound_part){.part = b->job->profile->parts[index],
                        .dead = b->job->profile->dead[index],
                        .index = index};
    mu_arena_init(&out->arena, SIZE_MAX);
    out->columns = MU_NEW_ARRAY(&b->arena, uint32_t, p->n_columns);
    for (uint32_t i = 0; i < p->n_columns; i++) {
        out->columns[i] = find_column(out->part, p, out->columns, i);
        if (out->columns[i] != MU_NO_COLUMN)
            MU_TRY(check_kind(out->part, &p->columns[i], out->columns[i], err));
    }
    return MU_OK;
}

mu_code bindings_init(bindings *b, const mu_job *job, mu_err *err)
{
    uint32_t n_parts = job->profile->n_parts;
    *b = (bindings){.job = job};
    mu_arena_init(&b->arena, SIZE_MAX);
    b->parts = MU_NEW_ARRAY(&b->arena, bound_part, n_parts);
    b->numbers = MU_NEW_ARRAY(&b->arena, bound_table, job->n_tables);
    for (uint32_t i = 0; i < n_parts; i++)
        MU_TRY(bind_columns(b, i, err));
    return bind_numbers(b, err);
}

void bindings_fini(bindings *b)
{
    for (uint32_t i = 0; b->parts != NULL && i < b->job->profile->n_parts; i++)
        bindings_drop(b, i);
    mu_arena_free(&b->arena);
}

static void bind_part(const bindings *b, bound_part *part, open_tables *open)
{
    const plan *p = &b->job->plan;
    part->tables = MU_NEW_ARRAY(&part->arena, bound_table, b->job->n_tables);
    for (uint32_t i = 0; i < b->job->n_tables; i++) {
        const plan_node *node = &p->nodes[b->job->tables[i]];
        uint32_t column = part->columns[node->column];
        part->tables[i] = b->numbers[i];
        if (column == MU_NO_COLUMN || node->table->input != MU_TYPE_STRING)
            continue;
        mu_dictionary dictionary = mu_part_dictionary(part->part, column);
        if (dictionary.n > 0)
            bind_dictionary_table(node->table, dictionary, &part->arena, &part->tables[i], open);
    }
}

mu_code bindings_add(bindings *b, uint32_t first, size_t bytes_max, uint32_t *past, mu_err *err)
{
    open_tables open = {0};
    mu_arena arena; /* of what is open, which grows while parts are bound */
    size_t bytes = 0;
    mu_arena_init(&arena, SIZE_MAX);
    for (*past = first; *past < b->job->profile->n_parts && bytes <= bytes_max; ++*past) {
        bind_part(b, &b->parts[*past], &open);
        bytes += b->parts[*past].arena.used_bytes;
    }
    mu_code code = settle_tables(b->job, &open, &arena, err);
    mu_arena_free(&arena);
    return code;
}

void bindings_drop(bindings *b, uint32_t part)
{
    b->parts[part].tables = NULL;
    mu_arena_free(&b->parts[part].arena);
}
