/* compile.c -- bound trees become plan nodes.
 *
 * Three ways, in this order: a kernel over columns; a table, when a subtree depends on a single
 * value of a single column; the reference evaluator, for the smallest condition around what has
 * neither.
 */
#include "eval/compile_int.h"

static compiled node_value(uint32_t node, mu_type_kind type)
{
    if (node == NO_NODE)
        return NOTHING;
    return (compiled){.kind = COMPILED_NODE, .node = node, .type = type};
}

static compiled column_value(uint32_t column)
{
    if (column == NO_COLUMN)
        return NOTHING;
    return (compiled){.kind = COMPILED_COLUMN, .column = column};
}

static compiled constant_value(mu_value value)
{
    return (compiled){.kind = COMPILED_CONSTANT, .constant = value};
}

/* -------- names -------- */

static compiled compile_parameter(compiler *c, const mu_pql *query)
{
    if (query->position != 1 || query->up >= c->n_items)
        return NOTHING;
    const scope_entry *item = &c->items[c->n_items - 1 - query->up];
    return item->is_accessible ? item->value : NOTHING;
}

static compiled compile_variable(compiler *c, mu_str name)
{
    for (uint32_t i = c->n_variables; i-- > 0;)
        if (mu_str_equal(c->variables[i].name, name))
            return c->variables[i].is_accessible ? c->variables[i].value : NOTHING;
    return NOTHING;
}

/* -------- calls that give a value -------- */

static compiled compile_arithmetic(compiler *c, const mu_pql *call)
{
    compiled a = compile_value(c, call->args[0]);
    mu_type_kind type_a = compiled_type(c, a);
    if (type_a != MU_TYPE_INTEGER && type_a != MU_TYPE_DOUBLE)
        return NOTHING;
    if (call->n_args == 1)
        return node_value(plan_negate(c->plan, compiled_numeric(c, a)), type_a);
    compiled b = compile_value(c, call->args[1]);
    mu_type_kind type_b = compiled_type(c, b);
    if (type_b != MU_TYPE_INTEGER && type_b != MU_TYPE_DOUBLE)
        return NOTHING;
    uint32_t node =
        plan_arithmetic(c->plan, call->function, compiled_numeric(c, a), compiled_numeric(c, b));
    if (node == NO_NODE)
        return NOTHING;
    return node_value(node, c->plan->nodes[node].kind == VECTOR_DOUBLE ? MU_TYPE_DOUBLE
                                                                       : MU_TYPE_INTEGER);
}

static compiled compile_if(compiler *c, const mu_pql *call)
{
    uint32_t condition = compile_bits(c, call->args[0]);
    compiled a = compile_value(c, call->args[1]);
    compiled b = compile_value(c, call->args[2]);
    mu_type_kind type_a = compiled_type(c, a), type_b = compiled_type(c, b);
    if (condition == NO_NODE || a.kind == COMPILED_NOTHING || b.kind == COMPILED_NOTHING)
        return NOTHING;
    if (type_a == MU_TYPE_BOOLEAN && type_b == MU_TYPE_BOOLEAN) {
        uint32_t bits_a = compiled_truth(c, a), bits_b = compiled_truth(c, b);
        /* A null branch is null, which as a Boolean is false but is not `false` to isNull. */
        if (a.kind == COMPILED_NODE && b.kind == COMPILED_NODE)
            return node_value(plan_or(c->plan, plan_and(c->plan, condition, bits_a),
                                      plan_and(c->plan, plan_not(c->plan, condition), bits_b)),
                              MU_TYPE_BOOLEAN);
        return NOTHING;
    }
    bool numbers = (type_a == MU_TYPE_INTEGER || type_a == MU_TYPE_DOUBLE) &&
                   (type_b == MU_TYPE_INTEGER || type_b == MU_TYPE_DOUBLE);
    if (!numbers && !(type_a == type_b && (type_a == MU_TYPE_DATE || type_a == MU_TYPE_TIMESTAMP)))
        return NOTHING;
    uint32_t node = plan_select(c->plan, condition, compiled_numeric(c, a), compiled_numeric(c, b));
    if (node == NO_NODE)
        return NOTHING;
    mu_type_kind type = type_a;
    if (numbers)
        type = c->plan->nodes[node].kind == VECTOR_DOUBLE ? MU_TYPE_DOUBLE : MU_TYPE_INTEGER;
    return node_value(node, type);
}

