#include "tests/support/differential.h"

#include "base/hash.h"
#include "base/time.h"
#include "tests/support/notation.h"

#include <stdio.h>

/* -------- memberships decided before -------- */

bool mu_case_known_has(uint32_t known, uint32_t pid)
{
    return known == 0 ? mu_mix32(pid) % 2 == 0 : mu_mix32(pid + 77) % 5 == 0;
}

uint32_t mu_case_find_known(mu_str id)
{
    uint32_t known = 0;
    while (known < MU_CASE_KNOWN && !mu_str_equal(mu_case_known[known].id, id))
        known++;
    return known;
}

static void fill_known(const void *set, uint32_t n, const uint32_t *pids, uint64_t *members)
{
    for (uint32_t i = 0; i < n; i++)
        if (mu_case_known_has(*(const uint32_t *)set, pids[i]))
            members[i / 64] |= (uint64_t)1 << (i % 64);
}

static const uint32_t known_numbers[MU_CASE_KNOWN] = {0, 1};
const mu_job_members mu_case_known[MU_CASE_KNOWN] = {
    {.id = {"known0", 6}, .fill = fill_known, .set = &known_numbers[0]},
    {.id = {"known1", 6}, .fill = fill_known, .set = &known_numbers[1]},
};

/* -------- binding -------- */

typedef struct known_rules {
    uint32_t n;
    const mu_case_rule *rules;
} known_rules;

static mu_str find_segment(void *context, mu_str id)
{
    const known_rules *known = context;
    for (uint32_t i = 0; i < known->n; i++)
        if (mu_str_equal(known->rules[i].id, id))
            return id;
    return mu_case_find_known(id) < MU_CASE_KNOWN ? id : (mu_str){"", 0};
}

const mu_pql *mu_case_bind_rule(mu_arena *arena, const mu_schema *schema, uint32_t n_rules,
                                const mu_case_rule *rules, mu_str text)
{
    known_rules known = {n_rules, rules};
    mu_pql_bind_options options = {.schema = schema,
                                   .must_be_condition = true,
                                   .find_segment = find_segment,
                                   .context = &known};
    mu_pql_diagnostics diagnostics;
    mu_pql_diagnostics_init(&diagnostics, arena);
    const mu_pql *tree = NULL, *bound = NULL;
    if (mu_pql_parse_text(arena, text, &tree, &diagnostics) != MU_OK)
        return NULL;
    if (mu_pql_bind(arena, tree, &options, &bound, &diagnostics) != MU_OK)
        return NULL;
    return bound;
}

static bool is_dead(const mu_entity *entity, uint32_t part, uint32_t row)
{
    const uint64_t *dead = entity->dead[part];
    return dead != NULL && ((dead[row / 64] >> (row % 64)) & 1) != 0;
}

static mu_code read_pid(const mu_part *part, uint32_t row, uint32_t *out, mu_err *err)
{
    const uint32_t *pids;
    uint32_t block = 0;
    while (row >= mu_part_block(part, block).row + mu_part_block(part, block).n_rows)
        block++;
    MU_TRY(mu_part_pids(part, block, &pids, err));
    *out = pids[row - mu_part_block(part, block).row];
    return MU_OK;
}

static mu_code read_rows(mu_bound_case *bound, mu_err *err)
{
    const mu_entity *entity = bound->profiles;
    if (entity == NULL)
        return MU_OK;
    mu_case_row *rows = MU_NEW_ARRAY(bound->arena, mu_case_row, (size_t)entity->n_rows + 1);
    uint32_t **index = MU_NEW_ARRAY(bound->arena, uint32_t *, entity->n_parts + 1);
    for (uint32_t p = 0; p < entity->n_parts; p++) {
        uint32_t n = mu_part_rows(entity->parts[p]);
        index[p] = MU_NEW_ARRAY(bound->arena, uint32_t, n + 1);
        for (uint32_t r = 0; r < n; r++) {
            index[p][r] = UINT32_MAX;
            if (is_dead(entity, p, r))
                continue;
            if (bound->n_rows == entity->n_rows)
                return mu_fail(err, MU_E_CORRUPT, "more live rows than the entity counts");
            mu_case_row *out = &rows[bound->n_rows];
            out->place = (mu_row_place){p, r};
            MU_TRY(read_pid(entity->parts[p], r, &out->pid, err));
            MU_TRY(mu_part_row(entity->parts[p], r, bound->arena, &out->value, err));
            out->value = mu_value_extend(bound->arena, mu_part_row_type(entity->parts[p]),
                                         mu_snapshot_schema(bound->snapshot)->row, out->value);
            index[p][r] = bound->n_rows++;
        }
    }
    bound->rows = rows;
    bound->row_index = index;
    if (bound->n_rows != entity->n_rows)
        return mu_fail(err, MU_E_CORRUPT, "fewer live rows than the entity counts");
    return MU_OK;
}

