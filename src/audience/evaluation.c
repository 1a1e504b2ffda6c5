/* evaluation.c -- everything evaluated, stage by stage, and jobs prepared for others to run. */
#include "audience/evaluation.h"

#include "audience/evaluation_int.h"
#include "base/bits.h"
#include "base/thread.h"

#include <stdlib.h>

/* -------- one job under one policy -------- */

typedef struct mu_prepared_own {
    mu_arena arena;
    mu_subjects_read read;
} mu_prepared_own;

static uint32_t subjects_of_policy(const mu_subjects_read *read, uint32_t policy, uint32_t *out)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < read->request->n_subjects; i++)
        if (read->subjects[i].query != NULL && read->subjects[i].policy == policy)
            out[n++] = i;
    return n;
}

static mu_job_options job_options(const mu_subjects_read *read)
{
    const mu_evaluation_request *request = read->request;
    return (mu_job_options){.now_ms = request->now_ms,
                            .n_threads = read->workspace->options->n_threads,
                            .cancel = request->cancel,
                            .progress = request->progress,
                            .progress_context = request->progress_context};
}

static mu_code prepare(mu_prepared *prepared, mu_workspace *workspace,
                       const mu_evaluation_request *request, uint32_t of_subject,
                       const mu_known_members *known, mu_err *err)
{
    mu_prepared_own *own = prepared->own;
    mu_subjects_read *read = &own->read;
    MU_TRY(mu_subjects_read_begin(&own->arena, workspace, request, read, err));
    if (read->subjects[of_subject].query == NULL)
        return mu_fail(err, MU_E_INPUT, MU_STR_FMT, MU_STR_ARG(read->subjects[of_subject].error));
    uint32_t policy = read->subjects[of_subject].policy;
    uint32_t *subjects = MU_NEW_ARRAY(&own->arena, uint32_t, request->n_subjects);
    const mu_known_sets sets = {.by_cluster = known == NULL ? NULL : known->members};
    const mu_job_options options = job_options(read);
    prepared->n_audiences = subjects_of_policy(read, policy, subjects);
    prepared->subjects = subjects;
    prepared->policy = read->policies[policy].stored;
    prepared->snapshot = read->policies[policy].snapshot;
    return mu_subjects_job(read, &own->arena, prepared->n_audiences, subjects, &sets, &options,
                           &prepared->job, err);
}

mu_code mu_evaluation_prepare(mu_workspace *workspace, const mu_evaluation_request *request,
                              uint32_t of_subject, const mu_known_members *known, mu_prepared **out,
                              mu_err *err)
{
    mu_prepared *prepared = calloc(1, sizeof *prepared);
    mu_prepared_own *own = calloc(1, sizeof *own);
    MU_ASSERT(prepared != NULL && own != NULL && of_subject < request->n_subjects);
    prepared->own = own;
    mu_arena_init(&own->arena, SIZE_MAX);
    mu_code code = prepare(prepared, workspace, request, of_subject, known, err);
    if (code != MU_OK) {
        mu_prepared_free(prepared);
        return code;
    }
    *out = prepared;
    return MU_OK;
}

void mu_prepared_free(mu_prepared *prepared)
{
    if (prepared == NULL)
        return;
    mu_job_free(prepared->job);
    mu_subjects_read_end(&prepared->own->read);
    mu_arena_free(&prepared->own->arena);
    free(prepared->own);
    free(prepared);
}

/* -------- everything -------- */

/* Bits of members that one stage may take. */
#define STAGE_BYTES_MAX ((size_t)1 << 30)

typedef struct evaluating {
    mu_evaluation *out;
    mu_arena arena; /* of the run */
    mu_subjects_read read;
    bool *is_done;                 /* per subject */
    const mu_pid_set **by_cluster; /* per subject, done ones: those of the result */
    mu_pid_set **by_row;           /* per subject of a divided policy that was done */
    mu_namespace_sets clusters;    /* when counted */
    mu_namespace_sets *of_policy;  /* per policy that divides clusters */
    size_t stage_bytes_max;
    uint64_t rows_all;    /* of all stages, about */
    uint64_t rows_before; /* of the stages before this one */
} evaluating;

