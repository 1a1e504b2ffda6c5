#include "audience/external_int.h"

#include "base/number.h"
#include "base/time.h"
#include "base/utf8.h"
#include "ingest/csv.h"

#include <stdlib.h>

#define WINDOW_BYTES ((size_t)1 << 20) /* at first */
#define ROW_BYTES    ((size_t)16 << 20)
#define FIELDS_MAX   41u /* api.md 20 */

/* -------- types -------- */

static const char *const type_names[] = {
    [MU_EXTERNAL_STRING] = "string",   [MU_EXTERNAL_NUMBER] = "number",
    [MU_EXTERNAL_INTEGER] = "integer", [MU_EXTERNAL_LONG] = "long",
    [MU_EXTERNAL_DATE] = "date",       [MU_EXTERNAL_DATETIME] = "datetime",
    [MU_EXTERNAL_BOOLEAN] = "boolean",
};
_Static_assert(sizeof type_names / sizeof type_names[0] == MU_EXTERNAL_TYPE_COUNT_,
               "every type has a name");

mu_external_type mu_external_type_of(mu_str text)
{
    mu_external_type type = MU_EXTERNAL_STRING;
    while (type < MU_EXTERNAL_TYPE_COUNT_ && !mu_str_equal(text, mu_str_from(type_names[type])))
        type++;
    return type;
}

static bool is_of_type(mu_str cell, mu_external_type type)
{
    int64_t integer;
    double number;
    switch (type) {
    case MU_EXTERNAL_NUMBER:
        return mu_parse_double(cell, &number);
    case MU_EXTERNAL_INTEGER:
        return mu_parse_integer(cell, &integer) && integer >= INT32_MIN && integer <= INT32_MAX;
    case MU_EXTERNAL_LONG:
        return mu_parse_integer(cell, &integer);
    case MU_EXTERNAL_DATE:
        return mu_parse_date(cell, &integer);
    case MU_EXTERNAL_DATETIME:
        return mu_parse_time(cell, &integer);
    case MU_EXTERNAL_BOOLEAN:
        return mu_str_equal_ascii_nocase(cell, MU_STR("true")) ||
               mu_str_equal_ascii_nocase(cell, MU_STR("false"));
    case MU_EXTERNAL_STRING:
    case MU_EXTERNAL_TYPE_COUNT_:
        break;
    }
    return true;
}

/* -------- one file -------- */

typedef struct reader {
    const mu_external_reading *reading;
    mu_str file;
    char *window;
    size_t len, capacity;
    bool is_at_end, is_skipping; /* skipping: the rest of a line that was too long */
    bool has_header;
    uint64_t line;    /* of the record that comes next */
    uint32_t n_cells; /* of the header */
    uint32_t columns[FIELDS_MAX];
    mu_csv_cells cells;
    mu_arena arena; /* of one record */
} reader;

static void report(const reader *r, const char *sentence, mu_str field)
{
    mu_external_report *out = r->reading->report;
    if (out->n_problems == MU_EXTERNAL_PROBLEMS_MAX)
        return;
    mu_str text = field.len == 0 ? mu_str_from(sentence)
                                 : mu_arena_format(out->arena, "the field " MU_STR_FMT " %s",
                                                   MU_STR_ARG(field), sentence);
    out->problems[out->n_problems++] =
        (mu_external_problem){mu_arena_copy(out->arena, r->file), r->line, text};
}

static void refuse_row(const reader *r, const char *sentence, mu_str field)
{
    r->reading->report->n_bad_rows++;
    report(r, sentence, field);
}

/* -------- the header -------- */

static mu_code find_column(reader *r, uint32_t field, mu_err *err)
{
    mu_str name = r->reading->fields[field].name;
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->cells.n; i++)
        if (mu_str_equal(mu_str_trim(r->cells.cells[i]), name) && n++ == 0)
            r->columns[field] = i;
    if (n == 1)
        return MU_OK;
    return mu_fail(err, MU_E_INPUT, "the header of " MU_STR_FMT " has the field " MU_STR_FMT " %s",
                   MU_STR_ARG(r->file), MU_STR_ARG(name), n == 0 ? "not at all" : "twice");
}

