#include "ingest/ingest_int.h"

#include "base/utf8.h"

#include <stdlib.h>

/* A row becomes a record by a small program made from the header:
 *
 *   OPEN node        begins an object or map; taken back at CLOSE when nothing came
 *   CELL node column a field
 *   ENTRY column     a map entry, its key in `name`
 *   CLOSE
 */
typedef enum op_kind { OP_OPEN, OP_OPEN_MAP, OP_CELL, OP_ENTRY, OP_CLOSE } op_kind;

typedef struct row_op {
    op_kind kind;
    uint32_t node;
    uint32_t column;    /* CELL, ENTRY */
    uint32_t n_entries; /* OPEN_MAP: the ENTRY ops that follow */
    mu_str name;        /* ENTRY */
} row_op;

/* A column that holds an identity. */
typedef struct identity_column {
    uint32_t column;
    mu_str namespace_code; /* spelled; for the data as the header has it */
    mu_str code;
    bool is_declared, is_in_map;
} identity_column;

typedef struct class_plan {
    uint32_t n_ops;
    row_op *ops;
    uint32_t n_identities;
    identity_column *identities;
} class_plan;

#define NO_COLUMN UINT32_MAX

struct mu_row_plan {
    mu_arena arena;
    const mu_input_file *file;
    uint64_t *column_hashes;
    uint32_t timestamp, id, identity_map; /* columns, or NO_COLUMN */
    bool has_identity_columns;
    class_plan *classes; /* per class of the run; ops NULL where the load has no use for it */
};

#define IDENTITY_PREFIX MU_STR("identity:")

/* -------- the header -------- */

typedef struct column_path {
    uint32_t column;
    uint32_t n;
    mu_str *names;
} column_path;

static mu_code header_error(const mu_input_file *file, mu_str column, const char *what, mu_err *err)
{
    return mu_fail(err, MU_E_INPUT, "%s: CSV column \"" MU_STR_FMT "\" %s", file->path,
                   MU_STR_ARG(mu_utf8_head(column, 100)), what);
}

/* Dotted or slash paths (profile.md d.4). */
static mu_code cut_column(mu_arena *arena, const mu_input_file *file, uint32_t column,
                          column_path *out, mu_err *err)
{
    mu_str text = file->columns[column];
    bool has_slashes = text.len > 0 && memchr(text.ptr, '/', text.len) != NULL;
    if (has_slashes && text.ptr[0] == '/')
        text = (mu_str){text.ptr + 1, text.len - 1};
    *out = (column_path){.column = column};
    out->names = MU_NEW_ARRAY(arena, mu_str, MU_RECORD_DEPTH_MAX);
    for (bool more = true; more;) {
        const char *cut =
            text.len == 0 ? NULL : memchr(text.ptr, has_slashes ? '/' : '.', text.len);
        mu_str name = cut == NULL ? text : (mu_str){text.ptr, (size_t)(cut - text.ptr)};
        if (name.len == 0)
            return header_error(file, file->columns[column], "has an empty name", err);
        if (out->n == MU_RECORD_DEPTH_MAX)
            return header_error(file, file->columns[column], "is nested too deep", err);
        if (out->n == 0 && name.ptr[0] == '$')
            return header_error(file, file->columns[column], "begins with $, which is reserved",
                                err);
        out->names[out->n++] = mu_xdm_plain_name(name);
        more = cut != NULL;
        if (more)
            text = (mu_str){cut + 1, text.len - name.len - 1};
    }
    return MU_OK;
}

static int compare_paths(const void *pa, const void *pb)
{
    const column_path *a = pa, *b = pb;
    for (uint32_t i = 0; i < a->n && i < b->n; i++) {
        int order = mu_str_compare(a->names[i], b->names[i]);
        if (order != 0)
            return order;
    }
    return (a->n > b->n) - (a->n < b->n);
}

static uint32_t shared_steps(const column_path *a, const column_path *b)
{
    uint32_t n = 0;
    while (n < a->n && n < b->n && mu_str_equal(a->names[n], b->names[n]))
        n++;
    return n;
}

static bool is_identity_column(mu_str name)
{
    return mu_str_starts_with(name, IDENTITY_PREFIX);
}

