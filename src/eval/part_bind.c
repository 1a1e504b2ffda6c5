/* part_bind.c -- a plan meets a part: columns found by path, tables decided per dictionary code. */
#include "eval/run_int.h"

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

/* -------- tables -------- */

uint8_t table_evaluate(const mu_job *job, const plan_table *table, mu_value value, mu_arena *arena)
{
    if (mu_value_is_null(value))
        return (uint8_t)((table->of_null ? TABLE_TRUE : 0) | (table->null_trips ? TABLE_TRIPS : 0));
    mu_arena_reset(arena);
    mu_reference_variable variable = {MU_STR(TABLE_INPUT), value};
    mu_value row = MU_VALUE_NULL;
    mu_reference_result result =
        mu_reference_eval_in(arena, &job->table_context, table->expression, 1, &row, 1, &variable);
    return (uint8_t)((mu_value_is_true(result.value) ? TABLE_TRUE : 0) |
                     (result.trips != 0 ? TABLE_TRIPS : 0));
}

static void find_ranges(bound_table *table, uint32_t n)
{
    table->n_ranges = 0;
    for (uint32_t code = 0; code < n; code++) {
        table->trips |= (table->results[code] & TABLE_TRIPS) != 0;
        if ((table->results[code] & TABLE_TRUE) == 0 || table->n_ranges == UINT32_MAX)
            continue;
        if (code > 0 && (table->results[code - 1] & TABLE_TRUE) != 0) {
            table->ranges[table->n_ranges - 1].last = code;
        } else if (table->n_ranges == RANGES_MAX) {
            table->n_ranges = UINT32_MAX;
        } else {
            table->ranges[table->n_ranges++] = (code_range){code, code};
        }
    }
}

typedef struct table_job {
    mu_job *job;
    bound_part *bound;
    uint32_t n_tables;
    uint32_t *nodes;
    mu_arena *arenas; /* per worker */
} table_job;

static mu_code fill_table(void *context, unsigned worker_index, size_t item, mu_err *err)
{
    (void)err;
    table_job *t = context;
    uint32_t node = t->nodes[item];
    const plan_node *n = &t->job->plan.nodes[node];
    mu_dictionary dictionary = mu_part_dictionary(t->bound->part, t->bound->columns[n->column]);
    bound_table *table = &t->bound->tables[node];
    for (uint32_t code = 0; code < table->n; code++) {
        mu_value value = {.kind = n->table->input, .integer = table->base + code};
        if (dictionary.n > 0)
            value = mu_value_string(mu_dictionary_get(&dictionary, code));
        table->results[code] = table_evaluate(t->job, n->table, value, &t->arenas[worker_index]);
    }
    find_ranges(table, table->n);
    return MU_OK;
}

/* The numbers of a column of days or integers, when there are fewer of them than elements. */
static mu_code find_numbers(const bound_part *bound, const plan_node *node, bound_table *out,
                            mu_err *err)
{
    int64_t min = INT64_MAX, max = INT64_MIN;
    uint64_t n_elements = 0;
    if (node->table->input != MU_TYPE_DATE && node->table->input != MU_TYPE_INTEGER)
        return MU_OK;
    for (uint32_t block = 0; block < mu_part_block_count(bound->part); block++) {
        mu_vector vector;
        MU_TRY(mu_part_vector(bound->part, bound->columns[node->column], block, &vector, err));
        n_elements += vector.n - vector.n_null;
        if (vector.encoding == MU_ENCODING_NONE)
            continue;
        /* Null elements hold the base: it must be in the table too. */
        int64_t low = vector.base < vector.min ? vector.base : vector.min;
        if (vector.encoding != MU_ENCODING_INTEGER || !vector.has_range || vector.width > 4)
            return MU_OK;
        min = low < min ? low : min;
        max = vector.max > max ? vector.max : max;
    }
    if (min <= max && (uint64_t)max - (uint64_t)min < n_elements / 4) {
        out->base = min;
        out->n = (uint32_t)((uint64_t)max - (uint64_t)min + 1);
    }
    return MU_OK;
}

static mu_code bind_tables(mu_job *job, bound_part *bound, mu_err *err)
{
    plan *p = &job->plan;
    table_job t = {.job = job, .bound = bound};
    t.nodes = MU_NEW_ARRAY(&bound->arena, uint32_t, p->n_nodes);
    bound->tables = MU_NEW_ARRAY(&bound->arena, bound_table, p->n_nodes);
    for (uint32_t i = 0; i < p->n_nodes; i++) {
        const plan_node *node = &p->nodes[i];
        if (node->operation != PLAN_TABLE || node->n_uses == 0 ||
            bound->columns[node->column] == MU_NO_COLUMN)
            continue;
        mu_dictionary dictionary = mu_part_dictionary(bound->part, bound->columns[node->column]);
        bound->tables[i].n = dictionary.n;
        if (dictionary.n == 0)
            MU_TRY(find_numbers(bound, node, &bound->tables[i], err));
        if (bound->tables[i].n == 0)
            continue;
        bound->tables[i].results = mu_arena_alloc(&bound->arena, (size_t)bound->tables[i].n + 64);
        t.nodes[t.n_tables++] = i;
    }
    unsigned n_threads = job->options.n_threads;
    t.arenas = MU_NEW_ARRAY(&bound->arena, mu_arena, n_threads);
    for (unsigned i = 0; i < n_threads; i++)
        mu_arena_init(&t.arenas[i], SIZE_MAX);
    mu_code code =
        t.n_tables == 0 ? MU_OK : mu_parallel_for(n_threads, t.n_tables, fill_table, &t, err);
    for (unsigned i = 0; i < n_threads; i++)
        mu_arena_free(&t.arenas[i]);
    return code;
}

mu_code part_bind(mu_job *job, uint32_t index, bound_part *out, mu_err *err)
{
    plan *p = &job->plan;
    *out = (bound_part){
        .part = job->profile->parts[index], .dead = job->profile->dead[index], .index = index};
    mu_arena_init(&out->arena, SIZE_MAX);
    out->columns = MU_NEW_ARRAY(&out->arena, uint32_t, p->n_columns);
    for (uint32_t i = 0; i < p->n_columns; i++) {
        out->columns[i] = find_column(out->part, p, out->columns, i);
        if (out->columns[i] != MU_NO_COLUMN)
            MU_TRY(check_kind(out->part, &p->columns[i], out->columns[i], err));
    }
    return bind_tables(job, out, err);
}

void part_unbind(bound_part *bound)
{
    mu_arena_free(&bound->arena);
}
