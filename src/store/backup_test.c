/* backup_test.c -- a data folder copied under load opens, and holds what was acknowledged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/thread.h"
#include "store/log.h"
#include "store/store_int.h"
#include "tests/support/part_rows.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Step s is record s of the log; it gives people new rows that name it. Folds set the mark to the
 * step after, and now and then the log is trimmed to it. So what a copy must hold follows from the
 * mark in it. */
#define N_PEOPLE 120u

typedef struct fixture {
    char *folder;
    mu_arena arena;
    const mu_type *row;
    const mu_schema *schema;
    mu_store *store;
    mu_log *log;
    _Atomic uint64_t acknowledged;
    _Atomic bool is_over;
    uint64_t n_copies;
} fixture;

static mu_code give_up(mu_code code, const mu_err *why, int line, mu_err *err)
{
    return mu_fail(err, code, "line %d: %.480s", line, why->text);
}

#define TRY(call)                                                                                  \
    do {                                                                                           \
        mu_err why_;                                                                               \
        mu_err *why = &why_;                                                                       \
        mu_code code_ = (call);                                                                    \
        if (code_ != MU_OK)                                                                        \
            return give_up(code_, why, __LINE__, err);                                             \
    } while (0)

#define assert_done(call, err)                                                                     \
    do {                                                                                           \
        if ((call) != MU_OK)                                                                       \
            fail_msg("%s", (err).text);                                                            \
    } while (0)

static bool is_touched(uint32_t person, uint64_t step)
{
    return person == 0 || mu_mix32(person * 2654435761u ^ (uint32_t)step) % 8 == 0;
}

static uint64_t last_touched(uint32_t person, uint64_t step)
{
    while (step > 0 && !is_touched(person, step))
        step--;
    return step;
}

/* -------- the writers -------- */

static mu_code apply(void *context, uint64_t sequence, mu_str payload, mu_err *err)
{
    (void)context;
    (void)sequence;
    (void)payload;
    (void)err;
    return MU_OK;
}

static void synced(void *context, uint64_t sequence, mu_code code)
{
    (void)context;
    (void)sequence;
    (void)code;
}

static int compare_pids(const void *a, const void *b)
{
    uint32_t x = mu_mix32(*(const uint32_t *)a), y = mu_mix32(*(const uint32_t *)b);
    return (x > y) - (x < y);
}

static mu_code write_rows(fixture *f, mu_change *change, uint64_t step, mu_err *err)
{
    uint32_t pids[N_PEOPLE], n = 0;
    mu_part_writer *writer;
    const mu_entity *entity = mu_snapshot_entity(mu_change_base(change), MU_STR("profile"));
    for (uint32_t person = 0; person < N_PEOPLE; person++) {
        bool found = false;
        mu_row_place place;
        if (!is_touched(person, step))
            continue;
        pids[n++] = person + 1;
        if (entity != NULL)
            MU_TRY(mu_entity_find_pid(entity, person + 1, &found, &place, err));
        if (found)
            MU_TRY(mu_change_kill_row(change, MU_STR("profile"), place, err));
    }
    qsort(pids, n, sizeof *pids, compare_pids);
    MU_TRY(mu_part_writer_new(change, MU_STR("profile"), f->row, &writer, err));
    for (uint32_t i = 0; i < n; i++) {
        char name[32];
        mu_value fields[2] = {mu_value_integer((int64_t)step), {.kind = MU_TYPE_LIST}};
        mu_value row = {.kind = MU_TYPE_OBJECT, .n = 2};
        row.items = fields;
        row.keys = f->row->field_names;
        snprintf(name, sizeof name, "CRM-%u", pids[i]);
        MU_TRY(mu_part_writer_add(writer, pids[i],
                                  (mu_identity){MU_STR("crmId"), mu_str_from(name)}, row, err));
    }
    return mu_part_writer_finish(writer, err);
}

