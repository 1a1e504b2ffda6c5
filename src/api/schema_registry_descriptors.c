/* schema_registry_descriptors.c -- /tenant/descriptors: which fields identify people, and whatever
 * else is said of schemas. profile.md a.3, a.6. */
#include "api/schema_registry_int.h"

#define KIND mu_api_registry_kind(MU_XDM_DESCRIPTOR)

static mu_str type_of(const mu_json *descriptor)
{
    return mu_json_member_string(descriptor, MU_STR("@type"), MU_STR(""));
}

/* With the members that the registry adds. */
static mu_json answered(const registry_call *c, const mu_xdm_resource_entry *entry)
{
    mu_json json = *entry->json;
    mu_json_set(c->arena, &json, MU_STR("@id"), mu_json_of_string(entry->id));
    mu_json_set(c->arena, &json, MU_STR("version"), mu_json_of_string(MU_STR("1")));
    mu_json_set(c->arena, &json, MU_STR("imsOrg"), mu_json_of_string(c->call->organization));
    mu_json_set(c->arena, &json, MU_STR("meta:containerId"), mu_json_of_string(MU_STR("tenant")));
    mu_json_set(c->arena, &json, MU_STR("meta:sandboxId"), mu_json_of_string(c->call->sandbox->id));
    mu_json_set(c->arena, &json, MU_STR("meta:sandboxType"),
                mu_json_of_string(c->call->sandbox->is_production ? MU_STR("production")
                                                                  : MU_STR("development")));
    return json;
}

static mu_json link_of(const registry_call *c, mu_str id)
{
    return mu_json_of_string(
        mu_arena_format(c->arena, "/tenant/descriptors/" MU_STR_FMT, MU_STR_ARG(id)));
}

/* -------- reading -------- */

/* {"xdm:descriptorIdentity":[...],...}: ids, links or whole descriptors. */
static mu_http_outcome answer_by_type(const registry_call *c, const registry_accept *accept,
                                      uint32_t n, const registry_item *items)
{
    mu_json_writer *w = mu_http_response_json(c->response);
    bool *is_written = MU_NEW_ARRAY(c->arena, bool, n);
    mu_json_begin_object(w);
    for (uint32_t i = 0; i < n; i++) {
        mu_str type = type_of(&items[i].json);
        if (is_written[i])
            continue;
        mu_json_name(w, type);
        mu_json_begin_array(w);
        for (uint32_t k = i; k < n; k++) {
            if (!mu_str_equal(type_of(&items[k].json), type))
                continue;
            is_written[k] = true;
            mu_json_value(w, accept->is_id || accept->is_link ? &items[k].id_row : &items[k].json);
        }
        mu_json_end_array(w);
    }
    mu_json_end_object(w);
    return MU_HTTP_DONE;
}

static mu_http_outcome list(registry_call *c)
{
    mu_err err;
    registry_accept accept;
    const mu_xdm_resource_entry *entries;
    if (!mu_registry_accept(c, "XDM-1008-400", &accept))
        return MU_HTTP_DONE;
    uint32_t n_entries = mu_registry_entries(c->registry, &entries), n = 0;
    registry_item *items = MU_NEW_ARRAY(c->arena, registry_item, n_entries);
    for (uint32_t i = 0; i < n_entries; i++) {
        if (entries[i].resource != MU_XDM_DESCRIPTOR)
            continue;
        items[n] = (registry_item){.json = answered(c, &entries[i]), .updated_ms = n};
        items[n].id_row =
            accept.is_link ? link_of(c, entries[i].id) : mu_json_of_string(entries[i].id);
        n++;
    }
    if (accept.is_v2) {
        accept.is_id = accept.is_id || accept.is_link;
        return mu_registry_answer_list(c, &accept, n, items, n_entries + 1, n_entries + 1);
    }
    if (mu_registry_filter(c, &n, items, &err) != MU_OK)
        return mu_registry_refuse(c, &err);
    return answer_by_type(c, &accept, n, items);
}

static const mu_xdm_resource_entry *find(const registry_call *c, mu_str id)
{
    const mu_xdm_resource_entry *entry = mu_registry_find(c->registry, id);
    return entry != NULL && entry->resource == MU_XDM_DESCRIPTOR ? entry : NULL;
}

static mu_http_outcome get(registry_call *c)
{
    registry_accept accept;
    mu_str id = mu_http_request_parameter(c->request, MU_STR("id"));
    if (!mu_registry_accept(c, "XDM-1008-400", &accept))
        return MU_HTTP_DONE;
    const mu_xdm_resource_entry *entry = find(c, id);
    if (entry == NULL)
        return mu_registry_not_found(c, id);
    mu_json json = accept.is_link ? link_of(c, id) : answered(c, entry);
    return mu_api_answer(c->response, 200, &json);
}

