/* view_test.c -- audiences over the profiles of every merge policy, by both evaluators; and rows of
 * views compared with what content says of each identity. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bits.h"
#include "base/hash.h"
#include "live/view.h"
#include "profile/profile.h"
#include "tests/support/differential.h"
#include "tests/support/part_rows.h"

#include <stdio.h>
#include <stdlib.h>

#define D1 MU_STR("9261ceef0b969e70ac20f151")
#define D2 MU_STR("6ef9086b892fba957bbdeab1")
#define D3 MU_STR("4b5e57f6eb2f42b9039b3d1e")
#define D5 MU_STR("90e5478be77d3cad10005e9d")

#define PEOPLE_MAX 400u

typedef struct fixture {
    mu_arena arena;
    mu_dice dice;
    char *folder;
    mu_store *store;
    const mu_schema *schema;
    uint64_t sequence;
    uint32_t n_people;
    mu_content people[PEOPLE_MAX];
    bool is_bulk[PEOPLE_MAX];
} fixture;

#define assert_done(call, err)                                                                     \
    do {                                                                                           \
        if ((call) != MU_OK)                                                                       \
            fail_msg("%s", (err).text);                                                            \
    } while (0)

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    mu_err err;
    assert_non_null(f);
    mu_arena_init(&f->arena, SIZE_MAX);
    mu_dice_init(&f->dice, mu_dice_seed("live/view", 1));
    f->folder = mu_make_temporary_folder();
    f->schema = mu_schema_with_system_fields(&f->arena, mu_schema_builtin(&f->arena));
    assert_done(mu_store_open(f->folder, MU_STR("prod"), MU_STORE_WRITE, &f->store, &err), err);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    mu_store_close(f->store);
    mu_remove_folder(f->folder);
    mu_arena_free(&f->arena);
    free(f);
    return 0;
}

/* -------- people -------- */

static mu_content *new_person(fixture *f, uint32_t n, const mu_identity *identities)
{
    mu_content *person = &f->people[f->n_people];
    mu_graph_identity *list = MU_NEW_ARRAY(&f->arena, mu_graph_identity, n);
    mu_err err;
    assert_true(f->n_people < PEOPLE_MAX);
    for (uint32_t i = 0; i < n; i++)
        list[i].identity = identities[i];
    const mu_graph_cluster cluster = {.pid = ++f->n_people, .n_identities = n, .identities = list};
    assert_done(mu_content_gather(&f->arena, f->schema, &cluster, 0, NULL, person, &err), err);
    return person;
}

static void apply(fixture *f, mu_content *person, mu_record_kind kind, uint32_t identity,
                  mu_str dataset, int64_t time_ms, const char *id, const char *document)
{
    mu_applied_record applied = {
        .sequence = ++f->sequence,
        .record = {.kind = kind,
                   .dataset = dataset,
                   .received_ms = (int64_t)f->sequence,
                   .time_ms = time_ms,
                   .key = mu_str_from(id),
                   .n_identities = 1,
                   .identities = &person->cluster.identities[identity].identity,
                   .document = mu_str_from(document)}};
    mu_err err;
    assert_done(mu_content_apply(&f->arena, f->schema, person, 1, &applied, &err), err);
}

static void create(fixture *f, mu_content *person, uint32_t identity, mu_str dataset,
                   const char *document)
{
    apply(f, person, MU_RECORD_CREATE, identity, dataset, 0, "", document);
}

static void add_event(fixture *f, mu_content *person, uint32_t identity, mu_str dataset,
                      const char *id, const char *type)
{
    mu_str document = mu_arena_format(&f->arena, "{\"_id\":\"%s\",\"eventType\":\"%s\"}", id, type);
    apply(f, person, MU_RECORD_EVENT, identity, dataset, 1000, id, document.ptr);
}

/* The row of a bulk load: without system fields. */
static mu_value bulk_row(fixture *f, const mu_content *person)
{
    static const mu_merge_policy base = {.uses_graph = true};
    mu_value *items = MU_NEW_ARRAY(&f->arena, mu_value, f->schema->row->n_fields);
    mu_profile_view view;
    mu_err err;
    assert_done(mu_content_view(&f->arena, f->schema, person, &base, 0, &view, &err), err);
    memcpy(items, view.attributes.items, view.attributes.n * sizeof *items);
    items[f->schema->row->n_fields - 1] = view.events;
    return (mu_value){.kind = MU_TYPE_OBJECT,
                      .n = f->schema->row->n_fields,
                      .items = items,
                      .keys = f->schema->row->field_names};
}

