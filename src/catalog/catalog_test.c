/* catalog_test.c -- states written and read; rows that were changed behind our back are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "catalog/catalog.h"
#include "tests/support/part_rows.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct fixture {
    mu_arena arena;
    char *folder;
    char path[4096];
    mu_catalog *catalog;
} fixture;

#define assert_done(call, err)                                                                     \
    do {                                                                                           \
        if ((call) != MU_OK)                                                                       \
            fail_msg("%s", (err).text);                                                            \
    } while (0)

static const uint64_t dead_words[2] = {5, 1};

static void commit_something(fixture *f)
{
    mu_err err;
    bool is_unsettled;
    mu_str schema = MU_STR("{\"a\":\"\xc3\xa4\"}");
    mu_catalog_part parts[] = {
        {.id = 1, .entity = MU_STR("profile"), .n_bytes = 4096, .n_rows = 10, .n_events = 30},
        {.id = 2,
         .entity = MU_STR("product"),
         .n_bytes = 1024,
         .footer_checksum = UINT64_MAX,
         .n_rows = 100,
         .n_dead = 3,
         .dead = {(const char *)dead_words, sizeof dead_words}}};
    mu_catalog_counter counter = {MU_STR("profile"), 11};
    mu_catalog_mark mark = {77, MU_STR("as far\0as this")};
    mu_catalog_edit edit = {.schema = &schema,
                            .n_put = 2,
                            .put = parts,
                            .n_counters = 1,
                            .counters = &counter,
                            .mark = &mark,
                            .next_part_id = 3};
    assert_done(mu_catalog_add_sandbox(f->catalog, MU_STR("prod"), &err), err);
    assert_done(mu_catalog_commit(f->catalog, MU_STR("prod"), &edit, &is_unsettled, &err), err);
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    mu_err err;
    mu_arena_init(&f->arena, SIZE_MAX);
    f->folder = mu_make_temporary_folder();
    snprintf(f->path, sizeof f->path, "%s/catalog.db", f->folder);
    assert_done(mu_catalog_open(f->path, MU_CATALOG_WRITE, &f->catalog, &err), err);
    commit_something(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    mu_catalog_close(f->catalog);
    mu_remove_folder(f->folder);
    mu_arena_free(&f->arena);
    free(f);
    return 0;
}

/* Changes the file as somebody with the sqlite3 program could. */
static void run_sql(fixture *f, const char *text)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

static void a_state_reads_back(void **state)
{
    fixture *f = *state;
    mu_err err;
    mu_catalog_state read = {0};
    assert_done(mu_catalog_read(f->catalog, &f->arena, MU_STR("prod"), &read, &err), err);
    assert_int_equal(read.generation, 1);
    assert_true(mu_str_equal(read.schema, MU_STR("{\"a\":\"\xc3\xa4\"}")));
    assert_int_equal(read.n_parts, 2);
    assert_int_equal(read.parts[0].n_events, 30);
    assert_int_equal(read.parts[1].footer_checksum, UINT64_MAX);
    assert_true(mu_str_equal(read.parts[1].entity, MU_STR("product")));
    assert_int_equal(read.parts[1].n_dead, 3);
    assert_memory_equal(read.parts[1].dead.ptr, dead_words, sizeof dead_words);
    assert_int_equal(read.n_counters, 1);
    assert_int_equal(read.counters[0].next_pid, 11);
    assert_true(read.has_mark);
    assert_int_equal(read.mark.next_sequence, 77);
    assert_true(mu_str_equal(read.mark.state, MU_STR("as far\0as this")));
    uint32_t n = 0;
    const uint64_t *ids;
    uint64_t next = 0;
    assert_done(mu_catalog_part_ids(f->catalog, &f->arena, &n, &ids, &next, &err), err);
    assert_int_equal(n, 2);
    assert_int_equal(next, 3);
}

