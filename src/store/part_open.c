#include "base/utf8.h"
#include "store/part_int.h"

#include <stdlib.h>

static mu_code corrupt(const mu_part *part, const char *what, mu_err *err)
{
    return mu_fail(err, MU_E_CORRUPT, "%s: %s", part->path, what);
}

mu_code mu_part_check_extent(const mu_part *part, const char *what, uint64_t offset, uint64_t size,
                             mu_err *err)
{
    uint64_t end;
    if (offset % MU_PART_ALIGN != 0 || size % MU_PART_ALIGN != 0 ||
        offset < sizeof(mu_part_header) || __builtin_add_overflow(offset, size, &end) ||
        end > part->mapping.size_bytes - sizeof(mu_part_footer))
        return mu_fail(err, MU_E_CORRUPT, "%s: %s lies outside of the file", part->path, what);
    return MU_OK;
}

mu_code mu_part_check_area(const mu_part *part, const char *what, uint64_t offset, uint64_t size,
                           uint64_t checksum, mu_err *err)
{
    MU_TRY(mu_part_check_extent(part, what, offset, size, err));
    if (!part->ignores_checksums && mu_hash64(part->mapping.bytes + offset, size, 0) != checksum)
        return mu_fail(err, MU_E_CORRUPT, "%s: %s has the wrong checksum", part->path, what);
    return MU_OK;
}

static mu_code check_header(mu_part *part, mu_err *err)
{
    mu_part_header header;
    memcpy(&header, part->mapping.bytes, sizeof header);
    if (memcmp(header.magic, MU_PART_MAGIC, sizeof header.magic) != 0)
        return corrupt(part, "this is not a part file", err);
    if (header.version == 0 || header.version > MU_PART_VERSION)
        return mu_fail(err, MU_E_INPUT, "%s has part format %u; this muster reads formats 1 to %u",
                       part->path, header.version, MU_PART_VERSION);
    part->version = header.version;
    if (!part->ignores_checksums &&
        header.checksum != mu_hash64(&header, offsetof(mu_part_header, checksum), 0))
        return corrupt(part, "the header has the wrong checksum", err);
    if (header.part_id != part->footer.part_id)
        return corrupt(part, "header and footer name different parts", err);
    return MU_OK;
}

static mu_code check_footer(mu_part *part, mu_err *err)
{
    size_t size = part->mapping.size_bytes;
    if (size < sizeof(mu_part_header) + sizeof(mu_part_footer) || size % MU_PART_ALIGN != 0)
        return corrupt(part, "the file is cut short", err);
    mu_part_footer *footer = &part->footer;
    memcpy(footer, part->mapping.bytes + size - sizeof *footer, sizeof *footer);
    if (memcmp(footer->magic, MU_PART_MAGIC_END, sizeof footer->magic) != 0 ||
        footer->file_size != size)
        return corrupt(part, "the file is cut short, or its end was overwritten", err);
    if (!part->ignores_checksums &&
        footer->checksum != mu_hash64(footer, offsetof(mu_part_footer, checksum), 0))
        return corrupt(part, "the footer has the wrong checksum", err);
    if (footer->n_columns == 0 || footer->n_columns > MU_PART_COLUMNS_MAX)
        return corrupt(part, "the number of columns is impossible", err);
    return MU_OK;
}

/* A section of `count` things of `size` bytes each. */
static mu_code check_section(const mu_part *part, const char *what, const mu_part_section *section,
                             uint64_t count, uint64_t size, mu_err *err)
{
    uint64_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > part->mapping.size_bytes ||
        mu_part_align(bytes) != section->size)
        return mu_fail(err, MU_E_CORRUPT, "%s: %s has an impossible size", part->path, what);
    return mu_part_check_extent(part, what, section->offset, section->size, err);
}

static mu_code check_whole_section(const mu_part *part, const char *what,
                                   const mu_part_section *section, uint64_t count, uint64_t size,
                                   mu_err *err)
{
    MU_TRY(check_section(part, what, section, count, size, err));
    return mu_part_check_area(part, what, section->offset, section->size, section->checksum, err);
}

static const void *section_bytes(const mu_part *part, const mu_part_section *section)
{
    return part->mapping.bytes + section->offset;
}

