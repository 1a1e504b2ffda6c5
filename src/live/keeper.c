/* The keeper: one thread that folds, trims the log, merges and purges. A round looks after every
 * sandbox once; what a sandbox's round fails with is logged, kept for whoever asked, and tried
 * again in the next round. */
#include "live/live_int.h"

#include "base/time.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define TICK_MS         1000
#define PURGE_EVERY_MS  30000 /* at most so often, unless asked */
#define EXPIRE_EVERY_MS 86400000

typedef struct keeper_round {
    mu_live *live;
    bool is_forced; /* somebody waits: fold and purge whatever there is */
    bool purges_forced;
} keeper_round;

/* -------- one sandbox -------- */

/* A damaged sandbox is left as it is. */
static mu_sandbox *skip_damaged(mu_sandbox *sandbox)
{
    while (sandbox != NULL && mu_sandbox_health(sandbox, NULL) != MU_OK)
        sandbox = sandbox->next;
    return sandbox;
}

static mu_sandbox *first_whole(mu_live *live)
{
    return skip_damaged(atomic_load(&live->sandboxes));
}

static mu_sandbox *next_whole(mu_sandbox *sandbox)
{
    return skip_damaged(sandbox->next);
}

static bool is_fold_due(const mu_sandbox *sandbox, const mu_live *live)
{
    if (atomic_load(&sandbox->unfolded_from) == 0)
        return false;
    int64_t age = mu_live_now(live) - atomic_load(&sandbox->unfolded_since_ms);
    return atomic_load(&sandbox->unfolded_bytes) >= live->options.fold_bytes ||
           atomic_load(&sandbox->memory_bytes) >= live->options.memory_max_bytes / 2 ||
           age >= (int64_t)live->options.fold_ms || age < 0;
}

static const mu_pace pace = {0}; /* a sync every few MiB */

/* What is on disk goes up to `mark`; later records may be there already. */
static void note_folded(mu_sandbox *sandbox, uint64_t next_sequence, uint64_t n_bytes)
{
    atomic_store(&sandbox->disk_mark, next_sequence);
    pthread_mutex_lock(&sandbox->lock);
    bool has_more = sandbox->active->n_records > 0 || sandbox->frozen != NULL ||
                    mu_snapshot_mark(sandbox->snapshot).next_sequence > next_sequence;
    atomic_store(&sandbox->unfolded_from, has_more ? next_sequence : 0);
    atomic_store(&sandbox->unfolded_since_ms, mu_live_now(sandbox->live));
    atomic_fetch_sub(&sandbox->unfolded_bytes, n_bytes);
    pthread_mutex_unlock(&sandbox->lock);
}

static mu_code fold(mu_sandbox *sandbox, mu_err *err)
{
    pthread_mutex_lock(&sandbox->lock);
    uint64_t n_bytes = atomic_load(&sandbox->unfolded_bytes);
    pthread_mutex_unlock(&sandbox->lock);
    pthread_mutex_lock(&sandbox->layer_lock);
    mu_code code = mu_sandbox_publish(sandbox, err);
    uint64_t next_sequence = mu_snapshot_mark(sandbox->snapshot).next_sequence;
    pthread_mutex_unlock(&sandbox->layer_lock);
    MU_TRY(code);
    int64_t start_ns = mu_monotonic_ns();
    MU_TRY(mu_store_fold(sandbox->store, &pace, err));
    mu_histogram_observe(sandbox->live->fold_time, mu_monotonic_ns() - start_ns);
    MU_TRY(mu_sandbox_take_snapshot(sandbox, err));
    note_folded(sandbox, next_sequence, n_bytes);
    return MU_OK;
}

static mu_code merge(mu_sandbox *sandbox, mu_err *err)
{
    bool merged = true;
    while (merged) {
        int64_t start_ns = mu_monotonic_ns();
        MU_TRY(mu_store_merge(sandbox->store, &pace, &merged, err));
        if (merged) {
            mu_histogram_observe(sandbox->live->merge_time, mu_monotonic_ns() - start_ns);
            MU_TRY(mu_sandbox_take_snapshot(sandbox, err));
        }
        if (atomic_load(&sandbox->unfolded_bytes) >= sandbox->live->options.fold_bytes)
            break; /* folding comes first; there is another round */
    }
    return MU_OK;
}

