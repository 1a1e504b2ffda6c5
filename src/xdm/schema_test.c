/* schema_test.c -- the built-in schema, schema files and the stored form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "xdm/schema.h"
#include "xdm/value.h"

typedef struct fixture {
    mu_arena arena;
    mu_json_reader *reader;
    const mu_schema *builtin;
} fixture;

static int set_up(void **state)
{
    fixture *f = test_malloc(sizeof *f);
    mu_arena_init(&f->arena, SIZE_MAX);
    f->reader = mu_json_reader_new();
    f->builtin = mu_schema_builtin(&f->arena);
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

static mu_json json_of(fixture *f, mu_str text)
{
    mu_json json = {0};
    mu_err err = {0};
    if (mu_json_read(f->reader, &f->arena, text, &json, &err) != MU_OK)
        fail_msg("%s", err.text);
    return json;
}

static const mu_schema *luma(fixture *f)
{
    mu_err err = {0};
    mu_str text;
    assert_int_equal(mu_file_read(&f->arena, MUSTER_SOURCE_DIR "/tests/data/luma-schema.json",
                                  1 << 20, &text, &err),
                     MU_OK);
    mu_json json = json_of(f, text);
    const mu_schema *schema = NULL;
    if (mu_schema_extend(&f->arena, f->builtin, &json, &schema, &err) != MU_OK)
        fail_msg("%s", err.text);
    return schema;
}

static mu_str type_at(fixture *f, const mu_type *type, const char *path)
{
    const mu_type *found = mu_type_at(type, mu_str_from(path));
    return found == NULL ? MU_STR("none") : mu_type_name(&f->arena, found);
}

static void assert_type(fixture *f, const mu_type *type, const char *path, const char *expected)
{
    mu_str actual = type_at(f, type, path);
    if (!mu_str_equal(actual, mu_str_from(expected)))
        fail_msg("%s is " MU_STR_FMT ", not %s", path, MU_STR_ARG(actual), expected);
}

static void the_builtin_schema_has_the_standard_paths(void **state)
{
    fixture *f = *state;
    const mu_type *row = f->builtin->row;
    assert_type(f, row, "homeAddress.countryCode", "string");
    assert_type(f, row, "shippingAddress.dmaID", "integer");
    assert_type(f, row, "loyalty.loyaltyID", "list of string");
    assert_type(f, row, "loyalty.pointsExpiration.pointsExpirationDate", "date-time");
    assert_type(f, row, "consents.marketing.email.val", "string");
    assert_type(f, row, "consents.idSpecific.ECID.x.marketing.sms.time", "date-time");
    assert_type(f, row, "optOutConsentLevel.privacyOptOuts.optOutValue", "string");
    assert_type(f, row, "segmentMembership.ups.x.status", "string");
    assert_type(f, row, "xEvent.commerce.inStorePurchase.value", "double");
    assert_type(f, row, "xEvent.productListItems.selectedOptions.value", "string");
    assert_type(f, row, "xEvent.web.webPageDetails.pageViews.value", "double");
    assert_type(f, row, "xEvent.timestamp", "date-time");
    assert_type(f, row, "_luma", "none");
}

static void the_row_is_the_profile_with_its_events(void **state)
{
    fixture *f = *state;
    const mu_schema *s = f->builtin;
    assert_int_equal(s->row->n_fields, s->profile->n_fields + 1);
    assert_int_equal(mu_type_field(s->row, MU_STR("xEvent")), s->profile->n_fields);
    assert_ptr_equal(s->row->field_types[s->profile->n_fields]->item, s->event);
}

static void a_schema_file_adds_to_the_base(void **state)
{
    fixture *f = *state;
    const mu_schema *s = luma(f);
    assert_int_equal(s->version, f->builtin->version + 1);
    assert_type(f, s->row, "_luma.preferences.newsletterTopics", "map of boolean");
    assert_type(f, s->row, "xEvent._luma.test", "boolean");
    assert_type(f, s->row, "person.birthDate", "date");
    assert_int_equal(s->n_identity_paths, 4);
    assert_true(s->identity_paths[0].is_primary);
    assert_true(mu_str_equal(s->identity_paths[0].namespace_code, MU_STR("lumaCrmId")));
    assert_int_equal(s->n_unique_namespaces, 1);
    assert_int_equal(s->n_relationships, 3);
    assert_non_null(mu_schema_lookup_class(s, MU_STR("stores")));
    assert_null(mu_schema_lookup_class(s, MU_STR("shops")));
    const mu_type *store = mu_type_at(s->row, MU_STR("_luma.preferences.storeId"));
    assert_true(mu_str_equal(store->target_class, MU_STR("stores")));
    const mu_type *sku = mu_type_at(s->row, MU_STR("xEvent.productListItems.SKU"));
    assert_true(mu_str_equal(sku->target_class, MU_STR("products")));
    const mu_type *base_sku = mu_type_at(f->builtin->row, MU_STR("xEvent.productListItems.SKU"));
    assert_int_equal(base_sku->target_class.len, 0);
}

static void the_same_file_twice_changes_nothing_but_the_version(void **state)
{
    fixture *f = *state;
    const mu_schema *once = luma(f);
    f->builtin = once;
    const mu_schema *twice = luma(f);
    assert_true(mu_type_equal(once->row, twice->row));
    assert_int_equal(once->n_identity_paths, twice->n_identity_paths);
    assert_int_equal(once->n_relationships, twice->n_relationships);
    assert_int_equal(once->n_lookup_classes, twice->n_lookup_classes);
    assert_int_equal(once->n_unique_namespaces, twice->n_unique_namespaces);
    assert_int_equal(twice->version, once->version + 1);
}

static void quoted_names_may_hold_anything(void **state)
{
    fixture *f = *state;
    mu_json json = json_of(f, MU_STR("{\"class\":\"event\",\"fields\":{\"`a.b ``c`[].x\":"
                                     "\"string\"}}"));
    const mu_schema *s = NULL;
    assert_int_equal(mu_schema_extend(&f->arena, f->builtin, &json, &s, NULL), MU_OK);
    int field = mu_type_field(s->event, MU_STR("a.b `c"));
    assert_true(field >= 0);
    assert_true(mu_str_equal(mu_type_name(&f->arena, s->event->field_types[field]),
                             MU_STR("list of object")));
}

static void mistakes_in_a_file_are_named(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *file, *error;
        mu_code code;
    } cases[] = {
        {"[]", "schema file: the file must hold a JSON object", MU_E_INPUT},
        {"{}", "schema file: a class needs the text \"class\"", MU_E_INPUT},
        {"{\"class\":\"profile\",\"feilds\":{}}",
         "schema file: a class has no member called \"feilds\"", MU_E_INPUT},
        {"{\"class\":\"stores\",\"fields\":{}}",
         "schema file: a lookup class needs the text \"key\"", MU_E_INPUT},
        {"{\"class\":\"auto\",\"key\":\"x\"}", "schema file: a class cannot be called \"auto\"",
         MU_E_INPUT},
        {"{\"class\":\"profile\",\"key\":\"x\"}", "schema file: only lookup classes have a \"key\"",
         MU_E_INPUT},
        {"{\"class\":\"stores\",\"key\":\"id\",\"fields\":{\"id\":\"integer\"}}",
         "schema file: the key \"id\" of class \"stores\" must be a string field of it",
         MU_E_INPUT},
        {"{\"class\":\"profile\",\"fields\":{\"a\":\"text\"}}",
         "schema file: the type of \"a\" must be boolean, integer, double, string, date or "
         "date-time",
         MU_E_INPUT},
        {"{\"class\":\"profile\",\"fields\":{\"a..b\":\"string\"}}",
         "field path \"a..b\": a name is expected", MU_E_INPUT},
        {"{\"class\":\"profile\",\"fields\":{\"a b\":\"string\"}}",
         "field path \"a b\": '.', \"[]\" or \"{}\" is expected after a name", MU_E_INPUT},
        {"{\"class\":\"profile\",\"fields\":{\"`a\":\"string\"}}",
         "field path \"`a\": a backtick is not closed", MU_E_INPUT},
        {"{\"class\":\"profile\",\"fields\":{\"loyalty.tier\":\"integer\"}}",
         "field path \"loyalty.tier\": integer here, but already string", MU_E_CONFLICT},
        {"{\"class\":\"profile\",\"fields\":{\"loyalty[].tier\":\"string\"}}",
         "field path \"loyalty[].tier\": list here, but already object", MU_E_CONFLICT},
        {"{\"class\":\"profile\",\"fields\":{\"loyalty.tier.name\":\"string\"}}",
         "field path \"loyalty.tier.name\": object here, but already string", MU_E_CONFLICT},
        {"{\"class\":\"profile\",\"identities\":[{\"path\":\"loyalty.points\","
         "\"namespace\":\"X\"}]}",
         "schema file: \"loyalty.points\" is no string field of class \"profile\"", MU_E_INPUT},
        {"{\"class\":\"profile\",\"identities\":[{\"path\":\"personID\"}]}",
         "schema file: an identity needs the text \"namespace\"", MU_E_INPUT},
        {"{\"class\":\"profile\",\"identities\":["
         "{\"path\":\"personID\",\"namespace\":\"X\",\"primary\":true},"
         "{\"path\":\"loyalty.tier\",\"namespace\":\"Y\",\"primary\":true}]}",
         "schema file: class \"profile\" has two primary identities: \"personID\" and "
         "\"loyalty.tier\"",
         MU_E_CONFLICT},
        {"{\"class\":\"profile\",\"relationships\":[{\"path\":\"personID\",\"to\":\"shops\"}]}",
         "schema file: \"shops\" is no lookup class, so no relationship leads to it", MU_E_INPUT},
        {"{\"class\":\"profile\",\"uniqueNamespaces\":[5]}",
         "schema file: \"uniqueNamespaces\" must be a list of texts", MU_E_INPUT},
        {"{\"classes\":{}}", "schema file: \"classes\" must be a list", MU_E_INPUT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mu_json json = json_of(f, mu_str_from(cases[i].file));
        const mu_schema *s = NULL;
        mu_err err = {0};
        assert_int_equal(mu_schema_extend(&f->arena, f->builtin, &json, &s, &err), cases[i].code);
        assert_string_equal(err.text, cases[i].error);
        assert_null(s);
    }
}

static void a_path_deeper_than_the_limit_is_refused(void **state)
{
    fixture *f = *state;
    mu_buf buf;
    mu_buf_init(&buf, 1 << 20);
    MU_BUF_ADD(&buf, "{\"class\":\"event\",\"fields\":{\"a");
    for (int i = 0; i < 100; i++)
        MU_BUF_ADD(&buf, "[]");
    MU_BUF_ADD(&buf, "\":\"string\"}}");
    mu_json json = json_of(f, mu_buf_str(&buf));
    const mu_schema *s = NULL;
    assert_int_equal(mu_schema_extend(&f->arena, f->builtin, &json, &s, NULL), MU_E_INPUT);
    mu_buf_free(&buf);
}

static mu_str written(fixture *f, const mu_schema *schema)
{
    mu_buf buf;
    mu_json_writer writer;
    mu_buf_init(&buf, 1 << 22);
    mu_json_writer_init(&writer, &buf);
    mu_schema_write(&writer, schema);
    mu_str text = mu_arena_copy(&f->arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return text;
}

static void a_schema_survives_writing_and_reading(void **state)
{
    fixture *f = *state;
    const mu_schema *s = luma(f);
    mu_str text = written(f, s);
    mu_json json = json_of(f, text);
    const mu_schema *again = NULL;
    mu_err err = {0};
    if (mu_schema_read(&f->arena, &json, &again, &err) != MU_OK)
        fail_msg("%s", err.text);
    assert_true(mu_type_equal(s->row, again->row));
    assert_true(mu_str_equal(text, written(f, again)));
}

/* docs/decisions/0056 */
static void a_file_may_declare_an_inferred_integer_a_double(void **state)
{
    fixture *f = *state;
    mu_err err = {0};
    const mu_str name = MU_STR("n");
    const mu_type *field = mu_type_inferred_integer();
    const mu_type *list = mu_type_list(&f->arena, mu_type_object(&f->arena, 1, &name, &field));
    const mu_type *profile = mu_type_object(&f->arena, 1, &name, &list);
    const mu_schema *base =
        mu_schema_with_types(&f->arena, f->builtin, profile, f->builtin->event, 0, NULL);
    mu_json json = json_of(f, written(f, base));
    const mu_schema *read = NULL, *s = NULL;
    assert_int_equal(mu_schema_read(&f->arena, &json, &read, &err), MU_OK);
    assert_true(mu_type_at(read->profile, MU_STR("n.n"))->is_inferred);
    json = json_of(f, MU_STR("{\"class\":\"profile\",\"fields\":{\"m\":\"integer\"}}"));
    assert_int_equal(mu_schema_extend(&f->arena, read, &json, &s, &err), MU_OK);
    assert_true(mu_type_at(s->profile, MU_STR("n.n"))->is_inferred);
    assert_false(mu_type_at(s->profile, MU_STR("m"))->is_inferred);
    json = json_of(f, MU_STR("{\"class\":\"profile\",\"fields\":{\"n[].n\":\"integer\"}}"));
    assert_int_equal(mu_schema_extend(&f->arena, read, &json, &s, &err), MU_OK);
    assert_false(mu_type_at(s->profile, MU_STR("n.n"))->is_inferred);
    json = json_of(f, MU_STR("{\"class\":\"profile\",\"fields\":{\"n[].n\":\"double\"}}"));
    assert_int_equal(mu_schema_extend(&f->arena, s, &json, &s, &err), MU_E_CONFLICT);
    assert_int_equal(mu_schema_extend(&f->arena, read, &json, &s, &err), MU_OK);
    assert_type(f, s->profile, "n.n", "double");
}

