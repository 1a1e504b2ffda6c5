/* entities_ask.c -- what a request to /access/entities asks, from its query or its body. */
#include "api/entities_int.h"
#include "audience/segment_membership.h"

#include "base/number.h"
#include "identity/xid.h"

/* Smaller numbers are seconds: P56. */
#define MS_MIN INT64_C(100000000000)

/* -------- parts -------- */

static const struct class_name {
    const char *name;
    mu_entity_class class;
} class_names[] = {
    {"_xdm.context.profile", MU_ENTITY_PROFILE},
    {"_xdm.context.experienceevent", MU_ENTITY_EVENT},
    {"_xdm.context.account", MU_ENTITY_OTHER},
    {"_xdm.context.opportunity", MU_ENTITY_OTHER},
};

static mu_code set_class(mu_entity_ask *ask, mu_str name, mu_err *err)
{
    if (name.len == 0)
        return mu_fail(err, MU_E_INPUT, "The parameter schema.name is missing");
    for (size_t i = 0; i < sizeof class_names / sizeof class_names[0]; i++) {
        if (!mu_str_equal(name, mu_str_from(class_names[i].name)))
            continue;
        ask->class = class_names[i].class;
        ask->class_name = mu_str_from(class_names[i].name);
        return MU_OK;
    }
    return mu_fail(err, MU_E_INPUT, "There is no class named " MU_STR_FMT " to look up",
                   MU_STR_ARG(name));
}

static void add_field(mu_entity_ask *ask, mu_entity_list *list, mu_str path)
{
    path = mu_str_trim(path);
    if (mu_str_equal(path, MU_STR("identities")))
        ask->wants_identities = true;
    else if (path.len > 0)
        mu_entity_list_add(list, path, (mu_json){.kind = MU_JSON_NULL});
    ask->has_fields = ask->has_fields || path.len > 0;
}

static void set_fields(mu_entity_ask *ask, const mu_entity_list *list)
{
    ask->n_fields = list->n;
    ask->fields = list->names;
}

static void split_fields(mu_entity_ask *ask, mu_str text)
{
    mu_entity_list list = {.arena = ask->arena};
    while (text.len > 0) {
        const char *comma = memchr(text.ptr, ',', text.len);
        size_t len = comma == NULL ? text.len : (size_t)(comma - text.ptr);
        add_field(ask, &list, (mu_str){text.ptr, len});
        size_t taken = comma == NULL ? len : len + 1;
        text = (mu_str){text.ptr + taken, text.len - taken};
    }
    set_fields(ask, &list);
}

static int64_t instant(int64_t number)
{
    return number < MS_MIN && number > -MS_MIN ? number * 1000 : number;
}

static mu_code set_limit(mu_entity_ask *ask, int64_t limit, mu_err *err)
{
    if (limit < 1)
        return mu_fail(err, MU_E_INPUT, "The parameter limit must be at least 1");
    ask->limit = limit > MU_ENTITY_EVENTS_MAX ? MU_ENTITY_EVENTS_MAX : (uint32_t)limit;
    return MU_OK;
}

/* A raw '+' in a query has become a blank. */
static mu_code set_order(mu_entity_ask *ask, mu_str order, mu_err *err)
{
    order = mu_str_trim(order);
    ask->is_descending = order.len > 0 && order.ptr[0] == '-';
    if (order.len > 0 && (order.ptr[0] == '-' || order.ptr[0] == '+'))
        order = (mu_str){order.ptr + 1, order.len - 1};
    if (order.len > 0 && !mu_str_equal(order, MU_STR("timestamp")))
        return mu_fail(err, MU_E_INPUT, "The parameter orderby must be +timestamp or -timestamp");
    return MU_OK;
}

/* "path op literal". */
static mu_code add_filter(mu_entity_ask *ask, mu_str text, mu_err *err)
{
    static const struct {
        const char *sign;
        mu_entity_operator operator;
    } signs[] = {{"!=", MU_ENTITY_NOT_EQUAL},
                 {"<=", MU_ENTITY_LESS_OR_EQUAL},
                 {">=", MU_ENTITY_GREATER_OR_EQUAL},
                 {"==", MU_ENTITY_EQUAL},
                 {"=", MU_ENTITY_EQUAL},
                 {"<", MU_ENTITY_LESS},
                 {">", MU_ENTITY_GREATER}};
    if (ask->n_filters == MU_ENTITY_FILTERS_MAX)
        return mu_fail(err, MU_E_INPUT, "At most %u property filters are allowed",
                       MU_ENTITY_FILTERS_MAX);
    size_t at = 0, which = 0;
    while (at < text.len && memchr("!<>=", text.ptr[at], 4) == NULL)
        at++;
    mu_str rest = {text.ptr + at, text.len - at};
    while (which < 7 && !mu_str_starts_with(rest, mu_str_from(signs[which].sign)))
        which++;
    mu_str path = mu_str_trim((mu_str){text.ptr, at});
    if (path.len == 0 || which == 7)
        return mu_fail(err, MU_E_INPUT,
                       "The filter \"" MU_STR_FMT "\" is not of the form path=literal",
                       MU_STR_ARG(text));
    size_t taken = strlen(signs[which].sign);
    mu_str literal = mu_str_trim((mu_str){rest.ptr + taken, rest.len - taken});
    if (literal.len >= 2 && (literal.ptr[0] == '"' || literal.ptr[0] == '\'') &&
        literal.ptr[literal.len - 1] == literal.ptr[0])
        literal = (mu_str){literal.ptr + 1, literal.len - 2};
    ask->filters[ask->n_filters++] =
        (mu_entity_filter){.path = path, .literal = literal, .operator= signs[which].operator};
    return MU_OK;
}

