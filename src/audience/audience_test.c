/* audience_test.c -- books follow their documents; rules are read against them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "audience/audience.h"
#include "base/time.h"
#include "tests/support/part_rows.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct fixture {
    mu_arena arena;
    char *folder;
    mu_documents *documents;
    mu_shelves *shelves;
    mu_audience_books *books;
    const mu_audience_book *book; /* of the last `read_book` */
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    mu_arena_init(&f->arena, SIZE_MAX);
    f->folder = mu_make_temporary_folder();
    assert_int_equal(mu_documents_open(f->folder, &f->documents, NULL), MU_OK);
    assert_int_equal(mu_shelves_new(f->documents, MU_STR("prod"), &f->shelves, NULL), MU_OK);
    assert_int_equal(mu_audience_books_new(f->shelves, &f->books, NULL), MU_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    mu_audience_book_release(f->book);
    mu_audience_books_free(f->books);
    mu_shelves_free(f->shelves);
    mu_documents_close(f->documents);
    mu_remove_folder(f->folder);
    mu_arena_free(&f->arena);
    free(f);
    return 0;
}

static void edit(fixture *f, mu_document_action action, mu_str id, mu_str json)
{
    const mu_document_edit one = {
        .action = action, .kind = MU_AUDIENCE_KIND, .id = id, .json = json};
    mu_err err;
    if (mu_shelves_edit(f->shelves, 1000, 1, &one, &err) != MU_OK)
        fail_msg("%s", err.text);
}

static const mu_audience_book *read_book(fixture *f)
{
    mu_audience_book_release(f->book);
    f->book = NULL;
    assert_int_equal(mu_audience_book_acquire(f->books, &f->book, NULL), MU_OK);
    return f->book;
}

/* `uses`: ids as JSON strings with commas between. */
static void put(fixture *f, const char *id, const char *name, const char *uses, bool has_events)
{
    edit(f, MU_DOCUMENT_PUT, mu_str_from(id),
         mu_arena_format(&f->arena,
                         "{\"id\":\"%s\",\"audienceId\":\"%s\",\"name\":\"%s\",\"type\":"
                         "\"SegmentDefinition\",\"namespace\":\"AEPSegments\",\"expression\":"
                         "{\"type\":\"PQL\",\"format\":\"pql/text\",\"value\":\"a = 1\"},"
                         "\"evaluationInfo\":{\"batch\":{\"enabled\":true}},\"dependencies\":[%s],"
                         "\"$hasEvents\":%s}",
                         id, id, name, uses, has_events ? "true" : "false"));
}

static void put_external(fixture *f, const char *id, const char *namespace_code,
                         const char *audience_id)
{
    edit(f, MU_DOCUMENT_PUT, mu_str_from(id),
         mu_arena_format(&f->arena,
                         "{\"id\":\"%s\",\"audienceId\":\"%s\",\"name\":\"list\",\"type\":"
                         "\"ExternalSegment\",\"namespace\":\"%s\"}",
                         id, audience_id, namespace_code));
}

static const mu_audience *must_find(fixture *f, const char *id)
{
    const mu_audience *found = mu_audience_find(f->book, mu_str_from(id));
    assert_non_null(found);
    return found;
}

static void assert_text(mu_str text, const char *expected)
{
    if (!mu_str_equal(text, mu_str_from(expected)))
        fail_msg("\"" MU_STR_FMT "\" is not \"%s\"", MU_STR_ARG(text), expected);
}

/* -------- books -------- */

static void a_sandbox_without_audiences_has_an_empty_book(void **state)
{
    fixture *f = *state;
    assert_int_equal(read_book(f)->n, 0);
    assert_null(mu_audience_find(f->book, MU_STR("a")));
    assert_null(mu_audience_find_external(f->book, MU_STR(""), MU_STR("a")));
    assert_null(mu_audience_find_reference(f->book, MU_STR("")));
}

