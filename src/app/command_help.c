#include "app/app_int.h"

static mu_exit run(mu_invocation *invocation)
{
    const mu_options *options = &invocation->options;
    if (options->n_arguments > 1)
        return mu_usage_error(invocation->command, "one command at a time");
    const char *name = options->n_arguments == 1 ? options->arguments[0] : "muster";
    const mu_command *command = mu_command_find(name);
    if (command == NULL && strcmp(name, "muster") != 0)
        return mu_usage_error(invocation->command, "there is no command %s", name);
    mu_buf buf;
    mu_buf_init(&buf, SIZE_MAX);
    if (mu_option_flag(options, MU_OPTION_MAN))
        mu_help_write_man(&buf, command);
    else
        mu_help_write_text(&buf, command);
    mu_output(&buf);
    mu_buf_free(&buf);
    return MU_EXIT_DONE;
}

static const char *const usages[] = {"help [COMMAND]", "help --man [COMMAND]", NULL};
static const char *const paragraphs[] = {
    "Prints what muster COMMAND --help prints; without a command, the list of commands.", NULL};
static const mu_option options_taken[] = {MU_OPTION_MAN};
static const mu_example examples[] = {
    {"Read the man page of a command without installing it.", "muster help --man eval | man -l -"},
};

const mu_command mu_command_help = {
    .name = "help",
    .summary = "explain a command",
    .usages = usages,
    .paragraphs = paragraphs,
    .options = options_taken,
    .n_options = MU_LENGTH(options_taken),
    .examples = examples,
    .n_examples = MU_LENGTH(examples),
    .run = run,
};