static mu_code read_header(reader *r, mu_err *err)
{
    r->n_cells = r->cells.n;
    r->has_header = true;
    for (uint32_t i = 0; i < r->reading->n_fields; i++)
        MU_TRY(find_column(r, i, err));
    return MU_OK;
}

/* -------- rows -------- */

static bool is_there(uint32_t n, const mu_identity *list, mu_identity wanted)
{
    for (uint32_t i = 0; i < n; i++)
        if (mu_str_equal(list[i].namespace_code, wanted.namespace_code) &&
            mu_str_equal(list[i].value, wanted.value))
            return true;
    return false;
}

/* Those that link people come before the others, in the order of the fields. */
static uint32_t collect(reader *r, bool graphed, uint32_t n, mu_identity *out)
{
    for (uint32_t i = 0; i < r->reading->n_fields && n < MU_IDENTITIES_MAX; i++) {
        const mu_external_field *field = &r->reading->fields[i];
        mu_identity identity = {field->namespace_code, r->cells.cells[r->columns[i]]};
        if (field->namespace_code.len == 0 || field->is_graphed != graphed ||
            identity.value.len == 0)
            continue;
        const char *problem = mu_identity_problem(identity);
        if (problem != NULL) {
            r->reading->report->n_bad_identities++;
            report(r, "holds no identity of its namespace", field->name);
        } else if (!is_there(n, out, identity)) {
            out[n++] = identity;
        }
    }
    return n;
}

static bool check_cells(const reader *r)
{
    for (uint32_t i = 0; i < r->reading->n_fields; i++) {
        const mu_external_field *field = &r->reading->fields[i];
        mu_str cell = r->cells.cells[r->columns[i]];
        if (cell.len > 0 && !is_of_type(cell, field->type)) {
            refuse_row(
                r,
                mu_arena_format(r->reading->report->arena, "is no %s", type_names[field->type]).ptr,
                field->name);
            return false;
        }
    }
    return true;
}

static mu_code read_row(reader *r, mu_err *err)
{
    mu_identity identities[MU_IDENTITIES_MAX];
    r->reading->report->n_rows++;
    if (r->cells.n != r->n_cells) {
        refuse_row(r, "the row has another number of cells than the header", MU_STR(""));
        return MU_OK;
    }
    if (!check_cells(r))
        return MU_OK;
    uint32_t n_graphed = collect(r, true, 0, identities);
    uint32_t n = collect(r, false, n_graphed, identities);
    if (n == 0) {
        refuse_row(r, "the row has no identity", MU_STR(""));
        return MU_OK;
    }
    return r->reading->row(r->reading->context, n, identities, n_graphed, err);
}

static bool is_blank(mu_str record)
{
    return mu_str_trim(record).len == 0;
}

static mu_code read_record(reader *r, mu_str record, mu_err *err)
{
    mu_arena_reset(&r->arena);
    if (is_blank(record))
        return MU_OK;
    if (!mu_utf8_valid(record) || !mu_csv_split(record, &r->cells, &r->arena)) {
        if (!r->has_header)
            return mu_fail(err, MU_E_INPUT, "the header of " MU_STR_FMT " cannot be read",
                           MU_STR_ARG(r->file));
        r->reading->report->n_rows++;
        refuse_row(r, "the row is no UTF-8, or has too many cells", MU_STR(""));
        return MU_OK;
    }
    return r->has_header ? read_row(r, err) : read_header(r, err);
}

static mu_code refuse_line(reader *r, const char *sentence, mu_err *err)
{
    if (!r->has_header)
        return mu_fail(err, MU_E_INPUT, "the header of " MU_STR_FMT " cannot be read",
                       MU_STR_ARG(r->file));
    r->reading->report->n_rows++;
    refuse_row(r, sentence, MU_STR(""));
    return MU_OK;
}