/* -------- writing -------- */

static mu_code check(const mu_json *json, mu_err *err)
{
    mu_str type = type_of(json);
    if (type.len == 0)
        return mu_fail(err, MU_E_INPUT, "A descriptor needs an \"@type\"");
    if (!mu_str_starts_with(type, MU_STR("xdm:")))
        return mu_fail(err, MU_E_INPUT,
                       "The \"@type\" of a descriptor must begin with xdm:, unlike " MU_STR_FMT,
                       MU_STR_ARG(type));
    return MU_OK;
}

static void complete(const registry_call *c, mu_str id, mu_json *json)
{
    static const char *const answered_members[] = {"version", "imsOrg", "meta:containerId",
                                                   "meta:sandboxId", "meta:sandboxType"};
    for (size_t i = 0; i < sizeof answered_members / sizeof answered_members[0]; i++)
        mu_json_unset(c->arena, json, mu_str_from(answered_members[i]));
    mu_json_set(c->arena, json, MU_STR("@id"), mu_json_of_string(id));
    if (mu_str_equal(type_of(json), MU_STR("xdm:descriptorIdentity")) &&
        mu_json_member(json, MU_STR("xdm:property")) == NULL)
        mu_json_set(c->arena, json, MU_STR("xdm:property"), mu_json_of_string(MU_STR("xdm:code")));
}

static mu_code store(const registry_call *c, mu_document_action action, mu_str id, mu_json *json,
                     mu_err *err)
{
    mu_document_edit edit = {.action = action, .kind = KIND, .id = id, .author = &c->call->author};
    MU_TRY(check(json, err));
    complete(c, id, json);
    MU_TRY(mu_json_text(c->arena, json, &edit.json, err));
    return mu_api_registry_edit(c->api, c->call->sandbox, 1, &edit, err);
}

static mu_http_outcome post(registry_call *c)
{
    mu_err err;
    mu_json body;
    if (!mu_api_body_object(c->request, c->response, &body))
        return MU_HTTP_DONE;
    mu_str id = mu_api_hex(c->arena, 40);
    if (store(c, MU_DOCUMENT_ADD, id, &body, &err) != MU_OK)
        return mu_registry_refuse(c, &err);
    mu_xdm_resource_entry entry = {.id = id, .json = &body};
    mu_json json = answered(c, &entry);
    return mu_api_answer(c->response, 201, &json);
}

static mu_http_outcome put(registry_call *c)
{
    mu_err err;
    mu_json body;
    mu_str id = mu_http_request_parameter(c->request, MU_STR("id"));
    if (!mu_api_body_object(c->request, c->response, &body))
        return MU_HTTP_DONE;
    if (find(c, id) == NULL)
        return mu_registry_not_found(c, id);
    if (store(c, MU_DOCUMENT_REPLACE, id, &body, &err) != MU_OK)
        return mu_registry_refuse(c, &err);
    mu_json json = MU_JSON_OBJECT_OF(c->arena, {MU_STR("@id"), mu_json_of_string(id)});
    return mu_api_answer(c->response, 201, &json);
}

static mu_http_outcome delete (registry_call *c)
{
    mu_err err;
    mu_str id = mu_http_request_parameter(c->request, MU_STR("id"));
    if (find(c, id) == NULL)
        return mu_registry_not_found(c, id);
    const mu_document_edit edit = {.action = MU_DOCUMENT_REMOVE,
                                   .kind = KIND,
                                   .id = id,
                                   .json = MU_STR(""),
                                   .author = &c->call->author};
    if (mu_api_registry_edit(c->api, c->call->sandbox, 1, &edit, &err) != MU_OK)
        return mu_registry_refuse(c, &err);
    mu_http_response_status(c->response, 204);
    return MU_HTTP_DONE;
}

/* -------- handlers -------- */

#define HANDLER(name, function)                                                                    \
    mu_http_outcome name(mu_http_request *request, mu_http_response *response, void *context)      \
    {                                                                                              \
        (void)context;                                                                             \
        return mu_registry_answer(request, response, function);                                    \
    }
HANDLER(mu_descriptors_list, list)
HANDLER(mu_descriptors_get, get)
HANDLER(mu_descriptors_post, post)
HANDLER(mu_descriptors_put, put)
HANDLER(mu_descriptors_delete, delete)
