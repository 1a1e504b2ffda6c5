#include "eval/plan_int.h"
#include "eval/reference_int.h"

#include <stdlib.h>

void plan_init(plan *p, mu_arena *arena, const mu_schema *schema, int64_t now_ms)
{
    *p = (plan){.arena = arena, .schema = schema, .now_ms = now_ms};
    mu_strmap_init(&p->node_of_key);
    mu_strmap_init(&p->column_of_key);
    mu_buf_init(&p->key, SIZE_MAX / 4);
    p->levels_capacity = p->columns_capacity = p->nodes_capacity = 64;
    p->levels = MU_NEW_ARRAY(arena, plan_level, p->levels_capacity);
    p->columns = MU_NEW_ARRAY(arena, plan_column, p->columns_capacity);
    p->nodes = MU_NEW_ARRAY(arena, plan_node, p->nodes_capacity);
    p->columns[0] = (plan_column){.role = COLUMN_ITEM, .type = schema->row, .opens = NO_LEVEL};
    p->levels[0] = (plan_level){.column = NO_COLUMN, .key = NO_COLUMN};
    p->n_columns = p->n_levels = 1;
}

void plan_fini(plan *p)
{
    mu_strmap_free(&p->node_of_key);
    mu_strmap_free(&p->column_of_key);
    mu_buf_free(&p->key);
    for (text_predicate *test = p->text_predicates; test != NULL; test = test->next)
        mu_regex_free(test->regex);
}

/* A larger copy in the arena; the old one stays until the arena goes. */
static void *grown(mu_arena *arena, const void *items, uint32_t *capacity, size_t size)
{
    void *larger = mu_arena_array(arena, (size_t)*capacity * 2, size);
    memcpy(larger, items, (size_t)*capacity * size);
    *capacity *= 2;
    return larger;
}

/* -------- columns and levels -------- */

static uint32_t add_column(plan *p, plan_column column)
{
    if (p->n_columns == p->columns_capacity)
        p->columns = grown(p->arena, p->columns, &p->columns_capacity, sizeof *p->columns);
    column.opens = NO_LEVEL;
    p->columns[p->n_columns] = column;
    return p->n_columns++;
}

uint32_t plan_field(plan *p, uint32_t column, mu_str name)
{
    const mu_type *object = p->columns[column].type;
    if (object->kind != MU_TYPE_OBJECT)
        return NO_COLUMN;
    int field = mu_type_field(object, name);
    if (field < 0)
        return NO_COLUMN;
    uint32_t place[2] = {column, (uint32_t)field};
    mu_str key = {(const char *)place, sizeof place};
    const uint64_t *known = mu_strmap_get(&p->column_of_key, key);
    if (known != NULL)
        return (uint32_t)*known;
    uint64_t *slot = mu_strmap_put(&p->column_of_key, mu_arena_copy(p->arena, key), NULL);
    *slot = add_column(p, (plan_column){.level = p->columns[column].level,
                                        .role = COLUMN_FIELD,
                                        .parent = column,
                                        .name = object->field_names[field],
                                        .type = object->field_types[field]});
    return (uint32_t)*slot;
}

uint32_t plan_opened_level(plan *p, uint32_t column)
{
    if (p->columns[column].opens != NO_LEVEL)
        return p->columns[column].opens;
    const mu_type *type = p->columns[column].type;
    MU_ASSERT(type->kind == MU_TYPE_LIST || type->kind == MU_TYPE_MAP);
    if (p->n_levels == p->levels_capacity)
        p->levels = grown(p->arena, p->levels, &p->levels_capacity, sizeof *p->levels);
    uint32_t level = p->n_levels++;
    uint32_t parent = p->columns[column].level;
    uint32_t item =
        add_column(p, (plan_column){.level = level, .role = COLUMN_ITEM, .type = type->item});
    uint32_t key = NO_COLUMN;
    if (type->kind == MU_TYPE_MAP)
        key = add_column(
            p,
            (plan_column){.level = level, .role = COLUMN_KEY, .type = mu_type_of(MU_TYPE_STRING)});
    p->levels[level] = (plan_level){.parent = parent,
                                    .depth = p->levels[parent].depth + 1,
                                    .column = column,
                                    .item = item,
                                    .key = key};
    p->columns[column].opens = level;
    return level;
}

bool plan_is_ancestor(const plan *p, uint32_t above, uint32_t level)
{
    while (p->levels[level].depth > p->levels[above].depth)
        level = p->levels[level].parent;
    return level == above;
}

