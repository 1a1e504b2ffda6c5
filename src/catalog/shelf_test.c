/* shelf_test.c -- states of a kind follow its edits, and those that are held stay as they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "catalog/shelf.h"
#include "tests/support/dice.h"
#include "tests/support/part_rows.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct fixture {
    mu_arena arena;
    char *folder;
    mu_documents *documents;
    mu_shelves *shelves;
} fixture;

static const mu_str place = {"prod", 4}, kind = {"thing", 5}, other = {"other", 5};

static void open_all(fixture *f)
{
    mu_err err;
    if (mu_documents_open(f->folder, &f->documents, &err) != MU_OK ||
        mu_shelves_new(f->documents, place, &f->shelves, &err) != MU_OK)
        fail_msg("%s", err.text);
}

static void close_all(fixture *f)
{
    mu_shelves_free(f->shelves);
    mu_documents_close(f->documents);
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    mu_arena_init(&f->arena, SIZE_MAX);
    f->folder = mu_make_temporary_folder();
    open_all(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    close_all(f);
    mu_remove_folder(f->folder);
    mu_arena_free(&f->arena);
    free(f);
    return 0;
}

static mu_code edit(fixture *f, mu_document_action action, const char *id, int value)
{
    mu_document_edit one = {.action = action,
                            .kind = kind,
                            .id = mu_str_from(id),
                            .json = mu_arena_format(&f->arena, "{\"value\":%d}", value)};
    return mu_shelves_edit(f->shelves, 1000, 1, &one, NULL);
}

static const mu_shelf *acquire(fixture *f)
{
    const mu_shelf *shelf;
    mu_err err;
    if (mu_shelf_acquire(f->shelves, kind, &shelf, &err) != MU_OK)
        fail_msg("%s", err.text);
    return shelf;
}

static int64_t value_of(const mu_shelf_item *item)
{
    return mu_json_member(&item->json, MU_STR("value"))->integer;
}

static void expect(fixture *f, const char *ids)
{
    const mu_shelf *shelf = acquire(f);
    mu_buf buf;
    mu_buf_init(&buf, SIZE_MAX);
    for (uint32_t i = 0; i < shelf->n; i++) {
        const mu_shelf_item *item = shelf->items[i];
        mu_buf_add_format(&buf, "%s" MU_STR_FMT "=%lld", i == 0 ? "" : " ",
                          MU_STR_ARG(item->document.id), (long long)value_of(item));
        assert_ptr_equal(mu_shelf_find(shelf, item->document.id), item);
    }
    assert_int_equal(buf.len, strlen(ids));
    assert_memory_equal(buf.len == 0 ? "" : buf.ptr, ids, buf.len);
    mu_buf_free(&buf);
    mu_shelf_release(shelf);
}

static void edits_are_in_the_next_state(void **state)
{
    fixture *f = *state;
    expect(f, "");
    assert_int_equal(edit(f, MU_DOCUMENT_ADD, "a", 1), MU_OK);
    assert_int_equal(edit(f, MU_DOCUMENT_ADD, "b", 2), MU_OK);
    assert_int_equal(edit(f, MU_DOCUMENT_ADD, "c", 3), MU_OK);
    expect(f, "a=1 b=2 c=3");
    assert_int_equal(edit(f, MU_DOCUMENT_REPLACE, "b", 5), MU_OK);
    expect(f, "a=1 b=5 c=3");
    assert_int_equal(edit(f, MU_DOCUMENT_REMOVE, "a", 0), MU_OK);
    expect(f, "b=5 c=3");
    assert_int_equal(edit(f, MU_DOCUMENT_ADD, "a", 7), MU_OK);
    expect(f, "b=5 c=3 a=7");
    close_all(f);
    open_all(f);
    expect(f, "b=5 c=3 a=7");
}

static void a_refused_edit_changes_nothing(void **state)
{
    fixture *f = *state;
    assert_int_equal(edit(f, MU_DOCUMENT_ADD, "a", 1), MU_OK);
    expect(f, "a=1");
    const mu_shelf *before = acquire(f);
    mu_document_edit edits[] = {
        {MU_DOCUMENT_PUT, kind, MU_STR("b"), MU_STR("{\"value\":2}"), 0, NULL},
        {MU_DOCUMENT_ADD, kind, MU_STR("a"), MU_STR("{\"value\":9}"), 0, NULL}};
    assert_int_equal(mu_shelves_edit(f->shelves, 1, 2, edits, NULL), MU_E_CONFLICT);
    const mu_shelf *after = acquire(f);
    assert_ptr_equal(before, after);
    mu_shelf_release(before);
    mu_shelf_release(after);
    expect(f, "a=1");
}

static void what_is_held_stays(void **state)
{
    fixture *f = *state;
    assert_int_equal(edit(f, MU_DOCUMENT_ADD, "a", 1), MU_OK);
    const mu_shelf *before = acquire(f);
    const mu_shelf_item *item = mu_shelf_item_hold(mu_shelf_find(before, MU_STR("a")));
    assert_int_equal(edit(f, MU_DOCUMENT_REPLACE, "a", 2), MU_OK);
    assert_int_equal(edit(f, MU_DOCUMENT_REMOVE, "a", 0), MU_OK);
    assert_int_equal(before->n, 1);
    assert_int_equal(value_of(before->items[0]), 1);
    const mu_shelf *after = acquire(f);
    assert_int_equal(after->n, 0);
    assert_true(after->generation != before->generation);
    assert_null(mu_shelf_find(after, MU_STR("a")));
    mu_shelf_release(after);
    mu_shelf_release(before);
    assert_int_equal(value_of(item), 1);
    mu_shelf_item_release(item);
}

static void one_transaction_changes_several_kinds_and_one_document_twice(void **state)
{
    fixture *f = *state;
    expect(f, "");
    mu_document_edit edits[] = {
        {MU_DOCUMENT_ADD, kind, MU_STR("a"), MU_STR("{\"value\":1}"), 0, NULL},
        {MU_DOCUMENT_ADD, other, MU_STR("x"), MU_STR("{}"), 0, NULL},
        {MU_DOCUMENT_REPLACE, kind, MU_STR("a"), MU_STR("{\"value\":2}"), 0, NULL},
        {MU_DOCUMENT_ADD, kind, MU_STR("b"), MU_STR("{\"value\":3}"), 0, NULL},
        {MU_DOCUMENT_REMOVE, kind, MU_STR("b"), MU_STR(""), 0, NULL},
    };
    assert_int_equal(mu_shelves_edit(f->shelves, 1, 5, edits, NULL), MU_OK);
    expect(f, "a=2");
    const mu_shelf *others;
    assert_int_equal(mu_shelf_acquire(f->shelves, other, &others, NULL), MU_OK);
    assert_int_equal(others->n, 1);
    mu_shelf_release(others);
}

/* Against what the documents themselves say, after every edit. */
static void random_edits_agree_with_the_documents(void **state)
{
    fixture *f = *state;
    mu_dice dice;
    mu_dice_init(&dice, mu_dice_seed("shelf_test", 4));
    for (int round = 0; round < 60; round++) {
        mu_document_edit edits[8];
        uint32_t n = 1 + mu_dice_below(&dice, 8);
        for (uint32_t i = 0; i < n; i++)
            edits[i] = (mu_document_edit){
                .action = mu_dice_below(&dice, 4) == 0 ? MU_DOCUMENT_REMOVE : MU_DOCUMENT_PUT,
                .kind = kind,
                .id = mu_arena_format(&f->arena, "%d", (int)mu_dice_below(&dice, 20)),
                .json = mu_arena_format(&f->arena, "{\"value\":%d}", round)};
        (void)!mu_shelves_edit(f->shelves, round, n, edits, NULL);
        uint32_t n_documents;
        const mu_document *documents;
        const mu_shelf *shelf = acquire(f);
        assert_int_equal(
            mu_document_list(f->documents, &f->arena, place, kind, &n_documents, &documents, NULL),
            MU_OK);
        assert_int_equal(shelf->n, n_documents);
        for (uint32_t i = 0; i < n_documents; i++) {
            assert_true(mu_str_equal(shelf->items[i]->document.id, documents[i].id));
            assert_int_equal(shelf->items[i]->document.version, documents[i].version);
            assert_true(mu_str_equal(shelf->items[i]->document.json, documents[i].json));
        }
        mu_shelf_release(shelf);
    }
}

