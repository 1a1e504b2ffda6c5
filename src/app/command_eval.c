/* command_eval.c -- how many, who and why: one rule, or a file of them as one job. */
#include "app/member_set.h"
#include "app/rule_int.h"
#include "audience/exclusion.h"
#include "base/time.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

/* One evaluation, from the options to the counts. */
typedef struct eval_run {
    mu_invocation *invocation;
    mu_arena *arena; /* lives as long as one run */
    mu_data data;
    const mu_entity *profiles; /* NULL when there are none */
    bool excludes_opt_out;
    int64_t events_max; /* negative: any number */
    mu_exclusion_rules excluded;
    uint32_t n_audiences;
    unsigned n_threads;
    uint64_t *counts;       /* by audience, then those who are left out */
    mu_member_set *members; /* of the only audience; NULL unless --ids */
    mu_job_counters counters;
    mu_audience_rules rules;           /* of the last run, with --file */
    double compile_ms, job_ms, run_ms; /* of the last run: text to bound rules, plan, the rest */
    uint32_t n_runs, n_done;
    double *runs_ms;
} eval_run;

/* -------- running a job -------- */

/* Rules that are evaluated beside the audiences, only to be counted. */
#define N_COUNTED 2u

static mu_code take_members(void *context, unsigned worker, uint32_t audience, uint32_t part,
                            uint32_t block, const uint64_t *members, uint32_t n_rows, mu_err *err)
{
    eval_run *run = context;
    (void)worker;
    (void)err;
    if (audience == 0)
        mu_member_set_add(run->members, part, block, members, n_rows);
    return MU_OK;
}

static void say_counters(const eval_run *run)
{
    for (int g = 0; g < MU_GUARD_COUNT_; g++)
        if (run->counters.guard_trips[g] > 0)
            mu_say("warning: the guard %s tripped %llu times; such a profile is no member",
                   mu_guard_name((mu_guard)g), (unsigned long long)run->counters.guard_trips[g]);
    if (run->excludes_opt_out || run->events_max >= 0)
        mu_say("left out of every audience: %llu profiles with a general opt-out, %llu with more "
               "events than --events-max",
               (unsigned long long)run->counts[run->n_audiences],
               (unsigned long long)run->counts[run->n_audiences + 1]);
}

static mu_job_options job_options_of(const eval_run *run)
{
    const mu_options *options = &run->invocation->options;
    return (mu_job_options){
        .now_ms = mu_options_now_ms(options),
        .n_threads = run->n_threads,
        .reference_only = mu_option_flag(options, MU_OPTION_REFERENCE),
    };
}

static void find_exclusion(eval_run *run)
{
    const mu_options *options = &run->invocation->options;
    run->excludes_opt_out =
        strcmp(mu_option_text(options, MU_OPTION_OPT_OUT, "include"), "exclude") == 0;
    run->events_max = mu_option_number(options, MU_OPTION_EVENTS_MAX, -1);
    mu_exclusion_rules_make(run->arena, mu_snapshot_schema(run->data.snapshot), run->events_max,
                            &run->excluded);
    if (!run->excludes_opt_out)
        run->excluded.opt_out = NULL;
    if (run->excluded.opt_out == NULL)
        run->excluded.either = run->excluded.many_events;
}

/* The audiences without who is left out, and the rules of those, whose nodes are shared. */
static mu_job_audience *with_exclusion(const eval_run *run, uint32_t n,
                                       const mu_job_audience *audiences, uint32_t *n_all,
                                       uint32_t places[N_COUNTED])
{
    const mu_pql *const counted[N_COUNTED] = {run->excluded.opt_out, run->excluded.many_events};
    mu_job_audience *all = MU_NEW_ARRAY(run->arena, mu_job_audience, (size_t)n + N_COUNTED);
    *n_all = n;
    for (uint32_t i = 0; i < n; i++) {
        all[i] = audiences[i];
        all[i].unless = run->excluded.either;
    }
    for (uint32_t i = 0; i < N_COUNTED; i++) {
        places[i] = counted[i] == NULL ? UINT32_MAX : *n_all;
        if (counted[i] != NULL)
            all[(*n_all)++] = (mu_job_audience){.query = counted[i]};
    }
    return all;
}

