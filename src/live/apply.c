#include "live/live_int.h"

void mu_sandbox_mark_dirty(mu_sandbox *sandbox, uint32_t pid)
{
    if (pid >= sandbox->n_flags) {
        size_t capacity = sandbox->n_flags;
        sandbox->flags = mu_live_room(sandbox->flags, (size_t)pid + 1, &capacity, 1);
        sandbox->n_flags = (uint32_t)capacity;
    }
    if (sandbox->flags[pid] & MU_PID_ACTIVE)
        return;
    sandbox->flags[pid] |= MU_PID_ACTIVE;
    mu_delta_add_pid(sandbox->active, pid);
}

static void take_graph_changes(mu_sandbox *sandbox)
{
    const uint32_t *pids;
    uint32_t n = mu_graph_changes(sandbox->graph, &pids);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t now = mu_graph_current_pid(sandbox->graph, pids[i]);
        mu_sandbox_mark_dirty(sandbox, pids[i]);
        if (now != 0 && now != pids[i])
            mu_sandbox_note_merge(sandbox, pids[i], now);
    }
    mu_graph_take_changes(sandbox->graph);
}

static void note_erasure(mu_sandbox *sandbox)
{
    sandbox->active->erases = true;
    atomic_store(&sandbox->erases, true);
}

static void apply_data(mu_sandbox *sandbox, uint64_t sequence, const mu_record *record,
                       mu_str payload)
{
    uint32_t n_touched = record->n_linked > 1 ? record->n_linked : 1;
    mu_node node;
    mu_capture_early(sandbox, n_touched, record->identities);
    const mu_graph_observation observation = {
        .n = record->n_identities,
        .identities = record->identities,
        .n_linked = record->n_linked,
        .time_ms = record->kind == MU_RECORD_EVENT ? record->time_ms : record->received_ms,
        .dataset = record->dataset,
        .batch = record->source.len == 0 ? (mu_str){"", 0} : record->batch,
    };
    mu_graph_observe(sandbox->graph, &observation, &node);
    mu_delta_add(sandbox->active, node, sequence, payload);
    mu_sandbox_mark_dirty(sandbox, mu_graph_pid(sandbox->graph, node));
    take_graph_changes(sandbox);
}

/* Dropping what nobody has makes no profile. */
static void apply_delete(mu_sandbox *sandbox, uint64_t sequence, const mu_record *record,
                         mu_str payload)
{
    mu_node node = mu_graph_find(sandbox->graph, record->identities[0]);
    if (node == MU_NO_NODE)
        return;
    mu_capture_early(sandbox, 1, record->identities);
    mu_delta_add(sandbox->active, node, sequence, payload);
    mu_sandbox_mark_dirty(sandbox, mu_graph_pid(sandbox->graph, node));
    note_erasure(sandbox);
}

/* With a time: unless the cluster was seen from then on. */
static bool was_seen(mu_sandbox *sandbox, uint32_t pid, int64_t time_ms)
{
    mu_arena arena;
    mu_graph_cluster cluster;
    bool seen = false;
    mu_arena_init(&arena, SIZE_MAX);
    if (time_ms != 0 && mu_graph_read(sandbox->graph, pid, &arena, &cluster))
        for (uint32_t i = 0; i < cluster.n_identities; i++)
            seen |= cluster.identities[i].seen_ms >= time_ms;
    mu_arena_free(&arena);
    return seen;
}

static void apply_erase(mu_sandbox *sandbox, const mu_record *record)
{
    mu_node node = mu_graph_find(sandbox->graph, record->identities[0]);
    uint32_t pid = node == MU_NO_NODE ? 0 : mu_graph_pid(sandbox->graph, node);
    if (pid == 0 || was_seen(sandbox, pid, record->time_ms))
        return;
    mu_capture_early(sandbox, 1, record->identities);
    mu_graph_erase(sandbox->graph, pid);
    mu_sandbox_mark_dirty(sandbox, pid);
    take_graph_changes(sandbox);
    note_erasure(sandbox);
}

static void mark_found(void *context, uint32_t pid)
{
    mu_sandbox_mark_dirty(context, pid);
}

