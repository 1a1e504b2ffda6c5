/* Guards trip alike in both evaluators: rules made to go on for ever, over profiles with thousands
 * of events, with the same steps counted. */
#include "tests/support/random_case.h"

#include "tests/support/notation.h"
#include "tests/support/random_rule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* Searches that grow with the square or the cube of the events; tokens are mutated. */
static const char *const templates[] = {
    "chain(xEvent, timestamp, [A: WHAT(eventType != \"x\"), B: WHAT(sku != A.sku and n < 0)])",
    "chain(xEvent, timestamp, [A: WHAT(n >= 0), GAP(<= 3 hours), B: WHAT(n >= 0), GAP(<= 3 hours), "
    "C: WHAT(sku = \"none such\")])",
    "not chain(xEvent, timestamp, [A: WHAT(n > 1), B: WHAT(n > A.n), C: WHAT(n > B.n), "
    "D: WHAT(n < A.n and sku = \"none such\")])",
    "chain(xEvent, timestamp, [A: WHAT(eventType = \"red\"), EXCLUDE(WHAT(n = 3)), B: WHAT(sku = "
    "A.sku) WHEN(<= 2 days after A), C: WHAT(n = 99)])",
    "chain(xEvent, timestamp, [A: WHAT(n > 0) COUNT(3), B: WHAT(sku = A.sku) COUNT(2), "
    "EXCLUDE(WHAT(true))])",
    "xEvent.topN(timestamp, 100)[sku.matches(\"(a+)+$\")].count() = 0",
    "chain(xEvent, timestamp, [A: WHAT(n = 3), B: WHAT(sku = A.sku), EXCLUDE(WHAT(n = A.n))])",
    "name.matches(\"(a|aa)+$\") or not chain(xEvent, timestamp, [WHAT(n = 7) COUNT(= 2)])",
};

#define TEMPLATES ((uint32_t)(sizeof templates / sizeof templates[0]))

static const mu_schema *guard_schema(mu_arena *arena)
{
    return mu_schema_of_types(
        arena, mu_notation_read(arena, "{name:string}"),
        mu_notation_read(
            arena, "{_id:string, timestamp:timestamp, eventType:string, sku:string, n:integer}"),
        0, NULL);
}

static void make_case(mu_dice *dice, mu_arena *arena, mu_case *out)
{
    const mu_schema *schema = guard_schema(arena);
    *out = (mu_case){.rules = MU_NEW_ARRAY(arena, mu_case_rule, TEMPLATES)};
    do
        mu_random_data_make(dice, arena, schema, MU_SHAPE_DEEP, &out->data);
    while (out->data.n_profiles > 3);
    out->now_ms = out->data.style.now_ms;
    for (uint32_t i = 0; i < 3; i++) {
        mu_str template = mu_str_from(templates[mu_dice_below(dice, TEMPLATES)]);
        mu_str text =
            mu_dice_percent(dice, 40) ? template : mu_random_mutation(dice, arena, template);
        if (mu_case_bind_rule(arena, schema, 0, NULL, text) != NULL)
            out->rules[out->n_rules++] =
                (mu_case_rule){.id = mu_arena_format(arena, "s%u", i), .text = text};
    }
}

/* The oracle; its context is a number to which it adds the trips. */
static mu_code run_and_count(void *context, const mu_bound_case *bound, mu_case_answers *answers,
                             mu_err *err)
{
    uint64_t *n_trips = context;
    MU_TRY(mu_case_run_reference(NULL, bound, answers, err));
    for (unsigned guard = 0; guard < MU_GUARD_COUNT_; guard++)
        *n_trips += answers->trips[guard];
    return MU_OK;
}

static void guards_trip_alike(void **state)
{
    (void)state;
    static unsigned two = 2;
    uint64_t n_trips = 0;
    const mu_case_evaluator reference = {"reference", run_and_count, &n_trips};
    const mu_case_evaluator job = {"job", mu_case_run_job, &two};
    uint64_t seed = mu_dice_seed("guards", 3);
    uint32_t n = 4 + mu_dice_cases(8);
    for (uint32_t i = 0; i < n; i++) {
        mu_arena arena;
        mu_arena_init(&arena, SIZE_MAX);
        mu_dice dice;
        mu_dice_init(&dice, seed + i);
        mu_case test_case;
        mu_disagreement found;
        make_case(&dice, &arena, &test_case);
        if (!mu_case_agrees(&test_case, &reference, &job, &found)) {
            mu_case_minimise(&arena, &test_case, &reference, &job, 100);
            (void)mu_case_agrees(&test_case, &reference, &job, &found);
            mu_buf buf;
            mu_buf_init(&buf, 1 << 16);
            mu_case_write(&buf, &test_case, &found, &reference, &job);
            fail_msg("seed %llu: %.*s", (unsigned long long)(seed + i), (int)buf.len, buf.ptr);
        }
        mu_arena_free(&arena);
    }
    print_message("%llu guard trips\n", (unsigned long long)n_trips);
    assert_true(n_trips > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guards_trip_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
