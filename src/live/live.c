#include "live/live_int.h"

#include "base/time.h"

#include <stdlib.h>
#include <time.h>

#define MEMORY_DEFAULT ((size_t)1 << 30)
#define FOLD_BYTES     ((uint64_t)64 << 20)
#define FOLD_MS        60000u
#define SLOWEST_MS     100u

int64_t mu_live_now(const mu_live *live)
{
    return live->options.now_ms == NULL ? mu_now_ms() : live->options.now_ms();
}

/* -------- backpressure -------- */

/* What is received and not on disk as columns yet: records of the deltas, and parts in memory. */
static uint64_t held_bytes(mu_live *live)
{
    uint64_t held = 0;
    for (mu_sandbox *one = atomic_load(&live->sandboxes); one != NULL; one = one->next)
        held += atomic_load(&one->delta_bytes) + atomic_load(&one->memory_bytes);
    return held;
}

/* Folds that fall behind slow acknowledgements down, up to SLOWEST_MS a commit, so that clients who
 * wait for them adapt before anything must be refused. */
static void slow_down(mu_live *live)
{
    uint64_t held = held_bytes(live), half = live->options.memory_max_bytes / 2;
    if (held <= half)
        return;
    uint64_t over = held - half < half ? held - half : half;
    struct timespec pause = {.tv_nsec = (long)(over * SLOWEST_MS * 1000000 / (half + 1))};
    nanosleep(&pause, NULL);
}

/* -------- waiting for what was appended -------- */

/* Called by the log's commit thread, and once with the reason when acceptance ends. */
static void on_synced(void *context, uint64_t sequence, mu_code code)
{
    mu_live *live = context;
    mu_waiter *ready = NULL;
    slow_down(live);
    pthread_mutex_lock(&live->wait_lock);
    if (sequence > live->synced)
        live->synced = sequence;
    if (code != MU_OK)
        live->synced_code = code;
    for (mu_waiter **at = &live->waiters; *at != NULL;) {
        mu_waiter *waiter = *at;
        if (waiter->sequence > live->synced && live->synced_code == MU_OK) {
            at = &waiter->next;
            continue;
        }
        *at = waiter->next;
        waiter->next = ready;
        ready = waiter;
    }
    uint64_t synced = live->synced;
    pthread_mutex_unlock(&live->wait_lock);
    while (ready != NULL) {
        mu_waiter *waiter = ready;
        ready = waiter->next;
        waiter->done(waiter->context, waiter->sequence <= synced ? MU_OK : code);
        free(waiter);
    }
    if (code != MU_OK)
        mu_log(live->options.logger, MU_LOG_ERROR, "log_failed",
               mu_log_text("code", mu_str_from(mu_code_name(code))));
}

