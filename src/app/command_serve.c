#include "api/api.h"
#include "app/app_int.h"
#include "app/kafka_options.h"
#include "base/file.h"
#include "base/time.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define CLIENTS_FILE_MAX ((size_t)16 << 20)
#define STOP_GRACE_MS    10000u

/* -------- the clock -------- */

/* With --now the clock starts there and runs on. Set before any thread is. */
static int64_t clock_ahead_ms;

static int64_t clock_ms(void)
{
    return mu_now_ms() + clock_ahead_ms;
}

/* -------- who may listen where -------- */

static bool is_loopback(mu_str listen)
{
    size_t colon = listen.len;
    while (colon > 0 && listen.ptr[colon - 1] != ':')
        colon--;
    mu_str host = {listen.ptr, colon == 0 ? listen.len : colon - 1};
    return mu_str_equal(host, MU_STR("localhost")) || mu_str_equal(host, MU_STR("[::1]")) ||
           mu_str_starts_with(host, MU_STR("127."));
}

static mu_auth_mode auth_mode_of(const mu_options *options)
{
    const char *text = mu_option_text(options, MU_OPTION_AUTH, "open");
    return strcmp(text, "static") == 0      ? MU_AUTH_STATIC
           : strcmp(text, "local-ims") == 0 ? MU_AUTH_LOCAL_IMS
                                            : MU_AUTH_OPEN;
}

/* -------- clients -------- */

/* A list of texts; *out stays NULL where there is no such member. */
static mu_code read_texts(mu_arena *arena, const mu_json *json, const char *name, uint32_t *n,
                          const mu_str **out, mu_err *err)
{
    const mu_json *list = mu_json_member(json, mu_str_from(name));
    if (list == NULL)
        return MU_OK;
    if (list->kind != MU_JSON_ARRAY)
        return mu_fail(err, MU_E_INPUT, "\"%s\" of a client must be a list of texts", name);
    mu_str *texts = MU_NEW_ARRAY(arena, mu_str, list->n + 1);
    for (uint32_t i = 0; i < list->n; i++) {
        if (list->items[i].kind != MU_JSON_STRING)
            return mu_fail(err, MU_E_INPUT, "\"%s\" of a client must be a list of texts", name);
        texts[i] = list->items[i].string;
    }
    *n = list->n;
    *out = texts;
    return MU_OK;
}

static mu_code read_client(mu_arena *arena, const mu_json *json, mu_api_client *out, mu_err *err)
{
    *out = (mu_api_client){
        .organization = mu_json_member_string(json, MU_STR("organization"), MU_STR("")),
        .api_key = mu_json_member_string(json, MU_STR("apiKey"), MU_STR("")),
        .token = mu_json_member_string(json, MU_STR("token"), MU_STR("")),
        .secret = mu_json_member_string(json, MU_STR("secret"), MU_STR("")),
    };
    if (out->organization.len == 0 || out->api_key.len == 0)
        return mu_fail(err, MU_E_INPUT, "every client needs an \"organization\" and an \"apiKey\"");
    MU_TRY(read_texts(arena, json, "permissions", &out->n_permissions, &out->permissions, err));
    return read_texts(arena, json, "sandboxes", &out->n_sandboxes, &out->sandboxes, err);
}

/* A file of [{"organization", "apiKey", "token" or "secret", "permissions"?, "sandboxes"?}]. */
static mu_code read_clients(mu_arena *arena, const char *path, mu_api_options *api, mu_err *err)
{
    mu_str text;
    mu_json json;
    if (path == NULL)
        return MU_OK;
    MU_TRY(mu_file_read(arena, path, CLIENTS_FILE_MAX, &text, err));
    mu_json_reader *reader = mu_json_reader_new();
    mu_code code = mu_json_read(reader, arena, text, &json, err);
    mu_json_reader_free(reader);
    MU_TRY(code);
    if (json.kind != MU_JSON_ARRAY)
        return mu_fail(err, MU_E_INPUT, "%s must be a JSON list of clients", path);
    mu_api_client *clients = MU_NEW_ARRAY(arena, mu_api_client, json.n);
    for (uint32_t i = 0; i < json.n; i++)
        MU_TRY(read_client(arena, &json.items[i], &clients[i], err));
    api->clients = clients;
    api->n_clients = json.n;
    return MU_OK;
}

