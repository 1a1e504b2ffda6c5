#include "ingest/accept_int.h"

/* P4. Three spellings of names leave the wire here:
 *
 *     xdm:person -> person      @id, @type -> _id, _type      repo:createDate -> _repo.createDate
 *
 * The last one is renamed only in an entity whose own members show that it is in the prefixed form,
 * and never where the prefix is that of a URI: keys of maps may hold colons (decision 0160). */

#define PREFIX_MAX 64u

static bool is_xdm(mu_str name)
{
    return name.len > 4 && memcmp(name.ptr, "xdm:", 4) == 0;
}

static bool is_at(mu_str name)
{
    return mu_str_equal(name, MU_STR("@id")) || mu_str_equal(name, MU_STR("@type"));
}

/* The length of a prefix other than "xdm", or 0 when the name has none. */
static size_t other_prefix(mu_str name)
{
    const char *colon = name.len > 2 ? memchr(name.ptr, ':', name.len) : NULL;
    size_t length = colon == NULL ? 0 : (size_t)(colon - name.ptr);
    if (length == 0 || length > PREFIX_MAX || length + 1 == name.len || colon[1] == '/' ||
        is_xdm(name))
        return 0;
    for (size_t i = 0; i < length; i++) {
        char c = name.ptr[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && (i == 0 || ((c < '0' || c > '9') && c != '-' && c != '_')))
            return 0;
    }
    return length;
}

static bool name_changes(mu_str name, bool is_prefixed)
{
    if (name.len == 0)
        return false;
    return is_xdm(name) || (name.ptr[0] == '@' && is_at(name)) ||
           (is_prefixed && other_prefix(name) > 0);
}

static bool anything_changes(const mu_json *json, bool is_prefixed, unsigned depth)
{
    MU_ASSERT(depth <= MU_JSON_DEPTH_MAX);
    if (json->kind != MU_JSON_OBJECT && json->kind != MU_JSON_ARRAY)
        return false;
    for (uint32_t i = 0; i < json->n; i++) {
        if (json->kind == MU_JSON_OBJECT && name_changes(json->names[i], is_prefixed))
            return true;
        if (json->items[i].kind >= MU_JSON_ARRAY &&
            anything_changes(&json->items[i], is_prefixed, depth + 1))
            return true;
    }
    return false;
}

typedef struct members {
    uint32_t n;
    mu_str *names;
    mu_json *items;
} members;

/* The later of two members that get the same name wins, except that objects under a prefix gather.
 */
static mu_json *put_member(members *into, mu_str name)
{
    for (uint32_t i = 0; i < into->n; i++)
        if (mu_str_equal(into->names[i], name))
            return &into->items[i];
    into->names[into->n] = name;
    return &into->items[into->n++];
}

static members members_new(mu_arena *arena, uint32_t n_max)
{
    return (members){.names = MU_NEW_ARRAY(arena, mu_str, n_max),
                     .items = MU_NEW_ARRAY(arena, mu_json, n_max)};
}

/* Puts `value` as member `name` into the object `target`, which may be no object yet. */
static void put_into(mu_arena *arena, mu_json *target, mu_str name, mu_json value)
{
    members grown = members_new(arena, target->kind == MU_JSON_OBJECT ? target->n + 1 : 1);
    for (uint32_t i = 0; target->kind == MU_JSON_OBJECT && i < target->n; i++)
        *put_member(&grown, target->names[i]) = target->items[i];
    *put_member(&grown, name) = value;
    *target = (mu_json){.kind = MU_JSON_OBJECT, .n = grown.n};
    target->names = grown.names;
    target->items = grown.items;
}

static mu_json plain_copy(mu_arena *arena, const mu_json *json, bool is_prefixed, unsigned depth);

static void put_plain(mu_arena *arena, members *out, mu_str name, mu_json value, bool is_prefixed)
{
    size_t prefix = is_prefixed ? other_prefix(name) : 0;
    if (is_xdm(name)) {
        *put_member(out, (mu_str){name.ptr + 4, name.len - 4}) = value;
    } else if (is_at(name)) {
        *put_member(out, mu_str_equal(name, MU_STR("@id")) ? MU_STR("_id") : MU_STR("_type")) =
            value;
    } else if (prefix > 0) {
        mu_str root = mu_arena_format(arena, "_%.*s", (int)prefix, name.ptr);
        mu_str rest = {name.ptr + prefix + 1, name.len - prefix - 1};
        put_into(arena, put_member(out, root), rest, value);
    } else {
        *put_member(out, name) = value;
    }
}

static mu_json plain_copy(mu_arena *arena, const mu_json *json, bool is_prefixed, unsigned depth)
{
    if (!anything_changes(json, is_prefixed, depth))
        return *json;
    mu_json copy = {.kind = json->kind};
    members out = members_new(arena, json->n);
    for (uint32_t i = 0; i < json->n; i++) {
        mu_json value = plain_copy(arena, &json->items[i], is_prefixed, depth + 1);
        if (json->kind == MU_JSON_OBJECT)
            put_plain(arena, &out, json->names[i], value, is_prefixed);
        else
            out.items[out.n++] = value;
    }
    copy.n = out.n;
    copy.names = json->kind == MU_JSON_OBJECT ? out.names : NULL;
    copy.items = out.items;
    return copy;
}

const mu_json *mu_plain_form(mu_arena *arena, const mu_json *entity)
{
    bool is_prefixed = false;
    for (uint32_t i = 0; entity->kind == MU_JSON_OBJECT && i < entity->n; i++)
        is_prefixed |= name_changes(entity->names[i], true);
    if (!anything_changes(entity, is_prefixed, 0))
        return entity;
    mu_json *copy = MU_NEW(arena, mu_json);
    *copy = plain_copy(arena, entity, is_prefixed, 0);
    return copy;
}
