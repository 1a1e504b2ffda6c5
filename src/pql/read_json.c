/* read_json.c -- pql/json into the tree (pql.md 15), with the spellings that older schemas and
 * other tools use. Errors carry a JSON pointer (RFC 6901); members we do not know are warned about.
 */
#include "pql/syntax_int.h"

typedef struct reader {
    mu_syntax syntax;
    unsigned depth, n_warnings;
} reader;

/* A place in the JSON text; `json` is NULL when the member is absent. */
typedef struct spot {
    const mu_json *json;
    mu_str pointer;
} spot;

#define MEMBERS_MAX 8

typedef struct node_type {
    const char *name;
    const mu_pql *(*read)(reader *r, spot at);
    const char *members[MEMBERS_MAX]; /* besides nodeType */
} node_type;

static const mu_pql *read_expression(reader *r, spot at);
static const mu_pql *read_lambda(reader *r, spot at);

static mu_place place_of(spot at)
{
    return (mu_place){.pointer = at.pointer};
}

static _Noreturn void fail(reader *r, spot at, mu_str message)
{
    mu_syntax_fail(&r->syntax, "PQL-J01", place_of(at), message);
}

static _Noreturn void fail_expected(reader *r, spot at, const char *expected)
{
    fail(r, at, mu_arena_format(r->syntax.arena, "%s expected", expected));
}

/* -------- members -------- */

static spot member(reader *r, spot at, const char *name)
{
    return (spot){mu_json_member(at.json, mu_str_from(name)),
                  mu_arena_format(r->syntax.arena, MU_STR_FMT "/%s", MU_STR_ARG(at.pointer), name)};
}

static spot item(reader *r, spot list, uint32_t index)
{
    return (spot){&list.json->items[index], mu_arena_format(r->syntax.arena, MU_STR_FMT "/%u",
                                                            MU_STR_ARG(list.pointer), index)};
}

static spot need(reader *r, spot at, const char *name)
{
    spot found = member(r, at, name);
    if (found.json == NULL)
        fail(r, at, mu_arena_format(r->syntax.arena, "the member \"%s\" is missing", name));
    return found;
}

static spot need_list(reader *r, spot at, const char *name)
{
    spot list = need(r, at, name);
    if (list.json->kind != MU_JSON_ARRAY)
        fail_expected(r, list, "an array");
    return list;
}

static bool is_named(const char *const *members, mu_str name)
{
    for (size_t i = 0; i < MEMBERS_MAX && members[i] != NULL; i++)
        if (mu_str_equal(mu_str_from(members[i]), name))
            return true;
    return mu_str_equal(name, MU_STR("nodeType"));
}

/* A pointer's token: '~' and '/' are escaped. */
static mu_str pointer_token(mu_arena *arena, mu_str name)
{
    char *token = mu_arena_alloc(arena, name.len * 2);
    size_t len = 0;
    for (size_t i = 0; i < name.len; i++) {
        bool is_escaped = name.ptr[i] == '~' || name.ptr[i] == '/';
        token[len++] = is_escaped ? '~' : name.ptr[i];
        if (is_escaped)
            token[len++] = name.ptr[i] == '~' ? '0' : '1';
    }
    return (mu_str){token, len};
}

#define WARNINGS_MAX 100 /* then one more says that there are others */

static void warn_unknown(reader *r, spot at, const char *const *members)
{
    mu_arena *arena = r->syntax.arena;
    for (uint32_t i = 0; i < at.json->n && r->n_warnings <= WARNINGS_MAX; i++) {
        mu_str name = at.json->names[i];
        if (is_named(members, name))
            continue;
        if (r->n_warnings++ == WARNINGS_MAX) {
            mu_pql_report(r->syntax.diagnostics, "W07", 0, 0, at.pointer,
                          MU_STR("more members are not known; ignored"));
            break;
        }
        mu_str token = pointer_token(arena, name);
        mu_str pointer = mu_arena_format(arena, MU_STR_FMT "/" MU_STR_FMT, MU_STR_ARG(at.pointer),
                                         MU_STR_ARG(token));
        mu_pql_report(r->syntax.diagnostics, "W07", 0, 0, pointer,
                      mu_arena_format(arena, "the member \"" MU_STR_FMT "\" is not known; ignored",
                                      MU_STR_ARG(name)));
    }
}

static mu_str node_type_of(spot at)
{
    return mu_json_member_string(at.json, MU_STR("nodeType"), MU_STR(""));
}

