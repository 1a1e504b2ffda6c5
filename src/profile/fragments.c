/* fragments.c -- record fragments as one profile (profile.md c.4). */
#include "profile/content_int.h"

#include <stdlib.h>

int mu_fragment_compare_newest(const mu_fragment *a, const mu_fragment *b)
{
    if (a->modified_ms != b->modified_ms)
        return a->modified_ms > b->modified_ms ? -1 : 1;
    if (a->sequence != b->sequence)
        return a->sequence > b->sequence ? -1 : 1;
    /* Of bulk loads, which have neither: any order that is always the same. */
    if (a->identity != b->identity)
        return a->identity < b->identity ? -1 : 1;
    return mu_str_compare(a->dataset, b->dataset);
}

/* `profile` without the store's own fields and without identityMap. */
static mu_value plain_profile(mu_arena *arena, const mu_content_fields *fields, mu_value profile)
{
    const uint32_t own[] = {fields->identities, fields->links, fields->fragments,
                            fields->superseded, fields->identity_map};
    mu_value *items = MU_NEW_ARRAY(arena, mu_value, profile.n);
    memcpy(items, profile.items, profile.n * sizeof *items);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (own[i] < profile.n)
            items[own[i]] = MU_VALUE_NULL;
    profile.items = items;
    return profile;
}

void mu_fragment_materialise(mu_arena *arena, const mu_schema *schema, const mu_content *content,
                             mu_fragment *fragment)
{
    if (fragment->document.len > 0)
        return;
    MU_ASSERT(content->n_fragments == 1 && content->attributes.kind == MU_TYPE_OBJECT);
    mu_content_fields fields = mu_content_fields_of(schema);
    fragment->document =
        mu_content_value_text(arena, plain_profile(arena, &fields, content->attributes));
}

/* -------- segmentMembership -------- */

static mu_value better_item(const mu_type *type, mu_value worse, mu_value better)
{
    if (worse.kind != MU_TYPE_OBJECT || better.kind != MU_TYPE_OBJECT)
        return better.kind == MU_TYPE_OBJECT ? better : worse;
    uint32_t at = (uint32_t)mu_type_field(type, MU_STR("lastQualificationTime"));
    int status = mu_type_field(type, MU_STR("status"));
    mu_value worse_at = worse.items[at], better_at = better.items[at];
    int64_t worse_ms = mu_value_is_null(worse_at) ? INT64_MIN : worse_at.integer;
    int64_t better_ms = mu_value_is_null(better_at) ? INT64_MIN : better_at.integer;
    if (worse_ms != better_ms)
        return worse_ms > better_ms ? worse : better;
    bool better_left =
        status >= 0 && mu_str_equal(mu_text_at(better, (uint32_t)status), MU_STR("exited"));
    return better_left ? worse : better;
}

static uint32_t find_key(mu_value map, mu_str key)
{
    for (uint32_t i = 0; i < map.n; i++)
        if (mu_str_equal(map.keys[i], key))
            return i;
    return map.n;
}

typedef mu_value merge_entries(mu_arena *arena, const mu_type *type, mu_value worse,
                               mu_value better);

static mu_value merge_maps(mu_arena *arena, const mu_type *item, mu_value worse, mu_value better,
                           merge_entries *merge)
{
    if (worse.kind != MU_TYPE_MAP || better.kind != MU_TYPE_MAP)
        return better.kind == MU_TYPE_MAP ? better : worse;
    mu_value *items = MU_NEW_ARRAY(arena, mu_value, (size_t)worse.n + better.n);
    mu_str *keys = MU_NEW_ARRAY(arena, mu_str, (size_t)worse.n + better.n);
    for (uint32_t i = 0; i < worse.n; i++) {
        items[i] = worse.items[i];
        keys[i] = worse.keys[i];
    }
    uint32_t n = worse.n;
    for (uint32_t i = 0; i < better.n; i++) {
        uint32_t at = find_key(worse, better.keys[i]);
        if (at < worse.n) {
            items[at] = merge(arena, item, worse.items[at], better.items[i]);
            continue;
        }
        keys[n] = better.keys[i];
        items[n++] = better.items[i];
    }
    return (mu_value){.kind = MU_TYPE_MAP, .n = n, .items = items, .keys = keys};
}

static mu_value merge_item(mu_arena *arena, const mu_type *type, mu_value worse, mu_value better)
{
    (void)arena;
    return better_item(type, worse, better);
}

static mu_value merge_namespace(mu_arena *arena, const mu_type *type, mu_value worse,
                                mu_value better)
{
    return merge_maps(arena, type->item, worse, better, merge_item);
}

mu_value mu_membership_merge(mu_arena *arena, const mu_type *type, mu_value worse, mu_value better)
{
    return merge_maps(arena, type->item, worse, better, merge_namespace);
}

/* -------- merging -------- */

