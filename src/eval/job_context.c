/* job_context.c -- look-ups through relationships and memberships in the job's other audiences, as
 * the reference evaluator asks for them. */
#include "eval/job_int.h"
#include "eval/reference_int.h"

typedef struct row_context {
    const mu_job *job;
    const mu_value *row;
    mu_arena *arena;
} row_context;

/* The lookup record with this key. A file that turns out to be damaged is a missing record here;
 * reading the same block as a column reports it. */
static mu_value resolve_in(const mu_job *job, mu_arena *arena, mu_str class_name, mu_str key)
{
    const mu_entity *entity = mu_snapshot_entity(job->snapshot, class_name);
    mu_row_place place;
    bool found = false;
    mu_value record;
    if (entity == NULL ||
        mu_entity_find(entity, (mu_identity){MU_STR(""), key}, &found, &place, NULL) != MU_OK ||
        !found || job_read_row(job, entity, place, arena, &record, NULL) != MU_OK)
        return MU_VALUE_NULL;
    return record;
}

static mu_value resolve_for_row(void *context, mu_arena *arena, mu_str class_name, mu_str key)
{
    return resolve_in(((const row_context *)context)->job, arena, class_name, key);
}

static mu_value resolve_for_table(void *context, mu_arena *arena, mu_str class_name, mu_str key)
{
    return resolve_in(context, arena, class_name, key);
}

/* Audiences refer to one another without cycles (checked when the job was made), so this ends. */
static bool in_segment(void *context, mu_str id)
{
    const row_context *c = context;
    uint64_t *audience = mu_strmap_get(&c->job->audience_of_id, id);
    if (audience == NULL)
        return mu_reference_stored_membership(*c->row, id, c->job->options.now_ms);
    mu_reference_context inner;
    uint32_t trips;
    job_row_context(c->job, c->row, c->arena, &inner);
    return mu_reference_is_member(c->arena, &inner, c->job->audiences[*audience].query, &trips);
}

void job_row_context(const mu_job *job, const mu_value *row, mu_arena *arena,
                     mu_reference_context *out)
{
    row_context *context = MU_NEW(arena, row_context);
    *context = (row_context){job, row, arena};
    *out = (mu_reference_context){.now_ms = job->options.now_ms,
                                  .n_parameters = 1,
                                  .parameters = row,
                                  .in_segment = in_segment,
                                  .resolve = resolve_for_row,
                                  .context = context};
}

void job_table_context(mu_job *job)
{
    job->table_context = (mu_reference_context){
        .now_ms = job->options.now_ms, .resolve = resolve_for_table, .context = job};
}

mu_code mu_job_reference_context(const mu_job *job, mu_row_place place, mu_arena *arena,
                                 mu_reference_context *out, mu_err *err)
{
    if (job->profile == NULL || place.part >= job->profile->n_parts)
        return mu_fail(err, MU_E_NOT_FOUND, "no such row");
    mu_value *row = MU_NEW(arena, mu_value);
    MU_TRY(job_read_row(job, job->profile, place, arena, row, err));
    job_row_context(job, row, arena, out);
    return MU_OK;
}