static bool is_node(spot at, const char *type)
{
    return mu_str_equal(node_type_of(at), mu_str_from(type));
}

/* Text that must not be empty: a name. */
static mu_str read_name(reader *r, spot at)
{
    if (at.json->kind != MU_JSON_STRING || at.json->string.len == 0)
        fail_expected(r, at, "a name");
    return mu_arena_copy(r->syntax.arena, at.json->string);
}

static const char *const literal_members[MEMBERS_MAX] = {"literalType", "value", "fnName",
                                                         "relation",    "unit",  NULL};

/* The value of a literal node of this type, or the bare value that stands for it. */
static spot unwrap(reader *r, spot at, const char *type)
{
    if (at.json->kind != MU_JSON_OBJECT)
        return at;
    mu_str found = mu_json_member_string(at.json, MU_STR("literalType"), mu_str_from(type));
    if (!is_node(at, "literal") || !mu_str_equal(found, mu_str_from(type)))
        fail(r, at, mu_arena_format(r->syntax.arena, "a literal of type %s expected", type));
    warn_unknown(r, at, literal_members);
    return need(r, at, "value");
}

static mu_str read_word(reader *r, spot at, const char *type)
{
    spot value = unwrap(r, at, type);
    if (value.json->kind != MU_JSON_STRING)
        fail_expected(r, value, "text");
    return value.json->string;
}

static int64_t read_count(reader *r, spot at)
{
    spot value = unwrap(r, at, "Integer");
    if (value.json->kind != MU_JSON_INTEGER || value.json->integer < 0)
        fail_expected(r, value, "a non-negative integer");
    return value.json->integer;
}

static mu_unit read_unit(reader *r, spot at)
{
    mu_unit unit;
    mu_str name = read_word(r, at, "TimeUnit");
    if (mu_str_equal(name, MU_STR("miliseconds")))
        return MU_UNIT_MILLISECOND;
    if (mu_str_equal(name, MU_STR("millenia")))
        return MU_UNIT_MILLENNIUM;
    if (!mu_unit_find(name, &unit))
        fail_expected(r, at, "a unit of time");
    return unit;
}

static mu_direction read_direction(reader *r, spot at)
{
    mu_str name = read_word(r, at, "TimeDirection");
    for (int i = MU_DIRECTION_ON; i <= MU_DIRECTION_BETWEEN; i++)
        if (mu_str_equal(name, mu_direction_name((mu_direction)i)))
            return (mu_direction)i;
    fail_expected(r, at, "on, before, after, from or between");
}

static mu_pql_function comparison_named(reader *r, spot at, mu_str name)
{
    mu_pql_function function = mu_pql_function_find(name);
    if (function < MU_FN_EQUAL || function > MU_FN_GREATER_EQUAL)
        fail_expected(r, at, "one of = != < <= > >=");
    return function;
}

/* -------- literals -------- */

static mu_value read_integer(reader *r, spot at)
{
    if (at.json->kind == MU_JSON_INTEGER)
        return mu_value_integer(at.json->integer);
    bool is_whole = at.json->kind == MU_JSON_DOUBLE && at.json->number >= -0x1p63 &&
                    at.json->number < 0x1p63 && at.json->number == (double)(int64_t)at.json->number;
    if (!is_whole)
        fail_expected(r, at, "an integer of at most 64 bits");
    return mu_value_integer((int64_t)at.json->number);
}

static mu_value read_double(reader *r, spot at)
{
    if (at.json->kind == MU_JSON_INTEGER)
        return mu_value_double((double)at.json->integer);
    if (at.json->kind != MU_JSON_DOUBLE)
        fail_expected(r, at, "a number");
    return mu_value_double(at.json->number);
}

/* A value typed by its JSON; lists are for the caller. */
static mu_value read_scalar(reader *r, spot at)
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
        fail_expected(r, at, "text, a number, true, false or null");
    }
}

static const mu_pql *read_list(reader *r, spot at)
{
    if (at.json->kind != MU_JSON_ARRAY)
        fail_expected(r, at, "an array");
    if (++r->depth > MU_PQL_DEPTH_MAX)
        fail(r, at, MU_STR("nested too deep"));
    const mu_pql **items = MU_NEW_ARRAY(r->syntax.arena, const mu_pql *, at.json->n);
    for (uint32_t i = 0; i < at.json->n; i++) {
        spot value = item(r, at, i);
        items[i] = value.json->kind == MU_JSON_ARRAY
                       ? read_list(r, value)
                       : mu_build_literal(&r->syntax, place_of(value), read_scalar(r, value));
    }
    r->depth--;
    return mu_build_array(&r->syntax, place_of(at), items, at.json->n);
}

