/* job_evaluate.c -- what a segment job evaluates, and what it commits (api.md 12.2, 8.9).
 */
#include "audience/job_int.h"

#include "base/hash.h"

/* -------- what is evaluated -------- */

/* Texts of a list that grows. */
typedef struct id_list {
    mu_arena *arena;
    mu_strmap seen;
    uint32_t n, capacity;
    mu_str *items;
} id_list;

static void add_id(id_list *list, mu_str id)
{
    bool is_new;
    (void)mu_strmap_put(&list->seen, id, &is_new);
    if (!is_new)
        return;
    if (list->n == list->capacity) {
        mu_str *before = list->items;
        list->capacity = list->capacity * 2 + 64;
        list->items = MU_NEW_ARRAY(list->arena, mu_str, list->capacity);
        if (list->n > 0)
            memcpy(list->items, before, list->n * sizeof *before);
    }
    list->items[list->n++] = id;
}

static bool can_be_evaluated(const mu_audience *audience)
{
    return audience != NULL && !audience->is_external &&
           audience->lifecycle != MU_LIFECYCLE_INACTIVE;
}

/* The rule that the job was created with; NULL when it took no note of it. */
static const mu_json *snapshot_of(const mu_json *job, uint32_t i)
{
    const mu_json *segments = mu_json_get(job, MU_STR("segments"));
    return mu_json_get(job, MU_STR("$ids")) != NULL || segments == NULL || i >= segments->n
               ? NULL
               : mu_json_get(&segments->items[i], MU_STR("segment"));
}

static void read_snapshot(const mu_json *segment, mu_subject *out)
{
    const mu_json *expression = mu_json_get(segment, MU_STR("expression"));
    out->expression = mu_json_member_string(expression, MU_STR("value"), MU_STR(""));
    out->is_tree = mu_str_equal(mu_json_member_string(expression, MU_STR("format"), MU_STR("")),
                                MU_STR("pql/json"));
    out->merge_policy_id = mu_json_member_string(segment, MU_STR("mergePolicyId"), MU_STR(""));
}

/* What a rule that has changed since refers to must be evaluated too. */
static void add_references(mu_job_work *work, const mu_json *segment, id_list *list)
{
    mu_subject subject = {0};
    mu_expression expression;
    read_snapshot(segment, &subject);
    const mu_expression_request request = {
        .book = work->book, .value = subject.expression, .is_tree = subject.is_tree};
    if (mu_expression_read(work->arena, &request, &expression, NULL) != MU_OK)
        return; /* its own evaluation says why */
    for (uint32_t k = 0; k < expression.eligibility.n_segments; k++)
        if (can_be_evaluated(mu_audience_find(work->book, expression.eligibility.segments[k])))
            add_id(list, expression.eligibility.segments[k]);
}

static mu_subject *find_subject(mu_job_work *work, const mu_strmap *places, mu_str id)
{
    const uint64_t *place = mu_strmap_get(places, id);
    return place == NULL ? NULL : &work->subjects[*place];
}

/* The rules of the job's own snapshot take the place of what the book says now; audiences that were
 * deleted meanwhile are evaluated by theirs. */
static void apply_snapshots(mu_job_work *work, uint32_t n, const mu_str *ids)
{
    mu_strmap places;
    mu_strmap_init(&places);
    for (uint32_t i = 0; i < work->n_subjects; i++)
        *mu_strmap_put(&places, work->subjects[i].id, NULL) = i;
    for (uint32_t i = 0; i < n; i++) {
        const mu_json *segment = snapshot_of(work->job, i);
        mu_subject *subject = find_subject(work, &places, ids[i]);
        if (segment == NULL || (subject == NULL && mu_audience_find(work->book, ids[i]) != NULL))
            continue;
        if (subject == NULL) {
            subject = &work->subjects[work->n_subjects++];
            *subject = (mu_subject){.id = ids[i], .excludes_opt_out = true};
        }
        read_snapshot(segment, subject);
    }
    mu_strmap_free(&places);
}

