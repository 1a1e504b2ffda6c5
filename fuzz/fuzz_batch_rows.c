/* fuzz_batch_rows.c -- the bytes of an uploaded file: the first says how it is read. Rows end, each
 * is an object or has a problem, and none reaches outside the file. */
#include "ingest/batch_rows.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static mu_batch_format format_of(uint8_t choice)
{
    static const mu_batch_format formats[] = {
        {.is_csv = false},
        {.is_csv = true, .delimiter = ',', .quote = '"', .escape = '\\'},
        {.is_csv = true, .delimiter = ';', .quote = '\'', .escape = '^'},
        {.is_csv = true, .delimiter = '\t', .quote = '"', .escape = '"'},
    };
    return formats[choice % 4];
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return 0;
    mu_batch_format format = format_of(bytes[0]);
    mu_str text = {(const char *)bytes + 1, size - 1};
    mu_json_reader *reader = mu_json_reader_new();
    mu_arena arena, scratch;
    mu_batch_rows rows;
    mu_err err = {0};
    mu_arena_init(&arena, SIZE_MAX);
    mu_arena_init(&scratch, SIZE_MAX);
    if (mu_batch_rows_open(&arena, reader, &format, text, &rows, &err) == MU_OK) {
        mu_batch_row row;
        size_t n = 0;
        while (mu_batch_rows_next(&rows, &scratch, &row)) {
            MU_ASSERT(row.problem != NULL || row.json.kind == MU_JSON_OBJECT);
            MU_ASSERT(++n <= size);
            if (n % 64 == 0)
                mu_arena_reset(&scratch);
        }
        mu_batch_rows_close(&rows);
    } else {
        MU_ASSERT(err.code == MU_E_INPUT && (err.line == 106 || err.line == 118));
    }
    mu_arena_free(&scratch);
    mu_arena_free(&arena);
    mu_json_reader_free(reader);
    return 0;
}
