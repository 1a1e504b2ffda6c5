/* job_rows.c -- whole rows for the reference evaluator. A part keeps the types it was written with
 * (docs/decisions/0041), so its rows are brought to those of the schema: else 5 and 5.0 would
 * differ as texts between the evaluators, and between old rows and new ones. */
#include "eval/job_int.h"

struct row_form {
    const mu_entity *entity;
    const mu_type *type;   /* what the schema says now */
    bool *part_is_current; /* per part: it was written with that type */
};

static const mu_type *entity_type(const mu_schema *schema, mu_str name)
{
    if (mu_str_equal(name, MU_STR("profile")) || mu_str_equal(name, MU_ENTITY_GRAPH))
        return schema->row;
    const mu_lookup_class *class = mu_schema_lookup_class(schema, name);
    MU_ASSERT(class != NULL); /* the store refuses parts without one */
    return class->type;
}

void job_prepare_rows(mu_job *job)
{
    const mu_schema *schema = mu_snapshot_schema(job->snapshot);
    job->n_row_forms = mu_snapshot_entity_count(job->snapshot);
    job->row_forms = MU_NEW_ARRAY(&job->arena, struct row_form, job->n_row_forms);
    for (uint32_t i = 0; i < job->n_row_forms; i++) {
        struct row_form *form = &job->row_forms[i];
        form->entity = mu_snapshot_entity_at(job->snapshot, i);
        form->type = entity_type(schema, form->entity->name);
        form->part_is_current = MU_NEW_ARRAY(&job->arena, bool, form->entity->n_parts);
        for (uint32_t p = 0; p < form->entity->n_parts; p++)
            form->part_is_current[p] =
                mu_type_equal(mu_part_row_type(form->entity->parts[p]), form->type);
    }
}

static const struct row_form *form_of(const mu_job *job, const mu_entity *entity)
{
    uint32_t i = 0;
    while (i < job->n_row_forms && job->row_forms[i].entity != entity)
        i++;
    MU_ASSERT(i < job->n_row_forms);
    return &job->row_forms[i];
}

mu_code job_read_row(const mu_job *job, const mu_entity *entity, mu_row_place place,
                     mu_arena *arena, mu_value *out, mu_err *err)
{
    const mu_part *part = entity->parts[place.part];
    MU_TRY(mu_part_row(part, place.row, arena, out, err));
    const struct row_form *form = form_of(job, entity);
    if (!form->part_is_current[place.part])
        *out = mu_value_extend(arena, mu_part_row_type(part), form->type, *out);
    return MU_OK;
}
