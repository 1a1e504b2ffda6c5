#include "ingest/batch_rows_int.h"

/* -------- the format -------- */

static mu_code read_character(const mu_json *json, mu_str name, char otherwise, char *out,
                              mu_err *err)
{
    const mu_json *member = mu_json_member(json, name);
    *out = otherwise;
    if (member == NULL || member->kind == MU_JSON_NULL)
        return MU_OK;
    if (member->kind != MU_JSON_STRING || member->string.len != 1 ||
        (unsigned char)member->string.ptr[0] >= 0x80 || member->string.ptr[0] == '\n' ||
        member->string.ptr[0] == '\r')
        return mu_fail(err, MU_E_INPUT, "inputFormat." MU_STR_FMT " must be one ASCII character",
                       MU_STR_ARG(name));
    *out = member->string.ptr[0];
    return MU_OK;
}

static mu_code read_csv_format(const mu_json *json, mu_batch_format *out, mu_err *err)
{
    const mu_json *header = mu_json_member(json, MU_STR("header"));
    mu_str charset = mu_json_member_string(json, MU_STR("charset"), MU_STR("UTF-8"));
    if (!mu_str_equal_ascii_nocase(charset, MU_STR("UTF-8")) &&
        !mu_str_equal_ascii_nocase(charset, MU_STR("utf8")))
        return mu_fail(err, MU_E_INPUT, "inputFormat.charset must be UTF-8");
    if (header != NULL && header->kind == MU_JSON_BOOLEAN && !header->boolean)
        return mu_fail(err, MU_E_INPUT, "a CSV file needs a header row");
    MU_TRY(read_character(json, MU_STR("delimiter"), ',', &out->delimiter, err));
    MU_TRY(read_character(json, MU_STR("quote"), '"', &out->quote, err));
    MU_TRY(read_character(json, MU_STR("escape"), '\\', &out->escape, err));
    if (out->delimiter == out->quote || out->delimiter == out->escape)
        return mu_fail(err, MU_E_INPUT, "inputFormat.delimiter must differ from quote and escape");
    return MU_OK;
}

mu_code mu_batch_format_read(const mu_json *json, mu_batch_format *out, mu_err *err)
{
    mu_str name = mu_json_member_string(json, MU_STR("format"), MU_STR("json"));
    *out = (mu_batch_format){.is_csv = false};
    if (mu_str_equal_ascii_nocase(name, MU_STR("json")))
        return MU_OK;
    if (mu_str_equal_ascii_nocase(name, MU_STR("parquet")))
        return mu_fail(err, MU_E_TYPE, "this server takes json and csv files, not parquet");
    if (!mu_str_equal_ascii_nocase(name, MU_STR("csv")))
        return mu_fail(err, MU_E_INPUT, "inputFormat.format must be json, csv or parquet");
    out->is_csv = true;
    return read_csv_format(json, out, err);
}

/* -------- what a file is -------- */

static mu_str without_blanks(mu_str text)
{
    while (text.len > 0 && memchr(" \t\r\n", text.ptr[0], 4) != NULL)
        text = (mu_str){text.ptr + 1, text.len - 1};
    return text;
}

static mu_str first_line(mu_str text)
{
    const char *end = text.len == 0 ? NULL : memchr(text.ptr, '\n', text.len);
    return (mu_str){text.ptr, end == NULL ? text.len : (size_t)(end - text.ptr)};
}

/* One object spread over lines: its first line opens more than it closes, and the next line does
 * not begin an object of its own, as it would after a line that was cut short. */
static bool is_spread_object(mu_str text)
{
    mu_str line = mu_str_trim(first_line(text));
    if (line.len == 0 || line.ptr[0] != '{' || line.ptr[line.len - 1] == '}')
        return false;
    size_t used = first_line(text).len;
    mu_str rest = without_blanks((mu_str){text.ptr + used, text.len - used});
    return rest.len > 0 && rest.ptr[0] != '{';
}

/* P46: a file that is one JSON string holds the real file as its content. */
static mu_code unwrap(mu_arena *arena, mu_batch_rows *rows, mu_err *err)
{
    mu_json json;
    MU_TRY(mu_json_read(rows->reader, arena, rows->rest, &json, err));
    rows->rest = without_blanks(json.string);
    return MU_OK;
}

static mu_code fail_with(mu_err *err, uint32_t number, const char *text)
{
    mu_fail(err, MU_E_INPUT, "%s", text);
    if (err != NULL)
        err->line = number;
    return MU_E_INPUT;
}