static mu_code do_step(fixture *f, uint64_t step, mu_err *err)
{
    char filling[900];
    uint64_t last;
    mu_change *change;
    memset(filling, (int)(step % 251) + 1, sizeof filling);
    mu_str payload = {filling, 1 + step * 37 % sizeof filling};
    TRY(mu_log_append(f->log, 1, &payload, &last, why));
    if (last != step)
        return mu_fail(err, MU_E_CORRUPT, "step %llu is record %llu", (unsigned long long)step,
                       (unsigned long long)last);
    TRY(mu_log_wait(f->log, last, why));
    atomic_store(&f->acknowledged, last);
    TRY(mu_change_begin_in_memory(f->store, &change, why));
    TRY(write_rows(f, change, step, why));
    mu_change_set_mark(change, &(mu_mark){step + 1, N_PEOPLE + 1, MU_STR("here")});
    TRY(mu_change_commit(change, why));
    return MU_OK;
}

static mu_code keep(fixture *f, mu_err *err)
{
    for (unsigned i = 1; !atomic_load(&f->is_over); i++) {
        bool merged;
        mu_snapshot *snapshot;
        TRY(mu_store_fold(f->store, NULL, why));
        TRY(mu_store_merge(f->store, NULL, &merged, why));
        if (i % 7 == 0)
            TRY(mu_store_purge(f->store, NULL, why));
        if (i % 3 != 0)
            continue;
        TRY(mu_snapshot_acquire(f->store, &snapshot, why));
        /* What is on disk, not what is shown. */
        const mu_held_mark *mark = snapshot->state.durable_mark;
        uint64_t sequence = mark == NULL ? 0 : mark->mark.next_sequence;
        mu_snapshot_release(snapshot);
        TRY(mu_log_rotate(f->log, why));
        if (sequence > 0)
            TRY(mu_log_trim(f->log, sequence, why));
    }
    return MU_OK;
}

/* -------- what a copy holds -------- */

static void note_problem(void *context, mu_str sentence)
{
    (void)mu_fail(context, MU_E_CORRUPT, MU_STR_FMT, MU_STR_ARG(sentence));
}

static mu_code check_rows(const mu_snapshot *snapshot, uint64_t step, mu_err *err)
{
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    const mu_entity *entity = mu_snapshot_entity(snapshot, MU_STR("profile"));
    mu_code code = MU_OK;
    for (uint32_t person = 0; code == MU_OK && person < N_PEOPLE; person++) {
        bool found = false;
        mu_row_place place;
        mu_value row;
        uint64_t expected = last_touched(person, step);
        if (entity != NULL)
            code = mu_entity_find_pid(entity, person + 1, &found, &place, err);
        if (code == MU_OK && found)
            code = mu_part_row(entity->parts[place.part], place.row, &arena, &row, err);
        if (code == MU_OK &&
            (found != (expected > 0) || (found && (uint64_t)row.items[0].integer != expected)))
            code = mu_fail(err, MU_E_CORRUPT, "person %u at step %llu is not there", person,
                           (unsigned long long)step);
    }
    mu_arena_free(&arena);
    return code;
}

/* The log goes on from the mark without a gap; its end is the last record. */
static mu_code check_log(const char *copy, uint64_t mark, uint64_t *last, mu_err *err)
{
    mu_log *log;
    mu_log_options options = {
        .folder = copy, .first_sequence = mark, .apply = apply, .synced = synced};
    TRY(mu_log_open(&options, &log, why));
    *last = mu_log_next_sequence(log) - 1;
    mu_log_close(log);
    return MU_OK;
}

static mu_code check_copy(fixture *f, const char *copy, uint64_t acknowledged, mu_err *err)
{
    mu_store *store;
    mu_snapshot *snapshot;
    mu_err problem = {0};
    mu_verify_report verified;
    mu_log_report log_report;
    mu_verify_callbacks callbacks = {.problem = note_problem, .context = &problem};
    (void)f;
    TRY(mu_store_verify(copy, 1, &callbacks, &verified, why));
    TRY(mu_log_verify(copy, note_problem, &problem, &log_report, why));
    if (problem.code != MU_OK)
        return give_up(problem.code, &problem, __LINE__, err);
    TRY(mu_store_open(copy, MU_STR("prod"), MU_STORE_WRITE, &store, why));
    TRY(mu_snapshot_acquire(store, &snapshot, why));
    uint64_t mark = mu_snapshot_mark(snapshot).next_sequence, last = 0;
    mu_code code = check_rows(snapshot, mark == 0 ? 0 : mark - 1, err);
    mu_snapshot_release(snapshot);
    if (code == MU_OK)
        code = check_log(copy, mark, &last, err);
    mu_store_close(store);
    MU_TRY(code);
    if (last < acknowledged)
        return mu_fail(err, MU_E_CORRUPT, "record %llu was acknowledged, the copy ends at %llu",
                       (unsigned long long)acknowledged, (unsigned long long)last);
    return MU_OK;
}