/* Plans and evaluates once; the times are those of this run. */
static mu_code run_once(eval_run *run, const mu_job_options *options, uint32_t n,
                        const mu_job_audience *audiences, mu_err *err)
{
    mu_job *job;
    int64_t start_ns = mu_monotonic_ns();
    MU_TRY(mu_job_new(run->data.snapshot, options, n, audiences, &job, err));
    int64_t planned_ns = mu_monotonic_ns();
    mu_code code = mu_job_run(job, run->members != NULL ? take_members : NULL, run, run->counts,
                              &run->counters, err);
    run->job_ms = (double)(planned_ns - start_ns) / 1e6;
    run->run_ms = (double)(mu_monotonic_ns() - planned_ns) / 1e6;
    mu_job_free(job);
    return code;
}

/* The counts of who is left out to where they are read, whatever the schema has. */
static void settle_counts(eval_run *run, const uint32_t places[N_COUNTED])
{
    uint64_t counted[N_COUNTED];
    for (uint32_t i = 0; i < N_COUNTED; i++)
        counted[i] = places[i] == UINT32_MAX ? 0 : run->counts[places[i]];
    memcpy(run->counts + run->n_audiences, counted, sizeof counted);
}

static mu_exit run_job(eval_run *run, const mu_job_audience *audiences, uint32_t n)
{
    uint32_t n_all, places[N_COUNTED];
    find_exclusion(run);
    const mu_job_audience *all = with_exclusion(run, n, audiences, &n_all, places);
    run->n_audiences = n;
    run->counts = MU_NEW_ARRAY(run->arena, uint64_t, (size_t)n + N_COUNTED);
    mu_progress progress;
    mu_job_options options = job_options_of(run);
    options.progress = mu_progress_update;
    options.progress_context = &progress;
    mu_err err;
    mu_progress_begin(&progress, "eval", " profiles");
    mu_code code = run_once(run, &options, n_all, all, &err);
    mu_progress_end(&progress);
    if (code != MU_OK)
        return mu_report(&err);
    settle_counts(run, places);
    return MU_EXIT_DONE;
}

static bool is_last_run(const eval_run *run)
{
    return run->n_done + 1 == run->n_runs;
}

/* Evaluates as often as --runs says, each time from the text on; tells results of the last time. */
static mu_exit repeat(eval_run *run, mu_str text, mu_exit (*evaluate)(eval_run *, mu_str),
                      mu_exit (*print)(const eval_run *))
{
    mu_exit status = MU_EXIT_DONE;
    run->n_runs = (uint32_t)mu_option_number(&run->invocation->options, MU_OPTION_RUNS, 1);
    run->runs_ms = MU_NEW_ARRAY(run->invocation->arena, double, run->n_runs);
    for (run->n_done = 0; run->n_done < run->n_runs && status == MU_EXIT_DONE; run->n_done++) {
        mu_arena arena;
        mu_arena_init(&arena, SIZE_MAX);
        run->arena = &arena;
        run->rules = (mu_audience_rules){0};
        status = evaluate(run, text);
        run->runs_ms[run->n_done] = run->compile_ms + run->job_ms + run->run_ms;
        if (status == MU_EXIT_DONE && is_last_run(run)) {
            say_counters(run);
            status = print(run);
        }
        mu_audience_rules_free(&run->rules);
        mu_arena_free(&arena);
    }
    return status;
}

/* With --runs: how long each took, from the text of the rules to the counts. */
static void write_runs(const eval_run *run, mu_json_writer *writer)
{
    if (!run->invocation->options.values[MU_OPTION_RUNS].is_set)
        return;
    mu_json_name(writer, MU_STR("runsMs"));
    mu_json_begin_array(writer);
    for (uint32_t r = 0; r < run->n_runs; r++)
        mu_json_double(writer, mu_rounded(run->runs_ms[r], 1000));
    mu_json_end_array(writer);
}

/* -------- one rule -------- */

