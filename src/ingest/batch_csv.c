#include "base/utf8.h"
#include "ingest/batch_rows_int.h"

/* record = cell *(delimiter cell) [CR] LF
 * cell   = *TEXT / quote *(TEXT / delimiter / CR / LF / quote quote / escape CHAR) quote
 * Without quotes a cell is text as it stands. */

/* One step of a dotted path; a column's cell is the value of a node without children. */
typedef struct csv_node {
    mu_str name;
    uint32_t column; /* UINT32_MAX: it has children */
    uint32_t n_children, first_child, next;
} csv_node;

#define NO_NODE UINT32_MAX

struct mu_csv_plan {
    uint32_t n_columns, n_nodes, capacity;
    csv_node *nodes; /* 0 is the root */
};

/* -------- cells -------- */

typedef struct csv_cells {
    uint32_t n, capacity;
    mu_str *list;
} csv_cells;

static void add_cell(mu_arena *arena, csv_cells *cells, mu_str cell)
{
    if (cells->n == cells->capacity) {
        uint32_t capacity = cells->capacity == 0 ? 32 : 2 * cells->capacity;
        mu_str *grown = MU_NEW_ARRAY(arena, mu_str, capacity);
        if (cells->n > 0)
            memcpy(grown, cells->list, cells->n * sizeof *grown);
        cells->list = grown;
        cells->capacity = capacity;
    }
    cells->list[cells->n++] = cell;
}

/* Whether the character at i stands for the one after it: a doubled quote, or an escape. */
static bool is_pair(const mu_batch_format *format, mu_str text, size_t i)
{
    char c = text.ptr[i];
    if (i + 1 >= text.len || (c != format->quote && c != format->escape))
        return false;
    char next = text.ptr[i + 1];
    return next == format->quote || (c == format->escape && c != format->quote && next == c);
}

/* The text of the quoted cell at *at, which moves past it; false when its quote does not close. */
static bool quoted_cell(const mu_batch_format *format, mu_arena *arena, mu_str text, size_t *at,
                        mu_str *out)
{
    size_t start = *at + 1, end = start, n_pairs = 0;
    while (end < text.len && (is_pair(format, text, end) || text.ptr[end] != format->quote)) {
        bool pair = is_pair(format, text, end);
        n_pairs += pair;
        end += pair ? 2 : 1;
    }
    if (end >= text.len)
        return false;
    *at = end + 1;
    *out = (mu_str){text.ptr + start, end - start};
    if (n_pairs == 0)
        return true;
    char *copy = mu_arena_alloc(arena, out->len - n_pairs);
    size_t n = 0;
    for (size_t i = start; i < end; i++) {
        i += is_pair(format, text, i);
        copy[n++] = text.ptr[i];
    }
    *out = (mu_str){copy, n};
    return true;
}

static bool ends_record(mu_str text, size_t at)
{
    return at == text.len || text.ptr[at] == '\n' ||
           (text.ptr[at] == '\r' && at + 1 < text.len && text.ptr[at + 1] == '\n');
}

static size_t past_line(mu_str text, size_t at)
{
    const char *end = at < text.len ? memchr(text.ptr + at, '\n', text.len - at) : NULL;
    return end == NULL ? text.len : (size_t)(end - text.ptr) + 1;
}

static mu_str plain_cell(const mu_batch_format *format, mu_str text, size_t *at)
{
    size_t start = *at;
    while (*at < text.len && text.ptr[*at] != format->delimiter && !ends_record(text, *at))
        ++*at;
    return (mu_str){text.ptr + start, *at - start};
}

/* The cells of the record that begins `text`; its length, and a problem or NULL. */
static const char *read_record(const mu_batch_format *format, mu_arena *arena, mu_str text,
                               csv_cells *cells, size_t *length)
{
    size_t at = 0;
    for (;;) {
        mu_str cell;
        if (at < text.len && text.ptr[at] == format->quote) {
            if (!quoted_cell(format, arena, text, &at, &cell) ||
                !(ends_record(text, at) || text.ptr[at] == format->delimiter)) {
                *length = past_line(text, 0);
                return "The quotes of the row do not work out.";
            }
        } else {
            cell = plain_cell(format, text, &at);
        }
        if (cells->n == MU_BATCH_COLUMNS_MAX) {
            *length = past_line(text, at);
            return "The row has too many cells.";
        }
        add_cell(arena, cells, cell);
        if (ends_record(text, at)) {
            *length = past_line(text, at);
            return NULL;
        }
        at++;
    }
}

/* -------- the header -------- */

static uint32_t add_node(mu_arena *arena, mu_csv_plan *plan, csv_node node)
{
    if (plan->n_nodes == plan->capacity) {
        uint32_t capacity = plan->capacity == 0 ? 64 : 2 * plan->capacity;
        csv_node *grown = MU_NEW_ARRAY(arena, csv_node, capacity);
        if (plan->n_nodes > 0)
            memcpy(grown, plan->nodes, plan->n_nodes * sizeof *grown);
        plan->nodes = grown;
        plan->capacity = capacity;
    }
    plan->nodes[plan->n_nodes] = node;
    return plan->n_nodes++;
}

