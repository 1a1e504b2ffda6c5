#include "ingest/ingest_int.h"

#include <stdio.h>
#include <stdlib.h>

#define SLOTS_FIRST 1024u

void *mu_room(void *array, size_t n, size_t *capacity, size_t size)
{
    if (n < *capacity)
        return array;
    *capacity = *capacity == 0 ? 64 : *capacity * 2;
    void *memory = reallocarray(array, *capacity, size);
    if (memory == NULL) {
        fprintf(stderr, "muster: out of memory: %zu elements of %zu bytes asked for\n", *capacity,
                size);
        exit(3);
    }
    return memory;
}

static uint32_t *new_slots(uint32_t n)
{
    size_t capacity = n / 2;
    uint32_t *slots = mu_room(NULL, capacity, &capacity, sizeof *slots); /* doubles it */
    memset(slots, 0, n * sizeof *slots);
    return slots;
}

void mu_shape_init(mu_shape *shape, mu_arena *arena)
{
    *shape = (mu_shape){.arena = arena, .n_nodes = 1, .n_slots = SLOTS_FIRST};
    shape->nodes = mu_room(NULL, 0, &shape->capacity, sizeof *shape->nodes);
    shape->nodes[0] = (mu_shape_node){0};
    shape->slots = new_slots(shape->n_slots);
}

void mu_shape_free(mu_shape *shape)
{
    free(shape->nodes);
    free(shape->slots);
    *shape = (mu_shape){0};
}

static uint32_t add_node(mu_shape *shape, uint32_t parent, mu_str name, const mu_type *known)
{
    shape->nodes = mu_room(shape->nodes, shape->n_nodes, &shape->capacity, sizeof *shape->nodes);
    uint32_t node = shape->n_nodes++;
    shape->nodes[node] = (mu_shape_node){
        .name = name,
        .parent = parent,
        .depth = parent == 0 ? 0 : shape->nodes[parent].depth + 1,
        .slot = MU_NO_SLOT,
        .cell_kinds = MU_CELL_ANY,
        .known = known,
    };
    shape->n_new += known == NULL;
    return node;
}

uint32_t mu_shape_root(mu_shape *shape, const mu_type *type)
{
    MU_ASSERT(type->kind == MU_TYPE_OBJECT);
    uint32_t node = add_node(shape, 0, MU_STR(""), type);
    shape->nodes[node].is_root = true;
    return node;
}

static uint32_t first_slot(const mu_shape *shape, uint32_t parent, mu_str name)
{
    uint64_t hash = mu_hash64(name.ptr, name.len, parent);
    return (uint32_t)hash & (shape->n_slots - 1);
}

static void rehash(mu_shape *shape)
{
    shape->n_slots *= 2;
    free(shape->slots);
    shape->slots = new_slots(shape->n_slots);
    for (uint32_t node = 1; node < shape->n_nodes; node++) {
        const mu_shape_node *entry = &shape->nodes[node];
        if (entry->is_root || (entry->parent != 0 && shape->nodes[entry->parent].item == node))
            continue;
        uint32_t at = first_slot(shape, entry->parent, entry->name);
        while (shape->slots[at] != 0)
            at = (at + 1) & (shape->n_slots - 1);
        shape->slots[at] = node;
    }
}

/* ANY in a schema says no more than no schema. */
static const mu_type *known_type(const mu_type *type)
{
    return type == NULL || type->kind == MU_TYPE_ANY || type->kind == MU_TYPE_NULL ? NULL : type;
}

static uint32_t add_field(mu_shape *shape, uint32_t parent, mu_str name, uint32_t at)
{
    const mu_type *type = shape->nodes[parent].known, *known = NULL;
    int field = type != NULL && type->kind == MU_TYPE_OBJECT ? mu_type_field(type, name) : -1;
    if (field >= 0)
        known = known_type(type->field_types[field]);
    uint32_t node = add_node(shape, parent, mu_arena_copy(shape->arena, name), known);
    if (field >= 0)
        shape->nodes[node].slot = (uint32_t)field;
    shape->nodes[node].next_sibling = shape->nodes[parent].first_field;
    shape->nodes[parent].first_field = node;
    shape->slots[at] = node;
    if (shape->n_nodes * 2 > shape->n_slots)
        rehash(shape);
    return node;
}

/* The node of a field, or 0; *at is then its free slot. */
static uint32_t find_field(const mu_shape *shape, uint32_t parent, mu_str name, uint32_t *at)
{
    *at = first_slot(shape, parent, name);
    for (; shape->slots[*at] != 0; *at = (*at + 1) & (shape->n_slots - 1)) {
        const mu_shape_node *entry = &shape->nodes[shape->slots[*at]];
        if (entry->parent == parent && mu_str_equal(entry->name, name))
            return shape->slots[*at];
    }
    return 0;
}

