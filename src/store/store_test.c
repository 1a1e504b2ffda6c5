/* store_test.c -- changes committed, reopened, aborted; snapshots beside them; verify. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/thread.h"
#include "store/store_int.h"
#include "tests/support/part_rows.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define N_PEOPLE 200u

typedef struct fixture {
    mu_arena arena;
    mu_dice dice;
    char *folder;
    mu_store *store;
    const mu_type *type;
    const mu_schema *schema;
    uint32_t n_people;
    uint32_t pids[N_PEOPLE];
    mu_value rows[N_PEOPLE]; /* what is committed, by person */
} fixture;

#define assert_done(call, err)                                                                     \
    do {                                                                                           \
        if ((call) != MU_OK)                                                                       \
            fail_msg("%s", (err).text);                                                            \
    } while (0)

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    mu_arena_init(&f->arena, SIZE_MAX);
    mu_dice_init(&f->dice, mu_dice_seed("store/store", 1));
    f->folder = mu_make_temporary_folder();
    f->type = mu_random_row_type(&f->arena, &f->dice);
    f->schema = mu_schema_of_rows(&f->arena, f->type);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    mu_store_close(f->store);
    mu_remove_folder(f->folder);
    mu_arena_free(&f->arena);
    free(f);
    return 0;
}

static void open_for_writing(fixture *f)
{
    mu_err err;
    mu_store_close(f->store);
    f->store = NULL;
    assert_done(mu_store_open(f->folder, MU_STR("prod"), MU_STORE_WRITE, &f->store, &err), err);
}

static mu_snapshot *snapshot_of(mu_store *store)
{
    mu_err err;
    mu_snapshot *snapshot = NULL;
    assert_done(mu_snapshot_acquire(store, &snapshot, &err), err);
    return snapshot;
}

static mu_str profile(void)
{
    return MU_STR("profile");
}

/* -------- a model: people whose rows are replaced now and then -------- */

typedef struct planned_row {
    uint32_t person, pid;
    mu_value row;
} planned_row;

static int compare_planned(const void *a, const void *b)
{
    uint32_t x = mu_mix32(((const planned_row *)a)->pid);
    uint32_t y = mu_mix32(((const planned_row *)b)->pid);
    return (x > y) - (x < y);
}

static void kill_old_row(fixture *f, mu_change *change, const mu_snapshot *snapshot, uint32_t pid)
{
    mu_err err;
    bool found = false;
    mu_row_place place;
    const mu_entity *entity = mu_snapshot_entity(snapshot, profile());
    assert_non_null(entity);
    assert_done(mu_entity_find(entity, mu_identity_of_pid(&f->arena, pid), &found, &place, &err),
                err);
    assert_true(found);
    assert_done(mu_change_kill_row(change, profile(), place, &err), err);
}

/* New rows for some old people and for some new ones, planned in the order parts need. */
static uint32_t plan_rows(fixture *f, mu_change *change, const mu_snapshot *snapshot,
                          uint32_t n_old, uint32_t n_new, planned_row *plan)
{
    mu_err err;
    uint32_t n = 0, first = 0;
    if (f->n_people + n_new > N_PEOPLE)
        n_new = N_PEOPLE - f->n_people;
    for (uint32_t i = 0; i < n_old && f->n_people > 0; i++) {
        uint32_t person = mu_dice_below(&f->dice, f->n_people);
        bool is_planned = false;
        for (uint32_t k = 0; k < n; k++)
            is_planned |= plan[k].person == person;
        if (is_planned)
            continue;
        kill_old_row(f, change, snapshot, f->pids[person]);
        plan[n++] = (planned_row){person, f->pids[person], MU_VALUE_NULL};
    }
    assert_done(mu_change_new_pids(change, profile(), n_new, &first, &err), err);
    for (uint32_t i = 0; i < n_new; i++)
        plan[n++] = (planned_row){f->n_people + i, first + i, MU_VALUE_NULL};
    for (uint32_t i = 0; i < n; i++)
        plan[i].row = mu_random_row(&f->arena, &f->dice, f->type, mu_dice_below(&f->dice, 4));
    qsort(plan, n, sizeof *plan, compare_planned);
    return n;
}