static mu_code copy_on_and_on(fixture *f, mu_err *err)
{
    while (!atomic_load(&f->is_over) || f->n_copies == 0) {
        mu_backup_report report;
        char *copy = mu_make_temporary_folder();
        uint64_t acknowledged = atomic_load(&f->acknowledged);
        TRY(mu_store_backup(f->folder, copy, NULL, &report, why));
        TRY(check_copy(f, copy, acknowledged, why));
        mu_remove_folder(copy);
        f->n_copies++;
    }
    return MU_OK;
}

static mu_code work(void *context, unsigned worker, size_t item, mu_err *err)
{
    fixture *f = context;
    mu_code code = MU_OK;
    (void)worker;
    if (item == 0) {
        unsigned n = mu_dice_cases(1500) + 200;
        for (uint64_t step = 1; code == MU_OK && step <= n; step++)
            code = do_step(f, step, err);
    } else {
        code = item == 1 ? keep(f, err) : copy_on_and_on(f, err);
    }
    if (item == 0 || code != MU_OK)
        atomic_store(&f->is_over, true);
    return code;
}

/* -------- tests -------- */

static const mu_type *object_type(mu_arena *arena, uint32_t n, const mu_str *names,
                                  const mu_type *const *types)
{
    mu_type *type = MU_NEW(arena, mu_type);
    mu_str *copies = MU_NEW_ARRAY(arena, mu_str, n);
    const mu_type **fields = MU_NEW_ARRAY(arena, const mu_type *, n);
    for (uint32_t i = 0; i < n; i++) {
        copies[i] = names[i];
        fields[i] = types[i];
    }
    *type = (mu_type){
        .kind = MU_TYPE_OBJECT, .n_fields = n, .field_names = copies, .field_types = fields};
    return type;
}

static int set_up(void **state)
{
    mu_err err;
    mu_change *change = NULL;
    fixture *f = calloc(1, sizeof *f);
    f->folder = mu_make_temporary_folder();
    mu_arena_init(&f->arena, SIZE_MAX);
    mu_type *events = MU_NEW(&f->arena, mu_type);
    *events = (mu_type){.kind = MU_TYPE_LIST};
    events->item = object_type(&f->arena, 1, &MU_STR("timestamp"),
                               (const mu_type *[]){mu_type_of(MU_TYPE_TIMESTAMP)});
    f->row = object_type(&f->arena, 2, (const mu_str[]){MU_STR("step"), MU_STR("xEvent")},
                         (const mu_type *[]){mu_type_of(MU_TYPE_INTEGER), events});
    assert_done(mu_store_open(f->folder, MU_STR("prod"), MU_STORE_WRITE, &f->store, &err), err);
    f->schema = mu_schema_of_rows(&f->arena, f->row);
    assert_done(mu_change_begin(f->store, &change, &err), err);
    mu_change_set_schema(change, f->schema);
    assert_done(mu_change_commit(change, &err), err);
    mu_log_options options = {
        .folder = f->folder, .segment_bytes = 65536, .apply = apply, .synced = synced};
    assert_done(mu_log_open(&options, &f->log, &err), err);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    mu_log_close(f->log);
    mu_store_close(f->store);
    mu_remove_folder(f->folder);
    mu_arena_free(&f->arena);
    free(f);
    return 0;
}

static void a_copy_under_load_holds_what_was_acknowledged(void **state)
{
    fixture *f = *state;
    mu_err err;
    assert_done(mu_parallel_for(3, 3, work, f, &err), err);
    printf("%llu steps, %llu copies\n", (unsigned long long)f->acknowledged,
           (unsigned long long)f->n_copies);
}