/* Rules with equal texts that exclude share one tree. */
static mu_code bind_unless(const mu_case *test_case, const mu_schema *schema, uint32_t i,
                           mu_arena *arena, mu_job_audience *audiences, mu_err *err)
{
    const mu_case_rule *rules = test_case->rules;
    if (rules[i].unless.len == 0)
        return MU_OK;
    for (uint32_t k = 0; k < i && audiences[i].unless == NULL; k++)
        if (mu_str_equal(rules[k].unless, rules[i].unless))
            audiences[i].unless = audiences[k].unless;
    if (audiences[i].unless == NULL)
        audiences[i].unless = mu_case_bind_rule(arena, schema, i, rules, rules[i].unless);
    if (audiences[i].unless == NULL)
        return mu_fail(err, MU_E_SYNTAX, "rule does not bind: %.300s", rules[i].unless.ptr);
    return MU_OK;
}

mu_code mu_case_bind(const mu_case *test_case, const mu_snapshot *snapshot, mu_arena *arena,
                     mu_bound_case *out, mu_err *err)
{
    *out = (mu_bound_case){.arena = arena,
                           .snapshot = snapshot,
                           .now_ms = test_case->now_ms,
                           .n_rules = test_case->n_rules,
                           .profiles = mu_snapshot_entity(snapshot, MU_STR("profile"))};
    const mu_schema *schema = mu_snapshot_schema(snapshot);
    mu_job_audience *audiences = MU_NEW_ARRAY(arena, mu_job_audience, test_case->n_rules + 1);
    for (uint32_t i = 0; i < test_case->n_rules; i++) {
        const mu_case_rule *rule = &test_case->rules[i];
        audiences[i].id = rule->id;
        audiences[i].query = mu_case_bind_rule(arena, schema, i, test_case->rules, rule->text);
        if (audiences[i].query == NULL)
            return mu_fail(err, MU_E_SYNTAX, "rule does not bind: %.300s", rule->text.ptr);
        MU_TRY(bind_unless(test_case, schema, i, arena, audiences, err));
    }
    out->audiences = audiences;
    return read_rows(out, err);
}

/* -------- comparing -------- */

static bool run(const mu_bound_case *bound, const mu_case_evaluator *evaluator,
                mu_case_answers *answers, mu_disagreement *out)
{
    *answers = (mu_case_answers){
        .is_member = MU_NEW_ARRAY(bound->arena, bool, (size_t)bound->n_rules * bound->n_rows + 1)};
    mu_err err = {0};
    mu_code code = evaluator->run(evaluator->context, bound, answers, &err);
    if (code == MU_OK)
        return true;
    out->is_error = true;
    snprintf(out->text, sizeof out->text, "%s failed: %s: %s", evaluator->name, mu_code_name(code),
             err.text);
    return false;
}

bool mu_bound_case_agrees(const mu_bound_case *bound, const mu_case_evaluator *oracle,
                          const mu_case_evaluator *tested, mu_disagreement *out)
{
    *out = (mu_disagreement){0};
    mu_case_answers expected, got;
    if (!run(bound, oracle, &expected, out) || !run(bound, tested, &got, out))
        return false;
    for (uint32_t rule = 0; rule < bound->n_rules; rule++)
        for (uint32_t row = 0; row < bound->n_rows; row++) {
            size_t at = (size_t)rule * bound->n_rows + row;
            if (expected.is_member[at] == got.is_member[at])
                continue;
            out->rule = rule;
            out->row = row;
            out->expected = expected.is_member[at];
            out->got = got.is_member[at];
            return false;
        }
    for (unsigned guard = 0; guard < MU_GUARD_COUNT_; guard++)
        if (expected.trips[guard] != got.trips[guard]) {
            out->is_trips = true;
            snprintf(out->text, sizeof out->text, "guard %s: %s tripped %llu times, %s %llu",
                     mu_guard_name((mu_guard)guard), oracle->name,
                     (unsigned long long)expected.trips[guard], tested->name,
                     (unsigned long long)got.trips[guard]);
            return false;
        }
    return true;
}

