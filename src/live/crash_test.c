/* crash_test.c -- a process that appends is killed at any moment, folds and merges under way: the
 * next one has everything that was acknowledged, once, merged as the model says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/time.h"
#include "live/live_int.h"
#include "store/log.h"
#include "tests/support/crowd.h"
#include "tests/support/dice.h"
#include "tests/support/part_rows.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ALL_KINDS ((1u << MU_CROWD_KINDS) - 1)
#define SOURCE    MU_STR("crowd")

static void sleep_us(uint32_t us)
{
    struct timespec pause = {.tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000};
    nanosleep(&pause, NULL);
}

/* -------- groups as records -------- */

static void to_record(mu_arena *arena, uint64_t number, const mu_crowd_change *change,
                      mu_record *out)
{
    static const mu_record_kind kinds[MU_CROWD_KINDS] = {
        [MU_CROWD_MERGE] = MU_RECORD_MERGE,   [MU_CROWD_REPLACE] = MU_RECORD_CREATE,
        [MU_CROWD_DELETE] = MU_RECORD_DELETE, [MU_CROWD_EVENT] = MU_RECORD_EVENT,
        [MU_CROWD_ERASE] = MU_RECORD_ERASE,   [MU_CROWD_DROP] = MU_RECORD_DROP};
    mu_identity *identities = MU_NEW_ARRAY(arena, mu_identity, MU_CROWD_IDENTITIES);
    uint32_t n = 0;
    identities[n++] = mu_crowd_identity(arena, change->person, change->identity);
    for (uint32_t i = 0; i < MU_CROWD_IDENTITIES; i++)
        if (change->linked >> i & 1)
            identities[n++] = mu_crowd_identity(arena, change->person, i);
    bool is_event = change->kind == MU_CROWD_EVENT, is_drop = change->kind == MU_CROWD_DROP;
    *out = (mu_record){
        .kind = kinds[change->kind],
        .received_ms = 1767225600000 + (int64_t)number,
        .time_ms = is_event ? mu_crowd_event_time(change->event) : 0,
        .dataset =
            is_event || is_drop ? mu_crowd_event_dataset() : mu_crowd_dataset(change->dataset),
        .batch = mu_crowd_batch(arena, change->batch),
        .key = is_event ? mu_crowd_event_id(arena, change->event) : (mu_str){"", 0},
        .n_identities = is_drop ? 0 : n,
        .identities = identities,
        .n_linked = n > 1 ? n : 0,
        .document = change->kind <= MU_CROWD_REPLACE || is_event
                        ? mu_crowd_entity(arena, change, false)
                        : (mu_str){"", 0},
        .source = SOURCE,
        .position = number + 1,
    };
}

/* -------- the process that is killed -------- */

typedef struct child {
    const char *folder;
    uint64_t seed, number; /* the next group: changed by the thread that appends */
    uint64_t first;        /* group */
    int pipe_end;
    mu_live *live;
    mu_sandbox *sandboxes[MU_CROWD_SANDBOXES];
    _Atomic uint64_t acknowledged; /* groups */
} child;

/* Ends the child with a status that is not a kill: the parent then fails. */
static void must_in_child(mu_code code, const mu_err *err)
{
    if (code == MU_OK)
        return;
    fprintf(stderr, "child: %s\n", err->text);
    _exit(9);
}

typedef struct awaited {
    child *child;
    uint64_t number;
} awaited;

static void acknowledge(void *context, mu_code code)
{
    awaited *a = context;
    uint64_t n = a->number + 1;
    if (code != MU_OK || write(a->child->pipe_end, &n, sizeof n) != sizeof n)
        _exit(8);
    atomic_store(&a->child->acknowledged, n);
    free(a);
}

static void *fold_and_purge(void *context)
{
    child *c = context;
    mu_err err;
    mu_dice dice;
    mu_dice_init(&dice, c->first + 7);
    for (;;) {
        mu_sandbox *sandbox = c->sandboxes[mu_dice_below(&dice, MU_CROWD_SANDBOXES)];
        sleep_us(mu_dice_below(&dice, 15000));
        must_in_child(mu_dice_percent(&dice, 20) ? mu_sandbox_purge(sandbox, &err)
                                                 : mu_sandbox_fold(sandbox, &err),
                      &err);
    }
    return NULL;
}

