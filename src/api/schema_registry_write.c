/* schema_registry_write.c -- schemas, classes, field groups and data types made, changed, removed.
 *
 * Documents are stored in their plain form with the members that follow from them (meta:class,
 * meta:extends); what depends on the sandbox or the moment is added when they are answered.
 */
#include "api/schema_registry_int.h"

/* -------- completing -------- */

/* Members of the answer that are not the sender's to say. */
static const char *const answered_members[] = {"version",
                                               "imsOrg",
                                               "meta:containerId",
                                               "meta:sandboxId",
                                               "meta:sandboxType",
                                               "meta:registryMetadata",
                                               "meta:tenantNamespace",
                                               "meta:descriptors",
                                               "meta:resourceType",
                                               "meta:altId",
                                               "meta:class",
                                               "meta:extends"};

static const char *folder_of(mu_xdm_resource resource)
{
    switch (resource) {
    case MU_XDM_CLASS:
        return "classes";
    case MU_XDM_FIELD_GROUP:
        return "mixins";
    case MU_XDM_DATA_TYPE:
        return "datatypes";
    default:
        return "schemas";
    }
}

static mu_str id_prefix(const registry_call *c)
{
    return mu_arena_format(c->arena, "https://ns.adobe.com/" MU_STR_FMT "/%s/",
                           MU_STR_ARG(mu_registry_tenant(c->registry)), folder_of(c->resource));
}

/* The id a new document asks for, or a new one: docs/decisions/0141. */
static mu_code id_of_new(const registry_call *c, const mu_json *body, mu_str *out, mu_err *err)
{
    mu_str prefix = id_prefix(c);
    mu_str id = mu_json_member_string(body, MU_STR("$id"), MU_STR(""));
    if (id.len == 0) {
        mu_str hex = mu_api_hex(c->arena, 48);
        *out =
            mu_arena_format(c->arena, MU_STR_FMT MU_STR_FMT, MU_STR_ARG(prefix), MU_STR_ARG(hex));
        return MU_OK;
    }
    if (!mu_str_starts_with(id, prefix) || id.len == prefix.len || id.len > 255)
        return mu_fail(err, MU_E_INPUT, "A new \"$id\" must begin with " MU_STR_FMT,
                       MU_STR_ARG(prefix));
    for (size_t i = prefix.len; i < id.len; i++) {
        char ch = id.ptr[i];
        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
              ch == '-' || ch == '_'))
            return mu_fail(err, MU_E_INPUT,
                           "After its prefix a \"$id\" holds letters, digits, '-' and '_' only");
    }
    if (mu_registry_find(c->registry, id) != NULL)
        return mu_fail(err, MU_E_INPUT, "There is a resource " MU_STR_FMT " already",
                       MU_STR_ARG(id));
    *out = id;
    return MU_OK;
}

static void set_strings(const registry_call *c, mu_json *json, const char *name, uint32_t n,
                        const mu_str *items)
{
    mu_json_set(c->arena, json, mu_str_from(name), mu_json_strings(c->arena, n, items));
}

static mu_code check_body(const registry_call *c, const mu_json *json, mu_err *err)
{
    mu_str type = mu_json_member_string(json, MU_STR("type"), MU_STR(""));
    const mu_json *all = mu_json_member(json, MU_STR("allOf"));
    if (mu_json_member_string(json, MU_STR("title"), MU_STR("")).len == 0)
        return mu_fail(err, MU_E_INPUT, "A resource needs a \"title\"");
    bool is_scalar_type = c->resource == MU_XDM_DATA_TYPE && type.len > 0;
    if (!is_scalar_type && type.len > 0 && !mu_str_equal(type, MU_STR("object")))
        return mu_fail(err, MU_E_INPUT, "The \"type\" of a resource must be \"object\"");
    bool needs_base = c->resource == MU_XDM_SCHEMA || c->resource == MU_XDM_CLASS;
    if (needs_base && (all == NULL || all->kind != MU_JSON_ARRAY || all->n == 0))
        return mu_fail(err, MU_E_INPUT, "\"allOf\" must refer to %s",
                       c->resource == MU_XDM_SCHEMA ? "a class" : "a behavior or a class");
    return MU_OK;
}