static mu_exit print_ids(const eval_run *run)
{
    mu_buf buf, identity_text;
    mu_json_writer writer;
    mu_err err;
    mu_code code = MU_OK;
    mu_buf_init(&buf, SIZE_MAX);
    mu_buf_init(&identity_text, SIZE_MAX);
    for (uint32_t p = 0; p < run->members->n_parts && code == MU_OK; p++) {
        const mu_part *part = run->profiles->parts[p];
        for (uint32_t b = 0; b < mu_part_block_count(part) && code == MU_OK; b++) {
            mu_block block = mu_part_block(part, b);
            for (uint32_t r = 0; r < block.n_rows && code == MU_OK; r++) {
                mu_identity identity;
                if (!mu_bit_get(run->members->words[p][b], r))
                    continue;
                code = mu_part_identity(part, block.row + r, &identity, &err);
                if (code != MU_OK)
                    break;
                mu_buf_clear(&identity_text);
                mu_buf_add_str(&identity_text, identity.namespace_code);
                mu_buf_add_char(&identity_text, ':');
                mu_buf_add_str(&identity_text, identity.value);
                MU_BUF_ADD(&buf, "{\"identity\":");
                mu_json_writer_init(&writer, &buf);
                mu_json_string(&writer, mu_buf_str(&identity_text));
                MU_BUF_ADD(&buf, "}\n");
            }
            mu_output(&buf);
        }
    }
    mu_buf_free(&buf);
    mu_buf_free(&identity_text);
    return code == MU_OK ? MU_EXIT_DONE : mu_report(&err);
}

static void print_count(const eval_run *run)
{
    mu_buf buf;
    mu_json_writer writer;
    mu_buf_init(&buf, SIZE_MAX);
    mu_json_writer_init(&writer, &buf);
    mu_json_begin_object(&writer);
    mu_json_name(&writer, MU_STR("count"));
    mu_json_integer(&writer, (int64_t)run->counts[0]);
    mu_json_name(&writer, MU_STR("profiles"));
    mu_json_integer(&writer, (int64_t)run->counters.n_profiles);
    mu_json_name(&writer, MU_STR("ms"));
    mu_json_double(&writer, mu_rounded(run->compile_ms + run->job_ms + run->run_ms, 1000));
    write_runs(run, &writer);
    mu_json_end_object(&writer);
    mu_buf_add_char(&buf, '\n');
    mu_output(&buf);
    mu_buf_free(&buf);
}

/* What is wrong with the rule is told once, whatever the number of runs. */
static mu_exit compile(const eval_run *run, mu_str expression, const mu_pql **out)
{
    mu_pql_diagnostics diagnostics;
    mu_pql_diagnostics_init(&diagnostics, run->arena);
    bool ok = mu_rule_compile(run->arena, expression, mu_snapshot_schema(run->data.snapshot), true,
                              out, &diagnostics);
    if (run->n_done == 0)
        mu_rule_print_diagnostics(&diagnostics, expression, stderr);
    return ok ? MU_EXIT_DONE : MU_EXIT_INPUT;
}

static mu_exit evaluate_one(eval_run *run, mu_str expression)
{
    mu_job_audience audience = {.id = MU_STR("")};
    int64_t start_ns = mu_monotonic_ns();
    mu_exit status = compile(run, expression, &audience.query);
    if (status != MU_EXIT_DONE)
        return status;
    run->compile_ms = (double)(mu_monotonic_ns() - start_ns) / 1e6;
    if (mu_option_flag(&run->invocation->options, MU_OPTION_IDS)) {
        run->members = MU_NEW(run->arena, mu_member_set);
        mu_member_set_init(run->members, run->arena, run->profiles);
    }
    return run_job(run, &audience, 1);
}

static mu_exit print_one(const eval_run *run)
{
    mu_exit status = run->members != NULL ? print_ids(run) : MU_EXIT_DONE;
    if (status == MU_EXIT_DONE)
        print_count(run);
    return status;
}

/* -------- why -------- */

