#include "store/part_writer_int.h"

#include <stdio.h>
#include <stdlib.h>

#define AREA_MAX ((size_t)1 << 36)

static mu_code no_memory(mu_err *err)
{
    return mu_fail(err, MU_E_NOMEM, "out of memory for writing a part");
}

/* Makes room for one more element of an array that doubles. */
static bool reserve_one(void **array, uint32_t n, uint32_t *capacity, size_t size)
{
    if (n < *capacity)
        return true;
    if (*capacity > UINT32_MAX / 2)
        return false;
    uint32_t grown_capacity = *capacity == 0 ? 16 : *capacity * 2;
    void *grown = realloc(*array, (size_t)grown_capacity * size);
    if (grown == NULL)
        return false;
    *array = grown;
    *capacity = grown_capacity;
    return true;
}

/* -------- columns from the row type -------- */

static mu_code add_builder(mu_part_writer *w, mu_type_kind kind, mu_str name, uint32_t parent,
                           uint32_t level, bool is_pooled, mu_err *err)
{
    void *builders = w->builders;
    if (!reserve_one(&builders, w->n_vectors, &w->builders_capacity, sizeof *w->builders))
        return no_memory(err);
    w->builders = builders;
    mu_column_builder *builder = &w->builders[w->n_vectors++];
    *builder = (mu_column_builder){
        .kind = kind, .parent = parent, .level = level, .name = mu_arena_copy(&w->arena, name)};
    return mu_column_builder_init(builder, is_pooled) ? MU_OK : no_memory(err);
}

static mu_code add_level(mu_part_writer *w, mu_err *err)
{
    void *sizes = w->level_sizes;
    if (!reserve_one(&sizes, w->n_levels, &w->levels_capacity, sizeof *w->level_sizes))
        return no_memory(err);
    w->level_sizes = sizes;
    w->level_sizes[w->n_levels++] = 0;
    return MU_OK;
}

static mu_code add_columns(mu_part_writer *w, const mu_type *type, mu_str name, uint32_t parent,
                           uint32_t level, unsigned depth, mu_err *err);

static mu_code add_child(mu_part_writer *w, uint32_t column, uint32_t child, const mu_type *type,
                         mu_str name, uint32_t level, unsigned depth, mu_err *err)
{
    w->builders[column].children[child] = w->n_vectors;
    return add_columns(w, type, name, column, level, depth + 1, err);
}

static mu_code add_children(mu_part_writer *w, uint32_t column, const mu_type *type, unsigned depth,
                            mu_err *err)
{
    mu_column_builder *builder = &w->builders[column];
    uint32_t level = builder->level;
    uint32_t n = type->kind == MU_TYPE_OBJECT ? type->n_fields : type->kind == MU_TYPE_MAP ? 2 : 1;
    builder->n_children = n;
    builder->children = calloc(n == 0 ? 1 : n, sizeof *builder->children);
    if (builder->children == NULL)
        return no_memory(err);
    if (type->kind == MU_TYPE_OBJECT) {
        for (uint32_t f = 0; f < n; f++)
            MU_TRY(add_child(w, column, f, type->field_types[f], type->field_names[f], level, depth,
                             err));
        return MU_OK;
    }
    uint32_t inner = builder->child_level = w->n_levels;
    MU_TRY(add_level(w, err));
    if (type->kind == MU_TYPE_MAP)
        MU_TRY(add_child(w, column, 0, mu_type_of(MU_TYPE_STRING), MU_STR(""), inner, depth, err));
    return add_child(w, column, n - 1, type->item, MU_STR(""), inner, depth, err);
}

static mu_code add_columns(mu_part_writer *w, const mu_type *type, mu_str name, uint32_t parent,
                           uint32_t level, unsigned depth, mu_err *err)
{
    if (depth > MU_PART_DEPTH_MAX)
        return mu_fail(err, MU_E_LIMIT, "the row type nests deeper than %u", MU_PART_DEPTH_MAX);
    if (w->n_vectors >= MU_PART_COLUMNS_MAX)
        return mu_fail(err, MU_E_LIMIT, "the row type has more than %u columns",
                       MU_PART_COLUMNS_MAX);
    if (type->kind < MU_TYPE_BOOLEAN || type->kind > MU_TYPE_OBJECT)
        return mu_fail(err, MU_E_TYPE, "a field \"" MU_STR_FMT "\" of type %s cannot be stored",
                       MU_STR_ARG(name), mu_type_kind_name(type->kind));
    uint32_t column = w->n_vectors;
    MU_TRY(add_builder(w, type->kind, name, parent, level, type->kind == MU_TYPE_STRING, err));
    if (type->kind < MU_TYPE_LIST)
        return MU_OK;
    return add_children(w, column, type, depth, err);
}

