/* fold_test.c -- changes in memory, folds, merges and purges against a map of people to rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/thread.h"
#include "base/time.h"
#include "store/store_int.h"
#include "tests/support/part_rows.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define N_PEOPLE 300u /* person i has pid i + 1 */

typedef struct model {
    mu_value rows[N_PEOPLE]; /* null: there is no row */
    mu_str names[N_PEOPLE];  /* of the identity, which a row may change */
    uint64_t step;
} model;

typedef struct fixture {
    mu_arena arena;
    mu_dice dice;
    char *folder;
    mu_folder *open;
    mu_store *store;
    const mu_type *type;
    const mu_schema *schema;
    model shown, durable;
} fixture;

#define assert_done(call, err)                                                                     \
    do {                                                                                           \
        if ((call) != MU_OK)                                                                       \
            fail_msg("%s", (err).text);                                                            \
    } while (0)

static mu_str profile(void)
{
    return MU_STR("profile");
}

static mu_snapshot *snapshot_of(mu_store *store)
{
    mu_err err;
    mu_snapshot *snapshot = NULL;
    assert_done(mu_snapshot_acquire(store, &snapshot, &err), err);
    return snapshot;
}

static void open_sandbox(fixture *f)
{
    mu_err err;
    assert_done(mu_folder_open(f->folder, MU_STORE_WRITE, &f->open, &err), err);
    assert_done(mu_store_open_in(f->open, MU_STR("prod"), &f->store, &err), err);
}

static void reopen(fixture *f)
{
    mu_store_close(f->store);
    mu_folder_close(f->open);
    open_sandbox(f);
    f->shown = f->durable;
}

static int set_up(void **state)
{
    mu_err err;
    mu_change *change = NULL;
    fixture *f = calloc(1, sizeof *f);
    mu_arena_init(&f->arena, SIZE_MAX);
    mu_dice_init(&f->dice, mu_dice_seed("store/fold", 1));
    f->folder = mu_make_temporary_folder();
    f->type = mu_random_row_type(&f->arena, &f->dice);
    f->schema = mu_schema_of_rows(&f->arena, f->type);
    open_sandbox(f);
    assert_done(mu_change_begin(f->store, &change, &err), err);
    mu_change_set_schema(change, f->schema);
    assert_done(mu_change_commit(change, &err), err);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    mu_store_close(f->store);
    mu_folder_close(f->open);
    mu_remove_folder(f->folder);
    mu_arena_free(&f->arena);
    free(f);
    return 0;
}

/* -------- changes in memory -------- */

typedef struct planned_row {
    uint32_t person;
    mu_value row;
} planned_row;

static int compare_planned(const void *a, const void *b)
{
    uint32_t x = mu_mix32(((const planned_row *)a)->person + 1);
    uint32_t y = mu_mix32(((const planned_row *)b)->person + 1);
    return (x > y) - (x < y);
}

static void kill_person(mu_change *change, uint32_t person)
{
    mu_err err;
    bool found = false;
    mu_row_place place;
    const mu_entity *entity = mu_snapshot_entity(mu_change_base(change), profile());
    assert_non_null(entity);
    assert_done(mu_entity_find_pid(entity, person + 1, &found, &place, &err), err);
    assert_true(found);
    assert_done(mu_change_kill_row(change, profile(), place, &err), err);
}

static mu_str identity_value(fixture *f, uint32_t person, uint64_t step)
{
    return mu_arena_format(&f->arena, "%u-%llu", person, (unsigned long long)step);
}

