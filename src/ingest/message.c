#include "ingest/message.h"

static mu_str header_organization(const mu_inlet_rules *rules, const mu_json *json)
{
    return mu_json_member_string(mu_json_member(json, MU_STR("header")), MU_STR("imsOrgId"),
                                 rules->organization);
}

mu_str mu_message_text(mu_arena *arena, const mu_inlet_rules *rules, const mu_json *json,
                       const char *text)
{
    mu_str organization = header_organization(rules, json);
    return mu_arena_format(arena, "inletId: [%.*s] imsOrgId: [%.*s] %s", (int)rules->inlet.len,
                           rules->inlet.ptr, (int)organization.len, organization.ptr, text);
}

static const mu_json *member_object(const mu_json *json, mu_str name)
{
    const mu_json *member = mu_json_member(json, name);
    return member != NULL && member->kind == MU_JSON_OBJECT ? member : NULL;
}

/* The id in a schemaRef (P6: what else it says does not matter); empty when there is none. */
static mu_str schema_id(const mu_json *holder)
{
    return mu_json_member_string(mu_json_member(holder, MU_STR("schemaRef")), MU_STR("id"),
                                 MU_STR(""));
}

typedef struct message_parts {
    const mu_json *header, *body, *meta, *entity, *operations;
} message_parts;

/* P51: without xdmEntity, the body of a message with operations is the data itself. P52: patches
 * are not taken. */
static bool find_parts(const mu_json *json, message_parts *out)
{
    *out = (message_parts){.header = member_object(json, MU_STR("header")),
                           .body = member_object(json, MU_STR("body"))};
    if (out->header == NULL || out->body == NULL)
        return false;
    out->operations = member_object(out->header, MU_STR("operations"));
    out->meta = mu_json_member(out->body, MU_STR("xdmMeta"));
    out->entity = member_object(out->body, MU_STR("xdmEntity"));
    if (out->operations != NULL && mu_json_member(out->body, MU_STR("xdmEntity")) == NULL)
        out->entity = out->body;
    return out->entity != NULL &&
           !mu_str_equal(mu_json_member_string(out->header, MU_STR("msgType"), MU_STR("")),
                         MU_STR("xdmEntityUpdate"));
}

static bool names_schema(const mu_inlet_rules *rules, const mu_dataset *dataset, mu_str id)
{
    if (dataset != NULL && mu_str_equal(mu_xdm_schema_id(dataset->schema), id))
        return true;
    const mu_xdm_schema *schema = mu_registry_schema(rules->registry, id);
    if (schema == NULL || dataset == NULL)
        return schema != NULL;
    return mu_str_equal(mu_xdm_schema_id(schema), mu_xdm_schema_id(dataset->schema));
}

/* The schema is named in the header and in xdmMeta, the same one, and the dataset's. A message with
 * operations may leave it to the dataset. */
static bool schemas_agree(const mu_inlet_rules *rules, const message_parts *parts,
                          const mu_dataset *dataset)
{
    mu_str header = schema_id(parts->header), meta = schema_id(parts->meta);
    if (parts->operations != NULL && header.len == 0 && meta.len == 0)
        return true;
    return header.len > 0 && mu_str_equal(header, meta) && names_schema(rules, dataset, header);
}

static bool read_operations(const message_parts *parts, mu_message *out)
{
    out->operation = MU_ACCEPT_CREATE;
    out->makes_links = true;
    if (parts->operations == NULL)
        return true;
    mu_str data = mu_json_member_string(parts->operations, MU_STR("data"), MU_STR("create"));
    mu_str identity = mu_json_member_string(parts->operations, MU_STR("identity"), MU_STR(""));
    out->makes_links = mu_str_equal(identity, MU_STR("create"));
    if (mu_str_equal(data, MU_STR("merge")))
        out->operation = MU_ACCEPT_MERGE;
    else if (mu_str_equal(data, MU_STR("delete")))
        out->operation = MU_ACCEPT_DELETE;
    else if (!mu_str_equal(data, MU_STR("create")))
        return false;
    return out->operation == MU_ACCEPT_CREATE || out->dataset == NULL ||
           mu_xdm_schema_behavior(out->dataset->schema) == MU_XDM_PROFILE;
}

/* P11: an identityMap in xdmMeta counts as the entity's when that has none. */
static const mu_json *with_identity_map(mu_arena *arena, const message_parts *parts)
{
    const mu_json *map = mu_json_member(parts->meta, MU_STR("identityMap"));
    if (map == NULL || mu_json_member(parts->entity, MU_STR("identityMap")) != NULL)
        return parts->entity;
    uint32_t n = parts->entity->n;
    mu_str *names = MU_NEW_ARRAY(arena, mu_str, (size_t)n + 1);
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, (size_t)n + 1);
    for (uint32_t i = 0; i < n; i++) {
        names[i] = parts->entity->names[i];
        items[i] = parts->entity->items[i];
    }
    names[n] = MU_STR("identityMap");
    items[n] = *map;
    mu_json *entity = MU_NEW(arena, mu_json);
    *entity = (mu_json){.kind = MU_JSON_OBJECT, .n = n + 1};
    entity->names = names;
    entity->items = items;
    return entity;
}

/* The header's datasetId; without one, where its flow leads (P37). */
static const mu_dataset *dataset_of(const mu_inlet_rules *rules, const mu_json *header)
{
    mu_str id = mu_json_member_string(header, MU_STR("datasetId"), MU_STR(""));
    mu_str flow = mu_json_member_string(header, MU_STR("flowId"), MU_STR(""));
    if (id.len > 0)
        return rules->find_dataset(rules->find_context, id);
    if (flow.len == 0 || rules->find_flow_dataset == NULL)
        return NULL;
    return rules->find_flow_dataset(rules->find_context, flow);
}

bool mu_message_read(mu_arena *arena, const mu_inlet_rules *rules, const mu_json *json,
                     mu_message *out, mu_str *refusal)
{
    message_parts parts;
    mu_message message = {.dataset = NULL};
    bool has_form = find_parts(json, &parts);
    if (has_form) {
        message.dataset = dataset_of(rules, parts.header);
        has_form =
            schemas_agree(rules, &parts, message.dataset) && read_operations(&parts, &message);
    }
    if (!has_form) {
        *refusal = mu_message_text(arena, rules, json, "Message has unknown xdm format");
        return false;
    }
    if (!mu_str_equal(header_organization(rules, json), rules->organization)) {
        *refusal = mu_message_text(arena, rules, json,
                                   "Message has an absent or wrong ims org in the header");
        return false;
    }
    if (message.dataset == NULL) {
        *refusal = mu_message_text(arena, rules, json,
                                   "Message has an absent or wrong datasetId in the header");
        return false;
    }
    message.entity = with_identity_map(arena, &parts);
    *out = message;
    return true;
}

void mu_message_accept(mu_arena *arena, const mu_inlet_rules *rules, const mu_message *message,
                       mu_acceptance *out)
{
    mu_accept(arena, &rules->accept, message->dataset, message->operation, message->entity, out);
    if (!message->makes_links)
        out->record.n_linked = 0;
}
