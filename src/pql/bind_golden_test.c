/* bind_golden_test.c -- binding: names, types, errors and warnings, mostly as golden text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "pql/bind_int.h"
#include "tests/support/golden.h"

typedef struct fixture {
    mu_arena arena;
    mu_json_reader *reader;
    const mu_schema *luma;
    const mu_schema *schema; /* of the cases; NULL for none */
    bool knows_segments;
} fixture;

static const mu_schema *luma_schema(mu_arena *arena, mu_json_reader *reader)
{
    mu_str text;
    mu_json json;
    mu_err err = {0};
    const mu_schema *schema = NULL;
    const char *path = MUSTER_SOURCE_DIR "/tests/data/luma-schema.json";
    if (mu_file_read(arena, path, 1 << 20, &text, &err) != MU_OK ||
        mu_json_read(reader, arena, text, &json, &err) != MU_OK ||
        mu_schema_extend(arena, mu_schema_builtin(arena), &json, &schema, &err) != MU_OK)
        fail_msg("%s", err.text);
    return schema;
}

static int set_up(void **state)
{
    fixture *f = test_calloc(1, sizeof *f);
    mu_arena_init(&f->arena, SIZE_MAX);
    f->reader = mu_json_reader_new();
    f->luma = luma_schema(&f->arena, f->reader);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    mu_json_reader_free(f->reader);
    mu_arena_free(&f->arena);
    test_free(f);
    return 0;
}

/* Audiences called A1 to A14 exist; their ids are in lower case. */
static mu_str find_segment(void *context, mu_str name)
{
    fixture *f = context;
    if (name.len == 0 || (name.ptr[0] != 'A' && name.ptr[0] != 'a'))
        return MU_STR("");
    return mu_arena_format(&f->arena, "id-of-" MU_STR_FMT, MU_STR_ARG(name));
}

static const mu_pql *parsed(fixture *f, mu_str text, mu_pql_diagnostics *diagnostics)
{
    const mu_pql *query = NULL;
    mu_pql_diagnostics_init(diagnostics, &f->arena);
    if (mu_pql_parse(&f->arena, text, &query, diagnostics) != MU_OK)
        return NULL;
    return query;
}

/* The tree, or NULL with the errors in `diagnostics`. */
static const mu_pql *bound(fixture *f, mu_str text, mu_pql_diagnostics *diagnostics)
{
    const mu_pql *query = parsed(f, text, diagnostics);
    mu_pql_bind_options options = {.schema = f->schema,
                                   .must_be_condition = true,
                                   .find_segment = f->knows_segments ? find_segment : NULL,
                                   .context = f};
    const mu_pql *out = NULL;
    if (query == NULL || mu_pql_bind(&f->arena, query, &options, &out, diagnostics) != MU_OK)
        return NULL;
    assert_non_null(out);
    return out;
}

static const mu_pql *bound_without_errors(fixture *f, const char *text)
{
    mu_pql_diagnostics diagnostics;
    const mu_pql *out = bound(f, mu_str_from(text), &diagnostics);
    if (out == NULL)
        fail_msg("%s: " MU_STR_FMT, text,
                 MU_STR_ARG(mu_pql_diagnostic_line(&f->arena, &diagnostics.items[0])));
    return out;
}

/* -------- golden -------- */

static void golden_instruction(fixture *f, mu_str text)
{
    if (mu_str_equal(text, MU_STR("schema none")))
        f->schema = NULL;
    else if (mu_str_equal(text, MU_STR("schema luma")))
        f->schema = f->luma;
    else if (mu_str_equal(text, MU_STR("audiences known")))
        f->knows_segments = true;
    else if (mu_str_equal(text, MU_STR("audiences any")))
        f->knows_segments = false;
    else
        fail_msg("unknown instruction " MU_STR_FMT, MU_STR_ARG(text));
}

static void golden_case(void *context, bool is_instruction, mu_str text, mu_buf *out)
{
    fixture *f = context;
    mu_pql_diagnostics diagnostics;
    if (is_instruction) {
        golden_instruction(f, text);
        return;
    }
    const mu_pql *query = bound(f, text, &diagnostics);
    for (uint32_t i = 0; i < diagnostics.n; i++)
        mu_buf_add_format(out, MU_STR_FMT "\n",
                          MU_STR_ARG(mu_pql_diagnostic_line(&f->arena, &diagnostics.items[i])));
    if (query == NULL)
        return;
    mu_buf_add_format(out, MU_STR_FMT ": ", MU_STR_ARG(mu_type_name(&f->arena, query->type)));
    mu_pql_write_text(out, query);
    mu_buf_add_char(out, '\n');
}

