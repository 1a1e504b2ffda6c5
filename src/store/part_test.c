/* part_test.c -- parts written, opened again and read back; damaged parts refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/time.h"
#include "store/part_int.h"
#include "store/part_writer.h"
#include "tests/support/part_rows.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct fixture {
    mu_arena arena;
    mu_dice dice;
    char *folder;
    char path[4096];
    mu_part *part;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    mu_arena_init(&f->arena, SIZE_MAX);
    mu_dice_init(&f->dice, mu_dice_seed("store/part", 1));
    f->folder = mu_make_temporary_folder();
    snprintf(f->path, sizeof f->path, "%s/a.part", f->folder);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    mu_part_close(f->part);
    mu_remove_folder(f->folder);
    mu_arena_free(&f->arena);
    free(f);
    return 0;
}

#define assert_done(call, err)                                                                     \
    do {                                                                                           \
        if ((call) != MU_OK)                                                                       \
            fail_msg("%s", (err).text);                                                            \
    } while (0)

static mu_part_writer *new_writer(fixture *f, const mu_type *type)
{
    mu_part_writer *writer = NULL;
    mu_err err;
    unlink(f->path);
    assert_done(mu_part_writer_create(f->path, 7, MU_STR("profile"), type, NULL, &writer, &err),
                err);
    return writer;
}

static void open_part(fixture *f)
{
    mu_err err;
    mu_part_close(f->part);
    f->part = NULL;
    assert_done(mu_part_open(f->path, &f->part, &err), err);
}

static void write_part(fixture *f, const mu_type *type, uint32_t n, const uint32_t *pids,
                       const mu_value *rows)
{
    mu_err err;
    mu_part_writer *writer = new_writer(f, type);
    for (uint32_t i = 0; i < n; i++)
        assert_done(mu_part_writer_add(writer, pids[i], mu_identity_of_pid(&f->arena, pids[i]),
                                       rows[i], &err),
                    err);
    assert_done(mu_part_writer_seal(writer, &err), err);
    open_part(f);
    assert_done(mu_part_verify(f->part, &err), err);
}

static void check_row(fixture *f, uint32_t row, uint32_t pid, mu_value expected)
{
    mu_err err;
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    mu_value actual;
    assert_done(mu_part_row(f->part, row, &arena, &actual, &err), err);
    if (!mu_value_identical(actual, expected))
        fail_msg("row %u reads back differently", row);
    mu_identity identity, given = mu_identity_of_pid(&arena, pid);
    assert_done(mu_part_identity(f->part, row, &identity, &err), err);
    assert_true(mu_str_equal(identity.namespace_code, given.namespace_code));
    assert_true(mu_str_equal(identity.value, given.value));
    uint32_t block = mu_part_block_of_row(f->part, row);
    const uint32_t *pids;
    assert_done(mu_part_pids(f->part, block, &pids, &err), err);
    assert_int_equal(pids[row - mu_part_block(f->part, block).row], pid);
    mu_arena_free(&arena);
}

static void random_rows_read_back(void **state)
{
    fixture *f = *state;
    unsigned n_cases = mu_dice_cases(300);
    for (unsigned c = 0; c < n_cases; c++) {
        mu_arena_reset(&f->arena);
        const mu_type *type = mu_random_row_type(&f->arena, &f->dice);
        uint32_t n = mu_dice_below(&f->dice, c % 7 == 0 ? 3000 : 60);
        const uint32_t *pids = mu_random_pids(&f->arena, &f->dice, n, 100000);
        mu_value *rows = MU_NEW_ARRAY(&f->arena, mu_value, n);
        uint64_t n_events = 0;
        for (uint32_t i = 0; i < n; i++) {
            rows[i] = mu_random_row(&f->arena, &f->dice, type, mu_dice_below(&f->dice, 6));
            n_events += rows[i].items[type->n_fields - 1].n;
        }
        write_part(f, type, n, pids, rows);
        assert_int_equal(mu_part_rows(f->part), n);
        assert_int_equal(mu_part_events(f->part), n_events);
        assert_true(mu_type_equal(mu_part_row_type(f->part), type));
        for (uint32_t i = 0; i < n; i++)
            check_row(f, i, pids[i], rows[i]);
    }
}

/* -------- single shapes -------- */