static const mu_pql *read_time_word(reader *r, spot at)
{
    mu_str name = read_word(r, at, "Timestamp");
    for (int i = MU_TIME_NOW; i <= MU_TIME_TOMORROW; i++) {
        if (!mu_str_equal(name, mu_time_word_name((mu_time_word)i)))
            continue;
        mu_pql *node = mu_node_new(&r->syntax, MU_PQL_TIME_WORD, place_of(at));
        node->time_word = (mu_time_word)i;
        return mu_node_done(&r->syntax, node);
    }
    fail_expected(r, at, "now, today, yesterday or tomorrow");
}

static const mu_pql *read_xdm_object(reader *r, spot at)
{
    mu_str name = read_word(r, at, "XDMObject");
    if (!mu_schema_reference_is_valid(name))
        fail_expected(r, at, "\"profile\" or the id of a schema");
    return mu_build_schema_reference(&r->syntax, place_of(at),
                                     mu_arena_copy(r->syntax.arena, name));
}

static const mu_pql *read_typed_literal(reader *r, spot at, mu_str type)
{
    spot value = need(r, at, "value");
    mu_place place = place_of(at);
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
            fail_expected(r, value, scalars[i].expected);
        return mu_build_literal(&r->syntax, place, read_scalar(r, value));
    }
    if (mu_str_equal(type, MU_STR("Number"))) {
        if (value.json->kind != MU_JSON_INTEGER && value.json->kind != MU_JSON_DOUBLE)
            fail_expected(r, value, "a number");
        return mu_build_literal(&r->syntax, place, read_scalar(r, value));
    }
    fail(r, at,
         mu_arena_format(r->syntax.arena, "a literal of type \"" MU_STR_FMT "\" is no value here",
                         MU_STR_ARG(type)));
}

static const mu_pql *read_literal(reader *r, spot at)
{
    spot type = member(r, at, "literalType");
    if (type.json == NULL) {
        spot value = need(r, at, "value");
        return value.json->kind == MU_JSON_ARRAY
                   ? read_list(r, value)
                   : mu_build_literal(&r->syntax, place_of(at), read_scalar(r, value));
    }
    mu_str name = read_name(r, type);
    if (mu_str_equal(name, MU_STR("Timestamp")))
        return read_time_word(r, at);
    if (mu_str_equal(name, MU_STR("XDMObject")))
        return read_xdm_object(r, at);
    return read_typed_literal(r, at, name);
}

/* -------- paths, calls, lambdas -------- */

/* Without `object` the field is one of the implicit item. */
static const mu_pql *read_field(reader *r, spot at)
{
    mu_str name = read_name(r, need(r, at, "fieldName"));
    spot object = member(r, at, "object");
    const mu_pql *receiver =
        object.json == NULL ? mu_build_parameter(&r->syntax, place_of(at), 1, 0, MU_PENDING_NONE)
                            : read_expression(r, object);
    return mu_build_field(&r->syntax, place_of(at), receiver, name);
}

static const mu_pql *read_parameter(reader *r, spot at)
{
    spot position = need(r, at, "position");
    spot up = member(r, at, "up");
    if (position.json->kind != MU_JSON_INTEGER || position.json->integer < 1 ||
        position.json->integer > INT32_MAX)
        fail_expected(r, position, "a position from 1 on");
    if (up.json != NULL &&
        (up.json->kind != MU_JSON_INTEGER || up.json->integer < 0 || up.json->integer > INT32_MAX))
        fail_expected(r, up, "a number of scopes");
    bool is_item = position.json->integer == 1;
    uint32_t n_up = up.json != NULL && is_item ? (uint32_t)up.json->integer : 0;
    return mu_build_parameter(&r->syntax, place_of(at), position.json->integer, n_up,
                              MU_PENDING_NONE);
}

static const mu_pql *read_variable(reader *r, spot at)
{
    return mu_build_variable(&r->syntax, place_of(at), read_name(r, need(r, at, "varName")),
                             MU_PENDING_NONE);
}

/* The name in a literal of type Function. */
static mu_str read_function_literal(reader *r, spot at)
{
    if (!is_node(at, "literal") && !is_node(at, "function"))
        fail_expected(r, at, "a function");
    return read_name(r, need(r, at, "fnName"));
}