static void *look_up(void *context)
{
    child *c = context;
    mu_err err;
    mu_dice dice;
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    mu_dice_init(&dice, c->first + 8);
    for (;; mu_arena_reset(&arena)) {
        mu_sandbox *sandbox = c->sandboxes[mu_dice_below(&dice, MU_CROWD_SANDBOXES)];
        mu_identity identity = mu_crowd_identity(&arena, mu_dice_below(&dice, MU_CROWD_PEOPLE),
                                                 mu_dice_below(&dice, MU_CROWD_IDENTITIES));
        mu_lookup lookup;
        mu_snapshot *snapshot;
        mu_code code = mu_sandbox_lookup(sandbox, identity, &arena, &lookup, &err);
        if (code == MU_OK)
            mu_snapshot_release(lookup.snapshot);
        else if (code != MU_E_NOT_FOUND)
            must_in_child(code, &err);
        if (mu_dice_percent(&dice, 10)) {
            must_in_child(mu_sandbox_snapshot(sandbox, &snapshot, &err), &err);
            mu_snapshot_release(snapshot);
        }
        sleep_us(mu_dice_below(&dice, 1000));
    }
    return NULL;
}

#define IN_FLIGHT_MAX 40u

static void append_group(child *c, mu_arena *arena)
{
    mu_crowd_group group;
    mu_record records[MU_CROWD_GROUP_MAX];
    mu_err err;
    uint64_t sequence;
    mu_crowd_make(c->seed, ALL_KINDS, c->number, &group);
    for (uint32_t i = 0; i < group.n; i++)
        to_record(arena, c->number, &group.changes[i], &records[i]);
    must_in_child(mu_sandbox_append(c->sandboxes[group.sandbox], group.n, records, &sequence, &err),
                  &err);
    awaited *a = malloc(sizeof *a);
    *a = (awaited){c, c->number++};
    must_in_child(mu_live_when_durable(c->live, sequence, acknowledge, a, &err), &err);
}

static void open_child(child *c, const mu_log_system *system)
{
    mu_err err;
    mu_live_options options = {.folder = c->folder,
                               .n_threads = 1,
                               .fold_bytes = 30000,
                               .fold_ms = 50,
                               .metrics = mu_metrics_new(),
                               .system = system};
    must_in_child(mu_live_open(&options, &c->live, &err), &err);
    for (uint32_t s = 0; s < MU_CROWD_SANDBOXES; s++)
        must_in_child(mu_live_sandbox(c->live, mu_crowd_sandbox(s), &c->sandboxes[s], &err), &err);
    atomic_store(&c->acknowledged, c->number);
}

static _Noreturn void run_child(child *c, const mu_log_system *system)
{
    pthread_t threads[2];
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    open_child(c, system);
    if (pthread_create(&threads[0], NULL, fold_and_purge, c) != 0 ||
        pthread_create(&threads[1], NULL, look_up, c) != 0)
        _exit(7);
    for (;; mu_arena_reset(&arena)) {
        append_group(c, &arena);
        while (c->number - atomic_load(&c->acknowledged) > IN_FLIGHT_MAX)
            sleep_us(50);
        if (c->number % 16 == 0)
            sleep_us(300);
    }
}

/* A disk whose power fails in the middle of a write: some of the bytes, then nothing. */
typedef struct power {
    atomic_int writes_left;
    uint32_t part; /* of 1000: how much of the last write arrives */
} power;

static int64_t write_until_power_fails(void *context, int fd, const void *bytes, size_t size,
                                       uint64_t offset)
{
    power *p = context;
    if (atomic_fetch_sub(&p->writes_left, 1) > 0)
        return pwrite(fd, bytes, size, (off_t)offset);
    if (pwrite(fd, bytes, size * p->part / 1000, (off_t)offset) < 0)
        _exit(6);
    kill(getpid(), SIGKILL);
    return -1;
}

static int sync_data(void *context, int fd)
{
    (void)context;
    return fdatasync(fd);
}

/* The next acknowledgement; false when none comes in time or the child has ended. */
static bool read_acknowledgement(int pipe_end, int timeout_ms, uint64_t *acknowledged)
{
    uint64_t told;
    struct pollfd one = {.fd = pipe_end, .events = POLLIN};
    if (poll(&one, 1, timeout_ms) <= 0 || read(pipe_end, &told, sizeof told) != sizeof told)
        return false;
    *acknowledged = told;
    return true;
}

/* Copies the folder that a child writes; *least is what the copy must have. */
static void copy_beside(const child *c, const char *target, int pipe_end, uint64_t *acknowledged,
                        uint64_t *least)
{
    mu_backup_report report;
    mu_err err;
    while (read_acknowledgement(pipe_end, 0, acknowledged))
        ;
    *least = *acknowledged;
    if (mu_store_backup(c->folder, target, NULL, &report, &err) != MU_OK)
        fail_msg("backup: %s", err.text);
}

