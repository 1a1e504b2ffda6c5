/* value_test.c -- types, and values read from JSON, written and compared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "xdm/schema.h"
#include "xdm/value.h"

typedef struct fixture {
    mu_arena arena;
    mu_json_reader *reader;
    const mu_schema *schema;
} fixture;

static int set_up(void **state)
{
    fixture *f = test_malloc(sizeof *f);
    mu_arena_init(&f->arena, SIZE_MAX);
    f->reader = mu_json_reader_new();
    f->schema = mu_schema_builtin(&f->arena);
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

static mu_json json_of(fixture *f, const char *text)
{
    mu_json json = {0};
    mu_err err;
    assert_int_equal(mu_json_read(f->reader, &f->arena, mu_str_from(text), &json, &err), MU_OK);
    return json;
}

static void assert_text(mu_str actual, const char *expected)
{
    if (!mu_str_equal(actual, mu_str_from(expected)))
        fail_msg("got      " MU_STR_FMT "\nexpected %s", MU_STR_ARG(actual), expected);
}

/* The value written back, or the error text. */
static mu_str typed(fixture *f, const mu_type *type, const char *text)
{
    mu_json json = json_of(f, text);
    mu_value value;
    mu_err err;
    if (mu_value_from_typed_json(&f->arena, type, &json, &value, &err) != MU_OK) {
        assert_int_equal(err.code, MU_E_TYPE);
        return mu_arena_copy(&f->arena, mu_str_from(err.text));
    }
    mu_buf buf;
    mu_json_writer writer;
    mu_buf_init(&buf, 1 << 20);
    mu_json_writer_init(&writer, &buf);
    mu_value_write(&writer, value);
    mu_str out = mu_arena_copy(&f->arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return out;
}

static void fields_are_found_with_and_without_an_index(void **state)
{
    fixture *f = *state;
    const mu_type *event = f->schema->event;
    assert_non_null(event->field_index);
    for (uint32_t i = 0; i < event->n_fields; i++)
        assert_int_equal(mu_type_field(event, event->field_names[i]), i);
    assert_int_equal(mu_type_field(event, MU_STR("nothing")), -1);
    mu_type by_hand = *event;
    by_hand.field_index = NULL;
    for (uint32_t i = 0; i < event->n_fields; i++)
        assert_int_equal(mu_type_field(&by_hand, event->field_names[i]), i);
    assert_int_equal(mu_type_field(&by_hand, MU_STR("nothing")), -1);
    assert_int_equal(mu_type_field(mu_type_of(MU_TYPE_OBJECT), MU_STR("x")), -1);
}

static void a_path_leads_through_lists_and_maps(void **state)
{
    fixture *f = *state;
    const mu_type *row = f->schema->row;
    assert_int_equal(mu_type_at(row, MU_STR("person.birthDate"))->kind, MU_TYPE_DATE);
    assert_int_equal(mu_type_at(row, MU_STR("xEvent.productListItems.quantity"))->kind,
                     MU_TYPE_INTEGER);
    assert_int_equal(mu_type_at(row, MU_STR("identityMap.Email.primary"))->kind, MU_TYPE_BOOLEAN);
    assert_int_equal(mu_type_at(row, MU_STR("segmentMembership.ups.a.validUntil"))->kind,
                     MU_TYPE_TIMESTAMP);
    assert_null(mu_type_at(row, MU_STR("person.nothing")));
    assert_null(mu_type_at(row, MU_STR("person.birthDate.day")));
}

static void types_name_themselves(void **state)
{
    fixture *f = *state;
    mu_arena *a = &f->arena;
    assert_text(mu_type_name(a, mu_type_of(MU_TYPE_TIMESTAMP)), "date-time");
    assert_text(mu_type_name(a, mu_type_of(MU_TYPE_LIST)), "list");
    assert_text(mu_type_name(a, mu_type_at(f->schema->row, MU_STR("xEvent"))), "list of object");
    assert_text(mu_type_name(a, mu_type_at(f->schema->row, MU_STR("identityMap"))),
                "map of list of object");
}

static void equal_types_have_the_same_tree(void **state)
{
    fixture *f = *state;
    const mu_schema *again = mu_schema_builtin(&f->arena);
    assert_true(mu_type_equal(f->schema->row, again->row));
    assert_false(mu_type_equal(f->schema->profile, again->event));
    assert_false(
        mu_type_equal(mu_type_of(MU_TYPE_STRING), mu_type_key_of(&f->arena, MU_STR("stores"))));
    assert_false(mu_type_equal(mu_type_list(&f->arena, mu_type_of(MU_TYPE_STRING)),
                               mu_type_list(&f->arena, mu_type_of(MU_TYPE_DATE))));
}

static void an_object_is_dense_in_the_order_of_its_type(void **state)
{
    fixture *f = *state;
    const mu_type *event = f->schema->event;
    mu_json json = json_of(f, "{\"eventType\":\"x\",\"_id\":\"7\"}");
    mu_value value;
    assert_int_equal(mu_value_from_typed_json(&f->arena, event, &json, &value, NULL), MU_OK);
    assert_int_equal(value.kind, MU_TYPE_OBJECT);
    assert_int_equal(value.n, event->n_fields);
    assert_ptr_equal(value.keys, event->field_names);
    for (uint32_t i = 0; i < value.n; i++) {
        bool is_there = mu_str_equal(value.keys[i], MU_STR("_id")) ||
                        mu_str_equal(value.keys[i], MU_STR("eventType"));
        assert_int_equal(mu_value_is_null(value.items[i]), !is_there);
    }
    assert_text(mu_value_member(value, MU_STR("_id")).string, "7");
    assert_true(mu_value_is_null(mu_value_member(value, MU_STR("nothing"))));
}

static void values_are_read_as_their_type_says(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *path, *json, *expected;
    } cases[] = {
        {"loyalty.points", "5", "5.0"},
        {"loyalty.points", "\"5\"", "the value: expected double, found string"},
        {"homeAddress.dmaID", "5.0", "5"},
        {"homeAddress.dmaID", "5.5", "the value: expected integer, found double"},
        {"homeAddress.dmaID", "1e19", "the value: expected integer, found double"},
        {"homeAddress.primary", "\"true\"", "the value: expected boolean, found string"},
        {"homeAddress.city", "5", "the value: expected string, found integer"},
        {"person.birthDate", "\"1988-02-29\"", "\"1988-02-29\""},
        {"person.birthDate", "\"1989-02-29\"",
         "the value: expected date (YYYY-MM-DD), found string of another form"},
        {"person.birthDate", "5", "the value: expected date, found integer"},
        {"loyalty.joinDate", "\"2026-03-10T10:41:07-05:00\"", "\"2026-03-10T15:41:07Z\""},
        {"loyalty.joinDate", "\"2026-03-10T10:41:07-0500\"", "\"2026-03-10T15:41:07Z\""},
        {"loyalty.joinDate", "\"2026-03-10 10:41:07.25\"", "\"2026-03-10T10:41:07.250Z\""},
        {"loyalty.joinDate", "1773057600000", "\"2026-03-09T12:00:00Z\""},
        {"loyalty.joinDate", "\"1773057600000\"", "\"2026-03-09T12:00:00Z\""},
        {"loyalty.joinDate", "\"yesterday\"",
         "the value: expected date-time (RFC 3339), found string of another form"},
        {"loyalty.joinDate", "9e18",
         "the value: expected date-time, found a number that is no epoch milliseconds"},
        {"loyalty.loyaltyID", "[\"a\",null,\"b\"]", "[\"a\",null,\"b\"]"},
        {"loyalty.loyaltyID", "\"a\"", "the value: expected list of string, found string"},
        {"identityMap", "{\"Email\":[{\"id\":\"a@b.c\",\"primary\":\"True\"}],\"ECID\":null}",
         "{\"Email\":[{\"id\":\"a@b.c\",\"primary\":true}]}"},
        {"identityMap", "[]", "the value: expected map of list of object, found list"},
        {"identityMap", "{\"Email\":[{\"id\":5}]}", "Email[0].id: expected string, found integer"},
        {"xEvent", "[{},{\"commerce\":{\"order\":{\"priceTotal\":\"two\"}}}]",
         "[1].commerce.order.priceTotal: expected double, found string"},
        {"person", "{\"name\":{\"nick\":\"A\"}}", "name.nick: unknown field"},
        {"person", "{\"name\":null,\"gender\":null}", "{}"},
        {"person", "{\"xdm:name\":{\"xdm:firstName\":\"A\"}}", "{\"name\":{\"firstName\":\"A\"}}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const mu_type *type = mu_type_at(f->schema->row, mu_str_from(cases[i].path));
        assert_non_null(type);
        assert_text(typed(f, type, cases[i].json), cases[i].expected);
    }
}

static void prefixed_names_take_their_plain_form(void **state)
{
    fixture *f = *state;
    assert_text(typed(f, f->schema->profile, "{\"@id\":\"r1\"}"), "{\"_id\":\"r1\"}");
    assert_text(typed(f, f->schema->profile,
                      "{\"repo:createDate\":\"2026-01-02T00:00:00Z\","
                      "\"repo:modifyDate\":\"2026-01-03T00:00:00Z\"}"),
                "{\"_repo\":{\"createDate\":\"2026-01-02T00:00:00Z\","
                "\"modifyDate\":\"2026-01-03T00:00:00Z\"}}");
    assert_text(typed(f, f->schema->profile, "{\"repo:nothing\":1}"),
                "repo:nothing: unknown field");
    assert_text(typed(f, f->schema->profile, "{\"dc:title\":1}"), "dc:title: unknown field");
}

static void an_untyped_value_keeps_the_json(void **state)
{
    fixture *f = *state;
    const char *text = "{\"a\":[1,2.5,\"2026-01-01\",null,true],\"b\":{\"c\":{}}}";
    assert_text(typed(f, mu_type_of(MU_TYPE_ANY), text), text);
}

static void identical_looks_at_kind_and_content(void **state)
{
    fixture *f = *state;
    mu_json json = json_of(f, "[{\"a\":1,\"b\":[2]},{\"b\":[2],\"a\":1},{\"b\":[2.0],\"a\":1},"
                              "{\"a\":1,\"b\":[2],\"c\":null},{\"a\":1}]");
    mu_value v = mu_value_from_json(&f->arena, &json);
    assert_true(mu_value_identical(v.items[0], v.items[1]));
    assert_false(mu_value_identical(v.items[0], v.items[2]));
    assert_true(mu_value_identical(v.items[0], v.items[3]));
    assert_false(mu_value_identical(v.items[0], v.items[4]));
    assert_false(mu_value_identical(mu_value_double(0.0), mu_value_double(-0.0)));
    assert_false(mu_value_identical(mu_value_date(0), mu_value_timestamp(0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fields_are_found_with_and_without_an_index, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_path_leads_through_lists_and_maps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(types_name_themselves, set_up, tear_down),
        cmocka_unit_test_setup_teardown(equal_types_have_the_same_tree, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_object_is_dense_in_the_order_of_its_type, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(values_are_read_as_their_type_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(prefixed_names_take_their_plain_form, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_untyped_value_keeps_the_json, set_up, tear_down),
        cmocka_unit_test_setup_teardown(identical_looks_at_kind_and_content, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
