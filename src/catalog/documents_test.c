/* documents_test.c -- documents added, changed, listed, removed; all or none; damage is reported.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "catalog/catalog.h"
#include "catalog/documents.h"
#include "tests/support/part_rows.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct fixture {
    mu_arena arena;
    char *folder;
    mu_documents *documents;
} fixture;

static const mu_str prod = {"prod", 4}, kind = {"batch", 5}; /* that is not audited */

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    mu_err err;
    mu_arena_init(&f->arena, SIZE_MAX);
    f->folder = mu_make_temporary_folder();
    if (mu_documents_open(f->folder, &f->documents, &err) != MU_OK)
        fail_msg("%s", err.text);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    mu_documents_close(f->documents);
    mu_remove_folder(f->folder);
    mu_arena_free(&f->arena);
    free(f);
    return 0;
}

static mu_code edit(fixture *f, mu_document_action action, const char *id, const char *json,
                    uint64_t version_before, int64_t now_ms)
{
    mu_document_edit one = {action, kind, mu_str_from(id), mu_str_from(json), version_before, NULL};
    return mu_document_edit_all(f->documents, prod, now_ms, 1, &one, NULL);
}

static mu_document get(fixture *f, const char *id)
{
    mu_document out;
    mu_err err;
    if (mu_document_get(f->documents, &f->arena, prod, kind, mu_str_from(id), &out, &err) != MU_OK)
        fail_msg("%s", err.text);
    return out;
}

static void documents_are_added_changed_and_removed(void **state)
{
    fixture *f = *state;
    mu_document out;
    assert_int_equal(edit(f, MU_DOCUMENT_ADD, "a", "{\"x\":1}", 0, 100), MU_OK);
    assert_int_equal(edit(f, MU_DOCUMENT_ADD, "a", "{}", 0, 100), MU_E_CONFLICT);
    assert_int_equal(edit(f, MU_DOCUMENT_REPLACE, "b", "{}", 0, 100), MU_E_NOT_FOUND);
    assert_int_equal(edit(f, MU_DOCUMENT_REPLACE, "a", "{\"x\":2}", 1, 200), MU_OK);
    assert_int_equal(edit(f, MU_DOCUMENT_REPLACE, "a", "{\"x\":3}", 1, 300), MU_E_CONFLICT);
    out = get(f, "a");
    assert_true(mu_str_equal(out.json, MU_STR("{\"x\":2}")));
    assert_int_equal(out.version, 2);
    assert_int_equal(out.created_ms, 100);
    assert_int_equal(out.updated_ms, 200);
    assert_int_equal(edit(f, MU_DOCUMENT_REMOVE, "a", "", 0, 400), MU_OK);
    assert_int_equal(edit(f, MU_DOCUMENT_REMOVE, "a", "", 0, 400), MU_E_NOT_FOUND);
    assert_int_equal(mu_document_get(f->documents, &f->arena, prod, kind, MU_STR("a"), &out, NULL),
                     MU_E_NOT_FOUND);
}

static void numbers_are_the_order_of_creation_and_never_reused(void **state)
{
    fixture *f = *state;
    uint32_t n;
    const mu_document *list;
    assert_int_equal(edit(f, MU_DOCUMENT_PUT, "z", "{}", 0, 1), MU_OK);
    assert_int_equal(edit(f, MU_DOCUMENT_PUT, "y", "{}", 0, 2), MU_OK);
    uint64_t last = get(f, "y").number;
    assert_int_equal(edit(f, MU_DOCUMENT_REMOVE, "y", "", 0, 3), MU_OK);
    mu_documents_close(f->documents);
    assert_int_equal(mu_documents_open(f->folder, &f->documents, NULL), MU_OK);
    assert_int_equal(edit(f, MU_DOCUMENT_PUT, "a", "{}", 0, 4), MU_OK);
    assert_int_equal(edit(f, MU_DOCUMENT_PUT, "z", "{\"x\":1}", 0, 5), MU_OK);
    assert_true(get(f, "a").number > last);
    assert_int_equal(mu_document_list(f->documents, &f->arena, prod, kind, &n, &list, NULL), MU_OK);
    assert_int_equal(n, 2);
    assert_true(mu_str_equal(list[0].id, MU_STR("z")));
    assert_true(mu_str_equal(list[1].id, MU_STR("a")));
}

