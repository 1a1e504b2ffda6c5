/* fuzz_csv.c -- CSV text cut at the first byte's place: the records are the same as in one piece,
 * and every row goes through a plan. */
#include "ingest/ingest_int.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* A record that is complete in a prefix of the text is the same in the whole of it. */
static void check_cut(mu_str text, size_t cut)
{
    size_t in_prefix = 0, in_whole = 0;
    mu_csv_end prefix = mu_csv_record((mu_str){text.ptr, cut}, false, &in_prefix);
    mu_csv_end whole = mu_csv_record(text, true, &in_whole);
    must(whole != MU_CSV_INCOMPLETE && in_whole > 0 && in_whole <= text.len);
    if (prefix != MU_CSV_INCOMPLETE)
        must(prefix == whole && in_prefix == in_whole);
}

static bool take_header(mu_load_run *run, mu_input_file *file, mu_str *text)
{
    size_t size;
    mu_csv_cells cells = {0};
    if (mu_csv_record(*text, true, &size) != MU_CSV_RECORD)
        return false;
    bool fits = mu_csv_split((mu_str){text->ptr, size}, &cells, &run->arena);
    mu_str *columns = MU_NEW_ARRAY(&run->arena, mu_str, cells.n);
    for (uint32_t i = 0; i < cells.n; i++)
        columns[i] = mu_arena_copy(&run->arena, cells.cells[i]);
    *file =
        (mu_input_file){.path = "in.csv", .is_csv = true, .n_columns = cells.n, .columns = columns};
    mu_csv_cells_free(&cells);
    *text = (mu_str){text->ptr + size, text->len - size};
    return fits;
}

static void load_rows(mu_load_run *run, mu_input_file *file, mu_str text)
{
    mu_worker worker;
    mu_outcome outcome = {0};
    mu_err err;
    run->input.n_files = 1;
    run->input.files = file;
    must(mu_load_run_prepare(run, mu_schema_builtin(&run->arena), NULL) == MU_OK);
    must(mu_spread_new("/tmp", 1, 1, 1 << 20, &run->spread, NULL) == MU_OK);
    must(mu_worker_init(&worker, run, 0, NULL) == MU_OK);
    mu_arena_init(&outcome.arena, SIZE_MAX);
    worker.outcome = &outcome;
    worker.chunk.bytes = malloc(text.len + 1);
    memcpy(worker.chunk.bytes, text.ptr, text.len);
    worker.chunk.len = text.len;
    mu_code code = mu_worker_rows(&worker, &err);
    must(code == MU_OK || code == MU_E_INPUT || code == MU_E_LIMIT);
    free(outcome.rejects);
    mu_arena_free(&outcome.arena);
    mu_worker_free(&worker);
    mu_spread_free(run->spread);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < 2)
        return 0;
    mu_str text = {(const char *)bytes + 1, size - 1};
    check_cut(text, bytes[0] % size);
    mu_load_options options = {.n_threads = 1};
    mu_load_run run = {.options = &options};
    mu_input_file file;
    mu_arena_init(&run.arena, SIZE_MAX);
    if (take_header(&run, &file, &text))
        load_rows(&run, &file, text);
    mu_arena_free(&run.arena);
    return 0;
}