static uint32_t find_or_add_field(mu_shape *shape, uint32_t parent, mu_str name)
{
    uint32_t at;
    uint32_t found = find_field(shape, parent, name, &at);
    if (found != 0)
        return found;
    mu_str plain = mu_xdm_plain_name(name);
    if (!mu_str_equal(plain, name)) {
        name = plain;
        found = find_field(shape, parent, name, &at);
    }
    return found != 0 ? found : add_field(shape, parent, name, at);
}

/* P4: where the schema has an object "_repo", the field "repo:createDate" is its createDate. */
static void set_prefixed(mu_shape *shape, uint32_t parent, uint32_t node)
{
    const mu_type *type = shape->nodes[parent].known;
    mu_str name = shape->nodes[node].name;
    const char *colon = name.len == 0 ? NULL : memchr(name.ptr, ':', name.len);
    if (colon == NULL || type == NULL || type->kind != MU_TYPE_OBJECT ||
        shape->nodes[node].known != NULL)
        return;
    size_t len = (size_t)(colon - name.ptr);
    mu_str outer = mu_arena_format(shape->arena, "_" MU_STR_FMT, (int)len, name.ptr);
    int field = mu_type_field(type, outer);
    if (field < 0 || type->field_types[field]->kind != MU_TYPE_OBJECT)
        return;
    mu_str inner = {colon + 1, name.len - len - 1};
    uint32_t outer_node = find_or_add_field(shape, parent, outer);
    uint32_t inner_node = find_or_add_field(shape, outer_node, inner);
    shape->nodes[node].prefixed = inner_node;
}

uint32_t mu_shape_field(mu_shape *shape, uint32_t parent, uint32_t previous, mu_str name)
{
    uint32_t guess = previous == 0 ? 0 : shape->nodes[previous].next_field;
    if (guess != 0 && mu_str_equal(shape->nodes[guess].name, name))
        return guess;
    uint32_t n_before = shape->n_nodes;
    uint32_t found = find_or_add_field(shape, parent, name);
    if (shape->n_nodes > n_before)
        set_prefixed(shape, parent, found);
    if (previous != 0)
        shape->nodes[previous].next_field = found;
    return found;
}

uint32_t mu_shape_item(mu_shape *shape, uint32_t parent)
{
    if (shape->nodes[parent].item != 0)
        return shape->nodes[parent].item;
    const mu_type *type = shape->nodes[parent].known, *known = NULL;
    if (type != NULL && (type->kind == MU_TYPE_LIST || type->kind == MU_TYPE_MAP))
        known = known_type(type->item);
    uint32_t node = add_node(shape, parent, MU_STR(""), known);
    shape->nodes[parent].item = node;
    return node;
}

mu_str mu_shape_path(const mu_shape *shape, uint32_t node, mu_arena *arena)
{
    mu_str path = MU_STR("");
    for (; node != 0 && !shape->nodes[node].is_root; node = shape->nodes[node].parent) {
        const mu_shape_node *entry = &shape->nodes[node];
        bool is_item = shape->nodes[entry->parent].item == node;
        bool below_root = shape->nodes[entry->parent].is_root;
        mu_str step = is_item ? MU_STR("[]") : entry->name;
        path = mu_arena_format(arena, "%s" MU_STR_FMT MU_STR_FMT, is_item || below_root ? "" : ".",
                               MU_STR_ARG(step), MU_STR_ARG(path));
    }
    return path;
}

void mu_shape_count(mu_shape *shape, const mu_seen *seen, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        mu_shape_node *node = &shape->nodes[seen[i].node];
        node->seen[seen[i].kind]++;
        if (seen[i].kind == MU_SEEN_CELL)
            node->cell_kinds &= seen[i].cell_kinds;
    }
}

void mu_shape_join(mu_shape *into, const mu_shape *from, uint32_t *map)
{
    map[0] = 0;
    uint32_t n_roots = 0;
    for (uint32_t node = 1; node < from->n_nodes; node++) {
        const mu_shape_node *entry = &from->nodes[node];
        if (entry->is_root)
            map[node] = ++n_roots; /* both made their roots first, in the same order */
        else if (from->nodes[entry->parent].item == node)
            map[node] = mu_shape_item(into, map[entry->parent]);
        else
            map[node] = mu_shape_field(into, map[entry->parent], 0, entry->name);
        mu_shape_node *target = &into->nodes[map[node]];
        MU_ASSERT(target->is_root == entry->is_root);
        for (int k = 0; k < MU_SEEN_COUNT; k++)
            target->seen[k] += entry->seen[k];
        target->cell_kinds &= entry->cell_kinds;
    }
}