static compiled compile_let(compiler *c, const mu_pql *query, uint32_t *condition)
{
    compiled value = compile_value(c, query->args[0]);
    if (value.kind == COMPILED_NOTHING || c->n_variables == SCOPES_MAX) {
        if (condition != NULL)
            *condition = NO_NODE;
        return NOTHING;
    }
    c->variables[c->n_variables++] =
        (scope_entry){.name = query->name, .value = value, .is_accessible = true};
    compiled result = NOTHING;
    if (condition != NULL)
        *condition = compile_bits(c, query->args[1]);
    else
        result = compile_value(c, query->args[1]);
    c->n_variables--;
    return result;
}

static bool is_condition_call(mu_pql_function function)
{
    switch (function) {
    case MU_FN_AND:
    case MU_FN_OR:
    case MU_FN_NOT:
    case MU_FN_EQUAL:
    case MU_FN_NOT_EQUAL:
    case MU_FN_LESS:
    case MU_FN_LESS_EQUAL:
    case MU_FN_GREATER:
    case MU_FN_GREATER_EQUAL:
    case MU_FN_IN:
    case MU_FN_NOT_IN:
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
    case MU_FN_INCLUDES:
    case MU_FN_INTERSECTS:
    case MU_FN_SUBSET_OF:
    case MU_FN_SUPERSET_OF:
    case MU_FN_EXISTS:
    case MU_FN_IS_NULL:
    case MU_FN_IS_NOT_NULL:
    case MU_FN_IN_SEGMENT:
        return true;
    default:
        return false;
    }
}

static compiled compile_call(compiler *c, const mu_pql *call)
{
    if (is_condition_call(call->function))
        return node_value(compile_bits(c, call), MU_TYPE_BOOLEAN);
    switch (call->function) {
    case MU_FN_ADD:
    case MU_FN_SUBTRACT:
    case MU_FN_MULTIPLY:
    case MU_FN_DIVIDE:
    case MU_FN_REMAINDER:
        return compile_arithmetic(c, call);
    case MU_FN_IF:
        return compile_if(c, call);
    default:
        return compile_list_call(c, call);
    }
}

/* -------- what was compiled before -------- */

static compiled_memo **memo_slot(const compiler *c, const mu_pql *query)
{
    uint64_t hash = (uint64_t)(uintptr_t)query * 0x9e3779b97f4a7c15u;
    for (uint32_t i = (uint32_t)(hash >> 32);; i++) {
        compiled_memo **slot = &c->memos[i & (c->memos_capacity - 1)];
        if (*slot == NULL || (*slot)->query == query)
            return slot;
    }
}

static void grow_memos(compiler *c)
{
    compiled_memo **old = c->memos;
    uint32_t n_old = c->memos_capacity;
    c->memos_capacity = n_old == 0 ? 64 : n_old * 2;
    c->memos = MU_NEW_ARRAY(c->scratch, compiled_memo *, c->memos_capacity);
    for (uint32_t i = 0; i < n_old; i++)
        if (old[i] != NULL)
            *memo_slot(c, old[i]->query) = old[i];
}

/* Stays where it is while others are added. */
static compiled_memo *memo_of(compiler *c, const mu_pql *query)
{
    if (c->n_memos * 2 >= c->memos_capacity)
        grow_memos(c);
    compiled_memo **slot = memo_slot(c, query);
    if (*slot == NULL) {
        *slot = MU_NEW(c->scratch, compiled_memo);
        (*slot)->query = query;
        c->n_memos++;
    }
    return *slot;
}

