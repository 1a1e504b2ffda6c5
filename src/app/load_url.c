/* load_url.c -- load --url: JSON lines and CSV sent to a running server as batches.
 *
 *   lines ─> checked, taken out of their messages, written compactly ─> a chunk per data set
 *   chunk ─> batch: create, file, COMPLETE, wait ─> rows that failed ─> their lines, by content
 *
 * A batch takes what it can (partialIngestionPercentage 100). The rows that it could not take come
 * back in the order of the file, as the server's own writer has them, which is this program's too:
 * so the line of a row is the next one with the same text.
 */
#include "app/load_url.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/time.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define CHUNK_BYTES    ((size_t)32 << 20)
#define FILE_BYTES_MAX ((size_t)256 << 20) /* one CSV file: the server's limit (d.4) */
#define LINE_MAX_BYTES ((size_t)16 << 20)
#define DATASETS_MAX   64u
#define BATCH_WAIT_S   3600

typedef struct sent_line {
    uint64_t hash; /* of the row's compact text */
    uint64_t line;
    uint32_t file; /* place among the arguments */
} sent_line;

/* What is gathered for one data set. */
typedef struct row_chunk {
    mu_str dataset; /* its id */
    mu_buf text;
    sent_line *lines;
    size_t n_lines, capacity;
} row_chunk;

typedef struct url_load {
    mu_invocation *invocation;
    mu_web_client *client;
    mu_json_reader *reader;
    mu_progress progress;
    mu_arena scratch; /* of one line or batch */
    mu_str dataset;   /* --dataset, as an id; empty when not given */
    row_chunk chunks[DATASETS_MAX];
    uint32_t n_chunks;
    uint64_t n_read, n_rejected, done_bytes, all_bytes;
    bool is_stopped; /* --fail-fast */
} url_load;

/* -------- rejected lines -------- */

static void reject(url_load *load, uint32_t file, uint64_t line, mu_str reason)
{
    const mu_options *options = &load->invocation->options;
    load->n_rejected++;
    load->is_stopped |= mu_option_flag(options, MU_OPTION_FAIL_FAST);
    if (line == 0)
        mu_progress_message(&load->progress, "%s: " MU_STR_FMT, options->arguments[file],
                            MU_STR_ARG(reason));
    else
        mu_progress_message(&load->progress, "%s:%" PRIu64 ": " MU_STR_FMT,
                            options->arguments[file], line, MU_STR_ARG(reason));
}

/* -------- one batch -------- */