static void an_audience_is_read_from_its_document(void **state)
{
    fixture *f = *state;
    edit(f, MU_DOCUMENT_ADD, MU_STR("a"),
         MU_STR("{\"id\":\"a\",\"audienceId\":\"a\",\"name\":\"Buyers\",\"description\":\"who "
                "bought\",\"type\":\"SegmentDefinition\",\"namespace\":\"AEPSegments\","
                "\"originName\":\"REAL_TIME_CUSTOMER_PROFILE\",\"schema\":{\"name\":"
                "\"_xdm.context.account\"},\"mergePolicyId\":\"p\",\"lifecycleState\":\"draft\","
                "\"expression\":{\"type\":\"PQL\",\"format\":\"pql/json\",\"value\":\"{}\"},"
                "\"evaluationInfo\":{\"batch\":{\"enabled\":false},\"continuous\":{\"enabled\":"
                "true},\"synchronous\":{\"enabled\":false}},\"dataGovernancePolicy\":"
                "{\"excludeOptOut\":false}}"));
    const mu_audience_book *book = read_book(f);
    assert_int_equal(book->n, 1);
    const mu_audience *a = book->audiences[0];
    assert_text(a->id, "a");
    assert_text(a->name, "Buyers");
    assert_text(a->description, "who bought");
    assert_text(a->namespace_code, "AEPSegments");
    assert_text(a->origin_name, "REAL_TIME_CUSTOMER_PROFILE");
    assert_text(a->schema_name, "_xdm.context.account");
    assert_text(a->merge_policy_id, "p");
    assert_text(a->expression, "{}");
    assert_true(a->expression_is_tree && a->streaming);
    assert_false(a->batch || a->edge || a->excludes_opt_out || a->is_external || a->is_system);
    assert_int_equal(a->lifecycle, MU_LIFECYCLE_DRAFT);
    assert_int_equal(a->item->document.version, 1);
}

static void a_book_is_made_once_and_again_after_a_change(void **state)
{
    fixture *f = *state;
    put(f, "a", "A", "", false);
    const mu_audience_book *first = read_book(f), *again;
    uint64_t generation = first->generation;
    assert_int_equal(mu_audience_book_acquire(f->books, &again, NULL), MU_OK);
    assert_ptr_equal(first, again);
    put(f, "b", "B", "", false);
    const mu_audience_book *second;
    assert_int_equal(mu_audience_book_acquire(f->books, &second, NULL), MU_OK);
    assert_true(second->generation != generation);
    assert_int_equal(second->n, 2);
    assert_int_equal(again->n, 1); /* who holds the old one still reads it */
    assert_text(mu_audience_find(again, MU_STR("a"))->name, "A");
    mu_audience_book_release(again);
    mu_audience_book_release(second);
}

static void a_changed_audience_is_read_again_in_its_place(void **state)
{
    fixture *f = *state;
    put(f, "a", "A", "", false);
    put(f, "b", "B", "", false);
    put(f, "c", "C", "", false);
    (void)read_book(f);
    put(f, "b", "other", "", true);
    edit(f, MU_DOCUMENT_REMOVE, MU_STR("a"), MU_STR(""));
    const mu_audience_book *book = read_book(f);
    assert_int_equal(book->n, 2);
    assert_text(book->audiences[0]->name, "other");
    assert_true(book->audiences[0]->has_events);
    assert_text(book->audiences[1]->name, "C");
    assert_null(mu_audience_find(book, MU_STR("a")));
    assert_null(mu_audience_find_reference(book, MU_STR("B")));
}

static void references_are_known_in_both_directions(void **state)
{
    fixture *f = *state;
    put(f, "a", "A", "\"b\",\"c\",\"gone\"", false);
    put(f, "b", "B", "\"c\"", false);
    put(f, "c", "C", "", true);
    put(f, "d", "D", "", false);
    (void)read_book(f);
    const mu_audience *a = must_find(f, "a"), *b = must_find(f, "b"), *c = must_find(f, "c");
    assert_int_equal(a->n_dependencies, 2);
    assert_ptr_equal(a->dependencies[0], b);
    assert_ptr_equal(a->dependencies[1], c);
    assert_int_equal(a->n_dependents, 0);
    assert_int_equal(c->n_dependents, 2);
    assert_ptr_equal(c->dependents[0], a);
    assert_ptr_equal(c->dependents[1], b);
    assert_true(a->has_events && b->has_events && c->has_events);
    assert_false(must_find(f, "d")->has_events);
    put(f, "c", "C", "", false); /* entries of the others are taken over: links are not */
    (void)read_book(f);
    assert_false(must_find(f, "a")->has_events || must_find(f, "b")->has_events);
    assert_int_equal(must_find(f, "c")->n_dependents, 2);
    assert_ptr_equal(must_find(f, "c")->dependents[0], must_find(f, "a"));
}

