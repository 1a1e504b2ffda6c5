/* reference.c -- the walk over a rule's tree (pql.md 5, 6, 7 and decision 0001: evaluation is
 * total). */
#include "eval/reference_int.h"

/* -------- scopes -------- */

mu_value mu_reference_profile(const mu_evaluator *evaluator)
{
    if (evaluator->context->n_parameters == 0)
        return MU_VALUE_NULL;
    return evaluator->context->parameters[0];
}

/* xEvent is never null: no events is the empty list (pql.md 19). */
mu_value mu_reference_events(const mu_evaluator *evaluator)
{
    mu_value events = mu_value_member(mu_reference_profile(evaluator), MU_STR("xEvent"));
    return mu_value_is_null(events) ? (mu_value){.kind = MU_TYPE_LIST} : events;
}

const mu_reference_scope *mu_reference_find(const mu_reference_scope *scope, mu_str name)
{
    for (; scope != NULL; scope = scope->outer)
        if (scope->kind != MU_SCOPE_ITEM && mu_str_equal(scope->name, name))
            return scope;
    return NULL;
}

/* The implicit item `up` levels out; NULL: the profile. */
static const mu_reference_scope *item_scope(const mu_reference_scope *scope, uint32_t up)
{
    for (; scope != NULL; scope = scope->outer)
        if (scope->kind == MU_SCOPE_ITEM && up-- == 0)
            return scope;
    return NULL;
}

static mu_value parameter(const mu_evaluator *evaluator, const mu_pql *node,
                          const mu_reference_scope *scope)
{
    if (node->position > 1) {
        if (node->position > evaluator->context->n_parameters)
            return MU_VALUE_NULL;
        return evaluator->context->parameters[node->position - 1];
    }
    const mu_reference_scope *item = item_scope(scope, node->up);
    return item != NULL ? item->value : mu_reference_profile(evaluator);
}

static mu_value variable(const mu_pql *node, const mu_reference_scope *scope)
{
    const mu_reference_scope *found = mu_reference_find(scope, node->name);
    return found != NULL ? found->value : MU_VALUE_NULL;
}

bool mu_reference_is_dynamic(const mu_pql *node)
{
    return node->type == NULL || node->type->kind == MU_TYPE_ANY;
}

/* -------- fields -------- */

/* A member by its own name, else without the prefix `xdm:` and the like, `@id` as `_id` (D4, D5):
 * a tree that was not bound still has them. */
static mu_value plain_member(mu_arena *arena, mu_value base, mu_str name)
{
    mu_value value = mu_value_member(base, name);
    if (!mu_value_is_null(value) || name.len == 0)
        return value;
    if (name.ptr[0] == '@') {
        mu_str stored = mu_arena_copy(arena, name);
        ((char *)(uintptr_t)stored.ptr)[0] = '_';
        return mu_value_member(base, stored);
    }
    const char *colon = memchr(name.ptr, ':', name.len);
    if (colon == NULL)
        return MU_VALUE_NULL;
    size_t prefix = (size_t)(colon - name.ptr) + 1;
    return mu_value_member(base, (mu_str){name.ptr + prefix, name.len - prefix});
}

/* D20: x.b over the items, lists flattened one level, nulls dropped. */
static mu_value project(mu_evaluator *evaluator, mu_value list, mu_str name)
{
    mu_value_list out;
    mu_value_list_init(&out, evaluator->arena);
    for (uint32_t i = 0; i < list.n; i++) {
        mu_value value = mu_reference_member(evaluator, list.items[i], name);
        if (value.kind != MU_TYPE_LIST) {
            if (!mu_value_is_null(value))
                mu_value_list_add(&out, value);
            continue;
        }
        for (uint32_t k = 0; k < value.n; k++)
            if (!mu_value_is_null(value.items[k]))
                mu_value_list_add(&out, value.items[k]);
    }
    return mu_value_of_list(&out);
}

