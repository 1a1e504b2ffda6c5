/* bind_call.c -- operators and functions: arity, item expressions, constants that must be right. */
#include "pql/bind_int.h"

#include "base/regex.h"

static void report_arity(binder *b, const mu_pql *node, const mu_pql_function_info *info)
{
    uint32_t least = info->arguments_min;
    uint32_t most = info->arguments_max;
    const char *name = mu_arena_format(b->arena, MU_STR_FMT, MU_STR_ARG(info->name)).ptr;
    if (least == most)
        mu_bind_report(b, node, "PQL-T04", "'%s' takes %u argument%s, not %u", name, least,
                       least == 1 ? "" : "s", node->n_args);
    else
        mu_bind_report(b, node, "PQL-T04", "'%s' takes %u to %u arguments, not %u", name, least,
                       most, node->n_args);
}

/* -------- item expressions -------- */

/* A function that takes one value and no item expression there. */
static bool is_unary_function(mu_pql_function function)
{
    if (function == MU_FN_UNKNOWN)
        return false;
    const mu_pql_function_info *info = mu_pql_function_of(function);
    return info->tier > 0 && info->arguments_min <= 1 && info->arguments_max >= 1;
}

/* The library function that `map(square)` and the like name, or MU_FN_UNKNOWN (D17 5). */
static mu_pql_function named_function(const binder *b, const mu_pql *node, const mu_type *item)
{
    const mu_pql *body = node->kind == MU_PQL_LAMBDA ? node->args[0] : node;
    if (body->kind == MU_PQL_FUNCTION_REFERENCE)
        return body->function;
    bool is_bare_name = node->kind == MU_PQL_LAMBDA && node->n_names == 0 &&
                        body->kind == MU_PQL_FIELD && body->args[0]->kind == MU_PQL_PARAMETER &&
                        body->args[0]->position == 1 && body->args[0]->up == 0;
    if (!is_bare_name)
        return MU_FN_UNKNOWN;
    mu_pql_function function = mu_pql_function_find(body->name);
    if (!is_unary_function(function))
        return MU_FN_UNKNOWN;
    while (item->kind == MU_TYPE_LIST)
        item = item->item;
    bool may_be_field = item->kind == MU_TYPE_MAP ||
                        (item->kind == MU_TYPE_OBJECT && mu_type_field(item, body->name) >= 0) ||
                        (item->kind == MU_TYPE_ANY && b->options->schema != NULL);
    return may_be_field ? MU_FN_UNKNOWN : function;
}

/* `square` as an item expression is `square(this)`. */
static const mu_pql *call_on_item(binder *b, const mu_pql *place, mu_pql_function function)
{
    mu_pql *item = mu_bind_copy(b, place);
    *item = (mu_pql){.kind = MU_PQL_PARAMETER,
                     .position = 1,
                     .line = place->line,
                     .column = place->column,
                     .pointer = place->pointer};
    mu_pql *call = mu_bind_copy(b, item);
    const mu_pql **args = MU_NEW_ARRAY(b->arena, const mu_pql *, 1);
    args[0] = item;
    call->kind = MU_PQL_CALL;
    call->position = 0;
    call->function = function;
    call->name = mu_pql_function_of(function)->name;
    call->n_args = 1;
    call->args = args;
    return call;
}

static void open_lambda(binder *b, const mu_pql *node, const mu_type *item, const mu_type *key)
{
    bool has_key = node->n_names == 2 && key != NULL;
    mu_bind_push_scope(b, has_key ? key : item);
    for (uint32_t i = 0; i < node->n_names; i++) {
        const mu_type *type = i == 0 && has_key          ? key
                              : i == (has_key ? 1u : 0u) ? item
                                                         : mu_type_of(MU_TYPE_ANY);
        mu_bind_push_variable(b, node->names[i], VARIABLE_LAMBDA, type);
    }
}

