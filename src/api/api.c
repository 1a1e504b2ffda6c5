#include "api/api_int.h"
#include "api/ingestion.h"
#include "api/registry_cache.h"
#include "catalog/audit.h"

#include <stdlib.h>

/* Every resource, in the order of the routes. */
static mu_api_resource *const resources[] = {
    mu_api_add_token,
    mu_api_add_sandboxes,
    mu_api_add_merge_policies,
    mu_api_add_datasets,
    mu_api_add_labels,
    mu_api_add_flows,
    mu_api_add_stored,
    mu_api_add_namespaces,
    mu_api_add_retention,
    mu_api_add_schema_registry,
    mu_api_add_identities,
    mu_api_add_identity_settings,
    mu_api_add_entities,
    mu_api_add_preview,
    mu_api_add_system_jobs,
    mu_api_add_audit,
    mu_api_add_schedules,
    mu_api_add_search,
    mu_api_add_folders,
    mu_api_add_audiences,
    mu_api_add_audience_versions,
    mu_api_add_segment_definitions,
    mu_api_add_segment_jobs,
    mu_api_add_conversion,
    mu_api_add_export_jobs,
    mu_api_add_external_audiences,
    mu_api_add_muster_evaluate,
    mu_api_add_muster_diff,
    mu_api_add_previews,
    mu_api_add_muster_explain,
};

/* -------- the life of an api -------- */

/* NULL stays NULL: it is another thing than none. */
static const mu_str *copy_texts(mu_arena *arena, uint32_t n, const mu_str *texts)
{
    if (texts == NULL)
        return NULL;
    mu_str *copy = MU_NEW_ARRAY(arena, mu_str, n + 1);
    for (uint32_t i = 0; i < n; i++)
        copy[i] = mu_arena_copy(arena, texts[i]);
    return copy;
}

static void copy_options(mu_api *api, const mu_api_options *options)
{
    mu_arena *arena = &api->arena;
    mu_api_client *clients = MU_NEW_ARRAY(arena, mu_api_client, options->n_clients);
    for (size_t i = 0; i < options->n_clients; i++) {
        const mu_api_client *from = &options->clients[i];
        clients[i] = (mu_api_client){
            .organization = mu_arena_copy(arena, from->organization),
            .api_key = mu_arena_copy(arena, from->api_key),
            .token = mu_arena_copy(arena, from->token),
            .secret = mu_arena_copy(arena, from->secret),
            .n_permissions = from->n_permissions,
            .n_sandboxes = from->n_sandboxes,
            .permissions = copy_texts(arena, from->n_permissions, from->permissions),
            .sandboxes = copy_texts(arena, from->n_sandboxes, from->sandboxes)};
    }
    api->options = *options;
    api->options.clients = clients;
    api->options.organization = mu_arena_copy(arena, options->organization);
    api->options.tenant = mu_arena_copy(arena, options->tenant);
    api->options.landing_folder = mu_arena_copy(arena, options->landing_folder);
}

static mu_code check_options(const mu_api_options *options, mu_err *err)
{
    if (options->auth_mode != MU_AUTH_OPEN && options->n_clients == 0)
        return mu_fail(err, MU_E_INPUT,
                       "this mode of authentication needs clients in the configuration");
    for (size_t i = 0; i < options->n_clients; i++) {
        const mu_api_client *client = &options->clients[i];
        if (client->organization.len == 0 || client->api_key.len == 0)
            return mu_fail(err, MU_E_INPUT, "a client needs an organization and an API key");
        for (uint32_t k = 0; k < client->n_permissions; k++)
            if (!mu_api_permission_is_known(client->permissions[k]))
                return mu_fail(err, MU_E_INPUT,
                               "the client " MU_STR_FMT " has an unknown permission: " MU_STR_FMT,
                               MU_STR_ARG(client->api_key), MU_STR_ARG(client->permissions[k]));
        if (options->auth_mode == MU_AUTH_STATIC && client->token.len == 0)
            return mu_fail(err, MU_E_INPUT, "the client " MU_STR_FMT " needs a token",
                           MU_STR_ARG(client->api_key));
        if (options->auth_mode == MU_AUTH_LOCAL_IMS && client->secret.len == 0)
            return mu_fail(err, MU_E_INPUT, "the client " MU_STR_FMT " needs a secret",
                           MU_STR_ARG(client->api_key));
    }
    return MU_OK;
}

mu_code mu_api_new(const mu_api_options *options, mu_api **out, mu_err *err)
{
    MU_TRY(check_options(options, err));
    mu_api *api = calloc(1, sizeof *api);
    if (api == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for the API");
    mu_arena_init(&api->arena, SIZE_MAX);
    pthread_rwlock_init(&api->sandbox_lock, NULL);
    pthread_mutex_init(&api->edit_lock, NULL);
    pthread_mutex_init(&api->settings_lock, NULL);
    pthread_mutex_init(&api->default_policies_lock, NULL);
    copy_options(api, options);
    mu_audit_keep(options->documents, options->settings.audit_keep_days * 86400 * 1000);
    api->check = (mu_http_check){mu_api_check, api};
    api->check_client = (mu_http_check){mu_api_check_client, api};
    mu_code code = mu_api_tokens_new(api, err);
    if (code == MU_OK)
        code = mu_api_previews_new(&api->previews, err);
    if (code == MU_OK)
        code = mu_api_registries_new(&api->registries, err);
    if (code == MU_OK)
        code = mu_api_sandboxes_load(api, err);
    if (code == MU_OK)
        code = mu_api_segmentation_start(api, err);
    if (code == MU_OK)
        code = mu_ingestion_new(api, &api->ingestion, err);
    if (code != MU_OK) {
        mu_api_free(api);
        return code;
    }
    *out = api;
    return MU_OK;
}

void mu_api_free(mu_api *api)
{
    if (api == NULL)
        return;
    mu_api_segmentation_stop(api);
    mu_ingestion_free(api->ingestion);
    mu_api_registries_free(api->registries);
    mu_api_tokens_free(api->tokens);
    mu_api_previews_free(api->previews);
    mu_api_default_policies_free(api);
    pthread_mutex_destroy(&api->default_policies_lock);
    pthread_mutex_destroy(&api->settings_lock);
    pthread_mutex_destroy(&api->edit_lock);
    pthread_rwlock_destroy(&api->sandbox_lock);
    mu_arena_free(&api->arena);
    free(api);
}

/* -------- routes -------- */

mu_code mu_api_routes_add(mu_api *api, mu_http_router *router, mu_err *err)
{
    for (size_t i = 0; i < sizeof resources / sizeof resources[0]; i++)
        MU_TRY(resources[i](api, router, err));
    MU_TRY(mu_api_add_openapi(api, router, err));
    return mu_api_add_ingestion(api, router, err);
}
