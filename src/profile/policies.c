#include "profile/policies.h"

#include "json/edit.h"

static mu_str text_at(const mu_json *json, const char *path)
{
    const mu_json *value = mu_json_at(json, mu_str_from(path));
    return value != NULL && value->kind == MU_JSON_STRING ? value->string : MU_STR("");
}

static void read_order(mu_arena *arena, const mu_json *json, mu_merge_policy *policy)
{
    const mu_json *order = mu_json_at(json, MU_STR("attributeMerge.order"));
    if (order == NULL || order->kind != MU_JSON_ARRAY)
        return;
    mu_str *ids = MU_NEW_ARRAY(arena, mu_str, order->n);
    for (uint32_t i = 0; i < order->n; i++)
        if (order->items[i].kind == MU_JSON_STRING)
            ids[policy->n_order++] = order->items[i].string;
    policy->order = ids;
}

void mu_stored_policy_read(mu_arena *arena, const mu_json *json, mu_str id, mu_stored_policy *out)
{
    bool by_dataset =
        mu_str_equal(text_at(json, "attributeMerge.type"), MU_STR("dataSetPrecedence"));
    const mu_json *version = mu_json_member(json, MU_STR("version"));
    *out = (mu_stored_policy){
        .policy = {.id = id,
                   .uses_graph = mu_str_equal(text_at(json, "identityGraph.type"), MU_STR("pdg")),
                   .attribute_merge =
                       by_dataset ? MU_MERGE_DATASET_PRECEDENCE : MU_MERGE_TIMESTAMP_ORDERED},
        .schema_name = text_at(json, "schema.name"),
        .version = version != NULL && version->kind == MU_JSON_INTEGER ? version->integer : 1,
        .is_default = mu_json_truth(mu_json_member(json, MU_STR("default")), false),
        .is_active_on_edge = mu_json_truth(mu_json_member(json, MU_STR("isActiveOnEdge")), false)};
    if (by_dataset)
        read_order(arena, json, &out->policy);
}

mu_code mu_stored_policies_list(mu_documents *documents, mu_arena *arena, mu_str place, uint32_t *n,
                                const mu_stored_policy **out, mu_err *err)
{
    const mu_document *list;
    MU_TRY(mu_document_list(documents, arena, place, MU_MERGE_POLICY_KIND, n, &list, err));
    mu_stored_policy *policies = MU_NEW_ARRAY(arena, mu_stored_policy, *n);
    for (uint32_t i = 0; i < *n; i++) {
        mu_json json;
        MU_TRY(mu_json_parse(arena, list[i].json, &json, err));
        mu_stored_policy_read(arena, &json, list[i].id, &policies[i]);
    }
    *out = policies;
    return MU_OK;
}

mu_code mu_stored_policy_find(mu_documents *documents, mu_arena *arena, mu_str place, mu_str id,
                              mu_str schema_name, mu_stored_policy *out, mu_err *err)
{
    uint32_t n;
    const mu_stored_policy *policies;
    mu_str class = schema_name.len > 0 ? schema_name : MU_STR("_xdm.context.profile");
    MU_TRY(mu_stored_policies_list(documents, arena, place, &n, &policies, err));
    for (uint32_t i = 0; i < n; i++) {
        if (id.len > 0 ? mu_str_equal(policies[i].policy.id, id)
                       : policies[i].is_default && mu_str_equal(policies[i].schema_name, class)) {
            *out = policies[i];
            return MU_OK;
        }
    }
    if (id.len > 0)
        return mu_fail(err, MU_E_NOT_FOUND, "there is no mergePolicy " MU_STR_FMT, MU_STR_ARG(id));
    *out = (mu_stored_policy){.policy = {.id = MU_STR(""),
                                         .uses_graph = false,
                                         .attribute_merge = MU_MERGE_TIMESTAMP_ORDERED},
                              .schema_name = class,
                              .version = 1,
                              .is_default = true};
    return MU_OK;
}
