/* subjects_read.c -- the rules of an evaluation: bound, with their policies and references; jobs of
 * them.
 */
#include "audience/as_of.h"
#include "audience/evaluation_int.h"

#include "base/bits.h"

/* -------- policies -------- */

static void override_graph(const mu_evaluation_request *request, mu_merge_policy *policy)
{
    if (request->graph != MU_GRAPH_OF_POLICY)
        policy->uses_graph = request->graph == MU_GRAPH_PDG;
}

/* The place of a policy, made when it is new. */
static mu_code find_policy(mu_subjects_read *read, mu_str id, uint32_t *out, mu_err *err)
{
    mu_reading_policy found = {0};
    MU_TRY(mu_workspace_policy(read->workspace, read->arena, id, MU_STR(""), &found.stored, err));
    for (*out = 0; *out < read->n_policies; ++*out)
        if (mu_str_equal(read->policies[*out].stored.policy.id, found.stored.policy.id))
            return MU_OK;
    override_graph(read->request, &found.stored.policy);
    MU_TRY(mu_views_snapshot(read->workspace->views, read->base, &found.stored.policy,
                             &found.snapshot, err));
    read->policies[read->n_policies++] = found;
    return MU_OK;
}

/* Most subjects have the same; looked up once per id. */
static mu_code find_policies(mu_subjects_read *read, mu_err *err)
{
    const mu_evaluation_request *request = read->request;
    mu_strmap place_of; /* place + 1; 0: there is no such policy */
    mu_code code = MU_OK;
    mu_strmap_init(&place_of);
    for (uint32_t i = 0; code == MU_OK && i < request->n_subjects; i++) {
        bool is_new;
        uint32_t found = 0;
        mu_str id = request->subjects[i].merge_policy_id;
        uint64_t *place = mu_strmap_put(&place_of, id, &is_new);
        if (is_new) {
            code = find_policy(read, id, &found, err);
            *place = code == MU_OK ? found + 1 : 0;
            if (code == MU_E_NOT_FOUND)
                code = MU_OK;
        }
        read->subjects[i].policy = (uint32_t)*place - 1;
        if (*place == 0)
            read->subjects[i].error = mu_arena_format(
                read->arena, "there is no merge policy " MU_STR_FMT, MU_STR_ARG(id));
    }
    mu_strmap_free(&place_of);
    return code;
}

/* -------- rules -------- */

static bool has_received(const mu_schema *schema)
{
    int events = mu_type_field(schema->row, MU_STR("xEvent"));
    const mu_type *event = events < 0 ? NULL : schema->row->field_types[events]->item;
    return event != NULL && event->kind == MU_TYPE_OBJECT &&
           mu_type_field(event, MU_STR("$received")) >= 0;
}

static mu_code read_rule(mu_subjects_read *read, uint32_t i, mu_expression *out, mu_err *err)
{
    const mu_subject *subject = &read->request->subjects[i];
    mu_expression_request request = {.book = read->request->book,
                                     .schema = mu_snapshot_schema(read->base),
                                     .value = subject->expression,
                                     .is_tree = subject->is_tree,
                                     .own_id = subject->id};
    if (read->request->as_of_ms != INT64_MAX) {
        const mu_as_of as_of = {read->request->now_ms, read->request->as_of_ms,
                                has_received(request.schema)};
        MU_TRY(mu_expression_as_of(read->arena, subject->expression, subject->is_tree, &as_of,
                                   &request.value, err));
        request.is_tree = true;
    }
    return mu_expression_read(read->arena, &request, out, err);
}

