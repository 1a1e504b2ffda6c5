/* content_test.c -- rows to content and back, records, joins and splits, views. What random records
 * make is compared with content_model_test.c's obvious model; here are the cases with names. */
#include "profile/content_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/part_rows.h"

#define D1 MU_STR("9261ceef0b969e70ac20f151")
#define D2 MU_STR("6ef9086b892fba957bbdeab1")
#define D3 MU_STR("4b5e57f6eb2f42b9039b3d1e")
#define D5 MU_STR("90e5478be77d3cad10005e9d")

#define DAY 86400000

typedef struct fixture {
    mu_arena arena;
    mu_json_reader *reader;
    const mu_schema *schema;
    mu_content content;
    uint64_t sequence;
} fixture;

static const mu_identity crm = {{"lumaCrmId", 9}, {"CRM-100080", 10}};
static const mu_identity email = {{"Email", 5}, {"farah@example.com", 17}};
static const mu_identity ecid = {{"ECID", 4}, {"83905390261353196691980241222855773941", 38}};

#define assert_done(call, err)                                                                     \
    do {                                                                                           \
        if ((call) != MU_OK)                                                                       \
            fail_msg("%s", (err).text);                                                            \
    } while (0)

static mu_json json_of(fixture *f, const char *text)
{
    mu_json json;
    mu_err err;
    assert_done(mu_json_read(f->reader, &f->arena, mu_str_from(text), &json, &err), err);
    return json;
}

static mu_graph_cluster cluster_of(fixture *f, uint32_t n, const mu_identity *identities)
{
    mu_graph_identity *list = MU_NEW_ARRAY(&f->arena, mu_graph_identity, n);
    for (uint32_t i = 0; i < n; i++)
        list[i] = (mu_graph_identity){.identity = identities[i], .seen_ms = 100 + i};
    mu_graph_edge *edges = MU_NEW(&f->arena, mu_graph_edge);
    mu_str *texts = MU_NEW_ARRAY(&f->arena, mu_str, 3);
    texts[0] = D1;
    texts[1] = MU_STR("batch-2");
    texts[2] = MU_STR("batch-1");
    *edges = (mu_graph_edge){.a = 0,
                             .b = 1,
                             .first_ms = 5,
                             .last_ms = 7,
                             .n_datasets = 1,
                             .datasets = texts,
                             .n_batches = 2,
                             .batches = texts + 1};
    return (mu_graph_cluster){
        .pid = 7, .n_identities = n, .identities = list, .n_edges = n > 1, .edges = edges};
}

static void start(fixture *f, uint32_t n, const mu_identity *identities)
{
    mu_graph_cluster cluster = cluster_of(f, n, identities);
    mu_err err;
    assert_done(mu_content_gather(&f->arena, f->schema, &cluster, 0, NULL, &f->content, &err), err);
    f->content.reader = f->reader;
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    mu_arena_init(&f->arena, SIZE_MAX);
    f->reader = mu_json_reader_new();
    mu_json file =
        json_of(f, "{\"classes\":[{\"class\":\"profile\",\"fields\":{"
                   "\"_luma.preferences.categories[]\":\"string\","
                   "\"_luma.preferences.newsletterTopics{}\":\"boolean\","
                   "\"_luma.rfm.recency\":\"integer\",\"_luma.rfm.monetary\":\"double\"}},"
                   "{\"class\":\"event\",\"fields\":{\"_luma.channel\":\"string\"}}]}");
    mu_err err;
    assert_done(mu_schema_extend(&f->arena, mu_schema_builtin(&f->arena), &file, &f->schema, &err),
                err);
    f->schema = mu_schema_with_system_fields(&f->arena, f->schema);
    start(f, 1, &crm);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    mu_json_reader_free(f->reader);
    mu_arena_free(&f->arena);
    free(f);
    return 0;
}

/* -------- records -------- */

static mu_code try_apply(fixture *f, mu_record record, mu_err *err)
{
    mu_applied_record applied = {.sequence = ++f->sequence, .record = record};
    return mu_content_apply(&f->arena, f->schema, &f->content, 1, &applied, err);
}

static void apply(fixture *f, mu_record record)
{
    mu_err err;
    assert_done(try_apply(f, record, &err), err);
}

static mu_record record_of(mu_record_kind kind, const mu_identity *identity, mu_str dataset,
                           int64_t received_ms, const char *document)
{
    return (mu_record){.kind = kind,
                       .dataset = dataset,
                       .received_ms = received_ms,
                       .n_identities = 1,
                       .identities = identity,
                       .document = mu_str_from(document)};
}

static void create(fixture *f, mu_str dataset, int64_t received_ms, const char *document)
{
    apply(f, record_of(MU_RECORD_CREATE, &crm, dataset, received_ms, document));
}

static void merge(fixture *f, mu_str dataset, int64_t received_ms, const char *document)
{
    apply(f, record_of(MU_RECORD_MERGE, &crm, dataset, received_ms, document));
}

static mu_record event_of(const mu_identity *identity, mu_str dataset, const char *id,
                          int64_t time_ms, int64_t received_ms, const char *document)
{
    mu_record record = record_of(MU_RECORD_EVENT, identity, dataset, received_ms, document);
    record.key = mu_str_from(id);
    record.time_ms = time_ms;
    return record;
}

