/* audit_test.c -- each change of a recorded kind leaves one event, with it or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "catalog/audit.h"
#include "tests/support/part_rows.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct fixture {
    mu_arena arena;
    char *folder;
    mu_documents *documents;
} fixture;

static const mu_str prod = {"prod", 4};
static const mu_author ann = {{"ann", 3}, {"request-1", 9}};

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    mu_arena_init(&f->arena, SIZE_MAX);
    f->folder = mu_make_temporary_folder();
    assert_int_equal(mu_documents_open(f->folder, &f->documents, NULL), MU_OK);
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

static mu_code edit(fixture *f, mu_document_action action, const char *kind, const char *json,
                    const mu_author *author, int64_t now_ms)
{
    const mu_document_edit one = {.action = action,
                                  .kind = mu_str_from(kind),
                                  .id = MU_STR("a"),
                                  .json = mu_str_from(json),
                                  .author = author};
    return mu_document_edit_all(f->documents, prod, now_ms, 1, &one, NULL);
}

static uint32_t list(fixture *f, const mu_audit_query *wanted, const mu_audit_event **out,
                     uint64_t *n_all)
{
    uint32_t n;
    uint64_t all;
    mu_err err;
    mu_audit_query query = *wanted;
    query.sandbox = prod;
    query.limit = query.limit == 0 ? 100 : query.limit;
    if (mu_audit_list(f->documents, &f->arena, &query, &n, out, &all, &err) != MU_OK)
        fail_msg("%s", err.text);
    if (n_all != NULL)
        *n_all = all;
    return n;
}

static void assert_event(const mu_audit_event *event, mu_audit_action action, const char *user,
                         const char *before, const char *after)
{
    assert_int_equal(event->action, action);
    assert_true(mu_str_equal(event->user, mu_str_from(user)));
    assert_true(mu_str_equal(event->before, mu_str_from(before)));
    assert_true(mu_str_equal(event->after, mu_str_from(after)));
}

static void every_change_has_its_author_and_both_texts(void **state)
{
    fixture *f = *state;
    const mu_audit_event *events;
    assert_int_equal(edit(f, MU_DOCUMENT_ADD, "dataset", "{\"x\":1}", &ann, 10), MU_OK);
    assert_int_equal(edit(f, MU_DOCUMENT_REPLACE, "dataset", "{\"x\":2}", NULL, 20), MU_OK);
    assert_int_equal(edit(f, MU_DOCUMENT_REMOVE, "dataset", "", &ann, 30), MU_OK);
    assert_int_equal(list(f, &(mu_audit_query){0}, &events, NULL), 3);
    assert_event(&events[0], MU_AUDIT_DELETE, "ann", "{\"x\":2}", "");
    assert_event(&events[1], MU_AUDIT_UPDATE, "", "{\"x\":1}", "{\"x\":2}");
    assert_event(&events[2], MU_AUDIT_CREATE, "ann", "", "{\"x\":1}");
    assert_true(mu_str_equal(events[2].request_id, MU_STR("request-1")));
    assert_int_equal(events[2].at_ms, 10);
    assert_true(events[0].number > events[1].number && events[1].number > events[2].number);
}

static void a_change_that_fails_leaves_no_event(void **state)
{
    fixture *f = *state;
    const mu_audit_event *events;
    const mu_document_edit two[] = {
        {.action = MU_DOCUMENT_ADD,
         .kind = MU_STR("dataset"),
         .id = MU_STR("b"),
         .json = MU_STR("{}"),
         .author = &ann},
        {.action = MU_DOCUMENT_REMOVE, .kind = MU_STR("dataset"), .id = MU_STR("none")}};
    assert_int_equal(mu_document_edit_all(f->documents, prod, 1, 2, two, NULL), MU_E_NOT_FOUND);
    assert_int_equal(list(f, &(mu_audit_query){0}, &events, NULL), 0);
}

static void only_recorded_kinds_and_progress_by_clients_count(void **state)
{
    fixture *f = *state;
    const mu_audit_event *events;
    assert_int_equal(edit(f, MU_DOCUMENT_ADD, "token", "{}", &ann, 1), MU_OK);
    assert_int_equal(edit(f, MU_DOCUMENT_ADD, "segmentJob", "{}", &ann, 2), MU_OK);
    assert_int_equal(edit(f, MU_DOCUMENT_REPLACE, "segmentJob", "{}", NULL, 3), MU_OK);
    assert_int_equal(list(f, &(mu_audit_query){0}, &events, NULL), 1);
    assert_event(&events[0], MU_AUDIT_CREATE, "ann", "", "{}");
}

static void events_are_filtered_and_paged(void **state)
{
    fixture *f = *state;
    const mu_audit_event *events;
    uint64_t n_all;
    for (int i = 1; i <= 9; i++)
        assert_int_equal(edit(f, MU_DOCUMENT_PUT, i % 3 == 0 ? "schedule" : "dataset", "{}",
                              i % 2 == 0 ? &ann : NULL, i * 10),
                         MU_OK);
    assert_int_equal(list(f, &(mu_audit_query){.kind = MU_STR("schedule")}, &events, NULL), 3);
    assert_int_equal(list(f, &(mu_audit_query){.user = MU_STR("ann")}, &events, NULL), 4);
    assert_int_equal(list(f, &(mu_audit_query){.from_ms = 30, .before_ms = 50}, &events, NULL), 2);
    assert_int_equal(
        list(f, &(mu_audit_query){.has_action = true, .action = MU_AUDIT_CREATE}, &events, NULL),
        2);
    assert_int_equal(list(f, &(mu_audit_query){.offset = 7, .limit = 5}, &events, &n_all), 2);
    assert_int_equal(n_all, 9);
    assert_int_equal(events[1].at_ms, 10);
    assert_int_equal(list(f, &(mu_audit_query){.offset = 9}, &events, NULL), 0);
    assert_int_equal(list(f, &(mu_audit_query){.offset = UINT64_MAX}, &events, NULL), 0);
}

static void old_events_go_and_numbers_are_never_reused(void **state)
{
    fixture *f = *state;
    const mu_audit_event *events;
    mu_audit_keep(f->documents, 100);
    for (int i = 0; i < 5; i++)
        assert_int_equal(edit(f, MU_DOCUMENT_PUT, "dataset", "{}", &ann, i), MU_OK);
    list(f, &(mu_audit_query){0}, &events, NULL);
    uint64_t last = events[0].number;
    assert_int_equal(edit(f, MU_DOCUMENT_PUT, "dataset", "{}", &ann, 1000), MU_OK);
    assert_int_equal(list(f, &(mu_audit_query){0}, &events, NULL), 1);
    assert_true(events[0].number == last + 1);
}

/* -------- damage -------- */

