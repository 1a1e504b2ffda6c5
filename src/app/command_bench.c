/* command_bench.c -- how fast this machine is, case by case. bench/ compares with other programs.
 */
#include "app/bench_kernel.h"
#include "app/bench_log.h"
#include "app/rule_int.h"
#include "app/sample_int.h"
#include "base/time.h"
#include "ingest/ingest.h"

#include <stdlib.h>

/* 2026-03-10T12:00:00Z: sample data end here, and rules call it now. */
#define BENCH_NOW_MS ((int64_t)1773144000000)

typedef struct bench_run {
    mu_invocation *invocation;
    const char *folder; /* temporary */
    unsigned n_threads, n_runs;
    uint64_t n_profiles, n_events;
    bool has_sample[2]; /* ndjson, csv */
    bool has_data;
    mu_data data;
    int64_t now_ms;
    int64_t took_ns;    /* of a run that does more than what it measures; 0: all of it counts */
    mu_bench_log log;   /* of the last run of a case of the log; n_records is 0 for other cases */
    double memory_rate; /* bytes a second; 0: not measured yet */
    uint64_t n_bytes;   /* that a run of a kernel reads; 0 for other cases */
} bench_run;

/* One run of a case; adds what it did to *work. */
typedef mu_exit bench_body(bench_run *run, uint32_t argument, uint64_t *work);

/* -------- what the cases need -------- */

static mu_exit need_sample(bench_run *run, bool is_csv)
{
    if (run->has_sample[is_csv])
        return MU_EXIT_DONE;
    mu_sample_options sample = {
        .n_profiles = run->n_profiles,
        .n_events = run->n_events,
        .seed = 1,
        .until_ms = BENCH_NOW_MS,
        .is_csv = is_csv,
        .org = "local@AdobeOrg",
        .n_threads = run->n_threads,
    };
    mu_sample_summary summary;
    mu_err err;
    if (mu_sample_write(&sample, run->folder, &summary, &err) != MU_OK)
        return mu_report(&err);
    run->has_sample[is_csv] = true;
    return MU_EXIT_DONE;
}

static void on_rejected(void *context, mu_str file, uint64_t line, mu_str reason)
{
    (void)context;
    mu_say(MU_STR_FMT ":%llu: " MU_STR_FMT, MU_STR_ARG(file), (unsigned long long)line,
           MU_STR_ARG(reason));
}

static mu_exit load_sample(bench_run *run, const char *data_folder, bool is_csv, uint64_t *records)
{
    mu_arena *arena = run->invocation->arena;
    const char *extension = is_csv ? "csv" : "ndjson";
    const char *files[] = {
        mu_arena_format(arena, "%s/profiles.%s", run->folder, extension).ptr,
        mu_arena_format(arena, "%s/events.%s", run->folder, extension).ptr,
    };
    mu_load_options options = {
        .class_name = MU_STR("auto"),
        .n_threads = run->n_threads,
        .memory_max_bytes = mu_options_memory_max(&run->invocation->options),
        .now_ms = BENCH_NOW_MS,
        .rejected = on_rejected,
    };
    mu_store *store;
    mu_load_summary summary;
    mu_err err;
    if (mu_store_open(data_folder, MU_STR("prod"), MU_STORE_WRITE, &store, &err) != MU_OK)
        return mu_report(&err);
    mu_code code = mu_load(store, &options, MU_LENGTH(files), files, &summary, &err);
    mu_store_close(store);
    if (code != MU_OK)
        return mu_report(&err);
    *records += summary.n_read;
    return MU_EXIT_DONE;
}

static mu_exit need_data(bench_run *run)
{
    if (run->has_data)
        return MU_EXIT_DONE;
    mu_options *options = &run->invocation->options;
    mu_exit status;
    if (!options->values[MU_OPTION_DATA].is_set) {
        const char *folder = mu_arena_format(run->invocation->arena, "%s/data", run->folder).ptr;
        uint64_t records = 0;
        if ((status = need_sample(run, false)) != MU_EXIT_DONE ||
            (status = load_sample(run, folder, false, &records)) != MU_EXIT_DONE)
            return status;
        options->values[MU_OPTION_DATA] = (mu_option_value){.is_set = true, .text = folder};
    }
    if ((status = mu_data_open(run->invocation, &run->data)) != MU_EXIT_DONE)
        return status;
    run->has_data = true;
    return MU_EXIT_DONE;
}

/* -------- rules -------- */

#define RULE_TEXT_MAX 400