static void add_event(fixture *f, const mu_identity *identity, const char *id, int64_t time_ms,
                      const char *document)
{
    apply(f, event_of(identity, D3, id, time_ms, 1000 + (int64_t)f->sequence, document));
}

/* -------- what came of them -------- */

static const char *text_of(fixture *f, mu_value value)
{
    return mu_content_value_text(&f->arena, value).ptr;
}

static mu_profile_view view_of(fixture *f, const mu_merge_policy *policy, uint32_t identity)
{
    mu_profile_view view;
    mu_err err;
    assert_done(mu_content_view(&f->arena, f->schema, &f->content, policy, identity, &view, &err),
                err);
    return view;
}

static const mu_merge_policy m1 = {.uses_graph = true};
static const mu_str m2_order[] = {{"9261ceef0b969e70ac20f151", 24},
                                  {"6ef9086b892fba957bbdeab1", 24}};
static const mu_merge_policy m2 = {.uses_graph = true,
                                   .attribute_merge = MU_MERGE_DATASET_PRECEDENCE,
                                   .n_order = 2,
                                   .order = m2_order};
static const mu_merge_policy alone = {.uses_graph = false};

static mu_value row_of(fixture *f)
{
    mu_value row;
    mu_err err;
    assert_done(mu_content_row(&f->arena, f->schema, &f->content, &row, &err), err);
    return row;
}

/* Stores the content as a row and reads it again. */
static mu_value reread(fixture *f)
{
    mu_value row = row_of(f);
    mu_err err;
    assert_done(mu_content_read(&f->arena, f->schema, 7, f->content.cluster.identities[0].identity,
                                row, &f->content, &err),
                err);
    f->content.reader = f->reader;
    return row;
}

static void assert_attributes(fixture *f, const mu_merge_policy *policy, const char *expected)
{
    mu_value attributes = view_of(f, policy, 0).attributes;
    mu_value *items = (mu_value *)(uintptr_t)attributes.items;
    items[mu_content_fields_of(f->schema).identity_map] = MU_VALUE_NULL;
    mu_json json = json_of(f, expected);
    mu_value value;
    mu_err err;
    assert_done(mu_value_from_typed_json(&f->arena, f->schema->profile, &json, &value, &err), err);
    if (!mu_value_identical(attributes, value))
        fail_msg("expected %s, found %s", expected, text_of(f, attributes));
}

/* Both as it is and after a round trip through the row. */
static void assert_profile(fixture *f, const char *expected)
{
    assert_attributes(f, &m1, expected);
    reread(f);
    assert_attributes(f, &m1, expected);
}

static const char *event_ids(fixture *f, mu_value events)
{
    mu_content_fields fields = mu_content_fields_of(f->schema);
    mu_str ids = MU_STR("");
    for (uint32_t i = 0; i < events.n; i++)
        ids =
            mu_arena_format(&f->arena, MU_STR_FMT "%s" MU_STR_FMT, MU_STR_ARG(ids),
                            i == 0 ? "" : " ", MU_STR_ARG(mu_text_at(events.items[i], fields.id)));
    return ids.ptr;
}

/* -------- tests -------- */

static void add_farah(fixture *f)
{
    create(f, D1, 1 * DAY,
           "{\"person\":{\"name\":{\"firstName\":\"Farah\"}},"
           "\"homeAddress\":{\"city\":\"Leeds\",\"street1\":\"1 Oak Street\"},"
           "\"_luma\":{\"preferences\":{\"categories\":[\"running\",\"yoga\"],"
           "\"newsletterTopics\":{\"sale\":true}}}}");
    create(f, D2, 5 * DAY,
           "{\"person\":{\"name\":{\"firstName\":\"Fara\"}},"
           "\"_luma\":{\"preferences\":{\"categories\":[]}}}");
    create(f, D5, 9 * DAY,
           "{\"homeAddress\":{\"city\":\"York\"},"
           "\"_luma\":{\"preferences\":{\"newsletterTopics\":{\"events\":true}}}}");
}

static const char farah_m1[] = "{\"person\":{\"name\":{\"firstName\":\"Fara\"}},"
                               "\"homeAddress\":{\"city\":\"York\",\"street1\":\"1 Oak Street\"},"
                               "\"_luma\":{\"preferences\":{\"categories\":[],"
                               "\"newsletterTopics\":{\"sale\":true,\"events\":true}}}}";
static const char farah_m2[] = "{\"person\":{\"name\":{\"firstName\":\"Farah\"}},"
                               "\"homeAddress\":{\"city\":\"Leeds\",\"street1\":\"1 Oak Street\"},"
                               "\"_luma\":{\"preferences\":{\"categories\":[\"running\",\"yoga\"],"
                               "\"newsletterTopics\":{\"sale\":true}}}}";

static void farah_is_as_each_policy_has_her(void **state)
{
    fixture *f = *state;
    add_farah(f);
    for (int round = 0; round < 2; round++) {
        assert_attributes(f, &m1, farah_m1);
        assert_attributes(f, &m2, farah_m2);
        assert_attributes(f, &alone, farah_m1);
        mu_profile_view view = view_of(f, &m1, 0);
        assert_int_equal(view.n_sources, 3);
        assert_true(mu_str_equal(view.sources[0], D5) && mu_str_equal(view.sources[1], D2) &&
                    mu_str_equal(view.sources[2], D1));
        assert_int_equal(view.last_modified_ms, 9 * DAY);
        view = view_of(f, &m2, 0);
        assert_int_equal(view.n_sources, 2);
        assert_true(mu_str_equal(view.sources[0], D1) && mu_str_equal(view.sources[1], D2));
        assert_int_equal(view.last_modified_ms, 5 * DAY);
        reread(f);
    }
}

