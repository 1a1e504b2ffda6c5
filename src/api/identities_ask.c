/* identities_ask.c -- identities as requests name them, and names as answers give them. */
#include "api/identities_int.h"
#include "base/number.h"
#include "identity/xid.h"

mu_identity_ask mu_identity_ask_new(mu_http_request *request, mu_http_response *response)
{
    mu_identity_ask ask = {.call = mu_api_call_of(request),
                           .request = request,
                           .response = response,
                           .arena = mu_http_request_arena(request)};
    ask.n_namespaces = mu_sandbox_namespaces(ask.call->sandbox->live, ask.arena, &ask.namespaces);
    return ask;
}

static const mu_graph_namespace *find_number(const mu_identity_ask *ask, int64_t number)
{
    for (uint32_t i = 0; i < ask->n_namespaces; i++)
        if (ask->namespaces[i].id == number)
            return &ask->namespaces[i];
    return NULL;
}

const mu_graph_namespace *mu_identity_ask_namespace(const mu_identity_ask *ask, mu_str code)
{
    int64_t number;
    for (uint32_t i = 0; i < ask->n_namespaces; i++)
        if (mu_str_equal_ascii_nocase(ask->namespaces[i].code, code))
            return &ask->namespaces[i];
    return mu_parse_integer(code, &number) ? find_number(ask, number) : NULL;
}

/* Finds out who is meant by what was given. */
static void resolve(const mu_identity_ask *ask, mu_asked *asked)
{
    if (asked->addressing == MU_ADDRESSED_BY_XID) {
        asked->is_valid =
            mu_sandbox_find_xid(ask->call->sandbox->live, asked->xid, ask->arena, &asked->identity);
        return;
    }
    const mu_graph_namespace *known = asked->addressing == MU_ADDRESSED_BY_NUMBER
                                          ? find_number(ask, asked->number)
                                          : mu_identity_ask_namespace(ask, asked->code);
    if (known == NULL)
        return;
    asked->identity = (mu_identity){known->code, asked->id};
    asked->namespace_id = known->id;
    asked->problem = mu_identity_problem(asked->identity);
    asked->is_valid = asked->problem == NULL;
}

/* -------- parameters -------- */

static bool refuse(const mu_identity_ask *ask, const char *detail)
{
    mu_api_problem(ask->request, ask->response, 400, MU_STR(""), mu_str_from(detail));
    return false;
}

/* The official Python client always sends both, with AdCloud for the one that its caller left
 * out. */
static bool is_left_out(mu_str code)
{
    return mu_str_equal_ascii_nocase(code, MU_STR("adcloud")) || mu_str_equal(code, MU_STR("411"));
}

static bool read_namespace(const mu_identity_ask *ask, mu_asked *out)
{
    const mu_http_pairs *query = mu_http_request_query(ask->request);
    mu_str number;
    bool has_code = mu_http_pairs_find(query, MU_STR("namespace"), &out->code) ||
                    mu_http_pairs_find(query, MU_STR("ns"), &out->code);
    bool has_number = mu_http_pairs_find(query, MU_STR("nsid"), &number);
    if (!has_code && !has_number)
        return refuse(ask, "Missing required query parameter - namespace");
    bool by_number = has_number && (!has_code || is_left_out(out->code));
    out->addressing = by_number ? MU_ADDRESSED_BY_NUMBER : MU_ADDRESSED_BY_CODE;
    if (has_number && !mu_parse_integer(number, &out->number))
        return refuse(ask, "The query parameter nsid must be a number");
    const mu_graph_namespace *named = has_code ? mu_identity_ask_namespace(ask, out->code) : NULL;
    if (!by_number && has_number && !is_left_out(number) &&
        (named == NULL || named->id != out->number))
        return refuse(ask, "The query parameters namespace and nsid name different namespaces");
    return true;
}

static bool refuse_invalid(const mu_identity_ask *ask, const mu_asked *asked)
{
    if (asked->problem != NULL)
        mu_api_problem_format(ask->request, ask->response, 400, MU_STR(""), "The value of id %s",
                              asked->problem);
    else if (asked->addressing == MU_ADDRESSED_BY_NUMBER)
        mu_api_problem_format(ask->request, ask->response, 400, MU_STR(""),
                              "There is no namespace with the number %lld",
                              (long long)asked->number);
    else
        mu_api_problem_format(ask->request, ask->response, 400, MU_STR(""),
                              "There is no namespace " MU_STR_FMT, MU_STR_ARG(asked->code));
    return false;
}

bool mu_asked_from_query(const mu_identity_ask *ask, bool must_be_valid, mu_asked *out)
{
    const mu_http_pairs *query = mu_http_request_query(ask->request);
    *out = (mu_asked){.addressing = MU_ADDRESSED_BY_XID};
    if (!mu_http_pairs_find(query, MU_STR("xid"), &out->xid)) {
        if (!read_namespace(ask, out))
            return false;
        if (!mu_http_pairs_find(query, MU_STR("id"), &out->id))
            return refuse(ask, "Missing required query parameter - id");
    }
    resolve(ask, out);
    if (must_be_valid && !out->is_valid && out->addressing != MU_ADDRESSED_BY_XID)
        return refuse_invalid(ask, out);
    return true;
}

/* -------- bodies -------- */

