/* run_known.c -- memberships that were decided before the job (mu_job_members): where inSegment
 * finds them, and what the rows themselves say.
 */
#include "eval/job_int.h"

#include "pql/pql.h"

mu_code run_known(worker *w, uint32_t id, const plan_node *node, uint32_t n)
{
    const mu_job_members *members = &w->job->options.members[node->lo];
    const uint32_t *pids;
    MU_TRY(mu_part_pids(w->bound->part, w->block, &pids, w->err));
    w->values[id].bits = worker_bits(w, n);
    members->fill(members->set, n, pids, w->values[id].bits);
    return MU_OK;
}

/* -------- what rows say -------- */

static void add_text(mu_buf *buf, mu_str text)
{
    const mu_pql literal = {.kind = MU_PQL_LITERAL, .literal = mu_value_string(text)};
    mu_pql_write_text(buf, &literal);
}

static void add_item(mu_buf *buf, mu_str namespace_code, mu_str id)
{
    MU_BUF_ADD(buf, "segmentMembership.get(");
    add_text(buf, namespace_code);
    MU_BUF_ADD(buf, ").get(");
    add_text(buf, id);
    MU_BUF_ADD(buf, ")");
}

/* As mu_reference_stored_membership has it: without validUntil for ever. */
static void add_condition(mu_buf *buf, const mu_job_members *members, mu_str id, bool has_end)
{
    MU_BUF_ADD(buf, "(");
    add_item(buf, members->row_namespace, id);
    MU_BUF_ADD(buf, ".status in [\"realized\", \"existing\"]");
    if (has_end) {
        MU_BUF_ADD(buf, " and not (");
        add_item(buf, members->row_namespace, id);
        MU_BUF_ADD(buf, ".validUntil occurs before now)");
    }
    MU_BUF_ADD(buf, ")");
}

/* NULL when it does not bind: the schema has no such fields. */
static const mu_pql *read_condition(mu_job *job, const mu_job_members *members, bool has_end)
{
    mu_buf buf;
    const mu_pql *tree, *bound = NULL;
    mu_pql_diagnostics diagnostics;
    const mu_pql_bind_options options = {.schema = mu_snapshot_schema(job->snapshot),
                                         .must_be_condition = true};
    mu_pql_diagnostics_init(&diagnostics, &job->arena);
    mu_buf_init(&buf, MU_PQL_TEXT_MAX);
    for (uint32_t i = 0; i < members->n_row_ids; i++) {
        if (i > 0)
            MU_BUF_ADD(&buf, " or ");
        add_condition(&buf, members, members->row_ids[i], has_end);
    }
    mu_code code = mu_pql_parse_text(&job->arena, mu_buf_str(&buf), &tree, &diagnostics);
    if (code == MU_OK)
        code = mu_pql_bind(&job->arena, tree, &options, &bound, &diagnostics);
    mu_buf_free(&buf);
    return code == MU_OK ? bound : NULL;
}

mu_code job_index_known(mu_job *job, mu_err *err)
{
    uint32_t n = job->options.n_members;
    mu_strmap_init(&job->known_of_id);
    job->row_conditions = MU_NEW_ARRAY(&job->arena, const mu_pql *, (size_t)n + 1);
    for (uint32_t i = 0; i < n; i++) {
        const mu_job_members *members = &job->options.members[i];
        bool is_new;
        *mu_strmap_put(&job->known_of_id, mu_arena_copy(&job->arena, members->id), &is_new) = i;
        if (!is_new)
            return mu_fail(err, MU_E_CONFLICT, "the members of \"" MU_STR_FMT "\" are given twice",
                           MU_STR_ARG(members->id));
        if (members->n_row_ids > 0)
            job->row_conditions[i] = read_condition(job, members, true);
        if (members->n_row_ids > 0 && job->row_conditions[i] == NULL)
            job->row_conditions[i] = read_condition(job, members, false);
    }
    return MU_OK;
}

uint32_t job_find_known(void *context, mu_str id, const mu_pql **row_condition)
{
    const mu_job *job = context;
    uint64_t *found = mu_strmap_get(&job->known_of_id, id);
    if (found == NULL)
        return UINT32_MAX;
    *row_condition = job->row_conditions[*found];
    return (uint32_t)*found;
}

bool job_known_has(const mu_job *job, uint32_t membership, uint32_t pid)
{
    uint64_t is_member = 0;
    const mu_job_members *members = &job->options.members[membership];
    members->fill(members->set, 1, &pid, &is_member);
    return is_member != 0;
}