static void on_progress(void *context, uint64_t done, uint64_t all)
{
    evaluating *e = context;
    const mu_evaluation_request *request = e->read.request;
    (void)all;
    uint64_t reached = e->rows_before + done;
    request->progress(request->progress_context, reached < e->rows_all ? reached : e->rows_all,
                      e->rows_all);
}

/* -------- stages -------- */

static bool is_ready(const evaluating *e, uint32_t subject, const bool *is_taken)
{
    const mu_read_subject *read = &e->read.subjects[subject];
    for (uint32_t k = 0; k < read->n_before; k++)
        if (!e->is_done[read->before[k]] && !is_taken[read->before[k]])
            return false;
    return true;
}

/* The subjects of a policy that need nothing but what is done, or one another. */
static uint32_t take_ready(const evaluating *e, uint32_t policy, uint32_t *out, bool *is_taken)
{
    uint32_t n = 0, n_before;
    memset(is_taken, 0, e->read.request->n_subjects);
    do {
        n_before = n;
        for (uint32_t i = 0; i < e->read.request->n_subjects; i++) {
            const mu_read_subject *subject = &e->read.subjects[i];
            if (e->is_done[i] || is_taken[i] || subject->query == NULL ||
                subject->policy != policy || !is_ready(e, i, is_taken))
                continue;
            is_taken[i] = true;
            out[n++] = i;
        }
    } while (n > n_before);
    return n;
}

/* The policy that can go on with most subjects; 0 subjects: nothing is left, or a cycle. */
static uint32_t choose_stage(evaluating *e, uint32_t **out)
{
    uint32_t n_all = e->read.request->n_subjects, n_best = 0;
    uint32_t *best = MU_NEW_ARRAY(&e->arena, uint32_t, (size_t)n_all + 1);
    uint32_t *list = MU_NEW_ARRAY(&e->arena, uint32_t, (size_t)n_all + 1);
    bool *is_taken = MU_NEW_ARRAY(&e->arena, bool, (size_t)n_all + 1);
    for (uint32_t policy = 0; policy < e->read.n_policies; policy++) {
        uint32_t n = take_ready(e, policy, list, is_taken);
        if (n <= n_best)
            continue;
        n_best = n;
        memcpy(best, list, n * sizeof *best);
    }
    *out = best;
    return n_best;
}

/* -------- running one job -------- */

typedef struct running {
    evaluating *e;
    const mu_slots *slots;
    const mu_namespace_sets *namespaces; /* of rows when divided, else of clusters; NULL: none */
    uint32_t n;
    const uint32_t *subjects;
    uint64_t *rows;         /* n times slots->n_words */
    uint64_t *counts;       /* n */
    uint64_t *by_namespace; /* n times namespaces->n */
    uint64_t **pids;        /* per worker: bits */
} running;

static mu_code collect(void *context, unsigned worker, uint32_t audience, uint32_t part,
                       uint32_t block, const uint64_t *members, uint32_t n_rows, mu_err *err)
{
    const running *r = context;
    size_t n = mu_bits_words(n_rows);
    uint64_t *to = r->rows + audience * r->slots->n_words + r->slots->words[part][block], any = 0;
    (void)worker;
    (void)err;
    for (size_t w = 0; w < n; w++)
        any |= members[w];
    if (any != 0) /* memory that was never touched stays zero and costs nothing */
        memcpy(to, members, n * 8);
    return MU_OK;
}

/* Whether a subject of a later stage of the same policy asks for this one. */
static bool is_asked_for(const evaluating *e, uint32_t subject)
{
    for (uint32_t i = 0; i < e->read.request->n_subjects; i++) {
        const mu_read_subject *other = &e->read.subjects[i];
        if (e->is_done[i] || other->query == NULL ||
            other->policy != e->read.subjects[subject].policy)
            continue;
        for (uint32_t k = 0; k < other->n_before; k++)
            if (other->before[k] == subject)
                return true;
    }
    return false;
}

