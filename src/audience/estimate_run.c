/* estimate_run.c -- one estimate from its request to its figures and rows. */
#include "audience/estimate_int.h"

#include <stdlib.h>
#include <time.h>

/* Bytes of identities that a preview without a graph keeps at most. */
#define IDENTITY_BYTES_MAX ((uint64_t)16 << 20)

typedef struct running {
    const mu_estimate_run *run;
    mu_arena arena;
    const mu_audience_book *book;
    uint32_t n_subjects; /* the request's rule is the last */
    mu_subject *subjects;
    mu_evaluation_request request;
    mu_evaluation *others; /* of subjects under other policies; NULL: none */
    mu_prepared *prepared;
    uint32_t target; /* the rule's place among the job's audiences */
    const mu_entity *profiles;
    uint32_t n_namespaces;
    mu_str *codes;
    uint32_t *namespace_ids;
    mu_prefix *prefix;
    mu_kept kept;
    mu_turn turn;
    uint64_t *worker_ns; /* processor time at each worker's last block */
} running;

/* -------- the rule and what it refers to -------- */

bool mu_estimate_is_of_profiles(const mu_estimate_request *request)
{
    return request->schema_name.len == 0 ||
           mu_str_equal(request->schema_name, MU_STR("_xdm.context.profile"));
}

mu_code mu_estimate_read_rule(mu_workspace *workspace, const mu_audience_book *book,
                              const mu_estimate_request *request, mu_arena *arena,
                              mu_expression *out, mu_err *err)
{
    mu_snapshot *snapshot = NULL;
    mu_expression_request reading = {
        .book = book, .value = request->expression, .is_tree = request->is_tree};
    if (mu_estimate_is_of_profiles(request)) {
        MU_TRY(mu_sandbox_snapshot(workspace->live, &snapshot, err));
        reading.schema = mu_snapshot_schema(snapshot);
    }
    mu_code code = mu_expression_read(arena, &reading, out, err);
    if (snapshot != NULL)
        mu_snapshot_release(snapshot);
    return code;
}

/* Memberships of external and inactive audiences are what is stored of them. */
static bool is_evaluated(const mu_audience *audience)
{
    return audience != NULL && !audience->is_external &&
           audience->lifecycle != MU_LIFECYCLE_INACTIVE && audience->expression.len > 0;
}

/* What a job for this rule would evaluate: the audiences it refers to anew, then the rule
 * (decision 0202). */
static mu_code find_subjects(running *r, mu_err *err)
{
    const mu_estimate_request *request = r->run->request;
    mu_expression expression;
    mu_subject *before = NULL;
    uint32_t n_ids = 0, n = 0;
    MU_TRY(mu_estimate_read_rule(r->run->workspace, r->book, request, &r->arena, &expression, err));
    const mu_eligibility *judged = &expression.eligibility;
    mu_str *ids = MU_NEW_ARRAY(&r->arena, mu_str, (size_t)judged->n_segments + 1);
    for (uint32_t i = 0; i < judged->n_segments; i++)
        if (is_evaluated(mu_audience_find(r->book, judged->segments[i])))
            ids[n_ids++] = judged->segments[i];
    if (n_ids > 0)
        MU_TRY(mu_subjects_of(&r->arena, r->book, n_ids, ids, &n, &before, err));
    r->subjects = MU_NEW_ARRAY(&r->arena, mu_subject, (size_t)n + 1);
    if (n > 0)
        memcpy(r->subjects, before, n * sizeof *before);
    r->subjects[n] = (mu_subject){.id = r->run->id,
                                  .expression = request->expression,
                                  .is_tree = request->is_tree,
                                  .merge_policy_id = request->merge_policy_id,
                                  .excludes_opt_out = true};
    r->n_subjects = n + 1;
    return MU_OK;
}

static mu_code policy_id(running *r, uint32_t subject, mu_str *out, mu_err *err)
{
    mu_stored_policy policy;
    MU_TRY(mu_workspace_policy(r->run->workspace, &r->arena, r->subjects[subject].merge_policy_id,
                               MU_STR(""), &policy, err));
    *out = policy.policy.id;
    return MU_OK;
}

static void account(running *r, unsigned worker);

static void progressed(void *context, uint64_t done, uint64_t all)
{
    (void)done, (void)all;
    account(context, 0);
}

