/* fields_test.c -- which fields go out, and rows in each format. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "export/export_int.h"

static mu_arena arena;
static const mu_type *root; /* the type of all tests */

static const mu_type *object(uint32_t n, const mu_str *names, const mu_type *const *types)
{
    mu_str *own_names = MU_NEW_ARRAY(&arena, mu_str, n);
    const mu_type **own_types = MU_NEW_ARRAY(&arena, const mu_type *, n);
    memcpy(own_names, names, n * sizeof *own_names);
    memcpy(own_types, types, n * sizeof *own_types);
    return mu_type_object(&arena, n, own_names, own_types);
}

/* {id, person: {name, born, tall}, seen: timestamp, items: [{sku, n}], ids: {..: [{id}]}, flag,
 * $own} */
static int make_type(void **state)
{
    (void)state;
    mu_arena_init(&arena, SIZE_MAX);
    const mu_type *text = mu_type_of(MU_TYPE_STRING), *integer = mu_type_of(MU_TYPE_INTEGER);
    const mu_str person_names[] = {MU_STR("name"), MU_STR("born"), MU_STR("tall")};
    const mu_type *person_types[] = {text, mu_type_of(MU_TYPE_DATE), mu_type_of(MU_TYPE_DOUBLE)};
    const mu_str item_names[] = {MU_STR("sku"), MU_STR("n")};
    const mu_type *item_types[] = {text, integer};
    const mu_str id_name = MU_STR("id");
    const mu_str names[] = {MU_STR("id"),  MU_STR("person"), MU_STR("seen"), MU_STR("items"),
                            MU_STR("ids"), MU_STR("flag"),   MU_STR("$own")};
    const mu_type *types[] = {
        integer,
        object(3, person_names, person_types),
        mu_type_of(MU_TYPE_TIMESTAMP),
        mu_type_list(&arena, object(2, item_names, item_types)),
        mu_type_map(&arena, mu_type_list(&arena, object(1, &id_name, &text))),
        mu_type_of(MU_TYPE_BOOLEAN),
        text,
    };
    root = object(7, names, types);
    return 0;
}

static int free_type(void **state)
{
    (void)state;
    mu_arena_free(&arena);
    return 0;
}

static mu_value value_of(const char *json)
{
    mu_json tree;
    mu_value value;
    mu_err err;
    if (mu_json_parse(&arena, mu_str_from(json), &tree, &err) != MU_OK ||
        mu_value_from_typed_json(&arena, root, &tree, &value, &err) != MU_OK)
        fail_msg("%s", err.text);
    return value;
}

static const mu_export_field *fields_of(const char *wanted, const char *hidden)
{
    mu_export_paths paths = mu_export_paths_of(&arena, mu_str_from(wanted));
    mu_export_paths leave = mu_export_paths_of(&arena, mu_str_from(hidden));
    return mu_export_fields_of(&arena, root, &paths, leave.n, leave.paths);
}

#define ROW                                                                                        \
    "{\"id\":7,\"person\":{\"name\":\"a,\\\"b\\\"\",\"born\":\"2001-02-03\",\"tall\":1.5},"        \
    "\"seen\":\"2026-01-02T03:04:05.006Z\",\"items\":[{\"sku\":\"x\",\"n\":1},{\"n\":2}],"         \
    "\"ids\":{\"ECID\":[{\"id\":\"1\"}],\"Email\":[{\"id\":\"e\"}]},\"flag\":true}"

static void assert_json(const char *wanted, const char *hidden, const char *row,
                        const char *expected)
{
    mu_buf buf;
    mu_json_writer writer;
    const mu_export_field *fields = fields_of(wanted, hidden);
    assert_non_null(fields);
    mu_buf_init(&buf, SIZE_MAX);
    mu_json_writer_init(&writer, &buf);
    mu_export_write_json(&writer, fields, value_of(row));
    mu_buf_add_char(&buf, '\0');
    assert_string_equal(buf.ptr, expected);
    mu_buf_free(&buf);
}

static void all_fields_go_out_but_the_servers_own(void **state)
{
    (void)state;
    assert_json("", "", ROW, ROW);
    assert_json(" , ", "", "{\"$own\":\"x\",\"id\":1}", "{\"id\":1}");
    assert_json("", "", "{}", "{}");
    assert_json("", "", "{\"items\":[],\"person\":{}}", "{\"items\":[]}");
}

static void paths_lead_through_objects_lists_and_maps(void **state)
{
    (void)state;
    assert_json("person.name", "", ROW, "{\"person\":{\"name\":\"a,\\\"b\\\"\"}}");
    assert_json("person,person.name", "", "{\"person\":{\"tall\":2}}",
                "{\"person\":{\"tall\":2.0}}");
    assert_json("items.n", "", ROW, "{\"items\":[{\"n\":1},{\"n\":2}]}");
    assert_json("items.sku", "", ROW, "{\"items\":[{\"sku\":\"x\"},{}]}");
    assert_json("ids.ECID", "", ROW, "{\"ids\":{\"ECID\":[{\"id\":\"1\"}]}}");
    assert_json("ids.ECID.id,flag", "", ROW, "{\"ids\":{\"ECID\":[{\"id\":\"1\"}]},\"flag\":true}");
    assert_json("ids.None,flag", "", ROW, "{\"flag\":true}");
    assert_json("id,unknown,id.deeper,person.none.at.all", "", ROW, "{\"id\":7}");
}