static void expressions_bind_as_written_down(void **state)
{
    assert_true(mu_golden_run("bind.txt", golden_case, *state) > 100);
}

/* -------- the table of examples -------- */

static bool next_field(mu_str *rest, char end, mu_str *out)
{
    if (rest->len == 0)
        return false;
    const char *at = memchr(rest->ptr, end, rest->len);
    size_t len = at == NULL ? rest->len : (size_t)(at - rest->ptr);
    *out = (mu_str){rest->ptr, len};
    size_t used = at == NULL ? len : len + 1;
    *rest = (mu_str){rest->ptr + used, rest->len - used};
    return true;
}

/* "PQL-T02: ...", "semantic PQL-V03: ..." */
static mu_str code_of_note(mu_str note)
{
    size_t at = mu_str_find(note, MU_STR("PQL-"));
    return at == SIZE_MAX ? MU_STR("") : (mu_str){note.ptr + at, 7};
}

static void check_example(fixture *f, mu_str row)
{
    mu_str id = {0}, category = {0}, text = {0}, note = {0};
    mu_pql_diagnostics diagnostics;
    assert_true(next_field(&row, '\t', &id) && next_field(&row, '\t', &category) &&
                next_field(&row, '\t', &text) && next_field(&row, '\t', &note));
    const mu_pql *query = bound(f, text, &diagnostics);
    bool must_fail = mu_str_equal(category, MU_STR("invalid"));
    if (!must_fail && query == NULL)
        fail_msg(MU_STR_FMT ": " MU_STR_FMT, MU_STR_ARG(id),
                 MU_STR_ARG(mu_pql_diagnostic_line(&f->arena, &diagnostics.items[0])));
    if (!must_fail)
        return;
    if (query != NULL)
        fail_msg(MU_STR_FMT ": binds", MU_STR_ARG(id));
    mu_str code = mu_str_from(diagnostics.items[0].code);
    if (!mu_str_equal(code, code_of_note(note)))
        fail_msg(MU_STR_FMT ": " MU_STR_FMT, MU_STR_ARG(id),
                 MU_STR_ARG(mu_pql_diagnostic_line(&f->arena, &diagnostics.items[0])));
}

static void all_examples_bind_or_fail_with_their_class(void **state)
{
    fixture *f = *state;
    mu_str text = {0}, row = {0};
    mu_err err = {0};
    size_t n = 0;
    if (mu_file_read(&f->arena, MUSTER_SOURCE_DIR "/tests/data/pql-examples.tsv", 1 << 20, &text,
                     &err) != MU_OK)
        fail_msg("%s", err.text);
    assert_true(next_field(&text, '\n', &row));
    for (; next_field(&text, '\n', &row); n++)
        check_example(f, row);
    assert_int_equal(n, 184);
}

/* -------- invariants of the bound tree -------- */

typedef struct id_check {
    uint32_t n;
    bool seen[64];
} id_check;

static void check_node(void *context, const mu_pql *node)
{
    id_check *check = context;
    assert_non_null(node->type);
    assert_true(node->kind != MU_PQL_FUNCTION_REFERENCE);
    assert_true(node->id < 64);
    assert_false(check->seen[node->id]);
    check->seen[node->id] = true;
    check->n++;
    mu_pql_children(node, check_node, check);
}

static void ids_are_dense_and_every_node_has_a_type(void **state)
{
    fixture *f = *state;
    static const char *const texts[] = {
        "profile.repo:createDate.isNotNull() and (P) => true",
        "xEvent[repo:x = 1 and timestamp occurs <= 7 days before now].count() > 1",
        "numbers.map(square).sum() > profile.person.age",
        "chain(xEvent, timestamp, [A: WHAT(a = 1) WHEN(today), B: WHAT(b = A.b) "
        "WHEN(<= 3 days after A), EXCLUDE(WHAT(c = 1) WHERE(d))])",
        "(sum A.x * 2 over A from xEvent where A.y, B from A.items) between 1",
        "exists A from xEvent where A.t occurs between today and tomorrow, B from A.b : B.c = 1",
        "modelInstances(\"https://ns.adobe.com/xdm/context/experienceevent\")[a = 1]",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        mu_pql_diagnostics diagnostics;
        if (parsed(f, mu_str_from(texts[i]), &diagnostics) == NULL)
            continue;
        id_check check = {0};
        const mu_pql *query = bound_without_errors(f, texts[i]);
        check_node(&check, query);
        for (uint32_t id = 0; id < check.n; id++)
            assert_true(check.seen[id]);
        assert_int_equal(query->id, 0);
    }
}