static mu_str read_function_name(reader *r, spot at)
{
    spot name = member(r, at, "fnName");
    if (name.json == NULL)
        name = need(r, at, "function");
    mu_str text =
        name.json->kind == MU_JSON_OBJECT ? read_function_literal(r, name) : read_name(r, name);
    if (mu_str_equal(text, MU_STR("!")))
        return MU_STR("not");
    return mu_str_equal(text, MU_STR("exist")) ? MU_STR("exists") : text;
}

static bool is_function_literal(spot at)
{
    return is_node(at, "literal") &&
           mu_str_equal(mu_json_member_string(at.json, MU_STR("literalType"), MU_STR("")),
                        MU_STR("Function"));
}

/* An argument evaluated per item: a lambda, the name of a unary function, or the bare expression.
 */
static const mu_pql *read_item_argument(reader *r, spot at)
{
    if (is_node(at, "lambda") || is_node(at, "fnCreate"))
        return read_lambda(r, at);
    if (!is_function_literal(at))
        return read_expression(r, at);
    const mu_pql *that = mu_build_parameter(&r->syntax, place_of(at), 1, 0, MU_PENDING_NONE);
    return mu_build_call(&r->syntax, place_of(at), read_function_literal(r, at), &that, 1);
}

static const mu_pql *read_call(reader *r, spot at)
{
    mu_str name = read_function_name(r, at);
    spot params = member(r, at, "params");
    uint32_t n = 0;
    if (params.json != NULL) {
        params = need_list(r, at, "params");
        n = params.json->n;
    }
    uint32_t per_item = mu_pql_function_of(mu_pql_function_find(name))->lambda_mask;
    const mu_pql **args = MU_NEW_ARRAY(r->syntax.arena, const mu_pql *, n);
    for (uint32_t i = 0; i < n; i++)
        args[i] = i < 32 && (per_item >> i & 1) != 0 ? read_item_argument(r, item(r, params, i))
                                                     : read_expression(r, item(r, params, i));
    return mu_build_call(&r->syntax, place_of(at), name, args, n);
}

static const char *const lambda_members[MEMBERS_MAX] = {"params", "body", NULL};
static const char *const parameter_members[MEMBERS_MAX] = {"varName", NULL};

static void read_parameters(reader *r, spot at, mu_pql *node)
{
    spot params = member(r, at, "params");
    if (params.json == NULL)
        return;
    params = need_list(r, at, "params");
    mu_str *names = MU_NEW_ARRAY(r->syntax.arena, mu_str, params.json->n);
    for (uint32_t i = 0; i < params.json->n; i++) {
        spot name = item(r, params, i);
        if (name.json->kind == MU_JSON_OBJECT) {
            warn_unknown(r, name, parameter_members);
            name = need(r, name, "varName");
        }
        names[i] = read_name(r, name);
    }
    mu_check_parameters(&r->syntax, place_of(params), names, params.json->n);
    node->names = names;
    node->n_names = params.json->n;
}

static const mu_pql *read_lambda(reader *r, spot at)
{
    if (at.json->kind != MU_JSON_OBJECT)
        fail_expected(r, at, "a lambda");
    warn_unknown(r, at, lambda_members);
    mu_pql *node = mu_node_new(&r->syntax, MU_PQL_LAMBDA, place_of(at));
    read_parameters(r, at, node);
    spot body = need(r, at, "body");
    const mu_pql **args = MU_NEW_ARRAY(r->syntax.arena, const mu_pql *, 1);
    args[0] = read_expression(r, body);
    if (node->n_names == 0 && args[0]->kind == MU_PQL_LAMBDA)
        fail(r, body, MU_STR("a lambda without params around another lambda"));
    node->args = args;
    node->n_args = 1;
    return mu_node_done(&r->syntax, node);
}

/* Elsewhere than in an argument evaluated per item a lambda must name its parameters. */
static const mu_pql *read_named_lambda(reader *r, spot at)
{
    const mu_pql *lambda = read_lambda(r, at);
    if (lambda->n_names == 0)
        fail(r, at, MU_STR("a lambda without params stands only where an item is evaluated"));
    return lambda;
}

