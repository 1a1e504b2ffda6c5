/* fuzz_pql_text.c -- any bytes as a rule's text: one syntax error, or a tree that prints and reads
 * back as itself. */
#include "tests/support/pql_round_trip.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    mu_arena arena;
    mu_pql_diagnostics diagnostics;
    const mu_pql *query;
    mu_str source = {(const char *)bytes, size};
    mu_arena_init(&arena, SIZE_MAX);
    mu_pql_diagnostics_init(&diagnostics, &arena);
    if (mu_pql_parse_text(&arena, source, &query, &diagnostics) == MU_OK) {
        MU_ASSERT(diagnostics.n == 0);
        mu_str problem = pql_round_trip(&arena, query);
        if (problem.ptr != NULL)
            mu_assert_failed(problem.ptr, __FILE__, __LINE__);
    } else {
        MU_ASSERT(diagnostics.n_errors == 1);
        MU_ASSERT(mu_pql_diagnostic_picture(&arena, &diagnostics.items[0], source).len > 0);
    }
    mu_arena_free(&arena);
    return 0;
}