/* xEvent counts as the events when it is a list of objects in the root. */
static void find_events(mu_part_writer *w, const mu_type *row_type)
{
    w->event_column = MU_NO_COLUMN;
    w->time_field = -1;
    int field = mu_type_field(row_type, MU_STR("xEvent"));
    if (field < 0)
        return;
    const mu_type *events = row_type->field_types[field];
    if (events->kind != MU_TYPE_LIST || events->item->kind != MU_TYPE_OBJECT)
        return;
    w->event_column = w->builders[0].children[field];
    int time = mu_type_field(events->item, MU_STR("timestamp"));
    if (time >= 0 && events->item->field_types[time]->kind == MU_TYPE_TIMESTAMP)
        w->time_field = time;
}

static mu_code add_all_columns(mu_part_writer *w, const mu_type *row_type, mu_err *err)
{
    if (row_type->kind != MU_TYPE_OBJECT)
        return mu_fail(err, MU_E_TYPE, "rows are objects, not %s",
                       mu_type_kind_name(row_type->kind));
    MU_TRY(add_level(w, err));
    MU_TRY(add_columns(w, row_type, MU_STR(""), MU_NO_COLUMN, 0, 0, err));
    w->n_columns = w->n_vectors;
    mu_str none = MU_STR("");
    MU_TRY(add_builder(w, MU_TYPE_INTEGER, none, MU_NO_COLUMN, 0, false, err));
    MU_TRY(add_builder(w, MU_TYPE_STRING, none, MU_NO_COLUMN, 0, true, err));
    MU_TRY(add_builder(w, MU_TYPE_STRING, none, MU_NO_COLUMN, 0, false, err));
    w->dictionaries = calloc(w->n_vectors, sizeof *w->dictionaries);
    if (w->dictionaries == NULL)
        return no_memory(err);
    find_events(w, row_type);
    return MU_OK;
}

static void free_writer(mu_part_writer *w)
{
    for (uint32_t v = 0; v < w->n_vectors; v++)
        mu_column_builder_free(&w->builders[v]);
    free(w->builders);
    free(w->level_sizes);
    free(w->blocks);
    free(w->entries);
    free(w->hashes);
    free(w->dictionaries);
    mu_buf_free(&w->area);
    mu_part_file_free(&w->file);
    mu_arena_free(&w->arena);
    free(w);
}

static mu_code write_header(mu_part_writer *w, mu_err *err)
{
    mu_part_header header = {.version = MU_PART_VERSION, .part_id = w->part_id};
    memcpy(header.magic, MU_PART_MAGIC, sizeof header.magic);
    header.checksum = mu_hash64(&header, offsetof(mu_part_header, checksum), 0);
    uint64_t offset;
    return mu_part_file_add(&w->file, &header, sizeof header, &offset, err);
}

static mu_code create(const char *name, bool is_in_memory, uint64_t part_id, mu_str entity,
                      const mu_type *row_type, mu_change *change, mu_part_writer **out, mu_err *err)
{
    mu_part_writer *w = calloc(1, sizeof *w);
    if (w == NULL)
        return no_memory(err);
    w->change = change;
    w->part_id = part_id;
    w->file.fd = -1;
    mu_arena_init(&w->arena, SIZE_MAX);
    mu_buf_init(&w->area, AREA_MAX);
    w->entity = mu_arena_copy(&w->arena, entity);
    mu_code code = add_all_columns(w, row_type, err);
    if (code == MU_OK)
        code = is_in_memory ? mu_part_file_create_in_memory(&w->file, name, err)
                            : mu_part_file_create(&w->file, name, err);
    if (code == MU_OK)
        code = write_header(w, err);
    if (code != MU_OK) {
        free_writer(w);
        return code;
    }
    *out = w;
    return MU_OK;
}

mu_code mu_part_writer_create(const char *path, uint64_t part_id, mu_str entity,
                              const mu_type *row_type, mu_change *change, mu_part_writer **out,
                              mu_err *err)
{
    return create(path, false, part_id, entity, row_type, change, out, err);
}