/* Rows for people that `is_touched` picks; some of them lose theirs. Other threads may fold. */
static void begin_step(fixture *f, mu_change **out, uint32_t percent)
{
    mu_err err;
    mu_change *change = NULL;
    planned_row plan[N_PEOPLE];
    uint32_t n = 0;
    f->shown.step++;
    assert_done(mu_change_begin_in_memory(f->store, &change, &err), err);
    for (uint32_t person = 0; person < N_PEOPLE; person++) {
        if (!mu_dice_percent(&f->dice, percent))
            continue;
        if (!mu_value_is_null(f->shown.rows[person]))
            kill_person(change, person);
        f->shown.rows[person] = MU_VALUE_NULL;
        if (mu_dice_percent(&f->dice, 15))
            continue;
        if (f->shown.names[person].len == 0 || mu_dice_percent(&f->dice, 30))
            f->shown.names[person] = identity_value(f, person, f->shown.step);
        f->shown.rows[person] =
            mu_random_row(&f->arena, &f->dice, f->type, mu_dice_below(&f->dice, 4));
        plan[n++] = (planned_row){person, f->shown.rows[person]};
    }
    qsort(plan, n, sizeof *plan, compare_planned);
    mu_part_writer *writer = NULL;
    assert_done(mu_part_writer_new(change, profile(), f->type, &writer, &err), err);
    for (uint32_t i = 0; i < n; i++) {
        mu_identity identity = {MU_STR("crmId"), f->shown.names[plan[i].person]};
        assert_done(mu_part_writer_add(writer, plan[i].person + 1, identity, plan[i].row, &err),
                    err);
    }
    assert_done(mu_part_writer_finish(writer, &err), err);
    mu_str text = mu_arena_format(&f->arena, "state %llu", (unsigned long long)f->shown.step);
    mu_change_set_mark(change, &(mu_mark){f->shown.step, N_PEOPLE + 1, text});
    *out = change;
}

static void do_step(fixture *f, uint32_t percent)
{
    mu_err err;
    mu_change *change;
    begin_step(f, &change, percent);
    assert_done(mu_change_commit(change, &err), err);
}

static void do_fold(fixture *f)
{
    mu_err err;
    assert_done(mu_store_fold(f->store, NULL, &err), err);
    f->durable = f->shown;
}

/* -------- comparing -------- */

static void check_snapshot(fixture *f, const mu_snapshot *snapshot, const model *expected)
{
    mu_err err;
    const mu_entity *entity = mu_snapshot_entity(snapshot, profile());
    uint64_t n_rows = 0, n_events = 0;
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    for (uint32_t person = 0; person < N_PEOPLE; person++) {
        bool found = false, is_named = false, is_wanted = !mu_value_is_null(expected->rows[person]);
        mu_row_place place, named;
        mu_value row;
        mu_identity identity = {MU_STR("crmId"), expected->names[person]};
        if (entity != NULL) {
            assert_done(mu_entity_find_pid(entity, person + 1, &found, &place, &err), err);
            assert_done(mu_entity_find(entity, identity, &is_named, &named, &err), err);
        }
        assert_int_equal(found, is_wanted);
        assert_int_equal(is_named, is_wanted);
        if (!found)
            continue;
        assert_int_equal(place.part, named.part);
        assert_int_equal(place.row, named.row);
        assert_done(mu_part_row(entity->parts[place.part], place.row, &arena, &row, &err), err);
        assert_true(mu_value_identical(row, expected->rows[person]));
        n_rows++;
        n_events += row.items[f->type->n_fields - 1].n;
    }
    mu_arena_free(&arena);
    assert_int_equal(entity == NULL ? 0 : entity->n_rows, n_rows);
    assert_int_equal(entity == NULL ? 0 : entity->n_events, n_events);
    mu_mark mark = mu_snapshot_mark(snapshot);
    assert_int_equal(mark.next_sequence, expected->step);
    if (expected->step > 0) {
        char text[64];
        snprintf(text, sizeof text, "state %llu", (unsigned long long)expected->step);
        assert_true(mu_str_equal(mark.state, mu_str_from(text)));
        assert_int_equal(mark.next_pid, N_PEOPLE + 1);
    }
}

static void check_shown(fixture *f)
{
    mu_snapshot *snapshot = snapshot_of(f->store);
    check_snapshot(f, snapshot, &f->shown);
    mu_snapshot_release(snapshot);
}

/* As another process sees it. */
static void check_durable(fixture *f)
{
    mu_err err;
    mu_store *reader = NULL;
    assert_done(mu_store_open(f->folder, MU_STR("prod"), MU_STORE_READ, &reader, &err), err);
    mu_snapshot *snapshot = snapshot_of(reader);
    check_snapshot(f, snapshot, &f->durable);
    mu_snapshot_release(snapshot);
    mu_store_close(reader);
}