mu_value mu_reference_member(mu_evaluator *evaluator, mu_value base, mu_str name)
{
    switch (base.kind) {
    case MU_TYPE_OBJECT:
    case MU_TYPE_MAP:
        return plain_member(evaluator->arena, base, name);
    case MU_TYPE_LIST:
        return project(evaluator, base, name);
    default:
        return MU_VALUE_NULL;
    }
}

/* W05 without a schema: a bare name that the context lacks is a field of the innermost variable. */
static mu_value field_of_variable(mu_evaluator *evaluator, const mu_reference_scope *scope,
                                  mu_str name)
{
    for (; scope != NULL && scope->kind != MU_SCOPE_ITEM; scope = scope->outer)
        if (scope->kind == MU_SCOPE_COMPREHENSION)
            return mu_reference_member(evaluator, scope->value, name);
    return MU_VALUE_NULL;
}

static mu_value absent_field(mu_evaluator *evaluator, const mu_pql *node,
                             const mu_reference_scope *scope)
{
    const mu_pql *base = node->args[0];
    if (base->kind != MU_PQL_PARAMETER || base->position > 1)
        return MU_VALUE_NULL;
    bool is_profile = item_scope(scope, base->up) == NULL;
    if (is_profile && mu_str_equal(node->name, MU_STR("xEvent")))
        return mu_reference_events(evaluator);
    if (!mu_reference_is_dynamic(base))
        return MU_VALUE_NULL;
    if (is_profile && mu_str_equal(node->name, MU_STR("profile"))) /* D17 4 */
        return mu_reference_profile(evaluator);
    return base->up == 0 ? field_of_variable(evaluator, scope, node->name) : MU_VALUE_NULL;
}

static mu_value field(mu_evaluator *evaluator, const mu_pql *node, const mu_reference_scope *scope)
{
    mu_value base = mu_reference_node(evaluator, node->args[0], scope);
    if (node->hop_class.len > 0)
        base = mu_reference_resolve(evaluator, base, node->hop_class);
    mu_value value = mu_reference_member(evaluator, base, node->name);
    if (!mu_value_is_null(value))
        return value;
    bool through_alias =
        node->args[0]->kind == MU_PQL_FIELD && mu_str_equal(node->name, MU_STR("xEvent")) &&
        base.kind == MU_TYPE_OBJECT && base.items == mu_reference_profile(evaluator).items;
    if (through_alias) /* profile.xEvent */
        return mu_reference_events(evaluator);
    return absent_field(evaluator, node, scope);
}

/* @{id;version=N}: data of another schema that the caller gave. */
static mu_value schema_reference(const mu_evaluator *evaluator, const mu_pql *node)
{
    mu_str id = node->name;
    const char *end = id.len > 0 ? memchr(id.ptr, ';', id.len) : NULL;
    if (end != NULL)
        id.len = (size_t)(end - id.ptr);
    return mu_value_member(evaluator->context->context_data, mu_str_trim(id));
}

/* -------- composites -------- */

static mu_value *eval_args(mu_evaluator *evaluator, const mu_pql *node,
                           const mu_reference_scope *scope)
{
    mu_value *values = MU_NEW_ARRAY(evaluator->arena, mu_value, node->n_args);
    for (uint32_t i = 0; i < node->n_args; i++)
        values[i] = mu_reference_node(evaluator, node->args[i], scope);
    return values;
}

static mu_value array(mu_evaluator *evaluator, const mu_pql *node, const mu_reference_scope *scope)
{
    return (mu_value){
        .kind = MU_TYPE_LIST, .n = node->n_args, .items = eval_args(evaluator, node, scope)};
}

static mu_value object(mu_evaluator *evaluator, const mu_pql *node, const mu_reference_scope *scope)
{
    return (mu_value){.kind = MU_TYPE_OBJECT,
                      .n = node->n_args,
                      .items = eval_args(evaluator, node, scope),
                      .keys = node->names};
}

static mu_value let(mu_evaluator *evaluator, const mu_pql *node, const mu_reference_scope *scope)
{
    mu_reference_scope binding = {.outer = scope, .kind = MU_SCOPE_LET, .name = node->name};
    binding.value = mu_reference_node(evaluator, node->args[0], scope);
    return mu_reference_node(evaluator, node->args[1], &binding);
}