/* Runs a child from group c.number on and kills it; with `power` it may die earlier. With `copy`,
 * the folder is copied there meanwhile. Returns how many groups are acknowledged. */
static uint64_t run_and_kill(child c, power *p, uint32_t ms, const char *copy, uint64_t *copied)
{
    int ends[2], status;
    uint64_t acknowledged = c.number;
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        c.pipe_end = ends[1];
        c.first = c.number;
        mu_log_system system = {write_until_power_fails, sync_data, p};
        run_child(&c, p == NULL ? NULL : &system);
    }
    close(ends[1]);
    if (copy != NULL || ms % 8 != 0) /* else it may be killed while it opens */
        (void)read_acknowledgement(ends[0], 60000, &acknowledged);
    if (copy != NULL)
        copy_beside(&c, copy, ends[0], &acknowledged, copied);
    for (int64_t end_ns = mu_monotonic_ns() + (int64_t)ms * 1000000, left_ns;
         (left_ns = end_ns - mu_monotonic_ns()) > 0;)
        if (!read_acknowledgement(ends[0], (int)(left_ns / 1000000) + 1, &acknowledged))
            break;
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail_msg("the child ended with status %d", status);
    while (read_acknowledgement(ends[0], -1, &acknowledged))
        ;
    close(ends[0]);
    return acknowledged;
}

/* -------- the process that looks -------- */

typedef struct world {
    char *folder;
    uint64_t seed, number; /* groups in the model */
    mu_crowd *crowd;
    uint64_t last[MU_CROWD_SANDBOXES]; /* of each sandbox: its last group, counted from 1 */
    mu_metrics *metrics;
    unsigned n_kills;
    const char *damaged; /* a file: look-ups may refuse, naming it; NULL: none may */
    unsigned n_refused;
    char when[64]; /* for messages */
} world;

static void must(mu_code code, const mu_err *err)
{
    if (code != MU_OK)
        fail_msg("%s", err->text);
}

static void advance(world *w, uint64_t number)
{
    mu_crowd_group group;
    for (; w->number < number; w->number++) {
        mu_crowd_make(w->seed, ALL_KINDS, w->number, &group);
        mu_crowd_apply(w->crowd, &group);
        w->last[group.sandbox] = w->number + 1;
    }
}

static mu_str text_at(mu_value value, mu_str path)
{
    while (path.len > 0) {
        size_t dot = mu_str_find(path, MU_STR("."));
        mu_str name = {path.ptr, dot == SIZE_MAX ? path.len : dot};
        value = mu_value_member(value, name);
        path.ptr += name.len + (dot != SIZE_MAX);
        path.len -= name.len + (dot != SIZE_MAX);
    }
    return value.kind == MU_TYPE_STRING ? value.string : (mu_str){"", 0};
}

typedef struct seen_event {
    uint64_t event;
    mu_str type;
    int64_t time_ms;
} seen_event;

static int compare_seen(const void *a, const void *b)
{
    uint64_t x = ((const seen_event *)a)->event, y = ((const seen_event *)b)->event;
    return (x > y) - (x < y);
}

static void check_events(mu_arena *arena, const mu_crowd_profile *expected, mu_value events,
                         const char *who)
{
    seen_event *seen = MU_NEW_ARRAY(arena, seen_event, events.n);
    int64_t before_ms = INT64_MIN;
    if (events.n != expected->n_events)
        fail_msg("%s has %u events, %u were accepted", who, events.n, expected->n_events);
    for (uint32_t i = 0; i < events.n; i++) {
        mu_value time = mu_value_member(events.items[i], MU_STR("timestamp"));
        mu_str id = text_at(events.items[i], MU_STR("_id"));
        assert_true(mu_str_starts_with(id, MU_STR("event-")));
        assert_int_equal(time.kind, MU_TYPE_TIMESTAMP);
        assert_true(time.integer >= before_ms);
        before_ms = time.integer;
        seen[i] = (seen_event){strtoull(mu_arena_copy(arena, id).ptr + 6, NULL, 10),
                               text_at(events.items[i], MU_STR("eventType")), time.integer};
    }
    if (events.n > 1)
        qsort(seen, events.n, sizeof *seen, compare_seen);
    for (uint32_t i = 0; i < events.n; i++) {
        if (seen[i].event != expected->events[i].event)
            fail_msg("%s has event %llu, expected was %llu", who, (unsigned long long)seen[i].event,
                     (unsigned long long)expected->events[i].event);
        assert_int_equal(seen[i].time_ms, mu_crowd_event_time(seen[i].event));
        assert_true(mu_str_equal(seen[i].type, mu_crowd_event_type(expected->events[i].type)));
    }
}