mu_code mu_part_writer_create_in_memory(const char *name, uint64_t part_id, mu_str entity,
                                        const mu_type *row_type, mu_change *change,
                                        mu_part_writer **out, mu_err *err)
{
    return create(name, true, part_id, entity, row_type, change, out, err);
}

void mu_part_writer_set_pace(mu_part_writer *writer, const mu_pace *pace)
{
    writer->file.pace = pace;
}

uint64_t mu_part_writer_bytes(const mu_part_writer *writer)
{
    return writer->file.size;
}

uint32_t mu_part_writer_max_pid(const mu_part_writer *writer)
{
    return writer->max_pid;
}

mu_change *mu_part_writer_change(const mu_part_writer *writer)
{
    return writer->change;
}

uint64_t mu_part_writer_id(const mu_part_writer *writer)
{
    return writer->part_id;
}

void mu_part_writer_discard(mu_part_writer *writer)
{
    free_writer(writer);
}

/* -------- blocks -------- */

static void column_path(const mu_part_writer *w, uint32_t column, char *out, size_t size)
{
    mu_str names[MU_PART_DEPTH_MAX + 1];
    uint32_t n = 0;
    if (column >= w->n_columns) {
        snprintf(out, size, "the identity");
        return;
    }
    for (uint32_t c = column; c != 0; c = w->builders[c].parent)
        names[n++] = w->builders[c].name;
    mu_write_column_path(n, names, out, size);
}

static mu_code write_vector(mu_part_writer *w, uint32_t block, uint32_t vector,
                            const mu_collected *collected,
                            void (*encode)(const mu_collected *, mu_buf *, mu_vector_entry *),
                            mu_err *err)
{
    mu_vector_entry entry;
    mu_buf_clear(&w->area);
    encode(collected, &w->area, &entry);
    if (w->area.failed)
        return no_memory(err);
    if (w->area.len > 0) {
        entry.size = w->area.len;
        entry.area_checksum = mu_hash64(w->area.ptr, w->area.len, 0);
        MU_TRY(mu_part_file_add(&w->file, w->area.ptr, w->area.len, &entry.offset, err));
    }
    w->entries[(size_t)block * w->n_vectors + vector] = entry;
    if (mu_time_range_fits(w->builders[vector].kind, entry.min, entry.max))
        return MU_OK;
    char path[256];
    column_path(w, vector, path, sizeof path);
    return mu_fail(err, MU_E_INPUT, "%s: a time lies outside of years 1 to 9999", path);
}

/* Readers borrow identities, and texts of the store's own fields, from the part. */
static bool is_borrowed(const mu_part_writer *w, uint32_t vector)
{
    for (uint32_t c = vector; c < w->n_columns; c = w->builders[c].parent)
        if (mu_str_starts_with(w->builders[c].name, MU_STR("$")))
            return true;
    return vector >= w->n_columns;
}

static mu_code write_strings(mu_part_writer *w, uint32_t block, uint32_t vector,
                             const mu_collected *collected, mu_err *err)
{
    MU_TRY(write_vector(w, block, vector, collected, mu_encode_strings, err));
    if (w->entries[(size_t)block * w->n_vectors + vector].encoding != MU_ENCODING_BYTES)
        return MU_OK;
    /* The area was kept: offsets and bytes lie at its end. */
    size_t skip =
        collected->n_values < collected->n ? mu_part_align(mu_bits_words(collected->n) * 8) : 0;
    const uint32_t *offsets = (const uint32_t *)(const void *)(w->area.ptr + skip);
    const char *bytes = w->area.ptr + skip + mu_part_align(((size_t)collected->n + 1) * 4);
    if (mu_text32_valid(bytes, offsets, collected->n))
        return MU_OK;
    char path[256];
    column_path(w, vector, path, sizeof path);
    return mu_fail(err, MU_E_INPUT, "%s: a string is not UTF-8", path);
}

/* The strings behind the codes of a pending block, one after another. */
static mu_code spell_out(mu_part_writer *w, uint32_t vector, const mu_pending_block *pending,
                         uint64_t *ends, mu_err *err)
{
    mu_column_builder *builder = &w->builders[vector];
    mu_buf bytes;
    mu_buf_init(&bytes, UINT32_MAX);
    mu_pending_block_ids(pending, ends);
    for (uint32_t i = 0; i < pending->n_values; i++) {
        mu_buf_add_str(&bytes, builder->pool->strings[ends[i]]);
        ends[i] = bytes.len;
    }
    mu_collected collected = {.n = pending->n,
                              .n_values = pending->n_values,
                              .valid = pending->valid,
                              .values = ends,
                              .bytes = bytes.ptr,
                              .is_borrowed = is_borrowed(w, vector)};
    mu_code code = bytes.failed ? mu_fail(err, MU_E_LIMIT,
                                          "a block has more than 4 GiB of strings in one column")
                                : write_strings(w, pending->block, vector, &collected, err);
    mu_buf_free(&bytes);
    return code;
}