bool mu_case_agrees(const mu_case *test_case, const mu_case_evaluator *oracle,
                    const mu_case_evaluator *tested, mu_disagreement *out)
{
    *out = (mu_disagreement){0};
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    mu_test_store store;
    mu_err err = {0};
    bool agrees = false;
    mu_code code = mu_test_store_open(&test_case->data, &store, &err);
    if (code == MU_OK) {
        mu_bound_case bound;
        code = mu_case_bind(test_case, store.snapshot, &arena, &bound, &err);
        agrees = code == MU_OK && mu_bound_case_agrees(&bound, oracle, tested, out);
        mu_test_store_close(&store);
    }
    if (code != MU_OK) {
        out->is_error = true;
        snprintf(out->text, sizeof out->text, "%s: %s", mu_code_name(code), err.text);
    }
    mu_arena_free(&arena);
    return agrees;
}

/* -------- reporting -------- */

static void write_value(mu_buf *buf, mu_value value)
{
    mu_json_writer writer;
    mu_json_writer_init(&writer, buf);
    mu_value_write(&writer, value);
    MU_BUF_ADD(buf, "\n");
}

/* In the form that tests/data/eval-cases.txt takes. */
static void write_data(mu_buf *buf, const mu_random_data *data)
{
    MU_BUF_ADD(buf, "profile ");
    mu_notation_write(buf, data->schema->profile);
    MU_BUF_ADD(buf, "\nevent ");
    mu_notation_write(buf, data->schema->event);
    MU_BUF_ADD(buf, "\n");
    for (uint32_t i = 0; i < data->schema->n_lookup_classes; i++) {
        mu_buf_add_format(buf, "class " MU_STR_FMT " ",
                          MU_STR_ARG(data->schema->lookup_classes[i].name));
        mu_notation_write(buf, data->schema->lookup_classes[i].type);
        MU_BUF_ADD(buf, "\n");
    }
    if (data->n_parts > 1 || data->first_schema != data->schema)
        mu_buf_add_format(buf, "%u parts, the first %s older schema\n", data->n_parts,
                          data->first_schema == data->schema ? "without" : "with");
    for (uint32_t i = 0; i < data->n_profiles && i < 5; i++) {
        MU_BUF_ADD(buf, "row ");
        write_value(buf, data->profiles[i].row);
    }
    for (uint32_t i = 0; i < data->n_records && i < 5; i++) {
        mu_buf_add_format(buf, "record " MU_STR_FMT " ", MU_STR_ARG(data->records[i].class_name));
        write_value(buf, data->records[i].value);
    }
}

void mu_case_write(mu_buf *buf, const mu_case *test_case, const mu_disagreement *disagreement,
                   const mu_case_evaluator *oracle, const mu_case_evaluator *tested)
{
    char now[MU_TIME_TEXT_MAX];
    size_t now_len = mu_format_time(test_case->now_ms, now);
    mu_buf_add_format(buf, "now %.*s\n", (int)now_len, now);
    for (uint32_t i = 0; i < test_case->n_rules && i < 20; i++)
        mu_buf_add_format(buf, "rule " MU_STR_FMT "%s" MU_STR_FMT "\n",
                          MU_STR_ARG(test_case->rules[i].text),
                          test_case->rules[i].unless.len == 0 ? "" : " unless ",
                          MU_STR_ARG(test_case->rules[i].unless));
    if (disagreement->text[0] != '\0')
        mu_buf_add_format(buf, "%s\n", disagreement->text);
    else
        mu_buf_add_format(buf, "rule " MU_STR_FMT ", row %u: %s says %s, %s says %s\n",
                          MU_STR_ARG(test_case->rules[disagreement->rule].id), disagreement->row,
                          oracle->name, disagreement->expected ? "member" : "no member",
                          tested->name, disagreement->got ? "member" : "no member");
    mu_buf_add_format(buf, "%u profiles\n", test_case->data.n_profiles);
    write_data(buf, &test_case->data);
}