static void a_record_of_a_plain_dataset_replaces_its_fragment(void **state)
{
    fixture *f = *state;
    create(f, D1, 1, "{\"person\":{\"gender\":\"female\"},\"homeAddress\":{\"city\":\"Leeds\"}}");
    assert_profile(f, "{\"person\":{\"gender\":\"female\"},\"homeAddress\":{\"city\":\"Leeds\"}}");
    create(f, D1, 2, "{\"person\":{\"gender\":\"male\"}}");
    assert_profile(f, "{\"person\":{\"gender\":\"male\"}}");
    assert_int_equal(f->content.n_fragments, 1);
}

static void an_upsert_merges_and_null_deletes(void **state)
{
    fixture *f = *state;
    merge(f, D2, 1,
          "{\"loyalty\":{\"tier\":\"gold\",\"points\":4125,\"joinDate\":\"2021-06-04T02:00:00+02\","
          "\"loyaltyID\":[\"a\",\"b\"]},\"person\":{\"birthDate\":\"1988-02-29\"},"
          "\"_luma\":{\"preferences\":{\"newsletterTopics\":{\"sale\":true,\"events\":false}}}}");
    for (int round = 0; round < 2; round++) {
        assert_profile(f, "{\"loyalty\":{\"tier\":\"gold\",\"points\":4125,"
                          "\"joinDate\":\"2021-06-04T00:00:00Z\",\"loyaltyID\":[\"a\",\"b\"]},"
                          "\"person\":{\"birthDate\":\"1988-02-29\"},\"_luma\":{\"preferences\":"
                          "{\"newsletterTopics\":{\"sale\":true,\"events\":false}}}}");
        merge(f, D2, 2 + round, "{}");
    }
    merge(f, D2, 9,
          "{\"loyalty\":{\"tier\":\"platinum\",\"points\":null,\"loyaltyID\":[]},\"person\":null,"
          "\"_luma\":{\"preferences\":{\"newsletterTopics\":{\"sale\":null,\"x\":true}}}}");
    assert_profile(f, "{\"loyalty\":{\"tier\":\"platinum\",\"joinDate\":\"2021-06-04T00:00:00Z\","
                      "\"loyaltyID\":[]},\"_luma\":{\"preferences\":{\"newsletterTopics\":"
                      "{\"events\":false,\"x\":true}}}}");
}

static void what_an_upsert_deleted_lets_older_fragments_show(void **state)
{
    fixture *f = *state;
    create(f, D1, 1, "{\"loyalty\":{\"tier\":\"gold\",\"status\":\"active\"}}");
    merge(f, D2, 2, "{\"loyalty\":{\"tier\":\"silver\"}}");
    assert_profile(f, "{\"loyalty\":{\"tier\":\"silver\",\"status\":\"active\"}}");
    merge(f, D2, 3, "{\"loyalty\":{\"tier\":null}}");
    assert_profile(f, "{\"loyalty\":{\"tier\":\"gold\",\"status\":\"active\"}}");
}

static void a_delete_drops_the_fragment(void **state)
{
    fixture *f = *state;
    create(f, D1, 1, "{\"loyalty\":{\"tier\":\"gold\"}}");
    create(f, D2, 2, "{\"loyalty\":{\"status\":\"active\"}}");
    apply(f, record_of(MU_RECORD_DELETE, &crm, D1, 3, ""));
    assert_profile(f, "{\"loyalty\":{\"status\":\"active\"}}");
    apply(f, record_of(MU_RECORD_DELETE, &crm, D1, 4, ""));
    assert_false(mu_content_is_empty(&f->content));
    apply(f, record_of(MU_RECORD_DELETE, &crm, D2, 5, ""));
    assert_true(mu_content_is_empty(&f->content));
    assert_true(view_of(f, &m1, 0).is_empty);
}

static void a_delete_without_a_dataset_drops_what_one_identity_has(void **state)
{
    fixture *f = *state;
    const mu_identity both[] = {crm, ecid};
    start(f, 2, both);
    create(f, D1, 1, "{\"loyalty\":{\"tier\":\"gold\"}}");
    add_event(f, &crm, "a", 1, "{\"_id\":\"a\"}");
    apply(f, record_of(MU_RECORD_CREATE, &ecid, D1, 2, "{\"loyalty\":{\"status\":\"x\"}}"));
    add_event(f, &ecid, "b", 2, "{\"_id\":\"b\"}");
    apply(f, record_of(MU_RECORD_DELETE, &crm, MU_STR(""), 3, ""));
    assert_profile(f, "{\"loyalty\":{\"status\":\"x\"}}");
    assert_string_equal(event_ids(f, f->content.events), "b");
    assert_true(view_of(f, &alone, 0).is_empty);
}

