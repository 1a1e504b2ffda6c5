/* merge_policies.c -- /data/core/ups/config/mergePolicies (profile.md c.2, c.3, c.6). */
#include "api/api_int.h"

#define KIND MU_STR("mergePolicy")

mu_code mu_api_add_default_policy(mu_api *api, const mu_api_sandbox *sandbox, mu_err *err)
{
    mu_arena arena;
    uint32_t n;
    const mu_document *list;
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code =
        mu_document_list(api->options.documents, &arena, sandbox->store_name, KIND, &n, &list, err);
    if (code == MU_OK && n == 0) {
        mu_json json;
        mu_str id = mu_api_uuid(&arena);
        code = mu_api_json_parse(
            &arena,
            MU_STR("{\"name\":\"Default Timebased\",\"schema\":{\"name\":\"_xdm.context.profile\"},"
                   "\"version\":1,\"identityGraph\":{\"type\":\"pdg\"},"
                   "\"attributeMerge\":{\"type\":\"timestampOrdered\"},"
                   "\"isActiveOnEdge\":true,\"default\":true}"),
            &json, err);
        if (code == MU_OK)
            code = mu_api_document_put(api, &arena, sandbox->store_name, MU_DOCUMENT_ADD, KIND, id,
                                       &json, 0, err);
    }
    mu_arena_free(&arena);
    return code;
}
