/* type_check.c -- what operators and functions take and what they give (pql.md 6, 7, 8, 9). */
#include "pql/bind_int.h"

typedef struct signature {
    const char *arguments, *result;
} signature;

static const signature signatures[MU_FN_COUNT_] = {
#define S(id, arguments, result) [MU_FN_##id] = {arguments, result},
#include "pql/signatures.def"
#undef S
};

/* -------- types -------- */

static bool is_unknown(const mu_type *type)
{
    return type->kind == MU_TYPE_ANY || type->kind == MU_TYPE_NULL;
}

bool mu_type_is_condition(const mu_type *type)
{
    return is_unknown(type) || type->kind == MU_TYPE_BOOLEAN || type->kind == MU_TYPE_LIST ||
           type->kind == MU_TYPE_MAP;
}

static bool is_number(const mu_pql *node)
{
    while (node->kind == MU_PQL_LET)
        node = node->args[1];
    if (node->kind == MU_PQL_AGGREGATE)
        return node->function == MU_FN_SUM;
    if (node->kind != MU_PQL_CALL)
        return false;
    return (node->function >= MU_FN_ADD && node->function <= MU_FN_REMAINDER) ||
           node->function == MU_FN_SUM || node->function == MU_FN_SQUARE ||
           node->function == MU_FN_ABS;
}

bool mu_is_condition(const mu_pql *bound)
{
    return mu_type_is_condition(bound->type) && !is_number(bound);
}

bool mu_type_is_scalar(const mu_type *type)
{
    return is_unknown(type) || (type->kind >= MU_TYPE_BOOLEAN && type->kind <= MU_TYPE_TIMESTAMP);
}

bool mu_type_is_numeric(const mu_type *type)
{
    return is_unknown(type) || type->kind == MU_TYPE_INTEGER || type->kind == MU_TYPE_DOUBLE;
}

bool mu_type_is_time(const mu_type *type)
{
    return is_unknown(type) || type->kind == MU_TYPE_DATE || type->kind == MU_TYPE_TIMESTAMP ||
           type->kind == MU_TYPE_STRING;
}

const mu_type *mu_type_common(mu_arena *arena, const mu_type *a, const mu_type *b)
{
    if (a->kind == MU_TYPE_NULL || mu_type_equal(a, b))
        return b;
    if (b->kind == MU_TYPE_NULL)
        return a;
    bool has_double = a->kind == MU_TYPE_DOUBLE || b->kind == MU_TYPE_DOUBLE;
    bool has_integer = a->kind == MU_TYPE_INTEGER || b->kind == MU_TYPE_INTEGER;
    if (has_double && has_integer)
        return mu_type_of(MU_TYPE_DOUBLE);
    if (a->kind == MU_TYPE_STRING && b->kind == MU_TYPE_STRING) /* keys of different classes */
        return mu_type_of(MU_TYPE_STRING);
    if (a->kind == b->kind && a->kind == MU_TYPE_LIST)
        return mu_type_list(arena, mu_type_common(arena, a->item, b->item));
    if (a->kind == b->kind && a->kind == MU_TYPE_MAP)
        return mu_type_map(arena, mu_type_common(arena, a->item, b->item));
    return mu_type_of(MU_TYPE_ANY);
}

const mu_type *mu_type_item(const mu_type *type)
{
    switch (type->kind) {
    case MU_TYPE_LIST:
    case MU_TYPE_MAP:
        return type->item;
    case MU_TYPE_OBJECT: /* a single object counts as a list of that one item (pql.md 8.2) */
    case MU_TYPE_ANY:
    case MU_TYPE_NULL:
        return type;
    default:
        return NULL;
    }
}

/* As mu_type_item, ANY when it is no list (which was reported). */
static const mu_type *item_of(const mu_pql *node)
{
    const mu_type *item = mu_type_item(node->type);
    return item != NULL ? item : mu_type_of(MU_TYPE_ANY);
}

/* -------- arguments -------- */

