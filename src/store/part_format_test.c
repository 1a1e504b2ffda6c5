/* part_format_test.c -- the bytes of parts do not change unnoticed.
 *
 * fuzz/corpus/part/format-N are files of the version that part_int.h names. When the writer's bytes
 * change, so must the version. MUSTER_UPDATE=1 writes the files anew; the fuzzer starts from them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/part_int.h"
#include "store/part_writer.h"
#include "tests/support/part_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define N_FILES 10u

static void write_part(mu_arena *arena, uint32_t number, const char *path)
{
    mu_dice dice;
    mu_dice_init(&dice, 3000 + number);
    mu_err err;
    mu_part_writer *writer;
    const mu_type *type = mu_random_row_type(arena, &dice);
    uint32_t n = number == 0 ? 0 : 4 + number * number / 4;
    const uint32_t *pids = mu_random_pids(arena, &dice, n, 5000);
    unlink(path);
    if (mu_part_writer_create(path, number + 1, MU_STR("profile"), type, NULL, &writer, &err) !=
        MU_OK)
        fail_msg("%s", err.text);
    for (uint32_t i = 0; i < n; i++) {
        mu_value row = mu_random_row(arena, &dice, type, mu_dice_below(&dice, 4));
        if (mu_part_writer_add(writer, pids[i], mu_identity_of_pid(arena, pids[i]), row, &err) !=
            MU_OK)
            fail_msg("%s", err.text);
    }
    if (mu_part_writer_seal(writer, &err) != MU_OK)
        fail_msg("%s", err.text);
}

static mu_str read_file(mu_arena *arena, const char *path)
{
    mu_str text;
    mu_err err;
    if (mu_file_read(arena, path, 1 << 24, &text, &err) != MU_OK)
        fail_msg("%s", err.text);
    return text;
}

static void the_bytes_of_parts_are_as_they_were(void **state)
{
    (void)state;
    mu_arena arena;
    char *folder = mu_make_temporary_folder();
    bool is_update = getenv("MUSTER_UPDATE") != NULL;
    mu_arena_init(&arena, SIZE_MAX);
    for (uint32_t number = 0; number < N_FILES; number++) {
        char kept[4096], fresh[4096];
        snprintf(kept, sizeof kept, "%s/fuzz/corpus/part/format-%u", MUSTER_SOURCE_DIR, number);
        snprintf(fresh, sizeof fresh, "%s/%u", folder, number);
        write_part(&arena, number, is_update ? kept : fresh);
        if (is_update)
            continue;
        mu_str expected = read_file(&arena, kept), actual = read_file(&arena, fresh);
        if (!mu_str_equal(expected, actual))
            fail_msg("%s is not what the writer makes now: is this another format version?", kept);
        mu_part *part;
        mu_err err;
        if (mu_part_open(kept, &part, &err) != MU_OK || mu_part_verify(part, &err) != MU_OK)
            fail_msg("%s", err.text);
        mu_part_close(part);
    }
    mu_arena_free(&arena);
    mu_remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_bytes_of_parts_are_as_they_were)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
