#include "app/app_int.h"
#include "app/sample_int.h"
#include "base/time.h"
#include "json/json.h"

/* A longer identifier of an organisation would not fit the room of a line. */
#define ORG_LENGTH_MAX 128

static void print_summary(const mu_sample_options *options, const mu_sample_summary *summary,
                          const char *folder, double seconds)
{
    mu_buf buf;
    mu_json_writer writer;
    mu_buf_init(&buf, SIZE_MAX);
    mu_json_writer_init(&writer, &buf);
    mu_json_begin_object(&writer);
    mu_json_name(&writer, MU_STR("profiles"));
    mu_json_integer(&writer, (int64_t)summary->n_profiles);
    mu_json_name(&writer, MU_STR("events"));
    mu_json_integer(&writer, (int64_t)summary->n_events);
    mu_json_name(&writer, MU_STR("files"));
    mu_json_begin_array(&writer);
    static const char *const names[] = {"profiles", "events"};
    const bool skipped[] = {options->skips_profiles, options->skips_events};
    for (size_t i = 0; i < MU_LENGTH(names); i++) {
        char path[4096];
        if (skipped[i])
            continue;
        snprintf(path, sizeof path, "%s/%s.%s", folder, names[i],
                 options->is_csv ? "csv" : "ndjson");
        mu_json_string(&writer, mu_str_from(path));
    }
    mu_json_end_array(&writer);
    mu_json_name(&writer, MU_STR("bytes"));
    mu_json_integer(&writer, (int64_t)summary->n_bytes);
    mu_json_name(&writer, MU_STR("seconds"));
    mu_json_double(&writer, mu_rounded(seconds, 1000));
    mu_json_end_object(&writer);
    mu_buf_add_char(&buf, '\n');
    mu_output(&buf);
    mu_buf_free(&buf);
}

/* Writes audiences.ndjson for `muster eval --file`. */
static mu_code write_audiences(const char *folder, uint64_t seed, uint64_t n, mu_err *err)
{
    char path[4096];
    if (n == 0)
        return MU_OK;
    int length = snprintf(path, sizeof path, "%s/audiences.ndjson", folder);
    FILE *file = length > 0 && (size_t)length < sizeof path ? fopen(path, "w") : NULL;
    if (file == NULL)
        return mu_fail_errno(err, "cannot write %s", path);
    mu_buf buf;
    mu_buf_init(&buf, (size_t)1 << 20);
    bool ok = true;
    for (uint64_t i = 0; i < n && ok; i++) {
        mu_buf_clear(&buf);
        mu_sample_audience_write(seed, i, &buf);
        ok = fwrite(buf.ptr, 1, buf.len, file) == buf.len;
    }
    mu_buf_free(&buf);
    ok = fclose(file) == 0 && ok;
    return ok ? MU_OK : mu_fail_errno(err, "cannot write %s", path);
}