/* Gives up a column's dictionary: its finished blocks become plain strings. */
static mu_code drop_pool(mu_part_writer *w, uint32_t vector, mu_err *err)
{
    mu_column_builder *builder = &w->builders[vector];
    mu_code code = MU_OK;
    for (uint32_t p = 0; code == MU_OK && p < builder->n_pending; p++) {
        const mu_pending_block *pending = &builder->pending[p];
        uint64_t *ends = malloc(((size_t)pending->n_values + 1) * sizeof *ends);
        code = ends == NULL ? no_memory(err) : spell_out(w, vector, pending, ends, err);
        free(ends);
    }
    mu_column_builder_drop_pool(builder);
    return code;
}

static mu_code end_pooled(mu_part_writer *w, uint32_t vector, uint32_t n, mu_err *err)
{
    mu_column_builder *builder = &w->builders[vector];
    if (!mu_column_builder_pend(builder, w->n_blocks, n))
        return no_memory(err);
    if (mu_column_builder_should_drop_pool(builder, false))
        return drop_pool(w, vector, err);
    return MU_OK;
}

static mu_code end_vector(mu_part_writer *w, uint32_t vector, mu_err *err)
{
    static void (*const encoders[])(const mu_collected *, mu_buf *, mu_vector_entry *) = {
        [MU_TYPE_BOOLEAN] = mu_encode_booleans,   [MU_TYPE_INTEGER] = mu_encode_integers,
        [MU_TYPE_DOUBLE] = mu_encode_doubles,     [MU_TYPE_DATE] = mu_encode_integers,
        [MU_TYPE_TIMESTAMP] = mu_encode_integers, [MU_TYPE_LIST] = mu_encode_lengths,
        [MU_TYPE_MAP] = mu_encode_lengths,        [MU_TYPE_OBJECT] = mu_encode_presence};
    mu_column_builder *builder = &w->builders[vector];
    uint32_t n = w->level_sizes[builder->level];
    mu_collected collected;
    if (builder->pool != NULL && builder->n_values > 0)
        return end_pooled(w, vector, n, err);
    if (!mu_column_builder_collected(builder, n, &collected))
        return no_memory(err);
    collected.is_borrowed = builder->kind == MU_TYPE_STRING && is_borrowed(w, vector);
    if (builder->kind == MU_TYPE_STRING)
        return write_strings(w, w->n_blocks, vector, &collected, err);
    if (vector == w->n_columns + MU_HIDDEN_PID)
        return write_vector(w, w->n_blocks, vector, &collected, mu_encode_pids, err);
    return write_vector(w, w->n_blocks, vector, &collected, encoders[builder->kind], err);
}

static mu_code reserve_block(mu_part_writer *w, mu_err *err)
{
    void *blocks = w->blocks;
    if (!reserve_one(&blocks, w->n_blocks, &w->blocks_capacity, sizeof *w->blocks))
        return no_memory(err);
    w->blocks = blocks;
    size_t needed = ((size_t)w->n_blocks + 1) * w->n_vectors;
    if (needed > w->entries_capacity) {
        size_t capacity = w->entries_capacity * 2 > needed ? w->entries_capacity * 2 : needed;
        mu_vector_entry *grown = realloc(w->entries, capacity * sizeof *grown);
        if (grown == NULL)
            return no_memory(err);
        w->entries = grown;
        w->entries_capacity = capacity;
    }
    return MU_OK;
}

static mu_code end_block(mu_part_writer *w, mu_err *err)
{
    MU_TRY(reserve_block(w, err));
    uint32_t n_rows = w->level_sizes[0];
    w->blocks[w->n_blocks] = (mu_block){w->n_rows - n_rows, n_rows};
    for (uint32_t v = 0; v < w->n_vectors; v++) {
        MU_TRY(end_vector(w, v, err));
        mu_column_builder_reset(&w->builders[v]);
    }
    if (w->event_column != MU_NO_COLUMN)
        w->n_events += w->level_sizes[w->builders[w->event_column].child_level];
    memset(w->level_sizes, 0, w->n_levels * sizeof *w->level_sizes);
    w->block_cost = 0;
    w->n_blocks++;
    return MU_OK;
}