static void write_rows(fixture *f, mu_change *change, uint32_t n, const planned_row *plan)
{
    mu_err err;
    uint32_t n_parts = 1 + mu_dice_below(&f->dice, 3);
    for (uint32_t p = 0; p < n_parts; p++) {
        mu_part_writer *writer = NULL;
        assert_done(mu_part_writer_new(change, profile(), f->type, &writer, &err), err);
        for (uint32_t i = p; i < n; i += n_parts)
            assert_done(mu_part_writer_add(writer, plan[i].pid,
                                           mu_identity_of_pid(&f->arena, plan[i].pid), plan[i].row,
                                           &err),
                        err);
        assert_done(mu_part_writer_finish(writer, &err), err);
    }
}

static mu_change *begin(fixture *f)
{
    mu_err err;
    mu_change *change = NULL;
    assert_done(mu_change_begin(f->store, &change, &err), err);
    mu_change_set_schema(change, f->schema);
    return change;
}

static void change_people(fixture *f, uint32_t n_old, uint32_t n_new, bool is_committed)
{
    mu_err err;
    planned_row *plan = MU_NEW_ARRAY(&f->arena, planned_row, n_old + n_new);
    mu_snapshot *snapshot = snapshot_of(f->store);
    mu_change *change = begin(f);
    uint32_t n = plan_rows(f, change, snapshot, n_old, n_new, plan);
    write_rows(f, change, n, plan);
    mu_snapshot_release(snapshot);
    if (!is_committed) {
        mu_change_abort(change);
        return;
    }
    assert_done(mu_change_commit(change, &err), err);
    for (uint32_t i = 0; i < n; i++) {
        f->pids[plan[i].person] = plan[i].pid;
        f->rows[plan[i].person] = plan[i].row;
        f->n_people += plan[i].person >= f->n_people;
    }
    f->n_people = 0;
    while (f->n_people < N_PEOPLE && f->pids[f->n_people] != 0)
        f->n_people++;
}

static void check_people(fixture *f, mu_store *store)
{
    mu_err err;
    mu_snapshot *snapshot = snapshot_of(store);
    const mu_entity *entity = mu_snapshot_entity(snapshot, profile());
    uint64_t n_events = 0;
    for (uint32_t i = 0; i < f->n_people; i++) {
        bool found = false;
        mu_row_place place;
        mu_value value;
        assert_done(
            mu_entity_find(entity, mu_identity_of_pid(&f->arena, f->pids[i]), &found, &place, &err),
            err);
        assert_true(found);
        assert_done(mu_part_row(entity->parts[place.part], place.row, &f->arena, &value, &err),
                    err);
        assert_true(mu_value_identical(value, f->rows[i]));
        n_events += value.items[f->type->n_fields - 1].n;
    }
    assert_int_equal(entity == NULL ? 0 : entity->n_rows, f->n_people);
    assert_int_equal(entity == NULL ? 0 : entity->n_events, n_events);
    if (entity != NULL) {
        bool found = true;
        mu_row_place place;
        mu_identity nobody = {MU_STR("Email"), MU_STR("nobody@example.com")};
        assert_done(mu_entity_find(entity, nobody, &found, &place, &err), err);
        assert_false(found);
    }
    mu_snapshot_release(snapshot);
}

typedef struct problem_list {
    unsigned n;
    char last[2048];
} problem_list;

static void note_problem(void *context, mu_str sentence)
{
    problem_list *list = context;
    list->n++;
    snprintf(list->last, sizeof list->last, MU_STR_FMT, MU_STR_ARG(sentence));
}

static mu_verify_report verify_folder(fixture *f, problem_list *problems)
{
    mu_err err;
    mu_verify_report result = {0};
    mu_verify_callbacks callbacks = {.problem = note_problem, .context = problems};
    *problems = (problem_list){0};
    assert_done(mu_store_verify(f->folder, 2, &callbacks, &result, &err), err);
    assert_int_equal(result.n_problems, problems->n);
    return result;
}

