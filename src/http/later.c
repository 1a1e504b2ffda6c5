/* later.c -- handlers, and requests that are answered by another thread.
 *
 * The connection of a parked request is suspended. Whoever moves the state away from PARKED, and
 * only he, resumes it. n_resuming counts parked requests until that resuming has returned, since
 * the library must not be stopped before.
 */
#include "http/http_int.h"

static bool move(mu_http_request *request, int from, int to)
{
    return atomic_compare_exchange_strong_explicit(&request->state, &from, to, memory_order_acq_rel,
                                                   memory_order_acquire);
}

static void resume(mu_http_request *request)
{
    mu_http_server *server = request->server;
    MHD_resume_connection(request->mhd);
    atomic_fetch_sub_explicit(&server->n_resuming, 1, memory_order_acq_rel);
}

/* Needs parked_lock. */
static void link_parked(mu_http_request *request)
{
    mu_http_server *server = request->server;
    request->is_parked = true;
    request->previous_parked = NULL;
    request->next_parked = server->parked;
    if (server->parked != NULL)
        server->parked->previous_parked = request;
    server->parked = request;
    atomic_fetch_add_explicit(&server->n_resuming, 1, memory_order_acq_rel);
}

/* Only the loop thread links and unlinks, so it may look at is_parked without the lock. */
void mu_http_unpark(mu_http_request *request)
{
    mu_http_server *server = request->server;
    if (!request->is_parked)
        return;
    pthread_mutex_lock(&server->parked_lock);
    if (request->previous_parked == NULL)
        server->parked = request->next_parked;
    else
        request->previous_parked->next_parked = request->next_parked;
    if (request->next_parked != NULL)
        request->next_parked->previous_parked = request->previous_parked;
    request->is_parked = false;
    pthread_mutex_unlock(&server->parked_lock);
}

static enum MHD_Result answer_completed(mu_http_request *request)
{
    request->is_answered = true;
    return mu_http_answer(request);
}

/* The handler said LATER; the request may be complete already. */
static enum MHD_Result park(mu_http_request *request)
{
    mu_http_server *server = request->server;
    if (atomic_load_explicit(&request->state, memory_order_acquire) == MU_HTTP_COMPLETED)
        return answer_completed(request);
    pthread_mutex_lock(&server->parked_lock);
    if (atomic_load_explicit(&server->is_out_of_time, memory_order_relaxed)) {
        pthread_mutex_unlock(&server->parked_lock);
        return move(request, MU_HTTP_RUNNING, MU_HTTP_ABANDONED) ? mu_http_answer_abandoned(request)
                                                                 : answer_completed(request);
    }
    MHD_suspend_connection(request->mhd);
    link_parked(request);
    pthread_mutex_unlock(&server->parked_lock);
    if (!move(request, MU_HTTP_RUNNING, MU_HTTP_PARKED))
        resume(request); /* completed meanwhile */
    return MHD_YES;
}

void mu_http_complete(mu_http_request *request)
{
    if (!move(request, MU_HTTP_RUNNING, MU_HTTP_COMPLETED) &&
        move(request, MU_HTTP_PARKED, MU_HTTP_COMPLETED))
        resume(request);
    mu_http_request_release(request);
}

void mu_http_finish_on_worker(mu_http_request *request)
{
    const mu_http_route *route = &request->match.entry->route;
    bool is_wanted =
        atomic_load_explicit(&request->state, memory_order_acquire) != MU_HTTP_ABANDONED;
    if (!is_wanted || route->handler(request, &request->response, route->context) == MU_HTTP_DONE)
        mu_http_complete(request);
}

void mu_http_abandon_parked(mu_http_server *server)
{
    pthread_mutex_lock(&server->parked_lock);
    for (mu_http_request *at = server->parked; at != NULL; at = at->next_parked) {
        if (move(at, MU_HTTP_PARKED, MU_HTTP_ABANDONED))
            resume(at);
    }
    pthread_mutex_unlock(&server->parked_lock);
}

bool mu_http_has_parked(mu_http_server *server)
{
    pthread_mutex_lock(&server->parked_lock);
    bool has = server->parked != NULL;
    pthread_mutex_unlock(&server->parked_lock);
    return has || atomic_load_explicit(&server->n_resuming, memory_order_acquire) > 0;
}

static mu_http_outcome hand_to_worker(mu_http_request *request)
{
    if (mu_http_workers_push(&request->server->workers, request))
        return MU_HTTP_LATER;
    mu_http_refuse_busy(request, &request->response,
                        MU_STR("Too many requests are waiting already"), 1);
    return MU_HTTP_DONE;
}

enum MHD_Result mu_http_run(mu_http_request *request)
{
    int state = atomic_load_explicit(&request->state, memory_order_acquire);
    if (state != MU_HTTP_RUNNING) { /* resumed */
        mu_http_unpark(request);
        return state == MU_HTTP_ABANDONED ? mu_http_answer_abandoned(request)
                                          : answer_completed(request);
    }
    if (!request->is_answered)
        mu_http_body_end(request);
    if (!request->is_answered &&
        atomic_load_explicit(&request->server->is_out_of_time, memory_order_relaxed)) {
        mu_http_refuse_busy(request, &request->response, MU_STR("The server is stopping"), 1);
        request->is_answered = true;
    }
    if (request->is_answered)
        return mu_http_answer(request);
    mu_http_connection_phase(request->connection, MU_HTTP_HANDLING);
    const mu_http_route *route = &request->match.entry->route;
    mu_http_request_hold(request); /* for whoever completes it */
    mu_http_outcome outcome = route->flags & MU_HTTP_ON_WORKER
                                  ? hand_to_worker(request)
                                  : route->handler(request, &request->response, route->context);
    if (outcome == MU_HTTP_LATER)
        return park(request);
    mu_http_request_release(request);
    return answer_completed(request);
}
