/* audience_rule.c -- the rule of a definition: its expression, merge policy and evaluation methods
 * (api.md 7; pql.md 13, 17, 18). */
#include "api/audience_int.h"

#define ERRORS_SHOWN 20u

/* -------- expressions -------- */

static bool refuse_expression(mu_refusal *refusal, const char *pointer, const char *text)
{
    return mu_refuse(refusal, MU_REFUSAL_RULE, mu_str_from(pointer), mu_str_from(text));
}

/* Members of an object that `out` does not have yet. */
static void add_others(mu_arena *arena, const mu_json *given, mu_json *out)
{
    for (uint32_t i = 0; given != NULL && i < given->n; i++)
        if (mu_json_member(out, given->names[i]) == NULL)
            mu_json_set(arena, out, given->names[i], given->items[i]);
}

bool mu_expression_normalize(mu_arena *arena, const mu_json *given, mu_json *out, bool *is_tree,
                             mu_refusal *refusal)
{
    const mu_json *value = mu_json_get(given, MU_STR("value"));
    const mu_json *type = mu_json_get(given, MU_STR("type"));
    const mu_json *format = mu_json_get(given, MU_STR("format"));
    mu_err err;
    if ((type != NULL && type->kind != MU_JSON_STRING) ||
        (format != NULL && format->kind != MU_JSON_STRING))
        return mu_refuse_member(refusal,
                                type != NULL && type->kind != MU_JSON_STRING ? "/expression/type"
                                                                             : "/expression/format",
                                "a text");
    if (type != NULL && !mu_str_equal_ascii_nocase(type->string, MU_STR("PQL")))
        return refuse_expression(refusal, "/expression/type", "must be PQL");
    bool is_object = value != NULL && value->kind == MU_JSON_OBJECT;
    mu_str word = format != NULL ? format->string
                  : is_object    ? MU_STR("pql/json")
                                 : MU_STR("pql/text");
    *is_tree = mu_str_equal(word, MU_STR("pql/json"));
    if (!*is_tree && !mu_str_equal(word, MU_STR("pql/text")))
        return refuse_expression(refusal, "/expression/format", "must be pql/text or pql/json");
    if (value == NULL || (value->kind != MU_JSON_STRING && !(is_object && *is_tree)))
        return mu_refuse_member(refusal, "/expression/value",
                                *is_tree ? "a tree, or its text" : "a text");
    mu_str text = value->string;
    if (is_object && mu_json_text(arena, value, &text, &err) != MU_OK)
        return mu_refuse_failed(refusal, &err);
    *out = MU_JSON_OBJECT_OF(
        arena, {MU_STR("type"), type != NULL ? *type : mu_json_of_string(MU_STR("PQL"))},
        {MU_STR("format"), mu_json_of_string(word)}, {MU_STR("value"), mu_json_of_string(text)});
    add_others(arena, given, out);
    return true;
}

bool mu_refuse_expression(mu_arena *arena, const mu_pql_diagnostics *found, mu_refusal *refusal)
{
    mu_str *lines = MU_NEW_ARRAY(arena, mu_str, ERRORS_SHOWN);
    uint32_t n = 0;
    for (uint32_t i = 0; i < found->n && n < ERRORS_SHOWN; i++)
        if (!found->items[i].is_warning)
            lines[n++] = mu_pql_diagnostic_line(arena, &found->items[i]);
    *refusal = (mu_refusal){.kind = MU_REFUSAL_EXPRESSION, .n_texts = n, .texts = lines};
    return false;
}

