/* fuzz_bind.c -- any text that parses: bound with and without a schema. A bound tree has a type at
 * every node, can be judged, and prints as a rule that reads back as itself. */
#include "pql/bind_int.h"
#include "tests/support/pql_round_trip.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check_node(void *context, const mu_pql *node)
{
    uint32_t *next = context;
    MU_ASSERT(node->type != NULL);
    MU_ASSERT(node->id == (*next)++);
    MU_ASSERT(node->kind != MU_PQL_FUNCTION_REFERENCE);
    mu_pql_children(node, check_node, next);
}

static void check_bound(mu_arena *arena, const mu_pql *bound)
{
    uint32_t next = 0;
    mu_eligibility eligibility;
    mu_eligibility_options options = {.merge_policy_active_on_edge = true};
    check_node(&next, bound);
    mu_pql_eligibility(arena, bound, &options, &eligibility);
    MU_ASSERT(eligibility.streaming || eligibility.streaming_reason.len > 0);
    MU_ASSERT(eligibility.edge || eligibility.edge_reason.len > 0);
    MU_ASSERT(eligibility.streaming || !eligibility.edge);
    mu_str problem = pql_round_trip(arena, bound);
    if (problem.ptr != NULL)
        mu_assert_failed(problem.ptr, __FILE__, __LINE__);
}

static void bind(mu_arena *arena, const mu_schema *schema, const mu_pql *query)
{
    mu_pql_bind_options options = {.schema = schema, .must_be_condition = true};
    mu_pql_diagnostics diagnostics;
    const mu_pql *bound = NULL;
    mu_pql_diagnostics_init(&diagnostics, arena);
    mu_code code = mu_pql_bind(arena, query, &options, &bound, &diagnostics);
    MU_ASSERT((code == MU_OK) == (diagnostics.n_errors == 0));
    if (code == MU_OK)
        check_bound(arena, bound);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    mu_arena arena;
    mu_pql_diagnostics diagnostics;
    const mu_pql *query;
    mu_arena_init(&arena, SIZE_MAX);
    mu_pql_diagnostics_init(&diagnostics, &arena);
    if (mu_pql_parse(&arena, (mu_str){(const char *)bytes, size}, &query, &diagnostics) == MU_OK) {
        bind(&arena, NULL, query);
        bind(&arena, mu_schema_builtin(&arena), query);
    }
    mu_arena_free(&arena);
    return 0;
}
