/* explain_job.c -- the explanation of one row of a job's snapshot. */
#include "eval/job_int.h"

/* "NAMESPACE:VALUE" of the row's primary identity. */
static mu_code identity_text(const mu_job *job, mu_row_place place, mu_arena *arena, mu_str *out,
                             mu_err *err)
{
    const mu_entity *profiles = mu_snapshot_entity(job->snapshot, MU_STR("profile"));
    mu_identity identity;
    MU_TRY(mu_part_identity(profiles->parts[place.part], place.row, &identity, err));
    *out = mu_arena_format(arena, MU_STR_FMT ":" MU_STR_FMT, MU_STR_ARG(identity.namespace_code),
                           MU_STR_ARG(identity.value));
    return MU_OK;
}

mu_code mu_explain(const mu_job *job, uint32_t audience, mu_row_place place, mu_json_writer *writer,
                   mu_err *err)
{
    mu_arena arena;
    mu_reference_context context;
    mu_explanation explanation;
    const mu_pql *query = mu_job_audience_query(job, audience);
    mu_arena_init(&arena, SIZE_MAX);
    mu_str identity;
    mu_code code = identity_text(job, place, &arena, &identity, err);
    if (code == MU_OK)
        code = mu_job_reference_context(job, place, &arena, &context, err);
    if (code == MU_OK) {
        mu_explain_run(&arena, &context, query, &explanation);
        mu_explain_exclude(&arena, &context, mu_job_audience_unless(job, audience), &explanation);
        mu_explain_write(writer, &context, query, identity, &explanation);
    }
    mu_arena_free(&arena);
    return code;
}
