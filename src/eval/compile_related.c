/* compile_related.c -- conditions between items of one list: quantifiers with several variables,
 * and chains whose conditions read another event's values.
 *
 *   exists A from xEvent where a(A), B from xEvent where b(B) and B.sku = A.sku
 *   CHAIN(xEvent, timestamp, [A: WHAT(a), B: WHAT(b and sku = A.sku) WHEN(<= 1 days after A)])
 *
 * A condition is taken apart at its ands. What reads the item itself becomes bits of that element,
 * what reads one earlier item alone becomes bits of the earlier element (not in a chain, where it
 * would change what counts as a step), and a comparison with the item on one side and an earlier
 * one on the other becomes a relation. Anything else has no kernel.
 */
#include "eval/compile_int.h"
#include "eval/reference_int.h"

/* The search is a loop over so many nested choices. */
#define RELATED_ELEMENTS_MAX 8u

typedef struct related_compiler {
    compiler *c;
    uint32_t first_variable; /* of the earlier elements, one each, in the compiler's scopes */
    uint32_t first_item;     /* the first implicit item inside */
    uint32_t n_elements;     /* those before the one that is compiled just now */
    plan_related_element *elements;
    bool in_time_order;
    bool reaches_far; /* some condition reads an element before the last one */
    bool excludes_by_relation;
    uint32_t *earliest; /* per element, and for what follows them: the first that it reads */
} related_compiler;

/* -------- which element a tree reads -------- */

#define READS_NONE    UINT32_MAX
#define READS_SEVERAL (UINT32_MAX - 1)

typedef struct reading {
    const related_compiler *r;
    uint32_t element;
} reading;

static void note_variable(void *context, const mu_pql *node)
{
    reading *at = context;
    const scope_entry *variables = at->r->c->variables + at->r->first_variable;
    for (uint32_t e = 0; node->kind == MU_PQL_VARIABLE && e < at->r->n_elements; e++)
        if (variables[e].name.len > 0 && mu_str_equal(variables[e].name, node->name))
            at->element = at->element == READS_NONE || at->element == e ? e : READS_SEVERAL;
    mu_reference_children(node, note_variable, context); /* as deep as the tree */
}

static uint32_t element_read(const related_compiler *r, const mu_pql *tree)
{
    reading at = {.r = r, .element = READS_NONE};
    note_variable(&at, tree);
    return at.element;
}

/* -------- sides of a relation -------- */

/* Opens the scopes to one earlier element only; READS_NONE: to the item itself. */
static void open_scopes(related_compiler *r, uint32_t element)
{
    compiler *c = r->c;
    for (uint32_t v = r->first_variable; v < c->n_variables; v++)
        c->variables[v].is_accessible = v >= r->first_variable + r->n_elements
                                            ? element == READS_NONE
                                            : v - r->first_variable == element;
    for (uint32_t i = r->first_item; i < c->n_items; i++)
        c->items[i].is_accessible = element == READS_NONE;
}

static uint32_t bits_of(related_compiler *r, const mu_pql *tree, uint32_t element, uint32_t level)
{
    open_scopes(r, element);
    uint32_t bits = compile_bits(r->c, tree);
    open_scopes(r, READS_NONE);
    return plan_at_level(r->c->plan, bits, level);
}

static compiled value_of(related_compiler *r, const mu_pql *tree, uint32_t element)
{
    open_scopes(r, element);
    compiled value = compile_value(r->c, tree);
    open_scopes(r, READS_NONE);
    return value;
}

/* A number of the level's items; false when there is no kernel for it. */
static bool number_operand(related_compiler *r, compiled value, uint32_t level, bool as_double,
                           plan_operand *out)
{
    plan *p = r->c->plan;
    *out = (plan_operand){NO_COLUMN, NO_NODE};
    if (value.kind == COMPILED_COLUMN && p->columns[value.column].level == level) {
        out->column = value.column;
        return true;
    }
    uint32_t node = compiled_numeric(r->c, value);
    if (node != NO_NODE && as_double && p->nodes[node].kind == VECTOR_INTEGER)
        node = plan_to_double(p, node);
    out->node = plan_at_level(p, node, level);
    return out->node != NO_NODE;
}

static uint32_t operand_valid(related_compiler *r, plan_operand operand)
{
    plan *p = r->c->plan;
    return operand.column != NO_COLUMN ? plan_valid(p, operand.column)
                                       : plan_is_valid(p, operand.node);
}

