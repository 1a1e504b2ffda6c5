#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/luma.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>

mu_str luma_text(luma_shop *luma, const char *file)
{
    mu_err err;
    mu_str text;
    mu_str path = mu_arena_format(&luma->arena, "%s/tests/data/luma/%s", MUSTER_SOURCE_DIR, file);
    if (mu_file_read(&luma->arena, path.ptr, 1 << 24, &text, &err) != MU_OK)
        fail_msg("%s", err.text);
    return text;
}

const mu_json *luma_parse(luma_shop *luma, mu_str text)
{
    mu_err err;
    mu_json *json = MU_NEW(&luma->arena, mu_json);
    if (mu_json_read(luma->reader, &luma->arena, text, json, &err) != MU_OK)
        fail_msg("%s: " MU_STR_FMT, err.text, MU_STR_ARG(text));
    return json;
}

const mu_json *luma_json(luma_shop *luma, const char *file)
{
    return luma_parse(luma, luma_text(luma, file));
}

static mu_str compact(luma_shop *luma, const mu_json *json)
{
    mu_buf buf;
    mu_json_writer writer;
    mu_buf_init(&buf, SIZE_MAX);
    mu_json_writer_init(&writer, &buf);
    mu_json_value(&writer, json);
    mu_str text = mu_arena_copy(&luma->arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return text;
}

static void read_registry(luma_shop *luma)
{
    static const struct {
        const char *list;
        mu_xdm_resource resource;
        const char *id;
    } kinds[] = {{"fieldgroups", MU_XDM_FIELD_GROUP, "$id"},
                 {"schemas", MU_XDM_SCHEMA, "$id"},
                 {"descriptors", MU_XDM_DESCRIPTOR, "@id"}};
    mu_xdm_document documents[64];
    size_t n = 0;
    const mu_json *all = luma_json(luma, "registry.json");
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        const mu_json *list = mu_json_member(all, mu_str_from(kinds[k].list));
        for (uint32_t i = 0; i < list->n; i++) {
            assert_true(n < sizeof documents / sizeof documents[0]);
            documents[n++] = (mu_xdm_document){
                .resource = kinds[k].resource,
                .id = mu_json_member_string(&list->items[i], mu_str_from(kinds[k].id), MU_STR("")),
                .json = compact(luma, &list->items[i])};
        }
    }
    mu_err err;
    if (mu_registry_new(MU_STR("luma"), n, documents, &luma->registry, &err) != MU_OK)
        fail_msg("%s", err.text);
}

static bool has_tag(const mu_json *dataset, const char *tag, const char *value)
{
    const mu_json *list = mu_json_member(mu_json_member(dataset, MU_STR("tags")), mu_str_from(tag));
    for (uint32_t i = 0; list != NULL && i < list->n; i++)
        if (mu_str_equal(list->items[i].string, mu_str_from(value)))
            return true;
    return false;
}

static void read_datasets(luma_shop *luma)
{
    const mu_json *all = luma_json(luma, "datasets.json");
    assert_true(all->n <= LUMA_DATASETS_MAX);
    for (uint32_t i = 0; i < all->n; i++) {
        const mu_json *json = &all->items[i];
        mu_str schema = mu_json_member_string(mu_json_member(json, MU_STR("schemaRef")),
                                              MU_STR("id"), MU_STR(""));
        luma->datasets[luma->n_datasets++] = (mu_dataset){
            .id = mu_json_member_string(json, MU_STR("id"), MU_STR("")),
            .schema = mu_registry_schema(luma->registry, schema),
            .for_profile = has_tag(json, "unifiedProfile", "enabled:true"),
            .for_identity = has_tag(json, "unifiedIdentity", "enabled:true"),
            .is_upsert = has_tag(json, "unifiedProfile", "isUpsert:true"),
            .is_validated = true,
        };
        assert_non_null(luma->datasets[i].schema);
    }
}

static void add_namespace(luma_shop *luma, mu_str code, uint32_t id, mu_identity_type type)
{
    luma->namespaces[luma->n_namespaces++] =
        (mu_graph_namespace){.code = code, .id = id, .type = type};
}

static mu_graph_namespace *find_namespace(luma_shop *luma, mu_str code)
{
    for (uint32_t i = 0; i < luma->n_namespaces; i++)
        if (mu_str_equal(luma->namespaces[i].code, code))
            return &luma->namespaces[i];
    fail_msg("no namespace " MU_STR_FMT, MU_STR_ARG(code));
    return NULL;
}

void luma_set_priorities(luma_shop *luma, bool on)
{
    const mu_json *list = mu_json_member(luma_json(luma, "namespaces.json"), MU_STR("priorities"));
    for (uint32_t i = 0; i < list->n; i++) {
        mu_graph_namespace *name = find_namespace(
            luma, mu_json_member_string(&list->items[i], MU_STR("code"), MU_STR("")));
        int64_t priority = mu_json_member(&list->items[i], MU_STR("priority"))->integer;
        name->priority = on ? (uint32_t)priority : 0;
        name->is_unique = on && mu_json_member(&list->items[i], MU_STR("unique"))->boolean;
    }
    luma->rules.accept.has_priorities = on;
}

static void read_namespaces(luma_shop *luma)
{
    add_namespace(luma, MU_STR("ECID"), 4, MU_IDENTITY_COOKIE);
    add_namespace(luma, MU_STR("Email"), 6, MU_IDENTITY_EMAIL);
    add_namespace(luma, MU_STR("Phone"), 7, MU_IDENTITY_PHONE);
    add_namespace(luma, MU_STR("GAID"), 20914, MU_IDENTITY_DEVICE);
    const mu_json *list = mu_json_member(luma_json(luma, "namespaces.json"), MU_STR("custom"));
    for (uint32_t i = 0; i < list->n; i++)
        add_namespace(luma, mu_json_member_string(&list->items[i], MU_STR("code"), MU_STR("")),
                      (uint32_t)mu_json_member(&list->items[i], MU_STR("id"))->integer,
                      MU_IDENTITY_CROSS_DEVICE);
    add_namespace(luma, MU_STR("partnerId"), 10000003, MU_IDENTITY_PARTNER);
    add_namespace(luma, MU_STR("sku"), 10000004, MU_IDENTITY_NON_PEOPLE);
}

mu_dataset *luma_dataset(luma_shop *luma, mu_str id)
{
    for (uint32_t i = 0; i < luma->n_datasets; i++)
        if (mu_str_equal(luma->datasets[i].id, id))
            return &luma->datasets[i];
    return NULL;
}

static const mu_dataset *find_dataset(void *context, mu_str id)
{
    return luma_dataset(context, id);
}

luma_shop *luma_new(void)
{
    luma_shop *made = calloc(1, sizeof *made);
    assert_non_null(made);
    mu_arena_init(&made->arena, SIZE_MAX);
    made->reader = mu_json_reader_new();
    read_registry(made);
    read_datasets(made);
    read_namespaces(made);
    made->rules = (mu_inlet_rules){.inlet = MU_STR(LUMA_INLET),
                                   .organization = MU_STR(LUMA_ORGANIZATION),
                                   .registry = made->registry,
                                   .find_dataset = find_dataset,
                                   .find_context = made,
                                   .accept = {.n_namespaces = made->n_namespaces,
                                              .namespaces = made->namespaces,
                                              .now_ms = LUMA_NOW_MS}};
    luma_set_priorities(made, true);
    return made;
}

void luma_free(luma_shop *luma)
{
    mu_registry_free(luma->registry);
    mu_json_reader_free(luma->reader);
    mu_arena_free(&luma->arena);
    free(luma);
}
