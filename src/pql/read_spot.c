/* read_spot.c -- members of the nodes of a tree and the small things they hold. */
#include "pql/read_int.h"

mu_place mu_spot_place(mu_spot at)
{
    return (mu_place){.pointer = at.pointer};
}

_Noreturn void mu_spot_fail(mu_tree_reader *r, mu_spot at, mu_str message)
{
    mu_syntax_fail(&r->syntax, "PQL-J01", mu_spot_place(at), message);
}

_Noreturn void mu_spot_fail_expected(mu_tree_reader *r, mu_spot at, const char *expected)
{
    mu_spot_fail(r, at, mu_arena_format(r->syntax.arena, "%s expected", expected));
}

mu_spot mu_spot_member(mu_tree_reader *r, mu_spot at, const char *name)
{
    return (mu_spot){
        mu_json_member(at.json, mu_str_from(name)),
        mu_arena_format(r->syntax.arena, MU_STR_FMT "/%s", MU_STR_ARG(at.pointer), name)};
}

mu_spot mu_spot_item(mu_tree_reader *r, mu_spot list, uint32_t index)
{
    return (mu_spot){&list.json->items[index], mu_arena_format(r->syntax.arena, MU_STR_FMT "/%u",
                                                               MU_STR_ARG(list.pointer), index)};
}

mu_spot mu_spot_need(mu_tree_reader *r, mu_spot at, const char *name)
{
    mu_spot found = mu_spot_member(r, at, name);
    if (found.json == NULL)
        mu_spot_fail(r, at, mu_arena_format(r->syntax.arena, "the member \"%s\" is missing", name));
    return found;
}

mu_spot mu_spot_need_list(mu_tree_reader *r, mu_spot at, const char *name)
{
    mu_spot list = mu_spot_need(r, at, name);
    if (list.json->kind != MU_JSON_ARRAY)
        mu_spot_fail_expected(r, list, "an array");
    return list;
}

static bool is_named(const char *const *members, mu_str name)
{
    for (size_t i = 0; i < MU_SPOT_MEMBERS_MAX && members[i] != NULL; i++)
        if (mu_str_equal(mu_str_from(members[i]), name))
            return true;
    return mu_str_equal(name, MU_STR("nodeType"));
}

/* A pointer's token: '~' and '/' are escaped. */
static mu_str pointer_token(mu_arena *arena, mu_str name)
{
    char *token = mu_arena_alloc(arena, name.len * 2);
    size_t len = 0;
    for (size_t i = 0; i < name.len; i++) {
        bool is_escaped = name.ptr[i] == '~' || name.ptr[i] == '/';
        token[len++] = is_escaped ? '~' : name.ptr[i];
        if (is_escaped)
            token[len++] = name.ptr[i] == '~' ? '0' : '1';
    }
    return (mu_str){token, len};
}

#define WARNINGS_MAX 100 /* then one more says that there are others */

void mu_spot_warn_unknown(mu_tree_reader *r, mu_spot at, const char *const *members)
{
    mu_arena *arena = r->syntax.arena;
    for (uint32_t i = 0; i < at.json->n && r->n_warnings <= WARNINGS_MAX; i++) {
        mu_str name = at.json->names[i];
        if (is_named(members, name))
            continue;
        if (r->n_warnings++ == WARNINGS_MAX) {
            mu_pql_report(r->syntax.diagnostics, "W07", 0, 0, at.pointer,
                          MU_STR("more members are not known; ignored"));
            break;
        }
        mu_str token = pointer_token(arena, name);
        mu_str pointer = mu_arena_format(arena, MU_STR_FMT "/" MU_STR_FMT, MU_STR_ARG(at.pointer),
                                         MU_STR_ARG(token));
        mu_pql_report(r->syntax.diagnostics, "W07", 0, 0, pointer,
                      mu_arena_format(arena, "the member \"" MU_STR_FMT "\" is not known; ignored",
                                      MU_STR_ARG(name)));
    }
}

mu_str mu_spot_node_type(mu_spot at)
{
    return mu_json_member_string(at.json, MU_STR("nodeType"), MU_STR(""));
}

bool mu_spot_is_node(mu_spot at, const char *type)
{
    return mu_str_equal(mu_spot_node_type(at), mu_str_from(type));
}

/* Text that must not be empty: a name. */
mu_str mu_spot_name(mu_tree_reader *r, mu_spot at)
{
    if (at.json->kind != MU_JSON_STRING || at.json->string.len == 0)
        mu_spot_fail_expected(r, at, "a name");
    return mu_arena_copy(r->syntax.arena, at.json->string);
}

const char *const mu_literal_members[MU_SPOT_MEMBERS_MAX] = {"literalType", "value", "fnName",
                                                             "relation",    "unit",  NULL};

/* The value of a literal node of this type, or the bare value that stands for it. */
mu_spot mu_spot_literal(mu_tree_reader *r, mu_spot at, const char *type)
{
    if (at.json->kind != MU_JSON_OBJECT)
        return at;
    mu_str found = mu_json_member_string(at.json, MU_STR("literalType"), mu_str_from(type));
    if (!mu_spot_is_node(at, "literal") || !mu_str_equal(found, mu_str_from(type)))
        mu_spot_fail(r, at,
                     mu_arena_format(r->syntax.arena, "a literal of type %s expected", type));
    mu_spot_warn_unknown(r, at, mu_literal_members);
    return mu_spot_need(r, at, "value");
}

mu_str mu_spot_word(mu_tree_reader *r, mu_spot at, const char *type)
{
    mu_spot value = mu_spot_literal(r, at, type);
    if (value.json->kind != MU_JSON_STRING)
        mu_spot_fail_expected(r, value, "text");
    return value.json->string;
}

int64_t mu_spot_count(mu_tree_reader *r, mu_spot at)
{
    mu_spot value = mu_spot_literal(r, at, "Integer");
    if (value.json->kind != MU_JSON_INTEGER || value.json->integer < 0)
        mu_spot_fail_expected(r, value, "a non-negative integer");
    return value.json->integer;
}
