/* job.c -- many audiences as one job: order, plan, schedule. */
#include "eval/job_int.h"

#include <stdlib.h>

/* -------- order of audiences -------- */

/* The ids that a query names with inSegment: calls a visitor for every node below `query`. */
typedef bool node_visitor(void *context, const mu_pql *node);

static bool visit_when(const mu_pql_when *when, node_visitor *visit, void *context);

/* Depth is limited by the parser (MU_PQL_DEPTH_MAX). */
static bool visit_nodes(const mu_pql *query, node_visitor *visit, void *context)
{
    if (query == NULL)
        return true;
    if (!visit(context, query))
        return false;
    for (uint32_t i = 0; i < query->n_args; i++)
        if (!visit_nodes(query->args[i], visit, context))
            return false;
    for (uint32_t i = 0; i < query->n_declarations; i++)
        if (!visit_nodes(query->declarations[i].from, visit, context) ||
            !visit_nodes(query->declarations[i].where, visit, context))
            return false;
    for (uint32_t i = 0; i < query->n_items; i++)
        if (!visit_nodes(query->items[i].what, visit, context) ||
            !visit_nodes(query->items[i].where, visit, context) ||
            !visit_when(query->items[i].when, visit, context))
            return false;
    return visit_when(query->when, visit, context);
}

static bool visit_when(const mu_pql_when *when, node_visitor *visit, void *context)
{
    return when == NULL ||
           (visit_nodes(when->start, visit, context) && visit_nodes(when->end, visit, context));
}

typedef struct ordering {
    mu_job *job;
    uint8_t *state; /* 0 not seen, 1 on the stack, 2 placed */
    uint32_t n_placed;
    uint32_t *stack, *edge_of; /* an explicit stack: chains of audiences may be long */
    uint32_t **edges;          /* per audience, the audiences it refers to */
    uint32_t *n_edges;
    uint32_t current;
} ordering;

static bool add_edge(void *context, const mu_pql *node)
{
    ordering *o = context;
    if (node->kind != MU_PQL_CALL || node->function != MU_FN_IN_SEGMENT || node->n_args != 1 ||
        node->args[0]->kind != MU_PQL_LITERAL || node->args[0]->literal.kind != MU_TYPE_STRING)
        return true;
    uint64_t *found = mu_strmap_get(&o->job->audience_of_id, node->args[0]->literal.string);
    if (found == NULL)
        return true;
    uint32_t n = o->n_edges[o->current]++;
    if ((n & (n - 1)) == 0) { /* full at powers of two */
        uint32_t *larger = MU_NEW_ARRAY(&o->job->arena, uint32_t, n == 0 ? 1 : (size_t)n * 2);
        if (n > 0)
            memcpy(larger, o->edges[o->current], n * sizeof *larger);
        o->edges[o->current] = larger;
    }
    o->edges[o->current][n] = (uint32_t)*found;
    return true;
}

/* Depth first from one audience; false when a cycle is met (o->current is on it). */
static bool place_from(ordering *o, uint32_t start)
{
    uint32_t depth = 0;
    o->stack[depth++] = start;
    o->state[start] = 1;
    while (depth > 0) {
        uint32_t at = o->stack[depth - 1];
        if (o->edge_of[at] == o->n_edges[at]) {
            o->state[at] = 2;
            o->job->order[o->n_placed++] = at;
            depth--;
            continue;
        }
        uint32_t next = o->edges[at][o->edge_of[at]++];
        if (o->state[next] == 1) {
            o->current = next;
            return false;
        }
        if (o->state[next] == 0) {
            o->state[next] = 1;
            o->stack[depth++] = next;
        }
    }
    return true;
}

static mu_code order_audiences(mu_job *job, mu_err *err)
{
    uint32_t n = job->n_audiences;
    ordering o = {.job = job};
    o.state = MU_NEW_ARRAY(&job->arena, uint8_t, n);
    o.stack = MU_NEW_ARRAY(&job->arena, uint32_t, (size_t)n + 1);
    o.edge_of = MU_NEW_ARRAY(&job->arena, uint32_t, n);
    o.edges = MU_NEW_ARRAY(&job->arena, uint32_t *, n);
    o.n_edges = MU_NEW_ARRAY(&job->arena, uint32_t, n);
    job->order = MU_NEW_ARRAY(&job->arena, uint32_t, n);
    for (uint32_t a = 0; a < n; a++) {
        o.current = a;
        visit_nodes(job->audiences[a].query, add_edge, &o);
        visit_nodes(job->audiences[a].unless, add_edge, &o);
    }
    for (uint32_t a = 0; a < n; a++)
        if (o.state[a] == 0 && !place_from(&o, a))
            return mu_fail(err, MU_E_INPUT,
                           "PQL-V07 audience \"" MU_STR_FMT "\" refers to itself through inSegment",
                           MU_STR_ARG(job->audiences[o.current].id));
    return MU_OK;
}

/* -------- plan -------- */

