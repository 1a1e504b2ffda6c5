/* command_pql.c -- rules checked, converted and planned, one at a time or a line at a time. */
#include "app/app_int.h"
#include "app/rule_int.h"
#include "eval/eval.h"
#include "pql/pql.h"

typedef struct pql_run {
    const mu_invocation *invocation;
    const mu_schema *schema; /* NULL without --data */
    mu_buf out;
    bool any_error;
} pql_run;

/* What a verb makes of one expression: the result goes to run->out. False: there were errors, and
 * `diagnostics` has them. */
typedef bool pql_verb(pql_run *run, mu_arena *arena, mu_str source,
                      mu_pql_diagnostics *diagnostics);

static bool check(pql_run *run, mu_arena *arena, mu_str source, mu_pql_diagnostics *diagnostics)
{
    const mu_pql *bound;
    return mu_rule_compile(arena, source, run->schema, true, &bound, diagnostics);
}

/* The tree as written; with a data folder it must bind too. */
static bool parse(pql_run *run, mu_arena *arena, mu_str source, const mu_pql **out,
                  mu_pql_diagnostics *diagnostics)
{
    const mu_pql *bound;
    if (mu_pql_parse(arena, source, out, diagnostics) != MU_OK)
        return false;
    if (run->schema == NULL)
        return true;
    mu_pql_bind_options options = {.schema = run->schema};
    return mu_pql_bind(arena, *out, &options, &bound, diagnostics) == MU_OK;
}

static bool to_json(pql_run *run, mu_arena *arena, mu_str source, mu_pql_diagnostics *diagnostics)
{
    const mu_pql *query;
    if (!parse(run, arena, source, &query, diagnostics))
        return false;
    mu_pql_write_json(&run->out, query);
    mu_buf_add_char(&run->out, '\n');
    return true;
}

static bool to_text(pql_run *run, mu_arena *arena, mu_str source, mu_pql_diagnostics *diagnostics)
{
    const mu_pql *query;
    if (!parse(run, arena, source, &query, diagnostics))
        return false;
    mu_pql_write_text(&run->out, query);
    mu_buf_add_char(&run->out, '\n');
    return true;
}

static bool tree_to_text(pql_run *run, mu_arena *arena, mu_str source,
                         mu_pql_diagnostics *diagnostics)
{
    const mu_pql *query;
    if (mu_pql_parse_json(arena, source, &query, diagnostics) != MU_OK)
        return false;
    return to_text(run, arena, source, diagnostics);
}

/* -------- one expression -------- */

static mu_exit run_one(pql_run *run, pql_verb *verb, mu_str source)
{
    mu_arena *arena = run->invocation->arena;
    mu_pql_diagnostics diagnostics;
    mu_pql_diagnostics_init(&diagnostics, arena);
    bool ok = verb(run, arena, source, &diagnostics);
    /* What is wrong is the result of check, and a message of the others. */
    mu_rule_print_diagnostics(&diagnostics, source, verb == check ? stdout : stderr);
    mu_output(&run->out);
    return ok ? MU_EXIT_DONE : MU_EXIT_INPUT;
}

/* -------- a line at a time -------- */

static void add_line_error(pql_run *run, mu_arena *arena, pql_verb *verb, uint64_t line,
                           const mu_pql_diagnostics *diagnostics)
{
    mu_str text = mu_rule_first_error(arena, diagnostics);
    if (verb == check) {
        mu_buf_add_str(&run->out, text);
    } else {
        mu_say("input line %llu: " MU_STR_FMT, (unsigned long long)line, MU_STR_ARG(text));
    }
    mu_buf_add_char(&run->out, '\n');
    run->any_error = true;
}

static mu_exit run_lines(pql_run *run, pql_verb *verb, FILE *file)
{
    mu_line_reader reader;
    mu_line_reader_init(&reader, file, MU_PQL_TEXT_MAX);
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    for (mu_str line; mu_line_reader_next(&reader, &line); mu_arena_reset(&arena)) {
        mu_pql_diagnostics diagnostics;
        mu_pql_diagnostics_init(&diagnostics, &arena);
        if (!verb(run, &arena, line, &diagnostics))
            add_line_error(run, &arena, verb, reader.line, &diagnostics);
        else if (verb == check)
            MU_BUF_ADD(&run->out, "ok\n");
        mu_output(&run->out);
    }
    mu_arena_free(&arena);
    mu_line_reader_fini(&reader);
    return run->any_error ? MU_EXIT_INPUT : MU_EXIT_DONE;
}

