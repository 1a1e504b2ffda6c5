/* segmentation.c -- the life of what the segmentation service has running. */
#include "api/schedules_int.h"

/* Damage stops the sandbox that has it, whose requests then say so, and no other
 * (docs/decisions/0092). */
static mu_code open_workspace(mu_api *api, mu_str name, mu_err *err)
{
    mu_workspace *workspace;
    mu_sandbox *live = mu_live_find_sandbox(api->options.live, name);
    mu_code code = mu_workspaces_get(api->workspaces, name, live, &workspace, err);
    if (code != MU_E_CORRUPT)
        return code;
    mu_log(api->options.logger, MU_LOG_ERROR, "sandbox_damaged", mu_log_text("sandbox", name),
           mu_log_text("error", mu_str_from(err->text)));
    return MU_OK;
}

static mu_code open_workspaces(mu_api *api, mu_err *err)
{
    mu_arena arena;
    const mu_str *names;
    mu_arena_init(&arena, SIZE_MAX);
    uint32_t n = mu_live_sandboxes(api->options.live, &arena, &names);
    mu_code code = MU_OK;
    for (uint32_t i = 0; code == MU_OK && i < n; i++)
        code = open_workspace(api, names[i], err);
    mu_arena_free(&arena);
    return code;
}

static mu_code start_searches(mu_api *api, mu_err *err)
{
    api->searches = mu_searches_new();
    return api->searches != NULL ? MU_OK : mu_fail(err, MU_E_NOMEM, "no memory for searches");
}

static mu_code start_schedules(mu_api *api, mu_err *err)
{
    const mu_schedules_options options = {.workspaces = api->workspaces,
                                          .jobs = api->jobs,
                                          .start_export = mu_api_schedule_start_export,
                                          .export_is_busy = mu_api_schedule_export_is_busy,
                                          .export_has_run = mu_api_schedule_export_has_run,
                                          .is_gone = mu_api_schedule_is_gone,
                                          .context = api};
    return mu_schedules_new(&options, &api->schedules, err);
}

mu_code mu_api_segmentation_start(mu_api *api, mu_err *err)
{
    const mu_workspaces_options options = {.live = api->options.live,
                                           .documents = api->options.documents,
                                           .settings = api->options.settings,
                                           .n_threads = api->options.n_threads,
                                           .landing_folder = api->options.landing_folder,
                                           .now_ms = api->options.now_ms,
                                           .logger = api->options.logger,
                                           .metrics = api->options.metrics};
    MU_TRY(mu_workspaces_new(&options, &api->workspaces, err));
    MU_TRY(open_workspaces(api, err));
    MU_TRY(mu_segment_jobs_new(api->workspaces, &api->jobs, err));
    MU_TRY(mu_estimates_new(api->workspaces, &api->estimates, err));
    MU_TRY(start_searches(api, err));
    const mu_exports_options exports = {.workspaces = api->workspaces,
                                        .jobs = api->jobs,
                                        .duckdb_library = api->options.duckdb_library};
    MU_TRY(mu_exports_new(&exports, &api->exports, err));
    MU_TRY(start_schedules(api, err));
    return mu_externals_new(api->workspaces, &api->externals, err);
}

void mu_api_segmentation_stop(mu_api *api)
{
    mu_externals_free(api->externals);
    mu_schedules_free(api->schedules);
    mu_exports_free(api->exports);
    mu_searches_free(api->searches);
    mu_estimates_free(api->estimates);
    mu_segment_jobs_free(api->jobs);
    mu_workspaces_free(api->workspaces);
}

bool mu_api_workspace(mu_http_request *request, mu_http_response *response, mu_workspace **out)
{
    mu_api_call *call = mu_api_call_of(request);
    mu_err err;
    if (mu_workspaces_get(call->api->workspaces, call->place, call->sandbox->live, out, &err) ==
        MU_OK)
        return true;
    (void)mu_api_fail(request, response, &err);
    return false;
}