static void external_audiences_are_found_by_namespace_and_their_own_id(void **state)
{
    fixture *f = *state;
    put_external(f, "e1", "AAM", "77");
    put_external(f, "e2", "AO", "77");
    put(f, "77x", "own", "", false);
    const mu_audience_book *book = read_book(f);
    assert_int_equal(book->n_external, 2);
    assert_text(mu_audience_find_external(book, MU_STR("AO"), MU_STR("77"))->id, "e2");
    assert_text(mu_audience_find_external(book, MU_STR("AAM"), MU_STR("77"))->id, "e1");
    assert_text(mu_audience_find_external(book, MU_STR(""), MU_STR("77"))->id, "e1");
    assert_null(mu_audience_find_external(book, MU_STR("aam"), MU_STR("77")));
    assert_null(mu_audience_find_external(book, MU_STR(""), MU_STR("77x")));
}

static void a_reference_is_an_id_an_external_id_or_a_name_of_one_audience(void **state)
{
    fixture *f = *state;
    put(f, "a", "Only one", "", false);
    put(f, "b", "Twice", "", false);
    put(f, "c", "Twice", "", false);
    put(f, "d", "a", "", false);
    put_external(f, "e", "AAM", "77");
    const mu_audience_book *book = read_book(f);
    assert_text(mu_audience_find_reference(book, MU_STR("a"))->id, "a");
    assert_text(mu_audience_find_reference(book, MU_STR("77"))->id, "e");
    assert_text(mu_audience_find_reference(book, MU_STR("Only one"))->id, "a");
    assert_null(mu_audience_find_reference(book, MU_STR("Twice")));
    assert_null(mu_audience_find_reference(book, MU_STR("only one")));
}

/* -------- rules -------- */

static mu_expression_request request_of(fixture *f, const char *value)
{
    return (mu_expression_request){.book = f->book,
                                   .schema = mu_schema_builtin(&f->arena),
                                   .value = mu_str_from(value),
                                   .is_tree = value[0] == '{',
                                   .policy_is_active_on_edge = true};
}

static mu_expression read_rule(fixture *f, const char *value)
{
    mu_expression out;
    mu_err err;
    const mu_expression_request request = request_of(f, value);
    if (mu_expression_read(&f->arena, &request, &out, &err) != MU_OK)
        fail_msg("%s", err.text);
    return out;
}

static void assert_refused(fixture *f, const mu_expression_request *request, const char *starts)
{
    mu_expression out;
    mu_err err;
    assert_int_equal(mu_expression_read(&f->arena, request, &out, &err), MU_E_SYNTAX);
    if (!mu_str_starts_with(mu_str_from(err.text), mu_str_from(starts)))
        fail_msg("\"%s\" does not begin with \"%s\"", err.text, starts);
    assert_true(out.diagnostics.n_errors > 0);
}

static const char *text_of_rule(fixture *f, const mu_pql *query)
{
    mu_buf buf;
    mu_buf_init(&buf, 1 << 16);
    mu_pql_write_text(&buf, query);
    const char *out = mu_arena_copy(&f->arena, mu_buf_str(&buf)).ptr;
    mu_buf_free(&buf);
    return out;
}

static void a_rule_is_bound_and_its_eligibility_known(void **state)
{
    fixture *f = *state;
    (void)read_book(f);
    mu_expression rule = read_rule(f, "person.name.lastName = \"Smith\"");
    assert_true(rule.eligibility.streaming && rule.eligibility.edge);
    assert_false(rule.has_names || rule.eligibility.has_events);
    assert_non_null(rule.query->type);
    rule = read_rule(f, "xEvent[eventType = \"a\"].count() > 3");
    assert_false(rule.eligibility.streaming || rule.eligibility.edge);
    assert_true(rule.eligibility.has_events && rule.eligibility.streaming_reason.len > 0);
}

