/* fuzz_xdm_validate.c -- an entity of any bytes against the sample schemas: the first byte chooses
 * the schema and the flags. Violations are well formed; what is valid is valid in its plain form
 * (P4) too, and rows can hold it. */
#include "tests/support/luma_registry.h"
#include "xdm/value.h"

#include <ctype.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const char *const schema_ids[] = {LUMA_PERSON_SCHEMA, LUMA_LOYALTY_SCHEMA,
                                         LUMA_WEB_EVENT_SCHEMA, LUMA_STORE_EVENT_SCHEMA};

/* "#", then steps of '/' and characters that may stand in the fragment of a URI. */
static void check_location(mu_str location)
{
    MU_ASSERT(location.len >= 1 && location.ptr[0] == '#');
    MU_ASSERT(location.len == 1 || location.ptr[1] == '/');
    for (size_t i = 1; i < location.len; i++) {
        unsigned char c = (unsigned char)location.ptr[i];
        MU_ASSERT(isalnum(c) || strchr("/~%-._!$&'()*+,;=:@?", c) != NULL);
        if (c == '~')
            MU_ASSERT(i + 1 < location.len &&
                      (location.ptr[i + 1] == '0' || location.ptr[i + 1] == '1'));
        if (c == '%')
            MU_ASSERT(i + 2 < location.len && isxdigit((unsigned char)location.ptr[i + 1]) &&
                      isxdigit((unsigned char)location.ptr[i + 2]));
    }
}

typedef struct sample {
    mu_registry *registry;
    mu_arena arena;
    const mu_schema *rows;
} sample;

static void check_storable(const sample *s, const mu_xdm_schema *schema, const mu_json *entity,
                           mu_arena *arena)
{
    mu_err err;
    mu_value value;
    const mu_type *type =
        mu_xdm_schema_behavior(schema) == MU_XDM_PROFILE ? s->rows->profile : s->rows->event;
    MU_ASSERT(mu_value_from_typed_json(arena, type, entity, &value, &err) == MU_OK);
}

static void check_entity(const sample *s, const mu_xdm_schema *schema, unsigned flags,
                         const mu_json *entity, mu_arena *arena)
{
    mu_xdm_violation violations[MU_XDM_VIOLATIONS_MAX];
    uint32_t n = mu_xdm_validate(schema, entity, flags, arena, violations);
    MU_ASSERT(n <= MU_XDM_VIOLATIONS_MAX);
    for (uint32_t i = 0; i < n; i++) {
        check_location(violations[i].schema_location);
        check_location(violations[i].pointer);
        MU_ASSERT(violations[i].keyword.len > 0 && violations[i].message.len > 0);
        MU_ASSERT(violations[i].message.len < 8000);
    }
    const mu_json *plain = mu_xdm_plain_entity(schema, entity, arena);
    if (n > 0)
        return;
    MU_ASSERT(mu_xdm_validate(schema, plain, flags, arena, violations) == 0);
    if (flags == 0)
        check_storable(s, schema, plain, arena);
}

/* Made once: a run has millions of inputs. */
static const sample *the_sample(void)
{
    static sample s;
    if (s.registry == NULL) {
        mu_err err;
        s.registry = mu_luma_registry();
        mu_arena_init(&s.arena, SIZE_MAX);
        MU_ASSERT(mu_registry_union(s.registry, &s.arena, mu_schema_builtin(&s.arena), &s.rows,
                                    &err) == MU_OK);
    }
    return &s;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return 0;
    mu_json_reader *reader = mu_json_reader_new();
    mu_arena arena;
    mu_json entity;
    mu_arena_init(&arena, SIZE_MAX);
    const mu_xdm_schema *schema =
        mu_registry_schema(the_sample()->registry, mu_str_from(schema_ids[bytes[0] & 3]));
    if (mu_json_read(reader, &arena, (mu_str){(const char *)bytes + 1, size - 1}, &entity, NULL) ==
        MU_OK)
        check_entity(the_sample(), schema, bytes[0] & 4 ? MU_XDM_PARTIAL : 0, &entity, &arena);
    mu_arena_free(&arena);
    mu_json_reader_free(reader);
    return 0;
}
