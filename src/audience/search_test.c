/* search_test.c -- searches while what they search changes. The rest is in api/search_test.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/api_int.h"
#include "tests/support/api_fixture.h"

#define N_FOLDERS  120u
#define N_THREADS  3
#define N_SEARCHES 150

static api_fixture fixture;

static int start(void **state)
{
    (void)state;
    api_fixture_start(&fixture);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    api_fixture_stop(&fixture);
    return 0;
}

static mu_workspace *workspace(void)
{
    return mu_workspaces_next(fixture.api->workspaces, NULL);
}

static mu_code count(mu_str query, uint32_t *n_all)
{
    mu_arena arena;
    uint32_t n;
    const mu_search_hit *hits;
    const mu_search_request request = {.query = query, .limit = 10};
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code = mu_search_entities(fixture.api->searches, workspace(), &request, &arena, &n,
                                      &hits, n_all, NULL);
    mu_arena_free(&arena);
    return code;
}

/* Folders only come: the count never falls. */
static void *search_again_and_again(void *context)
{
    bool *went_wrong = context;
    uint32_t before = 0, now;
    for (int i = 0; i < N_SEARCHES; i++) {
        mu_str query = i % 2 == 0 ? MU_STR("fold* NOT nothing") : MU_STR("/fo.+/ OR foldre~");
        if (count(query, &now) != MU_OK || now < before)
            *went_wrong = true;
        before = now;
    }
    return NULL;
}

static void add_folder(uint32_t i)
{
    mu_err err = {0};
    mu_str id = mu_arena_format(&fixture.arena, "f%u", i);
    const mu_document_edit edit = {
        .action = MU_DOCUMENT_ADD,
        .kind = MU_AUDIENCE_FOLDER_KIND,
        .id = id,
        .json = mu_arena_format(
            &fixture.arena, "{\"id\":\"f%u\",\"name\":\"Folder %u\",\"parentFolderId\":\"root\"}",
            i, i)};
    if (mu_shelves_edit(workspace()->shelves, API_FIXTURE_NOW_MS, 1, &edit, &err) != MU_OK)
        fail_msg("%s", err.text);
}

static void searches_and_changes_may_overlap(void **state)
{
    pthread_t threads[N_THREADS];
    bool went_wrong[N_THREADS] = {false};
    uint32_t n_all;
    (void)state;
    for (int i = 0; i < N_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, search_again_and_again, &went_wrong[i]),
                         0);
    for (uint32_t i = 0; i < N_FOLDERS; i++)
        add_folder(i);
    for (int i = 0; i < N_THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_false(went_wrong[i]);
    }
    assert_int_equal(count(MU_STR("folder"), &n_all), MU_OK);
    assert_int_equal(n_all, N_FOLDERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(searches_and_changes_may_overlap, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
