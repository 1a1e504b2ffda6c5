/* membership_test.c -- memberships against a slow model, over reopening; crashes between file and
 * catalog; damaged files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "audience/membership_int.h"
#include "ingest/file_name.h"
#include "tests/support/part_rows.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PLACE MU_STR("LUMA@AdobeOrg/prod") /* not a name that a file could have */
#define DAY   INT64_C(86400000)

typedef struct fixture {
    mu_arena arena;
    char *folder;
    mu_documents *documents;
    mu_shelves *shelves;
    mu_memberships *memberships;
} fixture;

static mu_code open_all(fixture *f, mu_err *err)
{
    MU_TRY(mu_documents_open(f->folder, &f->documents, err));
    MU_TRY(mu_shelves_new(f->documents, PLACE, &f->shelves, err));
    return mu_memberships_open(f->folder, PLACE, f->shelves, &f->memberships, err);
}

static void close_all(fixture *f)
{
    mu_memberships_close(f->memberships);
    mu_shelves_free(f->shelves);
    mu_documents_close(f->documents);
    f->memberships = NULL;
    f->shelves = NULL;
    f->documents = NULL;
}

static void reopen(fixture *f)
{
    mu_err err;
    close_all(f);
    if (open_all(f, &err) != MU_OK)
        fail_msg("%s", err.text);
}

static int set_up(void **context)
{
    fixture *f = calloc(1, sizeof *f);
    mu_err err;
    mu_arena_init(&f->arena, SIZE_MAX);
    f->folder = mu_make_temporary_folder();
    if (open_all(f, &err) != MU_OK)
        fail_msg("%s", err.text);
    *context = f;
    return 0;
}

static int tear_down(void **context)
{
    fixture *f = *context;
    close_all(f);
    mu_remove_folder(f->folder);
    mu_arena_free(&f->arena);
    free(f);
    return 0;
}

static mu_pid_set *set_of(uint32_t n, const uint32_t *pids)
{
    return roaring_bitmap_of_ptr(n, pids);
}

static mu_membership_counts commit_one(fixture *f, mu_membership_action action, const char *id,
                                       uint32_t n, const uint32_t *pids, int64_t expires_ms,
                                       int64_t now_ms)
{
    mu_err err;
    mu_membership_counts counts;
    mu_pid_set *members = set_of(n, pids);
    const mu_membership_change change = {action, mu_str_from(id), members, expires_ms};
    const mu_membership_commit commit = {.now_ms = now_ms, .n_changes = 1, .changes = &change};
    if (mu_memberships_commit(f->memberships, &commit, &counts, &err) != MU_OK)
        fail_msg("%s", err.text);
    roaring_bitmap_free(members);
    return counts;
}

/* "m5" a member since 5, "x5" left at 5, "-" nothing known. */
static const char *status_of(fixture *f, const char *id, uint32_t pid, int64_t now_ms)
{
    const mu_membership_state *state = mu_memberships_acquire(f->memberships);
    const mu_membership *membership = mu_membership_find(state, mu_str_from(id));
    mu_membership_item item;
    const char *text = "-";
    if (membership != NULL && mu_membership_get(membership, pid, now_ms, &item))
        text = mu_arena_format(&f->arena, "%c%lld", item.is_member ? 'm' : 'x',
                               (long long)item.since_ms)
                   .ptr;
    mu_membership_state_release(state);
    return text;
}

static uint32_t count_files(fixture *f)
{
    const mu_str *names;
    mu_str folder = mu_member_folder(&f->arena, f->folder, PLACE);
    return mu_folder_names(&f->arena, folder.ptr, &names);
}

/* -------- transitions -------- */

static void transitions_keep_their_instants(void **context)
{
    fixture *f = *context;
    mu_membership_counts counts =
        commit_one(f, MU_MEMBERSHIP_SET, "a", 3, (uint32_t[]){1, 2, 70000}, 0, 10);
    assert_int_equal(counts.n_members, 3);
    assert_int_equal(counts.n_entered, 3);
    counts = commit_one(f, MU_MEMBERSHIP_SET, "a", 2, (uint32_t[]){2, 3}, 0, 20);
    assert_int_equal(counts.n_members, 2);
    assert_int_equal(counts.n_entered, 1);
    assert_int_equal(counts.n_left, 2);
    assert_int_equal(counts.n_exited, 2);
    counts = commit_one(f, MU_MEMBERSHIP_SET, "a", 2, (uint32_t[]){1, 2}, 0, 30);
    assert_int_equal(counts.n_exited, 2); /* 3 and 70000 */
    for (int round = 0; round < 2; round++) {
        assert_string_equal(status_of(f, "a", 1, 40), "m30");
        assert_string_equal(status_of(f, "a", 2, 40), "m10");
        assert_string_equal(status_of(f, "a", 3, 40), "x30");
        assert_string_equal(status_of(f, "a", 70000, 40), "x20");
        assert_string_equal(status_of(f, "a", 4, 40), "-");
        assert_string_equal(status_of(f, "b", 1, 40), "-");
        reopen(f);
    }
}

