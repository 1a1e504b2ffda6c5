/* fuzz_external_rows.c -- the bytes of an external audience's file: the first says how many arrive
 * at once. Every row is taken or reported, whatever the steps, and nothing reaches outside. */
#include "audience/external_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

typedef struct feed {
    mu_str text;
    size_t at, step;
    uint64_t n_taken;
} feed;

static const mu_external_field fields[] = {
    {.name = {"a", 1}, .namespace_code = {"Email", 5}, .is_graphed = true},
    {.name = {"b", 1}, .namespace_code = {"ECID", 4}, .is_graphed = true},
    {.name = {"c", 1}, .type = MU_EXTERNAL_DATETIME},
};

static mu_code read_some(void *context, char *out, size_t capacity, size_t *n, mu_err *err)
{
    feed *f = context;
    (void)err;
    *n = f->text.len - f->at;
    *n = *n > f->step ? f->step : *n;
    *n = *n > capacity ? capacity : *n;
    if (*n > 0)
        memcpy(out, f->text.ptr + f->at, *n);
    f->at += *n;
    return MU_OK;
}

static mu_code take_row(void *context, uint32_t n, const mu_identity *identities,
                        uint32_t n_graphed, mu_err *err)
{
    feed *f = context;
    (void)err;
    MU_ASSERT(n >= 1 && n <= 2 && n_graphed == n);
    for (uint32_t i = 0; i < n; i++)
        MU_ASSERT(mu_identity_problem(identities[i]) == NULL);
    f->n_taken++;
    return MU_OK;
}

static mu_code read_rows(mu_str text, size_t step, mu_external_report *report, uint64_t *n_taken)
{
    feed f = {.text = text, .step = step};
    mu_err err;
    const mu_external_reading reading = {.n_fields = 3,
                                         .fields = fields,
                                         .report = report,
                                         .row = take_row,
                                         .read = read_some,
                                         .context = &f};
    mu_code code = mu_external_rows_read(&reading, MU_STR("f"), &err);
    *n_taken = f.n_taken;
    return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return 0;
    mu_str text = {(const char *)bytes + 1, size - 1};
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    mu_external_report whole = {.arena = &arena}, some = {.arena = &arena};
    uint64_t n_whole, n_some;
    mu_code code = read_rows(text, SIZE_MAX, &whole, &n_whole);
    MU_ASSERT(code == MU_OK || code == MU_E_INPUT);
    MU_ASSERT(read_rows(text, 1u + bytes[0] % 64u, &some, &n_some) == code);
    MU_ASSERT(n_whole == n_some && whole.n_bad_rows == some.n_bad_rows);
    MU_ASSERT(whole.n_rows == n_whole + whole.n_bad_rows);
    MU_ASSERT(whole.n_problems == some.n_problems);
    mu_arena_free(&arena);
    return 0;
}