static void check_sound(fixture *f)
{
    problem_list problems;
    mu_verify_report result = verify_folder(f, &problems);
    if (problems.n != 0)
        fail_msg("%s", problems.last);
    assert_int_equal(result.n_rows, f->n_people);
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

static uint32_t count_live_parts(fixture *f)
{
    mu_snapshot *snapshot = snapshot_of(f->store);
    const mu_entity *entity = mu_snapshot_entity(snapshot, profile());
    uint32_t n = entity == NULL ? 0 : entity->n_parts;
    mu_snapshot_release(snapshot);
    return n;
}

/* -------- tests -------- */

static void committed_changes_are_there_after_reopening(void **state)
{
    fixture *f = *state;
    open_for_writing(f);
    unsigned n_rounds = mu_dice_cases(60) + 5;
    for (unsigned i = 0; i < n_rounds; i++) {
        change_people(f, mu_dice_below(&f->dice, 12), mu_dice_below(&f->dice, 9),
                      mu_dice_below(&f->dice, 4) != 0);
        check_people(f, f->store);
        assert_int_equal(count_part_files(f), count_live_parts(f));
        if (mu_dice_below(&f->dice, 5) == 0) {
            open_for_writing(f);
            check_people(f, f->store);
        }
    }
    check_sound(f);
    mu_err err;
    mu_store *reader = NULL;
    assert_done(mu_store_open(f->folder, MU_STR("prod"), MU_STORE_READ, &reader, &err), err);
    check_people(f, reader);
    mu_store_close(reader);
}

static void a_snapshot_stays_as_it_was(void **state)
{
    fixture *f = *state;
    mu_err err;
    mu_store *reader = NULL;
    open_for_writing(f);
    change_people(f, 0, 20, true);
    assert_done(mu_store_open(f->folder, MU_STR("prod"), MU_STORE_READ, &reader, &err), err);
    mu_snapshot *old = snapshot_of(f->store), *read = snapshot_of(reader);
    mu_value before = f->rows[3];
    uint32_t pid = f->pids[3];
    change_people(f, 300, 0, true); /* everybody's row is replaced: the old parts are gone */
    change_people(f, 0, 5, true);
    check_people(f, reader);
    mu_store_close(f->store);
    f->store = NULL;
    mu_store_close(reader);
    mu_snapshot *both[] = {old, read};
    for (int s = 0; s < 2; s++) {
        bool found = false;
        mu_row_place place;
        mu_value value;
        const mu_entity *entity = mu_snapshot_entity(both[s], profile());
        assert_int_equal(entity->n_rows, 20);
        assert_done(
            mu_entity_find(entity, mu_identity_of_pid(&f->arena, pid), &found, &place, &err), err);
        assert_true(found);
        assert_done(mu_part_row(entity->parts[place.part], place.row, &f->arena, &value, &err),
                    err);
        assert_true(mu_value_identical(value, before));
        mu_snapshot_release(both[s]);
    }
}

static void one_process_writes_at_a_time(void **state)
{
    fixture *f = *state;
    mu_err err;
    mu_store *second = NULL;
    open_for_writing(f);
    assert_int_equal(mu_store_open(f->folder, MU_STR("prod"), MU_STORE_WRITE, &second, &err),
                     MU_E_CONFLICT);
    char expected[64];
    snprintf(expected, sizeof expected, "is being written by process %ld", (long)getpid());
    assert_non_null(strstr(err.text, expected));
    mu_change *change = begin(f), *other = NULL;
    assert_int_equal(mu_change_begin(f->store, &other, &err), MU_E_CONFLICT);
    mu_change_abort(change);
    open_for_writing(f);
}

static void a_reader_cannot_change_anything(void **state)
{
    fixture *f = *state;
    mu_err err;
    mu_store *reader = NULL;
    mu_change *change = NULL;
    assert_int_equal(mu_store_open(f->folder, MU_STR("prod"), MU_STORE_READ, &reader, &err),
                     MU_E_NOT_FOUND);
    open_for_writing(f);
    assert_int_equal(mu_store_open(f->folder, MU_STR("dev"), MU_STORE_READ, &reader, &err),
                     MU_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "no sandbox \"dev\""));
    assert_done(mu_store_open(f->folder, MU_STR("prod"), MU_STORE_READ, &reader, &err), err);
    assert_int_equal(mu_change_begin(reader, &change, &err), MU_E_INPUT);
    mu_store_close(reader);
}