static mu_pql_function mirrored(mu_pql_function function)
{
    switch (function) {
    case MU_FN_LESS:
        return MU_FN_GREATER;
    case MU_FN_LESS_EQUAL:
        return MU_FN_GREATER_EQUAL;
    case MU_FN_GREATER:
        return MU_FN_LESS;
    case MU_FN_GREATER_EQUAL:
        return MU_FN_LESS_EQUAL;
    default:
        return function;
    }
}

static bool is_number(mu_type_kind type)
{
    return type == MU_TYPE_INTEGER || type == MU_TYPE_DOUBLE;
}

/* Two values of types that the kernel compares; false otherwise. */
static bool relate(related_compiler *r, compiled own, compiled earlier, uint32_t own_level,
                   uint32_t earlier_level, plan_relation *out)
{
    compiler *c = r->c;
    if (own.kind == COMPILED_NOTHING || earlier.kind == COMPILED_NOTHING ||
        compiled_is_list(c, own) || compiled_is_list(c, earlier))
        return false;
    mu_type_kind a = compiled_type(c, own), b = compiled_type(c, earlier);
    if (a == MU_TYPE_STRING && b == MU_TYPE_STRING) {
        out->kind = RELATION_TEXT;
        if (own.kind != COMPILED_COLUMN || c->plan->columns[own.column].level != own_level ||
            earlier.kind != COMPILED_COLUMN ||
            c->plan->columns[earlier.column].level != earlier_level)
            return false;
    } else if (is_number(a) && is_number(b)) {
        out->kind = a == MU_TYPE_DOUBLE || b == MU_TYPE_DOUBLE ? RELATION_DOUBLE : RELATION_INTEGER;
    } else if (a == b && (a == MU_TYPE_DATE || a == MU_TYPE_TIMESTAMP)) {
        out->kind = RELATION_INTEGER;
    } else {
        return false;
    }
    bool as_double = out->kind == RELATION_DOUBLE;
    return number_operand(r, own, own_level, as_double, &out->own) &&
           number_operand(r, earlier, earlier_level, as_double, &out->earlier);
}

/* -------- one conjunct -------- */

/* What the parts of one condition come to. */
typedef struct related_condition {
    bool is_exclusion;
    bool varies; /* WHAT or WHERE reads an earlier element */
    uint32_t level;
    uint32_t bits;
    uint32_t n_relations, capacity;
    plan_relation *relations;
    bool failed;
} related_condition;

static void choose_own(related_compiler *r, related_condition *out, uint32_t bits)
{
    out->bits = plan_at_level(r->c->plan, plan_and(r->c->plan, out->bits, bits), out->level);
    out->failed |= out->bits == NO_NODE;
}

static void choose_earlier(related_compiler *r, uint32_t element, uint32_t bits,
                           related_condition *out)
{
    plan_candidates *earlier = &r->elements[element].own;
    earlier->bits =
        plan_at_level(r->c->plan, plan_and(r->c->plan, earlier->bits, bits), earlier->level);
    out->failed |= earlier->bits == NO_NODE;
}

static void note_reading(related_compiler *r, uint32_t element)
{
    r->reaches_far |= element + 1 < r->n_elements;
    if (element < r->earliest[r->n_elements])
        r->earliest[r->n_elements] = element;
}

/* Null satisfies no relation; that the earlier item's value is not null is seen to by the search.
 */
static void add_relation(related_compiler *r, plan_relation relation, related_condition *out)
{
    if (out->n_relations == out->capacity) {
        uint32_t capacity = out->capacity * 2 + 4;
        plan_relation *larger = MU_NEW_ARRAY(r->c->arena, plan_relation, capacity);
        if (out->n_relations > 0)
            memcpy(larger, out->relations, out->n_relations * sizeof *larger);
        out->relations = larger;
        out->capacity = capacity;
    }
    out->relations[out->n_relations++] = relation;
    choose_own(r, out, operand_valid(r, relation.own));
    note_reading(r, relation.element);
    r->excludes_by_relation |= out->is_exclusion;
}

static bool is_comparison(const mu_pql *tree)
{
    return tree->kind == MU_PQL_CALL && tree->n_args == 2 &&
           (tree->function == MU_FN_EQUAL || tree->function == MU_FN_NOT_EQUAL ||
            tree->function == MU_FN_LESS || tree->function == MU_FN_LESS_EQUAL ||
            tree->function == MU_FN_GREATER || tree->function == MU_FN_GREATER_EQUAL);
}