static mu_exit run(mu_invocation *invocation)
{
    const mu_options *options = &invocation->options;
    const char *folder = mu_option_text(options, MU_OPTION_OUT, NULL);
    const char *format = mu_option_text(options, MU_OPTION_SAMPLE_FORMAT, "ndjson");
    const char *only = mu_option_text(options, MU_OPTION_ONLY, "");
    mu_sample_options sample = {
        .n_profiles = (uint64_t)mu_option_number(options, MU_OPTION_PROFILES, 0),
        .n_events = (uint64_t)mu_option_number(options, MU_OPTION_EVENTS, 0),
        .seed = (uint64_t)mu_option_number(options, MU_OPTION_SEED, 1),
        .until_ms = mu_option_number(options, MU_OPTION_UNTIL, mu_options_now_ms(options)),
        .is_csv = strcmp(format, "csv") == 0,
        .as_messages = mu_option_flag(options, MU_OPTION_MESSAGES),
        .with_faults = mu_option_flag(options, MU_OPTION_FAULTS),
        .skips_profiles = strcmp(only, "events") == 0,
        .skips_events = strcmp(only, "profiles") == 0,
        .is_wide = mu_option_flag(options, MU_OPTION_WIDE),
        .org = mu_option_text(options, MU_OPTION_ORG, "5F2B0A1C3D4E5F60A49C0D1E@AdobeOrg"),
        .n_threads = mu_options_threads(options),
        .progress = mu_progress_update,
    };
    if (options->n_arguments > 0)
        return mu_usage_error(invocation->command, "it takes no argument like %s",
                              options->arguments[0]);
    if (folder == NULL || sample.n_profiles == 0 || !options->values[MU_OPTION_EVENTS].is_set)
        return mu_usage_error(invocation->command, "--profiles, --events and --out are needed");
    bool is_stream = strcmp(folder, "-") == 0;
    uint64_t n_audiences = (uint64_t)mu_option_number(options, MU_OPTION_AUDIENCES, 0);
    if (is_stream && (only[0] == '\0' || n_audiences > 0))
        return mu_usage_error(invocation->command, "--out - needs --only and takes no --audiences");
    if (sample.is_wide && !sample.is_csv)
        return mu_usage_error(invocation->command, "--wide goes with --format csv only");
    if (sample.is_csv && sample.as_messages)
        return mu_usage_error(invocation->command, "--messages goes with --format ndjson only");
    if (strlen(sample.org) > ORG_LENGTH_MAX || strpbrk(sample.org, "\"\\") != NULL)
        return mu_usage_error(invocation->command,
                              "--org needs at most %d characters without quotes or backslashes",
                              ORG_LENGTH_MAX);
    mu_progress progress;
    mu_progress_begin(&progress, "sample", " events");
    sample.progress_context = &progress;
    int64_t start_ns = mu_monotonic_ns();
    mu_sample_summary summary;
    mu_err err;
    mu_code code = mu_sample_write(&sample, is_stream ? NULL : folder, &summary, &err);
    mu_progress_end(&progress);
    if (code == MU_OK && sample.is_wide && !is_stream)
        code = mu_sample_wide_write(folder, &err);
    if (code == MU_OK)
        code = write_audiences(folder, sample.seed, n_audiences, &err);
    if (code != MU_OK)
        return mu_report(&err);
    if (!is_stream)
        print_summary(&sample, &summary, folder, (double)(mu_monotonic_ns() - start_ns) / 1e9);
    return MU_EXIT_DONE;
}

static const char *const usages[] = {"sample --profiles N --events M --seed S --until RFC3339 "
                                     "--out DIR [--format ndjson|csv]",
                                     "sample --only profiles|events [options] --out -", NULL};
static const char *const paragraphs[] = {
    "Makes up profiles and events of an online shop and writes them as profiles.EXT and "
    "events.EXT, "
    "replacing files of that name. The people do not exist; their number, habits and attributes "
    "are spread as in a real shop: 40 % are known by a customer number (lumaCrmId), the others by "
    "a device (ECID) only, and a few have most of the events.",
    "The same options give the same bytes, whatever the number of threads. Prints one JSON object: "
    "how many, which files, how many bytes, how long; with --out - nothing but the records.",
    NULL};
static const mu_option options_taken[] = {
    MU_OPTION_PROFILES, MU_OPTION_EVENTS, MU_OPTION_SEED,          MU_OPTION_UNTIL,
    MU_OPTION_OUT,      MU_OPTION_ONLY,   MU_OPTION_SAMPLE_FORMAT, MU_OPTION_MESSAGES,
    MU_OPTION_FAULTS,   MU_OPTION_WIDE,   MU_OPTION_AUDIENCES,     MU_OPTION_NOW};
static const mu_example examples[] = {
    {"A thousand profiles with twenty events each, as JSON lines.",
     "muster sample --profiles 1000 --events 20000 --out sample"},
    {"A million profiles as CSV, the same on every machine.",
     "muster sample --profiles 1000000 --events 20000000 --seed 7 --until 2026-03-10T12:00:00Z "
     "--out big --format csv"},
    {"Straight into a data folder, with no file between.",
     "muster sample --profiles 1000 --events 20000 --only events --out - | muster load --data shop "
     "-"},
    {"Streaming messages, some of them sent twice or broken.",
     "muster sample --profiles 1000 --events 20000 --messages --faults --out stream"},
};

const mu_command mu_command_sample = {
    .name = "sample",
    .summary = "make up data of an online shop",
    .usages = usages,
    .paragraphs = paragraphs,
    .options = options_taken,
    .n_options = MU_LENGTH(options_taken),
    .examples = examples,
    .n_examples = MU_LENGTH(examples),
    .run = run,
};