static void files_of_a_lost_change_are_removed_when_opening(void **state)
{
    fixture *f = *state;
    char path[MU_PATH_MAX];
    open_for_writing(f);
    change_people(f, 0, 10, true);
    uint32_t n = count_part_files(f);
    snprintf(path, sizeof path, "%s/parts/00000000000000ff.part", f->folder);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
    assert_true(fd >= 0);
    close(fd);
    snprintf(path, sizeof path, "%s/parts/notes.txt", f->folder);
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
    close(fd);
    assert_int_equal(count_part_files(f), n + 1);
    open_for_writing(f);
    assert_int_equal(count_part_files(f), n);
    assert_int_equal(access(path, F_OK), 0); /* not ours to remove */
    check_people(f, f->store);
}

static void sandboxes_do_not_see_one_another(void **state)
{
    fixture *f = *state;
    mu_err err;
    open_for_writing(f);
    change_people(f, 0, 10, true);
    mu_store_close(f->store);
    f->store = NULL;
    assert_done(mu_store_open(f->folder, MU_STR("dev"), MU_STORE_WRITE, &f->store, &err), err);
    assert_int_equal(count_live_parts(f), 0);
    uint32_t first = 0;
    mu_change *change = begin(f);
    assert_done(mu_change_new_pids(change, profile(), 1, &first, &err), err);
    assert_int_equal(first, 1);
    mu_change_abort(change);
    open_for_writing(f);
    check_people(f, f->store);
    check_sound(f);
}

static void pids_are_consecutive_and_never_given_twice(void **state)
{
    fixture *f = *state;
    mu_err err;
    uint32_t a = 0, b = 0, c = 0;
    open_for_writing(f);
    mu_change *change = begin(f);
    assert_done(mu_change_new_pids(change, profile(), 5, &a, &err), err);
    assert_done(mu_change_new_pids(change, MU_STR("product"), 7, &b, &err), err);
    assert_done(mu_change_new_pids(change, profile(), 1, &c, &err), err);
    assert_int_equal(a, 1);
    assert_int_equal(b, 1);
    assert_int_equal(c, 6);
    assert_done(mu_change_commit(change, &err), err);
    open_for_writing(f);
    change = begin(f);
    assert_done(mu_change_new_pids(change, profile(), 1, &a, &err), err);
    assert_int_equal(a, 7);
    assert_int_equal(mu_change_new_pids(change, profile(), UINT32_MAX, &a, &err), MU_E_LIMIT);
    mu_change_abort(change);
}

static void a_schema_only_grows(void **state)
{
    fixture *f = *state;
    mu_err err;
    open_for_writing(f);
    change_people(f, 0, 5, true);
    mu_change *change = begin(f);
    mu_change_set_schema(change, mu_schema_builtin(&f->arena));
    assert_int_equal(mu_change_commit(change, &err), MU_E_CONFLICT);
    assert_string_equal(err.text, "the new schema drops or retypes a field of profiles");
    check_people(f, f->store);
    mu_snapshot *snapshot = snapshot_of(f->store);
    assert_true(mu_type_equal(mu_snapshot_schema(snapshot)->row, f->type));
    mu_snapshot_release(snapshot);
}

static void a_part_must_follow_the_schema(void **state)
{
    fixture *f = *state;
    mu_err err;
    mu_change *change = NULL;
    mu_part_writer *writer = NULL;
    open_for_writing(f);
    assert_done(mu_change_begin(f->store, &change, &err), err);
    assert_done(mu_part_writer_new(change, MU_STR("planet"), f->type, &writer, &err), err);
    mu_value row = mu_random_row(&f->arena, &f->dice, f->type, 1);
    assert_done(mu_part_writer_add(writer, 1, mu_identity_of_pid(&f->arena, 1), row, &err), err);
    assert_done(mu_part_writer_finish(writer, &err), err);
    assert_int_equal(mu_change_commit(change, &err), MU_E_CONFLICT);
    assert_int_equal(count_part_files(f), 0);
}

/* -------- a disk that is full -------- */

/* No file of this process may grow past `limit`; what would is refused as a full disk would. */
static void limit_file_size(rlim_t limit)
{
    struct rlimit sizes;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &sizes), 0);
    sizes.rlim_cur = limit;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &sizes), 0);
}

