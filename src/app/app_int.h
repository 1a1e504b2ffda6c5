/* app_int.h -- what the files of app/ share: commands as data, options, messages, output.
 *
 * A command is one file, command_NAME.c, that defines one mu_command; its help, its man page and
 * the options it takes all come from that. Everything here is used by the main thread only, except
 * mu_progress_update.
 */
#ifndef MU_APP_APP_INT_H
#define MU_APP_APP_INT_H

#include "base/arena.h"
#include "base/buf.h"

#include <pthread.h>
#include <stdio.h>

typedef enum mu_exit {
    MU_EXIT_DONE = 0,
    MU_EXIT_INPUT = 1, /* what was given is wrong */
    MU_EXIT_USAGE = 2, /* the command line, an environment variable or the configuration is */
    MU_EXIT_SYSTEM = 3 /* the machine failed */
} mu_exit;

/* -------- options -------- */

typedef enum mu_option {
#define OPTION(id, name, value, kind, least, most, help) MU_OPTION_##id,
#include "app/options.def"
#undef OPTION
    MU_OPTION_COUNT_
} mu_option;

typedef enum mu_option_kind {
    MU_OPTION_FLAG,
    MU_OPTION_TEXT,
    MU_OPTION_CHOICE,
    MU_OPTION_NUMBER,
    MU_OPTION_BYTES,
    MU_OPTION_TIME
} mu_option_kind;

typedef struct mu_option_info {
    const char *name;
    const char *value; /* NULL for a flag */
    mu_option_kind kind;
    int64_t least, most; /* NUMBER */
    const char *help;
} mu_option_info;

const mu_option_info *mu_option_info_of(mu_option option);

typedef struct mu_option_value {
    bool is_set;
    const char *text; /* NUL-terminated, in the arena or argv */
    int64_t number;   /* NUMBER, BYTES, TIME (milliseconds), FLAG (0, 1) */
} mu_option_value;

typedef struct mu_options {
    mu_option_value values[MU_OPTION_COUNT_];
    int n_arguments;
    const char **arguments; /* what is not an option, in order */
} mu_options;

struct mu_command;

/* A flag wins over an environment variable (MUSTER_NAME), that over the configuration file
 * (--config or MUSTER_CONFIG). A false return has said why on standard error. `argv` are the words
 * after the command. */
bool mu_options_parse(mu_arena *arena, const struct mu_command *command, int argc,
                      const char *const *argv, mu_options *out);

static inline bool mu_option_flag(const mu_options *options, mu_option option)
{
    return options->values[option].is_set && options->values[option].number != 0;
}

static inline const char *mu_option_text(const mu_options *options, mu_option option,
                                         const char *otherwise)
{
    return options->values[option].is_set ? options->values[option].text : otherwise;
}

static inline int64_t mu_option_number(const mu_options *options, mu_option option,
                                       int64_t otherwise)
{
    return options->values[option].is_set ? options->values[option].number : otherwise;
}

/* The instant that stands for the clock, milliseconds. */
int64_t mu_options_now_ms(const mu_options *options);
unsigned mu_options_threads(const mu_options *options);
/* --memory-max, or half of the machine's memory. */
size_t mu_options_memory_max(const mu_options *options);

/* -------- commands -------- */

typedef struct mu_invocation {
    const struct mu_command *command;
    mu_arena *arena; /* lives until the command ends */
    mu_options options;
} mu_invocation;

typedef struct mu_example {
    const char *about;   /* one sentence */
    const char *command; /* a shell line, without "$ " */
} mu_example;

typedef struct mu_command {
    const char *name;
    const char *summary;           /* completes "muster NAME: ..." */
    const char *const *usages;     /* what follows "muster ", NULL at the end */
    const char *const *paragraphs; /* NULL at the end */
    const mu_option *options;      /* besides mu_common_options */
    size_t n_options;
    /* More names to list, under a heading; both NULL: none. Calls `line` once for each. */
    const char *list_heading;
    void (*list)(void (*line)(void *context, const char *name, const char *help), void *context);
    const mu_example *examples;
    size_t n_examples;
    mu_exit (*run)(mu_invocation *invocation);
} mu_command;

