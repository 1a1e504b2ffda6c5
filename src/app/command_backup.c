#include "app/app_int.h"
#include "base/time.h"
#include "store/store.h"
#include "json/json.h"

static void print_summary(const char *target, const mu_backup_report *report, double seconds)
{
    mu_buf buf;
    mu_json_writer writer;
    mu_buf_init(&buf, SIZE_MAX);
    mu_json_writer_init(&writer, &buf);
    mu_json_begin_object(&writer);
    mu_json_name(&writer, MU_STR("to"));
    mu_json_string(&writer, mu_str_from(target));
    mu_json_name(&writer, MU_STR("parts"));
    mu_json_integer(&writer, (int64_t)report->n_parts);
    mu_json_name(&writer, MU_STR("logSegments"));
    mu_json_integer(&writer, (int64_t)report->n_segments);
    mu_json_name(&writer, MU_STR("bytes"));
    mu_json_integer(&writer, (int64_t)report->n_bytes);
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
    const char *target = mu_option_text(options, MU_OPTION_TO, NULL);
    if (folder == NULL)
        return mu_usage_error(invocation->command, "--data DIR is needed: the folder to copy");
    if (target == NULL)
        return mu_usage_error(invocation->command, "--to DIR is needed: the folder for the copy");
    if (options->n_arguments > 0)
        return mu_usage_error(invocation->command, "it takes no argument like %s",
                              options->arguments[0]);
    /* A server beside us keeps its latency: what is written reaches the disk a little at a time. */
    const mu_pace pace = {.sync_bytes = (uint64_t)16 << 20};
    mu_backup_report report;
    mu_err err;
    int64_t start_ns = mu_monotonic_ns();
    if (mu_store_backup(folder, target, &pace, &report, &err) == MU_OK) {
        print_summary(target, &report, (double)(mu_monotonic_ns() - start_ns) / 1e9);
        return MU_EXIT_DONE;
    }
    mu_exit status = mu_report(&err);
    return err.code == MU_E_CONFLICT ? MU_EXIT_INPUT : status;
}

static const char *const usages[] = {"backup --data DIR --to DIR", NULL};
static const char *const paragraphs[] = {
    "Copies a data folder with all its sandboxes, their log and what was edited into an empty or "
    "missing folder, also while a server or a load is writing it: nobody waits for it, and the "
    "copy "
    "holds everything that was acknowledged before it began.",
    "The copy is a data folder: to restore, start the server with it. Whatever goes wrong leaves a "
    "target without catalog.db, which no command takes for a data folder. What is erased later "
    "stays in the copy, so delete old copies.",
    "Prints one JSON object: where to, how many parts and log segments, how many bytes, how long.",
    NULL};
static const mu_option options_taken[] = {MU_OPTION_DATA, MU_OPTION_TO};
static const mu_example examples[] = {
    {"A copy of a running server's data, and a check of it.",
     "muster backup --data shop --to shop-copy && muster verify --data shop-copy"},
};

const mu_command mu_command_backup = {
    .name = "backup",
    .summary = "copy a data folder, also while it is in use",
    .usages = usages,
    .paragraphs = paragraphs,
    .options = options_taken,
    .n_options = MU_LENGTH(options_taken),
    .examples = examples,
    .n_examples = MU_LENGTH(examples),
    .run = run,
};
