#include "live/live_int.h"

/* The records of a captured profile in both deltas, copied: the lock guards them. */
static uint32_t copy_records(mu_sandbox *sandbox, const mu_capture *capture, mu_arena *arena,
                             mu_pending **out)
{
    const mu_delta *deltas[] = {sandbox->frozen, sandbox->active};
    uint32_t n = 0, at = 0;
    for (size_t d = 0; d < 2; d++)
        n += deltas[d] == NULL ? 0 : mu_build_count(deltas[d], capture);
    mu_pending *records = MU_NEW_ARRAY(arena, mu_pending, n);
    for (size_t d = 0; d < 2; d++) {
        if (deltas[d] == NULL)
            continue;
        for (const mu_pending *p = deltas[d]->drops.first; p != NULL; p = p->next)
            records[at++] = *p;
        for (uint32_t i = 0; i < capture->cluster.n_identities; i++)
            for (const mu_pending *p = mu_delta_find(deltas[d], capture->cluster.nodes[i]);
                 p != NULL; p = p->next)
                records[at++] = *p;
    }
    for (uint32_t i = 0; i < n; i++)
        records[i].bytes = mu_arena_copy(arena, records[i].bytes);
    *out = records;
    return n;
}

static mu_code build(const mu_capture *capture, bool refills, uint32_t n, const mu_pending *pending,
                     mu_arena *arena, mu_lookup *out, mu_err *err)
{
    mu_applied_record *records = MU_NEW_ARRAY(arena, mu_applied_record, n);
    for (uint32_t i = 0; i < n; i++) {
        records[i].sequence = pending[i].sequence;
        MU_TRY(mu_record_read(arena, pending[i].bytes, &records[i].record, err));
    }
    mu_build_sort(n, records);
    out->schema = mu_snapshot_schema(out->snapshot);
    mu_build build = {.arena = arena,
                      .schema = out->schema,
                      .entity = mu_snapshot_entity(out->snapshot, MU_STR("profile")),
                      .refills = refills};
    return mu_build_content(&build, capture, n, records, &out->content, err);
}

mu_code mu_sandbox_lookup(mu_sandbox *sandbox, mu_identity identity, mu_arena *arena,
                          mu_lookup *out, mu_err *err)
{
    mu_capture capture = {0};
    mu_pending *pending = NULL;
    mu_lookup lookup = {0};
    uint32_t n = 0;
    MU_TRY(mu_sandbox_health(sandbox, err));
    pthread_mutex_lock(&sandbox->lock);
    bool refills =
        sandbox->active->refills || (sandbox->frozen != NULL && sandbox->frozen->refills);
    mu_node node = mu_graph_find(sandbox->graph, identity);
    uint32_t pid = node == MU_NO_NODE ? 0 : mu_graph_pid(sandbox->graph, node);
    if (pid != 0)
        mu_capture_make(sandbox, arena, pid, &capture);
    if (capture.exists) {
        n = copy_records(sandbox, &capture, arena, &pending);
        lookup.snapshot = mu_snapshot_hold(sandbox->snapshot);
    }
    pthread_mutex_unlock(&sandbox->lock);
    if (!capture.exists)
        return mu_fail(err, MU_E_NOT_FOUND, "nothing is known of this identity");
    mu_code code = build(&capture, refills, n, pending, arena, &lookup, err);
    if (code == MU_OK && mu_content_is_empty(&lookup.content))
        code = mu_fail(err, MU_E_NOT_FOUND, "nothing is known of this identity");
    if (code != MU_OK) {
        mu_snapshot_release(lookup.snapshot);
        return code;
    }
    *out = lookup;
    return MU_OK;
}

bool mu_sandbox_cluster(mu_sandbox *sandbox, mu_identity identity, mu_arena *arena,
                        mu_graph_cluster *out)
{
    if (mu_sandbox_health(sandbox, NULL) != MU_OK)
        return false;
    pthread_mutex_lock(&sandbox->lock);
    mu_node node = mu_graph_find(sandbox->graph, identity);
    uint32_t pid = node == MU_NO_NODE ? 0 : mu_graph_pid(sandbox->graph, node);
    bool exists = pid != 0 && mu_graph_read(sandbox->graph, pid, arena, out);
    if (exists)
        mu_capture_own_texts(arena, out);
    pthread_mutex_unlock(&sandbox->lock);
    return exists;
}

uint32_t mu_sandbox_current_pid(mu_sandbox *sandbox, uint32_t pid)
{
    if (mu_sandbox_health(sandbox, NULL) != MU_OK)
        return 0;
    pthread_mutex_lock(&sandbox->lock);
    uint32_t now = mu_graph_current_pid(sandbox->graph, pid);
    pthread_mutex_unlock(&sandbox->lock);
    return now;
}

/* Makes the index of XIDs bit by bit, so that nobody waits long for the lock. */
static void index_xids(mu_sandbox *sandbox)
{
    for (bool is_done = false; !is_done;) {
        pthread_mutex_lock(&sandbox->lock);
        is_done = mu_graph_index_xids(sandbox->graph, 4096);
        pthread_mutex_unlock(&sandbox->lock);
    }
}

bool mu_sandbox_find_xid(mu_sandbox *sandbox, mu_str xid, mu_arena *arena, mu_identity *out)
{
    if (mu_sandbox_health(sandbox, NULL) != MU_OK)
        return false;
    index_xids(sandbox);
    pthread_mutex_lock(&sandbox->lock);
    mu_node node = mu_graph_find_xid(sandbox->graph, xid);
    if (node != MU_NO_NODE) {
        mu_identity found = mu_graph_identity_of(sandbox->graph, node);
        out->namespace_code = mu_arena_copy(arena, found.namespace_code);
        out->value = mu_arena_copy(arena, found.value);
    }
    pthread_mutex_unlock(&sandbox->lock);
    return node != MU_NO_NODE;
}
