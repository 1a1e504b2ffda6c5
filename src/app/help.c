/* help.c -- the text of `--help` and the man pages, both from a mu_command. */
#include "app/app_int.h"

#define WIDTH 92

static const char summary_of_all[] = "audience segmentation over customer profiles and events";
static const char about_all[] =
    "Muster keeps customer profiles and their events, and says which of them a rule written in PQL "
    "(Profile Query Language) matches, how many there are, and why.";
static const char about_configuration[] =
    "Every option can also be set in a configuration file (lines of name = value, # begins a "
    "comment) named by --config or MUSTER_CONFIG, and by an environment variable: MUSTER_DATA "
    "for --data, MUSTER_MEMORY_MAX for --memory-max. The command line wins over the environment, "
    "and that over the file.";

static const struct {
    int status;
    const char *meaning;
} exits[] = {
    {0, "done"},
    {1, "what was given is wrong: a message says what; load also when any line was rejected, the "
        "rest being loaded"},
    {2, "the command line, an environment variable or the configuration file is wrong"},
    {3, "the machine failed: disk, memory, damaged data, a data folder somebody else is writing"},
};

static const mu_example examples_of_all[] = {
    {"Make up some data, load it, and ask.",
     "muster sample --profiles 1000 --events 20000 --out sample"},
    {NULL, "muster load --data shop sample/profiles.ndjson sample/events.ndjson"},
    {NULL, "muster eval --data shop 'homeAddress.countryCode = \"US\"'"},
};

/* -------- plain text -------- */

/* Adds words, broken at WIDTH, each new line indented; `column` is where the line stands now. */
static void add_wrapped(mu_buf *buf, const char *text, size_t indent, size_t column)
{
    bool is_first = true;
    while (*text != '\0') {
        size_t word = strcspn(text, " ");
        if (!is_first && column + 1 + word > WIDTH) {
            mu_buf_add_format(buf, "\n%*s", (int)indent, "");
            column = indent;
        } else if (!is_first) {
            mu_buf_add_char(buf, ' ');
            column++;
        }
        mu_buf_add(buf, text, word);
        column += word;
        text += word;
        text += *text == ' ';
        is_first = false;
    }
    mu_buf_add_char(buf, '\n');
}

static void add_entry(mu_buf *buf, const char *term, const char *text, size_t indent)
{
    size_t length = strlen(term) + 2;
    mu_buf_add_format(buf, "  %s", term);
    if (length + 2 > indent) {
        mu_buf_add_char(buf, '\n');
        length = 0;
    }
    mu_buf_add_format(buf, "%*s", (int)(indent - length), "");
    add_wrapped(buf, text, indent, indent);
}

static void add_option(mu_buf *buf, mu_option option)
{
    const mu_option_info *info = mu_option_info_of(option);
    char term[80];
    snprintf(term, sizeof term, "--%s%s%s", info->name, info->value == NULL ? "" : " ",
             info->value == NULL ? "" : info->value);
    add_entry(buf, term, info->help, 28);
}

static void add_listed(void *context, const char *name, const char *help)
{
    add_entry(context, name, help, 28);
}

static void add_examples(mu_buf *buf, const mu_example *examples, size_t n)
{
    MU_BUF_ADD(buf, "\nExamples:\n");
    for (size_t i = 0; i < n; i++) {
        if (examples[i].about != NULL)
            mu_buf_add_format(buf, "%s  # %s\n", i == 0 ? "" : "\n", examples[i].about);
        mu_buf_add_format(buf, "  $ %s\n", examples[i].command);
    }
}

static void add_exits(mu_buf *buf)
{
    MU_BUF_ADD(buf, "\nExit status:\n");
    for (size_t i = 0; i < MU_LENGTH(exits); i++) {
        mu_buf_add_format(buf, "  %d  ", exits[i].status);
        add_wrapped(buf, exits[i].meaning, 5, 5);
    }
}

