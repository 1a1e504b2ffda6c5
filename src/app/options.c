#include "app/app_int.h"
#include "base/file.h"
#include "base/number.h"
#include "base/thread.h"
#include "base/time.h"

#include <stdlib.h>
#include <unistd.h>

static const mu_option_info infos[MU_OPTION_COUNT_] = {
#define OPTION(id, name, value, kind, least, most, help)                                           \
    [MU_OPTION_##id] = {name, value, MU_OPTION_##kind, least, most, help},
#include "app/options.def"
#undef OPTION
};

const mu_option mu_common_options[MU_COMMON_OPTIONS] = {
    MU_OPTION_SANDBOX, MU_OPTION_ORG,  MU_OPTION_THREADS, MU_OPTION_MEMORY_MAX,
    MU_OPTION_CONFIG,  MU_OPTION_HELP, MU_OPTION_VERSION};

const mu_option_info *mu_option_info_of(mu_option option)
{
    return &infos[option];
}

/* -------- values -------- */

static bool choice_has(const char *choices, mu_str word)
{
    mu_str rest = mu_str_from(choices);
    for (;;) {
        const char *bar = memchr(rest.ptr, '|', rest.len);
        mu_str choice = {rest.ptr, bar == NULL ? rest.len : (size_t)(bar - rest.ptr)};
        if (mu_str_equal(choice, word))
            return true;
        if (bar == NULL)
            return false;
        rest = (mu_str){bar + 1, rest.len - choice.len - 1};
    }
}

/* Digits and an optional K, M, G or T, powers of 1024. */
static bool parse_bytes(mu_str text, int64_t *out)
{
    static const char suffixes[] = "KMGT";
    int shift = 0;
    const char *suffix =
        text.len == 0 ? NULL : memchr(suffixes, text.ptr[text.len - 1], sizeof suffixes - 1);
    if (suffix != NULL) {
        shift = 10 * (int)(suffix - suffixes + 1);
        text.len--;
    }
    int64_t number;
    if (!mu_parse_integer(text, &number) || number <= 0 || number > INT64_MAX >> shift)
        return false;
    *out = number << shift;
    return true;
}

static bool parse_flag(mu_str text, int64_t *out)
{
    bool is_true = mu_str_equal(text, MU_STR("true")) || mu_str_equal(text, MU_STR("1"));
    *out = is_true;
    return is_true || mu_str_equal(text, MU_STR("false")) || mu_str_equal(text, MU_STR("0"));
}

/* Sets one value; on failure `why` says what was expected. */
static bool set_value(mu_option option, const char *text, mu_option_value *out, char why[128])
{
    const mu_option_info *info = &infos[option];
    mu_option_value value = {.is_set = true, .text = text};
    mu_str view = mu_str_from(text);
    bool ok = true;
    switch (info->kind) {
    case MU_OPTION_FLAG:
        ok = parse_flag(view, &value.number);
        snprintf(why, 128, "true or false");
        break;
    case MU_OPTION_TEXT:
        ok = view.len > 0;
        snprintf(why, 128, "some text");
        break;
    case MU_OPTION_CHOICE:
        ok = choice_has(info->value, view);
        snprintf(why, 128, "one of %s", info->value);
        break;
    case MU_OPTION_NUMBER:
        ok = mu_parse_integer(view, &value.number) && value.number >= info->least &&
             value.number <= info->most;
        snprintf(why, 128, "a whole number from %lld to %lld", (long long)info->least,
                 (long long)info->most);
        break;
    case MU_OPTION_BYTES:
        ok = parse_bytes(view, &value.number);
        snprintf(why, 128, "a number of bytes such as 800M or 4G");
        break;
    case MU_OPTION_TIME:
        ok = mu_parse_rfc3339(view, &value.number);
        snprintf(why, 128, "an RFC 3339 time such as 2026-03-10T12:00:00Z");
        break;
    }
    if (ok)
        *out = value;
    return ok;
}

/* -------- which options a command takes -------- */

static bool command_option(const mu_command *command, mu_str name, mu_option *out)
{
    for (size_t i = 0; i < command->n_options + MU_COMMON_OPTIONS; i++) {
        mu_option option = i < command->n_options ? command->options[i]
                                                  : mu_common_options[i - command->n_options];
        if (mu_str_equal(mu_str_from(infos[option].name), name)) {
            *out = option;
            return true;
        }
    }
    return false;
}

static bool any_option(mu_str name)
{
    for (int i = 0; i < MU_OPTION_COUNT_; i++)
        if (mu_str_equal(mu_str_from(infos[i].name), name))
            return true;
    return false;
}

/* -------- the command line -------- */

static bool parse_arguments(const mu_command *command, int argc, const char *const *argv,
                            mu_options *out)
{
    bool options_ended = false;
    for (int i = 0; i < argc; i++) {
        mu_str word = mu_str_from(argv[i]);
        if (options_ended || word.len < 2 || word.ptr[0] != '-') {
            out->arguments[out->n_arguments++] = argv[i];
            continue;
        }
        if (mu_str_equal(word, MU_STR("--"))) {
            options_ended = true;
            continue;
        }
        const char *equals = memchr(word.ptr, '=', word.len);
        mu_str name = {word.ptr, equals == NULL ? word.len : (size_t)(equals - word.ptr)};
        mu_option option;
        if (mu_str_equal(name, MU_STR("-h")))
            name = MU_STR("--help");
        if (!mu_str_starts_with(name, MU_STR("--")) ||
            !command_option(command, (mu_str){name.ptr + 2, name.len - 2}, &option)) {
            mu_usage_error(command,
                           "there is no option " MU_STR_FMT
                           " (an argument that begins with - goes after --)",
                           MU_STR_ARG(name));
            return false;
        }
        const char *text = equals == NULL ? NULL : equals + 1;
        if (text == NULL && infos[option].kind == MU_OPTION_FLAG)
            text = "true";
        if (text == NULL && i + 1 < argc)
            text = argv[++i];
        char why[128] = "a value after it";
        if (text == NULL || !set_value(option, text, &out->values[option], why)) {
            mu_usage_error(command, "--%s needs %s%s%s", infos[option].name, why,
                           text == NULL ? "" : ", not ", text == NULL ? "" : text);
            return false;
        }
    }
    return true;
}

/* -------- the environment -------- */

static bool read_environment(const mu_command *command, mu_options *out)
{
    for (int i = 0; i < MU_OPTION_COUNT_; i++) {
        mu_option option = (mu_option)i, found;
        char variable[64] = "MUSTER_";
        size_t at = strlen(variable);
        for (const char *c = infos[i].name; *c != '\0' && at + 1 < sizeof variable; c++)
            variable[at++] = (char)(*c == '-' ? '_' : *c >= 'a' && *c <= 'z' ? *c - 32 : *c);
        variable[at] = '\0';
        const char *text = getenv(variable);
        if (text == NULL || text[0] == '\0' || out->values[i].is_set || option == MU_OPTION_HELP ||
            option == MU_OPTION_VERSION ||
            !command_option(command, mu_str_from(infos[i].name), &found) || found != option)
            continue;
        char why[128];
        if (!set_value(option, text, &out->values[i], why)) {
            mu_usage_error(command, "the environment variable %s needs %s, not %s", variable, why,
                           text);
            return false;
        }
    }
    return true;
}

/* -------- the configuration file: `name = value` lines, # begins a comment line -------- */

#define CONFIG_MAX_BYTES ((size_t)1 << 20)

static bool read_config_line(mu_arena *arena, const mu_command *command, const char *path,
                             unsigned line, mu_str text, mu_options *out)
{
    text = mu_str_trim(text);
    if (text.len == 0 || text.ptr[0] == '#')
        return true;
    const char *equals = memchr(text.ptr, '=', text.len);
    if (equals == NULL) {
        mu_usage_error(command, "%s:%u: a line is name = value", path, line);
        return false;
    }
    mu_str name = mu_str_trim((mu_str){text.ptr, (size_t)(equals - text.ptr)});
    mu_str value = mu_str_trim((mu_str){equals + 1, text.len - (size_t)(equals + 1 - text.ptr)});
    mu_option option;
    bool is_special = mu_str_equal(name, MU_STR("config")) || mu_str_equal(name, MU_STR("help")) ||
                      mu_str_equal(name, MU_STR("version"));
    if (is_special || !any_option(name)) {
        mu_usage_error(command, "%s:%u: there is no option " MU_STR_FMT " for a configuration file",
                       path, line, MU_STR_ARG(name));
        return false;
    }
    if (!command_option(command, name, &option) || out->values[option].is_set)
        return true; /* meant for another command, or overruled */
    char why[128];
    const char *copy = mu_arena_copy(arena, value).ptr;
    if (memchr(value.ptr, '\0', value.len) != NULL ||
        !set_value(option, copy, &out->values[option], why)) {
        mu_usage_error(command, "%s:%u: " MU_STR_FMT " needs %s, not " MU_STR_FMT, path, line,
                       MU_STR_ARG(name), why, MU_STR_ARG(value));
        return false;
    }
    return true;
}

static bool read_config(mu_arena *arena, const mu_command *command, mu_options *out)
{
    const char *path = mu_option_text(out, MU_OPTION_CONFIG, NULL);
    if (path == NULL)
        return true;
    mu_str text;
    mu_err err;
    if (mu_file_read(arena, path, CONFIG_MAX_BYTES, &text, &err) != MU_OK) {
        mu_usage_error(command, "the configuration file cannot be read: %s", err.text);
        return false;
    }
    unsigned line = 0;
    for (size_t at = 0; at < text.len;) {
        const char *end = memchr(text.ptr + at, '\n', text.len - at);
        size_t length = end == NULL ? text.len - at : (size_t)(end - (text.ptr + at));
        if (!read_config_line(arena, command, path, ++line, (mu_str){text.ptr + at, length}, out))
            return false;
        at += length + 1;
    }
    return true;
}

bool mu_options_parse(mu_arena *arena, const mu_command *command, int argc, const char *const *argv,
                      mu_options *out)
{
    *out = (mu_options){.arguments = MU_NEW_ARRAY(arena, const char *, (size_t)argc + 1)};
    return parse_arguments(command, argc, argv, out) && read_environment(command, out) &&
           read_config(arena, command, out);
}

/* -------- common values -------- */

int64_t mu_options_now_ms(const mu_options *options)
{
    return options->values[MU_OPTION_NOW].is_set ? options->values[MU_OPTION_NOW].number
                                                 : mu_now_ms();
}

unsigned mu_options_threads(const mu_options *options)
{
    return (unsigned)mu_option_number(options, MU_OPTION_THREADS, (int64_t)mu_cpu_count());
}

size_t mu_options_memory_max(const mu_options *options)
{
    long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    int64_t half = pages > 0 && page_bytes > 0 ? (int64_t)pages * page_bytes / 2 : (int64_t)1 << 31;
    return (size_t)mu_option_number(options, MU_OPTION_MEMORY_MAX, half);
}
