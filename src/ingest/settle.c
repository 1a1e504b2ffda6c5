#include "ingest/ingest_int.h"

#include <stdlib.h>

/* What a path can become, best first where counts tie. */
enum { GROUP_TEXT, GROUP_NUMBER, GROUP_BOOLEAN, GROUP_OBJECT, GROUP_LIST, GROUP_COUNT };

/* The kind that all cells of a path share; text unless every one of them parses. */
static mu_seen_kind cells_kind(const mu_shape_node *node)
{
    if (node->seen[MU_SEEN_TEXT] > 0)
        return MU_SEEN_TEXT;
    if (node->cell_kinds & MU_CELL_INTEGER)
        return MU_SEEN_INTEGER;
    if (node->cell_kinds & MU_CELL_DOUBLE)
        return MU_SEEN_DOUBLE;
    if (node->cell_kinds & MU_CELL_BOOLEAN)
        return MU_SEEN_BOOLEAN;
    return node->cell_kinds & MU_CELL_TIME ? MU_SEEN_TIME : MU_SEEN_TEXT;
}

static int winner(const uint64_t seen[MU_SEEN_COUNT])
{
    const uint64_t groups[GROUP_COUNT] = {
        [GROUP_TEXT] = seen[MU_SEEN_TIME] + seen[MU_SEEN_TEXT],
        [GROUP_NUMBER] = seen[MU_SEEN_INTEGER] + seen[MU_SEEN_DOUBLE],
        [GROUP_BOOLEAN] = seen[MU_SEEN_BOOLEAN],
        [GROUP_OBJECT] = seen[MU_SEEN_OBJECT],
        [GROUP_LIST] = seen[MU_SEEN_LIST],
    };
    int best = 0;
    for (int g = 1; g < GROUP_COUNT; g++)
        if (groups[g] > groups[best])
            best = g;
    return groups[best] == 0 ? -1 : best;
}

static int compare_fields(const void *a, const void *b, void *context)
{
    const mu_shape *shape = context;
    return mu_str_compare(shape->nodes[*(const uint32_t *)a].name,
                          shape->nodes[*(const uint32_t *)b].name);
}

/* The fields beneath a node that its known type does not have but that settled, by name. */
static uint32_t *new_fields(mu_shape *shape, uint32_t node, mu_arena *arena, uint32_t *n_out)
{
    uint32_t n = 0, n_max = 0;
    for (uint32_t f = shape->nodes[node].first_field; f != 0; f = shape->nodes[f].next_sibling)
        n_max++;
    uint32_t *fields = MU_NEW_ARRAY(arena, uint32_t, n_max);
    for (uint32_t f = shape->nodes[node].first_field; f != 0; f = shape->nodes[f].next_sibling)
        if (shape->nodes[f].known == NULL && mu_shape_settle(shape, f, arena) != NULL)
            fields[n++] = f;
    qsort_r(fields, n, sizeof *fields, compare_fields, shape);
    *n_out = n;
    return fields;
}

/* The known fields' types after the load; *changed when one of them grew. */
static const mu_type **known_fields(mu_shape *shape, uint32_t node, uint32_t n_all, mu_arena *arena,
                                    bool *changed)
{
    const mu_type *known = shape->nodes[node].known;
    const mu_type **types = MU_NEW_ARRAY(arena, const mu_type *, n_all);
    for (uint32_t i = 0; known != NULL && i < known->n_fields; i++)
        types[i] = known->field_types[i];
    for (uint32_t f = shape->nodes[node].first_field; f != 0; f = shape->nodes[f].next_sibling) {
        if (shape->nodes[f].known == NULL)
            continue;
        const mu_type *type = mu_shape_settle(shape, f, arena);
        *changed |= type != types[shape->nodes[f].slot];
        types[shape->nodes[f].slot] = type;
    }
    return types;
}

