/* part_packed_test.c -- packed vectors: read in place, unpacked, copied and refused when damaged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/part_int.h"
#include "store/part_writer.h"
#include "store/row_copy.h"
#include "tests/support/part_rows.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define N_ROWS 9000u

typedef struct fixture {
    mu_arena arena;
    mu_dice dice;
    char *folder;
    char path[4096];
    mu_part *part;
    const mu_type *type;
    mu_value *rows;
} fixture;

#define assert_done(call, err)                                                                     \
    do {                                                                                           \
        if ((call) != MU_OK)                                                                       \
            fail_msg("%s", (err).text);                                                            \
    } while (0)

static void write_part(fixture *f)
{
    mu_err err;
    mu_part_writer *writer;
    const uint32_t *pids = mu_random_pids(&f->arena, &f->dice, N_ROWS, N_ROWS * 5);
    assert_done(mu_part_writer_create(f->path, 1, MU_STR("profile"), f->type, NULL, &writer, &err),
                err);
    for (uint32_t i = 0; i < N_ROWS; i++) {
        f->rows[i] = mu_packed_row(&f->arena, &f->dice, f->type, i);
        assert_done(mu_part_writer_add(writer, pids[i], mu_identity_of_pid(&f->arena, pids[i]),
                                       f->rows[i], &err),
                    err);
    }
    assert_done(mu_part_writer_seal(writer, &err), err);
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    mu_err err;
    mu_arena_init(&f->arena, SIZE_MAX);
    mu_dice_init(&f->dice, mu_dice_seed("store/part_packed", 1));
    f->folder = mu_make_temporary_folder();
    snprintf(f->path, sizeof f->path, "%s/a.part", f->folder);
    f->type = mu_packed_row_type(&f->arena);
    f->rows = MU_NEW_ARRAY(&f->arena, mu_value, N_ROWS);
    write_part(f);
    assert_done(mu_part_open(f->path, &f->part, &err), err);
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

/* The column at a field of the row, or of its events. */
static uint32_t column_of(const fixture *f, bool of_event, const char *name)
{
    uint32_t object = 0;
    if (of_event)
        object = mu_part_column(f->part, mu_part_child(f->part, 0, MU_STR("xEvent")))->children[0];
    return mu_part_child(f->part, object, mu_str_from(name));
}

static mu_vector vector_of(const fixture *f, bool of_event, const char *name)
{
    mu_vector vector;
    mu_err err;
    assert_done(mu_part_vector(f->part, column_of(f, of_event, name), 0, &vector, &err), err);
    return vector;
}

static void columns_are_packed_as_expected(void **state)
{
    fixture *f = *state;
    for (int of_event = 0; of_event < 2; of_event++) {
        assert_int_equal(vector_of(f, of_event, "id").encoding, MU_ENCODING_UUIDS);
        assert_int_equal(vector_of(f, of_event, "someId").encoding, MU_ENCODING_UUIDS);
        assert_int_equal(vector_of(f, of_event, "run").encoding, MU_ENCODING_RUNS);
        assert_int_equal(vector_of(f, of_event, "phone").encoding, MU_ENCODING_HALVES);
        assert_int_equal(vector_of(f, of_event, "tags").encoding, MU_ENCODING_SINGLE);
        mu_vector amount = vector_of(f, of_event, "amount"), rare = vector_of(f, of_event, "rare");
        assert_int_equal(amount.encoding, MU_ENCODING_DECIMAL);
        assert_int_equal(rare.encoding, MU_ENCODING_CODES);
        assert_non_null(amount.ranks);
        assert_non_null(rare.ranks);
        assert_true(amount.has_range && rare.has_range);
        mu_vector few = vector_of(f, of_event, "few"), tags = vector_of(f, of_event, "rareTags");
        assert_int_equal(few.encoding, MU_ENCODING_OFFSETS);
        assert_int_equal(few.width, 1);
        assert_int_equal(tags.width, 1);
        assert_non_null(tags.ranks);
    }
}