static void add_comparison(related_compiler *r, const mu_pql *tree, uint32_t element,
                           related_condition *out)
{
    uint32_t left = element_read(r, tree->args[0]), right = element_read(r, tree->args[1]);
    bool own_first = left == READS_NONE;
    plan_relation relation = {.element = element,
                              .function = own_first ? tree->function : mirrored(tree->function)};
    if (left != READS_NONE && right != READS_NONE) { /* both sides read the earlier item */
        out->failed = true;
        return;
    }
    compiled own = value_of(r, tree->args[own_first ? 0 : 1], READS_NONE);
    compiled earlier = value_of(r, tree->args[own_first ? 1 : 0], element);
    if (relate(r, own, earlier, out->level, r->elements[element].own.level, &relation))
        add_relation(r, relation, out);
    else
        out->failed = true;
}

static bool is_plain_window(const mu_pql_when *when)
{
    return when->end == NULL && !when->ignores_year &&
           (when->start->kind == MU_PQL_FIELD || when->start->kind == MU_PQL_VARIABLE);
}

/* B.timestamp occurs <= 2 days after A.timestamp, or the other way round. */
static void add_occurs(related_compiler *r, const mu_pql *tree, uint32_t element,
                       related_condition *out)
{
    uint32_t tested_reads = element_read(r, tree->args[0]);
    bool own_is_base = tested_reads != READS_NONE;
    if (!is_plain_window(tree->when) ||
        (own_is_base && element_read(r, tree->when->start) != READS_NONE)) {
        out->failed = true;
        return;
    }
    compiled tested = value_of(r, tree->args[0], tested_reads);
    compiled base = value_of(r, tree->when->start, own_is_base ? READS_NONE : element);
    plan_relation relation = {.element = element, .when = tree->when, .own_is_base = own_is_base};
    if (compiled_type(r->c, tested) != MU_TYPE_TIMESTAMP ||
        compiled_type(r->c, base) != MU_TYPE_TIMESTAMP ||
        !relate(r, own_is_base ? base : tested, own_is_base ? tested : base, out->level,
                r->elements[element].own.level, &relation)) {
        out->failed = true;
        return;
    }
    relation.kind = RELATION_TIME;
    add_relation(r, relation, out);
}

static bool mentions_only(const related_compiler *r, const mu_pql *tree, uint32_t element)
{
    /* The sides of a relation are told apart by what they read; a tree that reads the earlier item
     * on every path has no side of its own. */
    if (is_comparison(tree))
        return (element_read(r, tree->args[0]) == element ||
                tree->args[0]->kind == MU_PQL_LITERAL) &&
               (element_read(r, tree->args[1]) == element || tree->args[1]->kind == MU_PQL_LITERAL);
    if (tree->kind == MU_PQL_OCCURS)
        return element_read(r, tree->args[0]) == element && !is_plain_window(tree->when);
    return true;
}

static void add_conjunct(related_compiler *r, const mu_pql *tree, related_condition *out)
{
    if (tree->kind == MU_PQL_CALL && tree->function == MU_FN_AND) {
        for (uint32_t i = 0; i < tree->n_args && !out->failed; i++)
            add_conjunct(r, tree->args[i], out); /* as deep as the tree */
        return;
    }
    uint32_t element = element_read(r, tree);
    out->varies |= element != READS_NONE;
    if (element == READS_NONE)
        choose_own(r, out, bits_of(r, tree, READS_NONE, out->level));
    else if (element == READS_SEVERAL)
        out->failed = true;
    else if (mentions_only(r, tree, element) && !out->is_exclusion)
        choose_earlier(r, element, bits_of(r, tree, element, r->elements[element].own.level), out);
    else if (is_comparison(tree))
        add_comparison(r, tree, element, out);
    else if (tree->kind == MU_PQL_OCCURS)
        add_occurs(r, tree, element, out);
    else
        out->failed = true;
}

/* -------- quantifiers -------- */

typedef struct name_search {
    mu_str name;
    bool found;
} name_search;

static void note_name(void *context, const mu_pql *node)
{
    name_search *search = context;
    search->found |= node->kind == MU_PQL_VARIABLE && mu_str_equal(node->name, search->name);
    mu_reference_children(node, note_name, context); /* as deep as the tree */
}

static bool mentions(const mu_pql *tree, mu_str name)
{
    name_search search = {.name = name};
    if (tree != NULL && name.len > 0)
        note_name(&search, tree);
    return search.found;
}