static bool accepts(char letter, const mu_type *type)
{
    switch (letter) {
    case 'x':
        return mu_type_is_scalar(type) ||
               (type->kind == MU_TYPE_LIST && mu_type_is_scalar(type->item));
    case 's':
        return mu_type_is_scalar(type);
    case 'p':
        return mu_type_may_be(type, MU_TYPE_STRING);
    case 'l':
        return mu_type_item(type) != NULL;
    case 'm':
        if (type->kind == MU_TYPE_LIST)
            type = type->item;
        return mu_type_may_be(type, MU_TYPE_MAP) || type->kind == MU_TYPE_OBJECT;
    case 'n':
        return mu_type_is_numeric(type);
    case 'i':
        return mu_type_may_be(type, MU_TYPE_INTEGER);
    case 'b':
        return mu_type_may_be(type, MU_TYPE_BOOLEAN);
    case 't':
        return mu_type_is_time(type);
    default: /* v; c and e were looked at when their lambda was bound */
        return true;
    }
}

static const char *wanted(char letter)
{
    switch (letter) {
    case 'x':
        return "a scalar or a list of scalars";
    case 's':
        return "a scalar";
    case 'p':
        return "a string";
    case 'l':
        return "a list";
    case 'm':
        return "a map";
    case 'n':
        return "a number";
    case 'i':
        return "an integer";
    case 'b':
        return "a boolean";
    default:
        return "a date or date-time";
    }
}

static void check_argument(binder *b, const mu_pql *call, uint32_t i, char letter)
{
    const mu_type *type = call->args[i]->type;
    if (accepts(letter, type))
        return;
    if (i == 0 && (letter == 'l' || letter == 'm'))
        mu_bind_report(b, call, "PQL-T02", "%s has no member '" MU_STR_FMT "'",
                       mu_bind_type_name(b, type), MU_STR_ARG(call->name));
    else
        mu_bind_report(b, call->args[i], "PQL-T04",
                       "argument %u of '" MU_STR_FMT "' must be %s, not %s", i + 1,
                       MU_STR_ARG(call->name), wanted(letter), mu_bind_type_name(b, type));
}

static void check_by_signature(binder *b, const mu_pql *call)
{
    const char *letter = signatures[call->function].arguments;
    if (letter == NULL)
        return;
    for (uint32_t i = 0; i < call->n_args && *letter != '\0'; i++) {
        check_argument(b, call, i, *letter);
        if (letter[1] != '*')
            letter++;
    }
}

static void report_operand(binder *b, const mu_pql *call, const mu_pql *operand, const char *what)
{
    mu_bind_report(b, operand, "PQL-T03", "'" MU_STR_FMT "' needs %s, not %s",
                   MU_STR_ARG(call->name), what, mu_bind_type_name(b, operand->type));
}

static bool is_null_literal(const mu_pql *node)
{
    return node->kind == MU_PQL_LITERAL && node->literal.kind == MU_TYPE_NULL;
}

static void check_comparison(binder *b, const mu_pql *call)
{
    bool is_order = call->function != MU_FN_EQUAL && call->function != MU_FN_NOT_EQUAL;
    if (is_null_literal(call->args[0]) || is_null_literal(call->args[1]))
        mu_bind_report(b, call, "W01",
                       "a comparison with null is never true; use isNull() or isNotNull()");
    for (uint32_t i = 0; i < 2; i++) {
        const mu_pql *operand = call->args[i];
        const mu_type *type =
            operand->type->kind == MU_TYPE_LIST ? operand->type->item : operand->type;
        if (is_order && !mu_type_is_scalar(type))
            report_operand(b, call, operand, "values that have an order");
    }
}

static void check_arithmetic(binder *b, const mu_pql *call)
{
    for (uint32_t i = 0; i < call->n_args; i++)
        if (!mu_type_is_numeric(call->args[i]->type))
            report_operand(b, call, call->args[i], "numbers");
}

void mu_check_arguments(binder *b, const mu_pql *call)
{
    switch (call->function) {
    case MU_FN_EQUAL:
    case MU_FN_NOT_EQUAL:
    case MU_FN_LESS:
    case MU_FN_LESS_EQUAL:
    case MU_FN_GREATER:
    case MU_FN_GREATER_EQUAL:
        check_comparison(b, call);
        break;
    case MU_FN_ADD:
    case MU_FN_SUBTRACT:
    case MU_FN_MULTIPLY:
    case MU_FN_DIVIDE:
    case MU_FN_REMAINDER:
        check_arithmetic(b, call);
        break;
    case MU_FN_IN:
    case MU_FN_NOT_IN:
        if (!mu_type_may_be(call->args[1]->type, MU_TYPE_LIST))
            report_operand(b, call, call->args[1], "a list on its right");
        break;
    case MU_FN_LIKE:
        if (!accepts('x', call->args[0]->type))
            report_operand(b, call, call->args[0], "text on its left");
        if (!accepts('p', call->args[1]->type))
            report_operand(b, call, call->args[1], "a pattern on its right");
        break;
    default:
        check_by_signature(b, call);
    }
}