/* A view may end at a smaller pid than its base. */
static void count_namespaces(const mu_namespace_sets *namespaces, const uint64_t *bits,
                             size_t n_words, uint64_t *counts)
{
    n_words = n_words < namespaces->n_words ? n_words : namespaces->n_words;
    for (uint32_t k = 0; k < namespaces->n; k++)
        for (size_t w = 0; w < n_words; w++)
            counts[k] += (uint64_t)__builtin_popcountll(bits[w] & namespaces->sets[k][w]);
}

/* One audience's rows become its set and its counts. */
static mu_code settle_one(void *context, unsigned worker, size_t item, mu_err *err)
{
    const running *r = context;
    uint32_t subject = r->subjects[item];
    uint64_t *pids = r->pids[worker];
    const uint64_t *rows = r->rows + item * r->slots->n_words;
    mu_evaluated *out = &r->e->out->subjects[subject];
    (void)err;
    mu_slots_to_pids(r->slots, rows, r->counts[item], pids);
    roaring_bitmap_free(out->members);
    out->members = mu_pid_set_of_bits(pids, r->slots->n_pid_words);
    out->n_members = r->counts[item];
    if (r->namespaces != NULL) {
        uint64_t *counts = r->by_namespace + item * r->namespaces->n;
        if (r->slots->is_divided)
            count_namespaces(r->namespaces, rows, r->slots->n_words, counts);
        else
            count_namespaces(r->namespaces, pids, r->slots->n_pid_words, counts);
        out->n_by_namespace = counts;
    }
    if (r->slots->is_divided && is_asked_for(r->e, subject)) {
        mu_slots_to_row_pids(r->slots, rows, pids);
        r->e->by_row[subject] = mu_pid_set_of_bits(pids, r->slots->n_row_pid_words);
    }
    return MU_OK;
}

static mu_code settle(running *r, mu_err *err)
{
    evaluating *e = r->e;
    unsigned n_threads = e->read.workspace->options->n_threads;
    size_t n_words = r->slots->n_pid_words;
    if (r->slots->n_row_pid_words > n_words)
        n_words = r->slots->n_row_pid_words;
    r->pids = MU_NEW_ARRAY(&e->arena, uint64_t *, n_threads);
    for (unsigned t = 0; t < n_threads; t++)
        r->pids[t] = MU_NEW_ARRAY(&e->arena, uint64_t, n_words);
    if (r->namespaces != NULL)
        r->by_namespace =
            MU_NEW_ARRAY(&e->out->arena, uint64_t, (size_t)r->n * r->namespaces->n + 1);
    for (uint32_t i = 0; i < r->n; i++)
        e->is_done[r->subjects[i]] = true;
    MU_TRY(mu_parallel_for(n_threads, r->n, settle_one, r, err));
    for (uint32_t i = 0; i < r->n; i++)
        e->by_cluster[r->subjects[i]] = e->out->subjects[r->subjects[i]].members;
    return MU_OK;
}

static mu_code slots_of(evaluating *e, uint32_t policy, const mu_slots **out, mu_err *err)
{
    mu_reading_policy *p = &e->read.policies[policy];
    if (!p->has_slots)
        MU_TRY(mu_slots_make(&e->arena, p->snapshot, &p->slots, err));
    p->has_slots = true;
    *out = &p->slots;
    return MU_OK;
}

static mu_code namespaces_of(evaluating *e, uint32_t policy, const mu_slots *slots,
                             const mu_namespace_sets **out, mu_err *err)
{
    *out = NULL;
    if (!e->read.request->counts_namespaces)
        return MU_OK;
    *out = &e->clusters;
    if (!slots->is_divided)
        return MU_OK;
    mu_namespace_sets *own = &e->of_policy[policy];
    if (own->sets == NULL)
        MU_TRY(mu_namespaces_of_rows(&e->arena, e->read.policies[policy].snapshot, slots,
                                     &e->clusters, own, err));
    *out = own;
    return MU_OK;
}

