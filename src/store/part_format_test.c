/* part_format_test.c -- the bytes of parts do not change unnoticed.
 *
 * fuzz/corpus/part/format-N are files of the version that part_int.h names. When the writer's bytes
 * change, so must the version. MUSTER_UPDATE=1 writes the files anew; the fuzzer starts from them.
 * version-1-N are files of version 1, which are read for ever.
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

#define N_FILES     11u
#define N_FILES_OLD 10u
#define PACKED_FILE 10u /* has every packed encoding */

static void write_part(mu_arena *arena, uint32_t number, const char *path)
{
    mu_dice dice;
    mu_dice_init(&dice, 3000 + number);
    mu_err err;
    mu_part_writer *writer;
    bool is_packed = number == PACKED_FILE;
    const mu_type *type = is_packed ? mu_packed_row_type(arena) : mu_random_row_type(arena, &dice);
    uint32_t n = is_packed ? 1100 : number == 0 ? 0 : 4 + number * number / 4;
    const uint32_t *pids = mu_random_pids(arena, &dice, n, 5000);
    unlink(path);
    if (mu_part_writer_create(path, number + 1, MU_STR("profile"), type, NULL, &writer, &err) !=
        MU_OK)
        fail_msg("%s", err.text);
    for (uint32_t i = 0; i < n; i++) {
        mu_value row = is_packed ? mu_packed_row(arena, &dice, type, i)
                                 : mu_random_row(arena, &dice, type, mu_dice_below(&dice, 4));
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

static void check_file(const char *path)
{
    mu_part *part;
    mu_err err;
    if (mu_part_open(path, &part, &err) != MU_OK || mu_part_verify(part, &err) != MU_OK)
        fail_msg("%s", err.text);
    mu_part_close(part);
}

static void parts_of_version_1_are_read(void **state)
{
    (void)state;
    for (uint32_t number = 0; number < N_FILES_OLD; number++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/fuzz/corpus/part/version-1-%u", MUSTER_SOURCE_DIR, number);
        check_file(path);
    }
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
        check_file(kept);
    }
    mu_arena_free(&arena);
    mu_remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_bytes_of_parts_are_as_they_were),
                                       cmocka_unit_test(parts_of_version_1_are_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