/* Makes `json` the document that is stored. */
static mu_code complete(const registry_call *c, mu_str id, mu_json *json, mu_err *err)
{
    const mu_str *extends;
    mu_json plain;
    for (size_t i = 0; i < sizeof answered_members / sizeof answered_members[0]; i++)
        mu_json_unset(c->arena, json, mu_str_from(answered_members[i]));
    MU_TRY(mu_xdm_plain_document(c->arena, json, &plain, err));
    MU_TRY(check_body(c, &plain, err));
    mu_json_set(c->arena, &plain, MU_STR("$id"), mu_json_of_string(id));
    if (mu_json_member(&plain, MU_STR("type")) == NULL)
        mu_json_set(c->arena, &plain, MU_STR("type"), mu_json_of_string(MU_STR("object")));
    if (mu_json_member(&plain, MU_STR("description")) == NULL)
        mu_json_set(c->arena, &plain, MU_STR("description"), mu_json_of_string(MU_STR("")));
    if (c->resource == MU_XDM_FIELD_GROUP &&
        mu_json_member(&plain, MU_STR("meta:intendedToExtend")) == NULL)
        set_strings(c, &plain, "meta:intendedToExtend", 0, NULL);
    if (c->resource == MU_XDM_SCHEMA) {
        mu_str class_id = mu_registry_class_of(c->registry, &plain);
        if (class_id.len == 0)
            return mu_fail(err, MU_E_INPUT, "\"allOf\" must refer to a class");
        mu_json_set(c->arena, &plain, MU_STR("meta:class"), mu_json_of_string(class_id));
    }
    if (c->resource == MU_XDM_SCHEMA || c->resource == MU_XDM_CLASS) {
        uint32_t n = mu_registry_extends(c->registry, &plain, c->arena, &extends);
        if (n == 0)
            return mu_fail(err, MU_E_INPUT, "\"allOf\" must refer to what is known");
        set_strings(c, &plain, "meta:extends", n, extends);
    }
    *json = plain;
    return MU_OK;
}

/* -------- storing -------- */

static mu_code store(const registry_call *c, mu_document_action action, mu_str id,
                     const mu_json *json, mu_err *err)
{
    mu_document_edit edit = {.action = action,
                             .kind = mu_api_registry_kind(c->resource),
                             .id = id,
                             .author = &c->call->author};
    MU_TRY(mu_json_text(c->arena, json, &edit.json, err));
    return mu_api_registry_edit(c->api, c->call->sandbox, 1, &edit, err);
}

/* The document as it is now: in the registry that the edit made. */
static mu_http_outcome answer_stored(const registry_call *c, unsigned status, mu_str id)
{
    mu_err err;
    mu_json json;
    registry_row row;
    const mu_api_registry *held;
    registry_accept accept = {.how = {.has_text = true}};
    registry_call now = *c;
    if (mu_api_registry_acquire(c->api, c->call->sandbox, &held, &err) != MU_OK)
        return mu_api_fail(c->request, c->response, &err);
    now.registry = held->registry;
    mu_code code = mu_registry_row(&now, id, &row, &err);
    if (code == MU_OK)
        code = mu_registry_document(&now, &row, &accept, &json, &err);
    mu_http_outcome outcome =
        code == MU_OK ? mu_api_answer(c->response, status, &json) : mu_registry_refuse(c, &err);
    mu_api_registry_release(held);
    return outcome;
}

static mu_http_outcome create(registry_call *c)
{
    mu_err err;
    mu_json body;
    mu_str id;
    if (!mu_api_body_object(c->request, c->response, &body))
        return MU_HTTP_DONE;
    if (id_of_new(c, &body, &id, &err) != MU_OK || complete(c, id, &body, &err) != MU_OK ||
        store(c, MU_DOCUMENT_ADD, id, &body, &err) != MU_OK)
        return mu_registry_refuse(c, &err);
    return answer_stored(c, 201, id);
}

static bool is_in_union(const mu_json *document)
{
    const mu_json *tags = mu_json_member(document, MU_STR("meta:immutableTags"));
    for (uint32_t i = 0; tags != NULL && tags->kind == MU_JSON_ARRAY && i < tags->n; i++)
        if (tags->items[i].kind == MU_JSON_STRING &&
            mu_str_equal(tags->items[i].string, MU_STR("union")))
            return true;
    return false;
}

/* The tenant's own resource that the path names. */
static mu_code own_row(const registry_call *c, registry_row *out, mu_err *err)
{
    mu_str id = mu_http_request_parameter(c->request, MU_STR("id"));
    MU_TRY(mu_registry_row(c, id, out, err));
    return out->entry->is_global
               ? mu_fail(err, MU_E_NOT_FOUND, MU_STR_FMT " is built in and cannot be changed",
                         MU_STR_ARG(id))
               : MU_OK;
}

static mu_http_outcome change(registry_call *c, const registry_row *row, mu_json *json)
{
    mu_err err;
    mu_str id = row->entry->id;
    if (complete(c, id, json, &err) != MU_OK)
        return mu_registry_refuse(c, &err);
    if (is_in_union(row->entry->json) && !is_in_union(json)) {
        (void)mu_fail(&err, MU_E_INPUT, "The tag \"union\" of a schema cannot be taken away");
        return mu_registry_refuse(c, &err);
    }
    if (store(c, MU_DOCUMENT_REPLACE, id, json, &err) != MU_OK)
        return mu_registry_refuse(c, &err);
    return answer_stored(c, 200, id);
}

static mu_http_outcome replace(registry_call *c)
{
    mu_err err;
    mu_json body;
    registry_row row;
    if (!mu_api_body_object(c->request, c->response, &body))
        return MU_HTTP_DONE;
    if (own_row(c, &row, &err) != MU_OK)
        return mu_registry_refuse(c, &err);
    return change(c, &row, &body);
}