static void check_values(mu_arena *arena, const mu_crowd_profile *expected, mu_value attributes,
                         const char *who)
{
    for (uint32_t f = 0; f < MU_CROWD_FIELDS; f++) {
        mu_str found = text_at(attributes, mu_crowd_field(f));
        mu_str wanted =
            expected->values[f] == 0 ? (mu_str){"", 0} : mu_crowd_value(arena, expected->values[f]);
        if (!mu_str_equal(found, wanted))
            fail_msg("%s: " MU_STR_FMT " is \"" MU_STR_FMT "\", expected was \"" MU_STR_FMT "\"",
                     who, MU_STR_ARG(mu_crowd_field(f)), MU_STR_ARG(found), MU_STR_ARG(wanted));
    }
}

static void check_cluster(mu_arena *arena, uint32_t person, const mu_crowd_profile *expected,
                          const mu_graph_cluster *cluster, const char *who)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < cluster->n_identities; i++)
        for (uint32_t k = 0; k < MU_CROWD_IDENTITIES; k++) {
            mu_identity identity = mu_crowd_identity(arena, person, k),
                        one = cluster->identities[i].identity;
            if (mu_str_equal(identity.value, one.value) &&
                mu_str_equal(identity.namespace_code, one.namespace_code))
                found |= 1u << k;
        }
    if (found != expected->identities ||
        cluster->n_identities != (uint32_t)__builtin_popcount(expected->identities))
        fail_msg("%s is in a cluster of the identities %x, expected was %x", who, found,
                 expected->identities);
}

static void refuse(world *w, const char *who, const mu_err *err)
{
    if (w->damaged == NULL || err->code != MU_E_CORRUPT || strstr(err->text, w->damaged) == NULL)
        fail_msg("%s: %s", who, err->text);
    w->n_refused++;
}

static void check_profile(world *w, mu_sandbox *sandbox, mu_arena *arena, uint32_t person,
                          uint32_t identity, const mu_crowd_profile *expected)
{
    mu_lookup lookup;
    mu_profile_view view;
    mu_err err;
    mu_merge_policy policy = {.id = MU_STR("policy"), .uses_graph = true};
    const char *who = mu_arena_format(arena, "%s: " MU_STR_FMT ", person %u, identity %u", w->when,
                                      MU_STR_ARG(mu_sandbox_name(sandbox)), person, identity)
                          .ptr;
    mu_code code = mu_sandbox_lookup(sandbox, mu_crowd_identity(arena, person, identity), arena,
                                     &lookup, &err);
    if (code == MU_OK && !expected->exists)
        fail_msg("%s is there, and should not be", who);
    if (code != MU_OK && (expected->exists || code != MU_E_NOT_FOUND))
        refuse(w, who, &err);
    if (code != MU_OK)
        return;
    check_cluster(arena, person, expected, &lookup.content.cluster, who);
    must(mu_content_view(arena, lookup.schema, &lookup.content, &policy, 0, &view, &err), &err);
    check_values(arena, expected, view.attributes, who);
    check_events(arena, expected, view.events, who);
    mu_snapshot_release(lookup.snapshot);
}

static void check_sandbox(world *w, mu_sandbox *sandbox, uint32_t s)
{
    mu_arena arena;
    mu_snapshot *snapshot;
    mu_err err;
    uint64_t n_profiles = 0, n_events = 0;
    mu_arena_init(&arena, SIZE_MAX);
    for (uint32_t person = 0; person < MU_CROWD_PEOPLE; person++) {
        uint32_t checked = 0;
        for (uint32_t k = 0; k < MU_CROWD_IDENTITIES; k++) {
            mu_crowd_profile expected = mu_crowd_read(w->crowd, &arena, s, person, k);
            check_profile(w, sandbox, &arena, person, k, &expected);
            if (expected.exists && (checked >> k & 1) == 0) {
                n_profiles++;
                n_events += expected.n_events;
            }
            checked |= expected.identities;
            mu_arena_reset(&arena);
        }
    }
    if (mu_sandbox_snapshot(sandbox, &snapshot, &err) != MU_OK) {
        refuse(w, "a snapshot", &err);
        mu_arena_free(&arena);
        return;
    }
    const mu_entity *entity = mu_snapshot_entity(snapshot, MU_STR("profile"));
    assert_int_equal(entity == NULL ? 0 : entity->n_rows, n_profiles);
    assert_int_equal(entity == NULL ? 0 : entity->n_events, n_events);
    mu_snapshot_release(snapshot);
    mu_arena_free(&arena);
}