static void fail_on_problem(void *context, mu_str sentence)
{
    (void)context;
    fail_msg(MU_STR_FMT, MU_STR_ARG(sentence));
}

static void check_sound(fixture *f)
{
    mu_err err;
    mu_verify_report result;
    mu_verify_callbacks callbacks = {.problem = fail_on_problem};
    assert_done(mu_store_verify(f->folder, 1, &callbacks, &result, &err), err);
}

static uint32_t count_part_files(fixture *f)
{
    char path[MU_PATH_MAX];
    uint32_t n = 0;
    snprintf(path, sizeof path, "%s/parts", f->folder);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        n += strstr(entry->d_name, ".part") != NULL;
    closedir(dir);
    return n;
}

static uint32_t count_parts(fixture *f, bool in_memory)
{
    mu_snapshot *snapshot = snapshot_of(f->store);
    uint32_t n = 0;
    for (uint32_t p = 0; p < snapshot->state.n_parts; p++)
        n += mu_part_handle_is_in_memory(snapshot->state.parts[p].handle) == in_memory;
    mu_snapshot_release(snapshot);
    return n;
}

/* -------- tests -------- */

static void changes_in_memory_are_shown_and_write_nothing(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < 10; i++) {
        do_step(f, 10);
        check_shown(f);
    }
    mu_snapshot *snapshot = snapshot_of(f->store);
    assert_true(mu_snapshot_memory_bytes(snapshot) > 0);
    mu_snapshot_release(snapshot);
    assert_int_equal(count_part_files(f), 0);
    check_durable(f);
    reopen(f);
    check_shown(f);
}

static void a_fold_makes_what_is_shown_durable(void **state)
{
    fixture *f = *state;
    do_step(f, 80);
    do_fold(f);
    assert_int_equal(count_parts(f, true), 0);
    assert_int_equal(count_part_files(f), 1);
    check_shown(f);
    check_durable(f);
    do_step(f, 20);
    do_step(f, 20);
    check_shown(f);
    check_durable(f);
    do_fold(f);
    do_fold(f); /* nothing to do */
    check_shown(f);
    check_sound(f);
    reopen(f);
    check_shown(f);
}

static void a_snapshot_keeps_what_was_folded_and_merged(void **state)
{
    fixture *f = *state;
    mu_err err;
    do_step(f, 50);
    do_fold(f);
    do_step(f, 50);
    mu_snapshot *old = snapshot_of(f->store);
    model before = f->shown;
    do_step(f, 50);
    do_fold(f);
    assert_done(mu_store_purge(f->store, NULL, &err), err);
    do_step(f, 100);
    check_snapshot(f, old, &before);
    mu_store_close(f->store);
    mu_folder_close(f->open);
    check_snapshot(f, old, &before);
    mu_snapshot_release(old);
    open_sandbox(f);
}

static void all_mixed_up_stays_as_the_map_has_it(void **state)
{
    fixture *f = *state;
    mu_err err;
    unsigned n = mu_dice_cases(400) + 40, n_merged = 0;
    for (unsigned i = 0; i < n; i++) {
        uint32_t roll = mu_dice_below(&f->dice, 100);
        bool merged = false;
        f->store->part_rows_max = mu_dice_percent(&f->dice, 50) ? 30 : MU_PART_ROWS_MAX;
        if (roll < 50)
            do_step(f, mu_dice_below(&f->dice, 4) == 0 ? 60 : 3);
        else if (roll < 75)
            do_fold(f);
        else if (roll < 90)
            assert_done(mu_store_merge(f->store, NULL, &merged, &err), err);
        else if (roll < 95)
            assert_done(mu_store_purge(f->store, NULL, &err), err);
        else
            reopen(f);
        n_merged += merged;
        check_shown(f);
        if (mu_dice_percent(&f->dice, 20)) {
            check_durable(f);
            check_sound(f);
        }
        assert_int_equal(count_part_files(f), count_parts(f, false));
    }
    assert_true(n_merged > 0);
}

