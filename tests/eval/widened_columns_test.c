/* Parts that hold integers where the schema has doubles by now (docs/decisions/0041 and 0056): both
 * evaluators and explanations see doubles in every row. */
#include "eval/eval.h"
#include "tests/support/load_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define N_RULES ((uint32_t)(sizeof rules / sizeof *rules))

/* Profiles 1 to 3 are of the first load, 3 was written again by the second, as were 4 and 5. */
static const struct {
    const char *text;
    const char *members; /* identities, as digits */
} rules[] = {
    {"score = 5", "14"},
    {"score = 5.0", "14"},
    {"score >= 5.5", "235"},
    {"score in [5.0, 6]", "124"},
    {"score.toString() = \"5.0\"", "14"},
    {"score.toString() = \"5\"", ""},
    {"score.toString().contains(\".\")", "12345"},
    {"concat(score.toString(), \"!\") = \"6.0!\"", "2"},
    {"score / 2 = 2.5", "14"},
    {"score / 2 = 2", ""},
    {"score.toString().regexGroup(\"^[0-9]+\\\\.0$\", 0).isNotNull()", "1234"},
    {"score % 2 = 1", "134"},
    {"marks.distinct().count() = 2", "13"},
    {"sum(marks) = 3.5", "3"},
    {"max(marks) > 1", "13"},
    {"marks.exists(this.toString() = \"1.0\")", "134"},
    {"xEvent.max(value) = 9", "1"},
    {"xEvent.max(value) > 9", "4"},
    {"xEvent.exists(value.toString() = \"9.0\")", "1"},
    {"_luma.preferences.storeId.size = 40", "1"},
    {"_luma.preferences.storeId.size.toString() = \"40.0\"", "1"},
    {"_luma.preferences.storeId.size.toString() = \"40.5\"", "4"},
    {"score.isNotNull() and not(score.toString() = \"5.0\")", "235"},
};

static void load(mu_load_fixture *f, const char *class_name, const char *text)
{
    f->options.class_name = mu_str_from(class_name);
    if (mu_load_fixture_text(f, "in.ndjson", text) != MU_OK)
        fail_msg("%s", f->err.text);
    if (f->summary.n_rejected > 0)
        fail_msg("rejected: " MU_STR_FMT, MU_STR_ARG(mu_buf_str(&f->rejects)));
}

#define CRM(id) "\"_luma\":{\"identification\":{\"crmId\":\"" id "\"}"

static void fill(mu_load_fixture *f)
{
    mu_load_fixture_init(f);
    f->options.schema_file = mu_load_fixture_schema(f, "luma-schema.json");
    load(f, "stores", "{\"storeId\":\"A\",\"size\":40}\n");
    load(f, "profile",
         "{" CRM("1") ",\"preferences\":{\"storeId\":\"A\"}},\"score\":5,\"marks\":[1,2,1]}\n"
                      "{" CRM("2") "},\"score\":6,\"marks\":[]}\n"
                                   "{" CRM("3") "},\"score\":7,\"marks\":[1]}\n");
    load(f, "event",
         "{\"_id\":\"a\",\"timestamp\":\"2026-03-01T00:00:00Z\",\"_luma\":{\"crmId\":\"1\"},"
         "\"value\":9}\n");
    load(f, "stores", "{\"storeId\":\"B\",\"size\":40.5}\n");
    load(f, "profile",
         "{" CRM("3") "},\"marks\":[1,2.5]}\n"
                      "{" CRM(
                          "4") ",\"preferences\":{\"storeId\":\"B\"}},\"score\":5,\"marks\":[1]}\n"
                               "{" CRM("5") "},\"score\":5.5}\n");
    load(f, "event",
         "{\"_id\":\"b\",\"timestamp\":\"2026-03-01T00:00:00Z\",\"_luma\":{\"crmId\":\"4\"},"
         "\"value\":9.25}\n");
    mu_load_fixture_verify(f);
}

/* -------- members -------- */

typedef struct members {
    const mu_snapshot *snapshot;
    char ids[64][16]; /* per rule */
} members;

static mu_code collect(void *context, unsigned worker, uint32_t audience, uint32_t part,
                       uint32_t block, const uint64_t *bits, uint32_t n_rows, mu_err *err)
{
    (void)worker;
    members *m = context;
    const mu_part *of = mu_snapshot_entity(m->snapshot, MU_STR("profile"))->parts[part];
    for (uint32_t r = 0; r < n_rows; r++) {
        mu_identity identity;
        if ((bits[r / 64] >> (r % 64) & 1) == 0)
            continue;
        MU_TRY(mu_part_identity(of, mu_part_block(of, block).row + r, &identity, err));
        m->ids[audience][identity.value.ptr[0] - '0'] = 1;
    }
    return MU_OK;
}