/* -------- the sandbox's side -------- */

static mu_code finish(mu_entity_ask *ask, mu_str policy, mu_err *err)
{
    mu_err problem;
    mu_code code = mu_api_merge_policy(ask->call->api, ask->arena, ask->call->place, policy,
                                       &ask->policy, &problem);
    if (code == MU_E_NOT_FOUND)
        return mu_fail(err, MU_E_INPUT, "There is no merge policy " MU_STR_FMT, MU_STR_ARG(policy));
    if (code != MU_OK)
        return mu_fail(err, code, "%s", problem.text);
    ask->n_namespaces =
        mu_sandbox_namespaces(ask->call->sandbox->live, ask->arena, &ask->namespaces);
    return mu_hidden_read(ask->call->api->options.documents, ask->arena, ask->call->place,
                          &ask->hidden, err);
}

static mu_entity_ask begin(mu_http_request *request)
{
    mu_api_call *call = mu_api_call_of(request);
    return (mu_entity_ask){.call = call,
                           .arena = mu_http_request_arena(request),
                           .start_ms = INT64_MIN,
                           .end_ms = INT64_MAX,
                           .limit = MU_ENTITY_EVENTS_MAX,
                           .now_ms = mu_api_now_ms(call->api)};
}

void mu_entity_ask_end(mu_entity_ask *ask)
{
    for (uint32_t i = 0; i < ask->n_held; i++)
        mu_snapshot_release(ask->held[i]);
    ask->n_held = 0;
    mu_segment_view_release(ask->segments);
    ask->segments = NULL;
}

/* -------- a query -------- */

static mu_str parameter(const mu_http_pairs *query, mu_str name)
{
    mu_str value;
    return mu_http_pairs_find(query, name, &value) ? value : MU_STR("");
}

static mu_code query_time(const mu_http_pairs *query, mu_str name, int64_t *out, mu_err *err)
{
    int64_t value = *out;
    mu_str text;
    if (!mu_http_pairs_find(query, name, &text))
        return MU_OK;
    MU_TRY(mu_http_pairs_integer(query, name, 0, &value, err));
    *out = instant(value);
    return MU_OK;
}

mu_code mu_entity_ask_query(mu_http_request *request, mu_entity_ask *out, mu_err *err)
{
    const mu_http_pairs *query = mu_http_request_query(request);
    mu_entity_ask ask = begin(request);
    int64_t limit;
    size_t at = 0;
    MU_TRY(set_class(&ask, parameter(query, MU_STR("schema.name")), err));
    split_fields(&ask, parameter(query, MU_STR("fields")));
    MU_TRY(query_time(query, MU_STR("startTime"), &ask.start_ms, err));
    MU_TRY(query_time(query, MU_STR("endTime"), &ask.end_ms, err));
    MU_TRY(mu_http_pairs_integer(query, MU_STR("limit"), ask.limit, &limit, err));
    MU_TRY(set_limit(&ask, limit, err));
    MU_TRY(set_order(&ask, parameter(query, MU_STR("orderby")), err));
    for (mu_str filter; mu_http_pairs_next(query, MU_STR("property"), &at, &filter);)
        MU_TRY(add_filter(&ask, filter, err));
    MU_TRY(finish(&ask, parameter(query, MU_STR("mergePolicyId")), err));
    *out = ask;
    return MU_OK;
}

/* -------- a body -------- */

static mu_code body_integer(const mu_json *json, const char *path, int64_t otherwise, int64_t *out,
                            mu_err *err)
{
    const mu_json *value = mu_json_at(json, mu_str_from(path));
    *out = otherwise;
    if (value == NULL || value->kind == MU_JSON_NULL)
        return MU_OK;
    if (value->kind == MU_JSON_INTEGER)
        *out = value->integer;
    else if (value->kind != MU_JSON_STRING || !mu_parse_integer(value->string, out))
        return mu_fail(err, MU_E_INPUT, "%s must be a whole number", path);
    return MU_OK;
}