static uint32_t find_audience(void *context, mu_str id)
{
    const mu_job *job = context;
    uint64_t *found = mu_strmap_get(&job->audience_of_id, id);
    return found == NULL ? UINT32_MAX : (uint32_t)*found;
}

static uint32_t compile_one(mu_job *job, compile_job *compile, const mu_pql *query)
{
    return job->options.reference_only ? plan_reference(&job->plan, query)
                                       : compile_condition(compile, query);
}

/* `allowed`: by the tree of what excludes, the node of not being excluded. Keys point into the
 * audience. */
static uint32_t compile_root(mu_job *job, compile_job *compile, const job_audience *audience,
                             mu_strmap *allowed)
{
    bool is_new;
    uint32_t root = compile_one(job, compile, audience->query);
    if (audience->unless == NULL)
        return root;
    const mu_str key = {(const char *)&audience->unless, sizeof audience->unless};
    uint64_t *node = mu_strmap_put(allowed, key, &is_new);
    if (is_new)
        *node = plan_not(&job->plan, compile_one(job, compile, audience->unless));
    return plan_and(&job->plan, root, (uint32_t)*node);
}

static void compile_audiences(mu_job *job)
{
    mu_strmap allowed;
    compile_job compile = {.plan = &job->plan,
                           .find_audience = find_audience,
                           .find_known = job_find_known,
                           .context = job,
                           .reference = &job->table_context};
    mu_arena_init(&compile.scratch, SIZE_MAX);
    mu_strmap_init(&allowed);
    for (uint32_t i = 0; i < job->n_audiences; i++) {
        job_audience *audience = &job->audiences[job->order[i]];
        audience->root = compile_root(job, &compile, audience, &allowed);
    }
    mu_strmap_free(&allowed);
    mu_arena_free(&compile.scratch);
    for (uint32_t a = 0; a < job->n_audiences; a++)
        job->audiences[a].member = NO_NODE;
    for (uint32_t i = 0; i < job->plan.n_nodes; i++)
        if (job->plan.nodes[i].operation == PLAN_MEMBER)
            job->audiences[job->plan.nodes[i].lo].member = i;
}

/* A chain that only one conjunction reads is computed last of what that reads, so that it need not
 * look at rows which the others refuse. */
static void put_off_chains(mu_job *job)
{
    plan *p = &job->plan;
    uint32_t n = 0;
    step *steps = MU_NEW_ARRAY(&job->arena, step, job->n_steps);
    for (uint32_t i = 0; i < job->n_steps; i++) {
        const plan_node *node = &p->nodes[job->steps[i].index];
        for (uint32_t k = 0;
             !job->steps[i].delivers && node->operation == PLAN_AND && k < node->n_inputs; k++) {
            plan_node *input = &p->nodes[node->inputs[k]];
            if (input->operation == PLAN_CHAIN && input->n_uses == 1)
                input->wanted_by = job->steps[i].index;
        }
    }
    for (uint32_t i = 0; i < job->n_steps; i++) {
        uint32_t id = job->steps[i].index;
        const plan_node *node = &p->nodes[id];
        if (!job->steps[i].delivers && node->operation == PLAN_CHAIN && node->wanted_by != NO_NODE)
            continue;
        for (uint32_t k = 0; !job->steps[i].delivers && k < node->n_inputs; k++)
            if (p->nodes[node->inputs[k]].operation == PLAN_CHAIN &&
                p->nodes[node->inputs[k]].wanted_by == id)
                steps[n++] = (step){.delivers = false, .index = node->inputs[k]};
        steps[n++] = job->steps[i];
    }
    job->steps = steps;
}

/* What one step after another reads lies together: a block is a walk over thousands of steps. */
static void gather_inputs(mu_job *job)
{
    plan *p = &job->plan;
    size_t n = 0, at = 0;
    for (uint32_t i = 0; i < job->n_steps; i++)
        n += job->steps[i].delivers ? 0 : p->nodes[job->steps[i].index].n_inputs;
    uint32_t *inputs = MU_NEW_ARRAY(&job->arena, uint32_t, n + 1);
    for (uint32_t i = 0; i < job->n_steps; i++) {
        plan_node *node = &p->nodes[job->steps[i].index];
        if (job->steps[i].delivers || node->n_inputs == 0)
            continue;
        memcpy(inputs + at, node->inputs, node->n_inputs * sizeof *inputs);
        node->inputs = inputs + at;
        at += node->n_inputs;
    }
}

/* Every live node before its users, every audience after its root and before those that refer to
 * it. */
