/* fuzz_json.c -- any bytes: refused with a sentence, or written back to a text that is a fixed
 * point. */
#include "json/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void write_again(mu_json_reader *reader, mu_arena *arena, const mu_json *json)
{
    mu_buf first, second;
    mu_json_writer writer;
    mu_json again;
    mu_buf_init(&first, SIZE_MAX / 4);
    mu_buf_init(&second, SIZE_MAX / 4);
    mu_json_writer_init(&writer, &first);
    mu_json_value(&writer, json);
    mu_err err;
    MU_ASSERT(mu_json_read(reader, arena, mu_buf_str(&first), &again, &err) == MU_OK);
    mu_json_writer_init(&writer, &second);
    mu_json_value(&writer, &again);
    MU_ASSERT(mu_str_equal(mu_buf_str(&first), mu_buf_str(&second)));
    mu_buf_free(&first);
    mu_buf_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    mu_json_reader *reader = mu_json_reader_new();
    mu_arena arena;
    mu_json json;
    mu_err err = {0};
    mu_arena_init(&arena, SIZE_MAX);
    if (mu_json_read(reader, &arena, (mu_str){(const char *)bytes, size}, &json, &err) == MU_OK)
        write_again(reader, &arena, &json);
    else
        MU_ASSERT(err.text[0] != '\0');
    mu_arena_free(&arena);
    mu_json_reader_free(reader);
    return 0;
}
