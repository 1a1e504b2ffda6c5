/* tests/data/eval-cases.txt: rules over a few rows with the answer each row must get, from both
 * evaluators. What a random case found wrong once is kept there.
 *
 *   profile TYPE       begins a group; TYPE as in tests/support/notation.h
 *   event TYPE         {_id:string, timestamp:timestamp, eventType:string} when left out
 *   class NAME TYPE    a lookup class with the key "id"
 *   row JSON           a profile row, events under xEvent in time order
 *   record NAME JSON   a lookup record
 *   now TIME           for the rules below
 *   rule PQL
 *   expect yes no ...  one word per row of the group, for the rule above; "trip" = no member
 *                      because a guard tripped
 *
 * Empty lines and lines that begin with # are left out. */
#include "tests/support/differential.h"
#include "tests/support/notation.h"

#include "base/file.h"
#include "base/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define ROWS_MAX    32
#define RECORDS_MAX 32
#define CLASSES_MAX 4
#define RULES_MAX   256

typedef struct expectation {
    mu_case_rule rule;
    int64_t now_ms;
    unsigned line;
    mu_str words;
} expectation;

typedef struct group {
    mu_arena arena;
    const mu_type *profile, *event;
    uint32_t n_classes, n_rows, n_records, n_rules;
    mu_lookup_class classes[CLASSES_MAX];
    mu_str rows[ROWS_MAX];
    struct {
        mu_str class_name, json;
    } records[RECORDS_MAX];
    expectation rules[RULES_MAX];
    int64_t now_ms;
    unsigned line, n_wrong;
    uint64_t n_checked;
} group;

/* -------- one group -------- */

static mu_value read_value(group *in, const mu_type *type, mu_str text)
{
    mu_json json;
    mu_value value;
    mu_err err = {0};
    mu_json_reader *reader = mu_json_reader_new();
    if (mu_json_read(reader, &in->arena, text, &json, &err) != MU_OK ||
        mu_value_from_typed_json(&in->arena, type, &json, &value, &err) != MU_OK)
        fail_msg("before line %u: %s: %s", in->line, text.ptr, err.text);
    mu_json_reader_free(reader);
    return value;
}

static void fill_data(group *in, mu_random_data *data)
{
    mu_arena *arena = &in->arena;
    const mu_schema *schema =
        mu_schema_of_types(arena, in->profile, in->event, in->n_classes, in->classes);
    *data = (mu_random_data){.schema = schema,
                             .first_schema = schema,
                             .n_parts = 1,
                             .n_profiles = in->n_rows,
                             .profiles = MU_NEW_ARRAY(arena, mu_random_profile, ROWS_MAX),
                             .n_records = in->n_records,
                             .records = MU_NEW_ARRAY(arena, mu_random_record, RECORDS_MAX)};
    for (uint32_t i = 0; i < in->n_rows; i++) {
        mu_value row = read_value(in, schema->row, in->rows[i]);
        mu_value *events = (mu_value *)&row.items[row.n - 1];
        if (mu_value_is_null(*events))
            events->kind = MU_TYPE_LIST;
        data->profiles[i].row = row;
        data->profiles[i].identity = mu_arena_format(arena, "%u", i);
    }
    for (uint32_t i = 0; i < in->n_records; i++) {
        mu_str name = in->records[i].class_name;
        const mu_lookup_class *class = mu_schema_lookup_class(schema, name);
        assert_non_null(class);
        mu_value value = read_value(in, class->type, in->records[i].json);
        data->records[i] = (mu_random_record){
            .class_name = name, .key = mu_value_member(value, MU_STR("id")).string, .value = value};
    }
}

/* The number that a row was written under is its identity. */
static uint32_t number_of_row(const mu_bound_case *bound, uint32_t row)
{
    mu_identity identity;
    mu_row_place place = bound->rows[row].place;
    assert_int_equal(
        mu_part_identity(bound->profiles->parts[place.part], place.row, &identity, NULL), MU_OK);
    uint32_t number = 0;
    for (size_t i = 0; i < identity.value.len; i++)
        number = number * 10 + (uint32_t)(identity.value.ptr[i] - '0');
    return number;
}

/* Word `number` of a line of words, NUL-terminated in the arena. */
static const char *word_of(mu_arena *arena, mu_str words, uint32_t number)
{
    size_t at = 0;
    for (uint32_t i = 0;; i++) {
        while (at < words.len && words.ptr[at] == ' ')
            at++;
        size_t start = at;
        while (at < words.len && words.ptr[at] != ' ')
            at++;
        if (i == number || at == start)
            return mu_arena_copy(arena, (mu_str){words.ptr + start, at - start}).ptr;
    }
}

static void check_answers(group *in, const mu_bound_case *bound, const mu_case_evaluator *evaluator,
                          const expectation *expected)
{
    mu_case_answers answers = {.is_member = MU_NEW_ARRAY(&in->arena, bool, ROWS_MAX)};
    mu_err err = {0};
    if (evaluator->run(evaluator->context, bound, &answers, &err) != MU_OK)
        fail_msg("line %u: %s: %s", expected->line, evaluator->name, err.text);
    uint64_t trips = 0, trips_expected = 0;
    for (unsigned guard = 0; guard < MU_GUARD_COUNT_; guard++)
        trips += answers.trips[guard];
    for (uint32_t row = 0; row < bound->n_rows; row++) {
        uint32_t number = number_of_row(bound, row);
        const char *word = word_of(&in->arena, expected->words, number);
        bool is_yes = strcmp(word, "yes") == 0, is_trip = strcmp(word, "trip") == 0;
        trips_expected += is_trip;
        in->n_checked++;
        if (!is_yes && !is_trip && strcmp(word, "no") != 0)
            fail_msg("line %u: yes, no or trip expected for row %u", expected->line, number);
        if (answers.is_member[row] != is_yes) {
            print_error("line %u, row %u, %s: %s expected: %s\n", expected->line, number,
                        evaluator->name, word, expected->rule.text.ptr);
            in->n_wrong++;
        }
    }
    if (trips != trips_expected) {
        print_error("line %u, %s: %llu guard trips, %llu expected\n", expected->line,
                    evaluator->name, (unsigned long long)trips, (unsigned long long)trips_expected);
        in->n_wrong++;
    }
}