/* -------- results -------- */

static const mu_type *arithmetic_type(const mu_pql *call)
{
    bool is_integer = true;
    for (uint32_t i = 0; i < call->n_args; i++) {
        if (call->args[i]->type->kind == MU_TYPE_ANY)
            return mu_type_of(MU_TYPE_ANY);
        is_integer = is_integer && mu_type_may_be(call->args[i]->type, MU_TYPE_INTEGER);
    }
    return mu_type_of(is_integer ? MU_TYPE_INTEGER : MU_TYPE_DOUBLE);
}

const mu_type *mu_type_aggregate(mu_pql_function function, const mu_type *item)
{
    switch (function) {
    case MU_FN_COUNT:
        return mu_type_of(MU_TYPE_INTEGER);
    case MU_FN_AVERAGE:
        return mu_type_of(MU_TYPE_DOUBLE);
    case MU_FN_SUM: /* what is no number is skipped (D41), so the sum of text is 0 */
        if (item->kind == MU_TYPE_ANY || item->kind == MU_TYPE_DOUBLE)
            return item;
        return mu_type_of(MU_TYPE_INTEGER);
    default: /* min, max */
        return mu_type_is_scalar(item) ? item : mu_type_of(MU_TYPE_ANY);
    }
}

static const mu_type *aggregate_type(const mu_pql *call)
{
    const mu_type *item = item_of(call->args[0]);
    if (call->n_args > 1 && call->args[1]->kind == MU_PQL_LAMBDA)
        item = call->args[1]->args[0]->type;
    return mu_type_aggregate(call->function, item);
}

/* Does the body of `map` make map entries? `if` and `let` may stand between. */
static bool makes_entries(const mu_pql *body)
{
    while (body->kind == MU_PQL_LET ||
           (body->kind == MU_PQL_CALL && body->function == MU_FN_IF && body->n_args == 3)) {
        if (body->kind == MU_PQL_CALL && makes_entries(body->args[2]))
            return true;
        body = body->args[1];
    }
    return body->kind == MU_PQL_CALL && body->function == MU_FN_MAP_ENTRY;
}

static const mu_type *map_type(binder *b, const mu_pql *call)
{
    if (call->args[1]->kind != MU_PQL_LAMBDA)
        return mu_type_of(MU_TYPE_ANY);
    const mu_pql *body = call->args[1]->args[0];
    if (makes_entries(body))
        return mu_type_may_be(body->type, MU_TYPE_MAP) ? body->type : mu_type_of(MU_TYPE_ANY);
    return mu_type_list(b->arena, body->type);
}

/* What a key leads to in one map or object. */
static const mu_type *type_at_key(const mu_type *type, const mu_pql *key)
{
    if (type->kind == MU_TYPE_MAP)
        return type->item;
    if (type->kind == MU_TYPE_NULL)
        return type;
    int field = type->kind == MU_TYPE_OBJECT && key->kind == MU_PQL_LITERAL &&
                        key->literal.kind == MU_TYPE_STRING
                    ? mu_type_field(type, key->literal.string)
                    : -1;
    return field < 0 ? mu_type_of(MU_TYPE_ANY) : type->field_types[field];
}

/* A list of maps is projected like a field of them (D20). */
static const mu_type *get_type(binder *b, const mu_pql *call)
{
    const mu_type *type = call->args[0]->type;
    if (type->kind != MU_TYPE_LIST)
        return type_at_key(type, call->args[1]);
    const mu_type *found = type_at_key(type->item, call->args[1]);
    return found->kind == MU_TYPE_LIST ? found : mu_type_list(b->arena, found);
}

static const mu_type *values_type(binder *b, const mu_pql *call)
{
    const mu_type *type = call->args[0]->type;
    if (type->kind == MU_TYPE_LIST)
        type = type->item;
    return mu_type_list(b->arena, type->kind == MU_TYPE_MAP ? type->item : mu_type_of(MU_TYPE_ANY));
}