static mu_live *open_live(const world *w, const mu_log_system *system)
{
    mu_live_options options = {
        .folder = w->folder, .n_threads = 2, .metrics = w->metrics, .system = system};
    mu_live *live = NULL;
    mu_err err;
    must(mu_live_open(&options, &live, &err), &err);
    return live;
}

/* How many groups are in the data folder. */
static uint64_t groups_there(mu_live *live)
{
    uint64_t n = 0;
    for (uint32_t s = 0; s < MU_CROWD_SANDBOXES; s++) {
        mu_sandbox *sandbox = mu_live_find_sandbox(live, mu_crowd_sandbox(s));
        uint64_t position = sandbox == NULL ? 0 : mu_sandbox_position(sandbox, SOURCE);
        n = position > n ? position : n;
    }
    return n;
}

static void check_live(world *w, mu_live *live)
{
    for (uint32_t s = 0; s < MU_CROWD_SANDBOXES; s++) {
        mu_sandbox *sandbox = mu_live_find_sandbox(live, mu_crowd_sandbox(s));
        if (sandbox == NULL) {
            assert_int_equal(w->last[s], 0);
            continue;
        }
        mu_err err;
        if (mu_sandbox_health(sandbox, &err) != MU_OK) { /* refused as a whole */
            refuse(w, "the sandbox", &err);
            continue;
        }
        assert_int_equal(mu_sandbox_position(sandbox, SOURCE), w->last[s]);
        check_sandbox(w, sandbox, s);
    }
}

static void fail_on_problem(void *context, mu_str sentence)
{
    (void)context;
    fail_msg(MU_STR_FMT, MU_STR_ARG(sentence));
}

static void verify(const world *w)
{
    mu_err err;
    mu_verify_report report;
    mu_verify_callbacks callbacks = {.problem = fail_on_problem};
    mu_log_report log_report;
    must(mu_store_verify(w->folder, 2, &callbacks, &report, &err), &err);
    must(mu_log_verify(w->folder, fail_on_problem, NULL, &log_report, &err), &err);
}

/* Opens what is left, and expects all groups that were acknowledged. */
static void check_after(world *w, uint64_t acknowledged, bool folds)
{
    mu_err err;
    mu_live *live = open_live(w, NULL);
    uint64_t there = groups_there(live);
    if (there < acknowledged)
        fail_msg("%llu groups were acknowledged, %llu are there", (unsigned long long)acknowledged,
                 (unsigned long long)there);
    advance(w, there);
    snprintf(w->when, sizeof w->when, "after kill %u", w->n_kills++);
    check_live(w, live);
    if (folds) {
        mu_sandbox *sandbox = mu_live_find_sandbox(live, mu_crowd_sandbox(0));
        if (sandbox != NULL)
            must(mu_sandbox_fold(sandbox, &err), &err);
        strcat(w->when, " and a fold");
        check_live(w, live);
    }
    mu_live_close(live);
}

/* A copy that was made beside a writer is the state after some group, at least after `least`. */
static void check_copy(world *w, char *copy, uint64_t least)
{
    char *folder = w->folder;
    w->folder = copy;
    verify(w);
    mu_live *live = open_live(w, NULL);
    uint64_t there = groups_there(live);
    if (there < least)
        fail_msg("%llu groups were acknowledged before the copy, which has %llu",
                 (unsigned long long)least, (unsigned long long)there);
    advance(w, there);
    snprintf(w->when, sizeof w->when, "copy beside kill %u", w->n_kills);
    check_live(w, live);
    mu_live_close(live);
    w->folder = folder;
    mu_remove_folder(copy);
}

static int setup(void **state)
{
    world *w = calloc(1, sizeof *w);
    w->folder = mu_make_temporary_folder();
    w->crowd = mu_crowd_new();
    w->metrics = mu_metrics_new();
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    world *w = *state;
    mu_remove_folder(w->folder);
    mu_crowd_free(w->crowd);
    mu_metrics_free(w->metrics);
    free(w);
    return 0;
}