static void who_left_long_ago_is_forgotten(void **context)
{
    fixture *f = *context;
    commit_one(f, MU_MEMBERSHIP_SET, "a", 1, (uint32_t[]){1}, 0, 0);
    commit_one(f, MU_MEMBERSHIP_SET, "a", 0, NULL, 0, DAY);
    assert_string_equal(status_of(f, "a", 1, 31 * DAY), "x86400000");
    assert_string_equal(status_of(f, "a", 1, 31 * DAY + 1), "-");
    mu_membership_counts counts = commit_one(f, MU_MEMBERSHIP_SET, "a", 0, NULL, 0, 31 * DAY + 1);
    assert_int_equal(counts.n_exited, 0);
}

static void later_transitions_are_not_overwritten(void **context)
{
    fixture *f = *context;
    commit_one(f, MU_MEMBERSHIP_SET, "a", 2, (uint32_t[]){1, 2}, 0, 100);
    commit_one(f, MU_MEMBERSHIP_SET, "a", 2, (uint32_t[]){2, 3}, 0, 300);
    commit_one(f, MU_MEMBERSHIP_SET, "a", 1, (uint32_t[]){1}, 0, 200); /* begun before */
    assert_string_equal(status_of(f, "a", 1, 400), "x300");
    assert_string_equal(status_of(f, "a", 2, 400), "x200");
    assert_string_equal(status_of(f, "a", 3, 400), "m300");
}

static void expired_audiences_have_no_members(void **context)
{
    fixture *f = *context;
    commit_one(f, MU_MEMBERSHIP_ADD, "e", 2, (uint32_t[]){1, 2}, 100, 10);
    commit_one(f, MU_MEMBERSHIP_ADD, "e", 1, (uint32_t[]){3}, 100, 20);
    assert_string_equal(status_of(f, "e", 1, 100), "m10");
    assert_string_equal(status_of(f, "e", 1, 101), "-");
    commit_one(f, MU_MEMBERSHIP_EXPIRE, "e", 0, NULL, 200, 50);
    assert_string_equal(status_of(f, "e", 3, 200), "m20");
    /* Those who were members before it expired are none when it gets new ones. */
    commit_one(f, MU_MEMBERSHIP_ADD, "e", 2, (uint32_t[]){2, 4}, 400, 300);
    assert_string_equal(status_of(f, "e", 1, 310), "-");
    assert_string_equal(status_of(f, "e", 2, 310), "m300");
    reopen(f);
    assert_string_equal(status_of(f, "e", 3, 310), "-");
    assert_string_equal(status_of(f, "e", 4, 310), "m300");
}

static void edits_are_made_with_the_members_or_not_at_all(void **context)
{
    fixture *f = *context;
    mu_err err;
    const mu_shelf *shelf;
    mu_pid_set *members = set_of(1, (uint32_t[]){7});
    const mu_membership_change change = {MU_MEMBERSHIP_SET, MU_STR("a"), members, 0};
    mu_document_edit edits[] = {{.action = MU_DOCUMENT_ADD,
                                 .kind = MU_STR("segmentJob"),
                                 .id = MU_STR("j"),
                                 .json = MU_STR("{}")},
                                {.action = MU_DOCUMENT_REPLACE,
                                 .kind = MU_STR("segmentJob"),
                                 .id = MU_STR("none"),
                                 .json = MU_STR("{}")}};
    mu_membership_commit commit = {
        .now_ms = 5, .n_changes = 1, .changes = &change, .n_edits = 2, .edits = edits};
    assert_int_equal(mu_memberships_commit(f->memberships, &commit, NULL, &err), MU_E_NOT_FOUND);
    assert_string_equal(status_of(f, "a", 7, 5), "-");
    assert_int_equal(count_files(f), 0);
    assert_int_equal(mu_shelf_acquire(f->shelves, MU_STR("segmentJob"), &shelf, &err), MU_OK);
    assert_null(mu_shelf_find(shelf, MU_STR("j")));
    mu_shelf_release(shelf);
    commit.n_edits = 1;
    assert_int_equal(mu_memberships_commit(f->memberships, &commit, NULL, &err), MU_OK);
    assert_string_equal(status_of(f, "a", 7, 5), "m5");
    assert_int_equal(mu_shelf_acquire(f->shelves, MU_STR("segmentJob"), &shelf, &err), MU_OK);
    assert_non_null(mu_shelf_find(shelf, MU_STR("j")));
    mu_shelf_release(shelf);
    roaring_bitmap_free(members);
}