static mu_code run_job(running *r, mu_err *err)
{
    evaluating *e = r->e;
    mu_job *job;
    mu_job_counters counters = {0};
    mu_job_options options = job_options(&e->read);
    const mu_known_sets known = {e->by_cluster, (const mu_pid_set *const *)e->by_row};
    if (options.progress != NULL) {
        options.progress = on_progress;
        options.progress_context = e;
    }
    MU_TRY(mu_subjects_job(&e->read, &e->arena, r->n, r->subjects, &known, &options, &job, err));
    mu_code code = mu_job_run(job, collect, r, r->counts, &counters, err);
    mu_job_free(job);
    for (int g = 0; g < MU_GUARD_COUNT_; g++)
        e->out->guard_trips[g] += counters.guard_trips[g];
    e->rows_before += r->slots->n_rows;
    return code;
}

/* So many subjects of one policy as fit into memory. */
static mu_code run_part(evaluating *e, uint32_t n, const uint32_t *subjects, mu_err *err)
{
    uint32_t policy = e->read.subjects[subjects[0]].policy;
    running r = {.e = e, .n = n, .subjects = subjects};
    MU_TRY(slots_of(e, policy, &r.slots, err));
    MU_TRY(namespaces_of(e, policy, r.slots, &r.namespaces, err));
    r.rows = calloc((size_t)n * r.slots->n_words + 1, sizeof *r.rows);
    r.counts = MU_NEW_ARRAY(&e->arena, uint64_t, (size_t)n + 1);
    if (r.rows == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for the members of %u audiences", n);
    mu_code code = run_job(&r, err);
    if (code == MU_OK)
        code = settle(&r, err);
    free(r.rows);
    return code;
}

static mu_code run_stage(evaluating *e, uint32_t n, const uint32_t *subjects, mu_err *err)
{
    const mu_slots *slots;
    MU_TRY(slots_of(e, e->read.subjects[subjects[0]].policy, &slots, err));
    size_t n_bytes = (slots->n_words + 1) * 8, n_fit = e->stage_bytes_max / n_bytes;
    uint32_t n_round = n_fit == 0 ? 1 : n_fit > n ? n : (uint32_t)n_fit;
    for (uint32_t at = 0; at < n; at += n_round)
        MU_TRY(run_part(e, n - at < n_round ? n - at : n_round, subjects + at, err));
    return MU_OK;
}

static void refuse_rest(evaluating *e)
{
    for (uint32_t i = 0; i < e->read.request->n_subjects; i++)
        if (!e->is_done[i] && e->read.subjects[i].error.len == 0)
            e->read.subjects[i].error = MU_STR("it refers to itself through inSegment");
}

static mu_code run_all(evaluating *e, mu_err *err)
{
    uint32_t *stage, n;
    mu_slots base;
    MU_TRY(mu_slots_make(&e->arena, e->read.base, &base, err));
    e->out->alive = mu_pid_set_of_bits(base.all, base.n_pid_words);
    e->out->n_profiles = base.n_rows;
    if (e->read.request->counts_namespaces)
        MU_TRY(mu_namespaces_of_clusters(&e->arena, e->read.base, base.n_pid_words, &e->clusters,
                                         err));
    e->rows_all = base.n_rows * (e->read.n_policies == 0 ? 1 : e->read.n_policies);
    while ((n = choose_stage(e, &stage)) > 0)
        MU_TRY(run_stage(e, n, stage, err));
    refuse_rest(e);
    return MU_OK;
}

/* -------- the result -------- */

static mu_stored_policy copy_policy(mu_arena *arena, const mu_stored_policy *from)
{
    mu_stored_policy to = *from;
    mu_str *order = MU_NEW_ARRAY(arena, mu_str, from->policy.n_order + 1);
    for (uint32_t i = 0; i < from->policy.n_order; i++)
        order[i] = mu_arena_copy(arena, from->policy.order[i]);
    to.policy.id = mu_arena_copy(arena, from->policy.id);
    to.policy.order = order;
    to.schema_name = mu_arena_copy(arena, from->schema_name);
    return to;
}

static void finish(evaluating *e)
{
    mu_evaluation *out = e->out;
    mu_stored_policy *policies =
        MU_NEW_ARRAY(&out->arena, mu_stored_policy, e->read.n_policies + 1);
    uint64_t *profiles = MU_NEW_ARRAY(&out->arena, uint64_t, e->read.n_policies + 1);
    mu_str *codes = MU_NEW_ARRAY(&out->arena, mu_str, e->clusters.n + 1);
    for (uint32_t i = 0; i < e->read.n_policies; i++) {
        const mu_entity *entity =
            mu_snapshot_entity(e->read.policies[i].snapshot, MU_STR("profile"));
        policies[i] = copy_policy(&out->arena, &e->read.policies[i].stored);
        profiles[i] = entity == NULL ? 0 : entity->n_rows;
    }
    for (uint32_t i = 0; i < e->clusters.n; i++)
        codes[i] = mu_arena_copy(&out->arena, e->clusters.codes[i]);
    for (uint32_t i = 0; i < out->n_subjects; i++)
        out->subjects[i].error = mu_arena_copy(&out->arena, e->read.subjects[i].error);
    out->n_policies = e->read.n_policies;
    out->policies = policies;
    out->profiles_of_policy = profiles;
    out->n_namespaces = e->clusters.n;
    out->namespaces = codes;
    if (e->read.n_policies > 0)
        out->n_profiles = profiles[0];
}

static mu_evaluation *evaluation_new(uint32_t n_subjects)
{
    mu_evaluation *made = calloc(1, sizeof *made);
    MU_ASSERT(made != NULL);
    mu_arena_init(&made->arena, SIZE_MAX);
    made->n_subjects = n_subjects;
    made->subjects = MU_NEW_ARRAY(&made->arena, mu_evaluated, (size_t)n_subjects + 1);
    for (uint32_t i = 0; i < n_subjects; i++)
        made->subjects[i].members = roaring_bitmap_create();
    return made;
}

static mu_code evaluate(evaluating *e, mu_workspace *workspace,
                        const mu_evaluation_request *request, mu_err *err)
{
    uint32_t n = request->n_subjects;
    MU_TRY(mu_subjects_read_begin(&e->arena, workspace, request, &e->read, err));
    e->is_done = MU_NEW_ARRAY(&e->arena, bool, (size_t)n + 1);
    e->by_cluster = MU_NEW_ARRAY(&e->arena, const mu_pid_set *, (size_t)n + 1);
    e->by_row = MU_NEW_ARRAY(&e->arena, mu_pid_set *, (size_t)n + 1);
    e->of_policy = MU_NEW_ARRAY(&e->arena, mu_namespace_sets, e->read.n_policies + 1);
    MU_TRY(run_all(e, err));
    finish(e);
    return MU_OK;
}

mu_code mu_evaluate_within(mu_workspace *workspace, const mu_evaluation_request *request,
                           size_t stage_bytes_max, mu_evaluation **out, mu_err *err)
{
    evaluating e = {.out = evaluation_new(request->n_subjects), .stage_bytes_max = stage_bytes_max};
    mu_arena_init(&e.arena, SIZE_MAX);
    mu_code code = evaluate(&e, workspace, request, err);
    for (uint32_t i = 0; e.by_row != NULL && i < request->n_subjects; i++)
        if (e.by_row[i] != NULL)
            roaring_bitmap_free(e.by_row[i]);
    mu_subjects_read_end(&e.read);
    mu_arena_free(&e.arena);
    if (code == MU_OK)
        *out = e.out;
    else
        mu_evaluation_free(e.out);
    return code;
}

mu_code mu_evaluate(mu_workspace *workspace, const mu_evaluation_request *request,
                    mu_evaluation **out, mu_err *err)
{
    return mu_evaluate_within(workspace, request, STAGE_BYTES_MAX, out, err);
}

void mu_evaluation_free(mu_evaluation *evaluation)
{
    if (evaluation == NULL)
        return;
    for (uint32_t i = 0; i < evaluation->n_subjects; i++)
        roaring_bitmap_free(evaluation->subjects[i].members);
    if (evaluation->alive != NULL)
        roaring_bitmap_free(evaluation->alive);
    mu_arena_free(&evaluation->arena);
    free(evaluation);
}