static const mu_type *settle_object(mu_shape *shape, uint32_t node, mu_arena *arena)
{
    uint32_t n_new;
    const mu_type *known = shape->nodes[node].known;
    uint32_t n_known = known == NULL ? 0 : known->n_fields;
    const uint32_t *added = new_fields(shape, node, arena, &n_new);
    bool changed = n_new > 0;
    const mu_type **types = known_fields(shape, node, n_known + n_new, arena, &changed);
    for (uint32_t i = 0; i < n_new; i++)
        shape->nodes[added[i]].slot = n_known + i;
    if (known != NULL && !changed)
        return known;
    mu_str *names = MU_NEW_ARRAY(arena, mu_str, n_known + n_new);
    for (uint32_t i = 0; i < n_known; i++)
        names[i] = known->field_names[i];
    for (uint32_t i = 0; i < n_new; i++) {
        names[n_known + i] = mu_arena_copy(arena, shape->nodes[added[i]].name);
        types[n_known + i] = shape->nodes[added[i]].settled;
    }
    return mu_type_object(arena, n_known + n_new, names, types);
}

/* A list whose items were never seen has no type and is not stored
 * (docs/decisions/0053-types-of-unknown-fields.md). */
static const mu_type *settle_list(mu_shape *shape, uint32_t node, mu_arena *arena)
{
    uint32_t item = shape->nodes[node].item;
    const mu_type *known = shape->nodes[node].known;
    const mu_type *item_type = item == 0 ? NULL : mu_shape_settle(shape, item, arena);
    if (item_type == NULL)
        return known;
    if (known == NULL || known->kind == MU_TYPE_LIST)
        return known != NULL && item_type == known->item ? known : mu_type_list(arena, item_type);
    return item_type == known->item ? known : mu_type_map(arena, item_type);
}

static const mu_type *settle_new(mu_shape *shape, uint32_t node, mu_arena *arena)
{
    uint64_t seen[MU_SEEN_COUNT];
    memcpy(seen, shape->nodes[node].seen, sizeof seen);
    if (seen[MU_SEEN_CELL] > 0)
        seen[cells_kind(&shape->nodes[node])] += seen[MU_SEEN_CELL];
    if (winner(seen) == GROUP_LIST) {
        const mu_type *list = settle_list(shape, node, arena);
        if (list != NULL)
            return list;
        seen[MU_SEEN_LIST] = 0; /* only empty ones: any other kind goes before */
    }
    switch (winner(seen)) {
    case GROUP_TEXT:
        return mu_type_of(seen[MU_SEEN_TEXT] > 0 ? MU_TYPE_STRING : MU_TYPE_TIMESTAMP);
    case GROUP_NUMBER:
        return seen[MU_SEEN_DOUBLE] > 0 ? mu_type_of(MU_TYPE_DOUBLE) : mu_type_inferred_integer();
    case GROUP_BOOLEAN:
        return mu_type_of(MU_TYPE_BOOLEAN);
    case GROUP_OBJECT:
        return settle_object(shape, node, arena);
    default:
        return NULL;
    }
}

const mu_type *mu_shape_settle(mu_shape *shape, uint32_t node, mu_arena *arena)
{
    const mu_type *known = shape->nodes[node].known, *type;
    MU_ASSERT(shape->nodes[node].depth <= MU_RECORD_DEPTH_MAX + 1);
    if (known == NULL)
        type = settle_new(shape, node, arena);
    else if (known->kind == MU_TYPE_OBJECT)
        type = settle_object(shape, node, arena);
    else if (known->kind == MU_TYPE_LIST || known->kind == MU_TYPE_MAP)
        type = settle_list(shape, node, arena);
    else if (known->is_inferred && shape->nodes[node].seen[MU_SEEN_DOUBLE] > 0)
        type = mu_type_of(MU_TYPE_DOUBLE);
    else
        type = known;
    shape->nodes[node].settled = type;
    return type;
}
