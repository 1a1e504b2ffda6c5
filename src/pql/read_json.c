/* read_json.c -- pql/json into the tree (pql.md 15), with the spellings that older schemas and
 * other tools use. Errors carry a JSON pointer (RFC 6901); members we do not know are warned about.
 */
#include "pql/read_int.h"

typedef struct node_type {
    const char *name;
    const mu_pql *(*read)(mu_tree_reader *r, mu_spot at);
    const char *members[MU_SPOT_MEMBERS_MAX]; /* besides nodeType */
} node_type;

/* -------- literals -------- */

static mu_value read_integer(mu_tree_reader *r, mu_spot at)
{
    if (at.json->kind == MU_JSON_INTEGER)
        return mu_value_integer(at.json->integer);
    bool is_whole = at.json->kind == MU_JSON_DOUBLE && at.json->number >= -0x1p63 &&
                    at.json->number < 0x1p63 && at.json->number == (double)(int64_t)at.json->number;
    if (!is_whole)
        mu_spot_fail_expected(r, at, "an integer of at most 64 bits");
    return mu_value_integer((int64_t)at.json->number);
}

static mu_value read_double(mu_tree_reader *r, mu_spot at)
{
    if (at.json->kind == MU_JSON_INTEGER)
        return mu_value_double((double)at.json->integer);
    if (at.json->kind != MU_JSON_DOUBLE)
        mu_spot_fail_expected(r, at, "a number");
    return mu_value_double(at.json->number);
}

/* A value typed by its JSON; lists are for the caller. */
static mu_value read_scalar(mu_tree_reader *r, mu_spot at)
{
    switch (at.json->kind) {
    case MU_JSON_NULL:
        return MU_VALUE_NULL;
    case MU_JSON_BOOLEAN:
        return mu_value_boolean(at.json->boolean);
    case MU_JSON_INTEGER:
        return mu_value_integer(at.json->integer);
    case MU_JSON_DOUBLE:
        return mu_value_double(at.json->number);
    case MU_JSON_STRING:
        return mu_value_string(mu_arena_copy(r->syntax.arena, at.json->string));
    default:
        mu_spot_fail_expected(r, at, "text, a number, true, false or null");
    }
}

static const mu_pql *read_list(mu_tree_reader *r, mu_spot at)
{
    if (at.json->kind != MU_JSON_ARRAY)
        mu_spot_fail_expected(r, at, "an array");
    if (++r->depth > MU_PQL_DEPTH_MAX)
        mu_spot_fail(r, at, MU_STR("nested too deep"));
    const mu_pql **items = MU_NEW_ARRAY(r->syntax.arena, const mu_pql *, at.json->n);
    for (uint32_t i = 0; i < at.json->n; i++) {
        mu_spot value = mu_spot_item(r, at, i);
        items[i] = value.json->kind == MU_JSON_ARRAY
                       ? read_list(r, value)
                       : mu_build_literal(&r->syntax, mu_spot_place(value), read_scalar(r, value));
    }
    r->depth--;
    return mu_build_array(&r->syntax, mu_spot_place(at), items, at.json->n);
}

static const mu_pql *read_time_word(mu_tree_reader *r, mu_spot at)
{
    mu_str name = mu_spot_word(r, at, "Timestamp");
    for (int i = MU_TIME_NOW; i <= MU_TIME_TOMORROW; i++) {
        if (!mu_str_equal(name, mu_time_word_name((mu_time_word)i)))
            continue;
        mu_pql *node = mu_node_new(&r->syntax, MU_PQL_TIME_WORD, mu_spot_place(at));
        node->time_word = (mu_time_word)i;
        return mu_node_done(&r->syntax, node);
    }
    mu_spot_fail_expected(r, at, "now, today, yesterday or tomorrow");
}

static const mu_pql *read_xdm_object(mu_tree_reader *r, mu_spot at)
{
    mu_str name = mu_spot_word(r, at, "XDMObject");
    if (!mu_schema_reference_is_valid(name))
        mu_spot_fail_expected(r, at, "\"profile\" or the id of a schema");
    return mu_build_schema_reference(&r->syntax, mu_spot_place(at),
                                     mu_arena_copy(r->syntax.arena, name));
}