/* The i-th of as many different rules as one likes, of the kinds that marketers write. */
static mu_str rule_text(uint32_t i, char out[RULE_TEXT_MAX])
{
    static const char *const types[] = {"web.webpagedetails.pageViews",  "commerce.productViews",
                                        "commerce.productListAdds",      "commerce.checkouts",
                                        "web.webinteraction.linkClicks", "commerce.purchases"};
    static const char *const tiers[] = {"bronze", "silver", "gold", "platinum"};
    static const char *const countries[] = {"US", "GB", "DE", "FR", "CA"};
    const char *type = types[i % 6];
    uint32_t days = 1 + i / 6 % 30, more = i / 180;
    int length = 0;
    switch (i % 5) {
    case 0:
        length = snprintf(out, RULE_TEXT_MAX,
                          "xEvent.exists(eventType = \"%s\" and timestamp occurs <= %u days before "
                          "now)",
                          type, days);
        break;
    case 1:
        length =
            snprintf(out, RULE_TEXT_MAX,
                     "loyalty.tier = \"%s\" and xEvent.exists(eventType = \"%s\" and timestamp "
                     "occurs <= %u days before now)",
                     tiers[more % 4], type, days);
        break;
    case 2:
        length = snprintf(out, RULE_TEXT_MAX,
                          "xEvent[eventType = \"%s\" and timestamp occurs <= %u days before "
                          "now].count() >= %u",
                          type, days, 2 + more % 7);
        break;
    case 3:
        length = snprintf(out, RULE_TEXT_MAX,
                          "homeAddress.countryCode = \"%s\" and not xEvent.exists(eventType = "
                          "\"%s\" and timestamp occurs <= %u days before now)",
                          countries[more % 5], type, days);
        break;
    default:
        length = snprintf(out, RULE_TEXT_MAX,
                          "xEvent[timestamp occurs <= %u days before "
                          "now].sum(commerce.order.priceTotal) > %u",
                          days, 50 + 25 * (i % 6));
    }
    MU_ASSERT(length > 0 && length < RULE_TEXT_MAX);
    return (mu_str){out, (size_t)length};
}

static mu_exit compile_rule(mu_arena *arena, const mu_schema *schema, uint32_t i,
                            const mu_pql **out)
{
    char text[RULE_TEXT_MAX];
    mu_str source = mu_arena_copy(arena, rule_text(i, text));
    mu_pql_diagnostics diagnostics;
    mu_pql_diagnostics_init(&diagnostics, arena);
    if (mu_rule_compile(arena, source, schema, true, out, &diagnostics))
        return MU_EXIT_DONE;
    mu_rule_print_diagnostics(&diagnostics, source, stderr);
    return MU_EXIT_INPUT;
}

/* -------- cases -------- */

static mu_exit run_parse(bench_run *run, uint32_t n, uint64_t *work)
{
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    const mu_pql *query;
    mu_exit status = MU_EXIT_DONE;
    for (uint32_t i = 0; i < n && status == MU_EXIT_DONE; i++) {
        status = compile_rule(&arena, NULL, i, &query);
        mu_arena_reset(&arena);
    }
    mu_arena_free(&arena);
    *work += n;
    (void)run;
    return status;
}

static mu_exit make_job(bench_run *run, mu_arena *arena, uint32_t n, const bool *cancel,
                        mu_job **out)
{
    mu_job_audience *audiences = MU_NEW_ARRAY(arena, mu_job_audience, n);
    for (uint32_t i = 0; i < n; i++) {
        mu_exit status =
            compile_rule(arena, mu_snapshot_schema(run->data.snapshot), i, &audiences[i].query);
        if (status != MU_EXIT_DONE)
            return status;
        audiences[i].id = mu_arena_format(arena, "audience-%u", i);
    }
    mu_job_options options = {.now_ms = run->now_ms, .n_threads = run->n_threads, .cancel = cancel};
    mu_err err;
    if (mu_job_new(run->data.snapshot, &options, n, audiences, out, &err) != MU_OK)
        return mu_report(&err);
    return MU_EXIT_DONE;
}

/* `n` rules as one job; a single one many times over, because it takes microseconds. */
#define PLANS_OF_ONE 1000u

static mu_exit plan_once(bench_run *run, mu_arena *arena, uint32_t n, uint64_t *work)
{
    mu_job *job;
    mu_exit status = make_job(run, arena, n, NULL, &job);
    if (status == MU_EXIT_DONE)
        mu_job_free(job);
    *work += n;
    return status;
}