/* Everybody whose stored row holds some of it, and everybody whose row is being made just now. */
static mu_code apply_drop(mu_sandbox *sandbox, uint64_t sequence, const mu_record *record,
                          mu_str payload, mu_err *err)
{
    MU_TRY(mu_scan_drop(sandbox->snapshot, record, mark_found, sandbox, err));
    for (uint32_t i = 0; sandbox->frozen != NULL && i < sandbox->frozen->n_pids; i++)
        mu_sandbox_mark_dirty(sandbox, sandbox->frozen->pids[i]);
    mu_delta_chain_add(sandbox->active, &sandbox->active->drops, sequence, payload);
    note_erasure(sandbox);
    return MU_OK;
}

static mu_code apply_refill(mu_sandbox *sandbox, mu_err *err)
{
    MU_TRY(mu_scan_refill(sandbox->snapshot, mark_found, sandbox, err));
    for (uint32_t i = 0; sandbox->frozen != NULL && i < sandbox->frozen->n_pids; i++)
        mu_sandbox_mark_dirty(sandbox, sandbox->frozen->pids[i]);
    sandbox->active->refills = true;
    return MU_OK;
}

static mu_code apply_record(mu_sandbox *sandbox, uint64_t sequence, const mu_record *record,
                            mu_str payload, mu_err *err)
{
    switch (record->kind) {
    case MU_RECORD_CREATE:
    case MU_RECORD_MERGE:
    case MU_RECORD_EVENT:
        apply_data(sandbox, sequence, record, payload);
        return MU_OK;
    case MU_RECORD_DELETE:
        apply_delete(sandbox, sequence, record, payload);
        return MU_OK;
    case MU_RECORD_LOOKUP:
        mu_delta_chain_add(sandbox->active, &sandbox->active->lookups, sequence, payload);
        return MU_OK;
    case MU_RECORD_ERASE:
        apply_erase(sandbox, record);
        return MU_OK;
    case MU_RECORD_DROP:
        return apply_drop(sandbox, sequence, record, payload, err);
    case MU_RECORD_SETTINGS:
        return mu_sandbox_apply_settings(sandbox, record->document, err);
    case MU_RECORD_PROGRESS:
        return MU_OK;
    case MU_RECORD_REFILL:
        return apply_refill(sandbox, err);
    }
    return mu_fail(err, MU_E_CORRUPT, "a record of the log has the unknown kind %d",
                   (int)record->kind);
}

static void count_record(mu_sandbox *sandbox, uint64_t sequence, const mu_record *record,
                         mu_str payload)
{
    mu_delta *active = sandbox->active;
    if (active->n_records++ == 0)
        active->oldest_ms = mu_live_now(sandbox->live);
    active->n_bytes += payload.len;
    active->next_sequence = sequence + 1;
    atomic_fetch_add(&sandbox->delta_bytes, payload.len);
    if (atomic_fetch_add(&sandbox->unfolded_bytes, payload.len) <
            sandbox->live->options.fold_bytes &&
        atomic_load(&sandbox->unfolded_bytes) >= sandbox->live->options.fold_bytes)
        mu_keeper_wake(sandbox->live);
    uint64_t none = 0;
    if (atomic_compare_exchange_strong(&sandbox->unfolded_from, &none, sequence))
        atomic_store(&sandbox->unfolded_since_ms, active->oldest_ms);
    mu_sandbox_note_source(sandbox, record->source, record->position);
}

mu_code mu_live_apply(void *context, uint64_t sequence, mu_str payload, mu_err *err)
{
    mu_live *live = context;
    mu_arena arena;
    mu_record record;
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code = mu_record_read(&arena, payload, &record, err);
    mu_sandbox *sandbox = code == MU_OK ? mu_live_find_sandbox(live, record.sandbox) : NULL;
    if (code == MU_OK && sandbox == NULL)
        code = mu_fail(err, MU_E_CORRUPT,
                       "record %llu of the log is of the sandbox " MU_STR_FMT
                       ", which is not in the catalog",
                       (unsigned long long)sequence, MU_STR_ARG(record.sandbox));
    bool is_taken = code == MU_OK && sequence >= sandbox->replay_from &&
                    mu_sandbox_health(sandbox, NULL) == MU_OK;
    if (is_taken) {
        pthread_mutex_lock(&sandbox->lock);
        code = apply_record(sandbox, sequence, &record, payload, err);
        if (code == MU_OK)
            count_record(sandbox, sequence, &record, payload);
        pthread_mutex_unlock(&sandbox->lock);
    }
    mu_arena_free(&arena);
    return code;
}