/* -------- rows -------- */

static mu_code wrong_kind(const mu_part_writer *w, uint32_t column, const mu_value *value,
                          mu_err *err)
{
    char path[256];
    column_path(w, column, path, sizeof path);
    return mu_fail(err, MU_E_TYPE, "%s: %s does not fit a column of %s", path,
                   mu_type_kind_name(value->kind), mu_type_kind_name(w->builders[column].kind));
}

static mu_code add_value(mu_part_writer *w, uint32_t column, const mu_value *value, mu_err *err);

static mu_code add_object(mu_part_writer *w, uint32_t column, const mu_value *value, mu_err *err)
{
    mu_column_builder *builder = &w->builders[column];
    if (value->n != builder->n_children)
        return mu_fail(err, MU_E_TYPE, "an object of %u fields does not fit one of %u", value->n,
                       builder->n_children);
    if (!mu_column_builder_mark(builder, w->level_sizes[builder->level]))
        return no_memory(err);
    const uint32_t *children = builder->children;
    for (uint32_t f = 0; f < value->n; f++)
        if (value->items[f].kind != MU_TYPE_NULL)
            MU_TRY(add_value(w, children[f], &value->items[f], err));
    return MU_OK;
}

/* Events lie in the order of time; those without a time may lie anywhere. */
static mu_code check_event_order(const mu_part_writer *w, const mu_value *events, mu_err *err)
{
    int64_t last = INT64_MIN;
    for (uint32_t i = 0; i < events->n; i++) {
        const mu_value *event = &events->items[i];
        if (event->kind != MU_TYPE_OBJECT || event->n <= (uint32_t)w->time_field)
            continue;
        const mu_value *time = &event->items[w->time_field];
        if (time->kind != MU_TYPE_TIMESTAMP)
            continue;
        if (time->integer < last)
            return mu_fail(err, MU_E_INPUT, "event %u of a row is earlier than the one before", i);
        last = time->integer;
    }
    return MU_OK;
}

static mu_code add_items(mu_part_writer *w, uint32_t column, const mu_value *value, mu_err *err)
{
    mu_column_builder *builder = &w->builders[column];
    uint32_t level = builder->child_level, size = w->level_sizes[level];
    if (value->n > MU_PART_ELEMENTS_MAX || size + value->n > MU_PART_ELEMENTS_MAX) {
        char path[256];
        column_path(w, column, path, sizeof path);
        return mu_fail(err, MU_E_LIMIT, "%s: more than %u items in one block", path,
                       MU_PART_ELEMENTS_MAX);
    }
    if (column == w->event_column && w->time_field >= 0)
        MU_TRY(check_event_order(w, value, err));
    if (!mu_column_builder_push(builder, w->level_sizes[builder->level], value->n))
        return no_memory(err);
    w->block_cost += (uint64_t)value->n * 8;
    const uint32_t *children = builder->children;
    uint32_t item = children[builder->n_children - 1];
    bool is_map = builder->kind == MU_TYPE_MAP;
    for (uint32_t i = 0; i < value->n; i++) {
        if (is_map) {
            if (!mu_column_builder_push_string(&w->builders[children[0]], w->level_sizes[level],
                                               value->keys[i]))
                return no_memory(err);
            w->block_cost += value->keys[i].len;
        }
        if (value->items[i].kind != MU_TYPE_NULL)
            MU_TRY(add_value(w, item, &value->items[i], err));
        w->level_sizes[level]++;
    }
    return MU_OK;
}

static mu_code add_string(mu_part_writer *w, uint32_t column, mu_str text, mu_err *err)
{
    mu_column_builder *builder = &w->builders[column];
    w->block_cost += text.len;
    if (mu_column_builder_push_string(builder, w->level_sizes[builder->level], text))
        return MU_OK;
    if (builder->bytes.failed && builder->bytes.len + text.len > UINT32_MAX)
        return mu_fail(err, MU_E_LIMIT, "a block has more than 4 GiB of strings in one column");
    return no_memory(err);
}

