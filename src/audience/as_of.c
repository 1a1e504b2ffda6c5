#include "audience/as_of.h"

#include "json/edit.h"

/* -------- what is seen, as a lambda over one event -------- */

/* The condition for one time field: t <= as_of, said relative to now, which is the only instant
 * that a rule can name to the millisecond. */
static mu_str seen_text(mu_arena *arena, const mu_as_of *as_of, const char *field)
{
    return as_of->as_of_ms <= as_of->now_ms
               ? mu_arena_format(arena, "%s occurs >= %llu milliseconds before now", field,
                                 (unsigned long long)(as_of->now_ms - as_of->as_of_ms))
               : mu_arena_format(arena, "not (%s occurs > %llu milliseconds after now)", field,
                                 (unsigned long long)(as_of->as_of_ms - as_of->now_ms));
}

static mu_code tree_of(mu_arena *arena, mu_str value, bool is_tree, mu_json *out, mu_err *err)
{
    mu_pql_diagnostics diagnostics;
    const mu_pql *query;
    mu_buf buf;
    mu_pql_diagnostics_init(&diagnostics, arena);
    mu_code code = is_tree ? mu_pql_parse_json(arena, value, &query, &diagnostics)
                           : mu_pql_parse_text(arena, value, &query, &diagnostics);
    if (code != MU_OK) {
        mu_str line = diagnostics.n > 0 ? mu_pql_diagnostic_line(arena, &diagnostics.items[0])
                                        : MU_STR("no rule");
        return mu_fail(err, MU_E_SYNTAX, MU_STR_FMT, MU_STR_ARG(line));
    }
    mu_buf_init(&buf, SIZE_MAX);
    mu_pql_write_json(&buf, query);
    code = mu_json_parse(arena, mu_buf_str(&buf), out, err);
    mu_buf_free(&buf);
    return code;
}

/* A placeholder for "$received", which no text can name. */
#define RECEIVED "receivedAt"

static mu_code seen_lambda(mu_arena *arena, const mu_as_of *as_of, mu_json *out, mu_err *err)
{
    mu_str happened = seen_text(arena, as_of, "timestamp");
    mu_str received = seen_text(arena, as_of, RECEIVED);
    mu_str text = as_of->has_received
                      ? mu_arena_format(arena,
                                        "xEvent[" MU_STR_FMT " and (" RECEIVED
                                        ".isNull() or " MU_STR_FMT ")]",
                                        MU_STR_ARG(happened), MU_STR_ARG(received))
                      : mu_arena_format(arena, "xEvent[" MU_STR_FMT "]", MU_STR_ARG(happened));
    mu_json filter;
    MU_TRY(tree_of(arena, text, false, &filter, err));
    *out = mu_json_member(&filter, MU_STR("params"))->items[1];
    return MU_OK;
}

/* -------- the rule's tree -------- */

typedef struct rewriting {
    mu_arena *arena;
    mu_json seen; /* the lambda */
} rewriting;

static bool is_node(const mu_json *json, const char *type)
{
    return mu_str_equal(mu_json_member_string(json, MU_STR("nodeType"), MU_STR("")),
                        mu_str_from(type));
}

/* xEvent of the profile, or its other name; at any depth the field xEvent of a parameter is the
 * profile's. */
static bool is_events(const mu_json *json)
{
    mu_str function = mu_json_member_string(json, MU_STR("fnName"), MU_STR(""));
    return (is_node(json, "fieldLookup") &&
            mu_str_equal(mu_json_member_string(json, MU_STR("fieldName"), MU_STR("")),
                         MU_STR("xEvent")) &&
            is_node(mu_json_member(json, MU_STR("object")), "parameterReference")) ||
           (is_node(json, "fnApply") && mu_str_equal(function, MU_STR("modelInstances")));
}

static mu_json filtered(const rewriting *r, const mu_json *events)
{
    mu_json *params = MU_NEW_ARRAY(r->arena, mu_json, 2);
    params[0] = *events;
    params[1] = r->seen;
    return MU_JSON_OBJECT_OF(
        r->arena, {MU_STR("nodeType"), mu_json_of_string(MU_STR("fnApply"))},
        {MU_STR("fnName"), mu_json_of_string(MU_STR("filter"))},
        {MU_STR("params"), (mu_json){.kind = MU_JSON_ARRAY, .n = 2, .items = params}});
}

static bool is_received(const mu_json *json)
{
    return is_node(json, "fieldLookup") &&
           mu_str_equal(mu_json_member_string(json, MU_STR("fieldName"), MU_STR("")),
                        MU_STR(RECEIVED));
}

/* A copy with every member changed by `change`. Depth is limited by the reader of JSON. */
static mu_json map(const rewriting *r, const mu_json *json,
                   mu_json (*change)(const rewriting *r, const mu_json *json))
{
    mu_json out = *json;
    if (json->kind != MU_JSON_ARRAY && json->kind != MU_JSON_OBJECT)
        return out;
    mu_json *items = MU_NEW_ARRAY(r->arena, mu_json, json->n);
    for (uint32_t i = 0; i < json->n; i++)
        items[i] = change(r, &json->items[i]);
    out.items = items;
    return out;
}

static mu_json see(const rewriting *r, const mu_json *json)
{
    return is_events(json) ? filtered(r, json) : map(r, json, see);
}

static mu_json name_received(const rewriting *r, const mu_json *json)
{
    mu_json out = map(r, json, name_received);
    if (is_received(json))
        mu_json_set(r->arena, &out, MU_STR("fieldName"), mu_json_of_string(MU_STR("$received")));
    return out;
}

mu_code mu_expression_as_of(mu_arena *arena, mu_str value, bool is_tree, const mu_as_of *as_of,
                            mu_str *out, mu_err *err)
{
    rewriting r = {.arena = arena};
    mu_json tree;
    MU_TRY(tree_of(arena, value, is_tree, &tree, err));
    MU_TRY(seen_lambda(arena, as_of, &r.seen, err));
    r.seen = name_received(&r, &r.seen);
    tree = see(&r, &tree);
    return mu_json_text(arena, &tree, out, err);
}
