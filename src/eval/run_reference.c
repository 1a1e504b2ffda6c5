/* run_reference.c -- rows and nodes that are left to the reference evaluator. */
#include "eval/job_int.h"

static mu_code context_of_row(worker *w, uint32_t row, mu_reference_context *out)
{
    const mu_value *value;
    const uint32_t *pids;
    MU_TRY(job_check_cancel(w->job, w->err)); /* one row may take long, a block very long */
    MU_TRY(worker_row(w, row, &value));
    MU_TRY(mu_part_pids(w->bound->part, w->block, &pids, w->err));
    mu_arena_rewind(&w->row_arena);
    job_row_context(w->job, pids[row], value, &w->row_arena, out);
    return MU_OK;
}

mu_code reference_on_row(worker *w, const mu_pql *query, uint32_t row, bool *member,
                         uint32_t *trips)
{
    mu_reference_context context;
    MU_TRY(context_of_row(w, row, &context));
    *member = mu_reference_is_member(&w->row_arena, &context, query, trips);
    return MU_OK;
}

mu_code reference_on_audience(worker *w, const job_audience *audience, uint32_t row, bool *member,
                              uint32_t *trips)
{
    mu_reference_context context;
    MU_TRY(context_of_row(w, row, &context));
    *member = job_audience_is_member(&w->row_arena, &context, audience, trips);
    return MU_OK;
}

mu_code run_reference(worker *w, uint32_t id, const plan_node *node, uint32_t n)
{
    uint64_t *out = worker_bits(w, n);
    w->values[id].bits = out;
    for (uint32_t row = 0; row < n; row++) {
        if (w->bound->dead != NULL && mu_bit_get(w->bound->dead, w->place.row + row))
            continue;
        bool member;
        uint32_t trips;
        MU_TRY(reference_on_row(w, node->query, row, &member, &trips));
        w->counters.n_fallback_rows++;
        if (member)
            mu_bit_set(out, row);
        if (trips != 0) /* the audience as a whole decides */
            mu_bit_set(worker_bail(w, id), row);
    }
    return MU_OK;
}
