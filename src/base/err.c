#include "base/err.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of a text that did not fit: what is left may end within a character. */
static void drop_half(mu_err *err)
{
    err->text[mu_utf8_whole((mu_str){err->text, strlen(err->text)})] = '\0';
}

mu_code mu_fail(mu_err *err, mu_code code, const char *format, ...)
{
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        err->code = code;
        err->line = 0;
        err->column = 0;
        int used = vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
        if (used >= (int)sizeof err->text)
            drop_half(err);
    }
    return code;
}

mu_code mu_fail_errno(mu_err *err, const char *format, ...)
{
    int saved = errno;
    mu_code code = saved == ENOMEM ? MU_E_NOMEM : MU_E_IO;
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        err->code = code;
        err->line = 0;
        err->column = 0;
        int used = vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
        if (used >= 0 && (size_t)used < sizeof err->text)
            snprintf(err->text + used, sizeof err->text - (size_t)used, ": %s", strerror(saved));
        drop_half(err);
    }
    return code;
}

const char *mu_code_name(mu_code code)
{
    static const char *const names[] = {"ok",        "syntax",    "type",     "input",
                                        "not_found", "conflict",  "limit",    "io",
                                        "corrupt",   "no_memory", "cancelled"};
    return (size_t)code < sizeof names / sizeof names[0] ? names[code] : "unknown";
}

_Noreturn void mu_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "muster: a bug: assertion `%s` failed at %s:%d\n", condition, file, line);
    abort();
}
