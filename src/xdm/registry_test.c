/* registry_test.c -- documents resolved, unions, and entities checked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/time.h"
#include "tests/support/golden.h"
#include "tests/support/luma_registry.h"
#include "xdm/registry_int.h"

typedef struct fixture {
    mu_arena arena;
    mu_json_reader *reader;
} fixture;

static int set_up(void **state)
{
    fixture *f = test_malloc(sizeof *f);
    mu_arena_init(&f->arena, SIZE_MAX);
    f->reader = mu_json_reader_new();
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
        fail_msg("%s: " MU_STR_FMT, err.text, MU_STR_ARG(text));
    return json;
}

#define THING_CLASS  "https://ns.adobe.com/luma/classes/thing"
#define THING_SCHEMA "https://ns.adobe.com/luma/schemas/thing"

/* A class of records and a schema of it whose further members are `fragment`. */
static mu_code thing_registry(fixture *f, mu_str fragment, size_t n_more,
                              const mu_xdm_document *more, mu_registry **out, mu_err *err)
{
    mu_xdm_document documents[8] = {
        {MU_XDM_CLASS, MU_STR(THING_CLASS),
         MU_STR("{\"type\":\"object\",\"allOf\":[{\"$ref\":\"" MU_XDM_RECORD "\"}]}")},
        {MU_XDM_SCHEMA, MU_STR(THING_SCHEMA),
         mu_arena_format(&f->arena,
                         "{\"type\":\"object\",\"allOf\":[{\"$ref\":\"" THING_CLASS
                         "\"}," MU_STR_FMT "]}",
                         MU_STR_ARG(fragment))}};
    for (size_t i = 0; i < n_more; i++)
        documents[2 + i] = more[i];
    return mu_registry_new(MU_STR("luma"), 2 + n_more, documents, out, err);
}

static mu_registry *registry_with(fixture *f, size_t n_more, const mu_xdm_document *more)
{
    mu_registry *registry = NULL;
    mu_err err = {0};
    if (thing_registry(f, MU_STR("{}"), n_more, more, &registry, &err) != MU_OK)
        fail_msg("%s", err.text);
    return registry;
}

static void assert_refused(fixture *f, const char *fragment, mu_code code, const char *expected)
{
    mu_registry *registry = NULL;
    mu_err err = {0};
    assert_int_equal(thing_registry(f, mu_str_from(fragment), 0, NULL, &registry, &err), code);
    if (strstr(err.text, expected) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, expected);
}

/* -------- the built-in container -------- */

static void check_same(const mu_type *builtin, const mu_type *united, mu_buf *path)
{
    size_t length = path->len;
    for (uint32_t i = 0; i < builtin->n_fields; i++) {
        mu_buf_add_format(path, "." MU_STR_FMT, MU_STR_ARG(builtin->field_names[i]));
        int field = mu_type_field(united, builtin->field_names[i]);
        if (field < 0)
            fail_msg("no field " MU_STR_FMT, MU_STR_ARG(mu_buf_str(path)));
        const mu_type *b = builtin->field_types[i];
        const mu_type *u = united->field_types[field];
        while (b->kind == u->kind && (b->kind == MU_TYPE_LIST || b->kind == MU_TYPE_MAP)) {
            b = b->item;
            u = u->item;
        }
        if (b->kind != u->kind)
            fail_msg(MU_STR_FMT " has another type", MU_STR_ARG(mu_buf_str(path)));
        check_same(b, u, path);
        path->len = length;
    }
}

/* Both say what standard XDM is; neither may know a field that the other has with another type, and
 * the container has all that rows have without any schema. */
