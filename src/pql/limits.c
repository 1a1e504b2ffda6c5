/* limits.c -- how much a rule may be (pql.md 17, D82): complexity, aggregations, nesting. */
#include "pql/bind_int.h"

#define LEAVES_MAX       500
#define CLAUSES_MAX      2000
#define AGGREGATIONS_MAX 3
#define NESTING_MAX      2

/* -------- logical complexity (V02) -------- */

/* Estimated sizes of the conjunctive and disjunctive normal forms of a condition. */
typedef struct normal_forms {
    double conjunctive, disjunctive;
} normal_forms;

typedef struct complexity {
    uint64_t n_leaves;
    double clauses; /* of the worst condition */
} complexity;

static normal_forms forms_of(complexity *c, const mu_pql *node);
static void count_inside(void *context, const mu_pql *child);

static bool is_logical(const mu_pql *node)
{
    if (node->kind != MU_PQL_CALL)
        return false;
    return node->function == MU_FN_AND || node->function == MU_FN_OR || node->function == MU_FN_NOT;
}

/* A predicate that holds no condition of its own is a leaf. */
static normal_forms leaf(complexity *c, const mu_pql *node)
{
    uint64_t before = c->n_leaves;
    mu_pql_children(node, count_inside, c);
    if (c->n_leaves == before)
        c->n_leaves++;
    return (normal_forms){1, 1};
}

/* `and` adds the clauses of its operands, `or` multiplies them; the other form the other way
 * round, and `not` swaps the two. Doubles: the products only have to be large, not exact. */
static normal_forms forms_of(complexity *c, const mu_pql *node)
{
    if (!is_logical(node))
        return leaf(c, node);
    bool is_and = node->function == MU_FN_AND;
    normal_forms forms = {is_and ? 0 : 1, is_and ? 1 : 0};
    for (uint32_t i = 0; i < node->n_args; i++) {
        normal_forms arg = forms_of(c, node->args[i]);
        if (node->function == MU_FN_NOT)
            return (normal_forms){arg.disjunctive, arg.conjunctive};
        forms.conjunctive =
            is_and ? forms.conjunctive + arg.conjunctive : forms.conjunctive * arg.conjunctive;
        forms.disjunctive =
            is_and ? forms.disjunctive * arg.disjunctive : forms.disjunctive + arg.disjunctive;
    }
    return forms;
}

static void count_condition(complexity *c, const mu_pql *node)
{
    normal_forms forms = forms_of(c, node);
    if (forms.conjunctive > c->clauses)
        c->clauses = forms.conjunctive;
}

/* Conditions below a predicate: those of filters and comprehensions, and logic used as a value. */
static void count_inside(void *context, const mu_pql *child)
{
    complexity *c = context;
    bool is_condition = is_logical(child) || child->kind == MU_PQL_OCCURS ||
                        (child->kind == MU_PQL_CALL && child->type->kind == MU_TYPE_BOOLEAN);
    if (is_condition)
        count_condition(c, child);
    else
        mu_pql_children(child, count_inside, c);
}

/* False when the rule is too complex, and then nothing else is worth measuring. */
static bool check_complexity(binder *b, const mu_pql *bound)
{
    complexity c = {0};
    count_condition(&c, bound->kind == MU_PQL_LAMBDA ? bound->args[0] : bound);
    if (c.n_leaves > LEAVES_MAX)
        mu_bind_report(b, bound, "PQL-V02", "%llu conditions; the most is %d",
                       (unsigned long long)c.n_leaves, LEAVES_MAX);
    else if (c.clauses > CLAUSES_MAX)
        mu_bind_report(b, bound, "PQL-V02",
                       "the conditions are too entangled: about %.0f clauses in conjunctive normal "
                       "form; the most is %d",
                       c.clauses, CLAUSES_MAX);
    return c.n_leaves <= LEAVES_MAX && c.clauses <= CLAUSES_MAX;
}

/* -------- nesting (W04) -------- */

static uint32_t nesting(const mu_pql *node);

static void deepest_child(void *context, const mu_pql *child)
{
    uint32_t *deepest = context;
    uint32_t depth = nesting(child);
    if (depth > *deepest)
        *deepest = depth;
}

static bool is_filter(const mu_pql *node)
{
    return node->kind == MU_PQL_CALL && node->n_args > 1 &&
           (node->function == MU_FN_FILTER || node->function == MU_FN_EXISTS);
}

static bool is_map_hop(const mu_pql *node)
{
    if (node->kind != MU_PQL_FIELD && !(node->kind == MU_PQL_CALL && node->function == MU_FN_GET))
        return false;
    return node->n_args > 0 && node->args[0]->type->kind == MU_TYPE_MAP;
}

/* Filters count from the path that they stand on; xEvent itself is no level. */
static uint32_t nesting_of_filter(const mu_pql *call)
{
    bool is_events = mu_pql_is_events(call->args[0]);
    return nesting(call->args[0]) + (is_events ? 0 : 1) + nesting(call->args[1]);
}

/* Each variable is one level below the one before it. */
static uint32_t nesting_of_comprehension(const mu_pql *node)
{
    uint32_t level = 0;
    uint32_t deepest = 0;
    for (uint32_t i = 0; i < node->n_declarations; i++) {
        const mu_pql_declaration *d = &node->declarations[i];
        level += nesting(d->from) + (mu_pql_is_events(d->from) ? 0 : 1);
        uint32_t depth = level + (d->where != NULL ? nesting(d->where) : 0);
        deepest = depth > deepest ? depth : deepest;
    }
    for (uint32_t i = 0; i < node->n_args; i++) {
        uint32_t depth = level + nesting(node->args[i]);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest;
}

static uint32_t nesting(const mu_pql *node)
{
    uint32_t deepest = 0;
    if (is_filter(node))
        return nesting_of_filter(node);
    if (node->n_declarations > 0)
        return nesting_of_comprehension(node);
    mu_pql_children(node, deepest_child, &deepest);
    return deepest + is_map_hop(node);
}

void mu_check_limits(binder *b, const mu_pql *bound)
{
    rule_features features;
    if (!check_complexity(b, bound))
        return;
    mu_rule_features(b->arena, bound, &features);
    uint32_t aggregations = features.n_aggregations + features.n_counts;
    if (aggregations > AGGREGATIONS_MAX)
        mu_bind_report(b, bound, "W03", "%u aggregations over events; up to %d are advised",
                       aggregations, AGGREGATIONS_MAX);
    uint32_t levels = nesting(bound);
    if (levels > NESTING_MAX)
        mu_bind_report(b, bound, "W04", "%u levels of nested lists and maps; up to %d are advised",
                       levels, NESTING_MAX);
}
