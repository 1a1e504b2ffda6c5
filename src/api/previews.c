/* previews.c -- /data/core/ups/preview and /estimate: how many profiles a rule takes, and which
 * (api.md 14, 15).
 *
 * A previewId is base64 of 0:app-<sandbox's id>:<previewQueryId>:0.
 */
#include "api/api_int.h"
#include "identity/xid.h"

#define BASE      "/data/core/ups"
#define EXECUTION "0"
#define ROWS_MAX  1000

#define BAD_MEMBER    MU_STR("UPAPI-119911-400")
#define BAD_PARAMETER MU_STR("UPAPI-119912-400")
#define BAD_RULE      MU_STR("UPAPI-119913-400")

/* -------- ids -------- */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static mu_str base64url(mu_arena *arena, mu_str text)
{
    const unsigned char *from = (const unsigned char *)text.ptr;
    char *out = mu_arena_array(arena, text.len / 3 + 1, 4);
    size_t len = 0;
    for (size_t at = 0; at < text.len; at += 3) {
        size_t left = text.len - at;
        uint32_t bits = (uint32_t)from[at] << 16;
        bits |= left > 1 ? (uint32_t)from[at + 1] << 8 : 0;
        bits |= left > 2 ? from[at + 2] : 0u;
        for (size_t i = 0; i <= (left > 3 ? 3 : left); i++)
            out[len++] = digits[bits >> (18 - 6 * i) & 63];
    }
    return (mu_str){out, len};
}

static int digit_value(char c)
{
    c = c == '+' ? '-' : c == '/' ? '_' : c;
    const char *found = c == '\0' ? NULL : strchr(digits, c);
    return found == NULL ? -1 : (int)(found - digits);
}