static void the_container_has_every_standard_path(void **state)
{
    fixture *f = *state;
    mu_arena *arena = &f->arena;
    mu_registry *registry = mu_luma_registry();
    const mu_schema *builtin = mu_schema_builtin(arena);
    mu_draft *drafts[2] = {mu_draft_of(arena, mu_type_of(MU_TYPE_OBJECT)),
                           mu_draft_of(arena, mu_type_of(MU_TYPE_OBJECT))};
    for (uint32_t i = 0; i < registry->n_entries; i++) {
        const mu_xdm_resource_entry *entry = &registry->entries[i];
        bool of_event = mu_str_find(entry->id, MU_STR("experienceevent")) != SIZE_MAX;
        if (!entry->is_global ||
            (entry->resource != MU_XDM_CLASS && entry->resource != MU_XDM_FIELD_GROUP))
            continue;
        mu_xdm_piece piece = {entry->json, entry};
        mu_xdm_node *node = NULL;
        mu_err err = {0};
        if (mu_xdm_compose(registry, NULL, arena, entry->id, 1, &piece, &node, NULL, &err) !=
                MU_OK ||
            mu_draft_merge(arena, drafts[of_event], node->type, &err) != MU_OK)
            fail_msg("%s", err.text);
    }
    mu_buf path;
    mu_buf_init(&path, 4096);
    check_same(builtin->profile, mu_draft_type(arena, drafts[0]), &path);
    check_same(builtin->event, mu_draft_type(arena, drafts[1]), &path);
    mu_buf_free(&path);
    mu_registry_free(registry);
}

static void alternative_ids_follow_the_rule(void **state)
{
    fixture *f = *state;
    mu_registry *registry = mu_luma_registry();
    assert_true(mu_str_equal(mu_xdm_alt_id(&f->arena, MU_STR(MU_XDM_PROFILE_CLASS)),
                             MU_STR("_xdm.context.profile")));
    const mu_xdm_schema *by_alt_id = mu_registry_schema(
        registry, MU_STR("_luma.schemas.9261ceef0b969e70ac20f1510f07a1e0d8db05f20c75161a"));
    assert_non_null(by_alt_id);
    assert_ptr_equal(by_alt_id, mu_registry_schema(registry, MU_STR(LUMA_PERSON_SCHEMA)));
    assert_null(mu_registry_schema(registry, MU_STR("")));
    assert_null(mu_registry_schema(
        registry, MU_STR("https://ns.adobe.com/xdm/context/profile-person-details")));
    mu_registry_free(registry);
}

/* -------- schemas -------- */

static void a_schema_knows_class_behavior_and_identities(void **state)
{
    (void)state;
    mu_registry *registry = mu_luma_registry();
    const mu_xdm_schema *person = mu_registry_schema(registry, MU_STR(LUMA_PERSON_SCHEMA));
    const mu_xdm_schema *web = mu_registry_schema(registry, MU_STR(LUMA_WEB_EVENT_SCHEMA));
    const mu_xdm_identity *identities;
    assert_int_equal(mu_xdm_schema_behavior(person), MU_XDM_PROFILE);
    assert_int_equal(mu_xdm_schema_behavior(web), MU_XDM_EVENT);
    assert_true(mu_xdm_schema_in_union(person));
    assert_true(mu_str_equal(mu_xdm_schema_class(web), MU_STR(MU_XDM_EVENT_CLASS)));
    assert_int_equal(mu_xdm_schema_identities(web, &identities), 0);
    assert_int_equal(mu_xdm_schema_identities(person, &identities), 2);
    assert_true(mu_str_equal(identities[0].path, MU_STR("_luma.identification.crmId")));
    assert_true(mu_str_equal(identities[0].namespace_code, MU_STR("lumaCrmId")));
    assert_true(identities[0].is_primary);
    assert_true(mu_str_equal(identities[1].path, MU_STR("personalEmail.address")));
    assert_false(identities[1].is_primary);
    mu_registry_free(registry);
}

static void a_class_stands_for_a_schema(void **state)
{
    (void)state;
    mu_registry *registry = NULL;
    mu_err err;
    assert_int_equal(mu_registry_new(MU_STR("luma"), 0, NULL, &registry, &err), MU_OK);
    const mu_xdm_schema *event =
        mu_registry_schema(registry, MU_STR("_xdm.context.experienceevent"));
    assert_non_null(event);
    assert_int_equal(mu_xdm_schema_behavior(event), MU_XDM_EVENT);
    assert_int_equal(
        mu_xdm_schema_behavior(mu_registry_schema(registry, MU_STR(MU_XDM_PROFILE_CLASS))),
        MU_XDM_PROFILE);
    mu_registry_free(registry);
}