static void a_record_with_a_time_of_its_own_is_ordered_by_it(void **state)
{
    fixture *f = *state;
    mu_record record =
        record_of(MU_RECORD_CREATE, &crm, D1, 10 * DAY, "{\"loyalty\":{\"tier\":\"gold\"}}");
    record.time_ms = 5 * DAY;
    apply(f, record);
    record.document = MU_STR("{\"loyalty\":{\"tier\":\"silver\"}}");
    record.received_ms = 11 * DAY;
    apply(f, record);
    assert_profile(f, "{\"loyalty\":{\"tier\":\"gold\"}}");
    assert_int_equal(view_of(f, &m1, 0).last_modified_ms, 5 * DAY);
    record.time_ms = 5 * DAY + 1;
    apply(f, record);
    assert_profile(f, "{\"loyalty\":{\"tier\":\"silver\"}}");
}

static void an_event_sent_again_replaces_itself(void **state)
{
    fixture *f = *state;
    add_event(f, &crm, "b", 20, "{\"_id\":\"b\",\"eventType\":\"one\"}");
    add_event(f, &crm, "a", 20, "{\"_id\":\"a\"}");
    add_event(f, &crm, "c", 10, "{\"_id\":\"c\"}");
    assert_string_equal(event_ids(f, view_of(f, &m1, 0).events), "c b a");
    reread(f);
    add_event(f, &crm, "b", 30, "{\"_id\":\"b\",\"eventType\":\"two\"}");
    mu_value events = view_of(f, &m1, 0).events;
    assert_string_equal(event_ids(f, events), "c a b");
    assert_true(
        mu_str_equal(mu_value_member(events.items[2], MU_STR("eventType")).string, MU_STR("two")));
    apply(f, event_of(&crm, D5, "b", 5, 99, "{\"_id\":\"b\"}"));
    assert_string_equal(event_ids(f, view_of(f, &m1, 0).events), "b c a b");
}

static void an_event_without_an_id_is_known_by_its_key(void **state)
{
    fixture *f = *state;
    add_event(f, &crm, "k1", 1, "{\"eventType\":\"x\"}");
    add_event(f, &crm, "k2", 2, "{\"eventType\":\"y\"}");
    add_event(f, &crm, "k1", 3, "{\"eventType\":\"z\"}");
    assert_int_equal(f->content.events.n, 2);
}

static void one_event_under_two_identities_shows_once(void **state)
{
    fixture *f = *state;
    const mu_identity both[] = {crm, ecid};
    start(f, 2, both);
    add_event(f, &ecid, "a", 10, "{\"_id\":\"a\",\"eventType\":\"anonymous\"}");
    add_event(f, &crm, "a", 10, "{\"_id\":\"a\",\"eventType\":\"known\"}");
    add_event(f, &ecid, "b", 5, "{\"_id\":\"b\"}");
    mu_value row;
    for (int round = 0; round < 3; round++) {
        mu_value events = view_of(f, &m1, 0).events;
        assert_string_equal(event_ids(f, events), "b a");
        assert_true(mu_str_equal(mu_value_member(events.items[1], MU_STR("eventType")).string,
                                 MU_STR("known")));
        assert_string_equal(event_ids(f, view_of(f, &alone, 1).events), "b a");
        assert_string_equal(event_ids(f, view_of(f, &alone, 0).events), "a");
        row = reread(f);
        assert_int_equal(row.items[row.n - 1].n, 2);
    }
}

static void what_the_schema_has_no_field_for_is_kept(void **state)
{
    fixture *f = *state;
    static const char event[] =
        "{\"_id\":\"a\",\"timestamp\":\"1970-01-01T00:00:01Z\",\"newField\":{\"x\":1},"
        "\"eventType\":5,\"productListItems\":[{\"SKU\":\"s\",\"shade\":\"red\"},{\"SKU\":\"t\"}],"
        "\"web\":{\"webPageDetails\":{\"name\":\"home\",\"depth\":[1]}}}";
    add_event(f, &crm, "a", 1000, event);
    create(f, D1, 2, "{\"loyalty\":{\"tier\":\"gold\",\"colour\":\"blue\"},\"newField\":\"n\"}");
    assert_profile(f, "{\"loyalty\":{\"tier\":\"gold\"}}");
    assert_true(f->content.fragments[0].document.len > 0);
    mu_value stored = f->content.events.items[0];
    assert_true(mu_value_is_null(mu_value_member(stored, MU_STR("eventType"))));
    assert_int_equal(mu_value_member(stored, MU_STR("productListItems")).n, 2);
    mu_json shown, sent = json_of(f, event);
    mu_err err;
    assert_done(mu_content_event_json(&f->arena, f->schema, NULL, stored, &shown, &err), err);
    assert_true(mu_value_identical(mu_value_from_json(&f->arena, &shown),
                                   mu_value_from_json(&f->arena, &sent)));
}

