/* estimate.c -- previews and estimates of all sandboxes: what is asked, whose turn it is, what came
 * of it. */
#include "audience/estimate_int.h"

#include "base/hash.h"
#include "base/runner.h"
#include "identity/identity.h"
#include "json/edit.h"

#include <stdlib.h>
#include <sys/random.h>

#define RUNNERS        8u                    /* estimates that run side by side, in turns */
#define KEPT_BYTES_MAX ((uint64_t)128 << 20) /* of a sandbox's previews; likewise */
#define SWEEP_MS       (10u * 60 * 1000)
#define HOUR_MS        INT64_C(3600000)

/* One preview. What does not change after it was made needs no lock; the rest is guarded by the
 * lock of mu_estimates. */
typedef struct preview {
    mu_estimates *all;
    mu_workspace *workspace;
    mu_arena arena; /* id, request */
    mu_str id;
    mu_estimate_request request;
    int64_t created_ms;
    bool cancel; /* atomic */
    struct preview *next;
    uint32_t n_holders;
    bool is_victim; /* being forgotten: its document goes first */
    mu_estimate_state state;
    char error[sizeof(((mu_err *)0)->text)];
    /* While it is counted. */
    mu_prefix *prefix;
    uint64_t n_total;
    uint32_t n_namespaces;
    const uint32_t *namespace_ids;
    mu_estimate_result result; /* READY */
} preview;

typedef struct runner {
    mu_estimates *all;
    mu_runner *thread;
    bool is_idle; /* guarded by the lock */
} runner;

struct mu_estimates {
    mu_workspaces *workspaces;
    pthread_mutex_t edit_lock; /* held while documents change; taken before `lock` */
    pthread_mutex_t lock;
    preview *first; /* in the order of creation */
    bool is_stopping;
    mu_turns turns;
    runner runners[RUNNERS];
};

/* -------- one preview -------- */

static mu_str keep(preview *p, mu_str text)
{
    return mu_arena_copy(&p->arena, text);
}

static preview *preview_new(mu_estimates *all, mu_workspace *workspace, mu_str id,
                            const mu_estimate_request *request, int64_t created_ms)
{
    preview *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    mu_arena_init(&p->arena, SIZE_MAX);
    p->all = all;
    p->workspace = workspace;
    p->id = keep(p, id);
    p->request = (mu_estimate_request){.expression = keep(p, request->expression),
                                       .is_tree = request->is_tree,
                                       .schema_name = keep(p, request->schema_name),
                                       .merge_policy_id = keep(p, request->merge_policy_id),
                                       .graph = request->graph};
    p->created_ms = created_ms;
    p->n_holders = 1;
    return p;
}

/* Under the lock. */
static void release(preview *p)
{
    if (--p->n_holders > 0)
        return;
    if (p->state == MU_ESTIMATE_READY)
        mu_estimate_result_fini(&p->result);
    mu_arena_free(&p->arena);
    free(p);
}

static bool is_expired(const preview *p)
{
    const mu_workspaces_options *options = p->workspace->options;
    return p->created_ms + options->settings.preview_keep_hours * HOUR_MS <=
           mu_workspace_now_ms(p->workspace);
}

static bool is_finished(const preview *p)
{
    return p->state == MU_ESTIMATE_READY || p->state == MU_ESTIMATE_FAILED;
}

/* Under the lock. NULL when there is none, or it has lived its time. */
static preview *find(const mu_estimates *all, const mu_workspace *workspace, mu_str id)
{
    preview *p = all->first;
    while (p != NULL && (p->workspace != workspace || !mu_str_equal(p->id, id)))
        p = p->next;
    return p == NULL || is_expired(p) ? NULL : p;
}

static mu_code not_found(mu_str id, mu_err *err)
{
    return mu_fail(err, MU_E_NOT_FOUND, "there is no preview \"" MU_STR_FMT "\"", MU_STR_ARG(id));
}

/* Under the lock. */
static void link_last(mu_estimates *all, preview *p)
{
    preview **at = &all->first;
    while (*at != NULL)
        at = &(*at)->next;
    *at = p;
}

