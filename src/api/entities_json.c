/* entities_json.c -- values of profiles and events as JSON, and parts of it. */
#include "api/entities_int.h"

#include "base/time.h"

/* -------- lists and objects piece by piece -------- */

void mu_entity_list_add(mu_entity_list *list, mu_str name, mu_json item)
{
    if (list->n == list->capacity) {
        uint32_t capacity = list->capacity < 8 ? 8 : list->capacity * 2;
        mu_str *names = MU_NEW_ARRAY(list->arena, mu_str, capacity);
        mu_json *items = MU_NEW_ARRAY(list->arena, mu_json, capacity);
        if (list->n > 0) {
            memcpy(names, list->names, list->n * sizeof *names);
            memcpy(items, list->items, list->n * sizeof *items);
        }
        list->names = names;
        list->items = items;
        list->capacity = capacity;
    }
    list->names[list->n] = name;
    list->items[list->n++] = item;
}

mu_json mu_entity_list_array(const mu_entity_list *list)
{
    return (mu_json){.kind = MU_JSON_ARRAY, .n = list->n, .items = list->items};
}

mu_json mu_entity_list_object(const mu_entity_list *list)
{
    return (mu_json){
        .kind = MU_JSON_OBJECT, .n = list->n, .names = list->names, .items = list->items};
}

/* -------- values -------- */

mu_json mu_entity_json_time(mu_arena *arena, int64_t ms)
{
    char text[MU_TIME_TEXT_MAX];
    int64_t rest = ms % 1000;
    size_t len = mu_format_time(ms - rest - (rest < 0 ? 1000 : 0), text);
    return mu_json_of_string(mu_arena_copy(arena, (mu_str){text, len}));
}

static mu_json time_text(mu_arena *arena, mu_value value)
{
    char text[MU_TIME_TEXT_MAX];
    size_t len = value.kind == MU_TYPE_DATE ? mu_format_date(value.integer, text)
                                            : mu_format_time(value.integer, text);
    return mu_json_of_string(mu_arena_copy(arena, (mu_str){text, len}));
}

static mu_json container(mu_arena *arena, mu_value value)
{
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, value.n);
    mu_str *names = value.kind == MU_TYPE_LIST ? NULL : MU_NEW_ARRAY(arena, mu_str, value.n);
    uint32_t n = 0;
    for (uint32_t i = 0; i < value.n; i++) {
        if (value.kind == MU_TYPE_OBJECT && mu_value_is_null(value.items[i]))
            continue;
        if (names != NULL)
            names[n] = value.keys[i];
        items[n++] = mu_entity_json_of(arena, value.items[i]);
    }
    return (mu_json){.kind = names == NULL ? MU_JSON_ARRAY : MU_JSON_OBJECT,
                     .n = n,
                     .names = names,
                     .items = items};
}

/* Recursion is bounded by the depth of types. */
mu_json mu_entity_json_of(mu_arena *arena, mu_value value)
{
    switch (value.kind) {
    case MU_TYPE_BOOLEAN:
        return mu_json_of_boolean(value.boolean);
    case MU_TYPE_INTEGER:
        return mu_json_of_integer(value.integer);
    case MU_TYPE_DOUBLE:
        return (mu_json){.kind = MU_JSON_DOUBLE, .number = value.number};
    case MU_TYPE_STRING:
        return mu_json_of_string(value.string);
    case MU_TYPE_DATE:
    case MU_TYPE_TIMESTAMP:
        return time_text(arena, value);
    case MU_TYPE_LIST:
    case MU_TYPE_MAP:
    case MU_TYPE_OBJECT:
        return container(arena, value);
    default:
        return (mu_json){.kind = MU_JSON_NULL};
    }
}

/* -------- parts of a tree -------- */

static mu_str step_of(mu_str path)
{
    const char *dot = path.len == 0 ? NULL : memchr(path.ptr, '.', path.len);
    return (mu_str){path.ptr, dot == NULL ? path.len : (size_t)(dot - path.ptr)};
}

/* The paths that go on below a member. Returns how many; *whole: one of them ends there. */
static uint32_t paths_below(mu_str name, uint32_t n, const mu_str *paths, mu_str *below,
                            bool *whole)
{
    uint32_t n_below = 0;
    *whole = false;
    for (uint32_t i = 0; i < n; i++) {
        mu_str step = step_of(paths[i]);
        if (!mu_str_equal(step, name))
            continue;
        if (step.len == paths[i].len)
            *whole = true;
        else
            below[n_below++] = (mu_str){paths[i].ptr + step.len + 1, paths[i].len - step.len - 1};
    }
    return n_below;
}

/* With `keeps`, what the paths name; else everything but that. False: nothing is left. Each level
 * takes a step off every path, so that paths bound the recursion. */
static bool part_of(mu_arena *arena, const mu_json *json, uint32_t n, const mu_str *paths,
                    bool keeps, mu_json *out)
{
    if (json->kind != MU_JSON_OBJECT && json->kind != MU_JSON_ARRAY) {
        *out = *json;
        return !keeps;
    }
    bool is_list = json->kind == MU_JSON_ARRAY;
    mu_entity_list list = {.arena = arena};
    mu_str *below = MU_NEW_ARRAY(arena, mu_str, n);
    for (uint32_t i = 0; i < json->n; i++) {
        mu_json part = json->items[i];
        bool whole = false, stays;
        uint32_t n_below = is_list ? n : paths_below(json->names[i], n, paths, below, &whole);
        if (whole)
            stays = keeps;
        else if (n_below == 0)
            stays = !keeps;
        else
            stays = part_of(arena, &json->items[i], n_below, is_list ? paths : below, keeps, &part);
        if (stays)
            mu_entity_list_add(&list, is_list ? MU_STR("") : json->names[i], part);
    }
    *out = is_list ? mu_entity_list_array(&list) : mu_entity_list_object(&list);
    return !keeps || list.n > 0;
}

mu_json mu_entity_select(const mu_entity_ask *ask, const mu_json *json)
{
    mu_json out = *json, part;
    if (ask->has_fields) {
        if (part_of(ask->arena, &out, ask->n_fields, ask->fields, true, &part))
            out = part;
        else
            out = (mu_json){.kind = MU_JSON_OBJECT};
    }
    if (ask->hidden.n_paths > 0) {
        part_of(ask->arena, &out, ask->hidden.n_paths, ask->hidden.paths, false, &part);
        out = part;
    }
    return out;
}
