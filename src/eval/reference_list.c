/* reference_list.c -- lists, sets, aggregation and maps whose arguments are plain values (pql.md
 * 8.2 to 8.4 and 9). */
#include "eval/reference_int.h"

/* -------- lists -------- */

void mu_value_list_init(mu_value_list *list, mu_arena *arena)
{
    *list = (mu_value_list){.arena = arena};
}

void mu_value_list_add(mu_value_list *list, mu_value value)
{
    if (list->n == list->capacity) {
        uint32_t capacity = list->capacity == 0 ? 8 : list->capacity * 2;
        MU_ASSERT(capacity > list->capacity);
        mu_value *items = MU_NEW_ARRAY(list->arena, mu_value, capacity);
        if (list->n > 0)
            memcpy(items, list->items, list->n * sizeof *items);
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->n++] = value;
}

mu_value mu_value_as_list(mu_arena *arena, mu_value value)
{
    switch (value.kind) {
    case MU_TYPE_LIST:
        return value;
    case MU_TYPE_NULL:
        return (mu_value){.kind = MU_TYPE_LIST};
    case MU_TYPE_MAP:
        return (mu_value){.kind = MU_TYPE_LIST, .n = value.n, .items = value.items};
    default:
        break;
    }
    mu_value *item = MU_NEW(arena, mu_value);
    *item = value;
    return (mu_value){.kind = MU_TYPE_LIST, .n = 1, .items = item};
}

static uint32_t count_nulls(mu_value list)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < list.n; i++)
        n += mu_value_is_null(list.items[i]);
    return n;
}

static bool contains_same(mu_value list, mu_value item)
{
    for (uint32_t i = 0; i < list.n; i++)
        if (mu_value_same(list.items[i], item))
            return true;
    return false;
}

/* First occurrences; nulls dropped. */
static mu_value distinct(mu_arena *arena, mu_value list)
{
    mu_value_list out;
    mu_value_list_init(&out, arena);
    for (uint32_t i = 0; i < list.n; i++)
        if (!mu_value_is_null(list.items[i]) &&
            !contains_same(mu_value_of_list(&out), list.items[i]))
            mu_value_list_add(&out, list.items[i]);
    return mu_value_of_list(&out);
}

mu_value mu_reference_list(mu_evaluator *evaluator, mu_pql_function function, const mu_value *args)
{
    mu_value list = mu_value_as_list(evaluator->arena, args[0]);
    uint32_t n_null = count_nulls(list);
    switch (function) {
    case MU_FN_DISTINCT:
        return distinct(evaluator->arena, list);
    case MU_FN_HEAD:
        return list.n > 0 ? list.items[0] : MU_VALUE_NULL;
    case MU_FN_EXISTS: /* D38 */
        return mu_value_boolean(list.n > 0);
    case MU_FN_COUNT_ONLY_NULL:
        return mu_value_integer(n_null);
    case MU_FN_COUNT_WITH_NULL:
        return mu_value_integer(list.n);
    case MU_FN_DISTINCT_COUNT_WITH_NULL:
        return mu_value_integer((int64_t)distinct(evaluator->arena, list).n + (n_null > 0));
    default:
        return MU_VALUE_NULL;
    }
}

/* -------- sets -------- */

/* Does some item of `list` equal `value`? The item comes first in the coercion. */
static bool includes(mu_value list, mu_value value, bool text_may_be_time)
{
    for (uint32_t i = 0; i < list.n; i++)
        if (mu_value_equals(list.items[i], value, text_may_be_time))
            return true;
    return false;
}

/* Does `value` equal some item of `list`? The value comes first in the coercion. */
static bool is_one_of(mu_value value, mu_value list, bool text_may_be_time)
{
    for (uint32_t i = 0; i < list.n; i++)
        if (mu_value_equals(value, list.items[i], text_may_be_time))
            return true;
    return false;
}

static mu_value intersection(mu_arena *arena, mu_value a, mu_value b, bool text_may_be_time)
{
    mu_value_list out;
    mu_value_list_init(&out, arena);
    for (uint32_t i = 0; i < a.n; i++)
        if (is_one_of(a.items[i], b, text_may_be_time) &&
            !contains_same(mu_value_of_list(&out), a.items[i]))
            mu_value_list_add(&out, a.items[i]);
    return mu_value_of_list(&out);
}

static bool intersects(mu_value a, mu_value b, bool text_may_be_time)
{
    for (uint32_t i = 0; i < a.n; i++)
        if (is_one_of(a.items[i], b, text_may_be_time))
            return true;
    return false;
}

/* D35; nulls are no items. */
static bool is_subset(mu_value a, mu_value b, bool text_may_be_time)
{
    for (uint32_t i = 0; i < a.n; i++)
        if (!mu_value_is_null(a.items[i]) && !is_one_of(a.items[i], b, text_may_be_time))
            return false;
    return true;
}

static bool is_superset(mu_value a, mu_value b, bool text_may_be_time)
{
    for (uint32_t i = 0; i < b.n; i++)
        if (!mu_value_is_null(b.items[i]) && !includes(a, b.items[i], text_may_be_time))
            return false;
    return true;
}