static void make_file(const char *folder, const char *name, const char *text)
{
    char path[8192];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static bool has_file(const char *folder, const char *name)
{
    char path[8192];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

static void other_files_are_copied_too(void **state)
{
    fixture *f = *state;
    mu_err err;
    mu_backup_report report;
    char path[4200];
    char *copy = mu_make_temporary_folder();
    snprintf(path, sizeof path, "%s/failed/a/b", f->folder);
    assert_done(mu_make_directories(path, &err), err);
    make_file(f->folder, "failed/a/b/1.json", "{}");
    make_file(f->folder, "notes.txt", "mine");
    make_file(f->folder, "parts/00000000000000ff.part", "of no commit");
    assert_done(do_step(f, 1, &err), err);
    assert_done(mu_store_fold(f->store, NULL, &err), err);
    assert_done(mu_store_backup(f->folder, copy, &(mu_pace){.sync_bytes = 1}, &report, &err), err);
    assert_int_equal(report.n_parts, 1);
    assert_int_equal(report.n_segments, 1);
    assert_true(has_file(copy, "failed/a/b/1.json") && has_file(copy, "notes.txt"));
    assert_false(has_file(copy, "parts/00000000000000ff.part") || has_file(copy, "lock"));
    assert_done(check_copy(f, copy, 1, &err), err);
    assert_int_equal(mu_store_backup(f->folder, copy, NULL, &report, &err), MU_E_CONFLICT);
    assert_non_null(strstr(err.text, "is not empty"));
    mu_remove_folder(copy);
}

static void a_copy_may_lie_in_the_folder(void **state)
{
    fixture *f = *state;
    mu_err err;
    mu_backup_report report;
    char path[4200];
    snprintf(path, sizeof path, "%s/copies/first", f->folder);
    assert_done(do_step(f, 1, &err), err);
    assert_done(mu_store_backup(f->folder, path, NULL, &report, &err), err);
    assert_false(has_file(path, "copies/first"));
    assert_done(check_copy(f, path, 1, &err), err);
    snprintf(path, sizeof path, "%s/copies/second", f->folder);
    assert_done(mu_store_backup(f->folder, path, NULL, &report, &err), err);
    assert_false(has_file(path, "copies/first"));
    assert_done(check_copy(f, path, 1, &err), err);
}

static void what_is_no_data_folder_is_not_copied(void **state)
{
    (void)state;
    mu_err err;
    mu_backup_report report;
    char *folder = mu_make_temporary_folder(), *copy = mu_make_temporary_folder();
    assert_int_equal(mu_store_backup(folder, copy, NULL, &report, &err), MU_E_NOT_FOUND);
    assert_false(has_file(copy, "catalog.db") || has_file(copy, "parts"));
    mu_remove_folder(folder);
    mu_remove_folder(copy);
}

static void count_problem(void *context, mu_str sentence)
{
    unsigned *n = context;
    ++*n;
    printf(MU_STR_FMT "\n", MU_STR_ARG(sentence));
}

/* Parts that hold more than the log ever had: somebody cut the log, or brought another one. */
static void a_log_that_ends_before_the_mark_is_a_problem(void **state)
{
    fixture *f = *state;
    mu_err err;
    mu_change *change = NULL;
    mu_verify_report report;
    unsigned n = 0;
    mu_verify_callbacks callbacks = {.problem = count_problem, .context = &n};
    assert_done(do_step(f, 1, &err), err);
    assert_done(mu_store_fold(f->store, NULL, &err), err);
    assert_done(mu_store_verify(f->folder, 1, &callbacks, &report, &err), err);
    assert_int_equal(n, 0);
    assert_int_equal(report.n_log_records, 1);
    assert_done(mu_change_begin(f->store, &change, &err), err);
    mu_change_set_mark(change, &(mu_mark){7, N_PEOPLE + 1, MU_STR("")});
    assert_done(mu_change_commit(change, &err), err);
    assert_done(mu_store_verify(f->folder, 1, &callbacks, &report, &err), err);
    assert_int_equal(n, 1);
    assert_int_equal(report.n_problems, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_copy_under_load_holds_what_was_acknowledged),
        TEST(other_files_are_copied_too),
        TEST(a_copy_may_lie_in_the_folder),
        TEST(what_is_no_data_folder_is_not_copied),
        TEST(a_log_that_ends_before_the_mark_is_a_problem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
