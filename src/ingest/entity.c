#include "ingest/ingest_int.h"

/* -------- numbers for names -------- */

uint32_t mu_names_number(mu_names *names, mu_arena *arena, mu_str name,
                         const mu_namespaces *spelling)
{
    if (names->n > 0 && mu_str_equal(names->last_name, name))
        return names->last;
    uint64_t *known = mu_strmap_get(&names->numbers, name);
    if (known != NULL) {
        names->last = (uint32_t)*known;
        names->last_name = names->met[names->last];
        return names->last;
    }
    names->names = mu_room(names->names, names->n, &names->capacity, sizeof *names->names);
    names->met = mu_room(names->met, names->n, &names->met_capacity, sizeof *names->met);
    mu_str copy = mu_arena_copy(arena, name);
    names->met[names->n] = names->last_name = copy;
    names->last = names->n;
    *mu_strmap_put(&names->numbers, copy, NULL) = names->n;
    names->names[names->n] = spelling == NULL ? copy : mu_namespaces_spelling(spelling, copy);
    return names->n++;
}

/* -------- candidates -------- */

void mu_candidates_add(mu_candidates *candidates, mu_candidate candidate)
{
    candidate.problem = mu_identity_problem(candidate.identity);
    for (uint32_t i = 0; i < candidates->n; i++) {
        mu_candidate *other = &candidates->list[i];
        if (!mu_str_equal(other->identity.value, candidate.identity.value) ||
            !mu_str_equal(other->identity.namespace_code, candidate.identity.namespace_code))
            continue;
        other->is_flagged |= candidate.is_flagged;
        other->is_declared |= candidate.is_declared;
        return;
    }
    if (candidates->n < MU_IDENTITIES_MAX) {
        candidates->list[candidates->n++] = candidate;
        return;
    }
    candidates->n_ignored++;
    mu_candidate *last = &candidates->list[MU_IDENTITIES_MAX - 1];
    if ((candidate.is_flagged || candidate.is_declared) && !last->is_flagged && !last->is_declared)
        *last = candidate;
}

/* P11: the flag comes as the text "true" too. */
static bool is_true(const mu_json *json)
{
    if (json == NULL)
        return false;
    if (json->kind == MU_JSON_STRING)
        return mu_str_equal_ascii_nocase(json->string, MU_STR("true"));
    return json->kind == MU_JSON_BOOLEAN && json->boolean;
}

void mu_candidates_add_map(mu_candidates *candidates, const mu_namespaces *namespaces,
                           const mu_json *identity_map)
{
    if (identity_map == NULL || identity_map->kind != MU_JSON_OBJECT)
        return;
    for (uint32_t i = 0; i < identity_map->n; i++) {
        const mu_json *list = &identity_map->items[i];
        mu_str code = mu_namespaces_spelling(namespaces, identity_map->names[i]);
        for (uint32_t k = 0; list->kind == MU_JSON_ARRAY && k < list->n; k++) {
            const mu_json *id = mu_json_member(&list->items[k], MU_STR("id"));
            if (id == NULL || id->kind != MU_JSON_STRING)
                continue;
            mu_candidates_add(
                candidates,
                (mu_candidate){
                    .identity = {code, id->string},
                    .is_flagged = is_true(mu_json_member(&list->items[k], MU_STR("primary"))),
                });
        }
    }
}

/* P11: endUserIDs._experience.<x>.{id, namespace: {code}, primary}. */
static void add_end_user_ids(mu_candidates *candidates, const mu_namespaces *namespaces,
                             const mu_json *entity)
{
    const mu_json *users = mu_json_member(entity, MU_STR("endUserIDs"));
    users = mu_json_member(users, MU_STR("_experience"));
    if (users == NULL || users->kind != MU_JSON_OBJECT)
        return;
    for (uint32_t i = 0; i < users->n; i++) {
        const mu_json *user = &users->items[i];
        mu_str id = mu_json_member_string(user, MU_STR("id"), MU_STR(""));
        mu_str code = mu_json_member_string(mu_json_member(user, MU_STR("namespace")),
                                            MU_STR("code"), MU_STR(""));
        if (id.len == 0 || code.len == 0)
            continue;
        mu_candidates_add(candidates,
                          (mu_candidate){
                              .identity = {mu_namespaces_spelling(namespaces, code), id},
                              .is_flagged = is_true(mu_json_member(user, MU_STR("primary"))),
                          });
    }
}