uint32_t plan_join_levels(const plan *p, uint32_t a, uint32_t b)
{
    if (plan_is_ancestor(p, a, b))
        return b;
    return plan_is_ancestor(p, b, a) ? a : NO_LEVEL;
}

/* -------- numbers -------- */

/* The smallest integer whose double is >= bound (> when `strictly`); false when there is none. The
 * double never falls as the integer grows. */
static bool first_integer(double bound, bool strictly, int64_t *out)
{
    int64_t lo = INT64_MIN, hi = INT64_MAX;
    double last = (double)INT64_MAX;
    if (strictly ? !(last > bound) : !(last >= bound))
        return false;
    while (lo < hi) {
        int64_t middle = (int64_t)((uint64_t)lo + ((uint64_t)hi - (uint64_t)lo) / 2);
        double value = (double)middle;
        if (strictly ? value > bound : value >= bound)
            hi = middle;
        else
            lo = middle + 1;
    }
    *out = lo;
    return true;
}

bool plan_integer_bounds(double lo, double hi, int64_t *out_lo, int64_t *out_hi)
{
    int64_t past;
    if (!(lo <= hi) || !first_integer(lo, false, out_lo))
        return false;
    *out_hi = INT64_MAX;
    if (first_integer(hi, true, &past)) {
        if (past == INT64_MIN)
            return false;
        *out_hi = past - 1;
    }
    return *out_lo <= *out_hi;
}

/* -------- hash-consing -------- */

/* The times that a chain's conditions refer to are the anchor before, so the numbers tell them all.
 */
static void add_when_key(mu_buf *buf, const mu_pql_when *when)
{
    int64_t numbers[] = {when == NULL ? -1 : (int64_t)when->relation,
                         when == NULL ? 0 : when->has_qualification,
                         when == NULL ? 0 : (int64_t)when->comparison,
                         when == NULL ? 0 : when->count, when == NULL ? 0 : (int64_t)when->unit};
    mu_buf_add(buf, numbers, sizeof numbers);
}

static void add_exclusion_keys(mu_buf *buf, const plan_exclusion *exclusions, uint32_t n)
{
    mu_buf_add(buf, &n, sizeof n);
    for (uint32_t i = 0; i < n; i++) {
        mu_buf_add(buf, &exclusions[i].count, sizeof exclusions[i].count);
        add_when_key(buf, exclusions[i].when);
    }
}

/* The nodes it reads are among the inputs. */
static void add_chain_key(mu_buf *buf, const plan_chain *chain)
{
    mu_buf_add(buf, &chain->n_elements, sizeof chain->n_elements);
    for (uint32_t e = 0; e < chain->n_elements; e++) {
        const plan_chain_element *element = &chain->elements[e];
        mu_buf_add(buf, &element->count, sizeof element->count);
        mu_buf_add(buf, &element->n_gaps, sizeof element->n_gaps);
        for (uint32_t g = 0; g < element->n_gaps; g++)
            add_when_key(buf, &element->gaps[g]);
        add_exclusion_keys(buf, element->excluded, element->n_excluded);
    }
    add_exclusion_keys(buf, chain->trailing, chain->n_trailing);
}

static void add_candidates_key(mu_buf *buf, const plan_candidates *candidates)
{
    uint32_t head[] = {candidates->level, candidates->count, candidates->varies,
                       candidates->n_relations};
    mu_buf_add(buf, head, sizeof head);
    for (uint32_t r = 0; r < candidates->n_relations; r++) {
        const plan_relation *relation = &candidates->relations[r];
        uint32_t values[] = {relation->kind,           relation->function,    relation->own_is_base,
                             relation->element,        relation->own.column,  relation->own.node,
                             relation->earlier.column, relation->earlier.node};
        mu_buf_add(buf, values, sizeof values);
        add_when_key(buf, relation->when);
    }
}

/* The bits are among the inputs. */
static void add_related_key(mu_buf *buf, const plan_related *related)
{
    uint32_t head[] = {related->in_time_order, related->time.column, related->time.node,
                       related->n_elements,    related->n_trailing,  related->items_max};
    mu_buf_add(buf, head, sizeof head);
    for (uint32_t e = 0; e < related->n_elements; e++) {
        add_candidates_key(buf, &related->elements[e].own);
        mu_buf_add(buf, &related->elements[e].n_excluded, sizeof related->elements[e].n_excluded);
        for (uint32_t x = 0; x < related->elements[e].n_excluded; x++)
            add_candidates_key(buf, &related->elements[e].excluded[x]);
    }
    for (uint32_t x = 0; x < related->n_trailing; x++)
        add_candidates_key(buf, &related->trailing[x]);
}