/* One fragment as a profile. */
static mu_code fragment_value(mu_parsing *parsing, const mu_schema *schema,
                              const mu_content_fields *fields, const mu_content *content,
                              const mu_fragment *fragment, mu_value *out, bool *is_whole,
                              mu_err *err)
{
    mu_arena *arena = parsing->arena;
    if (fragment->document.len == 0) {
        MU_ASSERT(content->n_fragments == 1 && content->attributes.kind == MU_TYPE_OBJECT);
        *out = plain_profile(arena, fields, content->attributes);
        *is_whole = true;
        return MU_OK;
    }
    mu_json json, extra;
    mu_value value;
    MU_TRY(mu_parsing_read(parsing, fragment->document, &json, err));
    MU_TRY(mu_json_fit(arena, schema->profile, &json, &value, &extra, err));
    *out = plain_profile(arena, fields, value);
    *is_whole = extra.kind == MU_JSON_NULL;
    for (uint32_t i = 0; *is_whole && i < value.n; i++)
        *is_whole = value.items[i].kind == out->items[i].kind;
    return MU_OK;
}

static mu_value lay_over(mu_arena *arena, const mu_schema *schema, const mu_content_fields *fields,
                         mu_value worse, mu_value better)
{
    const mu_type *type = schema->profile;
    mu_value *items = MU_NEW_ARRAY(arena, mu_value, type->n_fields);
    for (uint32_t i = 0; i < type->n_fields; i++)
        items[i] =
            i == fields->membership
                ? mu_membership_merge(arena, type->field_types[i], worse.items[i], better.items[i])
                : mu_profile_merge(arena, type->field_types[i], worse.items[i], better.items[i]);
    better.items = items;
    return better;
}

mu_code mu_fragments_merge(mu_parsing *parsing, const mu_schema *schema, const mu_content *content,
                           uint32_t n, const uint32_t *order, mu_value *out, bool *is_whole,
                           mu_err *err)
{
    mu_content_fields fields = mu_content_fields_of(schema);
    mu_arena *arena = parsing->arena;
    mu_value merged = {.kind = MU_TYPE_OBJECT,
                       .n = schema->profile->n_fields,
                       .items = MU_NEW_ARRAY(arena, mu_value, schema->profile->n_fields),
                       .keys = schema->profile->field_names};
    bool whole = false;
    for (uint32_t i = n; i-- > 0;) {
        mu_value value;
        MU_TRY(fragment_value(parsing, schema, &fields, content, &content->fragments[order[i]],
                              &value, &whole, err));
        merged = i + 1 == n ? value : lay_over(arena, schema, &fields, merged, value);
    }
    *out = merged;
    *is_whole = n == 1 && whole;
    return MU_OK;
}

/* -------- identityMap -------- */

static int compare_identities(const void *pa, const void *pb)
{
    const mu_identity *a = pa, *b = pb;
    int order = mu_str_compare(a->namespace_code, b->namespace_code);
    return order != 0 ? order : mu_str_compare(a->value, b->value);
}

static mu_value identity_item(mu_arena *arena, const mu_type *type, mu_str value)
{
    mu_value *items = MU_NEW_ARRAY(arena, mu_value, type->n_fields);
    items[mu_type_field(type, MU_STR("id"))] = mu_value_string(value);
    return (mu_value){
        .kind = MU_TYPE_OBJECT, .n = type->n_fields, .items = items, .keys = type->field_names};
}

mu_value mu_identity_map(mu_arena *arena, const mu_schema *schema, const mu_content_fields *fields,
                         const mu_graph_cluster *cluster, uint32_t n, const uint32_t *places)
{
    if (fields->identity_map == MU_NO_FIELD || n == 0)
        return MU_VALUE_NULL;
    const mu_type *item = schema->profile->field_types[fields->identity_map]->item->item;
    mu_identity *sorted = MU_NEW_ARRAY(arena, mu_identity, n);
    for (uint32_t i = 0; i < n; i++)
        sorted[i] = cluster->identities[places[i]].identity;
    qsort(sorted, n, sizeof *sorted, compare_identities);
    mu_value *ids = MU_NEW_ARRAY(arena, mu_value, n);
    mu_value *lists = MU_NEW_ARRAY(arena, mu_value, n);
    mu_str *keys = MU_NEW_ARRAY(arena, mu_str, n);
    uint32_t n_keys = 0;
    for (uint32_t i = 0; i < n; i++) {
        ids[i] = identity_item(arena, item, sorted[i].value);
        if (i == 0 || !mu_str_equal(sorted[i].namespace_code, sorted[i - 1].namespace_code)) {
            keys[n_keys] = sorted[i].namespace_code;
            lists[n_keys++] = (mu_value){.kind = MU_TYPE_LIST, .items = &ids[i]};
        }
        lists[n_keys - 1].n++;
    }
    return (mu_value){.kind = MU_TYPE_MAP, .n = n_keys, .items = lists, .keys = keys};
}
