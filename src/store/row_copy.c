#include "store/row_copy.h"

#include "store/part_writer_int.h"

#include <stdlib.h>

/* Of a block with more elements in a level, or a vector of more bytes, rows go one at a time, so
 * that a new block never passes its limits by much. */
#define SMALL_LEVEL  (1u << 20)
#define SMALL_VECTOR ((uint64_t)16 << 20)
#define ROWS_AT_ONCE 64u

/* A column of the part, in the block that is being read, and the writer's column for it. */
typedef struct copy_column {
    mu_vector vector;
    mu_dictionary dictionary;
    mu_column_builder *target;
    bool becomes_double;
    uint32_t n_active, *active; /* children that are not all null in this block */
    void *plain;                /* the vector's plain form, when it is packed in the part */
    size_t plain_capacity;
    uint32_t *ids; /* per dictionary code: its pool id in `target` + 1; 0: not known */
} copy_column;

struct mu_row_copier {
    const mu_part *part;
    mu_part_writer *writer; /* that the targets belong to, */
    uint64_t writer_id;     /* and its part: a later writer may lie at the same address */
    uint32_t block;         /* UINT32_MAX: none is being read */
    bool is_small;
    mu_arena arena;
    copy_column *columns; /* all vectors of the part */
};

mu_code mu_row_copier_new(const mu_part *part, mu_row_copier **out, mu_err *err)
{
    mu_row_copier *copier = calloc(1, sizeof *copier);
    if (copier == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for reading %s", part->path);
    copier->part = part;
    copier->block = UINT32_MAX;
    mu_arena_init(&copier->arena, SIZE_MAX);
    copier->columns = MU_NEW_ARRAY(&copier->arena, copy_column, part->n_vectors);
    for (uint32_t c = 0; c < part->footer.n_columns; c++)
        copier->columns[c].active =
            MU_NEW_ARRAY(&copier->arena, uint32_t, part->columns[c].n_children);
    *out = copier;
    return MU_OK;
}

static void free_ids(mu_row_copier *copier)
{
    for (uint32_t v = 0; v < copier->part->n_vectors; v++) {
        free(copier->columns[v].ids);
        copier->columns[v].ids = NULL;
    }
}

void mu_row_copier_free(mu_row_copier *copier)
{
    if (copier == NULL)
        return;
    free_ids(copier);
    for (uint32_t v = 0; v < copier->part->n_vectors; v++)
        free(copier->columns[v].plain);
    mu_arena_free(&copier->arena);
    free(copier);
}

/* -------- which column goes where -------- */

static uint32_t target_child(const mu_part_writer *w, uint32_t target, uint32_t guess, mu_str name)
{
    const mu_column_builder *object = &w->builders[target];
    for (uint32_t i = 0; i < object->n_children; i++) {
        uint32_t child = object->children[(guess + i) % object->n_children];
        if (mu_str_equal(w->builders[child].name, name))
            return child;
    }
    return MU_NO_COLUMN;
}

/* Recursion is as deep as the part's columns, which are limited. */
static bool match(mu_row_copier *copier, mu_part_writer *w, uint32_t column, uint32_t target)
{
    const mu_column *from = &copier->part->columns[column];
    mu_column_builder *to = &w->builders[target];
    copy_column *copied = &copier->columns[column];
    copied->target = to;
    copied->becomes_double = from->kind == MU_TYPE_INTEGER && to->kind == MU_TYPE_DOUBLE;
    if (from->kind != to->kind && !copied->becomes_double)
        return false;
    for (uint32_t i = 0; i < from->n_children; i++) {
        uint32_t child = from->children[i];
        uint32_t goal = from->kind == MU_TYPE_OBJECT
                            ? target_child(w, target, i, copier->part->columns[child].name)
                            : to->children[i];
        if (goal == MU_NO_COLUMN || !match(copier, w, child, goal))
            return false;
    }
    return true;
}

static mu_code bind(mu_row_copier *copier, mu_part_writer *w, mu_err *err)
{
    if (copier->writer == w && copier->writer_id == w->part_id)
        return MU_OK;
    free_ids(copier);
    copier->writer = NULL;
    if (!match(copier, w, 0, 0))
        return mu_fail(err, MU_E_TYPE, "%s does not follow the schema", copier->part->path);
    copier->writer = w;
    copier->writer_id = w->part_id;
    return MU_OK;
}

/* -------- a block -------- */

static mu_code unpack(copy_column *column, const mu_vector *stored, mu_err *err)
{
    size_t size = mu_part_align(mu_vector_plain_bytes(stored));
    if (size > column->plain_capacity) {
        free(column->plain);
        column->plain = aligned_alloc(MU_PART_ALIGN, size);
        column->plain_capacity = column->plain == NULL ? 0 : size;
    }
    if (size > 0 && column->plain == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for reading a part");
    mu_vector_unpack(stored, column->plain, &column->vector);
    return MU_OK;
}

static mu_code enter_vector(mu_row_copier *copier, uint32_t v, uint32_t block, mu_err *err)
{
    copy_column *column = &copier->columns[v];
    mu_vector stored;
    MU_TRY(mu_part_any_vector(copier->part, v, block, &stored, err));
    MU_TRY(unpack(column, &stored, err));
    const mu_vector *vector = &column->vector;
    uint64_t n_bytes = vector->encoding == MU_ENCODING_BYTES ? vector->offsets[vector->n] : 0;
    copier->is_small &= vector->n <= SMALL_LEVEL && n_bytes <= SMALL_VECTOR;
    if (vector->encoding == MU_ENCODING_CODES)
        MU_TRY(mu_part_check_dictionary(copier->part, v, &column->dictionary, err));
    return MU_OK;
}

static mu_code enter_block(mu_row_copier *copier, uint32_t block, mu_err *err)
{
    const mu_part *part = copier->part;
    if (copier->block == block)
        return MU_OK;
    copier->block = UINT32_MAX;
    copier->is_small = true;
    for (uint32_t v = 0; v < part->n_vectors; v++)
        MU_TRY(enter_vector(copier, v, block, err));
    for (uint32_t c = 0; c < part->footer.n_columns; c++) {
        copy_column *column = &copier->columns[c];
        column->n_active = 0;
        for (uint32_t i = 0; i < part->columns[c].n_children; i++) {
            uint32_t child = part->columns[c].children[i];
            if (copier->columns[child].vector.encoding != MU_ENCODING_NONE)
                column->active[column->n_active++] = child;
        }
    }
    copier->block = block;
    return MU_OK;
}

mu_code mu_row_copier_room(mu_row_copier *copier, mu_part_writer *w, uint32_t row, uint32_t n,
                           uint32_t *out, mu_err *err)
{
    const mu_part *part = copier->part;
    uint32_t block = copier->block;
    if (block == UINT32_MAX || row - part->blocks[block].row >= part->blocks[block].n_rows)
        block = mu_part_block_of_row(part, row);
    MU_TRY(enter_block(copier, block, err));
    uint32_t room = copier->is_small ? ROWS_AT_ONCE : 1;
    uint32_t left = MU_BLOCK_ROWS - w->level_sizes[0];
    room = room < left ? room : left;
    room = room < n ? room : n;
    uint32_t column = part->event_level == 0 ? 0 : part->levels[part->event_level].column;
    const uint32_t *offsets = copier->columns[column].vector.offsets;
    if (column != 0 && offsets != NULL && w->event_column != MU_NO_COLUMN) {
        uint32_t events = w->level_sizes[w->builders[w->event_column].child_level];
        uint32_t at = row - part->blocks[block].row, taken = 1;
        while (taken < room && events + (offsets[at + taken] - offsets[at]) < MU_BLOCK_EVENTS)
            taken++;
        room = taken;
    }
    *out = room;
    return MU_OK;
}

/* -------- elements -------- */

static mu_code no_memory(mu_err *err)
{
    return mu_fail(err, MU_E_NOMEM, "out of memory for writing a part");
}

/* Elements [begin, end) of a column become those from `to` on of its target. */
typedef struct copy_range {
    uint32_t begin, end, to;
} copy_range;

static bool copy_integers(mu_row_copier *copier, const copy_column *column, copy_range range)
{
    const mu_vector *v = &column->vector;
    for (uint32_t i = range.begin; i < range.end; i++) {
        if (mu_vector_is_null(v, i))
            continue;
        uint64_t bits = (uint64_t)mu_vector_integer(v, i);
        if (column->becomes_double) {
            double number = (double)(int64_t)bits;
            memcpy(&bits, &number, sizeof bits);
        }
        copier->writer->block_cost += 8;
        if (!mu_column_builder_push(column->target, range.to + (i - range.begin), bits))
            return false;
    }
    return true;
}

static bool copy_doubles(mu_row_copier *copier, const copy_column *column, copy_range range)
{
    const mu_vector *v = &column->vector;
    for (uint32_t i = range.begin; i < range.end; i++) {
        if (mu_vector_is_null(v, i))
            continue;
        double number = mu_vector_double(v, i);
        uint64_t bits;
        memcpy(&bits, &number, sizeof bits);
        copier->writer->block_cost += 8;
        if (!mu_column_builder_push(column->target, range.to + (i - range.begin), bits))
            return false;
    }
    return true;
}

static bool copy_booleans(mu_row_copier *copier, const copy_column *column, copy_range range)
{
    const mu_vector *v = &column->vector;
    for (uint32_t i = range.begin; i < range.end; i++) {
        if (mu_vector_is_null(v, i))
            continue;
        copier->writer->block_cost += 8;
        if (!mu_column_builder_push(column->target, range.to + (i - range.begin),
                                    mu_bit_get(v->data, i)))
            return false;
    }
    return true;
}

static uint32_t code_at(const mu_vector *v, uint32_t at)
{
    switch (v->width) {
    case 1:
        return ((const uint8_t *)v->data)[at];
    case 2:
        return ((const uint16_t *)v->data)[at];
    case 4:
        return ((const uint32_t *)v->data)[at];
    default:
        return 0;
    }
}

/* The string of each code is looked up in the target's pool once. */
static bool copy_codes(mu_row_copier *copier, copy_column *column, copy_range range)
{
    const mu_vector *v = &column->vector;
    mu_column_builder *target = column->target;
    if (column->ids == NULL)
        column->ids = calloc(column->dictionary.n, sizeof *column->ids);
    if (column->ids == NULL)
        return false;
    for (uint32_t i = range.begin; i < range.end; i++) {
        if (mu_vector_is_null(v, i))
            continue;
        uint32_t code = code_at(v, i), element = range.to + (i - range.begin);
        mu_str text = mu_dictionary_get(&column->dictionary, code);
        copier->writer->block_cost += text.len;
        if (target->pool == NULL) {
            if (!mu_column_builder_push_string(target, element, text))
                return false;
            continue;
        }
        if (column->ids[code] == 0)
            column->ids[code] = mu_string_pool_add(target->pool, text) + 1;
        if (column->ids[code] == 0 ||
            !mu_column_builder_push(target, element, column->ids[code] - 1))
            return false;
    }
    return true;
}

static bool copy_bytes(mu_row_copier *copier, const copy_column *column, copy_range range)
{
    const mu_vector *v = &column->vector;
    for (uint32_t i = range.begin; i < range.end; i++) {
        if (mu_vector_is_null(v, i))
            continue;
        mu_str text = {v->bytes + v->offsets[i], v->offsets[i + 1] - v->offsets[i]};
        copier->writer->block_cost += text.len;
        if (!mu_column_builder_push_string(column->target, range.to + (i - range.begin), text))
            return false;
    }
    return true;
}

static mu_code copy_elements(mu_row_copier *copier, uint32_t c, copy_range range, mu_err *err);

static mu_code copy_objects(mu_row_copier *copier, const copy_column *column, copy_range range,
                            mu_err *err)
{
    const mu_vector *v = &column->vector;
    for (uint32_t i = range.begin; i < range.end; i++)
        if (!mu_vector_is_null(v, i) &&
            !mu_column_builder_mark(column->target, range.to + (i - range.begin)))
            return no_memory(err);
    for (uint32_t i = 0; i < column->n_active; i++)
        MU_TRY(copy_elements(copier, column->active[i], range, err));
    return MU_OK;
}

/* What the lists hold lies together, and stays together. */
static mu_code copy_lists(mu_row_copier *copier, const copy_column *column, copy_range range,
                          mu_err *err)
{
    const mu_vector *v = &column->vector;
    mu_part_writer *w = copier->writer;
    uint32_t *size = &w->level_sizes[column->target->child_level];
    copy_range items = {v->offsets[range.begin], v->offsets[range.end], *size};
    if (items.end - items.begin > MU_PART_ELEMENTS_MAX - *size)
        return mu_fail(err, MU_E_LIMIT, "more than %u items in one block", MU_PART_ELEMENTS_MAX);
    uint32_t n = 0;
    for (uint32_t i = range.begin; i < range.end; i++) {
        if (mu_vector_is_null(v, i))
            continue;
        n += v->offsets[i + 1] - v->offsets[i];
        if (!mu_column_builder_push(column->target, range.to + (i - range.begin),
                                    v->offsets[i + 1] - v->offsets[i]))
            return no_memory(err);
    }
    if (n != items.end - items.begin)
        return mu_fail(err, MU_E_CORRUPT, "%s: a list that is null has items", copier->part->path);
    w->block_cost += (uint64_t)(items.end - items.begin) * 8;
    for (uint32_t i = 0; items.end > items.begin && i < column->n_active; i++)
        MU_TRY(copy_elements(copier, column->active[i], items, err));
    *size += items.end - items.begin;
    return MU_OK;
}

/* Recursion is as deep as the part's columns, which are limited. */
static mu_code copy_elements(mu_row_copier *copier, uint32_t c, copy_range range, mu_err *err)
{
    copy_column *column = &copier->columns[c];
    bool is_done = true;
    switch (column->vector.encoding) {
    case MU_ENCODING_NONE:
        break;
    case MU_ENCODING_PRESENT:
        return copy_objects(copier, column, range, err);
    case MU_ENCODING_OFFSETS:
        return copy_lists(copier, column, range, err);
    case MU_ENCODING_BITS:
        is_done = copy_booleans(copier, column, range);
        break;
    case MU_ENCODING_INTEGER:
        is_done = copy_integers(copier, column, range);
        break;
    case MU_ENCODING_DOUBLE:
    case MU_ENCODING_DECIMAL:
        is_done = copy_doubles(copier, column, range);
        break;
    case MU_ENCODING_CODES:
        is_done = copy_codes(copier, column, range);
        break;
    case MU_ENCODING_BYTES:
        is_done = copy_bytes(copier, column, range);
        break;
    default:
        MU_ASSERT(false); /* it was unpacked */
    }
    return is_done ? MU_OK : no_memory(err);
}

mu_code mu_row_copier_copy(mu_row_copier *copier, mu_part_writer *w, uint32_t row, uint32_t n,
                           mu_err *err)
{
    MU_TRY(bind(copier, w, err));
    uint32_t n_columns = copier->part->footer.n_columns;
    uint32_t at = row - copier->part->blocks[copier->block].row;
    const copy_column *hidden = copier->columns + n_columns;
    const uint32_t *pids = hidden[MU_HIDDEN_PID].vector.data;
    for (uint32_t i = 0; i < n; i++) {
        mu_identity identity;
        const copy_column *space = &hidden[MU_HIDDEN_NAMESPACE], *value = &hidden[MU_HIDDEN_VALUE];
        identity.namespace_code = mu_part_string(&space->vector, &space->dictionary, at + i, NULL);
        identity.value = mu_part_string(&value->vector, &value->dictionary, at + i, NULL);
        MU_TRY(mu_part_writer_add_identity(w, i, pids[at + i], identity, err));
    }
    copy_range rows = {at, at + n, w->level_sizes[0]};
    MU_TRY(copy_elements(copier, 0, rows, err));
    return mu_part_writer_end_rows(w, n, err);
}