/* -------- the model -------- */

#define N_AUDIENCES 4
#define N_PIDS      60

typedef struct model_item {
    bool is_known, is_member;
    int64_t since_ms;
} model_item;

typedef struct model {
    model_item items[N_AUDIENCES][N_PIDS];
    int64_t expires_ms[N_AUDIENCES];
    bool exists[N_AUDIENCES];
} model;

/* Pids of three containers. */
static uint32_t pid_of(uint32_t i)
{
    return 1 + i * 2999;
}

static void model_change(model *m, uint32_t a, const mu_membership_change *change,
                         const mu_pid_set *alive, int64_t now_ms)
{
    bool lapsed = m->exists[a] && m->expires_ms[a] != 0 && now_ms > m->expires_ms[a];
    m->exists[a] = change->action != MU_MEMBERSHIP_REMOVE;
    m->expires_ms[a] = change->expires_ms;
    for (uint32_t i = 0; i < N_PIDS; i++) {
        model_item *item = &m->items[a][i];
        if (change->action == MU_MEMBERSHIP_REMOVE)
            *item = (model_item){0};
        if (change->action != MU_MEMBERSHIP_SET && change->action != MU_MEMBERSHIP_ADD)
            continue;
        bool is_alive = alive == NULL || roaring_bitmap_contains(alive, pid_of(i));
        bool qualifies = is_alive && roaring_bitmap_contains(change->members, pid_of(i));
        if (!is_alive || (lapsed && item->is_member))
            *item = (model_item){0};
        if (qualifies && !item->is_member)
            *item = (model_item){true, true, now_ms};
        else if (!qualifies && item->is_member && change->action == MU_MEMBERSHIP_SET)
            *item = (model_item){true, false, now_ms};
    }
}

static const char *const names[N_AUDIENCES] = {"c", "a", "zz", "b"};

static void compare(fixture *f, const model *m, int64_t now_ms)
{
    const mu_membership_state *state = mu_memberships_acquire(f->memberships);
    for (uint32_t a = 0; a < N_AUDIENCES; a++) {
        uint64_t n_members = 0;
        const mu_membership *membership = mu_membership_find(state, mu_str_from(names[a]));
        assert_int_equal(membership != NULL, m->exists[a]);
        bool expired = m->expires_ms[a] != 0 && now_ms > m->expires_ms[a];
        for (uint32_t i = 0; membership != NULL && i < N_PIDS; i++) {
            mu_membership_item item;
            const model_item *expected = &m->items[a][i];
            bool is_known =
                expected->is_known && !expired &&
                (expected->is_member || expected->since_ms >= now_ms - MU_EXITED_KEPT_MS);
            assert_int_equal(mu_membership_get(membership, pid_of(i), now_ms, &item), is_known);
            if (!is_known)
                continue;
            assert_int_equal(item.is_member, expected->is_member);
            assert_int_equal(item.since_ms, expected->since_ms);
            n_members += item.is_member;
        }
        if (membership != NULL)
            assert_int_equal(mu_membership_count(membership, now_ms), n_members);
    }
    mu_membership_state_release(state);
}

static mu_pid_set *random_pids(mu_dice *dice, unsigned percent)
{
    mu_pid_set *pids = roaring_bitmap_create();
    for (uint32_t i = 0; i < N_PIDS; i++)
        if (mu_dice_percent(dice, percent))
            roaring_bitmap_add(pids, pid_of(i));
    return pids;
}

/* Of both pids the newer item; on a tie the member. */
static void model_merge(model *m, uint32_t from, uint32_t to, int64_t now_ms)
{
    for (uint32_t a = 0; a < N_AUDIENCES; a++) {
        model_item *one = &m->items[a][from], *other = &m->items[a][to];
        int64_t since_ms = now_ms - MU_EXITED_KEPT_MS;
        bool counts = one->is_known && (one->is_member || one->since_ms >= since_ms);
        bool other_counts = other->is_known && (other->is_member || other->since_ms >= since_ms);
        if (counts && (!other_counts || one->since_ms > other->since_ms ||
                       (one->since_ms == other->since_ms && one->is_member)))
            *other = *one;
        *one = (model_item){0};
    }
}

