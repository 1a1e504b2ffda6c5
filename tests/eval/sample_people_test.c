/* The shop's people in their merged form (tests/data/sample-people.json), its audiences, and who is
 * in which of them at instants on both sides of every flip. */
#include "tests/support/differential.h"

#include "base/file.h"
#include "base/time.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

typedef struct fixture {
    mu_arena arena;
    mu_json file;
    mu_case people; /* without now */
    mu_test_store store;
} fixture;

static mu_json read_file(mu_arena *arena, const char *path)
{
    mu_str text;
    mu_json json;
    mu_err err = {0};
    mu_json_reader *reader = mu_json_reader_new();
    if (mu_file_read(arena, path, 1 << 20, &text, &err) != MU_OK ||
        mu_json_read(reader, arena, text, &json, &err) != MU_OK)
        fail_msg("%s: %s", path, err.text);
    mu_json_reader_free(reader);
    return json;
}

static const mu_schema *shop_schema(mu_arena *arena)
{
    mu_json file = read_file(arena, MUSTER_SOURCE_DIR "/tests/data/luma-schema.json");
    const mu_schema *schema = NULL;
    mu_err err = {0};
    if (mu_schema_extend(arena, mu_schema_builtin(arena), &file, &schema, &err) != MU_OK)
        fail_msg("%s", err.text);
    return schema;
}

static void read_people(fixture *shop)
{
    mu_random_data *data = &shop->people.data;
    const mu_json *people = mu_json_member(&shop->file, MU_STR("people"));
    *data = (mu_random_data){.schema = shop_schema(&shop->arena), .n_parts = 1};
    data->first_schema = data->schema;
    data->n_profiles = people->n;
    data->profiles = MU_NEW_ARRAY(&shop->arena, mu_random_profile, people->n);
    for (uint32_t i = 0; i < people->n; i++) {
        mu_err err = {0};
        data->profiles[i].identity = people->names[i];
        if (mu_value_from_typed_json(&shop->arena, data->schema->row,
                                     mu_json_member(&people->items[i], MU_STR("row")),
                                     &data->profiles[i].row, &err) != MU_OK)
            fail_msg("%s: %s", people->names[i].ptr, err.text);
    }
}

static void read_audiences(fixture *shop)
{
    const mu_json *audiences = mu_json_member(&shop->file, MU_STR("audiences"));
    shop->people.n_rules = audiences->n;
    shop->people.rules = MU_NEW_ARRAY(&shop->arena, mu_case_rule, audiences->n);
    for (uint32_t i = 0; i < audiences->n; i++)
        shop->people.rules[i] =
            (mu_case_rule){.id = audiences->names[i], .text = audiences->items[i].string};
}

static int open_people(void **state)
{
    static fixture people;
    mu_arena_init(&people.arena, SIZE_MAX);
    people.file = read_file(&people.arena, MUSTER_SOURCE_DIR "/tests/data/sample-people.json");
    read_people(&people);
    read_audiences(&people);
    mu_err err = {0};
    if (mu_test_store_open(&people.people.data, &people.store, &err) != MU_OK)
        fail_msg("%s", err.text);
    *state = &people;
    return 0;
}

static int close_people(void **state)
{
    fixture *shop = *state;
    mu_test_store_close(&shop->store);
    mu_arena_free(&shop->arena);
    return 0;
}

static bool is_listed(const mu_json *ids, mu_str id)
{
    for (uint32_t i = 0; i < ids->n; i++)
        if (mu_str_equal(ids->items[i].string, id))
            return true;
    return false;
}

/* The row of a person in the case; rows lie in the order of hashed pids. */
static uint32_t row_of(const mu_bound_case *bound, mu_str person)
{
    for (uint32_t i = 0; i < bound->n_rows; i++) {
        mu_identity identity;
        assert_int_equal(mu_part_identity(bound->profiles->parts[bound->rows[i].place.part],
                                          bound->rows[i].place.row, &identity, NULL),
                         MU_OK);
        if (mu_str_equal(identity.value, person))
            return i;
    }
    fail_msg("nobody is called %s", person.ptr);
    return 0;
}

