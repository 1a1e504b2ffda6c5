/* bind_field.c -- what names stand for: fields, relationships, bare names (pql.md 5, 14). */
#include "pql/bind_int.h"

#define HOPS_MAX 3 /* D73 */

/* What `name` is to a value of some type. */
typedef struct member {
    enum { MEMBER_FOUND, MEMBER_MISSING, MEMBER_IMPOSSIBLE, MEMBER_TOO_FAR } status;
    mu_str outer; /* "repo:createDate" is createDate of _repo; len 0 in all other cases */
    mu_str name;  /* as stored */
    const mu_type *type, *outer_type;
    mu_str hop_class; /* the value is a key of this class, whose record has the member */
} member;

/* Prefixes that the lexer takes for a part of a name (D4). */
static bool split_prefix(mu_str name, mu_str *prefix, mu_str *rest)
{
    static const char *const prefixes[] = {"xdm", "repo", "dc", "schema", "meta"};
    const char *colon = name.len > 0 ? memchr(name.ptr, ':', name.len) : NULL;
    if (colon == NULL)
        return false;
    *prefix = (mu_str){name.ptr, (size_t)(colon - name.ptr)};
    *rest = (mu_str){colon + 1, name.len - prefix->len - 1};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (mu_str_equal(*prefix, mu_str_from(prefixes[i])))
            return true;
    return false;
}

mu_str mu_bind_plain_name(const mu_type *type, mu_str name)
{
    if (type != NULL && type->kind == MU_TYPE_OBJECT && mu_type_field(type, name) >= 0)
        return name;
    return mu_xdm_plain_name(name);
}

static member field_of_object(binder *b, const mu_type *object, mu_str name)
{
    member found = {.status = MEMBER_FOUND, .name = mu_bind_plain_name(object, name)};
    mu_str prefix, rest;
    int field = mu_type_field(object, found.name);
    if (field >= 0) {
        found.type = object->field_types[field];
        return found;
    }
    if (split_prefix(found.name, &prefix, &rest)) {
        found.outer = mu_arena_format(b->arena, "_" MU_STR_FMT, MU_STR_ARG(prefix));
        field = mu_type_field(object, found.outer);
        const mu_type *outer = field < 0 ? NULL : object->field_types[field];
        field = outer == NULL || outer->kind != MU_TYPE_OBJECT ? -1 : mu_type_field(outer, rest);
        if (field >= 0) {
            found.name = rest;
            found.outer_type = outer;
            found.type = outer->field_types[field];
            return found;
        }
    }
    return (member){.status = MEMBER_MISSING};
}

/* Without a schema stored names are the plain ones all the same (profile.md P4). */
static member field_of_anything(binder *b, mu_str name)
{
    const mu_type *any = mu_type_of(MU_TYPE_ANY);
    member found = {.status = MEMBER_FOUND, .name = mu_xdm_plain_name(name), .type = any};
    mu_str prefix, rest;
    if (split_prefix(found.name, &prefix, &rest)) {
        found.outer = mu_arena_format(b->arena, "_" MU_STR_FMT, MU_STR_ARG(prefix));
        found.outer_type = any;
        found.name = rest;
    }
    return found;
}

/* Hops on the way to the value `node`. */
static uint32_t hops_to(const mu_pql *node)
{
    uint32_t hops = 0;
    while (node->n_args > 0 && (node->kind == MU_PQL_FIELD || node->kind == MU_PQL_CALL)) {
        hops += node->hop_class.len > 0 ||
                (node->kind == MU_PQL_CALL && node->function == MU_FN_RESOLVE);
        node = node->args[0];
    }
    return hops;
}

static member field_of_record(binder *b, const mu_type *key, mu_str name, const mu_pql *base)
{
    const mu_lookup_class *target =
        b->options->schema == NULL ? NULL
                                   : mu_schema_lookup_class(b->options->schema, key->target_class);
    if (key->target_class.len == 0 || target == NULL)
        return (member){.status = MEMBER_IMPOSSIBLE};
    if (hops_to(base) >= HOPS_MAX)
        return (member){.status = MEMBER_TOO_FAR};
    member found = field_of_object(b, target->type, name);
    found.hop_class = target->name;
    return found;
}

/* The member of `base`, a value of `type`. */
static member member_of(binder *b, const mu_type *type, mu_str name, const mu_pql *base)
{
    switch (type->kind) {
    case MU_TYPE_ANY:
        return field_of_anything(b, name);
    case MU_TYPE_NULL:
        return (member){.status = MEMBER_FOUND, .name = name, .type = type};
    case MU_TYPE_OBJECT:
        return field_of_object(b, type, name);
    case MU_TYPE_MAP: /* D19 */
        return (member){.status = MEMBER_FOUND, .name = name, .type = type->item};
    case MU_TYPE_LIST: { /* D20 */
        member found = member_of(b, type->item, name, base);
        if (found.status == MEMBER_FOUND && found.type->kind != MU_TYPE_LIST)
            found.type = mu_type_list(b->arena, found.type);
        if (found.outer.len > 0)
            found.outer_type = mu_type_list(b->arena, found.outer_type);
        return found;
    }
    case MU_TYPE_STRING:
        return field_of_record(b, type, name, base);
    default:
        return (member){.status = MEMBER_IMPOSSIBLE};
    }
}