static const mu_pql *read_object(reader *r, spot at)
{
    spot properties = need_list(r, at, "properties");
    static const char *const members[MEMBERS_MAX] = {"name", "value", NULL};
    mu_str *names = MU_NEW_ARRAY(r->syntax.arena, mu_str, properties.json->n);
    const mu_pql **values = MU_NEW_ARRAY(r->syntax.arena, const mu_pql *, properties.json->n);
    for (uint32_t i = 0; i < properties.json->n; i++) {
        spot property = item(r, properties, i);
        if (property.json->kind != MU_JSON_OBJECT)
            fail_expected(r, property, "an object with name and value");
        warn_unknown(r, property, members);
        spot name = need(r, property, "name");
        if (name.json->kind != MU_JSON_STRING)
            fail_expected(r, name, "text");
        names[i] = mu_arena_copy(r->syntax.arena, name.json->string);
        values[i] = read_expression(r, need(r, property, "value"));
    }
    return mu_build_object(&r->syntax, place_of(at), names, values, properties.json->n);
}

static const mu_pql *read_let(reader *r, spot at)
{
    mu_pql *node = mu_node_new(&r->syntax, MU_PQL_LET, place_of(at));
    const mu_pql **args = MU_NEW_ARRAY(r->syntax.arena, const mu_pql *, 2);
    node->name = read_name(r, need(r, at, "varName"));
    args[0] = read_expression(r, need(r, at, "value"));
    args[1] = read_expression(r, need(r, at, "body"));
    node->args = args;
    node->n_args = 2;
    return mu_node_done(&r->syntax, node);
}

/* -------- comprehensions -------- */

static void read_declaration(reader *r, spot at, mu_pql_declaration *out)
{
    static const char *const members[MEMBERS_MAX] = {"varName", "from", "where", NULL};
    if (at.json->kind != MU_JSON_OBJECT)
        fail_expected(r, at, "a varDecl node");
    warn_unknown(r, at, members);
    spot where = member(r, at, "where");
    out->name = read_name(r, need(r, at, "varName"));
    out->from = read_expression(r, need(r, at, "from"));
    out->where = where.json == NULL ? NULL : read_expression(r, where);
}

/* `variables`, and the older `condition`, which is and-ed to the last `where`. */
static void read_declarations(reader *r, spot at, mu_pql *node)
{
    spot variables = need_list(r, at, "variables");
    spot condition = member(r, at, "condition");
    uint32_t n = variables.json->n;
    if (n == 0)
        fail_expected(r, variables, "at least one varDecl node");
    mu_pql_declaration *list = MU_NEW_ARRAY(r->syntax.arena, mu_pql_declaration, n);
    for (uint32_t i = 0; i < n; i++)
        read_declaration(r, item(r, variables, i), &list[i]);
    if (condition.json != NULL) {
        const mu_pql *both[] = {list[n - 1].where, read_expression(r, condition)};
        list[n - 1].where = both[0] == NULL ? both[1]
                                            : mu_build_call(&r->syntax, place_of(condition),
                                                            MU_STR("and"), both, 2);
    }
    mu_check_declarations(&r->syntax, place_of(at), list, n);
    node->declarations = list;
    node->n_declarations = n;
}

static const mu_pql *read_select(reader *r, spot at)
{
    mu_pql *node = mu_node_new(&r->syntax, MU_PQL_SELECT, place_of(at));
    read_declarations(r, at, node);
    return mu_node_done(&r->syntax, node);
}

static const mu_pql *read_quantified(reader *r, spot at, mu_quantifier quantifier)
{
    mu_pql *node = mu_node_new(&r->syntax, MU_PQL_QUANTIFIED, place_of(at));
    node->quantifier = quantifier;
    read_declarations(r, at, node);
    return mu_node_done(&r->syntax, node);
}

static const mu_pql *read_exists(reader *r, spot at)
{
    return read_quantified(r, at, MU_QUANTIFIER_SOME);
}

static const mu_pql *read_forall(reader *r, spot at)
{
    return read_quantified(r, at, MU_QUANTIFIER_ALL);
}

static const mu_pql *read_quantification(reader *r, spot at)
{
    spot quantifier = need(r, at, "quantifier");
    mu_str name = read_name(r, quantifier);
    for (int i = MU_QUANTIFIER_SOME; i <= MU_QUANTIFIER_ONE; i++)
        if (mu_str_equal(name, mu_quantifier_name((mu_quantifier)i)))
            return read_quantified(r, at, (mu_quantifier)i);
    if (mu_str_equal(name, MU_STR("exists")) || mu_str_equal(name, MU_STR("exist")))
        return read_exists(r, at);
    if (mu_str_equal(name, MU_STR("forall")))
        return read_forall(r, at);
    fail_expected(r, quantifier, "some, all, none or one");
}