static void new_fields_are_filled_from_what_was_kept(void **state)
{
    fixture *f = *state;
    add_event(f, &crm, "a", 1000, "{\"_id\":\"a\",\"newField\":{\"x\":1},\"other\":true}");
    add_event(f, &crm, "b", 1001, "{\"_id\":\"b\"}");
    create(f, D1, 2, "{\"newField\":\"n\"}");
    mu_value row = reread(f);
    mu_json file = json_of(f, "{\"classes\":[{\"class\":\"profile\",\"fields\":"
                              "{\"newField\":\"string\"}},{\"class\":\"event\",\"fields\":"
                              "{\"newField.x\":\"integer\"}}]}");
    const mu_schema *old = f->schema;
    mu_err err;
    bool changed = false;
    assert_done(mu_schema_extend(&f->arena, old, &file, &f->schema, &err), err);
    row = mu_value_extend(&f->arena, old->row, f->schema->row, row);
    assert_done(mu_content_read(&f->arena, f->schema, 7, crm, row, &f->content, &err), err);
    assert_done(mu_content_refresh(&f->arena, f->schema, &f->content, &changed, &err), err);
    assert_true(changed);
    assert_profile(f, "{\"newField\":\"n\"}");
    assert_int_equal(f->content.fragments[0].document.len, 0);
    mu_value event = f->content.events.items[0];
    mu_content_fields fields = mu_content_fields_of(f->schema);
    assert_int_equal(
        mu_value_member(mu_value_member(event, MU_STR("newField")), MU_STR("x")).integer, 1);
    assert_true(mu_str_equal(mu_text_at(event, fields.extra), MU_STR("{\"other\":true}")));
    assert_done(mu_content_refresh(&f->arena, f->schema, &f->content, &changed, &err), err);
    assert_false(changed);
}

static void data_cannot_name_system_fields(void **state)
{
    fixture *f = *state;
    create(f, D1, 1,
           "{\"loyalty\":{\"tier\":\"gold\"},\"$identities\":[{\"namespace\":\"Email\","
           "\"value\":\"x\"}],\"$superseded\":[\"{}\"]}");
    add_event(f, &crm, "a", 1, "{\"_id\":\"a\",\"$identity\":77,\"$dataset\":\"other\"}");
    assert_profile(f, "{\"loyalty\":{\"tier\":\"gold\"}}");
    assert_int_equal(f->content.cluster.n_identities, 1);
    assert_int_equal(f->content.events.n, 1);
    assert_true(
        mu_str_equal(mu_value_member(f->content.events.items[0], MU_FIELD_DATASET).string, D3));
}

static void drops_take_what_they_name(void **state)
{
    fixture *f = *state;
    mu_record event = event_of(&crm, D3, "a", 10, 1, "{\"_id\":\"a\"}");
    event.batch = MU_STR("b1");
    apply(f, event);
    event = event_of(&crm, D3, "b", 20, 2, "{\"_id\":\"b\"}");
    event.batch = MU_STR("b2");
    apply(f, event);
    apply(f, event_of(&crm, D5, "c", 30, 3, "{\"_id\":\"c\"}"));
    create(f, D3, 4, "{\"loyalty\":{\"tier\":\"gold\"}}");
    apply(f, (mu_record){.kind = MU_RECORD_DROP});
    assert_string_equal(event_ids(f, f->content.events), "a b c");
    apply(f, (mu_record){.kind = MU_RECORD_DROP, .dataset = D3, .batch = MU_STR("b1")});
    assert_string_equal(event_ids(f, f->content.events), "b c");
    assert_int_equal(f->content.n_fragments, 1);
    reread(f);
    apply(f, (mu_record){.kind = MU_RECORD_DROP, .dataset = D3, .time_ms = 20});
    assert_string_equal(event_ids(f, f->content.events), "b c");
    apply(f, (mu_record){.kind = MU_RECORD_DROP, .dataset = D3, .time_ms = 21});
    assert_string_equal(event_ids(f, f->content.events), "c");
    assert_int_equal(f->content.n_fragments, 1);
    apply(f, (mu_record){.kind = MU_RECORD_DROP, .dataset = D3});
    assert_int_equal(f->content.n_fragments, 0);
    assert_profile(f, "{}");
}

static void records_between_drops_count_in_their_order(void **state)
{
    fixture *f = *state;
    mu_applied_record records[] = {
        {.sequence = 1, .record = event_of(&crm, D3, "a", 10, 1, "{\"_id\":\"a\"}")},
        {.sequence = 2,
         .record = record_of(MU_RECORD_CREATE, &crm, D3, 2, "{\"loyalty\":{\"tier\":\"x\"}}")},
        {.sequence = 3, .record = {.kind = MU_RECORD_DROP, .dataset = D3}},
        {.sequence = 4, .record = event_of(&crm, D3, "a", 9, 4, "{\"_id\":\"a\"}")},
        {.sequence = 5, .record = event_of(&crm, D3, "b", 8, 5, "{\"_id\":\"b\"}")},
        {.sequence = 6,
         .record = record_of(MU_RECORD_MERGE, &crm, D3, 6, "{\"loyalty\":{\"status\":\"y\"}}")},
    };
    mu_err err;
    assert_done(mu_content_apply(&f->arena, f->schema, &f->content, 6, records, &err), err);
    assert_string_equal(event_ids(f, f->content.events), "b a");
    assert_profile(f, "{\"loyalty\":{\"status\":\"y\"}}");
}

static void bad_records_change_nothing(void **state)
{
    fixture *f = *state;
    static const char *const bad[] = {"", "{", "[]", "null", "{}x", "{\"a\":\"\xff\"}"};
    create(f, D1, 1, "{\"loyalty\":{\"tier\":\"gold\"}}");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        mu_err err;
        assert_int_equal(try_apply(f, record_of(MU_RECORD_CREATE, &crm, D1, 2, bad[i]), &err),
                         MU_E_CORRUPT);
        assert_int_equal(try_apply(f, event_of(&crm, D3, "x", 1, 1, bad[i]), &err), MU_E_CORRUPT);
    }
    mu_err err;
    assert_int_equal(try_apply(f, record_of(MU_RECORD_CREATE, &email, D1, 2, "{}"), &err),
                     MU_E_INPUT);
    assert_profile(f, "{\"loyalty\":{\"tier\":\"gold\"}}");
    assert_int_equal(f->content.events.n, 0);
}