/* -------- calls -------- */

/* `if` gives the common type of its branches: Integer and Double give Double (pql.md 7). */
static mu_value choose(const mu_pql *node, const mu_value *args)
{
    bool takes_first = mu_value_is_true(args[0]);
    mu_value chosen = takes_first ? args[1] : args[2];
    mu_value other = takes_first ? args[2] : args[1];
    bool is_double =
        other.kind == MU_TYPE_DOUBLE || (node->type != NULL && node->type->kind == MU_TYPE_DOUBLE);
    if (chosen.kind == MU_TYPE_INTEGER && is_double)
        return mu_value_double((double)chosen.integer);
    return chosen;
}

static mu_value and_or(mu_pql_function function, uint32_t n, const mu_value *args)
{
    bool stops_at = function == MU_FN_OR;
    for (uint32_t i = 0; i < n; i++)
        if (mu_value_is_true(args[i]) == stops_at)
            return mu_value_boolean(stops_at);
    return mu_value_boolean(!stops_at);
}

/* `v in L`: items are coerced to the type of v; a list on the left is any of its items (D26). */
static bool is_in(mu_arena *arena, mu_value v, mu_value list, bool text_may_be_time)
{
    if (mu_value_is_null(v))
        return false;
    if (v.kind == MU_TYPE_LIST) {
        for (uint32_t i = 0; i < v.n; i++)
            if (is_in(arena, v.items[i], list, text_may_be_time))
                return true;
        return false;
    }
    list = mu_value_as_list(arena, list);
    for (uint32_t i = 0; i < list.n; i++)
        if (mu_value_equals(v, list.items[i], text_may_be_time))
            return true;
    return false;
}

/* `v notIn L` (pql.md 7): both not null, and no item equals v. */
static bool is_not_in(mu_arena *arena, mu_value v, mu_value list, bool text_may_be_time)
{
    if (mu_value_is_null(v) || mu_value_is_null(list))
        return false;
    if (v.kind == MU_TYPE_LIST) {
        for (uint32_t i = 0; i < v.n; i++)
            if (is_not_in(arena, v.items[i], list, text_may_be_time))
                return true;
        return false;
    }
    return !is_in(arena, v, list, text_may_be_time);
}

static mu_value all_instances(const mu_evaluator *evaluator, mu_value model)
{
    bool is_event = model.kind == MU_TYPE_STRING &&
                    mu_str_ends_with(model.string, MU_STR("/context/experienceevent")); /* D43 */
    return is_event ? mu_reference_events(evaluator) : MU_VALUE_NULL;
}

