#include "base/number.h"
#include "base/utf8.h"
#include "ingest/accept_int.h"

/* A namespace by its code in any case, or by its number in decimal (a.6, P14). */
static const mu_graph_namespace *find_namespace(const mu_accept_context *context, mu_str code)
{
    for (uint32_t i = 0; i < context->n_namespaces; i++) {
        const mu_graph_namespace *name = &context->namespaces[i];
        if (name->code.len == code.len &&
            (mu_str_equal(name->code, code) || mu_str_equal_ascii_nocase(name->code, code)))
            return name;
    }
    int64_t number;
    if (code.len == 0 || code.ptr[0] < '0' || code.ptr[0] > '9' || !mu_parse_integer(code, &number))
        return NULL;
    for (uint32_t i = 0; i < context->n_namespaces; i++)
        if ((int64_t)context->namespaces[i].id == number)
            return &context->namespaces[i];
    return NULL;
}

static bool is_same(const mu_claim *a, const mu_claim *b)
{
    return a->name == b->name && mu_str_equal(a->value, b->value);
}

static void note_good(mu_claims *claims, const mu_claim *claim)
{
    for (uint32_t i = 0; i < claims->n; i++)
        if (is_same(&claims->list[i], claim))
            return;
    claims->n_good++;
    if (claims->n < MU_IDENTITIES_MAX)
        claims->list[claims->n++] = *claim;
}

static bool ranks_before(const mu_claim *claim, const mu_claim *other)
{
    if (claim->name->priority == 0)
        return false;
    return other->name == NULL || claim->name->priority < other->name->priority;
}

/* `id` NULL or no text is a bad value. */
static void note(mu_claims *claims, const mu_graph_namespace *name, const mu_json *id,
                 bool is_flagged, bool is_described)
{
    mu_claim claim = {.name = name};
    if (id == NULL || id->kind != MU_JSON_STRING) {
        claim.problem = "is no text";
    } else {
        claim.value = id->string;
        claim.problem = mu_identity_problem((mu_identity){name->code, claim.value});
    }
    if (claim.problem != NULL)
        claims->n_bad++;
    else
        note_good(claims, &claim);
    if (is_flagged && claims->flagged.name == NULL)
        claims->flagged = claim;
    if (is_described && claims->described.name == NULL)
        claims->described = claim;
    if (ranks_before(&claim, &claims->ranked))
        claims->ranked = claim;
}

static void note_unknown(mu_claims *claims, mu_str code)
{
    if (claims->unknown_namespace.len == 0)
        claims->unknown_namespace = code.len > 0 ? code : MU_STR("(empty)");
}

/* P11: the flag comes as the text "true" too. */
static bool is_true(const mu_json *json)
{
    if (json == NULL)
        return false;
    if (json->kind == MU_JSON_STRING)
        return mu_str_equal_ascii_nocase(json->string, MU_STR("true"));
    return json->kind == MU_JSON_BOOLEAN && json->boolean;
}

static void read_identity_map(mu_claims *claims, const mu_accept_context *context,
                              const mu_json *map)
{
    if (map == NULL || map->kind != MU_JSON_OBJECT)
        return;
    for (uint32_t i = 0; i < map->n; i++) {
        const mu_json *list = &map->items[i];
        if (list->kind != MU_JSON_ARRAY || list->n == 0)
            continue;
        const mu_graph_namespace *name = find_namespace(context, map->names[i]);
        if (name == NULL)
            note_unknown(claims, map->names[i]);
        for (uint32_t k = 0; name != NULL && k < list->n; k++)
            note(claims, name, mu_json_member(&list->items[k], MU_STR("id")),
                 is_true(mu_json_member(&list->items[k], MU_STR("primary"))), false);
    }
}

/* P11: endUserIDs._experience.<x>.{id, namespace: {code}, primary}. */
static void read_end_user_ids(mu_claims *claims, const mu_accept_context *context,
                              const mu_json *entity)
{
    const mu_json *users =
        mu_json_member(mu_json_member(entity, MU_STR("endUserIDs")), MU_STR("_experience"));
    for (uint32_t i = 0; users != NULL && users->kind == MU_JSON_OBJECT && i < users->n; i++) {
        const mu_json *user = &users->items[i];
        const mu_json *id = mu_json_member(user, MU_STR("id"));
        mu_str code = mu_json_member_string(mu_json_member(user, MU_STR("namespace")),
                                            MU_STR("code"), MU_STR(""));
        if (id == NULL || code.len == 0)
            continue;
        const mu_graph_namespace *name = find_namespace(context, code);
        if (name == NULL)
            note_unknown(claims, code);
        else
            note(claims, name, id, is_true(mu_json_member(user, MU_STR("primary"))), false);
    }
}

/* The values at a dotted path, through lists on the way. Each call goes one name or one list
 * deeper, so the path's length and the reader's depth limit bound it. */
static void read_path(mu_claims *claims, const mu_graph_namespace *name, mu_str path,
                      bool is_primary, const mu_json *json)
{
    while (json != NULL && json->kind == MU_JSON_OBJECT && path.len > 0) {
        const char *dot = memchr(path.ptr, '.', path.len);
        size_t length = dot == NULL ? path.len : (size_t)(dot - path.ptr);
        json = mu_json_member(json, (mu_str){path.ptr, length});
        size_t step = dot == NULL ? length : length + 1;
        path = (mu_str){path.ptr + step, path.len - step};
    }
    if (json == NULL || json->kind == MU_JSON_NULL)
        return;
    if (json->kind == MU_JSON_ARRAY) {
        for (uint32_t i = 0; i < json->n; i++)
            read_path(claims, name, path, is_primary, &json->items[i]);
    } else if (path.len == 0) {
        note(claims, name, json, false, is_primary);
    }
}

static bool path_has_value(mu_str path, const mu_json *json)
{
    while (json != NULL && json->kind == MU_JSON_OBJECT && path.len > 0) {
        const char *dot = memchr(path.ptr, '.', path.len);
        size_t length = dot == NULL ? path.len : (size_t)(dot - path.ptr);
        json = mu_json_member(json, (mu_str){path.ptr, length});
        size_t step = dot == NULL ? length : length + 1;
        path = (mu_str){path.ptr + step, path.len - step};
    }
    return json != NULL && json->kind != MU_JSON_NULL;
}

static void read_descriptors(mu_claims *claims, const mu_accept_context *context,
                             const mu_xdm_schema *schema, const mu_json *entity)
{
    const mu_xdm_identity *identities;
    uint32_t n = mu_xdm_schema_identities(schema, &identities);
    for (uint32_t i = 0; i < n; i++) {
        if (!path_has_value(identities[i].path, entity))
            continue;
        const mu_graph_namespace *name = find_namespace(context, identities[i].namespace_code);
        if (name == NULL)
            note_unknown(claims, identities[i].namespace_code);
        else
            read_path(claims, name, identities[i].path, identities[i].is_primary, entity);
    }
}

void mu_claims_read(const mu_accept_context *context, const mu_xdm_schema *schema,
                    const mu_json *entity, mu_claims *out)
{
    *out = (mu_claims){.n = 0};
    read_identity_map(out, context, mu_json_member(entity, MU_STR("identityMap")));
    read_end_user_ids(out, context, entity);
    read_descriptors(out, context, schema, entity);
}