static mu_pql *field_node(binder *b, const mu_pql *place, const mu_pql *base, mu_str name,
                          const mu_type *type)
{
    mu_pql *field = mu_bind_copy(b, place);
    const mu_pql **args = MU_NEW_ARRAY(b->arena, const mu_pql *, 1);
    args[0] = base;
    field->args = args;
    field->n_args = 1;
    field->name = name;
    field->type = type;
    return field;
}

static const mu_pql *found_field(binder *b, const mu_pql *place, const mu_pql *base,
                                 const member *found)
{
    mu_pql *first = NULL;
    if (found->outer.len > 0) {
        first = field_node(b, place, base, found->outer, found->outer_type);
        first->hop_class = found->hop_class;
    }
    mu_pql *field = field_node(b, place, first != NULL ? first : base, found->name, found->type);
    if (first == NULL)
        field->hop_class = found->hop_class;
    return field;
}

static void report_member(binder *b, const mu_pql *node, const mu_type *type, const member *found)
{
    if (found->status == MEMBER_MISSING)
        mu_bind_report(b, node, "PQL-R01", "unknown field '" MU_STR_FMT "'",
                       MU_STR_ARG(node->name));
    else if (found->status == MEMBER_TOO_FAR)
        mu_bind_report(b, node, "PQL-T02", "a path follows at most %d relationships", HOPS_MAX);
    else
        mu_bind_report(b, node, "PQL-T02", "%s has no member '" MU_STR_FMT "'",
                       mu_bind_type_name(b, type), MU_STR_ARG(node->name));
}

/* -------- bare names -------- */

/* W05: the innermost comprehension variable of the current scope whose items have the field. */
static const mu_pql *field_of_variable(binder *b, const mu_pql *node)
{
    if (node->args[0]->up > 0)
        return NULL;
    for (uint32_t i = b->n_variables; i-- > 0;) {
        const variable *v = &b->variables[i];
        if (v->kind != VARIABLE_COMPREHENSION || v->depth != b->n_scopes - 1)
            continue;
        if (v->type->kind != MU_TYPE_OBJECT)
            return NULL;
        member found = field_of_object(b, v->type, node->name);
        if (found.status != MEMBER_FOUND)
            return NULL;
        mu_pql *base = mu_bind_copy(b, node->args[0]);
        base->kind = MU_PQL_VARIABLE;
        base->name = v->name;
        base->position = 0;
        base->type = v->type;
        mu_bind_report(b, node, "W05",
                       "'" MU_STR_FMT "' is read as '" MU_STR_FMT "." MU_STR_FMT "'",
                       MU_STR_ARG(node->name), MU_STR_ARG(v->name), MU_STR_ARG(node->name));
        return found_field(b, node, base, &found);
    }
    return NULL;
}

static bool is_later_alias(const binder *b, mu_str name)
{
    const variable *found = mu_bind_find_variable(b, name);
    return found != NULL && found->kind == VARIABLE_LATER_ALIAS;
}

/* A name without a receiver: FIELD of a PARAMETER (D17). */
static const mu_pql *bind_bare_name(binder *b, const mu_pql *node)
{
    const mu_pql *base = mu_bind_node(b, node->args[0]);
    if (node->args[0]->up >= b->n_scopes) /* reported */
        return field_node(b, node, base, node->name, base->type);
    bool is_root = node->args[0]->up == b->n_scopes - 1;
    bool is_dynamic = base->type->kind == MU_TYPE_ANY;
    member found = member_of(b, base->type, node->name, base);
    bool is_missing = found.status == MEMBER_MISSING || found.status == MEMBER_IMPOSSIBLE;
    if ((is_dynamic || is_missing) && is_later_alias(b, node->name)) {
        mu_bind_report(b, node, "PQL-R02",
                       "'" MU_STR_FMT "' names an element that is not before this one",
                       MU_STR_ARG(node->name));
        return field_node(b, node, base, node->name, mu_type_of(MU_TYPE_ANY));
    }
    if ((is_dynamic || is_missing) && is_root && mu_str_equal(node->name, MU_STR("profile")))
        return mu_bind_root(b, node);
    if (found.status == MEMBER_FOUND)
        return found_field(b, node, base, &found);
    const mu_pql *of_variable = field_of_variable(b, node);
    if (of_variable != NULL)
        return of_variable;
    report_member(b, node, base->type, &found);
    return field_node(b, node, base, node->name, mu_type_of(MU_TYPE_ANY));
}

const mu_pql *mu_bind_field(binder *b, const mu_pql *node)
{
    const mu_pql *base_before = node->args[0];
    bool is_bare = base_before->kind == MU_PQL_PARAMETER && base_before->position <= 1;
    if (is_bare && mu_str_equal(node->name, MU_STR("xEvent")))
        return mu_bind_events(b, node);
    if (is_bare)
        return bind_bare_name(b, node);
    const mu_pql *base = mu_bind_node(b, base_before);
    bool is_whole_query =
        base->kind == MU_PQL_PARAMETER && base->position == 1 && base->up == b->n_scopes - 1;
    if (is_whole_query && mu_str_equal(node->name, MU_STR("xEvent"))) /* profile.xEvent */
        return mu_bind_events(b, node);
    member found = member_of(b, base->type, node->name, base);
    if (found.status == MEMBER_FOUND)
        return found_field(b, node, base, &found);
    report_member(b, node, base->type, &found);
    return field_node(b, node, base, node->name, mu_type_of(MU_TYPE_ANY));
}