/* Under the lock. */
static void forget(mu_estimates *all, preview *p)
{
    preview **at = &all->first;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    __atomic_store_n(&p->cancel, true, __ATOMIC_RELAXED);
    release(p);
}

/* -------- documents -------- */

static const char *const graph_names[] = {
    [MU_GRAPH_OF_POLICY] = "", [MU_GRAPH_NONE] = "none", [MU_GRAPH_PDG] = "pdg"};

static mu_code request_text(mu_arena *arena, const mu_estimate_request *request, mu_str *out,
                            mu_err *err)
{
    mu_json json = MU_JSON_OBJECT_OF(
        arena, {MU_STR("expression"), mu_json_of_string(request->expression)},
        {MU_STR("isTree"), mu_json_of_boolean(request->is_tree)},
        {MU_STR("schemaName"), mu_json_of_string(request->schema_name)},
        {MU_STR("mergePolicyId"), mu_json_of_string(request->merge_policy_id)},
        {MU_STR("graph"), mu_json_of_string(mu_str_from(graph_names[request->graph]))});
    return mu_json_text(arena, &json, out, err);
}

static mu_estimate_request request_of(const mu_json *json)
{
    const mu_json *is_tree = mu_json_get(json, MU_STR("isTree"));
    mu_str graph = mu_json_member_string(json, MU_STR("graph"), MU_STR(""));
    mu_graph_type type = MU_GRAPH_PDG;
    while (type > MU_GRAPH_OF_POLICY && !mu_str_equal(mu_str_from(graph_names[type]), graph))
        type--;
    return (mu_estimate_request){
        .expression = mu_json_member_string(json, MU_STR("expression"), MU_STR("")),
        .is_tree = is_tree != NULL && is_tree->kind == MU_JSON_BOOLEAN && is_tree->boolean,
        .schema_name = mu_json_member_string(json, MU_STR("schemaName"), MU_STR("")),
        .merge_policy_id = mu_json_member_string(json, MU_STR("mergePolicyId"), MU_STR("")),
        .graph = type};
}

typedef struct tally {
    uint32_t n, n_victims;
    uint64_t n_bytes;
} tally;

static void choose(preview *p, tally *of)
{
    p->is_victim = true;
    of->n_victims++;
    of->n--;
    of->n_bytes -= p->state == MU_ESTIMATE_READY ? p->result.n_bytes : 0;
}

/* Under both locks: marks those of a sandbox that are to be forgotten, because they lived their
 * time, or because `n_new` more are to come and there is no room. */
static tally choose_victims(mu_estimates *all, const mu_workspace *workspace, uint32_t n_new)
{
    tally of = {0};
    for (preview *p = all->first; p != NULL; p = p->next) {
        if (p->workspace != workspace)
            continue;
        of.n++;
        of.n_bytes += p->state == MU_ESTIMATE_READY ? p->result.n_bytes : 0;
        if (is_expired(p))
            choose(p, &of);
    }
    int64_t n_max = workspace->options->settings.previews_max;
    for (preview *p = all->first;
         p != NULL && (of.n + n_new > n_max || of.n_bytes > KEPT_BYTES_MAX); p = p->next)
        if (p->workspace == workspace && !p->is_victim && is_finished(p))
            choose(p, &of);
    return of;
}

/* Under both locks. */
static void end_victims(mu_estimates *all, bool are_forgotten)
{
    for (preview *p = all->first, *next; p != NULL; p = next) {
        next = p->next;
        if (p->is_victim && are_forgotten)
            forget(all, p);
        else
            p->is_victim = false;
    }
}

/* Under the edit lock: one transaction that forgets whom choose_victims chose and adds a document;
 * either may be nothing. */