/* The paths of all data columns, sorted, no path beginning another. */
static mu_code sorted_paths(mu_row_plan *plan, column_path **out, uint32_t *n_out, mu_err *err)
{
    const mu_input_file *file = plan->file;
    column_path *paths = MU_NEW_ARRAY(&plan->arena, column_path, file->n_columns);
    uint32_t n = 0;
    for (uint32_t c = 0; c < file->n_columns; c++)
        if (!is_identity_column(file->columns[c]))
            MU_TRY(cut_column(&plan->arena, file, c, &paths[n++], err));
    if (n > 0)
        qsort(paths, n, sizeof *paths, compare_paths);
    for (uint32_t i = 1; i < n; i++) {
        uint32_t shared = shared_steps(&paths[i - 1], &paths[i]);
        if (shared == paths[i - 1].n)
            return header_error(
                file, file->columns[paths[i].column],
                shared == paths[i].n ? "occurs twice" : "lies beneath another column", err);
    }
    *out = paths;
    *n_out = n;
    return MU_OK;
}

/* -------- the program of a class -------- */

typedef struct compiler {
    mu_worker *worker;
    mu_row_plan *plan;
    row_op *ops;
    uint32_t n_ops;
    uint32_t depth;                     /* open objects and maps */
    uint32_t open[MU_RECORD_DEPTH_MAX]; /* their nodes */
    uint32_t map_op;                    /* the open map's op; NO_COLUMN when none */
} compiler;

static void add_op(compiler *c, row_op op)
{
    c->ops[c->n_ops++] = op;
}

static void close_to(compiler *c, uint32_t depth)
{
    for (; c->depth > depth; c->depth--) {
        add_op(c, (row_op){.kind = OP_CLOSE});
        c->map_op = NO_COLUMN; /* a map is always the innermost */
    }
}

static mu_code open_step(compiler *c, uint32_t node, mu_str column, mu_err *err)
{
    const mu_type *known = c->worker->shape.nodes[node].known;
    mu_type_kind kind = known == NULL ? MU_TYPE_OBJECT : known->kind;
    if (kind != MU_TYPE_OBJECT && kind != MU_TYPE_MAP)
        return header_error(c->plan->file, column,
                            "passes through a field that is neither object nor map", err);
    c->map_op = kind == MU_TYPE_MAP ? c->n_ops : NO_COLUMN;
    add_op(c, (row_op){.kind = kind == MU_TYPE_MAP ? OP_OPEN_MAP : OP_OPEN, .node = node});
    c->open[c->depth++] = node;
    return MU_OK;
}

static mu_code add_leaf(compiler *c, uint32_t parent, const column_path *path, mu_str column,
                        mu_err *err)
{
    mu_str name = path->names[path->n - 1];
    if (c->map_op != NO_COLUMN) {
        c->ops[c->map_op].n_entries++;
        add_op(c, (row_op){.kind = OP_ENTRY,
                           .node = mu_shape_item(&c->worker->shape, parent),
                           .column = path->column,
                           .name = name});
        return MU_OK;
    }
    uint32_t node = mu_shape_field(&c->worker->shape, parent, 0, name);
    if (mu_shape_is_new(&c->worker->shape, node) && c->worker->encoder.is_strict)
        return header_error(c->plan->file, column, "is an unknown field", err);
    add_op(c, (row_op){.kind = OP_CELL, .node = node, .column = path->column});
    return MU_OK;
}

static mu_code compile_path(compiler *c, uint32_t root, const column_path *path, uint32_t shared,
                            mu_err *err)
{
    mu_str column = c->plan->file->columns[path->column];
    uint32_t keep = shared < path->n - 1 ? shared : path->n - 1;
    close_to(c, keep < c->depth ? keep : c->depth);
    for (uint32_t step = c->depth; step + 1 < path->n; step++) {
        uint32_t parent = c->depth == 0 ? root : c->open[c->depth - 1];
        if (c->map_op != NO_COLUMN)
            return header_error(c->plan->file, column,
                                "leads below a map entry; give the entry as JSON", err);
        uint32_t node = mu_shape_field(&c->worker->shape, parent, 0, path->names[step]);
        MU_TRY(open_step(c, node, column, err));
    }
    return add_leaf(c, c->depth == 0 ? root : c->open[c->depth - 1], path, column, err);
}

static bool is_path(const column_path *path, const mu_cut_path *wanted)
{
    for (uint32_t i = 0; path->n == wanted->n && i < path->n; i++)
        if (!mu_str_equal(path->names[i], wanted->names[i]))
            return false;
    return path->n == wanted->n;
}