static void assert_members(const char *evaluator, const members *m)
{
    for (uint32_t i = 0; i < N_RULES; i++) {
        char got[16] = "";
        for (char id = 1; id <= 9; id++)
            if (m->ids[i][(int)id] != 0)
                got[strlen(got)] = (char)('0' + id);
        if (strcmp(got, rules[i].members) != 0)
            fail_msg("%s: %s has members \"%s\", expected \"%s\"", evaluator, rules[i].text, got,
                     rules[i].members);
    }
}

static const mu_pql *bind(mu_arena *arena, const mu_snapshot *snapshot, const char *text)
{
    mu_pql_diagnostics diagnostics;
    mu_pql_bind_options options = {.schema = mu_snapshot_schema(snapshot),
                                   .must_be_condition = true};
    const mu_pql *tree = NULL, *bound = NULL;
    mu_pql_diagnostics_init(&diagnostics, arena);
    if (mu_pql_parse_text(arena, mu_str_from(text), &tree, &diagnostics) != MU_OK ||
        mu_pql_bind(arena, tree, &options, &bound, &diagnostics) != MU_OK)
        fail_msg("%s: " MU_STR_FMT, text,
                 MU_STR_ARG(mu_pql_diagnostic_line(arena, &diagnostics.items[0])));
    return bound;
}

static mu_job *new_job(mu_load_fixture *f, const mu_snapshot *snapshot, bool reference_only)
{
    mu_job *job = NULL;
    mu_job_options options = {.now_ms = 1773144000000, .n_threads = 1};
    mu_job_audience audiences[N_RULES];
    options.reference_only = reference_only;
    for (uint32_t i = 0; i < N_RULES; i++)
        audiences[i] =
            (mu_job_audience){.query = bind(&f->arena, snapshot, rules[i].text), .id = MU_STR("")};
    if (mu_job_new(snapshot, &options, N_RULES, audiences, &job, &f->err) != MU_OK)
        fail_msg("%s", f->err.text);
    return job;
}

static void evaluators_agree_on_widened_columns(void **state)
{
    (void)state;
    mu_load_fixture f;
    mu_snapshot *snapshot = NULL;
    fill(&f);
    assert_int_equal(mu_snapshot_acquire(f.store, &snapshot, &f.err), MU_OK);
    for (int reference_only = 0; reference_only < 2; reference_only++) {
        uint64_t counts[N_RULES];
        mu_job_counters counters;
        members m = {.snapshot = snapshot};
        mu_job *job = new_job(&f, snapshot, reference_only);
        if (mu_job_run(job, collect, &m, counts, &counters, &f.err) != MU_OK)
            fail_msg("%s", f.err.text);
        assert_int_equal(counters.n_profiles, 5);
        assert_members(reference_only ? "reference" : "vectorized", &m);
        mu_job_free(job);
    }
    mu_snapshot_release(snapshot);
    mu_load_fixture_fini(&f);
}

/* -------- explanations -------- */

static void explanations_show_doubles_and_the_identity(void **state)
{
    (void)state;
    mu_load_fixture f;
    mu_snapshot *snapshot = NULL;
    mu_row_place place;
    bool found;
    fill(&f);
    assert_int_equal(mu_snapshot_acquire(f.store, &snapshot, &f.err), MU_OK);
    mu_job *job = new_job(&f, snapshot, false);
    mu_identity identity = {MU_STR("lumaCrmId"), MU_STR("1")};
    assert_int_equal(mu_entity_find(mu_snapshot_entity(snapshot, MU_STR("profile")), identity,
                                    &found, &place, &f.err),
                     MU_OK);
    assert_true(found);
    mu_buf buf;
    mu_json_writer writer;
    mu_buf_init(&buf, SIZE_MAX);
    mu_json_writer_init(&writer, &buf);
    if (mu_explain(job, 4, place, &writer, &f.err) != MU_OK) /* score.toString() = "5.0" */
        fail_msg("%s", f.err.text);
    mu_str text = mu_buf_str(&buf);
    assert_true(mu_str_starts_with(text, MU_STR("{\"identity\":\"lumaCrmId:1\",\"member\":true,")));
    assert_true(mu_str_find(text, MU_STR("\"value\":5.0")) != SIZE_MAX);
    mu_buf_free(&buf);
    mu_job_free(job);
    mu_snapshot_release(snapshot);
    mu_load_fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evaluators_agree_on_widened_columns),
        cmocka_unit_test(explanations_show_doubles_and_the_identity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
