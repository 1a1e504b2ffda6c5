/* Random rows written into a real store come back as they were, whatever part they lie in. */
#include "tests/support/random_case.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static mu_value row_in_store(mu_arena *arena, const mu_entity *entity, mu_identity identity,
                             bool *found, const mu_type **type)
{
    mu_row_place place;
    mu_value row = MU_VALUE_NULL;
    mu_err err = {0};
    if (mu_entity_find(entity, identity, found, &place, &err) != MU_OK)
        fail_msg("%s", err.text);
    if (*found && mu_part_row(entity->parts[place.part], place.row, arena, &row, &err) != MU_OK)
        fail_msg("%s", err.text);
    if (*found)
        *type = mu_part_row_type(entity->parts[place.part]);
    return row;
}

static void check_profiles(mu_arena *arena, const mu_random_data *data, const mu_snapshot *snapshot,
                           uint64_t seed)
{
    const mu_entity *entity = mu_snapshot_entity(snapshot, MU_STR("profile"));
    uint64_t n_live = 0, n_events = 0;
    for (uint32_t i = 0; i < data->n_profiles && entity != NULL; i++) {
        const mu_random_profile *profile = &data->profiles[i];
        mu_identity identity = {MU_STR("CRM"), profile->identity};
        bool found = false;
        const mu_type *type = NULL;
        mu_value row = row_in_store(arena, entity, identity, &found, &type);
        bool is_live = profile->part < data->n_parts;
        assert_int_equal(found, is_live);
        if (!is_live)
            continue;
        n_live++;
        n_events += mu_value_member(profile->row, MU_STR("xEvent")).n;
        mu_value expected = mu_value_reshape(arena, profile->row, data->schema->row, type);
        if (!mu_value_identical(row, expected))
            fail_msg("seed %llu: profile %s came back changed", (unsigned long long)seed,
                     profile->identity.ptr);
    }
    assert_int_equal(entity == NULL ? 0 : entity->n_rows, n_live);
    assert_int_equal(entity == NULL ? 0 : entity->n_events, n_events);
}

static void check_records(mu_arena *arena, const mu_random_data *data, const mu_snapshot *snapshot)
{
    for (uint32_t i = 0; i < data->n_records; i++) {
        const mu_random_record *record = &data->records[i];
        const mu_entity *entity = mu_snapshot_entity(snapshot, record->class_name);
        assert_non_null(entity);
        bool found = false;
        const mu_type *type = NULL;
        mu_value value =
            row_in_store(arena, entity, (mu_identity){.value = record->key}, &found, &type);
        assert_true(found);
        assert_true(mu_value_identical(value, record->value));
    }
}

static void note_problem(void *context, mu_str sentence)
{
    (void)context;
    print_error("%.*s\n", (int)sentence.len, sentence.ptr);
}

static void check_data_set(uint64_t seed)
{
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    mu_dice dice;
    mu_dice_init(&dice, seed);
    mu_random_shape shape = MU_SHAPE_SMALL;
    if (mu_dice_percent(&dice, 5))
        shape = mu_dice_percent(&dice, 50) ? MU_SHAPE_WIDE : MU_SHAPE_DEEP;
    mu_random_data data;
    mu_random_data_make(&dice, &arena, mu_random_schema(&dice, &arena), shape, &data);
    mu_test_store store;
    mu_err err = {0};
    if (mu_test_store_open(&data, &store, &err) != MU_OK)
        fail_msg("seed %llu: %s", (unsigned long long)seed, err.text);
    check_profiles(&arena, &data, store.snapshot, seed);
    check_records(&arena, &data, store.snapshot);
    mu_verify_report report = {0};
    mu_verify_callbacks callbacks = {.problem = note_problem};
    if (mu_store_verify(store.folder, 1, &callbacks, &report, &err) != MU_OK)
        fail_msg("seed %llu: %s", (unsigned long long)seed, err.text);
    assert_int_equal(report.n_problems, 0);
    mu_test_store_close(&store);
    mu_arena_free(&arena);
}

static void random_rows_come_back_as_they_were(void **state)
{
    (void)state;
    uint64_t seed = mu_dice_seed("random rows", 1);
    uint32_t n = mu_dice_cases(300);
    for (uint32_t i = 0; i < n; i++)
        check_data_set(seed + i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_rows_come_back_as_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