static const mu_pql *read_typed_literal(mu_tree_reader *r, mu_spot at, mu_str type)
{
    mu_spot value = mu_spot_need(r, at, "value");
    mu_place place = mu_spot_place(at);
    if (mu_str_equal(type, MU_STR("Integer")))
        return mu_build_literal(&r->syntax, place, read_integer(r, value));
    if (mu_str_equal(type, MU_STR("Double")))
        return mu_build_literal(&r->syntax, place, read_double(r, value));
    if (mu_str_equal(type, MU_STR("List")))
        return read_list(r, value);
    static const struct {
        mu_str type;
        mu_json_kind kind;
        const char *expected;
    } scalars[] = {
        {MU_STR("String"), MU_JSON_STRING, "text"},
        {MU_STR("Boolean"), MU_JSON_BOOLEAN, "true or false"},
        {MU_STR("Null"), MU_JSON_NULL, "null"},
    };
    for (size_t i = 0; i < sizeof scalars / sizeof scalars[0]; i++) {
        if (!mu_str_equal(type, scalars[i].type))
            continue;
        if (value.json->kind != scalars[i].kind)
            mu_spot_fail_expected(r, value, scalars[i].expected);
        return mu_build_literal(&r->syntax, place, read_scalar(r, value));
    }
    if (mu_str_equal(type, MU_STR("Number"))) {
        if (value.json->kind != MU_JSON_INTEGER && value.json->kind != MU_JSON_DOUBLE)
            mu_spot_fail_expected(r, value, "a number");
        return mu_build_literal(&r->syntax, place, read_scalar(r, value));
    }
    mu_spot_fail(r, at,
                 mu_arena_format(r->syntax.arena,
                                 "a literal of type \"" MU_STR_FMT "\" is no value here",
                                 MU_STR_ARG(type)));
}

static const mu_pql *read_literal(mu_tree_reader *r, mu_spot at)
{
    mu_spot type = mu_spot_member(r, at, "literalType");
    if (type.json == NULL) {
        mu_spot value = mu_spot_need(r, at, "value");
        return value.json->kind == MU_JSON_ARRAY
                   ? read_list(r, value)
                   : mu_build_literal(&r->syntax, mu_spot_place(at), read_scalar(r, value));
    }
    mu_str name = mu_spot_name(r, type);
    if (mu_str_equal(name, MU_STR("Timestamp")))
        return read_time_word(r, at);
    if (mu_str_equal(name, MU_STR("XDMObject")))
        return read_xdm_object(r, at);
    return read_typed_literal(r, at, name);
}

/* -------- paths, calls, lambdas -------- */

/* Without `object` the field is one of the implicit item. */
static const mu_pql *read_field(mu_tree_reader *r, mu_spot at)
{
    mu_str name = mu_spot_name(r, mu_spot_need(r, at, "fieldName"));
    mu_spot object = mu_spot_member(r, at, "object");
    const mu_pql *receiver = object.json == NULL ? mu_build_parameter(&r->syntax, mu_spot_place(at),
                                                                      1, 0, MU_PENDING_NONE)
                                                 : mu_read_expression(r, object);
    return mu_build_field(&r->syntax, mu_spot_place(at), receiver, name);
}

static const mu_pql *read_parameter(mu_tree_reader *r, mu_spot at)
{
    mu_spot position = mu_spot_need(r, at, "position");
    mu_spot up = mu_spot_member(r, at, "up");
    if (position.json->kind != MU_JSON_INTEGER || position.json->integer < 1 ||
        position.json->integer > INT32_MAX)
        mu_spot_fail_expected(r, position, "a position from 1 on");
    if (up.json != NULL &&
        (up.json->kind != MU_JSON_INTEGER || up.json->integer < 0 || up.json->integer > INT32_MAX))
        mu_spot_fail_expected(r, up, "a number of scopes");
    bool is_item = position.json->integer == 1;
    uint32_t n_up = up.json != NULL && is_item ? (uint32_t)up.json->integer : 0;
    return mu_build_parameter(&r->syntax, mu_spot_place(at), position.json->integer, n_up,
                              MU_PENDING_NONE);
}

static const mu_pql *read_variable(mu_tree_reader *r, mu_spot at)
{
    return mu_build_variable(&r->syntax, mu_spot_place(at),
                             mu_spot_name(r, mu_spot_need(r, at, "varName")), MU_PENDING_NONE);
}

/* The name in a literal of type Function. */
static mu_str read_function_literal(mu_tree_reader *r, mu_spot at)
{
    if (!mu_spot_is_node(at, "literal") && !mu_spot_is_node(at, "function"))
        mu_spot_fail_expected(r, at, "a function");
    return mu_spot_name(r, mu_spot_need(r, at, "fnName"));
}

