#include "tests/support/luma_server.h"

#include "api/registry_cache.h"
#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define assert_done(call, err)                                                                     \
    do {                                                                                           \
        if ((call) != MU_OK)                                                                       \
            fail_msg("%s", (err).text);                                                            \
    } while (0)

mu_str luma_server_file(api_fixture *f, const char *name)
{
    mu_err err;
    mu_str text;
    mu_str path = mu_arena_format(&f->arena, "%s/tests/data/luma/%s", MUSTER_SOURCE_DIR, name);
    assert_done(mu_file_read(&f->arena, path.ptr, 1 << 24, &text, &err), err);
    return mu_arena_copy(&f->arena, text);
}

static mu_json parse(api_fixture *f, mu_str text)
{
    mu_err err;
    mu_json json;
    assert_done(mu_json_parse(&f->arena, text, &json, &err), err);
    return json;
}

static mu_str text_of(api_fixture *f, const mu_json *json)
{
    mu_err err;
    mu_str text;
    assert_done(mu_json_text(&f->arena, json, &text, &err), err);
    return text;
}

static void add_schemas(api_fixture *f, const mu_api_sandbox *sandbox)
{
    static const struct {
        const char *list;
        mu_xdm_resource resource;
        const char *id;
    } kinds[] = {{"fieldgroups", MU_XDM_FIELD_GROUP, "$id"},
                 {"schemas", MU_XDM_SCHEMA, "$id"},
                 {"descriptors", MU_XDM_DESCRIPTOR, "@id"}};
    mu_document_edit edits[64];
    uint32_t n = 0;
    mu_err err;
    mu_json all = parse(f, luma_server_file(f, "registry.json"));
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        const mu_json *list = mu_json_member(&all, mu_str_from(kinds[k].list));
        for (uint32_t i = 0; i < list->n; i++) {
            assert_true(n < sizeof edits / sizeof edits[0]);
            edits[n++] = (mu_document_edit){
                .action = MU_DOCUMENT_PUT,
                .kind = mu_api_registry_kind(kinds[k].resource),
                .id = mu_json_member_string(&list->items[i], mu_str_from(kinds[k].id), MU_STR("")),
                .json = text_of(f, &list->items[i])};
        }
    }
    assert_done(mu_api_registry_edit(f->api, sandbox, n, edits, &err), err);
}

static void add_document(api_fixture *f, const mu_api_sandbox *sandbox, const char *kind, mu_str id,
                         mu_str json)
{
    mu_err err;
    mu_document_edit edit = {
        .action = MU_DOCUMENT_PUT, .kind = mu_str_from(kind), .id = id, .json = json};
    assert_done(
        mu_document_edit_all(f->documents, sandbox->store_name, LUMA_SERVER_NOW_MS, 1, &edit, &err),
        err);
}

static void add_datasets(api_fixture *f, const mu_api_sandbox *sandbox)
{
    mu_json all = parse(f, luma_server_file(f, "datasets.json"));
    for (uint32_t i = 0; i < all.n; i++)
        add_document(f, sandbox, "dataset",
                     mu_json_member_string(&all.items[i], MU_STR("id"), MU_STR("")),
                     text_of(f, &all.items[i]));
}

static void add_inlet(api_fixture *f, const mu_api_sandbox *sandbox, const char *id,
                      bool wants_token)
{
    mu_str json = mu_arena_format(
        &f->arena,
        "{\"name\":\"inlet\",\"connectionSpec\":{\"id\":\"bc7b00d6-623a-4dfc-9fdb-f1240aeadaeb\"},"
        "\"auth\":{\"params\":{\"inletId\":\"%s\",\"inletOrganization\":\"%s\","
        "\"authenticationRequired\":%s}}}",
        id, LUMA_SERVER_ORGANIZATION, wants_token ? "true" : "false");
    add_document(f, sandbox, "connection", mu_str_from(id), json);
}