static uint32_t check_person(const mu_bound_case *bound, const mu_case_answers *answers,
                             const char *evaluator, mu_str now, mu_str person, const mu_json *ids)
{
    uint32_t row = row_of(bound, person), n_wrong = 0;
    for (uint32_t rule = 0; rule < bound->n_rules; rule++) {
        bool expected = is_listed(ids, bound->audiences[rule].id);
        if (answers->is_member[(size_t)rule * bound->n_rows + row] == expected)
            continue;
        print_error("%s at %s: %s is %sin %s\n", evaluator, now.ptr, person.ptr,
                    expected ? "not " : "", bound->audiences[rule].id.ptr);
        n_wrong++;
    }
    return n_wrong;
}

static uint32_t check_instant(fixture *shop, const mu_json *instant,
                              const mu_case_evaluator *evaluator)
{
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    mu_case people = shop->people;
    mu_str now = mu_json_member_string(instant, MU_STR("now"), MU_STR(""));
    assert_true(mu_parse_rfc3339(now, &people.now_ms));
    mu_bound_case bound;
    mu_err err = {0};
    if (mu_case_bind(&people, shop->store.snapshot, &arena, &bound, &err) != MU_OK)
        fail_msg("%s", err.text);
    mu_case_answers answers = {.is_member =
                                   MU_NEW_ARRAY(&arena, bool, (size_t)bound.n_rules *bound.n_rows)};
    if (evaluator->run(evaluator->context, &bound, &answers, &err) != MU_OK)
        fail_msg("%s", err.text);
    const mu_json *members = mu_json_member(instant, MU_STR("members"));
    uint32_t n_wrong = 0;
    for (uint32_t i = 0; i < members->n; i++)
        n_wrong += check_person(&bound, &answers, evaluator->name, now, members->names[i],
                                &members->items[i]);
    mu_arena_free(&arena);
    return n_wrong;
}

static void check_all(fixture *shop, const mu_case_evaluator *evaluator)
{
    const mu_json *expected = mu_json_member(&shop->file, MU_STR("expected"));
    assert_true(expected->n > 20);
    uint32_t n_wrong = 0;
    for (uint32_t i = 0; i < expected->n; i++)
        n_wrong += check_instant(shop, &expected->items[i], evaluator);
    assert_int_equal(n_wrong, 0);
}

static void the_reference_evaluator_finds_the_shops_members(void **state)
{
    check_all(*state, &(mu_case_evaluator){"reference", mu_case_run_reference, NULL});
}

static void the_job_finds_the_shops_members(void **state)
{
    static unsigned threads = 2;
    check_all(*state, &(mu_case_evaluator){"job", mu_case_run_job, &threads});
}

/* Hana's membership of an external audience, sent with a record, ends with its validUntil. */
static void an_external_membership_ends_with_its_validity(void **state)
{
    fixture *shop = *state;
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    mu_bound_case bound;
    assert_int_equal(mu_case_bind(&shop->people, shop->store.snapshot, &arena, &bound, NULL),
                     MU_OK);
    mu_case_rule known = {.id = MU_STR("7431")};
    const mu_pql *rule = mu_case_bind_rule(&arena, shop->people.data.schema, 1, &known,
                                           MU_STR("inSegment(\"7431\")"));
    assert_non_null(rule);
    mu_reference_context context = mu_case_context(&bound, row_of(&bound, MU_STR("hana")));
    assert_true(mu_parse_rfc3339(MU_STR("2026-03-08T23:59:59.999Z"), &context.now_ms));
    uint32_t trips = 0;
    assert_true(mu_reference_is_member(&arena, &context, rule, &trips));
    assert_true(mu_parse_rfc3339(MU_STR("2026-03-09T00:00:00.001Z"), &context.now_ms));
    assert_false(mu_reference_is_member(&arena, &context, rule, &trips));
    mu_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reference_evaluator_finds_the_shops_members),
        cmocka_unit_test(the_job_finds_the_shops_members),
        cmocka_unit_test(an_external_membership_ends_with_its_validity),
    };
    return cmocka_run_group_tests(tests, open_people, close_people);
}