const mu_pql *mu_bind_lambda(binder *b, const mu_pql *node, const mu_type *item, const mu_type *key)
{
    bool is_map_body = b->map_entry_is_allowed;
    b->map_entry_is_allowed = false;
    mu_pql *lambda = mu_bind_copy(b, node);
    if (node->kind != MU_PQL_LAMBDA && node->kind != MU_PQL_FUNCTION_REFERENCE) {
        mu_bind_report(b, node, "PQL-T04", "an expression for each item is expected here");
        return mu_bind_failed(b, node);
    }
    uint32_t names_max = key != NULL ? 2 : 1;
    if (node->n_names > names_max)
        mu_bind_report(b, node, "PQL-T04", "the expression takes at most %u parameter%s here",
                       names_max, names_max == 1 ? "" : "s");
    mu_pql_function function = named_function(b, node, item);
    const mu_pql *body = node->kind == MU_PQL_LAMBDA ? node->args[0] : node;
    if (function != MU_FN_UNKNOWN)
        body = call_on_item(b, body, function);
    else if (body->kind == MU_PQL_FUNCTION_REFERENCE) {
        mu_bind_report(b, body, "PQL-R04", "unknown function '" MU_STR_FMT "'",
                       MU_STR_ARG(body->name));
        return mu_bind_failed(b, node);
    }
    lambda->kind = MU_PQL_LAMBDA;
    lambda->function = MU_FN_AND; /* the zero of the enumeration: lambdas have no function */
    lambda->name = MU_STR("");
    uint32_t outer = b->n_variables;
    open_lambda(b, node, item, key);
    b->map_entry_is_allowed = is_map_body;
    const mu_pql **args = MU_NEW_ARRAY(b->arena, const mu_pql *, 1);
    args[0] = mu_bind_node(b, body);
    b->map_entry_is_allowed = false;
    mu_bind_pop_variables(b, outer);
    mu_bind_pop_scope(b);
    lambda->args = args;
    lambda->n_args = 1;
    lambda->type = mu_type_of(MU_TYPE_FUNCTION);
    return lambda;
}

/* -------- constants that must be right -------- */

static bool is_text(const mu_pql *node)
{
    return node->kind == MU_PQL_LITERAL && node->literal.kind == MU_TYPE_STRING;
}

static void check_pattern(binder *b, const mu_pql *pattern)
{
    mu_regex *regex = NULL;
    mu_err err = {0};
    if (!is_text(pattern))
        return;
    if (mu_regex_new(pattern->literal.string, &regex, &err) != MU_OK)
        mu_bind_report(b, pattern, "PQL-V05", "invalid regular expression: %s", err.text);
    else
        mu_regex_free(regex);
}

static void check_date(binder *b, const mu_pql *call)
{
    int64_t part[3];
    for (uint32_t i = 0; i < 3; i++) {
        const mu_pql *arg = call->args[i];
        if (arg->kind != MU_PQL_LITERAL || arg->literal.kind != MU_TYPE_INTEGER)
            return;
        part[i] = arg->literal.integer;
    }
    bool is_real = part[0] >= 1 && part[0] <= 9999 && part[1] >= 1 && part[1] <= 12 &&
                   part[2] >= 1 && part[2] <= mu_days_in_month(part[0], (int)part[1]);
    if (!is_real)
        mu_bind_report(b, call, "PQL-V04", "the calendar has no day date(%lld, %lld, %lld)",
                       (long long)part[0], (long long)part[1], (long long)part[2]);
}

static void check_string_compare(binder *b, const mu_pql *call)
{
    const mu_pql *operation = call->args[0];
    mu_pql_function function =
        is_text(operation) ? mu_pql_function_find(operation->literal.string) : MU_FN_UNKNOWN;
    if (function < MU_FN_EQUALS || function > MU_FN_MATCHES)
        mu_bind_report(b, operation, "PQL-T04",
                       "argument 1 of 'stringCompare' must name a string test such as "
                       "\"startsWith\"");
    else if (function == MU_FN_MATCHES)
        check_pattern(b, call->args[2]);
}