static mu_code edit_documents(mu_estimates *all, mu_workspace *workspace, mu_arena *arena,
                              const tally *of, const mu_document_edit *added, mu_err *err)
{
    uint32_t n = 0;
    mu_document_edit *edits = MU_NEW_ARRAY(arena, mu_document_edit, (size_t)of->n_victims + 1);
    pthread_mutex_lock(&all->lock);
    for (const preview *p = all->first; p != NULL; p = p->next)
        if (p->is_victim)
            edits[n++] = (mu_document_edit){.action = MU_DOCUMENT_REMOVE,
                                            .kind = MU_PREVIEW_KIND,
                                            .id = mu_arena_copy(arena, p->id),
                                            .json = MU_STR("")};
    pthread_mutex_unlock(&all->lock);
    if (added != NULL)
        edits[n++] = *added;
    return n == 0
               ? MU_OK
               : mu_shelves_edit(workspace->shelves, mu_workspace_now_ms(workspace), n, edits, err);
}

/* Under the edit lock. *added (NULL: none) takes its place in the list. */
static mu_code make_room(mu_estimates *all, mu_workspace *workspace, preview *added,
                         mu_arena *arena, mu_err *err)
{
    mu_document_edit edit = {.action = MU_DOCUMENT_ADD, .kind = MU_PREVIEW_KIND};
    pthread_mutex_lock(&all->lock);
    tally of = choose_victims(all, workspace, added != NULL);
    pthread_mutex_unlock(&all->lock);
    mu_code code = MU_OK;
    if (added != NULL && of.n >= workspace->options->settings.previews_max)
        code = mu_fail(err, MU_E_LIMIT, "%u previews of this sandbox are not finished yet", of.n);
    if (code == MU_OK && added != NULL) {
        edit.id = added->id;
        code = request_text(arena, &added->request, &edit.json, err);
    }
    if (code == MU_OK)
        code = edit_documents(all, workspace, arena, &of, added == NULL ? NULL : &edit, err);
    pthread_mutex_lock(&all->lock);
    end_victims(all, code == MU_OK);
    if (code == MU_OK && added != NULL)
        link_last(all, added);
    pthread_mutex_unlock(&all->lock);
    return code;
}

/* Forgets what lived its time, in all sandboxes. What can't be written now is tried again. */
static void sweep(mu_estimates *all)
{
    mu_workspace *workspace = NULL;
    mu_arena arena;
    mu_arena_init(&arena, SIZE_MAX);
    pthread_mutex_lock(&all->edit_lock);
    while ((workspace = mu_workspaces_next(all->workspaces, workspace)) != NULL) {
        mu_err err;
        if (make_room(all, workspace, NULL, &arena, &err) != MU_OK)
            mu_log(workspace->options->logger, MU_LOG_WARNING, "previews_not_forgotten",
                   mu_log_text("error", mu_str_from(err.text)));
    }
    pthread_mutex_unlock(&all->edit_lock);
    mu_arena_free(&arena);
}

/* -------- running -------- */

static void begun(void *context, uint64_t n_total, mu_prefix *prefix, uint32_t n_namespaces,
                  const uint32_t *namespace_ids)
{
    preview *p = context;
    pthread_mutex_lock(&p->all->lock);
    p->n_total = n_total;
    p->prefix = prefix;
    p->n_namespaces = n_namespaces;
    p->namespace_ids = namespace_ids;
    pthread_mutex_unlock(&p->all->lock);
}

static void ended(void *context, mu_estimate_result *result)
{
    preview *p = context;
    pthread_mutex_lock(&p->all->lock);
    p->prefix = NULL;
    if (result != NULL) {
        p->state = MU_ESTIMATE_READY;
        p->n_total = result->n_total;
        p->result = *result;
    }
    pthread_mutex_unlock(&p->all->lock);
}

static void run(mu_estimates *all, preview *p)
{
    mu_err err = {0};
    const mu_estimate_run asked = {.workspace = p->workspace,
                                   .id = p->id,
                                   .request = &p->request,
                                   .cancel = &p->cancel,
                                   .turns = &all->turns,
                                   .begun = begun,
                                   .ended = ended,
                                   .context = p};
    mu_code code = mu_estimate_run_all(&asked, &err);
    pthread_mutex_lock(&all->lock);
    if (code != MU_OK) {
        p->state = MU_ESTIMATE_FAILED;
        memcpy(p->error, err.text, sizeof p->error);
    }
    release(p);
    pthread_mutex_unlock(&all->lock);
}