static const mu_type *list_of(fixture *f, const mu_type *item)
{
    mu_type *type = MU_NEW(&f->arena, mu_type);
    type->kind = MU_TYPE_LIST;
    type->item = item;
    return type;
}

/* OBJECT with one field. */
static const mu_type *object_of(fixture *f, const char *name, const mu_type *field)
{
    mu_type *type = MU_NEW(&f->arena, mu_type);
    mu_str *names = MU_NEW(&f->arena, mu_str);
    const mu_type **types = MU_NEW(&f->arena, const mu_type *);
    names[0] = mu_str_from(name);
    types[0] = field;
    *type = (mu_type){
        .kind = MU_TYPE_OBJECT, .n_fields = 1, .field_names = names, .field_types = types};
    return type;
}

static mu_value holding(fixture *f, mu_type_kind kind, uint32_t n, mu_value first)
{
    mu_value *items = MU_NEW_ARRAY(&f->arena, mu_value, n);
    for (uint32_t i = 0; i < n; i++)
        items[i] = first;
    mu_value value = {.kind = kind, .n = n};
    value.items = items;
    value.keys = NULL;
    return value;
}

static mu_value object_with(fixture *f, const mu_type *type, mu_value field)
{
    mu_value value = holding(f, MU_TYPE_OBJECT, 1, field);
    value.keys = type->field_names;
    return value;
}

static void a_part_without_rows_opens(void **state)
{
    fixture *f = *state;
    write_part(f, mu_random_row_type(&f->arena, &f->dice), 0, NULL, NULL);
    assert_int_equal(mu_part_rows(f->part), 0);
    assert_int_equal(mu_part_block_count(f->part), 0);
}

static void rows_spread_over_blocks(void **state)
{
    fixture *f = *state;
    const mu_type *type = object_of(f, "points", mu_type_of(MU_TYPE_INTEGER));
    uint32_t n = 10000;
    const uint32_t *pids = mu_random_pids(&f->arena, &f->dice, n, 1000000);
    mu_value *rows = MU_NEW_ARRAY(&f->arena, mu_value, n);
    for (uint32_t i = 0; i < n; i++)
        rows[i] = object_with(f, type, mu_value_integer(i));
    write_part(f, type, n, pids, rows);
    assert_int_equal(mu_part_block_count(f->part), 3);
    assert_int_equal(mu_part_block(f->part, 1).row, 4096);
    assert_int_equal(mu_part_block(f->part, 2).n_rows, 10000 - 8192);
    mu_vector vector;
    mu_err err;
    assert_done(mu_part_vector(f->part, 1, 1, &vector, &err), err);
    assert_int_equal(vector.width, 2);
    assert_int_equal(vector.base, 4096);
    assert_true(vector.has_range && vector.min == 4096 && vector.max == 8191);
    assert_int_equal((uintptr_t)vector.data % 64, 0);
    for (uint32_t i = 0; i < n; i += 37)
        check_row(f, i, pids[i], rows[i]);
}