static mu_str read_function_name(mu_tree_reader *r, mu_spot at)
{
    mu_spot name = mu_spot_member(r, at, "fnName");
    if (name.json == NULL)
        name = mu_spot_need(r, at, "function");
    return name.json->kind == MU_JSON_OBJECT ? read_function_literal(r, name)
                                             : mu_spot_name(r, name);
}

static bool is_function_literal(mu_spot at)
{
    return mu_spot_is_node(at, "literal") &&
           mu_str_equal(mu_json_member_string(at.json, MU_STR("literalType"), MU_STR("")),
                        MU_STR("Function"));
}

/* An argument evaluated per item: a lambda, the name of a unary function, or the bare expression.
 */
static const mu_pql *read_item_argument(mu_tree_reader *r, mu_spot at)
{
    if (mu_spot_is_node(at, "lambda") || mu_spot_is_node(at, "fnCreate"))
        return mu_read_lambda(r, at);
    if (!is_function_literal(at))
        return mu_read_expression(r, at);
    const mu_pql *that = mu_build_parameter(&r->syntax, mu_spot_place(at), 1, 0, MU_PENDING_NONE);
    return mu_build_call(&r->syntax, mu_spot_place(at), read_function_literal(r, at), &that, 1);
}

static const mu_pql *read_call(mu_tree_reader *r, mu_spot at)
{
    mu_str name = read_function_name(r, at);
    mu_spot params = mu_spot_member(r, at, "params");
    uint32_t n = 0;
    if (params.json != NULL) {
        params = mu_spot_need_list(r, at, "params");
        n = params.json->n;
    }
    uint32_t per_item = mu_pql_function_of(mu_pql_function_find(name))->lambda_mask;
    const mu_pql **args = MU_NEW_ARRAY(r->syntax.arena, const mu_pql *, n);
    for (uint32_t i = 0; i < n; i++)
        args[i] = i < 32 && (per_item >> i & 1) != 0
                      ? read_item_argument(r, mu_spot_item(r, params, i))
                      : mu_read_expression(r, mu_spot_item(r, params, i));
    return mu_build_call(&r->syntax, mu_spot_place(at), name, args, n);
}

static const char *const lambda_members[MU_SPOT_MEMBERS_MAX] = {"params", "body", NULL};
static const char *const parameter_members[MU_SPOT_MEMBERS_MAX] = {"varName", NULL};

static void read_parameters(mu_tree_reader *r, mu_spot at, mu_pql *node)
{
    mu_spot params = mu_spot_member(r, at, "params");
    if (params.json == NULL)
        return;
    params = mu_spot_need_list(r, at, "params");
    mu_str *names = MU_NEW_ARRAY(r->syntax.arena, mu_str, params.json->n);
    for (uint32_t i = 0; i < params.json->n; i++) {
        mu_spot name = mu_spot_item(r, params, i);
        if (name.json->kind == MU_JSON_OBJECT) {
            mu_spot_warn_unknown(r, name, parameter_members);
            name = mu_spot_need(r, name, "varName");
        }
        names[i] = mu_spot_name(r, name);
    }
    mu_check_parameters(&r->syntax, mu_spot_place(params), names, params.json->n);
    node->names = names;
    node->n_names = params.json->n;
}

const mu_pql *mu_read_lambda(mu_tree_reader *r, mu_spot at)
{
    if (at.json->kind != MU_JSON_OBJECT)
        mu_spot_fail_expected(r, at, "a lambda");
    mu_spot_warn_unknown(r, at, lambda_members);
    mu_pql *node = mu_node_new(&r->syntax, MU_PQL_LAMBDA, mu_spot_place(at));
    read_parameters(r, at, node);
    mu_spot body = mu_spot_need(r, at, "body");
    const mu_pql **args = MU_NEW_ARRAY(r->syntax.arena, const mu_pql *, 1);
    args[0] = mu_read_expression(r, body);
    if (node->n_names == 0 && args[0]->kind == MU_PQL_LAMBDA)
        mu_spot_fail(r, body, MU_STR("a lambda without params around another lambda"));
    node->args = args;
    node->n_args = 1;
    return mu_node_done(&r->syntax, node);
}