/* The texts at a path, through lists on the way; `step` is the first name still to go. */
static void add_path(mu_candidates *candidates, const mu_cut_path *path, uint32_t step,
                     const mu_json *json)
{
    for (; json != NULL && json->kind == MU_JSON_OBJECT && step < path->n; step++)
        json = mu_json_member(json, path->names[step]);
    if (json == NULL)
        return;
    /* Lists in lists are no place for an identity, so this goes one level deep per name. */
    for (uint32_t i = 0; json->kind == MU_JSON_ARRAY && i < json->n; i++)
        if (json->items[i].kind != MU_JSON_ARRAY)
            add_path(candidates, path, step, &json->items[i]);
    if (json->kind == MU_JSON_STRING && step == path->n)
        mu_candidates_add(candidates, (mu_candidate){
                                          .identity = {path->namespace_code, json->string},
                                          .is_declared = path->is_primary,
                                      });
}

static const mu_candidate *first_candidate(const mu_candidates *candidates, bool flagged)
{
    for (uint32_t i = 0; i < candidates->n; i++)
        if (flagged ? candidates->list[i].is_flagged : candidates->list[i].is_declared)
            return &candidates->list[i];
    return NULL;
}

static const mu_candidate *only_good(const mu_candidates *candidates)
{
    const mu_candidate *found = NULL;
    for (uint32_t i = 0; i < candidates->n; i++) {
        if (candidates->list[i].problem != NULL)
            continue;
        if (found != NULL)
            return NULL;
        found = &candidates->list[i];
    }
    return candidates->n_ignored == 0 ? found : NULL;
}

/* The one whose namespace ranks best, if any is ranked. */
static const mu_candidate *best_ranked(const mu_candidates *candidates,
                                       const mu_namespaces *namespaces)
{
    const mu_candidate *best = NULL;
    uint32_t best_rank = namespaces->n_ranked;
    for (uint32_t i = 0; best_rank > 0 && i < candidates->n; i++) {
        const mu_candidate *candidate = &candidates->list[i];
        uint32_t rank = mu_namespaces_rank(namespaces, candidate->identity.namespace_code);
        if (candidate->problem == NULL && rank < best_rank) {
            best = candidate;
            best_rank = rank;
        }
    }
    return best;
}

mu_code mu_candidates_choose(const mu_candidates *candidates, const mu_namespaces *namespaces,
                             bool is_event, mu_identity *out, mu_err *err)
{
    const mu_candidate *chosen = is_event ? best_ranked(candidates, namespaces) : NULL;
    if (chosen == NULL)
        chosen = first_candidate(candidates, is_event);
    if (chosen == NULL)
        chosen = first_candidate(candidates, !is_event);
    if (chosen == NULL)
        chosen = only_good(candidates);
    if (chosen == NULL && candidates->n == 1)
        chosen = &candidates->list[0]; /* for its problem */
    if (chosen == NULL && candidates->n == 0)
        return mu_fail(err, MU_E_INPUT, "the record has no identity");
    if (chosen == NULL)
        return mu_fail(err, MU_E_INPUT, "none of the record's %u identities is primary",
                       candidates->n + candidates->n_ignored);
    if (chosen->problem != NULL)
        return mu_fail(err, MU_E_INPUT, "the primary identity (" MU_STR_FMT ") %s",
                       MU_STR_ARG(chosen->identity.namespace_code), chosen->problem);
    *out = chosen->identity;
    return MU_OK;
}

/* -------- content of events without _id -------- */

/* Integers up to here are exact as doubles. */
#define EXACT_MAX ((int64_t)1 << 53)

static uint64_t number_hash(double number)
{
    return mu_hash64(&number, sizeof number, MU_JSON_DOUBLE);
}

/* Equal for equal content: members in any order, 1 and 1.0 alike, null members as absent ones. The
 * depth is that of the parser. */