static void write_text_of_all(mu_buf *buf)
{
    mu_buf_add_format(buf, "muster: %s\n\n", summary_of_all);
    MU_BUF_ADD(buf, "Usage:\n  muster COMMAND [options] [arguments]\n  muster help COMMAND\n\n");
    add_wrapped(buf, about_all, 0, 0);
    MU_BUF_ADD(buf, "\nCommands:\n");
    for (const mu_command *const *command = mu_commands; *command != NULL; command++)
        add_entry(buf, (*command)->name, (*command)->summary, 12);
    MU_BUF_ADD(buf, "\n");
    add_wrapped(buf, about_configuration, 0, 0);
    add_exits(buf);
    add_examples(buf, examples_of_all, MU_LENGTH(examples_of_all));
}

void mu_help_write_text(mu_buf *buf, const mu_command *command)
{
    if (command == NULL) {
        write_text_of_all(buf);
        return;
    }
    mu_buf_add_format(buf, "muster %s: %s\n\nUsage:\n", command->name, command->summary);
    for (const char *const *usage = command->usages; *usage != NULL; usage++)
        mu_buf_add_format(buf, "  muster %s\n", *usage);
    for (const char *const *paragraph = command->paragraphs; *paragraph != NULL; paragraph++) {
        mu_buf_add_char(buf, '\n');
        add_wrapped(buf, *paragraph, 0, 0);
    }
    MU_BUF_ADD(buf, "\nOptions:\n");
    for (size_t i = 0; i < command->n_options; i++)
        add_option(buf, command->options[i]);
    MU_BUF_ADD(buf, "\nOptions of every command:\n");
    for (size_t i = 0; i < MU_COMMON_OPTIONS; i++)
        add_option(buf, mu_common_options[i]);
    if (command->list != NULL) {
        mu_buf_add_format(buf, "\n%s:\n", command->list_heading);
        command->list(add_listed, buf);
    }
    add_examples(buf, command->examples, command->n_examples);
}

/* -------- roff -------- */

/* Text with what roff would read as its own made harmless. */
static void add_roff(mu_buf *buf, const char *text)
{
    if (*text == '.' || *text == '\'')
        MU_BUF_ADD(buf, "\\&");
    for (; *text != '\0'; text++) {
        if (*text == '\\')
            MU_BUF_ADD(buf, "\\e");
        else if (*text == '-')
            MU_BUF_ADD(buf, "\\-");
        else if (*text == '\'')
            MU_BUF_ADD(buf, "\\(aq");
        else if (*text == '"')
            MU_BUF_ADD(buf, "\\(dq");
        else
            mu_buf_add_char(buf, *text);
    }
}

static void add_roff_line(mu_buf *buf, const char *request, const char *text)
{
    mu_buf_add_str(buf, mu_str_from(request));
    add_roff(buf, text);
    mu_buf_add_char(buf, '\n');
}

static void add_roff_option(mu_buf *buf, mu_option option)
{
    const mu_option_info *info = mu_option_info_of(option);
    MU_BUF_ADD(buf, ".TP\n\\fB\\-\\-");
    add_roff(buf, info->name);
    MU_BUF_ADD(buf, "\\fR");
    if (info->value != NULL) {
        MU_BUF_ADD(buf, " \\fI");
        add_roff(buf, info->value);
        MU_BUF_ADD(buf, "\\fR");
    }
    mu_buf_add_char(buf, '\n');
    add_roff_line(buf, "", info->help);
}

static void add_roff_listed(void *context, const char *name, const char *help)
{
    mu_buf *buf = context;
    add_roff_line(buf, ".TP\n.B ", name);
    add_roff_line(buf, "", help);
}

