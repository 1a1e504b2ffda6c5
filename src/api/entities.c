/* entities.c -- /data/core/ups/access/entities (profile.md e.1, e.2, e.4). */
#include "api/entities_int.h"
#include "api/ingestion.h"

static const char not_found[] = "{\"statusCode\":\"404\"}";
static const char too_many[] = "Too many related identities";

static mu_code answer_target(mu_entity_ask *ask, const mu_entity_target *target,
                             mu_entity_answer *out, mu_err *err)
{
    return ask->class == MU_ENTITY_EVENT ? mu_entity_events(ask, target, out, err)
                                         : mu_entity_profile(ask, target, out, err);
}

static mu_str parameter(mu_http_request *request, mu_str name)
{
    mu_str value;
    return mu_http_pairs_find(mu_http_request_query(request), name, &value) ? value : MU_STR("");
}

/* -------- GET -------- */

static mu_code query_target(mu_http_request *request, const mu_entity_ask *ask,
                            mu_entity_target *out, mu_err *err)
{
    mu_str id = parameter(request, MU_STR("entityId"));
    mu_str code = parameter(request, MU_STR("entityIdNS"));
    if (ask->class == MU_ENTITY_EVENT && parameter(request, MU_STR("relatedEntityId")).len > 0) {
        id = parameter(request, MU_STR("relatedEntityId"));
        code = parameter(request, MU_STR("relatedEntityIdNS"));
    }
    MU_TRY(mu_entity_target_find(ask, id, code, out, err));
    out->start = parameter(request, MU_STR("start"));
    if (out->start.len == 0)
        out->start = parameter(request, MU_STR("offsets"));
    return MU_OK;
}

/* The request's parameters with the token of the next page in both places (P59). */
static mu_str next_href(mu_http_request *request, mu_str next)
{
    const mu_http_pairs *query = mu_http_request_query(request);
    mu_buf buf;
    if (next.len == 0)
        return next;
    mu_buf_init(&buf, (size_t)1 << 20);
    mu_api_add_parameter(&buf, MU_STR("start"), next);
    mu_api_add_parameter(&buf, MU_STR("offsets"), next);
    for (size_t i = 0; i < query->n; i++)
        if (!mu_str_equal_ascii_nocase(query->items[i].name, MU_STR("start")) &&
            !mu_str_equal_ascii_nocase(query->items[i].name, MU_STR("offsets")))
            mu_api_add_parameter(&buf, query->items[i].name, query->items[i].value);
    mu_str href = mu_arena_format(mu_http_request_arena(request), "/entities?" MU_STR_FMT,
                                  MU_STR_ARG(mu_buf_str(&buf)));
    mu_buf_free(&buf);
    return href;
}

static void add_links(mu_arena *arena, mu_json *page, mu_json next)
{
    mu_json_set(arena, page, MU_STR("_links"), MU_JSON_OBJECT_OF(arena, {MU_STR("next"), next}));
}