static int compare_pids(const void *pa, const void *pb)
{
    uint32_t a = mu_mix32(*(const uint32_t *)pa), b = mu_mix32(*(const uint32_t *)pb);
    return (a > b) - (a < b);
}

/* Writes the people first to n, who replace rows of theirs that are there. */
static void write_people(fixture *f, uint32_t first, uint32_t n, bool replaces)
{
    mu_err err;
    mu_change *change;
    mu_part_writer *writer;
    mu_snapshot *snapshot;
    uint32_t *pids = MU_NEW_ARRAY(&f->arena, uint32_t, n), ignored;
    assert_done(mu_snapshot_acquire(f->store, &snapshot, &err), err);
    assert_done(mu_change_begin(f->store, &change, &err), err);
    mu_change_set_schema(change, f->schema);
    if (!replaces)
        assert_done(mu_change_new_pids(change, MU_STR("profile"), n, &ignored, &err), err);
    assert_done(mu_part_writer_new(change, MU_STR("profile"), f->schema->row, &writer, &err), err);
    for (uint32_t i = 0; i < n; i++)
        pids[i] = first + i + 1;
    qsort(pids, n, sizeof *pids, compare_pids);
    for (uint32_t i = 0; i < n; i++) {
        mu_content *person = &f->people[pids[i] - 1];
        bool found = false;
        mu_row_place place;
        mu_value row;
        if (replaces) {
            assert_done(mu_entity_find_pid(mu_snapshot_entity(snapshot, MU_STR("profile")), pids[i],
                                           &found, &place, &err),
                        err);
            assert_true(found);
            assert_done(mu_change_kill_row(change, MU_STR("profile"), place, &err), err);
        }
        if (f->is_bulk[pids[i] - 1])
            row = bulk_row(f, person);
        else
            assert_done(mu_content_row(&f->arena, f->schema, person, &row, &err), err);
        assert_done(
            mu_part_writer_add(writer, pids[i], person->cluster.identities[0].identity, row, &err),
            err);
    }
    assert_done(mu_part_writer_finish(writer, &err), err);
    assert_done(mu_change_commit(change, &err), err);
    mu_snapshot_release(snapshot);
}

static mu_snapshot *snapshot_of(fixture *f)
{
    mu_snapshot *snapshot;
    mu_err err;
    assert_done(mu_snapshot_acquire(f->store, &snapshot, &err), err);
    return snapshot;
}

/* -------- policies -------- */

static const mu_str m2_order[] = {{"9261ceef0b969e70ac20f151", 24},
                                  {"6ef9086b892fba957bbdeab1", 24}};
static const mu_merge_policy m1 = {.id = {"m1", 2}, .uses_graph = true};
static const mu_merge_policy m2 = {.id = {"m2", 2},
                                   .uses_graph = true,
                                   .attribute_merge = MU_MERGE_DATASET_PRECEDENCE,
                                   .n_order = 2,
                                   .order = m2_order};
static const mu_merge_policy none = {.id = {"none", 4}};
static const mu_merge_policy none_m2 = {.id = {"none2", 5},
                                        .attribute_merge = MU_MERGE_DATASET_PRECEDENCE,
                                        .n_order = 2,
                                        .order = m2_order};
static const mu_merge_policy *const policies[] = {&m1, &m2, &none, &none_m2};

static mu_snapshot *view_of(mu_snapshot *base, const mu_merge_policy *policy)
{
    mu_snapshot *view;
    mu_err err;
    assert_done(mu_view_make(base, policy, &view, &err), err);
    return view;
}

/* -------- counts by both evaluators -------- */

#define N_RULES 8u

static const char *const rules[N_RULES] = {
    "person.name.firstName = \"Farah\"",
    "person.name.firstName = \"Fara\"",
    "homeAddress.city = \"York\"",
    "loyalty.tier = \"gold\"",
    "xEvent[eventType = \"commerce.purchases\"].count() >= 1",
    "xEvent[eventType = \"commerce.purchases\"].count() >= 1 and loyalty.tier = \"gold\"",
    "xEvent.count() = 0",
    "homeAddress.city = \"Leeds\" and xEvent.count() = 0",
};