/* The oldest that waits, held; NULL when there is none. */
static preview *take(runner *r)
{
    pthread_mutex_lock(&r->all->lock);
    preview *p = r->all->first;
    while (p != NULL && (p->state != MU_ESTIMATE_NEW || p->is_victim))
        p = p->next;
    if (r->all->is_stopping)
        p = NULL;
    r->is_idle = p == NULL;
    if (p != NULL) {
        p->state = MU_ESTIMATE_RUNNING;
        p->n_holders++;
    }
    pthread_mutex_unlock(&r->all->lock);
    return p;
}

static uint32_t step(void *context, const bool *is_stopping)
{
    runner *r = context;
    (void)is_stopping; /* mu_estimates_free cancels what runs */
    preview *p = take(r);
    if (p != NULL) {
        run(r->all, p);
        return 0;
    }
    if (r == &r->all->runners[0])
        sweep(r->all);
    return SWEEP_MS;
}

static void wake_one(mu_estimates *all)
{
    mu_runner *idle = NULL;
    pthread_mutex_lock(&all->lock);
    for (uint32_t i = 0; idle == NULL && i < RUNNERS; i++) {
        if (all->runners[i].is_idle)
            idle = all->runners[i].thread;
        all->runners[i].is_idle &= idle == NULL;
    }
    pthread_mutex_unlock(&all->lock);
    if (idle != NULL)
        mu_runner_wake(idle);
}

/* -------- the life of it all -------- */

/* Takes up what was there before: each starts anew. */
static mu_code restore(mu_estimates *all, mu_workspace *workspace, mu_err *err)
{
    const mu_shelf *shelf;
    MU_TRY(mu_shelf_acquire(workspace->shelves, MU_PREVIEW_KIND, &shelf, err));
    mu_code code = MU_OK;
    for (uint32_t i = 0; code == MU_OK && i < shelf->n; i++) {
        const mu_shelf_item *item = shelf->items[i];
        mu_estimate_request request = request_of(&item->json);
        preview *p =
            preview_new(all, workspace, item->document.id, &request, item->document.created_ms);
        if (p == NULL)
            code = mu_fail(err, MU_E_NOMEM, "no memory for a preview");
        else
            link_last(all, p);
    }
    mu_shelf_release(shelf);
    return code;
}

static mu_code start_runners(mu_estimates *all, mu_err *err)
{
    for (uint32_t i = 0; i < RUNNERS; i++) {
        all->runners[i].all = all;
        MU_TRY(mu_runner_start("estimate", step, &all->runners[i], &all->runners[i].thread, err));
    }
    return MU_OK;
}

mu_code mu_estimates_new(mu_workspaces *workspaces, mu_estimates **out, mu_err *err)
{
    mu_estimates *all = calloc(1, sizeof *all);
    if (all == NULL)
        return mu_fail(err, MU_E_NOMEM, "no memory for previews");
    all->workspaces = workspaces;
    pthread_mutex_init(&all->edit_lock, NULL);
    pthread_mutex_init(&all->lock, NULL);
    mu_turns_init(&all->turns);
    mu_code code = MU_OK;
    for (mu_workspace *at = NULL;
         code == MU_OK && (at = mu_workspaces_next(workspaces, at)) != NULL;)
        code = restore(all, at, err);
    if (code == MU_OK)
        code = start_runners(all, err);
    if (code != MU_OK) {
        mu_estimates_free(all);
        return code;
    }
    *out = all;
    return MU_OK;
}

void mu_estimates_free(mu_estimates *all)
{
    if (all == NULL)
        return;
    pthread_mutex_lock(&all->lock);
    all->is_stopping = true;
    for (preview *p = all->first; p != NULL; p = p->next)
        __atomic_store_n(&p->cancel, true, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&all->lock);
    mu_turns_wake(&all->turns);
    for (uint32_t i = 0; i < RUNNERS; i++)
        mu_runner_stop(all->runners[i].thread);
    while (all->first != NULL)
        forget(all, all->first);
    mu_turns_fini(&all->turns);
    pthread_mutex_destroy(&all->lock);
    pthread_mutex_destroy(&all->edit_lock);
    free(all);
}

/* -------- asking -------- */