static void check_rule(group *in, const mu_random_data *data, const mu_test_store *store,
                       expectation *expected)
{
    static unsigned one = 1;
    static const mu_case_evaluator evaluators[] = {{"reference", mu_case_run_reference, NULL},
                                                   {"job", mu_case_run_job, &one}};
    mu_case test_case = {
        .data = *data, .now_ms = expected->now_ms, .n_rules = 1, .rules = &expected->rule};
    mu_bound_case bound;
    mu_err err = {0};
    if (mu_case_bind(&test_case, store->snapshot, &in->arena, &bound, &err) != MU_OK)
        fail_msg("line %u: %s", expected->line, err.text);
    for (size_t i = 0; i < sizeof evaluators / sizeof evaluators[0]; i++)
        check_answers(in, &bound, &evaluators[i], expected);
}

static void check_group(group *in)
{
    if (in->n_rules == 0)
        return;
    mu_random_data data;
    fill_data(in, &data);
    mu_test_store store;
    mu_err err = {0};
    if (mu_test_store_open(&data, &store, &err) != MU_OK)
        fail_msg("before line %u: %s", in->line, err.text);
    for (uint32_t i = 0; i < in->n_rules; i++)
        check_rule(in, &data, &store, &in->rules[i]);
    mu_test_store_close(&store);
}

/* -------- lines -------- */

static void begin_group(group *in, mu_str type)
{
    check_group(in);
    mu_arena_reset(&in->arena);
    in->n_classes = in->n_rows = in->n_records = in->n_rules = 0;
    in->profile = mu_notation_read(&in->arena, mu_arena_copy(&in->arena, type).ptr);
    in->event = mu_notation_read(&in->arena, "{_id:string, timestamp:timestamp, eventType:string}");
}

/* Splits off the first word. */
static mu_str take_word(mu_str *line)
{
    size_t len = mu_str_find(*line, MU_STR(" "));
    if (len == SIZE_MAX)
        len = line->len;
    mu_str word = {line->ptr, len};
    *line = mu_str_trim((mu_str){line->ptr + len, line->len - len});
    return word;
}

static bool is(mu_str word, const char *keyword)
{
    return mu_str_equal(word, mu_str_from(keyword));
}

static void read_line(group *in, mu_str line)
{
    if (line.len == 0 || line.ptr[0] == '#')
        return;
    mu_str word = take_word(&line);
    mu_str rest = is(word, "profile") ? line : mu_arena_copy(&in->arena, line);
    if (is(word, "profile")) {
        begin_group(in, rest);
    } else if (is(word, "event")) {
        in->event = mu_notation_read(&in->arena, rest.ptr);
    } else if (is(word, "class") && in->n_classes < CLASSES_MAX) {
        mu_str name = mu_arena_copy(&in->arena, take_word(&rest));
        in->classes[in->n_classes++] = (mu_lookup_class){
            .name = name, .type = mu_notation_read(&in->arena, rest.ptr), .key_path = MU_STR("id")};
    } else if (is(word, "row") && in->n_rows < ROWS_MAX) {
        in->rows[in->n_rows++] = rest;
    } else if (is(word, "record") && in->n_records < RECORDS_MAX) {
        in->records[in->n_records].class_name = mu_arena_copy(&in->arena, take_word(&rest));
        in->records[in->n_records++].json = rest;
    } else if (is(word, "now")) {
        if (!mu_parse_rfc3339(rest, &in->now_ms))
            fail_msg("line %u: a time expected", in->line);
    } else if (is(word, "rule") && in->n_rules < RULES_MAX) {
        in->rules[in->n_rules++] = (expectation){.rule = {MU_STR("s0"), rest},
                                                 .now_ms = in->now_ms,
                                                 .line = in->line,
                                                 .words = MU_STR("missing")};
    } else if (is(word, "expect") && in->n_rules > 0) {
        in->rules[in->n_rules - 1].words = rest;
    } else {
        fail_msg("line %u: what is \"%s\"?", in->line, mu_arena_copy(&in->arena, word).ptr);
    }
}

static void every_kept_case_gets_its_answer(void **state)
{
    (void)state;
    static group in;
    mu_arena file;
    mu_arena_init(&file, SIZE_MAX);
    mu_arena_init(&in.arena, SIZE_MAX);
    mu_str text;
    mu_err err = {0};
    if (mu_file_read(&file, MUSTER_SOURCE_DIR "/tests/data/eval-cases.txt", 1 << 24, &text, &err) !=
        MU_OK)
        fail_msg("%s", err.text);
    while (text.len > 0) {
        size_t end = mu_str_find(text, MU_STR("\n"));
        size_t len = end == SIZE_MAX ? text.len : end;
        in.line++;
        read_line(&in, mu_str_trim((mu_str){text.ptr, len}));
        size_t used = end == SIZE_MAX ? len : len + 1;
        text = (mu_str){text.ptr + used, text.len - used};
    }
    check_group(&in);
    assert_int_equal(in.n_wrong, 0);
    assert_true(in.n_checked > 100);
    mu_arena_free(&in.arena);
    mu_arena_free(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kept_case_gets_its_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