static void the_parsed_tree_stays_as_it_was(void **state)
{
    fixture *f = *state;
    mu_pql_diagnostics diagnostics;
    mu_pql_bind_options options = {.find_segment = find_segment, .context = f};
    const mu_pql *query =
        parsed(f, MU_STR("inSegment(\"A1\") and profile.xdm:a = 1"), &diagnostics);
    mu_buf before, after;
    const mu_pql *out = NULL;
    mu_buf_init(&before, 1 << 20);
    mu_buf_init(&after, 1 << 20);
    mu_pql_write_json(&before, query);
    assert_int_equal(mu_pql_bind(&f->arena, query, &options, &out, &diagnostics), MU_OK);
    mu_pql_write_json(&after, query);
    assert_true(mu_str_equal(mu_buf_str(&before), mu_buf_str(&after)));
    mu_buf_clear(&after);
    mu_pql_write_text(&after, out);
    assert_string_equal(mu_arena_copy(&f->arena, mu_buf_str(&after)).ptr,
                        "inSegment(\"id-of-A1\") and a = 1");
    mu_buf_free(&before);
    mu_buf_free(&after);
}

static const mu_pql *find_field(const mu_pql *node, const char *name)
{
    while (node->kind != MU_PQL_FIELD || !mu_str_equal(node->name, mu_str_from(name)))
        node = node->args[0];
    return node;
}

static void relationship_hops_name_their_class(void **state)
{
    fixture *f = *state;
    f->schema = f->luma;
    const mu_pql *query =
        bound_without_errors(f, "_luma.preferences.storeId.address.city = \"Paris\"");
    assert_int_equal(find_field(query, "city")->hop_class.len, 0);
    const mu_pql *address = find_field(query, "address");
    assert_true(mu_str_equal(address->hop_class, MU_STR("stores")));
    assert_int_equal(find_field(query, "storeId")->hop_class.len, 0);
    query = bound_without_errors(f, "xEvent.productListItems.SKU.soldBy.name = \"x\"");
    assert_true(mu_str_equal(find_field(query, "soldBy")->hop_class, MU_STR("products")));
    assert_true(mu_str_equal(find_field(query, "name")->hop_class, MU_STR("stores")));
}

/* The first error's code, or "" when the text binds. */
static const char *first_error(fixture *f, const mu_buf *text)
{
    mu_pql_diagnostics diagnostics;
    if (bound(f, mu_buf_str(text), &diagnostics) != NULL)
        return "";
    return mu_arena_copy(&f->arena, mu_str_from(diagnostics.items[0].code)).ptr;
}

static void too_many_conditions_are_refused(void **state)
{
    fixture *f = *state;
    mu_buf text;
    mu_buf_init(&text, 1 << 20);
    for (int i = 0; i < 500; i++)
        mu_buf_add_format(&text, "%sa%d = 1", i == 0 ? "" : " and ", i);
    assert_string_equal(first_error(f, &text), "");
    MU_BUF_ADD(&text, " and b = 1");
    assert_string_equal(first_error(f, &text), "PQL-V02");
    mu_buf_free(&text);
}

static void entangled_conditions_are_refused(void **state)
{
    fixture *f = *state;
    for (int pairs = 10; pairs <= 11; pairs++) { /* 1,024 and 2,048 clauses */
        mu_buf text;
        mu_buf_init(&text, 1 << 20);
        for (int i = 0; i < pairs; i++)
            mu_buf_add_format(&text, "%s(a%d = 1 and b%d = 2)", i == 0 ? "" : " or ", i, i);
        assert_string_equal(first_error(f, &text), pairs == 10 ? "" : "PQL-V02");
        mu_buf_free(&text);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(expressions_bind_as_written_down),
        TEST(all_examples_bind_or_fail_with_their_class),
        TEST(ids_are_dense_and_every_node_has_a_type),
        TEST(the_parsed_tree_stays_as_it_was),
        TEST(relationship_hops_name_their_class),
        TEST(too_many_conditions_are_refused),
        TEST(entangled_conditions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