mu_value mu_reference_apply(mu_evaluator *evaluator, const mu_pql *node, mu_pql_function function,
                            uint32_t n, const mu_value *args)
{
    bool text_may_be_time = node->n_args == 0 || mu_reference_is_dynamic(node->args[0]);
    switch (function) {
    case MU_FN_AND:
    case MU_FN_OR:
        return and_or(function, n, args);
    case MU_FN_NOT:
        return mu_value_boolean(!mu_value_is_true(args[0]));
    case MU_FN_IF:
        return choose(node, args);
    case MU_FN_EQUAL:
    case MU_FN_NOT_EQUAL:
    case MU_FN_LESS:
    case MU_FN_LESS_EQUAL:
    case MU_FN_GREATER:
    case MU_FN_GREATER_EQUAL:
        return mu_value_boolean(
            mu_value_relation_holds(function, args[0], args[1], text_may_be_time));
    case MU_FN_ADD:
    case MU_FN_SUBTRACT:
    case MU_FN_MULTIPLY:
    case MU_FN_DIVIDE:
    case MU_FN_REMAINDER:
        return mu_reference_arithmetic(function, n, args);
    case MU_FN_IN:
        return mu_value_boolean(is_in(evaluator->arena, args[0], args[1], text_may_be_time));
    case MU_FN_NOT_IN:
        return mu_value_boolean(is_not_in(evaluator->arena, args[0], args[1], text_may_be_time));
    case MU_FN_ARRAY:
        return (mu_value){.kind = MU_TYPE_LIST, .n = n, .items = args};
    case MU_FN_LIKE:
    case MU_FN_EQUALS:
    case MU_FN_NOT_EQUAL_TO:
    case MU_FN_STARTS_WITH:
    case MU_FN_ENDS_WITH:
    case MU_FN_CONTAINS:
    case MU_FN_DOES_NOT_START_WITH:
    case MU_FN_DOES_NOT_END_WITH:
    case MU_FN_DOES_NOT_CONTAIN:
    case MU_FN_MATCHES:
    case MU_FN_STRING_COMPARE:
        return mu_reference_string_test(evaluator, function, n, args);
    case MU_FN_REGEX_GROUP:
        return mu_reference_regex_group(evaluator, n, args);
    case MU_FN_INCLUDES:
    case MU_FN_INTERSECTS:
    case MU_FN_INTERSECTION:
    case MU_FN_SUBSET_OF:
    case MU_FN_SUPERSET_OF:
        return mu_reference_set(evaluator, node, function, args);
    case MU_FN_DISTINCT:
    case MU_FN_HEAD:
    case MU_FN_EXISTS:
    case MU_FN_COUNT_ONLY_NULL:
    case MU_FN_COUNT_WITH_NULL:
    case MU_FN_DISTINCT_COUNT_WITH_NULL:
        return mu_reference_list(evaluator, function, args);
    case MU_FN_COUNT:
    case MU_FN_SUM:
    case MU_FN_AVERAGE:
    case MU_FN_MIN:
    case MU_FN_MAX:
        return mu_reference_aggregate(evaluator, function, args[0]);
    case MU_FN_GET:
    case MU_FN_KEYS:
    case MU_FN_VALUES:
    case MU_FN_MAP_ENTRY:
        return mu_reference_map(evaluator, function, args);
    case MU_FN_IS_NULL:
        return mu_value_boolean(mu_value_is_null(args[0]));
    case MU_FN_IS_NOT_NULL:
        return mu_value_boolean(!mu_value_is_null(args[0]));
    case MU_FN_IN_SEGMENT:
        return mu_reference_in_segment(evaluator, args[0]);
    case MU_FN_RESOLVE:
        if (args[1].kind != MU_TYPE_STRING)
            return MU_VALUE_NULL;
        return mu_reference_resolve(evaluator, args[0], args[1].string);
    case MU_FN_MODEL_INSTANCES:
        return all_instances(evaluator, args[0]);
    case MU_FN_SQUARE:
    case MU_FN_ABS:
    case MU_FN_FLOOR:
    case MU_FN_CEIL:
    case MU_FN_ROUND:
    case MU_FN_ROUND_DOWN:
    case MU_FN_ROUND_UP:
    case MU_FN_TO_PRECISION:
        return mu_reference_number(function, args);
    case MU_FN_STRING_TO_INTEGER:
    case MU_FN_STRING_TO_NUMBER:
    case MU_FN_STRING_TO_DATE:
    case MU_FN_TO_DATE_TIME:
    case MU_FN_TO_INT:
    case MU_FN_TO_BOOL:
    case MU_FN_TO_STRING:
    case MU_FN_TO_PERCENTAGE:
        return mu_reference_convert(evaluator, function, args);
    case MU_FN_CONCAT:
    case MU_FN_LENGTH:
    case MU_FN_LOWER_CASE:
    case MU_FN_UPPER_CASE:
    case MU_FN_TITLE_CASE:
    case MU_FN_CAMEL_CASE:
    case MU_FN_LEFT_TRIM:
    case MU_FN_RIGHT_TRIM:
    case MU_FN_TRIM:
    case MU_FN_INDEX_OF:
    case MU_FN_LAST_INDEX_OF:
    case MU_FN_SUBSTR:
    case MU_FN_REPLACE:
    case MU_FN_REPLACE_ALL:
    case MU_FN_SPLIT:
    case MU_FN_JOIN:
    case MU_FN_IS_EMPTY:
    case MU_FN_IS_NOT_EMPTY:
    case MU_FN_EQUALS_IGNORE_CASE:
    case MU_FN_NOT_EQUAL_WITH_IGNORE_CASE:
    case MU_FN_EQUALS_ANY_IGNORE_CASE:
    case MU_FN_COMPARE_TO:
    case MU_FN_CHAR_CODE_AT:
    case MU_FN_MD5:
    case MU_FN_ENCODE64:
    case MU_FN_DECODE64:
    case MU_FN_EXTRACT_EMAIL_DOMAIN:
    case MU_FN_GET_URL_HOST:
    case MU_FN_GET_URL_PATH:
    case MU_FN_GET_URL_PROTOCOL:
    case MU_FN_GET_URL_FRAGMENT:
    case MU_FN_MASK:
        return mu_reference_text(evaluator, function, n, args);
    case MU_FN_CURRENT_MONTH:
    case MU_FN_CURRENT_YEAR:
    case MU_FN_CURRENT_DAY_OF_MONTH:
    case MU_FN_GET_MONTH:
    case MU_FN_GET_YEAR:
    case MU_FN_GET_DAY_OF_MONTH:
    case MU_FN_DATE:
    case MU_FN_AGE:
    case MU_FN_AGE_IN_DAYS:
    case MU_FN_AGE_IN_MONTHS:
    case MU_FN_ADD_DAYS:
    case MU_FN_ADD_HOURS:
    case MU_FN_ADD_MINUTES:
    case MU_FN_ADD_MONTHS:
    case MU_FN_ADD_SECONDS:
    case MU_FN_ADD_YEARS:
    case MU_FN_DATE_DIFF:
    case MU_FN_DIFF_IN_SECONDS:
    case MU_FN_DATE_BETWEEN:
    case MU_FN_COMPARE_DATES:
    case MU_FN_DAY_OF_WEEK:
    case MU_FN_DAY_OF_MONTH:
    case MU_FN_DAY_OF_YEAR:
    case MU_FN_WEEK_OF_YEAR:
    case MU_FN_EXTRACT_HOURS:
    case MU_FN_EXTRACT_MINUTES:
    case MU_FN_EXTRACT_MONTH:
    case MU_FN_EXTRACT_SECONDS:
    case MU_FN_FORMAT_DATE:
    case MU_FN_SET_DAYS:
    case MU_FN_SET_HOURS:
    case MU_FN_TO_UTC:
    case MU_FN_CURRENT_TIME_IN_MILLIS:
    case MU_FN_GET_CURRENT_ZONED_DATE_TIME:
        return mu_reference_date(evaluator, function, n, args);
    case MU_FN_FILTER: /* only with an item expression: mu_reference_item_call */
    case MU_FN_MAP:
    case MU_FN_GROUP_BY:
    case MU_FN_TOP_N:
    case MU_FN_BOTTOM_N:
    case MU_FN_UNKNOWN:
    case MU_FN_COUNT_:
        break;
    }
    return MU_VALUE_NULL;
}