static mu_code check_blocks(const mu_part *part, mu_err *err)
{
    uint64_t row = 0;
    for (uint32_t b = 0; b < part->footer.n_blocks; b++) {
        mu_block block = part->blocks[b];
        if (block.row != row || block.n_rows == 0 || block.n_rows > MU_BLOCK_ROWS)
            return corrupt(part, "the blocks do not follow one another", err);
        row += block.n_rows;
    }
    if (row != part->footer.n_rows)
        return corrupt(part, "the blocks do not add up to the rows", err);
    return MU_OK;
}

static mu_code check_sections(mu_part *part, mu_err *err)
{
    const mu_part_footer *footer = &part->footer;
    uint64_t n_vectors = part->n_vectors;
    MU_TRY(check_whole_section(part, "the block table", &footer->blocks, footer->n_blocks,
                               sizeof(mu_block), err));
    MU_TRY(check_whole_section(part, "the dictionary table", &footer->dictionaries, n_vectors,
                               sizeof(mu_dictionary_entry), err));
    MU_TRY(mu_part_check_area(part, "the column table", footer->columns.offset,
                              footer->columns.size, footer->columns.checksum, err));
    /* Vector entries have their own checksums, and the identity index is read at its first use:
     * only their extent matters here. */
    MU_TRY(check_section(part, "the vector table", &footer->vectors, footer->n_blocks * n_vectors,
                         sizeof(mu_vector_entry), err));
    MU_TRY(check_section(part, "the identity index", &footer->hashes, footer->n_rows,
                         sizeof(uint64_t), err));
    MU_TRY(check_section(part, "the identity index", &footer->rows, footer->n_rows,
                         sizeof(uint32_t), err));
    part->blocks = section_bytes(part, &footer->blocks);
    part->dictionaries = section_bytes(part, &footer->dictionaries);
    part->vectors = section_bytes(part, &footer->vectors);
    part->hashes = section_bytes(part, &footer->hashes);
    part->hash_rows = section_bytes(part, &footer->rows);
    return check_blocks(part, err);
}

/* -------- the column table -------- */

typedef struct table_reader {
    const uint8_t *at, *end;
} table_reader;

static bool read_bytes(table_reader *reader, void *out, size_t size)
{
    if (size > (size_t)(reader->end - reader->at))
        return false;
    memcpy(out, reader->at, size);
    reader->at += size;
    return true;
}

static bool read_text(table_reader *reader, mu_str *out)
{
    uint32_t len;
    if (!read_bytes(reader, &len, sizeof len) || len > (size_t)(reader->end - reader->at))
        return false;
    *out = (mu_str){(const char *)reader->at, len};
    reader->at += len;
    return mu_utf8_valid(*out);
}

static bool is_container(mu_type_kind kind)
{
    return kind == MU_TYPE_OBJECT || kind == MU_TYPE_LIST || kind == MU_TYPE_MAP;
}

/* Reads column `c` and hangs it below its parent: a child of an object has a name, of a list or map
 * has none; the first child of a map is its key. */
static bool read_column(mu_part *part, table_reader *reader, uint32_t c, uint32_t *depths)
{
    uint8_t kind;
    mu_column *column = &part->columns[c];
    if (!read_bytes(reader, &kind, 1) ||
        !read_bytes(reader, &column->parent, sizeof column->parent) ||
        !read_text(reader, &column->name))
        return false;
    if (kind < MU_TYPE_BOOLEAN || kind > MU_TYPE_OBJECT)
        return false;
    column->kind = (mu_type_kind)kind;
    if (c == 0)
        return column->parent == MU_NO_COLUMN && kind == MU_TYPE_OBJECT && column->name.len == 0;
    if (column->parent >= c || !is_container(part->columns[column->parent].kind))
        return false;
    mu_column *parent = &part->columns[column->parent];
    depths[c] = depths[column->parent] + 1;
    if (depths[c] > MU_PART_DEPTH_MAX)
        return false;
    if (parent->kind != MU_TYPE_OBJECT && column->name.len != 0)
        return false;
    if (parent->kind == MU_TYPE_MAP && parent->n_children == 0 && kind != MU_TYPE_STRING)
        return false;
    parent->n_children++;
    return parent->kind == MU_TYPE_OBJECT ||
           parent->n_children <= (parent->kind == MU_TYPE_MAP ? 2u : 1u);
}