static compiled compile_new_value(compiler *c, const mu_pql *query)
{
    mu_value constant;
    switch (query->kind) {
    case MU_PQL_LITERAL:
        return constant_value(query->literal);
    case MU_PQL_PARAMETER:
        return compile_parameter(c, query);
    case MU_PQL_VARIABLE:
        return compile_variable(c, query->name);
    case MU_PQL_FIELD:
        if (query->hop_class.len > 0)
            return NOTHING;
        return compile_field(c, compile_value(c, query->args[0]), query->name);
    case MU_PQL_SELECT:
        return compile_select(c, query);
    case MU_PQL_AGGREGATE:
        return compile_aggregate(c, query);
    case MU_PQL_LET:
        return compile_let(c, query, NULL);
    case MU_PQL_QUANTIFIED:
    case MU_PQL_OCCURS:
    case MU_PQL_CHAIN:
        return node_value(compile_bits(c, query), MU_TYPE_BOOLEAN);
    case MU_PQL_TIME_WORD:
    case MU_PQL_ARRAY:
        return compile_constant(c, query, &constant) ? constant_value(constant) : NOTHING;
    case MU_PQL_CALL: {
        compiled value = compile_call(c, query);
        if (value.kind == COMPILED_NOTHING && compile_constant(c, query, &constant))
            return constant_value(constant);
        return value;
    }
    default:
        return NOTHING;
    }
}

compiled compile_value(compiler *c, const mu_pql *query)
{
    compiled_memo *memo = memo_of(c, query);
    if (!memo->has_value) {
        memo->has_value = true;
        memo->value = NOTHING;
        memo->value = compile_new_value(c, query);
    }
    return memo->value;
}

/* -------- conditions -------- */

/* Only what stands among the rows' own scope can be left to the reference evaluator by itself. */
static bool is_outermost(const compiler *c)
{
    return c->n_items == 1 && c->n_variables == 0;
}

static uint32_t bits_or_reference(compiler *c, const mu_pql *query)
{
    uint32_t bits = compile_bits(c, query);
    if (bits == NO_NODE && is_outermost(c))
        return plan_reference(c->plan, query);
    return bits;
}

static uint32_t compile_and_or(compiler *c, const mu_pql *call, plan_operation operation)
{
    uint32_t *inputs = MU_NEW_ARRAY(c->arena, uint32_t, call->n_args);
    for (uint32_t i = 0; i < call->n_args; i++) {
        inputs[i] = bits_or_reference(c, call->args[i]);
        if (inputs[i] == NO_NODE)
            return NO_NODE;
    }
    return plan_and_all(c->plan, operation, call->n_args, inputs);
}

static uint32_t compile_is_null(compiler *c, const mu_pql *call)
{
    compiled value = compile_value(c, call->args[0]);
    /* A list that was computed is null when what it was computed from is: left to the reference. */
    if (value.kind == COMPILED_VIEW && !value.is_single)
        return NO_NODE;
    uint32_t valid = compiled_valid(c, value);
    return call->function == MU_FN_IS_NULL ? plan_not(c->plan, valid) : valid;
}

static uint32_t compile_in_segment(compiler *c, const mu_pql *call)
{
    if (call->args[0]->kind != MU_PQL_LITERAL || call->args[0]->literal.kind != MU_TYPE_STRING)
        return NO_NODE;
    mu_str id = call->args[0]->literal.string;
    const mu_pql *row_condition = NULL;
    uint32_t audience = c->job->find_audience(c->job->context, id);
    if (audience != UINT32_MAX)
        return plan_member(c->plan, audience);
    uint32_t known = c->job->find_known(c->job->context, id, &row_condition);
    if (known == UINT32_MAX)
        return NO_NODE;
    if (row_condition == NULL)
        return plan_known(c->plan, known);
    return plan_or(c->plan, plan_known(c->plan, known), compile_condition(c->job, row_condition));
}

static uint32_t compile_if_condition(compiler *c, const mu_pql *call)
{
    uint32_t condition = bits_or_reference(c, call->args[0]);
    uint32_t a = bits_or_reference(c, call->args[1]);
    uint32_t b = bits_or_reference(c, call->args[2]);
    if (condition == NO_NODE)
        return NO_NODE;
    return plan_or(c->plan, plan_and(c->plan, condition, a),
                   plan_and(c->plan, plan_not(c->plan, condition), b));
}