static void names_of_audiences_become_ids(void **state)
{
    fixture *f = *state;
    put(f, "a1", "Loyal people", "", false);
    (void)read_book(f);
    mu_expression rule = read_rule(f, "not inSegment(\"Loyal people\") or inSegment(\"a1\")");
    assert_true(rule.has_names);
    assert_string_equal(text_of_rule(f, rule.named), "not inSegment(\"a1\") or inSegment(\"a1\")");
    assert_int_equal(rule.eligibility.n_segments, 1);
    assert_text(rule.eligibility.segments[0], "a1");
    assert_false(read_rule(f, "inSegment(\"a1\")").has_names);
    rule = read_rule(f, "{\"nodeType\":\"fnApply\",\"fnName\":\"inSegment\",\"params\":[{"
                        "\"nodeType\":\"literal\",\"literalType\":\"String\",\"value\":\"Loyal "
                        "people\"}]}");
    assert_true(rule.has_names);
    assert_string_equal(text_of_rule(f, rule.named), "inSegment(\"a1\")");
}

static void errors_say_where_and_what(void **state)
{
    fixture *f = *state;
    (void)read_book(f);
    mu_expression_request request = request_of(f, "a = = 1");
    assert_refused(f, &request, "line 1:5 PQL-S01 ");
    request = request_of(f, "person.name.nothing = 1");
    assert_refused(f, &request, "line 1:13 PQL-R01 ");
    request = request_of(f, "inSegment(\"nobody\")");
    assert_refused(f, &request, "line 1:11 PQL-R03 ");
    request.book = NULL; /* any audience may be named */
    mu_expression out;
    assert_int_equal(mu_expression_read(&f->arena, &request, &out, NULL), MU_OK);
    request = request_of(f, "{\"nodeType\":\"what\"}");
    assert_refused(f, &request, "/nodeType PQL-J02 ");
    request = request_of(f, "1 + 1");
    assert_refused(f, &request, "line 1:3 PQL-V03 ");
    request = request_of(f, "");
    assert_refused(f, &request, "line 1:1 ");
}

static void a_rule_may_not_lead_back_to_its_audience(void **state)
{
    fixture *f = *state;
    put(f, "a", "A", "", false);
    put(f, "b", "B", "\"a\"", false);
    put(f, "c", "C", "\"b\"", false);
    put(f, "d", "D", "", false);
    (void)read_book(f);
    mu_expression_request request = request_of(f, "inSegment(\"d\") or inSegment(\"C\")");
    request.own_id = MU_STR("a");
    assert_refused(f, &request, "line 1:29 PQL-V07 ");
    request = request_of(f, "inSegment(\"a\")");
    request.own_id = MU_STR("a");
    assert_refused(f, &request, "line 1:11 PQL-V07 ");
    request.own_id = MU_STR("d");
    mu_expression out;
    assert_int_equal(mu_expression_read(&f->arena, &request, &out, NULL), MU_OK);
}

static void events_of_referenced_audiences_count(void **state)
{
    fixture *f = *state;
    put(f, "a", "A", "", true);
    put(f, "b", "B", "\"a\"", false);
    put_external(f, "e", "AAM", "77");
    (void)read_book(f);
    const char *rule = "inSegment(\"b\") and xEvent[timestamp occurs <= 1 hours before now]";
    assert_false(read_rule(f, rule).eligibility.streaming);
    put(f, "a", "A", "", false);
    (void)read_book(f);
    assert_true(read_rule(f, rule).eligibility.streaming);
    assert_false(read_rule(f, "inSegment(\"77\")").eligibility.streaming);
    mu_expression_request request = request_of(f, "person.name.lastName = \"x\"");
    request.policy_is_active_on_edge = false;
    mu_expression out;
    assert_int_equal(mu_expression_read(&f->arena, &request, &out, NULL), MU_OK);
    assert_false(out.eligibility.streaming);
}

