#include "ingest/ingest_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_standard_input(const char *path)
{
    return strcmp(path, "-") == 0;
}

static int open_file(const char *path)
{
    return is_standard_input(path) ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
}

static void close_file(int fd)
{
    if (fd > STDIN_FILENO)
        close(fd);
}

static mu_code check_file(mu_input_file *file, mu_err *err)
{
    struct stat info;
    bool known = !is_standard_input(file->path) && stat(file->path, &info) == 0;
    /* Who writes into a named pipe would be told that nobody reads it any more. */
    bool is_named_pipe = known && S_ISFIFO(info.st_mode);
    int fd = is_named_pipe ? STDIN_FILENO : open_file(file->path);
    if (fd < 0)
        return mu_fail_errno(err, "cannot open %s", file->path);
    if (!is_named_pipe)
        known = fstat(fd, &info) == 0;
    close_file(fd);
    if (known && S_ISDIR(info.st_mode))
        return mu_fail(err, MU_E_INPUT, "%s is a directory", file->path);
    file->size_bytes = known && S_ISREG(info.st_mode) ? (uint64_t)info.st_size : 0;
    file->is_pipe = !known || !S_ISREG(info.st_mode);
    return MU_OK;
}

mu_code mu_input_open(mu_input *input, uint32_t n_files, const char *const *files,
                      mu_input_format format, size_t chunk_bytes, mu_err *err)
{
    *input = (mu_input){.n_files = n_files, .format = format, .chunk_bytes = chunk_bytes, .fd = -1};
    pthread_mutex_init(&input->lock, NULL);
    mu_arena_init(&input->arena, SIZE_MAX);
    mu_buf_init(&input->carry, MU_LINE_MAX * 2 + chunk_bytes);
    input->files = MU_NEW_ARRAY(&input->arena, mu_input_file, n_files);
    for (uint32_t f = 0; f < n_files; f++) {
        mu_input_file *file = &input->files[f];
        file->path = files[f];
        file->name = is_standard_input(files[f]) ? MU_STR("standard input") : mu_str_from(files[f]);
        MU_TRY(check_file(file, err));
        input->all_bytes += file->size_bytes;
    }
    return MU_OK;
}

void mu_input_close(mu_input *input)
{
    if (input->fd >= 0)
        close_file(input->fd);
    mu_buf_free(&input->carry);
    mu_arena_free(&input->arena);
    pthread_mutex_destroy(&input->lock);
}

void mu_chunk_free(mu_chunk *chunk)
{
    free(chunk->bytes);
    *chunk = (mu_chunk){0};
}

void mu_input_stop(mu_input *input)
{
    pthread_mutex_lock(&input->lock);
    input->stopped = true;
    pthread_mutex_unlock(&input->lock);
}

/* -------- reading -------- */

