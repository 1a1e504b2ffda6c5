#include "base/file.h"
#include "tests/support/pql_round_trip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

typedef struct fixture {
    mu_arena arena;
    mu_pql_diagnostics diagnostics;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    mu_arena_init(&f->arena, SIZE_MAX);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    mu_arena_free(&f->arena);
    free(f);
    return 0;
}

static mu_code parse(fixture *f, mu_str source, const mu_pql **out)
{
    mu_pql_diagnostics_init(&f->diagnostics, &f->arena);
    return mu_pql_parse(&f->arena, source, out, &f->diagnostics);
}

static mu_str first_line(fixture *f)
{
    return f->diagnostics.n == 0 ? MU_STR("no message")
                                 : mu_pql_diagnostic_line(&f->arena, &f->diagnostics.items[0]);
}

static const mu_pql *must_parse(fixture *f, mu_str source)
{
    const mu_pql *query = NULL;
    if (parse(f, source, &query) != MU_OK)
        fail_msg(MU_STR_FMT "\n" MU_STR_FMT, MU_STR_ARG(source), MU_STR_ARG(first_line(f)));
    return query;
}

static void assert_round_trips(fixture *f, mu_str source)
{
    mu_str problem = pql_round_trip(&f->arena, must_parse(f, source));
    if (problem.ptr != NULL)
        fail_msg(MU_STR_FMT "\n" MU_STR_FMT, MU_STR_ARG(source), MU_STR_ARG(problem));
}

static void assert_text(fixture *f, const char *source, const char *expected)
{
    pql_printed printed = pql_print(&f->arena, must_parse(f, mu_str_from(source)));
    if (!mu_str_equal(printed.text, mu_str_from(expected)))
        fail_msg("%s\nprints  " MU_STR_FMT "\nexpects %s", source, MU_STR_ARG(printed.text),
                 expected);
    assert_round_trips(f, mu_str_from(source));
}

/* Fails with exactly this one error. */
static void assert_error(fixture *f, mu_str source, const char *code)
{
    const mu_pql *untouched = (const mu_pql *)f, *query = untouched;
    mu_code result = parse(f, source, &query);
    if (result != MU_E_SYNTAX || f->diagnostics.n_errors != 1 || query != untouched ||
        strcmp(f->diagnostics.items[f->diagnostics.n - 1].code, code) != 0)
        fail_msg("expected %s from " MU_STR_FMT "\ngot " MU_STR_FMT, code, MU_STR_ARG(source),
                 MU_STR_ARG(first_line(f)));
}

static void assert_place(fixture *f, mu_str source, const char *code, uint32_t line,
                         uint32_t column)
{
    assert_error(f, source, code);
    const mu_pql_diagnostic *error = &f->diagnostics.items[0];
    if (error->line != line || error->column != column)
        fail_msg(MU_STR_FMT "\n" MU_STR_FMT "\nexpected at %u:%u", MU_STR_ARG(source),
                 MU_STR_ARG(first_line(f)), line, column);
}

/* -------- the tables -------- */

static mu_str read_data(fixture *f, const char *name)
{
    char path[4096];
    mu_str text;
    mu_err err = {0};
    snprintf(path, sizeof path, "%s/tests/%s", MUSTER_SOURCE_DIR, name);
    if (mu_file_read(&f->arena, path, (size_t)1 << 24, &text, &err) != MU_OK)
        fail_msg("%s", err.text);
    return text;
}

/* Cuts the next piece up to `separator` off `rest`; false when nothing is left. */
static bool cut(mu_str *rest, char separator, mu_str *piece)
{
    if (rest->len == 0)
        return false;
    const char *end = memchr(rest->ptr, separator, rest->len);
    size_t len = end == NULL ? rest->len : (size_t)(end - rest->ptr);
    *piece = (mu_str){rest->ptr, len};
    size_t taken = end == NULL ? len : len + 1;
    *rest = (mu_str){rest->ptr + taken, rest->len - taken};
    return true;
}