static uint32_t child_named(mu_arena *arena, mu_csv_plan *plan, uint32_t parent, mu_str name)
{
    uint32_t last = NO_NODE;
    for (uint32_t i = plan->nodes[parent].first_child; i != NO_NODE; i = plan->nodes[i].next) {
        if (mu_str_equal(plan->nodes[i].name, name))
            return i;
        last = i;
    }
    uint32_t made = add_node(
        arena, plan,
        (csv_node){.name = name, .column = UINT32_MAX, .first_child = NO_NODE, .next = NO_NODE});
    if (last == NO_NODE)
        plan->nodes[parent].first_child = made;
    else
        plan->nodes[last].next = made;
    plan->nodes[parent].n_children++;
    return made;
}

#define STEPS_MAX 64u

/* "a.b", "a/b" or "/a/b". A path that repeats or leads through another column's value is wrong. */
static bool add_path(mu_arena *arena, mu_csv_plan *plan, mu_str path, uint32_t column)
{
    uint32_t node = 0, n_steps = 0;
    if (path.len > 0 && path.ptr[0] == '/')
        path = (mu_str){path.ptr + 1, path.len - 1};
    for (;;) {
        size_t length = 0;
        while (length < path.len && path.ptr[length] != '.' && path.ptr[length] != '/')
            length++;
        if (length == 0 || plan->nodes[node].column != UINT32_MAX || ++n_steps > STEPS_MAX)
            return false;
        node = child_named(arena, plan, node, (mu_str){path.ptr, length});
        if (length == path.len)
            break;
        path = (mu_str){path.ptr + length + 1, path.len - length - 1};
    }
    if (plan->nodes[node].column != UINT32_MAX || plan->nodes[node].n_children > 0)
        return false;
    plan->nodes[node].column = column;
    return true;
}

static mu_code fail_header(mu_err *err, const char *text)
{
    mu_fail(err, MU_E_INPUT, "%s", text);
    if (err != NULL)
        err->line = 118;
    return MU_E_INPUT;
}

mu_code mu_csv_plan_read(mu_arena *arena, const mu_batch_format *format, mu_str *rest,
                         const mu_csv_plan **out, mu_err *err)
{
    csv_cells cells = {.n = 0};
    size_t length;
    if (!mu_utf8_valid(*rest))
        return fail_header(err, "The file is not valid UTF-8.");
    const char *problem = read_record(format, arena, *rest, &cells, &length);
    if (problem != NULL)
        return fail_header(err, "The header row cannot be read.");
    if (cells.n == 1 && mu_str_trim(cells.list[0]).len == 0)
        return fail_header(err, "The header row is empty.");
    mu_csv_plan *plan = MU_NEW(arena, mu_csv_plan);
    plan->n_columns = cells.n;
    add_node(arena, plan,
             (csv_node){.column = UINT32_MAX, .first_child = NO_NODE, .next = NO_NODE});
    for (uint32_t i = 0; i < cells.n; i++)
        if (!add_path(arena, plan, mu_str_trim(cells.list[i]), i))
            return fail_header(err, "The header row has a column without a name of its own.");
    *rest = (mu_str){rest->ptr + length, rest->len - length};
    *out = plan;
    return MU_OK;
}

/* -------- rows -------- */

static mu_json value_of(const mu_csv_plan *plan, mu_arena *arena, const csv_node *node,
                        const csv_cells *cells);

/* The object of the children whose cells are not empty; null when there is none. */
static mu_json object_of(const mu_csv_plan *plan, mu_arena *arena, const csv_node *node,
                         const csv_cells *cells)
{
    mu_str *names = MU_NEW_ARRAY(arena, mu_str, node->n_children);
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, node->n_children);
    uint32_t n = 0;
    for (uint32_t i = node->first_child; i != NO_NODE; i = plan->nodes[i].next) {
        items[n] = value_of(plan, arena, &plan->nodes[i], cells);
        names[n] = plan->nodes[i].name;
        n += items[n].kind != MU_JSON_NULL;
    }
    if (n == 0)
        return (mu_json){.kind = MU_JSON_NULL};
    mu_json object = {.kind = MU_JSON_OBJECT, .n = n};
    object.names = names;
    object.items = items;
    return object;
}

/* At most STEPS_MAX deep. */
static mu_json value_of(const mu_csv_plan *plan, mu_arena *arena, const csv_node *node,
                        const csv_cells *cells)
{
    if (node->column == UINT32_MAX)
        return object_of(plan, arena, node, cells);
    mu_str cell = cells->list[node->column];
    if (cell.len == 0)
        return (mu_json){.kind = MU_JSON_NULL};
    return (mu_json){.kind = MU_JSON_STRING, .string = cell};
}

void mu_csv_plan_row(const mu_csv_plan *plan, const mu_batch_format *format, mu_arena *arena,
                     mu_str *rest, mu_batch_row *out)
{
    csv_cells cells = {.n = 0};
    size_t length;
    out->problem = read_record(format, arena, *rest, &cells, &length);
    out->text = mu_str_trim((mu_str){rest->ptr, length});
    if (out->problem == NULL && cells.n != plan->n_columns)
        out->problem = "The row has not as many cells as the header.";
    if (out->problem == NULL)
        out->json = object_of(plan, arena, &plan->nodes[0], &cells);
    if (out->problem == NULL && out->json.kind == MU_JSON_NULL)
        out->json = (mu_json){.kind = MU_JSON_OBJECT};
    if (out->text.len > MU_BATCH_ROW_BYTES_MAX)
        out->text.len = 1024;
    *rest = (mu_str){rest->ptr + length, rest->len - length};
}
