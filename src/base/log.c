#include "base/log.h"

#include "base/time.h"

#include <stdio.h>
#include <unistd.h>

static const char *const level_names[] = {"debug", "info", "warning", "error", "off"};

/* A line under construction; one byte is kept for the newline. */
typedef struct line {
    char bytes[MU_LOG_LINE_MAX];
    size_t len;
    bool is_cut;
} line;

static void add(line *to, const char *bytes, size_t len)
{
    size_t room = sizeof(to->bytes) - 1 - to->len;
    if (len > room) {
        len = room;
        to->is_cut = true;
    }
    memcpy(to->bytes + to->len, bytes, len);
    to->len += len;
}

static void add_text(line *to, const char *text)
{
    add(to, text, strlen(text));
}

static bool is_plain(mu_str value)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (c <= ' ' || c > '~' || c == '"' || c == '=' || c == '\\')
            return false;
    }
    return value.len > 0;
}

static void add_quoted(line *to, mu_str value)
{
    add(to, "\"", 1);
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        char escaped[8];
        if (c == '"' || c == '\\')
            add(to, (char[]){'\\', c}, 2);
        else if (c >= ' ' && c <= '~')
            add(to, &c, 1);
        else
            add(to, escaped,
                (size_t)snprintf(escaped, sizeof(escaped), "\\x%02x", (unsigned char)c));
    }
    add(to, "\"", 1);
}

static void add_field(line *to, const mu_log_field *field)
{
    add(to, " ", 1);
    add_text(to, field->key);
    add(to, "=", 1);
    char number[32];
    if (field->kind == MU_LOG_INTEGER)
        add(to, number,
            (size_t)snprintf(number, sizeof(number), "%lld", (long long)field->integer));
    else if (is_plain(field->text))
        add(to, field->text.ptr, field->text.len);
    else
        add_quoted(to, field->text);
}

void mu_log_fields(const mu_logger *logger, mu_log_level level, const char *event,
                   const mu_log_field *fields, size_t n_fields)
{
    if (logger == NULL || level < logger->level || logger->level == MU_LOG_OFF)
        return;
    line out;
    out.len = 0;
    out.is_cut = false;
    char now[MU_TIME_TEXT_MAX];
    add(&out, now, mu_format_time(mu_now_ms(), now));
    add_text(&out, " level=");
    add_text(&out, level_names[level]);
    add_text(&out, " event=");
    add_text(&out, event);
    for (size_t i = 0; i < n_fields; i++)
        add_field(&out, &fields[i]);
    if (out.is_cut)
        memcpy(out.bytes + out.len - 3, "...", 3);
    out.bytes[out.len++] = '\n';
    ssize_t written = write(logger->fd, out.bytes, out.len);
    (void)written;
}

bool mu_log_level_parse(mu_str text, mu_log_level *out)
{
    for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
        if (mu_str_equal(text, mu_str_from(level_names[i]))) {
            *out = (mu_log_level)i;
            return true;
        }
    }
    return false;
}
