/* job_context.c -- look-ups through relationships and memberships in the job's other audiences, as
 * the reference evaluator asks for them. */
#include "eval/job_int.h"
#include "eval/reference_int.h"

typedef struct row_context {
    const mu_job *job;
    uint32_t pid;
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
    const mu_pql *row_condition;
    mu_reference_context inner;
    uint32_t trips;
    job_row_context(c->job, c->pid, c->row, c->arena, &inner);
    uint64_t *audience = mu_strmap_get(&c->job->audience_of_id, id);
    if (audience != NULL)
        return job_audience_is_member(c->arena, &inner, &c->job->audiences[*audience], &trips);
    uint32_t known = job_find_known((void *)(uintptr_t)c->job, id, &row_condition);
    if (known == UINT32_MAX)
        return mu_reference_stored_membership(*c->row, id, c->job->options.now_ms);
    return job_known_has(c->job, known, c->pid) ||
           (row_condition != NULL &&
            mu_reference_is_member(c->arena, &inner, row_condition, &trips));
}

/* What excludes counts when no guard tripped in it: a profile that cannot be decided is not left
 * out. */
bool job_audience_is_member(mu_arena *arena, const mu_reference_context *context,
                            const job_audience *audience, uint32_t *trips)
{
    uint32_t more = 0;
    bool is_member = mu_reference_is_member(arena, context, audience->query, trips);
    bool is_excluded =
        audience->unless != NULL && mu_reference_is_member(arena, context, audience->unless, &more);
    *trips |= more;
    return is_member && !is_excluded;
}

void job_row_context(const mu_job *job, uint32_t pid, const mu_value *row, mu_arena *arena,
                     mu_reference_context *out)
{
    row_context *context = MU_NEW(arena, row_context);
    *context = (row_context){job, pid, row, arena};
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

static mu_code pid_of_row(const mu_part *part, uint32_t row, uint32_t *out, mu_err *err)
{
    const uint32_t *pids;
    uint32_t low = 0, high = mu_part_block_count(part);
    while (high - low > 1) { /* the last block that does not begin behind the row */
        uint32_t middle = low + (high - low) / 2;
        if (mu_part_block(part, middle).row <= row)
            low = middle;
        else
            high = middle;
    }
    MU_TRY(mu_part_pids(part, low, &pids, err));
    *out = pids[row - mu_part_block(part, low).row];
    return MU_OK;
}

mu_code mu_job_reference_context(const mu_job *job, mu_row_place place, mu_arena *arena,
                                 mu_reference_context *out, mu_err *err)
{
    if (job->profile == NULL || place.part >= job->profile->n_parts)
        return mu_fail(err, MU_E_NOT_FOUND, "no such row");
    mu_value *row = MU_NEW(arena, mu_value);
    uint32_t pid;
    MU_TRY(job_read_row(job, job->profile, place, arena, row, err));
    MU_TRY(pid_of_row(job->profile->parts[place.part], place.row, &pid, err));
    job_row_context(job, pid, row, arena, out);
    return MU_OK;
}