static void sandboxes_and_kinds_are_apart(void **state)
{
    fixture *f = *state;
    uint32_t n;
    const mu_document *list;
    assert_int_equal(edit(f, MU_DOCUMENT_ADD, "a", "{}", 0, 1), MU_OK);
    mu_document_edit other = {MU_DOCUMENT_ADD, MU_STR("inlet"), MU_STR("a"), MU_STR("{}"), 0, NULL};
    assert_int_equal(mu_document_edit_all(f->documents, prod, 1, 1, &other, NULL), MU_OK);
    other.kind = kind;
    assert_int_equal(mu_document_edit_all(f->documents, MU_STR("dev"), 1, 1, &other, NULL), MU_OK);
    assert_int_equal(mu_document_list(f->documents, &f->arena, prod, kind, &n, &list, NULL), MU_OK);
    assert_int_equal(n, 1);
}

static void a_failing_edit_undoes_those_before_it(void **state)
{
    fixture *f = *state;
    mu_document_edit edits[] = {{MU_DOCUMENT_ADD, kind, MU_STR("a"), MU_STR("{}"), 0, NULL},
                                {MU_DOCUMENT_REMOVE, kind, MU_STR("b"), MU_STR(""), 0, NULL}};
    mu_document out;
    uint64_t before = mu_documents_generation(f->documents);
    assert_int_equal(mu_document_edit_all(f->documents, prod, 1, 2, edits, NULL), MU_E_NOT_FOUND);
    assert_int_equal(mu_documents_generation(f->documents), before);
    assert_int_equal(mu_document_get(f->documents, &f->arena, prod, kind, MU_STR("a"), &out, NULL),
                     MU_E_NOT_FOUND);
}

static void generations_tell_of_changes(void **state)
{
    fixture *f = *state;
    uint64_t all = mu_documents_generation(f->documents);
    uint64_t mine = mu_documents_kind_generation(f->documents, kind);
    uint64_t other = mu_documents_kind_generation(f->documents, MU_STR("dataset"));
    assert_int_equal(edit(f, MU_DOCUMENT_ADD, "a", "{}", 0, 1), MU_OK);
    assert_int_not_equal(mu_documents_generation(f->documents), all);
    assert_int_not_equal(mu_documents_kind_generation(f->documents, kind), mine);
    assert_int_equal(mu_documents_kind_generation(f->documents, MU_STR("dataset")), other);
}

/* -------- many threads -------- */

#define N_THREADS 4
#define N_EACH    25

static void *add_many(void *context)
{
    fixture *f = context;
    for (int i = 0; i < N_EACH; i++) {
        mu_document_edit one = {MU_DOCUMENT_PUT, kind, MU_STR("shared"), MU_STR("{}"), 0, NULL};
        if (mu_document_edit_all(f->documents, prod, i, 1, &one, NULL) != MU_OK)
            abort();
    }
    return NULL;
}

static void threads_take_turns(void **state)
{
    fixture *f = *state;
    pthread_t threads[N_THREADS];
    for (int i = 0; i < N_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, f), 0);
    for (int i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(get(f, "shared").version, N_THREADS * N_EACH);
}

/* -------- damage -------- */

static void count_problem(void *context, mu_str sentence)
{
    int *n = context;
    assert_true(sentence.len > 0);
    ++*n;
}

static int n_problems(fixture *f)
{
    int n = 0;
    mu_err err;
    if (mu_documents_verify(f->folder, count_problem, &n, &err) != MU_OK)
        fail_msg("%s", err.text);
    return n;
}