static void collect_ids(mu_job_work *work, bool all, uint32_t n, const mu_str *ids, id_list *list)
{
    mu_str schema =
        mu_json_member_string(mu_json_get(work->job, MU_STR("schema")), MU_STR("name"), MU_STR(""));
    for (uint32_t i = 0; all && i < work->book->n; i++) {
        const mu_audience *audience = work->book->audiences[i];
        if (can_be_evaluated(audience) && mu_str_equal(audience->schema_name, schema))
            add_id(list, audience->id);
    }
    for (uint32_t i = 0; !all && i < n; i++) {
        if (can_be_evaluated(mu_audience_find(work->book, ids[i])))
            add_id(list, ids[i]);
        const mu_json *segment = snapshot_of(work->job, i);
        if (segment != NULL)
            add_references(work, segment, list);
    }
}

mu_code mu_job_work_plan(mu_job_work *work, mu_err *err)
{
    bool all;
    const mu_str *ids;
    mu_subject *subjects = NULL;
    id_list list = {.arena = work->arena};
    uint32_t n = mu_job_document_ids(work->arena, work->job, &all, &ids), n_subjects = 0;
    mu_strmap_init(&list.seen);
    collect_ids(work, all, n, ids, &list);
    mu_strmap_free(&list.seen);
    if (list.n > 0)
        MU_TRY(mu_subjects_of(work->arena, work->book, list.n, list.items, &n_subjects, &subjects,
                              err));
    work->subjects = MU_NEW_ARRAY(work->arena, mu_subject, (size_t)n_subjects + n + 1);
    if (n_subjects > 0)
        memcpy(work->subjects, subjects, n_subjects * sizeof *subjects);
    work->n_subjects = n_subjects;
    if (!all)
        apply_snapshots(work, n, ids);
    return MU_OK;
}

/* -------- metrics -------- */

static mu_json by_namespace(const mu_job_work *work, const mu_evaluated *evaluated)
{
    mu_arena *arena = work->arena;
    const mu_evaluation *all = work->evaluation;
    mu_json_pair *members = MU_NEW_ARRAY(arena, mu_json_pair, all->n_namespaces + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; evaluated->n_by_namespace != NULL && i < all->n_namespaces; i++)
        if (evaluated->n_by_namespace[i] > 0)
            members[n++] = (mu_json_pair){
                all->namespaces[i], mu_json_of_integer((int64_t)evaluated->n_by_namespace[i])};
    return mu_json_object(arena, n, members);
}

static mu_json by_status(mu_arena *arena, uint64_t n_members, uint64_t n_exited, bool with_exited)
{
    mu_json out =
        MU_JSON_OBJECT_OF(arena, {MU_STR("realized"), mu_json_of_integer((int64_t)n_members)},
                          {MU_STR("existing"), mu_json_of_integer(0)});
    if (with_exited)
        mu_json_set(arena, &out, MU_STR("exited"), mu_json_of_integer((int64_t)n_exited));
    return out;
}