static mu_code write_json(mu_arena *arena, const mu_json *json, mu_str *out, mu_err *err)
{
    mu_buf buf;
    mu_json_writer writer;
    mu_buf_init(&buf, LINE_MAX_BYTES * 2);
    mu_json_writer_init(&writer, &buf);
    mu_json_value(&writer, json);
    bool failed = buf.failed;
    *out = mu_arena_copy(arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return failed ? mu_fail(err, MU_E_LIMIT, "the record is too large") : MU_OK;
}

static mu_code create_batch(url_load *load, mu_str dataset, const char *format, mu_str *id,
                            mu_err *err)
{
    mu_json answer;
    mu_str body =
        mu_arena_format(&load->scratch,
                        "{\"datasetId\":\"" MU_STR_FMT "\",\"inputFormat\":{\"format\":\"%s\"},"
                        "\"enableErrorDiagnostics\":true,"
                        "\"partialIngestionPercentage\":100}",
                        MU_STR_ARG(dataset), format);
    MU_TRY(mu_web_ask(load->client, &load->scratch, "POST",
                      MU_STR("/data/foundation/import/batches"), body, &answer, err));
    *id = mu_json_member_string(&answer, MU_STR("id"), MU_STR(""));
    return id->len > 0 ? MU_OK : mu_fail(err, MU_E_IO, "the server made a batch without an id");
}

static mu_code send_file(url_load *load, mu_str batch, mu_str dataset, const char *name,
                         mu_str text, mu_err *err)
{
    mu_web_answer answer;
    mu_json ignored;
    mu_str path = mu_arena_format(&load->scratch,
                                  "/data/foundation/import/batches/" MU_STR_FMT
                                  "/datasets/" MU_STR_FMT "/files/%s",
                                  MU_STR_ARG(batch), MU_STR_ARG(dataset), name);
    MU_TRY(mu_web_send(load->client, &load->scratch, "PUT", path,
                       MU_STR("application/octet-stream"), text, &answer, err));
    if (answer.status < 200 || answer.status > 299)
        return mu_fail(err, MU_E_INPUT, "the server refuses a file with status %u: " MU_STR_FMT,
                       answer.status,
                       MU_STR_ARG(mu_json_member_string(&answer.json, MU_STR("detail"),
                                                        MU_STR("it gave no reason"))));
    path = mu_arena_format(&load->scratch,
                           "/data/foundation/import/batches/" MU_STR_FMT "?action=COMPLETE",
                           MU_STR_ARG(batch));
    return mu_web_ask(load->client, &load->scratch, "POST", path, MU_STR(""), &ignored, err);
}

static bool is_final(mu_str status)
{
    static const char *const names[] = {"success", "active",    "failed",   "failure",
                                        "aborted", "abandoned", "inactive", "deleted"};
    for (size_t i = 0; i < MU_LENGTH(names); i++)
        if (mu_str_equal_ascii_nocase(status, mu_str_from(names[i])))
            return true;
    return false;
}

/* Waits until it is final; *out is its object. */
static mu_code wait_for_batch(url_load *load, mu_str batch, mu_json *out, mu_err *err)
{
    mu_str path = mu_arena_format(&load->scratch, "/data/foundation/catalog/batches/" MU_STR_FMT,
                                  MU_STR_ARG(batch));
    mu_arena arena;
    mu_code code = MU_OK;
    int64_t end_ns = mu_monotonic_ns() + (int64_t)BATCH_WAIT_S * 1000000000, pause_ms = 5;
    mu_arena_init(&arena, SIZE_MAX);
    for (;;) {
        mu_json map;
        mu_arena_reset(&arena);
        code = mu_web_ask(load->client, &arena, "GET", path, MU_STR(""), &map, err);
        const mu_json *found = code == MU_OK ? mu_json_member(&map, batch) : NULL;
        if (code == MU_OK && found == NULL)
            code = mu_fail(err, MU_E_IO, "the server does not know the batch any more");
        if (code != MU_OK || is_final(mu_json_member_string(found, MU_STR("status"), MU_STR(""))))
            break;
        if (mu_monotonic_ns() > end_ns) {
            code = mu_fail(err, MU_E_IO, "the server has not finished a batch in %d minutes",
                           BATCH_WAIT_S / 60);
            break;
        }
        nanosleep(
            &(struct timespec){.tv_sec = pause_ms / 1000, .tv_nsec = pause_ms % 1000 * 1000000},
            NULL);
        pause_ms = pause_ms < 500 ? pause_ms * 2 : 1000;
    }
    mu_arena_free(&arena);
    MU_TRY(code);
    mu_json map;
    MU_TRY(mu_web_ask(load->client, &load->scratch, "GET", path, MU_STR(""), &map, err));
    *out = *mu_json_member(&map, batch);
    return MU_OK;
}

/* -------- rows that failed -------- */

typedef struct failed_rows {
    const row_chunk *chunk; /* NULL: rows of a CSV file, without lines */
    uint32_t file;          /* of such */
    size_t at;              /* the first line that may be the next row's */
    uint64_t n;             /* seen */
} failed_rows;

static mu_str reason_of(mu_arena *arena, const mu_json *row)
{
    const mu_json *errors = mu_json_member(row, MU_STR("_errors"));
    const mu_json *first =
        errors != NULL && errors->kind == MU_JSON_ARRAY && errors->n > 0 ? &errors->items[0] : NULL;
    mu_str message = mu_json_member_string(first, MU_STR("message"), MU_STR("not taken"));
    mu_str column = mu_json_member_string(first, MU_STR("column"), MU_STR(""));
    return column.len == 0 ? message
                           : mu_arena_format(arena, MU_STR_FMT ": " MU_STR_FMT, MU_STR_ARG(column),
                                             MU_STR_ARG(message));
}

/* The row without "_errors". */
static mu_json bare_row(mu_arena *arena, const mu_json *row)
{
    mu_str *names = MU_NEW_ARRAY(arena, mu_str, row->n);
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, row->n);
    mu_json out = {.kind = MU_JSON_OBJECT, .names = names, .items = items};
    for (uint32_t i = 0; i < row->n; i++) {
        if (mu_str_equal(row->names[i], MU_STR("_errors")))
            continue;
        names[out.n] = row->names[i];
        items[out.n++] = row->items[i];
    }
    return out;
}