/* Variables over lists of their own, of which some condition reads an earlier one. */
bool is_related_quantifier(const mu_pql *query)
{
    bool relates = false;
    for (uint32_t later = 1; later < query->n_declarations; later++) {
        for (uint32_t earlier = 0; earlier < later; earlier++) {
            mu_str name = query->declarations[earlier].name;
            if (mentions(query->declarations[later].from, name))
                return false;
            relates |= mentions(query->declarations[later].where, name);
        }
    }
    return relates;
}

static plan_candidates candidates_of(const related_condition *condition, uint32_t count)
{
    return (plan_candidates){.level = condition->level,
                             .bits = condition->bits,
                             .count = count,
                             .varies = condition->varies,
                             .n_relations = condition->n_relations,
                             .relations = condition->relations};
}

/* The bits of a view's items, at their level. */
static uint32_t view_bits(compiler *c, compiled view)
{
    uint32_t all = plan_bits(c->plan, true);
    return plan_at_level(c->plan, view.chosen == NO_NODE ? all : view.chosen, view.level);
}

static bool add_declaration(related_compiler *r, const mu_pql_declaration *declaration,
                            compiled view)
{
    compiler *c = r->c;
    related_condition condition = {.level = view.level, .bits = view_bits(c, view)};
    if (c->n_variables == SCOPES_MAX || condition.bits == NO_NODE)
        return false;
    c->variables[c->n_variables++] =
        (scope_entry){.name = declaration->name, .value = view_item(view), .is_accessible = true};
    if (declaration->where != NULL)
        add_conjunct(r, declaration->where, &condition);
    r->elements[r->n_elements++].own = candidates_of(&condition, 1);
    open_scopes(r, READS_NONE);
    return !condition.failed && condition.bits != NO_NODE;
}

static related_compiler begin(compiler *c, uint32_t n)
{
    related_compiler r = {.c = c,
                          .first_variable = c->n_variables,
                          .first_item = c->n_items,
                          .elements = MU_NEW_ARRAY(c->arena, plan_related_element, n),
                          .earliest = MU_NEW_ARRAY(c->arena, uint32_t, (size_t)n + 1)};
    for (uint32_t e = 0; e <= n; e++)
        r.earliest[e] = UINT32_MAX;
    return r;
}

/* As the reference evaluator remembers failures: when nothing from an element on reads further back
 * than the element before it. */
static void find_what_is_remembered(related_compiler *r)
{
    uint32_t earliest = r->earliest[r->n_elements];
    for (uint32_t e = r->n_elements; e-- > 0;) {
        earliest = r->earliest[e] < earliest ? r->earliest[e] : earliest;
        r->elements[e].remembers = e > 0 && earliest >= e - 1;
    }
}

/* Bits per owner of the first variable's list, or of its items that have a binding. */
uint32_t compile_related_quantifier(compiler *c, const mu_pql *query, bool of_first,
                                    compiled *first)
{
    uint32_t n = query->n_declarations;
    if (n == 0 || n > RELATED_ELEMENTS_MAX)
        return NO_NODE;
    compiled views[RELATED_ELEMENTS_MAX] = {0};
    for (uint32_t d = 0; d < n; d++) {
        views[d] = compile_view(c, query->declarations[d].from);
        if (views[d].kind != COMPILED_VIEW || views[d].owner != views[0].owner ||
            views[d].level == views[d].owner)
            return NO_NODE;
    }
    saved_access *saved = MU_NEW(c->arena, saved_access);
    related_compiler r = begin(c, n);
    enter_view(c, views[0].owner, saved);
    bool ok = true;
    for (uint32_t d = 0; ok && d < n; d++)
        ok = add_declaration(&r, &query->declarations[d], views[d]);
    c->n_variables = r.first_variable;
    leave_view(c, saved);
    if (!ok)
        return NO_NODE;
    find_what_is_remembered(&r);
    plan_related *related = MU_NEW(c->arena, plan_related);
    *related = (plan_related){.time = {NO_COLUMN, NO_NODE},
                              .n_elements = n,
                              .elements = r.elements,
                              .items_max = UINT32_MAX};
    *first = views[0];
    return plan_related_node(c->plan, related, views[0].owner, of_first);
}

/* -------- chains -------- */