static uint32_t random_merges(mu_dice *dice, model *m, mu_pid_merge out[6], int64_t now_ms)
{
    uint32_t n = mu_dice_percent(dice, 25) ? mu_dice_below(dice, 6) : 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t from = mu_dice_below(dice, N_PIDS), to = mu_dice_below(dice, N_PIDS - 1);
        to += to >= from;
        out[i] = (mu_pid_merge){pid_of(from), pid_of(to)};
        model_merge(m, from, to, now_ms);
    }
    return n;
}

static void random_commit(fixture *f, mu_dice *dice, model *m, int64_t now_ms)
{
    mu_err err;
    mu_membership_change changes[3];
    mu_membership_counts counts[3];
    mu_pid_set *alive = mu_dice_percent(dice, 50) ? random_pids(dice, 90) : NULL;
    uint32_t n = mu_dice_below(dice, 4);
    mu_pid_merge merges[6];
    uint32_t n_merges = random_merges(dice, m, merges, now_ms);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t a = mu_dice_below(dice, N_AUDIENCES);
        static const mu_membership_action actions[] = {
            MU_MEMBERSHIP_SET, MU_MEMBERSHIP_SET,    MU_MEMBERSHIP_SET,    MU_MEMBERSHIP_ADD,
            MU_MEMBERSHIP_ADD, MU_MEMBERSHIP_EXPIRE, MU_MEMBERSHIP_REMOVE,
        };
        changes[i] = (mu_membership_change){
            .action = actions[mu_dice_below(dice, 7)],
            .audience_id = mu_str_from(names[a]),
            .members = random_pids(dice, mu_dice_below(dice, 101)),
            .expires_ms =
                mu_dice_percent(dice, 30) ? now_ms + mu_dice_between(dice, 0, 9 * DAY) : 0};
        model_change(m, a, &changes[i], alive, now_ms);
    }
    const mu_membership_commit commit = {.now_ms = now_ms,
                                         .n_changes = n,
                                         .changes = changes,
                                         .alive = alive,
                                         .n_merges = n_merges,
                                         .merges = merges};
    if (mu_memberships_commit(f->memberships, &commit, counts, &err) != MU_OK)
        fail_msg("%s", err.text);
    for (uint32_t i = 0; i < n; i++)
        roaring_bitmap_free(changes[i].members);
    if (alive != NULL)
        roaring_bitmap_free(alive);
}

static void memberships_are_what_the_model_says(void **context)
{
    fixture *f = *context;
    mu_dice dice;
    model *m = calloc(1, sizeof *m);
    int64_t now_ms = 100 * DAY;
    mu_dice_init(&dice, mu_dice_seed("membership_test", 20261123));
    uint32_t n = mu_dice_cases(2000);
    for (uint32_t i = 0; i < n; i++) {
        now_ms += mu_dice_percent(&dice, 20) ? 0 : mu_dice_between(&dice, 1, 4 * DAY);
        random_commit(f, &dice, m, now_ms);
        if (mu_dice_percent(&dice, 10))
            reopen(f);
        compare(f, m, now_ms);
        compare(f, m, now_ms + 5 * DAY);
    }
    assert_true(count_files(f) <= 2 * 34); /* files that one replaced stay for one more round */
    free(m);
}

/* -------- files -------- */

static void many_files_become_one(void **context)
{
    fixture *f = *context;
    uint32_t most = 0;
    for (uint32_t i = 0; i < 200; i++) {
        commit_one(f, MU_MEMBERSHIP_ADD, "a", 1, (uint32_t[]){i}, 0, (int64_t)i);
        most = count_files(f) > most ? count_files(f) : most;
    }
    assert_true(most <= 2 * 34);
    reopen(f);
    assert_true(count_files(f) <= 34); /* what was replaced is gone */
    for (uint32_t i = 0; i < 200; i++)
        assert_string_equal(status_of(f, "a", i, 200),
                            mu_arena_format(&f->arena, "m%u", (unsigned)i).ptr);
}

static mu_str path_of_file(fixture *f, uint64_t number)
{
    return mu_member_path(&f->arena, mu_member_folder(&f->arena, f->folder, PLACE), number);
}