static void find_identities(mu_worker *worker, mu_row_plan *plan, const mu_load_class *class,
                            const column_path *paths, uint32_t n_paths, class_plan *out)
{
    uint32_t n_max = plan->file->n_columns;
    out->identities = MU_NEW_ARRAY(&plan->arena, identity_column, n_max);
    for (uint32_t i = 0; i < n_paths; i++)
        for (uint32_t k = 0; k < class->n_paths; k++)
            if (is_path(&paths[i], &class->paths[k]) && out->n_identities < n_max)
                out->identities[out->n_identities++] =
                    (identity_column){.column = paths[i].column,
                                      .namespace_code = class->paths[k].namespace_code,
                                      .is_declared = class->paths[k].is_primary};
    for (uint32_t c = 0; c < plan->file->n_columns; c++) {
        mu_str name = plan->file->columns[c];
        if (!is_identity_column(name) || out->n_identities == n_max)
            continue;
        mu_str code = {name.ptr + IDENTITY_PREFIX.len, name.len - IDENTITY_PREFIX.len};
        code = mu_namespaces_spelling(worker->run->namespaces, code);
        out->identities[out->n_identities++] =
            (identity_column){.column = c, .namespace_code = code, .code = code, .is_in_map = true};
    }
}

static mu_code compile_class(mu_worker *worker, mu_row_plan *plan, uint32_t number,
                             const column_path *paths, uint32_t n_paths, mu_err *err)
{
    class_plan *out = &plan->classes[number];
    size_t n_ops = 1;
    for (uint32_t i = 0; i < n_paths; i++)
        n_ops += (size_t)paths[i].n * 2;
    compiler c = {.worker = worker, .plan = plan, .map_op = NO_COLUMN};
    c.ops = MU_NEW_ARRAY(&plan->arena, row_op, n_ops);
    for (uint32_t i = 0; i < n_paths; i++) {
        uint32_t shared = i == 0 ? 0 : shared_steps(&paths[i - 1], &paths[i]);
        MU_TRY(compile_path(&c, worker->roots[number], &paths[i], shared, err));
    }
    close_to(&c, 0);
    out->ops = c.ops;
    out->n_ops = c.n_ops;
    find_identities(worker, plan, &worker->run->classes[number], paths, n_paths, out);
    return MU_OK;
}

static uint32_t find_column(const mu_input_file *file, mu_str name)
{
    for (uint32_t c = 0; c < file->n_columns; c++)
        if (mu_str_equal(file->columns[c], name))
            return c;
    return NO_COLUMN;
}

static mu_code check_header(mu_row_plan *plan, mu_err *err)
{
    const mu_input_file *file = plan->file;
    mu_strmap seen;
    mu_strmap_init(&seen);
    mu_code code = MU_OK;
    for (uint32_t c = 0; code == MU_OK && c < file->n_columns; c++) {
        bool is_new;
        mu_str name = file->columns[c];
        *mu_strmap_put(&seen, name, &is_new) = c;
        if (!mu_utf8_valid(name))
            code = mu_fail(err, MU_E_INPUT, "%s: the CSV header is not valid UTF-8", file->path);
        else if (!is_new)
            code = header_error(file, name, "occurs twice", err);
        else if (is_identity_column(name) && name.len == IDENTITY_PREFIX.len)
            code = header_error(file, name, "names no namespace", err);
        plan->has_identity_columns |= is_identity_column(name);
    }
    mu_strmap_free(&seen);
    if (code == MU_OK && plan->has_identity_columns && plan->identity_map != NO_COLUMN)
        code = header_error(file, MU_STR("identityMap"), "and identity: columns exclude each other",
                            err);
    return code;
}