static void read_one(mu_subjects_read *read, uint32_t i)
{
    mu_err err;
    mu_expression expression;
    mu_read_subject *subject = &read->subjects[i];
    if (subject->error.len > 0)
        return;
    if (read_rule(read, i, &expression, &err) != MU_OK) {
        subject->error = mu_arena_copy(read->arena, mu_str_from(err.text));
        return;
    }
    subject->query = expression.query;
    subject->n_references = expression.eligibility.n_segments;
    subject->references = expression.eligibility.segments;
    uint32_t *before = MU_NEW_ARRAY(read->arena, uint32_t, subject->n_references);
    for (uint32_t k = 0; k < subject->n_references; k++) {
        const uint64_t *place = mu_strmap_get(&read->place_of_id, subject->references[k]);
        if (place != NULL)
            before[subject->n_before++] = (uint32_t)*place;
    }
    subject->before = before;
}

/* What refers to a subject that failed fails too. Each round finds those one reference further. */
static void spread_errors(mu_subjects_read *read)
{
    bool found = true;
    while (found) {
        found = false;
        for (uint32_t i = 0; i < read->request->n_subjects; i++) {
            mu_read_subject *subject = &read->subjects[i];
            for (uint32_t k = 0; subject->error.len == 0 && k < subject->n_before; k++) {
                if (read->subjects[subject->before[k]].error.len == 0)
                    continue;
                subject->error = mu_arena_format(
                    read->arena,
                    "it refers to the audience " MU_STR_FMT ", which cannot be evaluated",
                    MU_STR_ARG(read->request->subjects[subject->before[k]].id));
                subject->query = NULL;
                found = true;
            }
        }
    }
}

static mu_code index_subjects(mu_subjects_read *read, mu_err *err)
{
    for (uint32_t i = 0; i < read->request->n_subjects; i++) {
        bool is_new;
        mu_str id = read->request->subjects[i].id;
        *mu_strmap_put(&read->place_of_id, id, &is_new) = i;
        if (!is_new)
            return mu_fail(err, MU_E_CONFLICT, "two subjects have the id \"" MU_STR_FMT "\"",
                           MU_STR_ARG(id));
    }
    return MU_OK;
}

mu_code mu_subjects_read_begin(mu_arena *arena, mu_workspace *workspace,
                               const mu_evaluation_request *request, mu_subjects_read *out,
                               mu_err *err)
{
    *out = (mu_subjects_read){.arena = arena, .workspace = workspace, .request = request};
    mu_strmap_init(&out->place_of_id);
    out->memberships = mu_memberships_acquire(workspace->memberships);
    out->subjects = MU_NEW_ARRAY(arena, mu_read_subject, (size_t)request->n_subjects + 1);
    out->policies = MU_NEW_ARRAY(arena, mu_reading_policy, (size_t)request->n_subjects + 1);
    MU_TRY(index_subjects(out, err));
    MU_TRY(mu_sandbox_snapshot(workspace->live, &out->base, err));
    MU_TRY(find_policies(out, err));
    int64_t events_max = workspace->options->settings.events_max; /* 0: any number */
    mu_exclusion_rules_make(arena, mu_snapshot_schema(out->base), events_max > 0 ? events_max : -1,
                            &out->exclusion);
    for (uint32_t i = 0; i < request->n_subjects; i++)
        read_one(out, i);
    spread_errors(out);
    return MU_OK;
}

void mu_subjects_read_end(mu_subjects_read *read)
{
    for (uint32_t i = 0; i < read->n_policies; i++)
        mu_snapshot_release(read->policies[i].snapshot);
    if (read->base != NULL)
        mu_snapshot_release(read->base);
    mu_membership_state_release(read->memberships);
    mu_strmap_free(&read->place_of_id);
}

/* -------- jobs -------- */

static void fill_known(const void *context, uint32_t n, const uint32_t *pids, uint64_t *members)
{
    const mu_known_set *set = context;
    for (uint32_t i = 0; set->by_row != NULL && i < n; i++)
        if (roaring_bitmap_contains(set->by_row, pids[i]))
            mu_bit_set(members, i);
    for (uint32_t i = 0; set->by_cluster != NULL && i < n; i++)
        if (roaring_bitmap_contains(set->by_cluster, mu_snapshot_owner_pid(set->snapshot, pids[i])))
            mu_bit_set(members, i);
}

