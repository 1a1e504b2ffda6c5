#include "profile/profile.h"

#include "base/hash.h"

/* Maps larger than this are merged through a hash map. */
#define SCAN_MAX 32u

static mu_value merge_objects(mu_arena *arena, const mu_type *type, mu_value older, mu_value newer)
{
    MU_ASSERT(older.n == type->n_fields && newer.n == type->n_fields);
    mu_value *items = MU_NEW_ARRAY(arena, mu_value, type->n_fields);
    for (uint32_t i = 0; i < type->n_fields; i++)
        items[i] = mu_profile_merge(arena, type->field_types[i], older.items[i], newer.items[i]);
    older.items = items;
    return older;
}

/* The places of a map's keys; only large maps fill `places`. */
static void index_keys(mu_strmap *places, mu_value map)
{
    mu_strmap_init(places);
    for (uint32_t i = 0; map.n > SCAN_MAX && i < map.n; i++)
        *mu_strmap_put(places, map.keys[i], NULL) = i;
}

static uint32_t find_key(const mu_strmap *places, mu_value map, mu_str key)
{
    if (map.n > SCAN_MAX) {
        const uint64_t *place = mu_strmap_get(places, key);
        return place == NULL ? map.n : (uint32_t)*place;
    }
    for (uint32_t i = 0; i < map.n; i++)
        if (mu_str_equal(map.keys[i], key))
            return i;
    return map.n;
}

/* The older entries in their order, then the new keys. */
static mu_value merge_maps(mu_arena *arena, const mu_type *type, mu_value older, mu_value newer)
{
    mu_value *items = MU_NEW_ARRAY(arena, mu_value, (size_t)older.n + newer.n);
    mu_str *keys = MU_NEW_ARRAY(arena, mu_str, (size_t)older.n + newer.n);
    if (older.n > 0) {
        memcpy(items, older.items, older.n * sizeof *items);
        memcpy(keys, older.keys, older.n * sizeof *keys);
    }
    mu_strmap places;
    index_keys(&places, older);
    uint32_t n = older.n;
    for (uint32_t i = 0; i < newer.n; i++) {
        uint32_t at = find_key(&places, older, newer.keys[i]);
        if (at < older.n) {
            items[at] = mu_profile_merge(arena, type->item, older.items[at], newer.items[i]);
            continue;
        }
        keys[n] = newer.keys[i];
        items[n++] = newer.items[i];
    }
    mu_strmap_free(&places);
    return (mu_value){.kind = MU_TYPE_MAP, .n = n, .items = items, .keys = keys};
}

mu_value mu_profile_merge(mu_arena *arena, const mu_type *type, mu_value older, mu_value newer)
{
    if (newer.kind == MU_TYPE_NULL)
        return older;
    if (older.kind == MU_TYPE_NULL)
        return newer;
    if (type->kind == MU_TYPE_OBJECT)
        return merge_objects(arena, type, older, newer);
    if (type->kind == MU_TYPE_MAP)
        return merge_maps(arena, type, older, newer);
    return newer;
}
