/* fuzz_record.c -- any bytes as a record of the log: what reads is written back the same, and is
 * applied to the content of its identity, which becomes a row and content again. */
#include "profile/content.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_bytes(const mu_record *record, mu_str bytes)
{
    mu_buf again;
    mu_buf_init(&again, SIZE_MAX);
    mu_record_write(&again, record);
    must(mu_str_equal(mu_buf_str(&again), bytes));
    mu_buf_free(&again);
}

static bool may_fail(mu_code code)
{
    return code == MU_OK || code == MU_E_CORRUPT || code == MU_E_INPUT;
}

/* The row reads back, and makes the same row again. */
static void check_row(mu_arena *arena, const mu_schema *schema, mu_content *content)
{
    mu_value row, again;
    mu_content read;
    mu_err err;
    must(mu_content_row(arena, schema, content, &row, &err) == MU_OK);
    must(mu_content_read(arena, schema, content->pid, content->cluster.identities[0].identity, row,
                         &read, &err) == MU_OK);
    must(mu_content_row(arena, schema, &read, &again, &err) == MU_OK);
    must(mu_value_identical(row, again));
}

static void apply_twice(mu_arena *arena, const mu_record *record)
{
    const mu_schema *schema = mu_schema_with_system_fields(arena, mu_schema_builtin(arena));
    const mu_graph_identity identity = {.identity = record->identities[0]};
    const mu_graph_cluster cluster = {.pid = 1, .n_identities = 1, .identities = &identity};
    mu_content content;
    mu_err err;
    must(mu_content_gather(arena, schema, &cluster, 0, NULL, &content, &err) == MU_OK);
    for (uint64_t sequence = 1; sequence <= 2; sequence++) {
        const mu_applied_record applied = {.sequence = sequence, .record = *record};
        mu_code code = mu_content_apply(arena, schema, &content, 1, &applied, &err);
        must(may_fail(code));
        if (code == MU_OK)
            check_row(arena, schema, &content);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    mu_arena arena;
    mu_record record;
    mu_err err;
    mu_str text = {(const char *)bytes, size};
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code = mu_record_read(&arena, text, &record, &err);
    must(code == MU_OK || code == MU_E_CORRUPT);
    if (code == MU_OK) {
        check_bytes(&record, text);
        if (record.n_identities > 0)
            apply_twice(&arena, &record);
    }
    mu_arena_free(&arena);
    return 0;
}