static void a_purge_leaves_no_dead_row(void **state)
{
    fixture *f = *state;
    mu_err err;
    for (int i = 0; i < 5; i++) {
        do_step(f, 40);
        do_fold(f);
    }
    assert_done(mu_store_purge(f->store, NULL, &err), err);
    mu_snapshot *snapshot = snapshot_of(f->store);
    for (uint32_t p = 0; p < snapshot->state.n_parts; p++)
        assert_null(snapshot->state.parts[p].durable);
    mu_snapshot_release(snapshot);
    check_shown(f);
    check_durable(f);
    check_sound(f);
}

#define SECRET "nobody-may-read-this@example.com"

static bool folder_holds(fixture *f, const char *folder, const char *text)
{
    bool holds = false;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        mu_err err;
        mu_str bytes;
        char path[MU_PATH_MAX];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%.2000s/%s", folder, entry->d_name);
        if (entry->d_type == DT_DIR) {
            holds |= folder_holds(f, path, text);
            continue;
        }
        assert_done(mu_file_read(&f->arena, path, SIZE_MAX, &bytes, &err), err);
        holds |= memmem(bytes.ptr, bytes.len, text, strlen(text)) != NULL;
    }
    closedir(dir);
    return holds;
}

/* One change in memory that gives a person a row, or takes it away, and says so in the mark. */
static void set_secret(fixture *f, bool is_there)
{
    mu_err err;
    mu_change *change = NULL;
    mu_part_writer *writer = NULL;
    uint32_t person = N_PEOPLE;
    assert_done(mu_change_begin_in_memory(f->store, &change, &err), err);
    if (is_there) {
        mu_value row = mu_random_row(&f->arena, &f->dice, f->type, 2);
        assert_done(mu_part_writer_new(change, profile(), f->type, &writer, &err), err);
        assert_done(mu_part_writer_add(writer, person + 1,
                                       (mu_identity){MU_STR("Email"), MU_STR(SECRET)}, row, &err),
                    err);
        assert_done(mu_part_writer_finish(writer, &err), err);
    } else {
        kill_person(change, person);
    }
    mu_change_set_mark(
        change, &(mu_mark){++f->shown.step, N_PEOPLE + 2, is_there ? MU_STR(SECRET) : MU_STR("")});
    assert_done(mu_change_commit(change, &err), err);
}

static void parts_that_a_fold_writes_are_bounded(void **state)
{
    fixture *f = *state;
    f->store->part_rows_max = 20;
    do_step(f, 100);
    do_fold(f);
    mu_snapshot *snapshot = snapshot_of(f->store);
    assert_true(snapshot->state.n_parts > 3);
    for (uint32_t p = 0; p < snapshot->state.n_parts; p++)
        assert_in_range(mu_part_rows(snapshot->state.parts[p].handle->part), 1, 20 + 63);
    mu_snapshot_release(snapshot);
    check_shown(f);
    check_durable(f);
    check_sound(f);
}

static void what_was_purged_is_nowhere_in_the_folder(void **state)
{
    fixture *f = *state;
    mu_err err;
    do_step(f, 90);
    set_secret(f, true);
    do_fold(f);
    assert_true(folder_holds(f, f->folder, SECRET));
    set_secret(f, false);
    do_fold(f);
    assert_done(mu_store_purge(f->store, NULL, &err), err);
    assert_false(folder_holds(f, f->folder, SECRET));
    check_sound(f);
}

static void merges_keep_the_number_of_parts_small(void **state)
{
    fixture *f = *state;
    mu_err err;
    for (int i = 0; i < 60; i++) {
        bool merged = true;
        do_step(f, 5);
        do_fold(f);
        while (merged)
            assert_done(mu_store_merge(f->store, NULL, &merged, &err), err);
        assert_true(count_parts(f, false) < 9);
    }
    check_shown(f);
    check_sound(f);
}