/* Everything that tells one node from another, as bytes that stay until the next key is made. */
static mu_str node_key(plan *p, const plan_node *n)
{
    mu_buf *buf = &p->key;
    mu_buf_clear(buf);
    uint32_t head[] = {n->operation, n->kind, n->level,    n->item_level, n->column,
                       n->column2,   n->flag, n->function, n->n_inputs};
    mu_buf_add(buf, head, sizeof head);
    mu_buf_add(buf, &n->lo, sizeof n->lo);
    mu_buf_add(buf, &n->hi, sizeof n->hi);
    mu_buf_add(buf, &n->dlo, sizeof n->dlo);
    mu_buf_add(buf, &n->dhi, sizeof n->dhi);
    mu_buf_add(buf, n->inputs, n->n_inputs * sizeof *n->inputs);
    if (n->table != NULL)
        mu_pql_write_json(buf, n->table->expression);
    if (n->query != NULL)
        mu_buf_add(buf, &n->query, sizeof n->query);
    if (n->chain != NULL)
        add_chain_key(buf, n->chain);
    if (n->related != NULL)
        add_related_key(buf, n->related);
    return mu_buf_str(buf);
}

static void note_regex(void *context, const mu_pql *query)
{
    bool *found = context;
    *found |= query->kind == MU_PQL_CALL &&
              (query->function == MU_FN_MATCHES || query->function == MU_FN_REGEX_GROUP);
    mu_reference_children(query, note_regex, context); /* as deep as the tree */
}

static bool names_regex(const mu_pql *query)
{
    bool found = false;
    note_regex(&found, query);
    return found;
}

/* May a guard trip in this node or in one that it reads, or a number overflow? */
static bool may_trip(const plan *p, const plan_node *node)
{
    bool may = node->operation == PLAN_CHAIN || node->operation == PLAN_REFERENCE ||
               (node->operation == PLAN_RELATED && node->related->in_time_order) ||
               node->operation == PLAN_SUM || node->operation == PLAN_ARITHMETIC ||
               node->operation == PLAN_NEGATE ||
               (node->operation == PLAN_TABLE && names_regex(node->table->expression));
    for (uint32_t i = 0; i < node->n_inputs && !may; i++)
        may = p->nodes[node->inputs[i]].may_trip;
    return may;
}

static uint32_t add_node(plan *p, plan_node node)
{
    mu_str key = node_key(p, &node);
    const uint64_t *known = mu_strmap_get(&p->node_of_key, key);
    if (known != NULL)
        return (uint32_t)*known;
    uint64_t *slot = mu_strmap_put(&p->node_of_key, mu_arena_copy(p->arena, key), NULL);
    if (p->n_nodes == p->nodes_capacity)
        p->nodes = grown(p->arena, p->nodes, &p->nodes_capacity, sizeof *p->nodes);
    if (node.n_inputs > 0) {
        uint32_t *copy = MU_NEW_ARRAY(p->arena, uint32_t, node.n_inputs);
        memcpy(copy, node.inputs, node.n_inputs * sizeof *copy);
        node.inputs = copy;
    } else {
        node.inputs = NULL;
    }
    node.may_trip = may_trip(p, &node);
    p->nodes[p->n_nodes] = node;
    *slot = p->n_nodes;
    return p->n_nodes++;
}

#define INPUTS(...)                                                                                \
    .n_inputs = sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t), .inputs = (uint32_t[])       \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static bool is_constant(const plan *p, uint32_t node)
{
    return p->nodes[node].operation == PLAN_CONSTANT;
}

/* -------- leaves -------- */

uint32_t plan_bits(plan *p, bool value)
{
    return add_node(p, (plan_node){.operation = PLAN_CONSTANT, .kind = VECTOR_BITS, .flag = value});
}

uint32_t plan_integer(plan *p, int64_t value)
{
    return add_node(
        p,
        (plan_node){.operation = PLAN_CONSTANT, .kind = VECTOR_INTEGER, .flag = true, .lo = value});
}

uint32_t plan_double(plan *p, double value)
{
    return add_node(
        p,
        (plan_node){.operation = PLAN_CONSTANT, .kind = VECTOR_DOUBLE, .flag = true, .dlo = value});
}

uint32_t plan_null(plan *p, vector_kind kind)
{
    return add_node(p, (plan_node){.operation = PLAN_CONSTANT, .kind = kind, .flag = false});
}

static uint32_t column_node(plan *p, plan_node node)
{
    node.level = p->columns[node.column].level;
    return add_node(p, node);
}

