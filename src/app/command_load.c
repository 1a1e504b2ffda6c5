#include "app/load_url.h"
#include "base/file.h"
#include "base/time.h"
#include "ingest/ingest.h"

#include <errno.h>
#include <unistd.h>

#define SCHEMA_FILE_MAX_BYTES ((size_t)64 << 20)

static void on_progress(void *context, uint64_t done_bytes, uint64_t all_bytes, uint64_t n_records)
{
    (void)n_records;
    mu_progress_update(context, done_bytes, all_bytes);
}

typedef struct rejections {
    mu_progress *progress;
    uint64_t n;
} rejections;

static void on_rejected(void *context, mu_str file, uint64_t line, mu_str reason)
{
    rejections *rejected = context;
    rejected->n++;
    mu_progress_message(rejected->progress, MU_STR_FMT ":%llu: " MU_STR_FMT, MU_STR_ARG(file),
                        (unsigned long long)line, MU_STR_ARG(reason));
}

static mu_exit read_schema(mu_arena *arena, const char *path, const mu_json **out)
{
    mu_str text;
    mu_err err;
    if (mu_file_read(arena, path, SCHEMA_FILE_MAX_BYTES, &text, &err) != MU_OK)
        return mu_report(&err);
    mu_json *json = MU_NEW(arena, mu_json);
    mu_json_reader *reader = mu_json_reader_new();
    mu_code code = mu_json_read(reader, arena, text, json, &err);
    mu_json_reader_free(reader);
    if (code != MU_OK) {
        mu_say("the schema file %s is not JSON: %s", path, err.text);
        return MU_EXIT_INPUT;
    }
    *out = json;
    return MU_EXIT_DONE;
}

static mu_exit check_files(const mu_options *options)
{
    for (int i = 0; i < options->n_arguments; i++) {
        const char *file = options->arguments[i];
        if (strcmp(file, "-") != 0 && access(file, R_OK) != 0) {
            mu_say("cannot read %s: %s; nothing was loaded", file, strerror(errno));
            return MU_EXIT_INPUT;
        }
    }
    return MU_EXIT_DONE;
}

static mu_input_format format_of(const char *name)
{
    return strcmp(name, "ndjson") == 0 ? MU_INPUT_NDJSON
           : strcmp(name, "csv") == 0  ? MU_INPUT_CSV
                                       : MU_INPUT_AUTO;
}

static void print_summary(const mu_load_summary *summary)
{
    mu_buf buf;
    mu_json_writer writer;
    mu_buf_init(&buf, SIZE_MAX);
    mu_json_writer_init(&writer, &buf);
    mu_json_begin_object(&writer);
    mu_json_name(&writer, MU_STR("read"));
    mu_json_integer(&writer, (int64_t)summary->n_read);
    mu_json_name(&writer, MU_STR("loaded"));
    mu_json_integer(&writer, (int64_t)summary->n_loaded);
    mu_json_name(&writer, MU_STR("rejected"));
    mu_json_integer(&writer, (int64_t)summary->n_rejected);
    mu_json_name(&writer, MU_STR("seconds"));
    mu_json_double(&writer, mu_rounded(summary->seconds, 1000));
    mu_json_end_object(&writer);
    mu_buf_add_char(&buf, '\n');
    mu_output(&buf);
    mu_buf_free(&buf);
}

static mu_exit load(mu_invocation *invocation, mu_store *store, const mu_json *schema_file)
{
    const mu_options *options = &invocation->options;
    mu_progress progress;
    rejections rejected = {.progress = &progress};
    mu_load_options load_options = {
        .class_name = mu_str_from(mu_option_text(options, MU_OPTION_CLASS, "auto")),
        .dataset = mu_str_from(mu_option_text(options, MU_OPTION_DATASET, "")),
        .format = format_of(mu_option_text(options, MU_OPTION_LOAD_FORMAT, "auto")),
        .schema_file = schema_file,
        .is_strict = mu_option_flag(options, MU_OPTION_STRICT),
        .fail_fast = mu_option_flag(options, MU_OPTION_FAIL_FAST),
        .n_threads = mu_options_threads(options),
        .memory_max_bytes = mu_options_memory_max(options),
        .now_ms = mu_options_now_ms(options),
        .progress = on_progress,
        .progress_context = &progress,
        .rejected = on_rejected,
        .rejected_context = &rejected,
    };
    mu_load_summary summary;
    mu_err err;
    mu_progress_begin(&progress, "load", NULL);
    mu_code code = mu_load(store, &load_options, (uint32_t)options->n_arguments, options->arguments,
                           &summary, &err);
    mu_progress_end(&progress);
    if (code == MU_E_INPUT && load_options.fail_fast && rejected.n > 0) {
        mu_say("stopped by --fail-fast; nothing was loaded");
        return MU_EXIT_INPUT;
    }
    if (code != MU_OK)
        return mu_report(&err);
    if (summary.n_duplicates > 0)
        mu_say("%llu events were there already, by dataset, identity and _id; they count once",
               (unsigned long long)summary.n_duplicates);
    print_summary(&summary);
    return summary.n_rejected > 0 ? MU_EXIT_INPUT : MU_EXIT_DONE;
}