/* The flag of equals("a", "b", false) is the last argument only. */
static void check_equals(binder *b, const mu_pql *call)
{
    for (uint32_t i = 1; i + 1 < call->n_args; i++)
        if (call->args[i]->type->kind == MU_TYPE_BOOLEAN && i > 1)
            mu_bind_report(b, call->args[i], "PQL-T04",
                           "the flag of 'equals' must be its last argument");
}

static void check_item_condition(binder *b, const mu_pql *call)
{
    if (call->n_args < 2 || call->args[1]->kind != MU_PQL_LAMBDA)
        return;
    const mu_pql *body = call->args[1]->args[0];
    bool is_position = body->kind == MU_PQL_LITERAL && body->literal.kind == MU_TYPE_INTEGER;
    if (is_position && call->function == MU_FN_FILTER)
        mu_bind_report(b, body, "PQL-T02", "list items have no positions; use head() or topN()");
    else if (!mu_is_condition(body))
        mu_bind_report(b, body, "PQL-T01", "a condition is expected here, not %s",
                       mu_bind_what(b, body));
}

static void check_constants(binder *b, const mu_pql *call)
{
    switch (call->function) {
    case MU_FN_MATCHES:
    case MU_FN_REGEX_GROUP:
        check_pattern(b, call->args[1]);
        break;
    case MU_FN_DATE:
        check_date(b, call);
        break;
    case MU_FN_STRING_COMPARE:
        check_string_compare(b, call);
        break;
    case MU_FN_EQUALS:
        check_equals(b, call);
        break;
    case MU_FN_FILTER:
    case MU_FN_EXISTS:
        check_item_condition(b, call);
        break;
    default:
        break;
    }
}

/* -------- functions with rules of their own -------- */

static const mu_pql *bind_in_segment(binder *b, const mu_pql *node)
{
    mu_pql *call = mu_bind_copy(b, node);
    mu_bind_args(b, node, call);
    call->type = mu_type_of(MU_TYPE_BOOLEAN);
    if (!is_text(call->args[0])) {
        mu_bind_report(b, call->args[0], "PQL-T04",
                       "argument 1 of 'inSegment' must be one string literal");
        return call;
    }
    if (b->options->find_segment == NULL)
        return call;
    mu_str id = b->options->find_segment(b->options->context, call->args[0]->literal.string);
    if (id.len == 0) {
        mu_bind_report(b, call->args[0], "PQL-R03", "unknown audience \"" MU_STR_FMT "\"",
                       MU_STR_ARG(call->args[0]->literal.string));
        return call;
    }
    mu_pql *literal = (mu_pql *)(uintptr_t)call->args[0]; /* made just now, nobody else has it */
    literal->literal = mu_value_string(mu_arena_copy(b->arena, id));
    return call;
}

/* Only the profile's events are a model (D43); the result is `xEvent`. */
static const mu_pql *bind_model_instances(binder *b, const mu_pql *node)
{
    const mu_pql *model = node->args[0];
    if (is_text(model) &&
        (mu_str_ends_with(model->literal.string, MU_STR("/context/experienceevent")) ||
         mu_str_equal(model->literal.string, MU_STR("_xdm.context.experienceevent"))))
        return mu_bind_events(b, node);
    mu_bind_report(b, node, "PQL-V09",
                   "'modelInstances' knows the model \"https://ns.adobe.com/xdm/context/"
                   "experienceevent\" only");
    return mu_bind_failed(b, node);
}

/* The arguments of a call that cannot be right are still looked through. */
static const mu_pql *bind_failed_call(binder *b, const mu_pql *node)
{
    for (uint32_t i = 0; i < node->n_args; i++) {
        b->map_entry_is_allowed = node->function == MU_FN_MAP;
        if (node->args[i]->kind == MU_PQL_LAMBDA)
            mu_bind_lambda(b, node->args[i], mu_type_of(MU_TYPE_ANY), mu_type_of(MU_TYPE_ANY));
        else
            mu_bind_node(b, node->args[i]);
        b->map_entry_is_allowed = false;
    }
    return mu_bind_failed(b, node);
}