static void count_with(const mu_bound_case *bound, mu_case_run *run, void *context,
                       uint64_t counts[N_RULES])
{
    mu_case_answers answers = {
        .is_member = MU_NEW_ARRAY(bound->arena, bool, (size_t)N_RULES * bound->n_rows + 1)};
    mu_err err;
    assert_done(run(context, bound, &answers, &err), err);
    for (uint32_t r = 0; r < N_RULES; r++) {
        counts[r] = 0;
        for (uint32_t i = 0; i < bound->n_rows; i++)
            counts[r] += answers.is_member[(size_t)r * bound->n_rows + i];
    }
}

static void assert_counts(fixture *f, mu_snapshot *view, const uint64_t expected[N_RULES],
                          uint64_t n_profiles, uint64_t n_events)
{
    mu_case_rule list[N_RULES];
    unsigned n_threads = 2;
    uint64_t by_job[N_RULES], by_reference[N_RULES];
    for (uint32_t r = 0; r < N_RULES; r++)
        list[r] = (mu_case_rule){.id = mu_arena_format(&f->arena, "r%u", r),
                                 .text = mu_str_from(rules[r])};
    const mu_case test_case = {.now_ms = 100000, .n_rules = N_RULES, .rules = list};
    mu_bound_case bound;
    mu_err err;
    assert_done(mu_case_bind(&test_case, view, &f->arena, &bound, &err), err);
    assert_int_equal(bound.n_rows, n_profiles);
    assert_int_equal(bound.profiles->n_rows, n_profiles);
    assert_int_equal(bound.profiles->n_events, n_events);
    count_with(&bound, mu_case_run_job, &n_threads, by_job);
    count_with(&bound, mu_case_run_reference, NULL, by_reference);
    for (uint32_t r = 0; r < N_RULES; r++) {
        if (by_job[r] != expected[r] || by_reference[r] != expected[r])
            fail_msg("%s: %llu expected, %llu by the job, %llu by the reference", rules[r],
                     (unsigned long long)expected[r], (unsigned long long)by_job[r],
                     (unsigned long long)by_reference[r]);
    }
}

static void add_sample_people(fixture *f)
{
    static const mu_identity farah[] = {{{"lumaCrmId", 9}, {"CRM-100080", 10}}};
    static const mu_identity ada[] = {
        {{"lumaCrmId", 9}, {"CRM-100042", 10}},
        {{"ECID", 4}, {"87425148613594122803641603982383516983", 38}}};
    static const mu_identity anonymous[] = {
        {{"ECID", 4}, {"83905390261353196691980241222855773941", 38}}};
    static const mu_identity emil[] = {{{"lumaCrmId", 9}, {"CRM-100070", 10}}};
    mu_content *p = new_person(f, 1, farah);
    create(f, p, 0, D1,
           "{\"person\":{\"name\":{\"firstName\":\"Farah\"}},"
           "\"homeAddress\":{\"city\":\"Leeds\",\"street1\":\"1 Oak Street\"}}");
    create(f, p, 0, D2, "{\"person\":{\"name\":{\"firstName\":\"Fara\"}}}");
    create(f, p, 0, D5, "{\"homeAddress\":{\"city\":\"York\"}}");
    p = new_person(f, 2, ada);
    create(f, p, 0, D2, "{\"loyalty\":{\"tier\":\"gold\"}}");
    add_event(f, p, 1, D3, "e1", "commerce.purchases");
    add_event(f, p, 0, D1, "e2", "commerce.productViews");
    p = new_person(f, 1, anonymous);
    add_event(f, p, 0, D3, "e3", "commerce.purchases");
    p = new_person(f, 1, emil);
    create(f, p, 0, D1, "{\"homeAddress\":{\"city\":\"Leeds\"}}");
}