bool is_related_chain(const mu_pql *chain)
{
    mu_str previous = {0};
    for (uint32_t i = 0; i < chain->n_items; i++) {
        const mu_pql_chain_item *item = &chain->items[i];
        for (uint32_t k = 0; k < i; k++) {
            mu_str name = chain->items[k].name;
            if (mentions(item->what, name) || mentions(item->where, name))
                return true;
            if (item->when != NULL && !mu_str_equal(name, previous) &&
                (mentions(item->when->start, name) || mentions(item->when->end, name)))
                return true;
        }
        if (item->kind == MU_ITEM_ELEMENT)
            previous = item->name;
    }
    return false;
}

typedef struct related_chain {
    related_compiler r;
    compiled view, time;
    plan_operand time_operand;
    plan_candidates *excluded; /* of the element to come */
    uint32_t n_excluded;
    plan_relation *gaps;
    uint32_t n_gaps;
} related_chain;

/* WHAT or WHERE: the body of a lambda, with the event as its item. */
static void add_lambda(related_chain *rc, const mu_pql *lambda, related_condition *out)
{
    compiler *c = rc->r.c;
    if (lambda == NULL)
        return;
    if (lambda->kind != MU_PQL_LAMBDA || lambda->n_names > 1 || c->n_items == SCOPES_MAX ||
        c->n_variables == SCOPES_MAX) {
        out->failed = true;
        return;
    }
    scope_entry item = {.value = view_item(rc->view), .is_accessible = true};
    c->items[c->n_items++] = item;
    if (lambda->n_names == 1) {
        item.name = lambda->names[0];
        c->variables[c->n_variables++] = item;
    }
    add_conjunct(&rc->r, lambda->args[0], out);
    c->n_variables -= lambda->n_names;
    c->n_items--;
}

/* WHEN: around now, or around the time of one earlier element. */
static void add_window(related_chain *rc, const mu_pql_when *when, related_condition *out)
{
    related_compiler *r = &rc->r;
    choose_own(r, out, compiled_valid(r->c, rc->time));
    if (when == NULL)
        return;
    uint32_t element = element_read(r, when->start);
    if (element == READS_NONE) {
        if (when->end != NULL && element_read(r, when->end) != READS_NONE)
            out->failed = true;
        else
            choose_own(r, out, compile_time_test(r->c, rc->time, when));
        return;
    }
    if (element == READS_SEVERAL || when->start->kind != MU_PQL_VARIABLE ||
        !is_plain_window(when)) {
        out->failed = true;
        return;
    }
    add_relation(r,
                 (plan_relation){.kind = RELATION_TIME,
                                 .when = when,
                                 .element = element,
                                 .own = rc->time_operand,
                                 .earlier = rc->time_operand},
                 out);
}

static related_condition chain_condition(related_chain *rc, const mu_pql_chain_item *item)
{
    related_condition condition = {.is_exclusion = item->kind == MU_ITEM_EXCLUDE,
                                   .level = rc->view.level,
                                   .bits = view_bits(rc->r.c, rc->view)};
    add_window(rc, item->when, &condition);
    add_lambda(rc, item->what, &condition);
    add_lambda(rc, item->where, &condition);
    condition.failed |= condition.bits == NO_NODE;
    return condition;
}

static bool add_gap(related_chain *rc, const mu_pql_chain_item *item)
{
    mu_pql_when *when = MU_NEW(rc->r.c->arena, mu_pql_when);
    *when = (mu_pql_when){.relation = MU_DIRECTION_AFTER,
                          .has_qualification = true,
                          .comparison = item->comparison,
                          .count = item->count,
                          .unit = item->unit};
    if (rc->r.n_elements == 0)
        return false;
    rc->gaps[rc->n_gaps++] = (plan_relation){.kind = RELATION_TIME,
                                             .when = when,
                                             .element = rc->r.n_elements - 1,
                                             .own = rc->time_operand,
                                             .earlier = rc->time_operand};
    return true;
}

static bool add_element(related_chain *rc, const mu_pql_chain_item *item)
{
    compiler *c = rc->r.c;
    bool counts_one =
        !item->has_count || (!item->count_is_all && !item->count_is_between &&
                             item->comparison == MU_FN_GREATER_EQUAL && item->count == 1);
    related_condition condition = chain_condition(rc, item);
    for (uint32_t g = 0; g < rc->n_gaps; g++)
        add_relation(&rc->r, rc->gaps[g], &condition);
    if (!counts_one || condition.failed || condition.bits == NO_NODE ||
        c->n_variables == SCOPES_MAX)
        return false;
    plan_related_element *element = &rc->r.elements[rc->r.n_elements++];
    *element = (plan_related_element){.own = candidates_of(&condition, 1),
                                      .n_excluded = rc->n_excluded,
                                      .excluded = rc->excluded};
    c->variables[c->n_variables++] =
        (scope_entry){.name = item->name, .value = view_item(rc->view)};
    rc->excluded += rc->n_excluded;
    rc->n_excluded = rc->n_gaps = 0;
    return true;
}

