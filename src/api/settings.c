/* settings.c -- the one document of settings that a sandbox's log carries (MU_RECORD_SETTINGS):
 *
 *     {"namespaces":[{"code","id","idType","priority"?,"unique"?}],"retention":{...}}
 *
 * The graph is configured from it, also when the log is replayed: so it holds whole namespaces.
 */
#include "api/api_int.h"
#include "catalog/audit.h"

mu_code mu_api_settings_read(const mu_api *api, const mu_api_sandbox *sandbox, mu_arena *arena,
                             mu_json *out, mu_err *err)
{
    (void)api;
    mu_str text = mu_sandbox_settings(sandbox->live, arena);
    *out = (mu_json){.kind = MU_JSON_OBJECT};
    return text.len == 0 ? MU_OK : mu_json_parse(arena, text, out, err);
}

static mu_code append_settings(mu_api *api, const mu_api_sandbox *sandbox, mu_arena *arena,
                               const mu_json *settings, mu_err *err)
{
    uint64_t sequence;
    mu_record record = {.kind = MU_RECORD_SETTINGS, .received_ms = mu_api_now_ms(api)};
    MU_TRY(mu_json_text(arena, settings, &record.document, err));
    MU_TRY(mu_sandbox_append(sandbox->live, 1, &record, &sequence, err));
    return mu_live_wait(api->options.live, sequence, err);
}

static mu_code text_of(mu_arena *arena, const mu_json *json, mu_str *out, mu_err *err)
{
    *out = MU_STR("");
    return json == NULL ? MU_OK : mu_json_text(arena, json, out, err);
}

/* After the change, which is in the log: the log and the catalog have no transaction in common. */
static mu_code record(mu_api *api, const mu_api_sandbox *sandbox, const mu_author *author,
                      mu_arena *arena, mu_str name, const mu_json *before, const mu_json *after,
                      mu_err *err)
{
    mu_str text;
    mu_document_edit edit = {
        .action = MU_DOCUMENT_PUT, .kind = MU_STR("settings"), .id = name, .author = author};
    MU_TRY(text_of(arena, before, &text, err));
    MU_TRY(text_of(arena, after, &edit.json, err));
    return mu_audit_add(api->options.documents, sandbox->store_name, mu_api_now_ms(api), &edit,
                        text, err);
}

mu_code mu_api_settings_set(mu_api *api, const mu_api_sandbox *sandbox, const mu_author *author,
                            mu_arena *arena, mu_str name, const mu_json *value, mu_err *err)
{
    mu_json settings;
    pthread_mutex_lock(&api->settings_lock);
    mu_code code = mu_api_settings_read(api, sandbox, arena, &settings, err);
    if (code == MU_OK) {
        const mu_json before = settings;
        mu_json_set(arena, &settings, name, *value);
        code = append_settings(api, sandbox, arena, &settings, err);
        if (code == MU_OK && author != NULL)
            code =
                record(api, sandbox, author, arena, name, mu_json_get(&before, name), value, err);
    }
    pthread_mutex_unlock(&api->settings_lock);
    return code;
}
