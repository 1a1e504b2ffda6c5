/* crash_test.c -- a process that writes is killed at any moment: the next one finds the state that
 * was acknowledged last, or the one whose commit was under way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/thread.h"
#include "store/store_int.h"
#include "tests/support/part_rows.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Step s gives new rows to person 0 and to every person that `is_touched` picks. A row tells the
 * step it was made in, so the whole state follows from the step that person 0 shows. */
#define N_PEOPLE 240u

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

/* -------- rows -------- */

typedef struct world {
    mu_arena arena;
    const mu_type *row, *event;
    const mu_schema *schema;
} world;

static const mu_type *object_type(mu_arena *arena, uint32_t n, const char *const *names,
                                  const mu_type *const *types)
{
    mu_type *type = MU_NEW(arena, mu_type);
    mu_str *copies = MU_NEW_ARRAY(arena, mu_str, n);
    const mu_type **fields = MU_NEW_ARRAY(arena, const mu_type *, n);
    for (uint32_t f = 0; f < n; f++) {
        copies[f] = mu_str_from(names[f]);
        fields[f] = types[f];
    }
    *type = (mu_type){
        .kind = MU_TYPE_OBJECT, .n_fields = n, .field_names = copies, .field_types = fields};
    return type;
}

static void make_world(world *w)
{
    mu_arena_init(&w->arena, SIZE_MAX);
    w->event = object_type(&w->arena, 1, (const char *[]){"timestamp"},
                           (const mu_type *[]){mu_type_of(MU_TYPE_TIMESTAMP)});
    mu_type *events = MU_NEW(&w->arena, mu_type);
    events->kind = MU_TYPE_LIST;
    events->item = w->event;
    w->row = object_type(
        &w->arena, 3, (const char *[]){"step", "note", "xEvent"},
        (const mu_type *[]){mu_type_of(MU_TYPE_INTEGER), mu_type_of(MU_TYPE_STRING), events});
    w->schema = mu_schema_of_rows(&w->arena, w->row);
}

static mu_value items_of(mu_type_kind kind, uint32_t n, const mu_value *items)
{
    mu_value value = {.kind = kind, .n = n};
    value.items = items;
    value.keys = NULL;
    return value;
}

static mu_value make_row(world *w, uint32_t person, uint64_t step)
{
    uint32_t n = mu_mix32(person + (uint32_t)step * 7919u) % 40;
    mu_value *events = MU_NEW_ARRAY(&w->arena, mu_value, n);
    for (uint32_t i = 0; i < n; i++) {
        mu_value *time = MU_NEW(&w->arena, mu_value);
        *time = mu_value_timestamp((int64_t)step * 1000 + i);
        events[i] = items_of(MU_TYPE_OBJECT, 1, time);
        events[i].keys = w->event->field_names;
    }
    mu_value *fields = MU_NEW_ARRAY(&w->arena, mu_value, 3);
    fields[0] = mu_value_integer((int64_t)step);
    fields[1] = mu_value_string(
        mu_arena_format(&w->arena, "person %u in step %llu", person, (unsigned long long)step));
    fields[2] = items_of(MU_TYPE_LIST, n, events);
    mu_value row = items_of(MU_TYPE_OBJECT, 3, fields);
    row.keys = w->row->field_names;
    return row;
}

static mu_identity identity_of(world *w, uint32_t person)
{
    return (mu_identity){MU_STR("crmId"), mu_arena_format(&w->arena, "CRM-%u", person)};
}

/* -------- the process that is killed -------- */

/* Ends the child with a status that is not a kill: the parent then fails. */
static void must(mu_code code, const mu_err *err)
{
    if (code == MU_OK)
        return;
    fprintf(stderr, "child: %s\n", err->text);
    _exit(9);
}

static bool find_person(world *w, const mu_entity *entity, uint32_t person, mu_row_place *place)
{
    mu_err err;
    bool found = false;
    if (entity != NULL)
        must(mu_entity_find(entity, identity_of(w, person), &found, place, &err), &err);
    return found;
}

static uint32_t pid_at(const mu_entity *entity, mu_row_place place)
{
    mu_err err;
    const uint32_t *pids;
    const mu_part *part = entity->parts[place.part];
    uint32_t block = mu_part_block_of_row(part, place.row);
    must(mu_part_pids(part, block, &pids, &err), &err);
    return pids[place.row - mu_part_block(part, block).row];
}