static mu_exit find_profile(const eval_run *run, const char *text, mu_row_place *out)
{
    const char *colon = strchr(text, ':');
    mu_err err;
    if (colon == NULL || colon == text || colon[1] == '\0')
        return mu_usage_error(run->invocation->command,
                              "--explain needs an identity such as Email:ada.marsh@example.com");
    mu_identity identity = {{text, (size_t)(colon - text)}, mu_str_from(colon + 1)};
    bool found = false;
    if (run->profiles != NULL &&
        mu_entity_find(run->profiles, identity, &found, out, &err) != MU_OK)
        return mu_report(&err);
    if (found)
        return MU_EXIT_DONE;
    mu_say("no profile has the primary identity %s; muster eval --ids prints those of members",
           text);
    return MU_EXIT_INPUT;
}

static mu_exit print_explanation(const eval_run *run, mu_buf *buf)
{
    if (isatty(STDOUT_FILENO) || mu_option_flag(&run->invocation->options, MU_OPTION_TREE)) {
        mu_json json;
        mu_err err;
        mu_json_reader *reader = mu_json_reader_new();
        mu_code code = mu_json_read(reader, run->invocation->arena, mu_buf_str(buf), &json, &err);
        mu_json_reader_free(reader);
        if (code != MU_OK)
            return mu_report(&err);
        mu_buf_clear(buf);
        mu_explanation_draw(buf, &json);
    } else {
        mu_buf_add_char(buf, '\n');
    }
    mu_output(buf);
    return MU_EXIT_DONE;
}

static mu_exit explain(eval_run *run, const char *expression, const char *identity)
{
    mu_job_audience audience = {.id = MU_STR("")};
    mu_row_place place;
    run->arena = run->invocation->arena;
    mu_exit status = compile(run, mu_str_from(expression), &audience.query);
    if (status == MU_EXIT_DONE)
        status = find_profile(run, identity, &place);
    if (status != MU_EXIT_DONE)
        return status;
    mu_job_options options = job_options_of(run);
    mu_job *job;
    mu_err err;
    if (mu_job_new(run->data.snapshot, &options, 1, &audience, &job, &err) != MU_OK)
        return mu_report(&err);
    mu_buf buf;
    mu_json_writer writer;
    mu_buf_init(&buf, SIZE_MAX);
    mu_json_writer_init(&writer, &buf);
    status = mu_explain(job, 0, place, &writer, &err) == MU_OK ? print_explanation(run, &buf)
                                                               : mu_report(&err);
    mu_buf_free(&buf);
    mu_job_free(job);
    return status;
}

/* -------- a file of audiences -------- */

static void print_audiences(const eval_run *run)
{
    const mu_audience_rules *rules = &run->rules;
    mu_buf buf;
    mu_json_writer writer;
    mu_buf_init(&buf, SIZE_MAX);
    for (uint32_t r = 0; r < rules->n; r++) {
        const mu_audience_rule *rule = &rules->items[r];
        mu_json_writer_init(&writer, &buf);
        mu_json_begin_object(&writer);
        mu_json_name(&writer, MU_STR("id"));
        if (rule->id.len > 0)
            mu_json_string(&writer, rule->id);
        else
            mu_json_null(&writer);
        mu_json_name(&writer, rule->query != NULL ? MU_STR("count") : MU_STR("error"));
        if (rule->query != NULL)
            mu_json_integer(&writer, (int64_t)run->counts[rule->index]);
        else
            mu_json_string(&writer, rule->error);
        mu_json_end_object(&writer);
        mu_buf_add_char(&buf, '\n');
    }
    mu_output(&buf);
    mu_buf_free(&buf);
}