static mu_code make_plan(mu_worker *worker, mu_row_plan *plan, mu_err *err)
{
    const mu_load_run *run = worker->run;
    const mu_input_file *file = plan->file;
    column_path *paths = NULL;
    uint32_t n_paths = 0;
    plan->timestamp = find_column(file, MU_FIELD_TIMESTAMP);
    plan->id = find_column(file, MU_FIELD_ID);
    plan->identity_map = find_column(file, MU_STR("identityMap"));
    MU_TRY(check_header(plan, err));
    MU_TRY(sorted_paths(plan, &paths, &n_paths, err));
    plan->column_hashes = MU_NEW_ARRAY(&plan->arena, uint64_t, file->n_columns);
    for (uint32_t c = 0; c < file->n_columns; c++)
        plan->column_hashes[c] = mu_hash64(file->columns[c].ptr, file->columns[c].len, 0);
    plan->classes = MU_NEW_ARRAY(&plan->arena, class_plan, run->n_classes);
    for (uint32_t number = 0; number < run->n_classes; number++) {
        bool is_possible = run->class_number == number;
        if (run->class_number == MU_CLASS_AUTO)
            is_possible = number == MU_CLASS_PROFILE ||
                          (number == MU_CLASS_EVENT && plan->timestamp != NO_COLUMN);
        if (is_possible)
            MU_TRY(compile_class(worker, plan, number, paths, n_paths, err));
    }
    return MU_OK;
}