#define N_READERS 3
#define N_EDITS   200

typedef struct reader {
    fixture *f;
    const bool *is_over;
} reader;

/* The values of "a", of "b" and of "x", which is of another kind, are changed together: no state
 * shows one without the other, and who has seen one finds the other kind as new. */
static void *read_on(void *context)
{
    const reader *r = context;
    while (!__atomic_load_n(r->is_over, __ATOMIC_RELAXED)) {
        const mu_shelf *shelf, *others;
        if (mu_shelf_acquire(r->f->shelves, kind, &shelf, NULL) != MU_OK ||
            mu_shelf_acquire(r->f->shelves, other, &others, NULL) != MU_OK)
            abort();
        const mu_shelf_item *a = mu_shelf_find(shelf, MU_STR("a"));
        const mu_shelf_item *b = mu_shelf_find(shelf, MU_STR("b"));
        if (a != NULL && (b == NULL || value_of(a) != value_of(b)))
            abort();
        const mu_shelf_item *x = mu_shelf_find(others, MU_STR("x"));
        if (a != NULL && (x == NULL || value_of(x) < value_of(a)))
            abort();
        mu_shelf_release(shelf);
        mu_shelf_release(others);
    }
    return NULL;
}

static void readers_see_whole_transactions(void **state)
{
    fixture *f = *state;
    bool is_over = false;
    reader context = {f, &is_over};
    pthread_t threads[N_READERS];
    for (int i = 0; i < N_READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &context), 0);
    for (int i = 0; i < N_EDITS; i++) {
        mu_str json = mu_arena_format(&f->arena, "{\"value\":%d}", i);
        mu_document_edit edits[] = {{MU_DOCUMENT_PUT, kind, MU_STR("a"), json, 0, NULL},
                                    {MU_DOCUMENT_PUT, kind, MU_STR("b"), json, 0, NULL},
                                    {MU_DOCUMENT_PUT, other, MU_STR("x"), json, 0, NULL}};
        assert_int_equal(mu_shelves_edit(f->shelves, i, 3, edits, NULL), MU_OK);
    }
    __atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
    for (int i = 0; i < N_READERS; i++)
        pthread_join(threads[i], NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(edits_are_in_the_next_state),
        TEST(a_refused_edit_changes_nothing),
        TEST(what_is_held_stays),
        TEST(one_transaction_changes_several_kinds_and_one_document_twice),
        TEST(random_edits_agree_with_the_documents),
        TEST(readers_see_whole_transactions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
