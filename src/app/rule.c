#include "app/rule_int.h"

bool mu_rule_compile(mu_arena *arena, mu_str source, const mu_schema *schema, bool is_condition,
                     const mu_pql **out, mu_pql_diagnostics *diagnostics)
{
    const mu_pql *query;
    mu_pql_bind_options options = {.schema = schema, .must_be_condition = is_condition};
    return mu_pql_parse(arena, source, &query, diagnostics) == MU_OK &&
           mu_pql_bind(arena, query, &options, out, diagnostics) == MU_OK;
}

void mu_rule_print_diagnostics(const mu_pql_diagnostics *diagnostics, mu_str source, FILE *file)
{
    for (uint32_t i = 0; i < diagnostics->n; i++) {
        const mu_pql_diagnostic *diagnostic = &diagnostics->items[i];
        mu_str picture = mu_pql_diagnostic_picture(diagnostics->arena, diagnostic, source);
        FILE *to = diagnostic->is_warning ? stderr : file;
        if (diagnostic->is_warning)
            fputs("warning: ", to);
        fwrite(picture.ptr, 1, picture.len, to);
        if (picture.len == 0 || picture.ptr[picture.len - 1] != '\n')
            fputc('\n', to);
    }
}

mu_str mu_rule_first_error(mu_arena *arena, const mu_pql_diagnostics *diagnostics)
{
    for (uint32_t i = 0; i < diagnostics->n; i++)
        if (!diagnostics->items[i].is_warning)
            return mu_pql_diagnostic_line(arena, &diagnostics->items[i]);
    mu_assert_failed("an error was reported", __FILE__, __LINE__);
}
