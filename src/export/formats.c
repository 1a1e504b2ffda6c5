/* formats.c -- rows as CSV, and the columns of rows as DuckDB has them. */
#include "export/export_int.h"

/* -------- CSV -------- */

static void add_quoted(mu_buf *buf, mu_str text)
{
    mu_buf_add_char(buf, '"');
    while (text.len > 0) {
        const char *quote = memchr(text.ptr, '"', text.len);
        size_t len = quote == NULL ? text.len : (size_t)(quote - text.ptr) + 1;
        mu_buf_add(buf, text.ptr, len);
        if (quote != NULL)
            mu_buf_add_char(buf, '"');
        text = (mu_str){text.ptr + len, text.len - len};
    }
    mu_buf_add_char(buf, '"');
}

/* An empty text is quoted, so that it is not taken for null. */
static void add_cell(mu_buf *buf, mu_str text)
{
    bool needs_quotes = text.len == 0;
    for (size_t i = 0; i < text.len && !needs_quotes; i++)
        needs_quotes = text.ptr[i] == '"' || text.ptr[i] == ',' || text.ptr[i] == '\n' ||
                       text.ptr[i] == '\r' || text.ptr[i] == ' ';
    if (needs_quotes)
        add_quoted(buf, text);
    else
        mu_buf_add_str(buf, text);
}

/* A column's name is the path of its leaf; each step is a link to the one before. */
typedef struct path_step {
    const struct path_step *before; /* NULL: the first */
    mu_str name;
} path_step;

static void add_path(mu_buf *buf, const path_step *step)
{
    if (step->before != NULL) {
        add_path(buf, step->before);
        mu_buf_add_char(buf, '.');
    }
    mu_buf_add_str(buf, step->name);
}

static void add_header(mu_buf *buf, const mu_export_field *object, const path_step *before,
                       bool *is_first)
{
    for (uint32_t f = 0; f < object->n_fields; f++) {
        const path_step step = {before, object->fields[f]->name};
        if (object->fields[f]->type->kind == MU_TYPE_OBJECT) {
            add_header(buf, object->fields[f], &step, is_first);
            continue;
        }
        mu_buf path;
        mu_buf_init(&path, SIZE_MAX);
        add_path(&path, &step);
        if (!*is_first)
            mu_buf_add_char(buf, ',');
        *is_first = false;
        add_cell(buf, mu_buf_str(&path));
        mu_buf_free(&path);
    }
}

void mu_export_write_csv_header(mu_buf *buf, const mu_export_field *root)
{
    bool is_first = true;
    add_header(buf, root, NULL, &is_first);
    MU_BUF_ADD(buf, "\r\n");
}

/* Numbers, Booleans and times as in JSON, without quotes; lists and maps as JSON. */
static void add_value(mu_buf *buf, const mu_export_field *field, mu_value value)
{
    mu_json_writer writer;
    mu_buf text;
    if (mu_value_is_null(value))
        return;
    if (value.kind == MU_TYPE_STRING) {
        add_cell(buf, value.string);
        return;
    }
    if (value.kind == MU_TYPE_BOOLEAN || value.kind == MU_TYPE_INTEGER ||
        value.kind == MU_TYPE_DOUBLE) {
        mu_json_writer_init(&writer, buf);
        mu_value_write(&writer, value);
        return;
    }
    mu_buf_init(&text, SIZE_MAX);
    mu_json_writer_init(&writer, &text);
    mu_export_write_json(&writer, field, value);
    mu_str json = mu_buf_str(&text);
    bool is_time = value.kind == MU_TYPE_DATE || value.kind == MU_TYPE_TIMESTAMP;
    add_cell(buf, is_time ? (mu_str){json.ptr + 1, json.len - 2} : json);
    mu_buf_free(&text);
}

static void add_row(mu_buf *buf, const mu_export_field *object, mu_value value, bool *is_first)
{
    for (uint32_t f = 0; f < object->n_fields; f++) {
        const mu_export_field *field = object->fields[f];
        mu_value item = field->place < value.n ? value.items[field->place] : MU_VALUE_NULL;
        if (field->type->kind == MU_TYPE_OBJECT) {
            add_row(buf, field, item.kind == MU_TYPE_OBJECT ? item : MU_VALUE_NULL, is_first);
            continue;
        }
        if (!*is_first)
            mu_buf_add_char(buf, ',');
        *is_first = false;
        add_value(buf, field, item);
    }
}

