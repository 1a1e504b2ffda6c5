#include "tests/support/tree_edit.h"

/* Where a child hangs in its parent. */
typedef enum slot_kind {
    SLOT_ARGUMENT,
    SLOT_FROM,
    SLOT_DECLARED_WHERE,
    SLOT_START,
    SLOT_END,
    SLOT_WHAT,
    SLOT_WHERE,
    SLOT_ITEM_START,
    SLOT_ITEM_END
} slot_kind;

typedef struct slot {
    slot_kind kind;
    uint32_t index;
} slot;

#define SLOTS_MAX 600

static uint32_t add_slot(slot *slots, uint32_t n, bool is_there, slot_kind kind, uint32_t index)
{
    if (!is_there || n == SLOTS_MAX)
        return n;
    slots[n] = (slot){kind, index};
    return n + 1;
}

static uint32_t slots_of(const mu_pql *node, slot slots[SLOTS_MAX])
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < node->n_args; i++)
        n = add_slot(slots, n, true, SLOT_ARGUMENT, i);
    for (uint32_t i = 0; i < node->n_declarations; i++) {
        n = add_slot(slots, n, true, SLOT_FROM, i);
        n = add_slot(slots, n, node->declarations[i].where != NULL, SLOT_DECLARED_WHERE, i);
    }
    if (node->when != NULL) {
        n = add_slot(slots, n, node->when->start != NULL, SLOT_START, 0);
        n = add_slot(slots, n, node->when->end != NULL, SLOT_END, 0);
    }
    for (uint32_t i = 0; i < node->n_items; i++) {
        const mu_pql_chain_item *item = &node->items[i];
        n = add_slot(slots, n, item->what != NULL, SLOT_WHAT, i);
        n = add_slot(slots, n, item->where != NULL, SLOT_WHERE, i);
        if (item->when != NULL) {
            n = add_slot(slots, n, item->when->start != NULL, SLOT_ITEM_START, i);
            n = add_slot(slots, n, item->when->end != NULL, SLOT_ITEM_END, i);
        }
    }
    return n;
}

static const mu_pql *child_at(const mu_pql *node, slot at)
{
    switch (at.kind) {
    case SLOT_ARGUMENT:
        return node->args[at.index];
    case SLOT_FROM:
        return node->declarations[at.index].from;
    case SLOT_DECLARED_WHERE:
        return node->declarations[at.index].where;
    case SLOT_START:
        return node->when->start;
    case SLOT_END:
        return node->when->end;
    case SLOT_WHAT:
        return node->items[at.index].what;
    case SLOT_WHERE:
        return node->items[at.index].where;
    case SLOT_ITEM_START:
        return node->items[at.index].when->start;
    default:
        return node->items[at.index].when->end;
    }
}

/* -------- copies with one thing changed -------- */

static mu_pql *copy_node(mu_arena *arena, const mu_pql *node)
{
    mu_pql *copy = MU_NEW(arena, mu_pql);
    *copy = *node;
    return copy;
}

static mu_pql_chain_item *copy_items(mu_arena *arena, mu_pql *node)
{
    mu_pql_chain_item *items = MU_NEW_ARRAY(arena, mu_pql_chain_item, node->n_items + 1);
    for (uint32_t i = 0; i < node->n_items; i++)
        items[i] = node->items[i];
    node->items = items;
    return items;
}

static mu_pql_declaration *copy_declarations(mu_arena *arena, mu_pql *node)
{
    mu_pql_declaration *copies = MU_NEW_ARRAY(arena, mu_pql_declaration, node->n_declarations + 1);
    for (uint32_t i = 0; i < node->n_declarations; i++)
        copies[i] = node->declarations[i];
    node->declarations = copies;
    return copies;
}

static mu_pql_when *copy_when(mu_arena *arena, const mu_pql_when *when)
{
    mu_pql_when *copy = MU_NEW(arena, mu_pql_when);
    *copy = *when;
    return copy;
}

static const mu_pql *with_child(mu_arena *arena, const mu_pql *node, slot at, const mu_pql *child)
{
    mu_pql *copy = copy_node(arena, node);
    if (at.kind == SLOT_ARGUMENT) {
        const mu_pql **args = MU_NEW_ARRAY(arena, const mu_pql *, node->n_args);
        for (uint32_t i = 0; i < node->n_args; i++)
            args[i] = i == at.index ? child : node->args[i];
        copy->args = args;
    } else if (at.kind == SLOT_FROM) {
        copy_declarations(arena, copy)[at.index].from = child;
    } else if (at.kind == SLOT_DECLARED_WHERE) {
        copy_declarations(arena, copy)[at.index].where = child;
    } else if (at.kind == SLOT_START || at.kind == SLOT_END) {
        mu_pql_when *when = copy_when(arena, node->when);
        *(at.kind == SLOT_START ? &when->start : &when->end) = child;
        copy->when = when;
    } else {
        mu_pql_chain_item *item = &copy_items(arena, copy)[at.index];
        if (at.kind == SLOT_WHAT || at.kind == SLOT_WHERE) {
            *(at.kind == SLOT_WHAT ? &item->what : &item->where) = child;
        } else {
            mu_pql_when *when = copy_when(arena, item->when);
            *(at.kind == SLOT_ITEM_START ? &when->start : &when->end) = child;
            item->when = when;
        }
    }
    return copy;
}

static const mu_pql *without_argument(mu_arena *arena, const mu_pql *node, uint32_t index)
{
    mu_pql *copy = copy_node(arena, node);
    const mu_pql **args = MU_NEW_ARRAY(arena, const mu_pql *, node->n_args);
    uint32_t n = 0;
    for (uint32_t i = 0; i < node->n_args; i++)
        if (i != index)
            args[n++] = node->args[i];
    copy->args = args;
    copy->n_args = n;
    return copy;
}