static void a_kill_loses_nothing_and_doubles_nothing(void **state)
{
    world *w = *state;
    mu_dice dice;
    w->seed = mu_dice_seed("live/crash", 11);
    mu_dice_init(&dice, w->seed);
    uint32_t n_kills = mu_dice_cases(120) + 4;
    uint64_t n_more = 0;
    for (uint32_t i = 0; i < n_kills; i++) {
        power p = {.part = mu_dice_below(&dice, 1001)};
        atomic_init(&p.writes_left, (int)mu_dice_below(&dice, 60));
        child c = {.folder = w->folder, .seed = w->seed, .number = w->number};
        char *copy = i > 0 && mu_dice_percent(&dice, 15) ? mu_make_temporary_folder() : NULL;
        uint64_t copied = 0;
        uint64_t acknowledged = run_and_kill(c, mu_dice_percent(&dice, 40) ? &p : NULL,
                                             mu_dice_below(&dice, 120), copy, &copied);
        if (copy != NULL)
            check_copy(w, copy, copied);
        check_after(w, acknowledged, mu_dice_percent(&dice, 30));
        n_more += w->number - acknowledged;
        if (i % 10 == 0)
            verify(w);
    }
    verify(w);
    printf("%u kills, %llu groups, %llu of them not acknowledged\n", n_kills,
           (unsigned long long)w->number, (unsigned long long)n_more);
    assert_true(w->number > 0);
}

/* -------- a disk that fails -------- */

typedef struct faults {
    atomic_int writes_left, syncs_left;
    int error;
    size_t torn_bytes; /* of the write that fails, so many arrive */
} faults;

static int64_t failing_write(void *context, int fd, const void *bytes, size_t size, uint64_t offset)
{
    faults *f = context;
    if (atomic_fetch_sub(&f->writes_left, 1) > 0)
        return pwrite(fd, bytes, size, (off_t)offset);
    if (pwrite(fd, bytes, size < f->torn_bytes ? size : f->torn_bytes, (off_t)offset) < 0)
        return -1;
    errno = f->error;
    return -1;
}

static int failing_sync(void *context, int fd)
{
    faults *f = context;
    if (atomic_fetch_sub(&f->syncs_left, 1) > 0)
        return fdatasync(fd);
    errno = f->error;
    return -1;
}

static mu_code append_one(mu_live *live, const world *w, mu_arena *arena, uint64_t *sequence,
                          mu_err *err)
{
    mu_crowd_group group;
    mu_record records[MU_CROWD_GROUP_MAX];
    mu_sandbox *sandbox;
    mu_crowd_make(w->seed, ALL_KINDS, w->number, &group);
    for (uint32_t i = 0; i < group.n; i++)
        to_record(arena, w->number, &group.changes[i], &records[i]);
    MU_TRY(mu_live_sandbox(live, mu_crowd_sandbox(group.sandbox), &sandbox, err));
    return mu_sandbox_append(sandbox, group.n, records, sequence, err);
}

/* Appends groups, one after another, until one is refused or `n` are durable. */
static mu_code append_groups(mu_live *live, world *w, uint64_t n, mu_err *err)
{
    mu_arena arena;
    mu_code code = MU_OK;
    mu_arena_init(&arena, SIZE_MAX);
    for (uint64_t i = 0; i < n && code == MU_OK; i++, mu_arena_reset(&arena)) {
        uint64_t sequence;
        code = append_one(live, w, &arena, &sequence, err);
        if (code == MU_OK)
            code = mu_live_wait(live, sequence, err);
        if (code == MU_OK)
            advance(w, w->number + 1);
    }
    mu_arena_free(&arena);
    return code;
}

static void when_acceptance_has_ended(world *w, faults *f, const char *text)
{
    mu_err err;
    mu_log_system system = {failing_write, failing_sync, f};
    mu_live *live = open_live(w, &system);
    uint64_t before = w->number;
    assert_int_equal(append_groups(live, w, 100, &err), MU_E_IO);
    if (strstr(err.text, text) == NULL)
        fail_msg("%s", err.text);
    assert_int_equal(mu_live_health(live, &err), MU_E_IO);
    assert_int_equal(append_groups(live, w, 1, &err), MU_E_IO);
    snprintf(w->when, sizeof w->when, "disk failed after %u groups",
             (unsigned)(w->number - before));
    check_live(w, live);
    mu_live_close(live);
    live = open_live(w, NULL);
    assert_int_equal(groups_there(live), w->number == 0 ? 0 : w->number);
    check_live(w, live);
    must(append_groups(live, w, 3, &err), &err);
    mu_live_close(live);
}

static void a_disk_that_fails_ends_acceptance_and_nothing_else(void **state)
{
    world *w = *state;
    mu_dice dice;
    w->seed = mu_dice_seed("live/faults", 12);
    mu_dice_init(&dice, w->seed);
    for (uint32_t i = 0; i < mu_dice_cases(40) + 3; i++) {
        faults f = {.error = i % 3 == 0 ? ENOSPC : EIO, .torn_bytes = mu_dice_below(&dice, 300)};
        bool syncs = i % 3 == 2;
        atomic_init(&f.writes_left, syncs ? 1000000 : (int)mu_dice_below(&dice, 50));
        atomic_init(&f.syncs_left, syncs ? (int)mu_dice_below(&dice, 25) + 1 : 1000000);
        when_acceptance_has_ended(w, &f,
                                  syncs        ? "cannot sync"
                                  : i % 3 == 0 ? "No space left on device"
                                               : "cannot write");
    }
    verify(w);
}