static void packed_rows_read_back(void **state)
{
    fixture *f = *state;
    mu_err err;
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    for (uint32_t i = 0; i < N_ROWS; i++) {
        mu_value row;
        mu_arena_reset(&arena);
        assert_done(mu_part_row(f->part, i, &arena, &row, &err), err);
        if (!mu_value_identical(row, f->rows[i]))
            fail_msg("row %u reads back differently", i);
    }
    mu_arena_free(&arena);
    assert_done(mu_part_verify(f->part, &err), err);
}

static void check_element(const mu_vector *packed, const mu_vector *plain,
                          const mu_dictionary *dictionary, uint32_t i)
{
    char room[64];
    assert_in_range(mu_part_string_room(packed, i), 0, sizeof room);
    assert_int_equal(mu_vector_is_null(packed, i), mu_vector_is_null(plain, i));
    if (mu_vector_is_null(packed, i))
        return;
    if (plain->encoding == MU_ENCODING_OFFSETS) {
        assert_int_equal(mu_vector_begin(packed, i), plain->offsets[i]);
        assert_int_equal(mu_vector_end(packed, i), plain->offsets[i + 1]);
    } else if (plain->encoding == MU_ENCODING_DECIMAL) {
        assert_true(mu_vector_double(packed, i) == mu_vector_double(plain, i));
    } else {
        assert_true(mu_str_equal(mu_part_string(packed, dictionary, i, room),
                                 mu_part_string(plain, dictionary, i, NULL)));
    }
}

static void unpacked_vectors_are_the_packed_ones(void **state)
{
    fixture *f = *state;
    static const char *const names[] = {"id",   "someId", "amount",   "rare", "run",
                                        "tags", "few",    "rareTags", "phone"};
    for (size_t c = 0; c < 2 * sizeof names / sizeof names[0]; c++) {
        const char *name = names[c / 2];
        mu_vector packed = vector_of(f, c % 2, name), plain;
        mu_dictionary dictionary = mu_part_dictionary(f->part, column_of(f, c % 2, name));
        size_t size = mu_vector_plain_bytes(&packed);
        assert_true(size > 0);
        void *memory = malloc(size);
        mu_vector_unpack(&packed, memory, &plain);
        assert_int_equal(mu_vector_plain_bytes(&plain), 0);
        assert_true(plain.encoding <= MU_ENCODING_OFFSETS);
        assert_true(plain.min == packed.min && plain.max == packed.max);
        for (uint32_t i = 0; i < packed.n; i++)
            check_element(&packed, &plain, &dictionary, i);
        free(memory);
    }
}

/* Few lists, but long ones. */
static void check_long_lists(fixture *f, uint32_t n_items, unsigned expected_width)
{
    mu_err err;
    mu_part_writer *writer;
    mu_vector packed, plain;
    const uint32_t n = 4000;
    const uint32_t *pids = mu_random_pids(&f->arena, &f->dice, n, n * 5);
    mu_part_close(f->part);
    f->part = NULL;
    unlink(f->path);
    assert_done(mu_part_writer_create(f->path, 1, MU_STR("profile"), f->type, NULL, &writer, &err),
                err);
    for (uint32_t i = 0; i < n; i++) {
        mu_value row = mu_packed_row(&f->arena, &f->dice, f->type, i);
        mu_value *list = &((mu_value *)(uintptr_t)row.items)[7];
        if (list->kind == MU_TYPE_LIST)
            *list = (mu_value){.kind = MU_TYPE_LIST,
                               .n = n_items,
                               .items = MU_NEW_ARRAY(&f->arena, mu_value, n_items)};
        f->rows[i] = row;
        assert_done(
            mu_part_writer_add(writer, pids[i], mu_identity_of_pid(&f->arena, pids[i]), row, &err),
            err);
    }
    assert_done(mu_part_writer_seal(writer, &err), err);
    assert_done(mu_part_open(f->path, &f->part, &err), err);
    packed = vector_of(f, false, "rareTags");
    assert_int_equal(packed.width, expected_width);
    void *memory = malloc(mu_vector_plain_bytes(&packed));
    mu_vector_unpack(&packed, memory, &plain);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t expected = f->rows[i].items[7].kind == MU_TYPE_LIST ? n_items : 0;
        assert_int_equal(mu_vector_end(&packed, i) - mu_vector_begin(&packed, i), expected);
        assert_int_equal(plain.offsets[i], mu_vector_begin(&packed, i));
        assert_int_equal(plain.offsets[i + 1], mu_vector_end(&packed, i));
    }
    free(memory);
    assert_done(mu_part_verify(f->part, &err), err);
}