static void a_row_may_have_many_events(void **state)
{
    fixture *f = *state;
    const mu_type *event = object_of(f, "timestamp", mu_type_of(MU_TYPE_TIMESTAMP));
    const mu_type *type = object_of(f, "xEvent", list_of(f, event));
    uint32_t n = 200000;
    mu_value events = holding(f, MU_TYPE_LIST, n, MU_VALUE_NULL);
    for (uint32_t i = 0; i < n; i++)
        ((mu_value *)(uintptr_t)events.items)[i] =
            object_with(f, event, mu_value_timestamp(1000000 + (int64_t)i * 500));
    uint32_t pids[] = {1, 2, 3};
    mu_value rows[] = {object_with(f, type, holding(f, MU_TYPE_LIST, 0, MU_VALUE_NULL)),
                       object_with(f, type, events),
                       object_with(f, type, holding(f, MU_TYPE_LIST, 1, events.items[0]))};
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++)
            if (mu_mix32(pids[j]) > mu_mix32(pids[j + 1])) {
                uint32_t pid = pids[j];
                pids[j] = pids[j + 1];
                pids[j + 1] = pid;
            }
    write_part(f, type, 3, pids, rows);
    assert_int_equal(mu_part_events(f->part), n + 1);
    assert_int_equal(mu_part_block_count(f->part), 2); /* the second row ends the first block */
    for (uint32_t i = 0; i < 3; i++)
        check_row(f, i, pids[i], rows[i]);
}

static void empty_lists_differ_from_null_lists(void **state)
{
    fixture *f = *state;
    const mu_type *inner = list_of(f, mu_type_of(MU_TYPE_STRING));
    const mu_type *type = object_of(f, "tags", list_of(f, inner));
    mu_value empty = holding(f, MU_TYPE_LIST, 0, MU_VALUE_NULL);
    mu_value rows[] = {object_with(f, type, MU_VALUE_NULL), object_with(f, type, empty),
                       object_with(f, type, holding(f, MU_TYPE_LIST, 2, MU_VALUE_NULL)),
                       object_with(f, type, holding(f, MU_TYPE_LIST, 2, empty))};
    const uint32_t *pids = mu_random_pids(&f->arena, &f->dice, 4, 100);
    write_part(f, type, 4, pids, rows);
    for (uint32_t i = 0; i < 4; i++)
        check_row(f, i, pids[i], rows[i]);
}

static void many_distinct_strings_are_plain_and_few_have_a_dictionary(void **state)
{
    fixture *f = *state;
    const mu_type *type = object_of(f, "name", mu_type_of(MU_TYPE_STRING));
    uint32_t n = 6000;
    const uint32_t *pids = mu_random_pids(&f->arena, &f->dice, n, 100000);
    mu_value *rows = MU_NEW_ARRAY(&f->arena, mu_value, n);
    for (uint32_t n_distinct = 10; n_distinct <= 6000; n_distinct *= 600) {
        for (uint32_t i = 0; i < n; i++)
            rows[i] = object_with(
                f, type, mu_value_string(mu_arena_format(&f->arena, "n%u", i % n_distinct)));
        write_part(f, type, n, pids, rows);
        mu_dictionary dictionary = mu_part_dictionary(f->part, 1);
        assert_int_equal(dictionary.n, n_distinct == 10 ? 10 : 0);
        for (uint32_t i = 0; i < n; i += 17)
            check_row(f, i, pids[i], rows[i]);
    }
}

/* A dictionary is given up only after many strings: its finished blocks are written again. */
static void a_dictionary_that_grows_too_large_is_dropped(void **state)
{
    fixture *f = *state;
    const mu_type *type = object_of(f, "names", list_of(f, mu_type_of(MU_TYPE_STRING)));
    uint32_t n = 9000, n_names = 20;
    const uint32_t *pids = mu_random_pids(&f->arena, &f->dice, n, 100000);
    mu_value *rows = MU_NEW_ARRAY(&f->arena, mu_value, n);
    for (uint32_t i = 0; i < n; i++) {
        mu_value names = holding(f, MU_TYPE_LIST, i % 3 == 0 ? 0 : n_names, MU_VALUE_NULL);
        for (uint32_t k = 1; k < names.n; k++)
            ((mu_value *)(uintptr_t)names.items)[k] =
                mu_value_string(mu_arena_format(&f->arena, "name %u", (i * n_names + k) % 90000));
        rows[i] = object_with(f, type, i % 5 == 0 ? MU_VALUE_NULL : names);
    }
    write_part(f, type, n, pids, rows);
    assert_int_equal(mu_part_dictionary(f->part, 2).n, 0);
    for (uint32_t i = 0; i < n; i++)
        check_row(f, i, pids[i], rows[i]);
}