/* The settings of the sandbox: each namespace with its number, type and priority. */
static void add_namespaces(api_fixture *f, const mu_api_sandbox *sandbox)
{
    static const char settings[] =
        "{\"namespaces\":["
        "{\"code\":\"lumaCrmId\",\"id\":10000001,\"idType\":\"CROSS_DEVICE\",\"priority\":1,"
        "\"unique\":true},"
        "{\"code\":\"lumaLoyaltyId\",\"id\":10000002,\"idType\":\"CROSS_DEVICE\",\"priority\":2},"
        "{\"code\":\"Email\",\"id\":6,\"idType\":\"EMAIL\",\"priority\":3},"
        "{\"code\":\"Phone\",\"id\":7,\"idType\":\"PHONE\",\"priority\":4},"
        "{\"code\":\"ECID\",\"id\":4,\"idType\":\"COOKIE\",\"priority\":5}]}";
    mu_err err;
    uint64_t sequence;
    mu_record record = {.kind = MU_RECORD_SETTINGS,
                        .received_ms = LUMA_SERVER_NOW_MS,
                        .document = mu_str_from(settings)};
    assert_done(mu_sandbox_append(sandbox->live, 1, &record, &sequence, &err), err);
    assert_done(mu_live_wait(f->live, sequence, &err), err);
}

void luma_server_fill(api_fixture *f)
{
    api_fixture_set_now(LUMA_SERVER_NOW_MS);
    const mu_api_sandbox *sandbox =
        mu_api_find_sandbox(f->api, MU_STR(LUMA_SERVER_ORGANIZATION), MU_STR("prod"), MU_STR(""));
    assert_non_null(sandbox);
    add_schemas(f, sandbox);
    add_datasets(f, sandbox);
    add_namespaces(f, sandbox);
    add_inlet(f, sandbox, LUMA_SERVER_INLET, false);
    add_inlet(f, sandbox, LUMA_SERVER_CLOSED_INLET, true);
}

/* -------- what is known -------- */

static void write_content(mu_buf *out, const mu_content *content)
{
    for (uint32_t i = 0; i < content->cluster.n_identities; i++) {
        mu_identity identity = content->cluster.identities[i].identity;
        mu_buf_add_format(out, "%.*s:%.*s\n", (int)identity.namespace_code.len,
                          identity.namespace_code.ptr, (int)identity.value.len, identity.value.ptr);
    }
    for (uint32_t i = 0; i < content->n_fragments; i++) {
        const mu_fragment *fragment = &content->fragments[i];
        mu_buf_add_format(out, "%.*s %.*s\n", (int)fragment->dataset.len, fragment->dataset.ptr,
                          (int)fragment->document.len, fragment->document.ptr);
    }
    for (uint32_t i = 0; i < content->events.n; i++) {
        mu_json_writer writer;
        mu_json_writer_init(&writer, out);
        mu_value_write(&writer, mu_value_member(content->events.items[i], MU_STR("_id")));
        mu_buf_add_char(out, ' ');
        mu_json_writer_init(&writer, out);
        mu_value_write(&writer, mu_value_member(content->events.items[i], MU_STR("timestamp")));
        mu_buf_add_char(out, '\n');
    }
}

mu_str luma_server_lookup(api_fixture *f, const char *namespace_code, const char *value)
{
    mu_err err;
    mu_lookup lookup;
    mu_buf out;
    mu_sandbox *sandbox = mu_live_find_sandbox(f->live, MU_STR("prod"));
    assert_non_null(sandbox);
    mu_identity identity = {mu_str_from(namespace_code), mu_str_from(value)};
    mu_code code = mu_sandbox_lookup(sandbox, identity, &f->arena, &lookup, &err);
    if (code == MU_E_NOT_FOUND)
        return MU_STR("nothing");
    assert_done(code, err);
    mu_buf_init(&out, SIZE_MAX);
    write_content(&out, &lookup.content);
    mu_snapshot_release(lookup.snapshot);
    mu_str text = mu_arena_copy(&f->arena, mu_buf_str(&out));
    mu_buf_free(&out);
    return text;
}