static void a_commit_from_an_older_state_is_refused(void **state)
{
    fixture *f = *state;
    mu_err err;
    bool is_unsettled = true;
    uint64_t removed = 1;
    mu_catalog_edit edit = {.base_generation = 0, .n_removed = 1, .removed = &removed};
    assert_int_equal(mu_catalog_commit(f->catalog, MU_STR("prod"), &edit, &is_unsettled, &err),
                     MU_E_CONFLICT);
    assert_false(is_unsettled);
    mu_catalog_state read = {0};
    assert_done(mu_catalog_read(f->catalog, &f->arena, MU_STR("prod"), &read, &err), err);
    assert_int_equal(read.n_parts, 2);
}

static void rows_changed_behind_our_back_are_refused(void **state)
{
    fixture *f = *state;
    static const char *const tricks[][2] = {
        {"UPDATE part SET rows = rows + 1 WHERE id = 1", "a row of table part has the wrong"},
        {"UPDATE part SET dead = zeroblob(16) WHERE id = 2", "a row of table part has the wrong"},
        {"UPDATE part SET entity = 'planet' WHERE id = 1", "a row of table part has the wrong"},
        {"DELETE FROM part WHERE id = 1", "rows of sandbox \"prod\" are missing"},
        {"UPDATE part SET sandbox = 9 WHERE id = 1", "rows of sandbox \"prod\" are missing"},
        {"UPDATE pid_counter SET next_pid = 1", "a row of table pid_counter has the wrong"},
        {"DELETE FROM pid_counter", "rows of sandbox \"prod\" are missing"},
        {"UPDATE schema_version SET json = '{}'", "a row of table schema_version has the wrong"},
        {"DELETE FROM schema_version", "rows of sandbox \"prod\" are missing"},
        {"UPDATE mark SET next_sequence = 78", "a row of table mark has the wrong"},
        {"UPDATE mark SET state = x'00'", "a row of table mark has the wrong"},
        {"DELETE FROM mark", "rows of sandbox \"prod\" are missing"},
        {"UPDATE sandbox SET generation = 7", "a row of table sandbox has the wrong"}};
    for (size_t i = 0; i < sizeof tricks / sizeof tricks[0]; i++) {
        mu_err err;
        mu_catalog_state read;
        run_sql(f, "DELETE FROM part; DELETE FROM pid_counter; DELETE FROM schema_version;"
                   "DELETE FROM mark; DELETE FROM sandbox");
        commit_something(f);
        run_sql(f, tricks[i][0]);
        assert_int_equal(mu_catalog_read(f->catalog, &f->arena, MU_STR("prod"), &read, &err),
                         MU_E_CORRUPT);
        if (strstr(err.text, tricks[i][1]) == NULL || strstr(err.text, f->path) == NULL)
            fail_msg("%s: %s", tricks[i][0], err.text);
    }
}