static void print_file_summary(const eval_run *run)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    mu_buf buf;
    mu_json_writer writer;
    mu_buf_init(&buf, SIZE_MAX);
    mu_json_writer_init(&writer, &buf);
    mu_json_begin_object(&writer);
    mu_json_name(&writer, MU_STR("audiences"));
    mu_json_integer(&writer, run->n_audiences);
    mu_json_name(&writer, MU_STR("profiles"));
    mu_json_integer(&writer, (int64_t)run->counters.n_profiles);
    mu_json_name(&writer, MU_STR("events"));
    mu_json_integer(&writer, (int64_t)run->counters.n_events);
    mu_json_name(&writer, MU_STR("compileMs"));
    mu_json_double(&writer, mu_rounded(run->compile_ms + run->job_ms, 1000));
    mu_json_name(&writer, MU_STR("evalMs"));
    mu_json_double(&writer, mu_rounded(run->run_ms, 1000));
    mu_json_name(&writer, MU_STR("threads"));
    mu_json_integer(&writer, run->n_threads);
    mu_json_name(&writer, MU_STR("peakRssBytes"));
    mu_json_integer(&writer, (int64_t)usage.ru_maxrss * 1024);
    write_runs(run, &writer);
    mu_json_end_object(&writer);
    mu_buf_add_char(&buf, '\n');
    mu_output(&buf);
    mu_buf_free(&buf);
}

static mu_exit evaluate_file(eval_run *run, mu_str text)
{
    int64_t start_ns = mu_monotonic_ns();
    FILE *file = fmemopen((void *)(uintptr_t)text.ptr, text.len, "r");
    if (file == NULL) {
        mu_say("not enough memory for the rules");
        return MU_EXIT_SYSTEM;
    }
    mu_audience_rules_read(run->arena, file, mu_snapshot_schema(run->data.snapshot), run->n_threads,
                           &run->rules);
    fclose(file);
    mu_job_audience *audiences = mu_audience_rules_job(run->arena, &run->rules);
    run->compile_ms = (double)(mu_monotonic_ns() - start_ns) / 1e6;
    return run_job(run, audiences, run->rules.n_valid);
}

static mu_exit print_file(const eval_run *run)
{
    const mu_audience_rules *rules = &run->rules;
    print_audiences(run);
    print_file_summary(run);
    if (rules->n_valid == rules->n)
        return MU_EXIT_DONE;
    mu_say("%u of %u audiences have an error", rules->n - rules->n_valid, rules->n);
    return MU_EXIT_INPUT;
}

static mu_exit eval_file(eval_run *run, const char *path)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (file == NULL) {
        mu_say("cannot read %s: %s", path, strerror(errno));
        return MU_EXIT_INPUT;
    }
    mu_buf text;
    mu_buf_init(&text, SIZE_MAX);
    for (size_t n = 1; n > 0;) {
        char *room = mu_buf_reserve(&text, 1 << 16);
        n = room == NULL ? 0 : fread(room, 1, 1 << 16, file);
        text.len += n;
    }
    bool read_failed = ferror(file) != 0 || text.failed;
    if (file != stdin)
        fclose(file);
    mu_exit status = MU_EXIT_SYSTEM;
    if (read_failed)
        mu_say("reading %s failed", path);
    else
        status = repeat(run, mu_buf_str(&text), evaluate_file, print_file);
    mu_buf_free(&text);
    return status;
}

/* -------- the command -------- */

static mu_exit check_options(const mu_invocation *invocation)
{
    const mu_options *options = &invocation->options;
    bool has_file = options->values[MU_OPTION_FILE].is_set;
    bool has_explain = options->values[MU_OPTION_EXPLAIN].is_set;
    bool has_ids = mu_option_flag(options, MU_OPTION_IDS);
    bool excludes =
        options->values[MU_OPTION_OPT_OUT].is_set || options->values[MU_OPTION_EVENTS_MAX].is_set;
    if (options->n_arguments > 1)
        return mu_usage_error(invocation->command, "one rule, in quotes; %s is one too many",
                              options->arguments[1]);
    if (has_file == (options->n_arguments == 1))
        return mu_usage_error(invocation->command, "a rule or --file is needed, and not both");
    if ((has_file && (has_ids || has_explain)) || (has_ids && has_explain))
        return mu_usage_error(invocation->command,
                              "--file, --ids and --explain exclude each other");
    if (mu_option_flag(options, MU_OPTION_TREE) && !has_explain)
        return mu_usage_error(invocation->command, "--tree goes with --explain");
    if (has_explain && excludes)
        return mu_usage_error(invocation->command, "--explain looks at the rule alone; leave out "
                                                   "--opt-out and --events-max");
    return MU_EXIT_DONE;
}