static void schedule(mu_job *job)
{
    plan *p = &job->plan;
    bool *needed = MU_NEW_ARRAY(&job->arena, bool, p->n_nodes);
    bool *done = MU_NEW_ARRAY(&job->arena, bool, p->n_nodes);
    job->steps = MU_NEW_ARRAY(&job->arena, step, (size_t)p->n_nodes + job->n_audiences);
    for (uint32_t i = 0; i < job->n_audiences; i++) {
        uint32_t index = job->order[i], root = job->audiences[index].root;
        /* Inputs have lower numbers than their users: one walk down marks, one up schedules. */
        uint32_t lowest = root;
        needed[root] = !done[root];
        for (uint32_t id = root + 1; id-- > lowest;) {
            if (!needed[id] || done[id])
                continue;
            for (uint32_t k = 0; k < p->nodes[id].n_inputs; k++) {
                uint32_t input = p->nodes[id].inputs[k];
                p->nodes[input].n_uses++;
                needed[input] = true;
                if (input < lowest && !done[input])
                    lowest = input;
            }
        }
        p->nodes[root].n_uses++;
        for (uint32_t id = lowest; id <= root; id++) {
            if (needed[id] && !done[id]) {
                job->steps[job->n_steps++] = (step){.delivers = false, .index = id};
                done[id] = true;
            }
        }
        job->steps[job->n_steps++] = (step){.delivers = true, .index = index};
    }
    put_off_chains(job);
    gather_inputs(job);
}

/* What the run needs of the plan beside the steps. */
static void list_uses(mu_job *job)
{
    plan *p = &job->plan;
    job->uses = MU_NEW_ARRAY(&job->arena, uint32_t, p->n_nodes);
    job->tables = MU_NEW_ARRAY(&job->arena, uint32_t, p->n_nodes);
    for (uint32_t i = 0; i < p->n_nodes; i++) {
        job->uses[i] = p->nodes[i].n_uses;
        if (p->nodes[i].operation != PLAN_TABLE || p->nodes[i].n_uses == 0)
            continue;
        p->nodes[i].table_index = job->n_tables;
        job->tables[job->n_tables++] = i;
    }
}

static mu_code index_audiences(mu_job *job, const mu_job_audience *audiences, mu_err *err)
{
    mu_strmap_init(&job->audience_of_id);
    for (uint32_t a = 0; a < job->n_audiences; a++) {
        job->audiences[a] = (job_audience){.id = mu_arena_copy(&job->arena, audiences[a].id),
                                           .query = audiences[a].query,
                                           .unless = audiences[a].unless,
                                           .member = NO_NODE};
        if (audiences[a].id.len == 0)
            continue;
        bool is_new;
        *mu_strmap_put(&job->audience_of_id, job->audiences[a].id, &is_new) = a;
        if (!is_new)
            return mu_fail(err, MU_E_CONFLICT, "two audiences have the id \"" MU_STR_FMT "\"",
                           MU_STR_ARG(audiences[a].id));
    }
    return MU_OK;
}

mu_code mu_job_new(const mu_snapshot *snapshot, const mu_job_options *options, uint32_t n_audiences,
                   const mu_job_audience *audiences, mu_job **out, mu_err *err)
{
    mu_job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return mu_fail(err, MU_E_NOMEM, "no memory for a job");
    mu_arena_init(&job->arena, SIZE_MAX);
    job->snapshot = snapshot;
    job->profile = mu_snapshot_entity(snapshot, MU_STR("profile"));
    job->kernels = kernels_choose();
    job->options = *options;
    if (job->options.n_threads == 0)
        job->options.n_threads = 1;
    job->n_audiences = n_audiences;
    job->audiences = MU_NEW_ARRAY(&job->arena, job_audience, n_audiences);
    plan_init(&job->plan, &job->arena, mu_snapshot_schema(snapshot), options->now_ms);
    job_table_context(job);
    job_prepare_rows(job);
    mu_code code = index_audiences(job, audiences, err);
    if (code == MU_OK)
        code = job_index_known(job, err);
    if (code == MU_OK)
        code = order_audiences(job, err);
    if (code != MU_OK) {
        mu_job_free(job);
        return code;
    }
    compile_audiences(job);
    schedule(job);
    list_uses(job);
    *out = job;
    return MU_OK;
}

void mu_job_free(mu_job *job)
{
    if (job == NULL)
        return;
    mu_strmap_free(&job->audience_of_id);
    mu_strmap_free(&job->known_of_id);
    plan_fini(&job->plan);
    mu_arena_free(&job->arena);
    free(job);
}

const mu_pql *mu_job_audience_query(const mu_job *job, uint32_t audience)
{
    MU_ASSERT(audience < job->n_audiences);
    return job->audiences[audience].query;
}

const mu_pql *mu_job_audience_unless(const mu_job *job, uint32_t audience)
{
    MU_ASSERT(audience < job->n_audiences);
    return job->audiences[audience].unless;
}

void mu_job_write_plan(const mu_job *job, mu_buf *buf)
{
    plan_write(&job->plan, buf);
    for (uint32_t i = 0; i < job->n_audiences; i++) {
        const job_audience *audience = &job->audiences[job->order[i]];
        mu_buf_add_format(buf, "audience " MU_STR_FMT " = #%u\n", MU_STR_ARG(audience->id),
                          audience->root);
    }
}
