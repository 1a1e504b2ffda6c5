/* run_block.c -- the steps of a job over one block: nodes in their order, audiences delivered. */
#include "eval/run_int.h"

/* What a node could not do, those that read it cannot do either. */
static void inherit_bails(worker *w, uint32_t id, const plan_node *node)
{
    for (uint32_t i = 0; i < node->n_inputs; i++) {
        const uint64_t *rows = w->bails[node->inputs[i]];
        if (rows == NULL)
            continue;
        uint64_t *own = worker_bail(w, id);
        w->job->kernels->or_words(own, rows, mu_bits_words(w->n_rows), own);
    }
}

static mu_code run_node(worker *w, uint32_t id)
{
    const plan_node *node = &w->job->plan.nodes[id];
    uint32_t n;
    MU_TRY(worker_level(w, node->level, &n));
    switch (node->operation) {
    case PLAN_BROADCAST:
    case PLAN_ANY:
    case PLAN_FIRST:
    case PLAN_BEST:
    case PLAN_COUNT:
    case PLAN_SUM:
    case PLAN_LEAST:
    case PLAN_GREATEST:
    case PLAN_PICK:
    case PLAN_DISTINCT_COUNT:
    case PLAN_GROUP_SIZE:
    case PLAN_COMPARE_OWNER:
        MU_TRY(run_list(w, id, node, n));
        break;
    case PLAN_CHAIN:
        MU_TRY(run_chain(w, id, node, n));
        break;
    case PLAN_RELATED:
        MU_TRY(run_related(w, id, node, n));
        break;
    case PLAN_REFERENCE:
        MU_TRY(run_reference(w, id, node, n));
        break;
    case PLAN_MEMBER:
        return MU_OK; /* filled when its audience was delivered */
    case PLAN_KNOWN:
        return run_known(w, id, node, n);
    default:
        MU_TRY(run_scalar(w, id, node, n));
    }
    if (w->n_bails > 0)
        inherit_bails(w, id, node);
    for (uint32_t i = 0; i < node->n_inputs; i++)
        if (--w->uses[node->inputs[i]] == 0)
            worker_give_value(w, node->inputs[i]);
    return MU_OK;
}

static void count_trips(worker *w, uint32_t trips)
{
    for (unsigned guard = 0; guard < MU_GUARD_COUNT_; guard++)
        w->counters.guard_trips[guard] += (trips >> guard) & 1;
}

static mu_code settle_bails(worker *w, const job_audience *audience, const uint64_t *rows,
                            uint64_t *members)
{
    for (uint32_t row = 0; row < w->n_rows; row++) {
        if (!mu_bit_get(rows, row) || (w->live != NULL && !mu_bit_get(w->live, row)))
            continue;
        bool member;
        uint32_t trips;
        MU_TRY(reference_on_audience(w, audience, row, &member, &trips));
        count_trips(w, trips);
        w->counters.n_fallback_rows++;
        if (member)
            mu_bit_set(members, row);
        else
            mu_bit_clear(members, row);
    }
    return MU_OK;
}

/* The members among the live rows, as the reference evaluator settles them where it has to. */
static mu_code find_members(worker *w, const job_audience *audience, uint64_t *members)
{
    const uint64_t *rows = w->bails[audience->root];
    size_t words = mu_bits_words(w->n_rows);
    memcpy(members, w->values[audience->root].bits, words * 8);
    if (rows != NULL)
        MU_TRY(settle_bails(w, audience, rows, members));
    if (w->live != NULL)
        w->job->kernels->and_words(members, w->live, words, members);
    return MU_OK;
}

static mu_code deliver(worker *w, uint32_t index, mu_job_sink *sink, void *sink_context,
                       unsigned worker_index)
{
    const job_audience *audience = &w->job->audiences[index];
    bool is_read = audience->member != NO_NODE && w->uses[audience->member] > 0;
    uint64_t *own = NULL;
    const uint64_t *members = w->values[audience->root].bits;
    if (is_read || w->bails[audience->root] != NULL || w->live != NULL) {
        members = own = worker_raw_bits(w, w->n_rows);
        MU_TRY(find_members(w, audience, own));
    }
    w->counts[index] += w->job->kernels->count_bits(members, mu_bits_words(w->n_rows));
    if (sink != NULL)
        MU_TRY(sink(sink_context, worker_index, index, w->bound->index, w->block, members,
                    w->n_rows, w->err));
    if (--w->uses[audience->root] == 0)
        worker_give_value(w, audience->root);
    if (is_read)
        w->values[audience->member].bits = own;
    else
        worker_give_bits(w, own, w->n_rows);
    return MU_OK;
}

mu_code worker_run_block(worker *w, const bound_part *bound, uint32_t block, mu_job_sink *sink,
                         void *sink_context, unsigned worker_index, mu_err *err)
{
    worker_begin_block(w, bound, block);
    w->err = err;
    for (uint32_t i = 0; i < w->job->n_steps; i++) {
        const step *s = &w->job->steps[i];
        if (s->delivers)
            MU_TRY(deliver(w, s->index, sink, sink_context, worker_index));
        else
            MU_TRY(run_node(w, s->index));
    }
    return MU_OK;
}