static uint64_t content_hash(const mu_json *json)
{
    uint64_t hash = (uint64_t)json->kind * UINT64_C(0x9e3779b97f4a7c15);
    switch (json->kind) {
    case MU_JSON_BOOLEAN:
        return hash + json->boolean;
    case MU_JSON_INTEGER:
        if (json->integer >= -EXACT_MAX && json->integer <= EXACT_MAX)
            return number_hash((double)json->integer);
        return mu_hash64(&json->integer, sizeof json->integer, MU_JSON_INTEGER);
    case MU_JSON_DOUBLE:
        return number_hash(json->number);
    case MU_JSON_STRING:
        return mu_hash64(json->string.ptr, json->string.len, MU_JSON_STRING);
    case MU_JSON_ARRAY:
        for (uint32_t i = 0; i < json->n; i++) {
            uint64_t pair[2] = {hash, content_hash(&json->items[i])};
            hash = mu_hash64(pair, sizeof pair, MU_JSON_ARRAY);
        }
        return hash;
    case MU_JSON_OBJECT:
        for (uint32_t i = 0; i < json->n; i++) {
            if (json->items[i].kind == MU_JSON_NULL)
                continue;
            uint64_t value = content_hash(&json->items[i]);
            hash += mu_hash64(json->names[i].ptr, json->names[i].len, value);
        }
        return hash;
    default:
        return hash;
    }
}

/* -------- the subject -------- */

static mu_code lookup_key(const mu_load_class *class, const mu_json *entity, mu_subject *out,
                          mu_err *err)
{
    mu_candidates found = {0};
    add_path(&found, &class->paths[0], 0, entity);
    if (found.n == 0 || found.list[0].identity.value.len == 0)
        return mu_fail(err, MU_E_INPUT, "the record has no key of class " MU_STR_FMT,
                       MU_STR_ARG(class->name));
    out->identity = (mu_identity){MU_STR(""), found.list[0].identity.value};
    return MU_OK;
}

static bool is_present(const mu_json *json)
{
    return json != NULL && json->kind != MU_JSON_NULL;
}

static mu_code event_key(const mu_json *entity, mu_subject *out, mu_err *err)
{
    if (!is_present(mu_json_member(entity, MU_FIELD_TIMESTAMP)))
        return mu_fail(err, MU_E_INPUT, "timestamp: an event needs one");
    const mu_json *id = mu_json_member(entity, MU_FIELD_ID);
    if (id == NULL)
        id = mu_json_member(entity, MU_STR("@id"));
    out->has_content_hash = !is_present(id) || (id->kind == MU_JSON_STRING && id->string.len == 0);
    out->content_hash = out->has_content_hash ? content_hash(entity) : 0;
    return MU_OK;
}

uint32_t mu_entity_class(const mu_json *entity, uint32_t forced)
{
    if (forced != MU_CLASS_AUTO)
        return forced;
    return is_present(mu_json_member(entity, MU_FIELD_TIMESTAMP)) ? MU_CLASS_EVENT
                                                                  : MU_CLASS_PROFILE;
}

mu_code mu_entity_subject(mu_worker *worker, const mu_json *entity, const mu_json *identity_map,
                          mu_subject *out, mu_err *err)
{
    const mu_load_run *run = worker->run;
    const mu_load_class *class = &run->classes[out->class_number];
    bool is_event = out->class_number == MU_CLASS_EVENT;
    out->has_content_hash = false;
    if (out->class_number >= MU_CLASS_LOOKUP)
        return lookup_key(class, entity, out, err);
    if (is_event)
        MU_TRY(event_key(entity, out, err));
    mu_candidates found;
    found.n = found.n_ignored = 0;
    for (uint32_t i = 0; i < class->n_paths; i++)
        add_path(&found, &class->paths[i], 0, entity);
    const mu_json *own_map = mu_json_member(entity, MU_STR("identityMap"));
    mu_candidates_add_map(&found, run->namespaces, own_map != NULL ? own_map : identity_map);
    add_end_user_ids(&found, run->namespaces, entity);
    return mu_candidates_choose(&found, run->namespaces, is_event, &out->identity, err);
}