/* Both alphabets, with padding or without. */
static bool from_base64(mu_arena *arena, mu_str text, mu_str *out)
{
    char *bytes = mu_arena_alloc(arena, text.len + 1);
    size_t len = 0;
    uint32_t bits = 0, n_bits = 0;
    while (text.len > 0 && text.ptr[text.len - 1] == '=')
        text.len--;
    for (size_t i = 0; i < text.len; i++) {
        int value = digit_value(text.ptr[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        n_bits += 6;
        if (n_bits < 8)
            continue;
        n_bits -= 8;
        bytes[len++] = (char)(unsigned char)(bits >> n_bits);
        bits &= (1u << n_bits) - 1;
    }
    *out = (mu_str){bytes, len};
    return true;
}

static mu_str app_of(mu_http_request *request)
{
    mu_str id = mu_api_call_of(request)->sandbox->id;
    return mu_arena_format(mu_http_request_arena(request), "app-" MU_STR_FMT, MU_STR_ARG(id));
}

static mu_str preview_id(mu_http_request *request, mu_str query_id)
{
    mu_str app = app_of(request);
    mu_arena *arena = mu_http_request_arena(request);
    return base64url(arena, mu_arena_format(arena, "0:" MU_STR_FMT ":" MU_STR_FMT ":" EXECUTION,
                                            MU_STR_ARG(app), MU_STR_ARG(query_id)));
}

/* The previewQueryId in a previewId of this sandbox. */
static bool query_id_of(mu_http_request *request, mu_str id, mu_str *out)
{
    mu_str text, app = app_of(request);
    mu_arena *arena = mu_http_request_arena(request);
    mu_str start = mu_arena_format(arena, "0:" MU_STR_FMT ":", MU_STR_ARG(app));
    mu_str end = MU_STR(":" EXECUTION);
    if (!from_base64(arena, id, &text) || text.len < start.len + end.len ||
        !mu_str_starts_with(text, start) ||
        memcmp(text.ptr + text.len - end.len, end.ptr, end.len) != 0)
        return false;
    *out = (mu_str){text.ptr + start.len, text.len - start.len - end.len};
    return true;
}

static mu_http_outcome not_found(mu_http_request *request, mu_http_response *response)
{
    return mu_api_problem(request, response, 404, MU_STR(""), MU_STR("There is no such preview"));
}

static mu_http_outcome fail(mu_http_request *request, mu_http_response *response, const mu_err *err)
{
    switch (err->code) {
    case MU_E_SYNTAX:
        return mu_api_problem(request, response, 400, BAD_RULE, mu_str_from(err->text));
    case MU_E_INPUT:
        return mu_api_problem(request, response, 400, BAD_MEMBER, mu_str_from(err->text));
    case MU_E_NOT_FOUND:
        return not_found(request, response);
    case MU_E_LIMIT:
        return mu_api_problem(request, response, 429, MU_STR(""), mu_str_from(err->text));
    default:
        return mu_api_fail(request, response, err);
    }
}

/* -------- a new one -------- */

#define MESSAGES_MAX 6u

/* What is wrong with a request's members, one sentence each. */
typedef struct reading {
    mu_arena *arena;
    const mu_json *body;
    size_t n_messages;
    mu_str messages[MESSAGES_MAX];
} reading;

static void complain(reading *r, const char *member, const char *text)
{
    if (r->n_messages < MESSAGES_MAX)
        r->messages[r->n_messages++] = mu_arena_format(r->arena, "/%s: %s", member, text);
}

/* Empty when absent or null. */
static mu_str text_member(reading *r, const char *name)
{
    const mu_json *json = mu_json_get(r->body, mu_str_from(name));
    if (json == NULL || json->kind == MU_JSON_NULL)
        return MU_STR("");
    if (json->kind != MU_JSON_STRING)
        complain(r, name, "a text is wanted");
    return json->kind == MU_JSON_STRING ? json->string : MU_STR("");
}

static void read_type(reading *r, mu_estimate_request *out)
{
    mu_str type = text_member(r, "predicateType");
    out->is_tree = mu_str_equal_ascii_nocase(type, MU_STR("pql/json"));
    if (type.len > 0 && !out->is_tree && !mu_str_equal_ascii_nocase(type, MU_STR("PQL")) &&
        !mu_str_equal_ascii_nocase(type, MU_STR("pql/text")))
        complain(r, "predicateType", "PQL, pql/text or pql/json is wanted");
}

/* A tree may be given as an object. */
static void read_expression(reading *r, mu_estimate_request *out)
{
    const mu_json *json = mu_json_get(r->body, MU_STR("predicateExpression"));
    mu_err err;
    if (json != NULL && json->kind == MU_JSON_OBJECT && out->is_tree) {
        if (mu_json_text(r->arena, json, &out->expression, &err) != MU_OK)
            complain(r, "predicateExpression", err.text);
        return;
    }
    size_t n_before = r->n_messages;
    out->expression = text_member(r, "predicateExpression");
    if (out->expression.len == 0 && r->n_messages == n_before)
        complain(r, "predicateExpression", "the rule is missing");
}

/* "xdm.model.profile" is the class "_xdm.context.profile". */
static void read_model(reading *r, mu_estimate_request *out)
{
    const mu_str model = MU_STR("xdm.model.");
    mu_str name = text_member(r, "predicateModel");
    if (mu_str_starts_with(name, model))
        name = mu_arena_format(r->arena, "_xdm.context." MU_STR_FMT, (int)(name.len - model.len),
                               name.ptr + model.len);
    if (mu_str_equal(name, MU_STR("_xom.context.account")))
        name = MU_STR("_xdm.context.account");
    out->schema_name = name;
}

static void read_graph(reading *r, mu_estimate_request *out)
{
    mu_str graph = text_member(r, "graphType");
    if (mu_str_equal_ascii_nocase(graph, MU_STR("none")))
        out->graph = MU_GRAPH_NONE;
    else if (mu_str_equal_ascii_nocase(graph, MU_STR("pdg")))
        out->graph = MU_GRAPH_PDG;
    else if (graph.len > 0)
        complain(r, "graphType", "none or pdg is wanted");
}

static bool read_request(mu_http_request *request, mu_http_response *response,
                         mu_estimate_request *out)
{
    mu_json body;
    if (!mu_api_body_object(request, response, &body))
        return false;
    reading r = {.arena = mu_http_request_arena(request), .body = &body};
    *out = (mu_estimate_request){.graph = MU_GRAPH_OF_POLICY};
    read_type(&r, out);
    read_expression(&r, out);
    read_model(&r, out);
    read_graph(&r, out);
    out->merge_policy_id = text_member(&r, "mergePolicyId");
    if (r.n_messages == 0)
        return true;
    const mu_http_ups_error error = {
        .status = 400, .code = BAD_MEMBER, .messages = r.messages, .n_messages = r.n_messages};
    (void)mu_api_refuse(request, response, &error);
    return false;
}

static mu_http_outcome post_preview(mu_http_request *request, mu_http_response *response,
                                    void *context)
{
    mu_api *api = context;
    mu_arena *arena = mu_http_request_arena(request);
    mu_workspace *workspace;
    mu_estimate_request asked;
    mu_estimate estimate;
    mu_str query_id;
    mu_err err;
    if (!mu_api_workspace(request, response, &workspace) ||
        !read_request(request, response, &asked))
        return MU_HTTP_DONE;
    mu_code code = mu_estimates_start(api->estimates, workspace, &asked, arena, &query_id, &err);
    if (code == MU_OK)
        code = mu_estimates_get(api->estimates, workspace, query_id, arena, &estimate, &err);
    if (code != MU_OK)
        return fail(request, response, &err);
    mu_str id = preview_id(request, query_id), base = mu_http_request_base_url(request);
    mu_str state = estimate.state == MU_ESTIMATE_NEW ? MU_STR("NEW") : MU_STR("RUNNING");
    mu_http_response_header(response, MU_STR("X-Location"),
                            mu_arena_format(arena, MU_STR_FMT BASE "/preview/" MU_STR_FMT,
                                            MU_STR_ARG(base), MU_STR_ARG(id)));
    mu_json json = MU_JSON_OBJECT_OF(arena, {MU_STR("state"), mu_json_of_string(state)},
                                     {MU_STR("previewQueryId"), mu_json_of_string(query_id)},
                                     {MU_STR("previewQueryStatus"), mu_json_of_string(state)},
                                     {MU_STR("previewId"), mu_json_of_string(id)},
                                     {MU_STR("previewExecutionId"), mu_json_of_integer(0)});
    return mu_api_answer(response, 201, &json);
}

/* -------- answers -------- */

static const char *const state_names[] = {[MU_ESTIMATE_NEW] = "NEW",
                                          [MU_ESTIMATE_RUNNING] = "RUNNING",
                                          [MU_ESTIMATE_READY] = "RESULT_READY",
                                          [MU_ESTIMATE_FAILED] = "FAILED"};

static void text(mu_json_writer *writer, const char *name, mu_str value)
{
    mu_json_name(writer, mu_str_from(name));
    mu_json_string(writer, value);
}

static void number(mu_json_writer *writer, const char *name, uint64_t value)
{
    mu_json_name(writer, mu_str_from(name));
    mu_json_integer(writer, (int64_t)value);
}

static void write_error(mu_json_writer *writer, mu_str description)
{
    mu_json_name(writer, MU_STR("error"));
    mu_json_begin_object(writer);
    text(writer, "description", description);
    text(writer, "traceback", MU_STR(""));
    mu_json_end_object(writer);
}

/* -------- rows -------- */

typedef struct shown {
    mu_http_request *request;
    mu_json_writer *writer;
    mu_str base;
    uint32_t n_namespaces;
    const mu_graph_namespace *namespaces;
} shown;

/* The members objectId and _href. An XID needs a namespace's number; what nobody registered has the
 * largest one. */
static void write_object(const shown *s, mu_identity identity)
{
    uint32_t number = UINT32_MAX;
    for (uint32_t i = 0; i < s->n_namespaces; i++)
        if (mu_str_equal_ascii_nocase(s->namespaces[i].code, identity.namespace_code))
            number = s->namespaces[i].id;
    mu_xid xid = mu_identity_xid(number, identity.value);
    mu_str id = mu_xid_str(&xid);
    text(s->writer, "objectId", id);
    text(s->writer, "_href",
         mu_arena_format(mu_http_request_arena(s->request),
                         MU_STR_FMT BASE "/models/profile/" MU_STR_FMT, MU_STR_ARG(s->base),
                         MU_STR_ARG(id)));
}

static void write_row(const shown *s, const mu_preview_row *row)
{
    mu_json_begin_object(s->writer);
    write_object(s, row->identity);
    mu_json_name(s->writer, MU_STR("relatedObjects"));
    mu_json_begin_array(s->writer);
    for (uint32_t i = 0; i < row->n_related; i++) {
        mu_json_begin_object(s->writer);
        write_object(s, row->related[i]);
        mu_json_end_object(s->writer);
    }
    mu_json_end_array(s->writer);
    mu_json_end_object(s->writer);
}

typedef struct preview_page {
    mu_api_page asked;
    uint32_t n;
    const mu_preview_row *rows;
    uint64_t n_all;
} preview_page;

/* Empty for an offset below 0: there is no such page. */
static mu_str page_link(const shown *s, int64_t offset)
{
    mu_str path = mu_http_request_path(s->request);
    if (offset < 0)
        return MU_STR("");
    mu_str query = mu_api_query_with(s->request, MU_STR("offset"), offset);
    return mu_arena_format(mu_http_request_arena(s->request), MU_STR_FMT MU_STR_FMT "?" MU_STR_FMT,
                           MU_STR_ARG(s->base), MU_STR_ARG(path), MU_STR_ARG(query));
}

/* The pages of P6. */
static void write_links(const shown *s, const preview_page *page)
{
    int64_t start = page->asked.start, limit = page->asked.limit;
    bool has_next = start < (int64_t)page->n_all && limit < (int64_t)page->n_all - start;
    mu_str next = page_link(s, has_next ? start + limit : -1);
    mu_json_name(s->writer, MU_STR("page"));
    mu_json_begin_object(s->writer);
    number(s->writer, "offset", (uint64_t)start);
    number(s->writer, "size", page->n);
    number(s->writer, "totalCount", page->n_all);
    mu_json_end_object(s->writer);
    text(s->writer, "link", next);
    mu_json_name(s->writer, MU_STR("links"));
    mu_json_begin_object(s->writer);
    text(s->writer, "_self", page_link(s, start));
    text(s->writer, "next", next);
    text(s->writer, "prev", page_link(s, start == 0 ? -1 : start > limit ? start - limit : 0));
    mu_json_end_object(s->writer);
}

static mu_http_outcome write_preview(mu_http_request *request, mu_http_response *response,
                                     const mu_workspace *workspace, const mu_estimate *estimate,
                                     const preview_page *page)
{
    shown s = {.request = request,
               .writer = mu_http_response_json(response),
               .base = mu_http_request_base_url(request)};
    s.n_namespaces =
        mu_sandbox_namespaces(workspace->live, mu_http_request_arena(request), &s.namespaces);
    mu_json_begin_object(s.writer);
    text(s.writer, "state", mu_str_from(state_names[estimate->state]));
    mu_json_name(s.writer, MU_STR("results"));
    mu_json_begin_array(s.writer);
    for (uint32_t i = 0; i < page->n; i++)
        write_row(&s, &page->rows[i]);
    mu_json_end_array(s.writer);
    write_links(&s, page);
    if (estimate->state == MU_ESTIMATE_FAILED)
        write_error(s.writer, estimate->error);
    mu_json_end_object(s.writer);
    return MU_HTTP_DONE;
}

static mu_http_outcome show_preview(mu_http_request *request, mu_http_response *response,
                                    mu_str query_id)
{
    mu_api *api = mu_api_call_of(request)->api;
    mu_arena *arena = mu_http_request_arena(request);
    mu_workspace *workspace;
    mu_estimate estimate;
    preview_page page = {0};
    mu_err err;
    if (!mu_api_workspace(request, response, &workspace) ||
        !mu_api_page_read(request, response, ROWS_MAX, ROWS_MAX, &page.asked))
        return MU_HTTP_DONE;
    mu_code code = mu_estimates_get(api->estimates, workspace, query_id, arena, &estimate, &err);
    if (code == MU_OK && estimate.state == MU_ESTIMATE_READY)
        code = mu_estimates_rows(api->estimates, workspace, query_id, (uint64_t)page.asked.start,
                                 (uint32_t)page.asked.limit, arena, &page.n, &page.rows,
                                 &page.n_all, &err);
    return code == MU_OK ? write_preview(request, response, workspace, &estimate, &page)
                         : fail(request, response, &err);
}

static mu_http_outcome get_preview(mu_http_request *request, mu_http_response *response,
                                   void *context)
{
    mu_str query_id;
    (void)context;
    if (!query_id_of(request, mu_http_request_parameter(request, MU_STR("id")), &query_id))
        return not_found(request, response);
    return show_preview(request, response, query_id);
}

/* What _links.preview of an estimate leads to (A54). */
static mu_http_outcome get_execution(mu_http_request *request, mu_http_response *response,
                                     void *context)
{
    mu_str query_id;
    (void)context;
    if (!mu_http_pairs_find(mu_http_request_query(request), MU_STR("previewQueryId"), &query_id))
        return mu_api_problem(request, response, 400, BAD_PARAMETER,
                              MU_STR("The parameter previewQueryId is missing"));
    if (!mu_str_equal(mu_http_request_parameter(request, MU_STR("app")), app_of(request)) ||
        !mu_str_equal(mu_http_request_parameter(request, MU_STR("execution")), MU_STR(EXECUTION)))
        return not_found(request, response);
    return show_preview(request, response, query_id);
}

static mu_http_outcome delete_preview(mu_http_request *request, mu_http_response *response,
                                      void *context)
{
    mu_api *api = context;
    mu_arena *arena = mu_http_request_arena(request);
    mu_workspace *workspace;
    mu_str query_id;
    mu_err err;
    if (!mu_api_workspace(request, response, &workspace))
        return MU_HTTP_DONE;
    if (!query_id_of(request, mu_http_request_parameter(request, MU_STR("id")), &query_id))
        return not_found(request, response);
    if (mu_estimates_remove(api->estimates, workspace, query_id, &err) != MU_OK)
        return fail(request, response, &err);
    mu_json json = MU_JSON_OBJECT_OF(arena, {MU_STR("status"), mu_json_of_boolean(true)},
                                     {MU_STR("message"), mu_json_of_string(MU_STR("KILLED"))});
    return mu_api_answer(response, 200, &json);
}

/* -------- estimates -------- */

static void write_namespaces(mu_json_writer *writer, mu_arena *arena, const mu_estimate *estimate)
{
    mu_json_name(writer, MU_STR("estimatedNamespaceDistribution"));
    mu_json_begin_array(writer);
    for (uint32_t i = 0; i < estimate->n_namespaces; i++) {
        mu_json_begin_object(writer);
        text(writer, "namespaceId",
             mu_arena_format(arena, "%u", estimate->namespaces[i].namespace_id));
        number(writer, "profilesMatchedSoFar", estimate->namespaces[i].n_matched);
        mu_json_end_object(writer);
    }
    mu_json_end_array(writer);
}

static void write_bounds(mu_json_writer *writer, const mu_estimate *estimate)
{
    text(writer, "confidenceInterval", MU_STR("95%"));
    mu_json_name(writer, MU_STR("confidenceIntervalBounds"));
    mu_json_begin_object(writer);
    number(writer, "lower", estimate->least);
    number(writer, "upper", estimate->most);
    mu_json_end_object(writer);
}

static mu_http_outcome write_estimate(mu_http_request *request, mu_http_response *response,
                                      mu_str query_id, const mu_estimate *estimate)
{
    mu_arena *arena = mu_http_request_arena(request);
    mu_json_writer *writer = mu_http_response_json(response);
    mu_estimate_state state =
        estimate->state == MU_ESTIMATE_NEW ? MU_ESTIMATE_RUNNING : estimate->state;
    mu_str base = mu_http_request_base_url(request), app = app_of(request);
    mu_json_begin_object(writer);
    text(writer, "state", mu_str_from(state_names[state]));
    number(writer, "estimatedSize", estimate->estimated);
    number(writer, "numRowsToRead", estimate->n_total);
    number(writer, "profilesReadSoFar", estimate->n_read);
    number(writer, "profilesMatchedSoFar", estimate->n_matched);
    number(writer, "totalRows", estimate->n_total);
    number(writer, "standardError", estimate->standard_error);
    write_bounds(writer, estimate);
    write_namespaces(writer, arena, estimate);
    write_error(writer, estimate->error);
    mu_json_name(writer, MU_STR("_links"));
    mu_json_begin_object(writer);
    text(writer, "preview",
         mu_arena_format(arena,
                         MU_STR_FMT BASE "/preview/" MU_STR_FMT "/execution/" EXECUTION
                                         "?previewQueryId=" MU_STR_FMT,
                         MU_STR_ARG(base), MU_STR_ARG(app), MU_STR_ARG(query_id)));
    mu_json_end_object(writer);
    mu_json_end_object(writer);
    return MU_HTTP_DONE;
}

static mu_http_outcome get_estimate(mu_http_request *request, mu_http_response *response,
                                    void *context)
{
    mu_api *api = context;
    mu_workspace *workspace;
    mu_estimate estimate;
    mu_str query_id;
    mu_err err;
    if (!mu_api_workspace(request, response, &workspace))
        return MU_HTTP_DONE;
    if (!query_id_of(request, mu_http_request_parameter(request, MU_STR("id")), &query_id))
        return not_found(request, response);
    if (mu_estimates_get(api->estimates, workspace, query_id, mu_http_request_arena(request),
                         &estimate, &err) != MU_OK)
        return fail(request, response, &err);
    return write_estimate(request, response, query_id, &estimate);
}

/* -------- routes -------- */

mu_code mu_api_add_previews(mu_api *api, mu_http_router *router, mu_err *err)
{
    static const mu_http_route routes[] = {
        {.method = MU_HTTP_POST, .pattern = BASE "/preview", .handler = post_preview},
        {.method = MU_HTTP_GET, .pattern = BASE "/preview/{id}", .handler = get_preview},
        {.method = MU_HTTP_DELETE, .pattern = BASE "/preview/{id}", .handler = delete_preview},
        {.method = MU_HTTP_GET,
         .pattern = BASE "/preview/{app}/execution/{execution}",
         .handler = get_execution},
        {.method = MU_HTTP_GET, .pattern = BASE "/estimate/{id}", .handler = get_estimate},
    };
    return mu_api_add(api, router, MU_API_CHECKED, routes, sizeof routes / sizeof routes[0], err);
}