/* `value` is not null. Recursion is as deep as the row type, which is limited. */
static mu_code add_value(mu_part_writer *w, uint32_t column, const mu_value *value, mu_err *err)
{
    mu_column_builder *builder = &w->builders[column];
    if (value->kind != builder->kind)
        return wrong_kind(w, column, value, err);
    uint64_t bits;
    switch (value->kind) {
    case MU_TYPE_OBJECT:
        return add_object(w, column, value, err);
    case MU_TYPE_LIST:
    case MU_TYPE_MAP:
        return add_items(w, column, value, err);
    case MU_TYPE_STRING:
        return add_string(w, column, value->string, err);
    case MU_TYPE_BOOLEAN:
        bits = value->boolean;
        break;
    case MU_TYPE_DOUBLE:
        memcpy(&bits, &value->number, sizeof bits);
        break;
    default:
        bits = (uint64_t)value->integer;
    }
    w->block_cost += 8;
    if (!mu_column_builder_push(builder, w->level_sizes[builder->level], bits))
        return no_memory(err);
    return MU_OK;
}

static mu_code add_hidden_string(mu_part_writer *w, unsigned hidden, uint32_t element, mu_str text,
                                 mu_err *err)
{
    w->block_cost += text.len;
    if (mu_column_builder_push_string(&w->builders[w->n_columns + hidden], element, text))
        return MU_OK;
    return no_memory(err);
}

mu_code mu_part_writer_add_identity(mu_part_writer *w, uint32_t at, uint32_t pid,
                                    mu_identity identity, mu_err *err)
{
    void *hashes = w->hashes;
    uint32_t mix = mu_mix32(pid), element = w->level_sizes[0] + at;
    if (w->n_rows + at > 0 && mix <= w->last_mix)
        return mu_fail(err, MU_E_INPUT, "rows must come in ascending order of mu_mix32(pid)");
    if (w->n_rows == UINT32_MAX - at)
        return mu_fail(err, MU_E_LIMIT, "a part has at most %u rows", UINT32_MAX);
    if (!reserve_one(&hashes, w->n_rows + at, &w->hashes_capacity, sizeof *w->hashes))
        return no_memory(err);
    w->hashes = hashes;
    w->hashes[w->n_rows + at] = mu_identity_hash(identity);
    w->last_mix = mix;
    w->max_pid = pid > w->max_pid ? pid : w->max_pid;
    if (!mu_column_builder_push(&w->builders[w->n_columns + MU_HIDDEN_PID], element, pid))
        return no_memory(err);
    MU_TRY(add_hidden_string(w, MU_HIDDEN_NAMESPACE, element, identity.namespace_code, err));
    return add_hidden_string(w, MU_HIDDEN_VALUE, element, identity.value, err);
}

mu_code mu_part_writer_end_rows(mu_part_writer *w, uint32_t n, mu_err *err)
{
    if (w->event_column != MU_NO_COLUMN) {
        mu_column_builder *events = &w->builders[w->event_column];
        if (events->n_values != w->level_sizes[0] + n)
            return mu_fail(err, MU_E_TYPE, "xEvent of a row must be a list, not null");
    }
    w->n_rows += n;
    w->level_sizes[0] += n;
    bool is_full = w->level_sizes[0] == MU_BLOCK_ROWS || w->block_cost >= MU_BLOCK_COST_MAX;
    if (w->event_column != MU_NO_COLUMN)
        is_full |= w->level_sizes[w->builders[w->event_column].child_level] >= MU_BLOCK_EVENTS;
    return is_full ? end_block(w, err) : MU_OK;
}

static mu_code add_row(mu_part_writer *w, uint32_t pid, mu_identity identity, const mu_value *row,
                       mu_err *err)
{
    MU_TRY(mu_part_writer_add_identity(w, 0, pid, identity, err));
    if (row->kind != MU_TYPE_OBJECT)
        return wrong_kind(w, 0, row, err);
    MU_TRY(add_value(w, 0, row, err));
    return mu_part_writer_end_rows(w, 1, err);
}

mu_code mu_part_writer_add(mu_part_writer *writer, uint32_t pid, mu_identity identity, mu_value row,
                           mu_err *err)
{
    if (writer->has_failed)
        return mu_fail(err, MU_E_INPUT, "an earlier row of this part failed");
    mu_code code = add_row(writer, pid, identity, &row, err);
    writer->has_failed = code != MU_OK;
    return code;
}

/* -------- the end of the file -------- */