/* Stored memberships at the request's now. */
static const mu_pid_set *stored_members(const mu_subjects_read *read, mu_str id)
{
    const mu_membership *membership = mu_membership_find(read->memberships, id);
    bool has_members =
        membership != NULL && mu_membership_count(membership, read->request->now_ms) > 0;
    return has_members ? membership->members : NULL;
}

/* What stands for an audience that the job does not evaluate. */
static mu_job_members known_of(const mu_subjects_read *read, mu_arena *arena, uint32_t policy,
                               mu_str id, const mu_known_sets *known)
{
    mu_known_set *set = MU_NEW(arena, mu_known_set);
    mu_job_members members = {.id = id, .fill = fill_known, .set = set};
    const uint64_t *place = mu_strmap_get(&read->place_of_id, id);
    const mu_audience *audience = mu_audience_find(read->request->book, id);
    set->snapshot = read->policies[policy].snapshot;
    if (place != NULL && known->by_row != NULL && read->subjects[*place].policy == policy)
        set->by_row = known->by_row[*place];
    if (set->by_row == NULL && place != NULL && known->by_cluster != NULL)
        set->by_cluster = known->by_cluster[*place];
    if (set->by_row == NULL && set->by_cluster == NULL)
        set->by_cluster = stored_members(read, id);
    if (audience != NULL && audience->is_external) {
        members.row_namespace = audience->namespace_code;
        members.row_ids[members.n_row_ids++] = audience->id;
        if (!mu_str_equal(audience->id, audience->audience_id))
            members.row_ids[members.n_row_ids++] = audience->audience_id;
    }
    return members;
}

static const mu_pql *unless_of(const mu_subjects_read *read, uint32_t subject)
{
    return read->request->subjects[subject].excludes_opt_out ? read->exclusion.either
                                                             : read->exclusion.many_events;
}

/* Every id that some rule names and that is none of the job's. */
static uint32_t list_known(const mu_subjects_read *read, mu_arena *arena, uint32_t n,
                           const uint32_t *subjects, const mu_known_sets *known,
                           mu_job_members **out)
{
    mu_strmap seen;
    uint32_t n_all = 0, n_known = 0;
    mu_strmap_init(&seen);
    for (uint32_t i = 0; i < n; i++) {
        n_all += read->subjects[subjects[i]].n_references;
        (void)mu_strmap_put(&seen, read->request->subjects[subjects[i]].id, NULL);
    }
    *out = MU_NEW_ARRAY(arena, mu_job_members, (size_t)n_all + 1);
    for (uint32_t i = 0; i < n; i++) {
        const mu_read_subject *subject = &read->subjects[subjects[i]];
        for (uint32_t k = 0; k < subject->n_references; k++) {
            bool is_new;
            (void)mu_strmap_put(&seen, subject->references[k], &is_new);
            if (is_new)
                (*out)[n_known++] =
                    known_of(read, arena, subject->policy, subject->references[k], known);
        }
    }
    mu_strmap_free(&seen);
    return n_known;
}

mu_code mu_subjects_job(mu_subjects_read *read, mu_arena *arena, uint32_t n,
                        const uint32_t *subjects, const mu_known_sets *known,
                        const mu_job_options *options, mu_job **out, mu_err *err)
{
    mu_job_members *members;
    mu_job_options with_members = *options;
    mu_job_audience *audiences = MU_NEW_ARRAY(arena, mu_job_audience, (size_t)n + 1);
    for (uint32_t i = 0; i < n; i++)
        audiences[i] = (mu_job_audience){.id = read->request->subjects[subjects[i]].id,
                                         .query = read->subjects[subjects[i]].query,
                                         .unless = unless_of(read, subjects[i])};
    with_members.n_members = list_known(read, arena, n, subjects, known, &members);
    with_members.members = members;
    mu_snapshot *snapshot =
        n == 0 ? read->base : read->policies[read->subjects[subjects[0]].policy].snapshot;
    return mu_job_new(snapshot, &with_members, n, audiences, out, err);
}