static void a_file_without_a_transaction_is_removed(void **context)
{
    fixture *f = *context;
    mu_err err;
    mu_member_writer writer;
    mu_member_delta delta = {.audience_id = MU_STR("a"), .at_ms = 9};
    commit_one(f, MU_MEMBERSHIP_SET, "a", 1, (uint32_t[]){1}, 0, 5);
    delta.left = set_of(1, (uint32_t[]){1});
    mu_str folder = mu_member_folder(&f->arena, f->folder, PLACE);
    assert_int_equal(mu_member_writer_begin(&writer, folder, 2, &err), MU_OK);
    assert_int_equal(mu_member_writer_change(&writer, &delta, &err), MU_OK);
    assert_int_equal(mu_member_writer_finish(&writer, &err), MU_OK);
    mu_member_writer_end(&writer);
    mu_member_delta_free(&delta);
    int fd = open(mu_arena_format(&f->arena, "%s.incomplete", path_of_file(f, 3).ptr).ptr,
                  O_CREAT | O_WRONLY, 0600);
    close(fd);
    assert_int_equal(count_files(f), 3);
    reopen(f);
    assert_int_equal(count_files(f), 1);
    assert_string_equal(status_of(f, "a", 1, 10), "m5");
    commit_one(f, MU_MEMBERSHIP_SET, "a", 0, NULL, 0, 11);
    reopen(f);
    assert_string_equal(status_of(f, "a", 1, 12), "x11");
}

static void count_problem(void *context, mu_str sentence)
{
    assert_true(mu_str_find(sentence, MU_STR("/membership/")) != SIZE_MAX);
    ++*(uint32_t *)context;
}

static uint32_t problems_of(fixture *f)
{
    uint32_t n = 0;
    mu_err err;
    assert_int_equal(mu_memberships_verify(f->folder, count_problem, &n, &err), MU_OK);
    return n;
}

static mu_str read_file(fixture *f, mu_str path)
{
    mu_str bytes;
    mu_err err;
    if (mu_file_read(&f->arena, path.ptr, SIZE_MAX, &bytes, &err) != MU_OK)
        fail_msg("%s", err.text);
    return bytes;
}

static void write_file(mu_str path, mu_str bytes)
{
    int fd = open(path.ptr, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes.ptr, bytes.len), bytes.len);
    close(fd);
}

static void assert_damaged(fixture *f, mu_str path)
{
    mu_err err;
    assert_int_equal(problems_of(f), 1);
    assert_int_equal(open_all(f, &err), MU_E_CORRUPT);
    assert_true(mu_str_find(mu_str_from(err.text), path) != SIZE_MAX);
    close_all(f);
}

static void damaged_files_are_named_and_not_believed(void **context)
{
    fixture *f = *context;
    mu_err err;
    commit_one(f, MU_MEMBERSHIP_SET, "a", 4, (uint32_t[]){1, 5, 70000, 70001}, 0, 5);
    commit_one(f, MU_MEMBERSHIP_SET, "a", 2, (uint32_t[]){1, 6}, 0, 6);
    close_all(f);
    mu_str path = path_of_file(f, 2), good = read_file(f, path);
    assert_int_equal(problems_of(f), 0);
    for (size_t at = 0; at < good.len; at++) {
        mu_str bad = mu_arena_copy(&f->arena, good);
        ((char *)bad.ptr)[at] ^= (char)(1 << (at % 8));
        write_file(path, bad);
        assert_damaged(f, path);
    }
    for (size_t size = 0; size < good.len; size += 7) {
        write_file(path, (mu_str){good.ptr, size});
        assert_damaged(f, path);
    }
    write_file(path, read_file(f, path_of_file(f, 1))); /* a good one, but another */
    assert_damaged(f, path);
    unlink(path.ptr);
    assert_damaged(f, path);
    write_file(path, good);
    assert_int_equal(open_all(f, &err), MU_OK);
    assert_string_equal(status_of(f, "a", 6, 7), "m6");
}

static void states_stay_while_others_are_committed(void **context)
{
    fixture *f = *context;
    mu_membership_item item;
    commit_one(f, MU_MEMBERSHIP_SET, "a", 1, (uint32_t[]){1}, 0, 5);
    const mu_membership_state *state = mu_memberships_acquire(f->memberships);
    const mu_membership *membership = mu_membership_find(state, MU_STR("a"));
    commit_one(f, MU_MEMBERSHIP_SET, "a", 1, (uint32_t[]){2}, 0, 6);
    commit_one(f, MU_MEMBERSHIP_REMOVE, "a", 0, NULL, 0, 7);
    assert_true(mu_membership_get(membership, 1, 8, &item));
    assert_true(item.is_member);
    mu_membership_state_release(state);
    assert_string_equal(status_of(f, "a", 1, 8), "-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(transitions_keep_their_instants, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_left_long_ago_is_forgotten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(later_transitions_are_not_overwritten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(expired_audiences_have_no_members, set_up, tear_down),
        cmocka_unit_test_setup_teardown(edits_are_made_with_the_members_or_not_at_all, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(memberships_are_what_the_model_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_files_become_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_without_a_transaction_is_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damaged_files_are_named_and_not_believed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(states_stay_while_others_are_committed, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
