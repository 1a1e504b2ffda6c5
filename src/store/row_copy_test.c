/* row_copy_test.c -- rows copied from part to part are the rows that were there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/row_copy.h"
#include "tests/support/part_rows.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct fixture {
    mu_arena arena;
    mu_dice dice;
    char *folder;
    uint64_t next_id;
} fixture;

#define assert_done(call, err)                                                                     \
    do {                                                                                           \
        if ((call) != MU_OK)                                                                       \
            fail_msg("%s", (err).text);                                                            \
    } while (0)

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    mu_arena_init(&f->arena, SIZE_MAX);
    mu_dice_init(&f->dice, mu_dice_seed("store/row_copy", 1));
    f->folder = mu_make_temporary_folder();
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    mu_remove_folder(f->folder);
    mu_arena_free(&f->arena);
    free(f);
    return 0;
}

/* A type that extends `type`: more fields anywhere, some integers doubles. */
static const mu_type *extended(fixture *f, const mu_type *type)
{
    if (type->kind == MU_TYPE_INTEGER && mu_dice_percent(&f->dice, 30))
        return mu_type_of(MU_TYPE_DOUBLE);
    if (type->kind != MU_TYPE_OBJECT && type->kind != MU_TYPE_LIST && type->kind != MU_TYPE_MAP)
        return type;
    mu_type *made = MU_NEW(&f->arena, mu_type);
    *made = *type;
    if (type->kind != MU_TYPE_OBJECT) {
        made->item = extended(f, type->item);
        return made;
    }
    uint32_t n = 0;
    mu_str *names = MU_NEW_ARRAY(&f->arena, mu_str, type->n_fields * 2);
    const mu_type **types = MU_NEW_ARRAY(&f->arena, const mu_type *, type->n_fields * 2);
    for (uint32_t i = 0; i < type->n_fields; i++) {
        if (mu_dice_percent(&f->dice, 20)) {
            names[n] = mu_arena_format(&f->arena, "new%u", i);
            types[n++] = mu_type_of(mu_dice_percent(&f->dice, 50) ? MU_TYPE_STRING : MU_TYPE_DATE);
        }
        names[n] = type->field_names[i];
        types[n++] = extended(f, type->field_types[i]);
    }
    made->n_fields = n;
    made->field_names = names;
    made->field_types = types;
    return made;
}

static mu_part_writer *new_writer(fixture *f, const mu_type *type, char path[4096])
{
    mu_err err;
    mu_part_writer *writer = NULL;
    snprintf(path, 4096, "%s/%llu.part", f->folder, (unsigned long long)++f->next_id);
    assert_done(
        mu_part_writer_create(path, f->next_id, MU_STR("profile"), type, NULL, &writer, &err), err);
    return writer;
}

static mu_part *seal(mu_part_writer *writer, const char *path)
{
    mu_err err;
    mu_part *part = NULL;
    assert_done(mu_part_writer_seal(writer, &err), err);
    assert_done(mu_part_open(path, &part, &err), err);
    assert_done(mu_part_verify(part, &err), err);
    return part;
}

static mu_part *random_part(fixture *f, const mu_type *type, uint32_t n)
{
    mu_err err;
    char path[4096];
    uint32_t *pids = mu_random_pids(&f->arena, &f->dice, n, n * 4 + 10);
    mu_part_writer *writer = new_writer(f, type, path);
    for (uint32_t i = 0; i < n; i++)
        assert_done(mu_part_writer_add(
                        writer, pids[i], mu_identity_of_pid(&f->arena, pids[i]),
                        mu_random_row(&f->arena, &f->dice, type, mu_dice_below(&f->dice, 6)), &err),
                    err);
    return seal(writer, path);
}

