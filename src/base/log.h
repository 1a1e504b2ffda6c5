/* log.h -- structured log lines: one event, one line, key=value.
 *
 *     2026-01-02T03:04:05.006Z level=info event=http_request method=GET status=200
 *
 * Event names and keys are stable and documented where they are written. Values never hold profile
 * attributes, identities or path parameters. A line is written with one write(2), so lines of
 * several threads never mix; any thread may log.
 */
#ifndef MU_BASE_LOG_H
#define MU_BASE_LOG_H

#include "base/str.h"

typedef enum mu_log_level {
    MU_LOG_DEBUG,
    MU_LOG_INFO,
    MU_LOG_WARNING,
    MU_LOG_ERROR,
    MU_LOG_OFF /* as a logger's level: writes nothing */
} mu_log_level;

/* Immutable once in use. */
typedef struct mu_logger {
    mu_log_level level; /* lines below it are dropped */
    int fd;             /* 2 for stderr */
} mu_logger;

typedef enum mu_log_kind { MU_LOG_TEXT, MU_LOG_INTEGER } mu_log_kind;

typedef struct mu_log_field {
    const char *key; /* a literal of [a-z0-9_] */
    mu_log_kind kind;
    mu_str text;
    int64_t integer;
} mu_log_field;

static inline mu_log_field mu_log_text(const char *key, mu_str value)
{
    return (mu_log_field){.key = key, .kind = MU_LOG_TEXT, .text = value};
}

static inline mu_log_field mu_log_integer(const char *key, int64_t value)
{
    return (mu_log_field){.key = key, .kind = MU_LOG_INTEGER, .integer = value};
}

#define MU_LOG_LINE_MAX 4096 /* bytes; a longer line is cut and ends in "..." */

/* Writes a line when `logger` (NULL allowed: drops it) wants lines of `level`. A text value with
 * blanks, quotes, '=' or bytes outside printable ASCII is quoted, those bytes as \xHH. A failing
 * write is ignored: there is nowhere left to say so. */
void mu_log_fields(const mu_logger *logger, mu_log_level level, const char *event,
                   const mu_log_field *fields, size_t n_fields);

/* mu_log(logger, MU_LOG_INFO, "event_name", mu_log_text("key", value), ...); at least one field. */
#define mu_log(logger, level, event, ...)                                                          \
    mu_log_fields((logger), (level), (event), (mu_log_field[]){__VA_ARGS__},                       \
                  sizeof((mu_log_field[]){__VA_ARGS__}) / sizeof(mu_log_field))

/* "debug", "info", "warning", "error", "off"; false when `text` is none of them. */
bool mu_log_level_parse(mu_str text, mu_log_level *out);

#endif