mu_code mu_row_plan_new(mu_worker *worker, uint32_t file, mu_row_plan **out, mu_err *err)
{
    mu_row_plan *plan = calloc(1, sizeof *plan);
    if (plan == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory");
    mu_arena_init(&plan->arena, SIZE_MAX);
    plan->file = &worker->run->input.files[file];
    mu_code code = make_plan(worker, plan, err);
    if (code != MU_OK) {
        mu_row_plan_free(plan);
        return code;
    }
    *out = plan;
    return MU_OK;
}

void mu_row_plan_free(mu_row_plan *plan)
{
    if (plan == NULL)
        return;
    mu_arena_free(&plan->arena);
    free(plan);
}

/* -------- a row -------- */

static mu_str cell_at(const mu_worker *worker, uint32_t column)
{
    return column == NO_COLUMN ? MU_STR("") : worker->cells.cells[column];
}

/* Order of columns and empty cells do not matter. */
static uint64_t content_hash(const mu_worker *worker, const mu_row_plan *plan)
{
    uint64_t hash = 0;
    for (uint32_t c = 0; c < worker->cells.n; c++) {
        mu_str cell = worker->cells.cells[c];
        if (cell.len > 0)
            hash += mu_hash64(cell.ptr, cell.len, plan->column_hashes[c]);
    }
    return hash;
}

/* The identityMap of a row with identity: columns; the first that has a value is primary. */
static void build_identity_map(mu_worker *worker, const class_plan *plan, mu_json *out)
{
    mu_arena *arena = &worker->line_arena;
    mu_str *names = MU_NEW_ARRAY(arena, mu_str, plan->n_identities);
    mu_json *lists = MU_NEW_ARRAY(arena, mu_json, plan->n_identities);
    static const mu_str fields[] = {{"id", 2}, {"primary", 7}};
    uint32_t n = 0;
    for (uint32_t i = 0; i < plan->n_identities; i++) {
        mu_str cell = cell_at(worker, plan->identities[i].column);
        if (!plan->identities[i].is_in_map || cell.len == 0)
            continue;
        mu_json *values = MU_NEW_ARRAY(arena, mu_json, 2);
        mu_json *item = MU_NEW(arena, mu_json);
        values[0] = (mu_json){.kind = MU_JSON_STRING, .string = cell};
        values[1] = (mu_json){.kind = MU_JSON_BOOLEAN, .boolean = true};
        *item = (mu_json){
            .kind = MU_JSON_OBJECT, .n = n == 0 ? 2 : 1, .names = fields, .items = values};
        names[n] = plan->identities[i].code;
        lists[n++] = (mu_json){.kind = MU_JSON_ARRAY, .n = 1, .items = item};
    }
    *out = (mu_json){.kind = MU_JSON_OBJECT, .n = n, .names = names, .items = lists};
}

static mu_code row_identity(mu_worker *worker, const mu_row_plan *plan, uint32_t number,
                            mu_identity *out, mu_err *err)
{
    const class_plan *class = &plan->classes[number];
    mu_candidates found;
    found.n = found.n_ignored = 0;
    bool has_first = false;
    for (uint32_t i = 0; i < class->n_identities; i++) {
        const identity_column *entry = &class->identities[i];
        mu_str cell = cell_at(worker, entry->column);
        if (cell.len == 0)
            continue;
        mu_candidates_add(&found, (mu_candidate){.identity = {entry->namespace_code, cell},
                                                 .is_declared = entry->is_declared,
                                                 .is_flagged = entry->is_in_map && !has_first});
        has_first |= entry->is_in_map;
    }
    mu_str map_cell = cell_at(worker, plan->identity_map);
    mu_json map;
    mu_err ignored; /* the schema rejects the cell */
    if (map_cell.len > 0 &&
        mu_json_read(worker->reader, &worker->line_arena, map_cell, &map, &ignored) == MU_OK)
        mu_candidates_add_map(&found, worker->run->namespaces, &map);
    return mu_candidates_choose(&found, worker->run->namespaces, number == MU_CLASS_EVENT, out,
                                err);
}

static uint32_t row_class(const mu_worker *worker, const mu_row_plan *plan)
{
    if (worker->run->class_number != MU_CLASS_AUTO)
        return worker->run->class_number;
    return cell_at(worker, plan->timestamp).len > 0 ? MU_CLASS_EVENT : MU_CLASS_PROFILE;
}

static mu_code row_subject(mu_worker *worker, const mu_row_plan *plan, mu_subject *out, mu_err *err)
{
    const mu_load_run *run = worker->run;
    uint32_t number = out->class_number;
    if (number >= MU_CLASS_LOOKUP) {
        const class_plan *class = &plan->classes[number];
        if (class->n_identities > 0)
            out->identity.value = cell_at(worker, class->identities[0].column);
        if (out->identity.value.len == 0)
            return mu_fail(err, MU_E_INPUT, "the record has no key of class " MU_STR_FMT,
                           MU_STR_ARG(run->classes[number].name));
        return MU_OK;
    }
    if (number == MU_CLASS_EVENT && cell_at(worker, plan->timestamp).len == 0)
        return mu_fail(err, MU_E_INPUT, "timestamp: an event needs one");
    if (number == MU_CLASS_EVENT && cell_at(worker, plan->id).len == 0) {
        out->has_content_hash = true;
        out->content_hash = content_hash(worker, plan);
    }
    return row_identity(worker, plan, number, &out->identity, err);
}

/* -------- running the program -------- */

static uint32_t count_entries(const mu_worker *worker, const row_op *map)
{
    uint32_t n = 0;
    for (uint32_t i = 1; i <= map->n_entries; i++)
        n += cell_at(worker, map[i].column).len > 0;
    return n;
}

static mu_code encode_row(mu_worker *worker, const class_plan *plan, mu_err *err)
{
    mu_encoder *encoder = &worker->encoder;
    size_t begun[MU_RECORD_DEPTH_MAX], filled[MU_RECORD_DEPTH_MAX];
    uint32_t nodes[MU_RECORD_DEPTH_MAX];
    uint32_t depth = 0;
    bool is_map = false;
    for (const row_op *op = plan->ops, *end = op + plan->n_ops; op < end; op++) {
        mu_str cell =
            op->kind == OP_CELL || op->kind == OP_ENTRY ? cell_at(worker, op->column) : MU_STR("");
        switch (op->kind) {
        case OP_OPEN:
        case OP_OPEN_MAP:
            is_map = op->kind == OP_OPEN_MAP;
            begun[depth] = encoder->out.len;
            nodes[depth] = op->node;
            mu_encode_node(encoder, op->node);
            if (is_map)
                mu_encode_map(encoder, count_entries(worker, op));
            else
                mu_encode_tag(encoder, MU_TAG_OBJECT);
            filled[depth++] = encoder->out.len;
            break;
        case OP_CLOSE:
            depth--;
            if (encoder->out.len == filled[depth])
                encoder->out.len = begun[depth];
            else if (!is_map)
                mu_encode_object_end(encoder, nodes[depth]);
            is_map = false;
            break;
        case OP_CELL:
        case OP_ENTRY:
            if (cell.len == 0)
                break;
            if (op->kind == OP_ENTRY)
                mu_encode_key(encoder, op->name);
            else
                mu_encode_node(encoder, op->node);
            MU_TRY(mu_encode_cell(encoder, worker->reader, op->node, cell, err));
        }
    }
    return MU_OK;
}

static mu_code encode_record(mu_worker *worker, const mu_row_plan *plan, uint32_t number,
                             mu_err *err)
{
    mu_encoder *encoder = &worker->encoder;
    const class_plan *class = &plan->classes[number];
    mu_encode_tag(encoder, MU_TAG_OBJECT);
    MU_TRY(encode_row(worker, class, err));
    if (plan->has_identity_columns && number < MU_CLASS_LOOKUP) {
        mu_json map;
        mu_str name = MU_STR("identityMap");
        build_identity_map(worker, class, &map);
        mu_json extra = {.kind = MU_JSON_OBJECT, .n = map.n > 0, .names = &name, .items = &map};
        MU_TRY(mu_encode_root_fields(encoder, worker->roots[number], &extra, err));
    }
    mu_encode_end(encoder);
    return MU_OK;
}

/* A zero byte or bytes that are not UTF-8. */
static mu_code check_bytes(mu_str row, mu_err *err)
{
    uint64_t high = 0;
    size_t i = 0;
    for (; i + 8 <= row.len; i += 8) {
        uint64_t word;
        memcpy(&word, row.ptr + i, 8);
        high |= word;
    }
    for (; i < row.len; i++)
        high |= (uint64_t)(row.ptr[i] & 0x80);
    const char *nul = row.len == 0 ? NULL : memchr(row.ptr, 0, row.len);
    if (nul != NULL)
        return mu_fail(err, MU_E_INPUT, "NUL byte at column %zu", (size_t)(nul - row.ptr) + 1);
    if ((high & UINT64_C(0x8080808080808080)) != 0 && !mu_utf8_valid(row))
        return mu_fail(err, MU_E_SYNTAX, "the row is not valid UTF-8");
    return MU_OK;
}

mu_code mu_worker_row(mu_worker *worker, const mu_row_plan *plan, mu_str row, mu_err *err)
{
    const mu_load_run *run = worker->run;
    mu_arena_reset(&worker->line_arena);
    mu_encoder_begin(&worker->encoder);
    if (row.len > MU_LINE_MAX + 2)
        return mu_fail(err, MU_E_INPUT, "line longer than %zu MiB", MU_LINE_MAX >> 20);
    MU_TRY(check_bytes(row, err));
    if (!mu_csv_split(row, &worker->cells, &worker->line_arena))
        return mu_fail(err, MU_E_INPUT, "the row has more than %u cells", MU_PATHS_MAX);
    if (worker->cells.n != plan->file->n_columns)
        return mu_fail(err, MU_E_INPUT, "the row has %u cells, the header %u", worker->cells.n,
                       plan->file->n_columns);
    mu_subject subject = {.dataset = run->options->dataset};
    if (subject.dataset.len == 0)
        subject.dataset = MU_STR("default");
    subject.class_number = row_class(worker, plan);
    MU_TRY(encode_record(worker, plan, subject.class_number, err));
    MU_TRY(row_subject(worker, plan, &subject, err));
    return mu_worker_store(worker, &subject, err);
}

/* -------- a chunk -------- */

static bool is_blank(mu_str row)
{
    return row.len == 0 || row.ptr[0] == '\n' || (row.len == 2 && row.ptr[0] == '\r');
}

static uint64_t count_lines(mu_str row)
{
    uint64_t n = 0;
    for (size_t i = 0; i < row.len; i++)
        n += row.ptr[i] == '\n';
    return n;
}

static mu_code chunk_row(mu_worker *worker, const mu_row_plan *plan, mu_str row, mu_csv_end end,
                         mu_err *err)
{
    mu_err problem;
    mu_code code = end == MU_CSV_RECORD
                       ? mu_worker_row(worker, plan, row, &problem)
                       : mu_fail(&problem, MU_E_SYNTAX, "a quoted cell is not closed properly");
    worker->outcome->n_read++;
    if (mu_is_reject(code))
        mu_worker_reject(worker, worker->line, &problem);
    else if (code != MU_OK)
        return mu_fail(err, code, "%s", problem.text);
    return MU_OK;
}

mu_code mu_worker_rows(mu_worker *worker, mu_err *err)
{
    const mu_chunk *chunk = &worker->chunk;
    mu_row_plan **plan = &worker->plans[chunk->file];
    if (*plan == NULL)
        MU_TRY(mu_row_plan_new(worker, chunk->file, plan, err));
    mu_str rest = {chunk->bytes + chunk->start, chunk->len};
    worker->line = chunk->first_line;
    while (rest.len > 0) {
        size_t size = 0;
        mu_csv_end end = mu_csv_record(rest, true, &size);
        mu_str row = {rest.ptr, size};
        rest = (mu_str){rest.ptr + size, rest.len - size};
        if (!is_blank(row))
            MU_TRY(chunk_row(worker, *plan, row, end, err));
        worker->line += count_lines(row);
    }
    return MU_OK;
}