static mu_code report_row(url_load *load, failed_rows *rows, mu_str text, mu_err *err)
{
    mu_arena arena;
    mu_json row, bare;
    mu_str compact;
    uint32_t file = rows->file;
    uint64_t line = 0;
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code = mu_json_read(load->reader, &arena, text, &row, err);
    if (code == MU_OK && row.kind == MU_JSON_OBJECT && rows->chunk != NULL) {
        bare = bare_row(&arena, &row);
        code = write_json(&arena, &bare, &compact, err);
        uint64_t hash = code == MU_OK ? mu_hash64(compact.ptr, compact.len, 0) : 0;
        size_t i = rows->at;
        while (code == MU_OK && i < rows->chunk->n_lines && rows->chunk->lines[i].hash != hash)
            i++;
        if (code == MU_OK && i < rows->chunk->n_lines) {
            file = rows->chunk->lines[i].file;
            line = rows->chunk->lines[i].line;
            rows->at = i + 1;
        }
    }
    if (code == MU_OK) {
        rows->n++;
        reject(load, file, line, reason_of(&arena, &row));
    }
    mu_arena_free(&arena);
    return code;
}

static mu_code report_file(url_load *load, failed_rows *rows, mu_str batch, mu_str name,
                           mu_err *err)
{
    mu_web_answer answer;
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    mu_str path = mu_arena_format(
        &arena, "/data/foundation/export/batches/" MU_STR_FMT "/failed?path=" MU_STR_FMT,
        MU_STR_ARG(batch), MU_STR_ARG(name));
    mu_code code = mu_web_send(load->client, &arena, "GET", path, MU_STR("application/json"),
                               MU_STR(""), &answer, err);
    if (code == MU_OK && answer.status != 200)
        code = mu_fail(err, MU_E_IO, "the server does not give the rows that failed: status %u",
                       answer.status);
    mu_str rest = answer.body;
    while (code == MU_OK && rest.len > 0) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        mu_str line = {rest.ptr, end == NULL ? rest.len : (size_t)(end - rest.ptr)};
        rest = (mu_str){line.ptr + line.len + (end != NULL), rest.len - line.len - (end != NULL)};
        if (line.len > 0)
            code = report_row(load, rows, line, err);
    }
    mu_arena_free(&arena);
    return code;
}

static uint64_t failed_count(const mu_json *batch)
{
    const mu_json *n =
        mu_json_member(mu_json_member(batch, MU_STR("metrics")), MU_STR("failedRecordCount"));
    return n != NULL && n->kind == MU_JSON_INTEGER && n->integer > 0 ? (uint64_t)n->integer : 0;
}