/* -------- the server and what it is made of, in the order in which they start -------- */

typedef struct server {
    const mu_options *options;
    mu_logger logger;
    mu_metrics *metrics;
    mu_live *live;
    mu_documents *documents;
    mu_api *api;
    mu_http_router *router;
    mu_http_server *http;
} server;

static bool is_ready(void *context, mu_err *why)
{
    server *s = context;
    return mu_live_health(s->live, why) == MU_OK;
}

static mu_code open_live(server *s, const char *folder, mu_err *err)
{
    const mu_live_options options = {
        .folder = folder,
        .n_threads = mu_options_threads(s->options),
        .memory_max_bytes = s->options->values[MU_OPTION_MEMORY_MAX].is_set
                                ? mu_options_memory_max(s->options) / 2
                                : 0,
        .fold_bytes = (uint64_t)mu_option_number(s->options, MU_OPTION_FOLD_BYTES, 0),
        .fold_ms = (uint32_t)mu_option_number(s->options, MU_OPTION_FOLD_SECONDS, 0) * 1000,
        .now_ms = clock_ms,
        .logger = &s->logger,
        .metrics = s->metrics,
    };
    MU_TRY(mu_make_directories(folder, err));
    return mu_live_open(&options, &s->live, err);
}

static mu_code open_api(server *s, mu_arena *arena, mu_err *err)
{
    mu_api_options options = {
        .live = s->live,
        .documents = s->documents,
        .auth_mode = auth_mode_of(s->options),
        .organization = mu_str_from(mu_option_text(s->options, MU_OPTION_ORG, "local@AdobeOrg")),
        .tenant = mu_str_from(mu_option_text(s->options, MU_OPTION_TENANT, "local")),
        .now_ms = clock_ms,
        .logger = &s->logger,
        .metrics = s->metrics,
        .settings = mu_audience_settings_default(),
        .n_threads = mu_options_threads(s->options),
        .landing_folder = mu_str_from(mu_option_text(s->options, MU_OPTION_LANDING, "")),
        .duckdb_library = mu_str_from(mu_option_text(s->options, MU_OPTION_DUCKDB_LIBRARY, "")),
    };
    mu_str settings = mu_str_from(mu_option_text(s->options, MU_OPTION_SETTINGS, ""));
    MU_TRY(mu_audience_settings_parse(settings, &options.settings, err));
    const char *clients = mu_option_text(s->options, MU_OPTION_CLIENTS, NULL);
    MU_TRY(read_clients(arena, clients, &options, err));
    MU_TRY(mu_kafka_options_read(arena, s->options, &options, err));
    MU_TRY(mu_api_new(&options, &s->api, err));
    s->router = mu_http_router_new();
    if (s->router == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for the routes");
    return mu_api_routes_add(s->api, s->router, err);
}

static mu_code start_http(server *s, mu_str listen, mu_err *err)
{
    const mu_http_options options = {
        .listen = listen,
        .loop_threads = mu_options_threads(s->options),
        .limits = mu_http_limits_default(),
        .certificate_path = mu_option_text(s->options, MU_OPTION_CERTIFICATE, NULL),
        .key_path = mu_option_text(s->options, MU_OPTION_KEY, NULL),
        .public_base_url = mu_str_from(mu_option_text(s->options, MU_OPTION_PUBLIC_URL, "")),
        .router = s->router,
        .write_error = mu_api_write_problem,
        .error_context = s->api,
        .is_ready = is_ready,
        .ready_context = s,
        .logger = &s->logger,
        .metrics = s->metrics,
    };
    return mu_http_server_start(&options, &s->http, err);
}

static mu_code start(server *s, mu_arena *arena, const char *folder, mu_str listen, mu_err *err)
{
    MU_TRY(open_live(s, folder, err));
    MU_TRY(mu_documents_open(folder, &s->documents, err));
    MU_TRY(open_api(s, arena, err));
    return start_http(s, listen, err);
}

/* `muster eval` reads columns and no log: after the end it is to count everything. What cannot be
 * folded stays in the log, and the keeper has logged why. */
static void fold(server *s)
{
    mu_err err;
    mu_arena arena;
    const mu_str *names;
    mu_arena_init(&arena, SIZE_MAX);
    uint32_t n = mu_live_sandboxes(s->live, &arena, &names);
    for (uint32_t i = 0; i < n && mu_live_health(s->live, &err) == MU_OK; i++)
        if (mu_sandbox_fold(mu_live_find_sandbox(s->live, names[i]), &err) != MU_OK)
            break;
    mu_arena_free(&arena);
}

/* Nothing new is accepted, what runs is finished, everything accepted is synced and folded. */
static void stop(server *s)
{
    bool was_up = s->http != NULL;
    if (was_up)
        mu_http_server_stop(s->http, STOP_GRACE_MS);
    mu_api_free(s->api);
    mu_http_router_free(s->router);
    mu_documents_close(s->documents);
    if (was_up)
        fold(s);
    mu_live_close(s->live);
    mu_metrics_free(s->metrics);
}

/* -------- the command -------- */

static void print_address(const server *s, mu_str listen)
{
    mu_buf buf;
    size_t colon = listen.len;
    while (colon > 0 && listen.ptr[colon - 1] != ':')
        colon--;
    mu_buf_init(&buf, SIZE_MAX);
    mu_buf_add_format(&buf, "{\"listening\":\"%.*s:%u\"}\n", (int)(colon == 0 ? 0 : colon - 1),
                      listen.ptr, (unsigned)mu_http_server_port(s->http));
    mu_output(&buf);
    fflush(stdout);
    mu_buf_free(&buf);
}

/* The signals that end a server are waited for by the main thread alone; threads that are made
 * later inherit that. */
static void hold_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* A second signal ends the process at once. */
static void wait_for_the_end(sigset_t *signals)
{
    int signal_number;
    sigwait(signals, &signal_number);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, signals, NULL);
}