static const mu_pql *read_aggregate(reader *r, spot at)
{
    mu_pql *node = mu_node_new(&r->syntax, MU_PQL_AGGREGATE, place_of(at));
    const mu_pql **args = MU_NEW_ARRAY(r->syntax.arena, const mu_pql *, 1);
    node->function = mu_pql_function_find(node_type_of(at));
    args[0] = read_expression(r, need(r, at, "aggExpr"));
    node->args = args;
    node->n_args = 1;
    read_declarations(r, at, node);
    return mu_node_done(&r->syntax, node);
}

/* -------- time -------- */

static const char *const duration_members[MEMBERS_MAX] = {"count", "unit", "relation", "base",
                                                          NULL};

static const mu_pql *read_time(reader *r, spot at);

static const mu_pql *read_interval(reader *r, spot at)
{
    spot relation = need(r, at, "relation");
    mu_str name = read_name(r, relation);
    mu_pql *node = mu_node_new(&r->syntax, MU_PQL_TIME_INTERVAL, place_of(at));
    warn_unknown(r, at, literal_members);
    for (int i = MU_INTERVAL_THIS; i <= MU_INTERVAL_NEXT; i++) {
        if (!mu_str_equal(name, mu_time_interval_name((mu_time_interval)i)))
            continue;
        node->interval = (mu_time_interval)i;
        node->unit = read_unit(r, need(r, at, "unit"));
        return mu_node_done(&r->syntax, node);
    }
    fail_expected(r, relation, "this, last or next");
}

/* A duration with relation and base; `from` means after here (D49). */
static const mu_pql *read_point(reader *r, spot at)
{
    mu_pql *node = mu_node_new(&r->syntax, MU_PQL_TIME_POINT, place_of(at));
    const mu_pql **args = MU_NEW_ARRAY(r->syntax.arena, const mu_pql *, 1);
    spot relation = need(r, at, "relation");
    warn_unknown(r, at, duration_members);
    node->count = read_count(r, need(r, at, "count"));
    node->unit = read_unit(r, need(r, at, "unit"));
    node->direction = read_direction(r, relation);
    if (node->direction == MU_DIRECTION_FROM)
        node->direction = MU_DIRECTION_AFTER;
    if (node->direction != MU_DIRECTION_BEFORE && node->direction != MU_DIRECTION_AFTER)
        fail_expected(r, relation, "before, after or from");
    args[0] = read_time(r, need(r, at, "base"));
    node->args = args;
    node->n_args = 1;
    return mu_node_done(&r->syntax, node);
}

static const mu_pql *read_time(reader *r, spot at)
{
    mu_str type = mu_json_member_string(at.json, MU_STR("literalType"), MU_STR(""));
    if (is_node(at, "literal") && mu_str_equal(type, MU_STR("TimeInterval")))
        return read_interval(r, at);
    if (!is_node(at, "duration"))
        return read_expression(r, at);
    if (++r->depth > MU_PQL_DEPTH_MAX)
        fail(r, at, MU_STR("nested too deep"));
    const mu_pql *point = read_point(r, at);
    r->depth--;
    return point;
}

/* A timeQualification: how many units, compared how. */
static void read_qualification(reader *r, spot at, mu_pql_function *comparison, int64_t *count,
                               mu_unit *unit)
{
    static const char *const members[MEMBERS_MAX] = {"comparison", "duration", NULL};
    if (at.json->kind != MU_JSON_OBJECT)
        fail_expected(r, at, "a timeQualification node");
    warn_unknown(r, at, members);
    spot how = need(r, at, "comparison");
    spot duration = need(r, at, "duration");
    if (duration.json->kind != MU_JSON_OBJECT)
        fail_expected(r, duration, "a duration node");
    warn_unknown(r, duration, duration_members);
    *comparison = comparison_named(r, how, read_word(r, how, "Comparison"));
    *count = read_count(r, need(r, duration, "count"));
    *unit = read_unit(r, need(r, duration, "unit"));
}

static void read_range(reader *r, spot at, mu_pql_when *when)
{
    static const char *const members[MEMBERS_MAX] = {"start", "end", NULL};
    warn_unknown(r, at, members);
    when->relation = MU_DIRECTION_BETWEEN;
    when->start = read_time(r, need(r, at, "start"));
    when->end = read_time(r, need(r, at, "end"));
}