static mu_code report_failed(url_load *load, failed_rows *rows, mu_str id, const mu_json *batch,
                             mu_err *err)
{
    mu_json list;
    uint64_t n_failed = failed_count(batch);
    if (n_failed == 0)
        return MU_OK;
    mu_str path = mu_arena_format(
        &load->scratch, "/data/foundation/export/batches/" MU_STR_FMT "/failed", MU_STR_ARG(id));
    MU_TRY(mu_web_ask(load->client, &load->scratch, "GET", path, MU_STR(""), &list, err));
    const mu_json *files = mu_json_member(&list, MU_STR("data"));
    for (uint32_t i = 0; files != NULL && files->kind == MU_JSON_ARRAY && i < files->n; i++)
        MU_TRY(report_file(load, rows, id,
                           mu_json_member_string(&files->items[i], MU_STR("name"), MU_STR("")),
                           err));
    if (rows->n < n_failed) {
        mu_progress_message(&load->progress, "%" PRIu64 " more records failed", n_failed - rows->n);
        load->n_rejected += n_failed - rows->n;
    }
    return MU_OK;
}

/* A failed batch without rows that failed is one that the server could not read at all. */
static mu_code check_status(const mu_json *batch, uint64_t n_failed, mu_err *err)
{
    mu_str status = mu_json_member_string(batch, MU_STR("status"), MU_STR(""));
    const mu_json *errors = mu_json_member(batch, MU_STR("errors"));
    if (n_failed > 0 || mu_str_equal(status, MU_STR("success")) ||
        mu_str_equal(status, MU_STR("active")))
        return MU_OK;
    mu_str why = errors != NULL && errors->kind == MU_JSON_ARRAY && errors->n > 0
                     ? mu_json_member_string(&errors->items[0], MU_STR("description"), MU_STR(""))
                     : MU_STR("it gave no reason");
    return mu_fail(err, MU_E_INPUT, "the server ends a batch as " MU_STR_FMT ": " MU_STR_FMT,
                   MU_STR_ARG(status), MU_STR_ARG(why));
}

static mu_code run_batch(url_load *load, mu_str dataset, const char *format, mu_str text,
                         failed_rows *rows, mu_json *batch, mu_err *err)
{
    mu_str id;
    mu_arena_reset(&load->scratch);
    MU_TRY(create_batch(load, dataset, format, &id, err));
    MU_TRY(send_file(load, id, dataset, strcmp(format, "csv") == 0 ? "rows.csv" : "rows.json", text,
                     err));
    MU_TRY(wait_for_batch(load, id, batch, err));
    MU_TRY(report_failed(load, rows, id, batch, err));
    return check_status(batch, failed_count(batch), err);
}

static mu_code send_chunk(url_load *load, row_chunk *chunk, mu_err *err)
{
    mu_json batch;
    failed_rows rows = {.chunk = chunk};
    if (chunk->n_lines == 0)
        return MU_OK;
    rows.file = chunk->lines[0].file;
    mu_code code =
        run_batch(load, chunk->dataset, "json", mu_buf_str(&chunk->text), &rows, &batch, err);
    mu_buf_clear(&chunk->text);
    chunk->n_lines = 0;
    return code;
}

/* -------- lines -------- */

static row_chunk *chunk_of(url_load *load, mu_str dataset)
{
    for (uint32_t i = 0; i < load->n_chunks; i++)
        if (mu_str_equal(load->chunks[i].dataset, dataset))
            return &load->chunks[i];
    if (load->n_chunks == DATASETS_MAX)
        return NULL;
    row_chunk *chunk = &load->chunks[load->n_chunks++];
    chunk->dataset = mu_arena_copy(load->invocation->arena, dataset);
    mu_buf_init(&chunk->text, CHUNK_BYTES + LINE_MAX_BYTES * 2);
    return chunk;
}

static bool note_line(row_chunk *chunk, const sent_line *line)
{
    if (chunk->n_lines == chunk->capacity) {
        size_t capacity = chunk->capacity == 0 ? 1024 : chunk->capacity * 2;
        sent_line *lines = reallocarray(chunk->lines, capacity, sizeof *lines);
        if (lines == NULL)
            return false;
        chunk->lines = lines;
        chunk->capacity = capacity;
    }
    chunk->lines[chunk->n_lines++] = *line;
    return true;
}