static mu_exit serve(mu_invocation *invocation, const char *folder, mu_str listen)
{
    const mu_options *options = &invocation->options;
    server s = {.options = options, .metrics = mu_metrics_new(), .logger = {.fd = 2}};
    sigset_t signals;
    mu_err err;
    mu_str level = mu_str_from(mu_option_text(options, MU_OPTION_LOG_LEVEL, "info"));
    (void)mu_log_level_parse(level, &s.logger.level); /* one of the option's words */
    if (options->values[MU_OPTION_NOW].is_set)
        clock_ahead_ms = mu_options_now_ms(options) - mu_now_ms();
    hold_signals(&signals);
    mu_code code = start(&s, invocation->arena, folder, listen, &err);
    if (code == MU_OK) {
        print_address(&s, listen);
        wait_for_the_end(&signals);
    }
    stop(&s);
    if (code == MU_OK)
        return MU_EXIT_DONE;
    mu_exit status = mu_report(&err);
    return code == MU_E_CONFLICT ? MU_EXIT_SYSTEM : status; /* another process has the folder */
}

static mu_exit run(mu_invocation *invocation)
{
    const mu_options *options = &invocation->options;
    const mu_command *command = invocation->command;
    const char *folder = mu_option_text(options, MU_OPTION_DATA, NULL);
    mu_str listen = mu_str_from(mu_option_text(options, MU_OPTION_LISTEN, "127.0.0.1:8080"));
    mu_auth_mode mode = auth_mode_of(options);
    if (folder == NULL)
        return mu_usage_error(command, "--data DIR is needed: where everything is kept");
    if (options->n_arguments > 0)
        return mu_usage_error(command, "it takes no argument like %s", options->arguments[0]);
    if (mode == MU_AUTH_OPEN && !is_loopback(listen))
        return mu_usage_error(command,
                              "--listen " MU_STR_FMT
                              " is open to others, and anybody could read and write everything; "
                              "set --auth static or --auth local-ims and --clients FILE",
                              MU_STR_ARG(listen));
    if (mode != MU_AUTH_OPEN && !options->values[MU_OPTION_CLIENTS].is_set)
        return mu_usage_error(command, "--auth %s needs --clients FILE: who may come in",
                              mu_option_text(options, MU_OPTION_AUTH, ""));
    if (options->values[MU_OPTION_CERTIFICATE].is_set != options->values[MU_OPTION_KEY].is_set)
        return mu_usage_error(command, "--certificate and --key go together");
    return serve(invocation, folder, listen);
}

