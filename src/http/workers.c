/* workers.c -- a fixed number of threads behind a bounded queue of requests. */
#include "http/http_int.h"

#include <errno.h>
#include <stdlib.h>

static mu_http_request *pop(mu_http_workers *workers)
{
    mu_http_request *request = NULL;
    pthread_mutex_lock(&workers->lock);
    while (workers->n_queued == 0 && !workers->is_ending)
        pthread_cond_wait(&workers->has_work, &workers->lock);
    if (workers->n_queued > 0) {
        request = workers->queue[workers->first];
        workers->first = (workers->first + 1) % workers->queue_max;
        workers->n_queued--;
        mu_gauge_add(workers->depth, -1);
    }
    pthread_mutex_unlock(&workers->lock);
    return request;
}

static void *run_worker(void *context)
{
    mu_http_workers *workers = context;
    mu_http_request *request;
    while ((request = pop(workers)) != NULL)
        mu_http_finish_on_worker(request);
    return NULL;
}

bool mu_http_workers_push(mu_http_workers *workers, mu_http_request *request)
{
    pthread_mutex_lock(&workers->lock);
    bool has_room = workers->n_queued < workers->queue_max && !workers->is_ending;
    if (has_room) {
        workers->queue[(workers->first + workers->n_queued) % workers->queue_max] = request;
        workers->n_queued++;
        mu_gauge_add(workers->depth, 1);
        pthread_cond_signal(&workers->has_work);
    }
    pthread_mutex_unlock(&workers->lock);
    if (!has_room)
        mu_counter_add(workers->full, 1);
    return has_room;
}

mu_code mu_http_workers_start(mu_http_server *server, unsigned n_threads, size_t queue_max,
                              mu_err *err)
{
    mu_http_workers *workers = &server->workers;
    mu_metrics *metrics = server->options.metrics;
    workers->depth = mu_metrics_gauge(metrics, "muster_http_queue_depth",
                                      "Requests waiting for a worker thread.", NULL, 0);
    workers->full =
        mu_metrics_counter(metrics, "muster_http_queue_full_total",
                           "Requests answered 503 because the queue was full.", NULL, 0);
    workers->queue_max = queue_max;
    workers->queue = calloc(queue_max, sizeof(mu_http_request *));
    workers->threads = calloc(n_threads, sizeof(pthread_t));
    if (workers->queue == NULL || workers->threads == NULL) {
        free(workers->queue);
        free(workers->threads);
        return mu_fail(err, MU_E_NOMEM, "no memory for a queue of %zu requests", queue_max);
    }
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->has_work, NULL);
    for (; workers->n_threads < n_threads; workers->n_threads++) {
        errno = pthread_create(&workers->threads[workers->n_threads], NULL, run_worker, workers);
        if (errno != 0) {
            mu_code code = mu_fail_errno(err, "cannot start a thread");
            mu_http_workers_stop(workers);
            return code;
        }
    }
    return MU_OK;
}

void mu_http_workers_stop(mu_http_workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    workers->is_ending = true;
    pthread_cond_broadcast(&workers->has_work);
    pthread_mutex_unlock(&workers->lock);
    for (unsigned i = 0; i < workers->n_threads; i++)
        pthread_join(workers->threads[i], NULL);
    pthread_cond_destroy(&workers->has_work);
    pthread_mutex_destroy(&workers->lock);
    free(workers->queue);
    free(workers->threads);
}
