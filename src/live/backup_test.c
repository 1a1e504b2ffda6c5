/* backup_test.c -- a server's data folder copied while it accepts records, and served from there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/thread.h"
#include "live/live.h"
#include "tests/support/dice.h"
#include "tests/support/part_rows.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define assert_done(call, err)                                                                     \
    do {                                                                                           \
        if ((call) != MU_OK)                                                                       \
            fail_msg("%s", (err).text);                                                            \
    } while (0)

typedef struct fixture {
    char *folder, *copies[3];
    mu_live *live;
    mu_sandbox *sandbox;
    uint32_t n_people;
    _Atomic uint32_t n_acknowledged;
    uint32_t expected[3]; /* people acknowledged before each copy was begun */
} fixture;

static mu_code append_person(mu_sandbox *sandbox, mu_live *live, uint32_t person, mu_err *err)
{
    char email[64], document[128];
    uint64_t sequence;
    snprintf(email, sizeof email, "p%u@example.com", person);
    snprintf(document, sizeof document, "{\"personID\":\"x\",\"homeAddress\":{\"city\":\"c%u\"}}",
             person);
    mu_identity identity = {MU_STR("Email"), mu_str_from(email)};
    mu_record record = {.kind = MU_RECORD_CREATE,
                        .received_ms = 1773144000000,
                        .dataset = MU_STR("crm"),
                        .n_identities = 1,
                        .n_linked = 1,
                        .identities = &identity,
                        .document = mu_str_from(document)};
    MU_TRY(mu_sandbox_append(sandbox, 1, &record, &sequence, err));
    return mu_live_wait(live, sequence, err);
}

static mu_code open_at(const char *folder, mu_live **live, mu_sandbox **sandbox, mu_err *err)
{
    mu_live_options options = {.folder = folder, .n_threads = 1};
    MU_TRY(mu_live_open(&options, live, err));
    return mu_live_sandbox(*live, MU_STR("prod"), sandbox, err);
}

static mu_code work(void *context, unsigned worker, size_t item, mu_err *err)
{
    fixture *f = context;
    (void)worker;
    if (item == 0) {
        for (uint32_t person = 0; person < f->n_people; person++) {
            MU_TRY(append_person(f->sandbox, f->live, person, err));
            atomic_store(&f->n_acknowledged, person + 1);
        }
        return MU_OK;
    }
    if (item == 1) {
        while (atomic_load(&f->n_acknowledged) < f->n_people)
            MU_TRY(mu_sandbox_fold(f->sandbox, err));
        return MU_OK;
    }
    for (int i = 0; i < 3; i++) {
        f->expected[i] = atomic_load(&f->n_acknowledged);
        MU_TRY(mu_live_backup(f->live, f->copies[i], err));
    }
    return MU_OK;
}

static void check_copy(const fixture *f, int i)
{
    mu_err err;
    mu_live *live = NULL;
    mu_sandbox *sandbox = NULL;
    assert_done(open_at(f->copies[i], &live, &sandbox, &err), err);
    for (uint32_t person = 0; person < f->expected[i]; person++) {
        char email[64];
        mu_lookup lookup;
        mu_arena arena;
        mu_arena_init(&arena, SIZE_MAX);
        snprintf(email, sizeof email, "p%u@example.com", person);
        mu_identity identity = {MU_STR("Email"), mu_str_from(email)};
        assert_done(mu_sandbox_lookup(sandbox, identity, &arena, &lookup, &err), err);
        assert_int_equal(lookup.content.n_fragments, 1);
        mu_snapshot_release(lookup.snapshot);
        mu_arena_free(&arena);
    }
    assert_done(append_person(sandbox, live, f->n_people, &err), err); /* it goes on from there */
    mu_live_close(live);
}

static void a_copy_of_a_running_folder_can_be_served(void **state)
{
    fixture f = {.folder = mu_make_temporary_folder(), .n_people = mu_dice_cases(400) + 100};
    mu_err err;
    (void)state;
    for (int i = 0; i < 3; i++)
        f.copies[i] = mu_make_temporary_folder();
    assert_done(open_at(f.folder, &f.live, &f.sandbox, &err), err);
    assert_done(mu_parallel_for(3, 3, work, &f, &err), err);
    assert_int_equal(mu_live_backup(f.live, f.copies[0], &err), MU_E_CONFLICT);
    for (int i = 0; i < 3; i++)
        check_copy(&f, i);
    mu_live_close(f.live);
    for (int i = 0; i < 3; i++)
        mu_remove_folder(f.copies[i]);
    mu_remove_folder(f.folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_copy_of_a_running_folder_can_be_served)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
