/* explain_job.c -- the explanation of one row of a job's snapshot. */
#include "eval/eval.h"

mu_code mu_explain(const mu_job *job, uint32_t audience, mu_row_place place, mu_json_writer *writer,
                   mu_err *err)
{
    mu_arena arena;
    mu_reference_context context;
    mu_explanation explanation;
    const mu_pql *query = mu_job_audience_query(job, audience);
    mu_arena_init(&arena, SIZE_MAX);
    mu_code code = mu_job_reference_context(job, place, &arena, &context, err);
    if (code == MU_OK) {
        mu_explain_run(&arena, &context, query, &explanation);
        mu_explain_write(writer, &context, query, MU_STR(""), &explanation);
    }
    mu_arena_free(&arena);
    return code;
}
