#include "base/thread.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

typedef struct parallel_job {
    mu_parallel_body *body;
    void *context;
    size_t n_items;
    _Atomic size_t next_item; /* relaxed: items carry no data between workers */
    pthread_mutex_t lock;     /* guards code and err */
    mu_code code;
    mu_err err;
} parallel_job;

typedef struct worker_arg {
    parallel_job *job;
    unsigned worker;
} worker_arg;

static void *run_worker(void *pointer)
{
    worker_arg *arg = pointer;
    parallel_job *job = arg->job;
    for (;;) {
        size_t item = atomic_fetch_add_explicit(&job->next_item, 1, memory_order_relaxed);
        if (item >= job->n_items)
            return NULL;
        mu_err err = {0};
        mu_code code = job->body(job->context, arg->worker, item, &err);
        if (code != MU_OK) {
            pthread_mutex_lock(&job->lock);
            if (job->code == MU_OK) {
                job->code = code;
                job->err = err;
            }
            pthread_mutex_unlock(&job->lock);
            atomic_store_explicit(&job->next_item, job->n_items, memory_order_relaxed);
            return NULL;
        }
    }
}

#define THREADS_MAX 256

mu_code mu_parallel_for(unsigned n_threads, size_t n_items, mu_parallel_body *body, void *context,
                        mu_err *err)
{
    parallel_job job = {.body = body, .context = context, .n_items = n_items};
    pthread_mutex_init(&job.lock, NULL);
    pthread_t threads[THREADS_MAX];
    worker_arg args[THREADS_MAX];
    if (n_threads > THREADS_MAX)
        n_threads = THREADS_MAX;
    if (n_threads > n_items)
        n_threads = (unsigned)n_items;
    unsigned started = 0;
    for (unsigned t = 1; t < n_threads; t++) {
        args[t] = (worker_arg){&job, t};
        if (pthread_create(&threads[t], NULL, run_worker, &args[t]) != 0)
            break; /* the others do its share */
        started = t;
    }
    args[0] = (worker_arg){&job, 0};
    run_worker(&args[0]);
    for (unsigned t = 1; t <= started; t++)
        pthread_join(threads[t], NULL);
    pthread_mutex_destroy(&job.lock);
    if (job.code != MU_OK && err != NULL)
        *err = job.err;
    return job.code;
}

unsigned mu_cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int count = CPU_COUNT(&set);
    return count < 1 ? 1 : (unsigned)count;
}