static void audiences_count_the_profiles_of_each_policy(void **state)
{
    fixture *f = *state;
    static const struct {
        const mu_merge_policy *policy;
        uint64_t n_profiles, n_events, counts[N_RULES];
    } expected[] = {
        {&m1, 4, 3, {0, 1, 1, 1, 2, 1, 2, 1}},
        {&m2, 3, 1, {1, 0, 0, 1, 0, 0, 2, 2}},
        {&none, 5, 3, {0, 1, 1, 1, 2, 0, 2, 1}},
        {&none_m2, 3, 1, {1, 0, 0, 1, 0, 0, 2, 2}},
    };
    add_sample_people(f);
    write_people(f, 0, 2, false);
    write_people(f, 2, 2, false);
    mu_snapshot *base = snapshot_of(f);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        mu_snapshot *view = view_of(base, expected[i].policy);
        assert_counts(f, view, expected[i].counts, expected[i].n_profiles, expected[i].n_events);
        mu_snapshot_release(view);
    }
    assert_counts(f, base, expected[0].counts, 4, 3);
    mu_snapshot_release(base);
}

static void a_policy_under_which_nobody_differs_is_the_snapshot_itself(void **state)
{
    fixture *f = *state;
    static const mu_identity emil[] = {{{"lumaCrmId", 9}, {"CRM-100070", 10}}};
    create(f, new_person(f, 1, emil), 0, D1, "{\"homeAddress\":{\"city\":\"Leeds\"}}");
    write_people(f, 0, 1, false);
    mu_snapshot *base = snapshot_of(f);
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
        mu_snapshot *view = view_of(base, policies[i]);
        assert_ptr_equal(view, base);
        mu_snapshot_release(view);
    }
    mu_snapshot_release(base);
}

static void a_store_without_rows_has_views_without_rows(void **state)
{
    fixture *f = *state;
    mu_snapshot *base = snapshot_of(f);
    mu_snapshot *view = view_of(base, &m2);
    assert_null(mu_snapshot_entity(view, MU_STR("profile")));
    mu_snapshot_release(view);
    mu_snapshot_release(base);
}

/* -------- rows of views -------- */

static void add_random_person(fixture *f)
{
    static const char *const documents[] = {"{\"loyalty\":{\"tier\":\"gold\"}}",
                                            "{\"loyalty\":{\"tier\":\"silver\",\"points\":3}}",
                                            "{\"homeAddress\":{\"city\":\"York\"}}", "{}"};
    static const char *const ids[] = {"a", "b", "c"};
    const mu_str datasets[] = {D1, D2, D3, D5};
    mu_identity identities[4];
    uint32_t n = 1 + mu_dice_below(&f->dice, 4);
    for (uint32_t i = 0; i < n; i++)
        identities[i] = (mu_identity){i == 0 ? MU_STR("lumaCrmId") : MU_STR("Email"),
                                      mu_arena_format(&f->arena, "%u-%u", f->n_people, i)};
    f->is_bulk[f->n_people] = n == 1 && mu_dice_percent(&f->dice, 40);
    bool is_bulk = f->is_bulk[f->n_people];
    mu_content *person = new_person(f, n, identities);
    for (uint32_t k = 1 + mu_dice_below(&f->dice, 6); k > 0; k--) {
        uint32_t identity = mu_dice_below(&f->dice, n);
        mu_str dataset = is_bulk ? MU_DATASET_DEFAULT : datasets[mu_dice_below(&f->dice, 4)];
        if (mu_dice_percent(&f->dice, 50))
            create(f, person, identity, dataset, documents[mu_dice_below(&f->dice, 4)]);
        else
            add_event(f, person, identity, dataset, ids[mu_dice_below(&f->dice, 3)], "x");
    }
}

/* The live row of an identity; null when there is none. */
static mu_value row_of(fixture *f, const mu_snapshot *view, mu_identity identity)
{
    const mu_entity *entity = mu_snapshot_entity(view, MU_STR("profile"));
    bool found;
    mu_row_place place;
    mu_value row;
    mu_err err;
    assert_done(mu_entity_find(entity, identity, &found, &place, &err), err);
    if (!found)
        return MU_VALUE_NULL;
    assert_done(mu_part_row(entity->parts[place.part], place.row, &f->arena, &row, &err), err);
    return row;
}

