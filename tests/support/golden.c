#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/golden.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>

/* Takes the first line off `text`, without its end. */
static mu_str next_line(mu_str *text)
{
    const char *end = memchr(text->ptr, '\n', text->len);
    size_t len = end == NULL ? text->len : (size_t)(end - text->ptr);
    mu_str line = {text->ptr, len};
    size_t used = end == NULL ? len : len + 1;
    *text = (mu_str){text->ptr + used, text->len - used};
    return line;
}

static void skip_result(mu_str *rest)
{
    while (rest->len > 0 && memchr("#@>\n", rest->ptr[0], 4) == NULL)
        next_line(rest);
}

static size_t run_cases(mu_str text, mu_golden_body *body, void *context, mu_buf *out)
{
    size_t n = 0;
    while (text.len > 0) {
        mu_str line = next_line(&text);
        mu_buf_add_str(out, line);
        mu_buf_add_char(out, '\n');
        if (mu_str_starts_with(line, MU_STR("> "))) {
            skip_result(&text);
            body(context, false, (mu_str){line.ptr + 2, line.len - 2}, out);
            n++;
        } else if (mu_str_starts_with(line, MU_STR("@"))) {
            body(context, true, (mu_str){line.ptr + 1, line.len - 1}, out);
        }
    }
    return n;
}

static void rewrite(const char *path, mu_str text)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text.ptr, 1, text.len, file), text.len);
    assert_int_equal(fclose(file), 0);
}

static void compare(const char *name, mu_str expected, mu_str actual)
{
    mu_str test_case = {"", 0};
    for (int line = 1; expected.len > 0 || actual.len > 0; line++) {
        mu_str a = next_line(&expected);
        mu_str b = next_line(&actual);
        if (!mu_str_equal(a, b))
            fail_msg("tests/golden/%s:%d differs in the case\n  " MU_STR_FMT
                     "\nexpected: " MU_STR_FMT "\ngot:      " MU_STR_FMT
                     "\n(MUSTER_GOLDEN_UPDATE=1 rewrites the file)",
                     name, line, MU_STR_ARG(test_case), MU_STR_ARG(a), MU_STR_ARG(b));
        if (a.len > 0 && a.ptr[0] == '>')
            test_case = a;
    }
}

size_t mu_golden_run(const char *name, mu_golden_body *body, void *context)
{
    char path[512];
    mu_arena arena;
    mu_str expected;
    mu_err err = {0};
    mu_buf actual;
    snprintf(path, sizeof path, "%s/tests/golden/%s", MUSTER_SOURCE_DIR, name);
    mu_arena_init(&arena, SIZE_MAX);
    if (mu_file_read(&arena, path, 1 << 24, &expected, &err) != MU_OK)
        fail_msg("%s", err.text);
    mu_buf_init(&actual, 1 << 25);
    size_t n = run_cases(expected, body, context, &actual);
    assert_false(actual.failed);
    const char *update = getenv("MUSTER_GOLDEN_UPDATE");
    if (update != NULL && update[0] == '1')
        rewrite(path, mu_buf_str(&actual));
    else
        compare(name, expected, mu_buf_str(&actual));
    mu_buf_free(&actual);
    mu_arena_free(&arena);
    return n;
}
