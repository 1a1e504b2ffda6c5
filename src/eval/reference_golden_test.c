/* reference_golden_test.c -- reads tests/golden/{constants,functions,chains,rules}.txt; the files
 * describe themselves. With MUSTER_GOLDEN_UPDATE=1 the results of the first three are written anew:
 * read every changed line against the spec before keeping it. */
#include "base/number.h"
#include "eval/reference_int.h"
#include "tests/support/random_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define FOLDER MUSTER_SOURCE_DIR "/tests/golden/"

typedef struct golden {
    const char *path;
    mu_str text; /* the whole file, in `memory` */
    size_t at;
    uint32_t line;
    uint32_t n_cases, n_wrong;
    mu_arena memory; /* lives as long as the file */
    mu_arena arena;  /* reset per case */
    mu_json_reader *reader;
    mu_buf updated; /* the file with actual results */
} golden;

static mu_str read_whole_file(mu_arena *arena, const char *path)
{
    FILE *file = fopen(path, "rb");
    mu_buf buf;
    char chunk[4096];
    size_t n;
    assert_non_null(file);
    mu_buf_init(&buf, SIZE_MAX);
    while ((n = fread(chunk, 1, sizeof chunk, file)) > 0)
        mu_buf_add(&buf, chunk, n);
    fclose(file);
    mu_str text = mu_arena_copy(arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return text;
}

static void golden_open(golden *g, const char *path)
{
    *g = (golden){.path = path};
    mu_arena_init(&g->memory, SIZE_MAX);
    mu_arena_init(&g->arena, SIZE_MAX);
    mu_buf_init(&g->updated, SIZE_MAX);
    g->reader = mu_json_reader_new();
    g->text = read_whole_file(&g->memory, path);
}

static void golden_close(golden *g)
{
    if (getenv("MUSTER_GOLDEN_UPDATE") != NULL && g->updated.len > 0 && g->n_wrong > 0) {
        FILE *file = fopen(g->path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(g->updated.ptr, 1, g->updated.len, file), g->updated.len);
        fclose(file);
    }
    uint32_t n_cases = g->n_cases, n_wrong = g->n_wrong;
    mu_json_reader_free(g->reader);
    mu_buf_free(&g->updated);
    mu_arena_free(&g->arena);
    mu_arena_free(&g->memory);
    assert_true(n_cases > 0);
    assert_int_equal(n_wrong, 0);
}

static bool next_line(golden *g, mu_str *line)
{
    if (g->at >= g->text.len)
        return false;
    const char *from = g->text.ptr + g->at;
    const char *end = memchr(from, '\n', g->text.len - g->at);
    size_t len = end != NULL ? (size_t)(end - from) : g->text.len - g->at;
    *line = (mu_str){from, len};
    g->at += len + 1;
    g->line++;
    return true;
}

static bool is_blank_or_comment(mu_str line)
{
    return line.len == 0 || line.ptr[0] == '#';
}

/* Cuts `line` at `mark`; fails the test when it is not there. The last part keeps the rest. */
static mu_str take_field(golden *g, mu_str *line, mu_str mark)
{
    size_t at = mu_str_find(*line, mark);
    if (at == SIZE_MAX)
        fail_msg("%s:%u: no \"%s\"", g->path, g->line, mark.ptr);
    mu_str field = {line->ptr, at};
    *line = (mu_str){line->ptr + at + mark.len, line->len - at - mark.len};
    return field;
}

static void wrong(golden *g, mu_str what, mu_str expected, mu_str actual)
{
    g->n_wrong++;
    print_error("%s:%u: " MU_STR_FMT "\n    expected " MU_STR_FMT "\n    got      " MU_STR_FMT "\n",
                g->path, g->line, MU_STR_ARG(what), MU_STR_ARG(expected), MU_STR_ARG(actual));
}

/* -------- evaluating -------- */

static mu_value read_value(golden *g, mu_str text)
{
    mu_json json;
    mu_err err;
    if (mu_json_read(g->reader, &g->arena, text, &json, &err) != MU_OK)
        fail_msg("%s:%u: %s", g->path, g->line, err.text);
    return mu_value_from_json(&g->arena, &json);
}

static mu_str value_text(golden *g, mu_value value)
{
    mu_buf buf;
    mu_json_writer writer;
    mu_buf_init(&buf, SIZE_MAX);
    mu_json_writer_init(&writer, &buf);
    mu_value_write(&writer, value);
    mu_str text = mu_arena_copy(&g->arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return text;
}

/* The tree, or NULL when the text does not parse. */
static const mu_pql *parse(golden *g, mu_str expression)
{
    mu_pql_diagnostics diagnostics;
    const mu_pql *query;
    mu_pql_diagnostics_init(&diagnostics, &g->arena);
    if (mu_pql_parse_text(&g->arena, expression, &query, &diagnostics) != MU_OK)
        return NULL;
    return query;
}

/* The result as JSON; `error` when the text does not parse, `guard` when a guard trips. */
static mu_str evaluate(golden *g, const mu_reference_context *context, mu_str expression)
{
    const mu_pql *query = parse(g, expression);
    if (query == NULL)
        return MU_STR("error");
    mu_reference_result result = mu_reference_eval(&g->arena, context, query);
    return result.trips != 0 ? MU_STR("guard") : value_text(g, result.value);
}

static bool is_word(mu_str text)
{
    return mu_str_equal(text, MU_STR("error")) || mu_str_equal(text, MU_STR("guard"));
}

/* Compares results and writes the line with the actual one. */
static void check_result(golden *g, mu_str line, mu_str expression, mu_str expected, mu_str actual)
{
    mu_str wanted = is_word(expected) ? expected : value_text(g, read_value(g, expected));
    bool is_right = mu_str_equal(wanted, actual);
    g->n_cases++;
    if (!is_right)
        wrong(g, expression, wanted, actual);
    if (is_right) {
        mu_buf_add_str(&g->updated, line);
    } else {
        mu_buf_add(&g->updated, line.ptr, line.len - expected.len);
        mu_buf_add_str(&g->updated, actual);
    }
    mu_buf_add_char(&g->updated, '\n');
}

static void keep_line(golden *g, mu_str line)
{
    mu_buf_add_str(&g->updated, line);
    mu_buf_add_char(&g->updated, '\n');
}

static int64_t read_time(golden *g, mu_str text)
{
    int64_t ms;
    if (!mu_parse_rfc3339(text, &ms))
        fail_msg("%s:%u: no time", g->path, g->line);
    return ms;
}

/* -------- now | expression | result -------- */

static void run_expressions(const char *path)
{
    golden g;
    mu_str line;
    golden_open(&g, path);
    while (next_line(&g, &line)) {
        mu_str rest = line;
        if (is_blank_or_comment(line)) {
            keep_line(&g, line);
            continue;
        }
        mu_arena_reset(&g.arena);
        mu_value profile = {.kind = MU_TYPE_OBJECT};
        mu_reference_context context = {.n_parameters = 1, .parameters = &profile};
        context.now_ms = read_time(&g, take_field(&g, &rest, MU_STR(" | ")));
        mu_str expression = take_field(&g, &rest, MU_STR(" | "));
        check_result(&g, line, expression, rest, evaluate(&g, &context, expression));
    }
    golden_close(&g);
}

static void constants_have_their_values(void **state)
{
    (void)state;
    run_expressions(FOLDER "constants.txt");
}

static void functions_have_their_values(void **state)
{
    (void)state;
    run_expressions(FOLDER "functions.txt");
}

/* Every name of functions.def but the operators is in functions.txt as a call. */
static void every_function_has_a_line(void **state)
{
    (void)state;
    mu_arena arena;
    uint32_t n_missing = 0;
    mu_arena_init(&arena, SIZE_MAX);
    mu_str text = read_whole_file(&arena, FOLDER "functions.txt");
    for (int f = MU_FN_EQUALS; f < MU_FN_UNKNOWN; f++) {
        mu_str name = mu_pql_function_of((mu_pql_function)f)->name;
        mu_str call = mu_arena_format(&arena, MU_STR_FMT "(", MU_STR_ARG(name));
        if (mu_str_find(text, call) == SIZE_MAX) {
            print_error("no line for " MU_STR_FMT "\n", MU_STR_ARG(name));
            n_missing++;
        }
    }
    mu_arena_free(&arena);
    assert_int_equal(n_missing, 0);
}

/* -------- events => chain => result -------- */

/* TYPE@MINUTES{...} as a JSON object. */
static void add_event(golden *g, mu_buf *json, mu_str token)
{
    size_t mark = mu_str_find(token, MU_STR("@")), brace = mu_str_find(token, MU_STR("{"));
    size_t end = brace == SIZE_MAX ? token.len : brace;
    int64_t minutes = 0;
    char time[MU_TIME_TEXT_MAX];
    if (mark == SIZE_MAX ||
        !mu_parse_integer((mu_str){token.ptr + mark + 1, end - mark - 1}, &minutes))
        fail_msg("%s:%u: no event: " MU_STR_FMT, g->path, g->line, MU_STR_ARG(token));
    size_t n = mu_format_time(read_time(g, MU_STR("2024-05-10T00:00:00Z")) + minutes * 60000, time);
    mu_buf_add_format(json, "%s{\"eventType\":\"%.*s\",\"timestamp\":\"%.*s\"",
                      json->ptr[json->len - 1] == '[' ? "" : ",", (int)mark, token.ptr, (int)n,
                      time);
    if (brace == SIZE_MAX)
        mu_buf_add_char(json, '}');
    else
        mu_buf_add_format(json, ",%.*s", (int)(token.len - brace - 1), token.ptr + brace + 1);
}

/* Tokens are separated by blanks; their JSON holds none. */
static mu_value read_events(golden *g, mu_str text)
{
    mu_buf json;
    mu_buf_init(&json, SIZE_MAX);
    MU_BUF_ADD(&json, "{\"one\":\"x\",\"xEvent\":[");
    for (text = mu_str_trim(text); text.len > 0; text = mu_str_trim(text)) {
        size_t end = mu_str_find(text, MU_STR(" "));
        if (end == SIZE_MAX)
            end = text.len;
        add_event(g, &json, (mu_str){text.ptr, end});
        text = (mu_str){text.ptr + end, text.len - end};
    }
    MU_BUF_ADD(&json, "]}");
    mu_value profile = read_value(g, mu_buf_str(&json));
    mu_buf_free(&json);
    return profile;
}

static void chains_have_their_values(void **state)
{
    (void)state;
    golden g;
    mu_str line;
    golden_open(&g, FOLDER "chains.txt");
    while (next_line(&g, &line)) {
        mu_str rest = line;
        if (is_blank_or_comment(line)) {
            keep_line(&g, line);
            continue;
        }
        mu_arena_reset(&g.arena);
        mu_value profile = read_events(&g, take_field(&g, &rest, MU_STR(" => ")));
        mu_reference_context context = {.n_parameters = 1, .parameters = &profile};
        context.now_ms = read_time(&g, MU_STR("2024-05-11T00:00:00Z"));
        mu_str chain = take_field(&g, &rest, MU_STR(" => "));
        check_result(&g, line, chain, rest, evaluate(&g, &context, chain));
    }
    golden_close(&g);
}

/* -------- rules of pql-examples.tsv -------- */

typedef struct example {
    mu_str id, category, expression;
    uint32_t n_true, n_false;
    bool is_constant;
} example;

static example *read_examples(mu_arena *arena, uint32_t *n)
{
    mu_str text = read_whole_file(arena, MUSTER_SOURCE_DIR "/tests/data/pql-examples.tsv");
    example *examples = MU_NEW_ARRAY(arena, example, 1000);
    *n = 0;
    for (bool is_head = true; text.len > 0 && *n < 1000; is_head = false) {
        mu_str field[4] = {{0}};
        size_t end = mu_str_find(text, MU_STR("\n"));
        mu_str line = {text.ptr, end == SIZE_MAX ? text.len : end};
        text = (mu_str){text.ptr + line.len, text.len - line.len};
        if (text.len > 0)
            text = (mu_str){text.ptr + 1, text.len - 1};
        for (int i = 0; i < 4; i++) {
            size_t tab = mu_str_find(line, MU_STR("\t"));
            field[i] = (mu_str){line.ptr, tab == SIZE_MAX ? line.len : tab};
            line = (mu_str){line.ptr + field[i].len, line.len - field[i].len};
            if (line.len > 0)
                line = (mu_str){line.ptr + 1, line.len - 1};
        }
        if (!is_head && field[2].len > 0)
            examples[(*n)++] = (example){field[0], field[1], field[2], 0, 0, false};
    }
    return examples;
}

static example *find_example(example *examples, uint32_t n, mu_str id)
{
    for (uint32_t i = 0; i < n; i++)
        if (mu_str_equal(examples[i].id, id))
            return &examples[i];
    return NULL;
}

static void check_record(golden *g, example *rule, mu_str record, mu_str context_data,
                         bool expected)
{
    uint32_t trips;
    mu_value profile = read_value(g, record);
    mu_reference_context context = {.n_parameters = 1, .parameters = &profile};
    context.now_ms = read_time(g, MU_STR("2024-05-10T14:35:20Z"));
    if (context_data.len > 0)
        context.context_data = read_value(g, context_data);
    const mu_pql *query = parse(g, rule->expression);
    g->n_cases++;
    if (query == NULL) {
        wrong(g, rule->expression, MU_STR("a valid rule"), MU_STR("error"));
        return;
    }
    bool actual = mu_reference_is_member(&g->arena, &context, query, &trips);
    if (actual != expected || trips != 0)
        wrong(g, rule->expression, expected ? MU_STR("true") : MU_STR("false"),
              actual ? MU_STR("true") : MU_STR("false"));
    rule->n_true += expected;
    rule->n_false += !expected;
}

/* The bound tree, or NULL: the rule needs other types than the schema's. */
static const mu_pql *bind(golden *g, const mu_schema *schema, mu_str expression)
{
    mu_pql_diagnostics diagnostics;
    const mu_pql *bound;
    mu_pql_bind_options options = {.schema = schema, .must_be_condition = true};
    mu_pql_diagnostics_init(&diagnostics, &g->arena);
    if (mu_pql_bind(&g->arena, parse(g, expression), &options, &bound, &diagnostics) != MU_OK)
        return NULL;
    return bound;
}

/* The same rule bound to the examples' schema, on the same record read by its types. A record or
 * rule of another shape than the schema's is left out; false then. */
static bool check_bound_record(golden *g, const example *rule, const mu_schema *schema,
                               mu_str record, bool expected)
{
    uint32_t trips;
    mu_json json;
    mu_value profile;
    mu_err err;
    mu_reference_context context = {.n_parameters = 1, .parameters = &profile};
    const mu_pql *query = bind(g, schema, rule->expression);
    context.now_ms = read_time(g, MU_STR("2024-05-10T14:35:20Z"));
    if (mu_json_read(g->reader, &g->arena, record, &json, &err) != MU_OK)
        fail_msg("%s:%u: %s", g->path, g->line, err.text);
    if (query == NULL ||
        mu_value_from_typed_json(&g->arena, schema->row, &json, &profile, &err) != MU_OK)
        return false;
    if (mu_reference_is_member(&g->arena, &context, query, &trips) != expected || trips != 0)
        wrong(g, rule->expression, expected ? MU_STR("bound: true") : MU_STR("bound: false"),
              MU_STR("the other"));
    return true;
}

static uint32_t count_uncovered(const example *examples, uint32_t n)
{
    uint32_t n_uncovered = 0;
    for (uint32_t i = 0; i < n; i++) {
        const example *rule = &examples[i];
        if (mu_str_equal(rule->category, MU_STR("invalid")))
            continue;
        bool is_covered = rule->n_true > 0 && (rule->n_false > 0) != rule->is_constant;
        if (!is_covered)
            print_error("no record for and against " MU_STR_FMT "\n", MU_STR_ARG(rule->id));
        n_uncovered += !is_covered;
    }
    return n_uncovered;
}

static void example_rules_hold_for_their_records(void **state)
{
    (void)state;
    golden g;
    mu_str line, context_data = {0};
    example *rule = NULL;
    uint32_t n_examples, n_bound = 0;
    golden_open(&g, FOLDER "rules.txt");
    example *examples = read_examples(&g.memory, &n_examples);
    const mu_schema *schema = mu_examples_schema(&g.memory);
    assert_true(n_examples > 150);
    while (next_line(&g, &line)) {
        if (is_blank_or_comment(line))
            continue;
        mu_arena_reset(&g.arena);
        mu_str rest = {line.ptr + 1, line.len - 1};
        switch (line.ptr[0]) {
        case '+':
        case '-':
            assert_non_null(rule);
            check_record(&g, rule, rest, context_data, line.ptr[0] == '+');
            n_bound += context_data.len == 0 &&
                       check_bound_record(&g, rule, schema, rest, line.ptr[0] == '+');
            break;
        case '@':
            context_data = rest;
            break;
        case '=':
            assert_non_null(rule);
            rule->is_constant = true;
            break;
        default:
            rule = find_example(examples, n_examples, line);
            context_data = (mu_str){0};
            assert_non_null(rule);
        }
    }
    assert_int_equal(count_uncovered(examples, n_examples), 0);
    assert_true(n_bound > g.n_cases * 9 / 10);
    mu_buf_clear(&g.updated);
    golden_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constants_have_their_values),
        cmocka_unit_test(functions_have_their_values),
        cmocka_unit_test(every_function_has_a_line),
        cmocka_unit_test(chains_have_their_values),
        cmocka_unit_test(example_rules_hold_for_their_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