/* Elsewhere than in an argument evaluated per item a lambda must name its parameters. */
static const mu_pql *read_named_lambda(mu_tree_reader *r, mu_spot at)
{
    const mu_pql *lambda = mu_read_lambda(r, at);
    if (lambda->n_names == 0)
        mu_spot_fail(r, at,
                     MU_STR("a lambda without params stands only where an item is evaluated"));
    return lambda;
}

static const mu_pql *read_object(mu_tree_reader *r, mu_spot at)
{
    mu_spot properties = mu_spot_need_list(r, at, "properties");
    static const char *const members[MU_SPOT_MEMBERS_MAX] = {"name", "value", NULL};
    mu_str *names = MU_NEW_ARRAY(r->syntax.arena, mu_str, properties.json->n);
    const mu_pql **values = MU_NEW_ARRAY(r->syntax.arena, const mu_pql *, properties.json->n);
    for (uint32_t i = 0; i < properties.json->n; i++) {
        mu_spot property = mu_spot_item(r, properties, i);
        if (property.json->kind != MU_JSON_OBJECT)
            mu_spot_fail_expected(r, property, "an object with name and value");
        mu_spot_warn_unknown(r, property, members);
        mu_spot name = mu_spot_need(r, property, "name");
        if (name.json->kind != MU_JSON_STRING)
            mu_spot_fail_expected(r, name, "text");
        names[i] = mu_arena_copy(r->syntax.arena, name.json->string);
        values[i] = mu_read_expression(r, mu_spot_need(r, property, "value"));
    }
    return mu_build_object(&r->syntax, mu_spot_place(at), names, values, properties.json->n);
}

static const mu_pql *read_let(mu_tree_reader *r, mu_spot at)
{
    mu_pql *node = mu_node_new(&r->syntax, MU_PQL_LET, mu_spot_place(at));
    const mu_pql **args = MU_NEW_ARRAY(r->syntax.arena, const mu_pql *, 2);
    node->name = mu_spot_name(r, mu_spot_need(r, at, "varName"));
    args[0] = mu_read_expression(r, mu_spot_need(r, at, "value"));
    args[1] = mu_read_expression(r, mu_spot_need(r, at, "body"));
    node->args = args;
    node->n_args = 2;
    return mu_node_done(&r->syntax, node);
}

/* -------- comprehensions -------- */

static void read_declaration(mu_tree_reader *r, mu_spot at, mu_pql_declaration *out)
{
    static const char *const members[MU_SPOT_MEMBERS_MAX] = {"varName", "from", "where", NULL};
    if (at.json->kind != MU_JSON_OBJECT)
        mu_spot_fail_expected(r, at, "a varDecl node");
    mu_spot_warn_unknown(r, at, members);
    mu_spot where = mu_spot_member(r, at, "where");
    out->name = mu_spot_name(r, mu_spot_need(r, at, "varName"));
    out->from = mu_read_expression(r, mu_spot_need(r, at, "from"));
    out->where = where.json == NULL ? NULL : mu_read_expression(r, where);
}

/* `variables`, and the older `condition`, which is and-ed to the last `where`. */
static void read_declarations(mu_tree_reader *r, mu_spot at, mu_pql *node)
{
    mu_spot variables = mu_spot_need_list(r, at, "variables");
    mu_spot condition = mu_spot_member(r, at, "condition");
    uint32_t n = variables.json->n;
    if (n == 0)
        mu_spot_fail_expected(r, variables, "at least one varDecl node");
    mu_pql_declaration *list = MU_NEW_ARRAY(r->syntax.arena, mu_pql_declaration, n);
    for (uint32_t i = 0; i < n; i++)
        read_declaration(r, mu_spot_item(r, variables, i), &list[i]);
    if (condition.json != NULL) {
        const mu_pql *both[] = {list[n - 1].where, mu_read_expression(r, condition)};
        list[n - 1].where = both[0] == NULL ? both[1]
                                            : mu_build_call(&r->syntax, mu_spot_place(condition),
                                                            MU_STR("and"), both, 2);
    }
    mu_check_declarations(&r->syntax, mu_spot_place(at), list, n);
    node->declarations = list;
    node->n_declarations = n;
}

static const mu_pql *read_select(mu_tree_reader *r, mu_spot at)
{
    mu_pql *node = mu_node_new(&r->syntax, MU_PQL_SELECT, mu_spot_place(at));
    read_declarations(r, at, node);
    return mu_node_done(&r->syntax, node);
}