uint32_t plan_valid(plan *p, uint32_t column)
{
    if (column == 0)
        return plan_bits(p, true);
    return column_node(p,
                       (plan_node){.operation = PLAN_VALID, .kind = VECTOR_BITS, .column = column});
}

uint32_t plan_true_bits(plan *p, uint32_t column)
{
    return column_node(
        p, (plan_node){.operation = PLAN_TRUE_BITS, .kind = VECTOR_BITS, .column = column});
}

uint32_t plan_range(plan *p, uint32_t column, int64_t lo, int64_t hi)
{
    if (lo > hi)
        return plan_bits(p, false);
    return column_node(
        p, (plan_node){
               .operation = PLAN_RANGE, .kind = VECTOR_BITS, .column = column, .lo = lo, .hi = hi});
}

uint32_t plan_double_range(plan *p, uint32_t column, double lo, double hi)
{
    if (!(lo <= hi))
        return plan_bits(p, false);
    return column_node(p, (plan_node){.operation = PLAN_DOUBLE_RANGE,
                                      .kind = VECTOR_BITS,
                                      .column = column,
                                      .dlo = lo,
                                      .dhi = hi});
}

uint32_t plan_find_table(plan *p, uint32_t column, const mu_pql *expression)
{
    plan_table table = {.expression = expression};
    plan_node node = {.operation = PLAN_TABLE,
                      .kind = VECTOR_BITS,
                      .level = p->columns[column].level,
                      .column = column,
                      .table = &table};
    const uint64_t *known = mu_strmap_get(&p->node_of_key, node_key(p, &node));
    return known == NULL ? NO_NODE : (uint32_t)*known;
}

uint32_t plan_table_node(plan *p, uint32_t column, const plan_table *table)
{
    return column_node(
        p, (plan_node){
               .operation = PLAN_TABLE, .kind = VECTOR_BITS, .column = column, .table = table});
}

uint32_t plan_text_compare(plan *p, mu_pql_function function, uint32_t a, uint32_t b)
{
    MU_ASSERT(p->columns[a].level == p->columns[b].level);
    return column_node(p, (plan_node){.operation = PLAN_TEXT_COMPARE,
                                      .kind = VECTOR_BITS,
                                      .function = function,
                                      .column = a,
                                      .column2 = b});
}

uint32_t plan_load(plan *p, uint32_t column, vector_kind kind)
{
    return column_node(p, (plan_node){.operation = PLAN_LOAD, .kind = kind, .column = column});
}

uint32_t plan_member(plan *p, uint32_t audience)
{
    return add_node(
        p, (plan_node){.operation = PLAN_MEMBER, .kind = VECTOR_BITS, .lo = (int64_t)audience});
}

uint32_t plan_known(plan *p, uint32_t membership)
{
    return add_node(
        p, (plan_node){.operation = PLAN_KNOWN, .kind = VECTOR_BITS, .lo = (int64_t)membership});
}

uint32_t plan_reference(plan *p, const mu_pql *query)
{
    return add_node(p,
                    (plan_node){.operation = PLAN_REFERENCE, .kind = VECTOR_BITS, .query = query});
}

/* -------- levels of operands -------- */

uint32_t plan_at_level(plan *p, uint32_t node, uint32_t level)
{
    if (node == NO_NODE || p->nodes[node].level == level)
        return node;
    if (!plan_is_ancestor(p, p->nodes[node].level, level))
        return NO_NODE;
    if (is_constant(p, node)) { /* constants have a node at every level that needs one */
        plan_node constant = p->nodes[node];
        constant.level = level;
        return add_node(p, constant);
    }
    return add_node(p, (plan_node){.operation = PLAN_BROADCAST,
                                   .kind = p->nodes[node].kind,
                                   .level = level,
                                   .item_level = p->nodes[node].level,
                                   INPUTS(node)});
}

/* Brings two nodes to the deeper of their levels; false when they have none in common. */
static bool align(plan *p, uint32_t *a, uint32_t *b)
{
    if (*a == NO_NODE || *b == NO_NODE)
        return false;
    uint32_t level = plan_join_levels(p, p->nodes[*a].level, p->nodes[*b].level);
    if (level == NO_LEVEL)
        return false;
    *a = plan_at_level(p, *a, level);
    *b = plan_at_level(p, *b, level);
    return true;
}

/* -------- Boolean -------- */

