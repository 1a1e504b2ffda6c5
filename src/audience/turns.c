/* turns.c -- several runs on the same processors: whoever has used least goes on. */
#include "audience/estimate_int.h"

#include <time.h>

/* How much more than the one that used least a run may have used and still go on. */
#define SLICE_NS ((uint64_t)20 * 1000000)
/* What a new run may use before others get their turn. */
#define CREDIT_NS   ((uint64_t)1000 * 1000000)
#define PATIENCE_NS 50000000L

void mu_turns_init(mu_turns *turns)
{
    *turns = (mu_turns){.first = NULL};
    pthread_mutex_init(&turns->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&turns->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

void mu_turns_fini(mu_turns *turns)
{
    pthread_cond_destroy(&turns->changed);
    pthread_mutex_destroy(&turns->lock);
}

/* UINT64_MAX when there is no other. */
static uint64_t least_of_others(const mu_turns *turns, const mu_turn *turn)
{
    uint64_t least = UINT64_MAX;
    for (const mu_turn *other = turns->first; other != NULL; other = other->next)
        if (other != turn && other->used_ns < least)
            least = other->used_ns;
    return least;
}

void mu_turns_enter(mu_turns *turns, mu_turn *turn)
{
    pthread_mutex_lock(&turns->lock);
    uint64_t least = least_of_others(turns, turn);
    turn->used_ns = least == UINT64_MAX || least < CREDIT_NS ? 0 : least - CREDIT_NS;
    turn->next = turns->first;
    turns->first = turn;
    pthread_mutex_unlock(&turns->lock);
}

void mu_turns_leave(mu_turns *turns, mu_turn *turn)
{
    pthread_mutex_lock(&turns->lock);
    mu_turn **at = &turns->first;
    while (*at != turn)
        at = &(*at)->next;
    *at = turn->next;
    pthread_cond_broadcast(&turns->changed);
    pthread_mutex_unlock(&turns->lock);
}

void mu_turns_wake(mu_turns *turns)
{
    pthread_mutex_lock(&turns->lock);
    pthread_cond_broadcast(&turns->changed);
    pthread_mutex_unlock(&turns->lock);
}

static bool is_our_turn(const mu_turns *turns, const mu_turn *turn)
{
    uint64_t least = least_of_others(turns, turn);
    return least == UINT64_MAX || turn->used_ns <= least + SLICE_NS;
}

/* Waits at most for PATIENCE_NS: who sets a cancel flag need not know of turns. */
static void wait_a_while(mu_turns *turns)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += PATIENCE_NS;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    turns->n_waiting++;
    pthread_cond_timedwait(&turns->changed, &turns->lock, &until);
    turns->n_waiting--;
}

void mu_turns_wait(mu_turns *turns, mu_turn *turn, uint64_t ns, const bool *cancel)
{
    pthread_mutex_lock(&turns->lock);
    turn->used_ns += ns;
    if (turns->n_waiting > 0)
        pthread_cond_broadcast(&turns->changed);
    while (!__atomic_load_n(cancel, __ATOMIC_RELAXED) && !is_our_turn(turns, turn))
        wait_a_while(turns);
    pthread_mutex_unlock(&turns->lock);
}