mu_code mu_live_when_durable(mu_live *live, uint64_t sequence, mu_live_done *done, void *context,
                             mu_err *err)
{
    mu_waiter *waiter = malloc(sizeof *waiter);
    if (waiter == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for waiting");
    *waiter = (mu_waiter){.sequence = sequence, .done = done, .context = context};
    pthread_mutex_lock(&live->wait_lock);
    bool is_there = sequence <= live->synced;
    mu_code code = is_there ? MU_OK : live->synced_code;
    bool waits = !is_there && code == MU_OK;
    if (waits) {
        waiter->next = live->waiters;
        live->waiters = waiter;
    }
    pthread_mutex_unlock(&live->wait_lock);
    if (!waits) {
        free(waiter);
        done(context, code);
    }
    return MU_OK;
}

mu_code mu_live_wait(mu_live *live, uint64_t sequence, mu_err *err)
{
    return mu_log_wait(live->log, sequence, err);
}

mu_code mu_live_health(mu_live *live, mu_err *err)
{
    return mu_log_health(live->log, err);
}

/* -------- writing -------- */

#define APPEND_MAX ((size_t)1 << 30)

static mu_code check_room(mu_sandbox *sandbox, mu_err *err)
{
    mu_live *live = sandbox->live;
    if (held_bytes(live) < live->options.memory_max_bytes)
        return MU_OK;
    mu_keeper_wake(live);
    return mu_fail(err, MU_E_LIMIT, "too much was received that is not folded yet");
}

mu_code mu_sandbox_append(mu_sandbox *sandbox, uint32_t n, mu_record *records, uint64_t *sequence,
                          mu_err *err)
{
    mu_buf buf;
    mu_str one;
    MU_TRY(mu_sandbox_health(sandbox, err));
    MU_TRY(check_room(sandbox, err));
    mu_str *payloads = n == 1 ? &one : malloc(n * sizeof *payloads);
    size_t *ends = n == 1 ? NULL : malloc(n * sizeof *ends);
    mu_buf_init(&buf, APPEND_MAX);
    mu_code code = MU_OK;
    if (n > 1 && (payloads == NULL || ends == NULL))
        code = mu_fail(err, MU_E_NOMEM, "out of memory for %u records", n);
    for (uint32_t i = 0; code == MU_OK && i < n; i++) {
        records[i].sandbox = mu_sandbox_name(sandbox);
        mu_record_write(&buf, &records[i]);
        if (n > 1)
            ends[i] = buf.len;
    }
    if (code == MU_OK && buf.failed)
        code = mu_fail(err, MU_E_LIMIT, "%u records together are too large", n);
    for (uint32_t i = 0; code == MU_OK && i < n; i++) {
        size_t begin = n == 1 || i == 0 ? 0 : ends[i - 1], end = n == 1 ? buf.len : ends[i];
        payloads[i] = (mu_str){buf.ptr + begin, end - begin};
    }
    if (code == MU_OK)
        code = mu_log_append(sandbox->live->log, n, payloads, sequence, err);
    mu_buf_free(&buf);
    if (n != 1) {
        free(payloads);
        free(ends);
    }
    return code;
}

/* -------- sandboxes -------- */

mu_str mu_sandbox_name(const mu_sandbox *sandbox)
{
    return mu_str_from(sandbox->name);
}

mu_sandbox *mu_live_find_sandbox(mu_live *live, mu_str name)
{
    for (mu_sandbox *one = atomic_load(&live->sandboxes); one != NULL; one = one->next)
        if (mu_str_equal(mu_str_from(one->name), name))
            return one;
    return NULL;
}

mu_code mu_sandbox_health(const mu_sandbox *sandbox, mu_err *err)
{
    if (sandbox->damage.code != MU_OK && err != NULL)
        *err = sandbox->damage;
    return sandbox->damage.code;
}

static void free_sandbox(mu_sandbox *sandbox)
{
    if (sandbox == NULL)
        return;
    mu_snapshot_release(sandbox->snapshot);
    mu_store_close(sandbox->store);
    mu_graph_free(sandbox->graph);
    mu_delta_free(sandbox->active);
    mu_delta_free(sandbox->frozen);
    mu_state_free(sandbox);
    pthread_mutex_destroy(&sandbox->layer_lock);
    pthread_mutex_destroy(&sandbox->lock);
    free(sandbox->homes);
    free(sandbox->flags);
    free(sandbox->name);
    free(sandbox);
}

static mu_code fill_sandbox(mu_sandbox *sandbox, mu_err *err)
{
    MU_TRY(mu_store_open_in(sandbox->live->folder, mu_sandbox_name(sandbox), &sandbox->store, err));
    MU_TRY(mu_sandbox_take_snapshot(sandbox, err));
    MU_TRY(mu_sandbox_add_system_fields(sandbox, err));
    mu_mark mark = mu_snapshot_mark(sandbox->snapshot);
    MU_TRY(mu_sandbox_free_pid(sandbox->snapshot, &sandbox->first_pid, err));
    if (mark.next_pid > sandbox->first_pid)
        sandbox->first_pid = mark.next_pid;
    MU_TRY(mu_sandbox_read_state(sandbox, mark.state, err));
    MU_TRY(mu_sandbox_restore(sandbox, err));
    MU_TRY(mu_sandbox_adopt(sandbox, err));
    sandbox->replay_from = mark.next_sequence;
    atomic_store(&sandbox->disk_mark, mark.next_sequence);
    sandbox->active->next_sequence = mark.next_sequence;
    return MU_OK;
}

/* Damage to one sandbox does not keep the others from being served. */
static void quarantine(mu_sandbox *sandbox, const mu_err *why)
{
    sandbox->damage = *why;
    mu_log(sandbox->live->options.logger, MU_LOG_ERROR, "sandbox_damaged",
           mu_log_text("sandbox", mu_sandbox_name(sandbox)),
           mu_log_text("reason", mu_str_from(why->text)));
}

static mu_code new_sandbox(mu_live *live, mu_str name, mu_sandbox **out, mu_err *err)
{
    mu_sandbox *sandbox = calloc(1, sizeof *sandbox);
    char *copy = malloc(name.len + 1);
    if (sandbox == NULL || copy == NULL) {
        free(sandbox);
        free(copy);
        return mu_fail(err, MU_E_NOMEM, "out of memory for a sandbox");
    }
    memcpy(copy, name.ptr, name.len);
    copy[name.len] = '\0';
    sandbox->live = live;
    sandbox->name = copy;
    pthread_mutex_init(&sandbox->layer_lock, NULL);
    pthread_mutex_init(&sandbox->lock, NULL);
    sandbox->active = mu_delta_new();
    mu_sandbox_find_gauges(sandbox);
    mu_code code = fill_sandbox(sandbox, err);
    if (code == MU_E_CORRUPT && err != NULL) {
        quarantine(sandbox, err);
        code = MU_OK;
    }
    if (code != MU_OK) {
        free_sandbox(sandbox);
        return code;
    }
    *out = sandbox;
    return MU_OK;
}

/* A sandbox that never had a record in the log begins where the log is now. That is on disk before
 * its first record is: whoever opens the folder then reads the log from there. */
static mu_code begin_in_log(mu_sandbox *sandbox, mu_err *err)
{
    mu_change *change;
    mu_mark mark = {.next_sequence = mu_log_next_sequence(sandbox->live->log),
                    .next_pid = sandbox->first_pid};
    MU_TRY(mu_change_begin(sandbox->store, &change, err));
    mu_change_set_mark(change, &mark);
    MU_TRY(mu_change_commit(change, err));
    sandbox->replay_from = sandbox->active->next_sequence = mark.next_sequence;
    atomic_store(&sandbox->disk_mark, mark.next_sequence);
    return mu_sandbox_take_snapshot(sandbox, err);
}

/* Once the log is read; what was adopted waits for the next fold. */
static mu_code begin_sandbox(mu_sandbox *sandbox, mu_err *err)
{
    if (mu_sandbox_health(sandbox, NULL) != MU_OK)
        return MU_OK;
    if (sandbox->replay_from == 0)
        MU_TRY(begin_in_log(sandbox, err));
    if (sandbox->active->n_pids > 0 && atomic_load(&sandbox->unfolded_from) == 0) {
        atomic_store(&sandbox->unfolded_from, sandbox->active->next_sequence);
        atomic_store(&sandbox->unfolded_since_ms, mu_live_now(sandbox->live));
    }
    return MU_OK;
}

static void link_sandbox(mu_live *live, mu_sandbox *sandbox)
{
    sandbox->next = atomic_load(&live->sandboxes);
    atomic_store(&live->sandboxes, sandbox);
}

mu_code mu_live_sandbox(mu_live *live, mu_str name, mu_sandbox **out, mu_err *err)
{
    mu_code code = MU_OK;
    if (name.len == 0 || name.len > 255)
        return mu_fail(err, MU_E_INPUT, "a sandbox's name has 1 to 255 characters");
    pthread_mutex_lock(&live->lock);
    mu_sandbox *sandbox = mu_live_find_sandbox(live, name);
    if (sandbox == NULL) {
        code = new_sandbox(live, name, &sandbox, err);
        if (code == MU_OK && (code = begin_sandbox(sandbox, err)) != MU_OK)
            free_sandbox(sandbox);
        if (code == MU_OK)
            link_sandbox(live, sandbox);
    }
    pthread_mutex_unlock(&live->lock);
    if (code == MU_OK)
        *out = sandbox;
    return code;
}

uint32_t mu_live_sandboxes(mu_live *live, mu_arena *arena, const mu_str **names)
{
    uint32_t n = 0;
    mu_sandbox *newest = atomic_load(&live->sandboxes);
    for (mu_sandbox *one = newest; one != NULL; one = one->next)
        n++;
    mu_str *list = MU_NEW_ARRAY(arena, mu_str, n);
    uint32_t at = n;
    for (mu_sandbox *one = newest; one != NULL; one = one->next)
        list[--at] = mu_arena_copy(arena, mu_sandbox_name(one));
    *names = list;
    return n;
}

mu_sandbox_counts mu_sandbox_count(mu_sandbox *sandbox)
{
    mu_sandbox_counts counts = {0};
    if (mu_sandbox_health(sandbox, NULL) != MU_OK)
        return counts;
    pthread_mutex_lock(&sandbox->lock);
    const mu_entity *entity = mu_snapshot_entity(sandbox->snapshot, MU_STR("profile"));
    if (entity != NULL) {
        counts.n_profiles = entity->n_rows;
        counts.n_events = entity->n_events;
        counts.n_parts = entity->n_parts;
        for (uint32_t p = 0; p < entity->n_parts; p++)
            counts.n_dead_rows += mu_part_rows(entity->parts[p]);
        counts.n_dead_rows -= entity->n_rows;
    }
    const mu_delta *deltas[] = {sandbox->active, sandbox->frozen};
    for (size_t i = 0; i < 2; i++) {
        counts.n_delta_records += deltas[i] == NULL ? 0 : deltas[i]->n_records;
        counts.n_delta_bytes += deltas[i] == NULL ? 0 : deltas[i]->n_bytes;
    }
    pthread_mutex_unlock(&sandbox->lock);
    return counts;
}

/* -------- opening and closing -------- */

static mu_code open_sandboxes(mu_live *live, mu_err *err)
{
    mu_arena arena;
    uint32_t n;
    const mu_str *names;
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code = mu_folder_sandboxes(live->folder, &arena, &n, &names, err);
    for (uint32_t i = 0; code == MU_OK && i < n; i++) {
        mu_sandbox *sandbox;
        code = new_sandbox(live, names[i], &sandbox, err);
        if (code == MU_OK)
            link_sandbox(live, sandbox);
    }
    mu_arena_free(&arena);
    return code;
}

/* Where reading the log begins: the oldest mark of those sandboxes that have one. A sandbox without
 * a mark never had a record in the log: it gets one before its first. */
static uint64_t first_sequence(mu_live *live)
{
    uint64_t first = 0;
    for (mu_sandbox *one = atomic_load(&live->sandboxes); one != NULL; one = one->next)
        if (one->replay_from > 0 && (first == 0 || one->replay_from < first))
            first = one->replay_from;
    return first == 0 ? 1 : first;
}

static mu_code open_log(mu_live *live, mu_err *err)
{
    const mu_log_options options = {
        .folder = live->options.folder,
        .first_sequence = first_sequence(live),
        .apply = mu_live_apply,
        .synced = on_synced,
        .context = live,
        .system = live->options.system,
        .metrics = live->options.metrics,
    };
    MU_TRY(mu_log_open(&options, &live->log, err));
    pthread_mutex_lock(&live->wait_lock);
    live->synced = mu_log_next_sequence(live->log) - 1;
    pthread_mutex_unlock(&live->wait_lock);
    for (mu_sandbox *one = atomic_load(&live->sandboxes); one != NULL; one = one->next)
        MU_TRY(begin_sandbox(one, err));
    return MU_OK;
}

static mu_code open_live(mu_live *live, mu_err *err)
{
    MU_TRY(mu_folder_open(live->options.folder, MU_STORE_WRITE, &live->folder, err));
    MU_TRY(open_sandboxes(live, err));
    MU_TRY(open_log(live, err));
    return mu_keeper_start(live, err);
}

static void find_metrics(mu_live *live)
{
    mu_metrics *metrics = live->options.metrics;
    live->layer_time = mu_metrics_histogram(metrics, "muster_layer_seconds",
                                            "Time to show what was received.", NULL, 0);
    live->fold_time = mu_metrics_histogram(metrics, "muster_fold_seconds",
                                           "Time of folds onto the disk.", NULL, 0);
    live->merge_time =
        mu_metrics_histogram(metrics, "muster_merge_seconds", "Time of merges.", NULL, 0);
    live->purge_time =
        mu_metrics_histogram(metrics, "muster_purge_seconds", "Time of purges.", NULL, 0);
    live->upkeep_failures = mu_metrics_counter(metrics, "muster_upkeep_failures_total",
                                               "Folds, merges and the like that failed.", NULL, 0);
}

mu_code mu_live_open(const mu_live_options *options, mu_live **out, mu_err *err)
{
    mu_live *live = calloc(1, sizeof *live);
    if (live == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory for opening %s", options->folder);
    live->options = *options;
    if (options->metrics == NULL)
        live->options.metrics = live->own_metrics = mu_metrics_new();
    if (live->options.memory_max_bytes == 0)
        live->options.memory_max_bytes = MEMORY_DEFAULT;
    if (live->options.fold_bytes == 0)
        live->options.fold_bytes = FOLD_BYTES;
    if (live->options.fold_ms == 0)
        live->options.fold_ms = FOLD_MS;
    pthread_mutex_init(&live->lock, NULL);
    pthread_mutex_init(&live->wait_lock, NULL);
    pthread_mutex_init(&live->keeper_lock, NULL);
    pthread_cond_init(&live->keeper_wakes, NULL);
    pthread_cond_init(&live->keeper_did, NULL);
    find_metrics(live);
    mu_code code = open_live(live, err);
    if (code != MU_OK) {
        mu_live_close(live);
        return code;
    }
    *out = live;
    return MU_OK;
}

const char *mu_live_folder(const mu_live *live)
{
    return live->options.folder;
}

void mu_live_close(mu_live *live)
{
    if (live == NULL)
        return;
    mu_keeper_stop(live);
    mu_log_close(live->log);
    for (mu_sandbox *one = atomic_load(&live->sandboxes), *next; one != NULL; one = next) {
        next = one->next;
        free_sandbox(one);
    }
    mu_folder_close(live->folder);
    mu_metrics_free(live->own_metrics);
    pthread_cond_destroy(&live->keeper_wakes);
    pthread_cond_destroy(&live->keeper_did);
    pthread_mutex_destroy(&live->keeper_lock);
    pthread_mutex_destroy(&live->wait_lock);
    pthread_mutex_destroy(&live->lock);
    free(live);
}