static bool has_item_expression(const mu_pql *call)
{
    return call->n_args >= 2 && (mu_pql_function_of(call->function)->lambda_mask & 2) != 0;
}

static mu_value call(mu_evaluator *evaluator, const mu_pql *node, const mu_reference_scope *scope)
{
    if (node->function >= MU_FN_UNKNOWN)
        return MU_VALUE_NULL;
    if (has_item_expression(node))
        return mu_reference_item_call(evaluator, node, scope);
    const mu_pql_function_info *info = mu_pql_function_of(node->function);
    mu_value *args = eval_args(evaluator, node, scope);
    if (node->n_args < info->arguments_min || node->n_args > info->arguments_max)
        return MU_VALUE_NULL; /* refused when bound (PQL-T04) */
    return mu_reference_apply(evaluator, node, node->function, node->n_args, args);
}

/* D17 5 without a schema: `numbers.map(square)` reads as a field of the item. Of an item that has
 * no fields it is the unary function of that name; MU_FN_UNKNOWN otherwise. */
static mu_pql_function named_function(const mu_pql *lambda, mu_value item)
{
    const mu_pql *body = lambda->args[0];
    if (lambda->n_names > 0 || body->kind != MU_PQL_FIELD || body->type != NULL ||
        body->args[0]->kind != MU_PQL_PARAMETER || body->args[0]->position != 1 ||
        body->args[0]->up != 0 || item.kind == MU_TYPE_OBJECT || item.kind == MU_TYPE_MAP)
        return MU_FN_UNKNOWN;
    mu_pql_function function = mu_pql_function_find(body->name);
    if (function == MU_FN_UNKNOWN)
        return MU_FN_UNKNOWN;
    const mu_pql_function_info *info = mu_pql_function_of(function);
    bool is_unary = info->tier > 0 && info->arguments_min <= 1 && info->arguments_max >= 1;
    return is_unary ? function : MU_FN_UNKNOWN;
}