static void long_rare_lists_have_wide_offsets(void **state)
{
    check_long_lists(*state, 20, 2);
    check_long_lists(*state, 1000, 4);
}

static void copied_rows_are_packed_again(void **state)
{
    fixture *f = *state;
    char path[4200];
    mu_err err;
    mu_row_copier *copier;
    mu_part_writer *writer;
    snprintf(path, sizeof path, "%s.copy", f->path);
    assert_done(mu_part_writer_create(path, 1, MU_STR("profile"), f->type, NULL, &writer, &err),
                err);
    assert_done(mu_row_copier_new(f->part, &copier, &err), err);
    for (uint32_t row = 0, n; row < N_ROWS; row += n) {
        mu_block block = mu_part_block(f->part, mu_part_block_of_row(f->part, row));
        n = block.row + block.n_rows - row;
        assert_done(mu_row_copier_room(copier, writer, row, n, &n, &err), err);
        assert_done(mu_row_copier_copy(copier, writer, row, n, &err), err);
    }
    mu_row_copier_free(copier);
    assert_done(mu_part_writer_seal(writer, &err), err);
    mu_arena arena;
    mu_str one, other;
    mu_arena_init(&arena, SIZE_MAX);
    assert_done(mu_file_read(&arena, f->path, 1 << 26, &one, &err), err);
    assert_done(mu_file_read(&arena, path, 1 << 26, &other, &err), err);
    assert_true(mu_str_equal(one, other));
    mu_arena_free(&arena);
}

/* -------- damage -------- */

static void patch(const fixture *f, uint64_t at, const void *bytes, size_t size)
{
    int fd = open(f->path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(fd, bytes, size, (off_t)at), (ssize_t)size);
    close(fd);
}

/* What first touch says of a column once `at` of its area in block 0 holds `value` instead. */
static void check_damage(fixture *f, const char *name, uint64_t at, uint32_t value,
                         const char *expected)
{
    mu_err err;
    mu_part *part;
    mu_vector vector;
    uint32_t column = column_of(f, true, name), before;
    at += f->part->vectors[column].offset;
    memcpy(&before, f->part->mapping.bytes + at, sizeof before);
    patch(f, at, &value, sizeof value);
    assert_done(mu_part_open_with(f->path, &(mu_part_open_options){true}, &part, &err), err);
    assert_int_equal(mu_part_vector(part, column, 0, &vector, &err), MU_E_CORRUPT);
    if (strstr(err.text, expected) == NULL)
        fail_msg("%s: expected \"%s\" in \"%s\"", name, expected, err.text);
    mu_part_close(part);
    patch(f, at, &before, sizeof before);
}