static bool open_levels(mu_part *part)
{
    uint32_t n = part->footer.n_columns, n_levels = 1;
    for (uint32_t c = 0; c < n; c++)
        n_levels += part->columns[c].kind == MU_TYPE_LIST || part->columns[c].kind == MU_TYPE_MAP;
    if (n_levels != part->footer.n_levels)
        return false;
    part->levels = MU_NEW_ARRAY(&part->arena, mu_level, n_levels);
    uint32_t *opened = MU_NEW_ARRAY(&part->arena, uint32_t, n);
    uint32_t level = 0;
    for (uint32_t c = 0; c < n; c++) {
        mu_column *column = &part->columns[c];
        if (c > 0) {
            const mu_column *parent = &part->columns[column->parent];
            column->level = parent->kind == MU_TYPE_OBJECT ? parent->level : opened[column->parent];
        }
        if (column->kind == MU_TYPE_LIST || column->kind == MU_TYPE_MAP) {
            opened[c] = ++level;
            part->levels[level] = (mu_level){.parent = column->level, .column = c};
        }
    }
    return true;
}

static bool connect_children(mu_part *part)
{
    uint32_t n = part->footer.n_columns;
    uint32_t *all = MU_NEW_ARRAY(&part->arena, uint32_t, n);
    uint32_t *filled = MU_NEW_ARRAY(&part->arena, uint32_t, n);
    uint32_t at = 0;
    for (uint32_t c = 0; c < n; c++) {
        mu_column *column = &part->columns[c];
        uint32_t needed = column->kind == MU_TYPE_LIST ? 1 : column->kind == MU_TYPE_MAP ? 2 : 0;
        if (needed != 0 && column->n_children != needed)
            return false;
        column->children = all + at;
        at += column->n_children;
    }
    for (uint32_t c = 1; c < n; c++) {
        uint32_t parent = part->columns[c].parent;
        uint32_t first = (uint32_t)(part->columns[parent].children - all);
        all[first + filled[parent]++] = c;
    }
    return true;
}

#define COMPARED_IN_PAIRS_MAX 16u

/* Whether the fields of an object have distinct names. */
static bool are_distinct(const mu_part *part, const mu_column *object)
{
    uint32_t n = object->n_children;
    bool is_new = true;
    if (n <= COMPARED_IN_PAIRS_MAX) {
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t j = 0; j < i; j++)
                is_new &= !mu_str_equal(part->columns[object->children[i]].name,
                                        part->columns[object->children[j]].name);
        return is_new;
    }
    mu_strmap names;
    mu_strmap_init(&names);
    for (uint32_t i = 0; is_new && i < n; i++)
        mu_strmap_put(&names, part->columns[object->children[i]].name, &is_new);
    mu_strmap_free(&names);
    return is_new;
}

static bool names_are_distinct(const mu_part *part)
{
    for (uint32_t c = 0; c < part->footer.n_columns; c++)
        if (part->columns[c].kind == MU_TYPE_OBJECT && !are_distinct(part, &part->columns[c]))
            return false;
    return true;
}

/* The types of all columns; children come after their parents, so go backwards. */
static void build_types(mu_part *part)
{
    uint32_t n = part->footer.n_columns;
    mu_type *types = MU_NEW_ARRAY(&part->arena, mu_type, n);
    part->types = MU_NEW_ARRAY(&part->arena, const mu_type *, n);
    for (uint32_t c = n; c-- > 0;) {
        const mu_column *column = &part->columns[c];
        mu_type *type = &types[c];
        type->kind = column->kind;
        part->types[c] = type;
        if (column->kind == MU_TYPE_LIST || column->kind == MU_TYPE_MAP)
            type->item = &types[column->children[column->n_children - 1]];
        if (column->kind != MU_TYPE_OBJECT)
            continue;
        mu_str *names = MU_NEW_ARRAY(&part->arena, mu_str, column->n_children);
        const mu_type **fields = MU_NEW_ARRAY(&part->arena, const mu_type *, column->n_children);
        for (uint32_t f = 0; f < column->n_children; f++) {
            names[f] = part->columns[column->children[f]].name;
            fields[f] = &types[column->children[f]];
        }
        type->n_fields = column->n_children;
        type->field_names = names;
        type->field_types = fields;
    }
}

static void find_event_level(mu_part *part)
{
    uint32_t column = mu_part_child(part, 0, MU_STR("xEvent"));
    if (column == MU_NO_COLUMN || part->columns[column].kind != MU_TYPE_LIST ||
        part->columns[part->columns[column].children[0]].kind != MU_TYPE_OBJECT)
        return;
    for (uint32_t l = 1; l < part->footer.n_levels; l++)
        if (part->levels[l].column == column)
            part->event_level = l;
}