static void add_roff_examples(mu_buf *buf, const mu_example *examples, size_t n)
{
    MU_BUF_ADD(buf, ".SH EXAMPLES\n");
    for (size_t i = 0; i < n; i++) {
        MU_BUF_ADD(buf, ".PP\n");
        if (examples[i].about != NULL)
            add_roff_line(buf, "", examples[i].about);
        MU_BUF_ADD(buf, ".nf\n.RS\n");
        for (const char *at = examples[i].command; *at != '\0';) {
            size_t length = strcspn(at, "\n");
            char line[512];
            snprintf(line, sizeof line, "%.*s", (int)length, at);
            add_roff_line(buf, "", line);
            at += length + (at[length] == '\n');
        }
        MU_BUF_ADD(buf, ".RE\n.fi\n");
    }
}

static void add_roff_end(mu_buf *buf, const mu_command *command)
{
    MU_BUF_ADD(buf, ".SH EXIT STATUS\n");
    for (size_t i = 0; i < MU_LENGTH(exits); i++) {
        mu_buf_add_format(buf, ".TP\n%d\n", exits[i].status);
        add_roff_line(buf, "", exits[i].meaning);
    }
    add_roff_line(buf, ".SH ENVIRONMENT\n", about_configuration);
    if (command == NULL)
        add_roff_examples(buf, examples_of_all, MU_LENGTH(examples_of_all));
    else
        add_roff_examples(buf, command->examples, command->n_examples);
    MU_BUF_ADD(buf, ".SH SEE ALSO\n");
    if (command != NULL)
        MU_BUF_ADD(buf, ".BR muster (1)\n");
    for (const mu_command *const *other = mu_commands; *other != NULL; other++)
        if (*other != command)
            mu_buf_add_format(buf, ".BR muster\\-%s (1)\n", (*other)->name);
}

static void write_man_of_all(mu_buf *buf)
{
    mu_buf_add_format(buf, ".TH MUSTER 1 \"\" \"muster %s\"\n.SH NAME\n", MUSTER_VERSION);
    add_roff_line(buf, "muster \\- ", summary_of_all);
    MU_BUF_ADD(buf, ".SH SYNOPSIS\n.B muster\n\\fICOMMAND\\fR [\\fIoptions\\fR] "
                    "[\\fIarguments\\fR]\n");
    add_roff_line(buf, ".SH DESCRIPTION\n", about_all);
    MU_BUF_ADD(buf, ".SH COMMANDS\n");
    for (const mu_command *const *command = mu_commands; *command != NULL; command++) {
        mu_buf_add_format(buf, ".TP\n.B %s\n", (*command)->name);
        add_roff_line(buf, "", (*command)->summary);
    }
    add_roff_end(buf, NULL);
}

void mu_help_write_man(mu_buf *buf, const mu_command *command)
{
    if (command == NULL) {
        write_man_of_all(buf);
        return;
    }
    MU_BUF_ADD(buf, ".TH MUSTER\\-");
    for (const char *c = command->name; *c != '\0'; c++)
        mu_buf_add_char(buf, (char)(*c - 32));
    mu_buf_add_format(buf, " 1 \"\" \"muster %s\"\n.SH NAME\nmuster\\-%s \\- ", MUSTER_VERSION,
                      command->name);
    add_roff_line(buf, "", command->summary);
    MU_BUF_ADD(buf, ".SH SYNOPSIS\n");
    for (const char *const *usage = command->usages; *usage != NULL; usage++) {
        add_roff_line(buf, "muster ", *usage);
        MU_BUF_ADD(buf, ".br\n");
    }
    MU_BUF_ADD(buf, ".SH DESCRIPTION\n");
    for (const char *const *paragraph = command->paragraphs; *paragraph != NULL; paragraph++)
        add_roff_line(buf, ".PP\n", *paragraph);
    MU_BUF_ADD(buf, ".SH OPTIONS\n");
    for (size_t i = 0; i < command->n_options; i++)
        add_roff_option(buf, command->options[i]);
    for (size_t i = 0; i < MU_COMMON_OPTIONS; i++)
        add_roff_option(buf, mu_common_options[i]);
    if (command->list != NULL) {
        add_roff_line(buf, ".SH ", command->list_heading);
        command->list(add_roff_listed, buf);
    }
    add_roff_end(buf, command);
}
