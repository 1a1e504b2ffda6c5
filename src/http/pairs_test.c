/* pairs_test.c -- tests/golden/http-query.txt, line by line. */
#include "http/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

typedef struct table {
    mu_arena arena;
    unsigned line;
    bool has_query, is_refused;
    mu_http_pairs pairs;
    mu_err err;
    size_t n_seen; /* pairs that lines have named */
    unsigned n_checks;
} table;

/* \xHH to bytes, in place. */
static mu_str unescape(char *text)
{
    size_t len = 0;
    for (char *at = text; *at != '\0'; at++) {
        if (at[0] == '\\' && at[1] == 'x') {
            char digits[3] = {at[2], at[3], '\0'};
            text[len++] = (char)strtoul(digits, NULL, 16);
            at += 3;
        } else {
            text[len++] = *at;
        }
    }
    return (mu_str){text, len};
}

static void finish_query(table *of)
{
    if (of->has_query && !of->is_refused && of->n_seen != of->pairs.n)
        fail_msg("before line %u: %zu pairs, %zu named", of->line, of->pairs.n, of->n_seen);
}

static void take_query(table *of, mu_str query)
{
    finish_query(of);
    of->has_query = true;
    of->n_seen = 0;
    mu_str kept = mu_arena_copy(&of->arena, query);
    of->is_refused = mu_http_pairs_parse(&of->arena, kept, 12, &of->pairs, &of->err) != MU_OK;
}

static void check_pair(table *of, mu_str name, mu_str value)
{
    if (of->is_refused)
        fail_msg("line %u: refused: %s", of->line, of->err.text);
    if (of->n_seen >= of->pairs.n)
        fail_msg("line %u: there is no such pair", of->line);
    mu_http_pair pair = of->pairs.items[of->n_seen++];
    if (!mu_str_equal(pair.name, name) || !mu_str_equal(pair.value, value))
        fail_msg("line %u: found " MU_STR_FMT ": " MU_STR_FMT, of->line, MU_STR_ARG(pair.name),
                 MU_STR_ARG(pair.value));
}

static void check_integer(table *of, mu_str name, mu_str expected)
{
    char text[32] = "!";
    int64_t value;
    if (mu_http_pairs_integer(&of->pairs, name, 77, &value, &of->err) == MU_OK)
        snprintf(text, sizeof(text), "%lld", (long long)value);
    if (mu_str_equal(expected, MU_STR("-")))
        expected = MU_STR("77");
    if (!mu_str_equal(mu_str_from(text), expected))
        fail_msg("line %u: the integer is %s", of->line, text);
}

static void check_boolean(table *of, mu_str name, mu_str expected)
{
    const char *text = "!";
    bool value;
    if (mu_http_pairs_boolean(&of->pairs, name, true, &value, &of->err) == MU_OK)
        text = value ? "true" : "false";
    if (!mu_str_equal(mu_str_from(text), expected))
        fail_msg("line %u: the boolean is %s", of->line, text);
}

static void check_line(table *of, char *line)
{
    if (line[0] == '\0' || line[0] == '#')
        return;
    char *rest = line[1] == '\0' ? line + 1 : line + 2;
    of->n_checks++;
    if (line[0] == '?') {
        take_query(of, mu_str_from(rest));
        return;
    }
    if (line[0] == '!') {
        if (!of->is_refused || strcmp(of->err.text, rest) != 0)
            fail_msg("line %u: not refused with that text", of->line);
        return;
    }
    char *colon = strstr(rest, ": ");
    assert_non_null(colon);
    *colon = '\0';
    mu_str name = unescape(rest), value = unescape(colon + 2);
    if (line[0] == '=')
        check_pair(of, name, value);
    else if (line[0] == 'I')
        check_integer(of, name, value);
    else if (line[0] == 'B')
        check_boolean(of, name, value);
    else
        fail_msg("line %u: what is that?", of->line);
}

static void queries_mean_what_the_table_says(void **state)
{
    (void)state;
    table of = {0};
    char line[4096];
    FILE *file = fopen(MUSTER_SOURCE_DIR "/tests/golden/http-query.txt", "r");
    assert_non_null(file);
    mu_arena_init(&of.arena, SIZE_MAX);
    while (fgets(line, sizeof(line), file) != NULL) {
        of.line++;
        line[strcspn(line, "\n")] = '\0';
        check_line(&of, line);
    }
    finish_query(&of);
    assert_true(of.n_checks > 90);
    fclose(file);
    mu_arena_free(&of.arena);
}

static void repeated_parameters_are_walked(void **state)
{
    (void)state;
    mu_arena arena;
    mu_http_pairs pairs;
    mu_arena_init(&arena, SIZE_MAX);
    assert_int_equal(mu_http_pairs_parse(&arena,
                                         MU_STR("property=a==1&x=0&Property=b==2&property="), 10,
                                         &pairs, NULL),
                     MU_OK);
    size_t at = 0;
    mu_str value;
    assert_true(mu_http_pairs_next(&pairs, MU_STR("property"), &at, &value));
    assert_true(mu_str_equal(value, MU_STR("a==1")));
    assert_true(mu_http_pairs_next(&pairs, MU_STR("property"), &at, &value));
    assert_true(mu_str_equal(value, MU_STR("b==2")));
    assert_false(mu_http_pairs_next(&pairs, MU_STR("property"), &at, &value));
    mu_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries_mean_what_the_table_says),
        cmocka_unit_test(repeated_parameters_are_walked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