static mu_content gathered(fixture *f, mu_graph_cluster cluster, uint32_t n,
                           const mu_content *sources)
{
    mu_content content;
    mu_err err;
    assert_done(mu_content_gather(&f->arena, f->schema, &cluster, n, sources, &content, &err), err);
    return content;
}

static void a_join_and_a_split_lose_nothing(void **state)
{
    fixture *f = *state;
    mu_content sources[2];
    create(f, D1, 1, "{\"loyalty\":{\"tier\":\"gold\"},\"person\":{\"birthDate\":\"1988-02-29\"}}");
    add_event(f, &crm, "a", 10, "{\"_id\":\"a\"}");
    mu_value crm_row = reread(f);
    assert_int_equal(f->content.fragments[0].document.len, 0);
    sources[0] = f->content;
    start(f, 1, &ecid);
    apply(f, record_of(MU_RECORD_CREATE, &ecid, D1, 2, "{\"loyalty\":{\"status\":\"active\"}}"));
    add_event(f, &ecid, "b", 5, "{\"_id\":\"b\"}");
    mu_value ecid_row = reread(f);
    sources[1] = f->content;

    const mu_identity both[] = {ecid, crm};
    f->content = gathered(f, cluster_of(f, 2, both), 2, sources);
    assert_profile(f, "{\"loyalty\":{\"tier\":\"gold\",\"status\":\"active\"},"
                      "\"person\":{\"birthDate\":\"1988-02-29\"}}");
    assert_string_equal(event_ids(f, f->content.events), "b a");
    assert_int_equal(view_of(f, &m1, 0).n_identities, 2);

    mu_content joined = f->content;
    f->content = gathered(f, cluster_of(f, 1, &crm), 1, &joined);
    assert_true(mu_value_identical(row_of(f), crm_row));
    f->content = gathered(f, cluster_of(f, 1, &ecid), 1, &joined);
    assert_true(mu_value_identical(row_of(f), ecid_row));
}

static void the_newer_of_two_copies_counts(void **state)
{
    fixture *f = *state;
    mu_content sources[2];
    create(f, D1, 1, "{\"loyalty\":{\"tier\":\"gold\"}}");
    add_event(f, &crm, "a", 10, "{\"_id\":\"a\",\"eventType\":\"old\"}");
    reread(f);
    sources[1] = f->content;
    create(f, D1, 2, "{\"loyalty\":{\"tier\":\"silver\"}}");
    add_event(f, &crm, "a", 10, "{\"_id\":\"a\",\"eventType\":\"new\"}");
    reread(f);
    sources[0] = f->content;
    f->content = gathered(f, cluster_of(f, 1, &crm), 2, sources);
    assert_profile(f, "{\"loyalty\":{\"tier\":\"silver\"}}");
    assert_int_equal(f->content.events.n, 1);
    assert_true(mu_str_equal(
        mu_value_member(f->content.events.items[0], MU_STR("eventType")).string, MU_STR("new")));
}

static void a_bulk_loaded_row_is_one_fragment(void **state)
{
    fixture *f = *state;
    mu_json json = json_of(f, "{\"loyalty\":{\"tier\":\"gold\",\"points\":3},\"identityMap\":"
                              "{\"Email\":[{\"id\":\"farah@example.com\",\"primary\":true}]},"
                              "\"xEvent\":[{\"_id\":\"a\",\"timestamp\":1000,"
                              "\"$dataset\":\"default\"}]}");
    mu_value row;
    mu_err err;
    assert_done(mu_value_from_typed_json(&f->arena, f->schema->row, &json, &row, &err), err);
    assert_done(mu_content_read(&f->arena, f->schema, 9, email, row, &f->content, &err), err);
    assert_int_equal(f->content.n_fragments, 1);
    assert_true(mu_str_equal(f->content.fragments[0].dataset, MU_DATASET_DEFAULT));
    assert_true(mu_str_equal(f->content.cluster.identities[0].identity.value, email.value));
    assert_profile(f, "{\"loyalty\":{\"tier\":\"gold\",\"points\":3}}");
    assert_true(mu_str_find(f->content.fragments[0].document, MU_STR("\"primary\":true")) !=
                SIZE_MAX);
    apply(f, record_of(MU_RECORD_MERGE, &email, MU_DATASET_DEFAULT, 5,
                       "{\"loyalty\":{\"tier\":\"silver\"}}"));
    apply(f, event_of(&email, MU_DATASET_DEFAULT, "a", 2000, 6, "{\"_id\":\"a\"}"));
    assert_profile(f, "{\"loyalty\":{\"tier\":\"silver\",\"points\":3}}");
    assert_int_equal(f->content.events.n, 1);

    json = json_of(f, "{\"xEvent\":[{\"_id\":\"a\",\"timestamp\":1000}]}");
    assert_done(mu_value_from_typed_json(&f->arena, f->schema->row, &json, &row, &err), err);
    assert_done(mu_content_read(&f->arena, f->schema, 9, email, row, &f->content, &err), err);
    assert_int_equal(f->content.n_fragments, 0);
}