static void other_files_and_formats_are_refused_by_name(void **state)
{
    fixture *f = *state;
    mu_err err;
    mu_catalog *other = NULL;
    run_sql(f, "PRAGMA user_version = 9");
    assert_int_equal(mu_catalog_open(f->path, MU_CATALOG_READ, &other, &err), MU_E_INPUT);
    assert_non_null(strstr(err.text, "has catalog format 9; this muster reads format 2"));
    run_sql(f, "PRAGMA application_id = 77");
    assert_int_equal(mu_catalog_open(f->path, MU_CATALOG_WRITE, &other, &err), MU_E_INPUT);
    assert_non_null(strstr(err.text, "is not a catalog of muster"));
    char path[4200];
    snprintf(path, sizeof path, "%s.text", f->path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("This is no database at all, and long enough to be looked at as if it were one.", file);
    fclose(file);
    assert_int_equal(mu_catalog_open(path, MU_CATALOG_READ, &other, &err), MU_E_CORRUPT);
}

/* A folder of version 1: no table of marks. A reader takes it as it is, a writer brings it up. */
static void version_1_is_read_and_brought_up_to_date(void **state)
{
    fixture *f = *state;
    mu_err err;
    mu_catalog *reader = NULL, *writer = NULL;
    mu_catalog_state read = {0};
    bool is_unsettled;
    mu_catalog_mark mark = {5, MU_STR("now")};
    mu_catalog_edit edit = {.next_part_id = 1, .mark = &mark};
    assert_done(mu_catalog_add_sandbox(f->catalog, MU_STR("old"), &err), err);
    run_sql(f, "DROP TABLE mark; PRAGMA user_version = 1");
    assert_done(mu_catalog_open(f->path, MU_CATALOG_READ, &reader, &err), err);
    assert_done(mu_catalog_read(reader, &f->arena, MU_STR("old"), &read, &err), err);
    assert_false(read.has_mark);
    assert_done(mu_catalog_open(f->path, MU_CATALOG_WRITE, &writer, &err), err);
    assert_done(mu_catalog_commit(writer, MU_STR("old"), &edit, &is_unsettled, &err), err);
    assert_done(mu_catalog_read(reader, &f->arena, MU_STR("old"), &read, &err), err);
    assert_true(read.has_mark);
    assert_int_equal(read.mark.next_sequence, 5);
    mu_catalog_close(reader);
    mu_catalog_close(writer);
}

static void a_copy_is_the_last_committed_state(void **state)
{
    fixture *f = *state;
    mu_err err;
    char path[4200];
    mu_catalog *copy = NULL;
    mu_catalog_state read = {0};
    snprintf(path, sizeof path, "%s.copy", f->path);
    assert_done(mu_catalog_copy(f->catalog, path, &err), err);
    assert_int_equal(mu_catalog_copy(f->catalog, path, &err), MU_E_CONFLICT);
    assert_done(mu_catalog_open(path, MU_CATALOG_READ, &copy, &err), err);
    assert_done(mu_catalog_read(copy, &f->arena, MU_STR("prod"), &read, &err), err);
    assert_int_equal(read.n_parts, 2);
    assert_int_equal(read.mark.next_sequence, 77);
    mu_catalog_close(copy);
}

/* Text that was replaced does not stay in free pages of the file. */
static void what_was_replaced_is_gone_from_the_file(void **state)
{
    fixture *f = *state;
    mu_err err;
    bool is_unsettled;
    mu_catalog_mark marks[2] = {{1, MU_STR("ada.lovelace@example.com")}, {2, MU_STR("")}};
    assert_done(mu_catalog_add_sandbox(f->catalog, MU_STR("dev"), &err), err);
    for (uint64_t i = 0; i < 2; i++) {
        mu_str text;
        mu_catalog_edit edit = {.base_generation = i, .next_part_id = 1, .mark = &marks[i]};
        assert_done(mu_catalog_commit(f->catalog, MU_STR("dev"), &edit, &is_unsettled, &err), err);
        assert_done(mu_file_read(&f->arena, f->path, SIZE_MAX, &text, &err), err);
        assert_int_equal(memmem(text.ptr, text.len, "lovelace", 8) != NULL, i == 0);
    }
}

static void a_writer_that_is_away_is_noticed(void **state)
{
    fixture *f = *state;
    mu_err err;
    uint64_t before = 0, after = 0;
    mu_catalog *reader = NULL;
    assert_done(mu_catalog_open(f->path, MU_CATALOG_READ, &reader, &err), err);
    assert_done(mu_catalog_data_version(reader, &before, &err), err);
    assert_done(mu_catalog_data_version(reader, &after, &err), err);
    assert_int_equal(before, after);
    assert_done(mu_catalog_add_sandbox(f->catalog, MU_STR("dev"), &err), err);
    assert_done(mu_catalog_data_version(reader, &after, &err), err);
    assert_int_not_equal(before, after);
    uint32_t n = 0;
    const mu_str *names;
    assert_done(mu_catalog_sandboxes(reader, &f->arena, &n, &names, &err), err);
    assert_int_equal(n, 2);
    assert_true(mu_str_equal(names[1], MU_STR("dev")));
    assert_int_not_equal(mu_catalog_add_sandbox(reader, MU_STR("test"), &err), MU_OK);
    mu_catalog_close(reader);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_state_reads_back),
        TEST(a_commit_from_an_older_state_is_refused),
        TEST(rows_changed_behind_our_back_are_refused),
        TEST(other_files_and_formats_are_refused_by_name),
        TEST(version_1_is_read_and_brought_up_to_date),
        TEST(a_copy_is_the_last_committed_state),
        TEST(what_was_replaced_is_gone_from_the_file),
        TEST(a_writer_that_is_away_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