/* The encoding of one block of doubles. */
static mu_vector encoded(fixture *f, uint32_t n, const double *values)
{
    const mu_type *type = object_of(f, "price", mu_type_of(MU_TYPE_DOUBLE));
    const uint32_t *pids = mu_random_pids(&f->arena, &f->dice, n, 1000);
    mu_value *rows = MU_NEW_ARRAY(&f->arena, mu_value, n);
    for (uint32_t i = 0; i < n; i++)
        rows[i] = object_with(f, type, mu_value_double(values[i]));
    write_part(f, type, n, pids, rows);
    for (uint32_t i = 0; i < n; i++)
        check_row(f, i, pids[i], rows[i]);
    mu_vector vector;
    mu_err err;
    assert_done(mu_part_vector(f->part, 1, 0, &vector, &err), err);
    return vector;
}

static void doubles_are_decimals_only_when_exact(void **state)
{
    fixture *f = *state;
    mu_vector v = encoded(f, 3, (double[]){19.99, 20.5, 20});
    assert_int_equal(v.encoding, MU_ENCODING_DECIMAL);
    assert_int_equal(v.scale, 2);
    assert_int_equal(v.width, 1);
    v = encoded(f, 2, (double[]){7, 7});
    assert_int_equal(v.encoding, MU_ENCODING_DECIMAL);
    assert_int_equal(v.scale, 0);
    assert_int_equal(v.width, 0);
    assert_int_equal(encoded(f, 2, (double[]){0.0, -0.0}).encoding, MU_ENCODING_DOUBLE);
    assert_int_equal(encoded(f, 2, (double[]){0.5, 1.0 / 3}).encoding, MU_ENCODING_DOUBLE);
    assert_int_equal(encoded(f, 2, (double[]){0.00001, 1}).encoding, MU_ENCODING_DOUBLE);
    assert_int_equal(encoded(f, 2, (double[]){9007199254740993.0, 1}).encoding, MU_ENCODING_DOUBLE);
    assert_int_equal(encoded(f, 2, (double[]){0.1 + 0.2, 1}).encoding, MU_ENCODING_DOUBLE);
}

/* -------- refusals -------- */

static void wrong_rows_are_refused(void **state)
{
    fixture *f = *state;
    mu_err err;
    const mu_type *type = object_of(f, "points", mu_type_of(MU_TYPE_INTEGER));
    mu_identity identity = {MU_STR("Email"), MU_STR("ada@example.com")};
    mu_value good = object_with(f, type, mu_value_integer(1));

    mu_part_writer *writer = new_writer(f, type);
    mu_value bad = object_with(f, type, mu_value_string(MU_STR("1")));
    assert_int_equal(mu_part_writer_add(writer, 1, identity, bad, &err), MU_E_TYPE);
    assert_string_equal(err.text, "points: string does not fit a column of integer");
    assert_int_equal(mu_part_writer_add(writer, 1, identity, good, &err), MU_E_INPUT);
    mu_part_writer_discard(writer);
    assert_int_not_equal(access(f->path, F_OK), 0);

    writer = new_writer(f, type);
    assert_done(mu_part_writer_add(writer, 5, identity, good, &err), err);
    assert_int_equal(mu_part_writer_add(writer, 5, identity, good, &err), MU_E_INPUT);
    assert_int_equal(mu_part_writer_seal(writer, &err), MU_E_INPUT);
    assert_int_not_equal(access(f->path, F_OK), 0);
}

