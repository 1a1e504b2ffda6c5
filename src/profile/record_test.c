#include "profile/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

typedef struct fixture {
    mu_arena arena;
    mu_buf buf;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    mu_arena_init(&f->arena, SIZE_MAX);
    mu_buf_init(&f->buf, (size_t)1 << 20);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    mu_buf_free(&f->buf);
    mu_arena_free(&f->arena);
    free(f);
    return 0;
}

static const mu_identity two_identities[] = {
    {{"lumaCrmId", 9}, {"CRM-100042", 10}},
    {{"Email", 5}, {"ada.marsh@example.com", 21}},
};

static mu_record sample_event(void)
{
    return (mu_record){.kind = MU_RECORD_EVENT,
                       .sandbox = MU_STR("prod"),
                       .received_ms = 1773144000123,
                       .time_ms = -5,
                       .dataset = MU_STR("4b5e57f6eb2f42b9039b3d1e"),
                       .batch = MU_STR("1565638336649:1750:244:0"),
                       .key = MU_STR("9f0c\0003c1e"),
                       .n_identities = 2,
                       .identities = two_identities,
                       .n_linked = 2,
                       .document = MU_STR("{\"_id\":\"9f0c\"}"),
                       .source = MU_STR("batch/01/file.json"),
                       .position = UINT64_MAX};
}

static bool same_record(const mu_record *a, const mu_record *b)
{
    bool same = a->kind == b->kind && a->received_ms == b->received_ms &&
                a->time_ms == b->time_ms && a->position == b->position &&
                a->n_identities == b->n_identities && a->n_linked == b->n_linked &&
                mu_str_equal(a->sandbox, b->sandbox) && mu_str_equal(a->dataset, b->dataset) &&
                mu_str_equal(a->batch, b->batch) && mu_str_equal(a->class_name, b->class_name) &&
                mu_str_equal(a->key, b->key) && mu_str_equal(a->document, b->document) &&
                mu_str_equal(a->source, b->source);
    for (uint32_t i = 0; same && i < a->n_identities; i++)
        same = mu_str_equal(a->identities[i].namespace_code, b->identities[i].namespace_code) &&
               mu_str_equal(a->identities[i].value, b->identities[i].value);
    return same;
}

/* Reads a copy that ends where its memory ends, so that a sanitizer sees one byte too many. */
static mu_code read_copy(fixture *f, mu_str bytes, mu_record *out)
{
    mu_err err = {.code = MU_OK};
    char *copy = malloc(bytes.len + (bytes.len == 0));
    assert_non_null(copy);
    memcpy(copy, bytes.ptr, bytes.len);
    mu_code code = mu_record_read(&f->arena, (mu_str){copy, bytes.len}, out, &err);
    if (code != MU_OK) {
        assert_int_equal(code, MU_E_CORRUPT);
        assert_true(err.text[0] != '\0');
    }
    free(copy);
    return code;
}

static void every_kind_reads_back_the_same(void **state)
{
    fixture *f = *state;
    for (int kind = MU_RECORD_CREATE; kind <= MU_RECORD_REFILL; kind++) {
        mu_record record = sample_event(), read;
        mu_err err;
        record.kind = (mu_record_kind)kind;
        record.class_name = kind == MU_RECORD_LOOKUP ? MU_STR("product") : MU_STR("");
        mu_buf_clear(&f->buf);
        mu_record_write(&f->buf, &record);
        assert_int_equal(mu_record_read(&f->arena, mu_buf_str(&f->buf), &read, &err), MU_OK);
        assert_true(same_record(&record, &read));
    }
}

static void long_texts_and_empty_ones_read_back(void **state)
{
    fixture *f = *state;
    char *text = malloc(70000);
    assert_non_null(text);
    memset(text, 'x', 70000);
    static const size_t lengths[] = {0, 1, 127, 128, 16383, 16384, 70000};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        mu_record record = {.kind = MU_RECORD_SETTINGS, .document = {text, lengths[i]}}, read;
        mu_err err;
        mu_buf_clear(&f->buf);
        mu_record_write(&f->buf, &record);
        assert_int_equal(mu_record_read(&f->arena, mu_buf_str(&f->buf), &read, &err), MU_OK);
        assert_true(same_record(&record, &read));
    }
    free(text);
}

static void a_record_cut_or_lengthened_is_corrupt(void **state)
{
    fixture *f = *state;
    mu_record record = sample_event(), read;
    mu_record_write(&f->buf, &record);
    mu_buf_add_char(&f->buf, 0);
    mu_str bytes = mu_buf_str(&f->buf);
    for (size_t len = 0; len <= bytes.len; len++)
        assert_int_equal(read_copy(f, (mu_str){bytes.ptr, len}, &read),
                         len == bytes.len - 1 ? MU_OK : MU_E_CORRUPT);
}

static void a_record_that_needs_an_identity_has_one(void **state)
{
    fixture *f = *state;
    for (int kind = MU_RECORD_CREATE; kind <= MU_RECORD_REFILL; kind++) {
        mu_record record = {.kind = (mu_record_kind)kind}, read;
        mu_buf_clear(&f->buf);
        mu_record_write(&f->buf, &record);
        bool may_lack = kind >= MU_RECORD_DROP;
        assert_int_equal(read_copy(f, mu_buf_str(&f->buf), &read), may_lack ? MU_OK : MU_E_CORRUPT);
    }
}

/* A flipped record is refused, or is another record whose bytes are just those. */
static void flipped_bits_never_read_out_of_bounds(void **state)
{
    fixture *f = *state;
    unsigned seed = (unsigned)time(NULL);
    int n = getenv("MUSTER_QUICK") != NULL ? 20000 : 200000;
    printf("seed %u\n", seed);
    srand(seed);
    mu_record record = sample_event(), read;
    mu_record_write(&f->buf, &record);
    mu_buf again;
    mu_buf_init(&again, (size_t)1 << 20);
    for (int i = 0; i < n; i++) {
        mu_arena_reset(&f->arena);
        char bytes[512];
        size_t len = f->buf.len;
        assert_true(len <= sizeof bytes);
        memcpy(bytes, f->buf.ptr, len);
        for (int flips = 1 + rand() % 3; flips > 0; flips--)
            bytes[(size_t)rand() % len] ^= (char)(1 << rand() % 8);
        mu_err err;
        if (mu_record_read(&f->arena, (mu_str){bytes, len}, &read, &err) != MU_OK)
            continue;
        mu_buf_clear(&again);
        mu_record_write(&again, &read);
        assert_true(mu_str_equal(mu_buf_str(&again), (mu_str){bytes, len}));
    }
    mu_buf_free(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_kind_reads_back_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(long_texts_and_empty_ones_read_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_record_cut_or_lengthened_is_corrupt, setup, teardown),
        cmocka_unit_test_setup_teardown(a_record_that_needs_an_identity_has_one, setup, teardown),
        cmocka_unit_test_setup_teardown(flipped_bits_never_read_out_of_bounds, setup, teardown),
    };
    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