/* What a merge makes is not reason for the same merge again. */
static void merging_comes_to_an_end(void **state)
{
    fixture *f = *state;
    mu_err err;
    f->store->part_rows_max = 10;
    for (int i = 0; i < 12; i++) {
        bool merged = true;
        do_step(f, 15);
        do_fold(f);
        for (int n = 0; merged; n++) {
            assert_true(n < 40);
            assert_done(mu_store_merge(f->store, NULL, &merged, &err), err);
        }
    }
    check_shown(f);
    check_sound(f);
}

static void merges_keep_the_parts_in_memory_few(void **state)
{
    fixture *f = *state;
    mu_err err;
    uint32_t most = 0;
    for (int i = 0; i < 100; i++) {
        bool merged = true;
        do_step(f, 5);
        while (merged)
            assert_done(mu_store_merge(f->store, NULL, &merged, &err), err);
        uint32_t n = count_parts(f, true);
        most = n > most ? n : most;
        if (i % 10 == 0)
            check_shown(f);
    }
    assert_in_range(most, 7, 30);
    assert_int_equal(count_part_files(f), 0);
    check_shown(f);
    check_durable(f);
    do_fold(f);
    check_shown(f);
    check_durable(f);
    check_sound(f);
}

/* A change in memory that began before a fold or merge and is committed after it: what it kills has
 * moved to another part. */
static void a_change_may_span_a_fold_and_a_merge(void **state)
{
    fixture *f = *state;
    mu_err err;
    mu_change *change = NULL;
    for (int i = 0; i < 20; i++) {
        do_step(f, 30);
        if (i % 2 == 0)
            do_fold(f);
        model before = f->shown;
        begin_step(f, &change, 30);
        model after = f->shown;
        f->shown = before;
        do_fold(f);
        assert_done(mu_store_purge(f->store, NULL, &err), err);
        check_shown(f);
        assert_done(mu_change_commit(change, &err), err);
        f->shown = after;
        check_shown(f);
        check_durable(f);
    }
    do_fold(f);
    check_shown(f);
    check_durable(f);
    check_sound(f);
}

static void one_fold_at_a_time(void **state)
{
    fixture *f = *state;
    mu_err err;
    mu_change *change = NULL, *other = NULL;
    mu_store *reader = NULL, *second = NULL;
    f->store->has_fold = true;
    assert_int_equal(mu_store_fold(f->store, NULL, &err), MU_E_CONFLICT);
    f->store->has_fold = false;
    assert_done(mu_change_begin_in_memory(f->store, &change, &err), err);
    assert_int_equal(mu_change_begin(f->store, &other, &err), MU_E_CONFLICT);
    mu_change_abort(change);
    assert_int_equal(mu_store_open_in(f->open, MU_STR("prod"), &second, &err), MU_E_CONFLICT);
    assert_non_null(strstr(err.text, "is open already"));
    assert_done(mu_store_open(f->folder, MU_STR("prod"), MU_STORE_READ, &reader, &err), err);
    assert_int_equal(mu_store_fold(reader, NULL, &err), MU_E_INPUT);
    mu_store_close(reader);
}

/* A row that is in memory only would come back from the log. */
static void a_change_on_disk_does_not_touch_rows_in_memory(void **state)
{
    fixture *f = *state;
    mu_err err;
    mu_change *change = NULL;
    bool found = false;
    mu_row_place place;
    do_step(f, 100);
    mu_snapshot *snapshot = snapshot_of(f->store);
    uint32_t person = 0;
    while (mu_value_is_null(f->shown.rows[person]))
        person++;
    const mu_entity *entity = mu_snapshot_entity(snapshot, profile());
    assert_done(mu_entity_find_pid(entity, person + 1, &found, &place, &err), err);
    assert_done(mu_change_begin(f->store, &change, &err), err);
    assert_int_equal(mu_change_kill_row(change, profile(), place, &err), MU_E_CONFLICT);
    mu_change_abort(change);
    mu_snapshot_release(snapshot);
}

