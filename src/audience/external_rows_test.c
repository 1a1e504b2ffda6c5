/* external_rows_test.c -- rows of a file, however its bytes arrive: the same rows, the same lines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "audience/external_int.h"
#include "tests/support/dice.h"

#include <stdlib.h>

typedef struct feed {
    mu_str text;
    size_t at, step; /* at most so many bytes at once */
    mu_buf rows;     /* what came out */
} feed;

static const mu_external_field fields[] = {
    {.name = {"mail", 4}, .namespace_code = {"Email", 5}, .is_graphed = true},
    {.name = {"age", 3}, .type = MU_EXTERNAL_INTEGER},
    {.name = {"segment", 7}, .namespace_code = {"Other", 5}},
};

static mu_code read_some(void *context, char *out, size_t capacity, size_t *n, mu_err *err)
{
    feed *f = context;
    (void)err;
    *n = f->text.len - f->at;
    *n = *n > f->step ? f->step : *n;
    *n = *n > capacity ? capacity : *n;
    if (*n > 0)
        memcpy(out, f->text.ptr + f->at, *n);
    f->at += *n;
    return MU_OK;
}

static mu_code take_row(void *context, uint32_t n, const mu_identity *identities,
                        uint32_t n_graphed, mu_err *err)
{
    feed *f = context;
    (void)err;
    for (uint32_t i = 0; i < n; i++)
        mu_buf_add_format(&f->rows, "%s" MU_STR_FMT ":" MU_STR_FMT,
                          i == 0          ? ""
                          : i < n_graphed ? "+"
                                          : "|",
                          MU_STR_ARG(identities[i].namespace_code),
                          MU_STR_ARG(identities[i].value));
    mu_buf_add_char(&f->rows, '\n');
    return MU_OK;
}

static mu_code read_text(mu_str text, size_t step, mu_arena *arena, mu_str *rows,
                         mu_external_report *report, mu_err *err)
{
    feed f = {.text = text, .step = step};
    mu_buf_init(&f.rows, SIZE_MAX);
    *report = (mu_external_report){.arena = arena};
    const mu_external_reading reading = {.n_fields = 3,
                                         .fields = fields,
                                         .report = report,
                                         .row = take_row,
                                         .read = read_some,
                                         .context = &f};
    mu_code code = mu_external_rows_read(&reading, MU_STR("f.csv"), err);
    *rows = mu_arena_copy(arena, mu_buf_str(&f.rows));
    mu_buf_free(&f.rows);
    return code;
}

static void expect(const char *text, const char *expected_rows, uint64_t n_rows, uint64_t n_bad)
{
    static const size_t steps[] = {1, 2, 3, 7, 4096, SIZE_MAX};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        mu_arena arena;
        mu_external_report report;
        mu_str rows;
        mu_err err = {0};
        mu_arena_init(&arena, SIZE_MAX);
        if (read_text(mu_str_from(text), steps[i], &arena, &rows, &report, &err) != MU_OK)
            fail_msg("%s: %s", text, err.text);
        if (!mu_str_equal(rows, mu_str_from(expected_rows)))
            fail_msg("%s in steps of %zu: " MU_STR_FMT, text, steps[i], MU_STR_ARG(rows));
        assert_int_equal(report.n_rows, n_rows);
        assert_int_equal(report.n_bad_rows, n_bad);
        mu_arena_free(&arena);
    }
}

static void rows_are_split_into_identities(void **state)
{
    (void)state;
    expect("mail,age,segment\na,1,x\n", "Email:a|Other:x\n", 1, 0);
    expect("segment,other,mail,age\r\nx,?,a,\r\n,,b,2", "Email:a|Other:x\nEmail:b\n", 2, 0);
    expect("mail,age,segment\n\"a,\"\"b\"\"\n\",1,\n", "Email:a,\"b\"\n\n", 1, 0);
    expect("\n \r\nmail,age,segment", "", 0, 0);
}

static void bad_rows_are_counted(void **state)
{
    (void)state;
    expect("mail,age,segment\na,old,\nb,1\nc,1,,\n,1,\nd,,\n", "Email:d\n", 5, 4);
    expect("mail,age,segment\n\"a\"b,1,\nc,1,\n", "Email:c\n", 2, 1);
    expect("mail,age,segment\nc,1,\n\"a,1,\n", "Email:c\n", 2, 1);
    expect("mail,age,segment\n\xff,1,\nc,1,\n", "Email:c\n", 2, 1);
}

static void a_header_must_have_every_field_once(void **state)
{
    static const char *const bad[] = {"",
                                      "\n\n",
                                      "mail,age\na,1\n",
                                      "mail,mail,age,segment\n",
                                      "mail;age;segment\n",
                                      "\"mail,age,segment\n",
                                      "\xff,age,segment,mail\n",
                                      "Mail,age,segment\n"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        mu_arena arena;
        mu_external_report report;
        mu_str rows;
        mu_err err;
        mu_arena_init(&arena, SIZE_MAX);
        assert_int_equal(read_text(mu_str_from(bad[i]), 5, &arena, &rows, &report, &err),
                         MU_E_INPUT);
        assert_int_equal(report.n_files, 0);
        mu_arena_free(&arena);
    }
}