static mu_code check_class(const mu_estimate_request *request, mu_err *err)
{
    static const char *const known[] = {"_xdm.context.account", "_xdm.context.experienceevent",
                                        "_xdm.context.opportunity"};
    if (mu_estimate_is_of_profiles(request))
        return MU_OK;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (mu_str_equal(request->schema_name, mu_str_from(known[i])))
            return MU_OK;
    return mu_fail(err, MU_E_INPUT, "there is no class named " MU_STR_FMT,
                   MU_STR_ARG(request->schema_name));
}

static mu_code check_policy(mu_workspace *workspace, const mu_estimate_request *request,
                            mu_arena *arena, mu_err *err)
{
    mu_stored_policy policy;
    mu_code code = mu_workspace_policy(workspace, arena, request->merge_policy_id,
                                       request->schema_name, &policy, err);
    if (code == MU_E_NOT_FOUND)
        return mu_fail(err, MU_E_INPUT, "there is no merge policy " MU_STR_FMT,
                       MU_STR_ARG(request->merge_policy_id));
    return code;
}

static mu_code check_request(mu_workspace *workspace, const mu_estimate_request *request,
                             mu_arena *arena, mu_err *err)
{
    const mu_audience_book *book;
    mu_expression expression;
    MU_TRY(check_class(request, err));
    MU_TRY(check_policy(workspace, request, arena, err));
    MU_TRY(mu_audience_book_acquire(workspace->books, &book, err));
    mu_code code = mu_estimate_read_rule(workspace, book, request, arena, &expression, err);
    mu_audience_book_release(book);
    return code;
}

