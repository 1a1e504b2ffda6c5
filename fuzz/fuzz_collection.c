/* fuzz_collection.c -- the body of a request to an inlet, any bytes: each message is refused with a
 * sentence, accepted as a record that keeps the rules, or named invalid or rejected with a reason.
 */
#include "ingest/failed.h"
#include "ingest/message.h"
#include "tests/support/luma_registry.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define NOW_MS ((int64_t)1773144000000)

typedef struct fuzz_shop {
    mu_registry *registry;
    mu_dataset datasets[4];
} fuzz_shop;

static const mu_graph_namespace namespaces[] = {
    {.code = {"ECID", 4}, .id = 4, .type = MU_IDENTITY_COOKIE, .priority = 2},
    {.code = {"Email", 5}, .id = 6, .type = MU_IDENTITY_EMAIL},
    {.code = {"lumaCrmId", 9}, .id = 10000001, .type = MU_IDENTITY_CROSS_DEVICE, .priority = 1},
    {.code = {"sku", 3}, .id = 10000004, .type = MU_IDENTITY_NON_PEOPLE},
};

static const mu_dataset *find_dataset(void *context, mu_str id)
{
    fuzz_shop *shop = context;
    for (size_t i = 0; i < 4; i++)
        if (mu_str_equal(shop->datasets[i].id, id))
            return &shop->datasets[i];
    return NULL;
}

static void open_shop(fuzz_shop *shop)
{
    static const char *const schemas[] = {LUMA_PERSON_SCHEMA, LUMA_LOYALTY_SCHEMA,
                                          LUMA_WEB_EVENT_SCHEMA, LUMA_STORE_EVENT_SCHEMA};
    static const char *const ids[] = {"person", "loyalty", "web", "store"};
    shop->registry = mu_luma_registry();
    for (size_t i = 0; i < 4; i++)
        shop->datasets[i] = (mu_dataset){
            .id = mu_str_from(ids[i]),
            .schema = mu_registry_schema(shop->registry, mu_str_from(schemas[i])),
            .for_profile = true,
            .for_identity = true,
            .is_upsert = i == 1,
            .is_validated = i != 3,
        };
}

static void check_record(const mu_record *record)
{
    MU_ASSERT(record->n_identities >= 1 && record->n_identities <= 20);
    MU_ASSERT(record->n_linked <= record->n_identities && record->n_linked != 1);
    for (uint32_t i = 0; i < record->n_identities; i++)
        MU_ASSERT(record->identities[i].value.len > 0);
    MU_ASSERT(record->document.len <= (record->kind == MU_RECORD_EVENT ? 10240u : 102400u));
    MU_ASSERT(record->kind != MU_RECORD_EVENT ||
              (record->key.len > 0 && record->time_ms <= NOW_MS + 300000));
}

/* What is kept reads back as an object. */
static void check_document(mu_json_reader *reader, mu_arena *arena, mu_str text)
{
    mu_json json;
    MU_ASSERT(mu_json_read(reader, arena, text, &json, NULL) == MU_OK);
    MU_ASSERT(json.kind == MU_JSON_OBJECT);
}

static void take(mu_json_reader *reader, mu_arena *arena, const mu_inlet_rules *rules,
                 const mu_json *json)
{
    mu_message message;
    mu_str refusal = MU_STR("");
    mu_acceptance acceptance;
    if (!mu_message_read(arena, rules, json, &message, &refusal)) {
        MU_ASSERT(mu_str_starts_with(refusal, MU_STR("inletId: [")));
        return;
    }
    mu_message_accept(arena, rules, &message, &acceptance);
    if (acceptance.outcome == MU_ACCEPTED) {
        check_record(&acceptance.record);
        if (acceptance.record.kind != MU_RECORD_DELETE)
            check_document(reader, arena, acceptance.record.document);
        return;
    }
    mu_buf line;
    mu_str description;
    mu_buf_init(&line, (size_t)64 << 20);
    mu_failed_line(&line, json, &acceptance);
    MU_ASSERT(mu_failed_code(&acceptance, &description).len > 0 && description.len > 0);
    if (!line.failed)
        check_document(reader, arena, mu_str_trim(mu_buf_str(&line)));
    mu_buf_free(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static fuzz_shop shop; /* made once: a run has millions of inputs */
    if (shop.registry == NULL)
        open_shop(&shop);
    const mu_inlet_rules rules = {
        .inlet = MU_STR("inlet"),
        .organization = MU_STR("org"),
        .registry = shop.registry,
        .find_dataset = find_dataset,
        .find_context = &shop,
        .accept = {.n_namespaces = sizeof namespaces / sizeof namespaces[0],
                   .namespaces = namespaces,
                   .has_priorities = size % 2 == 0,
                   .now_ms = NOW_MS}};
    mu_json_reader *reader = mu_json_reader_new();
    mu_arena arena;
    mu_json json;
    mu_arena_init(&arena, SIZE_MAX);
    if (mu_json_read(reader, &arena, (mu_str){(const char *)bytes, size}, &json, NULL) == MU_OK) {
        const mu_json *messages = mu_json_member(&json, MU_STR("messages"));
        take(reader, &arena, &rules, &json);
        for (uint32_t i = 0; messages != NULL && messages->kind == MU_JSON_ARRAY && i < messages->n;
             i++)
            take(reader, &arena, &rules, &messages->items[i]);
    }
    mu_arena_free(&arena);
    mu_json_reader_free(reader);
    return 0;
}