/* relation, qualification, timeinterval, ignoreYear: members of occurs and of an element's when. */
static const mu_pql_when *read_when(reader *r, spot at)
{
    mu_pql_when *when = MU_NEW(r->syntax.arena, mu_pql_when);
    spot relation = member(r, at, "relation");
    spot qualification = member(r, at, "qualification");
    spot time = need(r, at, "timeinterval");
    spot ignore = member(r, at, "ignoreYear");
    when->relation = relation.json == NULL ? MU_DIRECTION_ON : read_direction(r, relation);
    if (ignore.json != NULL && ignore.json->kind != MU_JSON_BOOLEAN)
        fail_expected(r, ignore, "true or false");
    when->ignores_year = ignore.json != NULL && ignore.json->boolean;
    if (qualification.json != NULL) {
        when->has_qualification = true;
        read_qualification(r, qualification, &when->comparison, &when->count, &when->unit);
        if (when->relation == MU_DIRECTION_ON || when->relation == MU_DIRECTION_BETWEEN)
            fail(r, at, MU_STR("a qualification needs the relation before, after or from"));
        when->start = read_time(r, time);
    } else if (is_node(time, "range")) {
        if (when->relation != MU_DIRECTION_ON && when->relation != MU_DIRECTION_BETWEEN)
            fail(r, at, MU_STR("a range needs the relation between"));
        read_range(r, time, when);
    } else if (when->relation == MU_DIRECTION_BETWEEN) {
        fail_expected(r, time, "a range node");
    } else {
        when->start = read_time(r, time);
    }
    return when;
}

static const mu_pql *read_occurs(reader *r, spot at)
{
    mu_pql *node = mu_node_new(&r->syntax, MU_PQL_OCCURS, place_of(at));
    const mu_pql **args = MU_NEW_ARRAY(r->syntax.arena, const mu_pql *, 1);
    args[0] = read_expression(r, need(r, at, "timestamp"));
    node->args = args;
    node->n_args = 1;
    node->when = read_when(r, at);
    return mu_node_done(&r->syntax, node);
}

/* -------- chains -------- */

static const mu_pql *read_condition(reader *r, spot at)
{
    if (!is_node(at, "lambda") && !is_node(at, "fnCreate"))
        return mu_build_item_lambda(&r->syntax, place_of(at), read_expression(r, at));
    const mu_pql *lambda = read_lambda(r, at);
    if (lambda->n_names > 0)
        fail(r, at, MU_STR("the event has no name here: a lambda without params expected"));
    return lambda;
}

static void read_item_count(reader *r, spot at, mu_pql_chain_item *out)
{
    static const char *const members[MEMBERS_MAX] = {"comparison", "value", "max", NULL};
    if (at.json->kind != MU_JSON_OBJECT)
        fail_expected(r, at, "an object with comparison and value");
    warn_unknown(r, at, members);
    spot comparison = need(r, at, "comparison");
    mu_str name = read_word(r, comparison, "Comparison");
    out->has_count = true;
    out->comparison = MU_FN_GREATER_EQUAL;
    out->count_is_all = mu_str_equal(name, MU_STR("all"));
    out->count_is_between = mu_str_equal(name, MU_STR("between"));
    if (out->count_is_all)
        return;
    out->count = read_count(r, need(r, at, "value"));
    if (out->count_is_between)
        out->count_max = read_count(r, need(r, at, "max"));
    else
        out->comparison = comparison_named(r, comparison, name);
}

static void read_element(reader *r, spot at, mu_pql_chain_item *out)
{
    static const char *const members[MEMBERS_MAX] = {"varName", "what",  "when",
                                                     "where",   "count", NULL};
    static const char *const when_members[MEMBERS_MAX] = {"relation", "qualification",
                                                          "timeinterval", "ignoreYear", NULL};
    if (!is_node(at, "element"))
        fail_expected(r, at, "an element node");
    warn_unknown(r, at, members);
    spot name = member(r, at, "varName");
    spot when = member(r, at, "when");
    spot where = member(r, at, "where");
    spot count = member(r, at, "count");
    if (name.json != NULL)
        out->name = read_name(r, name);
    out->what = read_condition(r, need(r, at, "what"));
    if (when.json != NULL) {
        if (when.json->kind != MU_JSON_OBJECT)
            fail_expected(r, when, "an object with relation and timeinterval");
        warn_unknown(r, when, when_members);
        out->when = read_when(r, when);
    }
    if (where.json != NULL)
        out->where = read_condition(r, where);
    if (count.json != NULL)
        read_item_count(r, count, out);
}