/* Version 4, of the system's random numbers. */
static mu_code new_id(mu_arena *arena, mu_str *out, mu_err *err)
{
    unsigned char b[16];
    if (getrandom(b, sizeof b, 0) != (ssize_t)sizeof b)
        return mu_fail_errno(err, "the system gives no random numbers");
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    *out = mu_arena_format(
        arena, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
        b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
    return MU_OK;
}

mu_code mu_estimates_start(mu_estimates *all, mu_workspace *workspace,
                           const mu_estimate_request *request, mu_arena *arena, mu_str *id,
                           mu_err *err)
{
    mu_str made;
    MU_TRY(check_request(workspace, request, arena, err));
    MU_TRY(new_id(arena, &made, err));
    preview *p = preview_new(all, workspace, made, request, mu_workspace_now_ms(workspace));
    if (p == NULL)
        return mu_fail(err, MU_E_NOMEM, "no memory for a preview");
    pthread_mutex_lock(&all->edit_lock);
    mu_code code = make_room(all, workspace, p, arena, err);
    pthread_mutex_unlock(&all->edit_lock);
    if (code != MU_OK) {
        release(p); /* nobody else knows it */
        return code;
    }
    wake_one(all);
    *id = made;
    return MU_OK;
}

mu_code mu_estimates_remove(mu_estimates *all, mu_workspace *workspace, mu_str id, mu_err *err)
{
    pthread_mutex_lock(&all->edit_lock);
    pthread_mutex_lock(&all->lock);
    preview *p = find(all, workspace, id);
    pthread_mutex_unlock(&all->lock);
    const mu_document_edit edit = {
        .action = MU_DOCUMENT_REMOVE, .kind = MU_PREVIEW_KIND, .id = id, .json = MU_STR("")};
    mu_code code = p == NULL ? not_found(id, err)
                             : mu_shelves_edit(workspace->shelves, mu_workspace_now_ms(workspace),
                                               1, &edit, err);
    if (code == MU_OK) {
        pthread_mutex_lock(&all->lock);
        forget(all, p);
        pthread_mutex_unlock(&all->lock);
    }
    pthread_mutex_unlock(&all->edit_lock);
    mu_turns_wake(&all->turns);
    return code;
}

/* -------- figures -------- */

/* Under the lock. */
static void read_prefix(const preview *p, mu_arena *arena, mu_estimate *out)
{
    mu_prefix_counts counts;
    mu_prefix_read(p->prefix, arena, &counts);
    out->n_read = counts.n_read;
    out->n_matched = counts.n_matched;
    mu_estimate_namespace *list =
        MU_NEW_ARRAY(arena, mu_estimate_namespace, (size_t)p->n_namespaces + 1);
    for (uint32_t i = 0; i < p->n_namespaces; i++)
        if (counts.n_by_namespace[i] > 0)
            list[out->n_namespaces++] =
                (mu_estimate_namespace){p->namespace_ids[i], counts.n_by_namespace[i]};
    out->namespaces = list;
}

static void read_result(const preview *p, mu_arena *arena, mu_estimate *out)
{
    const mu_estimate_result *result = &p->result;
    out->n_read = result->n_total;
    out->n_matched = result->n_matched;
    out->n_namespaces = result->n_namespaces;
    mu_estimate_namespace *list =
        MU_NEW_ARRAY(arena, mu_estimate_namespace, (size_t)result->n_namespaces + 1);
    if (result->n_namespaces > 0)
        memcpy(list, result->namespaces, result->n_namespaces * sizeof *list);
    out->namespaces = list;
}

static void read_figures(const preview *p, mu_arena *arena, mu_estimate *out)
{
    *out = (mu_estimate){.state = p->state, .n_total = p->n_total};
    if (p->prefix != NULL)
        read_prefix(p, arena, out);
    else if (p->state == MU_ESTIMATE_READY)
        read_result(p, arena, out);
    else if (p->n_total == 0 && p->state != MU_ESTIMATE_FAILED)
        out->n_total = mu_sandbox_count(p->workspace->live).n_profiles;
    if (p->state == MU_ESTIMATE_FAILED)
        out->error = mu_arena_copy(arena, mu_str_from(p->error));
    mu_interval interval = mu_interval_of(out->n_total, out->n_read, out->n_matched);
    out->estimated = interval.estimated;
    out->standard_error = interval.standard_error;
    out->least = interval.least;
    out->most = interval.most;
}

mu_code mu_estimates_get(mu_estimates *all, mu_workspace *workspace, mu_str id, mu_arena *arena,
                         mu_estimate *out, mu_err *err)
{
    pthread_mutex_lock(&all->lock);
    const preview *p = find(all, workspace, id);
    if (p != NULL)
        read_figures(p, arena, out);
    pthread_mutex_unlock(&all->lock);
    return p == NULL ? not_found(id, err) : MU_OK;
}

/* -------- rows -------- */

/* A page of what a preview keeps. */
typedef struct page {
    uint32_t n;
    uint32_t *pids; /* or NULL, and identities */
    mu_identity *identities;
} page;

static int compare_hashes(const void *a, const void *b)
{
    uint32_t left = mu_mix32(*(const uint32_t *)a), right = mu_mix32(*(const uint32_t *)b);
    return (left > right) - (left < right);
}

/* The pid that the profile has now; 0 when it is gone, or is a row of its own by now. */
static uint32_t current_pid(const preview *p, uint32_t pid)
{
    uint32_t now = mu_sandbox_current_pid(p->workspace->live, pid);
    if (now == 0 || now == pid)
        return now;
    return bsearch(&now, p->result.pids, p->result.n_rows, sizeof now, compare_hashes) == NULL ? now
                                                                                               : 0;
}

/* Under the lock. */
static page cut_page(const preview *p, uint64_t offset, uint32_t limit, mu_arena *arena)
{
    const mu_estimate_result *result = &p->result;
    page out = {0};
    if (p->state != MU_ESTIMATE_READY || offset >= result->n_rows)
        return out;
    out.n = result->n_rows - offset < limit ? (uint32_t)(result->n_rows - offset) : limit;
    if (result->pids != NULL) {
        out.pids = MU_NEW_ARRAY(arena, uint32_t, (size_t)out.n + 1);
        for (uint32_t i = 0; i < out.n; i++)
            out.pids[i] = current_pid(p, result->pids[offset + i]);
        return out;
    }
    out.identities = MU_NEW_ARRAY(arena, mu_identity, (size_t)out.n + 1);
    for (uint32_t i = 0; i < out.n; i++) {
        mu_identity identity = result->identities[offset + i];
        out.identities[i] = (mu_identity){mu_arena_copy(arena, identity.namespace_code),
                                          mu_arena_copy(arena, identity.value)};
    }
    return out;
}

typedef struct showing {
    mu_workspace *workspace;
    const mu_entity *profiles; /* now; NULL: there are none */
    mu_arena *arena;
} showing;

/* The row of a profile that is still there. */
static mu_code find_row(const showing *s, uint32_t pid, bool *found, mu_identity *out, mu_err *err)
{
    mu_row_place place;
    mu_identity identity;
    *found = false;
    if (pid == 0 || s->profiles == NULL)
        return MU_OK;
    MU_TRY(mu_entity_find_pid(s->profiles, pid, found, &place, err));
    if (!*found)
        return MU_OK;
    MU_TRY(mu_part_identity(s->profiles->parts[place.part], place.row, &identity, err));
    *out = (mu_identity){mu_arena_copy(s->arena, identity.namespace_code),
                         mu_arena_copy(s->arena, identity.value)};
    return MU_OK;
}

static void add_related(const showing *s, mu_preview_row *row)
{
    mu_graph_cluster cluster;
    if (!mu_sandbox_cluster(s->workspace->live, row->identity, s->arena, &cluster))
        return;
    mu_identity *related = MU_NEW_ARRAY(s->arena, mu_identity, (size_t)cluster.n_identities + 1);
    for (uint32_t i = 0; i < cluster.n_identities; i++) {
        mu_identity other = cluster.identities[i].identity;
        if (!mu_str_equal(other.value, row->identity.value) ||
            !mu_str_equal(other.namespace_code, row->identity.namespace_code))
            related[row->n_related++] = other;
    }
    row->related = related;
}

static mu_code show_pid(const showing *s, uint32_t pid, bool *found, mu_preview_row *out,
                        mu_err *err)
{
    *out = (mu_preview_row){0};
    MU_TRY(find_row(s, pid, found, &out->identity, err));
    if (*found)
        add_related(s, out);
    return MU_OK;
}

/* An identity of its own: there as long as its cluster's profile is. */
static mu_code show_identity(const showing *s, mu_identity identity, bool *found,
                             mu_preview_row *out, mu_err *err)
{
    mu_graph_cluster cluster;
    mu_identity primary;
    *out = (mu_preview_row){.identity = identity};
    *found = false;
    if (!mu_sandbox_cluster(s->workspace->live, identity, s->arena, &cluster))
        return MU_OK;
    return find_row(s, cluster.pid, found, &primary, err);
}

static mu_code show_page(const showing *s, const page *of, uint32_t *n, mu_preview_row *rows,
                         mu_err *err)
{
    *n = 0;
    for (uint32_t i = 0; i < of->n; i++) {
        bool found;
        MU_TRY(of->pids != NULL ? show_pid(s, of->pids[i], &found, &rows[*n], err)
                                : show_identity(s, of->identities[i], &found, &rows[*n], err));
        *n += found;
    }
    return MU_OK;
}

mu_code mu_estimates_rows(mu_estimates *all, mu_workspace *workspace, mu_str id, uint64_t offset,
                          uint32_t limit, mu_arena *arena, uint32_t *n, const mu_preview_row **out,
                          uint64_t *n_all, mu_err *err)
{
    page of = {0};
    pthread_mutex_lock(&all->lock);
    const preview *p = find(all, workspace, id);
    if (p != NULL) {
        of = cut_page(p, offset, limit, arena);
        *n_all = p->state == MU_ESTIMATE_READY ? p->result.n_rows : 0;
    }
    pthread_mutex_unlock(&all->lock);
    if (p == NULL)
        return not_found(id, err);
    mu_preview_row *rows = MU_NEW_ARRAY(arena, mu_preview_row, (size_t)of.n + 1);
    *out = rows;
    *n = 0;
    if (of.n == 0)
        return MU_OK;
    mu_snapshot *snapshot;
    MU_TRY(mu_sandbox_snapshot(workspace->live, &snapshot, err));
    const showing s = {workspace, mu_snapshot_entity(snapshot, MU_STR("profile")), arena};
    mu_code code = show_page(&s, &of, n, rows, err);
    mu_snapshot_release(snapshot);
    return code;
}