mu_value mu_reference_set(mu_evaluator *evaluator, const mu_pql *node, mu_pql_function function,
                          const mu_value *args)
{
    bool text_may_be_time = node->n_args == 0 || mu_reference_is_dynamic(node->args[0]);
    mu_value a = mu_value_as_list(evaluator->arena, args[0]);
    if (function == MU_FN_INCLUDES)
        return mu_value_boolean(includes(a, args[1], text_may_be_time));
    mu_value b = mu_value_as_list(evaluator->arena, args[1]);
    switch (function) {
    case MU_FN_INTERSECTS:
        return mu_value_boolean(intersects(a, b, text_may_be_time));
    case MU_FN_INTERSECTION:
        return intersection(evaluator->arena, a, b, text_may_be_time);
    case MU_FN_SUBSET_OF:
        return mu_value_boolean(is_subset(a, b, text_may_be_time));
    case MU_FN_SUPERSET_OF:
        return mu_value_boolean(is_superset(a, b, text_may_be_time));
    default:
        return MU_VALUE_NULL;
    }
}

/* -------- aggregation (8.3) -------- */

/* An Integer as long as it fits, then a Double, added in list order; D41. */
typedef struct running_sum {
    bool is_double;
    int64_t integer;
    double number;
    uint32_t n;
} running_sum;

static void add_to_sum(running_sum *sum, mu_value value)
{
    if (!mu_value_is_number(value))
        return;
    sum->n++;
    int64_t total;
    if (!sum->is_double && value.kind == MU_TYPE_INTEGER &&
        !__builtin_add_overflow(sum->integer, value.integer, &total)) {
        sum->integer = total;
        return;
    }
    if (!sum->is_double) {
        sum->is_double = true;
        sum->number = (double)sum->integer;
    }
    sum->number += mu_value_as_double(value);
}

static mu_value sum_or_average(mu_value list, bool is_average)
{
    running_sum sum = {0};
    for (uint32_t i = 0; i < list.n; i++)
        add_to_sum(&sum, list.items[i]);
    if (is_average && sum.n == 0)
        return MU_VALUE_NULL;
    double total = sum.is_double ? sum.number : (double)sum.integer;
    if (is_average)
        return mu_value_double(total / (double)sum.n);
    return sum.is_double ? mu_value_double(total) : mu_value_integer(sum.integer);
}

/* Of the items that have an order; the first of equals. */
static mu_value least_or_greatest(mu_value list, int sign)
{
    mu_value best = MU_VALUE_NULL;
    for (uint32_t i = 0; i < list.n; i++) {
        mu_value item = list.items[i];
        if (!mu_value_has_order(item))
            continue;
        if (mu_value_is_null(best) || mu_value_sort_order(item, best) * sign > 0)
            best = item;
    }
    return best;
}

mu_value mu_reference_aggregate(mu_evaluator *evaluator, mu_pql_function function, mu_value value)
{
    mu_value list = mu_value_as_list(evaluator->arena, value);
    switch (function) {
    case MU_FN_COUNT: /* D40 */
        return mu_value_integer((int64_t)list.n - count_nulls(list));
    case MU_FN_SUM:
        return sum_or_average(list, false);
    case MU_FN_AVERAGE:
        return sum_or_average(list, true);
    case MU_FN_MIN:
        return least_or_greatest(list, -1);
    case MU_FN_MAX:
        return least_or_greatest(list, 1);
    default:
        return MU_VALUE_NULL;
    }
}

/* -------- maps (8.4) -------- */

static mu_value map_get(mu_evaluator *evaluator, mu_value map, mu_value key)
{
    mu_str name;
    if (!mu_value_render(evaluator->arena, key, &name))
        return MU_VALUE_NULL;
    if (map.kind == MU_TYPE_LIST || map.kind == MU_TYPE_OBJECT)
        return mu_reference_member(evaluator, map, name);
    return mu_value_member(map, name);
}

static bool has_entries(mu_value value)
{
    return value.kind == MU_TYPE_MAP || value.kind == MU_TYPE_OBJECT;
}

/* Keys or values of a map, or of every map of a list; an object's present fields count. */
static void add_entries(mu_value_list *out, mu_value map, bool wants_keys)
{
    for (uint32_t i = 0; i < map.n; i++) {
        if (map.kind == MU_TYPE_LIST) {
            if (has_entries(map.items[i]))
                add_entries(out, map.items[i], wants_keys);
        } else if (map.kind == MU_TYPE_MAP || !mu_value_is_null(map.items[i])) {
            mu_value_list_add(out, wants_keys ? mu_value_string(map.keys[i]) : map.items[i]);
        }
    }
}

static mu_value map_entries(mu_evaluator *evaluator, mu_value map, bool wants_keys)
{
    mu_value_list out;
    mu_value_list_init(&out, evaluator->arena);
    if (has_entries(map) || map.kind == MU_TYPE_LIST)
        add_entries(&out, map, wants_keys);
    return mu_value_of_list(&out);
}

/* A map of one entry; reference_item.c gathers the entries of a map body. */
static mu_value map_entry(mu_evaluator *evaluator, mu_value key, mu_value value)
{
    mu_str *name = MU_NEW(evaluator->arena, mu_str);
    if (!mu_value_render(evaluator->arena, key, name))
        return MU_VALUE_NULL;
    mu_value *item = MU_NEW(evaluator->arena, mu_value);
    *item = value;
    return (mu_value){.kind = MU_TYPE_MAP, .n = 1, .items = item, .keys = name};
}

mu_value mu_reference_map(mu_evaluator *evaluator, mu_pql_function function, const mu_value *args)
{
    switch (function) {
    case MU_FN_GET:
        return map_get(evaluator, args[0], args[1]);
    case MU_FN_KEYS:
        return map_entries(evaluator, args[0], true);
    case MU_FN_VALUES:
        return map_entries(evaluator, args[0], false);
    case MU_FN_MAP_ENTRY:
        return map_entry(evaluator, args[0], args[1]);
    default:
        return MU_VALUE_NULL;
    }
}
