/* merges.c -- pids that ended because their cluster was merged into another one: kept until whoever
 * stores something by pid has taken them over.
 */
#include "live/live_int.h"

#define AGAIN 64u /* of a merge that the graph tells of twice */

static bool is_known(const mu_sandbox *sandbox, uint32_t from)
{
    uint32_t n = sandbox->n_merges < AGAIN ? sandbox->n_merges : AGAIN;
    for (uint32_t i = 0; i < n; i++)
        if (sandbox->merges[sandbox->n_merges - 1 - i].from == from)
            return true;
    return false;
}

static void drop_first(mu_sandbox *sandbox, uint32_t n)
{
    if (n == 0)
        return;
    sandbox->n_merges -= n;
    memmove(sandbox->merges, sandbox->merges + n, sandbox->n_merges * sizeof *sandbox->merges);
}

void mu_sandbox_note_merge(mu_sandbox *sandbox, uint32_t from, uint32_t to)
{
    if (is_known(sandbox, from))
        return;
    if (sandbox->n_merges == MU_PID_MERGES_MAX)
        drop_first(sandbox, MU_PID_MERGES_MAX / 8);
    sandbox->merges = mu_live_room(sandbox->merges, (size_t)sandbox->n_merges + 1,
                                   &sandbox->merges_capacity, sizeof *sandbox->merges);
    sandbox->merges[sandbox->n_merges++] = (mu_pid_merge){from, to};
}

uint32_t mu_sandbox_merges(mu_sandbox *sandbox, mu_arena *arena, const mu_pid_merge **out)
{
    pthread_mutex_lock(&sandbox->lock);
    uint32_t n = sandbox->n_merges;
    mu_pid_merge *copy = MU_NEW_ARRAY(arena, mu_pid_merge, (size_t)n + 1);
    if (n > 0)
        memcpy(copy, sandbox->merges, n * sizeof *copy);
    pthread_mutex_unlock(&sandbox->lock);
    *out = copy;
    return n;
}

/* What was told is the beginning of the list, unless some of it was dropped since. */
void mu_sandbox_forget_merges(mu_sandbox *sandbox, uint32_t n, const mu_pid_merge *merges)
{
    uint32_t n_gone = 0;
    pthread_mutex_lock(&sandbox->lock);
    for (uint32_t i = 0; i < n && n_gone < sandbox->n_merges; i++)
        n_gone += sandbox->merges[n_gone].from == merges[i].from;
    drop_first(sandbox, n_gone);
    pthread_mutex_unlock(&sandbox->lock);
}