typedef struct new_row {
    uint32_t person, pid;
} new_row;

static int compare_new_rows(const void *a, const void *b)
{
    uint32_t x = mu_mix32(((const new_row *)a)->pid), y = mu_mix32(((const new_row *)b)->pid);
    return (x > y) - (x < y);
}

static void write_half(world *w, mu_change *change, uint64_t step, uint32_t n, const new_row *rows,
                       uint32_t first)
{
    mu_err err;
    mu_part_writer *writer;
    must(mu_part_writer_new(change, MU_STR("profile"), w->row, &writer, &err), &err);
    for (uint32_t i = first; i < n; i += 2)
        must(mu_part_writer_add(writer, rows[i].pid, identity_of(w, rows[i].person),
                                make_row(w, rows[i].person, step), &err),
             &err);
    must(mu_part_writer_finish(writer, &err), &err);
}

static void do_step(world *w, mu_store *store, uint64_t step)
{
    mu_err err;
    mu_snapshot *snapshot;
    mu_change *change;
    new_row rows[N_PEOPLE];
    uint32_t n = 0;
    must(mu_snapshot_acquire(store, &snapshot, &err), &err);
    must(mu_change_begin(store, &change, &err), &err);
    mu_change_set_schema(change, w->schema);
    const mu_entity *entity = mu_snapshot_entity(snapshot, MU_STR("profile"));
    for (uint32_t person = 0; person < N_PEOPLE; person++) {
        mu_row_place place;
        if (!is_touched(person, step))
            continue;
        rows[n].person = person;
        if (find_person(w, entity, person, &place)) {
            rows[n].pid = pid_at(entity, place);
            must(mu_change_kill_row(change, MU_STR("profile"), place, &err), &err);
        } else {
            must(mu_change_new_pids(change, MU_STR("profile"), 1, &rows[n].pid, &err), &err);
        }
        n++;
    }
    qsort(rows, n, sizeof *rows, compare_new_rows);
    write_half(w, change, step, n, rows, 0);
    write_half(w, change, step, n, rows, 1);
    mu_snapshot_release(snapshot);
    must(mu_change_commit(change, &err), &err);
}

/* Steps on and on, each acknowledged through the pipe after its commit. */
static _Noreturn void run_child(const char *folder, uint64_t step, int pipe_end)
{
    mu_err err;
    mu_store *store;
    must(mu_store_open(folder, MU_STR("prod"), MU_STORE_WRITE, &store, &err), &err);
    for (;;) {
        world w;
        make_world(&w);
        do_step(&w, store, ++step);
        mu_arena_free(&w.arena);
        if (write(pipe_end, &step, sizeof step) != sizeof step)
            _exit(8);
    }
}

/* -------- the same in memory, with folds and merges beside it -------- */

static void do_step_in_memory(world *w, mu_store *store, uint64_t step)
{
    mu_err err;
    mu_change *change;
    new_row rows[N_PEOPLE];
    uint32_t n = 0;
    must(mu_change_begin_in_memory(store, &change, &err), &err);
    const mu_entity *entity = mu_snapshot_entity(mu_change_base(change), MU_STR("profile"));
    for (uint32_t person = 0; person < N_PEOPLE; person++) {
        mu_row_place place;
        bool found = false;
        if (!is_touched(person, step))
            continue;
        rows[n++] = (new_row){person, person + 1};
        if (entity != NULL)
            must(mu_entity_find_pid(entity, person + 1, &found, &place, &err), &err);
        if (found)
            must(mu_change_kill_row(change, MU_STR("profile"), place, &err), &err);
    }
    qsort(rows, n, sizeof *rows, compare_new_rows);
    write_half(w, change, step, n, rows, 0);
    write_half(w, change, step, n, rows, 1);
    mu_change_set_mark(change, &(mu_mark){step, N_PEOPLE + 1, MU_STR("")});
    must(mu_change_commit(change, &err), &err);
}

typedef struct fold_child {
    mu_store *store;
    uint64_t first_step;
    int pipe_end;
} fold_child;