static void prefixed_documents_become_plain(void **state)
{
    fixture *f = *state;
    mu_registry *registry = NULL;
    mu_err err = {0};
    mu_str fragment = MU_STR(
        "{\"properties\":{\"xdm:name\":{\"type\":\"string\"},\"repo:a\":{\"type\":\"integer\"},"
        "\"repo:b\":{\"type\":\"object\",\"properties\":{\"@type\":{\"type\":\"string\"}}}},"
        "\"required\":[\"xdm:name\",\"repo:a\"]}");
    if (thing_registry(f, fragment, 0, NULL, &registry, &err) != MU_OK)
        fail_msg("%s", err.text);
    mu_xdm_node *root = registry->schemas[registry->n_schemas - 1].root;
    assert_int_equal(mu_xdm_node_at(root, MU_STR("name"))->type->kind, MU_TYPE_STRING);
    assert_int_equal(mu_xdm_node_at(root, MU_STR("_repo.a"))->type->kind, MU_TYPE_INTEGER);
    assert_int_equal(mu_xdm_node_at(root, MU_STR("_repo.b._type"))->type->kind, MU_TYPE_STRING);
    assert_int_equal(root->n_required, 2);
    mu_registry_free(registry);
}

static void documents_that_make_no_sense_are_named(void **state)
{
    fixture *f = *state;
    assert_refused(f, "{\"$ref\":\"https://ns.adobe.com/luma/mixins/none\"}", MU_E_INPUT,
                   "https://ns.adobe.com/luma/schemas/thing: / refers to "
                   "\"https://ns.adobe.com/luma/mixins/none\"");
    assert_refused(f, "{\"$ref\":\"#/definitions/none\"}", MU_E_INPUT, "which is nowhere");
    assert_refused(f, "{\"properties\":{\"a\":{\"type\":\"text\"}}}", MU_E_INPUT,
                   "/a has a type that is none of");
    assert_refused(f, "{\"properties\":{\"a\":{}}}", MU_E_INPUT, "/a has no type");
    assert_refused(f, "{\"properties\":{\"a\":{\"type\":\"array\"}}}", MU_E_INPUT,
                   "/a is an array without \"items\"");
    assert_refused(f, "{\"properties\":{\"a\":7}}", MU_E_INPUT, "/a is described by");
    static const char *const names[] = {"a.b", "", "$identities", "a b", "\u00fc", "a/b"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_refused(
            f,
            mu_arena_format(&f->arena, "{\"properties\":{\"%s\":{\"type\":\"string\"}}}", names[i])
                .ptr,
            MU_E_INPUT, "/ has a field whose name");
    assert_refused(f, "{\"properties\":[]}", MU_E_INPUT, "\"properties\" must be an object");
    assert_refused(f, "{\"properties\":{\"a\":{\"type\":\"string\",\"pattern\":\"(\"}}}",
                   MU_E_INPUT, "/a has a \"pattern\" that is none");
    assert_refused(f,
                   "{\"properties\":{\"a\":{\"type\":\"string\"}},\"allOf\":[{\"properties\":{"
                   "\"a\":{\"type\":\"number\"}}}]}",
                   MU_E_CONFLICT, "/a is string in one place and double in another");
    assert_refused(f, "{\"properties\":{\"a\":{\"$ref\":\"" THING_SCHEMA "\"}}}", MU_E_INPUT,
                   "is nested too deeply");
}

/* Ten references to ten references and so on: the tree would have 10^12 places. */
static void a_bomb_of_references_is_refused(void **state)
{
    fixture *f = *state;
    mu_buf fragment;
    mu_buf_init(&fragment, 1 << 20);
    MU_BUF_ADD(&fragment, "{\"definitions\":{\"d0\":{\"type\":\"string\"}");
    for (int d = 1; d <= 12; d++) {
        mu_buf_add_format(&fragment, ",\"d%d\":{\"type\":\"object\",\"properties\":{", d);
        for (int p = 0; p < 10; p++)
            mu_buf_add_format(&fragment, "%s\"p%d\":{\"$ref\":\"#/allOf/1/definitions/d%d\"}",
                              p == 0 ? "" : ",", p, d - 1);
        MU_BUF_ADD(&fragment, "}}");
    }
    MU_BUF_ADD(&fragment, "},\"properties\":{\"a\":{\"$ref\":\"#/allOf/1/definitions/d12\"}}}");
    mu_registry *registry = NULL;
    mu_err err = {0};
    assert_int_equal(thing_registry(f, mu_buf_str(&fragment), 0, NULL, &registry, &err),
                     MU_E_INPUT);
    assert_non_null(strstr(err.text, "one field too many"));
    mu_buf_free(&fragment);
}

/* Few places, but each made of thousands of pieces. */
static void a_thicket_of_references_is_refused(void **state)
{
    fixture *f = *state;
    mu_buf fragment;
    mu_buf_init(&fragment, 1 << 24);
    MU_BUF_ADD(&fragment, "{\"definitions\":{\"d\":{\"type\":\"string\",\"allOf\":[{}");
    for (int i = 0; i < 4000; i++)
        MU_BUF_ADD(&fragment, ",{}");
    MU_BUF_ADD(&fragment, "]}},\"properties\":{\"a\":{\"type\":\"string\"}");
    for (int i = 0; i < 1000; i++)
        mu_buf_add_format(&fragment, ",\"p%d\":{\"$ref\":\"#/allOf/1/definitions/d\"}", i);
    MU_BUF_ADD(&fragment, "}}");
    mu_registry *registry = NULL;
    mu_err err = {0};
    assert_int_equal(thing_registry(f, mu_buf_str(&fragment), 0, NULL, &registry, &err),
                     MU_E_INPUT);
    assert_non_null(strstr(err.text, "one reference too many"));
    mu_buf_free(&fragment);
}

static mu_code with_descriptor(fixture *f, const char *members, mu_err *err)
{
    const mu_xdm_document *luma;
    mu_xdm_document documents[32];
    size_t n = mu_luma_documents(&f->arena, &luma);
    memcpy(documents, luma, n * sizeof *documents);
    documents[n] = (mu_xdm_document){
        MU_XDM_DESCRIPTOR, MU_STR("d1"),
        mu_arena_format(&f->arena,
                        "{\"@type\":\"xdm:descriptorIdentity\",\"xdm:sourceSchema\":"
                        "\"" LUMA_PERSON_SCHEMA "\",%s}",
                        members)};
    mu_registry *registry = NULL;
    mu_code code = mu_registry_new(MU_STR("luma"), n + 1, documents, &registry, err);
    if (code == MU_OK)
        mu_registry_free(registry);
    return code;
}

static void descriptors_must_fit_their_schema(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *members, *expected;
    } cases[] = {
        {"\"xdm:sourceProperty\":\"/mobilePhone/number\",\"xdm:namespace\":7", NULL},
        {"\"xdm:sourceProperty\":\"/xdm:mobilePhone/xdm:number\",\"xdm:namespace\":\"Phone\"",
         NULL},
        {"\"xdm:sourceProperty\":\"/mobilePhone/number\"", "xdm:namespace"},
        {"\"xdm:sourceProperty\":\"/mobilePhone/none\",\"xdm:namespace\":\"Phone\"",
         "no field \"/mobilePhone/none\""},
        {"\"xdm:sourceProperty\":\"/mobilePhone\",\"xdm:namespace\":\"Phone\"",
         "only a text field"},
        {"\"xdm:sourceProperty\":\"/personalEmail/address\",\"xdm:namespace\":\"Email\"",
         "another descriptor marks"},
        {"\"xdm:sourceProperty\":\"/mobilePhone/number\",\"xdm:namespace\":\"Phone\","
         "\"xdm:isPrimary\":true",
         "primary identity already"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mu_err err = {0};
        mu_code code = with_descriptor(f, cases[i].members, &err);
        assert_int_equal(code, cases[i].expected == NULL ? MU_OK : MU_E_INPUT);
        if (cases[i].expected != NULL && strstr(err.text, cases[i].expected) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", err.text, cases[i].expected);
    }
}

/* -------- unions -------- */

static void a_union_has_what_its_members_have(void **state)
{
    fixture *f = *state;
    mu_registry *registry = mu_luma_registry();
    const mu_schema *base = mu_schema_builtin(&f->arena);
    const mu_schema *united = NULL, *again = NULL;
    mu_err err = {0};
    if (mu_registry_union(registry, &f->arena, base, &united, &err) != MU_OK)
        fail_msg("%s", err.text);
    mu_registry_free(registry); /* what was made does not need it */
    assert_int_equal(united->version, base->version + 1);
    assert_int_equal(mu_type_at(united->row, MU_STR("_luma.preferences.newsletterTopics"))->kind,
                     MU_TYPE_MAP);
    assert_int_equal(mu_type_at(united->row, MU_STR("xEvent._luma.test"))->kind, MU_TYPE_BOOLEAN);
    registry = mu_luma_registry();
    assert_int_equal(mu_registry_union(registry, &f->arena, united, &again, &err), MU_OK);
    assert_ptr_equal(again, united);
    mu_registry_free(registry);
}

static const mu_xdm_document *event_schema(fixture *f, mu_str id, const char *properties,
                                           const char *tags)
{
    mu_xdm_document *document = MU_NEW(&f->arena, mu_xdm_document);
    *document = (mu_xdm_document){
        MU_XDM_SCHEMA, id,
        mu_arena_format(&f->arena,
                        "{\"type\":\"object\",\"meta:immutableTags\":[%s],\"allOf\":[{\"$ref\":"
                        "\"" MU_XDM_EVENT_CLASS "\"}],\"properties\":%s}",
                        tags, properties)};
    return document;
}

static void members_of_a_union_must_agree(void **state)
{
    fixture *f = *state;
    const char *number = "{\"_luma\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":"
                         "\"array\",\"items\":{\"type\":\"number\"}}}}}";
    const char *text = "{\"_luma\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":"
                       "\"array\",\"items\":{\"type\":\"string\"}}}}}";
    mu_str id1 = MU_STR("https://ns.adobe.com/luma/schemas/1");
    mu_str id2 = MU_STR("https://ns.adobe.com/luma/schemas/2");
    mu_xdm_document both[] = {*event_schema(f, id1, number, "\"union\""),
                              *event_schema(f, id2, text, "\"union\"")};
    mu_xdm_document one[] = {both[0], *event_schema(f, id2, text, "")};
    mu_registry *registry = NULL;
    mu_err err = {0};
    assert_int_equal(mu_registry_new(MU_STR("luma"), 2, both, &registry, &err), MU_E_CONFLICT);
    assert_string_equal(err.text, "https://ns.adobe.com/luma/schemas/2: \"_luma.a[]\" is string "
                                  "here, but already double");
    assert_int_equal(mu_registry_new(MU_STR("luma"), 2, one, &registry, &err), MU_OK);
    mu_registry_free(registry);
}

static void relationships_lead_to_lookup_classes(void **state)
{
    fixture *f = *state;
    mu_xdm_document more[] = {
        *event_schema(f, MU_STR("https://ns.adobe.com/luma/schemas/1"),
                      "{\"_luma\":{\"type\":\"object\",\"properties\":{\"thing\":{\"type\":"
                      "\"string\"}}}}",
                      "\"union\""),
        {MU_XDM_DESCRIPTOR, MU_STR("k"),
         MU_STR("{\"@type\":\"xdm:descriptorIdentity\",\"xdm:sourceSchema\":\"" THING_SCHEMA
                "\",\"xdm:sourceProperty\":\"/_id\",\"xdm:namespace\":\"thing\","
                "\"xdm:isPrimary\":true}")},
        {MU_XDM_DESCRIPTOR, MU_STR("r"),
         MU_STR("{\"@type\":\"xdm:descriptorOneToOne\",\"xdm:sourceSchema\":"
                "\"https://ns.adobe.com/luma/schemas/1\",\"xdm:sourceProperty\":\"/_luma/thing\","
                "\"xdm:destinationSchema\":\"" THING_SCHEMA "\"}")}};
    mu_registry *registry = registry_with(f, 3, more);
    const mu_schema *united = NULL;
    mu_err err = {0};
    if (mu_registry_union(registry, &f->arena, mu_schema_builtin(&f->arena), &united, &err) !=
        MU_OK)
        fail_msg("%s", err.text);
    mu_registry_free(registry);
    assert_int_equal(united->n_lookup_classes, 1);
    assert_true(mu_str_equal(united->lookup_classes[0].name, MU_STR(THING_SCHEMA)));
    assert_true(mu_str_equal(united->lookup_classes[0].key_path, MU_STR("_id")));
    assert_int_equal(united->n_relationships, 1);
    const mu_type *source = mu_type_at(united->row, MU_STR("xEvent._luma.thing"));
    assert_true(mu_str_equal(source->target_class, MU_STR(THING_SCHEMA)));
}

/* -------- entities -------- */

static void write_violations(mu_buf *out, uint32_t n, const mu_xdm_violation *v)
{
    if (n == 0)
        MU_BUF_ADD(out, "valid\n");
    for (uint32_t i = 0; i < n; i++)
        mu_buf_add_format(out, MU_STR_FMT " " MU_STR_FMT " " MU_STR_FMT ": " MU_STR_FMT "\n",
                          MU_STR_ARG(v[i].keyword), MU_STR_ARG(v[i].schema_location),
                          MU_STR_ARG(v[i].pointer), MU_STR_ARG(v[i].message));
}

typedef struct golden {
    fixture *f;
    mu_registry *registry;
    const mu_xdm_schema *schema;
    unsigned flags;
} golden;

/* @fragment {...}: a schema of the class of things with these members; @schema: one of the shop's;
 * @flags partial, or nothing. */
static void instruct(golden *g, mu_str text)
{
    mu_err err = {0};
    const char *blank = memchr(text.ptr, ' ', text.len);
    mu_str name = {text.ptr, blank == NULL ? text.len : (size_t)(blank - text.ptr)};
    mu_str value = {text.ptr + name.len, text.len - name.len};
    value = mu_str_trim(value);
    if (mu_str_equal(name, MU_STR("flags"))) {
        g->flags = mu_str_equal(value, MU_STR("partial")) ? MU_XDM_PARTIAL : 0;
        return;
    }
    mu_registry_free(g->registry);
    g->registry = NULL;
    mu_str id = MU_STR(THING_SCHEMA);
    if (mu_str_equal(name, MU_STR("schema"))) {
        g->registry = mu_luma_registry();
        id = value;
    } else if (thing_registry(g->f, value, 0, NULL, &g->registry, &err) != MU_OK) {
        fail_msg("%s", err.text);
    }
    g->schema = mu_registry_schema(g->registry, id);
    assert_non_null(g->schema);
}

static void check_entity(void *context, bool is_instruction, mu_str text, mu_buf *out)
{
    golden *g = context;
    if (is_instruction) {
        instruct(g, text);
        return;
    }
    mu_xdm_violation violations[MU_XDM_VIOLATIONS_MAX];
    mu_json entity = json_of(g->f, text);
    uint32_t n = mu_xdm_validate(g->schema, &entity, g->flags, &g->f->arena, violations);
    write_violations(out, n, violations);
}

static void violations_are_told_in_the_documented_words(void **state)
{
    golden g = {.f = *state};
    assert_true(mu_golden_run("xdm-violations.txt", check_entity, &g) > 60);
    mu_registry_free(g.registry);
}

static void assert_message_valid(fixture *f, const mu_registry *registry, const mu_json *message)
{
    mu_xdm_violation violations[MU_XDM_VIOLATIONS_MAX];
    const mu_json *ref =
        mu_json_member(mu_json_member(message, MU_STR("header")), MU_STR("schemaRef"));
    const mu_json *entity =
        mu_json_member(mu_json_member(message, MU_STR("body")), MU_STR("xdmEntity"));
    const mu_xdm_schema *schema =
        mu_registry_schema(registry, mu_json_member_string(ref, MU_STR("id"), MU_STR("")));
    assert_non_null(schema);
    size_t used = f->arena.used_bytes;
    const char *at = f->arena.at;
    uint32_t n = mu_xdm_validate(schema, entity, 0, &f->arena, violations);
    assert_int_equal(f->arena.used_bytes, used); /* nothing is allocated for valid entities */
    assert_ptr_equal(f->arena.at, at);
    mu_buf text;
    mu_buf_init(&text, 4096);
    write_violations(&text, n, violations);
    if (n > 0)
        fail_msg(MU_STR_FMT, MU_STR_ARG(mu_buf_str(&text)));
    mu_buf_free(&text);
}

static void the_messages_of_the_shop_are_valid(void **state)
{
    fixture *f = *state;
    mu_registry *registry = mu_luma_registry();
    mu_json a = mu_luma_json(&f->arena, "payload-a.json");
    mu_json b = mu_luma_json(&f->arena, "payload-b.json");
    mu_json c = mu_luma_json(&f->arena, "payload-c.json");
    assert_message_valid(f, registry, &a);
    assert_message_valid(f, registry, &b);
    const mu_json *messages = mu_json_member(&c, MU_STR("messages"));
    assert_int_equal(messages->n, 3);
    for (uint32_t i = 0; i < messages->n; i++)
        assert_message_valid(f, registry, &messages->items[i]);
    mu_registry_free(registry);
}

static void samples_are_valid(void **state)
{
    fixture *f = *state;
    static const char *const ids[] = {LUMA_PERSON_SCHEMA, LUMA_LOYALTY_SCHEMA,
                                      LUMA_WEB_EVENT_SCHEMA, LUMA_STORE_EVENT_SCHEMA,
                                      MU_XDM_PROFILE_CLASS};
    mu_registry *registry = mu_luma_registry();
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        const mu_xdm_schema *schema = mu_registry_schema(registry, mu_str_from(ids[i]));
        mu_xdm_violation violations[MU_XDM_VIOLATIONS_MAX];
        mu_json sample = mu_xdm_sample(schema, &f->arena);
        assert_int_equal(sample.n, schema->root->type->n_fields);
        uint32_t n = mu_xdm_validate(schema, &sample, 0, &f->arena, violations);
        if (n > 0)
            fail_msg(MU_STR_FMT ": " MU_STR_FMT, MU_STR_ARG(violations[0].pointer),
                     MU_STR_ARG(violations[0].message));
    }
    mu_registry_free(registry);
}

static void validation_is_fast_enough(void **state)
{
    fixture *f = *state;
    mu_registry *registry = mu_luma_registry();
    mu_json message = mu_luma_json(&f->arena, "payload-b.json");
    const mu_json *entity =
        mu_json_member(mu_json_member(&message, MU_STR("body")), MU_STR("xdmEntity"));
    const mu_xdm_schema *schema = mu_registry_schema(registry, MU_STR(LUMA_WEB_EVENT_SCHEMA));
    mu_xdm_violation violations[MU_XDM_VIOLATIONS_MAX];
    int64_t best = INT64_MAX;
    for (int round = 0; round < 20; round++) {
        int64_t start = mu_monotonic_ns();
        for (int i = 0; i < 1000; i++)
            assert_int_equal(mu_xdm_validate(schema, entity, 0, &f->arena, violations), 0);
        int64_t spent = (mu_monotonic_ns() - start) / 1000;
        best = spent < best ? spent : best;
    }
    print_message("a purchase event: %lld ns\n", (long long)best);
    assert_true(best < 200000); /* an order of magnitude only: machines differ, sanitizers too */
    mu_registry_free(registry);
}

static void entities_become_plain(void **state)
{
    fixture *f = *state;
    mu_registry *registry = mu_luma_registry();
    const mu_xdm_schema *schema = mu_registry_schema(registry, MU_STR(LUMA_PERSON_SCHEMA));
    mu_json plain = json_of(f, MU_STR("{\"person\":{\"name\":{\"firstName\":\"Ada\"}}}"));
    assert_ptr_equal(mu_xdm_plain_entity(schema, &plain, &f->arena), &plain);
    mu_json sent = json_of(
        f, MU_STR("{\"@id\":\"1\",\"xdm:person\":{\"xdm:name\":{\"xdm:firstName\":\"Ada\"}},"
                  "\"repo:createDate\":\"2026-01-01\",\"_repo\":{\"a\":1},\"repo:b\":2,"
                  "\"xdm:identityMap\":{\"xdm:odd\":[{\"xdm:id\":\"x\"}]},"
                  "\"http://x/y:z\":3}"));
    mu_buf text;
    mu_json_writer writer;
    mu_buf_init(&text, 4096);
    mu_json_writer_init(&writer, &text);
    mu_json_value(&writer, mu_xdm_plain_entity(schema, &sent, &f->arena));
    mu_buf_add_char(&text, 0);
    assert_string_equal(text.ptr,
                        "{\"_id\":\"1\",\"person\":{\"name\":{\"firstName\":\"Ada\"}},"
                        "\"_repo\":{\"createDate\":\"2026-01-01\",\"a\":1,\"b\":2},"
                        "\"identityMap\":{\"xdm:odd\":[{\"id\":\"x\"}]},\"http://x/y:z\":3}");
    mu_buf_free(&text);
    mu_registry_free(registry);
}

static void simple_patterns_need_no_engine(void **state)
{
    (void)state;
    mu_xdm_shape shape;
    assert_true(mu_xdm_shape_of(MU_STR("^[A-Z]{3}$"), &shape));
    assert_true(mu_xdm_shape_matches(&shape, MU_STR("USD")));
    assert_false(mu_xdm_shape_matches(&shape, MU_STR("USDX")));
    assert_false(mu_xdm_shape_matches(&shape, MU_STR("US")));
    assert_false(mu_xdm_shape_matches(&shape, MU_STR("usd")));
    assert_true(mu_xdm_shape_of(MU_STR("^[0-1][0-9]-[0-3][0-9]$"), &shape));
    assert_true(mu_xdm_shape_matches(&shape, MU_STR("02-29")));
    assert_false(mu_xdm_shape_matches(&shape, MU_STR("02/29")));
    assert_true(mu_xdm_shape_of(MU_STR("^[0-9]{1,3}$"), &shape));
    assert_true(mu_xdm_shape_matches(&shape, MU_STR("1")));
    assert_false(mu_xdm_shape_matches(&shape, MU_STR("")));
    assert_false(mu_xdm_shape_matches(&shape, MU_STR("1234")));
    static const char *const others[] = {
        "[A-Z]{3}",  "^[A-Z]{3}",     "^a|b$",           "^[^A]$",     "^[A-Z]+[0-9]$", "^\\d$",
        "^a.c$",     "^(a)$",         "^[a-$",           "^[z-a]$",    "^a{2,1}$",      "^$",
        "^[A-Z]{3$", "^[[:alpha:]]$", "^a{9999999999}$", "^[a-z&&b]$", "^a*$",          "^a?$"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (mu_xdm_shape_of(mu_str_from(others[i]), &shape))
            fail_msg("%s is no row of character classes", others[i]);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(the_container_has_every_standard_path),
        CASE(alternative_ids_follow_the_rule),
        CASE(a_schema_knows_class_behavior_and_identities),
        CASE(a_class_stands_for_a_schema),
        CASE(prefixed_documents_become_plain),
        CASE(documents_that_make_no_sense_are_named),
        CASE(a_bomb_of_references_is_refused),
        CASE(a_thicket_of_references_is_refused),
        CASE(descriptors_must_fit_their_schema),
        CASE(a_union_has_what_its_members_have),
        CASE(members_of_a_union_must_agree),
        CASE(relationships_lead_to_lookup_classes),
        CASE(violations_are_told_in_the_documented_words),
        CASE(the_messages_of_the_shop_are_valid),
        CASE(samples_are_valid),
        CASE(validation_is_fast_enough),
        CASE(entities_become_plain),
        CASE(simple_patterns_need_no_engine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