static mu_exit run_plan(bench_run *run, uint32_t n, uint64_t *work)
{
    mu_arena arena;
    mu_exit status = MU_EXIT_DONE;
    mu_arena_init(&arena, SIZE_MAX);
    for (uint32_t i = 0; i < (n == 1 ? PLANS_OF_ONE : 1) && status == MU_EXIT_DONE; i++) {
        status = plan_once(run, &arena, n, work);
        mu_arena_reset(&arena);
    }
    mu_arena_free(&arena);
    return status;
}

/* A job that is cancelled before its first block only binds its plan to the parts. */
static mu_exit run_bind(bench_run *run, uint32_t n, uint64_t *work)
{
    static const bool at_once = true;
    mu_arena arena;
    mu_job *job;
    mu_arena_init(&arena, SIZE_MAX);
    mu_exit status = make_job(run, &arena, n, &at_once, &job);
    if (status == MU_EXIT_DONE) {
        mu_job_counters counters;
        mu_err err;
        uint64_t *counts = MU_NEW_ARRAY(&arena, uint64_t, n);
        int64_t start_ns = mu_monotonic_ns();
        if (mu_job_run(job, NULL, NULL, counts, &counters, &err) != MU_E_CANCELLED)
            status = mu_report(&err);
        run->took_ns = mu_monotonic_ns() - start_ns;
        mu_job_free(job);
    }
    mu_arena_free(&arena);
    *work += n;
    return status;
}

static mu_exit run_open(bench_run *run, uint32_t times, uint64_t *work)
{
    mu_exit status = MU_EXIT_DONE;
    for (uint32_t i = 0; i < times && status == MU_EXIT_DONE; i++) {
        mu_data data;
        status = mu_data_open(run->invocation, &data);
        if (status == MU_EXIT_DONE)
            mu_data_close(&data);
    }
    *work += times;
    return status;
}

static mu_exit run_eval(bench_run *run, uint32_t n, uint64_t *work)
{
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    mu_job *job;
    mu_exit status = make_job(run, &arena, n, NULL, &job);
    if (status == MU_EXIT_DONE) {
        mu_job_counters counters;
        mu_err err;
        uint64_t *counts = MU_NEW_ARRAY(&arena, uint64_t, n);
        if (mu_job_run(job, NULL, NULL, counts, &counters, &err) != MU_OK)
            status = mu_report(&err);
        else
            *work += counters.n_events;
        mu_job_free(job);
    }
    mu_arena_free(&arena);
    return status;
}

/* -------- one kernel at a time -------- */

static mu_exit note_bytes(bench_run *run, const mu_bench_kernel *kernel)
{
    const mu_entity *profiles = mu_snapshot_entity(run->data.snapshot, MU_STR("profile"));
    mu_err err;
    if (run->memory_rate == 0 &&
        mu_bench_memory_rate(run->n_threads, &run->memory_rate, &err) != MU_OK)
        return mu_report(&err);
    if (profiles != NULL && mu_bench_kernel_bytes(profiles, kernel, &run->n_bytes, &err) != MU_OK)
        return mu_report(&err);
    return MU_EXIT_DONE;
}

static mu_exit time_rule(bench_run *run, const mu_bench_kernel *kernel, const mu_pql *query,
                         uint64_t *work)
{
    mu_job_options options = {.now_ms = run->now_ms, .n_threads = run->n_threads};
    mu_job_audience audience = {.query = query};
    mu_job_counters counters;
    mu_job *job;
    mu_err err;
    uint64_t count;
    if (mu_job_new(run->data.snapshot, &options, 1, &audience, &job, &err) != MU_OK)
        return mu_report(&err);
    int64_t start_ns = mu_monotonic_ns();
    mu_code code = mu_job_run(job, NULL, NULL, &count, &counters, &err);
    run->took_ns = mu_monotonic_ns() - start_ns;
    mu_job_free(job);
    if (code != MU_OK)
        return mu_report(&err);
    *work += kernel->over_events ? counters.n_events : counters.n_profiles;
    return MU_EXIT_DONE;
}