static mu_code read_columns(mu_part *part, mu_err *err)
{
    uint32_t n = part->footer.n_columns;
    const uint8_t *bytes = section_bytes(part, &part->footer.columns);
    table_reader reader = {bytes, bytes + part->footer.columns.size};
    part->columns = MU_NEW_ARRAY(&part->arena, mu_column, n);
    uint32_t *depths = MU_NEW_ARRAY(&part->arena, uint32_t, n);
    bool is_sound = read_text(&reader, &part->entity);
    for (uint32_t c = 0; is_sound && c < n; c++)
        is_sound = read_column(part, &reader, c, depths);
    if (!is_sound || !connect_children(part) || !open_levels(part) || !names_are_distinct(part))
        return corrupt(part, "the column table is malformed", err);
    build_types(part);
    find_event_level(part);
    return MU_OK;
}

static mu_code make_seen(mu_part *part, mu_err *err)
{
    size_t n = (size_t)part->footer.n_blocks * part->n_vectors;
    part->vector_seen = calloc(n + 1, sizeof *part->vector_seen);
    part->dictionary_seen = calloc(part->n_vectors, sizeof *part->dictionary_seen);
    if (part->vector_seen == NULL || part->dictionary_seen == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for opening %s", part->path);
    return MU_OK;
}

static mu_code load(mu_part *part, mu_err *err)
{
    MU_TRY(check_footer(part, err));
    MU_TRY(check_header(part, err));
    part->n_vectors = part->footer.n_columns + MU_HIDDEN_COUNT;
    MU_TRY(check_sections(part, err));
    MU_TRY(read_columns(part, err));
    return make_seen(part, err);
}

static mu_code load_file(mu_part *part, mu_err *err)
{
    MU_TRY(mu_file_map(part->path, &part->mapping, err));
    return load(part, err);
}

/* What the writer made just now in this process needs no checks at first touch. */
static void trust(mu_part *part)
{
    size_t n = (size_t)part->footer.n_blocks * part->n_vectors;
    for (size_t i = 0; i < n; i++)
        atomic_init(&part->vector_seen[i], 1);
    for (uint32_t v = 0; v < part->n_vectors; v++)
        atomic_init(&part->dictionary_seen[v], 1);
    atomic_init(&part->index_seen, 1);
}

static mu_part *new_part(const char *path)
{
    mu_part *part = calloc(1, sizeof *part);
    if (part == NULL)
        return NULL;
    mu_arena_init(&part->arena, SIZE_MAX);
    part->path = strdup(path);
    if (part->path != NULL)
        return part;
    free(part);
    return NULL;
}

mu_code mu_part_open_with(const char *path, const mu_part_open_options *options, mu_part **out,
                          mu_err *err)
{
    mu_part *part = new_part(path);
    if (part == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for opening %s", path);
    part->ignores_checksums = options->ignores_checksums;
    mu_code code = load_file(part, err);
    if (code != MU_OK) {
        mu_part_close(part);
        return code;
    }
    *out = part;
    return MU_OK;
}

mu_code mu_part_open_memory(mu_mapping bytes, const char *name, mu_part **out, mu_err *err)
{
    mu_part *part = new_part(name);
    if (part == NULL) {
        free((void *)(uintptr_t)bytes.bytes);
        return mu_fail(err, MU_E_NOMEM, "out of memory for opening %s", name);
    }
    part->mapping = bytes;
    part->is_in_memory = true;
    mu_code code = load(part, err);
    if (code != MU_OK) {
        mu_part_close(part);
        return code;
    }
    trust(part);
    *out = part;
    return MU_OK;
}

mu_code mu_part_open(const char *path, mu_part **out, mu_err *err)
{
    return mu_part_open_with(path, &(mu_part_open_options){0}, out, err);
}

void mu_part_close(mu_part *part)
{
    if (part == NULL)
        return;
    if (part->is_in_memory)
        free((void *)(uintptr_t)part->mapping.bytes);
    else
        mu_file_unmap(&part->mapping);
    mu_arena_free(&part->arena);
    free(part->vector_seen);
    free(part->dictionary_seen);
    free(part->path);
    free(part);
}