#define MU_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* What every command takes besides its own options. */
#define MU_COMMON_OPTIONS 7
extern const mu_option mu_common_options[MU_COMMON_OPTIONS];

extern const mu_command mu_command_serve;
extern const mu_command mu_command_load;
extern const mu_command mu_command_eval;
extern const mu_command mu_command_pql;
extern const mu_command mu_command_sample;
extern const mu_command mu_command_verify;
extern const mu_command mu_command_backup;
extern const mu_command mu_command_bench;
extern const mu_command mu_command_help;

/* The commands in the order of the help, NULL at the end. */
extern const mu_command *const mu_commands[];
const mu_command *mu_command_find(const char *name);

/* NULL: the program as a whole. */
void mu_help_write_text(mu_buf *buf, const mu_command *command);
void mu_help_write_man(mu_buf *buf, const mu_command *command);

/* -------- messages and results -------- */

/* One line on standard error, "muster: ..." . */
void mu_say(const char *format, ...) MU_PRINTF(1, 2);

/* A wrong command line: says so and where the help is. */
mu_exit mu_usage_error(const mu_command *command, const char *format, ...) MU_PRINTF(2, 3);

/* Says err->text and gives the status for its code. */
mu_exit mu_report(const mu_err *err);

/* Writes the buffer to standard output and clears it. mu_output_finish reports what went wrong. */
void mu_output(mu_buf *buf);
bool mu_output_finish(void);

/* To the nearest 1/`parts`, for numbers that people read: mu_rounded(1.23456, 1000) = 1.235. */
double mu_rounded(double value, double parts);

/* -------- progress: a bar on a terminal, nothing in a pipe -------- */

typedef struct mu_progress {
    bool is_on;
    bool is_bytes; /* show the rate in MB/s, else in `unit` per second */
    const char *what, *unit;
    int64_t start_ns, drawn_ns;
    pthread_mutex_t lock; /* guards drawn_ns and the line on the terminal */
} mu_progress;

void mu_progress_begin(mu_progress *progress, const char *what, const char *unit);
/* Any thread. `context` is the mu_progress; it fits the callbacks of jobs, loads and verify. */
void mu_progress_update(void *context, uint64_t done, uint64_t all);
/* One line on standard error that leaves the bar whole. Any thread. */
void mu_progress_message(mu_progress *progress, const char *format, ...) MU_PRINTF(2, 3);
/* Removes the bar. */
void mu_progress_end(mu_progress *progress);

/* -------- data folders, for commands that read -------- */

struct mu_store;
struct mu_snapshot;

typedef struct mu_data {
    struct mu_store *store;
    struct mu_snapshot *snapshot;
} mu_data;

/* Opens --data and its sandbox for reading. Anything but MU_EXIT_DONE has been said. */
mu_exit mu_data_open(const mu_invocation *invocation, mu_data *out);
void mu_data_close(mu_data *data);

/* A new folder under TMPDIR (else /tmp) that nobody else can read, and its removal with everything
 * in it. The path is in the arena. */
MU_CHECKED mu_code mu_temporary_folder_make(mu_arena *arena, const char **out, mu_err *err);
void mu_temporary_folder_remove(const char *path);

/* -------- input by lines, with a ceiling -------- */

typedef struct mu_line_reader {
    FILE *file;
    size_t line_max_bytes;
    uint64_t line; /* number of the line last read, from 1 */
    mu_buf buf;
} mu_line_reader;

void mu_line_reader_init(mu_line_reader *reader, FILE *file, size_t line_max_bytes);
void mu_line_reader_fini(mu_line_reader *reader);

/* The next line without its line feed; false at the end. A longer line is cut after
 * line_max_bytes + 1 bytes, which tells the caller that it was too long. Valid until the next
 * call. */
bool mu_line_reader_next(mu_line_reader *reader, mu_str *out);

#endif