static mu_exit run_kernel(bench_run *run, uint32_t index, uint64_t *work)
{
    const mu_bench_kernel *kernel = &mu_bench_kernels[index];
    mu_str source = mu_str_from(kernel->rule);
    mu_arena arena;
    mu_pql_diagnostics diagnostics;
    const mu_pql *query;
    mu_arena_init(&arena, SIZE_MAX);
    mu_pql_diagnostics_init(&diagnostics, &arena);
    mu_exit status = note_bytes(run, kernel);
    if (status == MU_EXIT_DONE &&
        !mu_rule_compile(&arena, source, mu_snapshot_schema(run->data.snapshot), true, &query,
                         &diagnostics)) {
        mu_rule_print_diagnostics(&diagnostics, source, stderr);
        status = MU_EXIT_INPUT;
    }
    if (status == MU_EXIT_DONE)
        status = time_rule(run, kernel, query, work);
    mu_arena_free(&arena);
    return status;
}

static mu_exit run_load(bench_run *run, uint32_t is_csv, uint64_t *work)
{
    const char *folder = mu_arena_format(run->invocation->arena, "%s/load", run->folder).ptr;
    mu_exit status = load_sample(run, folder, is_csv != 0, work);
    mu_temporary_folder_remove(folder);
    return status;
}

#define LOG_APPENDS_IN_FLIGHT 64u

static mu_exit run_log(bench_run *run, uint32_t group_size, uint64_t *work)
{
    mu_err err;
    run->log = (mu_bench_log){
        .folder = mu_arena_format(run->invocation->arena, "%s/log", run->folder).ptr,
        .n_records = group_size == 1 ? 20000 : 100000,
        .group_size = group_size,
        .in_flight_max = LOG_APPENDS_IN_FLIGHT,
    };
    mu_code code = mu_bench_log_run(&run->log, &err);
    run->took_ns = run->log.took_ns;
    mu_temporary_folder_remove(run->log.folder);
    *work += run->log.n_records;
    return code == MU_OK ? MU_EXIT_DONE : mu_report(&err);
}

typedef enum bench_need { NEED_NOTHING, NEED_NDJSON, NEED_CSV, NEED_DATA } bench_need;

typedef struct bench_case {
    const char *name, *about, *unit;
    bench_need need;
    bench_body *body;
    uint32_t argument;
} bench_case;

static const bench_case cases[] = {
    {"parse", "parse and check 1,000 rules without a schema", "rules/s", NEED_NOTHING, run_parse,
     1000},
    {"open", "open the data and take a snapshot, ten times", "opens/s", NEED_DATA, run_open, 10},
    {"plan-1", "parse, bind and plan 1 rule, a thousand times", "rules/s", NEED_DATA, run_plan, 1},
    {"plan-1000", "parse, bind and plan 1,000 rules as one job", "rules/s", NEED_DATA, run_plan,
     1000},
    {"plan-4000", "parse, bind and plan 4,000 rules as one job", "rules/s", NEED_DATA, run_plan,
     4000},
    {"bind", "bind the plan of 1,000 rules to the parts", "rules/s", NEED_DATA, run_bind, 1000},
    {"eval-1", "compile and evaluate 1 audience", "events/s", NEED_DATA, run_eval, 1},
    {"eval-100", "compile and evaluate 100 audiences as one job", "events/s", NEED_DATA, run_eval,
     100},
    {"eval-1000", "compile and evaluate 1,000 audiences as one job", "events/s", NEED_DATA,
     run_eval, 1000},
    {"load-ndjson", "load sample data as JSON lines", "records/s", NEED_NDJSON, run_load, 0},
    {"load-csv", "load sample data as CSV", "records/s", NEED_CSV, run_load, 1},
    {"log-1", "append single records of 1.2 KB to the log, 64 waiting", "records/s", NEED_NOTHING,
     run_log, 1},
    {"log-100", "append 100 records of 1.2 KB at a time to the log, 64 appends waiting",
     "records/s", NEED_NOTHING, run_log, 100},
};

#define N_CASES (MU_LENGTH(cases) + MU_BENCH_KERNELS)

/* The cases above, then the kernels. */
static bench_case case_at(size_t index)
{
    if (index < MU_LENGTH(cases))
        return cases[index];
    const mu_bench_kernel *kernel = &mu_bench_kernels[index - MU_LENGTH(cases)];
    return (bench_case){.name = kernel->name,
                        .about = kernel->about,
                        .unit = kernel->over_events ? "events/s" : "profiles/s",
                        .need = NEED_DATA,
                        .body = run_kernel,
                        .argument = (uint32_t)(index - MU_LENGTH(cases))};
}

/* -------- measuring -------- */