static void hidden_paths_stay_whatever_is_wanted(void **state)
{
    (void)state;
    assert_json(
        "", "person.name,items.n,ids.ECID",
        "{\"person\":{\"name\":\"a\",\"tall\":1.0},"
        "\"items\":[{\"sku\":\"x\",\"n\":1}],\"ids\":{\"ECID\":[{\"id\":\"1\"}],\"Email\":["
        "{\"id\":\"e\"}]}}",
        "{\"person\":{\"tall\":1.0},\"items\":[{\"sku\":\"x\"}],\"ids\":{\"Email\":[{\"id\":"
        "\"e\"}]}}");
    assert_json("id,person.name", "person", ROW, "{\"id\":7}");
    assert_null(fields_of("person.name", "person"));
    assert_null(fields_of("ids.ECID", "ids.ECID"));
    assert_null(fields_of("unknown", ""));
    assert_null(fields_of("$own", ""));
}

static void assert_csv(const char *wanted, const char *row, const char *expected)
{
    mu_buf buf;
    const mu_export_field *fields = fields_of(wanted, "");
    mu_buf_init(&buf, SIZE_MAX);
    mu_export_write_csv_header(&buf, fields);
    mu_export_write_csv_row(&buf, fields, value_of(row));
    mu_buf_add_char(&buf, '\0');
    assert_string_equal(buf.ptr, expected);
    mu_buf_free(&buf);
}

static void cells_are_quoted_where_they_must_be(void **state)
{
    (void)state;
    assert_csv("", ROW,
               "id,person.name,person.born,person.tall,seen,items,ids,flag\r\n"
               "7,\"a,\"\"b\"\"\",2001-02-03,1.5,2026-01-02T03:04:05.006Z,"
               "\"[{\"\"sku\"\":\"\"x\"\",\"\"n\"\":1},{\"\"n\"\":2}]\","
               "\"{\"\"ECID\"\":[{\"\"id\"\":\"\"1\"\"}],\"\"Email\"\":[{\"\"id\"\":\"\"e\"\"}]}\","
               "true\r\n");
    assert_csv("", "{}",
               "id,person.name,person.born,person.tall,seen,items,ids,flag\r\n,,,,,,,\r\n");
    assert_csv("person.name,id", "{\"person\":{\"name\":\"\"}}", "id,person.name\r\n,\"\"\r\n");
    assert_csv("person.name", "{\"person\":{\"name\":\"two\\nlines\"}}",
               "person.name\r\n\"two\nlines\"\r\n");
}

static void columns_have_the_types_of_fields(void **state)
{
    (void)state;
    mu_buf buf;
    mu_err err;
    mu_buf_init(&buf, SIZE_MAX);
    assert_int_equal(mu_export_write_columns(&buf, fields_of("", ""), &err), MU_OK);
    mu_buf_add_char(&buf, '\0');
    assert_string_equal(
        buf.ptr, "{'id': 'BIGINT', 'person': 'STRUCT(\"name\" VARCHAR, \"born\" DATE, \"tall\" "
                 "DOUBLE)', 'seen': 'TIMESTAMPTZ', 'items': 'STRUCT(\"sku\" VARCHAR, \"n\" "
                 "BIGINT)[]', 'ids': 'MAP(VARCHAR, STRUCT(\"id\" VARCHAR)[])', 'flag': 'BOOLEAN'}");
    mu_buf_clear(&buf);
    assert_int_equal(mu_export_write_columns(&buf, fields_of("ids.ECID", ""), &err), MU_OK);
    mu_buf_add_char(&buf, '\0');
    assert_string_equal(buf.ptr, "{'ids': 'JSON'}");
    mu_buf_free(&buf);
}

static void columns_that_differ_in_case_alone_are_refused_or_json(void **state)
{
    (void)state;
    const mu_str names[] = {MU_STR("It's"), MU_STR("it's")};
    const mu_type *text = mu_type_of(MU_TYPE_STRING);
    const mu_type *types[] = {text, text};
    const mu_type *clash = object(2, names, types);
    const mu_str inner = MU_STR("q'\"");
    const mu_export_paths all = {.all = true};
    mu_buf buf;
    mu_err err;
    mu_buf_init(&buf, SIZE_MAX);
    const mu_export_field *top = mu_export_fields_of(&arena, clash, &all, 0, NULL);
    assert_int_equal(mu_export_write_columns(&buf, top, &err), MU_E_INPUT);
    assert_non_null(strstr(err.text, "It's and it's"));
    mu_buf_clear(&buf);
    const mu_export_field *below =
        mu_export_fields_of(&arena, object(1, &inner, &clash), &all, 0, NULL);
    assert_int_equal(mu_export_write_columns(&buf, below, &err), MU_OK);
    mu_buf_add_char(&buf, '\0');
    assert_string_equal(buf.ptr, "{'q''\"': 'JSON'}");
    mu_buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_fields_go_out_but_the_servers_own),
        cmocka_unit_test(paths_lead_through_objects_lists_and_maps),
        cmocka_unit_test(hidden_paths_stay_whatever_is_wanted),
        cmocka_unit_test(cells_are_quoted_where_they_must_be),
        cmocka_unit_test(columns_have_the_types_of_fields),
        cmocka_unit_test(columns_that_differ_in_case_alone_are_refused_or_json),
    };
    return cmocka_run_group_tests(tests, make_type, free_type);
}
