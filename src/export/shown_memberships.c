/* shown_memberships.c -- segmentMembership of one profile: what this service knows. */
#include "export/export_int.h"

#include "audience/audience.h"

/* One item, {"status","lastQualificationTime"}. */
static mu_json item_json(mu_arena *arena, const mu_membership_item *item)
{
    const mu_str status = item->is_member ? MU_STR("realized") : MU_STR("exited");
    return MU_JSON_OBJECT_OF(
        arena, {MU_STR("status"), mu_json_of_string(status)},
        {MU_STR("lastQualificationTime"), mu_json_of_time(arena, item->since_ms)});
}

void mu_export_memberships_add(mu_arena *arena, const mu_membership_state *state,
                               const mu_audience_book *book, uint32_t pid, int64_t now_ms,
                               mu_json *json)
{
    for (uint32_t i = 0; i < state->n; i++) {
        const mu_membership *membership = state->audiences[i];
        const mu_audience *audience = mu_audience_find(book, membership->audience_id);
        mu_membership_item item;
        if (audience == NULL || !mu_membership_get(membership, pid, now_ms, &item))
            continue;
        mu_str namespace_code = audience->is_external ? audience->namespace_code : MU_STR("ups");
        const mu_json *known = mu_json_member(json, namespace_code);
        mu_json items = known == NULL ? (mu_json){.kind = MU_JSON_OBJECT} : *known;
        mu_json_set(arena, &items, audience->is_external ? audience->audience_id : audience->id,
                    item_json(arena, &item));
        mu_json_set(arena, json, namespace_code, items);
    }
}