static void count_problem(void *context, mu_str sentence)
{
    (void)sentence;
    ++*(int *)context;
}

static int n_problems(fixture *f)
{
    int n = 0;
    mu_err err;
    if (mu_documents_verify(f->folder, count_problem, &n, &err) != MU_OK)
        fail_msg("%s", err.text);
    return n;
}

/* In whichever database of the folder the events are. */
static void run_sql(fixture *f, const char *sql)
{
    static const char *const names[] = {"catalog.db", "documents.db"};
    int n_done = 0;
    for (size_t i = 0; i < 2; i++) {
        sqlite3 *db;
        char path[512];
        snprintf(path, sizeof path, "%s/%s", f->folder, names[i]);
        if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK)
            n_done += sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;
        sqlite3_close(db);
    }
    assert_int_equal(n_done, 1);
}

static void changed_and_missing_events_are_found(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(edit(f, MU_DOCUMENT_PUT, "dataset", "{}", &ann, i), MU_OK);
    assert_int_equal(n_problems(f), 0);
    run_sql(f, "UPDATE audit SET user = 'bob' WHERE number = 2");
    assert_int_equal(n_problems(f), 1);
    run_sql(f, "UPDATE audit SET user = 'ann' WHERE number = 2");
    assert_int_equal(n_problems(f), 0);
    run_sql(f, "DELETE FROM audit WHERE number = 3");
    assert_int_equal(n_problems(f), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(every_change_has_its_author_and_both_texts),
        TEST(a_change_that_fails_leaves_no_event),
        TEST(only_recorded_kinds_and_progress_by_clients_count),
        TEST(events_are_filtered_and_paged),
        TEST(old_events_go_and_numbers_are_never_reused),
        TEST(changed_and_missing_events_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
