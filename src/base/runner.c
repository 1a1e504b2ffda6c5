#include "base/runner.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct mu_runner {
    pthread_t thread;
    pthread_mutex_t lock; /* guards is_woken; is_stopping is written under it */
    pthread_cond_t changed;
    bool is_woken, is_stopping;
    mu_runner_step *step;
    void *context;
};

static struct timespec after_ms(uint32_t ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

/* Returns false when the runner is to end. */
static bool sleep_for(mu_runner *runner, uint32_t ms)
{
    struct timespec deadline = ms == MU_RUNNER_IDLE ? (struct timespec){0} : after_ms(ms);
    pthread_mutex_lock(&runner->lock);
    int waited = 0;
    while (!runner->is_woken && !runner->is_stopping && waited == 0 && ms > 0)
        waited = ms == MU_RUNNER_IDLE
                     ? pthread_cond_wait(&runner->changed, &runner->lock)
                     : pthread_cond_timedwait(&runner->changed, &runner->lock, &deadline);
    runner->is_woken = false;
    bool goes_on = !runner->is_stopping;
    pthread_mutex_unlock(&runner->lock);
    return goes_on;
}

static void *run(void *context)
{
    mu_runner *runner = context;
    while (sleep_for(runner, runner->step(runner->context, &runner->is_stopping)))
        ;
    return NULL;
}

mu_code mu_runner_start(const char *name, mu_runner_step *step, void *context, mu_runner **out,
                        mu_err *err)
{
    mu_runner *runner = calloc(1, sizeof *runner);
    if (runner == NULL)
        return mu_fail(err, MU_E_NOMEM, "no memory for a thread");
    runner->step = step;
    runner->context = context;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&runner->lock, NULL);
    pthread_cond_init(&runner->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&runner->thread, NULL, run, runner) != 0) {
        pthread_cond_destroy(&runner->changed);
        pthread_mutex_destroy(&runner->lock);
        free(runner);
        return mu_fail(err, MU_E_NOMEM, "no thread can be started for %s", name);
    }
    pthread_setname_np(runner->thread, name);
    *out = runner;
    return MU_OK;
}

void mu_runner_wake(mu_runner *runner)
{
    pthread_mutex_lock(&runner->lock);
    runner->is_woken = true;
    pthread_cond_signal(&runner->changed);
    pthread_mutex_unlock(&runner->lock);
}

void mu_runner_stop(mu_runner *runner)
{
    if (runner == NULL)
        return;
    pthread_mutex_lock(&runner->lock);
    __atomic_store_n(&runner->is_stopping, true, __ATOMIC_RELAXED);
    pthread_cond_signal(&runner->changed);
    pthread_mutex_unlock(&runner->lock);
    pthread_join(runner->thread, NULL);
    pthread_cond_destroy(&runner->changed);
    pthread_mutex_destroy(&runner->lock);
    free(runner);
}