static const mu_pql *without_declaration(mu_arena *arena, const mu_pql *node, uint32_t index)
{
    mu_pql *copy = copy_node(arena, node);
    mu_pql_declaration *left = copy_declarations(arena, copy);
    memmove(&left[index], &left[index + 1], (node->n_declarations - index - 1) * sizeof *left);
    copy->n_declarations--;
    return copy;
}

static const mu_pql *without_item(mu_arena *arena, const mu_pql *node, uint32_t index)
{
    mu_pql *copy = copy_node(arena, node);
    mu_pql_chain_item *left = copy_items(arena, copy);
    memmove(&left[index], &left[index + 1], (node->n_items - index - 1) * sizeof *left);
    copy->n_items--;
    return copy;
}

/* -------- the edits of one node -------- */

typedef struct editor {
    mu_arena *arena;
    bool (*try)(void *context, const mu_pql *edited);
    void *context;
    uint32_t depth;
    const mu_pql *path_nodes[MU_PQL_DEPTH_MAX * 2];
    slot path_slots[MU_PQL_DEPTH_MAX * 2];
} editor;

/* Offers the root with the node at the end of the path replaced. */
static bool offer(editor *editing, const mu_pql *replacement)
{
    for (uint32_t level = editing->depth; level-- > 0;)
        replacement = with_child(editing->arena, editing->path_nodes[level],
                                 editing->path_slots[level], replacement);
    return editing->try(editing->context, replacement);
}

static bool offer_literals(editor *editing, const mu_pql *node)
{
    if (node->kind == MU_PQL_LITERAL || node->kind == MU_PQL_LAMBDA)
        return false;
    const mu_value values[] = {mu_value_boolean(true), mu_value_boolean(false), mu_value_integer(1),
                               mu_value_string(MU_STR(""))};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        mu_pql *literal = MU_NEW(editing->arena, mu_pql);
        literal->kind = MU_PQL_LITERAL;
        literal->literal = values[i];
        if (offer(editing, literal))
            return true;
    }
    return false;
}

#define DESCENDANTS_MAX 80

/* Offers what hangs below `node` in its place, the nearest first. */
static bool offer_descendants(editor *editing, const mu_pql *node)
{
    if (node->kind == MU_PQL_LAMBDA)
        return false;
    slot *slots = MU_NEW_ARRAY(editing->arena, slot, SLOTS_MAX);
    const mu_pql **queue = MU_NEW_ARRAY(editing->arena, const mu_pql *, DESCENDANTS_MAX + 1);
    uint32_t n = 0;
    queue[n++] = node;
    for (uint32_t at = 0; at < n; at++) {
        bool is_offered = at > 0 && queue[at]->kind != MU_PQL_LAMBDA;
        if (is_offered && offer(editing, queue[at]))
            return true;
        uint32_t n_slots = slots_of(queue[at], slots);
        for (uint32_t i = 0; i < n_slots && n < DESCENDANTS_MAX; i++)
            queue[n++] = child_at(queue[at], slots[i]);
    }
    return false;
}

static bool offer_without_parts(editor *editing, const mu_pql *node)
{
    mu_arena *arena = editing->arena;
    bool is_list = node->kind == MU_PQL_CALL || node->kind == MU_PQL_ARRAY;
    for (uint32_t i = 0; is_list && i < node->n_args; i++)
        if (offer(editing, without_argument(arena, node, i)))
            return true;
    for (uint32_t i = 0; i < node->n_declarations; i++) {
        if (node->n_declarations > 1 && offer(editing, without_declaration(arena, node, i)))
            return true;
        mu_pql *copy = copy_node(arena, node);
        copy_declarations(arena, copy)[i].where = NULL;
        if (node->declarations[i].where != NULL && offer(editing, copy))
            return true;
    }
    for (uint32_t i = 0; i < node->n_items; i++) {
        if (node->n_items > 1 && offer(editing, without_item(arena, node, i)))
            return true;
        const mu_pql_chain_item *item = &node->items[i];
        mu_pql *copies[3] = {copy_node(arena, node), copy_node(arena, node),
                             copy_node(arena, node)};
        copy_items(arena, copies[0])[i].when = NULL;
        copy_items(arena, copies[1])[i].where = NULL;
        copy_items(arena, copies[2])[i].has_count = false;
        bool is_there[3] = {item->when != NULL, item->where != NULL, item->has_count};
        for (int c = 0; c < 3; c++)
            if (is_there[c] && offer(editing, copies[c]))
                return true;
    }
    return false;
}

static bool edit(editor *editing, const mu_pql *node)
{
    if (offer_literals(editing, node) || offer_descendants(editing, node) ||
        offer_without_parts(editing, node))
        return true;
    if (editing->depth == MU_PQL_DEPTH_MAX * 2)
        return false;
    slot *slots = MU_NEW_ARRAY(editing->arena, slot, SLOTS_MAX);
    uint32_t n = slots_of(node, slots);
    for (uint32_t i = 0; i < n; i++) {
        editing->path_nodes[editing->depth] = node;
        editing->path_slots[editing->depth] = slots[i];
        editing->depth++;
        bool is_done = edit(editing, child_at(node, slots[i]));
        editing->depth--;
        if (is_done)
            return true;
    }
    return false;
}

bool mu_tree_edits(mu_arena *arena, const mu_pql *root,
                   bool (*try)(void *context, const mu_pql *edited), void *context)
{
    editor *editing = MU_NEW(arena, editor);
    editing->arena = arena;
    editing->try = try;
    editing->context = context;
    return edit(editing, root);
}