mu_str mu_expression_write(mu_arena *arena, const mu_pql *query, bool is_tree)
{
    mu_buf buf;
    mu_buf_init(&buf, (size_t)64 << 20);
    if (is_tree)
        mu_pql_write_json(&buf, query);
    else
        mu_pql_write_text(&buf, query);
    mu_str out = mu_arena_copy(arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return out;
}

/* -------- merge policies -------- */

/* One that is the default of its class stands for "the default", which it follows later (c.3). */
static bool read_policy(const mu_audience_candidate *candidate, mu_str schema_name,
                        mu_stored_policy *policy, mu_str *stored_id, mu_refusal *refusal)
{
    const mu_audience_scene *scene = candidate->scene;
    mu_str id = mu_json_member_string(&candidate->json, MU_STR("mergePolicyId"), MU_STR(""));
    mu_err err;
    mu_code code =
        mu_workspace_policy(scene->workspace, scene->arena, id, schema_name, policy, &err);
    if (code == MU_E_NOT_FOUND)
        return mu_refuse(refusal, MU_REFUSAL_RULE, MU_STR("/mergePolicyId"),
                         MU_STR("names no merge policy of this sandbox"));
    if (code != MU_OK)
        return mu_refuse_failed(refusal, &err);
    bool is_default = policy->is_default && mu_str_equal(policy->schema_name, schema_name);
    *stored_id = is_default ? MU_STR("") : id;
    return true;
}

/* -------- reading -------- */

typedef struct rule_reading {
    const mu_audience_candidate *candidate;
    mu_arena *arena;
    mu_expression_request request;
    mu_expression expression;
    mu_str doubt; /* a warning: fields that nobody described */
} rule_reading;

/* While nobody has described any data of the sandbox, a field that the built-in classes do not have
 * may well come: then what can be checked without a schema is (pql.md 17, R01). */
static mu_code read_without_schema(rule_reading *r, mu_err *err)
{
    mu_err why = *err;
    mu_expression_request request = r->request;
    request.schema = NULL;
    MU_TRY(mu_expression_read(r->arena, &request, &r->expression, err));
    r->doubt = mu_arena_format(r->arena, "%s", why.text);
    return MU_OK;
}

static bool are_fields_unknown(const mu_pql_diagnostics *diagnostics)
{
    for (uint32_t i = 0; i < diagnostics->n; i++)
        if (!diagnostics->items[i].is_warning && strcmp(diagnostics->items[i].code, "PQL-R01") != 0)
            return false;
    return true;
}

static mu_code read_expression(rule_reading *r, mu_str schema_name, mu_err *err)
{
    mu_snapshot *snapshot;
    MU_TRY(mu_sandbox_snapshot(r->candidate->scene->workspace->live, &snapshot, err));
    const mu_schema *schema = mu_snapshot_schema(snapshot);
    bool is_profile = mu_str_equal(schema_name, MU_STR("_xdm.context.profile"));
    r->request.schema = is_profile ? schema : NULL;
    mu_code code = mu_expression_read(r->arena, &r->request, &r->expression, err);
    if (code == MU_E_SYNTAX && is_profile && schema->version == 0 &&
        are_fields_unknown(&r->expression.diagnostics))
        code = read_without_schema(r, err);
    mu_snapshot_release(snapshot);
    return code;
}

/* -------- evaluation methods -------- */

typedef struct methods {
    bool batch, streaming, edge;
} methods;

static methods asked_for(const mu_json *info)
{
    methods out = {mu_json_truth(mu_json_at(info, MU_STR("batch.enabled")), false),
                   mu_json_truth(mu_json_at(info, MU_STR("continuous.enabled")), false),
                   mu_json_truth(mu_json_at(info, MU_STR("synchronous.enabled")), false)};
    out.batch = out.batch || (!out.streaming && !out.edge);
    return out;
}

/* The next method that fits (A24): edge, streaming, batch. */
static methods fitting(methods asked, const mu_eligibility *eligibility)
{
    methods out = asked;
    if (out.edge && !eligibility->edge) {
        out.edge = false;
        out.streaming = true;
    }
    if (out.streaming && !eligibility->streaming) {
        out.streaming = false;
        out.batch = out.batch || !out.edge;
    }
    return out;
}

static mu_json method_of(mu_arena *arena, const mu_json *info, const char *name, bool enabled)
{
    mu_json out = MU_JSON_OBJECT_OF(arena, {MU_STR("enabled"), mu_json_of_boolean(enabled)});
    add_others(arena, mu_json_get(info, mu_str_from(name)), &out);
    return out;
}

static mu_json info_of(mu_arena *arena, const mu_json *given, methods chosen)
{
    mu_json out = MU_JSON_OBJECT_OF(
        arena, {MU_STR("batch"), method_of(arena, given, "batch", chosen.batch)},
        {MU_STR("continuous"), method_of(arena, given, "continuous", chosen.streaming)},
        {MU_STR("synchronous"), method_of(arena, given, "synchronous", chosen.edge)});
    add_others(arena, given, &out);
    return out;
}

/* -------- the report -------- */

static mu_json verdict(mu_arena *arena, bool eligible, mu_str reason)
{
    mu_json out = MU_JSON_OBJECT_OF(arena, {MU_STR("eligible"), mu_json_of_boolean(eligible)});
    if (!eligible)
        mu_json_set(arena, &out, MU_STR("reason"), mu_json_of_string(reason));
    return out;
}

static void warn_method(rule_reading *r, mu_str *lines, uint32_t *n, bool is_asked,
                        bool is_eligible, bool is_kept, const char *method, mu_str reason)
{
    if (is_asked && !is_eligible)
        lines[(*n)++] = mu_arena_format(
            r->arena, "PQL-V08 The original would not evaluate this on the %s; %s. " MU_STR_FMT,
            method, is_kept ? "it is done all the same" : "the next method that fits is used",
            MU_STR_ARG(reason));
}

static mu_json report_of(rule_reading *r, methods asked, methods chosen)
{
    const mu_eligibility *eligibility = &r->expression.eligibility;
    const mu_pql_diagnostics *found = &r->expression.diagnostics;
    mu_str *lines = MU_NEW_ARRAY(r->arena, mu_str, (size_t)found->n + 3);
    uint32_t n = 0;
    warn_method(r, lines, &n, asked.edge, eligibility->edge, chosen.edge, "edge",
                eligibility->edge_reason);
    warn_method(r, lines, &n, asked.streaming, eligibility->streaming, chosen.streaming, "stream",
                eligibility->streaming_reason);
    if (r->doubt.len > 0)
        lines[n++] = r->doubt;
    for (uint32_t i = 0; i < found->n; i++)
        if (found->items[i].is_warning)
            lines[n++] = mu_pql_diagnostic_line(r->arena, &found->items[i]);
    return MU_JSON_OBJECT_OF(
        r->arena,
        {MU_STR("streaming"),
         verdict(r->arena, eligibility->streaming, eligibility->streaming_reason)},
        {MU_STR("edge"), verdict(r->arena, eligibility->edge, eligibility->edge_reason)},
        {MU_STR("warnings"), mu_json_strings(r->arena, n, lines)});
}

/* -------- all -------- */

static void fill_facts(rule_reading *r, mu_audience_rule_facts *out)
{
    const mu_audience_candidate *candidate = r->candidate;
    const mu_json *info = mu_json_get(&candidate->json, MU_STR("evaluationInfo"));
    const mu_eligibility *eligibility = &r->expression.eligibility;
    methods asked = asked_for(info), chosen = asked;
    if (candidate->scene->call->api->options.settings.aep_guardrails)
        chosen = fitting(asked, eligibility);
    if (r->expression.has_names)
        mu_json_set(r->arena, &out->expression, MU_STR("value"),
                    mu_json_of_string(
                        mu_expression_write(r->arena, r->expression.named, r->request.is_tree)));
    out->evaluation_info = info_of(r->arena, info, chosen);
    out->dependencies = mu_json_strings(r->arena, eligibility->n_segments, eligibility->segments);
    out->report = report_of(r, asked, chosen);
    out->has_events = eligibility->has_events;
}

bool mu_audience_read_rule(const mu_audience_candidate *candidate, mu_str schema_name,
                           mu_audience_rule_facts *out, mu_refusal *refusal)
{
    mu_arena *arena = candidate->scene->arena;
    mu_stored_policy policy;
    mu_err err;
    rule_reading r = {.candidate = candidate,
                      .arena = arena,
                      .request = {.book = candidate->scene->book, .own_id = candidate->id}};
    *out = (mu_audience_rule_facts){0};
    if (!mu_expression_normalize(arena, mu_json_get(&candidate->json, MU_STR("expression")),
                                 &out->expression, &r.request.is_tree, refusal))
        return false;
    r.request.value = mu_json_member_string(&out->expression, MU_STR("value"), MU_STR(""));
    bool has_policy = read_policy(candidate, schema_name, &policy, &out->merge_policy_id, refusal);
    r.request.policy_is_active_on_edge = has_policy && policy.is_active_on_edge;
    mu_code code = read_expression(&r, schema_name, &err);
    if (code == MU_E_SYNTAX)
        return mu_refuse_expression(arena, &r.expression.diagnostics, refusal);
    if (code != MU_OK)
        return mu_refuse_failed(refusal, &err);
    if (!has_policy)
        return false; /* what read_policy said */
    fill_facts(&r, out);
    return true;
}