/* -------- the settings, for the help -------- */

typedef struct listing {
    void (*line)(void *context, const char *name, const char *help);
    void *context;
} listing;

static void list_setting(void *context, const char *name, int64_t otherwise, const char *help)
{
    const listing *l = context;
    char text[256];
    snprintf(text, sizeof text, "%s (default %lld)", help, (long long)otherwise);
    l->line(l->context, name, text);
}

static void list_settings(void (*line)(void *context, const char *name, const char *help),
                          void *context)
{
    listing l = {line, context};
    mu_audience_settings_list(list_setting, &l);
}

static const char *const usages[] = {"serve --data DIR [--listen HOST:PORT]", NULL};
static const char *const paragraphs[] = {
    "Serves the HTTP API over a data folder, which is made when it is missing. Prints one JSON "
    "line with the address once it listens (port 0 takes any free port), and log lines to standard "
    "error. An answer that says something was accepted is given after it is on the disk.",
    "SIGTERM or SIGINT (Ctrl-C) stops it: nothing new is accepted, running requests are finished, "
    "everything is synced and folded. A second signal ends it at once, and loses nothing that was "
    "accepted. "
    "While it runs, no other process writes the folder; eval, verify and backup may read it; "
    "eval counts what was folded.",
    "Without --auth any client is let in with any token, and whatever organisation it names is "
    "the one there is; so it only listens on this machine. --auth static takes the tokens of "
    "--clients, --auth local-ims those that POST /ims/token/v3 gave to one of them. The file is a "
    "JSON list: [{\"organization\":\"..\",\"apiKey\":\"..\",\"token\":\"..\",\"secret\":\"..\"}]. "
    "A client may also have \"permissions\", of segments:read and segments:write, without which it "
    "may do everything, and \"sandboxes\", the names of those it may enter.",
    NULL};
static const mu_option options_taken[] = {
    MU_OPTION_DATA,          MU_OPTION_LISTEN,         MU_OPTION_AUTH,
    MU_OPTION_CLIENTS,       MU_OPTION_TENANT,         MU_OPTION_CERTIFICATE,
    MU_OPTION_KEY,           MU_OPTION_PUBLIC_URL,     MU_OPTION_FOLD_BYTES,
    MU_OPTION_FOLD_SECONDS,  MU_OPTION_LOG_LEVEL,      MU_OPTION_NOW,
    MU_OPTION_KAFKA_BROKERS, MU_OPTION_KAFKA_TOPICS,   MU_OPTION_KAFKA_SETTINGS,
    MU_OPTION_SETTINGS,      MU_OPTION_DUCKDB_LIBRARY, MU_OPTION_LANDING,
};
static const mu_example examples[] = {
    {"On this machine, for clients of this machine.", "muster serve --data shop"},
    {"For others, who need a token.",
     "muster serve --data shop --listen 0.0.0.0:8443 --auth static --clients clients.json "
     "--certificate shop.pem --key shop.key"},
};

const mu_command mu_command_serve = {
    .name = "serve",
    .summary = "serve the HTTP API",
    .usages = usages,
    .paragraphs = paragraphs,
    .options = options_taken,
    .n_options = MU_LENGTH(options_taken),
    .list_heading = "Settings",
    .list = list_settings,
    .examples = examples,
    .n_examples = MU_LENGTH(examples),
    .run = run,
};
