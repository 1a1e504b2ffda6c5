/* entities_profile.c -- one profile as look-ups show it. */
#include "api/entities_int.h"
#include "audience/segment_membership.h"

#include <stdlib.h>

/* -------- the view -------- */

static uint32_t place_of(const mu_graph_cluster *cluster, mu_identity identity)
{
    for (uint32_t i = 0; i < cluster->n_identities; i++)
        if (mu_str_equal(cluster->identities[i].identity.value, identity.value) &&
            mu_str_equal(cluster->identities[i].identity.namespace_code, identity.namespace_code))
            return i;
    return UINT32_MAX;
}

static void hold(mu_entity_ask *ask, mu_snapshot *snapshot)
{
    if (ask->n_held == ask->held_capacity) {
        uint32_t capacity = ask->held_capacity < 4 ? 4 : ask->held_capacity * 2;
        mu_snapshot **held = MU_NEW_ARRAY(ask->arena, mu_snapshot *, capacity);
        if (ask->n_held > 0)
            memcpy(held, ask->held, ask->n_held * sizeof *held);
        ask->held = held;
        ask->held_capacity = capacity;
    }
    ask->held[ask->n_held++] = snapshot;
}

mu_code mu_entity_view(mu_entity_ask *ask, const mu_entity_target *target, bool *found,
                       mu_lookup *lookup, mu_profile_view *view, mu_err *err)
{
    *found = false;
    if (target->identity.value.len == 0 || ask->class == MU_ENTITY_OTHER)
        return MU_OK;
    mu_err problem;
    mu_code code =
        mu_sandbox_lookup(ask->call->sandbox->live, target->identity, ask->arena, lookup, &problem);
    if (code == MU_E_NOT_FOUND)
        return MU_OK;
    if (code != MU_OK)
        return mu_fail(err, code, "%s", problem.text);
    hold(ask, lookup->snapshot);
    mu_content visible =
        mu_hidden_apply(ask->arena, &ask->hidden, lookup->schema, &lookup->content);
    uint32_t place = place_of(&visible.cluster, target->identity);
    if (place == UINT32_MAX)
        return MU_OK;
    MU_TRY(mu_content_view(ask->arena, lookup->schema, &visible, &ask->policy, place, view, err));
    *found = !view->is_empty;
    return MU_OK;
}

/* -------- identities -------- */

typedef struct shown_identity {
    mu_identity identity;
    uint32_t namespace_id;
    bool is_primary;
} shown_identity;

/* P33. */
static int compare_shown(const void *pa, const void *pb)
{
    const shown_identity *a = pa, *b = pb;
    if (a->namespace_id != b->namespace_id)
        return a->namespace_id < b->namespace_id ? -1 : 1;
    return mu_str_compare(a->identity.value, b->identity.value);
}

/* Sorted; the cluster's first is the primary one. */
static shown_identity *shown_identities(const mu_entity_ask *ask, const mu_graph_cluster *cluster,
                                        const mu_profile_view *view)
{
    shown_identity *list = MU_NEW_ARRAY(ask->arena, shown_identity, view->n_identities);
    for (uint32_t i = 0; i < view->n_identities; i++) {
        list[i].identity = cluster->identities[view->identities[i]].identity;
        const mu_graph_namespace *known = mu_entity_namespace(ask, list[i].identity.namespace_code);
        list[i].namespace_id = known == NULL ? UINT32_MAX : known->id;
        list[i].is_primary = i == 0;
    }
    if (view->n_identities > 1)
        qsort(list, view->n_identities, sizeof *list, compare_shown);
    return list;
}

static mu_json identity_map(const mu_entity_ask *ask, uint32_t n, const shown_identity *list)
{
    mu_entity_list map = {.arena = ask->arena}, ids = {.arena = ask->arena};
    for (uint32_t i = 0; i < n; i++) {
        mu_entity_list_add(
            &ids, MU_STR(""),
            MU_JSON_OBJECT_OF(ask->arena,
                              {MU_STR("id"), mu_json_of_string(list[i].identity.value)}));
        bool is_last = i + 1 == n || !mu_str_equal(list[i + 1].identity.namespace_code,
                                                   list[i].identity.namespace_code);
        if (!is_last)
            continue;
        mu_entity_list_add(&map, list[i].identity.namespace_code, mu_entity_list_array(&ids));
        ids = (mu_entity_list){.arena = ask->arena};
    }
    return mu_entity_list_object(&map);
}

static mu_json identity_list(const mu_entity_ask *ask, uint32_t n, const shown_identity *list)
{
    mu_entity_list out = {.arena = ask->arena};
    for (uint32_t i = 0; i < n; i++) {
        mu_json item = MU_JSON_OBJECT_OF(
            ask->arena, {MU_STR("id"), mu_json_of_string(list[i].identity.value)},
            {MU_STR("namespace"),
             MU_JSON_OBJECT_OF(ask->arena, {MU_STR("code"),
                                            mu_json_of_string(list[i].identity.namespace_code)})});
        if (list[i].is_primary)
            mu_json_set(ask->arena, &item, MU_STR("primary"), mu_json_of_boolean(true));
        mu_entity_list_add(&out, MU_STR(""), item);
    }
    return mu_entity_list_array(&out);
}