static void read_item(reader *r, spot at, mu_pql_chain_item *out)
{
    static const char *const members[MEMBERS_MAX] = {"qualification", "exclude", NULL};
    if (!is_node(at, "gap")) {
        read_element(r, at, out);
        return;
    }
    warn_unknown(r, at, members);
    spot qualification = member(r, at, "qualification");
    spot exclude = member(r, at, "exclude");
    if ((qualification.json == NULL) == (exclude.json == NULL))
        fail(r, at, MU_STR("a gap has either a qualification or exclude"));
    if (exclude.json != NULL) {
        out->kind = MU_ITEM_EXCLUDE;
        read_element(r, exclude, out);
        return;
    }
    out->kind = MU_ITEM_GAP;
    read_qualification(r, qualification, &out->comparison, &out->count, &out->unit);
}

static const mu_pql *read_chain(reader *r, spot at)
{
    mu_pql *node = mu_node_new(&r->syntax, MU_PQL_CHAIN, place_of(at));
    const mu_pql **args = MU_NEW_ARRAY(r->syntax.arena, const mu_pql *, 1);
    spot elements = need_list(r, at, "elements");
    spot field = need(r, at, "timestamp");
    args[0] = read_expression(r, need(r, at, "list"));
    mu_str name = read_word(r, field, "XDMField");
    if (name.len == 0)
        fail_expected(r, field, "the name of a date field");
    mu_pql_chain_item *items = MU_NEW_ARRAY(r->syntax.arena, mu_pql_chain_item, elements.json->n);
    for (uint32_t i = 0; i < elements.json->n; i++)
        read_item(r, item(r, elements, i), &items[i]);
    mu_check_chain(&r->syntax, place_of(at), items, elements.json->n);
    node->name = mu_arena_copy(r->syntax.arena, name);
    node->args = args;
    node->n_args = 1;
    node->items = items;
    node->n_items = elements.json->n;
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
     read_occurs,
     {"timestamp", "relation", "qualification", "timeinterval", "ignoreYear"}},
    {"chain", read_chain, {"list", "timestamp", "elements"}},
};

static const node_type *find_node_type(reader *r, spot at)
{
    if (at.json->kind != MU_JSON_OBJECT)
        fail_expected(r, at, "a node: an object with nodeType");
    spot type = need(r, at, "nodeType");
    mu_str name = read_name(r, type);
    for (size_t i = 0; i < sizeof node_types / sizeof node_types[0]; i++)
        if (mu_str_equal(name, mu_str_from(node_types[i].name)))
            return &node_types[i];
    static const char *const inner[] = {"varDecl", "timeQualification", "duration",
                                        "range",   "element",           "gap"};
    for (size_t i = 0; i < sizeof inner / sizeof inner[0]; i++)
        if (mu_str_equal(name, mu_str_from(inner[i])))
            fail(r, at, mu_arena_format(r->syntax.arena, "a %s node is no value", inner[i]));
    mu_syntax_fail(
        &r->syntax, "PQL-J02", place_of(type),
        mu_arena_format(r->syntax.arena, "unknown nodeType \"" MU_STR_FMT "\"", MU_STR_ARG(name)));
}

static const mu_pql *read_expression(reader *r, spot at)
{
    const node_type *type = find_node_type(r, at);
    if (++r->depth > MU_PQL_DEPTH_MAX)
        fail(r, at,
             mu_arena_format(r->syntax.arena, "nested deeper than %d levels", MU_PQL_DEPTH_MAX));
    if (type->read != read_named_lambda) /* which warns itself */
        warn_unknown(r, at, type->members);
    const mu_pql *node = type->read(r, at);
    r->depth--;
    return node;
}

/* -------- entry points -------- */

mu_code mu_pql_parse_tree(mu_arena *arena, const mu_json *tree, const mu_pql **out,
                          mu_pql_diagnostics *diagnostics)
{
    reader *r = MU_NEW(arena, reader);
    r->syntax.arena = arena;
    r->syntax.diagnostics = diagnostics;
    if (setjmp(r->syntax.failed) != 0)
        return MU_E_SYNTAX;
    spot root = {tree, MU_STR("")};
    bool is_lambda = is_node(root, "lambda") || is_node(root, "fnCreate");
    *out = mu_resolve(&r->syntax, is_lambda ? read_lambda(r, root) : read_expression(r, root));
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
