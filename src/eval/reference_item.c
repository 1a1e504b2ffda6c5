/* reference_item.c -- calls whose second argument is evaluated for every item (pql.md 8.2, 8.3). */
#include "eval/reference_int.h"

#include <stdlib.h>

/* The receiver of an item call: its items, and the keys when it is a map or groups. */
typedef struct receiver {
    mu_value whole;
    mu_value list;
    const mu_value *keys; /* NULL for a list: there a second lambda parameter gets no key */
} receiver;

/* The values that groupBy grouped by; a plain map's keys are its names. */
static const mu_value *keys_of(mu_evaluator *evaluator, mu_value map)
{
    for (mu_group_keys *group = evaluator->groups; group != NULL; group = group->next)
        if (group->map_items == map.items)
            return group->keys;
    mu_value *keys = MU_NEW_ARRAY(evaluator->arena, mu_value, map.n);
    for (uint32_t i = 0; i < map.n; i++)
        keys[i] = mu_value_string(map.keys[i]);
    return keys;
}

static receiver receive(mu_evaluator *evaluator, const mu_pql *node,
                        const mu_reference_scope *scope)
{
    receiver out = {.whole = mu_reference_node(evaluator, node->args[0], scope)};
    out.list = mu_value_as_list(evaluator->arena, out.whole);
    if (out.whole.kind == MU_TYPE_MAP)
        out.keys = keys_of(evaluator, out.whole);
    return out;
}

/* The item expression's value for every item. */
static mu_value *evaluate_items(mu_evaluator *evaluator, const mu_pql *node,
                                const mu_reference_scope *scope, const receiver *from)
{
    mu_value *values = MU_NEW_ARRAY(evaluator->arena, mu_value, from->list.n);
    for (uint32_t i = 0; i < from->list.n; i++) {
        mu_value key = from->keys != NULL ? from->keys[i] : MU_VALUE_NULL;
        values[i] = mu_reference_item(evaluator, node->args[1], scope, from->list.items[i], key);
    }
    return values;
}

static mu_value list_of(const mu_value *items, uint32_t n)
{
    return (mu_value){.kind = MU_TYPE_LIST, .n = n, .items = items};
}

/* -------- filter -------- */

/* D21: of a map, the entries whose values satisfy the condition. */
static mu_value filter_map(mu_evaluator *evaluator, mu_value map, const mu_value *conditions)
{
    mu_value *items = MU_NEW_ARRAY(evaluator->arena, mu_value, map.n);
    mu_str *keys = MU_NEW_ARRAY(evaluator->arena, mu_str, map.n);
    uint32_t n = 0;
    for (uint32_t i = 0; i < map.n; i++) {
        if (!mu_value_is_true(conditions[i]))
            continue;
        items[n] = map.items[i];
        keys[n++] = map.keys[i];
    }
    return (mu_value){.kind = MU_TYPE_MAP, .n = n, .items = items, .keys = keys};
}

/* An absent list gives the empty list (docs/decisions/0032). */
static mu_value filter(mu_evaluator *evaluator, const receiver *from, const mu_value *conditions)
{
    if (from->whole.kind == MU_TYPE_MAP)
        return filter_map(evaluator, from->whole, conditions);
    mu_value_list out;
    mu_value_list_init(&out, evaluator->arena);
    for (uint32_t i = 0; i < from->list.n; i++)
        if (mu_value_is_true(conditions[i]))
            mu_value_list_add(&out, from->list.items[i]);
    return mu_value_of_list(&out);
}

static mu_value exists(const mu_value *conditions, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (mu_value_is_true(conditions[i]))
            return mu_value_boolean(true);
    return mu_value_boolean(false);
}

/* -------- map -------- */

/* Does a map body give entries? `mapEntry` may stand behind `if` and `let`. */
static bool gives_map_entry(const mu_pql *body)
{
    while (body->kind == MU_PQL_LET)
        body = body->args[1];
    if (body->kind != MU_PQL_CALL)
        return false;
    if (body->function == MU_FN_IF && body->n_args == 3) /* nested at most as deep as the tree */
        return gives_map_entry(body->args[1]) || gives_map_entry(body->args[2]);
    return body->function == MU_FN_MAP_ENTRY;
}

/* One map of all entries, in the order of the items; a later entry replaces the value of its key.
 */
static mu_value gather_entries(mu_evaluator *evaluator, const mu_value *entries, uint32_t n)
{
    mu_value *items = MU_NEW_ARRAY(evaluator->arena, mu_value, n);
    mu_str *keys = MU_NEW_ARRAY(evaluator->arena, mu_str, n);
    uint32_t size = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (entries[i].kind != MU_TYPE_MAP || entries[i].n != 1)
            continue;
        uint32_t at = 0;
        while (at < size && !mu_str_equal(keys[at], entries[i].keys[0]))
            at++;
        keys[at] = entries[i].keys[0];
        items[at] = entries[i].items[0];
        size += at == size;
    }
    return (mu_value){.kind = MU_TYPE_MAP, .n = size, .items = items, .keys = keys};
}

static mu_value map(mu_evaluator *evaluator, const mu_pql *lambda, const mu_value *values,
                    uint32_t n)
{
    if (lambda->kind == MU_PQL_LAMBDA && gives_map_entry(lambda->args[0]))
        return gather_entries(evaluator, values, n);
    return list_of(values, n);
}