/* One more person, unless it fails. */
static mu_code try_to_add_person(fixture *f, mu_err *err)
{
    mu_change *change = NULL;
    mu_part_writer *writer = NULL;
    uint32_t pid = 0;
    mu_value row = mu_random_row(&f->arena, &f->dice, f->type, 3);
    MU_TRY(mu_change_begin(f->store, &change, err));
    mu_code code = mu_change_new_pids(change, profile(), 1, &pid, err);
    if (code == MU_OK)
        code = mu_part_writer_new(change, profile(), f->type, &writer, err);
    if (code == MU_OK) {
        code = mu_part_writer_add(writer, pid, mu_identity_of_pid(&f->arena, pid), row, err);
        if (code == MU_OK)
            code = mu_part_writer_finish(writer, err);
        else
            mu_part_writer_abandon(writer);
    }
    if (code != MU_OK) {
        mu_change_abort(change);
        return code;
    }
    MU_TRY(mu_change_commit(change, err));
    f->pids[f->n_people] = pid;
    f->rows[f->n_people++] = row;
    return MU_OK;
}

static void a_full_disk_leaves_the_old_state(void **state)
{
    fixture *f = *state;
    signal(SIGXFSZ, SIG_IGN);
    open_for_writing(f);
    change_people(f, 0, 30, true);
    unsigned n_failed = 0, n_tries = 60;
    for (unsigned i = 0; i < n_tries; i++) {
        mu_err err = {0};
        limit_file_size(mu_dice_below(&f->dice, 65536));
        mu_code code = try_to_add_person(f, &err);
        limit_file_size(RLIM_INFINITY);
        if (code != MU_OK)
            assert_int_equal(code, MU_E_IO);
        n_failed += code != MU_OK;
        if (f->store->folder->is_unsettled)
            assert_int_equal(try_to_add_person(f, &err), MU_E_IO);
        if (f->store->folder->is_unsettled || mu_dice_below(&f->dice, 4) == 0)
            open_for_writing(f);
        check_people(f, f->store);
        check_sound(f);
        assert_int_equal(count_part_files(f), count_live_parts(f));
    }
    signal(SIGXFSZ, SIG_DFL);
    printf("%u of %u changes failed\n", n_failed, n_tries);
    assert_true(n_failed > 0);
}

/* -------- threads -------- */

typedef struct crowd {
    fixture *f;
    _Atomic bool is_over;
} crowd;

static mu_code read_or_write(void *context, unsigned worker, size_t item, mu_err *err)
{
    crowd *c = context;
    (void)worker;
    if (item == 0) {
        for (unsigned i = 0; i < 20; i++)
            change_people(c->f, 6, 4, true);
        atomic_store(&c->is_over, true);
        return MU_OK;
    }
    if (item == 1) {
        while (!atomic_load(&c->is_over)) {
            problem_list problems;
            verify_folder(c->f, &problems);
            if (problems.n != 0)
                return mu_fail(err, MU_E_CORRUPT, "%.500s", problems.last);
        }
        return MU_OK;
    }
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code = MU_OK;
    while (code == MU_OK && !atomic_load(&c->is_over)) {
        mu_snapshot *snapshot;
        code = mu_snapshot_acquire(c->f->store, &snapshot, err);
        if (code != MU_OK)
            break;
        const mu_entity *entity = mu_snapshot_entity(snapshot, profile());
        for (uint32_t p = 0; entity != NULL && p < entity->n_parts; p++)
            for (uint32_t r = 0; code == MU_OK && r < mu_part_rows(entity->parts[p]); r++) {
                mu_value row;
                code = mu_part_row(entity->parts[p], r, &arena, &row, err);
            }
        mu_snapshot_release(snapshot);
        mu_arena_reset(&arena);
    }
    mu_arena_free(&arena);
    return code;
}

static void readers_and_verify_run_beside_a_writer(void **state)
{
    fixture *f = *state;
    mu_err err;
    crowd c = {.f = f};
    open_for_writing(f);
    change_people(f, 0, 30, true);
    assert_done(mu_parallel_for(4, 4, read_or_write, &c, &err), err);
    check_people(f, f->store);
}

/* -------- verify -------- */

