/* pql_round_trip.h -- what is printed must read back as the same tree; for tests and fuzz targets.
 */
#ifndef MU_TESTS_PQL_ROUND_TRIP_H
#define MU_TESTS_PQL_ROUND_TRIP_H

#include "pql/pql.h"

typedef struct pql_printed {
    mu_str text, json;
} pql_printed;

static inline pql_printed pql_print(mu_arena *arena, const mu_pql *query)
{
    mu_buf buf;
    pql_printed printed;
    mu_buf_init(&buf, SIZE_MAX / 4);
    mu_pql_write_text(&buf, query);
    printed.text = mu_arena_copy(arena, mu_buf_str(&buf));
    mu_buf_clear(&buf);
    mu_pql_write_json(&buf, query);
    printed.json = mu_arena_copy(arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return printed;
}

/* NULL when text and JSON of `query` read back as themselves, else what went wrong. */
static inline mu_str pql_round_trip(mu_arena *arena, const mu_pql *query)
{
    pql_printed first = pql_print(arena, query);
    for (int from_json = 0; from_json < 2; from_json++) {
        mu_pql_diagnostics diagnostics;
        const mu_pql *again = NULL;
        mu_str source = from_json ? first.json : first.text;
        mu_pql_diagnostics_init(&diagnostics, arena);
        if (!from_json && source.len > MU_PQL_TEXT_MAX)
            continue; /* a tree of less than 64 MiB may have a text that is too long */
        mu_code code = from_json ? mu_pql_parse_json(arena, source, &again, &diagnostics)
                                 : mu_pql_parse_text(arena, source, &again, &diagnostics);
        if (code != MU_OK || diagnostics.n > 0)
            return mu_arena_format(
                arena, "%s does not read back: " MU_STR_FMT "\n" MU_STR_FMT,
                from_json ? "json" : "text", MU_STR_ARG(source),
                MU_STR_ARG(mu_pql_diagnostic_line(arena, &diagnostics.items[0])));
        pql_printed second = pql_print(arena, again);
        if (!mu_str_equal(first.text, second.text) || !mu_str_equal(first.json, second.json))
            return mu_arena_format(arena,
                                   "%s reads back as another tree:\n" MU_STR_FMT "\n" MU_STR_FMT
                                   "\n" MU_STR_FMT "\n" MU_STR_FMT,
                                   from_json ? "json" : "text", MU_STR_ARG(first.text),
                                   MU_STR_ARG(second.text), MU_STR_ARG(first.json),
                                   MU_STR_ARG(second.json));
    }
    return (mu_str){NULL, 0};
}

#endif