/* An idle sandbox's mark moves on, so that the log before it can go. */
static mu_code advance_mark(mu_sandbox *sandbox, mu_err *err)
{
    mu_live *live = sandbox->live;
    mu_change *change;
    mu_arena arena;
    mu_live_state state;
    pthread_mutex_lock(&live->wait_lock);
    uint64_t next_sequence = live->synced + 1;
    pthread_mutex_unlock(&live->wait_lock);
    pthread_mutex_lock(&sandbox->layer_lock);
    pthread_mutex_lock(&sandbox->lock);
    bool is_idle = atomic_load(&sandbox->unfolded_from) == 0 &&
                   mu_snapshot_mark(sandbox->snapshot).next_sequence < next_sequence;
    mu_arena_init(&arena, SIZE_MAX);
    if (is_idle)
        mu_state_copy(sandbox, &arena, &state);
    pthread_mutex_unlock(&sandbox->lock);
    mu_code code = is_idle ? mu_change_begin(sandbox->store, &change, err) : MU_OK;
    if (is_idle && code == MU_OK) {
        mu_mark mark = {.next_sequence = next_sequence,
                        .next_pid = state.next_pid,
                        .state = mu_state_write(&arena, &state)};
        mu_change_set_mark(change, &mark);
        code = mu_change_commit(change, err);
        if (code == MU_OK)
            atomic_store(&sandbox->disk_mark, next_sequence);
    }
    mu_arena_free(&arena);
    pthread_mutex_unlock(&sandbox->layer_lock);
    return is_idle && code == MU_OK ? mu_sandbox_take_snapshot(sandbox, err) : code;
}

/* -------- all of them -------- */

static void complain(mu_live *live, const mu_sandbox *sandbox, const char *what, const mu_err *why,
                     mu_err *err)
{
    mu_log(live->options.logger, MU_LOG_ERROR, "upkeep_failed",
           mu_log_text("step", mu_str_from(what)),
           mu_log_text("sandbox", sandbox == NULL ? MU_STR("") : mu_sandbox_name(sandbox)),
           mu_log_text("reason", mu_str_from(why->text)));
    mu_counter_add(live->upkeep_failures, 1);
    *err = *why;
}

/* Opening reads the log from the oldest mark on disk, whoever's records are there. No sandbox is
 * made meanwhile: its mark might be older than what is kept without it. */
static mu_code trim_log(mu_live *live, mu_err *err)
{
    uint64_t keep = UINT64_MAX;
    pthread_mutex_lock(&live->lock);
    for (mu_sandbox *one = atomic_load(&live->sandboxes); one != NULL; one = one->next) {
        uint64_t mark = atomic_load(&one->disk_mark);
        keep = mark < keep ? mark : keep;
    }
    mu_code code = keep == UINT64_MAX ? MU_OK : mu_log_trim(live->log, keep, err);
    pthread_mutex_unlock(&live->lock);
    return code;
}

static mu_code trim(mu_live *live, bool rotates, mu_err *err)
{
    for (mu_sandbox *one = first_whole(live); one != NULL; one = next_whole(one))
        MU_TRY(advance_mark(one, err));
    if (rotates)
        MU_TRY(mu_log_rotate(live->log, err));
    return trim_log(live, err);
}

static void expire(mu_live *live, mu_sandbox *sandbox, mu_err *err)
{
    mu_err why = {0};
    int64_t now = mu_live_now(live);
    bool is_due = sandbox->expired_ms == 0 || now - sandbox->expired_ms >= EXPIRE_EVERY_MS;
    if (!atomic_exchange(&sandbox->wants_expiry, false) && !is_due)
        return;
    sandbox->expired_ms = now;
    if (mu_sandbox_expire(sandbox, &why) == MU_OK)
        return;
    atomic_store(&sandbox->wants_expiry, true);
    complain(live, sandbox, "expire", &why, err);
}

static void look_after(const keeper_round *round, mu_sandbox *sandbox, bool wants_purge,
                       bool *folded, mu_err *err)
{
    mu_live *live = round->live;
    mu_err why = {0};
    expire(live, sandbox, err);
    if (is_fold_due(sandbox, live) ||
        ((round->is_forced || wants_purge) && atomic_load(&sandbox->unfolded_from) != 0)) {
        if (fold(sandbox, &why) != MU_OK)
            complain(live, sandbox, "fold", &why, err);
        else
            *folded = true;
    }
    if (why.code == MU_OK && merge(sandbox, &why) != MU_OK)
        complain(live, sandbox, "merge", &why, err);
    mu_sandbox_set_gauges(sandbox);
}

static bool is_purge_due(const keeper_round *round, mu_sandbox *sandbox)
{
    int64_t now = mu_live_now(round->live);
    bool is_time = sandbox->purged_ms == 0 || now - sandbox->purged_ms >= PURGE_EVERY_MS ||
                   now < sandbox->purged_ms;
    return round->purges_forced ||
           (is_time && (atomic_load(&sandbox->wants_purge) || atomic_load(&sandbox->erases)));
}