/* -------- two sandboxes and one log -------- */

/* One record of a person of nobody else, with a value of this many bytes. */
static void append_filling(mu_live *live, mu_sandbox *sandbox, size_t size)
{
    uint64_t sequence;
    mu_err err;
    char *document = malloc(size + 32);
    int length = snprintf(document, size + 32, "{\"loyalty\":{\"tier\":\"%0*d\"}}", (int)size, 7);
    mu_identity identity = {MU_STR("Email"), MU_STR("filling@example.com")};
    mu_record record = {.kind = MU_RECORD_CREATE,
                        .received_ms = 1767225600000,
                        .dataset = mu_crowd_dataset(0),
                        .n_identities = 1,
                        .identities = &identity,
                        .document = {document, (size_t)length}};
    must(mu_sandbox_append(sandbox, 1, &record, &sequence, &err), &err);
    must(mu_live_wait(live, sequence, &err), &err);
    free(document);
}

/* A sandbox that was idle gets a record while another one is folded: the log goes on from the idle
 * one's mark, though none of its records are there. */
static void the_log_is_kept_from_the_oldest_mark_on(void **state)
{
    world *w = *state;
    mu_live *live;
    mu_sandbox *busy, *idle;
    mu_err err;
    mu_live_options options = {.folder = w->folder,
                               .n_threads = 1,
                               .fold_bytes = 100000,
                               .fold_ms = 1000000,
                               .metrics = w->metrics};
    must(mu_live_open(&options, &live, &err), &err);
    must(mu_live_sandbox(live, mu_crowd_sandbox(0), &busy, &err), &err);
    must(mu_live_sandbox(live, mu_crowd_sandbox(1), &idle, &err), &err);
    append_filling(live, idle, 10);
    append_filling(live, busy, 10);
    must(mu_sandbox_fold(busy, &err), &err);
    append_filling(live, busy, 10);
    must(mu_log_rotate(live->log, &err), &err);
    append_filling(live, idle, 10);
    append_filling(live, busy, 150000); /* is folded now, and the idle one is not */
    while (atomic_load(&busy->unfolded_bytes) >= options.fold_bytes)
        sleep_us(1000);
    mu_live_close(live); /* when the round is over */
    live = open_live(w, NULL);
    assert_int_equal(
        mu_sandbox_count(mu_live_find_sandbox(live, mu_crowd_sandbox(1))).n_delta_records, 1);
    mu_live_close(live);
    verify(w);
}

/* -------- bytes that a disk changed -------- */

/* The files of a data folder, by their path below it. */
typedef struct files {
    uint32_t n;
    char paths[64][64];
} files;

static void list_folder(const char *folder, const char *below, files *out)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, below);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        struct stat info;
        char *name = out->paths[out->n];
        snprintf(name, sizeof out->paths[0], "%.20s%.40s", below, entry->d_name);
        snprintf(path, sizeof path, "%s/%s", folder, name);
        if (stat(path, &info) != 0 || !S_ISREG(info.st_mode) || strcmp(name, "lock") == 0)
            continue;
        out->n++;
        assert_true(out->n < 64);
    }
    closedir(dir);
}

static void copy_file(const char *from_folder, const char *to_folder, const char *name)
{
    char path[512];
    mu_arena arena;
    mu_str bytes;
    mu_err err;
    mu_arena_init(&arena, SIZE_MAX);
    snprintf(path, sizeof path, "%s/%s", from_folder, name);
    must(mu_file_read(&arena, path, (size_t)1 << 30, &bytes, &err), &err);
    snprintf(path, sizeof path, "%s/%s", to_folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.ptr, 1, bytes.len, file), bytes.len);
    assert_int_equal(fclose(file), 0);
    mu_arena_free(&arena);
}

static char *copy_folder(const char *folder, const files *list)
{
    char *copy = mu_make_temporary_folder(), path[512];
    static const char *const folders[] = {"log", "parts"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", copy, folders[i]);
        assert_int_equal(mkdir(path, 0777), 0);
    }
    for (uint32_t i = 0; i < list->n; i++)
        copy_file(folder, copy, list->paths[i]);
    return copy;
}

static void flip_byte(const char *folder, const char *name, mu_dice *dice)
{
    char path[512], byte;
    struct stat info;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0 && fstat(fd, &info) == 0 && info.st_size > 0);
    off_t at = (off_t)(mu_dice_next(dice) % (uint64_t)info.st_size);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte = (char)(byte ^ (1 << mu_dice_below(dice, 8)));
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