void mu_export_write_csv_row(mu_buf *buf, const mu_export_field *root, mu_value row)
{
    bool is_first = true;
    add_row(buf, root, row, &is_first);
    MU_BUF_ADD(buf, "\r\n");
}

/* -------- columns -------- */

static void add_name(mu_buf *buf, mu_str name)
{
    add_quoted(buf, name);
}

static bool names_clash(const mu_export_field *object, uint32_t *a, uint32_t *b)
{
    for (*b = 1; *b < object->n_fields; (*b)++)
        for (*a = 0; *a < *b; (*a)++)
            if (mu_str_equal_ascii_nocase(object->fields[*a]->name, object->fields[*b]->name))
                return true;
    return false;
}

/* The depth of types bounds the recursion. Keys of a map that are unlike the others have a type of
 * their own, which no MAP can say: then it is JSON. */
static void add_type(mu_buf *buf, const mu_export_field *field)
{
    uint32_t a, b;
    switch (field->type->kind) {
    case MU_TYPE_BOOLEAN:
        MU_BUF_ADD(buf, "BOOLEAN");
        break;
    case MU_TYPE_INTEGER:
        MU_BUF_ADD(buf, "BIGINT");
        break;
    case MU_TYPE_DOUBLE:
        MU_BUF_ADD(buf, "DOUBLE");
        break;
    case MU_TYPE_STRING:
        MU_BUF_ADD(buf, "VARCHAR");
        break;
    case MU_TYPE_DATE:
        MU_BUF_ADD(buf, "DATE");
        break;
    case MU_TYPE_TIMESTAMP:
        MU_BUF_ADD(buf, "TIMESTAMPTZ");
        break;
    case MU_TYPE_LIST:
        add_type(buf, field->item);
        MU_BUF_ADD(buf, "[]");
        break;
    case MU_TYPE_MAP:
        if (field->item == NULL || field->n_fields > 0) {
            MU_BUF_ADD(buf, "JSON");
            break;
        }
        MU_BUF_ADD(buf, "MAP(VARCHAR, ");
        add_type(buf, field->item);
        MU_BUF_ADD(buf, ")");
        break;
    case MU_TYPE_OBJECT:
        if (names_clash(field, &a, &b)) {
            MU_BUF_ADD(buf, "JSON");
            break;
        }
        MU_BUF_ADD(buf, "STRUCT(");
        for (uint32_t f = 0; f < field->n_fields; f++) {
            if (f > 0)
                MU_BUF_ADD(buf, ", ");
            add_name(buf, field->fields[f]->name);
            mu_buf_add_char(buf, ' ');
            add_type(buf, field->fields[f]);
        }
        MU_BUF_ADD(buf, ")");
        break;
    default:
        MU_BUF_ADD(buf, "JSON");
        break;
    }
}

/* In single quotes, as SQL has texts. */
static void add_text(mu_buf *buf, mu_str text)
{
    mu_buf_add_char(buf, '\'');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\'')
            mu_buf_add_char(buf, '\'');
        mu_buf_add_char(buf, text.ptr[i]);
    }
    mu_buf_add_char(buf, '\'');
}

mu_code mu_export_write_columns(mu_buf *buf, const mu_export_field *root, mu_err *err)
{
    uint32_t a, b;
    if (names_clash(root, &a, &b))
        return mu_fail(err, MU_E_INPUT,
                       "Parquet needs columns that differ in more than case: " MU_STR_FMT
                       " and " MU_STR_FMT,
                       MU_STR_ARG(root->fields[a]->name), MU_STR_ARG(root->fields[b]->name));
    mu_buf_add_char(buf, '{');
    for (uint32_t f = 0; f < root->n_fields; f++) {
        mu_buf type;
        mu_buf_init(&type, SIZE_MAX);
        add_type(&type, root->fields[f]);
        if (f > 0)
            MU_BUF_ADD(buf, ", ");
        add_text(buf, root->fields[f]->name);
        MU_BUF_ADD(buf, ": ");
        add_text(buf, mu_buf_str(&type));
        mu_buf_free(&type);
    }
    mu_buf_add_char(buf, '}');
    return MU_OK;
}