static bool purge(const keeper_round *round, mu_sandbox *sandbox, mu_err *err)
{
    mu_err why = {0};
    if (!atomic_exchange(&sandbox->wants_purge, false) && !round->purges_forced)
        return false;
    sandbox->purged_ms = mu_live_now(round->live);
    int64_t start_ns = mu_monotonic_ns();
    if (mu_store_purge(sandbox->store, &pace, &why) == MU_OK &&
        mu_sandbox_take_snapshot(sandbox, &why) == MU_OK) {
        mu_histogram_observe(round->live->purge_time, mu_monotonic_ns() - start_ns);
        return true;
    }
    atomic_store(&sandbox->wants_purge, true);
    complain(round->live, sandbox, "purge", &why, err);
    return false;
}

static void run_round(const keeper_round *round, mu_err *err)
{
    mu_live *live = round->live;
    bool folded = false, purged = false, wants_purge = false;
    mu_err why = {0};
    for (mu_sandbox *one = first_whole(live); one != NULL; one = next_whole(one))
        wants_purge |= is_purge_due(round, one);
    for (mu_sandbox *one = first_whole(live); one != NULL; one = next_whole(one))
        look_after(round, one, wants_purge, &folded, err);
    for (mu_sandbox *one = first_whole(live); wants_purge && one != NULL; one = next_whole(one))
        purged |= purge(round, one, err);
    if ((folded || purged) && trim(live, purged, &why) != MU_OK)
        complain(live, NULL, "trim", &why, err);
}

/* -------- the thread -------- */

static void wait_for_work(mu_live *live)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (TICK_MS % 1000) * 1000000L;
    until.tv_sec += TICK_MS / 1000;
    if (!live->is_stopping && !live->is_wanted)
        pthread_cond_timedwait(&live->keeper_wakes, &live->keeper_lock, &until);
}

static void *keep(void *context)
{
    mu_live *live = context;
    pthread_mutex_lock(&live->keeper_lock);
    while (!live->is_stopping) {
        wait_for_work(live);
        if (live->is_stopping)
            break;
        keeper_round round = {
            .live = live, .is_forced = live->fold_wanted, .purges_forced = live->purge_wanted};
        live->is_wanted = live->fold_wanted = live->purge_wanted = false;
        live->n_begun++;
        pthread_mutex_unlock(&live->keeper_lock);
        mu_err err = {0};
        run_round(&round, &err);
        pthread_mutex_lock(&live->keeper_lock);
        live->keeper_err = err;
        live->n_done = live->n_begun;
        pthread_cond_broadcast(&live->keeper_did);
    }
    live->n_done = UINT64_MAX; /* nobody waits in vain */
    pthread_cond_broadcast(&live->keeper_did);
    pthread_mutex_unlock(&live->keeper_lock);
    return NULL;
}

mu_code mu_keeper_start(mu_live *live, mu_err *err)
{
    int failed = pthread_create(&live->keeper, NULL, keep, live);
    if (failed != 0) {
        errno = failed;
        return mu_fail_errno(err, "cannot start a thread");
    }
    live->has_keeper = true;
    return MU_OK;
}

void mu_keeper_stop(mu_live *live)
{
    if (!live->has_keeper)
        return;
    pthread_mutex_lock(&live->keeper_lock);
    live->is_stopping = true;
    pthread_cond_broadcast(&live->keeper_wakes);
    pthread_mutex_unlock(&live->keeper_lock);
    pthread_join(live->keeper, NULL);
    live->has_keeper = false;
}

void mu_keeper_wake(mu_live *live)
{
    pthread_mutex_lock(&live->keeper_lock);
    live->is_wanted = true;
    pthread_cond_signal(&live->keeper_wakes);
    pthread_mutex_unlock(&live->keeper_lock);
}

/* Waits for a round that begins from here on. */
static mu_code force_round(mu_live *live, bool purges, mu_err *err)
{
    pthread_mutex_lock(&live->keeper_lock);
    live->is_wanted = live->fold_wanted = true;
    live->purge_wanted |= purges;
    uint64_t round = live->n_begun + 1;
    pthread_cond_signal(&live->keeper_wakes);
    while (live->n_done < round)
        pthread_cond_wait(&live->keeper_did, &live->keeper_lock);
    mu_err result = live->keeper_err;
    pthread_mutex_unlock(&live->keeper_lock);
    if (result.code != MU_OK && err != NULL)
        *err = result;
    return result.code;
}

mu_code mu_sandbox_fold(mu_sandbox *sandbox, mu_err *err)
{
    return force_round(sandbox->live, false, err);
}

mu_code mu_sandbox_purge(mu_sandbox *sandbox, mu_err *err)
{
    return force_round(sandbox->live, true, err);
}