/* Rows that parse and are refused by mu_pql_bind; its tests check the codes. */
static bool is_for_binder(mu_str id)
{
    static const char *const rows[] = {"P166", "P169", "P174", "P175", "P179",
                                       "P180", "P181", "P182", "P183", "P184"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (mu_str_equal(id, mu_str_from(rows[i])))
            return true;
    return false;
}

static void check_row(fixture *f, mu_str id, mu_str category, mu_str expression, mu_str note)
{
    bool is_invalid = mu_str_equal(category, MU_STR("invalid"));
    if (!is_invalid || is_for_binder(id)) {
        assert_round_trips(f, expression);
        return;
    }
    char code[8] = {0};
    assert_true(note.len > 7);
    memcpy(code, note.ptr, 7);
    assert_error(f, expression, code);
}

static void every_example_parses_and_round_trips_or_fails_as_named(void **state)
{
    fixture *f = *state;
    mu_str rest = read_data(f, "data/pql-examples.tsv"), line;
    size_t n_rows = 0;
    assert_true(cut(&rest, '\n', &line)); /* the heading */
    while (cut(&rest, '\n', &line)) {
        mu_str id = {0}, category = {0}, expression = {0}, note = {0};
        assert_true(cut(&line, '\t', &id) && cut(&line, '\t', &category) &&
                    cut(&line, '\t', &expression) && cut(&line, '\t', &note));
        check_row(f, id, category, expression, note);
        n_rows++;
    }
    assert_int_equal(n_rows, 184);
}

static void assert_printed(mu_str got, mu_str expected)
{
    if (!mu_str_equal(got, expected))
        fail_msg("printed  " MU_STR_FMT "\nexpected " MU_STR_FMT, MU_STR_ARG(got),
                 MU_STR_ARG(expected));
}

/* text, perhaps "= canonical text", tree */
static void check_worked_example(fixture *f, mu_str text, mu_str *rest)
{
    mu_str canonical = text, tree = {0};
    assert_true(cut(rest, '\n', &tree));
    if (mu_str_starts_with(tree, MU_STR("= "))) {
        canonical = (mu_str){tree.ptr + 2, tree.len - 2};
        assert_true(cut(rest, '\n', &tree));
    }
    pql_printed from_text = pql_print(&f->arena, must_parse(f, text));
    assert_printed(from_text.json, tree);
    assert_printed(from_text.text, canonical);
    pql_printed from_tree = pql_print(&f->arena, must_parse(f, tree));
    assert_printed(from_tree.json, tree);
    assert_printed(from_tree.text, canonical);
    assert_int_equal(f->diagnostics.n, 0);
}

static void worked_examples_convert_byte_for_byte_both_ways(void **state)
{
    fixture *f = *state;
    mu_str rest = read_data(f, "data/pql-worked-examples.txt"), line;
    size_t n_examples = 0;
    while (cut(&rest, '\n', &line)) {
        if (line.len == 0 || line.ptr[0] == '#')
            continue;
        check_worked_example(f, line, &rest);
        n_examples++;
    }
    assert_int_equal(n_examples, 24);
}

/* -------- golden pictures -------- */

/* Blocks of "> source" lines and the pictures of every message, separated by blank lines. */
static void pictures_of(fixture *f, mu_str source, mu_buf *out)
{
    const mu_pql *query;
    mu_code code = parse(f, source, &query);
    for (uint32_t i = 0; i < f->diagnostics.n; i++) {
        mu_buf_add_str(out, mu_pql_diagnostic_picture(&f->arena, &f->diagnostics.items[i], source));
        mu_buf_add_char(out, '\n');
    }
    if (code == MU_OK)
        MU_BUF_ADD(out, "ok\n");
}

static void run_golden(fixture *f, mu_str golden, mu_buf *out)
{
    mu_buf source;
    mu_str line;
    mu_buf_init(&source, (size_t)1 << 20);
    while (cut(&golden, '\n', &line)) {
        bool is_source = mu_str_starts_with(line, MU_STR("> "));
        if (is_source || (line.len > 0 && line.ptr[0] == '#')) {
            mu_buf_add_str(out, line);
            mu_buf_add_char(out, '\n');
        }
        if (is_source && source.len > 0)
            mu_buf_add_char(&source, '\n');
        if (is_source)
            mu_buf_add(&source, line.ptr + 2, line.len - 2);
        if (line.len == 0 && source.len > 0) {
            pictures_of(f, mu_buf_str(&source), out);
            mu_buf_clear(&source);
        }
        if (line.len == 0)
            mu_buf_add_char(out, '\n');
    }
    mu_buf_free(&source);
}

static void errors_look_like_the_golden_file(void **state)
{
    fixture *f = *state;
    mu_str golden = read_data(f, "golden/errors.txt");
    mu_buf got;
    mu_buf_init(&got, (size_t)1 << 24);
    run_golden(f, golden, &got);
    if (getenv("MUSTER_GOLDEN_UPDATE") != NULL) {
        FILE *file = fopen(MUSTER_SOURCE_DIR "/tests/golden/errors.txt", "w");
        assert_non_null(file);
        assert_int_equal(fwrite(got.ptr, 1, got.len, file), got.len);
        assert_int_equal(fclose(file), 0);
    } else if (!mu_str_equal(mu_buf_str(&got), golden)) {
        fail_msg("tests/golden/errors.txt is not what is printed now (MUSTER_GOLDEN_UPDATE=1 "
                 "rewrites it):\n" MU_STR_FMT,
                 MU_STR_ARG(mu_buf_str(&got)));
    }
    mu_buf_free(&got);
}

/* -------- grammar -------- */

static void precedence_follows_the_table(void **state)
{
    static const char *const rows[][2] = {
        {"(not (a = 1)) and (b = 2)", "not a = 1 and b = 2"},
        {"not (a = 1 and b = 2)", "not (a = 1 and b = 2)"},
        {"!a.isNull() or c", "not a.isNull() or c"},
        {"a = 1 or (b = 2 and c = 3)", "a = 1 or b = 2 and c = 3"},
        {"(a = 1 or b = 2) and c = 3", "(a = 1 or b = 2) and c = 3"},
        {"a and (b and c)", "a and (b and c)"},
        {"(a and b) and c", "(a and b) and c"},
        {"a and b and c", "a and b and c"},
        {"1 + (2 * 3) = 7", "1 + 2 * 3 = 7"},
        {"(8 / 4) / 2", "8 / 4 / 2"},
        {"8 / (4 / 2)", "8 / (4 / 2)"},
        {"10 - (3 - 2)", "10 - (3 - 2)"},
        {"(-(a.b)) * 2", "-a.b * 2"},
        {"-(a.b * 2)", "-(a.b * 2)"},
        {"--a", "--a"},
        {"- -3", "3"},
        {"-(3)", "-3"},
        {"a - -3", "a - -3"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"- -9223372036854775808", "--9223372036854775808"},
        {"(-3).abs()", "abs(-3)"},
        {"(5).x", "(5).x"},
        {"(x in [1, 2]) and y", "x in [1, 2] and y"},
        {"(a + 1) in [2]", "a + 1 in [2]"},
        {"a + (1 in [2])", "a + (1 in [2])"},
        {"(a = b) = c", "(a = b) = c"},
        {"a = (not b)", "a = (not b)"},
        {"(a = 1).isNull()", "(a = 1).isNull()"},
        {"let x = (a in b) in x", "let x = (a in b) in x"},
        {"let x = [a in b] in x", "let x = [a in b] in x"},
        {"let x = let y = 1 in y in x", "let x = (let y = 1 in y) in x"},
        {"(let x = 1 in x) + 1", "(let x = 1 in x) + 1"},
        {"x => x + 1", "(x) => x + 1"},
        {"((x, y) => x)", "(x, y) => x"},
        {"a.map(((x) => x + 1))", "a.map((x) => x + 1)"},
        {"t occurs <= 3 days before now and p", "t occurs <= 3 days before now and p"},
        {"t occurs between yesterday and tomorrow and p",
         "t occurs between yesterday and tomorrow and p"},
        {"not t occurs today", "not t occurs today"},
        {"(t occurs today).isNull()", "(t occurs today).isNull()"},
        {"(select e from xEvent).count() > 3", "(select e from xEvent).count() > 3"},
        {"a.filter(b)[c]", "a[b][c]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_text(*state, rows[i][0], rows[i][1]);
}

static void words_are_keywords_only_where_expected(void **state)
{
    static const char *const rows[][2] = {
        {"`and` = `Or`", "`and` = `Or`"},
        {"sum = 1 and count.value > 2", "`sum` = 1 and `count`.value > 2"},
        {"sum - 1", "`sum` - 1"},
        {"sum[a = 1]", "`sum`[a = 1]"},
        {"min in [1]", "`min` in [1]"},
        {"x.and.or.not", "x.and.or.not"},
        {"x.select(1)", "x.select(1)"},
        {"all from = 1 or exists = 2", NULL},
        {"IN(a, b)", "a in b"},
        {"and(a, b, c)", "a and b and c"},
        {"a.like(\"x%\")", "a like \"x%\""},
        {"`=`(a, b)", "a = b"},
        {"`=`(a)", "a.`=`()"},
        {"and(a)", "a.and()"},
        {"`chain`()", "`chain`()"},
        {"chain = if", "chain = if"},
        {"year = 5 and days = 1", "year = 5 and days = 1"},
        {"SUM(a) + Count(b)", "a.SUM() + b.Count()"},
        {"SUM (a.b) over a from c", "sum a.b over a from c"},
        {"sum sum 1 over x from a over y from b", "sum (sum 1 over x from a) over y from b"},
        {"sum sum(5) + 1 over x from y", "sum sum(5) + 1 over x from y"},
        {"sum (1 + sum(5)) over x from y", "sum (1 + sum(5)) over x from y"},
        {"sum (-x) over x from y", "sum (-x) over x from y"},
        {"sum ((X.p + X.q) * 2) over X from L", "sum ((X.p + X.q) * 2) over X from L"},
        {"count (a = 1) over x from y", "count (a = 1) over x from y"},
        {"some x from xEvent : x.a", "exists x from xEvent where x.a"},
        {"all `from` from y", "forall `from` from y"},
        {"exists(xEvent, a = 1)", "xEvent.exists(a = 1)"},
        {"exists()", "exists()"},
        {"f(exists E from L where c, 2)", "f(exists E from L where c, 2)"},
        {"f(exists E from L, I from E.m where c)", "f(exists E from L, I from E.m where c)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i][1] == NULL)
            assert_error(*state, mu_str_from(rows[i][0]), "PQL-S01");
        else if (strcmp(rows[i][0], "f(exists E from L where c, 2)") == 0 ||
                 strncmp(rows[i][0], "f(", 2) == 0)
            assert_round_trips(*state, mu_str_from(rows[i][0]));
        else
            assert_text(*state, rows[i][0], rows[i][1]);
    }
}

static void names_mean_what_their_scope_says(void **state)
{
    static const char *const rows[][2] = {
        {"xEvent[xEvent.count() > 1]", "xEvent[xEvent.count() > 1]"},
        {"a[this.xEvent]", "a[this.xEvent]"},
        {"a[$1.b]", "a[^.b]"},
        {"a[$1 = this]", "a[$1 = this]"},
        {"a[b[^this = ^.this]]", "a[b[^this = ^.this]]"},
        {"a[b[^^x = $1.x]]", "a[b[^^.x = ^^.x]]"},
        {"$1.xEvent", "xEvent"},
        {"a[$2.b = $2]", "a[$2.b = $2]"},
        {"select xEvent from a where this.xEvent", "select xEvent from a where this.xEvent"},
        {"select a from b where c[this.a = a.x]", "select a from b where c[this.a = a.x]"},
        {"let a = a in a", "let a = a in a"},
        {"let a = this in this.a", "let a = this in this.a"},
        {"(p) => $1.p = p", "(p) => this.p = p"},
        {"@{profile}.a", "a"},
        {"@id = `xdm:b` and xdm:c = 1", "@id = xdm:b and xdm:c = 1"},
        {"CHAIN(l, t, [A: WHAT(A), B: WHAT(A) WHEN(after A), C: WHAT(this.A)])",
         "CHAIN(l, t, [A: WHAT(A), B: WHAT(A) WHEN(after A), C: WHAT(this.A)])"},
        {"select `a b` from `c``d` where `a b`.e", "select `a b` from `c``d` where `a b`.e"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_text(*state, rows[i][0], rows[i][1]);
}

static void time_sugar_becomes_the_plain_form(void **state)
{
    static const char *const rows[][2] = {
        {"t occurs on today", "t occurs today"},
        {"t occurs on d", "t occurs on d"},
        {"t occurs d", "t occurs on d"},
        {"t occurs within 2 weeks from d", "t occurs <= 2 weeks from d"},
        {"t occurs last 7 days", "t occurs <= 7 days before now"},
        {"t occurs in last 7 days before now", "t occurs <= 7 days before now"},
        {"t occurs next 1 month after now", "t occurs <= 1 months after now"},
        {"t occurs last month", "t occurs last month"},
        {"t occurs after 3 days from today", "t occurs after 3 days after today"},
        {"t occurs ((7 days before now))", "t occurs on 7 days before now"},
        {"t occurs (this week)", "t occurs this week"},
        {"t occurs before (a.b).c", "t occurs before a.b.c"},
        {"t occurs between (7 days before now) and (next week) ignoreYear",
         "t occurs between 7 days before now and next week ignoring year"},
        {"t occurs 1 day after 2 days before now", "t occurs on 1 days after 2 days before now"},
        {"t occurs 5 + 1", "t occurs on 5 + 1"},
        {"t occurs this", "t occurs on this"},
        {"t occurs = 0 Centuries before Now", "t occurs = 0 centuries before now"},
        {"let x = t occurs in last 7 days in x", "let x = t occurs <= 7 days before now in x"},
        {"t occurs before `last`", "t occurs before `last`"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_text(*state, rows[i][0], rows[i][1]);
}

static void stored_forms_of_calls_become_the_plain_ones(void **state)
{
    assert_text(*state, "stringCompare(\"startsWith\", a, \"x\", false)",
                "a.startsWith(\"x\", false)");
    assert_text(*state, "stringCompare(b, a, \"x\")", "b.stringCompare(a, \"x\")");
    assert_text(*state, "array(1, a)", "[1, a]");
    assert_text(*state, "`!`(a)", "not a");
    assert_text(*state, "a.exist()", "a.exist()"); /* unknown, in both formats */
    assert_text(*state, "numbers.map(square).sum()", "numbers.map(square).sum()");
}

static void lexical_errors_have_their_codes(void **state)
{
    fixture *f = *state;
    assert_place(f, MU_STR("a = \"x"), "PQL-L01", 1, 5);
    assert_place(f, MU_STR("a\n = `x"), "PQL-L01", 2, 4);
    assert_place(f, MU_STR("a /* b"), "PQL-L01", 1, 3);
    assert_place(f, MU_STR("a = ``"), "PQL-L01", 1, 5);
    assert_place(f, MU_STR("a = \"x\ny\""), "PQL-L01", 1, 7);
    assert_place(f, MU_STR("a = \"x\ty\""), "PQL-L01", 1, 7);
    assert_place(f, MU_STR("a = # b"), "PQL-L01", 1, 5);
    assert_place(f, MU_STR("a = $"), "PQL-L01", 1, 5);
    assert_place(f, MU_STR("\xc3\xa9 = 1"), "PQL-L01", 1, 1);
    assert_place(f, MU_STR("\"\xc3\xa9\" = \xe2\x80\x9cx"), "PQL-L01", 1, 7);
    assert_place(f, MU_STR("a = \"b\xff\""), "PQL-L01", 1, 7);
    assert_place(f, MU_STR("a\0"), "PQL-L01", 1, 2);
    assert_place(f, MU_STR("@{a b}.c"), "PQL-L01", 1, 1);
    assert_place(f, MU_STR("@{a"), "PQL-L01", 1, 1);
    assert_place(f, MU_STR("@ a"), "PQL-L01", 1, 1);
    assert_place(f, MU_STR("a = \"\\ud800\""), "PQL-L02", 1, 6);
    assert_place(f, MU_STR("a = \"b\\\""), "PQL-L01", 1, 5);
    assert_place(f, MU_STR("a = \"\\"), "PQL-L01", 1, 5);
    assert_place(f, MU_STR("a = 'b\\x'"), "PQL-L02", 1, 7);
    assert_place(f, MU_STR("a = 1e400"), "PQL-L03", 1, 5);
    assert_place(f, MU_STR("a = 1."), "PQL-L03", 1, 5);
    assert_place(f, MU_STR("a = .5"), "PQL-L03", 1, 5);
    assert_place(f, MU_STR("$0.a"), "PQL-L03", 1, 1);
    assert_place(f, MU_STR("$99999999999.a"), "PQL-L03", 1, 1);
    assert_place(f, MU_STR("t occurs <= 9223372036854775808 days before now"), "PQL-L03", 1, 13);
    /* the first mistake is the one reported */
    assert_place(f, MU_STR("a = = \"x"), "PQL-S01", 1, 5);
}

static void syntax_errors_have_their_codes(void **state)
{
    fixture *f = *state;
    assert_place(f, MU_STR(""), "PQL-S01", 1, 1);
    assert_place(f, MU_STR("a <> b"), "PQL-S01", 1, 4);
    assert_place(f, MU_STR("a = not b"), "PQL-S01", 1, 5);
    assert_place(f, MU_STR("a occurs today = b"), "PQL-S01", 1, 16);
    assert_place(f, MU_STR("a + let x = 1 in x"), "PQL-S01", 1, 5);
    assert_place(f, MU_STR("{\"a\": 1, \"a\": 2}"), "PQL-S01", 1, 1);
    assert_place(f, MU_STR("(a]"), "PQL-S02", 1, 3);
    assert_place(f, MU_STR("f(a"), "PQL-S02", 1, 4);
    assert_place(f, MU_STR("(a b)"), "PQL-S01", 1, 4);
    assert_place(f, MU_STR("t occurs"), "PQL-S03", 1, 9);
    assert_place(f, MU_STR("t occurs 3 fortnights before now"), "PQL-S03", 1, 12);
    assert_place(f, MU_STR("t occurs 3 days"), "PQL-S03", 1, 16);
    assert_place(f, MU_STR("t occurs in last week"), "PQL-S03", 1, 18);
    assert_place(f, MU_STR("t occurs last 3 days before today"), "PQL-S03", 1, 29);
    assert_place(f, MU_STR("t occurs today ignoring days"), "PQL-S03", 1, 25);
    assert_place(f, MU_STR("CHAIN(l, t, [WHAT(a) WHAT(b)])"), "PQL-S04", 1, 22);
    assert_place(f, MU_STR("CHAIN(l, t, [WHAT(a) WHEN(today) WHEN(today)])"), "PQL-S04", 1, 34);
    assert_place(f, MU_STR("CHAIN(l, t, [EXCLUDE(WHAT(a))])"), "PQL-S04", 1, 1);
    assert_place(f, MU_STR("CHAIN(l, t, [WHAT(a), EXCLUDE(WHAT(a) COUNT(= 2))])"), "PQL-S04", 1,
                 23);
    assert_place(f, MU_STR("CHAIN(l, t, [WHAT(a) COUNT(-1)])"), "PQL-S04", 1, 28);
    assert_place(f, MU_STR("CHAIN(l, t, [WHAT(a)]"), "PQL-S02", 1, 22);
    assert_place(f, MU_STR("a[^^b]"), "PQL-S05", 1, 3);
    assert_place(f, MU_STR("select a from b, a from c"), "PQL-S06", 1, 18);
    assert_place(f, MU_STR("(a, a) => a"), "PQL-S06", 1, 1);
    assert_place(f, MU_STR("let x = a in"), "PQL-S01", 1, 13);
    assert_place(f, MU_STR("let x = a b"), "PQL-S07", 1, 11);
    assert_place(f, MU_STR("CHAIN(l, t, [WHAT(a), GAP(1 days), GAP(2 days), WHAT(b)])"), "PQL-S08",
                 1, 36);
    assert_place(f, MU_STR("CHAIN(l, t, [WHAT(a), GAP(1 days), EXCLUDE(WHAT(b))])"), "PQL-S08", 1,
                 23);
}

/* -------- limits -------- */

/* `n` times `left`, `middle`, `n` times `right`. */
static mu_str nested(fixture *f, const char *left, const char *middle, const char *right, int n)
{
    mu_buf buf;
    mu_buf_init(&buf, SIZE_MAX / 4);
    for (int i = 0; i < n; i++)
        mu_buf_add_str(&buf, mu_str_from(left));
    mu_buf_add_str(&buf, mu_str_from(middle));
    for (int i = 0; i < n; i++)
        mu_buf_add_str(&buf, mu_str_from(right));
    mu_str text = mu_arena_copy(&f->arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return text;
}

static void nesting_is_limited(void **state)
{
    static const struct {
        const char *left, *middle, *right;
        int fits;
    } rows[] = {
        {"(", "a = 1", ")", 200},
        {"not ", "a", "", 198},
        {"-", "a", "", 198},
        {"", "a", ".b", 198},
        {"", "a", " + 1", 198},
        {"a[", "b", "]", 99},
        {"[", "1", "]", 199},
        {"{\"a\": ", "1", "}", 199},
        {"f(", "a", ")", 198},
        {"(select e from ", "a", ")", 99},
        {"let x = 1 in ", "x", "", 99},
        {"x => ", "x", "", 99},
        {"sum ", "sum 1 over x from a", " over y from b", 65},
        {"CHAIN(l, t, [WHAT(", "a", ")])", 66},
        {"CHAIN(l, t, [WHAT(a) WHEN(on ", "now", ")])", 98},
        {"t occurs on (", "a = 1", ")", 98},
    };
    fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].fits > 0)
            assert_round_trips(
                f, nested(f, rows[i].left, rows[i].middle, rows[i].right, rows[i].fits));
        assert_error(f, nested(f, rows[i].left, rows[i].middle, rows[i].right, 201), "PQL-S01");
        assert_error(f, nested(f, rows[i].left, rows[i].middle, rows[i].right, 10000), "PQL-S01");
        assert_error(f, nested(f, rows[i].left, "", "", 20000), "PQL-S01");
    }
}

static void nesting_of_times_is_limited(void **state)
{
    fixture *f = *state;
    mu_str fits = nested(f, "1 days after ", "now", "", 190);
    mu_str deep = nested(f, "1 days after ", "now", "", 10000);
    mu_str open = nested(f, "(", "now", "", 100000);
    assert_round_trips(f, mu_arena_format(&f->arena, "t occurs " MU_STR_FMT, MU_STR_ARG(fits)));
    assert_error(f, mu_arena_format(&f->arena, "t occurs " MU_STR_FMT, MU_STR_ARG(deep)),
                 "PQL-S01");
    assert_error(f, mu_arena_format(&f->arena, "t occurs " MU_STR_FMT, MU_STR_ARG(open)),
                 "PQL-S01");
}

static void nesting_of_trees_is_limited(void **state)
{
    fixture *f = *state;
    const char *not_ = "{\"nodeType\":\"fnApply\",\"fnName\":\"not\",\"params\":[";
    const char *leaf = "{\"nodeType\":\"literal\",\"value\":true}";
    assert_round_trips(f, nested(f, not_, leaf, "]}", 199));
    assert_error(f, nested(f, not_, leaf, "]}", 200), "PQL-J01");
    assert_error(f, nested(f, not_, leaf, "]}", 400), "PQL-J01");
    assert_error(f, nested(f, not_, leaf, "]}", 20000), "PQL-J01");
}

static void long_texts_are_refused(void **state)
{
    fixture *f = *state;
    assert_error(f, nested(f, " ", "a", " ", (int)MU_PQL_TEXT_MAX), "PQL-S01");
    must_parse(f, nested(f, " ", "a", " ", (int)MU_PQL_TEXT_MAX / 2 - 1));
    assert_round_trips(f, nested(f, "a or ", "a", "", 2000));
    assert_error(f, nested(f, "`", "", "", 100001), "PQL-L01");
}

/* -------- trees -------- */

static void other_tools_trees_are_read(void **state)
{
    static const char *const rows[][2] = {
        /* no object, no literalType */
        {"{\"nodeType\":\"fnApply\",\"fnName\":\"=\",\"params\":[{\"nodeType\":\"fieldLookup\","
         "\"fieldName\":\"a\"},{\"nodeType\":\"literal\",\"value\":[1,2.0,\"x\",null,true]}]}",
         "a = [1, 2.0, \"x\", null, true]"},
        {"{\"nodeType\":\"fieldLookup\",\"fieldName\":\"a\",\"object\":{\"nodeType\":\"literal\","
         "\"literalType\":\"XDMObject\",\"value\":\"profile\"}}",
         "a"},
        {"{\"nodeType\":\"exist\",\"variables\":[{\"nodeType\":\"varDecl\",\"varName\":\"x\","
         "\"from\":{\"nodeType\":\"fieldLookup\",\"fieldName\":\"l\"}}],\"condition\":{"
         "\"nodeType\":"
         "\"varRef\",\"varName\":\"x\"}}",
         "exists x from l where x"},
        {"{\"nodeType\":\"forall\",\"variables\":[{\"nodeType\":\"varDecl\",\"varName\":\"x\","
         "\"from\":{\"nodeType\":\"fieldLookup\",\"fieldName\":\"l\"},\"where\":{\"nodeType\":"
         "\"varRef\",\"varName\":\"x\"}}],\"condition\":{\"nodeType\":\"literal\",\"value\":true}}",
         "forall x from l where x and true"},
        {"{\"nodeType\":\"fnApply\",\"function\":{\"nodeType\":\"literal\",\"literalType\":"
         "\"Function\",\"fnName\":\"map\"},\"params\":[{\"nodeType\":\"fieldLookup\",\"fieldName\":"
         "\"l\"},{\"nodeType\":\"literal\",\"literalType\":\"Function\",\"fnName\":\"square\"}]}",
         "l.map(this.square())"},
        {"{\"nodeType\":\"fnApply\",\"fnName\":\"filter\",\"params\":[{\"nodeType\":"
         "\"fieldLookup\","
         "\"fieldName\":\"l\"},{\"nodeType\":\"fnCreate\",\"params\":[{\"varName\":\"x\"}],"
         "\"body\":"
         "{\"nodeType\":\"varRef\",\"varName\":\"x\"}}]}",
         "l[(x) => x]"},
        {"{\"nodeType\":\"fnApply\",\"fnName\":\"stringCompare\",\"params\":[{\"nodeType\":"
         "\"literal\",\"literalType\":\"String\",\"value\":\"equals\"},{\"nodeType\":"
         "\"fieldLookup\","
         "\"fieldName\":\"a\"},{\"nodeType\":\"literal\",\"literalType\":\"String\",\"value\":\"\"}"
         ","
         "{\"nodeType\":\"literal\",\"literalType\":\"Boolean\",\"value\":false}]}",
         "a.equals(\"\", false)"},
        {"{\"nodeType\":\"occurs\",\"timestamp\":{\"nodeType\":\"fieldLookup\",\"fieldName\":\"t\"}"
         ","
         "\"relation\":\"before\",\"qualification\":{\"nodeType\":\"timeQualification\","
         "\"comparison\":\"<\",\"duration\":{\"nodeType\":\"duration\",\"count\":3,\"unit\":"
         "\"miliseconds\"}},\"timeinterval\":{\"nodeType\":\"literal\",\"literalType\":"
         "\"Timestamp\","
         "\"value\":\"now\"}}",
         "t occurs < 3 milliseconds before now"},
        {"{\"nodeType\":\"fnApply\",\"fnName\":\"!\",\"params\":[{\"nodeType\":\"fnApply\","
         "\"fnName\":\"-\",\"params\":[{\"nodeType\":\"literal\",\"literalType\":\"Number\","
         "\"value\":5}]}]}",
         "not -5"},
        {"{\"nodeType\":\"lambda\",\"body\":{\"nodeType\":\"fieldLookup\",\"fieldName\":\"a\"}}",
         "a"},
        {"{\"nodeType\":\"quantification\",\"quantifier\":\"some\",\"variables\":[{\"nodeType\":"
         "\"varDecl\",\"varName\":\"1x\",\"from\":{\"nodeType\":\"fnApply\",\"fnName\":"
         "\"modelInstances\",\"params\":[{\"nodeType\":\"literal\",\"literalType\":\"String\","
         "\"value\":\"https://ns.adobe.com/xdm/context/experienceevent\"}]}}]}",
         "exists `1x` from modelInstances(\"https://ns.adobe.com/xdm/context/experienceevent\")"},
        {"{\"nodeType\":\"literal\",\"literalType\":\"Integer\",\"value\":5.0}", "5"},
        {"{\"nodeType\":\"literal\",\"literalType\":\"Double\",\"value\":5}", "5.0"},
        {"{\"nodeType\":\"literal\",\"value\":[[1],[]]}", "[[1], []]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_text(*state, rows[i][0], rows[i][1]);
}

static void unknown_members_are_warned_about(void **state)
{
    fixture *f = *state;
    must_parse(f, MU_STR("{\"nodeType\":\"fieldLookup\",\"fieldName\":\"a\",\"x/y~\":1,\"object\":"
                         "{\"nodeType\":\"parameterReference\",\"position\":1,\"id\":7}}"));
    assert_int_equal(f->diagnostics.n, 2);
    assert_int_equal(f->diagnostics.n_errors, 0);
    assert_true(f->diagnostics.items[0].is_warning);
    assert_printed(first_line(f), MU_STR("/x~1y~0 W07 the member \"x/y~\" is not known; ignored"));
    assert_printed(mu_pql_diagnostic_line(&f->arena, &f->diagnostics.items[1]),
                   MU_STR("/object/id W07 the member \"id\" is not known; ignored"));
}

static void warnings_do_not_grow_without_bound(void **state)
{
    fixture *f = *state;
    mu_buf tree;
    mu_buf_init(&tree, (size_t)1 << 20);
    MU_BUF_ADD(&tree, "{\"nodeType\":\"literal\"");
    for (int i = 0; i < 5000; i++)
        mu_buf_add_format(&tree, ",\"m%d\":0", i);
    MU_BUF_ADD(&tree, ",\"value\":1}");
    must_parse(f, mu_buf_str(&tree));
    assert_int_equal(f->diagnostics.n, 101);
    mu_buf_free(&tree);
}

static void malformed_trees_name_the_place(void **state)
{
    static const char *const rows[][2] = {
        {"{\"nodeType\":\"fnApply\",\"fnName\":\"not\",\"params\":[{\"nodeType\":\"x\"}]}",
         "/params/0/nodeType PQL-J02 unknown nodeType \"x\""},
        {"{\"nodeType\":\"fnApply\",\"params\":[]}", "PQL-J01 the member \"function\" is missing"},
        {"{\"nodeType\":\"fnApply\",\"fnName\":\"not\",\"params\":[1]}",
         "/params/0 PQL-J01 a node: an object with nodeType expected"},
        {"{\"nodeType\":\"varRef\",\"varName\":\"x\"}", "PQL-R02 no variable 'x' here"},
        {"{\"nodeType\":\"parameterReference\",\"position\":1,\"up\":1}",
         "PQL-S05 '^' goes beyond the root: 1 up, 0 scopes around it"},
        {"{\"nodeType\":\"parameterReference\",\"position\":0}",
         "/position PQL-J01 a position from 1 on expected"},
        {"{\"nodeType\":\"duration\"}", "PQL-J01 a duration node is no value"},
        {"{\"nodeType\":\"literal\",\"literalType\":\"Function\",\"fnName\":\"x\",\"value\":1}",
         "PQL-J01 a literal of type \"Function\" is no value here"},
        {"{\"nodeType\":\"fnApply\",\"fnName\":\"not\",\"params\":[{\"nodeType\":\"lambda\","
         "\"body\":{\"nodeType\":\"literal\",\"value\":1}}]}",
         "/params/0 PQL-J01 a lambda without params stands only where an item is evaluated"},
        {"{\"nodeType\":\"select\",\"variables\":[{\"nodeType\":\"varDecl\",\"varName\":\"x\","
         "\"from\":{\"nodeType\":\"fieldLookup\",\"fieldName\":\"l\"}},{\"nodeType\":\"varDecl\","
         "\"varName\":\"x\",\"from\":{\"nodeType\":\"fieldLookup\",\"fieldName\":\"l\"}}]}",
         "/variables/1 PQL-S06 the name 'x' is declared twice"},
        {"{\"nodeType\": 1e999}",
         "line 1:14 PQL-J01 1e999 is not a number of JSON, or too large for a double"},
    };
    fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const mu_pql *query;
        assert_int_equal(parse(f, mu_str_from(rows[i][0]), &query), MU_E_SYNTAX);
        assert_printed(first_line(f), mu_str_from(rows[i][1]));
    }
}

static void node_ids_are_dense(void **state)
{
    fixture *f = *state;
    const mu_pql *query = must_parse(f, MU_STR("a.b = 1 and xEvent[c].count() > 2"));
    assert_int_equal(query->id, 0);
    assert_int_equal(query->args[0]->id, 1);
    assert_int_equal(query->args[0]->args[0]->id, 2);          /* a.b */
    assert_int_equal(query->args[0]->args[0]->args[0]->id, 3); /* a */
    assert_int_equal(query->args[0]->args[0]->args[0]->args[0]->id, 4);
    assert_int_equal(query->args[0]->args[1]->id, 5);
    assert_int_equal(query->args[1]->id, 6);
}

/* -------- chance -------- */

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static int n_cases(void)
{
    return getenv("MUSTER_QUICK") != NULL ? 2000 : 20000;
}

/* Exactly one syntax error, or a tree that reads back. */
static void assert_answered(fixture *f, mu_str source)
{
    const mu_pql *query = NULL;
    if (parse(f, source, &query) != MU_OK) {
        if (f->diagnostics.n_errors != 1)
            fail_msg("%u errors from " MU_STR_FMT, f->diagnostics.n_errors, MU_STR_ARG(source));
        mu_str picture = mu_pql_diagnostic_picture(
            &f->arena, &f->diagnostics.items[f->diagnostics.n - 1], source);
        assert_true(picture.len > 0);
        return;
    }
    mu_str problem = pql_round_trip(&f->arena, query);
    if (problem.ptr != NULL)
        fail_msg(MU_STR_FMT "\n" MU_STR_FMT, MU_STR_ARG(source), MU_STR_ARG(problem));
}

static void random_bytes_get_an_answer(void **state)
{
    fixture *f = *state;
    uint64_t seed = 20240511;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int i = 0; i < n_cases(); i++) {
        char bytes[64];
        size_t len = next_random(&seed) % sizeof bytes;
        uint64_t range = next_random(&seed) % 2 == 0 ? 256 : 96;
        for (size_t k = 0; k < len; k++)
            bytes[k] = (char)(next_random(&seed) % range + (range == 96 ? 32 : 0));
        assert_answered(f, (mu_str){bytes, len});
        mu_arena_reset(&f->arena);
    }
}

static void random_tokens_get_an_answer(void **state)
{
    static const char *const tokens[] = {"a",
                                         "b",
                                         ".",
                                         "(",
                                         ")",
                                         "[",
                                         "]",
                                         ",",
                                         "=",
                                         "<=",
                                         "1",
                                         "2.5",
                                         "\"s\"",
                                         "and",
                                         "or",
                                         "not",
                                         "in",
                                         "let",
                                         "select",
                                         "from",
                                         "where",
                                         "sum",
                                         "over",
                                         "exists",
                                         "forall",
                                         "occurs",
                                         "before",
                                         "now",
                                         "today",
                                         "3 days",
                                         "this",
                                         "week",
                                         "last",
                                         "between",
                                         "^",
                                         "$1",
                                         "$2",
                                         "=>",
                                         "x",
                                         "(x)",
                                         "+",
                                         "-",
                                         "*",
                                         "{",
                                         "}",
                                         ":",
                                         "CHAIN(xEvent, timestamp, [",
                                         "WHAT(",
                                         "WHEN(",
                                         "COUNT(",
                                         "GAP(",
                                         "EXCLUDE(",
                                         "])",
                                         "A: ",
                                         ".map(",
                                         ".count()",
                                         "[this",
                                         "if(",
                                         "xEvent",
                                         "`in`",
                                         "@{s}",
                                         "date(1, 2, 3)",
                                         "ignoring year",
                                         "select x from a where",
                                         "sum x over x from a",
                                         "t occurs <= 3 days before",
                                         "(a = 1)",
                                         "like",
                                         "-1",
                                         "5"};
    fixture *f = *state;
    uint64_t seed = 20240512;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int i = 0; i < n_cases(); i++) {
        char text[1024];
        size_t len = 0, n = next_random(&seed) % 14;
        for (size_t k = 0; k < n; k++) {
            const char *token = tokens[next_random(&seed) % (sizeof tokens / sizeof tokens[0])];
            len += (size_t)snprintf(text + len, sizeof text - len, "%s ", token);
        }
        assert_answered(f, (mu_str){text, len});
        mu_arena_reset(&f->arena);
    }
}

/* Examples with a token lost, doubled or moved: closer to what people mistype. */
static void damaged_examples_get_an_answer(void **state)
{
    fixture *f = *state;
    uint64_t seed = 20240513;
    print_message("seed %llu\n", (unsigned long long)seed);
    mu_arena kept;
    mu_arena_init(&kept, SIZE_MAX);
    mu_str all = mu_arena_copy(&kept, read_data(f, "data/pql-examples.tsv"));
    for (int i = 0; i < n_cases(); i++) {
        char text[512];
        size_t from = next_random(&seed) % (all.len - 80), len = 0;
        for (size_t k = 0; k < 80; k++) {
            char c = all.ptr[from + k];
            uint64_t luck = next_random(&seed) % 40;
            if (luck == 0)
                continue;
            text[len++] = c == '\t' || c == '\n' ? ' ' : c;
            if (luck == 1)
                text[len++] = c;
        }
        assert_answered(f, (mu_str){text, len});
        mu_arena_reset(&f->arena);
    }
    mu_arena_free(&kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_example_parses_and_round_trips_or_fails_as_named,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(worked_examples_convert_byte_for_byte_both_ways, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(errors_look_like_the_golden_file, setup, teardown),
        cmocka_unit_test_setup_teardown(precedence_follows_the_table, setup, teardown),
        cmocka_unit_test_setup_teardown(words_are_keywords_only_where_expected, setup, teardown),
        cmocka_unit_test_setup_teardown(names_mean_what_their_scope_says, setup, teardown),
        cmocka_unit_test_setup_teardown(time_sugar_becomes_the_plain_form, setup, teardown),
        cmocka_unit_test_setup_teardown(stored_forms_of_calls_become_the_plain_ones, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(lexical_errors_have_their_codes, setup, teardown),
        cmocka_unit_test_setup_teardown(syntax_errors_have_their_codes, setup, teardown),
        cmocka_unit_test_setup_teardown(nesting_is_limited, setup, teardown),
        cmocka_unit_test_setup_teardown(nesting_of_times_is_limited, setup, teardown),
        cmocka_unit_test_setup_teardown(nesting_of_trees_is_limited, setup, teardown),
        cmocka_unit_test_setup_teardown(long_texts_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(other_tools_trees_are_read, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_members_are_warned_about, setup, teardown),
        cmocka_unit_test_setup_teardown(warnings_do_not_grow_without_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(malformed_trees_name_the_place, setup, teardown),
        cmocka_unit_test_setup_teardown(node_ids_are_dense, setup, teardown),
        cmocka_unit_test_setup_teardown(random_bytes_get_an_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(random_tokens_get_an_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_examples_get_an_answer, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