static void compare_row(fixture *f, const mu_snapshot *snapshot, const mu_merge_policy *policy,
                        const mu_content *person, uint32_t identity, uint64_t *n_profiles,
                        uint64_t *n_events)
{
    mu_profile_view expected;
    mu_err err;
    assert_done(mu_content_view(&f->arena, f->schema, person, policy, identity, &expected, &err),
                err);
    mu_value row = row_of(f, snapshot, person->cluster.identities[identity].identity);
    if (expected.is_empty) {
        assert_true(mu_value_is_null(row));
        return;
    }
    assert_false(mu_value_is_null(row));
    for (uint32_t i = 0; i < expected.attributes.n; i++)
        if (!mu_str_starts_with(f->schema->profile->field_names[i], MU_STR("$")))
            assert_true(mu_value_identical(row.items[i], expected.attributes.items[i]));
    assert_true(mu_value_identical(row.items[row.n - 1], expected.events));
    ++*n_profiles;
    *n_events += expected.events.n;
}

static void compare_rows(fixture *f, const mu_snapshot *snapshot, const mu_merge_policy *policy)
{
    uint64_t n_profiles = 0, n_events = 0;
    for (uint32_t p = 0; p < f->n_people; p++) {
        const mu_content *person = &f->people[p];
        uint32_t n = policy->uses_graph ? 1 : person->cluster.n_identities;
        for (uint32_t i = 0; i < n; i++)
            compare_row(f, snapshot, policy, person, i, &n_profiles, &n_events);
    }
    const mu_entity *entity = mu_snapshot_entity(snapshot, MU_STR("profile"));
    assert_int_equal(entity->n_rows, n_profiles);
    assert_int_equal(entity->n_events, n_events);
}

static void rows_of_views_are_what_content_says(void **state)
{
    fixture *f = *state;
    uint32_t n = mu_dice_cases(PEOPLE_MAX) < 60 ? 60 : PEOPLE_MAX;
    for (uint32_t i = 0; i < n; i++)
        add_random_person(f);
    write_people(f, 0, n / 2, false);
    write_people(f, n / 2, n - n / 2, false);
    for (uint32_t i = 0; i < 20; i++)
        if (!f->is_bulk[i])
            create(f, &f->people[i], 0, D5, "{\"homeAddress\":{\"city\":\"Hull\"}}");
    write_people(f, 0, 20, true);
    mu_snapshot *base = snapshot_of(f);
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
        mu_snapshot *view = view_of(base, policies[i]);
        compare_rows(f, view, policies[i]);
        mu_snapshot_release(view);
    }
    mu_snapshot_release(base);
}

static void views_are_made_once(void **state)
{
    fixture *f = *state;
    mu_views *views;
    mu_snapshot *first, *again, *other, *later;
    mu_err err;
    add_sample_people(f);
    write_people(f, 0, 3, false);
    mu_snapshot *base = snapshot_of(f);
    assert_done(mu_views_new(&views, &err), err);
    assert_done(mu_views_snapshot(views, base, &m2, &first, &err), err);
    assert_done(mu_views_snapshot(views, base, &m2, &again, &err), err);
    assert_ptr_equal(first, again);
    mu_merge_policy edited = m2;
    edited.n_order = 1;
    assert_done(mu_views_snapshot(views, base, &edited, &other, &err), err);
    assert_ptr_not_equal(first, other);
    write_people(f, 3, 1, false);
    mu_snapshot *newer = snapshot_of(f);
    assert_done(mu_views_snapshot(views, newer, &m2, &later, &err), err);
    assert_int_equal(mu_snapshot_entity(first, MU_STR("profile"))->n_rows, 2);
    assert_int_equal(mu_snapshot_entity(later, MU_STR("profile"))->n_rows, 3);
    mu_views_clear(views);
    mu_views_free(views);
    mu_snapshot *const held[] = {first, again, other, later, base, newer};
    for (size_t i = 0; i < sizeof held / sizeof *held; i++)
        mu_snapshot_release(held[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(audiences_count_the_profiles_of_each_policy),
        TEST(a_policy_under_which_nobody_differs_is_the_snapshot_itself),
        TEST(a_store_without_rows_has_views_without_rows),
        TEST(rows_of_views_are_what_content_says),
        TEST(views_are_made_once),
    };
    return cmocka_run_group_tests_name("live/view", tests, NULL, NULL);
}