/* Subjects under other policies than the rule's are evaluated before it. */
static mu_code evaluate_others(running *r, mu_known_members *known, mu_err *err)
{
    uint32_t own = r->n_subjects - 1, n_others = 0;
    const mu_pid_set **members = MU_NEW_ARRAY(&r->arena, const mu_pid_set *, r->n_subjects);
    bool *is_other = MU_NEW_ARRAY(&r->arena, bool, r->n_subjects);
    mu_str own_policy, policy;
    MU_TRY(policy_id(r, own, &own_policy, err));
    for (uint32_t i = 0; i < own; i++) {
        MU_TRY(policy_id(r, i, &policy, err));
        is_other[i] = !mu_str_equal(policy, own_policy);
        n_others += is_other[i];
    }
    known->members = members;
    if (n_others == 0)
        return MU_OK;
    mu_evaluation_request request = r->request;
    request.n_subjects = own;
    request.progress = progressed;
    request.progress_context = r;
    MU_TRY(mu_evaluate(r->run->workspace, &request, &r->others, err));
    for (uint32_t i = 0; i < own; i++) {
        if (r->others->subjects[i].error.len > 0)
            return mu_fail(err, MU_E_INPUT, MU_STR_FMT, MU_STR_ARG(r->others->subjects[i].error));
        members[i] = is_other[i] ? r->others->subjects[i].members : NULL;
    }
    return MU_OK;
}

static mu_code prepare(running *r, mu_err *err)
{
    mu_known_members known;
    MU_TRY(find_subjects(r, err));
    r->request = (mu_evaluation_request){.n_subjects = r->n_subjects,
                                         .subjects = r->subjects,
                                         .book = r->book,
                                         .now_ms = mu_workspace_now_ms(r->run->workspace),
                                         .as_of_ms = INT64_MAX,
                                         .graph = r->run->request->graph,
                                         .cancel = r->run->cancel};
    MU_TRY(evaluate_others(r, &known, err));
    MU_TRY(mu_evaluation_prepare(r->run->workspace, &r->request, r->n_subjects - 1, &known,
                                 &r->prepared, err));
    while (r->target < r->prepared->n_audiences &&
           r->prepared->subjects[r->target] != r->n_subjects - 1)
        r->target++;
    MU_ASSERT(r->target < r->prepared->n_audiences);
    r->profiles = mu_snapshot_entity(r->prepared->snapshot, MU_STR("profile"));
    return MU_OK;
}

/* -------- counting -------- */

static uint64_t thread_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

/* Notes what the worker used since its last block, then waits for its turn. */
static void account(running *r, unsigned worker)
{
    uint64_t now = thread_ns(), before = r->worker_ns[worker];
    r->worker_ns[worker] = now;
    mu_turns_wait(r->run->turns, &r->turn, now > before ? now - before : 0, r->run->cancel);
}

static mu_code take_block(void *context, unsigned worker, uint32_t audience, uint32_t part,
                          uint32_t block, const uint64_t *members, uint32_t n_rows, mu_err *err)
{
    running *r = context;
    (void)n_rows;
    if (audience != r->target)
        return MU_OK;
    MU_TRY(mu_kept_add(&r->kept, r->profiles->parts[part], part, block, members, err));
    MU_TRY(mu_prefix_add(r->prefix, worker, part, block, members, err));
    account(r, worker);
    return MU_OK;
}

static void find_namespaces(running *r)
{
    const mu_graph_namespace *namespaces;
    r->n_namespaces = mu_sandbox_namespaces(r->run->workspace->live, &r->arena, &namespaces);
    r->codes = MU_NEW_ARRAY(&r->arena, mu_str, (size_t)r->n_namespaces + 1);
    r->namespace_ids = MU_NEW_ARRAY(&r->arena, uint32_t, (size_t)r->n_namespaces + 1);
    for (uint32_t i = 0; i < r->n_namespaces; i++) {
        r->codes[i] = namespaces[i].code;
        r->namespace_ids[i] = namespaces[i].id;
    }
}

static mu_code count(running *r, mu_err *err)
{
    const mu_estimate_run *run = r->run;
    uint64_t *counts = MU_NEW_ARRAY(&r->arena, uint64_t, r->prepared->n_audiences);
    mu_job_counters counters;
    find_namespaces(r);
    MU_TRY(mu_prefix_new(r->profiles, run->workspace->options->n_threads, r->n_namespaces, r->codes,
                         &r->prefix, err));
    run->begun(run->context, r->profiles == NULL ? 0 : r->profiles->n_rows, r->prefix,
               r->n_namespaces, r->namespace_ids);
    r->worker_ns[0] = thread_ns();
    return mu_job_run_by_hash(r->prepared->job, take_block, r, counts, &counters, err);
}

/* -------- what is left behind -------- */