static void a_full_disk_stops_a_fold_and_changes_nothing(void **state)
{
    fixture *f = *state;
    struct rlimit sizes, small;
    unsigned n_failed = 0;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &sizes), 0);
    for (unsigned i = 0; i < 40; i++) {
        mu_err err = {0};
        do_step(f, 20);
        small = sizes;
        small.rlim_cur = mu_dice_below(&f->dice, 150000);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        bool merged;
        mu_code code =
            i % 3 == 0 ? mu_store_purge(f->store, NULL, &err) : mu_store_fold(f->store, NULL, &err);
        bool is_folded = code == MU_OK && i % 3 != 0;
        if (code == MU_OK)
            code = mu_store_merge(f->store, NULL, &merged, &err);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &sizes), 0);
        if (is_folded)
            f->durable = f->shown;
        n_failed += code != MU_OK;
        if (code != MU_OK)
            assert_int_equal(code, MU_E_IO);
        if (f->open->is_unsettled) {
            model folded = f->shown;
            reopen(f);
            mu_snapshot *snapshot = snapshot_of(f->store); /* it may have happened */
            if (mu_snapshot_mark(snapshot).next_sequence == folded.step)
                f->shown = f->durable = folded;
            mu_snapshot_release(snapshot);
        }
        check_shown(f);
        check_durable(f);
        check_sound(f);
        assert_int_equal(count_part_files(f), count_parts(f, false));
    }
    signal(SIGXFSZ, SIG_DFL);
    assert_true(n_failed > 0);
}

/* -------- several sandboxes -------- */

static void sandboxes_of_a_folder_change_side_by_side(void **state)
{
    fixture *f = *state;
    mu_err err;
    mu_store *other = NULL;
    fixture second = *f;
    uint32_t n = 0;
    const mu_str *names;
    assert_done(mu_store_open_in(f->open, MU_STR("dev"), &other, &err), err);
    assert_done(mu_folder_sandboxes(f->open, &f->arena, &n, &names, &err), err);
    assert_int_equal(n, 2);
    assert_true(mu_str_equal(names[0], MU_STR("prod")) && mu_str_equal(names[1], MU_STR("dev")));
    mu_change *change = NULL;
    assert_done(mu_change_begin(other, &change, &err), err);
    mu_change_set_schema(change, f->schema);
    assert_done(mu_change_commit(change, &err), err);
    second.store = other;
    mu_arena_init(&second.arena, SIZE_MAX);
    mu_dice_init(&second.dice, 7);
    for (int i = 0; i < 10; i++) {
        do_step(f, 20);
        do_step(&second, 20);
        if (i % 3 == 0)
            do_fold(i % 2 == 0 ? f : &second);
        check_shown(f);
        check_shown(&second);
    }
    do_fold(f);
    do_fold(&second);
    check_sound(f);
    assert_int_equal(count_part_files(f), count_parts(f, false) + count_parts(&second, false));
    check_shown(f);
    check_shown(&second);
    mu_store_close(other);
    mu_arena_free(&second.arena);
}

/* -------- threads -------- */

typedef struct crowd {
    fixture *f;
    uint64_t n_steps;
    _Atomic bool is_over;
} crowd;

/* Now and then with a pause, in which parts in memory gather. */
static mu_code fold_on_and_on(crowd *c, mu_err *err)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    for (unsigned i = 0; !atomic_load(&c->is_over); i++) {
        MU_TRY(mu_store_fold(c->f->store, NULL, err));
        if (i % 4 == 0)
            nanosleep(&pause, NULL);
    }
    return MU_OK;
}

static mu_code merge_on_and_on(crowd *c, mu_err *err)
{
    for (unsigned i = 0; !atomic_load(&c->is_over); i++) {
        bool merged;
        MU_TRY(i % 4 == 0 ? mu_store_purge(c->f->store, NULL, err)
                          : mu_store_merge(c->f->store, NULL, &merged, err));
    }
    return MU_OK;
}