/* -------- all the others -------- */

/* The type of the keys that `.map((K, G) => ...)` sees; NULL when the receiver is no map. */
static const mu_type *key_type(const mu_pql *receiver)
{
    if (receiver->kind == MU_PQL_CALL && receiver->function == MU_FN_GROUP_BY &&
        receiver->n_args == 2 && receiver->args[1]->n_args == 1)
        return receiver->args[1]->args[0]->type;
    if (receiver->type->kind == MU_TYPE_MAP && receiver->kind == MU_PQL_FIELD)
        return mu_type_of(MU_TYPE_STRING);
    return mu_type_may_be(receiver->type, MU_TYPE_MAP) ? mu_type_of(MU_TYPE_ANY) : NULL;
}

static const mu_pql *bind_argument(binder *b, const mu_pql *node, uint32_t i,
                                   const mu_pql_function_info *info, const mu_pql *receiver)
{
    if (i > 0 && i < 32 && (info->lambda_mask >> i & 1) != 0) {
        const mu_type *item = mu_type_item(receiver->type);
        bool is_map = node->function == MU_FN_MAP;
        b->map_entry_is_allowed = is_map;
        return mu_bind_lambda(b, node->args[i], item != NULL ? item : mu_type_of(MU_TYPE_ANY),
                              is_map ? key_type(receiver) : NULL);
    }
    switch (node->function) {
    case MU_FN_AND:
    case MU_FN_OR:
        return mu_bind_condition(b, node->args[i], "PQL-T01");
    case MU_FN_NOT:
        return mu_bind_condition(b, node->args[i], "PQL-T03");
    case MU_FN_IF:
        return i == 0 ? mu_bind_condition(b, node->args[i], "PQL-T01")
                      : mu_bind_node(b, node->args[i]);
    default:
        return mu_bind_node(b, node->args[i]);
    }
}

static mu_pql *bind_arguments(binder *b, const mu_pql *node, const mu_pql_function_info *info,
                              bool is_map_body)
{
    mu_pql *call = mu_bind_copy(b, node);
    const mu_pql **args = MU_NEW_ARRAY(b->arena, const mu_pql *, node->n_args);
    for (uint32_t i = 0; i < node->n_args; i++) {
        b->map_entry_is_allowed = is_map_body && node->function == MU_FN_IF && i > 0;
        args[i] = bind_argument(b, node, i, info, args[0]);
    }
    b->map_entry_is_allowed = false;
    call->args = args;
    call->name = info->name;
    return call;
}

const mu_pql *mu_bind_call(binder *b, const mu_pql *node)
{
    bool is_map_body = b->map_entry_is_allowed;
    b->map_entry_is_allowed = false;
    if (node->function == MU_FN_UNKNOWN) {
        mu_bind_report(b, node, "PQL-R04", "unknown function '" MU_STR_FMT "'",
                       MU_STR_ARG(node->name));
        return bind_failed_call(b, node);
    }
    const mu_pql_function_info *info = mu_pql_function_of(node->function);
    if (node->n_args < info->arguments_min || node->n_args > info->arguments_max) {
        report_arity(b, node, info);
        return bind_failed_call(b, node);
    }
    if (node->function == MU_FN_IN_SEGMENT)
        return bind_in_segment(b, node);
    if (node->function == MU_FN_MODEL_INSTANCES)
        return bind_model_instances(b, node);
    if (node->function == MU_FN_MAP_ENTRY && !is_map_body)
        mu_bind_report(b, node, "PQL-T04", "'mapEntry' stands only as the result of 'map'");
    mu_pql *call = bind_arguments(b, node, info, is_map_body);
    mu_check_arguments(b, call);
    check_constants(b, call);
    call->type = mu_call_type(b, call);
    return call;
}