static void set_metrics(mu_job_work *work, const uint64_t *n_exited, mu_json *job)
{
    mu_arena *arena = work->arena;
    const mu_evaluation *all = work->evaluation;
    uint32_t n = 0, n_policies = 0;
    uint64_t n_profiles = all->n_policies == 0 ? all->n_profiles : 0;
    mu_json_pair *counts = MU_NEW_ARRAY(arena, mu_json_pair, (size_t)work->n_subjects + 1);
    mu_json_pair *namespaces = MU_NEW_ARRAY(arena, mu_json_pair, (size_t)work->n_subjects + 1);
    mu_json_pair *statuses = MU_NEW_ARRAY(arena, mu_json_pair, (size_t)work->n_subjects + 1);
    mu_json_pair *policies = MU_NEW_ARRAY(arena, mu_json_pair, all->n_policies + 1);
    for (uint32_t i = 0; i < all->n_policies; i++) {
        n_profiles += all->profiles_of_policy[i];
        if (all->policies[i].policy.id.len > 0)
            policies[n_policies++] =
                (mu_json_pair){all->policies[i].policy.id,
                               mu_json_of_integer((int64_t)all->profiles_of_policy[i])};
    }
    for (uint32_t i = 0; i < work->n_subjects; i++) {
        const mu_evaluated *evaluated = &all->subjects[i];
        mu_str id = work->subjects[i].id;
        if (evaluated->error.len > 0)
            continue;
        counts[n] = (mu_json_pair){id, mu_json_of_integer((int64_t)evaluated->n_members)};
        namespaces[n] = (mu_json_pair){id, by_namespace(work, evaluated)};
        statuses[n++] =
            (mu_json_pair){id, by_status(arena, evaluated->n_members, n_exited[i], true)};
    }
    const mu_json *before = mu_json_member(job, MU_STR("metrics"));
    mu_json metrics = before == NULL ? (mu_json){.kind = MU_JSON_OBJECT} : *before;
    const mu_json_pair added[] = {
        {MU_STR("totalProfiles"), mu_json_of_integer((int64_t)n_profiles)},
        {MU_STR("totalProfilesByMergePolicy"), mu_json_object(arena, n_policies, policies)},
        {MU_STR("segmentedProfileCounter"), mu_json_object(arena, n, counts)},
        {MU_STR("segmentedProfileByNamespaceCounter"), mu_json_object(arena, n, namespaces)},
        {MU_STR("segmentedProfileByStatusCounter"), mu_json_object(arena, n, statuses)},
    };
    for (size_t i = 0; i < sizeof added / sizeof added[0]; i++)
        mu_json_set(arena, &metrics, added[i].name, added[i].value);
    mu_json_set(arena, job, MU_STR("metrics"), metrics);
}

/* The audience's own (8.9). */
static mu_json audience_metrics(const mu_job_work *work, uint32_t i, mu_str job_id,
                                int64_t created_ms)
{
    mu_arena *arena = work->arena;
    const mu_evaluated *evaluated = &work->evaluation->subjects[i];
    mu_json data = MU_JSON_OBJECT_OF(
        arena, {MU_STR("totalProfiles"), mu_json_of_integer((int64_t)evaluated->n_members)},
        {MU_STR("totalProfilesByNamespace"), by_namespace(work, evaluated)},
        {MU_STR("totalProfilesByStatus"), by_status(arena, evaluated->n_members, 0, false)});
    return MU_JSON_OBJECT_OF(arena, {MU_STR("type"), mu_json_of_string(MU_STR("segmentation"))},
                             {MU_STR("jobId"), mu_json_of_string(job_id)},
                             {MU_STR("id"), mu_json_of_string(work->subjects[i].id)},
                             {MU_STR("data"), data},
                             {MU_STR("createEpoch"), mu_json_of_integer(created_ms / 1000)},
                             {MU_STR("updateEpoch"), mu_json_of_integer(work->now_ms / 1000)});
}

/* -------- committing -------- */

/* What is committed: changes[k] is of subject subjects[k]. */
typedef struct committing {
    mu_job_work *work;
    mu_str id;
    uint64_t version;
    mu_json *ended;
    const mu_shelf *metrics; /* those there are */
    uint32_t n;
    uint32_t *subjects;
    mu_membership_change *changes;
    mu_document_edit *edits;
} committing;

static void list_changes(committing *c, const mu_audience_book *book)
{
    mu_job_work *work = c->work;
    for (uint32_t i = 0; i < work->n_subjects; i++) {
        const mu_evaluated *evaluated = &work->evaluation->subjects[i];
        if (evaluated->error.len > 0 ||
            !can_be_evaluated(mu_audience_find(book, work->subjects[i].id)))
            continue;
        c->subjects[c->n] = i;
        c->changes[c->n++] = (mu_membership_change){.action = MU_MEMBERSHIP_SET,
                                                    .audience_id = work->subjects[i].id,
                                                    .members = evaluated->members};
    }
}

static mu_code edit_of(committing *c, mu_str kind, mu_str id, const mu_json *json,
                       mu_document_edit *out, mu_err *err)
{
    *out = (mu_document_edit){.action = MU_DOCUMENT_PUT, .kind = kind, .id = id};
    return mu_json_text(c->work->arena, json, &out->json, err);
}

