#include "app/app.h"

#include "app/app_int.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <unistd.h>

const mu_command *const mu_commands[] = {
    &mu_command_serve,  &mu_command_load,   &mu_command_eval,  &mu_command_pql,  &mu_command_sample,
    &mu_command_verify, &mu_command_backup, &mu_command_bench, &mu_command_help, NULL,
};

const mu_command *mu_command_find(const char *name)
{
    for (const mu_command *const *command = mu_commands; *command != NULL; command++)
        if (strcmp((*command)->name, name) == 0)
            return *command;
    return NULL;
}

static mu_exit print_and_clear(mu_buf *buf)
{
    mu_output(buf);
    mu_buf_free(buf);
    return MU_EXIT_DONE;
}

static mu_exit print_help(const mu_command *command)
{
    mu_buf buf;
    mu_buf_init(&buf, SIZE_MAX);
    mu_help_write_text(&buf, command);
    return print_and_clear(&buf);
}

static mu_exit print_version(void)
{
    mu_buf buf;
    mu_buf_init(&buf, SIZE_MAX);
    MU_BUF_ADD(&buf, "muster " MUSTER_VERSION "\n");
    return print_and_clear(&buf);
}

static mu_exit run_command(mu_arena *arena, const mu_command *command, int argc,
                           const char *const *argv)
{
    mu_invocation invocation = {.command = command, .arena = arena};
    if (!mu_options_parse(arena, command, argc, argv, &invocation.options))
        return MU_EXIT_USAGE;
    if (mu_option_flag(&invocation.options, MU_OPTION_HELP))
        return print_help(command);
    if (mu_option_flag(&invocation.options, MU_OPTION_VERSION))
        return print_version();
    return command->run(&invocation);
}

int mu_app_main(int argc, const char *const *argv)
{
    const char *first = argc > 1 ? argv[1] : NULL;
    mu_exit status;
    if (first == NULL) {
        mu_say("which command? muster --help lists them");
        return MU_EXIT_USAGE;
    }
    if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0) {
        status = print_help(NULL);
    } else if (strcmp(first, "--version") == 0) {
        status = print_version();
    } else {
        const mu_command *command = mu_command_find(first);
        if (command == NULL) {
            mu_say("there is no command %s; muster --help lists them", first);
            return MU_EXIT_USAGE;
        }
        mu_arena arena;
        mu_arena_init(&arena, SIZE_MAX);
        status = run_command(&arena, command, argc - 2, argv + 2);
        mu_arena_free(&arena);
    }
    return mu_output_finish() ? (int)status : MU_EXIT_SYSTEM;
}

/* -------- messages and results -------- */

void mu_say(const char *format, ...)
{
    va_list args;
    fflush(stdout); /* so that a terminal shows both in the order they came */
    va_start(args, format);
    fputs("muster: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

mu_exit mu_usage_error(const mu_command *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "muster %s: ", command->name);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\nmuster %s --help shows how it is used\n", command->name);
    va_end(args);
    return MU_EXIT_USAGE;
}

mu_exit mu_report(const mu_err *err)
{
    mu_say("%s", err->text);
    switch (err->code) {
    case MU_OK:
        return MU_EXIT_DONE;
    case MU_E_SYNTAX:
    case MU_E_TYPE:
    case MU_E_INPUT:
    case MU_E_NOT_FOUND:
    case MU_E_CONFLICT:
    case MU_E_LIMIT:
        return MU_EXIT_INPUT;
    case MU_E_IO:
    case MU_E_CORRUPT:
    case MU_E_NOMEM:
    case MU_E_CANCELLED:
        break;
    }
    return MU_EXIT_SYSTEM;
}

void mu_output(mu_buf *buf)
{
    MU_ASSERT(!buf->failed);
    if (buf->len > 0)
        fwrite(buf->ptr, 1, buf->len, stdout);
    mu_buf_clear(buf);
}

bool mu_output_finish(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    mu_say("the results could not be written to standard output: %s", strerror(errno));
    return false;
}

double mu_rounded(double value, double parts)
{
    return round(value * parts) / parts;
}