static void copy_all(fixture *f, mu_row_copier *copier, mu_part_writer *writer, uint32_t begin,
                     uint32_t end, const mu_part *from)
{
    mu_err err;
    while (begin < end) {
        uint32_t block = mu_part_block_of_row(from, begin), n = 0;
        uint32_t most = from->blocks[block].row + from->blocks[block].n_rows - begin;
        uint32_t wanted = 1 + mu_dice_below(&f->dice, 100);
        wanted = wanted < most ? wanted : most;
        wanted = wanted < end - begin ? wanted : end - begin;
        assert_done(mu_row_copier_room(copier, writer, begin, wanted, &n, &err), err);
        assert_in_range(n, 1, wanted);
        assert_done(mu_row_copier_copy(copier, writer, begin, n, &err), err);
        begin += n;
    }
}

static void check_rows(const mu_part *from, uint32_t first, const mu_part *to, const mu_type *type)
{
    mu_err err;
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    for (uint32_t row = 0; row < mu_part_rows(to); row++) {
        mu_value old, copy;
        mu_identity before, after;
        mu_arena_reset(&arena);
        assert_done(mu_part_row(from, first + row, &arena, &old, &err), err);
        assert_done(mu_part_row(to, row, &arena, &copy, &err), err);
        old = mu_value_extend(&arena, mu_part_row_type(from), type, old);
        assert_true(mu_value_identical(old, copy));
        assert_done(mu_part_identity(from, first + row, &before, &err), err);
        assert_done(mu_part_identity(to, row, &after, &err), err);
        assert_true(mu_str_equal(before.value, after.value));
        assert_true(mu_str_equal(before.namespace_code, after.namespace_code));
    }
    mu_arena_free(&arena);
}

static void copied_rows_are_what_they_were(void **state)
{
    fixture *f = *state;
    mu_err err;
    unsigned n_cases = mu_dice_cases(60) + 6;
    for (unsigned i = 0; i < n_cases; i++) {
        const mu_type *type = mu_random_row_type(&f->arena, &f->dice);
        const mu_type *later = i % 2 == 0 ? type : extended(f, type);
        uint32_t n = i == 0 ? 9000 : mu_dice_below(&f->dice, 300) + 1;
        mu_part *from = random_part(f, type, n), *to;
        mu_row_copier *copier = NULL;
        char path[4096];
        uint32_t half = mu_dice_below(&f->dice, n);
        assert_done(mu_row_copier_new(from, &copier, &err), err);
        mu_part_writer *writer = new_writer(f, later, path);
        copy_all(f, copier, writer, 0, half, from);
        to = seal(writer, path);
        assert_int_equal(mu_part_rows(to), half);
        check_rows(from, 0, to, later);
        mu_part_close(to);
        writer = new_writer(f, later, path); /* perhaps where the one before was */
        copy_all(f, copier, writer, half, n, from);
        to = seal(writer, path);
        assert_int_equal(mu_part_rows(to), n - half);
        check_rows(from, half, to, later);
        mu_part_close(to);
        mu_row_copier_free(copier);
        mu_part_close(from);
        mu_arena_reset(&f->arena);
    }
}

static void a_type_that_does_not_fit_is_refused(void **state)
{
    fixture *f = *state;
    mu_err err;
    char path[4096];
    const mu_type *type = mu_random_row_type(&f->arena, &f->dice);
    mu_type fewer = *type;
    fewer.n_fields--; /* no xEvent */
    mu_part *from = random_part(f, type, 10);
    mu_row_copier *copier = NULL;
    uint32_t n = 0;
    assert_done(mu_row_copier_new(from, &copier, &err), err);
    mu_part_writer *writer = new_writer(f, &fewer, path);
    assert_done(mu_row_copier_room(copier, writer, 0, 10, &n, &err), err);
    assert_int_equal(mu_row_copier_copy(copier, writer, 0, n, &err), MU_E_TYPE);
    mu_part_writer_discard(writer);
    mu_row_copier_free(copier);
    mu_part_close(from);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(copied_rows_are_what_they_were),
        TEST(a_type_that_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