static mu_code reserve(mu_chunk *chunk, size_t capacity, mu_err *err)
{
    if (capacity <= chunk->capacity)
        return MU_OK;
    char *bytes = realloc(chunk->bytes, capacity);
    if (bytes == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory while reading a line");
    chunk->bytes = bytes;
    chunk->capacity = capacity;
    return MU_OK;
}

/* Reads until the chunk has `target` bytes or the file ends. */
static mu_code fill(mu_input *input, mu_chunk *chunk, size_t target, mu_err *err)
{
    MU_TRY(reserve(chunk, target, err));
    while (chunk->len < target && !input->at_end) {
        ssize_t got = read(input->fd, chunk->bytes + chunk->len, target - chunk->len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return mu_fail_errno(err, "cannot read %s", input->files[input->file].path);
        input->at_end = got == 0;
        chunk->len += (size_t)got;
        input->done_bytes += (uint64_t)got;
    }
    return MU_OK;
}

/* -------- the beginning of a file -------- */

static bool has_extension(const char *path, const char *extension)
{
    return mu_str_ends_with(mu_str_from(path), mu_str_from(extension));
}

static bool sniff_csv(mu_input_format format, const char *path, mu_str text)
{
    if (format != MU_INPUT_AUTO)
        return format == MU_INPUT_CSV;
    if (has_extension(path, ".csv") || has_extension(path, ".CSV"))
        return true;
    if (has_extension(path, ".json") || has_extension(path, ".ndjson") ||
        has_extension(path, ".jsonl"))
        return false;
    mu_str trimmed = mu_str_trim(text);
    return trimmed.len > 0 && trimmed.ptr[0] != '{' && trimmed.ptr[0] != '[';
}

static uint64_t count_lines(const char *bytes, size_t len)
{
    uint64_t n = 0;
    for (const char *p = bytes, *end = bytes + len; p < end; p++) {
        p = memchr(p, '\n', (size_t)(end - p));
        if (p == NULL)
            break;
        n++;
    }
    return n;
}

static mu_code take_header(mu_input *input, mu_chunk *chunk, mu_err *err)
{
    mu_input_file *file = &input->files[input->file];
    mu_csv_cells cells = {0};
    size_t size = 0;
    mu_str text = {chunk->bytes + chunk->start, chunk->len - chunk->start};
    mu_csv_end end = mu_csv_record(text, input->at_end, &size);
    mu_code code = MU_OK;
    if (text.len == 0)
        return MU_OK;
    if (end != MU_CSV_RECORD)
        return mu_fail(err, MU_E_INPUT, "%s: the CSV header has a quote that is not closed",
                       file->path);
    mu_str header = {text.ptr, size};
    if (!mu_csv_split(header, &cells, &input->arena))
        code = mu_fail(err, MU_E_INPUT, "%s: the CSV header has more than %u columns", file->path,
                       MU_PATHS_MAX);
    mu_str *columns = MU_NEW_ARRAY(&input->arena, mu_str, cells.n);
    for (uint32_t i = 0; i < cells.n; i++)
        columns[i] = mu_arena_copy(&input->arena, cells.cells[i]);
    file->columns = columns;
    file->n_columns = cells.n;
    mu_csv_cells_free(&cells);
    chunk->start += size;
    input->line += count_lines(header.ptr, header.len);
    return code;
}

static mu_code begin_text(mu_input *input, mu_chunk *chunk, mu_err *err)
{
    mu_input_file *file = &input->files[input->file];
    mu_str text = {chunk->bytes, chunk->len};
    if (mu_str_starts_with(text, MU_STR("\xef\xbb\xbf")))
        chunk->start = 3;
    text = (mu_str){chunk->bytes + chunk->start, chunk->len - chunk->start};
    file->is_csv = sniff_csv(input->format, file->path, text);
    return file->is_csv ? take_header(input, chunk, err) : MU_OK;
}

/* -------- cutting -------- */

/* Moves *cut, at which a record begins, past all records that end in the chunk. */
static void cut_records(const mu_input *input, const mu_chunk *chunk, size_t *cut)
{
    const char *bytes = chunk->bytes;
    if (input->files[input->file].is_csv) {
        while (*cut < chunk->len) {
            size_t size;
            mu_str rest = {bytes + *cut, chunk->len - *cut};
            if (mu_csv_record(rest, input->at_end, &size) == MU_CSV_INCOMPLETE)
                return;
            *cut += size;
        }
        return;
    }
    const char *last = chunk->len == *cut ? NULL : memrchr(bytes + *cut, '\n', chunk->len - *cut);
    if (input->at_end)
        *cut = chunk->len;
    else if (last != NULL)
        *cut = (size_t)(last - bytes) + 1;
}

/* Reads past the rest of a line that is too long. */
static mu_code skip_line(mu_input *input, mu_chunk *chunk, mu_err *err)
{
    const char *line_end = NULL;
    while (line_end == NULL && !(input->at_end && chunk->len == 0)) {
        chunk->len = 0;
        MU_TRY(fill(input, chunk, input->chunk_bytes, err));
        line_end = chunk->len == 0 ? NULL : memchr(chunk->bytes, '\n', chunk->len);
    }
    if (line_end != NULL) {
        size_t rest = (size_t)(line_end - chunk->bytes) + 1;
        mu_buf_add(&input->carry, chunk->bytes + rest, chunk->len - rest);
    }
    chunk->start = chunk->len = 0;
    chunk->skipped_line = true;
    input->line++;
    return MU_OK;
}

/* The end of what the chunk hands out, or 0 when its first line is too long. */
static mu_code find_cut(mu_input *input, mu_chunk *chunk, size_t *out, mu_err *err)
{
    size_t cut = chunk->start;
    for (size_t target = chunk->len;;) {
        cut_records(input, chunk, &cut);
        if (cut > chunk->start || input->at_end)
            break;
        if (chunk->len - chunk->start > MU_LINE_MAX) {
            /* A CSV row whose quotes never close ends with its first line. */
            const char *line_end =
                memchr(chunk->bytes + chunk->start, '\n', chunk->len - chunk->start);
            cut = line_end == NULL ? 0 : (size_t)(line_end - chunk->bytes) + 1;
            break;
        }
        target = target * 2 < MU_LINE_MAX ? target * 2 : MU_LINE_MAX + 1 + chunk->start;
        MU_TRY(fill(input, chunk, target, err));
    }
    *out = cut;
    return MU_OK;
}

static mu_code hand_out(mu_input *input, mu_chunk *chunk, mu_err *err)
{
    size_t cut;
    chunk->file = input->file;
    chunk->first_line = input->line;
    chunk->skipped_line = false;
    MU_TRY(find_cut(input, chunk, &cut, err));
    if (cut == 0 && chunk->len > 0) {
        MU_TRY(skip_line(input, chunk, err));
    } else {
        mu_buf_add(&input->carry, chunk->bytes + cut, chunk->len - cut);
        chunk->len = cut - chunk->start;
        input->line += count_lines(chunk->bytes + chunk->start, chunk->len);
    }
    if (input->carry.failed)
        return mu_fail(err, MU_E_NOMEM, "out of memory while reading %s",
                       input->files[input->file].path);
    chunk->done_bytes = input->done_bytes;
    chunk->sequence = input->next_sequence++;
    return MU_OK;
}

static mu_code open_next(mu_input *input, mu_err *err)
{
    const char *path = input->files[input->file].path;
    input->fd = open_file(path);
    if (input->fd < 0)
        return mu_fail_errno(err, "cannot open %s", path);
    input->line = 1;
    input->at_end = false;
    return MU_OK;
}

static void end_file(mu_input *input)
{
    close_file(input->fd);
    input->fd = -1;
    input->file++;
}

static mu_code next(mu_input *input, mu_chunk *chunk, bool *more, mu_err *err)
{
    *more = false;
    while (!input->stopped && input->file < input->n_files) {
        bool is_first = input->fd < 0;
        if (is_first)
            MU_TRY(open_next(input, err));
        size_t carried = input->carry.len;
        chunk->start = chunk->len = 0;
        MU_TRY(reserve(chunk, carried + input->chunk_bytes, err));
        if (carried > 0)
            memcpy(chunk->bytes, input->carry.ptr, carried);
        chunk->len = carried;
        mu_buf_clear(&input->carry);
        MU_TRY(fill(input, chunk, carried + input->chunk_bytes, err));
        if (is_first)
            MU_TRY(begin_text(input, chunk, err));
        if (chunk->len == chunk->start && input->at_end) {
            end_file(input);
            continue;
        }
        *more = true;
        return hand_out(input, chunk, err);
    }
    return MU_OK;
}

mu_code mu_input_next(mu_input *input, mu_chunk *chunk, bool *more, mu_err *err)
{
    pthread_mutex_lock(&input->lock);
    mu_code code = next(input, chunk, more, err);
    pthread_mutex_unlock(&input->lock);
    return code;
}