/* -------- groupBy (D36) -------- */

typedef struct group {
    mu_value key;
    mu_str name;
    mu_value_list items;
} group;

static bool is_scalar(mu_value value)
{
    return value.kind >= MU_TYPE_BOOLEAN && value.kind <= MU_TYPE_TIMESTAMP;
}

static uint32_t find_group(const group *groups, uint32_t n, mu_value key)
{
    uint32_t i = 0;
    while (i < n && !mu_value_same(groups[i].key, key))
        i++;
    return i;
}

/* Groups are a MAP from the rendered key to the items; the keys themselves are kept beside it. */
static mu_value groups_as_map(mu_evaluator *evaluator, const group *groups, uint32_t n)
{
    mu_value *items = MU_NEW_ARRAY(evaluator->arena, mu_value, n);
    mu_value *keys = MU_NEW_ARRAY(evaluator->arena, mu_value, n);
    mu_str *names = MU_NEW_ARRAY(evaluator->arena, mu_str, n);
    for (uint32_t i = 0; i < n; i++) {
        items[i] = mu_value_of_list(&groups[i].items);
        keys[i] = groups[i].key;
        names[i] = groups[i].name;
    }
    if (n > 0) {
        mu_group_keys *entry = MU_NEW(evaluator->arena, mu_group_keys);
        *entry = (mu_group_keys){.next = evaluator->groups, .map_items = items, .keys = keys};
        evaluator->groups = entry;
    }
    return (mu_value){.kind = MU_TYPE_MAP, .n = n, .items = items, .keys = names};
}

static mu_value group_by(mu_evaluator *evaluator, mu_value list, const mu_value *keys)
{
    group *groups = MU_NEW_ARRAY(evaluator->arena, group, list.n);
    uint32_t n = 0;
    for (uint32_t i = 0; i < list.n; i++) {
        mu_str name;
        if (!is_scalar(keys[i]) || !mu_value_render(evaluator->arena, keys[i], &name))
            continue;
        uint32_t at = find_group(groups, n, keys[i]);
        if (at == n) {
            groups[n].key = keys[i];
            groups[n].name = name;
            mu_value_list_init(&groups[n++].items, evaluator->arena);
        }
        mu_value_list_add(&groups[at].items, list.items[i]);
    }
    return groups_as_map(evaluator, groups, n);
}

/* -------- topN and bottomN (D37) -------- */

typedef struct ranked {
    mu_value key, item;
    uint32_t position;
    int sign; /* 1: smallest first, -1: largest first */
} ranked;

static bool is_last(mu_value key)
{
    return !mu_value_has_order(key) && key.kind != MU_TYPE_BOOLEAN;
}

/* Keys without an order come last whatever the direction; equal keys keep their order. */
static int compare_ranked(const void *left, const void *right)
{
    const ranked *a = left, *b = right;
    bool a_is_last = is_last(a->key), b_is_last = is_last(b->key);
    if (a_is_last != b_is_last)
        return a_is_last ? 1 : -1;
    int order = a_is_last ? 0 : mu_value_sort_order(a->key, b->key) * a->sign;
    if (order != 0)
        return order;
    return (a->position > b->position) - (a->position < b->position);
}

static mu_value take_ranked(mu_evaluator *evaluator, mu_value list, const mu_value *keys,
                            mu_value limit, int sign)
{
    if (limit.kind != MU_TYPE_INTEGER || limit.integer <= 0)
        return list_of(NULL, 0);
    ranked *order = MU_NEW_ARRAY(evaluator->arena, ranked, list.n);
    for (uint32_t i = 0; i < list.n; i++)
        order[i] = (ranked){keys[i], list.items[i], i, sign};
    if (list.n > 0)
        qsort(order, list.n, sizeof *order, compare_ranked);
    uint32_t n = limit.integer < (int64_t)list.n ? (uint32_t)limit.integer : list.n;
    mu_value *items = MU_NEW_ARRAY(evaluator->arena, mu_value, n);
    for (uint32_t i = 0; i < n; i++)
        items[i] = order[i].item;
    return list_of(items, n);
}

/* -------- the calls -------- */

mu_value mu_reference_item_call(mu_evaluator *evaluator, const mu_pql *node,
                                const mu_reference_scope *scope)
{
    receiver from = receive(evaluator, node, scope);
    mu_value *values = evaluate_items(evaluator, node, scope, &from);
    uint32_t n = from.list.n;
    mu_value limit = MU_VALUE_NULL;
    if (node->n_args > 2)
        limit = mu_reference_node(evaluator, node->args[2], scope);
    switch (node->function) {
    case MU_FN_FILTER:
        return filter(evaluator, &from, values);
    case MU_FN_EXISTS:
        return exists(values, n);
    case MU_FN_MAP:
        return map(evaluator, node->args[1], values, n);
    case MU_FN_GROUP_BY:
        return group_by(evaluator, from.list, values);
    case MU_FN_TOP_N:
        return take_ranked(evaluator, from.list, values, limit, -1);
    case MU_FN_BOTTOM_N:
        return take_ranked(evaluator, from.list, values, limit, 1);
    case MU_FN_SUM:
    case MU_FN_AVERAGE:
    case MU_FN_MIN:
    case MU_FN_MAX:
        return mu_reference_aggregate(evaluator, node->function, list_of(values, n));
    default:
        return MU_VALUE_NULL;
    }
}