static mu_http_outcome answer_one(mu_http_request *request, mu_http_response *response,
                                  mu_entity_ask *ask)
{
    mu_entity_target target;
    mu_entity_answer answer;
    mu_err err;
    if (query_target(request, ask, &target, &err) != MU_OK ||
        answer_target(ask, &target, &answer, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    if (answer.status == 422)
        return mu_api_problem(request, response, 422, MU_STR(""), mu_str_from(too_many));
    if (answer.status == 404 && !target.is_registered)
        return mu_api_problem_format(request, response, 400, MU_STR(""),
                                     "There is no namespace " MU_STR_FMT,
                                     MU_STR_ARG(target.namespace_code));
    if (answer.status == 404)
        return mu_api_answer_text(response, 404, mu_str_from(not_found));
    if (ask->class == MU_ENTITY_EVENT) {
        mu_str href = next_href(request, answer.next);
        add_links(ask->arena, &answer.json,
                  MU_JSON_OBJECT_OF(ask->arena, {MU_STR("href"), mu_json_of_string(href)}));
        return mu_api_answer(response, 200, &answer.json);
    }
    mu_json map = MU_JSON_OBJECT_OF(ask->arena, {target.xid, answer.json});
    return mu_api_answer(response, 200, &map);
}

static mu_http_outcome get_entities(mu_http_request *request, mu_http_response *response,
                                    void *context)
{
    mu_entity_ask ask;
    mu_err err;
    (void)context;
    if (mu_entity_ask_query(request, &ask, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    mu_http_outcome outcome = answer_one(request, response, &ask);
    mu_entity_ask_end(&ask);
    return outcome;
}

/* -------- POST -------- */

/* A namespace as {"code"}, {"id"}, or a text. */
static mu_str namespace_of(mu_arena *arena, const mu_json *json)
{
    if (json == NULL)
        return MU_STR("");
    const mu_json *value = json->kind != MU_JSON_OBJECT ? json : mu_json_get(json, MU_STR("code"));
    if (value == NULL)
        value = mu_json_get(json, MU_STR("id"));
    if (value != NULL && value->kind == MU_JSON_INTEGER)
        return mu_arena_format(arena, "%lld", (long long)value->integer);
    return value != NULL && value->kind == MU_JSON_STRING ? value->string : MU_STR("");
}

static mu_code body_target(const mu_entity_ask *ask, const mu_json *json, mu_entity_target *out,
                           mu_err *err)
{
    if (json->kind != MU_JSON_OBJECT)
        return mu_fail(err, MU_E_INPUT, "identities must be a list of objects");
    mu_str id = mu_json_member_string(json, MU_STR("relatedEntityId"), MU_STR(""));
    const mu_json *code = mu_json_get(json, MU_STR("relatedEntityIdNS"));
    if (id.len == 0) {
        id = mu_json_member_string(json, MU_STR("entityId"), MU_STR(""));
        code = mu_json_get(json, MU_STR("entityIdNS"));
    }
    MU_TRY(mu_entity_target_find(ask, id, namespace_of(ask->arena, code), out, err));
    out->start = mu_json_member_string(json, MU_STR("start"), MU_STR(""));
    return MU_OK;
}

static mu_json requested(mu_arena *arena, const mu_entity_target *target)
{
    mu_json out = MU_JSON_OBJECT_OF(arena, {MU_STR("entityId"), mu_json_of_string(target->id)});
    if (target->namespace_code.len > 0)
        mu_json_set(arena, &out, MU_STR("entityIdNS"),
                    MU_JSON_OBJECT_OF(arena, {MU_STR("code"),
                                              mu_json_of_string(target->identity.namespace_code)}));
    return out;
}

static mu_json unknown_entity(mu_arena *arena, const mu_entity_target *target)
{
    const mu_str empty = MU_STR("");
    return MU_JSON_OBJECT_OF(arena, {MU_STR("entityId"), mu_json_of_string(target->xid)},
                             {MU_STR("sources"), mu_json_strings(arena, 1, &empty)},
                             {MU_STR("entity"), (mu_json){.kind = MU_JSON_OBJECT}},
                             {MU_STR("lastModifiedAt"), mu_entity_json_time(arena, 0)});
}

/* The body for the next page of one identity. */
static mu_json next_payload(mu_arena *arena, const mu_json *body, const mu_json *identity,
                            mu_str next)
{
    mu_json one = *identity, payload = *body;
    mu_json_set(arena, &one, MU_STR("start"), mu_json_of_string(next));
    mu_json *list = MU_NEW(arena, mu_json);
    *list = one;
    mu_json_set(arena, &payload, MU_STR("identities"),
                (mu_json){.kind = MU_JSON_ARRAY, .n = 1, .items = list});
    return payload;
}

static mu_json finished(const mu_entity_ask *ask, const mu_json *body, const mu_json *identity,
                        const mu_entity_target *target, const mu_entity_answer *answer)
{
    mu_arena *arena = ask->arena;
    mu_json json = answer->status == 404 ? unknown_entity(arena, target) : answer->json;
    if (ask->class == MU_ENTITY_EVENT) {
        mu_json link = MU_JSON_OBJECT_OF(
            arena, {MU_STR("href"),
                    mu_json_of_string(answer->next.len == 0 ? MU_STR("") : MU_STR("/entities"))});
        if (answer->next.len > 0)
            mu_json_set(arena, &link, MU_STR("payload"),
                        next_payload(arena, body, identity, answer->next));
        add_links(arena, &json, link);
    }
    mu_json_set(arena, &json, MU_STR("requestedIdentity"), requested(arena, target));
    return json;
}

static mu_json refused(mu_arena *arena)
{
    return MU_JSON_OBJECT_OF(
        arena, {MU_STR("message"), mu_json_of_string(mu_str_from(too_many))},
        {MU_STR("cause"), mu_json_of_string(MU_STR("The identity graph exceeds "
                                                   "its limit"))},
        {MU_STR("statusCode"), mu_json_of_string(MU_STR("422"))});
}

/* As a map of answers; as a list as soon as one identity fails (docs/decisions/0122). */
typedef struct bulk {
    mu_entity_list map, list;
    bool has_failed;
} bulk;

static bool has_key(const bulk *b, mu_str xid)
{
    for (uint32_t i = 0; i < b->map.n; i++)
        if (mu_str_equal(b->map.names[i], xid))
            return true;
    return false;
}

static mu_code add_answer(mu_entity_ask *ask, const mu_json *body, const mu_json *identity, bulk *b,
                          mu_err *err)
{
    mu_entity_target target;
    mu_entity_answer answer;
    MU_TRY(body_target(ask, identity, &target, err));
    if (has_key(b, target.xid))
        return MU_OK;
    MU_TRY(answer_target(ask, &target, &answer, err));
    bool failed = answer.status == 422;
    mu_json json = failed ? refused(ask->arena) : finished(ask, body, identity, &target, &answer);
    b->has_failed = b->has_failed || failed;
    mu_entity_list_add(&b->map, target.xid, json);
    mu_entity_list_add(&b->list, MU_STR(""),
                       MU_JSON_OBJECT_OF(ask->arena, {MU_STR("xid"), mu_json_of_string(target.xid)},
                                         {failed ? MU_STR("error") : MU_STR("result"), json}));
    return MU_OK;
}

static mu_code answer_all(mu_entity_ask *ask, const mu_json *body, bulk *b, mu_err *err)
{
    const mu_json *identities = mu_json_get(body, MU_STR("identities"));
    if (identities == NULL || identities->kind != MU_JSON_ARRAY || identities->n == 0)
        return mu_fail(err, MU_E_INPUT, "identities must be a list of at least one identity");
    if (identities->n > MU_ENTITY_IDENTITIES_MAX)
        return mu_fail(err, MU_E_INPUT, "At most %u identities are allowed, there are %u",
                       MU_ENTITY_IDENTITIES_MAX, identities->n);
    for (uint32_t i = 0; i < identities->n; i++)
        MU_TRY(add_answer(ask, body, &identities->items[i], b, err));
    return MU_OK;
}

static mu_http_outcome post_entities(mu_http_request *request, mu_http_response *response,
                                     void *context)
{
    mu_entity_ask ask;
    mu_json body;
    mu_err err;
    (void)context;
    if (!mu_api_body_object(request, response, &body))
        return MU_HTTP_DONE;
    if (mu_entity_ask_body(request, &body, &ask, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    bulk b = {.map = {.arena = ask.arena}, .list = {.arena = ask.arena}};
    mu_http_outcome outcome;
    if (answer_all(&ask, &body, &b, &err) != MU_OK) {
        outcome = mu_api_fail(request, response, &err);
    } else {
        mu_json json = b.has_failed ? mu_entity_list_array(&b.list) : mu_entity_list_object(&b.map);
        outcome = mu_api_answer(response, b.has_failed ? 207 : 200, &json);
    }
    mu_entity_ask_end(&ask);
    return outcome;
}

/* -------- DELETE -------- */

/* Under `none` the identity's own data goes, else its cluster with all it has: P63. */
static mu_code erase(const mu_entity_ask *ask, const mu_entity_target *target, mu_err *err)
{
    mu_api *api = ask->call->api;
    mu_sandbox *sandbox = ask->call->sandbox->live;
    uint64_t sequence;
    mu_record record = {.kind = ask->policy.uses_graph ? MU_RECORD_ERASE : MU_RECORD_DELETE,
                        .sandbox = ask->call->sandbox->store_name,
                        .received_ms = ask->now_ms,
                        .n_identities = 1,
                        .identities = &target->identity};
    MU_TRY(mu_sandbox_append(sandbox, 1, &record, &sequence, err));
    return mu_live_wait(api->options.live, sequence, err);
}

/* The identities of a view, for what else names them. In the ask's arena. */
static mu_identity *identities_of(const mu_entity_ask *ask, const mu_content *content,
                                  const mu_profile_view *view)
{
    mu_identity *identities = MU_NEW_ARRAY(ask->arena, mu_identity, view->n_identities);
    for (uint32_t i = 0; i < view->n_identities; i++) {
        mu_identity identity = content->cluster.identities[view->identities[i]].identity;
        identities[i] = (mu_identity){mu_arena_copy(ask->arena, identity.namespace_code),
                                      mu_arena_copy(ask->arena, identity.value)};
    }
    return identities;
}

static mu_http_outcome delete_target(mu_http_request *request, mu_http_response *response,
                                     mu_entity_ask *ask)
{
    mu_entity_target target;
    mu_lookup lookup;
    mu_profile_view view;
    mu_err err;
    bool found;
    ask->hidden.n_datasets = 0; /* what nobody may read can be deleted */
    if (ask->class != MU_ENTITY_PROFILE)
        return mu_api_problem(request, response, 400, MU_STR(""),
                              MU_STR("Only entities of _xdm.context.profile can be deleted"));
    if (query_target(request, ask, &target, &err) != MU_OK ||
        mu_entity_view(ask, &target, &found, &lookup, &view, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    if (!found)
        return mu_api_answer_text(response, 404, mu_str_from(not_found));
    mu_identity *identities = identities_of(ask, &lookup.content, &view);
    if (erase(ask, &target, &err) != MU_OK ||
        mu_ingestion_erase(ask->call->api->ingestion, ask->call->sandbox->store_name,
                           view.n_identities, identities, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    mu_http_response_status(response, 202);
    return MU_HTTP_DONE;
}

static mu_http_outcome delete_entities(mu_http_request *request, mu_http_response *response,
                                       void *context)
{
    mu_entity_ask ask;
    mu_err err;
    (void)context;
    if (mu_entity_ask_query(request, &ask, &err) != MU_OK)
        return mu_api_fail(request, response, &err);
    mu_http_outcome outcome = delete_target(request, response, &ask);
    mu_entity_ask_end(&ask);
    return outcome;
}

mu_code mu_api_add_entities(mu_api *api, mu_http_router *router, mu_err *err)
{
#define PATTERN "/data/core/ups/access/entities"
    static const mu_http_route routes[] = {
        {.method = MU_HTTP_GET, .pattern = PATTERN, .handler = get_entities},
        {.method = MU_HTTP_POST, .pattern = PATTERN, .handler = post_entities},
        {.method = MU_HTTP_DELETE, .pattern = PATTERN, .handler = delete_entities},
    };
    return mu_api_add(api, router, MU_API_CHECKED, routes, sizeof routes / sizeof routes[0], err);
}