/* The record of a line and its data set: of a message, or of --dataset. */
static mu_code unwrap(const url_load *load, const mu_json *json, const mu_json **record,
                      mu_str *dataset, mu_err *err)
{
    const mu_json *header = mu_json_member(json, MU_STR("header"));
    const mu_json *body = mu_json_member(json, MU_STR("body"));
    if (json->kind != MU_JSON_OBJECT)
        return mu_fail(err, MU_E_INPUT, "a line must be a JSON object");
    *record = json;
    *dataset = load->dataset;
    if (header != NULL && body != NULL) {
        *record = mu_json_member(body, MU_STR("xdmEntity"));
        *dataset = mu_json_member_string(header, MU_STR("datasetId"), load->dataset);
        if (mu_json_member(header, MU_STR("operations")) != NULL)
            return mu_fail(err, MU_E_INPUT,
                           "a message with operations can only be sent to a streaming inlet");
        if (*record == NULL || (*record)->kind != MU_JSON_OBJECT)
            return mu_fail(err, MU_E_INPUT, "the message has no body.xdmEntity");
    }
    return dataset->len > 0
               ? MU_OK
               : mu_fail(err, MU_E_INPUT, "a record that is no message needs --dataset NAME");
}

static mu_code take_line(url_load *load, uint32_t file, uint64_t number, mu_str text, mu_err *err)
{
    mu_json json;
    const mu_json *record = NULL;
    mu_str dataset = MU_STR(""), compact = MU_STR("");
    mu_err why;
    mu_arena_reset(&load->scratch);
    load->n_read++;
    if (text.len > LINE_MAX_BYTES) {
        reject(load, file, number, MU_STR("the line is longer than 16 MiB"));
        return MU_OK;
    }
    if (mu_json_read(load->reader, &load->scratch, text, &json, &why) != MU_OK ||
        unwrap(load, &json, &record, &dataset, &why) != MU_OK ||
        write_json(&load->scratch, record, &compact, &why) != MU_OK) {
        reject(load, file, number, mu_str_from(why.text));
        return MU_OK;
    }
    row_chunk *chunk = chunk_of(load, dataset);
    const sent_line line = {mu_hash64(compact.ptr, compact.len, 0), number, file};
    if (chunk == NULL)
        return mu_fail(err, MU_E_LIMIT, "more than %u data sets in one load", DATASETS_MAX);
    mu_buf_add_str(&chunk->text, compact);
    mu_buf_add_char(&chunk->text, '\n');
    if (chunk->text.failed || !note_line(chunk, &line))
        return mu_fail(err, MU_E_NOMEM, "out of memory for the records to send");
    return chunk->text.len >= CHUNK_BYTES ? send_chunk(load, chunk, err) : MU_OK;
}

static mu_code send_lines(url_load *load, uint32_t index, FILE *file, mu_err *err)
{
    mu_line_reader reader;
    mu_str text;
    mu_code code = MU_OK;
    mu_line_reader_init(&reader, file, LINE_MAX_BYTES);
    while (code == MU_OK && !load->is_stopped && mu_line_reader_next(&reader, &text)) {
        load->done_bytes += text.len + 1;
        if (mu_str_trim(text).len > 0)
            code = take_line(load, index, reader.line, text, err);
        if (reader.line % 1024 == 0)
            mu_progress_update(&load->progress, load->done_bytes, load->all_bytes);
    }
    if (code == MU_OK && ferror(file))
        code = mu_fail_errno(err, "cannot read %s", load->invocation->options.arguments[index]);
    mu_line_reader_fini(&reader);
    return code;
}

/* -------- CSV: a file is a batch -------- */

static uint64_t input_count(const mu_json *batch)
{
    const mu_json *n =
        mu_json_member(mu_json_member(batch, MU_STR("metrics")), MU_STR("inputRecordCount"));
    return n != NULL && n->kind == MU_JSON_INTEGER && n->integer > 0 ? (uint64_t)n->integer : 0;
}