static void damaged_packing_is_refused(void **state)
{
    fixture *f = *state;
    mu_vector run = vector_of(f, true, "run"), amount = vector_of(f, true, "amount");
    uint64_t valid = mu_part_align(mu_bits_words(amount.n) * 8);
    const char *bad_runs = "its runs do not end with it", *bad_ranks = "the places of its values";
    check_damage(f, "run", 0, 0, bad_runs);
    check_damage(f, "run", 4, run.offsets[0], bad_runs);
    check_damage(f, "run", 4 * (run.n_runs - 1), run.n + 1, bad_runs);
    check_damage(f, "run", 4 * (run.n_runs - 1), run.n - 1, bad_runs);
    check_damage(f, "run", mu_part_align(4 * (uint64_t)run.n_runs), UINT32_MAX,
                 "a code has no dictionary entry");
    check_damage(f, "amount", valid, 1, bad_ranks);
    check_damage(f, "amount", valid + 4, UINT32_MAX, bad_ranks);
    uint64_t alphabet = valid + mu_part_align(4 * ((uint64_t)amount.n + 1));
    check_damage(f, "phone", alphabet, 0x80, "a string is not UTF-8");
    check_damage(f, "phone", valid + 4, UINT32_MAX, "string offsets do not ascend");
    check_damage(f, "phone", valid + 4 * (uint64_t)amount.n, UINT32_MAX, "do not fill their area");
    check_damage(f, "few", 0, 1, "list offsets do not ascend");
    check_damage(f, "few", 4 * 100, 0, "list offsets do not ascend");
    check_damage(f, "few", mu_offset_bases_bytes(amount.n) + 400, 0xff,
                 "list offsets do not ascend");
    check_damage(f, "rareTags", valid + 4, UINT32_MAX, bad_ranks);
    check_damage(f, "rareTags", valid + mu_part_align(4 * (amount.n / 512 + 1)), 2,
                 "list offsets do not ascend");
    check_damage(f, "amount", 0, ~(uint32_t)amount.valid[0], "the bitmap of nulls");
}

static void a_part_of_version_1_has_nothing_packed(void **state)
{
    fixture *f = *state;
    mu_err err;
    mu_part *part;
    mu_vector vector;
    uint32_t version = 1;
    static const char *const names[] = {"id", "amount", "run", "tags", "few", "rareTags", "phone"};
    patch(f, 8, &version, sizeof version);
    assert_done(mu_part_open_with(f->path, &(mu_part_open_options){true}, &part, &err), err);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(mu_part_vector(part, column_of(f, false, names[i]), 0, &vector, &err),
                         MU_E_CORRUPT);
        assert_non_null(strstr(err.text, "the encoding does not fit the column"));
    }
    mu_part_close(part);
}

/* -------- UUIDs -------- */

static void only_canonical_texts_are_uuids(void **state)
{
    (void)state;
    static const char good[] = "01234567-89ab-cdef-0f1e-2d3c4b5a6978";
    static const uint8_t expected[] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
                                       0x0f, 0x1e, 0x2d, 0x3c, 0x4b, 0x5a, 0x69, 0x78};
    uint8_t bytes[MU_UUID_BYTES];
    char text[MU_UUID_LENGTH];
    assert_true(mu_uuid_read(good, bytes));
    assert_memory_equal(bytes, expected, sizeof expected);
    mu_uuid_write(bytes, text);
    assert_memory_equal(text, good, MU_UUID_LENGTH);
    for (unsigned at = 0; at < MU_UUID_LENGTH; at++)
        for (unsigned c = 0; c < 256; c++) {
            bool is_dash = good[at] == '-';
            bool is_digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
            memcpy(text, good, MU_UUID_LENGTH);
            text[at] = (char)c;
            assert_int_equal(mu_uuid_read(text, bytes), is_dash ? c == '-' : is_digit);
        }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(columns_are_packed_as_expected),
        TEST(packed_rows_read_back),
        TEST(unpacked_vectors_are_the_packed_ones),
        TEST(long_rare_lists_have_wide_offsets),
        TEST(copied_rows_are_packed_again),
        TEST(damaged_packing_is_refused),
        TEST(a_part_of_version_1_has_nothing_packed),
        cmocka_unit_test(only_canonical_texts_are_uuids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
