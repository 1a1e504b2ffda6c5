#include "tests/support/luma_registry.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>

static _Noreturn void give_up(const char *what, const mu_err *err)
{
    fprintf(stderr, "%s: %s\n", what, err->text);
    abort();
}

mu_json mu_luma_json(mu_arena *arena, const char *name)
{
    mu_err err = {0};
    mu_str text;
    mu_json json;
    mu_str path = mu_arena_format(arena, MUSTER_SOURCE_DIR "/tests/data/luma/%s", name);
    mu_json_reader *reader = mu_json_reader_new();
    if (mu_file_read(arena, path.ptr, 1 << 20, &text, &err) != MU_OK ||
        mu_json_read(reader, arena, text, &json, &err) != MU_OK)
        give_up(path.ptr, &err);
    mu_json_reader_free(reader);
    return json;
}

static mu_str json_text(mu_arena *arena, const mu_json *json)
{
    mu_buf buf;
    mu_json_writer writer;
    mu_buf_init(&buf, 1 << 20);
    mu_json_writer_init(&writer, &buf);
    mu_json_value(&writer, json);
    mu_str text = mu_arena_copy(arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return text;
}

size_t mu_luma_documents(mu_arena *arena, const mu_xdm_document **out)
{
    static const struct {
        const char *member, *id;
        mu_xdm_resource resource;
    } parts[] = {{"fieldgroups", "$id", MU_XDM_FIELD_GROUP},
                 {"schemas", "$id", MU_XDM_SCHEMA},
                 {"descriptors", "@id", MU_XDM_DESCRIPTOR}};
    mu_json file = mu_luma_json(arena, "registry.json");
    mu_xdm_document *documents = MU_NEW_ARRAY(arena, mu_xdm_document, 64);
    size_t n = 0;
    for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
        const mu_json *list = mu_json_member(&file, mu_str_from(parts[p].member));
        for (uint32_t i = 0; i < list->n; i++)
            documents[n++] = (mu_xdm_document){
                .resource = parts[p].resource,
                .id = mu_json_member_string(&list->items[i], mu_str_from(parts[p].id), MU_STR("")),
                .json = json_text(arena, &list->items[i])};
    }
    *out = documents;
    return n;
}

mu_registry *mu_luma_registry(void)
{
    mu_arena arena;
    mu_err err = {0};
    mu_registry *registry = NULL;
    const mu_xdm_document *documents;
    mu_arena_init(&arena, SIZE_MAX);
    size_t n = mu_luma_documents(&arena, &documents);
    if (mu_registry_new(MU_STR("luma"), n, documents, &registry, &err) != MU_OK)
        give_up("tests/data/luma/registry.json", &err);
    mu_arena_free(&arena);
    return registry;
}