static void a_view_names_the_identities_it_shows(void **state)
{
    fixture *f = *state;
    const mu_identity all[] = {crm, email, ecid};
    start(f, 3, all);
    create(f, D1, 1, "{\"identityMap\":{\"Phone\":[{\"id\":\"+1\"}]}}");
    apply(f, record_of(MU_RECORD_CREATE, &ecid, D1, 1, "{\"loyalty\":{\"tier\":\"gold\"}}"));
    for (int round = 0; round < 2; round++) {
        uint32_t field = mu_content_fields_of(f->schema).identity_map;
        assert_string_equal(
            text_of(f, view_of(f, &m1, 0).attributes.items[field]),
            "{\"ECID\":[{\"id\":\"83905390261353196691980241222855773941\"}],"
            "\"Email\":[{\"id\":\"farah@example.com\"}],\"lumaCrmId\":[{\"id\":\"CRM-100080\"}]}");
        mu_profile_view view = view_of(f, &alone, 2);
        assert_string_equal(text_of(f, view.attributes.items[field]),
                            "{\"ECID\":[{\"id\":\"83905390261353196691980241222855773941\"}]}");
        assert_int_equal(view.n_identities, 1);
        assert_int_equal(view.identities[0], 2);
        assert_true(view_of(f, &alone, 1).is_empty);
        mu_value row = reread(f);
        assert_string_equal(
            text_of(f, row.items[field]),
            "{\"ECID\":[{\"id\":\"83905390261353196691980241222855773941\"}],"
            "\"Email\":[{\"id\":\"farah@example.com\"}],\"lumaCrmId\":[{\"id\":\"CRM-100080\"}]}");
    }
    assert_true(mu_str_find(f->content.fragments[0].document, MU_STR("Phone")) != SIZE_MAX);
}

static void membership_follows_the_newest_qualification(void **state)
{
    fixture *f = *state;
    create(
        f, D1, 1,
        "{\"segmentMembership\":{\"AAM\":{"
        "\"s1\":{\"lastQualificationTime\":\"2026-03-02T00:00:00Z\",\"status\":\"realized\"},"
        "\"s2\":{\"lastQualificationTime\":\"2026-03-01T00:00:00Z\",\"status\":\"realized\","
        "\"version\":\"1\"},"
        "\"s3\":{\"lastQualificationTime\":\"2026-03-01T00:00:00Z\",\"status\":\"realized\"}}}}");
    create(f, D2, 2,
           "{\"segmentMembership\":{\"AAM\":{"
           "\"s1\":{\"lastQualificationTime\":\"2026-03-01T00:00:00Z\",\"status\":\"exited\"},"
           "\"s2\":{\"lastQualificationTime\":\"2026-03-02T00:00:00Z\",\"status\":\"exited\"},"
           "\"s3\":{\"lastQualificationTime\":\"2026-03-01T00:00:00Z\",\"status\":\"exited\"}},"
           "\"AO\":{\"s4\":{\"status\":\"realized\"}}}}");
    assert_profile(
        f, "{\"segmentMembership\":{\"AAM\":{"
           "\"s1\":{\"lastQualificationTime\":\"2026-03-02T00:00:00Z\",\"status\":\"realized\"},"
           "\"s2\":{\"lastQualificationTime\":\"2026-03-02T00:00:00Z\",\"status\":\"exited\"},"
           "\"s3\":{\"lastQualificationTime\":\"2026-03-01T00:00:00Z\",\"status\":\"realized\"}},"
           "\"AO\":{\"s4\":{\"status\":\"realized\"}}}}");
}

static void tags_are_the_newest_batches_of_the_fragments(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < 12; i++) {
        mu_record record = record_of(MU_RECORD_MERGE, &crm, D1, i + 1, "{}");
        record.batch = mu_arena_format(&f->arena, "b%d", i);
        apply(f, record);
        apply(f, record);
    }
    reread(f);
    mu_profile_view view = view_of(f, &m1, 0);
    assert_int_equal(view.n_tags, 10);
    assert_true(mu_str_equal(view.tags[0], MU_STR("b11")));
    assert_true(mu_str_equal(view.tags[9], MU_STR("b2")));
}

static void a_policy_of_datasets_leaves_out_events_of_others(void **state)
{
    fixture *f = *state;
    apply(f, event_of(&crm, D1, "a", 1, 1, "{\"_id\":\"a\"}"));
    apply(f, event_of(&crm, D3, "b", 2, 2, "{\"_id\":\"b\"}"));
    assert_string_equal(event_ids(f, view_of(f, &m2, 0).events), "a");
    assert_int_equal(view_of(f, &m1, 0).last_modified_ms, 2);
    apply(f, (mu_record){.kind = MU_RECORD_DROP, .dataset = D1});
    assert_true(view_of(f, &m2, 0).is_empty);
    assert_false(view_of(f, &m1, 0).is_empty);
}