/* -------- verbs -------- */

static const struct {
    const char *name;
    pql_verb *verb;
} verbs[] = {{"check", check}, {"json", to_json}, {"text", tree_to_text}, {"canon", to_text}};

static mu_exit run_verb(mu_invocation *invocation, const char *name, const char *expression)
{
    pql_verb *verb = NULL;
    for (size_t i = 0; i < MU_LENGTH(verbs); i++)
        if (strcmp(verbs[i].name, name) == 0)
            verb = verbs[i].verb;
    if (verb == NULL)
        return mu_usage_error(invocation->command,
                              "%s is none of check, json, text, canon and plan", name);
    mu_data data = {0};
    pql_run run = {.invocation = invocation};
    if (invocation->options.values[MU_OPTION_DATA].is_set) {
        mu_exit status = mu_data_open(invocation, &data);
        if (status != MU_EXIT_DONE)
            return status;
        run.schema = mu_snapshot_schema(data.snapshot);
    }
    mu_buf_init(&run.out, SIZE_MAX);
    bool is_lines = expression == NULL || strcmp(expression, "-") == 0;
    mu_exit status =
        is_lines ? run_lines(&run, verb, stdin) : run_one(&run, verb, mu_str_from(expression));
    mu_buf_free(&run.out);
    if (data.store != NULL)
        mu_data_close(&data);
    return status;
}

static mu_exit run(mu_invocation *invocation)
{
    const mu_options *options = &invocation->options;
    if (options->n_arguments == 0)
        return mu_usage_error(invocation->command, "check, json, text, canon or plan?");
    if (options->n_arguments > 2)
        return mu_usage_error(invocation->command,
                              "one expression at a time, in quotes; %s is one too many",
                              options->arguments[2]);
    const char *verb = options->arguments[0];
    const char *expression = options->n_arguments == 2 ? options->arguments[1] : NULL;
    if (strcmp(verb, "plan") == 0)
        return mu_pql_plan(invocation, expression);
    return run_verb(invocation, verb, expression);
}

static const char *const usages[] = {
    "pql check | json | text | canon | plan   [--data DIR] [EXPRESSION | -]", NULL};
static const char *const paragraphs[] = {
    "Takes a rule as PQL text or as a JSON tree. check says what is wrong with it: nothing when it "
    "is valid, else every error as `line L:C CODE message` with the place in the text. json prints "
    "its tree, text takes a tree and prints the text, canon prints the text in canonical form, and "
    "plan shows how it is evaluated: the shared steps, and which of them have no fast kernel.",
    "With - (or nothing) each line of standard input is a rule and gets one line of output: for "
    "check, ok or its first error; for the others, the result, or an empty line for a rule that is "
    "wrong, which is then explained on standard error. plan takes all lines as one job.",
    "Without --data no schema is known, and what can be checked without one is checked. With it "
    "every name must exist in the data's schema and every type must fit.",
    NULL};
static const mu_option options_taken[] = {MU_OPTION_DATA, MU_OPTION_NOW};
static const mu_example examples[] = {
    {"Is it valid?", "muster pql check 'loyalty.tier = \"gold\"'"},
    {"Are all of these?", "muster pql check - < rules.txt"},
    {"The same rule as the tree that the API stores.",
     "muster pql json 'person.birthDate occurs this month ignoring year'"},
    {"How would it be evaluated?",
     "muster pql plan --data shop 'xEvent[eventType = \"commerce.purchases\"].count() > 2'"},
};

const mu_command mu_command_pql = {
    .name = "pql",
    .summary = "check, convert and plan rules",
    .usages = usages,
    .paragraphs = paragraphs,
    .options = options_taken,
    .n_options = MU_LENGTH(options_taken),
    .examples = examples,
    .n_examples = MU_LENGTH(examples),
    .run = run,
};