/* Each fold is acknowledged with a step that it must hold. */
static void fold_and_tell(fold_child *c)
{
    mu_err err;
    uint64_t told = c->first_step;
    for (;;) {
        mu_snapshot *snapshot;
        must(mu_snapshot_acquire(c->store, &snapshot, &err), &err);
        uint64_t step = mu_snapshot_mark(snapshot).next_sequence;
        mu_snapshot_release(snapshot);
        must(mu_store_fold(c->store, NULL, &err), &err);
        if (step <= told)
            continue;
        told = step;
        if (write(c->pipe_end, &step, sizeof step) != sizeof step)
            _exit(8);
    }
}

static mu_code run_part_of_child(void *context, unsigned worker, size_t item, mu_err *err)
{
    fold_child *c = context;
    (void)worker;
    if (item == 0)
        fold_and_tell(c);
    for (unsigned i = 0; item == 1; i++) {
        bool merged;
        MU_TRY(i % 8 == 0 ? mu_store_purge(c->store, NULL, err)
                          : mu_store_merge(c->store, NULL, &merged, err));
    }
    for (uint64_t step = c->first_step + 1;; step++) {
        world w;
        make_world(&w);
        do_step_in_memory(&w, c->store, step);
        mu_arena_free(&w.arena);
    }
}

static _Noreturn void run_folding_child(const char *folder, uint64_t step, int pipe_end)
{
    mu_err err;
    world w;
    mu_change *change;
    fold_child c = {.first_step = step, .pipe_end = pipe_end};
    must(mu_store_open(folder, MU_STR("prod"), MU_STORE_WRITE, &c.store, &err), &err);
    make_world(&w);
    must(mu_change_begin(c.store, &change, &err), &err);
    mu_change_set_schema(change, w.schema);
    must(mu_change_commit(change, &err), &err);
    must(mu_parallel_for(3, 3, run_part_of_child, &c, &err), &err);
    _exit(7);
}

/* -------- the process that looks -------- */

static void sleep_us(uint32_t us)
{
    struct timespec pause = {.tv_nsec = (long)us * 1000};
    nanosleep(&pause, NULL);
}

static uint64_t check_store(const char *folder, mu_store_mode mode);

/* Runs a child from `step` until `n_acknowledged` steps are done and some time more, and kills it;
 * returns the last step that it acknowledged. */
static uint64_t run_and_kill(const char *folder, uint64_t step, uint32_t n_acknowledged,
                             uint32_t us, void (*run)(const char *, uint64_t, int))
{
    int ends[2], status;
    uint64_t acknowledged;
    assert_int_equal(pipe(ends), 0);
    fflush(stdout);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* when a check fails meanwhile */
        close(ends[0]);
        run(folder, step, ends[1]);
    }
    close(ends[1]);
    for (uint32_t i = 0; i < n_acknowledged; i++) {
        assert_int_equal(read(ends[0], &acknowledged, sizeof acknowledged), sizeof acknowledged);
        step = acknowledged;
    }
    /* Another process reads beside it, and finds one step's state. */
    if (run == run_folding_child && n_acknowledged > 0)
        assert_true(check_store(folder, MU_STORE_READ) >= step);
    sleep_us(us);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    while (read(ends[0], &acknowledged, sizeof acknowledged) == sizeof acknowledged)
        step = acknowledged;
    close(ends[0]);
    return step;
}

static void fail_on_problem(void *context, mu_str sentence)
{
    (void)context;
    fail_msg(MU_STR_FMT, MU_STR_ARG(sentence));
}