static void text_that_is_not_utf8_is_refused(void **state)
{
    fixture *f = *state;
    mu_err err;
    const mu_type *type = object_of(f, "name", mu_type_of(MU_TYPE_STRING));
    mu_identity identity = {MU_STR("Email"), MU_STR("ada@example.com")};
    for (int is_identity = 0; is_identity < 2; is_identity++) {
        mu_part_writer *writer = new_writer(f, type);
        mu_str bad = MU_STR("caf\xe9");
        if (is_identity)
            identity.value = bad;
        mu_value row = object_with(f, type, mu_value_string(is_identity ? MU_STR("") : bad));
        assert_done(mu_part_writer_add(writer, 1, identity, row, &err), err);
        assert_int_equal(mu_part_writer_seal(writer, &err), MU_E_INPUT);
        assert_string_equal(err.text, is_identity ? "the identity: a string is not UTF-8"
                                                  : "name: a string is not UTF-8");
    }
}

static void times_without_a_text_are_refused(void **state)
{
    fixture *f = *state;
    mu_err err;
    mu_identity identity = {MU_STR("Email"), MU_STR("ada@example.com")};
    const mu_value values[] = {mu_value_timestamp(MU_TIME_MAX_MS), mu_value_date(-719162),
                               mu_value_timestamp(MU_TIME_MAX_MS + 1), mu_value_date(-719163)};
    for (int i = 0; i < 4; i++) {
        const mu_type *type = object_of(f, "at", mu_type_of(values[i].kind));
        mu_part_writer *writer = new_writer(f, type);
        mu_value row = object_with(f, type, values[i]);
        assert_done(mu_part_writer_add(writer, 1, identity, row, &err), err);
        assert_int_equal(mu_part_writer_seal(writer, &err), i < 2 ? MU_OK : MU_E_INPUT);
        if (i >= 2)
            assert_string_equal(err.text, "at: a time lies outside of years 1 to 9999");
        if (i >= 2)
            continue;
        open_part(f);
        assert_done(mu_part_verify(f->part, &err), err);
        mu_value actual;
        assert_done(mu_part_row(f->part, 0, &f->arena, &actual, &err), err);
        assert_true(mu_value_identical(actual, row));
    }
}

static void events_out_of_order_are_refused(void **state)
{
    fixture *f = *state;
    mu_err err;
    const mu_type *event = object_of(f, "timestamp", mu_type_of(MU_TYPE_TIMESTAMP));
    const mu_type *type = object_of(f, "xEvent", list_of(f, event));
    mu_identity identity = {MU_STR("Email"), MU_STR("ada@example.com")};
    mu_value events = holding(f, MU_TYPE_LIST, 2, object_with(f, event, mu_value_timestamp(5)));
    ((mu_value *)(uintptr_t)events.items)[1] = object_with(f, event, mu_value_timestamp(4));
    mu_part_writer *writer = new_writer(f, type);
    mu_value row = object_with(f, type, events);
    assert_int_equal(mu_part_writer_add(writer, 1, identity, row, &err), MU_E_INPUT);
    mu_part_writer_discard(writer);
    writer = new_writer(f, type);
    row = object_with(f, type, MU_VALUE_NULL);
    assert_int_equal(mu_part_writer_add(writer, 1, identity, row, &err), MU_E_TYPE);
    mu_part_writer_discard(writer);
}

/* -------- damage -------- */

static void write_random_part(fixture *f, uint32_t n)
{
    const mu_type *type = mu_random_row_type(&f->arena, &f->dice);
    const uint32_t *pids = mu_random_pids(&f->arena, &f->dice, n, 100000);
    mu_value *rows = MU_NEW_ARRAY(&f->arena, mu_value, n);
    for (uint32_t i = 0; i < n; i++)
        rows[i] = mu_random_row(&f->arena, &f->dice, type, mu_dice_below(&f->dice, 4));
    write_part(f, type, n, pids, rows);
    mu_part_close(f->part);
    f->part = NULL;
}