static mu_code write_dictionary(mu_part_writer *w, uint32_t vector, const uint32_t *order,
                                mu_err *err)
{
    const mu_string_pool *pool = w->builders[vector].pool;
    mu_buf *area = &w->area;
    mu_buf_clear(area);
    size_t table = mu_part_align(((uint64_t)pool->n + 1) * 8);
    mu_buf_add_zeros(area, table);
    uint64_t end = 0;
    for (uint32_t place = 0; place < pool->n; place++) {
        mu_str text = pool->strings[order[place]];
        mu_buf_add_str(area, text);
        end += text.len;
        if (!area->failed)
            memcpy(area->ptr + ((size_t)place + 1) * 8, &end, sizeof end);
    }
    mu_buf_add_zeros(area, mu_part_align(end) - end);
    if (area->failed)
        return no_memory(err);
    if (!mu_text64_valid(area->ptr + table, (const uint64_t *)(const void *)area->ptr, pool->n)) {
        char path[256];
        column_path(w, vector, path, sizeof path);
        return mu_fail(err, MU_E_INPUT, "%s: a string is not UTF-8", path);
    }
    mu_dictionary_entry *entry = &w->dictionaries[vector];
    *entry = (mu_dictionary_entry){
        .n = pool->n, .size = area->len, .area_checksum = mu_hash64(area->ptr, area->len, 0)};
    return mu_part_file_add(&w->file, area->ptr, area->len, &entry->offset, err);
}

static mu_code write_pending(mu_part_writer *w, uint32_t vector, const uint32_t *rank, mu_err *err)
{
    const mu_column_builder *builder = &w->builders[vector];
    for (uint32_t p = 0; p < builder->n_pending; p++) {
        const mu_pending_block *pending = &builder->pending[p];
        uint64_t *codes = malloc((size_t)pending->n_values * sizeof *codes);
        if (codes == NULL)
            return no_memory(err);
        mu_pending_block_ids(pending, codes);
        for (uint32_t i = 0; i < pending->n_values; i++)
            codes[i] = rank[codes[i]];
        mu_collected collected = {.n = pending->n,
                                  .n_values = pending->n_values,
                                  .valid = pending->valid,
                                  .values = codes};
        mu_code code = write_vector(w, pending->block, vector, &collected, mu_encode_codes, err);
        free(codes);
        MU_TRY(code);
    }
    return MU_OK;
}

static mu_code end_pool(mu_part_writer *w, uint32_t vector, mu_err *err)
{
    const mu_column_builder *builder = &w->builders[vector];
    if (builder->pool == NULL || builder->pool->n == 0)
        return MU_OK;
    bool is_namespace = vector == w->n_columns + MU_HIDDEN_NAMESPACE;
    if (!is_namespace && mu_column_builder_should_drop_pool(builder, true))
        return drop_pool(w, vector, err);
    uint32_t n = builder->pool->n;
    uint32_t *rank = malloc((size_t)n * 2 * sizeof *rank);
    if (rank == NULL)
        return no_memory(err);
    mu_string_pool_rank(builder->pool, rank, rank + n);
    mu_code code = write_dictionary(w, vector, rank + n, err);
    if (code == MU_OK)
        code = write_pending(w, vector, rank, err);
    free(rank);
    mu_column_builder_drop_pool(&w->builders[vector]);
    return code;
}

static mu_code write_section(mu_part_writer *w, const void *bytes, size_t size, bool has_checksum,
                             mu_part_section *out, mu_err *err)
{
    static const char zeros[MU_PART_ALIGN];
    size_t padding = mu_part_align(size) - size;
    mu_buf_clear(&w->area);
    mu_buf_add(&w->area, bytes, size);
    mu_buf_add(&w->area, zeros, padding);
    if (w->area.failed)
        return no_memory(err);
    *out = (mu_part_section){.size = w->area.len};
    if (has_checksum)
        out->checksum = mu_hash64(w->area.ptr, w->area.len, 0);
    if (w->area.len == 0) {
        out->offset = w->file.size;
        return MU_OK;
    }
    return mu_part_file_add(&w->file, w->area.ptr, w->area.len, &out->offset, err);
}

static void add_u32(mu_buf *buf, uint32_t value)
{
    mu_buf_add(buf, &value, sizeof value);
}