static mu_code body_text(const mu_json *json, const char *path, mu_str *out, mu_err *err)
{
    const mu_json *value = mu_json_at(json, mu_str_from(path));
    *out = MU_STR("");
    if (value == NULL || value->kind == MU_JSON_NULL)
        return MU_OK;
    if (value->kind != MU_JSON_STRING)
        return mu_fail(err, MU_E_INPUT, "%s must be a text", path);
    *out = value->string;
    return MU_OK;
}

static mu_code body_time(const mu_json *body, const char *path, int64_t *out, mu_err *err)
{
    int64_t value;
    MU_TRY(body_integer(body, path, *out, &value, err));
    *out = value == *out ? value : instant(value);
    return MU_OK;
}

static mu_code body_fields(mu_entity_ask *ask, const mu_json *body, mu_err *err)
{
    const mu_json *fields = mu_json_get(body, MU_STR("fields"));
    mu_entity_list list = {.arena = ask->arena};
    if (fields == NULL)
        return MU_OK;
    if (fields->kind != MU_JSON_ARRAY)
        return mu_fail(err, MU_E_INPUT, "fields must be a list of paths");
    for (uint32_t i = 0; i < fields->n; i++) {
        if (fields->items[i].kind != MU_JSON_STRING)
            return mu_fail(err, MU_E_INPUT, "fields must be a list of paths");
        add_field(ask, &list, fields->items[i].string);
    }
    set_fields(ask, &list);
    return MU_OK;
}

mu_code mu_entity_ask_body(mu_http_request *request, const mu_json *body, mu_entity_ask *out,
                           mu_err *err)
{
    mu_entity_ask ask = begin(request);
    int64_t limit;
    mu_str text;
    MU_TRY(body_text(body, "schema.name", &text, err));
    MU_TRY(set_class(&ask, text, err));
    MU_TRY(body_fields(&ask, body, err));
    MU_TRY(body_time(body, "timeFilter.startTime", &ask.start_ms, err));
    MU_TRY(body_time(body, "timeFilter.endTime", &ask.end_ms, err));
    MU_TRY(body_integer(body, "limit", ask.limit, &limit, err));
    MU_TRY(set_limit(&ask, limit, err));
    MU_TRY(body_text(body, "orderby", &text, err));
    MU_TRY(set_order(&ask, text, err));
    MU_TRY(body_text(body, "mergePolicyId", &text, err));
    MU_TRY(finish(&ask, text, err));
    *out = ask;
    return MU_OK;
}

/* -------- who is meant -------- */

const mu_graph_namespace *mu_entity_namespace(const mu_entity_ask *ask, mu_str code_or_number)
{
    int64_t number;
    bool is_number = mu_parse_integer(code_or_number, &number);
    for (uint32_t i = 0; i < ask->n_namespaces; i++) {
        const mu_graph_namespace *known = &ask->namespaces[i];
        if (mu_str_equal_ascii_nocase(known->code, code_or_number) ||
            (is_number && known->id == number))
            return known;
    }
    return NULL;
}

mu_str mu_entity_xid(const mu_entity_ask *ask, mu_identity identity)
{
    const mu_graph_namespace *known = mu_entity_namespace(ask, identity.namespace_code);
    if (known == NULL)
        return MU_STR("");
    mu_xid xid = mu_identity_xid(known->id, identity.value);
    return mu_arena_copy(ask->arena, mu_xid_str(&xid));
}

static mu_code find_by_xid(const mu_entity_ask *ask, mu_entity_target *target, mu_err *err)
{
    if (target->id.len != MU_XID_LENGTH)
        return mu_fail(err, MU_E_INPUT,
                       "The namespace of the identity is missing (entityIdNS), and " MU_STR_FMT
                       " is no XID",
                       MU_STR_ARG(target->id));
    target->xid = target->id;
    target->is_registered = true;
    mu_sandbox_find_xid(ask->call->sandbox->live, target->id, ask->arena, &target->identity);
    return MU_OK;
}

mu_code mu_entity_target_find(const mu_entity_ask *ask, mu_str id, mu_str namespace_code,
                              mu_entity_target *out, mu_err *err)
{
    mu_entity_target target = {.id = id, .namespace_code = namespace_code};
    if (id.len == 0)
        return mu_fail(err, MU_E_INPUT, "The id of the entity is missing");
    if (namespace_code.len == 0) {
        MU_TRY(find_by_xid(ask, &target, err));
        *out = target;
        return MU_OK;
    }
    const mu_graph_namespace *known = mu_entity_namespace(ask, namespace_code);
    uint32_t number = known == NULL ? UINT32_MAX : known->id;
    mu_xid xid = mu_identity_xid(number, id);
    target.is_registered = known != NULL;
    target.xid = mu_arena_copy(ask->arena, mu_xid_str(&xid));
    target.identity = (mu_identity){known == NULL ? namespace_code : known->code, id};
    *out = target;
    return MU_OK;
}