/* The XIDs of the view's identities, best first. */
static mu_json identity_graph(const mu_entity_ask *ask, const mu_graph_cluster *cluster,
                              const mu_profile_view *view)
{
    mu_entity_list out = {.arena = ask->arena};
    for (uint32_t i = 0; i < view->n_identities; i++) {
        mu_str xid = mu_entity_xid(ask, cluster->identities[view->identities[i]].identity);
        if (xid.len > 0)
            mu_entity_list_add(&out, MU_STR(""), mu_json_of_string(xid));
    }
    return mu_entity_list_array(&out);
}

/* -------- the answer -------- */

static bool wants_memberships(const mu_entity_ask *ask)
{
    bool wants = !ask->has_fields;
    for (uint32_t i = 0; i < ask->n_fields; i++)
        wants |= mu_str_starts_with(ask->fields[i], MU_STR("segmentMembership"));
    return wants;
}

/* What this service knows, laid over what was sent. */
static mu_code add_memberships(mu_entity_ask *ask, uint32_t pid, mu_json *all, mu_err *err)
{
    mu_workspace *workspace;
    const mu_segment_item *items;
    mu_api_call *call = ask->call;
    if (!wants_memberships(ask))
        return MU_OK;
    if (ask->segments == NULL) {
        MU_TRY(mu_workspaces_get(call->api->workspaces, call->place, call->sandbox->live,
                                 &workspace, err));
        MU_TRY(mu_segment_view_acquire(workspace, ask->now_ms, &ask->segments, err));
    }
    uint32_t n = mu_segment_items_of(ask->segments, pid, ask->arena, &items);
    if (n > 0)
        mu_json_set(ask->arena, all, MU_STR("segmentMembership"),
                    mu_segment_membership_json(ask->arena, n, items,
                                               mu_json_member(all, MU_STR("segmentMembership"))));
    return MU_OK;
}

static mu_code entity_of(mu_entity_ask *ask, const mu_graph_cluster *cluster,
                         const mu_profile_view *view, mu_json *out, mu_err *err)
{
    mu_json all = mu_entity_json_of(ask->arena, view->attributes);
    MU_TRY(add_memberships(ask, cluster->pid, &all, err));
    const shown_identity *list = shown_identities(ask, cluster, view);
    mu_json_set(ask->arena, &all, MU_STR("identityMap"),
                identity_map(ask, view->n_identities, list));
    const mu_json *memberships = mu_json_member(&all, MU_STR("segmentMembership"));
    if (memberships != NULL)
        mu_json_set(ask->arena, &all, MU_STR("segmentMembership"),
                    mu_segment_membership_current(ask->arena, memberships, ask->now_ms));
    mu_json entity = mu_entity_select(ask, &all);
    if (ask->wants_identities)
        mu_json_set(ask->arena, &entity, MU_STR("identities"),
                    identity_list(ask, view->n_identities, list));
    *out = entity;
    return MU_OK;
}

static mu_code profile_json(mu_entity_ask *ask, const mu_entity_target *target,
                            const mu_graph_cluster *cluster, const mu_profile_view *view,
                            mu_json *out, mu_err *err)
{
    mu_arena *arena = ask->arena;
    mu_json entity;
    MU_TRY(entity_of(ask, cluster, view, &entity, err));
    *out = MU_JSON_OBJECT_OF(
        arena, {MU_STR("entityId"), mu_json_of_string(target->xid)},
        {MU_STR("mergePolicy"),
         MU_JSON_OBJECT_OF(arena, {MU_STR("id"), mu_json_of_string(ask->policy.id)})},
        {MU_STR("sources"), mu_json_strings(arena, view->n_sources, view->sources)},
        {MU_STR("tags"), mu_json_strings(arena, view->n_tags, view->tags)},
        {MU_STR("identityGraph"), identity_graph(ask, cluster, view)}, {MU_STR("entity"), entity},
        {MU_STR("lastModifiedAt"), mu_entity_json_time(arena, view->last_modified_ms)});
    return MU_OK;
}

mu_code mu_entity_profile(mu_entity_ask *ask, const mu_entity_target *target, mu_entity_answer *out,
                          mu_err *err)
{
    mu_lookup lookup;
    mu_profile_view view;
    bool found;
    *out = (mu_entity_answer){.status = 404};
    MU_TRY(mu_entity_view(ask, target, &found, &lookup, &view, err));
    if (!found)
        return MU_OK;
    if (view.n_identities > MU_CLUSTER_IDENTITIES_MAX) {
        out->status = 422;
        return MU_OK;
    }
    out->status = 200;
    return profile_json(ask, target, &lookup.content.cluster, &view, &out->json, err);
}