/* A cell of 20 MB, in quotes or not, is one bad row; what follows is read. */
static void endless_rows_end(void **state)
{
    (void)state;
    for (int quoted = 0; quoted < 2; quoted++) {
        mu_buf text;
        mu_arena arena;
        mu_external_report report;
        mu_str rows;
        mu_err err;
        mu_buf_init(&text, SIZE_MAX);
        mu_arena_init(&arena, SIZE_MAX);
        mu_buf_add_str(&text, MU_STR("mail,age,segment\na,1,\n"));
        mu_buf_add_str(&text, quoted ? MU_STR("\"") : MU_STR("x"));
        for (int i = 0; i < 20 << 20; i++)
            mu_buf_add_char(&text, 'y');
        mu_buf_add_str(&text, MU_STR("\nb,2,\n"));
        assert_int_equal(read_text(mu_buf_str(&text), 65536, &arena, &rows, &report, &err), MU_OK);
        assert_true(mu_str_equal(rows, MU_STR("Email:a\nEmail:b\n")));
        assert_int_equal(report.n_bad_rows, 1);
        assert_int_equal(report.problems[0].line, 3);
        mu_buf_free(&text);
        mu_arena_free(&arena);
    }
}

static void only_the_first_problems_are_kept(void **state)
{
    mu_buf text;
    mu_arena arena;
    mu_external_report report;
    mu_str rows;
    mu_err err;
    (void)state;
    mu_buf_init(&text, SIZE_MAX);
    mu_arena_init(&arena, SIZE_MAX);
    mu_buf_add_str(&text, MU_STR("mail,age,segment\n"));
    for (int i = 0; i < 1000; i++)
        mu_buf_add_str(&text, MU_STR("secret@example.com,old,\n"));
    assert_int_equal(read_text(mu_buf_str(&text), 100, &arena, &rows, &report, &err), MU_OK);
    assert_int_equal(report.n_bad_rows, 1000);
    assert_int_equal(report.n_problems, MU_EXTERNAL_PROBLEMS_MAX);
    for (uint32_t i = 0; i < report.n_problems; i++) {
        assert_int_equal(report.problems[i].line, i + 2);
        assert_int_equal(mu_str_find(report.problems[i].sentence, MU_STR("secret")), SIZE_MAX);
    }
    mu_buf_free(&text);
    mu_arena_free(&arena);
}

/* Random texts give the same rows, counts and lines however they arrive. */
static void steps_make_no_difference(void **state)
{
    static const char *const pieces[] = {"a",  "b@c", ",",    ",",      ",",
                                         "\n", "\n",  "\r\n", "\"",     "\"\"",
                                         "1",  " ",   "\xff", "x,1,\n", "\"q\",2,z\n"};
    mu_dice d;
    (void)state;
    uint64_t seed = mu_dice_seed("external_rows", 1);
    mu_dice_init(&d, seed);
    uint32_t n_cases = mu_dice_cases(6000);
    for (uint32_t i = 0; i < n_cases; i++) {
        mu_buf text;
        mu_arena arena;
        mu_external_report whole, some;
        mu_str rows, other;
        mu_err err;
        mu_buf_init(&text, SIZE_MAX);
        mu_arena_init(&arena, SIZE_MAX);
        mu_buf_add_str(&text, MU_STR("mail,age,segment\n"));
        for (uint32_t n = mu_dice_below(&d, 60); n > 0; n--)
            mu_buf_add_str(
                &text, mu_str_from(pieces[mu_dice_below(&d, sizeof pieces / sizeof pieces[0])]));
        assert_int_equal(read_text(mu_buf_str(&text), SIZE_MAX, &arena, &rows, &whole, &err),
                         MU_OK);
        assert_int_equal(
            read_text(mu_buf_str(&text), 1 + mu_dice_below(&d, 9), &arena, &other, &some, &err),
            MU_OK);
        if (!mu_str_equal(rows, other) || whole.n_bad_rows != some.n_bad_rows ||
            whole.n_rows != some.n_rows || whole.n_problems != some.n_problems)
            fail_msg("seed %llu, case %u: " MU_STR_FMT, (unsigned long long)seed, i,
                     MU_STR_ARG(mu_buf_str(&text)));
        for (uint32_t k = 0; k < whole.n_problems; k++)
            assert_int_equal(whole.problems[k].line, some.problems[k].line);
        mu_buf_free(&text);
        mu_arena_free(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_split_into_identities),
        cmocka_unit_test(bad_rows_are_counted),
        cmocka_unit_test(a_header_must_have_every_field_once),
        cmocka_unit_test(endless_rows_end),
        cmocka_unit_test(only_the_first_problems_are_kept),
        cmocka_unit_test(steps_make_no_difference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