static mu_http_outcome patch(registry_call *c)
{
    mu_err err;
    mu_json body;
    registry_row row;
    if (!mu_api_body(c->request, c->response, &body))
        return MU_HTTP_DONE;
    if (own_row(c, &row, &err) != MU_OK)
        return mu_registry_refuse(c, &err);
    mu_json json = *row.entry->json;
    if (mu_json_apply_patch(c->arena, &json, &body, &err) != MU_OK)
        return mu_registry_refuse(c, &err);
    return change(c, &row, &json);
}

/* -------- removing -------- */

/* A dataset that takes its data by a schema keeps the schema. */
static mu_code check_unused(const registry_call *c, mu_str id, mu_err *err)
{
    uint32_t n;
    const mu_document *datasets;
    MU_TRY(mu_document_list(c->api->options.documents, c->arena, c->call->place, MU_STR("dataset"),
                            &n, &datasets, err));
    for (uint32_t i = 0; i < n; i++) {
        mu_json json;
        MU_TRY(mu_json_parse(c->arena, datasets[i].json, &json, err));
        const mu_json *used = mu_json_at(&json, MU_STR("schemaRef.id"));
        if (used != NULL && used->kind == MU_JSON_STRING && mu_str_equal(used->string, id))
            return mu_fail(err, MU_E_INPUT, "The dataset " MU_STR_FMT " uses this schema",
                           MU_STR_ARG(datasets[i].id));
    }
    return MU_OK;
}

/* The removal of a resource, and of the descriptors that speak of it. */
static uint32_t removals(const registry_call *c, mu_str id, mu_document_edit **out)
{
    const mu_xdm_resource_entry *entries;
    uint32_t n_entries = mu_registry_entries(c->registry, &entries);
    mu_document_edit *edits = MU_NEW_ARRAY(c->arena, mu_document_edit, n_entries + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < n_entries; i++)
        if (entries[i].resource == MU_XDM_DESCRIPTOR &&
            mu_str_equal(
                mu_json_member_string(entries[i].json, MU_STR("xdm:sourceSchema"), MU_STR("")), id))
            edits[n++] = (mu_document_edit){.action = MU_DOCUMENT_REMOVE,
                                            .kind = mu_api_registry_kind(MU_XDM_DESCRIPTOR),
                                            .id = entries[i].id,
                                            .json = MU_STR(""),
                                            .author = &c->call->author};
    edits[n++] = (mu_document_edit){.action = MU_DOCUMENT_REMOVE,
                                    .kind = mu_api_registry_kind(c->resource),
                                    .id = id,
                                    .json = MU_STR(""),
                                    .author = &c->call->author};
    *out = edits;
    return n;
}

static mu_http_outcome remove_resource(registry_call *c)
{
    mu_err err;
    registry_row row;
    mu_document_edit *edits;
    mu_code code = own_row(c, &row, &err);
    if (code == MU_OK && c->resource == MU_XDM_SCHEMA && is_in_union(row.entry->json))
        code = mu_fail(&err, MU_E_INPUT, "A schema that is enabled for Profile cannot be removed");
    if (code == MU_OK && (c->resource == MU_XDM_SCHEMA || c->resource == MU_XDM_CLASS))
        code = check_unused(c, row.entry->id, &err);
    if (code == MU_OK) {
        uint32_t n = removals(c, row.entry->id, &edits);
        code = mu_api_registry_edit(c->api, c->call->sandbox, n, edits, &err);
    }
    if (code != MU_OK)
        return mu_registry_refuse(c, &err);
    mu_http_response_status(c->response, 204);
    return MU_HTTP_DONE;
}

/* -------- handlers: one change at a time, on what is there then -------- */

static mu_http_outcome one_at_a_time(mu_http_request *request, mu_http_response *response,
                                     registry_function *function)
{
    mu_api *api = mu_api_call_of(request)->api;
    pthread_mutex_lock(&api->edit_lock);
    mu_http_outcome outcome = mu_registry_answer(request, response, function);
    pthread_mutex_unlock(&api->edit_lock);
    return outcome;
}

mu_http_outcome mu_registry_post(mu_http_request *request, mu_http_response *response,
                                 void *context)
{
    (void)context;
    return one_at_a_time(request, response, create);
}

mu_http_outcome mu_registry_put(mu_http_request *request, mu_http_response *response, void *context)
{
    (void)context;
    return one_at_a_time(request, response, replace);
}

mu_http_outcome mu_registry_patch(mu_http_request *request, mu_http_response *response,
                                  void *context)
{
    (void)context;
    return one_at_a_time(request, response, patch);
}

mu_http_outcome mu_registry_delete(mu_http_request *request, mu_http_response *response,
                                   void *context)
{
    (void)context;
    return one_at_a_time(request, response, remove_resource);
}