static mu_code send_csv(url_load *load, uint32_t index, FILE *file, mu_err *err)
{
    mu_buf text;
    mu_json batch;
    failed_rows rows = {.file = index};
    const char *name = load->invocation->options.arguments[index];
    if (load->dataset.len == 0)
        return mu_fail(err, MU_E_INPUT, "%s: a CSV file needs --dataset NAME", name);
    mu_buf_init(&text, FILE_BYTES_MAX);
    char *room;
    size_t n = 1;
    while (n > 0 && (room = mu_buf_reserve(&text, 1 << 16)) != NULL) {
        n = fread(room, 1, 1 << 16, file);
        text.len += n;
    }
    mu_code code = MU_OK;
    if (text.failed)
        code = mu_fail(err, MU_E_LIMIT, "%s is larger than 256 MiB; split it", name);
    else if (ferror(file))
        code = mu_fail_errno(err, "cannot read %s", name);
    if (code == MU_OK)
        code = run_batch(load, load->dataset, "csv", mu_buf_str(&text), &rows, &batch, err);
    if (code == MU_OK)
        load->n_read += input_count(&batch);
    mu_buf_free(&text);
    return code;
}

/* -------- files -------- */

/* JSON begins with a bracket, whatever blanks are before it. */
static bool is_csv(const mu_options *options, FILE *file)
{
    const char *format = mu_option_text(options, MU_OPTION_LOAD_FORMAT, "auto");
    if (strcmp(format, "auto") != 0)
        return strcmp(format, "csv") == 0;
    int c;
    do
        c = getc(file);
    while (c == ' ' || c == '\t' || c == '\r' || c == '\n');
    if (c != EOF)
        ungetc(c, file);
    return c != EOF && c != '{' && c != '[';
}