static int compare_ids(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static bool some_may_trip(const plan *p, uint32_t n, const uint32_t *inputs)
{
    for (uint32_t i = 0; i < n; i++)
        if (inputs[i] != NO_NODE && p->nodes[inputs[i]].may_trip)
            return true;
    return false;
}

/* Inputs sorted and distinct, so that `a and b` is `b and a`. A constant that decides is all that
 * stays, unless a guard may trip beside it (docs/decisions/0001). */
uint32_t plan_and_all(plan *p, plan_operation operation, uint32_t n, const uint32_t *inputs)
{
    bool neutral = operation == PLAN_AND;
    uint32_t room[16], *kept = n <= 16 ? room : MU_NEW_ARRAY(p->arena, uint32_t, n);
    uint32_t n_kept = 0, level = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (inputs[i] == NO_NODE)
            return NO_NODE;
        const plan_node *node = &p->nodes[inputs[i]];
        if (node->operation == PLAN_CONSTANT) {
            if (node->flag == neutral)
                continue;
            if (!some_may_trip(p, n, inputs))
                return plan_bits(p, !neutral);
        }
        level = plan_join_levels(p, level, node->level);
        if (level == NO_LEVEL)
            return NO_NODE;
        kept[n_kept++] = inputs[i];
    }
    if (n_kept == 0)
        return plan_bits(p, neutral);
    for (uint32_t i = 0; i < n_kept; i++)
        kept[i] = plan_at_level(p, kept[i], level);
    qsort(kept, n_kept, sizeof *kept, compare_ids);
    uint32_t distinct = 1;
    for (uint32_t i = 1; i < n_kept; i++)
        if (kept[i] != kept[distinct - 1])
            kept[distinct++] = kept[i];
    if (distinct == 1)
        return kept[0];
    return add_node(p, (plan_node){.operation = operation,
                                   .kind = VECTOR_BITS,
                                   .level = level,
                                   .n_inputs = distinct,
                                   .inputs = kept});
}

uint32_t plan_and(plan *p, uint32_t a, uint32_t b)
{
    return plan_and_all(p, PLAN_AND, 2, (uint32_t[]){a, b});
}

uint32_t plan_or(plan *p, uint32_t a, uint32_t b)
{
    return plan_and_all(p, PLAN_OR, 2, (uint32_t[]){a, b});
}

uint32_t plan_not(plan *p, uint32_t a)
{
    if (a == NO_NODE)
        return NO_NODE;
    const plan_node *node = &p->nodes[a];
    if (node->operation == PLAN_CONSTANT)
        return plan_bits(p, !node->flag);
    if (node->operation == PLAN_NOT)
        return node->inputs[0];
    return add_node(
        p,
        (plan_node){.operation = PLAN_NOT, .kind = VECTOR_BITS, .level = node->level, INPUTS(a)});
}

/* -------- numbers -------- */

uint32_t plan_to_double(plan *p, uint32_t a)
{
    if (a == NO_NODE || p->nodes[a].kind == VECTOR_DOUBLE)
        return a;
    const plan_node *node = &p->nodes[a];
    if (node->kind != VECTOR_INTEGER)
        return NO_NODE;
    if (node->operation == PLAN_CONSTANT)
        return node->flag ? plan_double(p, (double)node->lo) : plan_null(p, VECTOR_DOUBLE);
    if (node->operation == PLAN_LOAD)
        return plan_load(p, node->column, VECTOR_DOUBLE);
    return add_node(p, (plan_node){.operation = PLAN_TO_DOUBLE,
                                   .kind = VECTOR_DOUBLE,
                                   .level = node->level,
                                   INPUTS(a)});
}

/* Aligned, and both doubles unless both are integers. */
static bool align_numbers(plan *p, uint32_t *a, uint32_t *b)
{
    if (!align(p, a, b))
        return false;
    if (p->nodes[*a].kind == VECTOR_BITS || p->nodes[*b].kind == VECTOR_BITS)
        return false;
    if (p->nodes[*a].kind != p->nodes[*b].kind) {
        *a = plan_at_level(p, plan_to_double(p, *a), p->nodes[*a].level);
        *b = plan_at_level(p, plan_to_double(p, *b), p->nodes[*b].level);
    }
    return true;
}

uint32_t plan_compare(plan *p, mu_pql_function function, uint32_t a, uint32_t b)
{
    if (!align_numbers(p, &a, &b))
        return NO_NODE;
    return add_node(p, (plan_node){.operation = PLAN_COMPARE,
                                   .kind = VECTOR_BITS,
                                   .level = p->nodes[a].level,
                                   .function = function,
                                   INPUTS(a, b)});
}