mu_value mu_reference_item(mu_evaluator *evaluator, const mu_pql *lambda,
                           const mu_reference_scope *scope, mu_value item, mu_value key)
{
    if (lambda->kind == MU_PQL_FUNCTION_REFERENCE)
        return mu_reference_apply(evaluator, lambda, lambda->function, 1, &item);
    if (lambda->kind != MU_PQL_LAMBDA)
        return MU_VALUE_NULL;
    mu_pql_function function = named_function(lambda, item);
    if (function != MU_FN_UNKNOWN)
        return mu_reference_apply(evaluator, lambda->args[0], function, 1, &item);
    bool takes_key = lambda->n_names == 2;
    mu_reference_scope context = {.outer = scope, .kind = MU_SCOPE_ITEM};
    context.value = takes_key ? key : item;
    mu_reference_scope names[2];
    const mu_reference_scope *inner = &context;
    for (uint32_t i = 0; i < lambda->n_names && i < 2; i++) {
        names[i] =
            (mu_reference_scope){.outer = inner, .kind = MU_SCOPE_LAMBDA, .name = lambda->names[i]};
        names[i].value = takes_key && i == 0 ? key : item;
        inner = &names[i];
    }
    return mu_reference_node(evaluator, lambda->args[0], inner);
}

/* -------- the dispatch -------- */

static mu_value evaluate(mu_evaluator *evaluator, const mu_pql *node,
                         const mu_reference_scope *scope)
{
    switch (node->kind) {
    case MU_PQL_LITERAL:
        return node->literal;
    case MU_PQL_ARRAY:
        return array(evaluator, node, scope);
    case MU_PQL_OBJECT:
        return object(evaluator, node, scope);
    case MU_PQL_FIELD:
        return field(evaluator, node, scope);
    case MU_PQL_PARAMETER:
        return parameter(evaluator, node, scope);
    case MU_PQL_VARIABLE:
        return variable(node, scope);
    case MU_PQL_SCHEMA_REFERENCE:
        return schema_reference(evaluator, node);
    case MU_PQL_CALL:
        return call(evaluator, node, scope);
    case MU_PQL_SELECT:
        return mu_reference_select(evaluator, node, scope);
    case MU_PQL_QUANTIFIED:
        return mu_reference_quantified(evaluator, node, scope);
    case MU_PQL_AGGREGATE:
        return mu_reference_aggregate_over(evaluator, node, scope);
    case MU_PQL_LET:
        return let(evaluator, node, scope);
    case MU_PQL_OCCURS:
        return mu_reference_occurs(evaluator, node, scope);
    case MU_PQL_TIME_WORD: {
        mu_time_bounds bounds;
        bool is_known = mu_time_bounds_constant(node, evaluator->context->now_ms, &bounds);
        return is_known ? mu_value_timestamp(bounds.start_ms) : MU_VALUE_NULL;
    }
    case MU_PQL_TIME_POINT:
        return mu_reference_time_point(evaluator, node, scope);
    case MU_PQL_CHAIN:
        return mu_reference_chain(evaluator, node, scope);
    case MU_PQL_TIME_INTERVAL:      /* stands only where a time does: time_spec.c */
    case MU_PQL_FUNCTION_REFERENCE: /* stand only as an item expression */
    case MU_PQL_LAMBDA:
        break;
    }
    return MU_VALUE_NULL;
}