/* -------- many -------- */

#define MANY 4000u

static void fill(fixture *f)
{
    mu_document_edit *edits = MU_NEW_ARRAY(&f->arena, mu_document_edit, MANY);
    for (uint32_t i = 0; i < MANY; i++) {
        mu_str id = mu_arena_format(&f->arena, "id-%08u-1f1e-4d1c-9b1a-0123456789ab", i);
        mu_str uses =
            i % 2 == 0
                ? MU_STR("")
                : mu_arena_format(&f->arena, "\"id-%08u-1f1e-4d1c-9b1a-0123456789ab\"", i - 1);
        edits[i] = (mu_document_edit){
            .action = MU_DOCUMENT_ADD,
            .kind = MU_AUDIENCE_KIND,
            .id = id,
            .json = mu_arena_format(&f->arena,
                                    "{\"id\":\"%s\",\"name\":\"Audience %u\",\"type\":"
                                    "\"SegmentDefinition\",\"dependencies\":[%s]}",
                                    id.ptr, i, uses.ptr)};
    }
    assert_int_equal(mu_shelves_edit(f->shelves, 1000, MANY, edits, NULL), MU_OK);
}

static void a_book_of_four_thousand_is_made_in_milliseconds_after_each_change(void **state)
{
    fixture *f = *state;
    fill(f);
    assert_int_equal(read_book(f)->n, MANY);
    int64_t best_ns = INT64_MAX;
    for (int i = 0; i < 10; i++) {
        put(f, "new", i % 2 == 0 ? "one" : "other", "", false);
        int64_t begin = mu_monotonic_ns();
        assert_int_equal(read_book(f)->n, MANY + 1);
        int64_t took = mu_monotonic_ns() - begin;
        best_ns = took < best_ns ? took : best_ns;
    }
    print_message("a book of %u audiences: %lld us\n", MANY, (long long)best_ns / 1000);
    assert_true(best_ns < 100000000); /* far above what it takes, far below a quadratic book */
    assert_text(mu_audience_find_reference(f->book, MU_STR("Audience 3999"))->id,
                "id-00003999-1f1e-4d1c-9b1a-0123456789ab");
}

static void *read_books(void *context)
{
    fixture *f = context;
    uint32_t n_before = 0;
    for (int i = 0; i < 2000; i++) {
        const mu_audience_book *book;
        if (mu_audience_book_acquire(f->books, &book, NULL) != MU_OK)
            return "acquire failed";
        if (book->n < n_before || (book->n > 0 && book->audiences[book->n - 1]->name.len == 0))
            return "an older book than before";
        n_before = book->n;
        mu_audience_book_release(book);
    }
    return NULL;
}

static void readers_see_ever_newer_books_while_one_writes(void **state)
{
    fixture *f = *state;
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_books, f), 0);
    for (int i = 0; i < 30; i++) {
        char id[16];
        snprintf(id, sizeof id, "a%d", i);
        put(f, id, id, "", false);
        assert_int_equal(read_book(f)->n, i + 1);
    }
    for (int i = 0; i < 2; i++) {
        void *complaint;
        pthread_join(threads[i], &complaint);
        assert_null(complaint);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_sandbox_without_audiences_has_an_empty_book),
        CASE(an_audience_is_read_from_its_document),
        CASE(a_book_is_made_once_and_again_after_a_change),
        CASE(a_changed_audience_is_read_again_in_its_place),
        CASE(references_are_known_in_both_directions),
        CASE(external_audiences_are_found_by_namespace_and_their_own_id),
        CASE(a_reference_is_an_id_an_external_id_or_a_name_of_one_audience),
        CASE(a_rule_is_bound_and_its_eligibility_known),
        CASE(names_of_audiences_become_ids),
        CASE(errors_say_where_and_what),
        CASE(a_rule_may_not_lead_back_to_its_audience),
        CASE(events_of_referenced_audiences_count),
        CASE(a_book_of_four_thousand_is_made_in_milliseconds_after_each_change),
        CASE(readers_see_ever_newer_books_while_one_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