static int compare_times(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

/* Of the last run: how long an append took to be durable, and the rate at which the same bytes can
 * be written with as many syncs and nothing else. */
static void write_log_result(mu_json_writer *writer, const mu_bench_log *log)
{
    mu_json_name(writer, MU_STR("p50Ms"));
    mu_json_double(writer, mu_rounded((double)log->p50_ns / 1e6, 1000));
    mu_json_name(writer, MU_STR("p99Ms"));
    mu_json_double(writer, mu_rounded((double)log->p99_ns / 1e6, 1000));
    mu_json_name(writer, MU_STR("commits"));
    mu_json_integer(writer, (int64_t)log->n_commits);
    mu_json_name(writer, MU_STR("limitRate"));
    mu_json_integer(writer, (int64_t)((double)log->n_records * 1e9 / (double)log->limit_ns));
}

/* How long an element takes, and the bytes that had to be read beside what memory gives. */
static void write_kernel_result(mu_json_writer *writer, const bench_run *run, int64_t median_ns,
                                uint64_t work)
{
    double bytes_per_second = (double)run->n_bytes * 1e9 / (double)median_ns;
    mu_json_name(writer, MU_STR("nsPerElement"));
    mu_json_double(writer, mu_rounded((double)median_ns / (double)(work == 0 ? 1 : work), 10000));
    mu_json_name(writer, MU_STR("bytesPerSecond"));
    mu_json_integer(writer, (int64_t)bytes_per_second);
    mu_json_name(writer, MU_STR("memoryBytesPerSecond"));
    mu_json_integer(writer, (int64_t)run->memory_rate);
}

static void print_result(const bench_run *run, const bench_case *c, const int64_t *times_ns,
                         uint64_t work_per_run)
{
    mu_buf buf;
    mu_json_writer writer;
    int64_t median_ns = times_ns[run->n_runs / 2];
    mu_buf_init(&buf, SIZE_MAX);
    mu_json_writer_init(&writer, &buf);
    mu_json_begin_object(&writer);
    mu_json_name(&writer, MU_STR("case"));
    mu_json_string(&writer, mu_str_from(c->name));
    mu_json_name(&writer, MU_STR("minMs"));
    mu_json_double(&writer, mu_rounded((double)times_ns[0] / 1e6, 1000));
    mu_json_name(&writer, MU_STR("medianMs"));
    mu_json_double(&writer, mu_rounded((double)median_ns / 1e6, 1000));
    mu_json_name(&writer, MU_STR("work"));
    mu_json_integer(&writer, (int64_t)work_per_run);
    mu_json_name(&writer, MU_STR("rate"));
    mu_json_integer(&writer, (int64_t)((double)work_per_run * 1e9 / (double)median_ns));
    mu_json_name(&writer, MU_STR("unit"));
    mu_json_string(&writer, mu_str_from(c->unit));
    if (run->log.n_records > 0)
        write_log_result(&writer, &run->log);
    if (run->n_bytes > 0)
        write_kernel_result(&writer, run, median_ns, work_per_run);
    mu_json_name(&writer, MU_STR("runs"));
    mu_json_integer(&writer, run->n_runs);
    mu_json_name(&writer, MU_STR("threads"));
    mu_json_integer(&writer, run->n_threads);
    mu_json_end_object(&writer);
    mu_buf_add_char(&buf, '\n');
    mu_output(&buf);
    fflush(stdout);
    mu_buf_free(&buf);
}

static mu_exit prepare(bench_run *run, const bench_case *c)
{
    switch (c->need) {
    case NEED_NOTHING:
        return MU_EXIT_DONE;
    case NEED_NDJSON:
    case NEED_CSV:
        return need_sample(run, c->need == NEED_CSV);
    case NEED_DATA:
        return need_data(run);
    }
    return MU_EXIT_DONE;
}

static mu_exit run_case(bench_run *run, const bench_case *c)
{
    mu_exit status = prepare(run, c);
    int64_t *times_ns = MU_NEW_ARRAY(run->invocation->arena, int64_t, run->n_runs);
    uint64_t work = 0;
    for (unsigned r = 0; r < run->n_runs && status == MU_EXIT_DONE; r++) {
        int64_t start_ns = mu_monotonic_ns();
        work = 0;
        run->log = (mu_bench_log){0};
        run->took_ns = 0;
        run->n_bytes = 0;
        status = c->body(run, c->argument, &work);
        times_ns[r] = run->took_ns > 0 ? run->took_ns : mu_monotonic_ns() - start_ns;
    }
    if (status != MU_EXIT_DONE)
        return status;
    qsort(times_ns, run->n_runs, sizeof *times_ns, compare_times);
    print_result(run, c, times_ns, work);
    return MU_EXIT_DONE;
}

/* -------- the command -------- */

static mu_exit list_cases(void)
{
    mu_buf buf;
    mu_json_writer writer;
    mu_buf_init(&buf, SIZE_MAX);
    for (size_t i = 0; i < N_CASES; i++) {
        bench_case c = case_at(i);
        mu_json_writer_init(&writer, &buf);
        mu_json_begin_object(&writer);
        mu_json_name(&writer, MU_STR("case"));
        mu_json_string(&writer, mu_str_from(c.name));
        mu_json_name(&writer, MU_STR("about"));
        mu_json_string(&writer, mu_str_from(c.about));
        mu_json_end_object(&writer);
        mu_buf_add_char(&buf, '\n');
    }
    mu_output(&buf);
    mu_buf_free(&buf);
    return MU_EXIT_DONE;
}

static bool is_case(const char *name)
{
    for (size_t i = 0; i < N_CASES; i++)
        if (strcmp(case_at(i).name, name) == 0)
            return true;
    return false;
}

static mu_exit run_cases(bench_run *run)
{
    const mu_options *options = &run->invocation->options;
    for (int i = 0; i < options->n_arguments; i++) {
        bool is_all = strcmp(options->arguments[i], "all") == 0;
        for (size_t k = 0; k < N_CASES; k++) {
            bench_case c = case_at(k);
            if (!is_all && strcmp(c.name, options->arguments[i]) != 0)
                continue;
            mu_exit status = run_case(run, &c);
            if (status != MU_EXIT_DONE)
                return status;
        }
    }
    return MU_EXIT_DONE;
}

static mu_exit run(mu_invocation *invocation)
{
    const mu_options *options = &invocation->options;
    if (mu_option_flag(options, MU_OPTION_LIST))
        return list_cases();
    if (options->n_arguments == 0)
        return mu_usage_error(invocation->command, "which cases? --list names them, all means all");
    for (int i = 0; i < options->n_arguments; i++)
        if (strcmp(options->arguments[i], "all") != 0 && !is_case(options->arguments[i]))
            return mu_usage_error(invocation->command, "there is no case %s; --list names them",
                                  options->arguments[i]);
    bench_run run = {
        .invocation = invocation,
        .n_threads = mu_options_threads(options),
        .n_runs = (unsigned)mu_option_number(options, MU_OPTION_RUNS, 5),
        .n_profiles = (uint64_t)mu_option_number(options, MU_OPTION_PROFILES, 20000),
        .n_events = (uint64_t)mu_option_number(options, MU_OPTION_EVENTS, 400000),
        .now_ms = mu_option_number(options, MU_OPTION_NOW, BENCH_NOW_MS),
    };
    mu_err err;
    if (mu_temporary_folder_make(invocation->arena, &run.folder, &err) != MU_OK)
        return mu_report(&err);
    mu_exit status = run_cases(&run);
    if (run.has_data)
        mu_data_close(&run.data);
    mu_temporary_folder_remove(run.folder);
    return status;
}

static const char *const usages[] = {"bench [options] CASE...", "bench --list", NULL};
static const char *const paragraphs[] = {
    "Runs each case several times and prints one JSON object for it: least and median time, how "
    "much work a run did, and the rate by the median. The data are made up in a temporary folder, "
    "or come from --data for the cases that evaluate.",
    "The kernel cases evaluate one rule that spends its time in one kernel, without planning it, "
    "and show the stored bytes of its columns per second beside what memory gave in the same run. "
    "Bind includes finding the values of days and small integers.",
    NULL};
static const mu_option options_taken[] = {MU_OPTION_LIST,   MU_OPTION_RUNS, MU_OPTION_PROFILES,
                                          MU_OPTION_EVENTS, MU_OPTION_DATA, MU_OPTION_NOW};
static const mu_example examples[] = {
    {"What is there to measure?", "muster bench --list"},
    {"A hundred audiences on a million events, ten times.",
     "muster bench --profiles 50000 --events 1000000 --runs 10 eval-100"},
};

const mu_command mu_command_bench = {
    .name = "bench",
    .summary = "measure how fast this machine parses, loads and evaluates",
    .usages = usages,
    .paragraphs = paragraphs,
    .options = options_taken,
    .n_options = MU_LENGTH(options_taken),
    .examples = examples,
    .n_examples = MU_LENGTH(examples),
    .run = run,
};