static bool read_number(const mu_json *json, int64_t *out)
{
    if (json->kind == MU_JSON_INTEGER)
        *out = json->integer;
    return json->kind == MU_JSON_INTEGER ||
           (json->kind == MU_JSON_STRING && mu_parse_integer(json->string, out));
}

static mu_code read_address(const mu_json *json, mu_asked *out, mu_err *err)
{
    const mu_json *xid = mu_json_get(json, MU_STR("xid"));
    const mu_json *id = mu_json_get(json, MU_STR("id"));
    const mu_json *number = mu_json_get(json, MU_STR("nsid"));
    const mu_json *code = mu_json_get(json, MU_STR("ns"));
    if (code == NULL)
        code = mu_json_get(json, MU_STR("namespace"));
    if (xid != NULL) {
        out->addressing = MU_ADDRESSED_BY_XID;
        out->xid = xid->kind == MU_JSON_STRING ? xid->string : MU_STR("");
        return xid->kind == MU_JSON_STRING ? MU_OK : mu_fail(err, MU_E_INPUT, "xid must be a text");
    }
    if (id == NULL || id->kind != MU_JSON_STRING)
        return mu_fail(err, MU_E_INPUT, "Each identity needs an id, a text");
    out->id = id->string;
    if (code != NULL && code->kind == MU_JSON_STRING) {
        out->addressing = MU_ADDRESSED_BY_CODE;
        out->code = code->string;
        return MU_OK;
    }
    out->addressing = MU_ADDRESSED_BY_NUMBER;
    if (number == NULL || !read_number(number, &out->number))
        return mu_fail(err, MU_E_INPUT, "Each identity needs ns, a code, or nsid, a number");
    return MU_OK;
}

mu_code mu_asked_from_json(const mu_identity_ask *ask, const mu_json *json, mu_asked *out,
                           mu_err *err)
{
    *out = (mu_asked){.addressing = MU_ADDRESSED_BY_XID};
    if (json->kind == MU_JSON_STRING)
        out->xid = json->string;
    else if (json->kind == MU_JSON_OBJECT)
        MU_TRY(read_address(json, out, err));
    else
        return mu_fail(err, MU_E_INPUT, "An identity must be an object or an XID");
    resolve(ask, out);
    return MU_OK;
}

bool mu_asked_cluster(const mu_identity_ask *ask, const mu_asked *asked, bool is_alone,
                      mu_arena *arena, mu_graph_cluster *out)
{
    if (!asked->is_valid ||
        !mu_sandbox_cluster(ask->call->sandbox->live, asked->identity, arena, out))
        return false;
    if (!is_alone)
        return true;
    for (uint32_t i = 0; i < out->n_identities; i++)
        if (mu_str_equal(out->identities[i].identity.value, asked->identity.value) &&
            mu_str_equal(out->identities[i].identity.namespace_code,
                         asked->identity.namespace_code)) {
            out->identities += i;
            out->n_identities = 1;
            out->n_edges = 0;
            return true;
        }
    return false;
}

/* -------- answers -------- */

static void text_member(mu_json_writer *writer, mu_str name, mu_str value)
{
    mu_json_name(writer, name);
    mu_json_string(writer, value);
}

static void number_member(mu_json_writer *writer, mu_str name, int64_t value)
{
    mu_json_name(writer, name);
    mu_json_integer(writer, value);
}

static void write_members(const mu_identity_ask *ask, mu_json_writer *writer,
                          mu_addressing addressing, mu_identity identity)
{
    const mu_graph_namespace *known = mu_identity_ask_namespace(ask, identity.namespace_code);
    if (known == NULL || addressing == MU_ADDRESSED_BY_CODE) {
        text_member(writer, MU_STR("ns"), identity.namespace_code);
        text_member(writer, MU_STR("id"), identity.value);
    } else if (addressing == MU_ADDRESSED_BY_NUMBER) {
        number_member(writer, MU_STR("nsid"), known->id);
        text_member(writer, MU_STR("id"), identity.value);
    } else {
        mu_xid xid = mu_identity_xid(known->id, identity.value);
        text_member(writer, MU_STR("xid"), mu_xid_str(&xid));
    }
}

void mu_write_address(const mu_identity_ask *ask, mu_json_writer *writer, mu_addressing addressing,
                      mu_identity identity)
{
    mu_json_begin_object(writer);
    write_members(ask, writer, addressing, identity);
    mu_json_end_object(writer);
}

void mu_write_address_member(const mu_identity_ask *ask, mu_json_writer *writer,
                             mu_addressing addressing, mu_str name, mu_identity identity)
{
    if (addressing == MU_ADDRESSED_BY_XID &&
        mu_identity_ask_namespace(ask, identity.namespace_code) != NULL) {
        write_members(ask, writer, addressing, identity);
        return;
    }
    mu_json_name(writer, name);
    mu_write_address(ask, writer, addressing, identity);
}

void mu_write_asked(mu_json_writer *writer, const mu_asked *asked)
{
    mu_json_begin_object(writer);
    if (asked->addressing == MU_ADDRESSED_BY_XID)
        text_member(writer, MU_STR("xid"), asked->xid);
    else if (asked->addressing == MU_ADDRESSED_BY_NUMBER)
        number_member(writer, MU_STR("nsid"), asked->number);
    else
        text_member(writer, MU_STR("ns"), asked->code);
    if (asked->addressing != MU_ADDRESSED_BY_XID)
        text_member(writer, MU_STR("id"), asked->id);
    mu_json_end_object(writer);
}
