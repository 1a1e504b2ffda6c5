/* load_errors_test.c -- tests/golden/load-errors.txt: what is rejected, and why. */
#include "tests/support/load_fixture.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define GOLDEN MUSTER_SOURCE_DIR "/tests/golden/load-errors.txt"

static mu_str next_line(mu_str *rest)
{
    const char *end = memchr(rest->ptr, '\n', rest->len);
    size_t len = end == NULL ? rest->len : (size_t)(end - rest->ptr);
    mu_str line = {rest->ptr, len};
    size_t used = end == NULL ? len : len + 1;
    *rest = (mu_str){rest->ptr + used, rest->len - used};
    return line;
}

/* A line of the file with its marks replaced. */
static void add_input(mu_buf *out, mu_str line)
{
    static const struct {
        mu_str mark;
        char byte;
    } marks[] = {{{"<NUL>", 5}, 0}, {{"<FF>", 4}, (char)0xff}, {{"<CR>", 4}, '\r'}};
    bool ends = true;
    for (size_t at = 0; at < line.len;) {
        mu_str rest = {line.ptr + at, line.len - at};
        size_t used = 1;
        char byte = rest.ptr[0];
        for (size_t m = 0; m < sizeof marks / sizeof *marks; m++)
            if (mu_str_starts_with(rest, marks[m].mark)) {
                byte = marks[m].byte;
                used = marks[m].mark.len;
            }
        if (mu_str_starts_with(rest, MU_STR("<EOF>"))) {
            ends = false;
            break;
        }
        mu_buf_add_char(out, byte);
        at += used;
    }
    if (ends)
        mu_buf_add_char(out, '\n');
}

static mu_str option(mu_str title, const char *name)
{
    size_t at = mu_str_find(title, mu_str_from(name));
    if (at == SIZE_MAX)
        return MU_STR("");
    at += strlen(name);
    mu_str rest = {title.ptr + at, title.len - at};
    size_t end = mu_str_find(rest, MU_STR(" "));
    return (mu_str){rest.ptr, end == SIZE_MAX ? rest.len : end};
}

static void run_case(mu_str title, mu_str input, mu_buf *out)
{
    mu_load_fixture f;
    mu_load_fixture_init(&f);
    bool is_csv = mu_str_ends_with(title, MU_STR(" csv"));
    mu_str schema = option(title, "schema=");
    f.options.is_strict = mu_str_ends_with(title, MU_STR(" strict"));
    f.options.class_name = option(title, "class=");
    if (schema.len > 0)
        f.options.schema_file = mu_load_fixture_schema(&f, mu_arena_copy(&f.arena, schema).ptr);
    const char *path = mu_load_fixture_file(&f, is_csv ? "in.csv" : "in.ndjson", input);
    mu_code code = mu_load_fixture_load(&f, 1, &path);
    if (code != MU_OK) {
        mu_buf_add_format(out, "the load fails: %s\n", f.err.text);
    } else {
        mu_buf_add_str(out, mu_buf_str(&f.rejects));
        mu_buf_add_format(out, "read %d, loaded %d\n", (int)f.summary.n_read,
                          (int)f.summary.n_loaded);
    }
    mu_load_fixture_verify(&f);
    mu_load_fixture_fini(&f);
}

static void run_all(mu_str golden, mu_buf *out)
{
    bool in_input = false, in_output = false;
    mu_str title = MU_STR("");
    mu_buf input;
    mu_buf_init(&input, 1 << 20);
    while (golden.len > 0) {
        mu_str line = next_line(&golden);
        if (mu_str_starts_with(line, MU_STR("== "))) {
            title = line;
            in_input = true;
            in_output = false;
            mu_buf_clear(&input);
            mu_buf_add_str(out, line);
            mu_buf_add_char(out, '\n');
            continue;
        }
        if (in_output && line.len > 0)
            continue;
        in_output = false;
        mu_buf_add_str(out, line);
        mu_buf_add_char(out, '\n');
        if (in_input && mu_str_equal(line, MU_STR("--"))) {
            in_input = false;
            in_output = true;
            run_case(title, mu_buf_str(&input), out);
        } else if (in_input) {
            add_input(&input, line);
        }
    }
    mu_buf_free(&input);
}

static void rejected_lines_are_those_of_the_table(void **state)
{
    (void)state;
    mu_arena arena;
    mu_str golden;
    mu_err err;
    mu_buf found;
    mu_arena_init(&arena, SIZE_MAX);
    mu_buf_init(&found, 1 << 24);
    assert_int_equal(mu_file_read(&arena, GOLDEN, 1 << 24, &golden, &err), MU_OK);
    run_all(golden, &found);
    if (getenv("MUSTER_GOLDEN_UPDATE") != NULL) {
        FILE *file = fopen(GOLDEN, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(found.ptr, 1, found.len, file), found.len);
        assert_int_equal(fclose(file), 0);
    } else {
        mu_str expected = golden, actual = mu_buf_str(&found);
        for (int line = 1; expected.len > 0 || actual.len > 0; line++) {
            mu_str want = next_line(&expected), got = next_line(&actual);
            if (!mu_str_equal(want, got))
                fail_msg("line %d:\n  expected " MU_STR_FMT "\n  found    " MU_STR_FMT, line,
                         MU_STR_ARG(want), MU_STR_ARG(got));
        }
    }
    mu_buf_free(&found);
    mu_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rejected_lines_are_those_of_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