static void damage(fixture *f, const char *statement)
{
    char path[4096];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/documents.db", f->folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, statement, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void a_changed_document_is_refused(void **state)
{
    fixture *f = *state;
    mu_document out;
    assert_int_equal(edit(f, MU_DOCUMENT_ADD, "a", "{}", 0, 1), MU_OK);
    assert_int_equal(edit(f, MU_DOCUMENT_ADD, "b", "{}", 0, 1), MU_OK);
    assert_int_equal(n_problems(f), 0);
    damage(f, "UPDATE document SET json = '{\"x\":1}' WHERE id = 'a'");
    assert_int_equal(n_problems(f), 1);
    assert_int_equal(mu_document_get(f->documents, &f->arena, prod, kind, MU_STR("a"), &out, NULL),
                     MU_E_CORRUPT);
    assert_true(mu_str_equal(get(f, "b").json, MU_STR("{}")));
}

static void a_document_that_went_missing_is_noticed(void **state)
{
    fixture *f = *state;
    assert_int_equal(edit(f, MU_DOCUMENT_ADD, "a", "{}", 0, 1), MU_OK);
    damage(f, "DELETE FROM document");
    assert_int_equal(n_problems(f), 1);
}

static void run_sql(const char *path, const char *text)
{
    sqlite3 *db;
    char *message = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, text, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", text, message);
    sqlite3_close(db);
}

static void a_folder_without_documents_is_whole(void **state)
{
    fixture *f = *state;
    char path[4096];
    assert_int_equal(edit(f, MU_DOCUMENT_ADD, "a", "{}", 0, 1), MU_OK);
    mu_documents_close(f->documents);
    snprintf(path, sizeof path, "%s/documents.db", f->folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(n_problems(f), 0);
    assert_int_equal(mu_documents_open(f->folder, &f->documents, NULL), MU_OK);
    assert_int_equal(n_problems(f), 0);
}

/* As folders were before decision 0250. */
static void documents_of_an_older_folder_are_taken_over(void **state)
{
    fixture *f = *state;
    char now[4096], old[4096], text[9000];
    mu_catalog *catalog;
    assert_int_equal(edit(f, MU_DOCUMENT_ADD, "a", "{\"x\":1}", 0, 1), MU_OK);
    assert_int_equal(edit(f, MU_DOCUMENT_ADD, "b", "{}", 0, 1), MU_OK);
    mu_documents_close(f->documents);
    snprintf(now, sizeof now, "%s/documents.db", f->folder);
    snprintf(old, sizeof old, "%s/catalog.db", f->folder);
    assert_int_equal(mu_catalog_open(old, MU_CATALOG_WRITE, &catalog, NULL), MU_OK);
    mu_catalog_close(catalog);
    snprintf(text, sizeof text,
             "ATTACH '%s' AS now; CREATE TABLE document AS SELECT * FROM now.document;"
             "CREATE TABLE document_state AS SELECT * FROM now.document_state",
             now);
    run_sql(old, text);
    assert_int_equal(unlink(now), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(mu_documents_open(f->folder, &f->documents, NULL), MU_OK);
        assert_true(mu_str_equal(get(f, "a").json, MU_STR("{\"x\":1}")));
        assert_int_equal(n_problems(f), 0);
        if (i == 0)
            mu_documents_close(f->documents);
    }
    run_sql(old, "CREATE TABLE document (x)"); /* was dropped there */
    assert_int_equal(edit(f, MU_DOCUMENT_ADD, "c", "{}", 0, 1), MU_OK);
}

static void a_foreign_file_is_refused(void **state)
{
    fixture *f = *state;
    char path[4096];
    mu_documents_close(f->documents);
    snprintf(path, sizeof path, "%s/documents.db", f->folder);
    mu_err err;
    run_sql(path, "PRAGMA user_version = 9");
    assert_int_equal(mu_documents_open(f->folder, &f->documents, &err), MU_E_INPUT);
    run_sql(path, "PRAGMA user_version = 1; PRAGMA application_id = 7");
    assert_int_equal(mu_documents_open(f->folder, &f->documents, &err), MU_E_INPUT);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mu_documents_open(f->folder, &f->documents, NULL), MU_OK);
}

/* The log is moved into the file while the server runs: neither grows without end. */
static void the_log_is_moved_into_the_file(void **state)
{
    fixture *f = *state;
    char path[4096], json[16384];
    struct stat log;
    memset(json, 'x', sizeof json);
    memcpy(json, "{\"x\":\"", 6);
    memcpy(json + sizeof json - 3, "\"}", 3);
    for (int i = 0; i < 2000; i++)
        assert_int_equal(edit(f, MU_DOCUMENT_PUT, "a", json, 0, i), MU_OK);
    snprintf(path, sizeof path, "%s/documents.db-wal", f->folder);
    assert_int_equal(stat(path, &log), 0);
    assert_in_range(log.st_size, 1, 40 << 20);
    /* Recorded with before and after: all together writes far more than 100 MB. */
    mu_document_edit one = {.action = MU_DOCUMENT_PUT,
                            .kind = MU_STR("audience"),
                            .id = MU_STR("a"),
                            .json = mu_str_from(json)};
    for (int i = 0; i < 2000; i++)
        assert_int_equal(mu_document_edit_all(f->documents, prod, i, 1, &one, NULL), MU_OK);
    assert_int_equal(stat(path, &log), 0);
    assert_in_range(log.st_size, 1, 40 << 20);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(documents_are_added_changed_and_removed),
        TEST(numbers_are_the_order_of_creation_and_never_reused),
        TEST(sandboxes_and_kinds_are_apart),
        TEST(a_failing_edit_undoes_those_before_it),
        TEST(generations_tell_of_changes),
        TEST(threads_take_turns),
        TEST(a_changed_document_is_refused),
        TEST(a_document_that_went_missing_is_noticed),
        TEST(a_folder_without_documents_is_whole),
        TEST(documents_of_an_older_folder_are_taken_over),
        TEST(a_foreign_file_is_refused),
        TEST(the_log_is_moved_into_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