static void a_damaged_schema_is_refused(void **state)
{
    fixture *f = *state;
    mu_str text = written(f, luma(f));
    mu_json whole = json_of(f, text);
    for (uint32_t drop = 0; drop < whole.n; drop++) {
        mu_json damaged = whole;
        mu_json *items = MU_NEW_ARRAY(&f->arena, mu_json, whole.n);
        memcpy(items, whole.items, whole.n * sizeof *items);
        items[drop] = (mu_json){.kind = MU_JSON_BOOLEAN};
        damaged.items = items;
        const mu_schema *s = NULL;
        assert_int_equal(mu_schema_read(&f->arena, &damaged, &s, NULL), MU_E_CORRUPT);
    }
}

static void a_schema_with_other_types_gets_a_new_row(void **state)
{
    fixture *f = *state;
    const mu_schema *s = luma(f);
    const mu_schema *other = mu_schema_with_types(&f->arena, s, s->event, s->profile, 0, NULL);
    assert_int_equal(other->version, s->version + 1);
    assert_int_equal(other->n_identity_paths, s->n_identity_paths);
    assert_ptr_equal(mu_type_at(other->row, MU_STR("xEvent"))->item, s->profile);
    assert_int_equal(other->row->n_fields, s->event->n_fields + 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_builtin_schema_has_the_standard_paths),
        TEST(the_row_is_the_profile_with_its_events),
        TEST(a_schema_file_adds_to_the_base),
        TEST(the_same_file_twice_changes_nothing_but_the_version),
        TEST(quoted_names_may_hold_anything),
        TEST(mistakes_in_a_file_are_named),
        TEST(a_path_deeper_than_the_limit_is_refused),
        TEST(a_schema_survives_writing_and_reading),
        TEST(a_file_may_declare_an_inferred_integer_a_double),
        TEST(a_damaged_schema_is_refused),
        TEST(a_schema_with_other_types_gets_a_new_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
