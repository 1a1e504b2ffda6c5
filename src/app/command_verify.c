#include "app/app_int.h"
#include "audience/membership.h"
#include "base/time.h"
#include "catalog/documents.h"
#include "store/store.h"
#include "json/json.h"

#include <sys/stat.h>

static void on_problem(void *context, mu_str sentence)
{
    mu_progress_message(context, "problem: " MU_STR_FMT, MU_STR_ARG(sentence));
}

typedef struct document_problems {
    mu_progress *progress;
    uint64_t n;
} document_problems;

static void on_document_problem(void *context, mu_str sentence)
{
    document_problems *problems = context;
    problems->n++;
    on_problem(problems->progress, sentence);
}

static mu_code verify(const char *folder, unsigned n_threads, mu_progress *progress,
                      mu_verify_report *report, mu_err *err)
{
    mu_verify_callbacks callbacks = {on_problem, mu_progress_update, progress};
    document_problems problems = {.progress = progress};
    MU_TRY(mu_store_verify(folder, n_threads, &callbacks, report, err));
    mu_code code = mu_documents_verify(folder, on_document_problem, &problems, err);
    if (code == MU_OK)
        code = mu_memberships_verify(folder, on_document_problem, &problems, err);
    report->n_problems += problems.n;
    if (code != MU_E_CORRUPT || report->n_problems == 0)
        return code;
    return MU_OK; /* the same damage, which the store has named */
}

static void print_summary(const mu_verify_report *report, double seconds)
{
    const struct {
        mu_str name;
        uint64_t number;
    } members[] = {
        {MU_STR("parts"), report->n_parts},
        {MU_STR("blocks"), report->n_blocks},
        {MU_STR("rows"), report->n_rows},
        {MU_STR("events"), report->n_events},
        {MU_STR("logRecords"), report->n_log_records},
        {MU_STR("bytes"), report->n_bytes},
        {MU_STR("problems"), report->n_problems},
    };
    mu_buf buf;
    mu_json_writer writer;
    mu_buf_init(&buf, SIZE_MAX);
    mu_json_writer_init(&writer, &buf);
    mu_json_begin_object(&writer);
    for (size_t i = 0; i < MU_LENGTH(members); i++) {
        mu_json_name(&writer, members[i].name);
        mu_json_integer(&writer, (int64_t)members[i].number);
    }
    mu_json_name(&writer, MU_STR("seconds"));
    mu_json_double(&writer, mu_rounded(seconds, 1000));
    mu_json_end_object(&writer);
    mu_buf_add_char(&buf, '\n');
    mu_output(&buf);
    mu_buf_free(&buf);
}

static mu_exit run(mu_invocation *invocation)
{
    const mu_options *options = &invocation->options;
    const char *folder = mu_option_text(options, MU_OPTION_DATA, NULL);
    struct stat info;
    if (folder == NULL)
        return mu_usage_error(invocation->command, "--data DIR is needed: the folder to check");
    if (options->n_arguments > 0)
        return mu_usage_error(invocation->command, "it takes no argument like %s",
                              options->arguments[0]);
    if (stat(folder, &info) != 0 || !S_ISDIR(info.st_mode)) {
        mu_say("there is no data folder %s", folder);
        return MU_EXIT_INPUT;
    }
    mu_progress progress;
    mu_progress_begin(&progress, "verify", NULL);
    mu_verify_report report;
    mu_err err;
    int64_t start_ns = mu_monotonic_ns();
    mu_code code = verify(folder, mu_options_threads(options), &progress, &report, &err);
    mu_progress_end(&progress);
    if (code != MU_OK)
        return mu_report(&err);
    print_summary(&report, (double)(mu_monotonic_ns() - start_ns) / 1e9);
    if (report.n_problems == 0)
        return MU_EXIT_DONE;
    mu_say("%llu problems in %s; use a backup, or load the source files into a new data folder",
           (unsigned long long)report.n_problems, folder);
    return MU_EXIT_INPUT;
}

static const char *const usages[] = {"verify --data DIR", NULL};
static const char *const paragraphs[] = {
    "Reads every byte of every sandbox of a data folder, of its log, its catalog and its "
    "memberships, and checks all "
    "checksums and all that docs/storage.md promises. Each problem is one line on standard error. "
    "Prints one JSON object "
    "with what was checked and the number of problems; the exit status is 1 when there are any. "
    "Works beside a running load, whose data it does not see before they are committed.",
    NULL};
static const mu_option options_taken[] = {MU_OPTION_DATA};
static const mu_example examples[] = {
    {"After a crash, or from time to time.", "muster verify --data shop"},
};

const mu_command mu_command_verify = {
    .name = "verify",
    .summary = "check everything that a data folder holds",
    .usages = usages,
    .paragraphs = paragraphs,
    .options = options_taken,
    .n_options = MU_LENGTH(options_taken),
    .examples = examples,
    .n_examples = MU_LENGTH(examples),
    .run = run,
};