uint32_t plan_compare_owner(plan *p, mu_pql_function function, uint32_t column, uint32_t numeric)
{
    if (numeric == NO_NODE || p->nodes[numeric].kind == VECTOR_BITS)
        return NO_NODE;
    bool as_double =
        p->columns[column].type->kind == MU_TYPE_DOUBLE || p->nodes[numeric].kind == VECTOR_DOUBLE;
    if (as_double && p->nodes[numeric].kind != VECTOR_DOUBLE)
        numeric = plan_to_double(p, numeric);
    return add_node(p, (plan_node){.operation = PLAN_COMPARE_OWNER,
                                   .kind = VECTOR_BITS,
                                   .level = p->columns[column].level,
                                   .item_level = p->nodes[numeric].level,
                                   .function = function,
                                   .column = column,
                                   .flag = as_double,
                                   INPUTS(numeric)});
}

uint32_t plan_in_range(plan *p, uint32_t a, int64_t lo, int64_t hi)
{
    if (a == NO_NODE || p->nodes[a].kind != VECTOR_INTEGER)
        return NO_NODE;
    if (p->nodes[a].operation == PLAN_LOAD)
        return plan_range(p, p->nodes[a].column, lo, hi);
    if (lo > hi)
        return plan_bits(p, false);
    return add_node(p, (plan_node){.operation = PLAN_IN_RANGE,
                                   .kind = VECTOR_BITS,
                                   .level = p->nodes[a].level,
                                   .lo = lo,
                                   .hi = hi,
                                   INPUTS(a)});
}

uint32_t plan_in_double_range(plan *p, uint32_t a, double lo, double hi)
{
    if (a == NO_NODE || p->nodes[a].kind != VECTOR_DOUBLE)
        return NO_NODE;
    if (p->nodes[a].operation == PLAN_LOAD)
        return plan_double_range(p, p->nodes[a].column, lo, hi);
    if (!(lo <= hi))
        return plan_bits(p, false);
    return add_node(p, (plan_node){.operation = PLAN_IN_RANGE,
                                   .kind = VECTOR_BITS,
                                   .level = p->nodes[a].level,
                                   .dlo = lo,
                                   .dhi = hi,
                                   INPUTS(a)});
}

uint32_t plan_is_valid(plan *p, uint32_t a)
{
    if (a == NO_NODE)
        return NO_NODE;
    const plan_node *node = &p->nodes[a];
    if (node->kind == VECTOR_BITS)
        return plan_bits(p, true);
    if (node->operation == PLAN_CONSTANT)
        return plan_bits(p, node->flag);
    if (node->operation == PLAN_LOAD)
        return plan_valid(p, node->column);
    return add_node(
        p, (plan_node){
               .operation = PLAN_IS_VALID, .kind = VECTOR_BITS, .level = node->level, INPUTS(a)});
}

uint32_t plan_scale(plan *p, uint32_t a, bool days_to_ms)
{
    if (a == NO_NODE || p->nodes[a].kind != VECTOR_INTEGER)
        return NO_NODE;
    return add_node(p, (plan_node){.operation = PLAN_SCALE,
                                   .kind = VECTOR_INTEGER,
                                   .level = p->nodes[a].level,
                                   .flag = days_to_ms,
                                   INPUTS(a)});
}

uint32_t plan_arithmetic(plan *p, mu_pql_function function, uint32_t a, uint32_t b)
{
    if (function == MU_FN_DIVIDE) {
        a = plan_to_double(p, a);
        b = plan_to_double(p, b);
    }
    if (!align_numbers(p, &a, &b))
        return NO_NODE;
    return add_node(p, (plan_node){.operation = PLAN_ARITHMETIC,
                                   .kind = p->nodes[a].kind,
                                   .level = p->nodes[a].level,
                                   .function = function,
                                   INPUTS(a, b)});
}

uint32_t plan_negate(plan *p, uint32_t a)
{
    if (a == NO_NODE || p->nodes[a].kind == VECTOR_BITS)
        return NO_NODE;
    return add_node(p, (plan_node){.operation = PLAN_NEGATE,
                                   .kind = p->nodes[a].kind,
                                   .level = p->nodes[a].level,
                                   INPUTS(a)});
}

uint32_t plan_select(plan *p, uint32_t bits, uint32_t a, uint32_t b)
{
    if (bits == NO_NODE || !align_numbers(p, &a, &b))
        return NO_NODE;
    uint32_t first = a;
    if (!align(p, &bits, &first))
        return NO_NODE;
    a = plan_at_level(p, a, p->nodes[bits].level);
    b = plan_at_level(p, b, p->nodes[bits].level);
    if (a == NO_NODE || b == NO_NODE)
        return NO_NODE;
    return add_node(p, (plan_node){.operation = PLAN_SELECT,
                                   .kind = p->nodes[a].kind,
                                   .level = p->nodes[bits].level,
                                   INPUTS(bits, a, b)});
}

