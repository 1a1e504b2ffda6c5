/* The reference evaluator as one side of a comparison, and rules that took a detour first. */
#include "tests/support/differential.h"

static mu_value resolve(void *context, mu_arena *arena, mu_str class_name, mu_str key)
{
    const mu_bound_case *bound = context;
    const mu_entity *entity = mu_snapshot_entity(bound->snapshot, class_name);
    bool found = false;
    mu_row_place place;
    mu_err err;
    mu_value value = MU_VALUE_NULL;
    if (entity == NULL)
        return value;
    mu_code code = mu_entity_find(entity, (mu_identity){.value = key}, &found, &place, &err);
    if (code == MU_OK && found)
        code = mu_part_row(entity->parts[place.part], place.row, arena, &value, &err);
    MU_ASSERT(code == MU_OK);
    return value;
}

mu_reference_context mu_case_context(const mu_bound_case *bound, uint32_t row)
{
    return (mu_reference_context){.now_ms = bound->now_ms,
                                  .n_parameters = 1,
                                  .parameters = &bound->rows[row].value,
                                  .resolve = resolve,
                                  .context = (void *)bound};
}

/* A row's answers so far, for inSegment. */
typedef struct row_answers {
    const mu_bound_case *bound;
    const mu_case_answers *answers;
    uint32_t row;
} row_answers;

static bool in_segment(void *context, mu_str id)
{
    const row_answers *so_far = context;
    const mu_bound_case *bound = so_far->bound;
    for (uint32_t i = 0; i < bound->n_rules; i++)
        if (mu_str_equal(bound->audiences[i].id, id))
            return so_far->answers->is_member[(size_t)i * bound->n_rows + so_far->row];
    uint32_t known = mu_case_find_known(id);
    return known < MU_CASE_KNOWN && mu_case_known_has(known, bound->rows[so_far->row].pid);
}

static mu_value resolve_for_row(void *context, mu_arena *arena, mu_str class_name, mu_str key)
{
    const row_answers *so_far = context;
    return resolve((void *)so_far->bound, arena, class_name, key);
}

static void run_queries(const mu_bound_case *bound, const mu_pql *const *queries,
                        mu_case_answers *answers)
{
    mu_arena scratch;
    mu_arena_init(&scratch, SIZE_MAX);
    for (uint32_t row = 0; row < bound->n_rows; row++) {
        row_answers so_far = {bound, answers, row};
        mu_reference_context context = mu_case_context(bound, row);
        context.in_segment = in_segment;
        context.resolve = resolve_for_row;
        context.context = &so_far;
        for (uint32_t i = 0; i < bound->n_rules; i++) {
            uint32_t trips = 0;
            bool is_member = mu_reference_is_member(&scratch, &context, queries[i], &trips);
            uint32_t more = 0;
            const mu_pql *unless = bound->audiences[i].unless;
            if (unless != NULL && mu_reference_is_member(&scratch, &context, unless, &more))
                is_member = false;
            trips |= more;
            answers->is_member[(size_t)i * bound->n_rows + row] = is_member;
            for (unsigned guard = 0; guard < MU_GUARD_COUNT_; guard++)
                answers->trips[guard] += (trips >> guard) & 1;
            mu_arena_rewind(&scratch);
        }
    }
    mu_arena_free(&scratch);
}

typedef const mu_pql *reroute(mu_arena *arena, const mu_bound_case *bound, const mu_pql *query,
                              mu_err *err);

static mu_code run_rerouted(const mu_bound_case *bound, reroute *route, mu_case_answers *answers,
                            mu_err *err)
{
    const mu_pql **queries = MU_NEW_ARRAY(bound->arena, const mu_pql *, bound->n_rules + 1);
    for (uint32_t i = 0; i < bound->n_rules; i++) {
        queries[i] = route(bound->arena, bound, bound->audiences[i].query, err);
        if (queries[i] == NULL)
            return MU_E_SYNTAX;
    }
    run_queries(bound, queries, answers);
    return MU_OK;
}

static const mu_pql *as_is(mu_arena *arena, const mu_bound_case *bound, const mu_pql *query,
                           mu_err *err)
{
    (void)arena, (void)bound, (void)err;
    return query;
}

mu_code mu_case_run_reference(void *context, const mu_bound_case *bound, mu_case_answers *answers,
                              mu_err *err)
{
    (void)context;
    return run_rerouted(bound, as_is, answers, err);
}

/* Prints the tree, reads it again and binds it. */
static const mu_pql *reread(mu_arena *arena, const mu_bound_case *bound, const mu_pql *query,
                            bool as_json, bool is_bound, mu_err *err)
{
    mu_buf buf;
    mu_buf_init(&buf, 1 << 26);
    if (as_json)
        mu_pql_write_json(&buf, query);
    else
        mu_pql_write_text(&buf, query);
    mu_str text = mu_arena_copy(arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    mu_pql_diagnostics diagnostics;
    mu_pql_diagnostics_init(&diagnostics, arena);
    mu_pql_bind_options options = {.schema = mu_snapshot_schema(bound->snapshot),
                                   .must_be_condition = true};
    const mu_pql *tree = NULL, *out = NULL;
    mu_code code = as_json ? mu_pql_parse_json(arena, text, &tree, &diagnostics)
                           : mu_pql_parse_text(arena, text, &tree, &diagnostics);
    if (code == MU_OK && is_bound)
        code = mu_pql_bind(arena, tree, &options, &out, &diagnostics);
    if (code == MU_OK)
        return is_bound ? out : tree;
    mu_fail(err, code, "cannot read back %.380s: %s", text.ptr,
            diagnostics.n == 0
                ? ""
                : mu_pql_diagnostic_line(arena, &diagnostics.items[diagnostics.n - 1]).ptr);
    return NULL;
}

static const mu_pql *through_text(mu_arena *arena, const mu_bound_case *bound, const mu_pql *query,
                                  mu_err *err)
{
    return reread(arena, bound, query, false, true, err);
}

static const mu_pql *through_json(mu_arena *arena, const mu_bound_case *bound, const mu_pql *query,
                                  mu_err *err)
{
    return reread(arena, bound, query, true, true, err);
}

static const mu_pql *through_text_unbound(mu_arena *arena, const mu_bound_case *bound,
                                          const mu_pql *query, mu_err *err)
{
    return reread(arena, bound, query, false, false, err);
}

mu_code mu_case_run_reference_text(void *context, const mu_bound_case *bound,
                                   mu_case_answers *answers, mu_err *err)
{
    (void)context;
    return run_rerouted(bound, through_text, answers, err);
}

mu_code mu_case_run_reference_json(void *context, const mu_bound_case *bound,
                                   mu_case_answers *answers, mu_err *err)
{
    (void)context;
    return run_rerouted(bound, through_json, answers, err);
}

mu_code mu_case_run_reference_unbound(void *context, const mu_bound_case *bound,
                                      mu_case_answers *answers, mu_err *err)
{
    (void)context;
    return run_rerouted(bound, through_text_unbound, answers, err);
}