static void a_damaged_part_is_named(void **state)
{
    fixture *f = *state;
    open_for_writing(f);
    change_people(f, 0, 60, true);
    mu_snapshot *snapshot = snapshot_of(f->store);
    const mu_entity *entity = mu_snapshot_entity(snapshot, profile());
    char path[MU_PATH_MAX];
    assert_int_equal(mu_part_path(f->folder, snapshot->state.parts[0].handle->id, path, NULL),
                     MU_OK);
    assert_true(entity->n_parts >= 1);
    mu_snapshot_release(snapshot);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    off_t size = lseek(fd, 0, SEEK_END);
    for (int i = 0; i < 30; i++) {
        problem_list problems;
        uint8_t byte;
        off_t at = (off_t)mu_dice_below(&f->dice, (uint32_t)size);
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 0x10;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        verify_folder(f, &problems);
        assert_int_equal(problems.n, 1);
        assert_non_null(strstr(problems.last, path));
        byte ^= 0x10;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    close(fd);
    check_sound(f);
    unlink(path);
    problem_list problems;
    verify_folder(f, &problems);
    assert_int_equal(problems.n, 1);
    assert_non_null(strstr(problems.last, path));
}

static void two_live_rows_of_one_person_are_a_problem(void **state)
{
    fixture *f = *state;
    mu_err err;
    open_for_writing(f);
    change_people(f, 0, 8, true);
    mu_change *change = begin(f);
    planned_row plan = {2, f->pids[2], f->rows[2]};
    write_rows(f, change, 1, &plan); /* the old row is not killed */
    assert_done(mu_change_commit(change, &err), err);
    problem_list problems;
    verify_folder(f, &problems);
    assert_int_equal(problems.n, 2);
    assert_non_null(strstr(problems.last, "has the identity of another live row"));
}

/* Flips bytes of the catalog: whatever happens, nothing crashes and no wrong row is believed. */
static void a_damaged_catalog_is_reported(void **state)
{
    fixture *f = *state;
    char path[MU_PATH_MAX];
    open_for_writing(f);
    change_people(f, 0, 20, true);
    change_people(f, 5, 20, true);
    mu_store_close(f->store);
    f->store = NULL;
    snprintf(path, sizeof path, "%s/catalog.db", f->folder);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    off_t size = lseek(fd, 0, SEEK_END);
    unsigned n_seen = 0, n_flips = mu_dice_cases(300) + 30;
    for (unsigned i = 0; i < n_flips; i++) {
        mu_err err;
        mu_verify_report result = {0};
        problem_list problems = {0};
        mu_verify_callbacks callbacks = {.problem = note_problem, .context = &problems};
        uint8_t byte, flipped;
        off_t at;
        do { /* most of the file is zeros that mean nothing */
            at = (off_t)mu_dice_below(&f->dice, (uint32_t)size);
            assert_int_equal(pread(fd, &byte, 1, at), 1);
        } while (byte == 0 && !mu_dice_percent(&f->dice, 5));
        flipped = byte ^ (uint8_t)(1u << mu_dice_below(&f->dice, 8));
        assert_int_equal(pwrite(fd, &flipped, 1, at), 1);
        mu_code code = mu_store_verify(f->folder, 1, &callbacks, &result, &err);
        if (code == MU_OK && problems.n == 0) {
            mu_store *reader = NULL; /* free space of the file, or what means nothing */
            assert_done(mu_store_open(f->folder, MU_STR("prod"), MU_STORE_READ, &reader, &err),
                        err);
            check_people(f, reader);
            mu_store_close(reader);
        } else {
            n_seen++;
        }
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    close(fd);
    assert_true(n_seen > n_flips / 10);
    check_sound(f);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(committed_changes_are_there_after_reopening),
        TEST(a_snapshot_stays_as_it_was),
        TEST(one_process_writes_at_a_time),
        TEST(a_reader_cannot_change_anything),
        TEST(files_of_a_lost_change_are_removed_when_opening),
        TEST(sandboxes_do_not_see_one_another),
        TEST(pids_are_consecutive_and_never_given_twice),
        TEST(a_schema_only_grows),
        TEST(a_part_must_follow_the_schema),
        TEST(a_full_disk_leaves_the_old_state),
        TEST(readers_and_verify_run_beside_a_writer),
        TEST(a_damaged_part_is_named),
        TEST(two_live_rows_of_one_person_are_a_problem),
        TEST(a_damaged_catalog_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