static void rows_read_back_from_a_part_the_same(void **state)
{
    fixture *f = *state;
    const mu_identity both[] = {crm, ecid};
    mu_err err;
    start(f, 2, both);
    add_farah(f);
    add_event(f, &ecid, "a", 10, "{\"_id\":\"a\",\"unknown\":[1,2]}");
    add_event(f, &crm, "a", 10, "{\"_id\":\"a\"}");
    mu_value row = row_of(f), read;
    char *folder = mu_make_temporary_folder();
    mu_store *store;
    mu_change *change;
    mu_part_writer *writer;
    mu_snapshot *snapshot;
    uint32_t pid;
    assert_done(mu_store_open(folder, MU_STR("prod"), MU_STORE_WRITE, &store, &err), err);
    assert_done(mu_change_begin(store, &change, &err), err);
    mu_change_set_schema(change, f->schema);
    assert_done(mu_change_new_pids(change, MU_STR("profile"), 1, &pid, &err), err);
    assert_done(mu_part_writer_new(change, MU_STR("profile"), f->schema->row, &writer, &err), err);
    assert_done(mu_part_writer_add(writer, pid, crm, row, &err), err);
    assert_done(mu_part_writer_finish(writer, &err), err);
    assert_done(mu_change_commit(change, &err), err);
    assert_done(mu_snapshot_acquire(store, &snapshot, &err), err);
    const mu_part *part = mu_snapshot_entity(snapshot, MU_STR("profile"))->parts[0];
    assert_done(mu_part_row(part, 0, &f->arena, &read, &err), err);
    assert_done(mu_content_read(&f->arena, f->schema, pid, crm, read, &f->content, &err), err);
    assert_attributes(f, &m2, farah_m2);
    assert_true(mu_value_identical(row_of(f), row));
    mu_snapshot_release(snapshot);
    mu_store_close(store);
    mu_remove_folder(folder);
}

static void a_row_that_makes_no_sense_is_corrupt(void **state)
{
    fixture *f = *state;
    static const char *const bad[] = {
        "{\"$identities\":[null]}",
        "{\"$identities\":[{\"namespace\":\"a\",\"value\":\"b\"}],\"$links\":[{\"a\":0,\"b\":1}]}",
        "{\"$identities\":[{\"namespace\":\"a\",\"value\":\"b\"}],\"$links\":[{\"a\":0,\"b\":0}]}",
        "{\"$identities\":[{\"namespace\":\"a\",\"value\":\"b\"}],\"$links\":[null]}",
        "{\"$identities\":[{\"namespace\":\"a\",\"value\":\"b\"}],\"$fragments\":[{\"identity\":1}]"
        "}",
        "{\"$identities\":[{\"namespace\":\"a\",\"value\":\"b\"}],\"$fragments\":[{\"identity\":-1}"
        "]}",
        "{\"$identities\":[{\"namespace\":\"a\",\"value\":\"b\"}],\"$fragments\":[null]}",
        "{\"$identities\":[{\"namespace\":\"a\",\"value\":\"b\"}],\"$fragments\":[{},{}]}",
        "{\"$identities\":[{\"namespace\":\"a\",\"value\":\"b\"}],\"$superseded\":[\"{\"]}",
        "{\"$identities\":[{\"namespace\":\"a\",\"value\":\"b\"}],\"xEvent\":[{\"$identity\":1}]}",
        "{\"xEvent\":[{\"$identity\":-1}]}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        mu_json json = json_of(f, bad[i]);
        mu_value row;
        mu_content content;
        mu_err err;
        assert_done(mu_value_from_typed_json(&f->arena, f->schema->row, &json, &row, &err), err);
        assert_int_equal(mu_content_read(&f->arena, f->schema, 9, email, row, &content, &err),
                         MU_E_CORRUPT);
    }
}

static void a_schema_that_has_the_fields_stays(void **state)
{
    fixture *f = *state;
    assert_ptr_equal(mu_schema_with_system_fields(&f->arena, f->schema), f->schema);
    mu_content_fields fields = mu_content_fields_of(f->schema);
    const uint32_t *places = (const uint32_t *)&fields;
    for (size_t i = 0; i < sizeof fields / sizeof *places; i++)
        assert_true(places[i] != MU_NO_FIELD);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(farah_is_as_each_policy_has_her),
        TEST(a_record_of_a_plain_dataset_replaces_its_fragment),
        TEST(an_upsert_merges_and_null_deletes),
        TEST(what_an_upsert_deleted_lets_older_fragments_show),
        TEST(a_delete_drops_the_fragment),
        TEST(a_delete_without_a_dataset_drops_what_one_identity_has),
        TEST(a_record_with_a_time_of_its_own_is_ordered_by_it),
        TEST(an_event_sent_again_replaces_itself),
        TEST(an_event_without_an_id_is_known_by_its_key),
        TEST(one_event_under_two_identities_shows_once),
        TEST(what_the_schema_has_no_field_for_is_kept),
        TEST(new_fields_are_filled_from_what_was_kept),
        TEST(data_cannot_name_system_fields),
        TEST(drops_take_what_they_name),
        TEST(records_between_drops_count_in_their_order),
        TEST(bad_records_change_nothing),
        TEST(a_join_and_a_split_lose_nothing),
        TEST(the_newer_of_two_copies_counts),
        TEST(a_bulk_loaded_row_is_one_fragment),
        TEST(a_view_names_the_identities_it_shows),
        TEST(membership_follows_the_newest_qualification),
        TEST(tags_are_the_newest_batches_of_the_fragments),
        TEST(a_policy_of_datasets_leaves_out_events_of_others),
        TEST(rows_read_back_from_a_part_the_same),
        TEST(a_row_that_makes_no_sense_is_corrupt),
        TEST(a_schema_that_has_the_fields_stays),
    };
    return cmocka_run_group_tests_name("content", tests, NULL, NULL);
}