/* --memory-max as a ceiling that the system keeps: of memory of our own, not of mapped files. */
static void limit_memory(const mu_options *options)
{
    if (!options->values[MU_OPTION_MEMORY_MAX].is_set)
        return;
    rlim_t bytes = (rlim_t)mu_options_memory_max(options);
    struct rlimit limit;
    if (getrlimit(RLIMIT_DATA, &limit) != 0)
        return;
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    if (setrlimit(RLIMIT_DATA, &limit) != 0)
        mu_say("warning: --memory-max could not be set: %s", strerror(errno));
}

static mu_exit run(mu_invocation *invocation)
{
    const mu_options *options = &invocation->options;
    eval_run run = {.invocation = invocation, .n_threads = mu_options_threads(options)};
    mu_exit status = check_options(invocation);
    limit_memory(options);
    if (status == MU_EXIT_DONE)
        status = mu_data_open(invocation, &run.data);
    if (status != MU_EXIT_DONE)
        return status;
    run.profiles = mu_snapshot_entity(run.data.snapshot, MU_STR("profile"));
    const char *file = mu_option_text(options, MU_OPTION_FILE, NULL);
    const char *identity = mu_option_text(options, MU_OPTION_EXPLAIN, NULL);
    if (file != NULL)
        status = eval_file(&run, file);
    else if (identity != NULL)
        status = explain(&run, options->arguments[0], identity);
    else
        status = repeat(&run, mu_str_from(options->arguments[0]), evaluate_one, print_one);
    mu_data_close(&run.data);
    return status;
}

static const char *const usages[] = {
    "eval --data DIR [--now RFC3339] [--ids] 'PQL'",
    "eval --data DIR [--now RFC3339] --explain NAMESPACE:VALUE 'PQL'",
    "eval --data DIR [--now RFC3339] --file AUDIENCES.ndjson",
    NULL,
};
static const char *const paragraphs[] = {
    "Says how many profiles a rule matches, as one JSON object: members, profiles looked at, "
    "milliseconds. With --ids, one object with the primary identity of each member comes before "
    "it. The rule is PQL text or a JSON tree.",
    "--explain says why one profile is in or out: the rule as a tree with the value of each part, "
    "and the events that decide, as one JSON object. On a terminal, and with --tree, it is drawn.",
    "--file takes lines {\"id\":\"...\",\"expression\":...} and evaluates all audiences together, "
    "so "
    "that they share work; each gets a line with its count or its error, and a summary comes last. "
    "inSegment(\"...\") means the audience of that id in the same file, else the membership stored "
    "with the profile.",
    "Everybody and all events are looked at, unless --opt-out exclude or --events-max say "
    "otherwise, "
    "as segment jobs do.",
    NULL};
static const mu_option options_taken[] = {
    MU_OPTION_DATA, MU_OPTION_NOW,       MU_OPTION_IDS,     MU_OPTION_EXPLAIN,    MU_OPTION_TREE,
    MU_OPTION_FILE, MU_OPTION_REFERENCE, MU_OPTION_OPT_OUT, MU_OPTION_EVENTS_MAX, MU_OPTION_RUNS,
};
static const mu_example examples[] = {
    {"How many?", "muster eval --data shop 'homeAddress.countryCode = \"US\"'"},
    {"Who bought something in the week before a given day?",
     "muster eval --data shop --now 2026-03-10T00:00:00Z --ids 'xEvent.exists(eventType = "
     "\"commerce.purchases\" and timestamp occurs <= 7 days before now)'"},
    {"Why is she in, or out?",
     "muster eval --data shop --explain Email:ada.marsh@example.com 'loyalty.tier = \"gold\"'"},
    {"A thousand audiences in one run.", "muster eval --data shop --file audiences.ndjson"},
};

const mu_command mu_command_eval = {
    .name = "eval",
    .summary = "count, list or explain the profiles that a rule matches",
    .usages = usages,
    .paragraphs = paragraphs,
    .options = options_taken,
    .n_options = MU_LENGTH(options_taken),
    .examples = examples,
    .n_examples = MU_LENGTH(examples),
    .run = run,
};