static mu_code make_edits(void *context, const mu_membership_counts *counts, uint32_t *n,
                          const mu_document_edit **out, mu_err *err)
{
    committing *c = context;
    mu_job_work *work = c->work;
    uint64_t *n_exited = MU_NEW_ARRAY(work->arena, uint64_t, (size_t)work->n_subjects + 1);
    c->edits = MU_NEW_ARRAY(work->arena, mu_document_edit, (size_t)c->n + 1);
    for (uint32_t k = 0; k < c->n; k++) {
        mu_str id = work->subjects[c->subjects[k]].id;
        const mu_shelf_item *before = mu_shelf_find(c->metrics, id);
        int64_t created_ms = before == NULL ? work->now_ms : before->document.created_ms;
        mu_json json = audience_metrics(work, c->subjects[k], c->id, created_ms);
        n_exited[c->subjects[k]] = counts[k].n_exited;
        MU_TRY(edit_of(c, MU_STR("audienceMetrics"), id, &json, &c->edits[k], err));
    }
    set_metrics(work, n_exited, c->ended);
    MU_TRY(edit_of(c, MU_SEGMENT_JOB_KIND, c->id, c->ended, &c->edits[c->n], err));
    c->edits[c->n].action = MU_DOCUMENT_REPLACE;
    c->edits[c->n].version_before = c->version;
    *n = c->n + 1;
    *out = c->edits;
    return MU_OK;
}

/* Between reading the book and the commit no audience is deleted. */
static mu_code commit_locked(committing *c, mu_err *err)
{
    mu_job_work *work = c->work;
    const mu_audience_book *book;
    MU_TRY(mu_audience_book_acquire(work->workspace->books, &book, err));
    list_changes(c, book);
    const mu_membership_commit commit = {.now_ms = work->now_ms,
                                         .n_changes = c->n,
                                         .changes = c->changes,
                                         .alive = work->evaluation->alive,
                                         .make_edits = make_edits,
                                         .context = c};
    mu_membership_counts *counts =
        MU_NEW_ARRAY(work->arena, mu_membership_counts, (size_t)c->n + 1);
    mu_code code = mu_memberships_commit(work->workspace->memberships, &commit, counts, err);
    mu_audience_book_release(book);
    return code;
}

static uint32_t record_errors(mu_job_work *work, mu_json *job)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < work->n_subjects; i++) {
        const mu_evaluated *evaluated = &work->evaluation->subjects[i];
        if (evaluated->error.len == 0)
            continue;
        n++;
        mu_job_document_error(work->arena, job, MU_STR("AUDIENCE_NOT_EVALUATED"),
                              mu_arena_format(work->arena, MU_STR_FMT ": " MU_STR_FMT,
                                              MU_STR_ARG(work->subjects[i].id),
                                              MU_STR_ARG(evaluated->error)));
    }
    return n;
}

mu_code mu_job_work_commit(mu_job_work *work, mu_str id, uint64_t version, mu_json *ended,
                           mu_err *err)
{
    int64_t ended_ms = mu_workspace_now_ms(work->workspace);
    uint32_t n_failed = record_errors(work, ended);
    committing c = {.work = work, .id = id, .version = version, .ended = ended};
    c.subjects = MU_NEW_ARRAY(work->arena, uint32_t, (size_t)work->n_subjects + 1);
    c.changes = MU_NEW_ARRAY(work->arena, mu_membership_change, (size_t)work->n_subjects + 1);
    if (n_failed > 0 && n_failed == work->n_subjects) {
        mu_document_edit edit;
        mu_job_document_end(work->arena, ended, MU_JOB_FAILED, ended_ms);
        MU_TRY(edit_of(&c, MU_SEGMENT_JOB_KIND, id, ended, &edit, err));
        edit.action = MU_DOCUMENT_REPLACE;
        edit.version_before = version;
        return mu_shelves_edit(work->workspace->shelves, ended_ms, 1, &edit, err);
    }
    mu_job_document_end(work->arena, ended, MU_JOB_SUCCEEDED, ended_ms);
    MU_TRY(mu_shelf_acquire(work->workspace->shelves, MU_STR("audienceMetrics"), &c.metrics, err));
    mu_audience_books_lock(work->workspace->books);
    mu_code code = commit_locked(&c, err);
    mu_audience_books_unlock(work->workspace->books);
    mu_shelf_release(c.metrics);
    return code;
}