/* -------- reductions from items to owners -------- */

/* `bits` at the item level; NO_NODE: a constant true there. False when they cannot be. */
static bool item_bits(plan *p, uint32_t *bits, uint32_t item_level)
{
    if (*bits == NO_NODE)
        *bits = plan_bits(p, true);
    *bits = plan_at_level(p, *bits, item_level);
    return *bits != NO_NODE;
}

uint32_t plan_any(plan *p, uint32_t bits, uint32_t item_level, uint32_t owner_level)
{
    if (!item_bits(p, &bits, item_level))
        return NO_NODE;
    if (item_level == owner_level)
        return bits;
    if (is_constant(p, bits) && !p->nodes[bits].flag)
        return plan_bits(p, false);
    return add_node(p, (plan_node){.operation = PLAN_ANY,
                                   .kind = VECTOR_BITS,
                                   .level = owner_level,
                                   .item_level = item_level,
                                   INPUTS(bits)});
}

uint32_t plan_first(plan *p, uint32_t bits, uint32_t item_level, uint32_t owner_level)
{
    if (!item_bits(p, &bits, item_level))
        return NO_NODE;
    if (item_level == owner_level)
        return bits;
    return add_node(p, (plan_node){.operation = PLAN_FIRST,
                                   .kind = VECTOR_BITS,
                                   .level = item_level,
                                   .item_level = owner_level,
                                   INPUTS(bits)});
}

/* The inputs of a reduction over numbers: a column that was only loaded for it is read directly. */
static void number_inputs(const plan *p, uint32_t bits, uint32_t numeric, uint32_t item_level,
                          plan_node *node)
{
    uint32_t *inputs = MU_NEW_ARRAY(p->arena, uint32_t, 2);
    inputs[0] = bits;
    inputs[1] = numeric;
    node->inputs = inputs;
    node->n_inputs = 2;
    node->kind = p->nodes[numeric].kind;
    if (p->nodes[numeric].operation == PLAN_LOAD && p->nodes[numeric].level == item_level) {
        node->n_inputs = 1;
        node->column = p->nodes[numeric].column;
    }
}

uint32_t plan_best(plan *p, uint32_t bits, uint32_t key, bool largest, int64_t n,
                   uint32_t item_level, uint32_t owner_level)
{
    key = plan_at_level(p, key, item_level);
    if (!item_bits(p, &bits, item_level) || key == NO_NODE || p->nodes[key].kind == VECTOR_BITS)
        return NO_NODE;
    plan_node node = {.operation = PLAN_BEST,
                      .level = item_level,
                      .item_level = owner_level,
                      .flag = largest,
                      .lo = n};
    number_inputs(p, bits, key, item_level, &node);
    node.hi = node.kind == VECTOR_DOUBLE; /* the result is bits */
    node.kind = VECTOR_BITS;
    return add_node(p, node);
}

uint32_t plan_count(plan *p, uint32_t bits, uint32_t item_level, uint32_t owner_level)
{
    if (!item_bits(p, &bits, item_level))
        return NO_NODE;
    return add_node(p, (plan_node){.operation = PLAN_COUNT,
                                   .kind = VECTOR_INTEGER,
                                   .level = owner_level,
                                   .item_level = item_level,
                                   INPUTS(bits)});
}

uint32_t plan_reduce(plan *p, plan_operation operation, uint32_t bits, uint32_t numeric,
                     uint32_t item_level, uint32_t owner_level)
{
    numeric = plan_at_level(p, numeric, item_level);
    if (!item_bits(p, &bits, item_level) || numeric == NO_NODE ||
        p->nodes[numeric].kind == VECTOR_BITS)
        return NO_NODE;
    plan_node node = {.operation = operation, .level = owner_level, .item_level = item_level};
    number_inputs(p, bits, numeric, item_level, &node);
    return add_node(p, node);
}

uint32_t plan_distinct_count(plan *p, uint32_t bits, uint32_t column, uint32_t owner_level)
{
    uint32_t item_level = p->columns[column].level;
    if (!item_bits(p, &bits, item_level))
        return NO_NODE;
    return add_node(p, (plan_node){.operation = PLAN_DISTINCT_COUNT,
                                   .kind = VECTOR_INTEGER,
                                   .level = owner_level,
                                   .item_level = item_level,
                                   .column = column,
                                   INPUTS(bits)});
}