static mu_code send_one(url_load *load, uint32_t index, mu_err *err)
{
    const char *name = load->invocation->options.arguments[index];
    bool is_stdin = strcmp(name, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(name, "rb");
    if (file == NULL)
        return mu_fail(err, MU_E_INPUT, "cannot read %s: %s", name, strerror(errno));
    mu_code code = is_csv(&load->invocation->options, file) ? send_csv(load, index, file, err)
                                                            : send_lines(load, index, file, err);
    if (!is_stdin)
        fclose(file);
    return code;
}

static void measure_files(url_load *load)
{
    const mu_options *options = &load->invocation->options;
    for (int i = 0; i < options->n_arguments; i++) {
        struct stat info;
        if (stat(options->arguments[i], &info) == 0 && S_ISREG(info.st_mode))
            load->all_bytes += (uint64_t)info.st_size;
    }
}

/* --dataset is an id or a name. */
static mu_code find_dataset(url_load *load, mu_str wanted, mu_err *err)
{
    mu_web_answer answer;
    mu_json map;
    mu_buf path;
    mu_buf_init(&path, 4096);
    MU_BUF_ADD(&path, "/data/foundation/catalog/dataSets?limit=2&property=name==");
    for (size_t i = 0; i < wanted.len; i++)
        mu_buf_add_format(&path, "%%%02X", (unsigned char)wanted.ptr[i]);
    mu_code code = path.failed ? mu_fail(err, MU_E_INPUT, "--dataset is too long")
                               : mu_web_ask(load->client, &load->scratch, "GET", mu_buf_str(&path),
                                            MU_STR(""), &map, err);
    mu_buf_free(&path);
    MU_TRY(code);
    if (map.kind == MU_JSON_OBJECT && map.n > 1)
        return mu_fail(err, MU_E_INPUT, "several data sets are called " MU_STR_FMT "; give an id",
                       MU_STR_ARG(wanted));
    if (map.kind == MU_JSON_OBJECT && map.n == 1) {
        load->dataset = mu_arena_copy(load->invocation->arena, map.names[0]);
        return MU_OK;
    }
    mu_str one = mu_arena_format(&load->scratch, "/data/foundation/catalog/dataSets/" MU_STR_FMT,
                                 MU_STR_ARG(wanted));
    MU_TRY(mu_web_send(load->client, &load->scratch, "GET", one, MU_STR("application/json"),
                       MU_STR(""), &answer, err));
    if (answer.status != 200)
        return mu_fail(err, MU_E_INPUT, "the server has no data set " MU_STR_FMT,
                       MU_STR_ARG(wanted));
    load->dataset = wanted;
    return MU_OK;
}

static mu_code send_all(url_load *load, mu_err *err)
{
    const mu_options *options = &load->invocation->options;
    mu_str wanted = mu_str_from(mu_option_text(options, MU_OPTION_DATASET, ""));
    if (wanted.len > 0)
        MU_TRY(find_dataset(load, wanted, err));
    measure_files(load);
    for (int i = 0; i < options->n_arguments && !load->is_stopped; i++)
        MU_TRY(send_one(load, (uint32_t)i, err));
    for (uint32_t i = 0; i < load->n_chunks && !load->is_stopped; i++)
        MU_TRY(send_chunk(load, &load->chunks[i], err));
    return MU_OK;
}

static void print_summary(const url_load *load, double seconds)
{
    mu_buf buf;
    mu_buf_init(&buf, SIZE_MAX);
    mu_buf_add_format(&buf,
                      "{\"read\":%" PRIu64 ",\"loaded\":%" PRIu64 ",\"rejected\":%" PRIu64
                      ",\"seconds\":%.3f}\n",
                      load->n_read, load->n_read - load->n_rejected, load->n_rejected, seconds);
    mu_output(&buf);
    mu_buf_free(&buf);
}

static mu_exit run_load(url_load *load)
{
    mu_err err;
    int64_t start_ns = mu_monotonic_ns();
    mu_progress_begin(&load->progress, "load", NULL);
    mu_code code = send_all(load, &err);
    mu_progress_end(&load->progress);
    if (code != MU_OK)
        return mu_report(&err);
    if (load->is_stopped) {
        mu_say("stopped by --fail-fast; what was sent before is there");
        return MU_EXIT_INPUT;
    }
    print_summary(load, (double)(mu_monotonic_ns() - start_ns) / 1e9);
    return load->n_rejected > 0 ? MU_EXIT_INPUT : MU_EXIT_DONE;
}

static mu_str text_option(const mu_options *options, mu_option option, const char *otherwise)
{
    return mu_str_from(mu_option_text(options, option, otherwise));
}

mu_exit mu_load_url(mu_invocation *invocation)
{
    static const mu_option foreign[] = {MU_OPTION_CLASS, MU_OPTION_SCHEMA, MU_OPTION_STRICT};
    const mu_options *options = &invocation->options;
    const mu_web_access access = {.url = text_option(options, MU_OPTION_URL, ""),
                                  .token = text_option(options, MU_OPTION_TOKEN, "local"),
                                  .api_key = text_option(options, MU_OPTION_API_KEY, "local"),
                                  .organization =
                                      text_option(options, MU_OPTION_ORG, "local@AdobeOrg"),
                                  .sandbox = text_option(options, MU_OPTION_SANDBOX, "prod")};
    mu_err err;
    for (size_t i = 0; i < MU_LENGTH(foreign); i++)
        if (options->values[foreign[i]].is_set)
            return mu_usage_error(invocation->command,
                                  "--%s does not go with --url: the server has schemas of its own",
                                  mu_option_info_of(foreign[i])->name);
    url_load *load = MU_NEW(invocation->arena, url_load);
    load->invocation = invocation;
    if (mu_web_client_new(&access, &load->client, &err) != MU_OK)
        return mu_report(&err);
    load->reader = mu_json_reader_new();
    mu_arena_init(&load->scratch, SIZE_MAX);
    mu_exit status = run_load(load);
    for (uint32_t i = 0; i < load->n_chunks; i++) {
        mu_buf_free(&load->chunks[i].text);
        free(load->chunks[i].lines);
    }
    mu_arena_free(&load->scratch);
    mu_json_reader_free(load->reader);
    mu_web_client_free(load->client);
    return status;
}