/* resolve(key, "class"): a record, or a list of them for a list of keys. */
static const mu_type *resolve_type(binder *b, const mu_pql *call)
{
    const mu_pql *name = call->args[1];
    const mu_type *record = mu_type_of(MU_TYPE_ANY);
    if (b->options->schema != NULL && name->kind == MU_PQL_LITERAL &&
        name->literal.kind == MU_TYPE_STRING) {
        const mu_lookup_class *target =
            mu_schema_lookup_class(b->options->schema, name->literal.string);
        if (target == NULL)
            mu_bind_report(b, name, "PQL-R01", "unknown lookup class '" MU_STR_FMT "'",
                           MU_STR_ARG(name->literal.string));
        else
            record = target->type;
    }
    return call->args[0]->type->kind == MU_TYPE_LIST ? mu_type_list(b->arena, record) : record;
}

static const mu_type *special_type(binder *b, const mu_pql *call)
{
    switch (call->function) {
    case MU_FN_FILTER: /* a map keeps the entries whose values satisfy (D21) */
        if (call->args[0]->type->kind == MU_TYPE_MAP)
            return call->args[0]->type;
        return mu_type_list(b->arena, item_of(call->args[0]));
    case MU_FN_INTERSECTION:
    case MU_FN_DISTINCT:
    case MU_FN_TOP_N:
    case MU_FN_BOTTOM_N:
        return mu_type_list(b->arena, item_of(call->args[0]));
    case MU_FN_HEAD:
        return item_of(call->args[0]);
    case MU_FN_MAP:
        return map_type(b, call);
    case MU_FN_GROUP_BY:
        return mu_type_map(b->arena, mu_type_list(b->arena, item_of(call->args[0])));
    case MU_FN_GET:
        return get_type(b, call);
    case MU_FN_VALUES:
        return values_type(b, call);
    case MU_FN_MAP_ENTRY:
        return mu_type_map(b->arena, call->args[1]->type);
    case MU_FN_RESOLVE:
        return resolve_type(b, call);
    default:
        return aggregate_type(call);
    }
}

static const mu_type *type_by_signature(binder *b, const mu_pql *call)
{
    const signature *s = &signatures[call->function];
    if (s->result == NULL) /* and, or, not, comparisons, in, like, inSegment */
        return mu_type_of(MU_TYPE_BOOLEAN);
    switch (*s->result) {
    case 'b':
        return mu_type_of(MU_TYPE_BOOLEAN);
    case 'i':
        return mu_type_of(MU_TYPE_INTEGER);
    case 'd':
        return mu_type_of(MU_TYPE_DOUBLE);
    case 's':
        return mu_type_of(MU_TYPE_STRING);
    case 'D':
        return mu_type_of(MU_TYPE_DATE);
    case 'T':
        return mu_type_of(MU_TYPE_TIMESTAMP);
    case 'S':
        return mu_type_list(b->arena, mu_type_of(MU_TYPE_STRING));
    case 'n':
        return mu_type_is_numeric(call->args[0]->type) ? call->args[0]->type
                                                       : mu_type_of(MU_TYPE_ANY);
    case 't':
        return call->args[0]->type->kind == MU_TYPE_STRING ? mu_type_of(MU_TYPE_ANY)
                                                           : call->args[0]->type;
    default: /* '*' */
        return special_type(b, call);
    }
}

const mu_type *mu_call_type(binder *b, const mu_pql *call)
{
    switch (call->function) {
    case MU_FN_IF:
        return mu_type_common(b->arena, call->args[1]->type, call->args[2]->type);
    case MU_FN_ADD:
    case MU_FN_SUBTRACT:
    case MU_FN_MULTIPLY:
    case MU_FN_REMAINDER:
        return arithmetic_type(call);
    case MU_FN_DIVIDE:
        return mu_type_of(MU_TYPE_DOUBLE);
    case MU_FN_ARRAY: {
        const mu_type *item = mu_type_of(call->n_args == 0 ? MU_TYPE_ANY : MU_TYPE_NULL);
        for (uint32_t i = 0; i < call->n_args; i++)
            item = mu_type_common(b->arena, item, call->args[i]->type);
        return mu_type_list(b->arena, item);
    }
    default:
        return type_by_signature(b, call);
    }
}