uint32_t plan_group_size(plan *p, uint32_t bits, uint32_t column, bool largest,
                         uint32_t owner_level)
{
    uint32_t item_level = p->columns[column].level;
    if (!item_bits(p, &bits, item_level))
        return NO_NODE;
    return add_node(p, (plan_node){.operation = PLAN_GROUP_SIZE,
                                   .kind = VECTOR_INTEGER,
                                   .level = owner_level,
                                   .item_level = item_level,
                                   .column = column,
                                   .flag = largest,
                                   INPUTS(bits)});
}

static uint32_t add_exclusions(uint32_t *inputs, uint32_t at, const plan_exclusion *exclusions,
                               uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        inputs[at++] = exclusions[i].bits;
    return at;
}

/* All nodes that a chain reads are its inputs, so that they are computed before it. */
uint32_t plan_chain_node(plan *p, const plan_chain *chain, uint32_t item_level,
                         uint32_t owner_level)
{
    uint32_t n = (chain->time != NO_NODE) + chain->n_trailing;
    for (uint32_t e = 0; e < chain->n_elements; e++)
        n += 1 + chain->elements[e].n_excluded;
    uint32_t *inputs = MU_NEW_ARRAY(p->arena, uint32_t, n);
    uint32_t at = 0;
    if (chain->time != NO_NODE)
        inputs[at++] = chain->time;
    for (uint32_t e = 0; e < chain->n_elements; e++) {
        inputs[at++] = chain->elements[e].bits;
        at = add_exclusions(inputs, at, chain->elements[e].excluded, chain->elements[e].n_excluded);
    }
    add_exclusions(inputs, at, chain->trailing, chain->n_trailing);
    for (uint32_t i = 0; i < n; i++)
        if (inputs[i] == NO_NODE || p->nodes[inputs[i]].level != item_level)
            return NO_NODE;
    return add_node(p, (plan_node){.operation = PLAN_CHAIN,
                                   .kind = VECTOR_BITS,
                                   .level = owner_level,
                                   .item_level = item_level,
                                   .column = chain->time_column,
                                   .chain = chain,
                                   .wanted_by = NO_NODE,
                                   .n_inputs = n,
                                   .inputs = inputs});
}

/* -------- related items -------- */

typedef struct input_list {
    uint32_t n, capacity;
    uint32_t *at;
    bool failed;
} input_list;

static void add_input(plan *p, input_list *list, uint32_t node, uint32_t level)
{
    if (node == NO_NODE || p->nodes[node].level != level) {
        list->failed = true;
        return;
    }
    if (list->n == list->capacity)
        list->at = grown(p->arena, list->at, &list->capacity, sizeof *list->at);
    list->at[list->n++] = node;
}

static void add_operand(plan *p, input_list *list, plan_operand operand, uint32_t level)
{
    if (operand.column == NO_COLUMN)
        add_input(p, list, operand.node, level);
    else
        list->failed |= p->columns[operand.column].level != level;
}

static void add_candidates(plan *p, input_list *list, const plan_related *related,
                           const plan_candidates *candidates)
{
    add_input(p, list, candidates->bits, candidates->level);
    if (related->in_time_order)
        add_operand(p, list, related->time, candidates->level);
    for (uint32_t r = 0; r < candidates->n_relations; r++) {
        const plan_relation *relation = &candidates->relations[r];
        add_operand(p, list, relation->own, candidates->level);
        add_operand(p, list, relation->earlier, related->elements[relation->element].own.level);
    }
}

uint32_t plan_related_node(plan *p, const plan_related *related, uint32_t owner_level,
                           bool of_first)
{
    input_list list = {.capacity = 16, .at = MU_NEW_ARRAY(p->arena, uint32_t, 16)};
    for (uint32_t e = 0; e < related->n_elements; e++) {
        add_candidates(p, &list, related, &related->elements[e].own);
        for (uint32_t x = 0; x < related->elements[e].n_excluded; x++)
            add_candidates(p, &list, related, &related->elements[e].excluded[x]);
    }
    for (uint32_t x = 0; x < related->n_trailing; x++)
        add_candidates(p, &list, related, &related->trailing[x]);
    if (list.failed)
        return NO_NODE;
    uint32_t first_level = related->elements[0].own.level;
    return add_node(p, (plan_node){.operation = PLAN_RELATED,
                                   .kind = VECTOR_BITS,
                                   .level = of_first ? first_level : owner_level,
                                   .item_level = owner_level,
                                   .flag = of_first,
                                   .related = related,
                                   .n_inputs = list.n,
                                   .inputs = list.at});
}