static uint32_t compile_call_bits(compiler *c, const mu_pql *call)
{
    switch (call->function) {
    case MU_FN_AND:
        return compile_and_or(c, call, PLAN_AND);
    case MU_FN_OR:
        return compile_and_or(c, call, PLAN_OR);
    case MU_FN_NOT:
        return plan_not(c->plan, bits_or_reference(c, call->args[0]));
    case MU_FN_IF:
        return compile_if_condition(c, call);
    case MU_FN_EQUAL:
    case MU_FN_NOT_EQUAL:
    case MU_FN_LESS:
    case MU_FN_LESS_EQUAL:
    case MU_FN_GREATER:
    case MU_FN_GREATER_EQUAL:
        return compile_comparison(c, call->function, compile_value(c, call->args[0]),
                                  compile_value(c, call->args[1]));
    case MU_FN_IN:
    case MU_FN_NOT_IN:
    case MU_FN_INCLUDES:
        return compile_membership(c, call);
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
        return compile_text_predicate(c, call);
    case MU_FN_IS_NULL:
    case MU_FN_IS_NOT_NULL:
        return compile_is_null(c, call);
    case MU_FN_IN_SEGMENT:
        return compile_in_segment(c, call);
    case MU_FN_INTERSECTS:
    case MU_FN_SUPERSET_OF:
    case MU_FN_SUBSET_OF:
    case MU_FN_EXISTS:
        return compile_list_condition(c, call);
    default:
        return compiled_truth(c, compile_list_call(c, call));
    }
}

static uint32_t compile_kernels(compiler *c, const mu_pql *query)
{
    uint32_t bits;
    switch (query->kind) {
    case MU_PQL_CALL:
        return compile_call_bits(c, query);
    case MU_PQL_QUANTIFIED:
        return compile_quantified(c, query);
    case MU_PQL_OCCURS:
        return compile_occurs(c, query);
    case MU_PQL_CHAIN:
        return compile_chain(c, query);
    case MU_PQL_LET:
        compile_let(c, query, &bits);
        return bits;
    case MU_PQL_LITERAL:
    case MU_PQL_FIELD:
    case MU_PQL_PARAMETER:
    case MU_PQL_VARIABLE:
    case MU_PQL_SELECT:
    case MU_PQL_AGGREGATE:
        return compiled_truth(c, compile_value(c, query));
    default:
        return NO_NODE;
    }
}

/* and, or, not and if are taken apart before a table is tried, so that their parts are shared. */
static bool is_connective(const mu_pql *query)
{
    return query->kind == MU_PQL_CALL &&
           (query->function == MU_FN_AND || query->function == MU_FN_OR ||
            query->function == MU_FN_NOT || query->function == MU_FN_IF);
}

uint32_t compile_bits(compiler *c, const mu_pql *query)
{
    compiled_memo *memo = memo_of(c, query);
    if (!memo->has_bits) {
        memo->has_bits = true;
        memo->bits = NO_NODE;
        memo->bits = compile_kernels(c, query);
        if (memo->bits == NO_NODE && !(is_connective(query) && is_outermost(c)))
            memo->bits = compile_table(c, query);
    }
    return memo->bits;
}

static uint32_t compile_body(compiler *c, const mu_pql *query)
{
    const mu_pql *body = query;
    c->items[c->n_items++] = (scope_entry){.value = column_value(0), .is_accessible = true};
    if (query->kind == MU_PQL_LAMBDA) { /* (Profile) => ...: the rows' own scope, under a name */
        body = query->args[0];
        if (query->n_names == 1)
            c->variables[c->n_variables++] = (scope_entry){
                .name = query->names[0], .value = column_value(0), .is_accessible = true};
    }
    return bits_or_reference(c, body);
}

uint32_t compile_condition(compile_job *job, const mu_pql *query)
{
    if (query->kind == MU_PQL_LAMBDA && query->n_names > 1)
        return plan_reference(job->plan, query);
    scope_entry items[SCOPES_MAX], variables[SCOPES_MAX]; /* not cleared: most rules use two */
    compiler c = {.job = job,
                  .plan = job->plan,
                  .arena = job->plan->arena,
                  .scratch = &job->scratch,
                  .items = items,
                  .variables = variables};
    job->depth++; /* a membership that rows decide is a condition within one */
    uint32_t bits = compile_body(&c, query);
    if (--job->depth == 0)
        mu_arena_reset(&job->scratch);
    if (bits != NO_NODE)
        bits = plan_at_level(job->plan, bits, 0);
    return bits == NO_NODE ? plan_reference(job->plan, query) : bits;
}