/* Every pid has one live row in whatever snapshot there is. */
static mu_code look_on_and_on(crowd *c, mu_store *store, mu_err *err)
{
    while (!atomic_load(&c->is_over)) {
        mu_snapshot *snapshot;
        uint32_t n = 0;
        MU_TRY(mu_snapshot_acquire(store, &snapshot, err));
        const mu_entity *entity = mu_snapshot_entity(snapshot, profile());
        for (uint32_t pid = 1; entity != NULL && pid <= N_PEOPLE; pid++) {
            bool found;
            mu_row_place place;
            MU_TRY(mu_entity_find_pid(entity, pid, &found, &place, err));
            n += found;
        }
        bool is_sound = entity == NULL || n == entity->n_rows;
        mu_snapshot_release(snapshot);
        if (!is_sound)
            return mu_fail(err, MU_E_CORRUPT, "%u pids have a row, which is not all rows", n);
    }
    return MU_OK;
}

static mu_code work(void *context, unsigned worker, size_t item, mu_err *err)
{
    crowd *c = context;
    (void)worker;
    if (item == 0) {
        for (uint64_t i = 0; i < c->n_steps; i++)
            do_step(c->f, mu_dice_below(&c->f->dice, 20));
        atomic_store(&c->is_over, true);
        return MU_OK;
    }
    if (item == 1)
        return fold_on_and_on(c, err);
    if (item == 2)
        return merge_on_and_on(c, err);
    if (item == 3)
        return look_on_and_on(c, c->f->store, err);
    mu_store *reader;
    MU_TRY(mu_store_open(c->f->folder, MU_STR("prod"), MU_STORE_READ, &reader, err));
    mu_code code = look_on_and_on(c, reader, err);
    mu_store_close(reader);
    return code;
}

static mu_code work_and_end(void *context, unsigned worker, size_t item, mu_err *err)
{
    mu_code code = work(context, worker, item, err);
    if (code != MU_OK)
        atomic_store(&((crowd *)context)->is_over, true);
    return code;
}

static void everything_runs_side_by_side(void **state)
{
    fixture *f = *state;
    mu_err err;
    crowd c = {.f = f, .n_steps = mu_dice_cases(300) + 30};
    f->store->part_rows_max = 70;
    do_step(f, 50);
    assert_done(mu_parallel_for(5, 5, work_and_end, &c, &err), err);
    check_shown(f);
    do_fold(f);
    check_shown(f);
    check_durable(f);
    check_sound(f);
    reopen(f);
    check_shown(f);
}

/* -------- pace -------- */

typedef struct pauses {
    unsigned n_asked, n_left;
} pauses;

static bool should_yield(void *context)
{
    pauses *p = context;
    p->n_asked++;
    return p->n_left > 0 && p->n_left-- > 0;
}

static void a_fold_pauses_when_it_is_asked_to(void **state)
{
    fixture *f = *state;
    mu_err err;
    pauses p = {.n_left = 3};
    mu_pace pace = {.sync_bytes = 4096, .should_yield = should_yield, .context = &p};
    do_step(f, 100);
    assert_done(mu_store_fold(f->store, &pace, &err), err);
    f->durable = f->shown;
    assert_int_equal(p.n_left, 0);
    assert_true(p.n_asked > 3);
    check_durable(f);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(changes_in_memory_are_shown_and_write_nothing),
        TEST(a_fold_makes_what_is_shown_durable),
        TEST(a_snapshot_keeps_what_was_folded_and_merged),
        TEST(all_mixed_up_stays_as_the_map_has_it),
        TEST(a_purge_leaves_no_dead_row),
        TEST(parts_that_a_fold_writes_are_bounded),
        TEST(what_was_purged_is_nowhere_in_the_folder),
        TEST(merges_keep_the_number_of_parts_small),
        TEST(merging_comes_to_an_end),
        TEST(merges_keep_the_parts_in_memory_few),
        TEST(a_change_may_span_a_fold_and_a_merge),
        TEST(one_fold_at_a_time),
        TEST(a_change_on_disk_does_not_touch_rows_in_memory),
        TEST(a_full_disk_stops_a_fold_and_changes_nothing),
        TEST(sandboxes_of_a_folder_change_side_by_side),
        TEST(everything_runs_side_by_side),
        TEST(a_fold_pauses_when_it_is_asked_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