static mu_exit run(mu_invocation *invocation)
{
    const mu_options *options = &invocation->options;
    const char *folder = mu_option_text(options, MU_OPTION_DATA, NULL);
    const char *schema_path = mu_option_text(options, MU_OPTION_SCHEMA, NULL);
    const mu_json *schema_file = NULL;
    mu_exit status;
    const char *url = mu_option_text(options, MU_OPTION_URL, NULL);
    if (folder == NULL && url == NULL)
        return mu_usage_error(invocation->command,
                              "--data DIR is needed, the folder to load into, or --url URL, a "
                              "server to send to");
    if (folder != NULL && url != NULL)
        return mu_usage_error(invocation->command, "--data and --url do not go together");
    if (options->n_arguments == 0)
        return mu_usage_error(invocation->command, "which files? - is standard input");
    if ((status = check_files(options)) != MU_EXIT_DONE)
        return status;
    if (url != NULL)
        return mu_load_url(invocation);
    if (schema_path != NULL &&
        (status = read_schema(invocation->arena, schema_path, &schema_file)) != MU_EXIT_DONE)
        return status;
    mu_store *store;
    mu_err err;
    mu_str sandbox = mu_str_from(mu_option_text(options, MU_OPTION_SANDBOX, "prod"));
    mu_code code = mu_store_open(folder, sandbox, MU_STORE_WRITE, &store, &err);
    if (code != MU_OK) {
        status = mu_report(&err);
        return code == MU_E_CONFLICT ? MU_EXIT_SYSTEM : status;
    }
    status = load(invocation, store, schema_file);
    mu_store_close(store);
    return status;
}

static const char *const usages[] = {"load --data DIR [options] FILE...",
                                     "load --url URL [--dataset NAME] [options] FILE...", NULL};
static const char *const paragraphs[] = {
    "Reads profile and event records in XDM form and adds them to a data folder, which is made "
    "when "
    "it is not there. A file is JSON lines (streaming messages with header and body, or bare "
    "records) or CSV (the first row holds dotted XDM paths; a column identity:NAMESPACE holds an "
    "identity; a list is written as JSON; an empty cell is absent).",
    "A record belongs to the profile of its primary identity. Fields that the schema does not know "
    "are taken up with the type that their values have.",
    "A line that cannot be taken is reported with file, line and reason, and the rest is loaded. "
    "All of a run becomes visible at once at its end; a run that was stopped leaves nothing, and a "
    "file that is loaded again adds nothing twice. Prints one JSON object with the numbers of "
    "records read, loaded and rejected, and the seconds it took.",
    "With --url the records go to a running server, as batches of the data set that --dataset or "
    "their messages name. The server checks them by the data set's schema; the exit status and "
    "what is printed are the same.",
    NULL};
static const mu_option options_taken[] = {
    MU_OPTION_DATA,   MU_OPTION_URL,       MU_OPTION_TOKEN,   MU_OPTION_API_KEY,
    MU_OPTION_CLASS,  MU_OPTION_SCHEMA,    MU_OPTION_DATASET, MU_OPTION_LOAD_FORMAT,
    MU_OPTION_STRICT, MU_OPTION_FAIL_FAST, MU_OPTION_NOW};
static const mu_example examples[] = {
    {"Profiles and events, whatever their form.",
     "muster load --data shop profiles.ndjson events.csv"},
    {"From another program.", "zcat events.ndjson.gz | muster load --data shop -"},
    {"With identities and relationships described in a schema file.",
     "muster load --data shop --schema shop-schema.json --dataset crm profiles.ndjson"},
    {"To a running server.",
     "muster load --url http://127.0.0.1:8080 --dataset 'Luma events' events.ndjson"},
};

const mu_command mu_command_load = {
    .name = "load",
    .summary = "add profile and event records to a data folder",
    .usages = usages,
    .paragraphs = paragraphs,
    .options = options_taken,
    .n_options = MU_LENGTH(options_taken),
    .examples = examples,
    .n_examples = MU_LENGTH(examples),
    .run = run,
};