static bool add_exclusion(related_chain *rc, const mu_pql_chain_item *item)
{
    bool at_least = !item->has_count || item->comparison == MU_FN_GREATER_EQUAL ||
                    item->comparison == MU_FN_GREATER;
    int64_t count = !item->has_count ? 1 : item->count + (item->comparison == MU_FN_GREATER);
    if (!at_least || item->count_is_all || item->count_is_between || item->count < 0 ||
        item->count >= UINT32_MAX)
        return false;
    related_condition condition = chain_condition(rc, item);
    rc->excluded[rc->n_excluded++] = candidates_of(&condition, (uint32_t)count);
    return !condition.failed;
}

/* The most steps of the reference evaluator's search over `n` events (docs/decisions/0030): where
 * failures are remembered one per pair of events and element, else one per choice of events. A test
 * for an exclusion that reads an earlier event is a step too. */
static bool cannot_trip(const related_chain *rc, uint32_t n_exclusions, uint64_t n)
{
    uint32_t k = rc->r.n_elements;
    double choices = 1, steps = 0, tests = 1;
    if (rc->r.excludes_by_relation)
        tests += (double)n_exclusions * (double)n;
    if (rc->r.reaches_far) {
        for (uint32_t i = 0; i < k; i++) { /* as if events could be chosen again and again */
            choices *= (double)n / (i + 1.0) + 1;
            steps += choices;
        }
    } else {
        steps = (double)(k + 1) * (double)n * ((double)n + 1);
    }
    return steps * tests <= MU_CHAIN_STEPS_MAX;
}

static uint32_t most_items(const related_chain *rc, uint32_t n_exclusions)
{
    uint32_t lo = 0, hi = MU_CHAIN_STEPS_MAX;
    while (lo < hi) {
        uint32_t middle = lo + (hi - lo + 1) / 2;
        if (cannot_trip(rc, n_exclusions, middle))
            lo = middle;
        else
            hi = middle - 1;
    }
    return lo;
}

static uint32_t chain_node(related_chain *rc, uint32_t n_items)
{
    plan_related *related = MU_NEW(rc->r.c->arena, plan_related);
    if (rc->r.n_elements == 0 || rc->n_gaps > 0)
        return NO_NODE;
    find_what_is_remembered(&rc->r);
    *related = (plan_related){.in_time_order = true,
                              .time = rc->time_operand,
                              .n_elements = rc->r.n_elements,
                              .elements = rc->r.elements,
                              .n_trailing = rc->n_excluded,
                              .trailing = rc->excluded,
                              .items_max = most_items(rc, n_items - rc->r.n_elements)};
    return plan_related_node(rc->r.c->plan, related, rc->view.owner, false);
}

static bool add_chain_item(related_chain *rc, const mu_pql_chain_item *item)
{
    switch (item->kind) {
    case MU_ITEM_GAP:
        return add_gap(rc, item);
    case MU_ITEM_ELEMENT:
        return add_element(rc, item);
    default:
        return add_exclusion(rc, item);
    }
}

uint32_t compile_related_chain(compiler *c, const mu_pql *chain, compiled events, compiled time)
{
    uint32_t n = chain->n_items;
    if (n > RELATED_ELEMENTS_MAX || compiled_type(c, time) != MU_TYPE_TIMESTAMP ||
        events.level == events.owner)
        return NO_NODE;
    related_chain rc = {.r = begin(c, n),
                        .view = events,
                        .time = time,
                        .time_operand = {time.column, NO_NODE},
                        .excluded = MU_NEW_ARRAY(c->arena, plan_candidates, n),
                        .gaps = MU_NEW_ARRAY(c->arena, plan_relation, n)};
    saved_access *saved = MU_NEW(c->arena, saved_access);
    rc.r.in_time_order = true;
    enter_view(c, events.owner, saved);
    bool ok = true;
    for (uint32_t i = 0; ok && i < n; i++)
        ok = add_chain_item(&rc, &chain->items[i]);
    c->n_variables = rc.r.first_variable;
    leave_view(c, saved);
    return ok ? chain_node(&rc, n) : NO_NODE;
}
