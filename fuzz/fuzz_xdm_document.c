/* fuzz_xdm_document.c -- any bytes as a tenant's field group that a schema in a union is made of:
 * refused with a sentence, or resolved, rendered in every way and joined into the union's rows. */
#include "xdm/registry.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define GROUP "https://ns.adobe.com/luma/mixins/g"

static const char schema_text[] =
    "{\"title\":\"S\",\"type\":\"object\",\"meta:immutableTags\":[\"union\"],\"allOf\":["
    "{\"$ref\":\"https://ns.adobe.com/xdm/context/profile\"},{\"$ref\":\"" GROUP "\"}]}";

static void render(const mu_registry *registry, mu_arena *arena)
{
    mu_err err;
    mu_json json;
    mu_xdm_union *unions;
    for (unsigned i = 0; i < 16; i++) {
        const mu_xdm_rendering how = {(i & 1) != 0, (i & 2) != 0, (i & 4) != 0, (i & 8) != 0};
        const mu_xdm_resource_entry *group = mu_registry_find(registry, MU_STR(GROUP));
        MU_ASSERT(mu_registry_render(registry, group, &how, arena, &json, &err) == MU_OK);
        MU_ASSERT(mu_registry_unions(registry, arena, &unions) == 1);
        MU_ASSERT(mu_registry_render_union(registry, &unions[0], &how, arena, &json, &err) ==
                  MU_OK);
        MU_ASSERT(json.kind == MU_JSON_OBJECT);
    }
}

static void use(const mu_registry *registry, mu_arena *arena)
{
    mu_err err;
    const mu_schema *united;
    mu_xdm_violation violations[MU_XDM_VIOLATIONS_MAX];
    const mu_xdm_schema *schema =
        mu_registry_schema(registry, MU_STR("https://ns.adobe.com/luma/schemas/s"));
    const mu_json empty = {.kind = MU_JSON_OBJECT};
    render(registry, arena);
    MU_ASSERT(mu_xdm_validate(schema, &empty, 0, arena, violations) <= MU_XDM_VIOLATIONS_MAX);
    MU_ASSERT(mu_xdm_validate(schema, &empty, MU_XDM_PARTIAL, arena, violations) == 0);
    MU_ASSERT(mu_registry_union(registry, arena, mu_schema_builtin(arena), &united, &err) == MU_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    mu_err err = {0};
    mu_registry *registry = NULL;
    const mu_xdm_document documents[] = {
        {MU_XDM_FIELD_GROUP, MU_STR(GROUP), {(const char *)bytes, size}},
        {MU_XDM_SCHEMA,
         MU_STR("https://ns.adobe.com/luma/schemas/s"),
         {schema_text, sizeof schema_text - 1}}};
    if (mu_registry_new(MU_STR("luma"), 2, documents, &registry, &err) != MU_OK) {
        MU_ASSERT(err.text[0] != '\0');
        return 0;
    }
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    use(registry, &arena);
    mu_arena_free(&arena);
    mu_registry_free(registry);
    return 0;
}