typedef struct found_problems {
    const char *name;
    unsigned n, n_naming;
} found_problems;

static void note_problem(void *context, mu_str sentence)
{
    found_problems *found = context;
    found->n++;
    found->n_naming += mu_str_find(sentence, mu_str_from(found->name)) != SIZE_MAX;
}

/* What verify says about a folder. */
static found_problems look_for_problems(const char *folder, const char *name)
{
    found_problems found = {.name = name};
    mu_verify_callbacks callbacks = {.problem = note_problem, .context = &found};
    mu_verify_report report;
    mu_log_report log_report;
    mu_err err;
    if (mu_store_verify(folder, 1, &callbacks, &report, &err) != MU_OK)
        note_problem(&found, mu_str_from(err.text));
    must(mu_log_verify(folder, note_problem, &found, &log_report, &err), &err);
    return found;
}

/* Whatever byte of whatever file is changed: every answer is right, or refused with the name of the
 * file; and verify names it, unless no answer depends on it. */
static void damage_one(world *w, const files *list, const char *name, mu_dice *dice,
                       unsigned *n_noticed)
{
    char *folder = w->folder, *copy = copy_folder(folder, list);
    const char *base = strrchr(name, '/') == NULL ? name : strrchr(name, '/') + 1;
    mu_live_options options = {.folder = copy, .n_threads = 1, .metrics = w->metrics};
    mu_live *live;
    mu_err err;
    flip_byte(copy, name, dice);
    found_problems found = look_for_problems(copy, base);
    if (found.n > 0 && found.n_naming == 0)
        fail_msg("verify tells of problems, but not that %s is damaged", name);
    w->damaged = base;
    w->n_refused = 0;
    mu_code code = mu_live_open(&options, &live, &err);
    if (code == MU_OK) {
        check_live(w, live);
        mu_live_close(live);
    } else if (strstr(err.text, base) == NULL && found.n_naming == 0) {
        /* Without a row of the catalog, something else may be what is missed first. */
        fail_msg("%s is damaged, told was: %s", name, err.text);
    }
    if ((code != MU_OK || w->n_refused > 0) && found.n == 0)
        fail_msg("%s is damaged, and verify did not notice", name);
    *n_noticed += found.n > 0;
    w->damaged = NULL;
    mu_remove_folder(copy);
}

static bool has_ending(const char *name, const char *ending)
{
    return mu_str_ends_with(mu_str_from(name), mu_str_from(ending));
}

static void a_changed_byte_is_noticed_and_named(void **state)
{
    world *w = *state;
    static const char *const kinds[] = {".log", ".part", "catalog.db"};
    mu_dice dice;
    mu_err err;
    files list = {0};
    w->seed = mu_dice_seed("live/damage", 13);
    mu_dice_init(&dice, w->seed);
    mu_live *live = open_live(w, NULL);
    for (uint32_t i = 0; i < 3; i++) {
        must(append_groups(live, w, 60, &err), &err);
        must(mu_sandbox_fold(mu_live_find_sandbox(live, MU_STR("prod")), &err), &err);
    }
    must(append_groups(live, w, 60, &err), &err);
    mu_live_close(live);
    verify(w);
    snprintf(w->when, sizeof w->when, "with a changed byte");
    list_folder(w->folder, "", &list);
    list_folder(w->folder, "log/", &list);
    list_folder(w->folder, "parts/", &list);
    for (size_t k = 0; k < 3; k++) {
        unsigned n_files = 0, n_flips = 0, n_noticed = 0;
        for (uint32_t i = 0; i < list.n; i++) {
            if (!has_ending(list.paths[i], kinds[k]))
                continue;
            n_files++;
            for (uint32_t j = 0; j < mu_dice_cases(60) + (k == 2 ? 25 : 2); j++, n_flips++)
                damage_one(w, &list, list.paths[i], &dice, &n_noticed);
        }
        printf("%s: %u files, %u bytes changed, %u noticed\n", kinds[k], n_files, n_flips,
               n_noticed);
        assert_true(n_files > 0 && n_noticed > 0);
        /* Pages of the catalog have room that nothing is in; other files have hardly any. */
        assert_true(k == 2 || n_noticed * 10 >= n_flips * 9);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_kill_loses_nothing_and_doubles_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_disk_that_fails_ends_acceptance_and_nothing_else, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_log_is_kept_from_the_oldest_mark_on, setup, teardown),
        cmocka_unit_test_setup_teardown(a_changed_byte_is_noticed_and_named, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
