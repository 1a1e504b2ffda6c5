/* eligibility_golden_test.c -- the table of rules and how the original service would evaluate them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "pql/pql.h"
#include "tests/support/golden.h"

typedef struct fixture {
    mu_arena arena;
    mu_json_reader *reader;
    const mu_schema *schema;
    bool is_active_on_edge;
} fixture;

static int set_up(void **state)
{
    fixture *f = test_calloc(1, sizeof *f);
    mu_str text;
    mu_json json;
    mu_err err = {0};
    const char *path = MUSTER_SOURCE_DIR "/tests/data/luma-schema.json";
    mu_arena_init(&f->arena, SIZE_MAX);
    f->reader = mu_json_reader_new();
    if (mu_file_read(&f->arena, path, 1 << 20, &text, &err) != MU_OK ||
        mu_json_read(f->reader, &f->arena, text, &json, &err) != MU_OK ||
        mu_schema_extend(&f->arena, mu_schema_builtin(&f->arena), &json, &f->schema, &err) != MU_OK)
        fail_msg("%s", err.text);
    f->is_active_on_edge = true;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    mu_json_reader_free(f->reader);
    mu_arena_free(&f->arena);
    test_free(f);
    return 0;
}

static bool has_events(void *context, mu_str id)
{
    (void)context;
    return mu_str_starts_with(id, MU_STR("events-"));
}

static bool is_aam(void *context, mu_str id)
{
    (void)context;
    return mu_str_starts_with(id, MU_STR("aam-"));
}

static const mu_pql *bound(fixture *f, mu_str text)
{
    mu_pql_diagnostics diagnostics;
    mu_pql_bind_options options = {.schema = f->schema, .must_be_condition = true};
    const mu_pql *query = NULL;
    mu_pql_diagnostics_init(&diagnostics, &f->arena);
    if (mu_pql_parse(&f->arena, text, &query, &diagnostics) != MU_OK ||
        mu_pql_bind(&f->arena, query, &options, &query, &diagnostics) != MU_OK)
        fail_msg(MU_STR_FMT ": " MU_STR_FMT, MU_STR_ARG(text),
                 MU_STR_ARG(mu_pql_diagnostic_line(&f->arena, &diagnostics.items[0])));
    return query;
}

static mu_eligibility eligibility_of(fixture *f, mu_str text)
{
    mu_eligibility_options options = {.merge_policy_active_on_edge = f->is_active_on_edge,
                                      .segment_has_events = has_events,
                                      .segment_is_aam = is_aam};
    mu_eligibility out;
    mu_pql_eligibility(&f->arena, bound(f, text), &options, &out);
    assert_int_equal(out.streaming, out.streaming_reason.len == 0);
    assert_int_equal(out.edge, out.edge_reason.len == 0);
    return out;
}

static void golden_case(void *context, bool is_instruction, mu_str text, mu_buf *out)
{
    fixture *f = context;
    if (is_instruction) {
        f->is_active_on_edge = mu_str_equal(text, MU_STR("policy on"));
        return;
    }
    mu_eligibility e = eligibility_of(f, text);
    mu_buf_add_format(out, "streaming: " MU_STR_FMT "\n",
                      MU_STR_ARG(e.streaming ? MU_STR("yes") : e.streaming_reason));
    mu_buf_add_format(out, "edge: " MU_STR_FMT "\n",
                      MU_STR_ARG(e.edge ? MU_STR("yes") : e.edge_reason));
}

static void rules_are_eligible_as_written_down(void **state)
{
    assert_true(mu_golden_run("eligibility.txt", golden_case, *state) >= 60);
}

static void an_edge_rule_also_streams(void **state)
{
    fixture *f = *state;
    static const char *const rules[] = {
        "loyalty.tier = \"gold\"",
        "inSegment(\"x\")",
        "xEvent[timestamp occurs today]",
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        mu_eligibility e = eligibility_of(f, mu_str_from(rules[i]));
        assert_true(e.edge && e.streaming);
    }
}

static void referenced_audiences_are_listed_once_and_in_order(void **state)
{
    fixture *f = *state;
    mu_eligibility e = eligibility_of(
        f, MU_STR("inSegment(\"b\") or not inSegment(\"a\") and (inSegment(\"b\") or "
                  "xEvent[inSegment(\"c\")])"));
    assert_int_equal(e.n_segments, 3);
    assert_true(mu_str_equal(e.segments[0], MU_STR("b")));
    assert_true(mu_str_equal(e.segments[1], MU_STR("a")));
    assert_true(mu_str_equal(e.segments[2], MU_STR("c")));
    assert_true(e.has_events);
    assert_false(e.has_profile_attributes);
}

static void attributes_are_seen_through_caret_and_name(void **state)
{
    fixture *f = *state;
    assert_true(
        eligibility_of(f, MU_STR("xEvent[eventType = ^loyalty.tier]")).has_profile_attributes);
    assert_true(
        eligibility_of(f, MU_STR("xEvent[eventType = $1.loyalty.tier]")).has_profile_attributes);
    assert_true(eligibility_of(f, MU_STR("(P) => P.loyalty.tier = \"x\"")).has_profile_attributes);
    assert_false(eligibility_of(f, MU_STR("xEvent[eventType = \"x\"]")).has_profile_attributes);
    assert_true(eligibility_of(f, MU_STR("(P) => P.xEvent[eventType = \"x\"]")).has_events);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rules_are_eligible_as_written_down),
        TEST(an_edge_rule_also_streams),
        TEST(referenced_audiences_are_listed_once_and_in_order),
        TEST(attributes_are_seen_through_caret_and_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