static uint64_t count_lines(mu_str text)
{
    uint64_t n = 0;
    const char *p = text.ptr, *end = text.ptr + text.len;
    while (p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        n++;
        p++;
    }
    return n;
}

/* -------- the window -------- */

/* The end of a line that is dropped. */
static size_t skip_line(reader *r, mu_str text)
{
    const char *end = text.len == 0 ? NULL : memchr(text.ptr, '\n', text.len);
    if (end == NULL)
        return text.len;
    r->is_skipping = false;
    r->line++;
    return (size_t)(end - text.ptr) + 1;
}

/* Everything that is whole in the window; what is left stays at its beginning. */
static mu_code drain(reader *r, mu_err *err)
{
    size_t at = 0, size;
    mu_code code = MU_OK;
    while (code == MU_OK && at < r->len) {
        mu_str text = {r->window + at, r->len - at};
        if (r->is_skipping) {
            at += skip_line(r, text);
            continue;
        }
        mu_csv_end end = mu_csv_record(text, r->is_at_end, &size);
        if (end == MU_CSV_INCOMPLETE)
            break;
        code = end == MU_CSV_RECORD ? read_record(r, (mu_str){text.ptr, size}, err)
                                    : refuse_line(r, "the quotes of the row do not work out", err);
        r->line += count_lines((mu_str){text.ptr, size});
        at += size;
    }
    r->len -= at;
    if (at > 0)
        memmove(r->window, r->window + at, r->len);
    return code;
}

/* Room for more: a larger window, or, where a row is as large as may be, without it. */
static mu_code make_room(reader *r, mu_err *err)
{
    if (r->len < r->capacity)
        return MU_OK;
    if (r->capacity >= ROW_BYTES) {
        MU_TRY(refuse_line(r, "the row is too long, or its quotes do not work out", err));
        r->is_skipping = true;
        return drain(r, err);
    }
    size_t capacity = r->capacity == 0 ? WINDOW_BYTES : r->capacity * 2;
    char *window = realloc(r->window, capacity);
    if (window == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for a row of " MU_STR_FMT,
                       MU_STR_ARG(r->file));
    r->window = window;
    r->capacity = capacity;
    return MU_OK;
}

static void drop_byte_order_mark(reader *r)
{
    if (r->len >= 3 && memcmp(r->window, "\xef\xbb\xbf", 3) == 0) {
        r->len -= 3;
        memmove(r->window, r->window + 3, r->len);
    }
}

static mu_code read_all(reader *r, mu_err *err)
{
    const mu_external_reading *reading = r->reading;
    bool is_first = true;
    while (!r->is_at_end) {
        size_t n;
        MU_TRY(make_room(r, err));
        if (r->len == r->capacity)
            continue;
        MU_TRY(reading->read(reading->context, r->window + r->len, r->capacity - r->len, &n, err));
        r->is_at_end = n == 0;
        r->len += n;
        if (is_first && r->len < 3 && !r->is_at_end)
            continue;
        if (is_first)
            drop_byte_order_mark(r);
        is_first = false;
        MU_TRY(drain(r, err));
    }
    return r->has_header
               ? MU_OK
               : mu_fail(err, MU_E_INPUT, MU_STR_FMT " has no header", MU_STR_ARG(r->file));
}

mu_code mu_external_rows_read(const mu_external_reading *reading, mu_str file, mu_err *err)
{
    reader r = {.reading = reading, .file = file, .line = 1};
    MU_ASSERT(reading->n_fields <= FIELDS_MAX);
    mu_arena_init(&r.arena, SIZE_MAX);
    mu_code code = read_all(&r, err);
    reading->report->n_files += code == MU_OK;
    mu_csv_cells_free(&r.cells);
    mu_arena_free(&r.arena);
    free(r.window);
    return code;
}