static mu_code write_columns(mu_part_writer *w, mu_part_section *out, mu_err *err)
{
    mu_buf text;
    mu_buf_init(&text, AREA_MAX);
    add_u32(&text, (uint32_t)w->entity.len);
    mu_buf_add_str(&text, w->entity);
    for (uint32_t c = 0; c < w->n_columns; c++) {
        const mu_column_builder *builder = &w->builders[c];
        mu_buf_add_char(&text, (char)builder->kind);
        add_u32(&text, builder->parent);
        add_u32(&text, (uint32_t)builder->name.len);
        mu_buf_add_str(&text, builder->name);
    }
    mu_code code =
        text.failed ? no_memory(err) : write_section(w, text.ptr, text.len, true, out, err);
    mu_buf_free(&text);
    return code;
}

typedef struct hash_row {
    uint64_t hash;
    uint32_t row;
} hash_row;

static int compare_hash_rows(const void *a, const void *b)
{
    const hash_row *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static mu_code write_index(mu_part_writer *w, mu_part_footer *footer, mu_err *err)
{
    size_t n = w->n_rows;
    hash_row *pairs = malloc((n + 1) * sizeof *pairs);
    uint32_t *rows = malloc((n + 1) * sizeof *rows);
    mu_code code = MU_OK;
    if (pairs == NULL || rows == NULL) {
        code = no_memory(err);
        goto done;
    }
    for (uint32_t r = 0; r < n; r++)
        pairs[r] = (hash_row){w->hashes[r], r};
    qsort(pairs, n, sizeof *pairs, compare_hash_rows);
    for (uint32_t i = 0; i < n; i++) {
        w->hashes[i] = pairs[i].hash;
        rows[i] = pairs[i].row;
    }
    code = write_section(w, w->hashes, n * sizeof *w->hashes, true, &footer->hashes, err);
    if (code == MU_OK)
        code = write_section(w, rows, n * sizeof *rows, true, &footer->rows, err);
done:
    free(pairs);
    free(rows);
    return code;
}

static mu_code write_footer(mu_part_writer *w, mu_part_footer *footer, mu_err *err)
{
    footer->n_rows = w->n_rows;
    footer->n_blocks = w->n_blocks;
    footer->n_columns = w->n_columns;
    footer->n_levels = w->n_levels;
    footer->n_events = w->n_events;
    footer->part_id = w->part_id;
    footer->file_size = w->file.size + sizeof *footer;
    memcpy(footer->magic, MU_PART_MAGIC_END, sizeof footer->magic);
    footer->checksum = mu_hash64(footer, offsetof(mu_part_footer, checksum), 0);
    uint64_t offset;
    return mu_part_file_add(&w->file, footer, sizeof *footer, &offset, err);
}

static mu_code write_end(mu_part_writer *w, mu_err *err)
{
    if (w->level_sizes[0] > 0)
        MU_TRY(end_block(w, err));
    for (uint32_t v = 0; v < w->n_vectors; v++)
        MU_TRY(end_pool(w, v, err));
    size_t n_entries = (size_t)w->n_blocks * w->n_vectors;
    for (size_t i = 0; i < n_entries; i++)
        w->entries[i].checksum = mu_vector_entry_checksum(w->entries[i], i);
    mu_part_footer footer = {0};
    MU_TRY(write_columns(w, &footer.columns, err));
    MU_TRY(write_section(w, w->blocks, w->n_blocks * sizeof *w->blocks, true, &footer.blocks, err));
    MU_TRY(write_section(w, w->dictionaries, w->n_vectors * sizeof *w->dictionaries, true,
                         &footer.dictionaries, err));
    MU_TRY(
        write_section(w, w->entries, n_entries * sizeof *w->entries, false, &footer.vectors, err));
    MU_TRY(write_index(w, &footer, err));
    return write_footer(w, &footer, err);
}

static mu_code write_end_once(mu_part_writer *writer, mu_err *err)
{
    if (writer->has_failed)
        return mu_fail(err, MU_E_INPUT, "an earlier row of this part failed");
    return write_end(writer, err);
}

mu_code mu_part_writer_seal(mu_part_writer *writer, mu_err *err)
{
    mu_code code = write_end_once(writer, err);
    if (code == MU_OK)
        code = mu_part_file_finish(&writer->file, err);
    free_writer(writer);
    return code;
}

mu_code mu_part_writer_seal_in_memory(mu_part_writer *writer, mu_mapping *out, mu_err *err)
{
    mu_code code = write_end_once(writer, err);
    if (code == MU_OK)
        code = mu_part_file_take(&writer->file, out, err);
    free_writer(writer);
    return code;
}