mu_value mu_reference_node(mu_evaluator *evaluator, const mu_pql *node,
                           const mu_reference_scope *scope)
{
    const mu_reference_context *context = evaluator->context;
    MU_ASSERT(evaluator->depth < MU_REFERENCE_DEPTH_MAX);
    evaluator->depth++;
    mu_value value = evaluate(evaluator, node, scope);
    evaluator->depth--;
    if (context->trace != NULL)
        context->trace(context->trace_context, node, scope, value);
    return value;
}

/* -------- whole evaluations -------- */

void mu_evaluator_init(mu_evaluator *evaluator, mu_arena *arena,
                       const mu_reference_context *context)
{
    *evaluator = (mu_evaluator){.arena = arena, .context = context};
}

void mu_evaluator_fini(mu_evaluator *evaluator)
{
    for (mu_regex_entry *entry = evaluator->regexes; entry != NULL; entry = entry->next)
        mu_regex_free(entry->regex);
    evaluator->regexes = NULL;
}

/* A lambda around the whole query names its parameters; its scope is the profile's. */
mu_reference_result mu_evaluator_run(mu_evaluator *evaluator, const mu_pql *query)
{
    const mu_reference_context *context = evaluator->context;
    const mu_reference_scope *scope = NULL;
    const mu_pql *body = query;
    if (query->kind == MU_PQL_LAMBDA) {
        body = query->args[0];
        mu_reference_scope *names =
            MU_NEW_ARRAY(evaluator->arena, mu_reference_scope, query->n_names);
        for (uint32_t i = 0; i < query->n_names; i++) {
            names[i] =
                (mu_reference_scope){.outer = scope, .kind = MU_SCOPE_LET, .name = query->names[i]};
            if (i < context->n_parameters)
                names[i].value = context->parameters[i];
            scope = &names[i];
        }
    }
    mu_value value = mu_reference_node(evaluator, body, scope);
    if (body != query && context->trace != NULL)
        context->trace(context->trace_context, query, NULL, value);
    return (mu_reference_result){.value = value, .trips = evaluator->trips};
}

mu_reference_result mu_reference_eval(mu_arena *arena, const mu_reference_context *context,
                                      const mu_pql *query)
{
    mu_evaluator evaluator;
    mu_evaluator_init(&evaluator, arena, context);
    mu_reference_result result = mu_evaluator_run(&evaluator, query);
    mu_evaluator_fini(&evaluator);
    return result;
}

bool mu_reference_is_member(mu_arena *arena, const mu_reference_context *context,
                            const mu_pql *query, uint32_t *trips)
{
    mu_reference_result result = mu_reference_eval(arena, context, query);
    *trips = result.trips;
    return result.trips == 0 && mu_value_is_true(result.value);
}

mu_reference_result mu_reference_eval_in(mu_arena *arena, const mu_reference_context *context,
                                         const mu_pql *node, uint32_t n_scopes,
                                         const mu_value *scopes, uint32_t n_variables,
                                         const mu_reference_variable *variables)
{
    mu_evaluator evaluator;
    mu_evaluator_init(&evaluator, arena, context);
    mu_reference_scope *bindings =
        MU_NEW_ARRAY(arena, mu_reference_scope, (size_t)n_scopes + n_variables);
    const mu_reference_scope *scope = NULL;
    uint32_t n = 0;
    for (uint32_t i = n_scopes; i-- > 0; scope = &bindings[n++])
        bindings[n] =
            (mu_reference_scope){.outer = scope, .kind = MU_SCOPE_ITEM, .value = scopes[i]};
    for (uint32_t i = 0; i < n_variables; i++, scope = &bindings[n++])
        bindings[n] = (mu_reference_scope){.outer = scope,
                                           .kind = MU_SCOPE_COMPREHENSION,
                                           .name = variables[i].name,
                                           .value = variables[i].value};
    mu_reference_result result = {.value = mu_reference_node(&evaluator, node, scope)};
    result.trips = evaluator.trips;
    mu_evaluator_fini(&evaluator);
    return result;
}