static void note_figures(running *r, mu_estimate_result *out)
{
    mu_prefix_counts counts;
    mu_prefix_read(r->prefix, &r->arena, &counts);
    out->n_total = counts.n_read;
    out->n_matched = counts.n_matched;
    out->namespaces = MU_NEW_ARRAY(&out->arena, mu_estimate_namespace, (size_t)r->n_namespaces + 1);
    for (uint32_t i = 0; i < r->n_namespaces; i++)
        if (counts.n_by_namespace[i] > 0)
            out->namespaces[out->n_namespaces++] =
                (mu_estimate_namespace){r->namespace_ids[i], counts.n_by_namespace[i]};
}

static void keep_pids(running *r, mu_estimate_result *out)
{
    out->n_rows = (uint32_t)r->kept.n;
    out->pids = MU_NEW_ARRAY(&out->arena, uint32_t, r->kept.n + 1);
    for (size_t i = 0; i < r->kept.n; i++)
        out->pids[i] = r->kept.rows[i].pid;
    out->n_bytes = (r->kept.n + 1) * sizeof *out->pids;
}

static mu_code keep_identities(running *r, mu_estimate_result *out, mu_err *err)
{
    out->identities = MU_NEW_ARRAY(&out->arena, mu_identity, r->kept.n + 1);
    out->n_bytes = (r->kept.n + 1) * sizeof *out->identities;
    for (size_t i = 0; i < r->kept.n && out->n_bytes < IDENTITY_BYTES_MAX; i++) {
        mu_row_place place = r->kept.rows[i].place;
        mu_identity identity;
        MU_TRY(mu_part_identity(r->profiles->parts[place.part], place.row, &identity, err));
        out->identities[out->n_rows++] =
            (mu_identity){mu_arena_copy(&out->arena, identity.namespace_code),
                          mu_arena_copy(&out->arena, identity.value)};
        out->n_bytes += identity.namespace_code.len + identity.value.len + 2;
    }
    return MU_OK;
}

static mu_code conclude(running *r, mu_estimate_result *out, mu_err *err)
{
    mu_graph_type graph = r->run->request->graph;
    bool uses_graph =
        graph == MU_GRAPH_OF_POLICY ? r->prepared->policy.policy.uses_graph : graph == MU_GRAPH_PDG;
    note_figures(r, out);
    mu_kept_finish(&r->kept);
    if (!uses_graph)
        return keep_identities(r, out, err);
    keep_pids(r, out);
    return MU_OK;
}

/* -------- the run -------- */

static mu_code run_profiles(running *r, mu_estimate_result *out, mu_err *err)
{
    MU_TRY(prepare(r, err));
    MU_TRY(count(r, err));
    return conclude(r, out, err);
}

/* Of a class that nobody has records of there is nothing to count. */
static mu_code run_others(running *r, mu_err *err)
{
    MU_TRY(mu_prefix_new(NULL, 1, 0, NULL, &r->prefix, err));
    r->run->begun(r->run->context, 0, r->prefix, 0, NULL);
    return MU_OK;
}

static void end_running(running *r)
{
    mu_prefix_free(r->prefix);
    mu_kept_fini(&r->kept);
    if (r->prepared != NULL)
        mu_prepared_free(r->prepared);
    if (r->others != NULL)
        mu_evaluation_free(r->others);
    if (r->book != NULL)
        mu_audience_book_release(r->book);
    mu_arena_free(&r->arena);
}

mu_code mu_estimate_run_all(const mu_estimate_run *run, mu_err *err)
{
    running r = {.run = run};
    mu_estimate_result result = {0};
    mu_arena_init(&r.arena, SIZE_MAX);
    mu_arena_init(&result.arena, SIZE_MAX);
    mu_kept_init(&r.kept, (uint32_t)run->workspace->options->settings.preview_results_max);
    r.worker_ns = MU_NEW_ARRAY(&r.arena, uint64_t, run->workspace->options->n_threads);
    r.worker_ns[0] = thread_ns();
    mu_turns_enter(run->turns, &r.turn);
    mu_code code = mu_audience_book_acquire(run->workspace->books, &r.book, err);
    if (code == MU_OK)
        code = mu_estimate_is_of_profiles(run->request) ? run_profiles(&r, &result, err)
                                                        : run_others(&r, err);
    mu_turns_leave(run->turns, &r.turn);
    run->ended(run->context, code == MU_OK ? &result : NULL);
    if (code != MU_OK)
        mu_arena_free(&result.arena);
    end_running(&r);
    return code;
}

void mu_estimate_result_fini(mu_estimate_result *result)
{
    mu_arena_free(&result->arena);
}