static const mu_pql *read_quantified(mu_tree_reader *r, mu_spot at, mu_quantifier quantifier)
{
    mu_pql *node = mu_node_new(&r->syntax, MU_PQL_QUANTIFIED, mu_spot_place(at));
    node->quantifier = quantifier;
    read_declarations(r, at, node);
    return mu_node_done(&r->syntax, node);
}

static const mu_pql *read_exists(mu_tree_reader *r, mu_spot at)
{
    return read_quantified(r, at, MU_QUANTIFIER_SOME);
}

static const mu_pql *read_forall(mu_tree_reader *r, mu_spot at)
{
    return read_quantified(r, at, MU_QUANTIFIER_ALL);
}

static const mu_pql *read_quantification(mu_tree_reader *r, mu_spot at)
{
    mu_spot quantifier = mu_spot_need(r, at, "quantifier");
    mu_str name = mu_spot_name(r, quantifier);
    for (int i = MU_QUANTIFIER_SOME; i <= MU_QUANTIFIER_ONE; i++)
        if (mu_str_equal(name, mu_quantifier_name((mu_quantifier)i)))
            return read_quantified(r, at, (mu_quantifier)i);
    if (mu_str_equal(name, MU_STR("exists")) || mu_str_equal(name, MU_STR("exist")))
        return read_exists(r, at);
    if (mu_str_equal(name, MU_STR("forall")))
        return read_forall(r, at);
    mu_spot_fail_expected(r, quantifier, "some, all, none or one");
}

static const mu_pql *read_aggregate(mu_tree_reader *r, mu_spot at)
{
    mu_pql *node = mu_node_new(&r->syntax, MU_PQL_AGGREGATE, mu_spot_place(at));
    const mu_pql **args = MU_NEW_ARRAY(r->syntax.arena, const mu_pql *, 1);
    node->function = mu_pql_function_find(mu_spot_node_type(at));
    args[0] = mu_read_expression(r, mu_spot_need(r, at, "aggExpr"));
    node->args = args;
    node->n_args = 1;
    read_declarations(r, at, node);
    return mu_node_done(&r->syntax, node);
}

/* -------- nodes -------- */

static const node_type node_types[] = {
    {"literal", read_literal, {"literalType", "value", "fnName", "relation", "unit"}},
    {"fieldLookup", read_field, {"fieldName", "object"}},
    {"parameterReference", read_parameter, {"position", "up"}},
    {"varRef", read_variable, {"varName"}},
    {"fnApply", read_call, {"fnName", "function", "params"}},
    {"lambda", read_named_lambda, {"params", "body"}},
    {"fnCreate", read_named_lambda, {"params", "body"}},
    {"object", read_object, {"properties"}},
    {"let", read_let, {"varName", "value", "body"}},
    {"select", read_select, {"variables", "condition"}},
    {"quantification", read_quantification, {"quantifier", "variables", "condition"}},
    {"exists", read_exists, {"variables", "condition"}},
    {"exist", read_exists, {"variables", "condition"}},
    {"forall", read_forall, {"variables", "condition"}},
    {"sum", read_aggregate, {"aggExpr", "variables", "condition"}},
    {"average", read_aggregate, {"aggExpr", "variables", "condition"}},
    {"min", read_aggregate, {"aggExpr", "variables", "condition"}},
    {"max", read_aggregate, {"aggExpr", "variables", "condition"}},
    {"count", read_aggregate, {"aggExpr", "variables", "condition"}},
    {"occurs",
     mu_read_occurs,
     {"timestamp", "relation", "qualification", "timeinterval", "ignoreYear"}},
    {"chain", mu_read_chain, {"list", "timestamp", "elements"}},
};

static const node_type *find_node_type(mu_tree_reader *r, mu_spot at)
{
    if (at.json->kind != MU_JSON_OBJECT)
        mu_spot_fail_expected(r, at, "a node: an object with nodeType");
    mu_spot type = mu_spot_need(r, at, "nodeType");
    mu_str name = mu_spot_name(r, type);
    for (size_t i = 0; i < sizeof node_types / sizeof node_types[0]; i++)
        if (mu_str_equal(name, mu_str_from(node_types[i].name)))
            return &node_types[i];
    static const char *const inner[] = {"varDecl", "timeQualification", "duration",
                                        "range",   "element",           "gap"};
    for (size_t i = 0; i < sizeof inner / sizeof inner[0]; i++)
        if (mu_str_equal(name, mu_str_from(inner[i])))
            mu_spot_fail(r, at,
                         mu_arena_format(r->syntax.arena, "a %s node is no value", inner[i]));
    mu_syntax_fail(
        &r->syntax, "PQL-J02", mu_spot_place(type),
        mu_arena_format(r->syntax.arena, "unknown nodeType \"" MU_STR_FMT "\"", MU_STR_ARG(name)));
}