/* The step that the store shows, its whole state being that of the step. */
static uint64_t check_store(const char *folder, mu_store_mode mode)
{
    mu_err err;
    mu_store *store;
    mu_snapshot *snapshot;
    mu_verify_report result;
    mu_verify_callbacks callbacks = {.problem = fail_on_problem};
    if (mode == MU_STORE_READ &&
        mu_store_open(folder, MU_STR("prod"), mode, &store, &err) == MU_E_NOT_FOUND)
        return 0; /* killed before there was anything */
    if (mode == MU_STORE_READ)
        mu_store_close(store);
    must(mu_store_open(folder, MU_STR("prod"), mode, &store, &err), &err);
    must(mu_store_verify(folder, 1, &callbacks, &result, &err), &err);
    must(mu_snapshot_acquire(store, &snapshot, &err), &err);
    const mu_entity *entity = mu_snapshot_entity(snapshot, MU_STR("profile"));
    world w;
    make_world(&w);
    uint64_t step = 0, n_rows = 0;
    for (uint32_t person = 0; person < N_PEOPLE; person++) {
        mu_row_place place;
        mu_value row;
        bool found = find_person(&w, entity, person, &place);
        if (found)
            must(mu_part_row(entity->parts[place.part], place.row, &w.arena, &row, &err), &err);
        if (person == 0)
            step = found ? (uint64_t)row.items[0].integer : 0;
        uint64_t expected = last_touched(person, step);
        assert_int_equal(found, expected > 0);
        if (found)
            assert_true(mu_value_identical(row, make_row(&w, person, expected)));
        n_rows += found;
    }
    assert_int_equal(entity == NULL ? 0 : entity->n_rows, n_rows);
    mu_arena_free(&w.arena);
    mu_snapshot_release(snapshot);
    mu_store_close(store);
    return step;
}

static void a_kill_leaves_the_old_or_the_new_state(void **state)
{
    (void)state;
    mu_dice dice;
    mu_dice_init(&dice, mu_dice_seed("store/crash", 1));
    char *folder = mu_make_temporary_folder();
    unsigned n_kills = mu_dice_cases(40) + 4;
    uint64_t step = 0, n_lost = 0;
    for (unsigned i = 0; i < n_kills; i++) {
        uint32_t n_wanted = i < 3 ? 0 : mu_dice_below(&dice, 8); /* 0: while it opens */
        uint64_t acknowledged =
            run_and_kill(folder, step, n_wanted, mu_dice_below(&dice, 9000), run_child);
        uint64_t found = check_store(folder, MU_STORE_READ);
        if (found != acknowledged && found != acknowledged + 1)
            fail_msg("kill %u: step %llu was acknowledged, step %llu is there", i,
                     (unsigned long long)acknowledged, (unsigned long long)found);
        /* Opening for writing removes what the kill left, and changes nothing else. */
        assert_int_equal(check_store(folder, MU_STORE_WRITE), found);
        n_lost += found != acknowledged;
        step = found;
    }
    printf("%u kills, %llu steps, %llu of them committed but not acknowledged\n", n_kills,
           (unsigned long long)step, (unsigned long long)n_lost);
    assert_true(step > 0);
    mu_remove_folder(folder);
}

/* How far the mark goes. */
static uint64_t marked_step(const char *folder)
{
    mu_err err;
    mu_store *store;
    mu_snapshot *snapshot;
    mu_code code = mu_store_open(folder, MU_STR("prod"), MU_STORE_READ, &store, &err);
    if (code == MU_E_NOT_FOUND)
        return 0;
    must(code, &err);
    must(mu_snapshot_acquire(store, &snapshot, &err), &err);
    uint64_t step = mu_snapshot_mark(snapshot).next_sequence;
    mu_snapshot_release(snapshot);
    mu_store_close(store);
    return step;
}

static void a_kill_during_folds_and_merges_leaves_what_was_folded(void **state)
{
    (void)state;
    mu_dice dice;
    mu_dice_init(&dice, mu_dice_seed("store/crash", 1));
    char *folder = mu_make_temporary_folder();
    unsigned n_kills = mu_dice_cases(40) + 4;
    uint64_t step = 0;
    for (unsigned i = 0; i < n_kills; i++) {
        uint32_t n_wanted = i < 3 ? 0 : mu_dice_below(&dice, 8);
        uint64_t acknowledged =
            run_and_kill(folder, step, n_wanted, mu_dice_below(&dice, 20000), run_folding_child);
        uint64_t found = marked_step(folder);
        if (found < acknowledged)
            fail_msg("kill %u: step %llu was folded, step %llu is there", i,
                     (unsigned long long)acknowledged, (unsigned long long)found);
        assert_int_equal(check_store(folder, MU_STORE_READ), found);
        assert_int_equal(check_store(folder, MU_STORE_WRITE), found);
        assert_int_equal(marked_step(folder), found);
        step = found;
    }
    printf("%u kills, %llu steps folded\n", n_kills, (unsigned long long)step);
    assert_true(step > 0);
    mu_remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kill_leaves_the_old_or_the_new_state),
        cmocka_unit_test(a_kill_during_folds_and_merges_leaves_what_was_folded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