mu_code mu_batch_rows_open(mu_arena *arena, mu_json_reader *reader, const mu_batch_format *format,
                           mu_str bytes, mu_batch_rows *out, mu_err *err)
{
    *out = (mu_batch_rows){.format = *format, .reader = reader, .rest = bytes};
    if (mu_str_starts_with(out->rest, MU_STR("\xEF\xBB\xBF")))
        out->rest = (mu_str){out->rest.ptr + 3, out->rest.len - 3};
    if (format->is_csv) {
        out->form = MU_BATCH_CSV;
        if (out->rest.len == 0)
            return fail_with(err, 106, "The file is empty.");
        return mu_csv_plan_read(arena, format, &out->rest, &out->plan, err);
    }
    out->rest = without_blanks(out->rest);
    if (out->rest.len > 0 && out->rest.ptr[0] == '"')
        (void)!unwrap(arena, out, NULL);
    if (out->rest.len == 0)
        return fail_with(err, 106, "The file is empty.");
    if (out->rest.ptr[0] == '[') {
        out->form = MU_BATCH_ARRAY;
        out->rest = (mu_str){out->rest.ptr + 1, out->rest.len - 1};
    } else {
        out->form = is_spread_object(out->rest) ? MU_BATCH_ONE : MU_BATCH_LINES;
    }
    return MU_OK;
}

void mu_batch_rows_close(mu_batch_rows *rows)
{
    rows->is_done = true;
}

/* -------- rows -------- */

static void take(mu_batch_rows *rows, size_t n)
{
    rows->rest = (mu_str){rows->rest.ptr + n, rows->rest.len - n};
}

/* The length of the value that begins the text, by brackets and quotes alone; SIZE_MAX when it does
 * not end. */
static size_t value_length(mu_str text)
{
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (in_string) {
            i += c == '\\';
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (depth == 0)
                return i;
            if (--depth == 0)
                return i + 1;
        } else if (c == ',' && depth == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

/* The text of the next item of the array; false at its end. What does not end is one last row. */
static bool next_item(mu_batch_rows *rows, mu_str *text)
{
    rows->rest = without_blanks(rows->rest);
    if (rows->rest.len > 0 && rows->rest.ptr[0] == ']') {
        take(rows, 1);
        rows->rest = without_blanks(rows->rest);
        rows->is_done = true;
        *text = rows->rest;
        return rows->rest.len > 0; /* text after the array */
    }
    size_t length = value_length(rows->rest);
    bool is_stray = length == 0 && rows->rest.ptr[0] != ','; /* a bracket that closes nothing */
    if (length == SIZE_MAX || is_stray) {
        rows->is_done = true;
        *text = rows->rest;
        return true;
    }
    *text = (mu_str){rows->rest.ptr, length};
    take(rows, length);
    rows->rest = without_blanks(rows->rest);
    if (rows->rest.len > 0 && rows->rest.ptr[0] == ',')
        take(rows, 1);
    return true;
}

static bool next_line(mu_batch_rows *rows, mu_str *text)
{
    do {
        if (rows->rest.len == 0)
            return false;
        *text = first_line(rows->rest);
        take(rows, text->len + (text->len < rows->rest.len));
        *text = mu_str_trim(*text);
    } while (text->len == 0);
    return true;
}

static bool next_text(mu_batch_rows *rows, mu_str *text)
{
    switch (rows->form) {
    case MU_BATCH_ARRAY:
        return next_item(rows, text);
    case MU_BATCH_ONE:
        rows->is_done = true;
        *text = mu_str_trim(rows->rest);
        return true;
    default:
        return next_line(rows, text);
    }
}

static void parse(mu_batch_rows *rows, mu_arena *arena, mu_batch_row *out)
{
    mu_err err;
    if (out->text.len > MU_BATCH_ROW_BYTES_MAX) {
        out->problem = "The row is too long.";
        out->text.len = 1024;
        while (out->text.len > 0 && (out->text.ptr[out->text.len] & 0xC0) == 0x80)
            out->text.len--;
    } else if (mu_json_read(rows->reader, arena, out->text, &out->json, &err) != MU_OK) {
        out->problem = "The row is no well-formed JSON.";
    } else if (out->json.kind != MU_JSON_OBJECT) {
        out->problem = "The row is no JSON object.";
    }
}

bool mu_batch_rows_next(mu_batch_rows *rows, mu_arena *arena, mu_batch_row *out)
{
    *out = (mu_batch_row){.problem = NULL};
    if (rows->is_done)
        return false;
    if (rows->form == MU_BATCH_CSV) {
        while (rows->rest.len > 0 && (rows->rest.ptr[0] == '\n' || rows->rest.ptr[0] == '\r'))
            take(rows, 1);
        if (rows->rest.len == 0)
            return false;
        mu_csv_plan_row(rows->plan, &rows->format, arena, &rows->rest, out);
        return true;
    }
    if (!next_text(rows, &out->text))
        return false;
    parse(rows, arena, out);
    return true;
}