const mu_pql *mu_read_expression(mu_tree_reader *r, mu_spot at)
{
    const node_type *type = find_node_type(r, at);
    if (++r->depth > MU_PQL_DEPTH_MAX)
        mu_spot_fail(
            r, at,
            mu_arena_format(r->syntax.arena, "nested deeper than %d levels", MU_PQL_DEPTH_MAX));
    if (type->read != read_named_lambda) /* which warns itself */
        mu_spot_warn_unknown(r, at, type->members);
    const mu_pql *node = type->read(r, at);
    r->depth--;
    return node;
}

/* -------- entry points -------- */

mu_code mu_pql_parse_tree(mu_arena *arena, const mu_json *tree, const mu_pql **out,
                          mu_pql_diagnostics *diagnostics)
{
    mu_tree_reader *r = MU_NEW(arena, mu_tree_reader);
    r->syntax.arena = arena;
    r->syntax.diagnostics = diagnostics;
    if (setjmp(r->syntax.failed) != 0)
        return MU_E_SYNTAX;
    mu_spot root = {tree, MU_STR("")};
    bool is_lambda = mu_spot_is_node(root, "lambda") || mu_spot_is_node(root, "fnCreate");
    *out =
        mu_resolve(&r->syntax, is_lambda ? mu_read_lambda(r, root) : mu_read_expression(r, root));
    return MU_OK;
}

/* Reads JSON; the reader's buffers are given back also when the arena reaches its ceiling. */
static mu_code read_json(mu_arena *arena, mu_str text, mu_json *out, mu_err *err)
{
    mu_json_reader *json_reader = mu_json_reader_new();
    if (json_reader == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory");
    jmp_buf *outer = arena->on_limit, here;
    if (outer != NULL) {
        arena->on_limit = &here;
        if (setjmp(here) != 0) {
            mu_json_reader_free(json_reader);
            arena->on_limit = outer;
            longjmp(*outer, 1);
        }
    }
    mu_code code = mu_json_read(json_reader, arena, text, out, err);
    arena->on_limit = outer;
    mu_json_reader_free(json_reader);
    return code;
}

/* A tree is written with far more characters than its text. */
#define JSON_MAX (MU_PQL_TEXT_MAX * 64)

mu_code mu_pql_parse_json(mu_arena *arena, mu_str text, const mu_pql **out,
                          mu_pql_diagnostics *diagnostics)
{
    mu_json tree;
    mu_err err = {0};
    if (text.len > JSON_MAX)
        mu_fail(&err, MU_E_LIMIT, "the tree is longer than 64 MiB");
    else if (read_json(arena, text, &tree, &err) == MU_OK)
        return mu_pql_parse_tree(arena, &tree, out, diagnostics);
    mu_pql_report(diagnostics, "PQL-J01", err.line, err.column, MU_STR(""), mu_str_from(err.text));
    return err.code == MU_E_NOMEM ? MU_E_NOMEM : MU_E_SYNTAX;
}

/* An object literal of the language also starts with a brace; a tree has a nodeType. */
mu_code mu_pql_parse(mu_arena *arena, mu_str source, const mu_pql **out,
                     mu_pql_diagnostics *diagnostics)
{
    mu_str trimmed = mu_str_trim(source);
    if (trimmed.len == 0 || trimmed.ptr[0] != '{')
        return mu_pql_parse_text(arena, source, out, diagnostics);
    mu_json tree;
    mu_err err = {0};
    bool is_json = source.len <= JSON_MAX && read_json(arena, source, &tree, &err) == MU_OK;
    if (is_json && mu_json_member(&tree, MU_STR("nodeType")) != NULL)
        return mu_pql_parse_tree(arena, &tree, out, diagnostics);
    if (!is_json && mu_str_find(source, MU_STR("\"nodeType\"")) != SIZE_MAX)
        return mu_pql_parse_json(arena, source, out, diagnostics);
    return mu_pql_parse_text(arena, source, out, diagnostics);
}