/* Opens and verifies the file; then reads all that it lets. Returns what verify says. */
static mu_code read_everything(fixture *f, bool ignores_checksums, mu_err *err)
{
    mu_part *part;
    mu_part_open_options options = {.ignores_checksums = ignores_checksums};
    MU_TRY(mu_part_open_with(f->path, &options, &part, err));
    mu_code code = mu_part_verify(part, err);
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    for (uint32_t row = 0; row < mu_part_rows(part); row++) {
        mu_value value;
        mu_identity identity;
        mu_code ignored = mu_part_row(part, row, &arena, &value, NULL);
        ignored = mu_part_identity(part, row, &identity, NULL);
        (void)ignored;
        mu_arena_reset(&arena);
    }
    mu_arena_free(&arena);
    mu_part_close(part);
    return code;
}

static void flip(int fd, off_t at, uint8_t with)
{
    uint8_t byte;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= with;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

static void every_flipped_byte_is_found(void **state)
{
    fixture *f = *state;
    unsigned n_parts = mu_dice_cases(40);
    for (unsigned p = 0; p < n_parts; p++) {
        mu_arena_reset(&f->arena);
        write_random_part(f, 40);
        int fd = open(f->path, O_RDWR | O_CLOEXEC);
        off_t size = lseek(fd, 0, SEEK_END);
        for (unsigned i = 0; i < 60; i++) {
            mu_err err = {0};
            off_t at = (off_t)mu_dice_below(&f->dice, (uint32_t)size);
            uint8_t with = (uint8_t)(1u << mu_dice_below(&f->dice, 8));
            flip(fd, at, with);
            mu_code code = read_everything(f, false, &err);
            if (code == MU_OK)
                fail_msg("bit %u of byte %lld of %lld was flipped unseen", with, (long long)at,
                         (long long)size);
            assert_non_null(strstr(err.text, f->path));
            /* Behind the checksums nothing may be read out of bounds either. */
            code = read_everything(f, true, &err);
            flip(fd, at, with);
        }
        close(fd);
    }
}

static void a_file_cut_short_is_refused(void **state)
{
    fixture *f = *state;
    write_random_part(f, 30);
    int fd = open(f->path, O_RDWR | O_CLOEXEC);
    off_t size = lseek(fd, 0, SEEK_END);
    for (unsigned i = 0; i < 40; i++) {
        mu_err err;
        mu_part *part;
        size = i == 39 ? 0 : (off_t)mu_dice_below(&f->dice, (uint32_t)size);
        assert_int_equal(ftruncate(fd, size), 0);
        assert_int_equal(mu_part_open(f->path, &part, &err), MU_E_CORRUPT);
        assert_non_null(strstr(err.text, f->path));
        if (size < 2)
            break;
    }
    close(fd);
}

static void another_version_is_refused_by_name(void **state)
{
    fixture *f = *state;
    write_random_part(f, 3);
    int fd = open(f->path, O_RDWR | O_CLOEXEC);
    flip(fd, 8, MU_PART_VERSION ^ 9);
    close(fd);
    mu_err err;
    mu_part *part;
    assert_int_equal(mu_part_open(f->path, &part, &err), MU_E_INPUT);
    assert_non_null(strstr(err.text, "has part format 9; this muster reads formats 1 to 2"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(random_rows_read_back),
        TEST(a_part_without_rows_opens),
        TEST(rows_spread_over_blocks),
        TEST(a_row_may_have_many_events),
        TEST(empty_lists_differ_from_null_lists),
        TEST(many_distinct_strings_are_plain_and_few_have_a_dictionary),
        TEST(a_dictionary_that_grows_too_large_is_dropped),
        TEST(doubles_are_decimals_only_when_exact),
        TEST(wrong_rows_are_refused),
        TEST(text_that_is_not_utf8_is_refused),
        TEST(times_without_a_text_are_refused),
        TEST(events_out_of_order_are_refused),
        TEST(every_flipped_byte_is_found),
        TEST(a_file_cut_short_is_refused),
        TEST(another_version_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
