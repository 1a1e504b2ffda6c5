/* flows.c -- /data/foundation/flowservice: connections, among them streaming inlets, and what is
 * stored around them (profile.md d.0, P37).
 *
 * A streaming inlet is a document of kind "connection" whose auth.params hold inletId (64
 * hexadecimal digits) and inletOrganization beside what its maker sent.
 */
#include "api/stored_int.h"

#define STREAMING_SPEC MU_STR("bc7b00d6-623a-4dfc-9fdb-f1240aeadaeb")

static mu_str text_at(const mu_json *json, const char *path)
{
    const mu_json *value = mu_json_at(json, mu_str_from(path));
    return value != NULL && value->kind == MU_JSON_STRING ? value->string : MU_STR("");
}

static void set_at(mu_arena *arena, mu_json *json, const char *outer, const char *middle,
                   const char *name, mu_json value)
{
    const mu_json *a = mu_json_get(json, mu_str_from(outer));
    mu_json first = a == NULL ? (mu_json){.kind = MU_JSON_OBJECT} : *a;
    const mu_json *b = mu_json_get(&first, mu_str_from(middle));
    mu_json second = b == NULL ? (mu_json){.kind = MU_JSON_OBJECT} : *b;
    mu_json_set(arena, &second, mu_str_from(name), value);
    mu_json_set(arena, &first, mu_str_from(middle), second);
    mu_json_set(arena, json, mu_str_from(outer), first);
}

/* -------- connections -------- */

static bool is_streaming(const mu_json *json)
{
    return mu_str_equal(text_at(json, "connectionSpec.id"), STREAMING_SPEC);
}

static mu_code prepare_connection(mu_api_call *call, mu_arena *arena, mu_json *json, mu_err *err)
{
    if (text_at(json, "name").len == 0)
        return mu_fail(err, MU_E_INPUT, "name is missing");
    if (text_at(json, "connectionSpec.id").len == 0)
        return mu_fail(err, MU_E_INPUT, "connectionSpec.id is missing");
    if (mu_json_get(json, MU_STR("state")) == NULL)
        mu_json_set(arena, json, MU_STR("state"), mu_json_of_string(MU_STR("enabled")));
    if (!is_streaming(json))
        return MU_OK;
    mu_str type = text_at(json, "auth.params.dataType");
    if (type.len > 0 && !mu_str_equal(type, MU_STR("xdm")) && !mu_str_equal(type, MU_STR("raw")))
        return mu_fail(err, MU_E_INPUT, "auth.params.dataType must be xdm or raw");
    if (text_at(json, "auth.params.inletId").len == 0)
        set_at(arena, json, "auth", "params", "inletId", mu_json_of_string(mu_api_hex(arena, 64)));
    set_at(arena, json, "auth", "params", "inletOrganization",
           mu_json_of_string(call->organization));
    return MU_OK;
}

static void complete_connection(mu_http_request *request, mu_json *json)
{
    mu_arena *arena = mu_http_request_arena(request);
    mu_str id = text_at(json, "auth.params.inletId");
    if (id.len == 0)
        return;
    mu_str url = mu_arena_format(arena, MU_STR_FMT "/collection/" MU_STR_FMT,
                                 MU_STR_ARG(mu_http_request_base_url(request)), MU_STR_ARG(id));
    set_at(arena, json, "auth", "params", "inletUrl", mu_json_of_string(url));
}

/* -------- flows and what they join -------- */

static mu_code prepare_named(mu_api_call *call, mu_arena *arena, mu_json *json, mu_err *err)
{
    (void)call;
    if (text_at(json, "name").len == 0)
        return mu_fail(err, MU_E_INPUT, "name is missing");
    if (mu_json_get(json, MU_STR("state")) == NULL)
        mu_json_set(arena, json, MU_STR("state"), mu_json_of_string(MU_STR("enabled")));
    return MU_OK;
}

static const mu_stored_resource connections = {.path = "/data/foundation/flowservice/connections",
                                               .path_of_one =
                                                   "/data/foundation/flowservice/connections/{id}",
                                               .kind = {"connection", 10},
                                               .is_flow_service = true,
                                               .prepare = prepare_connection,
                                               .complete = complete_connection};
static const mu_stored_resource others[] = {
    {.path = "/data/foundation/flowservice/sourceConnections",
     .path_of_one = "/data/foundation/flowservice/sourceConnections/{id}",
     .kind = {"sourceConnection", 16},
     .is_flow_service = true,
     .prepare = prepare_named},
    {.path = "/data/foundation/flowservice/targetConnections",
     .path_of_one = "/data/foundation/flowservice/targetConnections/{id}",
     .kind = {"targetConnection", 16},
     .is_flow_service = true,
     .prepare = prepare_named},
    {.path = "/data/foundation/flowservice/flows",
     .path_of_one = "/data/foundation/flowservice/flows/{id}",
     .kind = {"flow", 4},
     .is_flow_service = true,
     .prepare = prepare_named},
};

mu_code mu_api_add_flows(mu_api *api, mu_http_router *router, mu_err *err)
{
    MU_TRY(mu_api_add_stored_resource(api, router, &connections, err));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        MU_TRY(mu_api_add_stored_resource(api, router, &others[i], err));
    return MU_OK;
}
